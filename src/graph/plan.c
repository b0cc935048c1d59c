/* Plans: the layout's blocks as pointers. */
#include "graph/bytes.h"
#include "graph/halves.h"
#include "graph/passing.h"
#include "graph/plan_internal.h"

#include <assert.h>
#include <string.h>

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
        return cnn_plan_block(plan, plan->layout.tensor[i * CNN_MAX_TENSORS + slot]);
    if (parameters)
        return parameters + t->offset;
    if (!cnn_tensor_lasts(t))
        return NULL;
    float *own = plan->own + plan->own_floats;
    plan->own_floats += cnn_round_floats(t->count);
    return own;
}

/* Where the gradients of a node's parameters are: those of all from float `begin` of the slab on,
 * or of a piece of the weights and then of the bias. */
struct gradients {
    float *memory;
    size_t begin, piece;
};

static struct gradients gradients_of(const struct cnn_plan *plan, size_t i)
{
    const struct cnn_layout *l = &plan->layout;
    if (l->parameters != CNN_NO_BLOCK)
        return (struct gradients){.memory = cnn_plan_block(plan, l->parameters)};
    return (struct gradients){.memory = cnn_plan_block(plan, l->node_parameters[i]),
                              .begin = cnn_node_stretch(&plan->graph->nodes[i]).begin,
                              .piece = l->piece[i]};
}

static float *bind_gradient(const struct gradients *g, const struct cnn_tensor *t)
{
    if (!g->memory || g->piece == 0)
        return g->memory ? g->memory + (t->offset - g->begin) : NULL;
    return t->role == CNN_ROLE_WEIGHT ? g->memory : g->memory + cnn_round_floats(g->piece);
}

/* Pointers of one node. */
static bool bind_node(struct cnn_plan *plan, size_t i, float *parameters)
{
    const struct cnn_node *node = &plan->graph->nodes[i];
    const struct cnn_layout *l = &plan->layout;
    struct cnn_plan_node *p = &plan->nodes[i];
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
    const struct gradients gradients = gradients_of(plan, i);
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        value[slot] = bind_tensor(plan, i, slot, parameters);
        grad[slot] = cnn_role_trained(t->role) ? bind_gradient(&gradients, t) : NULL;
    }
    p->runs_backward = training && l->gradient[i + 1] != CNN_NO_BLOCK;
    for (size_t k = 0; k < inputs; k++) {
        x[k] = cnn_plan_block(plan, l->value[node->inputs[k]]);
        p->dx_temporary[k] = training ? cnn_plan_block(plan, l->temporary[l->edge[i] + k]) : NULL;
        dx[k] = !training            ? NULL
                : p->dx_temporary[k] ? p->dx_temporary[k]
                                     : cnn_plan_block(plan, l->gradient[node->inputs[k]]);
    }
    p->call = (struct cnn_call){.node = node,
                                .kernels = node->y_halves ? plan->kernels->halves : plan->kernels,
                                .x = x,
                                .y = cnn_plan_block(plan, l->value[i + 1]),
                                .dy = training ? cnn_plan_block(plan, l->gradient[i + 1]) : NULL,
                                .dx = dx,
                                .value = value,
                                .grad = grad,
                                .taker = l->piece[i] > 0 ? &plan->taker : NULL,
                                .scratch = cnn_plan_block(plan, l->scratch),
                                .ranks = plan->ranks,
                                .room = (double *)cnn_plan_block(plan, l->room)};
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

/* How the plan executes the graph: what is fused, what is computed with bytes, and what is stored
 * as bfloat16. */
