/* Multiplication of channels in plain C: y = activation(x * s + b). */
#include "kernels/internal.h"
#include "kernels/ref.h"

size_t cnn_scale_scratch_floats_ref(const struct cnn_scale *c)
{
    (void)c;
    return 0;
}

/* What x is multiplied by; s: of its channel, or NULL. */
static float factor(const struct cnn_scale *c, float x, const float *s)
{
    return !s || (c->negative && x > 0) ? 1 : *s;
}

void cnn_scale_forward_ref(const struct cnn_scale *c, const float *x, const float *s,
                           const float *b, float *y)
{
    for (size_t image = 0; image < c->images; image++)
        for (size_t i = 0; i < c->pixels * c->channels; i++) {
            size_t at = image * c->pixels * c->channels + i,
                   k = image * c->channels + i % c->channels;
            y[at] = cnn_activate_ref(c->activation,
                                     x[at] * factor(c, x[at], s ? s + k : NULL) + (b ? b[k] : 0));
        }
}

/* Of one channel of one image: each number of dy and of x is read before dx is written over one. */
static void backward_channel(const struct cnn_scale *c, size_t k, const float *x, const float *s,
                             const float *dy, const struct cnn_scale_gradients *d)
{
    double ds = 0, db = 0;
    for (size_t pixel = 0; pixel < c->pixels; pixel++) {
        size_t at = (k / c->channels * c->pixels + pixel) * c->channels + k % c->channels;
        double g = (double)dy[at];
        ds += c->negative && x[at] > 0 ? 0 : g * (double)x[at];
        db += g;
        if (d->dx)
            d->dx[at] = (float)(g * (double)factor(c, x[at], s ? s + k : NULL));
    }
    if (d->ds)
        d->ds[k] = (float)ds;
    if (d->db)
        d->db[k] = (float)db;
}

void cnn_scale_backward_ref(const struct cnn_scale *c, const float *x, const float *s,
                            const float *dy, const struct cnn_scale_gradients *d, float *scratch)
{
    (void)scratch;
    for (size_t k = 0; k < c->images * c->channels; k++)
        backward_channel(c, k, x, s, dy, d);
}
