/* The transport over MPI. Headers and libraries of different MPIs do not fit each other, so this
 * file is compiled once for each MPI that is found, into a plugin of its own. The library opens the
 * one that belongs to the launcher (launch.c), so the program itself needs no MPI.
 *
 * One thread calls MPI (MPI_THREAD_FUNNELED), and it only starts and tests messages. */
#include <limits.h>
#include <mpi.h>
#include <stdio.h>
#include <string.h>

#include "cluster/transport.h"

#ifdef OPEN_MPI
#define FAMILY "Open MPI"
#else
#define FAMILY "MPICH"
#endif

static MPI_Comm world;

static bool fail(int code, const char *what, char *error, size_t size)
{
    char text[MPI_MAX_ERROR_STRING] = "unknown error";
    int length;
    MPI_Error_string(code, text, &length);
    snprintf(error, size, "%s: %s", what, text);
    return false;
}

static bool open_world(size_t *rank, size_t *ranks, char *error, size_t size)
{
    int provided, own, all;
    int code = MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided);
    if (code != MPI_SUCCESS)
        return fail(code, "MPI_Init_thread", error, size);
    if (provided < MPI_THREAD_FUNNELED) {
        snprintf(error, size, "it was built without support for threads");
        return false;
    }
    code = MPI_Comm_dup(MPI_COMM_WORLD, &world);
    if (code != MPI_SUCCESS)
        return fail(code, "MPI_Comm_dup", error, size);
    MPI_Comm_set_errhandler(world, MPI_ERRORS_RETURN);
    MPI_Comm_rank(world, &own);
    MPI_Comm_size(world, &all);
    *rank = (size_t)own;
    *ranks = (size_t)all;
    return true;
}

_Static_assert(sizeof(MPI_Request) <= sizeof(struct cnn_request), "a request fits");

static bool send_part(const struct cnn_message_part *part, struct cnn_request *request)
{
    MPI_Request own;
    int code = MPI_Isend(part->data, (int)part->bytes, MPI_BYTE, (int)part->peer, (int)part->tag,
                         world, &own);
    memcpy(request->bytes, &own, sizeof own);
    return code == MPI_SUCCESS;
}

static bool receive_part(const struct cnn_message_part *part, struct cnn_request *request)
{
    MPI_Request own;
    int code = MPI_Irecv(part->data, (int)part->bytes, MPI_BYTE, (int)part->peer, (int)part->tag,
                         world, &own);
    memcpy(request->bytes, &own, sizeof own);
    return code == MPI_SUCCESS;
}

static enum cnn_request_state test(struct cnn_request *request)
{
    MPI_Request own;
    int done = 0;
    memcpy(&own, request->bytes, sizeof own);
    int code = MPI_Test(&own, &done, MPI_STATUS_IGNORE);
    memcpy(request->bytes, &own, sizeof own);
    if (code != MPI_SUCCESS)
        return CNN_REQUEST_FAILED;
    return done ? CNN_REQUEST_DONE : CNN_REQUEST_OPEN;
}

static void close_world(void)
{
    MPI_Comm_free(&world);
    MPI_Finalize();
}

extern const struct cnn_transport cnn_transport_1;
const struct cnn_transport cnn_transport_1 = {.version = CNN_TRANSPORT_VERSION,
                                              .name = FAMILY,
                                              .open = open_world,
                                              .send = send_part,
                                              .receive = receive_part,
                                              .test = test,
                                              .close = close_world};
