/* The forward pass. Each task takes a
 * block of output lines (and, where there are few blocks, a range of the filters), copies the
 * padded input that it reads, and lets one GEMM run over it: rows are pixels, k is (kernel row,
 * kernel column, channel). With dilation 1 the taps of a kernel row lie in one piece. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/dense.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

struct forward {
    struct cnn_correlation cut;
    struct cnn_epilogue epilogue;
    size_t filters;
    bool halves; /* y, and a residual, are stored as bfloat16 */
    const float *x, *packed;
    float *y, *scratch;
    /* scratch of one thread: sums to be pooled, and with them the copy */
    size_t unpooled_floats, thread_floats;
};

/* Activates numbers where the GEMM wrote them. */
static void activate_run(const struct forward *k, size_t size, float *y)
{
#if CNN_FAST_PAIRS
    if (k->halves && !k->epilogue.pool) {
        cnn_activate_halves(k->epilogue.activation, size, (unsigned short *)y);
        return;
    }
#endif
    CNN_ISA_NAME(cnn_activate)(k->epilogue.activation, size, y, y);
}

/* Activates columns of each window position of the block in view, where the GEMM wrote it. */
static void activate(const struct forward *k, const struct cnn_view *v, const struct cnn_gemm *g)
{
    const size_t pixels = k->cut.windows.pixels, columns = cnn_elements(g->columns, g->halves);
    for (size_t i = 0; i < v->images; i++)
        for (size_t l = 0; l < v->lines; l++) {
            float *line = g->c + (ptrdiff_t)i * g->c_stride[2] + (ptrdiff_t)l * g->c_stride[1];
            if ((size_t)g->c_stride[0] == columns)
                activate_run(k, pixels * g->columns, line);
            else
                for (size_t p = 0; p < pixels; p++, line += g->c_stride[0])
                    activate_run(k, g->columns, line);
        }
}

/* Pools two lines to y, `first` numbers behind its first; by way of `upper`, the first of the
 * lines, where they are rounded. */
static void pool_lines(const struct forward *k, const struct cnn_line_pair *lines, float *upper,
                       size_t first)
{
    const bool average = k->epilogue.pool->average;
#if CNN_FAST_PAIRS
    if (k->halves) {
        unsigned short *to = (unsigned short *)k->y + first;
        CNN_BF16_NAME(cnn_pool_lines)(average, lines, upper, (ptrdiff_t)lines->columns);
        for (size_t p = 0; p < lines->pixels / 2; p++, to += k->filters, upper += lines->columns)
            for (size_t j = 0; j < lines->columns; j += VLEN)
                vstore_halves_tail(to + j, cnn_size_min(VLEN, lines->columns - j),
                                   vload(upper + j));
        return;
    }
#endif
    (void)upper;
    CNN_BF16_NAME(cnn_pool_lines)(average, lines, k->y + first, (ptrdiff_t)k->filters);
}

/* Pools what the GEMM wrote of a block. */
static void pool_block(const struct forward *k, const struct cnn_correlation_task *t,
                       const struct cnn_gemm *g)
{
    const struct cnn_pool *pool = k->epilogue.pool;
    for (size_t i = 0; i < t->view.images; i++)
        for (size_t l = 0; l + 2 <= t->view.lines; l += 2) {
            float *upper = g->c + (ptrdiff_t)i * g->c_stride[2] + (ptrdiff_t)l * g->c_stride[1];
            const struct cnn_line_pair lines = {.upper = upper,
                                                .lower = upper + g->c_stride[1],
                                                .pixels = k->cut.windows.pixels,
                                                .columns = g->columns};
            const size_t row = (t->image + i) * pool->out_h + (t->line + l) / 2;
            pool_lines(k, &lines, upper,
                       row * pool->out_w * k->filters + t->group * k->cut.group_out + t->column);
        }
}

