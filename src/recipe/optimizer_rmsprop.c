/* RMSprop (Hinton, 2012), by PyTorch's formula. */
#include "recipe/optimizer_type.h"

struct settings {
    struct cnn_optimizer_base base;
    double alpha, eps, momentum;
    bool decoupled;
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
    {.name = "alpha",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(alpha),
     .otherwise = "0.99",
     .max = 1,
     .open_max = true,
     .help = "decay of the running mean of the squared gradient"},
    {.name = "eps",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(eps),
     .otherwise = "1e-8",
     .min = 1e-37,
     .max = 1,
     .help = "added to the divisor"},
    {.name = "momentum",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(momentum),
     .otherwise = "0",
     .max = 1,
     .open_max = true,
     .help = "share of the last update that is kept"},
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

enum { SQUARE, MOMENTUM };

static bool keeps(const void *settings, size_t slab)
{
    return slab == SQUARE || ((const struct settings *)settings)->momentum > 0;
}

static void update(const struct cnn_update *u)
{
    const struct settings *s = u->settings;
    if (s->decoupled)
        cnn_update_shrink(u);
    const struct cnn_rmsprop rmsprop = {.lr = (float)u->lr,
                                        .alpha = s->alpha,
                                        .eps = (float)s->eps,
                                        .momentum = (float)s->momentum,
                                        .weight_decay = s->decoupled ? 0 : (float)u->weight_decay};
    u->kernels->rmsprop(u->tensor->count, u->w, u->grad, u->state[SQUARE], u->state[MOMENTUM],
                        &rmsprop);
}

const struct cnn_optimizer_type cnn_optimizer_rmsprop = {
    .variant = {.name = "rmsprop",
                .help = "steps scaled by a running mean of the squared gradient",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .slabs = {[SQUARE] = "square", [MOMENTUM] = "momentum"},
    .keeps = keeps,
    .update = update,
};
