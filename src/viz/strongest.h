/* Where in a data set each channel of a layer is strongest. */
#ifndef CNN_VIZ_STRONGEST_H
#define CNN_VIZ_STRONGEST_H

#include "model/model.h"

#define CNN_STRONGEST 9 /* places of each channel */

/* A value of the channel's map, in an image of the data set: at most one from each. */
struct cnn_strongest {
    float value;
    size_t image, row, column;
};

/* Runs every image through the network up to `value` (not the input), and finds for each of its
 * channels the CNN_STRONGEST images with the largest values, largest first; of equal ones the
 * earlier image and place come first. places: [channels][CNN_STRONGEST]; where there are fewer
 * images, the rest have the image CNN_NO_INDEX. Values that are no numbers do not count.
 * CNN_INTERRUPTED where stop is raised. */
cnn_status cnn_strongest_find(const cnn_model *model, const struct cnn_dataset *dataset,
                              size_t value, const cnn_flag *stop, struct cnn_strongest *places,
                              cnn_diag *diag);

#endif
