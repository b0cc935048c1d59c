/* The recipe: `train` of a description, read and resolved. */
#include "recipe/recipe.h"
#include "recipe/optimizer_type.h"

struct parsed {
    struct cnn_recipe recipe;
    const struct cnn_yaml *optimizer, *schedule, *ema, *early_stopping;
};

#define FIELD(name) offsetof(struct parsed, recipe.name)

static const char *const keeps[] = {"best", "last", NULL}; /* by enum cnn_keep */

const struct cnn_key cnn_recipe_keys[] = {
    {.name = "epochs",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(epochs),
     .otherwise = "",
     .min = 1,
     .max = 1000000,
     .help = "passes over the training images; this or steps must be given"},
    {.name = "steps",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(steps),
     .otherwise = "",
     .min = 1,
     .max = 1000000000,
     .help = "updates of the weights, instead of epochs"},
    {.name = "batch_size",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(batch_size),
     .otherwise = "32",
     .min = 1,
     .max = 65536,
     .help = "images in one step"},
    {.name = "optimizer",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed, optimizer),
     .otherwise = "sgd",
     .help = "how gradients change the weights"},
    {.name = "schedule",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed, schedule),
     .otherwise = "constant",
     .help = "how the learning rate changes"},
    {.name = "clip_norm",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(clip_norm),
     .otherwise = "0",
     .max = 1e12,
     .help = "if the norm of the gradients over all trained parameters is larger, they are scaled "
             "down to this norm; 0: never"},
    {.name = "ema",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed, ema),
     .otherwise = "",
     .help = "{decay: 0.999, every: 1}: validate and store a running mean of the weights instead "
             "of the weights themselves"},
    {.name = "early_stopping",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct parsed, early_stopping),
     .otherwise = "",
     .help =
         "{patience: 10, min_delta: 0}: end the run when the validation loss no longer improves"},
    {.name = "from",
     .kind = CNN_KEY_TEXT,
     .at = FIELD(from),
     .otherwise = "",
     .help = "another model; training starts with those of its layers that fit; --from and "
             "--weights of train override it"},
    {.name = "freeze",
     .kind = CNN_KEY_TEXT,
     .at = FIELD(freeze),
     .otherwise = "",
     .help = "the name of a layer: training does not change it and all layers above it"},
    {.name = "freeze_epochs",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(freeze_epochs),
     .otherwise = "0",
     .max = 1000000,
     .help = "after so many epochs the layers of `freeze` are trained, too; 0: never"},
    {.name = "layer_decay",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(layer_decay),
     .otherwise = "1",
     .min = 0.01,
     .max = 1,
     .help = "learning rate of each layer as a share of the next layer's: the last conv or dense "
             "layer has the optimizer's rate, the one before it this share of it, and so on"},
    {.name = "seed",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(seed),
     .otherwise = "1",
     .max = 4294967295,
     .help = "seed of all random numbers: initial weights, shuffling, augmentation, dropout"},
    {.name = "log_every",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(log_every),
     .otherwise = "50",
     .min = 1,
     .max = 1000000000,
     .help = "steps between rows of steps.csv"},
    {.name = "save_every",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(save_every),
     .otherwise = "10",
     .max = 525600,
     .help = "minutes after which last.safetensors is written again within an epoch; 0: after "
             "every step"},
    {.name = "keep",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(keep),
     .otherwise = "best",
     .choices = keeps,
     .help = "which epoch is stored in best.safetensors: the one with the best validation "
             "accuracy, or the newest, so that validation chooses nothing"},
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
    cnn_status keys =
        cnn_keys_read(arena, &(struct cnn_keys){.table = cnn_recipe_keys, .what = "train"}, node,
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
    parsed.recipe.optimizer.layer_decay = parsed.recipe.layer_decay;
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
    struct cnn_yaml *schedule =
        cnn_kind_resolve(arena, &cnn_schedules, cnn_yaml_get(node, "schedule"));
    bool ok = out && optimizer && schedule && cnn_yaml_put(arena, out, "optimizer", optimizer) &&
              cnn_yaml_put(arena, out, "schedule", schedule) &&
              resolve_section(arena, cnn_average_keys, "ema", out) &&
              resolve_section(arena, cnn_stopping_keys, "early_stopping", out);
    return ok ? out : NULL;
}

enum cnn_gradients cnn_recipe_gradients(const struct cnn_recipe *recipe, size_t ranks)
{
    if (recipe->clip_norm > 0 || ranks > 1)
        return CNN_GRADIENTS_KEPT;
    for (const struct cnn_optimizer_settings *s = &recipe->optimizer; s; s = s->others)
        if (s->type->whole)
            return CNN_GRADIENTS_BY_LAYER;
    return CNN_GRADIENTS_BY_PIECE;
}
