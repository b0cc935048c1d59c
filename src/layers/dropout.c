/* Dropout, Srivastava et al. 2014, inverted: in training a share `rate` of the values becomes 0 and
 * the rest is scaled by 1 / (1 - rate); in evaluation nothing happens. Backward draws the same mask
 * again from the step's seed. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "util/words.h"

struct settings {
    double rate;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {{.name = "rate",
                                       .kind = CNN_KEY_NUMBER,
                                       .at = FIELD(rate),
                                       .otherwise = "0.5",
                                       .max = 1,
                                       .open_max = true,
                                       .help = "share of the values that are dropped"},
                                      CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    (void)arena, (void)diag;
    node->out = node->in[0];
    node->random = s->rate > 0;
    node->y_over_x = true;
    node->dx_over_dy = true;
    node->renames = true;
    node->effect.kind = CNN_EFFECT_NONE;
    return CNN_OK;
}

static void apply(const struct cnn_call *call, const float *from, float *to)
{
    const struct settings *s = call->node->settings;
    size_t size = call->n * cnn_shape_count(call->node->out);
    if (call->training && s->rate > 0)
        call->kernels->dropout(
            &(struct cnn_drop){.first = cnn_call_first(call) * cnn_shape_count(call->node->out),
                               .size = size,
                               .rate = (double)(float)s->rate,
                               .seed = call->seed},
            from, to);
    else
        call->kernels->copy(1, size, from, size, to, size);
}

static void forward(const struct cnn_call *call)
{
    apply(call, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    if (call->dx[0])
        apply(call, call->dy, call->dx[0]);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    double x = cnn_explain_input(call, q, 0, q->channel);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "outside training nothing is dropped\nthe same place of %s = %s\n",
                    cnn_explain_source(call->node, q, 0), cnn_explain_number(x).text);
    return x;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    (void)call, (void)out;
    return cnn_slope_copy(operand, q->channel, q->row, q->column);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    (void)node;
    return (struct cnn_operation){.kind = CNN_OPERATION_PASS};
}

const struct cnn_layer_type cnn_layer_dropout = {
    .variant = {.name = "dropout",
                .help = CNN_WORDS("drops values at random in training"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.forward = forward,
                                               .backward = backward,
                                               .halves = cnn_node_halves_alike},
    .quantization = &cnn_bytes_move,
    .explain = explain,
    .slope = slope,
};
