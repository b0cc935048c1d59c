/* Picture formats in all their kinds: against what Pillow decodes, or by hand; damage, and files
 * that promise too much. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "data/image.h"
#include "pictures.h"
#include "util/file.h"

#ifdef CNN_WITH_libjpeg
#define EXACT_JPEG true
#else
#define EXACT_JPEG false
#endif

#ifdef CNN_WITH_libpng
#define EXACT_PNG true
#else
#define EXACT_PNG false
#endif

/* Bytes of a file that is put together. */
struct bytes {
    uint8_t *data;
    size_t size;
};

static void add(struct bytes *b, const void *data, size_t size)
{
    b->data = realloc(b->data, b->size + size);
    assert_non_null(b->data);
    memcpy(b->data + b->size, data, size);
    b->size += size;
}

static struct bytes load(const char *path)
{
    char *data;
    struct bytes b;
    assert_int_equal(cnn_file_read(path, 1 << 20, &data, &b.size, NULL), CNN_OK);
    b.data = (uint8_t *)data;
    return b;
}

static struct bytes fixture(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "tests/pictures/%s", name);
    return load(path);
}

/* Where the text begins. */
static size_t find(const struct bytes *b, const char *text, size_t size)
{
    for (size_t i = 0; i + size <= b->size; i++)
        if (memcmp(b->data + i, text, size) == 0)
            return i;
    fail_msg("%s is not in the file", text);
    return 0;
}

static void insert(struct bytes *b, size_t at, const void *data, size_t size)
{
    struct bytes tail = {0};
    add(&tail, b->data + at, b->size - at);
    b->size = at;
    add(b, data, size);
    add(b, tail.data, tail.size);
    free(tail.data);
}

struct size {
    size_t channels, width, height;
};

/* The file's pixels, or its message in `text` with NULL. size: of which channels are wanted, and
 * the rest is found. */
static uint8_t *decode(struct scratch *s, const char *name, const struct bytes *b,
                       struct size *size, char text[256])
{
    struct cnn_image image = {0};
    uint8_t *pixels = NULL;
    scratch_write(s, name, b->data, b->size);
    cnn_status status = cnn_image_open(s->path, &image, s->diag);
    strcpy(text, "");
    size->width = image.width;
    size->height = image.height;
    if (status == CNN_OK)
        status = cnn_image_decode(&image, size->channels, s->diag);
    if (status == CNN_OK) {
        pixels = image.pixels;
        image.pixels = NULL;
    } else {
        const char *said = strstr(cnn_diag_get(s->diag, 0)->text, name);
        snprintf(text, 256, "%s", said ? said : "");
        cnn_diag_clear(s->diag);
    }
    cnn_image_close(&image);
    return pixels;
}

static void expect_refused(struct scratch *s, const char *name, const struct bytes *b,
                           const char *text)
{
    char said[256], wanted[300];
    struct size size = {.channels = 3};
    assert_null(decode(s, name, b, &size, said));
    snprintf(wanted, sizeof wanted, "%s: %s", name, text);
    assert_string_equal(said, wanted);
}

/* The file is refused before anything is decoded. */
static void expect_not_opened(struct scratch *s, const char *name, const struct bytes *b,
                              const char *text)
{
    struct cnn_image image = {0};
    scratch_write(s, name, b->data, b->size);
    assert_int_equal(cnn_image_open(s->path, &image, NULL), CNN_FAILED);
    expect_refused(s, name, b, text);
}

static void expect_pixels(struct scratch *s, const char *name, const struct bytes *b,
                          struct size size, const uint8_t *pixels)
{
    char said[256];
    struct size found = {.channels = size.channels};
    uint8_t *got = decode(s, name, b, &found, said);
    assert_string_equal(said, "");
    assert_true(found.width == size.width && found.height == size.height);
    assert_memory_equal(got, pixels, size.width * size.height * size.channels);
    free(got);
}

/* Two files hold the same picture. */
static void expect_same(struct scratch *s, const char *name, const struct bytes *b,
                        const char *right_name, size_t channels)
{
    char said[256];
    struct size size = {.channels = channels};
    struct bytes right = fixture(right_name);
    uint8_t *pixels = decode(s, right_name, &right, &size, said);
    assert_string_equal(said, "");
    expect_pixels(s, name, b, size, pixels);
    free(pixels);
    free(right.data);
}

static void expect_fixture(struct scratch *s, const char *name, const char *right, size_t channels)
{
    struct bytes b = fixture(name);
    expect_same(s, name, &b, right, channels);
    free(b.data);
}

static bool has(const char *kind)
{
    return strstr(cnn_image_kinds(), kind) != NULL;
}

/* ---- PNGs put together ---- */

static void add_chunk(struct bytes *b, const char *type, const void *data, size_t size)
{
    uint8_t number[4];
    picture_put_u32(number, (uint32_t)size);
    add(b, number, 4);
    size_t at = b->size;
    add(b, type, 4);
    if (size > 0)
        add(b, data, size);
    picture_put_u32(number, (uint32_t)crc32(0, b->data + at, (uInt)size + 4));
    add(b, number, 4);
}

