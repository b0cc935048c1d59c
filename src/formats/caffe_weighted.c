/* Layers of Caffe that have blobs. */
#include <stdio.h>
#include <string.h>

#include "formats/caffe.h"

/* ---- Blobs ---- */

struct blob {
    struct cnn_onnx_dims dims;
    struct cnn_protobuf_bytes bytes;
    size_t count;
};

static float number(const struct blob *blob, size_t i)
{
    const unsigned char *b = blob->bytes.data + 4 * i;
    uint32_t bits =
        (uint32_t)b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The layer's blobs, of which there must be this many. */
static bool get_blobs(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, size_t count,
                      struct blob *out)
{
    const struct cnn_caffe_blobs *blobs = cnn_caffe_weights_find(c->weights, layer->name);
    if (!blobs || blobs->count != count) {
        cnn_caffe_refuse(c, layer, "it needs %zu blobs, and %s has %zu for a layer of this name",
                         count, c->weights->name, blobs ? blobs->count : 0);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        if (cnn_caffe_blob_look(c->weights, &blobs->blobs[i], &out[i].dims, &out[i].bytes,
                                c->diag) != CNN_OK) {
            c->wrong = c->damaged = true;
            return false;
        }
        out[i].count = out[i].bytes.size / 4;
    }
    return true;
}

static bool has_count(struct cnn_caffe *c, const struct cnn_caffe_layer *layer, const char *what,
                      const struct blob *blob, size_t count)
{
    if (blob->count != count)
        cnn_caffe_refuse(c, layer, "its %s are %zu numbers, not %zu", what, blob->count, count);
    return blob->count == count;
}

static const char *vector(struct cnn_caffe *c, const char *layer, const char *suffix,
                          const struct blob *blob)
{
    return cnn_onnx_draft_bytes(&c->draft, layer, suffix,
                                (struct cnn_onnx_dims){1, {(int64_t)blob->count}}, blob->bytes);
}

/* A number for each channel of what has so many dimensions. */
static struct cnn_onnx_dims by_channel(size_t rank, size_t channels)
{
    return (struct cnn_onnx_dims){rank > 2 ? rank - 1 : 1, {(int64_t)channels, 1, 1, 1}};
}

/* ---- Convolution ---- */

/* Rows and columns: `name` once or twice, or a field for each. */
static bool get_pair(struct cnn_caffe *c, const struct cnn_prototxt_field *p, const char *name,
                     int64_t least, int64_t *pair)
{
    char rows[32], columns[32];
    const size_t stem = strncmp(name, "kernel", 6) == 0 ? 6 : strlen(name);
    struct cnn_caffe_list list = {least, pair, 2, 0};
    snprintf(rows, sizeof rows, "%.*s_h", (int)stem, name);
    snprintf(columns, sizeof columns, "%.*s_w", (int)stem, name);
    if (!cnn_caffe_integers(c, p, name, &list))
        return false;
    if (list.count == 1)
        pair[1] = pair[0];
    return cnn_caffe_integer(c, p, rows, least, &pair[0]) &&
           cnn_caffe_integer(c, p, columns, least, &pair[1]);
}

struct convolution {
    int64_t filters, groups, axis, kernel[2], pad[2], stride[2], dilation[2];
    bool bias;
};

static bool read_convolution(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                             const struct cnn_prototxt_field *p, struct convolution *out)
{
    *out = (struct convolution){
        .groups = 1, .axis = 1, .stride = {1, 1}, .dilation = {1, 1}, .bias = true};
    if (!cnn_caffe_integer(c, p, "num_output", 1, &out->filters))
        return false;
    if (strstr(layer->type, "Depthwise")) /* which forks call so, and which need not say it */
        out->groups = out->filters;
    if (!cnn_caffe_integer(c, p, "group", 1, &out->groups) ||
        !cnn_caffe_integer(c, p, "axis", -8, &out->axis) ||
        !cnn_caffe_flag(c, p, "bias_term", &out->bias) ||
        !get_pair(c, p, "kernel_size", 1, out->kernel) || !get_pair(c, p, "pad", 0, out->pad) ||
        !get_pair(c, p, "stride", 1, out->stride) || !get_pair(c, p, "dilation", 1, out->dilation))
        return false;
    if (out->filters < 1 || out->kernel[0] < 1 || out->kernel[1] < 1 || out->kernel[0] > 4096 ||
        out->kernel[1] > 4096 || out->axis != 1) {
        cnn_caffe_refuse(c, layer, "it needs num_output, kernel_size, and its channels on axis 1");
        return false;
    }
    return true;
}

/* The weights; those of a convolution that reads the image may be turned: [filter][2 - channel]. */
static const char *convolution_weights(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                                       const struct blob *blob, const struct cnn_onnx_dims *dims)
{
    const bool image = strcmp(cnn_caffe_bottom(c, layer, 0)->value, c->input) == 0;
    if (!c->turn || !image || dims->dims[1] != 3)
        return cnn_onnx_draft_bytes(&c->draft, layer->name, "weight", *dims, blob->bytes);
    const size_t map = (size_t)(dims->dims[2] * dims->dims[3]);
    float *turned = cnn_arena_array(c->draft.arena, blob->count, sizeof *turned);
    if (!turned) {
        c->draft.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < blob->count; i++) {
        size_t channel = i / map % 3;
        turned[i - channel * map + (2 - channel) * map] = number(blob, i);
    }
    return cnn_onnx_draft_floats(&c->draft, layer->name, "weight", *dims, turned);
}

static void translate_convolution(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                                  const struct cnn_prototxt_field *p)
{
    const bool transposed = strcmp(layer->type, "Deconvolution") == 0;
    struct convolution v;
    struct blob blobs[2];
    if (!read_convolution(c, layer, p, &v) || !get_blobs(c, layer, v.bias ? 2 : 1, blobs))
        return;
    const size_t filters = (size_t)v.filters, groups = (size_t)v.groups;
    const size_t map = (size_t)(v.kernel[0] * v.kernel[1]);
    /* [filters][channels / groups] or, transposed, [channels][filters / groups] */
    const size_t unit = (transposed ? filters / groups : filters) * map;
    if (filters % groups != 0 || blobs[0].count % unit != 0) {
        cnn_caffe_refuse(c, layer,
                         "its weights are %zu numbers, and %zu filters of %zu places in %zu groups "
                         "want a multiple of %zu",
                         blobs[0].count, filters, map, groups, unit);
        return;
    }
    if (v.bias && !has_count(c, layer, "biases", &blobs[1], filters))
        return;
    const int64_t rest = (int64_t)(blobs[0].count / unit);
    const struct cnn_onnx_dims dims = {4,
                                       {transposed ? rest : v.filters,
                                        transposed ? v.filters / v.groups : rest, v.kernel[0],
                                        v.kernel[1]}};
    const char *weights = convolution_weights(c, layer, &blobs[0], &dims);
    const char *bias = v.bias ? vector(c, layer->name, "bias", &blobs[1]) : NULL;
    cnn_onnx_draft_node(&c->draft, transposed ? "ConvTranspose" : "Conv", layer->name);
    cnn_onnx_draft_input(&c->draft, cnn_caffe_bottom(c, layer, 0)->value);
    cnn_onnx_draft_input(&c->draft, weights);
    if (bias)
        cnn_onnx_draft_input(&c->draft, bias);
    cnn_onnx_draft_ints(&c->draft, "kernel_shape", v.kernel, 2);
    cnn_onnx_draft_ints(&c->draft, "strides", v.stride, 2);
    cnn_onnx_draft_ints(&c->draft, "dilations", v.dilation, 2);
    cnn_onnx_draft_ints(&c->draft, "pads",
                        (const int64_t[]){v.pad[0], v.pad[1], v.pad[0], v.pad[1]}, 4);
    cnn_onnx_draft_int(&c->draft, "group", v.groups);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), 4);
}

