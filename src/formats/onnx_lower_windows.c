/* Lowering of operators that move a window over maps: convolutions and pooling. */
#include <string.h>

#include "formats/onnx_lower_internal.h"

struct window {
    size_t kernel[2], stride[2], dilation[2], groups;
    size_t pads[4]; /* top, left, bottom, right */
};

static bool get_pair(const struct cnn_lower_step *step, const char *name, size_t otherwise,
                     size_t *out)
{
    const int64_t *values;
    size_t count;
    if (!cnn_onnx_get_ints(&step->call, name, &values, &count))
        return false;
    for (size_t i = 0; i < 2; i++)
        out[i] = count == 2 ? (size_t)values[i] : otherwise;
    return true;
}

/* Padding on both ends of an axis, such that in / stride rounded up are the windows. */
static void pad_same(struct window *w, size_t axis, size_t in, bool upper)
{
    size_t span = (w->kernel[axis] - 1) * w->dilation[axis] + 1;
    size_t out = (in + w->stride[axis] - 1) / w->stride[axis];
    size_t wanted = (out - 1) * w->stride[axis] + span, total = wanted > in ? wanted - in : 0;
    w->pads[axis] = upper ? total / 2 : total - total / 2;
    w->pads[axis + 2] = total - w->pads[axis];
}

/* The attributes, which the reference has seen to be right. */
static cnn_status read_window(struct cnn_lower_step *step, struct window *w)
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    const int64_t *pads;
    int64_t groups;
    size_t count, word;
    *w = (struct window){.groups = 1};
    if (x->rank != 4)
        return cnn_lower_refuse(step, "its input has %zu dimensions, not the 4 of images", x->rank);
    if (!get_pair(step, "kernel_shape", 1, w->kernel) || !get_pair(step, "strides", 1, w->stride) ||
        !get_pair(step, "dilations", 1, w->dilation) ||
        !cnn_onnx_get_ints(&step->call, "pads", &pads, &count) ||
        !cnn_onnx_get_int(&step->call, "group", 1, &groups) ||
        !cnn_onnx_get_word(&step->call, "auto_pad", words, &word))
        return CNN_INVALID;
    w->groups = (size_t)groups;
    for (size_t i = 0; i < 4 && count == 4; i++)
        w->pads[i] = (size_t)pads[i];
    if (!cnn_onnx_attribute(step->step->node, "kernel_shape")) {
        w->kernel[0] = cnn_lower_array(step, 1)->dims[2];
        w->kernel[1] = cnn_lower_array(step, 1)->dims[3];
    }
    for (size_t i = 0; i < 2 && word > 0; i++) {
        w->pads[i] = w->pads[i + 2] = 0;
        if (word < 3)
            pad_same(w, i, x->dims[2 + i], word == 1);
    }
    return CNN_OK;
}

static void key_pair(struct cnn_lowered_layer *layer, const char *name, const size_t *pair,
                     size_t otherwise)
{
    if (pair[0] == pair[1] && pair[0] != otherwise)
        cnn_lower_key(layer, "%s: %zu", name, pair[0]);
    else if (pair[0] != pair[1])
        cnn_lower_key(layer, "%s: [%zu, %zu]", name, pair[0], pair[1]);
}

static void key_padding(struct cnn_lowered_layer *layer, const size_t *pads)
{
    if (pads[0] != pads[2] || pads[1] != pads[3])
        cnn_lower_key(layer, "padding: [%zu, %zu, %zu, %zu]", pads[0], pads[2], pads[1], pads[3]);
    else
        key_pair(layer, "padding", pads, 0);
}

