/* The gradient of the data: phase by phase (conv_internal.h) a correlation of the padded dy with the transposed weights, so that no work goes into
 * the zeros that a stride would insert. Where padding copies pixels, the gradient of the padded image is computed first and then folded onto the
 * pixels copied. */
#include <string.h>

#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"
#include "util/parallel.h"

/* The correlation of one phase; false where it has no pixels. */
static bool phase_plan(const struct cnn_conv *c, size_t n, const struct cnn_phase *v, const struct cnn_phase *h, struct cnn_correlation *k)
{
    if (v->count == 0 || h->count == 0)
        return false;
    *k = (struct cnn_correlation){.by_channel = cnn_conv_by_channel(c)};
    k->windows = (struct cnn_windows){.images = n,
                                      .height = c->out_h,
                                      .width = c->out_w,
                                      .channels = c->out_c,
                                      .lines = v->count,
                                      .pixels = h->count,
                                      .taps_h = v->taps,
                                      .taps_w = h->taps,
                                      .stride_h = 1,
                                      .stride_w = 1,
                                      .dilation_h = v->dilation,
                                      .dilation_w = h->dilation,
                                      .top = v->pad,
                                      .left = h->pad,
                                      .mode = CNN_PAD_ZEROS};
    k->groups = k->by_channel ? 1 : c->groups;
    k->group_in = c->out_c / k->groups;
    k->group_out = c->in_c / k->groups;
    k->y_stride[0] = (ptrdiff_t)(c->stride_w * c->in_c);
    k->y_stride[1] = (ptrdiff_t)(c->stride_h * c->in_w * c->in_c);
    k->y_stride[2] = (ptrdiff_t)(c->in_h * c->in_w * c->in_c);
    CNN_ISA_NAME(cnn_correlation_plan)(k);
    return true;
}

/* All phases, with zero padding. Returns the floats of scratch that they take (per thread); only that where dx is NULL. */
static size_t phases_run(const struct cnn_conv *c, size_t n, const float *dy, const float *packed, float *dx, float *scratch)
{
    size_t most = 0, matrix = cnn_conv_by_channel(c) ? 1 : c->out_c;
    matrix *= cnn_packed_columns(cnn_conv_by_channel(c) ? c->in_c : c->in_c / c->groups);
    for (size_t i = 0; i < c->stride_h; i++)
        for (size_t j = 0; j < c->stride_w; j++) {
            struct cnn_phase v = CNN_ISA_NAME(cnn_phase_at)(i, c->in_h, c->kernel_h, c->stride_h, c->dilation_h, c->pad_top);
            struct cnn_phase h = CNN_ISA_NAME(cnn_phase_at)(j, c->in_w, c->kernel_w, c->stride_w, c->dilation_w, c->pad_left);
            struct cnn_correlation k;
            if (phase_plan(c, n, &v, &h, &k)) {
                most = most > k.thread_floats ? most : k.thread_floats;
                k.x = dy;
                k.packed = packed;
                k.y = dx + (v.first * c->in_w + h.first) * c->in_c;
                k.scratch = scratch;
                if (dx)
                    CNN_ISA_NAME(cnn_correlate)(&k);
            }
            if (dx)
                packed += v.taps * h.taps * matrix;
        }
    return most;
}

/* The same convolution of an image that has its padding already; false where the padding is none, or zeros. */
static bool unpadded(const struct cnn_conv *c, struct cnn_conv *whole)
{
    struct cnn_windows w = CNN_ISA_NAME(cnn_windows)(c, 1);
    if (c->padding_mode == CNN_PAD_ZEROS || !CNN_ISA_NAME(cnn_windows_padded)(&w))
        return false;
    *whole = *c;
    whole->pad_top = whole->pad_left = 0;
    whole->in_h = CNN_ISA_NAME(cnn_windows_rows)(&w, w.lines);
    whole->in_w = CNN_ISA_NAME(cnn_windows_columns)(&w);
    return true;
}

/* Adds the gradient of the padded image to the pixels that its padding copied. */
static void fold(const struct cnn_conv *c, const struct cnn_conv *whole, const float *padded, float *dx)
{
    memset(dx, 0, c->in_h * c->in_w * c->in_c * sizeof *dx);
    for (size_t row = 0; row < whole->in_h; row++)
        for (size_t column = 0; column < whole->in_w; column++, padded += c->in_c) {
            size_t y, x;
            if (!cnn_padded_source((ptrdiff_t)row - (ptrdiff_t)c->pad_top, c->in_h, c->padding_mode, &y) ||
                !cnn_padded_source((ptrdiff_t)column - (ptrdiff_t)c->pad_left, c->in_w, c->padding_mode, &x))
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

void CNN_ISA_NAME(cnn_conv_backward_data)(const struct cnn_conv *conv, size_t n, const float *dy, const float *packed, float *dx, float *scratch)
{
    if (CNN_ISA_NAME(cnn_winograd_fits)(conv)) {
        CNN_ISA_NAME(cnn_winograd_backward_data)(conv, n, dy, packed, dx, scratch);
        return;
    }
    if (CNN_ISA_NAME(cnn_depthwise_fits)(conv)) {
        CNN_ISA_NAME(cnn_depthwise_backward_data)(conv, n, dy, packed, dx, scratch);
        return;
    }
    struct cnn_conv c = *conv, whole;
    packed += CNN_ISA_NAME(cnn_conv_forward_floats)(conv);
    if (!unpadded(&c, &whole)) {
        cnn_conv_flatten(&c, &n);
        phases_run(&c, n, dy, packed, dx, scratch);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        phases_run(&whole, 1, dy + i * c.out_h * c.out_w * c.out_c, packed, scratch, scratch + padded_floats(&whole));
        fold(&c, &whole, scratch, dx + i * c.in_h * c.in_w * c.in_c);
    }
}

size_t CNN_ISA_NAME(cnn_conv_backward_data_scratch)(const struct cnn_conv *conv, size_t n)
{
    struct cnn_conv c = *conv, whole;
    size_t threads = (size_t)cnn_parallel_threads();
    if (unpadded(&c, &whole))
        return cnn_size_plus(padded_floats(&whole), cnn_size_times(phases_run(&whole, 1, NULL, NULL, NULL, NULL), threads));
    cnn_conv_flatten(&c, &n);
    return cnn_size_times(phases_run(&c, n, NULL, NULL, NULL, NULL), threads);
}
