/* Lion (Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023): every weight moves by
 * lr, against the sign of a mean of the momentum and the gradient; then the momentum takes the
 * gradient in. Half of Adam's state. Weights shrink as with AdamW. */
#include "recipe/optimizer_type.h"
#include "util/number.h"

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

static void update(const struct cnn_update *u)
{
    const double *betas = ((const struct settings *)u->settings)->betas.values;
    u->kernels->lion(
        u->tensor->count, u->w, u->grad, u->state[0],
        &(struct cnn_lion){
            .lr = u->lr, .beta1 = betas[0], .beta2 = betas[1], .weight_decay = u->weight_decay});
}

static double explain(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    const double *betas = ((const struct settings *)u->settings)->betas.values;
    cnn_text_printf(out, ", lr %s\n", cnn_explain_number(u->lr).text);
    double old = cnn_explain_shrink(u, i, out),
           mean = betas[0] * (double)u->state[0][i] + (1 - betas[0]) * (double)u->grad[i],
           sign = mean > 0   ? 1
                  : mean < 0 ? -1
                             : 0;
    cnn_text_printf(out, "  mean of momentum and gradient = %s; only its sign counts: %s\n",
                    cnn_explain_number(mean).text, cnn_explain_number(sign).text);
    return cnn_explain_step(u, "weight - lr * sign", old, sign, out);
}

const struct cnn_optimizer_type cnn_optimizer_lion = {
    .variant = {.name = "lion",
                .help = "moves each weight by lr; only the sign comes from the momentum",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m"},
    .update = update,
    .explain = explain,
};
