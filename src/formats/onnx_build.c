/* ONNX files made by calls (onnx_build.h): the structs that a reader fills in are filled in here,
 * and written by the same tables. */
#include "formats/onnx_build.h"

#include <string.h>

#include "formats/onnx_internal.h"
#include "util/allocate.h"

#define ATTRIBUTES 8 /* of a node, at most */

/* Room for one more element of a growing array, which comes zeroed; NULL where there is none. */
static void *next(struct cnn_onnx_build *b, void **items, size_t *count, size_t *room, size_t size)
{
    if (b->failed)
        return NULL;
    if (*count == *room) {
        size_t more = *room > 0 ? 2 * *room : 64;
        void *larger = cnn_realloc(*items, more * size);
        b->failed = !larger;
        if (!larger)
            return NULL;
        *items = larger;
        *room = more;
    }
    return memset((char *)*items + (*count)++ * size, 0, size);
}

#define NEXT(b, items, count, room)                                                                \
    next(b, (void **)(void *)&(b)->items, &(b)->count, &(b)->room, sizeof *(b)->items)

static const char *copy_text(struct cnn_onnx_build *b, const char *text)
{
    const char *copy = text ? cnn_arena_strdup(b->arena, text) : NULL;
    b->failed = b->failed || (text && !copy);
    return copy;
}

static void *copy_bytes(struct cnn_onnx_build *b, const void *from, size_t count, size_t size)
{
    void *copy = cnn_arena_array(b->arena, count + 1, size);
    b->failed = b->failed || !copy;
    return copy && count > 0 ? memcpy(copy, from, count * size) : copy;
}

/* ---- Nodes ---- */

void cnn_onnx_build_node(struct cnn_onnx_build *b, const char *op_type, const char *const *inputs,
                         size_t input_count, const char *output)
{
    struct cnn_onnx_node *node = NEXT(b, nodes, node_count, node_room);
    const char **names = cnn_arena_array(b->arena, input_count + 2, sizeof *names);
    struct cnn_onnx_attribute *attributes =
        cnn_arena_array(b->arena, ATTRIBUTES, sizeof *attributes);
    b->failed = b->failed || !names || !attributes;
    if (b->failed)
        return;
    for (size_t i = 0; i < input_count; i++)
        names[i] = copy_text(b, inputs[i] ? inputs[i] : "");
    names[input_count] = copy_text(b, output);
    node->op_type = op_type;
    node->inputs = (struct cnn_protobuf_list){names, input_count};
    node->outputs = (struct cnn_protobuf_list){names + input_count, 1};
    node->attributes = (struct cnn_protobuf_list){attributes, 0};
}

void cnn_onnx_build_name(struct cnn_onnx_build *b, const char *name, const char *output)
{
    if (b->failed)
        return;
    struct cnn_onnx_node *node = &b->nodes[b->node_count - 1];
    const char **outputs = cnn_arena_array(b->arena, 1, sizeof *outputs);
    b->failed = !outputs;
    node->name = copy_text(b, name);
    if (!outputs)
        return;
    *outputs = copy_text(b, output);
    node->outputs.items = outputs;
}

/* A new attribute of the newest node; NULL where memory is wanting. */
static struct cnn_onnx_attribute *attribute(struct cnn_onnx_build *b, const char *name,
                                            int64_t type)
{
    if (b->failed || b->nodes[b->node_count - 1].attributes.count == ATTRIBUTES) {
        b->failed = true;
        return NULL;
    }
    struct cnn_protobuf_list *list = &b->nodes[b->node_count - 1].attributes;
    struct cnn_onnx_attribute *a =
        (struct cnn_onnx_attribute *)(uintptr_t)list->items + list->count++;
    *a = (struct cnn_onnx_attribute){.name = name, .type = type};
    return a;
}

void cnn_onnx_build_int(struct cnn_onnx_build *b, const char *name, int64_t value)
{
    struct cnn_onnx_attribute *a = attribute(b, name, 2);
    if (a)
        a->i = value;
}

void cnn_onnx_build_float(struct cnn_onnx_build *b, const char *name, float value)
{
    struct cnn_onnx_attribute *a = attribute(b, name, 1);
    if (a)
        a->f = value;
}

void cnn_onnx_build_text(struct cnn_onnx_build *b, const char *name, const char *value)
{
    struct cnn_onnx_attribute *a = attribute(b, name, 3);
    const char *copy = a ? copy_text(b, value) : NULL;
    if (copy)
        a->s = (struct cnn_protobuf_bytes){(const unsigned char *)copy, strlen(copy)};
}

void cnn_onnx_build_ints(struct cnn_onnx_build *b, const char *name, size_t count,
                         const int64_t *values)
{
    struct cnn_onnx_attribute *a = attribute(b, name, 7);
    if (a)
        a->ints = (struct cnn_protobuf_list){copy_bytes(b, values, count, sizeof *values), count};
}

/* ---- Tensors ---- */

