/* Plans: the layout's blocks as pointers, and the loops over the nodes. */
#include "graph/bytes.h"
#include "graph/fuse.h"
#include "graph/layout.h"
#include "graph/passing.h"

#include <assert.h>
#include <string.h>

struct plan_node { /* everything a call of this node needs but what changes from call to call */
    struct cnn_call call;
    const float **x; /* the call's */
    bool runs_backward;
    /* by input: where a gradient goes before it is added; NULL entries: straight to its place */
    float **dx_temporary;
};

struct cnn_plan {
    struct cnn_arena *arena;
    struct cnn_fused fused;
    /* fused.graph: what is executed; callers name nodes and values of the graph that they
     * planned */
    const struct cnn_graph *graph;
    size_t node_count; /* of theirs */
    const struct cnn_kernels *kernels;
    struct cnn_layout layout;
    enum cnn_plan_mode mode;
    size_t batch;
    float *slab;
    float *own; /* parameters that came from a source; else NULL */
    size_t own_floats;
    struct cnn_parts run; /* of the last batch, this process's */
    const struct cnn_ranks *ranks;
    struct cnn_call part; /* a node's call for some of its images, in arrays of its own */
    struct plan_node *nodes;
    bool stale; /* packed weights are out of date */
    cnn_plan_observer *observer;
    void *observer_context;
};

static float *block_floats(const struct cnn_plan *plan, size_t block)
{
    return block == CNN_NO_BLOCK ? NULL : plan->slab + plan->layout.blocks[block].offset;
}

static bool bind_ranges(struct cnn_plan *plan, const struct cnn_node *node, const float *parameters,
                        struct cnn_call *call)
{
    if (!node->x_range)
        return true;
    const float **ranges = cnn_arena_array(plan->arena, node->input_count, sizeof *ranges);
    for (size_t k = 0; ranges && k < node->input_count; k++)
        ranges[k] = parameters + node->x_range[k];
    call->x_range = ranges;
    call->y_range = node->y_bytes ? parameters + node->y_range : NULL;
    return ranges;
}

/* Where a tensor of a node is. */
static float *bind_tensor(struct cnn_plan *plan, size_t i, size_t slot, float *parameters)
{
    const struct cnn_tensor *t = &plan->graph->nodes[i].tensors[slot];
    if (!cnn_role_stored(t->role))
        return block_floats(plan, plan->layout.tensor[i * CNN_MAX_TENSORS + slot]);
    if (parameters)
        return parameters + t->offset;
    if (!cnn_tensor_lasts(t))
        return NULL;
    float *own = plan->own + plan->own_floats;
    plan->own_floats += cnn_round_floats(t->count);
    return own;
}

/* Pointers of one node. */
static bool bind_node(struct cnn_plan *plan, size_t i, float *parameters)
{
    const struct cnn_node *node = &plan->graph->nodes[i];
    const struct cnn_layout *l = &plan->layout;
    struct plan_node *p = &plan->nodes[i];
    size_t inputs = node->input_count;
    const float **x = cnn_arena_array(plan->arena, inputs, sizeof *x);
    float **dx = cnn_arena_array(plan->arena, inputs, sizeof *dx),
          **value = cnn_arena_array(plan->arena, CNN_MAX_TENSORS, sizeof *value);
    float **grad = cnn_arena_array(plan->arena, CNN_MAX_TENSORS, sizeof *grad);
    p->dx_temporary = cnn_arena_array(plan->arena, inputs, sizeof *p->dx_temporary);
    if (!x || !dx || !value || !grad || !p->dx_temporary)
        return false;
    p->x = x;
    bool training = cnn_plan_goes_back(plan->mode);
    float *gradients = block_floats(plan, l->parameters);
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        value[slot] = bind_tensor(plan, i, slot, parameters);
        grad[slot] = gradients && cnn_role_trained(t->role) ? gradients + t->offset : NULL;
    }
    p->runs_backward = training && l->gradient[i + 1] != CNN_NO_BLOCK;
    for (size_t k = 0; k < inputs; k++) {
        x[k] = block_floats(plan, l->value[node->inputs[k]]);
        p->dx_temporary[k] = training ? block_floats(plan, l->temporary[l->edge[i] + k]) : NULL;
        dx[k] = !training            ? NULL
                : p->dx_temporary[k] ? p->dx_temporary[k]
                                     : block_floats(plan, l->gradient[node->inputs[k]]);
    }
    p->call = (struct cnn_call){.node = node,
                                .kernels = plan->kernels,
                                .backward = training,
                                .x = x,
                                .y = block_floats(plan, l->value[i + 1]),
                                .dy = training ? block_floats(plan, l->gradient[i + 1]) : NULL,
                                .dx = dx,
                                .value = value,
                                .grad = grad,
                                .scratch = block_floats(plan, l->scratch),
                                .ranks = plan->ranks,
                                .room = (double *)block_floats(plan, l->room)};
    return bind_ranges(plan, node, parameters, &p->call);
}

