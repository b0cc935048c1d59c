/* The text format of protocol buffers, in which Caffe's networks are written: a tree of fields.
 * The format: https://protobuf.dev/reference/protobuf/textformat-spec/ */
#ifndef CNN_FORMATS_PROTOTXT_H
#define CNN_FORMATS_PROTOTXT_H

#include "util/arena.h"
#include "util/diag.h"

#define CNN_PROTOTXT_DEPTH 32                /* messages within messages, at most */
#define CNN_PROTOTXT_BYTES ((size_t)4 << 20) /* of a file, at most: ResNet-152 has 0.1 MB */

struct cnn_prototxt_field {
    const char *name;
    const char *text; /* a number, word or string; NULL: a message */
    bool quoted;      /* it is a string */
    struct cnn_where where;
    struct cnn_prototxt_field *first; /* of a message, in the order of the file */
    struct cnn_prototxt_field *next;  /* of the message that holds this one */
    bool seen;                        /* by cnn_prototxt_find */
};

/* The whole as a message without a name. The source must last as long as the tree, which is in
 * arena. CNN_FAILED, with line and column, where it is no such text. */
cnn_status cnn_prototxt_read(struct cnn_arena *arena, const struct cnn_source *source,
                             struct cnn_prototxt_field **root, cnn_diag *diag);

/* The first field of this name in a message (NULL: there is none), or the next one behind a field.
 * NULL where there is no more. */
struct cnn_prototxt_field *cnn_prototxt_find(const struct cnn_prototxt_field *message,
                                             const char *name);
struct cnn_prototxt_field *cnn_prototxt_next(const struct cnn_prototxt_field *field);

/* The value of a field; CNN_FAILED, and a message at its place, where it is of another kind or is
 * not in [least, most]. */
cnn_status cnn_prototxt_integer(const struct cnn_prototxt_field *field, int64_t least, int64_t most,
                                int64_t *out, cnn_diag *diag);
cnn_status cnn_prototxt_real(const struct cnn_prototxt_field *field, double *out, cnn_diag *diag);
cnn_status cnn_prototxt_bool(const struct cnn_prototxt_field *field, bool *out, cnn_diag *diag);
cnn_status cnn_prototxt_string(const struct cnn_prototxt_field *field, const char **out,
                               cnn_diag *diag);

#endif
