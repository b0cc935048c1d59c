/* Mul: one value times another of the same shape, or times one number for each of its channels, as
 * squeeze-and-excitation gates channels. Hu et al., "Squeeze-and-Excitation Networks", 2018. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/scaling.h"

struct settings {
    int activation;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.kind = CNN_KEY_TABLE, .at = FIELD(activation), .table = cnn_activation_keys}, CNN_KEY_END};

static bool is_same_shape(cnn_shape a, cnn_shape b)
{
    return a.rank == b.rank && a.c == b.c && a.h == b.h && a.w == b.w;
}

/* One number for each channel of another value, for all its rows and columns. */
static bool is_gate(cnn_shape gate, cnn_shape of)
{
    return gate.c == of.c && gate.h * gate.w == 1 && of.h * of.w > 1;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    const cnn_shape x = node->in[0], gate = node->in[1];
    if (!is_same_shape(x, gate) && !is_gate(gate, x)) {
        char a[64], b[64];
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s' multiplies unlike shapes: its input 1 is %s, its input 2 is %s",
                 node->name, cnn_shape_format(x, a, sizeof a), cnn_shape_format(gate, b, sizeof b));
        if (is_gate(x, gate))
            cnn_hint(diag, "the one with a single number for each channel comes second");
        else
            cnn_hint(diag,
                     "input 2 has the shape of input 1, or is %zu x 1 x 1: one number for "
                     "each channel",
                     x.c);
        return CNN_INVALID;
    }
    node->out = x;
    node->y_over_x = true;
    /* the sums over a map would be written over what they are taken from */
    node->dx_over_dy = is_same_shape(x, gate);
    return cnn_scaling_infer(node, s->activation, arena, diag);
}

/* Like shapes are multiplied as so many images of one pixel. */
static struct cnn_scale geometry(const struct cnn_call *call)
{
    struct cnn_scale scale = cnn_scaling_geometry(call->node, call->n, false);
    if (is_same_shape(call->node->in[0], call->node->in[1])) {
        scale.images *= scale.pixels;
        scale.pixels = 1;
    }
    return scale;
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    const struct cnn_call call = {.node = node, .n = n};
    const struct cnn_scale scale = geometry(&call);
    return kernels->scale_scratch_floats(&scale);
}

static void forward(const struct cnn_call *call)
{
    cnn_scaling_forward(call, geometry(call), call->x[1], NULL);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_scale scale = geometry(call);
    const struct cnn_scale_gradients gradients = {.dx = call->dx[0], .ds = call->dx[1]};
    cnn_scaling_backward(call);
    call->kernels->scale_backward(&scale, call->x[0], call->x[1], call->dy, &gradients,
                                  call->scratch);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const cnn_shape s = node->out;
    if (is_same_shape(node->in[0], node->in[1]))
        return;
    cnn_text_printf(out, "%zu numbers, each times the %zu*%zu of its channel\n", s.c, s.h, s.w);
}

static double factor_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    return is_same_shape(call->node->in[0], call->node->in[1])
               ? cnn_explain_input(call, q, 1, channel)
               : (double)call->x[1][channel];
}

static double product_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    return cnn_explain_input(call, q, 0, channel) * factor_at(call, q, channel);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_node *node = call->node;
    const struct settings *s = node->settings;
    bool gated = !is_same_shape(node->in[0], node->in[1]);
    cnn_explain_begin(node, q, out);
    cnn_text_printf(out, "the same place of %s, times %s of %s\n", cnn_explain_source(node, q, 0),
                    gated ? "the one number of this channel" : "that",
                    cnn_explain_source(node, q, 1));
    cnn_text_printf(out, "%s * %s = %s\n",
                    cnn_explain_factor(cnn_explain_input(call, q, 0, q->channel)).text,
                    cnn_explain_factor(factor_at(call, q, q->channel)).text,
                    cnn_explain_number(product_at(call, q, q->channel)).text);
    return cnn_explain_activation(call, q, cnn_activation_of(s->activation), product_at, out);
}

static double product_slope(const struct cnn_call *call, const struct cnn_question *q,
                            const struct cnn_operand *operand, size_t channel, struct cnn_text *out)
{
    bool gated = !is_same_shape(call->node->in[0], call->node->in[1]);
    if (operand->input == 1 && gated)
        return cnn_slope_copy(operand, channel, 0, 0) > 0
                   ? cnn_slope_factor(cnn_explain_input(call, q, 0, channel), "the other factor",
                                      out)
                   : 0;
    if (!cnn_operand_here(operand, q, channel))
        return 0;
    return cnn_slope_factor(operand->input == 1 ? cnn_explain_input(call, q, 0, channel)
                                                : factor_at(call, q, channel),
                            "the other factor", out);
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {product_at, product_slope};
    const struct settings *s = call->node->settings;
    return cnn_slope_through(call, q, operand, cnn_activation_of(s->activation), &linear, out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct cnn_scaling *state = node->state;
    return (struct cnn_operation){.kind = CNN_OPERATION_MULTIPLY, .activation = state->activation};
}

const struct cnn_layer_type cnn_layer_mul = {
    .variant = {.name = "mul",
                .help = "product of two layers' outputs (from: [a, b]); the second may be one "
                        "number for each channel",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 2,
    .max_inputs = 2,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.scratch = scratch,
                                               .forward = forward,
                                               .backward = backward,
                                               .halves = cnn_node_halves_alike,
                                               .first_alone = true},
    .state_size = sizeof(struct cnn_scaling),
    .fuse = cnn_scaling_fuse,
    .describe = describe,
    .quantization = &cnn_bytes_multiply,
    .explain = explain,
    .slope = slope,
};
