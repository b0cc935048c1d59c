/* Flatten: c x h x w becomes one list of c * h * w numbers in channel, row, column order, as every
 * framework has it; activations are stored channels last, so the values are transposed. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"

static const struct cnn_key keys[] = {CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    (void)arena, (void)diag;
    const cnn_shape in = node->in[0];
    bool same_order = in.c == 1 || in.h * in.w == 1;
    node->out = (cnn_shape){1, cnn_shape_count(in), 1, 1};
    node->y_over_x = node->dx_over_dy = node->renames = same_order;
    return CNN_OK;
}

static void move(const struct cnn_call *call, size_t a, size_t b, const float *from, float *to)
{
    if (a > 1 && b > 1)
        call->kernels->transpose(call->n, a, b, from, to);
    else
        call->kernels->copy(call->n, a * b, from, a * b, to, a * b);
}

static void forward(const struct cnn_call *call)
{
    const cnn_shape in = call->node->in[0];
    move(call, in.h * in.w, in.c, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const cnn_shape in = call->node->in[0];
    if (call->dx[0])
        move(call, in.c, in.h * in.w, call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const cnn_shape in = node->in[0];
    cnn_text_printf(out, "size: %zu*%zu*%zu = %zu\n", in.c, in.h, in.w, node->out.c);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const cnn_shape in = call->node->in[0];
    size_t channel = q->channel / (in.h * in.w), row = q->channel / in.w % in.h,
           column = q->channel % in.w;
    double value = (double)call->x[0][(row * in.w + column) * in.c + channel];
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "channel * %zu + row * %zu + column = %zu * %zu + %zu * %zu + %zu\n",
                    in.h * in.w, in.w, channel, in.h * in.w, row, in.w, column);
    cnn_text_printf(out, "channel %zu, row %zu, column %zu of %s = %s\n", channel, row, column,
                    cnn_explain_source(call->node, q, 0), cnn_explain_number(value).text);
    return value;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const cnn_shape in = call->node->in[0];
    (void)out;
    return cnn_slope_copy(operand, q->channel / (in.h * in.w), q->channel / in.w % in.h,
                          q->channel % in.w);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    (void)node;
    return (struct cnn_operation){.kind = CNN_OPERATION_FLATTEN};
}

const struct cnn_layer_type cnn_layer_flatten = {
    .variant = {.name = "flatten",
                .help = "turns c x h x w into one list of numbers",
                .keys = keys},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.forward = forward,
                                               .backward = backward,
                                               .halves = cnn_node_halves_alike},
    .describe = describe,
    .quantization = &cnn_bytes_move,
    .explain = explain,
    .slope = slope,
};
