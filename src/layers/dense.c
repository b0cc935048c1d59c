/* Dense (fully connected): y[u] = bias[u] + sum over i of w[u][i] * x[i]. */
#include "layers/int8.h"

struct settings {
    size_t units;
    struct cnn_weighted_settings weighted;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "units",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(units),
     .min = 1,
     .max = 1 << 24,
     .help = "outputs"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_weighted_keys},
    {.kind = CNN_KEY_TABLE, .at = FIELD(weighted), .table = cnn_init_keys_dense},
    CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    size_t inputs = node->in[0].c;
    if (node->in[0].rank != 1) {
        char shape[64];
        cnn_status status =
            cnn_fail(diag, CNN_INVALID, &node->where,
                     "layer '%s' (dense) needs a flat input; its input is %s", node->name,
                     cnn_shape_format(node->in[0], shape, sizeof shape));
        cnn_hint(diag, "add `- {type: flatten}` above it");
        return status;
    }
    node->out = (cnn_shape){1, s->units, 1, 1};
    node->sees_all = true;
    const struct cnn_weighted w = {
        .settings = &s->weighted,
        .conv = cnn_conv_dense(inputs, s->units, node->precision == CNN_PRECISION_BF16)};
    const size_t dims[2] = {s->units, inputs};
    return cnn_weighted_infer(node, &w, 2, dims, arena, diag);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct cnn_weighted *w = node->state;
    size_t inputs = w->conv.in_c, units = w->conv.out_c;
    cnn_text_printf(out, "weight: %zux%zu (units, inputs)\n", units, inputs);
    if (w->settings->bias)
        cnn_text_printf(out, "parameters: (%zu + 1) * %zu = %zu\n", inputs, units,
                        (inputs + 1) * units);
    else
        cnn_text_printf(out, "parameters: %zu * %zu = %zu\n", inputs, units, inputs * units);
    cnn_text_printf(out, "MACs: %zu * %zu = %zu\n", inputs, units, inputs * units);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    return (struct cnn_operation){.kind = CNN_OPERATION_DENSE, .activation = w->activation};
}

const struct cnn_layer_type cnn_layer_dense = {
    .variant = {.name = "dense",
                .help = "fully connected: every output is a weighted sum of all inputs",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .describe = describe,
    .explain = cnn_dense_explain,
    .slope = cnn_weighted_slope,
    .state_size = sizeof(struct cnn_weighted),
    .fuse = cnn_weighted_fuse,
    .execution = &cnn_weighted_execution,
    .quantization = &cnn_int8,
};