static struct bytes png_start(uint32_t w, uint32_t h, uint8_t depth, uint8_t type, bool interlaced)
{
    struct bytes b = {0};
    uint8_t header[13] = {[8] = depth, type, 0, 0, interlaced};
    picture_put_u32(header, w);
    picture_put_u32(header + 4, h);
    add(&b, "\x89PNG\r\n\x1a\n", 8);
    add_chunk(&b, "IHDR", header, sizeof header);
    return b;
}

static void add_pixels(struct bytes *b, const uint8_t *rows, size_t size)
{
    uLongf packed_size = compressBound(size);
    uint8_t *packed = malloc(packed_size);
    assert_non_null(packed);
    assert_int_equal(compress(packed, &packed_size, rows, size), Z_OK);
    add_chunk(b, "IDAT", packed, packed_size);
    free(packed);
}

/* ---- EXIF ---- */

/* One entry: the orientation, of type SHORT. */
static const uint8_t exif_little[] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3,
                                      0,   1,   0,  0, 0, 6, 0, 0, 0, 0, 0,    0, 0};
static const uint8_t exif_big[] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0,
                                   3,   0,   0, 0,  1, 0, 6, 0, 0, 0, 0, 0,    0};
enum { LITTLE_AT = 18, BIG_AT = 19 }; /* the orientation's byte */

/* As Pillow's ImageOps.exif_transpose has them. */
static const struct {
    size_t width, height;
    uint8_t pixels[6];
} turned[9] = {
    {3, 2, {1, 2, 3, 4, 5, 6}}, {3, 2, {1, 2, 3, 4, 5, 6}}, {3, 2, {3, 2, 1, 6, 5, 4}},
    {3, 2, {6, 5, 4, 3, 2, 1}}, {3, 2, {4, 5, 6, 1, 2, 3}}, {2, 3, {1, 4, 2, 5, 3, 6}},
    {2, 3, {4, 1, 5, 2, 6, 3}}, {2, 3, {6, 3, 5, 2, 4, 1}}, {2, 3, {3, 6, 2, 5, 1, 4}},
};

static void test_png_is_turned_as_exif_says(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < 9; i++)
        for (int when = 0; when < 3; when++) {
            struct bytes b = png_start(3, 2, 8, 0, false);
            uint8_t exif[sizeof exif_little];
            memcpy(exif, when == 1 ? exif_big : exif_little, sizeof exif);
            exif[when == 1 ? BIG_AT : LITTLE_AT] = (uint8_t)i;
            if (when < 2)
                add_chunk(&b, "eXIf", exif, sizeof exif);
            add_pixels(&b, (const uint8_t[]){0, 1, 2, 3, 0, 4, 5, 6}, 8);
            if (when == 2) /* it may come last, too */
                add_chunk(&b, "eXIf", exif, sizeof exif);
            add_chunk(&b, "IEND", NULL, 0);
            expect_pixels(s, "six.png", &b, (struct size){1, turned[i].width, turned[i].height},
                          turned[i].pixels);
            free(b.data);
        }
}

/* Other types of number, values that are none, and data that are cut: as they are stored. */
static void test_strange_exif_data_turn_nothing(void **state)
{
    struct scratch *s = *state;
    for (size_t size = 0; size <= sizeof exif_little; size++)
        for (int value = 0; value < 256; value += size < sizeof exif_little ? 85 : 1) {
            uint8_t exif[sizeof exif_little];
            memcpy(exif, exif_little, sizeof exif);
            exif[LITTLE_AT] = (uint8_t)value;
            struct bytes b = png_start(3, 2, 8, 0, false);
            add_chunk(&b, "eXIf", exif, size);
            add_pixels(&b, (const uint8_t[]){0, 1, 2, 3, 0, 4, 5, 6}, 8);
            add_chunk(&b, "IEND", NULL, 0);
            size_t right = size >= 22 && value >= 1 && value <= 8 ? (size_t)value : 1;
            expect_pixels(s, "six.png", &b,
                          (struct size){1, turned[right].width, turned[right].height},
                          turned[right].pixels);
            free(b.data);
        }
    static const uint8_t offsets[][4] = {
        {0xff, 0xff, 0xff, 0xff}, {26, 0, 0, 0}, {24, 0, 0, 0}, {25, 0, 0, 0}};
    for (size_t i = 0; i < 4; i++) {
        uint8_t exif[sizeof exif_little];
        memcpy(exif, exif_little, sizeof exif);
        memcpy(exif + 4, offsets[i], 4);
        struct bytes b = png_start(3, 2, 8, 0, false);
        add_chunk(&b, "eXIf", exif, sizeof exif);
        add_pixels(&b, (const uint8_t[]){0, 1, 2, 3, 0, 4, 5, 6}, 8);
        add_chunk(&b, "IEND", NULL, 0);
        expect_pixels(s, "six.png", &b, (struct size){1, 3, 2}, turned[1].pixels);
        free(b.data);
    }
}

/* plain.jpg with EXIF data behind its first two bytes. */
static struct bytes jpeg_with_exif(const uint8_t *exif)
{
    struct bytes b = fixture("plain.jpg"), segment = {0};
    add(&segment,
        "\xff\xe1\0\x22"
        "Exif\0",
        10);
    add(&segment, exif, sizeof exif_little);
    insert(&b, 2, segment.data, segment.size);
    free(segment.data);
    return b;
}

