/* Runs that are broken off and gone on with: the uninterrupted run's bytes, whatever broke them
 * off; and what is refused. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "report/history.h"
#include "runs.h"
#include "util/file.h"

static void test_resumed_run_is_the_uninterrupted_one(void **state)
{
    struct scratch *s = runs_prepare(state);
    const struct watcher places[] = {
        {.kind = CNN_EVENT_START, .at = 1}, /* before the first step */
        {.kind = CNN_EVENT_STEP, .at = 3},  /* in the middle of an epoch */
        {.kind = CNN_EVENT_STEP, .at = 10}, /* at an epoch's end: validation is left to do */
        /* after the pass over the images, before it is recorded */
        {.kind = CNN_EVENT_VALIDATE, .at = 2},
        {.kind = CNN_EVENT_EPOCH, .at = 1}, /* between epochs */
        {.kind = CNN_EVENT_STEP, .at = 15}, /* at the run's last step */
        {.kind = CNN_EVENT_START, .at = 1, .answers = true},
        {.kind = CNN_EVENT_STEP, .at = 3, .answers = true},
        {.kind = CNN_EVENT_VALIDATE, .at = 2, .answers = true},
        {.kind = CNN_EVENT_EPOCH, .at = 1, .answers = true},
    };
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char name[16];
        struct watcher watcher = places[i];
        snprintf(name, sizeof name, "part%zu", i);
        cnn_status status = runs_train(s, name, false, &watcher, NULL);
        if (places[i].kind != CNN_EVENT_VALIDATE) {
            assert_int_equal(status, CNN_INTERRUPTED);
            runs_expect(s, "interrupted after step");
        }
        assert_int_equal(runs_train(s, name, true, NULL, NULL), CNN_OK);
        runs_assert_same(s, "whole", name);
    }
}

static int stop_always(void *context, const cnn_event *event)
{
    (void)context;
    return event->kind == CNN_EVENT_STEP || event->kind == CNN_EVENT_EPOCH;
}

static void test_run_that_stops_and_goes_on_in_one_process_is_the_uninterrupted_one(void **state)
{
    struct scratch *s = runs_prepare(state);
    char config[256], directory[256];
    snprintf(config, sizeof config, "%s", scratch_path(s, "tiny.yaml"));
    snprintf(directory, sizeof directory, "%s", scratch_path(s, "parts"));
    const cnn_train_options options = {
        .config = config, .directory = directory, .event = stop_always};
    cnn_trainer *trainer = NULL;
    cnn_status status;
    size_t stops = 0;
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_trainer_new(&options, &trainer, s->diag), CNN_OK);
    while ((status = cnn_trainer_run(trainer, s->diag)) == CNN_INTERRUPTED && stops < 100) {
        runs_expect(s, "everything is saved");
        stops++;
    }
    assert_int_equal(status, CNN_OK);
    assert_true(stops >= 15); /* 3 epochs of 5 steps */
    assert_int_equal(cnn_trainer_run(trainer, s->diag), CNN_INVALID);
    runs_expect(s, "the run is over");
    cnn_trainer_free(trainer);
    runs_assert_same(s, "whole", "parts");
}

static void test_finished_run_goes_on_when_epochs_are_added(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(runs_train(s, "longer", false, NULL, "train.epochs=4"), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, NULL, NULL), CNN_OK);
    struct watcher watcher = {.kind = CNN_EVENT_STEP};
    assert_int_equal(runs_train(s, "run", true, &watcher, NULL), CNN_OK);
    assert_int_equal(watcher.seen, 0);
    assert_int_equal(watcher.warnings, 1); /* complete */
    assert_int_equal(runs_train(s, "run", true, &watcher, "train.epochs=4"), CNN_OK);
    assert_int_equal(watcher.seen, 5);
    runs_assert_same_file(s, "longer", "run", "last.safetensors");
    runs_assert_same_file(s, "longer", "run", "health.csv");
    runs_assert_same_file(s, "longer", "run", "config.yaml");
}

