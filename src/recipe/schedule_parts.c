/* What several schedules share: the warm-up's key, and the cosine. */
#include <math.h>

#include "recipe/schedule_type.h"

const struct cnn_key cnn_warmup_keys[] = {
    {.name = "warmup_epochs",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct cnn_schedule_base, warmup_epochs),
     .otherwise = "0",
     .max = CNN_SCHEDULE_MAX_EPOCHS,
     .help =
         "number of epochs in which the rate rises linearly to lr; may be a fraction, such as 0.5"},
    CNN_KEY_END,
};

double cnn_cosine_ease(double from, double to, double share)
{
    const double pi = 3.14159265358979323846;
    return to + (from - to) * (1 + cos(pi * share)) / 2;
}
