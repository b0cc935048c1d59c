/* Export to PyTorch: a script with a module of the same layers, under the same names, which reads
 * checkpoints of this library without any package but torch. */
#include "formats/pytorch_export.h"

#include <string.h>

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
    if (s->helpers & CNN_PYTORCH_SCALE)
        cnn_text_printf(out, "%s", scale_class);
    if (s->helpers & CNN_PYTORCH_BLOCKS)
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
                 "    for name in [name for name in result if name.endswith(\".input_range\")]:\n"
                 "        del result[name]\n");
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
                                                    .writers = cnn_pytorch_writers,
                                                    .activate = cnn_pytorch_activate,
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
    .inputs = "its inputs are normalised already",
    .write = write_pytorch};
