/* The kind `excite`: an input that excite.c makes from noise, and what is said of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/words.h"
#include "viz/attribution.h"
#include "viz/kind.h"
#include "viz/parts.h"

static cnn_status draw_excite(struct cnn_view *view, const char *stem, const char *title,
                              const float *image, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    struct cnn_canvas picture = {0};
    struct cnn_panel panel = {.title = title};
    cnn_status status = cnn_sheet_image(image, in.c, in.h, in.w, &picture, diag);
    if (status == CNN_OK)
        status = cnn_panel_enlarge(&picture, &panel.picture, NULL, diag);
    if (status == CNN_OK)
        status = cnn_panels_write(view, stem, &panel, 1, diag);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, image, (const size_t[]){in.c, in.h, in.w}, 3, diag);
    cnn_canvas_free(&picture);
    cnn_panels_free(&panel, 1);
    return status;
}

static void tell_excite(struct cnn_view *view, const char *stem, const char *what, size_t steps,
                        const float strength[2])
{
    cnn_story_heading(view, "What excites %s most", what);
    if (strength[1] > strength[0]) {
        cnn_story_paragraph(view,
                            "Not your picture: an input made from noise, changed %zu times so that "
                            "%s grows. It shows what the network looks for.",
                            steps, what);
        cnn_story_figure(view, stem, "%s: %.3g at the start, %.3g at the end.", what,
                         (double)strength[0], (double)strength[1]);
        return;
    }
    cnn_story_paragraph(view,
                        "Not your picture: an input made from noise, which was to be changed so "
                        "that %s grows. No way was found.",
                        what);
    if (strength[0] == 0 && strength[1] == 0)
        cnn_story_figure(view, stem,
                         "%s stays silent, at 0: the picture shows noise, and nothing that the "
                         "network looks for.",
                         what);
    else if (isfinite(strength[0]) && isfinite(strength[1]))
        cnn_story_figure(view, stem,
                         "%s did not rise, %.3g at the start and %.3g at the end: the picture "
                         "shows noise, and nothing that the network looks for.",
                         what, (double)strength[0], (double)strength[1]);
    else
        cnn_story_figure(view, stem,
                         "%s is no number (NaN or infinite): the picture shows noise, and nothing "
                         "that the network looks for.",
                         what);
}

/* ---- Several channels on one sheet ---- */

#define TILE ((size_t)96)

struct sheet {
    struct cnn_view *view;
    size_t layer, count;
    size_t *channels; /* strongest first */
    float *images;    /* [count], NCHW */
    float *image;     /* one, as it is made */
    float (*strength)[2];
};

/* The mean of a channel for the view's picture. */
static double mean_of(const struct cnn_view *view, size_t layer, size_t channel)
{
    const cnn_shape s = cnn_view_node(view, layer)->out;
    const float *y = cnn_plan_value(view->plan, layer + 1);
    double sum = 0;
    for (size_t i = 0; i < s.h * s.w; i++)
        sum += (double)y[i * s.c + channel];
    return sum / (double)(s.h * s.w);
}

/* The channels that are strongest for the picture, the lower first of equal ones. */
static void pick_channels(struct sheet *s)
{
    const size_t all = cnn_view_node(s->view, s->layer)->out.c;
    size_t listed = 0;
    for (size_t c = 0; c < all; c++) {
        size_t at = listed;
        while (at > 0 &&
               mean_of(s->view, s->layer, c) > mean_of(s->view, s->layer, s->channels[at - 1]))
            at--;
        if (at == s->count)
            continue;
        listed = listed < s->count ? listed + 1 : s->count;
        memmove(s->channels + at + 1, s->channels + at, (listed - 1 - at) * sizeof *s->channels);
        s->channels[at] = c;
    }
}

static cnn_status make_images(struct sheet *s, cnn_diag *diag)
{
    const cnn_shape in = s->view->model->graph.input;
    struct cnn_excite settings = cnn_excite_defaults(in);
    cnn_status status = CNN_OK;
    settings.seed = s->view->options->seed;
    settings.stop = s->view->options->stop;
    for (size_t i = 0; status == CNN_OK && i < s->count; i++) {
        const struct cnn_unit unit = {.value = s->layer + 1, .channel = s->channels[i]};
        status = cnn_excite(s->view->model, unit, &settings, s->image, s->strength[i], diag);
        if (status == CNN_OK)
            cnn_transpose(1, in.h * in.w, in.c, s->image, s->images + i * cnn_shape_count(in));
    }
    return status;
}

static cnn_status draw_tile(const struct sheet *s, size_t i, struct cnn_canvas *canvas,
                            const struct cnn_area *area, cnn_diag *diag)
{
    const cnn_shape in = s->view->model->graph.input;
    struct cnn_canvas picture = {0}, fitted = {0};
    char number[CNN_NUMBER_SIZE], caption[64];
    cnn_status status =
        cnn_sheet_image(s->images + i * cnn_shape_count(in), in.c, in.h, in.w, &picture, diag);
    size_t longer = in.h > in.w ? in.h : in.w;
    if (status == CNN_OK && longer <= TILE)
        cnn_canvas_put(canvas, area->x, area->y, &picture, TILE / longer);
    else if (status == CNN_OK)
        status = cnn_canvas_resize(&picture, 1 + (in.w * TILE - 1) / longer,
                                   1 + (in.h * TILE - 1) / longer, &fitted, diag);
    if (status == CNN_OK && fitted.pixels)
        cnn_canvas_put(canvas, area->x, area->y, &fitted, 1);
    cnn_short_number(s->strength[i][1], number);
    if (s->strength[i][1] > s->strength[i][0])
        snprintf(caption, sizeof caption, "%zu: %s", s->channels[i], number);
    else
        cnn_caption(caption, sizeof caption, "%zu: %s (not found)", s->channels[i], number);
    cnn_canvas_text(canvas, area->x, area->y + TILE + 2, 1, CNN_INK, caption);
    cnn_canvas_free(&picture);
    cnn_canvas_free(&fitted);
    return status;
}

