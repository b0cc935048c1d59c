/* Muon: momentum, orthogonalised (Jordan et al., "Muon: An optimizer for hidden layers in neural
 * networks", 2024). The iteration X <- aX + (bA + cA^2)X with A = X X^T takes the singular values
 * of a matrix of norm 1 towards 1; it is run on the side with fewer rows. Its products are those of
 * dense layers: a matrix with rows as images, and the other's as units. */
#include "recipe/muon.h"

#include <math.h>
#include <stdint.h>

#include "util/arena.h"

#define A_FACTOR 3.4445f
#define B_FACTOR (-4.7750f)
#define C_FACTOR 2.0315f
#define EPS      1e-7

struct work {
    const struct cnn_kernels *kernels;
    size_t rows, columns;         /* of X: rows <= columns */
    struct cnn_conv wide, square; /* dense layers with the weights X, and A */
    float *x, *next, *a, *b;      /* X, the next X, A, and bA + cA^2 */
    float *packed, *packed_a, *scratch;
};

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* Sizes of the pieces of scratch; places them when memory is given. SIZE_MAX where they
 * overflow. */
static size_t lay_out(struct work *work, const struct cnn_kernels *kernels, size_t rows,
                      size_t columns, float *memory)
{
    size_t less = rows < columns ? rows : columns, more = rows < columns ? columns : rows, wide,
           square, total, part;
    *work = (struct work){.kernels = kernels,
                          .rows = less,
                          .columns = more,
                          .wide = cnn_conv_dense(more, less, false),
                          .square = cnn_conv_dense(less, less, false)};
    if (!cnn_size_mul(less, more, &wide) || !cnn_size_mul(less, less, &square) ||
        wide > SIZE_MAX / 64 || square > SIZE_MAX / 64)
        return SIZE_MAX;
    size_t packed = kernels->conv_packed_floats(&work->wide, true),
           packed_a = kernels->conv_packed_floats(&work->square, false);
    size_t scratch = larger(kernels->conv_scratch_floats(&work->wide, less),
                            kernels->conv_scratch_floats(&work->square, less));
    wide = cnn_round_floats(wide);
    square = cnn_round_floats(square);
    if (packed > SIZE_MAX / 64 || packed_a > SIZE_MAX / 64 || scratch > SIZE_MAX / 64)
        return SIZE_MAX;
    packed = cnn_round_floats(packed);
    packed_a = cnn_round_floats(packed_a);
    if (!cnn_size_add(2 * wide, 2 * square, &part) ||
        !cnn_size_add(part, packed + packed_a, &part) || !cnn_size_add(part, scratch, &total) ||
        total > SIZE_MAX / 64)
        return SIZE_MAX;
    if (memory) {
        work->x = memory;
        work->next = work->x + wide;
        work->a = work->next + wide;
        work->b = work->a + square;
        work->packed = work->b + square;
        work->packed_a = work->packed + packed;
        work->scratch = work->packed_a + packed_a;
    }
    return total;
}

size_t cnn_muon_scratch(const struct cnn_kernels *kernels, size_t rows, size_t columns)
{
    struct work work;
    return lay_out(&work, kernels, rows, columns, NULL);
}

static double norm(size_t count, const float *values)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

static void scale(size_t count, float *values, float factor)
{
    for (size_t i = 0; i < count; i++)
        values[i] *= factor;
}

/* out (columns x rows) = in (rows x columns) the other way round. */
static void transpose(size_t rows, size_t columns, const float *in, float *out)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            out[j * rows + i] = in[i * columns + j];
}

static void iterate(struct work *w)
{
    const struct cnn_kernels *k = w->kernels;
    const struct cnn_epilogue none = {0};
    size_t square = w->rows * w->rows, wide = w->rows * w->columns;
    k->conv_pack(&w->wide, true, w->x, NULL, w->packed);
    k->conv_forward(&w->wide, w->rows, w->x, w->packed, &none, w->a, w->scratch); /* A = X X^T */
    k->conv_pack(&w->square, false, w->a, NULL, w->packed_a);
    /* A^2, for A is symmetric */
    k->conv_forward(&w->square, w->rows, w->a, w->packed_a, &none, w->b, w->scratch);
    for (size_t i = 0; i < square; i++)
        w->b[i] = B_FACTOR * w->a[i] + C_FACTOR * w->b[i];
    /* (bA + cA^2) X */
    k->conv_backward_data(&w->wide, w->rows, w->b, w->packed, w->next, w->scratch);
    for (size_t i = 0; i < wide; i++)
        w->x[i] = A_FACTOR * w->x[i] + w->next[i];
}

void cnn_muon(const struct cnn_kernels *kernels, const struct cnn_muon_settings *settings,
              size_t rows, size_t columns, float *w, const float *grad, float *m, float lr,
              float shrink, float *scratch)
{
    struct work work;
    size_t count = rows * columns;
    bool turned = rows > columns;
    lay_out(&work, kernels, rows, columns, scratch);
    float *update = turned ? work.next : work.x;
    for (size_t i = 0; i < count; i++) {
        m[i] = settings->momentum * m[i] + grad[i];
        update[i] = settings->nesterov ? grad[i] + settings->momentum * m[i] : m[i];
    }
    if (turned)
        transpose(rows, columns, update, work.x);
    scale(count, work.x, (float)(1 / (norm(count, work.x) + EPS)));
    for (size_t i = 0; i < settings->iterations; i++)
        iterate(&work);
    update = work.x;
    if (turned)
        transpose(columns, rows, work.x, update = work.next);
    if (settings->normalize) {
        double length = norm(count, w);
        shrink *= length > 0 ? (float)(sqrt((double)rows) / length) : 1;
    } else if (turned) {
        lr *= sqrtf((float)rows / (float)columns);
    }
    for (size_t i = 0; i < count; i++)
        w[i] = w[i] * shrink - lr * update[i];
}
