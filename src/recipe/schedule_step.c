/* PyTorch's StepLR and MultiStepLR. */
#include <math.h>

#include "recipe/schedule_type.h"

#define LISTED 5 /* milestones, in a list of them */

struct settings {
    struct cnn_schedule_base base;
    size_t step_epochs;            /* the rate falls every so many epochs ... */
    struct cnn_numbers milestones; /* ... or at these, where given */
    double gamma;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "step_epochs",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(step_epochs),
     .otherwise = "30",
     .min = 1,
     .max = CNN_SCHEDULE_MAX_EPOCHS,
     .help = "the rate falls every so many epochs"},
    {.name = "milestones",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(milestones),
     .otherwise = "",
     .max = CNN_SCHEDULE_MAX_EPOCHS,
     .open_min = true,
     .help = "epochs of the run after which the rate falls, instead of step_epochs"},
    {.name = "gamma",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(gamma),
     .otherwise = "0.1",
     .max = 1,
     .open_min = true,
     .help = "the rate is multiplied by this each time"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

/* How often the rate has fallen by this update. */
static double count_falls(const struct settings *s, const struct cnn_schedule_time *time)
{
    if (s->milestones.count == 0)
        return (double)(time->run_step / time->steps_per_epoch / s->step_epochs);
    size_t falls = 0;
    for (size_t i = 0; i < s->milestones.count; i++)
        falls += (double)time->run_step >=
                 round(s->milestones.values[i] * (double)time->steps_per_epoch);
    return (double)falls;
}

static double factor(const void *settings, const struct cnn_schedule_time *time)
{
    const struct settings *s = settings;
    return pow(s->gamma, count_falls(s, time));
}

static void check_milestones(const struct settings *s, const struct cnn_run_length *run,
                             const char **remedy, struct cnn_text *what)
{
    size_t late = 0;
    double epochs = cnn_run_epochs(run);
    for (size_t i = 0; i < s->milestones.count; i++) {
        if (cnn_run_compare(run, s->milestones.values[i]) < 0)
            continue;
        if (late++ < LISTED)
            cnn_text_printf(what, "%s%g",
                            late > 1 ? ", " : "milestones: ", s->milestones.values[i]);
    }
    if (late == 0)
        return;
    *remedy = "train.schedule.milestones before the run's end, in epochs";
    cnn_text_printf(what, "%s %s at the end of the run, %.3g epoch%s, or beyond it: %s",
                    late > LISTED ? ", ..." : "", late == 1 ? "lies" : "lie", epochs,
                    epochs == 1 ? "" : "s",
                    late == s->milestones.count ? "the learning rate never falls"
                                                : "the learning rate does not fall there");
}

static void check(const void *settings, const struct cnn_run_length *run, const char **remedy,
                  struct cnn_text *what)
{
    const struct settings *s = settings;
    double epochs = cnn_run_epochs(run);
    if (s->milestones.count > 0) {
        check_milestones(s, run, remedy, what);
    } else if (cnn_run_compare(run, (double)s->step_epochs) >= 0) {
        *remedy = "a smaller train.schedule.step_epochs, or milestones";
        cnn_text_printf(what,
                        "step_epochs: %zu is not less than the run, %.3g epoch%s: the learning "
                        "rate never falls",
                        s->step_epochs, epochs, epochs == 1 ? "" : "s");
    }
}

const struct cnn_schedule_type cnn_schedule_step = {
    .variant = {.name = "step",
                .help = "the rate falls at given epochs",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .factor = factor,
    .check = check,
};
