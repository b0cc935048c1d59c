/* Pad: a border around the map, as a convolution's padding makes one. */
#include "kernels/internal.h"
#include "layers/bytes.h"
#include "layers/explain.h"
#include "layers/weighted.h"
#include "util/words.h"

struct settings {
    struct cnn_padding padding;
    int mode;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {{.name = "padding",
                                       .kind = CNN_KEY_PADDING,
                                       .at = FIELD(padding),
                                       .help = "rows and columns to add at each side"},
                                      {.name = "padding_mode",
                                       .kind = CNN_KEY_CHOICE,
                                       .at = FIELD(mode),
                                       .otherwise = "zeros",
                                       .choices = cnn_padding_mode_choices,
                                       .help = "the values in the border"},
                                      CNN_KEY_END};

static cnn_status check(const struct cnn_node *node, const struct settings *s, cnn_diag *diag)
{
    const struct cnn_padding *p = &s->padding;
    size_t rows = p->top > p->bottom ? p->top : p->bottom,
           columns = p->left > p->right ? p->left : p->right;
    if (p->same) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': `padding: same` follows from a window, which pad has none of",
                 node->name);
        cnn_hint(diag, "padding: 1, or [top, bottom, left, right]");
        return CNN_INVALID;
    }
    if (s->mode != CNN_PAD_REFLECT || (rows < node->in[0].h && columns < node->in[0].w))
        return CNN_OK;
    bool tall = rows >= node->in[0].h;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': padding_mode reflect needs padding smaller than the input; padding %zu, "
             "%s %zu",
             node->name, tall ? rows : columns, tall ? "height" : "width",
             tall ? node->in[0].h : node->in[0].w);
    cnn_hint(diag, "padding of at most %zu, or another padding_mode: replicate or zeros",
             (tall ? node->in[0].h : node->in[0].w) - 1);
    return CNN_INVALID;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    (void)arena;
    cnn_status status = cnn_require_image(node, diag);
    if (status == CNN_OK)
        status = check(node, s, diag);
    node->out = node->in[0];
    node->out.h += s->padding.top + s->padding.bottom;
    node->out.w += s->padding.left + s->padding.right;
    node->window.pad_before[0] = s->padding.top;
    node->window.pad_before[1] = s->padding.left;
    node->window.border = (enum cnn_padding_mode)s->mode;
    return status;
}

static struct cnn_border border_of(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_border){.in_h = node->in[0].h,
                               .in_w = node->in[0].w,
                               .channels = node->in[0].c,
                               .top = s->padding.top,
                               .left = s->padding.left,
                               .out_h = node->out.h,
                               .out_w = node->out.w,
                               .mode = (enum cnn_padding_mode)s->mode};
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_border border = border_of(call->node);
    call->kernels->pad(&border, call->n, call->x[0], call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_border border = border_of(call->node);
    if (call->dx[0])
        call->kernels->pad_backward(&border, call->n, call->dy, call->dx[0]);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    const struct cnn_padding *p = &s->padding;
    cnn_text_printf(out, "height: %zu + %zu + %zu = %zu\nwidth: %zu + %zu + %zu = %zu\n",
                    node->in[0].h, p->top, p->bottom, node->out.h, node->in[0].w, p->left, p->right,
                    node->out.w);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct cnn_border b = border_of(call->node);
    struct cnn_question at = *q;
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "row %zu - %zu, column %zu - %zu of %s; what lies outside: %s\n", q->row,
                    b.top, q->column, b.left, cnn_explain_source(call->node, q, 0),
                    cnn_padding_mode_choices[b.mode]);
    if (!cnn_padded_source((ptrdiff_t)q->row - (ptrdiff_t)b.top, b.in_h, b.mode, &at.row) ||
        !cnn_padded_source((ptrdiff_t)q->column - (ptrdiff_t)b.left, b.in_w, b.mode, &at.column)) {
        cnn_text_printf(out, "that is in the border = 0\n");
        return 0;
    }
    double x = cnn_explain_input(call, &at, 0, q->channel);
    cnn_text_printf(out, "row %zu, column %zu there = %s\n", at.row, at.column,
                    cnn_explain_number(x).text);
    return x;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    const struct cnn_border b = border_of(call->node);
    size_t row, column;
    (void)out;
    return cnn_padded_source((ptrdiff_t)q->row - (ptrdiff_t)b.top, b.in_h, b.mode, &row) &&
                   cnn_padded_source((ptrdiff_t)q->column - (ptrdiff_t)b.left, b.in_w, b.mode,
                                     &column)
               ? cnn_slope_copy(operand, q->channel, row, column)
               : 0;
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    return (struct cnn_operation){.kind = CNN_OPERATION_PAD, .border = border_of(node)};
}

const struct cnn_layer_type cnn_layer_pad = {
    .variant = {.name = "pad",
                .help = CNN_WORDS("adds a border of rows and columns"),
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
