/* Private to config: parameters of blocks, and what is put in their place. A plain scalar with a $
 * in it is a parameter, `$width`, or calculates with integers: `$width * 4`. */
#ifndef CNN_CONFIG_PARAMETERS_H
#define CNN_CONFIG_PARAMETERS_H

#include "config/blocks.h"

/* Reports what is wrong with the parameters in node, whatever values they get; marks in block those
 * that are used. block NULL: layers outside of blocks, which have none. */
cnn_status cnn_parameters_check(struct cnn_definition *block, const struct cnn_yaml *node,
                                cnn_diag *diag);

/* Whether node can be the value of that parameter of block: a word, a number or a list of them. */
cnn_status cnn_block_check_value(const struct cnn_definition *block, const char *name,
                                 const struct cnn_yaml *node, cnn_diag *diag);

/* One use of a block. */
struct cnn_substitution {
    struct cnn_arena *arena;
    cnn_diag *diag;
    const struct cnn_definition *block;
    const struct cnn_yaml *const *values; /* in the order of its parameters */
    const struct cnn_note *note;          /* where it is used */
    size_t *nodes;                        /* that were made so far, and may be */
    size_t most;
    cnn_status status; /* CNN_OK in the beginning; that of the last mistake */
};

/* A copy of node, with values in place of parameters; NULL where something was reported. */
struct cnn_yaml *cnn_parameters_put(struct cnn_substitution *s, const struct cnn_yaml *node);

#endif