static cnn_status draw_sheet(const struct sheet *s, const char *stem, cnn_diag *diag)
{
    const struct cnn_sheet_grid grid =
        cnn_sheet_grid_of(s->count, TILE + 8, TILE + CNN_TEXT_HEIGHT + 8);
    struct cnn_canvas canvas = {0};
    char title[400], name[80];
    size_t top;
    cnn_caption(title, sizeof title, "%s: an input that excites each channel most",
                cnn_word_cut(cnn_view_node(s->view, s->layer)->name, name, sizeof name));
    const struct cnn_sheet_head head = {.title = title};
    cnn_status status = cnn_sheet_begin(&head, grid.columns * grid.tile_width,
                                        grid.rows * grid.tile_height, &canvas, &top, diag);
    for (size_t i = 0; status == CNN_OK && i < grid.shown; i++)
        status =
            draw_tile(s, i, &canvas,
                      &(struct cnn_area){.x = CNN_SHEET_MARGIN + i % grid.columns * grid.tile_width,
                                         .y = top + i / grid.columns * grid.tile_height},
                      diag);
    if (status == CNN_OK)
        status = cnn_view_write_picture(s->view, stem, &canvas, diag);
    cnn_canvas_free(&canvas);
    return status;
}

static cnn_status open_sheet(struct sheet *s, cnn_diag *diag)
{
    size_t size = cnn_shape_count(s->view->model->graph.input);
    s->channels = cnn_calloc(s->count + 1, sizeof *s->channels);
    s->strength = cnn_calloc(s->count, sizeof *s->strength);
    s->images = cnn_calloc(s->count, size * sizeof *s->images);
    s->image = cnn_calloc(size, sizeof *s->image);
    return s->channels && s->strength && s->images && s->image
               ? CNN_OK
               : cnn_fail_memory(diag, s->count * size * sizeof *s->images, "pictures");
}

/* The channels of the layer that are strongest for the picture. */
static cnn_status show_sheet(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    const size_t all = cnn_view_node(view, layer)->out.c, top = view->options->top;
    struct sheet s = {.view = view, .layer = layer, .count = top < all ? top : all};
    const char *stem = cnn_view_stem(view, layer, "-excite"),
               *name = cnn_view_node(view, layer)->name;
    cnn_status status = stem ? open_sheet(&s, diag) : cnn_fail_memory(diag, 0, "a name");
    if (status == CNN_OK) {
        pick_channels(&s);
        status = make_images(&s, diag);
    }
    if (status == CNN_OK)
        status = draw_sheet(&s, stem, diag);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, s.images,
                                    (const size_t[]){s.count, in.c, in.h, in.w}, 4, diag);
    if (status == CNN_OK) {
        cnn_story_heading(view, "What excites the channels of %s most", name);
        cnn_story_paragraph(view, "Not your picture: inputs made from noise, one for each channel, "
                                  "each changed so that the channel grows.");
        cnn_story_figure(view, stem,
                         "%zu of %zu channels, those that are strongest for your picture first. "
                         "Below each: its number and its mean for this input.",
                         s.count, all);
    }
    cnn_free(s.channels);
    cnn_free(s.strength);
    cnn_free(s.images);
    cnn_free(s.image);
    return status;
}

static cnn_status show_excite(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    struct cnn_excite settings = cnn_excite_defaults(graph->input);
    bool class = layer == CNN_NO_INDEX;
    size_t channel = class                                    ? view->target
                     : view->options->channel == CNN_NO_INDEX ? 0
                                                              : view->options->channel;
    const struct cnn_unit unit = {.value = class ? graph->logits : layer + 1, .channel = channel};
    size_t size = cnn_shape_count(graph->input);
    const char *stem = class ? cnn_arena_printf(view->arena, "class-%zu-excite", channel)
                             : cnn_view_stem(view, layer, "-%zu-excite", channel);
    const char *what =
        class ? cnn_view_caption(view, "the score of %s", cnn_story_class(view, channel))
              : cnn_view_caption(view, "%s, channel %zu", cnn_view_node(view, layer)->name,
                                 channel);
    if (!class && view->options->channel == CNN_NO_INDEX && view->options->top > 0)
        return show_sheet(view, layer, diag);
    float strength[2] = {0, 0}, *image = cnn_calloc(2 * size, sizeof *image);
    settings.seed = view->options->seed;
    settings.stop = view->options->stop;
    cnn_status status = image && stem
                            ? cnn_excite(view->model, unit, &settings, image, strength, diag)
                            : cnn_fail_memory(diag, size, "an image");
    if (status == CNN_OK) {
        float *turned = image + size;
        cnn_transpose(1, graph->input.h * graph->input.w, graph->input.c, image, turned);
        status = draw_excite(view, stem, what, turned, diag);
    }
    if (status == CNN_OK)
        tell_excite(view, stem, cnn_caption_said(what), settings.steps, strength);
    cnn_free(image);
    return status;
}

const struct cnn_view_kind cnn_kind_excite = {
    .number = CNN_PICTURE_EXCITE,
    .name = "excite",
    .help = "the input that most excites a class, or a channel of a layer",
    .source = CNN_KIND_NO_LAYER,
    .explains = CNN_KIND_CLASS_WITHOUT_LAYER,
    .takes_channel = true,
    .takes_top = true,
    .show = show_excite,
};
