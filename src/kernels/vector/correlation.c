/* What the passes of a convolution share (conv_internal.h): how they are cut into tasks, which rows
 * a phase of the gradient of the data has, and the pooling of what they wrote. */
#include "kernels/vector/conv_internal.h"
#include "util/parallel.h"

/* Window positions of one block: at least this many, so that a panel of weights is used often for
 * each time that it is read; at most this many, so that its output is still in the cache when the
 * activation follows. */
#define BLOCK_MIN ((size_t)64)
#define BLOCK_MAX ((size_t)1024)

void CNN_BF16_NAME(cnn_correlation_plan)(struct cnn_correlation *k, size_t work,
                                         size_t line_multiple)
{
    struct cnn_windows *w = &k->windows;
    size_t wanted = cnn_tasks_wanted(work),
           target = cnn_size_min(cnn_size_divide_up(w->images * w->lines * w->pixels, wanted),
                                 BLOCK_MAX);
    const bool pairing = k->pairs && !k->halves;
    k->depth = k->by_channel ? 1 : pairing ? cnn_pairs(k->group_in) : k->group_in;
    k->pixel_floats = k->by_channel ? cnn_packed_columns(k->group_in) : k->depth;
    k->taps_w = w->taps_w;
    if (k->row_pairs) {
        k->depth = cnn_pairs(w->taps_w * k->group_in);
        k->taps_w = k->pixel_floats = 1;
    }
    w->copying = k->row_pairs                               ? CNN_COPY_ROW_PAIRS
                 : pairing                                  ? CNN_COPY_CHANNEL_PAIRS
                 : k->by_channel && k->group_in % VLEN != 0 ? CNN_COPY_ALWAYS
                                                            : CNN_COPY_IF_PADDED;
    k->blocks =
        CNN_BF16_NAME(cnn_windows_cut)(w, target > BLOCK_MIN ? target : BLOCK_MIN, k->pixel_floats);
    if (k->blocks.bands > 1) {
        k->blocks.lines = cnn_size_divide_up(k->blocks.lines, line_multiple) * line_multiple;
        k->blocks.bands = cnn_size_divide_up(w->lines, k->blocks.lines);
        k->blocks.count = w->images * k->blocks.bands;
    }
    bool copies = w->copying != CNN_COPY_IF_PADDED || CNN_BF16_NAME(cnn_windows_padded)(w);
    k->copy_floats =
        copies ? CNN_BF16_NAME(cnn_blocks_copy_floats)(w, &k->blocks, k->pixel_floats) : 0;
    k->part_columns = cnn_part_columns(k->group_out, k->blocks.count * k->groups, wanted);
    k->parts = cnn_size_divide_up(k->group_out, k->part_columns);
}

struct cnn_correlation_task CNN_BF16_NAME(cnn_correlation_task)(const struct cnn_correlation *k,
                                                                size_t task, const float *x,
                                                                float *copy)
{
    struct cnn_correlation_task t = {.column = task % k->parts * k->part_columns,
                                     .group = task / k->parts % k->groups,
                                     .block = task / k->parts / k->groups};
    t.columns = cnn_size_min(k->part_columns, k->group_out - t.column);
    t.image = t.block / k->blocks.bands * k->blocks.images;
    t.line = t.block % k->blocks.bands * k->blocks.lines;
    t.view = CNN_BF16_NAME(cnn_windows_view)(&k->windows, &k->blocks, t.block,
                                             &(struct cnn_channels){.x = x,
                                                                    .first = t.group * k->group_in,
                                                                    .count = k->group_in,
                                                                    .floats = k->pixel_floats,
                                                                    .copy = copy});
    if (k->by_channel)
        t.view.data += t.column;
    return t;
}

struct cnn_phase CNN_BF16_NAME(cnn_phase_at)(size_t residue, size_t size, size_t kernel,
                                             size_t stride, size_t dilation, size_t pad)
{
    size_t divisor = stride, rest = dilation;
    while (rest != 0) {
        size_t next = divisor % rest;
        divisor = rest;
        rest = next;
    }
    struct cnn_phase p = {.first = (residue + stride - pad % stride) % stride,
                          .between = stride / divisor,
                          .dilation = dilation / divisor};
    p.count = p.first < size ? (size - 1 - p.first) / stride + 1 : 0;
    size_t tap = 0, candidates = cnn_size_min(kernel, p.between);
    while (tap < candidates && tap * dilation % stride != residue)
        tap++;
    if (tap == candidates)
        return p;
    p.taps = (kernel - 1 - tap) / p.between + 1;
    p.last_tap = tap + (p.taps - 1) * p.between;
    /* Row first reads dy at (first + pad - tap * dilation) / stride, a whole number, for each of
     * the taps. */
    p.pad = ((ptrdiff_t)(p.last_tap * dilation) - (ptrdiff_t)(p.first + pad)) / (ptrdiff_t)stride;
    return p;
}

void CNN_BF16_NAME(cnn_pool_lines)(bool average, const struct cnn_line_pair *lines, float *to,
                                   ptrdiff_t y_step)
{
    const float *upper = lines->upper, *lower = lines->lower;
    size_t pixels = lines->pixels, columns = lines->columns;
    for (size_t p = 0; p + 2 <= pixels;
         p += 2, upper += 2 * columns, lower += 2 * columns, to += y_step)
        for (size_t j = 0; j < columns; j += VLEN) {
            /* the buffer may be read beyond the last column, y not written */
            size_t left = columns - j;
            vfloat a = vload(upper + j), b = vload(upper + columns + j), c = vload(lower + j),
                   d = vload(lower + columns + j);
            vfloat pooled =
                average ? (a + b + c + d) * 0.25f : vmax_nan(vmax_nan(a, b), vmax_nan(c, d));
            if (left >= VLEN)
                vstore(to + j, pooled);
            else
                vstore_tail(to + j, left, pooled);
        }
}
