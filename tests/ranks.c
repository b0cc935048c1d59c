#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include "ranks.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "util/parallel.h"

/* ---- A transport over sockets: a message is a header and its bytes ---- */

struct header {
    uint64_t tag, bytes;
};

struct operation {
    size_t peer;
    uint64_t moved; /* of a sent message, with its header */
    struct header header;
    char *data;
    bool done;
    struct operation *next;
};

struct peer {
    int socket;
    bool gone;
    struct operation *sends, *receives, *arrived; /* each in its order */
    struct header header;                         /* of the message that comes in */
    uint64_t moved;                               /* of it, with its header */
    char *data;
};

static struct peer peers[RANKS_MOST];
static size_t own_rank, rank_count, joint_messages;

static void append(struct operation **list, struct operation *operation)
{
    while (*list)
        list = &(*list)->next;
    operation->next = NULL;
    *list = operation;
}

/* Bytes that went through; -1: the other side is gone. */
static ssize_t move_bytes(struct peer *peer, bool send, void *data, size_t size)
{
    ssize_t moved = send ? write(peer->socket, data, size) : read(peer->socket, data, size);
    if (moved < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    return moved <= 0 ? -1 : moved;
}

/* The next bytes of a message that begins with a header. Returns whether some moved. */
static bool move_message(struct peer *peer, bool send, struct operation *message)
{
    const size_t head = sizeof message->header;
    ssize_t moved = message->moved < head
                        ? move_bytes(peer, send, (char *)&message->header + message->moved,
                                     head - message->moved)
                        : move_bytes(peer, send, message->data + (message->moved - head),
                                     head + message->header.bytes - message->moved);
    peer->gone = peer->gone || moved < 0;
    message->moved += moved > 0 ? (uint64_t)moved : 0;
    return moved > 0;
}

static void pump_sends(struct peer *peer)
{
    while (peer->sends && !peer->gone && move_message(peer, true, peer->sends)) {
        struct operation *first = peer->sends;
        if (first->moved == sizeof first->header + first->header.bytes) {
            first->done = true;
            peer->sends = first->next;
        }
    }
}

static void pump_receives(struct peer *peer)
{
    struct operation in = {.header = peer->header, .moved = peer->moved, .data = peer->data};
    while (!peer->gone && move_message(peer, false, &in)) {
        if (in.moved == sizeof in.header)
            in.data = malloc(in.header.bytes + 1);
        if (in.moved < sizeof in.header + in.header.bytes)
            continue;
        struct operation *arrived = malloc(sizeof *arrived);
        *arrived = in;
        append(&peer->arrived, arrived);
        in = (struct operation){0};
    }
    peer->header = in.header;
    peer->moved = in.moved;
    peer->data = in.data;
}

/* Gives the oldest receive of a tag the oldest message of that tag. */
static void match(struct peer *peer)
{
    for (struct operation **link = &peer->receives; *link;) {
        struct operation *receive = *link, **from = &peer->arrived;
        while (*from && (*from)->header.tag != receive->header.tag)
            from = &(*from)->next;
        if (!*from) {
            link = &receive->next;
            continue;
        }
        struct operation *message = *from;
        if (message->header.bytes == receive->header.bytes)
            memcpy(receive->data, message->data, message->header.bytes);
        else
            fprintf(stderr, "a message has %zu bytes, where %zu are wanted\n",
                    (size_t)message->header.bytes, (size_t)receive->header.bytes);
        receive->done = message->header.bytes == receive->header.bytes;
        *from = message->next;
        *link = receive->next;
        free(message->data);
        free(message);
    }
}

static bool post(const struct cnn_message_part *part, struct cnn_request *request, bool send)
{
    struct operation *operation = calloc(1, sizeof *operation);
    *operation = (struct operation){
        .peer = part->peer, .header = {part->tag, part->bytes}, .data = part->data};
    append(send ? &peers[part->peer].sends : &peers[part->peer].receives, operation);
    memcpy(request->bytes, &operation, sizeof operation);
    return true;
}

static bool post_send(const struct cnn_message_part *part, struct cnn_request *request)
{
    joint_messages += part->tag == CNN_CLUSTER_TAGS; /* no tag of a caller's own */
    return post(part, request, true);
}

static bool post_receive(const struct cnn_message_part *part, struct cnn_request *request)
{
    return post(part, request, false);
}

static enum cnn_request_state test_request(struct cnn_request *request)
{
    struct operation *operation;
    memcpy(&operation, request->bytes, sizeof operation);
    struct peer *peer = &peers[operation->peer];
    pump_sends(peer);
    pump_receives(peer);
    match(peer);
    if (!operation->done)
        return peer->gone ? CNN_REQUEST_FAILED : CNN_REQUEST_OPEN;
    free(operation);
    return CNN_REQUEST_DONE;
}

static bool open_sockets(size_t *rank, size_t *ranks, char *error, size_t size)
{
    *rank = own_rank;
    *ranks = rank_count;
    snprintf(error, size, "none");
    return true;
}

static void close_sockets(void)
{
    for (size_t i = 0; i < rank_count; i++)
        close(peers[i].socket);
}

static const struct cnn_transport sockets = {.version = CNN_TRANSPORT_VERSION,
                                             .name = "sockets",
                                             .open = open_sockets,
                                             .send = post_send,
                                             .receive = post_receive,
                                             .test = test_request,
                                             .close = close_sockets};

/* ---- The processes ---- */

static int pairs[RANKS_MOST][RANKS_MOST];

static void make_pairs(size_t ranks)
{
    for (size_t i = 0; i < ranks; i++)
        for (size_t k = 0; k < i; k++) {
            int both[2];
            if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, both) != 0)
                abort();
            pairs[i][k] = both[0];
            pairs[k][i] = both[1];
        }
}

