/* Pictures of one layer's numbers: its maps, its kernels, and which channel is the strongest
 * where. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"
#include "util/file.h"
#include "util/words.h"
#include "viz/kind.h"
#include "viz/parts.h"

#define LEGEND_LINES (CNN_DISTINCT_COLOURS + 1)

/* Whether a channel that is all zero means a filter that found nothing: the layer cuts off at zero,
 * or passes on (as dropout does) what such a one gave. */
static bool rectifies(const struct cnn_view *view, size_t layer)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    if (cnn_activation_rectifies(node->activation) || layer == 0 ||
        !cnn_layer_merged(&view->model->graph, layer - 1))
        return cnn_activation_rectifies(node->activation);
    size_t bytes = cnn_shape_count(node->out) * sizeof(float);
    return rectifies(view, layer - 1) && memcmp(cnn_plan_value(view->plan, layer),
                                                cnn_plan_value(view->plan, layer + 1), bytes) == 0;
}

static void tell_counts(struct cnn_text *text, const struct cnn_sheet_summary *s, bool map)
{
    const char *what = map ? "channels" : "values";
    if (s->silent > 0)
        cnn_text_printf(text,
                        map ? cnn_say(" %zu of %zu %s %s silent for this picture: zero everywhere.")
                            : cnn_say(" %zu of %zu %s %s zero."),
                        s->silent, s->maps, what, s->silent == 1 ? "is" : "are");
    if (s->constant > 0 && map)
        cnn_text_printf(text, cnn_say(" %zu of %zu %s %s the same value everywhere."), s->constant,
                        s->maps, what, s->constant == 1 ? "has" : "have");
    if (s->nan > 0)
        cnn_text_printf(text,
                        map ? cnn_say(" %zu of %zu %s %s values that are no numbers (NaN or "
                                      "infinite), shown in magenta.")
                            : cnn_say(" %zu of %zu %s %s no numbers."),
                        s->nan, s->maps, what,
                        map           ? (s->nan == 1 ? "holds" : "hold")
                        : s->nan == 1 ? "is"
                                      : "are");
}

static cnn_status write_each(struct cnn_view *view, size_t layer, const float *values,
                             cnn_diag *diag)
{
    const cnn_shape out = cnn_view_node(view, layer)->out;
    const char *folder = cnn_view_stem(view, layer, "-maps");
    const char *path =
        folder ? cnn_arena_printf(view->arena, "%s/%s", view->options->directory, folder) : NULL;
    struct cnn_range range = cnn_range_of(values, cnn_shape_count(out));
    cnn_status status =
        path ? cnn_make_directories(path, diag) : cnn_fail_memory(diag, 0, "a path");
    for (size_t c = 0; status == CNN_OK && c < out.c; c++) {
        const float *map = values + c * out.h * out.w;
        struct cnn_canvas picture = {0};
        if (!view->options->one_scale)
            range = cnn_range_of(map, out.h * out.w);
        status = cnn_sheet_map((struct cnn_map){map, out.h, out.w},
                               (struct cnn_colouring){view->options->palette, range}, CNN_VIEW_SIDE,
                               &picture, diag);
        if (status == CNN_OK)
            status = cnn_view_write_picture(view, cnn_view_stem(view, layer, "-maps/%03zu", c),
                                            &picture, diag);
        cnn_canvas_free(&picture);
    }
    return status;
}

static cnn_status draw_sheet(struct cnn_view *view, size_t layer, const float *values,
                             struct cnn_sheet_summary *summary, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const struct cnn_maps maps = {
        .values = values, .count = node->out.c, .h = node->out.h, .w = node->out.w};
    struct cnn_canvas picture = {0};
    char shape[64], title[240], name[80];
    cnn_word_cut(node->name, name, sizeof name);
    if (node->out.rank == 3)
        snprintf(title, sizeof title, "%s: %s", name,
                 cnn_shape_format(node->out, shape, sizeof shape));
    else
        cnn_caption(title, sizeof title, "%s: %zu numbers", name, node->out.c);
    bool classes =
        layer + 1 >= view->model->graph.logits && node->out.c == view->model->class_count;
    const struct cnn_sheet_style style = {.palette = view->options->palette,
                                          .one_scale = view->options->one_scale,
                                          .mark_silent = rectifies(view, layer),
                                          .numbers = true,
                                          .title = title,
                                          .names = classes ? view->model->classes : NULL};
    cnn_status status = node->out.rank == 3 ? cnn_sheet_maps(&maps, &style, &picture, summary, diag)
                                            : cnn_sheet_values(values, node->out.c, &style,
                                                               &picture, summary, diag);
    if (status == CNN_OK)
        status = cnn_view_write_picture(view, cnn_view_stem(view, layer, "-maps"), &picture, diag);
    cnn_canvas_free(&picture);
    return status;
}

