/* Small networks of Caffe and Darknet. */
#include "legacy_models.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- Numbers ---- */

static void fill(float *out, size_t count, unsigned seed, double scale, double offset)
{
    for (size_t i = 0; i < count; i++)
        out[i] = (float)(offset + scale * sin((double)(i + 3) * (double)(i + 3) * 0.61 + seed));
}

#define FILL(member, seed, scale, offset)                                                          \
    fill(out->member, sizeof out->member / sizeof *out->member, seed, scale, offset)

void legacy_numbers(struct legacy_numbers *out)
{
    FILL(conv, 1, 0.3, 0);
    FILL(conv_bias, 2, 0.5, 0.1);
    FILL(mean, 3, 0.5, 0.2);
    FILL(variance, 4, 0.4, 0.6);
    FILL(gamma, 5, 0.5, 1);
    FILL(beta, 6, 0.5, 0.1);
    FILL(dense, 7, 0.2, 0);
    FILL(dense_bias, 8, 0.5, 0);
    out->factor = 0.75F;
}

/* ---- Caffe ---- */

static void add_blob(struct cnn_text *layer, bool old, const struct legacy_blob *blob)
{
    struct cnn_text fields = {0}, dims = {0}, shape = {0};
    size_t count = 1, rank = 1, number = 0;
    for (const char *c = blob->sizes; *c; c++)
        rank += *c == ' ';
    for (const char *at = blob->sizes; number < rank; number++) {
        char *end;
        unsigned long size = strtoul(at, &end, 10);
        count *= size;
        at = end;
        if (old)
            wire_int(&fields, (unsigned)(5 - rank + number), (int64_t)size);
        else
            wire_varint(&dims, size);
    }
    for (unsigned i = 1; old && i < 5 - rank; i++)
        wire_int(&fields, i, 1);
    if (!old) {
        wire_bytes(&shape, 1, dims.data, dims.size);
        wire_message(&fields, 7, &shape);
    }
    cnn_text_free(&dims);
    wire_bytes(&fields, 5, blob->values, count * sizeof *blob->values);
    wire_message(layer, old ? 6 : 7, &fields);
}

void legacy_layer(struct cnn_text *out, bool old, const char *name, const struct legacy_blob *blobs,
                  size_t count)
{
    struct cnn_text layer = {0};
    wire_text(&layer, old ? 4 : 1, name);
    for (size_t i = 0; i < count; i++)
        add_blob(&layer, old, &blobs[i]);
    wire_message(out, old ? 2 : 100, &layer);
}

#define BLOBS(...)                                                                                 \
    (const struct legacy_blob[])                                                                   \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

static const char small[] =
    "name: \"small\"  # a network as it is trained and tested\n"
    "layer { name: 'data' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN }\n"
    "  transform_param { mirror: true crop_size: 7 } data_param { source: \"a\" \"b\" } }\n"
    "layer { name: 'data' type: 'Data' top: 'data' top: 'label' include { phase: TEST }\n"
    "  transform_param { crop_size: 9 mean_value: [104, 117, 123] scale: 0.017 } }\n"
    "layer {\n"
    "  name: 'conv1' type: 'Convolution' bottom: 'data' top: 'conv1'\n"
    "  param { lr_mult: 1 decay_mult: 1 }\n"
    "  convolution_param: <num_output: 4; kernel_size: 3, pad: 1 weight_filler { type: 'msra' }>\n"
    "}\n"
    "layer { name: 'bn1' type: 'BatchNorm' bottom: 'conv1' top: 'conv1'\n"
    "  batch_norm_param { use_global_stats: true eps: 1e-3 } }\n"
    "layer { name: 'scale1' type: 'Scale' bottom: 'conv1' top: 'conv1'\n"
    "  scale_param { bias_term: true } }\n"
    "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }\n"
    "layer { name: 'drop1' type: 'Dropout' bottom: 'conv1' top: 'conv1'\n"
    "  dropout_param { dropout_ratio: 0.4 } }\n"
    "layer { name: 'pool1' type: 'Pooling' bottom: 'conv1' top: 'pool1'\n"
    "  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
    "layer { name: 'fc' type: 'InnerProduct' bottom: 'pool1' top: 'fc'\n"
    "  inner_product_param { num_output: 3 } }\n"
    "layer { name: 'accuracy' type: 'Accuracy' bottom: 'fc' bottom: 'label' top: 'accuracy'\n"
    "  include { phase: TEST not_stage: 'deploy' } }\n"
    "layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'fc' bottom: 'label' top: 'loss' }\n";

