/* Export as C: what the files c_*.c share. A network becomes steps (c_steps.c), each with a
 * function of its own in the C file (c_layers*.c). Their arrays share one arena (c_arena.c). The
 * arithmetic is copied from c_kernels/ (c_pieces.c). */
#ifndef CNN_FORMATS_C_EXPORT_H
#define CNN_FORMATS_C_EXPORT_H

#include "formats/export.h"
#include "graph/bytes.h"
#include "graph/plan.h"
#include "kernels/bytes.h"

#define CNN_C_NONE SIZE_MAX

/* ---- The arena ---- */

/* An array in the arena, alive from step `first` to step `last`. It may overlap the array `over`
 * (CNN_C_NONE: none), which ends in the step that begins this one, if it begins at least `ahead`
 * bytes before that one: a step that goes through its rows then never writes over what it has yet
 * to read. */
struct cnn_c_array {
    size_t bytes, first, last;
    size_t over, ahead;
    size_t offset; /* found by cnn_c_place */
};

/* Places the arrays; *bytes: of the arena. False: out of memory. */
bool cnn_c_place(struct cnn_c_array *arrays, size_t count, size_t *bytes);
/* Bytes that are alive in a step: no arrangement takes less. */
size_t cnn_c_alive(const struct cnn_c_array *arrays, size_t count, size_t step);
/* Whether two arrays may not stand where they stand. */
bool cnn_c_collide(const struct cnn_c_array *arrays, size_t a, size_t b);

/* ---- The network ---- */

struct cnn_c_value {
    cnn_shape shape;
    /* a map that was flattened and still stands in memory as map: its shape; else c is 0 */
    cnn_shape map;
    size_t array;
    size_t element;         /* bytes of a number: 4 or 1 */
    struct cnn_codes codes; /* what those bytes are worth */
};

struct cnn_c_step {
    const struct cnn_node *node; /* of the fused graph */
    const struct cnn_call *call; /* of the plan */
    /* what it computes with where its numbers are bytes; NULL: it passes them on, or has floats */
    const struct cnn_integers *integers;
    bool bytes;                  /* it reads bytes */
    const struct cnn_node *lead; /* of the model's own */
    size_t y;                    /* the value that it writes */
    struct cnn_operation operation;
    struct cnn_activation activation; /* of the result */
    const struct cnn_node *norm;      /* batch_norm of the sums, folded into the weights; or NULL */
    bool pools;                       /* and then the result is pooled by 2 x 2 */
    struct cnn_pool pool;
    size_t scratch; /* array; CNN_C_NONE: none */
    const char *function;
};

/* What the plan executes: layers that are fused as one are one node. */
struct cnn_c_fused {
    struct cnn_graph graph;
    size_t *lead;   /* of each layer of the model: the node that does its work */
    size_t *origin; /* of each node: its first layer */
};

struct cnn_c_net {
    const struct cnn_export *e;
    cnn_model *floats; /* whose plan it is (cnn_export_floats) */
    struct cnn_plan *plan;
    bool int8; /* a quantized network */
    struct cnn_c_fused fused;
    struct cnn_c_value *values; /* of the fused graph */
    struct cnn_c_step *steps;
    size_t count;
    struct cnn_c_array *arrays;
    size_t array_count;
    /* Rows of the input that are in memory: all of them, or as many as the windows of the first
     * step need, which then runs as rows arrive. */
    size_t ring;
    bool streams;
    size_t arena_bytes, flash_bytes;
    uint64_t macs;
    struct cnn_text code, weights, declarations, selftest; /* parts of the files */
    bool *needed;                                          /* by line of c_kernels: pieces */
    /* a layer that reads the input as other bytes than those before it; NULL: none */
    const struct cnn_node *differing;
    const struct cnn_node *infinite; /* a layer whose folded weights are too large; NULL: none */
    const char *accuracy;            /* as measured; NULL: it was not */
    bool math;                       /* the C file needs math.h */
    bool failed;                     /* memory is wanting */
};

/* Steps, values and arrays of e->model. */
cnn_status cnn_c_steps(struct cnn_c_net *net);

