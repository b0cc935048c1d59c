/* PNG (ISO 15948): a file is a row of chunks, each its length, its name, the data and a checksum.
 * The rows of pixels are one stream of zlib's, cut into IDAT chunks. Decoded by libpng; without it
 * by stb_image, which does not look at zlib's checksum. */
#include <string.h>
#include <zlib.h>

#include "data/decoder.h"
#include "data/exif.h"
#include "util/allocate.h"

#ifdef CNN_WITH_libpng
#include <png.h>
#include <setjmp.h>
#endif

enum { SIGNATURE = 8, OVERHEAD = 12, HEADER = 13 };

/* Compressed pixels may be this much longer than the rows that they make: encoders are free to
 * store them as they are, in pieces. */
#define SLACK 65536

static const char *const endings[] = {".png", NULL};

struct chunk {
    const uint8_t *name, *data;
    size_t size;
};

static bool matches(const uint8_t *bytes, size_t size)
{
    return size >= SIGNATURE && memcmp(bytes, "\x89PNG\r\n\x1a\n", SIGNATURE) == 0;
}

static bool is_named(const struct chunk *chunk, const char *name)
{
    return memcmp(chunk->name, name, 4) == 0;
}

/* The chunk at *at, which is moved behind it; false where the file ends before the chunk does. IEND
 * holds nothing, and its checksum may be missing. */
static bool next_chunk(const struct cnn_picture *p, size_t *at, struct chunk *out)
{
    const size_t left = p->size - *at;
    if (left < 8)
        return false;
    *out = (struct chunk){
        .name = p->bytes + *at + 4, .data = p->bytes + *at + 8, .size = cnn_u32_be(p->bytes + *at)};
    if (is_named(out, "IEND")) {
        *at = p->size;
        return true;
    }
    if (left < OVERHEAD || out->size > left - OVERHEAD)
        return false;
    *at += OVERHEAD + out->size;
    return true;
}

static bool is_whole(const struct chunk *chunk)
{
    return crc32(crc32(0, chunk->name, 4), chunk->data, (uInt)chunk->size) ==
           cnn_u32_be(chunk->data + chunk->size);
}

/* Bytes of all rows, before they are compressed; the passes of an interlaced picture add a few. */
static uint64_t count_row_bytes(const struct cnn_picture *p, const uint8_t *header)
{
    static const uint8_t samples[] = {1, 0, 3, 1, 2, 0, 4, 0}; /* by colour type */
    const uint64_t bits = (uint64_t)header[8] * samples[header[9] & 7];
    return p->height * ((p->width * bits + 7) / 8 + 1);
}

/* A damaged chunk that no pixel depends on is passed over. */
static const char *read_chunk(struct cnn_picture *p, const struct chunk *chunk)
{
    const bool whole = is_whole(chunk);
    if (!whole && is_named(chunk, "IHDR"))
        return "the checksum of its header is wrong";
    if (!whole && is_named(chunk, "PLTE"))
        return "the checksum of its palette is wrong";
    if (!whole && is_named(chunk, "IDAT"))
        return "the checksum of its pixels is wrong";
    if (whole && is_named(chunk, "eXIf"))
        p->orientation = cnn_exif_orientation(chunk->data, chunk->size);
    return NULL;
}

static const char *probe(struct cnn_picture *p)
{
    size_t at = SIGNATURE;
    struct chunk chunk;
    uint64_t stored = 0;
    if (!next_chunk(p, &at, &chunk))
        return cnn_cut_short;
    if (!is_named(&chunk, "IHDR") || chunk.size != HEADER)
        return "its header is damaged";
    const uint8_t *header = chunk.data;
    p->width = cnn_u32_be(header);
    p->height = cnn_u32_be(header + 4);
    p->orientation = 1;
    while (!is_named(&chunk, "IEND")) {
        const char *wrong = read_chunk(p, &chunk);
        if (wrong)
            return wrong;
        stored += is_named(&chunk, "IDAT") ? chunk.size : 0;
        if (!next_chunk(p, &at, &chunk))
            return cnn_cut_short;
    }
    if (stored == 0)
        return "it has no pixels";
    return stored > 2 * count_row_bytes(p, header) + SLACK ? cnn_too_much : NULL;
}

#ifdef CNN_WITH_libpng

struct reading {
    const struct cnn_picture *picture;
    size_t at;       /* in the file */
    size_t data_end; /* of the last IDAT */
    size_t end;      /* where IEND begins */
    const char *wrong;
    jmp_buf back;
    png_structp png;
    png_infop info;
};

static void fail(png_structp png, const char *text)
{
    struct reading *r = png_get_error_ptr(png);
    (void)text;
    if (!r->wrong)
        r->wrong = "its compressed data are damaged";
    longjmp(r->back, 1);
}

