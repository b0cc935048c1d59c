/* What contact sheets have in common. */
#include "viz/parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/arena.h"
#include "util/diag.h"

#define NUMBER_LENGTH 6
#define LINE_HEIGHT   (CNN_TEXT_HEIGHT + 5)
#define SCALE_WIDTH   200
#define BAR_HEIGHT    (CNN_SCALE_HEIGHT - 3 - CNN_TEXT_HEIGHT)

/* 1.2e-07 to 1.2e-7. */
static void shorten_exponent(char *number)
{
    char *e = strchr(number, 'e');
    if (!e)
        return;
    char *to = e + 1, *from = e + 1;
    if (*from == '-')
        to++;
    from++;
    while (*from == '0' && from[1])
        from++;
    memmove(to, from, strlen(from) + 1);
}

const char *cnn_short_number(float value, char buffer[CNN_NUMBER_SIZE])
{
    double shown = value == 0 ? 0 : value; /* no -0 */
    bool small = fabs(shown) < 0.001 && shown != 0;
    for (int digits = 3; digits > 0; digits--) {
        if (small)
            snprintf(buffer, CNN_NUMBER_SIZE, "%.*e", digits - 1, shown);
        else
            snprintf(buffer, CNN_NUMBER_SIZE, "%.*g", digits, shown);
        shorten_exponent(buffer);
        if (strlen(buffer) <= NUMBER_LENGTH)
            break;
    }
    return buffer;
}

bool cnn_numbers_fit(const float *values, size_t count, size_t cell)
{
    char text[CNN_NUMBER_SIZE];
    bool fit = cell >= CNN_TEXT_HEIGHT + 2;
    for (size_t i = 0; fit && i < count; i++)
        fit = cnn_canvas_text_width(cnn_short_number(values[i], text), 1) + 2 <= cell;
    return fit;
}

void cnn_draw_numbers(struct cnn_canvas *canvas, struct cnn_map map, size_t cell, size_t x,
                      size_t y)
{
    char text[CNN_NUMBER_SIZE];
    for (size_t i = 0; i < map.h * map.w; i++) {
        const size_t left = x + i % map.w * cell, top = y + i / map.w * cell;
        const struct cnn_colour colour = cnn_canvas_get(canvas, left, top);
        const bool dark = 0.2126 * colour.r + 0.7152 * colour.g + 0.0722 * colour.b < 128;
        const size_t width = cnn_canvas_text_width(cnn_short_number(map.values[i], text), 1);
        cnn_canvas_text(canvas, left + (cell - width + 1) / 2,
                        top + (cell - CNN_TEXT_HEIGHT + 2) / 2, 1, dark ? CNN_PAPER : CNN_INK,
                        text);
    }
}

void cnn_draw_bar(struct cnn_canvas *canvas, struct cnn_area area, struct cnn_colouring colouring)
{
    const struct cnn_range range = colouring.range;
    for (size_t i = 0; i < area.width; i++) {
        double t = area.width > 1 ? (double)i / (double)(area.width - 1) : 0;
        float value = (float)((1 - t) * range.low + t * range.high);
        cnn_canvas_fill(canvas, area.x + i, area.y, 1, area.height,
                        cnn_palette_colour(colouring.palette, range, value));
    }
}

void cnn_draw_text_left_of(struct cnn_canvas *canvas, size_t x, size_t y, struct cnn_colour colour,
                           const char *text)
{
    size_t width = cnn_canvas_text_width(text, 1);
    cnn_canvas_text(canvas, x > width ? x - width : 0, y, 1, colour, text);
}

void cnn_draw_scale(struct cnn_canvas *canvas, size_t x, size_t y, size_t width,
                    struct cnn_colouring colouring, size_t count)
{
    char low[CNN_NUMBER_SIZE], high[CNN_NUMBER_SIZE], nan[32] = "";
    const struct cnn_range range = colouring.range;
    if (range.nan == count)
        return;
    cnn_draw_bar(canvas, (struct cnn_area){.x = x, .y = y, .width = width, .height = BAR_HEIGHT},
                 colouring);
    y += BAR_HEIGHT + 3;
    cnn_canvas_text(canvas, x, y, 1, CNN_INK, cnn_short_number(range.low, low));
    cnn_draw_text_left_of(canvas, x + width + 1, y, CNN_INK, cnn_short_number(range.high, high));
    if (range.nan > 0)
        snprintf(nan, sizeof nan, "%zu NaN", range.nan);
    size_t ends = 2 * cnn_canvas_text_width("-1.2e-10", 1), middle = cnn_canvas_text_width(nan, 1);
    if (width >= ends + middle)
        cnn_canvas_text(canvas, x + (width - middle) / 2, y, 1, CNN_ALERT, nan);
}

bool cnn_warn_of_letters(const char *name, const char *as_it_is, cnn_diag *diag)
{
    if (cnn_canvas_has_letters(name))
        return false;
    cnn_warn(diag, NULL,
             "the captions inside pictures have no letters for '%s' and show ? in their place; %s "
             "has the names as they are",
             name, as_it_is);
    return true;
}

