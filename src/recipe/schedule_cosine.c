/* Half a cosine wave down (Loshchilov and Hutter, "SGDR", 2017, without restarts). */
#include "recipe/schedule_type.h"

struct settings {
    struct cnn_schedule_base base;
    double min_factor; /* the end, as a share of lr */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "min_factor",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(min_factor),
     .otherwise = "0",
     .max = 1,
     .help = "final rate as a share of lr"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

static double factor(const void *settings, const struct cnn_schedule_time *time)
{
    const struct settings *s = settings;
    return cnn_cosine_ease(1, s->min_factor, cnn_schedule_progress(time));
}

const struct cnn_schedule_type cnn_schedule_cosine = {
    .variant = {.name = "cosine",
                .help = "the rate falls from lr along half a cosine wave",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .factor = factor,
};
