/* What is asked of cnn_visualize, and whether it can be had. */
#include <stdlib.h>
#include <string.h>

#include "model/record.h"
#include "viz/attribution.h"
#include "viz/kind.h"

#define ALL_KINDS ((1U << CNN_PICTURE_KINDS) - 1)
#define BIT(kind) (1U << (kind)->number)

bool cnn_view_wants(const struct cnn_view *view, const struct cnn_view_kind *kind)
{
    bool every = view->options->kinds == ALL_KINDS,
         data = view->options->data_path || view->options->split;
    return view->kinds & BIT(kind) && (!kind->needs_data || !every || data);
}

static bool layer_fits(const struct cnn_view *view, const struct cnn_view_kind *kind, size_t layer)
{
    return kind->fits ? kind->fits(view, layer)
                      : !kind->needs_map || cnn_view_node(view, layer)->out.rank == 3;
}

bool cnn_view_explains(const struct cnn_view *view, const struct cnn_view_kind *kind)
{
    return kind->explains == CNN_KIND_CLASS ||
           (kind->explains == CNN_KIND_CLASS_WITHOUT_LAYER && view->options->layer_count == 0);
}

/* Where every kind is asked for, or none, what does not fit is left out; else it is a mistake. */
static bool is_lenient(const struct cnn_view *view)
{
    return view->options->kinds == 0 || view->options->kinds == ALL_KINDS;
}

static cnn_status fail_fit(const struct cnn_view *view, const struct cnn_view_kind *kind,
                           size_t layer, cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    struct cnn_text names = {0};
    size_t count = 0;
    cnn_status status =
        layer == CNN_NO_INDEX
            ? cnn_fail(diag, CNN_INVALID, NULL, "%s: no layer of this network fits %s",
                       view->model->source, kind->name)
            : cnn_fail(diag, CNN_INVALID, NULL, "layer '%s' (%s) %s: %s cannot be made of it",
                       graph->nodes[layer].name, graph->nodes[layer].type->variant.name,
                       kind->misfit ? kind->misfit : "gives no maps", kind->name);
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
        for (size_t k = 0; status == CNN_OK && k < CNN_PICTURE_KINDS; k++)
            if (cnn_view_wants(view, cnn_view_kinds[k]) && !is_lenient(view) &&
                !layer_fits(view, cnn_view_kinds[k], layer))
                status = fail_fit(view, cnn_view_kinds[k], layer, diag);
        if (status != CNN_OK)
            return status;
        view->chosen[layer] = true;
    }
    return CNN_OK;
}

/* What an option may be for. */
typedef bool is_for(const struct cnn_view_kind *kind);

static bool takes_position(const struct cnn_view_kind *kind)
{
    return kind->takes_position;
}

static bool takes_channel(const struct cnn_view_kind *kind)
{
    return kind->takes_channel;
}

static bool takes_class(const struct cnn_view_kind *kind)
{
    return kind->explains == CNN_KIND_CLASS;
}

static bool takes_class_without_layer(const struct cnn_view_kind *kind)
{
    return kind->explains == CNN_KIND_CLASS_WITHOUT_LAYER;
}

static bool any_wanted(const struct cnn_view *view, is_for *for_kind)
{
    bool any = false;
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++)
        any = any || (for_kind(cnn_view_kinds[i]) && cnn_view_wants(view, cnn_view_kinds[i]));
    return any;
}

/* "gradcam, saliency and occlusion" */
static void list_kinds(is_for *for_kind, struct cnn_text *out)
{
    size_t count = 0, told = 0;
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++)
        count += for_kind(cnn_view_kinds[i]);
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++) {
        if (!for_kind(cnn_view_kinds[i]))
            continue;
        const char *joint = told == 0 ? "" : told + 1 == count ? " and " : ", ";
        cnn_text_printf(out, "%s%s", joint, cnn_view_kinds[i]->name);
        told++;
    }
}

static cnn_status fail_option(const char *option, is_for *for_kind, cnn_diag *diag)
{
    struct cnn_text names = {0};
    list_kinds(for_kind, &names);
    cnn_status status = cnn_fail(diag, CNN_INVALID, NULL, "a %s is for the kind %s", option,
                                 names.failed ? "" : names.data);
    cnn_text_free(&names);
    return status;
}

static cnn_status fail_class(cnn_diag *diag)
{
    struct cnn_text always = {0}, without_layer = {0};
    list_kinds(takes_class, &always);
    list_kinds(takes_class_without_layer, &without_layer);
    cnn_status status =
        cnn_fail(diag, CNN_INVALID, NULL, "a class is for the kinds %s, and for %s without a layer",
                 always.failed ? "" : always.data, without_layer.failed ? "" : without_layer.data);
    cnn_text_free(&always);
    cnn_text_free(&without_layer);
    return status;
}

static bool needs_data(const struct cnn_view_kind *kind)
{
    return kind->needs_data;
}

static bool takes_top(const struct cnn_view_kind *kind)
{
    return kind->takes_top;
}

