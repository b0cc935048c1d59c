/* JSON, read into a tree (RFC 8259). The whole tree lives in an arena; want of memory is told apart
 * from what is wrong in the text. Written is it with cnn_text_json_string and _number. */
#ifndef CNN_UTIL_JSON_H
#define CNN_UTIL_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "util/arena.h"

enum cnn_json_kind {
    CNN_JSON_NULL,
    CNN_JSON_BOOL,
    CNN_JSON_NUMBER,
    CNN_JSON_TEXT,
    CNN_JSON_LIST,
    CNN_JSON_OBJECT
};

/* Small: a text of a few megabytes may hold a million of them. */
struct cnn_json {
    enum cnn_json_kind kind;
    uint32_t position; /* bytes before it, or before its key */
    const char *key;   /* in an object; NULL elsewhere */
    union {
        const char *text;             /* of a text: UTF-8 without a NUL within */
        double number;                /* of a number; 1 of true */
        const struct cnn_json *first; /* of a list or an object; NULL where it is empty */
    };
    uint64_t size; /* members of a list or an object; a number that is written in digits alone */
    bool whole;    /* it is, and fits */
    const struct cnn_json *next;
};

struct cnn_json_error {
    const char *text; /* what is wrong; NULL: memory ran out */
    size_t position;  /* bytes before it */
};

/* The value that text[0..size) is, with no more than white space around it; NULL and *error where
 * it is none, a key stands twice in an object, or values are nested deeper than 64. size: at most 4
 * GiB. */
const struct cnn_json *cnn_json_read(struct cnn_arena *arena, const char *text, size_t size,
                                     struct cnn_json_error *error);

/* The member of an object (NULL where it is none, or value is no object). */
const struct cnn_json *cnn_json_get(const struct cnn_json *value, const char *key);

#endif
