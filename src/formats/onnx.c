/* ONNX files: reading them, and the graph with its values numbered. */
#include "formats/onnx.h"

#include <inttypes.h>
#include <string.h>

#include "formats/onnx_internal.h"
#include "util/allocate.h"
#include "util/file.h"

#define MAX_BYTES ((size_t)INT32_MAX) /* what writers of protocol buffers can write */

/* ---- Values by name: open addressing, linear probing ---- */

struct names {
    struct cnn_onnx_opened *file;
    size_t *slots; /* value + 1; 0: free */
    size_t mask;
    cnn_diag *diag;
};

static uint64_t hash_text(const char *text) /* FNV-1a */
{
    uint64_t hash = 14695981039346656037u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

static size_t *name_slot(const struct names *names, const char *name)
{
    size_t i = (size_t)hash_text(name) & names->mask;
    while (names->slots[i] > 0 &&
           strcmp(names->file->public.values[names->slots[i] - 1].name, name) != 0)
        i = (i + 1) & names->mask;
    return &names->slots[i];
}

/* The number of a new value; CNN_ONNX_NONE where there is one of this name. */
static size_t add_value(struct names *names, const char *name)
{
    size_t *slot = name_slot(names, name);
    if (*slot > 0)
        return CNN_ONNX_NONE;
    struct cnn_onnx *file = &names->file->public;
    file->values[file->value_count] =
        (struct cnn_onnx_value){.name = name, .producer = CNN_ONNX_NONE};
    *slot = ++file->value_count;
    return *slot - 1;
}

static cnn_status fail_at(const struct names *names, size_t at, const char *what, const char *name)
{
    return cnn_fail(names->diag, CNN_FAILED, NULL, "%s: byte %zu: '%s' %s",
                    names->file->public.name, at, name ? name : "", what);
}

static cnn_status add_initializers(struct names *names)
{
    const struct cnn_protobuf_list *list = &names->file->graph->initializers;
    const struct cnn_onnx_tensor *tensors = list->items;
    for (size_t i = 0; i < list->count; i++) {
        size_t value =
            tensors[i].name && *tensors[i].name ? add_value(names, tensors[i].name) : CNN_ONNX_NONE;
        if (value == CNN_ONNX_NONE)
            return fail_at(names, tensors[i].at,
                           "is the name of an initializer that has none of "
                           "its own",
                           tensors[i].name);
        names->file->public.values[value].tensor = &tensors[i];
    }
    return CNN_OK;
}

/* Inputs that the file holds are not the user's: before IR 4 every initializer is an input, too. */
static cnn_status add_inputs(struct names *names)
{
    struct cnn_onnx *file = &names->file->public;
    const struct cnn_protobuf_list *list = &names->file->graph->inputs;
    const struct cnn_onnx_value_message *inputs = list->items;
    size_t *numbers = cnn_arena_array(names->file->arena, list->count + 1, sizeof *numbers);
    if (!numbers)
        return cnn_fail_memory(names->diag, list->count * sizeof *numbers, file->name);
    for (size_t i = 0; i < list->count; i++) {
        const char *name = inputs[i].name ? inputs[i].name : "";
        size_t known = *name_slot(names, name);
        if (known > 0 && file->values[known - 1].tensor)
            continue;
        size_t value = *name ? add_value(names, name) : CNN_ONNX_NONE;
        if (value == CNN_ONNX_NONE)
            return fail_at(names, inputs[i].at, "is given twice as an input, or has no name", name);
        numbers[file->input_count++] = value;
    }
    file->inputs = numbers;
    return CNN_OK;
}

/* The values that the names of a list stand for, which must be known. */
static cnn_status find_values(struct names *names, const char *const *texts, size_t count,
                              size_t at, const size_t **out)
{
    size_t *numbers = cnn_arena_array(names->file->arena, count + 1, sizeof *numbers);
    if (!numbers)
        return cnn_fail_memory(names->diag, count * sizeof *numbers, names->file->public.name);
    for (size_t i = 0; i < count; i++) {
        const char *text = texts[i];
        size_t slot = text && *text ? *name_slot(names, text) : 0;
        if (slot == 0 && text && *text)
            return fail_at(names, at, "is used before anything computes it", text);
        numbers[i] = slot > 0 ? slot - 1 : CNN_ONNX_NONE;
        if (slot > 0)
            names->file->public.values[slot - 1].readers++;
    }
    *out = numbers;
    return CNN_OK;
}

static cnn_status add_outputs(struct names *names, const struct cnn_onnx_node *node, size_t number)
{
    const char *const *texts = node->outputs.items;
    size_t count = node->outputs.count;
    size_t *numbers = cnn_arena_array(names->file->arena, count + 1, sizeof *numbers);
    if (!numbers)
        return cnn_fail_memory(names->diag, count * sizeof *numbers, names->file->public.name);
    for (size_t i = 0; i < count; i++) {
        numbers[i] = CNN_ONNX_NONE;
        if (!texts[i] || !*texts[i])
            continue;
        numbers[i] = add_value(names, texts[i]);
        if (numbers[i] == CNN_ONNX_NONE)
            return fail_at(names, node->at, "is computed, but it is there already", texts[i]);
        names->file->public.values[numbers[i]].producer = number;
    }
    struct cnn_onnx_step *step = &names->file->public.steps[number];
    step->outputs = numbers;
    step->output_count = count;
    return CNN_OK;
}

static cnn_status add_nodes(struct names *names)
{
    struct cnn_onnx *file = &names->file->public;
    const struct cnn_protobuf_list *list = &names->file->graph->nodes;
    const struct cnn_onnx_node *nodes = list->items;
    file->steps = cnn_arena_array(names->file->arena, list->count + 1, sizeof *file->steps);
    if (!file->steps)
        return cnn_fail_memory(names->diag, list->count * sizeof *file->steps, file->name);
    for (size_t i = 0; i < list->count; i++) {
        struct cnn_onnx_step *step = &file->steps[i];
        step->node = &nodes[i];
        step->input_count = nodes[i].inputs.count;
        if (!nodes[i].op_type || !*nodes[i].op_type)
            return fail_at(names, nodes[i].at, "is a node without an operator", nodes[i].name);
        cnn_status status = find_values(names, nodes[i].inputs.items, step->input_count,
                                        nodes[i].at, &step->inputs);
        if (status == CNN_OK)
            status = add_outputs(names, &nodes[i], i);
        if (status != CNN_OK)
            return status;
        file->step_count = i + 1;
    }
    return CNN_OK;
}

static cnn_status add_results(struct names *names)
{
    struct cnn_onnx *file = &names->file->public;
    const struct cnn_protobuf_list *list = &names->file->graph->outputs;
    const struct cnn_onnx_value_message *outputs = list->items;
    const char **texts = cnn_arena_array(names->file->arena, list->count + 1, sizeof *texts);
    if (!texts)
        return cnn_fail_memory(names->diag, list->count * sizeof *texts, file->name);
    for (size_t i = 0; i < list->count; i++) {
        texts[i] = outputs[i].name;
        if (!texts[i] || !*texts[i])
            return fail_at(names, outputs[i].at, "is an output without a name", texts[i]);
    }
    file->output_count = list->count;
    return find_values(names, texts, list->count, names->file->graph->at, &file->outputs);
}

/* Numbers all values, and connects nodes by them. */
static cnn_status resolve(struct cnn_onnx_opened *file, cnn_diag *diag)
{
    const struct cnn_onnx_graph_message *graph = file->graph;
    const struct cnn_onnx_node *nodes = graph->nodes.items;
    struct names names = {.file = file, .diag = diag};
    size_t most = graph->initializers.count + graph->inputs.count, slots = 16;
    for (size_t i = 0; i < graph->nodes.count; i++)
        most += nodes[i].outputs.count;
    while (slots < 2 * most)
        slots *= 2;
    names.mask = slots - 1;
    names.slots = cnn_calloc(slots, sizeof *names.slots);
    file->public.values = cnn_arena_array(file->arena, most + 1, sizeof *file->public.values);
    cnn_status status = names.slots && file->public.values
                            ? CNN_OK
                            : cnn_fail_memory(diag, slots * sizeof slots, file->public.name);
    if (status == CNN_OK)
        status = add_initializers(&names);
    if (status == CNN_OK)
        status = add_inputs(&names);
    if (status == CNN_OK)
        status = add_nodes(&names);
    if (status == CNN_OK)
        status = add_results(&names);
    cnn_free(names.slots);
    return status;
}

/* ---- The file ---- */

bool cnn_onnx_default_domain(const char *domain)
{
    return !domain || !*domain || strcmp(domain, "ai.onnx") == 0;
}

static cnn_status check_opset(const struct cnn_onnx *file, cnn_diag *diag)
{
    if (file->opset >= CNN_ONNX_OPSET_LOWEST && file->opset <= CNN_ONNX_OPSET_HIGHEST)
        return CNN_OK;
    cnn_status status = cnn_fail(
        diag, CNN_INVALID, NULL, "%s has operators of opset %" PRId64 "; opsets %d to %d are read",
        file->name, file->opset, CNN_ONNX_OPSET_LOWEST, CNN_ONNX_OPSET_HIGHEST);
    cnn_hint(diag, "write the file anew, as torch.onnx.export(..., opset_version=17) does");
    return status;
}

static cnn_status take_model(struct cnn_onnx_opened *file,
                             const struct cnn_onnx_model_message *model, cnn_diag *diag)
{
    struct cnn_onnx *public = &file->public;
    const struct cnn_onnx_opset_message *opsets = model->opsets.items;
    if (!model->graph)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is no ONNX file: it holds no graph",
                        public->name);
    file->graph = model->graph;
    public->ir_version = model->ir_version;
    public->metadata = model->metadata.items;
    public->metadata_count = model->metadata.count;
    public->graph_name = file->graph->name ? file->graph->name : "";
    public->producer = cnn_arena_printf(
        file->arena, "%s%s%s", model->producer ? model->producer : "",
        model->producer_version ? " " : "", model->producer_version ? model->producer_version : "");
    if (!public->producer)
        return cnn_fail_memory(diag, 100, public->name);
    for (size_t i = 0; i < model->opsets.count; i++)
        if (cnn_onnx_default_domain(opsets[i].domain))
            file->public.opset = opsets[i].version;
    cnn_status status = check_opset(public, diag);
    if (status == CNN_OK && file->graph->sparse.count > 0)
        status = cnn_fail(diag, CNN_INVALID, NULL, "%s has sparse tensors, which are not read",
                          public->name);
    return status == CNN_OK ? resolve(file, diag) : status;
}

