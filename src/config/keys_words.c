/* Hints for unknown names: what other programs (Keras, PyTorch, Caffe, Darknet, ONNX) call what a
 * description knows under another name, else the nearest word. */
#include "config/keys_words.h"

#include <stdio.h>
#include <string.h>

struct foreign {
    const char *found; /* folded: lower case, letters and digits only, no 2d at the end */
    const char *own;   /* applies only where this is a legal word */
    /* keys: the whole hint; words: what has to be set with it; NULL: nothing to add */
    const char *more;
};

static const char follows[] = "leave it out: it follows from the layer above";

static const char in_optimizer[] = "it stands in the optimizer: {type: sgd, lr: ...}";
static const char in_train[] = "it stands in train: {epochs: ..., optimizer: {...}}";
static const char in_data[] = "it stands in data: {dataset: ...}";
static const char beside_train[] = "it stands beside train, not in it: `loss: cross_entropy`";

static const char own_relu[] = "write it as `activation: relu`";
static const char own_pool[] =
    "it is a layer of its own, below: {type: pool, pool_type: max, kernel_size: 2}";
static const char own_norm[] = "it is a layer of its own, below: {type: batch_norm}";
static const char own_dropout[] = "it is a layer of its own, below: {type: dropout, rate: 0.5}";
static const char on_cpu[] =
    "leave it out: networks run on the CPU; --threads N sets how many cores";
static const char measured[] = "leave it out: loss and accuracy are always measured";

