/* Convolution in plain C, by its definition, for image i, output row and column (oy, ox), filter f
 * of group g:
 *
 *   y[i][oy][ox][f] = bias[f] + sum over ky, kx, ch of x[i][iy][ix][g * group_in + ch] *
 * w[f][ch][ky][kx] iy = oy * stride_h + ky * dilation_h - pad_top,  ix = ox * stride_w + kx *
 * dilation_w - pad_left
 *
 * where a pixel outside the image is 0 or a copy of one inside (padding_mode). Sums are in double:
 * this is what the fast versions are measured by. */
#include <math.h>
#include <stdint.h>
#include <string.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/arena.h"
#include "util/parallel.h"

struct conv_work {
    const struct cnn_conv *c;
    size_t n, group_in, group_out; /* images; channels and filters of one group */
    const float *x, *dy, *w;
    float *y, *dx, *dw, *db;
    const struct cnn_epilogue *epilogue;
    struct cnn_parts parts; /* of the gradients of the weights */
    size_t first;           /* the filter that dw begins with */
};

static struct conv_work conv_work(const struct cnn_conv *c, size_t n)
{
    return (struct conv_work){
        .c = c, .n = n, .group_in = c->in_c / c->groups, .group_out = c->out_c / c->groups};
}

/* The offset in an image of the pixel under window position (ky, kx) of output (oy, ox); false
 * where that is a zero of the padding. */
static bool pixel_under(const struct cnn_conv *c, size_t oy, size_t ox, size_t ky, size_t kx,
                        size_t *offset)
{
    size_t iy, ix;
    if (!cnn_padded_source((ptrdiff_t)(oy * c->stride_h + ky * c->dilation_h) -
                               (ptrdiff_t)c->pad_top,
                           c->in_h, c->padding_mode, &iy) ||
        !cnn_padded_source((ptrdiff_t)(ox * c->stride_w + kx * c->dilation_w) -
                               (ptrdiff_t)c->pad_left,
                           c->in_w, c->padding_mode, &ix))
        return false;
    *offset = (iy * c->in_w + ix) * c->in_c;
    return true;
}

/* One output pixel of one filter, without bias. w: the filter's weights; x: the image, from the
 * filter's group on. */
static double filter_at(const struct conv_work *k, const float *x, const float *w, size_t oy,
                        size_t ox)
{
    const struct cnn_conv *c = k->c;
    size_t taps = c->kernel_h * c->kernel_w, offset;
    double sum = 0;
    for (size_t ky = 0; ky < c->kernel_h; ky++)
        for (size_t kx = 0; kx < c->kernel_w; kx++) {
            if (!pixel_under(c, oy, ox, ky, kx, &offset))
                continue;
            for (size_t ch = 0; ch < k->group_in; ch++)
                sum += (double)x[offset + ch] * (double)w[ch * taps + ky * c->kernel_w + kx];
        }
    return sum;
}

static float forward_at(const struct conv_work *k, const float *image, size_t f, size_t oy,
                        size_t ox)
{
    size_t filter_size = k->group_in * k->c->kernel_h * k->c->kernel_w;
    double sum =
        filter_at(k, image + f / k->group_out * k->group_in, k->w + f * filter_size, oy, ox);
    const struct cnn_epilogue *e = k->epilogue;
    const size_t at = (size_t)(image - k->x) / (k->c->in_h * k->c->in_w * k->c->in_c);
    sum += e->bias ? (double)e->bias[f] : 0.0;
    if (e->residual)
        sum += (double)e->residual[((at * k->c->out_h + oy) * k->c->out_w + ox) * k->c->out_c + f];
    return cnn_activate_ref(e->activation, (float)sum);
}

/* The largest or the mean of four; a NaN wins. */
static float pooled_at(const struct conv_work *k, const float *image, size_t f, size_t oy,
                       size_t ox)
{
    float most = -INFINITY, sum = 0;
    for (size_t i = 0; i < 4; i++) {
        float value = forward_at(k, image, f, 2 * oy + i / 2, 2 * ox + i % 2);
        sum += value;
        most = value > most || isnan(value) ? value : most;
    }
    return k->epilogue->pool->average ? sum / 4 : most;
}

