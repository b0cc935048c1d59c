/* Lowering of operators without parameters of their own, but for sums and products. */
#include <inttypes.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"
#include "util/allocate.h"

/* ---- What moves no numbers ---- */

static cnn_status lower_cast(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    if (cnn_onnx_type_whole(y->type) || cnn_onnx_type_whole(cnn_lower_array(step, 0)->type))
        return cnn_lower_refuse(step, "it makes whole numbers of what a layer gives");
    return cnn_lower_nothing(step);
}

/* Reshape, Flatten, Squeeze, Unsqueeze: other dimensions, as the reference has found. */
static cnn_status lower_reshape(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    struct cnn_view view = *cnn_lower_view(step, 0);
    if (y->rank == 0 || x->rank == 0 || y->dims[0] != x->dims[0])
        return cnn_lower_refuse(step, "it mixes the images of a batch: %zu become %zu",
                                x->rank ? x->dims[0] : 0, y->rank ? y->dims[0] : 0);
    if (cnn_view_has_pads(&view)) {
        struct cnn_view *maps = cnn_lower_maps(step, 0);
        if (!maps)
            return CNN_INVALID;
        view = *maps;
    }
    if (!cnn_view_reshape(&view, y->rank - 1, y->dims + 1))
        return cnn_lower_refuse(step, "its dimensions go across those of what it reads");
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

static cnn_status lower_transpose(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    struct cnn_view view = *cnn_lower_view(step, 0);
    const int64_t *order;
    size_t count, axis, axes[CNN_ONNX_MAX_RANK];
    if (!cnn_onnx_get_ints(&step->call, "perm", &order, &count))
        return CNN_INVALID;
    if (!order || count != x->rank)
        return cnn_lower_refuse(step, "it transposes the images of a batch");
    for (size_t i = 0; i < x->rank; i++) {
        if (!cnn_onnx_axis(&step->call, order[i], x->rank, false, &axis))
            return CNN_INVALID;
        if ((i == 0) != (axis == 0))
            return cnn_lower_refuse(step, "it transposes the images of a batch");
        if (i > 0)
            axes[i - 1] = axis - 1;
    }
    const bool padded = cnn_view_has_pads(&view);
    if (padded && axes[0] == 2 && axes[1] == 0 && cnn_view_channels_first(&view)) {
        cnn_lower_pass(step, &view); /* with its padding */
        return CNN_OK;
    }
    if (padded && !cnn_lower_natural(step, &view))
        return CNN_INVALID;
    cnn_view_transpose(&view, axes);
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

/* ---- Channels ---- */

static cnn_status lower_concat(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    size_t layers[CNN_LOWERED_INPUTS], axis;
    int64_t given;
    if (!cnn_onnx_get_int(&step->call, "axis", 1, &given) ||
        !cnn_onnx_axis(&step->call, given, y->rank, false, &axis))
        return CNN_INVALID;
    if (axis == 0)
        return cnn_lower_refuse(step, "it mixes the images of a batch");
    cnn_shape shape = {0};
    struct cnn_view first = {0};
    for (size_t i = 0; i < step->step->input_count; i++) {
        if (cnn_lower_is_constant(step, i))
            return cnn_lower_refuse(step, "a constant is among what it joins");
        struct cnn_view *x = cnn_lower_view(step, i);
        if (!cnn_lower_list(step, x))
            return CNN_INVALID;
        if (x->rank == 3 && axis == 1 && !cnn_view_is_channels(x, 0))
            x = cnn_lower_maps(step, i);
        if (!x)
            return CNN_INVALID;
        if (!cnn_view_is_channels(x, axis - 1))
            return cnn_lower_refuse(step, "it joins something other than channels");
        struct cnn_view same = cnn_view_with_channels(
            x, axis - 1, x->layer, (cnn_shape){x->shape.rank, 1, x->shape.h, x->shape.w});
        if (i == 0)
            first = same;
        if (!cnn_view_same(&first, &same))
            return cnn_lower_refuse(step, "what it joins is ordered in different ways");
        shape = (cnn_shape){x->shape.rank, shape.c + x->shape.c, x->shape.h, x->shape.w};
        layers[i] = x->layer;
    }
    if (step->step->input_count == 1)
        return cnn_lower_nothing(step);
    if (!cnn_lower_add(step, "concat", layers, step->step->input_count, CNN_ONNX_NONE, shape))
        return CNN_INVALID;
    struct cnn_view out = cnn_view_with_channels(&first, axis - 1, step->l->count, shape);
    cnn_lower_give(step, &out);
    return CNN_OK;
}

/* Output `number` becomes channels begin to end of maps. */
static cnn_status add_slice(struct cnn_lower_step *step, size_t number, const struct cnn_view *x,
                            size_t begin, size_t end)
{
    if (step->step->outputs[number] == CNN_ONNX_NONE)
        return CNN_OK;
    struct cnn_lower_step one = *step;
    struct cnn_onnx_step of = *step->step;
    const cnn_shape shape = {3, end - begin, x->shape.h, x->shape.w};
    const size_t source = x->layer;
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "slice", &source, 1, CNN_ONNX_NONE, shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "start: %zu, end: %zu", begin, end);
    of.outputs += number;
    one.step = &of;
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    cnn_lower_give(&one, &y);
    return CNN_OK;
}

static cnn_status lower_split(struct cnn_lower_step *step)
{
    int64_t given;
    size_t axis, at = 0;
    if (!cnn_onnx_get_int(&step->call, "axis", 0, &given) ||
        !cnn_onnx_axis(&step->call, given, cnn_lower_array(step, 0)->rank, false, &axis))
        return CNN_INVALID;
    if (axis != 1)
        return cnn_lower_refuse(step, "it splits something other than channels");
    struct cnn_view *maps = cnn_lower_maps(step, 0);
    if (!maps)
        return CNN_INVALID;
    struct cnn_view x = *maps;
    if (x.rank != 3)
        return cnn_lower_refuse(step, "it splits something other than maps");
    for (size_t i = 0; i < step->step->output_count; i++) {
        size_t value = step->step->outputs[i];
        if (value == CNN_ONNX_NONE)
            return cnn_lower_refuse(step, "an output is left out");
        size_t count = step->l->arrays[value].dims[1];
        if (add_slice(step, i, &x, at, at + count) != CNN_OK)
            return CNN_INVALID;
        at += count;
    }
    return CNN_OK;
}

/* The place of the first and the second number that the slice takes along an axis is found by
 * letting the reference slice the numbers of the places. */
static cnn_status lower_slice(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    struct cnn_onnx_array places = *x, out = {0};
    const struct cnn_onnx_array *in[5] = {&places};
    size_t inner = 1, begin;
    if (step->step->output_count != 1)
        return cnn_lower_refuse(step, "it has %zu outputs", step->step->output_count);
    for (size_t i = 0; i < x->rank; i++)
        if (i != 1 && x->dims[i] != y->dims[i])
            return cnn_lower_refuse(step, "it takes a part of the rows, columns or images");
    for (size_t i = 1; i < step->step->input_count && i < 5; i++)
        in[i] = cnn_lower_array(step, i);
    for (size_t i = 2; i < x->rank; i++)
        inner *= x->dims[i];
    places.data = cnn_calloc(places.count + 1, sizeof *places.data);
    for (size_t i = 0; places.data && i < places.count; i++)
        places.data[i] = (double)(i / inner % x->dims[1]) + 0.5 * (double)(i % inner);
    bool done = places.data &&
                cnn_onnx_run_node(step->l->file, step->number, in, &out, step->l->diag) == CNN_OK;
    begin = done && out.count > 0 ? (size_t)out.data[0] : 0;
    bool forward = done && out.count > 0;
    for (size_t i = 0; forward && i < out.count; i++)
        forward =
            out.data[i] == (double)(begin + i / inner % out.dims[1]) + 0.5 * (double)(i % inner);
    cnn_free(places.data);
    cnn_onnx_arrays_free(&out, 1);
    if (!done)
        return CNN_INVALID;
    if (!forward)
        return cnn_lower_refuse(step, "it takes channels in another order, or not all between two");
    if (y->dims[1] == x->dims[1])
        return cnn_lower_nothing(step);
    struct cnn_view *maps = cnn_lower_maps(step, 0);
    if (!maps || maps->rank != 3)
        return maps ? cnn_lower_refuse(step, "it takes a part of something other than maps")
                    : CNN_INVALID;
    struct cnn_view from = *maps;
    return add_slice(step, 0, &from, begin, begin + y->dims[1]);
}

/* ---- Whole maps ---- */

/* last: of rows, columns, channels. */
static cnn_status add_global_pool(struct cnn_lower_step *step, bool keep, bool last)
{
    struct cnn_view first = *cnn_lower_view(step, 0);
    if (last && !cnn_view_channels_first(&first))
        return cnn_lower_refuse(step, "it goes over something other than all rows and columns");
    struct cnn_view *x = last ? cnn_lower_natural(step, &first) : cnn_lower_maps(step, 0);
    if (!x)
        return CNN_INVALID;
    if (x->rank != 3)
        return cnn_lower_refuse(step, "it is the mean of something other than maps");
    const cnn_shape shape = {3, x->shape.c, 1, 1};
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "global_pool", &x->layer, 1, CNN_ONNX_NONE, shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "pool_type: %s", strstr(step->step->node->op_type, "Max") ? "max" : "avg");
    struct cnn_view y = cnn_view_of(step->l->count, shape);
    cnn_view_give_last(&y, last);
    for (size_t i = 0; i < 2 && !keep; i++)
        cnn_view_drop(&y, last ? 0 : 1);
    cnn_lower_give(step, &y);
    return CNN_OK;
}

