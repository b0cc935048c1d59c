/* Batch normalisation in plain C: Ioffe and Szegedy, "Batch Normalization", 2015. With g the gradient before the activation, xhat the normalised
 * input and R the number of rows:
 *
 *   dbeta = sum of g,  dgamma = sum of g * xhat,  dx = gamma / sqrt(var + eps) * (g - dbeta / R - xhat * dgamma / R) */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

struct norm_work {
    const struct cnn_batch_norm *b;
    const float *x, *g, *mean, *var, *gamma, *beta;
    float *out_mean, *out_var, *y, *dx, *dgamma, *dbeta;
    struct cnn_activation activation;
};

size_t cnn_batch_norm_scratch_floats_ref(const struct cnn_batch_norm *b)
{
    (void)b;
    return 0;
}

/* Tasks are channels, here and below. */
static void channel_statistics(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    size_t size = k->b->rows * k->b->channels;
    double sum = 0, squares = 0, rows = (double)k->b->rows;
    for (size_t i = ch; i < size; i += k->b->channels)
        sum += (double)k->x[i];
    for (size_t i = ch; i < size; i += k->b->channels)
        squares += ((double)k->x[i] - sum / rows) * ((double)k->x[i] - sum / rows);
    k->out_mean[ch] = (float)(sum / rows);
    k->out_var[ch] = (float)(squares / rows);
}

void cnn_batch_norm_statistics_ref(const struct cnn_batch_norm *b, const float *x, float *mean, float *var, float *scratch)
{
    (void)scratch;
    struct norm_work k = {.b = b, .x = x, .out_mean = mean, .out_var = var};
    cnn_parallel_for(b->channels, channel_statistics, &k);
}

static void channel_forward(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    size_t size = k->b->rows * k->b->channels;
    double scale = (double)k->gamma[ch] / sqrt((double)k->var[ch] + (double)k->b->eps);
    for (size_t i = ch; i < size; i += k->b->channels) {
        double y = ((double)k->x[i] - (double)k->mean[ch]) * scale + (double)k->beta[ch];
        k->y[i] = cnn_activate_ref(k->activation, (float)y);
    }
}

void cnn_batch_norm_forward_ref(const struct cnn_batch_norm *b, const float *x, const float *mean, const float *var, const float *gamma,
                                const float *beta, struct cnn_activation activation, float *y)
{
    struct norm_work k = {.b = b, .x = x, .mean = mean, .var = var, .gamma = gamma, .beta = beta, .activation = activation, .y = y};
    cnn_parallel_for(b->channels, channel_forward, &k);
}

static void channel_backward(void *context, size_t ch, size_t thread)
{
    (void)thread;
    const struct norm_work *k = context;
    size_t size = k->b->rows * k->b->channels;
    double rows = (double)k->b->rows, mean = (double)k->mean[ch], inverse = 1.0 / sqrt((double)k->var[ch] + (double)k->b->eps);
    double dbeta = 0, dgamma = 0;
    for (size_t i = ch; i < size; i += k->b->channels) {
        dbeta += (double)k->g[i];
        dgamma += (double)k->g[i] * ((double)k->x[i] - mean) * inverse;
    }
    for (size_t i = ch; i < size; i += k->b->channels) {
        double xhat = ((double)k->x[i] - mean) * inverse;
        k->dx[i] = (float)((double)k->gamma[ch] * inverse * ((double)k->g[i] - dbeta / rows - xhat * dgamma / rows));
    }
    k->dgamma[ch] = (float)dgamma;
    k->dbeta[ch] = (float)dbeta;
}

void cnn_batch_norm_backward_ref(const struct cnn_batch_norm *b, const float *x, const float *y, float *dy, const float *mean, const float *var,
                                 const float *gamma, struct cnn_activation activation, float *dx, float *dgamma, float *dbeta, float *scratch)
{
    (void)scratch;
    cnn_activation_backward_ref(activation, b->rows, b->channels, NULL, y, dy, dy);
    struct norm_work k = {.b = b, .x = x, .g = dy, .mean = mean, .var = var, .gamma = gamma, .dx = dx, .dgamma = dgamma, .dbeta = dbeta};
    cnn_parallel_for(b->channels, channel_backward, &k);
}
