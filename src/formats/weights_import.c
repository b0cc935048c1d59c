/* Import of weights without a network: state dicts of PyTorch and safetensors files of other
 * programs, onto a description. */
#include <string.h>

#include "formats/assign.h"
#include "formats/format.h"
#include "formats/importer.h"
#include "formats/torch.h"
#include "util/allocate.h"

struct import {
    const struct cnn_import_request *request;
    const char *path;
    cnn_model *model;
    struct cnn_weights *weights;
    struct cnn_assignment assignment;
    struct cnn_text notes;
    cnn_diag *diag;
};

/* ---- The description ---- */

#define SETTINGS 5 /* that options become */

/* What options say of the description, as settings of it. */
static bool list_settings(const struct import *im, struct cnn_arena *arena, const char **words,
                          size_t *count)
{
    const cnn_import_options *o = im->request->options;
    struct cnn_text normalize = {0};
    *count = 0;
    if (o->name)
        words[(*count)++] = cnn_arena_printf(arena, "name=\"%s\"", o->name);
    if (o->input.c > 0)
        words[(*count)++] =
            cnn_arena_printf(arena, "input=[%zu, %zu, %zu]", o->input.c, o->input.h, o->input.w);
    if (o->normalize) {
        for (size_t i = 0; i < 2; i++)
            for (size_t c = 0; c < im->model->graph.input.c && c < 4; c++)
                cnn_text_printf(&normalize, "%s%.9g",
                                c > 0    ? ", "
                                : i == 0 ? "data.normalize={mean: ["
                                         : "], std: [",
                                i == 0 ? cnn_import_mean(o, c) : cnn_import_std(o, c));
        cnn_text_printf(&normalize, "]}");
        if (!im->model->has_data) {
            words[(*count)++] = "data.dataset=folder";
            words[(*count)++] = "data.path=data";
        }
        words[(*count)++] = normalize.failed ? NULL : cnn_arena_strdup(arena, normalize.data);
    }
    cnn_text_free(&normalize);
    return cnn_words_given(words, *count);
}

static cnn_status set_options(struct import *im, const char *text, size_t size)
{
    const char *as = im->request->options->as, *words[SETTINGS];
    struct cnn_arena *arena = cnn_arena_new();
    size_t count = 0;
    cnn_status status =
        cnn_import_check_channels(im->request->options, im->model->graph.input.c, im->diag);
    if (status != CNN_OK) {
        cnn_arena_free(arena);
        return status;
    }
    if (!arena || !list_settings(im, arena, words, &count)) {
        status = cnn_fail_memory(im->diag, 0, "settings");
    } else if (count > 0) {
        const struct cnn_overrides overrides = {.words = words, .count = count};
        cnn_model_free(im->model);
        im->model = NULL;
        status = cnn_model_from_text(as, text, size, &overrides, &im->model, im->diag);
    }
    cnn_arena_free(arena);
    return status;
}

/* The description of --as: a file of one, or a checkpoint that holds one. */
static cnn_status read_description(struct import *im)
{
    const char *as = im->request->options->as;
    char *text = NULL;
    size_t size;
    cnn_status status = cnn_description_text(as, &text, &size, im->diag);
    if (status == CNN_OK)
        status = cnn_model_from_text(as, text, size, NULL, &im->model, im->diag);
    if (status == CNN_OK)
        status = set_options(im, text, size);
    cnn_free(text);
    return status;
}

/* ---- What is said of it ---- */

