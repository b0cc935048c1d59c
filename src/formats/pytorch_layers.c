/* The layers of a network as modules of PyTorch. */
#include "formats/pytorch_export.h"

static const char *no_bias(const struct cnn_script *s)
{
    return cnn_script_has(s, "bias") ? "" : ", bias=False";
}

/* ---- Activations ---- */

const char *cnn_pytorch_activate(struct cnn_script *s, const char *x)
{
    static const char *const functions[] = {
        [CNN_ACT_RELU] = "F.relu",     [CNN_ACT_RELU6] = "F.relu6",
        [CNN_ACT_ELU] = "F.elu",       [CNN_ACT_SIGMOID] = "torch.sigmoid",
        [CNN_ACT_TANH] = "torch.tanh", [CNN_ACT_GELU] = "F.gelu",
        [CNN_ACT_SILU] = "F.silu",     [CNN_ACT_HARDSWISH] = "F.hardswish",
        [CNN_ACT_MISH] = "F.mish",     [CNN_ACT_HARD_SIGMOID] = "F.hardsigmoid",
    };
    const struct cnn_activation a = s->operation.activation;
    switch (a.kind) {
    case CNN_ACT_NONE:
        return x;
    case CNN_ACT_LEAKY_RELU:
        return cnn_script_text(s, "F.leaky_relu(%s, %s)", x, cnn_script_number(a.slope).text);
    case CNN_ACT_CLIP:
        return cnn_script_text(s, "torch.clamp(%s, %s, %s)", x, cnn_script_number(a.min).text,
                               cnn_script_number(a.max).text);
    case CNN_ACT_SOFTMAX:
        return cnn_script_text(s, "F.softmax(%s, dim=1)", x);
    default:
        return cnn_script_text(s, "%s(%s)", functions[a.kind], x);
    }
}

/* The layer with parameters at hand, on x, and its activation. */
static const char *call(struct cnn_script *s, const char *x)
{
    return cnn_pytorch_activate(s, cnn_script_text(s, "self.%s(%s)", cnn_script_layer(s), x));
}

static const char *call_input(struct cnn_script *s)
{
    return call(s, cnn_script_input(s, 0));
}

/* ---- Windows ---- */

static bool is_even(const size_t pads[4])
{
    return pads[0] == pads[2] && pads[1] == pads[3];
}

/* more: the last arguments of F.pad. */
static const char *padded(struct cnn_script *s, const char *x, const size_t pads[4],
                          const char *more)
{
    if (pads[0] + pads[1] + pads[2] + pads[3] == 0)
        return x;
    return cnn_script_text(s, "F.pad(%s, (%zu, %zu, %zu, %zu)%s)", x, pads[1], pads[3], pads[0],
                           pads[2], more);
}

static const char *const pad_modes[] = {[CNN_PAD_ZEROS] = "",
                                        [CNN_PAD_REFLECT] = ", mode=\"reflect\"",
                                        [CNN_PAD_REPLICATE] = ", mode=\"replicate\""};
static const char *const conv_modes[] = {[CNN_PAD_ZEROS] = "",
                                         [CNN_PAD_REFLECT] = ", padding_mode=\"reflect\"",
                                         [CNN_PAD_REPLICATE] = ", padding_mode=\"replicate\""};

static const char *convolve(struct cnn_script *s)
{
    const struct cnn_conv *c = &s->operation.conv;
    size_t pads[4];
    cnn_export_conv_pads(c, pads);
    const bool even = is_even(pads);
    cnn_text_printf(&s->members, "        self.%s = nn.Conv2d(%zu, %zu, %s%s%s%s",
                    cnn_script_layer(s), c->in_c, c->out_c,
                    cnn_script_pair(c->kernel_h, c->kernel_w).text,
                    cnn_script_key("stride", c->stride_h, c->stride_w, 1).text,
                    even ? cnn_script_key("padding", pads[0], pads[1], 0).text : "",
                    cnn_script_key("dilation", c->dilation_h, c->dilation_w, 1).text);
    cnn_text_printf(&s->members, "%s%s%s)\n",
                    cnn_script_key("groups", c->groups, c->groups, 1).text, no_bias(s),
                    even ? conv_modes[c->padding_mode] : "");
    const char *x = cnn_script_input(s, 0);
    return call(s, even ? x : padded(s, x, pads, pad_modes[c->padding_mode]));
}

