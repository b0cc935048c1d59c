#include "kernels/vector/pack.h"

#include "kernels/internal.h"
#include "kernels/vector/gemm.h"
#include "kernels/vector/pairs.h"
#include "kernels/vector/square.h"

/* Columns whose steps lie side by side. */
static void transpose_steps(const struct cnn_unpacked *u, const float *from, size_t steps,
                            float *to)
{
    for (size_t f = 0; f < u->columns; f += VLEN, from += VLEN * u->column_stride, to += VLEN)
        for (size_t k = 0; k < steps; k += VLEN) {
            const size_t rows = cnn_size_min(VLEN, u->columns - f),
                         left = cnn_size_min(VLEN, steps - k);
            if (rows == VLEN && left == VLEN) {
                cnn_transpose_square(from + k, u->column_stride, to + k * u->width, u->width);
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
    float numbers[2 * CNN_PACK_STEPS * CNN_PANEL];
    const size_t width = u->width, count = cnn_size_min(2 * steps, u->depth - 2 * k);
    pack_floats(u, 2 * k, count, numbers);
    for (size_t i = 0; i < count; i += 2, to += width)
        cnn_pair_rows(numbers + i * width, i + 1 < count ? numbers + (i + 1) * width : NULL, width,
                      to);
}

void CNN_BF16_NAME(cnn_pack_steps)(const struct cnn_unpacked *u, size_t k, size_t steps, float *to)
{
    for (size_t end = k + steps; k < end; k += CNN_PACK_STEPS, to += CNN_PACK_STEPS * u->width)
        (u->pairs ? pack_pairs : pack_floats)(u, k, cnn_size_min(CNN_PACK_STEPS, end - k), to);
}
