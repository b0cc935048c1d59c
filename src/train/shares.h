/* Which process updates which parameters. They are cut into buckets, from the last layer to the
 * first, as backward completes them. Each process has a run of every bucket: it adds up the
 * gradients of that run, keeps the optimiser's state for it, and sends its new weights to the
 * others. A tensor that its optimiser updates as a whole is a bucket that one process has. */
#ifndef CNN_TRAIN_SHARES_H
#define CNN_TRAIN_SHARES_H

#include "recipe/optimizer.h"

/* Runs begin at multiples of this or where their bucket does, so sums over so many floats of the
 * slab, within a tensor, are never cut. */
#define CNN_SHARE_FLOATS ((size_t)512)

struct cnn_bucket {
    size_t begin, end;  /* floats of the slab */
    const size_t *from; /* process r has those from from[r] to from[r + 1] */
    size_t before;      /* floats that this process has of the buckets before */
};

struct cnn_shares {
    size_t rank, ranks;
    struct cnn_bucket *buckets; /* from the end of the slab to its beginning */
    size_t count, floats;       /* floats: that this process has of all of them */
    size_t *splits;             /* of all buckets */
};

/* Of the tensors that are trained in graph. */
cnn_status cnn_shares_new(const struct cnn_graph *graph,
                          const struct cnn_optimizer_settings *settings, size_t rank, size_t ranks,
                          struct cnn_shares **out, cnn_diag *diag);
void cnn_shares_free(struct cnn_shares *shares); /* NULL is legal */

/* What process `rank` has of bucket i. */
struct cnn_stretch cnn_shares_of(const struct cnn_shares *shares, size_t i, size_t rank);

/* Floats that a process has of all buckets. */
size_t cnn_shares_floats(const struct cnn_shares *shares, size_t rank);

/* The process that has this float of the slab, which is in a bucket. */
size_t cnn_shares_owner(const struct cnn_shares *shares, size_t at);

#endif
