/* Numbers of a run: the mean loss of an epoch where classes have weights, and the minutes between
 * saves. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "near.h"
#include "runs.h"

/* 40 images to train on in 8 steps an epoch. */
static struct scratch *prepare(void **state, const char *loss, const char *more)
{
    struct scratch *s = *state;
    char text[512];
    int size = snprintf(text, sizeof text,
                        "input: [3, 16, 16]\n"
                        "layers: [{type: flatten}, {type: dense, units: 10}]\n"
                        "loss: %s\n"
                        "data: {dataset: shapes, limit: 50, val_split: 0.2}\n"
                        "train: {epochs: 1, batch_size: 5, optimizer: {type: sgd, lr: 1e-30}%s}\n",
                        loss, more);
    scratch_write(s, "tiny.yaml", text, (size_t)size);
    return s;
}

static double evaluate(struct scratch *s, const char *split)
{
    const cnn_evaluate_options options = {.split = split};
    cnn_model *model;
    cnn_evaluation *e = NULL;
    assert_int_equal(cnn_model_open(scratch_path(s, "run"), NULL, &model, s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(model, &options, &e, s->diag), CNN_OK);
    double loss = e->loss;
    cnn_evaluation_free(e);
    cnn_model_free(model);
    return loss;
}

/* Weights that do not move: each image has its loss whenever it comes, and counts with the weight
 * of its class. */
static void test_epochs_loss_is_the_weighted_mean_over_its_images(void **state)
{
    struct scratch *s = prepare(state,
                                "{type: cross_entropy, class_weights: [1, 2, 3, 4, 5, 6, 7, 8, 9, "
                                "20]}",
                                "");
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_OK);
    assert_near(watcher.last.loss, evaluate(s, "train"), 1e-6);
    assert_near(watcher.last.val_loss, evaluate(s, "val"), 1e-6);
}

struct slow { /* a run whose steps take 20 ms at least */
    struct scratch *s;
    size_t saved; /* step of the state, before the epoch's last step */
};

static int take_time(void *context, const cnn_event *event)
{
    struct slow *slow = context;
    cnn_checkpoint_info *info = NULL;
    if (event->kind != CNN_EVENT_STEP)
        return 0;
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    if (event->step != 8)
        return 0;
    const char *path = scratch_path(slow->s, "run/last.safetensors");
    assert_int_equal(cnn_checkpoint_verify(path, &info, slow->s->diag), CNN_OK);
    slow->saved = info->step;
    cnn_checkpoint_info_free(info);
    return 0;
}

static size_t saved_within(void **state, const char *save_every)
{
    struct scratch *s = prepare(state, "cross_entropy", save_every);
    struct slow slow = {.s = s};
    char config[128], directory[128];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/run", s->folder);
    const cnn_train_options options = {
        .config = config, .directory = directory, .event = take_time, .context = &slow};
    assert_int_equal(cnn_train(&options, s->diag), CNN_OK);
    return slow.saved;
}

/* After 0.001 minutes, which are 60 ms, and not after ten minutes. */
static void test_state_is_saved_when_the_minutes_are_over(void **state)
{
    assert_in_range(saved_within(state, ", save_every: 0.001"), 1, 7);
}

static void test_state_is_not_saved_before_the_minutes_are_over(void **state)
{
    assert_int_equal(saved_within(state, ""), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_epochs_loss_is_the_weighted_mean_over_its_images),
        TEST(test_state_is_saved_when_the_minutes_are_over),
        TEST(test_state_is_not_saved_before_the_minutes_are_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
