/* Training: the loop over steps and epochs, and what it does when the loss is lost or a signal
 * comes. */
#include "train/trainer.h"

#include <string.h>

#include "train/check.h"
#include "train/damage.h"
#include "train/hold.h"
#include "util/allocate.h"
#include "util/clock.h"
#include "util/file.h"

/* All ranks stop after the same step, or save, when one of them is asked to; time is measured by
 * rank 0 alone. A rank that is gone is noticed here, too. */
static cnn_status agree(struct cnn_trainer_state *r)
{
    enum { STOP = 1, SAVE = 2 };
    bool due =
        cnn_training_leads(&r->t) && cnn_now() - r->saved >= 60 * r->t.model->recipe.save_every;
    unsigned flags = r->stopping || cnn_flag_raised(r->options->stop) ? STOP : 0;
    flags |= due || cnn_flag_raised(r->options->save) ? SAVE : 0;
    flags = cnn_cluster_any(r->t.cluster, flags);
    r->stop = (flags & STOP) != 0;
    r->save = (flags & SAVE) != 0;
    return cnn_cluster_check(r->t.cluster, r->diag);
}

/* The next value of a mean over about the last ten; 0 stands for: none yet. */
static double running_mean(double mean, double value)
{
    return mean > 0 ? 0.9 * mean + 0.1 * value : value;
}

/* One update by a batch, of which this process has its own images. */
static cnn_status update(struct cnn_trainer_state *r, const struct cnn_batch *batch, double lr,
                         struct cnn_loss_result *out)
{
    struct cnn_batch own = *batch;
    own.n = batch->own;
    own.index += batch->first;
    if (r->t.frozen.cut > 0)
        cnn_frozen_forward(&r->t.frozen, &r->t.frozen.train, &own, cnn_plan_input(r->t.step.plan));
    else
        memcpy(cnn_plan_input(r->t.step.plan), own.images,
               own.n * cnn_shape_count(r->t.model->graph.input) * sizeof(float));
    const struct cnn_targets targets = {batch->labels, batch->others, batch->shares};
    *out = cnn_step_run(&r->t.step, batch->n, &targets, lr);
    cnn_status status = cnn_cluster_check(r->t.cluster, r->diag);
    if (status == CNN_OK && !out->finite)
        status = cnn_trainer_fail_divergence(r, "the loss is", r->t.progress.step + 1);
    return status;
}

static cnn_status take_step(struct cnn_trainer_state *r)
{
    struct cnn_progress *progress = &r->t.progress;
    double begun = cnn_now(), lr = cnn_trainer_rate_at(r, progress->step);
    const struct cnn_batch *batch = cnn_loader_next(r->t.loader);
    if (!batch)
        return cnn_fail(r->diag, CNN_FAILED, NULL,
                        "the training images ended before the epoch did");
    size_t n = batch->n;
    bool last =
        (progress->step + 1) % progress->steps_per_epoch == 0 || progress->step + 1 == r->t.steps;
    r->t.step.watcher = last ? cnn_health_watcher(&r->t.health) : (struct cnn_step_watcher){0};
    if (last)
        cnn_health_before_step(&r->t.health, r->t.step.parameters);
    struct cnn_loss_result result;
    cnn_status status = update(r, batch, lr, &result);
    if (status != CNN_OK)
        return status;
    progress->step++;
    if (last)
        cnn_health_after_step(&r->t.health, cnn_trainer_epoch_of(r, progress->step),
                              r->t.step.parameters, lr / r->t.model->recipe.optimizer.lr);
    progress->loss_sum += result.loss;
    progress->loss_weight += result.weight;
    progress->images += n;
    progress->correct += result.correct;
    double loss = result.loss / result.weight;
    r->recent[progress->step % CNN_TRAINER_RECENT] = loss;
    r->seconds_per_image = running_mean(r->seconds_per_image, (cnn_now() - begun) / (double)n);
    r->event.lr = lr;
    r->event.loss = progress->loss_sum / progress->loss_weight;
    r->event.accuracy = (double)progress->correct / (double)progress->images;
    cnn_trainer_emit(r, CNN_EVENT_STEP);
    if (progress->step % r->t.model->recipe.log_every != 0 && progress->step != r->t.steps)
        return CNN_OK;
    const struct cnn_step_row row = {.step = progress->step,
                                     .epoch = cnn_trainer_epoch_of(r, progress->step),
                                     .loss = loss,
                                     .lr = lr,
                                     .images_per_s = 1 / r->seconds_per_image};
    return cnn_run_log_step(&r->t.run, &row, r->diag);
}

