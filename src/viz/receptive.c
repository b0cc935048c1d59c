/* What one value sees of the input: its windows walked back from layer to layer, and the rectangle
 * drawn on the picture. */
#include <stdio.h>
#include <stdlib.h>

#include "util/words.h"
#include "viz/kind.h"

#define LEGEND_LINES 30

/* The position of an axis of n that tap `at` (below 0 or from n on: on the border) reads;
 * CNN_NO_INDEX: none, the border holds zeros. */
static size_t tap_source(long long at, size_t n, enum cnn_padding_mode border)
{
    long long last = (long long)n - 1;
    if (at >= 0 && at <= last)
        return (size_t)at;
    if (border == CNN_PAD_REPLICATE)
        return at < 0 ? 0 : n - 1;
    if (border == CNN_PAD_REFLECT)
        return (size_t)(at < 0 ? -at : 2 * last - at);
    return CNN_NO_INDEX;
}

/* Marks in `in` what the marked positions of a node's output read along one axis. */
static void walk_back(const struct cnn_node *node, int axis, const bool *out, size_t out_n,
                      bool *in, size_t in_n)
{
    const struct cnn_window *w = &node->window;
    bool all = node->sees_all || node->out.rank != 3;
    for (size_t i = 0; i < out_n; i++)
        for (size_t tap = 0; out[i] && tap < (all ? in_n : w->kernel[axis]); tap++) {
            size_t at =
                all ? tap
                    : tap_source((long long)(i * w->stride[axis] + tap * w->dilation[axis]) -
                                     (long long)w->pad_before[axis],
                                 in_n, w->border);
            if (at != CNN_NO_INDEX)
                in[at] = true;
        }
}

static bool bounds_of(const bool *marks, size_t n, size_t *begin, size_t *end)
{
    *begin = 0;
    *end = n;
    while (*begin < n && !marks[*begin])
        ++*begin;
    while (*end > *begin && !marks[*end - 1])
        --*end;
    return *begin < *end;
}

cnn_status cnn_receptive_field(const struct cnn_graph *graph, size_t value, size_t row,
                               size_t column, struct cnn_rectangle *out, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    bool *(*marks)[2] = arena ? cnn_arena_array(arena, value + 1, sizeof *marks) : NULL;
    bool ok = marks;
    for (size_t v = 0; ok && v <= value; v++) {
        marks[v][0] = cnn_arena_array(arena, cnn_graph_shape(graph, v).h, sizeof(bool));
        marks[v][1] = cnn_arena_array(arena, cnn_graph_shape(graph, v).w, sizeof(bool));
        ok = marks[v][0] && marks[v][1];
    }
    if (ok)
        marks[value][0][row] = marks[value][1][column] = true;
    for (size_t v = value; ok && v > 0; v--) {
        const struct cnn_node *node = &graph->nodes[v - 1];
        for (size_t k = 0; k < node->input_count; k++) {
            walk_back(node, 0, marks[v][0], node->out.h, marks[node->inputs[k]][0], node->in[k].h);
            walk_back(node, 1, marks[v][1], node->out.w, marks[node->inputs[k]][1], node->in[k].w);
        }
    }
    struct cnn_rectangle found = {{0, 0}, {0, 0}};
    if (ok && !(bounds_of(marks[0][0], graph->input.h, &found.begin[0], &found.end[0]) &&
                bounds_of(marks[0][1], graph->input.w, &found.begin[1], &found.end[1])))
        found = (struct cnn_rectangle){{0, 0}, {0, 0}};
    *out = found;
    cnn_arena_free(arena);
    return ok ? CNN_OK : cnn_fail_memory(diag, 0, "a receptive field");
}

struct frame {
    struct cnn_rectangle field;
    struct cnn_colour colour;
};

/* The frames drawn on picture, which shows the whole input of the network; the largest first. */
static void draw_frames(struct cnn_canvas *picture, cnn_shape in, const struct frame *frames,
                        size_t count)
{
    for (size_t i = count; i-- > 0;)
        cnn_panel_frame(picture, in, &frames[i].field, frames[i].colour);
}

/* On what the network sees, and on the picture where that is another one. */
static cnn_status write_frames(struct cnn_view *view, const char *stem, const struct frame *frames,
                               size_t count, const struct cnn_legend_line *lines, cnn_diag *diag)
{
    const cnn_shape in = view->model->graph.input;
    const size_t legend = view->numbers ? 1 : 2;
    struct cnn_panel panels[3] = {{.title = cnn_view_caption(view, "on what the network sees")},
                                  {.title = cnn_view_caption(view, "on the picture")},
                                  {.title = ""}};
    panels[legend].title = cnn_view_caption(view, "what one value sees");
    panels[legend].bare = true;
    cnn_status status = stem ? cnn_panel_enlarge(&view->seen, &panels[0].picture, NULL, diag)
                             : cnn_fail_memory(diag, 0, "a name");
    if (status == CNN_OK && !view->numbers)
        status = cnn_panel_copy(&view->given, &panels[1].picture, diag);
    if (status == CNN_OK)
        status = cnn_panel_legend(lines, count, &panels[legend].picture, diag);
    for (size_t i = 0; status == CNN_OK && i < legend; i++)
        draw_frames(&panels[i].picture, in, frames, count);
    if (status == CNN_OK)
        status = cnn_panels_write(view, stem, panels, legend + 1, diag);
    cnn_panels_free(panels, 3);
    return status;
}

