/* See clip.h. */
#include "train/clip.h"

#include <math.h>

#include "train/shares.h"

bool cnn_clip_next(struct cnn_clip_pieces *p, struct cnn_stretch *out)
{
    for (; p->node < p->graph->count; p->node++, p->slot = 0) {
        for (; cnn_slot_find(&p->graph->nodes[p->node], &p->slot); p->slot++, p->done = 0) {
            const struct cnn_tensor *tensor = &p->graph->nodes[p->node].tensors[p->slot];
            if (!cnn_tensor_trained(tensor) || p->done == tensor->count)
                continue;
            size_t end = tensor->offset + tensor->count;
            out->begin = tensor->offset + p->done;
            out->end = (out->begin / CNN_SHARE_FLOATS + 1) * CNN_SHARE_FLOATS;
            out->end = out->end < end ? out->end : end;
            p->done = out->end - tensor->offset;
            return true;
        }
    }
    return false;
}

float cnn_clip_factor(double max_norm, double squares)
{
    float scale = (float)(max_norm / (sqrt(squares) + 1e-6));
    return scale < 1 ? scale : 1;
}

void cnn_clip_gradients(const struct cnn_graph *graph, double max_norm, float *gradients)
{
    const struct cnn_kernels *kernels = cnn_kernels();
    struct cnn_clip_pieces pieces = {.graph = graph};
    struct cnn_stretch piece;
    double sum = 0;
    while (cnn_clip_next(&pieces, &piece))
        sum += kernels->squares(piece.end - piece.begin, gradients + piece.begin, NULL);
    float factor = cnn_clip_factor(max_norm, sum);
    if (factor < 1)
        kernels->combine(graph->parameter_floats, 0, NULL, factor, gradients);
}
