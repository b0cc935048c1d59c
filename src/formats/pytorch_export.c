/* Export to PyTorch: a script with a module of the same layers, under the same names, which reads
 * checkpoints of this library without any package but torch. */
#include "formats/script.h"

#include <string.h>

enum { NEEDS_SCALE = 1, NEEDS_BLOCKS = 2 };

/* Members of nn.Module, which a layer's name would hide. */
static const char *const reserved[] = {"add_module",
                                       "apply",
                                       "bfloat16",
                                       "buffers",
                                       "call_super_init",
                                       "children",
                                       "compile",
                                       "cpu",
                                       "cuda",
                                       "double",
                                       "dump_patches",
                                       "eval",
                                       "extra_repr",
                                       "forward",
                                       "get_buffer",
                                       "get_extra_state",
                                       "get_parameter",
                                       "get_submodule",
                                       "half",
                                       "ipu",
                                       "load_state_dict",
                                       "modules",
                                       "mtia",
                                       "named_buffers",
                                       "named_children",
                                       "named_modules",
                                       "named_parameters",
                                       "parameters",
                                       "register_buffer",
                                       "register_module",
                                       "register_parameter",
                                       "requires_grad_",
                                       "set_extra_state",
                                       "set_submodule",
                                       "share_memory",
                                       "state_dict",
                                       "to",
                                       "to_empty",
                                       "train",
                                       "training",
                                       "type",
                                       "xpu",
                                       "zero_grad",
                                       "T_destination",
                                       "Scale",
                                       "load",
                                       "tensors",
                                       "numpy",
                                       "open",
                                       "int",
                                       "len",
                                       "print",
                                       "dict",
                                       "bytearray",
                                       "depth_to_space",
                                       "space_to_depth",
                                       "MEAN",
                                       "STD",
                                       "CLASSES",
                                       "image",
                                       NULL};

static const char *no_bias(const struct cnn_script *s)
{
    return cnn_script_has(s, "bias") ? "" : ", bias=False";
}

/* ---- Activations ---- */

static const char *activate(struct cnn_script *s, const char *x)
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
    return activate(s, cnn_script_text(s, "self.%s(%s)", cnn_script_layer(s), x));
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
    return activate(s, y);
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
    s->helpers |= NEEDS_SCALE;
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
    s->helpers |= NEEDS_BLOCKS;
    return cnn_script_text(s, "depth_to_space(%s, %zu)", x, d->block);
}

