/* Batches read ahead: threads of their own decode, augment, normalise and mix into a small ring of
 * batches while the step computes. What a batch holds depends on (seed, epoch, position) alone. */
#ifndef CNN_DATA_LOADER_H
#define CNN_DATA_LOADER_H

#include "data/dataset.h"

#define CNN_LOADER_RING 3 /* batches in memory */

struct cnn_loader_options {
    const struct cnn_dataset *dataset;
    struct cnn_normalization normalization;
    const struct cnn_augmentation *augmentation; /* NULL: none */
    cnn_shape shape;
    size_t batch;
    /* no batch of one image is left at an epoch's end: the one before gives its last. Nothing can
     * be done where batches have one or two images (cnn_loader_smallest). */
    bool two_or_more;
    bool shuffle;
    uint64_t seed;
    size_t rank, ranks; /* processes that share each batch (util/parts.h); 0 and 0: this one alone
                         */
};

struct cnn_batch {
    size_t n; /* images: `batch`, or what is left at an epoch's end */
    /* those of this process: images holds them alone, from image `first` of the batch on; what
     * follows here is of all images */
    size_t first, own;
    float *images; /* NHWC, 64-byte aligned; anything while the loader is bare */
    size_t *index; /* which of the data set they are */
    size_t *labels;
    /* NULL unless the augmentation mixes images: image i is shares[i] of its own label and 1 -
     * shares[i] of others[i] */
    size_t *others;
    float *shares;
};

struct cnn_loader;
cnn_status cnn_loader_new(const struct cnn_loader_options *options, struct cnn_loader **out,
                          cnn_diag *diag);
void cnn_loader_free(struct cnn_loader *loader);

/* Begins an epoch at its batch `first` (0, or more when a run is resumed); drops what was read
 * ahead. */
void cnn_loader_start(struct cnn_loader *loader, size_t epoch, size_t first);

/* From the next start on: bare batches have labels and indices alone, and no image is read. */
void cnn_loader_bare(struct cnn_loader *loader, bool bare);

/* The epoch's next batch, valid until the next call; NULL after the last. */
const struct cnn_batch *cnn_loader_next(struct cnn_loader *loader);

size_t cnn_loader_batches(const struct cnn_loader *loader); /* per epoch */

/* Images of an epoch's smallest batch. */
size_t cnn_loader_smallest(const struct cnn_loader *loader);

#endif
