/* What the files of cluster/ share: the state of a cluster and its thread. */
#ifndef CNN_CLUSTER_CLUSTER_INTERNAL_H
#define CNN_CLUSTER_CLUSTER_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

#include "cluster/cluster.h"

#define CNN_RANK_NAME      128 /* bytes of a rank's name */
#define CNN_COLLECTIVE_TAG CNN_CLUSTER_TAGS
#define CNN_BEAT_TAG       (CNN_CLUSTER_TAGS + 1)

enum cnn_beat_kind { CNN_BEAT_ALIVE, CNN_BEAT_LEAVING, CNN_BEAT_FAILED };

/* What rank 0 and every other rank send each other a few times a second. */
struct cnn_beat {
    int32_t kind;
    int32_t status; /* FAILED: a cnn_status */
    uint32_t rank;  /* FAILED: which rank it is about */
    uint32_t told;  /* FAILED: 1 if that rank has said so itself */
    char text[500]; /* FAILED: what has happened to it, or what it says */
};

/* A rank that this one exchanges beats with. */
struct cnn_peer {
    size_t rank;
    double heard;      /* when its last beat came */
    unsigned unheard;  /* beats of this rank since then */
    bool sending;      /* out is under way */
    bool left, leaves; /* it has sent its last beat; this rank has */
    bool told;         /* of the failure */
    bool lost;         /* the connection to it */
    struct cnn_beat in, out;
    struct cnn_request receive, send;
};

struct cnn_transfers { /* first in, first out */
    struct cnn_transfer *first, **end;
};

struct cnn_cluster {
    const struct cnn_transport *transport;
    double timeout;
    size_t rank, ranks;
    char (*names)[CNN_RANK_NAME];
    size_t *offsets; /* ranks + 1, for calls that gather one thing of each rank */
    unsigned *flags; /* by rank */
    pthread_t thread;
    pthread_mutex_t lock;   /* of what follows */
    pthread_cond_t wake;    /* for the thread */
    pthread_cond_t changed; /* for the caller */
    bool opened, closing;
    bool over;           /* the thread makes no more calls of the transport */
    bool waiting;        /* the caller needs its core only when a transfer is done */
    struct cnn_beat own; /* FAILED: the caller cannot go on */
    char error[256];     /* why opening failed */
    struct cnn_transfers posted;
    struct cnn_cluster_counts counts;
    /* the thread's own until it is over */
    bool failing; /* failure is filled in */
    struct cnn_beat failure;
    struct cnn_transfer *active;
    struct cnn_peer *peers; /* of rank 0 all others, of the others rank 0 */
    size_t peer_count;
    bool suspected; /* a connection was lost, to the rank `suspect` */
    size_t suspect;
    double suspected_at;
    double quiet_since, beaten; /* the last time that a transfer moved, and that beats were sent */
};

/* The cluster's thread: opens the transport, carries transfers and beats, closes it. */
void *cnn_cluster_run(void *cluster);

#endif
