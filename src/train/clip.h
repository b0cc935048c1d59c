/* Clipping gradients by their norm. The squares are added up over pieces that no process's share
 * cuts (train/shares.h), and the pieces in order; so the norm is the same bits for any number of
 * processes. */
#ifndef CNN_TRAIN_CLIP_H
#define CNN_TRAIN_CLIP_H

#include "recipe/optimizer.h"

/* The pieces of the trained tensors, in order; at first zeros beside graph. false behind the
 * last. */
struct cnn_clip_pieces {
    const struct cnn_graph *graph;
    size_t node, slot, done; /* done: numbers of that tensor */
};
bool cnn_clip_next(struct cnn_clip_pieces *pieces, struct cnn_stretch *out);

/* What gradients with this sum of squares are multiplied by, so that their norm is at most
 * max_norm: PyTorch's clip_grad_norm_. 1: they stay. */
float cnn_clip_factor(double max_norm, double squares);

/* Does it with the gradients of all trained tensors. */
void cnn_clip_gradients(const struct cnn_graph *graph, double max_norm, float *gradients);

#endif
