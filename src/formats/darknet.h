/* Networks of Darknet: the sections of a .cfg, the numbers of a .weights file, and the translation
 * of both into ONNX operators. The formats: src/parser.c of https://github.com/pjreddie/darknet and
 * https://github.com/AlexeyAB/darknet. */
#ifndef CNN_FORMATS_DARKNET_H
#define CNN_FORMATS_DARKNET_H

#include "cnn.h"
#include "formats/onnx_draft.h"
#include "util/text.h"

/* ---- .cfg ---- */

#define CNN_DARKNET_SECTIONS 4096              /* of a file, at most */
#define CNN_DARKNET_BYTES    ((size_t)1 << 20) /* of a .cfg, at most: that of yolov4 has 12 kB */

struct cnn_darknet_option {
    const char *key, *value; /* without blanks */
    struct cnn_where where;  /* of the line */
    bool seen;               /* by one of the functions below */
    struct cnn_darknet_option *next;
};

struct cnn_darknet_section {
    const char *name; /* "convolutional" */
    struct cnn_where where;
    struct cnn_darknet_option *first;
};

struct cnn_darknet_file {
    struct cnn_darknet_section *sections; /* the first is [net] */
    size_t count;
};

/* The source must last as long as what is read, which is in arena. CNN_FAILED, with a line, where
 * something is no section and no option. */
cnn_status cnn_darknet_read(struct cnn_arena *arena, const struct cnn_source *source,
                            struct cnn_darknet_file *out, cnn_diag *diag);

/* The option; NULL: there is none. */
struct cnn_darknet_option *cnn_darknet_find(const struct cnn_darknet_section *section,
                                            const char *key);
/* Its number or numbers; *value is not changed where there is none. CNN_FAILED and a message where
 * that is wrong. */
cnn_status cnn_darknet_integer(const struct cnn_darknet_section *section, const char *key,
                               int64_t least, int64_t most, int64_t *value, cnn_diag *diag);
cnn_status cnn_darknet_integers(const struct cnn_darknet_section *section, const char *key,
                                int64_t *values, size_t room, size_t *count, cnn_diag *diag);

/* ---- .weights ---- */

struct cnn_darknet_weights {
    const char *name;           /* of the file */
    const unsigned char *bytes; /* all of it */
    size_t size, at;            /* at: what is read next */
    bool transposed;            /* weights of dense layers */
};

/* ---- Translation ---- */

#define CNN_DARKNET_READS 64 /* layers that one reads, at most */

struct cnn_darknet_value {
    const char *value; /* of the draft; NULL: nothing that a layer can read */
    int64_t c, h, w;
};

struct cnn_darknet_net {
    struct cnn_onnx_draft draft;
    const struct cnn_darknet_file *file;
    struct cnn_darknet_weights weights;
    cnn_darknet kind;
    struct cnn_darknet_value input, *values; /* of each layer: section i + 1 */
    size_t number;                           /* of the layer at hand, from 0 */
    const char **outputs;                    /* what heads read, or the last layer gives */
    size_t output_count, heads, dropped;
    bool normalized; /* there is a batch_normalize */
    bool wrong;
    cnn_diag *diag;
};

/* Translates all sections behind [net], whose sizes are in net->input (0: unknown). CNN_INVALID
 * where something is not supported, which is named, all of it; CNN_FAILED where the weights are not
 * as many as the layers want. */
cnn_status cnn_darknet_translate(struct cnn_darknet_net *net);

#endif
