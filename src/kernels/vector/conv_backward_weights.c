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
#include "kernels/vector/depthwise.h"
#include "kernels/vector/square.h"
#include "kernels/vector/tree.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

#define BLOCK_MAX ((size_t)512) /* window positions of a block */
/* of a chunk: far more multiply-adds per sum than the reduction costs */
#define CHUNK_MIN    ((size_t)1024)
#define SUMS_MAX     ((size_t)5 << 18) /* floats of all chunks' sums together */
#define BIAS_ROWS    ((size_t)64)      /* of dy that are summed in one go */
#define SLICE_MIN    ((size_t)64)      /* channels of a that a task works on */
#define SLICE_MAX    ((size_t)256)
#define PANEL_FLOATS ((size_t)1 << 15) /* packed at a time, if that is more than one panel */
#define FLAT_PIXELS  ((size_t)64)      /* in a line of a 1x1 convolution whose pixels are paired */

/* floats of a task's tile, about, where sums wait in such tiles, or are written from one */
#define TILE_FLOATS ((size_t)81920)

/* How the positions of a part are passed. */
struct cut {
    struct cnn_windows windows; /* over a */
    struct cnn_blocks blocks;
    size_t columns; /* of b that are packed at a time */
};

struct weights_gradient {
    struct cnn_parts run;
    size_t images;      /* of a part, or one more */
    struct cut cuts[2]; /* of a part of so many images, and of one more */
    struct cut whole;   /* of the run */
    bool at_once;       /* the GEMM adds up the parts, which end at these positions */
    size_t ends[CNN_PARTS_MOST];
    bool swapped, by_channel, pairs;
    /* channels of a and of b in one group (by_channel: one group, all channels) */
    size_t groups, group_a, group_b;
    size_t merged; /* groups that are put together to one */
    const float *a, *b, *dy;
    bool a_halves, b_halves, dy_halves; /* stored as bfloat16 */
    size_t b_channels, filters;
    size_t own; /* filters whose gradients are wanted: those at dw and db, and on from dy */
    float *dw, *db, *sums, *bias_sums, *scratch;
    size_t chunks, chunk_parts, waiting; /* sums that wait, at most */
    size_t slices, slice_channels, parts, part_columns;
    size_t rows;                      /* of one group's product */
    size_t group_sums, chunk_sums;    /* floats */
    size_t bias_floats;               /* of one part */
    size_t tile_floats;               /* of a sum that waits */
    size_t copy_floats, panel_floats; /* the padded copy; packed columns */
    size_t thread_floats;             /* those, and tiles of sums */
    size_t taps_rows, taps_columns;   /* of the kernel */
    size_t pixel_floats;
};

/* Whether the product goes straight into dw. */
static bool direct(const struct weights_gradient *k)
{
    return k->swapped && k->chunks == 1;
}

/* Whether a task puts its product into dw itself: there is but one chunk. */
static bool alone(const struct weights_gradient *k)
{
    return !k->swapped && k->chunks == 1;
}

/* Floats of the chunks' sums. */
static size_t sums_floats(const struct weights_gradient *k)
{
    return k->chunks == 1 ? 0 : cnn_size_times(k->chunks, k->chunk_sums);
}

/* Windows over a part of n images. */
static struct cnn_windows windows_of(const struct weights_gradient *k, const struct cnn_conv *conv,
                                     size_t n)
{
    struct cnn_conv c = *conv;
    bool flat = cnn_conv_flatten(&c, &n);
    if (k->swapped) {
        size_t in_c = c.in_c;
        c.in_c = c.out_c;
        c.out_c = in_c;
    }
    c.in_c = cnn_elements(c.in_c, k->a_halves);
    struct cnn_windows w = CNN_BF16_NAME(cnn_windows)(&c, n);
    w.halves = k->a_halves;
    if (k->pairs && flat) /* neighbours are then pixels of different images */
        for (; w.images % 2 == 0 && w.pixels < FLAT_PIXELS; w.images /= 2)
            w.width = w.pixels *= 2;
    return w;
}

