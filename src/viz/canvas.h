/* A picture in memory: 24-bit RGB, drawn on with rectangles, enlarged pixels and small text, and
 * written as PNG. Coordinates count from the top left; what falls outside is cut off. */
#ifndef CNN_VIZ_CANVAS_H
#define CNN_VIZ_CANVAS_H

#include "cnn.h"
#include "util/text.h"

struct cnn_colour {
    uint8_t r, g, b;
};

struct cnn_canvas {
    size_t width, height;
    uint8_t *pixels;        /* height * width * 3 bytes */
    struct cnn_text labels; /* of what was drawn as text: cnn_canvas_next_label */
};

/* A text on a canvas, as a page can draw it. */
struct cnn_label {
    size_t x, y, width, height; /* of the text, in pixels; height: of its font */
    size_t covered[2];          /* width and height of its letters' pixels */
    struct cnn_colour ink, paper;
};

/* A part of a canvas. */
struct cnn_area {
    size_t x, y, width, height;
};

/* At least 1 x 1, at most 2^28 pixels (else CNN_FAILED), all of the colour background. Freed by
 * cnn_canvas_free (a zeroed one is legal). */
cnn_status cnn_canvas_new(size_t width, size_t height, struct cnn_colour background,
                          struct cnn_canvas *out, cnn_diag *diag);
void cnn_canvas_free(struct cnn_canvas *canvas);

static inline struct cnn_colour cnn_canvas_get(const struct cnn_canvas *canvas, size_t x, size_t y)
{
    const uint8_t *p = canvas->pixels + (y * canvas->width + x) * 3;
    return (struct cnn_colour){p[0], p[1], p[2]};
}

void cnn_canvas_fill(struct cnn_canvas *canvas, size_t x, size_t y, size_t width, size_t height,
                     struct cnn_colour colour);
/* A frame `thickness` pixels wide, inside the area. */
void cnn_canvas_frame(struct cnn_canvas *canvas, struct cnn_area area, size_t thickness,
                      struct cnn_colour colour);
void cnn_canvas_line(struct cnn_canvas *canvas, size_t x0, size_t y0, size_t x1, size_t y1,
                     struct cnn_colour colour);

/* source with its top left at (x, y), each of its pixels a square of scale x scale: never blurred;
 * its labels move with it. */
void cnn_canvas_put(struct cnn_canvas *canvas, size_t x, size_t y, const struct cnn_canvas *source,
                    size_t scale);

/* letters.c: text in a small fixed font (printable ASCII; other characters are shown as '?'), scale
 * 1: CNN_TEXT_HEIGHT pixels high. (x, y): its top left. The canvas remembers it as a label. A
 * caption (util/words.h) is drawn in English; its label is the translation. */
#define CNN_TEXT_HEIGHT 10
void cnn_canvas_text(struct cnn_canvas *canvas, size_t x, size_t y, size_t scale,
                     struct cnn_colour colour, const char *text);
/* At scale 1; its label is larger where `room` pixels are enough, and up to 13 high. */
void cnn_canvas_title(struct cnn_canvas *canvas, size_t x, size_t y, size_t room,
                      struct cnn_colour colour, const char *text);
/* Of a caption: the larger of both widths. */
size_t cnn_canvas_text_width(const char *text, size_t scale);
/* Whether the font has every character of text. */
bool cnn_canvas_has_letters(const char *text);

/* An empty text is no label. */
void cnn_canvas_add_label(struct cnn_canvas *canvas, const struct cnn_label *label,
                          const char *text);
/* The label at *at (0: the first) and its text, and *at behind it; false: there are no more. */
bool cnn_canvas_next_label(const struct cnn_canvas *canvas, size_t *at, struct cnn_label *label,
                           const char **text);

/* A copy of exactly width x height, without labels: averaged where smaller, interpolated linearly
 * where larger. For photographs; maps are enlarged by cnn_canvas_put. */
cnn_status cnn_canvas_resize(const struct cnn_canvas *canvas, size_t width, size_t height,
                             struct cnn_canvas *out, cnn_diag *diag);

/* The picture as a PNG: added to out (bytes), or to a file as cnn_file_write_quickly, which
 * replaces nothing but a PNG file. */
cnn_status cnn_canvas_encode(const struct cnn_canvas *canvas, struct cnn_text *out, cnn_diag *diag);
cnn_status cnn_canvas_write(const struct cnn_canvas *canvas, const char *path, cnn_diag *diag);

#endif
