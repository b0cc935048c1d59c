/* Depth to space and its inverse: the numbers of block * block channels become a block of pixels of
 * one channel (Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient
 * Sub-Pixel Convolutional Neural Network", 2016). Nothing is computed. */
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/window.h"
#include "util/words.h"

struct settings {
    size_t block;
    int order;
};

static const char *const order_choices[] = {"channel", "place", NULL};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "block",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(block),
     .min = 1,
     .max = 256,
     .help = "rows and columns of a block of pixels"},
    {.name = "order",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(order),
     .otherwise = "channel",
     .choices = order_choices,
     .help = "the order of the deep channels: those of one channel together (PyTorch, ONNX's CRD), "
             "or those of one place in the block together (TensorFlow, ONNX's DCR)"},
    CNN_KEY_END};

static bool to_space(const struct cnn_node *node)
{
    return node->out.c < node->in[0].c || node->out.h > node->in[0].h;
}

static struct cnn_depth geometry(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    const cnn_shape deep = to_space(node) ? node->in[0] : node->out;
    return (struct cnn_depth){.h = deep.h,
                              .w = deep.w,
                              .channels = deep.c / s->block / s->block,
                              .block = s->block,
                              .places_first = s->order == 1};
}

static cnn_status infer_to_space(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    size_t places = s->block * s->block;
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    node->out = node->in[0];
    node->out.c /= places;
    node->out.h *= s->block;
    node->out.w *= s->block;
    if (status != CNN_OK || node->in[0].c % places == 0)
        return status;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': %zu channels do not make blocks of %zu x %zu: %zu / %zu = %.2f",
             node->name, node->in[0].c, s->block, s->block, node->in[0].c, places,
             (double)node->in[0].c / (double)places);
    cnn_hint(diag, "a number of channels that is a multiple of %zu", places);
    return CNN_INVALID;
}

static cnn_status infer_to_depth(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    const cnn_shape in = node->in[0];
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    node->out = (cnn_shape){3, in.c * s->block * s->block, in.h / s->block, in.w / s->block};
    for (int i = 0; i < 2; i++)
        node->window.kernel[i] = node->window.stride[i] = s->block;
    if (status != CNN_OK || (in.h % s->block == 0 && in.w % s->block == 0))
        return status;
    bool tall = in.h % s->block != 0;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': a %s of %zu is not a whole number of blocks of %zu: %zu / %zu = %.2f",
             node->name, tall ? "height" : "width", tall ? in.h : in.w, s->block,
             tall ? in.h : in.w, s->block, (double)(tall ? in.h : in.w) / (double)s->block);
    return CNN_INVALID;
}

static void move(const struct cnn_call *call, bool space, const float *from, float *to)
{
    const struct cnn_depth depth = geometry(call->node);
    (space ? call->kernels->depth_to_space : call->kernels->space_to_depth)(&depth, call->n, from,
                                                                            to);
}

static void forward(const struct cnn_call *call)
{
    move(call, to_space(call->node), call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    if (call->dx[0])
        move(call, !to_space(call->node), call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    const cnn_shape in = node->in[0], y = node->out;
    const char *space = to_space(node) ? "*" : "/", *depth = to_space(node) ? "/" : "*";
    cnn_text_printf(
        out, "height: %zu%s%zu = %zu\nwidth: %zu%s%zu = %zu\nchannels: %zu%s%zu = %zu\n", in.h,
        space, s->block, y.h, in.w, space, s->block, y.w, in.c, depth, s->block * s->block, y.c);
}

/* Where the question's number comes from. */
static struct cnn_question source_of(const struct cnn_call *call, const struct cnn_question *q)
{
    const struct cnn_depth d = geometry(call->node);
    struct cnn_question from = *q;
    size_t places = d.block * d.block, place;
    if (to_space(call->node)) {
        place = q->row % d.block * d.block + q->column % d.block;
        from.row = q->row / d.block;
        from.column = q->column / d.block;
        from.channel =
            d.places_first ? place * d.channels + q->channel : q->channel * places + place;
        return from;
    }
    place = d.places_first ? q->channel / d.channels : q->channel % places;
    from.channel = d.places_first ? q->channel % d.channels : q->channel / places;
    from.row = q->row * d.block + place / d.block;
    from.column = q->column * d.block + place % d.block;
    return from;
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct settings *s = call->node->settings;
    const struct cnn_question from = source_of(call, q);
    double x = cnn_explain_input(call, &from, 0, from.channel);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "moved, in blocks of %zu x %zu\n", s->block, s->block);
    cnn_text_printf(out, "channel %zu, row %zu, column %zu of %s = %s\n", from.channel, from.row,
                    from.column, cnn_explain_source(call->node, q, 0), cnn_explain_number(x).text);
    return x;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_question from = source_of(call, q);
    (void)out;
    return cnn_slope_copy(operand, from.channel, from.row, from.column);
}

static const struct cnn_execution execution = {.forward = forward, .backward = backward};

static struct cnn_operation operation(const struct cnn_node *node)
{
    const bool space = to_space(node);
    return (struct cnn_operation){.kind = space ? CNN_OPERATION_DEPTH_TO_SPACE
                                                : CNN_OPERATION_SPACE_TO_DEPTH,
                                  .depth = geometry(node)};
}

const struct cnn_layer_type cnn_layer_depth_to_space = {
    .variant = {.name = "depth_to_space",
                .help = CNN_WORDS("channels become blocks of pixels (pixel shuffle)"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_to_space,
    .operation = operation,
    .execution = &execution,
    .describe = describe,
    .quantization = &cnn_bytes_move,
    .explain = explain,
    .slope = slope,
};

const struct cnn_layer_type cnn_layer_space_to_depth = {
    .variant = {.name = "space_to_depth",
                .help = CNN_WORDS("blocks of pixels become channels"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer_to_depth,
    .operation = operation,
    .execution = &execution,
    .describe = describe,
    .quantization = &cnn_bytes_move,
    .explain = explain,
    .slope = slope,
};
