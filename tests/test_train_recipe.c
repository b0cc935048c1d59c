/* What a recipe makes of a whole training run: which epoch is kept, averaged weights, early
 * stopping, balanced classes; and that such runs are the same however often interrupted. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "checkpoint/safetensors.h"
#include "near.h"
#include "report/history.h"
#include "runs.h"

static double loss_of(struct scratch *s, const char *checkpoint)
{
    cnn_model *model;
    cnn_evaluation *e = NULL;
    assert_int_equal(cnn_model_open(scratch_path(s, checkpoint), NULL, &model, s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(model, &(cnn_evaluate_options){.split = "val"}, &e, s->diag),
                     CNN_OK);
    double loss = e->loss;
    cnn_evaluation_free(e);
    cnn_model_free(model);
    return loss;
}

static struct cnn_history history_of(struct scratch *s, const char *run)
{
    struct cnn_history history;
    assert_int_equal(cnn_history_read(scratch_path(s, run), cnn_tasks[0], &history, s->diag),
                     CNN_OK);
    return history;
}

static bool page_has(struct scratch *s, const char *text)
{
    size_t size;
    char *page = runs_read(s, "run", "report.html", &size);
    bool found = strstr(page, text) != NULL;
    free(page);
    return found;
}

/* All that a recipe may add to the state; early stopping ends the run before its last epoch. */
static const char rich[] =
    "train={epochs: 9, batch_size: 16, log_every: 2, optimizer: {type: sgd, lr: 0.3, momentum: "
    "0.9}, clip_norm: 0.5, "
    "schedule: {type: plateau, patience: 0, gamma: 0.5}, ema: {decay: 0.9, every: 2}, "
    "early_stopping: {patience: 2, min_delta: 0.05}}";

static void test_resumed_run_is_the_uninterrupted_one_with_all_of_a_recipe(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher whole = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "whole", false, &whole, rich), CNN_OK);
    assert_true(whole.seen > 2 && whole.seen < 9);
    const struct watcher places[] = {
        {.kind = CNN_EVENT_START, .at = 1},
        {.kind = CNN_EVENT_STEP, .at = 3},
        /* at an epoch's end: validation is left to do */
        {.kind = CNN_EVENT_STEP, .at = 10},
        /* an epoch without a better loss is behind it */
        {.kind = CNN_EVENT_EPOCH, .at = 1},
        {.kind = CNN_EVENT_EPOCH, .at = whole.seen - 1},
    };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char name[16];
        struct watcher watcher = places[i];
        snprintf(name, sizeof name, "part%zu", i);
        assert_int_equal(runs_train(s, name, false, &watcher, rich), CNN_INTERRUPTED);
        cnn_diag_clear(s->diag);
        assert_int_equal(runs_train(s, name, true, NULL, NULL), CNN_OK);
        runs_assert_same(s, "whole", name);
    }
}

static void test_run_is_the_same_on_any_number_of_threads_with_all_of_a_recipe(void **state)
{
    struct scratch *s = runs_prepare(state);
    cnn_set_threads(1);
    assert_int_equal(runs_train(s, "one", false, NULL, rich), CNN_OK);
    cnn_set_threads(3);
    assert_int_equal(runs_train(s, "three", false, NULL, rich), CNN_OK);
    cnn_set_threads(0);
    runs_assert_same(s, "one", "three");
}

#define PLAIN    "train={epochs: 3, batch_size: 16, log_every: 1, keep: last}"
#define AVERAGED "train={epochs: 3, batch_size: 16, log_every: 1, keep: last, ema: {decay: 0.9}}"

/* The mean follows from the weights and they not from it: the run without it has the same training
 * losses. */
static void test_averaged_weights_are_validated_and_stored(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher with = {.kind = CNN_EVENT_EPOCH}, without = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "plain", false, &without, PLAIN), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &with, AVERAGED), CNN_OK);
    runs_assert_same_table(s, "plain", "run", "steps.csv");
    assert_near(with.last.loss, without.last.loss, 0);
    assert_true(fabs(with.last.val_loss - without.last.val_loss) > 1e-6);
    assert_near(loss_of(s, "run/best.safetensors"), with.last.val_loss, 1e-12);
    assert_near(loss_of(s, "run/last.safetensors"), with.last.val_loss, 1e-12);
    assert_near(loss_of(s, "plain/best.safetensors"), without.last.val_loss, 1e-12);
    assert_true(page_has(s, "averaged"));
}