static const struct foreign foreign_keys[] = {
    {"outchannels", "filters", NULL},
    {"numoutput", "filters", NULL},
    {"channels", "filters", NULL},
    {"outfilters", "filters", NULL},
    {"nfilters", "filters", NULL},
    {"numfilters", "filters", NULL},
    {"inchannels", "filters", follows},
    {"strides", "stride", NULL},
    {"poolsize", "kernel_size", NULL},
    {"size", "kernel_size", NULL},
    {"kernel", "kernel_size", NULL},
    {"ksize", "kernel_size", NULL},
    {"kernelshape", "kernel_size", NULL},
    {"pad", "padding", NULL},
    {"pads", "padding", NULL},
    {"padmode", "padding_mode", NULL},
    {"dilations", "dilation", NULL},
    {"dilationrate", "dilation", NULL},
    {"group", "groups", NULL},
    {"depthmultiplier", "multiplier", NULL},
    {"usebias", "bias", NULL},
    {"biasterm", "bias", NULL},
    {"p", "rate", NULL},
    {"dropoutratio", "rate", NULL},
    {"dropoutrate", "rate", NULL},
    {"probability", "rate", NULL},
    {"prob", "rate", NULL},
    {"outfeatures", "units", NULL},
    {"numunits", "units", NULL},
    {"unitsout", "units", NULL},
    {"outputsize", "units", NULL},
    {"numoutput", "units", NULL},
    {"infeatures", "units", follows},
    {"activationfn", "activation", NULL},
    {"act", "activation", NULL},
    {"nonlinearity", "activation", NULL},
    {"epsilon", "eps", NULL},
    {"alpha", "negative_slope", NULL},
    {"slope", "negative_slope", NULL},
    {"localsize", "size", NULL},
    {"bottom", "from", NULL},
    {"inputs", "from", NULL},
    {"input", "from", NULL},
    {"mode", "pool_type", NULL},
    {"pool", "pool_type", NULL},
    {"pooling", "pool_type", NULL},
    {"times", "repeat", NULL},
    {"inputshape", "input", NULL},
    {"inputsize", "input", NULL},
    {"network", "layers", NULL},
    {"lossfn", "loss", NULL},
    {"criterion", "loss", NULL},
    {"training", "train", NULL},
    {"learningrate", "lr", NULL},
    {"baselr", "lr", NULL},
    {"decay", "weight_decay", NULL},
    {"l2", "weight_decay", NULL},
    {"batchsize", "batch_size", NULL},
    {"batch", "batch_size", NULL},
    {"minibatch", "batch_size", NULL},
    {"numepochs", "epochs", NULL},
    {"nepochs", "epochs", NULL},
    {"maxepochs", "epochs", NULL},
    {"maxsteps", "steps", NULL},
    {"iterations", "steps", NULL},
    {"scheduler", "schedule", NULL},
    {"lrscheduler", "schedule", NULL},
    {"lrschedule", "schedule", NULL},
    {"randomseed", "seed", NULL},
    {"validationsplit", "val_split", NULL},
    {"augmentation", "augment", NULL},
    {"augmentations", "augment", NULL},
    {"transforms", "augment", NULL},
    {"normalization", "normalize", NULL},
    {"folder", "path", NULL},
    {"dir", "path", NULL},
    {"root", "path", NULL},
    {"weight", "kernel", NULL},
    {"weights", "kernel", NULL},
    {"neurons", "units", NULL},
    {"nodes", "units", NULL},
    {"hiddenunits", "units", NULL},
    {"output", "units", NULL},
    {"outputs", "units", NULL},
    {"numclasses", "units", NULL},
    {"kernelinitializer", "init", NULL},
    {"initializer", "init", NULL},
    {"weightinit", "init", NULL},
    {"relu", "activation", own_relu},
    {"pool", "trainable", own_pool},
    {"maxpool", "trainable", own_pool},
    {"maxpooling", "trainable", own_pool},
    {"bn", "trainable", own_norm},
    {"batchnorm", "trainable", own_norm},
    {"batchnormalize", "trainable", own_norm},
    {"batchnormalization", "trainable", own_norm},
    {"dropout", "trainable", own_dropout},
    {"dropout", "epochs", "it is a layer: {type: dropout, rate: 0.5}"},
    {"loss", "epochs", beside_train},
    {"lossfn", "epochs", beside_train},
    {"criterion", "epochs", beside_train},
    {"metrics", "train", measured},
    {"metrics", "epochs", measured},
    {"device", "train", on_cpu},
    {"device", "epochs", on_cpu},
    {"model", "layers", "`input` and `layers` stand at the left edge, not inside of it"},
    {"lr", "optimizer", in_optimizer},
    {"learningrate", "optimizer", in_optimizer},
    {"momentum", "optimizer", in_optimizer},
    {"weightdecay", "optimizer", in_optimizer},
    {"optimizer", "train", in_train},
    {"schedule", "train", in_train},
    {"epochs", "train", in_train},
    {"numepochs", "train", in_train},
    {"batchsize", "train", in_train},
    {"batch", "train", in_train},
    {"lr", "train", in_train},
    {"learningrate", "train", in_train},
    {"momentum", "train", in_train},
    {"weightdecay", "train", in_train},
    {"earlystopping", "train", in_train},
    {"epochs", "dataset", in_train},
    {"batch", "dataset", in_train},
    {"batchsize", "dataset", in_train},
    {"dataset", "data", in_data},
    {"augment", "data", in_data},
    {"normalize", "data", in_data},
    {"valsplit", "data", in_data},
    {"validationsplit", "data", in_data},
    {"augment", "epochs", in_data},
    {"normalize", "epochs", in_data},
    {"valsplit", "epochs", in_data},
    {"validationsplit", "epochs", in_data},
    {"shuffle", "epochs", in_data},
    {"labelsmooth", "label_smoothing", NULL},
    {"smoothing", "label_smoothing", NULL},
    {"classweight", "class_weights", NULL},
    {"weight", "class_weights", NULL},
    {"clipgradnorm", "clip_norm", NULL},
    {"gradientclip", "clip_norm", NULL},
    {"gradientclipval", "clip_norm", NULL},
    {"maxnorm", "clip_norm", NULL},
    {"maxgradnorm", "clip_norm", NULL},
    {"emadecay", "ema", "ema: {decay: 0.999}"},
    {"modelema", "ema", NULL},
};

