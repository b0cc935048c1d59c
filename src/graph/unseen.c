/* Pixels that a layer's windows leave out and no other path to the answer sees: behind a stride
 * that does not divide evenly, or is larger than the window. A shortcut that takes every other
 * pixel leaves none unseen where a 3x3 convolution beside it reads them all. */

#include "graph/graph.h"
#include "util/allocate.h"

/* One direction of a grid of pixels: which of its rows, or columns, some layer reads. */
struct lines {
    size_t count, left; /* left: not read so far */
    bool *read;
};

struct grid {
    const struct cnn_graph *graph;
    const bool *used;     /* by value: the answer depends on it */
    bool *shows;          /* by value: its pixels are those of the grid */
    struct lines axis[2]; /* rows, columns */
};

static size_t side(cnn_shape shape, int d)
{
    return d == 0 ? shape.h : shape.w;
}

/* Whether each value of the output comes from the one place of the inputs: activations,
 * batch_norm, add, convolutions of one pixel. */
static bool keeps_places(const struct cnn_node *node)
{
    const struct cnn_window *w = &node->window;
    bool keeps = node->out.rank == 3 && node->in[0].rank == 3 && !node->sees_all;
    for (int d = 0; d < 2; d++)
        keeps = keeps && w->kernel[d] == 1 && w->stride[d] == 1 && w->pad_before[d] == 0 &&
                side(node->out, d) == side(node->in[0], d);
    return keeps;
}

static bool has_windows(const struct cnn_node *node)
{
    return node->sizes[0] != NULL;
}

static void read_windows(const struct cnn_node *node, int d, struct lines *lines)
{
    const struct cnn_window *w = &node->window;
    size_t outputs = side(node->out, d), begin = w->pad_before[d], next = begin;
    for (size_t i = 0; i < outputs && lines->left > 0; i++)
        for (size_t k = 0; k < w->kernel[d]; k++) {
            size_t at = i * w->stride[d] + k * w->dilation[d];
            if (w->dilation[d] == 1 && at < next) { /* seen already, by the window before */
                k += next - at - 1;
                continue;
            }
            if (at >= begin + lines->count)
                break;
            if (at < begin)
                continue;
            lines->left -= !lines->read[at - begin];
            lines->read[at - begin] = true;
            next = at + 1;
        }
}

static bool begin_lines(const struct cnn_node *node, struct lines axis[2])
{
    for (int d = 0; d < 2; d++) {
        size_t count = side(node->in[0], d);
        axis[d] = (struct lines){count, count, cnn_calloc(count, sizeof(bool))};
    }
    return axis[0].read && axis[1].read;
}

static void read_all(struct lines axis[2])
{
    axis[0].left = axis[1].left = 0;
}

/* The value that the pixels of node's input come from, place by place. */
static size_t origin_of(const struct cnn_graph *graph, const struct cnn_node *node)
{
    size_t value = node->inputs[0];
    while (value > 0 && graph->nodes[value - 1].input_count == 1 &&
           keeps_places(&graph->nodes[value - 1]))
        value = graph->nodes[value - 1].inputs[0];
    return value;
}

/* What all layers on the way to the answer read of the grid. */
static void read_everywhere(struct grid *grid, const struct cnn_node *asked)
{
    const struct cnn_graph *graph = grid->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        bool reads = false;
        for (size_t k = 0; k < node->input_count; k++)
            reads = reads || grid->shows[node->inputs[k]];
        if (!reads || (!grid->used[i + 1] && node != asked))
            continue;
        if (keeps_places(node) && i + 1 < graph->count)
            grid->shows[i + 1] = true;
        else if (has_windows(node) && node != asked) {
            read_windows(node, 0, &grid->axis[0]);
            read_windows(node, 1, &grid->axis[1]);
        } else if (!has_windows(node))
            read_all(grid->axis);
    }
}

static const char *warning_of(struct cnn_arena *arena, const struct cnn_node *node,
                              const struct lines axis[2])
{
    size_t rows = axis[0].left, columns = axis[1].left;
    size_t pixels =
        axis[0].count * axis[1].count - (axis[0].count - rows) * (axis[1].count - columns);
    return cnn_arena_printf(
        arena, "%s: %zu row%s and %zu column%s (%zu pixel%s) of its input are never seen",
        node->sizes[rows > 0 ? 0 : 1], rows, rows == 1 ? "" : "s", columns, columns == 1 ? "" : "s",
        pixels, pixels == 1 ? "" : "s");
}

static bool look(struct cnn_arena *arena, const struct cnn_graph *graph, struct cnn_node *node,
                 const bool *used)
{
    struct grid grid = {.graph = graph, .used = used};
    bool ok = begin_lines(node, grid.axis);
    for (int d = 0; ok && d < 2; d++)
        read_windows(node, d, &grid.axis[d]);
    if (ok && grid.axis[0].left + grid.axis[1].left > 0) {
        grid.shows = cnn_calloc(graph->count + 1, sizeof(bool));
        ok = grid.shows;
        if (ok) {
            grid.shows[origin_of(graph, node)] = true;
            read_everywhere(&grid, node);
        }
        if (ok && grid.axis[0].left + grid.axis[1].left > 0)
            ok = (node->warning = warning_of(arena, node, grid.axis));
    }
    cnn_free(grid.shows);
    cnn_free(grid.axis[0].read);
    cnn_free(grid.axis[1].read);
    return ok;
}

bool cnn_graph_mark_unseen(struct cnn_arena *arena, const struct cnn_graph *graph)
{
    bool *used = cnn_calloc(graph->count + 1, sizeof *used), ok = used;
    if (ok)
        used[cnn_graph_output(graph)] = true;
    for (size_t i = graph->count; ok && i > 0; i--)
        for (size_t k = 0; used[i] && k < graph->nodes[i - 1].input_count; k++)
            used[graph->nodes[i - 1].inputs[k]] = true;
    for (size_t i = 0; ok && i < graph->count; i++)
        if (has_windows(&graph->nodes[i]))
            ok = look(arena, graph, &graph->nodes[i], used);
    cnn_free(used);
    return ok;
}
