/* Two straight lines. */
#include "recipe/schedule_type.h"

struct settings {
    struct cnn_schedule_base base;
    double start, end; /* factors */
    double peak;       /* share of the run at which the factor is 1 */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "start",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(start),
     .otherwise = "0",
     .max = 1,
     .help = "starting rate as a share of lr"},
    {.name = "peak",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(peak),
     .otherwise = "0.5",
     .max = 1,
     .help = "share of the run after which the rate is lr"},
    {.name = "end",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(end),
     .otherwise = "0",
     .max = 1,
     .help = "final rate as a share of lr"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

static double factor(const void *settings, const struct cnn_schedule_time *time)
{
    const struct settings *s = settings;
    double progress = cnn_schedule_progress(time);
    if (progress < s->peak)
        return s->start + (1 - s->start) * progress / s->peak;
    return progress > s->peak ? 1 - (1 - s->end) * (progress - s->peak) / (1 - s->peak) : 1;
}

const struct cnn_schedule_type cnn_schedule_triangular = {
    .variant = {.name = "triangular",
                .help = "the rate rises to lr and falls again, both along straight lines",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .factor = factor,
};
