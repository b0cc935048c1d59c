/* cnn_visualize: the order in which all is made. Everything that can be wrong with the request is
 * said before the first file is written. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "util/words.h"
#include "viz/html.h"
#include "viz/kind.h"
#include "viz/parts.h"

static cnn_status check_directory(const char *directory, cnn_diag *diag)
{
    cnn_status status = cnn_make_directories(directory, diag);
    if (status == CNN_OK && access(directory, W_OK | X_OK) != 0)
        status = cnn_fail(diag, CNN_FAILED, NULL, "cannot write into %s: %s", directory,
                          strerror(errno));
    return status;
}

static cnn_status run(struct cnn_view *view, cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    cnn_status status = cnn_plan_new(graph, view->model->parameters,
                                     &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_KEEP},
                                     &view->plan, diag);
    if (status != CNN_OK)
        return status;
    memcpy(cnn_plan_input(view->plan), view->x, cnn_shape_count(graph->input) * sizeof *view->x);
    cnn_plan_forward(view->plan, 1, false, 0);
    if (view->classes == 0)
        return CNN_OK;
    view->probabilities = cnn_arena_array(view->arena, view->classes, sizeof *view->probabilities);
    if (!view->probabilities)
        return cnn_fail_memory(diag, view->classes * sizeof(float), "an answer");
    cnn_model_probabilities(view->model, cnn_plan_value(view->plan, cnn_graph_output(graph)), 1,
                            view->probabilities);
    view->answered = true;
    for (size_t i = 0; i < view->classes; i++) {
        view->answered = view->answered && isfinite(view->probabilities[i]);
        view->predicted =
            view->probabilities[i] > view->probabilities[view->predicted] ? i : view->predicted;
    }
    if (view->target == CNN_NO_INDEX)
        view->target = view->predicted;
    if (view->options->answer &&
        view->options->answer(view->options->context, view->answered ? view->probabilities : NULL,
                              view->classes) != 0)
        view->stopped = true;
    return CNN_OK;
}

static cnn_status show_layer(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    bool headed = false;
    for (size_t k = 0; status == CNN_OK && k < CNN_PICTURE_KINDS; k++) {
        if (!cnn_view_kinds[k]->with_layers || !cnn_view_takes(view, cnn_view_kinds[k], layer))
            continue;
        if (!headed)
            cnn_story_layer(view, layer);
        headed = true;
        status = cnn_view_kinds[k]->show(view, layer, diag);
    }
    return status;
}

static cnn_status show_layers(struct cnn_view *view, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (!view->with_layers)
        return CNN_OK;
    cnn_story_layers(view);
    for (size_t i = 0; status == CNN_OK && i < view->model->graph.count; i++)
        status = show_layer(view, i, diag);
    return status;
}

/* A kind that stands after the layers. */
static cnn_status show_kind(struct cnn_view *view, const struct cnn_view_kind *kind, cnn_diag *diag)
{
    bool of_layers = kind->source != CNN_KIND_NO_LAYER ||
                     (view->options->layer_count > 0 && kind->explains != CNN_KIND_CLASS),
         possible = view->answered || !cnn_view_explains(view, kind);
    if (!cnn_view_wants(view, kind) || !possible)
        return CNN_OK;
    if (!of_layers)
        return kind->needs_map && view->main_layer == CNN_NO_INDEX
                   ? CNN_OK
                   : kind->show(view, CNN_NO_INDEX, diag);
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < view->model->graph.count; i++)
        if (cnn_view_takes(view, kind, i))
            status = kind->show(view, i, diag);
    return status;
}

static const char *title_of_seen(struct cnn_view *view, bool enlarged)
{
    const cnn_shape in = view->model->graph.input;
    if (view->numbers)
        return enlarged ? cnn_view_caption(view, "the input: %zu x %zu, enlarged", in.h, in.w)
                        : cnn_view_caption(view, "the input: %zu x %zu", in.h, in.w);
    return enlarged
               ? cnn_view_caption(view, "what the network sees: %zu x %zu, enlarged", in.h, in.w)
               : cnn_view_caption(view, "what the network sees: %zu x %zu", in.h, in.w);
}

