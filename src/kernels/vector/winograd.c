/* The forward pass and the gradient of the data, which is the same correlation of dy with the
 * kernels turned round (winograd.h). A task works through blocks of tiles: their inputs are
 * transformed, 36 products with the transformed weights follow, and the outputs are transformed
 * back, all within the second-level cache. The product of point p is written over the inputs of
 * point p - 1, which are done with. Where tiles are few, as in small maps of one image, tasks share
 * a block, each with a part of the filters, and transform its inputs each for itself.
 *
 * Transformed weights are four times as many as the weights (as pairs they take twice the memory).
 * Where they would not fit into the caches, memory holds the weights alone, in panels, and a task
 * transforms what it needs of them when it needs it: some channels of one panel at a time, for all
 * tiles of its block. */
#include "kernels/vector/winograd.h"

#include <string.h>

#include "kernels/vector/ops.h"
#include "kernels/vector/pairs.h"
#include "kernels/vector/winograd_cut.h"
#include "util/parallel.h"

struct winograd {
    struct cnn_winograd_cut cut;
    const cnn_number *x, *zeros;
    const float *packed;
    /* of pairs of channels, whose transforms are rounded to bfloat16; NULL: of floats */
    const struct cnn_products *products;
    struct cnn_epilogue epilogue;
    cnn_number *y;
    float *scratch;
};

/* Whether products are of pairs: only of values that are stored as bfloat16. */
CNN_INLINE bool by_pairs(const struct winograd *k)
{
    return sizeof(cnn_number) < sizeof(float) && k->products;
}

/* Steps of k that channels make. */
CNN_INLINE size_t steps(const struct winograd *k, size_t channels)
{
    return by_pairs(k) ? channels / 2 : channels;
}

/* What a task works on: the channels of x from `channel` on, `columns` filters from `column` on,
 * and `tiles` tiles from `first` on; `next` tiles follow. */
struct part {
    size_t channel, column, columns, first, tiles, next;
    const float *packed;
};

/* Writes the 4 x 4 outputs of a tile for VLEN channels, as far as they lie in the image. */
CNN_INLINE void store_tile(const struct winograd *k, vfloat out[4][4], size_t rows, size_t columns,
                           cnn_number *to)
{
    const size_t pixel = k->cut.out.channels, line = k->cut.out.width * pixel;
    if (rows == 4 && columns == 4) {
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
#pragma GCC unroll 4
            for (size_t j = 0; j < 4; j++)
                vstore_number(to + i * line + j * pixel, out[i][j]);
        return;
    }
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            vstore_number(to + i * line + j * pixel, out[i][j]);
}

/* The same, pooled: 2 x 2 values. */
CNN_INLINE void store_pooled(const struct winograd *k, vfloat out[4][4], size_t rows,
                             size_t columns, cnn_number *to)
{
    const struct cnn_pool *pool = k->epilogue.pool;
    for (size_t i = 0; i < rows / 2; i++)
        for (size_t j = 0; j < columns / 2; j++) {
            const vfloat *upper = &out[2 * i][2 * j], *lower = &out[2 * i + 1][2 * j];
            vfloat pooled = pool->average ? (upper[0] + upper[1] + lower[0] + lower[1]) * 0.25f
                                          : vmax_nan(vmax_nan(upper[0], upper[1]),
                                                     vmax_nan(lower[0], lower[1]));
            vstore_number(to + (i * pool->out_w + j) * k->cut.out.channels, pooled);
        }
}

/* Cuts the outputs of a tile between the activation's limits. */
CNN_INLINE void cut_tile(struct cnn_activation activation, vfloat out[4][4])
{
    const struct cnn_limits limits = cnn_activation_limits(activation);
    const vfloat low = vset(limits.low), high = vset(limits.high);
    for (size_t i = 0; i < 4; i++)
        for (size_t j = 0; j < 4; j++)
            out[i][j] = vmin(high, vmax(low, out[i][j]));
}

/* Adds what lies where the outputs of a tile go. */
CNN_INLINE void add_residual(const struct winograd *k, vfloat out[4][4], size_t rows,
                             size_t columns, const cnn_number *residual)
{
    const size_t pixel = k->cut.out.channels, line = k->cut.out.width * pixel;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            out[i][j] += vload_number(residual + i * line + j * pixel);
}

