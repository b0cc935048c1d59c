/* Data sets: `data` of a description -> images of one split, as bytes of the network's input size. Formats: IDX (MNIST), CIFAR binary, a folder per
 * class, and `shapes`, which the program draws itself. */
#ifndef CNN_DATA_DATASET_H
#define CNN_DATA_DATASET_H

#include "cnn.h"
#include "config/keys.h"

enum cnn_split { CNN_SPLIT_TRAIN, CNN_SPLIT_VAL, CNN_SPLIT_TEST };
extern const char *const cnn_split_names[3]; /* train, val, test */

enum cnn_dataset_kind { CNN_DATASET_MNIST, CNN_DATASET_CIFAR10, CNN_DATASET_CIFAR100, CNN_DATASET_FOLDER, CNN_DATASET_SHAPES };
extern const char *const cnn_dataset_names[]; /* in that order, and NULL */

#define CNN_MAX_CHANNELS 4 /* of images */

/* (value / 255 - mean) / std per channel; the same in training, evaluation and prediction. mean 0 and std 1 where the description says none. */
struct cnn_normalization {
    size_t channels;
    float mean[CNN_MAX_CHANNELS], std[CNN_MAX_CHANNELS];
};

/* Bytes -> what the network sees; pixels * channels values, channels last. */
void cnn_normalize(const struct cnn_normalization *normalization, const uint8_t *bytes, size_t pixels, float *out);

/* `augment`: a list, applied in order to each training image, drawn anew in each epoch. */
struct cnn_augmentation; /* opaque here: data/augment.h */

struct cnn_data_settings {
    int dataset;                      /* index into cnn_dataset_names */
    const char *path;                 /* NULL: the default place */
    const struct cnn_yaml *normalize; /* none, auto or {mean, std}; read into the next two */
    bool normalize_auto;
    struct cnn_normalization fixed; /* channels 0: none */
    const struct cnn_yaml *augment;
    const struct cnn_augmentation *augmentation; /* NULL: none */
    double val_split;
    size_t limit; /* 0: all */
    bool shuffle;
    struct cnn_where where;
};

extern const struct cnn_key cnn_data_keys[];              /* the table of `data` */
extern const struct cnn_variant cnn_augmentation_types[]; /* flip, crop */
extern const size_t cnn_augmentation_type_count;

/* Reads and checks `data`; all mistakes are reported. node NULL is no mistake here: the caller knows whether a data section is needed. *out is then
 * empty. input is all zero where it is wrong itself: nothing is then checked against it. */
cnn_status cnn_data_settings_read(struct cnn_arena *arena, const struct cnn_yaml *node, cnn_shape input, struct cnn_data_settings *out,
                                  cnn_diag *diag);

struct cnn_dataset;

/* Opens one split. path NULL: settings->path, else the default place ($CNN_DATA or data/). VAL: the folder's val/, else the val_split share of the
 * training images (chosen by seed), else the test split. TRAIN leaves out what val_split takes; limit applies to the training images before the
 * split. input: images of another size are an error, but for folders, which are resized. Warnings of skipped images go to diag. *used says which
 * split the images come from (val may fall back to test). */
cnn_status cnn_dataset_open(const struct cnn_data_settings *settings, cnn_shape input, const char *path, enum cnn_split split, uint64_t seed,
                            struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag);
void cnn_dataset_free(struct cnn_dataset *dataset);

size_t cnn_dataset_count(const struct cnn_dataset *dataset);
size_t cnn_dataset_classes(const struct cnn_dataset *dataset);
const char *cnn_dataset_class(const struct cnn_dataset *dataset, size_t i);
size_t cnn_dataset_label(const struct cnn_dataset *dataset, size_t image);
const uint8_t *cnn_dataset_pixels(const struct cnn_dataset *dataset, size_t image); /* NHWC, h * w * c bytes */

/* Mean and standard deviation of each channel over all images, in [0, 1] units: normalize: auto. */
void cnn_dataset_statistics(const struct cnn_dataset *dataset, struct cnn_normalization *out);

#endif