/* Zeros around the maps become the convolution's padding. */
static struct cnn_view *take_pads(struct cnn_lower_step *step, struct window *w,
                                  struct cnn_view *bare)
{
    *bare = *cnn_lower_view(step, 0);
    if (!cnn_view_has_pads(bare))
        return cnn_lower_maps(step, 0);
    for (size_t i = 0; i < 4; i++) {
        w->pads[i] += bare->pads[i];
        bare->pads[i] = 0;
    }
    cnn_lower_note(step->l, "folded: the Pad before '%s' into its padding",
                   step->step->node->name ? step->step->node->name : "");
    return bare;
}

static cnn_status lower_conv(struct cnn_lower_step *step)
{
    struct window w;
    struct cnn_view bare;
    cnn_status status = read_window(step, &w);
    struct cnn_view *x = status == CNN_OK ? take_pads(step, &w, &bare) : NULL;
    if (!x)
        return CNN_INVALID;
    const cnn_shape shape = cnn_lower_shape(step);
    const struct cnn_onnx_array *weight = cnn_lower_array(step, 1),
                                *bias = cnn_lower_array(step, 2);
    const bool depthwise = w.groups > 1 && w.groups == x->shape.c;
    size_t count = weight->count;
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, depthwise ? "depthwise_conv" : "conv", &x->layer, 1, 1, shape);
    if (!layer)
        return CNN_INVALID;
    if (!depthwise)
        cnn_lower_key(layer, "filters: %zu", shape.c);
    else if (shape.c != x->shape.c)
        cnn_lower_key(layer, "multiplier: %zu", shape.c / x->shape.c);
    key_pair(layer, "kernel_size", w.kernel, 0);
    key_pair(layer, "stride", w.stride, 1);
    key_padding(layer, w.pads);
    key_pair(layer, "dilation", w.dilation, 1);
    if (!depthwise && w.groups > 1)
        cnn_lower_key(layer, "groups: %zu", w.groups);
    if (!bias)
        cnn_lower_key(layer, "bias: false");
    status = cnn_lower_parameter(step, layer, 1, "weight", count);
    if (status == CNN_OK && bias)
        status = cnn_lower_parameter(step, layer, 2, "bias", shape.c);
    if (status == CNN_OK)
        status = cnn_lower_codes(step, step->l->count, shape.c);
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    if (status == CNN_OK)
        cnn_lower_give(step, &y);
    return status;
}

/* What stands beyond the size that the file wants, or is wanting to it, is padding. */
static void fit_output(const struct cnn_lower_step *step, struct window *w, size_t extra[2])
{
    static const char *const words[] = {"NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID", NULL};
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    size_t word = 0;
    if (!cnn_onnx_get_word(&step->call, "auto_pad", words, &word) ||
        (!cnn_onnx_attribute(step->step->node, "output_shape") && word != 1 && word != 2))
        return;
    for (size_t i = 0; i < 2; i++) {
        const size_t full = (x->dims[2 + i] - 1) * w->stride[i] + extra[i] +
                            (w->kernel[i] - 1) * w->dilation[i] + 1;
        const size_t out = y->dims[2 + i], total = full > out ? full - out : 0;
        w->pads[i] = word == 1 ? total / 2 : total - total / 2;
        w->pads[i + 2] = total - w->pads[i];
        extra[i] += out > full ? out - full : 0;
    }
}

