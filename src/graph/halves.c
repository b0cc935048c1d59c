/* The choice of values that are stored as bfloat16 (halves.h). */
#include "graph/halves.h"

struct choice {
    struct cnn_graph *graph;
    const struct cnn_kernels *kernels;
    bool *floats; /* by value */
    bool changed;
};

static void be_floats(struct choice *c, size_t v)
{
    c->changed = c->changed || !c->floats[v];
    c->floats[v] = true;
}

/* From the k-th on. */
static void inputs_be_floats(struct choice *c, const struct cnn_node *node, size_t k)
{
    for (; k < node->input_count; k++)
        be_floats(c, node->inputs[k]);
}

/* What is floats whatever the layers can do. An odd number of channels would be no pairs. */
static void begin(struct choice *c)
{
    const struct cnn_graph *graph = c->graph;
    for (size_t v = 0; v <= graph->count; v++)
        c->floats[v] = v == 0 || v == graph->logits || v == cnn_graph_output(graph) ||
                       cnn_graph_shape(graph, v).c % 2 != 0;
}

static bool can(const struct choice *c, struct cnn_node *node, bool x, bool y)
{
    node->x_halves = x;
    node->y_halves = y;
    if (!x && !y)
        return true;
    return node->precision == CNN_PRECISION_BF16 && node->execution->halves &&
           node->execution->halves(node, c->kernels);
}

/* Lets node i have what it can. */
static void settle(struct choice *c, size_t i)
{
    struct cnn_node *node = &c->graph->nodes[i];
    const size_t inputs = node->execution->first_alone ? 1 : node->input_count;
    bool all = true;
    inputs_be_floats(c, node, inputs);
    for (size_t k = 0; k < inputs; k++)
        all = all && !c->floats[node->inputs[k]];
    const bool y = !c->floats[i + 1];
    if (!all)
        inputs_be_floats(c, node, 0);
    if (can(c, node, all, y))
        return;
    if (can(c, node, all, false)) {
        be_floats(c, i + 1);
    } else if (can(c, node, false, y)) {
        inputs_be_floats(c, node, 0);
    } else {
        can(c, node, false, false);
        be_floats(c, i + 1);
        inputs_be_floats(c, node, 0);
    }
}

cnn_status cnn_graph_use_halves(struct cnn_arena *arena, struct cnn_graph *graph,
                                const struct cnn_kernels *kernels, cnn_diag *diag)
{
    struct choice c = {.graph = graph, .kernels = kernels};
    if (!kernels->halves)
        return CNN_OK;
    c.floats = cnn_arena_array(arena, graph->count + 1, sizeof *c.floats);
    if (!c.floats)
        return cnn_fail_memory(diag, (graph->count + 1) * sizeof *c.floats, "a plan");
    begin(&c);
    do {
        c.changed = false;
        for (size_t i = 0; i < graph->count; i++)
            settle(&c, i);
    } while (c.changed);
    return CNN_OK;
}

bool cnn_node_halves_alike(const struct cnn_node *node, const struct cnn_kernels *kernels)
{
    (void)kernels;
    return node->x_halves == node->y_halves && node->activation.kind != CNN_ACT_SOFTMAX;
}
