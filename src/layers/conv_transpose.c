/* Transposed convolution: every number of the input adds a kernel, times itself, to the output, so
 * a stride makes maps larger. It is what takes gradients back through a convolution from the output
 * to the input (Dumoulin and Visin, "A guide to convolution arithmetic for deep learning", 2016),
 * and is computed as that, by the kernels of the convolution which goes the other way. */
#include <math.h>
#include <string.h>

#include "layers/explain.h"
#include "layers/weighted.h"

/* PRODUCTS: the sums before an activation whose backward needs them */
enum { SLOT_WEIGHT, SLOT_BIAS, SLOT_PACKED, SLOT_PACKED_BACK, SLOT_PRODUCTS };

struct settings {
    size_t filters, groups, output_padding[2];
    struct cnn_window_settings window;
    bool bias;
    int activation;
};

struct state {
    struct cnn_conv back; /* the convolution whose input is this layer's output */
    struct cnn_activation activation;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "filters",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(filters),
     .min = 1,
     .max = 65536,
     .help = "output channels"},
    {.name = "kernel_size",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.kernel),
     .min = 1,
     .max = 65535,
     .help = "rows and columns of the output that one number of the input adds to"},
    {.name = "stride",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.stride),
     .otherwise = "1",
     .min = 1,
     .max = 65535,
     .help = "step in the output between neighbouring numbers of the input"},
    {.name = "padding",
     .kind = CNN_KEY_PADDING,
     .at = FIELD(window.padding),
     .otherwise = "0",
     .help = "rows and columns that are removed at the sides of the output"},
    {.name = "output_padding",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(output_padding),
     .otherwise = "0",
     .max = 65535,
     .help = "additional rows and columns at the bottom and right of the output"},
    {.name = "dilation",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.dilation),
     .otherwise = "1",
     .min = 1,
     .max = 65535,
     .help = "distance between the kernel's taps"},
    {.name = "groups",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(groups),
     .otherwise = "1",
     .min = 1,
     .max = 65536,
     .help = "number of groups of channels; groups do not mix"},
    {.name = "bias",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(bias),
     .otherwise = "true",
     .help = "add a trained number to each output channel"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(activation), .table = cnn_activation_keys},
    CNN_KEY_END};

/* One direction: the whole output, of which padding is cut off. */
static size_t whole_size(const struct settings *s, size_t in, int axis)
{
    return (in - 1) * s->window.stride[axis] +
           s->window.dilation[axis] * (s->window.kernel[axis] - 1) + 1 + s->output_padding[axis];
}

static cnn_status check_groups(const struct cnn_node *node, const struct settings *s,
                               cnn_diag *diag)
{
    size_t channels = node->in[0].c;
    if (channels % s->groups == 0 && s->filters % s->groups == 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': %zu input channels and %zu filters cannot be split into %zu groups",
             node->name, channels, s->filters, s->groups);
    cnn_hint(diag, "groups must divide both");
    return CNN_INVALID;
}

static cnn_status check_axis(const struct cnn_node *node, const struct settings *s, int axis,
                             cnn_diag *diag)
{
    const struct cnn_padding *p = &s->window.padding;
    size_t in = axis == 0 ? node->in[0].h : node->in[0].w, whole = whole_size(s, in, axis),
           cut = axis == 0 ? p->top + p->bottom : p->left + p->right;
    const char *direction = axis == 0 ? "height" : "width";
    if (p->same) {
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': `padding: same` is not for a transposed convolution", node->name);
        cnn_hint(diag, "padding: (kernel_size - 1) / 2, and with stride 2 output_padding: 1");
        return CNN_INVALID;
    }
    if (s->output_padding[axis] > 0 && s->output_padding[axis] >= s->window.stride[axis] &&
        s->output_padding[axis] >= s->window.dilation[axis])
        return cnn_fail(diag, CNN_INVALID, &node->where,
                        "layer '%s': output_padding %zu must be smaller than stride or dilation",
                        node->name, s->output_padding[axis]);
    if (cut < whole)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s': padding cuts off %zu of a %s of %zu: nothing is left", node->name, cut,
             direction, whole);
    cnn_hint(diag, "padding of at most %zu", (whole - 1) / 2);
    return CNN_INVALID;
}

