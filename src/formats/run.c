/* A run directory: its best checkpoint. */
#include "formats/format.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static bool recognise(const struct cnn_model_source *source)
{
    return source->directory;
}

/* A directory without a checkpoint may have the description of one. */
static cnn_status fail_empty(const char *directory, cnn_diag *diag)
{
    struct cnn_text config = {0};
    cnn_text_printf(&config, "%s/config.yaml", directory);
    cnn_status status = cnn_fail(
        diag, CNN_FAILED, NULL,
        "%s holds no best.safetensors: it is no run directory, or its first epoch is not over",
        directory);
    if (!config.failed && access(config.data, F_OK) == 0)
        cnn_hint(diag, "its description is %s", config.data);
    cnn_text_free(&config);
    return status;
}

static cnn_status open_run(const struct cnn_model_source *source, const cnn_open_options *options,
                           cnn_model **out, cnn_diag *diag)
{
    struct cnn_text best = {0};
    struct cnn_safetensors *file = NULL;
    cnn_text_printf(&best, "%s/best.safetensors", source->name);
    cnn_status status;
    if (best.failed)
        status = cnn_fail_memory(diag, best.size, "a path");
    else if (access(best.data, F_OK) != 0 && errno != EACCES)
        status = fail_empty(source->name, diag);
    else
        status = cnn_safetensors_open_unread(best.data, &file, diag);
    if (status == CNN_OK)
        status = cnn_model_from_checkpoint(file, options, out, diag);
    cnn_safetensors_close(file);
    cnn_text_free(&best);
    return status;
}

const struct cnn_model_format cnn_format_run = {
    .name = "run directory", .recognise = recognise, .open = open_run};
