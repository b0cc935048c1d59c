/* The forward pass, and the plan that it shares with the gradient of the data. Each task takes a
 * block of output lines (and, where there are few blocks, a range of the filters), copies the
 * padded input that it reads, and lets one GEMM run over it: rows are pixels, k is (kernel row,
 * kernel column, channel). With dilation 1 the taps of a kernel row lie in one piece. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

/* Window positions of one block: at least this many, so that a panel of weights is used often for
 * each time that it is read; at most this many, so that its output is still in the cache when the
 * activation follows. */
#define BLOCK_MIN ((size_t)64)
#define BLOCK_MAX ((size_t)1024)

struct forward {
    struct cnn_correlation cut;
    struct cnn_epilogue epilogue;
    size_t filters;
    const float *x, *packed;
    float *y, *scratch;
    /* scratch of one thread: sums to be pooled, and with them the copy */
    size_t unpooled_floats, thread_floats;
};

void CNN_ISA_NAME(cnn_correlation_plan)(struct cnn_correlation *k, size_t work,
                                        size_t line_multiple)
{
    struct cnn_windows *w = &k->windows;
    size_t wanted = cnn_tasks_wanted(work),
           target = cnn_size_min(cnn_size_divide_up(w->images * w->lines * w->pixels, wanted),
                                 BLOCK_MAX);
    k->depth = k->by_channel ? 1 : k->pairs ? cnn_pairs(k->group_in) : k->group_in;
    k->pixel_floats = k->by_channel ? cnn_packed_columns(k->group_in) : k->depth;
    w->copying = k->pairs                                   ? CNN_COPY_CHANNEL_PAIRS
                 : k->by_channel && k->group_in % VLEN != 0 ? CNN_COPY_ALWAYS
                                                            : CNN_COPY_IF_PADDED;
    k->blocks =
        CNN_ISA_NAME(cnn_windows_cut)(w, target > BLOCK_MIN ? target : BLOCK_MIN, k->pixel_floats);
    if (k->blocks.bands > 1) {
        k->blocks.lines = cnn_size_divide_up(k->blocks.lines, line_multiple) * line_multiple;
        k->blocks.bands = cnn_size_divide_up(w->lines, k->blocks.lines);
        k->blocks.count = w->images * k->blocks.bands;
    }
    bool copies = w->copying != CNN_COPY_IF_PADDED || CNN_ISA_NAME(cnn_windows_padded)(w);
    k->copy_floats =
        copies ? CNN_ISA_NAME(cnn_blocks_copy_floats)(w, &k->blocks, k->pixel_floats) : 0;
    k->part_columns = cnn_part_columns(k->group_out, k->blocks.count * k->groups, wanted);
    k->parts = cnn_size_divide_up(k->group_out, k->part_columns);
}

struct cnn_correlation_task CNN_ISA_NAME(cnn_correlation_task)(const struct cnn_correlation *k,
                                                               size_t task, const float *x,
                                                               float *copy)
{
    struct cnn_correlation_task t = {.column = task % k->parts * k->part_columns,
                                     .group = task / k->parts % k->groups,
                                     .block = task / k->parts / k->groups};
    t.columns = cnn_size_min(k->part_columns, k->group_out - t.column);
    t.image = t.block / k->blocks.bands * k->blocks.images;
    t.line = t.block % k->blocks.bands * k->blocks.lines;
    t.view =
        CNN_ISA_NAME(cnn_windows_view)(&k->windows, &k->blocks, t.block, x, t.group * k->group_in,
                                       k->group_in, k->pixel_floats, copy);
    if (k->by_channel)
        t.view.data += t.column;
    return t;
}

/* Activates columns of each window position of the block in view, where the GEMM wrote it. */
static void activate(const struct forward *k, const struct cnn_view *v, const struct cnn_gemm *g)
{
    size_t pixels = k->cut.windows.pixels;
    for (size_t i = 0; i < v->images; i++)
        for (size_t l = 0; l < v->lines; l++) {
            float *line = g->c + (ptrdiff_t)i * g->c_stride[2] + (ptrdiff_t)l * g->c_stride[1];
            if ((size_t)g->c_stride[0] == g->columns)
                CNN_ISA_NAME(cnn_activate)(k->epilogue.activation, pixels * g->columns, line, line);
            else
                for (size_t p = 0; p < pixels; p++, line += g->c_stride[0])
                    CNN_ISA_NAME(cnn_activate)(k->epilogue.activation, g->columns, line, line);
        }
}

