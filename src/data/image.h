/* Image files -> bytes of a wanted size, the one way for data sets and prediction alike. stb_image limited to PNG, JPEG and BMP; resizing by
 * stb_image_resize. */
#ifndef CNN_DATA_IMAGE_H
#define CNN_DATA_IMAGE_H

#include "cnn.h"

/* Decodes a file ("-": standard input) and brings it to shape (c 1, 3 or 4; h, w): grey from colour by stb's luma, colour from grey by copying;
 * resized to h x w (aspect not kept). out: h * w * c bytes, NHWC. Sizes are checked before memory is taken (at most 2^28 pixels). Errors CNN_FAILED:
 * path and reason. */
cnn_status cnn_image_read(const char *path, cnn_shape shape, uint8_t *out, cnn_diag *diag);

/* Whether a file's name ends like an image's: .png .jpg .jpeg .bmp, any case. */
bool cnn_image_name(const char *path);

#endif
