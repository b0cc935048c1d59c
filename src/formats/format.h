/* Model formats: what can be opened as MODEL, one file and one line in formats.def each. open.c
 * loops over them; the first that recognises a source opens it.
 *
 * A format of another program writes a description of the network as text, makes a model of it
 * (cnn_model_from_text, with the options' overrides), takes memory for its parameters
 * (cnn_model_allocate, unless options->shapes), writes them to model->parameters at the offsets of
 * model->tensors, and sets model->trained; class names by cnn_model_set_classes, where they are
 * known. onnx_import.c does so. Weights that --weights names are loaded by open.c afterwards. */
#ifndef CNN_FORMATS_FORMAT_H
#define CNN_FORMATS_FORMAT_H

#include "model/model.h"

#include <string.h>

/* A file, a directory or bytes in memory. */
struct cnn_model_source {
    const char *name;  /* the path; in memory what messages call it */
    const void *bytes; /* in memory: all of it, not aligned; NULL: read the path */
    size_t size;
    bool directory;
};

struct cnn_model_format {
    const char *name; /* "checkpoint" */
    /* By name or first bytes, without an error where it cannot be read. */
    bool (*recognise)(const struct cnn_model_source *source);
    /* options are never NULL. On success *out is the caller's. Messages name source->name; errors
     * in the file are CNN_FAILED, what the user can put right CNN_INVALID. */
    cnn_status (*open)(const struct cnn_model_source *source, const cnn_open_options *options,
                       cnn_model **out, cnn_diag *diag);
};

/* The text of a description, or of the one that a checkpoint or a run holds; cnn_free() it. */
cnn_status cnn_description_text(const char *path, char **text, size_t *size, cnn_diag *diag);

/* Whether the source is a file whose name ends so. */
static inline bool cnn_source_ends(const struct cnn_model_source *source, const char *ending)
{
    size_t length = strlen(source->name), end = strlen(ending);
    return !source->bytes && length > end && strcmp(source->name + length - end, ending) == 0;
}

#endif
