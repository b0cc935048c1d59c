/* The gradients of a batch that processes share: every process adds up a slice of them, over the
 * roots of all processes in the order of the parts, and all get all slices. */
#ifndef CNN_TRAIN_REDUCE_H
#define CNN_TRAIN_REDUCE_H

#include "cluster/cluster.h"
#include "graph/plan.h"

struct cnn_reduce;

/* Batches have at most `batch` images; the cluster outlives it. What fails later sticks to the
 * cluster. */
cnn_status cnn_reduce_new(cnn_cluster *cluster, size_t batch, struct cnn_reduce **out,
                          cnn_diag *diag);
void cnn_reduce_free(struct cnn_reduce *reduce); /* NULL is legal */

/* For the plans that share batches; NULL for NULL. */
const struct cnn_ranks *cnn_reduce_ranks(const struct cnn_reduce *reduce);

/* Gets ready for the gradients of this plan, which was made for those ranks. */
cnn_status cnn_reduce_prepare(struct cnn_reduce *reduce, const struct cnn_graph *graph,
                              struct cnn_plan *plan, cnn_diag *diag);

/* After backward of a batch of n images: the gradients of the whole batch, for every process. */
void cnn_reduce_gradients(struct cnn_reduce *reduce, size_t n);

#endif
