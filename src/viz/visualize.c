/* cnn_visualize: the kinds of pictures, what is asked for and whether it can be had, and the order
 * in which all is made. Everything that can be wrong with the request is said before the first file
 * is written. */
#include "viz/visualize.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/file.h"
#include "viz/attribution.h"
#include "viz/html.h"

#define ALL_KINDS ((1U << CNN_PICTURE_KINDS) - 1)
#define BIT(kind) (1U << (kind))

/* What a kind is made of when no layer is named. */
enum source { EVERY_LAYER, FIRST_KERNELS, MAIN_LAYER, NO_LAYER };

struct kind {
    const char *name, *help;
    enum source source;
    bool needs_class; /* and takes no layer, where source is NO_LAYER */
    bool needs_map;
    cnn_show *show;
};

static const struct kind kinds[CNN_PICTURE_KINDS] = {
    [CNN_PICTURE_FEATMAPS] = {"featmaps", "all maps of each layer on one sheet", EVERY_LAYER, false,
                              false, cnn_show_featmaps},
    [CNN_PICTURE_FILTERS] = {"filters", "the kernels of a layer (the first convolution)",
                             FIRST_KERNELS, false, false, cnn_show_filters},
    [CNN_PICTURE_HEATMAP] = {"heatmap",
                             "the sum of a layer's maps (the last convolution) over the picture",
                             MAIN_LAYER, false, true, cnn_show_heatmap},
    [CNN_PICTURE_GRADCAM] = {"gradcam", "where a class is seen (Grad-CAM)", MAIN_LAYER, true, true,
                             cnn_show_gradcam},
    [CNN_PICTURE_SALIENCY] = {"saliency",
                              "which pixels change a class's score (gradient, SmoothGrad)",
                              NO_LAYER, true, false, cnn_show_saliency},
    [CNN_PICTURE_OCCLUSION] = {"occlusion",
                               "how a class's probability drops when a patch is hidden", NO_LAYER,
                               true, false, cnn_show_occlusion},
    [CNN_PICTURE_ARGMAX] = {"argmax", "the strongest channel at each position", MAIN_LAYER, false,
                            true, cnn_show_argmax},
    [CNN_PICTURE_RECEPTIVE] = {"receptive", "what one value of a layer sees of the picture",
                               NO_LAYER, false, true, cnn_show_receptive},
    [CNN_PICTURE_EXCITE] = {"excite",
                            "the input that most excites a class, or a channel of a layer",
                            NO_LAYER, false, false, cnn_show_excite},
};

const char *cnn_picture_kind_name(cnn_picture_kind kind)
{
    if ((unsigned)kind >= CNN_PICTURE_KINDS)
        return NULL;
    return kinds[kind].name;
}

const char *cnn_picture_kind_help(cnn_picture_kind kind)
{
    if ((unsigned)kind >= CNN_PICTURE_KINDS)
        return NULL;
    return kinds[kind].help;
}

static bool wanted(const struct cnn_view *view, cnn_picture_kind kind)
{
    return view->kinds & BIT(kind);
}

static bool layer_fits(const struct cnn_view *view, cnn_picture_kind kind, size_t layer)
{
    struct cnn_kernel_view kernels;
    if (kind == CNN_PICTURE_FILTERS)
        return cnn_view_kernels(view, layer, &kernels);
    return !kinds[kind].needs_map || cnn_view_node(view, layer)->out.rank == 3;
}

/* Where every kind is asked for, or none, what does not fit is left out; else it is a mistake. */
static bool is_lenient(const struct cnn_view *view)
{
    return view->options->kinds == 0 || view->options->kinds == ALL_KINDS;
}

