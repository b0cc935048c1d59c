/* The sum of arrays and its gradient in plain C. */
#include "kernels/ref.h"

void cnn_sum_ref(size_t count, size_t size, const float *const *x, struct cnn_activation activation,
                 float *y)
{
    for (size_t i = 0; i < size; i++) {
        float total = x[0][i];
        for (size_t k = 1; k < count; k++)
            total += x[k][i];
        y[i] = cnn_activate_ref(activation, total);
    }
}

void cnn_sum_backward_ref(size_t count, size_t size, struct cnn_activation activation,
                          const float *y, const float *dy, float *const *dx)
{
    for (size_t i = 0; i < size; i++) {
        float g = dy[i];
        if (activation.kind != CNN_ACT_NONE)
            cnn_activation_backward_ref(activation, (struct cnn_rows){1, 1}, NULL, y + i, &g, &g);
        for (size_t k = 0; k < count; k++)
            if (dx[k])
                dx[k][i] = g;
    }
}
