/* ONNX models that tests and fuzzing begin with. */
#include "onnx_models.h"

#include <stdlib.h>
#include <string.h>

/* LeNet's kind, as PyTorch writes it. */
static void build_small(struct onnx_model *model)
{
    onnx_random(model, "features.0.weight", "4 3 3 3", 1, 0.4f, 0);
    onnx_random(model, "features.0.bias", "4", 2, 0.4f, 0);
    onnx_random(model, "classifier.weight", "10 64", 3, 0.2f, 0);
    onnx_random(model, "classifier.bias", "10", 4, 0.2f, 0);
    onnx_input(model, "input", "batch 3 8 8");
    onnx_node(model, "Conv", "input features.0.weight features.0.bias", "c",
              "kernel_shape=[3,3] pads=[1,1,1,1] strides=[1,1] dilations=[1,1] group=1");
    onnx_node(model, "Relu", "c", "r", "");
    onnx_node(model, "MaxPool", "r", "p", "kernel_shape=[2,2] strides=[2,2]");
    onnx_node(model, "Flatten", "p", "f", "axis=1");
    onnx_node(model, "Gemm", "f classifier.weight classifier.bias", "output",
              "alpha=1.0 beta=1.0 transB=1");
    onnx_output(model, "output");
}

/* A residual block with batch_norm, and a flatten whose shape is computed from the batch. */
static void build_residual(struct onnx_model *model)
{
    onnx_random(model, "stem.weight", "6 3 3 3", 1, 0.3f, 0);
    onnx_random(model, "block.conv.weight", "6 6 3 3", 2, 0.3f, 0);
    onnx_random(model, "block.bn.weight", "6", 3, 0.5f, 1);
    onnx_random(model, "block.bn.bias", "6", 4, 0.5f, 0);
    onnx_random(model, "block.bn.running_mean", "6", 5, 0.5f, 0);
    onnx_random(model, "block.bn.running_var", "6", 6, 0.4f, 1);
    onnx_random(model, "fc.weight", "5 6", 7, 0.5f, 0);
    onnx_random(model, "fc.bias", "5", 8, 0.5f, 0);
    onnx_ints(model, "zero", "", (const int64_t[]){0});
    onnx_ints(model, "rest", "1", (const int64_t[]){-1});
    onnx_ints(model, "first", "1", (const int64_t[]){0});
    onnx_input(model, "image", "batch 3 9 7");
    onnx_named(model, "/stem/Conv", "Conv", "image stem.weight", "s",
               "kernel_shape=[3,3] strides=[2,2] pads=[1,1,1,1]");
    onnx_named(model, "/stem/act/Relu", "Relu", "s", "sr", "");
    onnx_named(model, "/block/conv/Conv", "Conv", "sr block.conv.weight", "c",
               "kernel_shape=[3,3] pads=[1,1,1,1]");
    onnx_named(model, "/block/bn/BatchNormalization", "BatchNormalization",
               "c block.bn.weight block.bn.bias block.bn.running_mean block.bn.running_var", "n",
               "epsilon=0.001");
    onnx_named(model, "/block/Add", "Add", "n sr", "a", "");
    onnx_named(model, "/block/Relu", "Relu", "a", "ar", "");
    onnx_named(model, "/pool", "GlobalAveragePool", "ar", "g", "");
    onnx_node(model, "Shape", "g", "shape", "");
    onnx_node(model, "Gather", "shape zero", "n0", "axis=0");
    onnx_node(model, "Unsqueeze", "n0 first", "n1", "");
    onnx_node(model, "Concat", "n1 rest", "target", "axis=0");
    onnx_node(model, "Reshape", "g target", "flat", "");
    onnx_node(model, "Dropout", "flat", "d", "");
    onnx_node(model, "Gemm", "d fc.weight fc.bias", "y", "transB=1 alpha=0.5 beta=2.0");
    onnx_output(model, "y");
}

/* As converters from TensorFlow write it: channels last, SAME padding, MatMul and Add, and a
 * flatten of rows, columns, channels. */
