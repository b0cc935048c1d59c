/* The kind `patches`: for each channel of a layer the parts of a data set's images that excite it
 * most, as Zeiler and Fergus show them ("Visualizing and Understanding Convolutional Networks",
 * 2014). */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/words.h"
#include "viz/kind.h"
#include "viz/parts.h"
#include "viz/strongest.h"

#define ACROSS 3 /* patches of a channel stand in three rows of three */
#define SIDE   36
#define STEP   (SIDE + 2)
#define BLOCK  (ACROSS * STEP + 10)

struct sheet {
    struct cnn_view *view;
    size_t layer, channels, shown;
    struct cnn_strongest *places; /* [channels][CNN_STRONGEST] */
    size_t *order;                /* of the channels */
    uint8_t *pixels;              /* of one image */
    struct cnn_canvas canvas;
};

static float strength_of(const struct sheet *s, size_t channel)
{
    const struct cnn_strongest *first = &s->places[channel * CNN_STRONGEST];
    return first->image == CNN_NO_INDEX ? -INFINITY : first->value;
}

/* In their order, or with `top` the strongest first. */
static void order_channels(struct sheet *s)
{
    size_t top = s->view->options->top;
    for (size_t c = 0; c < s->channels; c++) {
        size_t at = c;
        while (top > 0 && at > 0 && strength_of(s, c) > strength_of(s, s->order[at - 1])) {
            s->order[at] = s->order[at - 1];
            at--;
        }
        s->order[at] = c;
    }
    s->shown = top > 0 && top < s->channels ? top : s->channels;
}

/* The pixels that the value sees, out of the data set's image. */
static cnn_status cut(const struct sheet *s, const struct cnn_strongest *place,
                      struct cnn_canvas *out, cnn_diag *diag)
{
    const struct cnn_graph *graph = &s->view->model->graph;
    const cnn_shape in = graph->input;
    struct cnn_rectangle field;
    cnn_status status =
        cnn_receptive_field(graph, s->layer + 1, place->row, place->column, &field, diag);
    if (status != CNN_OK)
        return status;
    if (field.begin[0] == field.end[0]) /* it sees padding alone: the whole image stands for it */
        field = (struct cnn_rectangle){{0, 0}, {in.h, in.w}};
    const uint8_t *pixels = cnn_dataset_read(s->view->dataset, place->image, s->pixels);
    size_t h = field.end[0] - field.begin[0], w = field.end[1] - field.begin[1];
    status = cnn_canvas_new(w, h, CNN_PAPER, out, diag);
    for (size_t y = 0; status == CNN_OK && y < h; y++)
        for (size_t x = 0; x < w; x++) {
            const uint8_t *p = pixels + ((y + field.begin[0]) * in.w + x + field.begin[1]) * in.c;
            uint8_t *to = out->pixels + (y * w + x) * 3;
            for (size_t c = 0; c < 3; c++)
                to[c] = p[in.c >= 3 ? c : 0];
        }
    return status;
}

static cnn_status draw_patch(struct sheet *s, const struct cnn_strongest *place, size_t x, size_t y,
                             cnn_diag *diag)
{
    struct cnn_canvas patch = {0}, fitted = {0};
    cnn_status status = cut(s, place, &patch, diag);
    size_t longer = patch.width > patch.height ? patch.width : patch.height;
    if (status == CNN_OK && longer <= SIDE) {
        cnn_canvas_put(&s->canvas, x, y, &patch, SIDE / longer);
    } else if (status == CNN_OK) {
        size_t w = patch.width * SIDE / longer, h = patch.height * SIDE / longer;
        status = cnn_canvas_resize(&patch, w > 0 ? w : 1, h > 0 ? h : 1, &fitted, diag);
        if (status == CNN_OK)
            cnn_canvas_put(&s->canvas, x, y, &fitted, 1);
    }
    cnn_canvas_free(&patch);
    cnn_canvas_free(&fitted);
    return status;
}

/* Nine patches, and below them the channel's number with the largest value. */
static cnn_status draw_channel(struct sheet *s, size_t channel, size_t x, size_t y, cnn_diag *diag)
{
    const struct cnn_strongest *places = &s->places[channel * CNN_STRONGEST];
    char number[CNN_NUMBER_SIZE], caption[64];
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < CNN_STRONGEST && status == CNN_OK; i++)
        if (places[i].image != CNN_NO_INDEX)
            status = draw_patch(s, &places[i], x + i % ACROSS * STEP, y + i / ACROSS * STEP, diag);
    snprintf(caption, sizeof caption, "%zu: %s", channel,
             cnn_short_number(strength_of(s, channel), number));
    cnn_canvas_text(&s->canvas, x, y + ACROSS * STEP + 1, 1, CNN_INK, caption);
    return status;
}

