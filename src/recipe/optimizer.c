/* The walk over the trained tensors, and their state; how one is updated is the type's. */
#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "recipe/optimizer_type.h"
#include "util/allocate.h"

#define NAMES (2 * CNN_MAX_SLABS) /* of an optimiser and its others */

struct slice { /* a trained tensor in the slabs, or a piece of it, and how it is updated */
    struct cnn_tensor tensor;
    size_t state; /* where its state begins */
    const struct cnn_optimizer_settings *settings;
    double lr, weight_decay;
    size_t node; /* of the whole graph */
};

/* The slabs of an optimiser: those of its others, then its own; of one name there is one. */
struct slabs {
    const char *names[NAMES];
    size_t count;
};

struct cnn_optimizer {
    struct cnn_optimizer_settings settings;
    struct slice *slices;
    size_t slice_count, steps;
    size_t delayed_nodes, delay; /* the first nodes, and the updates before their first one */
    const struct cnn_kernels *kernels;
    struct slabs slabs;
    float *memory[NAMES]; /* of the slabs */
    float *scratch;
    bool *used;                    /* by group */
    struct cnn_stretch *stretches; /* what there is state for, in order */
    size_t stretch_count, floats;  /* floats: of all of them */
};

static bool keeps(const struct cnn_optimizer_settings *s, size_t slab)
{
    return s->type->slabs[slab] && (!s->type->keeps || s->type->keeps(s->own, slab));
}

/* count where there is none of this name. */
static size_t find_slab(const struct slabs *slabs, const char *name)
{
    size_t i = 0;
    while (i < slabs->count && strcmp(slabs->names[i], name) != 0)
        i++;
    return i;
}

static void add_slabs(const struct cnn_optimizer_settings *s, struct slabs *slabs)
{
    if (s->others)
        add_slabs(s->others, slabs);
    for (size_t i = 0; i < CNN_MAX_SLABS; i++)
        if (keeps(s, i) && find_slab(slabs, s->type->slabs[i]) == slabs->count)
            slabs->names[slabs->count++] = s->type->slabs[i];
}

static bool group_has_layer(const struct cnn_optimizer_group *group, const struct cnn_node *node)
{
    for (size_t i = 0; i < group->layer_count; i++)
        if (fnmatch(group->layers[i], node->name, 0) == 0 ||
            strcmp(group->layers[i], node->type->variant.name) == 0)
            return true;
    return !group->layers;
}

static bool group_fits(const struct cnn_optimizer_group *group, const struct cnn_node *node,
                       const struct cnn_tensor *tensor)
{
    bool bias = tensor->role == CNN_ROLE_BIAS;
    return (group->tensors == CNN_GROUP_ALL || (group->tensors == CNN_GROUP_BIAS) == bias) &&
           group_has_layer(group, node);
}

/* Conv and dense layers behind the node; what follows one (batch_norm) counts as part of it. */
static size_t weighted_behind(const struct cnn_graph *graph, size_t node)
{
    size_t count = 0;
    for (size_t i = node + 1; i < graph->count; i++) {
        const struct cnn_tensor *weight = &graph->nodes[i].tensors[0];
        count += weight->role == CNN_ROLE_WEIGHT && weight->rank > 1;
    }
    return count;
}

static const struct cnn_optimizer_settings *settings_for(const struct cnn_optimizer_settings *all,
                                                         const struct cnn_graph *graph, size_t node,
                                                         const struct cnn_tensor *tensor)
{
    bool taken = !all->type->takes || all->type->takes(graph, node, tensor);
    return taken ? all : all->others;
}

bool cnn_optimizer_takes_whole(const struct cnn_optimizer_settings *settings,
                               const struct cnn_graph *graph, size_t node,
                               const struct cnn_tensor *tensor)
{
    return settings_for(settings, graph, node, tensor)->type->whole;
}

