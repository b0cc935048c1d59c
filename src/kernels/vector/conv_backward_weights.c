/* The gradients of weights and bias: a GEMM whose rows are (kernel row, kernel column, channel) of
 * x and whose k runs over all window positions, b being dy. In a 1x1 convolution rows are filters
 * of dy and b is x instead, so that the product is dw as it is stored, however large.
 *
 * The batch is cut into chunks, fixed by shapes, each with a sum of its own; the sums are added in
 * order and spread to OIHW at the end. Within a chunk, block by block of positions, x is copied
 * with its padding and each panel of dy is packed. Sums of bfloat16 are of pairs of neighbouring
 * positions, which each tap pairs another way: x is then copied once for each tap of a kernel row,
 * as it is for strides, where that makes long runs of k. */
#include <string.h>

#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

#define BLOCK_MAX ((size_t)512) /* window positions of a block */
/* of a chunk: far more multiply-adds per sum than the reduction costs */
#define CHUNK_MIN   ((size_t)1024)
#define SUMS_MAX    ((size_t)5 << 18) /* floats of all chunks' sums together */
#define BIAS_ROWS   ((size_t)64)      /* of dy that are summed in one go */
#define SLICE_MIN   ((size_t)32)      /* channels of a that a task works on */
#define SLICE_MAX   ((size_t)256)
#define FLAT_PIXELS ((size_t)64) /* in a line of a 1x1 convolution whose pixels are paired */

struct weights_gradient {
    struct cnn_windows windows; /* over a */
    bool swapped, by_channel, pairs;
    /* channels of a and of b in one group (by_channel: one group, all channels) */
    size_t groups, group_a, group_b;
    const float *a, *b, *dy;
    size_t b_channels, filters;
    float *dw, *db, *sums, *bias_sums, *scratch;
    struct cnn_blocks blocks;
    size_t chunks, slices, slice_channels, parts, part_columns;
    size_t rows;                       /* of one group's product */
    size_t group_sums, chunk_sums;     /* floats */
    size_t bias_floats;                /* of one chunk */
    size_t copy_floats, thread_floats; /* the padded copy; that and a packed panel */
    size_t taps_rows, taps_columns;    /* of the kernel */
    size_t pixel_floats;
};

/* Whether the product goes straight into dw. */
static bool direct(const struct weights_gradient *k)
{
    return k->swapped && k->chunks == 1;
}

static void plan_operands(struct weights_gradient *k, const struct cnn_conv *conv, size_t n)
{
    struct cnn_conv c = *conv;
    bool flat = cnn_conv_flatten(&c, &n);
    k->by_channel = cnn_conv_by_channel(conv);
    k->pairs = cnn_conv_by_pairs(conv);
    k->swapped = flat && !k->by_channel;
    k->groups = k->by_channel ? 1 : c.groups;
    k->filters = c.out_c;
    k->taps_rows = c.kernel_h;
    k->taps_columns = c.kernel_w;
    if (k->swapped) {
        size_t in_c = c.in_c;
        c.in_c = c.out_c;
        c.out_c = in_c;
    }
    k->windows = CNN_ISA_NAME(cnn_windows)(&c, n);
    if (k->pairs && flat) /* neighbours are then pixels of different images */
        for (; k->windows.images % 2 == 0 && k->windows.pixels < FLAT_PIXELS;
             k->windows.images /= 2)
            k->windows.width = k->windows.pixels *= 2;
    k->group_a = c.in_c / k->groups;
    k->group_b = c.out_c / k->groups;
    k->b_channels = c.out_c;
    k->rows = c.kernel_h * c.kernel_w * (k->by_channel ? 1 : k->group_a);
}

/* Slices of the channels of a: where the chunks are too few tasks, rather more of these than parts
 * of b's columns, for each of which a block would be copied anew. */