static int report_validation(void *context, size_t images, size_t total)
{
    struct cnn_trainer_state *r = context;
    r->event.images = images;
    r->event.images_total = total;
    cnn_trainer_emit(r, CNN_EVENT_VALIDATE);
    return r->stopping;
}

static void tell(void *context, const char *text)
{
    cnn_trainer_warn(context, text);
}

static cnn_status validate(struct cnn_trainer_state *r)
{
    struct cnn_loss_result sum;
    double begun = cnn_now();
    r->validated = false;
    cnn_evaluate_options options = {
        .progress = report_validation, .context = r, .stop = r->options->stop};
    cnn_status status =
        cnn_evaluator_run(&r->t.evaluator, &options, &r->t.evaluation, &r->t.samples, &sum);
    if (status == CNN_FAILED)
        return cnn_cluster_check(r->t.cluster, r->diag);
    if (status != CNN_OK)
        return status;
    if (!sum.finite)
        return cnn_trainer_fail_divergence(r, "the validation loss is", r->t.progress.step);
    r->validated = true;
    r->validation_seconds = running_mean(r->validation_seconds, cnn_now() - begun);
    return cnn_damage_report(r->t.cluster, r->t.val, tell, r, r->diag);
}

static cnn_status save_last(struct cnn_trainer_state *r)
{
    bool asked = cnn_flag_lower(r->options->save);
    cnn_status status = cnn_step_collect(&r->t.step, r->diag);
    if (status == CNN_OK && cnn_training_leads(&r->t))
        status = cnn_file_keep(r->t.run.last, r->t.run.previous, r->diag);
    if (status == CNN_OK && cnn_training_leads(&r->t))
        status = cnn_progress_save(&r->t.progress, r->t.model, &r->t.step, r->t.run.last, r->diag);
    cnn_step_release(&r->t.step);
    if (status != CNN_OK)
        return status;
    r->saved = cnn_now();
    if (asked)
        cnn_trainer_emit(r, CNN_EVENT_SAVE);
    return CNN_OK;
}

/* Within an epoch, which may take hours, the state is saved when it is asked for, and from time to
 * time. */
static cnn_status save_if_due(struct cnn_trainer_state *r)
{
    cnn_status status = agree(r);
    return status == CNN_OK && r->save ? save_last(r) : status;
}

/* The row and the frame of the film come before last.safetensors: where a crash falls between them,
 * resuming cuts them and writes them again. */
static cnn_status record_epoch(struct cnn_trainer_state *r)
{
    const cnn_event *event = &r->event;
    struct cnn_epoch_row row = {.epoch = r->t.progress.epochs_logged,
                                .train_loss = event->loss,
                                .train_measure = event->accuracy,
                                .val_loss = event->val_loss,
                                .val_measure = event->val_accuracy,
                                .lr = event->lr,
                                .seconds = event->seconds};
    cnn_status status = cnn_run_log_epoch(&r->t.run, &row, r->diag);
    if (status == CNN_OK)
        status = cnn_filming_take(&r->t.filming, row.epoch, r->diag);
    bool best = event->best || r->t.model->recipe.keep == CNN_KEEP_LAST;
    if (status == CNN_OK && best && cnn_training_leads(&r->t))
        status = cnn_progress_save(&r->t.progress, r->t.model, NULL, r->t.run.best, r->diag);
    return status == CNN_OK ? save_last(r) : status;
}

