/* Lowering of sums and products: of layers, and with constants. */
#include <string.h>

#include "formats/onnx_lower_internal.h"

/* ---- Constants that are added or multiplied, one for each channel ---- */

/* Which dimension of x the constant runs over; rank: it is a single number. False: it is something
 * else. */
static bool constant_axis(const struct cnn_onnx_array *c, const struct cnn_view *x, size_t *axis)
{
    *axis = x->rank;
    if (c->rank > x->rank + 1)
        return false;
    for (size_t i = 0; i < c->rank; i++) {
        size_t of = i + x->rank - c->rank; /* may be -1: that of the batch */
        if (c->dims[i] == 1)
            continue;
        if (*axis != x->rank || i + x->rank < c->rank || c->dims[i] != x->dims[of])
            return false;
        *axis = of;
    }
    return true;
}

struct affine {                /* x * scale + bias, by channel: of the step that is lowered */
    size_t constant, variable; /* inputs */
    size_t count;              /* numbers: of channels, or 1 */
};

static bool find_affine(struct cnn_lower_step *step, struct affine *a)
{
    size_t axis;
    a->constant = cnn_lower_is_constant(step, 1) ? 1 : 0;
    a->variable = 1 - a->constant;
    struct cnn_view *x = cnn_lower_view(step, a->variable);
    const struct cnn_onnx_array *c = cnn_lower_array(step, a->constant);
    if (c->count > 1 && !cnn_lower_list(step, x))
        return false;
    if (!constant_axis(c, x, &axis) || (axis < x->rank && !cnn_view_is_channels(x, axis))) {
        cnn_lower_refuse(step, "its constant is not a number for each channel");
        return false;
    }
    a->count = c->count;
    return true;
}

/* The parameter of a layer; NULL: it has none. */
static float *find_tensor(struct cnn_lowered_layer *layer, const char *suffix)
{
    for (size_t i = 0; i < CNN_LOWERED_TENSORS && layer->tensors[i].suffix; i++)
        if (strcmp(layer->tensors[i].suffix, suffix) == 0)
            return layer->tensors[i].values;
    return NULL;
}

static void replace_key(struct cnn_lowered_layer *layer, const char *from)
{
    char *at = layer->keys.data ? strstr(layer->keys.data, from) : NULL;
    size_t length = strlen(from);
    if (!at)
        return;
    memmove(at, at + length, strlen(at + length) + 1);
    layer->keys.size -= length;
}

/* Adds to the bias of the layer that has just been computed, if nobody else reads it and nothing
 * has been done to it: MatMul and Add are one dense layer. */
static bool fold_bias(struct cnn_lower_step *step, const struct affine *a, double sign)
{
    const struct cnn_view *x = cnn_lower_view(step, a->variable);
    const size_t value = step->step->inputs[a->variable];
    struct cnn_lowered_layer *layer = x->layer > 0 ? &step->l->layers[x->layer - 1] : NULL;
    if (!layer || layer->activation || layer->value != value ||
        step->l->file->values[value].readers != 1 ||
        (strcmp(layer->type, "conv") != 0 && strcmp(layer->type, "dense") != 0 &&
         strcmp(layer->type, "depthwise_conv") != 0 && strcmp(layer->type, "scale") != 0))
        return false;
    const bool scale = strcmp(layer->type, "scale") == 0;
    const double *values = cnn_lower_numbers(step, a->constant);
    float *bias = find_tensor(layer, "bias");
    if (values && !bias) {
        bias = cnn_lower_tensor(step, layer, "bias", layer->shape.c);
        replace_key(layer, ", bias: false");
        if (scale)
            cnn_lower_key(layer, "bias: true");
    }
    for (size_t i = 0; bias && values && i < layer->shape.c; i++)
        bias[i] = (float)((double)bias[i] + sign * values[a->count == 1 ? 0 : i]);
    struct cnn_view y = *x;
    cnn_lower_give(step, &y);
    return true;
}

static cnn_status lower_scale(struct cnn_lower_step *step, const struct affine *a, bool multiply,
                              double sign)
{
    struct cnn_view x = *cnn_lower_view(step, a->variable);
    const size_t c = x.shape.c;
    if (cnn_view_has_pads(&x))
        return cnn_lower_refuse(step, "it changes padding");
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "scale", &x.layer, 1, a->constant, x.shape);
    const double *values = layer ? cnn_lower_numbers(step, a->constant) : NULL;
    float *weight = values ? cnn_lower_tensor(step, layer, "weight", c) : NULL;
    float *bias = weight && !multiply ? cnn_lower_tensor(step, layer, "bias", c) : NULL;
    if (!weight || (!multiply && !bias))
        return CNN_INVALID;
    if (!multiply)
        cnn_lower_key(layer, "bias: true");
    for (size_t i = 0; i < c; i++) {
        double value = values[a->count == 1 ? 0 : i];
        weight[i] = multiply ? (float)(sign < 0 ? 1 / value : value) : 1;
        if (!multiply)
            bias[i] = (float)(sign * value);
    }
    x.layer = step->l->count;
    cnn_lower_give(step, &x);
    return CNN_OK;
}

