/* A layer of a description by the name that it gets: its own, or its type and its number among the
 * layers of that type, nested lists and repeated blocks spliced in place (graph/graph.c builds
 * them). */
#include "config/yaml_layers.h"

#include <stdio.h>
#include <string.h>

enum { MOST = 4096 }; /* layers that a network may have */

struct walk {
    struct cnn_arena *arena;
    const char *name; /* the one that is looked for */
    struct cnn_yaml **slot;
    const char **names, **types; /* of the layers so far */
    size_t count;
    bool failed; /* out of memory */
};

static bool found_or_over(const struct walk *w)
{
    return w->slot || w->failed || w->count == MOST;
}

static const char *layer_name(struct walk *w, const struct cnn_yaml *layer)
{
    const struct cnn_yaml *name = cnn_yaml_get(layer, "name"), *type = cnn_yaml_get(layer, "type");
    size_t number = 1;
    if (layer->kind == CNN_YAML_SCALAR)
        type = layer;
    const char *word = type && type->kind == CNN_YAML_SCALAR ? type->text : "";
    for (size_t i = 0; i < w->count; i++)
        number += strcmp(w->types[i], word) == 0;
    w->types[w->count] = word;
    return name && name->kind == CNN_YAML_SCALAR
               ? name->text
               : cnn_arena_printf(w->arena, "%s%zu", word, number);
}

/* Whether the layer at slot, the next one, is the one that is looked for. */
static void visit_layer(struct walk *w, struct cnn_yaml **slot)
{
    const char *name = layer_name(w, *slot);
    w->failed = !name;
    if (w->failed)
        return;
    w->names[w->count++] = name;
    if (strcmp(name, w->name) == 0)
        w->slot = slot;
}

static void visit_list(struct walk *w, struct cnn_yaml **slot);

/* A block becomes the list of what it repeats as soon as one of its layers is to be unlike its
 * copies. */
static void visit_block(struct walk *w, struct cnn_yaml **slot)
{
    struct cnn_yaml *body = cnn_yaml_get(*slot, "layers"),
                    *copies = cnn_yaml_new_sequence(w->arena, &(*slot)->where);
    long long times;
    if (!body || !cnn_yaml_as_integer(cnn_yaml_get(*slot, "repeat"), &times) || times > MOST)
        return;
    w->failed = !copies;
    for (long long i = 0; i < times && !w->failed; i++)
        w->failed = !cnn_yaml_append(w->arena, copies, body);
    for (size_t i = 0; !w->failed && i < copies->count && !found_or_over(w); i++) {
        size_t before = w->count;
        visit_list(w, &copies->items[i]);
        if (w->count == before)
            return; /* blocks of nothing in blocks of nothing would take for ever */
    }
    if (w->slot)
        *slot = copies;
}

static void visit_items(struct walk *w, struct cnn_yaml *list)
{
    for (size_t i = 0; i < list->count && !found_or_over(w); i++) {
        if (list->items[i]->kind == CNN_YAML_SEQUENCE)
            visit_list(w, &list->items[i]);
        else if (cnn_yaml_get(list->items[i], "repeat"))
            visit_block(w, &list->items[i]);
        else
            visit_layer(w, &list->items[i]);
    }
}

/* The list is copied where the layer is in it, for aliases may share it. */
static void visit_list(struct walk *w, struct cnn_yaml **slot)
{
    if ((*slot)->kind != CNN_YAML_SEQUENCE)
        return;
    struct cnn_yaml *copy = cnn_yaml_copy(w->arena, *slot);
    w->failed = !copy;
    if (copy)
        visit_items(w, copy);
    if (w->slot)
        *slot = copy;
}

cnn_status cnn_yaml_find_layer(struct cnn_arena *arena, struct cnn_yaml *layers, const char *name,
                               const struct cnn_where *where, struct cnn_yaml ***out,
                               cnn_diag *diag)
{
    struct walk w = {.arena = arena,
                     .name = name,
                     .names = cnn_arena_array(arena, MOST, sizeof *w.names),
                     .types = cnn_arena_array(arena, MOST, sizeof *w.types)};
    if (!w.names || !w.types)
        return cnn_fail_memory(diag, MOST * sizeof *w.names, "a setting");
    visit_items(&w, layers);
    if (w.failed)
        return cnn_fail_memory(diag, MOST * sizeof *w.names, "a setting");
    if (w.slot) {
        *out = w.slot;
        return CNN_OK;
    }
    char word[80];
    cnn_fail(diag, CNN_INVALID, where, "no layer has the name '%s'",
             cnn_word_cut(name, word, sizeof word));
    const char *near = cnn_nearest_word(name, w.names, w.count);
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    else
        cnn_hint(diag,
                 "the names are those that `summary` shows; or use the item's number, from 0");
    return CNN_INVALID;
}