static cnn_status lower_conv_transpose(struct cnn_lower_step *step)
{
    struct window w;
    size_t extra[2];
    struct cnn_view *x = read_window(step, &w) == CNN_OK ? cnn_lower_maps(step, 0) : NULL;
    if (!x || !get_pair(step, "output_padding", 0, extra))
        return CNN_INVALID;
    const cnn_shape shape = cnn_lower_shape(step);
    fit_output(step, &w, extra);
    for (size_t i = 0; i < 2; i++)
        if (extra[i] >= w.stride[i] && extra[i] >= w.dilation[i])
            return cnn_lower_refuse(step, "its output goes %zu numbers beyond its windows",
                                    extra[i]);
    const size_t count = cnn_lower_array(step, 1)->count;
    const bool biased = cnn_lower_array(step, 2) != NULL;
    struct cnn_lowered_layer *layer = cnn_lower_add(step, "conv_transpose", &x->layer, 1, 1, shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "filters: %zu", shape.c);
    key_pair(layer, "kernel_size", w.kernel, 0);
    key_pair(layer, "stride", w.stride, 1);
    key_padding(layer, w.pads);
    key_pair(layer, "output_padding", extra, 0);
    key_pair(layer, "dilation", w.dilation, 1);
    if (w.groups > 1)
        cnn_lower_key(layer, "groups: %zu", w.groups);
    if (!biased)
        cnn_lower_key(layer, "bias: false");
    if (cnn_lower_parameter(step, layer, 1, "weight", count) != CNN_OK ||
        (biased && cnn_lower_parameter(step, layer, 2, "bias", shape.c) != CNN_OK))
        return CNN_INVALID;
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

/* ---- Pooling ---- */

static void key_pool(struct cnn_lowered_layer *layer, const struct window *w, bool max)
{
    cnn_lower_key(layer, "pool_type: %s", max ? "max" : "avg");
    key_pair(layer, "kernel_size", w->kernel, 0);
    if (w->stride[0] != w->kernel[0] || w->stride[1] != w->kernel[1])
        key_pair(layer, "stride", w->stride, 0);
    key_padding(layer, w->pads);
}

/* A window of one number in each place. */
static bool is_identity(const struct window *w)
{
    size_t pads = w->pads[0] + w->pads[1] + w->pads[2] + w->pads[3];
    return w->kernel[0] * w->kernel[1] * w->stride[0] * w->stride[1] == 1 && pads == 0;
}

/* The maps that a pool reads. An average over zeros around the maps is one over padding that
 * counts. */
static struct cnn_view *pool_input(struct cnn_lower_step *step, struct window *w, bool max,
                                   bool *count_pad, struct cnn_view *bare)
{
    const size_t own = w->pads[0] + w->pads[1] + w->pads[2] + w->pads[3];
    if (!cnn_view_has_pads(cnn_lower_view(step, 0)) || max || own > 0)
        return cnn_lower_maps(step, 0);
    *count_pad = true;
    return take_pads(step, w, bare);
}

static cnn_status lower_pool(struct cnn_lower_step *step)
{
    const bool max = strcmp(step->step->node->op_type, "MaxPool") == 0;
    struct window w;
    struct cnn_view bare;
    int64_t ceil_mode, counted;
    if (read_window(step, &w) != CNN_OK ||
        !cnn_onnx_get_int(&step->call, "ceil_mode", 0, &ceil_mode) ||
        !cnn_onnx_get_int(&step->call, "count_include_pad", 0, &counted))
        return CNN_INVALID;
    if (w.dilation[0] != 1 || w.dilation[1] != 1)
        return cnn_lower_refuse(step, "pooling with a dilation is not supported");
    if (is_identity(&w))
        return cnn_lower_nothing(step);
    bool count_pad = counted != 0;
    struct cnn_view *x = pool_input(step, &w, max, &count_pad, &bare);
    const cnn_shape shape = cnn_lower_shape(step);
    struct cnn_lowered_layer *layer =
        x ? cnn_lower_add(step, "pool", &x->layer, 1, CNN_ONNX_NONE, shape) : NULL;
    if (!layer)
        return CNN_INVALID;
    key_pool(layer, &w, max);
    if (ceil_mode)
        cnn_lower_key(layer, "ceil_mode: true");
    if (!max && !count_pad && w.pads[0] + w.pads[1] + w.pads[2] + w.pads[3] > 0)
        cnn_lower_key(layer, "count_include_pad: false");
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_window_rules[] = {{"Conv", lower_conv},
                                                        {"ConvTranspose", lower_conv_transpose},
                                                        {"MaxPool", lower_pool},
                                                        {"AveragePool", lower_pool},
                                                        {NULL, NULL}};
