/* Validation images that are a share of the training images: data.val_split. */
#ifndef CNN_DATA_DIVIDE_H
#define CNN_DATA_DIVIDE_H

#include "data/dataset.h"
#include "data/images.h"

/* Keeps one part of the training images, in their order: each image is held for validation with the
 * chance that leaves exactly its class's share (Knuth, The Art of Computer Programming 2, 3.4.2,
 * algorithm S). Both parts draw the same numbers, so no image is in both. CNN_INVALID where none
 * would be held. */
cnn_status cnn_images_divide(const struct cnn_data_settings *settings, bool want_held,
                             uint64_t seed, struct cnn_images *images, cnn_diag *diag);

#endif