static void finish_tile(const struct winograd *k, size_t tile, size_t first, size_t count,
                        const float *products)
{
    const struct cnn_tiles *t = &k->cut.out;
    const struct cnn_epilogue *e = &k->epilogue;
    size_t column = tile % t->columns * 4, row = tile / t->columns % t->rows * 4,
           image = tile / t->columns / t->rows;
    size_t rows = cnn_size_min(4, t->height - row), columns = cnn_size_min(4, t->width - column);
    cnn_number *to = k->y + ((image * t->height + row) * t->width + column) * t->channels;
    if (e->pool)
        to =
            k->y + ((image * e->pool->out_h + row / 2) * e->pool->out_w + column / 2) * t->channels;
    for (size_t c = first; c < first + count; c += VLEN) {
        vfloat out[4][4], bias = e->bias ? vload(e->bias + c) : vset(0);
        if (by_pairs(k))
            cnn_output_transform(cnn_rounding_nodes, products + c - first, k->cut.products, out);
        else
            cnn_output_transform(cnn_plain_nodes, products + c - first, k->cut.products, out);
        for (size_t i = 0; i < 4; i++)
            for (size_t j = 0; j < 4; j++)
                out[i][j] += bias;
        if (e->residual)
            add_residual(k, out, rows, columns, (const cnn_number *)e->residual + (to - k->y) + c);
        if (cnn_activation_cuts(e->activation))
            cut_tile(e->activation, out);
        else
            CNN_ISA_NAME(cnn_activate)(e->activation, 16 * VLEN, (const float *)out, (float *)out);
        if (e->pool)
            store_pooled(k, out, rows, columns, to + c);
        else
            store_tile(k, out, rows, columns, to + c);
    }
}

/* to[point * slot]: floats, or the same number of bfloat16. */
CNN_INLINE void transform_into(struct cnn_winograd_nodes nodes, bool round,
                               const cnn_number *const *points, size_t channel, float *to,
                               size_t slot)
{
    static const size_t places[CNN_PAIRS][2] = {{0, 5}, {1, 2}, {3, 4}};
#pragma GCC unroll 3
    for (size_t pair = 0; pair < CNN_PAIRS; pair++) {
        vfloat rows[2][6];
        cnn_input_transform(nodes, points, channel, pair, rows);
#pragma GCC unroll 2
        for (size_t i = 0; i < 2; i++)
#pragma GCC unroll 6
            for (size_t j = 0; j < 6; j++) {
                float *place = to + (places[pair][i] * 6 + j) * slot;
                if (round)
                    vstore_number((cnn_number *)(void *)place, rows[i][j]);
                else
                    vstore(place, rows[i][j]);
            }
    }
}

/* Calls for each vector: with the loop around them, the compiler would carry more pointers than it
 * has registers. */
static __attribute__((noinline)) void transform_vector(const cnn_number *const *points,
                                                       size_t channel, float *to, size_t slot)
{
    transform_into(cnn_plain_nodes, false, points, channel, to, slot);
}

static __attribute__((noinline)) void transform_rounded(const cnn_number *const *points,
                                                        size_t channel, float *to, size_t slot)
{
    transform_into(cnn_rounding_nodes, true, points, channel, to, slot);
}

/* Asks, while products are computed, for a share of where this block's outputs go, of what is added
 * to them, and of what the next block reads. */
CNN_INLINE void prefetch(const struct winograd *k, const struct part *p, size_t point)
{
    for (size_t t = p->tiles * point / CNN_POINTS; t < p->tiles * (point + 1) / CNN_POINTS; t++) {
        if (!k->epilogue.pool)
            cnn_tile_prefetch(&k->cut.out, p->first + t, k->y, p->column, p->columns);
        if (k->epilogue.residual)
            cnn_tile_prefetch(&k->cut.out, p->first + t, (const cnn_number *)k->epilogue.residual,
                              p->column, p->columns);
    }
    for (size_t t = p->next * point / CNN_POINTS; t < p->next * (point + 1) / CNN_POINTS; t++)
        cnn_tile_prefetch(&k->cut.in, p->first + p->tiles + t, k->x, p->channel, k->cut.group_in);
}

/* The inputs of a part's tiles, `channels` of them from `channel` on: to[point][tile][step]. */
static void transform_inputs(const struct winograd *k, const struct part *part, size_t channel,
                             size_t channels, size_t slot, float *to)
{
    for (size_t t = 0; t < part->tiles; t++) {
        const cnn_number *points[CNN_POINTS];
        cnn_tile_point(&k->cut.in, part->first + t, 6, k->x, k->zeros, points);
        for (size_t c = 0; c < channels; c += VLEN)
            (by_pairs(k) ? transform_rounded : transform_vector)(
                points, channel + c, to + steps(k, t * channels + c), slot);
    }
}

