/* Optimisers: the settings, the state, and the walk over the trained tensors; the arithmetic is the kernels'. Update rules are those of PyTorch
 * 1.13: SGD with momentum (Sutskever et al., 2013), Adam (Kingma and Ba, 2015), AdamW (Loshchilov and Hutter, 2019), RMSprop (Hinton, 2012). */
#include "recipe/optimizer.h"

#include <math.h>
#include <stdlib.h>

struct parsed { /* what the key tables fill in */
    struct cnn_optimizer_settings settings;
    struct cnn_numbers betas;
};

#define FIELD(name) offsetof(struct parsed, settings.name)
#define LR(value)                                                                                                                                    \
    {                                                                                                                                                \
        "lr", CNN_KEY_NUMBER, FIELD(lr), value, 0, 1000, CNN_KEY_OPEN_MIN, NULL, "learning rate"                                                     \
    }
#define MOMENTUM                                                                                                                                     \
    {                                                                                                                                                \
        "momentum", CNN_KEY_NUMBER, FIELD(momentum), "0", 0, 1, CNN_KEY_OPEN_MAX, NULL, "share of the last update that is kept"                      \
    }
#define WEIGHT_DECAY(value, text)                                                                                                                    \
    {                                                                                                                                                \
        "weight_decay", CNN_KEY_NUMBER, FIELD(weight_decay), value, 0, 1000, 0, NULL, text                                                           \
    }
#define COUPLED "times the weight, added to its gradient"
#define EPS                                                                                                                                          \
    {                                                                                                                                                \
        "eps", CNN_KEY_NUMBER, FIELD(eps), "1e-8", 0, 1, CNN_KEY_OPEN_MIN, NULL, "added to the divisor"                                              \
    }
#define BETAS                                                                                                                                        \
    {                                                                                                                                                \
        "betas", CNN_KEY_NUMBERS, offsetof(struct parsed, betas), "[0.9, 0.999]", 0, 1, CNN_KEY_OPEN_MAX, NULL,                                      \
            "decay of the running means of the gradient and of its square"                                                                           \
    }

static const struct cnn_key sgd_keys[] = {
    LR("0.01"),
    MOMENTUM,
    {"nesterov", CNN_KEY_BOOL, FIELD(nesterov), "false", 0, 0, 0, NULL, "look ahead along the momentum"},
    WEIGHT_DECAY("0", COUPLED),
    CNN_KEY_END,
};
static const struct cnn_key adam_keys[] = {LR("0.001"), BETAS, EPS, WEIGHT_DECAY("0", COUPLED), CNN_KEY_END};
static const struct cnn_key adamw_keys[] = {LR("0.001"), BETAS, EPS, WEIGHT_DECAY("0.01", "times lr: share by which a weight shrinks in each step"),
                                            CNN_KEY_END};
static const struct cnn_key rmsprop_keys[] = {
    LR("0.01"),
    {"alpha", CNN_KEY_NUMBER, FIELD(alpha), "0.99", 0, 1, CNN_KEY_OPEN_MAX, NULL, "decay of the running mean of the squared gradient"},
    EPS,
    MOMENTUM,
    WEIGHT_DECAY("0", COUPLED),
    CNN_KEY_END,
};

const struct cnn_variant cnn_optimizer_types[] = {
    {"sgd", "stochastic gradient descent, with momentum where given", sgd_keys, sizeof(struct parsed)},
    {"adam", "steps scaled by running means of the gradient and of its square", adam_keys, sizeof(struct parsed)},
    {"adamw", "adam with weight decay apart from the gradient", adamw_keys, sizeof(struct parsed)},
    {"rmsprop", "steps scaled by a running mean of the squared gradient", rmsprop_keys, sizeof(struct parsed)},
};
const size_t cnn_optimizer_type_count = sizeof cnn_optimizer_types / sizeof *cnn_optimizer_types;

static cnn_status check_settings(const struct cnn_yaml *node, const struct parsed *parsed, cnn_diag *diag)
{
    enum cnn_optimizer_kind kind = parsed->settings.kind;
    if ((kind == CNN_OPTIMIZER_ADAM || kind == CNN_OPTIMIZER_ADAMW) && parsed->betas.count != 2)
        return cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "betas")->where, "betas are two numbers, not %zu", parsed->betas.count);
    if (parsed->settings.nesterov && parsed->settings.momentum <= 0) {
        cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "nesterov")->where, "nesterov needs a momentum above 0");
        cnn_hint(diag, "momentum: 0.9");
        return CNN_INVALID;
    }
    return CNN_OK;
}

cnn_status cnn_optimizer_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    struct parsed defaults = {0}, *parsed = &defaults;
    size_t chosen = CNN_OPTIMIZER_SGD;
    cnn_status status;
    if (node) {
        void *settings;
        status = cnn_variant_read(arena, cnn_optimizer_types, cnn_optimizer_type_count, NULL, "optimizer", node, &chosen, &settings, diag);
        parsed = settings;
    } else {
        status = cnn_keys_read(arena, sgd_keys, NULL, "optimizer", NULL, NULL, parsed, diag);
    }
    if (status != CNN_OK)
        return status;
    parsed->settings.kind = (enum cnn_optimizer_kind)chosen;
    if ((status = check_settings(node, parsed, diag)) != CNN_OK)
        return status;
    if (parsed->betas.count == 2) {
        parsed->settings.beta1 = parsed->betas.values[0];
        parsed->settings.beta2 = parsed->betas.values[1];
    }
    *out = parsed->settings;
    return CNN_OK;
}

