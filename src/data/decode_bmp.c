/* BMP (BITMAPFILEHEADER, BITMAPINFOHEADER and its kin), decoded by stb_image, which wants the
 * palette whole and the pixels right behind it. Files have gaps there. */
#include <string.h>

#include "data/decoder.h"
#include "util/allocate.h"

enum { FILE_HEADER = 14, OLD_HEADER = 12, INFO_HEADER = 40, MASKS = 12 };

static const char *const endings[] = {".bmp", ".dib", NULL};
static const char unsupported[] = "a kind of BMP that is not supported";

struct header {
    size_t size;    /* with the file's before and the masks behind */
    size_t offset;  /* of the pixels */
    size_t bits;    /* of one pixel */
    size_t palette; /* bytes of a whole one */
};

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 2 && bytes[0] == 'B' && bytes[1] == 'M';
}

/* The old header has 16-bit sides and three bytes a colour. Versions 2 and 3 are INFO_HEADER with
 * the masks counted in. */
static const char *read_header(const struct cnn_picture *p, struct header *h)
{
    const uint8_t *b = p->bytes;
    const size_t size = p->size >= FILE_HEADER + OLD_HEADER ? cnn_u32_le(b + FILE_HEADER) : 0;
    if (p->size < FILE_HEADER + OLD_HEADER || size > p->size - FILE_HEADER)
        return cnn_cut_short;
    const bool old = size == OLD_HEADER, later = size == 108 || size == 124;
    if (!old && !later && size != INFO_HEADER && size != 52 && size != 56)
        return unsupported;
    const uint32_t compression = old ? 0 : cnn_u32_le(b + 30);
    const bool masks = !later && compression == 3;
    *h = (struct header){
        .size = FILE_HEADER + (old || later ? size : INFO_HEADER) + (masks ? MASKS : 0),
        .offset = cnn_u32_le(b + 10),
        .bits = cnn_u16_le(b + (old ? 24 : 28)),
    };
    if (compression != 0 && compression != 3)
        return "a compressed BMP, which is not supported";
    if (h->bits != 1 && h->bits != 4 && h->bits != 8 && h->bits != 16 && h->bits != 24 &&
        h->bits != 32)
        return unsupported;
    if (h->size > p->size || h->offset > p->size)
        return cnn_cut_short;
    if (h->offset < h->size)
        return "its pixels begin inside its header";
    h->palette = h->bits <= 8 ? ((size_t)1 << h->bits) * (old ? 3 : 4) : 0;
    return NULL;
}

/* Rows are of whole 4 bytes. A height below 0 says that the top one comes first. */
static const char *probe(struct cnn_picture *p)
{
    struct header h;
    const uint8_t *b = p->bytes;
    const char *wrong = read_header(p, &h);
    if (wrong)
        return wrong;
    const bool old = cnn_u32_le(b + FILE_HEADER) == OLD_HEADER;
    const int64_t rows = old ? (int64_t)cnn_u16_le(b + 20) : (int32_t)cnn_u32_le(b + 22);
    p->width = old ? cnn_u16_le(b + 18) : cnn_u32_le(b + 18);
    p->height = (size_t)(rows < 0 ? -rows : rows);
    p->orientation = 1;
    const uint64_t row = (p->width * (uint64_t)h.bits + 31) / 32 * 4;
    return p->height > 0 && row > (p->size - h.offset) / p->height ? cnn_cut_short : NULL;
}

/* A file with a whole palette, black where the colours end, and no gap. */
static const char *decode(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels)
{
    struct header h;
    struct cnn_picture plain = *picture;
    (void)shrink;
    const char *wrong = read_header(picture, &h);
    if (wrong)
        return wrong;
    const size_t gap = h.offset - h.size, colours = gap < h.palette ? gap : h.palette,
                 start = h.size + h.palette, left = picture->size - h.offset;
    uint8_t *bytes = cnn_calloc(1, start + left);
    if (!bytes)
        return cnn_no_memory;
    memcpy(bytes, picture->bytes, h.size + colours);
    memcpy(bytes + start, picture->bytes + h.offset, left);
    for (size_t i = 0; i < 4; i++)
        bytes[10 + i] = (uint8_t)(start >> 8 * i);
    if (bytes[FILE_HEADER] == 52 || bytes[FILE_HEADER] == 56)
        bytes[FILE_HEADER] = INFO_HEADER;
    plain.bytes = bytes;
    plain.size = start + left;
    wrong = cnn_stb_decode(&plain, channels, pixels);
    cnn_free(bytes);
    return wrong;
}

const struct cnn_decoder cnn_decoder_bmp = {
    .kind = "BMP", .endings = endings, .matches = matches, .probe = probe, .decode = decode};
