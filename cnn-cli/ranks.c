#include "ranks.h"

#include <fcntl.h>
#include <unistd.h>

#include "terminal.h"

static cnn_cluster *cluster;
static cnn_status shared;
static int kept = -1; /* standard error of a rank that does not print */

static void be_silent(void)
{
    int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

    kept = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (nowhere < 0 || kept < 0)
        return;
    dup2(nowhere, STDOUT_FILENO);
    dup2(nowhere, STDERR_FILENO);
    close(nowhere);
}

cnn_status cnn_ranks_join(cnn_diag *diag)
{
    cnn_status status = cnn_cluster_join(&cluster, diag);

    cnn_print_messages(diag);
    if (cnn_cluster_rank(cluster) > 0)
        be_silent();
    return status;
}

bool cnn_ranks_spare(const char *command)
{
    size_t rank, ranks;
    const char *launcher = cnn_cluster_launcher(&rank, &ranks);

    if (launcher && rank == 0 && command)
        cnn_print_warning(
            "%s has started %zu processes, but only 'train', 'eval' and 'predict' are "
            "shared: the first one does '%s', and the others end",
            launcher, ranks, command);
    return rank > 0;
}

cnn_cluster *cnn_ranks(void)
{
    return cluster;
}

void cnn_ranks_speak(void)
{
    if (kept >= 0 && cnn_cluster_speaks(cluster))
        dup2(kept, STDERR_FILENO);
}

void cnn_ranks_share(cnn_status status)
{
    shared = status;
}

cnn_status cnn_ranks_leave(cnn_status status)
{
    if (status == CNN_OK) {
        status = shared;
        cnn_cluster_leave_together(cluster, status);
    } else {
        cnn_cluster_leave(cluster, status);
    }
    cluster = NULL;
    return status;
}
