/* The bodies of the stb libraries (Barrett, public domain) that decode and resize images, and how
 * decoding is called. Memory comes zeroed, for a JPEG may use a Huffman table that it never
 * defined; and what stb asserts about a file is no reason to end the program. */
#include <string.h>

#include "data/decoder.h"
#include "util/allocate.h"

/* No single block may be larger while a picture is decoded: a small one may claim to unpack to
 * gigabytes. */
static _Thread_local size_t largest_block;
static _Thread_local bool refused;

static void *take(size_t size)
{
    refused = refused || size > largest_block;
    return refused ? NULL : cnn_calloc(1, size);
}

static void *take_again(void *old, size_t size)
{
    refused = refused || size > largest_block;
    return refused ? NULL : cnn_realloc(old, size);
}

#define STBI_ONLY_PNG
#define STBI_ONLY_JPEG
#define STBI_ONLY_BMP
#define STBI_NO_STDIO
#define STBI_MAX_DIMENSIONS     65536
#define STBI_MALLOC(size)       take(size)
#define STBI_REALLOC(old, size) take_again(old, size)
#define STBI_FREE(old)          cnn_free(old)
#define STBI_ASSERT(condition)  ((void)0)
#define STB_IMAGE_IMPLEMENTATION
#include <stb/stb_image.h>

#define STBIR_MALLOC(size, context) ((void)(context), cnn_malloc(size))
#define STBIR_FREE(old, context)    ((void)(context), cnn_free(old))
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#include <stb/stb_image_resize.h>

/* The largest block that pixels need is 16 bits of four channels, a byte a row, and doubled as it
 * grows. */
const char *cnn_stb_decode(const struct cnn_picture *picture, size_t channels, uint8_t *pixels)
{
    const size_t count = picture->width * picture->height;
    int width, height, file_channels;
    refused = false;
    largest_block = 32 * count + 2 * picture->height + ((size_t)1 << 20);
    uint8_t *decoded = stbi_load_from_memory(picture->bytes, (int)picture->size, &width, &height,
                                             &file_channels, (int)channels);
    const bool fits =
        decoded && (size_t)width == picture->width && (size_t)height == picture->height;
    const char *wrong = NULL;
    if (fits)
        memcpy(pixels, decoded, count * channels);
    else if (refused)
        wrong = cnn_too_much;
    else if (!decoded && strcmp(stbi_failure_reason(), "outofmem") == 0)
        wrong = cnn_no_memory;
    else
        wrong = "its data are damaged, or of a kind that is not supported";
    cnn_free(decoded);
    return wrong;
}
