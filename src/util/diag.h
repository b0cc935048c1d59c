/* Diagnostics: every error and warning of the library is a message in a cnn_diag, with its place in
 * a file where it has one. The library never prints; the program (or the library's user) reads the
 * messages through cnn.h. */
#ifndef CNN_UTIL_DIAG_H
#define CNN_UTIL_DIAG_H

#include "cnn.h"

/* A text that messages point into: a YAML file, or one --set argument. Lives in the arena of
 * whoever read it; messages copy from it. */
struct cnn_source {
    const char *name; /* shown before the line: the file's path */
    const char *text; /* the whole text, NUL-terminated; NULL where there is none to show */
    size_t size;      /* bytes of text */
};

/* A place in a source; line and column count from 1, columns in characters. A NULL pointer means no
 * place, line 0 the source as a whole. */
struct cnn_where {
    const struct cnn_source *source;
    size_t line, column;
    const struct cnn_note *note; /* how what stands there came to be used; NULL: as it stands */
};

/* A second place of whatever is said of a first one. Notes form a list: where.note is the next. */
struct cnn_note {
    const char *text;
    struct cnn_where where;
};

/* Adds an error and returns status, so that callers write `return cnn_fail(...)`. diag may be NULL:
 * the message is dropped. where may be NULL. At most CNN_DIAG_MAX errors are kept (the first ones);
 * later ones are only counted. One that says of a place what a kept one says of it already counts,
 * but is not kept. A message is one line of text: whatever a terminal could act on, line breaks
 * too, is shown escaped. */
#define CNN_DIAG_MAX 20
cnn_status cnn_fail(cnn_diag *diag, cnn_status status, const struct cnn_where *where,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* As cnn_fail, for something the user should know that stops nothing. At most CNN_DIAG_MAX warnings
 * are kept, and none twice. */
void cnn_warn(cnn_diag *diag, const struct cnn_where *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Gives the newest message of diag a hint, shown on a line of its own ("hint: ..."): what would be
 * right. */
void cnn_hint(cnn_diag *diag, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Where path, which the user gave, is not there: hints at one that is (cnn_nearest_path). */
void cnn_hint_near(cnn_diag *diag, const char *path);

/* cnn_fail for memory that could not be had: "out of memory (N MiB wanted for WHAT)". bytes: 0
 * where that is not known. Returns CNN_FAILED. */
cnn_status cnn_fail_memory(cnn_diag *diag, size_t bytes, const char *what);

/* What a process may want, which is no fault of the file that it reads: memory, or one more open
 * file. */
enum cnn_want { CNN_WANT_NOTHING, CNN_WANT_MEMORY, CNN_WANT_FILES };

/* What was wanted in what diag tells of; memory where it is NULL, for then it could not be made. */
enum cnn_want cnn_diag_want(const cnn_diag *diag);

/* cnn_fail for what was wanted for WHAT; bytes: of memory. Returns CNN_FAILED. */
cnn_status cnn_fail_want(cnn_diag *diag, enum cnn_want want, size_t bytes, const char *what);

/* cnn_fail for a public function that was not given what it needs: NULL, or 0 where that is
 * nothing. Returns CNN_INVALID. */
cnn_status cnn_fail_missing(cnn_diag *diag, const char *function, const char *arguments);

/* cnn_fail for a struct of options of a version that is not known. Returns CNN_INVALID. */
cnn_status cnn_fail_version(cnn_diag *diag, const char *options, unsigned version, unsigned known);

/* cnn_fail for number i of count things of a kind, where i is none of them. Returns CNN_INVALID. */
cnn_status cnn_fail_index(cnn_diag *diag, const char *kind, size_t i, size_t count);

/* Errors so far, counted beyond CNN_DIAG_MAX: code that collects mistakes compares before and
 * after. */
size_t cnn_diag_errors(const cnn_diag *diag);

/* A line of source (from 1) without its end, *size bytes; NULL where it has no such line or no
 * text. */
const char *cnn_source_line(const struct cnn_source *source, size_t line, size_t *size);

#endif