static void run_block(const struct winograd *k, const struct part *part, float *slots)
{
    size_t depth = steps(k, k->cut.group_in);
    transform_inputs(k, part, part->channel, k->cut.group_in, k->cut.slot, slots + k->cut.slot);
    for (size_t p = 0; p < CNN_POINTS; p++) {
        struct cnn_gemm g = {.products = k->products,
                             .a = slots + (p + 1) * k->cut.slot,
                             .rows = {{part->tiles, 1, 1}, {(ptrdiff_t)depth, 0, 0}},
                             .depth = {{depth, 1, 1}, {1, 0, 0}},
                             .b = part->packed + p * depth * k->cut.group_out,
                             .columns = part->columns,
                             .c = slots + p * k->cut.slot,
                             .c_stride = {(ptrdiff_t)part->columns, 0, 0}};
        prefetch(k, part, p);
        CNN_ISA_NAME(cnn_gemm)(&g);
    }
    for (size_t t = 0; t < part->tiles; t++)
        finish_tile(k, part->first + t, part->column, part->columns, slots + t * part->columns);
}

/* Some channels of one panel of a part. */
struct slab {
    const float *taps, *next; /* next: those of the slab that follows */
    size_t column, depth, width;
    bool first; /* channels: products are not added to others */
};

/* Number i of what cnn_kernel_line makes of g. */
CNN_INLINE vfloat weights_number(struct cnn_winograd_nodes nodes, size_t i, const vfloat g[3])
{
    vfloat o[6];
    cnn_kernel_line(nodes, g, o);
    return o[i];
}

/* One row of points of VLEN filters' transformed weights. */
CNN_INLINE void weights_row(struct cnn_winograd_nodes nodes, size_t row, const float *taps,
                            size_t width, vfloat o[CNN_TILE_ROW])
{
    vfloat half[3];
#pragma GCC unroll 3
    for (size_t j = 0; j < 3; j++) {
        const float *column = taps + j * width;
        vfloat g[3] = {vload(column), vload(column + 3 * width), vload(column + 6 * width)};
        half[j] = weights_number(nodes, row, g);
    }
    cnn_kernel_line(nodes, half, o);
}

/* Transforms weights of a slab, for the products of one row of points: to[point][step][filter]. A
 * row at a time stays in the first-level cache. */
CNN_INLINE void transform_row(const struct winograd *k, const struct slab *s, size_t row, float *to)
{
    const size_t width = s->width, channel = CNN_TAPS * width, step = by_pairs(k) ? 2 : 1;
    const float *taps = s->taps;
    for (size_t i = 0; i < s->depth; i += step, taps += step * channel, to += width)
        for (size_t f = 0; f < width; f += VLEN) {
            vfloat o[CNN_TILE_ROW], next[CNN_TILE_ROW];
            if (by_pairs(k)) {
                weights_row(cnn_rounding_nodes, row, taps + f, width, o);
                weights_row(cnn_rounding_nodes, row, taps + channel + f, width, next);
                for (size_t j = 0; j < CNN_TILE_ROW; j++)
                    o[j] = vpair_bf16(o[j], next[j]);
            } else {
                weights_row(cnn_plain_nodes, row, taps + f, width, o);
            }
#pragma GCC unroll 6
            for (size_t j = 0; j < CNN_TILE_ROW; j++)
                vstore(to + j * k->cut.weights + f, o[j]);
        }
}

static void transform_panel(const struct winograd *k, const struct slab *s, size_t row, float *to)
{
    switch (row) {
    case 0:
        transform_row(k, s, 0, to);
        return;
    case 1:
        transform_row(k, s, 1, to);
        return;
    case 2:
        transform_row(k, s, 2, to);
        return;
    case 3:
        transform_row(k, s, 3, to);
        return;
    case 4:
        transform_row(k, s, 4, to);
        return;
    default:
        transform_row(k, s, 5, to);
    }
}

static void multiply_slab(const struct winograd *k, const struct part *part, const struct slab *s,
                          const float *inputs, float *weights)
{
    float *products = weights + CNN_TILE_ROW * k->cut.weights;
    const size_t taps = s->depth * s->width * CNN_TAPS, depth = steps(k, s->depth);
    for (size_t p = 0; p < CNN_POINTS; p++) {
        struct cnn_gemm g = {.products = k->products,
                             .a = inputs + p * k->cut.inputs,
                             .rows = {{part->tiles, 1, 1}, {(ptrdiff_t)depth, 0, 0}},
                             .depth = {{depth, 1, 1}, {1, 0, 0}},
                             .b = weights + p % CNN_TILE_ROW * k->cut.weights,
                             .columns = s->width,
                             .c = products + p * k->cut.products + s->column,
                             .c_stride = {(ptrdiff_t)part->columns, 0, 0},
                             .accumulate = !s->first};
        if (p % CNN_TILE_ROW == 0)
            transform_panel(k, s, p / CNN_TILE_ROW, weights);
        for (size_t i = taps * p / CNN_POINTS; i < taps * (p + 1) / CNN_POINTS; i += 16)
            __builtin_prefetch(s->next + i);
        CNN_ISA_NAME(cnn_gemm)(&g);
    }
}

