/* What the passes of a convolution share: the layout of packed weights, and how the forward pass
 * and the gradient of the data, both of which slide windows over an array, are cut into tasks. */
#ifndef CNN_KERNELS_VECTOR_CONV_INTERNAL_H
#define CNN_KERNELS_VECTOR_CONV_INTERNAL_H

#include "kernels/vector/pairs.h"
#include "kernels/vector/windows.h"
#include "kernels/vector/winograd.h"

/* Whether the sums are of pairs of bfloat16: channel with channel in the forward pass, filter with
 * filter in the gradient of the data, window position with window position in that of the weights.
 * Very few channels would mostly be paired with zeros. */
static inline bool cnn_conv_by_pairs(const struct cnn_conv *c)
{
    return CNN_FAST_PAIRS && c->bf16 && !cnn_conv_by_channel(c) && c->in_c / c->groups >= 4 &&
           c->out_c / c->groups >= 4;
}

/* Whether the forward pass pairs what lies side by side in a row, as the first layer of a network
 * wants it. Of an odd number the last one is paired with the number behind it, which is multiplied
 * by 0: only where that is infinite or NaN, so is the sum. */
static inline bool cnn_conv_by_row_pairs(const struct cnn_conv *c)
{
    return CNN_FAST_PAIRS && c->bf16 && c->groups == 1 && c->in_c < 4 && c->out_c >= 4 &&
           c->kernel_w > 1 && c->dilation_w == 1 && c->stride_w * c->in_c % 2 == 0;
}

/* What the passes multiply, except by Winograd's algorithm and depthwise: narrow groups are put
 * together to one as wide as a vector, whose weights from a group to another are 0. Products with
 * these cost nothing, as lanes of a vector would be left over; but where numbers of a group are
 * infinite or NaN, sums of its neighbours become NaN. Floats have half vectors for few columns
 * (gemm.c). */
static inline struct cnn_conv cnn_conv_merged(const struct cnn_conv *conv)
{
    struct cnn_conv c = *conv;
    const size_t most = cnn_conv_by_pairs(conv) ? VLEN : cnn_size_min(VLEN, 8);
    if (c.kernel_h * c.kernel_w == 1 || c.in_c / c.groups < 4 || c.out_c / c.groups < 4)
        return c;
    while (c.groups % 2 == 0 && 2 * (c.in_c / c.groups) <= most && 2 * (c.out_c / c.groups) <= most)
        c.groups /= 2;
    return c;
}

/* Whether the convolution goes by Winograd's algorithm: all passes of it, or none. Pairs take half
 * of the time of floats, and the weights' transform is as much work for one image as for many. So
 * inference goes by pairs where Winograd's takes more than 1 / 3.5 of the products, of 1 / 4 at
 * best: where the last tiles reach far beyond the image, at 14 x 14 and 7 x 7, not at 28 x 28. So
 * does training of narrow groups, whose products are small beside the transforms. */
static inline bool cnn_conv_by_winograd(const struct cnn_conv *c)
{
    const size_t tiles = cnn_size_divide_up(c->out_h, 4) * cnn_size_divide_up(c->out_w, 4);
    const bool few = 2 * c->out_h * c->out_w * 9 < 7 * tiles * 36,
               narrow = c->groups > 1 && c->in_c / c->groups <= 32;
    return CNN_ISA_NAME(cnn_winograd_fits)(c) &&
           !(cnn_conv_by_pairs(c) && few && (c->forward_only || narrow));
}

/* What a step through numbers that are stored as bfloat16 is in elements of two; else itself. */
static inline size_t cnn_elements(size_t numbers, bool halves)
{
    return halves ? numbers / 2 : numbers;
}

/* Packed weights, of merged groups: for the forward pass [group][panel][kernel row, kernel column,
 * channel][column], columns being filters; for the gradient of the data [phase][group][panel][tap
 * row, tap column, filter][column], columns being channels. Channels and filters of the third index
 * may be pairs, and so may (kernel column, channel) as one index. Depthwise: one group whose
 * columns are channels, and no third index. Of few channels, what conv_scatter.h wants takes the
 * place of the latter. */

/* One axis of a phase of the gradient of the data. Where the stride is s, the input rows i with (i
 * + pad) % s == residue are reached only by the taps t with t * dilation % s == residue: on their
 * own they are a correlation with stride 1 of dy and those taps, last tap first (Dumoulin and
 * Visin, "A guide to convolution arithmetic for deep learning", 2016, without its inserted
 * zeros). */
struct cnn_phase {
    size_t first, count;      /* the input rows: first, first + stride, ... */
    size_t taps;              /* may be 0 */
    size_t last_tap, between; /* the taps: last_tap, last_tap - between, ... */
    size_t dilation;          /* in dy, between taps */
    ptrdiff_t pad;            /* of dy; negative: rows never read */
};

struct cnn_phase CNN_BF16_NAME(cnn_phase_at)(size_t residue, size_t size, size_t kernel,
                                             size_t stride, size_t dilation, size_t pad);

/* How a pass that slides windows over x, of groups of group_in channels, to make group_out columns,
 * is cut: into tasks, one for each part of the columns of each group of each block of positions. */
struct cnn_correlation {
    struct cnn_windows windows;
    size_t groups, group_in, group_out;
    bool by_channel, pairs; /* by_channel: groups == 1, group_in == group_out */
    bool row_pairs;         /* pairs too, but of neighbours in a row */
    /* x is stored as bfloat16, so is pairs as it lies: what is said of its channels here and in
     * windows is said of them */
    bool halves;
    /* By cnn_correlation_plan: */
    struct cnn_blocks blocks;
    size_t pixel_floats; /* of a copy; 1 of row pairs, which no pixel has for itself */
    size_t taps_w;       /* of a kernel row; 1 of row pairs */
    size_t depth;        /* steps of k in one tap: channels, pairs, or 1 by channel */
    size_t part_columns, parts, copy_floats;
};

/* Fills in the plan, for work multiply-adds, and windows.copying. Lines of a block are a multiple
 * of line_multiple where a block has not all lines. */
void CNN_BF16_NAME(cnn_correlation_plan)(struct cnn_correlation *k, size_t work,
                                         size_t line_multiple);

/* One task: its columns of its group, and its block, copied or read where it lies. */
struct cnn_correlation_task {
    size_t column, columns, group, block, image, line; /* the first image and line of the block */
    struct cnn_view view;
};

struct cnn_correlation_task CNN_BF16_NAME(cnn_correlation_task)(const struct cnn_correlation *k,
                                                                size_t task, const float *x,
                                                                float *copy);

/* Two lines of `pixels` pixels with `columns` numbers each. */
struct cnn_line_pair {
    const float *upper, *lower;
    size_t pixels, columns;
};

/* Pools two lines to `to`, whose pixels are y_step floats apart, and which may be the upper line
 * where y_step is at most two of its pixels. Lines are read up to VLEN floats beyond their end. */
void CNN_BF16_NAME(cnn_pool_lines)(bool average, const struct cnn_line_pair *lines, float *to,
                                   ptrdiff_t y_step);

/* Scratch, all threads together, of each pass. */
size_t CNN_BF16_NAME(cnn_conv_forward_scratch)(const struct cnn_conv *c, size_t n);
size_t CNN_BF16_NAME(cnn_conv_backward_data_scratch)(const struct cnn_conv *c, size_t n);
size_t CNN_BF16_NAME(cnn_conv_backward_weights_scratch)(const struct cnn_conv *c, size_t n);

#endif