static void build_tensorflow(struct onnx_model *model)
{
    onnx_random(model, "conv/kernel:0", "4 2 3 3", 1, 0.4f, 0);
    onnx_random(model, "conv/bias:0", "4", 2, 0.4f, 0);
    onnx_random(model, "dense/kernel:0", "24 3", 3, 0.3f, 0);
    onnx_random(model, "dense/bias:0", "3", 4, 0.3f, 0);
    onnx_ints(model, "flat", "2", (const int64_t[]){-1, 24});
    onnx_input(model, "input_1", "unk 5 4 2");
    onnx_node(model, "Transpose", "input_1", "t", "perm=[0,3,1,2]");
    onnx_node(model, "Conv", "t conv/kernel:0 conv/bias:0", "c",
              "kernel_shape=[3,3] strides=[2,2] auto_pad='SAME_UPPER'");
    onnx_node(model, "Tanh", "c", "h", "");
    onnx_node(model, "Transpose", "h", "l", "perm=[0,2,3,1]");
    onnx_node(model, "Reshape", "l flat", "f", "");
    onnx_node(model, "MatMul", "f dense/kernel:0", "m", "");
    onnx_node(model, "Add", "m dense/bias:0", "b", "");
    onnx_node(model, "Softmax", "b", "probabilities", "axis=-1");
    onnx_output(model, "probabilities");
    model->opset = 13;
}

/* As converters from Keras write it where they leave channels last: a normalisation and a border
 * before channels come to the front, batch_norm as a product and a sum, squeeze and excite. */
static void build_keras(struct onnx_model *model)
{
    static const int64_t border[] = {0, 1, 0, 0, 0, 1, 2, 0};
    onnx_random(model, "mean", "1 1 1 3", 1, 0.5f, 0.5f);
    onnx_random(model, "std", "1 1 1 3", 2, 0.2f, 1);
    onnx_random(model, "conv/kernel:0", "4 3 3 3", 3, 0.4f, 0);
    onnx_random(model, "gamma", "4", 4, 1, 0.5f);
    onnx_random(model, "beta", "4", 5, 1, 0);
    onnx_random(model, "alpha", "1 1 4", 6, 1, 0);
    onnx_random(model, "se/kernel:0", "4 4 1 1", 7, 1, 0);
    onnx_random(model, "se/bias", "4", 8, 1, 0);
    onnx_random(model, "dense/kernel:0", "4 3", 9, 1, 0);
    onnx_ints(model, "border", "8", border);
    onnx_floats(model, "factor", "", (const float[]){0.25f});
    onnx_input(model, "input_1", "unk 9 8 3");
    onnx_node(model, "Mul", "input_1 factor", "rescaled", "");
    onnx_node(model, "Sub", "rescaled mean", "centred", "");
    onnx_node(model, "Div", "centred std", "normal", "");
    onnx_node(model, "Pad", "normal border", "p", "");
    onnx_node(model, "Transpose", "p", "t", "perm=[0,3,1,2]");
    onnx_node(model, "Conv", "t conv/kernel:0", "c", "strides=[2,2] auto_pad='VALID'");
    onnx_node(model, "Transpose", "c", "l", "perm=[0,2,3,1]");
    onnx_node(model, "Mul", "l gamma", "g", "");
    onnx_node(model, "Add", "g beta", "b", "");
    onnx_node(model, "PRelu", "b alpha", "a", "");
    onnx_node(model, "ReduceMean", "a", "m", "axes=[1,2] keepdims=1");
    onnx_node(model, "Transpose", "m", "m1", "perm=[0,3,1,2]");
    onnx_node(model, "Conv", "m1 se/kernel:0 se/bias", "e", "");
    onnx_node(model, "Transpose", "e", "e1", "perm=[0,2,3,1]");
    onnx_node(model, "Sigmoid", "e1", "gate", "");
    onnx_node(model, "Mul", "a gate", "excited", "");
    onnx_node(model, "Pad", "excited border", "q", "mode='reflect'");
    onnx_node(model, "ReduceMax", "q", "top", "axes=[1,2] keepdims=0");
    onnx_node(model, "MatMul", "top dense/kernel:0", "y", "");
    onnx_output(model, "y");
    model->opset = 13;
}

