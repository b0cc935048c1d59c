/* All maps of a layer on one sheet, and one map alone. A tile is the map, its number, what is wrong
 * with it, and its scale. */
#include "viz/sheet.h"
#include "util/words.h"

#include <math.h>
#include <stdio.h>

#include "util/diag.h"
#include "viz/parts.h"

#define FEW_MAPS 64 /* up to these, tiles are large */
/* pixels of a large tile's longer side, at most, and of a small one's at least */
#define LARGE_SIDE  128
#define SMALL_SIDE  64
#define GAP         8 /* between columns of tiles */
#define ROW_GAP     12
#define BAR_HEIGHT  6
#define NUMBER_LINE (CNN_TEXT_HEIGHT + 2)

/* What is asked for, and how it is drawn. */
struct sheet {
    const float *maps;
    size_t count, h, w;
    struct cnn_sheet_style style;
    bool one_scale, numbered;
    struct cnn_range range; /* of all maps */
    size_t shrink, enlarge; /* one of them is 1 */
    struct cnn_canvas map;  /* one map, a pixel for each (shrunk) value */
};

enum state { ALIVE, SILENT, CONSTANT, HOLDS_NAN };

/* A map of one value is not called constant: it could be nothing else. */
static enum state map_state(const struct sheet *s, struct cnn_range range)
{
    if (range.nan > 0)
        return HOLDS_NAN;
    if (s->style.mark_silent && range.low == 0 && range.high == 0)
        return SILENT;
    return range.low == range.high && s->h * s->w > 1 && !s->style.kernels ? CONSTANT : ALIVE;
}

float cnn_map_mean(struct cnn_map map, size_t shrink, size_t row, size_t column)
{
    double sum = 0;
    size_t y0 = row * shrink, x0 = column * shrink;
    size_t y1 = map.h - y0 < shrink ? map.h : y0 + shrink,
           x1 = map.w - x0 < shrink ? map.w : x0 + shrink;
    for (size_t y = y0; y < y1; y++) {
        for (size_t x = x0; x < x1; x++)
            sum += map.values[y * map.w + x];
    }
    return (float)(sum / (double)((y1 - y0) * (x1 - x0)));
}

/* canvas: as many pixels as the map has blocks. */
static void colour_map(struct cnn_canvas *canvas, struct cnn_map map, size_t shrink,
                       struct cnn_colouring colouring)
{
    for (size_t y = 0; y < canvas->height; y++) {
        for (size_t x = 0; x < canvas->width; x++)
            cnn_canvas_fill(canvas, x, y, 1, 1,
                            cnn_palette_colour(colouring.palette, colouring.range,
                                               cnn_map_mean(map, shrink, y, x)));
    }
}

/* Where the next part of the tile of map `number` begins, and how wide it is. */
struct tile {
    size_t number, x, y, width;
};

/* Number on the left, what is wrong on the right. */
static void draw_name(struct cnn_canvas *canvas, const struct tile *tile, enum state state,
                      size_t nan)
{
    char text[32], count[32] = "";
    snprintf(text, sizeof text, "%zu", tile->number);
    cnn_canvas_text(canvas, tile->x, tile->y, 1, CNN_INK, text);
    size_t room = tile->width - cnn_canvas_text_width(text, 1);
    if (state == HOLDS_NAN) {
        snprintf(count, sizeof count, "%zu NaN", nan);
        if (cnn_canvas_text_width(count, 1) > room)
            snprintf(count, sizeof count, "NaN");
    } else if (state == SILENT) {
        cnn_caption(count, sizeof count, "silent");
    } else if (state == CONSTANT) {
        cnn_caption(count, sizeof count, "constant");
    }
    cnn_draw_text_left_of(canvas, tile->x + tile->width + 1, tile->y, CNN_ALERT, count);
}

