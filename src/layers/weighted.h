/* What conv, depthwise_conv and dense share: all three are convolutions to the kernels (a dense
 * layer is the 1x1 convolution of a 1x1 image), with a weight, perhaps a bias, and an activation at
 * the end. */
#ifndef CNN_LAYERS_WEIGHTED_H
#define CNN_LAYERS_WEIGHTED_H

#include "layers/window.h"

/* LINEAR: the sums before an activation whose backward needs them. NORM: the first of batch_norm's
 * four, where that has been fused. The rest: int8.h. */
enum {
    CNN_SLOT_WEIGHT,
    CNN_SLOT_BIAS,
    CNN_SLOT_PACKED,
    CNN_SLOT_PACKED_BACK,
    CNN_SLOT_LINEAR,
    CNN_SLOT_NORM,
    CNN_SLOT_INPUT_RANGE = CNN_SLOT_NORM + 4,
    CNN_SLOT_WEIGHT_SCALE
};

/* The keys that end the tables of all three, as members of their settings. */
struct cnn_weighted_settings {
    bool bias;
    int activation;                 /* for cnn_activation_of */
    int init;                       /* index into cnn_init_choices */
    const struct cnn_yaml *weights; /* literal values {kernel, bias}; NULL: none */
};

struct cnn_weighted {
    const struct cnn_weighted_settings *settings;
    struct cnn_conv conv;
    struct cnn_sliding sliding; /* conv and depthwise_conv: how the output's size came about */
    struct cnn_activation activation;
    float *literal_kernel, *literal_bias; /* NULL: none given */

    /* fused: batch_norm in inference, folded into the packed weights; pooling */
    bool normalizes;
    float eps;
    bool adds; /* the layer's second input */
    bool pools;
    struct cnn_pool pool;
};

/* The activation that the key `activation` names, with its default settings; an activation's
 * word. */
struct cnn_activation cnn_activation_of(int choice);
const char *cnn_activation_name(struct cnn_activation activation);

/* Tables that stand in the layers' own (CNN_KEY_TABLE): the keys that all three end with, read into
 * a struct cnn_weighted_settings, and then `init`, with the default of convolutions or of dense
 * layers; the one key `activation`, read into an int; those that place a convolution's windows,
 * read into a struct cnn_convolution_settings. */
extern const struct cnn_key cnn_weighted_keys[];
extern const struct cnn_key cnn_init_keys[];
extern const struct cnn_key cnn_init_keys_dense[];
extern const struct cnn_key cnn_activation_keys[];
extern const struct cnn_key cnn_convolution_keys[];

/* For a node whose out is known: declares its tensors, makes its state, which begins as `begin`
 * with settings, conv and sliding filled in, and reads literal weights. dims: of the stored weight.
 */
cnn_status cnn_weighted_infer(struct cnn_node *node, const struct cnn_weighted *begin, size_t rank,
                              const size_t *dims, struct cnn_arena *arena, cnn_diag *diag);

/* weighted_init.c: says how the first values of the node's tensors, which are declared, come about.
 */
cnn_status cnn_weighted_init(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag);

/* The settings of conv and depthwise_conv that place the windows. */
struct cnn_convolution_settings {
    struct cnn_window_settings window;
    int padding_mode;
};

extern const char *const cnn_padding_mode_choices[];

/* What conv and depthwise_conv make of their settings; filters and groups are known to be right for
 * the input. */
struct cnn_convolution {
    const struct cnn_convolution_settings *window;
    const struct cnn_weighted_settings *weighted;
    size_t filters, groups;
};

/* infer and other members of both. */
cnn_status cnn_convolution_infer(struct cnn_node *node, const struct cnn_convolution *convolution,
                                 struct cnn_arena *arena, cnn_diag *diag);
void cnn_convolution_describe(const struct cnn_node *node, struct cnn_text *out);
struct cnn_operation cnn_convolution_operation(const struct cnn_node *node);

/* What the sum of each filter is multiplied by, and the bias then added, so that batch_norm is done
 * too where it is fused. */
void cnn_weighted_fold(const struct cnn_call *call, float *scale, float *bias);

/* explain of conv and depthwise_conv, and of dense. */
double cnn_convolution_explain(const struct cnn_call *call, const struct cnn_question *question,
                               struct cnn_text *out);
double cnn_dense_explain(const struct cnn_call *call, const struct cnn_question *question,
                         struct cnn_text *out);

/* slope of all three. */
double cnn_weighted_slope(const struct cnn_call *call, const struct cnn_question *question,
                          struct cnn_operand *operand, struct cnn_text *out);

/* Members of the descriptors. */
extern const struct cnn_execution cnn_weighted_execution;
bool cnn_weighted_fuse(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion);

#endif
