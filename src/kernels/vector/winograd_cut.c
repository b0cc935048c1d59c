/* Whether a convolution goes by Winograd's algorithm, how its passes are cut, and their scratch
 * (winograd_cut.h). */
#include "kernels/vector/winograd_cut.h"

#include "kernels/vector/winograd.h"
#include "util/parallel.h"

#define BLOCK_FLOATS ((size_t)80 << 10) /* of one block's slots */
#define BLOCK_TILES  ((size_t)32)
#define RUNS         ((size_t)64) /* of blocks, that large arrays are cut into */
/* a task should be worth so many of CNN_TASK_WORK, as its transforms may be done elsewhere as
 * well */
#define TASK_SHARE   ((size_t)4)
#define MIN_CHANNELS ((size_t)16)
#define LATE_TILES   ((size_t)48)  /* of a block: whole tiles of rows of the GEMM */
#define LATE_DEPTH   ((size_t)64)  /* channels at a time; twice as many of few tiles */
#define LATE_COLUMNS ((size_t)128) /* filters of a task */

/* Of the gradient of the weights. */
#define PART_CHANNELS ((size_t)64) /* of x and of dy: 36 x 64 x 64 sums are 576 KiB */
#define WEIGHTS_TASKS ((size_t)8)  /* wanted: of pieces, or else of chunks */
/* at least: far more products per sum than adding the chunks up costs */
#define CHUNK_TILES ((size_t)64)

static size_t tiles_along(size_t size)
{
    return cnn_size_divide_up(size, 4);
}

/* Whether tiles take clearly fewer products than the direct sum, where the last ones reach beyond
 * the image. */
static bool worth_it(size_t h, size_t w)
{
    return tiles_along(h) * tiles_along(w) * CNN_POINTS * 2 <= h * w * 9;
}

bool CNN_ISA_NAME(cnn_winograd_fits)(const struct cnn_conv *c)
{
    size_t group_in = c->in_c / c->groups, group_out = c->out_c / c->groups;
    return !c->direct && c->kernel_h == 3 && c->kernel_w == 3 && c->stride_h == 1 &&
           c->stride_w == 1 && c->dilation_h == 1 && c->dilation_w == 1 &&
           c->padding_mode == CNN_PAD_ZEROS && c->pad_top <= 2 && c->pad_left <= 2 &&
           group_in % VLEN == 0 && group_out % VLEN == 0 && group_in >= MIN_CHANNELS &&
           group_out >= MIN_CHANNELS && worth_it(c->out_h, c->out_w) && worth_it(c->in_h, c->in_w);
}

double CNN_ISA_NAME(cnn_winograd_products)(const struct cnn_conv *c, enum cnn_conv_pass pass)
{
    const bool data = pass == CNN_CONV_BACKWARD_DATA;
    const size_t tiles =
        tiles_along(data ? c->in_h : c->out_h) * tiles_along(data ? c->in_w : c->out_w);
    return (double)(tiles * CNN_POINTS) * (double)c->out_c * (double)(c->in_c / c->groups);
}

/* Cuts the work into tasks. */
static void cut(struct cnn_winograd_cut *k)
{
    size_t tiles = cnn_tiles_count(&k->in),
           channels = k->group_in > k->group_out ? k->group_in : k->group_out;
    size_t fitting = BLOCK_FLOATS / ((CNN_POINTS + 1) * channels) / 8 * 8;
    size_t tasks = cnn_tasks_wanted(
        cnn_size_times(tiles * CNN_POINTS, k->group_in * k->out.channels) / TASK_SHARE);
    size_t wanted = cnn_size_divide_up(tiles, tasks);
    k->block = cnn_size_min(fitting < 8 ? 8 : fitting, BLOCK_TILES);
    k->block = wanted < k->block ? cnn_size_divide_up(wanted, 8) * 8 : k->block;
    k->blocks = cnn_size_divide_up(tiles, k->block);
    k->run = cnn_size_divide_up(k->blocks, RUNS);
    k->part = cnn_part_columns(k->group_out, k->blocks * k->groups, tasks);
    k->parts = cnn_size_divide_up(k->group_out, k->part);
    /* an odd number of cache lines: the stores of one tile fall on different sets */
    k->slot = k->products = k->block * channels + 16;
    k->thread_floats = cnn_size_times(CNN_POINTS + 1, k->slot);
}

