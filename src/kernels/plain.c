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

void cnn_copy(size_t rows, size_t floats, const float *x, size_t x_step, float *y, size_t y_step)
{
    for (size_t i = 0; i < rows && x != y; i++)
        memcpy(y + i * y_step, x + i * x_step, floats * sizeof *y);
}
