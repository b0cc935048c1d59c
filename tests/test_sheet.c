/* Contact sheets: which pixel shows which value, what captions say, how large a sheet becomes, and
 * what is left out. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "networks.h"
#include "viz/parts.h"
#include "viz/sheet.h"

#define M CNN_SHEET_MARGIN

static const struct cnn_colour white = {255, 255, 255};
static const struct cnn_sheet_style plain = {.palette = CNN_PALETTE_HEAT};

static bool same(struct cnn_colour a, struct cnn_colour b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

static void assert_pixel(const struct cnn_canvas *canvas, size_t x, size_t y,
                         struct cnn_colour want)
{
    assert_true(x < canvas->width && y < canvas->height);
    struct cnn_colour got = cnn_canvas_get(canvas, x, y);
    if (!same(got, want))
        fail_msg("pixel (%zu, %zu) is %d %d %d, not %d %d %d", x, y, got.r, got.g, got.b, want.r,
                 want.g, want.b);
}

/* A rectangle all of one colour. */
static void assert_block(const struct cnn_canvas *canvas, size_t x, size_t y, size_t width,
                         size_t height, struct cnn_colour want)
{
    for (size_t i = 0; i < width * height; i++)
        assert_pixel(canvas, x + i % width, y + i / width, want);
}

static bool text_at(const struct cnn_canvas *canvas, const struct cnn_canvas *text, size_t x,
                    size_t y)
{
    for (size_t j = 0; j < text->height; j++) {
        if (memcmp(canvas->pixels + ((y + j) * canvas->width + x) * 3,
                   text->pixels + j * text->width * 3, text->width * 3) != 0)
            return false;
    }
    return true;
}

/* How often text stands on the canvas in this colour on paper of that one, blank on both its
 * sides. */
static size_t count_text_on(const struct cnn_canvas *canvas, struct cnn_colour paper,
                            struct cnn_colour colour, const char *text)
{
    size_t count = 0;
    struct cnn_canvas words;
    assert_int_equal(cnn_canvas_new(cnn_canvas_text_width(text, 1) + 6, CNN_TEXT_HEIGHT - 1, paper,
                                    &words, NULL),
                     CNN_OK);
    cnn_canvas_text(&words, 5, 0, 1, colour, text);
    for (size_t y = 0; y + words.height <= canvas->height; y++) {
        for (size_t x = 0; x + words.width <= canvas->width; x++)
            count += text_at(canvas, &words, x, y);
    }
    cnn_canvas_free(&words);
    return count;
}

static size_t count_text(const struct cnn_canvas *canvas, struct cnn_colour colour,
                         const char *text)
{
    return count_text_on(canvas, white, colour, text);
}

static size_t count_colour(const struct cnn_canvas *canvas, struct cnn_colour colour)
{
    size_t count = 0;
    for (size_t i = 0; i < canvas->width * canvas->height; i++)
        count += same(cnn_canvas_get(canvas, i % canvas->width, i / canvas->width), colour);
    return count;
}

static struct cnn_canvas maps_sheet(const float *maps, size_t count, size_t h, size_t w,
                                    const struct cnn_sheet_style *style,
                                    struct cnn_sheet_summary *summary)
{
    struct cnn_canvas sheet;
    assert_int_equal(
        cnn_sheet_maps(&(struct cnn_maps){.values = maps, .count = count, .h = h, .w = w}, style,
                       &sheet, summary, NULL),
        CNN_OK);
    return sheet;
}

static void test_each_value_is_a_square_of_its_colour(void **state)
{
    (void)state;
    const float maps[] = {0, 1, 2, 4, -3, -3, -3, -1};
    struct cnn_canvas sheet = maps_sheet(maps, 2, 2, 2, &plain, NULL);
    size_t second = M + (sheet.width - 2 * M + 8) / 2; /* of two tiles with a gap of 8 */
    for (size_t i = 0; i < 4; i++) {
        size_t x = i % 2 * 64, y = M + 1 + i / 2 * 64;
        assert_block(&sheet, M + 1 + x, y, 64, 64,
                     cnn_palette_colour(CNN_PALETTE_HEAT, (struct cnn_range){0, 4, 0}, maps[i]));
        assert_block(
            &sheet, second + 1 + x, y, 64, 64,
            cnn_palette_colour(CNN_PALETTE_HEAT, (struct cnn_range){-3, -1, 0}, maps[4 + i]));
    }
    assert_block(&sheet, M, M, 130, 1, CNN_FAINT);
    assert_block(&sheet, M, M + 129, 130, 1, CNN_FAINT);
    const char *captions[] = {"4", "-3", "-1", "1"};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(count_text(&sheet, CNN_INK, captions[i]), 1);
    assert_int_equal(count_text(&sheet, CNN_INK, "0"), 2); /* the number of a map and its minimum */
    cnn_canvas_free(&sheet);
}

