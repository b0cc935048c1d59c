/* Random numbers that depend on what they are for, not on when they are drawn: a generator is made
 * from (seed, stream, index), e.g. (seed, augmentation, epoch * images + image). Nothing about
 * randomness needs saving but the seed and the counters. */
#ifndef CNN_UTIL_RANDOM_H
#define CNN_UTIL_RANDOM_H

#include <stdint.h>

struct cnn_rng {
    /* PCG32: O'Neill, "PCG: A Family of Simple Fast Space-Efficient Statistically Good Algorithms",
     * 2014 */
    uint64_t state, increment;
};

/* What numbers are drawn for: keeps the streams of one seed apart. */
enum cnn_stream {
    CNN_STREAM_INIT = 1,
    CNN_STREAM_SHUFFLE,
    CNN_STREAM_AUGMENT,
    CNN_STREAM_DROPOUT,
    CNN_STREAM_SHAPES,
    CNN_STREAM_SPLIT,
    CNN_STREAM_BENCH,
    CNN_STREAM_SMOOTHGRAD,
    CNN_STREAM_EXCITE,
    CNN_STREAM_FLIP,
    CNN_STREAM_MIX
};

struct cnn_rng cnn_rng_at(uint64_t seed, enum cnn_stream stream, uint64_t index);
uint32_t cnn_rng_u32(struct cnn_rng *rng);
/* 0 <= r < bound, without bias; bound > 0 */
uint32_t cnn_rng_below(struct cnn_rng *rng, uint32_t bound);
float cnn_rng_uniform(struct cnn_rng *rng); /* [0, 1), 24 bits */
/* mean 0, standard deviation 1 (Box-Muller) */
float cnn_rng_normal(struct cnn_rng *rng);
float cnn_rng_beta(struct cnn_rng *rng, double a, double b); /* Beta(a, b), in [0, 1]; a, b > 0 */

#endif
