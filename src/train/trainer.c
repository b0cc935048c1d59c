/* Training: the loop over steps and epochs, what it reports, and what it does when the loss is lost
 * or a signal comes. */
#include <math.h>
#include <string.h>

#include "cluster/cluster.h"
#include "recipe/schedule_type.h"
#include "report/report.h"
#include "train/check.h"
#include "train/hold.h"
#include "util/allocate.h"
#include "util/clock.h"
#include "util/file.h"

#define RECENT 5 /* losses that the message about a lost run shows */
/* seconds until report.html is written again: a browser reads it every few, and epochs may take but
 * milliseconds */
#define REPORT_PAUSE 0.5

struct trainer {
    const cnn_train_options *options;
    cnn_diag *diag;
    struct cnn_training t;
    cnn_event event; /* filled in as things become known */
    double started, epoch_started;
    struct cnn_cluster_counts counted;            /* when the epoch started */
    size_t epoch_step;                            /* likewise */
    double seconds_per_image, validation_seconds; /* running means */
    double recent[RECENT];                        /* ring: the loss of step s is at s % RECENT */
    size_t first_step;                            /* of this process */
    double saved;                                 /* when last.safetensors was written */
    bool begun;                                   /* begin() was called */
    bool stopping;                                /* options->event wants it so */
    bool stop, save;                              /* what all ranks have agreed on */
    bool validated;                               /* t.evaluation and t.samples are whole */
    /* the page in the run's directory says that the run goes on */
    bool report_open;
    bool report_failed; /* which was said */
    double report_due;  /* when it may be written again */
};

/* All ranks stop after the same step, or save, when one of them is asked to; time is measured by
 * rank 0 alone. A rank that is gone is noticed here, too. */
static cnn_status agree(struct trainer *r)
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

/* Number of the epoch that update `step` (from 1) belongs to. */
static size_t epoch_of(const struct trainer *r, size_t step)
{
    return step ? (step - 1) / r->t.progress.steps_per_epoch + 1 : 1;
}

static double rate_at(const struct trainer *r, size_t step)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    return recipe->optimizer.lr * cnn_schedule_factor(&recipe->schedule, &r->t.progress.plateau,
                                                      step, r->t.steps,
                                                      r->t.progress.steps_per_epoch);
}

static void emit(struct trainer *r, enum cnn_event_kind kind)
{
    const struct cnn_progress *progress = &r->t.progress;
    cnn_event *event = &r->event;
    if (!r->options->event || !cnn_training_leads(&r->t))
        return;
    event->kind = kind;
    event->step = progress->step;
    event->epoch = epoch_of(r, progress->step);
    event->step_in_epoch = progress->step - (event->epoch - 1) * progress->steps_per_epoch;
    event->best_accuracy = progress->best_accuracy;
    event->images_per_s = r->seconds_per_image > 0 ? 1 / r->seconds_per_image : 0;
    event->seconds_left = (double)(r->t.steps - progress->step) *
                              (double)r->t.model->recipe.batch_size * r->seconds_per_image +
                          (double)(r->t.epochs - event->epoch) * r->validation_seconds;
    if (r->options->event(r->options->context, event) != 0)
        r->stopping = true;
}

static void warn(struct trainer *r, const char *text)
{
    r->event.text = text;
    emit(r, CNN_EVENT_WARNING);
    r->event.text = NULL;
}

static void warn_of_report(struct trainer *r, const cnn_message *message)
{
    struct cnn_text text = {0};
    cnn_text_printf(&text, "report.html is not up to date");
    if (message && message->file)
        cnn_text_printf(&text, ": %s:%zu:%zu", message->file, message->line, message->column);
    if (message)
        cnn_text_printf(&text, ": %s", message->text);
    warn(r, text.failed ? "report.html is not up to date" : text.data);
    cnn_text_free(&text);
}

/* Rewrites report.html; end: why a run is over that is not complete. Training does not end because
 * that fails. */
