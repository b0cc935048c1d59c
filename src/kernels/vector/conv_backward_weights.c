/* The gradients of weights and bias: a GEMM whose rows are (kernel row, kernel column, channel) of
 * x and whose k runs over all window positions, b being dy. In a 1x1 convolution rows are filters
 * of dy and b is x instead, so that the product is dw as it is stored, however large.
 *
 * The sum over a part of the batch (util/parts.h) is one running sum. A task adds up a chunk: a
 * complete subtree of parts, whose sums wait for their neighbours in a small tile of their own.
 * The chunks' sums are the rest of the tree, and spread to OIHW at the end; of a single chunk, by
 * the task, out of its tile. So the bits depend neither on the number of chunks nor on who has
 * which part. Of few positions, as dense layers have, a part is too short to be written and read
 * again: the GEMM adds up all parts in one go. Within a part, block by block of positions, x is
 * copied with its padding and columns of dy are packed. Sums of bfloat16 are of pairs of
 * neighbouring positions, which each tap pairs another way: x is then copied once for each tap of
 * a kernel row, as it is for strides, where that makes long runs of k. */
#include <string.h>

#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/conv_weights_cut.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/square.h"
#include "kernels/vector/tree.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

#define BIAS_ROWS ((size_t)64) /* of dy that are summed in one go */

struct weights_gradient {
    struct cnn_weights_cut cut;
    const float *a, *b, *dy; /* of dy, on from the filters whose gradients are wanted */
    float *dw, *db;          /* of these */
    float *sums, *bias_sums, *scratch;
};

/* As pack_line, where b is stored as bfloat16. */
static void pack_line_of_halves(const struct weights_gradient *k, size_t pixels,
                                const unsigned short *b, size_t used, size_t width, float *to)
{
    const size_t stride = k->cut.b_channels;
    for (size_t p = 0; k->cut.pairs && p < pixels; p += 2, b += 2 * stride, to += width)
        cnn_pair_rows_of_halves(b, p + 1 < pixels ? b + stride : NULL, used, to);
#if defined(__AVX512F__)
    for (size_t p = 0; !k->cut.pairs && p < pixels; p++, b += stride, to += width)
        for (size_t j = 0; j < width; j += VLEN)
            vstore(to + j, used >= j + VLEN ? vload_halves(b + j)
                                            : vload_halves_tail(b + j, used > j ? used - j : 0));
#endif
}

/* to[k][width] = the columns of one line of so many pixels of b; columns beyond `used` may hold
 * anything where they are pairs, else are 0. */
static void pack_line(const struct weights_gradient *k, size_t pixels, const float *b, size_t used,
                      size_t width, float *to)
{
    size_t stride = k->cut.b_channels;
    if (k->cut.b_halves) {
        pack_line_of_halves(k, pixels, (const unsigned short *)b, used, width, to);
        return;
    }
    for (size_t p = 0; k->cut.pairs && p < pixels; p += 2, b += 2 * stride, to += width)
        cnn_pair_rows(b, p + 1 < pixels ? b + stride : NULL, used, to);
    for (size_t p = 0; !k->cut.pairs && p < pixels; p++, b += stride, to += width)
        for (size_t j = 0; j < width; j += VLEN)
            vstore(to + j,
                   used >= j + VLEN ? vload(b + j) : vload_tail(b + j, used > j ? used - j : 0));
}

/* sums[column] += the columns of rows of b. Four rows at a time: one sum would wait for itself. */
static void add_rows(const float *b, size_t stride, size_t rows, size_t columns, float *sums)
{
    for (size_t j = 0; j < columns; j += VLEN) {
        size_t left = columns - j, r = 0;
        vfloat sum[4] = {{0}, {0}, {0}, {0}};
        for (; left >= VLEN && r + 4 <= rows; r += 4)
            for (size_t i = 0; i < 4; i++)
                sum[i] += vload(b + (r + i) * stride + j);
        for (; r < rows; r++)
            sum[0] +=
                left >= VLEN ? vload(b + r * stride + j) : vload_tail(b + r * stride + j, left);
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        for (size_t i = 0; i < VLEN && i < left; i++)
            sums[j + i] += sum[0][i];
    }
}