static void plan_slices(struct weights_gradient *k, size_t wanted)
{
    size_t slices = cnn_size_divide_up(k->group_a, SLICE_MAX);
    if (!k->swapped) {
        size_t more =
            cnn_size_min(cnn_size_divide_up(wanted, k->chunks * k->groups), k->group_a / SLICE_MIN);
        slices = more > slices ? more : slices;
    }
    k->slice_channels = cnn_size_divide_up(cnn_size_divide_up(k->group_a, slices), 8) * 8;
    k->slices = cnn_size_divide_up(k->group_a, k->slice_channels);
    k->pixel_floats = cnn_size_min(k->slice_channels, k->group_a);
    if (k->by_channel) {
        k->slices = 1;
        k->pixel_floats = cnn_packed_columns(k->group_a);
    }
}

static enum cnn_copying copying(const struct weights_gradient *k)
{
    if (k->pairs)
        return CNN_COPY_TAP_PAIRS;
    if (k->by_channel)
        return k->group_a % VLEN != 0 ? CNN_COPY_ALWAYS : CNN_COPY_IF_PADDED;
    /* Of strided positions longer runs of k are worth the copying, if a pixel is not just some
     * numbers. */
    if ((k->windows.stride_h > 1 || k->windows.step_w > 1) && k->group_a >= VLEN)
        return CNN_COPY_TAPS;
    return k->slices > 1 ? CNN_COPY_ALWAYS : CNN_COPY_IF_PADDED;
}

static void plan_cut(struct weights_gradient *k)
{
    const struct cnn_windows *w = &k->windows;
    size_t positions = w->images * w->lines * w->pixels;
    size_t wanted = cnn_tasks_wanted(cnn_size_times(positions * k->groups, k->rows * k->group_b));
    k->group_sums = cnn_size_times(k->rows, cnn_packed_columns(k->group_b));
    k->chunk_sums = cnn_size_plus(cnn_size_times(k->groups, k->group_sums), 15) / 16 * 16;
    k->chunks = cnn_size_min(cnn_size_min(wanted, positions / CHUNK_MIN), SUMS_MAX / k->chunk_sums);
    k->chunks = k->chunks > 0 ? k->chunks : 1;
    plan_slices(k, wanted);
    k->windows.copying = copying(k);
    k->blocks = CNN_ISA_NAME(cnn_windows_cut)(w, BLOCK_MAX, k->pixel_floats);
    k->chunks = cnn_size_min(k->chunks, k->blocks.count);
    k->part_columns = cnn_part_columns(k->group_b, k->chunks * k->groups * k->slices, wanted);
    k->parts = cnn_size_divide_up(k->group_b, k->part_columns);
}

/* Steps of k that one line makes. */
static size_t steps(const struct weights_gradient *k)
{
    return k->pairs ? cnn_pairs(k->windows.pixels) : k->windows.pixels;
}

static struct weights_gradient plan(const struct cnn_conv *c, size_t n)
{
    struct weights_gradient k = {0};
    plan_operands(&k, c, n);
    plan_cut(&k);
    size_t positions = cnn_size_times(k.blocks.images * k.blocks.lines, steps(&k));
    k.bias_floats = cnn_size_plus(c->out_c, 15) / 16 * 16;
    k.copy_floats = CNN_ISA_NAME(cnn_blocks_copy_floats)(&k.windows, &k.blocks, k.pixel_floats);
    k.thread_floats = cnn_size_plus(k.copy_floats, cnn_size_times(positions, CNN_PANEL));
    return k;
}

/* to[k][width] = the columns of one line of b; columns beyond `used` may hold anything where they
 * are pairs, else are 0. */
