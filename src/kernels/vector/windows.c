/* Windows over images: geometry, blocks and padded copies (windows.h). */
#include "kernels/vector/windows.h"

#include <string.h>

/* Floats that a block's padded copy may take: a quarter of a megabyte, so that it and the weights stay in a common second-level cache. */
#define COPY_FLOATS ((size_t)1 << 16)

struct cnn_windows CNN_ISA_NAME(cnn_windows)(const struct cnn_conv *c, size_t n)
{
    return (struct cnn_windows){.images = n,
                                .height = c->in_h,
                                .width = c->in_w,
                                .channels = c->in_c,
                                .lines = c->out_h,
                                .pixels = c->out_w,
                                .taps_h = c->kernel_h,
                                .taps_w = c->kernel_w,
                                .stride_h = c->stride_h,
                                .stride_w = c->stride_w,
                                .dilation_h = c->dilation_h,
                                .dilation_w = c->dilation_w,
                                .top = (ptrdiff_t)c->pad_top,
                                .left = (ptrdiff_t)c->pad_left,
                                .mode = c->padding_mode};
}

static size_t extent(size_t positions, size_t stride, size_t taps, size_t dilation)
{
    return positions && taps ? cnn_size_plus(cnn_size_times(positions - 1, stride), cnn_size_plus(cnn_size_times(taps - 1, dilation), 1)) : 0;
}

size_t CNN_ISA_NAME(cnn_windows_rows)(const struct cnn_windows *w, size_t lines)
{
    return extent(lines, w->stride_h, w->taps_h, w->dilation_h);
}

size_t CNN_ISA_NAME(cnn_windows_columns)(const struct cnn_windows *w)
{
    return extent(w->pixels, w->stride_w, w->taps_w, w->dilation_w);
}

bool CNN_ISA_NAME(cnn_windows_padded)(const struct cnn_windows *w)
{
    return w->top != 0 || w->left != 0 || CNN_ISA_NAME(cnn_windows_rows)(w, w->lines) > w->height || CNN_ISA_NAME(cnn_windows_columns)(w) > w->width;
}

static size_t copy_floats(const struct cnn_windows *w, size_t lines, size_t floats)
{
    return cnn_size_times(cnn_size_times(CNN_ISA_NAME(cnn_windows_rows)(w, lines), CNN_ISA_NAME(cnn_windows_columns)(w)), floats);
}

struct cnn_blocks CNN_ISA_NAME(cnn_windows_cut)(const struct cnn_windows *w, size_t target, size_t floats)
{
    size_t lines = cnn_size_min(w->lines, target / w->pixels + (target < w->pixels));
    while (lines > 1 && copy_floats(w, lines, floats) > COPY_FLOATS)
        lines -= cnn_size_divide_up(lines, 8);
    struct cnn_blocks b = {.images = 1, .lines = lines, .bands = 1};
    if (lines < w->lines) {
        b.bands = cnn_size_divide_up(w->lines, lines);
        b.lines = cnn_size_divide_up(w->lines, b.bands);
        b.bands = cnn_size_divide_up(w->lines, b.lines);
        b.count = w->images * b.bands;
        return b;
    }
    size_t image = copy_floats(w, lines, floats);
    size_t images = cnn_size_min(target / (w->lines * w->pixels), image ? COPY_FLOATS / image : w->images);
    b.count = cnn_size_divide_up(w->images, images ? images : 1);
    b.images = cnn_size_divide_up(w->images, b.count);
    b.count = cnn_size_divide_up(w->images, b.images);
    return b;
}

size_t CNN_ISA_NAME(cnn_blocks_copy_floats)(const struct cnn_windows *w, const struct cnn_blocks *b, size_t floats)
{
    /* Loads of whole vectors may reach beyond the last pixel's channels. */
    return cnn_size_plus(cnn_size_times(b->images, copy_floats(w, b->lines, floats)), CNN_PANEL + 15) / 16 * 16;
}

/* The padded columns of one image row. source: NULL for a row of zeros. */
static void copy_row(const struct cnn_windows *w, size_t columns, const float *source, size_t channels, size_t floats, float *to)
{
    size_t bytes = channels * sizeof *to;
    for (size_t i = 0; i < columns;) {
        ptrdiff_t column = (ptrdiff_t)i - w->left;
        size_t at = 0, run = 1;
        bool inside = column >= 0 && column < (ptrdiff_t)w->width;
        if (inside)
            run = cnn_size_min(columns - i, w->width - (size_t)column);
        if (!source || !cnn_padded_source(column, w->width, w->mode, &at))
            for (size_t p = 0; p < run; p++)
                memset(to + (i + p) * floats, 0, bytes);
        else if (channels == w->channels && channels == floats)
            memcpy(to + i * floats, source + at * channels, run * bytes);
        else
            for (size_t p = 0; p < run; p++)
                memcpy(to + (i + p) * floats, source + (at + p) * w->channels, bytes);
        i += run;
    }
}

static void copy_image(const struct cnn_windows *w, size_t line, size_t lines, const float *image, size_t channels, size_t floats, float *to)
{
    size_t rows = CNN_ISA_NAME(cnn_windows_rows)(w, lines), columns = CNN_ISA_NAME(cnn_windows_columns)(w);
    for (size_t row = 0; row < rows; row++) {
        size_t at;
        bool inside = cnn_padded_source((ptrdiff_t)(line * w->stride_h + row) - w->top, w->height, w->mode, &at);
        copy_row(w, columns, inside ? image + at * w->width * w->channels : NULL, channels, floats, to + row * columns * floats);
    }
}

struct cnn_view CNN_ISA_NAME(cnn_windows_view)(const struct cnn_windows *w, const struct cnn_blocks *b, size_t block, const float *x, size_t channel,
                                               size_t channels, size_t floats, bool always_copy, float *copy)
{
    size_t image = block / b->bands * b->images, line = block % b->bands * b->lines;
    size_t image_floats = w->height * w->width * w->channels, row_floats = w->width * w->channels, pixel_floats = w->channels;
    struct cnn_view v = {.images = cnn_size_min(b->images, w->images - image),
                         .lines = cnn_size_min(b->lines, w->lines - line),
                         .first = (image * w->lines + line) * w->pixels};
    x += image * image_floats + channel;
    if (always_copy || CNN_ISA_NAME(cnn_windows_padded)(w)) {
        size_t columns = CNN_ISA_NAME(cnn_windows_columns)(w), copied = CNN_ISA_NAME(cnn_windows_rows)(w, v.lines) * columns * floats;
        for (size_t i = 0; i < v.images; i++)
            copy_image(w, line, v.lines, x + i * image_floats, channels, floats, copy + i * copied);
        v.data = copy;
        image_floats = copied, row_floats = columns * floats, pixel_floats = floats;
    } else {
        v.data = x + line * w->stride_h * row_floats;
    }
    v.stride[0] = (ptrdiff_t)(w->stride_w * pixel_floats);
    v.stride[1] = (ptrdiff_t)(w->stride_h * row_floats);
    v.stride[2] = (ptrdiff_t)image_floats;
    v.tap_h = (ptrdiff_t)(w->dilation_h * row_floats);
    v.tap_w = (ptrdiff_t)(w->dilation_w * pixel_floats);
    return v;
}
