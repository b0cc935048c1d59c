/* The page of one run or one evaluation: its headline, and which parts stand below it in which
 * order. */
#include "report/report.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "config/yaml.h"
#include "report/page.h"
#include "report/report.html.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/words.h"

enum { REFRESH = 5 }; /* seconds */

/* What a run's config.yaml says. */
struct config {
    struct cnn_arena *arena;
    char *text;                   /* cnn_malloc'ed; NULL: there is none */
    const struct cnn_yaml *train; /* NULL: there is none */
    size_t epochs, steps;         /* to be done in all; 0: it does not say */
};

/* A page without a model is of the task of a description that names none. */
static const struct cnn_task *task_of(const struct cnn_report *report)
{
    return report->model ? report->model->task : cnn_tasks[0];
}

static size_t read_total(const struct cnn_yaml *train, const char *key)
{
    const struct cnn_yaml *node = cnn_yaml_get(train, key);
    long long total;
    return node && cnn_yaml_as_integer(node, &total) && total > 0 ? (size_t)total : 0;
}

static cnn_status read_config(const char *directory, struct config *config, cnn_diag *diag)
{
    struct cnn_yaml *root;
    size_t size;
    config->arena = cnn_arena_new();
    const char *path =
        config->arena ? cnn_arena_printf(config->arena, "%s/config.yaml", directory) : NULL;
    if (!path)
        return cnn_fail_memory(diag, strlen(directory), "the run directory's paths");
    if (access(path, F_OK) != 0)
        return CNN_OK;
    cnn_status status = cnn_yaml_read_text(path, &config->text, &size, diag);
    if (status == CNN_OK)
        status = cnn_yaml_parse(config->arena, path, config->text, size, &root, diag);
    if (status == CNN_OK) {
        config->train = cnn_yaml_get(root, "train");
        config->epochs = read_total(config->train, "epochs");
        config->steps = read_total(config->train, "steps");
    }
    return status;
}

/* The time: a page that says "running" for ever, after a crash, is to be known by it. */
static const char *tell_time(char *text, size_t size)
{
    time_t now = time(NULL);
    struct tm local;
    bool known = localtime_r(&now, &local) &&
                 strftime(text, size, cnn_say("at %Y-%m-%d %H:%M:%S"), &local) > 0;
    return known ? text : "";
}

/* A page is good without the film. */
static cnn_status read_film(const char *directory, struct cnn_film *film, cnn_diag *diag)
{
    struct cnn_text path = {0};
    cnn_text_printf(&path, "%s/film.safetensors", directory);
    cnn_diag *own = cnn_diag_new();
    cnn_status status = path.failed ? cnn_fail_memory(own, path.size, "a path")
                                    : cnn_film_read(path.data, film, own);
    enum cnn_want want = status == CNN_OK ? CNN_WANT_NOTHING : cnn_diag_want(own);
    if (want != CNN_WANT_NOTHING)
        status = cnn_fail_want(diag, want, 0, "the film of the run");
    else if (status != CNN_OK) {
        cnn_warn(diag, NULL, "%s; the page does not show it", cnn_diag_get(own, 0)->text);
        status = CNN_OK;
    }
    cnn_text_free(&path);
    cnn_diag_free(own);
    return status;
}

/* How far a run has come. Files do not say whether somebody still works on it; only report->running
 * does. */
static void write_state(struct cnn_text *page, const struct cnn_report *report,
                        const struct config *config, const struct cnn_history *history)
{
    const char *unit = config->epochs > 0 || config->steps == 0 ? "epoch" : "step";
    size_t total = config->epochs > 0 ? config->epochs : config->steps, done = history->epoch_count;
    if (done > 0)
        done = history->epochs[done - 1].epoch;
    if (*unit == 's') {
        done = history->step_count > 0 ? history->steps[history->step_count - 1].step : 0;
        done = report->step > done ? report->step : done;
    }
    bool early = total > 0 && done < total && cnn_history_stopped(history);
    /* else the last validation may be missing */
    bool complete = total > 0 && (done >= total || early) && !report->running && !report->end;
    char now[64];
    cnn_page_fact(page, cnn_say("state"),
                  cnn_html_string("", complete          ? cnn_say("complete")
                                      : report->running ? cnn_say("running")
                                      : total > 0       ? cnn_say("not complete")
                                                        : cnn_say("unknown")),
                  report->running         ? tell_time(now, sizeof now)
                  : early && !report->end ? cnn_say("ended by early stopping")
                                          : "");
    cnn_page_fact(page, *unit == 's' ? cnn_say("steps done") : cnn_say("epochs done"),
                  total > 0 ? cnn_html_number("", cnn_say("%zu of %zu"), done, total)
                            : cnn_html_number("", "%zu", done),
                  "");
}

static void write_run(struct cnn_text *page, const struct cnn_history *history)
{
    size_t best = cnn_history_best(history);
    if (best == CNN_NO_INDEX)
        return;
    const struct cnn_history_epoch *row = &history->epochs[best],
                                   *last = &history->epochs[history->epoch_count - 1];
    struct cnn_text note = {0}, name = {0};
    cnn_text_printf(&note, cnn_say("epoch %zu"), row->epoch);
    cnn_text_printf(
        &name, history->keep_last ? cnn_say("validation %s now") : cnn_say("best validation %s"),
        cnn_say(history->task->measure));
    cnn_page_fact(page, name.data ? name.data : "", cnn_page_percent("", row->val_measure),
                  note.data ? note.data : "");
    cnn_text_free(&note);
    cnn_text_free(&name);
    cnn_page_fact(page, cnn_say("training loss now"), cnn_page_loss("", last->train_loss), "");
    cnn_page_fact(page, cnn_say("validation loss now"), cnn_page_loss("", last->val_loss), "");
    cnn_page_fact(page, cnn_say("time"), cnn_page_duration("", cnn_history_seconds(history)), "");
}

