/* The common part of conv, depthwise_conv and dense: their keys, tensors and execution. Their first
 * values: weighted_init.c. */
#include "layers/weighted.h"

#include <string.h>

/* clip is none of them: as a layer it has settings without which it means nothing */
static const char *const activation_choices[] = {
    "none", "relu", "relu6",     "leaky_relu",   "elu",  "sigmoid", "tanh",
    "gelu", "silu", "hardswish", "hard_sigmoid", "mish", "softmax", NULL};

struct cnn_activation cnn_activation_of(int choice)
{
    return (struct cnn_activation){.kind = (enum cnn_activation_kind)choice, .slope = 0.01f};
}

const char *cnn_activation_name(struct cnn_activation a)
{
    return a.kind == CNN_ACT_CLIP ? "clip" : activation_choices[a.kind];
}

const char *const cnn_padding_mode_choices[] = {"zeros", "reflect", "replicate", NULL};
#define FIELD(member) offsetof(struct cnn_weighted_settings, member)
const struct cnn_key cnn_weighted_keys[] = {
    {.name = "bias",
     .kind = CNN_KEY_BOOL,
     .at = FIELD(bias),
     .otherwise = "true",
     .help = "add a trained number to each output channel"},
    {.name = "activation",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(activation),
     .otherwise = "none",
     .choices = activation_choices,
     .help = "applied to the result"},
    {.name = "weights",
     .kind = CNN_KEY_NODE,
     .at = FIELD(weights),
     .otherwise = "",
     .help = "initial values {kernel: [[..], ..], bias: ..}, for lessons"},
    CNN_KEY_END,
};
#undef FIELD

const struct cnn_key cnn_activation_keys[] = {
    {.name = "activation",
     .kind = CNN_KEY_CHOICE,
     .otherwise = "none",
     .choices = activation_choices,
     .help = "applied to the result"},
    CNN_KEY_END,
};

#define FIELD(member) offsetof(struct cnn_convolution_settings, member)
const struct cnn_key cnn_convolution_keys[] = {
    {.name = "kernel_size",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.kernel),
     .min = 1,
     .max = 65535,
     .help = "rows and columns that a kernel covers"},
    {.name = "stride",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.stride),
     .otherwise = "1",
     .min = 1,
     .max = 65535,
     .help = "step between neighbouring windows"},
    {.name = "padding",
     .kind = CNN_KEY_PADDING,
     .at = FIELD(window.padding),
     .otherwise = "0",
     .help = "border added around the input; same: output = ceil(input / stride)"},
    {.name = "padding_mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(padding_mode),
     .otherwise = "zeros",
     .choices = cnn_padding_mode_choices,
     .help = "the values in the border"},
    {.name = "dilation",
     .kind = CNN_KEY_PAIR,
     .at = FIELD(window.dilation),
     .otherwise = "1",
     .min = 1,
     .max = 65535,
     .help = "distance between the kernel's taps"},
    CNN_KEY_END,
};
#undef FIELD

cnn_status cnn_weighted_infer(struct cnn_node *node, const struct cnn_weighted *begin, size_t rank,
                              const size_t *dims, struct cnn_arena *arena, cnn_diag *diag)
{
    const struct cnn_weighted_settings *settings = begin->settings;
    const struct cnn_conv *conv = &begin->conv;
    struct cnn_weighted *w = cnn_arena_alloc(arena, sizeof *w);
    if (!w)
        return cnn_fail_memory(diag, sizeof *w, "a layer");
    *w = *begin;
    w->activation = cnn_activation_of(settings->activation);
    node->state = w;
    struct cnn_tensor *weight =
        cnn_node_declare(node, CNN_SLOT_WEIGHT, CNN_ROLE_WEIGHT, "weight", rank, dims);
    weight->matrix = dims[1] == node->in[0].c;
    weight->passing = true;
    if (settings->bias)
        cnn_node_declare(node, CNN_SLOT_BIAS, CNN_ROLE_BIAS, "bias", 1, &conv->out_c);
    cnn_node_declare_packed(node, CNN_SLOT_PACKED);
    cnn_node_declare_packed_back(node, CNN_SLOT_PACKED_BACK);
    bool needs_linear = cnn_activation_needs_input(w->activation);
    if (needs_linear)
        cnn_node_declare_linear(node, CNN_SLOT_LINEAR);
    node->macs = (uint64_t)cnn_shape_count(node->out) * (conv->in_c / conv->groups) *
                 conv->kernel_h * conv->kernel_w;
    node->reads_x = true;
    node->gives_again = needs_linear;
    node->reads_y = w->activation.kind != CNN_ACT_NONE && !needs_linear;
    node->activation = w->activation;
    return cnn_weighted_init(node, arena, diag);
}

