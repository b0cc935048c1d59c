/* The convolutions of exported int8 networks (int8.c): sums of products of whole numbers, the same
 * on every machine, computed with what the processor has for it. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "float.c"

/* piece lanes: common */
/* Processors with the DSP extension of ARM (Cortex-M4, M7, M33) multiply two pairs of 16-bit
 * numbers at once, those with MVE (Cortex-M55) eight. The sums are the same. -DCNN_PLAIN does
 * without. */
#if defined(__GNUC__)
#define INLINE static inline __attribute__((always_inline))
#define APART  static __attribute__((noinline))
#else
#define INLINE static
#define APART  static
#endif
#if defined(CNN_PLAIN) || !defined(__GNUC__) || defined(__ARM_BIG_ENDIAN)
#define CNN_LANES 1
#elif defined(__ARM_FEATURE_MVE)
#define CNN_LANES 8
#include <arm_mve.h>
#elif defined(__ARM_FEATURE_DSP) && defined(__thumb2__)
#define CNN_LANES 2
#include <arm_acle.h>

/* Bytes 0 and 2 of a word, or 1 and 3, as a pair of 16-bit numbers; s: they are signed. */
#define CNN_PAIR(name, instruction)                                                                \
    INLINE int32_t name(uint32_t word)                                                             \
    {                                                                                              \
        int32_t pair;                                                                              \
        __asm__(instruction : "=r"(pair) : "r"(word));                                             \
        return pair;                                                                               \
    }
CNN_PAIR(even_u8, "uxtb16 %0, %1")
CNN_PAIR(odd_u8, "uxtb16 %0, %1, ror #8")
CNN_PAIR(even_s8, "sxtb16 %0, %1")
CNN_PAIR(odd_s8, "sxtb16 %0, %1, ror #8")

INLINE uint32_t four(const void *bytes)
{
    uint32_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}
#else
#define CNN_LANES 1
#endif

/* piece columns_u8: lanes window source */
/* What is under two windows of the input, minus zero: [kernel row][kernel column][channel], `count`
 * numbers of 16 bits. The two take turns after every four numbers; of four, pairs are as CNN_PAIR
 * makes them of a word. With MVE one stands behind the other. */
struct columns {
    int32_t count, zero;
    int16_t *to;
};

#if CNN_LANES == 8
#define CNN_PLACE(k, column, i) ((k)->count * (column) + (i))
#elif CNN_LANES == 2
#define CNN_PLACE(k, column, i) (((i) & ~3) * 2 + (column)*4 + ((i) >> 1 & 1) + ((i)&1) * 2)
#else
#define CNN_PLACE(k, column, i) (((i) & ~3) * 2 + (column)*4 + ((i)&3))
#endif

#if CNN_LANES == 2
INLINE void widen_four(const uint8_t *x, int32_t zero, int16_t *to)
{
    const uint32_t word = four(x);
    const int32_t zeros = zero * 65537,
                  pairs[2] = {__ssub16(even_u8(word), zeros), __ssub16(odd_u8(word), zeros)};
    memcpy(to, pairs, sizeof pairs);
}
#else
INLINE void widen_four(const uint8_t *x, int32_t zero, int16_t *to)
{
    for (int32_t c = 0; c < 4; c++)
        to[c] = (int16_t)(x[c] - zero);
}
#endif

/* Numbers i to i + size of a column are those of x, or zeros. */
APART void widen(const struct columns *k, int32_t column, int32_t i, int32_t size, const uint8_t *x)
{
    const int32_t end = i + size;
    for (; i < end && i % 4 != 0; i++)
        k->to[CNN_PLACE(k, column, i)] = (int16_t)(*x++ - k->zero);
    for (; i + 4 <= end; i += 4, x += 4)
        widen_four(x, k->zero, k->to + CNN_PLACE(k, column, i));
    for (; i < end; i++)
        k->to[CNN_PLACE(k, column, i)] = (int16_t)(*x++ - k->zero);
}

APART void clear(const struct columns *k, int32_t column, int32_t i, int32_t size)
{
    for (const int32_t end = i + size; i < end; i++)
        k->to[CNN_PLACE(k, column, i)] = 0;
}

/* Column j of the output reads this, channels from `first` on. A row of the window that lies in the
 * map is one run of bytes, if it has all channels. */
