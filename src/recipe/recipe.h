/* `train` of a description: how a network is trained. */
#ifndef CNN_RECIPE_RECIPE_H
#define CNN_RECIPE_RECIPE_H

#include "recipe/average.h"
#include "recipe/optimizer.h"
#include "recipe/schedule.h"
#include "recipe/stopping.h"

/* Which epoch best.safetensors is from: that with the best validation accuracy, or the newest, so
 * that nothing is chosen by the validation images. */
enum cnn_keep { CNN_KEEP_BEST, CNN_KEEP_LAST };

struct cnn_recipe {
    size_t epochs, steps; /* one of them given; the other 0 */
    size_t batch_size, log_every;
    double save_every; /* minutes */
    size_t seed;
    const char *from;     /* the model that it begins with; NULL: none */
    const char *freeze;   /* the last layer that stays as it is; NULL: none does */
    size_t freeze_epochs; /* for so long; 0: to the end */
    int keep;             /* enum cnn_keep */
    double clip_norm;     /* 0: none */
    double layer_decay;
    struct cnn_optimizer_settings optimizer;
    struct cnn_schedule_settings schedule;
    struct cnn_average_settings ema;
    struct cnn_stopping_settings early_stopping;
};

extern const struct cnn_key cnn_recipe_keys[];

/* node NULL: an all-default recipe with epochs 0 and steps 0 (a model that is only run); such
 * defaults: batch_size 32, seed 1, sgd lr 0.01. */
cnn_status cnn_recipe_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                           struct cnn_recipe *out, cnn_diag *diag);

/* `node` with every default filled in, those of its sections included: the resolved description. */
struct cnn_yaml *cnn_recipe_resolve(struct cnn_arena *arena, const struct cnn_yaml *node);

/* How long the gradients of a step are needed, of a batch that so many processes share. */
enum cnn_gradients cnn_recipe_gradients(const struct cnn_recipe *recipe, size_t ranks);

#endif
