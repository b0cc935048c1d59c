/* Floating-point numbers of 16 bits, as files hold them. */
#ifndef CNN_UTIL_SMALL_FLOAT_H
#define CNN_UTIL_SMALL_FLOAT_H

#include <math.h>

/* The number whose sign, exponent and fraction stand in the lowest bits: float16 has 5 bits of
 * exponent and 10 of fraction, bfloat16 8 and 7. */
static inline double cnn_small_float(unsigned bits, int exponent_bits, int fraction_bits)
{
    int fraction = (int)(bits & ((1u << fraction_bits) - 1));
    int exponent = (int)(bits >> fraction_bits & ((1u << exponent_bits) - 1));
    int bias = (1 << (exponent_bits - 1)) - 1, most = (1 << exponent_bits) - 1;
    double sign = bits >> (exponent_bits + fraction_bits) & 1 ? -1 : 1;
    if (exponent == most)
        return fraction ? NAN : sign * INFINITY;
    if (exponent == 0)
        return sign * ldexp(fraction, 1 - bias - fraction_bits);
    return sign * ldexp(fraction + (1 << fraction_bits), exponent - bias - fraction_bits);
}

#endif
