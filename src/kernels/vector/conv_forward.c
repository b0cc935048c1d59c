/* The forward pass, and the correlation of which it is one. Each task takes a block of output lines (and, where there are few blocks, a range of the
 * filters), copies the padded input that it reads, and lets one GEMM run over it: rows are pixels, k is (kernel row, kernel column, channel). With
 * dilation 1 the taps of a kernel row lie in one piece. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

/* Window positions of one block: at least this many, so that a panel of weights is used often for each time that it is read; at most this many, so
 * that its output is still in the cache when the activation follows. */
#define BLOCK_MIN ((size_t)64)
#define BLOCK_MAX ((size_t)1024)

/* Floats per pixel of the padded copy. */
static size_t pixel_floats(const struct cnn_correlation *k)
{
    return k->by_channel ? cnn_packed_columns(k->group_in) : k->group_in;
}

void CNN_ISA_NAME(cnn_correlation_plan)(struct cnn_correlation *k)
{
    const struct cnn_windows *w = &k->windows;
    size_t positions = w->images * w->lines * w->pixels, taps = w->taps_h * w->taps_w * (k->by_channel ? 1 : k->group_in);
    size_t wanted = cnn_tasks_wanted(cnn_size_times(positions * taps, k->groups * k->group_out));
    size_t target = cnn_size_min(cnn_size_divide_up(positions, wanted), BLOCK_MAX);
    k->blocks = CNN_ISA_NAME(cnn_windows_cut)(w, target > BLOCK_MIN ? target : BLOCK_MIN, pixel_floats(k));
    if (k->epilogue.pool && k->blocks.bands > 1) { /* no window of the pooling lies in two blocks */
        k->blocks.lines += k->blocks.lines % 2;
        k->blocks.bands = cnn_size_divide_up(w->lines, k->blocks.lines);
        k->blocks.count = w->images * k->blocks.bands;
    }
    k->copy = k->by_channel && k->group_in % VLEN != 0;
    k->copy_floats = CNN_ISA_NAME(cnn_blocks_copy_floats)(w, &k->blocks, pixel_floats(k));
    k->thread_floats = k->copy || CNN_ISA_NAME(cnn_windows_padded)(w) ? k->copy_floats : 0;
    k->part_columns = cnn_part_columns(k->group_out, k->blocks.count * k->groups, wanted);
    k->parts = cnn_size_divide_up(k->group_out, k->part_columns);
    if (k->epilogue.pool)
        k->unpooled_floats =
            cnn_size_plus(cnn_size_times(k->blocks.images * k->blocks.lines * w->pixels, cnn_size_min(k->part_columns, k->group_out)), VLEN + 15) /
            16 * 16;
    k->thread_floats = cnn_size_plus(k->thread_floats, k->unpooled_floats);
}

/* Activates columns of each window position of the block in view, where the GEMM wrote it. */
static void activate(const struct cnn_correlation *k, const struct cnn_view *v, const struct cnn_gemm *g)
{
    size_t pixels = k->windows.pixels;
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

void CNN_ISA_NAME(cnn_pool_lines)(bool average, const float *upper, const float *lower, size_t pixels, size_t columns, float *to, ptrdiff_t y_step)
{
    for (size_t p = 0; p + 2 <= pixels; p += 2, upper += 2 * columns, lower += 2 * columns, to += y_step)
        for (size_t j = 0; j < columns; j += VLEN) {
            size_t left = columns - j; /* the buffer may be read beyond the last column, y not written */
            vfloat a = vload(upper + j), b = vload(upper + columns + j), c = vload(lower + j), d = vload(lower + columns + j);
            vfloat pooled = average ? (a + b + c + d) * 0.25f : vmax_nan(vmax_nan(a, b), vmax_nan(c, d));
            if (left >= VLEN)
                vstore(to + j, pooled);
            else
                vstore_tail(to + j, left, pooled);
        }
}

/* Task: part of the columns of one group of one block. */
static void correlate_block(void *context, size_t task, size_t thread)
{
    const struct cnn_correlation *k = context;
    const struct cnn_windows *w = &k->windows;
    const struct cnn_pool *pool = k->epilogue.pool;
    size_t column = task % k->parts * k->part_columns, group = task / k->parts % k->groups, block = task / k->parts / k->groups;
    float *unpooled = k->scratch + thread * k->thread_floats, *copy = unpooled + k->unpooled_floats;
    struct cnn_view v = CNN_ISA_NAME(cnn_windows_view)(w, &k->blocks, block, k->x, group * k->group_in, k->group_in, pixel_floats(k), k->copy, copy);
    struct cnn_gemm g = {.a = v.data + (k->by_channel ? column : 0),
                         .rows = {{w->pixels, v.lines, v.images}, {v.stride[0], v.stride[1], v.stride[2]}},
                         .depth = {{k->by_channel ? 1 : k->group_in, w->taps_w, w->taps_h}, {1, v.tap_w, v.tap_h}},
                         .by_channel = k->by_channel,
                         .columns = cnn_size_min(k->part_columns, k->group_out - column),
                         .c_stride = {k->y_stride[0], k->y_stride[1], k->y_stride[2]},
                         .bias = k->epilogue.bias ? k->epilogue.bias + group * k->group_out + column : NULL,
                         .relu = k->epilogue.activation.kind == CNN_ACT_RELU};
    size_t image = block / k->blocks.bands * k->blocks.images, line = block % k->blocks.bands * k->blocks.lines;
    g.b = k->packed + cnn_nest_size(&g.depth) * (group * cnn_packed_columns(k->group_out) + column);
    g.c = k->y + (ptrdiff_t)image * k->y_stride[2] + (ptrdiff_t)line * k->y_stride[1] + group * k->group_out + column;
    if (pool) {
        g.c = unpooled;
        g.c_stride[0] = (ptrdiff_t)g.columns;
        g.c_stride[1] = g.c_stride[0] * (ptrdiff_t)w->pixels;
        g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)v.lines;
    }
    CNN_ISA_NAME(cnn_gemm)(&g);
    if (k->epilogue.activation.kind != CNN_ACT_NONE && !g.relu)
        activate(k, &v, &g);
    for (size_t i = 0; pool && i < v.images; i++)
        for (size_t l = 0; l + 2 <= v.lines; l += 2) {
            const float *upper = g.c + (ptrdiff_t)i * g.c_stride[2] + (ptrdiff_t)l * g.c_stride[1];
            float *to = k->y + (((image + i) * pool->out_h + (line + l) / 2) * pool->out_w * k->groups + group) * k->group_out + column;
            CNN_ISA_NAME(cnn_pool_lines)(pool->average, upper, upper + g.c_stride[1], w->pixels, g.columns, to, k->y_stride[0]);
        }
}

