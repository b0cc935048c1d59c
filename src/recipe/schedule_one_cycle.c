/* Up and down once (Smith and Topin, "Super-Convergence", 2019), with the numbers of PyTorch's
 * OneCycleLR in two cosine phases; momentum stays as it is. */
#include "recipe/schedule_type.h"

struct settings {
    struct cnn_schedule_base base;
    double pct_start, div_factor, final_div_factor;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "pct_start",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(pct_start),
     .otherwise = "0.3",
     .max = 1,
     .open_min = true,
     .open_max = true,
     .help = "share of the run in which the rate rises"},
    {.name = "div_factor",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(div_factor),
     .otherwise = "25",
     .min = 1,
     .max = 1e12,
     .help = "the rate starts at lr / div_factor"},
    {.name = "final_div_factor",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(final_div_factor),
     .otherwise = "1e4",
     .min = 1,
     .max = 1e12,
     .help = "the rate ends at the starting rate / final_div_factor"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

/* The phases end at whole updates: the rise at pct_start * steps - 1, the fall at the last. */
static double factor(const void *settings, const struct cnn_schedule_time *time)
{
    const struct settings *s = settings;
    double top = s->pct_start * time->steps - 1, first = 1 / s->div_factor;
    if (time->step < top)
        return cnn_cosine_ease(first, 1, time->step / top);
    return cnn_cosine_ease(1, first / s->final_div_factor,
                           (time->step - top) / (time->steps - 1 - top));
}

const struct cnn_schedule_type cnn_schedule_one_cycle = {
    .variant = {.name = "one_cycle",
                .help =
                    "the rate rises to lr and falls to nearly zero, each along half a cosine wave",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .factor = factor,
};