static struct slice make_slice(const struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                               size_t node, const struct cnn_tensor *tensor, bool *used)
{
    const struct cnn_optimizer_settings *all = &optimizer->settings,
                                        *s = settings_for(all, graph, node, tensor);
    struct slice slice = {
        .tensor = *tensor, .settings = s, .lr = s->lr, .weight_decay = s->own->weight_decay};
    bool found = false;
    for (size_t g = 0; g < all->group_count; g++) {
        const struct cnn_optimizer_group *group = &all->groups[g];
        if (!group_fits(group, &graph->nodes[node], tensor))
            continue;
        used[g] = true;
        if (found)
            continue;
        found = true;
        slice.lr = group->has_lr ? group->lr : slice.lr;
        slice.weight_decay = group->has_weight_decay ? group->weight_decay : slice.weight_decay;
    }
    if (all->layer_decay > 0 && all->layer_decay != 1)
        slice.lr *= pow(all->layer_decay, (double)weighted_behind(graph, node));
    return slice;
}

/* What two stretches share; empty: begin is not before end. */
static struct cnn_stretch common(struct cnn_stretch a, struct cnn_stretch b)
{
    return (struct cnn_stretch){a.begin > b.begin ? a.begin : b.begin,
                                a.end < b.end ? a.end : b.end};
}

/* The next piece that there is of a stretch, and where its state begins; *at: 0 for the first. */
static bool next_piece(const struct cnn_optimizer *o, struct cnn_stretch of, size_t *at,
                       struct cnn_stretch *piece, size_t *state)
{
    for (size_t before = 0, i = 0; i < o->stretch_count; i++) {
        *piece = common(of, o->stretches[i]);
        *state = before + piece->begin - o->stretches[i].begin;
        before += o->stretches[i].end - o->stretches[i].begin;
        if (i >= *at && piece->begin < piece->end) {
            *at = i + 1;
            return true;
        }
    }
    return false;
}

static void add_pieces(struct cnn_optimizer *optimizer, const struct slice *whole)
{
    const struct cnn_tensor *t = &whole->tensor;
    const struct cnn_stretch of = {t->offset, t->offset + t->count};
    struct cnn_stretch piece;
    for (size_t at = 0, state; next_piece(optimizer, of, &at, &piece, &state);) {
        struct slice *slice = &optimizer->slices[optimizer->slice_count++];
        *slice = *whole;
        slice->tensor.offset = piece.begin;
        slice->tensor.count = piece.end - piece.begin;
        slice->state = state;
    }
}

/* used: by group, whether a tensor belongs to it. */
static void list_slices(struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                        size_t first, bool *used)
{
    optimizer->slice_count = 0;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &graph->nodes[i].tensors[slot];
            if (!cnn_tensor_trained(tensor))
                continue;
            struct slice slice = make_slice(optimizer, graph, i, tensor, used);
            slice.node = first + i;
            add_pieces(optimizer, &slice);
        }
}

static cnn_status collect_slices(struct cnn_optimizer *optimizer, const struct cnn_graph *graph,
                                 cnn_diag *diag)
{
    const struct cnn_optimizer_settings *settings = &optimizer->settings;
    optimizer->slices = cnn_calloc(graph->count * CNN_MAX_TENSORS + optimizer->stretch_count + 1,
                                   sizeof *optimizer->slices);
    bool *used = optimizer->used = cnn_calloc(settings->group_count + 1, sizeof *used);
    if (!optimizer->slices || !used)
        return cnn_fail_memory(diag, graph->count * sizeof *optimizer->slices, "the optimiser");
    list_slices(optimizer, graph, 0, used);
    cnn_status status = CNN_OK;
    for (size_t g = 0; status == CNN_OK && g < settings->group_count; g++)
        if (!used[g]) {
            status = cnn_fail(diag, CNN_INVALID, &settings->groups[g].where,
                              "no trained tensor belongs to this group");
            cnn_hint(diag, "`layers` are names or types of layers, as `cnn summary` shows them");
        }
    return status;
}