/* The position that is looked at: the one asked for, or the map's middle. */
static void position_of(const struct cnn_view *view, size_t layer, size_t at[2])
{
    const cnn_visualize_options *options = view->options;
    const cnn_shape s = cnn_view_node(view, layer)->out;
    at[0] = options->row != CNN_NO_INDEX ? options->row : s.h / 2;
    at[1] = options->column != CNN_NO_INDEX ? options->column : s.w / 2;
}

static void tell_field(const struct cnn_rectangle *f, const char *name, char *text, size_t size)
{
    char cut[32];
    cnn_word_cut(name, cut, sizeof cut);
    if (f->begin[0] == f->end[0])
        cnn_caption(text, size, "%s: padding alone", cut);
    else
        cnn_caption(text, size, "%s: %zu x %zu, rows %zu-%zu, columns %zu-%zu", cut,
                    f->end[0] - f->begin[0], f->end[1] - f->begin[1], f->begin[0], f->end[0] - 1,
                    f->begin[1], f->end[1] - 1);
}

static cnn_status show_one(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_view_node(view, layer);
    const char *stem = cnn_view_stem(view, layer, "-receptive");
    struct frame frame = {.colour = {255, 0, 0}};
    struct cnn_legend_line line = {.colour = {255, 0, 0}};
    size_t at[2];
    position_of(view, layer, at);
    cnn_status status =
        cnn_receptive_field(&view->model->graph, layer + 1, at[0], at[1], &frame.field, diag);
    if (status != CNN_OK)
        return status;
    tell_field(&frame.field, node->name, line.text, sizeof line.text);
    status = write_frames(view, stem, &frame, 1, &line, diag);
    if (status == CNN_OK) {
        cnn_story_heading(view, "What one value of %s sees", node->name);
        cnn_story_figure(view, stem,
                         "The value at row %zu, column %zu of %zu x %zu. %s. Nothing outside of "
                         "the frame can change it.",
                         at[0], at[1], node->out.h, node->out.w, cnn_caption_said(line.text));
    }
    return status;
}

static bool fields_equal(const struct cnn_rectangle *a, const struct cnn_rectangle *b)
{
    return a->begin[0] == b->begin[0] && a->begin[1] == b->begin[1] && a->end[0] == b->end[0] &&
           a->end[1] == b->end[1];
}

/* Every layer with maps; those that see the same as one before have no frame of their own. */
static cnn_status show_all(struct cnn_view *view, cnn_diag *diag)
{
    const struct cnn_graph *graph = &view->model->graph;
    struct frame frames[LEGEND_LINES];
    struct cnn_legend_line lines[LEGEND_LINES];
    size_t count = 0;
    for (size_t i = 0; i < graph->count && count < LEGEND_LINES; i++) {
        struct cnn_rectangle field;
        size_t at[2];
        if (graph->nodes[i].out.rank != 3)
            continue;
        position_of(view, i, at);
        cnn_status status = cnn_receptive_field(graph, i + 1, at[0], at[1], &field, diag);
        if (status != CNN_OK)
            return status;
        if (count > 0 && fields_equal(&field, &frames[count - 1].field))
            continue;
        frames[count].field = field;
        tell_field(&field, graph->nodes[i].name, lines[count].text, sizeof lines[count].text);
        count++;
    }
    for (size_t i = 0; i < count; i++)
        frames[i].colour = lines[i].colour = cnn_distinct_colour(i);
    cnn_status status = write_frames(view, "receptive", frames, count, lines, diag);
    if (status == CNN_OK) {
        cnn_story_heading(view, "What one value sees");
        cnn_story_paragraph(view,
                            "Each frame holds the pixels that the value in the middle of a layer's "
                            "maps depends on: the deeper the layer, the more it sees. Layers "
                            "that see the same as the one before have no frame of their own.");
        cnn_story_figure(view, "receptive", "The receptive fields of the middle values.");
    }
    return status;
}

static cnn_status show_receptive(struct cnn_view *view, size_t layer, cnn_diag *diag)
{
    return layer == CNN_NO_INDEX ? show_all(view, diag) : show_one(view, layer, diag);
}

const struct cnn_view_kind cnn_kind_receptive = {
    .number = CNN_PICTURE_RECEPTIVE,
    .name = "receptive",
    .help = "what one value of a layer sees of the picture",
    .source = CNN_KIND_NO_LAYER,
    .needs_map = true,
    .takes_position = true,
    .show = show_receptive,
};
