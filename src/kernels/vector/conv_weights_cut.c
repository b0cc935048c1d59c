/* How the gradients of a convolution's weights are cut into tasks, and their scratch
 * (conv_weights_cut.h). */
#include "kernels/vector/conv_weights_cut.h"

#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "util/parallel.h"

#define BLOCK_MAX ((size_t)512) /* window positions of a block */
/* of a chunk: far more multiply-adds per sum than the reduction costs */
#define CHUNK_MIN    ((size_t)1024)
#define SUMS_MAX     ((size_t)5 << 18) /* floats of all chunks' sums together */
#define SLICE_MIN    ((size_t)64)      /* channels of a that a task works on */
#define SLICE_MAX    ((size_t)256)
#define PANEL_FLOATS ((size_t)1 << 15) /* packed at a time, if that is more than one panel */
#define FLAT_PIXELS  ((size_t)64)      /* in a line of a 1x1 convolution whose pixels are paired */

/* floats of a task's tile, about, where sums wait in such tiles, or are written from one */
#define TILE_FLOATS ((size_t)81920)

/* Windows over a part of n images. */
static struct cnn_windows windows_of(const struct cnn_weights_cut *k, const struct cnn_conv *conv,
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
static void plan_operands(struct cnn_weights_cut *k, const struct cnn_conv *conv, size_t count)
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
        k->part[i].windows = windows_of(k, conv, k->images + i);
    k->whole.windows = windows_of(k, conv, cnn_parts_images(&k->run));
}

/* Slices of the channels of a: where the chunks are too few tasks, rather more of these than parts
 * of b's columns, for each of which a block would be copied anew. */
static void plan_slices(struct cnn_weights_cut *k, size_t wanted)
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

static enum cnn_copying copying(const struct cnn_weights_cut *k)
{
    const struct cnn_windows *w = &k->part[0].windows;
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
static void plan_chunks(struct cnn_weights_cut *k, size_t positions, size_t wanted)
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

/* That a block makes, at most. */
static size_t block_steps(const struct cnn_weights_cut *k, const struct cnn_weights_blocks *cut)
{
    return cnn_size_times(cut->blocks.images * cut->blocks.lines,
                          cnn_weights_steps(k, &cut->windows));
}

static void cut_blocks(const struct cnn_weights_cut *k, struct cnn_weights_blocks *cut)
{
    cut->windows.copying = copying(k);
    cut->blocks = CNN_BF16_NAME(cnn_windows_cut)(&cut->windows, BLOCK_MAX, k->pixel_floats);
    const size_t panels = PANEL_FLOATS / CNN_PANEL / block_steps(k, cut);
    cut->columns = (panels > 0 ? panels : 1) * CNN_PANEL;
}

/* Whether the parts are multiplied as one block, and where they end in it. */
static void plan_at_once(struct cnn_weights_cut *k)
{
    size_t images = cnn_parts_images(&k->run), first = cnn_parts_image(&k->run, k->run.first);
    cut_blocks(k, &k->whole);
    k->at_once = cnn_weights_direct(k) && !k->pairs && k->waiting > 0 && k->whole.blocks.count == 1;
    if (!k->at_once)
        return;
    k->waiting = 0;
    for (size_t i = k->run.first; i < k->run.end; i++)
        k->ends[i - k->run.first] =
            (cnn_parts_image(&k->run, i + 1) - first) * (k->whole.windows.images / images);
}

/* Columns of a task: sums that wait are to stay in the cache. */
static void plan_columns(struct cnn_weights_cut *k, size_t wanted)
{
    size_t rows = k->by_channel ? k->rows : k->rows / k->group_a * k->slice_channels,
           panels = TILE_FLOATS / CNN_PANEL / rows;
    k->part_columns = cnn_part_columns(k->group_b, k->chunks * k->groups * k->slices, wanted);
    if (k->waiting > 0 || cnn_weights_alone(k))
        k->part_columns = cnn_size_min(k->part_columns, (panels > 0 ? panels : 1) * CNN_PANEL);
    k->parts = cnn_size_divide_up(k->group_b, k->part_columns);
    k->tile_floats = cnn_size_times(rows, k->part_columns);
}

static void plan_cut(struct cnn_weights_cut *k)
{
    const struct cnn_windows *w = &k->part[0].windows;
    size_t positions = w->images * w->lines * w->pixels * (k->run.end - k->run.first);
    size_t wanted = cnn_tasks_wanted(cnn_size_times(positions * k->groups, k->rows * k->group_b));
    k->group_sums = cnn_size_times(k->rows, cnn_packed_columns(k->group_b));
    k->chunk_sums = cnn_size_plus(cnn_size_times(k->groups, k->group_sums), 15) / 16 * 16;
    plan_chunks(k, positions, wanted);
    plan_slices(k, wanted);
    for (size_t i = 0; i < 2; i++)
        cut_blocks(k, &k->part[i]);
    plan_at_once(k);
    plan_columns(k, wanted);
}

struct cnn_weights_cut CNN_BF16_NAME(cnn_weights_cut)(const struct cnn_conv *c,
                                                      const struct cnn_parts *run, size_t count)
{
    struct cnn_weights_cut k = {.run = *run, .images = run->images / run->count};
    plan_operands(&k, c, count);
    plan_cut(&k);
    k.bias_floats = cnn_size_plus(c->out_c, 15) / 16 * 16;
    const struct cnn_weights_blocks *all[] = {&k.part[0], &k.part[1],
                                              k.at_once ? &k.whole : &k.part[0]};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        const struct cnn_weights_blocks *cut = all[i];
        size_t copy = CNN_BF16_NAME(cnn_blocks_copy_floats)(&cut->windows, &cut->blocks,
                                                            k.pixel_floats),
               columns = cnn_size_min(cut->columns, (k.part_columns + VLEN - 1) / VLEN * VLEN),
               panel = cnn_size_times(block_steps(&k, cut), columns);
        k.copy_floats = copy > k.copy_floats ? copy : k.copy_floats;
        k.panel_floats = panel > k.panel_floats ? panel : k.panel_floats;
    }
    k.thread_floats =
        cnn_size_plus(cnn_size_plus(k.copy_floats, k.panel_floats),
                      cnn_size_times(k.waiting + cnn_weights_alone(&k), k.tile_floats));
    return k;
}

static size_t scratch_floats(const struct cnn_conv *c, const struct cnn_parts *run, size_t count)
{
    struct cnn_weights_cut k = CNN_BF16_NAME(cnn_weights_cut)(c, run, count);
    return cnn_size_plus(
        cnn_size_plus(cnn_size_times(run->end - run->first, k.bias_floats), cnn_weights_sums(&k)),
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
