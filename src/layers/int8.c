/* conv and dense in bytes (int8.h): with x = (code - zero) * input scale, w = code * weight scale,
 * the sum of products is input scale * weight scale times a sum of whole numbers. batch_norm
 * multiplies that scale of a filter. */
#include "layers/int8.h"

#include <math.h>

#include "graph/bytes.h"
#include "graph/integers.h"

static size_t sum_depth(const struct cnn_conv *c)
{
    size_t depth;
    return cnn_size_mul(c->kernel_h * c->kernel_w, c->in_c / c->groups, &depth) ? depth : SIZE_MAX;
}

/* Sums within 32 bits. */
static bool fits(const struct cnn_node *node)
{
    return sum_depth(&((const struct cnn_weighted *)node->state)->conv) <= CNN_INT8_DEPTH;
}

/* Files that are older than this have groups of other than whole fours of channels as floats. */
static bool always(const struct cnn_node *node)
{
    const struct cnn_conv *c = &((const struct cnn_weighted *)node->state)->conv;
    return c->groups == 1 || c->in_c / c->groups % 4 == 0;
}

/* Four deviations of the widest of the distributions that weights are drawn from. */
static void first_scale(const struct cnn_node *node, const struct cnn_tensor *tensor,
                        struct cnn_rng *rng, float *values)
{
    const struct cnn_weighted *w = node->state;
    (void)rng;
    for (size_t f = 0; f < tensor->count; f++)
        values[f] = (float)(4 * sqrt(2 / (double)sum_depth(&w->conv)) / 127);
}

static const char *check_scale(const struct cnn_tensor *tensor, const float *values)
{
    for (size_t f = 0; f < tensor->count; f++)
        if (!(values[f] > 0) || !isnormal(values[f]) || !isfinite(values[f] * 128))
            return "a scale is no positive number";
    return NULL;
}

static void declare(struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    cnn_node_declare_ranges(node, CNN_SLOT_INPUT_RANGE);
    struct cnn_tensor *scale = cnn_node_declare(node, CNN_SLOT_WEIGHT_SCALE, CNN_ROLE_STATISTIC,
                                                "weight_scale", 1, &w->conv.out_c);
    scale->init = first_scale;
    scale->check = check_scale;
    node->tensors[CNN_SLOT_WEIGHT].scale_slot = CNN_SLOT_WEIGHT_SCALE;
}

/* Softmax is a step of its own, over numbers. */
static bool writes_bytes(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    return w->activation.kind != CNN_ACT_SOFTMAX;
}

static struct cnn_integers_size size_of(const struct cnn_conv *c)
{
    return (struct cnn_integers_size){.inputs = 1, .count = c->out_c, .filters = true};
}

/* The integers, then the packed weights. */
static size_t packed_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            bool backward)
{
    (void)backward;
    const struct cnn_weighted *w = node->state;
    size_t packed = kernels->conv_int8_packed_floats(&w->conv),
           integers = cnn_integers_floats(size_of(&w->conv)), floats;
    return packed < SIZE_MAX / 64 && integers < SIZE_MAX / 64 &&
                   cnn_size_add(packed, integers, &floats)
               ? floats
               : SIZE_MAX;
}

/* What stands at the beginning of the scratch: x in bytes, where it comes as floats. */
static size_t input_floats(const struct cnn_node *node, size_t n)
{
    const struct cnn_conv *c = &((const struct cnn_weighted *)node->state)->conv;
    size_t floats;
    if (node->x_bytes)
        return 0;
    return cnn_size_mul(n * c->in_h * c->in_w, cnn_code_channels(c->in_c) / sizeof(float),
                        &floats) &&
                   floats < SIZE_MAX / 64
               ? cnn_round_floats(floats)
               : SIZE_MAX / 64;
}

