/* Tagged mappings with every default filled in. */
#include "config/keys.h"

#include <string.h>

struct cnn_yaml *cnn_kind_resolve(struct cnn_arena *arena, const struct cnn_kind *kind,
                                  const struct cnn_yaml *node)
{
    bool mapping = node && node->kind == CNN_YAML_MAPPING;
    const struct cnn_yaml *type = mapping ? cnn_yaml_get(node, "type") : node;
    const struct cnn_variant *variant = kind->variants[0];
    for (size_t i = 0; type && i < kind->count; i++)
        if (strcmp(kind->variants[i]->name, type->text) == 0)
            variant = kind->variants[i];
    struct cnn_yaml *keys = cnn_keys_resolve(arena, variant->keys, mapping ? node : NULL);
    struct cnn_yaml *out = cnn_yaml_new_mapping(arena, NULL),
                    *word = cnn_yaml_new_scalar(arena, variant->name, false, NULL);
    bool ok = keys && out && word && cnn_yaml_put(arena, out, "type", word);
    for (size_t i = 0; ok && i < keys->count; i++)
        ok = cnn_yaml_put(arena, out, keys->pairs[i].key->text, keys->pairs[i].value);
    return ok ? out : NULL;
}

static bool table_has(const struct cnn_key *table, const char *name)
{
    for (struct cnn_key_walk walk = cnn_key_walk(table); cnn_key_next(&walk);)
        if (strcmp(walk.key->name, name) == 0)
            return true;
    return false;
}

static bool others_copy(struct cnn_arena *arena, const struct cnn_key *table,
                        const struct cnn_yaml *mapping, struct cnn_yaml *resolved)
{
    for (size_t i = 0; i < mapping->count; i++)
        if (!table_has(table, mapping->pairs[i].key->text) &&
            !cnn_yaml_add(arena, resolved, mapping->pairs[i].key, mapping->pairs[i].value))
            return false;
    return true;
}

struct cnn_yaml *cnn_keys_resolve(struct cnn_arena *arena, const struct cnn_key *table,
                                  const struct cnn_yaml *mapping)
{
    struct cnn_yaml *resolved = cnn_yaml_new_mapping(arena, mapping ? &mapping->where : NULL);
    if (!resolved)
        return NULL;
    if (mapping && mapping->kind == CNN_YAML_SCALAR && !cnn_yaml_is_null(mapping)) {
        if (!cnn_yaml_put(
                arena, resolved, "type",
                cnn_yaml_new_scalar(arena, mapping->text, mapping->quoted, &mapping->where)))
            return NULL;
    } else if (mapping && mapping->kind == CNN_YAML_MAPPING &&
               !others_copy(arena, table, mapping, resolved)) {
        return NULL;
    }
    for (struct cnn_key_walk walk = cnn_key_walk(table); cnn_key_next(&walk);) {
        const struct cnn_key *key = walk.key;
        struct cnn_yaml *value = cnn_yaml_get(mapping, key->name);
        bool fallback = !value && key->otherwise && *key->otherwise;
        if (fallback &&
            cnn_yaml_parse(arena, key->name, key->otherwise, strlen(key->otherwise), &value, NULL))
            return NULL;
        if (value && !cnn_yaml_put(arena, resolved, key->name, value))
            return NULL;
    }
    return resolved;
}
