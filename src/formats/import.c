/* Importing: the first importer that recognises the files makes a model of them. */
#define _GNU_SOURCE /* pread */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "formats/importer.h"
#include "util/allocate.h"
#include "util/file.h"

#define IMPORTER(name) extern const struct cnn_importer cnn_importer_##name;
#include "formats/importers.def"
#undef IMPORTER

#define IMPORTER(name) &cnn_importer_##name,
static const struct cnn_importer *const importers[] = {
#include "formats/importers.def"
};
#undef IMPORTER

static const size_t importer_count = sizeof importers / sizeof *importers;

/* What data.normalize takes. */
static cnn_status check_normalize(const cnn_import_options *o, cnn_diag *diag)
{
    for (size_t i = 0; o->normalize && o->mean && i < o->mean_count; i++) {
        if (!(o->mean[i] >= 0 && o->mean[i] <= 1))
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "--normalize: means are of pixels from 0 to 1, and %g is not",
                            o->mean[i]);
        if (!(o->std[i] >= 1e-6 && o->std[i] <= 10))
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "--normalize: deviations are from 1e-06 to 10, and %g is not",
                            o->std[i]);
    }
    return CNN_OK;
}

static cnn_status check_options(const cnn_import_options *o, cnn_diag *diag)
{
    const cnn_shape s = o->input;
    if (o->version > CNN_IMPORT_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_import_options", o->version, CNN_IMPORT_OPTIONS_VERSION);
    if (s.c > 65536 || s.h > 65536 || s.w > 65536 || (s.c == 0) != (s.h == 0) ||
        (s.c == 0) != (s.w == 0))
        return cnn_fail(diag, CNN_INVALID, NULL, "the input cannot be %zu x %zu x %zu", s.c, s.h,
                        s.w);
    if (!cnn_words_given(o->classes, o->class_count))
        return cnn_fail_missing(diag, "cnn_import", "names of classes");
    if (!o->mean != !o->std)
        return cnn_fail_missing(diag, "cnn_import", "mean and std, one without the other");
    if (o->name && (!*o->name || *o->name == '.' || strchr(o->name, '/')))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "--name is not '%s': names of networks become those of directories",
                        o->name);
    return check_normalize(o, diag);
}

cnn_status cnn_import_read_head(const char *path, struct cnn_import_file *out, cnn_diag *diag)
{
    unsigned long long size;
    int fd = cnn_file_open(path, &size);
    ssize_t got = -1;
    while (fd >= 0 && (got = pread(fd, out->head, sizeof out->head, 0)) < 0 && errno == EINTR)
        continue;
    if (got < 0) {
        cnn_status status = cnn_file_fail(path, diag);
        cnn_hint_near(diag, path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    close(fd);
    out->path = path;
    out->head_size = (size_t)got;
    return CNN_OK;
}

const struct cnn_importer *cnn_importer_find(const struct cnn_import_file *file)
{
    for (size_t i = 0; i < importer_count; i++)
        if (importers[i]->recognise(file))
            return importers[i];
    return NULL;
}

static cnn_status choose(const struct cnn_import_request *request, const struct cnn_importer **out,
                         cnn_diag *diag)
{
    for (size_t i = 0; i < request->count; i++) {
        const struct cnn_import_file *file = &request->files[i];
        const struct cnn_importer *importer = cnn_importer_find(file);
        if (!importer) {
            cnn_status status = cnn_fail(diag, CNN_FAILED, NULL,
                                         "%s: it is no model that can be imported", file->path);
            cnn_hint(diag, "`cnn import --help` lists what can be");
            return status;
        }
        if (i > 0 && importer != *out)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "%s is %s, and %s is %s: they are not one model",
                            request->files[0].path, (*out)->name, file->path, importer->name);
        *out = importer;
    }
    return CNN_OK;
}

static cnn_status check_taken(const cnn_import_options *o, const struct cnn_importer *importer,
                              cnn_diag *diag)
{
    const struct {
        bool given;
        unsigned option;
        const char *what;
    } options[] = {
        {o->as || o->rename, CNN_IMPORT_TAKES_DESCRIPTION, "a description, or other names,"},
        {o->channels != CNN_CHANNELS_DEFAULT, CNN_IMPORT_TAKES_CHANNELS, "an order of channels"},
        {o->darknet != CNN_DARKNET_ALEXEYAB, CNN_IMPORT_TAKES_DARKNET, "a version of Darknet"}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given && !(importer->takes & options[i].option))
            return cnn_fail(diag, CNN_INVALID, NULL, "%s cannot be given for %s", options[i].what,
                            importer->name);
    return CNN_OK;
}

static const cnn_import_options import_defaults = CNN_IMPORT_OPTIONS_INIT;
static const cnn_open_options open_defaults = CNN_OPEN_OPTIONS_INIT;

static cnn_status import_files(struct cnn_import_file *files, const char *const *paths,
                               struct cnn_import_request *request, cnn_model **out,
                               cnn_import_info *info, cnn_diag *diag)
{
    const struct cnn_importer *importer = NULL;
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < request->count && status == CNN_OK; i++)
        status = cnn_import_read_head(paths[i], &files[i], diag);
    request->files = files;
    if (status == CNN_OK)
        status = choose(request, &importer, diag);
    if (status == CNN_OK)
        status = check_taken(request->options, importer, diag);
    return status == CNN_OK ? importer->import(request, out, info, diag) : status;
}

cnn_status cnn_import(const char *const *paths, size_t count, const cnn_import_options *options,
                      cnn_model **out, cnn_import_info *info, cnn_diag *diag)
{
    cnn_import_info ignored = {0};
    struct cnn_import_request request = {
        .count = count, .options = options ? options : &import_defaults, .open = &open_defaults};
    if (count == 0 || !cnn_words_given(paths, count) || !out)
        return cnn_fail_missing(diag, "cnn_import", "files or out");
    if (info && info->version > CNN_IMPORT_INFO_VERSION)
        return cnn_fail_version(diag, "cnn_import_info", info->version, CNN_IMPORT_INFO_VERSION);
    cnn_status status = check_options(request.options, diag);
    if (status != CNN_OK)
        return status;
    if (count > CNN_IMPORT_FILES)
        return cnn_fail(diag, CNN_INVALID, NULL, "one model is not made of %zu files", count);
    struct cnn_import_file *files = cnn_calloc(count, sizeof *files);
    if (!files)
        return cnn_fail_memory(diag, count * sizeof *files, "files");
    status = import_files(files, paths, &request, out, info ? info : &ignored, diag);
    cnn_free(files);
    return status;
}
