/* Drawing: what falls where and what is cut off; text; resizing; PNG files as another decoder reads
 * them; and the palettes. */
#include "scratch.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

#include "util/file.h"
#include "viz/html.h"
#include "viz/sheet.h"

static const struct cnn_colour white = {255, 255, 255}, black = {0, 0, 0}, red = {200, 10, 20};

static struct cnn_canvas canvas_of(size_t width, size_t height)
{
    struct cnn_canvas canvas;
    assert_int_equal(cnn_canvas_new(width, height, white, &canvas, NULL), CNN_OK);
    return canvas;
}

static bool same(struct cnn_colour a, struct cnn_colour b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

/* rows: height strings, '#' for a pixel that is not white. */
static void assert_drawn(const struct cnn_canvas *canvas, const char *const *rows)
{
    for (size_t y = 0; y < canvas->height; y++) {
        for (size_t x = 0; x < canvas->width; x++) {
            if (same(cnn_canvas_get(canvas, x, y), white) == (rows[y][x] == '#'))
                fail_msg("pixel (%zu, %zu) is wrong", x, y);
        }
    }
}

static void test_canvas_is_refused_when_it_has_no_pixels_or_too_many(void **state)
{
    struct scratch *s = *state;
    struct cnn_canvas canvas;
    scratch_expect(s, cnn_canvas_new(0, 5, white, &canvas, s->diag),
                   "a picture cannot have 0 x 5 pixels (at least 1, at most 2^28)");
    scratch_expect(s, cnn_canvas_new(16385, 16384, white, &canvas, s->diag),
                   "a picture cannot have 16385 x 16384 pixels (at least 1, at most 2^28)");
    assert_int_equal(cnn_canvas_new(SIZE_MAX, SIZE_MAX, white, &canvas, NULL), CNN_FAILED);
}

/* The attribute of a label, of those whose text this is. */
static double number_of(const char *svg, const char *text, const char *attribute)
{
    char end[64], name[32];
    snprintf(end, sizeof end, ">%s</text>", text);
    snprintf(name, sizeof name, " %s=\"", attribute);
    const char *at = strstr(svg, end), *found = NULL;
    assert_non_null(at);
    for (const char *p = svg; (p = strstr(p, name)) && p < at; p++)
        found = p + strlen(name);
    assert_non_null(found);
    return atof(found);
}

static void test_labels_say_what_was_drawn_and_move_with_it(void **state)
{
    (void)state;
    struct cnn_canvas small = canvas_of(100, 20), large = canvas_of(300, 100);
    struct cnn_text svg = {0};
    cnn_html_labels(&svg, &small);
    assert_int_equal(svg.size, 0);
    cnn_canvas_fill(&small, 0, 0, 50, 20, red);
    cnn_canvas_text(&small, 3, 4, 1, white, "a<b");
    cnn_canvas_text(&small, 60, 4, 1, red, "\xeb\xa7\x90"); /* a letter of Hangul */
    cnn_canvas_text(&small, 100, 4, 1, red, "beside it");
    cnn_canvas_put(&large, 7, 11, &small, 2);
    cnn_html_labels(&svg, &large);
    assert_false(svg.failed);
    assert_null(strstr(svg.data, "beside"));
    assert_non_null(strstr(svg.data, "<svg viewBox=\"0 0 300 100\">"));
    assert_true(number_of(svg.data, "a&lt;b", "x") == 7 + 2 * 3);
    assert_true(number_of(svg.data, "a&lt;b", "y") == 11 + 2 * (4 + 7));
    assert_true(number_of(svg.data, "a&lt;b", "font-size") == 20);
    assert_true(number_of(svg.data, "a&lt;b", "textLength") == 2 * 3 * 6);
    assert_true(number_of(svg.data, "\xeb\xa7\x90", "textLength") == 2 * 2 * 6);
    assert_non_null(strstr(svg.data, "fill=\"#c80a14\"/><text x=\"13\""));
    assert_non_null(strstr(svg.data, "fill=\"#ffffff\"/><text x=\"127\""));
    cnn_text_free(&svg);
    cnn_canvas_free(&small);
    cnn_canvas_free(&large);
}

static void test_a_title_is_larger_where_there_is_room(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(100, 40);
    struct cnn_text svg = {0};
    cnn_canvas_title(&canvas, 0, 0, 39, red, "12345");
    cnn_canvas_title(&canvas, 0, 20, 38, red, "abcde");
    cnn_html_labels(&svg, &canvas);
    assert_true(number_of(svg.data, "12345", "font-size") == 13);
    assert_true(number_of(svg.data, "12345", "textLength") == 39);
    assert_true(number_of(svg.data, "abcde", "font-size") == 10);
    assert_true(number_of(svg.data, "abcde", "textLength") == 30);
    cnn_text_free(&svg);
    cnn_canvas_free(&canvas);
}

static void test_fill_is_cut_off_when_it_leaves_the_canvas(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(4, 3);
    cnn_canvas_fill(&canvas, 2, 1, SIZE_MAX, 1, red);
    cnn_canvas_fill(&canvas, 0, 2, 1, SIZE_MAX, red);
    cnn_canvas_fill(&canvas, 4, 0, 1, 1, red);
    cnn_canvas_fill(&canvas, SIZE_MAX, SIZE_MAX, 3, 3, red);
    cnn_canvas_fill(&canvas, 1, 0, 0, 2, red);
    assert_drawn(&canvas, (const char *[]){"....", "..##", "#..."});
    assert_true(same(cnn_canvas_get(&canvas, 3, 1), red));
    cnn_canvas_free(&canvas);
    assert_null(canvas.pixels);
    cnn_canvas_free(&canvas);
}

static void test_frame_lies_inside_when_thick_or_cut_off(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(6, 5);
    cnn_canvas_frame(&canvas, (struct cnn_area){.x = 1, .y = 0, .width = 4, .height = 4}, 1, red);
    assert_drawn(&canvas, (const char *[]){".####.", ".#..#.", ".#..#.", ".####.", "......"});
    cnn_canvas_fill(&canvas, 0, 0, 6, 5, white);
    cnn_canvas_frame(&canvas, (struct cnn_area){.x = 3, .y = 2, .width = SIZE_MAX, .height = 9}, 2,
                     red);
    assert_drawn(&canvas, (const char *[]){"......", "......", "...###", "...###", "...##."});
    cnn_canvas_fill(&canvas, 0, 0, 6, 5, white);
    cnn_canvas_frame(&canvas, (struct cnn_area){.x = 2, .y = 2, .width = 2, .height = 1}, 7, red);
    assert_drawn(&canvas, (const char *[]){"......", "......", "..##..", "......", "......"});
    cnn_canvas_free(&canvas);
}

static void test_line_joins_its_ends_whatever_their_order(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(5, 3);
    cnn_canvas_line(&canvas, 0, 0, 4, 2, red);
    const char *slope[] = {"#....", ".##..", "...##"};
    assert_drawn(&canvas, slope);
    cnn_canvas_fill(&canvas, 0, 0, 5, 3, white);
    cnn_canvas_line(&canvas, 4, 2, 0, 0, red);
    assert_drawn(&canvas, slope);
    cnn_canvas_fill(&canvas, 0, 0, 5, 3, white);
    cnn_canvas_line(&canvas, 1, 2, 1, 0, red);
    cnn_canvas_line(&canvas, 3, 1, 3, 1, red);
    assert_drawn(&canvas, (const char *[]){".#...", ".#.#.", ".#..."});
    cnn_canvas_fill(&canvas, 0, 0, 5, 3, white);
    cnn_canvas_line(&canvas, 3, 1, SIZE_MAX, 1, red);
    cnn_canvas_line(&canvas, 1, SIZE_MAX, 1, 2, red);
    cnn_canvas_line(&canvas, 7, 0, 9, 2, red);
    assert_drawn(&canvas, (const char *[]){".....", "...##", ".#..."});
    cnn_canvas_free(&canvas);
}

static void test_put_enlarges_without_blur_and_is_cut_off(void **state)
{
    (void)state;
    struct cnn_canvas small = canvas_of(2, 2), canvas = canvas_of(7, 5);
    cnn_canvas_fill(&small, 0, 0, 1, 1, red);
    cnn_canvas_fill(&small, 1, 1, 1, 1, black);
    cnn_canvas_put(&canvas, 1, 0, &small, 2);
    assert_drawn(&canvas, (const char *[]){".##....", ".##....", "...##..", "...##..", "......."});
    assert_true(same(cnn_canvas_get(&canvas, 2, 1), red) &&
                same(cnn_canvas_get(&canvas, 3, 2), black));
    cnn_canvas_fill(&canvas, 0, 0, 7, 5, white);
    cnn_canvas_put(&canvas, 3, 1, &small, 3);
    assert_drawn(&canvas, (const char *[]){".......", "...###.", "...###.", "...###.", "......#"});
    cnn_canvas_put(&canvas, 7, 0, &small, 1);
    cnn_canvas_put(&canvas, SIZE_MAX, 1, &small, SIZE_MAX);
    cnn_canvas_put(&canvas, 0, 0, &small, 0);
    assert_drawn(&canvas, (const char *[]){".......", "...###.", "...###.", "...###.", "......#"});
    cnn_canvas_put(&canvas, 0, 0, &small, SIZE_MAX);
    assert_true(same(cnn_canvas_get(&canvas, 6, 4), red));
    cnn_canvas_fill(&canvas, 0, 0, 7, 5, white);
    cnn_canvas_fill(&canvas, 6, 0, 1, 1, red); /* beside the copy: stays */
    cnn_canvas_put(&canvas, 0, 0, &small, 3);
    assert_drawn(&canvas, (const char *[]){"###...#", "###....", "###....", "...###.", "...###."});
    cnn_canvas_free(&small);
    cnn_canvas_free(&canvas);
}

static void test_pictures_stand_beside_or_below_each_other(void **state)
{
    (void)state;
    struct cnn_canvas pictures[2] = {canvas_of(3, 3), canvas_of(2, 1)}, out;
    cnn_canvas_fill(&pictures[0], 0, 0, 3, 3, red);
    cnn_canvas_fill(&pictures[1], 0, 0, 2, 1, black);
    assert_int_equal(cnn_sheet_row(pictures, 2, false, &out, NULL), CNN_OK);
    assert_true(out.width == 3 + 8 + 2 && out.height == 3);
    assert_drawn(&out, (const char *[]){"###........##", "###..........", "###.........."});
    cnn_canvas_free(&out);
    assert_int_equal(cnn_sheet_row(pictures, 2, true, &out, NULL), CNN_OK);
    assert_true(out.width == 3 && out.height == 3 + 8 + 1);
    assert_drawn(&out, (const char *[]){"###", "###", "###", "...", "...", "...", "...", "...",
                                        "...", "...", "...", "##."});
    cnn_canvas_free(&out);
    cnn_canvas_free(&pictures[0]);
    cnn_canvas_free(&pictures[1]);
}

static void test_text_has_the_letters_shapes_when_drawn(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(12, CNN_TEXT_HEIGHT),
                      large = canvas_of(24, 2 * CNN_TEXT_HEIGHT),
                      twice = canvas_of(24, 2 * CNN_TEXT_HEIGHT);
    cnn_canvas_text(&canvas, 0, 0, 1, red, "Lp");
    assert_drawn(&canvas,
                 (const char *[]){"#...........", "#...........", "#.....####..", "#.....#...#.",
                                  "#.....#...#.", "#.....#...#.", "#####.####..", "......#.....",
                                  "......#.....", "............"});
    cnn_canvas_text(&large, 0, 0, 2, red, "Lp");
    cnn_canvas_put(&twice, 0, 0, &canvas, 2);
    assert_memory_equal(large.pixels, twice.pixels, large.width * large.height * 3);
    cnn_canvas_free(&canvas);
    cnn_canvas_free(&large);
    cnn_canvas_free(&twice);
}

static void test_text_width_counts_characters_when_some_are_not_ascii(void **state)
{
    (void)state;
    assert_int_equal(cnn_canvas_text_width("", 3), 0);
    assert_int_equal(cnn_canvas_text_width("abc", 1), 18);
    assert_int_equal(cnn_canvas_text_width("abc", 2), 36);
    /* one character of two bytes, one byte that is none */
    assert_int_equal(cnn_canvas_text_width("\xc3\xa4\xff", 1), 12);
    struct cnn_canvas other = canvas_of(18, CNN_TEXT_HEIGHT),
                      marks = canvas_of(18, CNN_TEXT_HEIGHT);
    cnn_canvas_text(&other, 0, 0, 1, red, "\xc3\xa4\xff\n");
    cnn_canvas_text(&marks, 0, 0, 1, red, "???");
    assert_memory_equal(other.pixels, marks.pixels, 18 * CNN_TEXT_HEIGHT * 3);
    cnn_canvas_free(&other);
    cnn_canvas_free(&marks);
}

static void test_letters_differ_from_each_other(void **state)
{
    (void)state;
    struct cnn_canvas letters['~' - ' ' + 1];
    size_t count = sizeof letters / sizeof *letters;
    for (size_t i = 0; i < count; i++) {
        letters[i] = canvas_of(6, CNN_TEXT_HEIGHT);
        cnn_canvas_text(&letters[i], 0, 0, 1, black, (const char[]){(char)(' ' + (char)i), '\0'});
        for (size_t y = 0; y < CNN_TEXT_HEIGHT; y++)
            assert_true(same(cnn_canvas_get(&letters[i], 5, y), white));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(letters[i].pixels, letters[j].pixels, 6 * CNN_TEXT_HEIGHT * 3);
    }
    for (size_t i = 0; i < count; i++)
        cnn_canvas_free(&letters[i]);
}

static void test_text_is_cut_off_when_it_leaves_the_canvas(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(9, 8), one = canvas_of(1, 1);
    cnn_canvas_text(&canvas, 4, 3, 1, red, "LLLLL");
    assert_drawn(&canvas, (const char *[]){".........", ".........", ".........", "....#....",
                                           "....#....", "....#....", "....#....", "....#...."});
    cnn_canvas_fill(&canvas, 0, 0, 9, 8, white);
    cnn_canvas_text(&canvas, 9, 0, 1, red, "L");
    cnn_canvas_text(&canvas, SIZE_MAX, SIZE_MAX, 1, red, "L");
    assert_true(same(cnn_canvas_get(&canvas, 8, 7), white));
    cnn_canvas_text(&one, 0, 0, 1, red, "LLL");
    assert_true(same(cnn_canvas_get(&one, 0, 0), red));
    cnn_canvas_text(&one, 0, 0, SIZE_MAX, black, "LLL");
    cnn_canvas_free(&canvas);
    cnn_canvas_free(&one);
}

/* One row of greys. */
static struct cnn_canvas greys(const uint8_t *values, size_t count)
{
    struct cnn_canvas canvas = canvas_of(count, 1);
    for (size_t i = 0; i < count; i++)
        cnn_canvas_fill(&canvas, i, 0, 1, 1, (struct cnn_colour){values[i], values[i], values[i]});
    return canvas;
}

static void assert_resized(const uint8_t *from, size_t from_count, const uint8_t *to,
                           size_t to_count)
{
    struct cnn_canvas canvas = greys(from, from_count), turned = canvas_of(1, from_count), out;
    assert_int_equal(cnn_canvas_resize(&canvas, to_count, 1, &out, NULL), CNN_OK);
    assert_true(out.width == to_count && out.height == 1);
    for (size_t i = 0; i < to_count; i++)
        assert_int_equal(cnn_canvas_get(&out, i, 0).g, to[i]);
    cnn_canvas_free(&out);
    memcpy(turned.pixels, canvas.pixels, from_count * 3);
    assert_int_equal(cnn_canvas_resize(&turned, 2, to_count, &out, NULL), CNN_OK);
    for (size_t i = 0; i < 2 * to_count; i++)
        assert_int_equal(cnn_canvas_get(&out, i % 2, i / 2).r, to[i / 2]);
    cnn_canvas_free(&out);
    cnn_canvas_free(&turned);
    cnn_canvas_free(&canvas);
}

static void test_resize_averages_when_smaller_and_interpolates_when_larger(void **state)
{
    (void)state;
    assert_resized((const uint8_t[]){10, 20, 30, 50}, 4, (const uint8_t[]){15, 40}, 2);
    /* the middle pixel counts half for each */
    assert_resized((const uint8_t[]){0, 90, 210}, 3, (const uint8_t[]){30, 170}, 2);
    assert_resized((const uint8_t[]){0, 100}, 2, (const uint8_t[]){0, 25, 75, 100}, 4);
    assert_resized((const uint8_t[]){7, 9, 200}, 3, (const uint8_t[]){7, 9, 200}, 3);
    assert_resized((const uint8_t[]){77}, 1, (const uint8_t[]){77, 77, 77, 77, 77}, 5);
    assert_resized((const uint8_t[]){0, 50, 100, 150, 200, 250, 255}, 7, (const uint8_t[]){144}, 1);
}

static void test_resize_is_refused_when_the_copy_has_no_pixels(void **state)
{
    (void)state;
    struct cnn_canvas canvas = canvas_of(2, 2), out;
    assert_int_equal(cnn_canvas_resize(&canvas, 0, 2, &out, NULL), CNN_FAILED);
    assert_int_equal(cnn_canvas_resize(&canvas, SIZE_MAX, 2, &out, NULL), CNN_FAILED);
    cnn_canvas_free(&canvas);
}

/* Pixels that no filter predicts well, from a linear congruential generator. */
static struct cnn_canvas noise(size_t width, size_t height)
{
    struct cnn_canvas canvas = canvas_of(width, height);
    uint32_t state = 12345;
    for (size_t i = 0; i < width * height * 3; i++) {
        state = state * 1664525 + 1013904223;
        canvas.pixels[i] = (uint8_t)(state >> 24);
    }
    return canvas;
}

static void assert_decodes(const void *png, size_t size, const struct cnn_canvas *want)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, png, size));
    assert_int_equal(image.format, PNG_FORMAT_RGB);
    assert_true(image.width == want->width && image.height == want->height);
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(pixels);
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    assert_memory_equal(pixels, want->pixels, want->width * want->height * 3);
    free(pixels);
}