/* ---- InnerProduct ---- */

static void translate_inner_product(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                                    const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value *x = cnn_caffe_bottom(c, layer, 0);
    int64_t units = 0, axis = 1;
    bool bias = true, transposed = false;
    struct blob blobs[2];
    if (!cnn_caffe_integer(c, p, "num_output", 1, &units) ||
        !cnn_caffe_integer(c, p, "axis", -8, &axis) || !cnn_caffe_flag(c, p, "bias_term", &bias) ||
        !cnn_caffe_flag(c, p, "transpose", &transposed))
        return;
    if (units < 1 || axis != 1) {
        cnn_caffe_refuse(c, layer, "it needs num_output, and axis 1");
        return;
    }
    if (!get_blobs(c, layer, bias ? 2 : 1, blobs) ||
        (bias && !has_count(c, layer, "biases", &blobs[1], (size_t)units)))
        return;
    if (blobs[0].count % (size_t)units != 0) {
        cnn_caffe_refuse(c, layer, "its weights are %zu numbers, no multiple of its %zu outputs",
                         blobs[0].count, (size_t)units);
        return;
    }
    const int64_t inputs = (int64_t)blobs[0].count / units;
    const struct cnn_onnx_dims dims = {2,
                                       {transposed ? inputs : units, transposed ? units : inputs}};
    const char *value = x->value, *weights, *biases;
    if (x->rank != 2)
        value = cnn_onnx_draft_unary(&c->draft, "Flatten", layer->name, value);
    weights = cnn_onnx_draft_bytes(&c->draft, layer->name, "weight", dims, blobs[0].bytes);
    biases = bias ? vector(c, layer->name, "bias", &blobs[1]) : NULL;
    cnn_onnx_draft_node(&c->draft, "Gemm", layer->name);
    cnn_onnx_draft_input(&c->draft, value);
    cnn_onnx_draft_input(&c->draft, weights);
    if (biases)
        cnn_onnx_draft_input(&c->draft, biases);
    cnn_onnx_draft_int(&c->draft, "transB", !transposed);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_output(&c->draft), 2);
}

