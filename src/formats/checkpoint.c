/* A checkpoint in a safetensors file: its metadata hold the description. */
#include "formats/format.h"

static bool recognise(const struct cnn_model_source *source)
{
    return source->bytes ? cnn_yaml_is_checkpoint(source->bytes, source->size)
                         : cnn_source_ends(source, ".safetensors");
}

static cnn_status open_checkpoint(const struct cnn_model_source *source,
                                  const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = source->bytes ? cnn_safetensors_open_memory(source->name, source->bytes,
                                                                    source->size, &file, diag)
                                      : cnn_safetensors_open_unread(source->name, &file, diag);
    if (status == CNN_OK)
        status = cnn_model_from_checkpoint(file, options, out, diag);
    cnn_safetensors_close(file);
    return status;
}

const struct cnn_model_format cnn_format_checkpoint = {
    .name = "checkpoint", .recognise = recognise, .open = open_checkpoint};
