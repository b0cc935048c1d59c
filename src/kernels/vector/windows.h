/* Windows that slide over images, as all passes of a convolution see them: what is read, how the
 * work is cut into blocks of output lines, and the padded copy of a block that lets the GEMM read
 * every window as plain memory. */
#ifndef CNN_KERNELS_VECTOR_WINDOWS_H
#define CNN_KERNELS_VECTOR_WINDOWS_H

#include <stdint.h>

#include "kernels/internal.h"
#include "kernels/vector/gemm.h"

/* About how many tasks a large enough operation is cut into, and the multiply-adds that make a task
 * worth a thread. */
#define CNN_TASKS     ((size_t)16)
#define CNN_TASK_WORK ((size_t)1 << 18)

/* When a block is copied, and what the copy holds. */
enum cnn_copying {
    CNN_COPY_IF_PADDED, /* a block that is not padded is read where it lies */
    CNN_COPY_ALWAYS,
    CNN_COPY_CHANNEL_PAIRS, /* always; of each pixel, pairs of channels (pairs.h) */
    /* always; pairs of neighbours in a row, so that a row of taps is one run of them. From a window
     * to the next one there is an even number of floats. */
    CNN_COPY_ROW_PAIRS,
    CNN_COPY_WIDENED, /* always; elements of four bytes become two, with 16 bits for each */
    /* always; for each tap of a kernel row, what the positions of all lines read, in one piece */
    CNN_COPY_TAPS,
    /* the same, as pairs of neighbours in a line; the last of an odd number is paired with 0. Of
     * halves, a pair for each number. */
    CNN_COPY_TAP_PAIRS
};

/* Output line l, pixel p reads, at tap (i, j), the image at row (l * stride_h + i * dilation_h) *
 * step_h - top, column (p * stride_w + j * dilation_w) * step_w - left. */
struct cnn_windows {
    size_t images, height, width, channels; /* of the array that is read */
    size_t lines, pixels;                   /* window positions */
    size_t taps_h, taps_w, stride_h, stride_w, dilation_h, dilation_w;
    /* not 1 where the rows or columns between are not read at all: a stride and just one tap */
    size_t step_h, step_w;
    ptrdiff_t top, left; /* padding; negative: rows or columns never read */
    enum cnn_padding_mode mode;
    enum cnn_copying copying;
    /* the array's numbers are stored as bfloat16, and its channels are twos of them */
    bool halves;
    float fill; /* the bits of what padding of zeros holds; copies by taps: 0 */
};

struct cnn_windows CNN_BF16_NAME(cnn_windows)(const struct cnn_conv *c, size_t n);

/* Rows and columns of the padded image, step by step, that the windows of some lines cover. */
size_t CNN_BF16_NAME(cnn_windows_rows)(const struct cnn_windows *w, size_t lines);
size_t CNN_BF16_NAME(cnn_windows_columns)(const struct cnn_windows *w);

/* Whether some window reaches beyond its image. */
bool CNN_BF16_NAME(cnn_windows_padded)(const struct cnn_windows *w);

/* How images x lines are cut: a block is `lines` lines of one image (`bands` blocks make an image),
 * or all lines of `images` images. */
struct cnn_blocks {
    size_t count, images, lines, bands;
};

/* Blocks of about target window positions, or fewer where the padded copy (floats per pixel) would
 * leave the cache. */
struct cnn_blocks CNN_BF16_NAME(cnn_windows_cut)(const struct cnn_windows *w, size_t target,
                                                 size_t floats);

/* Floats of memory that a block's copy takes. */
size_t CNN_BF16_NAME(cnn_blocks_copy_floats)(const struct cnn_windows *w,
                                             const struct cnn_blocks *b, size_t floats);

/* One block, ready to read: windows are at image * stride[2] + line * stride[1] + pixel (or pair) *
 * stride[0], taps as given. In copies by taps there is no tap_h where the lines are not 1 apart:
 * then cnn_view_tap says where a row of taps begins. */
struct cnn_view {
    const float *data;
    size_t images, lines;
    size_t first; /* position of the block's first window among all images' windows */
    ptrdiff_t stride[3], tap_h, tap_w;
    ptrdiff_t phase; /* from a row to the one below it, as far as the next line's row */
};

static inline bool cnn_windows_by_taps(const struct cnn_windows *w)
{
    return w->copying == CNN_COPY_TAPS || w->copying == CNN_COPY_TAP_PAIRS;
}

static inline ptrdiff_t cnn_view_tap(const struct cnn_windows *w, const struct cnn_view *v,
                                     size_t tap)
{
    size_t row = tap * w->dilation_h;
    return (ptrdiff_t)(row % w->stride_h) * v->phase +
           (ptrdiff_t)(row / w->stride_h) * v->stride[1];
}

/* What a block is to show of an array: the channels from `first` on, and the memory for a copy of
 * them, with `floats` floats (or pairs) per pixel. */
struct cnn_channels {
    const float *x;
    size_t first, count, floats;
    float *copy;
};

/* Block number `block` of these channels, where it lies, or copied. The copy's floats beyond the
 * channels are not set. */
struct cnn_view CNN_BF16_NAME(cnn_windows_view)(const struct cnn_windows *w,
                                                const struct cnn_blocks *b, size_t block,
                                                const struct cnn_channels *channels);

/* Products of sizes that stick at the largest one: what then asks for memory is refused it. */
static inline size_t cnn_size_times(size_t a, size_t b)
{
    size_t product;
    return __builtin_mul_overflow(a, b, &product) ? SIZE_MAX : product;
}

static inline size_t cnn_size_plus(size_t a, size_t b)
{
    size_t sum;
    return __builtin_add_overflow(a, b, &sum) ? SIZE_MAX : sum;
}

/* Tasks worth having for so many multiply-adds. */
static inline size_t cnn_tasks_wanted(size_t work)
{
    size_t tasks = work / CNN_TASK_WORK;
    return tasks < 1 ? 1 : tasks < CNN_TASKS ? tasks : CNN_TASKS;
}

/* Where the tasks so far are too few, each is split further by ranges of panels: the columns in one
 * range, whole panels. */
static inline size_t cnn_part_columns(size_t columns, size_t tasks, size_t wanted)
{
    size_t panels = cnn_size_divide_up(columns, CNN_PANEL);
    size_t parts = cnn_size_min(panels, cnn_size_divide_up(wanted, tasks));
    return cnn_size_divide_up(panels, parts) * CNN_PANEL;
}

/* Depthwise with one filter per channel: vectors run over channels, and groups are no loop. */
static inline bool cnn_conv_by_channel(const struct cnn_conv *c)
{
    return c->groups > 1 && c->groups == c->in_c && c->groups == c->out_c;
}

/* A 1x1 convolution (so a dense layer) is one matrix product over all pixels of all images: then
 * sets *n to these, and images to one pixel. */
static inline bool cnn_conv_flatten(struct cnn_conv *c, size_t *n)
{
    if (c->kernel_h * c->kernel_w != 1 || c->stride_h * c->stride_w != 1 ||
        c->pad_top + c->pad_left != 0 || c->in_h != c->out_h || c->in_w != c->out_w)
        return false;
    *n *= c->in_h * c->in_w;
    c->in_h = c->in_w = c->out_h = c->out_w = 1;
    return true;
}

#endif
