/* Private to config: what expanding blocks keeps, and the names of layers (expand_names.c). */
#ifndef CNN_CONFIG_EXPAND_H
#define CNN_CONFIG_EXPAND_H

#include "config/blocks.h"

struct named {         /* a layer, or a use of a block */
    const char *word;  /* its type */
    const char *name;  /* within the scope */
    const char *value; /* the layer of the network that makes its output */
    struct named *next;
};

struct scope {                          /* the layers of the network, or those of one use */
    const struct cnn_definition *block; /* NULL: of the network */
    const char *prefix;                 /* what names of layers begin with: "bottleneck1_" */
    const char *input;                  /* the layer that `input` means */
    struct named *named;                /* the newest first */
    const struct scope *outer;
    size_t depth;
};

struct expander {
    struct cnn_arena *arena;
    cnn_diag *diag;
    const struct cnn_blocks *blocks;
    const char *above; /* the layer that the next one reads, by default */
    const char *last;  /* the newest layer */
    struct cnn_yaml *last_name;
    size_t layers, nodes, left_out, mistakes;
    cnn_status status;
    bool stopped; /* a limit, or out of memory */
};

struct item { /* one use of an entry of a list */
    struct cnn_yaml *yaml;
    const struct cnn_yaml *word; /* its type; NULL: it has none */
    size_t turn;                 /* from 1; 0: it is not repeated */
    const char *name;            /* within the scope */
};

/* Each returns NULL: the limit or memory that ended all, and a mistake after which reading goes on;
 * it was reported. */
void *cnn_expand_stop(struct expander *x, cnn_status status);
void *cnn_expand_no_memory(struct expander *x);
void *cnn_expand_mistake(struct expander *x);

/* Gives item its name within the scope: its own, with the turn where it is repeated, or its type
 * and its number among those there. False when out of memory. */
bool cnn_expand_name(struct expander *x, const struct scope *scope, struct item *item);

/* The layer or use that has that name in the scope; NULL: there is none. */
const struct named *cnn_expand_find(const struct scope *scope, const char *name);
void cnn_expand_add(struct expander *x, struct scope *scope, const struct item *item,
                    const char *value);

/* The layer of the network that node, part of a `from`, names; NULL: there is none above. */
const char *cnn_expand_value(const struct scope *scope, const struct cnn_yaml *node);

/* Reports that node, part of a `from`, names nothing above it. */
void cnn_expand_fail_value(struct expander *x, const struct scope *scope,
                           const struct cnn_yaml *node);

/* What `from` of a layer names, as names of the network's layers. What the network itself does not
 * have is left for the builder of the graph to tell, which knows what comes later. NULL: out of
 * memory. */
struct cnn_yaml *cnn_expand_from(struct expander *x, const struct scope *scope,
                                 struct cnn_yaml *from);

/* The name of a layer of the network; NULL when out of memory. */
struct cnn_yaml *cnn_expand_value_name(struct expander *x, const char *value,
                                       const struct cnn_where *where);

#endif
