/* What files that cnn export wrote say beside their graph, in the words of checkpoints
 * (model/metadata.h): names of classes, normalisation. Others may use the same keys for something
 * else, so what does not fit is passed over. */
#include <string.h>

#include "formats/onnx_import.h"
#include "util/json.h"

static cnn_status find_json(const struct cnn_onnx *file, const char *key, struct cnn_arena *arena,
                            const struct cnn_json **out, cnn_diag *diag)
{
    struct cnn_json_error error = {.text = ""};
    *out = NULL;
    for (size_t i = 0; i < file->metadata_count; i++) {
        const struct cnn_onnx_pair *pair = &file->metadata[i];
        if (pair->key && pair->value && strcmp(pair->key, key) == 0)
            *out = cnn_json_read(arena, pair->value, strlen(pair->value), &error);
    }
    return error.text ? CNN_OK : cnn_fail_memory(diag, 0, file->name);
}

static cnn_status read_classes(struct cnn_import_graph *out, struct cnn_arena *arena,
                               cnn_diag *diag)
{
    const struct cnn_json *list;
    size_t count = 0;
    cnn_status status = find_json(out->graph, "classes", arena, &list, diag);
    if (status != CNN_OK || !list || list->kind != CNN_JSON_LIST)
        return status;
    const char **names = cnn_arena_array(arena, list->size + 1, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, list->size * sizeof *names, "names of classes");
    for (const struct cnn_json *name = list->first; name; name = name->next)
        if (name->kind == CNN_JSON_TEXT)
            names[count++] = name->text;
    if (count == list->size) {
        out->classes = names;
        out->class_count = count;
    }
    return CNN_OK;
}

static bool read_numbers(const struct cnn_json *list, size_t count, double *out)
{
    size_t i = 0;
    if (!list || list->kind != CNN_JSON_LIST || list->size != count)
        return false;
    for (const struct cnn_json *number = list->first; number; number = number->next) {
        if (number->kind != CNN_JSON_NUMBER || !(number->number > -1e6 && number->number < 1e6))
            return false;
        out[i++] = number->number;
    }
    return true;
}

/* Channels of the images that the file takes; 0: they are no images. */
static size_t image_channels(const struct cnn_onnx *file)
{
    const struct cnn_onnx_dimension *dims = NULL;
    if (file->input_count != 1 || cnn_onnx_input_shape(file, 0, &dims) != 4)
        return 0;
    const int64_t channels = dims[1].value;
    return channels == 1 || channels == 3 || channels == 4 ? (size_t)channels : 0;
}

cnn_status cnn_onnx_read_metadata(struct cnn_import_graph *out, struct cnn_arena *arena,
                                  cnn_diag *diag)
{
    const struct cnn_json *both;
    const size_t channels = image_channels(out->graph);
    cnn_status status = read_classes(out, arena, diag);
    if (status == CNN_OK)
        status = find_json(out->graph, "normalization", arena, &both, diag);
    if (status != CNN_OK || channels == 0 ||
        !read_numbers(cnn_json_get(both, "mean"), channels, out->mean) ||
        !read_numbers(cnn_json_get(both, "std"), channels, out->std))
        return status;
    for (size_t i = 0; i < channels; i++)
        if (!(out->std[i] > 0))
            return CNN_OK;
    out->normalize = true;
    return CNN_OK;
}
