/* The page that shows runs side by side, and the report that is asked for by directory. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "model/model.h"
#include "report/chart.h"
#include "report/compare.html.h"
#include "report/page.h"
#include "report/report.h"
#include "report/settings.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/words.h"
#include "viz/html.h"

enum { LONGEST_VALUE = 100 }; /* bytes of a setting that are shown */

struct run {
    const char *directory;
    cnn_model *model; /* its description; the parameters are not read */
    const struct cnn_yaml *config;
    struct cnn_history history;
    struct stat place;
};

struct comparison {
    struct cnn_arena *arena;
    struct run *runs;
    size_t count;
};

static cnn_status config_path(struct cnn_arena *arena, const char *directory, const char **out,
                              cnn_diag *diag)
{
    const char *path = cnn_arena_printf(arena, "%s/config.yaml", directory);
    if (!path)
        return cnn_fail_memory(diag, strlen(directory), "the run directory's paths");
    if (access(path, F_OK) != 0 && errno != EACCES)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is not the directory of a run: it has no config.yaml", directory);
    *out = path;
    return CNN_OK;
}

static cnn_status read_run(struct cnn_arena *arena, const char *directory, struct run *run,
                           cnn_diag *diag)
{
    const char *path;
    char *text = NULL;
    struct cnn_yaml *root = NULL;
    size_t size;
    run->directory = directory;
    cnn_status status = config_path(arena, directory, &path, diag);
    if (status == CNN_OK && stat(directory, &run->place) != 0)
        status =
            cnn_fail(diag, CNN_FAILED, NULL, "cannot look at %s: %s", directory, strerror(errno));
    if (status == CNN_OK)
        status = cnn_yaml_read_text(path, &text, &size, diag);
    if (status == CNN_OK)
        status = cnn_yaml_parse(arena, path, text, size, &root, diag);
    if (status == CNN_OK)
        status = cnn_model_from_text(path, text, size, NULL, &run->model, diag);
    if (status == CNN_OK)
        status = cnn_history_read(directory, run->model->task, &run->history, diag);
    if (status == CNN_OK)
        cnn_history_describe(&run->history, arena, cnn_yaml_get(root, "train"));
    run->config = root;
    cnn_free(text);
    return status;
}

/* A run next to itself says nothing, and is a slip: another was meant. */
static cnn_status check_distinct(const struct comparison *c, cnn_diag *diag)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t k = 0; k < i; k++) {
            const struct run *a = &c->runs[k], *b = &c->runs[i];
            if (strcmp(a->directory, b->directory) == 0)
                return cnn_fail(diag, CNN_INVALID, NULL, "%s is named twice", a->directory);
            if (a->place.st_dev == b->place.st_dev && a->place.st_ino == b->place.st_ino)
                return cnn_fail(diag, CNN_INVALID, NULL, "%s and %s are the same run", a->directory,
                                b->directory);
        }
    return CNN_OK;
}

/* The mean speed of all rows of steps.csv; 0 where there are none. */
static double mean_speed(const struct cnn_history *history)
{
    double sum = 0;
    for (size_t i = 0; i < history->step_count; i++)
        sum += history->steps[i].images_per_s;
    return history->step_count > 0 ? sum / (double)history->step_count : 0;
}

static uint64_t count_parameters(const cnn_model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < model->tensor_count; i++)
        count += model->tensors[i].trainable ? model->tensors[i].tensor->count : 0;
    return count;
}

/* Runs that are compared are of one task. */
static const struct cnn_task *task_of(const struct comparison *c)
{
    return c->runs[0].history.task;
}

/* The run with the highest measure of the validation images; CNN_NO_INDEX: none has one. */
static size_t find_best(const struct comparison *c)
{
    size_t best = CNN_NO_INDEX;
    double highest = -1;
    for (size_t i = 0; i < c->count; i++) {
        size_t epoch = cnn_history_best(&c->runs[i].history);
        if (epoch != CNN_NO_INDEX && c->runs[i].history.epochs[epoch].val_measure > highest) {
            highest = c->runs[i].history.epochs[epoch].val_measure;
            best = i;
        }
    }
    return best;
}

