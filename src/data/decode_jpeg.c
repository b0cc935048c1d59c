/* JPEG (ITU T.81): a file is a row of segments, each a marker, its length and the data; a scan's
 * pixels follow theirs. Decoded by libjpeg-turbo; without it by stb_image, which knows neither
 * arithmetic coding nor a restart marker at the very end. */
#include <stdio.h>
#include <string.h>

#include "data/decoder.h"
#include "data/exif.h"

#ifdef CNN_WITH_libjpeg
#include <jpeglib.h>

#include <jerror.h>
#include <setjmp.h>
#endif

enum {
    HUFFMAN_TABLES = 0xc4,
    ARITHMETIC_TABLES = 0xcc,
    START_OF_IMAGE = 0xd8,
    END_OF_IMAGE = 0xd9,
    START_OF_SCAN = 0xda,
    APPLICATION_1 = 0xe1,
};

/* Every scan is a walk over all pixels, and may take a few bytes. Encoders make about ten. */
#define MAX_SCANS 100

static const char *const endings[] = {".jpg", ".jpeg", ".jpe", ".jfif", NULL};
static const char unsupported[] = "a kind of JPEG that is not supported";
static const char damaged_tables[] = "its Huffman tables are damaged";

struct walk {
    struct cnn_picture *picture;
    size_t at; /* size + 1 behind the end of the file */
    size_t scans;
    bool has_frame, has_exif;
};

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= 3 && bytes[0] == 0xff && bytes[1] == START_OF_IMAGE && bytes[2] == 0xff;
}

/* A segment holds any number of tables: one byte, 16 counts of codes by length, the codes'
 * values. */
static bool huffman_tables_fit(const uint8_t *data, size_t size)
{
    while (size > 0) {
        if (size < 17)
            return false;
        size_t codes = 0;
        for (size_t i = 1; i <= 16; i++)
            codes += data[i];
        if (codes > 256 || 17 + codes > size)
            return false;
        data += 17 + codes;
        size -= 17 + codes;
    }
    return true;
}

/* The next marker's second byte, w->at being moved behind it; END_OF_IMAGE is also what the end of
 * the file gives. In a scan's data, 0xff comes with 0 behind it, or with a restart marker. */
static unsigned next_marker(struct walk *w)
{
    const uint8_t *bytes = w->picture->bytes, *end = bytes + w->picture->size, *p = bytes + w->at;
    while (p < end && (p = memchr(p, 0xff, (size_t)(end - p))) != NULL && ++p < end) {
        if (*p == 0 || *p == 0xff || (*p >= 0xd0 && *p <= 0xd7))
            continue;
        w->at = (size_t)(p - bytes) + 1;
        return *p;
    }
    w->at = w->picture->size + 1;
    return END_OF_IMAGE;
}

/* Start of frame, of any kind: bits, height, width, components. */
static const char *read_frame(struct walk *w, unsigned marker, const uint8_t *data, size_t size)
{
    if (w->has_frame)
        return NULL;
    w->has_frame = true;
    if (size < 6)
        return "its header is damaged";
    if (data[0] != 8)
        return "it has more than 8 bits a sample, which is not supported";
#ifdef CNN_WITH_libjpeg
    const bool arithmetic = marker == 0xc9 || marker == 0xca;
#else
    const bool arithmetic = false;
#endif
    if ((marker > 0xc2 && !arithmetic) || (data[5] != 1 && data[5] != 3 && data[5] != 4))
        return unsupported;
    w->picture->height = cnn_u16_be(data + 1);
    w->picture->width = cnn_u16_be(data + 3);
    return NULL;
}

static const char *read_segment(struct walk *w, unsigned marker, const uint8_t *data, size_t size)
{
    if (marker == HUFFMAN_TABLES)
        return huffman_tables_fit(data, size) ? NULL : damaged_tables;
    if (marker == START_OF_SCAN)
        return ++w->scans > MAX_SCANS ? "it has more than 100 scans" : NULL;
    if (marker == APPLICATION_1 && !w->has_exif && size >= 6 && memcmp(data, "Exif\0\0", 6) == 0) {
        w->has_exif = true;
        w->picture->orientation = cnn_exif_orientation(data, size);
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker != ARITHMETIC_TABLES)
        return read_frame(w, marker, data, size);
    return NULL;
}

static const char *probe(struct cnn_picture *p)
{
    struct walk w = {.picture = p, .at = 2};
    p->orientation = 1;
    for (;;) {
        unsigned marker = next_marker(&w);
        if (marker == END_OF_IMAGE)
            break;
        if (marker == START_OF_IMAGE || marker == 0x01)
            continue; /* these have no length */
        const size_t left = p->size - w.at, length = left >= 2 ? cnn_u16_be(p->bytes + w.at) : 0;
        if (length > left || left < 2)
            return cnn_cut_short;
        if (length < 2)
            return "a part of the file has a wrong length";
        const char *wrong = read_segment(&w, marker, p->bytes + w.at + 2, length - 2);
        if (wrong)
            return wrong;
        w.at += length;
    }
    if (w.at > p->size)
        return cnn_cut_short;
    return w.has_frame && w.scans > 0 ? NULL : "it has no pixels";
}