/* What is said of the pixels' stream matters, but that it goes on: how far has been looked at. */
static void hear_warning(png_structp png, const char *text)
{
    if (strncmp(text, "IDAT:", 5) == 0 && !strstr(text, "Extra compressed data") &&
        !strstr(text, "Too much image data"))
        fail(png, text);
}

static void *take_memory(png_structp png, png_alloc_size_t size)
{
    void *memory = cnn_malloc(size);
    if (!memory)
        ((struct reading *)png_get_mem_ptr(png))->wrong = cnn_no_memory;
    return memory;
}

static void give_memory(png_structp png, void *memory)
{
    (void)png;
    cnn_free(memory);
}

/* Behind the file's last chunk comes an IEND of our own. */
static void read_bytes(png_structp png, png_bytep out, size_t size)
{
    static const uint8_t last[OVERHEAD] = {0, 0, 0, 0, 'I', 'E', 'N', 'D', 0xae, 0x42, 0x60, 0x82};
    struct reading *r = png_get_io_ptr(png);
    for (size_t i = 0; i < size;) {
        const bool inside = r->at < r->end;
        const uint8_t *from = inside ? r->picture->bytes + r->at : last + (r->at - r->end);
        size_t left = inside ? r->end - r->at : r->end + OVERHEAD - r->at,
               piece = left < size - i ? left : size - i;
        if (piece == 0)
            png_error(png, "the end");
        memcpy(out + i, from, piece);
        r->at += piece;
        i += piece;
    }
}

static void find_ends(struct reading *r)
{
    struct chunk chunk;
    for (size_t at = SIGNATURE; next_chunk(r->picture, &at, &chunk);) {
        r->end = (size_t)(chunk.name - 4 - r->picture->bytes);
        if (is_named(&chunk, "IDAT"))
            r->data_end = at;
    }
}

static void make_grey(png_structp png, png_row_infop row, png_bytep pixels)
{
    (void)png;
    cnn_grey_from_rgb(pixels, row->width, pixels);
}

/* Asks for 8 bits and so many channels. */
static void set_output(struct reading *r, size_t channels)
{
    const int type = png_get_color_type(r->png, r->info);
    const bool colour = type & PNG_COLOR_MASK_COLOR,
               alpha = type & PNG_COLOR_MASK_ALPHA || png_get_valid(r->png, r->info, PNG_INFO_tRNS);
    png_set_expand(r->png);
    png_set_strip_16(r->png);
    if (channels < 4)
        png_set_strip_alpha(r->png);
    else if (!alpha)
        png_set_add_alpha(r->png, 0xff, PNG_FILLER_AFTER);
    if (channels > 1 && !colour)
        png_set_gray_to_rgb(r->png);
    if (channels == 1 && colour) {
        png_set_read_user_transform_fn(r->png, make_grey);
        png_set_user_transform_info(r->png, NULL, 8, 1);
    }
}

/* Before the last row: libpng would unpack what stands behind it, however much that is. A pixel has
 * 8 bytes at most. */
static void check_rest(struct reading *r)
{
    if (r->data_end <= r->at || r->data_end - r->at <= 16 * r->picture->width + SLACK)
        return;
    r->wrong = cnn_too_much;
    png_error(r->png, "more");
}

/* Comes back by a jump where something is wrong. */
static void read_all(struct reading *r, size_t channels, uint8_t *pixels)
{
    const size_t row = r->picture->width * channels;
    png_set_read_fn(r->png, r, read_bytes);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_read_info(r->png, r->info);
    set_output(r, channels);
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    if (png_get_rowbytes(r->png, r->info) != row)
        png_error(r->png, "rows");
    while (passes-- > 0)
        for (size_t y = 0; y < r->picture->height; y++) {
            if (passes == 0 && y + 1 == r->picture->height)
                check_rest(r);
            png_read_row(r->png, pixels + y * row, NULL);
        }
    png_read_end(r->png, NULL); /* compares zlib's checksum */
}

static const char *decode(const struct cnn_picture *picture, size_t channels, size_t shrink,
                          uint8_t *pixels)
{
    struct reading r = {.picture = picture};
    (void)shrink;
    find_ends(&r);
    r.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &r, fail, hear_warning, &r, take_memory,
                                     give_memory);
    r.info = r.png ? png_create_info_struct(r.png) : NULL;
    if (!r.info)
        r.wrong = cnn_no_memory;
    else if (setjmp(r.back) == 0)
        read_all(&r, channels, pixels);
    png_destroy_read_struct(&r.png, &r.info, NULL);
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

const struct cnn_decoder cnn_decoder_png = {
    .kind = "PNG", .endings = endings, .matches = matches, .probe = probe, .decode = decode};