static cnn_status draw(struct sheet *s, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(s->view, s->layer);
    struct cnn_sheet_grid grid =
        cnn_sheet_grid_of(s->shown, BLOCK, ACROSS * STEP + CNN_TEXT_HEIGHT + 10);
    char title[400], name[80];
    size_t top;
    cnn_caption(title, sizeof title, "%s: what excites each channel most",
                cnn_word_cut(node->name, name, sizeof name));
    const struct cnn_sheet_head head = {.title = title};
    cnn_status status = cnn_sheet_begin(&head, grid.columns * BLOCK, grid.rows * grid.tile_height,
                                        &s->canvas, &top, diag);
    for (size_t i = 0; i < grid.shown && status == CNN_OK; i++)
        status = draw_channel(s, s->order[i], CNN_SHEET_MARGIN + i % grid.columns * BLOCK,
                              top + i / grid.columns * grid.tile_height, diag);
    s->shown = grid.shown;
    return status;
}

/* The numbers behind the pictures: value, image, row and column of each patch. */
static cnn_status write_numbers(const struct sheet *s, const char *stem, cnn_diag *diag)
{
    const size_t dims[3] = {s->channels, CNN_STRONGEST, 4};
    size_t count = s->channels * CNN_STRONGEST;
    if (!s->view->options->npy)
        return CNN_OK;
    float *numbers = cnn_calloc(count, 4 * sizeof *numbers);
    if (!numbers)
        return cnn_fail_memory(diag, count * 4 * sizeof *numbers, "the numbers of patches");
    for (size_t i = 0; i < count; i++) {
        const struct cnn_strongest *place = &s->places[i];
        bool there = place->image != CNN_NO_INDEX;
        numbers[4 * i] = there ? place->value : NAN;
        numbers[4 * i + 1] = there ? (float)place->image : -1;
        numbers[4 * i + 2] = (float)place->row;
        numbers[4 * i + 3] = (float)place->column;
    }
    cnn_status status = cnn_view_write_npy(s->view, stem, numbers, dims, 3, diag);
    cnn_free(numbers);
    return status;
}

static void tell(const struct sheet *s, const char *stem)
{
    struct cnn_view *view = s->view;
    const char *name = cnn_view_node(view, s->layer)->name;
    size_t images = cnn_dataset_count(view->dataset);
    cnn_story_heading(view, "What excites the channels of %s", name);
    cnn_story_paragraph(view,
                        "Not from your picture: of all %zu images of the split %s of the data set, "
                        "the %zu in which each channel has its largest values, and of each image "
                        "the part that this value sees.",
                        images, cnn_split_names[view->split],
                        images < CNN_STRONGEST ? images : (size_t)CNN_STRONGEST);
    cnn_story_figure(
        view, stem, "%zu of %zu channels%s. Below each: its number and its maximum activation.",
        s->shown, s->channels,
        view->options->top > 0 ? cnn_say(", those with the largest values first") : "");
}

static cnn_status open_sheet(struct sheet *s, cnn_diag *diag)
{
    size_t places = s->channels * CNN_STRONGEST;
    s->places = cnn_calloc(places, sizeof *s->places);
    s->order = cnn_calloc(s->channels, sizeof *s->order);
    s->pixels = cnn_malloc(cnn_dataset_image_bytes(s->view->dataset));
    return s->places && s->order && s->pixels
               ? CNN_OK
               : cnn_fail_memory(diag, places * sizeof *s->places, "patches");
}

static cnn_status show_patches(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    struct sheet s = {.view = view, .layer = layer, .channels = cnn_view_node(view, layer)->out.c};
    const char *stem = cnn_view_stem(view, layer, "-patches");
    cnn_status status = stem ? open_sheet(&s, diag) : cnn_fail_memory(diag, 0, "a name");
    if (status == CNN_OK)
        status = cnn_strongest_find(view->model, view->dataset, layer + 1, view->options->stop,
                                    s.places, diag);
    if (status == CNN_OK) {
        order_channels(&s);
        status = draw(&s, diag);
    }
    if (status == CNN_OK)
        status = cnn_view_write_picture(view, stem, &s.canvas, diag);
    if (status == CNN_OK)
        status = write_numbers(&s, stem, diag);
    if (status == CNN_OK)
        tell(&s, stem);
    cnn_canvas_free(&s.canvas);
    cnn_free(s.places);
    cnn_free(s.order);
    cnn_free(s.pixels);
    return status;
}

const struct cnn_view_kind cnn_kind_patches = {
    .number = CNN_PICTURE_PATCHES,
    .name = "patches",
    .help = "the parts of a data set's images that excite each channel of a layer most",
    .source = CNN_KIND_MAIN_LAYER,
    .needs_map = true,
    .needs_data = true,
    .takes_top = true,
    .show = show_patches,
};
