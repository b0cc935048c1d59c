#include "kernels/vector/pack.h"

#include "kernels/internal.h"
#include "kernels/vector/gemm.h"
#include "kernels/vector/pairs.h"

/* Numbers of two vectors in turn: of their lower halves, and of their upper ones. */
#if VLEN == 16
#define LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VLEN == 8
#define LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER 4, 12, 5, 13, 6, 14, 7, 15
#else
#define LOWER 0, 4, 1, 5
#define UPPER 2, 6, 3, 7
#endif
#if defined(__clang__)
#define TAKE(a, b, lanes) __builtin_shufflevector(a, b, lanes)
#else
#define TAKE(a, b, lanes) __builtin_shuffle(a, b, (vint){lanes})
#endif

/* to[i * width + j] = from[j * stride + i] of a square. Rows i and i + VLEN / 2 are shuffled like
 * halves of a pack of cards until each has become a column. */
static void transpose_square(const float *from, ptrdiff_t stride, float *to, size_t width)
{
    vfloat v[VLEN], next[VLEN];
#pragma GCC unroll 16
    for (size_t i = 0; i < VLEN; i++)
        v[i] = vload(from + (ptrdiff_t)i * stride);
#pragma GCC unroll 4
    for (size_t pass = 1; pass < VLEN; pass *= 2) {
#pragma GCC unroll 8
        for (size_t i = 0; i < VLEN / 2; i++) {
            next[2 * i] = TAKE(v[i], v[i + VLEN / 2], LOWER);
            next[2 * i + 1] = TAKE(v[i], v[i + VLEN / 2], UPPER);
        }
        memcpy(v, next, sizeof v);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < VLEN; i++)
        vstore(to + i * width, v[i]);
}

/* Columns whose steps lie side by side. */
static void transpose_steps(const struct cnn_unpacked *u, const float *from, size_t steps,
                            float *to)
{
    for (size_t f = 0; f < u->columns; f += VLEN, from += VLEN * u->column_stride, to += VLEN)
        for (size_t k = 0; k < steps; k += VLEN) {
            const size_t rows = cnn_size_min(VLEN, u->columns - f),
                         left = cnn_size_min(VLEN, steps - k);
            if (rows == VLEN && left == VLEN) {
                transpose_square(from + k, u->column_stride, to + k * u->width, u->width);
                continue;
            }
            for (size_t j = 0; j < rows; j++)
                for (size_t i = k; i < k + left; i++)
                    to[i * u->width + j] = from[(ptrdiff_t)j * u->column_stride + (ptrdiff_t)i];
        }
}

/* `steps` steps from step k on, read along the smaller stride: along the other, the lines read
 * might all share one place in the cache. */
static void copy_steps(const struct cnn_unpacked *u, size_t k, size_t steps, float *to)
{
    const float *from = u->from + (ptrdiff_t)k * u->step;
    if (u->step == 1) {
        transpose_steps(u, from, steps, to);
        return;
    }
    if (u->column_stride > u->step) {
        for (size_t f = 0; f < u->columns; f++, from += u->column_stride)
            for (size_t i = 0; i < steps; i++)
                to[i * u->width + f] = from[(ptrdiff_t)i * u->step];
        return;
    }
    for (size_t i = 0; i < steps; i++, from += u->step, to += u->width) {
        if (u->column_stride == 1)
            memcpy(to, from, u->columns * sizeof *to);
        else
            for (size_t f = 0; f < u->columns; f++)
                to[f] = from[(ptrdiff_t)f * u->column_stride];
    }
}

/* Multiplies the columns of some steps by their numbers. */
static void scale_steps(const struct cnn_unpacked *u, size_t steps, float *panel)
{
    for (size_t j = 0; j < u->columns; j += VLEN) {
        const size_t left = u->columns - j;
        vfloat factor = left < VLEN ? vload_tail(u->scale + j, left) : vload(u->scale + j);
        for (size_t k = 0; k < steps; k++)
            vstore(panel + k * u->width + j, vload(panel + k * u->width + j) * factor);
    }
}

static void pack_floats(const struct cnn_unpacked *u, size_t k, size_t steps, float *to)
{
    if (u->columns < u->width)
        memset(to, 0, steps * u->width * sizeof *to);
    copy_steps(u, k, steps, to);
    if (u->scale)
        scale_steps(u, steps, to);
}

static void pack_pairs(const struct cnn_unpacked *u, size_t k, size_t steps, float *to)
{
    float first[CNN_PACK_STEPS * CNN_PANEL], second[CNN_PACK_STEPS * CNN_PANEL];
    const size_t width = u->width, later = k + cnn_pairs(u->depth),
                 both = cnn_size_min(steps, u->depth - later);
    pack_floats(u, k, steps, first);
    pack_floats(u, later, both, second);
    for (size_t i = 0; i < steps; i++, to += width)
        cnn_pair_rows(first + i * width, i < both ? second + i * width : NULL, width, to);
}

void CNN_ISA_NAME(cnn_pack_steps)(const struct cnn_unpacked *u, size_t k, size_t steps, float *to)
{
    for (size_t end = k + steps; k < end; k += CNN_PACK_STEPS, to += CNN_PACK_STEPS * u->width)
        (u->pairs ? pack_pairs : pack_floats)(u, k, cnn_size_min(CNN_PACK_STEPS, end - k), to);
}
