/* Lowering of operators with windows or parameters. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"

static void copy_floats(float *out, const double *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)values[i];
}

/* Each must be a number that float32 has; one that is not is told by its name in the file. */
static bool check_finite(struct cnn_lower_step *step, size_t i, const double *values, size_t count)
{
    size_t at = 0;
    while (at < count && fabs(values[at]) <= (double)FLT_MAX)
        at++;
    if (at == count)
        return true;
    step->l->damaged = true;
    cnn_lower_refuse(step, "'%s': number %zu of %zu is %s",
                     step->l->file->values[step->step->inputs[i]].name, at + 1, count,
                     isfinite(values[at]) ? "too large for float32" : "not finite");
    return false;
}

/* Numbers of constant input i, count of them, as a parameter. */
static cnn_status copy_parameter(struct cnn_lower_step *step, struct cnn_lowered_layer *layer,
                                 size_t i, const char *suffix, size_t count)
{
    const struct cnn_onnx_array *array = cnn_lower_array(step, i);
    if (!array->constant || array->count != count)
        return cnn_lower_refuse(
            step, array->constant ? "input %zu is of another size" : "input %zu is not a constant",
            i + 1);
    const double *values = cnn_lower_numbers(step, i);
    if (values && !check_finite(step, i, values, count))
        return CNN_INVALID;
    float *out = values ? cnn_lower_tensor(step, layer, suffix, count) : NULL;
    if (!out)
        return CNN_INVALID;
    copy_floats(out, values, count);
    return CNN_OK;
}

/* ---- Windows ---- */

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
    status = copy_parameter(step, layer, 1, "weight", count);
    if (status == CNN_OK && bias)
        status = copy_parameter(step, layer, 2, "bias", shape.c);
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
    if (copy_parameter(step, layer, 1, "weight", count) != CNN_OK ||
        (biased && copy_parameter(step, layer, 2, "bias", shape.c) != CNN_OK))
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

/* ---- Products ---- */

/* The weights [units][inputs] of a product x * b: b is [inputs][units], or its transpose, and
 * column i of the weights is that of place order(i) of the layer that is read. */
static void pack_weights(float *out, const double *b, const struct cnn_view *x, size_t units,
                         bool transposed)
{
    const size_t inputs = cnn_view_count(x);
    for (size_t i = 0; i < inputs; i++) {
        size_t place = cnn_view_place(x, i);
        for (size_t u = 0; u < units; u++)
            out[u * inputs + place] = (float)b[transposed ? u * inputs + i : i * units + u];
    }
}

/* A dense layer behind a flatten, where that is wanted. *x is then flat. */
static struct cnn_lowered_layer *add_dense(struct cnn_lower_step *step, struct cnn_view *x,
                                           size_t units)
{
    if (x->shape.rank == 3) { /* whose numbers x may have in another order */
        struct cnn_view flat = *x;
        if (!cnn_lower_flatten(step, &flat))
            return NULL;
        x->layer = flat.layer;
        x->shape = flat.shape;
    }
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "dense", &x->layer, 1, 1, (cnn_shape){1, units, 1, 1});
    if (layer)
        cnn_lower_key(layer, "units: %zu", units);
    return layer;
}

/* Whether the view has each number of its layer once: padding, or a part of it, does not. */
static bool is_whole(const struct cnn_view *x)
{
    return cnn_view_count(x) == x->shape.c * x->shape.h * x->shape.w && !cnn_view_has_pads(x);
}

static cnn_status gemm_bias(struct cnn_lower_step *step, size_t layer, size_t units, double beta)
{
    const struct cnn_onnx_array *c = cnn_lower_array(step, 2);
    if (!c) {
        cnn_lower_key(&step->l->layers[layer - 1], "bias: false");
        return CNN_OK;
    }
    if (!c->constant || (c->count != units && c->count != 1) ||
        (c->rank > 1 && c->dims[c->rank - 1] != c->count))
        return cnn_lower_refuse(step, "its C is not a constant with a number for each unit");
    const double *values = cnn_lower_numbers(step, 2);
    float *bias =
        values ? cnn_lower_tensor(step, &step->l->layers[layer - 1], "bias", units) : NULL;
    if (!bias)
        return CNN_INVALID;
    for (size_t i = 0; i < units; i++)
        bias[i] = (float)(beta * values[c->count == 1 ? 0 : i]);
    return CNN_OK;
}

