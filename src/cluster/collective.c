/* Calls that all ranks make together, built of transfers. Bruck et al., "Efficient algorithms for
 * all-to-all communications in multiport message-passing systems", 1997: in round k a rank has the
 * blocks of 2^k ranks, its own first, and fetches the next 2^k. So a gather takes log2(ranks)
 * messages, rounded up, and no byte travels to a rank twice. */
#include "cluster/cluster_internal.h"

/* The bytes of `count` ranks from `first` on, which may go on with rank 0: one run or two. */
static size_t runs_of(const cnn_cluster *cluster, size_t first, size_t count,
                      struct cnn_transfer *runs)
{
    first %= cluster->ranks;
    size_t until_end = cluster->ranks - first, here = count < until_end ? count : until_end;
    runs[0] = (struct cnn_transfer){.peer = first, .bytes = here};
    runs[1] = (struct cnn_transfer){.peer = 0, .bytes = count - here};
    return count > here ? 2 : 1;
}

static void locate(struct cnn_transfer *run, void *all, const size_t *offsets, size_t peer)
{
    size_t first = run->peer, count = run->bytes;
    *run = (struct cnn_transfer){.peer = peer,
                                 .tag = CNN_COLLECTIVE_TAG,
                                 .data = (char *)all + offsets[first],
                                 .bytes = offsets[first + count] - offsets[first]};
}

static bool exchange(cnn_cluster *cluster, void *all, const size_t *offsets, size_t distance)
{
    struct cnn_transfer transfers[4];
    size_t ranks = cluster->ranks, rank = cluster->rank,
           count = ranks - distance < distance ? ranks - distance : distance;
    size_t sends = runs_of(cluster, rank, count, transfers),
           total = sends + runs_of(cluster, rank + distance, count, transfers + sends);
    for (size_t i = 0; i < total; i++) {
        bool send = i < sends;
        locate(&transfers[i], all, offsets, (rank + (send ? ranks - distance : distance)) % ranks);
        if (send)
            cnn_cluster_send(cluster, &transfers[i]);
        else
            cnn_cluster_receive(cluster, &transfers[i]);
    }
    return cnn_cluster_wait(cluster, transfers, total);
}

bool cnn_cluster_gather(cnn_cluster *cluster, void *all, const size_t *offsets)
{
    bool done = true;
    for (size_t distance = 1; distance < cnn_cluster_ranks(cluster) && done; distance *= 2)
        done = exchange(cluster, all, offsets, distance);
    return done;
}

/* A binomial tree: in the round of `distance`, ranks below it send to those at that distance. */
bool cnn_cluster_broadcast(cnn_cluster *cluster, void *data, size_t bytes)
{
    bool done = true;
    size_t rank = cnn_cluster_rank(cluster), ranks = cnn_cluster_ranks(cluster);
    for (size_t distance = 1; distance < ranks && done; distance *= 2) {
        struct cnn_transfer transfer = {.tag = CNN_COLLECTIVE_TAG, .data = data, .bytes = bytes};
        if (rank < distance && rank + distance < ranks) {
            transfer.peer = rank + distance;
            cnn_cluster_send(cluster, &transfer);
            done = cnn_cluster_wait(cluster, &transfer, 1);
        } else if (rank >= distance && rank < 2 * distance) {
            transfer.peer = rank - distance;
            cnn_cluster_receive(cluster, &transfer);
            done = cnn_cluster_wait(cluster, &transfer, 1);
        }
    }
    return done;
}

unsigned cnn_cluster_any(cnn_cluster *cluster, unsigned flags)
{
    if (!cluster)
        return flags;
    for (size_t i = 0; i <= cluster->ranks; i++)
        cluster->offsets[i] = i * sizeof *cluster->flags;
    cluster->flags[cluster->rank] = flags;
    if (!cnn_cluster_gather(cluster, cluster->flags, cluster->offsets))
        return flags;
    for (size_t i = 0; i < cluster->ranks; i++)
        flags |= cluster->flags[i];
    return flags;
}
