/* The list of picture formats, from decoders.def: which files can be read, by their first bytes and
 * by the endings of their names; and how others are converted. */
#define _GNU_SOURCE /* strcasestr */
#include "data/decoder.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "util/diag.h"

#define DECODER(name) extern const struct cnn_decoder cnn_decoder_##name;
#include "data/decoders.def"
#undef DECODER

#define DECODER(name) &cnn_decoder_##name,
static const struct cnn_decoder *const decoders[] = {
#include "data/decoders.def"
};
#undef DECODER

/* Pictures that are not read: how they are known by their names and, for a name may lie, by their
 * first bytes (magic, at an offset). What a decoder reads is not looked up here. */
static const struct kind {
    const char *name, *endings, *hint;
    size_t at;
    const char *magic; /* NULL: none */
} others[] = {
    {.name = "HEIC",
     .endings = " .heic .heif .hif ",
     .hint = "convert HEIC with 'heif-convert NAME.heic NAME.jpg' (package libheif-examples)",
     .at = 4,
     .magic = "ftyphei"},
    {.name = "AVIF",
     .endings = " .avif ",
     .hint = "convert AVIF with 'avifdec NAME.avif NAME.png' (package libavif-bin)",
     .at = 4,
     .magic = "ftypavi"},
    {.name = "HEIF",
     .endings = "",
     .hint = "convert HEIF with 'heif-convert NAME.heif NAME.jpg' (package libheif-examples)",
     .at = 4,
     .magic = "ftypmif1"},
    {.name = "WebP",
     .endings = " .webp ",
     .hint = "convert WebP with 'dwebp NAME.webp -o NAME.png' (package webp)",
     .at = 8,
     .magic = "WEBP"},
    {.name = "JPEG XL",
     .endings = " .jxl ",
     .hint = "convert JPEG XL with 'djxl NAME.jxl NAME.png' (package libjxl-tools)",
     .at = 4,
     .magic = "JXL "},
    {.name = "JPEG 2000",
     .endings = " .jp2 .j2k .jpx ",
     .hint = "convert JPEG 2000 with 'opj_decompress -i NAME.jp2 -o NAME.png' (package "
             "libopenjp2-tools)",
     .at = 4,
     .magic = "jP  "},
    {.name = "GIF",
     .endings = " .gif ",
     .hint = "convert GIF with 'convert NAME.gif[0] NAME.png' (package imagemagick)",
     .magic = "GIF8"},
    {.name = "TIFF",
     .endings = " .tif .tiff ",
     .hint = "convert TIFF with 'convert NAME.tif[0] NAME.png' (package imagemagick)",
     .magic = "II*"},
    {.name = "PNM",
     .endings = " .ppm .pgm .pbm .pnm .pam ",
     .hint = "convert PNM with 'convert NAME.ppm NAME.png' (package imagemagick)"},
    {.name = "TGA",
     .endings = " .tga ",
     .hint = "convert TGA with 'convert NAME.tga NAME.png' (package imagemagick)"},
    {.name = "PSD",
     .endings = " .psd ",
     .hint = "convert PSD with 'convert NAME.psd[0] NAME.png' (package imagemagick)",
     .magic = "8BPS"},
    {.name = "ICO",
     .endings = " .ico ",
     .hint = "convert ICO with 'convert NAME.ico[0] NAME.png' (package imagemagick)"},
    {.name = "SVG",
     .endings = " .svg ",
     .hint = "convert SVG with 'rsvg-convert NAME.svg -o NAME.png' (package librsvg2-bin)",
     .magic = "<svg"},
    {.name = "raw",
     .endings = " .dng .cr2 .cr3 .nef .arw .orf .rw2 .raf ",
     .hint = "convert raw photographs with 'darktable-cli NAME.dng NAME.jpg' (package darktable)"},
};

enum { DECODERS = sizeof decoders / sizeof *decoders, OTHERS = sizeof others / sizeof *others };

/* From the last dot of the file's own name; NULL where it has none. */
static const char *find_ending(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strrchr(slash ? slash : path, '.');
}

bool cnn_image_readable(const char *path)
{
    if (!path)
        return false;
    const char *ending = find_ending(path);
    for (size_t i = 0; ending && i < DECODERS; i++)
        for (const char *const *one = decoders[i]->endings; *one; one++)
            if (strcasecmp(ending, *one) == 0)
                return true;
    return false;
}

/* ---- The list as text ---- */

static char endings_text[128], kinds_text[64];
static pthread_once_t texts_made = PTHREAD_ONCE_INIT;

/* "a, b or c": word is number i of count. */
static void append(char *text, size_t size, const char *word, size_t i, size_t count)
{
    const char *before = i == 0 ? "" : i + 1 < count ? ", " : " or ";
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s%s", before, word);
}

static void make_texts(void)
{
    size_t count = 0, at = 0;
    for (size_t i = 0; i < DECODERS; i++) {
        append(kinds_text, sizeof kinds_text, decoders[i]->kind, i, DECODERS);
        for (const char *const *one = decoders[i]->endings; *one; one++)
            count++;
    }
    for (size_t i = 0; i < DECODERS; i++)
        for (const char *const *one = decoders[i]->endings; *one; one++)
            append(endings_text, sizeof endings_text, *one, at++, count);
}

const char *cnn_image_endings(void)
{
    pthread_once(&texts_made, make_texts);
    return endings_text;
}

const char *cnn_image_kinds(void)
{
    pthread_once(&texts_made, make_texts);
    return kinds_text;
}

/* ---- Other pictures ---- */

/* Whether a list of words, each between blanks, has this one, in any case. */
static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (; (list = strcasestr(list, word)) != NULL; list++)
        if (list[-1] == ' ' && list[length] == ' ')
            return true;
    return false;
}

const char *cnn_image_conversion(const char *path)
{
    if (!path)
        return NULL;
    const char *ending = find_ending(path);
    for (size_t i = 0; ending && !cnn_image_readable(path) && i < OTHERS; i++)
        if (has_word(others[i].endings, ending))
            return others[i].hint;
    return NULL;
}

const struct cnn_decoder *cnn_decoder_find(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < DECODERS; i++)
        if (decoders[i]->matches(bytes, size))
            return decoders[i];
    return NULL;
}

cnn_status cnn_image_fail_unknown(const char *name, const uint8_t *bytes, size_t size,
                                  cnn_diag *diag)
{
    if (size == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: it is empty", name);
    for (size_t i = 0; i < OTHERS; i++) {
        const struct kind *kind = &others[i];
        size_t length = kind->magic ? strlen(kind->magic) : 0;
        if (length == 0 || size < kind->at + length ||
            memcmp(bytes + kind->at, kind->magic, length) != 0)
            continue;
        cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: a %s picture, and not a %s image", name,
                 kind->name, cnn_image_kinds());
        cnn_hint(diag, "%s", kind->hint);
        return CNN_FAILED;
    }
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: not a %s image", name,
                    cnn_image_kinds());
}