static cnn_status fail_fit(const struct cnn_view *view, cnn_picture_kind kind, size_t layer,
                           cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    struct cnn_text names = {0};
    size_t count = 0;
    cnn_status status =
        layer == CNN_NO_INDEX
            ? cnn_fail(diag, CNN_INVALID, NULL, "%s: no layer of this network fits %s",
                       view->model->source, kinds[kind].name)
            : cnn_fail(diag, CNN_INVALID, NULL, "layer '%s' (%s) %s: %s cannot be made of it",
                       graph->nodes[layer].name, graph->nodes[layer].type->variant.name,
                       kinds[kind].needs_map ? "gives no maps" : "has no kernels",
                       kinds[kind].name);
    for (size_t i = 0; i < graph->count; i++)
        if (layer_fits(view, kind, i) && count++ < 20)
            cnn_text_printf(&names, "%s%s", count > 1 ? ", " : "", graph->nodes[i].name);
    if (count > 0 && !names.failed)
        cnn_hint(diag, count > 20 ? "layers that fit: %s, and more" : "layers that fit: %s",
                 names.data);
    cnn_text_free(&names);
    return status;
}

static cnn_status check_layers(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *options = view->options;
    for (size_t i = 0; i < options->layer_count; i++) {
        size_t layer;
        cnn_status status = cnn_model_find_layer(view->model, options->layers[i], &layer, diag);
        for (int kind = 0; status == CNN_OK && kind < CNN_PICTURE_KINDS; kind++)
            if (wanted(view, (cnn_picture_kind)kind) && !is_lenient(view) &&
                !layer_fits(view, (cnn_picture_kind)kind, layer))
                status = fail_fit(view, (cnn_picture_kind)kind, layer, diag);
        if (status != CNN_OK)
            return status;
        view->chosen[layer] = true;
    }
    return CNN_OK;
}

/* Whether any kind that is wanted explains a class. */
static bool uses_class(const struct cnn_view *view)
{
    bool uses = wanted(view, CNN_PICTURE_EXCITE) && view->options->layer_count == 0;
    for (int i = 0; i < CNN_PICTURE_KINDS; i++)
        uses = uses || (kinds[i].needs_class && wanted(view, (cnn_picture_kind)i));
    return uses;
}

static cnn_status check_place(const struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *o = view->options;
    bool place = o->row != CNN_NO_INDEX || o->column != CNN_NO_INDEX,
         channel = o->channel != CNN_NO_INDEX;
    if ((place && !wanted(view, CNN_PICTURE_RECEPTIVE)) ||
        (channel && !wanted(view, CNN_PICTURE_EXCITE)))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        place ? "a position is for the kind receptive"
                              : "a channel is for the kind excite");
    if (o->class_name && !uses_class(view))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "a class is for the kinds gradcam, saliency and occlusion, and for excite "
                        "without a layer");
    if ((place || channel) && o->layer_count == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "a %s needs the name of a layer",
                        place ? "position" : "channel");
    for (size_t i = 0; i < view->model->graph.count; i++) {
        const struct cnn_node *node = cnn_view_node(view, i);
        if (view->chosen[i] && channel && o->channel >= node->out.c)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "layer '%s' has %zu channels: 0 to %zu, not %zu", node->name,
                            node->out.c, node->out.c - 1, o->channel);
        if (view->chosen[i] && node->out.rank == 3 &&
            ((o->row != CNN_NO_INDEX && o->row >= node->out.h) ||
             (o->column != CNN_NO_INDEX && o->column >= node->out.w)))
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "layer '%s' has maps of %zu x %zu: row 0 to %zu, column 0 to %zu",
                            node->name, node->out.h, node->out.w, node->out.h - 1, node->out.w - 1);
    }
    return CNN_OK;
}

static cnn_status check_kinds(const struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *options = view->options;
    if (options->kinds & ~ALL_KINDS)
        return cnn_fail(diag, CNN_INVALID, NULL, "unknown kind of picture");
    for (int i = 0; !is_lenient(view) && i < CNN_PICTURE_KINDS; i++) {
        const struct kind *kind = &kinds[i];
        bool excites_class = i == CNN_PICTURE_EXCITE && options->layer_count == 0;
        bool any = false;
        if (!wanted(view, (cnn_picture_kind)i))
            continue;
        if ((kind->needs_class || excites_class) && view->classes == 0)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "%s: its outputs are no classes; %s explains one", view->model->source,
                            kind->name);
        for (size_t layer = 0; layer < view->model->graph.count; layer++)
            any = any || layer_fits(view, (cnn_picture_kind)i, layer);
        if (!any)
            return fail_fit(view, (cnn_picture_kind)i, CNN_NO_INDEX, diag);
        if (kind->source == NO_LAYER && kind->needs_class && options->layer_count > 0 &&
            options->kinds == BIT(i))
            return cnn_fail(diag, CNN_INVALID, NULL, "%s is about the input, not about a layer",
                            kind->name);
    }
    return CNN_OK;
}

