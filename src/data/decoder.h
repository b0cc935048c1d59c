/* Picture formats: one file and one line in decoders.def each. A decoder knows its files by their
 * first bytes, walks over the parts of a file without decoding it, and decodes. Reasons are short
 * static texts that complete "cannot read FILE: ...". Threads may share all of this. */
#ifndef CNN_DATA_DECODER_H
#define CNN_DATA_DECODER_H

#include "cnn.h"

struct cnn_picture {
    const uint8_t *bytes; /* the whole file */
    size_t size;
    size_t width, height; /* as the pixels are stored, before they are turned */
    unsigned orientation; /* EXIF's, from 1 to 8 */
};

struct cnn_decoder {
    const char *kind;           /* "PNG" */
    const char *const *endings; /* of file names, NULL at the end */
    bool shrinks;               /* decode can make smaller pictures */
    bool (*matches)(const uint8_t *bytes, size_t size);
    /* Fills in all of a picture but its bytes. Finds files that are cut, and what the format's
     * checksums tell. NULL, or what is wrong. */
    const char *(*probe)(struct cnn_picture *picture);
    /* Writes rows of ceil(width / shrink) pixels of 1, 3 or 4 channels; shrink is 1, or 2, 4, 8 for
     * a decoder that shrinks. An alpha channel is dropped as it is, or is 255 where the file has
     * none; of 16 bits the higher 8 are kept. NULL, or what is wrong. */
    const char *(*decode)(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels);
};

/* The decoder of a file that begins with these bytes, or NULL. */
const struct cnn_decoder *cnn_decoder_find(const uint8_t *bytes, size_t size);

/* Fails for a file of which no decoder knows the first bytes: says what it is, and how to convert
 * it. */
cnn_status cnn_image_fail_unknown(const char *name, const uint8_t *bytes, size_t size,
                                  cnn_diag *diag);

/* What decoders share. */
extern const char cnn_cut_short[], cnn_no_memory[], cnn_too_much[];

/* Grey of count pixels, by stb_image's luma; in place is legal. */
void cnn_grey_from_rgb(const uint8_t *rgb, size_t count, uint8_t *grey);

/* stb_image, for formats that have no library here. bytes are those of the picture, perhaps put
 * right; no block of memory is larger than the pixels need. */
const char *cnn_stb_decode(const struct cnn_picture *picture, size_t channels, uint8_t *pixels);

static inline uint32_t cnn_u16_be(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t cnn_u32_be(const uint8_t *p)
{
    return cnn_u16_be(p) << 16 | cnn_u16_be(p + 2);
}

static inline uint32_t cnn_u16_le(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8;
}

static inline uint32_t cnn_u32_le(const uint8_t *p)
{
    return cnn_u16_le(p) | cnn_u16_le(p + 2) << 16;
}

#endif