static void write_report(struct trainer *r, bool running, const char *end)
{
    struct cnn_report report = {.title = r->t.run.directory,
                                .directory = r->t.run.directory,
                                .running = running,
                                .step = r->t.progress.step,
                                .end = end,
                                .model = r->t.model,
                                .evaluation = r->validated ? &r->t.evaluation : NULL,
                                .samples = r->validated ? &r->t.samples : NULL};
    if (!cnn_training_leads(&r->t) || (running && cnn_now() < r->report_due))
        return;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_report_write(r->t.run.report, &report, diag);
    if (status != CNN_OK && !r->report_failed)
        warn_of_report(r, diag && cnn_diag_count(diag) ? cnn_diag_get(diag, 0) : NULL);
    r->report_failed = r->report_failed || status != CNN_OK;
    r->report_open = running;
    r->report_due = cnn_now() + REPORT_PAUSE;
    cnn_diag_free(diag);
}

/* A complete run that has not taken all its steps. */
static bool stopped_early(const struct trainer *r)
{
    return cnn_training_complete(&r->t) && r->t.progress.step < r->t.steps;
}

/* Validation is by the test images: what they decide on is said. */
static void warn_of_choice(struct trainer *r)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    if (recipe->keep == CNN_KEEP_BEST)
        warn(r, "validation uses the test images, so best.safetensors is chosen by them; "
                "data.val_split sets training images aside instead, and "
                "train.keep: last chooses none");
    else if (recipe->early_stopping.patience > 0)
        warn(r, "validation uses the test images, so the end of the run is chosen by them; "
                "data.val_split sets training images aside instead");
    else if (recipe->schedule.type->validated)
        warn(r, "validation uses the test images, so the learning rate follows them; "
                "data.val_split sets training images aside instead");
}

static void announce(struct trainer *r)
{
    r->event = (cnn_event){
        .directory = r->t.run.directory,
        .params = r->t.params,
        .train_images = cnn_dataset_count(r->t.train),
        .val_images = cnn_dataset_count(r->t.val),
        .step = r->t.progress.step,
        .steps = r->t.steps,
        .epochs = r->t.epochs,
        .steps_in_epoch = r->t.progress.steps_per_epoch,
        .lr = rate_at(r, r->t.progress.step),
    };
    r->event.text = r->t.scaling.text;
    emit(r, CNN_EVENT_START);
    r->event.text = NULL;
    for (size_t i = 0; i < r->t.notice_count; i++)
        warn(r, r->t.notices[i]);
    if (r->t.val_split == CNN_SPLIT_TEST)
        warn_of_choice(r);
    if (stopped_early(r))
        warn(r, "the run is complete, ended by early stopping; a larger "
                "train.early_stopping.patience would let it go on");
    else if (cnn_training_complete(&r->t)) /* its page is, too */
        warn(r, "the run is complete; a larger train.epochs or train.steps would let it go on");
    else
        write_report(r, true, NULL);
}

static bool has_layer(const struct cnn_graph *graph, const char *type)
{
    for (size_t i = 0; i < graph->count; i++)
        if (strcmp(graph->nodes[i].type->variant.name, type) == 0)
            return true;
    return false;
}

/* Advice for a loss that is no number any more, by what the description lacks. */
static void hint_divergence(const struct trainer *r)
{
    const cnn_model *model = r->t.model;
    const char *warmup = model->recipe.schedule.own->warmup_epochs > 0
                             ? ""
                             : "; or let the rate rise slowly: train.schedule.warmup_epochs: 1";
    const char *norm =
        has_layer(&model->graph, "batch_norm") ? "" : "; or put a batch_norm after each conv";
    const char *pixels =
        model->data.normalize_auto || model->data.fixed.channels ? "" : "; or data.normalize: auto";
    cnn_hint(r->diag, "try train.optimizer.lr: %g%s%s%s", model->recipe.optimizer.lr / 10, warmup,
             norm, pixels);
}

/* What is not finite, e.g. "the loss is", at update `step` (from 1). The checkpoints stay as they
 * were: the last good ones. */
static cnn_status fail_divergence(const struct trainer *r, const char *what, size_t step)
{
    struct cnn_text losses = {0};
    for (size_t s = step > RECENT ? step - RECENT : 1; s < step; s++)
        if (s > r->first_step)
            cnn_text_printf(&losses, "%s%.4g",
                            losses.size ? ", " : "; the losses before it: ", r->recent[s % RECENT]);
    cnn_fail(r->diag, CNN_FAILED, NULL,
             "%s not a finite number at step %zu (epoch %zu, learning rate %g)%s", what, step,
             epoch_of(r, step), rate_at(r, step - 1), losses.data ? losses.data : "");
    cnn_text_free(&losses);
    hint_divergence(r);
    return CNN_FAILED;
}

