/* Windows over images: geometry, blocks and padded copies (windows.h). */
#include "kernels/vector/windows.h"

#include <string.h>

#include "kernels/vector/pairs.h"

/* Floats that a block's padded copy may take: a quarter of a megabyte, so that it and the weights
 * stay in a common second-level cache. */
#define COPY_FLOATS ((size_t)1 << 16)

/* Window positions that a block has at least, whatever its copy takes, if there are as many: for
 * fewer, weights would be read too often. */
#define POSITIONS_MIN ((size_t)64)

struct cnn_windows CNN_BF16_NAME(cnn_windows)(const struct cnn_conv *c, size_t n)
{
    return (struct cnn_windows){.images = n,
                                .height = c->in_h,
                                .width = c->in_w,
                                .channels = c->in_c,
                                .lines = c->out_h,
                                .pixels = c->out_w,
                                .taps_h = c->kernel_h,
                                .taps_w = c->kernel_w,
                                .stride_h = c->kernel_h == 1 ? 1 : c->stride_h,
                                .stride_w = c->kernel_w == 1 ? 1 : c->stride_w,
                                .dilation_h = c->dilation_h,
                                .dilation_w = c->dilation_w,
                                .step_h = c->kernel_h == 1 ? c->stride_h : 1,
                                .step_w = c->kernel_w == 1 ? c->stride_w : 1,
                                .top = (ptrdiff_t)c->pad_top,
                                .left = (ptrdiff_t)c->pad_left,
                                .mode = c->padding_mode};
}

static size_t extent(size_t positions, size_t stride, size_t taps, size_t dilation)
{
    return positions && taps ? cnn_size_plus(cnn_size_times(positions - 1, stride),
                                             cnn_size_plus(cnn_size_times(taps - 1, dilation), 1))
                             : 0;
}

size_t CNN_BF16_NAME(cnn_windows_rows)(const struct cnn_windows *w, size_t lines)
{
    return extent(lines, w->stride_h, w->taps_h, w->dilation_h);
}

size_t CNN_BF16_NAME(cnn_windows_columns)(const struct cnn_windows *w)
{
    return extent(w->pixels, w->stride_w, w->taps_w, w->dilation_w);
}

bool CNN_BF16_NAME(cnn_windows_padded)(const struct cnn_windows *w)
{
    return w->top != 0 || w->left != 0 ||
           extent(CNN_BF16_NAME(cnn_windows_rows)(w, w->lines), w->step_h, 1, 1) > w->height ||
           extent(CNN_BF16_NAME(cnn_windows_columns)(w), w->step_w, 1, 1) > w->width;
}

/* Positions of a line, or pairs of them. */
static size_t line_steps(const struct cnn_windows *w)
{
    return w->copying == CNN_COPY_TAP_PAIRS ? cnn_pairs(w->pixels) : w->pixels;
}

/* Rows of a copy. By taps, rows that are the stride of the lines apart follow each other: as many
 * for each of the rows between two lines. */
static size_t copy_rows(const struct cnn_windows *w, size_t lines)
{
    size_t rows = CNN_BF16_NAME(cnn_windows_rows)(w, lines);
    return cnn_windows_by_taps(w)
               ? cnn_size_times(cnn_size_divide_up(rows, w->stride_h), w->stride_h)
               : rows;
}

static size_t copy_floats(const struct cnn_windows *w, size_t lines, size_t floats)
{
    size_t columns = cnn_windows_by_taps(w) ? cnn_size_times(w->taps_w, line_steps(w))
                                            : CNN_BF16_NAME(cnn_windows_columns)(w);
    if (w->copying == CNN_COPY_ROW_PAIRS)
        columns = cnn_pairs(cnn_size_times(columns, w->channels));
    return cnn_size_times(cnn_size_times(copy_rows(w, lines), columns), floats);
}

struct cnn_blocks CNN_BF16_NAME(cnn_windows_cut)(const struct cnn_windows *w, size_t target,
                                                 size_t floats)
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
    size_t positions = w->lines * w->pixels,
           images = cnn_size_min(target / positions, image ? COPY_FLOATS / image : w->images);
    images = images * positions < POSITIONS_MIN
                 ? cnn_size_divide_up(cnn_size_min(target, POSITIONS_MIN), positions)
                 : images;
    b.count = cnn_size_divide_up(w->images, images ? images : 1);
    b.images = cnn_size_divide_up(w->images, b.count);
    b.count = cnn_size_divide_up(w->images, b.images);
    return b;
}

size_t CNN_BF16_NAME(cnn_blocks_copy_floats)(const struct cnn_windows *w,
                                             const struct cnn_blocks *b, size_t floats)
{
    /* Loads of whole vectors may reach beyond the last pixel's channels. */
    return cnn_size_plus(cnn_size_times(b->images, copy_floats(w, b->lines, floats)),
                         CNN_PANEL + 15) /
           16 * 16;
}

