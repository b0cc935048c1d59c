/* The int8 half of conv and dense: how a quantized layer stores its parameters, and computes with
 * them in inference. Its weights are whole multiples, from -127 to 127, of a number for each filter
 * (per channel); its input is cut off and rounded to 256 steps of a range found by calibration. All
 * else sees an ordinary layer with these weights. Jacob et al., "Quantization and Training of
 * Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018. */
#ifndef CNN_LAYERS_INT8_H
#define CNN_LAYERS_INT8_H

#include "layers/weighted.h"

/* Whether a convolution is computed with bytes in a network that is: groups of whole fours of
 * channels, sums within 32 bits. */
bool cnn_int8_fits(const struct cnn_conv *c);

/* Adds the tensors input_range and weight_scale to a layer. */
void cnn_int8_declare(struct cnn_node *node);

/* The parts of cnn_weighted's functions of these names where node->int8 is set. epilogue: as for
 * conv_forward; its bias is set here. */
size_t cnn_int8_packed(const struct cnn_node *node, const struct cnn_kernels *kernels);
size_t cnn_int8_scratch(const struct cnn_node *node, const struct cnn_kernels *kernels, size_t n);
void cnn_int8_prepare(const struct cnn_call *call);
void cnn_int8_forward(const struct cnn_call *call, struct cnn_epilogue *epilogue);

#endif