/* What the kernels see. */
static struct cnn_conv geometry(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    struct cnn_conv conv = w->conv;
    conv.forward_only = node->forward_only;
    conv.x_halves = node->x_halves;
    conv.y_halves = node->y_halves;
    return conv;
}

/* Behind the packed weights of a layer with batch_norm fused: scale and bias of every
 * filter. */
static size_t folded_floats(const struct cnn_weighted *w)
{
    return w->normalizes ? 2 * cnn_round_floats(w->conv.out_c) : 0;
}

static size_t packed_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            bool backward)
{
    const struct cnn_weighted *w = node->state;
    const struct cnn_conv conv = geometry(node);
    size_t packed = kernels->conv_packed_floats(&conv, backward), floats;
    return packed < SIZE_MAX / 64 &&
                   cnn_size_add(cnn_round_floats(packed), backward ? 0 : folded_floats(w), &floats)
               ? floats
               : SIZE_MAX;
}

static size_t scratch_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                             size_t n)
{
    const struct cnn_conv conv = geometry(node);
    return kernels->conv_scratch_floats(&conv, n);
}

static float *folded_scale(const struct cnn_call *call)
{
    const struct cnn_conv conv = geometry(call->node);
    return call->value[CNN_SLOT_PACKED] +
           cnn_round_floats(call->kernels->conv_packed_floats(&conv, false));
}

/* batch_norm of a sum with its bias is (sum + bias - mean) * scale + beta: the same sum with other
 * weights and another bias. */
void cnn_weighted_fold(const struct cnn_call *call, float *scale, float *bias)
{
    const struct cnn_weighted *w = call->node->state;
    float *const *norm = call->value + CNN_SLOT_NORM;
    const struct cnn_batch_norm_arrays arrays = {
        .gamma = norm[0], .beta = norm[1], .mean = norm[2], .var = norm[3]};
    call->kernels->batch_norm_fold(w->conv.out_c, w->normalizes ? &arrays : NULL, w->eps,
                                   call->value[CNN_SLOT_BIAS], scale, bias);
}

/* A step uses the weights of a dense layer once. */
static size_t unpacked_floats(const struct cnn_node *node, const struct cnn_kernels *kernels,
                              size_t n)
{
    const struct cnn_conv conv = geometry(node);
    return node->tensors[CNN_SLOT_WEIGHT].rank == 2 ? kernels->dense_scratch_floats(&conv, n) : 0;
}

static size_t piece_floats(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    return cnn_gradient_piece(&w->conv) * cnn_conv_filter_floats(&w->conv);
}

/* The units of a dense layer, of which each step has whole panels of columns in every instruction
 * set. */
static size_t apart(const struct cnn_node *node)
{
    const struct cnn_tensor *weight = &node->tensors[CNN_SLOT_WEIGHT];
    /* fewer than four units left over would not be packed as pairs of bfloat16, as others are */
    const bool few = weight->dims[0] % 64 > 0 && weight->dims[0] % 64 < 4;
    return weight->rank == 2 && !few ? 64 : 0;
}

