/* The second table of avx512bf16, for values stored as bfloat16 (cnn_kernels.halves). */
#include "kernels/vector/ops.h"

extern const struct cnn_kernels cnn_kernels_halves;

const struct cnn_kernels cnn_kernels_halves = {
    .name = "halves",
    .sum = CNN_VALUE_NAME(cnn_sum),
    .sum_backward = CNN_VALUE_NAME(cnn_sum_backward),
};
