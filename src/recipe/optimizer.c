/* Optimisers: the state, and the walk over the trained tensors; the arithmetic is the kernels' and
 * muon's. Update rules are those of PyTorch 1.13: SGD with momentum (Sutskever et al., 2013), Adam
 * (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019), RMSprop (Hinton, 2012); and Muon
 * (muon.c). */
#include "recipe/optimizer.h"

#include <fnmatch.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipe/muon.h"

enum slab { SLAB_M, SLAB_V, SLAB_SQUARE, SLAB_MOMENTUM, SLABS };
static const char *const slab_names[SLABS] = {"m", "v", "square", "momentum"};

struct slice { /* one trained tensor in the slabs, and how it is updated */
    size_t offset, count;
    size_t rows, columns; /* of a matrix that muon updates; else 0 */
    const struct cnn_optimizer_settings *settings;
    double lr, weight_decay;
};

struct cnn_optimizer {
    struct cnn_optimizer_settings settings;
    struct slice *slices;
    size_t slice_count, steps;
    const struct cnn_kernels *kernels;
    float *slabs[SLABS]; /* NULL: not needed */
    float *scratch;      /* muon's */
};

static void need_slabs(const struct cnn_optimizer_settings *s, bool needed[SLABS])
{
    bool adam = s->kind == CNN_OPTIMIZER_ADAM || s->kind == CNN_OPTIMIZER_ADAMW;
    needed[SLAB_M] = needed[SLAB_M] || adam;
    needed[SLAB_V] = needed[SLAB_V] || adam;
    needed[SLAB_SQUARE] = needed[SLAB_SQUARE] || s->kind == CNN_OPTIMIZER_RMSPROP;
    needed[SLAB_MOMENTUM] =
        needed[SLAB_MOMENTUM] || s->kind == CNN_OPTIMIZER_MUON || (!adam && s->momentum > 0);
    if (s->others)
        need_slabs(s->others, needed);
}

static bool group_has_layer(const struct cnn_optimizer_group *group, const struct cnn_node *node)
{
    for (size_t i = 0; i < group->layer_count; i++)
        if (fnmatch(group->layers[i], node->name, 0) == 0 ||
            strcmp(group->layers[i], node->type->variant.name) == 0)
            return true;
    return !group->layers;
}

static bool group_fits(const struct cnn_optimizer_group *group, const struct cnn_node *node,
                       const struct cnn_tensor *tensor)
{
    bool bias = tensor->role == CNN_ROLE_BIAS;
    return (group->tensors == CNN_GROUP_ALL || (group->tensors == CNN_GROUP_BIAS) == bias) &&
           group_has_layer(group, node);
}

/* Weights of several inputs for each of several outputs: kernels of all channels, and dense layers;
 * not those of the last layer, whose rows are classes. */
static bool is_matrix(const struct cnn_graph *graph, size_t node, const struct cnn_tensor *tensor)
{
    size_t last = graph->count;
    while (last > 0 && cnn_node_trained(&graph->nodes[last - 1]) == 0)
        last--;
    return tensor->role == CNN_ROLE_WEIGHT && tensor->rank >= 2 &&
           tensor->dims[1] == graph->nodes[node].in[0].c && node + 1 != last;
}

static struct slice make_slice(const struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                               size_t node, const struct cnn_tensor *tensor, bool *used)
{
    const struct cnn_optimizer_settings *all = &optimizer->settings;
    bool matrix = all->others && is_matrix(graph, node, tensor);
    const struct cnn_optimizer_settings *s = all->others && !matrix ? all->others : all;
    struct slice slice = {.offset = tensor->offset,
                          .count = tensor->count,
                          .settings = s,
                          .lr = s->lr,
                          .weight_decay = s->weight_decay};
    if (matrix) {
        slice.rows = tensor->dims[0];
        slice.columns = tensor->count / tensor->dims[0];
    }
    bool found = false;
    for (size_t g = 0; g < all->group_count; g++) {
        const struct cnn_optimizer_group *group = &all->groups[g];
        if (!group_fits(group, &graph->nodes[node], tensor))
            continue;
        used[g] = true;
        if (found)
            continue;
        found = true;
        slice.lr = group->has_lr ? group->lr : slice.lr;
        slice.weight_decay = group->has_weight_decay ? group->weight_decay : slice.weight_decay;
    }
    return slice;
}

static cnn_status collect_slices(struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                                 cnn_diag *diag)
{
    const struct cnn_optimizer_settings *settings = &optimizer->settings;
    optimizer->slices = calloc(graph->count + 1, CNN_MAX_TENSORS * sizeof *optimizer->slices);
    bool *used = calloc(settings->group_count + 1, sizeof *used);
    if (!optimizer->slices || !used) {
        free(used);
        return cnn_fail_memory(diag, graph->count * sizeof *optimizer->slices, "the optimiser");
    }
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            if (cnn_tensor_trained(tensor))
                optimizer->slices[optimizer->slice_count++] =
                    make_slice(optimizer, graph, i, tensor, used);
        }
    cnn_status status = CNN_OK;
    for (size_t g = 0; status == CNN_OK && g < settings->group_count; g++)
        if (!used[g]) {
            status = cnn_fail(diag, CNN_INVALID, &settings->groups[g].where,
                              "no trained tensor belongs to this group");
            cnn_hint(diag, "`layers` are names or types of layers, as `cnn summary` shows them");
        }
    free(used);
    return status;
}