static void test_numbers_stand_in_the_cells_where_all_have_room(void **state)
{
    (void)state;
    const float maps[] = {0, 1.25F, 2, 4, -3, -3, -3, -1};
    const struct cnn_range ranges[] = {{0, 4, 0}, {-3, -1, 0}};
    const struct cnn_sheet_style style = {.palette = CNN_PALETTE_GREY, .numbers = true};
    struct cnn_canvas sheet = maps_sheet(maps, 2, 2, 2, &style, NULL);
    for (size_t i = 0; i < 8; i++) {
        char text[CNN_NUMBER_SIZE];
        struct cnn_colour cell = cnn_palette_colour(CNN_PALETTE_GREY, ranges[i / 4], maps[i]),
                          ink = cell.r < 128 ? white : CNN_INK;
        size_t same_cells = same(cell, white); /* the largest number: at the scale, too */
        for (size_t j = i / 4 * 4; j < i / 4 * 4 + 4; j++)
            same_cells += maps[j] == maps[i];
        assert_int_equal(count_text_on(&sheet, cell, ink, cnn_short_number(maps[i], text)),
                         same_cells);
    }
    cnn_canvas_free(&sheet);
    /* a cell of 128 / 8 pixels has no room for the last number */
    float narrow[64] = {[63] = 0.125F};
    struct cnn_canvas with = maps_sheet(narrow, 1, 8, 8, &style, NULL),
                      without =
                          maps_sheet(narrow, 1, 8, 8,
                                     &(struct cnn_sheet_style){.palette = CNN_PALETTE_GREY}, NULL);
    assert_memory_equal(with.pixels, without.pixels, with.width * with.height * 3);
    cnn_canvas_free(&without);
    narrow[63] = 1;
    struct cnn_canvas short_numbers = maps_sheet(narrow, 1, 8, 8, &style, NULL);
    assert_int_equal(count_text_on(&short_numbers, (struct cnn_colour){0, 0, 0}, white, "0"), 63);
    cnn_canvas_free(&short_numbers);
    cnn_canvas_free(&with);
}

static void test_bars_end_in_the_colours_of_minimum_and_maximum(void **state)
{
    (void)state;
    const float map[] = {-1, 0, 0.5F, 3};
    const struct cnn_range range = {-1, 3, 0};
    for (cnn_palette p = CNN_PALETTE_HEAT; p <= CNN_PALETTE_SIGNED; p++) {
        struct cnn_sheet_style style = {.palette = p};
        struct cnn_canvas sheet = maps_sheet(map, 1, 2, 2, &style, NULL);
        size_t y = M + 130 + 2 + CNN_TEXT_HEIGHT + 4; /* below the map and its number */
        assert_pixel(&sheet, M, y, cnn_palette_colour(p, range, -1));
        assert_pixel(&sheet, M + 129, y, cnn_palette_colour(p, range, 3));
        assert_pixel(&sheet, M + 130, y, white);
        cnn_canvas_free(&sheet);
    }
}

static void test_one_scale_colours_all_maps_alike(void **state)
{
    (void)state;
    const float maps[] = {0, 1, 2, 8};
    const struct cnn_range range = {0, 8, 0};
    struct cnn_sheet_style style = {
        .palette = CNN_PALETTE_GREY, .one_scale = true, .title = "two maps"};
    struct cnn_canvas sheet = maps_sheet(maps, 2, 1, 2, &style, NULL);
    assert_int_equal(count_text(&sheet, CNN_INK, "two maps"), 1);
    assert_int_equal(count_text(&sheet, CNN_INK, "8"), 2); /* of the scale and of the second map */
    for (size_t i = 0; i < 4; i++)
        assert_true(count_colour(&sheet, cnn_palette_colour(CNN_PALETTE_GREY, range, maps[i])) >=
                    64 * 64);
    cnn_canvas_free(&sheet);
}

static void test_single_values_share_a_scale_and_are_not_constant(void **state)
{
    (void)state;
    const float maps[] = {0, 3, 0.5F};
    struct cnn_sheet_summary summary;
    struct cnn_canvas sheet = maps_sheet(maps, 3, 1, 1, &plain, &summary);
    assert_true(summary.maps == 3 && summary.constant == 0 && summary.silent == 0);
    for (size_t i = 0; i < 3; i++)
        assert_true(
            count_colour(&sheet, cnn_palette_colour(CNN_PALETTE_HEAT, (struct cnn_range){0, 3, 0},
                                                    maps[i])) >= 128 * 128);
    cnn_canvas_free(&sheet);
}

