/* Opening and closing a cluster. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cluster/cluster_internal.h"
#include "util/allocate.h"
#include "util/parallel.h"

#define LINGER 3 /* seconds that the rank that speaks has to end before the others */

/* Every rank learns every rank's name. */
static bool exchange_names(cnn_cluster *cluster)
{
    char host[64] = "";
    gethostname(host, sizeof host - 1);
    for (size_t i = 0; i <= cluster->ranks; i++)
        cluster->offsets[i] = i * CNN_RANK_NAME;
    snprintf(cluster->names[cluster->rank], CNN_RANK_NAME, "rank %zu (%s, process %ld)",
             cluster->rank, host, (long)getpid());
    bool done = cnn_cluster_gather(cluster, cluster->names, cluster->offsets);
    for (size_t i = 0; i < cluster->ranks; i++)
        cluster->names[i][CNN_RANK_NAME - 1] = '\0';
    return done;
}

static cnn_status prepare(cnn_cluster *cluster, cnn_diag *diag)
{
    cluster->names = cnn_calloc(cluster->ranks, CNN_RANK_NAME);
    cluster->offsets = cnn_calloc(cluster->ranks + 1, sizeof *cluster->offsets);
    cluster->flags = cnn_calloc(cluster->ranks, sizeof *cluster->flags);
    if (!cluster->names || !cluster->offsets || !cluster->flags)
        return cnn_fail_memory(diag, 0, "the names of the ranks");
    for (size_t i = 0; i < cluster->ranks; i++)
        snprintf(cluster->names[i], CNN_RANK_NAME, "rank %zu", i);
    if (exchange_names(cluster))
        return CNN_OK;
    return cnn_cluster_check(cluster, cnn_cluster_speaks(cluster) ? diag : NULL);
}

static cnn_status start_thread(cnn_cluster *cluster, cnn_diag *diag)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&cluster->lock, NULL);
    pthread_cond_init(&cluster->wake, &attributes);
    pthread_cond_init(&cluster->changed, NULL);
    pthread_condattr_destroy(&attributes);
    if (pthread_create(&cluster->thread, NULL, cnn_cluster_run, cluster) != 0) {
        cnn_free(cluster);
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot start a thread");
    }
    pthread_mutex_lock(&cluster->lock);
    while (!cluster->opened && !cluster->over)
        pthread_cond_wait(&cluster->changed, &cluster->lock);
    bool opened = cluster->opened;
    pthread_mutex_unlock(&cluster->lock);
    if (opened)
        return CNN_OK;
    cnn_fail(diag, CNN_FAILED, NULL, "%s: %s", cluster->transport->name, cluster->error);
    cnn_cluster_close(cluster);
    return CNN_FAILED;
}

/* The rank that speaks ends first: a launcher ends all others at once. */
static void close_failed(cnn_cluster *cluster)
{
    bool waits = !cnn_cluster_speaks(cluster);
    cnn_cluster_close(cluster);
    if (waits)
        sleep(LINGER);
}

cnn_status cnn_cluster_open(const struct cnn_transport *transport, double timeout,
                            cnn_cluster **out, cnn_diag *diag)
{
    cnn_cluster *cluster = cnn_calloc(1, sizeof *cluster);
    if (!cluster)
        return cnn_fail_memory(diag, sizeof *cluster, "several processes");
    cluster->transport = transport;
    cluster->timeout = timeout;
    cluster->posted.end = &cluster->posted.first;
    cnn_status status = start_thread(cluster, diag);
    if (status != CNN_OK)
        return status;
    status = prepare(cluster, diag);
    if (status == CNN_OK)
        *out = cluster;
    else
        close_failed(cluster);
    return status;
}

void cnn_cluster_close(cnn_cluster *cluster)
{
    if (!cluster)
        return;
    pthread_mutex_lock(&cluster->lock);
    cluster->closing = true;
    pthread_cond_signal(&cluster->wake);
    pthread_mutex_unlock(&cluster->lock);
    pthread_join(cluster->thread, NULL);
    pthread_cond_destroy(&cluster->wake);
    pthread_cond_destroy(&cluster->changed);
    pthread_mutex_destroy(&cluster->lock);
    cnn_free(cluster->peers);
    cnn_free(cluster->names);
    cnn_free(cluster->offsets);
    cnn_free(cluster->flags);
    cnn_free(cluster);
}

/* An error that came before the work that is shared, of which the others do not know: they would
 * wait for this rank. */
static void tell_early_end(cnn_cluster *cluster, cnn_status status)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, status, NULL,
             "it has ended with an error before the run began; the same command says why if it is "
             "started alone there");
    cnn_cluster_fail(cluster, status, diag);
    cnn_diag_free(diag);
}

static bool is_error(cnn_status status)
{
    return status != CNN_OK && status != CNN_INTERRUPTED;
}

void cnn_cluster_leave_together(cnn_cluster *cluster, cnn_status status)
{
    if (cluster && is_error(status))
        close_failed(cluster);
    else
        cnn_cluster_close(cluster);
}

void cnn_cluster_leave(cnn_cluster *cluster, cnn_status status)
{
    if (!cluster)
        return;
    if (is_error(status))
        tell_early_end(cluster, status);
    cnn_cluster_leave_together(cluster, status);
}

/* Ranks of the same host: names differ in what stands before and after it. */
static size_t count_neighbours(const cnn_cluster *cluster)
{
    const char *own = strchr(cluster->names[cluster->rank], '(');
    size_t count = 0, length = own ? strcspn(own, ",") : 0;
    for (size_t i = 0; own && i < cluster->ranks; i++) {
        const char *other = strchr(cluster->names[i], '(');
        count += other && strncmp(own, other, length + 1) == 0;
    }
    return count > 0 ? count : 1;
}

/* A launcher that gives each rank cores of its own has shared them out already. */
size_t cnn_cluster_threads(const cnn_cluster *cluster)
{
    size_t cores = (size_t)cnn_parallel_threads();
    long present = sysconf(_SC_NPROCESSORS_ONLN);
    if (!cluster || (long)cores < present)
        return cores;
    size_t share = cores / count_neighbours(cluster);
    return share > 0 ? share : 1;
}
