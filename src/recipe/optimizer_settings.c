/* Settings of optimisers: the list of them, from optimizers.def, and what `groups` and `others`
 * say. */
#include <string.h>

#include "recipe/optimizer_type.h"

#define OPTIMIZER(name) extern const struct cnn_optimizer_type cnn_optimizer_##name;
#include "recipe/optimizers.def"
#undef OPTIMIZER

#define OPTIMIZER(name) &cnn_optimizer_##name.variant,
static const struct cnn_variant *const variants[] = {
#include "recipe/optimizers.def"
};
#undef OPTIMIZER

enum { TYPES = sizeof variants / sizeof *variants };

const struct cnn_kind cnn_optimizers = {.what = "optimizer", .variants = variants, .count = TYPES};

static const struct cnn_optimizer_type *type_of(const struct cnn_variant *variant)
{
    return (const struct cnn_optimizer_type *)variant;
}

/* Those that update every tensor, and so may be `others`. list has room for all. */
static struct cnn_kind find_whole(const struct cnn_variant **list)
{
    struct cnn_kind kind = {.what = cnn_optimizers.what, .variants = list};
    for (size_t i = 0; i < TYPES; i++)
        if (!type_of(variants[i])->takes)
            list[kind.count++] = variants[i];
    return kind;
}

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
     .help = "a layer name (with wildcards * and ?), a layer type, or a list of these; by default "
             "all layers"},
    {.name = "tensors",
     .kind = CNN_KEY_CHOICE,
     .at = offsetof(struct parsed_group, tensors),
     .otherwise = "all",
     .choices = tensor_words,
     .help = "which tensors of these layers"},
    {.name = "lr",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct parsed_group, lr),
     .otherwise = "",
     .max = 1000,
     .help = "learning rate instead of the optimizer's; the schedule changes it, too"},
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
    cnn_status status = cnn_keys_read(
        arena, &(struct cnn_keys){.table = cnn_optimizer_group_keys, .what = "a group"}, node,
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

static cnn_status read_kind(struct cnn_arena *arena, const struct cnn_yaml *node,
                            const struct cnn_kind *kind, struct cnn_optimizer_settings *out,
                            cnn_diag *diag)
{
    const struct cnn_variant *chosen;
    void *settings;
    cnn_status status = cnn_kind_read(arena, kind, node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_optimizer_base *base = settings;
    *out = (struct cnn_optimizer_settings){.type = type_of(chosen), .own = base, .lr = base->lr};
    return out->type->check ? out->type->check(settings, node, diag) : CNN_OK;
}

/* Their groups are those of the optimiser itself. */
static cnn_status read_others(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    const struct cnn_variant *list[TYPES];
    const struct cnn_kind whole = find_whole(list);
    struct cnn_optimizer_settings *others = cnn_arena_array(arena, 1, sizeof *others);
    if (!others)
        return cnn_fail_memory(diag, sizeof *others, "the optimiser");
    cnn_status status = read_kind(arena, node, &whole, others, diag);
    if (status == CNN_OK && others->own->groups)
        status = cnn_fail(diag, CNN_INVALID, &others->own->groups->where,
                          "`groups` stands in the optimizer itself, not in its `others`");
    out->others = others;
    return status;
}

cnn_status cnn_optimizer_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                              struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    struct cnn_optimizer_settings settings;
    cnn_status status = read_kind(arena, node, &cnn_optimizers, &settings, diag);
    if (status != CNN_OK)
        return status;
    status = read_groups(arena, settings.own->groups, &settings, diag);
    if (settings.own->others && read_others(arena, settings.own->others, &settings, diag) != CNN_OK)
        status = CNN_INVALID;
    if (status == CNN_OK)
        *out = settings;
    return status;
}

struct cnn_yaml *cnn_optimizer_resolve(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    const struct cnn_variant *list[TYPES];
    const struct cnn_kind whole = find_whole(list);
    struct cnn_yaml *out = cnn_kind_resolve(arena, &cnn_optimizers, node);
    const struct cnn_yaml *others = cnn_yaml_get(out, "others");
    if (!out || !others)
        return out;
    struct cnn_yaml *resolved = cnn_kind_resolve(arena, &whole, others);
    return resolved && cnn_yaml_put(arena, out, "others", resolved) ? out : NULL;
}