static void prepare(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    float *scale = w->normalizes ? folded_scale(call) : NULL,
          *packed = call->value[call->backward ? CNN_SLOT_PACKED_BACK : CNN_SLOT_PACKED];
    struct cnn_conv conv = geometry(call->node);
    if (!packed)
        return;
    if (scale)
        cnn_weighted_fold(call, scale, scale + cnn_round_floats(conv.out_c));
    if (call->rows > 0) { /* behind those packed before */
        conv.out_c = call->first;
        packed += call->first > 0 ? call->kernels->conv_packed_floats(&conv, false) : 0;
        conv.out_c = call->rows;
    }
    call->kernels->conv_pack(&conv, call->backward, call->value[CNN_SLOT_WEIGHT],
                             scale ? scale + call->first : NULL, packed);
}

bool cnn_weighted_fuse(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion)
{
    struct cnn_weighted *w = node->state;
    const struct cnn_effect *effect = &next->effect;
    bool linear = w->activation.kind == CNN_ACT_NONE && !w->pools,
         inference = fusion != CNN_FUSE_TRAINING;
    switch (effect->kind) {
    case CNN_EFFECT_NONE:
        return inference;
    case CNN_EFFECT_NORMALIZE:
        if (!inference || !linear || w->normalizes || w->adds)
            return false;
        memcpy(&node->tensors[CNN_SLOT_NORM], next->tensors, 4 * sizeof *next->tensors);
        w->normalizes = true;
        w->eps = effect->eps;
        w->activation = effect->activation;
        return true;
    case CNN_EFFECT_ACTIVATE:
        if (!linear || effect->activation.kind == CNN_ACT_SOFTMAX ||
            (!inference && cnn_activation_needs_input(effect->activation)))
            return false;
        w->activation = effect->activation;
        node->reads_y = true;
        return true;
    case CNN_EFFECT_ADD:
        if (!inference || !linear || node->quantization ||
            effect->activation.kind == CNN_ACT_SOFTMAX ||
            (w->conv.groups > 1 && w->conv.groups == w->conv.in_c))
            return false;
        w->adds = true;
        w->activation = effect->activation;
        return true;
    case CNN_EFFECT_POOL:
        if (!inference || w->pools || w->adds || w->activation.kind == CNN_ACT_SOFTMAX ||
            !cnn_pool_fuses(&effect->pool) ||
            (node->quantization && (effect->pool.average || !cnn_activation_cuts(w->activation))))
            return false;
        w->pools = true;
        w->pool = effect->pool;
        return true;
    default:
        return false;
    }
}

static void forward(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    float *linear = call->value[CNN_SLOT_LINEAR];
    bool separate = linear || w->activation.kind == CNN_ACT_SOFTMAX;
    const struct cnn_epilogue epilogue = {
        .bias = w->normalizes ? folded_scale(call) + cnn_round_floats(w->conv.out_c)
                              : call->value[CNN_SLOT_BIAS],
        .residual = w->adds ? call->x[1] : NULL,
        .activation = separate ? (struct cnn_activation){.kind = CNN_ACT_NONE} : w->activation,
        .pool = w->pools ? &w->pool : NULL,
    };
    const struct cnn_conv conv = geometry(call->node);
    float *sums = linear ? linear : call->y;
    call->kernels->conv_forward(&conv,
                                &(struct cnn_conv_forward){.n = call->n,
                                                           .x = call->x[0],
                                                           .packed = call->value[CNN_SLOT_PACKED],
                                                           .w = call->value[CNN_SLOT_WEIGHT],
                                                           .epilogue = &epilogue,
                                                           .y = sums,
                                                           .scratch = call->scratch});
    if (separate)
        call->kernels->activation_forward(w->activation, cnn_call_rows(call), sums, call->y);
}

/* Of an activation whose input is kept. */
static void again(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    call->kernels->activation_forward(w->activation, cnn_call_rows(call),
                                      call->value[CNN_SLOT_LINEAR], call->y);
}

