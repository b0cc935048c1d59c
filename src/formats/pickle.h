/* Python's pickles, as far as the tensors of PyTorch need them: a machine that makes lists, tables,
 * numbers and texts, and calls nothing. What a pickle would call is kept as a call, and only of
 * names that the caller knows; any other is refused before anything else is done with it. The
 * opcodes are those of protocol 2 that PyTorch's own reader of weights allows. */
#ifndef CNN_FORMATS_PICKLE_H
#define CNN_FORMATS_PICKLE_H

#include "util/arena.h"
#include "util/diag.h"

#define CNN_PICKLE_MAX_BYTES ((size_t)16 << 20) /* of one pickle: ten thousands of tensors */

enum cnn_pickle_kind {
    CNN_PICKLE_NONE,
    CNN_PICKLE_BOOL,
    CNN_PICKLE_INT,
    CNN_PICKLE_BIG, /* an integer of more than 64 bits: its bytes, little endian */
    CNN_PICKLE_REAL,
    CNN_PICKLE_TEXT,
    CNN_PICKLE_TUPLE,
    CNN_PICKLE_LIST,
    CNN_PICKLE_SET,
    CNN_PICKLE_DICT,   /* keys and values by turns */
    CNN_PICKLE_GLOBAL, /* a name that the caller knows: its number */
    CNN_PICKLE_CALL,   /* such a name, and what it is called with, a tuple: two items */
    CNN_PICKLE_STORED  /* what stands outside of the pickle: what names it, one item */
};

/* Values may hold each other in circles: whoever walks over them counts the levels. */
struct cnn_pickle {
    enum cnn_pickle_kind kind;
    uint32_t at; /* byte of the pickle that it begins with */
    size_t count;
    union {
        int64_t integer; /* of BOOL and GLOBAL, too */
        double real;
        const char *text;          /* count bytes; of TEXT: UTF-8 without NUL, NUL-terminated */
        struct cnn_pickle **items; /* of TUPLE and what follows, but GLOBAL */
    };
};

/* What may be named by a pickle: "collections.OrderedDict". A call of a table gives an empty one.
 */
struct cnn_pickle_global {
    const char *name; /* NULL ends the list */
    bool table;
};

struct cnn_pickle_source {
    const char *path; /* for messages */
    const unsigned char *data;
    size_t size;
    size_t at;                               /* of data in the file, for messages */
    const struct cnn_pickle_global *globals; /* by which GLOBALs are numbered */
};

struct cnn_pickle_result {
    const struct cnn_pickle *root;
    size_t used;                      /* bytes of the pickle */
    struct cnn_pickle *const *stored; /* every STORED, as they came */
    size_t stored_count;
};

/* Reads the pickle that data begins with; what follows it is not looked at. What *out points to is
 * in arena. CNN_FAILED, with the byte: what is no pickle, is cut short, or names what is not among
 * globals. */
cnn_status cnn_pickle_read(struct cnn_arena *arena, const struct cnn_pickle_source *source,
                           struct cnn_pickle_result *out, cnn_diag *diag);

/* The value of a text key; NULL where value is no DICT or has none. The last one counts. */
const struct cnn_pickle *cnn_pickle_get(const struct cnn_pickle *value, const char *key);

#endif
