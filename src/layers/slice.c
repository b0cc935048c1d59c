/* Slice: some of the channels that follow one another, as ShuffleNet splits them. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "util/words.h"

struct settings {
    size_t start, end;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "start",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(start),
     .otherwise = "0",
     .max = 1048576,
     .help = "the first selected channel, counted from 0"},
    {.name = "end",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(end),
     .otherwise = "",
     .min = 1,
     .max = 1048576,
     .help = "the channel after the last selected one; by default all the rest"},
    CNN_KEY_END};

static struct cnn_channel_range range_of(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_channel_range){
        .channels = node->in[0].c, .first = s->start, .count = node->out.c};
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    size_t channels = node->in[0].c, end = s->end > 0 ? s->end : channels;
    (void)arena;
    if (s->start >= end || end > channels) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s' takes the channels from %zu on and before %zu; there are %zu",
                 node->name, s->start, end, channels);
        cnn_hint(diag, "start below end, and end at most %zu", channels);
        return CNN_INVALID;
    }
    node->out = node->in[0];
    node->out.c = end - s->start;
    node->unread = (channels - node->out.c) * node->out.h * node->out.w;
    return CNN_OK;
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_channel_range range = range_of(call->node);
    const cnn_shape s = call->node->out;
    call->kernels->take_channels(call->n * s.h * s.w, &range, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_channel_range range = range_of(call->node);
    const cnn_shape s = call->node->out;
    if (call->dx[0])
        call->kernels->put_channels(call->n * s.h * s.w, &range, call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct cnn_channel_range range = range_of(node);
    cnn_text_printf(out, "channels %zu to %zu of %zu: %zu - %zu = %zu\n", range.first,
                    range.first + range.count - 1, range.channels, range.first + range.count,
                    range.first, range.count);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_channel_range range = range_of(call->node);
    double x = cnn_explain_input(call, q, 0, range.first + q->channel);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "comes from %s, whose channels %zu to %zu are taken\n",
                    cnn_explain_source(call->node, q, 0), range.first,
                    range.first + range.count - 1);
    cnn_text_printf(out, "channel %zu + %zu = %zu there = %s\n", range.first, q->channel,
                    range.first + q->channel, cnn_explain_number(x).text);
    return x;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    (void)out;
    return cnn_slope_copy(operand, range_of(call->node).first + q->channel, q->row, q->column);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_SLICE, .range = range_of(node)};
}

const struct cnn_layer_type cnn_layer_slice = {
    .variant = {.name = "slice",
                .help = CNN_WORDS("selects channels, from start to before end"),
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
