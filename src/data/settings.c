/* The settings of `data`: its key table, and what normalize and augment say. */
#include <string.h>

#include "data/augment.h"
#include "data/dataset.h"

const char *const cnn_dataset_names[] = {"mnist", "cifar10", "cifar100", "folder", "shapes", NULL};

const struct cnn_key cnn_data_keys[] = {
    {"dataset", CNN_KEY_CHOICE, offsetof(struct cnn_data_settings, dataset), NULL, 0, 0, 0,
     cnn_dataset_names,
     "what the images are; folder: image files in a folder per class; shapes: drawn by the "
     "program"},
    {"path", CNN_KEY_TEXT, offsetof(struct cnn_data_settings, path), "", 0, 0, 0, NULL,
     "folder that holds the files; else mnist, cifar-10-batches-bin or cifar-100-binary under "
     "$CNN_DATA or data"},
    {"normalize", CNN_KEY_NODE, offsetof(struct cnn_data_settings, normalize), "none", 0, 0, 0,
     NULL,
     "none, auto (mean and deviation of the training images) or {mean: [..], std: [..]}, a number "
     "per channel, after scaling to [0, 1]"},
    {"augment", CNN_KEY_NODE, offsetof(struct cnn_data_settings, augment), "", 0, 0, 0, NULL,
     "list of random changes to the training images"},
    {"val_split", CNN_KEY_NUMBER, offsetof(struct cnn_data_settings, val_split), "0", 0, 1,
     CNN_KEY_OPEN_MAX, NULL,
     "share of the training images, of each class, kept for validation where there is no separate "
     "set; 0: the test images validate"},
    {"limit", CNN_KEY_SIZE, offsetof(struct cnn_data_settings, limit), "0", 0, UINT32_MAX, 0, NULL,
     "only the first so many training images; 0: all"},
    {"shuffle", CNN_KEY_BOOL, offsetof(struct cnn_data_settings, shuffle), "true", 0, 0, 0, NULL,
     "a new random order in each epoch"},
    {"cache", CNN_KEY_SIZE, offsetof(struct cnn_data_settings, cache), "1024", 0, 0, 0, NULL,
     "MiB of decoded images that a folder keeps in memory, at most half of what the machine has; "
     "the others are decoded in each epoch"},
    CNN_KEY_END,
};

struct normalize_settings {
    struct cnn_numbers mean, std;
};

/* Values are in [0, 1] here: a mean of 125 is one of unscaled bytes, and is refused rather than
 * trained with. */
static const struct cnn_key normalize_keys[] = {
    {"mean", CNN_KEY_NUMBERS, offsetof(struct normalize_settings, mean), NULL, 0, 1, 0, NULL,
     "subtracted, a number per channel"},
    {"std", CNN_KEY_NUMBERS, offsetof(struct normalize_settings, std), NULL, 1e-6, 1, 0, NULL,
     "divided by, a number per channel"},
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
    cnn_status status = cnn_keys_read(arena, normalize_keys, NULL, "normalize", node, &node->where,
                                      &settings, diag);
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

cnn_status cnn_data_settings_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                                  cnn_shape input, struct cnn_data_settings *out, cnn_diag *diag)
{
    *out = (struct cnn_data_settings){.shuffle = true};
    if (!node)
        return CNN_OK;
    out->where = node->where;
    cnn_status status =
        cnn_keys_read(arena, cnn_data_keys, NULL, "data", node, &node->where, out, diag);
    cnn_status normalize = read_normalize(arena, input, out, diag);
    cnn_status augment =
        cnn_augmentation_read(arena, out->augment, input, &out->augmentation, diag);
    if (status != CNN_OK)
        return status;
    return normalize != CNN_OK ? normalize : augment;
}

struct cnn_yaml *cnn_data_settings_resolve(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    struct cnn_yaml *out = cnn_keys_resolve(arena, cnn_data_keys, node);
    const struct cnn_yaml *list = cnn_yaml_get(node, "augment");
    if (!out || !list || cnn_yaml_is_null(list))
        return out;
    struct cnn_yaml *augment = cnn_augmentation_resolve(arena, list);
    return augment && cnn_yaml_put(arena, out, "augment", augment) ? out : NULL;
}