/* Task: one row of one output image. */
static void forward_row(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct conv_work *k = context;
    const struct cnn_conv *c = k->c;
    const struct cnn_pool *pool = k->epilogue->pool;
    size_t rows = pool ? pool->out_h : c->out_h, columns = pool ? pool->out_w : c->out_w,
           oy = task % rows;
    const float *image = k->x + task / rows * c->in_h * c->in_w * c->in_c;
    float *y = k->y + task * columns * c->out_c;
    for (size_t ox = 0; ox < columns; ox++)
        for (size_t f = 0; f < c->out_c; f++)
            y[ox * c->out_c + f] =
                pool ? pooled_at(k, image, f, oy, ox) : forward_at(k, image, f, oy, ox);
}

void cnn_conv_forward_ref(const struct cnn_conv *c, const struct cnn_conv_forward *pass)
{
    const struct cnn_pool *pool = pass->epilogue->pool;
    struct conv_work k = conv_work(c, pass->n);
    k.x = pass->x, k.w = pass->packed ? pass->packed : pass->w, k.epilogue = pass->epilogue,
    k.y = pass->y;
    cnn_parallel_for(pass->n * (pool ? pool->out_h : c->out_h), forward_row, &k);
}

/* Adds to the pixel dx (its channels of group g) what output pixel dy gets from it through window
 * position tap. */
static void add_pixel_gradient(const struct conv_work *k, size_t g, size_t tap, const float *dy,
                               float *dx)
{
    size_t taps = k->c->kernel_h * k->c->kernel_w;
    for (size_t ch = 0; ch < k->group_in; ch++) {
        double sum = 0;
        for (size_t f = g * k->group_out; f < (g + 1) * k->group_out; f++)
            sum += (double)dy[f] * (double)k->w[(f * k->group_in + ch) * taps + tap];
        dx[g * k->group_in + ch] += (float)sum;
    }
}

/* Task: one image. Every output pixel gives its gradient back to the pixels it was made of; a
 * padded pixel's goes to the one it copies. */
static void backward_image(void *context, size_t image, size_t thread)
{
    (void)thread;
    const struct conv_work *k = context;
    const struct cnn_conv *c = k->c;
    size_t image_size = c->in_h * c->in_w * c->in_c, offset;
    float *dx = k->dx + image * image_size;
    memset(dx, 0, image_size * sizeof *dx);
    for (size_t oy = 0; oy < c->out_h; oy++)
        for (size_t ox = 0; ox < c->out_w; ox++) {
            const float *dy = k->dy + ((image * c->out_h + oy) * c->out_w + ox) * c->out_c;
            for (size_t tap = 0; tap < c->kernel_h * c->kernel_w; tap++) {
                if (!pixel_under(c, oy, ox, tap / c->kernel_w, tap % c->kernel_w, &offset))
                    continue;
                for (size_t g = 0; g < c->groups; g++)
                    add_pixel_gradient(k, g, tap, dy, dx + offset);
            }
        }
}

void cnn_conv_backward_data_ref(const struct cnn_conv *c, const struct cnn_conv_backward_data *pass)
{
    struct conv_work k = conv_work(c, pass->n);
    k.dy = pass->dy, k.w = pass->packed ? pass->packed : pass->w, k.dx = pass->dx;
    cnn_parallel_for(pass->n, backward_image, &k);
}

/* What is added up over images: the gradient of one weight, or of a filter's bias. */
struct summed {
    size_t f, ch, ky, kx;
    bool bias;
};

