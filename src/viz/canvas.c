/* Drawing: rectangles, lines, enlarged pixels and resized copies. Everything is cut off at the
 * borders before it is computed, so no coordinate is too large. */
#include "viz/canvas.h"

#include <math.h>
#include <string.h>

#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"

#define MAX_PIXELS ((size_t)1 << 28)

static void put_pixel(struct cnn_canvas *canvas, size_t x, size_t y, struct cnn_colour colour)
{
    uint8_t *p = canvas->pixels + (y * canvas->width + x) * 3;
    p[0] = colour.r;
    p[1] = colour.g;
    p[2] = colour.b;
}

static cnn_status canvas_alloc(size_t width, size_t height, struct cnn_canvas *out, cnn_diag *diag)
{
    if (width == 0 || height == 0 || width > MAX_PIXELS / height)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "a picture cannot have %zu x %zu pixels (at least 1, at most 2^28)", width,
                        height);
    uint8_t *pixels = cnn_malloc(width * height * 3);
    if (!pixels)
        return cnn_fail_memory(diag, width * height * 3, "a picture");
    *out = (struct cnn_canvas){.width = width, .height = height, .pixels = pixels};
    return CNN_OK;
}

cnn_status cnn_canvas_new(size_t width, size_t height, struct cnn_colour background,
                          struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = canvas_alloc(width, height, out, diag);
    if (status == CNN_OK)
        cnn_canvas_fill(out, 0, 0, width, height, background);
    return status;
}

void cnn_canvas_free(struct cnn_canvas *canvas)
{
    cnn_free(canvas->pixels);
    cnn_text_free(&canvas->labels);
    *canvas = (struct cnn_canvas){0};
}

/* How much of a run that begins at `at` lies within the first limit pixels. */
static size_t clip(size_t at, size_t length, size_t limit)
{
    if (at >= limit)
        return 0;
    return length < limit - at ? length : limit - at;
}

/* Rows y + 1 to y + rows - 1 become what row y is, from column x on. */
static void repeat_row(struct cnn_canvas *canvas, size_t x, size_t y, size_t columns, size_t rows)
{
    const uint8_t *row = canvas->pixels + (y * canvas->width + x) * 3;
    for (size_t j = 1; j < rows; j++)
        memcpy(canvas->pixels + ((y + j) * canvas->width + x) * 3, row, columns * 3);
}

void cnn_canvas_fill(struct cnn_canvas *canvas, size_t x, size_t y, size_t width, size_t height,
                     struct cnn_colour colour)
{
    size_t columns = clip(x, width, canvas->width), rows = clip(y, height, canvas->height);
    if (columns == 0 || rows == 0)
        return;
    for (size_t i = 0; i < columns; i++)
        put_pixel(canvas, x + i, y, colour);
    repeat_row(canvas, x, y, columns, rows);
}

void cnn_canvas_frame(struct cnn_canvas *canvas, struct cnn_area area, size_t thickness,
                      struct cnn_colour colour)
{
    size_t across = thickness < area.width ? thickness : area.width,
           down = thickness < area.height ? thickness : area.height;
    cnn_canvas_fill(canvas, area.x, area.y, area.width, down, colour);
    cnn_canvas_fill(canvas, area.x, area.y, across, area.height, colour);
    /* Where the far edges begin beyond the largest number, they lie outside. */
    size_t right, bottom;
    if (cnn_size_add(area.y, area.height - down, &bottom))
        cnn_canvas_fill(canvas, area.x, bottom, area.width, down, colour);
    if (cnn_size_add(area.x, area.width - across, &right))
        cnn_canvas_fill(canvas, right, area.y, across, area.height, colour);
}

/* A place on a line: along its longer axis, and beside it. */
struct place {
    size_t along, beside;
};

/* One pixel for each step along the longer axis. steep: along counts rows. */
static void line_along(struct cnn_canvas *canvas, struct place from, struct place to, bool steep,
                       struct cnn_colour colour)
{
    size_t limit = steep ? canvas->height : canvas->width;
    if (from.along > to.along) {
        struct place before = from;
        from = to;
        to = before;
    }
    double slope = to.along > from.along
                       ? ((double)to.beside - (double)from.beside) / (double)(to.along - from.along)
                       : 0;
    for (size_t a = from.along; a <= to.along && a < limit; a++) {
        double b = floor((double)from.beside + slope * (double)(a - from.along) + 0.5);
        if (b >= 0 && b < (double)(steep ? canvas->width : canvas->height))
            put_pixel(canvas, steep ? (size_t)b : a, steep ? a : (size_t)b, colour);
    }
}

void cnn_canvas_line(struct cnn_canvas *canvas, size_t x0, size_t y0, size_t x1, size_t y1,
                     struct cnn_colour colour)
{
    size_t across = x0 > x1 ? x0 - x1 : x1 - x0, down = y0 > y1 ? y0 - y1 : y1 - y0;
    if (down > across)
        line_along(canvas, (struct place){y0, x0}, (struct place){y1, x1}, true, colour);
    else
        line_along(canvas, (struct place){x0, y0}, (struct place){x1, y1}, false, colour);
}

