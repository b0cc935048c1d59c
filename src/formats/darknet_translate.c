/* The walk over the sections of a Darknet network: each takes its numbers from the .weights file,
 * which names nothing, and becomes ONNX operators. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "formats/darknet.h"

#define MAX_SIDE  65536
#define MAX_COUNT ((int64_t)1 << 28) /* numbers of one layer, or of its weights */

struct layer {
    const struct cnn_darknet_section *section;
    const char *name;             /* "convolutional4" */
    struct cnn_darknet_value in;  /* what the layer before it gives */
    struct cnn_darknet_value out; /* what it gives */
};

/* ---- Messages and options ---- */

static cnn_status __attribute__((format(printf, 3, 4)))
refuse(struct cnn_darknet_net *n, const struct layer *layer, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_status status =
        text.failed ? cnn_fail_memory(n->diag, 100, layer->name)
                    : cnn_fail(n->diag, CNN_INVALID, &layer->section->where, "layer %zu [%s]: %s",
                               n->number, layer->section->name, text.data);
    cnn_text_free(&text);
    return status;
}

/* An option that is from least to MAX_SIDE, or otherwise. */
static bool get(struct cnn_darknet_net *n, const struct layer *layer, const char *key,
                int64_t least, int64_t *value)
{
    return cnn_darknet_integer(layer->section, key, least, MAX_SIDE, value, n->diag) == CNN_OK;
}

/* Options that nobody has asked for mean something that is not known here; those that only matter
 * in training are passed over. */
static cnn_status check_options(struct cnn_darknet_net *n, const struct layer *layer)
{
    static const char *const training[] = {"stopbackward", "learning_rate", "learning_scale",
                                           "train",        "burnin_update", "train_only_bn",
                                           "noloss",       "dontsave",      NULL};
    cnn_status status = CNN_OK;
    for (const struct cnn_darknet_option *o = layer->section->first; o; o = o->next) {
        size_t i = 0;
        while (training[i] && strcmp(training[i], o->key) != 0)
            i++;
        if (!o->seen && !training[i])
            status =
                cnn_fail(n->diag, CNN_INVALID, &o->where, "layer %zu [%s]: '%s' is not supported",
                         n->number, layer->section->name, o->key);
    }
    return status;
}

/* ---- Numbers ---- */

static cnn_status take(struct cnn_darknet_net *n, const struct layer *layer, int64_t count,
                       struct cnn_protobuf_bytes *out)
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

/* ---- Batch normalisation and activations ---- */

struct statistics {
    struct cnn_protobuf_bytes scales, means, variances;
};

