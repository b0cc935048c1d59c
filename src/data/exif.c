/* EXIF data are a small TIFF file: a byte order, and a directory of entries of 12 bytes each (tag,
 * type, count, value), of which one alone matters here. */
#include "data/exif.h"

#include <string.h>

#include "data/decoder.h"

enum { ORIENTATION = 0x0112, BYTE = 1, SHORT = 3, LONG = 4, ENTRY = 12 };

struct tiff {
    const uint8_t *bytes;
    size_t size;
    bool little_endian;
};

static uint32_t u16(const struct tiff *t, size_t at)
{
    return t->little_endian ? cnn_u16_le(t->bytes + at) : cnn_u16_be(t->bytes + at);
}

static uint32_t u32(const struct tiff *t, size_t at)
{
    return t->little_endian ? cnn_u32_le(t->bytes + at) : cnn_u32_be(t->bytes + at);
}

static uint32_t read_value(const struct tiff *t, size_t entry)
{
    switch (u16(t, entry + 2)) {
    case BYTE:
        return t->bytes[entry + 8];
    case SHORT:
        return u16(t, entry + 8);
    case LONG:
        return u32(t, entry + 8);
    default:
        return 0;
    }
}

unsigned cnn_exif_orientation(const uint8_t *exif, size_t size)
{
    if (size >= 6 && memcmp(exif, "Exif\0\0", 6) == 0) {
        exif += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(exif, "II*\0", 4) != 0 && memcmp(exif, "MM\0*", 4) != 0))
        return 1;
    const struct tiff t = {exif, size, exif[0] == 'I'};
    size_t at = u32(&t, 4);
    if (at > size - 2)
        return 1;
    size_t count = u16(&t, at);
    for (at += 2; count > 0 && size - at >= ENTRY; count--, at += ENTRY) {
        if (u16(&t, at) != ORIENTATION)
            continue;
        uint32_t value = read_value(&t, at);
        return value >= 1 && value <= 8 ? value : 1;
    }
    return 1;
}

/* The first row that is seen is a row or a column of what is stored, read forwards or backwards:
 * two steps, in pixels, from a first pixel. */
void cnn_exif_turn(const uint8_t *from, size_t width, size_t height, size_t channels,
                   unsigned orientation, uint8_t *to)
{
    static const struct {
        bool mirror_x, mirror_y; /* the stored picture, before its axes change places */
    } mirrors[] = {{0, 0}, {0, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 0}, {0, 1}, {1, 1}, {1, 0}};
    const bool turns = cnn_exif_turns(orientation), back = mirrors[orientation].mirror_x,
               up = mirrors[orientation].mirror_y;
    const ptrdiff_t w = (ptrdiff_t)width, h = (ptrdiff_t)height, c = (ptrdiff_t)channels;
    const ptrdiff_t across = (back ? -1 : 1) * c, down = (up ? -1 : 1) * w * c;
    const uint8_t *first = from + ((back ? w - 1 : 0) + (up ? (h - 1) * w : 0)) * c;
    const ptrdiff_t columns = turns ? h : w, rows = turns ? w : h;
    for (ptrdiff_t y = 0; y < rows; y++) {
        const uint8_t *pixel = first + y * (turns ? across : down);
        for (ptrdiff_t x = 0; x < columns; x++, pixel += turns ? down : across)
            for (ptrdiff_t i = 0; i < c; i++)
                *to++ = pixel[i];
    }
}
