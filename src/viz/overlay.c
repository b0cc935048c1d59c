/* A map laid over a picture, a network's input as a picture, and pictures side by side. */
#include <math.h>
#include <stdio.h>

#include "util/arena.h"
#include "util/diag.h"
#include "viz/parts.h"

#define SCALE_GAP 3
#define STRIP     (SCALE_GAP + CNN_SCALE_HEIGHT + 2) /* below the picture */
#define ROW_GAP   8

struct overlay {
    const float *map;
    size_t h, w;
    struct cnn_placement rows, columns;
    cnn_palette palette;
    struct cnn_range range;
};

void cnn_value_placement(const struct cnn_graph *graph, size_t value, struct cnn_placement out[2])
{
    const struct cnn_node *node = value > 0 ? &graph->nodes[value - 1] : NULL;
    const double size[2] = {(double)graph->input.h, (double)graph->input.w};
    for (int d = 0; d < 2; d++)
        out[d] = (struct cnn_placement){((node ? node->centre[d] : 0) + 0.5) / size[d],
                                        (double)(node ? node->jump[d] : 1) / size[d]};
}

/* Between which two of count values pixel i of size lies, and how far: interpolation from the
 * middles of the map's cells, whose outer ones reach half a step further out. False beyond that. */
static bool find_between(size_t i, size_t size, size_t count, struct cnn_placement placement,
                         size_t *first, double *part)
{
    const double slack = 1e-9, last = (double)(count - 1);
    double at = (((double)i + 0.5) / (double)size - placement.first) / placement.step,
           inside = fmin(fmax(at, 0), last);
    *first = (size_t)inside;
    *part = inside - (double)*first;
    return at >= -0.5 - slack && at <= last + 0.5 + slack;
}

/* The map at pixel (x, y) of a picture of width x height; where no cell of it lies, as if it said
 * nothing. NaN where the cell under the pixel is; else of the cells around, those that are finite
 * count. */
static double map_at(const struct overlay *o, size_t x, size_t y, size_t width, size_t height)
{
    double across, down, sum = 0, weights = 0;
    size_t x0, y0;
    bool in_row = find_between(x, width, o->w, o->columns, &x0, &across),
         in_column = find_between(y, height, o->h, o->rows, &y0, &down);
    if (!in_row || !in_column)
        return o->palette == CNN_PALETTE_SIGNED ? 0 : (double)o->range.low;
    if (!isfinite(o->map[(y0 + (down >= 0.5)) * o->w + x0 + (across >= 0.5)]))
        return NAN;
    for (size_t j = 0; j < 2 && y0 + j < o->h; j++) {
        for (size_t i = 0; i < 2 && x0 + i < o->w; i++) {
            double weight = (j ? down : 1 - down) * (i ? across : 1 - across),
                   value = o->map[(y0 + j) * o->w + x0 + i];
            if (weight > 0 && isfinite(value)) {
                sum += weight * value;
                weights += weight;
            }
        }
    }
    return sum / weights;
}

static uint8_t mix(double a, double b, double part)
{
    return (uint8_t)(a + (b - a) * part + 0.5);
}

/* The picture, greyer but as bright as it is; over it the map's colour, heavier where it says
 * much. */
static struct cnn_colour lay_over(const struct overlay *o, struct cnn_colour below, double value)
{
    if (!isfinite(value))
        return CNN_COLOUR_NAN;
    double low = o->range.low, high = o->range.high, magnitude = fmax(fabs(low), fabs(high)), t = 0;
    if (o->palette == CNN_PALETTE_SIGNED)
        t = magnitude > 0 ? fabs(value) / magnitude : 0;
    else if (low < high)
        t = (value - low) / (high - low);
    double grey = 0.2126 * below.r + 0.7152 * below.g + 0.0722 * below.b, part = 0.75 * t;
    struct cnn_colour over = cnn_palette_colour(o->palette, o->range, (float)value);
    return (struct cnn_colour){mix((2 * grey + below.r) / 3, over.r, part),
                               mix((2 * grey + below.g) / 3, over.g, part),
                               mix((2 * grey + below.b) / 3, over.b, part)};
}

