/* From the YAML list of layers to the graph: splicing, settings, names, connections. */
#include "graph/graph.h"

#include <ctype.h>
#include <string.h>

struct item { /* one layer as the file gives it, spliced */
    struct cnn_yaml *yaml;
    size_t type; /* index into the source's types */
    void *settings;
    const char *name;            /* given name, or NULL */
    const struct cnn_yaml *from; /* or NULL */
    enum cnn_trainable trainable;
    bool read; /* settings are right */
};

struct builder {
    struct cnn_arena *arena;
    cnn_diag *diag;
    const struct cnn_graph_source *source;
    struct cnn_variant *variants; /* of the types */
    struct item *items;
    size_t count;
    struct cnn_graph *graph;
};

static const char *const from_words[] = {"name", "[name, ...]", NULL};
/* in the order of enum cnn_trainable */
static const char *const trainable_words[] = {"true", "false", "bias", NULL};

const struct cnn_key cnn_layer_keys[] = {
    {.name = "name",
     .kind = CNN_KEY_TEXT,
     .otherwise = "",
     .help = "what the layer is called: by default its type, and its number among the layers of "
             "that type"},
    {.name = "from",
     .kind = CNN_KEY_NODE,
     .otherwise = "",
     .choices = from_words,
     .help = "the layer, or layers, that it reads: by default the one above it"},
    {.name = "trainable",
     .kind = CNN_KEY_CHOICE,
     .otherwise = "true",
     .choices = trainable_words,
     .help =
         "false: training leaves it as it is; bias: of its parameters the bias alone is trained"},
    CNN_KEY_END};

struct repeat_settings {
    size_t repeat;
    const struct cnn_yaml *layers;
};

#define FIELD(member) offsetof(struct repeat_settings, member)
static const struct cnn_key repeat_keys[] = {
    {.name = "repeat",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(repeat),
     .min = 1,
     .max = CNN_MAX_LAYERS,
     .help = "how many times"},
    {.name = "layers", .kind = CNN_KEY_NODE, .at = FIELD(layers), .help = "the layers to repeat"},
    CNN_KEY_END};

static cnn_status splice(struct builder *b, struct cnn_yaml *list);

static cnn_status splice_repeat(struct builder *b, struct cnn_yaml *block)
{
    struct repeat_settings repeat = {0};
    cnn_status status = cnn_keys_read(b->arena, repeat_keys, NULL, "a repeated block", block,
                                      &block->where, &repeat, b->diag);
    for (size_t i = 0; status == CNN_OK && i < repeat.repeat; i++) {
        size_t before = b->count;
        status = splice(b, cnn_yaml_get(block, "layers"));
        /* nested blocks without a layer would go round for ever */
        if (status == CNN_OK && b->count == before)
            status = cnn_fail(b->diag, CNN_INVALID, &repeat.layers->where,
                              "a repeated block has no layers to repeat");
    }
    return status;
}

/* Appends the layers of a list, nested lists and repeated blocks spliced in place. */
static cnn_status splice(struct builder *b, struct cnn_yaml *list)
{
    if (list->kind != CNN_YAML_SEQUENCE) {
        char found[64];
        cnn_fail(b->diag, CNN_INVALID, &list->where, "`layers` wants a list of layers; found %s",
                 cnn_yaml_describe(list, found, sizeof found));
        cnn_hint(b->diag, "each layer is an item: '- {type: conv, ...}'");
        return CNN_INVALID;
    }
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < list->count; i++) {
        struct cnn_yaml *entry = list->items[i];
        cnn_status one = CNN_OK;
        if (entry->kind == CNN_YAML_SEQUENCE)
            one = splice(b, entry);
        else if (cnn_yaml_get(entry, "repeat"))
            one = splice_repeat(b, entry);
        else if (b->count == CNN_MAX_LAYERS)
            return cnn_fail(b->diag, CNN_INVALID, &entry->where, "more than %d layers",
                            CNN_MAX_LAYERS);
        else
            b->items[b->count++].yaml = entry;
        if (one != CNN_OK)
            status = one;
        if (b->count == CNN_MAX_LAYERS && status != CNN_OK)
            return status;
    }
    return status;
}