/* Of a run, else history has no epochs. */
static void write_evaluation(struct cnn_text *page, const struct cnn_task *task,
                             const cnn_evaluation *e, const struct cnn_history *history)
{
    struct cnn_task_fact facts[CNN_TASK_FACTS];
    size_t count = task->facts(e, facts);
    size_t epoch = history->epoch_count > 0 ? history->epochs[history->epoch_count - 1].epoch : 0;
    bool flattered = epoch > 0 && !history->keep_last && e->split && strcmp(e->split, "test") == 0;
    const struct cnn_html_value values[] = {cnn_html_flag("of_epoch", epoch > 0),
                                            cnn_html_number("epoch", "%zu", epoch),
                                            cnn_html_flag("averaged", history->averaged),
                                            cnn_html_flag("flattered", flattered),
                                            cnn_html_string("measure", cnn_say(task->measure)),
                                            {0}};
    cnn_html_fill(page, evaluation_begin, values);
    for (size_t i = 0; i < count; i++)
        cnn_page_fact(page, cnn_say(facts[i].name),
                      facts[i].share ? cnn_page_percent("", facts[i].value)
                                     : cnn_page_loss("", facts[i].value),
                      facts[i].note);
    cnn_page_fact(page, cnn_say("images"), cnn_page_count("", e->images), "");
    if (e->split)
        cnn_page_fact(page, cnn_say("of the split"), cnn_html_string("", e->split), "");
    if (e->tta != CNN_TTA_NONE)
        cnn_page_fact(page, cnn_say("mean over views"), cnn_html_string("", cnn_tta_name(e->tta)),
                      cnn_say("test-time augmentation"));
    cnn_html_fill(page, facts_end, NULL);
}

/* What was answered after the newest epoch; of a run that was resumed it is not known before the
 * next. */
static cnn_status write_answers(struct cnn_text *page, const struct cnn_report *report,
                                const struct cnn_history *history, cnn_diag *diag)
{
    const struct cnn_samples *samples = report->samples;
    bool pictures = samples && report->model && samples->wrong_count + samples->right_count > 0;
    if (report->evaluation) {
        write_evaluation(page, task_of(report), report->evaluation, history);
        cnn_page_classes(page, report->model, report->evaluation);
        cnn_page_calibration(page, report->evaluation);
    } else if (pictures)
        cnn_html_fill(page, answers, NULL);
    else if (report->running && history->epoch_count > 0)
        cnn_html_fill(page, evaluation_follows, NULL);
    return pictures ? cnn_page_samples(page, report->model, samples, diag) : CNN_OK;
}

static const char *choose_title(const struct cnn_report *report)
{
    if (report->title)
        return report->title;
    if (report->model)
        return cnn_model_name(report->model);
    return report->directory ? report->directory : cnn_say("Report");
}

static cnn_status write_page(struct cnn_text *page, const struct cnn_report *report,
                             const struct config *config, const struct cnn_history *history,
                             const struct cnn_film *film, cnn_diag *diag)
{
    cnn_html_begin(page, choose_title(report), report->running ? REFRESH : 0);
    if (report->directory) {
        const struct cnn_html_value end = cnn_html_string("end", report->end ? report->end : "");
        cnn_html_fill(page, facts_begin, NULL);
        write_state(page, report, config, history);
        write_run(page, history);
        cnn_html_fill(page, facts_end, NULL);
        if (report->end)
            cnn_html_fill(page, run_end, (const struct cnn_html_value[]){end, {0}});
        cnn_page_curves(page, history);
        cnn_page_health(page, history, report->model);
    }
    cnn_status status = write_answers(page, report, history, diag);
    if (status == CNN_OK && report->model)
        status = cnn_page_network(page, report->model, diag);
    if (status == CNN_OK)
        status = cnn_page_film(page, film, diag);
    if (config->text)
        cnn_html_fill(page, description,
                      (const struct cnn_html_value[]){cnn_html_string("text", config->text), {0}});
    cnn_html_end(page);
    return status;
}

cnn_status cnn_report_write(const char *path, const struct cnn_report *report, cnn_diag *diag)
{
    struct config config = {0};
    struct cnn_history history = {0};
    struct cnn_film film = {0};
    struct cnn_text page = {0};
    cnn_status status = CNN_OK;
    if (report->directory) {
        status = read_config(report->directory, &config, diag);
        if (status == CNN_OK)
            status = cnn_history_read(report->directory, task_of(report), &history, diag);
        if (status == CNN_OK)
            cnn_history_describe(&history, config.arena, config.train);
        if (status == CNN_OK)
            status = read_film(report->directory, &film, diag);
    }
    if (status == CNN_OK)
        status = write_page(&page, report, &config, &history, &film, diag);
    if (status == CNN_OK)
        status = cnn_html_write(&page, path, diag);
    cnn_text_free(&page);
    cnn_film_free(&film);
    cnn_history_free(&history);
    cnn_free(config.text);
    cnn_arena_free(config.arena);
    return status;
}
