/* A YAML document as a tree of nodes that know where they stand. Parsed with libyaml; aliases
 * resolved (an aliased node is the same node, so the tree is a DAG); scalars keep their text and
 * style, and are read as YAML 1.2 core: `no` and `on` are strings, 1e-3 a number. */
#ifndef CNN_CONFIG_YAML_H
#define CNN_CONFIG_YAML_H

#include "util/arena.h"
#include "util/diag.h"
#include "util/text.h"

enum cnn_yaml_kind { CNN_YAML_SCALAR, CNN_YAML_SEQUENCE, CNN_YAML_MAPPING };

struct cnn_yaml;

struct cnn_yaml_pair {
    struct cnn_yaml *key, *value; /* keys are scalars */
};

struct cnn_yaml {
    enum cnn_yaml_kind kind;
    struct cnn_where where; /* of the node's first character */
    const char *text;       /* scalar: its value, NUL-terminated (a NUL inside is refused) */
    bool quoted;            /* scalar: quoted or block style, so always a string */
    bool made;              /* mapping: of no file, made by the path of a cnn_yaml_set */
    bool given;             /* scalar: the value that a use of a block gives to a parameter */
    const char *layer;      /* given: the layer that it names where the use stands, or NULL */
    size_t count;           /* sequence: items; mapping: pairs */
    struct cnn_yaml **items;
    struct cnn_yaml_pair *pairs;
};

/* Limits on what a description may be: beyond them a clear error, whatever the file. */
#define CNN_YAML_MAX_BYTES   (1u << 20)
#define CNN_YAML_MAX_DEPTH   64
#define CNN_YAML_MAX_NODES   100000 /* counted with aliases expanded, so an alias bomb stops here */
#define CNN_YAML_MAX_KEYS    1000   /* of one mapping */
#define CNN_YAML_MAX_ANCHORS 1000
#define CNN_YAML_MAX_LAYERS  4096 /* that a network may have, blocks expanded */

/* Parses text (size bytes, UTF-8; owned by the caller and copied into arena) named name. Every
 * error is CNN_INVALID with its place: syntax, tabs, more than one document, an empty document,
 * duplicate keys in a mapping (all of them reported, naming the first's line), keys that are not
 * scalars, recursive aliases, the limits above. Where single keys are the only mistakes, *out is
 * the tree without them all the same, so that its reader finds the other mistakes in the same
 * run. */
cnn_status cnn_yaml_parse(struct cnn_arena *arena, const char *name, const char *text, size_t size,
                          struct cnn_yaml **out, cnn_diag *diag);

/* Parses what stands in source from byte start on, as cnn_yaml_parse; places count from the
 * beginning of source, which the tree refers to. start lies in the first line. */
cnn_status cnn_yaml_parse_part(struct cnn_arena *arena, const struct cnn_source *source,
                               size_t start, struct cnn_yaml **out, cnn_diag *diag);

/* Whether bytes begin as a checkpoint does: with the length of a header, eight bytes, and the
 * header, JSON. */
bool cnn_yaml_is_checkpoint(const char *bytes, size_t size);

/* Reads a file's text, to be parsed: *text is cnn_malloc'ed. A file that cannot be read is
 * CNN_FAILED, one too large to be a description CNN_INVALID. */
cnn_status cnn_yaml_read_text(const char *path, char **text, size_t *size, cnn_diag *diag);

/* Applies one `KEY=VALUE` (a.b.c=VALUE; numbers index lists; an item of a list may also be named by
 * its `name`, a layer by any name that it gets; missing mappings on the way are made). VALUE is
 * YAML. The new node's source is the argument itself, so messages point into it. *root is changed
 * in place; nodes shared by aliases are copied first, so only the one named changes. A key that is
 * only a bare word where a mapping is needed (`schedule: constant`, schedule.type=step) becomes
 * {type: word}. */
cnn_status cnn_yaml_set(struct cnn_arena *arena, struct cnn_yaml *root, const char *assignment,
                        cnn_diag *diag);

/* The value of key in mapping, or NULL (also where mapping is NULL or no mapping). */
struct cnn_yaml *cnn_yaml_get(const struct cnn_yaml *mapping, const char *key);

/* Scalars as YAML 1.2 core reads them. False where the node is none of that. */
bool cnn_yaml_as_bool(const struct cnn_yaml *node, bool *out);
/* also 0x.. and 0o..; no fraction */
bool cnn_yaml_as_integer(const struct cnn_yaml *node, long long *out);
bool cnn_yaml_as_number(const struct cnn_yaml *node, double *out); /* also .inf and .nan */
bool cnn_yaml_is_null(const struct cnn_yaml *node);                /* empty, ~, null */

/* "the number 3", "the text 'abc'", "true", "a list", "a mapping", "nothing": for messages. Written
 * into buffer, which is returned; long texts are cut. */
const char *cnn_yaml_describe(const struct cnn_yaml *node, char *buffer, size_t size);

/* Building a tree, for resolved descriptions. All return NULL when out of memory. where may be
 * NULL. */
struct cnn_yaml *cnn_yaml_new_scalar(struct cnn_arena *arena, const char *text, bool quoted,
                                     const struct cnn_where *where);
struct cnn_yaml *cnn_yaml_new_sequence(struct cnn_arena *arena, const struct cnn_where *where);
struct cnn_yaml *cnn_yaml_new_mapping(struct cnn_arena *arena, const struct cnn_where *where);
bool cnn_yaml_append(struct cnn_arena *arena, struct cnn_yaml *sequence, struct cnn_yaml *item);
/* replaces an existing key */
bool cnn_yaml_put(struct cnn_arena *arena, struct cnn_yaml *mapping, const char *key,
                  struct cnn_yaml *value);
/* a key it does not have yet */
bool cnn_yaml_add(struct cnn_arena *arena, struct cnn_yaml *mapping, struct cnn_yaml *key,
                  struct cnn_yaml *value);
/* A list or mapping like node, of the same children. */
struct cnn_yaml *cnn_yaml_copy(struct cnn_arena *arena, const struct cnn_yaml *node);

/* Whether a character can stand in YAML text as it is; others want escapes, in double quotes. */
bool cnn_yaml_character_allowed(uint32_t code);

/* Writes the tree as YAML that parses back to the same tree: block style for the document and its
 * lists of mappings, flow style for whatever is nested deeper than a top-level key's value, or than
 * the keys of one of `blocks` (so one layer is one line). With libyaml's emitter. An empty plain
 * scalar is written as null. */
void cnn_yaml_write(const struct cnn_yaml *root, struct cnn_text *out);

#endif
