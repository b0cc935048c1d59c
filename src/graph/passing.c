/* Reading parameters into a plan (passing.h). */
#include "graph/passing.h"

#include <string.h>

/* that are read at a time, at most: unless a single step of rows has more, or rows cannot be packed
 * apart */
#define PASSING_FLOATS ((size_t)1 << 20)

size_t cnn_lasting_floats(const struct cnn_graph *graph)
{
    size_t floats = 0;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++)
            if (cnn_tensor_lasts(&graph->nodes[i].tensors[slot]))
                floats += cnn_round_floats(graph->nodes[i].tensors[slot].count);
    return floats;
}

/* The slot of the tensor that passes; CNN_MAX_TENSORS: none does. */
static size_t passing_slot(const struct cnn_node *node)
{
    size_t slot = 0;
    while (cnn_slot_find(node, &slot) && !node->tensors[slot].passing)
        slot++;
    return slot;
}

/* Rows of a tensor that are read at a time. */
static size_t rows_at_once(const struct cnn_node *node, const struct cnn_tensor *t)
{
    size_t apart = node->execution->apart ? node->execution->apart(node) : 0, rows = t->dims[0];
    if (apart == 0 || apart >= rows)
        return rows;
    size_t steps = PASSING_FLOATS / (apart * (t->count / rows));
    size_t together = apart * (steps > 0 ? steps : 1);
    return together < rows ? together : rows;
}

size_t cnn_passing_floats(const struct cnn_graph *graph)
{
    size_t most = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        size_t slot = passing_slot(node);
        if (slot == CNN_MAX_TENSORS)
            continue;
        const struct cnn_tensor *t = &node->tensors[slot];
        size_t floats = rows_at_once(node, t) * (t->count / t->dims[0]);
        most = floats > most ? floats : most;
    }
    return most;
}

/* Packs a tensor that passes, rows after rows. */
static cnn_status pack(const struct cnn_call *call, size_t slot,
                       const struct cnn_parameter_source *source, float *piece, cnn_diag *diag)
{
    const struct cnn_tensor *t = &call->node->tensors[slot];
    const size_t rows = t->dims[0], row = t->count / rows, together = rows_at_once(call->node, t);
    float *value[CNN_MAX_TENSORS];
    struct cnn_call some = *call;
    cnn_status status = CNN_OK;
    memcpy(value, call->value, sizeof value);
    value[slot] = piece;
    some.value = value;
    for (size_t first = 0; first < rows && status == CNN_OK; first += together) {
        size_t count = rows - first < together ? rows - first : together;
        status = source->read(source->context, t->offset + first * row, count * row, piece, diag);
        some.first = first;
        some.rows = count < rows ? count : 0;
        if (status == CNN_OK)
            call->node->execution->prepare(&some);
    }
    return status;
}

cnn_status cnn_passing_read(const struct cnn_call *call, const struct cnn_parameter_source *source,
                            float *piece, cnn_diag *diag)
{
    const struct cnn_node *node = call->node;
    cnn_status status = CNN_OK;
    for (size_t slot = 0; status == CNN_OK && cnn_slot_find(node, &slot); slot++)
        if (cnn_tensor_lasts(&node->tensors[slot]))
            status = source->read(source->context, node->tensors[slot].offset,
                                  node->tensors[slot].count, call->value[slot], diag);
    size_t slot = passing_slot(node);
    if (status == CNN_OK && slot < CNN_MAX_TENSORS)
        return pack(call, slot, source, piece, diag);
    if (status == CNN_OK && node->execution->prepare)
        node->execution->prepare(call);
    return status;
}
