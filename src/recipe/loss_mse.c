/* Mean squared error: the mean over classes of (y - onehot)^2. */
#include "recipe/loss_type.h"

static const struct cnn_key keys[] = {CNN_KEY_END};

static double row_loss(const void *settings, const struct cnn_loss_row *row)
{
    (void)settings;
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

const struct cnn_loss_type cnn_loss_mse = {
    .variant = {.name = "mse",
                .help = "mean squared distance of the outputs from 1 at the true class and 0 "
                        "elsewhere",
                .keys = keys,
                .settings_size = sizeof(struct cnn_loss_base)},
    .row = row_loss,
};
