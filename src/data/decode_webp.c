/* WebP, decoded by libwebp. A file is a RIFF container: 12 bytes, and chunks of a name, a length
 * and the data, whose end is padded to an even byte. */
#ifdef CNN_WITH_libwebp

#include <string.h>
#include <webp/decode.h>

#include "data/decoder.h"
#include "data/exif.h"
#include "util/allocate.h"

static const char *const endings[] = {".webp", NULL};

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 12 && memcmp(bytes, "RIFF", 4) == 0 && memcmp(bytes + 8, "WEBP", 4) == 0;
}

static const char *probe(struct cnn_picture *p)
{
    WebPBitstreamFeatures features;
    const size_t claimed = cnn_u32_le(p->bytes + 4);
    if (claimed > p->size - 8)
        return cnn_cut_short;
    if (WebPGetFeatures(p->bytes, p->size, &features) != VP8_STATUS_OK)
        return "its header is damaged";
    if (features.has_animation)
        return "it is an animation, not a picture";
    p->width = (size_t)features.width;
    p->height = (size_t)features.height;
    p->orientation = 1;
    for (size_t at = 12; p->size - at >= 8;) {
        const uint8_t *chunk = p->bytes + at;
        const size_t size = cnn_u32_le(chunk + 4), left = p->size - at - 8;
        if (size > left)
            break;
        if (memcmp(chunk, "EXIF", 4) == 0)
            p->orientation = cnn_exif_orientation(chunk + 8, size);
        at += 8 + size + (size < left ? size & 1 : 0);
    }
    return NULL;
}

static const char *decode_into(const struct cnn_picture *picture, size_t channels, uint8_t *pixels)
{
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config))
        return "libwebp is of another version";
    config.output.colorspace = channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA = (WebPRGBABuffer){.rgba = pixels,
                                            .stride = (int)(picture->width * channels),
                                            .size = picture->width * channels * picture->height};
    switch (WebPDecode(picture->bytes, picture->size, &config)) {
    case VP8_STATUS_OK:
        return NULL;
    case VP8_STATUS_OUT_OF_MEMORY:
        return cnn_no_memory;
    case VP8_STATUS_SUSPENDED:
    case VP8_STATUS_NOT_ENOUGH_DATA:
        return cnn_cut_short;
    default:
        return "its data are damaged";
    }
}

static const char *decode(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels)
{
    (void)shrink;
    if (channels != 1)
        return decode_into(picture, channels, pixels);
    const size_t count = picture->width * picture->height;
    uint8_t *rgb = cnn_malloc(count * 3);
    const char *wrong = rgb ? decode_into(picture, 3, rgb) : cnn_no_memory;
    if (!wrong)
        cnn_grey_from_rgb(rgb, count, pixels);
    cnn_free(rgb);
    return wrong;
}

const struct cnn_decoder cnn_decoder_webp = {
    .kind = "WebP", .endings = endings, .matches = matches, .probe = probe, .decode = decode};

#else
typedef int cnn_without_webp; /* no file is empty */
#endif