static void test_tables_are_cut_back_when_a_run_that_crashed_is_resumed(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_STEP, .at = 7};
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_INTERRUPTED);
    FILE *steps = fopen(scratch_path(s, "run/steps.csv"), "a"),
         *epochs = fopen(scratch_path(s, "run/epochs.csv"), "a");
    FILE *health = fopen(scratch_path(s, "run/health.csv"), "a");
    fputs("8,2,1,1,1\n10,2,1", steps);
    fputs("2,1,1,1,1,1,1\n", epochs);
    fputs("2,conv1,0,,1,1,1,1\n2,batch_no", health);
    fclose(steps);
    fclose(epochs);
    fclose(health);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    runs_assert_same(s, "whole", "run");
}

/* 5 steps an epoch: the first run ends in the middle of the second, whose rows come again when it
 * is whole. */
static void test_epoch_has_one_row_when_a_run_that_ended_within_it_goes_on(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(runs_train(s, "run", false, NULL, "train={steps: 7, batch_size: 16}"), CNN_OK);
    assert_int_equal(runs_train(s, "run", true, NULL, "train.steps=12"), CNN_OK);
    struct cnn_history history;
    assert_int_equal(cnn_history_read(scratch_path(s, "run"), cnn_tasks[0], &history, s->diag),
                     CNN_OK);
    assert_int_equal(history.epoch_count, 3);
    assert_int_equal(history.health_count, 9);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(history.epochs[i].epoch, i + 1);
    cnn_history_free(&history);
}

static void test_resume_is_refused_when_it_cannot_be_the_same_run(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(runs_train(s, "nothing", true, NULL, NULL), CNN_FAILED);
    runs_expect(s, "nothing/last.safetensors");
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(runs_train(s, "run", true, NULL, "train.batch_size=8"), CNN_INVALID);
    runs_expect(s, "had 5 steps in an epoch; with this data and batch size there are 9");
    assert_int_equal(runs_train(s, "run", true, NULL, "train.optimizer={type: sgd, momentum: 0.9}"),
                     CNN_FAILED);
    runs_expect(s, "it holds no @optimizer.momentum.conv1.weight");
    assert_int_equal(
        runs_train(s, "run", true, NULL, "train={steps: 3, batch_size: 16, optimizer: adam}"),
        CNN_INVALID);
    runs_expect(s, "is at step 5, beyond the 3 that are wanted");
}

static void copy_file(struct scratch *s, const char *from, const char *to, const char *file)
{
    char name[128];
    size_t size;
    snprintf(name, sizeof name, "%s/%s", from, file);
    if (access(scratch_path(s, name), F_OK) != 0)
        return;
    char *data = runs_read(s, from, file, &size);
    snprintf(name, sizeof name, "%s/%s", to, file);
    scratch_write(s, name, data, size);
    free(data);
}

static void copy_run(struct scratch *s, const char *from, const char *to)
{
    const char *files[] = {
        "config.yaml", "best.safetensors", "last.safetensors", "last.previous.safetensors",
        "steps.csv",   "epochs.csv",       "health.csv",       "film.safetensors"};
    assert_int_equal(mkdir(scratch_path(s, to), 0777), 0);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        copy_file(s, from, to, files[i]);
}

/* asks for a save at each step, and copies the directory as it then is: what a crash would leave */
struct saver {
    struct scratch *s;
    cnn_flag save;
    size_t saves;
};

static int save_each_step(void *context, const cnn_event *event)
{
    struct saver *saver = context;
    char name[32];
    if (event->kind == CNN_EVENT_STEP)
        cnn_flag_raise(&saver->save);
    if (event->kind != CNN_EVENT_SAVE)
        return 0;
    snprintf(name, sizeof name, "at%zu", event->step);
    copy_run(saver->s, "run", name);
    saver->saves++;
    return 0;
}

static void test_run_goes_on_from_every_save(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct saver saver = {.s = s};
    char config[128], directory[128], name[32];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/run", s->folder);
    cnn_train_options options = {.config = config,
                                 .directory = directory,
                                 .event = save_each_step,
                                 .context = &saver,
                                 .save = &saver.save};
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_train(&options, s->diag), CNN_OK);
    assert_int_equal(saver.saves, 15);
    runs_assert_same(s, "whole", "run");
    for (size_t step = 1; step <= 15; step += 2) { /* the fifth and the fifteenth end an epoch */
        snprintf(name, sizeof name, "at%zu", step);
        assert_int_equal(runs_train(s, name, true, NULL, NULL), CNN_OK);
        runs_assert_same(s, "whole", name);
    }
}

