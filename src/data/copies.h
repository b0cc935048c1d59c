/* Images that are the same, pixel for pixel, among those of several splits. */
#ifndef CNN_DATA_COPIES_H
#define CNN_DATA_COPIES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CNN_COPIES_SPLITS 3

/* A number for the bytes of an image: images of equal bytes have equal ones. */
uint64_t cnn_image_hash(const uint8_t *bytes, size_t size);

struct cnn_hashed_image {
    uint64_t hash;
    size_t image; /* its number over all splits: those of a split stand together, in order */
};

struct cnn_copy { /* an image and an earlier one that it is the same as */
    size_t first, second;
};

struct cnn_copies {
    /* in the order of the first image, then of the second; cnn_malloc'ed. Of several copies each is
     * paired with the earliest. */
    struct cnn_copy *pairs;
    size_t count;
    /* images that are the same as one of their split before them */
    size_t repeated[CNN_COPIES_SPLITS];
    size_t known[CNN_COPIES_SPLITS]; /* images that are the same as one of an earlier split */
};

struct cnn_copies_reader {
    /* the pixels of an image, in buffer or elsewhere */
    const uint8_t *(*read)(void *context, size_t image, uint8_t *buffer);
    void *context;
    size_t bytes; /* of an image */
    uint8_t *buffers[2];
};

/* Sorts the images and finds the copies among them. starts[s]: the number that split s begins with.
 * false: out of memory. */
bool cnn_copies_find(struct cnn_hashed_image *images, size_t count, const size_t *starts,
                     size_t splits, const struct cnn_copies_reader *reader, struct cnn_copies *out);

#endif
