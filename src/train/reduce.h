/* The gradients of a batch that processes share, and the update that follows. Every process adds up
 * those of its share (train/shares.h), over the roots of all processes in the order of the parts,
 * updates these parameters, and all get all new ones. What is sent travels while backward goes on:
 * a bucket's gradients as soon as backward has completed them, and its new weights as soon as they
 * are there. */
#ifndef CNN_TRAIN_REDUCE_H
#define CNN_TRAIN_REDUCE_H

#include "cluster/cluster.h"
#include "graph/plan.h"
#include "recipe/optimizer.h"

struct cnn_reduce;

/* For the trained tensors of graph. Batches have at most `batch` images; the cluster outlives it.
 * What fails later sticks to the cluster. */
struct cnn_reduce_options {
    cnn_cluster *cluster;
    const struct cnn_graph *graph;
    const struct cnn_optimizer_settings *settings;
    size_t batch;
};
cnn_status cnn_reduce_new(const struct cnn_reduce_options *options, struct cnn_reduce **out,
                          cnn_diag *diag);
void cnn_reduce_free(struct cnn_reduce *reduce); /* NULL is legal */

/* For the plans that share batches; NULL for NULL. */
const struct cnn_ranks *cnn_reduce_ranks(const struct cnn_reduce *reduce);

/* The optimiser of this process's share. */
cnn_status cnn_reduce_optimizer(const struct cnn_reduce *reduce, struct cnn_optimizer **out,
                                cnn_diag *diag);

/* Gets ready for the gradients of this plan, which was made for those ranks; graph is what it
 * trains, the one of the options or a part of it. */
void cnn_reduce_prepare(struct cnn_reduce *reduce, const struct cnn_graph *graph,
                        struct cnn_plan *plan);

/* Around backward of a batch of n images. Behind end, parameters are the new ones on every process.
 * The plan's gradients are those of the whole batch in the process's share alone; with `whole`
 * rank 0 has all of them. */
struct cnn_reduce_update {
    size_t n;
    struct cnn_optimizer *optimizer; /* of cnn_reduce_optimizer */
    float *parameters;
    double lr, clip_norm; /* 0: gradients are not clipped */
    bool whole;
};
void cnn_reduce_begin(struct cnn_reduce *reduce, const struct cnn_reduce_update *update);
void cnn_reduce_end(struct cnn_reduce *reduce);

/* Slab i of all processes' optimisers, laid out as the parameters, into `whole` of rank 0; own:
 * this process's. All make this call. */
cnn_status cnn_reduce_collect(struct cnn_reduce *reduce, const float *own, float *whole,
                              cnn_diag *diag);

#endif
