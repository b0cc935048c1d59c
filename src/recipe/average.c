/* Averaging weights: mean += (1 - d) * (weights - mean), an exponential moving average (Polyak and
 * Juditsky, 1992, took the plain mean). In update n, d is min(decay, (1 + n) / (10 + n)), so that
 * the first weights are soon forgotten. The running statistics of batch_norm are averaged alike:
 * those of the newest step would not fit the averaged weights. */
#include "recipe/average.h"

#include <math.h>

#include "kernels/kernels.h"

#define FIELD(name) offsetof(struct cnn_average_settings, name)

const struct cnn_key cnn_average_keys[] = {
    {.name = "decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(decay),
     .otherwise = "0.999",
     .max = 1,
     .open_max = true,
     .help = "share of the mean that is kept in an update; in update n at most (1 + n) / (10 + n)"},
    {.name = "every",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(every),
     .otherwise = "1",
     .min = 1,
     .max = 1000000,
     .help = "steps from one update of the mean to the next"},
    CNN_KEY_END,
};

cnn_status cnn_average_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                            struct cnn_average_settings *out, cnn_diag *diag)
{
    *out = (struct cnn_average_settings){0};
    return node ? cnn_keys_read(arena, &(struct cnn_keys){.table = cnn_average_keys, .what = "ema"},
                                node, &node->where, out, diag)
                : CNN_OK;
}

void cnn_average_update(const struct cnn_average_settings *settings, size_t step, size_t count,
                        const float *parameters, float *mean)
{
    if (settings->every == 0 || step % settings->every != 0)
        return;
    double n = (double)(step / settings->every);
    float share = (float)(1 - fmin(settings->decay, (1 + n) / (10 + n)));
    cnn_kernels()->approach(count, share, parameters, mean);
}
