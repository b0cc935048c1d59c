/* Import of ONNX files: read, lower, describe, fill in the parameters, compare. */
#include <math.h>
#include <string.h>

#include "formats/format.h"
#include "formats/onnx_compare.h"
#include "formats/onnx_lower_internal.h"
#include "model/model.h"
#include "util/allocate.h"
#include "util/random.h"

#define TOLERANCE 1e-4 /* of the largest number of a layer */

struct import {
    const cnn_import_options *options;
    const cnn_open_options *open; /* overrides, shapes */
    struct cnn_onnx *file;
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
    if (layer->activation)
        cnn_text_printf(out, ", activation: %s", layer->activation);
    cnn_text_printf(out, "}\n");
}

static void write_normalization(const cnn_import_options *options, size_t channels,
                                struct cnn_text *out)
{
    const double *lists[] = {options->mean, options->std};
    cnn_text_printf(out, "data:\n  dataset: folder\n  path: data\n  normalize: {");
    for (size_t i = 0; i < 2; i++) {
        cnn_text_printf(out, i == 0 ? "mean: [" : ", std: [");
        for (size_t c = 0; c < channels; c++)
            cnn_text_printf(out, "%s%.9g", c == 0 ? "" : ", ", lists[i][c]);
        cnn_text_printf(out, "]");
    }
    cnn_text_printf(out, "}\n");
}

/* The file's name without its folder and ending. */
static void write_name(const struct import *im, struct cnn_text *out)
{
    const char *path = im->file->name, *slash = strrchr(path, '/');
    const char *name = im->options->name ? im->options->name : slash ? slash + 1 : path;
    size_t length = strlen(name);
    if (!im->options->name && length > 5 && strcmp(name + length - 5, ".onnx") == 0)
        length -= 5;
    cnn_text_printf(out, "name: \"");
    for (size_t i = 0; i < length && i < 80; i++)
        cnn_text_printf(out, strchr("\"\\", name[i]) || (unsigned char)name[i] < ' ' ? "_" : "%c",
                        name[i]);
    cnn_text_printf(out, "\"\n");
}

static void describe(const struct import *im, struct cnn_text *out)
{
    const struct cnn_lowering *l = &im->lowering;
    size_t above = 0;
    write_name(im, out);
    cnn_text_printf(out, "input: [%zu, %zu, %zu]\nlayers:\n", l->input.c, l->input.h, l->input.w);
    for (size_t i = 0; i < l->count; i++)
        if (l->layers[i].needed) {
            write_layer(l, i, above, out);
            above = i + 1;
        }
    if (im->options->normalize)
        write_normalization(im->options, l->input.c, out);
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
    return cnn_fail(im->diag, CNN_FAILED, NULL,
                    "%s: layer '%s' (%s) has no parameter '%s' of %zu numbers", im->file->name,
                    layer->name, layer->type, tensor->suffix, tensor->count);
}

/* Parameters, which the lowering need not keep. */
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
    return status;
}

/* Memory for the parameters, and all that the file says of the model besides its layers. */
static cnn_status complete_model(struct import *im)
{
    cnn_status status = cnn_model_allocate(im->model, im->diag);
    if (status == CNN_OK)
        status = fill_model(im);
    if (status == CNN_OK && im->options->class_count > 0)
        status = cnn_model_set_classes(im->model, im->options->class_count, im->options->classes,
                                       im->diag);
    if (status == CNN_OK)
        status = cnn_model_check_numbers(im->model, im->file->name, im->diag);
    im->model->trained = status == CNN_OK;
    return status;
}

static cnn_status make_model(struct import *im)
{
    struct cnn_text text = {0};
    const struct cnn_overrides overrides = {im->open->overrides, im->open->override_count};
    describe(im, &text);
    cnn_status status = text.failed ? cnn_fail_memory(im->diag, text.size, "a description")
                                    : cnn_model_from_text(im->file->name, text.data, text.size,
                                                          &overrides, &im->model, im->diag);
    cnn_text_free(&text);
    if (status == CNN_OK && im->open->shapes)
        im->model->shapes = im->model->trained = true;
    else if (status == CNN_OK)
        status = complete_model(im);
    return status;
}

/* ---- The proof ---- */