/* The same of rows that are stored as bfloat16. */
static void add_rows_of_halves(const unsigned short *b, size_t stride, size_t rows, size_t columns,
                               float *sums)
{
#if defined(__AVX512F__)
    for (size_t j = 0; j < columns; j += VLEN) {
        const size_t lanes = cnn_size_min(VLEN, columns - j);
        vfloat sum[4] = {{0}, {0}, {0}, {0}};
        for (size_t r = 0; r < rows; r++)
            sum[r % 4] += vload_halves_tail(b + r * stride + j, lanes);
        sum[0] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
        vstore_lanes(sums + j, lanes, vload_lanes(sums + j, lanes) + sum[0]);
    }
#else
    (void)b, (void)stride, (void)rows, (void)columns, (void)sums;
#endif
}

/* Where a task's product goes: from channel to channel of the slice, and from tap to tap. */
struct product {
    float *to;
    ptrdiff_t channel, tap;
};

struct weights_task {
    /* columns of the group's b: [column, column + columns) */
    size_t chunk, group, slice, column, columns;
    float *panel;
    const struct cnn_weights_blocks *part; /* of the part at hand, which begins at this position of
                                              all */
    size_t position;
    struct product product;
};

/* Points g at columns of the group's b for a block: packed, or where they lie. Panels lie behind
 * each other, and are packed side by side, as b's lines have them. */
static void take_columns(const struct weights_gradient *k, const struct weights_task *t,
                         const struct cnn_view *v, size_t column, struct cnn_gemm *g)
{
    const struct cnn_windows *w = &t->part->windows;
    const size_t first = (t->position + v->first) * k->cut.b_channels + t->group * k->cut.group_b +
                         column,
                 line_floats = w->pixels * cnn_elements(k->cut.b_channels, k->cut.b_halves),
                 lines = v->images * v->lines, line_steps = cnn_weights_steps(&k->cut, w);
    const float *b = k->b + cnn_elements(first, k->cut.b_halves);
    g->b = b;
    g->b_step = k->cut.b_channels;
    /* a panel that is wider than its columns would be read beyond the end of b */
    if (!k->cut.pairs && !k->cut.b_halves && k->cut.b_channels == g->columns &&
        (g->columns == VLEN || g->columns == CNN_PANEL))
        return;
    g->b = t->panel;
    g->b_step = 0;
    for (size_t line = 0; line < lines; line++, b += line_floats)
        for (size_t j = 0; j < g->columns; j += CNN_PANEL) {
            const size_t width = cnn_panel_width(g->columns, j);
            pack_line(k, w->pixels, b + cnn_elements(j, k->cut.b_halves),
                      cnn_size_min(width, g->columns - j), width,
                      t->panel + (j * lines + line * width) * line_steps);
        }
}