static void write_row(struct cnn_text *page, const struct run *run, bool best)
{
    const struct cnn_history *history = &run->history;
    size_t top = cnn_history_best(history);
    const struct cnn_history_epoch none = {0},
                                   *best_epoch =
                                       top == CNN_NO_INDEX ? &none : &history->epochs[top],
                                   *last = top == CNN_NO_INDEX
                                               ? &none
                                               : &history->epochs[history->epoch_count - 1];
    const struct cnn_html_value values[] = {
        cnn_html_flag("best", best),
        cnn_html_string("run", run->directory),
        cnn_html_string("network", cnn_model_name(run->model)),
        cnn_page_count("parameters", count_parameters(run->model)),
        cnn_html_number("epochs", "%zu", history->epoch_count),
        cnn_html_flag("trained", top != CNN_NO_INDEX),
        cnn_page_percent("measure", best_epoch->val_measure),
        cnn_html_number("epoch", "%zu", best_epoch->epoch),
        cnn_page_loss("train_loss", last->train_loss),
        cnn_page_loss("val_loss", last->val_loss),
        cnn_page_duration("time", cnn_history_seconds(history)),
        cnn_page_speed("speed", mean_speed(history)),
        {0}};
    cnn_html_fill(page, compared_run, values);
}

static void write_table(struct cnn_text *page, const struct comparison *c)
{
    size_t best = find_best(c);
    const struct cnn_html_value values[] = {
        cnn_html_string("measure", cnn_say(task_of(c)->measure)),
        cnn_html_string("title", cnn_say(task_of(c)->title)),
        {0}};
    cnn_html_fill(page, runs_begin, values);
    for (size_t i = 0; i < c->count; i++)
        write_row(page, &c->runs[i], i == best);
    cnn_html_fill(page, runs_end, values);
}

/* The numbers of one run's curves. */
struct curves {
    double *epoch, *seconds, *loss, *measure;
};

static bool curves_new(struct cnn_arena *arena, const struct cnn_history *history,
                       struct curves *out)
{
    double **all[] = {&out->epoch, &out->seconds, &out->loss, &out->measure}, seconds = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!(*all[i] = cnn_arena_array(arena, history->epoch_count, sizeof(double))))
            return false;
    for (size_t i = 0; i < history->epoch_count; i++) {
        out->epoch[i] = (double)history->epochs[i].epoch;
        out->seconds[i] = seconds += history->epochs[i].seconds;
        out->loss[i] = history->epochs[i].val_loss;
        out->measure[i] = history->epochs[i].val_measure;
    }
    return true;
}

static void draw_curves(struct cnn_text *page, const struct comparison *c,
                        const struct curves *curves, bool seconds, bool measure)
{
    struct cnn_series *series = cnn_arena_array(c->arena, c->count, sizeof *series);
    if (!series) {
        page->failed = true;
        return;
    }
    for (size_t i = 0; i < c->count; i++)
        series[i] = (struct cnn_series){.name = c->runs[i].directory,
                                        .x = seconds ? curves[i].seconds : curves[i].epoch,
                                        .y = measure ? curves[i].measure : curves[i].loss,
                                        .count = c->runs[i].history.epoch_count};
    char title[160];
    if (measure)
        snprintf(title, sizeof title,
                 seconds ? cnn_say("Validation %s (%%) by seconds")
                         : cnn_say("Validation %s (%%) by epoch"),
                 cnn_say(task_of(c)->measure));
    else
        snprintf(title, sizeof title, "%s",
                 seconds ? cnn_say("Validation loss by seconds")
                         : cnn_say("Validation loss by epoch"));
    cnn_chart_draw(page,
                   &(struct cnn_chart){.title = title,
                                       .x_name = seconds ? cnn_say("seconds") : cnn_say("epoch"),
                                       .series = series,
                                       .count = c->count,
                                       .percent = measure,
                                       .logarithm = !measure,
                                       .from_zero = seconds,
                                       .whole = !seconds});
}

static void write_curves(struct cnn_text *page, const struct comparison *c)
{
    struct curves *curves = cnn_arena_array(c->arena, c->count, sizeof *curves);
    bool good = curves != NULL;
    for (size_t i = 0; i < c->count && good; i++)
        good = curves_new(c->arena, &c->runs[i].history, &curves[i]);
    if (!good) {
        page->failed = true;
        return;
    }
    cnn_html_fill(page, curves_begin, NULL);
    draw_curves(page, c, curves, false, true);
    draw_curves(page, c, curves, false, false);
    draw_curves(page, c, curves, true, true);
    draw_curves(page, c, curves, true, false);
    cnn_html_fill(page, curves_end, NULL);
}

