/* What a step by several processes is expected to cost: the link between them as measured, and a
 * model of computation, bytes and messages (docs/scaling.md). */
#ifndef CNN_TRAIN_COST_H
#define CNN_TRAIN_COST_H

#include "cluster/cluster.h"
#include "graph/graph.h"

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
    size_t batch, ranks;
    double step; /* seconds that one process takes */
    struct cnn_link link;
};

struct cnn_cost {
    double bytes;      /* that each process sends in a step, and receives */
    double compute;    /* seconds, of the process with the most parts of the batch */
    double exchange;   /* seconds, if nothing of it overlaps with computing */
    double efficiency; /* the share of a step in which all cores compute */
};

struct cnn_cost cnn_cost_estimate(const struct cnn_cost_of *of);

#endif
