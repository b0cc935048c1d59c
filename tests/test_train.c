/* Whole training runs on a few drawn images: the same bytes whatever the threads, what the run
 * directory holds, and how a run that cannot go on says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "near.h"
#include "report/history.h"
#include "runs.h"
#include "util/file.h"

static void test_checkpoints_are_the_same_bytes_when_threads_differ(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *runs[] = {"one", "two", "five"};
    const int threads[] = {1, 2, 5};
    for (size_t i = 0; i < 3; i++) {
        cnn_set_threads(threads[i]);
        assert_int_equal(runs_train(s, runs[i], false, NULL, NULL), CNN_OK);
    }
    cnn_set_threads(0);
    runs_assert_same(s, "one", "two");
    runs_assert_same(s, "one", "five");
}

static void test_tables_have_a_row_for_every_log_step_and_epoch(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(
        runs_train(s, "run", false, &watcher, "train={steps: 7, batch_size: 16, log_every: 2}"),
        CNN_OK);
    assert_int_equal(watcher.seen, 2);
    assert_int_equal(watcher.last.kind, CNN_EVENT_END);
    assert_int_equal(watcher.last.step, 7);
    size_t size, row = 0;
    const unsigned long long steps[] = {2, 4, 6, 7};
    char *text = runs_read(s, "run", "steps.csv", &size);
    assert_memory_equal(text, "step,epoch,loss,lr,images_per_s\n", 32);
    for (char *line = strchr(text, '\n') + 1; *line; line = strchr(line, '\n') + 1, row++)
        assert_int_equal(strtoull(line, NULL, 10), row < 4 ? steps[row] : 0);
    assert_int_equal(row, 4);
    free(text);
    text = runs_read(s, "run", "epochs.csv", &size);
    assert_memory_equal(text,
                        "epoch,train_loss,train_accuracy,val_loss,val_accuracy,lr,seconds\n1,", 67);
    assert_non_null(strstr(text, "\n2,"));
    free(text);
}

static void test_health_has_a_row_for_every_layer_and_epoch(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *layers[] = {"conv1", "batch_norm1", "dense1"};
    assert_int_equal(runs_train(s, "run", false, NULL,
                                "train={steps: 7, batch_size: 16, schedule: {type: linear}}"),
                     CNN_OK);
    struct cnn_health_row *rows;
    size_t count;
    assert_int_equal(cnn_health_read(scratch_path(s, "run/health.csv"), &rows, &count, s->diag),
                     CNN_OK);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].epoch, 1 + i / 3);
        assert_string_equal(rows[i].layer, layers[i % 3]);
        assert_int_equal(rows[i].channels, i % 3 == 1 ? 4 : 0);
        assert_true(rows[i].gradient_norm > 0 && rows[i].weight_norm > 0 &&
                    rows[i].update_norm > 0);
        assert_near(rows[i].lr_factor, i < 3 ? 3 / 7.0 : 1 / 7.0, 1e-6); /* steps 5 and 7 */
    }
    free(rows);
}

static bool page_has(struct scratch *s, const char *text)
{
    size_t size;
    char *page = runs_read(s, "run", "report.html", &size);
    bool found = strstr(page, text) != NULL;
    free(page);
    return found;
}

static bool is_open(struct scratch *s)
{
    return page_has(s, "http-equiv=\"refresh\"");
}

struct reader { /* looks at the page in the middle of a run, and blocks it if told so */
    struct scratch *s;
    bool block, resumes, open_at_first, open_at_seventh, open_at_eighth;
    size_t warnings;
    cnn_flag stop;
};

static int read_page(void *context, const cnn_event *event)
{
    struct reader *reader = context;
    reader->warnings += event->kind == CNN_EVENT_WARNING &&
                        strstr(event->text, "report.html is not up to date: cannot write ");
    if (event->kind == CNN_EVENT_START && reader->block)
        assert_int_equal(mkdir(scratch_path(reader->s, "run/report.html"), 0777), 0);
    if (event->kind != CNN_EVENT_STEP || reader->block)
        return 0;
    if (event->step == 1)
        reader->open_at_first = is_open(reader->s);
    if (event->step == 7) { /* of five in an epoch */
        reader->open_at_seventh = is_open(reader->s);
        cnn_flag_raise(&reader->stop);
    }
    if (event->step == 8)
        reader->open_at_eighth = is_open(reader->s);
    return 0;
}

