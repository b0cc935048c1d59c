/* The gradient of the data of few channels: each number of dy times the weights of a kernel row,
 * added to where that row lies in dx. A kernel row of all channels fills a vector that the channels
 * alone do not, and no work goes into padding. */
#ifndef CNN_KERNELS_VECTOR_CONV_SCATTER_H
#define CNN_KERNELS_VECTOR_CONV_SCATTER_H

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

/* Whether the gradient of the data goes this way. */
bool CNN_ISA_NAME(cnn_scatter_fits)(const struct cnn_conv *c);

/* The packed weights, and scratch of all threads. */
size_t CNN_ISA_NAME(cnn_scatter_packed_floats)(const struct cnn_conv *c);
size_t CNN_ISA_NAME(cnn_scatter_scratch_floats)(const struct cnn_conv *c, size_t n);

void CNN_ISA_NAME(cnn_scatter_pack)(const struct cnn_conv *c, const float *w, float *packed);
void CNN_ISA_NAME(cnn_scatter)(const struct cnn_conv *c, const struct cnn_conv_backward_data *pass);

#endif