/* Whether the layer's numbers are those of maps, in a row (flatten): a sheet would show them all
 * again. */
static bool is_row_of_maps(const struct cnn_node *node)
{
    return node->input_count == 1 && node->in[0].rank == 3 && node->out.rank == 1 &&
           node->macs == 0 && cnn_shape_count(node->in[0]) == node->out.c;
}

/* Whether other layers' pictures show the layer's numbers; the page then says which. */
static bool tell_shown_elsewhere(struct cnn_view *view, size_t layer)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    size_t last = layer;
    if (view->options->layer_count > 0)
        return false;
    while (cnn_layer_merged(&view->model->graph, last))
        last++;
    if (last > layer)
        cnn_story_paragraph(view, "Its maps are shown after %s, which changes the same numbers.",
                            cnn_view_node(view, last)->name);
    else if (is_row_of_maps(node))
        cnn_story_paragraph(view,
                            "The numbers of %s, in a row: channel by channel, and each row by row.",
                            node->inputs[0] > 0 ? cnn_view_node(view, node->inputs[0] - 1)->name
                                                : cnn_say("the input"));
    return last > layer || is_row_of_maps(node);
}

static cnn_status show_featmaps(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    bool map = node->out.rank == 3;
    const size_t dims[3] = {node->out.c, node->out.h, node->out.w};
    const char *stem = cnn_view_stem(view, layer, "-maps");
    struct cnn_sheet_summary summary = {0};
    struct cnn_text caption = {0};
    float *values = NULL;
    if (tell_shown_elsewhere(view, layer))
        return CNN_OK;
    cnn_status status =
        stem ? cnn_view_values(view, layer, &values, diag) : cnn_fail_memory(diag, 0, "a name");
    if (status == CNN_OK)
        status = draw_sheet(view, layer, values, &summary, diag);
    if (status == CNN_OK && view->options->each && map)
        status = write_each(view, layer, values, diag);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, values, dims, map ? 3 : 1, diag);
    if (status == CNN_OK) {
        const struct cnn_range range = cnn_range_of(values, cnn_shape_count(node->out));
        cnn_text_printf(&caption, map ? cnn_say("%zu map%s of %zu x %zu") : cnn_say("%zu value%s"),
                        node->out.c, node->out.c == 1 ? "" : "s", node->out.h, node->out.w);
        cnn_text_printf(&caption, cnn_say(", from %.4g to %.4g."), (double)range.low,
                        (double)range.high);
        tell_counts(&caption, &summary, map);
        view->page.failed = view->page.failed || caption.failed;
        cnn_story_figure(view, stem, "%s", caption.data ? caption.data : "");
        if (map)
            cnn_story_numbers(view, values, node->out.c, node->out.h, node->out.w);
    }
    cnn_text_free(&caption);
    cnn_free(values);
    return status;
}

const struct cnn_view_kind cnn_kind_featmaps = {
    .number = CNN_PICTURE_FEATMAPS,
    .name = "featmaps",
    .help = "all maps of each layer",
    .source = CNN_KIND_EVERY_LAYER,
    .with_layers = true,
    .usual = true,
    .show = show_featmaps,
};

static bool has_kernels(const struct cnn_view *view, size_t layer)
{
    struct cnn_kernel_view kernels;
    return cnn_layer_kernels(&view->model->graph, view->model->parameters, layer, &kernels);
}

static cnn_status show_filters(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const char *stem = cnn_view_stem(view, layer, "-filters");
    struct cnn_kernel_view k;
    struct cnn_canvas picture = {0};
    char title[400], name[80];
    if (!stem || !cnn_layer_kernels(&view->model->graph, view->model->parameters, layer, &k))
        return stem ? CNN_OK : cnn_fail_memory(diag, 0, "a name");
    bool colours =
        k.channels == 3 && (node->inputs[0] == 0 ||
                            k.h * k.w * k.channels == cnn_shape_count(view->model->graph.input));
    cnn_caption(title, sizeof title, "%s: %zu filter%s of %zu x %zu x %zu",
                cnn_word_cut(node->name, name, sizeof name), k.filters, k.filters == 1 ? "" : "s",
                k.channels, k.h, k.w);
    cnn_status status = cnn_sheet_filters(&k, colours, title, &picture, diag);
    if (status == CNN_OK)
        status = cnn_view_write_picture(view, stem, &picture, diag);
    cnn_canvas_free(&picture);
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, k.weights,
                                    (const size_t[]){k.filters, k.channels, k.h, k.w}, 4, diag);
    if (status == CNN_OK) {
        const struct cnn_range range = cnn_range_of(k.weights, k.filters * k.channels * k.h * k.w);
        const char *how =
            colours ? cnn_say("Each in the colours that it looks for; grey is a weight of "
                              "zero.")
            : k.channels == 1 ? cnn_say("White is zero, red above, blue below.")
                              : cnn_say("A row for each filter, a square for each channel that it "
                                        "reads; white is zero, red above, blue below.");
        cnn_story_figure(view, stem,
                         "The weights of %s, from %.3g to %.3g: the patterns to which its channels "
                         "answer most strongly. %s",
                         node->name, (double)range.low, (double)range.high, how);
        cnn_story_numbers(view, k.weights, k.filters * k.channels, k.h, k.w);
    }
    return status;
}