static cnn_status lower_gemm(struct cnn_lower_step *step)
{
    double alpha, beta;
    int64_t ta, tb;
    const struct cnn_onnx_array *b = cnn_lower_array(step, 1);
    struct cnn_view x = *cnn_lower_view(step, 0);
    if (!cnn_onnx_get_float(&step->call, "alpha", 1, &alpha) ||
        !cnn_onnx_get_float(&step->call, "beta", 1, &beta) ||
        !cnn_onnx_get_int(&step->call, "transA", 0, &ta) ||
        !cnn_onnx_get_int(&step->call, "transB", 0, &tb))
        return CNN_INVALID;
    if (cnn_lower_is_constant(step, 0) || !b->constant || ta || x.rank != 1 || !is_whole(&x))
        return cnn_lower_refuse(step,
                                "it does not multiply what a layer gives by constant weights");
    const size_t units = b->dims[tb ? 0 : 1];
    struct cnn_lowered_layer *layer = add_dense(step, &x, units);
    const size_t number = step->l->count;
    const double *values = layer ? cnn_lower_numbers(step, 1) : NULL;
    float *weight = values ? cnn_lower_tensor(step, layer, "weight", b->count) : NULL;
    if (!weight)
        return CNN_INVALID;
    pack_weights(weight, values, &x, units, tb != 0);
    for (size_t i = 0; alpha != 1 && i < b->count; i++)
        weight[i] = (float)(alpha * (double)weight[i]);
    if (gemm_bias(step, number, units, beta) != CNN_OK ||
        cnn_lower_codes(step, number, units) != CNN_OK)
        return CNN_INVALID;
    struct cnn_view y = cnn_view_of(number, (cnn_shape){1, units, 1, 1});
    cnn_lower_give(step, &y);
    return CNN_OK;
}

/* A product over the channels at each place is a convolution with kernels of one number. */
static cnn_status lower_pointwise(struct cnn_lower_step *step, const struct cnn_view *x)
{
    const struct cnn_onnx_array *b = cnn_lower_array(step, 1);
    const size_t inputs = b->dims[0], units = b->dims[1];
    const cnn_shape shape = {3, units, x->shape.h, x->shape.w};
    struct cnn_lowered_layer *layer = cnn_lower_add(step, "conv", &x->layer, 1, 1, shape);
    const double *values = layer ? cnn_lower_numbers(step, 1) : NULL;
    float *weight = values ? cnn_lower_tensor(step, layer, "weight", b->count) : NULL;
    if (!weight)
        return CNN_INVALID;
    cnn_lower_key(layer, "filters: %zu, kernel_size: 1, bias: false", units);
    for (size_t i = 0; i < inputs; i++)
        for (size_t u = 0; u < units; u++)
            weight[u * inputs + i] = (float)values[i * units + u];
    struct cnn_view y = cnn_view_with_channels(x, x->rank - 1, step->l->count, shape);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

static cnn_status lower_matmul(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *b = cnn_lower_array(step, 1);
    if (cnn_lower_is_constant(step, 0) || !b->constant || b->rank != 2)
        return cnn_lower_refuse(step,
                                "it does not multiply what a layer gives by constant weights");
    struct cnn_view x = *cnn_lower_view(step, 0);
    if (x.rank > 1 && x.shape.rank == 3 && cnn_view_is_channels(&x, x.rank - 1) && is_whole(&x))
        return lower_pointwise(step, &x);
    if (x.rank != 1 || !is_whole(&x))
        return cnn_lower_refuse(step, "its product is not over the channels");
    const size_t units = b->dims[1];
    struct cnn_lowered_layer *layer = add_dense(step, &x, units);
    const double *values = layer ? cnn_lower_numbers(step, 1) : NULL;
    float *weight = values ? cnn_lower_tensor(step, layer, "weight", b->count) : NULL;
    if (!weight)
        return CNN_INVALID;
    cnn_lower_key(layer, "bias: false");
    pack_weights(weight, values, &x, units, false);
    if (cnn_lower_codes(step, step->l->count, units) != CNN_OK)
        return CNN_INVALID;
    struct cnn_view y = cnn_view_of(step->l->count, (cnn_shape){1, units, 1, 1});
    cnn_lower_give(step, &y);
    return CNN_OK;
}

/* ---- Normalisations ---- */

static cnn_status lower_batch_norm(struct cnn_lower_step *step)
{
    static const char *const suffixes[] = {"weight", "bias", "running_mean", "running_var"};
    double epsilon;
    struct cnn_view *x =
        cnn_lower_view(step, 0)->rank == 1 ? cnn_lower_view(step, 0) : cnn_lower_maps(step, 0);
    if (!x || !cnn_onnx_get_float(&step->call, "epsilon", (double)1e-5f, &epsilon) ||
        !cnn_lower_list(step, x))
        return CNN_INVALID;
    if (!cnn_view_is_channels(x, 0))
        return cnn_lower_refuse(step, "it normalises over something other than the channels");
    struct cnn_view y = *x;
    struct cnn_lowered_layer *layer = cnn_lower_add(step, "batch_norm", &y.layer, 1, 1, y.shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "eps: %.9g", epsilon);
    for (size_t i = 0; i < 4; i++)
        if (copy_parameter(step, layer, i + 1, suffixes[i], y.shape.c) != CNN_OK)
            return CNN_INVALID;
    y.layer = step->l->count;
    cnn_lower_give(step, &y);
    return CNN_OK;
}

static cnn_status lower_layer_norm(struct cnn_lower_step *step)
{
    struct cnn_view x = *cnn_lower_view(step, 0);
    double epsilon;
    int64_t given;
    size_t axis;
    if (!cnn_onnx_get_float(&step->call, "epsilon", (double)1e-5f, &epsilon) ||
        !cnn_onnx_get_int(&step->call, "axis", -1, &given) ||
        !cnn_onnx_axis(&step->call, given, x.rank + 1, false, &axis) || !cnn_lower_list(step, &x))
        return CNN_INVALID;
    if (axis != x.rank || x.rank == 0 || !cnn_view_is_channels(&x, x.rank - 1))
        return cnn_lower_refuse(step, "it normalises over something other than the channels");
    if (cnn_view_has_pads(&x))
        return cnn_lower_refuse(step, "it changes padding");
    struct cnn_lowered_layer *layer = cnn_lower_add(step, "layer_norm", &x.layer, 1, 1, x.shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "eps: %.9g", epsilon);
    if (copy_parameter(step, layer, 1, "weight", x.shape.c) != CNN_OK ||
        (cnn_lower_array(step, 2) && copy_parameter(step, layer, 2, "bias", x.shape.c) != CNN_OK) ||
        (!cnn_lower_array(step, 2) && !cnn_lower_tensor(step, layer, "bias", x.shape.c)))
        return CNN_INVALID;
    x.layer = step->l->count;
    cnn_lower_give(step, &x);
    return CNN_OK;
}

/* Whether all numbers of constant input i are this one. */
static bool all_are(struct cnn_lower_step *step, size_t i, double value)
{
    const double *values = cnn_lower_numbers(step, i);
    for (size_t k = 0; values && k < cnn_lower_array(step, i)->count; k++)
        if (values[k] < value || values[k] > value)
            return false;
    return values;
}

/* Over each channel, or each of groups of channels, which a Reshape before has made. */
static cnn_status lower_instance_norm(struct cnn_lower_step *step)
{
    struct cnn_view x = *cnn_lower_view(step, 0);
    const size_t groups = x.rank > 1 ? x.dims[0] : 0, c = x.shape.c;
    double epsilon;
    if (!cnn_onnx_get_float(&step->call, "epsilon", (double)1e-5f, &epsilon))
        return CNN_INVALID;
    if (groups == 0 || c % groups != 0 || !cnn_view_in_order(&x) || !is_whole(&x))
        return cnn_lower_refuse(step, "it normalises over something other than groups of channels");
    if (groups != c && (!cnn_lower_is_constant(step, 1) || !cnn_lower_is_constant(step, 2) ||
                        !all_are(step, 1, 1) || !all_are(step, 2, 0)))
        return cnn_lower_refuse(step, "its scale and bias are those of groups");
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "group_norm", &x.layer, 1, groups == c ? 1 : CNN_ONNX_NONE, x.shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "groups: %zu, eps: %.9g", groups, epsilon);
    if (groups != c)
        cnn_lower_key(layer, "affine: false");
    if (groups == c && (copy_parameter(step, layer, 1, "weight", c) != CNN_OK ||
                        copy_parameter(step, layer, 2, "bias", c) != CNN_OK))
        return CNN_INVALID;
    x.layer = step->l->count;
    cnn_lower_give(step, &x);
    return CNN_OK;
}

