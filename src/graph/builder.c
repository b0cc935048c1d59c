/* Building a graph layer by layer: settings, names, connections, shapes. */
#include "graph/builder.h"

#include <ctype.h>
#include <string.h>

struct item { /* one layer as it was given */
    struct cnn_yaml *yaml;
    size_t type; /* index into the setup's types */
    void *settings;
    const char *name;            /* given, or the type and its number */
    bool named;                  /* it was given; else it is the default */
    const struct cnn_yaml *from; /* or NULL */
    enum cnn_trainable trainable;
};

struct cnn_graph_builder {
    struct cnn_arena *arena;
    cnn_diag *diag;
    struct cnn_graph_setup setup;
    struct cnn_kind kind; /* the types */
    size_t *numbers;      /* layers of each type so far */
    struct item *items;
    size_t count;
    cnn_status status; /* of the layers so far */
    struct cnn_graph graph;
};

static const char *const if_words[] = {"true", "false", "number", NULL};
static const char *const branches_words[] = {"[[layer, ...], ...]", NULL};
static const char *const from_words[] = {"name", "[name, ...]", NULL};
/* in the order of enum cnn_trainable */
static const char *const trainable_words[] = {"true", "false", "bias", NULL};

const struct cnn_key cnn_layer_keys[] = {
    {.name = "name",
     .kind = CNN_KEY_TEXT,
     .otherwise = "",
     .help = "name of the layer: by default its type and its number among the layers of that type"},
    {.name = "from",
     .kind = CNN_KEY_NODE,
     .otherwise = "",
     .choices = from_words,
     .help = "the layer or layers that it reads: by default the one above it"},
    {.name = "trainable",
     .kind = CNN_KEY_CHOICE,
     .otherwise = "true",
     .choices = trainable_words,
     .help = "false: training does not change the layer; bias: only its bias is trained"},
    {.name = "branches",
     .kind = CNN_KEY_NODE,
     .otherwise = "",
     .choices = branches_words,
     .help = "instead of `from`: lists of layers, each of which starts at the layer above; the "
             "layer reads their outputs; [] is the layer above itself"},
    {.name = "repeat",
     .kind = CNN_KEY_SIZE,
     .otherwise = "1",
     .min = 1,
     .max = CNN_YAML_MAX_LAYERS,
     .help = "number of copies of the layer, each reading the one before it"},
    {.name = "if",
     .kind = CNN_KEY_NODE,
     .otherwise = "true",
     .choices = if_words,
     .help = "false or 0: leave the layer out; for parameters of blocks"},
    CNN_KEY_END};

/* What the type that is softmax alone is called; NULL: there is none. */
static const char *softmax_name(const struct cnn_graph_builder *b)
{
    for (size_t i = 0; i < b->setup.type_count; i++)
        if (b->setup.types[i]->activation == CNN_ACT_SOFTMAX)
            return b->setup.types[i]->variant.name;
    return NULL;
}

static bool name_is_legal(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return *name != '\0' && strcmp(name, "input") != 0;
}

static cnn_status read_trainable(struct cnn_graph_builder *b, struct item *item)
{
    const struct cnn_yaml *node = cnn_yaml_get(item->yaml, "trainable");
    if (!node)
        return CNN_OK;
    for (size_t i = 0; node->kind == CNN_YAML_SCALAR && trainable_words[i]; i++)
        if (strcmp(node->text, trainable_words[i]) == 0) {
            item->trainable = (enum cnn_trainable)i;
            return CNN_OK;
        }
    char found[64];
    return cnn_fail(b->diag, CNN_INVALID, &node->where,
                    "`trainable` wants true, false or bias; found %s",
                    cnn_yaml_describe(node, found, sizeof found));
}

/* Settings of the newest item. */
static cnn_status read_item(struct cnn_graph_builder *b, struct item *item)
{
    const struct cnn_variant *chosen;
    cnn_status status =
        cnn_kind_read(b->arena, &b->kind, item->yaml, &chosen, &item->settings, b->diag);
    if (status != CNN_OK)
        return status;
    while (b->kind.variants[item->type] != chosen)
        item->type++;
    struct cnn_yaml *name = cnn_yaml_get(item->yaml, "name");
    item->from = cnn_yaml_get(item->yaml, "from");
    item->named = name && name->where.source;
    if (name && (name->kind != CNN_YAML_SCALAR || !name_is_legal(name->text))) {
        char found[64];
        status = cnn_fail(
            b->diag, CNN_INVALID, &name->where,
            "a layer's name is made of letters, digits, _ and -, and is not `input`; found %s",
            cnn_yaml_describe(name, found, sizeof found));
    } else if (name) {
        item->name = name->text;
    }
    if (read_trainable(b, item) != CNN_OK)
        status = CNN_INVALID;
    return status;
}

