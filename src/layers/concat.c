/* Concat: joins the channels of several values whose heights and widths agree. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"

static const struct cnn_key keys[] = {CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    (void)arena;
    node->out = node->in[0];
    for (size_t i = 1; i < node->input_count; i++) {
        const cnn_shape first = node->in[0], s = node->in[i];
        if (s.rank != first.rank || s.h != first.h || s.w != first.w) {
            char a[64], b[64];
            cnn_fail(diag, CNN_INVALID, &node->where,
                     "layer '%s' joins unlike sizes: its input 1 is %s, its input %zu is %s",
                     node->name, cnn_shape_format(first, a, sizeof a), i + 1,
                     cnn_shape_format(s, b, sizeof b));
            cnn_hint(diag, "only channels may differ; `padding: same` keeps a conv's height and "
                           "width, and stride divides them");
            return CNN_INVALID;
        }
        node->out.c += s.c;
    }
    return CNN_OK;
}

/* So many numbers of a pixel, as floats: two that are stored as bfloat16 take one. */
static size_t floats_of(const struct cnn_call *call, size_t numbers)
{
    return call->node->y_halves ? numbers / 2 : numbers;
}

static void forward(const struct cnn_call *call)
{
    const cnn_shape out = call->node->out;
    size_t pixels = call->n * out.h * out.w, at = 0;
    for (size_t i = 0; i < call->node->input_count; i++) {
        size_t c = call->node->in[i].c;
        call->kernels->copy(pixels, c, call->x[i], c, call->y + floats_of(call, at), out.c);
        at += c;
    }
}

static void backward(const struct cnn_call *call)
{
    const cnn_shape out = call->node->out;
    size_t pixels = call->n * out.h * out.w, at = 0;
    for (size_t i = 0; i < call->node->input_count; i++) {
        size_t c = call->node->in[i].c;
        if (call->dx[i])
            call->kernels->copy(pixels, c, call->dy + floats_of(call, at), out.c, call->dx[i], c);
        at += c;
    }
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    cnn_text_printf(out, "channels:");
    for (size_t i = 0; i < node->input_count; i++)
        cnn_text_printf(out, "%s %zu", i ? " +" : "", node->in[i].c);
    cnn_text_printf(out, " = %zu\n", node->out.c);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_node *node = call->node;
    size_t input = 0, first = 0;
    while (q->channel - first >= node->in[input].c)
        first += node->in[input++].c;
    double value = cnn_explain_input(call, q, input, q->channel - first);
    cnn_explain_begin(node, q, out);
    cnn_text_printf(out, "comes from %s, input %zu of %zu, which gives ",
                    cnn_explain_source(node, q, input), input + 1, node->input_count);
    cnn_explain_range("channel", (ptrdiff_t)first, 1, node->in[input].c, out);
    cnn_text_printf(out, " here\n");
    cnn_text_printf(out, "channel %zu - %zu = %zu of %s there = %s\n", q->channel, first,
                    q->channel - first, cnn_explain_source(node, q, input),
                    cnn_explain_number(value).text);
    return value;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    size_t first = 0;
    (void)out;
    for (size_t i = 0; i < operand->input; i++)
        first += call->node->in[i].c;
    return q->channel < first ? 0 : cnn_slope_copy(operand, q->channel - first, q->row, q->column);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    (void)node;
    return (struct cnn_operation){.kind = CNN_OPERATION_CONCATENATE};
}

const struct cnn_layer_type cnn_layer_concat = {
    .variant = {.name = "concat",
                .help = "joins the channels of several layers (from: [a, b])",
                .keys = keys},
    .min_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.forward = forward,
                                               .backward = backward,
                                               .halves = cnn_node_halves_alike},
    .describe = describe,
    .quantization = &cnn_bytes_concatenate,
    .explain = explain,
    .slope = slope,
};
