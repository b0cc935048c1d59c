/* Blocks of a description: lists of layers with parameters, defined once and used as layer types.
 * Expanding a description's layers replaces each use by the layers that it stands for, so that
 * whatever comes later knows no blocks. */
#ifndef CNN_CONFIG_BLOCKS_H
#define CNN_CONFIG_BLOCKS_H

#include "config/keys.h"

#define CNN_BLOCK_MAX_PARAMETERS 32
#define CNN_BLOCK_MAX_DEPTH      16 /* of blocks that use blocks */

extern const struct cnn_key cnn_block_keys[]; /* of one of `blocks` */

struct cnn_parameter {
    const char *name;
    const struct cnn_yaml *otherwise; /* its default; NULL: every use gives a value */
    struct cnn_where where;
    bool used;
};

struct cnn_definition {
    const char *name;
    struct cnn_where where;
    struct cnn_parameter *parameters;
    size_t count;
    /* the parameters as keys of a use: each is a const struct cnn_yaml *, in their order */
    const struct cnn_key *keys;
    const struct cnn_yaml *layers;
    bool wrong; /* which was reported: uses are passed over */
};

struct cnn_blocks {
    struct cnn_definition *definitions;
    size_t count;
};

/* Reads the value of `blocks`; NULL: there are none. All mistakes of the definitions are
 * reported; *out has all blocks, the wrong ones too. */
cnn_status cnn_blocks_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                           struct cnn_blocks *out, cnn_diag *diag);

/* Adds what `cnn_blocks_expand` makes of layers, the value of `layers`, to out: the same list, in
 * which a use of a block, a group, and a layer with branches are lists of the layers that they
 * come to. Each layer is a mapping with its name, and with `from` where it does not read the layer
 * above it; what is no layer at all stays as it is. All mistakes are reported, and what is wrong
 * is left out of the list. */
cnn_status cnn_blocks_expand(struct cnn_arena *arena, const struct cnn_blocks *blocks,
                             const struct cnn_yaml *layers, struct cnn_yaml **out, cnn_diag *diag);

#endif