/* PyTorch cuts as much off both ends; where that is not so, the whole is cut afterwards. */
static const char *deconvolve(struct cnn_script *s)
{
    const struct cnn_conv *c = &s->operation.conv;
    const cnn_shape out = s->node->out;
    size_t pads[4], extra[2];
    cnn_export_deconv_pads(c, pads, extra);
    const bool even = is_even(pads);
    cnn_text_printf(&s->members, "        self.%s = nn.ConvTranspose2d(%zu, %zu, %s%s%s%s",
                    cnn_script_layer(s), c->out_c, c->in_c,
                    cnn_script_pair(c->kernel_h, c->kernel_w).text,
                    cnn_script_key("stride", c->stride_h, c->stride_w, 1).text,
                    even ? cnn_script_key("padding", pads[0], pads[1], 0).text : "",
                    cnn_script_key("output_padding", extra[0], extra[1], 0).text);
    cnn_text_printf(&s->members, "%s%s%s)\n",
                    cnn_script_key("groups", c->groups, c->groups, 1).text, no_bias(s),
                    cnn_script_key("dilation", c->dilation_h, c->dilation_w, 1).text);
    if (even)
        return call_input(s);
    const char *y =
        cnn_script_text(s, "self.%s(%s)[:, :, %zu:%zu, %zu:%zu]", cnn_script_layer(s),
                        cnn_script_input(s, 0), pads[0], pads[0] + out.h, pads[1], pads[1] + out.w);
    return cnn_pytorch_activate(s, y);
}

static const char *dense(struct cnn_script *s)
{
    cnn_text_printf(&s->members, "        self.%s = nn.Linear(%zu, %zu%s)\n", cnn_script_layer(s),
                    s->node->in[0].c, s->node->out.c, no_bias(s));
    return call_input(s);
}

/* Averages of x, of which ones at the same places count. */
static const char *average_of_counted(struct cnn_script *s, const char *x, const size_t pads[4],
                                      const char *window)
{
    const char *sum = padded(s, x, pads, "");
    const char *count = padded(s, cnn_script_text(s, "torch.ones_like(%s)", x), pads, "");
    return cnn_script_text(s, "F.avg_pool2d(%s%s) / F.avg_pool2d(%s%s)", sum, window, count,
                           window);
}

static const char *pool(struct cnn_script *s)
{
    const struct cnn_pool *p = &s->operation.pool;
    const char *x = cnn_script_input(s, 0), *name = p->average ? "avg" : "max";
    size_t pads[4], over[2];
    cnn_export_pool_pads(p, pads, over);
    /* what PyTorch has: at most half a window, the same at both ends */
    const bool own = is_even(pads) && 2 * pads[0] <= p->kernel_h && 2 * pads[1] <= p->kernel_w;
    const char *window =
        cnn_script_text(s, ", %s%s%s%s", cnn_script_pair(p->kernel_h, p->kernel_w).text,
                        p->stride_h == p->kernel_h && p->stride_w == p->kernel_w
                            ? ""
                            : cnn_script_key("stride", p->stride_h, p->stride_w, 0).text,
                        own ? cnn_script_key("padding", pads[0], pads[1], 0).text : "",
                        over[0] + over[1] > 0 ? ", ceil_mode=True" : "");
    const bool counted = !p->average || p->count_include_pad;
    if (!own && counted)
        x = padded(s, x, pads, p->average ? "" : ", value=float(\"-inf\")");
    if (!own && !counted)
        return average_of_counted(s, x, pads, window);
    return cnn_script_text(s, "F.%s_pool2d(%s%s%s)", name, x, window,
                           counted || pads[0] + pads[1] == 0 ? "" : ", count_include_pad=False");
}

static const char *global_pool(struct cnn_script *s)
{
    return cnn_script_text(s, "F.adaptive_%s_pool2d(%s, 1)",
                           s->operation.pool.average ? "avg" : "max", cnn_script_input(s, 0));
}

/* ---- Normalisations ---- */

static const char *batch_norm(struct cnn_script *s)
{
    cnn_text_printf(&s->members, "        self.%s = nn.BatchNorm%dd(%zu, eps=%s)\n",
                    cnn_script_layer(s), s->node->out.rank == 3 ? 2 : 1, s->node->out.c,
                    cnn_script_number(s->operation.eps).text);
    return call_input(s);
}

static const char *group_norm(struct cnn_script *s)
{
    const struct cnn_group_norm *g = &s->operation.group_norm;
    cnn_text_printf(&s->members, "        self.%s = nn.GroupNorm(%zu, %zu, eps=%s%s)\n",
                    cnn_script_layer(s), g->groups, g->channels, cnn_script_number(g->eps).text,
                    cnn_script_has(s, "weight") ? "" : ", affine=False");
    return call_input(s);
}

static const char *layer_norm(struct cnn_script *s)
{
    const char *x = cnn_script_input(s, 0);
    cnn_text_printf(&s->members, "        self.%s = nn.LayerNorm(%zu, eps=%s%s)\n",
                    cnn_script_layer(s), s->node->out.c, cnn_script_number(s->operation.eps).text,
                    cnn_script_has(s, "weight") ? "" : ", elementwise_affine=False");
    if (s->node->out.rank == 1)
        return call(s, x);
    return cnn_script_text(s, "self.%s(%s.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)",
                           cnn_script_layer(s), x);
}

static const char *lrn(struct cnn_script *s)
{
    const struct cnn_lrn *l = &s->operation.lrn;
    return cnn_script_text(s, "F.local_response_norm(%s, %zu, alpha=%s, beta=%s, k=%s)",
                           cnn_script_input(s, 0), l->size, cnn_script_number(l->alpha).text,
                           cnn_script_number(l->beta).text, cnn_script_number(l->k).text);
}