/* The ends of the other ranks; rank == ranks: all. */
static void close_pairs(size_t rank, size_t ranks)
{
    for (size_t i = 0; i < ranks; i++)
        for (size_t k = 0; k < ranks; k++)
            if (i != k && i != rank)
                close(pairs[i][k]);
}

static size_t missing_rank = RANKS_MOST;
static char (*opening_said)[RANKS_TEXT];

static void note_error(size_t rank, const cnn_diag *diag)
{
    if (opening_said && cnn_diag_count(diag) > 0)
        snprintf(opening_said[rank], RANKS_TEXT, "%s", cnn_diag_get(diag, 0)->text);
}

static bool be_rank(size_t rank, double timeout, ranks_function *function, void *context)
{
    cnn_cluster *cluster = NULL;
    own_rank = rank;
    for (size_t i = 0; i < rank_count; i++)
        peers[i] = (struct peer){.socket = i == rank ? -1 : pairs[rank][i]};
    cnn_parallel_use(cnn_pool_none());
    signal(SIGPIPE, SIG_IGN);
    if (rank == missing_rank)
        return false;
    cnn_diag *diag = cnn_diag_new();
    cnn_status status = cnn_cluster_open(&sockets, timeout, &cluster, diag);
    note_error(rank, diag);
    cnn_diag_free(diag);
    if (status != CNN_OK)
        return false;
    bool good = function(cluster, context);
    cnn_cluster_close(cluster);
    return good;
}

size_t ranks_run(size_t ranks, double timeout, ranks_function *function, void *context)
{
    pid_t children[RANKS_MOST];
    size_t bad = 0;
    rank_count = ranks;
    make_pairs(ranks);
    fflush(NULL);
    for (size_t i = 0; i < ranks; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            close_pairs(i, ranks);
            bool good = be_rank(i, timeout, function, context);
            fflush(NULL);
            _exit(!good);
        }
    }
    close_pairs(ranks, ranks);
    for (size_t i = 0; i < ranks; i++) {
        int status = 1;
        if (children[i] > 0)
            waitpid(children[i], &status, 0);
        bad += status != 0;
    }
    return bad;
}

static bool open_alone(cnn_cluster *cluster, void *context)
{
    (void)cluster, (void)context;
    return true;
}

void ranks_open_without(size_t missing, size_t ranks, char (*said)[RANKS_TEXT])
{
    missing_rank = missing;
    opening_said = said;
    ranks_run(ranks, 5, open_alone, NULL);
    missing_rank = RANKS_MOST;
    opening_said = NULL;
}

size_t ranks_joint_messages(void)
{
    return joint_messages;
}

void *ranks_shared(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}
