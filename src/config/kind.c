/* Reading one of a kind, whose descriptors stand in files of their own. */
#include "config/keys.h"

static struct cnn_variant *copy_variants(struct cnn_arena *arena, const struct cnn_kind *kind)
{
    struct cnn_variant *variants = cnn_arena_array(arena, kind->count, sizeof *variants);
    for (size_t i = 0; variants && i < kind->count; i++)
        variants[i] = *kind->variants[i];
    return variants;
}

cnn_status cnn_kind_read(struct cnn_arena *arena, const struct cnn_kind *kind,
                         const struct cnn_yaml *node, const struct cnn_variant **chosen,
                         void **settings, cnn_diag *diag)
{
    size_t index;
    struct cnn_variant *variants = copy_variants(arena, kind);
    if (variants && !node)
        node = cnn_yaml_new_scalar(arena, variants[0].name, false, NULL);
    if (!variants || !node)
        return cnn_fail_memory(diag, kind->count * sizeof *variants, kind->what);
    cnn_status status = cnn_variant_read(arena, variants, kind->count, NULL, kind->what, node,
                                         &index, settings, diag);
    if (status == CNN_OK)
        *chosen = kind->variants[index];
    return status;
}

struct cnn_yaml *cnn_kind_resolve(struct cnn_arena *arena, const struct cnn_kind *kind,
                                  const struct cnn_yaml *node)
{
    struct cnn_variant *variants = copy_variants(arena, kind);
    return variants ? cnn_variant_resolve(arena, variants, kind->count, node) : NULL;
}