static cnn_status make_slabs(struct cnn_optimizer *optimizer, cnn_diag *diag)
{
    size_t scratch = 0;
    add_slabs(&optimizer->settings, &optimizer->slabs);
    for (size_t i = 0; i < optimizer->slabs.count; i++)
        if (!(optimizer->memory[i] = cnn_floats_new(optimizer->floats)))
            return cnn_fail_memory(diag, optimizer->floats * sizeof(float),
                                   "the optimiser's state");
    for (size_t i = 0; i < optimizer->slice_count; i++) {
        const struct slice *slice = &optimizer->slices[i];
        const struct cnn_optimizer_type *type = slice->settings->type;
        size_t floats = type->scratch ? type->scratch(optimizer->kernels, &slice->tensor) : 0;
        scratch = floats > scratch ? floats : scratch;
    }
    if (scratch == SIZE_MAX || (scratch > 0 && !(optimizer->scratch = cnn_floats_new(scratch))))
        return cnn_fail_memory(diag, scratch == SIZE_MAX ? SIZE_MAX : scratch * sizeof(float),
                               "the optimiser");
    return CNN_OK;
}

static cnn_status take_share(struct cnn_optimizer *optimizer,
                             const struct cnn_optimizer_share *share, cnn_diag *diag)
{
    optimizer->stretches = cnn_calloc(share->count + 1, sizeof *optimizer->stretches);
    if (!optimizer->stretches)
        return cnn_fail_memory(diag, share->count * sizeof *optimizer->stretches, "the optimiser");
    for (size_t i = 0; i < share->count; i++) {
        optimizer->stretches[i] = share->stretches[i];
        optimizer->floats += share->stretches[i].end - share->stretches[i].begin;
    }
    optimizer->stretch_count = share->count;
    return CNN_OK;
}

cnn_status cnn_optimizer_new(const struct cnn_optimizer_settings *settings,
                             const struct cnn_graph *graph, struct cnn_optimizer **out,
                             cnn_diag *diag)
{
    const struct cnn_stretch all = {0, graph->parameter_floats};
    return cnn_optimizer_new_share(
        settings, graph, &(struct cnn_optimizer_share){.stretches = &all, .count = 1}, out, diag);
}

cnn_status cnn_optimizer_new_share(const struct cnn_optimizer_settings *settings,
                                   const struct cnn_graph *graph,
                                   const struct cnn_optimizer_share *share,
                                   struct cnn_optimizer **out, cnn_diag *diag)
{
    struct cnn_optimizer *optimizer = cnn_calloc(1, sizeof *optimizer);
    if (!optimizer)
        return cnn_fail_memory(diag, sizeof *optimizer, "the optimiser");
    optimizer->settings = *settings;
    optimizer->kernels = cnn_kernels();
    cnn_status status = optimizer->kernels
                            ? take_share(optimizer, share, diag)
                            : cnn_fail(diag, CNN_INVALID, NULL, "%s", cnn_kernels_error());
    if (status == CNN_OK)
        status = collect_slices(optimizer, graph, diag);
    if (status == CNN_OK)
        status = make_slabs(optimizer, diag);
    if (status == CNN_OK)
        *out = optimizer;
    else
        cnn_optimizer_free(optimizer);
    return status;
}

void cnn_optimizer_free(struct cnn_optimizer *optimizer)
{
    if (!optimizer)
        return;
    for (size_t i = 0; i < optimizer->slabs.count; i++)
        cnn_floats_free(optimizer->memory[i]);
    cnn_floats_free(optimizer->scratch);
    cnn_free(optimizer->slices);
    cnn_free(optimizer->used);
    cnn_free(optimizer->stretches);
    cnn_free(optimizer);
}

void cnn_optimizer_change(struct cnn_optimizer *optimizer, const struct cnn_graph *part,
                          size_t first)
{
    list_slices(optimizer, part, first, optimizer->used);
}

void cnn_optimizer_delay(struct cnn_optimizer *optimizer, size_t nodes, size_t steps)
{
    optimizer->delayed_nodes = nodes;
    optimizer->delay = steps;
}

static struct cnn_update update_of(const struct cnn_optimizer *optimizer, const struct slice *slice,
                                   float *w, const float *grad, double rate)
{
    const struct cnn_optimizer_settings *s = slice->settings;
    size_t before = slice->node < optimizer->delayed_nodes ? optimizer->delay : 0;
    struct cnn_update call = {.kernels = optimizer->kernels,
                              .settings = s->own,
                              .tensor = &slice->tensor,
                              .w = w,
                              .grad = grad,
                              .lr = rate,
                              .weight_decay = slice->weight_decay,
                              .step = optimizer->steps + 1 - before,
                              .scratch = optimizer->scratch};
    for (size_t i = 0; i < CNN_MAX_SLABS; i++)
        if (keeps(s, i))
            call.state[i] =
                optimizer->memory[find_slab(&optimizer->slabs, s->type->slabs[i])] + slice->state;
    return call;
}