static void pack_line(const struct weights_gradient *k, const float *b, size_t used, size_t width,
                      float *to)
{
    size_t pixels = k->windows.pixels, stride = k->b_channels;
    for (size_t p = 0; k->pairs && p < pixels; p += 2, b += 2 * stride, to += width)
        cnn_pair_rows(b, p + 1 < pixels ? b + stride : NULL, used, to);
    for (size_t p = 0; !k->pairs && p < pixels; p++, b += stride, to += width)
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

struct weights_task {
    /* columns of the group's b: [column, column + columns) */
    size_t chunk, group, slice, column, columns;
    float *panel;
};

/* One block's share of a task. */
static void multiply_block(const struct weights_gradient *k, const struct weights_task *t,
                           const struct cnn_view *v, bool accumulate)
{
    const struct cnn_windows *w = &k->windows;
    size_t first_channel = t->slice * k->slice_channels,
           channels = cnn_size_min(k->slice_channels, k->group_a - first_channel);
    /* from row to row of the product */
    ptrdiff_t row = (ptrdiff_t)(direct(k) ? k->group_b : cnn_packed_columns(k->group_b));
    float *product = direct(k) ? k->dw + t->group * k->group_a * k->group_b
                               : k->sums + t->chunk * k->chunk_sums + t->group * k->group_sums;
    struct cnn_gemm g = {
        .operands = k->pairs ? CNN_BF16_PAIRS : CNN_FLOATS,
        .rows = {{channels, w->taps_w, w->taps_h}, {1, v->tap_w, v->tap_h}},
        .depth = {{steps(k), v->lines, v->images}, {v->stride[0], v->stride[1], v->stride[2]}},
        .by_channel = k->by_channel,
        .accumulate = accumulate};
    ptrdiff_t tap = k->by_channel ? row : (ptrdiff_t)k->group_a * row;
    g.c_stride[0] = row;
    g.c_stride[1] = tap;
    g.c_stride[2] = (ptrdiff_t)w->taps_w * tap;
    if (k->by_channel)
        g.rows.count[0] = 1;
    if (cnn_windows_by_taps(w) && w->stride_h > 1)
        g.rows.count[2] = 1;
    for (size_t column = t->column; column < t->column + t->columns; column += CNN_PANEL) {
        size_t width = cnn_panel_width(k->group_b, column);
        g.columns = cnn_size_min(width, k->group_b - column);
        g.b = k->b + v->first * k->b_channels + t->group * k->group_b + column;
        g.b_step = k->b_channels;
        /* a panel that is wider than its columns would be read beyond the end of b */
        if (k->pairs || k->b_channels != width || g.columns != width) {
            for (size_t line = 0; line < v->images * v->lines; line++)
                pack_line(k, g.b + line * w->pixels * k->b_channels, g.columns, width,
                          t->panel + line * steps(k) * width);
            g.b = t->panel;
            g.b_step = width;
        }
        for (size_t tap_row = 0; tap_row < w->taps_h; tap_row += g.rows.count[2]) {
            g.a = v->data + cnn_view_tap(w, v, tap_row) + (k->by_channel ? column : 0);
            g.c = product + (ptrdiff_t)first_channel * row + (ptrdiff_t)tap_row * g.c_stride[2] +
                  column;
            CNN_ISA_NAME(cnn_gemm)(&g);
        }
    }
}

/* A task's filters among those that one block of dy gives to the bias: filters are rows of the
 * product, or columns. */
static void add_bias(const struct weights_gradient *k, const struct weights_task *t,
                     const struct cnn_view *v)
{
    size_t positions = v->images * v->lines * k->windows.pixels;
    size_t filter = t->group * k->group_b + t->column, count = t->columns;
    if (k->swapped) {
        filter = t->group * k->group_a + t->slice * k->slice_channels;
        count = cnn_size_min(k->slice_channels, k->group_a - t->slice * k->slice_channels);
    }
    /* In pieces that stay in the first-level cache while the columns pass. */
    for (size_t r = 0; r < positions; r += BIAS_ROWS)
        add_rows(k->dy + (v->first + r) * k->filters + filter, k->filters,
                 cnn_size_min(BIAS_ROWS, positions - r), count,
                 k->bias_sums + t->chunk * k->bias_floats + filter);
}

/* Task: a chunk of the batch, for a slice of the channels of a and a part of the columns of one
 * group. */
static void multiply_chunk(void *context, size_t task, size_t thread)
{
    const struct weights_gradient *k = context;
    struct weights_task t = {.column = task % k->parts * k->part_columns,
                             .slice = task / k->parts % k->slices};
    t.group = task / k->parts / k->slices % k->groups;
    t.chunk = task / k->parts / k->slices / k->groups;
    t.columns = cnn_size_min(k->part_columns, k->group_b - t.column);
    float *copy = k->scratch + thread * k->thread_floats;
    t.panel = copy + k->copy_floats;
    size_t first_channel = t.slice * k->slice_channels;
    const struct cnn_channels channels = {
        .x = k->a,
        .first = t.group * k->group_a + first_channel,
        .count = cnn_size_min(k->slice_channels, k->group_a - first_channel),
        .floats = k->pixel_floats,
        .copy = copy};
    size_t begin = t.chunk * k->blocks.count / k->chunks,
           end = (t.chunk + 1) * k->blocks.count / k->chunks;
    bool bias = k->db && (k->swapped ? t.column == 0 : t.slice == 0);
    for (size_t block = begin; block < end; block++) {
        struct cnn_view v =
            CNN_ISA_NAME(cnn_windows_view)(&k->windows, &k->blocks, block, &channels);
        multiply_block(k, &t, &v, block > begin);
        if (bias)
            add_bias(k, &t, &v);
    }
}

/* Task: a vector of columns of one group's product: adds the chunks' sums in order and puts them
 * where dw has them. */
static void reduce_columns(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct weights_gradient *k = context;
    size_t columns = cnn_packed_columns(k->group_b), group = task * VLEN / columns,
           column = task * VLEN % columns;
    size_t taps = k->taps_rows * k->taps_columns, channels = k->rows / taps,
           used = cnn_size_min(VLEN, k->group_b - column);
    const float *from = k->sums + group * k->group_sums + column;
    size_t column_step = k->swapped ? 1 : k->rows, channel_step = k->swapped ? k->group_b : taps;
    float *to = k->dw + group * k->rows * k->group_b + column * column_step;
    for (size_t channel = 0; channel < channels; channel++)
        for (size_t tap = 0; tap < taps; tap++) {
            const float *source = from + (tap * channels + channel) * columns;
            vfloat sum = vload(source);
            for (size_t chunk = 1; chunk < k->chunks; chunk++)
                sum += vload(source + chunk * k->chunk_sums);
            for (size_t i = 0; i < used; i++)
                to[i * column_step + channel * channel_step + tap] = sum[i];
        }
}

static void reduce_bias(const struct weights_gradient *k)
{
    memcpy(k->db, k->bias_sums, k->filters * sizeof *k->db);
    for (size_t chunk = 1; chunk < k->chunks; chunk++)
        for (size_t f = 0; f < k->filters; f++)
            k->db[f] += k->bias_sums[chunk * k->bias_floats + f];
}

void CNN_ISA_NAME(cnn_conv_backward_weights)(const struct cnn_conv *c,
                                             const struct cnn_conv_backward_weights *pass)
{
    if (CNN_ISA_NAME(cnn_winograd_fits)(c)) {
        CNN_ISA_NAME(cnn_winograd_backward_weights)(c, pass);
        return;
    }
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c)) {
        CNN_ISA_NAME(cnn_depthwise_backward_weights)(c, pass);
        return;
    }
    struct weights_gradient k = plan(c, pass->n);
    k.a = k.swapped ? pass->dy : pass->x;
    k.b = k.swapped ? pass->x : pass->dy;
    k.dy = pass->dy;
    k.dw = pass->dw;
    k.db = pass->db;
    k.bias_sums = pass->scratch;
    k.sums = k.bias_sums + k.chunks * k.bias_floats;
    k.scratch = k.sums + (direct(&k) ? 0 : k.chunks * k.chunk_sums);
    memset(k.bias_sums, 0, k.chunks * k.bias_floats * sizeof *k.bias_sums);
    cnn_parallel_for(k.chunks * k.groups * k.slices * k.parts, multiply_chunk, &k);
    if (!direct(&k))
        cnn_parallel_for(k.groups * cnn_packed_columns(k.group_b) / VLEN, reduce_columns, &k);
    if (k.db)
        reduce_bias(&k);
}

size_t CNN_ISA_NAME(cnn_conv_backward_weights_scratch)(const struct cnn_conv *c, size_t n)
{
    struct weights_gradient k = plan(c, n);
    size_t chunk = cnn_size_plus(k.bias_floats, direct(&k) ? 0 : k.chunk_sums);
    return cnn_size_plus(cnn_size_times(k.chunks, chunk),
                         cnn_size_times(k.thread_floats, (size_t)cnn_parallel_threads()));
}
