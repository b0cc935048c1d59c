/* Export to Keras 3: a script with a functional model of the same layers, under the same names,
 * which reads checkpoints of this library. Keras keeps channels last, as the CPU wants them, so the
 * script transposes weights as it reads them; what it flattens it brings into the order of
 * checkpoints before. */
#include "formats/script.h"

#include <string.h>

enum { NEEDS_POOL = 1, NEEDS_LRN = 2, NEEDS_SCALE = 4 };

static const char *const reserved[] = {"os",    "sys",   "build",   "load",   "tensors", "inputs",
                                       "MEAN",  "STD",   "CLASSES", "SHAPES", "pooled",  "lrn",
                                       "Scale", "image", "outputs", NULL};

static const char *no_bias(const struct cnn_script *s)
{
    return cnn_script_has(s, "bias") ? "" : ", use_bias=False";
}

/* ---- Activations ---- */

static const char *activate(struct cnn_script *s, const char *x)
{
    static const char *const functions[] = {[CNN_ACT_RELU] = "ops.relu",
                                            [CNN_ACT_RELU6] = "ops.relu6",
                                            [CNN_ACT_ELU] = "ops.elu",
                                            [CNN_ACT_SIGMOID] = "ops.sigmoid",
                                            [CNN_ACT_TANH] = "ops.tanh",
                                            [CNN_ACT_SILU] = "ops.silu",
                                            [CNN_ACT_SOFTMAX] = "ops.softmax",
                                            [CNN_ACT_HARDSWISH] = "ops.hard_silu",
                                            [CNN_ACT_HARD_SIGMOID] = "ops.hard_sigmoid"};
    const struct cnn_activation a = s->operation.activation;
    switch (a.kind) {
    case CNN_ACT_NONE:
        return x;
    case CNN_ACT_LEAKY_RELU:
        return cnn_script_text(s, "ops.leaky_relu(%s, %s)", x, cnn_script_number(a.slope).text);
    case CNN_ACT_CLIP:
        return cnn_script_text(s, "ops.clip(%s, %s, %s)", x, cnn_script_number(a.min).text,
                               cnn_script_number(a.max).text);
    case CNN_ACT_GELU:
        return cnn_script_text(s, "ops.gelu(%s, approximate=False)", x);
    case CNN_ACT_MISH:
        return cnn_script_text(s, "keras.activations.mish(%s)", x);
    default:
        return cnn_script_text(s, "%s(%s)", functions[a.kind], x);
    }
}

/* A layer of Keras on x, under the name at hand, and the activation. */
static const char *call(struct cnn_script *s, const char *type, const char *settings, const char *x)
{
    return activate(s, cnn_script_text(s, "layers.%s(%s%sname=\"%s\")(%s)", type, settings,
                                       *settings ? ", " : "", s->node->name, x));
}

/* ---- Windows ---- */

/* mode, and for constants the value. */
static const char *padded(struct cnn_script *s, const char *x, const size_t pads[4],
                          const char *more)
{
    if (pads[0] + pads[1] + pads[2] + pads[3] == 0)
        return x;
    return cnn_script_text(s, "ops.pad(%s, [[0, 0], [%zu, %zu], [%zu, %zu], [0, 0]]%s)", x, pads[0],
                           pads[2], pads[1], pads[3], more);
}

static const char *const pad_modes[] = {[CNN_PAD_ZEROS] = "",
                                        [CNN_PAD_REFLECT] = ", mode=\"reflect\"",
                                        [CNN_PAD_REPLICATE] = ", mode=\"edge\""};

/* Keras wants strides that are alike in depthwise layers; and no stride beside a dilation. */
static const char *convolve(struct cnn_script *s)
{
    const struct cnn_conv *c = &s->operation.conv;
    const bool depthwise = c->groups == c->in_c && c->groups > 1;
    size_t pads[4];
    cnn_export_conv_pads(c, pads);
    if ((c->stride_h > 1 || c->stride_w > 1) && (c->dilation_h > 1 || c->dilation_w > 1))
        s->problem = "it has a stride and a dilation";
    if (depthwise && c->stride_h != c->stride_w)
        s->problem = "it is depthwise, and has another stride for rows than for columns";
    const char *windows = cnn_script_text(
        s, "%s%s%s%s", cnn_script_pair(c->kernel_h, c->kernel_w).text,
        cnn_script_key("strides", c->stride_h, c->stride_w, 1).text,
        cnn_script_key("dilation_rate", c->dilation_h, c->dilation_w, 1).text, no_bias(s));
    const char *settings =
        depthwise ? cnn_script_text(s, "%s%s", windows,
                                    cnn_script_key("depth_multiplier", c->out_c / c->in_c,
                                                   c->out_c / c->in_c, 1)
                                        .text)
                  : cnn_script_text(s, "%zu, %s%s", c->out_c, windows,
                                    cnn_script_key("groups", c->groups, c->groups, 1).text);
    return call(s, depthwise ? "DepthwiseConv2D" : "Conv2D", settings,
                padded(s, cnn_script_input(s, 0), pads, pad_modes[c->padding_mode]));
}

