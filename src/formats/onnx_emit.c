/* What the writers of layers use: nodes of a layer, its inputs and its parameters by name. */
#include <string.h>

#include "formats/onnx_export.h"

/* "conv1/Relu", and "conv1/Relu_1" for the second of its kind: names of nodes are unique. */
static const char *node_name(struct cnn_onnx_writer *w, const char *op_type)
{
    const struct cnn_onnx_draft *d = &w->draft;
    size_t same = 0;
    for (size_t i = 0; i < w->steps && i < d->node_count; i++)
        same += strcmp(d->nodes[d->node_count - 1 - i].op_type, op_type) == 0;
    return same == 0 ? cnn_arena_printf(d->arena, "%s/%s", w->node->name, op_type)
                     : cnn_arena_printf(d->arena, "%s/%s_%zu", w->node->name, op_type, same);
}

const char *cnn_onnx_emit(struct cnn_onnx_writer *w, const char *op_type, size_t input_count,
                          const char *const *inputs)
{
    const char *name = node_name(w, op_type);
    w->draft.failed = w->draft.failed || !name;
    cnn_onnx_draft_node(&w->draft, op_type, name);
    for (size_t i = 0; i < input_count; i++)
        cnn_onnx_draft_input(&w->draft, inputs[i]);
    w->steps++;
    cnn_onnx_draft_rename(&w->draft, name, name);
    return name;
}

const char *cnn_onnx_emit1(struct cnn_onnx_writer *w, const char *op_type, const char *x)
{
    return cnn_onnx_emit(w, op_type, 1, &x);
}

const char *cnn_onnx_emit2(struct cnn_onnx_writer *w, const char *op_type, const char *x,
                           const char *y)
{
    const char *const inputs[2] = {x, y};
    return cnn_onnx_emit(w, op_type, 2, inputs);
}

const char *cnn_onnx_input(const struct cnn_onnx_writer *w, size_t i)
{
    return w->names[w->node->inputs[i]];
}

const float *cnn_onnx_numbers(const struct cnn_onnx_writer *w, const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(w->node, suffix);
    return tensor ? w->model->parameters + tensor->offset : NULL;
}

static const char *parameter(struct cnn_onnx_writer *w, const struct cnn_tensor *tensor,
                             const struct cnn_onnx_dims *dims)
{
    const struct cnn_protobuf_bytes bytes = {
        (const unsigned char *)(w->model->parameters + tensor->offset),
        tensor->count * sizeof(float)};
    return cnn_onnx_draft_bytes(&w->draft, w->node->name, tensor->suffix, *dims, bytes);
}

const char *cnn_onnx_parameter(struct cnn_onnx_writer *w, const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(w->node, suffix);
    struct cnn_onnx_dims dims = {.rank = tensor ? tensor->rank : 0};
    for (size_t i = 0; i < dims.rank; i++)
        dims.dims[i] = (int64_t)tensor->dims[i];
    return tensor ? parameter(w, tensor, &dims) : NULL;
}

const char *cnn_onnx_channels(struct cnn_onnx_writer *w, const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(w->node, suffix);
    const struct cnn_onnx_dims dims = {(size_t)w->node->out.rank,
                                       {tensor ? (int64_t)tensor->count : 0, 1, 1}};
    return tensor ? parameter(w, tensor, &dims) : NULL;
}
