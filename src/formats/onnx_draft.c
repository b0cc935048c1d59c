/* ONNX graphs that are made in memory. */
#include "formats/onnx_draft.h"

#include <string.h>

#define OPSET 17

/* Room for one more of count things; a copy where there is none, which the arena keeps. */
static void *grow(struct cnn_onnx_draft *draft, const void *items, size_t count, size_t *room,
                  size_t size)
{
    if (count < *room)
        return (void *)(uintptr_t)items;
    size_t more = *room > 0 ? 2 * *room : 16;
    void *larger = cnn_arena_array(draft->arena, more, size);
    if (!larger) {
        draft->failed = true;
        return NULL;
    }
    if (count > 0)
        memcpy(larger, items, count * size);
    *room = more;
    return larger;
}

/* ---- Tensors ---- */

static struct cnn_onnx_tensor *add_tensor(struct cnn_onnx_draft *draft, const char *layer,
                                          const char *suffix, struct cnn_onnx_dims dims)
{
    struct cnn_onnx_tensor *all = grow(draft, draft->tensors, draft->tensor_count,
                                       &draft->tensor_room, sizeof *draft->tensors);
    int64_t *sizes = cnn_arena_array(draft->arena, 4, sizeof *sizes);
    char *name = cnn_arena_printf(draft->arena, "%s.%s", layer, suffix);
    if (!all || !sizes || !name) {
        draft->failed = true;
        return NULL;
    }
    memcpy(sizes, dims.dims, sizeof dims.dims);
    draft->tensors = all;
    all[draft->tensor_count] = (struct cnn_onnx_tensor){
        .dims = {sizes, dims.rank}, .data_type = CNN_ONNX_FLOAT, .name = name};
    return &all[draft->tensor_count++];
}

const char *cnn_onnx_draft_bytes(struct cnn_onnx_draft *draft, const char *layer,
                                 const char *suffix, struct cnn_onnx_dims dims,
                                 struct cnn_protobuf_bytes bytes)
{
    struct cnn_onnx_tensor *tensor = add_tensor(draft, layer, suffix, dims);
    if (!tensor)
        return NULL;
    tensor->raw_data = bytes;
    return tensor->name;
}

void cnn_onnx_draft_type(struct cnn_onnx_draft *draft, enum cnn_onnx_type type)
{
    if (draft->tensor_count > 0)
        draft->tensors[draft->tensor_count - 1].data_type = type;
}

static const void *copy(struct cnn_onnx_draft *draft, const void *values, size_t count, size_t size)
{
    void *own = cnn_arena_array(draft->arena, count + 1, size);
    if (!own)
        draft->failed = true;
    else if (count > 0)
        memcpy(own, values, count * size);
    return own;
}

const char *cnn_onnx_draft_floats(struct cnn_onnx_draft *draft, const char *layer,
                                  const char *suffix, struct cnn_onnx_dims dims,
                                  const float *values)
{
    size_t count = 1;
    struct cnn_onnx_tensor *tensor = add_tensor(draft, layer, suffix, dims);
    for (size_t i = 0; i < dims.rank; i++)
        count *= (size_t)dims.dims[i];
    if (!tensor)
        return NULL;
    tensor->float_data =
        (struct cnn_protobuf_list){copy(draft, values, count, sizeof *values), count};
    return tensor->name;
}

const char *cnn_onnx_draft_integers(struct cnn_onnx_draft *draft, const char *layer,
                                    const char *suffix, const int64_t *values, size_t count)
{
    struct cnn_onnx_tensor *tensor =
        add_tensor(draft, layer, suffix, (struct cnn_onnx_dims){1, {(int64_t)count}});
    if (!tensor)
        return NULL;
    tensor->data_type = CNN_ONNX_INT64;
    tensor->int64_data =
        (struct cnn_protobuf_list){copy(draft, values, count, sizeof *values), count};
    return tensor->name;
}

/* ---- Nodes ---- */

#define MOST_ATTRIBUTES 8

void cnn_onnx_draft_node(struct cnn_onnx_draft *draft, const char *op_type, const char *name)
{
    struct cnn_onnx_node *all =
        grow(draft, draft->nodes, draft->node_count, &draft->node_room, sizeof *draft->nodes);
    void *attributes =
        cnn_arena_array(draft->arena, MOST_ATTRIBUTES, sizeof(struct cnn_onnx_attribute));
    if (!all || !attributes) {
        draft->failed = true;
        return;
    }
    draft->nodes = all;
    all[draft->node_count++] =
        (struct cnn_onnx_node){.name = name, .op_type = op_type, .attributes = {attributes, 0}};
}

/* NULL where memory was wanting. */
static struct cnn_onnx_node *newest(struct cnn_onnx_draft *draft)
{
    return draft->failed || draft->node_count == 0 ? NULL : &draft->nodes[draft->node_count - 1];
}

static void add_name(struct cnn_onnx_draft *draft, struct cnn_protobuf_list *list, const char *name)
{
    const char **names = cnn_arena_array(draft->arena, list->count + 1, sizeof *names);
    if (!names) {
        draft->failed = true;
        return;
    }
    if (list->count > 0)
        memcpy(names, list->items, list->count * sizeof *names);
    names[list->count] = name;
    *list = (struct cnn_protobuf_list){names, list->count + 1};
}

void cnn_onnx_draft_input(struct cnn_onnx_draft *draft, const char *value)
{
    struct cnn_onnx_node *node = newest(draft);
    if (node)
        add_name(draft, &node->inputs, value ? value : "");
}