static void add_notes(struct import *im)
{
    const struct cnn_weights *w = im->weights;
    struct cnn_text *notes = &im->notes;
    if (w->entry)
        cnn_text_printf(notes, "taken: the entry '%s'%s%s\n", w->entry,
                        w->others.size > 0 ? "; others that hold tensors: " : "",
                        w->others.size > 0 ? w->others.data : "");
    if (*w->prefix)
        cnn_text_printf(notes, "dropped: '%s', which all names begin with\n", w->prefix);
    if (w->counters > 0)
        cnn_text_printf(notes, "dropped: %zu counts of batches (num_batches_tracked)\n",
                        w->counters);
    if (w->unchecked)
        cnn_text_printf(notes, "not checked: whether the numbers are those that were written, for "
                               "the file has no checksums\n");
    if (w->passed > 0)
        cnn_text_printf(notes, "dropped: %zu values that are not tensors\n", w->passed);
    bool ordered = false;
    for (size_t i = 0; i < im->assignment.row_count; i++)
        ordered = ordered || strcmp(im->assignment.rows[i].how, "order") == 0;
    if (ordered && w->sorted)
        cnn_text_printf(notes, "guessed: the file is sorted by name, so its order is that of the "
                               "numbers in names; look at the table\n");
    else if (ordered)
        cnn_text_printf(notes, "guessed: the file names layers in the order in which they are "
                               "computed; look at the table\n");
    for (char *line = im->assignment.guesses.data, *end; line && *line; line = end + 1) {
        end = strchr(line, '\n');
        cnn_text_printf(notes, "guessed: the first of these, by order: %.*s\n", (int)(end - line),
                        line);
    }
    if (!im->model->has_data)
        cnn_text_printf(notes, "guessed: pixels go in as numbers from 0 to 1 (see --normalize)\n");
    if (notes->size > 0)
        notes->data[--notes->size] = '\0';
}

static cnn_status fill_info(struct import *im, cnn_import_info *info)
{
    struct cnn_arena *arena = im->model->arena;
    add_notes(im);
    *info = (cnn_import_info){
        .version = info->version,
        .nodes = im->weights->count,
        .layers = im->model->graph.count,
        .worst = "",
        .producer = cnn_arena_strdup(arena, im->weights->producer),
        .notes = cnn_arena_strdup(arena, im->notes.size > 0 ? im->notes.data : ""),
        .rows = im->assignment.rows,
        .row_count = im->assignment.row_count,
    };
    return info->producer && info->notes && !im->notes.failed
               ? CNN_OK
               : cnn_fail_memory(im->diag, im->notes.size, "notes");
}

/* ---- The import ---- */

static cnn_status import_weights(struct import *im, cnn_import_info *info)
{
    const cnn_import_options *o = im->request->options;
    cnn_status status = read_description(im);
    if (status == CNN_OK)
        status = cnn_weights_open(im->path, NULL, &im->weights, im->diag);
    if (status == CNN_OK)
        status =
            cnn_assign(im->model, im->weights, &(struct cnn_assign_options){.rename = o->rename},
                       &im->assignment, im->diag);
    if (status == CNN_OK)
        status = cnn_import_complete(im->request, im->model, im->diag);
    return status == CNN_OK ? fill_info(im, info) : status;
}

static cnn_status fail_without_description(const char *path, cnn_diag *diag)
{
    cnn_fail(diag, CNN_INVALID, NULL, "%s holds weights, but not the network they belong to", path);
    cnn_hint(diag, "name a description: %s import %s --as DESCRIPTION.yaml", cnn_program(), path);
    return CNN_INVALID;
}

static cnn_status import_file(const struct cnn_import_request *request, cnn_model **out,
                              cnn_import_info *info, cnn_diag *diag)
{
    struct import im = {.request = request, .path = request->files[0].path, .diag = diag};
    if (request->count > 1)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s and %s are two files of weights: import one "
                        "at a time",
                        im.path, request->files[1].path);
    if (!request->options->as)
        return fail_without_description(im.path, diag);
    cnn_status status = import_weights(&im, info);
    if (status == CNN_OK)
        *out = im.model;
    else
        cnn_model_free(im.model);
    cnn_weights_close(im.weights);
    cnn_assignment_free(&im.assignment);
    cnn_text_free(&im.notes);
    return status;
}

static bool recognise_file(const struct cnn_import_file *file)
{
    return cnn_import_file_ends(file, ".pth") || cnn_import_file_ends(file, ".pt") ||
           cnn_import_file_ends(file, ".safetensors") ||
           cnn_torch_recognise(file->head, file->head_size);
}

const struct cnn_importer cnn_importer_weights = {.name = "a file of weights",
                                                  .takes = CNN_IMPORT_TAKES_DESCRIPTION,
                                                  .recognise = recognise_file,
                                                  .import = import_file};