/* A class by its name, or by its number. */
static cnn_status find_class(const struct cnn_view *view, const char *word, size_t *class,
                             cnn_diag *diag)
{
    const cnn_model *model = view->model;
    char *end;
    if (view->classes == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s: its outputs are no classes, so there is no class '%s'", model->source,
                        word);
    for (size_t i = 0; i < model->class_count && i < view->classes; i++)
        if (strcmp(model->classes[i], word) == 0) {
            *class = i;
            return CNN_OK;
        }
    errno = 0;
    unsigned long long number = strtoull(word, &end, 10);
    if (word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0 && number < view->classes) {
        *class = (size_t)number;
        return CNN_OK;
    }
    const char *nearest = cnn_nearest_word(word, model->classes, model->class_count);
    cnn_fail(diag, CNN_INVALID, NULL, "%s has no class '%s'", model->source, word);
    if (nearest)
        cnn_hint(diag, "did you mean '%s'?", nearest);
    else
        cnn_hint(diag, "its classes are 0 to %zu%s", view->classes - 1,
                 model->class_count > 0 ? ", or their names" : "");
    return CNN_INVALID;
}

static cnn_status check_directory(const char *directory, cnn_diag *diag)
{
    cnn_status status = cnn_make_directories(directory, diag);
    if (status == CNN_OK && access(directory, W_OK | X_OK) != 0)
        status = cnn_fail(diag, CNN_FAILED, NULL, "cannot write into %s: %s", directory,
                          strerror(errno));
    return status;
}

static unsigned default_kinds(const struct cnn_view *view)
{
    if (view->options->layer_count > 0)
        return CNN_LAYER_KINDS;
    return CNN_LAYER_KINDS | BIT(CNN_PICTURE_HEATMAP) | BIT(CNN_PICTURE_GRADCAM) |
           BIT(CNN_PICTURE_SALIENCY);
}

/* Everything about the request that does not need the input to be read. */
static cnn_status prepare(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *options = view->options;
    const cnn_shape out = cnn_model_output(view->model);
    size_t value;
    view->chosen = cnn_arena_array(view->arena, view->model->graph.count, sizeof *view->chosen);
    view->classes = out.h * out.w == 1 && out.c > 1 ? out.c : 0;
    view->kinds = options->kinds ? options->kinds : default_kinds(view);
    view->label = CNN_NO_INDEX;
    view->target = CNN_NO_INDEX;
    /* CNN_INVALID: there is no map */
    cnn_status status = cnn_gradcam_value(view->model, &value, NULL);
    view->main_layer = status == CNN_OK ? value - 1 : CNN_NO_INDEX;
    if (!view->chosen || status == CNN_FAILED)
        return cnn_fail_memory(diag, 0, "a list of layers");
    status = check_layers(view, diag);
    if (status == CNN_OK)
        status = check_kinds(view, diag);
    if (status == CNN_OK)
        status = check_place(view, diag);
    if (status == CNN_OK && options->label)
        status = find_class(view, options->label, &view->label, diag);
    if (status == CNN_OK && options->class_name)
        status = find_class(view, options->class_name, &view->target, diag);
    return status;
}

