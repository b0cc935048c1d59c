/* Backward of a plan, and the sums of gradients over the parts of a batch. */
#include "graph/bytes.h"
#include "graph/halves.h"
#include "graph/plan_internal.h"

#include <assert.h>
#include <string.h>

/* Gradients that were written to a temporary because their place already holds another reader's. */
static void add_temporaries(struct cnn_plan *plan, const struct cnn_plan_node *p)
{
    for (size_t k = 0; k < p->call.node->input_count; k++) {
        size_t value = p->call.node->inputs[k];
        if (!p->dx_temporary[k])
            continue;
        float *sum = cnn_plan_block(plan, plan->layout.gradient[value]);
        const float *terms[2] = {sum, p->dx_temporary[k]};
        const struct cnn_kernels *kernels =
            cnn_graph_halves(plan->graph, value) ? plan->kernels->halves : plan->kernels;
        kernels->sum(2, p->call.n * cnn_shape_count(cnn_graph_shape(plan->graph, value)), terms,
                     (struct cnn_activation){.kind = CNN_ACT_NONE}, sum);
    }
}

/* Points plan->part at the images of a run of parts, and its gradients at slab `root`. */
static void bind_part(struct cnn_plan *plan, size_t i, const struct cnn_parts *run, size_t root)
{
    const struct cnn_call *all = &plan->nodes[i].call;
    const struct cnn_node *node = all->node;
    size_t first = cnn_parts_image(run, run->first) - cnn_parts_image(&plan->run, plan->run.first),
           in = first * cnn_graph_value_floats(plan->graph, node->inputs[0]),
           out = first * cnn_graph_value_floats(plan->graph, i + 1);
    struct cnn_call part = *all;
    const float **x = (const float **)plan->part.x;
    float **dx = (float **)plan->part.dx, **value = (float **)plan->part.value,
          **grad = (float **)plan->part.grad;
    assert(node->input_count == 1);
    part.x = x, part.dx = dx, part.value = value, part.grad = grad;
    part.n = cnn_parts_images(run);
    part.y += out, part.dy += out;
    x[0] = all->x[0] + in;
    dx[0] = all->dx[0] ? all->dx[0] + in : NULL;
    for (size_t slot = 0; slot < CNN_MAX_TENSORS; slot++) {
        value[slot] =
            all->value[slot] ? all->value[slot] + first * cnn_node_saved_floats(node, slot) : NULL;
        grad[slot] = all->grad[slot] ? all->grad[slot] + root * plan->layout.root_floats : NULL;
    }
    plan->part = part;
    plan->part.parts = run;
}

/* Points the gradients of plan->part at memory of sums that wait: `place` from 1 on. */
static void bind_waiting(struct cnn_plan *plan, size_t place, float **grad)
{
    const struct cnn_node *node = plan->part.node;
    float *to =
        cnn_plan_block(plan, plan->layout.waiting) + (place - 1) * plan->layout.waiting_floats;
    for (size_t slot = 0; slot < CNN_MAX_TENSORS; slot++)
        if (grad[slot]) {
            grad[slot] = to;
            to += cnn_round_floats(node->tensors[slot].count);
        }
}

/* Adds what waits in `place` to what is before it. */
static void add_waiting(struct cnn_plan *plan, float *const *root, size_t place)
{
    float *from[CNN_MAX_TENSORS], *to[CNN_MAX_TENSORS];
    memcpy(from, root, sizeof from);
    memcpy(to, root, sizeof to);
    bind_waiting(plan, place, from);
    if (place > 1)
        bind_waiting(plan, place - 1, to);
    for (size_t slot = 0; slot < CNN_MAX_TENSORS; slot++)
        if (to[slot])
            plan->kernels->sum(2, plan->part.node->tensors[slot].count,
                               (const float *[]){to[slot], from[slot]},
                               (struct cnn_activation){.kind = CNN_ACT_NONE}, to[slot]);
}

