/* What a run keeps from one epoch to the next: bad epochs of a plateau, also over a break; which of
 * two equally accurate epochs is the best; and epochs before early stopping was set. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/history.h"
#include "runs.h"

/* A network that hardly moves: 10 images in 2 steps an epoch. */
static struct scratch *prepare(void **state, const char *optimizer, const char *schedule)
{
    struct scratch *s = *state;
    char text[512];
    int size = snprintf(text, sizeof text,
                        "input: [3, 16, 16]\n"
                        "layers: [{type: flatten}, {type: dense, units: 10}]\n"
                        "data: {dataset: shapes, limit: 20, val_split: 0.5}\n"
                        "train: {epochs: 6, batch_size: 5, optimizer: %s, schedule: %s}\n",
                        optimizer, schedule);
    scratch_write(s, "tiny.yaml", text, (size_t)size);
    return s;
}

static struct cnn_history read_history(struct scratch *s, const char *run)
{
    struct cnn_history history;
    assert_int_equal(cnn_history_read(scratch_path(s, run), cnn_tasks[0], &history, s->diag),
                     CNN_OK);
    return history;
}

/* The loss never gets better after the first epoch: the second, third and fourth are bad, and with
 * patience 2 the third bad one halves the rate of the fifth and those after it, as PyTorch's
 * ReduceLROnPlateau does. Breaks come after each number of bad epochs. */
static void test_bad_epochs_of_a_plateau_outlive_a_break(void **state)
{
    struct scratch *s =
        prepare(state, "{type: sgd, lr: 1e-30}", "{type: plateau, patience: 2, gamma: 0.5}");
    static const double factors[] = {1, 1, 1, 1, 0.5, 0.5};
    char name[16];
    for (size_t at = 1; at < 6; at++) {
        struct watcher watcher = {.kind = CNN_EVENT_EPOCH, .at = at};
        snprintf(name, sizeof name, "run%zu", at);
        assert_int_equal(runs_train(s, name, false, &watcher, NULL), CNN_INTERRUPTED);
        assert_int_equal(runs_train(s, name, true, NULL, NULL), CNN_OK);
        struct cnn_history history = read_history(s, name);
        assert_int_equal(history.epoch_count, 6);
        for (size_t i = 0; i < 6; i++)
            assert_true(history.epochs[i].lr > 0.99e-30 * factors[i] &&
                        history.epochs[i].lr < 1.01e-30 * factors[i]);
        cnn_history_free(&history);
        cnn_diag_clear(s->diag);
    }
}

static size_t step_of(struct scratch *s, const char *name)
{
    cnn_checkpoint_info *info = NULL;
    assert_int_equal(cnn_checkpoint_verify(scratch_path(s, name), &info, s->diag), CNN_OK);
    size_t step = info->step;
    cnn_checkpoint_info_free(info);
    return step;
}

/* The same accuracy, a lower loss in each epoch: the last is the best. */
static void test_lower_loss_is_the_best_of_equal_accuracies(void **state)
{
    struct scratch *s = prepare(state, "{type: sgd, lr: 1e-5}", "constant");
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_OK);
    struct cnn_history history = read_history(s, "run");
    for (size_t i = 1; i < history.epoch_count; i++) {
        assert_true(history.epochs[i].val_measure == history.epochs[0].val_measure);
        assert_true(history.epochs[i].val_loss < history.epochs[i - 1].val_loss);
    }
    cnn_history_free(&history);
    assert_int_equal(step_of(s, "run/best.safetensors"), 12);
}

static void test_equal_accuracy_and_loss_keep_the_first(void **state)
{
    struct scratch *s = prepare(state, "{type: sgd, lr: 1e-30}", "constant");
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_OK);
    assert_int_equal(step_of(s, "run/best.safetensors"), 2);
}

/* Three epochs without a better loss were before it. */
static void test_early_stopping_counts_epochs_before_it_was_set(void **state)
{
    struct scratch *s = prepare(state, "{type: sgd, lr: 1e-30}", "constant");
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH, .at = 4};
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_INTERRUPTED);
    watcher = (struct watcher){.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "run", true, &watcher, "train.early_stopping={patience: 4}"),
                     CNN_OK);
    assert_int_equal(watcher.last.epoch, 5);
    assert_string_equal(watcher.ending,
                        "ended after epoch 5 of 6: 4 epochs without a better validation loss");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bad_epochs_of_a_plateau_outlive_a_break, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_lower_loss_is_the_best_of_equal_accuracies,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_equal_accuracy_and_loss_keep_the_first, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_early_stopping_counts_epochs_before_it_was_set,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