/* What the type that is softmax alone is called; NULL: there is none. */
static const char *softmax_name(const struct builder *b)
{
    for (size_t i = 0; i < b->source->type_count; i++)
        if (b->source->types[i]->activation == CNN_ACT_SOFTMAX)
            return b->source->types[i]->variant.name;
    return NULL;
}

/* A last layer with `activation: softmax` becomes two layers, so that the loss finds the logits
 * between them. */
static cnn_status split_final_softmax(struct builder *b)
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
    b->items[b->count - 1].yaml = without;
    b->items[b->count++].yaml = softmax;
    return CNN_OK;
}

static bool name_is_legal(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return *name != '\0' && strcmp(name, "input") != 0;
}

static cnn_status read_trainable(struct builder *b, struct item *item)
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

/* Settings of one item. A layer that stands several times in the list (an alias, a repeated block)
 * is read, and its mistakes reported, once. */
static cnn_status read_item(struct builder *b, size_t index)
{
    struct item *item = &b->items[index];
    for (size_t i = 0; i < index; i++)
        if (b->items[i].yaml == item->yaml) {
            *item = b->items[i];
            return item->read ? CNN_OK : CNN_INVALID;
        }
    cnn_status status =
        cnn_variant_read(b->arena, b->variants, b->source->type_count, cnn_layer_keys, "layer",
                         item->yaml, &item->type, &item->settings, b->diag);
    if (status != CNN_OK)
        return status;
    struct cnn_yaml *name = cnn_yaml_get(item->yaml, "name");
    item->from = cnn_yaml_get(item->yaml, "from");
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
    item->read = status == CNN_OK;
    return status;
}

static size_t find_name(const struct builder *b, const char *name, size_t before)
{
    for (size_t i = 0; i < before; i++)
        if (b->graph->nodes[i].name && strcmp(b->graph->nodes[i].name, name) == 0)
            return i;
    return before;
}

/* Names all nodes: given, or type and count among layers of that type. */
static cnn_status name_nodes(struct builder *b)
{
    cnn_status status = CNN_OK;
    size_t *counts = cnn_arena_array(b->arena, b->source->type_count, sizeof *counts);
    if (!counts)
        return cnn_fail_memory(b->diag, 0, "the graph");
    for (size_t i = 0; i < b->count; i++) {
        struct item *item = &b->items[i];
        struct cnn_node *node = &b->graph->nodes[i];
        node->type = b->source->types[item->type];
        node->where = item->yaml->where;
        node->settings = item->settings;
        node->trainable = item->trainable;
        size_t number = ++counts[item->type];
        node->name = item->name
                         ? item->name
                         : cnn_arena_printf(b->arena, "%s%zu", node->type->variant.name, number);
        if (!node->name)
            return cnn_fail_memory(b->diag, 0, "the graph");
        size_t same = find_name(b, node->name, i);
        if (same == i)
            continue;
        status =
            cnn_fail(b->diag, CNN_INVALID, &node->where, "a layer '%s' already stands on line %zu",
                     node->name, b->graph->nodes[same].where.line);
        cnn_hint(b->diag, item->name
                              ? "leave `name` out inside a block that is used more than once, or "
                                "give each layer another name"
                              : "it is the default name; give one of the two another `name`");
    }
    return status;
}