/* count: of the filters; 0: all. */
static void plan_operands(struct weights_gradient *k, const struct cnn_conv *conv, size_t count)
{
    struct cnn_conv c = cnn_conv_merged(conv);
    size_t n = 1;
    bool flat = cnn_conv_flatten(&c, &n);
    k->by_channel = cnn_conv_by_channel(conv);
    k->pairs = cnn_conv_by_pairs(conv);
    k->swapped = flat && !k->by_channel;
    k->dy_halves = c.y_halves;
    k->a_halves = k->swapped ? c.y_halves : c.x_halves;
    k->b_halves = k->swapped ? c.x_halves : c.y_halves;
    k->groups = k->by_channel ? 1 : c.groups;
    k->merged = conv->groups / c.groups;
    k->filters = c.out_c;
    k->taps_rows = c.kernel_h;
    k->taps_columns = c.kernel_w;
    k->own = count > 0 ? count : c.out_c;
    k->group_a = (k->swapped ? k->own : c.in_c) / k->groups;
    k->group_b = (k->swapped ? c.in_c : k->own) / k->groups;
    k->b_channels = k->swapped ? c.in_c : c.out_c;
    k->rows = c.kernel_h * c.kernel_w * (k->by_channel ? 1 : k->group_a);
    for (size_t i = 0; i < 2; i++)
        k->cuts[i].windows = windows_of(k, conv, k->images + i);
    k->whole.windows = windows_of(k, conv, cnn_parts_images(&k->run));
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
    if (k->pairs) /* an odd number of cache lines: pixels fall on different sets */
        k->pixel_floats = (k->pixel_floats + 15) / 16 * 16 | 16;
    if (k->by_channel) {
        k->slices = 1;
        k->pixel_floats = cnn_packed_columns(k->group_a);
    }
}

static enum cnn_copying copying(const struct weights_gradient *k)
{
    const struct cnn_windows *w = &k->cuts[0].windows;
    if (k->pairs)
        return CNN_COPY_TAP_PAIRS;
    if (k->by_channel)
        return k->group_a % VLEN != 0 ? CNN_COPY_ALWAYS : CNN_COPY_IF_PADDED;
    /* Of strided positions longer runs of k are worth the copying, if a pixel is not just some
     * numbers. */
    if ((w->stride_h > 1 || w->step_w > 1) && k->group_a >= VLEN)
        return CNN_COPY_TAPS;
    return k->slices > 1 ? CNN_COPY_ALWAYS : CNN_COPY_IF_PADDED;
}

/* Chunks of a power of two. */
static void plan_chunks(struct weights_gradient *k, size_t positions, size_t wanted)
{
    size_t parts = k->run.end - k->run.first,
           most =
               cnn_size_min(cnn_size_min(wanted, positions / CHUNK_MIN), SUMS_MAX / k->chunk_sums);
    for (k->chunks = 1; 2 * k->chunks <= most && 2 * k->chunks <= parts;)
        k->chunks *= 2;
    k->chunk_parts = parts / k->chunks;
    for (k->waiting = 0; (size_t)1 << k->waiting < k->chunk_parts;)
        k->waiting++;
}

/* Steps of k that one line makes. */
static size_t steps(const struct weights_gradient *k, const struct cnn_windows *w)
{
    return k->pairs ? cnn_pairs(w->pixels) : w->pixels;
}

/* That a block makes, at most. */
static size_t block_steps(const struct weights_gradient *k, const struct cut *cut)
{
    return cnn_size_times(cut->blocks.images * cut->blocks.lines, steps(k, &cut->windows));
}

