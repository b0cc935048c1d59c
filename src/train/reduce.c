/* Each process adds up one run of every bucket. It receives this run of all roots of the other
 * processes, and sends them their runs of its own roots. Sums are moved as bytes and added here, in
 * the order of util/parts.h; a reduction by MPI would have an order of its own. All processes post
 * and update buckets in the same order, so one tag for each kind of message is enough. */
#include "train/reduce.h"

#include <string.h>

#include "train/clip.h"
#include "train/shares.h"
#include "util/allocate.h"

enum { GRADIENTS = 1, WEIGHTS, WHOLE, STATE }; /* tags */
#define NO_NODE SIZE_MAX

/* Transfers of a bucket's gradients: those that are received, and behind them those that are
 * sent. */
struct post {
    size_t first, received, end;
};

struct cnn_reduce {
    cnn_cluster *cluster;
    struct cnn_ranks ranks;
    size_t batch, other_roots, own_roots; /* most in a batch: of the other processes, of this one */
    const struct cnn_optimizer_settings *settings;
    const struct cnn_graph *all, *graph; /* what is trained in all, and by the plan */
    struct cnn_plan *plan;
    struct cnn_shares *shares;
    size_t *lowest;  /* by bucket: the first node that is trained in it; NO_NODE: none is */
    float *received; /* roots of this process's share, bucket by bucket */
    /* clipping: sums of squares, each process's behind the other's; which process has each piece;
     * bytes where each process's begin */
    double *squares;
    size_t pieces, *owners, *offsets, *cursors;
    /* the step that is under way */
    struct cnn_reduce_update update;
    struct cnn_transfer *transfers;
    struct post *posts; /* by bucket */
    size_t transfer_count, posted, summed;
    bool failed;
};

static void gather(void *context, void *all, const size_t *offsets)
{
    struct cnn_reduce *r = context;
    cnn_cluster_gather(r->cluster, all, offsets);
}

static void complete(void *context, size_t node);

/* ---- Memory ---- */

static size_t count_roots(const struct cnn_reduce *r, size_t n, size_t rank)
{
    struct cnn_parts run = cnn_parts_of(n, rank, r->ranks.count);
    return cnn_parts_roots(&run);
}

static void find_roots(struct cnn_reduce *r)
{
    for (size_t n = 1; n <= r->batch; n++) {
        size_t own = count_roots(r, n, r->ranks.rank), others = 0;
        for (size_t rank = 0; rank < r->ranks.count; rank++)
            others += rank == r->ranks.rank ? 0 : count_roots(r, n, rank);
        r->other_roots = others > r->other_roots ? others : r->other_roots;
        r->own_roots = own > r->own_roots ? own : r->own_roots;
    }
}

/* Of each bucket every root of the others is received, and every own one sent to all; then weights
 * are sent and received, and rank 0 may want the gradients. */
static size_t most_transfers(const struct cnn_reduce *r)
{
    return r->shares->count * (r->other_roots + (r->own_roots + 3) * r->ranks.count);
}

static size_t count_pieces(const struct cnn_graph *graph)
{
    struct cnn_clip_pieces pieces = {.graph = graph};
    struct cnn_stretch piece;
    size_t count = 0;
    while (cnn_clip_next(&pieces, &piece))
        count++;
    return count;
}

static cnn_status allocate(struct cnn_reduce *r, cnn_diag *diag)
{
    size_t buckets = r->shares->count, pieces = count_pieces(r->all), ranks = r->ranks.count;
    r->lowest = cnn_calloc(buckets, sizeof *r->lowest);
    r->posts = cnn_calloc(buckets, sizeof *r->posts);
    r->transfers = cnn_calloc(most_transfers(r), sizeof *r->transfers);
    r->received = cnn_floats_new(r->shares->floats * r->other_roots);
    r->squares = cnn_calloc(pieces, sizeof *r->squares);
    r->owners = cnn_calloc(pieces, sizeof *r->owners);
    r->offsets = cnn_calloc(ranks + 1, sizeof *r->offsets);
    r->cursors = cnn_calloc(ranks, sizeof *r->cursors);
    if (r->lowest && r->posts && r->transfers && r->received && r->squares && r->owners &&
        r->offsets && r->cursors)
        return CNN_OK;
    return cnn_fail_memory(diag, r->shares->floats * r->other_roots * sizeof(float),
                           "what processes exchange");
}

