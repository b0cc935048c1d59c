/* Layers in bytes (int8.h): with x = (code - zero) * input scale, w = code * weight scale, the sum
 * of products is input scale * weight scale times a sum of whole numbers. batch_norm multiplies
 * that scale of a filter; the codes stay. */
#include "layers/int8.h"

#include <math.h>

/* Groups of whole fours of channels, sums within 32 bits. */
static bool fits(const struct cnn_node *node)
{
    const struct cnn_conv *c = &((const struct cnn_weighted *)node->state)->conv;
    size_t group_in = c->in_c / c->groups, depth;
    return (c->groups == 1 || group_in % 4 == 0) &&
           cnn_size_mul(c->kernel_h * c->kernel_w, group_in, &depth) && depth <= CNN_INT8_DEPTH;
}

/* The first values are good for nothing but to measure speed. */
static void first_range(const struct cnn_node *node, const struct cnn_tensor *tensor,
                        struct cnn_rng *rng, float *values)
{
    (void)node;
    (void)tensor;
    (void)rng;
    values[0] = -4;
    values[1] = 4;
}

/* Four deviations of the widest of the distributions that weights are drawn from. */
static void first_scale(const struct cnn_node *node, const struct cnn_tensor *tensor,
                        struct cnn_rng *rng, float *values)
{
    const struct cnn_weighted *w = node->state;
    double fan_in = (double)w->conv.kernel_h * (double)w->conv.kernel_w *
                    (double)(w->conv.in_c / w->conv.groups);
    (void)rng;
    for (size_t f = 0; f < tensor->count; f++)
        values[f] = (float)(4 * sqrt(2 / fan_in) / 127);
}

static const char *check_range(const struct cnn_tensor *tensor, const float *values)
{
    (void)tensor;
    return values[0] <= 0 && values[1] >= 0 && isnormal((values[1] - values[0]) / 255)
               ? NULL
               : "it is no range of numbers around 0";
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
    const size_t two = 2;
    struct cnn_tensor *range = cnn_node_declare(node, CNN_SLOT_INPUT_RANGE, CNN_ROLE_STATISTIC,
                                                "input_range", 1, &two),
                      *scale = cnn_node_declare(node, CNN_SLOT_WEIGHT_SCALE, CNN_ROLE_STATISTIC,
                                                "weight_scale", 1, &w->conv.out_c);
    range->init = first_range;
    range->check = check_range;
    scale->init = first_scale;
    scale->check = check_scale;
    node->tensors[CNN_SLOT_WEIGHT].scale_slot = CNN_SLOT_WEIGHT_SCALE;
    node->input_range = CNN_SLOT_INPUT_RANGE;
    node->output_range = CNN_SLOT_OUTPUT_RANGE;
}

/* Softmax is a step of its own, over numbers. */
static bool writes_bytes(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    return w->activation.kind != CNN_ACT_SOFTMAX;
}

/* Behind the packed weights stand scale and bias of every filter. */
static size_t packed_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            bool backward)
{
    (void)backward;
    const struct cnn_weighted *w = node->state;
    size_t packed = kernels->conv_int8_packed_floats(&w->conv), floats;
    return packed < SIZE_MAX / 64 && cnn_size_add(cnn_round_floats(packed),
                                                  2 * cnn_round_floats(w->conv.out_c), &floats)
               ? floats
               : SIZE_MAX;
}

static float *filter_scale(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    return call->value[CNN_SLOT_PACKED] +
           cnn_round_floats(call->kernels->conv_int8_packed_floats(&w->conv));
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

static size_t scratch_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                             size_t n)
{
    const struct cnn_weighted *w = node->state;
    size_t floats;
    return cnn_size_add(kernels->conv_int8_scratch_floats(&w->conv, n), input_floats(node, n),
                        &floats)
               ? floats
               : SIZE_MAX;
}

static void prepare(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    const struct cnn_codes x = call->kernels->codes(call->value[CNN_SLOT_INPUT_RANGE]);
    const float *weight_scale = call->value[CNN_SLOT_WEIGHT_SCALE];
    float *scale = filter_scale(call);
    cnn_weighted_fold(call, scale, scale + cnn_round_floats(w->conv.out_c));
    call->kernels->multiply(w->conv.out_c, x.scale, weight_scale, scale);
    call->kernels->conv_int8_pack(&w->conv, x.zero, call->value[CNN_SLOT_WEIGHT], weight_scale,
                                  call->value[CNN_SLOT_PACKED]);
}

static void multiply(const struct cnn_call *call, struct cnn_epilogue *epilogue, float *y)
{
    const struct cnn_weighted *w = call->node->state;
    const float *scale = filter_scale(call), *x = call->x[0];
    struct cnn_int8 int8 = {.scale = scale,
                            .x = call->kernels->codes(call->value[CNN_SLOT_INPUT_RANGE])};
    if (call->node->y_bytes)
        int8.y = call->kernels->codes(call->value[CNN_SLOT_OUTPUT_RANGE]);
    float *scratch = call->scratch; /* NULL where none is needed */
    epilogue->bias = scale + cnn_round_floats(w->conv.out_c);
    if (!call->node->x_bytes) {
        call->kernels->quantize(call->n * w->conv.in_h * w->conv.in_w, w->conv.in_c, x, int8.x,
                                (unsigned char *)call->scratch);
        x = call->scratch;
        scratch += input_floats(call->node, call->n);
    }
    call->kernels->conv_int8_forward(
        &w->conv, &(struct cnn_conv_int8_forward){.n = call->n,
                                                  .x = (const unsigned char *)x,
                                                  .packed = call->value[CNN_SLOT_PACKED],
                                                  .int8 = &int8,
                                                  .epilogue = epilogue,
                                                  .y = y,
                                                  .scratch = scratch});
}

static void forward(const struct cnn_call *call)
{
    cnn_weighted_apply(call, multiply);
}

const struct cnn_quantization cnn_int8 = {
    .fits = fits,
    .declare = declare,
    .writes_bytes = writes_bytes,
    .execution =
        {
            .packed = packed_floats,
            .scratch = scratch_floats,
            .prepare = prepare,
            .forward = forward,
        },
};
