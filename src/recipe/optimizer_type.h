/* What an optimiser is: the descriptor that each recipe/optimizer_<name>.c fills in, with one line
 * in optimizers.def. */
#ifndef CNN_RECIPE_OPTIMIZER_TYPE_H
#define CNN_RECIPE_OPTIMIZER_TYPE_H

#include "recipe/optimizer.h"

#define CNN_MAX_SLABS 4 /* of one type */

/* One update of one tensor. */
struct cnn_update {
    const struct cnn_kernels *kernels;
    const void *settings;
    /* w and grad have tensor->count numbers: a piece of it, unless the type wants it whole */
    const struct cnn_tensor *tensor;
    float *w;
    const float *grad;
    float *state[CNN_MAX_SLABS]; /* as many numbers each, by the type's slabs; NULL: not kept */
    double lr, weight_decay;     /* of this tensor, now */
    size_t step;                 /* counts from 1 */
    float *scratch;
};

struct cnn_optimizer_type {
    /* Its settings begin with a struct cnn_optimizer_base, whose lr and weight_decay have keys with
     * the type's own defaults; its keys end with cnn_groups_keys. */
    struct cnn_variant variant;

    /* Whether the settings that were read from node fit each other. NULL: any do. */
    cnn_status (*check)(const void *settings, const struct cnn_yaml *node, cnn_diag *diag);

    /* State, which begins with zeros: names in checkpoints. Types may have slabs of one name. */
    const char *slabs[CNN_MAX_SLABS];

    /* Whether these settings need slab i. NULL: all are needed. */
    bool (*keeps)(const void *settings, size_t i);

    /* Whether it updates a tensor, of this node; the rest is for `others` of its settings, which it
     * then has. NULL: it updates all. */
    bool (*takes)(const struct cnn_graph *graph, size_t node, const struct cnn_tensor *tensor);

    /* Floats of scratch for a tensor; SIZE_MAX where they are too many. NULL: none. */
    size_t (*scratch)(const struct cnn_kernels *kernels, const struct cnn_tensor *tensor);

    /* An update needs all of a tensor; else each number is updated by itself. */
    bool whole;

    /* By kernels of the table. */
    void (*update)(const struct cnn_update *update);

    /* The formula by which number i of the tensor would be updated, filled in: lines of text, each
     * with its result. Returns the new value; NAN where it does not follow from the number alone.
     */
    double (*explain)(const struct cnn_update *update, size_t i, struct cnn_text *out);

    /* A step is as long as the gradient, not of a length of its own: a larger batch wants a rate
     * that is larger in proportion. */
    bool proportional;

    /* Steps are long by design: they say nothing about a rate that is too high. */
    bool long_steps;
};

/* A table of one key, at the offset of a struct cnn_optimizer_base. */
extern const struct cnn_key cnn_groups_keys[];

/* Weights shrink by lr * weight_decay, apart from the gradient. */
void cnn_update_shrink(const struct cnn_update *update);

/* ---- For explain ---- */

/* The weight after that, with its line; the weight itself, and no line, where it does not shrink.
 */
double cnn_explain_shrink(const struct cnn_update *update, size_t i, struct cnn_text *out);

/* The gradient with weight_decay added, with its line where there is any. */
double cnn_explain_decay(const struct cnn_update *update, double weight_decay, size_t i,
                         struct cnn_text *out);

/* The last line: "what: old - lr * step = new". */
double cnn_explain_step(const struct cnn_update *update, const char *formula, double old,
                        double step, struct cnn_text *out);

#endif