#ifdef CNN_WITH_libjpeg

struct reading {
    struct jpeg_decompress_struct info;
    struct jpeg_error_mgr errors;
    jmp_buf back;
    const char *wrong;
};

static const char *describe(int code)
{
    switch (code) {
    case JERR_OUT_OF_MEMORY:
        return cnn_no_memory;
    case JERR_BAD_HUFF_TABLE:
    case JERR_NO_HUFF_TABLE:
        return damaged_tables;
    case JERR_ARITH_NOTIMPL:
    case JERR_CCIR601_NOTIMPL:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_FRACT_SAMPLE_NOTIMPL:
        return unsupported;
    default:
        return "its data are damaged";
    }
}

static void fail(j_common_ptr info)
{
    struct reading *r = info->client_data;
    r->wrong = describe(info->err->msg_code);
    longjmp(r->back, 1);
}

/* A warning (level -1) is an error where pixels have been made up. */
static void hear(j_common_ptr info, int level)
{
    static const int made_up[] = {JWRN_ARITH_BAD_CODE, JWRN_HIT_MARKER, JWRN_HUFF_BAD_CODE,
                                  JWRN_JPEG_EOF, JWRN_MUST_RESYNC};
    for (size_t i = 0; level < 0 && i < sizeof made_up / sizeof *made_up; i++)
        if (info->err->msg_code == made_up[i])
            fail(info);
}

static void say_nothing(j_common_ptr info)
{
    (void)info;
}

/* Four components are inks, and files hold them inverted, as Adobe's programs write them. row is
 * overwritten. */
static void mix_inks(const JSAMPLE *inks, size_t count, size_t channels, uint8_t *out)
{
    for (size_t i = 0; i < count; i++, inks += 4) {
        uint8_t rgb[4] = {0, 0, 0, 255};
        for (size_t c = 0; c < 3; c++) {
            unsigned product = (unsigned)inks[c] * inks[3] + 128;
            rgb[c] = (uint8_t)((product + (product >> 8)) >> 8); /* divided by 255 */
        }
        if (channels == 1)
            cnn_grey_from_rgb(rgb, 1, out + i);
        else
            memcpy(out + i * channels, rgb, channels);
    }
}

static void read_rows(struct reading *r, size_t channels, uint8_t *pixels)
{
    struct jpeg_decompress_struct *info = &r->info;
    const size_t row = (size_t)info->output_width * channels;
    const bool inks = info->out_color_space == JCS_CMYK;
    JSAMPROW line = inks ? (*info->mem->alloc_large)((j_common_ptr)info, JPOOL_IMAGE,
                                                     (size_t)info->output_width * 4)
                         : NULL;
    while (info->output_scanline < info->output_height) {
        uint8_t *to = pixels + info->output_scanline * row;
        if (!inks)
            line = to;
        jpeg_read_scanlines(info, &line, 1);
        if (inks)
            mix_inks(line, info->output_width, channels, to);
    }
}

/* Comes back by a jump where something is wrong. */
static void read_all(struct reading *r, const struct cnn_picture *picture, size_t channels,
                     size_t shrink, uint8_t *pixels)
{
    struct jpeg_decompress_struct *info = &r->info;
    jpeg_create_decompress(info);
    jpeg_mem_src(info, picture->bytes, picture->size);
    jpeg_read_header(info, TRUE);
    info->scale_num = 1;
    info->scale_denom = (unsigned)shrink;
    info->out_color_space = info->num_components == 4 ? JCS_CMYK
                            : channels == 1           ? JCS_GRAYSCALE
                            : channels == 3           ? JCS_RGB
                                                      : JCS_EXT_RGBA;
    jpeg_start_decompress(info);
    if (info->output_width != (picture->width + shrink - 1) / shrink ||
        info->output_height != (picture->height + shrink - 1) / shrink) {
        info->err->msg_code = JERR_SOF_DUPLICATE;
        fail((j_common_ptr)info);
    }
    read_rows(r, channels, pixels);
}

static const char *decode(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels)
{
    struct reading r = {.wrong = NULL};
    r.info.err = jpeg_std_error(&r.errors);
    r.info.client_data = &r;
    r.errors.error_exit = fail;
    r.errors.emit_message = hear;
    r.errors.output_message = say_nothing;
    if (setjmp(r.back) == 0)
        read_all(&r, picture, channels, shrink, pixels);
    jpeg_destroy_decompress(&r.info);
    return r.wrong;
}

#else

static const char *decode(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels)
{
    (void)shrink;
    return cnn_stb_decode(picture, channels, pixels);
}

#endif

const struct cnn_decoder cnn_decoder_jpeg = {
    .kind = "JPEG",
    .endings = endings,
#ifdef CNN_WITH_libjpeg
    .shrinks = true,
#endif
    .matches = matches,
    .probe = probe,
    .decode = decode,
};