static cnn_status fuse_layers(struct cnn_arena *arena, const struct cnn_graph *graph,
                              const struct cnn_kernels *kernels,
                              const struct cnn_plan_options *options, struct cnn_fused *out,
                              cnn_diag *diag)
{
    const enum cnn_plan_mode mode = options->mode;
    enum cnn_fusion fusion = mode == CNN_PLAN_TRAIN   ? CNN_FUSE_TRAINING
                             : mode != CNN_PLAN_INFER ? CNN_FUSE_NOTHING
                             : options->chains        ? CNN_FUSE_CHAINS
                                                      : CNN_FUSE_INFERENCE;
    cnn_status status = cnn_graph_fuse(arena, graph, fusion, out, diag);
    if (status == CNN_OK && mode == CNN_PLAN_INFER)
        status = cnn_graph_use_bytes(arena, &out->graph, diag);
    const bool unseen =
        mode == CNN_PLAN_INFER || (mode == CNN_PLAN_TRAIN && !options->input_gradient);
    if (status == CNN_OK && unseen)
        status = cnn_graph_use_halves(arena, &out->graph, kernels, diag);
    return status;
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

void cnn_plan_prepare(struct cnn_plan *plan, size_t i, bool backward)
{
    struct cnn_call call = plan->nodes[i].call;
    call.backward = backward;
    if (call.node->execution->prepare && (!backward || (plan->nodes[i].runs_backward && *call.dx)))
        call.node->execution->prepare(&call);
}

void cnn_plan_pack(struct cnn_plan *plan)
{
    if (!plan->stale || plan->mode == CNN_PLAN_TRAIN)
        return;
    for (size_t i = 0; i < plan->graph->count; i++) {
        cnn_plan_prepare(plan, i, false);
        if (cnn_plan_goes_back(plan->mode))
            cnn_plan_prepare(plan, i, true);
    }
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
    status = fuse_layers(arena, graph, kernels, options, &plan->fused, diag);
    if (status == CNN_OK)
        status = cnn_layout_make(plan->graph, kernels, options, arena, &plan->layout, diag);
    if (status == CNN_OK)
        status = bind_nodes(plan, parameters, diag);
    if (status == CNN_OK && options->source)
        status = read_parameters(plan, options->source, diag);
    if (status == CNN_OK && options->mode == CNN_PLAN_INFER)
        cnn_plan_pack(plan); /* so that the first call is no slower than the others */
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

cnn_status cnn_plan_measure(const struct cnn_graph *graph, const struct cnn_plan_options *options,
                            size_t *bytes, cnn_diag *diag)
{
    const struct cnn_kernels *kernels;
    struct cnn_layout layout = {0};
    cnn_status status = require_kernels(&kernels, diag);
    struct cnn_arena *arena = cnn_arena_new();
    if (status == CNN_OK && !arena)
        status = cnn_fail_memory(diag, 0, "a plan");
    struct cnn_fused fused;
    if (status == CNN_OK)
        status = fuse_layers(arena, graph, kernels, options, &fused, diag);
    if (status == CNN_OK)
        status = cnn_layout_make(&fused.graph, kernels, options, arena, &layout, diag);
    cnn_arena_free(arena);
    if (status == CNN_OK)
        *bytes = layout.floats * sizeof(float);
    return status;
}

void cnn_plan_parameters_changed(struct cnn_plan *plan)
{
    plan->stale = true;
}

float *cnn_plan_input(struct cnn_plan *plan)
{
    return cnn_plan_block(plan, plan->layout.value[0]);
}

const float *cnn_plan_value(const struct cnn_plan *plan, size_t value)
{
    return cnn_plan_block(plan, plan->layout.value[cnn_fused_value(&plan->fused, value)]);
}

float *cnn_plan_gradient(struct cnn_plan *plan, size_t value)
{
    return cnn_plan_block(plan, plan->layout.gradient[cnn_fused_value(&plan->fused, value)]);
}

float *cnn_plan_parameter_gradients(struct cnn_plan *plan)
{
    return cnn_plan_block(plan, plan->layout.parameters);
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

size_t cnn_plan_slice(const struct cnn_plan *plan, size_t i)
{
    return cnn_stage_of(&plan->layout.stages, i)->slice;
}

void cnn_plan_take(struct cnn_plan *plan, struct cnn_taker taker)
{
    plan->taker = taker;
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
