/* Channel shuffle: the channels of each group are dealt out among all groups, so that grouped
 * convolutions exchange what they know. Zhang et al., "ShuffleNet", 2018. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "util/words.h"

#include <string.h>

struct settings {
    size_t groups;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "groups",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(groups),
     .min = 1,
     .max = 65536,
     .help = "number of groups; the new order takes one channel of each group in turn"},
    CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    size_t channels = node->in[0].c, nearest = s->groups;
    (void)arena;
    node->out = node->in[0];
    if (channels % s->groups == 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': %zu channels cannot be split into %zu groups: %zu / %zu = %.2f",
             node->name, channels, s->groups, channels, s->groups,
             (double)channels / (double)s->groups);
    while (channels % nearest != 0)
        nearest--;
    cnn_hint(diag, "groups must divide %zu, e.g. %zu", channels, nearest);
    return CNN_INVALID;
}

/* Channel i of group g becomes channel i * groups + g: each pixel's channels are a matrix that is
 * transposed. */
static void forward(const struct cnn_call *call)
{
    const struct settings *s = call->node->settings;
    const cnn_shape shape = call->node->out;
    call->kernels->transpose(call->n * shape.h * shape.w, s->groups, shape.c / s->groups,
                             call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct settings *s = call->node->settings;
    const cnn_shape shape = call->node->out;
    if (call->dx[0])
        call->kernels->transpose(call->n * shape.h * shape.w, shape.c / s->groups, s->groups,
                                 call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    cnn_text_printf(out, "%zu channels in %zu groups of %zu\n", node->out.c, s->groups,
                    node->out.c / s->groups);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    size_t members = call->node->out.c / s->groups, group = q->channel % s->groups,
           member = q->channel / s->groups, from = group * members + member;
    double x = cnn_explain_input(call, q, 0, from);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "channel %zu of group %zu, as %zu = %zu * %zu + %zu\n", member, group,
                    q->channel, member, s->groups, group);
    cnn_text_printf(out, "channel %zu * %zu + %zu = %zu of %s = %s\n", group, members, member, from,
                    cnn_explain_source(call->node, q, 0), cnn_explain_number(x).text);
    return x;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    size_t members = call->node->out.c / s->groups,
           from = q->channel % s->groups * members + q->channel / s->groups;
    (void)out;
    return cnn_slope_copy(operand, from, q->row, q->column);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_operation){.kind = CNN_OPERATION_SHUFFLE, .groups = s->groups};
}

const struct cnn_layer_type cnn_layer_shuffle = {
    .variant = {.name = "shuffle",
                .help = CNN_WORDS("distributes the channels of each group over all groups"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
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
