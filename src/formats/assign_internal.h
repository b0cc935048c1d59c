/* What the files of the assignment share: both sides as lists of units, which are what one layer
 * has of parameters. */
#ifndef CNN_FORMATS_ASSIGN_INTERNAL_H
#define CNN_FORMATS_ASSIGN_INTERNAL_H

#include "formats/assign.h"

enum cnn_leaf { CNN_LEAF_WEIGHT, CNN_LEAF_BIAS, CNN_LEAF_MEAN, CNN_LEAF_VAR, CNN_LEAVES };

enum cnn_how { CNN_HOW_NOT, CNN_HOW_RENAMED, CNN_HOW_NAME, CNN_HOW_ORDER };

struct cnn_unit {
    const char *name;                       /* of the layer, of the module; after renaming */
    const char *plain;                      /* with _ for what else is between words */
    const char *shown;                      /* the file's own name */
    size_t tensors[CNN_LEAVES];             /* in the model's or the file's list; SIZE_MAX: none */
    size_t rank, dims[CNN_WEIGHT_MAX_RANK]; /* of the weight, without sizes of 1 at the end */
    size_t node;                            /* of the model */
    size_t label;                           /* units of the same kind and shape have the same */
    size_t peer;                            /* on the other side; SIZE_MAX: none */
    size_t line;                            /* of the rename file; 0: not in it */
    enum cnn_how how;
    bool own; /* of the file: a parameter beside the layers of its module */
};

struct cnn_units {
    struct cnn_unit *items;
    size_t count;
};

extern const char *const cnn_leaf_names[CNN_LEAVES];

/* Of the model's layers with parameters, in the order of the description. */
cnn_status cnn_units_of_model(const cnn_model *model, struct cnn_arena *arena,
                              struct cnn_units *out, cnn_diag *diag);

struct cnn_renaming; /* rename.c */

/* Of the file's modules, in the order in which they come first; renaming NULL: none. */
cnn_status cnn_units_of_weights(const struct cnn_weights *weights, struct cnn_renaming *renaming,
                                struct cnn_arena *arena, struct cnn_units *out, cnn_diag *diag);

/* Gives both sides their labels. */
cnn_status cnn_units_label(struct cnn_units *ours, struct cnn_units *theirs, cnn_diag *diag);
/* Whether it is a batch_norm: order is that within a kind where the whole has none. */
bool cnn_unit_is_norm(const struct cnn_unit *unit);
/* "batch_norm 64", "64 x 3 x 7 x 7": for messages. In buffer. */
const char *cnn_unit_shape(const struct cnn_unit *unit, char *buffer, size_t size);

/* Reads the rename file. */
cnn_status cnn_renaming_read(struct cnn_arena *arena, const char *path, struct cnn_renaming **out,
                             cnn_diag *diag);
/* The new name of a tensor, in arena, and the line that gives it (0: none does); NULL and a line:
 * it is to be left out; NULL without one: out of memory. */
const char *cnn_renaming_apply(struct cnn_renaming *renaming, struct cnn_arena *arena,
                               const char *name, size_t *line);
/* CNN_INVALID where a line fits no name. */
cnn_status cnn_renaming_check(const struct cnn_renaming *renaming, const char *weights,
                              cnn_diag *diag);
const char *cnn_renaming_path(const struct cnn_renaming *renaming);

/* Finds peers by order for all units without one that stand in the lists; false: there is no order
 * that fits, and nothing has changed. ambiguous receives lines: what may be what; example a line of
 * a rename file that would settle the first. *same: the order is the description's own. */
struct cnn_order_request {
    const cnn_model *model;
    struct cnn_units *ours, *theirs;
    struct cnn_text *ambiguous, *example;
    bool *same;
};
cnn_status cnn_assign_by_order(const struct cnn_order_request *request, bool *found,
                               cnn_diag *diag);
/* The same for a file that is sorted by name; each kind and shape is there as often on both sides.
 */
void cnn_assign_sorted(const struct cnn_order_request *request);

#endif
