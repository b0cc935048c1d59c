/* See views.h. */
#include "views.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <png.h>

#include "checkpoint/npy.h"
#include "compare.h"
#include "util/file.h"
#include "viz/parts.h"

const char view_network[] =
    "input: [3, 12, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, padding: 1, bias: false}\n"
    "  - {type: batch_norm}\n"
    "  - {type: relu}\n"
    "  - {type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: conv, filters: 6, kernel_size: 3, activation: relu}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 3}\n";

const cnn_visualize_options view_plain = {.npy = true, .seed = 1};

/* Reads FOLDER/name whole. */
char *view_text(struct scratch *s, const char *name)
{
    struct {
        char *data;
        size_t size;
    } file;
    assert_int_equal(cnn_file_read(scratch_path(s, name), 1 << 26, &file.data, &file.size, NULL),
                     CNN_OK);
    return file.data;
}

float *view_array(struct scratch *s, const char *name, size_t count)
{
    float *values;
    size_t dims[CNN_NPY_MAX_RANK], rank, found = 1;
    assert_int_equal(cnn_npy_read(scratch_path(s, name), &values, dims, &rank, NULL), CNN_OK);
    for (size_t i = 0; i < rank; i++)
        found *= dims[i];
    assert_int_equal(found, count);
    return values;
}

/* Writes random numbers as the input FOLDER/x.npy. */
float *view_input(struct scratch *s, const cnn_model *model)
{
    const cnn_shape in = cnn_model_input(model);
    float *image = tensor_random(cnn_shape_count(in), 7);
    assert_int_equal(
        cnn_npy_write(scratch_path(s, "x.npy"), image, (const size_t[]){in.c, in.h, in.w}, 3, NULL),
        CNN_OK);
    return image;
}

bool view_exists(struct scratch *s, const char *name)
{
    return access(scratch_path(s, name), F_OK) == 0;
}

/* Every picture of the page is there, and a PNG. */
static void check_page(struct scratch *s)
{
    char *page = view_text(s, "out/index.html");
    assert_null(strstr(page, "http"));
    assert_non_null(strstr(page, "</html>"));
    for (const char *at = strstr(page, "src=\""); at; at = strstr(at + 5, "src=\"")) {
        char name[200] = "out/";
        png_image png = {.version = PNG_IMAGE_VERSION};
        strncat(name, at + 5, strcspn(at + 5, "\""));
        if (!png_image_begin_read_from_file(&png, scratch_path(s, name)))
            fail_msg("%s: %s", name, png.message);
        assert_true(png.width > 0 && png.height > 0);
        png_image_free(&png);
    }
    free(page);
}

struct cnn_canvas view_png(struct scratch *s, const char *name)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    struct cnn_canvas out;
    assert_true(png_image_begin_read_from_file(&png, scratch_path(s, name)));
    png.format = PNG_FORMAT_RGB;
    assert_int_equal(cnn_canvas_new(png.width, png.height, CNN_PAPER, &out, NULL), CNN_OK);
    assert_true(png_image_finish_read(&png, NULL, out.pixels, 0, NULL));
    return out;
}

bool view_says(struct scratch *s, const char *text)
{
    char *page = view_text(s, "out/index.html");
    bool found = strstr(page, text);
    free(page);
    return found;
}

cnn_status view_try(struct scratch *s, cnn_model *model, const char *input,
                    const cnn_visualize_options *options)
{
    char path[256], directory[256];
    cnn_visualize_options o = *options;
    strcpy(directory, scratch_path(s, "out"));
    strcpy(path, scratch_path(s, input));
    o.directory = directory;
    return cnn_visualize(model, path, &o, s->diag);
}

void view_make(struct scratch *s, cnn_model *model, const char *input,
               const cnn_visualize_options *options)
{
    cnn_status status = view_try(s, model, input, options);
    if (status != CNN_OK)
        fail_msg("%s", cnn_diag_count(s->diag) > 0 ? cnn_diag_get(s->diag, 0)->text
                                                   : "failed without a message");
    check_page(s);
}
