/* Pictures side by side: titles, scales, legends, and maps drawn to a picture's size. */
#include "util/words.h"
#include "viz/parts.h"
#include "viz/visualize.h"

#define LINE        (CNN_TEXT_HEIGHT + 6)
#define SCALE_GAP   3
#define SCALE_WIDTH 160 /* at least, so that its numbers stand apart */

const char *cnn_view_caption(struct cnn_view *view, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    cnn_caption_list(text, sizeof text, format, arguments);
    va_end(arguments);
    const char *caption = cnn_arena_strdup(view->arena, text);
    view->page.failed = view->page.failed || !caption;
    return caption ? caption : "";
}

cnn_status cnn_panel_copy(const struct cnn_canvas *picture, struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = cnn_canvas_new(picture->width, picture->height, CNN_PAPER, out, diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, picture, 1);
    return status;
}

cnn_status cnn_panel_enlarge(const struct cnn_canvas *picture, struct cnn_canvas *out,
                             size_t *factor, cnn_diag *diag)
{
    size_t longer = picture->width > picture->height ? picture->width : picture->height;
    size_t scale = longer < CNN_VIEW_SIDE ? CNN_VIEW_SIDE / longer : 1;
    cnn_status status =
        cnn_canvas_new(picture->width * scale, picture->height * scale, CNN_PAPER, out, diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, picture, scale);
    if (factor)
        *factor = scale;
    return status;
}

cnn_status cnn_panel_map(struct cnn_map map, struct cnn_colouring colouring, size_t width,
                         size_t height, struct cnn_canvas *out, cnn_diag *diag)
{
    const size_t h = map.h, w = map.w;
    cnn_status status = cnn_canvas_new(width, height, CNN_PAPER, out, diag);
    if (status != CNN_OK)
        return status;
    if (h > height || w > width) { /* more values than pixels: their nearest */
        for (size_t y = 0; y < height; y++)
            for (size_t x = 0; x < width; x++)
                cnn_canvas_fill(out, x, y, 1, 1,
                                cnn_palette_colour(colouring.palette, colouring.range,
                                                   map.values[y * h / height * w + x * w / width]));
        return CNN_OK;
    }
    for (size_t i = 0; i < h; i++)
        for (size_t j = 0; j < w; j++) {
            size_t y = i * height / h, x = j * width / w;
            cnn_canvas_fill(
                out, x, y, (j + 1) * width / w - x, (i + 1) * height / h - y,
                cnn_palette_colour(colouring.palette, colouring.range, map.values[i * w + j]));
        }
    return CNN_OK;
}

void cnn_panel_frame(struct cnn_canvas *picture, cnn_shape in, const struct cnn_rectangle *field,
                     struct cnn_colour colour)
{
    size_t top = field->begin[0] * picture->height / in.h,
           left = field->begin[1] * picture->width / in.w;
    size_t bottom = (field->end[0] * picture->height + in.h - 1) / in.h,
           right = (field->end[1] * picture->width + in.w - 1) / in.w;
    if (field->begin[0] < field->end[0])
        cnn_canvas_frame(
            picture,
            (struct cnn_area){.x = left, .y = top, .width = right - left, .height = bottom - top},
            3, colour);
}

cnn_status cnn_panel_legend(const struct cnn_legend_line *lines, size_t count,
                            struct cnn_canvas *out, cnn_diag *diag)
{
    size_t width = 1;
    for (size_t i = 0; i < count; i++) {
        size_t text = cnn_canvas_text_width(lines[i].text, 1);
        width = text > width ? text : width;
    }
    cnn_status status =
        cnn_canvas_new(width + LINE + 4, count > 0 ? count * LINE : 1, CNN_PAPER, out, diag);
    for (size_t i = 0; status == CNN_OK && i < count; i++) {
        cnn_canvas_fill(out, 0, i * LINE + 2, LINE - 4, LINE - 4, lines[i].colour);
        cnn_canvas_text(out, LINE + 2, i * LINE + 3, 1, CNN_INK, lines[i].text);
    }
    return status;
}

static cnn_status draw_panel(const struct cnn_panel *panel, struct cnn_canvas *out, cnn_diag *diag)
{
    size_t title = cnn_canvas_text_width(panel->title, 1),
           least = panel->values > 0 ? SCALE_WIDTH : 1;
    size_t width = panel->picture.width > title ? panel->picture.width : title;
    width = width > least ? width : least;
    size_t below = panel->values > 0 ? SCALE_GAP + CNN_SCALE_HEIGHT + 2 : 0;
    cnn_status status =
        cnn_canvas_new(width, LINE + panel->picture.height + below, CNN_PAPER, out, diag);
    if (status != CNN_OK)
        return status;
    cnn_canvas_title(out, 0, 0, width, CNN_INK, panel->title);
    cnn_canvas_put(out, 0, LINE, &panel->picture, 1);
    if (!panel->bare)
        cnn_canvas_frame(out,
                         (struct cnn_area){.y = LINE,
                                           .width = panel->picture.width,
                                           .height = panel->picture.height},
                         1, CNN_FAINT);
    if (panel->values > 0)
        cnn_draw_scale(out, 0, LINE + panel->picture.height + SCALE_GAP,
                       panel->picture.width > least ? panel->picture.width : least,
                       (struct cnn_colouring){panel->palette, panel->range}, panel->values);
    return CNN_OK;
}

static cnn_status join(struct cnn_canvas *drawn, size_t count, struct cnn_canvas *out,
                       cnn_diag *diag)
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

cnn_status cnn_panels_write(struct cnn_view *view, const char *stem, const struct cnn_panel *panels,
                            size_t count, cnn_diag *diag)
{
    struct cnn_canvas drawn[4] = {{0}, {0}, {0}, {0}}, joined = {0}, picture = {0};
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < count; i++)
        status = draw_panel(&panels[i], &drawn[i], diag);
    if (status == CNN_OK)
        status = join(drawn, count, &joined, diag);
    if (status == CNN_OK)
        status = cnn_canvas_new(joined.width + 2 * CNN_SHEET_MARGIN,
                                joined.height + 2 * CNN_SHEET_MARGIN, CNN_PAPER, &picture, diag);
    if (status == CNN_OK) {
        cnn_canvas_put(&picture, CNN_SHEET_MARGIN, CNN_SHEET_MARGIN, &joined, 1);
        status = cnn_view_write_picture(view, stem, &picture, diag);
    }
    cnn_canvas_free(&joined);
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
