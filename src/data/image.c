/* Image files: read, checked, decoded, turned, resized. */
#include "data/image.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <stb/stb_image_resize.h>

#include "data/exif.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/file.h"

#define MAX_FILE_BYTES ((size_t)1 << 30)
#define STDIN_BLOCK    65536

/* What a file may promise. JPEG takes a byte for at most 171 pixels of one colour (a bit and a half
 * for each block's mean and end), PNG for 344. */
#define FREE_PIXELS     ((size_t)1 << 24)
#define PIXELS_PER_BYTE 256

static cnn_status read_stdin(char **data, size_t *size, cnn_diag *diag)
{
    char *bytes = NULL;
    size_t used = 0, capacity = 0;
    do {
        capacity = capacity ? capacity * 2 : STDIN_BLOCK;
        char *larger = capacity <= MAX_FILE_BYTES ? cnn_realloc(bytes, capacity) : NULL;
        if (!larger) {
            cnn_free(bytes);
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
        cnn_free(bytes);
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

bool cnn_image_size_legal(size_t width, size_t height)
{
    return width > 0 && height > 0 && width <= CNN_IMAGE_MAX_SIDE && height <= CNN_IMAGE_MAX_SIDE &&
           width * height <= (size_t)1 << 28;
}

static cnn_status check_size(const struct cnn_image *image, cnn_diag *diag)
{
    const size_t w = image->width, h = image->height;
    if (w == 0 || h == 0)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "cannot read %s: its header promises %zu x %zu pixels", image->name, w, h);
    if (!cnn_image_size_legal(w, h))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "cannot read %s: its header promises %zu x %zu pixels; at most %zu a side "
                        "and 2^28 in all are read",
                        image->name, w, h, CNN_IMAGE_MAX_SIDE);
    if (w * h > FREE_PIXELS && w * h / PIXELS_PER_BYTE > image->size)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "cannot read %s: its header promises %zu x %zu pixels, too many for a file "
                        "of %zu bytes (beyond 2^24, at most %d for each)",
                        image->name, w, h, image->size, PIXELS_PER_BYTE);
    return CNN_OK;
}

/* Finds the decoder of the file that bytes are, and the size of its picture. */
static cnn_status read_header(struct cnn_image *image, const void *bytes, cnn_diag *diag)
{
    struct cnn_picture *stored = &image->stored;
    *stored = (struct cnn_picture){.bytes = bytes, .size = image->size};
    image->decoder = cnn_decoder_find(stored->bytes, stored->size);
    if (!image->decoder)
        return cnn_image_fail_unknown(image->name, stored->bytes, stored->size, diag);
    const char *wrong = image->decoder->probe(stored);
    if (wrong)
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", image->name, wrong);
    const bool turns = cnn_exif_turns(stored->orientation);
    image->width = turns ? stored->height : stored->width;
    image->height = turns ? stored->width : stored->height;
    return check_size(image, diag);
}

cnn_status cnn_image_open(const char *path, struct cnn_image *out, cnn_diag *diag)
{
    bool from_stdin = strcmp(path, "-") == 0;
    struct cnn_image image = {.name = from_stdin ? "standard input" : path};
    cnn_status status = from_stdin
                            ? read_stdin(&image.bytes, &image.size, diag)
                            : cnn_file_read(path, MAX_FILE_BYTES, &image.bytes, &image.size, diag);
    if (status != CNN_OK && !from_stdin)
        cnn_hint_near(diag, path);
    if (status == CNN_OK)
        status = read_header(&image, image.bytes, diag);
    if (status == CNN_OK)
        *out = image;
    else
        cnn_image_close(&image);
    return status;
}

/* The same for the bytes of a file, which stay the caller's. */
static cnn_status open_memory(const char *name, const void *bytes, size_t size,
                              struct cnn_image *out, cnn_diag *diag)
{
    struct cnn_image image = {.name = name, .size = size};
    if (size > MAX_FILE_BYTES)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is too large: %zu bytes, at most %zu are read",
                        name, size, MAX_FILE_BYTES);
    cnn_status status = read_header(&image, bytes, diag);
    if (status == CNN_OK)
        *out = image;
    return status;
}

void cnn_image_close(struct cnn_image *image)
{
    cnn_free(image->bytes);
    cnn_free(image->pixels);
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

static size_t shrunk(size_t side, size_t shrink)
{
    return (side + shrink - 1) / shrink;
}

/* Decoded as stored, and then turned. pixels is written only on success. */
static const char *decode(const struct cnn_image *image, size_t channels, size_t shrink,
                          uint8_t **pixels)
{
    const struct cnn_picture *stored = &image->stored;
    const size_t w = shrunk(stored->width, shrink), h = shrunk(stored->height, shrink);
    uint8_t *plain = cnn_malloc(w * h * channels), *turned = NULL;
    const char *wrong =
        plain ? image->decoder->decode(stored, channels, shrink, plain) : cnn_no_memory;
    if (!wrong && stored->orientation > 1) {
        turned = cnn_malloc(w * h * channels);
        if (turned)
            cnn_exif_turn(plain, w, h, channels, stored->orientation, turned);
        else
            wrong = cnn_no_memory;
        cnn_free(plain);
        plain = turned;
    }
    if (wrong)
        cnn_free(plain);
    else
        *pixels = plain;
    return wrong;
}

static cnn_status decode_at(struct cnn_image *image, size_t channels, size_t shrink, cnn_diag *diag)
{
    if (image->pixels && image->channels == channels && image->shrink == shrink)
        return CNN_OK;
    cnn_free(image->pixels);
    image->pixels = NULL;
    image->channels = channels;
    image->shrink = shrink;
    const char *wrong = decode(image, channels, shrink, &image->pixels);
    if (wrong == cnn_no_memory)
        return cnn_fail_memory(diag, image->width * image->height * channels, image->name);
    return wrong ? cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", image->name, wrong)
                 : CNN_OK;
}

cnn_status cnn_image_decode(struct cnn_image *image, size_t channels, cnn_diag *diag)
{
    return decode_at(image, channels, 1, diag);
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

/* The rest of the way, which a filter goes, is a half at least. */
static size_t choose_shrink(const struct cnn_image *image, cnn_shape shape)
{
    size_t shrink = 1;
    while (image->decoder->shrinks && shrink < 8 && image->width >= 4 * shrink * shape.w &&
           image->height >= 4 * shrink * shape.h)
        shrink *= 2;
    return shrink;
}

cnn_status cnn_image_bring(struct cnn_image *image, cnn_shape shape, uint8_t *out, cnn_diag *diag)
{
    cnn_status status = cnn_image_resizable(image, shape, diag);
    const size_t shrink = status == CNN_OK ? choose_shrink(image, shape) : 1;
    if (status == CNN_OK)
        status = decode_at(image, shape.c, shrink, diag);
    if (status != CNN_OK)
        return status;
    const size_t w = shrunk(image->width, shrink), h = shrunk(image->height, shrink);
    return cnn_image_resize(image->pixels, h, w, w * shape.c, shape, out)
               ? CNN_OK
               : cnn_fail_memory(diag, w * h * shape.c, image->name);
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

cnn_status cnn_image_read_memory(const char *name, const void *bytes, size_t size, cnn_shape shape,
                                 uint8_t *out, cnn_diag *diag)
{
    struct cnn_image image;
    cnn_status status = check_shape(shape, diag);
    if (status == CNN_OK)
        status = open_memory(name, bytes, size, &image, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_image_bring(&image, shape, out, diag);
    cnn_image_close(&image);
    return status;
}