static void test_png_holds_the_same_pixels_when_libpng_reads_it(void **state)
{
    struct scratch *s = *state;
    const size_t sizes[][2] = {{1, 1}, {1, 300}, {301, 1}, {67, 41}};
    for (size_t i = 0; i < 4; i++) {
        struct cnn_canvas canvas = noise(sizes[i][0], sizes[i][1]);
        struct cnn_text png = {0};
        char *file;
        size_t size;
        cnn_text_append(&png, "before", 6);
        assert_int_equal(cnn_canvas_encode(&canvas, &png, s->diag), CNN_OK);
        assert_memory_equal(png.data, "before", 6);
        assert_decodes(png.data + 6, png.size - 6, &canvas);
        /* where libpng has stopped reading */
        assert_memory_equal(png.data + png.size - 12, "\0\0\0\0IEND\xae\x42\x60\x82", 12);
        assert_int_equal(cnn_canvas_write(&canvas, scratch_path(s, "a.png"), s->diag), CNN_OK);
        assert_int_equal(cnn_file_read(s->path, 1 << 20, &file, &size, s->diag), CNN_OK);
        assert_decodes(file, size, &canvas);
        /* behind IHDR: 12 bytes of text, that is who wrote it (RFC 2083), and their CRC-32 */
        assert_memory_equal(file + 33, "\0\0\0\x0ctEXtSoftware\0cnn\x0e\x79\x4a\x48", 24);
        assert_int_equal(size, png.size - 6 + 24);
        assert_memory_equal(file + 33 + 24, png.data + 6 + 33, size - 33 - 24);
        free(file);
        cnn_text_free(&png);
        cnn_canvas_free(&canvas);
    }
}

