/* Random changes to training images: `augment`. They work on bytes, before normalisation, as in PyTorch's transforms. */
#ifndef CNN_DATA_AUGMENT_H
#define CNN_DATA_AUGMENT_H

#include "config/keys.h"
#include "util/random.h"

enum cnn_augmentation_type { CNN_AUGMENT_FLIP, CNN_AUGMENT_CROP }; /* indices into cnn_augmentation_types */

/* One step; the next one works on what it made. */
struct cnn_augmentation {
    enum cnn_augmentation_type type;
    size_t padding; /* crop: rows and columns of zeros on each side, that the window of the old size moves over */
    const struct cnn_augmentation *next;
};

/* Reads the list `augment`; NULL gives *out = NULL. input is all zero where it is not known. */
cnn_status cnn_augmentation_read(struct cnn_arena *arena, const struct cnn_yaml *node, cnn_shape input, const struct cnn_augmentation **out,
                                 cnn_diag *diag);

/* Changes one image of h * w * c bytes in place; scratch has room for as many. */
void cnn_augment(const struct cnn_augmentation *augmentation, cnn_shape shape, struct cnn_rng *rng, uint8_t *pixels, uint8_t *scratch);

#endif
