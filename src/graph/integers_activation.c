/* Activations of codes (integers.h): cuts, or tables of 256 codes. The functions are of basic
 * operations, not those of the C library, whose last bits differ from machine to machine. */
#include "graph/integers.h"

#include <math.h>

/* ln 2 as a number with so few bits that its multiples are exact, and what is left of it */
#define LN2_HIGH 0.693147180369123816490
#define LN2_LOW  1.90821492927058770002e-10

/* e^x: x = k ln 2 + r with |r| at most ln 2 / 2, and the series of e^r. */
static double exponential(double x)
{
    if (x < -700)
        return 0;
    x = x > 700 ? 700 : x;
    const double k = floor(x / (LN2_HIGH + LN2_LOW) + 0.5);
    const double high = x - k * LN2_HIGH, r = high - k * LN2_LOW;
    double sum = 1;
    for (int i = 18; i > 0; i--)
        sum = 1 + r * sum / i;
    return ldexp(sum, (int)k);
}

/* erf(x) = 2 / sqrt(pi) e^(-x^2) (x + 2 x^3 / 3 + 4 x^5 / (3 * 5) + ...), all of one sign. */
static double error_function(double x)
{
    if (fabs(x) > 6)
        return x < 0 ? -1 : 1;
    double term = x, sum = x;
    for (int i = 1; i < 160; i++) {
        term = term * 2 * x * x / (2 * i + 1);
        sum += term;
    }
    return 1.12837916709551257390 * exponential(-x * x) * sum;
}

static double sigmoid(double x)
{
    return 1 / (1 + exponential(-x));
}

static double hyperbolic_tangent(double x)
{
    const double e = exponential(-2 * fabs(x)), y = (1 - e) / (1 + e);
    return x < 0 ? -y : y;
}

/* x * tanh(ln(1 + e^x)), with n = e^x: x * (n^2 + 2 n) / (n^2 + 2 n + 2). */
static double mish(double x)
{
    if (x > 40)
        return x;
    const double n = exponential(x), m = n * n + 2 * n;
    return x * m / (m + 2);
}

static double cut(double x, double low, double high)
{
    return x < low ? low : x > high ? high : x;
}

static double activate(struct cnn_activation a, double x)
{
    switch (a.kind) {
    case CNN_ACT_RELU:
        return x > 0 ? x : 0;
    case CNN_ACT_RELU6:
        return cut(x, 0, 6);
    case CNN_ACT_LEAKY_RELU:
        return x > 0 ? x : x * (double)a.slope;
    case CNN_ACT_ELU:
        return x > 0 ? x : exponential(x) - 1;
    case CNN_ACT_SIGMOID:
        return sigmoid(x);
    case CNN_ACT_TANH:
        return hyperbolic_tangent(x);
    case CNN_ACT_GELU:
        return x * (1 + error_function(x * 0.70710678118654752440)) / 2;
    case CNN_ACT_SILU:
        return x * sigmoid(x);
    case CNN_ACT_HARDSWISH:
        return x * cut(x + 3, 0, 6) / 6;
    case CNN_ACT_HARD_SIGMOID:
        return cut(x + 3, 0, 6) / 6;
    case CNN_ACT_MISH:
        return mish(x);
    case CNN_ACT_CLIP:
        return cut(x, (double)a.min, (double)a.max);
    default:
        return x;
    }
}

static int code_of(double number, struct cnn_codes codes)
{
    return (int)cut(floor(number / (double)codes.scale + 0.5) + codes.zero, 0, 255);
}

void cnn_integers_table(struct cnn_activation activation, struct cnn_codes x, struct cnn_codes y,
                        unsigned char *table)
{
    for (int code = 0; code < 256; code++)
        table[code] = (unsigned char)code_of(
            activate(activation, (double)(code - x.zero) * (double)x.scale), y);
}

/* The number from which on, in the direction of sign, the code of the activation stays what it is
 * far out. Functions that rise to both sides, as silu below 0, change it more than once: from the
 * far end, steps of 1 / 64. */
static double end_of_change(struct cnn_activation a, struct cnn_codes y, int sign)
{
    const int far = code_of(activate(a, sign * 64.0), y);
    int step = 64 * 64;
    while (step > 1 && code_of(activate(a, sign * (step - 1) / 64.0), y) == far)
        step--;
    return sign * step / 64.0;
}

/* The numbers of which the activation makes different codes: what lies beyond has the code of the
 * end. Those that go on as x does end where their codes do. */
static struct cnn_codes codes_before(struct cnn_activation a, struct cnn_codes y)
{
    const double low = -(double)y.zero * (double)y.scale;
    /* as range has it: else a bit of the scale would decide below whether it is enough */
    const double high = (double)(float)fmax((255.0 - y.zero) * (double)y.scale, 1e-30);
    const bool bounded =
        a.kind == CNN_ACT_SIGMOID || a.kind == CNN_ACT_TANH || a.kind == CNN_ACT_HARD_SIGMOID;
    float range[2] = {0, bounded ? (float)end_of_change(a, y, 1) : (float)high};
    if (a.kind == CNN_ACT_LEAKY_RELU) /* a slope of nearly 0 has a code of its own, and no others */
        range[0] = (float)fmax(low / fmax((double)a.slope, 1e-3), -64 * fmax(high, -low));
    else
        range[0] = (float)end_of_change(a, y, -1);
    while (!bounded && a.kind != CNN_ACT_LEAKY_RELU && range[1] < 8 &&
           activate(a, (double)range[1]) < high)
        range[1] += 1.0f / 64;
    /* the last codes, too, lie beyond: zero has one, so they may be half a step off */
    const float step = (range[1] - range[0]) / 255;
    range[0] -= range[0] < 0 ? step : 0;
    range[1] += step;
    return cnn_codes_of(range);
}

float cnn_integers_activate(const struct cnn_integers_room *room, struct cnn_activation activation,
                            struct cnn_codes y)
{
    struct cnn_integers *k = room->integers;
    k->y = y;
    if (!(y.scale > 0))
        return 1;
    k->zero = y.zero;
    switch (activation.kind) {
    case CNN_ACT_NONE:
        return y.scale;
    case CNN_ACT_RELU:
        k->low = y.zero;
        return y.scale;
    case CNN_ACT_RELU6:
    case CNN_ACT_CLIP:
        k->low = code_of(activate(activation, -INFINITY), y);
        k->high = code_of(activate(activation, INFINITY), y);
        return y.scale;
    default:
        break;
    }
    const struct cnn_codes before = codes_before(activation, y);
    cnn_integers_table(activation, before, y, room->table);
    k->zero = before.zero;
    k->table = room->table;
    k->step = before.scale;
    return before.scale;
}
