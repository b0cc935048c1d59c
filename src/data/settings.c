/* The settings of `data`: its key table, and what normalize and augment say. */
#include <string.h>

#include "data/augment.h"
#include "data/dataset.h"

const struct cnn_key cnn_data_keys[] = {
    {.name = "dataset",
     .kind = CNN_KEY_CHOICE,
     .at = offsetof(struct cnn_data_settings, dataset),
     .choices = cnn_dataset_names,
     .help = "the kind of data set; folder: image files in one folder per class; shapes: drawn by "
             "the program"},
    {.name = "path",
     .kind = CNN_KEY_TEXT,
     .at = offsetof(struct cnn_data_settings, path),
     .otherwise = "",
     .help = "folder with the files; by default mnist, fashion-mnist, cifar-10-batches-bin or "
             "cifar-100-binary under $CNN_DATA or data"},
    {.name = "normalize",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct cnn_data_settings, normalize),
     .otherwise = "none",
     .help = "none, auto (mean and deviation of the training images) or {mean: [..], std: [..]} "
             "with one number per channel, for pixels scaled to [0, 1]"},
    {.name = "augment",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct cnn_data_settings, augment),
     .otherwise = "",
     .help = "list of random changes to the training images"},
    {.name = "val_split",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct cnn_data_settings, val_split),
     .otherwise = "0",
     .max = 1,
     .open_max = true,
     .help = "share of the training images of each class that is held out for validation, if there "
             "is no separate set; 0: the test images are used for validation"},
    {.name = "limit",
     .kind = CNN_KEY_SIZE,
     .at = offsetof(struct cnn_data_settings, limit),
     .otherwise = "0",
     .max = UINT32_MAX,
     .help = "use only so many training images, the first ones; 0: all"},
    {.name = "shuffle",
     .kind = CNN_KEY_BOOL,
     .at = offsetof(struct cnn_data_settings, shuffle),
     .otherwise = "true",
     .help = "a new random order in each epoch"},
    {.name = "cache",
     .kind = CNN_KEY_SIZE,
     .at = offsetof(struct cnn_data_settings, cache),
     .otherwise = "1024",
     .help = "MiB of decoded images that a folder keeps in memory, at most half of what the "
             "machine has; the others are decoded in each epoch"},
    CNN_KEY_END,
};

struct normalize_settings {
    struct cnn_numbers mean, std;
};

/* Values are in [0, 1] here: a mean of 125 is one of unscaled bytes, and is refused rather than
 * trained with. */
static const struct cnn_key normalize_keys[] = {
    {.name = "mean",
     .kind = CNN_KEY_NUMBERS,
     .at = offsetof(struct normalize_settings, mean),
     .max = 1,
     .help = "subtracted, a number per channel"},
    {.name = "std",
     .kind = CNN_KEY_NUMBERS,
     .at = offsetof(struct normalize_settings, std),
     .min = 1e-6,
     .max = 10, /* Caffe's LeNet divides bytes by 256; deviations of bytes are tens */
     .help = "divided by, a number per channel"},
    CNN_KEY_END,
};

static cnn_status check_count(const struct cnn_yaml *node, const char *key, size_t count,
                              size_t channels, cnn_diag *diag)
{
    const struct cnn_yaml *value = cnn_yaml_get(node, key);
    if (channels == 0 || (count == channels && channels <= CNN_MAX_CHANNELS))
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, value ? &value->where : &node->where,
                    "normalize: %s has %zu number%s, the network's input has %zu channel%s", key,
                    count, count == 1 ? "" : "s", channels, channels == 1 ? "" : "s");
}