/* Arrays of a call for some of a node's images; nodes with weights have one input. */
static bool make_part(struct cnn_plan *plan)
{
    plan->part.x = cnn_arena_array(plan->arena, 1, sizeof *plan->part.x);
    plan->part.dx = cnn_arena_array(plan->arena, 1, sizeof *plan->part.dx);
    plan->part.value = cnn_arena_array(plan->arena, CNN_MAX_TENSORS, sizeof *plan->part.value);
    plan->part.grad = cnn_arena_array(plan->arena, CNN_MAX_TENSORS, sizeof *plan->part.grad);
    return plan->part.x && plan->part.dx && plan->part.value && plan->part.grad;
}

/* How the plan executes the graph: what is fused, and what is computed with bytes. */
static cnn_status fuse_layers(struct cnn_arena *arena, const struct cnn_graph *graph,
                              const struct cnn_plan_options *options, struct cnn_fused *out,
                              cnn_diag *diag)
{
    const enum cnn_plan_mode mode = options->mode;
    enum cnn_fusion fusion = mode == CNN_PLAN_TRAIN   ? CNN_FUSE_TRAINING
                             : mode != CNN_PLAN_INFER ? CNN_FUSE_NOTHING
                             : options->chains        ? CNN_FUSE_CHAINS
                                                      : CNN_FUSE_INFERENCE;
    cnn_status status = cnn_graph_fuse(arena, graph, fusion, out, diag);
    return status == CNN_OK && mode == CNN_PLAN_INFER
               ? cnn_graph_use_bytes(arena, &out->graph, diag)
               : status;
}

static cnn_status require_kernels(const struct cnn_kernels **kernels, cnn_diag *diag)
{
    *kernels = cnn_kernels();
    return *kernels ? CNN_OK : cnn_fail(diag, CNN_INVALID, NULL, "%s", cnn_kernels_error());
}

/* Memory of the plan, and the calls that point into it. */
static cnn_status bind_nodes(struct cnn_plan *plan, float *parameters, cnn_diag *diag)
{
    size_t floats = plan->layout.floats, own = parameters ? 0 : cnn_lasting_floats(plan->graph);
    plan->slab = cnn_floats_new(floats);
    plan->own = own ? cnn_floats_new(own) : NULL;
    plan->nodes = cnn_arena_array(plan->arena, plan->graph->count, sizeof *plan->nodes);
    bool ok = plan->slab && (plan->own || own == 0) && plan->nodes && make_part(plan);
    for (size_t i = 0; ok && i < plan->graph->count; i++)
        ok = bind_node(plan, i, parameters);
    return ok ? CNN_OK : cnn_fail_memory(diag, (floats + own) * sizeof(float), "activations");
}

static void pack_weights(struct cnn_plan *plan)
{
    for (size_t i = 0; plan->stale && i < plan->graph->count; i++)
        if (plan->graph->nodes[i].execution->prepare)
            plan->graph->nodes[i].execution->prepare(&plan->nodes[i].call);
    plan->stale = false;
}

static cnn_status read_parameters(struct cnn_plan *plan, const struct cnn_parameter_source *source,
                                  cnn_diag *diag)
{
    const size_t floats = cnn_passing_floats(plan->graph);
    float *piece = cnn_floats_reserve(floats);
    cnn_status status =
        piece ? CNN_OK : cnn_fail_memory(diag, floats * sizeof *piece, "weights that pass");
    for (size_t i = 0; i < plan->graph->count && status == CNN_OK; i++)
        status = cnn_passing_read(&plan->nodes[i].call, source, piece, diag);
    cnn_floats_free(piece);
    plan->stale = false;
    return status;
}

