/* Learning-rate schedules, as a factor on the optimiser's lr: the list of them, from schedules.def,
 * and the linear warm-up that comes before each. */
#include "recipe/schedule.h"

#include <math.h>

#include "recipe/schedule_type.h"

#define SCHEDULE(name) extern const struct cnn_schedule_type cnn_schedule_##name;
#include "recipe/schedules.def"
#undef SCHEDULE

#define SCHEDULE(name) &cnn_schedule_##name.variant,
static const struct cnn_variant *const variants[] = {
#include "recipe/schedules.def"
};
#undef SCHEDULE

const struct cnn_kind cnn_schedules = {
    .what = "schedule", .variants = variants, .count = sizeof variants / sizeof *variants};

cnn_status cnn_schedule_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_schedule_settings *out, cnn_diag *diag)
{
    const struct cnn_variant *chosen;
    void *settings;
    cnn_status status = cnn_kind_read(arena, &cnn_schedules, node, &chosen, &settings, diag);
    if (status == CNN_OK)
        *out = (struct cnn_schedule_settings){.type = (const struct cnn_schedule_type *)chosen,
                                              .own = settings};
    return status;
}

double cnn_schedule_factor(const struct cnn_schedule_settings *schedule,
                           const struct cnn_plateau *plateau, size_t step, size_t steps,
                           size_t steps_per_epoch)
{
    double warmup = round(schedule->own->warmup_epochs * (double)steps_per_epoch);
    if ((double)step < warmup)
        return ((double)step + 1) / warmup;
    if (!schedule->type->factor)
        return 1;
    const struct cnn_schedule_time time = {.step = (double)step - warmup,
                                           .steps = (double)steps - warmup,
                                           .run_step = step,
                                           .steps_per_epoch = steps_per_epoch,
                                           .plateau = plateau};
    return schedule->type->factor(schedule->own, &time);
}

void cnn_plateau_update(const struct cnn_schedule_settings *schedule, struct cnn_plateau *plateau,
                        double val_loss)
{
    if (schedule->type->validated)
        schedule->type->validated(schedule->own, plateau, val_loss);
}