/* One block's share of a task. */
static void multiply_block(const struct weights_gradient *k, const struct weights_task *t,
                           const struct cnn_view *v, bool accumulate)
{
    const struct cnn_windows *w = &t->part->windows;
    size_t first_channel = t->slice * k->cut.slice_channels,
           channels = cnn_size_min(k->cut.slice_channels, k->cut.group_a - first_channel);
    struct cnn_gemm g = {.products = k->cut.pairs ? &CNN_BF16_NAME(cnn_products_bf16) : NULL,
                         .rows = {{channels, w->taps_w, w->taps_h}, {1, v->tap_w, v->tap_h}},
                         .depth = {{cnn_weights_steps(&k->cut, w), v->lines, v->images},
                                   {v->stride[0], v->stride[1], v->stride[2]}},
                         .by_channel = k->cut.by_channel,
                         .accumulate = accumulate};
    g.c_stride[0] = t->product.channel;
    g.c_stride[1] = t->product.tap;
    g.c_stride[2] = (ptrdiff_t)w->taps_w * t->product.tap;
    if (k->cut.at_once) {
        g.ends = k->cut.ends;
        g.pieces = k->cut.chunk_parts;
    }
    if (k->cut.by_channel)
        g.rows.count[0] = 1;
    if (cnn_windows_by_taps(w) && w->stride_h > 1)
        g.rows.count[2] = 1;
    for (size_t first = 0; first < t->columns; first += t->part->columns) {
        g.columns = cnn_size_min(t->part->columns, t->columns - first);
        take_columns(k, t, v, t->column + first, &g);
        for (size_t tap_row = 0; tap_row < w->taps_h; tap_row += g.rows.count[2]) {
            g.a =
                v->data + cnn_view_tap(w, v, tap_row) + (k->cut.by_channel ? t->column + first : 0);
            g.c = t->product.to + (ptrdiff_t)tap_row * g.c_stride[2] + first;
            CNN_ISA_NAME(cnn_gemm)(&g);
        }
    }
}

/* A task's filters among those that some positions of dy give to the bias of the run's i-th part:
 * filters are rows of the product, or columns. */
static void add_bias(const struct weights_gradient *k, const struct weights_task *t, size_t i,
                     size_t first, size_t positions)
{
    float *sums = k->bias_sums + i * k->cut.bias_floats;
    size_t filter = t->group * k->cut.group_b + t->column, count = t->columns;
    if (k->cut.swapped) {
        filter = t->group * k->cut.group_a + t->slice * k->cut.slice_channels;
        count =
            cnn_size_min(k->cut.slice_channels, k->cut.group_a - t->slice * k->cut.slice_channels);
    }
    /* In pieces that stay in the first-level cache while the columns pass. */
    for (size_t r = 0; r < positions; r += BIAS_ROWS) {
        const size_t at = (first + r) * k->cut.filters + filter,
                     rows = cnn_size_min(BIAS_ROWS, positions - r);
        if (k->cut.dy_halves)
            add_rows_of_halves((const unsigned short *)k->dy + at, k->cut.filters, rows, count,
                               sums + filter);
        else
            add_rows(k->dy + at, k->cut.filters, rows, count, sums + filter);
    }
}

static struct cnn_channels slice_of(const struct weights_gradient *k, const struct weights_task *t,
                                    const float *a, float *copy)
{
    const size_t first = t->slice * k->cut.slice_channels,
                 count = cnn_size_min(k->cut.slice_channels, k->cut.group_a - first);
    return (struct cnn_channels){
        .x = a,
        .first = cnn_elements(t->group * k->cut.group_a + first, k->cut.a_halves),
        .count = cnn_elements(count, k->cut.a_halves),
        .floats = k->cut.pixel_floats,
        .copy = copy};
}

/* Whether the task adds up the bias of its filters. */
static bool has_bias(const struct weights_gradient *k, const struct weights_task *t)
{
    return k->db && (k->cut.swapped ? t->column == 0 : t->slice == 0);
}

