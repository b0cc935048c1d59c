/* Batch normalisation, Ioffe and Szegedy 2015: y = gamma * (x - mean) / sqrt(var + eps) + beta for
 * each channel. In training mean and biased variance are the batch's; the running averages take the
 * unbiased variance (as PyTorch) and serve in evaluation. */
#include <math.h>

#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/weighted.h"

/* BATCH: mean and variance of this batch */
enum { SLOT_GAMMA, SLOT_BETA, SLOT_MEAN, SLOT_VARIANCE, SLOT_BATCH };

struct settings {
    double eps, momentum;
    int activation;
};

struct state {
    struct cnn_activation activation; /* of the settings, or fused */
    const struct cnn_pool *pool;      /* fused; NULL: none */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "eps",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(eps),
     .otherwise = "1e-5",
     .min = 1e-37, /* a float that is not 0 */
     .max = 1,
     .help = "added to the variance before the square root"},
    {.name = "momentum",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(momentum),
     .otherwise = "0.1",
     .max = 1,
     .help = "weight of the new value in the running averages"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(activation), .table = cnn_activation_keys},
    CNN_KEY_END};

static struct cnn_activation activation_of(const struct cnn_node *node)
{
    const struct state *state = node->state;
    return state->activation;
}

/* Whether the kernels of batch_norm do the activation; else it is a step of its own. */
static bool fusable(struct cnn_activation a)
{
    return a.kind != CNN_ACT_SOFTMAX;
}

static struct cnn_batch_norm geometry(const struct cnn_node *node, size_t n)
{
    const struct settings *s = node->settings;
    const struct state *state = node->state;
    return (struct cnn_batch_norm){
        .rows = n * node->in[0].h * node->in[0].w,
        .image = node->in[0].h * node->in[0].w,
        .channels = node->in[0].c,
        .eps = (float)s->eps,
        .activation = fusable(state->activation) ? state->activation
                                                 : (struct cnn_activation){.kind = CNN_ACT_NONE},
        .pool = state->pool,
    };
}

static const char *check_variance(const struct cnn_tensor *tensor, const float *values)
{
    for (size_t i = 0; i < tensor->count; i++)
        if (values[i] < 0)
            return "a variance is below 0";
    return NULL;
}

static void declare(struct cnn_node *node)
{
    size_t c = node->in[0].c;
    cnn_node_declare(node, SLOT_GAMMA, CNN_ROLE_WEIGHT, "weight", 1, &c)->init = cnn_tensor_ones;
    cnn_node_declare(node, SLOT_BETA, CNN_ROLE_BIAS, "bias", 1, &c);
    cnn_node_declare(node, SLOT_MEAN, CNN_ROLE_STATISTIC, "running_mean", 1, &c);
    struct cnn_tensor *variance =
        cnn_node_declare(node, SLOT_VARIANCE, CNN_ROLE_STATISTIC, "running_var", 1, &c);
    variance->init = cnn_tensor_ones;
    variance->check = check_variance;
    cnn_node_declare_saved(node, SLOT_BATCH, 0, 2 * cnn_round_floats(c));
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    struct cnn_activation activation = cnn_activation_of(s->activation);
    struct state *state = cnn_arena_alloc(arena, sizeof *state);
    if (!state)
        return cnn_fail_memory(diag, sizeof *state, "a layer");
    state->activation = activation;
    node->state = state;
    node->out = node->in[0];
    declare(node);
    node->reads_x = true;
    node->gives_again = true;
    /* else what lies behind x is computed again */
    node->reads_y = activation.kind == CNN_ACT_SOFTMAX;
    node->dx_over_dy = true;
    node->effect = (struct cnn_effect){
        .kind = CNN_EFFECT_NORMALIZE, .activation = activation, .eps = geometry(node, 1).eps};
    node->needs_two = node->in[0].h * node->in[0].w == 1; /* one value has no variance */
    node->activation = activation;
    return CNN_OK;
}

