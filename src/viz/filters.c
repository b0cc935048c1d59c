/* Kernels as they are stored: in colour where they look at a colour picture, else a row of tiles
 * for each filter. */
#include <math.h>
#include <stdio.h>

#include "util/diag.h"
#include "util/words.h"
#include "viz/parts.h"

#define COLOUR_SIDE 64 /* a kernel in colour is enlarged to about this many pixels */
#define ROW_SIDE    28 /* one of many kernels, or of few */
#define FEW_SIDE    56
#define FEW_ROWS    32
#define FEW_COLUMNS 16
#define MOST_ROWS   128
#define CAPTION     (CNN_TEXT_HEIGHT * 2 + 14)

struct kernels {
    const float *weights;
    size_t filters, channels, h, w;
    size_t enlarge, across, down; /* of one tile */
};

static void set_sizes(struct kernels *k, size_t side)
{
    size_t longer = k->h > k->w ? k->h : k->w;
    k->enlarge = longer < side ? side / longer : 1;
    k->across = k->w * k->enlarge;
    k->down = k->h * k->enlarge;
}

/* Zero is the middle of each channel, the kernel's largest magnitude its end. */
static struct cnn_colour kernel_colour(const float *red, size_t plane, float magnitude)
{
    uint8_t byte[3];
    for (size_t c = 0; c < 3; c++) {
        if (!isfinite(red[c * plane]))
            return CNN_COLOUR_NAN;
        byte[c] =
            (uint8_t)(127.5 +
                      (magnitude > 0 ? 127.5 * (double)red[c * plane] / (double)magnitude : 0) +
                      0.5);
    }
    return (struct cnn_colour){byte[0], byte[1], byte[2]};
}

static void draw_colours_of(const struct kernels *k, struct cnn_canvas *canvas, size_t x, size_t y,
                            const float *kernel, float magnitude)
{
    size_t plane = k->h * k->w;
    for (size_t i = 0; i < plane; i++)
        cnn_canvas_fill(canvas, x + i % k->w * k->enlarge, y + i / k->w * k->enlarge, k->enlarge,
                        k->enlarge, kernel_colour(kernel + i, plane, magnitude));
}

static void draw_colour_tile(const struct kernels *k, struct cnn_canvas *canvas, size_t x, size_t y,
                             size_t filter)
{
    char text[48], number[CNN_NUMBER_SIZE];
    size_t plane = k->h * k->w;
    const float *kernel = k->weights + filter * plane * 3;
    struct cnn_range range = cnn_range_of(kernel, plane * 3);
    float magnitude = cnn_range_magnitude(range);
    cnn_canvas_frame(
        canvas, (struct cnn_area){.x = x, .y = y, .width = k->across + 2, .height = k->down + 2}, 1,
        CNN_FAINT);
    draw_colours_of(k, canvas, x + 1, y + 1, kernel, magnitude);
    snprintf(text, sizeof text, "%zu", filter);
    cnn_canvas_text(canvas, x, y + k->down + 4, 1, CNN_INK, text);
    if (range.nan > 0)
        cnn_draw_text_left_of(canvas, x + CNN_SHEET_TILE, y + k->down + 4, CNN_ALERT, "NaN");
    snprintf(text, sizeof text, "\xC2\xB1%s", cnn_short_number(magnitude, number));
    cnn_canvas_text(canvas, x, y + k->down + 4 + CNN_TEXT_HEIGHT + 1, 1, CNN_INK,
                    range.nan < plane * 3 ? text : "");
}

static cnn_status draw_colours(struct kernels *k, const char *title, struct cnn_canvas *out,
                               cnn_diag *diag)
{
    char note[320];
    size_t top;
    set_sizes(k, COLOUR_SIDE);
    size_t tile = (k->across + 2 > CNN_SHEET_TILE ? k->across + 2 : CNN_SHEET_TILE) + 8;
    struct cnn_sheet_grid grid = cnn_sheet_grid_of(k->filters, tile, k->down + CAPTION);
    if (grid.shown == k->filters)
        cnn_caption(note, sizeof note, "grey is 0; full colour is the number below each kernel");
    else
        cnn_caption(note, sizeof note,
                    "grey is 0; full colour is the number below each kernel; the first %zu of %zu "
                    "filters",
                    grid.shown, k->filters);
    struct cnn_sheet_head head = {.title = title, .note = note, .cut = grid.shown < k->filters};
    cnn_status status = cnn_sheet_begin(&head, grid.columns * tile - 8,
                                        grid.rows * grid.tile_height - 8, out, &top, diag);
    for (size_t i = 0; i < grid.shown && status == CNN_OK; i++)
        draw_colour_tile(k, out, CNN_SHEET_MARGIN + i % grid.columns * tile,
                         top + i / grid.columns * grid.tile_height, i);
    return status;
}

static void draw_kernel(const struct kernels *k, struct cnn_canvas *canvas, size_t x, size_t y,
                        const float *kernel, struct cnn_colouring colouring)
{
    for (size_t i = 0; i < k->h * k->w; i++)
        cnn_canvas_fill(canvas, x + i % k->w * k->enlarge, y + i / k->w * k->enlarge, k->enlarge,
                        k->enlarge,
                        cnn_palette_colour(colouring.palette, colouring.range, kernel[i]));
    cnn_canvas_frame(
        canvas,
        (struct cnn_area){.x = x - 1, .y = y - 1, .width = k->across + 2, .height = k->down + 2}, 1,
        CNN_FAINT);
}