static cnn_status take_statistics(struct cnn_darknet_net *n, const struct layer *layer,
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
static const char *normalize(struct cnn_darknet_net *n, const struct layer *layer,
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

/* `activation`, or otherwise; *value becomes what it gives. */
static cnn_status activate(struct cnn_darknet_net *n, const struct layer *layer,
                           const char *otherwise, const char **value)
{
    static const char *const simple[][2] = {
        {"relu", "Relu"}, {"logistic", "Sigmoid"}, {"tanh", "Tanh"},      {"mish", "Mish"},
        {"elu", "Elu"},   {"selu", "Selu"},        {"leaky", "LeakyRelu"}};
    const struct cnn_darknet_option *option = cnn_darknet_find(layer->section, "activation");
    const char *word = option ? option->value : otherwise, *x = *value;
    if (strcmp(word, "linear") == 0)
        return CNN_OK;
    if (strcmp(word, "swish") == 0) {
        *value = cnn_onnx_draft_binary(&n->draft, "Mul", layer->name, x,
                                       cnn_onnx_draft_unary(&n->draft, "Sigmoid", layer->name, x));
        return CNN_OK;
    }
    for (size_t i = 0; i < sizeof simple / sizeof *simple; i++) {
        if (strcmp(simple[i][0], word) != 0)
            continue;
        cnn_onnx_draft_node(&n->draft, simple[i][1], layer->name);
        cnn_onnx_draft_input(&n->draft, x);
        if (strcmp(word, "leaky") == 0)
            cnn_onnx_draft_float(&n->draft, "alpha", 0.1);
        *value = cnn_onnx_draft_output(&n->draft);
        return CNN_OK;
    }
    return refuse(n, layer, "no layer has the activation '%s'", word);
}

/* ---- Layers with weights ---- */

static cnn_status take_weights(struct cnn_darknet_net *n, const struct layer *layer, int64_t rows,
                               int64_t columns, struct cnn_protobuf_bytes *out)
{
    if (columns > MAX_COUNT / rows)
        return refuse(n, layer, "it has more than 2^28 weights");
    return take(n, layer, rows * columns, out);
}

struct convolution {
    int64_t filters, size, stride, pad, padding, groups, normalized;
};

static cnn_status read_convolution(struct cnn_darknet_net *n, struct layer *layer,
                                   struct convolution *v)
{
    struct cnn_darknet_value *out = &layer->out;
    int64_t dilation = 1;
    *v = (struct convolution){.filters = 1, .size = 1, .stride = 1, .groups = 1};
    if (!get(n, layer, "filters", 1, &v->filters) || !get(n, layer, "size", 1, &v->size) ||
        !get(n, layer, "stride", 1, &v->stride) || !get(n, layer, "pad", 0, &v->pad) ||
        !get(n, layer, "padding", 0, &v->padding) || !get(n, layer, "groups", 1, &v->groups) ||
        !get(n, layer, "dilation", 1, &dilation) ||
        !get(n, layer, "batch_normalize", 0, &v->normalized))
        return CNN_FAILED;
    if (v->pad)
        v->padding = v->size / 2;
    if (dilation != 1)
        return refuse(n, layer, "a dilation is not supported");
    if (layer->in.c % v->groups != 0 || v->filters % v->groups != 0)
        return refuse(n, layer, "%lld channels and %lld filters are not divided by %lld groups",
                      (long long)layer->in.c, (long long)v->filters, (long long)v->groups);
    if (layer->in.h + 2 * v->padding < v->size || layer->in.w + 2 * v->padding < v->size)
        return refuse(n, layer, "its window of %lld does not fit into %lld x %lld",
                      (long long)v->size, (long long)layer->in.h, (long long)layer->in.w);
    *out =
        (struct cnn_darknet_value){.c = v->filters,
                                   .h = (layer->in.h + 2 * v->padding - v->size) / v->stride + 1,
                                   .w = (layer->in.w + 2 * v->padding - v->size) / v->stride + 1};
    return CNN_OK;
}

/* The file has biases, statistics, weights. */
static cnn_status translate_convolutional(struct cnn_darknet_net *n, struct layer *layer)
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
    return activate(n, layer, "logistic", &layer->out.value);
}

/* The file has biases, weights, statistics. */
static cnn_status translate_connected(struct cnn_darknet_net *n, struct layer *layer)
{
    const int64_t inputs = layer->in.c * layer->in.h * layer->in.w;
    const bool transposed = n->weights.transposed;
    int64_t units = 1, normalized = 0;
    struct cnn_protobuf_bytes biases, bytes;
    struct statistics s;
    if (!get(n, layer, "output", 1, &units) || !get(n, layer, "batch_normalize", 0, &normalized))
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
    return activate(n, layer, "logistic", &layer->out.value);
}

/* ---- Windows ---- */

/* Padding is a total, of which the smaller half comes first. What no window reaches is left out. */
static cnn_status translate_maxpool(struct cnn_darknet_net *n, struct layer *layer)
{
    const int64_t in[2] = {layer->in.h, layer->in.w};
    int64_t size = 0, stride = 1, padding, out[2], behind[2];
    if (!get(n, layer, "stride", 1, &stride))
        return CNN_FAILED;
    size = stride;
    if (!get(n, layer, "size", 1, &size))
        return CNN_FAILED;
    padding = size - 1;
    if (!get(n, layer, "padding", 0, &padding))
        return CNN_FAILED;
    const int64_t before = padding / 2;
    for (size_t i = 0; i < 2; i++) {
        if (in[i] + padding < size || before >= size)
            return refuse(n, layer, "its window of %lld with a padding of %lld does not fit",
                          (long long)size, (long long)padding);
        out[i] = (in[i] + padding - size) / stride + 1;
        behind[i] = (out[i] - 1) * stride + size - before - in[i];
        behind[i] = behind[i] > 0 ? behind[i] : 0;
    }
    cnn_onnx_draft_node(&n->draft, "MaxPool", layer->name);
    cnn_onnx_draft_input(&n->draft, layer->in.value);
    cnn_onnx_draft_ints(&n->draft, "kernel_shape", (const int64_t[]){size, size}, 2);
    cnn_onnx_draft_ints(&n->draft, "strides", (const int64_t[]){stride, stride}, 2);
    cnn_onnx_draft_ints(&n->draft, "pads", (const int64_t[]){before, before, behind[0], behind[1]},
                        4);
    layer->out =
        (struct cnn_darknet_value){cnn_onnx_draft_output(&n->draft), layer->in.c, out[0], out[1]};
    return CNN_OK;
}

static cnn_status translate_avgpool(struct cnn_darknet_net *n, struct layer *layer)
{
    layer->out = (struct cnn_darknet_value){
        cnn_onnx_draft_unary(&n->draft, "GlobalAveragePool", layer->name, layer->in.value),
        layer->in.c, 1, 1};
    return CNN_OK;
}

static cnn_status translate_upsample(struct cnn_darknet_net *n, struct layer *layer)
{
    int64_t stride = 2, scale = 1;
    if (!get(n, layer, "stride", 1, &stride) || !get(n, layer, "scale", 1, &scale))
        return CNN_FAILED;
    const float scales[] = {1, 1, (float)stride, (float)stride};
    layer->out = (struct cnn_darknet_value){layer->in.value, layer->in.c, layer->in.h * stride,
                                            layer->in.w * stride};
    if (scale != 1 || layer->out.h > MAX_SIDE || layer->out.w > MAX_SIDE)
        return refuse(n, layer, "its scale is not 1, or it makes maps too large");
    cnn_onnx_draft_node(&n->draft, "Resize", layer->name);
    cnn_onnx_draft_input(&n->draft, layer->in.value);
    cnn_onnx_draft_input(&n->draft, NULL);
    cnn_onnx_draft_input(&n->draft, cnn_onnx_draft_floats(&n->draft, layer->name, "scales",
                                                          (struct cnn_onnx_dims){1, {4}}, scales));
    cnn_onnx_draft_word(&n->draft, "mode", "nearest");
    cnn_onnx_draft_word(&n->draft, "coordinate_transformation_mode", "asymmetric");
    cnn_onnx_draft_word(&n->draft, "nearest_mode", "floor");
    layer->out.value = cnn_onnx_draft_output(&n->draft);
    return CNN_OK;
}

/* ---- Layers that read others ---- */

/* Layer `index` of the file, or so many before the one at hand. */
static cnn_status find_source(struct cnn_darknet_net *n, const struct layer *layer, int64_t index,
                              struct cnn_darknet_value *out)
{
    int64_t number = index < 0 ? (int64_t)n->number + index : index;
    if (number < 0 || number >= (int64_t)n->number)
        return refuse(n, layer, "%lld is no layer before it", (long long)index);
    *out = n->values[number];
    return CNN_OK;
}

/* Channels [begin, end) of the value. */
static void take_channels(struct cnn_darknet_net *n, const char *name, int64_t begin, int64_t end,
                          struct cnn_darknet_value *value)
{
    static const int64_t axis = 1;
    const char *part = cnn_arena_printf(n->draft.arena, "%s_%zu", name, n->draft.tensor_count);
    if (!part) {
        n->draft.failed = true;
        return;
    }
    const char *first = cnn_onnx_draft_integers(&n->draft, part, "start", &begin, 1);
    const char *last = cnn_onnx_draft_integers(&n->draft, part, "end", &end, 1);
    const char *along = cnn_onnx_draft_integers(&n->draft, part, "axis", &axis, 1);
    cnn_onnx_draft_node(&n->draft, "Slice", name);
    cnn_onnx_draft_input(&n->draft, value->value);
    cnn_onnx_draft_input(&n->draft, first);
    cnn_onnx_draft_input(&n->draft, last);
    cnn_onnx_draft_input(&n->draft, along);
    value->value = cnn_onnx_draft_output(&n->draft);
    value->c = end - begin;
}

static const char *join(struct cnn_darknet_net *n, const char *name,
                        const struct cnn_darknet_value *parts, size_t count)
{
    cnn_onnx_draft_node(&n->draft, "Concat", name);
    for (size_t i = 0; i < count; i++)
        cnn_onnx_draft_input(&n->draft, parts[i].value);
    cnn_onnx_draft_int(&n->draft, "axis", 1);
    return cnn_onnx_draft_output(&n->draft);
}

static cnn_status find_routes(struct cnn_darknet_net *n, struct layer *layer,
                              struct cnn_darknet_value *sources, size_t *count)
{
    int64_t indices[CNN_DARKNET_READS], groups = 1, group = 0;
    cnn_status status =
        cnn_darknet_integers(layer->section, "layers", indices, CNN_DARKNET_READS, count, n->diag);
    if (status != CNN_OK || !get(n, layer, "groups", 1, &groups) ||
        !get(n, layer, "group_id", 0, &group))
        return CNN_FAILED;
    if (*count == 0 || group >= groups)
        return refuse(n, layer, "it wants layers, and a group_id below groups");
    for (size_t i = 0; i < *count && status == CNN_OK; i++)
        status = find_source(n, layer, indices[i], &sources[i]);
    for (size_t i = 0; i < *count && status == CNN_OK; i++) {
        if (sources[i].c % groups != 0)
            status = refuse(n, layer, "%lld channels are not divided by %lld groups",
                            (long long)sources[i].c, (long long)groups);
        else if (sources[i].h != sources[0].h || sources[i].w != sources[0].w)
            status = refuse(n, layer, "the maps that it joins are of different sizes");
        else if (groups > 1 && sources[i].value)
            take_channels(n, layer->name, sources[i].c / groups * group,
                          sources[i].c / groups * (group + 1), &sources[i]);
    }
    return status;
}

static cnn_status translate_route(struct cnn_darknet_net *n, struct layer *layer)
{
    struct cnn_darknet_value sources[CNN_DARKNET_READS];
    size_t count = 0;
    cnn_status status = find_routes(n, layer, sources, &count);
    if (status != CNN_OK)
        return status;
    layer->out = sources[0];
    for (size_t i = 1; i < count; i++)
        layer->out.c += sources[i].c;
    for (size_t i = 0; i < count; i++)
        if (!sources[i].value)
            return refuse(n, layer, "it reads what a head gives");
    if (count > 1)
        layer->out.value = join(n, layer->name, sources, count);
    return CNN_OK;
}

/* Adds other maps to the layer's. Of larger ones every second, third ... row and column counts, and
 * only the channels that both have are added. */
static cnn_status add_maps(struct cnn_darknet_net *n, struct layer *layer,
                           struct cnn_darknet_value other)
{
    struct cnn_darknet_value *out = &layer->out, parts[2] = {*out, *out};
    const int64_t stride = other.w / out->w, common = other.c < out->c ? other.c : out->c;
    if (!other.value || stride < 1 || other.w != stride * out->w || other.h != stride * out->h)
        return refuse(n, layer, "it cannot add %lld x %lld x %lld to %lld x %lld x %lld",
                      (long long)other.c, (long long)other.h, (long long)other.w, (long long)out->c,
                      (long long)out->h, (long long)out->w);
    if (stride > 1) {
        cnn_onnx_draft_node(&n->draft, "MaxPool", layer->name);
        cnn_onnx_draft_input(&n->draft, other.value);
        cnn_onnx_draft_ints(&n->draft, "kernel_shape", (const int64_t[]){1, 1}, 2);
        cnn_onnx_draft_ints(&n->draft, "strides", (const int64_t[]){stride, stride}, 2);
        other.value = cnn_onnx_draft_output(&n->draft);
    }
    if (other.c > common)
        take_channels(n, layer->name, 0, common, &other);
    if (out->c > common) {
        take_channels(n, layer->name, 0, common, &parts[0]);
        take_channels(n, layer->name, common, out->c, &parts[1]);
    }
    out->value = parts[0].value =
        cnn_onnx_draft_binary(&n->draft, "Add", layer->name, parts[0].value, other.value);
    if (out->c > common)
        out->value = join(n, layer->name, parts, 2);
    return CNN_OK;
}

static cnn_status translate_shortcut(struct cnn_darknet_net *n, struct layer *layer)
{
    int64_t indices[CNN_DARKNET_READS];
    size_t count = 0;
    const struct cnn_darknet_option *weights = cnn_darknet_find(layer->section, "weights_type");
    cnn_status status =
        cnn_darknet_integers(layer->section, "from", indices, CNN_DARKNET_READS, &count, n->diag);
    if (status != CNN_OK)
        return status;
    layer->out = layer->in;
    if (count == 0 || (weights && strcmp(weights->value, "none") != 0))
        return refuse(n, layer, "it wants `from`, and no weights of its own");
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        struct cnn_darknet_value other;
        status = find_source(n, layer, indices[i], &other);
        if (status == CNN_OK)
            status = add_maps(n, layer, other);
    }
    return status == CNN_OK ? activate(n, layer, "linear", &layer->out.value) : status;
}