/* Two cells over the middle of the picture's width: nothing lies to the left and right of them. */
static void test_placed_map_lies_where_its_cells_are(void **state)
{
    (void)state;
    const float values[2] = {0, 1};
    const struct cnn_map map = {values, 1, 2};
    const struct cnn_placement placement[2] = {{0.5, 1}, {0.4, 0.2}};
    const struct cnn_colouring colouring = {CNN_PALETTE_GREY, cnn_range_of(values, 2)};
    struct cnn_canvas picture = {0}, placed = {0};
    assert_int_equal(cnn_canvas_new(20, 3, CNN_INK, &picture, NULL), CNN_OK);
    assert_int_equal(cnn_sheet_placed(&picture, map, placement, colouring, &placed, NULL), CNN_OK);
    assert_true(placed.width == 20 && placed.height == 3);
    for (size_t i = 0; i < 60; i++) {
        const size_t x = i % 20;
        const struct cnn_colour at = cnn_canvas_get(&placed, x, i / 20),
                                wanted = x < 6 || x >= 14
                                             ? CNN_PAPER
                                             : cnn_palette_colour(CNN_PALETTE_GREY, colouring.range,
                                                                  x < 10 ? 0 : 1);
        assert_memory_equal(&at, &wanted, sizeof at);
    }
    cnn_canvas_free(&picture);
    cnn_canvas_free(&placed);
}

static void test_silent_constant_and_nan_maps_are_marked_and_counted(void **state)
{
    (void)state;
    const float maps[] = {0,        0, 0,   0,   2,   2,   2, 2, 1, NAN,
                          INFINITY, 3, NAN, NAN, NAN, NAN, 1, 2, 3, 4};
    struct cnn_sheet_style style = {.palette = CNN_PALETTE_DARK, .mark_silent = true};
    struct cnn_sheet_summary summary;
    struct cnn_canvas sheet = maps_sheet(maps, 5, 2, 2, &style, &summary);
    assert_true(summary.maps == 5 && summary.silent == 1 && summary.constant == 1 &&
                summary.nan == 2);
    assert_int_equal(count_text(&sheet, CNN_ALERT, "silent"), 1);
    assert_int_equal(count_text(&sheet, CNN_ALERT, "constant"), 1);
    assert_int_equal(count_text(&sheet, CNN_ALERT, "2 NaN"), 1);
    assert_int_equal(count_text(&sheet, CNN_ALERT, "4 NaN"), 1);
    assert_int_equal(count_colour(&sheet, CNN_COLOUR_NAN), 6 * 64 * 64);
    assert_pixel(&sheet, M + 1, M + 1, CNN_ALERT); /* the cross */
    assert_pixel(&sheet, M + 128, M + 1, CNN_ALERT);
    cnn_canvas_free(&sheet);
    style.mark_silent = false;
    sheet = maps_sheet(maps, 5, 2, 2, &style, &summary);
    assert_true(summary.silent == 0 && summary.constant == 2 && summary.nan == 2);
    assert_pixel(&sheet, M + 1, M + 1, white);
    cnn_canvas_free(&sheet);
}

static void test_sheet_is_handy_whatever_the_number_of_maps(void **state)
{
    (void)state;
    const struct {
        size_t count, side, low, high; /* low to high: the sheet's width */
        const char *last;
    } sizes[] = {{1, 1, 140, 320, "0"},         {2, 100, 200, 400, "1"},
                 {3, 28, 120, 460, "2"},        {32, 28, 800, 1200, "31"},
                 {64, 127, 1000, 2000, "63"},   {512, 4, 1500, 2100, "511"},
                 {2048, 7, 1900, 3000, "2047"}, {2, 600, 600, 1300, "1"}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        float *maps = calloc(sizes[i].count * sizes[i].side * sizes[i].side, sizeof *maps);
        assert_non_null(maps);
        struct cnn_canvas sheet =
            maps_sheet(maps, sizes[i].count, sizes[i].side, sizes[i].side, &plain, NULL);
        assert_in_range(sheet.width, sizes[i].low, sizes[i].high);
        assert_true(sheet.height <= 3 * sheet.width + 200 &&
                    sheet.width * sheet.height <= CNN_SHEET_PIXELS + CNN_SHEET_PIXELS / 20);
        assert_true(count_text(&sheet, CNN_INK, sizes[i].last) >= 1);
        cnn_canvas_free(&sheet);
        free(maps);
    }
}

