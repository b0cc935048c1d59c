/* The gradient of the data: phase by phase (conv_internal.h) a correlation of the padded dy with
 * the transposed weights, so that no work goes into the zeros that a stride would insert. All
 * phases of a block read the same copy of dy. Where padding copies pixels, the gradient of the
 * padded image is computed first and then folded onto the pixels copied. */
#include <string.h>

#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/conv_scatter.h"
#include "kernels/vector/dense.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

struct data_gradient {
    struct cnn_conv c;
    /* windows over dy: what the pixels of all phases at one position read */
    struct cnn_correlation cut;
    const float *dy, *packed;
    float *dx, *scratch;
};

static struct cnn_phase phase_rows(const struct cnn_conv *c, size_t residue)
{
    return CNN_BF16_NAME(cnn_phase_at)(residue, c->in_h, c->kernel_h, c->stride_h, c->dilation_h,
                                       c->pad_top);
}

static struct cnn_phase phase_columns(const struct cnn_conv *c, size_t residue)
{
    return CNN_BF16_NAME(cnn_phase_at)(residue, c->in_w, c->kernel_w, c->stride_w, c->dilation_w,
                                       c->pad_left);
}

/* Along one axis: the positions, which are the pixels of the phase that has most, and what the
 * phases with taps read from each, [-pad, reach) as one. */
struct axis {
    size_t positions;
    ptrdiff_t pad, reach;
    bool any;
};

static void axis_add(struct axis *a, const struct cnn_phase *p)
{
    a->positions = p->count > a->positions ? p->count : a->positions;
    if (p->count == 0 || p->taps == 0)
        return;
    ptrdiff_t reach = (ptrdiff_t)((p->taps - 1) * p->dilation) + 1 - p->pad;
    a->pad = a->any && a->pad > p->pad ? a->pad : p->pad;
    a->reach = a->any && a->reach > reach ? a->reach : reach;
    a->any = true;
}

static struct data_gradient plan(const struct cnn_conv *conv, size_t n)
{
    struct data_gradient k = {.c = cnn_conv_merged(conv)};
    const struct cnn_conv *c = &k.c;
    struct axis v = {0}, h = {0};
    for (size_t i = 0; i < c->stride_h; i++) {
        struct cnn_phase p = phase_rows(c, i);
        axis_add(&v, &p);
    }
    for (size_t j = 0; j < c->stride_w; j++) {
        struct cnn_phase p = phase_columns(c, j);
        axis_add(&h, &p);
    }
    k.cut.windows = (struct cnn_windows){.images = n,
                                         .height = c->out_h,
                                         .width = c->out_w,
                                         .channels = cnn_elements(c->out_c, c->y_halves),
                                         .lines = v.positions,
                                         .pixels = h.positions,
                                         .taps_h = (size_t)(v.pad + v.reach),
                                         .taps_w = (size_t)(h.pad + h.reach),
                                         .stride_h = 1,
                                         .stride_w = 1,
                                         .dilation_h = 1,
                                         .dilation_w = 1,
                                         .step_h = 1,
                                         .step_w = 1,
                                         .top = v.pad,
                                         .left = h.pad,
                                         .mode = CNN_PAD_ZEROS};
    k.cut.by_channel = cnn_conv_by_channel(c);
    k.cut.pairs = cnn_conv_by_pairs(c);
    k.cut.halves = c->y_halves;
    k.cut.groups = k.cut.by_channel ? 1 : c->groups;
    k.cut.group_in = k.cut.windows.channels / k.cut.groups;
    k.cut.group_out = c->in_c / k.cut.groups;
    size_t sums = n * c->out_h * c->out_w * c->out_c,
           terms = c->kernel_h * c->kernel_w * (c->in_c / conv->groups);
    CNN_BF16_NAME(cnn_correlation_plan)(&k.cut, cnn_size_times(sums, terms), 1);
    return k;
}

/* The pixels of one phase in a task's block; packed is where its weights begin. */
static void phase_block(const struct data_gradient *k, const struct cnn_correlation_task *t,
                        const struct cnn_phase *v, const struct cnn_phase *h, const float *packed)
{
    const struct cnn_conv *c = &k->c;
    const struct cnn_windows *w = &k->cut.windows;
    const struct cnn_view *view = &t->view;
    const size_t pixel = cnn_elements(c->in_c, c->x_halves);
    if (t->line >= v->count || h->count == 0)
        return;
    struct cnn_gemm g = {
        .products = k->cut.pairs ? &CNN_BF16_NAME(cnn_products_bf16) : NULL,
        .a = view->data,
        .rows = {{h->count, cnn_size_min(view->lines, v->count - t->line), view->images},
                 {view->stride[0], view->stride[1], view->stride[2]}},
        .depth = {{k->cut.depth, h->taps, v->taps},
                  {1, (ptrdiff_t)h->dilation * view->tap_w, (ptrdiff_t)v->dilation * view->tap_h}},
        .by_channel = k->cut.by_channel,
        .columns = t->columns,
        .c_stride = {(ptrdiff_t)(c->stride_w * pixel), (ptrdiff_t)(c->stride_h * c->in_w * pixel),
                     (ptrdiff_t)(c->in_h * c->in_w * pixel)},
        .halves = c->x_halves};
    if (h->taps * v->taps > 0)
        g.a += (w->top - v->pad) * view->tap_h + (w->left - h->pad) * view->tap_w;
    g.b = packed +
          cnn_nest_size(&g.depth) * (t->group * cnn_packed_columns(k->cut.group_out) + t->column);
    size_t row = v->first + t->line * c->stride_h;
    g.c = k->dx + ((t->image * c->in_h + row) * c->in_w + h->first) * pixel +
          cnn_elements(t->group * k->cut.group_out + t->column, c->x_halves);
    CNN_ISA_NAME(cnn_gemm)(&g);
}

