/* The text of a description, wherever it stands. */
#include <string.h>

#include "formats/format.h"
#include "util/allocate.h"
#include "util/file.h"

static cnn_status read_checkpoint(const char *path, char **text, size_t *size, cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open_unread(path, &file, diag);
    const char *description =
        status == CNN_OK ? cnn_safetensors_metadata(file, "description") : NULL;
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    if (!description) {
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s holds tensors but no description", path);
    } else {
        *size = strlen(description);
        *text = cnn_malloc(*size + 1);
        if (*text)
            memcpy(*text, description, *size + 1);
        else
            status = cnn_fail_memory(diag, *size, path);
    }
    cnn_safetensors_close(file);
    return status;
}

static cnn_status read_run(const char *directory, char **text, size_t *size, cnn_diag *diag)
{
    struct cnn_text best = {0};
    cnn_text_printf(&best, "%s/best.safetensors", directory);
    cnn_status status = best.failed ? cnn_fail_memory(diag, best.size, directory)
                                    : read_checkpoint(best.data, text, size, diag);
    cnn_text_free(&best);
    return status;
}

cnn_status cnn_description_text(const char *path, char **text, size_t *size, cnn_diag *diag)
{
    const struct cnn_model_source source = {.name = path};
    if (cnn_file_is_folder(path))
        return read_run(path, text, size, diag);
    if (cnn_source_ends(&source, ".safetensors"))
        return read_checkpoint(path, text, size, diag);
    cnn_status status = cnn_yaml_read_text(path, text, size, diag);
    if (status != CNN_OK)
        cnn_hint_near(diag, path);
    return status;
}
