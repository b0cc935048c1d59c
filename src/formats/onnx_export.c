/* Export to ONNX: the walk over the layers, and the file, which is checked before it is written. */
#include "formats/onnx_export.h"

#include <string.h>

#include "model/metadata.h"
#include "util/allocate.h"
#include "util/file.h"

/* ---- The walk ---- */

/* What the layer gives bears its name. One that adds no node gives what it reads. */
static void end_layer(struct cnn_onnx_writer *w, size_t value)
{
    if (w->steps == 0 && value == w->model->graph.count)
        cnn_onnx_emit1(w, "Identity", cnn_onnx_input(w, 0));
    w->names[value] = w->steps > 0 ? w->node->name : cnn_onnx_input(w, 0);
    if (w->steps > 0 && !w->draft.failed)
        cnn_onnx_draft_rename(
            &w->draft, w->steps == 1 ? w->node->name : w->draft.nodes[w->draft.node_count - 1].name,
            w->node->name);
}

/* Pixels from 0 to 1 become what the network sees. */
static void write_normalization(struct cnn_onnx_writer *w)
{
    const struct cnn_normalization *n = &w->model->normalization;
    struct cnn_node input = {.name = "input"};
    const float *const numbers[2] = {n->mean, n->std};
    static const char *const suffixes[] = {"mean", "std"}, *const types[] = {"Sub", "Div"};
    w->node = &input;
    w->steps = 0;
    for (size_t i = 0; i < 2; i++) {
        const struct cnn_onnx_dims dims = {3, {(int64_t)n->channels, 1, 1}};
        const char *constant =
            cnn_onnx_draft_floats(&w->draft, "input", suffixes[i], dims, numbers[i]);
        w->names[0] = cnn_onnx_emit2(w, types[i], w->names[0], constant);
    }
}

static cnn_status write_layers(const struct cnn_export *e, struct cnn_onnx_writer *w)
{
    const struct cnn_graph *graph = &e->model->graph;
    w->names[0] = "input";
    if (e->options->normalize)
        write_normalization(w);
    for (size_t i = 0; i < graph->count; i++) {
        w->node = &graph->nodes[i];
        w->operation = w->node->type->operation(w->node);
        w->steps = 0;
        w->next = cnn_onnx_folded_norm(graph, i);
        w->folded = w->node->inputs[0] > 0 &&
                    cnn_onnx_folded_norm(graph, w->node->inputs[0] - 1) == w->node;
        if (!cnn_onnx_write_operation(w))
            return cnn_fail(e->diag, CNN_INVALID, NULL,
                            "layer '%s' (%s) cannot be written as ONNX yet", w->node->name,
                            w->node->type->variant.name);
        end_layer(w, i + 1);
    }
    return CNN_OK;
}

/* What a reader of the file would otherwise have to be told: the names of the classes, and what
 * pixels go through before the graph. pairs: of metadata. */
static size_t choose_metadata(const struct cnn_export *e, const struct cnn_metadata *metadata,
                              struct cnn_onnx_pair pairs[2])
{
    /* where the graph normalizes */
    static const char *const nothing[CNN_MAX_CHANNELS + 1] = {
        [1] = "{\"mean\":[0],\"std\":[1]}",
        [3] = "{\"mean\":[0,0,0],\"std\":[1,1,1]}",
        [4] = "{\"mean\":[0,0,0,0],\"std\":[1,1,1,1]}"};
    const char *inside = e->options->normalize ? nothing[e->model->normalization.channels] : NULL;
    size_t count = 0;
    for (size_t i = 0; i < metadata->count; i++) {
        const struct cnn_stored_pair *pair = &metadata->pairs[i];
        const bool pixels = strcmp(pair->key, "normalization") == 0;
        if (strcmp(pair->key, "classes") == 0 ||
            (pixels && e->model->normalization.channels > 0 && (inside || !e->options->normalize)))
            pairs[count++] = (struct cnn_onnx_pair){
                .key = pair->key, .value = pixels && inside ? inside : pair->value};
    }
    return count;
}