static cnn_status lower_global_pool(struct cnn_lower_step *step)
{
    return add_global_pool(step, true, false);
}

/* Axes of a mean or maximum as bits: an attribute before opset 18, then an input. */
static bool get_axes(struct cnn_lower_step *step, size_t rank, unsigned *bits)
{
    int64_t values[CNN_ONNX_MAX_RANK];
    const int64_t *axes = values;
    size_t count = 0, place;
    if (step->l->file->opset < 18) {
        if (!cnn_onnx_get_ints(&step->call, "axes", &axes, &count))
            return false;
    } else if (cnn_lower_array(step, 1) && !cnn_onnx_whole_input(&step->call, 1, values, &count)) {
        return false;
    }
    *bits = 0;
    for (size_t i = 0; i < count; i++) {
        if (!cnn_onnx_axis(&step->call, axes[i], rank, false, &place))
            return false;
        *bits |= 1u << place;
    }
    return true;
}

static cnn_status lower_reduce(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *x = cnn_lower_array(step, 0);
    int64_t keep;
    unsigned bits;
    if (!cnn_onnx_get_int(&step->call, "keepdims", 1, &keep) || !get_axes(step, x->rank, &bits))
        return CNN_INVALID;
    if (x->rank != 4 || (bits != 6 && bits != 12))
        return cnn_lower_refuse(step, "it goes over something other than all rows and columns");
    return add_global_pool(step, keep != 0, bits == 6);
}