/* That of a call, whose statistics are those of the whole batch. */
static struct cnn_batch_norm geometry_of(const struct cnn_call *call)
{
    struct cnn_batch_norm b = geometry(call->node, call->n);
    b.parts = call->parts;
    b.ranks = call->ranks;
    b.room = call->room;
    return b;
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    struct cnn_batch_norm b = geometry(node, n);
    struct cnn_parts parts = cnn_parts_of(n, 0, 1);
    b.parts = &parts;
    return kernels->batch_norm_scratch_floats(&b);
}

static void update_running(const struct cnn_call *call, const struct cnn_batch_norm *b,
                           const float *mean, const float *variance)
{
    const struct settings *s = call->node->settings;
    size_t rows = (b->parts ? b->parts->images : call->n) * b->image;
    float unbias = rows > 1 ? (float)rows / (float)(rows - 1) : 1;
    call->kernels->track(b->channels, s->momentum, 1, mean, call->value[SLOT_MEAN]);
    call->kernels->track(b->channels, s->momentum, unbias, variance, call->value[SLOT_VARIANCE]);
}

/* Of the batch, once they are measured, or of the running averages. */
static void normalise(const struct cnn_call *call)
{
    struct cnn_batch_norm b = geometry_of(call);
    struct cnn_activation activation = activation_of(call->node);
    const float *mean = call->value[SLOT_MEAN], *variance = call->value[SLOT_VARIANCE];
    if (call->training) {
        mean = call->value[SLOT_BATCH];
        variance = mean + cnn_round_floats(b.channels);
    }
    call->kernels->batch_norm_forward(
        &b, &(struct cnn_batch_norm_arrays){.x = call->x[0],
                                            .mean = mean,
                                            .var = variance,
                                            .gamma = call->value[SLOT_GAMMA],
                                            .beta = call->value[SLOT_BETA],
                                            .y = call->y});
    if (!fusable(activation))
        call->kernels->activation_forward(activation, cnn_call_rows(call), call->y, call->y);
}

static void forward(const struct cnn_call *call)
{
    if (call->training) {
        struct cnn_batch_norm b = geometry_of(call);
        float *mean = call->value[SLOT_BATCH], *variance = mean + cnn_round_floats(b.channels);
        call->kernels->batch_norm_statistics(&b, call->x[0], mean, variance, call->scratch);
        update_running(call, &b, mean, variance);
    }
    normalise(call);
}

static void backward(const struct cnn_call *call)
{
    struct cnn_batch_norm b = geometry_of(call);
    struct cnn_activation activation = activation_of(call->node);
    if (!fusable(activation))
        call->kernels->activation_backward(activation, cnn_call_rows(call), NULL, call->y, call->dy,
                                           call->dy);
    struct cnn_batch_norm_arrays arrays = {.x = call->x[0],
                                           .mean = call->value[SLOT_MEAN],
                                           .var = call->value[SLOT_VARIANCE],
                                           .gamma = call->value[SLOT_GAMMA],
                                           .beta = call->value[SLOT_BETA],
                                           .dy = call->dy,
                                           .dx = call->dx[0],
                                           .dgamma = call->grad[SLOT_GAMMA],
                                           .dbeta = call->grad[SLOT_BETA],
                                           .scratch = call->scratch};
    if (!call->training) {
        call->kernels->batch_norm_backward_fixed(&b, &arrays);
        return;
    }
    arrays.mean = call->value[SLOT_BATCH];
    arrays.var = arrays.mean + cnn_round_floats(b.channels);
    call->kernels->batch_norm_backward(&b, &arrays);
}

/* with fewer, gradients go faster through a pooling of its own */
#define FEW_CHANNELS ((size_t)16)

static bool halves(const struct cnn_node *node, const struct cnn_kernels *kernels)
{
    return fusable(activation_of(node)) && !cnn_node_frozen(node) &&
           cnn_node_halves_alike(node, kernels);
}

