/* What lies in one folder, in a fixed order. */
#ifndef CNN_DATA_DIRECTORY_H
#define CNN_DATA_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

#include "util/arena.h"
#include "util/diag.h"

enum cnn_entry_kind {
    CNN_ENTRY_FOLDER,
    CNN_ENTRY_FILE,
    CNN_ENTRY_OTHER /* a pipe, a device, a link to nothing */
};

struct cnn_entry {
    const char *name;
    enum cnn_entry_kind kind; /* of what a link points to */
};

struct cnn_entries {
    struct cnn_entry *items;
    size_t count, capacity;
};

/* Natural order; names that are equal in it (a1, a01) byte by byte, so that the order never depends
 * on the disk. As strcmp. */
int cnn_directory_compare(const char *a, const char *b);

/* All that the folder holds but . and .., sorted; a zeroed *out is filled from the arena. Whatever
 * keeps an entry from being seen is an error that names it: CNN_FAILED. */
cnn_status cnn_directory_read(struct cnn_arena *arena, const char *folder, struct cnn_entries *out,
                              cnn_diag *diag);

#endif
