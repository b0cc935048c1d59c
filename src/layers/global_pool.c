/* Global pooling: one value per channel, the largest or the mean of its whole map. Pooling with one
 * window of the map's size. */
#include "layers/bytes.h"
#include "layers/pooling.h"
#include "util/words.h"

struct settings {
    int pool_type;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {{.name = "pool_type",
                                       .kind = CNN_KEY_CHOICE,
                                       .at = FIELD(pool_type),
                                       .choices = cnn_pool_type_choices,
                                       .help = "the largest value or the mean"},
                                      CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    cnn_status status = cnn_require_image(node, diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_window_settings whole = {
        .kernel = {node->in[0].h, node->in[0].w}, .stride = {1, 1}, .dilation = {1, 1}};
    struct cnn_sliding sliding;
    status = cnn_sliding_infer(&sliding, node, &whole, arena, diag);
    return status == CNN_OK
               ? cnn_pooling_infer(node, &sliding, s->pool_type == 1, true, arena, diag)
               : status;
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct cnn_pooling *state = node->state;
    return (struct cnn_operation){.kind = CNN_OPERATION_GLOBAL_POOL, .pool = state->pool};
}

const struct cnn_layer_type cnn_layer_global_pool = {
    .variant = {.name = "global_pool",
                .help = CNN_WORDS("pooling over the whole map: one value per channel"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &cnn_pooling_execution,
    .describe = cnn_pooling_describe,
    .quantization = &cnn_bytes_pool,
    .explain = cnn_pooling_explain,
    .slope = cnn_pooling_slope,
};
