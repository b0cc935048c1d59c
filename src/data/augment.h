/* Random changes to training images: `augment`. Those of one image work on bytes, before
 * normalisation, as in PyTorch's transforms; those that mix the images of a batch stand in
 * data/mix.h. */
#ifndef CNN_DATA_AUGMENT_H
#define CNN_DATA_AUGMENT_H

#include "config/keys.h"
#include "data/dataset.h"
#include "util/random.h"

enum cnn_augmentation_type { /* indices into cnn_augmentation_types */
                             CNN_AUGMENT_FLIP,
                             CNN_AUGMENT_CROP,
                             CNN_AUGMENT_RESIZED_CROP,
                             CNN_AUGMENT_ROTATION,
                             CNN_AUGMENT_SCALE,
                             CNN_AUGMENT_CUTOUT,
                             CNN_AUGMENT_JITTER,
                             CNN_AUGMENT_RAND,
                             CNN_AUGMENT_MIXUP,
                             CNN_AUGMENT_CUTMIX
};

/* One step; the next one works on what it made. */
struct cnn_augmentation {
    enum cnn_augmentation_type type;
    const struct cnn_augmentation *next;
    union {
        struct {
            int alternating; /* 1: each epoch shows the other side, 0: each time at random */
        } flip;
        struct {
            /* rows and columns on each side, that the window of the old size moves over */
            size_t padding;
            int reflect; /* 1: they mirror the image, its edge not repeated; 0: zeros */
        } crop;
        struct {
            /* two each: least and most share of the area, and width through height */
            struct cnn_numbers scale, ratio;
        } resized_crop;
        struct {
            double degrees; /* the most, to either side */
        } rotation;
        struct {
            double min, max; /* factors */
        } scale;
        struct {
            size_t size; /* of the square's sides */
        } cutout;
        struct {
            /* how far a factor may be from 1, or the hue be turned; 0: not at all */
            double brightness, contrast, saturation, hue;
        } jitter;
        struct {
            size_t count, magnitude; /* operations, and how strong they are, of 30 */
        } rand;
        struct {
            double alpha; /* of Beta(alpha, alpha) */
        } mix;            /* mixup, cutmix */
    };
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
struct cnn_window {
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

/* Whether the list begins with resized_crop; then *window is the part of an image of height x width
 * that it shows. A reader that cuts this out of a larger picture and resizes it goes on with
 * augmentation->next. */
bool cnn_augment_window(const struct cnn_augmentation *augmentation, size_t height, size_t width,
                        struct cnn_rng *rng, struct cnn_window *window);

#endif
