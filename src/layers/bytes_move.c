/* Layers that move codes (bytes.h). Which input becomes which output is found by running the layer
 * once on the numbers of its inputs, so none of them has to be written twice. */
#include "layers/bytes.h"

#include <string.h>

#include "graph/bytes.h"

#define EXACT_FLOATS ((size_t)1 << 24) /* whole numbers up to here are exact */

static bool fits(const struct cnn_node *node)
{
    const struct cnn_operation operation = node->type->operation(node);
    return cnn_shape_count(node->in[0]) < EXACT_FLOATS &&
           !(operation.kind == CNN_OPERATION_RESAMPLE && operation.resample.bilinear);
}

static bool passes(const struct cnn_node *node)
{
    (void)node;
    return true;
}

/* A number for each output of an image: of the byte it comes from, or -1 for 0. */
static size_t packed_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            bool backward)
{
    (void)kernels, (void)backward;
    return cnn_shape_count(node->out);
}

static size_t scratch_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                             size_t n)
{
    (void)kernels, (void)n;
    return cnn_shape_count(node->in[0]);
}

static void prepare(const struct cnn_call *call)
{
    const cnn_shape in = call->node->in[0];
    const size_t inputs = cnn_shape_count(in), outputs = cnn_shape_count(call->node->out);
    float *map = call->value[CNN_SLOT_INTEGERS], *const numbers = call->scratch;
    const float *const x[1] = {numbers};
    float *none[CNN_MAX_TENSORS] = {0};
    struct cnn_call once = *call;
    for (size_t i = 0; i < inputs; i++)
        numbers[i] = (float)(i + 1);
    once.n = 1;
    once.x = x;
    once.y = map;
    once.value = none;
    call->node->type->execution->forward(&once);
    for (size_t i = 0; i < outputs; i++) {
        const size_t from = (size_t)map[i];
        const int32_t byte =
            from == 0 ? -1
                      : (int32_t)((from - 1) / in.c * cnn_code_channels(in.c) + (from - 1) % in.c);
        memcpy(map + i, &byte, sizeof byte);
    }
}

static void forward(const struct cnn_call *call)
{
    const cnn_shape in = call->node->in[0], out = call->node->out;
    const struct cnn_gather gather = {
        .images = call->n,
        .image = in.h * in.w * cnn_code_channels(in.c),
        .pixels = out.h * out.w,
        .channels = out.c,
        .from = (const int32_t *)(const void *)call->value[CNN_SLOT_INTEGERS],
        .zero = cnn_codes_of(call->x_range[0]).zero,
    };
    call->kernels->gather_bytes(&gather, (const unsigned char *)call->x[0],
                                (unsigned char *)call->y);
}

const struct cnn_quantization cnn_bytes_move = {
    .fits = fits,
    .passes = passes,
    .execution = {.packed = packed_floats,
                  .scratch = scratch_floats,
                  .prepare = prepare,
                  .forward = forward},
};

static bool fits_always(const struct cnn_node *node)
{
    (void)node;
    return true;
}

static void concatenate(const struct cnn_call *call)
{
    const cnn_shape out = call->node->out;
    const size_t pixels = call->n * out.h * out.w, step = cnn_code_channels(out.c);
    unsigned char *y = (unsigned char *)call->y;
    for (size_t i = 0; i < call->node->input_count; i++) {
        const size_t c = call->node->in[i].c;
        call->kernels->copy_bytes(pixels, c, (const unsigned char *)call->x[i],
                                  cnn_code_channels(c), y, step);
        y += c;
    }
}

const struct cnn_quantization cnn_bytes_concatenate = {
    .fits = fits_always,
    .passes = passes,
    .execution = {.forward = concatenate},
};