static cnn_status fail_from(struct builder *b, size_t index, const struct cnn_yaml *name)
{
    size_t later = find_name(b, name->text, b->count);
    if (later == index)
        return cnn_fail(b->diag, CNN_INVALID, &name->where, "layer '%s' reads itself: a cycle",
                        name->text);
    if (later < b->count) {
        cnn_status status = cnn_fail(
            b->diag, CNN_INVALID, &name->where,
            "layer '%s' reads '%s', which comes later (line %zu): a layer reads layers above it",
            b->graph->nodes[index].name, name->text, b->graph->nodes[later].where.line);
        cnn_hint(b->diag, "move '%s' above it; cycles are not possible", name->text);
        return status;
    }
    const char **names = cnn_arena_array(b->arena, index + 1, sizeof *names);
    for (size_t i = 0; names && i < index; i++)
        names[i] = b->graph->nodes[i].name;
    if (names)
        names[index] = "input";
    const char *near = names ? cnn_nearest_word(name->text, names, index + 1) : NULL;
    cnn_status status = cnn_fail(b->diag, CNN_INVALID, &name->where,
                                 "`from` names '%s', but no layer above has that name", name->text);
    if (near)
        cnn_hint(b->diag, "did you mean '%s'?", near);
    return status;
}

static cnn_status resolve_input(struct builder *b, size_t index, const struct cnn_yaml *name,
                                size_t *value)
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

static cnn_status check_input_count(struct builder *b, const struct cnn_node *node)
{
    const struct cnn_layer_type *type = node->type;
    if (node->input_count >= type->min_inputs &&
        (type->max_inputs == 0 || node->input_count <= type->max_inputs))
        return CNN_OK;
    cnn_status status =
        cnn_fail(b->diag, CNN_INVALID, &node->where, "layer '%s' (%s) reads %s input%s; it has %zu",
                 node->name, type->variant.name,
                 type->max_inputs == 1   ? "one"
                 : type->min_inputs == 1 ? "at least one"
                                         : "at least two",
                 type->min_inputs == 1 ? "" : "s", node->input_count);
    cnn_hint(b->diag, type->max_inputs == 1 ? "join several with add or concat first"
                                            : "name them: from: [a, b]");
    return status;
}