/* Maps times a number for each channel. */
static cnn_status translate_scale_channels(struct cnn_darknet_net *n, struct layer *layer)
{
    int64_t index = 0, per_map = 0;
    struct cnn_darknet_value maps;
    const cnn_status read =
        cnn_darknet_integer(layer->section, "from", -MAX_SIDE, MAX_SIDE, &index, n->diag);
    if (read != CNN_OK || !get(n, layer, "scale_wh", 0, &per_map))
        return CNN_FAILED;
    cnn_status status = find_source(n, layer, index, &maps);
    if (status != CNN_OK)
        return status;
    layer->out = maps;
    if (!maps.value || per_map || layer->in.h != 1 || layer->in.w != 1 || layer->in.c != maps.c)
        return refuse(n, layer, "it wants one number for each channel of the maps");
    layer->out.value =
        cnn_onnx_draft_binary(&n->draft, "Mul", layer->name, maps.value, layer->in.value);
    return activate(n, layer, "linear", &layer->out.value);
}

/* ---- The others ---- */

static cnn_status translate_activation(struct cnn_darknet_net *n, struct layer *layer)
{
    layer->out = layer->in;
    return activate(n, layer, "linear", &layer->out.value);
}

/* Nothing that its options say counts here. */
static void see_all(struct layer *layer)
{
    for (struct cnn_darknet_option *o = layer->section->first; o; o = o->next)
        o->seen = true;
}

