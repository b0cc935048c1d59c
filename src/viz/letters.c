/* Text on a canvas: letters of a small font as pixels, and the same text as labels, from which a
 * page draws it with the reader's own fonts. */
#include <string.h>

#include "util/characters.h"
#include "util/words.h"
#include "viz/canvas.h"
#include "viz/font.h"

#define LARGEST_SCALE ((size_t)1 << 28)
#define TITLE_HEIGHT  13 /* of a title's letters on a page, where there is room */

static void draw_glyph(struct cnn_canvas *canvas, size_t x, size_t y, size_t scale,
                       struct cnn_colour colour, const uint8_t *rows)
{
    for (size_t j = 0; j < CNN_FONT_ROWS; j++) {
        for (size_t i = 0; i < CNN_FONT_COLUMNS; i++) {
            if (rows[j] >> (CNN_FONT_COLUMNS - 1 - i) & 1)
                cnn_canvas_fill(canvas, x + i * scale, y + j * scale, scale, scale, colour);
        }
    }
}

#define NO_GLYPH SIZE_MAX

/* The character that a text begins with. */
struct character {
    size_t bytes, columns, glyph; /* its place in the font */
};

static struct character next_character(const char *text, size_t size)
{
    uint32_t code = 0;
    size_t length = cnn_utf8_decode(text, size, &code);
    struct character c = {.bytes = length > 0 ? length : 1, .columns = 1, .glyph = NO_GLYPH};
    if (length == 2 && code == 0xB1)
        c.glyph = CNN_FONT_PLUS_MINUS;
    else if (length == 1 && code >= ' ' && code <= '~')
        c.glyph = code - ' ';
    else if (length > 0)
        c.columns = cnn_character_columns(code);
    return c;
}

bool cnn_canvas_has_letters(const char *text)
{
    size_t size = strlen(text);
    struct character c = {0};
    for (size_t i = 0; i < size && c.glyph != NO_GLYPH; i += c.bytes)
        c = next_character(text + i, size - i);
    return c.glyph != NO_GLYPH;
}

/* Bytes of a caption that are drawn as pixels. */
static size_t drawn_size(const char *text)
{
    const char *mark = strchr(text, CNN_SAID);
    return mark ? (size_t)(mark - text) : strlen(text);
}

static size_t columns_of(const char *text, size_t size)
{
    size_t columns = 0;
    for (size_t i = 0; i < size;) {
        const struct character c = next_character(text + i, size - i);
        columns += c.columns;
        i += c.bytes;
    }
    return columns;
}

/* The pixels of the label's text as a page shows it, and of the letters that it covers. */
static void measure(const char *text, size_t scale, size_t *said, size_t *drawn)
{
    const char *shown = cnn_caption_said(text);
    *said = columns_of(shown, strlen(shown)) * CNN_FONT_ADVANCE * scale;
    *drawn = columns_of(text, drawn_size(text)) * CNN_FONT_ADVANCE * scale;
}

static void draw_text(struct cnn_canvas *canvas, size_t x, size_t y, size_t scale,
                      struct cnn_colour colour, const char *text)
{
    size_t size = drawn_size(text);
    for (size_t i = 0; i < size && x < canvas->width;) {
        const struct character c = next_character(text + i, size - i);
        const size_t glyph = c.glyph == NO_GLYPH ? '?' - ' ' : c.glyph;
        if (c.columns > 0)
            draw_glyph(canvas, x, y, scale, colour, cnn_font[glyph]);
        i += c.bytes;
        x += c.columns * CNN_FONT_ADVANCE * scale;
    }
}

void cnn_canvas_text(struct cnn_canvas *canvas, size_t x, size_t y, size_t scale,
                     struct cnn_colour colour, const char *text)
{
    if (scale > LARGEST_SCALE || x >= canvas->width || y >= canvas->height)
        return;
    size_t width, drawn;
    measure(text, scale, &width, &drawn);
    const struct cnn_label label = {.x = x,
                                    .y = y,
                                    .width = width,
                                    .height = CNN_TEXT_HEIGHT * scale,
                                    .covered = {drawn, CNN_FONT_ROWS * scale},
                                    .ink = colour,
                                    .paper = cnn_canvas_get(canvas, x, y)};
    cnn_canvas_add_label(canvas, &label, cnn_caption_said(text));
    draw_text(canvas, x, y, scale, colour, text);
}

void cnn_canvas_title(struct cnn_canvas *canvas, size_t x, size_t y, size_t room,
                      struct cnn_colour colour, const char *text)
{
    if (x >= canvas->width || y >= canvas->height)
        return;
    size_t width, drawn;
    measure(text, 1, &width, &drawn);
    const size_t large = width * TITLE_HEIGHT / CNN_TEXT_HEIGHT;
    const struct cnn_label label = {.x = x,
                                    .y = y,
                                    .width = large <= room ? large : width,
                                    .height = large <= room ? TITLE_HEIGHT : CNN_TEXT_HEIGHT,
                                    .covered = {drawn, CNN_FONT_ROWS},
                                    .ink = colour,
                                    .paper = cnn_canvas_get(canvas, x, y)};
    cnn_canvas_add_label(canvas, &label, cnn_caption_said(text));
    draw_text(canvas, x, y, 1, colour, text);
}

size_t cnn_canvas_text_width(const char *text, size_t scale)
{
    size_t said, drawn;
    measure(text, scale, &said, &drawn);
    return said > drawn ? said : drawn;
}
