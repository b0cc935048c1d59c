/* Convolution of bytes in plain C, by its definition (kernels.h): exact sums of whole numbers,
 * scaled, activated, pooled and rounded. */
#include <math.h>
#include <stdint.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct int8_work {
    const struct cnn_conv *c;
    const unsigned char *x;
    const signed char *w;
    const struct cnn_int8 *int8;
    const struct cnn_epilogue *epilogue;
    void *y;
};

static unsigned char nearest_code(float x, struct cnn_codes codes)
{
    float code = nearbyintf(x / codes.scale + (float)codes.zero);
    return code >= 255 ? 255 : code > 0 ? (unsigned char)code : 0;
}

/* One output pixel of one filter, whole. A zero of the padding is x's zero: it adds nothing. */
static int64_t sum_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    const struct cnn_conv *c = k->c;
    size_t group_in = c->in_c / c->groups, group = f / (c->out_c / c->groups),
           taps = c->kernel_h * c->kernel_w, iy, ix;
    int64_t sum = 0;
    for (size_t tap = 0; tap < taps; tap++) {
        ptrdiff_t row = (ptrdiff_t)(oy * c->stride_h + tap / c->kernel_w * c->dilation_h) -
                        (ptrdiff_t)c->pad_top;
        ptrdiff_t column = (ptrdiff_t)(ox * c->stride_w + tap % c->kernel_w * c->dilation_w) -
                           (ptrdiff_t)c->pad_left;
        if (!cnn_padded_source(row, c->in_h, c->padding_mode, &iy) ||
            !cnn_padded_source(column, c->in_w, c->padding_mode, &ix))
            continue;
        const unsigned char *x =
            k->x + ((image * c->in_h + iy) * c->in_w + ix) * cnn_code_channels(c->in_c) +
            group * group_in;
        for (size_t ch = 0; ch < group_in; ch++)
            sum += (x[ch] - k->int8->x.zero) * k->w[(f * group_in + ch) * taps + tap];
    }
    return sum;
}

static float value_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    double bias = k->epilogue->bias ? (double)k->epilogue->bias[f] : 0.0;
    return cnn_activate_ref(
        k->epilogue->activation,
        (float)((double)sum_at(k, image, f, oy, ox) * (double)k->int8->scale[f] + bias));
}

static float pooled_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    float most = -INFINITY, sum = 0;
    for (size_t i = 0; i < 4; i++) {
        float value = value_at(k, image, f, 2 * oy + i / 2, 2 * ox + i % 2);
        sum += value;
        most = value > most || isnan(value) ? value : most;
    }
    return k->epilogue->pool->average ? sum / 4 : most;
}

/* Task: one row of one output image. */
static void forward_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct int8_work *k = context;
    const struct cnn_conv *c = k->c;
    const struct cnn_pool *pool = k->epilogue->pool;
    size_t rows = pool ? pool->out_h : c->out_h, columns = pool ? pool->out_w : c->out_w,
           image = task / rows, oy = task % rows;
    for (size_t ox = 0; ox < columns; ox++)
        for (size_t f = 0; f < c->out_c; f++) {
            float value = pool ? pooled_at(k, image, f, oy, ox) : value_at(k, image, f, oy, ox);
            size_t pixel = task * columns + ox;
            if (k->int8->y.scale > 0)
                ((unsigned char *)k->y)[pixel * cnn_code_channels(c->out_c) + f] =
                    nearest_code(value, k->int8->y);
            else
                ((float *)k->y)[pixel * c->out_c + f] = value;
        }
}

void cnn_conv_int8_forward_ref(const struct cnn_conv *c, const struct cnn_conv_int8_forward *pass)
{
    const struct cnn_pool *pool = pass->epilogue->pool;
    struct int8_work k = {.c = c,
                          .x = pass->x,
                          .w = (const signed char *)pass->packed,
                          .int8 = pass->int8,
                          .epilogue = pass->epilogue,
                          .y = pass->y};
    cnn_parallel_for(pass->n * (pool ? pool->out_h : c->out_h), forward_row, &k);
}

size_t cnn_conv_int8_packed_floats_ref(const struct cnn_conv *c)
{
    return cnn_size_divide_up(cnn_conv_packed_floats_ref(c, false), sizeof(float));
}

size_t cnn_conv_int8_scratch_floats_ref(const struct cnn_conv *c, size_t n)
{
    (void)c, (void)n;
    return 0;
}

void cnn_conv_int8_pack_ref(const struct cnn_conv *c, int x_zero, const float *w,
                            const float *scale, float *packed)
{
    (void)x_zero;
    size_t filter = c->in_c / c->groups * c->kernel_h * c->kernel_w;
    signed char *codes = (signed char *)packed;
    for (size_t i = 0; i < c->out_c * filter; i++) {
        float code = nearbyintf(w[i] / scale[i / filter]);
        codes[i] = code >= 127 ? 127 : code >= -128 ? (signed char)code : -128;
    }
}

void cnn_quantize_ref(size_t pixels, size_t channels, const float *x, struct cnn_codes codes,
                      unsigned char *y)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            y[p * cnn_code_channels(channels) + c] = nearest_code(x[p * channels + c], codes);
}
