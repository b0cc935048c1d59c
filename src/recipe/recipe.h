/* `train` of a description: how a network is trained. */
#ifndef CNN_RECIPE_RECIPE_H
#define CNN_RECIPE_RECIPE_H

#include "recipe/optimizer.h"
#include "recipe/schedule.h"

struct cnn_recipe {
    size_t epochs, steps; /* one of them given; the other 0 */
    size_t batch_size, log_every;
    size_t seed;
    struct cnn_optimizer_settings optimizer;
    struct cnn_schedule_settings schedule;
};

extern const struct cnn_key cnn_recipe_keys[];

/* node NULL: an all-default recipe with epochs 0 and steps 0 (a model that is only run); such defaults: batch_size 32, seed 1, sgd lr 0.01. */
cnn_status cnn_recipe_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_recipe *out, cnn_diag *diag);

/* `node` with every default filled in, optimizer and schedule included: the resolved description. */
struct cnn_yaml *cnn_recipe_resolve(struct cnn_arena *arena, const struct cnn_yaml *node);

#endif