/* ---- BatchNorm and Scale ---- */

static bool reads(const struct cnn_caffe_layer *layer, const char *blob)
{
    for (size_t i = 0; i < layer->bottom_count; i++)
        if (strcmp(layer->bottoms[i], blob) == 0)
            return true;
    return false;
}

/* Whether a layer from number `first` on reads the blob before another one gives it anew. */
static bool is_read_again(const struct cnn_caffe *c, size_t first, const char *blob)
{
    for (size_t i = first; i < c->count; i++) {
        if (reads(&c->layers[i], blob))
            return true;
        for (size_t k = 0; k < c->layers[i].top_count; k++)
            if (strcmp(c->layers[i].tops[k], blob) == 0)
                return false;
    }
    return false;
}

/* The Scale that alone reads what a BatchNorm gives, and stands right behind it: both are one
 * batch_norm. NULL: there is none. */
static struct cnn_caffe_layer *find_scale(const struct cnn_caffe *c,
                                          const struct cnn_caffe_layer *layer)
{
    struct cnn_caffe_layer *scale = c->number + 1 < c->count ? &c->layers[c->number + 1] : NULL;
    const char *blob = layer->top_count == 1 ? layer->tops[0] : "";
    if (!scale || strcmp(scale->type, "Scale") != 0 || scale->bottom_count != 1 ||
        scale->top_count != 1 || strcmp(scale->bottoms[0], blob) != 0 ||
        (strcmp(scale->tops[0], blob) != 0 && is_read_again(c, c->number + 2, blob)))
        return NULL;
    return scale;
}

struct scale {
    struct blob weight, bias;
    bool has_bias;
};