/* The input beside what the network sees of it. */
static cnn_status show_input(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    struct cnn_panel panels[2] = {{.title = cnn_view_caption(view, "the picture")}};
    size_t count = view->numbers ? 1 : 2, factor = 1;
    cnn_status status = cnn_panel_enlarge(&view->seen, &panels[count - 1].picture, &factor, diag);
    if (status == CNN_OK && count == 2)
        status = cnn_panel_copy(&view->given, &panels[0].picture, diag);
    if (status == CNN_OK && view->numbers && in.c == 1 &&
        cnn_numbers_fit(view->image, in.h * in.w, factor))
        cnn_draw_numbers(&panels[0].picture, (struct cnn_map){view->image, in.h, in.w}, factor, 0,
                         0);
    panels[count - 1].title = title_of_seen(view, factor > 1);
    if (status == CNN_OK)
        status = cnn_panels_write(view, "input", panels, count, diag);
    cnn_panels_free(panels, 2);
    return status;
}

static cnn_status show_all(struct cnn_view *view, cnn_diag *diag)
{
    cnn_status status = cnn_view_drop_page(view, diag);
    if (status == CNN_OK)
        status = show_input(view, diag);
    cnn_story_begin(view);
    if (status == CNN_OK)
        status = show_layers(view, diag);
    if (view->after_layers)
        cnn_story_evidence(view);
    for (size_t k = 0; status == CNN_OK && k < CNN_PICTURE_KINDS; k++)
        if (!cnn_view_kinds[k]->with_layers)
            status = show_kind(view, cnn_view_kinds[k], diag);
    cnn_html_end(&view->page);
    return status == CNN_OK ? cnn_view_write_page(view, diag) : status;
}

/* What options leave open, in o; and what a caller can have given wrong. */
static cnn_status adopt_defaults(const cnn_model *model, const char *input,
                                 cnn_visualize_options *o, cnn_diag *diag)
{
    if (!model || !input || !cnn_words_given(o->layers, o->layer_count) ||
        (o->pixels && !o->pixels->data))
        return cnn_fail_missing(diag, "cnn_visualize",
                                "model, input, the name of a layer, or the data of pixels");
    if (o->version > CNN_VISUALIZE_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_visualize_options", o->version,
                                CNN_VISUALIZE_OPTIONS_VERSION);
    if ((unsigned)o->palette > CNN_PALETTE_SIGNED)
        return cnn_fail_index(diag, "palette", (size_t)o->palette, CNN_PALETTE_SIGNED + 1);
    if (!o->directory)
        o->directory = ".";
    if (!o->has_channel)
        o->channel = CNN_NO_INDEX;
    if (!o->has_position)
        o->row = o->column = CNN_NO_INDEX;
    return CNN_OK;
}

cnn_status cnn_visualize(cnn_model *model, const char *input, const cnn_visualize_options *options,
                         cnn_diag *diag)
{
    cnn_visualize_options o = options ? *options : (cnn_visualize_options){0};
    struct cnn_view view = {.model = model, .options = &o, .input = input};
    cnn_status status = adopt_defaults(model, input, &o, diag);
    if (status != CNN_OK)
        return status;
    view.arena = cnn_arena_new();
    const char *slash = strrchr(input, '/');
    view.input_name = strcmp(input, "-") == 0 ? cnn_say("standard input")
                      : slash && slash[1]     ? slash + 1
                                              : input;
    status = view.arena ? cnn_view_prepare(&view, diag) : cnn_fail_memory(diag, 0, "pictures");
    if (status == CNN_OK)
        status = cnn_view_load(&view, diag);
    if (status == CNN_OK)
        status = cnn_view_open_data(&view, diag);
    if (status == CNN_OK)
        status = check_directory(o.directory, diag);
    if (status == CNN_OK)
        status = run(&view, diag);
    for (size_t i = 0; status == CNN_OK && i < view.classes; i++)
        if (cnn_warn_of_letters(cnn_model_class(model, i), "index.html", diag))
            break;
    if (status == CNN_OK)
        status = show_all(&view, diag);
    cnn_canvas_free(&view.given);
    cnn_canvas_free(&view.seen);
    cnn_text_free(&view.page);
    cnn_text_free(&view.labels);
    cnn_dataset_free(view.dataset);
    cnn_plan_free(view.plan);
    cnn_arena_free(view.arena);
    return status;
}
