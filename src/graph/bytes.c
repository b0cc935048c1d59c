/* The choice of values that stay in bytes (bytes.h). */
#include "graph/bytes.h"
#include "graph/halves.h"

#include <math.h>

#define NO_RANGE SIZE_MAX

/* Values that have one range, since layers pass codes from one to the other. What is known of all
 * stands at the first of them. */
struct choice {
    struct cnn_graph *graph;
    size_t *first;
    bool *floats;
    size_t *range; /* where in the slab */
};

static size_t first_of(const struct choice *c, size_t v)
{
    while (c->first[v] != v)
        v = c->first[v];
    return v;
}

static bool passes(const struct cnn_node *node)
{
    return node->quantization && node->quantization->passes && node->quantization->passes(node);
}

static bool writes_bytes(const struct cnn_node *node)
{
    return node->quantization &&
           (!node->quantization->writes_bytes || node->quantization->writes_bytes(node));
}

static void join(struct choice *c, size_t a, size_t b)
{
    a = first_of(c, a);
    b = first_of(c, b);
    c->first[a > b ? a : b] = a < b ? a : b;
}

static void join_values(struct choice *c)
{
    for (size_t v = 0; v <= c->graph->count; v++)
        c->first[v] = v;
    for (size_t i = 0; i < c->graph->count; i++)
        for (size_t k = 0; passes(&c->graph->nodes[i]) && k < c->graph->nodes[i].input_count; k++)
            join(c, c->graph->nodes[i].inputs[k], i + 1);
}

static size_t own_range(const struct cnn_node *node, size_t input)
{
    return node->quantization && node->input_range
               ? node->tensors[node->input_range].offset + 2 * input
               : NO_RANGE;
}

static void be_floats(struct choice *c, size_t v)
{
    c->floats[first_of(c, v)] = true;
}

/* What is floats whatever the others are, and the ranges. */
static void begin(struct choice *c)
{
    const struct cnn_graph *graph = c->graph;
    for (size_t v = 0; v <= graph->count; v++)
        c->range[v] = NO_RANGE;
    be_floats(c, 0);
    be_floats(c, graph->logits);
    be_floats(c, cnn_graph_output(graph));
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        if (!writes_bytes(node))
            be_floats(c, i + 1);
        for (size_t k = 0; k < node->input_count; k++) {
            size_t *range = &c->range[first_of(c, node->inputs[k])];
            if (!node->quantization)
                be_floats(c, node->inputs[k]);
            if (*range == NO_RANGE)
                *range = own_range(node, k);
        }
    }
    for (size_t v = 0; v <= graph->count; v++)
        if (c->range[first_of(c, v)] == NO_RANGE)
            be_floats(c, v);
}

static bool is_bytes(const struct choice *c, size_t v)
{
    return !c->floats[first_of(c, v)];
}

static bool reads_bytes(const struct choice *c, const struct cnn_node *node)
{
    for (size_t k = 0; k < node->input_count; k++)
        if (!is_bytes(c, node->inputs[k]))
            return false;
    return true;
}

/* Layers that would have to read or write floats but cannot make floats of all they touch. */
static bool spread_floats(struct choice *c)
{
    bool changed = false;
    for (size_t i = 0; i < c->graph->count; i++) {
        const struct cnn_node *node = &c->graph->nodes[i];
        const struct cnn_quantization *q = node->quantization;
        if (!q ||
            ((q->reads_floats || reads_bytes(c, node)) && (q->writes_floats || is_bytes(c, i + 1))))
            continue;
        for (size_t k = 0; k < node->input_count; k++) {
            changed = changed || is_bytes(c, node->inputs[k]);
            be_floats(c, node->inputs[k]);
        }
        changed = changed || is_bytes(c, i + 1);
        be_floats(c, i + 1);
    }
    return changed;
}

static bool set_node(const struct choice *c, size_t i, struct cnn_arena *arena)
{
    struct cnn_node *node = &c->graph->nodes[i];
    if (!node->quantization)
        return true;
    node->x_bytes = reads_bytes(c, node);
    if (!node->x_bytes && !node->quantization->reads_floats)
        return true;
    size_t *ranges = cnn_arena_array(arena, node->input_count, sizeof *ranges);
    for (size_t k = 0; ranges && k < node->input_count; k++)
        ranges[k] = node->x_bytes ? c->range[first_of(c, node->inputs[k])] : own_range(node, k);
    node->x_range = ranges;
    node->y_bytes = is_bytes(c, i + 1);
    node->y_range = c->range[first_of(c, i + 1)];
    node->execution = &node->quantization->execution;
    /* bytes of a pixel are whole fours: a map of one channel is not in the order of a list */
    node->y_over_x = node->y_over_x && node->in[0].c == node->out.c;
    if (!node->quantization->codes && node->execution->packed)
        cnn_node_declare_packed(node, CNN_SLOT_INTEGERS);
    return ranges;
}

