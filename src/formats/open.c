/* Opening a model: the first format that recognises what is named opens it, and weights of their
 * own come last. */
#include "formats/format.h"

#include <sys/stat.h>

#include "util/allocate.h"
#include "util/file.h"
#include "util/shipped.h"

#define FORMAT(name) extern const struct cnn_model_format cnn_format_##name;
#include "formats/formats.def"
#undef FORMAT

#define FORMAT(name) &cnn_format_##name,
static const struct cnn_model_format *const formats[] = {
#include "formats/formats.def"
};
#undef FORMAT

/* What the last format says of what is not there: the reader's message names the system's reason.
 */
static cnn_status fail_missing(const char *path, cnn_diag *diag)
{
    char *text = NULL;
    size_t size;
    cnn_status status = cnn_file_read(path, 0, &text, &size, diag);
    cnn_free(text);
    cnn_hint_near(diag, path);
    return status == CNN_OK ? CNN_FAILED : status;
}

static cnn_status load_weights(cnn_model *model, const char *path, cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open_unread(path, &file, diag);
    if (status == CNN_OK)
        status = cnn_model_load(model, file, diag);
    else
        cnn_hint_near(diag, path);
    cnn_safetensors_close(file);
    return status;
}

static cnn_status open_source(const struct cnn_model_source *source,
                              const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    static const cnn_open_options defaults = {0};
    cnn_model *model = NULL;
    size_t i = 0;
    if (!options)
        options = &defaults;
    while (!formats[i]->recognise(source))
        i++;
    cnn_status status = formats[i]->open(source, options, &model, diag);
    if (status == CNN_OK && options->weights)
        status = load_weights(model, options->weights, diag);
    if (status == CNN_OK)
        *out = model;
    else
        cnn_model_free(model);
    return status;
}

static bool is_called_right(const cnn_open_options *options, const void *what, cnn_model **out)
{
    return what && out &&
           (!options || cnn_words_given(options->overrides, options->override_count));
}

cnn_status cnn_model_open(const char *path, const cnn_open_options *options, cnn_model **out,
                          cnn_diag *diag)
{
    struct stat st;
    if (!is_called_right(options, path, out))
        return cnn_fail_missing(diag, "cnn_model_open", "path, out or an override");
    if (options && options->version > CNN_OPEN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_open_options", options->version,
                                CNN_OPEN_OPTIONS_VERSION);
    if (stat(path, &st) != 0)
        return fail_missing(path, diag);
    const struct cnn_model_source source = {.name = path, .directory = S_ISDIR(st.st_mode)};
    return open_source(&source, options, out, diag);
}

cnn_status cnn_model_open_memory(const void *bytes, size_t size, const char *name,
                                 const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    if (!is_called_right(options, bytes, out))
        return cnn_fail_missing(diag, "cnn_model_open_memory", "bytes, out or an override");
    if (options && options->version > CNN_OPEN_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_open_options", options->version,
                                CNN_OPEN_OPTIONS_VERSION);
    const struct cnn_model_source source = {
        .name = name ? name : "memory", .bytes = bytes, .size = size};
    return open_source(&source, options, out, diag);
}

const char *cnn_default_model(void)
{
    static _Thread_local char path[CNN_SHIPPED_PATH];
    return cnn_shipped_file("models/seed_cifar10.safetensors", path) ? path : NULL;
}
