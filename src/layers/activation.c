/* The activation functions as layers of their own. They differ in their formula, which the kernels
 * hold, so one file serves all:
 *
 *     relu        max(0, x)
 *     relu6       min(max(0, x), 6)
 *     leaky_relu  x, or slope * x below zero
 *     elu         x, or exp(x) - 1 below zero
 *     sigmoid     1 / (1 + exp(-x))
 *     tanh
 *     gelu        x * (1 + erf(x / sqrt 2)) / 2
 *     silu        x * sigmoid(x)
 *     hardswish   x * relu6(x + 3) / 6
 *     hard_sigmoid  relu6(x + 3) / 6
 *     mish        x * tanh(ln(1 + exp(x)))
 *     clip        min(max(x, lowest), highest)
 *     softmax     exp(x) / sum of exp over the channels
 */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"

struct settings {
    double negative_slope; /* leaky_relu alone reads it */
    double min, max;       /* clip alone */
};

static const struct cnn_key no_keys[] = {CNN_KEY_END};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key leaky_keys[] = {{.name = "negative_slope",
                                             .kind = CNN_KEY_NUMBER,
                                             .at = FIELD(negative_slope),
                                             .otherwise = "0.01",
                                             .max = 1,
                                             .help = "slope where x is below zero"},
                                            CNN_KEY_END};

static const struct cnn_key clip_keys[] = {{.name = "min",
                                            .kind = CNN_KEY_NUMBER,
                                            .at = FIELD(min),
                                            .min = -3e38,
                                            .max = 3e38,
                                            .help = "smaller values become this"},
                                           {.name = "max",
                                            .kind = CNN_KEY_NUMBER,
                                            .at = FIELD(max),
                                            .min = -3e38,
                                            .max = 3e38,
                                            .help = "larger values become this"},
                                           CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    struct cnn_activation *activation = cnn_arena_alloc(arena, sizeof *activation);
    if (!activation)
        return cnn_fail_memory(diag, sizeof *activation, "a layer");
    if (s->min > s->max) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': its min, %g, is larger than its max, %g", node->name, s->min, s->max);
        cnn_hint(diag, "min: %g, max: %g", s->max, s->min);
        return CNN_INVALID;
    }
    *activation = (struct cnn_activation){.kind = node->type->activation,
                                          .slope = (float)s->negative_slope,
                                          .min = (float)s->min,
                                          .max = (float)s->max};
    node->state = activation;
    node->effect = (struct cnn_effect){.kind = CNN_EFFECT_ACTIVATE, .activation = *activation};
    node->out = node->in[0];
    node->reads_x = cnn_activation_needs_input(*activation);
    node->reads_y = !node->reads_x;
    node->y_over_x = !node->reads_x;
    node->dx_over_dy = true;
    node->activation = *activation;
    return CNN_OK;
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_activation *activation = call->node->state;
    if (activation->kind == CNN_ACT_SOFTMAX && call->node->precision == CNN_PRECISION_INT8)
        call->kernels->softmax_exact(cnn_call_rows(call), call->x[0], call->y);
    else
        call->kernels->activation_forward(*activation, cnn_call_rows(call), call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_activation *activation = call->node->state;
    if (call->dx[0])
        call->kernels->activation_backward(*activation, cnn_call_rows(call), call->x[0], call->y,
                                           call->dy, call->dx[0]);
}

static double input_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    return cnn_explain_input(call, q, 0, channel);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_activation *activation = call->node->state;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "%s of x, the same place of %s\n", call->node->type->variant.name,
                    cnn_explain_source(call->node, q, 0));
    if (activation->kind != CNN_ACT_SOFTMAX) /* whose own lines say it */
        cnn_text_printf(out, "%s: %s\n", call->node->type->variant.name,
                        call->node->type->variant.help);
    return cnn_explain_activation(call, q, *activation, input_at, out);
}

static double input_slope(const struct cnn_call *call, const struct cnn_question *q,
                          const struct cnn_operand *operand, size_t channel, struct cnn_text *out)
{
    (void)call, (void)out;
    return cnn_operand_here(operand, q, channel) ? 1 : 0;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {input_at, input_slope};
    const struct cnn_activation *activation = call->node->state;
    return cnn_slope_through(call, q, operand, *activation, &linear, out);
}

static const struct cnn_execution execution = {
    .forward = forward, .backward = backward, .halves = cnn_node_halves_alike};

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct cnn_activation *activation = node->state;
    return (struct cnn_operation){.kind = CNN_OPERATION_ACTIVATE, .activation = *activation};
}

#define ACTIVATION(word, which, formula, table)                                                    \
    const struct cnn_layer_type cnn_layer_##word = {                                               \
        .variant = {.name = #word,                                                                 \
                    .help = formula,                                                               \
                    .keys = table,                                                                 \
                    .settings_size = sizeof(struct settings)},                                     \
        .activation = which,                                                                       \
        .min_inputs = 1,                                                                           \
        .max_inputs = 1,                                                                           \
        .infer = infer,                                                                            \
        .operation = operation,                                                                    \
        .execution = &execution,                                                                   \
        .quantization = &cnn_bytes_activate,                                                       \
        .explain = explain,                                                                        \
        .slope = slope,                                                                            \
    };

ACTIVATION(relu, CNN_ACT_RELU, "max(0, x)", no_keys)
ACTIVATION(relu6, CNN_ACT_RELU6, "min(max(0, x), 6)", no_keys)
ACTIVATION(leaky_relu, CNN_ACT_LEAKY_RELU, "x, or negative_slope * x below zero", leaky_keys)
ACTIVATION(elu, CNN_ACT_ELU, "x, or exp(x) - 1 below zero", no_keys)
ACTIVATION(sigmoid, CNN_ACT_SIGMOID, "1 / (1 + exp(-x))", no_keys)
ACTIVATION(tanh, CNN_ACT_TANH, "hyperbolic tangent", no_keys)
ACTIVATION(gelu, CNN_ACT_GELU, "x * (1 + erf(x / sqrt(2))) / 2", no_keys)
ACTIVATION(silu, CNN_ACT_SILU, "x / (1 + exp(-x))", no_keys)
ACTIVATION(hardswish, CNN_ACT_HARDSWISH, "x * min(max(0, x + 3), 6) / 6", no_keys)
ACTIVATION(hard_sigmoid, CNN_ACT_HARD_SIGMOID, "min(max(0, x + 3), 6) / 6", no_keys)
ACTIVATION(mish, CNN_ACT_MISH, "x * tanh(ln(1 + exp(x)))", no_keys)
ACTIVATION(clip, CNN_ACT_CLIP, "x, but at least min and at most max", clip_keys)
ACTIVATION(softmax, CNN_ACT_SOFTMAX, "exp(x) / sum of exp(x) over the channels: probabilities",
           no_keys)