static const char *space_to_depth(struct cnn_script *s)
{
    const struct cnn_depth *d = &s->operation.depth;
    const char *x = cnn_script_input(s, 0);
    if (!d->places_first)
        return cnn_script_text(s, "F.pixel_unshuffle(%s, %zu)", x, d->block);
    s->helpers |= NEEDS_BLOCKS;
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

static cnn_script_writer *const writers[CNN_OPERATION_KINDS] = {
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

/* ---- The script ---- */

static const char usage[] = "    model = load(\"model.safetensors\")\n"
                            "    with torch.no_grad():\n"
                            "        y = model(x)    # x: [images, channels, rows, columns]\n";

static const char scale_class[] =
    "\n\nclass Scale(nn.Module):\n"
    "    \"\"\"Every channel times a number, and plus another.\"\"\"\n\n"
    "    def __init__(self, channels, bias=True):\n"
    "        super().__init__()\n"
    "        self.weight = nn.Parameter(torch.ones(channels))\n"
    "        self.bias = nn.Parameter(torch.zeros(channels)) if bias else None\n\n"
    "    def forward(self, x):\n"
    "        shape = [-1] + [1] * (x.dim() - 2)\n"
    "        x = x * self.weight.view(shape)\n"
    "        return x if self.bias is None else x + self.bias.view(shape)\n";

static const char blocks_functions[] =
    "\n\ndef depth_to_space(x, block):\n"
    "    \"\"\"The numbers of one place in a block stand together in the channels.\"\"\"\n"
    "    n, c, h, w = x.shape\n"
    "    x = x.reshape(n, block, block, c // block**2, h, w).permute(0, 3, 4, 1, 5, 2)\n"
    "    return x.reshape(n, c // block**2, h * block, w * block)\n\n\n"
    "def space_to_depth(x, block):\n"
    "    n, c, h, w = x.shape\n"
    "    x = x.reshape(n, c, h // block, block, w // block, block).permute(0, 3, 5, 1, 2, 4)\n"
    "    return x.reshape(n, c * block**2, h // block, w // block)\n";

static void add_class(const struct cnn_script *s, struct cnn_text *out)
{
    const struct cnn_export *e = s->e;
    const size_t last = e->model->graph.count;
    if (s->helpers & NEEDS_SCALE)
        cnn_text_printf(out, "%s", scale_class);
    if (s->helpers & NEEDS_BLOCKS)
        cnn_text_printf(out, "%s", blocks_functions);
    cnn_text_printf(
        out,
        "\n\nclass %s(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "%s\n    def forward(self, %s):\n%s        return %s\n",
        e->name, s->members.data ? s->members.data : "", s->values[0],
        s->lines.data ? s->lines.data : "", s->values[last]);
}

/* Layers whose names are no identifiers have others here. */
static void add_names(const struct cnn_script *s, struct cnn_text *out)
{
    const struct cnn_graph *graph = &s->e->model->graph;
    bool any = false;
    for (size_t i = 0; i < graph->count; i++) {
        if (strcmp(graph->nodes[i].name, s->layers[i]) == 0 ||
            !cnn_node_parameters(&graph->nodes[i]))
            continue;
        cnn_text_printf(out, "%s    \"%s\": \"%s\",\n",
                        any ? "" : "\n# Layers that have another name in checkpoints.\nNAMES = {\n",
                        graph->nodes[i].name, s->layers[i]);
        any = true;
    }
    if (any)
        cnn_text_printf(out, "}\n");
}

static void add_load(const struct cnn_script *s, struct cnn_text *out)
{
    const bool int8 = s->e->model->graph.nodes[0].precision == CNN_PRECISION_INT8;
    bool renamed = false;
    for (size_t i = 0; i < s->e->model->graph.count; i++)
        renamed = renamed || (strcmp(s->e->model->graph.nodes[i].name, s->layers[i]) != 0 &&
                              cnn_node_parameters(&s->e->model->graph.nodes[i]));
    cnn_text_printf(
        out,
        "\n\ndef tensors(path):\n"
        "    \"\"\"The tensors of a .safetensors file: 8 bytes that are the size of a header, the\n"
        "    header, in JSON, and the numbers.\"\"\"\n"
        "    with open(path, \"rb\") as file:\n"
        "        size, = struct.unpack(\"<Q\", file.read(8))\n"
        "        header, numbers = json.loads(file.read(size)), bytearray(file.read())\n"
        "    types = {\"F32\": torch.float32, \"I8\": torch.int8}\n"
        "    result = {}\n"
        "    for name, info in header.items():\n"
        "        if name != \"__metadata__\" and not name.startswith(\"@\"):\n"
        "            begin, end = info[\"data_offsets\"]\n"
        "            values = torch.frombuffer(numbers[begin:end], dtype=types[info[\"dtype\"]])\n"
        "            result[name] = values.reshape(info[\"shape\"])\n");
    if (int8)
        cnn_text_printf(
            out, "    # Weights are bytes, times a number for each filter; the ranges of inputs "
                 "are not used here.\n"
                 "    for name in [name for name in result if name.endswith(\".weight_scale\")]:\n"
                 "        scale, weight = result.pop(name), name[:-6]\n"
                 "        shape = [-1] + [1] * (result[weight].dim() - 1)\n"
                 "        result[weight] = result[weight] * scale.reshape(shape)\n"
                 "        del result[name[:-12] + \"input_range\"]\n");
    if (renamed)
        cnn_text_printf(out, "    for name in list(result):\n"
                             "        layer, suffix = name.split(\".\")\n"
                             "        result[NAMES.get(layer, layer) + \".\" + suffix] = "
                             "result.pop(name)\n");
    cnn_text_printf(out,
                    "    return result\n\n\ndef load(path):\n"
                    "    model = %s()\n"
                    "    model.load_state_dict(tensors(path))\n"
                    "    return model.eval()\n",
                    s->e->name);
}

static const char main_part[] =
    "\n\nif __name__ == \"__main__\":\n"
    "    import numpy\n\n"
    "    if len(sys.argv) < 3:\n"
    "        sys.exit(f\"usage: {sys.argv[0]} MODEL.safetensors INPUT.npy [OUTPUT.npy]\")\n"
    "    with torch.no_grad():\n"
    "        y = load(sys.argv[1])(torch.from_numpy(numpy.load(sys.argv[2]))).numpy()\n"
    "    if len(sys.argv) > 3:\n"
    "        numpy.save(sys.argv[3], y)\n"
    "    else:\n"
    "        print(y)\n";

/* The name becomes that of a class, which must hide nothing that the script uses. */
static cnn_status name_class(const struct cnn_script_format *format, struct cnn_export *e)
{
    if (e->options->name && cnn_script_reserves(format, e->name))
        return cnn_fail(e->diag, CNN_INVALID, NULL,
                        "'%s' cannot be the name of the class: it is a word of Python or of the "
                        "script",
                        e->name);
    while (e->name && cnn_script_reserves(format, e->name))
        e->name = cnn_arena_printf(e->arena, "%s_", e->name);
    return e->name ? CNN_OK : cnn_fail_memory(e->diag, 100, e->path);
}

static cnn_status write_pytorch(const struct cnn_export *original)
{
    static const struct cnn_script_format format = {.name = "PyTorch",
                                                    .indent = "        ",
                                                    .reserved = reserved,
                                                    .writers = writers,
                                                    .activate = activate,
                                                    .maps = "[:, :, None, None]"};
    struct cnn_export own = *original, *e = &own;
    struct cnn_script s = {.e = e};
    struct cnn_text text = {0};
    cnn_status status = name_class(&format, e);
    if (status == CNN_OK)
        status = cnn_script_write(&s, &format);
    if (status == CNN_OK) {
        cnn_script_head(&text, e, usage);
        cnn_text_printf(&text, "import json\nimport struct\nimport sys\n\nimport torch\n"
                               "import torch.nn.functional as F\nfrom torch import nn\n");
        cnn_script_constants(&text, e);
        add_names(&s, &text);
        add_class(&s, &text);
        add_load(&s, &text);
        cnn_text_printf(&text, "%s", main_part);
        text.failed = text.failed || s.members.failed || s.lines.failed;
        status = cnn_script_save(e, &text);
    }
    cnn_script_free(&s);
    return status;
}

const struct cnn_export_type cnn_export_pytorch = {
    .public = {.name = "pytorch",
               .help = "a Python script with the same layers, which loads checkpoints",
               .ending = ".py",
               .output = CNN_OUTPUT_SCRIPT},
    .write = write_pytorch};
