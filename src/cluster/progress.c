/* The cluster's thread. It alone calls the transport: it starts and tests transfers, and sends and
 * receives beats, by which ranks notice that another one has failed or stopped. Beats go between
 * rank 0 and every other rank; rank 0 passes on what it learns. */
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "cluster/cluster_internal.h"
#include "util/allocate.h"
#include "util/clock.h"

#define PART     ((size_t)1 << 22) /* most bytes of a message of the transport */
#define SPIN     0.002             /* seconds for which a waiting caller's core is used to poll */
#define NAP      50000             /* nanoseconds between polls */
#define PAUSE    0.002             /* seconds between polls while the caller computes */
#define SUSPENSE 1.0               /* seconds that a lost connection waits for another reason */
#define TELLING  1.0               /* seconds in which a failure should reach the others */
#define BEATS    20                /* in the time after which a silent rank has failed */

static void fail_at(struct cnn_cluster *cluster, size_t rank, const char *text)
{
    if (cluster->failing)
        return;
    cluster->failing = true;
    cluster->failure =
        (struct cnn_beat){.kind = CNN_BEAT_FAILED, .status = CNN_FAILED, .rank = (uint32_t)rank};
    snprintf(cluster->failure.text, sizeof cluster->failure.text, "%s", text);
}

/* A connection is lost where its other end has failed, or has ended because another rank has. That
 * one's word may still be under way, so it is waited for. */
static void suspect(struct cnn_cluster *cluster, size_t rank)
{
    if (cluster->suspected)
        return;
    cluster->suspected = true;
    cluster->suspect = rank;
    cluster->suspected_at = cnn_now();
}

/* ---- Transfers ---- */

static bool start_part(struct cnn_cluster *cluster, struct cnn_transfer *transfer)
{
    const struct cnn_transport *transport = cluster->transport;
    size_t left = transfer->bytes - transfer->moved;
    transfer->posted = left < PART ? left : PART;
    struct cnn_message_part part = {.peer = transfer->peer,
                                    .tag = transfer->tag,
                                    .data = (char *)transfer->data + transfer->moved,
                                    .bytes = transfer->posted};
    transfer->under_way = true;
    return transfer->sends ? transport->send(&part, &transfer->request)
                           : transport->receive(&part, &transfer->request);
}

/* Whether something has moved. A transfer that is done is marked as such by the caller. */
static bool advance(struct cnn_cluster *cluster, struct cnn_transfer *transfer)
{
    if (!transfer->under_way) {
        if (!start_part(cluster, transfer))
            fail_at(cluster, transfer->peer, "messages cannot be sent to it or received from it");
        return true;
    }
    switch (cluster->transport->test(&transfer->request)) {
    case CNN_REQUEST_OPEN:
        return false;
    case CNN_REQUEST_FAILED:
        suspect(cluster, transfer->peer);
        return true;
    case CNN_REQUEST_DONE:
        break;
    }
    transfer->under_way = false;
    transfer->moved += transfer->posted;
    if (transfer->moved < transfer->bytes)
        return advance(cluster, transfer);
    return true;
}

static bool is_complete(const struct cnn_transfer *transfer)
{
    return !transfer->under_way && transfer->moved == transfer->bytes;
}