static void damage(struct scratch *s, const char *run, const char *file)
{
    char name[128];
    size_t size;
    char *data = runs_read(s, run, file, &size);
    data[size - 5] ^= 1;
    snprintf(name, sizeof name, "%s/%s", run, file);
    scratch_write(s, name, data, size);
    free(data);
}

static void assert_whole(struct scratch *s, const char *name)
{
    cnn_checkpoint_info *info = NULL;
    assert_int_equal(cnn_checkpoint_verify(scratch_path(s, name), &info, s->diag), CNN_OK);
    assert_true(info->state);
    cnn_checkpoint_info_free(info);
}

static void test_run_goes_on_from_the_state_before_when_the_last_is_damaged(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_STEP, .at = 12};
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_INTERRUPTED);
    cnn_diag_clear(s->diag);
    damage(s, "run", "last.safetensors");
    watcher = (struct watcher){.kind = CNN_EVENT_STEP, .at = 1};
    assert_int_equal(runs_train(s, "run", true, &watcher, NULL), CNN_INTERRUPTED);
    assert_int_equal(watcher.last.step, 11); /* the state before it was that after two epochs */
    assert_int_equal(watcher.warnings, 1);
    assert_whole(s, "run/last.previous.safetensors"); /* not the damaged one */
    assert_int_equal(access(scratch_path(s, "run/last.damaged.safetensors"), F_OK), 0);
    assert_int_equal(unlink(scratch_path(s, "run/last.safetensors")), 0);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    runs_assert_same(s, "whole", "run");
    cnn_diag_clear(s->diag);
    damage(s, "run", "last.safetensors");
    damage(s, "run", "last.previous.safetensors");
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_FAILED);
    runs_expect(s, "run/last.safetensors is damaged");
}

/* Files of up to a thousand bytes can be written from step 7 on. */
static int limit_files(void *context, const cnn_event *event)
{
    struct rlimit *limit = context;
    if (event->kind == CNN_EVENT_STEP && event->step == 7)
        assert_int_equal(setrlimit(RLIMIT_FSIZE,
                                   &(struct rlimit){.rlim_cur = 1000, .rlim_max = limit->rlim_max}),
                         0);
    return 0;
}

static void test_save_that_fails_leaves_the_checkpoints_before_it(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct rlimit limit;
    char config[128], directory[128];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/run", s->folder);
    cnn_train_options options = {
        .config = config, .directory = directory, .event = limit_files, .context = &limit};
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    cnn_status status = cnn_train(&options, s->diag);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->hint, "cnn train --resume"));
    runs_expect(s, ".safetensors: File too large");
    assert_whole(s, "run/last.safetensors");
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    runs_assert_same(s, "whole", "run");
}

static void test_run_is_refused_before_its_first_step_when_no_file_can_be_so_large(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct rlimit limit;
    size_t files = scratch_count(s);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(
        setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1000, .rlim_max = limit.rlim_max}), 0);
    cnn_status status = runs_train(s, "run", false, NULL, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    assert_int_equal(status, CNN_FAILED);
    runs_expect(s, "no file may be larger than 1000 bytes here, and a checkpoint takes about ");
    assert_int_equal(scratch_count(s), files);
}

/* The id of a process that is no more. */
static long dead_process(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_true(pid > 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return pid;
}

static void test_temporary_files_are_removed_when_their_process_is_no_more(void **state)
{
    struct scratch *s = runs_prepare(state);
    char dead[64], alive[64];
    snprintf(dead, sizeof dead, "run/last.safetensors.tmp-%ld", dead_process());
    snprintf(alive, sizeof alive, "run/report.html.tmp-%ld", (long)getppid());
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    scratch_write(s, dead, "half", 4);
    scratch_write(s, alive, "half", 4);
    scratch_write(s, "run/notes.tmp-1x", "mine", 4);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    assert_int_not_equal(access(scratch_path(s, dead), F_OK), 0);
    assert_int_equal(access(scratch_path(s, alive), F_OK), 0);
    assert_int_equal(access(scratch_path(s, "run/notes.tmp-1x"), F_OK), 0);
    assert_int_not_equal(access(scratch_path(s, "run/lock"), F_OK), 0);
}

/* Whether the tensor of this name is the same in both. */
static bool same_tensor(const cnn_model *a, const cnn_model *b, const char *name)
{
    const cnn_model *models[2] = {a, b};
    float values[2][1024];
    size_t found = 0;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; i < cnn_model_tensors(models[m]); i++)
            if (strcmp(cnn_model_tensor(models[m], i).name, name) == 0) {
                assert_true(cnn_model_tensor(models[m], i).count <= 1024);
                memset(values[m], 0, sizeof values[m]);
                cnn_model_tensor_get(models[m], i, values[m], NULL);
                found++;
            }
    assert_int_equal(found, 2);
    return memcmp(values[0], values[1], sizeof values[0]) == 0;
}