/* What this rank has sent for each step of the epoch. */
static void count_sent(struct cnn_trainer_state *r)
{
    size_t steps = r->t.progress.step - r->epoch_step;
    double sent = cnn_cluster_counts(r->t.cluster).sent - r->counted.sent;
    r->event.sent = steps > 0 ? sent / (double)steps : 0;
}

static cnn_status finish_epoch(struct cnn_trainer_state *r)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    struct cnn_progress *progress = &r->t.progress;
    r->event.loss = progress->loss_sum / progress->loss_weight;
    r->event.accuracy = (double)progress->correct / (double)progress->images;
    r->event.lr = cnn_trainer_rate_at(r, progress->step - 1);
    count_sent(r); /* validation sends, too */
    cnn_status status = validate(r);
    if (status != CNN_OK)
        return status;
    const struct cnn_task *task = r->t.model->task;
    const struct cnn_score score = task->score(&r->t.evaluation),
                           best = {progress->best_accuracy, progress->best_loss};
    r->event.val_loss = score.loss;
    r->event.val_accuracy = score.measure;
    bool better = task->better(score, best);
    r->event.best = better && recipe->keep == CNN_KEEP_BEST;
    if (better || recipe->keep == CNN_KEEP_LAST) {
        progress->best_accuracy = score.measure;
        progress->best_loss = score.loss;
    }
    cnn_plateau_update(&recipe->schedule, &progress->plateau, score.loss);
    cnn_stopping_update(&recipe->early_stopping, &progress->stopping, score.loss);
    progress->epochs_logged = cnn_trainer_epoch_of(r, progress->step);
    progress->loss_sum = progress->loss_weight = 0;
    progress->images = progress->correct = 0;
    r->event.seconds = cnn_now() - r->epoch_started;
    r->event.waited = cnn_cluster_counts(r->t.cluster).waited - r->counted.waited;
    if ((status = record_epoch(r)) != CNN_OK)
        return status;
    cnn_trainer_emit(r, CNN_EVENT_EPOCH);
    cnn_health_tell(&r->t.health, r->event.loss, tell, r);
    cnn_trainer_write_report(r, true, NULL);
    return CNN_OK;
}

static cnn_status interrupt(struct cnn_trainer_state *r)
{
    cnn_status status = save_last(r);
    if (status != CNN_OK)
        return status;
    cnn_fail(r->diag, CNN_INTERRUPTED, NULL,
             "interrupted after step %zu of %zu; everything is saved", r->t.progress.step,
             r->t.steps);
    char *run = r->t.run.directory ? cnn_shell_word(r->t.run.directory) : NULL;
    if (run)
        cnn_hint(r->diag, "go on with: %s train --resume %s", cnn_program(), run);
    cnn_free(run);
    return CNN_INTERRUPTED;
}

/* Before the validation: should that be left to a resumed run, the gradients of the epoch's last
 * step would be lost. */
static cnn_status record_health(struct cnn_trainer_state *r)
{
    cnn_health_probe(&r->t.health);
    cnn_status status = cnn_dataset_memory(r->t.val, r->diag);
    return status == CNN_OK
               ? cnn_run_log_health(&r->t.run, r->t.health.rows, r->t.health.count, r->diag)
               : status;
}

static void tell_held(struct cnn_trainer_state *r)
{
    cnn_training_tell_held(&r->t, &r->event);
    cnn_trainer_emit(r, CNN_EVENT_HOLD);
}

/* From where the run stands to the end of its epoch; nothing where that is reached already and only
 * the validation is left. */
