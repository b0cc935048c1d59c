/* Depthwise convolutions of bytes that give bytes, one filter for each channel. */
#ifndef CNN_KERNELS_VECTOR_DEPTHWISE_INT8_H
#define CNN_KERNELS_VECTOR_DEPTHWISE_INT8_H

#include "kernels/vector/int8.h"

/* Whether this one goes this way, where y is bytes. */
bool CNN_INT8_NAME(cnn_depthwise_int8_fits)(const struct cnn_conv *c);

size_t CNN_INT8_NAME(cnn_depthwise_int8_packed_floats)(const struct cnn_conv *c);
size_t CNN_INT8_NAME(cnn_depthwise_int8_scratch_floats)(const struct cnn_conv *c);
void CNN_INT8_NAME(cnn_depthwise_int8_pack)(const struct cnn_conv *c,
                                            const struct cnn_integers *integers,
                                            const signed char *codes, float *packed);
void CNN_INT8_NAME(cnn_depthwise_int8_forward)(const struct cnn_conv *c,
                                               const struct cnn_conv_int8_forward *pass);

#endif
