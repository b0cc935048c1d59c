/* The sheet of training images. Changed images come from the loader itself, as training gets them,
 * and their normalisation is undone. */
#include "report/data_sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/loader.h"
#include "report/samples.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "viz/parts.h"

#define ROWS    20
#define COLUMNS 8
/* images that are read together; those that are mixed are mixed within it */
#define BATCH       16
#define SMALL_SIDE  96  /* pixels that a small image is enlarged to, about */
#define LARGE_SIDE  160 /* and a larger one is shrunk to */
#define NAME_LENGTH 24
#define GAP         8

struct row {
    size_t class, count;
    size_t images[COLUMNS];
};

struct sheet {
    const cnn_model *model;
    const struct cnn_dataset *train;
    const struct cnn_normalization *normalization;
    cnn_shape shape;
    bool augmented;
    struct row rows[ROWS];
    size_t row_count, classes;   /* classes: that have images */
    size_t width, height, scale; /* of a tile; scale 0: shrunk */
    size_t names, top;           /* where tiles begin: right of the names, below the head */
    uint8_t *pixels;             /* of one image */
    struct cnn_canvas *canvas;
};

/* The first images of the first classes: one of each where it is augmented. */
static void choose_images(struct sheet *s)
{
    const size_t wanted = s->augmented ? 1 : COLUMNS, classes = cnn_dataset_classes(s->train);
    for (size_t class = 0; class < classes; class ++) {
        if (cnn_dataset_class_count(s->train, class) == 0)
            continue;
        if (s->classes++ < ROWS)
            s->rows[s->row_count++].class = class;
    }
    for (size_t i = 0, missing = s->row_count; i < cnn_dataset_count(s->train) && missing > 0;
         i++) {
        size_t label = cnn_dataset_label(s->train, i);
        for (size_t r = 0; r < s->row_count; r++) {
            struct row *row = &s->rows[r];
            if (row->class != label || row->count == wanted)
                continue;
            row->images[row->count++] = i;
            missing -= row->count == wanted;
        }
    }
}

static void lay_out(struct sheet *s)
{
    const cnn_shape shape = s->shape;
    size_t longer = shape.h > shape.w ? shape.h : shape.w;
    s->scale = longer > LARGE_SIDE ? 0 : longer < SMALL_SIDE ? SMALL_SIDE / longer : 1;
    s->width = s->scale ? shape.w * s->scale : (shape.w * LARGE_SIDE - 1) / longer + 1;
    s->height = s->scale ? shape.h * s->scale : (shape.h * LARGE_SIDE - 1) / longer + 1;
    for (size_t r = 0; r < s->row_count; r++) {
        char name[NAME_LENGTH];
        size_t width = cnn_canvas_text_width(
            cnn_word_cut(cnn_dataset_class(s->train, s->rows[r].class), name, sizeof name), 1);
        s->names = width > s->names ? width : s->names;
    }
}

static size_t column_left(const struct sheet *s, size_t column)
{
    size_t width = s->width > CNN_SHEET_TILE ? s->width : CNN_SHEET_TILE;
    return CNN_SHEET_MARGIN + s->names + GAP + column * (width + GAP);
}

static size_t row_top(const struct sheet *s, size_t row)
{
    return s->top + row * (s->height + CNN_TEXT_HEIGHT + GAP);
}

static cnn_status draw_tile(const struct sheet *s, const uint8_t *pixels, size_t row, size_t column,
                            const char *caption, cnn_diag *diag)
{
    struct cnn_canvas picture = {0}, small = {0};
    size_t x = column_left(s, column), y = row_top(s, row);
    cnn_status status = cnn_sample_picture(pixels, s->shape, &picture, diag);
    if (status == CNN_OK && s->scale == 0)
        status = cnn_canvas_resize(&picture, s->width, s->height, &small, diag);
    if (status == CNN_OK)
        cnn_canvas_put(s->canvas, x, y, s->scale ? &picture : &small, s->scale ? s->scale : 1);
    cnn_canvas_text(s->canvas, x, y + s->height + 2, 1, CNN_NOTE, caption);
    cnn_canvas_free(&picture);
    cnn_canvas_free(&small);
    return status;
}

/* The images as the data set has them, as many of each row as were chosen. */
static cnn_status draw_originals(const struct sheet *s, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t r = 0; r < s->row_count; r++) {
        char name[NAME_LENGTH], caption[32];
        cnn_word_cut(cnn_dataset_class(s->train, s->rows[r].class), name, sizeof name);
        cnn_canvas_text(s->canvas, CNN_SHEET_MARGIN, row_top(s, r) + s->height / 2, 1, CNN_INK,
                        name);
        for (size_t k = 0; k < s->rows[r].count && status == CNN_OK; k++) {
            size_t image = s->rows[r].images[k];
            snprintf(caption, sizeof caption, "image %zu", image);
            status =
                draw_tile(s, cnn_dataset_read(s->train, image, s->pixels), r, k, caption, diag);
        }
    }
    return status;
}