/* The ends of the scale; one number where they are the same, none where no value is finite. */
static void draw_numbers(struct cnn_canvas *canvas, const struct tile *tile, struct cnn_range range)
{
    char text[CNN_NUMBER_SIZE];
    cnn_canvas_text(canvas, tile->x, tile->y, 1, CNN_INK, cnn_short_number(range.low, text));
    if (range.low < range.high)
        cnn_draw_text_left_of(canvas, tile->x + tile->width + 1, tile->y, CNN_INK,
                              cnn_short_number(range.high, text));
}

static void draw_tile(struct sheet *s, struct cnn_canvas *canvas, struct tile tile,
                      struct cnn_sheet_summary *summary)
{
    const size_t x = tile.x, y = tile.y;
    const struct cnn_map map = {s->maps + tile.number * s->h * s->w, s->h, s->w};
    struct cnn_range own = cnn_range_of(map.values, s->h * s->w);
    enum state state = map_state(s, own);
    size_t across = s->map.width * s->enlarge, down = s->map.height * s->enlarge;
    summary->silent += state == SILENT;
    summary->constant += state == CONSTANT;
    summary->nan += state == HOLDS_NAN;
    if (!canvas)
        return;
    colour_map(&s->map, map, s->shrink,
               (struct cnn_colouring){s->style.palette, s->one_scale ? s->range : own});
    cnn_canvas_frame(canvas,
                     (struct cnn_area){.x = x, .y = y, .width = across + 2, .height = down + 2}, 1,
                     CNN_FAINT);
    cnn_canvas_put(canvas, x + 1, y + 1, &s->map, s->enlarge);
    if (s->numbered)
        cnn_draw_numbers(canvas, map, s->enlarge, x + 1, y + 1);
    if (state == SILENT) {
        cnn_canvas_line(canvas, x + 1, y + 1, x + across, y + down, CNN_ALERT);
        cnn_canvas_line(canvas, x + across, y + 1, x + 1, y + down, CNN_ALERT);
    }
    tile.y += down + 4;
    draw_name(canvas, &tile, state, own.nan);
    tile.y += NUMBER_LINE;
    if (own.nan == s->h * s->w)
        return;
    if (!s->one_scale) {
        cnn_draw_bar(
            canvas,
            (struct cnn_area){.x = x, .y = tile.y - 2, .width = tile.width, .height = BAR_HEIGHT},
            (struct cnn_colouring){s->style.palette, own});
        tile.y += BAR_HEIGHT + 1;
    }
    draw_numbers(canvas, &tile, own);
}

/* Maps are enlarged to tiles of a handy size. Where the sheet would be too large they are shrunk
 * instead, unless their captions are what fills it. */
static struct cnn_sheet_grid lay_out(struct sheet *s, size_t *map_width, size_t *map_height)
{
    size_t longer = s->h > s->w ? s->h : s->w;
    size_t captions = 4 + NUMBER_LINE * 2 + (s->one_scale ? 0 : BAR_HEIGHT + 1) + ROW_GAP;
    s->shrink = s->enlarge = 1;
    if (s->count <= FEW_MAPS && longer < LARGE_SIDE)
        s->enlarge = LARGE_SIDE / longer;
    else if (longer < SMALL_SIDE)
        s->enlarge = (SMALL_SIDE - 1) / longer + 1;
    for (;; s->shrink++) {
        *map_width = (s->w - 1) / s->shrink + 1;
        *map_height = (s->h - 1) / s->shrink + 1;
        size_t across = *map_width * s->enlarge + 2, down = *map_height * s->enlarge + 2;
        struct cnn_sheet_grid grid = cnn_sheet_grid_of(
            s->count, (across > CNN_SHEET_TILE ? across : CNN_SHEET_TILE) + GAP, down + captions);
        bool small = *map_width <= SMALL_SIDE && *map_height <= SMALL_SIDE;
        if (small ||
            (grid.shown == s->count && (double)across * (double)down <= (double)CNN_SHEET_PIXELS))
            return grid;
    }
}

