/* Images with their labels, as the readers of data sets fill them: in memory, or as files that are
 * decoded when they are wanted. */
#ifndef CNN_DATA_IMAGES_H
#define CNN_DATA_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/diag.h"

struct cnn_image_file {
    const char *path;
    uint32_t width, height; /* of the picture in it */
    uint32_t checksum;      /* CRC-32 of its bytes */
};

struct cnn_images {
    size_t count, channels, height, width; /* of files: what they are brought to */
    /* [count][height][width][channels], cnn_malloc'ed; NULL where the images are files */
    uint8_t *pixels;
    struct cnn_image_file *files; /* [count], cnn_malloc'ed; NULL where they are in memory */
    struct cnn_arena *paths;      /* holds the files' paths */
    /* paths of files that cannot be read and are no images of the set, in paths */
    const char **left_out;
    size_t left_out_count;
    uint16_t *labels;   /* [count], each below class_count; cnn_malloc'ed */
    char **class_names; /* [class_count], each and all cnn_malloc'ed */
    size_t class_count;
};

/* Of one image, in the size that all are brought to. */
static inline size_t cnn_images_bytes(const struct cnn_images *images)
{
    return images->height * images->width * images->channels;
}

/* More pixel bytes than these are refused, whatever a file claims. */
#define CNN_IMAGES_MAX_BYTES UINT32_MAX

/* Frees what the struct holds and zeroes it. */
void cnn_images_free(struct cnn_images *images);

/* Keeps the images that are marked, in their order, and forgets the others. */
void cnn_images_keep(struct cnn_images *images, const bool *marked);

/* Whether so many damaged images of count are too many to do without: more than half, or more than
 * ten that are more than 1 %. A bad file or two stop nobody. */
static inline bool cnn_images_too_damaged(size_t damaged, size_t count)
{
    return damaged > count / 2 || (damaged > 10 && damaged > count / 100);
}

/* Frees the names of the classes, before others are given. */
void cnn_images_forget_classes(struct cnn_images *images);

/* Gives the images copies of count names; where names is NULL, the numbers from 0. */
cnn_status cnn_images_name_classes(struct cnn_images *images, const char *const *names,
                                   size_t count, cnn_diag *diag);

#endif
