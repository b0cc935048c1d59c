/* What group_norm and layer_norm share: a layer_norm is the group_norm of images of one pixel, in
 * one group. */
#ifndef CNN_LAYERS_GROUP_NORM_H
#define CNN_LAYERS_GROUP_NORM_H

#include "layers/explain.h"

struct cnn_group_norm_settings {
    size_t groups; /* 0: a layer_norm */
    double eps;
    bool affine;
};

/* The keys that both tables end with. */
extern const struct cnn_key cnn_group_norm_keys[];

/* Members of the descriptors; infer: of a node whose groups are known to be right. */
cnn_status cnn_group_norm_infer(struct cnn_node *node, struct cnn_arena *arena, cnn_diag *diag);
extern const struct cnn_execution cnn_group_norm_execution;
struct cnn_operation cnn_group_norm_operation(const struct cnn_node *node);
void cnn_group_norm_describe(const struct cnn_node *node, struct cnn_text *out);
double cnn_group_norm_slope(const struct cnn_call *call, const struct cnn_question *question,
                            struct cnn_operand *operand, struct cnn_text *out);
double cnn_group_norm_explain(const struct cnn_call *call, const struct cnn_question *question,
                              struct cnn_text *out);

#endif