/* Either what forward needs, or the codes of the weights. */
static size_t scratch_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                             size_t n)
{
    const struct cnn_weighted *w = node->state;
    const size_t codes = node->tensors[CNN_SLOT_WEIGHT].count / sizeof(float) + 1;
    size_t floats;
    if (!cnn_size_add(kernels->conv_int8_scratch_floats(&w->conv, n), input_floats(node, n),
                      &floats))
        return SIZE_MAX;
    return floats > codes ? floats : codes;
}

static struct cnn_integers_room make_integers(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    const size_t filters = w->conv.out_c;
    const struct cnn_integers_room room =
        cnn_integers_place(call->value[CNN_SLOT_PACKED], size_of(&w->conv));
    float *bias = room.factor; /* which takes its place later */
    cnn_weighted_fold(call, room.scale, bias);
    room.x[0] = cnn_codes_of(call->x_range[0]);
    call->kernels->multiply(filters, room.x[0].scale, call->value[CNN_SLOT_WEIGHT_SCALE],
                            room.scale);
    const int64_t bound = cnn_integers_bias(&room, bias, 255 * 128 * (int64_t)sum_depth(&w->conv));
    if (call->y_range)
        cnn_integers_multiply(
            &room, cnn_integers_activate(&room, w->activation, cnn_codes_of(call->y_range)), bound);
    return room;
}

static void codes(const struct cnn_call *call, signed char *to)
{
    const struct cnn_weighted *w = call->node->state;
    const struct cnn_integers_room room =
        cnn_integers_find(call->value[CNN_SLOT_PACKED], size_of(&w->conv));
    const float *weight = call->value[CNN_SLOT_WEIGHT], *scale = call->value[CNN_SLOT_WEIGHT_SCALE];
    const size_t row = sum_depth(&w->conv);
    for (size_t i = 0; i < row * w->conv.out_c; i++) {
        const float code =
            nearbyintf(nearbyintf(weight[i] / scale[i / row]) * room.factor[i / row]);
        to[i] = code >= 127 ? 127 : code >= -128 ? (signed char)code : -128;
    }
}

static void prepare(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    const struct cnn_integers_room room = make_integers(call);
    codes(call, (signed char *)call->scratch);
    call->kernels->conv_int8_pack(&w->conv, room.integers, (const signed char *)call->scratch,
                                  room.rest);
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    const struct cnn_integers_room room =
        cnn_integers_find(call->value[CNN_SLOT_PACKED], size_of(&w->conv));
    const bool softmax = w->activation.kind == CNN_ACT_SOFTMAX;
    const float *x = call->x[0];
    float *scratch = call->scratch; /* NULL where none is needed */
    if (!call->node->x_bytes) {
        call->kernels->quantize(call->n * w->conv.in_h * w->conv.in_w, w->conv.in_c, x, room.x[0],
                                (unsigned char *)call->scratch);
        x = call->scratch;
        scratch += input_floats(call->node, call->n);
    }
    call->kernels->conv_int8_forward(
        &w->conv,
        &(struct cnn_conv_int8_forward){
            .n = call->n,
            .x = (const unsigned char *)x,
            .packed = room.rest,
            .integers = room.integers,
            .activation = softmax ? (struct cnn_activation){.kind = CNN_ACT_NONE} : w->activation,
            .pool = w->pools ? &w->pool : NULL,
            .y = call->y,
            .scratch = scratch});
    if (softmax)
        call->kernels->softmax_exact(cnn_call_rows(call), call->y, call->y);
}

static struct cnn_work work(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            enum cnn_conv_pass pass)
{
    (void)kernels, (void)pass;
    return cnn_conv_direct_work(&((const struct cnn_weighted *)node->state)->conv,
                                CNN_FACTORS_BYTES);
}

const struct cnn_quantization cnn_int8 = {
    .fits = fits,
    .always = always,
    .declare = declare,
    .writes_bytes = writes_bytes,
    .reads_floats = true,
    .writes_floats = true,
    .codes = codes,
    .execution =
        {
            .packed = packed_floats,
            .scratch = scratch_floats,
            .prepare = prepare,
            .forward = forward,
            .work = work,
        },
};
