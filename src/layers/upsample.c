/* Upsample: a map of another size, by PyTorch's rules: the nearest pixel, or the mean of four
 * weighed by their distance. */
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/window.h"
#include "util/words.h"

struct settings {
    size_t scale[2], size[2];
    int mode;
    bool align_corners;
};

static const char *const mode_choices[] = {"nearest", "bilinear", NULL};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "scale",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(scale),
     .otherwise = "",
     .min = 1,
     .max = 1024,
     .help = "factor for the input's height and width"},
    {.name = "size",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(size),
     .otherwise = "",
     .min = 1,
     .max = 65535,
     .help = "height and width of the output, instead of scale"},
    {.name = "mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(mode),
     .otherwise = "nearest",
     .choices = mode_choices,
     .help = "the nearest pixel, or the mean of four pixels weighted by distance"},
    {.name = "align_corners",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(align_corners),
     .otherwise = "false",
     .help = "bilinear: align the centres of the corner pixels, not their outer edges"},
    CNN_KEY_END};

static cnn_status check(const struct cnn_node *node, const struct settings *s, cnn_diag *diag)
{
    bool scaled = s->scale[0] > 0, sized = s->size[0] > 0;
    if (scaled == sized) {
        cnn_fail(diag, CNN_INVALID, &node->where, "layer '%s' has %s", node->name,
                 scaled ? "both scale and size" : "neither scale nor size");
        cnn_hint(diag, "one of them, e.g. scale: 2");
        return CNN_INVALID;
    }
    if (!s->align_corners || s->mode == 1)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where, "layer '%s': align_corners is for mode bilinear",
             node->name);
    return CNN_INVALID;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    if (status == CNN_OK)
        status = check(node, s, diag);
    if (status != CNN_OK)
        return status;
    node->out = node->in[0];
    node->out.h = s->size[0] > 0 ? s->size[0] : node->in[0].h * s->scale[0];
    node->out.w = s->size[1] > 0 ? s->size[1] : node->in[0].w * s->scale[1];
    node->window.kernel[0] = node->window.kernel[1] = s->mode == 1 ? 2 : 1;
    return CNN_OK;
}

static struct cnn_resample geometry(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_resample){.in_h = node->in[0].h,
                                 .in_w = node->in[0].w,
                                 .out_h = node->out.h,
                                 .out_w = node->out.w,
                                 .channels = node->out.c,
                                 .bilinear = s->mode == 1,
                                 .align_corners = s->align_corners};
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_resample r = geometry(call->node);
    call->kernels->resample(&r, call->n, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_resample r = geometry(call->node);
    if (call->dx[0])
        call->kernels->resample_backward(&r, call->n, call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    if (s->scale[0] > 0)
        cnn_text_printf(out, "height: %zu*%zu = %zu\nwidth: %zu*%zu = %zu\n", node->in[0].h,
                        s->scale[0], node->out.h, node->in[0].w, s->scale[1], node->out.w);
    cnn_text_printf(out, "depth untouched: %zu channels; no parameters\n", node->out.c);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_resample r = geometry(call->node);
    const struct cnn_resample_source rows = cnn_resample_at(&r, q->row, true),
                                     columns = cnn_resample_at(&r, q->column, false);
    struct cnn_question at = *q;
    double total = 0;
    cnn_explain_begin(call->node, q, out);
    if (!r.bilinear) {
        at.row = rows.at[0];
        at.column = columns.at[0];
        total = cnn_explain_input(call, &at, 0, q->channel);
        cnn_text_printf(out, "the nearest place of %s\nrow %zu, column %zu there = %s\n",
                        cnn_explain_source(call->node, q, 0), at.row, at.column,
                        cnn_explain_number(total).text);
        return total;
    }
    cnn_text_printf(out, "the mean of rows %zu and %zu, columns %zu and %zu of %s, by distance\n",
                    rows.at[0], rows.at[1], columns.at[0], columns.at[1],
                    cnn_explain_source(call->node, q, 0));
    struct cnn_sum sum = cnn_sum_begin(out);
    for (size_t t = 0; t < 4; t++) {
        at.row = rows.at[t / 2];
        at.column = columns.at[t % 2];
        double x = cnn_explain_input(call, &at, 0, q->channel),
               weight = (double)rows.weight[t / 2] * (double)columns.weight[t % 2];
        total += x * weight;
        cnn_sum_add(&sum, "%sx%s", cnn_explain_factor(x).text, cnn_explain_number(weight).text);
    }
    cnn_sum_end(&sum, total);
    return total;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_resample r = geometry(call->node);
    const struct cnn_resample_source rows = cnn_resample_at(&r, q->row, true),
                                     columns = cnn_resample_at(&r, q->column, false);
    if (!r.bilinear)
        return cnn_slope_copy(operand, q->channel, rows.at[0], columns.at[0]);
    double weight = 0;
    for (size_t t = 0; t < 4; t++)
        weight += cnn_slope_copy(operand, q->channel, rows.at[t / 2], columns.at[t % 2]) *
                  (double)rows.weight[t / 2] * (double)columns.weight[t % 2];
    return weight > 0 ? cnn_slope_factor(weight, "share", out) : 0;
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_RESAMPLE, .resample = geometry(node)};
}

const struct cnn_layer_type cnn_layer_upsample = {
    .variant = {.name = "upsample",
                .help = CNN_WORDS(
                    "enlarges a map: repeats every pixel, or interpolates between pixels"),
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution = &(const struct cnn_execution){.forward = forward, .backward = backward},
    .describe = describe,
    .quantization = &cnn_bytes_move,
    .explain = explain,
    .slope = slope,
};