static void finish(struct cnn_cluster *cluster, struct cnn_transfer *transfer)
{
    pthread_mutex_lock(&cluster->lock);
    *(transfer->sends ? &cluster->counts.sent : &cluster->counts.received) +=
        (double)transfer->bytes;
    atomic_store(&transfer->done, true);
    pthread_cond_signal(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

/* Later transfers of a tag must not overtake the parts of an earlier one. */
static bool must_wait(const struct cnn_cluster *cluster, const struct cnn_transfer *transfer)
{
    if (transfer->under_way || transfer->moved > 0)
        return false;
    for (const struct cnn_transfer *before = cluster->active; before != transfer;
         before = before->next)
        if (before->peer == transfer->peer && before->tag == transfer->tag &&
            before->sends == transfer->sends && before->bytes > PART)
            return true;
    return false;
}

static void carry_transfers(struct cnn_cluster *cluster)
{
    struct cnn_transfer **link = &cluster->active, *transfer;
    while ((transfer = *link) && !cluster->failing && !cluster->suspected) {
        if (!must_wait(cluster, transfer) && advance(cluster, transfer))
            cluster->quiet_since = cnn_now();
        if (is_complete(transfer)) {
            *link = transfer->next;
            finish(cluster, transfer);
        } else {
            link = &transfer->next;
        }
    }
}

static void take_posted(struct cnn_cluster *cluster)
{
    struct cnn_transfer **end = &cluster->active;
    while (*end)
        end = &(*end)->next;
    *end = cluster->posted.first;
    cluster->posted = (struct cnn_transfers){.first = NULL, .end = &cluster->posted.first};
}

/* ---- Beats ---- */

static bool receive_beat(struct cnn_cluster *cluster, struct cnn_peer *peer)
{
    struct cnn_message_part part = {
        .peer = peer->rank, .tag = CNN_BEAT_TAG, .data = &peer->in, .bytes = sizeof peer->in};
    return cluster->transport->receive(&part, &peer->receive);
}

static void hear(struct cnn_cluster *cluster, struct cnn_peer *peer)
{
    enum cnn_request_state state =
        peer->left || peer->lost ? CNN_REQUEST_OPEN : cluster->transport->test(&peer->receive);
    if (state == CNN_REQUEST_FAILED) {
        peer->lost = true;
        suspect(cluster, peer->rank);
    }
    if (state != CNN_REQUEST_DONE)
        return;
    peer->heard = cnn_now();
    peer->unheard = 0;
    peer->in.text[sizeof peer->in.text - 1] = '\0';
    if (peer->in.kind == CNN_BEAT_FAILED && !cluster->failing) {
        cluster->failure = peer->in;
        cluster->failing = true;
    }
    peer->left = peer->in.kind != CNN_BEAT_ALIVE;
    if (!peer->left && !receive_beat(cluster, peer))
        fail_at(cluster, peer->rank, "messages cannot be received from it");
}

/* The last beat is the one that says that the rank leaves, or has failed. */
static void beat(struct cnn_cluster *cluster, struct cnn_peer *peer, bool due)
{
    if (peer->sending && cluster->transport->test(&peer->send) != CNN_REQUEST_OPEN)
        peer->sending = false;
    if (peer->sending || peer->leaves || peer->told || peer->lost)
        return;
    peer->told = cluster->failing;
    peer->leaves = cluster->closing && !cluster->failing && !cluster->active;
    if (!due && !peer->told && !peer->leaves)
        return;
    peer->out = cluster->failing
                    ? cluster->failure
                    : (struct cnn_beat){.kind = peer->leaves ? CNN_BEAT_LEAVING : CNN_BEAT_ALIVE};
    struct cnn_message_part part = {
        .peer = peer->rank, .tag = CNN_BEAT_TAG, .data = &peer->out, .bytes = sizeof peer->out};
    peer->sending = cluster->transport->send(&part, &peer->send);
    if (!peer->sending)
        fail_at(cluster, peer->rank, "messages cannot be sent to it");
}

/* On a machine that is short of cores this rank's own beats are late, too; so it also counts them,
 * and is the more patient. */
static bool is_silent(const struct cnn_cluster *cluster, struct cnn_peer *peer, double now)
{
    peer->unheard++;
    return !peer->left && now - peer->heard > cluster->timeout && peer->unheard > BEATS;
}

static void exchange_beats(struct cnn_cluster *cluster)
{
    double now = cnn_now();
    bool due = now - cluster->beaten >= cluster->timeout / BEATS;
    if (due)
        cluster->beaten = now;
    for (size_t i = 0; i < cluster->peer_count; i++)
        hear(cluster, &cluster->peers[i]);
    for (size_t i = 0; i < cluster->peer_count && due && !cluster->failing; i++) {
        struct cnn_peer *peer = &cluster->peers[i];
        char text[64];
        snprintf(text, sizeof text, "it has not answered for %g s", cluster->timeout);
        if (is_silent(cluster, peer, now))
            fail_at(cluster, peer->rank, text);
    }
    if (cluster->suspected && now - cluster->suspected_at > SUSPENSE)
        fail_at(cluster, cluster->suspect, "the connection to it is lost");
    for (size_t i = 0; i < cluster->peer_count; i++)
        beat(cluster, &cluster->peers[i], due);
}

static void take_own_failure(struct cnn_cluster *cluster)
{
    if (cluster->own.kind != CNN_BEAT_FAILED || cluster->failing)
        return;
    cluster->failure = cluster->own;
    cluster->failing = true;
}

/* A failure is told to all that can still be reached; one of them may be the one that failed. */
static void tell_failure(struct cnn_cluster *cluster)
{
    const struct timespec nap = {.tv_nsec = NAP};
    double end = cnn_now() + TELLING;
    size_t reached = 0;
    while (reached < cluster->peer_count && cnn_now() < end) {
        reached = 0;
        for (size_t i = 0; i < cluster->peer_count; i++) {
            beat(cluster, &cluster->peers[i], false);
            reached +=
                cluster->peers[i].lost || (cluster->peers[i].told && !cluster->peers[i].sending);
        }
        nanosleep(&nap, NULL);
    }
}

static bool has_left(const struct cnn_cluster *cluster)
{
    for (size_t i = 0; i < cluster->peer_count; i++)
        if (!cluster->peers[i].left || !cluster->peers[i].leaves || cluster->peers[i].sending)
            return false;
    return true;
}

/* ---- The loop ---- */

static bool open_transport(struct cnn_cluster *cluster)
{
    if (!cluster->transport->open(&cluster->rank, &cluster->ranks, cluster->error,
                                  sizeof cluster->error))
        return false;
    cluster->peer_count = cluster->rank == 0 ? cluster->ranks - 1 : 1;
    cluster->peers = cnn_calloc(cluster->peer_count + 1, sizeof *cluster->peers);
    if (!cluster->peers) {
        snprintf(cluster->error, sizeof cluster->error, "out of memory");
        return false;
    }
    cluster->beaten = cluster->quiet_since = cnn_now();
    for (size_t i = 0; i < cluster->peer_count; i++) {
        cluster->peers[i].rank = cluster->rank == 0 ? i + 1 : 0;
        cluster->peers[i].heard = cluster->beaten;
        if (!receive_beat(cluster, &cluster->peers[i]))
            fail_at(cluster, cluster->peers[i].rank, "messages cannot be received from it");
    }
    return true;
}

/* Until the caller posts a transfer or waits for one, or some seconds have passed. */
static void wait_for_caller(struct cnn_cluster *cluster, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    double then = (double)until.tv_nsec * 1e-9 + seconds;
    until.tv_sec += (time_t)then;
    until.tv_nsec = (long)((then - (double)(time_t)then) * 1e9);
    pthread_cond_timedwait(&cluster->wake, &cluster->lock, &until);
}

/* Until there may be something to do. Called with the lock. While the caller computes, each poll
 * takes its core for some microseconds. */
static void rest(struct cnn_cluster *cluster)
{
    const struct timespec nap = {.tv_nsec = NAP};
    bool spin = cnn_now() - cluster->quiet_since < SPIN;
    if (cluster->posted.first)
        return;
    if (!cluster->waiting && !cluster->closing) {
        wait_for_caller(cluster, cluster->active ? PAUSE : cluster->timeout / (2 * BEATS));
        return;
    }
    pthread_mutex_unlock(&cluster->lock);
    if (spin)
        sched_yield();
    else
        nanosleep(&nap, NULL);
    pthread_mutex_lock(&cluster->lock);
}

static void end_thread(struct cnn_cluster *cluster, bool opened)
{
    cluster->opened = opened;
    cluster->over = true;
    pthread_cond_signal(&cluster->changed);
    pthread_mutex_unlock(&cluster->lock);
}

void *cnn_cluster_run(void *context)
{
    struct cnn_cluster *cluster = context;
    bool opened = open_transport(cluster), left = false;
    pthread_mutex_lock(&cluster->lock);
    cluster->opened = opened;
    pthread_cond_signal(&cluster->changed);
    while (opened && !left && !cluster->failing) {
        if (cluster->posted.first)
            cluster->quiet_since = cnn_now();
        take_posted(cluster);
        pthread_mutex_unlock(&cluster->lock);
        carry_transfers(cluster);
        pthread_mutex_lock(&cluster->lock);
        take_own_failure(cluster);
        exchange_beats(cluster);
        left = has_left(cluster) && !cluster->failing;
        if (!left)
            rest(cluster);
    }
    if (cluster->failing)
        tell_failure(cluster);
    if (left)
        cluster->transport->close();
    end_thread(cluster, opened);
    return NULL;
}
