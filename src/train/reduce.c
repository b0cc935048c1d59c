/* Every process sends, of each of its roots, each other process the slice that is that one's to add
 * up, and gets the other processes' roots of its own slice. The sums are moved as bytes and added
 * here, in the order of util/parts.h; a reduction by MPI would have an order of its own. The sums
 * of the slices then go around to all. */
#include "train/reduce.h"

#include <string.h>

#include "util/allocate.h"

#define TAG   1
#define SLICE ((size_t)16) /* floats that are not divided */

struct cnn_reduce {
    cnn_cluster *cluster;
    struct cnn_ranks ranks;
    size_t batch, most_roots; /* of all processes together, in a batch */
    const struct cnn_graph *graph;
    struct cnn_plan *plan;
    float *received, *kept; /* roots of this process's slice; gradients that are whole already */
    size_t *offsets;        /* bytes where the slices begin */
    struct cnn_transfer *transfers;
};

static void gather(void *context, void *all, const size_t *offsets)
{
    struct cnn_reduce *r = context;
    cnn_cluster_gather(r->cluster, all, offsets);
}

static size_t count_roots(const struct cnn_reduce *r, size_t n, size_t rank)
{
    struct cnn_parts run = cnn_parts_of(n, rank, r->ranks.count), root = {.end = run.first};
    size_t roots = 0;
    while (cnn_parts_next(&run, &root))
        roots++;
    return roots;
}

static size_t most_roots(const struct cnn_reduce *r)
{
    size_t most = 0;
    for (size_t n = 1; n <= r->batch; n++) {
        size_t roots = 0;
        for (size_t rank = 0; rank < r->ranks.count; rank++)
            roots += count_roots(r, n, rank);
        most = roots > most ? roots : most;
    }
    return most;
}

cnn_status cnn_reduce_new(cnn_cluster *cluster, size_t batch, struct cnn_reduce **out,
                          cnn_diag *diag)
{
    struct cnn_reduce *r = cnn_calloc(1, sizeof *r);
    if (!r)
        return cnn_fail_memory(diag, sizeof *r, "what processes exchange");
    r->cluster = cluster;
    r->batch = batch;
    r->ranks = (struct cnn_ranks){.rank = cnn_cluster_rank(cluster),
                                  .count = cnn_cluster_ranks(cluster),
                                  .context = r,
                                  .gather = gather};
    r->most_roots = most_roots(r);
    r->offsets = cnn_calloc(r->ranks.count + 1, sizeof *r->offsets);
    /* each root is sent to every other process, or received */
    r->transfers = cnn_calloc(r->most_roots * r->ranks.count, sizeof *r->transfers);
    if (r->offsets && r->transfers) {
        *out = r;
        return CNN_OK;
    }
    cnn_reduce_free(r);
    return cnn_fail_memory(diag, r->most_roots * sizeof *r->transfers, "what processes exchange");
}

void cnn_reduce_free(struct cnn_reduce *r)
{
    if (!r)
        return;
    cnn_floats_free(r->received);
    cnn_floats_free(r->kept);
    cnn_free(r->offsets);
    cnn_free(r->transfers);
    cnn_free(r);
}

const struct cnn_ranks *cnn_reduce_ranks(const struct cnn_reduce *reduce)
{
    return reduce ? &reduce->ranks : NULL;
}

/* Copies the gradients that are whole already to r->kept, or back. Returns how many floats they
 * are; NULL: only that. */
static size_t keep_shared(const struct cnn_reduce *r, float *gradients, bool back)
{
    size_t floats = 0;
    for (size_t i = 0; i < r->graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&r->graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &r->graph->nodes[i].tensors[slot];
            if (!cnn_role_trained(t->role) || !cnn_plan_shared(r->plan, i))
                continue;
            if (gradients && back)
                memcpy(gradients + t->offset, r->kept + floats, t->count * sizeof(float));
            else if (gradients)
                memcpy(r->kept + floats, gradients + t->offset, t->count * sizeof(float));
            floats += t->count;
        }
    return floats;
}

