/* The micro-kernel, for gemm.c and for what multiplies narrow numbers (gemm_bf16.c, gemm_int8.c). A
 * tile of c, up to 8 rows of one or two vectors, stays in registers while k runs; each step of k
 * loads the vectors of b once and multiplies them by one element of each row. Every element of c is
 * one running sum in the order of k, whatever the tile. */
#ifndef CNN_KERNELS_VECTOR_GEMM_TILE_H
#define CNN_KERNELS_VECTOR_GEMM_TILE_H

#include "kernels/vector/gemm.h"

#define MAX_ROWS 8
#if defined(__AVX512F__) || !defined(__SSE2__)
#define TILE_ROWS 8 /* rows of a tile of two vectors: as many as the registers hold */
#elif defined(__AVX2__)
#define TILE_ROWS 6
#else
#define TILE_ROWS 4
#endif

/* How many floats ahead b is asked for; 0: not at all. The steps of AVX2 are too short for the CPU
 * to see as far ahead as a distant cache is slow. */
#if VLEN == 8
#define AHEAD 1024
#else
#define AHEAD 0
#endif

struct tile {
    const float *a[MAX_ROWS];
    float *c[MAX_ROWS];
    const float *addend[MAX_ROWS];
    ptrdiff_t segment[CNN_GEMM_RUNS]; /* where in a the runs of k begin */
    size_t segments, depth;           /* steps in each run */
    ptrdiff_t step;                   /* in a, from one step to the next */
    const float *b, *bias;
    size_t b_step; /* floats from one step to the next */
    size_t tail;   /* columns in the last vector; 0: all of them */
    bool load, add, cut, halves;
    struct cnn_limits limits;
    const size_t *ends; /* of the pieces whose sums are apart: steps of k */
    size_t pieces;
};

/* Only the last vector of a tile may have fewer than VLEN columns: tail of them; 0 where it is
 * whole, too. */
CNN_INLINE void tile_load(const float *const *c, size_t rows, size_t vectors, size_t tail,
                          vfloat acc[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            acc[r][j] = tail && j + 1 == vectors ? vload_tail(c[r] + j * VLEN, tail)
                                                 : vload(c[r] + j * VLEN);
}

CNN_INLINE void tile_store(float *const *c, size_t rows, size_t vectors, size_t tail,
                           vfloat acc[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++) {
            if (tail && j + 1 == vectors)
                vstore_tail(c[r] + j * VLEN, tail, acc[r][j]);
            else
                vstore(c[r] + j * VLEN, acc[r][j]);
        }
}

#if defined(__AVX512F__)
/* The same of numbers that are stored as bfloat16. */
CNN_INLINE void tile_load_halves(const float *const *c, size_t rows, size_t vectors, size_t tail,
                                 vfloat acc[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++) {
            const unsigned short *p = (const unsigned short *)c[r] + j * VLEN;
            acc[r][j] = tail && j + 1 == vectors ? vload_halves_tail(p, tail) : vload_halves(p);
        }
}

CNN_INLINE void tile_store_halves(float *const *c, size_t rows, size_t vectors, size_t tail,
                                  vfloat acc[MAX_ROWS][2])
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++) {
            unsigned short *p = (unsigned short *)c[r] + j * VLEN;
            if (tail && j + 1 == vectors)
                vstore_halves_tail(p, tail, acc[r][j]);
            else
                vstore_halves(p, acc[r][j]);
        }
}
#endif

CNN_INLINE void tile_begin(const struct tile *t, size_t rows, size_t vectors,
                           vfloat acc[MAX_ROWS][2])
{
    if (t->load) {
        if (t->tail)
            tile_load((const float *const *)t->c, rows, vectors, t->tail, acc);
        else
            tile_load((const float *const *)t->c, rows, vectors, 0, acc);
        return;
    }
#pragma GCC unroll 2
    for (size_t j = 0; j < vectors; j++) {
        vfloat first = {0};
        if (t->bias)
            first = t->tail && j + 1 == vectors ? vload_tail(t->bias + j * VLEN, t->tail)
                                                : vload(t->bias + j * VLEN);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
            acc[r][j] = first;
    }
}

CNN_INLINE void tile_store_all(const struct tile *t, size_t rows, size_t vectors,
                               vfloat acc[MAX_ROWS][2])
{
    if (t->tail)
        tile_store(t->c, rows, vectors, t->tail, acc);
    else
        tile_store(t->c, rows, vectors, 0, acc);
}

/* What becomes of the sums. */
enum ending {
    STORED,
    ADDED,         /* to an addend first */
    ROUNDED,       /* stored as bfloat16 */
    ADDED_ROUNDED, /* both, and so is the addend */
};