/* Backward of a node whose gradients the plan adds up, for one subtree. */
static void backward_parts(struct cnn_plan *plan, size_t i, const struct cnn_parts *root,
                           size_t number)
{
    struct cnn_tree tree = {0};
    float *sums[CNN_MAX_TENSORS];
    for (size_t part = root->first, into; part < root->end; part++) {
        struct cnn_parts one = *root;
        one.first = part, one.end = part + 1;
        bind_part(plan, i, &one, number);
        memcpy(sums, plan->part.grad, sizeof sums);
        size_t place = cnn_tree_push(&tree, part, 1);
        if (place > 0)
            bind_waiting(plan, place, (float **)plan->part.grad);
        plan->graph->nodes[i].execution->backward(&plan->part);
        while (cnn_tree_merge(&tree, &into))
            add_waiting(plan, sums, into + 1);
    }
}

static void backward_node(struct cnn_plan *plan, size_t i)
{
    const struct cnn_execution *execution = plan->graph->nodes[i].execution;
    const struct cnn_call *call = &plan->nodes[i].call;
    bool sums = cnn_node_parameters(call->node) > 0 && execution->sums != CNN_SUMS_SHARED;
    struct cnn_parts root = {.end = plan->run.first};
    size_t number = 0;
    if (cnn_plan_rests(plan, i, call->n))
        return;
    if (plan->mode == CNN_PLAN_TRAIN)
        cnn_plan_prepare(plan, i, true);
    if (!sums || (!plan->ranks && execution->sums == CNN_SUMS_BY_LAYER)) {
        execution->backward(call);
        return;
    }
    for (; cnn_parts_next(&plan->run, &root); number++)
        if (execution->sums == CNN_SUMS_BY_LAYER) {
            bind_part(plan, i, &root, number);
            execution->backward(&plan->part);
        } else {
            backward_parts(plan, i, &root, number);
        }
}

/* Makes values again that the backward of node i is the first to read. */
static void make_again(struct cnn_plan *plan, size_t i)
{
    const struct cnn_layout *l = &plan->layout;
    for (size_t v = l->again[i]; v != CNN_NO_VALUE; v = l->again_next[v])
        if (plan->nodes[v - 1].call.n > 0)
            plan->graph->nodes[v - 1].execution->again(&plan->nodes[v - 1].call);
}

/* Gives away the gradients of a node, but for those of weights that it gave itself. */
static void give_gradients(const struct cnn_plan *plan, const struct cnn_call *call)
{
    for (size_t slot = 0; cnn_slot_find(call->node, &slot); slot++) {
        const struct cnn_tensor *t = &call->node->tensors[slot];
        if (cnn_tensor_trained(t) && !(call->taker && t->role == CNN_ROLE_WEIGHT))
            plan->taker.take(plan->taker.context,
                             (struct cnn_stretch){t->offset, t->offset + t->count},
                             call->grad[slot]);
    }
}

void cnn_plan_backward(struct cnn_plan *plan, size_t n, size_t from)
{
    assert(n == plan->run.images && cnn_plan_goes_back(plan->mode) && from > 0);
    (void)n;
    for (size_t i = cnn_fused_value(&plan->fused, from); i-- > 0;) {
        struct cnn_plan_node *p = &plan->nodes[i];
        if (p->runs_backward)
            cnn_plan_tell(plan, i, true, true);
        make_again(plan, i);
        if (!p->runs_backward)
            continue;
        backward_node(plan, i);
        if (p->call.n > 0)
            add_temporaries(plan, p);
        cnn_plan_tell(plan, i, true, false);
        if (plan->taker.take)
            give_gradients(plan, &p->call);
        if (plan->ranks && plan->ranks->complete && cnn_node_trained(p->call.node) > 0)
            plan->ranks->complete(plan->ranks->context, plan->fused.origin[i]);
    }
}
