/* Image files: every kind that is read, what becomes of channels and sizes, and files that are
 * damaged or no images. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/image.h"
#include "pictures.h"
#include "util/file.h"

static const uint8_t colours[12] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30}; /* 2 x 2, RGB */

/* size x size pixels; a JPEG is always the same. */
static void write_any(struct scratch *s, const char *name, int size, const uint8_t *pixels)
{
    if (strstr(name, ".jpg"))
        picture_write_jpeg(scratch_path(s, name));
    else
        picture_write(scratch_path(s, name), size, size, 3, pixels);
}

static cnn_shape shape(size_t c, size_t h, size_t w)
{
    return (cnn_shape){3, c, h, w};
}

static void test_pixels_are_the_files_when_the_size_fits(void **state)
{
    struct scratch *s = *state;
    uint8_t out[12], jpeg[192];
    picture_write(scratch_path(s, "a.png"), 2, 2, 3, colours);
    assert_int_equal(cnn_image_read(s->path, shape(3, 2, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, colours, 12);
    picture_write(scratch_path(s, "a.bmp"), 2, 2, 3, colours);
    assert_int_equal(cnn_image_read(s->path, shape(3, 2, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, colours, 12);
    picture_write_jpeg(scratch_path(s, "a.jpg"));
    assert_int_equal(cnn_image_read(s->path, shape(3, 8, 8), jpeg, s->diag), CNN_OK);
    for (size_t i = 0; i < 192; i++)
        assert_true(i % 24 < 12 ? jpeg[i] < 8 : jpeg[i] > 247);
}

static void test_rows_are_in_order_when_a_bmp_begins_at_the_top(void **state)
{
    struct scratch *s = *state;
    uint8_t out[6];
    /* BM, size 62, pixels at 54; header of 40: 1 x -2 pixels of 24 bits; rows blue-green-red,
     * padded to 4 bytes */
    static const uint8_t bmp[62] = {
        'B', 'M', 62,   0,    0,    0,    0, 0, 0,  0, 54,       0,        0, 0, 40, 0, 0, 0, 1, 0,
        0,   0,   0xfe, 0xff, 0xff, 0xff, 1, 0, 24, 0, [34] = 8, [54] = 1, 2, 3, 0,  4, 5, 6, 0};
    scratch_write(s, "top.bmp", bmp, sizeof bmp);
    assert_int_equal(cnn_image_read(s->path, shape(3, 2, 1), out, s->diag), CNN_OK);
    assert_memory_equal(out, ((uint8_t[]){3, 2, 1, 6, 5, 4}), 6);
}

static void test_channels_are_converted_when_the_network_has_others(void **state)
{
    struct scratch *s = *state;
    uint8_t grey[4], rgba[16], copied[12];
    picture_write(scratch_path(s, "colour.png"), 2, 2, 3, colours);
    assert_int_equal(cnn_image_read(s->path, shape(1, 2, 2), grey, s->diag), CNN_OK);
    /* stb: (77 r + 150 g + 29 b) / 256 */
    assert_memory_equal(grey, ((uint8_t[]){76, 149, 28, 18}), 4);
    assert_int_equal(cnn_image_read(s->path, shape(4, 2, 2), rgba, s->diag), CNN_OK);
    assert_memory_equal(rgba + 12, ((uint8_t[]){10, 20, 30, 255}), 4);
    picture_write(scratch_path(s, "grey.png"), 2, 2, 1, colours);
    assert_int_equal(cnn_image_read(s->path, shape(3, 2, 2), copied, s->diag), CNN_OK);
    assert_memory_equal(copied, ((uint8_t[]){255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0, 0}), 12);
}

static void test_alpha_is_dropped_when_a_file_has_it(void **state)
{
    struct scratch *s = *state;
    uint8_t out[3];
    picture_write(scratch_path(s, "rgba.png"), 1, 1, 4, (const uint8_t[]){10, 20, 30, 0});
    assert_int_equal(cnn_image_read(s->path, shape(3, 1, 1), out, s->diag), CNN_OK);
    assert_memory_equal(out, ((uint8_t[]){10, 20, 30}), 3);
    picture_write(scratch_path(s, "grey_alpha.png"), 1, 1, 2, (const uint8_t[]){99, 7});
    assert_int_equal(cnn_image_read(s->path, shape(3, 1, 1), out, s->diag), CNN_OK);
    assert_memory_equal(out, ((uint8_t[]){99, 99, 99}), 3);
}

static void test_rare_pngs_are_read_when_16_bit_or_with_a_palette(void **state)
{
    struct scratch *s = *state;
    uint8_t out[6];
    const uint8_t deep[12] = {200, 1, 100, 2, 50, 3, 0, 0, 255, 255, 128, 0},
                  palette[6] = {1, 2, 3, 40, 50, 60}, indices[1] = {0x40};
    picture_write_png(
        scratch_path(s, "deep.png"),
        &(struct picture_png){
            .width = 2, .height = 1, .depth = 16, .colour_type = 2, .rows = deep, .row_bytes = 12});
    assert_int_equal(cnn_image_read(s->path, shape(3, 1, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, ((uint8_t[]){200, 100, 50, 0, 255, 128}), 6);
    picture_write_png(scratch_path(s, "palette.png"), &(struct picture_png){.width = 2,
                                                                            .height = 1,
                                                                            .depth = 1,
                                                                            .colour_type = 3,
                                                                            .rows = indices,
                                                                            .row_bytes = 1,
                                                                            .palette = palette,
                                                                            .count = 2});
    assert_int_equal(cnn_image_read(s->path, shape(3, 1, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, ((uint8_t[]){1, 2, 3, 40, 50, 60}), 6);
}

static void test_images_are_resized_when_the_network_wants_another_size(void **state)
{
    struct scratch *s = *state;
    uint8_t left_right[8 * 4 * 3], out[4 * 6 * 3];
    for (size_t i = 0; i < sizeof left_right; i++)
        left_right[i] = (uint8_t)(i % 24 < 12 ? 0 : 200);
    picture_write(scratch_path(s, "a.png"), 8, 4, 3, left_right);
    assert_int_equal(cnn_image_read(s->path, shape(3, 6, 4), out, s->diag), CNN_OK);
    for (size_t y = 0; y < 6; y++) {
        /* the filter overshoots a little, left and right stay where they are */
        assert_in_range(out[y * 12], 0, 20);
        assert_in_range(out[y * 12 + 11], 180, 220);
    }
}

static void test_reading_fails_when_a_file_is_no_image(void **state)
{
    struct scratch *s = *state;
    uint8_t out[12];
    char message[128];
    snprintf(message, sizeof message, "cannot read DIR/text.png: not a %s image",
             cnn_image_kinds());
    scratch_write(s, "text.png", "not an image at all", 19);
    scratch_expect(s, cnn_image_read(s->path, shape(3, 2, 2), out, s->diag), message);
    scratch_write(s, "empty.jpg", "", 0);
    scratch_expect(s, cnn_image_read(s->path, shape(3, 2, 2), out, s->diag),
                   "cannot read DIR/empty.jpg: it is empty");
    scratch_path(s, "missing.png");
    scratch_expect(s, cnn_image_read(s->path, shape(3, 2, 2), out, s->diag),
                   "cannot read DIR/missing.png: No such file or directory");
}

static void test_reading_fails_when_a_file_is_cut(void **state)
{
    struct scratch *s = *state;
    const char *const names[] = {"cut.png", "cut.jpg", "cut.bmp"};
    uint8_t pixels[32 * 32 * 3], out[32 * 32 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * i * 7 + i);
    for (size_t k = 0; k < 3; k++) {
        char *data;
        size_t size;
        write_any(s, names[k], 32, pixels);
        assert_int_equal(cnn_file_read(s->path, 1 << 20, &data, &size, s->diag), CNN_OK);
        const size_t lengths[] = {10, 30, size / 4, size / 2, size - size / 10};
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            scratch_write(s, names[k], data, lengths[i]);
            assert_int_equal(cnn_image_read(s->path, shape(3, 32, 32), out, s->diag), CNN_FAILED);
        }
        free(data);
    }
}

/* A chunk that claims more than the file has must fail before memory is taken for it. */
static void test_reading_fails_when_a_png_chunk_claims_too_much(void **state)
{
    struct scratch *s = *state;
    uint8_t out[12];
    char *data, *chunk;
    size_t size;
    picture_write(scratch_path(s, "a.png"), 2, 2, 3, colours);
    assert_int_equal(cnn_file_read(s->path, 1 << 20, &data, &size, s->diag), CNN_OK);
    for (chunk = data; memcmp(chunk, "IDAT", 4) != 0; chunk++)
        assert_true(chunk + 8 < data + size);
    chunk[-4] = 0x58;
    scratch_write(s, "a.png", data, size);
    scratch_expect(s, cnn_image_read(s->path, shape(3, 2, 2), out, s->diag),
                   "cannot read DIR/a.png: the file ends too early");
    chunk[-4] = 0;
    scratch_write(s, "a.png", data, size - 4); /* without the last checksum */
    assert_int_equal(cnn_image_read(s->path, shape(3, 2, 2), out, s->diag), CNN_OK);
    free(data);
}

/* Sixteen counts of 255 codes each would run far over a table's 256 places. */
static void test_reading_fails_when_a_jpeg_has_too_many_huffman_codes(void **state)
{
    struct scratch *s = *state;
    uint8_t out[192];
    char *data, *table;
    size_t size;
    picture_write_jpeg(scratch_path(s, "a.jpg"));
    assert_int_equal(cnn_file_read(s->path, 1 << 20, &data, &size, s->diag), CNN_OK);
    for (table = data; memcmp(table, "\xff\xc4", 2) != 0; table++)
        assert_true(table + 21 < data + size);
    memset(table + 5, 0xff, 16);
    scratch_write(s, "a.jpg", data, size);
    free(data);
    scratch_expect(s, cnn_image_read(s->path, shape(3, 8, 8), out, s->diag),
                   "cannot read DIR/a.jpg: its Huffman tables are damaged");
}

/* A header that claims 60000 x 60000, or a side of 65537, must fail before memory is taken. */
static void test_reading_fails_when_the_claimed_size_is_huge(void **state)
{
    static const char *const claims[] = {"\0\0\xea\x60\0\0\xea\x60", "\0\1\0\1\0\0\0\1"};
    static const char *const texts[] = {"60000 x 60000", "65537 x 1"};
    struct scratch *s = *state;
    uint8_t out[12];
    const uint8_t rows[1] = {0};
    char *data;
    size_t size;
    picture_write_png(
        scratch_path(s, "huge.png"),
        &(struct picture_png){
            .width = 1, .height = 1, .depth = 8, .colour_type = 0, .rows = rows, .row_bytes = 1});
    assert_int_equal(cnn_file_read(s->path, 1 << 20, &data, &size, s->diag), CNN_OK);
    for (size_t i = 0; i < sizeof claims / sizeof *claims; i++) {
        char message[160];
        memcpy(data + 16, claims[i], 8);
        picture_put_u32((uint8_t *)data + 29, (uint32_t)crc32(0, (uint8_t *)data + 12, 17));
        snprintf(message, sizeof message,
                 "cannot read DIR/huge.png: its header promises %s pixels; at most 65536 a side "
                 "and 2^28 in all are read",
                 texts[i]);
        scratch_write(s, "huge.png", data, size);
        scratch_expect(s, cnn_image_read(s->path, shape(3, 2, 2), out, s->diag), message);
    }
    free(data);
}

/* Once decoded, the file's bytes are not looked at again until other channels are wanted. */
static void test_picture_is_decoded_once_when_the_channels_stay(void **state)
{
    struct scratch *s = *state;
    struct cnn_image image;
    uint8_t out[12], small[3];
    picture_write(scratch_path(s, "a.png"), 2, 2, 3, colours);
    assert_int_equal(cnn_image_open(s->path, &image, s->diag), CNN_OK);
    assert_true(image.width == 2 && image.height == 2 && !image.pixels);
    assert_int_equal(cnn_image_bring(&image, shape(2, 2, 2), out, NULL), CNN_INVALID);
    assert_int_equal(cnn_image_bring(&image, shape(3, 2, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, colours, 12);
    memset(image.bytes, 0, image.size);
    assert_int_equal(cnn_image_bring(&image, shape(3, 1, 1), small, s->diag), CNN_OK);
    assert_int_equal(cnn_image_decode(&image, 3, s->diag), CNN_OK);
    assert_memory_equal(image.pixels, colours, 12);
    assert_int_equal(cnn_image_bring(&image, shape(1, 1, 1), small, NULL), CNN_FAILED);
    assert_null(image.pixels);
    assert_int_equal(cnn_image_decode(&image, 1, NULL), CNN_FAILED);
    cnn_image_close(&image);
    cnn_image_close(&image);
    scratch_path(s, "missing.png");
    assert_int_equal(cnn_image_open(s->path, &image, NULL), CNN_FAILED);
    assert_null(image.bytes);
}

static void test_reading_fails_when_the_network_has_other_channels(void **state)
{
    struct scratch *s = *state;
    uint8_t out[8];
    picture_write(scratch_path(s, "a.png"), 2, 2, 3, colours);
    assert_int_equal(cnn_image_read(s->path, shape(2, 2, 2), out, s->diag), CNN_INVALID);
}

static void test_standard_input_is_read_when_the_name_is_a_dash(void **state)
{
    struct scratch *s = *state;
    uint8_t out[12];
    picture_write(scratch_path(s, "a.png"), 2, 2, 3, colours);
    assert_non_null(freopen(s->path, "rb", stdin));
    assert_int_equal(cnn_image_read("-", shape(3, 2, 2), out, s->diag), CNN_OK);
    assert_memory_equal(out, colours, 12);
    assert_int_equal(cnn_image_read("-", shape(3, 2, 2), out, s->diag), CNN_FAILED);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, "cannot read standard input: it is empty");
}

/* Whatever bytes a file has, reading it ends with an image or a message; the sanitizers watch the
 * rest. */
static void test_reading_ends_well_when_bytes_are_damaged(void **state)
{
    struct scratch *s = *state;
    const char *const names[] = {"x.png", "x.jpg", "x.bmp"};
    uint8_t pixels[12 * 12 * 3], out[12 * 12 * 3];
    uint32_t random = 1;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 31);
    for (size_t k = 0; k < 3; k++) {
        char *data;
        size_t size;
        write_any(s, names[k], 12, pixels);
        assert_int_equal(cnn_file_read(s->path, 1 << 20, &data, &size, s->diag), CNN_OK);
        for (size_t round = 0; round < 300; round++) {
            random = random * 1664525 + 1013904223;
            char *byte = &data[(random >> 8) % size], old = *byte;
            *byte = (char)random;
            cnn_image_read(scratch_write(s, names[k], data, size), shape(3, 12, 12), out, NULL);
            *byte = old;
        }
        free(data);
    }
}

static void test_names_are_images_by_their_ending(void **state)
{
    static const char *const images[] = {"a.png", "b/c.JPG", "d.e.jpeg",
                                         "f.Bmp", "g.jfif",  "h.JPE"};
    static const char *const others[] = {"png", "a.txt", "a.png.txt", "a.gif", "", ".png/a", "a."};
    (void)state;
    for (size_t i = 0; i < sizeof images / sizeof *images; i++) {
        assert_true(cnn_image_readable(images[i]));
        assert_null(cnn_image_conversion(images[i]));
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_false(cnn_image_readable(others[i]));
}

/* A picture is read, or there is a way to convert it. */
static void test_pictures_that_are_not_read_have_a_hint(void **state)
{
    static const char *const names[] = {"a.heic", "A.HEIC", "b.avif", "c.gif", "d.tiff", "e.TIF"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_non_null(strstr(cnn_image_conversion(names[i]), "convert "));
    assert_true(cnn_image_readable("a.webp") == (!cnn_image_conversion("a.webp")));
    assert_null(cnn_image_conversion("notes.txt"));
    assert_null(cnn_image_conversion("gif"));
    assert_null(cnn_image_conversion("photos.heic/list"));
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_pixels_are_the_files_when_the_size_fits),
        WITH_FOLDER(test_rows_are_in_order_when_a_bmp_begins_at_the_top),
        WITH_FOLDER(test_channels_are_converted_when_the_network_has_others),
        WITH_FOLDER(test_alpha_is_dropped_when_a_file_has_it),
        WITH_FOLDER(test_rare_pngs_are_read_when_16_bit_or_with_a_palette),
        WITH_FOLDER(test_images_are_resized_when_the_network_wants_another_size),
        WITH_FOLDER(test_reading_fails_when_a_file_is_no_image),
        WITH_FOLDER(test_reading_fails_when_a_file_is_cut),
        WITH_FOLDER(test_reading_fails_when_a_png_chunk_claims_too_much),
        WITH_FOLDER(test_reading_fails_when_a_jpeg_has_too_many_huffman_codes),
        WITH_FOLDER(test_reading_fails_when_the_claimed_size_is_huge),
        WITH_FOLDER(test_picture_is_decoded_once_when_the_channels_stay),
        WITH_FOLDER(test_reading_fails_when_the_network_has_other_channels),
        WITH_FOLDER(test_standard_input_is_read_when_the_name_is_a_dash),
        WITH_FOLDER(test_reading_ends_well_when_bytes_are_damaged),
        cmocka_unit_test(test_names_are_images_by_their_ending),
        cmocka_unit_test(test_pictures_that_are_not_read_have_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
