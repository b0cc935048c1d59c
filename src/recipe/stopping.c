/* Early stopping: better means by more than min_delta below the lowest validation loss so far. */
#include "recipe/stopping.h"

#define FIELD(name) offsetof(struct cnn_stopping_settings, name)

const struct cnn_key cnn_stopping_keys[] = {
    {.name = "patience",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(patience),
     .otherwise = "10",
     .min = 1,
     .max = 1000000,
     .help =
         "number of successive epochs without a better validation loss after which the run ends"},
    {.name = "min_delta",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(min_delta),
     .otherwise = "0",
     .max = 1000,
     .help = "a loss is better if it is lower than the lowest one by more than this"},
    CNN_KEY_END,
};

cnn_status cnn_stopping_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_stopping_settings *out, cnn_diag *diag)
{
    *out = (struct cnn_stopping_settings){0};
    return node ? cnn_keys_read(
                      arena,
                      &(struct cnn_keys){.table = cnn_stopping_keys, .what = "early_stopping"},
                      node, &node->where, out, diag)
                : CNN_OK;
}

void cnn_stopping_update(const struct cnn_stopping_settings *settings,
                         struct cnn_stopping *stopping, double val_loss)
{
    if (val_loss < stopping->best - settings->min_delta) {
        stopping->best = val_loss;
        stopping->bad_epochs = 0;
    } else {
        stopping->bad_epochs++;
    }
}

bool cnn_stopping_reached(const struct cnn_stopping_settings *settings,
                          const struct cnn_stopping *stopping)
{
    return settings->patience > 0 && stopping->bad_epochs >= settings->patience;
}