/* Takes the arena, NULL too. */
static struct cnn_onnx_opened *new_file(struct cnn_arena *arena, const char *name)
{
    struct cnn_onnx_opened *file = arena ? cnn_arena_alloc(arena, sizeof *file) : NULL;
    if (file) {
        file->arena = arena;
        file->public.name = cnn_arena_strdup(arena, name);
    }
    if (!file || !file->public.name) {
        cnn_arena_free(arena);
        return NULL;
    }
    return file;
}

static cnn_status read_model(struct cnn_onnx_opened *file, const void *bytes, size_t size,
                             struct cnn_onnx **out, cnn_diag *diag)
{
    const struct cnn_protobuf_file encoded = {file->public.name, bytes, size};
    void *model = NULL;
    cnn_status status =
        cnn_protobuf_read(file->arena, &encoded, &cnn_onnx_model_message, &model, diag);
    if (status == CNN_OK)
        status = take_model(file, model, diag);
    if (status == CNN_OK)
        *out = &file->public;
    else
        cnn_onnx_close(&file->public);
    return status;
}

cnn_status cnn_onnx_open_memory(const char *name, const void *bytes, size_t size,
                                struct cnn_onnx **out, cnn_diag *diag)
{
    struct cnn_onnx_opened *file = new_file(cnn_arena_new(), name);
    return file ? read_model(file, bytes, size, out, diag) : cnn_fail_memory(diag, 100, name);
}