static cnn_status read_fixed(struct cnn_arena *arena, const struct cnn_yaml *node, cnn_shape input,
                             struct cnn_normalization *out, cnn_diag *diag)
{
    struct normalize_settings settings = {0};
    cnn_status status =
        cnn_keys_read(arena, &(struct cnn_keys){.table = normalize_keys, .what = "normalize"}, node,
                      &node->where, &settings, diag);
    if (status != CNN_OK)
        return status;
    cnn_status mean = check_count(node, "mean", settings.mean.count, input.c, diag);
    cnn_status std = check_count(node, "std", settings.std.count, input.c, diag);
    if (mean != CNN_OK || std != CNN_OK)
        return CNN_INVALID;
    if (input.c == 0)
        return CNN_OK;
    out->channels = input.c;
    for (size_t c = 0; c < input.c; c++) {
        out->mean[c] = (float)settings.mean.values[c];
        out->std[c] = (float)settings.std.values[c];
    }
    return CNN_OK;
}

static cnn_status read_normalize(struct cnn_arena *arena, cnn_shape input,
                                 struct cnn_data_settings *settings, cnn_diag *diag)
{
    const struct cnn_yaml *node = settings->normalize;
    if (!node || cnn_yaml_is_null(node) ||
        (node->kind == CNN_YAML_SCALAR && strcmp(node->text, "none") == 0))
        return CNN_OK;
    if (node->kind == CNN_YAML_MAPPING)
        return read_fixed(arena, node, input, &settings->fixed, diag);
    if (node->kind == CNN_YAML_SCALAR && strcmp(node->text, "auto") == 0) {
        settings->normalize_auto = true;
        return CNN_OK;
    }
    char found[80];
    cnn_fail(diag, CNN_INVALID, &node->where,
             "normalize: none, auto or {mean: [..], std: [..]} is wanted, not %s",
             cnn_yaml_describe(node, found, sizeof found));
    static const char *const words[] = {"none", "auto"};
    const char *near =
        node->kind == CNN_YAML_SCALAR ? cnn_nearest_word(node->text, words, 2) : NULL;
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    return CNN_INVALID;
}

/* Keras and OpenCV write height, width, channels. Numbers of other channels than a picture's may
 * come from files of numbers; opening the data is what fails then. */
static cnn_status check_channels(cnn_shape input, const struct cnn_where *where, cnn_diag *diag)
{
    bool picture = input.c <= 1 || input.c == 3 || input.c == 4,
         last = input.w == 1 || input.w == 3 || input.w == 4;
    if (input.rank != 3 || picture || !last)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, where,
             "images have 1, 3 or 4 channels, the network's input has %zu", input.c);
    cnn_hint(diag, "channels come first: input: [%zu, %zu, %zu]", input.w, input.c, input.h);
    return CNN_INVALID;
}

cnn_status cnn_data_settings_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                                  cnn_shape input, struct cnn_data_settings *out, cnn_diag *diag)
{
    *out = (struct cnn_data_settings){.shuffle = true};
    if (!node)
        return CNN_OK;
    out->where = node->where;
    cnn_status status =
        cnn_keys_read(arena, &(struct cnn_keys){.table = cnn_data_keys, .what = "data"}, node,
                      &node->where, out, diag);
    cnn_status channels = check_channels(input, &node->where, diag);
    if (channels != CNN_OK) /* what follows from them is no mistake of its own */
        input = (cnn_shape){0};
    cnn_status normalize = read_normalize(arena, input, out, diag);
    cnn_status augment =
        cnn_augmentation_read(arena, out->augment, input, &out->augmentation, diag);
    if (status == CNN_OK)
        status = channels;
    if (status == CNN_OK)
        status = normalize;
    return status == CNN_OK ? augment : status;
}

struct cnn_yaml *cnn_data_settings_resolve(struct cnn_arena *arena, const struct cnn_yaml *node,
                                           cnn_shape input)
{
    struct cnn_yaml *out = cnn_keys_resolve(arena, cnn_data_keys, node);
    const struct cnn_yaml *list = cnn_yaml_get(node, "augment");
    if (!out || !list || cnn_yaml_is_null(list))
        return out;
    struct cnn_yaml *augment = cnn_augmentation_resolve(arena, list, input);
    return augment && cnn_yaml_put(arena, out, "augment", augment) ? out : NULL;
}