static cnn_status run_epoch(struct cnn_trainer_state *r)
{
    const struct cnn_progress *progress = &r->t.progress;
    size_t per_epoch = progress->steps_per_epoch;
    cnn_status status = CNN_OK;
    r->epoch_started = cnn_now();
    r->counted = cnn_cluster_counts(r->t.cluster);
    r->epoch_step = progress->step;
    if (cnn_training_awaits_validation(&r->t))
        return CNN_OK;
    if (cnn_training_release_due(&r->t)) {
        status = cnn_training_release(&r->t, r->diag);
        tell_held(r);
    }
    if (status != CNN_OK)
        return status;
    if (r->t.held)
        cnn_loader_bare(r->t.loader, cnn_kept_whole(&r->t.frozen.train));
    cnn_loader_start(r->t.loader, progress->step / per_epoch, progress->step % per_epoch);
    do {
        status = take_step(r);
        if (status == CNN_OK)
            status = cnn_dataset_memory(r->t.train, r->diag);
        if (status == CNN_OK && cnn_training_awaits_validation(&r->t))
            status = record_health(r); /* before a save, which says that it is done */
        if (status == CNN_OK)
            status = save_if_due(r);
        if (status == CNN_OK)
            status = cnn_trainer_show(r);
    } while (status == CNN_OK && progress->step % per_epoch != 0 && progress->step < r->t.steps &&
             !r->stop);
    return status == CNN_OK ? cnn_damage_report(r->t.cluster, r->t.train, tell, r, r->diag)
                            : status;
}

static cnn_status end(struct cnn_trainer_state *r)
{
    struct cnn_text text = {0};
    size_t epoch = cnn_trainer_epoch_of(r, r->t.progress.step),
           bad = r->t.progress.stopping.bad_epochs;
    if (cnn_trainer_stopped_early(r) && r->t.progress.step > r->first_step)
        cnn_text_printf(
            &text, "ended after epoch %zu of %zu: %zu epoch%s without a better validation loss",
            epoch, r->t.epochs, bad, bad == 1 ? "" : "s");
    r->event.seconds = cnn_now() - r->started;
    r->event.text = text.data;
    cnn_trainer_emit(r, CNN_EVENT_END);
    cnn_text_free(&text);
    return CNN_OK;
}

/* Once in a process: layers that are frozen stay so when the run goes on. */
static cnn_status begin(struct cnn_trainer_state *r)
{
    if (r->begun || cnn_training_complete(&r->t))
        return CNN_OK;
    r->begun = true;
    cnn_status status = cnn_training_hold(&r->t, r->diag);
    if (status == CNN_OK && r->t.held)
        tell_held(r);
    return status;
}

static cnn_status run(struct cnn_trainer_state *r)
{
    r->first_step = r->t.progress.step;
    cnn_status begun = begin(r);
    if (begun != CNN_OK)
        return begun;
    while (!cnn_training_complete(&r->t)) {
        cnn_status status = agree(r);
        if (status == CNN_OK && r->stop)
            return interrupt(r);
        if (status == CNN_OK)
            status = run_epoch(r);
        if (status == CNN_OK && r->stop)
            return interrupt(r);
        if (status == CNN_OK)
            status = finish_epoch(r);
        if (status == CNN_INTERRUPTED)
            return interrupt(r);
        if (status != CNN_OK)
            return status;
    }
    return end(r);
}

static const cnn_message *newest_error(const cnn_diag *diag)
{
    for (size_t i = diag ? cnn_diag_count(diag) : 0; i > 0; i--)
        if (!cnn_diag_get(diag, i - 1)->warning)
            return cnn_diag_get(diag, i - 1);
    return NULL;
}

/* The page says why the run is over; and the error, unless it comes with other advice, how to go
 * on. */
static void close_run(struct cnn_trainer_state *r, cnn_status status)
{
    const cnn_message *error = status == CNN_OK ? NULL : newest_error(r->diag);
    bool advise = error && !error->hint && r->t.run.directory;
    char *run = advise ? cnn_shell_word(r->t.run.directory) : NULL;
    if (run)
        cnn_hint(r->diag,
                 "what was saved before is whole; once this is mended: %s train --resume %s",
                 cnn_program(), run);
    cnn_free(run);
    if (r->report_open)
        cnn_trainer_write_report(r, false, error ? error->text : NULL);
}

