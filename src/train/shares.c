/* See shares.h. */
#include "train/shares.h"

#include "util/allocate.h"

#define BUCKET ((size_t)1 << 14) /* floats, at least, where layers are small */
#define MOST   ((size_t)128)     /* buckets of small layers, about */
#define GAP    ((size_t)1 << 10) /* floats between tensors of a bucket, at most: not trained ones */

struct maker {
    const struct cnn_graph *graph;
    const struct cnn_optimizer_settings *settings;
    struct cnn_shares *shares;
    double *work; /* by process: of the tensors that it updates as a whole */
    size_t least; /* floats of a bucket that is full */
    bool open;    /* the last bucket may get more tensors */
};

static size_t *splits_of(const struct cnn_shares *s, size_t bucket)
{
    return s->splits + bucket * (s->ranks + 1);
}

/* The process with the least work gets the tensor. Muon's products grow with the square of the
 * shorter side. */
static void give_whole(struct maker *m, const struct cnn_tensor *tensor, size_t bucket)
{
    double rows = (double)tensor->dims[0], columns = (double)tensor->count / rows;
    size_t owner = 0, *from = splits_of(m->shares, bucket);
    for (size_t r = 1; r < m->shares->ranks; r++)
        owner = m->work[r] < m->work[owner] ? r : owner;
    m->work[owner] += (double)tensor->count * (rows < columns ? rows : columns);
    for (size_t r = 0; r <= m->shares->ranks; r++)
        from[r] = tensor->offset + (r > owner ? tensor->count : 0);
}

static void cut(const struct cnn_shares *s, size_t bucket)
{
    const struct cnn_bucket *b = &s->buckets[bucket];
    size_t first = b->begin / CNN_SHARE_FLOATS, end = (b->end - 1) / CNN_SHARE_FLOATS + 1,
           *from = splits_of(s, bucket);
    /* of buckets with fewer pieces than processes, others get one each time */
    size_t shift = bucket * (end - first) % s->ranks;
    for (size_t r = 0; r <= s->ranks; r++) {
        from[r] = (first + ((end - first) * r + shift) / s->ranks) * CNN_SHARE_FLOATS;
        from[r] = from[r] < b->begin ? b->begin : from[r] > b->end ? b->end : from[r];
    }
}

static void add_tensor(struct maker *m, size_t node, const struct cnn_tensor *tensor)
{
    struct cnn_shares *s = m->shares;
    struct cnn_bucket *last = s->count > 0 ? &s->buckets[s->count - 1] : NULL;
    bool whole = cnn_optimizer_takes_whole(m->settings, m->graph, node, tensor);
    size_t end = tensor->offset + tensor->count;
    if (m->open && !whole && last->begin - end <= GAP) {
        last->begin = tensor->offset;
    } else {
        s->buckets[s->count] = (struct cnn_bucket){
            .begin = tensor->offset, .end = end, .from = splits_of(s, s->count)};
        last = &s->buckets[s->count++];
    }
    m->open = !whole && last->end - last->begin < m->least;
    if (whole)
        give_whole(m, tensor, s->count - 1);
    else
        cut(s, s->count - 1);
}

static void make(struct maker *m)
{
    struct cnn_shares *s = m->shares;
    for (size_t i = m->graph->count; i-- > 0;)
        for (size_t slot = CNN_MAX_TENSORS; slot-- > 0;)
            if (cnn_tensor_trained(&m->graph->nodes[i].tensors[slot]))
                add_tensor(m, i, &m->graph->nodes[i].tensors[slot]);
    for (size_t i = 0; i < s->count; i++) {
        s->buckets[i].before = s->floats;
        s->floats += s->buckets[i].from[s->rank + 1] - s->buckets[i].from[s->rank];
    }
}

cnn_status cnn_shares_new(const struct cnn_graph *graph,
                          const struct cnn_optimizer_settings *settings, size_t rank, size_t ranks,
                          struct cnn_shares **out, cnn_diag *diag)
{
    size_t most = graph->count * CNN_MAX_TENSORS, bytes = most * (ranks + 1) * sizeof(size_t);
    struct cnn_shares *s = cnn_calloc(1, sizeof *s);
    double *work = cnn_calloc(ranks, sizeof *work);
    if (s) {
        s->rank = rank;
        s->ranks = ranks;
        s->buckets = cnn_calloc(most, sizeof *s->buckets);
        s->splits = cnn_calloc(most, (ranks + 1) * sizeof *s->splits);
    }
    bool good = s && work && s->buckets && s->splits;
    size_t least = graph->parameter_floats / MOST;
    if (good)
        make(&(struct maker){.graph = graph,
                             .settings = settings,
                             .shares = s,
                             .work = work,
                             .least = least > BUCKET ? least : BUCKET});
    cnn_free(work);
    if (good) {
        *out = s;
        return CNN_OK;
    }
    cnn_shares_free(s);
    return cnn_fail_memory(diag, bytes, "what each process updates");
}

void cnn_shares_free(struct cnn_shares *shares)
{
    if (!shares)
        return;
    cnn_free(shares->buckets);
    cnn_free(shares->splits);
    cnn_free(shares);
}

struct cnn_stretch cnn_shares_of(const struct cnn_shares *shares, size_t i, size_t rank)
{
    const size_t *from = shares->buckets[i].from;
    return (struct cnn_stretch){from[rank], from[rank + 1]};
}

size_t cnn_shares_floats(const struct cnn_shares *shares, size_t rank)
{
    size_t floats = 0;
    for (size_t i = 0; i < shares->count; i++)
        floats += shares->buckets[i].from[rank + 1] - shares->buckets[i].from[rank];
    return floats;
}

size_t cnn_shares_owner(const struct cnn_shares *shares, size_t at)
{
    size_t bucket = 0, rank = 0;
    while (shares->buckets[bucket].begin > at)
        bucket++;
    while (shares->buckets[bucket].from[rank + 1] <= at)
        rank++;
    return rank;
}
