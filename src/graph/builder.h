/* A graph is built by calls: begin, one cnn_graph_add for each layer in execution order, finish.
 * Settings go through the key tables of the layer types, so a caller needs no header of any layer,
 * and mistakes become the messages that a description gets. The YAML reader (graph.c) is one user;
 * readers of other programs' models are others.
 *
 *     size_t shortcut, y;
 *     cnn_graph_begin(arena, &setup, &builder, diag);
 *     cnn_graph_add(builder, &(struct cnn_graph_layer){
 *         .type = "conv", .name = "stem",
 *         .settings = (const struct cnn_graph_setting[]){
 *             {"filters", "16"}, {"kernel_size", "[3, 3]"}, {NULL, NULL}}}, &shortcut);
 *     cnn_graph_add(builder, &(struct cnn_graph_layer){.type = "relu"}, &y);
 *     cnn_graph_add(builder, &(struct cnn_graph_layer){
 *         .type = "add", .inputs = (const size_t[]){shortcut, y}, .input_count = 2}, &y);
 *     status = cnn_graph_finish(builder, &graph);
 *
 * A builder and what it builds live in the arena; there is nothing to free. One thread. */
#ifndef CNN_GRAPH_BUILDER_H
#define CNN_GRAPH_BUILDER_H

#include "graph/graph.h"

struct cnn_graph_builder;

/* What all layers of a graph share. */
struct cnn_graph_setup {
    cnn_shape input;
    enum cnn_precision precision;
    bool direct; /* convolutions are the sums that define them, without Winograd's rounding */
    const struct cnn_layer_type *const *types; /* those that there are */
    size_t type_count;
    /* names of the description's blocks, for hints; ends with NULL; NULL: none */
    const char *const *blocks;
};

/* A key of the layer type's table, and its value as YAML text: "3", "[3, 3]", "same", "true". */
struct cnn_graph_setting {
    const char *key, *value;
};

/* One layer. Everything is copied. */
struct cnn_graph_layer {
    const char *type;
    const char *name;     /* letters, digits, _ and -; NULL: the type and a number */
    const size_t *inputs; /* values that it reads; NULL: the layer above */
    size_t input_count;
    const struct cnn_graph_setting *settings; /* ends with a key that is NULL; NULL: none */
    const struct cnn_where *where;            /* for messages; NULL: no place */
};

/* diag gets the messages of all calls. The setup's types stay the caller's. */
cnn_status cnn_graph_begin(struct cnn_arena *arena, const struct cnn_graph_setup *setup,
                           struct cnn_graph_builder **out, cnn_diag *diag);

/* Adds a layer. *value, unless NULL, is the value that it makes, for the inputs of later layers; 0
 * is the network's input. CNN_INVALID where type, name, inputs or settings are wrong; more layers
 * may be added then, to find more mistakes, but the graph cannot be finished. */
cnn_status cnn_graph_add(struct cnn_graph_builder *builder, const struct cnn_graph_layer *layer,
                         size_t *value);

/* The same for a layer as a description has it: a word or a mapping, `from` by names, which finish
 * looks up. The tree is kept. */
cnn_status cnn_graph_add_yaml(struct cnn_graph_builder *builder, struct cnn_yaml *layer);

/* Names, connections, shapes, sizes, receptive fields, places in the parameter slab. The last layer
 * makes the network's output. All mistakes are reported, and *out is written only where there are
 * none. */
cnn_status cnn_graph_finish(struct cnn_graph_builder *builder, struct cnn_graph *out);

#endif
