/* Import of Caffe's networks: a .prototxt and its .caffemodel. */
#include <string.h>

#include "formats/caffe.h"
#include "formats/import_graph.h"
#include "util/allocate.h"
#include "util/file.h"

#define MAX_BYTES ((size_t)INT32_MAX) /* what writers of protocol buffers can write */

struct import {
    const struct cnn_import_request *request;
    const char *prototxt, *caffemodel; /* paths */
    char *text, *bytes;                /* cnn_malloc'ed: what is in them */
    size_t text_size, byte_size;
    struct cnn_source source;
    struct cnn_caffe caffe;
    struct cnn_text notes;
    struct cnn_import_graph graph;
    cnn_diag *diag;
};

/* ---- Files ---- */

/* Whether `layer {` stands in what is known of the file, at the beginning of a line; or one of the
 * fields for the size of an image. */
static bool begins_like_text(const struct cnn_import_file *file)
{
    static const char *const words[] = {"layer", "layers", "input_shape", "input_dim"};
    const char *head = (const char *)file->head, *end = head + file->head_size;
    for (const char *line = head; line < end; line++) {
        size_t length = 0;
        while (line + length < end &&
               ((line[length] >= 'a' && line[length] <= 'z') || line[length] == '_'))
            length++;
        const char *behind = line + length;
        while (behind < end && *behind == ' ')
            behind++;
        for (size_t i = 0; behind < end && i < 4; i++)
            if (strlen(words[i]) == length && memcmp(words[i], line, length) == 0 &&
                *behind == (i == 3 ? ':' : '{'))
                return true;
        line = memchr(line, '\n', (size_t)(end - line));
        if (!line)
            break;
    }
    return false;
}

static bool is_text(const struct cnn_import_file *file)
{
    return cnn_import_file_ends(file, ".prototxt") || cnn_import_file_ends(file, ".pbtxt") ||
           begins_like_text(file);
}

static bool recognise(const struct cnn_import_file *file)
{
    return cnn_import_file_ends(file, ".caffemodel") || is_text(file);
}

static cnn_status find_files(struct import *im)
{
    const struct cnn_import_request *r = im->request;
    for (size_t i = 0; i < r->count; i++) {
        const char **path = is_text(&r->files[i]) ? &im->prototxt : &im->caffemodel;
        if (*path)
            return cnn_fail(im->diag, CNN_INVALID, NULL,
                            "%s and %s: one network is a .prototxt and a .caffemodel", *path,
                            r->files[i].path);
        *path = r->files[i].path;
    }
    if (im->prototxt && im->caffemodel)
        return CNN_OK;
    cnn_status status = cnn_fail(im->diag, CNN_INVALID, NULL,
                                 im->prototxt ? "%s describes a network, and holds no weights"
                                              : "%s holds weights, and not the network for them",
                                 r->files[0].path);
    cnn_hint(im->diag, "give the .prototxt and the .caffemodel, both");
    return status;
}

static cnn_status read_files(struct import *im, struct cnn_prototxt_field **root,
                             struct cnn_caffe_weights **weights)
{
    struct cnn_arena *arena = im->caffe.draft.arena;
    cnn_status status =
        cnn_file_read(im->prototxt, CNN_PROTOTXT_BYTES, &im->text, &im->text_size, im->diag);
    if (status != CNN_OK)
        return status;
    im->source = (struct cnn_source){im->prototxt, im->text, im->text_size};
    status = cnn_prototxt_read(arena, &im->source, root, im->diag);
    if (status == CNN_OK)
        status = cnn_file_read(im->caffemodel, MAX_BYTES, &im->bytes, &im->byte_size, im->diag);
    const struct cnn_protobuf_file file = {im->caffemodel, (const unsigned char *)im->bytes,
                                           im->byte_size};
    return status == CNN_OK ? cnn_caffe_weights_read(arena, &file, weights, im->diag) : status;
}

