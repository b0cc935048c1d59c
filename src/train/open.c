/* Opening a run: a new one, with its directory, or one to go on with from its last checkpoint. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "tasks/metrics.h"
#include "train/agree.h"
#include "train/setup_internal.h"
#include "util/allocate.h"
#include "util/file.h"

bool cnn_training_leads(const struct cnn_training *training)
{
    return cnn_cluster_rank(training->cluster) == 0;
}

static cnn_status write_config(const struct cnn_training *t, cnn_diag *diag)
{
    const char *text = cnn_model_resolved(t->model);
    return cnn_file_write(t->run.config, text, strlen(text), diag);
}

static struct cnn_run_sizes checkpoint_sizes(const struct cnn_training *t)
{
    return (struct cnn_run_sizes){cnn_progress_bytes(t->model, NULL),
                                  cnn_progress_bytes(t->model, &t->step)};
}

/* All processes call it, and the first one saves. */
static cnn_status save_state(struct cnn_training *t, cnn_diag *diag)
{
    cnn_status status = cnn_step_collect(&t->step, diag);
    if (status == CNN_OK && cnn_training_leads(t))
        status = cnn_progress_save(&t->progress, t->model, &t->step, t->run.last, diag);
    cnn_step_release(&t->step);
    return status;
}

/* The film goes on after this epoch; that of a run without a step begins. */
static cnn_status open_film(struct cnn_training *t, size_t epoch, cnn_diag *diag)
{
    const char *damage = NULL;
    cnn_status status = cnn_filming_open(t->model, t->val, cnn_split_names[t->val_split],
                                         t->run.film, &t->filming, diag);
    if (status == CNN_OK)
        status = cnn_filming_resume(&t->filming, epoch, &damage, diag);
    if (status == CNN_OK && damage)
        cnn_training_note(t, "%s; the film of the run begins anew", damage);
    if (status == CNN_OK && t->progress.step == 0)
        status = cnn_filming_take(&t->filming, 0, diag);
    return status;
}

static cnn_status open_new(struct cnn_training *t, const cnn_train_options *options, cnn_diag *diag)
{
    cnn_status status = cnn_training_prepare(t, options, diag);
    if (status == CNN_OK)
        status = cnn_training_agree(t, diag);
    if (status == CNN_OK && cnn_training_leads(t))
        status =
            cnn_run_create(&t->run, options->directory, t->model->name, checkpoint_sizes(t), diag);
    /* A checkpoint before anything else: whatever ends the run, it can be gone on with. */
    if (status == CNN_OK)
        status = save_state(t, diag);
    if (status != CNN_OK || !cnn_training_leads(t))
        return status;
    status = write_config(t, diag);
    if (status == CNN_OK)
        status = cnn_run_open_tables(&t->run, t->model->task, 0, 0, 0, diag);
    return status == CNN_OK ? open_film(t, 0, diag) : status;
}

/* ---- Going on ---- */

bool cnn_training_complete(const struct cnn_training *training)
{
    const struct cnn_progress *progress = &training->progress;
    bool stops = cnn_stopping_reached(&training->model->recipe.early_stopping, &progress->stopping);
    return progress->images == 0 && (progress->step == training->steps || stops);
}

bool cnn_training_awaits_validation(const struct cnn_training *training)
{
    const struct cnn_progress *progress = &training->progress;
    return progress->images > 0 &&
           (progress->step % progress->steps_per_epoch == 0 || progress->step == training->steps);
}

static cnn_status check_progress(const struct cnn_training *t, size_t steps_per_epoch,
                                 cnn_diag *diag)
{
    if (t->progress.steps_per_epoch != steps_per_epoch) {
        cnn_fail(diag, CNN_INVALID, NULL,
                 "%s had %zu steps in an epoch; with this data and batch size there are %zu",
                 t->run.directory, t->progress.steps_per_epoch, steps_per_epoch);
        cnn_hint(diag, "a run goes on with the data and the batch size it began with");
        return CNN_INVALID;
    }
    if (t->progress.step > t->steps)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s is at step %zu, beyond the %zu that are wanted", t->run.directory,
                        t->progress.step, t->steps);
    return CNN_OK;
}

