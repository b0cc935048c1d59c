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
