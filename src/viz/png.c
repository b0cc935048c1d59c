/* Pictures as PNG files, with the program's mark (stb.c makes the bytes). */
#include <zlib.h>

#include "util/diag.h"
#include "util/file.h"
#include "util/output.h"
#include "viz/canvas.h"

#define HEAD 33 /* bytes of the signature and the first chunk, IHDR */

/* A big-endian number of 32 bits. */
static void append_number(struct cnn_text *out, unsigned long number)
{
    const char bytes[] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8),
                          (char)number};
    cnn_text_append(out, bytes, sizeof bytes);
}

/* The file of those bytes, with the program's mark as a chunk: its size, type, data, checksum. */
static void mark(const struct cnn_text *png, struct cnn_text *out)
{
    static const char chunk[] = CNN_OUTPUT_MARK_PICTURE;
    const size_t size = sizeof chunk - 1;
    cnn_text_append(out, png->data, HEAD);
    append_number(out, size - 4);
    cnn_text_append(out, chunk, size);
    append_number(out, crc32_z(0, (const Bytef *)chunk, size));
    cnn_text_append(out, png->data + HEAD, png->size - HEAD);
}

cnn_status cnn_canvas_write(const struct cnn_canvas *canvas, const char *path, cnn_diag *diag)
{
    struct cnn_text png = {0}, marked = {0};
    cnn_status status = cnn_output_replaces(path, CNN_OUTPUT_PICTURE, NULL, diag);
    if (status == CNN_OK)
        status = cnn_canvas_encode(canvas, &png, diag);
    if (status == CNN_OK) {
        mark(&png, &marked);
        status = marked.failed ? cnn_fail_memory(diag, png.size, path)
                               : cnn_file_write_quickly(path, marked.data, marked.size, diag);
    }
    cnn_text_free(&png);
    cnn_text_free(&marked);
    return status;
}
