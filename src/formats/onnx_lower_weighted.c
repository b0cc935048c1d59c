/* Lowering of products, normalisations and slopes: operators that have parameters but no window. */
#include "formats/onnx_lower_internal.h"

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
        if (cnn_lower_parameter(step, layer, i + 1, suffixes[i], y.shape.c) != CNN_OK)
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
    if (cnn_lower_parameter(step, layer, 1, "weight", x.shape.c) != CNN_OK ||
        (cnn_lower_array(step, 2) &&
         cnn_lower_parameter(step, layer, 2, "bias", x.shape.c) != CNN_OK) ||
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
    if (groups == c && (cnn_lower_parameter(step, layer, 1, "weight", c) != CNN_OK ||
                        cnn_lower_parameter(step, layer, 2, "bias", c) != CNN_OK))
        return CNN_INVALID;
    x.layer = step->l->count;
    cnn_lower_give(step, &x);
    return CNN_OK;
}

static cnn_status lower_prelu(struct cnn_lower_step *step)
{
    struct cnn_view y = *cnn_lower_view(step, 0);
    const struct cnn_onnx_array *slope = cnn_lower_array(step, 1);
    const bool last = cnn_view_take_last(&y);
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
    cnn_view_give_last(&y, last);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_weighted_rules[] = {
    {"Gemm", lower_gemm},
    {"MatMul", lower_matmul},
    {"BatchNormalization", lower_batch_norm},
    {"LayerNormalization", lower_layer_norm},
    {"InstanceNormalization", lower_instance_norm},
    {"PRelu", lower_prelu},
    {NULL, NULL}};
