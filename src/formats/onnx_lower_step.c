/* What the rules of lowering use: messages, names, new layers, maps that other layers can read. */
#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_lower_internal.h"
#include "graph/graph.h"
#include "layers/types.h"
#include "util/allocate.h"

/* ---- Small things that rules use ---- */

bool cnn_lower_has_type(const char *type)
{
    for (size_t i = 0; i < cnn_layer_type_count; i++)
        if (strcmp(cnn_layer_types[i]->variant.name, type) == 0)
            return true;
    return false;
}

cnn_status cnn_lower_refuse(struct cnn_lower_step *step, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    step->l->wrong = true;
    if (text.failed)
        cnn_fail_memory(step->l->diag, 100, step->l->file->name);
    else
        cnn_onnx_fail(step->l->file, step->number, step->l->diag, "%s", text.data);
    cnn_text_free(&text);
    return CNN_INVALID;
}

struct cnn_view *cnn_lower_view(const struct cnn_lower_step *step, size_t i)
{
    return &step->l->views[step->step->inputs[i]];
}

const struct cnn_onnx_array *cnn_lower_array(const struct cnn_lower_step *step, size_t i)
{
    if (i >= step->step->input_count || step->step->inputs[i] == CNN_ONNX_NONE)
        return NULL;
    return &step->l->arrays[step->step->inputs[i]];
}

bool cnn_lower_is_constant(const struct cnn_lower_step *step, size_t i)
{
    const struct cnn_onnx_array *array = cnn_lower_array(step, i);
    return array && array->constant;
}

const double *cnn_lower_numbers(struct cnn_lower_step *step, size_t i)
{
    size_t value = step->step->inputs[i];
    if (cnn_onnx_compute_constant(step->l->file, step->l->arrays, value, step->l->diag) == CNN_OK)
        return step->l->arrays[value].data;
    step->l->wrong = true;
    return NULL;
}

cnn_shape cnn_lower_shape(const struct cnn_lower_step *step)
{
    const struct cnn_onnx_array *y = &step->l->arrays[step->step->outputs[0]];
    if (y->rank == 4)
        return (cnn_shape){3, y->dims[1], y->dims[2], y->dims[3]};
    return (cnn_shape){1, y->rank > 1 ? y->dims[1] : 1, 1, 1};
}

void cnn_lower_note(struct cnn_lowering *lowering, const char *format, ...)
{
    struct cnn_text *notes = &lowering->notes;
    const size_t begin = notes->size;
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(notes, format, arguments);
    va_end(arguments);
    for (size_t i = begin; i < notes->size; i++)
        if (notes->data[i] == '\n')
            notes->data[i] = ' '; /* of a name */
    cnn_text_append(&lowering->notes, "\n", 1);
}

/* ---- Names ---- */

/* The number that a name has behind `base`: 1 for base itself, 7 for base_7; 0 for others. */
static size_t name_number(const char *name, const char *base, size_t length)
{
    char *end;
    if (strncmp(name, base, length) != 0)
        return 0;
    name += length;
    if (*name == '\0')
        return 1;
    if (name[0] != '_' || name[1] < '1' || name[1] > '9')
        return 0;
    size_t number = strtoul(name + 1, &end, 10);
    return *end == '\0' && number > 1 ? number : 0;
}

/* base, or base_2, base_3, ...: the first that no layer has yet. All layers are looked at once:
 * thousands may be called alike. NULL when out of memory. */
static const char *free_name(const struct cnn_lowering *l, const char *base)
{
    const size_t most = l->count + 2, length = strlen(base);
    bool *taken = cnn_calloc(most + 1, sizeof *taken);
    size_t number = 1;
    if (!taken)
        return NULL;
    for (size_t i = 0; i < l->count; i++) {
        size_t other = l->layers[i].name ? name_number(l->layers[i].name, base, length) : 0;
        if (other <= most)
            taken[other] = true;
    }
    taken[1] = taken[1] || strcmp(base, "input") == 0;
    while (taken[number])
        number++;
    cnn_free(taken);
    return number == 1 ? base : cnn_arena_printf(l->arena, "%s_%zu", base, number);
}

/* What stands before ".weight" in the name of a tensor; 0 where it has no such name. */
static size_t weight_prefix(const char *name)
{
    static const char *const endings[] = {".weight", "_weight",   "/weight",
                                          ".gamma",  "/kernel:0", ".bias"};
    size_t length = strlen(name);
    if (strncmp(name, "onnx::", 6) == 0)
        return 0;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending = strlen(endings[i]);
        if (length > ending && strcmp(name + length - ending, endings[i]) == 0)
            return length - ending;
    }
    return 0;
}

/* "/layer1/layer1.0/conv1/Conv", as PyTorch names nodes, is layer1.0/conv1: without the operator,
 * and without folders that the next one repeats. */