/* The gradients of the weights, piece by piece, to who uses them up; of weights that stay as they
 * are, those of the bias alone are wanted. */
static void give_pieces(const struct cnn_call *call, const struct cnn_conv_backward_weights *all)
{
    const struct cnn_conv conv = geometry(call->node);
    const struct cnn_tensor *weights = &call->node->tensors[CNN_SLOT_WEIGHT];
    const size_t begin = weights->offset, filters = conv.out_c, piece = cnn_gradient_piece(&conv),
                 floats = cnn_conv_filter_floats(&conv);
    struct cnn_conv_backward_weights pass = *all;
    for (; pass.first < filters; pass.first += piece) {
        pass.count = filters - pass.first < piece ? filters - pass.first : piece;
        pass.db = all->db ? all->db + pass.first : NULL;
        call->kernels->conv_backward_weights(&conv, &pass);
        if (cnn_tensor_trained(weights) && call->taker->take)
            call->taker->take(call->taker->context,
                              (struct cnn_stretch){begin + pass.first * floats,
                                                   begin + (pass.first + pass.count) * floats},
                              pass.dw);
    }
}

static void backward(const struct cnn_call *call)
{
    const struct cnn_weighted *w = call->node->state;
    const struct cnn_kernels *k = call->kernels;
    const struct cnn_conv conv = geometry(call->node);
    if (w->activation.kind != CNN_ACT_NONE)
        k->activation_backward(w->activation, cnn_call_rows(call), call->value[CNN_SLOT_LINEAR],
                               call->y, call->dy, call->dy);
    if (call->dx[0]) /* by the weights as they are */
        k->conv_backward_data(
            &conv, &(struct cnn_conv_backward_data){.n = call->n,
                                                    .dy = call->dy,
                                                    .packed = call->value[CNN_SLOT_PACKED_BACK],
                                                    .w = call->value[CNN_SLOT_WEIGHT],
                                                    .dx = call->dx[0],
                                                    .scratch = call->scratch});
    const struct cnn_conv_backward_weights pass = {.n = call->n,
                                                   .parts = call->parts,
                                                   .x = call->x[0],
                                                   .dy = call->dy,
                                                   .dw = call->grad[CNN_SLOT_WEIGHT],
                                                   .db = call->grad[CNN_SLOT_BIAS],
                                                   .scratch = call->scratch};
    if (call->taker)
        give_pieces(call, &pass);
    else
        k->conv_backward_weights(&conv, &pass);
}

/* In inference, and in the first layer, there is no gradient of the input. */
static bool halves(const struct cnn_node *node, const struct cnn_kernels *kernels)
{
    const struct cnn_weighted *w = node->state;
    const struct cnn_conv conv = geometry(node);
    return (!node->y_halves || w->activation.kind != CNN_ACT_SOFTMAX) &&
           (!w->adds || node->x_halves == node->y_halves) &&
           kernels->conv_halves(&conv, !node->forward_only && node->inputs[0] != 0);
}

static struct cnn_work work(const struct cnn_node *node, const struct cnn_kernels *kernels,
                            enum cnn_conv_pass pass)
{
    const struct cnn_conv conv = geometry(node);
    return kernels->conv_work(&conv, pass);
}

const struct cnn_execution cnn_weighted_execution = {
    .packed = packed_floats,
    .scratch = scratch_floats,
    .unpacked = unpacked_floats,
    .prepare = prepare,
    .apart = apart,
    .forward = forward,
    .backward = backward,
    .again = again,
    .sums = CNN_SUMS_BY_LAYER,
    .halves = halves,
    .work = work,
    .piece = piece_floats,
};

