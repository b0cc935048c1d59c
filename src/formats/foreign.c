/* What is a model of another program, but has to be imported first: it is told so, rather than that
 * it is no description. */
#include <sys/stat.h>

#include "formats/format.h"
#include "formats/importer.h"

/* A pipe is left alone: what is read of it is gone. */
static const struct cnn_importer *find(const struct cnn_model_source *source)
{
    struct cnn_import_file file;
    struct stat info;
    if (source->bytes || stat(source->name, &info) != 0 || !S_ISREG(info.st_mode) ||
        cnn_import_read_head(source->name, &file, NULL) != CNN_OK)
        return NULL;
    return cnn_importer_find(&file);
}

static bool recognise(const struct cnn_model_source *source)
{
    return find(source) != NULL;
}

static cnn_status open_foreign(const struct cnn_model_source *source,
                               const cnn_open_options *options, cnn_model **out, cnn_diag *diag)
{
    const struct cnn_importer *importer = find(source);
    (void)options;
    (void)out;
    cnn_status status = cnn_fail(diag, CNN_INVALID, NULL, "%s is %s, and no model yet",
                                 source->name, importer ? importer->name : "of another program");
    cnn_hint(diag, "`cnn import` makes a model of it");
    return status;
}

const struct cnn_model_format cnn_format_foreign = {
    .name = "foreign", .recognise = recognise, .open = open_foreign};
