/* The recipe: `train` of a description, read and resolved. */
#include "recipe/recipe.h"

struct parsed {
    struct cnn_recipe recipe;
    const struct cnn_yaml *optimizer, *schedule;
};

#define FIELD(name) offsetof(struct parsed, recipe.name)

const struct cnn_key cnn_recipe_keys[] = {
    {"epochs", CNN_KEY_SIZE, FIELD(epochs), "", 1, 1000000, 0, NULL, "passes over the training images; this or steps must be given"},
    {"steps", CNN_KEY_SIZE, FIELD(steps), "", 1, 1000000000, 0, NULL, "updates of the weights, instead of epochs"},
    {"batch_size", CNN_KEY_SIZE, FIELD(batch_size), "32", 1, 65536, 0, NULL, "images in one step"},
    {"optimizer", CNN_KEY_NODE, offsetof(struct parsed, optimizer), "sgd", 0, 0, 0, NULL, "how gradients change the weights"},
    {"schedule", CNN_KEY_NODE, offsetof(struct parsed, schedule), "constant", 0, 0, 0, NULL, "how the learning rate changes"},
    {"seed", CNN_KEY_SIZE, FIELD(seed), "1", 0, 4294967295, 0, NULL, "of everything random: first weights, shuffling, augmentation, dropout"},
    {"log_every", CNN_KEY_SIZE, FIELD(log_every), "50", 1, 1000000000, 0, NULL, "steps between rows of steps.csv"},
    CNN_KEY_END,
};

static cnn_status check_length(const struct cnn_recipe *recipe, const struct cnn_yaml *node, cnn_diag *diag)
{
    if (recipe->epochs == 0 || recipe->steps == 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "steps")->where, "train has both epochs and steps");
    cnn_hint(diag, "give one of them");
    return CNN_INVALID;
}

cnn_status cnn_recipe_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_recipe *out, cnn_diag *diag)
{
    struct parsed parsed = {0};
    cnn_status keys = cnn_keys_read(arena, cnn_recipe_keys, NULL, "train", node, node ? &node->where : NULL, &parsed, diag);
    cnn_status optimizer = cnn_optimizer_read(arena, parsed.optimizer, &parsed.recipe.optimizer, diag);
    cnn_status schedule = cnn_schedule_read(arena, parsed.schedule, &parsed.recipe.schedule, diag);
    if (keys == CNN_OK && node)
        keys = check_length(&parsed.recipe, node, diag);
    cnn_status status = keys != CNN_OK ? keys : optimizer != CNN_OK ? optimizer : schedule;
    if (status == CNN_OK)
        *out = parsed.recipe;
    return status;
}

struct cnn_yaml *cnn_recipe_resolve(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    struct cnn_yaml *out = cnn_keys_resolve(arena, cnn_recipe_keys, node);
    struct cnn_yaml *optimizer = cnn_variant_resolve(arena, cnn_optimizer_types, cnn_optimizer_type_count, cnn_yaml_get(node, "optimizer"));
    struct cnn_yaml *schedule = cnn_variant_resolve(arena, cnn_schedule_types, cnn_schedule_type_count, cnn_yaml_get(node, "schedule"));
    bool ok = out && optimizer && schedule && cnn_yaml_put(arena, out, "optimizer", optimizer) && cnn_yaml_put(arena, out, "schedule", schedule);
    return ok ? out : NULL;
}
