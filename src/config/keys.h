/* Key tables: every key of the description stands once, in a table with its type, range, default
 * and help. Reading, checking, the resolved description, `cnn help` and the man page all come from
 * these tables. */
#ifndef CNN_CONFIG_KEYS_H
#define CNN_CONFIG_KEYS_H

#include "config/yaml.h"

enum cnn_key_type {
    CNN_KEY_SIZE,   /* size_t; an integer in [min, max] */
    CNN_KEY_NUMBER, /* double in [min, max], finite */
    CNN_KEY_BOOL,   /* bool */
    CNN_KEY_TEXT,   /* const char *; any scalar, not empty */
    CNN_KEY_CHOICE, /* int: the index of the word in choices */
    CNN_KEY_PAIR,   /* size_t[2]: n or [h, w], each in [min, max] */
    /* struct cnn_numbers: a list of numbers, each in [min, max]; one bare number is a list of
     * one */
    CNN_KEY_NUMBERS,
    CNN_KEY_PADDING, /* struct cnn_padding */
    /* const struct cnn_yaml *: the table's owner reads it; NULL where absent. choices, if any, say
       in help what it may be */
    CNN_KEY_NODE
};

struct cnn_numbers {
    double *values;
    size_t count;
};

struct cnn_padding {
    bool same;                       /* sides follow from the input: output = ceil(n / stride) */
    size_t top, bottom, left, right; /* where not same */
};

/* min and max are both inclusive; OPEN_MIN/OPEN_MAX exclude the bound itself (a rate below 1, a
 * learning rate above 0). */
enum { CNN_KEY_OPEN_MIN = 1, CNN_KEY_OPEN_MAX = 2 };

struct cnn_key {
    const char *name;
    enum cnn_key_type type;
    size_t offset; /* of the value in the settings struct */
    /* YAML text, read by the same code as the file; NULL: the key must be given; "": may be absent
     * (or null), and then the setting is left zeroed */
    const char *default_text;
    /* SIZE, NUMBER, PAIR, NUMBERS; both 0: any. max 0 with min not below 0: no upper bound
     * (integers: 2147483647) */
    double min, max;
    unsigned flags;             /* CNN_KEY_OPEN_* */
    const char *const *choices; /* CHOICE: NULL-terminated */
    const char *help;           /* one sentence fragment for tables and the man page */
};

/* A table ends with an entry whose name is NULL. */
/* clang-format off */
#define CNN_KEY_END {NULL, CNN_KEY_SIZE, 0, NULL, 0, 0, 0, NULL, NULL}
/* clang-format on */

/* Reads mapping by table into settings (zeroed by the caller, table->offset bytes into it). All
 * mistakes are reported, each at its place: unknown key (with the nearest word, or the exact hint
 * for a foreign name such as out_channels -> filters), wrong type, out of range, missing. `also`
 * has keys that are legal but read by the caller (name, from), whose names alone are used; may be
 * NULL. what is named in messages: "layer 'conv'", "train". mapping NULL means: nothing given,
 * defaults only (then where names the place for missing keys); so does a mapping that is null. */
cnn_status cnn_keys_read(struct cnn_arena *arena, const struct cnn_key *table,
                         const struct cnn_key *also, const char *what,
                         const struct cnn_yaml *mapping, const struct cnn_where *where,
                         void *settings, cnn_diag *diag);

/* One of several tables, chosen by a word: `{type: sgd, lr: 0.1}` or the bare word `constant`.
 * Layer types, optimisers, schedules, losses, augmentations. */
struct cnn_variant {
    const char *name;
    const char *help; /* one sentence */
    const struct cnn_key *keys;
    size_t settings_size;
};

/* Reads node as one of variants[0..count): *chosen and *settings (zeroed and filled, from arena).
 * tag is the key that holds the word ("type"). what as above ("optimizer"). An unknown word lists
 * the nearest one and, if there are no more than 20, all of them. what is "optimizer" here, or
 * "layer"; the keys' messages then say "optimizer 'sgd'". */
cnn_status cnn_variant_read(struct cnn_arena *arena, const struct cnn_variant *variants,
                            size_t count, const struct cnn_key *also, const char *what,
                            const struct cnn_yaml *node, size_t *chosen, void **settings,
                            cnn_diag *diag);

/* A mapping with the given keys (in the table's order, values as the user wrote them) and every
 * absent key that has a default added: the resolved description. Keys that the table does not have
 * (type, name, from) come first; a bare word becomes the key type. */
struct cnn_yaml *cnn_keys_resolve(struct cnn_arena *arena, const struct cnn_key *table,
                                  const struct cnn_yaml *mapping);

/* The same for one of several tables: {type: word, ...}. node was read without mistakes; NULL
 * stands for the first variant. */
struct cnn_yaml *cnn_variant_resolve(struct cnn_arena *arena, const struct cnn_variant *variants,
                                     size_t count, const struct cnn_yaml *node);

/* "integer, 1 or more", "number in [0, 1)", "max | avg", "n or [height, width], each 1 or more":
 * for help and man pages. Returned in buffer. */
const char *cnn_key_describe_type(const struct cnn_key *key, char *buffer, size_t size);

#endif
