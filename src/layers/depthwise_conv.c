/* Depthwise convolution: every channel is convolved by `multiplier` kernels of its own; channels do
 * not mix. Howard et al., "MobileNets", 2017. */
#include "layers/int8.h"

struct settings {
    size_t multiplier;
    struct cnn_convolution_settings window;
    struct cnn_weighted_settings weighted;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.kind = CNN_KEY_TABLE, .at = FIELD(window), .table = cnn_convolution_keys},
    {.name = "multiplier",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(multiplier),
     .otherwise = "1",
     .min = 1,
     .max = 1024,
     .help = "kernels per channel: output channels = channels * multiplier"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_weighted_keys},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_init_keys},
    CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    cnn_status status = cnn_require_image(node, diag);
    size_t channels = node->in[0].c;
    const struct cnn_convolution convolution = {.window = &s->window,
                                                .weighted = &s->weighted,
                                                .filters = channels * s->multiplier,
                                                .groups = channels};
    return status == CNN_OK ? cnn_convolution_infer(node, &convolution, arena, diag) : status;
}

const struct cnn_layer_type cnn_layer_depthwise_conv = {
    .variant = {.name = "depthwise_conv",
                .help = "convolution of every channel with its own kernels",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = cnn_convolution_operation,
    .describe = cnn_convolution_describe,
    .explain = cnn_convolution_explain,
    .slope = cnn_weighted_slope,
    .state_size = sizeof(struct cnn_weighted),
    .fuse = cnn_weighted_fuse,
    .execution = &cnn_weighted_execution,
    .quantization = &cnn_int8,
};