/* Whatever a stored picture is, its turned twin is it, read from a corner. */
static void expect_turned(struct scratch *s, const char *name, const struct bytes *b,
                          const char *stored, unsigned orientation)
{
    char said[256];
    struct size stored_size = {.channels = 3}, size = {.channels = 3};
    struct bytes plain = fixture(stored);
    uint8_t *from = decode(s, "stored", &plain, &stored_size, said),
            *to = decode(s, name, b, &size, said);
    size_t w = stored_size.width, h = stored_size.height, tw = size.width, th = size.height;
    assert_string_equal(said, "");
    assert_true(orientation >= 5 ? tw == h && th == w : tw == w && th == h);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++) {
            const size_t places[9][2] = {
                {0}, /* column, row */
                {x, y}, {w - 1 - x, y}, {w - 1 - x, h - 1 - y}, {x, h - 1 - y},
                {y, x}, {h - 1 - y, x}, {h - 1 - y, w - 1 - x}, {y, w - 1 - x}};
            const size_t *place = places[orientation];
            assert_memory_equal(from + (y * w + x) * 3, to + (place[1] * tw + place[0]) * 3, 3);
        }
    free(from);
    free(to);
    free(plain.data);
}

static void test_jpeg_is_turned_as_exif_says(void **state)
{
    struct scratch *s = *state;
    for (unsigned i = 1; i <= 8; i++) {
        uint8_t little[sizeof exif_little], big[sizeof exif_big];
        memcpy(little, exif_little, sizeof little);
        memcpy(big, exif_big, sizeof big);
        little[LITTLE_AT] = big[BIG_AT] = (uint8_t)i;
        struct bytes b = jpeg_with_exif(little);
        expect_turned(s, "turned.jpg", &b, "plain.jpg", i);
        free(b.data);
        b = jpeg_with_exif(big);
        expect_turned(s, "turned.jpg", &b, "plain.jpg", i);
        free(b.data);
    }
}

/* alpha.webp in the extended container, with EXIF data. */
static void test_webp_is_turned_as_exif_says(void **state)
{
    struct scratch *s = *state;
    if (!has("WebP"))
        skip();
    for (unsigned i = 1; i <= 8; i++) {
        struct bytes b = fixture("alpha.webp");
        uint8_t exif[sizeof exif_little];
        memcpy(exif, exif_little, sizeof exif);
        exif[LITTLE_AT] = (uint8_t)i;
        if (memcmp(b.data + 12, "VP8X", 4) != 0)
            insert(&b, 12, "VP8X\x0a\0\0\0\x18\0\0\0\x12\0\0\x0a\0", 18);
        b.data[20] |= 8;
        add(&b, i % 2 ? "EXIF\x1a\0\0\0" : "EXIF\x20\0\0\0Exif\0", i % 2 ? 8 : 14);
        add(&b, exif, sizeof exif);
        b.data[4] = (uint8_t)(b.size - 8);
        expect_turned(s, "turned.webp", &b, "alpha.webp", i);
        free(b.data);
    }
}

/* ---- JPEG ---- */

static void test_jpegs_of_every_kind_are_what_pillow_decodes(void **state)
{
    static const char *const pairs[][2] = {
        {"grey.jpg", "grey.png"},     {"progressive.jpg", "plain.jpg"},
        {"restart.jpg", "plain.jpg"}, {"arithmetic.jpg", "plain.jpg"},
        {"cmyk.jpg", "cmyk.png"},     {"arithmetic_progressive.jpg", "plain.jpg"},
        {"ycck.jpg", "ycck.png"},
    };
    struct scratch *s = *state;
    if (!EXACT_JPEG)
        skip();
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        expect_fixture(s, pairs[i][0], pairs[i][1], 1);
        expect_fixture(s, pairs[i][0], pairs[i][1], 3);
        expect_fixture(s, pairs[i][0], pairs[i][1], 4);
    }
    expect_fixture(s, "plain.jpg", "plain.png", 3);
    expect_fixture(s, "plain.jpg", "plain.png", 4);
}

/* What stands around the picture does not change it. */
static void test_jpeg_is_whole_when_other_bytes_surround_its_picture(void **state)
{
    struct scratch *s = *state;
    static const char *const before_end[] = {"",     "\xff\xd0",    "\xff\xd7", "\xff\xd3\xff\xd4",
                                             "\xff", "\xff\xff\xff"};
    static const char after_end[] = "\xff\xd8\xff\xda and more";
    for (size_t i = 0; i < 6; i++)
        for (int trailing = 0; trailing < 2; trailing++) {
            struct bytes b = fixture("plain.jpg");
            insert(&b, b.size - 2, before_end[i], strlen(before_end[i]));
            if (trailing)
                add(&b, after_end, sizeof after_end);
            if (EXACT_JPEG || before_end[i][0] == '\0')
                expect_same(s, "a.jpg", &b, "plain.jpg", 3);
            free(b.data);
        }
}

