/* Layers of Darknet without numbers in the .weights file. */
#include <string.h>

#include "formats/darknet_internal.h"

/* ---- Windows ---- */

/* Padding is a total, of which the smaller half comes first. What no window reaches is left out. */
static cnn_status translate_maxpool(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    const int64_t in[2] = {layer->in.h, layer->in.w};
    int64_t size = 0, stride = 1, padding, out[2], behind[2];
    if (!cnn_darknet_get(n, layer, "stride", 1, &stride))
        return CNN_FAILED;
    size = stride;
    if (!cnn_darknet_get(n, layer, "size", 1, &size))
        return CNN_FAILED;
    padding = size - 1;
    if (!cnn_darknet_get(n, layer, "padding", 0, &padding))
        return CNN_FAILED;
    const int64_t before = padding / 2;
    for (size_t i = 0; i < 2; i++) {
        if (in[i] + padding < size || before >= size)
            return cnn_darknet_refuse(n, layer,
                                      "its window of %lld with a padding of %lld does not fit",
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

static cnn_status translate_avgpool(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    layer->out = (struct cnn_darknet_value){
        cnn_onnx_draft_unary(&n->draft, "GlobalAveragePool", layer->name, layer->in.value),
        layer->in.c, 1, 1};
    return CNN_OK;
}

static cnn_status translate_upsample(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    int64_t stride = 2, scale = 1;
    if (!cnn_darknet_get(n, layer, "stride", 1, &stride) ||
        !cnn_darknet_get(n, layer, "scale", 1, &scale))
        return CNN_FAILED;
    const float scales[] = {1, 1, (float)stride, (float)stride};
    layer->out = (struct cnn_darknet_value){layer->in.value, layer->in.c, layer->in.h * stride,
                                            layer->in.w * stride};
    if (scale != 1 || layer->out.h > CNN_DARKNET_SIDE || layer->out.w > CNN_DARKNET_SIDE)
        return cnn_darknet_refuse(n, layer, "its scale is not 1, or it makes maps too large");
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
static cnn_status find_source(struct cnn_darknet_net *n, const struct cnn_darknet_layer *layer,
                              int64_t index, struct cnn_darknet_value *out)
{
    int64_t number = index < 0 ? (int64_t)n->number + index : index;
    if (number < 0 || number >= (int64_t)n->number)
        return cnn_darknet_refuse(n, layer, "there is no layer %lld before it", (long long)index);
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

static cnn_status find_routes(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer,
                              struct cnn_darknet_value *sources, size_t *count)
{
    int64_t indices[CNN_DARKNET_READS], groups = 1, group = 0;
    cnn_status status =
        cnn_darknet_integers(layer->section, "layers", indices, CNN_DARKNET_READS, count, n->diag);
    if (status != CNN_OK || !cnn_darknet_get(n, layer, "groups", 1, &groups) ||
        !cnn_darknet_get(n, layer, "group_id", 0, &group))
        return CNN_FAILED;
    if (*count == 0 || group >= groups)
        return cnn_darknet_refuse(n, layer, "it needs layers, and a group_id below groups");
    for (size_t i = 0; i < *count && status == CNN_OK; i++)
        status = find_source(n, layer, indices[i], &sources[i]);
    for (size_t i = 0; i < *count && status == CNN_OK; i++) {
        if (sources[i].c % groups != 0)
            status = cnn_darknet_refuse(n, layer, "%lld channels are not divided by %lld groups",
                                        (long long)sources[i].c, (long long)groups);
        else if (sources[i].h != sources[0].h || sources[i].w != sources[0].w)
            status = cnn_darknet_refuse(n, layer, "the maps that it joins are of different sizes");
        else if (groups > 1 && sources[i].value)
            take_channels(n, layer->name, sources[i].c / groups * group,
                          sources[i].c / groups * (group + 1), &sources[i]);
    }
    return status;
}

static cnn_status translate_route(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
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
            return cnn_darknet_refuse(n, layer, "it reads the output of a head");
    if (count > 1)
        layer->out.value = join(n, layer->name, sources, count);
    return CNN_OK;
}

/* Adds other maps to the layer's. Of larger ones every second, third ... row and column counts, and
 * only the channels that both have are added. */
static cnn_status add_maps(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer,
                           struct cnn_darknet_value other)
{
    struct cnn_darknet_value *out = &layer->out, parts[2] = {*out, *out};
    const int64_t stride = other.w / out->w, common = other.c < out->c ? other.c : out->c;
    if (!other.value || stride < 1 || other.w != stride * out->w || other.h != stride * out->h)
        return cnn_darknet_refuse(n, layer,
                                  "it cannot add %lld x %lld x %lld to %lld x %lld x %lld",
                                  (long long)other.c, (long long)other.h, (long long)other.w,
                                  (long long)out->c, (long long)out->h, (long long)out->w);
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

static cnn_status translate_shortcut(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
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
        return cnn_darknet_refuse(n, layer, "it needs `from`, and no weights of its own");
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        struct cnn_darknet_value other;
        status = find_source(n, layer, indices[i], &other);
        if (status == CNN_OK)
            status = add_maps(n, layer, other);
    }
    return status == CNN_OK ? cnn_darknet_activate(n, layer, "linear", &layer->out.value) : status;
}

/* Maps times a number for each channel. */
static cnn_status translate_scale_channels(struct cnn_darknet_net *n,
                                           struct cnn_darknet_layer *layer)
{
    int64_t index = 0, per_map = 0;
    struct cnn_darknet_value maps;
    const cnn_status read = cnn_darknet_integer(layer->section, "from", -CNN_DARKNET_SIDE,
                                                CNN_DARKNET_SIDE, &index, n->diag);
    if (read != CNN_OK || !cnn_darknet_get(n, layer, "scale_wh", 0, &per_map))
        return CNN_FAILED;
    cnn_status status = find_source(n, layer, index, &maps);
    if (status != CNN_OK)
        return status;
    layer->out = maps;
    if (!maps.value || per_map || layer->in.h != 1 || layer->in.w != 1 || layer->in.c != maps.c)
        return cnn_darknet_refuse(n, layer, "it needs one number for each channel of the maps");
    layer->out.value =
        cnn_onnx_draft_binary(&n->draft, "Mul", layer->name, maps.value, layer->in.value);
    return cnn_darknet_activate(n, layer, "linear", &layer->out.value);
}

/* ---- The others ---- */

static cnn_status translate_activation(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    layer->out = layer->in;
    return cnn_darknet_activate(n, layer, "linear", &layer->out.value);
}

/* Nothing that its options say counts here. */
static void see_all(struct cnn_darknet_layer *layer)
{
    for (struct cnn_darknet_option *o = layer->section->first; o; o = o->next)
        o->seen = true;
}

static cnn_status translate_nothing(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    layer->out = layer->in;
    n->dropped++;
    see_all(layer);
    return CNN_OK;
}

static cnn_status translate_softmax(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    const struct cnn_darknet_option *temperature = cnn_darknet_find(layer->section, "temperature");
    int64_t groups = 1;
    layer->out = layer->in;
    if (!cnn_darknet_get(n, layer, "groups", 1, &groups))
        return CNN_FAILED;
    if (groups != 1 || (temperature && strcmp(temperature->value, "1") != 0))
        return cnn_darknet_refuse(n, layer, "only one group at temperature 1 is supported");
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
static cnn_status translate_head(struct cnn_darknet_net *n, struct cnn_darknet_layer *layer)
{
    layer->out = layer->in;
    layer->out.value = NULL;
    n->outputs[n->output_count++] = layer->in.value;
    n->heads++;
    see_all(layer);
    return CNN_OK;
}

const struct cnn_darknet_rule cnn_darknet_map_rules[] = {
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
    {"detection", translate_head},
    {NULL, NULL}};