/* What the network is called: every .prototxt is deploy.prototxt, but most have a name within. Else
 * the weights' file tells networks apart. In the arena; NULL when out of memory. */
static const char *find_name(const struct import *im, const struct cnn_prototxt_field *root)
{
    const struct cnn_prototxt_field *name = cnn_prototxt_find(root, "name");
    if (name && name->quoted && *name->text)
        return cnn_arena_strdup(im->caffe.draft.arena, name->text);
    const char *slash = strrchr(im->caffemodel, '/'), *base = slash ? slash + 1 : im->caffemodel;
    const char *dot = strrchr(base, '.');
    return cnn_arena_strndup(im->caffe.draft.arena, base,
                             dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

/* ---- How images are prepared ---- */

/* Caffe subtracts means from pixels of 0 to 255, and multiplies. */
static cnn_status read_transform(struct import *im)
{
    struct cnn_caffe *c = &im->caffe;
    const struct cnn_prototxt_field *t = c->transform;
    const struct cnn_prototxt_field *mean = cnn_prototxt_find(t, "mean_value");
    double scale = 1, means[CNN_MAX_CHANNELS] = {0};
    size_t count = 0;
    if (!cnn_caffe_real(c, t, "scale", &scale))
        return CNN_FAILED;
    for (; mean && count < CNN_MAX_CHANNELS; mean = cnn_prototxt_next(mean))
        if (cnn_prototxt_real(mean, &means[count++], im->diag) != CNN_OK)
            return CNN_FAILED;
    if (mean || (count > 1 && c->shape.c > 0 && count != c->shape.c) || !(scale > 0))
        return cnn_fail(im->diag, CNN_INVALID, &t->where,
                        "%zu numbers of mean_value for %zu channels, or a scale of %g", count,
                        c->shape.c, scale);
    im->graph.normalize = c->shape.c == 1 || c->shape.c == 3 || c->shape.c == 4;
    for (size_t i = 0; i < CNN_MAX_CHANNELS; i++) {
        size_t from = count == 1 ? 0 : c->turn && i < 3 ? 2 - i : i;
        im->graph.mean[i] = means[from] / 255;
        im->graph.std[i] = 1 / (255 * scale);
    }
    return CNN_OK;
}

/* Whether the network reads blue first, and all that reads the image is a convolution that can be
 * turned. */
static void settle_channels(struct import *im)
{
    struct cnn_caffe *c = &im->caffe;
    const bool bgr = c->shape.c == 3 && im->request->options->channels != CNN_CHANNELS_RGB;
    bool convolutions = true;
    for (size_t i = 0; i < c->count; i++) {
        const struct cnn_caffe_layer *layer = &c->layers[i];
        const struct cnn_prototxt_field *group =
            cnn_prototxt_find(cnn_prototxt_find(layer->field, "convolution_param"), "group");
        for (size_t k = 0; k < layer->bottom_count; k++)
            if (strcmp(layer->bottoms[k], c->input) == 0 &&
                (strcmp(layer->type, "Convolution") != 0 ||
                 (group && (!group->text || strcmp(group->text, "1") != 0))))
                convolutions = false;
    }
    c->turn = bgr && convolutions;
    if (bgr)
        cnn_text_printf(&im->notes,
                        c->turn ? "%s: the file's network reads blue, green, red; the first "
                                  "convolution is turned, and reads red, green, blue\n"
                                : "%s: the network reads blue, green, red, and so will this one: "
                                  "its images want their channels turned\n",
                        im->request->options->channels == CNN_CHANNELS_BGR ? "as told" : "guessed");
}

static void add_notes(struct import *im)
{
    const struct cnn_caffe *c = &im->caffe;
    struct cnn_text *notes = &im->notes;
    const struct cnn_prototxt_field *file = cnn_prototxt_find(c->transform, "mean_file");
    if (c->dropped > 0)
        cnn_text_printf(notes, "dropped: %zu that train, measure or change nothing\n", c->dropped);
    if (c->batch_statistics)
        cnn_text_printf(notes, "guessed: stored statistics count, where use_global_stats is "
                               "false, too\n");
    if (im->request->options->normalize)
        return;
    if (file && file->text)
        cnn_text_printf(notes, "left out: the means in '%s' (see --normalize)\n", file->text);
    else if (!c->transform)
        cnn_text_printf(notes, "guessed: pixels go in as numbers from 0 to 255, without means "
                               "(see --normalize)\n");
}

/* ---- The graph ---- */

/* Blobs that nobody reads; the last one is the network's output. */
static cnn_status open_graph(struct import *im, struct cnn_onnx **out)
{
    struct cnn_caffe *c = &im->caffe;
    const char **outputs = cnn_arena_array(c->draft.arena, c->value_count + 1, sizeof *outputs);
    struct cnn_onnx_ends ends = {.file = im->prototxt,
                                 .producer = "Caffe",
                                 .input = c->input,
                                 .shape = c->shape,
                                 .outputs = outputs};
    for (size_t i = c->value_count; outputs && i-- > 0;)
        if (!c->values[i].read && strcmp(c->values[i].value, c->input) != 0)
            outputs[ends.output_count++] = c->values[i].value;
    struct cnn_onnx_draft *draft = &c->draft;
    if (outputs && ends.output_count == 0)
        return cnn_fail(im->diag, CNN_INVALID, NULL, "%s: no layer gives an output", im->prototxt);
    draft->failed = draft->failed || !outputs;
    cnn_status status = cnn_onnx_draft_open(draft, &ends, out, im->diag);
    draft->arena = NULL; /* the graph's now */
    return status;
}

static cnn_status translate(struct import *im)
{
    struct cnn_caffe *c = &im->caffe;
    struct cnn_prototxt_field *root = NULL;
    struct cnn_caffe_weights *weights = NULL;
    cnn_status status = read_files(im, &root, &weights);
    c->weights = weights;
    if (status == CNN_OK)
        status = cnn_caffe_layers(c, root);
    if (status == CNN_OK)
        status = cnn_caffe_find_input(c, root);
    if (status == CNN_OK && im->request->options->input.c > 0)
        c->shape = im->request->options->input;
    if (status != CNN_OK)
        return status;
    im->graph.nodes = c->count;
    if (!(im->graph.network = find_name(im, root)))
        return cnn_fail_memory(im->diag, 0, "a name");
    settle_channels(im);
    status = read_transform(im);
    if (status == CNN_OK)
        status = cnn_caffe_translate(c);
    add_notes(im);
    return status == CNN_OK && im->notes.failed ? cnn_fail_memory(im->diag, 0, "notes") : status;
}

static cnn_status import_caffe(const struct cnn_import_request *request, cnn_model **out,
                               cnn_import_info *info, cnn_diag *diag)
{
    struct import im = {.request = request, .diag = diag};
    struct cnn_onnx *graph = NULL;
    im.caffe = (struct cnn_caffe){.draft = {.arena = cnn_arena_new()}, .diag = diag};
    cnn_status status = im.caffe.draft.arena ? find_files(&im) : cnn_fail_memory(diag, 0, "Caffe");
    if (status == CNN_OK)
        status = translate(&im);
    if (status == CNN_OK)
        status = open_graph(&im, &graph);
    im.graph.graph = graph;
    im.graph.notes = im.notes.data;
    if (status == CNN_OK)
        status = cnn_import_graph(request, &im.graph, out, info, diag);
    cnn_onnx_close(graph);
    cnn_arena_free(im.caffe.draft.arena);
    cnn_text_free(&im.notes);
    cnn_free(im.text);
    cnn_free(im.bytes);
    return status;
}

const struct cnn_importer cnn_importer_caffe = {.name = "a file of Caffe",
                                                .takes = CNN_IMPORT_TAKES_CHANNELS,
                                                .recognise = recognise,
                                                .import = import_caffe};
