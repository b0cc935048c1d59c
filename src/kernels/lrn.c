/* Local response normalisation across channels (Krizhevsky et al., "ImageNet Classification with Deep Convolutional Neural Networks", 2012):
 *
 *   s_i = k + alpha / size * sum over the window of i of x_j^2,  y_i = x_i * s_i^-beta
 *   dx_i = dy_i * s_i^-beta - 2 * alpha * beta / size * x_i * sum over all j whose window holds i of dy_j * x_j * s_j^(-beta - 1) */
#include <math.h>

#include "kernels/internal.h"
#include "util/parallel.h"

struct lrn_work {
    const struct cnn_lrn *l;
    const float *x, *s_in, *dy;
    float *y, *s, *dx;
};

static void forward_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct lrn_work *k = context;
    const struct cnn_lrn *l = k->l;
    const float *x = k->x + row * l->channels;
    float *y = k->y + row * l->channels, *s = k->s ? k->s + row * l->channels : NULL;
    size_t before = l->size / 2, after = (l->size - 1) / 2;
    for (size_t i = 0; i < l->channels; i++) {
        double squares = 0;
        for (size_t j = i > before ? i - before : 0; j < cnn_size_min(l->channels, i + after + 1); j++)
            squares += (double)x[j] * (double)x[j];
        float sum = (float)((double)l->k + (double)l->alpha / (double)l->size * squares);
        y[i] = x[i] * powf(sum, -l->beta);
        if (s)
            s[i] = sum;
    }
}

void cnn_lrn_forward(const struct cnn_lrn *l, const float *x, float *y, float *s)
{
    struct lrn_work k = {.l = l, .x = x, .y = y, .s = s};
    cnn_parallel_for(l->rows, forward_row, &k);
}

/* The sum runs along the channels: the element that enters the window is added, the one that leaves is computed once more and taken away. In double,
 * so that what this leaves behind does not show. */
static void backward_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct lrn_work *k = context;
    const struct cnn_lrn *l = k->l;
    const float *x = k->x + row * l->channels, *s = k->s_in + row * l->channels, *dy = k->dy + row * l->channels;
    float *dx = k->dx + row * l->channels;
    size_t before = (l->size - 1) / 2, after = l->size / 2, entered = 0;
    double scale = 2.0 * (double)l->alpha * (double)l->beta / (double)l->size, sum = 0;
    for (size_t i = 0; i < l->channels; i++) {
        for (; entered < cnn_size_min(l->channels, i + after + 1); entered++)
            sum += (double)(dy[entered] * x[entered] * powf(s[entered], -l->beta)) / (double)s[entered];
        if (i > before)
            sum -= (double)(dy[i - before - 1] * x[i - before - 1] * powf(s[i - before - 1], -l->beta)) / (double)s[i - before - 1];
        dx[i] = (float)((double)dy[i] * (double)powf(s[i], -l->beta) - scale * (double)x[i] * sum);
    }
}

void cnn_lrn_backward(const struct cnn_lrn *l, const float *x, const float *s, const float *dy, float *dx)
{
    struct lrn_work k = {.l = l, .x = x, .s_in = s, .dy = dy, .dx = dx};
    cnn_parallel_for(l->rows, backward_row, &k);
}