cnn_status cnn_graph_add_yaml(struct cnn_graph_builder *b, struct cnn_yaml *layer)
{
    if (b->count == CNN_MAX_LAYERS)
        return b->status = cnn_fail(b->diag, CNN_INVALID, &layer->where, "more than %d layers",
                                    CNN_MAX_LAYERS);
    struct item *item = &b->items[b->count++];
    item->yaml = layer;
    cnn_status status = read_item(b, item);
    if (status != CNN_OK)
        return b->status = status;
    size_t number = ++b->numbers[item->type];
    if (!item->name)
        item->name =
            cnn_arena_printf(b->arena, "%s%zu", b->kind.variants[item->type]->name, number);
    return item->name ? CNN_OK : (b->status = cnn_fail_memory(b->diag, 0, "the graph"));
}

/* `from` of a layer that is added by a call: the names of what it reads. NULL: the layer above, or
 * a mistake, or out of memory. */
static struct cnn_yaml *name_inputs(struct cnn_graph_builder *b,
                                    const struct cnn_graph_layer *layer)
{
    struct cnn_yaml *list = cnn_yaml_new_sequence(b->arena, layer->where);
    bool ok = list;
    for (size_t i = 0; ok && i < layer->input_count; i++) {
        size_t value = layer->inputs[i];
        const char *name = value ? b->items[value - 1].name : "input";
        struct cnn_yaml *word =
            name ? cnn_yaml_new_scalar(b->arena, name, false, layer->where) : NULL;
        ok = word && cnn_yaml_append(b->arena, list, word);
    }
    return !ok ? NULL : layer->input_count == 1 ? list->items[0] : list;
}

/* Adds the value of one key to a layer's mapping. */
static cnn_status put_setting(struct cnn_graph_builder *b, struct cnn_yaml *mapping,
                              const struct cnn_graph_setting *setting)
{
    struct cnn_yaml *value = NULL;
    cnn_status status = cnn_yaml_parse(b->arena, setting->key, setting->value,
                                       strlen(setting->value), &value, b->diag);
    if (status != CNN_OK || cnn_yaml_put(b->arena, mapping, setting->key, value))
        return status;
    return cnn_fail_memory(b->diag, 0, "the graph");
}

static cnn_status check_inputs(struct cnn_graph_builder *b, const struct cnn_graph_layer *layer)
{
    for (size_t i = 0; i < layer->input_count; i++)
        if (layer->inputs[i] > b->count)
            return cnn_fail(b->diag, CNN_INVALID, layer->where,
                            "layer %zu (%s) reads value %zu; the layers above it make %zu",
                            b->count + 1, layer->type, layer->inputs[i], b->count);
    return CNN_OK;
}

/* The mapping that a description would have for the layer. */
static cnn_status describe_layer(struct cnn_graph_builder *b, const struct cnn_graph_layer *layer,
                                 struct cnn_yaml **out)
{
    struct cnn_yaml *mapping = cnn_yaml_new_mapping(b->arena, layer->where);
    struct cnn_yaml *type = cnn_yaml_new_scalar(b->arena, layer->type, false, layer->where);
    bool above = !layer->inputs || (layer->input_count == 1 && layer->inputs[0] == b->count);
    cnn_status status = above ? CNN_OK : check_inputs(b, layer);
    if (status != CNN_OK)
        return status;
    bool ok = mapping && type && cnn_yaml_put(b->arena, mapping, "type", type);
    if (ok && layer->name) {
        struct cnn_yaml *name = cnn_yaml_new_scalar(b->arena, layer->name, false, layer->where);
        ok = name && cnn_yaml_put(b->arena, mapping, "name", name);
    }
    if (ok && !above) {
        struct cnn_yaml *from = name_inputs(b, layer);
        ok = from && cnn_yaml_put(b->arena, mapping, "from", from);
    }
    if (!ok)
        return cnn_fail_memory(b->diag, 0, "the graph");
    for (const struct cnn_graph_setting *s = layer->settings; s && s->key; s++) {
        cnn_status one = put_setting(b, mapping, s);
        status = one != CNN_OK ? one : status;
    }
    *out = mapping;
    return status;
}

