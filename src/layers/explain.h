/* What the layers' explain functions share: numbers as people write them, sums whose terms break
 * over lines, small matrices side by side, activations. Lines that end an explanation end with the
 * value. */
#ifndef CNN_LAYERS_EXPLAIN_H
#define CNN_LAYERS_EXPLAIN_H

#include "graph/layer.h"
#include "util/number.h"

#define CNN_EXPLAIN_WIDTH 100 /* columns of a line, where it can be broken */
/* more terms than this are not all written out where no kernel orders them */
#define CNN_EXPLAIN_ALL 64

/* "conv1[0], row 0, column 0", or "dense1[3]" where the layer's output is flat. */
void cnn_explain_place(const struct cnn_node *node, const struct cnn_question *question,
                       struct cnn_text *out);

/* The same and ": ". */
void cnn_explain_begin(const struct cnn_node *node, const struct cnn_question *question,
                       struct cnn_text *out);

/* The name of what stands at this input: a layer's, or "input". */
const char *cnn_explain_source(const struct cnn_node *node, const struct cnn_question *question,
                               size_t input);

/* x[input] at the question's place, in this channel. */
double cnn_explain_input(const struct cnn_call *call, const struct cnn_question *question,
                         size_t input, size_t channel);

/* A sum in the making: terms joined by +, broken before a term that would not fit the line. */
struct cnn_sum {
    struct cnn_text *out;
    size_t line;  /* where the line began */
    size_t terms; /* so far */
};
struct cnn_sum cnn_sum_begin(struct cnn_text *out);
void cnn_sum_add(struct cnn_sum *sum, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cnn_sum_end(struct cnn_sum *sum, double total); /* " = total" and the line's end */

/* A matrix of numbers, e.g. the part of a map that lies under a kernel; decimal points stand under
 * one another, "." is no number. */
struct cnn_grid {
    const char *title; /* "": none, of all */
    size_t rows, columns;
    bool labelled; /* rows and columns are numbered: first, first + step, ... */
    ptrdiff_t first[2];
    size_t step[2];
    struct cnn_number (*cell)(const void *context, size_t row, size_t column);
    const void *context;
};
#define CNN_EXPLAIN_GRIDS 2 /* at most */
/* Side by side where the line holds them, else one under another. */
void cnn_explain_grids(const struct cnn_grid *grids, size_t count, struct cnn_text *out);

/* "rows 0..2", "rows -1..3 in steps of 2", "row 4". */
void cnn_explain_range(const char *what, ptrdiff_t first, size_t step, size_t count,
                       struct cnn_text *out);

/* What goes into a layer's activation at the question's place, in this channel. */
typedef double cnn_explain_linear(const struct cnn_call *call, const struct cnn_question *question,
                                  size_t channel);

/* What the activation makes of the question's number, as the last line, and returned; kind NONE: no
 * line. */
double cnn_explain_activation(const struct cnn_call *call, const struct cnn_question *question,
                              struct cnn_activation activation, cnn_explain_linear *linear,
                              struct cnn_text *out);

/* ---- Slopes (slope of cnn_layer_type) ---- */

/* 1 where the operand is this number of an input, else 0. */
double cnn_slope_copy(const struct cnn_operand *operand, size_t channel, size_t row, size_t column);

/* Whether it is one of an input at the question's place, in this channel. */
bool cnn_operand_here(const struct cnn_operand *operand, const struct cnn_question *question,
                      size_t channel);

/* Writes "value (what)", and returns value. */
double cnn_slope_factor(double value, const char *what, struct cnn_text *out);

/* What goes into a layer's activation, and its slope. */
typedef double cnn_explain_slope(const struct cnn_call *call, const struct cnn_question *question,
                                 const struct cnn_operand *operand, size_t channel,
                                 struct cnn_text *out);
struct cnn_linear {
    cnn_explain_linear *value;
    cnn_explain_slope *slope;
};

/* The slope of what the activation makes of it. */
double cnn_slope_through(const struct cnn_call *call, const struct cnn_question *question,
                         const struct cnn_operand *operand, struct cnn_activation activation,
                         const struct cnn_linear *linear, struct cnn_text *out);

#endif
