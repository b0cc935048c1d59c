/* The values of a flat layer: bars where there are few, a grid of cells where there are many. */
#include <math.h>
#include <stdio.h>

#include "util/diag.h"
#include "util/words.h"
#include "viz/parts.h"

#define MOST_BARS   64
#define BAR_STEP    13 /* from one bar to the next */
#define BAR_HEIGHT  9
#define BARS_WIDTH  400
#define NAME_BYTES  32   /* of a bar's name */
#define MOST_LARGE  2048 /* values up to which cells are large */
#define LABEL_ABOVE (CNN_TEXT_HEIGHT + 2)

/* Where value lies among width pixels that show low to high. */
static size_t place(double value, double low, double high, size_t width)
{
    return high > low ? (size_t)((value - low) / (high - low) * (double)width + 0.5) : 0;
}

/* Bars begin at zero; blue to the left of it, red to the right, as in the signed palette. A value
 * that is no finite number fills its row. */
static void draw_bar(struct cnn_canvas *canvas, size_t x, size_t y, struct cnn_range range,
                     float value)
{
    double low = fmin(range.low, 0), high = fmax(range.high, 0);
    size_t zero = place(0, low, high, BARS_WIDTH);
    struct cnn_range unit = {-1, 1, 0};
    if (!isfinite(value)) {
        cnn_canvas_fill(canvas, x, y, BARS_WIDTH, BAR_HEIGHT, CNN_COLOUR_NAN);
        return;
    }
    size_t end = place(value, low, high, BARS_WIDTH);
    struct cnn_colour colour =
        cnn_palette_colour(CNN_PALETTE_SIGNED, unit, value < 0 ? -0.8F : 0.8F);
    cnn_canvas_fill(canvas, x + (end < zero ? end : zero), y, end < zero ? zero - end : end - zero,
                    BAR_HEIGHT, colour);
}

/* What stands before bar i: its number, or its name, cut where it is long. */
static const char *label_of(const char *const *names, size_t i, char text[NAME_BYTES])
{
    if (names)
        return cnn_word_cut(names[i], text, NAME_BYTES);
    snprintf(text, NAME_BYTES, "%zu", i);
    return text;
}

/* What is drawn. */
struct values {
    const float *values;
    size_t count;
    const char *const *names; /* NULL: their numbers */
    struct cnn_range range;
};

static size_t widest_label(const char *const *names, size_t count)
{
    char text[NAME_BYTES];
    size_t widest = cnn_canvas_text_width("00", 1);
    for (size_t i = 0; i < count; i++) {
        size_t width = cnn_canvas_text_width(label_of(names, i, text), 1);
        widest = width > widest ? width : widest;
    }
    return widest;
}

static cnn_status draw_bars(const struct values *v, const struct cnn_sheet_head *head,
                            struct cnn_canvas *out, cnn_diag *diag)
{
    char text[NAME_BYTES];
    size_t top, labels = widest_label(v->names, v->count) + 4,
                numbers = cnn_canvas_text_width("-1.2345e-38", 1) + 6;
    cnn_status status =
        cnn_sheet_begin(head, labels + BARS_WIDTH + numbers, v->count * BAR_STEP, out, &top, diag);
    if (status != CNN_OK)
        return status;
    size_t x = CNN_SHEET_MARGIN + labels;
    for (size_t i = 0; i < v->count; i++) {
        float value = v->values[i];
        size_t y = top + i * BAR_STEP;
        cnn_draw_text_left_of(out, x - 4, y + 1, CNN_INK, label_of(v->names, i, text));
        draw_bar(out, x, y, v->range, value);
        /* no signs of zero and NaN */
        snprintf(text, sizeof text, isnan(value) ? "nan" : "%.5g",
                 value == 0 ? 0.0 : (double)value);
        cnn_canvas_text(out, x + BARS_WIDTH + 6, y + 1, 1, CNN_INK, text);
    }
    size_t zero = place(0, fmin(v->range.low, 0), fmax(v->range.high, 0), BARS_WIDTH);
    cnn_canvas_fill(out, x + zero, top - 2, 1, v->count * BAR_STEP, CNN_INK);
    return CNN_OK;
}

static void draw_grid_labels(struct cnn_canvas *canvas, size_t x, size_t y, size_t count,
                             size_t columns, size_t cell)
{
    char text[32];
    size_t step = columns / 32 * 4; /* a label for every few columns, all rows that have room */
    for (size_t i = 0; i < columns && i < count; i += step) {
        snprintf(text, sizeof text, "%zu", i);
        cnn_canvas_text(canvas, x + i * cell, y - LABEL_ABOVE, 1, CNN_INK, text);
    }
    for (size_t row = 0; row <= (count - 1) / columns; row += cell > CNN_TEXT_HEIGHT ? 1 : 2) {
        snprintf(text, sizeof text, "%zu", row * columns);
        cnn_draw_text_left_of(canvas, x - 4,
                              y + row * cell +
                                  (cell > CNN_TEXT_HEIGHT ? (cell - CNN_TEXT_HEIGHT) / 2 : 0),
                              CNN_INK, text);
    }
}

static cnn_status draw_grid(const struct values *v, struct cnn_sheet_head *head,
                            struct cnn_canvas *out, cnn_diag *diag)
{
    char note[160] = "";
    const size_t count = v->count;
    size_t top, columns = count <= MOST_LARGE ? 32 : 128, cell = count <= MOST_LARGE ? 20 : 8,
                gap = cell > 8;
    size_t labels = cnn_canvas_text_width("0000000", 1),
           most = CNN_SHEET_PIXELS / (columns * cell + labels) / cell * columns;
    size_t shown = count < most ? count : most;
    if (shown < count)
        cnn_caption(note, sizeof note, "the first %zu of %zu values", shown, count);
    head->note = note;
    head->cut = shown < count;
    head->range = &v->range;
    size_t rows = (shown - 1) / columns + 1;
    cnn_status status =
        cnn_sheet_begin(head, labels + columns * cell, LABEL_ABOVE + rows * cell, out, &top, diag);
    if (status != CNN_OK)
        return status;
    size_t x = CNN_SHEET_MARGIN + labels, y = top + LABEL_ABOVE;
    draw_grid_labels(out, x, y, shown, columns, cell);
    for (size_t i = 0; i < shown; i++) {
        size_t left = x + i % columns * cell, above = y + i / columns * cell;
        cnn_canvas_fill(out, left, above, cell - gap, cell - gap,
                        cnn_palette_colour(head->palette, v->range, v->values[i]));
    }
    return CNN_OK;
}

cnn_status cnn_sheet_values(const float *values, size_t count, const struct cnn_sheet_style *style,
                            struct cnn_canvas *out, struct cnn_sheet_summary *summary,
                            cnn_diag *diag)
{
    struct cnn_sheet_head head = {.title = style->title, .palette = style->palette};
    struct cnn_sheet_summary counted = {.maps = count};
    cnn_status status = cnn_sheet_check("values", count, 1, 1, 1, diag);
    if (status != CNN_OK)
        return status;
    const struct values v = {.values = values,
                             .count = count,
                             .names = style->names,
                             .range = cnn_range_of(values, count)};
    status = count <= MOST_BARS ? draw_bars(&v, &head, out, diag) : draw_grid(&v, &head, out, diag);
    if (status != CNN_OK || !summary)
        return status;
    counted.nan = v.range.nan;
    for (size_t i = 0; i < count && style->mark_silent; i++)
        counted.silent += values[i] == 0;
    *summary = counted;
    return CNN_OK;
}
