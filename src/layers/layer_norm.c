/* Layer normalisation over the channels, at each position for itself, as ConvNeXt has it: Ba et
 * al., "Layer Normalization", 2016. */
#include "layers/group_norm.h"
#include "util/words.h"

static const struct cnn_key keys[] = {{.kind = CNN_KEY_TABLE, .table = cnn_group_norm_keys},
                                      CNN_KEY_END};

const struct cnn_layer_type cnn_layer_layer_norm = {
    .variant = {.name = "layer_norm",
                .help = CNN_WORDS(
                    "normalises the channels of every position, then scales and shifts each "
                    "channel"),
                .keys = keys,
                .settings_size = sizeof(struct cnn_group_norm_settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = cnn_group_norm_infer,
    .operation = cnn_group_norm_operation,
    .execution = &cnn_group_norm_execution,
    .describe = cnn_group_norm_describe,
    .explain = cnn_group_norm_explain,
    .slope = cnn_group_norm_slope,
};
