/* Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), by PyTorch's formulas. */
#include "recipe/optimizer_type.h"

struct settings {
    struct cnn_optimizer_base base;
    struct cnn_numbers betas;
    double eps;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key adam_keys[] = {
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.lr),
     .otherwise = "0.001",
     .max = 1000,
     .open_min = true,
     .help = "learning rate"},
    {.name = "betas",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(betas),
     .otherwise = "[0.9, 0.999]",
     .max = 1,
     .open_max = true,
     .help = "decay of the running means of the gradient and of its square"},
    {.name = "eps",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(eps),
     .otherwise = "1e-8",
     .min = 1e-37,
     .max = 1,
     .help = "added to the divisor"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.weight_decay),
     .otherwise = "0",
     .max = 1000,
     .help = "this times the weight is added to its gradient"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_groups_keys},
    CNN_KEY_END,
};
static const struct cnn_key adamw_keys[] = {
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.lr),
     .otherwise = "0.001",
     .max = 1000,
     .open_min = true,
     .help = "learning rate"},
    {.name = "betas",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(betas),
     .otherwise = "[0.9, 0.999]",
     .max = 1,
     .open_max = true,
     .help = "decay of the running means of the gradient and of its square"},
    {.name = "eps",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(eps),
     .otherwise = "1e-8",
     .min = 1e-37,
     .max = 1,
     .help = "added to the divisor"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.weight_decay),
     .otherwise = "0.01",
     .max = 1000,
     .help = "this times lr is the share by which a weight shrinks in each step"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_groups_keys},
    CNN_KEY_END,
};

static cnn_status check(const void *settings, const struct cnn_yaml *node, cnn_diag *diag)
{
    const struct settings *s = settings;
    if (s->betas.count == 2)
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "betas")->where,
                    "betas are two numbers, not %zu", s->betas.count);
}

static void update(const struct cnn_update *u, bool decoupled)
{
    const struct settings *s = u->settings;
    u->kernels->adam(u->tensor->count, u->w, u->grad, u->state[0], u->state[1],
                     &(struct cnn_adam){.lr = u->lr,
                                        .beta1 = s->betas.values[0],
                                        .beta2 = s->betas.values[1],
                                        .eps = s->eps,
                                        .weight_decay = u->weight_decay,
                                        .decoupled = decoupled,
                                        .step = u->step});
}

static void update_adam(const struct cnn_update *u)
{
    update(u, false);
}

static void update_adamw(const struct cnn_update *u)
{
    update(u, true);
}

const struct cnn_optimizer_type cnn_optimizer_adam = {
    .variant = {.name = "adam",
                .help = "steps scaled by running means of the gradient and of its square",
                .keys = adam_keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m", "v"},
    .update = update_adam,
};

const struct cnn_optimizer_type cnn_optimizer_adamw = {
    .variant = {.name = "adamw",
                .help = "adam with weight decay separate from the gradient",
                .keys = adamw_keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m", "v"},
    .update = update_adamw,
};
