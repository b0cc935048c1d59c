/* For tests with files: a folder of the test's own, and a look at the message that a failing call
 * left. */
#ifndef TESTS_SCRATCH_H
#define TESTS_SCRATCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cnn.h"

struct scratch {
    char folder[64];
    char path[256]; /* of the newest scratch_path */
    cnn_diag *diag;
};

/* cmocka's setup and teardown: *state is a struct scratch; the folder is removed with all that is
 * in it. */
int scratch_setup(void **state);
int scratch_teardown(void **state);

/* FOLDER/name, until the next call. */
const char *scratch_path(struct scratch *s, const char *name);

/* Makes FOLDER/name; returns its path as scratch_path does. */
const char *scratch_write(struct scratch *s, const char *name, const void *data, size_t size);

/* Files in the folder. */
size_t scratch_count(const struct scratch *s);

/* Fails the test unless status is CNN_FAILED and the one message in s->diag has this text, where
 * DIR stands for the folder. Clears the messages. */
void scratch_expect(struct scratch *s, cnn_status status, const char *text);

#endif