static void test_maps_are_averaged_when_the_sheet_would_be_too_large(void **state)
{
    (void)state;
    const size_t side = 6501; /* 42 million values; the last blocks of a row are half outside */
    float *map = calloc(side * side, sizeof *map);
    assert_non_null(map);
    map[0] = 1;
    map[3] = 0.25F;
    map[side - 1] = 0.5F;
    struct cnn_sheet_style style = {.palette = CNN_PALETTE_GREY};
    struct cnn_canvas sheet = maps_sheet(map, 1, side, side, &style, NULL);
    assert_true(sheet.width * sheet.height <= CNN_SHEET_PIXELS);
    size_t top = M + CNN_TEXT_HEIGHT + 5 + 4 + 1; /* below the note */
    const struct cnn_range range = {0, 1, 0};
    assert_pixel(&sheet, M + 1, top, cnn_palette_colour(CNN_PALETTE_GREY, range, 0.25F));
    assert_pixel(&sheet, M + 2, top, cnn_palette_colour(CNN_PALETTE_GREY, range, 0.0625F));
    assert_pixel(&sheet, M + (side + 1) / 2, top,
                 cnn_palette_colour(CNN_PALETTE_GREY, range, 0.25F));
    struct cnn_canvas head = {.width = sheet.width, .height = 40, .pixels = sheet.pixels};
    assert_int_equal(count_text(&head, CNN_NOTE, "each pixel is the mean of 2 x 2 values"), 1);
    cnn_canvas_free(&sheet);
    free(map);
}

static void test_last_maps_are_left_out_when_captions_alone_are_too_much(void **state)
{
    (void)state;
    const size_t count = 9000;
    float *maps = calloc(count, sizeof *maps);
    assert_non_null(maps);
    maps[count - 1] = NAN;
    struct cnn_sheet_summary summary;
    struct cnn_canvas sheet = maps_sheet(maps, count, 1, 1, &plain, &summary);
    assert_true(sheet.width * sheet.height <= CNN_SHEET_PIXELS + CNN_SHEET_PIXELS / 20);
    assert_true(summary.maps == count && summary.nan == 1); /* counted all the same */
    assert_int_equal(count_colour(&sheet, CNN_COLOUR_NAN), 0);
    struct cnn_sheet_grid grid = cnn_sheet_grid_of(count, CNN_SHEET_TILE + 8, 106);
    char note[64];
    snprintf(note, sizeof note, "the first %zu of 9000 maps", grid.shown);
    struct cnn_canvas head = {.width = sheet.width, .height = 40, .pixels = sheet.pixels};
    assert_true(grid.shown < count);
    assert_int_equal(count_text(&head, CNN_ALERT, note), 1);
    cnn_canvas_free(&sheet);
    free(maps);
}

static void test_numbers_are_short(void **state)
{
    (void)state;
    const float values[] = {0,       -0.0F,    1,       -0.125F, 0.0123F, -0.0123F,  123.4F, -12345,
                            1234567, 1.24e-7F, -1e-38F, 3.4e38F, NAN,     -INFINITY, 0.001F};
    const char *texts[] = {"0",      "0",      "1",      "-0.125", "0.0123",
                           "-0.012", "123",    "-1.2e4", "1.23e6", "1.2e-7",
                           "-1e-38", "3.4e38", "nan",    "-inf",   "0.001"};
    char buffer[CNN_NUMBER_SIZE];
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        assert_string_equal(cnn_short_number(values[i], buffer), texts[i]);
}

static void test_map_alone_has_nothing_around_it(void **state)
{
    (void)state;
    const float map[] = {0, 1, NAN, 1, 0.5F, 0};
    const struct cnn_range range = {0, 1, 1};
    struct cnn_canvas out;
    assert_int_equal(cnn_sheet_map((struct cnn_map){map, 2, 3},
                                   (struct cnn_colouring){CNN_PALETTE_SIGNED, range}, 100, &out,
                                   NULL),
                     CNN_OK);
    assert_true(out.width == 99 && out.height == 66);
    for (size_t i = 0; i < 6; i++)
        assert_block(&out, i % 3 * 33, i / 3 * 33, 33, 33,
                     cnn_palette_colour(CNN_PALETTE_SIGNED, range, map[i]));
    cnn_canvas_free(&out);
    assert_int_equal(cnn_sheet_map((struct cnn_map){map, 2, 3},
                                   (struct cnn_colouring){CNN_PALETTE_HEAT, range}, 2, &out, NULL),
                     CNN_OK);
    assert_true(out.width == 3 && out.height == 2);
    assert_pixel(&out, 2, 0, CNN_COLOUR_NAN);
    cnn_canvas_free(&out);
}