cnn_status cnn_graph_add(struct cnn_graph_builder *b, const struct cnn_graph_layer *layer,
                         size_t *value)
{
    struct cnn_yaml *mapping = NULL;
    cnn_status status = describe_layer(b, layer, &mapping);
    if (status != CNN_OK)
        return b->status = status;
    status = cnn_graph_add_yaml(b, mapping);
    if (value)
        *value = b->count;
    return status;
}

static size_t find_name(const struct cnn_graph_builder *b, const char *name, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (b->graph.nodes[i].name && strcmp(b->graph.nodes[i].name, name) == 0)
            return i;
    return before;
}

/* The nodes of the items, which must have different names. */
static cnn_status name_nodes(struct cnn_graph_builder *b)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < b->count; i++) {
        const struct item *item = &b->items[i];
        struct cnn_node *node = &b->graph.nodes[i];
        *node = (struct cnn_node){.type = b->setup.types[item->type],
                                  .name = item->name,
                                  .where = item->yaml->where,
                                  .settings = item->settings,
                                  .precision = b->setup.precision,
                                  .direct = b->setup.direct,
                                  .trainable = item->trainable};
        size_t same = find_name(b, node->name, i);
        if (same == i)
            continue;
        size_t line = b->graph.nodes[same].where.line;
        status = line ? cnn_fail(b->diag, CNN_INVALID, &node->where,
                                 "a layer '%s' already stands on line %zu", node->name, line)
                      : cnn_fail(b->diag, CNN_INVALID, &node->where,
                                 "there is a layer '%s' already", node->name);
        cnn_hint(b->diag,
                 item->named ? "leave `name` out of a list that is used more than once, or make it "
                               "one of `blocks`, which name their layers anew in each use"
                             : "it is the default name; give one of the two another `name`");
    }
    return status;
}

static cnn_status fail_from(struct cnn_graph_builder *b, size_t index, const struct cnn_yaml *name)
{
    size_t later = find_name(b, name->text, b->count);
    if (later == index)
        return cnn_fail(b->diag, CNN_INVALID, &name->where, "layer '%s' reads itself: a cycle",
                        name->text);
    if (later < b->count) {
        cnn_status status = cnn_fail(
            b->diag, CNN_INVALID, &name->where,
            "layer '%s' reads '%s', which comes later (line %zu): a layer reads layers above it",
            b->graph.nodes[index].name, name->text, b->graph.nodes[later].where.line);
        cnn_hint(b->diag, "move '%s' above it; cycles are not possible", name->text);
        return status;
    }
    const char **names = cnn_arena_array(b->arena, index + 1, sizeof *names);
    for (size_t i = 0; names && i < index; i++)
        names[i] = b->graph.nodes[i].name;
    if (names)
        names[index] = "input";
    const char *near = names ? cnn_nearest_word(name->text, names, index + 1) : NULL;
    cnn_status status = cnn_fail(b->diag, CNN_INVALID, &name->where,
                                 "`from` names '%s', but no layer above has that name", name->text);
    if (near)
        cnn_hint(b->diag, "did you mean '%s'?", near);
    return status;
}

static cnn_status resolve_input(struct cnn_graph_builder *b, size_t index,
                                const struct cnn_yaml *name, size_t *value)
{
    if (name->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(name)) {
        char found[64];
        return cnn_fail(b->diag, CNN_INVALID, &name->where,
                        "`from` wants a layer's name or a list of names; found %s",
                        cnn_yaml_describe(name, found, sizeof found));
    }
    if (strcmp(name->text, "input") == 0) {
        *value = 0;
        return CNN_OK;
    }
    size_t found = find_name(b, name->text, index);
    if (found == index)
        return fail_from(b, index, name);
    *value = found + 1;
    return CNN_OK;
}