static void test_jpeg_is_refused_when_listed_if_its_kind_is_not_read(void **state)
{
    struct scratch *s = *state;
    struct bytes b = fixture("plain.jpg");
    size_t frame = find(&b, "\xff\xc0", 2);
    static const uint8_t kinds[] = {0xc3, 0xc5, 0xc6, 0xc7, 0xcb, 0xcd, 0xce, 0xcf};
    for (size_t i = 0; i < sizeof kinds; i++) {
        b.data[frame + 1] = kinds[i];
        expect_not_opened(s, "a.jpg", &b, "a kind of JPEG that is not supported");
    }
    b.data[frame + 1] = 0xc0;
    b.data[frame + 4] = 12;
    expect_not_opened(s, "a.jpg", &b, "it has more than 8 bits a sample, which is not supported");
    b.data[frame + 4] = 8;
    memset(b.data + frame + 5, 0, 2); /* the height comes with the end of the picture */
    expect_not_opened(s, "a.jpg", &b, "its header promises 19 x 0 pixels");
    free(b.data);
}

/* The file goes on to its end, but the picture does not. */
static void test_jpeg_is_damaged_when_pixels_are_missing(void **state)
{
    struct scratch *s = *state;
    if (!EXACT_JPEG)
        skip();
    struct bytes b = fixture("plain.jpg");
    size_t scan = find(&b, "\xff\xda", 2) + 14, length = b.size - 2 - scan;
    for (size_t kept = length / 4; kept < length - 4; kept += length / 4) {
        struct bytes cut = {0};
        add(&cut, b.data, scan + kept);
        if (cut.data[cut.size - 1] == 0xff)
            cut.size--;
        add(&cut, "\xff\xd9", 2);
        expect_refused(s, "a.jpg", &cut, "its data are damaged");
        free(cut.data);
    }
    struct bytes cut = {0};
    add(&cut, b.data, b.size - 2);
    expect_not_opened(s, "a.jpg", &cut, "the file ends too early");
    free(cut.data);
    free(b.data);
}

/* Each scan is a walk over the picture. */
static void test_jpeg_is_refused_when_it_has_thousands_of_scans(void **state)
{
    struct scratch *s = *state;
    struct bytes b = fixture("progressive.jpg");
    size_t first = find(&b, "\xff\xda", 2);
    struct bytes scan = {0};
    add(&scan, b.data + first, 20);
    for (size_t i = 0; i < 100; i++)
        insert(&b, first, scan.data, scan.size);
    expect_not_opened(s, "a.jpg", &b, "it has more than 100 scans");
    free(scan.data);
    free(b.data);
}

/* ---- PNG ---- */

static void flip(struct bytes *b, size_t at)
{
    b->data[at] ^= 1;
}

static void test_png_is_refused_when_listed_if_a_checksum_is_wrong(void **state)
{
    static const struct {
        const char *chunk, *text;
    } cases[] = {{"IHDR", "the checksum of its header is wrong"},
                 {"PLTE", "the checksum of its palette is wrong"},
                 {"IDAT", "the checksum of its pixels is wrong"}};
    struct scratch *s = *state;
    struct bytes b = png_start(2, 1, 8, 3, false);
    add_chunk(&b, "PLTE", "\1\2\3\4\5\6", 6);
    add_chunk(&b, "tEXt", "Comment\0anything", 16);
    add_pixels(&b, (const uint8_t[]){0, 0, 1}, 3);
    add_chunk(&b, "IEND", NULL, 0);
    for (size_t i = 0; i < 3; i++) {
        size_t at = find(&b, cases[i].chunk, 4), size = b.data[at - 1];
        for (size_t k = 4; k < size + 8; k++) { /* the data, the checksum */
            flip(&b, at + k);
            expect_not_opened(s, "a.png", &b, cases[i].text);
            flip(&b, at + k);
        }
    }
    flip(&b, find(&b, "tEXt", 4) + 8); /* no pixel depends on it */
    flip(&b, find(&b, "IEND", 4) + 6);
    expect_pixels(s, "a.png", &b, (struct size){3, 2, 1}, (const uint8_t[]){1, 2, 3, 4, 5, 6});
    free(b.data);
}

/* The chunk's checksum is right, the stream's is not, or it ends too early. */
static void test_png_is_damaged_when_its_pixels_are(void **state)
{
    struct scratch *s = *state;
    if (!EXACT_PNG)
        skip();
    const uint8_t rows[8] = {0, 1, 2, 3, 0, 4, 5, 6};
    uint8_t packed[64];
    uLongf size = sizeof packed;
    assert_int_equal(compress(packed, &size, rows, 8), Z_OK);
    for (int wrong = 0; wrong < 3; wrong++) {
        struct bytes b = png_start(3, 2, 8, 0, false);
        packed[size - 1] ^= wrong == 0;
        add_chunk(&b, "IDAT", packed, wrong == 1 ? size - 6 : size);
        packed[size - 1] ^= wrong == 0;
        add_chunk(&b, "IEND", NULL, 0);
        if (wrong < 2)
            expect_refused(s, "a.png", &b, "its compressed data are damaged");
        else
            expect_pixels(s, "a.png", &b, (struct size){1, 3, 2}, turned[1].pixels);
        free(b.data);
    }
}