/* One channel comes to the front by a Reshape; padding of some axes; maps that grow to a size. */
static void build_gray(struct onnx_model *model)
{
    onnx_random(model, "conv/kernel:0", "2 1 2 3", 1, 1, 0);
    onnx_random(model, "up/kernel:0", "2 3 3 4", 2, 1, 0);
    onnx_random(model, "to/kernel:0", "3 2 2 2", 3, 1, 0);
    onnx_random(model, "last/kernel:0", "2 2 3 3", 4, 1, 0);
    onnx_floats(model, "half", "", (const float[]){-0.5f});
    onnx_ints(model, "front", "4", (const int64_t[]){-1, 1, 5, 6});
    onnx_ints(model, "pads", "4", (const int64_t[]){1, 2, 0, 1});
    onnx_ints(model, "axes", "2", (const int64_t[]){-1, 2});
    onnx_input(model, "input_1", "unk 5 6 1");
    onnx_node(model, "Add", "input_1 half", "x", "");
    onnx_node(model, "Reshape", "x front", "r", "");
    onnx_node(model, "Pad", "r pads - axes", "p", "");
    onnx_node(model, "Conv", "p conv/kernel:0", "c", "");
    onnx_node(model, "ConvTranspose", "c up/kernel:0", "u", "strides=[2,2] auto_pad='SAME_UPPER'");
    onnx_node(model, "ConvTranspose", "u to/kernel:0", "v", "strides=[3,3] auto_pad='SAME_LOWER'");
    onnx_node(model, "ConvTranspose", "v last/kernel:0", "y", "output_shape=[43,30]");
    onnx_output(model, "y");
    model->opset = 18;
}

/* Whole numbers of one byte or four. */
static void add_codes(struct onnx_model *model, const char *name, const char *sizes, int64_t type,
                      const void *values, size_t size)
{
    struct cnn_text fields = {0};
    for (const char *at = sizes; *at; at += strspn(at, " ")) {
        char *end;
        wire_int(&fields, 1, strtol(at, &end, 10));
        at = end;
    }
    wire_int(&fields, 2, type);
    wire_bytes(&fields, 9, values, size);
    onnx_tensor(model, name, &fields);
}

/* As ONNX Runtime's quantization writes it: weights are signed bytes with a scale for each filter,
 * or for all of them, and biases whole numbers. */
static void build_codes(struct onnx_model *model)
{
    signed char conv[4 * 2 * 9], dense[16 * 3];
    for (size_t i = 0; i < sizeof conv; i++)
        conv[i] = (signed char)((int)(i * 89 % 255) - 127);
    for (size_t i = 0; i < sizeof dense; i++)
        dense[i] = (signed char)((int)(i * 53 % 255) - 127);
    add_codes(model, "w_quantized", "4 2 3 3", 3, conv, sizeof conv);
    add_codes(model, "w_zero", "4", 3, (const signed char[4]){0}, 4);
    onnx_floats(model, "w_scale", "4", (const float[]){0.01f, 0.02f, 0.005f, 0.015f});
    add_codes(model, "b_quantized", "4", 6, (const int32_t[]){500, -700, 300, 0}, 16);
    onnx_floats(model, "b_scale", "4", (const float[]){1e-4f, 2e-4f, 5e-5f, 1.5e-4f});
    add_codes(model, "v_quantized", "16 3", 3, dense, sizeof dense);
    add_codes(model, "v_zero", "", 3, (const signed char[1]){0}, 1);
    onnx_floats(model, "v_scale", "", (const float[]){0.01f});
    onnx_floats(model, "x_scale", "", (const float[]){0.01f});
    add_codes(model, "x_zero", "", 2, (const unsigned char[]){114}, 1);
    onnx_floats(model, "r_scale", "", (const float[]){0.05f});
    add_codes(model, "r_zero", "", 2, (const unsigned char[]){0}, 1);
    onnx_input(model, "x", "batch 2 5 5");
    onnx_node(model, "QuantizeLinear", "x x_scale x_zero", "xq", "");
    onnx_node(model, "DequantizeLinear", "xq x_scale x_zero", "xd", "");
    onnx_node(model, "DequantizeLinear", "w_quantized w_scale w_zero", "w", "axis=0");
    onnx_node(model, "DequantizeLinear", "b_quantized b_scale", "b", "axis=0");
    onnx_node(model, "Conv", "xd w b", "c", "strides=[2,2]");
    onnx_node(model, "Relu", "c", "r", "");
    onnx_node(model, "QuantizeLinear", "r r_scale r_zero", "rq", "");
    onnx_node(model, "DequantizeLinear", "rq r_scale r_zero", "rd", "");
    onnx_node(model, "Flatten", "rd", "f", "");
    onnx_node(model, "DequantizeLinear", "v_quantized v_scale v_zero", "v", "");
    onnx_node(model, "MatMul", "f v", "d", "");
    onnx_output(model, "d");
    model->opset = 13;
}