static cnn_status check_input_count(struct cnn_graph_builder *b, const struct cnn_node *node)
{
    const struct cnn_layer_type *type = node->type;
    if (node->input_count >= type->min_inputs &&
        (type->max_inputs == 0 || node->input_count <= type->max_inputs))
        return CNN_OK;
    cnn_status status =
        cnn_fail(b->diag, CNN_INVALID, &node->where, "layer '%s' (%s) reads %s input%s; it has %zu",
                 node->name, type->variant.name,
                 type->max_inputs == 1   ? "one"
                 : type->max_inputs == 2 ? "two"
                 : type->min_inputs == 1 ? "at least one"
                                         : "at least two",
                 type->min_inputs == 1 ? "" : "s", node->input_count);
    cnn_hint(b->diag, type->max_inputs == 1 ? "join several with add or concat first"
                                            : "name them: from: [a, b]");
    return status;
}

/* Fills in inputs of every node from `from`, by default the layer above. */
static cnn_status connect_nodes(struct cnn_graph_builder *b)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < b->count; i++) {
        const struct cnn_yaml *from = b->items[i].from;
        struct cnn_node *node = &b->graph.nodes[i];
        bool list = from && from->kind == CNN_YAML_SEQUENCE;
        size_t count = list ? from->count : 1,
               *inputs = cnn_arena_array(b->arena, count + 1, sizeof *inputs);
        if (!inputs)
            return cnn_fail_memory(b->diag, 0, "the graph");
        cnn_status one = CNN_OK;
        if (!from)
            inputs[0] = i;
        for (size_t k = 0; from && k < count && one == CNN_OK; k++)
            one = resolve_input(b, i, list ? from->items[k] : from, &inputs[k]);
        node->inputs = inputs;
        node->input_count = count;
        if (one == CNN_OK)
            one = check_input_count(b, node);
        if (one != CNN_OK)
            status = one;
    }
    return status;
}

/* {type, name, from, trainable} and every key of the layer, defaults included. */
static struct cnn_yaml *resolve_item(struct cnn_graph_builder *b, size_t index)
{
    const struct item *item = &b->items[index];
    const struct cnn_node *node = &b->graph.nodes[index];
    struct cnn_yaml *out = cnn_yaml_new_mapping(b->arena, NULL);
    struct cnn_yaml *keys =
        cnn_keys_resolve(b->arena, node->type->variant.keys,
                         item->yaml->kind == CNN_YAML_MAPPING ? item->yaml : NULL);
    struct cnn_yaml *type = cnn_yaml_new_scalar(b->arena, node->type->variant.name, false, NULL);
    struct cnn_yaml *name = cnn_yaml_new_scalar(b->arena, node->name, false, NULL);
    bool ok = out && keys && type && name && cnn_yaml_put(b->arena, out, "type", type) &&
              cnn_yaml_put(b->arena, out, "name", name);
    if (ok && item->from)
        ok = cnn_yaml_put(b->arena, out, "from", (struct cnn_yaml *)(uintptr_t)item->from);
    if (ok && item->trainable != CNN_TRAINABLE)
        ok = cnn_yaml_put(b->arena, out, "trainable", cnn_yaml_get(item->yaml, "trainable"));
    for (size_t i = 0; ok && i < keys->count; i++)
        ok = cnn_yaml_put(b->arena, out, keys->pairs[i].key->text, keys->pairs[i].value);
    return ok ? out : NULL;
}

static cnn_status resolve_layers(struct cnn_graph_builder *b)
{
    struct cnn_yaml *list = cnn_yaml_new_sequence(b->arena, NULL);
    for (size_t i = 0; list && i < b->count; i++) {
        struct cnn_yaml *item = resolve_item(b, i);
        if (!item || !cnn_yaml_append(b->arena, list, item))
            list = NULL;
    }
    b->graph.resolved_layers = list;
    return list ? CNN_OK : cnn_fail_memory(b->diag, 0, "the description");
}

/* Layers whose output nobody reads are legal, but surely not meant. */
static void warn_dead_ends(struct cnn_graph_builder *b)
{
    const struct cnn_graph *graph = &b->graph;
    for (size_t v = 1; v < graph->count; v++) {
        bool read = false;
        for (size_t i = v; i < graph->count && !read; i++)
            for (size_t k = 0; k < graph->nodes[i].input_count; k++)
                read = read || graph->nodes[i].inputs[k] == v;
        if (!read)
            cnn_warn(b->diag, &graph->nodes[v - 1].where,
                     "no layer reads '%s': it has no part in the answer", graph->nodes[v - 1].name);
    }
}