static double weight_gradient(const struct conv_work *k, const struct summed *w, size_t first,
                              size_t end)
{
    const struct cnn_conv *c = k->c;
    size_t channel = w->f / k->group_out * k->group_in + w->ch, offset;
    double sum = 0;
    for (size_t oy = 0; oy < c->out_h; oy++)
        for (size_t ox = 0; ox < c->out_w; ox++) {
            if (!pixel_under(c, oy, ox, w->ky, w->kx, &offset))
                continue;
            for (size_t i = first; i < end; i++)
                sum += (double)k->x[i * c->in_h * c->in_w * c->in_c + offset + channel] *
                       (double)k->dy[((i * c->out_h + oy) * c->out_w + ox) * c->out_c + w->f];
        }
    return sum;
}

static double bias_gradient(const struct conv_work *k, size_t f, size_t first, size_t end)
{
    size_t pixels = k->c->out_h * k->c->out_w;
    double sum = 0;
    for (size_t pixel = first * pixels; pixel < end * pixels; pixel++)
        sum += (double)k->dy[pixel * k->c->out_c + f];
    return sum;
}

/* The sum over parts, by halves; each is rounded, as it might be sent to another process. */
static float sum_parts(const struct conv_work *k, const struct summed *w, size_t first, size_t end)
{
    size_t middle = first + (end - first) / 2, from = cnn_parts_image(&k->parts, k->parts.first);
    if (middle > first)
        return sum_parts(k, w, first, middle) + sum_parts(k, w, middle, end);
    size_t begin = cnn_parts_image(&k->parts, first) - from,
           stop = cnn_parts_image(&k->parts, end) - from;
    return (float)(w->bias ? bias_gradient(k, w->f, begin, stop)
                           : weight_gradient(k, w, begin, stop));
}

/* Task: one filter. */
static void backward_filter(void *context, size_t f, size_t thread)
{
    (void)thread;
    const struct conv_work *k = context;
    const struct cnn_conv *c = k->c;
    float *dw = k->dw + f * k->group_in * c->kernel_h * c->kernel_w;
    struct summed w = {.f = k->first + f};
    for (w.ch = 0; w.ch < k->group_in; w.ch++)
        for (w.ky = 0; w.ky < c->kernel_h; w.ky++)
            for (w.kx = 0; w.kx < c->kernel_w; w.kx++)
                *dw++ = sum_parts(k, &w, k->parts.first, k->parts.end);
    w.bias = true;
    if (k->db)
        k->db[f] = sum_parts(k, &w, k->parts.first, k->parts.end);
}

void cnn_conv_backward_weights_ref(const struct cnn_conv *c,
                                   const struct cnn_conv_backward_weights *pass)
{
    struct conv_work k = conv_work(c, pass->n);
    k.x = pass->x, k.dy = pass->dy, k.dw = pass->dw, k.db = pass->db;
    k.parts = pass->parts ? *pass->parts : cnn_parts_of(pass->n, 0, 1);
    k.first = pass->first;
    cnn_parallel_for(pass->count > 0 ? pass->count : c->out_c, backward_filter, &k);
}

size_t cnn_conv_packed_floats_ref(const struct cnn_conv *c, bool backward)
{
    size_t taps, filter, floats;
    (void)backward;
    return cnn_size_mul(c->kernel_h, c->kernel_w, &taps) &&
                   cnn_size_mul(taps, c->in_c / c->groups, &filter) &&
                   cnn_size_mul(filter, c->out_c, &floats)
               ? floats
               : SIZE_MAX;
}

size_t cnn_conv_scratch_floats_ref(const struct cnn_conv *c, size_t n)
{
    (void)c, (void)n;
    return 0;
}

struct cnn_work cnn_conv_work_ref(const struct cnn_conv *c, enum cnn_conv_pass pass)
{
    (void)pass;
    return cnn_conv_direct_work(c, CNN_FACTORS_FLOATS);
}

void cnn_conv_pack_ref(const struct cnn_conv *c, bool backward, const float *w, const float *scale,
                       float *packed)
{
    size_t filter = c->in_c / c->groups * c->kernel_h * c->kernel_w;
    (void)backward;
    for (size_t i = 0; i < c->out_c * filter; i++)
        packed[i] = w[i] * (scale ? scale[i / filter] : 1);
}
