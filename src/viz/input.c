/* The input of a `visualize`: as the network takes it, as it sees it, and the picture as it is in
 * its file. */
#include <string.h>

#include "data/image.h"
#include "data/pixels.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/file.h"
#include "viz/visualize.h"

static bool has_numbers(const char *path)
{
    return cnn_file_ends(path, ".npy") || cnn_file_ends(path, ".txt") ||
           cnn_file_ends(path, ".csv");
}

/* The size at which a picture of width x height is shown before small ones are enlarged. A side
 * that would be all but nothing is drawn wider. */
static void shown_size(size_t width, size_t height, size_t *w, size_t *h)
{
    size_t longer = width > height ? width : height,
           shown = longer < CNN_VIEW_SIDE ? longer : CNN_VIEW_SIDE;
    size_t least = (shown + 15) / 16;
    *w = width * shown / longer < least ? least : width * shown / longer;
    *h = height * shown / longer < least ? least : height * shown / longer;
}

/* Means of squares of factor x factor pixels: large photographs, in a moment. out has its size. */
static void shrink(const struct cnn_image *image, size_t factor, struct cnn_canvas *out)
{
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++) {
            size_t r = 0, g = 0, b = 0, area = factor * factor;
            for (size_t i = 0; i < factor; i++) {
                const uint8_t *p =
                    image->pixels + ((y * factor + i) * image->width + x * factor) * 3;
                for (size_t j = 0; j < factor; j++, p += 3)
                    r += p[0], g += p[1], b += p[2];
            }
            uint8_t *to = out->pixels + (y * out->width + x) * 3;
            to[0] = (uint8_t)((r + area / 2) / area);
            to[1] = (uint8_t)((g + area / 2) / area);
            to[2] = (uint8_t)((b + area / 2) / area);
        }
}

static cnn_status read_given(struct cnn_view *view, struct cnn_image *image, cnn_diag *diag)
{
    size_t w, h;
    struct cnn_canvas smaller = {0}, picture = {0};
    shown_size(image->width, image->height, &w, &h);
    size_t across = image->width / w, down = image->height / h,
           factor = across < down ? across : down;
    factor = factor > 0 ? factor : 1;
    cnn_status status = cnn_image_decode(image, 3, diag);
    if (status == CNN_OK)
        status = cnn_canvas_new(image->width / factor, image->height / factor,
                                (struct cnn_colour){0, 0, 0}, &smaller, diag);
    if (status == CNN_OK) {
        shrink(image, factor, &smaller);
        status = cnn_canvas_resize(&smaller, w, h, &picture, diag);
    }
    if (status == CNN_OK) /* small pictures are enlarged */
        status = cnn_panel_enlarge(&picture, &view->given, NULL, diag);
    cnn_canvas_free(&smaller);
    cnn_canvas_free(&picture);
    view->width = image->width;
    view->height = image->height;
    return status;
}

/* The pixels of the options, as if they had been decoded from a file. */
static cnn_status take_pixels(const struct cnn_view *view, struct cnn_image *out, cnn_diag *diag)
{
    const cnn_pixels *pixels = view->options->pixels;
    const cnn_shape shape = {3, 3, pixels->height, pixels->width};
    size_t bytes = 0;
    *out = (struct cnn_image){.name = view->input,
                              .width = pixels->width,
                              .height = pixels->height,
                              .channels = 3,
                              .shrink = 1};
    if (!cnn_size_mul(pixels->width * 3, pixels->height, &bytes) ||
        !(out->pixels = cnn_malloc(bytes)))
        return cnn_fail_memory(diag, bytes, "an image");
    return cnn_pixels_bring(pixels, shape, out->pixels, diag);
}

/* image: open for read_given; bytes: as the network takes it. */
static cnn_status bring(const struct cnn_view *view, struct cnn_image *image, uint8_t *bytes,
                        cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    if (view->options->pixels) { /* this checks them */
        cnn_status status = cnn_pixels_bring(view->options->pixels, in, bytes, diag);
        return status == CNN_OK ? take_pixels(view, image, diag) : status;
    }
    cnn_status status = cnn_image_open(view->input, image, diag);
    return status == CNN_OK ? cnn_image_bring(image, in, bytes, diag) : status;
}

static cnn_status load_picture(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    struct cnn_image image = {0};
    uint8_t *bytes = cnn_malloc(cnn_shape_count(in));
    cnn_status status = bytes ? bring(view, &image, bytes, diag)
                              : cnn_fail_memory(diag, cnn_shape_count(in), "an image");
    if (status == CNN_OK) {
        cnn_normalize(&view->model->normalization, bytes, in.h * in.w, view->x);
        status = read_given(view, &image, diag);
    }
    cnn_image_close(&image);
    cnn_free(bytes);
    return status;
}

cnn_status cnn_view_load(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    float *image = view->image = cnn_arena_array(view->arena, cnn_shape_count(in), sizeof *image);
    view->x = cnn_arena_array(view->arena, cnn_shape_count(in), sizeof *view->x);
    if (!image || !view->x)
        return cnn_fail_memory(diag, cnn_shape_count(in) * sizeof *image, "an image");
    view->numbers = !view->options->pixels && has_numbers(view->input);
    cnn_status status;
    /* without a normalisation, loading says why pictures cannot be read */
    if (view->model->normalization.channels == 0 && view->options->pixels) {
        status = cnn_model_load_pixels(view->model, view->options->pixels, image, diag);
    } else if (view->numbers || view->model->normalization.channels == 0) {
        status = cnn_model_load_input(view->model, view->input, image, diag);
        if (status == CNN_OK)
            cnn_transpose(1, in.c, in.h * in.w, image, view->x);
    } else {
        status = load_picture(view, diag);
        if (status == CNN_OK)
            cnn_transpose(1, in.h * in.w, in.c, view->x, image);
    }
    if (status == CNN_OK)
        status = cnn_sheet_image(image, in.c, in.h, in.w, &view->seen, diag);
    if (status == CNN_OK && view->numbers)
        status = cnn_panel_enlarge(&view->seen, &view->given, NULL, diag);
    return status;
}