/* The pixel that a column of the copy shows; NULL for zeros. row: of the image, or NULL. */
static const float *pixel_at(const struct cnn_windows *w, const float *row, size_t column)
{
    size_t at;
    bool inside =
        row && cnn_padded_source((ptrdiff_t)(column * w->step_w) - w->left, w->width, w->mode, &at);
    return inside ? row + at * w->channels : NULL;
}

/* n bytes as numbers of 16 bits. */
static void widen(const unsigned char *from, size_t n, unsigned char *to)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned short number = from[i];
        memcpy(to + i * sizeof number, &number, sizeof number);
    }
}

/* Channels of pixels that lie `step` floats apart, as floats, as pairs of channels, or widened. */
static void copy_pixels(const struct cnn_windows *w, const struct cnn_channels *channels,
                        const float *from, size_t step, size_t pixels, float *to)
{
    const size_t floats = channels->floats;
    size_t count = channels->count;
    if (step == count && floats == count * (w->copying == CNN_COPY_WIDENED ? 2 : 1) &&
        w->copying != CNN_COPY_CHANNEL_PAIRS) { /* one after the other, as if they were one */
        count *= pixels;
        pixels = 1;
    }
    for (size_t p = 0; p < pixels; p++, from += step, to += floats)
        switch (w->copying) {
        case CNN_COPY_CHANNEL_PAIRS:
            cnn_pair_channels(from, count, to);
            break;
        case CNN_COPY_WIDENED:
            widen((const unsigned char *)from, count * 4, (unsigned char *)to);
            break;
        default:
            memcpy(to, from, count * sizeof *to);
        }
}

/* How many columns of the copy, from one that shows a pixel on, show pixels as far apart. */
static size_t run_of_pixels(const struct cnn_windows *w, size_t column)
{
    const size_t columns = CNN_BF16_NAME(cnn_windows_columns)(w);
    const ptrdiff_t at = (ptrdiff_t)(column * w->step_w) - w->left;
    if (at < 0 || at >= (ptrdiff_t)w->width) /* of another padding than zeros */
        return 1;
    return cnn_size_min(columns - column, cnn_size_divide_up(w->width - (size_t)at, w->step_w));
}

/* A row of an image; NULL for a row of zeros. */
static void copy_row(const struct cnn_windows *w, const struct cnn_channels *channels,
                     const float *row, float *to)
{
    const size_t columns = CNN_BF16_NAME(cnn_windows_columns)(w), floats = channels->floats,
                 filled = w->copying == CNN_COPY_CHANNEL_PAIRS || w->copying == CNN_COPY_WIDENED
                              ? floats
                              : channels->count;
    for (size_t i = 0, run; i < columns; i += run, to += run * floats) {
        const float *pixel = pixel_at(w, row, i);
        run = pixel ? run_of_pixels(w, i) : 1;
        if (pixel)
            copy_pixels(w, channels, pixel, w->step_w * w->channels, run, to);
        else
            for (size_t k = 0; k < filled; k++)
                to[k] = w->fill;
    }
}

/* A row of an image as pairs of neighbours; the last of an odd number is paired with 0. */
static void copy_row_as_pairs(const struct cnn_windows *w, const float *row, float *pairs)
{
    const size_t columns = CNN_BF16_NAME(cnn_windows_columns)(w), bytes = 2 * w->channels;
    unsigned char *to = (unsigned char *)pairs;
    memset(to + columns * bytes, 0, columns * w->channels % 2 * 2);
    for (size_t i = 0, run; i < columns; i += run, to += run * bytes) {
        const float *pixel = pixel_at(w, row, i);
        run = pixel ? run_of_pixels(w, i) : 1;
        if (pixel)
            cnn_pair_neighbours(pixel, run * w->channels, to);
        else
            memset(to, 0, bytes);
    }
}

/* A row of an image as what each tap reads of it, taps `step` floats apart. */
static void copy_row_by_taps(const struct cnn_windows *w, const float *row, size_t channels,
                             size_t floats, size_t step, float *to)
{
    bool pairs = w->copying == CNN_COPY_TAP_PAIRS;
    for (size_t tap = 0; tap < w->taps_w; tap++, to += step) {
        float *pixel = to;
        for (size_t p = 0; p < w->pixels; p += pairs ? 2 : 1, pixel += floats) {
            size_t column = p * w->stride_w + tap * w->dilation_w;
            const float *from = pixel_at(w, row, column);
            const float *next =
                pairs && p + 1 < w->pixels ? pixel_at(w, row, column + w->stride_w) : NULL;
            if (pairs && w->halves)
                cnn_pair_rows_of_halves((const unsigned short *)from, (const unsigned short *)next,
                                        2 * channels, pixel);
            else if (pairs)
                cnn_pair_rows(from, next, channels, pixel);
            else if (from)
                memcpy(pixel, from, channels * sizeof *pixel);
            else
                memset(pixel, 0, channels * sizeof *pixel);
        }
    }
}

