/* The layers of a .prototxt: which of them there are in phase TEST, and what they are called. */
#include <string.h>

#include "formats/caffe.h"

/* ---- Types ---- */

/* `layers { type: CONVOLUTION }`, as files before 2014 have it. */
static const char *const old_types[][2] = {
    {"ABSVAL", "AbsVal"},
    {"ACCURACY", "Accuracy"},
    {"ARGMAX", "ArgMax"},
    {"BNLL", "BNLL"},
    {"CONCAT", "Concat"},
    {"CONTRASTIVE_LOSS", "ContrastiveLoss"},
    {"CONVOLUTION", "Convolution"},
    {"DATA", "Data"},
    {"DECONVOLUTION", "Deconvolution"},
    {"DROPOUT", "Dropout"},
    {"DUMMY_DATA", "DummyData"},
    {"ELTWISE", "Eltwise"},
    {"EUCLIDEAN_LOSS", "EuclideanLoss"},
    {"EXP", "Exp"},
    {"FLATTEN", "Flatten"},
    {"HDF5_DATA", "HDF5Data"},
    {"HDF5_OUTPUT", "HDF5Output"},
    {"HINGE_LOSS", "HingeLoss"},
    {"IM2COL", "Im2col"},
    {"IMAGE_DATA", "ImageData"},
    {"INFOGAIN_LOSS", "InfogainLoss"},
    {"INNER_PRODUCT", "InnerProduct"},
    {"LRN", "LRN"},
    {"MEMORY_DATA", "MemoryData"},
    {"MULTINOMIAL_LOGISTIC_LOSS", "MultinomialLogisticLoss"},
    {"MVN", "MVN"},
    {"POOLING", "Pooling"},
    {"POWER", "Power"},
    {"RELU", "ReLU"},
    {"SIGMOID", "Sigmoid"},
    {"SIGMOID_CROSS_ENTROPY_LOSS", "SigmoidCrossEntropyLoss"},
    {"SILENCE", "Silence"},
    {"SLICE", "Slice"},
    {"SOFTMAX", "Softmax"},
    {"SOFTMAX_LOSS", "SoftmaxWithLoss"},
    {"SPLIT", "Split"},
    {"TANH", "TanH"},
    {"THRESHOLD", "Threshold"},
    {"WINDOW_DATA", "WindowData"}};

static const char *current_type(const char *type, bool old)
{
    for (size_t i = 0; old && i < sizeof old_types / sizeof *old_types; i++)
        if (strcmp(old_types[i][0], type) == 0)
            return old_types[i][1];
    return type;
}

/* ---- Phases ---- */

/* Whether the rule holds in phase TEST, at level 0, without stages. */
static cnn_status meets(const struct cnn_prototxt_field *rule, bool *out, cnn_diag *diag)
{
    const struct cnn_prototxt_field *phase = cnn_prototxt_find(rule, "phase");
    const struct cnn_prototxt_field *least = cnn_prototxt_find(rule, "min_level");
    const struct cnn_prototxt_field *most = cnn_prototxt_find(rule, "max_level");
    int64_t level = 0;
    cnn_status status = CNN_OK;
    *out =
        !phase || !phase->text || strcmp(phase->text, "TEST") == 0 || strcmp(phase->text, "1") == 0;
    if (least)
        status = cnn_prototxt_integer(least, INT32_MIN, INT32_MAX, &level, diag);
    *out = *out && (!least || level <= 0);
    if (status == CNN_OK && most)
        status = cnn_prototxt_integer(most, INT32_MIN, INT32_MAX, &level, diag);
    *out = *out && (!most || level >= 0) && !cnn_prototxt_find(rule, "stage");
    return status;
}

static cnn_status any_meets(const struct cnn_prototxt_field *rules, bool *out, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    *out = false;
    for (; rules && !*out && status == CNN_OK; rules = cnn_prototxt_next(rules))
        status = meets(rules, out, diag);
    return status;
}