static cnn_status make_slabs(struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                             cnn_diag *diag)
{
    bool needed[SLABS] = {false};
    size_t scratch = 0;
    need_slabs(&optimizer->settings, needed);
    for (size_t i = 0; i < SLABS; i++)
        if (needed[i] && !(optimizer->slabs[i] = cnn_floats_new(graph->parameter_floats)))
            return cnn_fail_memory(diag, graph->parameter_floats * sizeof(float),
                                   "the optimiser's state");
    for (size_t i = 0; i < optimizer->slice_count; i++) {
        const struct slice *slice = &optimizer->slices[i];
        size_t floats =
            slice->rows ? cnn_muon_scratch(optimizer->kernels, slice->rows, slice->columns) : 0;
        scratch = floats > scratch ? floats : scratch;
    }
    if (scratch == SIZE_MAX || (scratch > 0 && !(optimizer->scratch = cnn_floats_new(scratch))))
        return cnn_fail_memory(diag, scratch == SIZE_MAX ? SIZE_MAX : scratch * sizeof(float),
                               "the optimiser");
    return CNN_OK;
}

cnn_status cnn_optimizer_new(const struct cnn_optimizer_settings *settings,
                             const struct cnn_graph *graph, struct cnn_optimizer **out,
                             cnn_diag *diag)
{
    struct cnn_optimizer *optimizer = calloc(1, sizeof *optimizer);
    if (!optimizer)
        return cnn_fail_memory(diag, sizeof *optimizer, "the optimiser");
    optimizer->settings = *settings;
    optimizer->kernels = cnn_kernels();
    cnn_status status = optimizer->kernels
                            ? collect_slices(optimizer, graph, diag)
                            : cnn_fail(diag, CNN_INVALID, NULL, "%s", cnn_kernels_error());
    if (status == CNN_OK)
        status = make_slabs(optimizer, graph, diag);
    if (status == CNN_OK)
        *out = optimizer;
    else
        cnn_optimizer_free(optimizer);
    return status;
}

void cnn_optimizer_free(struct cnn_optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (size_t i = 0; i < SLABS; i++)
        cnn_floats_free(optimizer->slabs[i]);
    cnn_floats_free(optimizer->scratch);
    free(optimizer->slices);
    free(optimizer);
}

static void shrink(size_t count, float *w, float factor)
{
    for (size_t i = 0; factor != 1 && i < count; i++)
        w[i] *= factor;
}

static void update(const struct cnn_optimizer *optimizer, const struct slice *slice, float *w,
                   const float *grad, double rate)
{
    const struct cnn_optimizer_settings *s = slice->settings;
    const struct cnn_kernels *kernels = optimizer->kernels;
    float *state[SLABS], lr = (float)rate, decay = (float)slice->weight_decay,
                         momentum = (float)s->momentum, eps = (float)s->eps;
    for (size_t i = 0; i < SLABS; i++)
        state[i] = optimizer->slabs[i] ? optimizer->slabs[i] + slice->offset : NULL;
    float *moving = s->momentum > 0 ? state[SLAB_MOMENTUM] : NULL,
          kept = (float)(1 - rate * slice->weight_decay);
    if (s->decoupled) {
        shrink(slice->count, w, kept);
        decay = 0;
    }
    switch (s->kind) {
    case CNN_OPTIMIZER_SGD:
        kernels->sgd(slice->count, w, grad, moving, lr, momentum, decay, s->nesterov,
                     optimizer->steps == 0);
        break;
    case CNN_OPTIMIZER_ADAM:
    case CNN_OPTIMIZER_ADAMW:
        kernels->adam(slice->count, w, grad, state[SLAB_M], state[SLAB_V],
                      &(struct cnn_adam){.lr = rate,
                                         .beta1 = s->beta1,
                                         .beta2 = s->beta2,
                                         .eps = s->eps,
                                         .weight_decay = s->decoupled ? 0 : slice->weight_decay,
                                         .decoupled = s->kind == CNN_OPTIMIZER_ADAMW,
                                         .step = optimizer->steps + 1});
        break;
    case CNN_OPTIMIZER_RMSPROP:
        kernels->rmsprop(slice->count, w, grad, state[SLAB_SQUARE], moving, lr, s->alpha, eps,
                         momentum, decay);
        break;
    case CNN_OPTIMIZER_MUON:
        cnn_muon(kernels,
                 &(struct cnn_muon_settings){momentum, s->nesterov, s->normalize, s->iterations},
                 slice->rows, slice->columns, w, grad, state[SLAB_MOMENTUM], lr, kept,
                 optimizer->scratch);
        break;
    }
}

void cnn_optimizer_step(struct cnn_optimizer *optimizer, float *parameters, const float *gradients,
                        double lr)
{
    for (size_t i = 0; i < optimizer->slice_count; i++) {
        const struct slice *slice = &optimizer->slices[i];
        /* The optimizer's own rate as it is given, to the last bit. */
        double rate =
            slice->lr == optimizer->settings.lr ? lr : slice->lr * (lr / optimizer->settings.lr);
        update(optimizer, slice, parameters + slice->offset, gradients + slice->offset, rate);
    }
    optimizer->steps++;
}

size_t cnn_optimizer_slabs(const struct cnn_optimizer_settings *settings)
{
    bool needed[SLABS] = {false};
    size_t count = 0;
    need_slabs(settings, needed);
    for (size_t i = 0; i < SLABS; i++)
        count += needed[i];
    return count;
}

float *cnn_optimizer_slab(struct cnn_optimizer *optimizer, size_t i, const char **name)
{
    for (size_t slab = 0; slab < SLABS; slab++)
        if (optimizer->slabs[slab] && i-- == 0) {
            *name = slab_names[slab];
            return optimizer->slabs[slab];
        }
    return NULL;
}

size_t cnn_optimizer_steps(const struct cnn_optimizer *optimizer)
{
    return optimizer->steps;
}

void cnn_optimizer_set_steps(struct cnn_optimizer *optimizer, size_t steps)
{
    optimizer->steps = steps;
}
