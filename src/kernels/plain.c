/* Small loops over parameters, statistics and rows. */
#include "kernels/plain.h"

#include <math.h>
#include <string.h>

void cnn_track(size_t count, double share, float scale, const float *from, float *to)
{
    float new = (float)share *scale, old = (float)(1 - share);
    for (size_t i = 0; i < count; i++)
        to[i] = old * to[i] + new *from[i];
}

void cnn_batch_norm_fold(size_t channels, const struct cnn_batch_norm_arrays *norm, float eps,
                         const float *bias, float *scale, float *shift)
{
    for (size_t i = 0; i < channels; i++) {
        float own = bias ? bias[i] : 0;
        scale[i] = 1;
        shift[i] = own;
        if (!norm)
            continue;
        scale[i] = (float)((double)norm->gamma[i] / sqrt((double)norm->var[i] + (double)eps));
        shift[i] = norm->beta[i] + (own - norm->mean[i]) * scale[i];
    }
}

void cnn_multiply(size_t count, float factor, const float *x, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] *= factor * x[i];
}

size_t cnn_find_living(size_t pixels, size_t channels, const float *x, bool *living)
{
    size_t alive = 0, found = 0;
    for (size_t c = 0; c < channels; c++)
        alive += living[c];
    for (; pixels > 0 && alive + found < channels; pixels--, x += channels)
        for (size_t c = 0; c < channels; c++)
            if (x[c] != 0 && !living[c]) {
                living[c] = true;
                found++;
            }
    return found;
}

/* A range that no file can have, as that of a model before its parameters are set, is no harm. */
struct cnn_codes cnn_codes_of(const float *range)
{
    float scale = (range[1] - range[0]) / 255;
    if (!(scale > 0) || !isnormal(scale))
        return (struct cnn_codes){1, 0};
    return (struct cnn_codes){scale, (int)fminf(255, fmaxf(0, nearbyintf(-range[0] / scale)))};
}

void cnn_copy(size_t rows, size_t floats, const float *x, size_t x_step, float *y, size_t y_step)
{
    for (size_t i = 0; i < rows && x != y; i++)
        memcpy(y + i * y_step, x + i * x_step, floats * sizeof *y);
}
