/* Learning-rate schedules, as a factor on the optimiser's lr. After a linear warm-up: constant;
 * step (PyTorch's StepLR and MultiStepLR); cosine (Loshchilov and Hutter, "SGDR", 2017, without
 * restarts); linear; plateau (PyTorch's ReduceLROnPlateau on the validation loss); one_cycle (Smith
 * and Topin, "Super-Convergence", 2019, with the numbers of PyTorch's OneCycleLR in two cosine
 * phases; momentum stays as it is); triangular. */
#include "recipe/schedule.h"

#include <math.h>

#define FIELD(name) offsetof(struct cnn_schedule_settings, name)
#define MAX_EPOCHS  1000000
#define WARMUP                                                                                     \
    {                                                                                              \
        .name = "warmup_epochs", .kind = CNN_KEY_NUMBER, .at = FIELD(warmup_epochs),               \
        .otherwise = "0", .max = MAX_EPOCHS,                                                       \
        .help = "epochs in which the rate rises linearly to lr; 0.5 is legal"                      \
    }
#define MIN_FACTOR(text)                                                                           \
    {                                                                                              \
        .name = "min_factor", .kind = CNN_KEY_NUMBER, .at = FIELD(min_factor), .otherwise = "0",   \
        .max = 1, .help = text                                                                     \
    }
#define GAMMA                                                                                      \
    {                                                                                              \
        .name = "gamma", .kind = CNN_KEY_NUMBER, .at = FIELD(gamma), .otherwise = "0.1", .max = 1, \
        .open_min = true, .help = "factor on the rate each time"                                   \
    }

static const struct cnn_key constant_keys[] = {WARMUP, CNN_KEY_END};
static const struct cnn_key step_keys[] = {
    {.name = "step_epochs",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(step_epochs),
     .otherwise = "30",
     .min = 1,
     .max = MAX_EPOCHS,
     .help = "the rate falls each time so many epochs of the run are over"},
    {.name = "milestones",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(milestones),
     .otherwise = "",
     .max = MAX_EPOCHS,
     .open_min = true,
     .help = "epochs of the run after which the rate falls, instead of step_epochs"},
    GAMMA,
    WARMUP,
    CNN_KEY_END,
};
static const struct cnn_key ramp_keys[] = {MIN_FACTOR("the end, as a share of lr"), WARMUP,
                                           CNN_KEY_END};
static const struct cnn_key plateau_keys[] = {
    GAMMA,
    {.name = "patience",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(patience),
     .otherwise = "5",
     .max = MAX_EPOCHS,
     .help = "epochs without a better validation loss that are let pass"},
    MIN_FACTOR("the lowest rate, as a share of lr"),
    WARMUP,
    CNN_KEY_END,
};
static const struct cnn_key one_cycle_keys[] = {
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
     .help = "the rate begins at lr / div_factor"},
    {.name = "final_div_factor",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(final_div_factor),
     .otherwise = "1e4",
     .min = 1,
     .max = 1e12,
     .help = "the rate ends at the first one / final_div_factor"},
    WARMUP,
    CNN_KEY_END,
};
static const struct cnn_key triangular_keys[] = {
    {.name = "start",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(start),
     .otherwise = "0",
     .max = 1,
     .help = "the beginning, as a share of lr"},
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
     .help = "the end, as a share of lr"},
    WARMUP,
    CNN_KEY_END,
};