double cnn_optimizer_explain(const struct cnn_optimizer *optimizer, const struct cnn_tensor *tensor,
                             size_t i, const float *parameters, const float *gradients,
                             struct cnn_text *out)
{
    for (size_t k = 0; k < optimizer->slice_count; k++) {
        const struct slice *slice = &optimizer->slices[k];
        if (slice->tensor.offset != tensor->offset)
            continue;
        const struct cnn_update call =
            update_of(optimizer, slice, (float *)(uintptr_t)(parameters + tensor->offset),
                      gradients + tensor->offset, slice->lr);
        cnn_text_printf(out, "%s", slice->settings->type->variant.name);
        return slice->settings->type->explain(&call, i, out);
    }
    return NAN;
}

/* The first slice that ends behind this float. They lie in the order of the slab. */
static size_t find_slice(const struct cnn_optimizer *optimizer, size_t at)
{
    size_t first = 0, end = optimizer->slice_count;
    while (first < end) {
        const size_t middle = first + (end - first) / 2;
        const struct cnn_tensor *tensor = &optimizer->slices[middle].tensor;
        if (tensor->offset + tensor->count > at)
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}

/* A step of a deep network calls it for each of some hundred tensors, so it must not look at them
 * all each time. */
void cnn_optimizer_update(struct cnn_optimizer *optimizer, struct cnn_stretch what,
                          float *parameters, const float *gradients, double lr)
{
    for (size_t i = find_slice(optimizer, what.begin);
         i < optimizer->slice_count && optimizer->slices[i].tensor.offset < what.end; i++) {
        struct slice slice = optimizer->slices[i];
        const size_t begin = slice.tensor.offset;
        const struct cnn_stretch part =
            common(what, (struct cnn_stretch){begin, begin + slice.tensor.count});
        if (part.begin >= part.end)
            continue;
        slice.tensor.offset = part.begin;
        slice.tensor.count = part.end - part.begin;
        slice.state += part.begin - begin;
        /* The optimizer's own rate as it is given, to the last bit. */
        double rate =
            slice.lr == optimizer->settings.lr ? lr : slice.lr * (lr / optimizer->settings.lr);
        const struct cnn_update call = update_of(optimizer, &slice, parameters + part.begin,
                                                 gradients + (part.begin - what.begin), rate);
        slice.settings->type->update(&call);
    }
}

void cnn_optimizer_advance(struct cnn_optimizer *optimizer)
{
    optimizer->steps++;
}

void cnn_optimizer_step(struct cnn_optimizer *optimizer, float *parameters, const float *gradients,
                        double lr)
{
    cnn_optimizer_update(optimizer, (struct cnn_stretch){0, SIZE_MAX}, parameters, gradients, lr);
    cnn_optimizer_advance(optimizer);
}

size_t cnn_optimizer_slabs(const struct cnn_optimizer_settings *settings)
{
    struct slabs slabs = {.count = 0};
    add_slabs(settings, &slabs);
    return slabs.count;
}

float *cnn_optimizer_slab(struct cnn_optimizer *optimizer, size_t i, const char **name)
{
    if (i >= optimizer->slabs.count)
        return NULL;
    *name = optimizer->slabs.names[i];
    return optimizer->memory[i];
}

void cnn_optimizer_put(struct cnn_optimizer *optimizer, size_t i, struct cnn_stretch what,
                       const float *values)
{
    struct cnn_stretch piece;
    for (size_t at = 0, state; next_piece(optimizer, what, &at, &piece, &state);)
        memcpy(optimizer->memory[i] + state, values + (piece.begin - what.begin),
               (piece.end - piece.begin) * sizeof *values);
}

size_t cnn_optimizer_steps(const struct cnn_optimizer *optimizer)
{
    return optimizer->steps;
}

void cnn_optimizer_set_steps(struct cnn_optimizer *optimizer, size_t steps)
{
    optimizer->steps = steps;
}
