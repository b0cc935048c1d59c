/* Fusing layers (fuse.h): for each layer in order, as long as its output is read by one layer
 * alone, that layer's work is offered to it. */
#include "graph/fuse.h"

#include <string.h>

#define NOBODY SIZE_MAX
#define MANY   (SIZE_MAX - 1)

/* The node that alone reads each value; MANY where several do, or the value must survive. */
static void find_readers(const struct cnn_graph *graph, size_t *reader)
{
    for (size_t v = 0; v <= graph->count; v++)
        reader[v] = NOBODY;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            size_t v = graph->nodes[i].inputs[k];
            reader[v] = reader[v] == NOBODY ? i : MANY;
        }
    reader[graph->logits] = reader[cnn_graph_output(graph)] = MANY;
}

/* The value that a layer reads beside `value`; NOBODY where it reads none. */
static size_t other_input(const struct cnn_node *node, size_t value)
{
    if (node->input_count != 2)
        return NOBODY;
    return node->inputs[node->inputs[0] == value ? 1 : 0];
}

/* A node of the fused graph, and the arrays of its inputs, which have room for a second one. */
struct lead {
    struct cnn_node *node;
    size_t *inputs;
    cnn_shape *in;
};

/* Lets the lead, node i, take in the layers behind it, as far as it can: those that read one value,
 * and those whose second one is computed before the lead is. */
static void take_in(const struct cnn_graph *graph, const size_t *reader, enum cnn_fusion fusion,
                    size_t i, struct cnn_fused *fused, const struct lead *lead)
{
    struct cnn_node *node = lead->node;
    for (size_t at = reader[i + 1], value = i + 1; at < graph->count; at = reader[value]) {
        const struct cnn_node *next = &graph->nodes[at];
        const size_t other = other_input(next, value);
        const bool fits = next->input_count == 1 ||
                          (other <= i && fusion == CNN_FUSE_INFERENCE && node->input_count == 1);
        if (!fits || !node->type->fuse(node, next, fusion))
            return;
        if (other != NOBODY) {
            lead->inputs[1] = cnn_fused_value(fused, other);
            lead->in[1] = cnn_graph_shape(graph, other);
            node->input_count = 2;
        }
        node->out = next->out;
        fused->lead[at] = fused->lead[i];
        value = at + 1;
    }
}

/* Makes lead->node a copy of a node. */
static cnn_status copy_node(struct cnn_arena *arena, const struct cnn_fused *fused,
                            const struct cnn_node *from, struct lead *lead, cnn_diag *diag)
{
    struct cnn_node *to = lead->node;
    void *state = from->type->state_size ? cnn_arena_alloc(arena, from->type->state_size) : NULL;
    lead->inputs = cnn_arena_array(arena, from->input_count + 1, sizeof *lead->inputs);
    lead->in = cnn_arena_array(arena, from->input_count + 1, sizeof *lead->in);
    *to = *from;
    if (!lead->inputs || !lead->in || (from->type->state_size && !state))
        return cnn_fail_memory(diag, from->type->state_size, "a plan");
    for (size_t k = 0; k < from->input_count; k++) {
        lead->inputs[k] = cnn_fused_value(fused, from->inputs[k]);
        lead->in[k] = from->in[k];
    }
    to->inputs = lead->inputs;
    to->in = lead->in;
    if (state)
        to->state = memcpy(state, from->state, from->type->state_size);
    return CNN_OK;
}

static cnn_status fuse_nodes(struct cnn_arena *arena, const struct cnn_graph *graph,
                             enum cnn_fusion fusion, struct cnn_fused *fused, cnn_diag *diag)
{
    size_t *reader = cnn_arena_array(arena, graph->count + 1, sizeof *reader);
    struct cnn_node *nodes = cnn_arena_array(arena, graph->count, sizeof *nodes);
    if (!reader || !nodes)
        return cnn_fail_memory(diag, graph->count * sizeof *nodes, "a plan");
    find_readers(graph, reader);
    for (size_t i = 0; i < graph->count; i++)
        fused->lead[i] = NOBODY;
    fused->graph.count = 0;
    for (size_t i = 0; i < graph->count; i++) {
        if (fused->lead[i] != NOBODY)
            continue;
        size_t number = fused->graph.count++;
        struct lead lead = {.node = &nodes[number]};
        cnn_status status = copy_node(arena, fused, &graph->nodes[i], &lead, diag);
        if (status != CNN_OK)
            return status;
        nodes[number].forward_only = fusion != CNN_FUSE_TRAINING;
        fused->origin[number] = i;
        fused->lead[i] = number;
        if (nodes[number].type->fuse)
            take_in(graph, reader, fusion, i, fused, &lead);
    }
    fused->graph.nodes = nodes;
    fused->graph.logits = cnn_fused_value(fused, graph->logits);
    return CNN_OK;
}

cnn_status cnn_graph_fuse(struct cnn_arena *arena, const struct cnn_graph *graph,
                          enum cnn_fusion fusion, struct cnn_fused *out, cnn_diag *diag)
{
    struct cnn_fused fused = {.graph = *graph};
    fused.lead = cnn_arena_array(arena, graph->count, sizeof *fused.lead);
    fused.origin = cnn_arena_array(arena, graph->count, sizeof *fused.origin);
    if (!fused.lead || !fused.origin)
        return cnn_fail_memory(diag, graph->count * sizeof *fused.lead, "a plan");
    for (size_t i = 0; i < graph->count; i++)
        fused.lead[i] = fused.origin[i] = i;
    cnn_status status =
        fusion == CNN_FUSE_NOTHING ? CNN_OK : fuse_nodes(arena, graph, fusion, &fused, diag);
    if (status == CNN_OK)
        *out = fused;
    return status;
}