static const struct foreign foreign_words[] = {
    {"convolutional", "conv", NULL},
    {"convolution", "conv", NULL},
    {"depthwise", "depthwise_conv", NULL},
    {"depthwiseconvolution", "depthwise_conv", NULL},
    {"dwconv", "depthwise_conv", NULL},
    {"linear", "dense", NULL},
    {"linear", "none", NULL},
    {"identity", "none", NULL},
    {"fc", "dense", NULL},
    {"fullyconnected", "dense", NULL},
    {"connected", "dense", NULL},
    {"innerproduct", "dense", NULL},
    {"maxpool", "pool", "pool_type: max"},
    {"maxpooling", "pool", "pool_type: max"},
    {"avgpool", "pool", "pool_type: avg"},
    {"avgpooling", "pool", "pool_type: avg"},
    {"averagepool", "pool", "pool_type: avg"},
    {"averagepooling", "pool", "pool_type: avg"},
    {"pooling", "pool", NULL},
    {"gap", "global_pool", "pool_type: avg"},
    {"globalavgpool", "global_pool", "pool_type: avg"},
    {"globalaveragepool", "global_pool", "pool_type: avg"},
    {"globalaveragepooling", "global_pool", "pool_type: avg"},
    {"adaptiveavgpool", "global_pool", "pool_type: avg"},
    {"globalmaxpool", "global_pool", "pool_type: max"},
    {"globalmaxpooling", "global_pool", "pool_type: max"},
    {"adaptivemaxpool", "global_pool", "pool_type: max"},
    {"bn", "batch_norm", NULL},
    {"batchnormalization", "batch_norm", NULL},
    {"lrelu", "leaky_relu", NULL},
    {"leaky", "leaky_relu", NULL},
    {"logistic", "sigmoid", NULL},
    {"swish", "silu", NULL},
    {"hswish", "hardswish", NULL},
    {"hsigmoid", "hard_sigmoid", NULL},
    {"clamp", "clip", NULL},
    {"hardtanh", "clip", "min: -1, max: 1"},
    {"localresponsenorm", "lrn", NULL},
    {"route", "concat", NULL},
    {"concatenate", "concat", NULL},
    {"cat", "concat", NULL},
    {"multiply", "mul", NULL},
    {"convtranspose", "conv_transpose", NULL},
    {"deconvolution", "conv_transpose", NULL},
    {"deconvolutional", "conv_transpose", NULL},
    {"deconv", "conv_transpose", NULL},
    {"layernormalization", "layer_norm", NULL},
    {"groupnormalization", "group_norm", NULL},
    {"channelshuffle", "shuffle", NULL},
    {"stochasticdepth", "drop_path", NULL},
    {"pixelshuffle", "depth_to_space", NULL},
    {"pixelunshuffle", "space_to_depth", NULL},
    {"zeropad", "pad", NULL},
    {"zeropadding", "pad", NULL},
    {"upsampling", "upsample", NULL},
    {"resize", "upsample", NULL},
    {"interpolate", "upsample", NULL},
    {"shortcut", "add", NULL},
    {"residual", "add", NULL},
    {"eltwise", "add", NULL},
    {"softmaxloss", "cross_entropy", NULL},
    {"softmaxwithloss", "cross_entropy", NULL},
    {"crossentropyloss", "cross_entropy", NULL},
    {"softmaxcrossentropy", "cross_entropy", NULL},
    {"categoricalcrossentropy", "cross_entropy", NULL},
    {"sparsecategoricalcrossentropy", "cross_entropy", NULL},
    {"meansquarederror", "mse", NULL},
    {"mseloss", "mse", NULL},
    {"l2", "mse", NULL},
    {"horizontalflip", "flip", NULL},
    {"randomhorizontalflip", "flip", NULL},
    {"randomflip", "flip", NULL},
    {"hflip", "flip", NULL},
    {"randomcrop", "crop", NULL},
    {"randomresizedcrop", "resized_crop", NULL},
    {"rotate", "rotation", NULL},
    {"randomrotation", "rotation", NULL},
    {"zoom", "scale", NULL},
    {"randomzoom", "scale", NULL},
    {"erasing", "cutout", NULL},
    {"randomerasing", "cutout", NULL},
    {"colorjitter", "jitter", NULL},
    {"colourjitter", "jitter", NULL},
    {"onecyclelr", "one_cycle", NULL},
    {"triangle", "triangular", NULL},
    {"cosineannealing", "cosine", NULL},
    {"cosineannealinglr", "cosine", NULL},
    {"steplr", "step", NULL},
    {"fixed", "constant", NULL},
    {"maximum", "max", NULL},
    {"average", "avg", NULL},
    {"mean", "avg", NULL},
    {"zero", "zeros", NULL},
    {"edge", "replicate", NULL},
    {"mirror", "reflect", NULL},
};

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

/* MaxPool2d, max_pool and maxpool are one word. False where it does not fit. */
static bool word_fold(const char *word, char *buffer, size_t size)
{
    size_t length = 0;
    for (; *word; word++) {
        char c = *word >= 'A' && *word <= 'Z' ? (char)(*word - 'A' + 'a') : *word;
        if ((c < 'a' || c > 'z') && (c < '0' || c > '9'))
            continue;
        if (length + 1 >= size)
            return false;
        buffer[length++] = c;
    }
    if (length > 2 && memcmp(buffer + length - 2, "2d", 2) == 0)
        length -= 2;
    buffer[length] = '\0';
    return true;
}

static bool words_have(const char *const *words, size_t count, const char *word)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i], word) == 0)
            return true;
    return false;
}

static const struct foreign *foreign_find(const struct foreign *table, size_t size,
                                          const char *found, const char *const *words, size_t count)
{
    char folded[64];
    if (!word_fold(found, folded, sizeof(folded)))
        return NULL;
    for (size_t i = 0; i < size; i++)
        if (strcmp(table[i].found, folded) == 0 && words_have(words, count, table[i].own))
            return &table[i];
    return NULL;
}