/* Fills in inputs of every node from `from`, by default the layer above. */
static cnn_status connect_nodes(struct builder *b)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < b->count; i++) {
        const struct cnn_yaml *from = b->items[i].from;
        struct cnn_node *node = &b->graph->nodes[i];
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
static struct cnn_yaml *resolve_item(struct builder *b, size_t index)
{
    const struct item *item = &b->items[index];
    const struct cnn_node *node = &b->graph->nodes[index];
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

static cnn_status resolve_layers(struct builder *b)
{
    struct cnn_yaml *list = cnn_yaml_new_sequence(b->arena, NULL);
    for (size_t i = 0; list && i < b->count; i++) {
        struct cnn_yaml *item = resolve_item(b, i);
        if (!item || !cnn_yaml_append(b->arena, list, item))
            list = NULL;
    }
    b->graph->resolved_layers = list;
    return list ? CNN_OK : cnn_fail_memory(b->diag, 0, "the description");
}

/* Layers whose output nobody reads are legal, but surely not meant. */
static void warn_dead_ends(struct builder *b)
{
    const struct cnn_graph *graph = b->graph;
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

static cnn_status read_input_shape(const struct cnn_yaml *input, struct cnn_arena *arena,
                                   cnn_shape *out, cnn_diag *diag)
{
    static const struct cnn_key keys[] = {{.name = "channels",
                                           .kind = CNN_KEY_SIZE,
                                           .at = offsetof(cnn_shape, c),
                                           .min = 1,
                                           .max = 65535,
                                           .help = "channels of the input: 1 grey, 3 colour"},
                                          {.name = "height",
                                           .kind = CNN_KEY_SIZE,
                                           .at = offsetof(cnn_shape, h),
                                           .min = 1,
                                           .max = 65535,
                                           .help = "rows"},
                                          {.name = "width",
                                           .kind = CNN_KEY_SIZE,
                                           .at = offsetof(cnn_shape, w),
                                           .min = 1,
                                           .max = 65535,
                                           .help = "columns"},
                                          CNN_KEY_END};
    cnn_shape shape = {3, 0, 0, 0};
    cnn_status status = CNN_OK;
    if (input->kind == CNN_YAML_SEQUENCE) {
        struct cnn_yaml *named =
            input->count == 3 ? cnn_yaml_new_mapping(arena, &input->where) : NULL;
        for (size_t i = 0; named && i < 3; i++)
            if (!cnn_yaml_put(arena, named, keys[i].name, input->items[i]))
                return cnn_fail_memory(diag, sizeof *named, "the input");
        status = named
                     ? cnn_keys_read(arena, keys, NULL, "input", named, &input->where, &shape, diag)
                     : cnn_fail(diag, CNN_INVALID, &input->where,
                                "`input` wants [channels, height, width]; found a list of %zu",
                                input->count);
    } else if (input->kind == CNN_YAML_MAPPING) {
        status = cnn_keys_read(arena, keys, NULL, "input", input, &input->where, &shape, diag);
    } else {
        char found[64];
        status = cnn_fail(diag, CNN_INVALID, &input->where,
                          "`input` wants [channels, height, width]; found %s",
                          cnn_yaml_describe(input, found, sizeof found));
        cnn_hint(diag, "for example: input: [3, 32, 32]");
    }
    if (status == CNN_OK && shape.c * shape.h * shape.w > CNN_MAX_VALUE)
        status = cnn_fail(diag, CNN_INVALID, &input->where,
                          "an input of %zu x %zu x %zu is more than 2^31 numbers", shape.c, shape.h,
                          shape.w);
    *out = shape;
    return status;
}

static cnn_status prepare_builder(struct builder *b)
{
    b->variants = cnn_arena_array(b->arena, b->source->type_count, sizeof *b->variants);
    b->items = cnn_arena_array(b->arena, CNN_MAX_LAYERS, sizeof *b->items);
    if (!b->variants || !b->items)
        return cnn_fail_memory(b->diag, CNN_MAX_LAYERS * sizeof *b->items, "the graph");
    for (size_t i = 0; i < b->source->type_count; i++)
        b->variants[i] = b->source->types[i]->variant;
    return CNN_OK;
}

cnn_status cnn_graph_build(struct cnn_arena *arena, const struct cnn_graph_source *source,
                           struct cnn_graph *out, cnn_diag *diag)
{
    struct cnn_graph graph = {0};
    struct builder b = {.arena = arena, .diag = diag, .source = source, .graph = &graph};
    cnn_status status = prepare_builder(&b), read;
    if (status != CNN_OK)
        return status;
    status = read_input_shape(source->input, arena, &graph.input, diag);
    if (status == CNN_OK)
        out->input = graph.input;
    read = splice(&b, (struct cnn_yaml *)(uintptr_t)source->layers);
    if (read == CNN_OK && b.count == 0)
        read = cnn_fail(diag, CNN_INVALID, &source->layers->where,
                        "`layers` is empty: a network has at least one layer");
    if (read == CNN_OK)
        read = split_final_softmax(&b);
    for (size_t i = 0; i < b.count; i++)
        if (read_item(&b, i) != CNN_OK)
            read = CNN_INVALID;
    if (status == CNN_OK)
        status = read;
    if (status != CNN_OK)
        return status;
    graph.count = b.count;
    graph.nodes = cnn_arena_array(arena, b.count, sizeof *graph.nodes);
    if (!graph.nodes)
        return cnn_fail_memory(diag, b.count * sizeof *graph.nodes, "the graph");
    for (size_t i = 0; i < b.count; i++)
        graph.nodes[i].precision = source->precision;
    status = name_nodes(&b);
    /* in spite of a name that stands twice: more mistakes are found in one run */
    cnn_status connected = connect_nodes(&b);
    if (status == CNN_OK)
        status = connected;
    if (status == CNN_OK)
        status = cnn_graph_infer(arena, &graph, diag);
    if (status == CNN_OK && !cnn_graph_mark_unseen(arena, &graph))
        status = cnn_fail_memory(diag, 0, "the graph");
    if (status == CNN_OK)
        status = resolve_layers(&b);
    if (status != CNN_OK)
        return status;
    warn_dead_ends(&b);
    const struct cnn_node *last = &graph.nodes[graph.count - 1];
    graph.logits = last->type->activation == CNN_ACT_SOFTMAX ? last->inputs[0] : graph.count;
    *out = graph;
    return CNN_OK;
}
