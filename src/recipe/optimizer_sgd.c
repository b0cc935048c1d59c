/* SGD with momentum (Sutskever et al., "On the importance of initialization and momentum in deep
 * learning", 2013), by PyTorch's formula. */
#include "recipe/optimizer_type.h"

struct settings {
    struct cnn_optimizer_base base;
    double momentum;
    bool nesterov, decoupled;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.lr),
     .otherwise = "0.01",
     .max = 1000,
     .open_min = true,
     .help = "learning rate"},
    {.name = "momentum",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(momentum),
     .otherwise = "0",
     .max = 1,
     .open_max = true,
     .help = "share of the last update that is kept"},
    {.name = "nesterov",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(nesterov),
     .otherwise = "false",
     .help = "look ahead along the momentum"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.weight_decay),
     .otherwise = "0",
     .max = 1000,
     .help = "this times the weight is added to its gradient"},
    {.name = "decoupled",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(decoupled),
     .otherwise = "false",
     .help = "weight_decay times lr is the share by which a weight shrinks in each step, "
             "separately from the gradient"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_groups_keys},
    CNN_KEY_END,
};

static cnn_status check(const void *settings, const struct cnn_yaml *node, cnn_diag *diag)
{
    const struct settings *s = settings;
    if (!s->nesterov || s->momentum > 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "nesterov")->where,
             "nesterov needs a momentum above 0");
    cnn_hint(diag, "momentum: 0.9");
    return CNN_INVALID;
}

static bool keeps(const void *settings, size_t slab)
{
    (void)slab;
    return ((const struct settings *)settings)->momentum > 0;
}

static void update(const struct cnn_update *u)
{
    const struct settings *s = u->settings;
    if (s->decoupled)
        cnn_update_shrink(u);
    const struct cnn_sgd sgd = {.lr = (float)u->lr,
                                .momentum = (float)s->momentum,
                                .weight_decay = s->decoupled ? 0 : (float)u->weight_decay,
                                .nesterov = s->nesterov,
                                .first = u->step == 1};
    u->kernels->sgd(u->tensor->count, u->w, u->grad, u->state[0], &sgd);
}

const struct cnn_optimizer_type cnn_optimizer_sgd = {
    .variant = {.name = "sgd",
                .help = "stochastic gradient descent, optionally with momentum",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"momentum"},
    .keeps = keeps,
    .update = update,
};
