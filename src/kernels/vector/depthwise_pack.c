/* Whether a convolution goes by depthwise.c, its scratch and its packed weights: whatever the
 * values are stored as. */
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/depthwise_axis.h"
#include "util/parallel.h"

static size_t correlation_scratch(const struct cnn_conv *c)
{
    return cnn_size_times(cnn_size_times(2, cnn_depthwise_line_floats(c)),
                          (size_t)cnn_parallel_threads());
}

size_t CNN_ISA_NAME(cnn_depthwise_weights_scratch)(const struct cnn_conv *c, size_t n)
{
    /* CNN_TASKS chunks of a batch, of which parts cut some in two */
    return cnn_size_times(CNN_TASKS + cnn_parts_bound(n), cnn_depthwise_chunk_floats(c));
}

bool CNN_ISA_NAME(cnn_depthwise_fits)(const struct cnn_conv *c)
{
    struct cnn_windows w = CNN_BF16_NAME(cnn_windows)(c, 1);
    return c->groups > 1 && c->groups == c->in_c && c->stride_h <= CNN_DEPTHWISE_STRIDE &&
           c->stride_w <= CNN_DEPTHWISE_STRIDE &&
           (c->padding_mode == CNN_PAD_ZEROS || !CNN_BF16_NAME(cnn_windows_padded)(&w));
}

size_t CNN_ISA_NAME(cnn_depthwise_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    size_t correlation = correlation_scratch(c),
           weights = CNN_ISA_NAME(cnn_depthwise_weights_scratch)(c, n);
    return correlation > weights ? correlation : weights;
}

size_t CNN_ISA_NAME(cnn_depthwise_packed_floats)(const struct cnn_conv *c)
{
    return cnn_size_times(cnn_size_times(c->kernel_h, c->kernel_w), cnn_packed_columns(c->out_c));
}

void CNN_ISA_NAME(cnn_depthwise_pack)(const struct cnn_conv *c, const float *w, const float *scale,
                                      float *packed)
{
    size_t taps = c->kernel_h * c->kernel_w;
    for (size_t filter = 0; filter < cnn_packed_columns(c->out_c); filter++)
        for (size_t tap = 0; tap < taps; tap++) {
            float weight =
                filter < c->out_c ? w[filter * taps + tap] * (scale ? scale[filter] : 1.0f) : 0.0f;
            packed[filter / VLEN * VLEN * taps + tap * VLEN + filter % VLEN] = weight;
        }
}

/* Pairs of an output and a tap of its that lies on the image, along one axis. */
static double products_along(const struct cnn_axis *axis)
{
    double sum = 0;
    for (size_t i = 0; i < axis->count; i++) {
        const struct cnn_range taps = cnn_axis_taps(axis, i);
        sum += taps.end > taps.begin ? (double)(taps.end - taps.begin) : 0;
    }
    return sum;
}

double CNN_ISA_NAME(cnn_depthwise_products)(const struct cnn_conv *c)
{
    const struct cnn_axis rows = {.size = c->in_h,
                                  .count = c->out_h,
                                  .taps = c->kernel_h,
                                  .stride = c->stride_h,
                                  .dilation = c->dilation_h,
                                  .pad = (ptrdiff_t)c->pad_top},
                          columns = {.size = c->in_w,
                                     .count = c->out_w,
                                     .taps = c->kernel_w,
                                     .stride = c->stride_w,
                                     .dilation = c->dilation_w,
                                     .pad = (ptrdiff_t)c->pad_left};
    return (double)c->out_c * products_along(&rows) * products_along(&columns);
}
