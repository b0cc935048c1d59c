/* `shapes`: a data set that the program draws itself, so that training can be tried without any
 * file. */
#ifndef CNN_DATA_SHAPES_H
#define CNN_DATA_SHAPES_H

#include "data/images.h"

/* Draws the first images of the training or the test set: at most limit (0: all, 20,000 and 4,000).
 * Image i shows class i % 10; what it looks like depends on (seed, train, i) alone. input must be 3
 * x n x n, n in 16..128, else CNN_INVALID. *out is written only on success; free it with
 * cnn_images_free. */
cnn_status cnn_shapes_read(cnn_shape input, bool train, uint64_t seed, size_t limit,
                           struct cnn_images *out, cnn_diag *diag);

#endif