static void write_difference(struct cnn_text *page, const struct cnn_difference *difference,
                             size_t runs)
{
    char shown[LONGEST_VALUE];
    cnn_html_fill(page, difference_begin,
                  (const struct cnn_html_value[]){cnn_html_string("key", difference->path), {0}});
    for (size_t i = 0; i < runs; i++) {
        const char *value = difference->values[i];
        value = value ? cnn_word_cut(value, shown, sizeof shown) : "";
        cnn_html_fill(page, difference_cell,
                      (const struct cnn_html_value[]){cnn_html_string("value", value), {0}});
    }
    cnn_html_fill(page, difference_end, NULL);
}

static cnn_status write_settings(struct cnn_text *page, const struct comparison *c, cnn_diag *diag)
{
    const struct cnn_yaml **roots = cnn_arena_array(c->arena, c->count, sizeof *roots);
    struct cnn_difference *differences = NULL;
    size_t count = 0;
    if (!roots)
        return cnn_fail_memory(diag, c->count * sizeof *roots, "the settings of the runs");
    for (size_t i = 0; i < c->count; i++)
        roots[i] = c->runs[i].config;
    cnn_status status = cnn_settings_compare(c->arena, roots, c->count, &differences, &count, diag);
    if (status != CNN_OK)
        return status;
    if (count == 0) {
        cnn_html_fill(page, no_differences, NULL);
        return CNN_OK;
    }
    cnn_html_fill(page, differences_begin, NULL);
    for (size_t i = 0; i < c->count; i++)
        cnn_html_fill(
            page, differences_run,
            (const struct cnn_html_value[]){cnn_html_string("run", c->runs[i].directory), {0}});
    cnn_html_fill(page, difference_end, NULL);
    for (size_t i = 0; i < count; i++)
        write_difference(page, &differences[i], c->count);
    cnn_html_fill(page, differences_end, NULL);
    return CNN_OK;
}

static cnn_status write_comparison(const struct comparison *c, const char *path, cnn_diag *diag)
{
    struct cnn_text page = {0};
    cnn_html_begin(&page, cnn_say("Runs compared"), 0);
    write_table(&page, c);
    write_curves(&page, c);
    cnn_status status = write_settings(&page, c, diag);
    cnn_html_end(&page);
    if (status == CNN_OK)
        status = cnn_html_write(&page, path, diag);
    cnn_text_free(&page);
    return status;
}

/* A run that has no checkpoint yet is shown without its network. */
static cnn_status report_one(struct cnn_arena *arena, const char *directory, const char *path,
                             cnn_diag *diag)
{
    const char *config, *best = cnn_arena_printf(arena, "%s/best.safetensors", directory);
    cnn_model *model = NULL;
    cnn_status status = config_path(arena, directory, &config, diag);
    if (status != CNN_OK)
        return status;
    if (best && access(best, F_OK) == 0)
        status = cnn_model_open(directory, NULL, &model, diag);
    if (status == CNN_OK) {
        struct cnn_report report = {.title = directory, .directory = directory, .model = model};
        status = cnn_report_write(path, &report, diag);
    }
    cnn_model_free(model);
    return status;
}

cnn_status cnn_report(const char *const *directories, size_t count, const char *path,
                      cnn_diag *diag)
{
    if (!cnn_words_given(directories, count) || !path)
        return cnn_fail_missing(diag, "cnn_report", "directories or path");
    struct comparison c = {.arena = cnn_arena_new(), .count = count};
    cnn_status status = CNN_OK;
    if (count == 0)
        status = cnn_fail(diag, CNN_INVALID, NULL, "there is no run to report on");
    else if (!c.arena || !(c.runs = cnn_arena_array(c.arena, count, sizeof *c.runs)))
        status = cnn_fail_memory(diag, count * sizeof *c.runs, "the runs");
    else if (count == 1)
        status = report_one(c.arena, directories[0], path, diag);
    else {
        for (size_t i = 0; i < count && status == CNN_OK; i++)
            status = read_run(c.arena, directories[i], &c.runs[i], diag);
        if (status == CNN_OK)
            status = check_distinct(&c, diag);
        if (status == CNN_OK)
            status = write_comparison(&c, path, diag);
    }
    for (size_t i = 0; c.runs && i < count; i++) {
        cnn_model_free(c.runs[i].model);
        cnn_history_free(&c.runs[i].history);
    }
    cnn_arena_free(c.arena);
    return status;
}
