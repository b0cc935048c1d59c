/* Optimisers: `train.optimizer`. Update rules are PyTorch's of the same names, where it has them.
 */
#ifndef CNN_RECIPE_OPTIMIZER_H
#define CNN_RECIPE_OPTIMIZER_H

#include "graph/graph.h"
#include "util/text.h"

/* Tensors with settings of their own: one entry of `groups`. */
struct cnn_optimizer_group {
    const char *const *layers; /* names, with * and ? as in a shell, or types; NULL: all */
    size_t layer_count;
    int tensors; /* enum cnn_group_tensors */
    bool has_lr, has_weight_decay;
    double lr, weight_decay;
    struct cnn_where where;
};
enum cnn_group_tensors { CNN_GROUP_ALL, CNN_GROUP_WEIGHT, CNN_GROUP_BIAS };

/* An optimiser that was read. */
struct cnn_optimizer_settings {
    const struct cnn_optimizer_type *type; /* recipe/optimizer_type.h */
    const struct cnn_optimizer_base *own;  /* the settings of that type, which begin with these */
    double lr;                             /* own->lr */
    /* rate of a layer as a share of the next one's; 0 stands for 1 */
    double layer_decay;
    const struct cnn_optimizer_settings *others; /* for tensors that type leaves; NULL: none */
    const struct cnn_optimizer_group *groups;    /* the first that fits counts */
    size_t group_count;
};

/* What settings of every type begin with. */
struct cnn_optimizer_base {
    double lr, weight_decay;
    const struct cnn_yaml *groups, *others; /* NULL: none */
};

extern const struct cnn_kind cnn_optimizers;
extern const struct cnn_key cnn_optimizer_group_keys[]; /* of one entry of `groups` */

/* What settings point to lives in arena. node NULL: the first of the list, with its defaults. */
cnn_status cnn_optimizer_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag);

/* node with every default filled in, those of `others` too. */
struct cnn_yaml *cnn_optimizer_resolve(struct cnn_arena *arena, const struct cnn_yaml *node);

/* State for the trained tensors of a graph. What settings and graph point to must outlive it.
 * CNN_INVALID where a group fits no tensor. */
struct cnn_optimizer;
cnn_status cnn_optimizer_new(const struct cnn_optimizer_settings *settings,
                             const struct cnn_graph *graph, struct cnn_optimizer **out,
                             cnn_diag *diag);
void cnn_optimizer_free(struct cnn_optimizer *optimizer);

/* The same for a share of the parameters: stretches in order, which begin and end at multiples of
 * 16 floats or where a tensor does, and hold tensors that cnn_optimizer_takes_whole as a whole.
 * State is kept for them alone, one behind the other. The bits are those of the optimiser of all.
 */
struct cnn_optimizer_share {
    const struct cnn_stretch *stretches;
    size_t count;
};
cnn_status cnn_optimizer_new_share(const struct cnn_optimizer_settings *settings,
                                   const struct cnn_graph *graph,
                                   const struct cnn_optimizer_share *share,
                                   struct cnn_optimizer **out, cnn_diag *diag);
bool cnn_optimizer_takes_whole(const struct cnn_optimizer_settings *settings,
                               const struct cnn_graph *graph, size_t node,
                               const struct cnn_tensor *tensor);

/* The next update of number i of this tensor, which is one that the optimiser trains, by its
 * formula; as explain of the type. parameters and gradients are slabs; nothing is changed. */
double cnn_optimizer_explain(const struct cnn_optimizer *optimizer, const struct cnn_tensor *tensor,
                             size_t i, const float *parameters, const float *gradients,
                             struct cnn_text *out);

/* One update. lr: settings->lr as the schedule has it now; the rates of `others` and of groups rise
 * and fall with it. */
void cnn_optimizer_step(struct cnn_optimizer *optimizer, float *parameters, const float *gradients,
                        double lr);

/* The same step by step: updates the floats `what` of the slab, or what there is of them, by their
 * gradients, the first of which is that of what.begin; and then counts the step. `what` begins and
 * ends where a tensor does, or a multiple of 16 floats behind its begin, and has tensors that
 * cnn_optimizer_takes_whole as a whole or not at all. */
void cnn_optimizer_update(struct cnn_optimizer *optimizer, struct cnn_stretch what,
                          float *parameters, const float *gradients, double lr);
void cnn_optimizer_advance(struct cnn_optimizer *optimizer);

/* Trains what is trained of `part` from now on, the nodes of the optimiser's graph from `first` on;
 * their flags may differ. State stays. */
void cnn_optimizer_change(struct cnn_optimizer *optimizer, const struct cnn_graph *part,
                          size_t first);

/* The first `nodes` nodes are trained from update `steps` on, and count their updates from
 * there. */
void cnn_optimizer_delay(struct cnn_optimizer *optimizer, size_t nodes, size_t steps);

/* How many slabs such an optimiser keeps. */
size_t cnn_optimizer_slabs(const struct cnn_optimizer_settings *settings);

/* For checkpoints: slab i (laid out as the parameters, or as the share) and its name, as the type
 * gives it; NULL past the last. put: writes what the slab keeps of values, which are those of
 * `what`. steps: updates done. */
float *cnn_optimizer_slab(struct cnn_optimizer *optimizer, size_t i, const char **name);
void cnn_optimizer_put(struct cnn_optimizer *optimizer, size_t i, struct cnn_stretch what,
                       const float *values);
size_t cnn_optimizer_steps(const struct cnn_optimizer *optimizer);
void cnn_optimizer_set_steps(struct cnn_optimizer *optimizer, size_t steps);

#endif