const struct cnn_view_kind cnn_kind_filters = {
    .number = CNN_PICTURE_FILTERS,
    .name = "filters",
    .help = "the kernels of the first convolution, or of the layers named",
    .source = CNN_KIND_FIRST_LAYER,
    .fits = has_kernels,
    .misfit = "has no kernels",
    .with_layers = true,
    .usual = true,
    .show = show_filters,
};

/* A channel that is the strongest somewhere, and at how many positions. */
struct winner {
    size_t channel, positions;
};

/* The channel that is largest at each position; CNN_NO_INDEX where there is no number. winners: all
 * channels, in their order. */
static void find_strongest(const float *values, cnn_shape s, size_t *strongest,
                           struct winner *winners)
{
    size_t positions = s.h * s.w;
    for (size_t c = 0; c < s.c; c++)
        winners[c] = (struct winner){c, 0};
    for (size_t p = 0; p < positions; p++) {
        size_t best = CNN_NO_INDEX;
        for (size_t c = 0; c < s.c; c++)
            if (isfinite(values[c * positions + p]) &&
                (best == CNN_NO_INDEX || values[c * positions + p] > values[best * positions + p]))
                best = c;
        strongest[p] = best;
        if (best != CNN_NO_INDEX)
            winners[best].positions++;
    }
}

/* Most frequent first, then by number. */
static int compare_winners(const void *a, const void *b)
{
    const struct winner *x = a, *y = b;
    if (x->positions != y->positions)
        return x->positions > y->positions ? -1 : 1;
    return x->channel < y->channel ? -1 : x->channel > y->channel;
}

/* Winners sorted -> ranks by channel; those that are the strongest nowhere come last. How many are
 * the strongest somewhere. */
static size_t rank_winners(struct winner *winners, size_t channels, size_t *ranks)
{
    size_t used = 0;
    qsort(winners, channels, sizeof *winners, compare_winners);
    for (size_t i = 0; i < channels; i++) {
        ranks[winners[i].channel] = i;
        used += winners[i].positions > 0;
    }
    return used;
}

/* By rank, not by channel: the colours that differ most go to the channels that cover most. */
static struct cnn_colour colour_of_rank(size_t rank)
{
    return rank < CNN_DISTINCT_COLOURS ? cnn_distinct_colour(rank)
                                       : (struct cnn_colour){128, 128, 128};
}

/* A line for each of the first `used` winners, as far as colours go, and one for all others. How
 * many lines. */
static size_t list_winners(const struct winner *winners, size_t used, size_t positions,
                           struct cnn_legend_line lines[LEGEND_LINES])
{
    size_t shown = used < CNN_DISTINCT_COLOURS ? used : CNN_DISTINCT_COLOURS, others = 0;
    for (size_t i = 0; i < used; i++) {
        if (i >= shown) {
            others += winners[i].positions;
            continue;
        }
        lines[i].colour = colour_of_rank(i);
        cnn_caption(lines[i].text, sizeof lines[i].text, "channel %zu: %zu of %zu (%s)",
                    winners[i].channel, winners[i].positions, positions,
                    cnn_story_percent((double)winners[i].positions / (double)positions));
    }
    if (used == shown)
        return shown;
    lines[shown].colour = colour_of_rank(shown);
    cnn_caption(lines[shown].text, sizeof lines[shown].text, "%zu other channel%s: %zu of %zu (%s)",
                used - shown, used - shown == 1 ? "" : "s", others, positions,
                cnn_story_percent((double)others / (double)positions));
    return shown + 1;
}