/* A new last layer of the same shape starts anew; what is frozen stays. */
static void test_parameters_are_transferred_where_names_and_shapes_fit(void **state)
{
    struct scratch *s = runs_prepare(state);
    char config[128], directory[128], weights[128];
    const char *overrides[] = {"layers.5={type: dense, units: 10, name: head}",
                               "layers.0.trainable=false", "train.epochs=1",
                               "train.schedule=constant"};
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/fine", s->folder);
    snprintf(weights, sizeof weights, "%s/base/best.safetensors", s->folder);
    struct watcher watcher = {.kind = CNN_EVENT_START, .at = 1};
    cnn_train_options options = {.config = config,
                                 .directory = directory,
                                 .from = weights,
                                 .overrides = overrides,
                                 .override_count = 4,
                                 .event = runs_watch,
                                 .context = &watcher,
                                 .stop = &watcher.stop};
    cnn_model *base, *start, *end;
    assert_int_equal(runs_train(s, "base", false, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_train(&options, s->diag), CNN_INTERRUPTED);
    assert_int_equal(watcher.warnings, 1);
    assert_int_equal(cnn_model_open(scratch_path(s, "base"), NULL, &base, s->diag), CNN_OK);
    assert_int_equal(
        cnn_model_open(scratch_path(s, "fine/last.safetensors"), NULL, &start, s->diag), CNN_OK);
    assert_int_equal(runs_train(s, "fine", true, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_model_open(scratch_path(s, "fine"), NULL, &end, s->diag), CNN_OK);
    assert_true(same_tensor(base, start, "conv1.weight"));
    assert_true(same_tensor(base, start, "batch_norm1.bias") &&
                same_tensor(base, start, "batch_norm1.running_var"));
    assert_true(same_tensor(base, end, "conv1.weight"));
    assert_false(same_tensor(start, end, "head.weight"));
    cnn_model_free(base);
    cnn_model_free(start);
    cnn_model_free(end);
}

static void test_transfer_is_refused_when_nothing_fits(void **state)
{
    struct scratch *s = runs_prepare(state);
    char config[128], directory[128], weights[128];
    const char *override = "layers=[{type: flatten}, {type: dense, units: 10, name: head}]";
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/never", s->folder);
    snprintf(weights, sizeof weights, "%s/base/best.safetensors", s->folder);
    cnn_train_options options = {.config = config,
                                 .directory = directory,
                                 .from = weights,
                                 .overrides = &override,
                                 .override_count = 1};
    assert_int_equal(runs_train(s, "base", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(cnn_train(&options, s->diag), CNN_FAILED);
    assert_non_null(
        strstr(cnn_diag_get(s->diag, 0)->hint,
               "the description's layers: head; those of the file: conv1, batch_norm1, dense1"));
    runs_expect(s, "base/best.safetensors fits");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_resumed_run_is_the_uninterrupted_one),
        TEST(test_run_that_stops_and_goes_on_in_one_process_is_the_uninterrupted_one),
        TEST(test_finished_run_goes_on_when_epochs_are_added),
        TEST(test_tables_are_cut_back_when_a_run_that_crashed_is_resumed),
        TEST(test_epoch_has_one_row_when_a_run_that_ended_within_it_goes_on),
        TEST(test_resume_is_refused_when_it_cannot_be_the_same_run),
        TEST(test_run_goes_on_from_every_save),
        TEST(test_run_goes_on_from_the_state_before_when_the_last_is_damaged),
        TEST(test_save_that_fails_leaves_the_checkpoints_before_it),
        TEST(test_run_is_refused_before_its_first_step_when_no_file_can_be_so_large),
        TEST(test_temporary_files_are_removed_when_their_process_is_no_more),
        TEST(test_parameters_are_transferred_where_names_and_shapes_fit),
        TEST(test_transfer_is_refused_when_nothing_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
