/* The recipe: `train` of a description, read and resolved. */
#include "recipe/recipe.h"

struct parsed {
    struct cnn_recipe recipe;
    const struct cnn_yaml *optimizer, *schedule, *ema, *early_stopping;
};

#define FIELD(name) offsetof(struct parsed, recipe.name)

static const char *const keeps[] = {"best", "last", NULL}; /* by enum cnn_keep */

const struct cnn_key cnn_recipe_keys[] = {
    {"epochs", CNN_KEY_SIZE, FIELD(epochs), "", 1, 1000000, 0, NULL,
     "passes over the training images; this or steps must be given"},
    {"steps", CNN_KEY_SIZE, FIELD(steps), "", 1, 1000000000, 0, NULL,
     "updates of the weights, instead of epochs"},
    {"batch_size", CNN_KEY_SIZE, FIELD(batch_size), "32", 1, 65536, 0, NULL, "images in one step"},
    {"optimizer", CNN_KEY_NODE, offsetof(struct parsed, optimizer), "sgd", 0, 0, 0, NULL,
     "how gradients change the weights"},
    {"schedule", CNN_KEY_NODE, offsetof(struct parsed, schedule), "constant", 0, 0, 0, NULL,
     "how the learning rate changes"},
    {"clip_norm", CNN_KEY_NUMBER, FIELD(clip_norm), "0", 0, 1e12, 0, NULL,
     "gradients whose norm, over all trained parameters, is larger are scaled down to this norm; "
     "0: none are"},
    {"ema", CNN_KEY_NODE, offsetof(struct parsed, ema), "", 0, 0, 0, NULL,
     "{decay: 0.999, every: 1}: validates and keeps a running mean of the weights instead of the "
     "newest"},
    {"early_stopping", CNN_KEY_NODE, offsetof(struct parsed, early_stopping), "", 0, 0, 0, NULL,
     "{patience: 10, min_delta: 0}: ends the run when the validation loss gets no better"},
    {"seed", CNN_KEY_SIZE, FIELD(seed), "1", 0, 4294967295, 0, NULL,
     "of everything random: first weights, shuffling, augmentation, dropout"},
    {"log_every", CNN_KEY_SIZE, FIELD(log_every), "50", 1, 1000000000, 0, NULL,
     "steps between rows of steps.csv"},
    {"save_every", CNN_KEY_NUMBER, FIELD(save_every), "10", 0, 525600, 0, NULL,
     "minutes after which last.safetensors is written again within an epoch; 0: after every step"},
    {"keep", CNN_KEY_CHOICE, FIELD(keep), "best", 0, 0, 0, keeps,
     "the epoch that best.safetensors is from: that of the best validation accuracy, or the "
     "newest, so that validation chooses nothing"},
    CNN_KEY_END,
};

static cnn_status check_length(const struct cnn_recipe *recipe, const struct cnn_yaml *node,
                               cnn_diag *diag)
{
    if (recipe->epochs == 0 || recipe->steps == 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &cnn_yaml_get(node, "steps")->where,
             "train has both epochs and steps");
    cnn_hint(diag, "give one of them");
    return CNN_INVALID;
}

cnn_status cnn_recipe_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                           struct cnn_recipe *out, cnn_diag *diag)
{
    struct parsed parsed = {0};
    cnn_status keys = cnn_keys_read(arena, cnn_recipe_keys, NULL, "train", node,
                                    node ? &node->where : NULL, &parsed, diag);
    const cnn_status all[] = {
        keys == CNN_OK && node ? check_length(&parsed.recipe, node, diag) : keys,
        cnn_optimizer_read(arena, parsed.optimizer, &parsed.recipe.optimizer, diag),
        cnn_schedule_read(arena, parsed.schedule, &parsed.recipe.schedule, diag),
        cnn_average_read(arena, parsed.ema, &parsed.recipe.ema, diag),
        cnn_stopping_read(arena, parsed.early_stopping, &parsed.recipe.early_stopping, diag),
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] != CNN_OK)
            return all[i];
    *out = parsed.recipe;
    return CNN_OK;
}

/* Fills in the defaults of a section that may be absent, or null. */
static bool resolve_section(struct cnn_arena *arena, const struct cnn_key *keys, const char *name,
                            struct cnn_yaml *recipe)
{
    const struct cnn_yaml *node = cnn_yaml_get(recipe, name);
    if (!node || cnn_yaml_is_null(node))
        return true;
    struct cnn_yaml *resolved = cnn_keys_resolve(arena, keys, node);
    return resolved && cnn_yaml_put(arena, recipe, name, resolved);
}

struct cnn_yaml *cnn_recipe_resolve(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    struct cnn_yaml *out = cnn_keys_resolve(arena, cnn_recipe_keys, node);
    struct cnn_yaml *optimizer = cnn_optimizer_resolve(arena, cnn_yaml_get(node, "optimizer"));
    struct cnn_yaml *schedule = cnn_variant_resolve(
        arena, cnn_schedule_types, cnn_schedule_type_count, cnn_yaml_get(node, "schedule"));
    bool ok = out && optimizer && schedule && cnn_yaml_put(arena, out, "optimizer", optimizer) &&
              cnn_yaml_put(arena, out, "schedule", schedule) &&
              resolve_section(arena, cnn_average_keys, "ema", out) &&
              resolve_section(arena, cnn_stopping_keys, "early_stopping", out);
    return ok ? out : NULL;
}