static cnn_status train_read(struct scratch *s, struct reader *reader)
{
    char config[128], directory[128];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/run", s->folder);
    return cnn_train(&(cnn_train_options){.config = reader->resumes ? NULL : config,
                                          .directory = reader->resumes ? NULL : directory,
                                          .resume = reader->resumes ? directory : NULL,
                                          .event = read_page,
                                          .context = reader,
                                          .stop = &reader->stop},
                     s->diag);
}

static void test_report_reads_itself_again_while_the_run_goes_on(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct reader reader = {.s = s};
    assert_int_equal(train_read(s, &reader), CNN_INTERRUPTED);
    assert_true(reader.open_at_first && reader.open_at_seventh);
    assert_false(is_open(s));
    assert_true(page_has(s, "interrupted after step 7 of 15"));
    reader = (struct reader){.s = s, .resumes = true};
    assert_int_equal(train_read(s, &reader), CNN_OK);
    assert_true(reader.open_at_eighth);
    assert_false(is_open(s));
    assert_false(page_has(s, "interrupted"));
}

struct sleeper { /* waits within the first epoch, and looks at the page two steps later */
    struct scratch *s;
    bool shown;
};

static int wait_within(void *context, const cnn_event *event)
{
    struct sleeper *sleeper = context;
    if (event->kind == CNN_EVENT_STEP && event->step == 2)
        sleep(6);
    if (event->kind == CNN_EVENT_STEP && event->step == 4)
        sleeper->shown = page_has(sleeper->s, "<span>epoch 1</span><img") &&
                         page_has(sleeper->s, "<b>0 of 3</b>");
    return 0;
}

static void test_report_is_written_within_a_long_epoch(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct sleeper sleeper = {.s = s};
    char config[128], directory[128];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/run", s->folder);
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_train(&(cnn_train_options){.config = config,
                                                    .directory = directory,
                                                    .event = wait_within,
                                                    .context = &sleeper},
                               s->diag),
                     CNN_OK);
    assert_true(sleeper.shown);
    runs_assert_same(s, "whole", "run");
}

static void test_report_that_cannot_be_written_is_one_warning(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct reader reader = {.s = s, .block = true};
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(train_read(s, &reader), CNN_OK);
    assert_int_equal(reader.warnings, 1);
    assert_int_equal(cnn_diag_count(s->diag), 0);
    runs_assert_same(s, "whole", "run");
}

static void test_training_learns_its_images_by_heart_when_they_are_few(void **state)
{
    struct scratch *s = *state;
    const char *plain = "input: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: 64, "
                        "activation: relu}, {type: dense, units: 10}]\n"
                        "data: {dataset: shapes, limit: 96, val_split: 0.25, normalize: auto}\n"
                        "train: {epochs: 30, batch_size: 16, optimizer: {type: adam, lr: 0.003}}\n";
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    scratch_write(s, "tiny.yaml", plain, strlen(plain));
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_OK);
    assert_true(watcher.last.accuracy > 0.9);
    assert_int_equal(watcher.last.train_images, 72);
    assert_int_equal(watcher.last.val_images, 24);
}

static void test_best_checkpoint_evaluates_to_the_logged_accuracy(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_OK);
    cnn_model *model;
    cnn_evaluation *e = NULL;
    assert_int_equal(cnn_model_open(scratch_path(s, "run"), NULL, &model, s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(model, &(cnn_evaluate_options){.split = "val"}, &e, s->diag),
                     CNN_OK);
    assert_near(e->accuracy, watcher.last.best_accuracy, 0);
    assert_int_equal(e->images, 24);
    assert_string_equal(e->split, "val");
    assert_true(e->accuracy_low <= e->accuracy && e->accuracy <= e->accuracy_high &&
                e->top5 >= e->accuracy);
    size_t right = 0, images = 0;
    for (size_t c = 0; c < e->classes; c++) {
        right += cnn_evaluation_confusion(e, c, c);
        images += e->per_class[c].images;
    }
    assert_near(e->accuracy, (double)right / 24, 1e-12);
    assert_int_equal(images, 24);
    cnn_evaluation_free(e);
    cnn_model_free(model);
}

