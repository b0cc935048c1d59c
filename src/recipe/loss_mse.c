/* Mean squared error: the mean over classes of (y - onehot)^2. */
#include "recipe/loss_type.h"

static const struct cnn_key keys[] = {CNN_KEY_END};

static double row_loss(const struct cnn_kernels *kernels, const void *settings,
                       const struct cnn_loss_row *row)
{
    (void)settings;
    return kernels->squared_error(row);
}

const struct cnn_loss_type cnn_loss_mse = {
    .variant = {.name = "mse",
                .help = "mean squared distance of the outputs from 1 at the true class and 0 "
                        "elsewhere",
                .keys = keys,
                .settings_size = sizeof(struct cnn_loss_base)},
    .row = row_loss,
};
