/* Files that a data set passes over, counted by their ending, and what is said of them. */
#ifndef CNN_DATA_PASSED_H
#define CNN_DATA_PASSED_H

#include <stddef.h>

#include "data/directory.h"
#include "util/diag.h"

enum { CNN_PASSED_KINDS = 24, CNN_PASSED_ENDING = 16 };

struct cnn_passed_kind {
    char ending[CNN_PASSED_ENDING]; /* ".webp", in small letters; or words: "hidden" */
    size_t files;
    const char *folder, *name; /* of the first one; the caller's */
};

struct cnn_passed {
    size_t files; /* all */
    struct cnn_passed_kind kinds[CNN_PASSED_KINDS];
    size_t kind_count; /* files of further kinds are only counted above */
};

/* What lies in folder and is not used. Files are counted by their ending; hidden ones only where
 * they are named like a picture, for every system puts some of its own everywhere. */
void cnn_passed_add(struct cnn_passed *passed, const char *folder, const struct cnn_entry *entry);

/* One warning for all of them, with a hint how to convert what are pictures; none for none. where:
 * the folder that was looked through. */
void cnn_passed_tell(const struct cnn_passed *passed, const char *where, cnn_diag *diag);

#endif