static void copy_image(const struct cnn_windows *w, const struct cnn_view *v, size_t line,
                       const struct cnn_channels *channels, const float *image, float *to)
{
    size_t rows = CNN_BF16_NAME(cnn_windows_rows)(w, v->lines);
    for (size_t i = 0; i < rows; i++) {
        size_t at;
        bool inside = cnn_padded_source((ptrdiff_t)((line * w->stride_h + i) * w->step_h) - w->top,
                                        w->height, w->mode, &at);
        const float *row = inside ? image + at * w->width * w->channels : NULL;
        float *place = to + (ptrdiff_t)(i % w->stride_h) * v->phase +
                       (ptrdiff_t)(i / w->stride_h) * v->stride[1];
        if (cnn_windows_by_taps(w))
            copy_row_by_taps(w, row, channels->count, channels->floats, (size_t)v->tap_w, place);
        else if (w->copying == CNN_COPY_ROW_PAIRS)
            copy_row_as_pairs(w, row, place);
        else
            copy_row(w, channels, row, place);
    }
}

/* Steps of a view whose pixels and rows are so many floats apart. */
static void view_steps(const struct cnn_windows *w, struct cnn_view *v, size_t pixel, size_t row,
                       size_t image)
{
    v->stride[0] = (ptrdiff_t)(w->stride_w * pixel);
    v->stride[1] = (ptrdiff_t)(w->stride_h * row);
    v->stride[2] = (ptrdiff_t)image;
    v->tap_h = (ptrdiff_t)(w->dilation_h * row);
    v->tap_w = (ptrdiff_t)(w->dilation_w * pixel);
    v->phase = (ptrdiff_t)row;
}

static void view_steps_of_pairs(const struct cnn_windows *w, struct cnn_view *v)
{
    const size_t row = copy_floats(w, 1, 1) / CNN_BF16_NAME(cnn_windows_rows)(w, 1);
    view_steps(w, v, 0, row, copy_floats(w, v->lines, 1));
    v->stride[0] = (ptrdiff_t)(w->stride_w * w->channels / 2);
}

static void view_steps_by_taps(const struct cnn_windows *w, struct cnn_view *v, size_t floats)
{
    size_t line = line_steps(w) * floats, rows = copy_rows(w, v->lines);
    v->stride[0] = (ptrdiff_t)floats;
    v->stride[1] = (ptrdiff_t)line;
    v->stride[2] = (ptrdiff_t)(w->taps_w * rows * line);
    v->tap_h = (ptrdiff_t)(w->dilation_h * line);
    v->tap_w = (ptrdiff_t)(rows * line);
    v->phase = (ptrdiff_t)(rows / w->stride_h * line);
}

/* Whether an image is one pixel, and its copy as well (cnn_conv_flatten). */
static bool one_pixel(const struct cnn_windows *w)
{
    return w->height * w->width * w->lines * w->pixels * w->taps_h * w->taps_w == 1 &&
           w->top == 0 && w->left == 0 && !cnn_windows_by_taps(w);
}

struct cnn_view CNN_BF16_NAME(cnn_windows_view)(const struct cnn_windows *w,
                                                const struct cnn_blocks *b, size_t block,
                                                const struct cnn_channels *channels)
{
    size_t image = block / b->bands * b->images, line = block % b->bands * b->lines;
    size_t row_floats = w->width * w->channels, image_floats = w->height * row_floats;
    struct cnn_view v = {.images = cnn_size_min(b->images, w->images - image),
                         .lines = cnn_size_min(b->lines, w->lines - line),
                         .first = (image * w->lines + line) * w->pixels};
    const float *x = channels->x + image * image_floats + channels->first;
    size_t floats = channels->floats;
    if (w->copying == CNN_COPY_IF_PADDED && !CNN_BF16_NAME(cnn_windows_padded)(w)) {
        v.data = x + line * w->stride_h * w->step_h * row_floats;
        view_steps(w, &v, w->step_w * w->channels, w->step_h * row_floats, image_floats);
        return v;
    }
    v.data = channels->copy;
    if (cnn_windows_by_taps(w))
        view_steps_by_taps(w, &v, floats);
    else if (w->copying == CNN_COPY_ROW_PAIRS)
        view_steps_of_pairs(w, &v);
    else
        view_steps(w, &v, floats, CNN_BF16_NAME(cnn_windows_columns)(w) * floats,
                   copy_floats(w, v.lines, floats));
    if (one_pixel(w)) {
        copy_pixels(w, channels, x, w->channels, v.images, channels->copy);
        return v;
    }
    for (size_t i = 0; i < v.images; i++)
        copy_image(w, &v, line, channels, x + i * image_floats,
                   channels->copy + (ptrdiff_t)i * v.stride[2]);
    return v;
}