static cnn_status write_file(const struct cnn_export *e, struct cnn_onnx_writer *w)
{
    struct cnn_metadata metadata = {0};
    struct cnn_onnx_pair pairs[2];
    struct cnn_protobuf_bytes bytes = {0};
    cnn_status status =
        cnn_metadata_make(e->model, &metadata) ? CNN_OK : cnn_fail_memory(e->diag, 0, e->path);
    const struct cnn_onnx_file file = {
        .path = e->path,
        .name = e->name,
        .ends = {"input", w->names[e->model->graph.count]},
        .shapes = {e->model->graph.input, cnn_model_output(e->model)},
        .metadata = pairs,
        .metadata_count = status == CNN_OK ? choose_metadata(e, &metadata, pairs) : 0};
    if (status == CNN_OK)
        status = cnn_onnx_write(&w->draft, &file, &bytes, e->diag);
    cnn_metadata_free(&metadata);
    if (status == CNN_OK)
        status = cnn_onnx_check_export(e, w, &bytes);
    if (status == CNN_OK)
        status = cnn_file_write(e->path, bytes.data, bytes.size, e->diag);
    e->info->bytes = bytes.size;
    cnn_free((unsigned char *)(uintptr_t)bytes.data);
    return status;
}

/* Whether the network clips, and needs nothing that is newer than CNN_ONNX_OLD_OPSET. */
static bool suits_old_opset(const cnn_model *model)
{
    bool clips = false;
    for (size_t i = 0; i < model->graph.count; i++) {
        const struct cnn_node *node = &model->graph.nodes[i];
        const struct cnn_operation o = node->type->operation(node);
        const bool clip = o.activation.kind == CNN_ACT_RELU6 || o.activation.kind == CNN_ACT_CLIP,
                   plain = o.activation.kind == CNN_ACT_NONE || o.activation.kind == CNN_ACT_RELU;
        clips = clips || clip;
        switch (o.kind) {
        case CNN_OPERATION_CONVOLVE:
            if (o.conv.padding_mode != CNN_PAD_ZEROS)
                return false;
            break;
        case CNN_OPERATION_DENSE: /* an older Gemm has three inputs */
            if (!cnn_node_tensor(node, "bias"))
                return false;
            break;
        case CNN_OPERATION_PASS:
        case CNN_OPERATION_BATCH_NORM:
        case CNN_OPERATION_GLOBAL_POOL:
        case CNN_OPERATION_ACTIVATE:
        case CNN_OPERATION_FLATTEN:
        case CNN_OPERATION_ADD:
            break;
        default:
            return false;
        }
        if ((!clip && !plain) || node->precision == CNN_PRECISION_INT8)
            return false;
    }
    return clips;
}

static cnn_status write_onnx(const struct cnn_export *e)
{
    const size_t values = e->model->graph.count + 1;
    struct cnn_onnx_writer w = {.draft = {.arena = e->arena},
                                .model = e->model,
                                .names = cnn_arena_array(e->arena, values, sizeof *w.names),
                                .codes = cnn_arena_array(e->arena, values, sizeof *w.codes)};
    struct cnn_plan *plan = NULL;
    if (!w.names || !w.codes)
        return cnn_fail_memory(e->diag, values * sizeof *w.names, e->path);
    cnn_status status =
        e->model->graph.nodes[0].precision == CNN_PRECISION_INT8
            ? cnn_plan_new(&e->model->graph, e->model->parameters,
                           &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_INFER}, &plan,
                           e->diag)
            : CNN_OK;
    w.plan = plan;
    w.draft.opset = suits_old_opset(e->model) ? CNN_ONNX_OLD_OPSET : 0;
    if (status == CNN_OK)
        status = write_layers(e, &w);
    if (status == CNN_OK)
        status = write_file(e, &w);
    cnn_plan_free(plan);
    return status;
}

const struct cnn_export_type cnn_export_onnx = {
    .public = {.name = "onnx",
               .help = "ONNX (opset 17), for ONNX Runtime, OpenCV and most other programs",
               .ending = ".onnx",
               .output = CNN_OUTPUT_ONNX,
               .weights = true},
    .write = write_onnx};
