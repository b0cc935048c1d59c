/* A cluster as its caller sees it: posting transfers, waiting, failing. */
#include "cluster/cluster_internal.h"

#include <stdio.h>

#include "util/clock.h"

size_t cnn_cluster_rank(const cnn_cluster *cluster)
{
    return cluster ? cluster->rank : 0;
}

size_t cnn_cluster_ranks(const cnn_cluster *cluster)
{
    return cluster ? cluster->ranks : 1;
}

const char *cnn_cluster_name(const cnn_cluster *cluster, size_t rank)
{
    return cluster->names[rank];
}

/* ---- Transfers ---- */

static void post(cnn_cluster *cluster, struct cnn_transfer *transfer, bool sends)
{
    transfer->sends = sends;
    transfer->moved = transfer->posted = 0;
    transfer->under_way = false;
    transfer->next = NULL;
    atomic_store(&transfer->done, transfer->bytes == 0);
    if (transfer->bytes == 0)
        return;
    pthread_mutex_lock(&cluster->lock);
    if (!cluster->over) {
        *cluster->posted.end = transfer;
        cluster->posted.end = &transfer->next;
    }
    pthread_cond_signal(&cluster->wake);
    pthread_mutex_unlock(&cluster->lock);
}

void cnn_cluster_send(cnn_cluster *cluster, struct cnn_transfer *transfer)
{
    post(cluster, transfer, true);
}

void cnn_cluster_receive(cnn_cluster *cluster, struct cnn_transfer *transfer)
{
    post(cluster, transfer, false);
}

bool cnn_cluster_wait(cnn_cluster *cluster, struct cnn_transfer *transfers, size_t count)
{
    size_t done = 0;
    while (done < count && atomic_load(&transfers[done].done))
        done++;
    if (done == count)
        return true;
    double begun = cnn_now();
    pthread_mutex_lock(&cluster->lock);
    cluster->waiting = true;
    pthread_cond_signal(&cluster->wake);
    for (; done < count && !cluster->over; done++)
        while (!atomic_load(&transfers[done].done) && !cluster->over)
            pthread_cond_wait(&cluster->changed, &cluster->lock);
    bool over = cluster->over;
    cluster->waiting = false;
    cluster->counts.waited += cnn_now() - begun;
    pthread_mutex_unlock(&cluster->lock);
    return !over;
}

struct cnn_cluster_counts cnn_cluster_counts(const cnn_cluster *cluster)
{
    struct cnn_cluster_counts counts = {0};
    if (!cluster)
        return counts;
    cnn_cluster *locked = (cnn_cluster *)(uintptr_t)cluster;
    pthread_mutex_lock(&locked->lock);
    counts = cluster->counts;
    pthread_mutex_unlock(&locked->lock);
    return counts;
}

/* ---- Failure ---- */

static bool is_over(cnn_cluster *cluster)
{
    pthread_mutex_lock(&cluster->lock);
    bool over = cluster->over;
    pthread_mutex_unlock(&cluster->lock);
    return over;
}

/* The rank that has failed may have found the error that it tells of itself. */
cnn_status cnn_cluster_check(cnn_cluster *cluster, cnn_diag *diag)
{
    if (!cluster || !is_over(cluster))
        return CNN_OK;
    const struct cnn_beat *failure = &cluster->failure;
    size_t rank = failure->rank < cluster->ranks ? failure->rank : 0;
    cnn_status status = failure->status == CNN_INVALID       ? CNN_INVALID
                        : failure->status == CNN_INTERRUPTED ? CNN_INTERRUPTED
                                                             : CNN_FAILED;
    return cnn_fail(diag, status, NULL, "%s: %s", cnn_cluster_name(cluster, rank), failure->text);
}

bool cnn_cluster_speaks(cnn_cluster *cluster)
{
    if (!cluster || cluster->rank == 0)
        return true;
    return cluster->rank == 1 && is_over(cluster) && cluster->failure.rank == 0 &&
           !cluster->failure.told;
}

static const char *newest_error(const cnn_diag *diag)
{
    for (size_t i = diag ? cnn_diag_count(diag) : 0; i > 0; i--)
        if (!cnn_diag_get(diag, i - 1)->warning)
            return cnn_diag_get(diag, i - 1)->text;
    return "it has failed";
}

void cnn_cluster_fail(cnn_cluster *cluster, cnn_status status, const cnn_diag *diag)
{
    if (!cluster || is_over(cluster))
        return;
    pthread_mutex_lock(&cluster->lock);
    cluster->own = (struct cnn_beat){
        .kind = CNN_BEAT_FAILED, .status = status, .rank = (uint32_t)cluster->rank, .told = 1};
    snprintf(cluster->own.text, sizeof cluster->own.text, "%s", newest_error(diag));
    pthread_cond_signal(&cluster->wake);
    while (!cluster->over)
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    pthread_mutex_unlock(&cluster->lock);
}
