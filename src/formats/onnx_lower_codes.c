/* Lowering of networks of bytes: pairs of QuantizeLinear and DequantizeLinear become no layers but
 * the ranges of inputs, and the weights behind a DequantizeLinear keep its scales. The network is
 * then one of `precision: int8`, which rounds as the pairs do. */
#include <math.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"
#include "util/text.h"

cnn_status cnn_lower_quantize(struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *scale = cnn_lower_array(step, 1), *zero = cnn_lower_array(step, 2);
    const struct cnn_view view = *cnn_lower_view(step, 0);
    if (!scale->constant || scale->count != 1 ||
        (zero && (!zero->constant || zero->type != CNN_ONNX_UINT8)))
        return cnn_lower_refuse(step, "codes other than unsigned bytes of a whole tensor are not "
                                      "supported");
    const double *steps = cnn_lower_numbers(step, 1),
                 *zeros = zero && steps ? cnn_lower_numbers(step, 2) : NULL;
    if (!steps || (zero && !zeros))
        return CNN_INVALID;
    float *range = step->l->ranges[step->step->outputs[0]];
    range[0] = (float)(-(zeros ? *zeros : 0) * *steps);
    range[1] = (float)((255 - (zeros ? *zeros : 0)) * *steps);
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

cnn_status cnn_lower_dequantize(struct cnn_lower_step *step)
{
    const struct cnn_view view = *cnn_lower_view(step, 0);
    float(*ranges)[2] = step->l->ranges;
    memcpy(ranges[step->step->outputs[0]], ranges[step->step->inputs[0]], sizeof *ranges);
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

void cnn_lower_keep_range(struct cnn_lower_step *step)
{
    static const char *const movers[] = {"Pad",       "Reshape",  "Flatten", "Transpose", "Squeeze",
                                         "Unsqueeze", "Identity", "MaxPool", NULL};
    const struct cnn_onnx_step *s = step->step;
    float(*ranges)[2] = step->l->ranges;
    if (cnn_word_among(s->node->op_type, movers))
        memcpy(ranges[s->outputs[0]], ranges[s->inputs[0]], sizeof *ranges);
}

/* The input of the step that comes from a layer; CNN_ONNX_NONE: none. */
static size_t input_from(const struct cnn_lower_step *step, size_t layer)
{
    for (size_t i = 0; i < step->step->input_count; i++)
        if (step->step->inputs[i] != CNN_ONNX_NONE && !cnn_lower_is_constant(step, i) &&
            cnn_lower_view(step, i)->layer == layer)
            return step->step->inputs[i];
    return CNN_ONNX_NONE;
}

static bool has_range(const struct cnn_lowered_layer *layer)
{
    for (size_t i = 0; i < CNN_LOWERED_TENSORS && layer->tensors[i].suffix; i++)
        if (strcmp(layer->tensors[i].suffix, "input_range") == 0)
            return true;
    return false;
}

void cnn_lower_ranges(struct cnn_lower_step *step, size_t before)
{
    struct cnn_lowering *l = step->l;
    struct cnn_lowered_layer *layer = l->count > before ? &l->layers[l->count - 1] : NULL;
    for (size_t k = 0; layer && k < layer->input_count; k++) {
        const size_t value = input_from(step, layer->inputs[k]);
        if (value == CNN_ONNX_NONE || !(l->ranges[value][1] > l->ranges[value][0]))
            return;
    }
    if (!layer || layer->input_count == 0 || has_range(layer))
        return;
    float *own = cnn_lower_tensor(step, layer, "input_range", 2 * layer->input_count);
    for (size_t k = 0; own && k < layer->input_count; k++)
        memcpy(own + 2 * k, l->ranges[input_from(step, layer->inputs[k])], 2 * sizeof *own);
}

/* The scales that the weights, input 1, were decoded with: as many as filters, or one; NULL: they
 * were not. */
static const double *decoded_with(struct cnn_lower_step *step, size_t *count)
{
    const struct cnn_onnx *file = step->l->file;
    const size_t producer = file->values[step->step->inputs[1]].producer;
    if (producer == CNN_ONNX_NONE ||
        strcmp(file->steps[producer].node->op_type, "DequantizeLinear") != 0)
        return NULL;
    struct cnn_lower_step other = *step;
    other.number = producer;
    other.step = &file->steps[producer];
    *count = step->l->arrays[other.step->inputs[1]].count;
    return cnn_lower_numbers(&other, 1);
}

/* As many as 127 steps reach the largest weight, where the file does not say. */
static float largest_step(const float *weights, size_t count)
{
    float largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmaxf(largest, fabsf(weights[i]));
    return largest > 0 ? largest / 127 : 1;
}

cnn_status cnn_lower_codes(struct cnn_lower_step *step, size_t number, size_t filters)
{
    const float *range = step->l->ranges[step->step->inputs[0]];
    struct cnn_lowered_layer *layer = &step->l->layers[number - 1];
    const struct cnn_lowered_tensor *weight = &layer->tensors[0];
    size_t count = 0;
    if (!(range[1] > range[0]))
        return CNN_OK;
    float *own = cnn_lower_tensor(step, layer, "input_range", 2);
    float *scales = own ? cnn_lower_tensor(step, layer, "weight_scale", filters) : NULL;
    if (!scales)
        return CNN_INVALID;
    memcpy(own, range, 2 * sizeof *own);
    const double *steps = decoded_with(step, &count);
    if (step->l->wrong)
        return CNN_INVALID;
    const size_t row = weight->count / filters;
    for (size_t f = 0; f < filters; f++)
        scales[f] = steps && (count == filters || count == 1)
                        ? (float)steps[count == 1 ? 0 : f]
                        : largest_step(weight->values + f * row, row);
    step->l->codes = true;
    return CNN_OK;
}
