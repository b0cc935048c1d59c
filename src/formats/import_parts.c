/* What importers share. */
#include <string.h>
#include <strings.h>

#include "config/yaml.h"
#include "formats/importer.h"

#define NAME_BYTES 80 /* of a network's name at most */

bool cnn_import_file_ends(const struct cnn_import_file *file, const char *ending)
{
    size_t length = strlen(file->path), end = strlen(ending);
    return length > end && strcasecmp(file->path + length - end, ending) == 0;
}

/* Characters that cannot stand between quotes become _. */
void cnn_import_write_name(const struct cnn_import_request *request, struct cnn_text *out)
{
    const char *given = request->options->name, *path = request->files[0].path;
    const char *slash = strrchr(path, '/');
    const char *name = given ? given : slash ? slash + 1 : path;
    const char *dot = given ? NULL : strrchr(name, '.');
    size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    cnn_text_printf(out, "name: \"");
    for (size_t i = 0, bytes; i < length; i += bytes) {
        uint32_t code = 0;
        bytes = cnn_utf8_decode(name + i, length - i, &code);
        bool stands = bytes > 0 && code >= ' ' && code != '"' && code != '\\' &&
                      cnn_yaml_character_allowed(code);
        if (i + bytes > NAME_BYTES)
            break;
        cnn_text_append(out, stands ? name + i : "_", stands ? bytes : 1);
        bytes = bytes > 0 ? bytes : 1;
    }
    cnn_text_printf(out, "\"\n");
}

double cnn_import_mean(const cnn_import_options *options, size_t channel)
{
    return options->mean ? options->mean[channel] : 0;
}

double cnn_import_std(const cnn_import_options *options, size_t channel)
{
    return options->std ? options->std[channel] : 1;
}

cnn_status cnn_import_check_channels(const cnn_import_options *options, size_t channels,
                                     cnn_diag *diag)
{
    if (!options->normalize || (!options->mean && !options->std) || options->mean_count == channels)
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "mean and std have %zu numbers each; the input has %zu channels",
                    options->mean_count, channels);
}

cnn_status cnn_import_complete(const struct cnn_import_request *request, cnn_model *model,
                               cnn_diag *diag)
{
    const cnn_import_options *o = request->options;
    cnn_status status = CNN_OK;
    if (o->class_count > 0)
        status = cnn_model_set_classes(model, o->class_count, o->classes, diag);
    if (status == CNN_OK)
        status = cnn_model_check_numbers(model, request->files[0].path, diag);
    model->trained = status == CNN_OK;
    return status;
}
