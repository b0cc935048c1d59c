/* The body of stb_image_write (Barrett, public domain), with zlib to compress; png.c is its one
 * user. Compressing harder would take several times as long, for files that are a third smaller. */
#include <stdlib.h>

#include <zlib.h>

#define LEVEL 3

/* What stb_image_write calls: malloc'ed, NULL when out of memory. */
static unsigned char *compress_rows(unsigned char *data, int size, int *compressed_size, int level)
{
    uLongf compressed = compressBound((uLong)size);
    unsigned char *out = malloc(compressed);
    (void)level;
    if (out && compress2(out, &compressed, data, (uLong)size, LEVEL) != Z_OK) {
        free(out);
        return NULL;
    }
    *compressed_size = (int)compressed;
    return out;
}

#define STBIW_ZLIB_COMPRESS compress_rows
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>
