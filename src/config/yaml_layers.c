/* A layer of a description by the name that it gets: its own, or the one that expanding gives it.
 */
#include "config/yaml_layers.h"

#include "config/blocks.h"

#include <string.h>

struct search {
    const char *name; /* the one that is looked for */
    struct cnn_yaml **slot;
    const char **names; /* of all layers so far */
    size_t count;
};

static void search_list(struct search *s, struct cnn_yaml *list)
{
    for (size_t i = 0; i < list->count && !s->slot; i++) {
        if (list->items[i]->kind == CNN_YAML_SEQUENCE) {
            search_list(s, list->items[i]);
            continue;
        }
        const struct cnn_yaml *name = cnn_yaml_get(list->items[i], "name");
        if (!name)
            continue; /* no layer, as will be told */
        s->names[s->count++] = name->text;
        if (strcmp(name->text, s->name) == 0)
            s->slot = &list->items[i];
    }
}

static bool has_parameter(const struct cnn_blocks *blocks, const struct cnn_yaml *use,
                          const char *key)
{
    const struct cnn_yaml *type = cnn_yaml_get(use, "type");
    for (size_t i = 0; key && type && type->kind == CNN_YAML_SCALAR && i < blocks->count; i++)
        for (size_t k = 0; k < blocks->definitions[i].count; k++)
            if (strcmp(blocks->definitions[i].name, type->text) == 0 &&
                strcmp(blocks->definitions[i].parameters[k].name, key) == 0)
                return true;
    return false;
}

/* The last layer of what an entry came to: a use is called like it. NULL: there is none. */
static const struct cnn_yaml *last_name(const struct cnn_yaml *entry)
{
    while (entry && entry->kind == CNN_YAML_SEQUENCE)
        entry = entry->count > 0 ? entry->items[entry->count - 1] : NULL;
    return cnn_yaml_get(entry, "name");
}

static struct cnn_yaml **find_use(const struct cnn_blocks *blocks, struct cnn_yaml *layers,
                                  const struct cnn_yaml *expanded,
                                  const struct cnn_layer_name *name)
{
    for (size_t i = 0; i < layers->count; i++) {
        const struct cnn_yaml *last = last_name(expanded->items[i]),
                              *own = cnn_yaml_get(layers->items[i], "name");
        bool called = (last && strcmp(last->text, name->text) == 0 &&
                       !cnn_yaml_get(layers->items[i], "repeat")) ||
                      (own && own->kind == CNN_YAML_SCALAR && strcmp(own->text, name->text) == 0);
        if (called && has_parameter(blocks, layers->items[i], name->key))
            return &layers->items[i];
    }
    return NULL;
}

cnn_status cnn_yaml_find_layer(struct cnn_arena *arena, const struct cnn_yaml *blocks,
                               struct cnn_yaml *layers, const struct cnn_layer_name *name,
                               struct cnn_yaml ***out, cnn_diag *diag)
{
    struct cnn_blocks defined;
    struct cnn_yaml *expanded = NULL;
    struct search search = {.name = name->text,
                            .names =
                                cnn_arena_array(arena, CNN_YAML_MAX_LAYERS, sizeof *search.names)};
    if (!search.names)
        return cnn_fail_memory(diag, CNN_YAML_MAX_LAYERS * sizeof *search.names, "a setting");
    cnn_status status = cnn_blocks_read(arena, blocks, &defined, diag);
    if (status == CNN_OK)
        status = cnn_blocks_expand(arena, &defined, layers, &expanded, diag);
    if (status != CNN_OK)
        return status;
    if ((*out = find_use(&defined, layers, expanded, name)))
        return CNN_OK;
    search_list(&search, expanded);
    if (search.slot) {
        *layers = *expanded;
        *out = search.slot;
        return CNN_OK;
    }
    char word[80];
    cnn_fail(diag, CNN_INVALID, &name->where, "no layer has the name '%s'",
             cnn_word_cut(name->text, word, sizeof word));
    const char *near = cnn_nearest_word(name->text, search.names, search.count);
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    else
        cnn_hint(diag,
                 "the names are those that `summary` shows; or use the item's number, from 0");
    return CNN_INVALID;
}
