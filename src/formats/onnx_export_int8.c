/* Layers of `precision: int8` as pairs of QuantizeLinear and DequantizeLinear (QDQ): the input goes
 * through its codes, unsigned bytes of the layer's range; weights are the codes that a checkpoint
 * holds, with a scale for each filter. Biases stay floats: rounded to multiples of what a product
 * of codes is worth, as others have them, they change so many codes that a deep network differs by
 * several. A batch_norm behind the layer multiplies the scales and leaves the codes alone, as it
 * does when the layer is computed (layers/int8.c). */
#include <float.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_export.h"

/* The filters of a layer: weights are codes * scale; then bias. */
struct filters {
    size_t count, row; /* of filters, of weights in one */
    signed char *codes;
    float *scale, *bias;
};

/* What a batch_norm makes of filter f: y * factor + shift. */
struct affine {
    double factor, shift;
};

static struct affine norm_of(const struct cnn_onnx_writer *w, size_t f)
{
    const struct cnn_onnx_writer norm = {.model = w->model, .node = w->next};
    if (!w->next)
        return (struct affine){1, 0};
    const double factor = (double)cnn_onnx_numbers(&norm, "weight")[f] /
                          sqrt((double)cnn_onnx_numbers(&norm, "running_var")[f] +
                               (double)w->next->type->operation(w->next).eps);
    return (struct affine){factor, (double)cnn_onnx_numbers(&norm, "bias")[f] -
                                       factor * (double)cnn_onnx_numbers(&norm, "running_mean")[f]};
}

/* Zero has a code of its own; as in layers/int8.c. */
static float input_scale(const float *range, int *zero)
{
    const float scale = (range[1] - range[0]) / 255;
    *zero = (int)fminf(255, fmaxf(0, nearbyintf(-range[0] / scale)));
    return scale;
}

/* One that a batch_norm turns round has its codes turned round. */
static void fill_filter(const struct cnn_onnx_writer *w, const struct filters *out, size_t f)
{
    const float *weights = cnn_onnx_numbers(w, "weight") + f * out->row,
                *bias = cnn_onnx_numbers(w, "bias"), step = cnn_onnx_numbers(w, "weight_scale")[f];
    const struct affine norm = norm_of(w, f);
    const float scale = (float)((double)step * fabs(norm.factor));
    const double turn = norm.factor < 0 ? -1 : 1;
    for (size_t i = 0; i < out->row; i++)
        out->codes[f * out->row + i] =
            (signed char)(turn * nearbyint((double)weights[i] / (double)step));
    out->scale[f] = scale > 0 ? scale : FLT_MIN; /* a scale is above 0 */
    out->bias[f] = (float)((bias ? (double)bias[f] * norm.factor : 0) + norm.shift);
}

static bool make_filters(struct cnn_onnx_writer *w, struct filters *out)
{
    const struct cnn_tensor *weight = cnn_node_tensor(w->node, "weight");
    struct cnn_arena *arena = w->draft.arena;
    *out = (struct filters){.count = weight->dims[0],
                            .row = weight->count / weight->dims[0],
                            .codes = cnn_arena_array(arena, weight->count, sizeof *out->codes),
                            .scale = cnn_arena_array(arena, weight->dims[0], sizeof *out->scale),
                            .bias = cnn_arena_array(arena, weight->dims[0], sizeof *out->bias)};
    bool made = out->codes && out->scale && out->bias;
    for (size_t f = 0; made && f < out->count; f++)
        fill_filter(w, out, f);
    w->draft.failed = w->draft.failed || !made;
    return made;
}

/* A constant of the layer: codes, scales. */
struct list {
    const char *suffix;
    enum cnn_onnx_type type;
    struct cnn_onnx_dims dims;
    size_t bytes;
};

static const char *constant(struct cnn_onnx_writer *w, const struct list *list, const void *data)
{
    const char *name = cnn_onnx_draft_bytes(&w->draft, w->node->name, list->suffix, list->dims,
                                            (struct cnn_protobuf_bytes){data, list->bytes});
    cnn_onnx_draft_type(&w->draft, list->type);
    return name;
}

/* The layer's input after it went through its codes. Layers that read one value have one range for
 * it. */
static const char *code_input(struct cnn_onnx_writer *w)
{
    const size_t value = w->node->inputs[0];
    const float *range = cnn_onnx_numbers(w, "input_range");
    unsigned char *code = cnn_arena_alloc(w->draft.arena, 1);
    float *step = cnn_arena_alloc(w->draft.arena, sizeof *step);
    int zero;
    const float scale = input_scale(range, &zero);
    w->draft.failed = w->draft.failed || !code || !step;
    if (w->draft.failed)
        return "";
    *code = (unsigned char)zero;
    *step = scale;
    if (w->codes[value].name && w->codes[value].scale == scale && w->codes[value].zero == zero)
        return w->codes[value].name;
    const char *inputs[3] = {
        cnn_onnx_input(w, 0),
        constant(w, &(struct list){"input_scale", CNN_ONNX_FLOAT, {0}, sizeof *step}, step),
        constant(w, &(struct list){"input_zero", CNN_ONNX_UINT8, {0}, 1}, code)};
    inputs[0] = cnn_onnx_emit(w, "QuantizeLinear", 3, inputs);
    const char *y = cnn_onnx_emit(w, "DequantizeLinear", 3, inputs);
    w->codes[value] = (struct cnn_onnx_codes){y, scale, zero};
    return y;
}

void cnn_onnx_coded_inputs(struct cnn_onnx_writer *w, const char *inputs[3])
{
    const struct cnn_tensor *weight = cnn_node_tensor(w->node, "weight");
    struct filters f;
    inputs[0] = code_input(w);
    inputs[1] = inputs[2] = NULL;
    if (!make_filters(w, &f))
        return;
    const struct cnn_onnx_dims filters = {1, {(int64_t)f.count}};
    const size_t floats = f.count * sizeof(float);
    struct list codes = {"weight", CNN_ONNX_INT8, {.rank = weight->rank}, weight->count};
    for (size_t i = 0; i < weight->rank; i++)
        codes.dims.dims[i] = (int64_t)weight->dims[i];
    const char *const coded[2] = {
        constant(w, &codes, f.codes),
        constant(w, &(struct list){"weight_scale", CNN_ONNX_FLOAT, filters, floats}, f.scale)};
    inputs[1] = cnn_onnx_emit(w, "DequantizeLinear", 2, coded);
    cnn_onnx_draft_int(&w->draft, "axis", 0);
    if (cnn_node_tensor(w->node, "bias") || w->next)
        inputs[2] = constant(w, &(struct list){"bias", CNN_ONNX_FLOAT, filters, floats}, f.bias);
}

const struct cnn_node *cnn_onnx_folded_norm(const struct cnn_graph *graph, size_t i)
{
    const struct cnn_node *node = &graph->nodes[i], *norm = NULL;
    size_t readers = 0;
    if (!node->quantization || node->activation.kind != CNN_ACT_NONE || i + 1 == graph->logits)
        return NULL;
    for (size_t k = i + 1; k < graph->count; k++)
        for (size_t n = 0; n < graph->nodes[k].input_count; n++)
            if (graph->nodes[k].inputs[n] == i + 1) {
                readers++;
                norm = &graph->nodes[k];
            }
    return readers == 1 && norm->type->operation(norm).kind == CNN_OPERATION_BATCH_NORM ? norm
                                                                                        : NULL;
}