static inline size_t cnn_c_row_bytes(const struct cnn_c_value *value)
{
    return value->shape.w * value->shape.c * value->element;
}

/* ---- The text ---- */

/* The arithmetic `name` (and what it needs) becomes part of the file. */
void cnn_c_need(struct cnn_c_net *net, const char *name);
/* Writes all pieces that are needed, in the order of their files. */
void cnn_c_write_pieces(struct cnn_c_net *net, struct cnn_text *out);

/* A constant array of numbers of a step, NAME_layer3_SUFFIX, declared and defined. */
const char *cnn_c_floats(struct cnn_c_net *net, const struct cnn_c_step *step, const char *suffix,
                         const float *values, size_t count);
/* The same of whole numbers, of a C type. */
const char *cnn_c_wholes(struct cnn_c_net *net, const struct cnn_c_step *step, const char *suffix,
                         const char *type, const int32_t *values, size_t count);
/* A text of the arena; "" where memory is wanting. */
const char *cnn_c_text(struct cnn_c_net *net, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The functions of the steps, into net->code. */
cnn_status cnn_c_write_layers(struct cnn_c_net *net);
void cnn_c_write_windows(struct cnn_c_net *net, const struct cnn_c_step *step);
/* Whether each channel has one filter of its own. */
bool cnn_c_is_depthwise(const struct cnn_conv *c);
/* Which of a dense layer's inputs stands at place k of x. */
size_t cnn_c_dense_source(const struct cnn_c_value *x, size_t k);
/* The loop over the rows of the output: all of them, or those that can be computed now. */
void cnn_c_begin_rows(struct cnn_c_net *net, const struct cnn_c_step *step);
/* The rows of the step's input that are in memory; rows: all of them. */
size_t cnn_c_ring_of(const struct cnn_c_net *net, const struct cnn_c_step *step, size_t rows);
/* c_layers_bytes.c: steps that read bytes; whether there is a form for this one; its scratch. */
void cnn_c_write_bytes(struct cnn_c_net *net, const struct cnn_c_step *step);
bool cnn_c_has_bytes(const struct cnn_c_step *step);
size_t cnn_c_scratch_bytes(const struct cnn_c_step *step);
void cnn_c_write_other(struct cnn_c_net *net, const struct cnn_c_step *step);
/* "relu_f32(y + i * 512, 512);" on a line, where there is an activation; of maps of channels. */
void cnn_c_write_activation(struct cnn_c_net *net, const struct cnn_c_step *step, const char *y,
                            size_t pixels, size_t channels);
/* The pointer to an array, as a declaration: "const float *x = ...;" */
void cnn_c_write_pointer(struct cnn_c_net *net, const char *type, const char *name, size_t array);
/* The windows of a convolution or a pooling as the constant struct `name`; ring: rows of the input
 * that are in memory. */
void cnn_c_write_conv_window(struct cnn_c_net *net, const struct cnn_conv *c, size_t ring);
void cnn_c_write_pool_window(struct cnn_c_net *net, const char *name, const struct cnn_pool *p,
                             size_t ring);
/* A line of the function at hand. */
void cnn_c_line(struct cnn_c_net *net, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What the sum of each filter is multiplied by, and the bias then added: batch_norm, or 1 and the
 * layer's bias. From the arena; NULL: out of memory. */
bool cnn_c_fold(struct cnn_c_net *net, const struct cnn_c_step *step, size_t filters, float **scale,
                float **bias);
const float *cnn_c_tensor(const struct cnn_c_net *net, const struct cnn_node *node,
                          const char *suffix);

/* The byte that stands for a number. */
int cnn_c_code(struct cnn_codes codes, float x);
/* A text without what would end a comment. */
void cnn_c_comment(struct cnn_text *out, const char *text);
/* As a literal of C. */
void cnn_c_string(struct cnn_text *out, const char *text);
struct cnn_c_word {
    char text[64];
};
/* 442368 as "442,368" */
struct cnn_c_word cnn_c_count(uint64_t n);
/* A float as a literal that is this float again. */
struct cnn_c_word cnn_c_number(float value);
/* 3 x 32 x 32 */
struct cnn_c_word cnn_c_shape(cnn_shape shape);

#endif
