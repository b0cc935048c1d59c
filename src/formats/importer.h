/* Models of other programs: one file and one line in importers.def each. import.c loops over them;
 * the first that recognises all files of a request makes the model. */
#ifndef CNN_FORMATS_IMPORTER_H
#define CNN_FORMATS_IMPORTER_H

#include "model/model.h"
#include "util/text.h"

#define CNN_IMPORT_HEAD  512
#define CNN_IMPORT_FILES 16 /* of one request, at most */

struct cnn_import_file {
    const char *path;
    unsigned char head[CNN_IMPORT_HEAD]; /* its first bytes */
    size_t head_size;                    /* smaller where the file is; 0 where it is unknown */
};

struct cnn_import_request {
    const struct cnn_import_file *files;
    size_t count;                      /* at least 1 */
    const cnn_import_options *options; /* never NULL; checked */
    const cnn_open_options *open;      /* likewise: overrides of the description, shapes alone */
};

enum {                                   /* options that mean nothing to most importers */
       CNN_IMPORT_TAKES_DESCRIPTION = 1, /* as, rename */
       CNN_IMPORT_TAKES_CHANNELS = 2,
       CNN_IMPORT_TAKES_DARKNET = 4
};

struct cnn_importer {
    const char *name; /* for messages: "an ONNX file" */
    unsigned takes;   /* of the above; others are refused */
    /* by name or first bytes */
    bool (*recognise)(const struct cnn_import_file *file);
    /* On success *out is the caller's, and *info (never NULL) filled, with texts in the model's
     * arena. The model has its parameters (unless open->shapes) and is `trained`. Errors in a file
     * are CNN_FAILED, what is not supported or the user can put right CNN_INVALID. */
    cnn_status (*import)(const struct cnn_import_request *request, cnn_model **out,
                         cnn_import_info *info, cnn_diag *diag);
};

/* The importer that recognises the file; NULL: there is none. */
const struct cnn_importer *cnn_importer_find(const struct cnn_import_file *file);

/* Reads the first bytes of a file. CNN_FAILED where it cannot be read. */
cnn_status cnn_import_read_head(const char *path, struct cnn_import_file *out, cnn_diag *diag);

/* Whether the file's name ends so, in letters of either case. */
bool cnn_import_file_ends(const struct cnn_import_file *file, const char *ending);

/* ---- For importers ---- */

/* `name: "..."` and a newline: as the user says, else own, else (NULL) the first file's name
 * without folder and ending. */
void cnn_import_write_name(const struct cnn_import_request *request, const char *own,
                           struct cnn_text *out);

/* What the user's options subtract from a channel, and divide it by. */
double cnn_import_mean(const cnn_import_options *options, size_t channel);
double cnn_import_std(const cnn_import_options *options, size_t channel);
/* CNN_INVALID where they are for another number of channels. */
cnn_status cnn_import_check_channels(const cnn_import_options *options, size_t channels,
                                     cnn_diag *diag);

/* What remains once the parameters are there: the user's class names, one for each output, and a
 * look at the numbers. The model is trained then. */
cnn_status cnn_import_complete(const struct cnn_import_request *request, cnn_model *model,
                               cnn_diag *diag);

#endif
