/* The int8 half of conv and dense: how a quantized layer stores its parameters, and computes with
 * them in inference. Its weights are whole multiples, from -127 to 127, of a number for each filter
 * (per channel); its input is cut off and rounded to 256 steps of a range found by calibration. All
 * else sees an ordinary layer with these weights. Jacob et al., "Quantization and Training of
 * Neural Networks for Efficient Integer-Arithmetic-Only Inference", 2018. */
#ifndef CNN_LAYERS_INT8_H
#define CNN_LAYERS_INT8_H

#include "layers/weighted.h"

extern const struct cnn_quantization cnn_int8;

#endif
