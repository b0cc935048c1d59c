/* Softmax by a fixed sequence of float32 operations, each rounded by itself: the same bits on every
 * machine. (Compiled so that no product is added without being rounded.) */
#include "kernels/plain.h"

#include <math.h>
#include <string.h>

#include "util/parallel.h"

/* Taylor's series of e^r for |r| up to ln 2 / 2: its error is 2^-26. */
static float exponential(float x)
{
    if (x <= -87)
        return 0;
    if (isnan(x))
        return x;
    const int k = (int)(x * 1.44269504f - 0.5f); /* x is not above 0: to the nearest */
    const float r = (x - (float)k * 0.693145752f) - (float)k * 1.42860677e-6f;
    float sum = 1;
    for (int i = 7; i > 0; i--)
        sum = 1 + r / (float)i * sum;
    const int bits = (k + 127) * (1 << 23); /* 2^k */
    float power;
    memcpy(&power, &bits, sizeof power);
    return sum * power;
}

struct softmax_work {
    size_t channels;
    const float *x;
    float *y;
};

static void softmax_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct softmax_work *k = context;
    const float *x = k->x + row * k->channels;
    float *y = k->y + row * k->channels;
    float largest = x[0], sum = 0;
    for (size_t i = 1; i < k->channels; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < k->channels; i++) {
        y[i] = exponential(x[i] - largest);
        sum = sum + y[i];
    }
    for (size_t i = 0; i < k->channels; i++)
        y[i] = y[i] / sum;
}

void cnn_softmax_exact(struct cnn_rows rows, const float *x, float *y)
{
    struct softmax_work k = {rows.channels, x, y};
    cnn_parallel_for(rows.count, softmax_row, &k);
}
