/* Pictures as PNG by stb_image_write (Barrett, public domain), whose body is here, with zlib to
 * compress. Rows are stored as differences from the row above, as enlarged maps repeat theirs;
 * choosing the best filter for every row would take several times as long. So would compressing
 * harder, for files that are a third smaller. */

#include <zlib.h>

#include "util/allocate.h"
#include "util/diag.h"
#include "viz/canvas.h"

#define FILTER_UP 2
#define LEVEL     3

/* What was compressed and is not freed yet: stb_image_write forgets it where no memory is left for
 * the file. */
static _Thread_local unsigned char *pending;

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
    pending = out;
    return out;
}

static void give(void *block)
{
    if (block == pending)
        pending = NULL;
    cnn_free(block);
}

#define STBIW_ZLIB_COMPRESS      compress_rows
#define STBIW_MALLOC(size)       cnn_malloc(size)
#define STBIW_REALLOC(old, size) cnn_realloc(old, size)
#define STBIW_FREE(old)          give(old)
#define STBI_WRITE_NO_STDIO
#define STB_IMAGE_WRITE_IMPLEMENTATION
#include <stb/stb_image_write.h>

static void append(void *context, void *data, int size)
{
    cnn_text_append(context, data, (size_t)size);
}

/* stb_image_write counts in int: a canvas has at most 2^28 pixels, fewer than 2^30 bytes with its
 * rows' filters. */
cnn_status cnn_canvas_encode(const struct cnn_canvas *canvas, struct cnn_text *out, cnn_diag *diag)
{
    int width = (int)canvas->width, height = (int)canvas->height;
    stbi_write_force_png_filter = FILTER_UP;
    int made = stbi_write_png_to_func(append, out, width, height, 3, canvas->pixels, width * 3);
    give(pending);
    if (!made || out->failed)
        return cnn_fail_memory(diag, canvas->width * canvas->height * 3, "a PNG file");
    return CNN_OK;
}