static void test_few_values_are_bars_from_zero(void **state)
{
    (void)state;
    const float values[] = {3, -1, 0, NAN};
    struct cnn_sheet_style style = {.mark_silent = true};
    struct cnn_sheet_summary summary;
    struct cnn_canvas sheet;
    assert_int_equal(cnn_sheet_values(values, 4, &style, &sheet, &summary, NULL), CNN_OK);
    assert_true(summary.maps == 4 && summary.silent == 1 && summary.nan == 1);
    const struct cnn_range around = {-1, 1, 0};
    struct cnn_colour red = cnn_palette_colour(CNN_PALETTE_SIGNED, around, 0.8F),
                      blue = cnn_palette_colour(CNN_PALETTE_SIGNED, around, -0.8F);
    size_t left = M + 16, zero = left + 100, y = M + 4; /* 400 pixels for -1 to 3 */
    assert_block(&sheet, left, y, 100, 1, white);
    assert_block(&sheet, zero + 1, y, 299, 1, red);
    assert_pixel(&sheet, zero + 300, y, white);
    assert_block(&sheet, left, y + 13, 100, 1, blue);
    assert_block(&sheet, zero + 1, y + 13, 299, 1, white);
    assert_block(&sheet, zero + 1, y + 26, 299, 1, white);
    assert_block(&sheet, zero + 1, y + 39, 299, 1, CNN_COLOUR_NAN);
    assert_int_equal(count_text(&sheet, CNN_INK, "-1"), 1);
    assert_int_equal(count_text(&sheet, CNN_INK, "nan"), 1);
    cnn_canvas_free(&sheet);
}

static void test_bars_carry_names_where_there_are_any(void **state)
{
    static const char *const names[] = {"cat", "a name that is far too long for a bar"};
    (void)state;
    struct cnn_sheet_style style = {.names = names};
    struct cnn_canvas sheet;
    assert_int_equal(cnn_sheet_values((const float[]){1, 2}, 2, &style, &sheet, NULL, NULL),
                     CNN_OK);
    assert_int_equal(count_text(&sheet, CNN_INK, "cat"), 1);
    assert_true(sheet.width < 2 * M + 200 + 400 + 80);
    assert_pixel(&sheet, sheet.width - M - 72 - 2, M + 13 + 4,
                 cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){-1, 1, 0}, 0.8F));
    cnn_canvas_free(&sheet);
}

static void test_many_values_are_cells_in_rows(void **state)
{
    (void)state;
    float values[70];
    const struct cnn_range range = {0, 69, 0};
    struct cnn_canvas sheet;
    for (size_t i = 0; i < 70; i++)
        values[i] = (float)i;
    assert_int_equal(cnn_sheet_values(values, 70, &plain, &sheet, NULL, NULL), CNN_OK);
    for (size_t i = 0; i < 70; i++) {
        size_t x = M + 42 + i % 32 * 20, y = M + 15 + 4 + 12 + i / 32 * 20;
        assert_block(&sheet, x, y, 19, 19, cnn_palette_colour(CNN_PALETTE_HEAT, range, values[i]));
        assert_pixel(&sheet, x + 19, y, white);
    }
    assert_int_equal(count_text(&sheet, CNN_INK, "32"), 1); /* the first of the second row */
    assert_int_equal(count_text(&sheet, CNN_INK, "64"), 1);
    assert_int_equal(count_text(&sheet, CNN_INK, "69"), 1); /* the scale's end */
    cnn_canvas_free(&sheet);
}

static void test_values_fit_a_handy_sheet_whatever_their_number(void **state)
{
    (void)state;
    static const float values[25088];
    const size_t counts[] = {1, 64, 65, 2048, 2049, 25088};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        struct cnn_canvas sheet;
        assert_int_equal(cnn_sheet_values(values, counts[i], &plain, &sheet, NULL, NULL), CNN_OK);
        assert_true(sheet.width <= 1200 && sheet.height <= 1800);
        cnn_canvas_free(&sheet);
    }
}

static void test_kernels_over_colours_are_colours_around_grey(void **state)
{
    (void)state;
    /* Two kernels of 1 x 2: planes of red, green, blue. The second is all zero but for a NaN. */
    const float weights[] = {0.5F, 0, -0.5F, 0, 0.25F, 0, 0, 0, 0, NAN, 0, 0};
    struct cnn_canvas sheet;
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = weights, .filters = 2, .channels = 3, .h = 1, .w = 2},
                         true, "kernels", &sheet, NULL),
                     CNN_OK);
    const struct cnn_colour grey = {128, 128, 128};
    assert_true(count_colour(&sheet, (struct cnn_colour){255, 0, 191}) == 32 * 32);
    assert_true(count_colour(&sheet, grey) == 2 * 32 * 32);
    assert_true(count_colour(&sheet, CNN_COLOUR_NAN) == 32 * 32);
    assert_int_equal(count_text(&sheet, CNN_INK, "±0.5"), 1);
    assert_int_equal(count_text(&sheet, CNN_ALERT, "NaN"), 1);
    cnn_canvas_free(&sheet);
}

