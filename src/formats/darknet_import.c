/* Import of Darknet's networks: a .cfg and its .weights. */
#include <string.h>

#include "formats/darknet.h"
#include "formats/import_graph.h"
#include "util/allocate.h"
#include "util/file.h"

#define MAX_BYTES ((size_t)INT32_MAX)

struct import {
    const struct cnn_import_request *request;
    const char *cfg, *weights; /* paths */
    char *text, *bytes;        /* cnn_malloc'ed: what is in them */
    struct cnn_source source;
    struct cnn_darknet_file file;
    struct cnn_darknet_net net;
    struct cnn_text notes;
    cnn_diag *diag;
};

/* ---- Files ---- */

/* Whether `[net]` stands in what is known of the file, at the beginning of a line. */
static bool begins_like_cfg(const struct cnn_import_file *file)
{
    static const char *const marks[] = {"[net]", "[network]"};
    const char *head = (const char *)file->head;
    for (size_t i = 0; i < 2; i++)
        for (size_t at = 0; at + strlen(marks[i]) <= file->head_size; at++)
            if ((at == 0 || head[at - 1] == '\n') &&
                memcmp(head + at, marks[i], strlen(marks[i])) == 0)
                return true;
    return false;
}

static bool is_cfg(const struct cnn_import_file *file)
{
    return cnn_import_file_ends(file, ".cfg") || begins_like_cfg(file);
}

static bool recognise(const struct cnn_import_file *file)
{
    return cnn_import_file_ends(file, ".weights") || is_cfg(file);
}

static cnn_status find_files(struct import *im)
{
    const struct cnn_import_request *r = im->request;
    for (size_t i = 0; i < r->count; i++) {
        const char **path = is_cfg(&r->files[i]) ? &im->cfg : &im->weights;
        if (*path)
            return cnn_fail(im->diag, CNN_INVALID, NULL,
                            "%s and %s: one network is a .cfg and a .weights file", *path,
                            r->files[i].path);
        *path = r->files[i].path;
    }
    if (im->cfg && im->weights)
        return CNN_OK;
    cnn_status status = cnn_fail(im->diag, CNN_INVALID, NULL,
                                 im->cfg ? "%s describes a network, and holds no weights"
                                         : "%s holds weights, and not the network for them",
                                 r->files[0].path);
    cnn_hint(im->diag, "give the .cfg and the .weights file, both");
    return status;
}

/* Versions in three words, then the number of images seen: in 8 bytes from version 0.2 on. */
static cnn_status read_header(struct import *im, size_t size)
{
    uint32_t words[3] = {0};
    for (size_t i = 0; i < 12 && i < size; i++)
        words[i / 4] |= (uint32_t)(unsigned char)im->bytes[i] << 8 * (i % 4);
    const uint32_t major = words[0], minor = words[1];
    const bool odd = major > 1000 || minor > 1000;
    const size_t header = !odd && major * 10 + minor >= 2 ? 20 : 16;
    if (size < header)
        return cnn_fail(im->diag, CNN_FAILED, NULL, "%s ends within its header", im->weights);
    im->net.weights = (struct cnn_darknet_weights){.name = im->weights,
                                                   .bytes = (const unsigned char *)im->bytes,
                                                   .size = size,
                                                   .at = header,
                                                   .transposed = odd};
    return CNN_OK;
}

static cnn_status read_files(struct import *im)
{
    size_t size = 0;
    cnn_status status =
        cnn_file_read(im->cfg, CNN_DARKNET_BYTES, &im->text, &im->source.size, im->diag);
    if (status != CNN_OK)
        return status;
    im->source.name = im->cfg;
    im->source.text = im->text;
    status = cnn_darknet_read(im->net.draft.arena, &im->source, &im->file, im->diag);
    im->net.file = &im->file;
    if (status == CNN_OK)
        status = cnn_file_read(im->weights, MAX_BYTES, &im->bytes, &size, im->diag);
    return status == CNN_OK ? read_header(im, size) : status;
}