/* One update by a batch, of which this process has its own images. */
static cnn_status update(struct trainer *r, const struct cnn_batch *batch, double lr,
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
        status = fail_divergence(r, "the loss is", r->t.progress.step + 1);
    return status;
}

static cnn_status take_step(struct trainer *r)
{
    struct cnn_progress *progress = &r->t.progress;
    double begun = cnn_now(), lr = rate_at(r, progress->step);
    const struct cnn_batch *batch = cnn_loader_next(r->t.loader);
    if (!batch)
        return cnn_fail(r->diag, CNN_FAILED, NULL,
                        "the training images ended before the epoch did");
    size_t n = batch->n;
    bool last =
        (progress->step + 1) % progress->steps_per_epoch == 0 || progress->step + 1 == r->t.steps;
    if (last)
        cnn_health_before_step(&r->t.health, r->t.step.parameters);
    struct cnn_loss_result result;
    cnn_status status = update(r, batch, lr, &result);
    if (status != CNN_OK)
        return status;
    progress->step++;
    if (last)
        cnn_health_after_step(&r->t.health, epoch_of(r, progress->step), r->t.step.parameters,
                              cnn_plan_parameter_gradients(r->t.step.plan),
                              lr / r->t.model->recipe.optimizer.lr);
    progress->loss_sum += result.loss;
    progress->loss_weight += result.weight;
    progress->images += n;
    progress->correct += result.correct;
    double loss = result.loss / result.weight;
    r->recent[progress->step % RECENT] = loss;
    r->seconds_per_image = running_mean(r->seconds_per_image, (cnn_now() - begun) / (double)n);
    r->event.lr = lr;
    r->event.loss = progress->loss_sum / progress->loss_weight;
    r->event.accuracy = (double)progress->correct / (double)progress->images;
    emit(r, CNN_EVENT_STEP);
    if (progress->step % r->t.model->recipe.log_every != 0 && progress->step != r->t.steps)
        return CNN_OK;
    const struct cnn_step_row row = {.step = progress->step,
                                     .epoch = epoch_of(r, progress->step),
                                     .loss = loss,
                                     .lr = lr,
                                     .images_per_s = 1 / r->seconds_per_image};
    return cnn_run_log_step(&r->t.run, &row, r->diag);
}

static int report_validation(void *context, size_t images, size_t total)
{
    struct trainer *r = context;
    r->event.images = images;
    r->event.images_total = total;
    emit(r, CNN_EVENT_VALIDATE);
    return r->stopping && !r->t.cluster;
}

static void tell(void *context, const char *text)
{
    warn(context, text);
}

static cnn_status validate(struct trainer *r)
{
    struct cnn_loss_result sum;
    double begun = cnn_now();
    r->validated = false;
    cnn_evaluate_options options = {.progress = report_validation,
                                    .context = r,
                                    .stop = r->t.cluster ? NULL : r->options->stop}; /* ranks stop
                                                                                        after the
                                                                                        same step */
    cnn_status status =
        cnn_evaluator_run(&r->t.evaluator, &options, &r->t.evaluation, &r->t.samples, &sum);
    if (status != CNN_OK)
        return status;
    if (!sum.finite)
        return fail_divergence(r, "the validation loss is", r->t.progress.step);
    r->validated = true;
    r->validation_seconds = running_mean(r->validation_seconds, cnn_now() - begun);
    return cnn_dataset_report(r->t.val, tell, r, r->diag);
}

static cnn_status save_last(struct trainer *r)
{
    bool asked = cnn_flag_lower(r->options->save);
    if (!cnn_training_leads(&r->t))
        return CNN_OK;
    cnn_status status = cnn_file_keep(r->t.run.last, r->t.run.previous, r->diag);
    if (status == CNN_OK)
        status = cnn_progress_save(&r->t.progress, r->t.model, &r->t.step, r->t.run.last, r->diag);
    if (status != CNN_OK)
        return status;
    r->saved = cnn_now();
    if (asked)
        emit(r, CNN_EVENT_SAVE);
    return CNN_OK;
}

/* Within an epoch, which may take hours, the state is saved when it is asked for, and from time to
 * time. */
