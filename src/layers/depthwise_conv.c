/* Depthwise convolution: every channel is convolved by `multiplier` kernels of its own; channels do
 * not mix. Howard et al., "MobileNets", 2017. */
#include "layers/weighted.h"

struct settings {
    size_t multiplier;
    struct cnn_convolution_settings window;
    struct cnn_weighted_settings weighted;
};

static const struct cnn_key keys[] = {
    CNN_CONVOLUTION_KEYS(struct settings),
    {"multiplier", CNN_KEY_SIZE, offsetof(struct settings, multiplier), "1", 1, 1024, 0, NULL,
     "kernels per channel: output channels = channels * multiplier"},
    CNN_WEIGHTED_KEYS(struct settings, "he_normal"),
    CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    cnn_status status = cnn_require_image(node, diag);
    size_t channels = node->in[0].c;
    return status == CNN_OK ? cnn_convolution_infer(node, &s->window, &s->weighted,
                                                    channels * s->multiplier, channels, arena, diag)
                            : status;
}

const struct cnn_layer_type cnn_layer_depthwise_conv = {
    .variant = {"depthwise_conv", "convolution of every channel by kernels of its own", keys,
                sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .describe = cnn_convolution_describe,
    .explain = cnn_convolution_explain,
    CNN_WEIGHTED_MEMBERS,
};
