/* RMSprop (Hinton, 2012), by PyTorch's formula. */
#include <math.h>

#include "recipe/optimizer_type.h"
#include "util/number.h"

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

static double explain(const struct cnn_update *u, size_t i, struct cnn_text *out)
{
    const struct settings *s = u->settings;
    cnn_text_printf(out, ", lr %s\n", cnn_explain_number(u->lr).text);
    double old = s->decoupled ? cnn_explain_shrink(u, i, out) : (double)u->w[i],
           g = cnn_explain_decay(u, s->decoupled ? 0 : u->weight_decay, i, out),
           square = s->alpha * (double)u->state[SQUARE][i] + (1 - s->alpha) * g * g,
           change = g / (sqrt(square) + s->eps);
    cnn_text_printf(out,
                    "  v, the running mean of the squared gradient, = %s * %s + %s * %s^2 = %s\n"
                    "  gradient / (sqrt(v) + eps) = %s\n",
                    cnn_explain_number(s->alpha).text,
                    cnn_explain_number((double)u->state[SQUARE][i]).text,
                    cnn_explain_number(1 - s->alpha).text, cnn_explain_factor(g).text,
                    cnn_explain_number(square).text, cnn_explain_number(change).text);
    if (u->state[MOMENTUM])
        change += s->momentum * (double)u->state[MOMENTUM][i];
    return cnn_explain_step(u, "weight - lr * that", old, change, out);
}

const struct cnn_optimizer_type cnn_optimizer_rmsprop = {
    .variant = {.name = "rmsprop",
                .help = "steps scaled by a running mean of the squared gradient",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .slabs = {[SQUARE] = "square", [MOMENTUM] = "momentum"},
    .keeps = keeps,
    .update = update,
    .explain = explain,
};