/* The channel's number in each cell, where the largest of them has room. */
static void write_channels(struct cnn_canvas *picture, cnn_shape s, const size_t *strongest,
                           const size_t *ranks)
{
    char text[24];
    size_t widest = 0;
    for (size_t p = 0; p < s.h * s.w; p++)
        widest = strongest[p] != CNN_NO_INDEX && strongest[p] > widest ? strongest[p] : widest;
    snprintf(text, sizeof text, "%zu", widest);
    if (cnn_canvas_text_width(text, 1) + 4 > picture->width / s.w ||
        CNN_TEXT_HEIGHT + 2 > picture->height / s.h)
        return;
    for (size_t p = 0; p < s.h * s.w; p++) {
        if (strongest[p] == CNN_NO_INDEX)
            continue;
        const struct cnn_colour below = colour_of_rank(ranks[strongest[p]]);
        bool dark = 2 * below.r + 7 * below.g + below.b < 10 * 128;
        snprintf(text, sizeof text, "%zu", strongest[p]);
        cnn_canvas_text(
            picture,
            ((2 * (p % s.w) + 1) * picture->width / s.w - cnn_canvas_text_width(text, 1)) / 2,
            ((2 * (p / s.w) + 1) * picture->height / s.h - CNN_TEXT_HEIGHT) / 2, 1,
            dark ? CNN_PAPER : CNN_INK, text);
    }
}

static cnn_status draw_strongest(struct cnn_view *view, cnn_shape s, const size_t *strongest,
                                 const size_t *ranks, struct cnn_canvas *out, cnn_diag *diag)
{
    cnn_status status = cnn_canvas_new(view->given.width, view->given.height,
                                       (struct cnn_colour){0, 0, 0}, out, diag);
    if (status != CNN_OK)
        return status;
    for (size_t y = 0; y < out->height; y++)
        for (size_t x = 0; x < out->width; x++) {
            size_t c = strongest[y * s.h / out->height * s.w + x * s.w / out->width];
            cnn_canvas_fill(out, x, y, 1, 1,
                            c == CNN_NO_INDEX ? CNN_COLOUR_NAN : colour_of_rank(ranks[c]));
        }
    write_channels(out, s, strongest, ranks);
    return CNN_OK;
}

static void tell_strongest(struct cnn_view *view, const struct cnn_node *node, const char *stem,
                           size_t used)
{
    const cnn_shape s = node->out;
    cnn_story_heading(view, "The strongest channel of %s", node->name);
    cnn_story_paragraph(
        view,
        "At each of the %zu x %zu positions the colour says which of the %zu channels answers most "
        "strongly; %zu of them %s so "
        "somewhere. Regions of one colour are what the layer takes for one kind of thing.",
        s.h, s.w, s.c, used, used == 1 ? "does" : "do");
    cnn_story_figure(view, stem, "%s: the strongest channel at each position.", node->name);
}

static cnn_status show_argmax(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const cnn_shape s = node->out;
    size_t positions = s.h * s.w, used = 0,
           *strongest = cnn_calloc(positions + s.c, sizeof *strongest),
           *ranks = strongest ? strongest + positions : NULL;
    struct winner *winners = cnn_calloc(s.c, sizeof *winners);
    struct cnn_legend_line lines[LEGEND_LINES];
    struct cnn_panel panels[3] = {
        {.title = cnn_view_caption(view, "the picture")},
        {.title = cnn_view_caption(view, "the strongest channel")},
        {.title = cnn_view_caption(view, "the most frequent"), .bare = true}};
    const char *stem = cnn_view_stem(view, layer, "-argmax");
    float *values = NULL;
    cnn_status status = strongest && winners && stem
                            ? cnn_view_values(view, layer, &values, diag)
                            : cnn_fail_memory(diag, positions, "a picture");
    if (status != CNN_OK)
        goto out;
    find_strongest(values, s, strongest, winners);
    used = rank_winners(winners, s.c, ranks);
    status = cnn_panel_copy(&view->given, &panels[0].picture, diag);
    if (status == CNN_OK)
        status = draw_strongest(view, s, strongest, ranks, &panels[1].picture, diag);
    if (status == CNN_OK)
        status = cnn_panel_legend(lines, list_winners(winners, used, positions, lines),
                                  &panels[2].picture, diag);
    if (status == CNN_OK)
        status = cnn_panels_write(view, stem, panels, 3, diag);
    for (size_t p = 0; p < positions; p++)
        values[p] = strongest[p] == CNN_NO_INDEX ? NAN : (float)strongest[p];
    if (status == CNN_OK)
        status = cnn_view_write_npy(view, stem, values, (const size_t[]){s.h, s.w}, 2, diag);
    if (status == CNN_OK)
        tell_strongest(view, node, stem, used);
out:
    cnn_panels_free(panels, 3);
    cnn_free(values);
    cnn_free(winners);
    cnn_free(strongest);
    return status;
}

const struct cnn_view_kind cnn_kind_argmax = {
    .number = CNN_PICTURE_ARGMAX,
    .name = "argmax",
    .help = "at each place of a layer the strongest channel",
    .source = CNN_KIND_MAIN_LAYER,
    .needs_map = true,
    .show = show_argmax,
};
