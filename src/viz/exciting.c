/* The kind `excite`: an input that excite.c makes from noise, and what is said of it. */
#include <math.h>

#include "util/allocate.h"
#include "viz/attribution.h"
#include "viz/kind.h"

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
        class ? cnn_arena_printf(view->arena, "the score of %s", cnn_story_class(view, channel))
              : cnn_arena_printf(view->arena, "%s, channel %zu", cnn_view_node(view, layer)->name,
                                 channel);
    float strength[2] = {0, 0}, *image = cnn_calloc(2 * size, sizeof *image);
    settings.seed = view->options->seed;
    settings.stop = view->options->stop;
    cnn_status status = image && stem && what
                            ? cnn_excite(view->model, unit, &settings, image, strength, diag)
                            : cnn_fail_memory(diag, size, "an image");
    if (status == CNN_OK) {
        float *turned = image + size;
        cnn_transpose(1, graph->input.h * graph->input.w, graph->input.c, image, turned);
        status = draw_excite(view, stem, what, turned, diag);
    }
    if (status == CNN_OK)
        tell_excite(view, stem, what, settings.steps, strength);
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
    .show = show_excite,
};
