/* See explain_cases.h. */
#include "explain_cases.h"

#define CONV(settings) "  - {type: conv, " settings "}\n"
#define POOL(settings) "  - {type: pool, " settings "}\n"

const struct explain_case explain_cases[] = {
    {"conv", "[1, 5, 6]", CONV("filters: 4, kernel_size: 3")},
    {"conv", "[3, 7, 6]",
     CONV("filters: 5, kernel_size: [3, 2], stride: [2, 1], padding: [1, 0], bias: false")},
    {"conv", "[2, 7, 7]", CONV("filters: 3, kernel_size: 3, dilation: 2, padding: 2")},
    {"conv", "[3, 9, 8]",
     CONV("filters: 3, kernel_size: 3, dilation: [1, 3], stride: 2, padding: [0, 4]")},
    {"conv", "[4, 5, 5]", CONV("filters: 6, kernel_size: 3, groups: 2, padding: same")},
    {"conv", "[3, 6, 6]", CONV("filters: 4, kernel_size: 4, padding: same, stride: 2")},
    {"conv", "[3, 6, 6]", CONV("filters: 4, kernel_size: 3, padding: [0, 1, 2, 1]")},
    {"conv", "[2, 5, 6]", CONV("filters: 3, kernel_size: 3, padding: 2, padding_mode: reflect")},
    {"conv", "[2, 5, 6]",
     CONV("filters: 3, kernel_size: 3, padding: 2, padding_mode: replicate, stride: 2")},
    {"conv", "[19, 4, 4]", CONV("filters: 7, kernel_size: 3, padding: 1")},
    {"conv", "[36, 3, 3]", CONV("filters: 6, kernel_size: 1, groups: 2")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: relu")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: relu6")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: leaky_relu")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: elu")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: sigmoid")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: tanh")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: gelu")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: silu")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: hardswish")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: hard_sigmoid")},
    {"conv", "[2, 4, 4]", CONV("filters: 3, kernel_size: 3, activation: mish")},
    {"conv", "[2, 4, 4]",
     CONV("filters: 5, kernel_size: 3, activation: softmax") CONV("filters: 2, kernel_size: 1")},
    {"depthwise_conv", "[5, 6, 6]",
     "  - {type: depthwise_conv, kernel_size: 3, padding: 1, stride: 2}\n"},
    {"depthwise_conv", "[3, 5, 5]",
     "  - {type: depthwise_conv, kernel_size: 3, multiplier: 2, activation: silu}\n"},
    {"conv_transpose", "[3, 4, 5]", "  - {type: conv_transpose, filters: 4, kernel_size: 3}\n"},
    {"conv_transpose", "[4, 3, 4]",
     "  - {type: conv_transpose, filters: 6, kernel_size: [3, 2], stride: [2, 3], padding: [1, 0], "
     "groups: 2, bias: false}\n"},
    {"conv_transpose", "[5, 4, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 3, stride: 2, padding: 1, "
     "output_padding: 1, activation: silu}\n"},
    {"conv_transpose", "[2, 3, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 2, dilation: 3, stride: 2, padding: [0, "
     "1, 2, 1], activation: tanh}\n"},
    {"conv_transpose", "[8, 5, 5]",
     "  - {type: conv_transpose, filters: 8, kernel_size: 3, padding: 1, groups: 8, activation: "
     "sigmoid}\n"},
    {"conv_transpose", "[17, 3, 3]",
     "  - {type: conv_transpose, filters: 19, kernel_size: 1, stride: 2, activation: mish}\n"},
    {"conv_transpose", "[2, 3, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 2, activation: softmax}\n  - {type: "
     "conv, filters: 2, kernel_size: 1}\n"},
    {"conv_transpose", "[70, 3, 3]",
     "  - {type: conv_transpose, filters: 2, kernel_size: 1, activation: softmax}\n" CONV(
         "filters: 2, kernel_size: 1")},
    {"pool", "[3, 4, 4]", POOL("pool_type: max, kernel_size: 2")},
    {"pool", "[2, 5, 5]", POOL("pool_type: max, kernel_size: 3, stride: 2, padding: 1")},
    {"pool", "[2, 6, 6]", POOL("pool_type: max, kernel_size: [3, 2], stride: 2, ceil_mode: true")},
    {"pool", "[2, 2, 8]", POOL("pool_type: max, kernel_size: 3, ceil_mode: true")},
    {"pool", "[2, 5, 1]", POOL("pool_type: avg, kernel_size: 3, ceil_mode: true")},
    {"pool", "[3, 4, 4]", POOL("pool_type: avg, kernel_size: 2")},
    {"pool", "[3, 5, 5]", POOL("pool_type: avg, kernel_size: 3, stride: 2, padding: 1")},
    {"pool", "[3, 6, 6]",
     POOL("pool_type: avg, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true")},
    {"pool", "[3, 6, 6]",
     POOL("pool_type: avg, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true, "
          "count_include_pad: false")},
    {"pool", "[2, 7, 7]", POOL("pool_type: avg, kernel_size: 3, stride: 2, padding: [0, 1, 2, 1]")},
    {"global_pool", "[3, 4, 5]", "  - {type: global_pool, pool_type: avg}\n"},
    {"global_pool", "[2, 9, 9]", "  - {type: global_pool, pool_type: avg}\n"},
    {"global_pool", "[3, 9, 9]", "  - {type: global_pool, pool_type: max}\n"},
    {"flatten dense", "[3, 3, 4]", "  - {type: flatten}\n  - {type: dense, units: 5}\n"},
    {"flatten dense dropout", "[5, 4, 4]",
     "  - {type: flatten}\n  - {type: dropout}\n  - {type: dense, units: 30, activation: tanh}\n"},
    {"dense", "[7, 1, 1]",
     "  - {type: flatten}\n  - {type: dense, units: 70, bias: false}\n  - {type: dense, units: 4, "
     "activation: gelu}\n"
     "  - {type: dense, units: 5, activation: softmax}\n"},
    {"batch_norm", "[4, 3, 3]", "  - {type: batch_norm}\n"},
    {"batch_norm", "[4, 3, 3]", "  - {type: batch_norm, eps: 0.5, activation: sigmoid}\n"},
    {"batch_norm", "[4, 3, 3]", "  - {type: batch_norm, activation: gelu}\n"},
    {"batch_norm", "[4, 3, 3]",
     "  - {type: batch_norm, activation: softmax}\n" CONV("filters: 2, kernel_size: 1")},
    {"relu", "[3, 4, 4]", "  - {type: relu}\n"},
    {"relu6", "[3, 4, 4]",
     CONV("filters: 1, kernel_size: 1, weights: {kernel: [[[9]], [[0]], [[0]]]}") "  - {type: "
                                                                                  "relu6}\n"},
    {"leaky_relu", "[3, 4, 4]", "  - {type: leaky_relu, negative_slope: 0.2}\n"},
    {"elu", "[3, 4, 4]", "  - {type: elu}\n"},
    {"sigmoid", "[3, 4, 4]", "  - {type: sigmoid}\n"},
    {"tanh", "[3, 4, 4]", "  - {type: tanh}\n"},
    {"gelu", "[3, 4, 4]", "  - {type: gelu}\n"},
    {"silu", "[3, 4, 4]", "  - {type: silu}\n"},
    {"hardswish", "[3, 4, 4]",
     CONV("filters: 1, kernel_size: 1, weights: {kernel: [[[5]], [[0]], [[0]]]}") "  - {type: "
                                                                                  "hardswish}\n"},
    {"hard_sigmoid", "[3, 4, 4]",
     CONV("filters: 1, kernel_size: 1, weights: {kernel: [[[5]], [[0]], [[0]]]}") "  - {type: "
                                                                                  "hard_sigmoid}"
                                                                                  "\n"},
    {"mish", "[3, 4, 4]", "  - {type: mish}\n"},
    {"clip", "[3, 4, 4]", "  - {type: clip, min: -0.25, max: 0.5}\n"},
    {"softmax", "[5, 3, 3]", "  - {type: softmax}\n" CONV("filters: 2, kernel_size: 1")},
    {"softmax", "[25, 1, 1]", "  - {type: flatten}\n  - {type: softmax}\n"},
    {"lrn", "[7, 3, 3]", "  - {type: lrn, size: 4, alpha: 0.5, beta: 0.75, k: 2}\n"},
    {"lrn", "[70, 2, 2]", "  - {type: lrn, size: 131, alpha: 0.5}\n"},
    {"dropout", "[4, 4, 4]", "  - {type: dropout, rate: 0.4}\n"},
    {"mul", "[3, 4, 4]", "  - {type: mul, from: [input, input]}\n"},
    {"mul", "[19, 3, 3]",
     "  - {type: tanh, name: a}\n  - {type: conv, filters: 19, kernel_size: 1, name: b}\n  - "
     "{type: mul, from: [a, b], activation: silu}\n"},
    {"mul", "[6, 4, 3]",
     "  - {type: conv, filters: 18, kernel_size: 1, name: a}\n  - {type: global_pool, pool_type: "
     "avg}\n  - {type: conv, filters: 18, kernel_size: 1, activation: sigmoid, name: g}\n  - "
     "{type: mul, from: [a, g]}\n"},
    {"mul", "[6, 4, 3]",
     "  - {type: sigmoid, name: a}\n  - {type: flatten}\n  - {type: dense, units: 6, name: g}\n  - "
     "{type: mul, from: [a, g], activation: tanh}\n"},
    {"mul", "[6, 4, 3]",
     "  - {type: sigmoid, name: a}\n  - {type: global_pool, pool_type: avg}\n  - {type: mul, from: "
     "[a, global_pool1]}\n  - {type: elu}\n"},
    {"scale", "[5, 3, 3]", "  - {type: scale}\n"},
    {"scale", "[17, 3, 4]", "  - {type: scale, bias: true, init: 0.5}\n  - {type: gelu}\n"},
    {"scale", "[17, 3, 4]", "  - {type: scale, bias: true, activation: mish}\n"},
    {"scale", "[4, 2, 2]",
     "  - {type: scale, bias: true, activation: softmax}\n  - {type: conv, filters: 2, "
     "kernel_size: 1}\n"},
    {"scale", "[9, 1, 1]",
     "  - {type: flatten}\n  - {type: scale, bias: true, activation: sigmoid}\n"},
    {"layer_norm", "[7, 3, 3]", "  - {type: layer_norm}\n"},
    {"layer_norm", "[21, 2, 2]", "  - {type: layer_norm, affine: false, eps: 0.01}\n"},
    {"layer_norm", "[9, 1, 1]", "  - {type: flatten}\n  - {type: layer_norm}\n"},
    {"group_norm", "[6, 3, 3]", "  - {type: group_norm, groups: 3}\n"},
    {"group_norm", "[20, 2, 3]", "  - {type: group_norm, groups: 1, eps: 0.01}\n"},
    {"group_norm", "[4, 3, 3]", "  - {type: group_norm, groups: 4, affine: false}\n"},
    {"slice", "[7, 3, 3]", "  - {type: slice, start: 2, end: 5}\n"},
    {"slice", "[7, 3, 3]",
     "  - {type: slice, end: 3, name: a}\n  - {type: slice, start: 1, from: input}\n  - {type: "
     "conv, filters: 2, kernel_size: 1}\n  - {type: concat, from: [conv1, a]}\n"},
    {"shuffle", "[12, 3, 3]", "  - {type: shuffle, groups: 3}\n"},
    {"drop_path", "[4, 3, 3]", "  - {type: drop_path, rate: 0.4}\n"},
    {"drop_path", "[4, 3, 3]",
     "  - {type: conv, filters: 4, kernel_size: 1}\n  - {type: drop_path, rate: 0.5}\n  - {type: "
     "drop_path, rate: 0.3}\n"},
    {"prelu", "[3, 4, 4]", "  - {type: prelu}\n"},
    {"prelu", "[3, 4, 4]", "  - {type: prelu, shared: true, init: -0.5}\n"},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [1, 0, 2, 3]}\n"},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [3, 1, 2, 1], padding_mode: reflect}\n"},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [0, 5, 2, 1], padding_mode: replicate}\n"},
    {"upsample", "[3, 4, 3]", "  - {type: upsample, scale: [2, 3]}\n"},
    {"upsample", "[3, 4, 5]", "  - {type: upsample, size: [7, 3]}\n"},
    {"upsample", "[3, 4, 3]", "  - {type: upsample, scale: 2, mode: bilinear}\n"},
    {"upsample", "[3, 4, 5]",
     "  - {type: upsample, size: [7, 3], mode: bilinear, align_corners: true}\n"},
    {"depth_to_space", "[12, 2, 3]", "  - {type: depth_to_space, block: 2}\n"},
    {"depth_to_space", "[12, 2, 3]", "  - {type: depth_to_space, block: 2, order: place}\n"},
    {"space_to_depth", "[2, 4, 6]", "  - {type: space_to_depth, block: 2}\n"},
    {"space_to_depth", "[2, 3, 6]", "  - {type: space_to_depth, block: 3, order: place}\n"},
    {"layer_norm", "[70, 2, 2]", "  - {type: layer_norm}\n"},
    {"group_norm", "[6, 5, 5]", "  - {type: group_norm, groups: 2}\n"},
    {"flatten", "[3, 2, 4]", "  - {type: flatten}\n"},
    {"add", "[3, 3, 3]",
     "  - {type: tanh, name: a}\n  - {type: conv, filters: 3, kernel_size: 1, name: b}\n  - {type: "
     "add, from: [a, b, a, input], activation: silu}\n"},
    {"add", "[3, 3, 3]",
     "  - {type: add, from: [input, input], activation: softmax}\n" CONV(
         "filters: 2, kernel_size: 1")},
    {"concat", "[2, 3, 3]",
     "  - {type: tanh, name: a}\n" CONV(
         "filters: 3, kernel_size: 1, name: b") "  - {type: concat, from: [b, input, a, b]}\n"},
};

const size_t explain_case_count = sizeof explain_cases / sizeof *explain_cases;
_Static_assert(sizeof explain_cases / sizeof *explain_cases <= MOST_EXPLAIN_CASES, "cases");

void explain_move_parameters(cnn_model *model)
{
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        float *values = model->parameters + place->tensor->offset;
        for (size_t k = 0; place->tensor->rank == 1 && k < place->tensor->count; k++)
            values[k] += 0.3f * (float)(k % 5) - (place->trainable ? 0.5f : 0.1f);
    }
}
