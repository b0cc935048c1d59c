/* Matrix transposition, which is what turns NHWC into NCHW and back. */
#include "kernels/internal.h"
#include "util/parallel.h"

#define TILE ((size_t)32) /* a tile of x and one of y stay in the first-level cache together */

struct transpose_work {
    size_t bands, a, b; /* bands of TILE rows in a matrix; the matrix's rows and columns */
    const float *x;
    float *y;
};

/* Task: TILE rows of one matrix. */
static void transpose_band(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct transpose_work *k = context;
    size_t matrix = task / k->bands * k->a * k->b, from = task % k->bands * TILE,
           to = cnn_size_min(k->a, from + TILE);
    const float *x = k->x + matrix;
    float *y = k->y + matrix;
    for (size_t tile = 0; tile < k->b; tile += TILE)
        for (size_t j = tile; j < cnn_size_min(k->b, tile + TILE); j++)
            for (size_t i = from; i < to; i++)
                y[j * k->a + i] = x[i * k->b + j];
}

void cnn_transpose(size_t rows, size_t a, size_t b, const float *x, float *y)
{
    struct transpose_work k = {
        .bands = cnn_size_divide_up(a, TILE), .a = a, .b = b, .x = x, .y = y};
    cnn_parallel_for(rows * k.bands, transpose_band, &k);
}