static void test_png_is_an_error_when_it_cannot_be_kept(void **state)
{
    struct scratch *s = *state;
    struct cnn_canvas canvas = noise(2, 2);
    struct cnn_text full = {.failed = true};
    assert_int_equal(cnn_canvas_encode(&canvas, &full, NULL), CNN_FAILED);
    assert_int_equal(cnn_canvas_write(&canvas, scratch_path(s, "nowhere/a.png"), s->diag),
                     CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    cnn_canvas_free(&canvas);
}

/* OKLab's lightness of a colour of sRGB: Ottosson 2020. */
static double lightness(struct cnn_colour c)
{
    double linear[3], bytes[3] = {c.r, c.g, c.b};
    for (size_t i = 0; i < 3; i++) {
        double v = bytes[i] / 255;
        linear[i] = v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
    }
    double l = cbrt(0.4122214708 * linear[0] + 0.5363325363 * linear[1] + 0.0514459929 * linear[2]);
    double m = cbrt(0.2119034982 * linear[0] + 0.6806995451 * linear[1] + 0.1073969566 * linear[2]);
    double s = cbrt(0.0883024619 * linear[0] + 0.2817188376 * linear[1] + 0.6299787005 * linear[2]);
    return 0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s;
}

static const struct cnn_range unit = {0, 1, 0}, around = {-1, 1, 0};

static void test_heat_rises_evenly_in_lightness(void **state)
{
    (void)state;
    double first = lightness(cnn_palette_colour(CNN_PALETTE_HEAT, unit, 0)),
           last = lightness(cnn_palette_colour(CNN_PALETTE_HEAT, unit, 1));
    assert_true(first < 0.25 && last > 0.9);
    double before = first;
    for (int i = 1; i <= 256; i++) {
        float t = (float)i / 256;
        double now = lightness(cnn_palette_colour(CNN_PALETTE_HEAT, unit, t));
        assert_true(now > before);
        assert_true(fabs(now - (first + (last - first) * t)) < 0.004); /* a byte's rounding */
        before = now;
    }
    struct cnn_colour low = cnn_palette_colour(CNN_PALETTE_HEAT, unit, 0),
                      high = cnn_palette_colour(CNN_PALETTE_HEAT, unit, 1);
    assert_true(low.b > low.r && low.b > low.g && high.r > 200 && high.g > 200 && high.b < 100);
}

static void test_signed_is_white_at_zero_and_as_light_on_both_sides(void **state)
{
    (void)state;
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, around, 0), white));
    for (int i = 1; i <= 16; i++) {
        struct cnn_colour below = cnn_palette_colour(CNN_PALETTE_SIGNED, around, (float)-i / 16);
        struct cnn_colour above = cnn_palette_colour(CNN_PALETTE_SIGNED, around, (float)i / 16);
        assert_true(below.b > below.r && above.r > above.b);
        assert_true(fabs(lightness(below) - lightness(above)) < 0.006);
        assert_true(fabs(lightness(above) - (1 - 0.5 * i / 16)) < 0.006);
    }
    /* The larger magnitude is the end of both sides. */
    struct cnn_range lopsided = {-1, 4, 0};
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, lopsided, -1),
                     cnn_palette_colour(CNN_PALETTE_SIGNED, around, -0.25F)));
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){-4, 2, 0}, 1),
                     cnn_palette_colour(CNN_PALETTE_SIGNED, around, 0.25F)));
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){2, 4, 0}, 2),
                     cnn_palette_colour(CNN_PALETTE_SIGNED, around, 0.5F)));
    /* One value alone has its sign, too: a kernel of ones is not one of zeros. */
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){3, 3, 0}, 3),
                     cnn_palette_colour(CNN_PALETTE_SIGNED, around, 1)));
    assert_true(same(cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){-3, -3, 0}, -3),
                     cnn_palette_colour(CNN_PALETTE_SIGNED, around, -1)));
    assert_true(
        same(cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){0, 0, 0}, 0), white));
}

