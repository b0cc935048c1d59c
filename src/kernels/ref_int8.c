/* Convolution of bytes in plain C, by its definition (bytes.h): exact sums of whole numbers. */
#include <math.h>
#include <string.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct int8_work {
    const struct cnn_conv *c;
    const signed char *w;
    const struct cnn_conv_int8_forward *pass;
};

/* One output pixel of one filter, whole. A zero of the padding is x's zero: it adds nothing. */
static int32_t sum_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    const struct cnn_conv *c = k->c;
    size_t group_in = c->in_c / c->groups, group = f / (c->out_c / c->groups),
           taps = c->kernel_h * c->kernel_w, iy, ix;
    int32_t sum = k->pass->integers->bias[f];
    for (size_t tap = 0; tap < taps; tap++) {
        ptrdiff_t row = (ptrdiff_t)(oy * c->stride_h + tap / c->kernel_w * c->dilation_h) -
                        (ptrdiff_t)c->pad_top;
        ptrdiff_t column = (ptrdiff_t)(ox * c->stride_w + tap % c->kernel_w * c->dilation_w) -
                           (ptrdiff_t)c->pad_left;
        if (!cnn_padded_source(row, c->in_h, c->padding_mode, &iy) ||
            !cnn_padded_source(column, c->in_w, c->padding_mode, &ix))
            continue;
        const unsigned char *x =
            k->pass->x + ((image * c->in_h + iy) * c->in_w + ix) * cnn_code_channels(c->in_c) +
            group * group_in;
        for (size_t ch = 0; ch < group_in; ch++)
            sum += (x[ch] - k->pass->integers->x->zero) * k->w[(f * group_in + ch) * taps + tap];
    }
    return sum;
}

static unsigned char code_at(const struct int8_work *k, size_t image, size_t f, size_t oy,
                             size_t ox)
{
    return cnn_requantize(k->pass->integers, sum_at(k, image, f, oy, ox), f);
}

static float value_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    return cnn_activate_ref(k->pass->activation,
                            (float)sum_at(k, image, f, oy, ox) * k->pass->integers->scale[f]);
}

/* One number of y, as a code (which a float holds exactly) or as it is. */
static float result_at(const struct int8_work *k, size_t image, size_t f, size_t oy, size_t ox)
{
    const bool bytes = k->pass->integers->y.scale > 0, pools = k->pass->pool;
    float most = -INFINITY;
    for (size_t i = 0; i < (pools ? 4 : 1); i++) {
        size_t row = pools ? 2 * oy + i / 2 : oy, column = pools ? 2 * ox + i % 2 : ox;
        float value =
            bytes ? code_at(k, image, f, row, column) : value_at(k, image, f, row, column);
        most = value > most || isnan(value) ? value : most;
    }
    return most;
}

/* Task: one row of one output image. */
static void forward_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct int8_work *k = context;
    const struct cnn_conv *c = k->c;
    const struct cnn_pool *pool = k->pass->pool;
    size_t rows = pool ? pool->out_h : c->out_h, columns = pool ? pool->out_w : c->out_w,
           image = task / rows, oy = task % rows;
    for (size_t ox = 0; ox < columns; ox++)
        for (size_t f = 0; f < c->out_c; f++) {
            float result = result_at(k, image, f, oy, ox);
            size_t pixel = task * columns + ox;
            if (k->pass->integers->y.scale > 0)
                ((unsigned char *)k->pass->y)[pixel * cnn_code_channels(c->out_c) + f] =
                    (unsigned char)result;
            else
                ((float *)k->pass->y)[pixel * c->out_c + f] = result;
        }
}

void cnn_conv_int8_forward_ref(const struct cnn_conv *c, const struct cnn_conv_int8_forward *pass)
{
    struct int8_work k = {.c = c, .w = (const signed char *)pass->packed, .pass = pass};
    cnn_parallel_for(pass->n * (pass->pool ? pass->pool->out_h : c->out_h), forward_row, &k);
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

void cnn_conv_int8_pack_ref(const struct cnn_conv *c, const struct cnn_integers *integers,
                            const signed char *codes, float *packed)
{
    (void)integers;
    memcpy(packed, codes, c->out_c * (c->in_c / c->groups) * c->kernel_h * c->kernel_w);
}

static unsigned char nearest_code(float x, struct cnn_codes codes)
{
    float code = nearbyintf(x / codes.scale) + (float)codes.zero;
    return code >= 255 ? 255 : code > 0 ? (unsigned char)code : 0;
}

void cnn_quantize_ref(size_t pixels, size_t channels, const float *x, struct cnn_codes codes,
                      unsigned char *y)
{
    for (size_t p = 0; p < pixels; p++)
        for (size_t c = 0; c < channels; c++)
            y[p * cnn_code_channels(channels) + c] = nearest_code(x[p * channels + c], codes);
}