cnn_status cnn_sheet_overlay(const struct cnn_canvas *picture, struct cnn_map map,
                             const struct cnn_placement *placement, cnn_palette palette,
                             struct cnn_canvas *out, cnn_diag *diag)
{
    const size_t h = map.h, w = map.w;
    struct overlay o = {.map = map.values, .h = h, .w = w, .palette = palette};
    cnn_status status = cnn_sheet_check("maps", 1, 1, h, w, diag);
    if (status != CNN_OK)
        return status;
    o.rows = placement ? placement[0] : (struct cnn_placement){0.5 / (double)h, 1 / (double)h};
    o.columns = placement ? placement[1] : (struct cnn_placement){0.5 / (double)w, 1 / (double)w};
    o.range = cnn_range_of(map.values, h * w);
    size_t width = picture->width > CNN_SHEET_TILE ? picture->width : CNN_SHEET_TILE;
    status = cnn_canvas_new(width, picture->height + STRIP, CNN_PAPER, out, diag);
    if (status != CNN_OK)
        return status;
    for (size_t y = 0; y < picture->height; y++) {
        for (size_t x = 0; x < picture->width; x++) {
            double value = map_at(&o, x, y, picture->width, picture->height);
            cnn_canvas_fill(out, x, y, 1, 1, lay_over(&o, cnn_canvas_get(picture, x, y), value));
        }
    }
    cnn_draw_scale(out, 0, picture->height + SCALE_GAP, width,
                   (struct cnn_colouring){palette, o.range}, h * w);
    return CNN_OK;
}

/* The cell of count that lies over pixel i of size; count: none. */
static size_t find_cell(size_t i, size_t size, size_t count, struct cnn_placement placement)
{
    size_t first;
    double part;
    if (!find_between(i, size, count, placement, &first, &part))
        return count;
    return first + (part >= 0.5);
}

cnn_status cnn_sheet_placed(const struct cnn_canvas *picture, struct cnn_map map,
                            const struct cnn_placement *placement, struct cnn_colouring colouring,
                            struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = cnn_sheet_check("maps", 1, 1, map.h, map.w, diag);
    if (status == CNN_OK)
        status = cnn_canvas_new(picture->width, picture->height, CNN_PAPER, out, diag);
    for (size_t y = 0; status == CNN_OK && y < out->height; y++) {
        size_t row = find_cell(y, out->height, map.h, placement[0]);
        for (size_t x = 0; x < out->width; x++) {
            size_t column = find_cell(x, out->width, map.w, placement[1]);
            if (row < map.h && column < map.w)
                cnn_canvas_fill(out, x, y, 1, 1,
                                cnn_palette_colour(colouring.palette, colouring.range,
                                                   map.values[row * map.w + column]));
        }
    }
    return status;
}

cnn_status cnn_sheet_image(const float *image, size_t c, size_t h, size_t w, struct cnn_canvas *out,
                           cnn_diag *diag)
{
    cnn_status status = cnn_sheet_check("pixels", 1, c, h, w, diag);
    if (status != CNN_OK)
        return status;
    size_t plane = h * w, shown = c == 3 ? 3 : 1;
    struct cnn_range range = cnn_range_of(image, shown * plane);
    status = cnn_canvas_new(w, h, CNN_PAPER, out, diag);
    if (status != CNN_OK)
        return status;
    for (size_t i = 0; i < plane; i++) {
        struct cnn_colour channel[3], nan = CNN_COLOUR_NAN;
        bool finite = true;
        for (size_t k = 0; k < 3; k++) {
            float value = image[(shown == 3 ? k : 0) * plane + i];
            channel[k] = cnn_palette_colour(CNN_PALETTE_GREY, range, value);
            finite = finite && isfinite(value);
        }
        struct cnn_colour colour = {channel[0].r, channel[1].r, channel[2].r};
        cnn_canvas_fill(out, i % w, i / w, 1, 1, finite ? colour : nan);
    }
    return CNN_OK;
}

cnn_status cnn_sheet_row(const struct cnn_canvas *pictures, size_t count, bool down,
                         struct cnn_canvas *out, cnn_diag *diag)
{
    size_t along = 0, across = 0;
    if (count == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "there are no pictures to put side by side");
    for (size_t i = 0; i < count; i++) {
        size_t length = down ? pictures[i].height : pictures[i].width,
               breadth = down ? pictures[i].width : pictures[i].height;
        if (!cnn_size_add(along, length + (i > 0 ? ROW_GAP : 0), &along))
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%zu pictures are too large to stand side by side", count);
        across = breadth > across ? breadth : across;
    }
    cnn_status status =
        cnn_canvas_new(down ? across : along, down ? along : across, CNN_PAPER, out, diag);
    for (size_t i = 0, at = 0; i < count && status == CNN_OK; i++) {
        cnn_canvas_put(out, down ? 0 : at, down ? at : 0, &pictures[i], 1);
        at += (down ? pictures[i].height : pictures[i].width) + ROW_GAP;
    }
    return status;
}