/* Every pass of Adam7 has a share of 3 x 2 pixels but the third. */
static void test_interlaced_png_is_read(void **state)
{
    struct scratch *s = *state;
    struct bytes b = png_start(3, 2, 8, 0, true);
    /* pixel 0,0; 2,0; 1,0; then the second row */
    add_pixels(&b, (const uint8_t[]){0, 1, 0, 3, 0, 2, 0, 4, 5, 6}, 10);
    add_chunk(&b, "IEND", NULL, 0);
    expect_pixels(s, "a.png", &b, (struct size){1, 3, 2}, turned[1].pixels);
    free(b.data);
    b = png_start(3, 2, 16, 2, true);
    uint8_t rows[4 + 36] = {0};
    static const uint8_t order[] = {1, 3, 2, 4, 5, 6};
    size_t at = 0;
    for (size_t i = 0; i < 6; i++) {
        at += i < 4; /* a row begins */
        for (size_t c = 0; c < 3; c++, at += 2)
            rows[at] = (uint8_t)(order[i] * (c + 1));
    }
    add_pixels(&b, rows, sizeof rows);
    add_chunk(&b, "IEND", NULL, 0);
    uint8_t colour[18], grey[6];
    for (size_t i = 0; i < 6; i++) {
        for (size_t c = 0; c < 3; c++)
            colour[i * 3 + c] = (uint8_t)((i + 1) * (c + 1));
        grey[i] = (uint8_t)(((i + 1) * 77 + 2 * (i + 1) * 150 + 3 * (i + 1) * 29) >> 8);
    }
    expect_pixels(s, "a.png", &b, (struct size){3, 3, 2}, colour);
    expect_pixels(s, "a.png", &b, (struct size){1, 3, 2}, grey);
    free(b.data);
}

/* Values spread from 0 to 255 whatever the depth; transparency is a channel where one is wanted. */
static void test_png_of_every_depth_is_read(void **state)
{
    struct scratch *s = *state;
    static const struct {
        uint8_t depth, row[2], grey[3];
    } cases[] = {
        {1, {0xa0}, {255, 0, 255}}, {2, {0x6c}, {85, 170, 255}}, {4, {0x0f, 0x80}, {0, 255, 136}}};
    for (size_t i = 0; i < 3; i++) {
        struct bytes b = png_start(3, 1, cases[i].depth, 0, false);
        uint8_t rows[3] = {0, cases[i].row[0], cases[i].row[1]};
        add_pixels(&b, rows, cases[i].depth == 4 ? 3 : 2);
        add_chunk(&b, "IEND", NULL, 0);
        expect_pixels(s, "a.png", &b, (struct size){1, 3, 1}, cases[i].grey);
        free(b.data);
    }
    struct bytes b = png_start(3, 1, 2, 3, false);
    add_chunk(&b, "PLTE", "\1\2\3\4\5\6\7\10\11", 9);
    add_chunk(&b, "tRNS", "\0\200", 2);
    add_pixels(&b, (const uint8_t[]){0, 0x18}, 2);
    add_chunk(&b, "IEND", NULL, 0);
    expect_pixels(s, "a.png", &b, (struct size){4, 3, 1},
                  (const uint8_t[]){1, 2, 3, 0, 4, 5, 6, 128, 7, 8, 9, 255});
    expect_pixels(s, "a.png", &b, (struct size){3, 3, 1},
                  (const uint8_t[]){1, 2, 3, 4, 5, 6, 7, 8, 9});
    free(b.data);
}

/* Encoders are free not to compress. */
static void test_png_is_read_when_its_pixels_are_stored_as_they_are(void **state)
{
    enum { SIDE = 300, ROW = 3 * SIDE };
    static uint8_t rows[SIDE * (1 + ROW)], pixels[SIDE * ROW];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = rows[i / ROW * (1 + ROW) + 1 + i % ROW] = (uint8_t)(i * i >> 7);
    struct bytes b = png_start(SIDE, SIDE, 8, 2, false);
    uLongf size = compressBound(sizeof rows);
    uint8_t *stored = malloc(size);
    assert_non_null(stored);
    assert_int_equal(compress2(stored, &size, rows, sizeof rows, Z_NO_COMPRESSION), Z_OK);
    assert_true(size > sizeof rows);
    add_chunk(&b, "IDAT", stored, size);
    add_chunk(&b, "IEND", NULL, 0);
    expect_pixels(*state, "a.png", &b, (struct size){3, SIDE, SIDE}, pixels);
    free(stored);
    free(b.data);
}

/* ---- BMP ---- */

static void put_u32_le(uint8_t *out, uint32_t value)
{
    for (size_t i = 0; i < 4; i++)
        out[i] = (uint8_t)(value >> 8 * i);
}

struct bmp {
    uint32_t header; /* its size */
    int32_t width, height;
    uint8_t bits, compression;
    const void *extra; /* masks or palette */
    size_t extra_size, gap;
    const void *pixels;
    size_t size;
};

