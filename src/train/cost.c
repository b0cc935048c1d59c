/* The cost of a step: T = T1 * largest share of the parts + 2 (P - 1) / P * N / B + messages * L,
 * for P processes, N bytes of gradients, a link of B bytes a second and a latency of L. */
#include "train/cost.h"

#include <math.h>

#include "util/allocate.h"
#include "util/clock.h"
#include "util/parts.h"

#define PINGS   50
#define BULK    ((size_t)1 << 22) /* bytes */
#define PINGED  8                 /* ranks, at most */
#define TAG     4000
#define SECONDS 0.3 /* for the bulk of one rank, about */

/* There and back; data has room for both. */
static bool bounce(cnn_cluster *cluster, size_t peer, char *data, size_t bytes)
{
    struct cnn_transfer there = {.peer = peer, .tag = TAG, .data = data, .bytes = bytes},
                        back = {.peer = peer, .tag = TAG, .data = data, .bytes = bytes};
    bool first = cnn_cluster_rank(cluster) == 0;
    if (first) {
        back.data = data + BULK;
        cnn_cluster_receive(cluster, &back);
        cnn_cluster_send(cluster, &there);
        return cnn_cluster_wait(cluster, &there, 1) && cnn_cluster_wait(cluster, &back, 1);
    }
    cnn_cluster_receive(cluster, &there);
    if (!cnn_cluster_wait(cluster, &there, 1))
        return false;
    cnn_cluster_send(cluster, &back);
    return cnn_cluster_wait(cluster, &back, 1);
}

/* Between rank 0 and rank `peer`, one of which this process is. The fastest of several counts: the
 * others have waited for a core. Both stop after the same number of messages, which rank 0 tells.
 */
static bool measure_peer(cnn_cluster *cluster, size_t peer, char *data, struct cnn_link *out)
{
    size_t other = cnn_cluster_rank(cluster) == 0 ? peer : 0;
    double latency = INFINITY, bulk = INFINITY, begun;
    for (int i = 0; i < PINGS; i++) {
        begun = cnn_now();
        if (!bounce(cluster, other, data, 8))
            return false;
        latency = fmin(latency, (cnn_now() - begun) / 2);
    }
    double started = cnn_now();
    for (bool more = true; more;) {
        begun = cnn_now();
        if (!bounce(cluster, other, data, BULK))
            return false;
        bulk = fmin(bulk, (cnn_now() - begun) / 2);
        data[0] = cnn_now() - started < SECONDS;
        if (!bounce(cluster, other, data, 1))
            return false;
        more = data[0];
    }
    *out = (struct cnn_link){latency, (double)BULK / fmax(bulk - latency, 1e-9), peer};
    return true;
}

bool cnn_link_measure(cnn_cluster *cluster, struct cnn_link *out)
{
    size_t ranks = cnn_cluster_ranks(cluster), rank = cnn_cluster_rank(cluster);
    char *data = cnn_calloc(2, BULK);
    bool good = data != NULL;
    *out = (struct cnn_link){.latency = 0, .bandwidth = INFINITY};
    if (!good)
        cnn_cluster_fail(cluster, CNN_FAILED, NULL);
    for (size_t i = 1; good && i < ranks && i <= PINGED; i++) {
        size_t peer = ranks - i; /* the last are the least likely on the machine of rank 0 */
        struct cnn_link link;
        if (rank != 0 && rank != peer)
            continue;
        good = measure_peer(cluster, peer, data, &link);
        if (good && link.bandwidth < out->bandwidth)
            *out = link;
    }
    cnn_free(data);
    return good;
}

/* Times that all ranks wait for each other in a step: for the two sums of each batch_norm, for the
 * gradients, the new weights, and whether to go on. */
static double count_meetings(const struct cnn_graph *graph)
{
    size_t statistics = 0; /* mean and variance of each batch_norm */
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++)
            statistics += graph->nodes[i].tensors[slot].role == CNN_ROLE_STATISTIC;
    return 3 + (double)statistics;
}

struct cnn_cost cnn_cost_estimate(const struct cnn_cost_of *of)
{
    double ranks = (double)of->ranks, rounds = ceil(log2(ranks)), most = 0;
    for (size_t r = 0; r < of->ranks; r++) {
        struct cnn_parts parts = cnn_parts_of(of->batch, r, of->ranks);
        most = fmax(most, (double)cnn_parts_images(&parts));
    }
    struct cnn_cost cost = {0};
    cost.bytes = 2 * (ranks - 1) / ranks * (double)of->graph->parameter_floats * sizeof(float);
    cost.compute = of->step * most / (double)of->batch;
    cost.exchange = of->ranks > 1 ? cost.bytes / of->link.bandwidth +
                                        of->link.latency * rounds * count_meetings(of->graph)
                                  : 0;
    cost.efficiency = of->step / ranks / (cost.compute + cost.exchange);
    return cost;
}