static cnn_status lower_prelu(struct cnn_lower_step *step)
{
    struct cnn_view y = *cnn_lower_view(step, 0);
    const struct cnn_onnx_array *slope = cnn_lower_array(step, 1);
    const bool last = !cnn_view_is_natural(&y) && cnn_view_channels_first(&y);
    /* dimensions behind the channels */
    const size_t behind = last ? 0 : cnn_lower_array(step, 0)->rank - 2;
    if (!cnn_lower_natural(step, &y))
        return CNN_INVALID;
    const size_t c = y.shape.c;
    if (!slope->constant || (slope->count != 1 && slope->count != c) ||
        (slope->count > 1 && (slope->rank <= behind || slope->dims[slope->rank - 1 - behind] != c)))
        return cnn_lower_refuse(step, "its slopes are not one for each channel");
    struct cnn_lowered_layer *layer = cnn_lower_add(step, "prelu", &y.layer, 1, 1, y.shape);
    const double *values = layer ? cnn_lower_numbers(step, 1) : NULL;
    float *weight = values ? cnn_lower_tensor(step, layer, "weight", c) : NULL;
    if (!weight)
        return CNN_INVALID;
    for (size_t i = 0; i < c; i++)
        weight[i] = (float)values[slope->count == 1 ? 0 : i];
    y.layer = step->l->count;
    if (last)
        cnn_view_channels_last(&y);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_weighted_rules[] = {
    {"Conv", lower_conv},
    {"ConvTranspose", lower_conv_transpose},
    {"MaxPool", lower_pool},
    {"AveragePool", lower_pool},
    {"Gemm", lower_gemm},
    {"MatMul", lower_matmul},
    {"BatchNormalization", lower_batch_norm},
    {"LayerNormalization", lower_layer_norm},
    {"InstanceNormalization", lower_instance_norm},
    {"PRelu", lower_prelu},
    {NULL, NULL}};