cnn_status cnn_onnx_open(const char *path, struct cnn_onnx **out, cnn_diag *diag)
{
    struct cnn_onnx_opened *file = new_file(cnn_arena_new(), path);
    if (!file)
        return cnn_fail_memory(diag, 100, path);
    const char *slash = strrchr(path, '/');
    size_t size = 0;
    file->folder = slash ? cnn_arena_strndup(file->arena, path, (size_t)(slash - path) + 1) : ".";
    cnn_status status = file->folder ? cnn_file_read(path, MAX_BYTES, &file->bytes, &size, diag)
                                     : cnn_fail_memory(diag, strlen(path), path);
    if (status == CNN_OK)
        return read_model(file, file->bytes, size, out, diag);
    cnn_onnx_close(&file->public);
    return status;
}

cnn_status cnn_onnx_open_graph(const struct cnn_onnx_made *made,
                               const struct cnn_onnx_graph_message *graph, struct cnn_onnx **out,
                               cnn_diag *diag)
{
    struct cnn_onnx_opened *file = new_file(made->arena, made->name);
    if (!file)
        return cnn_fail_memory(diag, 100, made->name);
    file->graph = graph;
    file->public.producer = made->producer;
    file->public.opset = made->opset;
    file->public.graph_name = "";
    cnn_status status = resolve(file, diag);
    if (status == CNN_OK)
        *out = &file->public;
    else
        cnn_onnx_close(&file->public);
    return status;
}

void cnn_onnx_close(struct cnn_onnx *public)
{
    if (!public)
        return;
    struct cnn_onnx_opened *file = (struct cnn_onnx_opened *)public;
    cnn_free(file->bytes);
    cnn_arena_free(file->arena);
}

size_t cnn_onnx_input_shape(const struct cnn_onnx *public, size_t input,
                            const struct cnn_onnx_dimension **dims)
{
    const struct cnn_onnx_opened *file = (const struct cnn_onnx_opened *)public;
    const struct cnn_onnx_value_message *inputs = file->graph->inputs.items;
    const char *name = public->values[public->inputs[input]].name;
    for (size_t i = 0; i < file->graph->inputs.count; i++) {
        if (!inputs[i].name || strcmp(inputs[i].name, name) != 0)
            continue;
        const struct cnn_onnx_type_message *type = inputs[i].type;
        if (!type || !type->tensor || !type->tensor->shape)
            return CNN_ONNX_NONE;
        *dims = type->tensor->shape->dims.items;
        return type->tensor->shape->dims.count;
    }
    return CNN_ONNX_NONE;
}

const struct cnn_onnx_attribute *cnn_onnx_attribute(const struct cnn_onnx_node *node,
                                                    const char *name)
{
    const struct cnn_onnx_attribute *attributes = node->attributes.items;
    for (size_t i = 0; i < node->attributes.count; i++)
        if (attributes[i].name && strcmp(attributes[i].name, name) == 0)
            return &attributes[i];
    return NULL;
}