static struct bytes bmp_write(const struct bmp *bmp)
{
    struct bytes b = {0};
    uint8_t header[14 + 124] = {'B', 'M'}, nothing[2048] = {0};
    put_u32_le(header + 10, (uint32_t)(14 + bmp->header + bmp->extra_size + bmp->gap));
    put_u32_le(header + 14, bmp->header);
    if (bmp->header == 12) {
        header[18] = (uint8_t)bmp->width;
        header[20] = (uint8_t)bmp->height;
        header[22] = 1;
        header[24] = bmp->bits;
    } else {
        put_u32_le(header + 18, (uint32_t)bmp->width);
        put_u32_le(header + 22, (uint32_t)bmp->height);
        header[26] = 1;
        header[28] = bmp->bits;
        header[30] = bmp->compression;
    }
    add(&b, header, 14 + bmp->header);
    if (bmp->extra_size > 0)
        add(&b, bmp->extra, bmp->extra_size);
    add(&b, nothing, bmp->gap);
    add(&b, bmp->pixels, bmp->size);
    return b;
}

static void test_bmp_is_read_when_its_pixels_stand_apart(void **state)
{
    static const uint8_t rows[] = {1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0},
                         up[] = {9, 8, 7, 12, 11, 10, 3, 2, 1, 6, 5, 4},
                         down[] = {3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10},
                         palette[] = {1, 2, 3, 0, 4, 5, 6, 0}, indices[] = {1, 0, 0, 0, 0, 1, 0, 0},
                         chosen[] = {3, 2, 1, 6, 5, 4, 6, 5, 4, 3, 2, 1},
                         masks[16] = {0xff, 0, 0, 0, 0, 0xff, 0, 0, 0, 0, 0xff, 0},
                         wide[] = {1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 0},
                         swapped[] = {7, 8, 9, 10, 11, 12, 1, 2, 3, 4, 5, 6};
    static const uint32_t headers[] = {12, 40, 108, 124};
    static const size_t gaps[] = {0, 4, 100, 1500};
    struct scratch *s = *state;
    for (size_t i = 0; i < 4; i++)
        for (size_t k = 0; k < 4; k++) {
            struct bmp bmp = {.header = headers[i],
                              .width = 2,
                              .height = 2,
                              .bits = 24,
                              .gap = gaps[k],
                              .pixels = rows,
                              .size = sizeof rows};
            struct bytes b = bmp_write(&bmp);
            expect_pixels(s, "a.bmp", &b, (struct size){3, 2, 2}, up);
            free(b.data);
            if (headers[i] == 12)
                continue;
            bmp.height = -2;
            b = bmp_write(&bmp);
            expect_pixels(s, "a.bmp", &b, (struct size){3, 2, 2}, down);
            free(b.data);
            bmp = (struct bmp){.header = headers[i],
                               .width = 2,
                               .height = 2,
                               .bits = 8,
                               .extra = palette,
                               .extra_size = sizeof palette,
                               .gap = gaps[k],
                               .pixels = indices,
                               .size = sizeof indices};
            b = bmp_write(&bmp);
            expect_pixels(s, "a.bmp", &b, (struct size){3, 2, 2}, chosen);
            free(b.data);
        }
    /* masks behind the header, and counted into it */
    for (uint32_t header = 40; header <= 56; header += header == 40 ? 12 : 4) {
        const struct bmp bmp = {.header = 40,
                                .width = 2,
                                .height = 2,
                                .bits = 32,
                                .compression = 3,
                                .extra = masks,
                                .extra_size = header - 40,
                                .gap = header == 40 ? 12 : 0,
                                .pixels = wide,
                                .size = sizeof wide};
        struct bytes b = bmp_write(&bmp);
        if (header == 40)
            memcpy(b.data + 54, masks, 12);
        else
            b.data[14] = (uint8_t)header;
        expect_pixels(s, "a.bmp", &b, (struct size){3, 2, 2}, swapped);
        free(b.data);
    }
}

static void test_bmp_is_refused_when_listed_if_its_kind_is_not_read(void **state)
{
    struct scratch *s = *state;
    static const uint8_t pixels[16] = {0};
    struct bmp bmp = {.header = 40,
                      .width = 2,
                      .height = 2,
                      .bits = 8,
                      .compression = 1,
                      .pixels = pixels,
                      .size = sizeof pixels};
    struct bytes b = bmp_write(&bmp);
    expect_not_opened(s, "a.bmp", &b, "a compressed BMP, which is not supported");
    b.data[30] = 0;
    b.data[28] = 7;
    expect_not_opened(s, "a.bmp", &b, "a kind of BMP that is not supported");
    b.data[28] = 24;
    b.data[10] = 20;
    expect_not_opened(s, "a.bmp", &b, "its pixels begin inside its header");
    b.data[10] = 54;
    b.data[18] = 200;
    expect_not_opened(s, "a.bmp", &b, "the file ends too early");
    b.data[18] = 2;
    b.size--; /* one byte is missing */
    expect_not_opened(s, "a.bmp", &b, "the file ends too early");
    free(b.data);
}

/* ---- WebP ---- */