/* Resumed without the mean, training goes on from the weights and not from their mean; resumed with
 * one, the mean begins at the weights. */
static void test_mean_may_begin_and_end_when_a_run_is_resumed(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *first[] = {AVERAGED, PLAIN}, *then[] = {PLAIN, AVERAGED},
               *names[] = {"ended", "begun"};
    assert_int_equal(runs_train(s, "plain", false, NULL, PLAIN), CNN_OK);
    for (size_t i = 0; i < 2; i++) {
        struct watcher watcher = {.kind = CNN_EVENT_EPOCH, .at = 2};
        assert_int_equal(runs_train(s, names[i], false, &watcher, first[i]), CNN_INTERRUPTED);
        cnn_diag_clear(s->diag);
        assert_int_equal(runs_train(s, names[i], true, NULL, then[i]), CNN_OK);
        runs_assert_same_table(s, "plain", names[i], "steps.csv");
    }
    double plain = loss_of(s, "plain/last.safetensors");
    assert_near(loss_of(s, "ended/last.safetensors"), plain, 0);
    assert_true(fabs(loss_of(s, "begun/last.safetensors") - plain) > 1e-6);
}

static void test_newest_epoch_is_kept_when_the_recipe_says_so(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(
        runs_train(s, "run", false, &watcher,
                   "train={epochs: 6, batch_size: 16, optimizer: {type: sgd, lr: 1}, keep: last}"),
        CNN_OK);
    struct cnn_history history = history_of(s, "run");
    double best = 0, last = history.epochs[history.epoch_count - 1].val_measure;
    for (size_t i = 0; i < history.epoch_count; i++)
        best = fmax(best, history.epochs[i].val_measure);
    cnn_history_free(&history);
    assert_true(last < best);
    assert_near(watcher.last.best_accuracy, last, 1e-9);
    assert_false(watcher.last.best);
    assert_near(loss_of(s, "run/best.safetensors"), watcher.last.val_loss, 1e-12);
    assert_true(page_has(s, "6 (kept)") && !page_has(s, "best validation accuracy"));
}

static void test_choosing_by_the_test_images_is_warned_of(void **state)
{
    struct scratch *s = *state;
    const char *choices[] = {"keep: last", "keep: best", "keep: last, schedule: plateau",
                             "keep: last, early_stopping: {}"};
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        struct watcher watcher = {.kind = CNN_EVENT_START, .at = 1};
        char text[256], name[16];
        int length = snprintf(
            text, sizeof text,
            "input: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: 10}]\n"
            "data: {dataset: shapes, limit: 64, normalize: auto}\ntrain: {epochs: 20, %s}\n",
            choices[i]);
        snprintf(name, sizeof name, "run%zu", i);
        scratch_write(s, "tiny.yaml", text, (size_t)length);
        assert_int_equal(runs_train(s, name, false, &watcher, NULL), CNN_INTERRUPTED);
        assert_int_equal(watcher.warnings, i > 0);
        cnn_diag_clear(s->diag);
    }
}

static void test_early_stopping_ends_the_run(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    const char *recipe = "train={epochs: 60, batch_size: 16, optimizer: {type: adam, lr: 0.05}, "
                         "early_stopping: {patience: 2, min_delta: 0.01}}";
    assert_int_equal(runs_train(s, "run", false, &watcher, recipe), CNN_OK);
    assert_int_equal(watcher.last.kind, CNN_EVENT_END);
    assert_non_null(strstr(watcher.ending, " of 60: 2 epochs without a better validation loss"));
    struct cnn_history history = history_of(s, "run");
    size_t count = history.epoch_count, bad = 0;
    double best = INFINITY;
    assert_true(count == watcher.seen && count < 60);
    for (size_t i = 0; i < count; i++) {
        assert_true(bad < 2);
        bad = history.epochs[i].val_loss < best - 0.01 ? 0 : bad + 1;
        best = bad == 0 ? history.epochs[i].val_loss : best;
    }
    assert_int_equal(bad, 2);
    cnn_history_free(&history);
    assert_true(page_has(s, ">complete") && page_has(s, "ended by early stopping"));
    size_t warnings = watcher.warnings;
    assert_int_equal(runs_train(s, "run", true, &watcher, NULL), CNN_OK);
    assert_int_equal(watcher.seen, count);
    assert_int_equal(watcher.warnings, warnings + 1); /* complete */
    assert_int_equal(runs_train(s, "run", true, &watcher, "train.early_stopping.patience=3"),
                     CNN_OK);
    assert_true(watcher.seen > count);
}

