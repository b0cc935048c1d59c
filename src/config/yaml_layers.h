/* Private to config: layers of a description by name. */
#ifndef CNN_CONFIG_YAML_LAYERS_H
#define CNN_CONFIG_YAML_LAYERS_H

#include "config/yaml.h"

/* The place in layers, a list that is the caller's own, where the layer of that name stands; lists
 * and repeated blocks around it are replaced by copies, so that no other layer changes with it. An
 * unknown name is CNN_INVALID, at where, with the nearest one as hint. */
cnn_status cnn_yaml_find_layer(struct cnn_arena *arena, struct cnn_yaml *layers, const char *name,
                               const struct cnn_where *where, struct cnn_yaml ***out,
                               cnn_diag *diag);

#endif
