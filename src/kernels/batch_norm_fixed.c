/* The gradients of batch_norm where its statistics are constants: v = gamma * (x - mean) / sqrt(var
 * + eps) + beta is then linear in x, and computed again for the derivative of the activation behind
 * it. */
#include <math.h>

#include "kernels/ref.h"
#include "util/parallel.h"

#define CHANNELS 16 /* of one task: a cache line */

struct fixed {
    const struct cnn_batch_norm *b;
    const float *x, *dy, *mean, *var, *gamma, *beta;
    float *dx, *dgamma, *dbeta;
};

static void run_channels(void *context, size_t task, size_t thread)
{
    const struct fixed *f = context;
    size_t channels = f->b->channels, first = task * CHANNELS,
           end = first + CHANNELS < channels ? first + CHANNELS : channels;
    (void)thread;
    for (size_t c = first; c < end; c++) {
        double inverse = 1 / sqrt((double)f->var[c] + (double)f->b->eps),
               scale = inverse * (double)f->gamma[c], dgamma = 0, dbeta = 0;
        for (size_t i = c; i < f->b->rows * channels; i += channels) {
            double from_mean = (double)f->x[i] - (double)f->mean[c],
                   v = from_mean * scale + (double)f->beta[c];
            double g = (double)f->dy[i] * cnn_activation_slope_ref(
                                              f->b->activation, 0,
                                              (double)cnn_activate_ref(f->b->activation, (float)v));
            dgamma += g * from_mean * inverse;
            dbeta += g;
            if (f->dx)
                f->dx[i] = (float)(g * scale);
        }
        f->dgamma[c] = (float)dgamma;
        f->dbeta[c] = (float)dbeta;
    }
}

void cnn_batch_norm_backward_fixed(const struct cnn_batch_norm *b, const float *x, const float *dy,
                                   const float *mean, const float *var, const float *gamma,
                                   const float *beta, float *dx, float *dgamma, float *dbeta)
{
    struct fixed f = {b, x, dy, mean, var, gamma, beta, dx, dgamma, dbeta};
    cnn_parallel_for((b->channels + CHANNELS - 1) / CHANNELS, run_channels, &f);
}
