/* The second table of avx512bf16, for values stored as bfloat16 (cnn_kernels.halves). */
#include "kernels/plain.h"
#include "kernels/vector/conv.h"
#include "kernels/vector/dense.h"
#include "kernels/vector/ops.h"

extern const struct cnn_kernels cnn_kernels_halves;

const struct cnn_kernels cnn_kernels_halves = {
    .name = "halves",
    /* of convolutions x_halves and y_halves say what their values are */
    .conv_packed_floats = CNN_BF16_NAME(cnn_conv_packed_floats),
    .conv_halves = CNN_BF16_NAME(cnn_conv_halves),
    .conv_work = CNN_BF16_NAME(cnn_conv_work),
    .conv_scratch_floats = CNN_BF16_NAME(cnn_conv_scratch_floats),
    .dense_scratch_floats = CNN_BF16_NAME(cnn_dense_scratch_floats),
    .conv_pack = CNN_BF16_NAME(cnn_conv_pack),
    .conv_forward = CNN_BF16_NAME(cnn_conv_forward),
    .conv_backward_data = CNN_BF16_NAME(cnn_conv_backward_data),
    .conv_backward_weights = CNN_BF16_NAME(cnn_conv_backward_weights),
    /* of statistics and parameters */
    .track = cnn_track,
    .batch_norm_fold = cnn_batch_norm_fold,
    .pool_forward = CNN_VALUE_NAME(cnn_pool_forward),
    .pool_backward = CNN_VALUE_NAME(cnn_pool_backward),
    .batch_norm_scratch_floats = CNN_VALUE_NAME(cnn_batch_norm_scratch_floats),
    .batch_norm_statistics = CNN_VALUE_NAME(cnn_batch_norm_statistics),
    .batch_norm_forward = CNN_VALUE_NAME(cnn_batch_norm_forward),
    .batch_norm_backward = CNN_VALUE_NAME(cnn_batch_norm_backward),
    .activation_forward = CNN_VALUE_NAME(cnn_activation_forward),
    .activation_backward = CNN_VALUE_NAME(cnn_activation_backward),
    .scale_scratch_floats = CNN_VALUE_NAME(cnn_scale_scratch_floats),
    .scale_forward = CNN_VALUE_NAME(cnn_scale_forward),
    .scale_backward = CNN_VALUE_NAME(cnn_scale_backward),
    .sum = CNN_VALUE_NAME(cnn_sum),
    .sum_backward = CNN_VALUE_NAME(cnn_sum_backward),
    .group_norm_scratch_floats = CNN_VALUE_NAME(cnn_group_norm_scratch_floats),
    .group_norm_forward = CNN_VALUE_NAME(cnn_group_norm_forward),
    .group_norm_backward = CNN_VALUE_NAME(cnn_group_norm_backward),
    .find_living = CNN_VALUE_NAME(cnn_find_living),
    .dropout = CNN_VALUE_NAME(cnn_dropout),
    .drop_images = CNN_VALUE_NAME(cnn_drop_images),
    .transpose = CNN_VALUE_NAME(cnn_transpose),
    .copy = CNN_VALUE_NAME(cnn_copy),
    .take_channels = CNN_VALUE_NAME(cnn_take_channels),
    .put_channels = CNN_VALUE_NAME(cnn_put_channels),
};