/* He et al.'s, for as many numbers as meet in one of the output. */
static void init_weight(const struct cnn_node *node, const struct cnn_tensor *tensor,
                        struct cnn_rng *rng, float *values)
{
    const struct state *state = node->state;
    const struct cnn_conv *c = &state->back;
    double meet = (double)c->out_c / (double)c->groups * (double)(c->kernel_h * c->kernel_w) /
                  (double)(c->stride_h * c->stride_w);
    float deviation = (float)sqrt(2 / (meet > 1 ? meet : 1));
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = deviation * cnn_rng_normal(rng);
}

static struct cnn_conv convolution_of(const struct cnn_node *node)
{
    const struct settings *s = node->settings;
    return (struct cnn_conv){.in_h = node->out.h,
                             .in_w = node->out.w,
                             .in_c = s->filters,
                             .out_h = node->in[0].h,
                             .out_w = node->in[0].w,
                             .out_c = node->in[0].c,
                             .kernel_h = s->window.kernel[0],
                             .kernel_w = s->window.kernel[1],
                             .stride_h = s->window.stride[0],
                             .stride_w = s->window.stride[1],
                             .dilation_h = s->window.dilation[0],
                             .dilation_w = s->window.dilation[1],
                             .pad_top = s->window.padding.top,
                             .pad_left = s->window.padding.left,
                             .groups = s->groups,
                             .padding_mode = CNN_PAD_ZEROS,
                             .direct = node->direct || !cnn_winograd_wanted(),
                             .bf16 = node->precision == CNN_PRECISION_BF16};
}

static void declare(struct cnn_node *node, const struct state *state)
{
    const struct settings *s = node->settings;
    const struct cnn_conv *c = &state->back;
    const size_t dims[4] = {c->out_c, c->in_c / c->groups, c->kernel_h, c->kernel_w};
    struct cnn_tensor *weight =
        cnn_node_declare(node, SLOT_WEIGHT, CNN_ROLE_WEIGHT, "weight", 4, dims);
    weight->init = init_weight;
    weight->passing = true;
    if (s->bias)
        cnn_node_declare(node, SLOT_BIAS, CNN_ROLE_BIAS, "bias", 1, &c->in_c);
    cnn_node_declare_packed(node, SLOT_PACKED);
    cnn_node_declare_packed_back(node, SLOT_PACKED_BACK);
    if (cnn_activation_needs_input(state->activation))
        cnn_node_declare_linear(node, SLOT_PRODUCTS);
    node->macs = (uint64_t)cnn_shape_count(node->in[0]) * dims[1] * c->kernel_h * c->kernel_w;
    node->reads_x = true;
    node->reads_y =
        state->activation.kind != CNN_ACT_NONE && !cnn_activation_needs_input(state->activation);
    node->activation = state->activation;
}

static cnn_status infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct settings *s = node->settings;
    const struct cnn_padding *p = &s->window.padding;
    cnn_status status = cnn_require_image(node, diag);
    if (status == CNN_OK)
        status = check_groups(node, s, diag);
    for (int axis = 0; status == CNN_OK && axis < 2; axis++)
        status = check_axis(node, s, axis, diag);
    if (status != CNN_OK)
        return status;
    struct state *state = cnn_arena_alloc(arena, sizeof *state);
    if (!state)
        return cnn_fail_memory(diag, sizeof *state, "a layer");
    node->out = (cnn_shape){3, s->filters, whole_size(s, node->in[0].h, 0) - p->top - p->bottom,
                            whole_size(s, node->in[0].w, 1) - p->left - p->right};
    state->back = convolution_of(node);
    state->activation = cnn_activation_of(s->activation);
    node->state = state;
    for (int axis = 0; axis < 2; axis++) /* of the input, at most so many meet */
        node->window.kernel[axis] =
            (s->window.dilation[axis] * (s->window.kernel[axis] - 1)) / s->window.stride[axis] + 1;
    declare(node, state);
    return CNN_OK;
}