static cnn_status save_if_due(struct trainer *r)
{
    cnn_status status = agree(r);
    return status == CNN_OK && r->save ? save_last(r) : status;
}

/* The row comes before last.safetensors: where a crash falls between them, resuming cuts the row
 * and writes it again. */
static cnn_status record_epoch(struct trainer *r)
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
    bool best = event->best || r->t.model->recipe.keep == CNN_KEEP_LAST;
    if (status == CNN_OK && best && cnn_training_leads(&r->t))
        status = cnn_progress_save(&r->t.progress, r->t.model, NULL, r->t.run.best, r->diag);
    return status == CNN_OK ? save_last(r) : status;
}

/* What this rank has sent and received since the epoch started, and how long it has waited. */
static void count_exchange(struct trainer *r)
{
    const struct cnn_cluster_counts now = cnn_cluster_counts(r->t.cluster);
    size_t steps = r->t.progress.step - r->epoch_step;
    r->event.sent = steps > 0 ? (now.sent - r->counted.sent) / (double)steps : 0;
    r->event.waited = now.waited - r->counted.waited;
}

static cnn_status finish_epoch(struct trainer *r)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    struct cnn_progress *progress = &r->t.progress;
    r->event.loss = progress->loss_sum / progress->loss_weight;
    r->event.accuracy = (double)progress->correct / (double)progress->images;
    r->event.lr = rate_at(r, progress->step - 1);
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
    progress->epochs_logged = epoch_of(r, progress->step);
    progress->loss_sum = progress->loss_weight = 0;
    progress->images = progress->correct = 0;
    r->event.seconds = cnn_now() - r->epoch_started;
    count_exchange(r);
    if ((status = record_epoch(r)) != CNN_OK)
        return status;
    emit(r, CNN_EVENT_EPOCH);
    cnn_health_tell(&r->t.health, r->event.loss, tell, r);
    write_report(r, true, NULL);
    return CNN_OK;
}

static cnn_status interrupt(struct trainer *r)
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
static cnn_status record_health(struct trainer *r)
{
    cnn_health_probe(&r->t.health);
    cnn_status status = cnn_dataset_memory(r->t.val, r->diag);
    return status == CNN_OK
               ? cnn_run_log_health(&r->t.run, r->t.health.rows, r->t.health.count, r->diag)
               : status;
}

static void tell_held(struct trainer *r)
{
    cnn_training_tell_held(&r->t, &r->event);
    emit(r, CNN_EVENT_HOLD);
}

/* From where the run stands to the end of its epoch; nothing where that is reached already and only
 * the validation is left. */
static cnn_status run_epoch(struct trainer *r)
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
    } while (status == CNN_OK && progress->step % per_epoch != 0 && progress->step < r->t.steps &&
             !r->stop);
    return status == CNN_OK ? cnn_dataset_report(r->t.train, tell, r, r->diag) : status;
}

static cnn_status end(struct trainer *r)
{
    struct cnn_text text = {0};
    size_t epoch = epoch_of(r, r->t.progress.step), bad = r->t.progress.stopping.bad_epochs;
    if (stopped_early(r) && r->t.progress.step > r->first_step)
        cnn_text_printf(
            &text, "ended after epoch %zu of %zu: %zu epoch%s without a better validation loss",
            epoch, r->t.epochs, bad, bad == 1 ? "" : "s");
    r->event.seconds = cnn_now() - r->started;
    r->event.text = text.data;
    emit(r, CNN_EVENT_END);
    cnn_text_free(&text);
    return CNN_OK;
}

/* Once in a process: layers that are frozen stay so when the run goes on. */
static cnn_status begin(struct trainer *r)
{
    if (r->begun || cnn_training_complete(&r->t))
        return CNN_OK;
    r->begun = true;
    cnn_status status = cnn_training_hold(&r->t, r->diag);
    if (status == CNN_OK && r->t.held)
        tell_held(r);
    return status;
}

static cnn_status run(struct trainer *r)
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
static void close_run(struct trainer *r, cnn_status status)
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
        write_report(r, false, error ? error->text : NULL);
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
    struct trainer r;
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
static void tell_failure(const struct trainer *r, cnn_status status)
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
    struct trainer *r = &trainer->r;
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
    announce(r);
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
