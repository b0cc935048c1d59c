/* From a graph of operators to a model: lower, describe, fill in the parameters, compare. */
#include "formats/import_graph.h"

#include <string.h>

#include "formats/onnx_compare.h"
#include "formats/onnx_lower_internal.h"
#include "util/allocate.h"
#include "util/random.h"

#define TOLERANCE 1e-4 /* of the largest number of a layer */
/* of the largest number, of layers behind codes: a file may have a pooling between codes and layer,
 * where a number between two codes is not seen */
#define ONE_CODE (1.0 / 127)

struct import {
    const struct cnn_import_request *request;
    const struct cnn_import_graph *graph;
    const struct cnn_onnx *file;
    struct cnn_lowering lowering;
    cnn_model *model;
    struct cnn_onnx_agreement agreement;
    cnn_diag *diag;
};

/* ---- The description ---- */

static const char *source_name(const struct cnn_lowering *l, size_t layer)
{
    return layer == 0 ? "input" : l->layers[layer - 1].name;
}

/* `from` is left out where a layer reads the one above it. */
static void write_layer(const struct cnn_lowering *l, size_t i, size_t above, struct cnn_text *out)
{
    const struct cnn_lowered_layer *layer = &l->layers[i];
    cnn_text_printf(out, "  - {type: %s, name: %s", layer->type, layer->name);
    if (layer->input_count != 1)
        for (size_t k = 0; k < layer->input_count; k++)
            cnn_text_printf(out, "%s%s%s", k == 0 ? ", from: [" : ", ",
                            source_name(l, layer->inputs[k]),
                            k + 1 == layer->input_count ? "]" : "");
    else if (layer->inputs[0] != above)
        cnn_text_printf(out, ", from: %s", source_name(l, layer->inputs[0]));
    if (layer->keys.data)
        cnn_text_append(out, layer->keys.data, layer->keys.size);
    out->failed = out->failed || layer->keys.failed;
    if (layer->activation)
        cnn_text_printf(out, ", activation: %s", layer->activation);
    cnn_text_printf(out, "}\n");
}

/* What the user says counts, else what the file says. */
static void write_normalization(const struct import *im, size_t channels, struct cnn_text *out)
{
    const cnn_import_options *o = im->request->options;
    const struct cnn_import_graph *g = im->graph;
    if (!o->normalize && !im->graph->normalize)
        return;
    cnn_text_printf(out, "data:\n  dataset: folder\n  path: data\n  normalize: {");
    for (size_t i = 0; i < 2; i++) {
        cnn_text_printf(out, i == 0 ? "mean: [" : ", std: [");
        for (size_t c = 0; c < channels && c < CNN_MAX_CHANNELS; c++)
            cnn_text_printf(out, "%s%.9g", c == 0 ? "" : ", ",
                            i == 0 ? (o->normalize ? cnn_import_mean(o, c) : g->mean[c])
                                   : (o->normalize ? cnn_import_std(o, c) : g->std[c]));
        cnn_text_printf(out, "]");
    }
    cnn_text_printf(out, "}\n");
}

static void describe(const struct import *im, struct cnn_text *out)
{
    const struct cnn_lowering *l = &im->lowering;
    size_t above = 0;
    cnn_import_write_name(im->request, im->graph->network, out);
    if (l->codes)
        cnn_text_printf(out, "precision: int8\n");
    cnn_text_printf(out, "input: [%zu, %zu, %zu]\nlayers:\n", l->input.c, l->input.h, l->input.w);
    for (size_t i = 0; i < l->count; i++)
        if (l->layers[i].needed) {
            write_layer(l, i, above, out);
            above = i + 1;
        }
    write_normalization(im, l->input.c, out);
}

/* ---- The model ---- */