void CNN_ISA_NAME(cnn_pool_lines)(bool average, const float *upper, const float *lower,
                                  size_t pixels, size_t columns, float *to, ptrdiff_t y_step)
{
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

/* Pools what the GEMM wrote of a block. */
static void pool_block(const struct forward *k, const struct cnn_correlation_task *t,
                       const struct cnn_gemm *g)
{
    const struct cnn_pool *pool = k->epilogue.pool;
    for (size_t i = 0; i < t->view.images; i++)
        for (size_t l = 0; l + 2 <= t->view.lines; l += 2) {
            const float *upper =
                g->c + (ptrdiff_t)i * g->c_stride[2] + (ptrdiff_t)l * g->c_stride[1];
            float *to =
                k->y +
                ((t->image + i) * pool->out_h + (t->line + l) / 2) * pool->out_w * k->filters +
                t->group * k->cut.group_out + t->column;
            CNN_ISA_NAME(cnn_pool_lines)
            (pool->average, upper, upper + g->c_stride[1], k->cut.windows.pixels, g->columns, to,
             (ptrdiff_t)k->filters);
        }
}

/* Task: part of the columns of one group of one block. */
static void forward_block(void *context, size_t task, size_t thread)
{
    const struct forward *k = context;
    const struct cnn_windows *w = &k->cut.windows;
    float *unpooled = k->scratch + thread * k->thread_floats;
    struct cnn_correlation_task t =
        CNN_ISA_NAME(cnn_correlation_task)(&k->cut, task, k->x, unpooled + k->unpooled_floats);
    const struct cnn_view *v = &t.view;
    size_t filter = t.group * k->cut.group_out + t.column,
           filters = k->epilogue.pool ? t.columns : k->filters;
    struct cnn_gemm g = {
        .operands = k->cut.pairs ? CNN_BF16_PAIRS : CNN_FLOATS,
        .a = v->data,
        .rows = {{w->pixels, v->lines, v->images}, {v->stride[0], v->stride[1], v->stride[2]}},
        .depth = {{k->cut.depth, w->taps_w, w->taps_h}, {1, v->tap_w, v->tap_h}},
        .by_channel = k->cut.by_channel,
        .columns = t.columns,
        .c_stride = {(ptrdiff_t)filters, (ptrdiff_t)(w->pixels * filters)},
        .bias = k->epilogue.bias ? k->epilogue.bias + filter : NULL,
        .relu = k->epilogue.activation.kind == CNN_ACT_RELU};
    g.b = k->packed +
          cnn_nest_size(&g.depth) * (t.group * cnn_packed_columns(k->cut.group_out) + t.column);
    g.c = k->y + (t.image * w->lines + t.line) * w->pixels * k->filters + filter;
    g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)w->lines;
    if (k->epilogue.pool) {
        g.c = unpooled;
        g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)v->lines;
    }
    CNN_ISA_NAME(cnn_gemm)(&g);
    if (k->epilogue.activation.kind != CNN_ACT_NONE && !g.relu)
        activate(k, v, &g);
    if (k->epilogue.pool)
        pool_block(k, &t, &g);
}

static struct forward forward_plan(const struct cnn_conv *conv, size_t n,
                                   const struct cnn_epilogue *epilogue)
{
    struct cnn_conv c = *conv;
    struct forward k = {.epilogue = *epilogue, .filters = c.out_c};
    struct cnn_correlation *cut = &k.cut;
    if (!epilogue->pool)
        cnn_conv_flatten(&c, &n);
    cut->by_channel = cnn_conv_by_channel(&c);
    cut->pairs = cnn_conv_by_pairs(&c);
    cut->windows = CNN_ISA_NAME(cnn_windows)(&c, n);
    cut->groups = cut->by_channel ? 1 : c.groups;
    cut->group_in = c.in_c / cut->groups;
    cut->group_out = c.out_c / cut->groups;
    size_t sums = n * c.out_h * c.out_w * c.out_c,
           terms = c.kernel_h * c.kernel_w * (c.in_c / c.groups);
    CNN_ISA_NAME(cnn_correlation_plan)(cut, cnn_size_times(sums, terms), epilogue->pool ? 2 : 1);
    size_t positions = cut->blocks.images * cut->blocks.lines * c.out_w;
    if (epilogue->pool)
        k.unpooled_floats = cnn_size_plus(cnn_size_times(positions, cnn_size_min(cut->part_columns,
                                                                                 cut->group_out)),
                                          VLEN + 15) /
                            16 * 16;
    k.thread_floats = cnn_size_plus(cut->copy_floats, k.unpooled_floats);
    return k;
}

void CNN_ISA_NAME(cnn_conv_forward)(const struct cnn_conv *c, size_t n, const float *x,
                                    const float *packed, const struct cnn_epilogue *epilogue,
                                    float *y, float *scratch)
{
    if (CNN_ISA_NAME(cnn_winograd_fits)(c)) {
        CNN_ISA_NAME(cnn_winograd_forward)(c, n, x, packed, epilogue, y, scratch);
        return;
    }
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c)) {
        CNN_ISA_NAME(cnn_depthwise_forward)(c, n, x, packed, epilogue, y, scratch);
        return;
    }
    struct forward k = forward_plan(c, n, epilogue);
    k.x = x;
    k.packed = packed;
    k.y = y;
    k.scratch = scratch;
    cnn_parallel_for(k.cut.blocks.count * k.cut.groups * k.cut.parts, forward_block, &k);
}

/* With a pooling or without. */
size_t CNN_ISA_NAME(cnn_conv_forward_scratch)(const struct cnn_conv *c, size_t n)
{
    const struct cnn_pool pool = {.out_h = c->out_h / 2, .out_w = c->out_w / 2};
    const struct cnn_epilogue plain = {0}, pooled = {.pool = &pool};
    size_t one = forward_plan(c, n, &plain).thread_floats,
           other = forward_plan(c, n, &pooled).thread_floats;
    return cnn_size_times(one > other ? one : other, (size_t)cnn_parallel_threads());
}

size_t CNN_ISA_NAME(cnn_conv_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    if (CNN_ISA_NAME(cnn_winograd_fits)(c))
        return CNN_ISA_NAME(cnn_winograd_scratch_floats)(c, n);
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return CNN_ISA_NAME(cnn_depthwise_scratch_floats)(c, n);
    size_t forward = CNN_ISA_NAME(cnn_conv_forward_scratch)(c, n),
           data = CNN_ISA_NAME(cnn_conv_backward_data_scratch)(c, n);
    size_t weights = CNN_ISA_NAME(cnn_conv_backward_weights_scratch)(c, n),
           most = forward > data ? forward : data;
    return most > weights ? most : weights;
}
