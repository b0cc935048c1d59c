/* Which picture files can be read, by the endings of their names. */
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "cnn.h"

static const char *const readable[] = {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp"};

/* Pictures that are not read, and what makes a picture of them that is. */
static const struct conversion {
    const char *ending, *hint;
} conversions[] = {
    {".heic", "convert HEIC with 'heif-convert NAME.heic NAME.jpg' (package libheif-examples)"},
    {".heif", "convert HEIF with 'heif-convert NAME.heif NAME.jpg' (package libheif-examples)"},
    {".avif", "convert AVIF with 'avifdec NAME.avif NAME.png' (package libavif-bin)"},
    {".jxl", "convert JPEG XL with 'djxl NAME.jxl NAME.png' (package libjxl-tools)"},
    {".jp2", "convert JPEG 2000 with 'opj_decompress -i NAME.jp2 -o NAME.png' (package "
             "libopenjp2-tools)"},
    {".webp", "convert WebP with 'dwebp NAME.webp -o NAME.png' (package webp)"},
    {".svg", "convert SVG with 'rsvg-convert NAME.svg -o NAME.png' (package librsvg2-bin)"},
    {".gif", "convert GIF with 'convert NAME.gif[0] NAME.png' (package imagemagick)"},
    {".tif", "convert TIFF with 'convert NAME.tif[0] NAME.png' (package imagemagick)"},
    {".tiff", "convert TIFF with 'convert NAME.tiff[0] NAME.png' (package imagemagick)"},
    {".ppm", "convert PPM with 'convert NAME.ppm NAME.png' (package imagemagick)"},
    {".pgm", "convert PGM with 'convert NAME.pgm NAME.png' (package imagemagick)"},
    {".pbm", "convert PBM with 'convert NAME.pbm NAME.png' (package imagemagick)"},
    {".pnm", "convert PNM with 'convert NAME.pnm NAME.png' (package imagemagick)"},
    {".tga", "convert TGA with 'convert NAME.tga NAME.png' (package imagemagick)"},
    {".psd", "convert PSD with 'convert NAME.psd[0] NAME.png' (package imagemagick)"},
    {".ico", "convert ICO with 'convert NAME.ico[0] NAME.png' (package imagemagick)"},
    {".dng", "convert DNG with 'dcraw -T NAME.dng' and 'convert' (packages dcraw, imagemagick)"},
    {".cr2", "convert CR2 with 'dcraw -T NAME.cr2' and 'convert' (packages dcraw, imagemagick)"},
    {".nef", "convert NEF with 'dcraw -T NAME.nef' and 'convert' (packages dcraw, imagemagick)"},
    {".arw", "convert ARW with 'dcraw -T NAME.arw' and 'convert' (packages dcraw, imagemagick)"},
};

/* From the last dot of the file's own name; NULL where it has none. */
static const char *find_ending(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strrchr(slash ? slash : path, '.');
}

bool cnn_image_readable(const char *path)
{
    const char *ending = find_ending(path);
    for (size_t i = 0; ending && i < sizeof readable / sizeof *readable; i++)
        if (strcasecmp(ending, readable[i]) == 0)
            return true;
    return false;
}

const char *cnn_image_endings(void)
{
    return ".png, .jpg, .jpeg, .jpe, .jfif or .bmp";
}

const char *cnn_image_kinds(void)
{
    return "PNG, JPEG or BMP";
}

const char *cnn_image_conversion(const char *path)
{
    const char *ending = find_ending(path);
    for (size_t i = 0; ending && i < sizeof conversions / sizeof *conversions; i++)
        if (strcasecmp(ending, conversions[i].ending) == 0)
            return conversions[i].hint;
    return NULL;
}