/* The blobs of a Scale or a Bias with one bottom: a number for each channel. */
static bool read_scale(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                       const struct cnn_prototxt_field *p, struct scale *out)
{
    int64_t axis = 1, axes = 1;
    struct blob blobs[2];
    out->has_bias = false;
    if (!cnn_caffe_integer(c, p, "axis", -8, &axis) ||
        !cnn_caffe_integer(c, p, "num_axes", -1, &axes) ||
        !cnn_caffe_flag(c, p, "bias_term", &out->has_bias))
        return false;
    if (axis != 1 || axes != 1) {
        cnn_caffe_refuse(c, layer, "it does not have one number for each channel");
        return false;
    }
    if (!get_blobs(c, layer, out->has_bias ? 2 : 1, blobs) ||
        (out->has_bias && !has_count(c, layer, "biases", &blobs[1], blobs[0].count)))
        return false;
    out->weight = blobs[0];
    out->bias = blobs[out->has_bias ? 1 : 0];
    return true;
}

/* Numbers of a parameter of BatchNormalization; otherwise: all the same. */
static const char *statistic(struct cnn_caffe *c, const char *layer, const char *suffix,
                             size_t channels, const float *values, float otherwise)
{
    float *own = cnn_arena_array(c->draft.arena, channels, sizeof *own);
    if (!own) {
        c->draft.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < channels; i++)
        own[i] = values ? values[i] : otherwise;
    return cnn_onnx_draft_floats(&c->draft, layer, suffix,
                                 (struct cnn_onnx_dims){1, {(int64_t)channels}}, own);
}

/* Mean or variance: what is stored is a sum with weights, and `factor` is that of the weights. */
static const char *stored_statistic(struct cnn_caffe *c, const char *layer, const char *suffix,
                                    const struct blob *blob, float factor)
{
    float *values = cnn_arena_array(c->draft.arena, blob->count, sizeof *values);
    if (!values) {
        c->draft.failed = true;
        return NULL;
    }
    for (size_t i = 0; i < blob->count; i++)
        values[i] = factor == 0 ? 0 : number(blob, i) / factor;
    return statistic(c, layer, suffix, blob->count, values, 0);
}

static void translate_batch_norm(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                                 const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    struct cnn_caffe_layer *behind = find_scale(c, layer);
    struct scale scale = {.has_bias = false};
    struct blob blobs[3];
    double epsilon = 1e-5;
    bool stored = true;
    if (!cnn_caffe_real(c, p, "eps", &epsilon) ||
        !cnn_caffe_flag(c, p, "use_global_stats", &stored) || !get_blobs(c, layer, 3, blobs) ||
        !has_count(c, layer, "variances", &blobs[1], blobs[0].count) ||
        !has_count(c, layer, "factors", &blobs[2], 1) ||
        (behind && !read_scale(c, behind, cnn_prototxt_find(behind->field, "scale_param"), &scale)))
        return;
    const size_t channels = blobs[0].count;
    if (behind && !has_count(c, behind, "weights", &scale.weight, channels))
        return;
    c->batch_statistics = c->batch_statistics || !stored;
    const float factor = number(&blobs[2], 0);
    const char *weight = behind ? vector(c, layer->name, "weight", &scale.weight)
                                : statistic(c, layer->name, "weight", channels, NULL, 1);
    const char *bias = scale.has_bias ? vector(c, layer->name, "bias", &scale.bias)
                                      : statistic(c, layer->name, "bias", channels, NULL, 0);
    const char *mean = stored_statistic(c, layer->name, "running_mean", &blobs[0], factor);
    const char *variance = stored_statistic(c, layer->name, "running_var", &blobs[1], factor);
    cnn_onnx_draft_node(&c->draft, "BatchNormalization", layer->name);
    cnn_onnx_draft_input(&c->draft, x.value);
    cnn_onnx_draft_input(&c->draft, weight);
    cnn_onnx_draft_input(&c->draft, bias);
    cnn_onnx_draft_input(&c->draft, mean);
    cnn_onnx_draft_input(&c->draft, variance);
    cnn_onnx_draft_float(&c->draft, "epsilon", epsilon);
    if (behind)
        behind->done = true;
    cnn_caffe_give(c, behind ? behind : layer, 0, cnn_onnx_draft_output(&c->draft), x.rank);
}