/* How many rows and columns of tiles fit a sheet; at least one each. */
static void limit_tiles(const struct kernels *k, size_t step_x, size_t step_y, size_t *rows,
                        size_t *columns)
{
    *columns = CNN_SHEET_WIDTH / step_x < 1 ? 1 : CNN_SHEET_WIDTH / step_x;
    if (*columns > k->channels)
        *columns = k->channels;
    double fit = (double)CNN_SHEET_PIXELS / ((double)*columns * (double)step_x * (double)step_y);
    *rows = fit < 1 ? 1 : fit < MOST_ROWS ? (size_t)fit : MOST_ROWS;
    if (*rows > k->filters)
        *rows = k->filters;
}

static void write_note(const struct kernels *k, size_t rows, size_t columns, char *note,
                       size_t size)
{
    bool filters = rows < k->filters, channels = columns < k->channels;
    note[0] = '\0';
    if (filters && channels)
        cnn_caption(note, size, "the first %zu of %zu filters, the first %zu of %zu channels", rows,
                    k->filters, columns, k->channels);
    else if (filters)
        cnn_caption(note, size, "the first %zu of %zu filters", rows, k->filters);
    else if (channels)
        cnn_caption(note, size, "the first %zu of %zu channels", columns, k->channels);
}

static cnn_status draw_rows(struct kernels *k, const char *title, struct cnn_canvas *out,
                            cnn_diag *diag)
{
    char text[64], note[320];
    size_t top, rows, columns, labels = cnn_canvas_text_width("filter 000", 1) + 6;
    set_sizes(k, k->filters <= FEW_ROWS && k->channels <= FEW_COLUMNS ? FEW_SIDE : ROW_SIDE);
    size_t step_x = (k->across > 20 ? k->across : 20) + 4, step_y = k->down + 4;
    limit_tiles(k, step_x, step_y, &rows, &columns);
    write_note(k, rows, columns, note, sizeof note);
    struct cnn_range range = cnn_range_of(k->weights, k->filters * k->channels * k->h * k->w);
    float magnitude = cnn_range_magnitude(range);
    range.low = -magnitude, range.high = magnitude;
    struct cnn_sheet_head head = {title, note, *note != 0, &range, CNN_PALETTE_SIGNED};
    cnn_status status = cnn_sheet_begin(&head, labels + columns * step_x,
                                        CNN_TEXT_HEIGHT + 4 + rows * step_y, out, &top, diag);
    if (status != CNN_OK)
        return status;
    size_t x0 = CNN_SHEET_MARGIN + labels, y0 = top + CNN_TEXT_HEIGHT + 4;
    for (size_t c = 0; c < columns; c++) {
        snprintf(text, sizeof text, "%zu", c);
        cnn_canvas_text(out, x0 + c * step_x, top, 1, CNN_INK, text);
    }
    for (size_t f = 0; f < rows; f++) {
        cnn_caption(text, sizeof text, "filter %zu", f);
        cnn_draw_text_left_of(out, x0 - 5,
                              y0 + f * step_y +
                                  (k->down > CNN_TEXT_HEIGHT ? (k->down - CNN_TEXT_HEIGHT) / 2 : 0),
                              CNN_INK, text);
        for (size_t c = 0; c < columns; c++)
            draw_kernel(k, out, x0 + c * step_x, y0 + f * step_y,
                        k->weights + (f * k->channels + c) * k->h * k->w,
                        (struct cnn_colouring){CNN_PALETTE_SIGNED, range});
    }
    return CNN_OK;
}

cnn_status cnn_sheet_filters(const struct cnn_kernel_view *kernels, bool colours, const char *title,
                             struct cnn_canvas *out, cnn_diag *diag)
{
    struct kernels k = {.weights = kernels->weights,
                        .filters = kernels->filters,
                        .channels = kernels->channels,
                        .h = kernels->h,
                        .w = kernels->w};
    cnn_status status = cnn_sheet_check("filters", k.filters, k.channels, k.h, k.w, diag);
    if (status != CNN_OK)
        return status;
    if (colours && k.channels == 3)
        return draw_colours(&k, title, out, diag);
    /* One channel would make a sheet of one column. */
    struct cnn_sheet_style style = {.palette = CNN_PALETTE_SIGNED,
                                    .one_scale = true,
                                    .kernels = true,
                                    .numbers = true,
                                    .title = title};
    const struct cnn_maps maps = {.values = k.weights, .count = k.filters, .h = k.h, .w = k.w};
    return k.channels == 1 ? cnn_sheet_maps(&maps, &style, out, NULL, diag)
                           : draw_rows(&k, title, out, diag);
}

cnn_status cnn_sheet_tiles(const struct cnn_kernel_view *tiles, cnn_palette palette,
                           const struct cnn_range *scales, size_t side, struct cnn_canvas *out,
                           cnn_diag *diag)
{
    const size_t gap = 4;
    struct kernels k = {.h = tiles->h, .w = tiles->w};
    cnn_status status =
        cnn_sheet_check("tiles", tiles->filters, tiles->channels, tiles->h, tiles->w, diag);
    if (status != CNN_OK)
        return status;
    set_sizes(&k, side);
    size_t step = k.across + 2 + gap;
    status = cnn_canvas_new(tiles->filters * step - gap, k.down + 2, CNN_PAPER, out, diag);
    for (size_t i = 0; status == CNN_OK && i < tiles->filters; i++) {
        const float *tile = tiles->weights + i * tiles->channels * k.h * k.w;
        draw_kernel(&k, out, i * step + 1, 1, tile, (struct cnn_colouring){palette, scales[i]});
        if (tiles->channels == 3) /* within the frame that is drawn already */
            draw_colours_of(&k, out, i * step + 1, 1, tile, cnn_range_magnitude(scales[i]));
    }
    return status;
}