/* Reflection needs pixels to reflect: PyTorch's rule. */
static cnn_status check_reflect(const struct cnn_node *node, const struct cnn_sliding *sliding,
                                cnn_diag *diag)
{
    for (int i = 0; i < 2; i++) {
        const struct cnn_axis *a = &sliding->axis[i];
        if (a->before < a->in && a->after < a->in)
            continue;
        cnn_fail(diag, CNN_INVALID, &node->where,
                 "layer '%s': padding_mode reflect needs padding smaller than the input; padding "
                 "%zu, %s %zu",
                 node->name, a->before > a->after ? a->before : a->after,
                 i == 0 ? "height" : "width", a->in);
        cnn_hint(diag, "padding of at most %zu, or another padding_mode: replicate or zeros",
                 a->in - 1);
        return CNN_INVALID;
    }
    return CNN_OK;
}

cnn_status cnn_convolution_infer(struct cnn_node *node, const struct cnn_convolution *convolution,
                                 struct cnn_arena *arena, cnn_diag *diag)
{
    struct cnn_weighted w = {.settings = convolution->weighted};
    enum cnn_padding_mode mode = (enum cnn_padding_mode)convolution->window->padding_mode;
    node->window.border = mode;
    cnn_status status =
        cnn_sliding_infer(&w.sliding, node, &convolution->window->window, arena, diag);
    if (status == CNN_OK && mode == CNN_PAD_REFLECT)
        status = check_reflect(node, &w.sliding, diag);
    if (status != CNN_OK)
        return status;
    node->out.c = convolution->filters;
    const struct cnn_axis *rows = &w.sliding.axis[0], *columns = &w.sliding.axis[1];
    w.conv = (struct cnn_conv){
        .in_h = rows->in,
        .in_w = columns->in,
        .in_c = node->in[0].c,
        .out_h = rows->out,
        .out_w = columns->out,
        .out_c = convolution->filters,
        .kernel_h = rows->kernel,
        .kernel_w = columns->kernel,
        .stride_h = rows->stride,
        .stride_w = columns->stride,
        .dilation_h = rows->dilation,
        .dilation_w = columns->dilation,
        .pad_top = rows->before,
        .pad_left = columns->before,
        .groups = convolution->groups,
        .padding_mode = mode,
        .direct = node->direct || !cnn_winograd_wanted(),
        .bf16 = node->precision == CNN_PRECISION_BF16,
    };
    const size_t dims[4] = {w.conv.out_c, w.conv.in_c / w.conv.groups, w.conv.kernel_h,
                            w.conv.kernel_w};
    return cnn_weighted_infer(node, &w, 4, dims, arena, diag);
}

struct cnn_operation cnn_convolution_operation(const struct cnn_node *node)
{
    const struct cnn_weighted *w = node->state;
    return (struct cnn_operation){
        .kind = CNN_OPERATION_CONVOLVE,
        .activation = w->activation,
        .pooled = w->pools ? &w->pool : NULL,
        .conv = w->conv,
    };
}

void cnn_convolution_describe(const struct cnn_node *node, struct cnn_text *out)
{
    const struct cnn_weighted *w = node->state;
    const struct cnn_conv *c = &w->conv;
    size_t channels = c->in_c / c->groups, taps = c->kernel_h * c->kernel_w * channels;
    cnn_sliding_describe(&w->sliding, out);
    cnn_text_printf(out, "weight: %zux%zux%zux%zu (filters, channels, rows, columns)\n", c->out_c,
                    channels, c->kernel_h, c->kernel_w);
    if (w->settings->bias)
        cnn_text_printf(out, "parameters: (%zu*%zu*%zu + 1) * %zu = %zu\n", c->kernel_h,
                        c->kernel_w, channels, c->out_c, (taps + 1) * c->out_c);
    else
        cnn_text_printf(out, "parameters: (%zu*%zu*%zu) * %zu = %zu\n", c->kernel_h, c->kernel_w,
                        channels, c->out_c, taps * c->out_c);
    cnn_text_printf(out, "MACs: (%zu*%zu*%zu) * %zu*%zu*%zu = %llu\n", c->kernel_h, c->kernel_w,
                    channels, c->out_c, c->out_h, c->out_w, (unsigned long long)node->macs);
}
