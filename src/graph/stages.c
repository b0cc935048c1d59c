/* Where a graph is cut into stages (stages.h). */
#include "graph/stages.h"
#include "graph/bytes.h"

/* that a layer reads and writes: four megabytes, near what the cores' own caches hold */
#define SLICE_FLOATS ((size_t)1 << 20)
/* all weights of a stage; where there are more, fetching them for every slice costs more than
 * values do */
#define WEIGHT_FLOATS ((size_t)1 << 18)
/* multiply-adds for each four bytes that a layer reads or writes; with more, it does not wait for
 * them */
#define MACS_A_FLOAT ((size_t)96)
/* A layer that would do with larger slices stays in a stage where they are so many times
 * smaller. */
#define SMALLER ((size_t)4)

static size_t packed_floats(const struct cnn_node *node, const struct cnn_kernels *kernels)
{
    size_t floats = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (node->tensors[slot].role == CNN_ROLE_PACKED &&
            !cnn_size_add(floats, node->execution->packed(node, kernels, false), &floats))
            return SIZE_MAX;
    return floats;
}

/* What decides about slices, of one layer. */
struct demand {
    size_t weights;
    size_t slice; /* images of which the values fit into the caches */
    bool busy; /* it computes so long that it does not wait for its values, or has many weights */
};

static struct demand demand_of(const struct cnn_graph *graph, size_t i, size_t batch,
                               const struct cnn_kernels *kernels)
{
    const struct cnn_node *node = &graph->nodes[i];
    size_t floats = cnn_graph_value_floats(graph, i + 1);
    for (size_t k = 0; k < node->input_count; k++)
        floats += cnn_graph_value_floats(graph, node->inputs[k]);
    struct demand d = {.weights = packed_floats(node, kernels), .slice = batch};
    d.busy = d.weights > WEIGHT_FLOATS ||
             (node->macs / MACS_A_FLOAT > floats && floats > SLICE_FLOATS / 64);
    if (floats * batch > SLICE_FLOATS)
        d.slice = floats < SLICE_FLOATS ? SLICE_FLOATS / floats : 1;
    return d;
}

/* One stage, where all weights stay in the caches with the values. */
static bool is_one_stage(const struct cnn_graph *graph, const struct cnn_kernels *kernels,
                         size_t batch, struct cnn_stage *stage)
{
    size_t weights = 0;
    *stage = (struct cnn_stage){.end = graph->count, .slice = batch};
    for (size_t i = 0; i < graph->count; i++) {
        const struct demand d = demand_of(graph, i, batch, kernels);
        if (!cnn_size_add(weights, d.weights, &weights) || weights > WEIGHT_FLOATS)
            return false;
        stage->slice = d.slice < stage->slice ? d.slice : stage->slice;
    }
    return true;
}

/* Whether a layer may run in the slices of a stage whose weights are so many so far. */
static bool joins(const struct demand *d, const struct cnn_stage *stage, size_t weights,
                  size_t batch)
{
    if (stage->slice == batch)
        return d->busy || d->slice == batch;
    return !d->busy && d->weights <= WEIGHT_FLOATS - weights && d->slice / SMALLER <= stage->slice;
}

static void cut(const struct cnn_graph *graph, const struct cnn_kernels *kernels, size_t batch,
                struct cnn_stages *out)
{
    struct cnn_stage *stage = out->stages;
    size_t weights = 0;
    if (is_one_stage(graph, kernels, batch, stage))
        return;
    *stage = (struct cnn_stage){.slice = batch};
    for (size_t i = 0; i < graph->count; i++) {
        const struct demand d = demand_of(graph, i, batch, kernels);
        if (!joins(&d, stage, weights, batch)) {
            stage += stage->end > 0;
            *stage = (struct cnn_stage){.first = i, .slice = batch};
            weights = 0;
        }
        if (!d.busy) {
            stage->slice = d.slice < stage->slice ? d.slice : stage->slice;
            weights += d.weights;
        }
        stage->end = i + 1;
    }
    out->count = (size_t)(stage - out->stages) + 1;
    for (stage = out->stages; stage < out->stages + out->count; stage++)
        if (stage->end - stage->first == 1) /* no value stays within it */
            stage->slice = batch;
}

/* Slices as alike as can be. */
static void even_out(struct cnn_stage *stage, size_t batch)
{
    const size_t slices = (batch - 1) / stage->slice + 1;
    stage->slice = (batch - 1) / slices + 1;
}

bool cnn_stages_make(const struct cnn_graph *graph, const struct cnn_kernels *kernels, size_t batch,
                     bool slices, struct cnn_arena *arena, struct cnn_stages *out)
{
    const size_t n = graph->count;
    *out = (struct cnn_stages){
        .stages = cnn_arena_array(arena, n, sizeof *out->stages),
        .count = 1,
        .of = cnn_arena_array(arena, n, sizeof *out->of),
        .whole = cnn_arena_array(arena, n + 1, sizeof *out->whole),
    };
    if (!out->stages || !out->of || !out->whole)
        return false;
    if (slices)
        cut(graph, kernels, batch, out);
    else
        out->stages[0] = (struct cnn_stage){.end = n, .slice = batch};
    for (size_t s = 0; s < out->count; s++) {
        even_out(&out->stages[s], batch);
        for (size_t i = out->stages[s].first; i < out->stages[s].end; i++)
            out->of[i] = s;
    }
    out->whole[0] = out->whole[n] = out->whole[graph->logits] = true;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            const size_t v = graph->nodes[i].inputs[k];
            if (v > 0 && out->of[v - 1] != out->of[i])
                out->whole[v] = true;
        }
    return true;
}