static cnn_status restore(struct cnn_training *t, struct cnn_safetensors *file,
                          const cnn_train_options *options, cnn_diag *diag)
{
    size_t count;
    cnn_status status = cnn_training_name_data(t, options->data_path, diag);
    const char **settings =
        status == CNN_OK ? cnn_training_settings(t, options, &count, diag) : NULL;
    if (!settings)
        return CNN_FAILED;
    const cnn_open_options open = {.overrides = settings, .override_count = count};
    status = cnn_model_from_checkpoint(file, &open, &t->model, diag);
    cnn_free(settings);
    if (status == CNN_OK)
        status = cnn_training_parts(t, options, diag);
    if (status != CNN_OK)
        return status;
    size_t steps_per_epoch = t->progress.steps_per_epoch;
    status = cnn_progress_load(file, t->model, &t->step, &t->progress, diag);
    return status == CNN_OK ? check_progress(t, steps_per_epoch, diag) : status;
}

static cnn_status open_undamaged(const char *path, struct cnn_safetensors **out, cnn_diag *diag)
{
    cnn_status status = cnn_safetensors_open(path, out, diag);
    if (status == CNN_OK && (status = cnn_safetensors_verify(*out, diag)) != CNN_OK)
        cnn_safetensors_close(*out);
    return status;
}

/* *damage is what open_undamaged says, in the run's arena, and *out NULL; or *damage is NULL. Fails
 * where memory or open files are wanting, which says nothing of the file. */
static cnn_status find_damage(struct cnn_training *t, const char *path,
                              struct cnn_safetensors **out, const char **damage, cnn_diag *diag)
{
    cnn_diag *own = cnn_diag_new();
    cnn_status status = CNN_OK;
    *damage = NULL;
    enum cnn_want want =
        !own || open_undamaged(path, out, own) != CNN_OK ? cnn_diag_want(own) : CNN_WANT_NOTHING;
    if (want != CNN_WANT_NOTHING) {
        status = cnn_fail_want(diag, want, 0, path);
    } else if (cnn_diag_count(own) > 0) {
        *out = NULL;
        *damage = cnn_arena_strdup(t->run.arena, cnn_diag_get(own, 0)->text);
        if (!*damage)
            status = cnn_fail_memory(diag, 0, path);
    }
    cnn_diag_free(own);
    return status;
}

/* The newest state; where that is damaged or gone, the one before it: *damage says so then. */
static cnn_status open_state(struct cnn_training *t, struct cnn_safetensors **out,
                             const char **damage, cnn_diag *diag)
{
    const char *earlier;
    cnn_status status = find_damage(t, t->run.last, out, damage, diag);
    if (status != CNN_OK || !*damage)
        return status;
    status = find_damage(t, t->run.previous, out, &earlier, diag);
    t->from_previous = status == CNN_OK && !earlier;
    if (status != CNN_OK || !earlier)
        return status;
    cnn_fail(diag, CNN_FAILED, NULL, "%s", *damage);
    cnn_hint(diag, "--resume wants the directory of a run that has saved a checkpoint");
    cnn_hint_near(diag, t->run.directory);
    return CNN_FAILED;
}

/* What is wrong with best.safetensors, for a run that has one; NULL: nothing. It may be newer than
 * the state: a crash comes between the two. */
static cnn_status doubt_best(struct cnn_training *t, const char **damage, cnn_diag *diag)
{
    struct cnn_safetensors *file;
    struct cnn_progress progress;
    cnn_status status = find_damage(t, t->run.best, &file, damage, diag);
    if (status != CNN_OK || *damage)
        return status;
    bool same =
        cnn_progress_load_best(file, &progress) &&
        (progress.step > t->progress.step || (progress.best_accuracy == t->progress.best_accuracy &&
                                              progress.best_loss == t->progress.best_loss));
    for (size_t i = 0; i < t->model->tensor_count && same; i++)
        same = cnn_model_fits(&t->model->tensors[i], file);
    cnn_safetensors_close(file);
    if (!same)
        *damage = cnn_arena_printf(t->run.arena, "%s is not the model that this run has kept",
                                   t->run.best);
    return same || *damage ? CNN_OK : cnn_fail_memory(diag, 0, t->run.best);
}

/* best.safetensors is looked at: where it is not what it should be, the next epoch is the best. */
static cnn_status check_best(struct cnn_training *t, cnn_diag *diag)
{
    const char *damage = NULL;
    cnn_status status = t->progress.epochs_logged > 0 ? doubt_best(t, &damage, diag) : CNN_OK;
    if (status != CNN_OK || !damage)
        return status;
    t->progress.best_accuracy = cnn_progress_start(0).best_accuracy;
    t->progress.best_loss = cnn_progress_start(0).best_loss;
    cnn_training_note(t, "%s; %s", damage,
                      cnn_training_complete(t) ? "it would be written anew after another epoch"
                                               : "it is written anew after the next epoch");
    return CNN_OK;
}

