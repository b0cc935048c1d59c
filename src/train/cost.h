/* What a step by several processes is expected to cost: the link between them as measured, and a
 * model of computation, bytes and messages (docs/scaling.md). */
#ifndef CNN_TRAIN_COST_H
#define CNN_TRAIN_COST_H

#include "cluster/cluster.h"
#include "recipe/optimizer.h"

struct cnn_link {     /* of rank 0 to the rank that it takes longest to reach */
    double latency;   /* seconds, of a short message one way */
    double bandwidth; /* bytes in a second, one way */
    size_t rank;
};

/* All ranks call it. Takes a fraction of a second, or more on a slow link. false: the cluster has
 * failed. */
bool cnn_link_measure(cnn_cluster *cluster, struct cnn_link *out);

struct cnn_cost_of {
    const struct cnn_graph *graph;
    const struct cnn_optimizer_settings *settings;
    bool clips; /* no weight is sent before all gradients have come */
    size_t batch, ranks;
    double step; /* seconds that one process takes */
    struct cnn_link link;
};

struct cnn_cost {
    double bytes;      /* that the busiest process sends in a step */
    double compute;    /* seconds, of the process with the most parts of the batch */
    double exchange;   /* seconds for which the link is busy, or its latency is waited for */
    double waits;      /* of these the seconds in which nothing is computed */
    double efficiency; /* the share of a step in which all cores compute */
};

cnn_status cnn_cost_estimate(const struct cnn_cost_of *of, struct cnn_cost *out, cnn_diag *diag);

#endif