static cnn_status translate_nothing(struct cnn_darknet_net *n, struct layer *layer)
{
    layer->out = layer->in;
    n->dropped++;
    see_all(layer);
    return CNN_OK;
}

static cnn_status translate_softmax(struct cnn_darknet_net *n, struct layer *layer)
{
    const struct cnn_darknet_option *temperature = cnn_darknet_find(layer->section, "temperature");
    int64_t groups = 1;
    layer->out = layer->in;
    if (!get(n, layer, "groups", 1, &groups))
        return CNN_FAILED;
    if (groups != 1 || (temperature && strcmp(temperature->value, "1") != 0))
        return refuse(n, layer, "only one group at temperature 1 is supported");
    const char *flat = cnn_onnx_draft_unary(&n->draft, "Flatten", layer->name, layer->in.value);
    cnn_onnx_draft_node(&n->draft, "Softmax", layer->name);
    cnn_onnx_draft_input(&n->draft, flat);
    cnn_onnx_draft_int(&n->draft, "axis", 1);
    layer->out.value = cnn_onnx_draft_output(&n->draft);
    layer->out.c *= layer->out.h * layer->out.w;
    layer->out.h = layer->out.w = 1;
    return CNN_OK;
}

/* What a head reads is an output of the network; what it computes are boxes, which no layer is. */
static cnn_status translate_head(struct cnn_darknet_net *n, struct layer *layer)
{
    layer->out = layer->in;
    layer->out.value = NULL;
    n->outputs[n->output_count++] = layer->in.value;
    n->heads++;
    see_all(layer);
    return CNN_OK;
}

