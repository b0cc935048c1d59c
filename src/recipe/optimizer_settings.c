/* Settings of optimisers: the key tables, and what `groups` and muon's `others` say. */
#include <string.h>

#include "recipe/optimizer.h"

struct parsed { /* what the key tables fill in */
    struct cnn_optimizer_settings settings;
    struct cnn_numbers betas;
    const struct cnn_yaml *groups, *others;
};

#define FIELD(name) offsetof(struct parsed, settings.name)
#define LR(value)                                                                                  \
    {                                                                                              \
        .name = "lr", .kind = CNN_KEY_NUMBER, .at = FIELD(lr), .otherwise = value, .max = 1000,    \
        .open_min = true, .help = "learning rate"                                                  \
    }
#define MOMENTUM(value)                                                                            \
    {                                                                                              \
        .name = "momentum", .kind = CNN_KEY_NUMBER, .at = FIELD(momentum), .otherwise = value,     \
        .max = 1, .open_max = true, .help = "share of the last update that is kept"                \
    }
#define WEIGHT_DECAY(value, text)                                                                  \
    {                                                                                              \
        .name = "weight_decay", .kind = CNN_KEY_NUMBER, .at = FIELD(weight_decay),                 \
        .otherwise = value, .max = 1000, .help = text                                              \
    }
#define COUPLED "times the weight, added to its gradient"
#define EPS                                                                                        \
    {                                                                                              \
        .name = "eps", .kind = CNN_KEY_NUMBER, .at = FIELD(eps), .otherwise = "1e-8",              \
        .min = 1e-37, .max = 1, .help = "added to the divisor"                                     \
    }
#define BETAS                                                                                      \
    {                                                                                              \
        .name = "betas", .kind = CNN_KEY_NUMBERS, .at = offsetof(struct parsed, betas),            \
        .otherwise = "[0.9, 0.999]", .max = 1, .open_max = true,                                   \
        .help = "decay of the running means of the gradient and of its square"                     \
    }

#define DECOUPLED                                                                                  \
    {                                                                                              \
        .name = "decoupled", .kind = CNN_KEY_BOOL, .at = FIELD(decoupled), .otherwise = "false",   \
        .help =                                                                                    \
            "weight_decay times lr is the share by which a weight shrinks in each step, apart "    \
            "from the gradient"                                                                    \
    }
#define SHRINK "times lr: share by which a weight shrinks in each step"
#define GROUPS                                                                                     \
    {                                                                                              \
        .name = "groups", .kind = CNN_KEY_NODE, .at = offsetof(struct parsed, groups),             \
        .otherwise = "", .help = "list of tensors with settings of their own"                      \
    }
#define NESTEROV(value)                                                                            \
    {                                                                                              \
        .name = "nesterov", .kind = CNN_KEY_BOOL, .at = FIELD(nesterov), .otherwise = value,       \
        .help = "look ahead along the momentum"                                                    \
    }

static const struct cnn_key sgd_keys[] = {
    LR("0.01"), MOMENTUM("0"), NESTEROV("false"), WEIGHT_DECAY("0", COUPLED),
    DECOUPLED,  GROUPS,        CNN_KEY_END};
static const struct cnn_key adam_keys[] = {LR("0.001"), BETAS,      EPS, WEIGHT_DECAY("0", COUPLED),
                                           GROUPS,      CNN_KEY_END};
static const struct cnn_key adamw_keys[] = {
    LR("0.001"), BETAS, EPS, WEIGHT_DECAY("0.01", SHRINK), GROUPS, CNN_KEY_END};
static const struct cnn_key rmsprop_keys[] = {
    LR("0.01"),
    {.name = "alpha",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(alpha),
     .otherwise = "0.99",
     .max = 1,
     .open_max = true,
     .help = "decay of the running mean of the squared gradient"},
    EPS,
    MOMENTUM("0"),
    WEIGHT_DECAY("0", COUPLED),
    DECOUPLED,
    GROUPS,
    CNN_KEY_END,
};
static const struct cnn_key muon_keys[] = {
    LR("0.02"),
    MOMENTUM("0.95"),
    NESTEROV("true"),
    WEIGHT_DECAY("0", SHRINK),
    {.name = "iterations",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(iterations),
     .otherwise = "5",
     .min = 1,
     .max = 100,
     .help = "of Newton and Schulz, which make the update orthogonal"},
    {.name = "normalize",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(normalize),
     .otherwise = "false",
     .help = "scale each weight matrix to the norm sqrt(filters) before every update"},
    {.name = "others",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed, others),
     .otherwise = "adamw",
     .help = "optimizer of what is no matrix: biases, batch_norm, depthwise kernels, and of the "
             "last layer"},
    GROUPS,
    CNN_KEY_END,
};

