/* Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023): every weight moves by
 * lr, against the sign of a mean of the momentum and the gradient; then the momentum takes the
 * gradient in. Half of Adam's state. Weights shrink as with AdamW. */
#include "recipe/optimizer_type.h"

struct settings {
    struct cnn_optimizer_base base;
    struct cnn_numbers betas;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.lr),
     .otherwise = "0.0001",
     .max = 1000,
     .open_min = true,
     .help = "learning rate, by which each weight moves: use a third to a tenth of adamw's"},
    {.name = "betas",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(betas),
     .otherwise = "[0.9, 0.99]",
     .max = 1,
     .open_max = true,
     .help = "share of the momentum in the direction of a step, and decay of the momentum"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(base.weight_decay),
     .otherwise = "0",
     .max = 1000,
     .help = "this times lr is the share by which a weight shrinks in each step; use three to ten "
             "times adamw's"},
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

/* The sign of 0 is 0, and NaN stays NaN; without branches, which would go either way. */
static void update_block(const struct cnn_update *u, size_t begin, size_t count)
{
    const double *betas = ((const struct settings *)u->settings)->betas.values;
    const float lr = (float)u->lr, shrink = (float)(1 - u->lr * u->weight_decay);
    const float beta1 = (float)betas[0], new1 = (float)(1 - betas[0]), beta2 = (float)betas[1],
                new2 = (float)(1 - betas[1]);
    float *restrict w = u->w + begin, *restrict m = u->state[0] + begin;
    const float *restrict grad = u->grad + begin;
    for (size_t i = 0; i < count; i++) {
        float mean = beta1 * m[i] + new1 * grad[i];
        float sign = (float)((mean > 0) - (mean < 0)) + 0 * mean;
        w[i] = w[i] * shrink - lr * sign;
        m[i] = beta2 * m[i] + new2 * grad[i];
    }
}

static void update(const struct cnn_update *u)
{
    cnn_update_blocks(u, update_block);
}

const struct cnn_optimizer_type cnn_optimizer_lion = {
    .variant = {.name = "lion",
                .help = "moves each weight by lr; only the sign comes from the momentum",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m"},
    .update = update,
};