/* Task: part of the columns of one group of one block, phase by phase. */
static void data_block(void *context, size_t task, size_t thread)
{
    const struct data_gradient *k = context;
    const struct cnn_conv *c = &k->c;
    struct cnn_correlation_task t = CNN_BF16_NAME(cnn_correlation_task)(
        &k->cut, task, k->dy, k->scratch + thread * k->cut.copy_floats);
    const float *packed = k->packed;
    for (size_t i = 0; i < c->stride_h; i++) {
        struct cnn_phase v = phase_rows(c, i);
        for (size_t j = 0; j < c->stride_w; j++) {
            struct cnn_phase h = phase_columns(c, j);
            phase_block(k, &t, &v, &h, packed);
            packed += v.taps * h.taps * k->cut.groups * k->cut.depth *
                      cnn_packed_columns(k->cut.group_out);
        }
    }
}

/* With zero padding. */
static void run(const struct cnn_conv *c, const struct cnn_conv_backward_data *pass)
{
    struct data_gradient k = plan(c, pass->n);
    k.dy = pass->dy;
    k.packed = pass->packed;
    k.dx = pass->dx;
    k.scratch = pass->scratch;
    cnn_parallel_for(k.cut.blocks.count * k.cut.groups * k.cut.parts, data_block, &k);
}

/* The same convolution of an image that has its padding already; false where the padding is none,
 * or zeros. */
static bool unpadded(const struct cnn_conv *c, struct cnn_conv *whole)
{
    struct cnn_windows w = CNN_BF16_NAME(cnn_windows)(c, 1);
    if (c->padding_mode == CNN_PAD_ZEROS || !CNN_BF16_NAME(cnn_windows_padded)(&w))
        return false;
    *whole = *c;
    whole->pad_top = whole->pad_left = 0;
    whole->in_h = (CNN_BF16_NAME(cnn_windows_rows)(&w, w.lines) - 1) * w.step_h + 1;
    whole->in_w = (CNN_BF16_NAME(cnn_windows_columns)(&w) - 1) * w.step_w + 1;
    return true;
}

/* Adds the gradient of the padded image to the pixels that its padding copied. */
static void fold(const struct cnn_conv *c, const struct cnn_conv *whole, const float *padded,
                 float *dx)
{
    memset(dx, 0, c->in_h * c->in_w * c->in_c * sizeof *dx);
    for (size_t row = 0; row < whole->in_h; row++)
        for (size_t column = 0; column < whole->in_w; column++, padded += c->in_c) {
            size_t y, x;
            if (!cnn_padded_source((ptrdiff_t)row - (ptrdiff_t)c->pad_top, c->in_h, c->padding_mode,
                                   &y) ||
                !cnn_padded_source((ptrdiff_t)column - (ptrdiff_t)c->pad_left, c->in_w,
                                   c->padding_mode, &x))
                continue;
            float *to = dx + (y * c->in_w + x) * c->in_c;
            for (size_t channel = 0; channel < c->in_c; channel++)
                to[channel] += padded[channel];
        }
}

static size_t padded_floats(const struct cnn_conv *whole)
{
    return cnn_size_times(cnn_size_times(whole->in_h, whole->in_w), whole->in_c + 15) / 16 * 16;
}

/* Image by image, each with its padding. */
static void run_padded(const struct cnn_conv *c, const struct cnn_conv *whole,
                       const struct cnn_conv_backward_data *pass)
{
    struct cnn_conv_backward_data image = {.n = 1,
                                           .packed = pass->packed,
                                           .dx = pass->scratch,
                                           .scratch = pass->scratch + padded_floats(whole)};
    for (size_t i = 0; i < pass->n; i++) {
        image.dy = pass->dy + i * c->out_h * c->out_w * c->out_c;
        run(whole, &image);
        fold(c, whole, pass->scratch, pass->dx + i * c->in_h * c->in_w * c->in_c);
    }
}

void CNN_BF16_NAME(cnn_conv_backward_data)(const struct cnn_conv *conv,
                                           const struct cnn_conv_backward_data *pass)
{
    struct cnn_conv c = *conv, whole;
    struct cnn_conv_backward_data flat = *pass;
    if (!pass->packed) {
        CNN_BF16_NAME(cnn_dense_backward_data)(conv, pass);
    } else if (cnn_conv_by_winograd(conv)) {
        cnn_winograd_backward_data_stored(conv, pass);
    } else if (CNN_ISA_NAME(cnn_depthwise_fits)(conv)) {
        cnn_depthwise_backward_data_stored(conv, pass);
    } else if (CNN_ISA_NAME(cnn_scatter_fits)(conv)) {
        CNN_ISA_NAME(cnn_scatter)(conv, pass);
    } else if (unpadded(conv, &whole)) {
        run_padded(conv, &whole, pass);
    } else {
        cnn_conv_flatten(&c, &flat.n);
        run(&c, &flat);
    }
}

size_t CNN_BF16_NAME(cnn_conv_backward_data_scratch)(const struct cnn_conv *conv, size_t n)
{
    struct cnn_conv c = *conv, whole;
    size_t threads = (size_t)cnn_parallel_threads();
    if (CNN_ISA_NAME(cnn_scatter_fits)(conv))
        return CNN_ISA_NAME(cnn_scatter_scratch_floats)(conv, n);
    if (unpadded(&c, &whole))
        return cnn_size_plus(padded_floats(&whole),
                             cnn_size_times(plan(&whole, 1).cut.copy_floats, threads));
    cnn_conv_flatten(&c, &n);
    return cnn_size_times(plan(&c, n).cut.copy_floats, threads);
}