static cnn_status set_tensor(struct import *im, const struct cnn_lowered_layer *layer,
                             const struct cnn_lowered_tensor *tensor)
{
    for (size_t i = 0; i < im->model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &im->model->tensors[i];
        if (strcmp(im->model->graph.nodes[place->node].name, layer->name) != 0 ||
            strcmp(place->tensor->suffix, tensor->suffix) != 0)
            continue;
        if (place->tensor->count != tensor->count)
            break;
        memcpy(im->model->parameters + place->tensor->offset, tensor->values,
               tensor->count * sizeof *tensor->values);
        return CNN_OK;
    }
    if (strcmp(tensor->suffix, "input_range") == 0 || strcmp(tensor->suffix, "weight_scale") == 0)
        return CNN_OK; /* it does not compute with bytes */
    return cnn_fail(im->diag, CNN_FAILED, NULL,
                    "%s: layer '%s' (%s) has no parameter '%s' of %zu numbers", im->file->name,
                    layer->name, layer->type, tensor->suffix, tensor->count);
}

/* Whether the file says in what codes all inputs are. */
static bool has_ranges(const cnn_model *model, const struct cnn_node *node)
{
    const struct cnn_tensor *t = &node->tensors[node->input_range];
    const float *range = model->parameters + t->offset;
    for (size_t i = 0; i < t->count; i += 2)
        if (!(range[i + 1] > range[i]))
            return false;
    return true;
}

/* Parameters, which the lowering need not keep. Layers that do not read bytes there compute with
 * floats. */
static cnn_status fill_model(struct import *im)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < im->lowering.count; i++) {
        struct cnn_lowered_layer *layer = &im->lowering.layers[i];
        for (size_t k = 0; k < CNN_LOWERED_TENSORS && layer->tensors[k].suffix; k++) {
            if (status == CNN_OK && layer->needed)
                status = set_tensor(im, layer, &layer->tensors[k]);
            cnn_free(layer->tensors[k].values);
            layer->tensors[k].values = NULL;
        }
    }
    for (size_t i = 0; i < im->model->graph.count; i++) {
        const struct cnn_node *node = &im->model->graph.nodes[i];
        if (node->input_range && !has_ranges(im->model, node))
            cnn_model_use_floats(im->model, i);
    }
    return status;
}

static cnn_status make_model(struct import *im)
{
    struct cnn_text text = {0};
    const cnn_open_options *open = im->request->open;
    const struct cnn_overrides overrides = {.words = open->overrides,
                                            .count = open->override_count};
    describe(im, &text);
    cnn_status status = text.failed ? cnn_fail_memory(im->diag, text.size, "a description")
                                    : cnn_model_from_text(im->file->name, text.data, text.size,
                                                          &overrides, &im->model, im->diag);
    cnn_text_free(&text);
    if (status == CNN_OK && open->shapes) {
        im->model->shapes = im->model->trained = true;
        return CNN_OK;
    }
    if (status == CNN_OK)
        status = cnn_model_allocate(im->model, im->diag);
    if (status == CNN_OK)
        status = fill_model(im);
    if (status == CNN_OK && im->graph->class_count == cnn_model_outputs(im->model))
        status =
            cnn_model_set_classes(im->model, im->graph->class_count, im->graph->classes, im->diag);
    return status == CNN_OK ? cnn_import_complete(im->request, im->model, im->diag) : status;
}

/* ---- The proof ---- */

static cnn_status compare_with(struct import *im, float *image, double tolerance)
{
    if (im->lowering.codes)
        return cnn_onnx_compare_bytes(&im->lowering, im->model, image, ONE_CODE, &im->agreement,
                                      im->diag);
    return cnn_onnx_compare(&im->lowering, im->model, image, tolerance, &im->agreement, im->diag);
}

