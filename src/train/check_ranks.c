/* Checks of a run by several processes: the link between them, and what it leaves of their speed.
 */
#include "train/check.h"
#include "train/cost.h"

#define POOR 0.5 /* efficiency: most of the time would be spent waiting */

static void tell_link(struct cnn_check *check, const struct cnn_link *link)
{
    cnn_check_add(check, "link", CNN_CHECK_FINE, NULL,
                  "%.0f us and %.3g MB/s between rank 0 and %s, the slowest of those tried",
                  1e6 * link->latency, link->bandwidth / 1e6,
                  cnn_cluster_name(check->cluster, link->rank));
}

static void tell_cost(struct cnn_check *check, const struct cnn_cost *cost, size_t ranks)
{
    bool poor = cost->efficiency < POOR;
    cnn_check_add(check, "ranks", poor ? CNN_CHECK_REMARK : CNN_CHECK_FINE,
                  poor ? "fewer processes; or a larger batch: --scale-batch" : NULL,
                  "a step by %zu processes computes for %.3g ms and exchanges %.3g MB for %.3g ms, "
                  "of which it waits for %.3g ms; one process takes %.3g ms: an efficiency of "
                  "%.0f %%",
                  ranks, 1e3 * cost->compute, cost->bytes / 1e6, 1e3 * cost->exchange,
                  1e3 * cost->waits, 1e3 * check->step, 100 * cost->efficiency);
}

void cnn_check_ranks(struct cnn_check *check)
{
    const cnn_model *model = check->t->model;
    struct cnn_cost cost;
    struct cnn_cost_of of = {.graph = &model->graph,
                             .settings = &model->recipe.optimizer,
                             .clips = model->recipe.clip_norm > 0,
                             .batch = model->recipe.batch_size,
                             .ranks = cnn_cluster_ranks(check->cluster),
                             .step = check->step};
    if (!cnn_link_measure(check->cluster, &of.link) || cnn_cluster_rank(check->cluster) > 0)
        return;
    if (cnn_cost_estimate(&of, &cost, NULL) != CNN_OK) {
        check->want = CNN_WANT_MEMORY;
        return;
    }
    tell_link(check, &of.link);
    tell_cost(check, &cost, of.ranks);
}