cnn_status cnn_plan_new(const struct cnn_graph *graph, float *parameters,
                        const struct cnn_plan_options *options, struct cnn_plan **out,
                        cnn_diag *diag)
{
    const struct cnn_kernels *kernels;
    cnn_status status = require_kernels(&kernels, diag);
    if (status == CNN_OK && !parameters && !options->source && graph->parameter_floats > 0)
        status =
            cnn_fail(diag, CNN_INVALID, NULL,
                     "the network was opened for its shapes, or to be run, alone: this needs its "
                     "parameters");
    struct cnn_arena *arena = status == CNN_OK ? cnn_arena_new() : NULL;
    struct cnn_plan *plan = arena ? cnn_arena_alloc(arena, sizeof *plan) : NULL;
    if (!plan) {
        cnn_arena_free(arena);
        return status != CNN_OK ? status : cnn_fail_memory(diag, sizeof *plan, "a plan");
    }
    *plan = (struct cnn_plan){.arena = arena,
                              .node_count = graph->count,
                              .kernels = kernels,
                              .mode = options->mode,
                              .batch = options->batch,
                              .ranks = options->ranks,
                              .stale = true};
    plan->graph = &plan->fused.graph;
    status = fuse_layers(arena, graph, options, &plan->fused, diag);
    if (status == CNN_OK)
        status = cnn_layout_make(plan->graph, kernels, options, arena, &plan->layout, diag);
    if (status == CNN_OK)
        status = bind_nodes(plan, parameters, diag);
    if (status == CNN_OK && options->source)
        status = read_parameters(plan, options->source, diag);
    if (status == CNN_OK && options->mode == CNN_PLAN_INFER)
        pack_weights(plan); /* so that the first call is no slower than the others */
    if (status == CNN_OK)
        *out = plan;
    else
        cnn_plan_free(plan);
    return status;
}

void cnn_plan_free(struct cnn_plan *plan)
{
    if (!plan)
        return;
    cnn_floats_free(plan->slab);
    cnn_floats_free(plan->own);
    cnn_arena_free(plan->arena);
}

cnn_status cnn_plan_measure(const struct cnn_graph *graph, size_t batch, enum cnn_plan_mode mode,
                            size_t *bytes, cnn_diag *diag)
{
    const struct cnn_kernels *kernels;
    struct cnn_layout layout = {0};
    cnn_status status = require_kernels(&kernels, diag);
    struct cnn_arena *arena = cnn_arena_new();
    if (status == CNN_OK && !arena)
        status = cnn_fail_memory(diag, 0, "a plan");
    const struct cnn_plan_options options = {.batch = batch, .mode = mode};
    struct cnn_fused fused;
    if (status == CNN_OK)
        status = fuse_layers(arena, graph, &options, &fused, diag);
    if (status == CNN_OK)
        status = cnn_layout_make(&fused.graph, kernels, &options, arena, &layout, diag);
    cnn_arena_free(arena);
    if (status == CNN_OK)
        *bytes = layout.floats * sizeof(float);
    return status;
}

void cnn_plan_parameters_changed(struct cnn_plan *plan)
{
    plan->stale = true;
}

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

static void observe(const struct cnn_plan *plan, size_t lead, bool backward, bool begin)
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

/* Points the calls at the images of the batch from `first` on: in the values that hold all of
 * them. */
static void bind_slice(struct cnn_plan *plan, size_t first)
{
    const struct cnn_graph *g = plan->graph;
    const size_t whole[3] = {0, g->logits, g->count};
    for (size_t i = 0; i < g->count; i++)
        for (size_t w = 0; w < 3; w++) {
            float *value = block_floats(plan, plan->layout.value[whole[w]]) +
                           first * cnn_shape_count(cnn_graph_shape(g, whole[w]));
            for (size_t k = 0; k < g->nodes[i].input_count; k++)
                if (g->nodes[i].inputs[k] == whole[w])
                    plan->nodes[i].x[k] = value;
            if (i + 1 == whole[w])
                plan->nodes[i].call.y = value;
        }
}

/* Whether a node has nothing to do: a process may have no images of a small batch. */
static bool rests(const struct cnn_plan *plan, size_t node, size_t n)
{
    return n == 0 && plan->graph->nodes[node].execution->sums != CNN_SUMS_SHARED;
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
        observe(plan, i, false, true);
        if (!rests(plan, i, call->n))
            plan->graph->nodes[i].execution->forward(call);
        observe(plan, i, false, false);
    }
}

void cnn_plan_forward(struct cnn_plan *plan, size_t n, bool training, uint64_t seed)
{
    assert(n <= plan->batch && (!training || cnn_plan_goes_back(plan->mode)));
    pack_weights(plan);
    if (cnn_plan_goes_back(plan->mode)) {
        forward_share(plan, n, training, seed);
        return;
    }
    size_t slice = plan->layout.slice;
    for (size_t first = 0; first < n; first += slice) {
        if (slice < plan->batch)
            bind_slice(plan, first);
        for (size_t i = 0; i < plan->graph->count; i++) {
            struct cnn_call *call = &plan->nodes[i].call;
            call->n = n - first < slice ? n - first : slice;
            observe(plan, i, false, true);
            plan->graph->nodes[i].execution->forward(call);
            observe(plan, i, false, false);
        }
    }
}

