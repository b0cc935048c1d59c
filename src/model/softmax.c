/* Softmax, as it is applied to what a network gives. */
#include <math.h>

#include "model/model.h"

void cnn_softmax(const float *values, size_t rows, size_t classes, float *probabilities)
{
    for (size_t i = 0; i < rows; i++) {
        const float *y = values + i * classes;
        float *p = probabilities + i * classes, largest = y[0];
        double sum = 0;
        for (size_t k = 1; k < classes; k++)
            largest = y[k] > largest ? y[k] : largest;
        for (size_t k = 0; k < classes; k++)
            sum += (double)(p[k] = expf(y[k] - largest));
        for (size_t k = 0; k < classes; k++)
            p[k] = (float)((double)p[k] / sum);
    }
}
