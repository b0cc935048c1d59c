#include "kernels/vector/dense.h"

#include "kernels/vector/conv_internal.h"
#include "kernels/vector/gemm.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/pack.h"
#include "kernels/vector/pairs.h"
#include "util/parallel.h"

/* A block of weights: whole panels in every instruction set, and steps of k. */
#define COLUMNS ((size_t)128)
#define STEPS   ((size_t)512)

/* c[row][column] = sum over k of a[row][k] * weight[k][column], rows lying side by side. */
struct product {
    struct cnn_unpacked weights; /* of column 0 */
    size_t rows, columns, steps; /* steps: of k */
    const float *a;
    float *c;
    const float *bias;
    struct cnn_activation activation;
    float *paired, *blocks; /* scratch: the rows of a as pairs; a block of each thread */
    size_t part_columns;
};

/* Packs the block of weights that begins at step k and at `column`. */
static void pack_block(const struct product *p, size_t k, size_t steps, size_t column,
                       size_t columns, float *to)
{
    struct cnn_unpacked u = p->weights;
    for (size_t j = 0; j < columns; j += CNN_PANEL, to += steps * u.width) {
        u.from = p->weights.from + (ptrdiff_t)(column + j) * u.column_stride;
        u.width = cnn_panel_width(columns, j);
        u.columns = cnn_size_min(u.width, columns - j);
        CNN_BF16_NAME(cnn_pack_steps)(&u, k, steps, to);
    }
}

/* Adds the products of steps k to k + steps to some columns of c; the first ones begin it. */
static void multiply_block(const struct product *p, size_t k, size_t steps, size_t column,
                           size_t columns, float *block)
{
    const size_t row = p->weights.pairs ? p->steps : p->weights.depth;
    struct cnn_limits limits;
    pack_block(p, k, steps, column, columns, block);
    CNN_ISA_NAME(cnn_gemm)
    (&(struct cnn_gemm){
        .products = p->weights.pairs ? &CNN_BF16_NAME(cnn_products_bf16) : NULL,
        .a = p->a + k,
        .rows = {{p->rows, 1, 1}, {(ptrdiff_t)row, 0, 0}},
        .depth = {{steps, 1, 1}, {1, 0, 0}},
        .b = block,
        .columns = columns,
        .c = p->c + column,
        .c_stride = {(ptrdiff_t)p->columns},
        .bias = p->bias && k == 0 ? p->bias + column : NULL,
        .accumulate = k > 0,
        .limits = k + steps == p->steps ? cnn_gemm_limits(p->activation, &limits) : NULL,
    });
}

/* Task: a range of columns, of all rows. */
static void multiply_columns(void *context, size_t task, size_t thread)
{
    const struct product *p = context;
    const size_t first = task * p->part_columns,
                 end = cnn_size_min(first + p->part_columns, p->columns);
    float *block = p->blocks + thread * COLUMNS * STEPS;
    for (size_t k = 0; k < p->steps; k += STEPS)
        for (size_t column = first; column < end; column += COLUMNS)
            multiply_block(p, k, cnn_size_min(STEPS, p->steps - k), column,
                           cnn_size_min(COLUMNS, end - column), block);
    if (!cnn_activation_cuts(p->activation))
        for (size_t row = 0; row < p->rows; row++) {
            float *c = p->c + row * p->columns + first;
            CNN_ISA_NAME(cnn_activate)(p->activation, end - first, c, c);
        }
}

/* Task: one row of a. */
static void pair_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct product *p = context;
    const size_t depth = p->weights.depth;
    cnn_pair_channels(p->a + row * depth, depth, p->paired + row * p->steps);
}

static size_t paired_floats(const struct cnn_conv *c, size_t n)
{
    const size_t pairs = cnn_pairs(c->in_c > c->out_c ? c->in_c : c->out_c);
    return cnn_conv_by_pairs(c) ? cnn_size_plus(cnn_size_times(n, pairs), VLEN + 15) / 16 * 16 : 0;
}

/* halves: a is stored as bfloat16. */
static void multiply(const struct cnn_conv *c, struct product *p, bool halves, float *scratch)
{
    const size_t work = cnn_size_times(p->rows, cnn_size_times(p->columns, p->weights.depth));
    p->weights.pairs = cnn_conv_by_pairs(c);
    p->steps = p->weights.pairs ? cnn_pairs(p->weights.depth) : p->weights.depth;
    p->part_columns = cnn_part_columns(p->columns, 1, cnn_tasks_wanted(work));
    p->paired = scratch;
    p->blocks = scratch + paired_floats(c, p->rows);
    if (p->weights.pairs && !halves) {
        cnn_parallel_for(p->rows, pair_row, p);
        p->a = p->paired;
    }
    cnn_parallel_for(cnn_size_divide_up(p->columns, p->part_columns), multiply_columns, p);
}

static size_t block_floats(const struct cnn_conv *c, size_t n)
{
    return cnn_size_plus(paired_floats(c, n), COLUMNS * STEPS * (size_t)cnn_parallel_threads());
}

size_t CNN_BF16_NAME(cnn_dense_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    return cnn_size_plus(block_floats(c, n), c->x_halves ? cnn_size_times(n, c->in_c) : 0);
}

void CNN_BF16_NAME(cnn_dense_forward)(const struct cnn_conv *c, const struct cnn_conv_forward *pass)
{
    struct product p = {.weights = {.from = pass->w,
                                    .step = 1,
                                    .column_stride = (ptrdiff_t)c->in_c,
                                    .depth = c->in_c},
                        .rows = pass->n,
                        .columns = c->out_c,
                        .a = pass->x,
                        .c = pass->y,
                        .bias = pass->epilogue->bias,
                        .activation = pass->epilogue->activation};
    multiply(c, &p, c->x_halves, pass->scratch);
}

/* Sums of floats to rows of numbers that are stored as bfloat16. */
struct rounding {
    const float *from;
    unsigned char *to;
    size_t floats; /* of a row */
};

static void round_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct rounding *r = context;
    cnn_pair_neighbours(r->from + row * r->floats, r->floats, r->to + 2 * row * r->floats);
}

void CNN_BF16_NAME(cnn_dense_backward_data)(const struct cnn_conv *c,
                                            const struct cnn_conv_backward_data *pass)
{
    float *sums = c->x_halves ? pass->scratch + block_floats(c, pass->n) : pass->dx;
    struct product p = {.weights = {.from = pass->w,
                                    .step = (ptrdiff_t)c->in_c,
                                    .column_stride = 1,
                                    .depth = c->out_c},
                        .rows = pass->n,
                        .columns = c->in_c,
                        .a = pass->dy,
                        .c = sums};
    multiply(c, &p, false, pass->scratch);
    if (c->x_halves)
        cnn_parallel_for(pass->n, round_row,
                         &(struct rounding){sums, (unsigned char *)pass->dx, c->in_c});
}
