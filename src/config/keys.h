/* Key tables: every key of the description stands once, in a table with its type, range, default
 * and help. Reading, checking, the resolved description, `cnn help` and the man page all come from
 * these tables. */
#ifndef CNN_CONFIG_KEYS_H
#define CNN_CONFIG_KEYS_H

#include "config/yaml.h"

enum cnn_key_kind {
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
    CNN_KEY_NODE,
    /* the keys of another table, in order, as if they stood here: table reads them into the struct
       that lies at `at`. The entry has no name. */
    CNN_KEY_TABLE
};

struct cnn_numbers {
    double *values;
    size_t count;
};

struct cnn_padding {
    bool same;                       /* sides follow from the input: output = ceil(n / stride) */
    size_t top, bottom, left, right; /* where not same */
};

struct cnn_key {
    const char *name;
    enum cnn_key_kind kind;
    size_t at; /* offset of the value in the settings struct */
    /* YAML text, read by the same code as the file; NULL: the key must be given; "": may be absent
     * (or null), and then the setting is left zeroed */
    const char *otherwise;
    /* SIZE, NUMBER, PAIR, NUMBERS; both 0: any. max 0 with min not below 0: no upper bound
     * (integers: 2147483647) */
    double min, max;
    bool open_min, open_max;     /* the bound itself is excluded: a rate below 1, lr above 0 */
    const char *const *choices;  /* CHOICE: NULL-terminated */
    const struct cnn_key *table; /* TABLE */
    const char *help;            /* one sentence fragment for tables and the man page */
};

/* A table ends with an entry that has neither a name nor a table. */
/* clang-format off */
#define CNN_KEY_END {.name = NULL}
/* clang-format on */

/* A walk over the keys of a table and of the tables that stand in it:
 *
 *     for (struct cnn_key_walk walk = cnn_key_walk(table); cnn_key_next(&walk);)
 *
 * key is the present one, at the offset of its value in the outer table's settings. A table that
 * stands in another has none in itself. */
struct cnn_key_walk {
    const struct cnn_key *key;
    size_t at;
    const struct cnn_key *outer, *inner; /* what comes next; inner NULL: not within one */
    size_t base;                         /* where the inner table's settings lie */
};
struct cnn_key_walk cnn_key_walk(const struct cnn_key *table); /* NULL: no keys */
bool cnn_key_next(struct cnn_key_walk *walk);

/* The keys that a mapping may have. */
struct cnn_keys {
    const struct cnn_key *table;
    /* legal, but read by the caller (name, from): their names alone are used; NULL: none */
    const struct cnn_key *also;
    const char *what; /* whose keys they are, for messages: "layer 'conv'", "train" */
};

/* Reads mapping by keys->table into settings (zeroed by the caller). All mistakes are reported,
 * each at its place: unknown key (with the nearest word, or the exact hint for a foreign name such
 * as out_channels -> filters), wrong type, out of range, missing. mapping NULL means: nothing
 * given, defaults only (then where names the place for missing keys); so does a mapping that is
 * null. */
cnn_status cnn_keys_read(struct cnn_arena *arena, const struct cnn_keys *keys,
                         const struct cnn_yaml *mapping, const struct cnn_where *where,
                         void *settings, cnn_diag *diag);

/* One of several tables, chosen by a word: `{type: sgd, lr: 0.1}` or the bare word `constant`. */
struct cnn_variant {
    const char *name;
    const char *help; /* one sentence */
    const struct cnn_key *keys;
    size_t settings_size;
};

/* All that there is of one kind: layer types, optimisers, schedules, losses, augmentations. A
 * descriptor of each begins with its variant, so that a pointer to the variant is one to the
 * descriptor. */
struct cnn_kind {
    const char *what; /* "optimizer": the keys' messages then say "optimizer 'sgd'" */
    const struct cnn_variant *const *variants;
    size_t count;
    const struct cnn_key *also; /* as in struct cnn_keys; NULL: none */
    /* words for which the description itself has a meaning, for hints; ends with NULL; NULL: none
     */
    const char *const *words;
};

/* Reads node as one of a kind: *chosen is its variant, *settings its settings (zeroed and filled,
 * from arena). The key that holds the word is `type`. node NULL stands for the first one with its
 * defaults; so does a mapping without the word that a --set has made. An unknown word lists the
 * nearest one and, if there are no more than 20, all of them. */
cnn_status cnn_kind_read(struct cnn_arena *arena, const struct cnn_kind *kind,
                         const struct cnn_yaml *node, const struct cnn_variant **chosen,
                         void **settings, cnn_diag *diag);

/* A mapping with the given keys (in the table's order, values as the user wrote them) and every
 * absent key that has a default added: the resolved description. Keys that the table does not have
 * (type, name, from) come first; a bare word becomes the key type. */
struct cnn_yaml *cnn_keys_resolve(struct cnn_arena *arena, const struct cnn_key *table,
                                  const struct cnn_yaml *mapping);

/* The same for one of a kind: {type: word, ...}. node was read without mistakes; NULL stands for
 * the first one. */
struct cnn_yaml *cnn_kind_resolve(struct cnn_arena *arena, const struct cnn_kind *kind,
                                  const struct cnn_yaml *node);

/* "integer, 1 or more", "number in [0, 1)", "max | avg", "n or [height, width], each 1 or more":
 * for help and man pages. Returned in buffer. */
const char *cnn_key_describe_type(const struct cnn_key *key, char *buffer, size_t size);

/* The word of a description for one of another program; NULL where that is not known. */
const char *cnn_foreign_word(const char *found);

#endif