/* What takes gradients back is this layer's forward. */
static size_t packed(const struct cnn_node *node, const struct cnn_kernels *kernels, bool backward)
{
    const struct state *state = node->state;
    return kernels->conv_packed_floats(&state->back, !backward);
}

/* The sums over pixels of the bias's gradient, for all images together. */
static struct cnn_scale bias_geometry(const struct cnn_node *node, size_t n)
{
    return (struct cnn_scale){
        .images = 1, .pixels = n * node->out.h * node->out.w, .channels = node->out.c};
}

static size_t scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n)
{
    const struct state *state = node->state;
    const struct cnn_scale bias = bias_geometry(node, n);
    size_t conv = kernels->conv_scratch_floats(&state->back, n),
           sums = kernels->scale_scratch_floats(&bias);
    return conv > sums ? conv : sums;
}

static void prepare(const struct cnn_call *call)
{
    const struct state *state = call->node->state;
    call->kernels->conv_pack(&state->back, !call->backward, call->value[SLOT_WEIGHT], NULL,
                             call->value[call->backward ? SLOT_PACKED_BACK : SLOT_PACKED]);
}

static void forward(const struct cnn_call *call)
{
    const struct state *state = call->node->state;
    struct cnn_scale bias = bias_geometry(call->node, call->n);
    float *saved = call->value[SLOT_PRODUCTS], *products = saved ? saved : call->y;
    bool separate = saved || state->activation.kind == CNN_ACT_SOFTMAX;
    call->kernels->conv_backward_data(
        &state->back, &(struct cnn_conv_backward_data){.n = call->n,
                                                       .dy = call->x[0],
                                                       .packed = call->value[SLOT_PACKED],
                                                       .dx = products,
                                                       .scratch = call->scratch});
    if (!separate)
        bias.activation = state->activation;
    if (call->value[SLOT_BIAS] || bias.activation.kind != CNN_ACT_NONE)
        call->kernels->scale_forward(&bias, products, NULL, call->value[SLOT_BIAS], products);
    if (separate)
        call->kernels->activation_forward(state->activation, cnn_call_rows(call), products,
                                          call->y);
}

static void backward(const struct cnn_call *call)
{
    const struct state *state = call->node->state;
    const struct cnn_kernels *k = call->kernels;
    const struct cnn_scale bias = bias_geometry(call->node, call->n);
    const struct cnn_scale_gradients gradients = {.db = call->grad[SLOT_BIAS]};
    if (state->activation.kind != CNN_ACT_NONE)
        k->activation_backward(state->activation, cnn_call_rows(call), call->value[SLOT_PRODUCTS],
                               call->y, call->dy, call->dy);
    if (gradients.db)
        k->scale_backward(&bias, call->dy, NULL, call->dy, &gradients, call->scratch);
    k->conv_backward_weights(&state->back,
                             &(struct cnn_conv_backward_weights){.n = call->n,
                                                                 .parts = call->parts,
                                                                 .x = call->dy,
                                                                 .dy = call->x[0],
                                                                 .dw = call->grad[SLOT_WEIGHT],
                                                                 .scratch = call->scratch});
    if (!call->dx[0])
        return;
    const struct cnn_epilogue none = {.activation = {.kind = CNN_ACT_NONE}};
    k->conv_forward(&state->back,
                    &(struct cnn_conv_forward){.n = call->n,
                                               .x = call->dy,
                                               .packed = call->value[SLOT_PACKED_BACK],
                                               .epilogue = &none,
                                               .y = call->dx[0],
                                               .scratch = call->scratch});
}

/* Its passes are those of the convolution that goes the other way. */
static struct cnn_work work(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            enum cnn_conv_pass pass)
{
    const struct state *state = node->state;
    return kernels->conv_work(&state->back, pass == CNN_CONV_FORWARD ? CNN_CONV_BACKWARD_DATA
                                            : pass == CNN_CONV_BACKWARD_DATA ? CNN_CONV_FORWARD
                                                                             : pass);
}