/* ---- Numbers times numbers ---- */

static const char *scale(struct cnn_script *s)
{
    s->helpers |= CNN_PYTORCH_SCALE;
    cnn_text_printf(&s->members, "        self.%s = Scale(%zu%s)\n", cnn_script_layer(s),
                    s->node->out.c, no_bias(s));
    return call_input(s);
}

static const char *prelu(struct cnn_script *s)
{
    cnn_text_printf(&s->members, "        self.%s = nn.PReLU(%zu)\n", cnn_script_layer(s),
                    cnn_node_tensor(s->node, "weight")->count);
    return call_input(s);
}

/* ---- What moves numbers ---- */

static const char *flatten(struct cnn_script *s)
{
    return cnn_script_text(s, "torch.flatten(%s, 1)", cnn_script_input(s, 0));
}

static const char *pad(struct cnn_script *s)
{
    const struct cnn_border *b = &s->operation.border;
    const size_t pads[4] = {b->top, b->left, b->out_h - b->in_h - b->top,
                            b->out_w - b->in_w - b->left};
    return padded(s, cnn_script_input(s, 0), pads, pad_modes[b->mode]);
}

static const char *resample(struct cnn_script *s)
{
    const struct cnn_resample *r = &s->operation.resample;
    return cnn_script_text(s, "F.interpolate(%s, size=(%zu, %zu)%s%s)", cnn_script_input(s, 0),
                           r->out_h, r->out_w, r->bilinear ? ", mode=\"bilinear\"" : "",
                           r->align_corners ? ", align_corners=True" : "");
}

static const char *depth_to_space(struct cnn_script *s)
{
    const struct cnn_depth *d = &s->operation.depth;
    const char *x = cnn_script_input(s, 0);
    if (!d->places_first)
        return cnn_script_text(s, "F.pixel_shuffle(%s, %zu)", x, d->block);
    s->helpers |= CNN_PYTORCH_BLOCKS;
    return cnn_script_text(s, "depth_to_space(%s, %zu)", x, d->block);
}

static const char *space_to_depth(struct cnn_script *s)
{
    const struct cnn_depth *d = &s->operation.depth;
    const char *x = cnn_script_input(s, 0);
    if (!d->places_first)
        return cnn_script_text(s, "F.pixel_unshuffle(%s, %zu)", x, d->block);
    s->helpers |= CNN_PYTORCH_BLOCKS;
    return cnn_script_text(s, "space_to_depth(%s, %zu)", x, d->block);
}

static const char *concatenate(struct cnn_script *s)
{
    return cnn_script_text(s, "torch.cat([%s], dim=1)", cnn_script_joined(s, ", "));
}

static const char *slice(struct cnn_script *s)
{
    const struct cnn_channel_range *r = &s->operation.range;
    return cnn_script_text(s, "%s[:, %zu:%zu]", cnn_script_input(s, 0), r->first,
                           r->first + r->count);
}

static const char *shuffle(struct cnn_script *s)
{
    return cnn_script_text(s, "%s.unflatten(1, (%zu, %zu)).transpose(1, 2).flatten(1, 2)",
                           cnn_script_input(s, 0), s->operation.groups,
                           s->node->out.c / s->operation.groups);
}

cnn_script_writer *const cnn_pytorch_writers[CNN_OPERATION_KINDS] = {
    [CNN_OPERATION_PASS] = cnn_script_pass,
    [CNN_OPERATION_CONVOLVE] = convolve,
    [CNN_OPERATION_DECONVOLVE] = deconvolve,
    [CNN_OPERATION_DENSE] = dense,
    [CNN_OPERATION_POOL] = pool,
    [CNN_OPERATION_GLOBAL_POOL] = global_pool,
    [CNN_OPERATION_BATCH_NORM] = batch_norm,
    [CNN_OPERATION_GROUP_NORM] = group_norm,
    [CNN_OPERATION_LAYER_NORM] = layer_norm,
    [CNN_OPERATION_SCALE] = scale,
    [CNN_OPERATION_ACTIVATE] = cnn_script_activation,
    [CNN_OPERATION_PRELU] = prelu,
    [CNN_OPERATION_LRN] = lrn,
    [CNN_OPERATION_FLATTEN] = flatten,
    [CNN_OPERATION_PAD] = pad,
    [CNN_OPERATION_RESAMPLE] = resample,
    [CNN_OPERATION_DEPTH_TO_SPACE] = depth_to_space,
    [CNN_OPERATION_SPACE_TO_DEPTH] = space_to_depth,
    [CNN_OPERATION_ADD] = cnn_script_add,
    [CNN_OPERATION_MULTIPLY] = cnn_script_multiply,
    [CNN_OPERATION_CONCATENATE] = concatenate,
    [CNN_OPERATION_SLICE] = slice,
    [CNN_OPERATION_SHUFFLE] = shuffle,
};