cnn_status cnn_reduce_new(const struct cnn_reduce_options *options, struct cnn_reduce **out,
                          cnn_diag *diag)
{
    struct cnn_reduce *r = cnn_calloc(1, sizeof *r);
    if (!r)
        return cnn_fail_memory(diag, sizeof *r, "what processes exchange");
    r->cluster = options->cluster;
    r->batch = options->batch;
    r->all = options->graph;
    r->settings = options->settings;
    r->ranks = (struct cnn_ranks){.rank = cnn_cluster_rank(options->cluster),
                                  .count = cnn_cluster_ranks(options->cluster),
                                  .context = r,
                                  .gather = gather,
                                  .complete = complete};
    find_roots(r);
    cnn_status status =
        cnn_shares_new(r->all, r->settings, r->ranks.rank, r->ranks.count, &r->shares, diag);
    if (status == CNN_OK)
        status = allocate(r, diag);
    if (status == CNN_OK)
        *out = r;
    else
        cnn_reduce_free(r);
    return status;
}

void cnn_reduce_free(struct cnn_reduce *r)
{
    if (!r)
        return;
    cnn_shares_free(r->shares);
    cnn_floats_free(r->received);
    cnn_free(r->lowest);
    cnn_free(r->posts);
    cnn_free(r->transfers);
    cnn_free(r->squares);
    cnn_free(r->owners);
    cnn_free(r->offsets);
    cnn_free(r->cursors);
    cnn_free(r);
}

const struct cnn_ranks *cnn_reduce_ranks(const struct cnn_reduce *reduce)
{
    return reduce ? &reduce->ranks : NULL;
}

cnn_status cnn_reduce_optimizer(const struct cnn_reduce *r, struct cnn_optimizer **out,
                                cnn_diag *diag)
{
    size_t count = r->shares->count;
    struct cnn_stretch *stretches = cnn_calloc(count, sizeof *stretches);
    if (!stretches)
        return cnn_fail_memory(diag, count * sizeof *stretches, "the optimiser");
    for (size_t i = 0; i < count; i++) /* buckets are in descending order */
        stretches[count - 1 - i] = cnn_shares_of(r->shares, i, r->ranks.rank);
    cnn_status status = cnn_optimizer_new_share(
        r->settings, r->all, &(struct cnn_optimizer_share){.stretches = stretches, .count = count},
        out, diag);
    cnn_free(stretches);
    return status;
}

