/* Forward of a plan: in training all images that this process has; in inference slices of the
 * batch. */
#include "graph/bytes.h"
#include "graph/plan_internal.h"

#include <assert.h>

/* The layers fused with the first one begin and end behind its forward, and before its backward,
 * in the order of their work. */
static void observe_fused(const struct cnn_plan *plan, size_t lead, bool backward)
{
    size_t first = plan->fused.origin[lead] + 1;
    for (size_t k = first; k < plan->node_count; k++) {
        size_t node = backward ? plan->node_count - 1 - (k - first) : k;
        if (plan->fused.lead[node] != lead)
            continue;
        plan->observer(plan->observer_context, node, backward, true);
        plan->observer(plan->observer_context, node, backward, false);
    }
}

void cnn_plan_tell(const struct cnn_plan *plan, size_t lead, bool backward, bool begin)
{
    if (!plan->observer)
        return;
    if (backward && begin)
        observe_fused(plan, lead, true);
    plan->observer(plan->observer_context, plan->fused.origin[lead], backward, begin);
    if (!backward && !begin)
        observe_fused(plan, lead, false);
}

/* Dropout layers of one step draw from seeds of their own (the mixing constant is the golden
 * ratio's). */
static uint64_t node_seed(uint64_t seed, size_t node)
{
    return seed ^ (0x9e3779b97f4a7c15u * (node + 1));
}

/* Points the calls of a stage at the images of the batch from `first` on: in the values that hold
 * all of them. */
static void bind_slice(struct cnn_plan *plan, const struct cnn_stage *stage, size_t first)
{
    const struct cnn_graph *g = plan->graph;
    const bool *whole = plan->layout.stages.whole;
    for (size_t i = stage->first; i < stage->end; i++) {
        for (size_t k = 0; k < g->nodes[i].input_count; k++) {
            const size_t v = g->nodes[i].inputs[k];
            if (whole[v])
                plan->nodes[i].x[k] = cnn_plan_block(plan, plan->layout.value[v]) +
                                      first * cnn_graph_value_floats(g, v);
        }
        if (whole[i + 1])
            plan->nodes[i].call.y = cnn_plan_block(plan, plan->layout.value[i + 1]) +
                                    first * cnn_graph_value_floats(g, i + 1);
    }
}

/* A slice of n images through the layers of a stage. */
static void run_slice(struct cnn_plan *plan, const struct cnn_stage *stage, size_t n)
{
    for (size_t i = stage->first; i < stage->end; i++) {
        struct cnn_call *call = &plan->nodes[i].call;
        call->n = n;
        cnn_plan_tell(plan, i, false, true);
        plan->graph->nodes[i].execution->forward(call);
        cnn_plan_tell(plan, i, false, false);
    }
}

/* This process's images of a batch of n. */
static void forward_share(struct cnn_plan *plan, size_t n, bool training, uint64_t seed)
{
    const struct cnn_ranks *ranks = plan->ranks;
    plan->run = cnn_parts_of(n, ranks ? ranks->rank : 0, ranks ? ranks->count : 1);
    for (size_t i = 0; i < plan->graph->count; i++) {
        struct cnn_call *call = &plan->nodes[i].call;
        call->n = cnn_parts_images(&plan->run);
        call->parts = &plan->run;
        call->training = training && !cnn_node_frozen(call->node);
        call->seed = node_seed(seed, plan->fused.origin[i]);
        cnn_plan_tell(plan, i, false, true);
        if (!cnn_plan_rests(plan, i, call->n)) {
            if (plan->mode == CNN_PLAN_TRAIN)
                cnn_plan_prepare(plan, i, false);
            plan->graph->nodes[i].execution->forward(call);
        }
        cnn_plan_tell(plan, i, false, false);
    }
}

void cnn_plan_forward(struct cnn_plan *plan, size_t n, bool training, uint64_t seed)
{
    assert(n <= plan->batch && (!training || cnn_plan_goes_back(plan->mode)));
    cnn_plan_pack(plan);
    if (cnn_plan_goes_back(plan->mode)) {
        forward_share(plan, n, training, seed);
        return;
    }
    for (size_t s = 0; s < plan->layout.stages.count; s++) {
        const struct cnn_stage *stage = &plan->layout.stages.stages[s];
        for (size_t first = 0; first < n; first += stage->slice) {
            if (stage->slice < plan->batch)
                bind_slice(plan, stage, first);
            run_slice(plan, stage, n - first < stage->slice ? n - first : stage->slice);
        }
    }
}
