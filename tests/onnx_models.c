/* ONNX models that tests and fuzzing begin with. */
#include "onnx_models.h"

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

const struct onnx_example onnx_examples[] = {{"small", build_small}, {NULL, NULL}};

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
