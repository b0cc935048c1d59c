/* The one matrix product under every convolution and dense layer: a batch-reduce GEMM with a
 * register-blocked micro-kernel (Georganas et al., "High- Performance Deep Learning via a Single
 * Building Block", 2019).
 *
 *   c[row][column] (+)= sum over k of a[row + k] * b[k][column]
 *
 * Rows and k are each a nest of three loops over the array a: in a forward convolution rows are
 * (image, line, pixel) and k is (kernel row, kernel column, channel); in the gradient of the
 * weights they change places. */
#ifndef CNN_KERNELS_VECTOR_GEMM_H
#define CNN_KERNELS_VECTOR_GEMM_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* b is packed in panels of CNN_PANEL columns, each [k][CNN_PANEL]; the last is [k][VLEN] where VLEN
 * columns are enough. Unused columns may hold anything. */
#define CNN_PANEL ((size_t)2 * VLEN)

/* Columns as packed: whole vectors. */
static inline size_t cnn_packed_columns(size_t columns)
{
    return (columns + VLEN - 1) / VLEN * VLEN;
}

/* Columns as packed in the panel that begins at column. */
static inline size_t cnn_panel_width(size_t columns, size_t column)
{
    return columns - column > VLEN ? CNN_PANEL : VLEN;
}

/* Three loops, [0] the innermost, each stepping through an array by its stride. */
struct cnn_nest {
    size_t count[3];
    ptrdiff_t stride[3];
};

static inline size_t cnn_nest_size(const struct cnn_nest *nest)
{
    return nest->count[0] * nest->count[1] * nest->count[2];
}

/* How elements of 32 bits are multiplied that hold several numbers, of as many steps of k, whose
 * products are added up together (gemm_tile.h). */
struct cnn_products;

/* Two bfloat16. */
extern const struct cnn_products CNN_BF16_NAME(cnn_products_bf16);
/* CNN_BYTES bytes, of a unsigned, of b signed; two are numbers of 16 bits. c and bias are then
 * 32-bit integers, and addend and limits are not to be set. */
extern const struct cnn_products CNN_INT8_NAME(cnn_products_int8);

#define CNN_GEMM_RUNS ((size_t)64)

struct cnn_gemm {
    const struct cnn_products *products; /* NULL: elements are floats */
    const float *a;
    struct cnn_nest rows, depth; /* steps in a; depth may be empty: c is then the bias */
    /* depthwise, of floats: a[row + k + column] instead of a[row + k]; a is read up to
     * cnn_packed_columns(columns) */
    bool by_channel;
    const float *b;
    /* floats from one k to the next, for one panel that lies in b as it is; 0: packed */
    size_t b_step;
    size_t columns;
    float *c;
    ptrdiff_t c_stride[3]; /* steps of rows in c */
    /* c and addend are stored as bfloat16: an element of both, and of their steps, is two numbers.
     * Of floats and pairs, not with accumulate or pieces, and of at most CNN_GEMM_RUNS runs of k.
     */
    bool halves;
    const float *bias; /* per column; may be NULL */
    /* of floats and pairs, and not with pieces: as c, added to the complete sums; NULL: none */
    const float *addend;
    bool accumulate;                 /* add to c; bias is then not added */
    const struct cnn_limits *limits; /* sums are cut to what lies between; NULL: not */
    /* Of floats whose depth is one run: k is cut into `pieces`, a power of two, or not (0); piece i
     * ends before step ends[i]. c is the sum of the pieces' sums by the tree of util/parts.h. bias,
     * accumulate and limits are not to be set. */
    const size_t *ends;
    size_t pieces;
};

/* The limits of an activation that only cuts, kept in *limits; NULL: there is nothing to cut. */
static inline const struct cnn_limits *cnn_gemm_limits(struct cnn_activation a,
                                                       struct cnn_limits *limits)
{
    *limits = cnn_activation_limits(a);
    return a.kind != CNN_ACT_NONE && cnn_activation_cuts(a) ? limits : NULL;
}

void CNN_ISA_NAME(cnn_gemm)(const struct cnn_gemm *g);

#endif