/* Codes of a range much wider than the numbers: a layer gives numbers that are far from its codes.
 */
static void build_coarse(struct onnx_model *model)
{
    signed char dense[16 * 3];
    for (size_t i = 0; i < sizeof dense; i++)
        dense[i] = (signed char)((int)(i * 53 % 255) - 127);
    add_codes(model, "v_quantized", "16 3", 3, dense, sizeof dense);
    onnx_floats(model, "v_scale", "", (const float[]){0.01f});
    onnx_floats(model, "s_scale", "", (const float[]){0.05f});
    add_codes(model, "s_zero", "", 2, (const unsigned char[]){0}, 1);
    onnx_random(model, "w", "4 2 3 3", 1, 0.4f, 0);
    onnx_input(model, "x", "batch 2 6 6");
    onnx_node(model, "Conv", "x w", "c", "");
    onnx_node(model, "Sigmoid", "c", "s", "");
    onnx_node(model, "QuantizeLinear", "s s_scale s_zero", "sq", "");
    onnx_node(model, "DequantizeLinear", "sq s_scale s_zero", "sd", "");
    onnx_node(model, "MaxPool", "sd", "p", "kernel_shape=[2,2] strides=[2,2]");
    onnx_node(model, "Flatten", "p", "f", "");
    onnx_node(model, "DequantizeLinear", "v_quantized v_scale", "v", "");
    onnx_node(model, "MatMul", "f v", "d", "");
    onnx_output(model, "d");
    model->opset = 13;
}

/* As torch.export writes it: means over negative axes, weights that are transposed by a node. */
static void build_dynamo(struct onnx_model *model)
{
    onnx_random(model, "features.weight", "4 3 2 2", 1, 0.4f, 0);
    onnx_random(model, "features.bias", "4", 2, 0.4f, 0);
    onnx_random(model, "head.weight", "6 4", 3, 0.4f, 0);
    onnx_random(model, "head.bias", "6", 4, 0.4f, 0);
    onnx_ints(model, "axes", "2", (const int64_t[]){-1, -2});
    onnx_ints(model, "shape", "2", (const int64_t[]){0, 4});
    onnx_input(model, "x", "s0 3 6 6");
    onnx_named(model, "node_Conv_0", "Conv", "x features.weight features.bias", "conv2d",
               "strides=[2,2] pads=[0,0,0,0] group=1");
    onnx_node(model, "Sigmoid", "conv2d", "sigmoid", "");
    onnx_node(model, "Mul", "conv2d sigmoid", "silu", "");
    onnx_node(model, "ReduceMean", "silu axes", "mean", "keepdims=1");
    onnx_node(model, "Reshape", "mean shape", "view", "allowzero=0");
    onnx_node(model, "Transpose", "head.weight", "val_0", "perm=[1,0]");
    onnx_node(model, "MatMul", "view val_0", "val_1", "");
    onnx_node(model, "Add", "val_1 head.bias", "linear", "");
    onnx_output(model, "linear");
    model->opset = 18;
    model->ir = 10;
}