static cnn_status is_included(const struct cnn_prototxt_field *layer, bool *out, cnn_diag *diag)
{
    const struct cnn_prototxt_field *include = cnn_prototxt_find(layer, "include");
    const struct cnn_prototxt_field *exclude = cnn_prototxt_find(layer, "exclude");
    bool excluded = false;
    *out = true;
    cnn_status status = include ? any_meets(include, out, diag) : CNN_OK;
    if (status == CNN_OK)
        status = any_meets(exclude, &excluded, diag);
    *out = *out && !excluded;
    return status;
}

/* ---- Layers ---- */

static cnn_status read_words(const struct cnn_prototxt_field *layer, const char *name,
                             const char **out, size_t *count, cnn_diag *diag)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(layer, name);
    cnn_status status = CNN_OK;
    for (; field && status == CNN_OK; field = cnn_prototxt_next(field)) {
        if (*count == CNN_CAFFE_BLOBS)
            return cnn_fail(diag, CNN_FAILED, &field->where, "more than %d blobs of one layer",
                            CNN_CAFFE_BLOBS);
        status = cnn_prototxt_string(field, &out[(*count)++], diag);
    }
    return status;
}

static cnn_status read_layer(const struct cnn_prototxt_field *field, bool old,
                             struct cnn_caffe_layer *out, cnn_diag *diag)
{
    const struct cnn_prototxt_field *type = cnn_prototxt_find(field, "type");
    const struct cnn_prototxt_field *name = cnn_prototxt_find(field, "name");
    out->field = field;
    if (!type || field->text) {
        cnn_status status =
            cnn_fail(diag, CNN_FAILED, &field->where, "this layer has no 'type' of its own");
        if (old && cnn_prototxt_find(field, "layer"))
            cnn_hint(diag, "files of 2013 are read once Caffe's tool upgrade_net_proto_text has "
                           "written them anew");
        return status;
    }
    cnn_status status = cnn_prototxt_string(type, &out->type, diag);
    if (status == CNN_OK && name)
        status = cnn_prototxt_string(name, &out->name, diag);
    if (status == CNN_OK)
        status = read_words(field, "bottom", out->bottoms, &out->bottom_count, diag);
    if (status == CNN_OK)
        status = read_words(field, "top", out->tops, &out->top_count, diag);
    if (status != CNN_OK)
        return status;
    out->type = current_type(out->type, old && !type->quoted);
    if (!out->name)
        out->name = out->top_count > 0 ? out->tops[0] : out->type;
    return CNN_OK;
}

cnn_status cnn_caffe_layers(struct cnn_caffe *caffe, const struct cnn_prototxt_field *root)
{
    const struct cnn_prototxt_field *field = cnn_prototxt_find(root, "layer");
    const bool old = !field;
    size_t count = 0;
    if (old)
        field = cnn_prototxt_find(root, "layers");
    for (const struct cnn_prototxt_field *f = field; f; f = cnn_prototxt_next(f))
        count++;
    if (count == 0 || count > CNN_CAFFE_LAYERS)
        return cnn_fail(caffe->diag, CNN_FAILED, NULL,
                        "%s has %zu layers: a network has from 1 to %d", root->where.source->name,
                        count, CNN_CAFFE_LAYERS);
    caffe->layers = cnn_arena_array(caffe->draft.arena, count, sizeof *caffe->layers);
    if (!caffe->layers)
        return cnn_fail_memory(caffe->diag, count * sizeof *caffe->layers, "layers");
    for (; field; field = cnn_prototxt_next(field)) {
        bool included;
        cnn_status status = is_included(field, &included, caffe->diag);
        if (status == CNN_OK && included)
            status = read_layer(field, old, &caffe->layers[caffe->count++], caffe->diag);
        if (status != CNN_OK)
            return status;
    }
    return CNN_OK;
}
