/* Arithmetic on bytes that stand for numbers: what kernels compute with, and what exporters write
 * down. Everything is in whole numbers, so the results are the same on every machine. */
#ifndef CNN_KERNELS_BYTES_H
#define CNN_KERNELS_BYTES_H

#include <stddef.h>
#include <stdint.h>

/* Bytes that stand for numbers: (byte - zero) * scale, zero from 0 to 255. The code of a number is
 * nearest(number / scale) + zero, between 0 and 255: one division of floats, halves to the even
 * one. */
struct cnn_codes {
    float scale; /* positive; 0: not bytes but float32 */
    int zero;
};

/* The codes of numbers from range[0] (at most 0) to range[1] (at least 0). Zero itself has one:
 * padding and what relu cuts off are exact. */
struct cnn_codes cnn_codes_of(const float *range);

/* Arrays of bytes have, for each pixel, its channels and then what fills up the last four (any
 * bytes). */
static inline size_t cnn_code_channels(size_t channels)
{
    return (channels + 3) / 4 * 4;
}

/* The whole numbers of one layer, made by graph/integers.h. A sum becomes a code by cnn_requantize:
 *
 *   convolutions  sum = bias[f] + sum of (x - x zero) * w; multiplier[f]
 *   means         sum = sum of (x - x zero) over the window; multiplier[0], or where windows have
 *                 different divisors multiplier[divisor - 1]
 *   products      sum = (a - a zero) * (b - b zero); multiplier[0]
 *
 * The others:
 *
 *   add           sum = sum of (x[i] - x[i] zero) * multiplier[i], a code by cnn_round_shift
 *   batch_norm    sum = bias[c] + x * multiplier[c], a code by cnn_round_shift; x zero is in bias
 *   activations   table[x]
 *
 * Where y is floats, a sum is worth scale, chosen as multiplier is: y = (float)sum * scale, one
 * multiplication of floats, then an activation in floats. No sum, shifted left or not, leaves 32
 * bits. */
struct cnn_integers {
    size_t inputs;
    const struct cnn_codes *x; /* of each input */
    struct cnn_codes y;        /* scale 0: floats */
    size_t count;              /* of multipliers, and of the next two where they are not NULL */
    const int32_t *multiplier; /* 0 to 2^31 - 1; of batch_norm with either sign */
    const int32_t *bias;       /* of convolutions and batch_norm; else NULL */
    const float *scale;        /* NULL for add, batch_norm and activations */
    int left, shift;           /* 0 to 30, 1 to 31 */
    /* of the codes before the table; those of y where there is none */
    int zero, low, high;
    const unsigned char *table; /* 256 codes of y; NULL: none */
    float step;                 /* scale of the sums' codes before the table; 0: there are none */
};

/* The end of all of them: cuts, and looks up. */
static inline unsigned char cnn_finish_code(const struct cnn_integers *k, int32_t code)
{
    code = code < k->low ? k->low : code > k->high ? k->high : code;
    return k->table ? k->table[code] : (unsigned char)code;
}

/* A whole number over 2^shift, halves up, as a code. */
static inline unsigned char cnn_round_shift(const struct cnn_integers *k, int32_t number)
{
    return cnn_finish_code(k, k->zero + ((number + ((int32_t)1 << (k->shift - 1))) >> k->shift));
}

/* A sum times multiplier number `which`, over 2^(32 - left + shift). The product is cut off at bit
 * 32, and what remains is rounded. */
static inline unsigned char cnn_requantize(const struct cnn_integers *k, int32_t sum, size_t which)
{
    const int64_t product = (int64_t)sum * ((int64_t)1 << k->left) * k->multiplier[which];
    return cnn_round_shift(k, (int32_t)(product >> 32));
}

#endif
