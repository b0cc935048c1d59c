/* Pictures side by side: titles, scales, legends, and maps drawn to a picture's size. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "viz/visualize.h"

#define GAP   8
#define LINE  (CNN_TEXT_HEIGHT + 6)
#define BAR   8 /* height of a scale's colours */
#define SCALE (BAR + 4 + LINE)

static const struct cnn_colour white = {255, 255, 255}, ink = {27, 31, 36}, rim = {170, 176, 184};

cnn_status cnn_panel_copy(const struct cnn_canvas *picture, struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = cnn_canvas_new(picture->width, picture->height, white, out, diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, picture, 1);
    return status;
}

cnn_status cnn_panel_enlarge(const struct cnn_canvas *picture, struct cnn_canvas *out, size_t *factor, cnn_diag *diag)
{
    size_t longer = picture->width > picture->height ? picture->width : picture->height;
    size_t scale = longer < CNN_VIEW_SIDE ? CNN_VIEW_SIDE / longer : 1;
    cnn_status status = cnn_canvas_new(picture->width * scale, picture->height * scale, white, out, diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, picture, scale);
    if (factor)
        *factor = scale;
    return status;
}

cnn_status cnn_panel_map(const float *map, size_t h, size_t w, cnn_palette palette, struct cnn_range range, size_t width, size_t height,
                         struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = cnn_canvas_new(width, height, white, out, diag);
    if (status != CNN_OK)
        return status;
    if (h > height || w > width) { /* more values than pixels: their nearest */
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                cnn_canvas_fill(out, x, y, 1, 1, cnn_palette_colour(palette, range, map[y * h / height * w + x * w / width]));
        return CNN_OK;
    }
    for (size_t i = 0; i < h; i++)
        for (size_t j = 0; j < w; j++) {
            size_t y = i * height / h, x = j * width / w;
            cnn_canvas_fill(out, x, y, (j + 1) * width / w - x, (i + 1) * height / h - y, cnn_palette_colour(palette, range, map[i * w + j]));
        }
    return CNN_OK;
}

cnn_status cnn_panel_legend(const struct cnn_legend_line *lines, size_t count, struct cnn_canvas *out, cnn_diag *diag)
{
    size_t width = 1;
    for (size_t i = 0; i < count; i++) {
        size_t text = cnn_canvas_text_width(lines[i].text, 1);
        width = text > width ? text : width;
    }
    cnn_status status = cnn_canvas_new(width + LINE + 4, count > 0 ? count * LINE : 1, white, out, diag);
    for (size_t i = 0; status == CNN_OK && i < count; i++) {
        cnn_canvas_fill(out, 0, i * LINE + 2, LINE - 4, LINE - 4, lines[i].colour);
        cnn_canvas_text(out, LINE + 2, i * LINE + 3, 1, ink, lines[i].text);
    }
    return status;
}

/* The ends of the scale as colours are drawn: for SIGNED, zero lies in the middle. */
static struct cnn_range scale_ends(const struct cnn_panel *panel)
{
    struct cnn_range ends = panel->range;
    if (panel->palette == CNN_PALETTE_SIGNED) {
        ends.high = fmaxf(fabsf(ends.low), fabsf(ends.high));
        ends.low = -ends.high;
    }
    return ends;
}

static void draw_scale(struct cnn_canvas *canvas, size_t y, size_t width, const struct cnn_panel *panel)
{
    const struct cnn_range ends = scale_ends(panel);
    char low[32], high[32];
    for (size_t x = 0; x < width; x++) {
        float value = width > 1 ? ends.low + (ends.high - ends.low) * (float)x / (float)(width - 1) : ends.low;
        cnn_canvas_fill(canvas, x, y, 1, BAR, cnn_palette_colour(panel->palette, ends, value));
    }
    snprintf(low, sizeof low, "%.3g", (double)ends.low);
    snprintf(high, sizeof high, "%.3g", (double)ends.high);
    cnn_canvas_text(canvas, 0, y + BAR + 4, 1, ink, low);
    cnn_canvas_text(canvas, width - cnn_canvas_text_width(high, 1), y + BAR + 4, 1, ink, high);
    if (panel->range.nan > 0) {
        char nan[48];
        snprintf(nan, sizeof nan, "%zu NaN: magenta", panel->range.nan);
        cnn_canvas_text(canvas, (width - cnn_canvas_text_width(nan, 1)) / 2, y + BAR + 4, 1, (struct cnn_colour){180, 0, 180}, nan);
    }
}

static cnn_status draw_panel(const struct cnn_panel *panel, struct cnn_canvas *out, cnn_diag *diag)
{
    size_t title = cnn_canvas_text_width(panel->title, 1), least = panel->scaled ? 160 : 1;
    size_t width = panel->picture.width > title ? panel->picture.width : title;
    width = width > least ? width : least;
    cnn_status status = cnn_canvas_new(width, LINE + panel->picture.height + (panel->scaled ? GAP + SCALE : 0), white, out, diag);
    if (status != CNN_OK)
        return status;
    cnn_canvas_text(out, 0, 0, 1, ink, panel->title);
    cnn_canvas_put(out, 0, LINE, &panel->picture, 1);
    if (!panel->bare)
        cnn_canvas_frame(out, 0, LINE, panel->picture.width, panel->picture.height, 1, rim);
    if (panel->scaled)
        draw_scale(out, LINE + panel->picture.height + GAP / 2, width, panel);
    return CNN_OK;
}

static cnn_status join(struct cnn_canvas *drawn, size_t count, struct cnn_canvas *out, cnn_diag *diag)
{
    struct cnn_canvas rows[2] = {{0}, {0}};
    if (count != 4)
        return cnn_sheet_row(drawn, count, false, out, diag);
    cnn_status status = cnn_sheet_row(drawn, 2, false, &rows[0], diag);
    if (status == CNN_OK)
        status = cnn_sheet_row(drawn + 2, 2, false, &rows[1], diag);
    if (status == CNN_OK)
        status = cnn_sheet_row(rows, 2, true, out, diag);
    cnn_canvas_free(&rows[0]);
    cnn_canvas_free(&rows[1]);
    return status;
}

cnn_status cnn_panels_write(struct cnn_view *view, const char *stem, const struct cnn_panel *panels, size_t count, cnn_diag *diag)
{
    struct cnn_canvas drawn[4] = {{0}, {0}, {0}, {0}}, picture = {0};
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < count; i++)
        status = draw_panel(&panels[i], &drawn[i], diag);
    if (status == CNN_OK)
        status = join(drawn, count, &picture, diag);
    if (status == CNN_OK)
        status = cnn_view_write_picture(view, stem, &picture, diag);
    cnn_canvas_free(&picture);
    for (size_t i = 0; i < count; i++)
        cnn_canvas_free(&drawn[i]);
    return status;
}

void cnn_panels_free(struct cnn_panel *panels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cnn_canvas_free(&panels[i].picture);
}