/* The whole, of which padding is cut off. Keras's whole is no smaller than the stride. */
static const char *deconvolve(struct cnn_script *s)
{
    const struct cnn_conv *c = &s->operation.conv;
    const cnn_shape out = s->node->out;
    const size_t whole_h = (c->out_h - 1) * c->stride_h + c->kernel_h,
                 whole_w = (c->out_w - 1) * c->stride_w + c->kernel_w;
    if (c->groups > 1 || c->dilation_h > 1 || c->dilation_w > 1)
        s->problem = "its transposed convolutions have no groups and no dilation";
    else if (c->kernel_h < c->stride_h || c->kernel_w < c->stride_w ||
             out.h + c->pad_top > whole_h || out.w + c->pad_left > whole_w)
        s->problem = "its output has rows that no kernel reaches";
    const char *settings =
        cnn_script_text(s, "%zu, %s%s%s", c->in_c, cnn_script_pair(c->kernel_h, c->kernel_w).text,
                        cnn_script_key("strides", c->stride_h, c->stride_w, 1).text, no_bias(s));
    const char *y = cnn_script_text(s, "layers.Conv2DTranspose(%s, name=\"%s\")(%s)", settings,
                                    s->node->name, cnn_script_input(s, 0));
    if (whole_h != out.h || whole_w != out.w)
        y = cnn_script_text(s, "%s[:, %zu:%zu, %zu:%zu]", y, c->pad_top, c->pad_top + out.h,
                            c->pad_left, c->pad_left + out.w);
    return activate(s, y);
}

static const char *dense(struct cnn_script *s)
{
    return call(s, "Dense", cnn_script_text(s, "%zu%s", s->node->out.c, no_bias(s)),
                cnn_script_input(s, 0));
}

/* pooled(x, kernel, strides, pads, over, counted): see the script. */
static const char *pool(struct cnn_script *s)
{
    const struct cnn_pool *p = &s->operation.pool;
    const char *kind = p->average ? "Average" : "Max", *x = cnn_script_input(s, 0);
    size_t pads[4], over[2];
    cnn_export_pool_pads(p, pads, over);
    const size_t beyond[4] = {0, 0, over[0], over[1]},
                 all[4] = {pads[0], pads[1], pads[2] + over[0], pads[3] + over[1]};
    const char *window =
        cnn_script_text(s, "%s%s", cnn_script_pair(p->kernel_h, p->kernel_w).text,
                        p->stride_h == p->kernel_h && p->stride_w == p->kernel_w
                            ? ""
                            : cnn_script_key("strides", p->stride_h, p->stride_w, 0).text);
    if (!p->average || over[0] + over[1] == 0) {
        if (!p->average || p->count_include_pad || pads[0] + pads[1] + pads[2] + pads[3] == 0)
            return cnn_script_text(
                s, "layers.%sPooling2D(%s)(%s)", kind, window,
                padded(s, x, all, p->average ? "" : ", constant_values=-float(\"inf\")"));
    }
    /* sums, by how many of the places count */
    const char *counted = p->count_include_pad ? padded(s, x, pads, "") : x;
    const char *rest = cnn_script_text(
        s, "[[0, 0], [%zu, %zu], [%zu, %zu], [0, 0]]", p->count_include_pad ? 0 : all[0],
        p->count_include_pad ? beyond[2] : all[2], p->count_include_pad ? 0 : all[1],
        p->count_include_pad ? beyond[3] : all[3]);
    s->helpers |= NEEDS_POOL;
    return cnn_script_text(s, "pooled(%s, %s, layers.AveragePooling2D(%s))", counted, rest, window);
}