void cnn_canvas_add_label(struct cnn_canvas *canvas, const struct cnn_label *label,
                          const char *text)
{
    if (*text == '\0')
        return;
    cnn_text_append(&canvas->labels, (const char *)label, sizeof *label);
    cnn_text_append(&canvas->labels, text, strlen(text) + 1);
}

bool cnn_canvas_next_label(const struct cnn_canvas *canvas, size_t *at, struct cnn_label *label,
                           const char **text)
{
    if (*at >= canvas->labels.size)
        return false;
    memcpy(label, canvas->labels.data + *at, sizeof *label);
    *text = canvas->labels.data + *at + sizeof *label;
    *at += sizeof *label + strlen(*text) + 1;
    return true;
}

static void move_labels(struct cnn_canvas *canvas, size_t x, size_t y,
                        const struct cnn_canvas *source, size_t scale)
{
    struct cnn_label label;
    const char *text;
    for (size_t at = 0; cnn_canvas_next_label(source, &at, &label, &text);) {
        label.x = x + label.x * scale;
        label.y = y + label.y * scale;
        label.width *= scale;
        label.height *= scale;
        label.covered[0] *= scale;
        label.covered[1] *= scale;
        cnn_canvas_add_label(canvas, &label, text);
    }
    canvas->labels.failed = canvas->labels.failed || source->labels.failed;
}

void cnn_canvas_put(struct cnn_canvas *canvas, size_t x, size_t y, const struct cnn_canvas *source,
                    size_t scale)
{
    if (scale == 0)
        return;
    size_t columns = clip(x, SIZE_MAX, canvas->width), rows = clip(y, SIZE_MAX, canvas->height);
    if (source->width <= columns / scale)
        columns = source->width * scale;
    if (source->height <= rows / scale)
        rows = source->height * scale;
    for (size_t j = 0; columns > 0 && j < rows; j += clip(j, scale, rows)) {
        for (size_t i = 0; i < columns; i++)
            put_pixel(canvas, x + i, y + j, cnn_canvas_get(source, i / scale, j / scale));
        repeat_row(canvas, x, y + j, columns, clip(j, scale, rows));
    }
    move_labels(canvas, x, y, source, scale);
}

/* Along one axis: output pixel i of `to` is made of `count` source pixels of `from`, beginning at
 * first. Where the copy is smaller, each counts with the part of it that the output pixel covers;
 * where it is larger, by its distance to the output pixel's middle. */
struct span {
    size_t first, count;
    /* of the output pixel, in source pixels; larger: both its middle, from the middle of source
     * pixel 0 */
    double low, high;
    bool larger;
};

static struct span span_of(size_t i, size_t from, size_t to)
{
    struct span s = {.larger = to > from};
    double scale = (double)from / (double)to;
    s.low = s.larger ? ((double)i + 0.5) * scale - 0.5 : (double)i * scale;
    s.high = s.larger ? s.low : (double)(i + 1) * scale;
    s.first = s.low > 0 ? (size_t)s.low : 0;
    size_t end = s.larger ? s.first + 2 : (size_t)ceil(s.high);
    s.count = (end < from ? end : from) - s.first;
    return s;
}

static double span_weight(const struct span *s, size_t k)
{
    double at = (double)(s->first + k);
    if (s->larger)
        return fmax(0, 1 - fabs(fmax(s->low, 0) - at));
    return fmax(0, fmin(s->high, at + 1) - fmax(s->low, at));
}

static struct cnn_colour resized_pixel(const struct cnn_canvas *source, const struct span *across,
                                       const struct span *down)
{
    double r = 0, g = 0, b = 0, sum = 0;
    for (size_t j = 0; j < down->count; j++) {
        double weight_down = span_weight(down, j);
        for (size_t i = 0; i < across->count; i++) {
            double weight = weight_down * span_weight(across, i);
            struct cnn_colour c = cnn_canvas_get(source, across->first + i, down->first + j);
            r += weight * c.r, g += weight * c.g, b += weight * c.b;
            sum += weight;
        }
    }
    return (struct cnn_colour){(uint8_t)(r / sum + 0.5), (uint8_t)(g / sum + 0.5),
                               (uint8_t)(b / sum + 0.5)};
}

cnn_status cnn_canvas_resize(const struct cnn_canvas *canvas, size_t width, size_t height,
                             struct cnn_canvas *out, cnn_diag *diag)
{
    struct cnn_canvas made;
    cnn_status status = canvas_alloc(width, height, &made, diag);
    if (status != CNN_OK)
        return status;
    for (size_t y = 0; y < height; y++) {
        struct span down = span_of(y, canvas->height, height);
        for (size_t x = 0; x < width; x++) {
            struct span across = span_of(x, canvas->width, width);
            put_pixel(&made, x, y, resized_pixel(canvas, &across, &down));
        }
    }
    *out = made;
    return CNN_OK;
}
