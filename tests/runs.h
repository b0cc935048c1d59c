/* Small training runs for tests, in a scratch folder: broken off, gone on with, and compared byte
 * by byte. */
#ifndef TESTS_RUNS_H
#define TESTS_RUNS_H

#include "scratch.h"

struct watcher { /* stops a run at its at-th event of a kind; counts */
    enum cnn_event_kind kind;
    size_t at, seen, warnings;
    cnn_event last;
    char ending[120]; /* why the run ended early */
    bool answers;     /* stops it by what runs_watch returns, else by the flag */
    cnn_flag stop;
};

/* The event function that goes with a watcher. */
int runs_watch(void *context, const cnn_event *event);

/* Writes the description FOLDER/tiny.yaml: 72 images in 5 steps an epoch, 3 epochs. */
struct scratch *runs_prepare(void **state);

/* Trains it into (or resumes) FOLDER/name. watcher and override may be NULL. */
cnn_status runs_train(struct scratch *s, const char *name, bool resume, struct watcher *watcher,
                      const char *override);

/* A file of a run; free it. */
char *runs_read(struct scratch *s, const char *run, const char *file, size_t *size);

/* The same bytes in both runs; but for the column that tells time; in all files but for that and
 * report.html. */
void runs_assert_same_file(struct scratch *s, const char *a, const char *b, const char *file);
void runs_assert_same_table(struct scratch *s, const char *a, const char *b, const char *file);
void runs_assert_same(struct scratch *s, const char *a, const char *b);

/* Fails unless the first message has this text in it. Clears the messages. */
void runs_expect(struct scratch *s, const char *text);

#endif
