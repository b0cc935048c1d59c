/* Losses of one image. Sums are in double. */
#include <math.h>

#include "kernels/plain.h"

/* The stable form: log softmax(y)[j] = y[j] - log_sum, where log_sum = max + log(sum of exp(y -
 * max)). */
double cnn_cross_entropy(const struct cnn_loss_row *row, double smoothing)
{
    const size_t classes = row->classes;
    const float *y = row->y;
    double max = -INFINITY, sum = 0, weighted = 0, mean = 0;
    for (size_t j = 0; j < classes; j++)
        max = (double)y[j] > max ? (double)y[j] : max;
    for (size_t j = 0; j < classes; j++) {
        sum += exp((double)y[j] - max);
        weighted += cnn_class_weight(row, j) * (double)y[j];
        mean += cnn_class_weight(row, j);
    }
    mean /= (double)classes;
    double log_sum = max + log(sum), spread = smoothing / (double)classes;
    double own = (1 - smoothing) * row->share * cnn_class_weight(row, row->label),
           other = (1 - smoothing) * (1 - row->share) * cnn_class_weight(row, row->other);
    for (size_t j = 0; row->dy && j < classes; j++) {
        double target = (j == row->label ? own : 0) + (j == row->other ? other : 0) +
                        spread * cnn_class_weight(row, j);
        row->dy[j] =
            (float)((exp((double)y[j] - log_sum) * (own + other + smoothing * mean) - target) /
                    row->total);
    }
    return own * (log_sum - (double)y[row->label]) + other * (log_sum - (double)y[row->other]) +
           smoothing * (mean * log_sum - weighted / (double)classes);
}

double cnn_squared_error(const struct cnn_loss_row *row)
{
    double sum = 0, scale = 2 / (row->total * (double)row->classes);
    for (size_t j = 0; j < row->classes; j++) {
        double distance = (double)row->y[j] - ((j == row->label ? row->share : 0) +
                                               (j == row->other ? 1 - row->share : 0));
        sum += distance * distance;
        if (row->dy)
            row->dy[j] = (float)(scale * distance);
    }
    return sum / (double)row->classes;
}

size_t cnn_rank(size_t classes, const float *y, size_t label)
{
    size_t rank = 0;
    for (size_t j = 0; j < classes; j++) {
        if (isnan(y[j]))
            return classes;
        rank += y[j] > y[label] || (y[j] == y[label] && j < label);
    }
    return rank;
}
