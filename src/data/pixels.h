/* Pixels in a caller's memory, as a camera gives them -> bytes of a wanted size, the same as from a
 * file of these pixels. */
#ifndef CNN_DATA_PIXELS_H
#define CNN_DATA_PIXELS_H

#include "cnn.h"

/* As cnn_image_read. CNN_INVALID for a buffer that is described wrongly. */
cnn_status cnn_pixels_bring(const cnn_pixels *pixels, cnn_shape shape, uint8_t *out,
                            cnn_diag *diag);

#endif
