/* Learning-rate schedules: `train.schedule`. What they mean is what PyTorch's schedulers of these
 * names do. */
#ifndef CNN_RECIPE_SCHEDULE_H
#define CNN_RECIPE_SCHEDULE_H

#include "config/keys.h"

/* A schedule that was read. */
struct cnn_schedule_settings {
    const struct cnn_schedule_type *type; /* recipe/schedule_type.h */
    const struct cnn_schedule_base *own;  /* the settings of that type, which begin with these */
};

/* What settings of every type begin with. */
struct cnn_schedule_base {
    double warmup_epochs; /* the factor rises linearly, from 1 / steps to 1 */
};

extern const struct cnn_kind cnn_schedules;

/* node NULL: the first of the list, with its defaults. What out points to lives in arena. */
cnn_status cnn_schedule_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_schedule_settings *out, cnn_diag *diag);

/* What a schedule that follows the validation loss has seen of it; zeroed at the start of a run,
 * part of its state. */
struct cnn_plateau {
    double best, factor; /* factor 0 stands for 1 */
    size_t bad_epochs;
};

/* Factor on lr for the update after `step` updates of `steps`; steps_per_epoch turns epochs into
 * steps. */
double cnn_schedule_factor(const struct cnn_schedule_settings *schedule,
                           const struct cnn_plateau *plateau, size_t step, size_t steps,
                           size_t steps_per_epoch);

/* After a validation: does nothing for schedules that do not follow it. */
void cnn_plateau_update(const struct cnn_schedule_settings *schedule, struct cnn_plateau *plateau,
                        double val_loss);

#endif