/* The sum over one part, the i-th of the run, to the task's product. */
static void multiply_part(const struct weights_gradient *k, struct weights_task *t, size_t i,
                          float *copy)
{
    size_t part = k->cut.run.first + i, first = cnn_parts_image(&k->cut.run, part),
           images = cnn_parts_image(&k->cut.run, part + 1) - first,
           image = first - cnn_parts_image(&k->cut.run, k->cut.run.first);
    t->part = &k->cut.part[images > k->cut.images];
    const struct cnn_windows *w = &t->part->windows;
    size_t image_floats = w->images * w->height * w->width * w->channels / images;
    t->position = image * (w->images * w->lines * w->pixels / images);
    const struct cnn_channels channels = slice_of(k, t, k->a + image * image_floats, copy);
    for (size_t block = 0, added = 0, end; block < t->part->blocks.count; block++, added = end) {
        struct cnn_view v = CNN_BF16_NAME(cnn_windows_view)(w, &t->part->blocks, block, &channels);
        multiply_block(k, t, &v, block > 0);
        /* in pieces that begin where they do however a part is cut into blocks */
        end = v.first + v.images * v.lines * w->pixels;
        if (block + 1 < t->part->blocks.count)
            end -= end % BIAS_ROWS;
        if (has_bias(k, t))
            add_bias(k, t, i, t->position + added, end - added);
    }
}

/* The sum over all parts, to the task's product. */
static void multiply_at_once(const struct weights_gradient *k, struct weights_task *t, float *copy)
{
    const struct cnn_channels channels = slice_of(k, t, k->a, copy);
    t->part = &k->cut.whole;
    struct cnn_view v =
        CNN_BF16_NAME(cnn_windows_view)(&k->cut.whole.windows, &k->cut.whole.blocks, 0, &channels);
    multiply_block(k, t, &v, false);
    for (size_t i = 0, first = 0; has_bias(k, t) && i < k->cut.chunk_parts;
         first = k->cut.ends[i++])
        add_bias(k, t, i, first, k->cut.ends[i] - first);
}

/* to += from, of the same task */
static void add_product(const struct weights_gradient *k, const struct weights_task *t,
                        const struct product *from, const struct product *to)
{
    size_t channels = k->cut.by_channel
                          ? 1
                          : cnn_size_min(k->cut.slice_channels,
                                         k->cut.group_a - t->slice * k->cut.slice_channels);
    for (size_t tap = 0; tap < k->cut.taps_rows * k->cut.taps_columns; tap++)
        for (size_t channel = 0; channel < channels; channel++) {
            const float *x =
                from->to + (ptrdiff_t)tap * from->tap + (ptrdiff_t)channel * from->channel;
            float *y = to->to + (ptrdiff_t)tap * to->tap + (ptrdiff_t)channel * to->channel;
            for (size_t i = 0; i < t->columns; i += VLEN) {
                size_t lanes = cnn_size_min(VLEN, t->columns - i);
                vstore_lanes(y + i, lanes, vload_lanes(y + i, lanes) + vload_lanes(x + i, lanes));
            }
        }
}

/* Where dw has a group's. */
static float *group_gradient(const struct weights_gradient *k, size_t group)
{
    return k->dw + group * k->cut.rows * k->cut.group_b / k->cut.merged;
}

/* Puts a product of groups that are put together where dw has it. What is between unlike ones is no
 * part of it. */
static void spread_merged(const struct weights_gradient *k, const struct product *from, float *to)
{
    const size_t taps = k->cut.taps_rows * k->cut.taps_columns,
                 filters = k->cut.group_b / k->cut.merged,
                 channels = k->cut.group_a / k->cut.merged;
    for (size_t channel = 0; channel < k->cut.group_a; channel++)
        for (size_t tap = 0; tap < taps; tap++) {
            const size_t first = channel / channels * filters;
            const vfloat sum = cnn_tree_sum(from->to + (ptrdiff_t)channel * from->channel +
                                                (ptrdiff_t)tap * from->tap,
                                            k->cut.chunks, k->cut.chunk_sums);
            for (size_t j = first; j < first + filters; j++)
                to[(j * channels + channel % channels) * taps + tap] = sum[j];
        }
}

/* Puts rows of a product, VLEN columns of so many channels, where dw has them: by filter, channel
 * and tap. from: the first of k->cut.chunks whose sum it is. */
