/* Random changes to training images: `augment`. Those of one image work on bytes, before
 * normalisation, as in PyTorch's transforms; those that mix the images of a batch stand in
 * data/mix.h. */
#ifndef CNN_DATA_AUGMENT_H
#define CNN_DATA_AUGMENT_H

#include "config/keys.h"
#include "data/dataset.h"
#include "util/random.h"

/* One step; the next one works on what it made. */
struct cnn_augmentation {
    const struct cnn_augmentation_type *type; /* data/augment_type.h */
    const void *settings;                     /* of that type */
    const struct cnn_augmentation *next;
};

/* What the changes of one image in one epoch are drawn from. */
struct cnn_draw {
    struct cnn_rng rng; /* of (seed, epoch, image); used up as the steps draw */
    uint64_t seed;
    size_t epoch, image;
    /* the colour of what has none: where a turned image does not reach, and what is cut out */
    uint8_t blank[CNN_MAX_CHANNELS];
};

/* A part of an image. */
struct cnn_crop_window {
    size_t top, left, height, width;
};

/* Reads the list `augment`; NULL gives *out = NULL. input is all zero where it is not known.
 * Changes of colour are left out, with a warning, where it is grey. */
cnn_status cnn_augmentation_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                                 cnn_shape input, const struct cnn_augmentation **out,
                                 cnn_diag *diag);

/* The list with every default filled in, and without what the input leaves out, for the resolved
 * description; it was read without mistakes. NULL where memory is short. */
struct cnn_yaml *cnn_augmentation_resolve(struct cnn_arena *arena, const struct cnn_yaml *list,
                                          cnn_shape input);

/* The draw of one of `images` images in one epoch. What is blank gets the colour that normalisation
 * makes zero, as near as a byte comes: the mean; black where nothing is normalised. */
struct cnn_draw cnn_draw_new(const struct cnn_normalization *normalization, uint64_t seed,
                             size_t epoch, size_t images, size_t image);

/* Changes one image of h * w * c bytes in place; scratch has room for as many. Steps that mix
 * images do nothing here. */
void cnn_augment(const struct cnn_augmentation *augmentation, cnn_shape shape,
                 struct cnn_draw *draw, uint8_t *pixels, uint8_t *scratch);

/* Whether the first step of the list shows a part of the picture, as resized_crop does. */
bool cnn_augment_begins_with_window(const struct cnn_augmentation *augmentation);

/* The same; then *window is the part of an image of height x width that it shows. A reader that
 * cuts this out of a larger picture and resizes it goes on with augmentation->next. */
bool cnn_augment_window(const struct cnn_augmentation *augmentation, size_t height, size_t width,
                        struct cnn_rng *rng, struct cnn_crop_window *window);

#endif
