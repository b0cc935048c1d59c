/* Random numbers: PCG32 (XSH-RR), O'Neill, "PCG: A Family of Simple Fast Space-Efficient
 * Statistically Good Algorithms for Random Number Generation", 2014. Its start is hashed from what
 * the numbers are for, with the finaliser of SplitMix64: Steele, Lea, Flood, "Fast Splittable
 * Pseudorandom Number Generators", 2014. */
#include "util/random.h"

#include <assert.h>
#include <math.h>

static uint64_t mix(uint64_t x)
{
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* mix is a bijection, so two indices of one stream never start in the same state. */
struct cnn_rng cnn_rng_at(uint64_t seed, enum cnn_stream stream, uint64_t index)
{
    uint64_t key = mix(mix(seed) ^ (uint64_t)stream);
    uint64_t state = mix(key ^ index);
    return (struct cnn_rng){.state = state, .increment = mix(state) | 1};
}

uint32_t cnn_rng_u32(struct cnn_rng *rng)
{
    uint64_t old = rng->state;
    rng->state = old * 6364136223846793005u + rng->increment;
    uint32_t shifted = (uint32_t)(((old >> 18) ^ old) >> 27);
    uint32_t turn = (uint32_t)(old >> 59);
    return (shifted >> turn) | (shifted << (-turn & 31));
}

uint32_t cnn_rng_below(struct cnn_rng *rng, uint32_t bound)
{
    assert(bound > 0);
    /* The lowest 2^32 mod bound numbers are thrown away: what remains is a multiple of bound. */
    uint32_t lowest = -bound % bound;
    uint32_t r;
    do
        r = cnn_rng_u32(rng);
    while (r < lowest);
    return r % bound;
}

float cnn_rng_uniform(struct cnn_rng *rng)
{
    return (float)(cnn_rng_u32(rng) >> 8) * 0x1p-24f;
}

/* Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958: r cos(angle), the
 * sine is thrown away so that a generator has no state but its counter. The radius comes from (0,
 * 1], where the logarithm is finite. */
float cnn_rng_normal(struct cnn_rng *rng)
{
    const double two_pi = 6.283185307179586;
    double radius = sqrt(-2 * log(((double)cnn_rng_u32(rng) + 1) * 0x1p-32));
    double angle = two_pi * (double)cnn_rng_u32(rng) * 0x1p-32;
    return (float)(radius * cos(angle));
}

/* The logarithm of a Gamma(a) number. Marsaglia and Tsang, "A Simple Method for Generating Gamma
 * Variables", 2000, for a of at least 1; below, Gamma(a) is Gamma(a + 1) times the a-th root of a
 * uniform number, which only its logarithm can hold where a is small. */
static double log_gamma_draw(struct cnn_rng *rng, double a)
{
    double d = (a < 1 ? a + 1 : a) - 1.0 / 3, c = 1 / sqrt(9 * d), root = 0;
    for (;;) {
        double x = (double)cnn_rng_normal(rng), v = 1 + c * x;
        double u = ((double)cnn_rng_u32(rng) + 0.5) * 0x1p-32;
        v *= v * v;
        if (v <= 0 || log(u) >= x * x / 2 + d - d * v + d * log(v))
            continue;
        if (a < 1)
            root = log(((double)cnn_rng_u32(rng) + 0.5) * 0x1p-32) / a;
        return log(d * v) + root;
    }
}

/* The share of one Gamma number in the sum of two. */
float cnn_rng_beta(struct cnn_rng *rng, double a, double b)
{
    double one = log_gamma_draw(rng, a), other = log_gamma_draw(rng, b);
    return (float)(1 / (1 + exp(other - one)));
}