#define MAX_SLABS 2

struct slice { /* one trained tensor in the slabs */
    size_t offset, count;
};

struct cnn_optimizer {
    struct cnn_optimizer_settings settings;
    struct slice *slices;
    size_t slice_count, slab_count, steps;
    float *slabs[MAX_SLABS];
    const char *names[MAX_SLABS];
};

static bool collect_slices(struct cnn_optimizer *optimizer, const struct cnn_graph *graph)
{
    optimizer->slices = calloc(graph->count + 1, CNN_MAX_TENSORS * sizeof *optimizer->slices);
    if (!optimizer->slices)
        return false;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; slot < CNN_MAX_TENSORS; slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            if (cnn_role_trained(tensor->role))
                optimizer->slices[optimizer->slice_count++] = (struct slice){tensor->offset, tensor->count};
        }
    return true;
}

/* Which slabs a kind needs, in the order in which step uses them. */
static void name_slabs(struct cnn_optimizer *optimizer)
{
    const struct cnn_optimizer_settings *settings = &optimizer->settings;
    if (settings->kind == CNN_OPTIMIZER_ADAM || settings->kind == CNN_OPTIMIZER_ADAMW) {
        optimizer->names[optimizer->slab_count++] = "m";
        optimizer->names[optimizer->slab_count++] = "v";
        return;
    }
    if (settings->kind == CNN_OPTIMIZER_RMSPROP)
        optimizer->names[optimizer->slab_count++] = "square";
    if (settings->momentum > 0)
        optimizer->names[optimizer->slab_count++] = "momentum";
}

cnn_status cnn_optimizer_new(const struct cnn_optimizer_settings *settings, const struct cnn_graph *graph, struct cnn_optimizer **out, cnn_diag *diag)
{
    struct cnn_optimizer *optimizer = calloc(1, sizeof *optimizer);
    if (!optimizer)
        return cnn_fail_memory(diag, sizeof *optimizer, "the optimiser");
    optimizer->settings = *settings;
    name_slabs(optimizer);
    bool complete = collect_slices(optimizer, graph);
    for (size_t i = 0; complete && i < optimizer->slab_count; i++)
        complete = (optimizer->slabs[i] = cnn_floats_new(graph->parameter_floats)) != NULL;
    if (!complete) {
        cnn_optimizer_free(optimizer);
        return cnn_fail_memory(diag, graph->parameter_floats * sizeof(float), "the optimiser's state");
    }
    *out = optimizer;
    return CNN_OK;
}

void cnn_optimizer_free(struct cnn_optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (size_t i = 0; i < optimizer->slab_count; i++)
        cnn_floats_free(optimizer->slabs[i]);
    free(optimizer->slices);
    free(optimizer);
}

static void update(const struct cnn_optimizer *optimizer, const struct cnn_kernels *kernels, struct slice slice, float *w, const float *grad,
                   float lr)
{
    const struct cnn_optimizer_settings *s = &optimizer->settings;
    float *first = optimizer->slabs[0] ? optimizer->slabs[0] + slice.offset : NULL;
    float *second = optimizer->slabs[1] ? optimizer->slabs[1] + slice.offset : NULL;
    float decay = (float)s->weight_decay, momentum = (float)s->momentum, eps = (float)s->eps;
    switch (s->kind) {
    case CNN_OPTIMIZER_SGD:
        kernels->sgd(slice.count, w, grad, first, lr, momentum, decay, s->nesterov, optimizer->steps == 0);
        break;
    case CNN_OPTIMIZER_ADAM:
    case CNN_OPTIMIZER_ADAMW:
        kernels->adam(slice.count, w, grad, first, second, lr, (float)s->beta1, (float)s->beta2, eps, decay, s->kind == CNN_OPTIMIZER_ADAMW,
                      optimizer->steps + 1);
        break;
    case CNN_OPTIMIZER_RMSPROP:
        kernels->rmsprop(slice.count, w, grad, first, second, lr, (float)s->alpha, eps, momentum, decay);
        break;
    }
}

void cnn_optimizer_step(struct cnn_optimizer *optimizer, const struct cnn_kernels *kernels, float *parameters, const float *gradients, double lr)
{
    for (size_t i = 0; i < optimizer->slice_count; i++) {
        struct slice slice = optimizer->slices[i];
        update(optimizer, kernels, slice, parameters + slice.offset, gradients + slice.offset, (float)lr);
    }
    optimizer->steps++;
}

size_t cnn_optimizer_slabs(const struct cnn_optimizer_settings *settings)
{
    struct cnn_optimizer optimizer = {.settings = *settings};
    name_slabs(&optimizer);
    return optimizer.slab_count;
}

float *cnn_optimizer_slab(struct cnn_optimizer *optimizer, size_t i, const char **name)
{
    if (i >= optimizer->slab_count)
        return NULL;
    *name = optimizer->names[i];
    return optimizer->slabs[i];
}

size_t cnn_optimizer_steps(const struct cnn_optimizer *optimizer)
{
    return optimizer->steps;
}

void cnn_optimizer_set_steps(struct cnn_optimizer *optimizer, size_t steps)
{
    optimizer->steps = steps;
}
