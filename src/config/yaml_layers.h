/* Private to config: layers of a description by name. */
#ifndef CNN_CONFIG_YAML_LAYERS_H
#define CNN_CONFIG_YAML_LAYERS_H

#include "config/yaml.h"

/* A name, where it was given, and the key of it that is meant; NULL: it as a whole. */
struct cnn_layer_name {
    const char *text;
    struct cnn_where where;
    const char *key;
};

/* The place in layers, a list that is the caller's own, of the layer of that name: its own, or the
 * one that expanding gives it. Where the key is a parameter of a block of which an entry of the
 * list is a use of that name, the place of that entry. Else blocks and groups are expanded first,
 * so that no other layer changes with it; entries keep their numbers. blocks: those of the
 * description; NULL: none. An unknown name is CNN_INVALID, with the nearest one as hint; so are
 * mistakes in blocks. */
cnn_status cnn_yaml_find_layer(struct cnn_arena *arena, const struct cnn_yaml *blocks,
                               struct cnn_yaml *layers, const struct cnn_layer_name *name,
                               struct cnn_yaml ***out, cnn_diag *diag);

#endif
