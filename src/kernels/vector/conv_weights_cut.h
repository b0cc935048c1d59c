/* How the gradients of a convolution's weights (conv_backward_weights.c) are cut into tasks, and
 * what memory they want. */
#ifndef CNN_KERNELS_VECTOR_CONV_WEIGHTS_CUT_H
#define CNN_KERNELS_VECTOR_CONV_WEIGHTS_CUT_H

#include "kernels/vector/pairs.h"
#include "kernels/vector/windows.h"
#include "util/parts.h"

/* How the positions of a part are passed. */
struct cnn_weights_blocks {
    struct cnn_windows windows; /* over a */
    struct cnn_blocks blocks;
    size_t columns; /* of b that are packed at a time */
};

/* The product is of rows of a and columns of b; which of them are x and dy: `swapped`. */
struct cnn_weights_cut {
    struct cnn_parts run;
    size_t images;                     /* of a part, or one more */
    struct cnn_weights_blocks part[2]; /* of a part of so many images, and of one more */
    struct cnn_weights_blocks whole;   /* of the run */
    bool at_once; /* the GEMM adds up the parts, which end at these positions */
    size_t ends[CNN_PARTS_MOST];
    bool swapped; /* a is dy, and b is x; else the other way round */
    bool by_channel, pairs;
    /* channels of a and of b in one group (by_channel: one group, all channels) */
    size_t groups, group_a, group_b;
    size_t merged;                      /* groups that are put together to one */
    bool a_halves, b_halves, dy_halves; /* stored as bfloat16 */
    size_t b_channels, filters;
    size_t own;                          /* filters whose gradients are wanted */
    size_t chunks, chunk_parts, waiting; /* sums that wait, at most */
    size_t slices, slice_channels, parts, part_columns;
    size_t rows;                      /* of one group's product */
    size_t group_sums, chunk_sums;    /* floats */
    size_t bias_floats;               /* of one part */
    size_t tile_floats;               /* of a sum that waits */
    size_t copy_floats, panel_floats; /* the padded copy; packed columns */
    size_t thread_floats;             /* those, and tiles of sums */
    size_t taps_rows, taps_columns;   /* of the kernel */
    size_t pixel_floats;
};

/* count: of the filters; 0: all. */
struct cnn_weights_cut CNN_BF16_NAME(cnn_weights_cut)(const struct cnn_conv *c,
                                                      const struct cnn_parts *run, size_t count);

/* Whether the product goes straight into dw. */
static inline bool cnn_weights_direct(const struct cnn_weights_cut *k)
{
    return k->swapped && k->chunks == 1;
}

/* Whether a task puts its product into dw itself: there is but one chunk. */
static inline bool cnn_weights_alone(const struct cnn_weights_cut *k)
{
    return !k->swapped && k->chunks == 1;
}

/* Floats of the chunks' sums. */
static inline size_t cnn_weights_sums(const struct cnn_weights_cut *k)
{
    return k->chunks == 1 ? 0 : cnn_size_times(k->chunks, k->chunk_sums);
}

/* Steps of k that one line makes. */
static inline size_t cnn_weights_steps(const struct cnn_weights_cut *k, const struct cnn_windows *w)
{
    return k->pairs ? cnn_pairs(w->pixels) : w->pixels;
}

#endif