static void undo_normalization(const struct cnn_normalization *n, const float *values,
                               size_t pixels, uint8_t *out)
{
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < n->channels; c++) {
            float value = 255 * (values[i * n->channels + c] * n->std[c] + n->mean[c]);
            out[i * n->channels + c] = (uint8_t)lrintf(fminf(fmaxf(value, 0), 255));
        }
}

/* What was mixed into an image, e.g. "+ 30% dog". */
static void name_mixture(const struct sheet *s, const struct cnn_batch *batch, size_t i,
                         char *caption, size_t size)
{
    char name[NAME_LENGTH];
    cnn_word_cut(cnn_dataset_class(s->train, batch->others[i]), name, sizeof name);
    snprintf(caption, size, "+ %.0f%% %s", 100 * (1 - (double)batch->shares[i]), name);
}

/* The chosen images as they are in one epoch of training. */
static cnn_status draw_epoch(const struct sheet *s, struct cnn_loader *loader, size_t epoch,
                             cnn_diag *diag)
{
    const size_t values = cnn_shape_count(s->shape);
    const struct cnn_batch *batch = NULL;
    size_t at = SIZE_MAX;
    cnn_status status = CNN_OK;
    for (size_t r = 0; r < s->row_count && status == CNN_OK; r++) {
        size_t image = s->rows[r].images[0], i = image % BATCH;
        char caption[48] = "";
        if (image / BATCH != at) {
            at = image / BATCH;
            cnn_loader_start(loader, epoch, at);
            batch = cnn_loader_next(loader);
        }
        if (!batch)
            return cnn_fail(diag, CNN_FAILED, NULL, "the training images ended before image %zu",
                            image);
        if (batch->others && batch->shares[i] < 1)
            name_mixture(s, batch, i, caption, sizeof caption);
        undo_normalization(s->normalization, batch->images + i * values, s->shape.h * s->shape.w,
                           s->pixels);
        status = draw_tile(s, s->pixels, r, epoch + 1, caption, diag);
    }
    return status;
}

static cnn_status draw_epochs(const struct sheet *s, cnn_diag *diag)
{
    const struct cnn_loader_options options = {.dataset = s->train,
                                               .normalization = *s->normalization,
                                               .augmentation = s->model->data.augmentation,
                                               .shape = s->shape,
                                               .batch = BATCH,
                                               .seed = s->model->recipe.seed};
    struct cnn_loader *loader;
    cnn_status status = cnn_loader_new(&options, &loader, diag);
    if (status != CNN_OK)
        return status;
    for (size_t epoch = 0; epoch + 1 < COLUMNS && status == CNN_OK; epoch++)
        status = draw_epoch(s, loader, epoch, diag);
    cnn_loader_free(loader);
    return status;
}

static cnn_status begin(struct sheet *s, cnn_diag *diag)
{
    char title[160], note[96] = "";
    snprintf(title, sizeof title, "%.100s: training images%s", s->model->name,
             s->augmented ? ", and what training sees of them" : ", which are not augmented");
    if (s->classes > s->row_count)
        snprintf(note, sizeof note, "the first %zu of %zu classes", s->row_count, s->classes);
    struct cnn_sheet_head head = {.title = title, .note = note};
    size_t captions = s->augmented ? CNN_TEXT_HEIGHT + 2 : 0;
    cnn_status status =
        cnn_sheet_begin(&head, column_left(s, COLUMNS) - GAP - CNN_SHEET_MARGIN,
                        captions + row_top(s, s->row_count) - GAP, s->canvas, &s->top, diag);
    for (size_t column = 0; column < COLUMNS && s->augmented && status == CNN_OK; column++) {
        char caption[32] = "as it is";
        if (column > 0)
            snprintf(caption, sizeof caption, "epoch %zu", column);
        cnn_canvas_text(s->canvas, column_left(s, column), s->top, 1, CNN_INK, caption);
    }
    s->top += captions;
    return status;
}

cnn_status cnn_data_sheet(const cnn_model *model, const struct cnn_dataset *train,
                          const struct cnn_normalization *normalization, struct cnn_canvas *out,
                          cnn_diag *diag)
{
    struct cnn_canvas canvas = {0};
    struct sheet s = {.model = model,
                      .train = train,
                      .normalization = normalization,
                      .shape = model->graph.input,
                      .augmented = model->data.augmentation != NULL,
                      .canvas = &canvas};
    s.pixels = cnn_malloc(cnn_shape_count(s.shape));
    if (!s.pixels)
        return cnn_fail_memory(diag, cnn_shape_count(s.shape), "an image");
    choose_images(&s);
    lay_out(&s);
    cnn_status status = begin(&s, diag);
    for (size_t r = 0; status == CNN_OK && r < s.row_count; r++)
        if (cnn_warn_of_letters(cnn_dataset_class(train, s.rows[r].class), "the table", diag))
            break;
    if (status == CNN_OK)
        status = draw_originals(&s, diag);
    if (status == CNN_OK && s.augmented)
        status = draw_epochs(&s, diag);
    if (status == CNN_OK)
        status = cnn_dataset_memory(train, diag);
    cnn_free(s.pixels);
    if (status == CNN_OK)
        *out = canvas;
    else
        cnn_canvas_free(&canvas);
    return status;
}
