/* What contact sheets have in common: a head with title, note and scale, numbers short enough for
 * captions, and tiles in rows. */
#ifndef CNN_VIZ_PARTS_H
#define CNN_VIZ_PARTS_H

#include "viz/sheet.h"

#define CNN_SHEET_PIXELS ((size_t)40 * 1000 * 1000) /* about the largest sheet that is made */
/* wider ones only where they would else be three times as high */
#define CNN_SHEET_WIDTH  ((size_t)2000)
#define CNN_SHEET_MARGIN 8
#define CNN_SHEET_TILE   80 /* the narrowest tile that a caption fits under */

#define CNN_INK   ((struct cnn_colour){32, 32, 32})
#define CNN_NOTE  ((struct cnn_colour){96, 96, 96})
#define CNN_FAINT ((struct cnn_colour){190, 190, 190})
#define CNN_PAPER ((struct cnn_colour){255, 255, 255})
#define CNN_ALERT ((struct cnn_colour){225, 60, 40})

/* value in at most six characters, as exactly as they allow: -0.123, 1.2e-7, inf. Returns
 * buffer. */
#define CNN_NUMBER_SIZE 16
const char *cnn_short_number(float value, char buffer[CNN_NUMBER_SIZE]);

/* Whether each of the numbers has room in a cell of this many pixels. */
bool cnn_numbers_fit(const float *values, size_t count, size_t cell);
/* Each number of a map in the middle of its cell, dark on light colours and white on dark ones.
 * The map is drawn already, with its corner at (x, y). */
void cnn_draw_numbers(struct cnn_canvas *canvas, struct cnn_map map, size_t cell, size_t x,
                      size_t y);

/* A bar from the colour of the lowest number to that of the highest. */
void cnn_draw_bar(struct cnn_canvas *canvas, struct cnn_area area, struct cnn_colouring colouring);

/* The scale of a picture: the bar over width pixels, below it the numbers at its ends, and between
 * them how many of the count values are no numbers, where there is room. CNN_SCALE_HEIGHT pixels
 * high; nothing where no value is finite. */
#define CNN_SCALE_HEIGHT (8 + 3 + CNN_TEXT_HEIGHT)
void cnn_draw_scale(struct cnn_canvas *canvas, size_t x, size_t y, size_t width,
                    struct cnn_colouring colouring, size_t count);

/* Text that ends before x. */
void cnn_draw_text_left_of(struct cnn_canvas *canvas, size_t x, size_t y, struct cnn_colour colour,
                           const char *text);

/* Whether the font of captions lacks letters of name: then a warning says so. `as_it_is`: where the
 * reader finds the name. */
bool cnn_warn_of_letters(const char *name, const char *as_it_is, cnn_diag *diag);

/* At the top of a sheet. */
struct cnn_sheet_head {
    const char *title, *note;      /* a line each; NULL or "": none */
    bool cut;                      /* the note says that something is missing */
    const struct cnn_range *range; /* of all that the sheet shows; NULL: no scale */
    cnn_palette palette;
};

/* A sheet with this head drawn and room for width x height pixels, margins not counted, below it;
 * *top is where that begins (its left is CNN_SHEET_MARGIN). Too large: CNN_FAILED. */
cnn_status cnn_sheet_begin(const struct cnn_sheet_head *head, size_t width, size_t height,
                           struct cnn_canvas *out, size_t *top, cnn_diag *diag);

/* count tiles of this size, in as many columns as make a sheet of about 4:3 that is not too wide.
 * Fewer are shown where they would be too many pixels. */
struct cnn_sheet_grid {
    size_t shown, columns, rows, tile_width, tile_height;
};
struct cnn_sheet_grid cnn_sheet_grid_of(size_t count, size_t tile_width, size_t tile_height);

/* That [count][c][h][w] numbers are something to draw: no size is zero and their bytes can be
 * counted. what names them in the message. */
cnn_status cnn_sheet_check(const char *what, size_t count, size_t c, size_t h, size_t w,
                           cnn_diag *diag);

/* The larger magnitude of the two ends. */
static inline float cnn_range_magnitude(struct cnn_range range)
{
    return -range.low > range.high ? -range.low : range.high;
}

#endif
