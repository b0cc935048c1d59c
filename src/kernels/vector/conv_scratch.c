/* Scratch of a convolution: enough for any of its passes. */
#include "kernels/vector/conv.h"
#include "kernels/vector/conv_internal.h"
#include "kernels/vector/depthwise.h"
#include "kernels/vector/winograd.h"

size_t CNN_BF16_NAME(cnn_conv_scratch_floats)(const struct cnn_conv *c, size_t n)
{
    if (cnn_conv_by_winograd(c))
        return CNN_ISA_NAME(cnn_winograd_scratch_floats)(c, n);
    if (CNN_ISA_NAME(cnn_depthwise_fits)(c))
        return CNN_ISA_NAME(cnn_depthwise_scratch_floats)(c, n);
    size_t forward = CNN_BF16_NAME(cnn_conv_forward_scratch)(c, n),
           data = CNN_BF16_NAME(cnn_conv_backward_data_scratch)(c, n);
    size_t weights = CNN_BF16_NAME(cnn_conv_backward_weights_scratch)(c, n),
           most = forward > data ? forward : data;
    return most > weights ? most : weights;
}