/* Task: part of the columns of one group of one block. */
static void forward_block(void *context, size_t task, size_t thread)
{
    const struct forward *k = context;
    const struct cnn_windows *w = &k->cut.windows;
    float *unpooled = k->scratch + thread * k->thread_floats;
    struct cnn_correlation_task t =
        CNN_BF16_NAME(cnn_correlation_task)(&k->cut, task, k->x, unpooled + k->unpooled_floats);
    const struct cnn_view *v = &t.view;
    size_t filter = t.group * k->cut.group_out + t.column,
           filters = k->epilogue.pool ? t.columns : cnn_elements(k->filters, k->halves);
    struct cnn_gemm g = {
        .products = k->cut.pairs || k->cut.row_pairs ? &CNN_BF16_NAME(cnn_products_bf16) : NULL,
        .a = v->data,
        .rows = {{w->pixels, v->lines, v->images}, {v->stride[0], v->stride[1], v->stride[2]}},
        .depth = {{k->cut.depth, k->cut.taps_w, w->taps_h}, {1, v->tap_w, v->tap_h}},
        .by_channel = k->cut.by_channel,
        .columns = t.columns,
        .c_stride = {(ptrdiff_t)filters, (ptrdiff_t)(w->pixels * filters)},
        .halves = k->halves && !k->epilogue.pool,
        .bias = k->epilogue.bias ? k->epilogue.bias + filter : NULL};
    g.b = k->packed +
          cnn_nest_size(&g.depth) * (t.group * cnn_packed_columns(k->cut.group_out) + t.column);
    const size_t first = (t.image * w->lines + t.line) * w->pixels * k->filters + filter;
    g.c = k->y + cnn_elements(first, k->halves);
    g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)w->lines;
    if (k->epilogue.residual)
        g.addend = k->epilogue.residual + (g.c - k->y);
    if (k->epilogue.pool) {
        g.c = unpooled;
        g.c_stride[2] = g.c_stride[1] * (ptrdiff_t)v->lines;
    }
    const struct cnn_activation activation = k->epilogue.activation;
    struct cnn_limits limits;
    g.limits = cnn_gemm_limits(activation, &limits);
    CNN_ISA_NAME(cnn_gemm)(&g);
    if (!cnn_activation_cuts(activation))
        activate(k, v, &g);
    if (k->epilogue.pool)
        pool_block(k, &t, &g);
}

static struct forward forward_plan(const struct cnn_conv *conv, size_t n,
                                   const struct cnn_epilogue *epilogue)
{
    struct cnn_conv c = cnn_conv_merged(conv);
    struct forward k = {.epilogue = *epilogue, .filters = c.out_c, .halves = c.y_halves};
    struct cnn_correlation *cut = &k.cut;
    const size_t sums = n * c.out_h * c.out_w * c.out_c,
                 terms = c.kernel_h * c.kernel_w * (c.in_c / conv->groups);
    if (!epilogue->pool)
        cnn_conv_flatten(&c, &n);
    cut->by_channel = cnn_conv_by_channel(&c);
    cut->pairs = cnn_conv_by_pairs(&c);
    cut->row_pairs = cnn_conv_by_row_pairs(&c);
    cut->halves = c.x_halves;
    c.in_c = cnn_elements(c.in_c, c.x_halves);
    cut->windows = CNN_BF16_NAME(cnn_windows)(&c, n);
    cut->groups = cut->by_channel ? 1 : c.groups;
    cut->group_in = c.in_c / cut->groups;
    cut->group_out = c.out_c / cut->groups;
    CNN_BF16_NAME(cnn_correlation_plan)(cut, cnn_size_times(sums, terms), epilogue->pool ? 2 : 1);
    size_t positions = cut->blocks.images * cut->blocks.lines * c.out_w;
    if (epilogue->pool)
        k.unpooled_floats = cnn_size_plus(cnn_size_times(positions, cnn_size_min(cut->part_columns,
                                                                                 cut->group_out)),
                                          VLEN + 15) /
                            16 * 16;
    k.thread_floats = cnn_size_plus(cut->copy_floats, k.unpooled_floats);
    return k;
}

void CNN_BF16_NAME(cnn_conv_forward)(const struct cnn_conv *c, const struct cnn_conv_forward *pass)
{
    if (!pass->packed) {
        CNN_BF16_NAME(cnn_dense_forward)(c, pass);
        return;
    }
    if (cnn_conv_by_winograd(c)) {
        cnn_winograd_forward_stored(c, pass);
        return;
    }
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c)) {
        cnn_depthwise_forward_stored(c, pass);
        return;
    }
    struct forward k = forward_plan(c, pass->n, pass->epilogue);
    k.x = pass->x;
    k.packed = pass->packed;
    k.y = pass->y;
    k.scratch = pass->scratch;
    cnn_parallel_for(k.cut.blocks.count * k.cut.groups * k.cut.parts, forward_block, &k);
}

/* With a pooling or without. */
size_t CNN_BF16_NAME(cnn_conv_forward_scratch)(const struct cnn_conv *c, size_t n)
{
    const struct cnn_pool pool = {.out_h = c->out_h / 2, .out_w = c->out_w / 2};
    const struct cnn_epilogue plain = {0}, pooled = {.pool = &pool};
    size_t one = forward_plan(c, n, &plain).thread_floats,
           other = forward_plan(c, n, &pooled).thread_floats;
    return cnn_size_times(one > other ? one : other, (size_t)cnn_parallel_threads());
}
