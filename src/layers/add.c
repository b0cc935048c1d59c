/* Add: the sum of several values of one shape, for residual connections. He et al., "Deep Residual
 * Learning", 2015. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/weighted.h"

enum { SLOT_LINEAR };

struct settings {
    int activation;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.kind = CNN_KEY_TABLE, .at = FIELD(activation), .table = cnn_activation_keys}, CNN_KEY_END};

static struct cnn_activation activation_of(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return cnn_activation_of(s->activation);
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    (void)arena;
    const cnn_shape first = node->in[0];
    for (size_t i = 1; i < node->input_count; i++) {
        const cnn_shape s = node->in[i];
        if (s.rank == first.rank && s.c == first.c && s.h == first.h && s.w == first.w)
            continue;
        char a[64], b[64];
        cnn_status status = cnn_fail(
            diag, CNN_INVALID, &node->where,
            "layer '%s' adds unlike shapes: its input 1 is %s, its input %zu is %s", node->name,
            cnn_shape_format(first, a, sizeof a), i + 1, cnn_shape_format(s, b, sizeof b));
        cnn_hint(diag, "a conv with kernel_size 1 brings one of them to the other's channels and, "
                       "with stride, size");
        return status;
    }
    struct cnn_activation activation = activation_of(node);
    node->out = first;
    node->dx_over_dy = true;
    node->gives_again = !cnn_activation_needs_input(activation);
    node->activation = activation;
    if (node->input_count == 2)
        node->effect = (struct cnn_effect){.kind = CNN_EFFECT_ADD, .activation = activation};
    if (cnn_activation_needs_input(activation))
        cnn_node_declare_linear(node, SLOT_LINEAR);
    else
        node->reads_y = activation.kind != CNN_ACT_NONE;
    return CNN_OK;
}

static const struct cnn_activation no_activation = {.kind = CNN_ACT_NONE};

/* Whether the activation cannot be taken while adding, forward and backward. */
static bool is_apart(struct cnn_activation a)
{
    return a.kind == CNN_ACT_SOFTMAX || cnn_activation_needs_input(a);
}

static void forward(const struct cnn_call *call)
{
    const cnn_shape s = call->node->out;
    struct cnn_activation activation = activation_of(call->node);
    float *linear = call->value[SLOT_LINEAR] ? call->value[SLOT_LINEAR] : call->y;
    bool apart = is_apart(activation);
    call->kernels->sum(call->node->input_count, call->n * cnn_shape_count(s), call->x,
                       apart ? no_activation : activation, linear);
    if (apart)
        call->kernels->activation_forward(activation, cnn_call_rows(call), linear, call->y);
}

static void backward(const struct cnn_call *call)
{
    const cnn_shape s = call->node->out;
    struct cnn_activation activation = activation_of(call->node);
    bool apart = is_apart(activation);
    if (apart)
        call->kernels->activation_backward(activation, cnn_call_rows(call),
                                           call->value[SLOT_LINEAR], call->y, call->dy, call->dy);
    call->kernels->sum_backward(call->node->input_count, call->n * cnn_shape_count(s),
                                apart ? no_activation : activation, call->y, call->dy, call->dx);
}

static double sum_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    double sum = 0;
    for (size_t i = 0; i < call->node->input_count; i++)
        sum += cnn_explain_input(call, q, i, channel);
    return sum;
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_node *node = call->node;
    cnn_explain_begin(node, q, out);
    cnn_text_printf(out, "the same place of its %zu inputs, added\n", node->input_count);
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t i = 0; i < node->input_count; i++)
        cnn_sum_add(&sum, "%s (%.99s)",
                    cnn_explain_factor(cnn_explain_input(call, q, i, q->channel)).text,
                    cnn_explain_source(node, q, i));
    cnn_sum_end(&sum, sum_at(call, q, q->channel));
    return cnn_explain_activation(call, q, activation_of(node), sum_at, out);
}

static double sum_slope(const struct cnn_call *call, const struct cnn_question *q,
                        const struct cnn_operand *operand, size_t channel, struct cnn_text *out)
{
    (void)call, (void)out;
    return cnn_operand_here(operand, q, channel) ? 1 : 0;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {sum_at, sum_slope};
    return cnn_slope_through(call, q, operand, activation_of(call->node), &linear, out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_ADD, .activation = activation_of(node)};
}

const struct cnn_layer_type cnn_layer_add = {
    .variant = {.name = "add",
                .help = "sum of several layers' outputs (from: [a, b])",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 2,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.forward = forward,
                                               .backward = backward,
                                               .again = forward,
                                               .halves = cnn_node_halves_alike},
    .quantization = &cnn_bytes_add,
    .explain = explain,
    .slope = slope,
};