/* Options that no kind of those wanted takes. */
static cnn_status check_options(const struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *o = view->options;
    bool place = o->row != CNN_NO_INDEX || o->column != CNN_NO_INDEX,
         channel = o->channel != CNN_NO_INDEX;
    bool class = any_wanted(view, takes_class) ||
                 (o->layer_count == 0 && any_wanted(view, takes_class_without_layer));
    if (place && !any_wanted(view, takes_position))
        return fail_option("position", takes_position, diag);
    if (channel && !any_wanted(view, takes_channel))
        return fail_option("channel", takes_channel, diag);
    if ((o->data_path || o->split) && !any_wanted(view, needs_data))
        return fail_option("data set", needs_data, diag);
    if (o->top > 0 && !any_wanted(view, takes_top))
        return fail_option("number of channels", takes_top, diag);
    if (o->class_name && !class)
        return fail_class(diag);
    if ((place || channel) && o->layer_count == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "a %s needs the name of a layer",
                        place ? "position" : "channel");
    return CNN_OK;
}

static cnn_status check_place(const struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *o = view->options;
    const bool channel = o->channel != CNN_NO_INDEX;
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
    for (size_t i = 0; !is_lenient(view) && i < CNN_PICTURE_KINDS; i++) {
        const struct cnn_view_kind *kind = cnn_view_kinds[i];
        bool any = false;
        if (!cnn_view_wants(view, kind))
            continue;
        if (cnn_view_explains(view, kind) && view->classes == 0)
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "%s: its outputs are no classes; %s explains one", view->model->source,
                            kind->name);
        for (size_t layer = 0; layer < view->model->graph.count; layer++)
            any = any || layer_fits(view, kind, layer);
        if (!any)
            return fail_fit(view, kind, CNN_NO_INDEX, diag);
        if (kind->source == CNN_KIND_NO_LAYER && takes_class(kind) && options->layer_count > 0 &&
            options->kinds == BIT(kind))
            return cnn_fail(diag, CNN_INVALID, NULL, "%s is about the input, not about a layer",
                            kind->name);
    }
    return CNN_OK;
}

/* A class by its name, or by its number. */
static cnn_status find_class(const struct cnn_view *view, const char *word, size_t *class,
                             cnn_diag *diag)
{
    if (view->classes == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s: its outputs are no classes, so there is no class '%s'",
                        view->model->source, word);
    return cnn_model_find_class(view->model, view->classes, word, class, diag);
}

/* What one would look at first: of layers that are named, what stands with them. */
static unsigned default_kinds(const struct cnn_view *view)
{
    unsigned chosen = 0;
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++)
        if (view->options->layer_count > 0 ? cnn_view_kinds[i]->with_layers
                                           : cnn_view_kinds[i]->usual)
            chosen |= BIT(cnn_view_kinds[i]);
    return chosen;
}

static void choose_kinds(struct cnn_view *view)
{
    view->kinds = view->options->kinds ? view->options->kinds : default_kinds(view);
    for (size_t i = 0; i < CNN_PICTURE_KINDS; i++) {
        const struct cnn_view_kind *kind = cnn_view_kinds[i];
        if (!cnn_view_wants(view, kind))
            continue;
        view->with_layers = view->with_layers || kind->with_layers;
        view->after_layers = view->after_layers || !kind->with_layers;
        view->about_answer = view->about_answer || kind->about_answer;
    }
}

cnn_status cnn_view_prepare(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *options = view->options;
    const cnn_shape out = cnn_model_output(view->model);
    size_t value;
    view->chosen = cnn_arena_array(view->arena, view->model->graph.count, sizeof *view->chosen);
    view->classes = out.h * out.w == 1 && out.c > 1 ? out.c : 0;
    choose_kinds(view);
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
        status = check_options(view, diag);
    if (status == CNN_OK)
        status = check_place(view, diag);
    if (status == CNN_OK && options->label)
        status = find_class(view, options->label, &view->label, diag);
    if (status == CNN_OK && options->class_name)
        status = find_class(view, options->class_name, &view->target, diag);
    return status;
}

static bool is_first_that_fits(const struct cnn_view *view, const struct cnn_view_kind *kind,
                               size_t layer)
{
    for (size_t i = 0; i < layer; i++)
        if (layer_fits(view, kind, i))
            return false;
    return true;
}

cnn_status cnn_view_open_data(struct cnn_view *view, cnn_diag *diag)
{
    const cnn_visualize_options *o = view->options;
    const struct cnn_named_split named = {
        .word = o->split ? o->split : "test", .path = o->data_path, .what = "take patches from"};
    return any_wanted(view, needs_data)
               ? cnn_record_open_named(view->model, &named, &view->dataset, &view->split, diag)
               : CNN_OK;
}

bool cnn_view_takes(const struct cnn_view *view, const struct cnn_view_kind *kind, size_t layer)
{
    if (!cnn_view_wants(view, kind) || !layer_fits(view, kind, layer))
        return false;
    if (view->options->layer_count > 0)
        return view->chosen[layer];
    switch (kind->source) {
    case CNN_KIND_EVERY_LAYER:
        return true;
    case CNN_KIND_FIRST_LAYER:
        return is_first_that_fits(view, kind, layer);
    case CNN_KIND_MAIN_LAYER:
        return layer == view->main_layer;
    case CNN_KIND_NO_LAYER:
        break;
    }
    return false;
}
