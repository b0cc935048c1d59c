/* Layers of `precision: int8` as pairs of QuantizeLinear and DequantizeLinear (QDQ): the input goes
 * through its codes, unsigned bytes of the layer's range; weights are the codes that a checkpoint
 * holds, with a scale for each filter, and what comes of them goes through codes again before an
 * activation that is a table. Codes, scales and biases are those that the layer is computed with
 * (layers/int8.c), so a batch_norm behind it is in them.
 *
 * Weights are written as unsigned bytes around 128. With signed ones ONNX Runtime multiplies by
 * vpmaddubsw on processors with AVX2 alone, whose sums of two products end at 32767: answers are
 * then wrong, and nothing says so. Two unsigned bytes it multiplies without that. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "formats/onnx_export.h"
#include "graph/bytes.h"

#define WEIGHT_ZERO 128

/* The filters of a layer: weights are codes * scale; then bias. */
struct filters {
    size_t count, row;    /* of filters, of weights in one */
    unsigned char *codes; /* around WEIGHT_ZERO */
    float *scale, *bias;
};

/* What computes the layer at hand, alone or with others. */
static const struct cnn_call *call_of(const struct cnn_onnx_writer *w)
{
    return cnn_plan_call(w->plan, (size_t)(w->node - w->model->graph.nodes));
}

static bool make_filters(struct cnn_onnx_writer *w, struct filters *out)
{
    const struct cnn_tensor *weight = cnn_node_tensor(w->node, "weight");
    const struct cnn_call *call = call_of(w);
    const struct cnn_integers *k = cnn_call_integers(call);
    struct cnn_arena *arena = w->draft.arena;
    *out = (struct filters){.count = weight->dims[0],
                            .row = weight->count / weight->dims[0],
                            .codes = cnn_arena_array(arena, weight->count, sizeof *out->codes),
                            .scale = cnn_arena_array(arena, weight->dims[0], sizeof *out->scale),
                            .bias = cnn_arena_array(arena, weight->dims[0], sizeof *out->bias)};
    w->draft.failed = w->draft.failed || !out->codes || !out->scale || !out->bias;
    if (!out->codes || !out->scale || !out->bias)
        return false;
    signed char *codes = (signed char *)out->codes;
    w->node->quantization->codes(call, codes);
    for (size_t i = 0; i < weight->count; i++)
        out->codes[i] = (unsigned char)(codes[i] + WEIGHT_ZERO);
    for (size_t f = 0; f < out->count; f++) {
        const double scale = (double)k->scale[f];
        out->scale[f] = fmaxf((float)(scale / (double)k->x->scale), FLT_MIN);
        out->bias[f] = (float)(k->bias[f] * scale);
    }
    return true;
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

/* x after it went through codes. */
static const char *through_codes(struct cnn_onnx_writer *w, const char *x, struct cnn_codes codes,
                                 const char *scale, const char *zero)
{
    unsigned char *code = cnn_arena_alloc(w->draft.arena, 1);
    float *step = cnn_arena_alloc(w->draft.arena, sizeof *step);
    w->draft.failed = w->draft.failed || !code || !step;
    if (w->draft.failed)
        return "";
    *code = (unsigned char)codes.zero;
    *step = codes.scale;
    const char *inputs[3] = {
        x, constant(w, &(struct list){scale, CNN_ONNX_FLOAT, {0}, sizeof *step}, step),
        constant(w, &(struct list){zero, CNN_ONNX_UINT8, {0}, 1}, code)};
    inputs[0] = cnn_onnx_emit(w, "QuantizeLinear", 3, inputs);
    return cnn_onnx_emit(w, "DequantizeLinear", 3, inputs);
}

/* input_scale, and for others than the first input2_scale, ... */
static const char *suffix(struct cnn_onnx_writer *w, size_t i, const char *of)
{
    const char *name = i == 0 ? cnn_arena_printf(w->draft.arena, "input_%s", of)
                              : cnn_arena_printf(w->draft.arena, "input%zu_%s", i + 1, of);
    w->draft.failed = w->draft.failed || !name;
    return name ? name : "";
}

/* Input i of the layer, through its codes. Layers that read one value have one range for it. */
static const char *code_input(struct cnn_onnx_writer *w, size_t i)
{
    const size_t value = w->node->inputs[i];
    const struct cnn_codes codes = cnn_codes_of(call_of(w)->x_range[i]);
    struct cnn_onnx_codes *had = &w->codes[value];
    if (!had->name || had->scale != codes.scale || had->zero != codes.zero)
        *had = (struct cnn_onnx_codes){through_codes(w, cnn_onnx_input(w, i), codes,
                                                     suffix(w, i, "scale"), suffix(w, i, "zero")),
                                       codes.scale, codes.zero};
    return had->name;
}

const char *cnn_onnx_computed_input(struct cnn_onnx_writer *w, size_t i)
{
    const struct cnn_call *call = w->plan ? call_of(w) : NULL;
    return call && call->node->name == w->node->name && cnn_call_integers(call)
               ? code_input(w, i)
               : cnn_onnx_input(w, i);
}

const char *cnn_onnx_coded_sum(struct cnn_onnx_writer *w, const char *x)
{
    const struct cnn_integers *k = w->plan ? cnn_call_integers(call_of(w)) : NULL;
    return k && k->step > 0
               ? through_codes(w, x, (struct cnn_codes){k->step, k->zero}, "sum_scale", "sum_zero")
               : x;
}

void cnn_onnx_coded_inputs(struct cnn_onnx_writer *w, const char *inputs[3])
{
    const struct cnn_tensor *weight = cnn_node_tensor(w->node, "weight");
    struct filters f;
    inputs[0] = code_input(w, 0);
    inputs[1] = inputs[2] = NULL;
    if (!make_filters(w, &f))
        return;
    const struct cnn_onnx_dims filters = {1, {(int64_t)f.count}};
    const size_t floats = f.count * sizeof(float);
    struct list codes = {"weight", CNN_ONNX_UINT8, {.rank = weight->rank}, weight->count};
    for (size_t i = 0; i < weight->rank; i++)
        codes.dims.dims[i] = (int64_t)weight->dims[i];
    unsigned char *zeros = cnn_arena_alloc(w->draft.arena, f.count);
    w->draft.failed = w->draft.failed || !zeros;
    if (!zeros)
        return;
    memset(zeros, WEIGHT_ZERO, f.count);
    const char *const coded[3] = {
        constant(w, &codes, f.codes),
        constant(w, &(struct list){"weight_scale", CNN_ONNX_FLOAT, filters, floats}, f.scale),
        constant(w, &(struct list){"weight_zero", CNN_ONNX_UINT8, filters, f.count}, zeros)};
    inputs[1] = cnn_onnx_emit(w, "DequantizeLinear", 3, coded);
    cnn_onnx_draft_int(&w->draft, "axis", 0);
    if (cnn_node_tensor(w->node, "bias") || w->next)
        inputs[2] = constant(w, &(struct list){"bias", CNN_ONNX_FLOAT, filters, floats}, f.bias);
}

const struct cnn_node *cnn_onnx_folded_norm(const struct cnn_graph *graph, size_t i)
{
    const struct cnn_node *node = &graph->nodes[i], *norm = NULL;
    size_t readers = 0;
    if (!node->quantization || !node->quantization->codes ||
        node->activation.kind != CNN_ACT_NONE || i + 1 == graph->logits)
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
