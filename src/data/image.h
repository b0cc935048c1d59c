/* Image files -> bytes of a wanted size, the one way for data sets and prediction alike: read,
 * checked, decoded (data/decoder.h), turned as EXIF says, resized by stb_image_resize. */
#ifndef CNN_DATA_IMAGE_H
#define CNN_DATA_IMAGE_H

#include "data/decoder.h"

/* Decodes a file ("-": standard input) and brings it to shape (c 1, 3 or 4; h, w): grey from colour
 * by stb's luma, colour from grey by copying; resized to h x w (aspect not kept). out: h * w * c
 * bytes, NHWC. Errors CNN_FAILED: path and reason. Where cnn_diag_out_of_memory says so, the file
 * may be whole: a caller with no place for messages gives a cnn_diag of its own, and asks it.
 *
 * What a file promises is checked before memory is taken: at most 65536 pixels a side and 2^28 in
 * all; and more than 2^24 only as long as there are at most 256 for each byte of the file, which
 * photographs are far below. */
cnn_status cnn_image_read(const char *path, cnn_shape shape, uint8_t *out, cnn_diag *diag);

/* The same for the bytes of a file. name: for messages. */
cnn_status cnn_image_read_memory(const char *name, const void *bytes, size_t size, cnn_shape shape,
                                 uint8_t *out, cnn_diag *diag);

#define CNN_IMAGE_MAX_SIDE ((size_t)1 << 16)
/* Whether pictures of that size are taken at all. */
bool cnn_image_size_legal(size_t width, size_t height);

/* The same for a picture that is wanted in several shapes: read once, and decoded once as long as
 * channels and shrinking stay the same. */
struct cnn_image {
    const char *name; /* for messages: the path, which stays the caller's */
    const struct cnn_decoder *decoder;
    struct cnn_picture stored;
    size_t width, height; /* as it is seen */
    char *bytes;          /* the file; NULL where its bytes are somebody else's */
    size_t size;
    uint8_t *pixels; /* decoded, rows of ceil(width / shrink) pixels; NULL before */
    size_t channels, shrink;
};
cnn_status cnn_image_open(const char *path, struct cnn_image *out, cnn_diag *diag);
/* into width * height pixels of 1, 3 or 4 channels */
cnn_status cnn_image_decode(struct cnn_image *image, size_t channels, cnn_diag *diag);
/* Where shape is much smaller than the picture, it is decoded at a half, a quarter or an eighth of
 * its size if its format can do that. What comes out depends on file and shape alone. */
cnn_status cnn_image_bring(struct cnn_image *image, cnn_shape shape, uint8_t *out, cnn_diag *diag);
/* whether bring can be asked for */
cnn_status cnn_image_resizable(const struct cnn_image *image, cnn_shape shape, cnn_diag *diag);
/* a zeroed one is legal */
void cnn_image_close(struct cnn_image *image);

/* Brings height x width decoded pixels of shape.c channels, whose rows begin row_bytes apart, to
 * shape; they may be a part of a picture that cnn_image_resizable takes. false: out of memory. */
bool cnn_image_resize(const uint8_t *pixels, size_t height, size_t width, size_t row_bytes,
                      cnn_shape shape, uint8_t *out);

#endif