/* Adds the tile's addend. */
CNN_INLINE void tile_add(const struct tile *t, size_t rows, size_t vectors, enum ending ending,
                         vfloat acc[MAX_ROWS][2])
{
    vfloat addend[MAX_ROWS][2];
    (void)ending; /* without bfloat16 there is one */
#if defined(__AVX512F__)
    if (ending == ADDED_ROUNDED)
        tile_load_halves(t->addend, rows, vectors, t->tail, addend);
    else
#endif
        if (t->tail)
        tile_load(t->addend, rows, vectors, t->tail, addend);
    else
        tile_load(t->addend, rows, vectors, 0, addend);
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            acc[r][j] += addend[r][j];
}

/* Asks for it, so that it is there when the sums are. */
CNN_INLINE void tile_prefetch(const struct tile *t, size_t rows, size_t vectors)
{
#pragma GCC unroll 8
    for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
        for (size_t j = 0; j < vectors; j++)
            __builtin_prefetch(t->addend[r] + j * VLEN);
}

CNN_INLINE void tile_end(const struct tile *t, size_t rows, size_t vectors, enum ending ending,
                         vfloat acc[MAX_ROWS][2])
{
    if (ending == ADDED || ending == ADDED_ROUNDED)
        tile_add(t, rows, vectors, ending, acc);
    if (t->cut) {
        const vfloat low = vset(t->limits.low), high = vset(t->limits.high);
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
            for (size_t j = 0; j < vectors; j++)
                acc[r][j] = vmin(high, vmax(low, acc[r][j]));
    }
#if defined(__AVX512F__)
    if (ending == ROUNDED || ending == ADDED_ROUNDED)
        tile_store_halves(t->c, rows, vectors, t->tail, acc);
    else
#endif
        tile_store_all(t, rows, vectors, acc);
}

/* What a step of k multiplies: floats, or the narrow numbers of an element; of depthwise
 * convolutions, each channel by its own. */
enum product { FLOATS, BF16_PAIRS, INT8, BY_CHANNEL };

CNN_INLINE vfloat add_product(enum product product, vfloat sum, const float *a, vfloat b)
{
    switch (product) {
    case BF16_PAIRS:
        return vdot_bf16(sum, vset_bits(a), (vint)b);
    case INT8:
        return (vfloat)vdot_bytes((vint)sum, vset_bits(a), (vint)b);
    case BY_CHANNEL:
        return sum + vload(a) * b;
    default:
        return sum + vset(*a) * b;
    }
}

CNN_INLINE void tile_multiply(const struct tile *t, size_t rows, size_t vectors,
                              enum product product, enum ending ending)
{
    vfloat acc[MAX_ROWS][2];
    const float *a[MAX_ROWS], *b = t->b;
    const ptrdiff_t step = t->step;
    const size_t b_step = t->b_step;
    tile_begin(t, rows, vectors, acc);
    if (ending == ADDED || ending == ADDED_ROUNDED)
        tile_prefetch(t, rows, vectors);
    for (size_t s = 0; s < t->segments; s++) {
        ptrdiff_t k = t->segment[s];
        __asm__ volatile("" ::
                             /* load the row pointers for each piece: kept from one to the next, GCC
                                moves them through vector registers */
                         : "memory");
#pragma GCC unroll 8
        for (size_t r = 0; r < rows; r++)
            a[r] = t->a[r];
        for (const float *end = b + t->depth * b_step; b != end; b += b_step, k += step) {
            if (AHEAD > 0)
                __builtin_prefetch(b + AHEAD);
#pragma GCC unroll 8
            for (size_t r = 0; r < rows; r++)
#pragma GCC unroll 2
                for (size_t j = 0; j < vectors; j++)
                    acc[r][j] = add_product(product, acc[r][j],
                                            a[r] + k + (product == BY_CHANNEL ? j * VLEN : 0),
                                            vload(b + j * VLEN));
        }
    }
    tile_end(t, rows, vectors, ending, acc);
}

typedef void cnn_tile_function(const struct tile *t);

/* The tile shapes for one panel of one or two vectors: [0] one row, [1] up to four, [2] the
 * largest. */
typedef cnn_tile_function *cnn_tile_shapes[2][3];

struct cnn_products {
    cnn_tile_shapes tiles[4]; /* by ending; all but STORED may be left out */
};

#define TILE(name, rows, vectors, product, ending)                                                 \
    static void name(const struct tile *t)                                                         \
    {                                                                                              \
        tile_multiply(t, rows, vectors, product, ending);                                          \
    }
#define TILES(name, product, ending)                                                               \
    TILE(name##_1x1, 1, 1, product, ending)                                                        \
    TILE(name##_4x1, 4, 1, product, ending)                                                        \
    TILE(name##_8x1, MAX_ROWS, 1, product, ending)                                                 \
    TILE(name##_1x2, 1, 2, product, ending)                                                        \
    TILE(name##_4x2, 4, 2, product, ending)                                                        \
    TILE(name##_8x2, TILE_ROWS, 2, product, ending)
#define SHAPES(name)                                                                               \
    {                                                                                              \
        {name##_1x1, name##_4x1, name##_8x1},                                                      \
        {                                                                                          \
            name##_1x2, name##_4x2, name##_8x2                                                     \
        }                                                                                          \
    }

#endif
