/* The gradients of batch_norm where its statistics are constants: v = gamma * (x - mean) / sqrt(var
 * + eps) + beta is then linear in x, and computed again for the derivative of the activation behind
 * it. */
#include <math.h>

#include "kernels/plain.h"
#include "kernels/ref.h"
#include "util/parallel.h"

#define CHANNELS 16 /* of one task: a cache line */

struct fixed {
    const struct cnn_batch_norm *b;
    const struct cnn_batch_norm_arrays *a;
};

static void run_channels(void *context, size_t task, size_t thread)
{
    const struct fixed *f = context;
    const struct cnn_batch_norm_arrays *a = f->a;
    size_t channels = f->b->channels, first = task * CHANNELS,
           end = first + CHANNELS < channels ? first + CHANNELS : channels;
    (void)thread;
    for (size_t c = first; c < end; c++) {
        double inverse = 1 / sqrt((double)a->var[c] + (double)f->b->eps),
               scale = inverse * (double)a->gamma[c], dgamma = 0, dbeta = 0;
        for (size_t i = c; i < f->b->rows * channels; i += channels) {
            double from_mean = (double)a->x[i] - (double)a->mean[c],
                   v = from_mean * scale + (double)a->beta[c];
            double g = (double)a->dy[i] * cnn_activation_slope_ref(
                                              f->b->activation, v,
                                              (double)cnn_activate_ref(f->b->activation, (float)v));
            dgamma += g * from_mean * inverse;
            dbeta += g;
            if (a->dx)
                a->dx[i] = (float)(g * scale);
        }
        a->dgamma[c] = (float)dgamma;
        a->dbeta[c] = (float)dbeta;
    }
}

void cnn_batch_norm_backward_fixed(const struct cnn_batch_norm *b,
                                   const struct cnn_batch_norm_arrays *arrays)
{
    struct fixed f = {b, arrays};
    cnn_parallel_for((b->channels + CHANNELS - 1) / CHANNELS, run_channels, &f);
}