/* The same where weights are transformed late. */
static void cut_late(struct cnn_winograd_cut *k)
{
    size_t tiles = cnn_tiles_count(&k->in);
    size_t tasks = cnn_tasks_wanted(
        cnn_size_times(tiles * CNN_POINTS, k->group_in * k->out.channels) / TASK_SHARE);
    k->block = cnn_size_min(tiles, LATE_TILES);
    k->blocks = cnn_size_divide_up(tiles, k->block);
    k->run = cnn_size_divide_up(k->blocks, RUNS);
    k->part =
        cnn_size_min(cnn_part_columns(k->group_out, k->blocks * k->groups, tasks), LATE_COLUMNS);
    k->parts = cnn_size_divide_up(k->group_out, k->part);
    k->depth = cnn_size_min(k->block <= 8 ? 2 * LATE_DEPTH : LATE_DEPTH, k->group_in);
    k->inputs = k->block * k->depth + 16;
    k->weights = CNN_PANEL * k->depth + 16;
    k->products = k->block * k->part + 16;
    k->thread_floats = CNN_POINTS * (k->inputs + k->products) + CNN_TILE_ROW * k->weights;
}

struct cnn_winograd_cut CNN_ISA_NAME(cnn_winograd_cut)(const struct cnn_conv *c, size_t n,
                                                       bool backward)
{
    size_t rows = tiles_along(backward ? c->in_h : c->out_h),
           columns = tiles_along(backward ? c->in_w : c->out_w);
    struct cnn_winograd_cut k = {
        .in = {n, c->in_h, c->in_w, c->in_c, (ptrdiff_t)c->pad_top, (ptrdiff_t)c->pad_left, rows,
               columns},
        .out = {n, c->out_h, c->out_w, c->out_c, 0, 0, rows, columns},
    };
    if (backward) {
        k.in = (struct cnn_tiles){n,
                                  c->out_h,
                                  c->out_w,
                                  c->out_c,
                                  2 - (ptrdiff_t)c->pad_top,
                                  2 - (ptrdiff_t)c->pad_left,
                                  rows,
                                  columns};
        k.out = (struct cnn_tiles){n, c->in_h, c->in_w, c->in_c, 0, 0, rows, columns};
    }
    k.groups = c->groups;
    k.group_in = k.in.channels / k.groups;
    k.group_out = k.out.channels / k.groups;
    (CNN_ISA_NAME(cnn_winograd_late)(c) ? cut_late : cut)(&k);
    k.zero_floats = cnn_size_divide_up(k.in.channels, 16) * 16;
    return k;
}

static size_t correlation_scratch(const struct cnn_winograd_cut *k)
{
    return cnn_size_plus(k->zero_floats,
                         cnn_size_times(k->thread_floats, (size_t)cnn_parallel_threads()));
}

size_t CNN_ISA_NAME(cnn_winograd_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    struct cnn_winograd_cut forward = CNN_ISA_NAME(cnn_winograd_cut)(c, n, false),
                            data = CNN_ISA_NAME(cnn_winograd_cut)(c, n, true);
    size_t one = correlation_scratch(&forward), other = correlation_scratch(&data),
           most = one > other ? one : other;
    size_t weights = CNN_ISA_NAME(cnn_winograd_weights_scratch)(c, n);
    return most > weights ? most : weights;
}

static size_t round_up(size_t value, size_t step)
{
    return cnn_size_divide_up(value, step) * step;
}

