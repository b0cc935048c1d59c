/* Pooling: the largest value (max) or the mean (avg) of each window; channels stay apart. */
#include "graph/halves.h"
#include "layers/bytes.h"
#include "layers/pooling.h"

enum { SLOT_CHOICE };

const char *const cnn_pool_type_choices[] = {"max", "avg", NULL};

cnn_status cnn_pooling_infer(struct cnn_node *node, const struct cnn_sliding *sliding, bool average,
                             bool count_include_pad, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_axis *rows = &sliding->axis[0], *columns = &sliding->axis[1];
    struct cnn_pooling *state = cnn_arena_alloc(arena, sizeof *state);
    if (!state)
        return cnn_fail_memory(diag, sizeof *state, "a layer");
    /* the place of a maximum is kept in two bytes */
    if (!average && rows->kernel * columns->kernel > 65536) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': a maximum over %zu x %zu = %zu values; 65536 are the most",
                 node->name, rows->kernel, columns->kernel, rows->kernel * columns->kernel);
        cnn_hint(diag, "pool twice, with smaller windows");
        return CNN_INVALID;
    }
    node->out.c = node->in[0].c;
    state->sliding = *sliding;
    state->pool = (struct cnn_pool){.in_h = rows->in,
                                    .in_w = columns->in,
                                    .channels = node->in[0].c,
                                    .out_h = rows->out,
                                    .out_w = columns->out,
                                    .kernel_h = rows->kernel,
                                    .kernel_w = columns->kernel,
                                    .stride_h = rows->stride,
                                    .stride_w = columns->stride,
                                    .pad_top = rows->before,
                                    .pad_left = columns->before,
                                    .pad_bottom = rows->after,
                                    .pad_right = columns->after,
                                    .average = average,
                                    .count_include_pad = count_include_pad};
    node->state = state;
    node->effect = (struct cnn_effect){.kind = CNN_EFFECT_POOL, .pool = state->pool};
    if (!average) /* two bytes a choice */
        cnn_node_declare_saved(node, SLOT_CHOICE, (cnn_shape_count(node->out) + 1) / 2, 0);
    return CNN_OK;
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_pooling *state = call->node->state;
    call->kernels->pool_forward(&state->pool, call->n, call->x[0], call->y,
                                (unsigned short *)(void *)call->value[SLOT_CHOICE]);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_pooling *state = call->node->state;
    if (call->dx[0])
        call->kernels->pool_backward(&state->pool, call->n, call->dy,
                                     (const unsigned short *)(const void *)call->value[SLOT_CHOICE],
                                     call->dx[0]);
}

const struct cnn_execution cnn_pooling_execution = {
    .forward = forward, .backward = backward, .halves = cnn_node_halves_alike};

void cnn_pooling_describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct cnn_pooling *state = node->state;
    cnn_sliding_describe(&state->sliding, out);
    cnn_text_printf(out, "depth untouched: %zu channels; no parameters\n", node->out.c);
}

struct settings {
    int pool_type;
    struct cnn_window_settings window;
    bool count_include_pad;
};

#define FIELD(member) offsetof(struct settings, member)

static const struct cnn_key keys[] = {
    {.name = "pool_type",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(pool_type),
     .choices = cnn_pool_type_choices,
     .help = "the largest value or the mean"},
    {.name = "kernel_size",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.kernel),
     .min = 1,
     .max = 65535,
     .help = "rows and columns of the window"},
    {.name = "stride",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.stride),
     .otherwise = "",
     .min = 1,
     .max = 65535,
     .help = "step between neighbouring windows; by default kernel_size"},
    {.name = "padding",
     .kind = CNN_KEY_PADDING,
     .at = FIELD(window.padding),
     .otherwise = "0",
     .help = "border around the input; never the maximum"},
    {.name = "ceil_mode",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(window.ceil),
     .otherwise = "false",
     .help = "round the output size up instead of down"},
    {.name = "count_include_pad",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(count_include_pad),
     .otherwise = "true",
     .help = "avg: padded zeros count in the mean"},
    CNN_KEY_END};

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    struct cnn_window_settings window = s->window;
    struct cnn_sliding sliding;
    for (int i = 0; i < 2; i++) {
        window.dilation[i] = 1;
        if (s->window.stride[0] == 0)
            window.stride[i] = window.kernel[i];
    }
    cnn_status status = cnn_require_image(node, diag);
    if (status == CNN_OK)
        status = cnn_sliding_infer(&sliding, node, &window, arena, diag);
    for (int i = 0; status == CNN_OK && i < 2; i++) {
        const struct cnn_axis *a = &sliding.axis[i];
        if (a->before < a->kernel && a->after < a->kernel)
            continue;
        status = cnn_fail(
            diag, CNN_INVALID, &node->where,
            "layer '%s': padding %zu with windows of %zu: some windows would see padding alone",
            node->name, a->before > a->after ? a->before : a->after, a->kernel);
        cnn_hint(diag, "padding must be smaller than kernel_size");
    }
    return status == CNN_OK ? cnn_pooling_infer(node, &sliding, s->pool_type == 1,
                                                s->count_include_pad, arena, diag)
                            : status;
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct cnn_pooling *state = node->state;
    return (struct cnn_operation){.kind = CNN_OPERATION_POOL, .pool = state->pool};
}

const struct cnn_layer_type cnn_layer_pool = {
    .variant = {.name = "pool",
                .help = "pooling: the largest value or the mean of each window",
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