/* Gradients that were written to a temporary because their place already holds another reader's. */
static void add_temporaries(struct cnn_plan *plan, const struct plan_node *p)
{
    for (size_t k = 0; k < p->call.node->input_count; k++) {
        size_t value = p->call.node->inputs[k];
        if (!p->dx_temporary[k])
            continue;
        float *sum = block_floats(plan, plan->layout.gradient[value]);
        const float *terms[2] = {sum, p->dx_temporary[k]};
        plan->kernels->sum(2, p->call.n * cnn_shape_count(cnn_graph_shape(plan->graph, value)),
                           terms, (struct cnn_activation){.kind = CNN_ACT_NONE}, sum);
    }
}

/* Points plan->part at the images of a run of parts, and its gradients at slab `root`. */
static void bind_part(struct cnn_plan *plan, size_t i, const struct cnn_parts *run, size_t root)
{
    const struct cnn_call *all = &plan->nodes[i].call;
    const struct cnn_node *node = all->node;
    size_t first = cnn_parts_image(run, run->first) - cnn_parts_image(&plan->run, plan->run.first),
           in = first * cnn_shape_count(node->in[0]), out = first * cnn_shape_count(node->out);
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
        size_t per_image =
            node->tensors[slot].role == CNN_ROLE_SAVED ? node->tensors[slot].per_image : 0;
        value[slot] = all->value[slot] ? all->value[slot] + first * per_image : NULL;
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
        block_floats(plan, plan->layout.waiting) + (place - 1) * plan->layout.waiting_floats;
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
    if (rests(plan, i, call->n))
        return;
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

void cnn_plan_backward(struct cnn_plan *plan, size_t n, size_t from)
{
    assert(n == plan->run.images && cnn_plan_goes_back(plan->mode) && from > 0);
    (void)n;
    for (size_t i = cnn_fused_value(&plan->fused, from); i-- > 0;) {
        struct plan_node *p = &plan->nodes[i];
        if (!p->runs_backward)
            continue;
        observe(plan, i, true, true);
        backward_node(plan, i);
        if (p->call.n > 0)
            add_temporaries(plan, p);
        observe(plan, i, true, false);
        if (plan->ranks && plan->ranks->complete && cnn_node_trained(p->call.node) > 0)
            plan->ranks->complete(plan->ranks->context, plan->fused.origin[i]);
    }
}

float *cnn_plan_input(struct cnn_plan *plan)
{
    return block_floats(plan, plan->layout.value[0]);
}

const float *cnn_plan_value(const struct cnn_plan *plan, size_t value)
{
    return block_floats(plan, plan->layout.value[cnn_fused_value(&plan->fused, value)]);
}

float *cnn_plan_gradient(struct cnn_plan *plan, size_t value)
{
    return block_floats(plan, plan->layout.gradient[cnn_fused_value(&plan->fused, value)]);
}

float *cnn_plan_parameter_gradients(struct cnn_plan *plan)
{
    return block_floats(plan, plan->layout.parameters);
}

size_t cnn_plan_root_floats(const struct cnn_plan *plan)
{
    return plan->layout.root_floats;
}

bool cnn_plan_shared(const struct cnn_plan *plan, size_t node)
{
    return plan->graph->nodes[plan->fused.lead[node]].execution->sums == CNN_SUMS_SHARED;
}

size_t cnn_plan_lead(const struct cnn_plan *plan, size_t node)
{
    return plan->fused.origin[plan->fused.lead[node]];
}

const struct cnn_call *cnn_plan_call(const struct cnn_plan *plan, size_t node)
{
    return &plan->nodes[plan->fused.lead[node]].call;
}

const struct cnn_graph *cnn_plan_graph(const struct cnn_plan *plan)
{
    return plan->graph;
}

const struct cnn_call *cnn_plan_step(const struct cnn_plan *plan, size_t i)
{
    return &plan->nodes[i].call;
}

void cnn_plan_observe(struct cnn_plan *plan, cnn_plan_observer *observer, void *context)
{
    plan->observer = observer;
    plan->observer_context = context;
}

size_t cnn_plan_bytes(const struct cnn_plan *plan)
{
    return plan->layout.floats * sizeof(float);
}
