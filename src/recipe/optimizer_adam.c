/* Adam (Kingma and Ba, 2015) and AdamW (Loshchilov and Hutter, 2019), by PyTorch's formulas. */
#include <math.h>

#include "recipe/optimizer_type.h"
#include "util/number.h"

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

static double explain(const struct cnn_update *u, bool decoupled, size_t i, struct cnn_text *out)
{
    const struct settings *s = u->settings;
    const double *betas = s->betas.values, t = (double)u->step;
    cnn_text_printf(out, ", lr %s, update %zu\n", cnn_explain_number(u->lr).text, u->step);
    double old = decoupled ? cnn_explain_shrink(u, i, out) : (double)u->w[i],
           g = cnn_explain_decay(u, decoupled ? 0 : u->weight_decay, i, out),
           m = betas[0] * (double)u->state[0][i] + (1 - betas[0]) * g,
           v = betas[1] * (double)u->state[1][i] + (1 - betas[1]) * g * g,
           mean = m / (1 - pow(betas[0], t)), square = v / (1 - pow(betas[1], t));
    cnn_text_printf(out,
                    "  m, the running mean of the gradient, = %s; over 1 - %s^%zu: %s\n"
                    "  v, that of its square, = %s; over 1 - %s^%zu: %s\n",
                    cnn_explain_number(m).text, cnn_explain_number(betas[0]).text, u->step,
                    cnn_explain_number(mean).text, cnn_explain_number(v).text,
                    cnn_explain_number(betas[1]).text, u->step, cnn_explain_number(square).text);
    return cnn_explain_step(u, "weight - lr * m / (sqrt(v) + eps)", old,
                            mean / (sqrt(square) + s->eps), out);
}

static double explain_adam(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    return explain(u, false, i, out);
}

static double explain_adamw(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    return explain(u, true, i, out);
}

const struct cnn_optimizer_type cnn_optimizer_adam = {
    .variant = {.name = "adam",
                .help = "steps scaled by running means of the gradient and of its square",
                .keys = adam_keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m", "v"},
    .update = update_adam,
    .explain = explain_adam,
};

const struct cnn_optimizer_type cnn_optimizer_adamw = {
    .variant = {.name = "adamw",
                .help = "adam with weight decay separate from the gradient",
                .keys = adamw_keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .slabs = {"m", "v"},
    .update = update_adamw,
    .explain = explain_adamw,
};