static const struct {
    const char *name;
    cnn_status (*translate)(struct cnn_darknet_net *n, struct layer *layer);
} rules[] = {{"convolutional", translate_convolutional},
             {"conv", translate_convolutional},
             {"connected", translate_connected},
             {"conn", translate_connected},
             {"maxpool", translate_maxpool},
             {"max", translate_maxpool},
             {"avgpool", translate_avgpool},
             {"avg", translate_avgpool},
             {"upsample", translate_upsample},
             {"route", translate_route},
             {"shortcut", translate_shortcut},
             {"scale_channels", translate_scale_channels},
             {"activation", translate_activation},
             {"dropout", translate_nothing},
             {"cost", translate_nothing},
             {"softmax", translate_softmax},
             {"soft", translate_softmax},
             {"yolo", translate_head},
             {"region", translate_head},
             {"detection", translate_head}};

static cnn_status translate_layer(struct cnn_darknet_net *n, struct layer *layer)
{
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        if (strcmp(rules[i].name, layer->section->name) != 0)
            continue;
        if (!layer->in.value && strcmp(rules[i].name, "route") != 0)
            return refuse(n, layer, "it reads what a head gives");
        cnn_status status = rules[i].translate(n, layer);
        return status == CNN_OK ? check_options(n, layer) : status;
    }
    return refuse(n, layer, "no layer does what it does");
}

