/* Which tensor of a file of weights goes into which layer of a description. */
#ifndef CNN_FORMATS_ASSIGN_H
#define CNN_FORMATS_ASSIGN_H

#include "formats/weights.h"
#include "model/model.h"

struct cnn_assign_options {
    const char *rename; /* a file of "their-name our-name" lines; NULL: none */
    /* Layers whose kind and shape only one side has stay as they are; else they are an error. */
    bool partial;
};

struct cnn_assignment { /* texts are in the model's arena, but for notes */
    cnn_import_row *rows;
    size_t row_count;
    size_t tensors;                /* of the model, that were taken */
    struct cnn_text left, missing; /* of a partial one: layers of the file, of the model; "a, b" */
    struct cnn_text guesses;       /* lines: what may be what, and was decided by order */
};

/* Writes the tensors of weights into the parameters of model, which are allocated here. Layers are
 * matched by names where names agree (., / and - being the same as _), then by the order in which
 * both define them: a layer must come after those whose output it reads, and kind and shape must
 * be the same. A parameter that a module has itself (layer_scale) counts as behind its layers.
 * Where that leaves a choice, and the file has the order of the description, this order decides,
 * and guesses says so. Where it has another, or is sorted by name, it does not say which layer is
 * which, and that is an error (CNN_INVALID). All that is ambiguous, left over or missing is named.
 */
cnn_status cnn_assign(cnn_model *model, const struct cnn_weights *weights,
                      const struct cnn_assign_options *options, struct cnn_assignment *out,
                      cnn_diag *diag);
void cnn_assignment_free(struct cnn_assignment *assignment);

#endif
