/* One run by several processes: mpirun -n 4 ranks CONFIG DIRECTORY. The result is the same bits as
 * that of one process. */
#include <cnn.h>
#include <stdio.h>
#include <stdlib.h>

static int on_event(void *context, const cnn_event *event)
{
    const cnn_cluster *cluster = context;
    if (event->kind == CNN_EVENT_START) /* rank 0 alone gets events */
        printf("%zu processes, %d threads each, by %s\n", cnn_cluster_ranks(cluster), cnn_threads(),
               cluster ? cnn_cluster_launcher(NULL, NULL) : "hand");
    if (event->kind == CNN_EVENT_EPOCH)
        printf("epoch %zu: loss %g\n", event->epoch, event->loss);
    return 0;
}

static void print_errors(const cnn_diag *diag)
{
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        fprintf(stderr, "ranks: %s\n", cnn_diag_get(diag, i)->text);
}

int main(int argc, char **argv)
{
    cnn_train_options options = CNN_TRAIN_OPTIONS_INIT;
    cnn_diag *diag = cnn_diag_new();
    if (argc != 3 || !diag) {
        fprintf(stderr, "usage: ranks CONFIG DIRECTORY\n");
        return EXIT_FAILURE;
    }
    cnn_status status = cnn_cluster_join(&options.cluster, diag);
    if (cnn_cluster_rank(options.cluster) == 0)
        printf("each reads %s\n", argv[1]);
    cnn_set_threads((int)cnn_cluster_threads(options.cluster));
    const bool joined = status == CNN_OK;
    if (joined) /* each was given the same run */
        status = cnn_cluster_agree(options.cluster, argv[2], diag);
    const bool agreed = status == CNN_OK;
    options.config = argv[1];
    options.directory = argv[2];
    options.event = on_event;
    options.context = options.cluster;
    if (agreed)
        status = cnn_train(&options, diag);
    if (cnn_cluster_speaks(options.cluster))
        print_errors(diag);
    if (joined && !agreed) /* all have met this error */
        cnn_cluster_leave_together(options.cluster, status);
    else
        cnn_cluster_leave(options.cluster, status);
    cnn_diag_free(diag);
    return status == CNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