static void find_lowest(struct cnn_reduce *r)
{
    for (size_t b = 0; b < r->shares->count; b++)
        r->lowest[b] = NO_NODE;
    for (size_t i = r->graph->count; i-- > 0;)
        for (size_t slot = 0; cnn_slot_find(&r->graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &r->graph->nodes[i].tensors[slot];
            size_t b = 0;
            if (!cnn_tensor_trained(tensor))
                continue;
            while (r->shares->buckets[b].begin > tensor->offset)
                b++;
            r->lowest[b] = i;
        }
}

static void find_owners(struct cnn_reduce *r)
{
    struct cnn_clip_pieces pieces = {.graph = r->graph};
    struct cnn_stretch piece;
    memset(r->offsets, 0, (r->ranks.count + 1) * sizeof *r->offsets);
    for (r->pieces = 0; cnn_clip_next(&pieces, &piece); r->pieces++) {
        size_t owner = cnn_shares_owner(r->shares, piece.begin);
        r->owners[r->pieces] = owner;
        r->offsets[owner + 1] += sizeof *r->squares;
    }
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        r->offsets[rank + 1] += r->offsets[rank];
}

void cnn_reduce_prepare(struct cnn_reduce *r, const struct cnn_graph *graph, struct cnn_plan *plan)
{
    r->graph = graph;
    r->plan = plan;
    find_lowest(r);
    find_owners(r);
}

/* ---- Sending and receiving ---- */

static struct cnn_transfer *add_transfer(struct cnn_reduce *r, size_t peer, unsigned tag,
                                         float *data, size_t floats)
{
    struct cnn_transfer *transfer = &r->transfers[r->transfer_count++];
    *transfer = (struct cnn_transfer){
        .peer = peer, .tag = tag, .data = data, .bytes = floats * sizeof *data};
    return transfer;
}

static void send_run(struct cnn_reduce *r, size_t peer, unsigned tag, float *slab,
                     struct cnn_stretch run)
{
    struct cnn_transfer *transfer =
        add_transfer(r, peer, tag, slab + run.begin, run.end - run.begin);
    cnn_cluster_send(r->cluster, transfer);
}

static void receive_run(struct cnn_reduce *r, size_t peer, unsigned tag, float *slab,
                        struct cnn_stretch run)
{
    struct cnn_transfer *transfer =
        add_transfer(r, peer, tag, slab + run.begin, run.end - run.begin);
    cnn_cluster_receive(r->cluster, transfer);
}

static void receive_weights(struct cnn_reduce *r, size_t bucket)
{
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        if (rank != r->ranks.rank)
            receive_run(r, rank, WEIGHTS, r->update.parameters,
                        cnn_shares_of(r->shares, bucket, rank));
}

/* The roots of this process's run of the bucket that come from others, the lowest rank's first. */
static float *received_root(const struct cnn_reduce *r, size_t bucket, size_t number)
{
    struct cnn_stretch own = cnn_shares_of(r->shares, bucket, r->ranks.rank);
    return r->received + r->shares->buckets[bucket].before * r->other_roots +
           number * (own.end - own.begin);
}

static void post(struct cnn_reduce *r, size_t bucket)
{
    const size_t own = r->ranks.rank, stride = cnn_plan_root_floats(r->plan);
    const struct cnn_stretch run = cnn_shares_of(r->shares, bucket, own),
                             received = {.end = run.end - run.begin};
    float *gradients = cnn_plan_parameter_gradients(r->plan);
    struct post *post = &r->posts[bucket];
    post->first = r->transfer_count;
    for (size_t rank = 0, number = 0; rank < r->ranks.count; rank++)
        for (size_t i = 0; rank != own && i < count_roots(r, r->update.n, rank); i++)
            receive_run(r, rank, GRADIENTS, received_root(r, bucket, number++), received);
    post->received = r->transfer_count;
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        for (size_t i = 0; rank != own && i < count_roots(r, r->update.n, own); i++)
            send_run(r, rank, GRADIENTS, gradients + i * stride,
                     cnn_shares_of(r->shares, bucket, rank));
    post->end = r->transfer_count;
    if (r->update.clip_norm <= 0) /* backward needs the bucket's old weights no more */
        receive_weights(r, bucket);
}

static bool has_come(const struct cnn_reduce *r, size_t bucket)
{
    for (size_t i = r->posts[bucket].first; i < r->posts[bucket].received; i++)
        if (!atomic_load(&r->transfers[i].done))
            return false;
    return true;
}

/* ---- Adding up and updating ---- */

/* Floats of the slab, in the bucket: their sum over all roots, in the plan's gradients. */
static void add_roots(struct cnn_reduce *r, size_t bucket, struct cnn_stretch what)
{
    const size_t own = r->ranks.rank, stride = cnn_plan_root_floats(r->plan),
                 first = cnn_shares_of(r->shares, bucket, own).begin,
                 floats = what.end - what.begin;
    const struct cnn_kernels *kernels = cnn_kernels();
    float *gradients = cnn_plan_parameter_gradients(r->plan) + what.begin, *places[CNN_PARTS_DEPTH];
    struct cnn_tree tree = {0};
    size_t number = 0, into;
    for (size_t rank = 0; rank < r->ranks.count; rank++) {
        struct cnn_parts run = cnn_parts_of(r->update.n, rank, r->ranks.count),
                         root = {.end = run.first};
        for (size_t i = 0; cnn_parts_next(&run, &root); i++) {
            places[cnn_tree_push(&tree, root.first, root.end - root.first)] =
                rank == own ? gradients + i * stride
                            : received_root(r, bucket, number++) + (what.begin - first);
            while (cnn_tree_merge(&tree, &into))
                kernels->sum(2, floats, (const float *[]){places[into], places[into + 1]},
                             (struct cnn_activation){.kind = CNN_ACT_NONE}, places[into]);
        }
    }
    if (places[0] != gradients)
        memcpy(gradients, places[0], floats * sizeof *gradients);
}

/* Gradients that are whole on every process stay as they are. */
static void sum_up(struct cnn_reduce *r, size_t bucket)
{
    const struct cnn_stretch run = cnn_shares_of(r->shares, bucket, r->ranks.rank);
    for (size_t i = r->lowest[bucket]; i < r->graph->count && run.begin < run.end; i++)
        for (size_t slot = 0; cnn_slot_find(&r->graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &r->graph->nodes[i].tensors[slot];
            struct cnn_stretch piece = {t->offset, t->offset + t->count};
            if (!cnn_tensor_trained(t) || cnn_plan_shared(r->plan, i))
                continue;
            if (t->offset >= run.end)
                return;
            piece.begin = piece.begin > run.begin ? piece.begin : run.begin;
            piece.end = piece.end < run.end ? piece.end : run.end;
            if (piece.begin < piece.end)
                add_roots(r, bucket, piece);
        }
}

static void update(struct cnn_reduce *r, size_t bucket)
{
    const struct cnn_stretch run = cnn_shares_of(r->shares, bucket, r->ranks.rank);
    cnn_optimizer_update(r->update.optimizer, run, r->update.parameters,
                         cnn_plan_parameter_gradients(r->plan) + run.begin, r->update.lr);
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        if (rank != r->ranks.rank)
            send_run(r, rank, WEIGHTS, r->update.parameters, run);
}

/* Goes on with the buckets whose gradients have come; waits: for all that are posted. */
static void advance(struct cnn_reduce *r, bool waits)
{
    for (; r->summed < r->posted && !r->failed; r->summed++) {
        const struct post *post = &r->posts[r->summed];
        if (r->lowest[r->summed] == NO_NODE)
            continue;
        if (waits)
            r->failed = !cnn_cluster_wait(r->cluster, r->transfers + post->first,
                                          post->received - post->first);
        else if (!has_come(r, r->summed))
            return;
        if (r->failed)
            return;
        sum_up(r, r->summed);
        if (r->update.clip_norm <= 0)
            update(r, r->summed);
    }
}

/* Called when backward has completed the gradients of `node` and of all behind it. */
static void complete(void *context, size_t node)
{
    struct cnn_reduce *r = context;
    for (; r->posted < r->shares->count && r->lowest[r->posted] >= node; r->posted++)
        if (r->lowest[r->posted] != NO_NODE)
            post(r, r->posted);
    advance(r, false);
}

/* ---- Clipping ---- */

/* The sum of the squares of all gradients, in the order of the pieces. */
static double add_squares(struct cnn_reduce *r)
{
    const float *gradients = cnn_plan_parameter_gradients(r->plan);
    struct cnn_clip_pieces pieces = {.graph = r->graph};
    struct cnn_stretch piece;
    size_t *at = r->cursors, own = r->ranks.rank;
    double sum = 0;
    for (size_t rank = 0; rank < r->ranks.count; rank++)
        at[rank] = r->offsets[rank] / sizeof *r->squares;
    for (size_t i = 0; cnn_clip_next(&pieces, &piece); i++)
        if (r->owners[i] == own)
            r->squares[at[own]++] =
                cnn_kernels()->squares(piece.end - piece.begin, gradients + piece.begin, NULL);
    at[own] = r->offsets[own] / sizeof *r->squares;
    cnn_cluster_gather(r->cluster, r->squares, r->offsets);
    for (size_t i = 0; i < r->pieces; i++)
        sum += r->squares[at[r->owners[i]]++];
    return sum;
}

static void clip_and_update(struct cnn_reduce *r)
{
    float *gradients = cnn_plan_parameter_gradients(r->plan),
          factor = cnn_clip_factor(r->update.clip_norm, add_squares(r));
    for (size_t b = 0; b < r->shares->count; b++) {
        const struct cnn_stretch run = cnn_shares_of(r->shares, b, r->ranks.rank);
        if (r->lowest[b] == NO_NODE)
            continue;
        receive_weights(r, b);
        if (factor < 1)
            cnn_kernels()->combine(run.end - run.begin, 0, NULL, factor, gradients + run.begin);
        update(r, b);
    }
}

/* ---- The step ---- */

void cnn_reduce_begin(struct cnn_reduce *r, const struct cnn_reduce_update *update)
{
    r->update = *update;
    r->transfer_count = r->posted = r->summed = 0;
    r->failed = false;
}

/* Rank 0 gets the sums of the others. */
static void bring_gradients(struct cnn_reduce *r)
{
    float *gradients = cnn_plan_parameter_gradients(r->plan);
    const size_t own = r->ranks.rank;
    for (size_t b = 0; b < r->shares->count; b++) {
        if (r->lowest[b] == NO_NODE)
            continue;
        if (own > 0)
            send_run(r, 0, WHOLE, gradients, cnn_shares_of(r->shares, b, own));
        for (size_t rank = 1; own == 0 && rank < r->ranks.count; rank++)
            receive_run(r, rank, WHOLE, gradients, cnn_shares_of(r->shares, b, rank));
    }
}

void cnn_reduce_end(struct cnn_reduce *r)
{
    complete(r, 0);
    advance(r, true);
    if (!r->failed && r->update.clip_norm > 0)
        clip_and_update(r);
    if (!r->failed)
        r->failed = !cnn_cluster_wait(r->cluster, r->transfers, r->transfer_count);
    if (!r->failed && r->update.whole) {
        r->transfer_count = 0;
        bring_gradients(r);
        cnn_cluster_wait(r->cluster, r->transfers, r->transfer_count);
    }
    cnn_optimizer_advance(r->update.optimizer);
}

/* ---- State ---- */

/* What lies one stretch behind the other, from the lowest on, to its places. */
static void spread(const struct cnn_shares *shares, size_t rank, const float *packed, float *whole)
{
    for (size_t b = shares->count; b-- > 0;) {
        struct cnn_stretch run = cnn_shares_of(shares, b, rank);
        memcpy(whole + run.begin, packed, (run.end - run.begin) * sizeof *packed);
        packed += run.end - run.begin;
    }
}

cnn_status cnn_reduce_collect(struct cnn_reduce *r, const float *own, float *whole, cnn_diag *diag)
{
    if (r->ranks.rank > 0) {
        struct cnn_transfer transfer = {.tag = STATE,
                                        .data = (float *)(uintptr_t)own,
                                        .bytes = r->shares->floats * sizeof *own};
        cnn_cluster_send(r->cluster, &transfer);
        cnn_cluster_wait(r->cluster, &transfer, 1);
        return cnn_cluster_check(r->cluster, diag);
    }
    spread(r->shares, 0, own, whole);
    for (size_t rank = 1; rank < r->ranks.count; rank++) {
        size_t floats = cnn_shares_floats(r->shares, rank);
        float *packed = cnn_floats_new(floats);
        if (!packed)
            return cnn_fail_memory(diag, floats * sizeof *packed, "the state of other processes");
        struct cnn_transfer transfer = {
            .peer = rank, .tag = STATE, .data = packed, .bytes = floats * sizeof *packed};
        cnn_cluster_receive(r->cluster, &transfer);
        bool come = cnn_cluster_wait(r->cluster, &transfer, 1);
        if (come)
            spread(r->shares, rank, packed, whole);
        cnn_floats_free(packed); /* as cluster.h allows, even where it has not come */
        if (!come)
            return cnn_cluster_check(r->cluster, diag);
    }
    return CNN_OK;
}
