/* What an augmentation is: the descriptor that each data/augment_<name>.c fills in, with one line
 * in augmentations.def. */
#ifndef CNN_DATA_AUGMENT_TYPE_H
#define CNN_DATA_AUGMENT_TYPE_H

#include "data/augment.h"

struct cnn_batch; /* data/loader.h */

/* A step that was read by its key table: where it stands, and what it is for. */
struct cnn_augmentation_reading {
    const struct cnn_yaml *node;
    cnn_shape input; /* all zero: not known */
    bool first;      /* of the list */
    void *settings;
    cnn_diag *diag;
};

struct cnn_augmentation_type {
    struct cnn_variant variant;

    /* Whether the settings fit each other and the input; may change them. NULL: any do. */
    cnn_status (*check)(const struct cnn_augmentation_reading *reading);

    /* Writes into the resolved step what check has changed; false where memory is short. NULL:
     * nothing. */
    bool (*resolve)(struct cnn_arena *arena, struct cnn_yaml *step, cnn_shape input);

    /* Draws, and changes one image of h * w * c bytes in place; scratch has room for as many. NULL:
     * it mixes batches. */
    void (*apply)(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch);

    /* Draws the part of a height x width image that it shows, which apply then enlarges: as a first
     * step it can work on the whole picture of a file. NULL: it shows all. */
    struct cnn_crop_window (*window)(const void *settings, size_t height, size_t width,
                                     struct cnn_rng *rng);

    /* Mixes image i of a batch and its partner, number n - 1 - i, for every i, and returns the
     * share that an image keeps of itself. NULL: it changes images. */
    float (*mix)(const void *settings, cnn_shape shape, struct cnn_rng *rng,
                 struct cnn_batch *batch);
};

/* Where a key stands, or the step if it has none. */
static inline const struct cnn_where *
cnn_augmentation_where(const struct cnn_augmentation_reading *reading, const char *key)
{
    const struct cnn_yaml *value = cnn_yaml_get(reading->node, key);
    return value ? &value->where : &reading->node->where;
}

#endif