const struct cnn_variant cnn_schedule_types[] = {
    {.name = "constant",
     .help = "the same rate throughout",
     .keys = constant_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "step",
     .help = "the rate falls at given epochs",
     .keys = step_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "cosine",
     .help = "half a cosine wave from lr down",
     .keys = ramp_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "linear",
     .help = "a straight line from lr down",
     .keys = ramp_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "plateau",
     .help = "the rate falls when the validation loss stops falling",
     .keys = plateau_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "one_cycle",
     .help = "up to lr and down to nearly nothing, each along half a cosine wave",
     .keys = one_cycle_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
    {.name = "triangular",
     .help = "a straight line up to lr, and another down",
     .keys = triangular_keys,
     .settings_size = sizeof(struct cnn_schedule_settings)},
};
const size_t cnn_schedule_type_count = sizeof cnn_schedule_types / sizeof *cnn_schedule_types;

cnn_status cnn_schedule_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_schedule_settings *out, cnn_diag *diag)
{
    *out = (struct cnn_schedule_settings){.kind = CNN_SCHEDULE_CONSTANT};
    if (!node)
        return CNN_OK;
    size_t chosen;
    void *settings;
    cnn_status status = cnn_variant_read(arena, cnn_schedule_types, cnn_schedule_type_count, NULL,
                                         "schedule", node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    *out = *(const struct cnn_schedule_settings *)settings;
    out->kind = (enum cnn_schedule_kind)chosen;
    return CNN_OK;
}

/* How often the rate has fallen by the start of update `step`. */
static double count_falls(const struct cnn_schedule_settings *schedule, size_t step,
                          size_t steps_per_epoch)
{
    if (schedule->milestones.count == 0)
        return (double)(step / steps_per_epoch / schedule->step_epochs);
    size_t falls = 0;
    for (size_t i = 0; i < schedule->milestones.count; i++)
        falls += (double)step >= round(schedule->milestones.values[i] * (double)steps_per_epoch);
    return (double)falls;
}

/* Half a cosine wave: `from` where share is 0, `to` where it is 1. */
static double ease(double from, double to, double share)
{
    const double pi = 3.14159265358979323846;
    return to + (from - to) * (1 + cos(pi * share)) / 2;
}

/* The phases end at whole updates: the rise at pct_start * steps - 1, the fall at the last. */
static double one_cycle_factor(const struct cnn_schedule_settings *schedule, double step,
                               double steps)
{
    double top = schedule->pct_start * steps - 1, first = 1 / schedule->div_factor;
    if (step < top)
        return ease(first, 1, step / top);
    return ease(1, first / schedule->final_div_factor, (step - top) / (steps - 1 - top));
}

static double triangular_factor(const struct cnn_schedule_settings *schedule, double progress)
{
    if (progress < schedule->peak)
        return schedule->start + (1 - schedule->start) * progress / schedule->peak;
    return progress > schedule->peak
               ? 1 - (1 - schedule->end) * (progress - schedule->peak) / (1 - schedule->peak)
               : 1;
}

double cnn_schedule_factor(const struct cnn_schedule_settings *schedule,
                           const struct cnn_plateau *plateau, size_t step, size_t steps,
                           size_t steps_per_epoch)
{
    double warmup = round(schedule->warmup_epochs * (double)steps_per_epoch);
    if ((double)step < warmup)
        return ((double)step + 1) / warmup;
    /* in [0, 1): step < steps */
    double progress = ((double)step - warmup) / ((double)steps - warmup);
    double low = schedule->min_factor;
    switch (schedule->kind) {
    case CNN_SCHEDULE_CONSTANT:
        break;
    case CNN_SCHEDULE_STEP:
        return pow(schedule->gamma, count_falls(schedule, step, steps_per_epoch));
    case CNN_SCHEDULE_COSINE:
        return ease(1, low, progress);
    case CNN_SCHEDULE_LINEAR:
        return low + (1 - low) * (1 - progress);
    case CNN_SCHEDULE_PLATEAU:
        return plateau->factor > 0 ? plateau->factor : 1;
    case CNN_SCHEDULE_ONE_CYCLE:
        return one_cycle_factor(schedule, (double)step - warmup, (double)steps - warmup);
    case CNN_SCHEDULE_TRIANGULAR:
        return triangular_factor(schedule, progress);
    }
    return 1;
}

/* Better means: by more than one part in ten thousand, as in PyTorch. */
void cnn_plateau_update(const struct cnn_schedule_settings *schedule, struct cnn_plateau *plateau,
                        double val_loss)
{
    if (plateau->factor <= 0)
        *plateau = (struct cnn_plateau){.best = INFINITY, .factor = 1};
    if (val_loss < plateau->best * (1 - 1e-4)) {
        plateau->best = val_loss;
        plateau->bad_epochs = 0;
        return;
    }
    if (++plateau->bad_epochs <= schedule->patience)
        return;
    plateau->factor = fmax(plateau->factor * schedule->gamma, schedule->min_factor);
    plateau->bad_epochs = 0;
}