const struct cnn_variant cnn_optimizer_types[] = {
    {.name = "sgd",
     .help = "stochastic gradient descent, with momentum where given",
     .keys = sgd_keys,
     .settings_size = sizeof(struct parsed)},
    {.name = "adam",
     .help = "steps scaled by running means of the gradient and of its square",
     .keys = adam_keys,
     .settings_size = sizeof(struct parsed)},
    {.name = "adamw",
     .help = "adam with weight decay apart from the gradient",
     .keys = adamw_keys,
     .settings_size = sizeof(struct parsed)},
    {.name = "rmsprop",
     .help = "steps scaled by a running mean of the squared gradient",
     .keys = rmsprop_keys,
     .settings_size = sizeof(struct parsed)},
    {.name = "muon",
     .help = "the momentum of a weight matrix, made orthogonal; another optimizer for what is no "
             "matrix",
     .keys = muon_keys,
     .settings_size = sizeof(struct parsed)},
};
const size_t cnn_optimizer_type_count = sizeof cnn_optimizer_types / sizeof *cnn_optimizer_types;

#define OTHERS CNN_OPTIMIZER_MUON /* the first so many kinds: those that may be muon's `others` */

/* in the order of enum cnn_group_tensors */
static const char *const tensor_words[] = {"all", "weight", "bias", NULL};

struct parsed_group {
    const struct cnn_yaml *layers;
    int tensors;
    double lr, weight_decay;
};

const struct cnn_key cnn_optimizer_group_keys[] = {
    {.name = "layers",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed_group, layers),
     .otherwise = "",
     .help =
         "a name (* and ? stand for others), a layer type, or a list of these; else all layers"},
    {.name = "tensors",
     .kind = CNN_KEY_CHOICE,
     .at = offsetof(struct parsed_group, tensors),
     .otherwise = "all",
     .choices = tensor_words,
     .help = "which of their tensors"},
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct parsed_group, lr),
     .otherwise = "",
     .max = 1000,
     .help = "learning rate, instead of the optimizer's; the schedule acts on it too"},
    {.name = "weight_decay",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct parsed_group, weight_decay),
     .otherwise = "",
     .max = 1000,
     .help = "instead of the optimizer's"},
    CNN_KEY_END,
};

static cnn_status read_names(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_optimizer_group *group, cnn_diag *diag)
{
    bool list = node->kind == CNN_YAML_SEQUENCE;
    size_t count = list ? node->count : 1;
    const char **names = cnn_arena_array(arena, count + 1, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, count * sizeof *names, "groups");
    for (size_t i = 0; i < count; i++) {
        const struct cnn_yaml *item = list ? node->items[i] : node;
        char found[80];
        if (item->kind != CNN_YAML_SCALAR)
            return cnn_fail(diag, CNN_INVALID, &item->where,
                            "`layers` of a group wants a name or a list of names; found %s",
                            cnn_yaml_describe(item, found, sizeof found));
        names[i] = item->text;
    }
    group->layers = names;
    group->layer_count = count;
    return CNN_OK;
}

static cnn_status read_group(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_optimizer_group *out, cnn_diag *diag)
{
    struct parsed_group parsed = {0};
    cnn_status status = cnn_keys_read(arena, cnn_optimizer_group_keys, NULL, "a group", node,
                                      &node->where, &parsed, diag);
    if (status != CNN_OK)
        return status;
    *out =
        (struct cnn_optimizer_group){.tensors = parsed.tensors,
                                     .has_lr = cnn_yaml_get(node, "lr") != NULL,
                                     .has_weight_decay = cnn_yaml_get(node, "weight_decay") != NULL,
                                     .lr = parsed.lr,
                                     .weight_decay = parsed.weight_decay,
                                     .where = node->where};
    return parsed.layers ? read_names(arena, parsed.layers, out, diag) : CNN_OK;
}

