/* SGD with momentum (Sutskever et al., "On the importance of initialization and momentum in deep
 * learning", 2013), by PyTorch's formula. */
#include "recipe/optimizer_type.h"
#include "util/number.h"

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

static double explain(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    const struct settings *s = u->settings;
    cnn_text_printf(out, ", lr %s\n", cnn_explain_number(u->lr).text);
    double old = s->decoupled ? cnn_explain_shrink(u, i, out) : (double)u->w[i],
           g = cnn_explain_decay(u, s->decoupled ? 0 : u->weight_decay, i, out);
    if (!u->state[0])
        return cnn_explain_step(u, "weight - lr * gradient", old, g, out);
    double before = u->step == 1 ? 0 : (double)u->state[0][i],
           velocity = u->step == 1 ? g : s->momentum * before + g;
    cnn_text_printf(out, "  velocity = momentum * velocity + gradient = %s * %s + %s = %s\n",
                    cnn_explain_number(s->momentum).text, cnn_explain_factor(before).text,
                    cnn_explain_factor(g).text, cnn_explain_number(velocity).text);
    if (!s->nesterov)
        return cnn_explain_step(u, "weight - lr * velocity", old, velocity, out);
    double ahead = g + s->momentum * velocity;
    cnn_text_printf(out, "  gradient + momentum * velocity (Nesterov) = %s\n",
                    cnn_explain_number(ahead).text);
    return cnn_explain_step(u, "weight - lr * that", old, ahead, out);
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
    .explain = explain,
    .proportional = true,
};
