/* The choice of values that stay in bytes (bytes.h). */
#include "graph/bytes.h"

/* Whether value v is written and read with bytes alone. range: that of its first reader. */
static bool stays_in_bytes(const struct cnn_graph *graph, size_t v, const struct cnn_tensor **range)
{
    const struct cnn_node *writer = &graph->nodes[v - 1];
    if (!writer->quantization || !writer->quantization->writes_bytes(writer) || v == graph->logits)
        return false;
    *range = NULL;
    for (size_t i = v; i < graph->count; i++) {
        const struct cnn_node *reader = &graph->nodes[i];
        for (size_t k = 0; k < reader->input_count; k++) {
            if (reader->inputs[k] != v)
                continue;
            if (!reader->quantization)
                return false;
            if (!*range)
                *range = &reader->tensors[reader->input_range];
        }
    }
    return *range != NULL;
}

void cnn_graph_use_bytes(struct cnn_graph *graph)
{
    for (size_t i = 0; i < graph->count; i++)
        if (graph->nodes[i].quantization)
            graph->nodes[i].execution = &graph->nodes[i].quantization->execution;
    for (size_t v = 1; v < graph->count; v++) {
        struct cnn_node *writer = &graph->nodes[v - 1];
        const struct cnn_tensor *range;
        if (!stays_in_bytes(graph, v, &range))
            continue;
        writer->y_bytes = true;
        writer->tensors[writer->output_range] = *range;
        for (size_t i = v; i < graph->count; i++) {
            struct cnn_node *reader = &graph->nodes[i];
            if (reader->inputs[0] != v)
                continue;
            reader->x_bytes = true;
            reader->tensors[reader->input_range] = *range;
        }
    }
}

size_t cnn_graph_value_floats(const struct cnn_graph *graph, size_t v)
{
    cnn_shape shape = cnn_graph_shape(graph, v);
    return v > 0 && graph->nodes[v - 1].y_bytes
               ? shape.h * shape.w * (cnn_code_channels(shape.c) / sizeof(float))
               : cnn_shape_count(shape);
}