static cnn_status run(struct cnn_view *view, cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    cnn_status status =
        cnn_plan_new(graph, view->model->parameters, 1, CNN_PLAN_KEEP, false, &view->plan, diag);
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

/* Whether layer is one that the kind is made of. */
static bool takes_layer(const struct cnn_view *view, cnn_picture_kind kind, size_t layer,
                        bool *first)
{
    if (!wanted(view, kind) || !layer_fits(view, kind, layer))
        return false;
    if (view->options->layer_count > 0)
        return view->chosen[layer];
    if (kinds[kind].source == FIRST_KERNELS) {
        bool is_first = *first;
        *first = false;
        return is_first;
    }
    return kinds[kind].source == EVERY_LAYER ||
           (kinds[kind].source == MAIN_LAYER && layer == view->main_layer);
}

static cnn_status show_layers(struct cnn_view *view, cnn_diag *diag)
{
    bool first = true;
    cnn_status status = CNN_OK;
    if (!(view->kinds & CNN_LAYER_KINDS))
        return CNN_OK;
    cnn_story_layers(view);
    for (size_t i = 0; status == CNN_OK && i < view->model->graph.count; i++) {
        bool filters = takes_layer(view, CNN_PICTURE_FILTERS, i, &first),
             maps = takes_layer(view, CNN_PICTURE_FEATMAPS, i, &first);
        if (filters || maps)
            cnn_story_layer(view, i);
        if (filters)
            status = cnn_show_filters(view, i, diag);
        if (status == CNN_OK && maps)
            status = cnn_show_featmaps(view, i, diag);
    }
    return status;
}

static cnn_status show_kind(struct cnn_view *view, cnn_picture_kind kind, cnn_diag *diag)
{
    const struct kind *k = &kinds[kind];
    bool layers = k->source != NO_LAYER || (view->options->layer_count > 0 && !k->needs_class),
         first = true;
    if (!wanted(view, kind) || (k->needs_class && !view->answered))
        return CNN_OK;
    if (!layers) {
        bool possible = (kind != CNN_PICTURE_EXCITE || view->answered) &&
                        (!k->needs_map || view->main_layer != CNN_NO_INDEX);
        return possible ? k->show(view, CNN_NO_INDEX, diag) : CNN_OK;
    }
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < view->model->graph.count; i++)
        if (takes_layer(view, kind, i, &first))
            status = k->show(view, i, diag);
    return status;
}

/* The input beside what the network sees of it. */
static cnn_status show_input(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    struct cnn_panel panels[2] = {{.title = "the picture"},
                                  {{0}, .title = "what the network sees"}};
    size_t count = view->numbers ? 1 : 2, factor = 1;
    cnn_status status = cnn_panel_enlarge(&view->seen, &panels[count - 1].picture, &factor, diag);
    if (status == CNN_OK && count == 2)
        status = cnn_panel_copy(&view->given, &panels[0].picture, diag);
    panels[count - 1].title = cnn_arena_printf(view->arena, "%s: %zu x %zu%s",
                                               count == 1 ? "the input" : "what the network sees",
                                               in.h, in.w, factor > 1 ? ", enlarged" : "");
    if (status == CNN_OK && !panels[count - 1].title)
        status = cnn_fail_memory(diag, 0, "a title");
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
    if (view->kinds & ~CNN_LAYER_KINDS)
        cnn_story_evidence(view);
    for (int kind = 0; status == CNN_OK && kind < CNN_PICTURE_KINDS; kind++)
        if (!(CNN_LAYER_KINDS & BIT(kind)))
            status = show_kind(view, (cnn_picture_kind)kind, diag);
    cnn_html_end(&view->page);
    return status == CNN_OK ? cnn_view_write_page(view, diag) : status;
}

/* What options leave open, in o; and what a caller can have given wrong. */
static cnn_status adopt_defaults(const cnn_model *model, const char *input,
                                 cnn_visualize_options *o, cnn_diag *diag)
{
    if (!model || !input || !cnn_words_given(o->layers, o->layer_count))
        return cnn_fail_missing(diag, "cnn_visualize", "model, input or the name of a layer");
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
    view.input_name = strcmp(input, "-") == 0 ? "standard input"
                      : slash && slash[1]     ? slash + 1
                                              : input;
    status = view.arena ? prepare(&view, diag) : cnn_fail_memory(diag, 0, "pictures");
    if (status == CNN_OK)
        status = cnn_view_load(&view, diag);
    if (status == CNN_OK)
        status = check_directory(o.directory, diag);
    if (status == CNN_OK)
        status = run(&view, diag);
    if (status == CNN_OK)
        status = show_all(&view, diag);
    cnn_canvas_free(&view.given);
    cnn_canvas_free(&view.seen);
    cnn_text_free(&view.page);
    cnn_plan_free(view.plan);
    cnn_arena_free(view.arena);
    return status;
}
