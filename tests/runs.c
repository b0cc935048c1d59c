/* Training runs for tests: see runs.h. */
#include "runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/file.h"

/* 72 images to train on in 5 steps an epoch, the last one of 8; everything random and every kind of
 * state is in it. */
static const char description[] =
    "name: tiny\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, padding: same, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: pool, pool_type: max, kernel_size: 4}\n"
    "  - {type: dropout, rate: 0.25}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "loss: {type: cross_entropy, label_smoothing: 0.1}\n"
    "data: {dataset: shapes, limit: 96, val_split: 0.25, normalize: auto, augment: [{type: "
    "flip}]}\n"
    "train:\n"
    "  epochs: 3\n"
    "  batch_size: 16\n"
    "  optimizer: {type: adam, lr: 0.01}\n"
    "  schedule: {type: plateau, patience: 0, gamma: 0.5, warmup_epochs: 0.5}\n"
    "  log_every: 2\n";

int runs_watch(void *context, const cnn_event *event)
{
    struct watcher *w = context;
    w->last = *event;
    w->warnings += event->kind == CNN_EVENT_WARNING;
    if (event->kind == CNN_EVENT_END && event->text)
        snprintf(w->ending, sizeof w->ending, "%s", event->text);
    bool now = event->kind == w->kind && ++w->seen == w->at;
    if (now && !w->answers)
        cnn_flag_raise(&w->stop);
    return now && w->answers;
}

struct scratch *runs_prepare(void **state)
{
    struct scratch *s = *state;
    scratch_write(s, "tiny.yaml", description, sizeof description - 1);
    return s;
}

/* Trains into (or resumes) FOLDER/name. */
cnn_status runs_train(struct scratch *s, const char *name, bool resume, struct watcher *watcher,
                      const char *override)
{
    char config[128], directory[128];
    snprintf(config, sizeof config, "%s/tiny.yaml", s->folder);
    snprintf(directory, sizeof directory, "%s/%s", s->folder, name);
    cnn_train_options options = {
        .config = resume ? NULL : config,
        .directory = resume ? NULL : directory,
        .resume = resume ? directory : NULL,
        .overrides = &override,
        .override_count = override ? 1 : 0,
        .event = watcher ? runs_watch : NULL,
        .context = watcher,
        .stop = watcher ? &watcher->stop : NULL,
    };
    return cnn_train(&options, s->diag);
}

char *runs_read(struct scratch *s, const char *run, const char *file, size_t *size)
{
    char name[128], *data = NULL;
    snprintf(name, sizeof name, "%s/%s", run, file);
    assert_int_equal(cnn_file_read(scratch_path(s, name), 1 << 24, &data, size, s->diag), CNN_OK);
    return data;
}

void runs_assert_same_file(struct scratch *s, const char *a, const char *b, const char *file)
{
    size_t size_a, size_b;
    char *data_a = runs_read(s, a, file, &size_a), *data_b = runs_read(s, b, file, &size_b);
    assert_int_equal(size_a, size_b);
    assert_memory_equal(data_a, data_b, size_a);
    free(data_a);
    free(data_b);
}

/* Takes the last column out of each row: speeds and durations. */
static void drop_last_column(char *text)
{
    char *to = text;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        size_t length = (size_t)(strrchr(line, ',') - line);
        memmove(to, line, length);
        to += length;
        *to++ = '\n';
    }
    *to = '\0';
}

void runs_assert_same_table(struct scratch *s, const char *a, const char *b, const char *file)
{
    size_t size;
    char *text_a = runs_read(s, a, file, &size), *text_b = runs_read(s, b, file, &size);
    drop_last_column(text_a);
    drop_last_column(text_b);
    assert_string_equal(text_a, text_b);
    free(text_a);
    free(text_b);
}

void runs_assert_same(struct scratch *s, const char *a, const char *b)
{
    runs_assert_same_file(s, a, b, "config.yaml");
    runs_assert_same_file(s, a, b, "best.safetensors");
    runs_assert_same_file(s, a, b, "last.safetensors");
    runs_assert_same_file(s, a, b, "health.csv");
    runs_assert_same_file(s, a, b, "film.safetensors");
    runs_assert_same_table(s, a, b, "steps.csv");
    runs_assert_same_table(s, a, b, "epochs.csv");
}

void runs_expect(struct scratch *s, const char *text)
{
    assert_true(cnn_diag_count(s->diag) > 0);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    if (!strstr(message->text, text))
        fail_msg("the message is: %s", message->text);
    cnn_diag_clear(s->diag);
}