/* Chunks of a power of two. */
static void plan_chunks(struct cnn_winograd_weights_cut *k)
{
    size_t parts = k->run.end - k->run.first,
           most = cnn_size_min(cnn_size_divide_up(WEIGHTS_TASKS, k->parts), k->tiles / CHUNK_TILES);
    for (k->chunks = 1; 2 * k->chunks <= most && 2 * k->chunks <= parts;)
        k->chunks *= 2;
    k->chunk_parts = parts / k->chunks;
    for (k->waiting = 0; (size_t)1 << k->waiting < k->chunk_parts;)
        k->waiting++;
}

struct cnn_winograd_weights_cut CNN_ISA_NAME(cnn_winograd_weights_cut)(const struct cnn_conv *c,
                                                                       size_t n,
                                                                       const struct cnn_parts *run,
                                                                       size_t count)
{
    size_t rows = cnn_size_divide_up(c->out_h, 4), columns = cnn_size_divide_up(c->out_w, 4);
    struct cnn_winograd_weights_cut k = {
        .run = *run,
        .image_tiles = rows * columns,
        .in = {n, c->in_h, c->in_w, c->in_c, (ptrdiff_t)c->pad_top, (ptrdiff_t)c->pad_left, rows,
               columns},
        .out = {n, c->out_h, c->out_w, c->out_c, 0, 0, rows, columns},
        .groups = c->groups,
        .group_in = c->in_c / c->groups,
        .own = count > 0 ? count : c->out_c,
    };
    k.group_out = k.own / c->groups;
    k.part_in = round_up(
        cnn_size_divide_up(k.group_in, cnn_size_divide_up(k.group_in, PART_CHANNELS)), VLEN);
    k.part_out = round_up(
        cnn_size_divide_up(k.group_out, cnn_size_divide_up(k.group_out, PART_CHANNELS)), VLEN);
    k.in_parts = cnn_size_divide_up(k.group_in, k.part_in);
    k.out_parts = cnn_size_divide_up(k.group_out, k.part_out);
    k.parts = k.groups * k.in_parts * k.out_parts;
    k.tiles = cnn_tiles_count(&k.in);
    plan_chunks(&k);
    k.block = cnn_size_min(CNN_DEEP_STEPS, k.tiles);
    k.in_slot = k.block * k.part_in + 16;
    k.out_slot = k.block * k.part_out + 16;
    k.point = k.part_in * k.part_out + 16;
    k.zero_floats = round_up(c->in_c > c->out_c ? c->in_c : c->out_c, 16);
    k.bias_floats = round_up(c->out_c, 16);
    k.piece = 9 * k.part_in * k.part_out;
    k.thread_floats = CNN_PAIR_POINTS * (k.in_slot + k.out_slot) + CNN_POINTS * k.point +
                      (k.waiting + (k.chunks == 1)) * k.piece;
    return k;
}

static size_t weights_scratch(const struct cnn_conv *c, size_t n, const struct cnn_parts *run,
                              size_t count)
{
    struct cnn_winograd_weights_cut k = CNN_ISA_NAME(cnn_winograd_weights_cut)(c, n, run, count);
    size_t sums = k.chunks == 1 ? 0 : cnn_size_times(k.chunks, cnn_size_times(k.parts, k.piece)),
           biases = cnn_size_times(run->end - run->first, k.bias_floats);
    return cnn_size_plus(cnn_size_plus(cnn_size_plus(sums, biases), k.zero_floats),
                         cnn_size_times(k.thread_floats, (size_t)cnn_parallel_threads()));
}

size_t CNN_ISA_NAME(cnn_winograd_weights_scratch)(const struct cnn_conv *c, size_t n)
{
    const size_t counts[] = {cnn_gradient_piece(c), cnn_gradient_last_piece(c)};
    size_t most = 0;
    /* a subtree of n images may have fewer parts than a batch of n */
    for (struct cnn_parts run = cnn_parts_of(n, 0, 1); run.count > 0; run.end = run.count /= 2)
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            size_t wanted = weights_scratch(c, n, &run, counts[i]);
            most = wanted > most ? wanted : most;
        }
    return most;
}