static void test_kernels_of_many_channels_are_rows_on_one_scale(void **state)
{
    (void)state;
    const float weights[] = {-2, 1, 0, 0.5F, 1, 1}; /* three filters of two channels, 1 x 1 */
    const struct cnn_range range = {-2, 2, 0};
    struct cnn_canvas sheet;
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = weights, .filters = 3, .channels = 2, .h = 1, .w = 1},
                         false, NULL, &sheet, NULL),
                     CNN_OK);
    size_t x = M + 66, y = M + 15 + 4 + CNN_TEXT_HEIGHT + 4;
    for (size_t i = 0; i < 6; i++)
        assert_block(&sheet, x + i % 2 * 60, y + i / 2 * 60, 56, 56,
                     cnn_palette_colour(CNN_PALETTE_SIGNED, range, weights[i]));
    assert_int_equal(count_text(&sheet, CNN_INK, "filter 2"), 1);
    cnn_canvas_free(&sheet);
}

static void test_kernels_are_cut_when_there_are_too_many(void **state)
{
    (void)state;
    float *weights = calloc((size_t)512 * 256 * 9, sizeof *weights);
    struct cnn_canvas sheet;
    assert_non_null(weights);
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = weights, .filters = 512, .channels = 256, .h = 3, .w = 3},
                         false, NULL, &sheet, NULL),
                     CNN_OK);
    assert_true(sheet.width <= 2200 && sheet.width * sheet.height <= CNN_SHEET_PIXELS);
    assert_int_equal(
        count_text(&sheet, CNN_ALERT, "the first 128 of 512 filters, the first 64 of 256 channels"),
        1);
    cnn_canvas_free(&sheet);
    /* one channel: a sheet of tiles */
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = weights, .filters = 512, .channels = 1, .h = 3, .w = 3},
                         false, NULL, &sheet, NULL),
                     CNN_OK);
    assert_int_equal(count_text(&sheet, CNN_INK, "511"), 1);
    cnn_canvas_free(&sheet);
    /* one of equal numbers is nothing to warn of */
    assert_int_equal(
        cnn_sheet_filters(&(struct cnn_kernel_view){.weights = (const float[]){1, 1, 1, 1},
                                                    .filters = 1,
                                                    .channels = 1,
                                                    .h = 2,
                                                    .w = 2},
                          false, NULL, &sheet, NULL),
        CNN_OK);
    assert_int_equal(count_colour(&sheet, CNN_ALERT), 0);
    cnn_canvas_free(&sheet);
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = weights, .filters = 2, .channels = 2, .h = 500, .w = 500},
                         false, NULL, &sheet, NULL),
                     CNN_OK);
    assert_true(sheet.width < 1200 && sheet.height < 1200);
    cnn_canvas_free(&sheet);
    free(weights);
}

/* A grey picture. */
static struct cnn_canvas picture_of(size_t width, size_t height)
{
    struct cnn_canvas picture;
    assert_int_equal(
        cnn_canvas_new(width, height, (struct cnn_colour){100, 100, 100}, &picture, NULL), CNN_OK);
    return picture;
}

static void test_overlay_colours_what_is_high_and_keeps_the_picture_elsewhere(void **state)
{
    (void)state;
    const float map[] = {0, 1, -1, NAN};
    struct cnn_canvas picture = picture_of(200, 100), out;
    assert_int_equal(cnn_sheet_overlay(&picture, (struct cnn_map){map, 1, 2}, NULL,
                                       CNN_PALETTE_HEAT, &out, NULL),
                     CNN_OK);
    assert_true(out.width == 200 && out.height > 100);
    assert_pixel(&out, 0, 50, (struct cnn_colour){100, 100, 100});
    struct cnn_colour high = cnn_canvas_get(&out, 199, 50), middle = cnn_canvas_get(&out, 100, 50);
    assert_true(high.r > 180 && high.g > 160 && high.b < 100);
    assert_true(middle.g > 100 && middle.g < high.g);
    assert_pixel(&out, 0, 105,
                 cnn_palette_colour(CNN_PALETTE_HEAT, (struct cnn_range){0, 1, 0}, 0));
    assert_pixel(&out, 199, 105,
                 cnn_palette_colour(CNN_PALETTE_HEAT, (struct cnn_range){0, 1, 0}, 1));
    cnn_canvas_free(&out);
    assert_int_equal(cnn_sheet_overlay(&picture, (struct cnn_map){map, 2, 2}, NULL,
                                       CNN_PALETTE_SIGNED, &out, NULL),
                     CNN_OK);
    assert_pixel(&out, 0, 0, (struct cnn_colour){100, 100, 100});
    struct cnn_colour above = cnn_canvas_get(&out, 199, 0), below = cnn_canvas_get(&out, 0, 99);
    assert_true(above.r > above.b + 50 && below.b > below.r + 50);
    assert_block(&out, 100, 50, 100, 50, CNN_COLOUR_NAN);
    assert_false(same(cnn_canvas_get(&out, 99, 50), CNN_COLOUR_NAN));
    cnn_canvas_free(&out);
    cnn_canvas_free(&picture);
}

