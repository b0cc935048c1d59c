/* The proof of an exported file: it is read like any other, and the reference computes it, whose
 * values must be those of the layers. */
#include <string.h>

#include "formats/onnx_compare.h"
#include "formats/onnx_export.h"
#include "util/allocate.h"
#include "util/random.h"

#define TOLERANCE 1e-4 /* of the largest number of a layer */

/* The file's value of a name; CNN_ONNX_NONE. */
static size_t find_value(const struct cnn_onnx *file, const char *name)
{
    for (size_t i = 0; i < file->value_count; i++)
        if (strcmp(file->values[i].name, name) == 0)
            return i;
    return CNN_ONNX_NONE;
}

/* The layers, each with the value that bears its name. */
static bool pair_layers(struct cnn_lowering *l, const cnn_model *model, const char *const *names)
{
    const struct cnn_graph *graph = &model->graph;
    l->layers = cnn_arena_array(l->arena, graph->count, sizeof *l->layers);
    l->input = graph->input;
    l->count = l->output = graph->count;
    for (size_t i = 0; l->layers && i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        l->layers[i] = (struct cnn_lowered_layer){.type = node->type->variant.name,
                                                  .name = node->name,
                                                  .shape = node->out,
                                                  .value = CNN_ONNX_NONE,
                                                  .order = cnn_view_of(i + 1, node->out),
                                                  .needed = true};
        if (strcmp(names[i + 1], node->name) == 0)
            l->layers[i].value = find_value(l->file, node->name);
    }
    return l->layers;
}

static cnn_status compare_layers(const struct cnn_export *e, const struct cnn_lowering *l,
                                 const float *image, struct cnn_onnx_agreement *agreement)
{
    cnn_model *floats = NULL;
    cnn_status status = cnn_export_floats(e, &floats);
    if (status != CNN_OK)
        return status;
    status = cnn_onnx_compare(l, floats, image, TOLERANCE, agreement, e->diag);
    cnn_export_floats_free(e, floats);
    return status;
}

static cnn_status compare(const struct cnn_export *e, const struct cnn_lowering *l)
{
    const size_t count = cnn_shape_count(e->model->graph.input);
    float *image = cnn_malloc(count * sizeof *image);
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_BENCH, 1);
    struct cnn_onnx_agreement agreement = {0};
    if (!image)
        return cnn_fail_memory(e->diag, count * sizeof *image, "an image");
    for (size_t i = 0; i < count; i++)
        image[i] = cnn_rng_normal(&rng);
    cnn_status status =
        e->model->graph.nodes[0].precision == CNN_PRECISION_INT8
            ? cnn_onnx_compare_bytes(l, e->model, image, TOLERANCE, &agreement, e->diag)
            : compare_layers(e, l, image, &agreement);
    cnn_free(image);
    e->info->compared = agreement.layers;
    e->info->error = agreement.error;
    if (agreement.layer)
        e->info->worst = agreement.layer; /* a name of the graph's */
    return status;
}

cnn_status cnn_onnx_check_export(const struct cnn_export *e, const struct cnn_onnx_writer *w,
                                 const struct cnn_protobuf_bytes *bytes)
{
    struct cnn_onnx *file = NULL;
    cnn_status status = cnn_onnx_open_memory(e->path, bytes->data, bytes->size, &file, e->diag);
    struct cnn_lowering l = {.file = file, .arena = e->arena, .diag = e->diag};
    if (e->options->normalize)
        l.normalization = &e->model->normalization;
    if (status == CNN_OK && !pair_layers(&l, e->model, w->names))
        status = cnn_fail_memory(e->diag, e->model->graph.count * sizeof *l.layers, e->path);
    if (status == CNN_OK)
        status = compare(e, &l);
    cnn_onnx_close(file);
    return status;
}