static const char *global_pool(struct cnn_script *s)
{
    return cnn_script_text(s, "ops.%s(%s, axis=[1, 2], keepdims=True)",
                           s->operation.pool.average ? "mean" : "max", cnn_script_input(s, 0));
}

/* ---- Normalisations ---- */

static const char *batch_norm(struct cnn_script *s)
{
    return call(s, "BatchNormalization",
                cnn_script_text(s, "epsilon=%s", cnn_script_number(s->operation.eps).text),
                cnn_script_input(s, 0));
}

static const char *affine(const struct cnn_script *s)
{
    return cnn_script_has(s, "weight") ? "" : ", center=False, scale=False";
}

static const char *group_norm(struct cnn_script *s)
{
    const struct cnn_group_norm *g = &s->operation.group_norm;
    return call(s, "GroupNormalization",
                cnn_script_text(s, "%zu, epsilon=%s%s", g->groups, cnn_script_number(g->eps).text,
                                affine(s)),
                cnn_script_input(s, 0));
}

static const char *layer_norm(struct cnn_script *s)
{
    return call(
        s, "LayerNormalization",
        cnn_script_text(s, "epsilon=%s%s", cnn_script_number(s->operation.eps).text, affine(s)),
        cnn_script_input(s, 0));
}

static const char *lrn(struct cnn_script *s)
{
    const struct cnn_lrn *l = &s->operation.lrn;
    s->helpers |= NEEDS_LRN;
    return cnn_script_text(s, "lrn(%s, %zu, %s, %s, %s)", cnn_script_input(s, 0), l->size,
                           cnn_script_number(l->alpha).text, cnn_script_number(l->beta).text,
                           cnn_script_number(l->k).text);
}

/* ---- Numbers times numbers ---- */

static const char *scale(struct cnn_script *s)
{
    s->helpers |= NEEDS_SCALE;
    return activate(s, cnn_script_text(s, "Scale(%s, name=\"%s\")(%s)",
                                       cnn_script_has(s, "bias") ? "True" : "False", s->node->name,
                                       cnn_script_input(s, 0)));
}

static const char *prelu(struct cnn_script *s)
{
    const bool shared = cnn_node_tensor(s->node, "weight")->count == 1;
    const char *axes = s->node->out.rank == 1 ? shared ? "[1]" : "[]"
                       : shared               ? "[1, 2, 3]"
                                              : "[1, 2]";
    return call(s, "PReLU", cnn_script_text(s, "shared_axes=%s", axes), cnn_script_input(s, 0));
}

/* ---- What moves numbers ---- */

/* Channels come first, as the weights behind it have them. */
static const char *flatten(struct cnn_script *s)
{
    const cnn_shape in = s->node->in[0];
    const char *x = cnn_script_input(s, 0);
    if (in.rank == 3 && in.c > 1 && in.h * in.w > 1)
        x = cnn_script_text(s, "layers.Permute((3, 1, 2))(%s)", x);
    return cnn_script_text(s, "layers.Flatten()(%s)", x);
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
    if (r->align_corners || r->out_h % r->in_h != 0 || r->out_w % r->in_w != 0)
        s->problem = r->align_corners ? "it has no align_corners" : "its factor is not whole";
    return cnn_script_text(s, "layers.UpSampling2D((%zu, %zu)%s)(%s)", r->out_h / r->in_h,
                           r->out_w / r->in_w, r->bilinear ? ", interpolation=\"bilinear\"" : "",
                           cnn_script_input(s, 0));
}

/* The numbers of a block are three dimensions of six, which are reordered. */
static const char *blocks(struct cnn_script *s, bool space)
{
    const struct cnn_depth *d = &s->operation.depth;
    const cnn_shape out = s->node->out;
    const char *sizes, *order;
    if (space) {
        sizes = d->places_first ? cnn_script_text(s, "(%zu, %zu, %zu, %zu, %zu)", d->h, d->w,
                                                  d->block, d->block, d->channels)
                                : cnn_script_text(s, "(%zu, %zu, %zu, %zu, %zu)", d->h, d->w,
                                                  d->channels, d->block, d->block);
        order = d->places_first ? "(1, 3, 2, 4, 5)" : "(1, 4, 2, 5, 3)";
    } else {
        sizes = cnn_script_text(s, "(%zu, %zu, %zu, %zu, %zu)", d->h, d->block, d->w, d->block,
                                d->channels);
        order = d->places_first ? "(1, 3, 2, 4, 5)" : "(1, 3, 5, 2, 4)";
    }
    return cnn_script_text(s,
                           "layers.Reshape((%zu, %zu, %zu))(layers.Permute(%s)(layers.Reshape(%s)"
                           "(%s)))",
                           out.h, out.w, out.c, order, sizes, cnn_script_input(s, 0));
}