static bool has_text(const char *text)
{
    return text && *text;
}

/* The scale on one line: number, bar, number. */
static void draw_scale_line(struct cnn_canvas *canvas, size_t y, const struct cnn_sheet_head *head)
{
    char low[CNN_NUMBER_SIZE], high[CNN_NUMBER_SIZE];
    size_t x = CNN_SHEET_MARGIN;
    cnn_short_number(head->range->low, low);
    cnn_short_number(head->range->high, high);
    cnn_canvas_text(canvas, x, y, 1, CNN_INK, low);
    x += cnn_canvas_text_width(low, 1) + 4;
    cnn_draw_bar(
        canvas,
        (struct cnn_area){.x = x, .y = y - 1, .width = SCALE_WIDTH, .height = CNN_TEXT_HEIGHT - 1},
        (struct cnn_colouring){head->palette, *head->range});
    cnn_canvas_text(canvas, x + SCALE_WIDTH + 5, y, 1, CNN_INK, high);
}

static size_t text_size(const char *text)
{
    return has_text(text) ? cnn_canvas_text_width(text, 1) : 0;
}

cnn_status cnn_sheet_begin(const struct cnn_sheet_head *head, size_t width, size_t height,
                           struct cnn_canvas *out, size_t *top, cnn_diag *diag)
{
    const size_t margins = 2 * CNN_SHEET_MARGIN;
    size_t head_width = text_size(head->title) > text_size(head->note) ? text_size(head->title)
                                                                       : text_size(head->note);
    size_t lines = (size_t)has_text(head->title) + has_text(head->note) + (head->range != NULL);
    if (head->range && head_width < SCALE_WIDTH + 80)
        head_width = SCALE_WIDTH + 80;
    if (head_width > CNN_SHEET_WIDTH)
        head_width = CNN_SHEET_WIDTH;
    if (width < head_width)
        width = head_width;
    size_t y = CNN_SHEET_MARGIN, below = y + lines * LINE_HEIGHT + (lines > 0 ? 4 : 0);
    if (!cnn_size_add(width, margins, &width) ||
        !cnn_size_add(height, below + CNN_SHEET_MARGIN, &height))
        return cnn_fail(diag, CNN_FAILED, NULL, "a sheet of %zu x %zu pixels is too large", width,
                        height);
    cnn_status status = cnn_canvas_new(width, height, CNN_PAPER, out, diag);
    if (status != CNN_OK)
        return status;
    if (has_text(head->title)) {
        cnn_canvas_title(out, CNN_SHEET_MARGIN, y, width - margins, CNN_INK, head->title);
        y += LINE_HEIGHT;
    }
    if (has_text(head->note)) {
        cnn_canvas_text(out, CNN_SHEET_MARGIN, y, 1, head->cut ? CNN_ALERT : CNN_NOTE, head->note);
        y += LINE_HEIGHT;
    }
    if (head->range)
        draw_scale_line(out, y, head);
    *top = below;
    return CNN_OK;
}

/* The number of columns near wanted that leaves no gap in the last row, where there is one. */
static size_t whole_rows(size_t count, size_t wanted)
{
    for (size_t off = 0; off <= wanted / 4; off++) {
        if (count % (wanted + off) == 0)
            return wanted + off;
        if (count % (wanted - off) == 0)
            return wanted - off;
    }
    return wanted;
}

struct cnn_sheet_grid cnn_sheet_grid_of(size_t count, size_t tile_width, size_t tile_height)
{
    double tile = (double)tile_width * (double)tile_height,
           most = floor((double)CNN_SHEET_PIXELS / tile);
    struct cnn_sheet_grid grid = {.tile_width = tile_width, .tile_height = tile_height};
    grid.shown = (double)count <= most ? count : most > 1 ? (size_t)most : 1;
    double pixels = tile * (double)grid.shown;
    double width = fmax(fmin(sqrt(pixels * 4 / 3), CNN_SHEET_WIDTH), sqrt(pixels / 3));
    size_t columns = (size_t)(width / (double)tile_width + 0.5);
    if (columns < 1)
        columns = 1;
    grid.columns = columns < grid.shown ? whole_rows(grid.shown, columns) : grid.shown;
    grid.rows = (grid.shown - 1) / grid.columns + 1;
    return grid;
}

cnn_status cnn_sheet_check(const char *what, size_t count, size_t c, size_t h, size_t w,
                           cnn_diag *diag)
{
    const size_t dims[4] = {c, h, w, sizeof(float)};
    size_t bytes = count;
    if (count == 0 || c == 0 || h == 0 || w == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "there are no %s to draw: %zu x %zu x %zu x %zu",
                        what, count, c, h, w);
    for (size_t i = 0; i < 4; i++) {
        if (!cnn_size_mul(bytes, dims[i], &bytes))
            return cnn_fail(diag, CNN_FAILED, NULL, "too many %s to draw: %zu x %zu x %zu x %zu",
                            what, count, c, h, w);
    }
    return CNN_OK;
}
