/* The cost of a step by P processes: T1 * largest share of the parts + rounds * meetings * L + what
 * of (R + 1) (P - 1) / P * N / B is not hidden by backward, for N bytes of gradients in R sums, a
 * link of B bytes a second and a latency of L. */
#include "train/cost.h"

#include <math.h>

#include "train/shares.h"
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
 * loss, the gradients, their norm where they are clipped, the new weights, and whether to go on. */
static double count_meetings(const struct cnn_cost_of *of)
{
    const struct cnn_graph *graph = of->graph;
    size_t statistics = 0; /* mean and variance of each batch_norm */
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++)
            statistics += graph->nodes[i].tensors[slot].role == CNN_ROLE_STATISTIC;
    return 4 + of->clips + (double)statistics;
}

/* The sums of gradients that the busiest process sends: one for each complete subtree of its parts
 * (util/parts.h). */
static double count_sums(const struct cnn_cost_of *of)
{
    size_t most = 1;
    for (size_t rank = 0; rank < of->ranks; rank++) {
        const struct cnn_parts parts = cnn_parts_of(of->batch, rank, of->ranks);
        size_t sums = cnn_parts_roots(&parts);
        most = sums > most ? sums : most;
    }
    return (double)most;
}

/* Seconds of a step until backward has completed the layers from that on in which a bucket begins;
 * backward takes twice as long as forward, and each layer's share is that of its products. */
static double complete_at(const struct cnn_graph *graph, const struct cnn_bucket *bucket,
                          double compute)
{
    double all = 0, before = 0;
    for (size_t i = 0; i < graph->count; i++) {
        size_t end = 0; /* of the layer's parameters */
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &graph->nodes[i].tensors[slot];
            end = cnn_tensor_trained(t) ? t->offset + t->count : end;
        }
        all += (double)graph->nodes[i].macs;
        before = end > 0 && end <= bucket->begin ? all : before;
    }
    return compute * (1 - (all > 0 ? 2 * before / (3 * all) : 0));
}

/* Floats that are exchanged: frozen layers' are not. */
static double count_floats(const struct cnn_shares *shares)
{
    size_t floats = 0;
    for (size_t b = 0; b < shares->count; b++)
        floats += shares->buckets[b].end - shares->buckets[b].begin;
    return (double)floats;
}

/* Seconds until the last byte of a step is there, where the link carries one bucket behind the
 * other: its gradients as soon as they are complete, and its weights behind them. */
static double travelled_at(const struct cnn_cost_of *of, const struct cnn_shares *shares,
                           double compute)
{
    double at = 0, later = 0, others = (double)(of->ranks - 1) / (double)of->ranks,
           sums = count_sums(of);
    for (size_t b = 0; b < shares->count; b++) {
        const struct cnn_bucket *bucket = &shares->buckets[b];
        double seconds =
            others * (double)(bucket->end - bucket->begin) * sizeof(float) / of->link.bandwidth;
        at = fmax(at, complete_at(of->graph, bucket, compute)) + sums * seconds;
        *(of->clips ? &later : &at) += seconds;
    }
    return at + later;
}

cnn_status cnn_cost_estimate(const struct cnn_cost_of *of, struct cnn_cost *out, cnn_diag *diag)
{
    double ranks = (double)of->ranks, most = 0,
           meetings = of->link.latency * ceil(log2(ranks)) * count_meetings(of);
    struct cnn_shares *shares;
    cnn_status status = cnn_shares_new(of->graph, of->settings, 0, of->ranks, &shares, diag);
    if (status != CNN_OK)
        return status;
    for (size_t r = 0; r < of->ranks; r++) {
        struct cnn_parts parts = cnn_parts_of(of->batch, r, of->ranks);
        most = fmax(most, (double)cnn_parts_images(&parts));
    }
    struct cnn_cost cost = {0};
    cost.bytes = (count_sums(of) + 1) * (ranks - 1) / ranks * count_floats(shares) * sizeof(float);
    cost.compute = of->step * most / (double)of->batch;
    if (of->ranks > 1) {
        cost.exchange = cost.bytes / of->link.bandwidth + meetings;
        cost.waits = fmax(0, travelled_at(of, shares, cost.compute) - cost.compute) + meetings;
    }
    cost.efficiency = of->step / ranks / (cost.compute + cost.waits);
    cnn_shares_free(shares);
    *out = cost;
    return CNN_OK;
}
