/* What a layer of a plan multiplies and moves, as its kernels do it. */
#ifndef CNN_TRAIN_DEMAND_H
#define CNN_TRAIN_DEMAND_H

#include "graph/plan.h"

struct cnn_demand {
    double products[CNN_FACTORS_KINDS]; /* multiply-adds */
    /* What is read and written, each array once, as it is stored. The work on it is done in slices
     * of the batch: of one of them these are `together`. */
    double bytes, together;
};

/* Of step i of the plan (cnn_plan_step), with all layers that are fused there, for a batch of n
 * images that it has run before. */
struct cnn_demand cnn_demand_forward(const struct cnn_plan *plan, size_t i, size_t n);
struct cnn_demand cnn_demand_backward(const struct cnn_plan *plan, size_t i, size_t n);

#endif