static void describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct settings *s = node->settings;
    const struct state *state = node->state;
    const struct cnn_conv *c = &state->back;
    const size_t in[2] = {node->in[0].h, node->in[0].w}, y[2] = {node->out.h, node->out.w},
                 cut[2] = {s->window.padding.top + s->window.padding.bottom,
                           s->window.padding.left + s->window.padding.right};
    for (int i = 0; i < 2; i++)
        cnn_text_printf(out, "%s: (%zu - 1)*%zu + %zu*(%zu - 1) + 1 + %zu - %zu = %zu\n",
                        i == 0 ? "height" : "width", in[i], s->window.stride[i],
                        s->window.dilation[i], s->window.kernel[i], s->output_padding[i], cut[i],
                        y[i]);
    size_t filter = c->kernel_h * c->kernel_w * c->out_c / c->groups;
    cnn_text_printf(out, "weight: %zux%zux%zux%zu (channels in, channels out, rows, columns)\n",
                    c->out_c, c->in_c / c->groups, c->kernel_h, c->kernel_w);
    cnn_text_printf(out, "parameters: (%zu*%zu*%zu%s) * %zu = %zu\n", c->kernel_h, c->kernel_w,
                    c->out_c / c->groups, s->bias ? " + 1" : "", c->in_c,
                    (filter + s->bias) * c->in_c);
    cnn_text_printf(out, "MACs: (%zu*%zu*%zu) * %zu*%zu*%zu = %llu\n", c->kernel_h, c->kernel_w,
                    c->in_c / c->groups, c->out_c, c->out_h, c->out_w,
                    (unsigned long long)node->macs);
}

/* Which row or column of the input reaches this one of the output by this tap; false: none. */
static bool reaches(const struct cnn_conv *c, size_t out, size_t tap, bool rows, size_t *in)
{
    size_t pad = rows ? c->pad_top : c->pad_left, stride = rows ? c->stride_h : c->stride_w,
           far = tap * (rows ? c->dilation_h : c->dilation_w);
    if (out + pad < far || (out + pad - far) % stride != 0)
        return false;
    *in = (out + pad - far) / stride;
    return *in < (rows ? c->out_h : c->out_w);
}

/* The sum over all channels and taps, for one output channel; its terms are written to sum, unless
 * that is NULL. terms: their number. */
static double add_terms(const struct cnn_call *call, const struct cnn_question *q, size_t channel,
                        struct cnn_sum *sum, size_t *terms)
{
    const struct state *state = call->node->state;
    const struct cnn_conv *c = &state->back;
    size_t members = c->in_c / c->groups, each = c->out_c / c->groups,
           first = channel / members * each, taps = c->kernel_h * c->kernel_w;
    struct cnn_question at = *q;
    double total = 0;
    *terms = 0;
    for (size_t i = 0; i < each * taps; i++) {
        size_t tap = i % taps, from = first + i / taps;
        if (!reaches(c, q->row, tap / c->kernel_w, true, &at.row) ||
            !reaches(c, q->column, tap % c->kernel_w, false, &at.column))
            continue;
        double x = cnn_explain_input(call, &at, 0, from),
               w = (double)
                       call->value[SLOT_WEIGHT][(from * members + channel % members) * taps + tap];
        total += x * w;
        ++*terms;
        if (sum)
            cnn_sum_add(sum, "%sx%s", cnn_explain_factor(x).text, cnn_explain_factor(w).text);
    }
    return total;
}

static double linear_at(const struct cnn_call *call, const struct cnn_question *q, size_t channel)
{
    size_t terms;
    return add_terms(call, q, channel, NULL, &terms) +
           (call->value[SLOT_BIAS] ? (double)call->value[SLOT_BIAS][channel] : 0);
}

