/* What the files that translate layers of Darknet share. */
#ifndef CNN_FORMATS_DARKNET_INTERNAL_H
#define CNN_FORMATS_DARKNET_INTERNAL_H

#include "formats/darknet.h"

#define CNN_DARKNET_SIDE  65536
#define CNN_DARKNET_COUNT ((int64_t)1 << 28) /* numbers of one layer, or of its weights */

struct cnn_darknet_layer {
    const struct cnn_darknet_section *section;
    const char *name;             /* "convolutional4" */
    struct cnn_darknet_value in;  /* what the layer before it gives */
    struct cnn_darknet_value out; /* what it gives */
};

struct cnn_darknet_rule {
    const char *name; /* of the section; NULL ends a list */
    cnn_status (*translate)(struct cnn_darknet_net *net, struct cnn_darknet_layer *layer);
};
extern const struct cnn_darknet_rule cnn_darknet_weighted_rules[], cnn_darknet_map_rules[];

/* A message about the layer. Returns CNN_INVALID. */
cnn_status cnn_darknet_refuse(struct cnn_darknet_net *net, const struct cnn_darknet_layer *layer,
                              const char *format, ...) __attribute__((format(printf, 3, 4)));

/* An option from least to CNN_DARKNET_SIDE; *value is not changed where there is none. */
bool cnn_darknet_get(struct cnn_darknet_net *net, const struct cnn_darknet_layer *layer,
                     const char *key, int64_t least, int64_t *value);

/* `activation`, or otherwise; *value becomes what it gives. */
cnn_status cnn_darknet_activate(struct cnn_darknet_net *net, const struct cnn_darknet_layer *layer,
                                const char *otherwise, const char **value);

#endif