/* Older versions wrote neither the state of early stopping nor the weight of an epoch's losses. */
static void test_state_of_an_older_version_is_gone_on_with(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_STEP, .at = 8};
    struct cnn_safetensors *file;
    struct cnn_stored_pair old[32];
    char path[256];
    size_t kept = 0;
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_INTERRUPTED);
    cnn_diag_clear(s->diag);
    snprintf(path, sizeof path, "%s", scratch_path(s, "old.safetensors"));
    assert_int_equal(cnn_safetensors_open(scratch_path(s, "run/last.safetensors"), &file, s->diag),
                     CNN_OK);
    assert_true(file->metadata_count <= 32);
    for (size_t i = 0; i < file->metadata_count; i++)
        if (!strstr(file->metadata[i].key, "training.stopping") &&
            strcmp(file->metadata[i].key, "training.epoch_loss_weight") != 0)
            old[kept++] = file->metadata[i];
    assert_int_equal(kept, file->metadata_count - 3);
    assert_int_equal(
        cnn_safetensors_write(path, file->tensors, file->tensor_count, old, kept, s->diag), CNN_OK);
    cnn_safetensors_close(file);
    assert_int_equal(rename(path, scratch_path(s, "run/last.safetensors")), 0);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    runs_assert_same_file(s, "whole", "run", "best.safetensors");
    runs_assert_same_table(s, "whole", "run", "epochs.csv");
}

static void test_balanced_weights_are_those_of_the_training_images(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    struct cnn_safetensors *file;
    assert_int_equal(runs_train(s, "run", false, &watcher,
                                "loss={type: cross_entropy, class_weights: balanced}"),
                     CNN_OK);
    assert_int_equal(cnn_safetensors_open(scratch_path(s, "run/last.safetensors"), &file, s->diag),
                     CNN_OK);
    const char *text = cnn_safetensors_metadata(file, "class_weights");
    assert_non_null(text);
    double sum = 0, least = INFINITY, most = 0;
    for (size_t i = 0; i < 10; i++) {
        char *end;
        double weight = strtod(text + 1, &end);
        sum += 1 / weight; /* images of the class, times classes, over images */
        least = fmin(least, weight);
        most = fmax(most, weight);
        text = end;
    }
    assert_string_equal(text, "]");
    assert_near(sum, 10, 1e-9);
    assert_true(most > least);
    cnn_safetensors_close(file);
    /* which takes them from the file */
    assert_near(loss_of(s, "run/last.safetensors"), watcher.last.val_loss, 1e-12);
}

static void test_class_weights_that_are_not_one_for_each_class_are_refused(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(
        runs_train(s, "few", false, NULL, "loss={type: cross_entropy, class_weights: [1, 2, 3]}"),
        CNN_INVALID);
    runs_expect(s, "class_weights has 3 numbers; the network answers with 10");
    const char *text = "input: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: "
                       "10}]\nloss: {type: cross_entropy, class_weights: balanced}\n"
                       "data: {dataset: shapes, limit: 5}\ntrain: {epochs: 1}\n";
    scratch_write(s, "tiny.yaml", text, strlen(text));
    assert_int_equal(runs_train(s, "few", false, NULL, NULL), CNN_INVALID);
    runs_expect(s, "has no training images, so there is no balanced weight for it");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_resumed_run_is_the_uninterrupted_one_with_all_of_a_recipe),
        TEST(test_run_is_the_same_on_any_number_of_threads_with_all_of_a_recipe),
        TEST(test_averaged_weights_are_validated_and_stored),
        TEST(test_mean_may_begin_and_end_when_a_run_is_resumed),
        TEST(test_newest_epoch_is_kept_when_the_recipe_says_so),
        TEST(test_choosing_by_the_test_images_is_warned_of),
        TEST(test_early_stopping_ends_the_run),
        TEST(test_state_of_an_older_version_is_gone_on_with),
        TEST(test_balanced_weights_are_those_of_the_training_images),
        TEST(test_class_weights_that_are_not_one_for_each_class_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