static double explain(const struct cnn_call *call, const struct cnn_question *q,
                      struct cnn_text *out)
{
    const struct state *state = call->node->state;
    size_t terms;
    double total = add_terms(call, q, q->channel, NULL, &terms);
    cnn_explain_begin(call->node, q, out);
    cnn_text_printf(out, "%zu number%s of %s reach this place, each times its weight\n", terms,
                    terms == 1 ? "" : "s", cnn_explain_source(call->node, q, 0));
    if (terms > 0 && terms <= CNN_EXPLAIN_ALL) {
        struct cnn_sum sum = cnn_sum_begin(out);
        add_terms(call, q, q->channel, &sum, &terms);
        cnn_sum_end(&sum, total);
    } else {
        cnn_text_printf(out, "sum of the %zu = %s\n", terms, cnn_explain_number(total).text);
    }
    if (call->value[SLOT_BIAS])
        cnn_text_printf(out, "%s + %s (bias) = %s\n", cnn_explain_number(total).text,
                        cnn_explain_factor((double)call->value[SLOT_BIAS][q->channel]).text,
                        cnn_explain_number(linear_at(call, q, q->channel)).text);
    return cnn_explain_activation(call, q, state->activation, linear_at, out);
}

/* The weight that the operand, a number of the input, adds to the question's by. */
static double weight_on(const struct cnn_call *call, const struct cnn_question *q,
                        const struct cnn_operand *operand, size_t channel)
{
    const struct state *state = call->node->state;
    const struct cnn_conv *c = &state->back;
    size_t members = c->in_c / c->groups, each = c->out_c / c->groups,
           taps = c->kernel_h * c->kernel_w, row, column;
    double sum = 0;
    if (operand->channel / each != channel / members)
        return 0;
    for (size_t tap = 0; tap < taps; tap++)
        if (reaches(c, q->row, tap / c->kernel_w, true, &row) && row == operand->row &&
            reaches(c, q->column, tap % c->kernel_w, false, &column) && column == operand->column)
            sum +=
                (double)call->value[SLOT_WEIGHT]
                                   [(operand->channel * members + channel % members) * taps + tap];
    return sum;
}

/* The number of the input that the operand, a weight, multiplies; 0: none. */
static double input_under(const struct cnn_call *call, const struct cnn_question *q,
                          const struct cnn_operand *operand, size_t channel)
{
    const struct state *state = call->node->state;
    const struct cnn_conv *c = &state->back;
    size_t members = c->in_c / c->groups, taps = c->kernel_h * c->kernel_w,
           tap = operand->index % taps, filter = operand->index / taps % members,
           from = operand->index / taps / members;
    struct cnn_question at = *q;
    return from / (c->out_c / c->groups) == channel / members && channel % members == filter &&
                   reaches(c, q->row, tap / c->kernel_w, true, &at.row) &&
                   reaches(c, q->column, tap % c->kernel_w, false, &at.column)
               ? cnn_explain_input(call, &at, 0, from)
               : 0;
}

static double linear_slope(const struct cnn_call *call, const struct cnn_question *q,
                           const struct cnn_operand *operand, size_t channel, struct cnn_text *out)
{
    if (operand->parameter && operand->slot == SLOT_BIAS)
        return operand->index == channel ? 1 : 0;
    double factor = operand->parameter ? input_under(call, q, operand, channel)
                                       : weight_on(call, q, operand, channel);
    return factor != 0 ? cnn_slope_factor(factor, operand->parameter ? "input" : "weight", out) : 0;
}

static double slope(const struct cnn_call *call, const struct cnn_question *q,
                    struct cnn_operand *operand, struct cnn_text *out)
{
    static const struct cnn_linear linear = {linear_at, linear_slope};
    const struct state *state = call->node->state;
    return cnn_slope_through(call, q, operand, state->activation, &linear, out);
}

static struct cnn_operation operation(const struct cnn_node *node)
{
    const struct state *state = node->state;
    return (struct cnn_operation){
        .kind = CNN_OPERATION_DECONVOLVE, .activation = state->activation, .conv = state->back};
}

const struct cnn_layer_type cnn_layer_conv_transpose = {
    .variant = {.name = "conv_transpose",
                .help = "transposed convolution: every number adds a learned kernel to a larger "
                        "map",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .min_inputs = 1,
    .max_inputs = 1,
    .infer = infer,
    .operation = operation,
    .execution =
        &(const struct cnn_execution){
            .packed = packed,
            .scratch = scratch,
            .prepare = prepare,
            .forward = forward,
            .backward = backward,
            .work = work,
        },
    .describe = describe,
    .explain = explain,
    .slope = slope,
};
