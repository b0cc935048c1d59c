/* What several of the kernels' files share: blocks of work, padding, pooling windows. */
#ifndef CNN_KERNELS_INTERNAL_H
#define CNN_KERNELS_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/kernels.h"

/* Elements of one task of an element-by-element operation. */
#define CNN_BLOCK ((size_t)16384)

static inline size_t cnn_size_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

static inline size_t cnn_size_divide_up(size_t a, size_t b)
{
    return a / b + (a % b != 0);
}

/* Rows of row_floats floats that make about one block. */
static inline size_t cnn_block_rows(size_t row_floats)
{
    return row_floats < CNN_BLOCK ? CNN_BLOCK / row_floats : 1;
}

/* Where the padded coordinate i (negative: before the image) of an axis of size pixels reads; false
 * where that is a zero. */
static inline bool cnn_padded_source(ptrdiff_t i, size_t size, enum cnn_padding_mode mode,
                                     size_t *source)
{
    ptrdiff_t last = (ptrdiff_t)size - 1;
    if (i < 0 || i > last) {
        if (mode == CNN_PAD_ZEROS)
            return false;
        if (mode == CNN_PAD_REPLICATE)
            i = i < 0 ? 0 : last;
        else
            i = i < 0 ? -i : 2 * last - i;
    }
    *source = (size_t)i;
    return true;
}

/* One axis of a pooling window: the pixels [begin, end) of the image that it covers, how many
 * window positions lie before begin, and its size with the configured padding but without what
 * ceil_mode lets it reach beyond that. */
struct cnn_pool_window {
    size_t begin, end, skipped, padded;
};

static inline struct cnn_pool_window cnn_window_at(size_t out, size_t stride, size_t kernel,
                                                   size_t pad_before, size_t pad_after, size_t size)
{
    /* Coordinates count from the first padded pixel, so none is negative. */
    size_t start = out * stride, stop = cnn_size_min(start + kernel, pad_before + size + pad_after);
    size_t begin = start > pad_before ? start - pad_before : 0;
    size_t end = stop > pad_before ? cnn_size_min(stop - pad_before, size) : 0;
    begin = cnn_size_min(begin, size);
    return (struct cnn_pool_window){.begin = begin,
                                    .end = end > begin ? end : begin,
                                    .skipped = begin + pad_before -
                                               cnn_size_min(start, begin + pad_before),
                                    .padded = stop > start ? stop - start : 0};
}

static inline struct cnn_pool_window cnn_window_rows(const struct cnn_pool *p, size_t oy)
{
    return cnn_window_at(oy, p->stride_h, p->kernel_h, p->pad_top, p->pad_bottom, p->in_h);
}

static inline struct cnn_pool_window cnn_window_columns(const struct cnn_pool *p, size_t ox)
{
    return cnn_window_at(ox, p->stride_w, p->kernel_w, p->pad_left, p->pad_right, p->in_w);
}

/* The divisor of an average, by PyTorch's rules; 0 for a window without pixels. */
static inline size_t cnn_window_divisor(const struct cnn_pool *p, struct cnn_pool_window rows,
                                        struct cnn_pool_window columns)
{
    size_t area = (rows.end - rows.begin) * (columns.end - columns.begin);
    return p->count_include_pad && area ? rows.padded * columns.padded : area;
}

/* One over it. */
static inline float cnn_window_scale(const struct cnn_pool *p, struct cnn_pool_window rows,
                                     struct cnn_pool_window columns)
{
    const size_t divisor = cnn_window_divisor(p, rows, columns);
    return divisor ? 1.0f / (float)divisor : 0.0f;
}

#endif