/* The state that the run goes on from takes the place of a damaged one, else the next save would
 * keep that as the one before it. The damaged one is put aside: it may have been a permission or
 * want of memory that kept it from being read. New settings go into the state, so that they hold
 * from here on whatever becomes of this process. */
static cnn_status settle_state(struct cnn_training *t, const cnn_train_options *options,
                               cnn_diag *diag)
{
    bool leads = cnn_training_leads(t);
    if (leads && t->from_previous &&
        ((rename(t->run.last, t->run.damaged) != 0 && errno != ENOENT) ||
         rename(t->run.previous, t->run.last) != 0))
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: %s", t->run.last,
                        strerror(errno));
    bool set = options->override_count > 0 || t->data_setting,
         changed = set && !cnn_training_complete(t);
    cnn_status status =
        leads && (changed || access(t->run.config, F_OK) != 0) ? write_config(t, diag) : CNN_OK;
    /* one process may have a setting that another has not: the place of its images */
    changed = cnn_cluster_any(t->cluster, changed) != 0;
    if (status == CNN_OK && changed && leads)
        status = cnn_file_keep(t->run.last, t->run.previous, diag);
    return status == CNN_OK && changed ? save_state(t, diag) : status;
}

static cnn_status open_resumed(struct cnn_training *t, const cnn_train_options *options,
                               cnn_diag *diag)
{
    struct cnn_safetensors *file;
    const char *damage;
    cnn_status status = cnn_training_leads(t) ? cnn_run_claim(&t->run, options->resume, diag)
                                              : cnn_run_locate(&t->run, options->resume, diag);
    if (status == CNN_OK)
        status = open_state(t, &file, &damage, diag);
    if (status != CNN_OK)
        return status;
    status = restore(t, file, options, diag);
    cnn_safetensors_close(file);
    if (status == CNN_OK && damage)
        cnn_training_note(t, "%s; the run goes on from last.previous.safetensors", damage);
    if (status == CNN_OK)
        status = check_best(t, diag);
    if (status == CNN_OK)
        status = cnn_training_agree(t, diag);
    if (status == CNN_OK && cnn_training_leads(t))
        status = cnn_run_check_room(&t->run, checkpoint_sizes(t), diag);
    if (status == CNN_OK)
        status = settle_state(t, options, diag);
    if (status != CNN_OK || !cnn_training_leads(t))
        return status;
    /* Health is measured after an epoch's last step, and before its validation, which may be left
     * to do. A run that ended within an epoch and is prolonged goes on in that epoch: its row is
     * cut off, for it comes again when the epoch is whole. */
    size_t step = t->progress.step, logged = t->progress.epochs_logged,
           measured = step / t->progress.steps_per_epoch;
    if (step == t->steps)
        measured = (step - 1) / t->progress.steps_per_epoch + 1;
    logged = logged < measured ? logged : measured;
    status = cnn_run_open_tables(&t->run, t->model->task, step, logged, measured, diag);
    return status == CNN_OK ? open_film(t, logged, diag) : status;
}

cnn_status cnn_training_open(struct cnn_training *training, const cnn_train_options *options,
                             cnn_diag *diag)
{
    const char *directory = options->resume ? options->resume : options->directory;
    if (directory && !*directory)
        return cnn_fail(diag, CNN_INVALID, NULL, "the name of the run's directory is empty");
    return options->resume ? open_resumed(training, options, diag)
                           : open_new(training, options, diag);
}

void cnn_training_close(struct cnn_training *training)
{
    cnn_health_close(&training->health);
    cnn_filming_close(&training->filming);
    cnn_samples_free(&training->samples);
    cnn_metrics_free(&training->evaluation);
    cnn_evaluator_close(&training->evaluator);
    cnn_step_close(&training->step);
    cnn_frozen_close(&training->frozen);
    cnn_loader_free(training->loader);
    cnn_dataset_free(training->train);
    cnn_dataset_free(training->val);
    cnn_run_close(&training->run);
    cnn_model_free(training->model);
    cnn_scaling_free(&training->scaling);
    cnn_free(training->data_setting);
}
