/* A walk over the parts of an image file (PNG: ISO 15948, chunks; JPEG: ITU T.81, annex B; BMP:
 * BITMAPFILEHEADER and BITMAPINFOHEADER).
 *
 * stb_image fills what a cut JPEG or BMP lacks with grey or black and says nothing. Of a PNG it
 * takes memory for whatever length a chunk claims. And until version 2.28 it believes a JPEG's
 * count of Huffman codes, which is up to 16 * 255, and writes that many into tables of 256. */
#include "data/image_check.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { HUFFMAN_TABLES = 0xc4, START_OF_IMAGE = 0xd8, END_OF_IMAGE = 0xd9, START_OF_SCAN = 0xda };

static const char too_early[] = "the file ends too early";

static size_t u16_be(const unsigned char *p)
{
    return (size_t)p[0] << 8 | p[1];
}

static uint32_t u32_be(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static uint32_t u32_le(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* A chunk is its length, its name, the data and a checksum, which stb_image does not read: the last
 * may lack it. */
static const char *check_png(const unsigned char *bytes, size_t size)
{
    for (size_t at = 8; size - at >= 8;) {
        size_t length = u32_be(bytes + at);
        if (memcmp(bytes + at + 4, "IEND", 4) == 0)
            return NULL;
        if (length > size - at - 8)
            return too_early;
        at += 8 + length;
        at += size - at < 4 ? size - at : 4;
    }
    return too_early;
}

/* A segment holds any number of tables: one byte, 16 counts of codes by length, the codes'
 * values. */
static bool huffman_tables_fit(const unsigned char *segment, size_t size)
{
    while (size > 0) {
        if (size < 17)
            return false;
        size_t codes = 0;
        for (size_t i = 1; i <= 16; i++)
            codes += segment[i];
        if (codes > 256 || 17 + codes > size)
            return false;
        segment += 17 + codes;
        size -= 17 + codes;
    }
    return true;
}

/* The next marker's second byte, *at being moved behind it; END_OF_IMAGE is also what the end of
 * the file gives, with *at == size. In a scan's data, 0xff comes with 0 behind it, or with a
 * restart marker. */
static unsigned next_marker(const unsigned char *bytes, size_t size, size_t *at)
{
    for (; *at + 1 < size; ++*at) {
        unsigned marker = bytes[*at + 1];
        if (bytes[*at] != 0xff || marker == 0 || marker == 0xff ||
            (marker >= 0xd0 && marker <= 0xd7))
            continue;
        *at += 2;
        return marker;
    }
    *at = size + 1;
    return END_OF_IMAGE;
}

static const char *check_jpeg(const unsigned char *bytes, size_t size)
{
    size_t at = 0;
    for (;;) {
        unsigned marker = next_marker(bytes, size, &at);
        if (marker == END_OF_IMAGE)
            return at > size ? too_early : NULL;
        if (marker == START_OF_IMAGE || marker == 0x01)
            continue; /* these have no length */
        size_t length = size - at >= 2 ? u16_be(bytes + at) : 0;
        if (length < 2 || length > size - at)
            return length < 2 && size - at >= 2 ? "a part of the file has a wrong length"
                                                : too_early;
        if (marker == HUFFMAN_TABLES && !huffman_tables_fit(bytes + at + 2, length - 2))
            return "its Huffman tables are damaged";
        at += length;
    }
}

/* Uncompressed pixels are rows of whole 4 bytes from a given offset; compressed ones (which
 * stb_image refuses) are left alone. */
static const char *check_bmp(const unsigned char *bytes, size_t size)
{
    if (size < 34)
        return too_early;
    uint64_t offset = u32_le(bytes + 10), width = u32_le(bytes + 18),
             bits = (uint64_t)bytes[28] | (uint64_t)bytes[29] << 8;
    int64_t height = (int32_t)u32_le(bytes + 22);
    uint32_t header = u32_le(bytes + 14), compression = u32_le(bytes + 30);
    if (header < 40 || (compression != 0 && compression != 3) || width > INT32_MAX || bits > 32)
        return NULL;
    uint64_t row = (width * bits + 31) / 32 * 4, rows = (uint64_t)(height < 0 ? -height : height);
    return offset > size || (rows > 0 && row > (size - offset) / rows) ? too_early : NULL;
}

/* A JPEG begins with its first marker, before which any number of 0xff may stand. */
static bool begins_jpeg(const unsigned char *bytes, size_t size)
{
    size_t at = 0;
    while (at < size && bytes[at] == 0xff)
        at++;
    return at > 0 && at < size && bytes[at] == START_OF_IMAGE;
}

const char *cnn_image_check(const unsigned char *bytes, size_t size)
{
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return check_png(bytes, size);
    if (begins_jpeg(bytes, size))
        return check_jpeg(bytes, size);
    if (size >= 2 && memcmp(bytes, "BM", 2) == 0)
        return check_bmp(bytes, size);
    return NULL;
}
