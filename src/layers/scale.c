/* Scale: every channel times a learned number, plus another. Caffe's layer of that name, and the
 * layer scale of Touvron et al., "Going deeper with Image Transformers", 2021, which begins with
 * small numbers. */
#include "graph/halves.h"
#include "layers/explain.h"
#include "layers/scaling.h"
#include "util/words.h"

enum { SLOT_WEIGHT, SLOT_BIAS };

struct settings {
    double init;
    bool bias;
    int activation;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "init",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(init),
     .otherwise = "1",
     .min = -1e6,
     .max = 1e6,
     .help = "initial value of the numbers"},
    {.name = "bias",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(bias),
     .otherwise = "false",
     .help = "add a trained number to each channel; it starts at 0"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(activation), .table = cnn_activation_keys},
    CNN_KEY_END};

static void fill_init(const struct cnn_node *node, const struct cnn_tensor *tensor,
                      struct cnn_rng *rng, float *values)
{
    const struct settings *s = node->settings;
    (void)rng;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = (float)s->init;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    node->out = node->in[0];
    node->y_over_x = true;
    node->dx_over_dy = true;
    cnn_node_declare(node, SLOT_WEIGHT, CNN_ROLE_WEIGHT, "weight", 1, &node->out.c)->init =
        fill_init;
    if (s->bias)
        cnn_node_declare(node, SLOT_BIAS, CNN_ROLE_BIAS, "bias", 1, &node->out.c);
    return cnn_scaling_infer(node, s->activation, arena, diag);
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    const struct cnn_scale scale = cnn_scaling_geometry(node, n, true);
    return kernels->scale_scratch_floats(&scale);
}

static void forward(const struct cnn_call *call)
{
    cnn_scaling_forward(call, cnn_scaling_geometry(call->node, call->n, true),
                        call->value[SLOT_WEIGHT], call->value[SLOT_BIAS]);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_scale scale = cnn_scaling_geometry(call->node, call->n, true);
    const struct cnn_scale_gradients gradients = {
        .dx = call->dx[0], .ds = call->grad[SLOT_WEIGHT], .db = call->grad[SLOT_BIAS]};
    cnn_scaling_backward(call);
    call->kernels->scale_backward(&scale, call->x[0], call->value[SLOT_WEIGHT], call->dy,
                                  &gradients, call->scratch);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    if (s->bias)
        cnn_text_printf(out, "parameters: factor and bias, 2 * %zu = %zu\n", node->out.c,
                        2 * node->out.c);
    else
        cnn_text_printf(out, "parameters: one factor for each of %zu channels\n", node->out.c);
}

static double scaled_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    double bias = call->value[SLOT_BIAS] ? (double)call->value[SLOT_BIAS][channel] : 0;
    return cnn_explain_input(call, q, 0, channel) * (double)call->value[SLOT_WEIGHT][channel] +
           bias;
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "the same place of %s, times the factor of channel %zu%s\n",
                    cnn_explain_source(call->node, q, 0), q->channel,
                    s->bias ? ", plus its bias" : "");
    cnn_text_printf(out, "%s * %s",
                    cnn_explain_factor(cnn_explain_input(call, q, 0, q->channel)).text,
                    cnn_explain_factor((double)call->value[SLOT_WEIGHT][q->channel]).text);
    if (s->bias)
        cnn_text_printf(out, " + %s",
                        cnn_explain_factor((double)call->value[SLOT_BIAS][q->channel]).text);
    cnn_text_printf(out, " = %s\n", cnn_explain_number(scaled_at(call, q, q->channel)).text);
    return cnn_explain_activation(call, q, cnn_activation_of(s->activation), scaled_at, out);
}

static double scaled_slope(const struct cnn_call *call, const struct cnn_question *q,
                           const struct cnn_operand *operand, size_t channel, struct cnn_text *out)
{
    if (!operand->parameter)
        return cnn_operand_here(operand, q, channel)
                   ? cnn_slope_factor((double)call->value[SLOT_WEIGHT][channel], "weight", out)
                   : 0;
    if (operand->index != channel)
        return 0;
    return operand->slot == SLOT_BIAS
               ? 1
               : cnn_slope_factor(cnn_explain_input(call, q, 0, channel), "input", out);
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {scaled_at, scaled_slope};
    const struct settings *s = call->node->settings;
    return cnn_slope_through(call, q, operand, cnn_activation_of(s->activation), &linear, out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_operation){.kind = CNN_OPERATION_SCALE,
                                  .activation = cnn_activation_of(s->activation)};
}

const struct cnn_layer_type cnn_layer_scale = {
    .variant = {.name = "scale",
                .help = CNN_WORDS("multiplies every channel by a learned number"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.scratch = scratch,
                                               .forward = forward,
                                               .backward = backward,
                                               .halves = cnn_node_halves_alike},
    .state_size = sizeof(struct cnn_scaling),
    .fuse = cnn_scaling_fuse,
    .describe = describe,
    .explain = explain,
    .slope = slope,
};