static void cut_blocks(const struct weights_gradient *k, struct cut *cut)
{
    cut->windows.copying = copying(k);
    cut->blocks = CNN_BF16_NAME(cnn_windows_cut)(&cut->windows, BLOCK_MAX, k->pixel_floats);
    const size_t panels = PANEL_FLOATS / CNN_PANEL / block_steps(k, cut);
    cut->columns = (panels > 0 ? panels : 1) * CNN_PANEL;
}

/* Whether the parts are multiplied as one block, and where they end in it. */
static void plan_at_once(struct weights_gradient *k)
{
    size_t images = cnn_parts_images(&k->run), first = cnn_parts_image(&k->run, k->run.first);
    cut_blocks(k, &k->whole);
    k->at_once = direct(k) && !k->pairs && k->waiting > 0 && k->whole.blocks.count == 1;
    if (!k->at_once)
        return;
    k->waiting = 0;
    for (size_t i = k->run.first; i < k->run.end; i++)
        k->ends[i - k->run.first] =
            (cnn_parts_image(&k->run, i + 1) - first) * (k->whole.windows.images / images);
}

/* Columns of a task: sums that wait are to stay in the cache. */
static void plan_columns(struct weights_gradient *k, size_t wanted)
{
    size_t rows = k->by_channel ? k->rows : k->rows / k->group_a * k->slice_channels,
           panels = TILE_FLOATS / CNN_PANEL / rows;
    k->part_columns = cnn_part_columns(k->group_b, k->chunks * k->groups * k->slices, wanted);
    if (k->waiting > 0 || alone(k))
        k->part_columns = cnn_size_min(k->part_columns, (panels > 0 ? panels : 1) * CNN_PANEL);
    k->parts = cnn_size_divide_up(k->group_b, k->part_columns);
    k->tile_floats = cnn_size_times(rows, k->part_columns);
}

static void plan_cut(struct weights_gradient *k)
{
    const struct cnn_windows *w = &k->cuts[0].windows;
    size_t positions = w->images * w->lines * w->pixels * (k->run.end - k->run.first);
    size_t wanted = cnn_tasks_wanted(cnn_size_times(positions * k->groups, k->rows * k->group_b));
    k->group_sums = cnn_size_times(k->rows, cnn_packed_columns(k->group_b));
    k->chunk_sums = cnn_size_plus(cnn_size_times(k->groups, k->group_sums), 15) / 16 * 16;
    plan_chunks(k, positions, wanted);
    plan_slices(k, wanted);
    for (size_t i = 0; i < 2; i++)
        cut_blocks(k, &k->cuts[i]);
    plan_at_once(k);
    plan_columns(k, wanted);
}

static struct weights_gradient plan(const struct cnn_conv *c, const struct cnn_parts *run,
                                    size_t count)
{
    struct weights_gradient k = {.run = *run, .images = run->images / run->count};
    plan_operands(&k, c, count);
    plan_cut(&k);
    k.bias_floats = cnn_size_plus(c->out_c, 15) / 16 * 16;
    const struct cut *cuts[] = {&k.cuts[0], &k.cuts[1], k.at_once ? &k.whole : &k.cuts[0]};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        const struct cut *cut = cuts[i];
        size_t copy = CNN_BF16_NAME(cnn_blocks_copy_floats)(&cut->windows, &cut->blocks,
                                                            k.pixel_floats),
               columns = cnn_size_min(cut->columns, (k.part_columns + VLEN - 1) / VLEN * VLEN),
               panel = cnn_size_times(block_steps(&k, cut), columns);
        k.copy_floats = copy > k.copy_floats ? copy : k.copy_floats;
        k.panel_floats = panel > k.panel_floats ? panel : k.panel_floats;
    }
    k.thread_floats = cnn_size_plus(cnn_size_plus(k.copy_floats, k.panel_floats),
                                    cnn_size_times(k.waiting + alone(&k), k.tile_floats));
    return k;
}