static void write_note(const struct sheet *s, size_t shown, char *note, size_t size)
{
    bool shrunk = s->shrink > 1, some = shown < s->count;
    note[0] = '\0';
    if (shrunk && some)
        cnn_caption(note, size,
                    "each pixel is the mean of %zu x %zu values; the first %zu of %zu maps",
                    s->shrink, s->shrink, shown, s->count);
    else if (shrunk)
        cnn_caption(note, size, "each pixel is the mean of %zu x %zu values", s->shrink, s->shrink);
    else if (some)
        cnn_caption(note, size, "the first %zu of %zu maps", shown, s->count);
}

static cnn_status draw_sheet(struct sheet *s, struct cnn_canvas *out,
                             struct cnn_sheet_summary *summary, cnn_diag *diag)
{
    char note[320];
    size_t top, map_width, map_height;
    struct cnn_sheet_grid grid = lay_out(s, &map_width, &map_height);
    s->numbered = s->style.numbers && s->h * s->w > 1 &&
                  cnn_numbers_fit(s->maps, s->count * s->h * s->w, s->enlarge);
    struct cnn_sheet_head head = {s->style.title, note, grid.shown < s->count,
                                  s->one_scale ? &s->range : NULL, s->style.palette};
    write_note(s, grid.shown, note, sizeof note);
    cnn_status status = cnn_canvas_new(map_width, map_height, CNN_PAPER, &s->map, diag);
    if (status == CNN_OK)
        status = cnn_sheet_begin(&head, grid.columns * grid.tile_width - GAP,
                                 grid.rows * grid.tile_height - ROW_GAP, out, &top, diag);
    for (size_t i = 0; i < s->count && status == CNN_OK; i++) {
        struct tile tile = {.number = i,
                            .x = CNN_SHEET_MARGIN + i % grid.columns * grid.tile_width,
                            .y = top + i / grid.columns * grid.tile_height,
                            .width = grid.tile_width - GAP};
        draw_tile(s, i < grid.shown ? out : NULL, tile, summary);
    }
    cnn_canvas_free(&s->map);
    return status;
}

cnn_status cnn_sheet_maps(const struct cnn_maps *maps, const struct cnn_sheet_style *style,
                          struct cnn_canvas *out, struct cnn_sheet_summary *summary, cnn_diag *diag)
{
    const size_t count = maps->count, h = maps->h, w = maps->w;
    struct sheet s = {.maps = maps->values, .count = count, .h = h, .w = w, .style = *style};
    struct cnn_sheet_summary counted = {.maps = count};
    cnn_status status = cnn_sheet_check("maps", count, 1, h, w, diag);
    if (status != CNN_OK)
        return status;
    s.range = cnn_range_of(maps->values, count * h * w);
    /* on its own scale a single value would say nothing */
    s.one_scale = style->one_scale || h * w == 1;
    status = draw_sheet(&s, out, &counted, diag);
    if (status == CNN_OK && summary)
        *summary = counted;
    return status;
}

cnn_status cnn_sheet_map(struct cnn_map map, struct cnn_colouring colouring, size_t side,
                         struct cnn_canvas *out, cnn_diag *diag)
{
    const size_t h = map.h, w = map.w;
    struct cnn_canvas small = {0};
    cnn_status status = cnn_sheet_check("maps", 1, 1, h, w, diag);
    if (status != CNN_OK)
        return status;
    size_t longer = h > w ? h : w, enlarge = side > longer ? side / longer : 1;
    status = cnn_canvas_new(w, h, CNN_PAPER, &small, diag);
    if (status != CNN_OK)
        return status;
    colour_map(&small, map, 1, colouring);
    status = cnn_canvas_new(w * enlarge, h * enlarge, CNN_PAPER, out, diag);
    if (status == CNN_OK)
        cnn_canvas_put(out, 0, 0, &small, enlarge);
    cnn_canvas_free(&small);
    return status;
}
