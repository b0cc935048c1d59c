/* Private to config: layers of a description by name. */
#ifndef CNN_CONFIG_YAML_LAYERS_H
#define CNN_CONFIG_YAML_LAYERS_H

#include "config/yaml.h"

/* A name, and where it was given. */
struct cnn_layer_name {
    const char *text;
    struct cnn_where where;
};

/* The place in layers, a list that is the caller's own, where the layer of that name stands, or the
 * use of a block that has it as `name`. For a layer, all blocks and groups are expanded first, so
 * that no other layer changes with it. blocks: those of the description; NULL: none. An unknown
 * name is CNN_INVALID, with the nearest one as hint; so are mistakes in blocks. */
cnn_status cnn_yaml_find_layer(struct cnn_arena *arena, const struct cnn_yaml *blocks,
                               struct cnn_yaml *layers, const struct cnn_layer_name *name,
                               struct cnn_yaml ***out, cnn_diag *diag);

#endif