/* All layers that are no layers here are named. Behind one whose sizes are unknown nothing can be
 * said. */
static void name_unknown(struct cnn_darknet_net *n)
{
    for (n->number = 0; n->number + 1 < n->file->count; n->number++) {
        const struct layer layer = {.section = &n->file->sections[n->number + 1], .name = ""};
        size_t i = 0, count = sizeof rules / sizeof *rules;
        while (i < count && strcmp(rules[i].name, layer.section->name) != 0)
            i++;
        if (i < count)
            continue;
        n->wrong = true;
        refuse(n, &layer, "no layer does what it does");
    }
}

static cnn_status walk(struct cnn_darknet_net *n)
{
    struct cnn_darknet_value before = n->input;
    for (n->number = 0; n->number + 1 < n->file->count; n->number++) {
        struct layer layer = {.section = &n->file->sections[n->number + 1], .in = before};
        layer.name = cnn_arena_printf(n->draft.arena, "%s%zu", layer.section->name, n->number);
        if (!layer.name)
            return cnn_fail_memory(n->diag, 100, "a layer");
        cnn_status status = translate_layer(n, &layer);
        if (status != CNN_OK)
            return status;
        if (layer.out.c * layer.out.h > MAX_COUNT / layer.out.w)
            return refuse(n, &layer, "it gives more than 2^28 numbers");
        before = n->values[n->number] = layer.out;
    }
    if (n->output_count == 0)
        n->outputs[n->output_count++] = before.value;
    return CNN_OK;
}

/* A network of other layers may have no images. */
static cnn_status check_input(struct cnn_darknet_net *n)
{
    const struct cnn_darknet_value *input = &n->input;
    const struct cnn_where *where = &n->file->sections[0].where;
    if (n->wrong)
        return CNN_INVALID;
    if (input->h == 0 || input->w == 0)
        return cnn_fail(n->diag, CNN_INVALID, where,
                        "it does not say how many rows and columns an image has: height, width");
    if (input->c * input->h > MAX_COUNT / input->w)
        return cnn_fail(n->diag, CNN_INVALID, where, "an image has more than 2^28 numbers");
    return CNN_OK;
}

cnn_status cnn_darknet_translate(struct cnn_darknet_net *n)
{
    n->values = cnn_arena_array(n->draft.arena, n->file->count, sizeof *n->values);
    n->outputs = cnn_arena_array(n->draft.arena, n->file->count + 1, sizeof *n->outputs);
    if (!n->values || !n->outputs)
        return cnn_fail_memory(n->diag, n->file->count * sizeof *n->values, "layers");
    if (n->file->count < 2)
        return cnn_fail(n->diag, CNN_FAILED, &n->file->sections[0].where, "there are no layers");
    name_unknown(n);
    cnn_status status = check_input(n);
    if (status == CNN_OK)
        status = walk(n);
    if (status == CNN_OK && n->weights.at != n->weights.size) {
        status = cnn_fail(n->diag, CNN_FAILED, NULL,
                          "%s has %zu bytes more than the layers of the .cfg have weights for",
                          n->weights.name, n->weights.size - n->weights.at);
        cnn_hint(n->diag, "it belongs to another .cfg");
    }
    return status;
}