static void test_webp_is_what_pillow_decodes(void **state)
{
    struct scratch *s = *state;
    if (!has("WebP"))
        skip();
    expect_fixture(s, "lossy.webp", "lossy.png", 3);
    expect_fixture(s, "lossy.webp", "lossy.png", 4);
    expect_fixture(s, "lossy.webp", "lossy.png", 1);
    expect_fixture(s, "alpha.webp", "alpha.png", 3);
    expect_fixture(s, "alpha.webp", "alpha.png", 4);
}

static void test_webp_is_refused_when_cut_or_animated(void **state)
{
    struct scratch *s = *state;
    if (!has("WebP"))
        skip();
    struct bytes b = fixture("animated.webp");
    expect_not_opened(s, "a.webp", &b, "it is an animation, not a picture");
    free(b.data);
    b = fixture("lossy.webp");
    for (b.size--; b.size >= 12; b.size--)
        expect_not_opened(s, "a.webp", &b, "the file ends too early");
    free(b.data);
    b = fixture("alpha.webp");
    memset(b.data + 32, 0xff, b.size - 32);
    char said[256];
    struct size size = {.channels = 3};
    assert_null(decode(s, "a.webp", &b, &size, said));
    free(b.data);
}

/* ---- Promises ---- */

/* A header alone, with so many bytes behind it. */
static struct bytes png_promising(uint32_t w, uint32_t h, size_t bytes)
{
    struct bytes b = png_start(w, h, 8, 2, false);
    uint8_t *padding = calloc(1, bytes);
    assert_non_null(padding);
    add_chunk(&b, "tEXt", padding, bytes - b.size - 12 - 13 - 12);
    add_chunk(&b, "IDAT", "x", 1);
    add_chunk(&b, "IEND", NULL, 0);
    assert_int_equal(b.size, bytes);
    free(padding);
    return b;
}

static void test_pictures_are_refused_when_they_promise_too_much(void **state)
{
    static const struct {
        uint32_t width, height;
        size_t bytes;
        const char *text; /* NULL: nothing is wrong */
    } cases[] = {
        {4096, 4096, 100, NULL},
        {4097, 4096, 100,
         "its header promises 4097 x 4096 pixels, too many for a file of 100 bytes (beyond 2^24, "
         "at most 256 for each)"},
        {4097, 4096, 65552, NULL},
        {4097, 4096, 65551,
         "its header promises 4097 x 4096 pixels, too many for a file of 65551 bytes (beyond 2^24, "
         "at most 256 for each)"},
        {12000, 9000, 1 << 19, NULL},
        {16000, 16000, 746544,
         "its header promises 16000 x 16000 pixels, too many for a file of 746544 bytes (beyond "
         "2^24, at most 256 for each)"},
        {16384, 16384, 1 << 20, NULL},
        {16385, 16384, 1 << 21,
         "its header promises 16385 x 16384 pixels; at most 65536 a side and 2^28 in all are read"},
        {65537, 1, 100,
         "its header promises 65537 x 1 pixels; at most 65536 a side and 2^28 in all are read"},
        {0xffffffff, 0xffffffff, 100,
         "its header promises 4294967295 x 4294967295 pixels; at most 65536 a side and 2^28 in all "
         "are read"},
        {0, 9, 100, "its header promises 0 x 9 pixels"},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = png_promising(cases[i].width, cases[i].height, cases[i].bytes);
        struct cnn_image image = {0};
        if (cases[i].text) {
            expect_not_opened(s, "a.png", &b, cases[i].text);
        } else {
            scratch_write(s, "a.png", b.data, b.size);
            assert_int_equal(cnn_image_open(s->path, &image, s->diag), CNN_OK);
            assert_int_equal(image.width, cases[i].width);
            assert_null(image.pixels);
            cnn_image_close(&image);
        }
        free(b.data);
    }
}

/* The same of the other formats: few bytes, a large promise. */
static void test_every_format_is_refused_when_it_promises_too_much(void **state)
{
    static const char *const names[] = {"plain.jpg", "progressive.jpg"};
    struct scratch *s = *state;
    char text[160];
    for (size_t i = 0; i < 2; i++) {
        struct bytes b = fixture(names[i]);
        size_t frame = find(&b, i == 0 ? "\xff\xc0" : "\xff\xc2", 2);
        memcpy(b.data + frame + 5, "\x3e\x80\x3e\x80", 4);
        snprintf(text, sizeof text,
                 "its header promises 16000 x 16000 pixels, too many for a file of %zu bytes "
                 "(beyond 2^24, at most 256 for each)",
                 b.size);
        expect_not_opened(s, "a.jpg", &b, text);
        free(b.data);
    }
    if (!has("WebP"))
        skip();
    /* lossless, 16384 x 16384: 14 bits each */
    struct bytes b = {0};
    add(&b, "RIFF\x12\0\0\0WEBPVP8L\5\0\0\0\x2f\xff\xff\xff\x0f\0", 26);
    snprintf(text, sizeof text,
             "its header promises 16384 x 16384 pixels, too many for a file of 26 bytes (beyond "
             "2^24, at most 256 for each)");
    expect_not_opened(s, "a.webp", &b, text);
    free(b.data);
}

/* Few pixels, and much to unpack for them: at once, and where that is less clear, when the last row
 * has been read. */
