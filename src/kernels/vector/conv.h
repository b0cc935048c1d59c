/* This instruction set's convolution, for its table (table.c). The contracts are those of
 * kernels.h. */
#ifndef CNN_KERNELS_VECTOR_CONV_H
#define CNN_KERNELS_VECTOR_CONV_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

size_t CNN_BF16_NAME(cnn_conv_packed_floats)(const struct cnn_conv *c, bool backward);
bool CNN_BF16_NAME(cnn_conv_halves)(const struct cnn_conv *c, bool data);
size_t CNN_BF16_NAME(cnn_conv_scratch_floats)(const struct cnn_conv *c, size_t n);
void CNN_BF16_NAME(cnn_conv_pack)(const struct cnn_conv *c, bool backward, const float *w,
                                  const float *scale, float *packed);
void CNN_BF16_NAME(cnn_conv_forward)(const struct cnn_conv *c, const struct cnn_conv_forward *pass);
void CNN_BF16_NAME(cnn_conv_backward_data)(const struct cnn_conv *c,
                                           const struct cnn_conv_backward_data *pass);
void CNN_BF16_NAME(cnn_conv_backward_weights)(const struct cnn_conv *c,
                                              const struct cnn_conv_backward_weights *pass);
struct cnn_work CNN_BF16_NAME(cnn_conv_work)(const struct cnn_conv *c, enum cnn_conv_pass pass);

#endif
