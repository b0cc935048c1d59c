/* Convolution as every framework has it (cross-correlation: the kernel is not flipped):
 * y[f][i][j] = bias[f] + sum over channels c of f's group and taps u, v of w[f][c][u][v] * x[c][i *
 * stride + u * dilation - top][j * stride + v * dilation - left]. */
#include "layers/int8.h"

struct settings {
    size_t filters, groups;
    struct cnn_convolution_settings window;
    struct cnn_weighted_settings weighted;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "filters",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(filters),
     .min = 1,
     .max = 65536,
     .help = "output channels: how many kernels are learned"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(window), .table = cnn_convolution_keys},
    {.name = "groups",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(groups),
     .otherwise = "1",
     .min = 1,
     .max = 65536,
     .help = "number of groups of channels; groups do not mix"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_weighted_keys},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_init_keys},
    CNN_KEY_END};

static cnn_status check_groups(const struct cnn_node *node, const struct settings *s,
                               cnn_diag *diag)
{
    size_t channels = node->in[0].c;
    if (channels % s->groups == 0 && s->filters % s->groups == 0)
        return CNN_OK;
    bool input = channels % s->groups != 0;
    size_t wrong = input ? channels : s->filters, nearest = s->groups;
    cnn_status status =
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': %zu %s cannot be split into %zu groups: %zu / %zu = %.2f", node->name,
                 wrong, input ? "input channels" : "filters", s->groups, wrong, s->groups,
                 (double)wrong / (double)s->groups);
    while (channels % nearest != 0 || s->filters % nearest != 0)
        nearest--;
    cnn_hint(diag, "groups must divide both %zu and %zu, e.g. %zu", channels, s->filters, nearest);
    return status;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    cnn_status status = cnn_require_image(node, diag);
    if (status == CNN_OK)
        status = check_groups(node, s, diag);
    const struct cnn_convolution convolution = {
        .window = &s->window, .weighted = &s->weighted, .filters = s->filters, .groups = s->groups};
    return status == CNN_OK ? cnn_convolution_infer(node, &convolution, arena, diag) : status;
}

const struct cnn_layer_type cnn_layer_conv = {
    .variant = {.name = "conv",
                .help = "convolution: slides learned kernels over the input",
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
