/* Scripts that build the same network in another framework: what their formats share. A script has
 * a name for each layer and each value, and lines, which its format makes of the operations. */
#ifndef CNN_FORMATS_SCRIPT_H
#define CNN_FORMATS_SCRIPT_H

#include "formats/export.h"

struct cnn_script {
    const struct cnn_export *e;
    const struct cnn_script_format *format;
    const char **layers;     /* by node: an identifier */
    const char **values;     /* by value: the variable that holds it */
    struct cnn_text members; /* lines that make the layers which have parameters */
    struct cnn_text lines;   /* lines that compute */
    unsigned helpers;        /* bits: what else the script needs, of the format */
    /* the layer at hand */
    const struct cnn_node *node;
    struct cnn_operation operation;
    size_t number;       /* of the node */
    const char *problem; /* why the format cannot have it; NULL */
    bool failed;         /* memory is wanting */
};

/* The expression of the layer's value, as cnn_script_text gives it. */
typedef const char *cnn_script_writer(struct cnn_script *script);

/* Goes through all layers: the expression of each becomes a line, `indent` and "variable =
 * expression". CNN_INVALID where one has a problem. reserved: words that are no names of layers,
 * besides Python's; ends with NULL. */
struct cnn_script_format {
    const char *name, *indent;
    const char *const *reserved;
    cnn_script_writer *const *writers; /* by operation */
    /* the expression x, and the activation of the layer at hand */
    const char *(*activate)(struct cnn_script *script, const char *x);
    const char *maps; /* what makes maps of a vector of channels: "[:, None, None]" */
};
/* Whether a script of the format means something else by the name. */
bool cnn_script_reserves(const struct cnn_script_format *format, const char *name);
/* Whether the layer at hand has the tensor. */
bool cnn_script_has(const struct cnn_script *script, const char *suffix);
cnn_status cnn_script_write(struct cnn_script *script, const struct cnn_script_format *format);
void cnn_script_free(struct cnn_script *script);

/* A text of the arena; "" where memory is wanting. */
const char *cnn_script_text(struct cnn_script *script, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The variable that holds input i; the identifier of the layer at hand. */
const char *cnn_script_input(const struct cnn_script *script, size_t i);
const char *cnn_script_layer(const struct cnn_script *script);

/* The inputs of the layer at hand, with a text between. */
const char *cnn_script_joined(struct cnn_script *script, const char *between);
/* Writers that serve every format. */
cnn_script_writer cnn_script_pass, cnn_script_activation, cnn_script_add, cnn_script_multiply;

struct cnn_script_word {
    char text[96];
};
/* "3", or "(3, 5)" where the two differ. */
struct cnn_script_word cnn_script_pair(size_t rows, size_t columns);
/* ", name=3" where it is not (otherwise, otherwise); else "" */
struct cnn_script_word cnn_script_key(const char *name, size_t rows, size_t columns,
                                      size_t otherwise);
/* As a number of Python that is this float. */
struct cnn_script_word cnn_script_number(float value);
/* A text of Python, between quotes. */
void cnn_script_string(struct cnn_text *out, const char *text);

/* The head of the file: what it is, as the docstring of a module; usage: lines of it. */
void cnn_script_head(struct cnn_text *out, const struct cnn_export *e, const char *usage);
/* Names of classes, and what pixels go through, as constants of the script. */
void cnn_script_constants(struct cnn_text *out, const struct cnn_export *e);
/* Writes the file: text, which is freed. */
cnn_status cnn_script_save(const struct cnn_export *e, struct cnn_text *text);

#endif
