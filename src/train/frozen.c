/* See frozen.h. A network is cut at the last value behind which nothing reads what lies before it,
 * and before which nothing changes in training. */
#include "train/frozen.h"

#include <string.h>

#include "util/allocate.h"

/* ---- Where the network is cut ---- */

/* Nodes in front that training neither changes nor does otherwise than inference. */
static size_t count_steady(const struct cnn_graph *graph)
{
    size_t count = 0;
    while (count < graph->count) {
        const struct cnn_node *node = &graph->nodes[count];
        if (node->random || (cnn_node_parameters(node) > 0 && !cnn_node_frozen(node)))
            break;
        count++;
    }
    return count;
}

/* Whether all that comes behind the first `cut` nodes reads the last one's value, or what comes
 * behind it. */
static bool can_be_cut(const struct cnn_graph *graph, size_t cut)
{
    for (size_t i = cut; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] < cut)
                return false;
    return true;
}

static bool computes(const struct cnn_graph *graph, size_t cut)
{
    uint64_t macs = 0;
    for (size_t i = 0; i < cut; i++)
        macs += graph->nodes[i].macs;
    return macs > 0;
}

static size_t find_cut(const struct cnn_graph *graph)
{
    size_t cut = count_steady(graph);
    cut = cut < graph->logits ? cut : graph->logits - 1; /* the loss reads a value of the rest */
    while (cut > 0 && !can_be_cut(graph, cut))
        cut--;
    return computes(graph, cut) ? cut : 0;
}

/* ---- The two parts ---- */

/* The nodes behind the cut, which count values from there. */
static bool make_rest(struct cnn_frozen *f)
{
    const size_t count = f->whole.count - f->cut;
    f->rest = f->whole;
    f->rest.input = cnn_graph_shape(&f->whole, f->cut);
    f->rest.count = count;
    f->rest.logits -= f->cut;
    f->rest.nodes = cnn_arena_array(f->arena, count, sizeof *f->rest.nodes);
    if (!f->rest.nodes)
        return false;
    memcpy(f->rest.nodes, f->whole.nodes + f->cut, count * sizeof *f->rest.nodes);
    for (size_t i = 0; i < count; i++) {
        struct cnn_node *node = &f->rest.nodes[i];
        size_t *inputs = cnn_arena_array(f->arena, node->input_count + 1, sizeof *inputs);
        if (!inputs)
            return false;
        for (size_t k = 0; k < node->input_count; k++)
            inputs[k] = node->inputs[k] - f->cut;
        node->inputs = inputs;
    }
    return true;
}

static bool make_graphs(struct cnn_frozen *f)
{
    const struct cnn_graph *graph = &f->model->graph;
    f->whole = *graph;
    f->whole.nodes = cnn_arena_array(f->arena, graph->count, sizeof *f->whole.nodes);
    if (!f->whole.nodes)
        return false;
    memcpy(f->whole.nodes, graph->nodes, graph->count * sizeof *f->whole.nodes);
    cnn_graph_freeze(&f->whole, f->model->frozen);
    f->cut = find_cut(&f->whole);
    f->floats = cnn_shape_count(cnn_graph_shape(&f->whole, f->cut));
    if (f->cut == 0)
        return true;
    f->front = cnn_graph_until(&f->whole, f->cut);
    return make_rest(f);
}

static cnn_status make_plans(struct cnn_frozen *f, cnn_diag *diag)
{
    const struct cnn_plan_options options = {.batch = f->batch, .mode = CNN_PLAN_INFER};
    cnn_status status =
        cnn_plan_new(&f->front, f->model->parameters, &options, &f->front_plan, diag);
    return status == CNN_OK
               ? cnn_plan_new(&f->rest, f->model->parameters, &options, &f->rest_plan, diag)
               : status;
}

cnn_status cnn_frozen_open(cnn_model *model, size_t batch, struct cnn_frozen *out, cnn_diag *diag)
{
    out->model = model;
    out->batch = batch;
    out->arena = cnn_arena_new();
    if (!out->arena || !make_graphs(out))
        return cnn_fail_memory(diag, 0, "the layers that are frozen");
    return out->cut > 0 ? make_plans(out, diag) : CNN_OK;
}

