/* What a run says: events for the caller, warnings, its page, and why it ended. */
#include <math.h>
#include <string.h>

#include "recipe/schedule_type.h"
#include "report/report.h"
#include "train/trainer.h"
#include "util/clock.h"

/* seconds until report.html is written again: a browser reads it every few, and epochs may take but
 * milliseconds */
#define REPORT_PAUSE 0.5
/* and within an epoch, when nothing but curves and the first layer is new; as a share of the time,
 * what that may take */
#define SHOW_PAUSE 5
#define SHOW_SHARE 0.01

size_t cnn_trainer_epoch_of(const struct cnn_trainer_state *r, size_t step)
{
    return step ? (step - 1) / r->t.progress.steps_per_epoch + 1 : 1;
}

double cnn_trainer_rate_at(const struct cnn_trainer_state *r, size_t step)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    return recipe->optimizer.lr * cnn_schedule_factor(&recipe->schedule, &r->t.progress.plateau,
                                                      step, r->t.steps,
                                                      r->t.progress.steps_per_epoch);
}

void cnn_trainer_emit(struct cnn_trainer_state *r, enum cnn_event_kind kind)
{
    const struct cnn_progress *progress = &r->t.progress;
    cnn_event *event = &r->event;
    if (!r->options->event || !cnn_training_leads(&r->t))
        return;
    event->kind = kind;
    event->step = progress->step;
    event->epoch = cnn_trainer_epoch_of(r, progress->step);
    event->step_in_epoch = progress->step - (event->epoch - 1) * progress->steps_per_epoch;
    event->best_accuracy = progress->best_accuracy;
    event->images_per_s = r->seconds_per_image > 0 ? 1 / r->seconds_per_image : 0;
    event->seconds_left = (double)(r->t.steps - progress->step) *
                              (double)r->t.model->recipe.batch_size * r->seconds_per_image +
                          (double)(r->t.epochs - event->epoch) * r->validation_seconds;
    if (r->options->event(r->options->context, event) != 0)
        r->stopping = true;
}

void cnn_trainer_warn(struct cnn_trainer_state *r, const char *text)
{
    r->event.text = text;
    cnn_trainer_emit(r, CNN_EVENT_WARNING);
    r->event.text = NULL;
}

static void warn_of_report(struct cnn_trainer_state *r, const cnn_message *message)
{
    struct cnn_text text = {0};
    cnn_text_printf(&text, "report.html is not up to date");
    if (message && message->file)
        cnn_text_printf(&text, ": %s:%zu:%zu", message->file, message->line, message->column);
    if (message)
        cnn_text_printf(&text, ": %s", message->text);
    cnn_trainer_warn(r, text.failed ? "report.html is not up to date" : text.data);
    cnn_text_free(&text);
}

void cnn_trainer_write_report(struct cnn_trainer_state *r, bool running, const char *end)
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
    r->show_due = cnn_now() + SHOW_PAUSE;
    cnn_diag_free(diag);
}

cnn_status cnn_trainer_show(struct cnn_trainer_state *r)
{
    double begun = cnn_now();
    if (!cnn_training_leads(&r->t) || begun < r->show_due)
        return CNN_OK;
    cnn_status status =
        cnn_filming_take(&r->t.filming, cnn_trainer_epoch_of(r, r->t.progress.step), r->diag);
    if (status != CNN_OK)
        return status;
    cnn_trainer_write_report(r, true, NULL);
    double took = cnn_now() - begun;
    r->show_due = cnn_now() + fmax(SHOW_PAUSE, took / SHOW_SHARE);
    return CNN_OK;
}

bool cnn_trainer_stopped_early(const struct cnn_trainer_state *r)
{
    return cnn_training_complete(&r->t) && r->t.progress.step < r->t.steps;
}

/* Validation is by the test images: what they decide on is said. */
static void warn_of_choice(struct cnn_trainer_state *r)
{
    const struct cnn_recipe *recipe = &r->t.model->recipe;
    if (recipe->keep == CNN_KEEP_BEST)
        cnn_trainer_warn(r,
                         "validation uses the test images, so best.safetensors is chosen by them; "
                         "data.val_split sets training images aside instead, and "
                         "train.keep: last chooses none");
    else if (recipe->early_stopping.patience > 0)
        cnn_trainer_warn(
            r, "validation uses the test images, so the end of the run is chosen by them; "
               "data.val_split sets training images aside instead");
    else if (recipe->schedule.type->validated)
        cnn_trainer_warn(r, "validation uses the test images, so the learning rate follows them; "
                            "data.val_split sets training images aside instead");
}

void cnn_trainer_announce(struct cnn_trainer_state *r)
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
        .lr = cnn_trainer_rate_at(r, r->t.progress.step),
    };
    r->event.text = r->t.scaling.text;
    cnn_trainer_emit(r, CNN_EVENT_START);
    r->event.text = NULL;
    for (size_t i = 0; i < r->t.notice_count; i++)
        cnn_trainer_warn(r, r->t.notices[i]);
    if (r->t.val_split == CNN_SPLIT_TEST)
        warn_of_choice(r);
    if (cnn_trainer_stopped_early(r))
        cnn_trainer_warn(r, "the run is complete, ended by early stopping; a larger "
                            "train.early_stopping.patience would let it go on");
    else if (cnn_training_complete(&r->t)) /* its page is, too */
        cnn_trainer_warn(
            r, "the run is complete; a larger train.epochs or train.steps would let it go on");
    else
        cnn_trainer_write_report(r, true, NULL);
}

static bool has_layer(const struct cnn_graph *graph, const char *type)
{
    for (size_t i = 0; i < graph->count; i++)
        if (strcmp(graph->nodes[i].type->variant.name, type) == 0)
            return true;
    return false;
}

/* Advice for a loss that is no number any more, by what the description lacks. */
static void hint_divergence(const struct cnn_trainer_state *r)
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

cnn_status cnn_trainer_fail_divergence(const struct cnn_trainer_state *r, const char *what,
                                       size_t step)
{
    struct cnn_text losses = {0};
    for (size_t s = step > CNN_TRAINER_RECENT ? step - CNN_TRAINER_RECENT : 1; s < step; s++)
        if (s > r->first_step)
            cnn_text_printf(&losses, "%s%.4g", losses.size ? ", " : "; the losses before it: ",
                            r->recent[s % CNN_TRAINER_RECENT]);
    cnn_fail(r->diag, CNN_FAILED, NULL,
             "%s not a finite number at step %zu (epoch %zu, learning rate %g)%s", what, step,
             cnn_trainer_epoch_of(r, step), cnn_trainer_rate_at(r, step - 1),
             losses.data ? losses.data : "");
    cnn_text_free(&losses);
    hint_divergence(r);
    return CNN_FAILED;
}
