/* The key tables as one reference, for `cnn help` and the manual. */
#include "config/blocks.h"
#include "layers/types.h"
#include "model/model.h"

static const struct cnn_variant whole_sections[] = {
    {.name = "top level", .help = "the file itself", .keys = cnn_description_keys},
    {.name = "every layer",
     .help = "keys that a layer of any type can have",
     .keys = cnn_layer_keys},
    {.name = "blocks", .help = "keys of each block in `blocks`", .keys = cnn_block_keys},
    {.name = "data", .help = "the data set", .keys = cnn_data_keys},
    {.name = "train", .help = "how to train", .keys = cnn_recipe_keys},
    {.name = "groups",
     .help = "train.optimizer.groups: tensors with their own settings",
     .keys = cnn_optimizer_group_keys},
    {.name = "ema", .help = "train.ema: a running mean of the weights", .keys = cnn_average_keys},
    {.name = "early_stopping",
     .help = "train.early_stopping: ends a run that no longer improves",
     .keys = cnn_stopping_keys},
};

static bool fill(const char *section, const struct cnn_variant *variant, cnn_section_info *info,
                 const struct cnn_key **keys)
{
    *info = (cnn_section_info){section, variant->name, variant->help, 0};
    *keys = variant->keys;
    return true;
}

/* Section i of everything but layers, counted on from 0. */
static bool find_variant(size_t i, cnn_section_info *info, const struct cnn_key **keys)
{
    static const struct cnn_kind *const kinds[] = {&cnn_augmentations, &cnn_losses, &cnn_optimizers,
                                                   &cnn_schedules};
    const size_t sections = sizeof whole_sections / sizeof *whole_sections;
    if (i < sections)
        return fill(whole_sections[i].name, &whole_sections[i], info, keys);
    i -= sections;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; i -= kinds[k++]->count)
        if (i < kinds[k]->count)
            return fill(kinds[k]->what, kinds[k]->variants[i], info, keys);
    return false;
}

static bool find_section(size_t i, cnn_section_info *info, const struct cnn_key **keys)
{
    if (i >= cnn_layer_type_count)
        return find_variant(i - cnn_layer_type_count, info, keys);
    return fill("layer", &cnn_layer_types[i]->variant, info, keys);
}

size_t cnn_reference_sections(void)
{
    cnn_section_info info;
    const struct cnn_key *keys;
    size_t count = 0;
    while (find_section(count, &info, &keys))
        count++;
    return count;
}

cnn_section_info cnn_reference_section(size_t section)
{
    cnn_section_info info = {0};
    const struct cnn_key *keys = NULL;
    if (find_section(section, &info, &keys))
        for (struct cnn_key_walk walk = cnn_key_walk(keys); cnn_key_next(&walk);)
            info.keys++;
    return info;
}

cnn_key_info cnn_reference_key(size_t section, size_t key)
{
    static _Thread_local char type[256];
    cnn_section_info info;
    const struct cnn_key *keys = NULL;
    if (find_section(section, &info, &keys))
        for (struct cnn_key_walk walk = cnn_key_walk(keys); cnn_key_next(&walk);)
            if (key-- == 0)
                return (cnn_key_info){walk.key->name,
                                      cnn_key_describe_type(walk.key, type, sizeof type),
                                      walk.key->otherwise, walk.key->help};
    return (cnn_key_info){0};
}

const char *cnn_reference_word(const char *word)
{
    if (!word)
        return NULL;
    return cnn_foreign_word(word);
}