static void gather(const struct window *k, const uint8_t **rows, int32_t j, int32_t first,
                   const struct columns *to, int32_t column)
{
    const int32_t channels = k->in_c / k->groups, left = j * k->stride_w - k->pad_left,
                  whole = k->groups == 1 && k->dilation_w == 1 && left >= 0 &&
                          left + k->kernel_w <= k->in_w,
                  parts = whole ? 1 : k->kernel_w, size = whole ? k->kernel_w * channels : channels;
    int32_t i = 0;
    for (int32_t u = 0; u < k->kernel_h; u++)
        for (int32_t v = 0; v < parts; v++, i += size) {
            const int32_t s = source(left + v * k->dilation_w, k->in_w, k->mode);
            if (!rows[u] || s < 0)
                clear(to, column, i, size);
            else
                widen(to, column, i, size, rows[u] + s * k->in_c + first);
        }
}

/* piece products_s8: columns_u8 */
/* Adds to sum the products of two columns, a and b, with two filters, w and v: those of a and w, b
 * and w, a and v, b and v. What is loaded once is used twice. */
#if CNN_LANES == 8
APART void products_s8(const struct columns *k, const int8_t *w, const int8_t *v, int32_t *sum)
{
    const int16_t *a = k->to, *b = a + k->count;
    int32_t aw = sum[0], bw = sum[1], av = sum[2], bv = sum[3];
    for (int32_t left = k->count; left > 0; left -= 8, a += 8, b += 8, w += 8, v += 8) {
        const mve_pred16_t some = vctp16q((uint32_t)left);
        const int16x8_t p = vldrbq_z_s16(w, some), q = vldrbq_z_s16(v, some),
                        x = vldrhq_z_s16(a, some), y = vldrhq_z_s16(b, some);
        aw = vmladavaq_s16(aw, x, p);
        bw = vmladavaq_s16(bw, y, p);
        av = vmladavaq_s16(av, x, q);
        bv = vmladavaq_s16(bv, y, q);
    }
    sum[0] = aw, sum[1] = bw, sum[2] = av, sum[3] = bv;
}
#else
/* Number i of the columns, and c of the filters. */
#define CNN_MULTIPLY(c)                                                                            \
    {                                                                                              \
        const int32_t p = w[c], q = v[c], a = x[CNN_PLACE(k, 0, c)], b = x[CNN_PLACE(k, 1, c)];    \
        aw += a * p;                                                                               \
        bw += b * p;                                                                               \
        av += a * q;                                                                               \
        bv += b * q;                                                                               \
    }

#if CNN_LANES == 2
/* Four numbers of both columns and a filter. */
#define CNN_MULTIPLY_FOUR(word, a, b)                                                              \
    {                                                                                              \
        const int32_t p = even_s8(word), q = odd_s8(word);                                         \
        a = __smlad(a0, p, a);                                                                     \
        b = __smlad(b0, p, b);                                                                     \
        a = __smlad(a1, q, a);                                                                     \
        b = __smlad(b1, q, b);                                                                     \
    }
#endif

APART void products_s8(const struct columns *k, const int8_t *w, const int8_t *v, int32_t *sum)
{
    const int16_t *x = k->to;
    const int8_t *const fours = w + (k->count & ~3);
    int32_t aw = sum[0], bw = sum[1], av = sum[2], bv = sum[3];
#if CNN_LANES == 2
    const int32_t step = (int32_t)(v - w);
    while (w != fours) {
        int32_t a0, a1, b0, b1;
        __asm__("ldrd %0, %1, [%2], #8" : "=&r"(a0), "=&r"(a1), "+r"(x) : : "memory");
        __asm__("ldrd %0, %1, [%2], #8" : "=&r"(b0), "=&r"(b1), "+r"(x) : : "memory");
        const uint32_t second = four(w + step), first = four(w);
        w += 4;
        CNN_MULTIPLY_FOUR(first, aw, bw)
        CNN_MULTIPLY_FOUR(second, av, bv)
    }
    v = w + step;
#else
    for (; w != fours; w += 4, v += 4, x += 8) {
        CNN_MULTIPLY(0)
        CNN_MULTIPLY(1)
        CNN_MULTIPLY(2)
        CNN_MULTIPLY(3)
    }
#endif
    for (int32_t c = 0; c < (k->count & 3); c++)
        CNN_MULTIPLY(c)
    sum[0] = aw, sum[1] = bw, sum[2] = av, sum[3] = bv;
}
#endif

/* piece conv_u8: window products_s8 */
/* A convolution's weights, [filter][kernel row][kernel column][channel], its biases, and x's zero.
 * columns has room for the inputs of two columns of the output, each rounded up to fours. */