static cnn_status read_groups(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (!node || cnn_yaml_is_null(node))
        return CNN_OK;
    if (node->kind != CNN_YAML_SEQUENCE) {
        cnn_fail(diag, CNN_INVALID, &node->where, "`groups` must be a list");
        cnn_hint(
            diag,
            "groups: [{tensors: bias, weight_decay: 0}, {layers: batch_norm, weight_decay: 0}]");
        return CNN_INVALID;
    }
    struct cnn_optimizer_group *groups = cnn_arena_array(arena, node->count + 1, sizeof *groups);
    if (!groups)
        return cnn_fail_memory(diag, node->count * sizeof *groups, "groups");
    for (size_t i = 0; i < node->count; i++)
        if (read_group(arena, node->items[i], &groups[i], diag) != CNN_OK)
            status = CNN_INVALID;
    out->groups = groups;
    out->group_count = node->count;
    return status;
}

static cnn_status check_settings(const struct cnn_yaml *node, const struct parsed *parsed,
                                 cnn_diag *diag)
{
    enum cnn_optimizer_kind kind = parsed->settings.kind;
    if ((kind == CNN_OPTIMIZER_ADAM || kind == CNN_OPTIMIZER_ADAMW) && parsed->betas.count != 2)
        return cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "betas")->where,
                        "betas are two numbers, not %zu", parsed->betas.count);
    if (kind == CNN_OPTIMIZER_SGD && parsed->settings.nesterov && parsed->settings.momentum <= 0) {
        cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "nesterov")->where,
                 "nesterov needs a momentum above 0");
        cnn_hint(diag, "momentum: 0.9");
        return CNN_INVALID;
    }
    return CNN_OK;
}

/* The settings of one of the first `count` kinds. */
static cnn_status read_kind(struct cnn_arena *arena, const struct cnn_yaml *node, size_t count,
                            struct parsed **out, cnn_diag *diag)
{
    size_t chosen;
    void *settings;
    cnn_status status = cnn_variant_read(arena, cnn_optimizer_types, count, NULL, "optimizer", node,
                                         &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    struct parsed *parsed = settings;
    parsed->settings.kind = (enum cnn_optimizer_kind)chosen;
    if ((status = check_settings(node, parsed, diag)) != CNN_OK)
        return status;
    if (parsed->betas.count == 2) {
        parsed->settings.beta1 = parsed->betas.values[0];
        parsed->settings.beta2 = parsed->betas.values[1];
    }
    *out = parsed;
    return CNN_OK;
}

/* Muon's `others`, whose groups are those of muon itself. */
static cnn_status read_others(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    struct parsed *others;
    cnn_status status = read_kind(arena, node, OTHERS, &others, diag);
    if (status == CNN_OK && others->groups)
        status = cnn_fail(diag, CNN_INVALID, &others->groups->where,
                          "`groups` stands in the optimizer itself, not in its `others`");
    if (status == CNN_OK)
        out->others = &others->settings;
    return status;
}

cnn_status cnn_optimizer_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    struct parsed *parsed;
    struct cnn_yaml *usual =
        node ? NULL : cnn_yaml_new_scalar(arena, cnn_optimizer_types[0].name, false, NULL);
    if (!node && !usual)
        return cnn_fail_memory(diag, 0, "the optimiser");
    cnn_status status =
        read_kind(arena, node ? node : usual, cnn_optimizer_type_count, &parsed, diag);
    if (status != CNN_OK)
        return status;
    status = read_groups(arena, parsed->groups, &parsed->settings, diag);
    if (parsed->others && read_others(arena, parsed->others, &parsed->settings, diag) != CNN_OK)
        status = CNN_INVALID;
    if (status == CNN_OK)
        *out = parsed->settings;
    return status;
}

struct cnn_yaml *cnn_optimizer_resolve(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    struct cnn_yaml *out =
        cnn_variant_resolve(arena, cnn_optimizer_types, cnn_optimizer_type_count, node);
    const struct cnn_yaml *others = cnn_yaml_get(out, "others");
    if (!out || !others)
        return out;
    struct cnn_yaml *whole = cnn_variant_resolve(arena, cnn_optimizer_types, OTHERS, others);
    return whole && cnn_yaml_put(arena, out, "others", whole) ? out : NULL;
}