static void test_grey_and_dark_are_plain(void **state)
{
    (void)state;
    for (int i = 0; i <= 255; i++) {
        uint8_t grey = (uint8_t)i, dark = (uint8_t)(255 - i);
        float t = (float)i / 255;
        assert_true(same(cnn_palette_colour(CNN_PALETTE_GREY, unit, t),
                         (struct cnn_colour){grey, grey, grey}));
        assert_true(same(cnn_palette_colour(CNN_PALETTE_DARK, unit, t),
                         (struct cnn_colour){dark, dark, dark}));
    }
}

static void test_palettes_hold_when_values_are_extreme(void **state)
{
    (void)state;
    const struct cnn_range all = {-FLT_MAX, FLT_MAX, 0}, none = {5, 5, 0};
    for (cnn_palette p = CNN_PALETTE_HEAT; p <= CNN_PALETTE_SIGNED; p++) {
        assert_true(same(cnn_palette_colour(p, unit, NAN), CNN_COLOUR_NAN));
        assert_true(same(cnn_palette_colour(p, unit, INFINITY), CNN_COLOUR_NAN));
        assert_true(same(cnn_palette_colour(p, unit, -INFINITY), CNN_COLOUR_NAN));
        assert_true(same(cnn_palette_colour(p, around, 7), cnn_palette_colour(p, around, 1)));
        assert_true(same(cnn_palette_colour(p, around, -7), cnn_palette_colour(p, around, -1)));
        assert_true(same(cnn_palette_colour(p, all, 0), cnn_palette_colour(p, around, 0)));
        assert_true(same(cnn_palette_colour(p, all, FLT_MAX), cnn_palette_colour(p, around, 1)));
        assert_true(same(cnn_palette_colour(p, none, 5),
                         cnn_palette_colour(p, around, p == CNN_PALETTE_SIGNED ? 1 : -1)));
    }
}

