/* The layer graph: the `layers` of a description spliced, named, connected and given shapes. Nodes
 * stand in execution order, which is the file's: a layer reads layers above it. Immutable once
 * built. */
#ifndef CNN_GRAPH_GRAPH_H
#define CNN_GRAPH_GRAPH_H

#include "graph/layer.h"

/* Limits that keep every product of sizes far from overflow and memory requests sane. */
#define CNN_MAX_LAYERS CNN_YAML_MAX_LAYERS
#define CNN_MAX_BATCH  65536
/* floats of one activation of one image, or of one parameter tensor */
#define CNN_MAX_VALUE ((size_t)1 << 31)

/* How long a plan of one process has the gradients of parameters: until its next backward; or until
 * they are taken (cnn_plan_take), which is as soon as those of a layer are there, or of a part of
 * its weights. */
enum cnn_gradients { CNN_GRADIENTS_KEPT, CNN_GRADIENTS_BY_LAYER, CNN_GRADIENTS_BY_PIECE };

struct cnn_graph {
    cnn_shape input;
    struct cnn_node *nodes;
    size_t count;
    /* size of the slab that holds every stored tensor at its offset */
    size_t parameter_floats;
    /* the value that cross-entropy reads: the input of a final softmax, else the output */
    size_t logits;
    struct cnn_yaml *resolved_layers; /* the spliced list with names and defaults filled in */
};

/* Value index of node i's output; the network's output is that of the last node. */
static inline size_t cnn_graph_output(const struct cnn_graph *graph)
{
    return graph->count;
}

static inline cnn_shape cnn_graph_shape(const struct cnn_graph *graph, size_t value)
{
    return value == 0 ? graph->input : graph->nodes[value - 1].out;
}

/* What a graph is read from. */
struct cnn_graph_source {
    const struct cnn_yaml *input, *layers; /* of the description */
    const struct cnn_yaml *blocks;         /* NULL: none */
    enum cnn_precision precision;
    bool direct;                               /* see cnn_graph_setup */
    const struct cnn_layer_type *const *types; /* those that there are */
    size_t type_count;
};

/* The graph of a description; graph/builder.h builds one by calls. All mistakes are reported
 * (shapes only once the layers themselves are right). Everything lives in arena. A right `input` is
 * set in out even where the layers are wrong: other sections are checked against it. */
cnn_status cnn_graph_read(struct cnn_arena *arena, const struct cnn_graph_source *source,
                          struct cnn_graph *out, cnn_diag *diag);

/* The part of building that comes after the nodes are connected: shapes in execution order, sizes,
 * receptive fields, places in the parameter slab. */
cnn_status cnn_graph_infer(struct cnn_arena *arena, struct cnn_graph *graph, cnn_diag *diag);

/* Sets the warning of each layer whose windows leave pixels out that no other layer on the way to
 * the answer sees (unseen.c). False when out of memory. */
bool cnn_graph_mark_unseen(struct cnn_arena *arena, const struct cnn_graph *graph);

/* Training leaves the first count nodes as they are, as if each were not `trainable`. */
void cnn_graph_freeze(struct cnn_graph *graph, size_t count);

/* The part of graph that ends with value (not the input), as if it were the output. A view: graph
 * stays the owner. */
struct cnn_graph cnn_graph_until(const struct cnn_graph *graph, size_t value);

/* The first layer that cannot train on a batch of one image; NULL: there is none. */
const struct cnn_node *cnn_graph_needs_two(const struct cnn_graph *graph);

/* The node that has this float of the parameters; graph->count where none has. */
size_t cnn_graph_owner(const struct cnn_graph *graph, size_t at);

/* First values for every stored tensor, in the slab parameters (graph->parameter_floats). Each
 * tensor has its own random stream. */
void cnn_graph_init(const struct cnn_graph *graph, uint64_t seed, float *parameters);

#endif