/* A 5 x 5 kernel without padding over 12 x 12 numbers: cell 0 lies over row and column 2, and
 * nothing lies over the two outer ones. */
static void test_overlay_lies_over_what_the_cells_see_when_there_is_no_padding(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[1, 12, 12]", "- {type: conv, filters: 1, kernel_size: 5}");
    struct cnn_placement placement[2];
    struct cnn_canvas picture = picture_of(120, 120), out;
    float map[64] = {1};
    cnn_value_placement(&model->graph, 1, placement);
    assert_int_equal(cnn_sheet_overlay(&picture, (struct cnn_map){map, 8, 8}, placement,
                                       CNN_PALETTE_HEAT, &out, NULL),
                     CNN_OK);
    struct cnn_colour over = cnn_canvas_get(&out, 24, 24);
    assert_true(over.r > 150 && over.g > 120 && over.b < 120);
    assert_pixel(&out, 10, 10, (struct cnn_colour){100, 100, 100});
    assert_pixel(&out, 24, 10, (struct cnn_colour){100, 100, 100});
    cnn_canvas_free(&out);
    cnn_canvas_free(&picture);
    cnn_model_free(model);
    /* Two of stride 2 with a border: the middles stay on even rows; a pool of 2 lies between
     * two. */
    model = network_open_layers("[1, 16, 16]",
                                "- {type: conv, filters: 1, kernel_size: 3, stride: 2, padding: "
                                "1}\n- {type: pool, pool_type: avg, kernel_size: 2}");
    assert_true(model->graph.nodes[0].centre[0] > -0.01 && model->graph.nodes[0].centre[0] < 0.01);
    assert_true(model->graph.nodes[1].centre[1] > 0.99 && model->graph.nodes[1].centre[1] < 1.01);
    cnn_model_free(model);
}

static void test_overlay_works_when_sizes_are_one(void **state)
{
    (void)state;
    const float map[] = {7, NAN};
    struct cnn_canvas picture = picture_of(1, 1), out;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(cnn_sheet_overlay(&picture, (struct cnn_map){map + i, 1, 1}, NULL,
                                           CNN_PALETTE_HEAT, &out, NULL),
                         CNN_OK);
        assert_pixel(&out, 0, 0, i == 0 ? (struct cnn_colour){100, 100, 100} : CNN_COLOUR_NAN);
        assert_pixel(&out, 1, 0, white); /* as wide as its scale needs */
        cnn_canvas_free(&out);
    }
    cnn_canvas_free(&picture);
}

static void test_image_is_stretched_over_all_its_channels(void **state)
{
    (void)state;
    const float image[] = {-1, 1, 0, 0, 1, NAN};
    struct cnn_canvas out;
    assert_int_equal(cnn_sheet_image(image, 3, 1, 2, &out, NULL), CNN_OK);
    assert_true(out.width == 2 && out.height == 1);
    assert_pixel(&out, 0, 0, (struct cnn_colour){0, 128, 255});
    assert_pixel(&out, 1, 0, CNN_COLOUR_NAN);
    cnn_canvas_free(&out);
    /* the first of two channels */
    assert_int_equal(cnn_sheet_image(image, 2, 1, 3, &out, NULL), CNN_OK);
    assert_pixel(&out, 0, 0, (struct cnn_colour){0, 0, 0});
    assert_pixel(&out, 1, 0, white);
    assert_pixel(&out, 2, 0, (struct cnn_colour){128, 128, 128});
    cnn_canvas_free(&out);
}

