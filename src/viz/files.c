/* What a `visualize` writes, and the values that its pictures are made of. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/allocate.h"
#include "util/file.h"
#include "util/output.h"
#include "viz/html.h"
#include "viz/visualize.h"

#define NAME_BYTES 100 /* of a layer's name in a file's: systems allow 255 for the whole */

static bool stopped(const struct cnn_view *view)
{
    return view->stopped || cnn_flag_raised(view->options->stop);
}

static cnn_status path_of(struct cnn_view *view, const char *stem, cnn_output kind,
                          const char **path, cnn_diag *diag)
{
    if (stopped(view))
        return CNN_INTERRUPTED;
    *path = stem ? cnn_arena_printf(view->arena, "%s/%s%s", view->options->directory, stem,
                                    cnn_output_ending(kind))
                 : NULL;
    if (!*path)
        return cnn_fail_memory(diag, 0, "a path");
    if (!cnn_file_same(view->input, *path))
        return cnn_output_replaces(*path, kind, "-o", diag);
    cnn_fail(diag, CNN_INVALID, NULL, "%s is the input itself, which is not replaced", *path);
    cnn_hint(diag, "another directory for the pictures");
    return CNN_INVALID;
}

/* Tells the caller of a file; CNN_INTERRUPTED where that ends it. */
static cnn_status report(struct cnn_view *view, const char *path)
{
    if (view->options->written && view->options->written(view->options->context, path) != 0)
        view->stopped = true;
    return view->stopped ? CNN_INTERRUPTED : CNN_OK;
}

cnn_status cnn_view_write_picture(struct cnn_view *view, const char *stem,
                                  const struct cnn_canvas *picture, cnn_diag *diag)
{
    const char *path;
    cnn_status status = path_of(view, stem, CNN_OUTPUT_PICTURE, &path, diag);
    if (status == CNN_OK)
        status = cnn_canvas_write(picture, path, diag);
    cnn_text_free(&view->labels);
    if (status == CNN_OK)
        cnn_html_labels(&view->labels, picture);
    view->drawn[0] = picture->width;
    view->drawn[1] = picture->height;
    return status == CNN_OK ? report(view, path) : status;
}

cnn_status cnn_view_write_npy(struct cnn_view *view, const char *stem, const float *values,
                              const size_t *dims, size_t rank, cnn_diag *diag)
{
    const char *path;
    if (!view->options->npy)
        return CNN_OK;
    cnn_status status = path_of(view, stem, CNN_OUTPUT_ARRAY, &path, diag);
    if (status == CNN_OK)
        status = cnn_npy_write(path, values, dims, rank, diag);
    return status == CNN_OK ? report(view, path) : status;
}

cnn_status cnn_view_drop_page(struct cnn_view *view, cnn_diag *diag)
{
    const char *path;
    cnn_status status = path_of(view, "index", CNN_OUTPUT_PAGE, &path, diag);
    if (status == CNN_OK && unlink(path) != 0 && errno != ENOENT)
        status = cnn_fail(diag, CNN_FAILED, NULL, "cannot replace %s: %s", path, strerror(errno));
    return status;
}

cnn_status cnn_view_write_page(struct cnn_view *view, cnn_diag *diag)
{
    const char *path;
    cnn_status status = path_of(view, "index", CNN_OUTPUT_PAGE, &path, diag);
    if (status == CNN_OK)
        status = cnn_html_write(&view->page, path, diag);
    if (status == CNN_OK)
        (void)report(view, path); /* it is the last file */
    return status;
}

/* Layers' names are made of letters, digits, _ and -, so they are safe in file names; of two that
 * are cut alike, the layer's number makes two. */
const char *cnn_view_stem(struct cnn_view *view, size_t layer, const char *format, ...)
{
    struct cnn_text text = {0};
    const char *name = cnn_view_node(view, layer)->name;
    size_t length = strlen(name);
    va_list arguments;
    if (length > NAME_BYTES)
        cnn_text_printf(&text, "%.*s-%zu", NAME_BYTES, name, layer);
    else
        cnn_text_printf(&text, "%s", name);
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    const char *stem = text.failed ? NULL : cnn_arena_strdup(view->arena, text.data);
    cnn_text_free(&text);
    return stem;
}

cnn_status cnn_view_values(struct cnn_view *view, size_t layer, float **values, cnn_diag *diag)
{
    const cnn_shape out = cnn_view_node(view, layer)->out;
    *values = cnn_malloc(cnn_shape_count(out) * sizeof **values);
    if (!*values)
        return cnn_fail_memory(diag, cnn_shape_count(out) * sizeof **values, "the maps of a layer");
    cnn_transpose(1, out.h * out.w, out.c, cnn_plan_value(view->plan, layer + 1), *values);
    return CNN_OK;
}