cnn_status cnn_reduce_prepare(struct cnn_reduce *r, const struct cnn_graph *graph,
                              struct cnn_plan *plan, cnn_diag *diag)
{
    size_t floats = cnn_plan_root_floats(plan), slices = floats / SLICE, ranks = r->ranks.count;
    r->graph = graph;
    r->plan = plan;
    for (size_t rank = 0; rank <= ranks; rank++)
        r->offsets[rank] = slices * rank / ranks * SLICE * sizeof(float);
    size_t own = (slices / ranks + 1) * SLICE * r->most_roots;
    cnn_floats_free(r->received);
    cnn_floats_free(r->kept);
    r->received = cnn_floats_new(own);
    r->kept = cnn_floats_new(keep_shared(r, NULL, false));
    if (r->received && r->kept)
        return CNN_OK;
    return cnn_fail_memory(diag, own * sizeof(float), "gradients of other processes");
}

static size_t slice_begin(const struct cnn_reduce *r, size_t rank)
{
    return r->offsets[rank] / sizeof(float);
}

/* Sends this process's roots, slice by slice, and gets the others' of its own slice. Returns where
 * each root's slice is, in the order of the parts. */
static bool exchange(struct cnn_reduce *r, size_t n, float *gradients, float **roots)
{
    const size_t own = r->ranks.rank, stride = cnn_plan_root_floats(r->plan),
                 floats = slice_begin(r, own + 1) - slice_begin(r, own);
    size_t posted = 0, root = 0;
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        for (size_t i = 0; i < count_roots(r, n, rank); i++, root++) {
            roots[root] = rank == own ? gradients + i * stride + slice_begin(r, own)
                                      : r->received + root * floats;
            if (rank == own)
                continue;
            r->transfers[posted] = (struct cnn_transfer){
                .peer = rank, .tag = TAG, .data = roots[root], .bytes = floats * sizeof(float)};
            cnn_cluster_receive(r->cluster, &r->transfers[posted++]);
        }
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        for (size_t i = 0; rank != own && i < count_roots(r, n, own); i++) {
            r->transfers[posted] =
                (struct cnn_transfer){.peer = rank,
                                      .tag = TAG,
                                      .data = gradients + i * stride + slice_begin(r, rank),
                                      .bytes = r->offsets[rank + 1] - r->offsets[rank]};
            cnn_cluster_send(r->cluster, &r->transfers[posted++]);
        }
    return cnn_cluster_wait(r->cluster, r->transfers, posted);
}

/* Adds the roots up; the sum is then where the first one was. */
static void add_roots(const struct cnn_reduce *r, size_t n, size_t floats, float **roots)
{
    const struct cnn_kernels *kernels = cnn_kernels();
    struct cnn_tree tree = {0};
    float *places[CNN_PARTS_DEPTH];
    size_t at = 0, into;
    for (size_t rank = 0; rank < r->ranks.count; rank++) {
        struct cnn_parts run = cnn_parts_of(n, rank, r->ranks.count), root = {.end = run.first};
        while (cnn_parts_next(&run, &root)) {
            places[cnn_tree_push(&tree, root.first, root.end - root.first)] = roots[at++];
            while (cnn_tree_merge(&tree, &into))
                kernels->sum(2, floats, (const float *[]){places[into], places[into + 1]},
                             (struct cnn_activation){.kind = CNN_ACT_NONE}, places[into]);
        }
    }
}

void cnn_reduce_gradients(struct cnn_reduce *r, size_t n)
{
    float *gradients = cnn_plan_parameter_gradients(r->plan), *roots[2 * CNN_PARTS_MOST];
    size_t begin = slice_begin(r, r->ranks.rank),
           floats = slice_begin(r, r->ranks.rank + 1) - begin;
    keep_shared(r, gradients, false);
    if (!exchange(r, n, gradients, roots))
        return;
    add_roots(r, n, floats, roots);
    if (roots[0] != gradients + begin)
        memcpy(gradients + begin, roots[0], floats * sizeof(float));
    cnn_cluster_gather(r->cluster, gradients, r->offsets);
    keep_shared(r, gradients, true);
}
