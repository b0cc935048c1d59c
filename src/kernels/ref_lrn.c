/* Local response normalisation across channels in plain C (Krizhevsky et al., "ImageNet
 * Classification with Deep Convolutional Neural Networks", 2012):
 *
 *   s_i = k + alpha / size * sum over the window of i of x_j^2,  y_i = x_i * s_i^-beta
 *   dx_i = dy_i * s_i^-beta - 2 * alpha * beta / size * x_i * sum over all j whose window holds i
 * of dy_j * x_j * s_j^(-beta - 1) */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct lrn_work {
    const struct cnn_lrn *l;
    const float *x, *s_in, *dy;
    float *y, *s, *dx, *scratch; /* a row for each thread */
};

size_t cnn_lrn_scratch_floats_ref(const struct cnn_lrn *l)
{
    return l->channels * (size_t)cnn_parallel_threads();
}

/* All sums first: y may be x. */
static void forward_row(void *context, size_t row, size_t thread)
{
    const struct lrn_work *k = context;
    const struct cnn_lrn *l = k->l;
    const float *x = k->x + row * l->channels;
    float *y = k->y + row * l->channels,
          *s = k->s ? k->s + row * l->channels : k->scratch + thread * l->channels;
    size_t before = l->size / 2, after = (l->size - 1) / 2;
    for (size_t i = 0; i < l->channels; i++) {
        double squares = 0;
        for (size_t j = i > before ? i - before : 0; j < cnn_size_min(l->channels, i + after + 1);
             j++)
            squares += (double)x[j] * (double)x[j];
        s[i] = (float)((double)l->k + (double)l->alpha / (double)l->size * squares);
    }
    for (size_t i = 0; i < l->channels; i++)
        y[i] = x[i] * powf(s[i], -l->beta);
}

void cnn_lrn_forward_ref(const struct cnn_lrn *l, const float *x, float *y, float *s,
                         float *scratch)
{
    struct lrn_work k = {.l = l, .x = x, .y = y, .s = s, .scratch = scratch};
    cnn_parallel_for(l->rows, forward_row, &k);
}

/* All terms of the sums first: dx may be dy. */
static void backward_row(void *context, size_t row, size_t thread)
{
    const struct lrn_work *k = context;
    const struct cnn_lrn *l = k->l;
    const float *x = k->x + row * l->channels, *s = k->s_in + row * l->channels,
                *dy = k->dy + row * l->channels;
    float *dx = k->dx + row * l->channels, *term = k->scratch + thread * l->channels;
    size_t before = (l->size - 1) / 2, after = l->size / 2;
    double scale = 2.0 * (double)l->alpha * (double)l->beta / (double)l->size;
    for (size_t i = 0; i < l->channels; i++)
        term[i] = dy[i] * x[i] * powf(s[i], -l->beta) / s[i];
    for (size_t i = 0; i < l->channels; i++) {
        double sum = 0;
        for (size_t j = i > before ? i - before : 0; j < cnn_size_min(l->channels, i + after + 1);
             j++)
            sum += (double)term[j];
        dx[i] = (float)((double)dy[i] * (double)powf(s[i], -l->beta) - scale * (double)x[i] * sum);
    }
}

void cnn_lrn_backward_ref(const struct cnn_lrn *l, const float *x, const float *s, const float *dy,
                          float *dx, float *scratch)
{
    struct lrn_work k = {.l = l, .x = x, .s_in = s, .dy = dy, .dx = dx, .scratch = scratch};
    cnn_parallel_for(l->rows, backward_row, &k);
}