/* ---- The graph ---- */

static cnn_status read_input(struct import *im)
{
    const struct cnn_darknet_section *s = &im->file.sections[0];
    struct cnn_darknet_value *input = &im->net.input;
    const cnn_shape given = im->request->options->input;
    *input = (struct cnn_darknet_value){"input", 3, 0, 0};
    cnn_status status = cnn_darknet_integer(s, "channels", 1, 4096, &input->c, im->diag);
    if (status == CNN_OK)
        status = cnn_darknet_integer(s, "height", 1, 65536, &input->h, im->diag);
    if (status == CNN_OK)
        status = cnn_darknet_integer(s, "width", 1, 65536, &input->w, im->diag);
    if (status == CNN_OK && given.c > 0)
        *input = (struct cnn_darknet_value){"input", (int64_t)given.c, (int64_t)given.h,
                                            (int64_t)given.w};
    return status;
}

static void add_notes(struct import *im)
{
    const struct cnn_darknet_net *n = &im->net;
    if (n->dropped > 0)
        cnn_text_printf(&im->notes, "dropped: %zu that train or change nothing\n", n->dropped);
    if (n->heads > 0)
        cnn_text_printf(&im->notes,
                        "left out: %zu that make boxes of what they read; the network ends before "
                        "the first of them\n",
                        n->heads);
    if (n->normalized && n->kind == CNN_DARKNET_ALEXEYAB)
        cnn_text_printf(&im->notes, "guessed: batch_norm divides by sqrt(variance + 1e-5), as that "
                                    "of AlexeyAB's Darknet does (see --darknet)\n");
}

static cnn_status translate(struct import *im, struct cnn_onnx **out)
{
    struct cnn_darknet_net *n = &im->net;
    cnn_status status = read_files(im);
    if (status == CNN_OK)
        status = read_input(im);
    if (status == CNN_OK)
        status = cnn_darknet_translate(n);
    if (status != CNN_OK)
        return status;
    add_notes(im);
    n->draft.failed = n->draft.failed || im->notes.failed;
    const struct cnn_onnx_ends ends = {
        .file = im->cfg,
        .producer = "Darknet",
        .input = "input",
        .shape = {3, (size_t)n->input.c, (size_t)n->input.h, (size_t)n->input.w},
        .outputs = n->outputs,
        .output_count = n->output_count};
    status = cnn_onnx_draft_open(&n->draft, &ends, out, im->diag);
    n->draft.arena = NULL; /* the graph's now */
    return status;
}

static cnn_status import_darknet(const struct cnn_import_request *request, cnn_model **out,
                                 cnn_import_info *info, cnn_diag *diag)
{
    struct import im = {.request = request, .diag = diag};
    struct cnn_onnx *file = NULL;
    im.net = (struct cnn_darknet_net){
        .draft = {.arena = cnn_arena_new()}, .kind = request->options->darknet, .diag = diag};
    cnn_status status = im.net.draft.arena ? find_files(&im) : cnn_fail_memory(diag, 0, "Darknet");
    if (status == CNN_OK)
        status = translate(&im, &file);
    const struct cnn_import_graph graph = {
        .graph = file, .notes = im.notes.data, .nodes = im.file.count > 0 ? im.file.count - 1 : 0};
    if (status == CNN_OK)
        status = cnn_import_graph(request, &graph, out, info, diag);
    cnn_onnx_close(file);
    cnn_arena_free(im.net.draft.arena);
    cnn_text_free(&im.notes);
    cnn_free(im.text);
    cnn_free(im.bytes);
    return status;
}

const struct cnn_importer cnn_importer_darknet = {.name = "a file of Darknet",
                                                  .takes = CNN_IMPORT_TAKES_DARKNET,
                                                  .recognise = recognise,
                                                  .import = import_darknet};