cnn_status cnn_graph_use_bytes(struct cnn_arena *arena, struct cnn_graph *graph, cnn_diag *diag)
{
    const size_t values = graph->count + 1;
    struct choice c = {.graph = graph,
                       .first = cnn_arena_array(arena, values, sizeof *c.first),
                       .floats = cnn_arena_array(arena, values, sizeof *c.floats),
                       .range = cnn_arena_array(arena, values, sizeof *c.range)};
    bool made = c.first && c.floats && c.range;
    if (made) {
        join_values(&c);
        begin(&c);
        while (spread_floats(&c))
            continue;
    }
    for (size_t i = 0; made && i < graph->count; i++)
        made = set_node(&c, i, arena);
    return made ? CNN_OK : cnn_fail_memory(diag, values * sizeof *c.range, "a plan");
}

/* The ranges that nodes read, over all values with the same first one; or the way back. */
static void share(const struct choice *c, float *parameters, float (*shared)[2], bool back)
{
    for (size_t i = 0; i < c->graph->count; i++)
        for (size_t k = 0; k < c->graph->nodes[i].input_count; k++) {
            const size_t at = own_range(&c->graph->nodes[i], k);
            if (at == NO_RANGE)
                continue;
            float *own = parameters + at, *all = shared[first_of(c, c->graph->nodes[i].inputs[k])];
            float *to = back ? own : all;
            to[0] = fminf(own[0], all[0]);
            to[1] = fmaxf(own[1], all[1]);
        }
}

bool cnn_graph_share_ranges(struct cnn_arena *arena, struct cnn_graph *graph, float *parameters)
{
    struct choice c = {.graph = graph,
                       .first = cnn_arena_array(arena, graph->count + 1, sizeof *c.first)};
    float(*shared)[2] = cnn_arena_array(arena, graph->count + 1, sizeof *shared);
    if (!c.first || !shared)
        return false;
    join_values(&c);
    share(&c, parameters, shared, false);
    share(&c, parameters, shared, true);
    return true;
}

size_t cnn_graph_value_floats(const struct cnn_graph *graph, size_t v)
{
    cnn_shape shape = cnn_graph_shape(graph, v);
    if (cnn_graph_halves(graph, v))
        return cnn_shape_count(shape) / 2;
    return v > 0 && graph->nodes[v - 1].y_bytes
               ? shape.h * shape.w * (cnn_code_channels(shape.c) / sizeof(float))
               : cnn_shape_count(shape);
}

/* The first values are good for nothing but to measure speed. */
static void first_ranges(const struct cnn_node *node, const struct cnn_tensor *tensor,
                         struct cnn_rng *rng, float *values)
{
    (void)node;
    (void)rng;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = i % 2 ? 4 : -4;
}

static const char *check_ranges(const struct cnn_tensor *tensor, const float *values)
{
    for (size_t i = 0; i < tensor->count; i += 2)
        if (!(values[i] <= 0 && values[i + 1] >= 0 && isnormal((values[i + 1] - values[i]) / 255)))
            return "it is no range of numbers around 0";
    return NULL;
}

void cnn_node_declare_ranges(struct cnn_node *node, size_t slot)
{
    const size_t dims[2] = {node->input_count, 2};
    const size_t rank = node->input_count > 1 ? 2 : 1;
    struct cnn_tensor *range =
        cnn_node_declare(node, slot, CNN_ROLE_STATISTIC, "input_range", rank, dims + (2 - rank));
    range->init = first_ranges;
    range->check = check_ranges;
    node->input_range = slot;
}

const struct cnn_integers *cnn_call_integers(const struct cnn_call *call)
{
    const struct cnn_node *node = call->node;
    if (!node->x_range || passes(node))
        return NULL;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (node->tensors[slot].role == CNN_ROLE_PACKED)
            return (const void *)call->value[slot];
    return NULL;
}
