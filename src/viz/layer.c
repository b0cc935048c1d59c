/* What of a layer there is to draw. */
#include "viz/sheet.h"

bool cnn_layer_kernels(const struct cnn_graph *graph, const float *parameters, size_t layer,
                       struct cnn_kernel_view *out)
{
    const struct cnn_node *node = &graph->nodes[layer];
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        const float *weights = parameters + t->offset;
        if (t->role != CNN_ROLE_WEIGHT || t->rank < 2)
            continue;
        if (t->rank == 4) {
            *out =
                (struct cnn_kernel_view){weights, t->dims[0], t->dims[1], t->dims[2], t->dims[3]};
            return true;
        }
        /* A dense layer on the flattened input has a weight for every pixel, in the order channel,
         * row, column: a template as large as the input. */
        const struct cnn_node *from =
            node->inputs[0] > 0 ? &graph->nodes[node->inputs[0] - 1] : NULL;
        if (from && from->inputs[0] == 0 && from->out.rank == 1 && from->window.kernel[0] == 1 &&
            cnn_shape_count(graph->input) == t->dims[1]) {
            *out = (struct cnn_kernel_view){weights, t->dims[0], graph->input.c, graph->input.h,
                                            graph->input.w};
            return true;
        }
    }
    return false;
}

/* Whether the layer changes numbers where they stand: same shape, one input, no window, no mixing
 * by weights. */
static bool is_in_place(const struct cnn_node *node)
{
    const cnn_shape in = node->in[0], out = node->out;
    const struct cnn_window *w = &node->window;
    return node->input_count == 1 && in.rank == out.rank && in.c == out.c && in.h == out.h &&
           in.w == out.w && !node->sees_all && node->macs == 0 &&
           w->kernel[0] * w->kernel[1] * w->stride[0] * w->stride[1] == 1;
}

bool cnn_layer_merged(const struct cnn_graph *graph, size_t layer)
{
    size_t readers = 0;
    if (layer + 1 >= graph->count || layer + 1 == graph->logits ||
        !is_in_place(&graph->nodes[layer + 1]))
        return false;
    for (size_t i = layer + 1; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            readers += graph->nodes[i].inputs[k] == layer + 1;
    return readers == 1 && graph->nodes[layer + 1].inputs[0] == layer + 1;
}
