/* Optimisers: `train.optimizer`. Update rules are PyTorch's. */
#ifndef CNN_RECIPE_OPTIMIZER_H
#define CNN_RECIPE_OPTIMIZER_H

#include "graph/graph.h"

enum cnn_optimizer_kind { CNN_OPTIMIZER_SGD, CNN_OPTIMIZER_ADAM, CNN_OPTIMIZER_ADAMW, CNN_OPTIMIZER_RMSPROP };

struct cnn_optimizer_settings {
    enum cnn_optimizer_kind kind;
    double lr, momentum, weight_decay, beta1, beta2, eps, alpha;
    bool nesterov;
};

extern const struct cnn_variant cnn_optimizer_types[]; /* sgd, adam, adamw, rmsprop */
extern const size_t cnn_optimizer_type_count;
cnn_status cnn_optimizer_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_optimizer_settings *out, cnn_diag *diag);

/* State (0, 1 or 2 slabs of parameter_floats) for the trained tensors of a graph. */
struct cnn_optimizer;
cnn_status cnn_optimizer_new(const struct cnn_optimizer_settings *settings, const struct cnn_graph *graph, struct cnn_optimizer **out,
                             cnn_diag *diag);
void cnn_optimizer_free(struct cnn_optimizer *optimizer);
void cnn_optimizer_step(struct cnn_optimizer *optimizer, const struct cnn_kernels *kernels, float *parameters, const float *gradients, double lr);

/* How many slabs such an optimiser keeps. */
size_t cnn_optimizer_slabs(const struct cnn_optimizer_settings *settings);

/* For checkpoints: slab i (laid out as the parameters) and its name ("momentum", "m", "v", "square"); NULL past the last. steps: updates done. */
float *cnn_optimizer_slab(struct cnn_optimizer *optimizer, size_t i, const char **name);
size_t cnn_optimizer_steps(const struct cnn_optimizer *optimizer);
void cnn_optimizer_set_steps(struct cnn_optimizer *optimizer, size_t steps);

#endif