/* What training takes follows the batch more than all else. */
static void hint_memory(cnn_diag *diag)
{
    const cnn_message *error = newest_error(diag);
    if (error && !error->hint && cnn_diag_out_of_memory(diag))
        cnn_hint(diag, "a smaller train.batch_size takes less");
}

struct cnn_trainer {
    cnn_train_options options;
    struct cnn_trainer_state r;
    bool ended; /* it failed, or the run is complete */
};

static cnn_status check_options(const cnn_train_options *options, const char *function,
                                cnn_diag *diag)
{
    if (!options || (!options->config && !options->resume) ||
        !cnn_words_given(options->overrides, options->override_count))
        return cnn_fail_missing(diag, function,
                                "options with a config or a run to resume, or an override");
    if (options->version > CNN_TRAIN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_train_options", options->version,
                                CNN_TRAIN_OPTIONS_VERSION);
    return CNN_OK;
}

/* Advice, and word to the other processes, to which nothing is sent any more. */
static void tell_failure(const struct cnn_trainer_state *r, cnn_status status)
{
    if (status == CNN_FAILED)
        hint_memory(r->diag);
    if (status != CNN_OK && status != CNN_INTERRUPTED)
        cnn_cluster_fail(r->options->cluster, status, r->diag);
}

static cnn_status trainer_open(const cnn_train_options *options, cnn_trainer **out, cnn_diag *diag)
{
    cnn_trainer *trainer = cnn_calloc(1, sizeof *trainer);
    if (!trainer)
        return cnn_fail_memory(diag, sizeof *trainer, "a run");
    struct cnn_trainer_state *r = &trainer->r;
    trainer->options = *options;
    r->options = &trainer->options;
    r->diag = diag;
    r->started = r->saved = cnn_now();
    r->t.cluster = options->cluster;
    cnn_status status = cnn_training_open(&r->t, r->options, diag);
    if (status != CNN_OK) {
        tell_failure(r, status);
        cnn_trainer_free(trainer);
        return status;
    }
    cnn_trainer_announce(r);
    if (r->t.progress.step == 0 && !r->t.cluster) /* its time decides how much it computes */
        cnn_check_quickly(&r->t, tell, r);
    *out = trainer;
    return CNN_OK;
}

cnn_status cnn_trainer_new(const cnn_train_options *options, cnn_trainer **out, cnn_diag *diag)
{
    cnn_status status = check_options(options, "cnn_trainer_new", diag);
    if (status == CNN_OK && !out)
        status = cnn_fail_missing(diag, "cnn_trainer_new", "out");
    return status == CNN_OK ? trainer_open(options, out, diag) : status;
}

cnn_status cnn_trainer_run(cnn_trainer *trainer, cnn_diag *diag)
{
    if (!trainer)
        return cnn_fail_missing(diag, "cnn_trainer_run", "trainer");
    if (trainer->ended)
        return cnn_fail(diag, CNN_INVALID, NULL, "the run is over");
    trainer->r.diag = diag;
    cnn_status status = run(&trainer->r);
    close_run(&trainer->r, status);
    tell_failure(&trainer->r, status);
    trainer->r.stopping = false;
    trainer->ended = status != CNN_INTERRUPTED;
    return status;
}

void cnn_trainer_free(cnn_trainer *trainer)
{
    if (!trainer)
        return;
    cnn_training_close(&trainer->r.t);
    cnn_free(trainer);
}

cnn_status cnn_train(const cnn_train_options *options, cnn_diag *diag)
{
    cnn_trainer *trainer = NULL;
    cnn_status status = check_options(options, "cnn_train", diag);
    if (status == CNN_OK)
        status = trainer_open(options, &trainer, diag);
    if (status == CNN_OK)
        status = cnn_trainer_run(trainer, diag);
    cnn_trainer_free(trainer);
    return status;
}
