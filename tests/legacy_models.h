/* Small networks of Caffe and Darknet that tests and fuzzing begin with: pairs of files. */
#ifndef CNN_TESTS_LEGACY_MODELS_H
#define CNN_TESTS_LEGACY_MODELS_H

#include "onnx_write.h"

/* Random parameters of the networks, the same in each call. Layer by layer, as the files hold
 * them. */
enum { LEGACY_FILTERS = 4, LEGACY_SIDE = 9, LEGACY_CLASSES = 3, LEGACY_POOLED = 5 };
struct legacy_numbers {
    float conv[4 * 3 * 3 * 3], conv_bias[4];
    float mean[4], variance[4], factor, gamma[4], beta[4];
    float dense[3 * 4 * 5 * 5], dense_bias[3];
};
void legacy_numbers(struct legacy_numbers *out);

/* The two files of an example: "small" and "old" (Caffe), "tiny" (Darknet); empty where there is
 * none of this name. They are freed with cnn_text_free. */
struct legacy_files {
    struct cnn_text network, weights;
};
struct legacy_files legacy_example(const char *name);

/* Blobs of a layer, appended to a .caffemodel. sizes: "4 3 3 3". */
struct legacy_blob {
    const char *sizes;
    const float *values;
};
void legacy_layer(struct cnn_text *out, bool old, const char *name, const struct legacy_blob *blobs,
                  size_t count);

#endif
