/* Augmentations that mix the images of a batch, after normalisation. */
#ifndef CNN_DATA_MIX_H
#define CNN_DATA_MIX_H

#include "data/augment.h"
#include "data/loader.h"

/* Whether the list has a step that mixes images: batches then need room for others and shares. */
bool cnn_mixes(const struct cnn_augmentation *augmentation);

/* Mixes a batch whose images and labels are filled, and fills its others and shares: image i is
 * shares[i] of its own label and 1 - shares[i] of others[i]. Of several steps that mix, one is
 * drawn. Drawn from rng alone: cnn_rng_at(seed, CNN_STREAM_MIX, epoch * batches + batch). */
void cnn_mix_batch(const struct cnn_augmentation *augmentation, cnn_shape shape,
                   struct cnn_rng *rng, struct cnn_batch *batch);

/* Where image i of the batch is, of `values` numbers; NULL where this process has no use for it.
 * Behind its own images lie the partners of those, which it needs to mix them. */
float *cnn_batch_image(const struct cnn_batch *batch, size_t values, size_t i);

#endif
