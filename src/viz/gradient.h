/* Gradients of one number of a network with respect to its input, in evaluation mode: what
 * attributions are made of. */
#ifndef CNN_VIZ_GRADIENT_H
#define CNN_VIZ_GRADIENT_H

#include "model/model.h"

/* The part of a network that ends with `value`, planned to go back to its input. Stays where it was
 * opened: the plan points into it. */
struct cnn_gradient {
    struct cnn_graph graph;
    struct cnn_plan *plan;
    size_t value;
};

/* value: not the input; batch: the largest n of a run. The model's parameters are read in place and
 * left as they are. A zeroed one may be closed. */
cnn_status cnn_gradient_open(cnn_model *model, size_t value, size_t batch, struct cnn_gradient *out,
                             cnn_diag *diag);
void cnn_gradient_close(struct cnn_gradient *gradient);

/* From n images in cnn_plan_input(plan): cnn_plan_gradient(plan, 0) becomes the gradient, for each
 * image, of the mean of channel `channel` of its value: of that number itself where the value has
 * one position. */
void cnn_gradient_run(struct cnn_gradient *gradient, size_t n, size_t channel);

/* The value of the network that holds the logits, of which `class` is one. CNN_INVALID where the
 * network has no numbers for classes, or fewer. */
cnn_status cnn_class_value(const cnn_model *model, size_t class, size_t *value, cnn_diag *diag);

#endif
