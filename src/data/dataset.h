/* Data sets: `data` of a description -> images of one split, as bytes of the network's input size,
 * in memory or as files that are decoded when they are wanted. What formats there are says
 * data/format.h. */
#ifndef CNN_DATA_DATASET_H
#define CNN_DATA_DATASET_H

#include "cnn.h"
#include "config/keys.h"

enum cnn_split { CNN_SPLIT_TRAIN, CNN_SPLIT_VAL, CNN_SPLIT_TEST };
extern const char *const cnn_split_names[3]; /* train, val, test (splits.c) */

extern const char *const cnn_dataset_names[]; /* of the formats (data/format.h), and NULL */

#define CNN_MAX_CHANNELS 4 /* of images */

/* (value / 255 - mean) / std per channel; the same in training, evaluation and prediction. mean 0
 * and std 1 where the description says none. */
struct cnn_normalization {
    size_t channels;
    float mean[CNN_MAX_CHANNELS], std[CNN_MAX_CHANNELS];
};

/* Bytes -> what the network sees; pixels * channels values, channels last. The value of each byte
 * is looked up, so many images share a normalizer. */
struct cnn_normalizer {
    size_t channels;
    float table[CNN_MAX_CHANNELS][256];
};
void cnn_normalizer_init(const struct cnn_normalization *normalization, struct cnn_normalizer *out);
void cnn_normalizer_apply(const struct cnn_normalizer *normalizer, const uint8_t *bytes,
                          size_t pixels, float *out);

/* Both of them for one image. */
void cnn_normalize(const struct cnn_normalization *normalization, const uint8_t *bytes,
                   size_t pixels, float *out);

/* `augment`: a list, applied in order to each training image, drawn anew in each epoch. */
struct cnn_augmentation; /* opaque here, like what it is drawn from: data/augment.h */
struct cnn_draw;

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
    size_t cache; /* MiB of decoded images that a folder keeps */
    /* not a key: files of a folder that cannot be read are left out however many they are */
    bool any_damage;
    /* not keys either: the classes that labels are to stand for, where the data set has some of
     * these alone, in this order; NULL: its own */
    const char *const *classes;
    size_t class_count;
    const cnn_memory_data *memory; /* the images of `dataset: memory`; NULL: there are none */
    struct cnn_where where;
};

extern const struct cnn_key cnn_data_keys[]; /* the table of `data` */
extern const struct cnn_kind cnn_augmentations;

/* CNN_INVALID where images, labels or names in memory are not what they should be. */
cnn_status cnn_memory_check(const cnn_memory_data *data, cnn_diag *diag);

/* Reads and checks `data`; all mistakes are reported. node NULL is no mistake here: the caller
 * knows whether a data section is needed. *out is then empty. input is all zero where it is wrong
 * itself: nothing is then checked against it. */
cnn_status cnn_data_settings_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                                  cnn_shape input, struct cnn_data_settings *out, cnn_diag *diag);

/* `data` with every default filled in; it was read without mistakes. NULL where memory is short. */
struct cnn_yaml *cnn_data_settings_resolve(struct cnn_arena *arena, const struct cnn_yaml *node,
                                           cnn_shape input);

struct cnn_dataset;

/* Which images of a data set. */
struct cnn_data_choice {
    /* images of another size are an error, but for folders, which are resized; all zero: images of
     * one size are taken as they are */
    cnn_shape input;
    const char *path; /* NULL: settings->path, else the default place ($CNN_DATA or data/) */
    enum cnn_split split;
    uint64_t seed; /* of drawings, and of the division by val_split */
};

/* Opens one split. VAL: the folder's val/, else the val_split share of the training images (of each
 * class, chosen by seed), else the test split. TRAIN leaves out what val_split takes; limit applies
 * to the training images before the split. Warnings of skipped images go to diag. *used says which
 * split the images come from (val may fall back to test). */
cnn_status cnn_dataset_open(const struct cnn_data_settings *settings,
                            const struct cnn_data_choice *choice, struct cnn_dataset **out,
                            enum cnn_split *used, cnn_diag *diag);
void cnn_dataset_free(struct cnn_dataset *dataset);

struct cnn_images;
const struct cnn_images *cnn_dataset_images(const struct cnn_dataset *dataset);
size_t cnn_dataset_count(const struct cnn_dataset *dataset);
size_t cnn_dataset_classes(const struct cnn_dataset *dataset);
const char *cnn_dataset_class(const struct cnn_dataset *dataset, size_t i);
size_t cnn_dataset_image_bytes(const struct cnn_dataset *dataset); /* h * w * c */
size_t cnn_dataset_label(const struct cnn_dataset *dataset, size_t image);
size_t cnn_dataset_class_count(const struct cnn_dataset *dataset, size_t class); /* its images */
/* A number that follows from the images' contents and labels, whatever their order, their names and
 * the place they are read from; that of two sets together is the sum of theirs. Files count as they
 * are, other images by their pixels. */
uint64_t cnn_dataset_fingerprint(const struct cnn_dataset *dataset);
/* its file; NULL where it has none of its own */
const char *cnn_dataset_path(const struct cnn_dataset *dataset, size_t image);
/* the i-th file that cannot be read; NULL after the last */
const char *cnn_dataset_left_out(const struct cnn_dataset *dataset, size_t i);

/* The bytes of one image, NHWC, h * w * c of them: where they are in memory, or else in buffer,
 * which has room for as many and belongs to the caller (NULL will do for data sets that are no
 * folders). What is returned holds as long as the data set and the buffer. Any number of threads
 * may read. */
const uint8_t *cnn_dataset_read(const struct cnn_dataset *dataset, size_t image, uint8_t *buffer);

/* Bytes of memory that decoded images are yet to fill; 0 where all images are in memory. */
size_t cnn_dataset_room(const struct cnn_dataset *dataset);

/* The same for a training image whose augmentation begins with resized_crop: the window that it
 * draws is cut out of the image's file. false, and nothing done, where that is to be done with the
 * bytes that cnn_dataset_read gives. */
bool cnn_dataset_read_window(const struct cnn_dataset *dataset, size_t image,
                             const struct cnn_augmentation *augmentation, struct cnn_draw *draw,
                             uint8_t *buffer);

/* CNN_FAILED where memory ran out as images were read: the bytes that were given for one of them
 * are not its own. For those who use what they have read before the end of a pass. */
cnn_status cnn_dataset_memory(const struct cnn_dataset *dataset, cnn_diag *diag);

/* Which images are known to be damaged, in their order, the first `most` of them into images; none
 * where the last report has told of all. Returns how many these are. mark: another process has
 * found one damaged. */
size_t cnn_dataset_damaged(const struct cnn_dataset *dataset, size_t most, uint32_t *images);
void cnn_dataset_mark_damaged(const struct cnn_dataset *dataset, size_t image);

/* Speaks of the files that turned out to be damaged since the last call: through tell, or as
 * warnings in diag where tell is NULL. CNN_FAILED where they are too many (data/images.h), and as
 * above. For the end of a pass over the images. */
cnn_status cnn_dataset_report(const struct cnn_dataset *dataset,
                              void (*tell)(void *context, const char *text), void *context,
                              cnn_diag *diag);

/* What `normalize: auto` divides a channel by whose bytes have this variance: its deviation in
 * [0, 1] units, and 1 where all its pixels are the same. */
double cnn_channel_divisor(double variance);

/* Mean and standard deviation of each channel over all images, in [0, 1] units: normalize: auto.
 * Reads every image once. */
cnn_status cnn_dataset_statistics(const struct cnn_dataset *dataset, struct cnn_normalization *out,
                                  cnn_diag *diag);

#endif