static cnn_status compare(struct import *im)
{
    const double tolerance = im->options->tolerance > 0 ? im->options->tolerance : TOLERANCE;
    const size_t count = im->lowering.input.c * im->lowering.input.h * im->lowering.input.w;
    float *image = cnn_malloc(count * sizeof *image);
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_BENCH, 0);
    if (!image)
        return cnn_fail_memory(im->diag, count * sizeof *image, "an image");
    for (size_t i = 0; i < count; i++)
        image[i] = cnn_rng_normal(&rng);
    cnn_status status =
        cnn_onnx_compare(&im->lowering, im->model, image, tolerance, &im->agreement, im->diag);
    if (status == CNN_OK && im->options->image) {
        status = cnn_model_load_input(im->model, im->options->image, image, im->diag);
        if (status == CNN_OK)
            status = cnn_onnx_compare(&im->lowering, im->model, image, tolerance, &im->agreement,
                                      im->diag);
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
    if (unused > 0)
        cnn_lower_note(l, "left out: %zu that the output does not depend on", unused);
    if (l->channels_last)
        cnn_lower_note(l, "guessed: the file's input is rows, columns, channels");
    if (!im->options->normalize)
        cnn_lower_note(l, "guessed: pixels go in as numbers from 0 to 1 (see --normalize)");
}

static cnn_status fill_info(struct import *im, cnn_import_info *info)
{
    cnn_import_info out = {.nodes = im->file->step_count,
                           .opset = im->file->opset,
                           .compared = im->agreement.layers,
                           .error = im->agreement.error};
    add_notes(im);
    out.layers = im->model->graph.count;
    out.notes =
        cnn_arena_strdup(im->model->arena, im->lowering.notes.data ? im->lowering.notes.data : "");
    out.producer = cnn_arena_strdup(im->model->arena, im->file->producer);
    out.worst = im->agreement.layer ? cnn_arena_strdup(im->model->arena, im->agreement.layer) : "";
    if (!out.notes || !out.producer || !out.worst || im->lowering.notes.failed)
        return cnn_fail_memory(im->diag, im->lowering.notes.size, "notes");
    *info = out;
    return CNN_OK;
}

static cnn_status import_file(struct import *im, cnn_import_info *info)
{
    cnn_status status = cnn_onnx_lower(&im->lowering, im->options->input);
    if (status == CNN_OK)
        status = make_model(im);
    if (status == CNN_OK && !im->open->shapes)
        status = compare(im);
    if (status == CNN_OK && info)
        status = fill_info(im, info);
    return status;
}

static cnn_status check_options(const cnn_import_options *o, cnn_diag *diag)
{
    const cnn_shape s = o->input;
    if (o->version > CNN_IMPORT_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_import_options", o->version, CNN_IMPORT_OPTIONS_VERSION);
    if (s.c > 65536 || s.h > 65536 || s.w > 65536 || (s.c == 0) != (s.h == 0) ||
        (s.c == 0) != (s.w == 0))
        return cnn_fail(diag, CNN_INVALID, NULL, "the input cannot be %zu x %zu x %zu", s.c, s.h,
                        s.w);
    if (!cnn_words_given(o->classes, o->class_count))
        return cnn_fail_missing(diag, "cnn_import", "names of classes");
    return CNN_OK;
}

/* im has its options; its file is opened and closed here. */
static cnn_status import_path(struct import *im, const char *path, cnn_model **out,
                              cnn_import_info *info)
{
    cnn_status status = cnn_onnx_open(path, &im->file, im->diag);
    if (status != CNN_OK) {
        cnn_hint_near(im->diag, path);
        return status;
    }
    im->lowering =
        (struct cnn_lowering){.file = im->file, .arena = cnn_arena_new(), .diag = im->diag};
    status = im->lowering.arena ? import_file(im, info) : cnn_fail_memory(im->diag, 100, path);
    cnn_onnx_lowering_free(&im->lowering);
    cnn_arena_free(im->lowering.arena);
    cnn_onnx_close(im->file);
    if (status == CNN_OK)
        *out = im->model;
    else
        cnn_model_free(im->model);
    return status;
}

static const cnn_import_options import_defaults = CNN_IMPORT_OPTIONS_INIT;
static const cnn_open_options open_defaults = CNN_OPEN_OPTIONS_INIT;

cnn_status cnn_import(const char *path, const cnn_import_options *options, cnn_model **out,
                      cnn_import_info *info, cnn_diag *diag)
{
    struct import im = {
        .options = options ? options : &import_defaults, .open = &open_defaults, .diag = diag};
    if (!path || !out)
        return cnn_fail_missing(diag, "cnn_import", "path or out");
    cnn_status status = check_options(im.options, diag);
    return status == CNN_OK ? import_path(&im, path, out, info) : status;
}

static bool recognise(const struct cnn_model_source *source)
{
    return cnn_source_ends(source, ".onnx");
}

static cnn_status open_onnx(const struct cnn_model_source *source, const cnn_open_options *options,
                            cnn_model **out, cnn_diag *diag)
{
    struct import im = {.options = &import_defaults, .open = options, .diag = diag};
    return import_path(&im, source->name, out, NULL);
}

const struct cnn_model_format cnn_format_onnx = {
    .name = "onnx", .recognise = recognise, .open = open_onnx};