/* As pack_line, where b is stored as bfloat16. */
static void pack_line_of_halves(const struct weights_gradient *k, size_t pixels,
                                const unsigned short *b, size_t used, size_t width, float *to)
{
    const size_t stride = k->b_channels;
    for (size_t p = 0; k->pairs && p < pixels; p += 2, b += 2 * stride, to += width)
        cnn_pair_rows_of_halves(b, p + 1 < pixels ? b + stride : NULL, used, to);
#if defined(__AVX512F__)
    for (size_t p = 0; !k->pairs && p < pixels; p++, b += stride, to += width)
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
    size_t stride = k->b_channels;
    if (k->b_halves) {
        pack_line_of_halves(k, pixels, (const unsigned short *)b, used, width, to);
        return;
    }
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
    const struct cut *cut; /* of the part at hand, which begins at this position of all */
    size_t position;
    struct product product;
};

/* Points g at columns of the group's b for a block: packed, or where they lie. Panels lie behind
 * each other, and are packed side by side, as b's lines have them. */
static void take_columns(const struct weights_gradient *k, const struct weights_task *t,
                         const struct cnn_view *v, size_t column, struct cnn_gemm *g)
{
    const struct cnn_windows *w = &t->cut->windows;
    const size_t first = (t->position + v->first) * k->b_channels + t->group * k->group_b + column,
                 line_floats = w->pixels * cnn_elements(k->b_channels, k->b_halves),
                 lines = v->images * v->lines, line_steps = steps(k, w);
    const float *b = k->b + cnn_elements(first, k->b_halves);
    g->b = b;
    g->b_step = k->b_channels;
    /* a panel that is wider than its columns would be read beyond the end of b */
    if (!k->pairs && !k->b_halves && k->b_channels == g->columns &&
        (g->columns == VLEN || g->columns == CNN_PANEL))
        return;
    g->b = t->panel;
    g->b_step = 0;
    for (size_t line = 0; line < lines; line++, b += line_floats)
        for (size_t j = 0; j < g->columns; j += CNN_PANEL) {
            const size_t width = cnn_panel_width(g->columns, j);
            pack_line(k, w->pixels, b + cnn_elements(j, k->b_halves),
                      cnn_size_min(width, g->columns - j), width,
                      t->panel + (j * lines + line * width) * line_steps);
        }
}