static void write_small(struct legacy_files *out)
{
    struct legacy_numbers n;
    legacy_numbers(&n);
    cnn_text_append(&out->network, small, strlen(small));
    wire_text(&out->weights, 1, "small");
    legacy_layer(&out->weights, false, "conv1", BLOBS({"4 3 3 3", n.conv}, {"4", n.conv_bias}), 2);
    legacy_layer(&out->weights, false, "bn1",
                 BLOBS({"4", n.mean}, {"4", n.variance}, {"1", &n.factor}), 3);
    legacy_layer(&out->weights, false, "scale1", BLOBS({"4", n.gamma}, {"4", n.beta}), 2);
    legacy_layer(&out->weights, false, "fc", BLOBS({"3 100", n.dense}, {"3", n.dense_bias}), 2);
}

static const char old[] =
    "input: \"data\"\n"
    "input_dim: 10 input_dim: 3 input_dim: 9 input_dim: 9\n"
    "layers { name: \"conv1\" type: CONVOLUTION bottom: \"data\" top: \"conv1\"\n"
    "  blobs_lr: 1 weight_decay: 1 convolution_param { num_output: 4 kernel_size: 3 pad: 1 } }\n"
    "layers { name: \"relu1\" type: RELU bottom: \"conv1\" top: \"conv1\" }\n"
    "layers { name: \"pool1\" type: POOLING bottom: \"conv1\" top: \"pool1\"\n"
    "  pooling_param { pool: MAX kernel_size: 2 stride: 2 } }\n"
    "layers { name: \"fc\" type: INNER_PRODUCT bottom: \"pool1\" top: \"fc\"\n"
    "  inner_product_param { num_output: 3 } }\n"
    "layers { name: \"prob\" type: SOFTMAX bottom: \"fc\" top: \"prob\" }\n";

static void write_old(struct legacy_files *out)
{
    struct legacy_numbers n;
    legacy_numbers(&n);
    cnn_text_append(&out->network, old, strlen(old));
    legacy_layer(&out->weights, true, "conv1", BLOBS({"4 3 3 3", n.conv}, {"4", n.conv_bias}), 2);
    legacy_layer(&out->weights, true, "fc", BLOBS({"3 100", n.dense}, {"3", n.dense_bias}), 2);
}

/* ---- Darknet ---- */

static const char tiny[] = "# a classifier\n"
                           "[net]\n"
                           "batch=64   # of training\n"
                           "height=9\n"
                           "width = 9\n"
                           "channels=3\n"
                           "\n"
                           "[convolutional]\n"
                           "batch_normalize=1\n"
                           "filters=4\n"
                           "size=3\n"
                           "stride=1\n"
                           "pad=1\n"
                           "activation=leaky\n"
                           "\n"
                           "[maxpool]\n"
                           "size=2\n"
                           "stride=2\n"
                           "\n"
                           "[dropout]\n"
                           "probability=.5\n"
                           "\n"
                           "[connected]\n"
                           "output=3\n"
                           "activation=linear\n"
                           "\n"
                           "[softmax]\n"
                           "\n"
                           "[cost]\n"
                           "type=sse\n";

static void write_tiny(struct legacy_files *out)
{
    const unsigned char header[20] = {0, 0, 0, 0, 2, 0, 0, 0, 5};
    struct legacy_numbers n;
    legacy_numbers(&n);
    cnn_text_append(&out->network, tiny, strlen(tiny));
    cnn_text_append(&out->weights, (const char *)header, sizeof header);
    cnn_text_append(&out->weights, (const char *)n.beta, sizeof n.beta);
    cnn_text_append(&out->weights, (const char *)n.gamma, sizeof n.gamma);
    cnn_text_append(&out->weights, (const char *)n.mean, sizeof n.mean);
    cnn_text_append(&out->weights, (const char *)n.variance, sizeof n.variance);
    cnn_text_append(&out->weights, (const char *)n.conv, sizeof n.conv);
    cnn_text_append(&out->weights, (const char *)n.dense_bias, sizeof n.dense_bias);
    cnn_text_append(&out->weights, (const char *)n.dense, sizeof n.dense);
}

struct legacy_files legacy_example(const char *name)
{
    static const struct {
        const char *name;
        void (*write)(struct legacy_files *out);
    } examples[] = {{"small", write_small}, {"old", write_old}, {"tiny", write_tiny}};
    struct legacy_files files = {{0}, {0}};
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++)
        if (strcmp(examples[i].name, name) == 0)
            examples[i].write(&files);
    return files;
}
