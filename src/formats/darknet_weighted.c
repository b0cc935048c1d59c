/* Layers of Darknet that have numbers in the .weights file. */
#include <math.h>
#include <string.h>

#include "formats/darknet_internal.h"

/* ---- Numbers ---- */

static cnn_status take(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                       int64_t count, struct cnn_protobuf_bytes *out)
{
    struct cnn_darknet_weights *w = &n->weights;
    if ((uint64_t)count > (w->size - w->at) / 4) {
        cnn_status status = cnn_fail(n->diag, CNN_FAILED, NULL,
                                     "%s ends within layer %zu [%s], which wants %lld more numbers "
                                     "where %zu are left",
                                     w->name, n->number, layer->section->name, (long long)count,
                                     (w->size - w->at) / 4);
        cnn_hint(n->diag, "it belongs to another .cfg, or holds the first layers alone");
        return status;
    }
    *out = (struct cnn_protobuf_bytes){w->bytes + w->at, 4 * (size_t)count};
    w->at += out->size;
    return CNN_OK;
}

static float number(struct cnn_protobuf_bytes bytes, size_t i)
{
    const unsigned char *b = bytes.data + 4 * i;
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static const char *vector(struct cnn_darknet_net *n, const char *layer, const char *suffix,
                          struct cnn_protobuf_bytes bytes)
{
    return cnn_onnx_draft_bytes(&n->draft, layer, suffix,
                                (struct cnn_onnx_dims){1, {(int64_t)(bytes.size / 4)}}, bytes);
}

/* ---- Batch normalisation ---- */

struct statistics {
    struct cnn_protobuf_bytes scales, means, variances;
};

static cnn_status take_statistics(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                                  int64_t count, struct statistics *out)
{
    cnn_status status = take(n, layer, count, &out->scales);
    if (status == CNN_OK)
        status = take(n, layer, count, &out->means);
    return status == CNN_OK ? take(n, layer, count, &out->variances) : status;
}

/* sqrt(v) + 1e-6 is sqrt(v + 2e-6 sqrt(v) + 1e-12): other variances, and another epsilon. */
static const char *original_variances(struct cnn_darknet_net *n, const char *name,
                                      struct cnn_protobuf_bytes bytes)
{
    const size_t count = bytes.size / 4;
    float *values = cnn_arena_array(n->draft.arena, count, sizeof *values);
    if (!values) {
        n->draft.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        double v = (double)number(bytes, i);
        values[i] = (float)(v + 2e-6 * sqrt(v));
    }
    return cnn_onnx_draft_floats(&n->draft, name, "running_var",
                                 (struct cnn_onnx_dims){1, {(int64_t)count}}, values);
}

/* biases: what is added at the end */
static const char *normalize(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                             const char *value, struct cnn_protobuf_bytes biases,
                             const struct statistics *s)
{
    const bool original = n->kind == CNN_DARKNET_PJREDDIE;
    n->normalized = true;
    const char *name = cnn_arena_printf(n->draft.arena, "%s_bn", layer->name);
    if (!name) {
        n->draft.failed = true;
        return NULL;
    }
    const char *scale = vector(n, name, "weight", s->scales);
    const char *bias = vector(n, name, "bias", biases);
    const char *mean = vector(n, name, "running_mean", s->means);
    const char *variance = original ? original_variances(n, name, s->variances)
                                    : vector(n, name, "running_var", s->variances);
    cnn_onnx_draft_node(&n->draft, "BatchNormalization", name);
    cnn_onnx_draft_input(&n->draft, value);
    cnn_onnx_draft_input(&n->draft, scale);
    cnn_onnx_draft_input(&n->draft, bias);
    cnn_onnx_draft_input(&n->draft, mean);
    cnn_onnx_draft_input(&n->draft, variance);
    cnn_onnx_draft_float(&n->draft, "epsilon", original ? 1e-12 : 1e-5);
    return cnn_onnx_draft_output(&n->draft);
}

/* ---- Layers with weights ---- */

static cnn_status take_weights(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                               int64_t rows, int64_t columns, struct cnn_protobuf_bytes *out)
{
    if (columns > CNN_DARKNET_COUNT / rows)
        return cnn_darknet_refuse(n, layer, "it has more than 2^28 weights");
    return take(n, layer, rows * columns, out);
}

struct convolution {
    int64_t filters, size, stride, pad, padding, groups, normalized;
};

static cnn_status read_convolution(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer,
                                   struct convolution *v)
{
    struct cnn_darknet_value *out = &layer->out;
    int64_t dilation = 1;
    *v = (struct convolution){.filters = 1, .size = 1, .stride = 1, .groups = 1};
    if (!cnn_darknet_get(n, layer, "filters", 1, &v->filters) ||
        !cnn_darknet_get(n, layer, "size", 1, &v->size) ||
        !cnn_darknet_get(n, layer, "stride", 1, &v->stride) ||
        !cnn_darknet_get(n, layer, "pad", 0, &v->pad) ||
        !cnn_darknet_get(n, layer, "padding", 0, &v->padding) ||
        !cnn_darknet_get(n, layer, "groups", 1, &v->groups) ||
        !cnn_darknet_get(n, layer, "dilation", 1, &dilation) ||
        !cnn_darknet_get(n, layer, "batch_normalize", 0, &v->normalized))
        return CNN_FAILED;
    if (v->pad)
        v->padding = v->size / 2;
    if (dilation != 1)
        return cnn_darknet_refuse(n, layer, "a dilation is not supported");
    if (layer->in.c % v->groups != 0 || v->filters % v->groups != 0)
        return cnn_darknet_refuse(
            n, layer, "%lld channels and %lld filters are not divided by %lld groups",
            (long long)layer->in.c, (long long)v->filters, (long long)v->groups);
    if (layer->in.h + 2 * v->padding < v->size || layer->in.w + 2 * v->padding < v->size)
        return cnn_darknet_refuse(n, layer, "its window of %lld does not fit into %lld x %lld",
                                  (long long)v->size, (long long)layer->in.h,
                                  (long long)layer->in.w);
    *out =
        (struct cnn_darknet_value){.c = v->filters,
                                   .h = (layer->in.h + 2 * v->padding - v->size) / v->stride + 1,
                                   .w = (layer->in.w + 2 * v->padding - v->size) / v->stride + 1};
    return CNN_OK;
}

/* The file has biases, statistics, weights. */
static cnn_status translate_convolutional(struct cnn_darknet_net *n,
                                          struct cnn_darknet_layer *layer)
{
    struct convolution v;
    struct cnn_protobuf_bytes biases, bytes;
    struct statistics s;
    cnn_status status = read_convolution(n, layer, &v);
    if (status == CNN_OK)
        status = take(n, layer, v.filters, &biases);
    if (status == CNN_OK && v.normalized)
        status = take_statistics(n, layer, v.filters, &s);
    if (status == CNN_OK)
        status =
            take_weights(n, layer, v.filters, layer->in.c / v.groups * v.size * v.size, &bytes);
    if (status != CNN_OK)
        return status;
    const struct cnn_onnx_dims dims = {4, {v.filters, layer->in.c / v.groups, v.size, v.size}};
    const char *weights = cnn_onnx_draft_bytes(&n->draft, layer->name, "weight", dims, bytes);
    const char *bias = v.normalized ? NULL : vector(n, layer->name, "bias", biases);
    cnn_onnx_draft_node(&n->draft, "Conv", layer->name);
    cnn_onnx_draft_input(&n->draft, layer->in.value);
    cnn_onnx_draft_input(&n->draft, weights);
    if (bias)
        cnn_onnx_draft_input(&n->draft, bias);
    cnn_onnx_draft_ints(&n->draft, "kernel_shape", (const int64_t[]){v.size, v.size}, 2);
    cnn_onnx_draft_ints(&n->draft, "strides", (const int64_t[]){v.stride, v.stride}, 2);
    cnn_onnx_draft_ints(&n->draft, "pads",
                        (const int64_t[]){v.padding, v.padding, v.padding, v.padding}, 4);
    cnn_onnx_draft_int(&n->draft, "group", v.groups);
    layer->out.value = cnn_onnx_draft_output(&n->draft);
    if (v.normalized)
        layer->out.value = normalize(n, layer, layer->out.value, biases, &s);
    return cnn_darknet_activate(n, layer, "logistic", &layer->out.value);
}

/* The file has biases, weights, statistics. */
static cnn_status translate_connected(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    const int64_t inputs = layer->in.c * layer->in.h * layer->in.w;
    const bool transposed = n->weights.transposed;
    int64_t units = 1, normalized = 0;
    struct cnn_protobuf_bytes biases, bytes;
    struct statistics s;
    if (!cnn_darknet_get(n, layer, "output", 1, &units) ||
        !cnn_darknet_get(n, layer, "batch_normalize", 0, &normalized))
        return CNN_FAILED;
    cnn_status status = take(n, layer, units, &biases);
    if (status == CNN_OK)
        status = take_weights(n, layer, units, inputs, &bytes);
    if (status == CNN_OK && normalized)
        status = take_statistics(n, layer, units, &s);
    if (status != CNN_OK)
        return status;
    const struct cnn_onnx_dims dims = {2,
                                       {transposed ? inputs : units, transposed ? units : inputs}};
    const char *flat = cnn_onnx_draft_unary(&n->draft, "Flatten", layer->name, layer->in.value);
    const char *weights = cnn_onnx_draft_bytes(&n->draft, layer->name, "weight", dims, bytes);
    const char *bias = normalized ? NULL : vector(n, layer->name, "bias", biases);
    cnn_onnx_draft_node(&n->draft, "Gemm", layer->name);
    cnn_onnx_draft_input(&n->draft, flat);
    cnn_onnx_draft_input(&n->draft, weights);
    if (bias)
        cnn_onnx_draft_input(&n->draft, bias);
    cnn_onnx_draft_int(&n->draft, "transB", !transposed);
    layer->out = (struct cnn_darknet_value){cnn_onnx_draft_output(&n->draft), units, 1, 1};
    if (normalized)
        layer->out.value = normalize(n, layer, layer->out.value, biases, &s);
    return cnn_darknet_activate(n, layer, "logistic", &layer->out.value);
}

const struct cnn_darknet_rule cnn_darknet_weighted_rules[] = {
    {"convolutional", translate_convolutional},
    {"conv", translate_convolutional},
    {"connected", translate_connected},
    {"conn", translate_connected},
    {NULL, NULL}};
