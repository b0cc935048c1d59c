/* The table of the plain C implementation. */
#include "kernels/ref.h"

const struct cnn_kernels cnn_kernels_ref = {
    .name = "ref",
    .conv_packed_floats = cnn_conv_packed_floats_ref,
    .conv_scratch_floats = cnn_conv_scratch_floats_ref,
    .conv_pack = cnn_conv_pack_ref,
    .conv_forward = cnn_conv_forward_ref,
    .conv_backward_data = cnn_conv_backward_data_ref,
    .conv_backward_weights = cnn_conv_backward_weights_ref,
    .pool_forward = cnn_pool_forward_ref,
    .pool_backward = cnn_pool_backward_ref,
    .batch_norm_scratch_floats = cnn_batch_norm_scratch_floats_ref,
    .batch_norm_statistics = cnn_batch_norm_statistics_ref,
    .batch_norm_forward = cnn_batch_norm_forward_ref,
    .batch_norm_backward = cnn_batch_norm_backward_ref,
    .lrn_scratch_floats = cnn_lrn_scratch_floats_ref,
    .lrn_forward = cnn_lrn_forward_ref,
    .lrn_backward = cnn_lrn_backward_ref,
    .activation_forward = cnn_activation_forward_ref,
    .activation_backward = cnn_activation_backward_ref,
    .sum = cnn_sum_ref,
    .sum_backward = cnn_sum_backward_ref,
    .sgd = cnn_sgd_ref,
    .adam = cnn_adam_ref,
    .rmsprop = cnn_rmsprop_ref,
};