static void test_range_leaves_out_what_is_not_finite(void **state)
{
    (void)state;
    struct cnn_range range = cnn_range_of((const float[]){NAN, -3, INFINITY, 2, -INFINITY}, 5);
    assert_true(range.low == -3 && range.high == 2 && range.nan == 3);
    range = cnn_range_of((const float[]){4, 5}, 2);
    assert_true(range.low == 4 && range.high == 5 && range.nan == 0);
    range = cnn_range_of((const float[]){NAN, INFINITY}, 2);
    assert_true(range.low == 0 && range.high == 0 && range.nan == 2);
}

/* The larger the number, the easier two colours are told apart. */
static int distance(struct cnn_colour a, struct cnn_colour b)
{
    return abs(a.r - b.r) + abs(a.g - b.g) + abs(a.b - b.b);
}

static void test_distinct_colours_differ_from_each_other(void **state)
{
    (void)state;
    for (size_t i = 0; i < CNN_DISTINCT_COLOURS; i++) {
        struct cnn_colour colour = cnn_distinct_colour(i);
        assert_true(distance(colour, CNN_COLOUR_NAN) > 150);
        assert_true(same(colour, cnn_distinct_colour(i + CNN_DISTINCT_COLOURS)));
        for (size_t k = 0; k < i; k++)
            assert_true(distance(colour, cnn_distinct_colour(k)) > (i < 12 ? 110 : 60));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_canvas_is_refused_when_it_has_no_pixels_or_too_many,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_labels_say_what_was_drawn_and_move_with_it),
        cmocka_unit_test(test_a_title_is_larger_where_there_is_room),
        cmocka_unit_test(test_fill_is_cut_off_when_it_leaves_the_canvas),
        cmocka_unit_test(test_frame_lies_inside_when_thick_or_cut_off),
        cmocka_unit_test(test_line_joins_its_ends_whatever_their_order),
        cmocka_unit_test(test_put_enlarges_without_blur_and_is_cut_off),
        cmocka_unit_test(test_pictures_stand_beside_or_below_each_other),
        cmocka_unit_test(test_text_has_the_letters_shapes_when_drawn),
        cmocka_unit_test(test_text_width_counts_characters_when_some_are_not_ascii),
        cmocka_unit_test(test_letters_differ_from_each_other),
        cmocka_unit_test(test_text_is_cut_off_when_it_leaves_the_canvas),
        cmocka_unit_test(test_resize_averages_when_smaller_and_interpolates_when_larger),
        cmocka_unit_test(test_resize_is_refused_when_the_copy_has_no_pixels),
        cmocka_unit_test_setup_teardown(test_png_holds_the_same_pixels_when_libpng_reads_it,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_png_is_an_error_when_it_cannot_be_kept, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_heat_rises_evenly_in_lightness),
        cmocka_unit_test(test_signed_is_white_at_zero_and_as_light_on_both_sides),
        cmocka_unit_test(test_grey_and_dark_are_plain),
        cmocka_unit_test(test_palettes_hold_when_values_are_extreme),
        cmocka_unit_test(test_range_leaves_out_what_is_not_finite),
        cmocka_unit_test(test_distinct_colours_differ_from_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
