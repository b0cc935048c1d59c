/* Mean squared error: the mean over classes of (y - onehot)^2. */
#include "recipe/loss_type.h"
#include "util/number.h"

static const struct cnn_key keys[] = {CNN_KEY_END};

static double row_loss(const struct cnn_kernels *kernels, const void *settings,
                       const struct cnn_loss_row *row)
{
    (void)settings;
    return kernels->squared_error(row);
}

static double explain(const void *settings, const struct cnn_loss_row *row,
                      const char *const *names, struct cnn_text *out)
{
    double sum = 0, count = (double)row->classes;
    (void)settings;
    cnn_text_printf(out,
                    "loss: mse, the mean over the %zu outputs of (output - target)^2; its gradient "
                    "at each is 2 / %zu * (output - target)\n",
                    row->classes, row->classes);
    for (size_t j = 0; j < row->classes; j++) {
        double y = (double)row->y[j], target = j == row->label ? 1 : 0, error = y - target;
        sum += error * error;
        if (!cnn_loss_listed(row, j))
            continue;
        const struct cnn_number shown = cnn_explain_number(y), goal = cnn_explain_number(target);
        cnn_text_printf(out, "  %s: output %s, target %s: (%s - %s)^2 = %s, gradient %s\n",
                        names[j], shown.text, goal.text, shown.text, goal.text,
                        cnn_explain_number(error * error).text,
                        cnn_explain_number(2 / count * error).text);
    }
    cnn_loss_write_others(row, out);
    cnn_text_printf(out, "loss = %s / %zu = %s\n", cnn_explain_number(sum).text, row->classes,
                    cnn_explain_number(sum / count).text);
    return sum / count;
}

const struct cnn_loss_type cnn_loss_mse = {
    .variant = {.name = "mse",
                .help = "mean squared distance of the outputs from 1 at the true class and 0 "
                        "elsewhere",
                .keys = keys,
                .settings_size = sizeof(struct cnn_loss_base)},
    .row = row_loss,
    .explain = explain,
};
