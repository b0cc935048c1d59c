/* The gradients of one picture's loss, of every number of the network, and what each is the sum of:
 * what cnn_explain_gradient writes out. */
#ifndef CNN_TRAIN_TRACE_H
#define CNN_TRAIN_TRACE_H

#include "model/model.h"

/* A number that has a gradient: of a value (0: the input, i + 1: the output of node i), or a
 * parameter. */
struct cnn_trace_place {
    bool parameter;
    size_t value, channel, row, column;
    size_t node, slot, index;
};

/* The network as it computed one picture, in evaluation mode, and went back from its loss. */
struct cnn_trace {
    const cnn_model *model;
    size_t target, classes; /* the value that the loss reads, and its size */
    struct cnn_plan *plan;  /* that keeps all values */
    float **gradients;      /* by value, NHWC; zeros where the loss does not depend on it */
    float *parameters;      /* gradients of the parameters, laid out as these */
    float *memory;
};

/* image: NCHW. label: below the number of outputs, which are those of classes. */
cnn_status cnn_trace_open(const cnn_model *model, const float *image, size_t label,
                          struct cnn_trace *out, cnn_diag *diag);
void cnn_trace_close(struct cnn_trace *trace);

/* A term of a gradient: a number that depends on the place, its own gradient, and by how much it
 * grows with the place's. */
struct cnn_trace_term {
    struct cnn_trace_place from; /* of a value */
    size_t input;                /* by which of its node's inputs it depends on a value */
    size_t order;                /* in the network */
    double gradient, slope;
};

#define CNN_TRACE_TERMS 10 /* kept */

/* A gradient as the sum of gradient * slope. */
struct cnn_trace_sum {
    size_t count;                                 /* numbers that depend on the place */
    struct cnn_trace_term terms[CNN_TRACE_TERMS]; /* those that count most, most first */
    size_t listed;
    double total;
};
void cnn_trace_sum(const struct cnn_trace *trace, const struct cnn_trace_place *place,
                   struct cnn_trace_sum *out);

/* The factors that a term's slope is the product of, as text. */
void cnn_trace_write_slope(const struct cnn_trace *trace, const struct cnn_trace_place *place,
                           const struct cnn_trace_term *term, struct cnn_text *out);

/* The number there, and its gradient as the network computed it. */
float cnn_trace_value(const struct cnn_trace *trace, const struct cnn_trace_place *place);
float cnn_trace_gradient(const struct cnn_trace *trace, const struct cnn_trace_place *place);

/* A place from its name: LAYER:C,ROW,COLUMN, LAYER:UNIT, input:C,ROW,COLUMN, or a parameter,
 * conv1.weight:F,C,ROW,COLUMN. CNN_INVALID where there is none. */
cnn_status cnn_trace_find(const cnn_model *model, const char *name, struct cnn_trace_place *out,
                          cnn_diag *diag);

/* "conv1[0], row 1, column 2" or "conv1.weight[0, 0, 1, 2]". */
void cnn_trace_name(const cnn_model *model, const struct cnn_trace_place *place,
                    struct cnn_text *out);

#endif
