/* Image files for tests. */
#ifndef TESTS_PICTURES_H
#define TESTS_PICTURES_H

#include <stddef.h>
#include <stdint.h>

/* Writes h * w * c bytes as PNG or BMP, by the path's ending; folders on the way are made. Fails
 * the test where that cannot be. */
void picture_write(const char *path, int w, int h, int c, const uint8_t *pixels);

/* The same, every pixel and channel one value. */
void picture_write_plain(const char *path, int w, int h, int c, uint8_t value);

/* A JPEG of 8 x 8 pixels in colour, the left half black, the right half white. */
void picture_write_jpeg(const char *path);

/* A PNG of any kind: depth and colour type as its header has them; rows are height * row_bytes;
 * palette of count RGB triples or NULL. */
struct picture_png {
    uint32_t width, height;
    uint8_t depth, colour_type;
    const uint8_t *rows;
    size_t row_bytes;
    const uint8_t *palette;
    size_t count;
};

void picture_write_png(const char *path, const struct picture_png *png);

/* Damages a small PNG: its header and all parts stay as they are, checksums too; the compressed
 * pixels are none. */
void picture_damage(const char *path);

/* Four bytes, the highest first. */
void picture_put_u32(uint8_t *out, uint32_t value);

#endif
