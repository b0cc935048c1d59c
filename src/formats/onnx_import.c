/* Import of ONNX files, and such files as models. */
#include "formats/onnx_import.h"
#include "formats/format.h"

static bool recognise_file(const struct cnn_import_file *file)
{
    /* ir_version comes first in every file that a program wrote; the length of a checkpoint's
     * header may begin with the same byte */
    return cnn_import_file_ends(file, ".onnx") ||
           (file->head_size > 0 && file->head[0] == 0x08 &&
            !cnn_yaml_is_checkpoint((const char *)file->head, file->head_size));
}

static cnn_status import_file(const struct cnn_import_request *request, cnn_model **out,
                              cnn_import_info *info, cnn_diag *diag)
{
    const char *path = request->files[0].path;
    struct cnn_onnx *file = NULL;
    if (request->count > 1)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s and %s are two ONNX files: import one at a time", path,
                        request->files[1].path);
    cnn_status status = cnn_onnx_open(path, &file, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    struct cnn_import_graph graph = {
        .graph = file, .nodes = file->step_count, .opset = file->opset};
    struct cnn_arena *arena = cnn_arena_new();
    status = arena ? cnn_onnx_read_metadata(&graph, arena, diag) : cnn_fail_memory(diag, 100, path);
    if (status == CNN_OK)
        status = cnn_import_graph(request, &graph, out, info, diag);
    cnn_arena_free(arena);
    cnn_onnx_close(file);
    return status;
}

const struct cnn_importer cnn_importer_onnx = {
    .name = "an ONNX file", .recognise = recognise_file, .import = import_file};

/* ---- As a model ---- */

static bool recognise(const struct cnn_model_source *source)
{
    return cnn_source_ends(source, ".onnx");
}

static cnn_status open_onnx(const struct cnn_model_source *source, const cnn_open_options *options,
                            cnn_model **out, cnn_diag *diag)
{
    static const cnn_import_options defaults = CNN_IMPORT_OPTIONS_INIT;
    cnn_import_info ignored = {0};
    const struct cnn_import_file file = {.path = source->name};
    const struct cnn_import_request request = {
        .files = &file, .count = 1, .options = &defaults, .open = options};
    return import_file(&request, out, &ignored, diag);
}

const struct cnn_model_format cnn_format_onnx = {
    .name = "onnx", .recognise = recognise, .open = open_onnx};