static cnn_status lower_softmax(struct cnn_lower_step *step)
{
    struct cnn_view x = *cnn_lower_view(step, 0);
    const bool flat = step->l->file->opset < 13;
    int64_t given;
    size_t axis;
    if (!cnn_onnx_get_int(&step->call, "axis", flat ? 1 : -1, &given) ||
        !cnn_onnx_axis(&step->call, given, x.rank + 1, false, &axis) || !cnn_lower_list(step, &x))
        return CNN_INVALID;
    if (axis == 0 || !cnn_view_is_channels(&x, axis - 1) || (flat && x.shape.h * x.shape.w != 1))
        return cnn_lower_refuse(step, "it goes over something other than the channels");
    if (cnn_view_has_pads(&x) && !cnn_lower_natural(step, &x))
        return CNN_INVALID;
    if (!cnn_lower_add(step, "softmax", &x.layer, 1, CNN_ONNX_NONE, x.shape))
        return CNN_INVALID;
    x.layer = step->l->count;
    cnn_lower_give(step, &x);
    return CNN_OK;
}

/* At the end of a network its logarithm is left out: a softmax gives the probabilities. */
static cnn_status lower_log_softmax(struct cnn_lower_step *step)
{
    const struct cnn_onnx *file = step->l->file;
    if (file->outputs[0] != step->step->outputs[0])
        return cnn_lower_refuse(step, "the logarithm of a softmax is supported only as the "
                                      "network's output");
    cnn_status status = lower_softmax(step);
    if (status != CNN_OK)
        return status;
    step->l->layers[step->l->count - 1].logarithm = true;
    cnn_lower_note(step->l, "left out: the logarithm of the last softmax; the network gives "
                            "probabilities");
    return CNN_OK;
}

static cnn_status lower_lrn(struct cnn_lower_step *step)
{
    double alpha, beta, bias;
    int64_t size;
    struct cnn_view *x = cnn_lower_maps(step, 0);
    if (!x || !cnn_onnx_get_float(&step->call, "alpha", 1e-4, &alpha) ||
        !cnn_onnx_get_float(&step->call, "beta", 0.75, &beta) ||
        !cnn_onnx_get_float(&step->call, "bias", 1, &bias) ||
        !cnn_onnx_get_int(&step->call, "size", 5, &size))
        return CNN_INVALID;
    if (size < 1 || size % 2 == 0)
        return cnn_lower_refuse(step,
                                "it sums over %" PRId64 " channels, and a layer over an odd "
                                "number of them",
                                size);
    struct cnn_view y = *x;
    struct cnn_lowered_layer *layer =
        cnn_lower_add(step, "lrn", &y.layer, 1, CNN_ONNX_NONE, y.shape);
    if (!layer)
        return CNN_INVALID;
    cnn_lower_key(layer, "size: %zu, alpha: %.9g, beta: %.9g, k: %.9g", (size_t)size, alpha, beta,
                  bias);
    y.layer = step->l->count;
    cnn_lower_give(step, &y);
    return CNN_OK;
}

const struct cnn_lower_rule cnn_lower_other_rules[] = {

    {"Identity", cnn_lower_nothing},
    {"Dropout", cnn_lower_nothing},
    {"Cast", lower_cast},
    {"Reshape", lower_reshape},
    {"Flatten", lower_reshape},
    {"Squeeze", lower_reshape},
    {"Unsqueeze", lower_reshape},
    {"Transpose", lower_transpose},
    {"Concat", lower_concat},
    {"Split", lower_split},
    {"Slice", lower_slice},
    {"GlobalAveragePool", lower_global_pool},
    {"GlobalMaxPool", lower_global_pool},
    {"ReduceMean", lower_reduce},
    {"ReduceMax", lower_reduce},
    {"Softmax", lower_softmax},
    {"LogSoftmax", lower_log_softmax},
    {"LRN", lower_lrn},

    {"QuantizeLinear", cnn_lower_quantize},
    {"DequantizeLinear", cnn_lower_dequantize},
    {NULL, NULL}};
