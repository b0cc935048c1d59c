/* Writing models for other programs: the choice of the format. */
#include "formats/export.h"

#include <ctype.h>
#include <string.h>

#include "util/file.h"
#include "util/output.h"
#include "util/text.h"

#define EXPORT(name) extern const struct cnn_export_type cnn_export_##name;
#include "formats/exports.def"
#undef EXPORT

#define EXPORT(name) &cnn_export_##name,
static const struct cnn_export_type *const types[] = {
#include "formats/exports.def"
};
#undef EXPORT

#define COUNT (sizeof types / sizeof *types)

size_t cnn_export_formats(void)
{
    return COUNT;
}

const cnn_export_format *cnn_export_format_at(size_t i)
{
    return i < COUNT ? &types[i]->public : NULL;
}

/* What people call checkpoints, which need no export. */
static bool is_checkpoint(const char *name)
{
    static const char *const words[] = {"state_dict", "safetensors", "pth", "pt", NULL};
    return cnn_word_among(name, words);
}

static cnn_status fail_unknown(const char *name, cnn_diag *diag)
{
    const char *words[COUNT];
    struct cnn_text list = {0};
    for (size_t i = 0; i < COUNT; i++) {
        words[i] = types[i]->public.name;
        cnn_text_printf(&list, "%s%s", i == 0 ? "" : i + 1 == COUNT ? " and " : ", ", words[i]);
    }
    if (list.failed)
        return cnn_fail_memory(diag, list.size, "a message");
    cnn_fail(diag, CNN_INVALID, NULL, "there is no export format '%s'; there %s %s", name,
             COUNT == 1 ? "is" : "are", list.data);
    cnn_text_free(&list);
    const char *nearest = cnn_nearest_word(name, words, COUNT);
    if (is_checkpoint(name))
        cnn_hint(diag, "a checkpoint is a state dict already: a .safetensors file with PyTorch's "
                       "names and shapes");
    else if (nearest)
        cnn_hint(diag, "did you mean '%s'?", nearest);
    return CNN_INVALID;
}

cnn_status cnn_export_find(const char *name, const cnn_export_format **out, cnn_diag *diag)
{
    if (!out)
        return cnn_fail_missing(diag, "cnn_export_find", "out");
    for (size_t i = 0; i < COUNT; i++)
        if (!name || strcmp(types[i]->public.name, name) == 0) {
            *out = &types[i]->public;
            return CNN_OK;
        }
    return fail_unknown(name, diag);
}

/* The network's name as an identifier of C and Python. */
static char *identifier(struct cnn_arena *arena, const char *name)
{
    char *text = cnn_arena_printf(arena, "%s%s", isalpha((unsigned char)*name) ? "" : "net_", name);
    for (char *c = text; c && *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return text;
}

static bool is_identifier(const char *name)
{
    const char *c = name;
    while (isalnum((unsigned char)*c) || *c == '_')
        c++;
    return *name && !isdigit((unsigned char)*name) && *c == '\0';
}

static cnn_status check_model(const cnn_model *model, const cnn_export_options *options,
                              cnn_diag *diag)
{
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status != CNN_OK)
        return status;
    if (options->name && !is_identifier(options->name))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "'%s' is no name for a program: letters, digits and _, and no digit first",
                        options->name);
    if (options->normalize && model->normalization.channels == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "the normalisation of '%s' is not known: its description leaves it to the "
                        "data",
                        model->name);
    return cnn_model_check_numbers(model, model->source, diag);
}

/* A model that is read from its file as it is wanted would lose it, and its owner may want it back.
 */
static cnn_status check_source(const cnn_model *model, const char *path, cnn_diag *diag)
{
    if (!cnn_file_same(path, model->source))
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "%s would be replaced by what is made of it", path);
    cnn_hint(diag, "name another file");
    return CNN_INVALID;
}

static cnn_status write_model(cnn_model *model, const char *path, const cnn_export_options *options,
                              cnn_export_info *info, cnn_diag *diag)
{
    const cnn_export_format *format;
    struct cnn_export e = {.model = model,
                           .path = path,
                           .options = options,
                           .arena = cnn_arena_new(),
                           .info = info,
                           .diag = diag};
    cnn_status status = cnn_export_find(options->format, &format, diag);
    const struct cnn_export_type *type = (const struct cnn_export_type *)format;
    if (status == CNN_OK && options->normalize && type->inputs)
        status = cnn_fail(diag, CNN_INVALID, NULL, "--normalize is not for format %s: %s",
                          format->name, type->inputs);
    if (status == CNN_OK && !format->directory) /* a directory's files are looked at one by one */
        status = cnn_output_replaces(path, format->output, NULL, diag);
    if (status == CNN_OK) {
        e.name = options->name ? options->name : e.arena ? identifier(e.arena, model->name) : NULL;
        status = e.name ? type->write(&e) : cnn_fail_memory(diag, 100, path);
    }
    cnn_arena_free(e.arena);
    return status;
}

cnn_status cnn_export(cnn_model *model, const char *path, const cnn_export_options *options,
                      cnn_export_info *info, cnn_diag *diag)
{
    static const cnn_export_options defaults = CNN_EXPORT_OPTIONS_INIT;
    cnn_export_info own = {.worst = "", .unmeasured = ""};
    if (!model || !path)
        return cnn_fail_missing(diag, "cnn_export", "model or path");
    if (!options)
        options = &defaults;
    if (options->version > CNN_EXPORT_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_export_options", options->version,
                                CNN_EXPORT_OPTIONS_VERSION);
    if (info && info->version > CNN_EXPORT_INFO_VERSION)
        return cnn_fail_version(diag, "cnn_export_info", info->version, CNN_EXPORT_INFO_VERSION);
    cnn_status status = check_model(model, options, diag);
    if (status == CNN_OK)
        status = check_source(model, path, diag);
    if (status == CNN_OK)
        status = write_model(model, path, options, &own, diag);
    own.version = info ? info->version : 0;
    if (status == CNN_OK && info)
        *info = own;
    return status;
}
