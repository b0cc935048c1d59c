/* The body of stb_image_write (Barrett, public domain), with zlib to compress; png.c is its one
 * user. Compressing harder would take several times as long, for files that are a third smaller. */

#include <zlib.h>

#include "util/allocate.h"

#define LEVEL 3

/* What stb_image_write calls: cnn_malloc'ed, NULL when out of memory. */
static unsigned char *compress_rows(unsigned char *data, int size, int *compressed_size, int level)
{
    uLongf compressed = compressBound((uLong)size);
    unsigned char *out = cnn_malloc(compressed);
    (void)level;
    if (out && compress2(out, &compressed, data, (uLong)size, LEVEL) != Z_OK) {
        cnn_free(out);
        return NULL;
    }
    *compressed_size = (int)compressed;
    return out;
}

#define STBIW_ZLIB_COMPRESS      compress_rows
#define STBIW_MALLOC(size)       cnn_malloc(size)
#define STBIW_REALLOC(old, size) cnn_realloc(old, size)
#define STBIW_FREE(old)          cnn_free(old)
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