void CNN_ISA_NAME(cnn_correlate)(struct cnn_correlation *k)
{
    cnn_parallel_for(k->blocks.count * k->groups * k->parts, correlate_block, k);
}

static struct cnn_correlation forward_plan(const struct cnn_conv *conv, size_t n, const struct cnn_epilogue *epilogue)
{
    struct cnn_conv c = *conv;
    struct cnn_correlation k = {.by_channel = cnn_conv_by_channel(conv), .epilogue = *epilogue};
    if (!epilogue->pool)
        cnn_conv_flatten(&c, &n);
    k.windows = CNN_ISA_NAME(cnn_windows)(&c, n);
    k.groups = k.by_channel ? 1 : c.groups;
    k.group_in = c.in_c / k.groups;
    k.group_out = c.out_c / k.groups;
    k.y_stride[0] = (ptrdiff_t)c.out_c;
    k.y_stride[1] = (ptrdiff_t)(c.out_w * c.out_c);
    k.y_stride[2] = (ptrdiff_t)(c.out_h * c.out_w * c.out_c);
    CNN_ISA_NAME(cnn_correlation_plan)(&k);
    return k;
}

void CNN_ISA_NAME(cnn_conv_forward)(const struct cnn_conv *c, size_t n, const float *x, const float *packed, const struct cnn_epilogue *epilogue,
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
    struct cnn_correlation k = forward_plan(c, n, epilogue);
    k.x = x;
    k.packed = packed;
    k.y = y;
    k.scratch = scratch;
    CNN_ISA_NAME(cnn_correlate)(&k);
}

/* With a pooling or without. */
size_t CNN_ISA_NAME(cnn_conv_forward_scratch)(const struct cnn_conv *c, size_t n)
{
    const struct cnn_pool pool = {.out_h = c->out_h / 2, .out_w = c->out_w / 2};
    const struct cnn_epilogue plain = {0}, pooled = {.pool = &pool};
    size_t one = forward_plan(c, n, &plain).thread_floats, other = forward_plan(c, n, &pooled).thread_floats;
    return cnn_size_times(one > other ? one : other, (size_t)cnn_parallel_threads());
}

size_t CNN_ISA_NAME(cnn_conv_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    if (CNN_ISA_NAME(cnn_winograd_fits)(c))
        return CNN_ISA_NAME(cnn_winograd_scratch_floats)(c, n);
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return CNN_ISA_NAME(cnn_depthwise_scratch_floats)(c, n);
    size_t forward = CNN_ISA_NAME(cnn_conv_forward_scratch)(c, n), data = CNN_ISA_NAME(cnn_conv_backward_data_scratch)(c, n);
    size_t weights = CNN_ISA_NAME(cnn_conv_backward_weights_scratch)(c, n), most = forward > data ? forward : data;
    return most > weights ? most : weights;
}
