/* Dense layers whose weights are packed while they are multiplied, a block that stays in the cache
 * at a time. A step of training uses weights once: packed whole before, they would be read twice
 * and written once more. Bits are those of weights that are packed whole. */
#ifndef CNN_KERNELS_VECTOR_DENSE_H
#define CNN_KERNELS_VECTOR_DENSE_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* As the functions of kernels.h, of dense layers whose packed is NULL. */
size_t CNN_BF16_NAME(cnn_dense_scratch_floats)(const struct cnn_conv *c, size_t n);
void CNN_BF16_NAME(cnn_dense_forward)(const struct cnn_conv *c,
                                      const struct cnn_conv_forward *pass);
void CNN_BF16_NAME(cnn_dense_backward_data)(const struct cnn_conv *c,
                                            const struct cnn_conv_backward_data *pass);

#endif
