/* PyTorch's ReduceLROnPlateau on the validation loss. */
#include <math.h>

#include "recipe/schedule_type.h"

struct settings {
    struct cnn_schedule_base base;
    double gamma, min_factor;
    size_t patience; /* epochs without a better validation loss that are let pass */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "gamma",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(gamma),
     .otherwise = "0.1",
     .max = 1,
     .open_min = true,
     .help = "the rate is multiplied by this each time"},
    {.name = "patience",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(patience),
     .otherwise = "5",
     .max = CNN_SCHEDULE_MAX_EPOCHS,
     .help = "number of epochs without a better validation loss before the rate falls"},
    {.name = "min_factor",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(min_factor),
     .otherwise = "0",
     .max = 1,
     .help = "lowest rate as a share of lr"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_warmup_keys},
    CNN_KEY_END,
};

static double factor(const void *settings, const struct cnn_schedule_time *time)
{
    (void)settings;
    return time->plateau->factor > 0 ? time->plateau->factor : 1;
}

/* Better means: by more than one part in ten thousand, as in PyTorch. */
static void validated(const void *settings, struct cnn_plateau *plateau, double val_loss)
{
    const struct settings *s = settings;
    if (plateau->factor <= 0)
        *plateau = (struct cnn_plateau){.best = INFINITY, .factor = 1};
    if (val_loss < plateau->best * (1 - 1e-4)) {
        plateau->best = val_loss;
        plateau->bad_epochs = 0;
        return;
    }
    if (++plateau->bad_epochs <= s->patience)
        return;
    plateau->factor = fmax(plateau->factor * s->gamma, s->min_factor);
    plateau->bad_epochs = 0;
}

/* The first epoch is the best so far; patience + 1 worse ones follow, and one to train in. */
static void check(const void *settings, const struct cnn_run_length *run, const char **remedy,
                  struct cnn_text *what)
{
    const struct settings *s = settings;
    if (run->epochs == 0 || run->epochs >= s->patience + 3)
        return;
    *remedy = "a smaller train.schedule.patience";
    cnn_text_printf(what,
                    "with patience: %zu the learning rate falls after epoch %zu at the earliest, "
                    "and the run has %zu: it never falls",
                    s->patience, s->patience + 2, run->epochs);
}

const struct cnn_schedule_type cnn_schedule_plateau = {
    .variant = {.name = "plateau",
                .help = "the rate falls when the validation loss stops falling",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .factor = factor,
    .validated = validated,
    .check = check,
};