static size_t trim_path(const char *name, const char *op_type, const char **begin)
{
    while (*name == '/')
        name++;
    size_t length = strlen(name), ending = strlen(op_type);
    const char *last = strrchr(name, '/');
    if (last && strncmp(last + 1, op_type, ending) == 0)
        length = (size_t)(last - name);
    for (const char *slash; (slash = memchr(name, '/', length));) {
        size_t folder = (size_t)(slash - name);
        if (length < 2 * folder + 2 || strncmp(name, slash + 1, folder) != 0 ||
            slash[1 + folder] != '.')
            break;
        name = slash + 1;
        length -= folder + 1;
    }
    *begin = name;
    return length;
}

/* A name of letters, digits, _ and -, which no layer has yet; NULL when out of memory. */
static const char *legal_name(const struct cnn_lowering *l, const char *name, size_t length)
{
    char *text = cnn_arena_printf(l->arena, "%s%.*s", isalpha((unsigned char)*name) ? "" : "n",
                                  (int)(length < 200 ? length : 200), name);
    for (char *c = text; c && *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            *c = '_';
    return text ? free_name(l, text) : NULL;
}

/* The name of the tensor that a value is, or is the transpose of. */
static const char *tensor_name(const struct cnn_onnx *file, size_t value)
{
    while (file->values[value].producer != CNN_ONNX_NONE) {
        const struct cnn_onnx_step *s = &file->steps[file->values[value].producer];
        if ((strcmp(s->node->op_type, "Transpose") != 0 &&
             strcmp(s->node->op_type, "Identity") != 0) ||
            s->input_count != 1 || s->inputs[0] == CNN_ONNX_NONE)
            return "";
        value = s->inputs[0];
    }
    return file->values[value].name;
}

/* Layers that make what another one can read are called by their type. */
static bool is_between(const char *type)
{
    return strcmp(type, "flatten") == 0 || strcmp(type, "shuffle") == 0 || strcmp(type, "pad") == 0;
}

static const char *layer_name(const struct cnn_lower_step *step, const char *type, size_t named_by)
{
    const struct cnn_onnx_node *node = step->step->node;
    const char *begin = "";
    size_t length = 0;
    if (is_between(type))
        return legal_name(step->l, type, strlen(type));
    if (named_by != CNN_ONNX_NONE && named_by < step->step->input_count &&
        step->step->inputs[named_by] != CNN_ONNX_NONE) {
        begin = tensor_name(step->l->file, step->step->inputs[named_by]);
        length = weight_prefix(begin);
    }
    if (length == 0 && node->name && *node->name)
        length = trim_path(node->name, node->op_type, &begin);
    if (length == 0) {
        begin = node->op_type;
        length = strlen(begin);
    }
    return legal_name(step->l, begin, length);
}

/* ---- Layers ---- */

static bool make_room(struct cnn_lowering *l)
{
    if (l->count < l->capacity)
        return true;
    size_t capacity = l->capacity > 0 ? 2 * l->capacity : 64;
    struct cnn_lowered_layer *layers = cnn_realloc(l->layers, capacity * sizeof *layers);
    if (!layers)
        return false;
    l->layers = layers;
    l->capacity = capacity;
    return true;
}

struct cnn_lowered_layer *cnn_lower_add(struct cnn_lower_step *step, const char *type,
                                        const size_t *inputs, size_t input_count, size_t named_by,
                                        cnn_shape shape)
{
    struct cnn_lowering *l = step->l;
    if (!cnn_lower_has_type(type)) {
        cnn_lower_refuse(step, "it would become a layer '%s', which does not exist", type);
        return NULL;
    }
    if (l->count == CNN_MAX_LAYERS) {
        cnn_lower_refuse(step, "there are more than %d layers", CNN_MAX_LAYERS);
        return NULL;
    }
    size_t *copy = cnn_arena_array(l->arena, input_count + 1, sizeof *copy);
    const char *name = layer_name(step, type, named_by);
    if (!copy || !name || !make_room(l)) {
        l->wrong = true;
        cnn_fail_memory(l->diag, sizeof *l->layers, "a layer");
        return NULL;
    }
    memcpy(copy, inputs, input_count * sizeof *copy);
    struct cnn_lowered_layer *layer = &l->layers[l->count++];
    *layer = (struct cnn_lowered_layer){.type = type,
                                        .name = name,
                                        .inputs = copy,
                                        .input_count = input_count,
                                        .shape = shape,
                                        .value = CNN_ONNX_NONE};
    return layer;
}

void cnn_lower_key(struct cnn_lowered_layer *layer, const char *format, ...)
{
    va_list arguments;
    cnn_text_append(&layer->keys, ", ", 2);
    va_start(arguments, format);
    cnn_text_vprintf(&layer->keys, format, arguments);
    va_end(arguments);
}

float *cnn_lower_tensor(struct cnn_lower_step *step, struct cnn_lowered_layer *layer,
                        const char *suffix, size_t count)
{
    size_t slot = 0;
    while (layer->tensors[slot].suffix)
        slot++;
    float *values = cnn_calloc(count + 1, sizeof *values);
    if (!values) {
        step->l->wrong = true;
        cnn_fail_memory(step->l->diag, count * sizeof *values, layer->name);
        return NULL;
    }
    layer->tensors[slot] = (struct cnn_lowered_tensor){suffix, values, count};
    return values;
}

/* Each must be a number that float32 has; one that is not is told by its name in the file. */
static bool check_finite(struct cnn_lower_step *step, size_t i, const double *values, size_t count)
{
    size_t at = 0;
    while (at < count && fabs(values[at]) <= (double)FLT_MAX)
        at++;
    if (at == count)
        return true;
    step->l->damaged = true;
    cnn_lower_refuse(step, "'%s': number %zu of %zu is %s",
                     step->l->file->values[step->step->inputs[i]].name, at + 1, count,
                     isfinite(values[at]) ? "too large for float32" : "not finite");
    return false;
}

cnn_status cnn_lower_parameter(struct cnn_lower_step *step, struct cnn_lowered_layer *layer,
                               size_t i, const char *suffix, size_t count)
{
    const struct cnn_onnx_array *array = cnn_lower_array(step, i);
    if (!array->constant || array->count != count)
        return cnn_lower_refuse(
            step, array->constant ? "input %zu is of another size" : "input %zu is not a constant",
            i + 1);
    const double *values = cnn_lower_numbers(step, i);
    if (values && !check_finite(step, i, values, count))
        return CNN_INVALID;
    float *out = values ? cnn_lower_tensor(step, layer, suffix, count) : NULL;
    if (!out)
        return CNN_INVALID;
    for (size_t k = 0; k < count; k++)
        out[k] = (float)values[k];
    return CNN_OK;
}

void cnn_lower_pass(struct cnn_lower_step *step, const struct cnn_view *view)
{
    step->l->views[step->step->outputs[0]] = *view;
}

cnn_status cnn_lower_nothing(struct cnn_lower_step *step)
{
    struct cnn_view view = *cnn_lower_view(step, 0);
    step->l->dropped++;
    cnn_lower_pass(step, &view);
    return CNN_OK;
}

void cnn_lower_give(struct cnn_lower_step *step, const struct cnn_view *view)
{
    struct cnn_lowered_layer *layer = &step->l->layers[view->layer - 1];
    layer->value = step->step->outputs[0];
    layer->order = *view;
    cnn_lower_pass(step, view);
}

/* ---- Maps: what other layers can read ---- */

static struct cnn_view *pad_maps(struct cnn_lower_step *step, struct cnn_view *view)
{
    cnn_shape shape = view->shape;
    shape.h += view->pads[0] + view->pads[2];
    shape.w += view->pads[1] + view->pads[3];
    struct cnn_lowered_layer *pad =
        cnn_lower_add(step, "pad", &view->layer, 1, CNN_ONNX_NONE, shape);
    if (!pad)
        return NULL;
    cnn_lower_key(pad, "padding: [%zu, %zu, %zu, %zu]", view->pads[0], view->pads[2], view->pads[1],
                  view->pads[3]);
    *view = cnn_view_of(step->l->count, shape);
    return view;
}

struct cnn_view *cnn_lower_natural(struct cnn_lower_step *step, struct cnn_view *view)
{
    size_t groups;
    struct cnn_view bare = *view;
    memset(bare.pads, 0, sizeof bare.pads);
    if (memcmp(view->pads, bare.pads, sizeof bare.pads) != 0 && cnn_view_is_natural(&bare))
        return pad_maps(step, view);
    if (cnn_view_is_natural(view))
        return view;
    if (cnn_view_is_shuffle(view, &groups)) {
        struct cnn_lowered_layer *shuffle =
            cnn_lower_add(step, "shuffle", &view->layer, 1, CNN_ONNX_NONE, view->shape);
        if (!shuffle)
            return NULL;
        cnn_lower_key(shuffle, "groups: %zu", groups);
        *view = cnn_view_of(step->l->count, view->shape);
        return view;
    }
    cnn_lower_refuse(step, "what it reads has been reshaped or transposed into what is neither "
                           "channels, rows and columns nor their groups");
    return NULL;
}

struct cnn_view *cnn_lower_maps(struct cnn_lower_step *step, size_t i)
{
    return cnn_lower_natural(step, cnn_lower_view(step, i));
}

bool cnn_lower_flatten(struct cnn_lower_step *step, struct cnn_view *view)
{
    const cnn_shape shape = view->shape, flat = {1, shape.c * shape.h * shape.w, 1, 1};
    const size_t source = view->layer;
    if (!cnn_lower_add(step, "flatten", &source, 1, CNN_ONNX_NONE, flat))
        return false;
    *view = cnn_view_of(step->l->count, flat);
    return true;
}

bool cnn_lower_list(struct cnn_lower_step *step, struct cnn_view *view)
{
    const bool list = view->rank == 1 && view->shape.rank == 3 && cnn_view_in_order(view) &&
                      !cnn_view_is_channels(view, 0);
    return !list || cnn_lower_flatten(step, view);
}
