/* ONNX models that tests and fuzzing begin with, by name. */
#ifndef CNN_TESTS_ONNX_MODELS_H
#define CNN_TESTS_ONNX_MODELS_H

#include "onnx_write.h"

struct onnx_example {
    const char *name;
    void (*build)(struct onnx_model *model);
};

/* The last has no name. */
extern const struct onnx_example onnx_examples[];

/* The whole file of the example with this name; empty where there is none. */
struct cnn_text onnx_example(const char *name);

#endif
