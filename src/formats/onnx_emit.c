/* What the writers of layers use: nodes of a layer, its inputs and its parameters by name. */
#include <string.h>

#include "formats/onnx_export.h"

static const char *text_or_empty(struct cnn_onnx_writer *w, const char *text)
{
    w->build.failed = w->build.failed || !text;
    return text ? text : "";
}

const char *cnn_onnx_own(struct cnn_onnx_writer *w, const char *suffix)
{
    return text_or_empty(w, cnn_arena_printf(w->build.arena, "%s.%s", w->node->name, suffix));
}

/* "conv1/Relu", and "conv1/Relu_1" for the second of its kind: names of nodes are unique. */
static const char *node_name(struct cnn_onnx_writer *w, const char *op_type)
{
    const struct cnn_onnx_build *b = &w->build;
    size_t same = 0;
    for (size_t i = 0; i < w->steps && i < b->node_count; i++)
        same += strcmp(b->nodes[b->node_count - 1 - i].op_type, op_type) == 0;
    return text_or_empty(
        w, same == 0 ? cnn_arena_printf(b->arena, "%s/%s", w->node->name, op_type)
                     : cnn_arena_printf(b->arena, "%s/%s_%zu", w->node->name, op_type, same));
}

/* In between, values are numbered: "conv1.0"; the last one gets the layer's name. */
const char *cnn_onnx_emit(struct cnn_onnx_writer *w, const char *op_type, size_t input_count,
                          const char *const *inputs)
{
    const char *name = node_name(w, op_type);
    const char *output =
        text_or_empty(w, cnn_arena_printf(w->build.arena, "%s.%zu", w->node->name, w->steps++));
    cnn_onnx_build_node(&w->build, op_type, inputs, input_count, output);
    cnn_onnx_build_name(&w->build, name, output);
    return output;
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
                             size_t rank, const size_t *dims)
{
    struct cnn_onnx_constant constant = {.name = cnn_onnx_own(w, tensor->suffix),
                                         .type = CNN_ONNX_FLOAT,
                                         .rank = rank,
                                         .bytes = tensor->count * sizeof(float),
                                         .data = w->model->parameters + tensor->offset};
    memcpy(constant.dims, dims, rank * sizeof *dims);
    return cnn_onnx_build_tensor(&w->build, &constant);
}

const char *cnn_onnx_parameter(struct cnn_onnx_writer *w, const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(w->node, suffix);
    return tensor ? parameter(w, tensor, tensor->rank, tensor->dims) : NULL;
}

const char *cnn_onnx_channels(struct cnn_onnx_writer *w, const char *suffix)
{
    const struct cnn_tensor *tensor = cnn_node_tensor(w->node, suffix);
    const size_t dims[3] = {tensor ? tensor->count : 0, 1, 1};
    return tensor ? parameter(w, tensor, (size_t)w->node->out.rank, dims) : NULL;
}