static const char *depth_to_space(struct cnn_script *s)
{
    return blocks(s, true);
}

static const char *space_to_depth(struct cnn_script *s)
{
    return blocks(s, false);
}

static const char *concatenate(struct cnn_script *s)
{
    return cnn_script_text(s, "layers.Concatenate()([%s])", cnn_script_joined(s, ", "));
}

static const char *slice(struct cnn_script *s)
{
    const struct cnn_channel_range *r = &s->operation.range;
    return cnn_script_text(s, "%s[..., %zu:%zu]", cnn_script_input(s, 0), r->first,
                           r->first + r->count);
}

static const char *shuffle(struct cnn_script *s)
{
    const size_t groups = s->operation.groups;
    const cnn_shape out = s->node->out;
    const char *x = cnn_script_input(s, 0);
    if (out.rank == 1)
        return cnn_script_text(
            s, "layers.Flatten()(layers.Permute((2, 1))(layers.Reshape((%zu, %zu))(%s)))", groups,
            out.c / groups, x);
    return cnn_script_text(s,
                           "layers.Reshape((%zu, %zu, %zu))(layers.Permute((1, 2, 4, 3))"
                           "(layers.Reshape((%zu, %zu, %zu, %zu))(%s)))",
                           out.h, out.w, out.c, out.h, out.w, groups, out.c / groups, x);
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
                            "    y = model.predict(x)    # x: [images, rows, columns, channels]\n"
                            "\nFor Keras 3.\n";

static const char pool_function[] =
    "\n\ndef pooled(x, pads, average):\n"
    "    \"\"\"Averages of windows that reach beyond what counts: by those places that do.\"\"\"\n"
    "    return average(ops.pad(x, pads)) / average(ops.pad(ops.ones_like(x), pads))\n";

static const char lrn_function[] =
    "\n\ndef lrn(x, size, alpha, beta, k):\n"
    "    \"\"\"Local response normalisation over the channels.\"\"\"\n"
    "    pads = [[0, 0], [0, 0], [0, 0], [size // 2, (size - 1) // 2]]\n"
    "    squares, channels = ops.pad(x * x, pads), x.shape[-1]\n"
    "    total = sum(squares[..., i : i + channels] for i in range(size))\n"
    "    return x / (k + alpha / size * total) ** beta\n";

static const char scale_class[] =
    "\n\nclass Scale(layers.Layer):\n"
    "    \"\"\"Every channel times a number, and plus another.\"\"\"\n\n"
    "    def __init__(self, biased, **settings):\n"
    "        super().__init__(**settings)\n"
    "        self.biased = biased\n\n"
    "    def build(self, shape):\n"
    "        self.weight = self.add_weight(shape=(shape[-1],), initializer=\"ones\")\n"
    "        if self.biased:\n"
    "            self.bias = self.add_weight(shape=(shape[-1],), initializer=\"zeros\")\n\n"
    "    def call(self, x):\n"
    "        return x * self.weight + self.bias if self.biased else x * self.weight\n";

static const char load_part[] =
    "\n\ndef tensors(path):\n"
    "    \"\"\"The tensors of a .safetensors file: 8 bytes that are the size of a header, the\n"
    "    header, in JSON, and the numbers.\"\"\"\n"
    "    with open(path, \"rb\") as file:\n"
    "        size, = struct.unpack(\"<Q\", file.read(8))\n"
    "        header, numbers = json.loads(file.read(size)), file.read()\n"
    "    types = {\"F32\": np.float32, \"I8\": np.int8}\n"
    "    result = {}\n"
    "    for name, info in header.items():\n"
    "        if name != \"__metadata__\" and not name.startswith(\"@\"):\n"
    "            begin, end = info[\"data_offsets\"]\n"
    "            values = np.frombuffer(numbers[begin:end], types[info[\"dtype\"]])\n"
    "            result[name] = values.reshape(info[\"shape\"])\n"
    "    # Weights of `precision: int8` are bytes, times a number for each filter.\n"
    "    for name in [name for name in result if name.endswith(\".weight_scale\")]:\n"
    "        weight = name[:-6]\n"
    "        shape = [-1] + [1] * (result[weight].ndim - 1)\n"
    "        result[weight] = result[weight] * result[name].reshape(shape)\n"
    "    return result\n\n\n"
    "def arrange(layer, weight):\n"
    "    \"\"\"A weight in the order of Keras: rows, columns and then channels.\"\"\"\n"
    "    if isinstance(layer, layers.DepthwiseConv2D):\n"
    "        weight = weight.reshape(-1, layer.depth_multiplier, *weight.shape[2:])\n"
    "        return weight.transpose(2, 3, 0, 1)\n"
    "    if isinstance(layer, layers.PReLU):\n"
    "        return weight.reshape(layer.alpha.shape)\n"
    "    return weight.transpose(2, 3, 1, 0) if weight.ndim == 4 else weight.T\n\n\n"
    "def load(path):\n"
    "    model, values = build(), tensors(path)\n"
    "    for layer in model.layers:\n"
    "        own = []\n"
    "        if layer.name + \".weight\" in values:\n"
    "            own.append(arrange(layer, values[layer.name + \".weight\"]))\n"
    "        for suffix in \"bias\", \"running_mean\", \"running_var\":\n"
    "            if f\"{layer.name}.{suffix}\" in values:\n"
    "                own.append(values[f\"{layer.name}.{suffix}\"])\n"
    "        if own:\n"
    "            layer.set_weights(own)\n"
    "    return model\n\n\n"
    "if __name__ == \"__main__\":\n"
    "    if len(sys.argv) < 3:\n"
    "        sys.exit(f\"usage: {sys.argv[0]} MODEL.safetensors INPUT.npy [OUTPUT.npy]\")\n"
    "    # INPUT and OUTPUT are as `cnn predict` has them: channels first.\n"
    "    y = load(sys.argv[1]).predict(np.load(sys.argv[2]).transpose(0, 2, 3, 1), verbose=0)\n"
    "    y = y.transpose(0, 3, 1, 2) if y.ndim == 4 else y\n"
    "    if len(sys.argv) > 3:\n"
    "        np.save(sys.argv[3], y)\n"
    "    else:\n"
    "        print(y)\n";

static void add_build(const struct cnn_script *s, struct cnn_text *out)
{
    const cnn_shape in = s->e->model->graph.input;
    const size_t last = s->e->model->graph.count;
    if (s->helpers & NEEDS_POOL)
        cnn_text_printf(out, "%s", pool_function);
    if (s->helpers & NEEDS_LRN)
        cnn_text_printf(out, "%s", lrn_function);
    if (s->helpers & NEEDS_SCALE)
        cnn_text_printf(out, "%s", scale_class);
    cnn_text_printf(out,
                    "\n\ndef build():\n    %s = inputs = keras.Input((%zu, %zu, %zu))\n%s"
                    "    return keras.Model(inputs, %s, name=\"%s\")\n",
                    s->values[0], in.h, in.w, in.c, s->lines.data ? s->lines.data : "",
                    s->values[last], s->e->name);
}

static cnn_status write_keras(const struct cnn_export *e)
{
    static const struct cnn_script_format format = {.name = "Keras",
                                                    .indent = "    ",
                                                    .reserved = reserved,
                                                    .writers = writers,
                                                    .activate = activate,
                                                    .maps = "[:, None, None]"};
    struct cnn_script s = {.e = e};
    struct cnn_text text = {0};
    cnn_status status = cnn_script_write(&s, &format);
    if (status == CNN_OK) {
        cnn_script_head(&text, e, usage);
        cnn_text_printf(&text, "import json\nimport struct\nimport sys\n\nimport keras\n"
                               "import numpy as np\nfrom keras import layers, ops\n");
        cnn_script_constants(&text, e);
        add_build(&s, &text);
        cnn_text_printf(&text, "%s", load_part);
        text.failed = text.failed || s.lines.failed;
        status = cnn_script_save(e, &text);
    }
    cnn_script_free(&s);
    return status;
}

const struct cnn_export_type cnn_export_keras = {
    .public = {.name = "keras",
               .help = "a script for Keras 3 with the same layers, which loads checkpoints",
               .ending = "_keras.py",
               .output = CNN_OUTPUT_SCRIPT},
    .inputs = "its inputs are normalised already",
    .write = write_keras};