static void spread_columns(const struct weights_gradient *k, const struct product *from,
                           size_t channels, size_t columns, float *to)
{
    const size_t taps = k->cut.taps_rows * k->cut.taps_columns, count = channels * taps;
    const float *row = from->to, *channel = row;
    float square[VLEN * VLEN];
    for (size_t q = 0, tap = 0; q < count; q += VLEN) {
        const size_t rows = cnn_size_min(VLEN, count - q);
        for (size_t i = 0; i < rows; i++) {
            vstore(square + i * VLEN, cnn_tree_sum(row, k->cut.chunks, k->cut.chunk_sums));
            row += from->tap;
            if (++tap == taps) {
                tap = 0;
                row = channel += from->channel;
            }
        }
        if (rows == VLEN && columns == VLEN)
            cnn_transpose_square(square, VLEN, to + q, k->cut.rows);
        for (size_t i = 0; (rows < VLEN || columns < VLEN) && i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                to[j * k->cut.rows + q + i] = square[i * VLEN + j];
    }
}

/* A task's product, the only one of its rows and columns, to dw. */
static void write_gradient(const struct weights_gradient *k, const struct weights_task *t,
                           const struct product *product)
{
    const size_t first = t->slice * k->cut.slice_channels,
                 channels = k->cut.by_channel
                                ? 1
                                : cnn_size_min(k->cut.slice_channels, k->cut.group_a - first);
    if (k->cut.merged > 1) {
        spread_merged(k, product, group_gradient(k, t->group));
        return;
    }
    for (size_t j = 0; j < t->columns; j += VLEN)
        spread_columns(k, &(struct product){product->to + j, product->channel, product->tap},
                       channels, cnn_size_min(VLEN, t->columns - j),
                       group_gradient(k, t->group) + (t->column + j) * k->cut.rows +
                           first * k->cut.taps_rows * k->cut.taps_columns);
}

/* Where the chunk's sum goes, and behind it those that wait for their neighbours. */
static void place_products(const struct weights_gradient *k, const struct weights_task *t,
                           float *waiting, struct product products[CNN_PARTS_DEPTH])
{
    size_t row = cnn_weights_direct(&k->cut) ? k->cut.group_b : cnn_packed_columns(k->cut.group_b),
           i = !cnn_weights_alone(&k->cut);
    float *sums = cnn_weights_direct(&k->cut)
                      ? k->dw + t->group * k->cut.group_a * k->cut.group_b
                      : k->sums + t->chunk * k->cut.chunk_sums + t->group * k->cut.group_sums;
    products[0] =
        (struct product){sums + t->slice * k->cut.slice_channels * row + t->column, (ptrdiff_t)row,
                         (ptrdiff_t)(k->cut.by_channel ? row : k->cut.group_a * row)};
    row = k->cut.part_columns;
    for (; i <= k->cut.waiting; i++, waiting += k->cut.tile_floats)
        products[i] =
            (struct product){waiting, (ptrdiff_t)row,
                             (ptrdiff_t)(k->cut.by_channel ? row : k->cut.slice_channels * row)};
}

/* Task: a chunk of the batch, for a slice of the channels of a and a part of the columns of one
 * group. */
static void multiply_chunk(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    struct weights_task t = {.column = task % k->cut.parts * k->cut.part_columns,
                             .slice = task / k->cut.parts % k->cut.slices};
    t.group = task / k->cut.parts / k->cut.slices % k->cut.groups;
    t.chunk = task / k->cut.parts / k->cut.slices / k->cut.groups;
    t.columns = cnn_size_min(k->cut.part_columns, k->cut.group_b - t.column);
    float *copy = k->scratch + thread * k->cut.thread_floats;
    t.panel = copy + k->cut.copy_floats;
    struct product products[CNN_PARTS_DEPTH];
    place_products(k, &t, t.panel + k->cut.panel_floats, products);
    if (k->cut.at_once) {
        t.product = products[0];
        multiply_at_once(k, &t, copy);
        return;
    }
    struct cnn_tree tree = {0};
    for (size_t i = 0, into; i < k->cut.chunk_parts; i++) {
        t.product = products[cnn_tree_push(&tree, i, 1)];
        multiply_part(k, &t, t.chunk * k->cut.chunk_parts + i, copy);
        while (cnn_tree_merge(&tree, &into))
            add_product(k, &t, &products[into + 1], &products[into]);
    }
    if (cnn_weights_alone(&k->cut))
        write_gradient(k, &t, &products[0]);
}

/* Task: a vector of columns of one group's product: adds the chunks' sums and puts them where dw
 * has them. */
static void reduce_columns(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct weights_gradient *k = context;
    const size_t columns = cnn_packed_columns(k->cut.group_b), group = task * VLEN / columns,
                 column = task * VLEN % columns, channels = k->cut.by_channel ? 1 : k->cut.group_a,
                 used = cnn_size_min(VLEN, k->cut.group_b - column);
    const struct product from = {k->sums + group * k->cut.group_sums + column, (ptrdiff_t)columns,
                                 (ptrdiff_t)(channels * columns)};
    float *to = group_gradient(k, group);
    if (k->cut.merged > 1)
        spread_merged(k, &from, to);
    else if (!k->cut.swapped)
        spread_columns(k, &from, channels, used, to + column * k->cut.rows);
    for (size_t row = 0; k->cut.swapped && row < k->cut.rows; row++)
        vstore_lanes(to + row * k->cut.group_b + column, used,
                     cnn_tree_sum(from.to + row * columns, k->cut.chunks, k->cut.chunk_sums));
}

static void make_gradients(const struct cnn_conv *c, const struct cnn_conv_backward_weights *pass)
{
    if (cnn_conv_by_winograd(c)) {
        cnn_winograd_backward_weights_stored(c, pass);
        return;
    }
    struct cnn_parts all = cnn_parts_of(pass->n, 0, 1);
    struct weights_gradient k = {
        .cut = CNN_BF16_NAME(cnn_weights_cut)(c, pass->parts ? pass->parts : &all, pass->count)};
    size_t parts = k.cut.run.end - k.cut.run.first;
    k.dy = pass->dy + cnn_elements(pass->first, c->y_halves);
    k.a = k.cut.swapped ? k.dy : pass->x;
    k.b = k.cut.swapped ? pass->x : k.dy;
    k.dw = pass->dw;
    k.db = pass->db;
    k.bias_sums = pass->scratch;
    k.sums = k.bias_sums + parts * k.cut.bias_floats;
    k.scratch = k.sums + cnn_weights_sums(&k.cut);
    memset(k.bias_sums, 0, parts * k.cut.bias_floats * sizeof *k.bias_sums);
    cnn_parallel_for(k.cut.chunks * k.cut.groups * k.cut.slices * k.cut.parts, multiply_chunk, &k);
    if (k.cut.chunks > 1)
        cnn_parallel_for(k.cut.groups * cnn_packed_columns(k.cut.group_b) / VLEN, reduce_columns,
                         &k);
    if (k.db)
        cnn_tree_rows(k.cut.own, k.bias_sums, parts, k.cut.bias_floats, k.db);
}

void CNN_BF16_NAME(cnn_conv_backward_weights)(const struct cnn_conv *c,
                                              const struct cnn_conv_backward_weights *pass)
{
    const size_t piece = pass->count > 0 ? 0 : cnn_gradient_piece(c);
    struct cnn_conv_backward_weights some = *pass;
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        cnn_depthwise_backward_weights_stored(c, pass);
    else if (piece == 0)
        make_gradients(c, pass);
    else
        for (; some.first < c->out_c; some.first += piece) {
            some.count = cnn_size_min(piece, c->out_c - some.first);
            some.dw = pass->dw + some.first * cnn_conv_filter_floats(c);
            some.db = pass->db ? pass->db + some.first : NULL;
            make_gradients(c, &some);
        }
}
