/* What importers share. */
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "config/yaml.h"
#include "formats/importer.h"
#include "util/allocate.h"

#define NAME_BYTES 80 /* of a network's name at most */

bool cnn_import_file_ends(const struct cnn_import_file *file, const char *ending)
{
    size_t length = strlen(file->path), end = strlen(ending);
    return length > end && strcasecmp(file->path + length - end, ending) == 0;
}

/* Characters that cannot stand between quotes, or in the name of a directory, become _. */
void cnn_import_write_name(const struct cnn_import_request *request, const char *own,
                           struct cnn_text *out)
{
    const char *given = request->options->name ? request->options->name : own;
    const char *path = request->files[0].path, *slash = strrchr(path, '/');
    const char *name = given ? given : slash ? slash + 1 : path;
    const char *dot = given ? NULL : strrchr(name, '.');
    size_t length = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    cnn_text_printf(out, "name: \"");
    for (size_t i = 0, bytes; i < length; i += bytes) {
        uint32_t code = 0;
        bytes = cnn_utf8_decode(name + i, length - i, &code);
        bool stands = bytes > 0 && code >= ' ' && code != '"' && code != '\\' && code != '/' &&
                      (code != '.' || i > 0) && cnn_yaml_character_allowed(code);
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
                    "--normalize has %zu mean%s; the network has %zu channel%s",
                    options->mean_count, options->mean_count == 1 ? "" : "s", channels,
                    channels == 1 ? "" : "s");
}

/* ---- Names of classes ---- */

static int compare_names(const void *a, const void *b)
{
    const char *const *x = *(const char *const *const *)a, *const *y =
                                                               *(const char *const *const *)b;
    int order = strcmp(*x, *y);
    return order ? order : (x > y) - (x < y);
}

/* ImageNet has two cranes: names that are not different are no mistake, but worth a word. */
static cnn_status warn_of_twins(const cnn_import_options *o, const char *list, cnn_diag *diag)
{
    const char *const **sorted = cnn_malloc(o->class_count * sizeof *sorted);
    size_t twins = 0, first = 0;
    if (!sorted)
        return cnn_fail_memory(diag, o->class_count * sizeof *sorted, "names of classes");
    for (size_t i = 0; i < o->class_count; i++)
        sorted[i] = &o->classes[i];
    qsort(sorted, o->class_count, sizeof *sorted, compare_names);
    for (size_t i = 1; i < o->class_count; i++)
        if (strcmp(*sorted[i - 1], *sorted[i]) == 0 && twins++ == 0)
            first = i;
    if (twins > 0)
        cnn_warn(diag, NULL, "%s: classes %td and %td are both called '%s'%s", list,
                 sorted[first - 1] - o->classes, sorted[first] - o->classes, *sorted[first],
                 twins > 1 ? ", and others are alike, too" : "");
    cnn_free(sorted);
    return CNN_OK;
}

static cnn_status take_classes(const cnn_import_options *o, cnn_model *model, cnn_diag *diag)
{
    const char *list = o->classes_file ? o->classes_file : "classes";
    const size_t outputs = cnn_model_outputs(model);
    if (o->class_count != outputs)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu name%s; the network has %zu output%s",
                        list, o->class_count, o->class_count == 1 ? "" : "s", outputs,
                        outputs == 1 ? "" : "s");
    for (size_t i = 0; i < o->class_count; i++)
        if (!*o->classes[i] || !cnn_utf8_valid(o->classes[i], strlen(o->classes[i])))
            return cnn_fail(diag, CNN_FAILED, NULL, "%s: the name of class %zu is %s", list, i,
                            *o->classes[i] ? "no UTF-8 text" : "empty");
    cnn_status status = warn_of_twins(o, list, diag);
    return status == CNN_OK ? cnn_model_set_classes(model, o->class_count, o->classes, diag)
                            : status;
}

/* A description that the weights are for says it by its data section. */
static bool guess_pixels(const struct cnn_import_request *request, const cnn_model *model)
{
    const cnn_open_options *open = request->open;
    if (model->data.fixed.channels > 0 || model->data.normalize_auto ||
        (request->options->as && model->has_data))
        return false;
    for (size_t i = 0; i < open->override_count; i++)
        if (strstr(open->overrides[i], "normalize"))
            return false;
    return true;
}

cnn_status cnn_import_complete(const struct cnn_import_request *request, cnn_model *model,
                               cnn_diag *diag)
{
    const cnn_import_options *o = request->options;
    cnn_status status = CNN_OK;
    if (o->class_count > 0)
        status = take_classes(o, model, diag);
    if (status == CNN_OK)
        status = cnn_model_check_numbers(model, request->files[0].path, diag);
    model->trained = status == CNN_OK;
    model->pixels_guessed = guess_pixels(request, model);
    return status;
}