static cnn_status compare(struct import *im)
{
    const double tolerance =
        im->request->options->tolerance > 0 ? im->request->options->tolerance : TOLERANCE;
    const size_t count = im->lowering.input.c * im->lowering.input.h * im->lowering.input.w;
    float *image = cnn_malloc(count * sizeof *image);
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_BENCH, 0);
    if (!image)
        return cnn_fail_memory(im->diag, count * sizeof *image, "an image");
    for (size_t i = 0; i < count; i++)
        image[i] = cnn_rng_normal(&rng);
    cnn_status status = compare_with(im, image, tolerance);
    if (status == CNN_OK && im->request->options->image) {
        status = cnn_model_load_input(im->model, im->request->options->image, image, im->diag);
        if (status == CNN_OK)
            status = compare_with(im, image, tolerance);
    }
    cnn_free(image);
    return status;
}

static void add_notes(struct import *im)
{
    struct cnn_lowering *l = &im->lowering;
    size_t unused = 0;
    for (size_t i = 0; i < im->file->step_count; i++)
        unused += !l->needed[i];
    if (l->dropped > 0)
        cnn_lower_note(l,
                       "dropped: %zu that change nothing in inference (Identity, Dropout, "
                       "pooling of 1 x 1)",
                       l->dropped);
    if (l->constants > 0)
        cnn_lower_note(l, "folded: %zu that compute constants (shapes among them)", l->constants);
    if (l->codes)
        cnn_lower_note(l, "kept: bytes, QuantizeLinear and DequantizeLinear, as precision: int8");
    if (unused > 0)
        cnn_lower_note(l, "left out: %zu that the output does not depend on", unused);
    if (l->channels_last)
        cnn_lower_note(l, "guessed: the file's input is rows, columns, channels");
    if (!im->request->options->normalize && !im->graph->normalize)
        cnn_lower_note(l, "guessed: pixels go in as numbers from 0 to 1 (see --normalize)");
}

static cnn_status fill_info(struct import *im, cnn_import_info *info)
{
    struct cnn_arena *arena = im->model->arena;
    const struct cnn_text *notes = &im->lowering.notes;
    cnn_import_info out = {.version = info->version,
                           .nodes = im->graph->nodes,
                           .opset = im->graph->opset,
                           .layers = im->model->graph.count,
                           .compared = im->agreement.layers,
                           .error = im->agreement.error};
    add_notes(im);
    out.notes = cnn_arena_printf(arena, "%s%s", im->graph->notes ? im->graph->notes : "",
                                 notes->data ? notes->data : "");
    out.producer = cnn_arena_strdup(arena, im->file->producer);
    out.worst = im->agreement.layer ? cnn_arena_strdup(arena, im->agreement.layer) : "";
    if (!out.notes || !out.producer || !out.worst || notes->failed)
        return cnn_fail_memory(im->diag, notes->size, "notes");
    *info = out;
    return CNN_OK;
}

static cnn_status import_graph(struct import *im, cnn_import_info *info)
{
    const cnn_import_options *o = im->request->options;
    cnn_status status = cnn_onnx_lower(&im->lowering, o->input);
    if (status == CNN_OK)
        status = cnn_import_check_channels(o, im->lowering.input.c, im->diag);
    if (status == CNN_OK)
        status = make_model(im);
    if (status == CNN_OK && !im->request->open->shapes)
        status = compare(im);
    return status == CNN_OK ? fill_info(im, info) : status;
}

cnn_status cnn_import_graph(const struct cnn_import_request *request,
                            const struct cnn_import_graph *graph, cnn_model **out,
                            cnn_import_info *info, cnn_diag *diag)
{
    struct import im = {.request = request,
                        .graph = graph,
                        .file = graph->graph,
                        .lowering = {.file = graph->graph, .arena = cnn_arena_new(), .diag = diag},
                        .diag = diag};
    cnn_status status = im.lowering.arena ? import_graph(&im, info)
                                          : cnn_fail_memory(diag, 100, graph->graph->name);
    cnn_onnx_lowering_free(&im.lowering);
    cnn_arena_free(im.lowering.arena);
    if (status == CNN_OK)
        *out = im.model;
    else
        cnn_model_free(im.model);
    return status;
}
