/* PReLU: what lies below zero times a learned slope, one for each channel or one for all. He et
 * al., "Delving Deep into Rectifiers", 2015. */
#include "layers/explain.h"
#include "util/words.h"

enum { SLOT_WEIGHT };

struct settings {
    double init;
    bool shared;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "init",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(init),
     .otherwise = "0.25",
     .min = -1e6,
     .max = 1e6,
     .help = "initial value of the slopes"},
    {.name = "shared",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(shared),
     .otherwise = "false",
     .help = "one slope for all channels, instead of one for each"},
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
    size_t slopes = s->shared ? 1 : node->in[0].c;
    (void)arena;
    (void)diag;
    node->out = node->in[0];
    cnn_node_declare(node, SLOT_WEIGHT, CNN_ROLE_WEIGHT, "weight", 1, &slopes)->init = fill_init;
    node->reads_x = true;
    node->y_over_x = true;
    node->dx_over_dy = true;
    return CNN_OK;
}

static struct cnn_scale geometry(const struct cnn_node *node, size_t n)
{
    return (struct cnn_scale){.images = 1,
                              .pixels = n * node->out.h * node->out.w,
                              .channels = node->out.c,
                              .negative = true,
                              .activation = {.kind = CNN_ACT_NONE}};
}

/* Behind the kernel's scratch: the slope of each channel, and its gradient. */
static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    const struct cnn_scale scale = geometry(node, n);
    return cnn_round_floats(kernels->scale_scratch_floats(&scale)) +
           2 * cnn_round_floats(node->out.c);
}

static float *slopes_of(const struct cnn_call *call, const struct cnn_scale *scale)
{
    const struct settings *s = call->node->settings;
    float *slopes = call->scratch + cnn_round_floats(call->kernels->scale_scratch_floats(scale));
    for (size_t c = 0; c < scale->channels; c++)
        slopes[c] = call->value[SLOT_WEIGHT][s->shared ? 0 : c];
    return slopes;
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_scale scale = geometry(call->node, call->n);
    call->kernels->scale_forward(&scale, call->x[0], slopes_of(call, &scale), NULL, call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct settings *s = call->node->settings;
    const struct cnn_scale scale = geometry(call->node, call->n);
    float *slopes = slopes_of(call, &scale), *sums = slopes + cnn_round_floats(scale.channels),
          *gradient = call->grad[SLOT_WEIGHT];
    const struct cnn_scale_gradients gradients = {.dx = call->dx[0], .ds = sums};
    call->kernels->scale_backward(&scale, call->x[0], slopes, call->dy, &gradients, call->scratch);
    if (!gradient)
        return;
    if (!s->shared) {
        call->kernels->copy(1, scale.channels, sums, 0, gradient, 0);
        return;
    }
    gradient[0] = 0;
    for (size_t c = 0; c < scale.channels; c++)
        gradient[0] += sums[c];
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    if (s->shared)
        cnn_text_printf(out, "parameters: one slope for all %zu channels\n", node->out.c);
    else
        cnn_text_printf(out, "parameters: one slope for each of %zu channels\n", node->out.c);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    double x = cnn_explain_input(call, q, 0, q->channel),
           slope = (double)call->value[SLOT_WEIGHT][s->shared ? 0 : q->channel],
           y = x > 0 ? x : x * slope;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "x, or x times the slope %s%s below zero, x is the same place of %s\n",
                    cnn_explain_number(slope).text, s->shared ? "" : " of its channel",
                    cnn_explain_source(call->node, q, 0));
    if (x > 0)
        cnn_text_printf(out, "x is above zero = %s\n", cnn_explain_number(y).text);
    else
        cnn_text_printf(out, "%s * %s = %s\n", cnn_explain_factor(x).text,
                        cnn_explain_factor(slope).text, cnn_explain_number(y).text);
    return y;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    size_t index = s->shared ? 0 : q->channel;
    double x = cnn_explain_input(call, q, 0, q->channel);
    if (operand->parameter)
        return operand->index == index && !(x > 0) ? cnn_slope_factor(x, "input", out) : 0;
    if (!cnn_operand_here(operand, q, q->channel))
        return 0;
    return cnn_slope_factor(x > 0 ? 1 : (double)call->value[SLOT_WEIGHT][index], "slope of prelu",
                            out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    (void)node;
    return (struct cnn_operation){.kind = CNN_OPERATION_PRELU};
}

const struct cnn_layer_type cnn_layer_prelu = {
    .variant = {.name = "prelu",
                .help = CNN_WORDS("x, or x times a learned slope below zero"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution =
        &(const struct cnn_execution){
            .scratch = scratch,
            .forward = forward,
            .backward = backward,
        },
    .describe = describe,
    .explain = explain,
    .slope = slope,
};
