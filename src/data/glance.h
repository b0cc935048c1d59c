/* A glance at the images of a folder data set: what a first recipe for them has to know. */
#ifndef CNN_DATA_GLANCE_H
#define CNN_DATA_GLANCE_H

#include "data/dataset.h"

struct cnn_glance {
    size_t classes;
    const char **class_names; /* in the caller's arena, as the next */
    size_t *class_images;     /* of the training images, by class */
    size_t images[3];         /* by enum cnn_split; 0: the folder has no such part */
    size_t width, height;     /* medians of a sample of the training images' files, spread evenly */
    size_t side;              /* median of the shorter of the two */
    bool grey;                /* not one of the sample has a pixel of another colour */
};

/* Lists the images of every part of the folder and opens a sample. Errors are those of opening the
 * data set, and CNN_FAILED for one class alone. */
cnn_status cnn_glance_at(const char *folder, struct cnn_arena *arena, struct cnn_glance *out,
                         cnn_diag *diag);

#endif