static bool has_constant(const struct cnn_lower_step *step)
{
    return step->step->input_count == 2 &&
           (cnn_lower_is_constant(step, 0) || cnn_lower_is_constant(step, 1));
}

/* ---- Sums and products of layers ---- */

/* The layers that all inputs are of. CNN_INVALID and a message where their numbers do not stand in
 * one order. */
static cnn_status equal_views(struct cnn_lower_step *step, size_t *layers)
{
    const struct cnn_view *first = cnn_lower_view(step, 0);
    for (size_t i = 0; i < step->step->input_count; i++) {
        const struct cnn_view *x = cnn_lower_view(step, i);
        if (cnn_lower_is_constant(step, i) || !cnn_view_same(first, x))
            return cnn_lower_refuse(step, "what it reads are not maps of one shape");
        layers[i] = x->layer;
    }
    return CNN_OK;
}

static cnn_status lower_sum(struct cnn_lower_step *step)
{
    size_t layers[CNN_LOWERED_INPUTS];
    struct affine a;
    if (has_constant(step)) {
        if (!find_affine(step, &a))
            return CNN_INVALID;
        return fold_bias(step, &a, 1) ? CNN_OK : lower_scale(step, &a, false, 1);
    }
    if (step->step->input_count == 1)
        return cnn_lower_nothing(step);
    if (equal_views(step, layers) != CNN_OK)
        return CNN_INVALID;
    struct cnn_view y = *cnn_lower_view(step, 0);
    if (!cnn_lower_add(step, "add", layers, step->step->input_count, CNN_ONNX_NONE, y.shape))
        return CNN_INVALID;
    y.layer = step->l->count;
    cnn_lower_give(step, &y);
    return CNN_OK;
}

static cnn_status lower_difference(struct cnn_lower_step *step)
{
    struct affine a;
    if (!has_constant(step) || !cnn_lower_is_constant(step, 1))
        return cnn_lower_refuse(step, "no layer subtracts the output of another");
    if (!find_affine(step, &a))
        return CNN_INVALID;
    return fold_bias(step, &a, -1) ? CNN_OK : lower_scale(step, &a, false, -1);
}

static cnn_status lower_quotient(struct cnn_lower_step *step)
{
    struct affine a;
    if (!has_constant(step) || !cnn_lower_is_constant(step, 1))
        return cnn_lower_refuse(step, "no layer divides by the output of another");
    return find_affine(step, &a) ? lower_scale(step, &a, true, -1) : CNN_INVALID;
}

/* Whether b has one number for each channel of a. */
static bool is_gate(const struct cnn_view *a, const struct cnn_view *b)
{
    return cnn_view_is_natural(b) && b->shape.rank == 3 && b->shape.h == 1 && b->shape.w == 1 &&
           b->shape.c == a->shape.c && a->rank == 3;
}

static cnn_status lower_product(struct cnn_lower_step *step)
{
    size_t layers[2];
    struct affine a;
    if (has_constant(step))
        return find_affine(step, &a) ? lower_scale(step, &a, true, 1) : CNN_INVALID;
    struct cnn_view x = *cnn_lower_view(step, 0), gate = *cnn_lower_view(step, 1);
    bool gated = false;
    const bool last = cnn_view_take_last(&x);
    if (last && !cnn_view_channels_first(&gate))
        return cnn_lower_refuse(step, "what it reads are not maps of one shape");
    if (is_gate(&gate, &x) && x.shape.h * x.shape.w == 1 && gate.shape.h * gate.shape.w > 1) {
        struct cnn_view other = x;
        x = gate;
        gate = other;
    }
    if (is_gate(&x, &gate) && cnn_view_is_natural(&x))
        gated = true;
    if (!gated && equal_views(step, layers) != CNN_OK)
        return CNN_INVALID;
    layers[0] = x.layer;
    layers[1] = gate.layer;
    if (!cnn_lower_add(step, "mul", layers, 2, CNN_ONNX_NONE, x.shape))
        return CNN_INVALID;
    x.layer = step->l->count;
    cnn_view_give_last(&x, last);
    cnn_lower_give(step, &x);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_sum_rules[] = {
    {"Add", lower_sum},     {"Sum", lower_sum},      {"Sub", lower_difference},
    {"Mul", lower_product}, {"Div", lower_quotient}, {NULL, NULL}};
