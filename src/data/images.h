/* Images with their labels in memory, as the readers of data sets fill them. */
#ifndef CNN_DATA_IMAGES_H
#define CNN_DATA_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/diag.h"

struct cnn_images {
    size_t count, channels, height, width;
    uint8_t *pixels;    /* [count][height][width][channels], malloc'ed */
    uint16_t *labels;   /* [count], each below class_count; malloc'ed */
    char **class_names; /* [class_count], each and all malloc'ed */
    size_t class_count;
};

/* More pixel bytes than these are refused, whatever a file claims. */
#define CNN_IMAGES_MAX_BYTES UINT32_MAX

/* Frees what the struct holds and zeroes it. */
void cnn_images_free(struct cnn_images *images);

/* Gives the images copies of count names; where names is NULL, the numbers from 0. */
cnn_status cnn_images_name_classes(struct cnn_images *images, const char *const *names, size_t count, cnn_diag *diag);

/* The error for files that are not in folder: what data set it should hold, which names were looked for, and where it is looked for unless told
 * otherwise (usual is the folder's usual name). Returns CNN_FAILED. */
cnn_status cnn_images_fail_missing(const char *folder, const char *dataset, const char *names, const char *usual, cnn_diag *diag);

#endif