static bool fuse_next(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion)
{
    struct state *state = node->state;
    const struct cnn_effect *effect = &next->effect;
    if (state->pool || !fusable(state->activation))
        return false;
    switch (effect->kind) {
    case CNN_EFFECT_NONE:
        return fusion != CNN_FUSE_TRAINING;
    case CNN_EFFECT_ACTIVATE:
        if (state->activation.kind != CNN_ACT_NONE || !fusable(effect->activation))
            return false;
        state->activation = effect->activation;
        return true;
    case CNN_EFFECT_POOL:
        if (node->quantization || !cnn_pool_fuses(&effect->pool) ||
            cnn_activation_needs_input(state->activation) ||
            (fusion == CNN_FUSE_TRAINING &&
             (node->in[0].c < FEW_CHANNELS || cnn_node_frozen(node))))
            return false;
        state->pool = &effect->pool;
        node->dx_over_dy = false;
        return true;
    default:
        return false;
    }
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    cnn_text_printf(out,
                    "parameters: scale and shift, 2 * %zu = %zu (and 2 * %zu running statistics, "
                    "not trained)\n",
                    node->out.c, 2 * node->out.c, node->out.c);
}

static double normalised_at(const struct cnn_call *call, const struct cnn_question *q,
                            size_t channel)
{
    double x = cnn_explain_input(call, q, 0, channel),
           variance = (double)call->value[SLOT_VARIANCE][channel];
    return (x - (double)call->value[SLOT_MEAN][channel]) /
               sqrt(variance + (double)geometry(call->node, 1).eps) *
               (double)call->value[SLOT_GAMMA][channel] +
           (double)call->value[SLOT_BETA][channel];
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_node *node = call->node;
    cnn_explain_begin(node, q, out);
    cnn_text_printf(
        out, "(x - mean) / sqrt(variance + eps) * weight + bias, where x is the same place of %s\n",
        cnn_explain_source(node, q, 0));
    cnn_text_printf(out,
                    "mean and variance are the running averages of channel %zu, weight and bias "
                    "what it learned\n",
                    q->channel);
    cnn_text_printf(out, "(%s - %s) / sqrt(%s + %s) * %s + %s = %s\n",
                    cnn_explain_number(cnn_explain_input(call, q, 0, q->channel)).text,
                    cnn_explain_factor((double)call->value[SLOT_MEAN][q->channel]).text,
                    cnn_explain_number((double)call->value[SLOT_VARIANCE][q->channel]).text,
                    cnn_explain_number((double)geometry(node, 1).eps).text,
                    cnn_explain_factor((double)call->value[SLOT_GAMMA][q->channel]).text,
                    cnn_explain_factor((double)call->value[SLOT_BETA][q->channel]).text,
                    cnn_explain_number(normalised_at(call, q, q->channel)).text);
    return cnn_explain_activation(call, q, activation_of(node), normalised_at, out);
}

static double normalised_slope(const struct cnn_call *call, const struct cnn_question *q,
                               const struct cnn_operand *operand, size_t channel,
                               struct cnn_text *out)
{
    double scale =
        1 / sqrt((double)call->value[SLOT_VARIANCE][channel] + (double)geometry(call->node, 1).eps);
    if (!operand->parameter)
        return cnn_operand_here(operand, q, channel)
                   ? cnn_slope_factor((double)call->value[SLOT_GAMMA][channel] * scale,
                                      "weight / sqrt(variance + eps)", out)
                   : 0;
    if (operand->index != channel)
        return 0;
    if (operand->slot == SLOT_BETA)
        return 1;
    return cnn_slope_factor(
        (cnn_explain_input(call, q, 0, channel) - (double)call->value[SLOT_MEAN][channel]) * scale,
        "(input - mean) / sqrt(variance + eps)", out);
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {normalised_at, normalised_slope};
    return cnn_slope_through(call, q, operand, activation_of(call->node), &linear, out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_BATCH_NORM,
                                  .activation = activation_of(node),
                                  .eps = geometry(node, 1).eps};
}

const struct cnn_layer_type cnn_layer_batch_norm = {
    .variant = {.name = "batch_norm",
                .help = "normalises every channel, with the statistics of the batch in training "
                        "and running statistics afterwards, then scales and shifts it",
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
            .again = normalise,
            .sums = CNN_SUMS_SHARED,
            .halves = halves,
        },
    .quantization = &cnn_bytes_normalize,
    .state_size = sizeof(struct state),
    .fuse = fuse_next,
    .describe = describe,
    .explain = explain,
    .slope = slope,
};
