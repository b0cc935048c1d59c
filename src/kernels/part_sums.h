/* The sums of a batch_norm over the parts of a batch (util/parts.h), its own and those of other
 * processes. */
#ifndef CNN_KERNELS_PART_SUMS_H
#define CNN_KERNELS_PART_SUMS_H

#include "kernels/kernels.h"

/* What a batch_norm adds up: two numbers for each channel. */
struct cnn_part_sums {
    const struct cnn_batch_norm *b;
    /* mean and sum of squared distances from it, which are combined by Chan's formulas; else both
     * are added */
    bool moments;
    double *own; /* [part][2][channels] of its own parts; overwritten */
};

/* The parts of a batch_norm, and the rows of the whole batch. */
struct cnn_parts cnn_batch_norm_parts(const struct cnn_batch_norm *b);
double cnn_batch_norm_rows(const struct cnn_batch_norm *b);

/* How many parts scratch has to have room for. */
size_t cnn_batch_norm_parts_bound(const struct cnn_batch_norm *b);

/* The two numbers of each channel over the whole batch, [2][channels]. */
const double *cnn_part_sums_total(const struct cnn_part_sums *sums);

#endif
