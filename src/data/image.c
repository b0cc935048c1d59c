/* Image files: read, checked, decoded, resized. stb_image drops an alpha channel as it is (nothing
 * is blended) and keeps the high byte of 16-bit values. */
#include "data/image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stb/stb_image.h>
#include <stb/stb_image_resize.h>

#include "data/image_check.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/file.h"

#define MAX_FILE_BYTES ((size_t)1 << 30)
#define MAX_PIXELS     ((size_t)1 << 28)
#define STDIN_BLOCK    65536

static cnn_status read_stdin(char **data, size_t *size, cnn_diag *diag)
{
    char *bytes = NULL;
    size_t used = 0, capacity = 0;
    do {
        capacity = capacity ? capacity * 2 : STDIN_BLOCK;
        char *larger = capacity <= MAX_FILE_BYTES ? realloc(bytes, capacity) : NULL;
        if (!larger) {
            free(bytes);
            return capacity <= MAX_FILE_BYTES
                       ? cnn_fail_memory(diag, capacity, "standard input")
                       : cnn_fail(diag, CNN_FAILED, NULL,
                                  "standard input is too large: at most %zu bytes are read",
                                  MAX_FILE_BYTES);
        }
        bytes = larger;
        used += fread(bytes + used, 1, capacity - used, stdin);
    } while (used == capacity);
    if (ferror(stdin)) {
        free(bytes);
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read standard input: %s", strerror(errno));
    }
    *data = bytes;
    *size = used;
    return CNN_OK;
}

/* stb_image_resize counts in int: its rows in flight are about 4 * the shrinking factor, floats of
 * the output's width. */
static bool resizable(size_t height, cnn_shape to)
{
    const size_t limit = INT_MAX / 64;
    size_t row, bytes, rows = height / to.h + 1;
    return cnn_size_mul(to.w, to.c, &row) && row <= limit && cnn_size_mul(row, to.h, &bytes) &&
           bytes <= INT_MAX && rows <= limit / row;
}

/* stb_image tries one format after the other, so its reason is the last one's; a file that begins
 * like an image deserves a better one. */
static const char *describe_unknown(const stbi_uc *bytes, size_t size)
{
    if (size >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0)
        return "a damaged PNG header, or more than 65536 pixels a side, or 2^28 in all";
    if (size >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0)
        return "a damaged JPEG header, or more than 65536 pixels a side, or 2^28 in all";
    if (size >= 2 && memcmp(bytes, "BM", 2) == 0)
        return "a damaged BMP header, a kind of BMP that is not supported, or more than 65536 "
               "pixels a side, or 2^28 in all";
    return size > 0 ? "not a PNG, JPEG or BMP image" : "it is empty";
}

/* Fills in the size of the picture in image->bytes. */
static cnn_status read_header(struct cnn_image *image, cnn_diag *diag)
{
    const stbi_uc *bytes = (const stbi_uc *)image->bytes;
    int w, h, file_channels;
    const char *damage = cnn_image_check(bytes, image->size);
    if (damage)
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", image->name, damage);
    bool known = stbi_info_from_memory(bytes, (int)image->size, &w, &h, &file_channels);
    if (known && h < 0 && h >= -INT32_MAX) /* a BMP with its top row first */
        h = -h;
    if (!known || w <= 0 || h <= 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", image->name,
                        describe_unknown(bytes, image->size));
    if ((size_t)w > MAX_PIXELS / (size_t)h)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "cannot read %s: %d x %d pixels are too many (at most 2^28)", image->name,
                        w, h);
    image->width = (size_t)w;
    image->height = (size_t)h;
    return CNN_OK;
}

cnn_status cnn_image_open(const char *path, struct cnn_image *out, cnn_diag *diag)
{
    bool from_stdin = strcmp(path, "-") == 0;
    struct cnn_image image = {.name = from_stdin ? "standard input" : path};
    cnn_status status = from_stdin
                            ? read_stdin(&image.bytes, &image.size, diag)
                            : cnn_file_read(path, MAX_FILE_BYTES, &image.bytes, &image.size, diag);
    if (status == CNN_OK)
        status = read_header(&image, diag);
    if (status == CNN_OK)
        *out = image;
    else
        cnn_image_close(&image);
    return status;
}

void cnn_image_close(struct cnn_image *image)
{
    free(image->bytes);
    stbi_image_free(image->pixels);
    *image = (struct cnn_image){0};
}

/* Image files give 1, 3 or 4 channels. */
static cnn_status check_shape(cnn_shape shape, cnn_diag *diag)
{
    if (shape.rank == 3 && shape.h > 0 && shape.w > 0 &&
        (shape.c == 1 || shape.c == 3 || shape.c == 4))
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "image files give 1, 3 or 4 channels, the network's input has %zu", shape.c);
}

cnn_status cnn_image_decode(struct cnn_image *image, size_t channels, cnn_diag *diag)
{
    int w, h, file_channels;
    if (image->pixels && image->channels == channels)
        return CNN_OK;
    stbi_image_free(image->pixels);
    image->channels = channels;
    image->pixels = stbi_load_from_memory((const stbi_uc *)image->bytes, (int)image->size, &w, &h,
                                          &file_channels, (int)channels);
    return image->pixels ? CNN_OK
                         : cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", image->name,
                                    stbi_failure_reason());
}

cnn_status cnn_image_resizable(const struct cnn_image *image, cnn_shape shape, cnn_diag *diag)
{
    cnn_status status = check_shape(shape, diag);
    bool same = image->width == shape.w && image->height == shape.h;
    if (status == CNN_OK && !same && !resizable(image->height, shape))
        status =
            cnn_fail(diag, CNN_FAILED, NULL, "cannot resize %s from %zu x %zu to %zu x %zu pixels",
                     image->name, image->width, image->height, shape.w, shape.h);
    return status;
}

bool cnn_image_resize(const uint8_t *pixels, size_t height, size_t width, size_t row_bytes,
                      cnn_shape shape, uint8_t *out)
{
    size_t row = shape.w * shape.c;
    if (height != shape.h || width != shape.w)
        return stbir_resize_uint8(pixels, (int)width, (int)height, (int)row_bytes, out,
                                  (int)shape.w, (int)shape.h, 0, (int)shape.c);
    for (size_t y = 0; y < height; y++)
        memcpy(out + y * row, pixels + y * row_bytes, row);
    return true;
}

cnn_status cnn_image_bring(struct cnn_image *image, cnn_shape shape, uint8_t *out, cnn_diag *diag)
{
    cnn_status status = cnn_image_resizable(image, shape, diag);
    if (status == CNN_OK)
        status = cnn_image_decode(image, shape.c, diag);
    if (status != CNN_OK)
        return status;
    bool done = cnn_image_resize(image->pixels, image->height, image->width, image->width * shape.c,
                                 shape, out);
    return done ? CNN_OK
                : cnn_fail(diag, CNN_FAILED, NULL, "cannot resize %s: out of memory", image->name);
}

cnn_status cnn_image_read(const char *path, cnn_shape shape, uint8_t *out, cnn_diag *diag)
{
    struct cnn_image image;
    cnn_status status = check_shape(shape, diag);
    if (status == CNN_OK)
        status = cnn_image_open(path, &image, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_image_bring(&image, shape, out, diag);
    cnn_image_close(&image);
    return status;
}
