/* Private to model: finding blocks in a list of layers (find_blocks.c), for compact.c, which writes
 * them. */
#ifndef CNN_MODEL_COMPACT_H
#define CNN_MODEL_COMPACT_H

#include "graph/graph.h"

/* One use of a block: the layers first to last, of which the last has the name of the use and the
 * others begin with it. */
struct cnn_found_use {
    size_t first, last;
    size_t input; /* the value that it reads, and nothing else from outside */
    size_t block; /* uses of one block have the same number */
};

/* Finds the uses in graph, in the order of its layers, with at least two of each block. *out lives
 * in arena; false when out of memory. */
bool cnn_find_blocks(struct cnn_arena *arena, const struct cnn_graph *graph,
                     struct cnn_found_use **out, size_t *count);

/* The name of node in the use, without the name of the use. */
const char *cnn_found_name(const struct cnn_graph *graph, const struct cnn_found_use *use,
                           size_t node);

/* Whether the values of two uses of a key, NULL where they have none, can be those of a
 * parameter. */
bool cnn_found_alike(const struct cnn_yaml *a, const struct cnn_yaml *b);

#endif