static void test_training_stops_when_the_loss_is_lost(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *wild = "train={epochs: 3, batch_size: 16, optimizer: {type: sgd, lr: 1000, "
                       "momentum: 0.99, weight_decay: 1000}}";
    assert_int_equal(runs_train(s, "run", false, NULL, wild), CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->hint, "train.optimizer.lr: 100;"));
    runs_expect(s, "not a finite number at step");
}

static void test_directory_of_another_run_is_refused(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_INVALID);
    runs_expect(s, "holds a run already");
    const char *files[] = {"run/config.yaml",     "run/best.safetensors", "run/last.safetensors",
                           "run/steps.csv",       "run/epochs.csv",       "run/health.csv",
                           "run/film.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        assert_int_equal(remove(scratch_path(s, files[i])), 0);
    /* last.previous.safetensors can be gone on with */
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_INVALID);
    runs_expect(s, "holds a run already");
}

static void test_description_that_cannot_be_trained_leaves_no_directory(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *without =
        "name: tiny\ninput: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: 10}]\n";
    const char *map = "input: [3, 16, 16]\nlayers: [{type: conv, filters: 10, kernel_size: "
                      "3}]\ndata: {dataset: shapes}\ntrain: {epochs: 1}\n";
    size_t files = scratch_count(s);
    scratch_write(s, "tiny.yaml", without, strlen(without));
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_INVALID);
    runs_expect(s, "has no data section");
    assert_int_equal(runs_train(s, "run", false, NULL, "data={dataset: shapes, limit: 20}"),
                     CNN_INVALID);
    runs_expect(s, "has no train section");
    scratch_write(s, "tiny.yaml", map, strlen(map));
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_INVALID);
    cnn_diag_clear(s->diag);
    assert_int_equal(scratch_count(s), files);
}

static void test_bench_measures_and_leaves_the_model_alone(void **state)
{
    struct scratch *s = runs_prepare(state);
    cnn_model *model;
    assert_int_equal(cnn_model_open(scratch_path(s, "tiny.yaml"),
                                    &(cnn_open_options){.untrained = true}, &model, s->diag),
                     CNN_OK);
    float before[4], after[4]; /* batch_norm1.running_var */
    size_t i = 0;
    while (strcmp(cnn_model_tensor(model, i).name, "batch_norm1.running_var") != 0)
        i++;
    cnn_model_tensor_get(model, i, before, NULL);
    for (int infer = 0; infer < 2; infer++) {
        cnn_bench_result *result = NULL;
        cnn_bench_options options = {.infer = infer, .seconds = 0.01};
        assert_int_equal(cnn_bench(model, &options, &result, s->diag), CNN_OK);
        assert_int_equal(result->batch, infer ? 1 : 16);
        assert_int_equal(result->layers, 6);
        assert_true(result->ms > 0 && result->gflops > 0 && result->peak_bytes > 0 &&
                    result->runs >= 5);
        assert_true(result->layer[0].forward_ms > 0 &&
                    (result->layer[0].backward_ms > 0) == !infer);
        cnn_bench_result_free(result);
    }
    cnn_model_tensor_get(model, i, after, NULL);
    assert_memory_equal(before, after, sizeof before);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_checkpoints_are_the_same_bytes_when_threads_differ),
        TEST(test_tables_have_a_row_for_every_log_step_and_epoch),
        TEST(test_health_has_a_row_for_every_layer_and_epoch),
        TEST(test_report_reads_itself_again_while_the_run_goes_on),
        TEST(test_report_is_written_within_a_long_epoch),
        TEST(test_report_that_cannot_be_written_is_one_warning),
        TEST(test_training_learns_its_images_by_heart_when_they_are_few),
        TEST(test_best_checkpoint_evaluates_to_the_logged_accuracy),
        TEST(test_training_stops_when_the_loss_is_lost),
        TEST(test_directory_of_another_run_is_refused),
        TEST(test_description_that_cannot_be_trained_leaves_no_directory),
        TEST(test_bench_measures_and_leaves_the_model_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