void cnn_frozen_close(struct cnn_frozen *frozen)
{
    struct cnn_kept *const kept[] = {&frozen->train, &frozen->val};
    cnn_plan_free(frozen->front_plan);
    cnn_plan_free(frozen->rest_plan);
    for (size_t i = 0; i < 2; i++) {
        cnn_floats_free(kept[i]->values);
        cnn_free(kept[i]->known);
    }
    cnn_arena_free(frozen->arena);
}

/* ---- What is kept ---- */

bool cnn_kept_whole(const struct cnn_kept *kept)
{
    return kept->values && kept->left == 0;
}

cnn_status cnn_frozen_keep(const struct cnn_frozen *frozen, size_t images, size_t *budget,
                           struct cnn_kept *kept, cnn_diag *diag)
{
    size_t floats;
    if (!cnn_size_mul(images, frozen->floats, &floats) || floats > *budget / sizeof(float))
        return CNN_OK;
    kept->values = cnn_floats_reserve(floats);
    kept->known = cnn_calloc(images, sizeof *kept->known);
    kept->images = kept->left = images;
    *budget -= floats * sizeof(float);
    if (kept->values && kept->known)
        return CNN_OK;
    cnn_fail_memory(diag, floats * sizeof(float), "the outputs of frozen layers");
    cnn_hint(diag, "with data.cache: 0 none are kept");
    return CNN_FAILED;
}

static bool all_known(const struct cnn_kept *kept, const struct cnn_batch *batch)
{
    if (!kept->values)
        return false;
    for (size_t i = 0; i < batch->n; i++)
        if (!kept->known[batch->index[i]])
            return false;
    return true;
}

static void remember(struct cnn_kept *kept, size_t image, size_t floats, const float *values)
{
    memcpy(kept->values + image * floats, values, floats * sizeof *values);
    kept->left -= !kept->known[image];
    kept->known[image] = true;
}

/* ---- The computation ---- */

static void compute(struct cnn_frozen *f, const struct cnn_batch *batch, float *out)
{
    const size_t floats = cnn_shape_count(f->front.input);
    size_t n;
    for (size_t first = 0; first < batch->n; first += n) {
        n = batch->n - first < f->batch ? batch->n - first : f->batch;
        memcpy(cnn_plan_input(f->front_plan), batch->images + first * floats,
               n * floats * sizeof(float));
        cnn_plan_forward(f->front_plan, n, false, 0);
        memcpy(out + first * f->floats, cnn_plan_value(f->front_plan, f->cut),
               n * f->floats * sizeof(float));
    }
}

void cnn_frozen_forward(struct cnn_frozen *frozen, struct cnn_kept *kept,
                        const struct cnn_batch *batch, float *out)
{
    const size_t floats = frozen->floats;
    if (all_known(kept, batch)) {
        for (size_t i = 0; i < batch->n; i++)
            memcpy(out + i * floats, kept->values + batch->index[i] * floats, floats * sizeof *out);
        return;
    }
    compute(frozen, batch, out);
    for (size_t i = 0; kept->values && i < batch->n; i++)
        remember(kept, batch->index[i], floats, out + i * floats);
}

void cnn_frozen_changed(struct cnn_frozen *frozen)
{
    cnn_plan_parameters_changed(frozen->rest_plan);
}

void cnn_frozen_validate(struct cnn_frozen *frozen, const struct cnn_batch *batch, float *logits,
                         float *output)
{
    const struct cnn_graph *rest = &frozen->rest;
    const size_t values[] = {rest->logits, cnn_graph_output(rest)};
    float *const out[] = {logits, output};
    cnn_frozen_forward(frozen, &frozen->val, batch, cnn_plan_input(frozen->rest_plan));
    cnn_plan_forward(frozen->rest_plan, batch->n, false, 0);
    for (size_t i = 0; i < 2; i++)
        memcpy(out[i], cnn_plan_value(frozen->rest_plan, values[i]),
               batch->n * cnn_shape_count(cnn_graph_shape(rest, values[i])) * sizeof(float));
}