static void test_nothing_or_too_much_is_refused_with_a_message(void **state)
{
    struct scratch *s = *state;
    const float one[] = {1};
    struct cnn_canvas out, picture = picture_of(2, 2);
    const size_t huge = SIZE_MAX / 8;
    assert_int_equal(cnn_sheet_maps(&(struct cnn_maps){.values = one, .count = 0, .h = 4, .w = 4},
                                    &plain, &out, NULL, s->diag),
                     CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, "there are no maps to draw: 0 x 1 x 4 x 4");
    cnn_diag_clear(s->diag);
    scratch_expect(s,
                   cnn_sheet_maps(&(struct cnn_maps){.values = one, .count = huge, .h = 4, .w = 4},
                                  &plain, &out, NULL, s->diag),
                   "too many maps to draw: 2305843009213693951 x 1 x 4 x 4");
    assert_int_equal(cnn_sheet_maps(&(struct cnn_maps){.values = one, .count = 1, .h = 0, .w = 4},
                                    &plain, &out, NULL, NULL),
                     CNN_INVALID);
    assert_int_equal(cnn_sheet_map((struct cnn_map){one, 1, 0},
                                   (struct cnn_colouring){CNN_PALETTE_HEAT, (struct cnn_range){0}},
                                   64, &out, NULL),
                     CNN_INVALID);
    assert_int_equal(cnn_sheet_map((struct cnn_map){one, huge, huge},
                                   (struct cnn_colouring){CNN_PALETTE_HEAT, (struct cnn_range){0}},
                                   64, &out, NULL),
                     CNN_FAILED);
    assert_int_equal(cnn_sheet_values(one, 0, &plain, &out, NULL, NULL), CNN_INVALID);
    assert_int_equal(cnn_sheet_values(one, SIZE_MAX, &plain, &out, NULL, NULL), CNN_FAILED);
    assert_int_equal(
        cnn_sheet_filters(
            &(struct cnn_kernel_view){.weights = one, .filters = 1, .channels = 0, .h = 1, .w = 1},
            false, NULL, &out, NULL),
        CNN_INVALID);
    assert_int_equal(cnn_sheet_filters(
                         &(struct cnn_kernel_view){
                             .weights = one, .filters = huge, .channels = 3, .h = huge, .w = 3},
                         true, NULL, &out, NULL),
                     CNN_FAILED);
    assert_int_equal(cnn_sheet_overlay(&picture, (struct cnn_map){one, 0, 1}, NULL,
                                       CNN_PALETTE_HEAT, &out, NULL),
                     CNN_INVALID);
    assert_int_equal(cnn_sheet_image(one, 0, 1, 1, &out, NULL), CNN_INVALID);
    assert_int_equal(cnn_sheet_row(&picture, 0, false, &out, NULL), CNN_INVALID);
    cnn_canvas_free(&picture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_value_is_a_square_of_its_colour),
        cmocka_unit_test(test_numbers_stand_in_the_cells_where_all_have_room),
        cmocka_unit_test(test_bars_end_in_the_colours_of_minimum_and_maximum),
        cmocka_unit_test(test_one_scale_colours_all_maps_alike),
        cmocka_unit_test(test_single_values_share_a_scale_and_are_not_constant),
        cmocka_unit_test(test_placed_map_lies_where_its_cells_are),
        cmocka_unit_test(test_silent_constant_and_nan_maps_are_marked_and_counted),
        cmocka_unit_test(test_sheet_is_handy_whatever_the_number_of_maps),
        cmocka_unit_test(test_maps_are_averaged_when_the_sheet_would_be_too_large),
        cmocka_unit_test(test_last_maps_are_left_out_when_captions_alone_are_too_much),
        cmocka_unit_test(test_numbers_are_short),
        cmocka_unit_test(test_map_alone_has_nothing_around_it),
        cmocka_unit_test(test_few_values_are_bars_from_zero),
        cmocka_unit_test(test_bars_carry_names_where_there_are_any),
        cmocka_unit_test(test_many_values_are_cells_in_rows),
        cmocka_unit_test(test_values_fit_a_handy_sheet_whatever_their_number),
        cmocka_unit_test(test_kernels_over_colours_are_colours_around_grey),
        cmocka_unit_test(test_kernels_of_many_channels_are_rows_on_one_scale),
        cmocka_unit_test(test_kernels_are_cut_when_there_are_too_many),
        cmocka_unit_test(test_overlay_colours_what_is_high_and_keeps_the_picture_elsewhere),
        cmocka_unit_test(test_overlay_lies_over_what_the_cells_see_when_there_is_no_padding),
        cmocka_unit_test(test_overlay_works_when_sizes_are_one),
        cmocka_unit_test(test_image_is_stretched_over_all_its_channels),
        cmocka_unit_test_setup_teardown(test_nothing_or_too_much_is_refused_with_a_message,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
