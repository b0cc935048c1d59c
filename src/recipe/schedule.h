/* Learning-rate schedules: `train.schedule`. What they mean is what PyTorch's schedulers of these
 * names do. */
#ifndef CNN_RECIPE_SCHEDULE_H
#define CNN_RECIPE_SCHEDULE_H

#include "config/keys.h"

enum cnn_schedule_kind {
    CNN_SCHEDULE_CONSTANT,
    CNN_SCHEDULE_STEP,
    CNN_SCHEDULE_COSINE,
    CNN_SCHEDULE_LINEAR,
    CNN_SCHEDULE_PLATEAU,
    CNN_SCHEDULE_ONE_CYCLE,
    CNN_SCHEDULE_TRIANGULAR
};

struct cnn_schedule_settings {
    enum cnn_schedule_kind kind;
    double warmup_epochs; /* linear from lr / steps to lr */
    double min_factor;    /* cosine, linear, plateau: the end, as a share of lr */
    /* step: every so many epochs ... (or at the epochs of milestones, where given) */
    size_t step_epochs;
    struct cnn_numbers milestones;
    double gamma; /* step, plateau: ... times gamma */
    /* plateau: epochs without a better validation loss */
    size_t patience;
    double pct_start, div_factor, final_div_factor; /* one_cycle */
    /* triangular: factors, and the share of the run at which it is 1 */
    double start, peak, end;
};

/* in the order of the enum; each with warmup_epochs */
extern const struct cnn_variant cnn_schedule_types[];
extern const size_t cnn_schedule_type_count;
cnn_status cnn_schedule_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_schedule_settings *out, cnn_diag *diag);

/* What plateau has seen; zeroed at the start of a run, part of its state. */
struct cnn_plateau {
    double best, factor; /* factor 0 stands for 1 */
    size_t bad_epochs;
};

/* Factor on lr for the update after `step` updates of `steps`; steps_per_epoch turns epochs into
 * steps. */
double cnn_schedule_factor(const struct cnn_schedule_settings *schedule,
                           const struct cnn_plateau *plateau, size_t step, size_t steps,
                           size_t steps_per_epoch);
void cnn_plateau_update(const struct cnn_schedule_settings *schedule, struct cnn_plateau *plateau,
                        double val_loss);

#endif
