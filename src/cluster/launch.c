/* How a process learns that mpirun or srun has started it as one of several, and which MPI carries
 * their messages. Nothing is opened where it is alone. */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cluster/cluster.h"
#include "util/text.h"

#define TIMEOUT 30 /* seconds */

/* What a launcher sets in the environment. */
struct launcher {
    const char *ranks;   /* the number of processes */
    const char *rank;    /* the number of this one */
    const char *name;    /* for messages */
    const char *mark;    /* another variable that must be there, too; NULL: none */
    const char *plugins; /* what may serve it, the likeliest first, with blanks between */
};

static const struct launcher launchers[] = {
    {.ranks = "OMPI_COMM_WORLD_SIZE",
     .rank = "OMPI_COMM_WORLD_RANK",
     .name = "mpirun of Open MPI",
     .plugins = "openmpi"},
    {.ranks = "PMI_SIZE",
     .rank = "PMI_RANK",
     .name = "mpirun of MPICH",
     .plugins = "mpich openmpi"},
    {.ranks = "SLURM_STEP_NUM_TASKS",
     .rank = "SLURM_PROCID",
     .name = "srun",
     .mark = "PMIX_RANK",
     .plugins = "openmpi mpich"},
    {.ranks = "SLURM_STEP_NUM_TASKS", .rank = "SLURM_PROCID", .name = "srun", .plugins = ""},
};

static size_t ranks_by(const struct launcher *launcher)
{
    const char *text = getenv(launcher->ranks);
    bool marked = !launcher->mark || getenv(launcher->mark);
    return text && marked ? strtoul(text, NULL, 10) : 0;
}

static size_t rank_by(const struct launcher *launcher)
{
    const char *text = getenv(launcher->rank);
    return text ? strtoul(text, NULL, 10) : 0;
}

/* The plugin beside the program, as where it was built; in lib/cnn/ beside the bin/ that it was
 * installed to; or where `make install` was told to put it. false: it is nowhere. */
static bool find_plugin(const char *family, size_t length, char *path, size_t size)
{
    static const char *const places[] = {"/", "/../lib/cnn/"};
    char program[3072];
    ssize_t end = readlink("/proc/self/exe", program, sizeof program - 1);
    program[end > 0 ? end : 0] = '\0';
    char *slash = strrchr(program, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        snprintf(path, size, "%s%scnn-mpi-%.*s.so", program, places[i], (int)length, family);
        if (access(path, R_OK) == 0)
            return true;
    }
    snprintf(path, size, "%s/../../lib/cnn/cnn-mpi-%.*s.so", CNN_DATADIR, (int)length, family);
    return access(path, R_OK) == 0;
}

/* NULL and the reason in error. The plugin stays open: MPI is not made to be closed. */
static const struct cnn_transport *open_plugin(const char *path, const char **error)
{
    void *plugin = dlopen(path, RTLD_NOW | RTLD_GLOBAL);
    const struct cnn_transport *transport = plugin ? dlsym(plugin, CNN_TRANSPORT_SYMBOL) : NULL;
    *error = transport ? NULL : dlerror();
    if (transport && transport->version != CNN_TRANSPORT_VERSION) {
        *error = "it belongs to another version of the program";
        return NULL;
    }
    return transport;
}

/* All processes fail alike, so one of them says why. */
static cnn_status fail_plugin(const struct launcher *launcher, size_t ranks, const char *why,
                              cnn_diag *diag)
{
    if (rank_by(launcher) > 0)
        return CNN_FAILED;
    cnn_fail(diag, CNN_FAILED, NULL, "%s has started %zu processes, but %s", launcher->name, ranks,
             why);
    if (*launcher->plugins)
        cnn_hint(diag,
                 "`make deps-mpi`, then `make` and `make install`, build what is missing; or "
                 "start one process, without %s",
                 launcher->name);
    else
        cnn_hint(diag, "srun --mpi=pmix or --mpi=pmi2 says it; `srun --mpi=list` lists what "
                       "there is");
    return CNN_FAILED;
}

static cnn_status find_transport(const struct launcher *launcher, size_t ranks,
                                 const struct cnn_transport **out, cnn_diag *diag)
{
    char path[4096], why[4400];
    const char *error, *family = launcher->plugins;
    if (!*family)
        return fail_plugin(launcher, ranks, "it does not tell them how to find each other", diag);
    for (size_t length; *family; family += length) {
        family += strspn(family, " ");
        length = strcspn(family, " ");
        if (!find_plugin(family, length, path, sizeof path))
            continue;
        if ((*out = open_plugin(path, &error)))
            return CNN_OK;
        snprintf(why, sizeof why, "%s cannot be opened: %s", path, error);
        return fail_plugin(launcher, ranks, why, diag);
    }
    snprintf(why, sizeof why, "this program was built without its MPI (cnn-mpi-%.*s.so)",
             (int)strcspn(launcher->plugins, " "), launcher->plugins);
    return fail_plugin(launcher, ranks, why, diag);
}

static cnn_status read_timeout(double *timeout, cnn_diag *diag)
{
    const char *text = getenv("CNN_RANK_TIMEOUT");
    char *end = NULL;
    *timeout = text ? strtod(text, &end) : TIMEOUT;
    if (!text || (end != text && *end == '\0' && *timeout >= 1 && *timeout <= 86400))
        return CNN_OK;
    return cnn_fail(diag, CNN_INVALID, NULL,
                    "CNN_RANK_TIMEOUT is '%s'; it must be a number of seconds from 1 to 86400",
                    text);
}

/* A plugin of another MPI than the launcher's starts alone. */
static cnn_status check_size(cnn_cluster *cluster, const struct launcher *launcher, size_t ranks,
                             const char *family, cnn_diag *diag)
{
    if (cnn_cluster_ranks(cluster) == ranks)
        return CNN_OK;
    return cnn_fail(diag, CNN_FAILED, NULL,
                    "%s has started %zu processes, but %s finds %zu: they are of different MPIs",
                    launcher->name, ranks, family, cnn_cluster_ranks(cluster));
}

/* NULL: the process is alone. */
static const struct launcher *find_launcher(void)
{
    const struct launcher *launcher = launchers,
                          *end = launchers + sizeof launchers / sizeof *launchers;
    while (launcher < end && ranks_by(launcher) == 0)
        launcher++;
    return launcher < end && ranks_by(launcher) > 1 ? launcher : NULL;
}

const char *cnn_cluster_launcher(size_t *rank, size_t *ranks)
{
    const struct launcher *launcher = find_launcher();
    if (rank)
        *rank = launcher ? rank_by(launcher) : 0;
    if (ranks)
        *ranks = launcher ? ranks_by(launcher) : 1;
    return launcher ? launcher->name : NULL;
}

cnn_status cnn_cluster_join(cnn_cluster **out, cnn_diag *diag)
{
    const struct cnn_transport *transport = NULL;
    double timeout;
    if (!out)
        return cnn_fail_missing(diag, "cnn_cluster_join", "out");
    *out = NULL;
    const struct launcher *launcher = find_launcher();
    if (!launcher)
        return CNN_OK;
    size_t ranks = ranks_by(launcher);
    cnn_status status = read_timeout(&timeout, diag);
    if (status == CNN_OK)
        status = find_transport(launcher, ranks, &transport, diag);
    if (status == CNN_OK)
        status = cnn_cluster_open(transport, timeout, out, diag);
    if (status == CNN_OK)
        status = check_size(*out, launcher, ranks, transport->name, diag);
    return status;
}