/* Pads of all kinds: uneven ones, Pad before Conv and AveragePool, SAME_LOWER, rounding up. */
static void build_pads(struct onnx_model *model)
{
    onnx_random(model, "a", "3 2 3 2", 1, 0.5f, 0);
    onnx_random(model, "b", "3 3 3 3", 2, 0.5f, 0);
    onnx_random(model, "c", "3 1 2 2", 3, 0.5f, 0);
    onnx_ints(model, "around", "8", (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    onnx_ints(model, "below", "8", (const int64_t[]){0, 0, 0, 0, 0, 0, 1, 2});
    onnx_input(model, "x", "1 2 11 13");
    onnx_node(model, "Conv", "x a", "ya", "pads=[2,0,0,1]");
    onnx_node(model, "Pad", "ya around", "p", "mode='constant'");
    onnx_node(model, "AveragePool", "p", "yp", "kernel_shape=[3,3]");
    onnx_node(model, "Pad", "yp below", "q", "");
    onnx_node(model, "Conv", "q b", "yb", "strides=[2,2] pads=[1,1,0,0]");
    onnx_node(model, "Conv", "yb c", "yc", "auto_pad='SAME_LOWER' group=3");
    onnx_node(model, "AveragePool", "yc", "yd", "kernel_shape=[2,2] pads=[1,1,1,1]");
    onnx_node(model, "MaxPool", "yd", "ye", "kernel_shape=[2,3] strides=[2,2] ceil_mode=1");
    onnx_node(model, "LRN", "ye", "yf", "size=3 alpha=0.3 beta=0.6 bias=1.5");
    onnx_output(model, "yf");
}

/* Activations that are spelt out: hardswish, gelu, mish, relu6, a leaky ReLU as a maximum. */
static void build_chains(struct onnx_model *model)
{
    onnx_random(model, "w", "4 2 1 1", 1, 2, 0);
    onnx_random(model, "v", "3 4 1 1", 2, 2, 0);
    onnx_floats(model, "half", "", (const float[]){0.5f});
    onnx_floats(model, "one", "1", (const float[]){1});
    onnx_floats(model, "three", "", (const float[]){3});
    onnx_floats(model, "six", "", (const float[]){6});
    onnx_floats(model, "none", "", (const float[]){0});
    onnx_floats(model, "root", "", (const float[]){1.41421356f});
    onnx_floats(model, "slope", "", (const float[]){0.2f});
    onnx_input(model, "x", "batch 2 5 5");
    onnx_node(model, "Conv", "x w", "c", "");
    onnx_node(model, "Add", "c three", "h1", "");
    onnx_node(model, "Clip", "h1 none six", "h2", "");
    onnx_node(model, "Mul", "c h2", "h3", "");
    onnx_node(model, "Div", "h3 six", "hardswish", "");
    onnx_node(model, "Div", "hardswish root", "g1", "");
    onnx_node(model, "Erf", "g1", "g2", "");
    onnx_node(model, "Add", "g2 one", "g3", "");
    onnx_node(model, "Mul", "hardswish g3", "g4", "");
    onnx_node(model, "Mul", "g4 half", "gelu", "");
    onnx_node(model, "Mul", "gelu slope", "l1", "");
    onnx_node(model, "Max", "gelu l1", "leaky", "");
    onnx_node(model, "Conv", "leaky v", "d", "");
    onnx_node(model, "Relu", "d", "r", "");
    onnx_node(model, "Clip", "r - six", "relu6", "");
    onnx_output(model, "relu6");
}

/* Channels shuffled by shapes that are computed from large maps, then split; squeeze and excite;
 * and a factor for each channel. */
static void build_gates(struct onnx_model *model)
{
    static const char *const dims[] = {"0", "1", "2", "3"};

    onnx_random(model, "w", "8 3 1 1", 1, 0.5f, 0);
    onnx_random(model, "se.weight", "4 4 1 1", 2, 2, 0);
    onnx_random(model, "se.bias", "4", 3, 2, 0);
    onnx_random(model, "factor", "8 1 1", 4, 1, 0);
    onnx_random(model, "offset", "8 1 1", 5, 1, 0);
    onnx_ints(model, "first", "1", (const int64_t[]){0});
    onnx_ints(model, "two", "1", (const int64_t[]){2});
    onnx_ints(model, "rest", "1", (const int64_t[]){-1});
    for (int64_t i = 0; i < 4; i++)
        onnx_ints(model, dims[i], "", &i);
    onnx_input(model, "x", "batch 3 100 100");
    onnx_node(model, "Conv", "x w", "c", "");
    onnx_node(model, "Shape", "c", "s", "");
    onnx_node(model, "Gather", "s 0", "s0", "");
    onnx_node(model, "Gather", "s 2", "s2", "");
    onnx_node(model, "Gather", "s 3", "s3", "");
    onnx_node(model, "Unsqueeze", "s0 first", "n", "");
    onnx_node(model, "Unsqueeze", "s2 first", "h", "");
    onnx_node(model, "Unsqueeze", "s3 first", "v", "");
    onnx_node(model, "Concat", "n two rest h v", "five", "axis=0");
    onnx_node(model, "Reshape", "c five", "r", "");
    onnx_node(model, "Transpose", "r", "t", "perm=[0,2,1,3,4]");
    onnx_node(model, "Concat", "n rest h v", "four", "axis=0");
    onnx_node(model, "Reshape", "t four", "shuffled", "");
    onnx_node(model, "Split", "shuffled", "a b", "axis=1");
    onnx_node(model, "GlobalAveragePool", "b", "g", "");
    onnx_node(model, "Conv", "g se.weight se.bias", "e", "");
    onnx_node(model, "HardSigmoid", "e", "gate", "alpha=0.1666666716");
    onnx_node(model, "Mul", "gate b", "m", "");
    onnx_node(model, "Concat", "a m", "j", "axis=1");
    onnx_node(model, "Mul", "factor j", "k", "");
    onnx_node(model, "Add", "k offset", "l", "");
    onnx_node(model, "ReduceMean", "l", "y", "axes=[2,3] keepdims=0");
    onnx_output(model, "y");
}

/* What stands between two convolutions of ConvNeXt: LayerNorm over channels that are last, spelt
 * out, and a product over them. */
static void build_last(struct onnx_model *model)
{
    onnx_random(model, "w", "6 2 1 1", 1, 1, 0);
    onnx_random(model, "norm.weight", "6", 2, 0.5f, 1);
    onnx_random(model, "norm.bias", "6", 3, 0.5f, 0);
    onnx_random(model, "product", "6 5", 4, 1, 0);
    onnx_random(model, "bias", "5", 5, 1, 0);
    onnx_floats(model, "two", "", (const float[]){2});
    onnx_floats(model, "eps", "", (const float[]){1e-3f});
    onnx_input(model, "x", "batch 2 4 3");
    onnx_node(model, "Conv", "x w", "c", "");
    onnx_node(model, "Transpose", "c", "t", "perm=[0,2,3,1]");
    onnx_node(model, "ReduceMean", "t", "mean", "axes=[-1]");
    onnx_node(model, "Sub", "t mean", "d", "");
    onnx_node(model, "Pow", "d two", "p", "");
    onnx_node(model, "ReduceMean", "p", "variance", "axes=[-1]");
    onnx_node(model, "Add", "variance eps", "v", "");
    onnx_node(model, "Sqrt", "v", "root", "");
    onnx_node(model, "Div", "d root", "n", "");
    onnx_node(model, "Mul", "n norm.weight", "scaled", "");
    onnx_node(model, "Add", "scaled norm.bias", "normed", "");
    onnx_node(model, "MatMul", "normed product", "m", "");
    onnx_node(model, "Add", "m bias", "l", "");
    onnx_node(model, "Transpose", "l", "y", "perm=[0,3,1,2]");
    onnx_output(model, "y");
}

/* Maps that grow, and that are cut and padded. */
static void build_grow(struct onnx_model *model)
{
    onnx_random(model, "w", "2 2 3 2", 1, 1, 0);
    onnx_random(model, "b", "4", 2, 1, 0);
    onnx_random(model, "slopes", "1 1 1", 3, 1, 0);
    onnx_floats(model, "scales", "4", (const float[]){1, 1, 2, 3});
    onnx_ints(model, "pads", "8", (const int64_t[]){0, 0, 1, 2, 0, 0, 0, 1});
    onnx_input(model, "x", "batch 2 3 4");
    onnx_node(model, "ConvTranspose", "x w b", "t",
              "strides=[2,3] pads=[1,0,0,1] output_padding=[1,2] group=2");
    onnx_node(model, "PRelu", "t slopes", "p", "");
    onnx_node(model, "DepthToSpace", "p", "d", "blocksize=2 mode='CRD'");
    onnx_node(model, "Resize", "d - scales", "n",
              "mode='nearest' coordinate_transformation_mode='asymmetric' nearest_mode='floor'");
    onnx_node(model, "Resize", "n - scales", "l", "mode='linear'");
    onnx_node(model, "Pad", "l pads", "q", "");
    onnx_node(model, "MaxPool", "q", "m", "kernel_shape=[2,2] strides=[1,1]");
    onnx_output(model, "m");
    model->opset = 13;
}

const struct onnx_example onnx_examples[] = {
    {"small", build_small},       {"grow", build_grow},
    {"gates", build_gates},       {"last", build_last},
    {"residual", build_residual}, {"tensorflow", build_tensorflow},
    {"keras", build_keras},       {"gray", build_gray},
    {"codes", build_codes},       {"coarse", build_coarse},
    {"dynamo", build_dynamo},     {"pads", build_pads},
    {"chains", build_chains},     {NULL, NULL},
};

struct cnn_text onnx_example(const char *name)
{
    for (const struct onnx_example *example = onnx_examples; example->name; example++)
        if (strcmp(example->name, name) == 0) {
            struct onnx_model model = {0};
            example->build(&model);
            return onnx_finish(&model);
        }
    return (struct cnn_text){0};
}