const char *cnn_onnx_build_tensor(struct cnn_onnx_build *b, const struct cnn_onnx_constant *c)
{
    struct cnn_onnx_tensor *tensor = NEXT(b, tensors, tensor_count, tensor_room);
    int64_t dims[CNN_ONNX_MAX_RANK];
    if (!tensor)
        return "";
    for (size_t i = 0; i < c->rank; i++)
        dims[i] = (int64_t)c->dims[i];
    tensor->dims = (struct cnn_protobuf_list){copy_bytes(b, dims, c->rank, sizeof *dims), c->rank};
    tensor->data_type = c->type;
    tensor->name = copy_text(b, c->name);
    tensor->raw_data = (struct cnn_protobuf_bytes){c->data, c->bytes};
    return b->failed ? "" : tensor->name;
}

const char *cnn_onnx_build_integers(struct cnn_onnx_build *b, const char *name, size_t count,
                                    const int64_t *values)
{
    const struct cnn_onnx_constant constant = {.name = name,
                                               .type = CNN_ONNX_INT64,
                                               .rank = 1,
                                               .dims = {count},
                                               .bytes = count * sizeof *values,
                                               .data =
                                                   copy_bytes(b, values, count, sizeof *values)};
    return cnn_onnx_build_tensor(b, &constant);
}

const char *cnn_onnx_build_number(struct cnn_onnx_build *b, const char *name, float value)
{
    const struct cnn_onnx_constant constant = {.name = name,
                                               .type = CNN_ONNX_FLOAT,
                                               .bytes = sizeof value,
                                               .data = copy_bytes(b, &value, 1, sizeof value)};
    return cnn_onnx_build_tensor(b, &constant);
}

/* ---- The file ---- */

void cnn_onnx_build_metadata(struct cnn_onnx_build *b, const char *key, const char *value)
{
    struct cnn_onnx_pair *pair = NEXT(b, pairs, pair_count, pair_room);
    if (pair)
        *pair = (struct cnn_onnx_pair){.key = copy_text(b, key), .value = copy_text(b, value)};
}

/* What the file says of one end of the network. */
struct end_messages {
    struct cnn_onnx_value_message value;
    struct cnn_onnx_type_message type;
    struct cnn_onnx_tensor_type_message tensor;
    struct cnn_onnx_shape_message shape;
    struct cnn_onnx_dimension dims[4];
};

static void fill_end(struct end_messages *m, const struct cnn_onnx_end *end)
{
    const cnn_shape s = end->shape;
    *m = (struct end_messages){.value = {.name = end->name, .type = &m->type},
                               .type = {.tensor = &m->tensor},
                               .tensor = {.type = CNN_ONNX_FLOAT, .shape = &m->shape},
                               .shape = {.dims = {m->dims, (size_t)s.rank + 1}},
                               .dims = {{.parameter = "batch"},
                                        {.value = (int64_t)s.c},
                                        {.value = (int64_t)s.h},
                                        {.value = (int64_t)s.w}}};
}

static cnn_status encode(const struct cnn_onnx_model_message *model, const char *path,
                         struct cnn_protobuf_bytes *out, cnn_diag *diag)
{
    const size_t size = cnn_protobuf_size(&cnn_onnx_model_message, model);
    if (size > INT32_MAX) {
        cnn_fail(diag, CNN_INVALID, NULL,
                 "%s would have %.1f GiB: an ONNX file, a protocol buffer, has 2 GiB at most", path,
                 (double)size / (1 << 30));
        cnn_hint(diag, "numbers in a file of their own are not written");
        return CNN_INVALID;
    }
    unsigned char *bytes = cnn_malloc(size);
    if (!bytes)
        return cnn_fail_memory(diag, size, path);
    cnn_protobuf_write(&cnn_onnx_model_message, model, bytes);
    *out = (struct cnn_protobuf_bytes){bytes, size};
    return CNN_OK;
}

cnn_status cnn_onnx_build_bytes(struct cnn_onnx_build *b, const char *graph_name,
                                const struct cnn_onnx_end ends[2], const char *path,
                                struct cnn_protobuf_bytes *out, cnn_diag *diag)
{
    struct end_messages ins, outs;
    const struct cnn_onnx_opset_message opset = {.version = CNN_ONNX_BUILD_OPSET};
    fill_end(&ins, &ends[0]);
    fill_end(&outs, &ends[1]);
    struct cnn_onnx_graph_message graph = {.name = graph_name,
                                           .nodes = {b->nodes, b->node_count},
                                           .initializers = {b->tensors, b->tensor_count},
                                           .inputs = {&ins.value, 1},
                                           .outputs = {&outs.value, 1}};
    const struct cnn_onnx_model_message model = {.ir_version = CNN_ONNX_BUILD_IR,
                                                 .producer = "cnn",
                                                 .producer_version = CNN_VERSION,
                                                 .graph = &graph,
                                                 .opsets = {&opset, 1},
                                                 .metadata = {b->pairs, b->pair_count}};
    return b->failed ? cnn_fail_memory(diag, 0, path) : encode(&model, path, out, diag);
}

void cnn_onnx_build_free(struct cnn_onnx_build *b)
{
    cnn_free(b->nodes);
    cnn_free(b->tensors);
    cnn_free(b->pairs);
}