const char *cnn_onnx_draft_output(struct cnn_onnx_draft *draft)
{
    struct cnn_onnx_node *node = newest(draft);
    char *name = node ? cnn_arena_printf(draft->arena, "%s#%zu.%zu", node->name, draft->node_count,
                                         node->outputs.count)
                      : NULL;
    if (!name) {
        draft->failed = true;
        return NULL;
    }
    add_name(draft, &node->outputs, name);
    return name;
}

void cnn_onnx_draft_rename(struct cnn_onnx_draft *draft, const char *name, const char *output)
{
    struct cnn_onnx_node *node = newest(draft);
    if (!node)
        return;
    node->name = name;
    node->outputs.count = 0;
    add_name(draft, &node->outputs, output);
}

static struct cnn_onnx_attribute *add_attribute(struct cnn_onnx_draft *draft, const char *name,
                                                int64_t type)
{
    struct cnn_onnx_node *node = newest(draft);
    if (!node)
        return NULL;
    struct cnn_onnx_attribute *all = (void *)(uintptr_t)node->attributes.items;
    struct cnn_onnx_attribute *attribute = &all[node->attributes.count++];
    *attribute = (struct cnn_onnx_attribute){.name = name, .type = type};
    return attribute;
}

void cnn_onnx_draft_int(struct cnn_onnx_draft *draft, const char *name, int64_t value)
{
    struct cnn_onnx_attribute *attribute = add_attribute(draft, name, 2);
    if (attribute)
        attribute->i = value;
}

void cnn_onnx_draft_ints(struct cnn_onnx_draft *draft, const char *name, const int64_t *values,
                         size_t count)
{
    struct cnn_onnx_attribute *attribute = add_attribute(draft, name, 7);
    if (attribute)
        attribute->ints =
            (struct cnn_protobuf_list){copy(draft, values, count, sizeof *values), count};
}

void cnn_onnx_draft_float(struct cnn_onnx_draft *draft, const char *name, double value)
{
    struct cnn_onnx_attribute *attribute = add_attribute(draft, name, 1);
    if (attribute)
        attribute->f = (float)value;
}

void cnn_onnx_draft_word(struct cnn_onnx_draft *draft, const char *name, const char *value)
{
    struct cnn_onnx_attribute *attribute = add_attribute(draft, name, 3);
    if (attribute)
        attribute->s = (struct cnn_protobuf_bytes){(const unsigned char *)value, strlen(value)};
}

const char *cnn_onnx_draft_unary(struct cnn_onnx_draft *draft, const char *op_type,
                                 const char *name, const char *value)
{
    cnn_onnx_draft_node(draft, op_type, name);
    cnn_onnx_draft_input(draft, value);
    return cnn_onnx_draft_output(draft);
}

const char *cnn_onnx_draft_binary(struct cnn_onnx_draft *draft, const char *op_type,
                                  const char *name, const char *a, const char *b)
{
    cnn_onnx_draft_node(draft, op_type, name);
    cnn_onnx_draft_input(draft, a);
    cnn_onnx_draft_input(draft, b);
    return cnn_onnx_draft_output(draft);
}

/* ---- The graph ---- */

static struct cnn_onnx_value_message *describe_input(struct cnn_arena *arena,
                                                     const struct cnn_onnx_ends *ends)
{
    struct cnn_onnx_value_message *input = cnn_arena_alloc(arena, sizeof *input);
    struct cnn_onnx_type_message *type = cnn_arena_alloc(arena, sizeof *type);
    struct cnn_onnx_tensor_type_message *tensor = cnn_arena_alloc(arena, sizeof *tensor);
    struct cnn_onnx_shape_message *shape = cnn_arena_alloc(arena, sizeof *shape);
    struct cnn_onnx_dimension *dims = cnn_arena_array(arena, 4, sizeof *dims);
    if (!input || !type || !tensor || !shape || !dims)
        return NULL;
    dims[1].value = (int64_t)ends->shape.c;
    dims[2].value = (int64_t)ends->shape.h;
    dims[3].value = (int64_t)ends->shape.w;
    shape->dims = (struct cnn_protobuf_list){dims, 4};
    *tensor = (struct cnn_onnx_tensor_type_message){.type = CNN_ONNX_FLOAT, .shape = shape};
    type->tensor = tensor;
    *input = (struct cnn_onnx_value_message){.name = ends->input, .type = type};
    return input;
}

static struct cnn_onnx_value_message *describe_outputs(struct cnn_arena *arena,
                                                       const struct cnn_onnx_ends *ends)
{
    struct cnn_onnx_value_message *outputs =
        cnn_arena_array(arena, ends->output_count + 1, sizeof *outputs);
    for (size_t i = 0; outputs && i < ends->output_count; i++)
        outputs[i].name = ends->outputs[i];
    return outputs;
}

cnn_status cnn_onnx_draft_open(struct cnn_onnx_draft *draft, const struct cnn_onnx_ends *ends,
                               struct cnn_onnx **out, cnn_diag *diag)
{
    struct cnn_arena *arena = draft->arena;
    struct cnn_onnx_graph_message *graph = cnn_arena_alloc(arena, sizeof *graph);
    const void *input = describe_input(arena, ends), *outputs = describe_outputs(arena, ends);
    if (draft->failed || !graph || !input || !outputs) {
        cnn_arena_free(arena);
        return cnn_fail_memory(diag, 0, ends->file);
    }
    graph->nodes = (struct cnn_protobuf_list){draft->nodes, draft->node_count};
    graph->initializers = (struct cnn_protobuf_list){draft->tensors, draft->tensor_count};
    graph->inputs = (struct cnn_protobuf_list){input, 1};
    graph->outputs = (struct cnn_protobuf_list){outputs, ends->output_count};
    const struct cnn_onnx_made made = {
        .arena = arena, .name = ends->file, .producer = ends->producer, .opset = OPSET};
    return cnn_onnx_open_graph(&made, graph, out, diag);
}
