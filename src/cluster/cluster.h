/* Several processes that work on one run. A transport (transport.h) carries the bytes. A thread of
 * the cluster's own makes all calls of the transport, so messages travel while the caller computes.
 * A cluster that is NULL stands for one process: rank 0 of 1.
 *
 * A failure sticks. A rank that fails, ends or no longer answers is known to all ranks within the
 * timeout. From then on every call returns at once and the bytes that it should have received are
 * undefined, so code that cannot fail in between asks cnn_cluster_check at its end.
 *
 * One thread at a time may call these functions. */
#ifndef CNN_CLUSTER_CLUSTER_H
#define CNN_CLUSTER_CLUSTER_H

#include <stdatomic.h>

#include "cluster/transport.h"
#include "util/diag.h"

/* One message from or to another rank. The caller owns it and its data; both must stay until the
 * transfer is done, or a call has told that the cluster has failed. Any number of bytes, 0 too. */
struct cnn_transfer {
    size_t peer;
    unsigned tag; /* below CNN_CLUSTER_TAGS */
    void *data;
    size_t bytes;
    /* the cluster's own */
    atomic_bool done;
    bool sends;
    size_t moved;   /* bytes of the parts that are done */
    size_t posted;  /* bytes of the part that is under way */
    bool under_way; /* request is in use */
    struct cnn_request request;
    struct cnn_transfer *next;
};

#define CNN_CLUSTER_TAGS 8192

/* The calling process becomes a rank. timeout: seconds after which a silent rank has failed. */
cnn_status cnn_cluster_open(const struct cnn_transport *transport, double timeout,
                            cnn_cluster **out, cnn_diag *diag);

/* All ranks close it, when their transfers are done; one that has failed closes at any time. */
void cnn_cluster_close(cnn_cluster *cluster);

/* Post a transfer and return. Transfers of one tag between two ranks arrive in the order of their
 * posting. */
void cnn_cluster_send(cnn_cluster *cluster, struct cnn_transfer *transfer);
void cnn_cluster_receive(cnn_cluster *cluster, struct cnn_transfer *transfer);

/* Waits until all are done. false: the cluster has failed. Then its thread has ended, and no call
 * of the transport moves bytes any more: the caller may free every transfer and its data, those
 * included that it has not waited for. What was to be received is undefined: all of it, a part or
 * nothing has come. What was to be sent is as it was, but may not have arrived. The same holds for
 * the calls below. */
bool cnn_cluster_wait(cnn_cluster *cluster, struct cnn_transfer *transfers, size_t count);

/* All ranks make these calls in the same order. They return false where the cluster has failed.
 * gather: offsets has ranks + 1 entries; rank r brings the bytes [offsets[r], offsets[r + 1]) of
 * all, and every rank gets all of them. broadcast: data of rank 0 goes to every rank. */
bool cnn_cluster_gather(cnn_cluster *cluster, void *all, const size_t *offsets);
bool cnn_cluster_broadcast(cnn_cluster *cluster, void *data, size_t bytes);

/* The bits that any rank has set: flags of all ranks, or'ed. Also a barrier. */
unsigned cnn_cluster_any(cnn_cluster *cluster, unsigned flags);

/* CNN_OK, or what has happened to which rank. */
cnn_status cnn_cluster_check(cnn_cluster *cluster, cnn_diag *diag);

/* This rank cannot go on, for the reason that stands in diag as the newest error: the others end
 * with it. Does nothing where the cluster has failed already. */
void cnn_cluster_fail(cnn_cluster *cluster, cnn_status status, const cnn_diag *diag);

/* "rank 2 (HOST, process 4711)"; valid as long as the cluster. */
const char *cnn_cluster_name(const cnn_cluster *cluster, size_t rank);

/* What this rank has sent and received, and how long it has waited for it. */
struct cnn_cluster_counts {
    double sent, received; /* bytes */
    double waited;         /* seconds */
};
struct cnn_cluster_counts cnn_cluster_counts(const cnn_cluster *cluster);

#endif