/* One block's share of a task. */
static void multiply_block(const struct weights_gradient *k, const struct weights_task *t,
                           const struct cnn_view *v, bool accumulate)
{
    const struct cnn_windows *w = &t->cut->windows;
    size_t first_channel = t->slice * k->slice_channels,
           channels = cnn_size_min(k->slice_channels, k->group_a - first_channel);
    struct cnn_gemm g = {
        .products = k->pairs ? &CNN_BF16_NAME(cnn_products_bf16) : NULL,
        .rows = {{channels, w->taps_w, w->taps_h}, {1, v->tap_w, v->tap_h}},
        .depth = {{steps(k, w), v->lines, v->images}, {v->stride[0], v->stride[1], v->stride[2]}},
        .by_channel = k->by_channel,
        .accumulate = accumulate};
    g.c_stride[0] = t->product.channel;
    g.c_stride[1] = t->product.tap;
    g.c_stride[2] = (ptrdiff_t)w->taps_w * t->product.tap;
    if (k->at_once) {
        g.ends = k->ends;
        g.pieces = k->chunk_parts;
    }
    if (k->by_channel)
        g.rows.count[0] = 1;
    if (cnn_windows_by_taps(w) && w->stride_h > 1)
        g.rows.count[2] = 1;
    for (size_t first = 0; first < t->columns; first += t->cut->columns) {
        g.columns = cnn_size_min(t->cut->columns, t->columns - first);
        take_columns(k, t, v, t->column + first, &g);
        for (size_t tap_row = 0; tap_row < w->taps_h; tap_row += g.rows.count[2]) {
            g.a = v->data + cnn_view_tap(w, v, tap_row) + (k->by_channel ? t->column + first : 0);
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
    float *sums = k->bias_sums + i * k->bias_floats;
    size_t filter = t->group * k->group_b + t->column, count = t->columns;
    if (k->swapped) {
        filter = t->group * k->group_a + t->slice * k->slice_channels;
        count = cnn_size_min(k->slice_channels, k->group_a - t->slice * k->slice_channels);
    }
    /* In pieces that stay in the first-level cache while the columns pass. */
    for (size_t r = 0; r < positions; r += BIAS_ROWS) {
        const size_t at = (first + r) * k->filters + filter,
                     rows = cnn_size_min(BIAS_ROWS, positions - r);
        if (k->dy_halves)
            add_rows_of_halves((const unsigned short *)k->dy + at, k->filters, rows, count,
                               sums + filter);
        else
            add_rows(k->dy + at, k->filters, rows, count, sums + filter);
    }
}

static struct cnn_channels slice_of(const struct weights_gradient *k, const struct weights_task *t,
                                    const float *a, float *copy)
{
    const size_t first = t->slice * k->slice_channels,
                 count = cnn_size_min(k->slice_channels, k->group_a - first);
    return (struct cnn_channels){.x = a,
                                 .first = cnn_elements(t->group * k->group_a + first, k->a_halves),
                                 .count = cnn_elements(count, k->a_halves),
                                 .floats = k->pixel_floats,
                                 .copy = copy};
}

/* Whether the task adds up the bias of its filters. */
static bool has_bias(const struct weights_gradient *k, const struct weights_task *t)
{
    return k->db && (k->swapped ? t->column == 0 : t->slice == 0);
}

/* The sum over one part, the i-th of the run, to the task's product. */
static void multiply_part(const struct weights_gradient *k, struct weights_task *t, size_t i,
                          float *copy)
{
    size_t part = k->run.first + i, first = cnn_parts_image(&k->run, part),
           images = cnn_parts_image(&k->run, part + 1) - first,
           image = first - cnn_parts_image(&k->run, k->run.first);
    t->cut = &k->cuts[images > k->images];
    const struct cnn_windows *w = &t->cut->windows;
    size_t image_floats = w->images * w->height * w->width * w->channels / images;
    t->position = image * (w->images * w->lines * w->pixels / images);
    const struct cnn_channels channels = slice_of(k, t, k->a + image * image_floats, copy);
    for (size_t block = 0, added = 0, end; block < t->cut->blocks.count; block++, added = end) {
        struct cnn_view v = CNN_BF16_NAME(cnn_windows_view)(w, &t->cut->blocks, block, &channels);
        multiply_block(k, t, &v, block > 0);
        /* in pieces that begin where they do however a part is cut into blocks */
        end = v.first + v.images * v.lines * w->pixels;
        if (block + 1 < t->cut->blocks.count)
            end -= end % BIAS_ROWS;
        if (has_bias(k, t))
            add_bias(k, t, i, t->position + added, end - added);
    }
}

/* The sum over all parts, to the task's product. */
static void multiply_at_once(const struct weights_gradient *k, struct weights_task *t, float *copy)
{
    const struct cnn_channels channels = slice_of(k, t, k->a, copy);
    t->cut = &k->whole;
    struct cnn_view v =
        CNN_BF16_NAME(cnn_windows_view)(&k->whole.windows, &k->whole.blocks, 0, &channels);
    multiply_block(k, t, &v, false);
    for (size_t i = 0, first = 0; has_bias(k, t) && i < k->chunk_parts; first = k->ends[i++])
        add_bias(k, t, i, first, k->ends[i] - first);
}

/* to += from, of the same task */
static void add_product(const struct weights_gradient *k, const struct weights_task *t,
                        const struct product *from, const struct product *to)
{
    size_t channels =
        k->by_channel ? 1
                      : cnn_size_min(k->slice_channels, k->group_a - t->slice * k->slice_channels);
    for (size_t tap = 0; tap < k->taps_rows * k->taps_columns; tap++)
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
    return k->dw + group * k->rows * k->group_b / k->merged;
}

/* Puts a product of groups that are put together where dw has it. What is between unlike ones is no
 * part of it. */
static void spread_merged(const struct weights_gradient *k, const struct product *from, float *to)
{
    const size_t taps = k->taps_rows * k->taps_columns, filters = k->group_b / k->merged,
                 channels = k->group_a / k->merged;
    for (size_t channel = 0; channel < k->group_a; channel++)
        for (size_t tap = 0; tap < taps; tap++) {
            const size_t first = channel / channels * filters;
            const vfloat sum = cnn_tree_sum(from->to + (ptrdiff_t)channel * from->channel +
                                                (ptrdiff_t)tap * from->tap,
                                            k->chunks, k->chunk_sums);
            for (size_t j = first; j < first + filters; j++)
                to[(j * channels + channel % channels) * taps + tap] = sum[j];
        }
}

/* Puts rows of a product, VLEN columns of so many channels, where dw has them: by filter, channel
 * and tap. from: the first of k->chunks whose sum it is. */
static void spread_columns(const struct weights_gradient *k, const struct product *from,
                           size_t channels, size_t columns, float *to)
{
    const size_t taps = k->taps_rows * k->taps_columns, count = channels * taps;
    const float *row = from->to, *channel = row;
    float square[VLEN * VLEN];
    for (size_t q = 0, tap = 0; q < count; q += VLEN) {
        const size_t rows = cnn_size_min(VLEN, count - q);
        for (size_t i = 0; i < rows; i++) {
            vstore(square + i * VLEN, cnn_tree_sum(row, k->chunks, k->chunk_sums));
            row += from->tap;
            if (++tap == taps) {
                tap = 0;
                row = channel += from->channel;
            }
        }
        if (rows == VLEN && columns == VLEN)
            cnn_transpose_square(square, VLEN, to + q, k->rows);
        for (size_t i = 0; (rows < VLEN || columns < VLEN) && i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                to[j * k->rows + q + i] = square[i * VLEN + j];
    }
}

/* A task's product, the only one of its rows and columns, to dw. */
static void write_gradient(const struct weights_gradient *k, const struct weights_task *t,
                           const struct product *product)
{
    const size_t first = t->slice * k->slice_channels,
                 channels = k->by_channel ? 1 : cnn_size_min(k->slice_channels, k->group_a - first);
    if (k->merged > 1) {
        spread_merged(k, product, group_gradient(k, t->group));
        return;
    }
    for (size_t j = 0; j < t->columns; j += VLEN)
        spread_columns(k, &(struct product){product->to + j, product->channel, product->tap},
                       channels, cnn_size_min(VLEN, t->columns - j),
                       group_gradient(k, t->group) + (t->column + j) * k->rows +
                           first * k->taps_rows * k->taps_columns);
}

/* Where the chunk's sum goes, and behind it those that wait for their neighbours. */
static void place_products(const struct weights_gradient *k, const struct weights_task *t,
                           float *waiting, struct product products[CNN_PARTS_DEPTH])
{
    size_t row = direct(k) ? k->group_b : cnn_packed_columns(k->group_b), i = !alone(k);
    float *sums = direct(k) ? k->dw + t->group * k->group_a * k->group_b
                            : k->sums + t->chunk * k->chunk_sums + t->group * k->group_sums;
    products[0] =
        (struct product){sums + t->slice * k->slice_channels * row + t->column, (ptrdiff_t)row,
                         (ptrdiff_t)(k->by_channel ? row : k->group_a * row)};
    row = k->part_columns;
    for (; i <= k->waiting; i++, waiting += k->tile_floats)
        products[i] = (struct product){waiting, (ptrdiff_t)row,
                                       (ptrdiff_t)(k->by_channel ? row : k->slice_channels * row)};
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
    struct product products[CNN_PARTS_DEPTH];
    place_products(k, &t, t.panel + k->panel_floats, products);
    if (k->at_once) {
        t.product = products[0];
        multiply_at_once(k, &t, copy);
        return;
    }
    struct cnn_tree tree = {0};
    for (size_t i = 0, into; i < k->chunk_parts; i++) {
        t.product = products[cnn_tree_push(&tree, i, 1)];
        multiply_part(k, &t, t.chunk * k->chunk_parts + i, copy);
        while (cnn_tree_merge(&tree, &into))
            add_product(k, &t, &products[into + 1], &products[into]);
    }
    if (alone(k))
        write_gradient(k, &t, &products[0]);
}

/* Task: a vector of columns of one group's product: adds the chunks' sums and puts them where dw
 * has them. */
static void reduce_columns(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct weights_gradient *k = context;
    const size_t columns = cnn_packed_columns(k->group_b), group = task * VLEN / columns,
                 column = task * VLEN % columns, channels = k->by_channel ? 1 : k->group_a,
                 used = cnn_size_min(VLEN, k->group_b - column);
    const struct product from = {k->sums + group * k->group_sums + column, (ptrdiff_t)columns,
                                 (ptrdiff_t)(channels * columns)};
    float *to = group_gradient(k, group);
    if (k->merged > 1)
        spread_merged(k, &from, to);
    else if (!k->swapped)
        spread_columns(k, &from, channels, used, to + column * k->rows);
    for (size_t row = 0; k->swapped && row < k->rows; row++)
        vstore_lanes(to + row * k->group_b + column, used,
                     cnn_tree_sum(from.to + row * columns, k->chunks, k->chunk_sums));
}

static void make_gradients(const struct cnn_conv *c, const struct cnn_conv_backward_weights *pass)
{
    if (cnn_conv_by_winograd(c)) {
        cnn_winograd_backward_weights_stored(c, pass);
        return;
    }
    struct cnn_parts all = cnn_parts_of(pass->n, 0, 1);
    struct weights_gradient k = plan(c, pass->parts ? pass->parts : &all, pass->count);
    size_t parts = k.run.end - k.run.first;
    k.dy = pass->dy + cnn_elements(pass->first, c->y_halves);
    k.a = k.swapped ? k.dy : pass->x;
    k.b = k.swapped ? pass->x : k.dy;
    k.dw = pass->dw;
    k.db = pass->db;
    k.bias_sums = pass->scratch;
    k.sums = k.bias_sums + parts * k.bias_floats;
    k.scratch = k.sums + sums_floats(&k);
    memset(k.bias_sums, 0, parts * k.bias_floats * sizeof *k.bias_sums);
    cnn_parallel_for(k.chunks * k.groups * k.slices * k.parts, multiply_chunk, &k);
    if (k.chunks > 1)
        cnn_parallel_for(k.groups * cnn_packed_columns(k.group_b) / VLEN, reduce_columns, &k);
    if (k.db)
        cnn_tree_rows(k.own, k.bias_sums, parts, k.bias_floats, k.db);
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

static size_t scratch_floats(const struct cnn_conv *c, const struct cnn_parts *run, size_t count)
{
    struct weights_gradient k = plan(c, run, count);
    return cnn_size_plus(
        cnn_size_plus(cnn_size_times(run->end - run->first, k.bias_floats), sums_floats(&k)),
        cnn_size_times(k.thread_floats, (size_t)cnn_parallel_threads()));
}

size_t CNN_BF16_NAME(cnn_conv_backward_weights_scratch)(const struct cnn_conv *c, size_t n)
{
    const size_t counts[] = {cnn_gradient_piece(c), cnn_gradient_last_piece(c)};
    size_t most = 0;
    /* a subtree of n images may have fewer parts than a batch of n */
    for (struct cnn_parts run = cnn_parts_of(n, 0, 1); run.count > 0; run.end = run.count /= 2)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            size_t wanted = scratch_floats(c, &run, counts[i]);
            most = wanted > most ? wanted : most;
        }
    return most;
}
