/* Pictures as PNG by stb_image_write. Rows are stored as differences from the row above, as
 * enlarged maps repeat theirs; choosing the best filter for every row would take several times as
 * long. */
#include <stb/stb_image_write.h>

#include "util/diag.h"
#include "util/file.h"
#include "viz/canvas.h"

#define FILTER_UP 2

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
    if (!stbi_write_png_to_func(append, out, width, height, 3, canvas->pixels, width * 3) ||
        out->failed)
        return cnn_fail_memory(diag, canvas->width * canvas->height * 3, "a PNG file");
    return CNN_OK;
}

cnn_status cnn_canvas_write(const struct cnn_canvas *canvas, const char *path, cnn_diag *diag)
{
    struct cnn_text png = {0};
    cnn_status status = cnn_canvas_encode(canvas, &png, diag);
    if (status == CNN_OK)
        status = cnn_file_write_quickly(path, png.data, png.size, diag);
    cnn_text_free(&png);
    return status;
}