struct filters {
    const int8_t *weight;
    const int32_t *bias;
    int32_t zero;
    int16_t *columns;
};

/* The sums of column j of the output, y[filter], and where `two` is 1 of column j + 1 behind it. */
static void conv_u8(const struct window *k, const struct filters *w, const uint8_t **rows,
                    int32_t j, int32_t two, int32_t *y)
{
    const int32_t members = k->out_c / k->groups, channels = k->in_c / k->groups;
    const struct columns columns = {k->kernel_h * k->kernel_w * channels, w->zero, w->columns};
    const int8_t *weight = w->weight;
    const int32_t *bias = w->bias;
    for (int32_t g = 0; g < k->groups; g++) {
        gather(k, rows, j, g * channels, &columns, 0);
        gather(k, rows, j + two, g * channels, &columns, 1);
        for (int32_t left = members, next; left > 0; left -= 2) {
            next = left > 1;
            int32_t sum[4] = {bias[0], bias[0], bias[next], bias[next]};
            products_s8(&columns, weight, weight + next * columns.count, sum);
            y[0] = sum[0];
            y[next] = sum[2];
            if (two) {
                y[k->out_c] = sum[1];
                y[k->out_c + next] = sum[3];
            }
            weight += (next + 1) * columns.count;
            bias += next + 1;
            y += next + 1;
        }
    }
}

/* piece depthwise_u8: lanes window source */
struct depthwise {
    const int8_t *weight;
    const int32_t *bias;
    int32_t zero;
};

/* sum[c] += (x[c] - zero) * w[c] for four channels. */
#if CNN_LANES == 2
INLINE void add_four(const uint8_t *x, const int8_t *w, int32_t zero, int32_t *sum)
{
    const uint32_t pixel = four(x), filter = four(w);
    const int32_t even = __ssub16(even_u8(pixel), zero * 65537),
                  odd = __ssub16(odd_u8(pixel), zero * 65537), p = even_s8(filter),
                  q = odd_s8(filter);
    sum[0] = __smlabb(even, p, sum[0]);
    sum[1] = __smlabb(odd, q, sum[1]);
    sum[2] = __smlatt(even, p, sum[2]);
    sum[3] = __smlatt(odd, q, sum[3]);
}
#else
INLINE void add_four(const uint8_t *x, const int8_t *w, int32_t zero, int32_t *sum)
{
    sum[0] += (x[0] - zero) * w[0];
    sum[1] += (x[1] - zero) * w[1];
    sum[2] += (x[2] - zero) * w[2];
    sum[3] += (x[3] - zero) * w[3];
}
#endif

/* A pixel under a window, and its weights. */
struct tap {
    const uint8_t *x;
    const int8_t *w;
};
#define CNN_TAPS 9

/* Channels c to c + 4 of `count` taps are added to sum. */
APART void add_taps(const struct tap *tap, int32_t count, int32_t c, int32_t zero, int32_t *sum)
{
    int32_t own[4];
    memcpy(own, sum + c, sizeof own);
    for (const struct tap *end = tap + count; tap < end; tap++)
        add_four(tap->x + c, tap->w + c, zero, own);
    memcpy(sum + c, own, sizeof own);
}

/* The sums of column j where each channel has one filter; weight: [kernel row][kernel
 * column][channel]. */
static void depthwise_u8(const struct window *k, const struct depthwise *w, const uint8_t **rows,
                         int32_t j, int32_t *RESTRICT y)
{
    struct tap taps[CNN_TAPS];
    int32_t count = 0, fours;
    memcpy(y, w->bias, (size_t)k->out_c * sizeof *y);
    for (int32_t t = 0; t < k->kernel_h * k->kernel_w; t++) {
        const uint8_t *row = rows[t / k->kernel_w];
        const int32_t s = source(j * k->stride_w + t % k->kernel_w * k->dilation_w - k->pad_left,
                                 k->in_w, k->mode);
        if (row && s >= 0) {
            taps[count].x = row + s * k->in_c;
            taps[count++].w = w->weight + t * k->out_c;
        }
        if ((count < CNN_TAPS && t + 1 < k->kernel_h * k->kernel_w) || count == 0)
            continue;
        fours = k->out_c & ~3;
        for (int32_t c = 0; c < fours; c += 4)
            add_taps(taps, count, c, w->zero, y);
        for (int32_t c = fours; c < k->out_c; c++)
            for (int32_t n = 0; n < count; n++)
                y[c] += (taps[n].x[c] - w->zero) * taps[n].w[c];
        count = 0;
    }
}