static void test_png_is_refused_when_its_data_go_on(void **state)
{
    struct scratch *s = *state;
    struct bytes much = {0};
    uint8_t *zeros = calloc(1, (size_t)1 << 27);
    assert_non_null(zeros);
    add_pixels(&much, zeros, (size_t)1 << 27);
    free(zeros);
    for (size_t i = 0; i < 2; i++) {
        struct bytes b = png_start(i == 0 ? 8 : 256, i == 0 ? 8 : 256, 8, 2, false);
        add(&b, much.data, much.size);
        add_chunk(&b, "IEND", NULL, 0);
        (i == 0 ? expect_not_opened
                : expect_refused)(s, "a.png", &b, "it holds more data than its header promises");
        free(b.data);
    }
    free(much.data);
}

/* ---- Others ---- */

static void test_files_that_are_misnamed_are_told_what_they_are(void **state)
{
    static const struct {
        const char *bytes, *kind, *hint;
    } cases[] = {
        {"....ftypheic........", "HEIC", "heif-convert"},
        {"....ftypheix........", "HEIC", "heif-convert"},
        {"....ftypavif........", "AVIF", "avifdec"},
        {"GIF89a..............", "GIF", "convert"},
        {"II*.................", "TIFF", "convert"},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cnn_image image;
        char text[256];
        scratch_write(s, "photo.jpg", cases[i].bytes, 20);
        assert_int_equal(cnn_image_open(s->path, &image, s->diag), CNN_FAILED);
        const cnn_message *message = cnn_diag_get(s->diag, 0);
        snprintf(text, sizeof text, "photo.jpg: a %s picture, and not a %s image", cases[i].kind,
                 cnn_image_kinds());
        assert_non_null(strstr(message->text, text));
        assert_non_null(strstr(message->hint, cases[i].hint));
        cnn_diag_clear(s->diag);
    }
}

/* ---- Sizes ---- */

/* What comes out depends on the file and the wanted size, not on what was asked for before. */
static void test_a_small_size_is_the_same_when_the_whole_was_decoded_before(void **state)
{
    struct scratch *s = *state;
    struct bytes b = fixture("plain.jpg");
    uint8_t first[4 * 2 * 3], second[4 * 2 * 3], third[4 * 2 * 3];
    const cnn_shape small = {3, 3, 2, 4};
    struct cnn_image image;
    scratch_write(s, "a.jpg", b.data, b.size);
    assert_int_equal(cnn_image_read(s->path, small, first, s->diag), CNN_OK);
    assert_int_equal(cnn_image_open(s->path, &image, s->diag), CNN_OK);
    assert_int_equal(cnn_image_decode(&image, 3, s->diag), CNN_OK);
    assert_int_equal(cnn_image_bring(&image, small, second, s->diag), CNN_OK);
    assert_int_equal(cnn_image_decode(&image, 3, s->diag), CNN_OK);
    expect_pixels(s, "a.jpg", &b, (struct size){3, image.width, image.height}, image.pixels);
    assert_int_equal(cnn_image_bring(&image, small, third, s->diag), CNN_OK);
    assert_memory_equal(first, second, sizeof first);
    assert_memory_equal(first, third, sizeof first);
    cnn_image_close(&image);
    free(b.data);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_png_is_turned_as_exif_says),
        WITH_FOLDER(test_strange_exif_data_turn_nothing),
        WITH_FOLDER(test_jpeg_is_turned_as_exif_says),
        WITH_FOLDER(test_webp_is_turned_as_exif_says),
        WITH_FOLDER(test_jpegs_of_every_kind_are_what_pillow_decodes),
        WITH_FOLDER(test_jpeg_is_whole_when_other_bytes_surround_its_picture),
        WITH_FOLDER(test_jpeg_is_refused_when_listed_if_its_kind_is_not_read),
        WITH_FOLDER(test_jpeg_is_damaged_when_pixels_are_missing),
        WITH_FOLDER(test_jpeg_is_refused_when_it_has_thousands_of_scans),
        WITH_FOLDER(test_png_is_refused_when_listed_if_a_checksum_is_wrong),
        WITH_FOLDER(test_png_is_damaged_when_its_pixels_are),
        WITH_FOLDER(test_interlaced_png_is_read),
        WITH_FOLDER(test_png_of_every_depth_is_read),
        WITH_FOLDER(test_png_is_read_when_its_pixels_are_stored_as_they_are),
        WITH_FOLDER(test_bmp_is_read_when_its_pixels_stand_apart),
        WITH_FOLDER(test_bmp_is_refused_when_listed_if_its_kind_is_not_read),
        WITH_FOLDER(test_webp_is_what_pillow_decodes),
        WITH_FOLDER(test_webp_is_refused_when_cut_or_animated),
        WITH_FOLDER(test_pictures_are_refused_when_they_promise_too_much),
        WITH_FOLDER(test_every_format_is_refused_when_it_promises_too_much),
        WITH_FOLDER(test_png_is_refused_when_its_data_go_on),
        WITH_FOLDER(test_files_that_are_misnamed_are_told_what_they_are),
        WITH_FOLDER(test_a_small_size_is_the_same_when_the_whole_was_decoded_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
