/* What carries bytes from one process to another: MPI, through a plugin (mpi/plugin.c), or in tests
 * pairs of sockets. One thread makes all calls between open and close, and none of them waits for
 * another process except open and close. */
#ifndef CNN_CLUSTER_TRANSPORT_H
#define CNN_CLUSTER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

#define CNN_TRANSPORT_VERSION 1
#define CNN_TRANSPORT_SYMBOL  "cnn_transport_1" /* of a plugin: its struct cnn_transport */

/* A message that is under way: memory for what the transport notes of it. */
struct cnn_request {
    _Alignas(16) unsigned char bytes[16];
};

/* One message of at most INT_MAX bytes. Messages of one tag between two ranks arrive in the order
 * in which they were sent. tag: below 2^14. */
struct cnn_message_part {
    size_t peer;
    unsigned tag;
    void *data;
    size_t bytes;
};

enum cnn_request_state { CNN_REQUEST_OPEN, CNN_REQUEST_DONE, CNN_REQUEST_FAILED };

struct cnn_transport {
    unsigned version;
    const char *name; /* of the family that it was built for, e.g. "Open MPI" */
    /* Joins the processes. false: error says why. */
    bool (*open)(size_t *rank, size_t *ranks, char *error, size_t size);
    /* Return false where the message cannot be posted. */
    bool (*send)(const struct cnn_message_part *part, struct cnn_request *request);
    bool (*receive)(const struct cnn_message_part *part, struct cnn_request *request);
    enum cnn_request_state (*test)(struct cnn_request *request);
    /* All ranks call it when all their messages are done. */
    void (*close)(void);
};

#endif