/* conv2d is conv: the word itself, but for its case, its dashes and a 2d at the end. */
static const char *same_word(const char *found, const char *const *words, size_t count)
{
    char folded[64], own[64];
    for (size_t i = 0; word_fold(found, folded, sizeof(folded)) && i < count; i++)
        if (word_fold(words[i], own, sizeof(own)) && strcmp(folded, own) == 0)
            return words[i];
    return NULL;
}

/* `type:conv` is one word to YAML. Returns the word that was meant. */
static const char *hint_colon(const char *found, const char *const *words, size_t count,
                              cnn_diag *diag)
{
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(words[i]);
        if (strncmp(found, words[i], length) == 0 && found[length] == ':') {
            cnn_hint(diag, "YAML wants a space behind the colon: '%s: ...'", words[i]);
            return words[i];
        }
    }
    return NULL;
}

bool cnn_key_hint_brackets(const char *found, cnn_diag *diag)
{
    if (found[strspn(found, "0123456789 .xX*,()")] || !strpbrk(found, "xX*,()"))
        return false;
    cnn_hint(diag, "a number takes a point, 0.01; a list takes brackets, [1, 1]");
    return true;
}

/* `{lr: 0,01}` has two keys, lr and 01. */
static bool hint_comma(const char *found, cnn_diag *diag)
{
    if (found[strspn(found, "0123456789")])
        return cnn_key_hint_brackets(found, diag);
    cnn_hint(diag, "a comma begins a key: a number takes a point, 0.01; a list brackets, [1, 1]");
    return true;
}

static void hint_list(const char *before, const char *const *words, size_t count, cnn_diag *diag)
{
    struct cnn_text list = {0};
    for (size_t i = 0; i < count; i++)
        cnn_text_printf(&list, "%s%s", i > 0 ? ", " : "", words[i]);
    if (list.data && !list.failed)
        cnn_hint(diag, "%s%s", before, list.data);
    cnn_text_free(&list);
}

enum { LONGEST_LIST = 20 };

const char *cnn_key_hint_name(const char *found, const char *const *words, size_t count,
                              cnn_diag *diag)
{
    const char *own = hint_colon(found, words, count, diag);
    if (own || hint_comma(found, diag))
        return own;
    const struct foreign *foreign =
        foreign_find(foreign_keys, COUNT(foreign_keys), found, words, count);
    if (foreign && foreign->more) {
        cnn_hint(diag, "%s", foreign->more);
        return NULL;
    }
    own = foreign ? foreign->own : same_word(found, words, count);
    if (!own)
        own = cnn_nearest_word(found, words, count);
    if (own)
        cnn_hint(diag, "did you mean '%s'?", own);
    else if (count <= LONGEST_LIST)
        hint_list("it has: ", words, count, diag);
    return own;
}

void cnn_key_hint_word(const char *found, const char *const *words, size_t count, bool list,
                       cnn_diag *diag)
{
    static const char *const type = "type";
    char meant[160] = "";
    const struct foreign *foreign =
        foreign_find(foreign_words, COUNT(foreign_words), found, words, count);
    const char *own = foreign ? foreign->own : same_word(found, words, count);
    if (!own)
        own = cnn_nearest_word(found, words, count);
    if (!own && hint_colon(found, &type, 1, diag))
        return;
    if (own && foreign && foreign->more)
        snprintf(meant, sizeof(meant), "did you mean '%s' with '%s'?", own, foreign->more);
    else if (own)
        snprintf(meant, sizeof(meant), "did you mean '%s'?", own);
    if (list && (count <= LONGEST_LIST || !own)) {
        size_t length = strlen(meant);
        snprintf(meant + length, sizeof(meant) - length, "%sknown are: ", own ? " " : "");
        hint_list(meant, words, count, diag);
    } else if (own) {
        cnn_hint(diag, "%s", meant);
    }
}

const char *cnn_foreign_word(const char *found)
{
    char folded[64];
    if (!word_fold(found, folded, sizeof(folded)))
        return NULL;
    for (size_t i = 0; i < COUNT(foreign_words); i++)
        if (strcmp(foreign_words[i].found, folded) == 0)
            return foreign_words[i].own;
    for (size_t i = 0; i < COUNT(foreign_keys); i++)
        if (strcmp(foreign_keys[i].found, folded) == 0)
            return foreign_keys[i].own;
    return NULL;
}
