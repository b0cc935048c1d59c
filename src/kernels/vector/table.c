/* This instruction set's table. */
#include "kernels/plain.h"
#include "kernels/vector/conv.h"
#include "kernels/vector/dense.h"
#include "kernels/vector/int8.h"
#include "kernels/vector/ops.h"
#include "kernels/vector/pairs.h"

#define STRING2(x) #x
#define STRING(x)  STRING2(x)

#ifndef CNN_TABLE
#define CNN_TABLE CNN_ISA
#endif
#define TABLE CNN_ISA_PASTE(cnn_kernels, CNN_TABLE)

#if defined(__AVX512BF16__)
extern const struct cnn_kernels cnn_kernels_halves;
#define HALVES      &cnn_kernels_halves
#define CONV_HALVES CNN_BF16_NAME(cnn_conv_halves)
#else
#define HALVES      NULL
#define CONV_HALVES NULL
#endif

extern const struct cnn_kernels TABLE;

const struct cnn_kernels TABLE = {
    .name = STRING(CNN_TABLE),
    .halves = HALVES,
    .conv_packed_floats = CNN_BF16_NAME(cnn_conv_packed_floats),
    .conv_halves = CONV_HALVES,
    .conv_scratch_floats = CNN_BF16_NAME(cnn_conv_scratch_floats),
    .dense_scratch_floats = CNN_BF16_NAME(cnn_dense_scratch_floats),
    .conv_pack = CNN_BF16_NAME(cnn_conv_pack),
    .conv_forward = CNN_BF16_NAME(cnn_conv_forward),
    .conv_backward_data = CNN_BF16_NAME(cnn_conv_backward_data),
    .conv_backward_weights = CNN_BF16_NAME(cnn_conv_backward_weights),
    .conv_work = CNN_BF16_NAME(cnn_conv_work),
    .conv_int8_packed_floats = CNN_INT8_NAME(cnn_conv_int8_packed_floats),
    .conv_int8_scratch_floats = CNN_INT8_NAME(cnn_conv_int8_scratch_floats),
    .conv_int8_pack = CNN_INT8_NAME(cnn_conv_int8_pack),
    .conv_int8_forward = CNN_INT8_NAME(cnn_conv_int8_forward),
    .quantize = CNN_INT8_NAME(cnn_quantize),
    .pool_bytes = CNN_ISA_NAME(cnn_pool_bytes),
    .add_bytes = CNN_ISA_NAME(cnn_add_bytes),
    .multiply_bytes = CNN_ISA_NAME(cnn_multiply_bytes),
    .scale_bytes = CNN_ISA_NAME(cnn_scale_bytes),
    .pool_forward = CNN_VALUE_NAME(cnn_pool_forward),
    .pool_backward = CNN_VALUE_NAME(cnn_pool_backward),
    .batch_norm_scratch_floats = CNN_VALUE_NAME(cnn_batch_norm_scratch_floats),
    .batch_norm_statistics = CNN_VALUE_NAME(cnn_batch_norm_statistics),
    .batch_norm_forward = CNN_VALUE_NAME(cnn_batch_norm_forward),
    .batch_norm_backward = CNN_VALUE_NAME(cnn_batch_norm_backward),
    .lrn_scratch_floats = CNN_ISA_NAME(cnn_lrn_scratch_floats),
    .lrn_forward = CNN_ISA_NAME(cnn_lrn_forward),
    .lrn_backward = CNN_ISA_NAME(cnn_lrn_backward),
    .activation_forward = CNN_VALUE_NAME(cnn_activation_forward),
    .activation_backward = CNN_VALUE_NAME(cnn_activation_backward),
    .scale_scratch_floats = CNN_VALUE_NAME(cnn_scale_scratch_floats),
    .scale_forward = CNN_VALUE_NAME(cnn_scale_forward),
    .scale_backward = CNN_VALUE_NAME(cnn_scale_backward),
    .group_norm_scratch_floats = CNN_ISA_NAME(cnn_group_norm_scratch_floats),
    .group_norm_forward = CNN_ISA_NAME(cnn_group_norm_forward),
    .group_norm_backward = CNN_ISA_NAME(cnn_group_norm_backward),
    .sum = CNN_VALUE_NAME(cnn_sum),
    .sum_backward = CNN_VALUE_NAME(cnn_sum_backward),
    .sgd = CNN_ISA_NAME(cnn_sgd),
    .adam = CNN_ISA_NAME(cnn_adam),
    .rmsprop = CNN_ISA_NAME(cnn_rmsprop),
    .batch_norm_backward_fixed = cnn_batch_norm_backward_fixed,
    .track = cnn_track,
    .batch_norm_fold = cnn_batch_norm_fold,
    .multiply = cnn_multiply,
    .combine = cnn_combine,
    .approach = cnn_approach,
    .squares = cnn_squares,
    .lion = cnn_lion,
    .cross_entropy = cnn_cross_entropy,
    .squared_error = cnn_squared_error,
    .rank = cnn_rank,
    .find_living = cnn_find_living,
    .gather_bytes = cnn_gather_bytes,
    .copy_bytes = cnn_copy_bytes,
    .translate = cnn_translate,
    .softmax_exact = cnn_softmax_exact,
    .dropout = cnn_dropout,
    .drop_images = cnn_drop_images,
    .transpose = cnn_transpose,
    .copy = cnn_copy,
    .take_channels = cnn_take_channels,
    .put_channels = cnn_put_channels,
    .pad = cnn_pad,
    .pad_backward = cnn_pad_backward,
    .depth_to_space = cnn_depth_to_space,
    .space_to_depth = cnn_space_to_depth,
    .resample = cnn_resample,
    .resample_backward = cnn_resample_backward,
    .peak = {CNN_ISA_NAME(cnn_peak), CNN_FAST_PAIRS ? CNN_BF16_NAME(cnn_peak_pairs) : NULL,
             CNN_INT8_NAME(cnn_peak_bytes)},
    .read = CNN_ISA_NAME(cnn_read),
};