/* A gate of [image][channel] or [image][channel][1][1] for maps. */
static void translate_gate(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    static const int64_t sizes[] = {0, -1, 1, 1};
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    const struct cnn_caffe_value gate = *cnn_caffe_bottom(c, layer, 1);
    int64_t axis = 1;
    bool bias = false;
    const char *value = gate.value;
    if (!cnn_caffe_integer(c, p, "axis", -8, &axis) || !cnn_caffe_flag(c, p, "bias_term", &bias))
        return;
    if (axis != 0 || bias || x.rank != 4 || (gate.rank != 2 && gate.rank != 4)) {
        cnn_caffe_refuse(c, layer, "two bottoms are multiplied with axis 0 and no bias alone");
        return;
    }
    if (gate.rank == 2)
        value = cnn_onnx_draft_binary(
            &c->draft, "Reshape", layer->name, value,
            cnn_onnx_draft_integers(&c->draft, layer->name, "sizes", sizes, 4));
    cnn_caffe_give(c, layer, 0,
                   cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, x.value, value), 4);
}

static void translate_scale(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    struct scale scale;
    if (layer->bottom_count == 2) {
        translate_gate(c, layer, p);
        return;
    }
    if (!read_scale(c, layer, p, &scale))
        return;
    const struct cnn_onnx_dims dims = by_channel(x.rank, scale.weight.count);
    const char *value =
        cnn_onnx_draft_bytes(&c->draft, layer->name, "weight", dims, scale.weight.bytes);
    value = cnn_onnx_draft_binary(&c->draft, "Mul", layer->name, x.value, value);
    if (scale.has_bias)
        value = cnn_onnx_draft_binary(
            &c->draft, "Add", layer->name, value,
            cnn_onnx_draft_bytes(&c->draft, layer->name, "bias", dims, scale.bias.bytes));
    cnn_caffe_give(c, layer, 0, value, x.rank);
}

static void translate_bias(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                           const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    struct scale scale;
    if (!read_scale(c, layer, p, &scale))
        return;
    const char *bias = cnn_onnx_draft_bytes(
        &c->draft, layer->name, "bias", by_channel(x.rank, scale.weight.count), scale.weight.bytes);
    cnn_caffe_give(c, layer, 0, cnn_onnx_draft_binary(&c->draft, "Add", layer->name, x.value, bias),
                   x.rank);
}

static void translate_prelu(struct cnn_caffe *c, const struct cnn_caffe_layer *layer,
                            const struct cnn_prototxt_field *p)
{
    const struct cnn_caffe_value x = *cnn_caffe_bottom(c, layer, 0);
    struct blob slope;
    bool shared = false;
    if (!cnn_caffe_flag(c, p, "channel_shared", &shared) || !get_blobs(c, layer, 1, &slope) ||
        (shared && !has_count(c, layer, "slopes", &slope, 1)))
        return;
    const char *slopes = cnn_onnx_draft_bytes(&c->draft, layer->name, "weight",
                                              by_channel(x.rank, slope.count), slope.bytes);
    cnn_caffe_give(c, layer, 0,
                   cnn_onnx_draft_binary(&c->draft, "PRelu", layer->name, x.value, slopes), x.rank);
}

const struct cnn_caffe_rule cnn_caffe_weighted_rules[] = {
    {"Convolution", "convolution_param", 1, 1, translate_convolution},
    {"ConvolutionDepthwise", "convolution_param", 1, 1, translate_convolution},
    {"DepthwiseConvolution", "convolution_param", 1, 1, translate_convolution},
    {"Deconvolution", "convolution_param", 1, 1, translate_convolution},
    {"InnerProduct", "inner_product_param", 1, 1, translate_inner_product},
    {"BatchNorm", "batch_norm_param", 1, 1, translate_batch_norm},
    {"Scale", "scale_param", 1, 2, translate_scale},
    {"Bias", "bias_param", 1, 1, translate_bias},
    {"PReLU", "prelu_param", 1, 1, translate_prelu},
    {NULL, NULL, 0, 0, NULL}};