/* A last layer with `activation: softmax` becomes two layers, so that the loss finds the logits
 * between them. */
static cnn_status split_final_softmax(struct cnn_graph_builder *b)
{
    const char *name = softmax_name(b);
    struct cnn_yaml *last = b->items[b->count - 1].yaml,
                    *activation = cnn_yaml_get(last, "activation");
    if (!name || !activation || activation->kind != CNN_YAML_SCALAR ||
        strcmp(activation->text, name) != 0 || b->count == CNN_MAX_LAYERS)
        return CNN_OK;
    struct cnn_yaml *without = cnn_yaml_new_mapping(b->arena, &last->where);
    struct cnn_yaml *softmax = cnn_yaml_new_scalar(b->arena, name, false, &activation->where);
    bool ok = without && softmax;
    for (size_t i = 0; ok && i < last->count; i++)
        if (last->pairs[i].value != activation)
            ok = cnn_yaml_put(b->arena, without, last->pairs[i].key->text, last->pairs[i].value);
    if (!ok)
        return cnn_fail_memory(b->diag, sizeof *last, "the description");
    struct item *item = &b->items[b->count - 1];
    item->yaml = without;
    cnn_status status = read_item(b, item);
    return status == CNN_OK ? cnn_graph_add_yaml(b, softmax) : status;
}

cnn_status cnn_graph_begin(struct cnn_arena *arena, const struct cnn_graph_setup *setup,
                           struct cnn_graph_builder **out, cnn_diag *diag)
{
    struct cnn_graph_builder *b = cnn_arena_alloc(arena, sizeof *b);
    const struct cnn_variant **variants =
        cnn_arena_array(arena, setup->type_count, sizeof *variants);
    if (!b || !variants)
        return cnn_fail_memory(diag, sizeof *b, "the graph");
    for (size_t i = 0; i < setup->type_count; i++)
        variants[i] = &setup->types[i]->variant;
    *b = (struct cnn_graph_builder){
        .arena = arena,
        .diag = diag,
        .setup = *setup,
        .kind = {.what = "layer",
                 .variants = variants,
                 .count = setup->type_count,
                 .also = cnn_layer_keys,
                 .words = setup->blocks},
        .numbers = cnn_arena_array(arena, setup->type_count, sizeof *b->numbers),
        .items = cnn_arena_array(arena, CNN_MAX_LAYERS, sizeof *b->items),
        .graph.input = setup->input,
    };
    if (!b->numbers || !b->items)
        return cnn_fail_memory(diag, CNN_MAX_LAYERS * sizeof *b->items, "the graph");
    *out = b;
    return CNN_OK;
}

/* Nodes with names, inputs and shapes. */
static cnn_status make_nodes(struct cnn_graph_builder *b)
{
    struct cnn_graph *graph = &b->graph;
    graph->count = b->count;
    graph->nodes = cnn_arena_array(b->arena, b->count, sizeof *graph->nodes);
    if (!graph->nodes)
        return cnn_fail_memory(b->diag, b->count * sizeof *graph->nodes, "the graph");
    cnn_status status = name_nodes(b);
    /* in spite of a name that stands twice: more mistakes are found in one run */
    cnn_status connected = connect_nodes(b);
    if (status == CNN_OK)
        status = connected;
    return status == CNN_OK ? cnn_graph_infer(b->arena, graph, b->diag) : status;
}

cnn_status cnn_graph_finish(struct cnn_graph_builder *b, struct cnn_graph *out)
{
    struct cnn_graph *graph = &b->graph;
    cnn_status status = b->status;
    if (status == CNN_OK && b->count == 0)
        status = cnn_fail(b->diag, CNN_INVALID, NULL, "a network has at least one layer");
    if (status == CNN_OK)
        status = split_final_softmax(b);
    if (status == CNN_OK)
        status = make_nodes(b);
    if (status == CNN_OK && !cnn_graph_mark_unseen(b->arena, graph))
        status = cnn_fail_memory(b->diag, 0, "the graph");
    if (status == CNN_OK)
        status = resolve_layers(b);
    if (status != CNN_OK)
        return status;
    warn_dead_ends(b);
    const struct cnn_node *last = &graph->nodes[graph->count - 1];
    graph->logits = last->type->activation == CNN_ACT_SOFTMAX ? last->inputs[0] : graph->count;
    *out = *graph;
    return CNN_OK;
}
