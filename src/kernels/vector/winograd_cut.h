/* How the passes of Winograd's algorithm (winograd.h) are cut into tasks, and what memory they
 * want: of shapes alone, whatever the values are stored as. */
#ifndef CNN_KERNELS_VECTOR_WINOGRAD_CUT_H
#define CNN_KERNELS_VECTOR_WINOGRAD_CUT_H

#include "kernels/kernels.h"
#include "kernels/vector/windows.h"
#include "kernels/vector/winograd_tile.h"
#include "util/parts.h"

enum {
    CNN_TILE_ROW = 6,
    CNN_PAIR_POINTS = CNN_POINTS / CNN_PAIRS
}; /* points of a row; of a pair */

/* Of the forward pass and of the gradient of the data. */
struct cnn_winograd_cut {
    struct cnn_tiles in, out; /* the same tiles over x, with a border of 1, and over y */
    size_t groups, group_in, group_out;
    size_t block, blocks, slot; /* tiles of a block; floats of a point of a block */
    size_t run, part, parts;    /* blocks of one task, and how many of a group's filters */
    size_t products;            /* floats from a product of a tile to the next */
    /* Of weights that are transformed late: channels at a time, 0: they are not; floats from a
     * point to the next of inputs and of weights. */
    size_t depth, inputs, weights;
    size_t zero_floats, thread_floats; /* of scratch: what lies outside of images; of one thread */
};

struct cnn_winograd_cut CNN_ISA_NAME(cnn_winograd_cut)(const struct cnn_conv *c, size_t n,
                                                       bool backward);

/* Steps of k of one GEMM of the gradient of the weights, during which its sums stay in registers: a
 * tile each, of values that are stored as bfloat16 two. */
#define CNN_DEEP_STEPS ((size_t)32)

/* Of the gradient of the weights. */
struct cnn_winograd_weights_cut {
    struct cnn_tiles in, out; /* over x and over dy */
    size_t groups, group_in, group_out;
    size_t own;                                    /* the filters whose gradients are wanted */
    size_t part_in, part_out, in_parts, out_parts; /* of a group */
    struct cnn_parts run;
    size_t image_tiles, parts, chunks, chunk_parts, waiting, tiles;
    size_t block; /* steps */
    size_t in_slot, out_slot, point, piece, zero_floats, bias_floats, thread_floats;
};

/* count: of the filters; 0: all. */
struct cnn_winograd_weights_cut CNN_ISA_NAME(cnn_winograd_weights_cut)(const struct cnn_conv *c,
                                                                       size_t n,
                                                                       const struct cnn_parts *run,
                                                                       size_t count);

#endif
