/* What a schedule is: the descriptor that each recipe/schedule_<name>.c fills in, with one line in
 * schedules.def. */
#ifndef CNN_RECIPE_SCHEDULE_TYPE_H
#define CNN_RECIPE_SCHEDULE_TYPE_H

#include "recipe/run_length.h"
#include "recipe/schedule.h"
#include "util/text.h"

/* Where a run stands. */
struct cnn_schedule_time {
    double step, steps;               /* of those after the warm-up: 0 <= step < steps */
    size_t run_step, steps_per_epoch; /* of the whole run */
    const struct cnn_plateau *plateau;
};

struct cnn_schedule_type {
    /* Its settings begin with a struct cnn_schedule_base, and its keys end with cnn_warmup_keys. */
    struct cnn_variant variant;

    /* The factor on lr after the warm-up. NULL: 1. */
    double (*factor)(const void *settings, const struct cnn_schedule_time *time);

    /* Takes in the loss of a validation. NULL: it does not depend on any. */
    void (*validated)(const void *settings, struct cnn_plateau *plateau, double val_loss);

    /* Looks for settings that a run of this length never reaches: writes what is wrong, and sets
     * *remedy. NULL: there is nothing to look at. */
    void (*check)(const void *settings, const struct cnn_run_length *run, const char **remedy,
                  struct cnn_text *what);
};

/* A table of one key, at the offset of a struct cnn_schedule_base. */
extern const struct cnn_key cnn_warmup_keys[];

#define CNN_SCHEDULE_MAX_EPOCHS 1000000

/* Half a cosine wave: `from` where share is 0, `to` where it is 1. */
double cnn_cosine_ease(double from, double to, double share);

/* How much of the run after the warm-up is over, from 0 to less than 1. */
static inline double cnn_schedule_progress(const struct cnn_schedule_time *time)
{
    return time->step / time->steps;
}

#endif