/* As run_block: the products of some channels after the others are added up. */
static void run_late_block(const struct winograd *k, const struct part *part, float *inputs)
{
    float *weights = inputs + CNN_POINTS * k->cut.inputs,
          *products = weights + CNN_TILE_ROW * k->cut.weights;
    size_t in_c = k->cut.group_in, first = part->column % k->cut.group_out;
    for (size_t c = 0, depth; c < in_c; c += depth) {
        depth = cnn_size_min(k->cut.depth, in_c - c);
        transform_inputs(k, part, part->channel + c, depth, k->cut.inputs, inputs);
        for (size_t column = 0; column < part->columns; column += CNN_PANEL) {
            struct slab s = {.column = column,
                             .depth = depth,
                             .width = cnn_panel_width(k->cut.group_out, first + column),
                             .first = c == 0};
            s.taps = part->packed + (column * in_c + c * s.width) * CNN_TAPS;
            s.next = column + CNN_PANEL < part->columns
                         ? s.taps + s.width * in_c * CNN_TAPS
                         : part->packed + (c + depth) % in_c *
                                              cnn_panel_width(k->cut.group_out, first) * CNN_TAPS;
            multiply_slab(k, part, &s, inputs, weights);
        }
    }
    for (size_t t = 0; t < part->tiles; t++)
        finish_tile(k, part->first + t, part->column, part->columns, products + t * part->columns);
}

/* Task: a run of blocks, for a part of the columns of one group. */
static void run_blocks(void *context, size_t task, size_t thread)
{
    const struct winograd *k = context;
    size_t column = task % k->cut.parts * k->cut.part, group = task / k->cut.parts % k->cut.groups,
           tiles = cnn_tiles_count(&k->cut.in);
    size_t begin = task / k->cut.parts / k->cut.groups * k->cut.run * k->cut.block,
           end = cnn_size_min(begin + k->cut.run * k->cut.block, tiles);
    struct part p = {.channel = group * k->cut.group_in,
                     .column = group * k->cut.group_out + column,
                     .columns = cnn_size_min(k->cut.part, k->cut.group_out - column)};
    p.packed = k->packed + (k->cut.depth ? CNN_TAPS * p.column * k->cut.group_in
                                         : (CNN_POINTS * group * k->cut.group_out + column) *
                                               steps(k, k->cut.group_in));
    for (p.first = begin; p.first < end; p.first += p.tiles) {
        p.tiles = cnn_size_min(k->cut.block, end - p.first);
        p.next = cnn_size_min(k->cut.block, end - p.first - p.tiles);
        (k->cut.depth ? run_late_block : run_block)(k, &p,
                                                    k->scratch + thread * k->cut.thread_floats);
    }
}

static void run(struct winograd *k, float *scratch)
{
    memset(scratch, 0, k->cut.in.channels * sizeof *scratch);
    k->zeros = (const cnn_number *)scratch;
    k->scratch = scratch + k->cut.zero_floats;
    cnn_parallel_for(cnn_size_divide_up(k->cut.blocks, k->cut.run) * k->cut.groups * k->cut.parts,
                     run_blocks, k);
}

void CNN_VALUE_NAME(cnn_winograd_forward)(const struct cnn_conv *c,
                                          const struct cnn_conv_forward *pass)
{
    struct winograd k = {.cut = CNN_ISA_NAME(cnn_winograd_cut)(c, pass->n, false)};
    k.x = (const cnn_number *)pass->x;
    k.packed = pass->packed;
    k.epilogue = *pass->epilogue;
    k.y = (cnn_number *)pass->y;
    run(&k, pass->scratch);
}

void CNN_VALUE_NAME(cnn_winograd_backward_data)(const struct cnn_conv *c,
                                                const struct cnn_conv_backward_data *pass)
{
    struct winograd k = {.cut = CNN_ISA_NAME(cnn_winograd_cut)(c, pass->n, true)};
    k.x = (const cnn_number *)pass->dy;
    k.packed = pass->packed;
    if (sizeof *k.x < sizeof(float))
        k.products = &CNN_BF16_NAME(cnn_products_bf16);
    k.y = (cnn_number *)pass->dx;
    run(&k, pass->scratch);
}
