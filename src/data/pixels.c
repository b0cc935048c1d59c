/* Pixels in memory: the channels that a network wants, out of rows of any order and stride. */
#include "data/pixels.h"

#include "data/image.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"

/* Where in a pixel its channels are. */
static const struct order {
    size_t channels, red, green, blue;
    bool grey, alpha; /* which is the last channel */
} orders[] = {
    [CNN_PIXELS_RGB] = {.channels = 3, .red = 0, .green = 1, .blue = 2},
    [CNN_PIXELS_BGR] = {.channels = 3, .red = 2, .green = 1, .blue = 0},
    [CNN_PIXELS_RGBA] = {.channels = 4, .red = 0, .green = 1, .blue = 2, .alpha = true},
    [CNN_PIXELS_BGRA] = {.channels = 4, .red = 2, .green = 1, .blue = 0, .alpha = true},
    [CNN_PIXELS_GREY] = {.channels = 1, .grey = true},
};

enum { ORDERS = sizeof orders / sizeof *orders };

/* One row, to pixels of 1, 3 or 4 channels: as decoders make them of a file. */
static void convert_row(const struct order *order, const uint8_t *from, size_t width,
                        size_t channels, uint8_t *to)
{
    for (size_t x = 0; x < width; x++, from += order->channels, to += channels) {
        const uint8_t colour[3] = {from[order->red], from[order->green], from[order->blue]};
        if (channels == 1 && order->grey)
            to[0] = from[0];
        else if (channels == 1)
            cnn_grey_from_rgb(colour, 1, to);
        for (size_t c = 0; channels > 1 && c < 3; c++)
            to[c] = colour[c];
        if (channels == 4)
            to[3] = order->alpha ? from[3] : 255;
    }
}

/* *stride: bytes from row to row. */
static cnn_status check(const cnn_pixels *pixels, cnn_shape shape, size_t *stride, cnn_diag *diag)
{
    if ((unsigned)pixels->order >= ORDERS)
        return cnn_fail_index(diag, "order of channels", (size_t)pixels->order, ORDERS);
    if (!cnn_image_size_legal(pixels->width, pixels->height))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "an image of %zu x %zu pixels: 1 to %zu a side are taken, and 2^28 in all",
                        pixels->width, pixels->height, CNN_IMAGE_MAX_SIDE);
    const size_t row = pixels->width * orders[pixels->order].channels;
    size_t bytes;
    *stride = pixels->stride ? pixels->stride : row;
    if (*stride < row || !cnn_size_mul(*stride, pixels->height, &bytes))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "rows that begin every %zu bytes cannot hold %zu pixels of %zu", *stride,
                        pixels->width, orders[pixels->order].channels);
    const struct cnn_image image = {
        .name = "pixels in memory", .width = pixels->width, .height = pixels->height};
    return cnn_image_resizable(&image, shape, diag);
}

cnn_status cnn_pixels_bring(const cnn_pixels *pixels, cnn_shape shape, uint8_t *out, cnn_diag *diag)
{
    size_t stride = 0, row = pixels->width * shape.c;
    cnn_status status = check(pixels, shape, &stride, diag);
    if (status != CNN_OK)
        return status;
    uint8_t *converted = cnn_malloc(pixels->height * row);
    for (size_t y = 0; converted && y < pixels->height; y++)
        convert_row(&orders[pixels->order], pixels->data + y * stride, pixels->width, shape.c,
                    converted + y * row);
    if (!converted || !cnn_image_resize(converted, pixels->height, pixels->width, row, shape, out))
        status = cnn_fail_memory(diag, pixels->height * row, "an image");
    cnn_free(converted);
    return status;
}
