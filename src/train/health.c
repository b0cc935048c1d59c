/* Measuring health. The probe runs in the evaluator's plan, which exists anyway: an observer looks
 * at each layer's output while it is whole, so no plan that keeps all values is needed. */
#include "train/health.h"

#include <math.h>
#include <string.h>

#include "util/allocate.h"
#include "util/words.h"

static bool is_measured(const struct cnn_node *node)
{
    return cnn_node_trained(node) > 0 || cnn_activation_rectifies(node->activation);
}

static bool add_rows(struct cnn_health *health, const struct cnn_graph *graph)
{
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        if (!is_measured(node))
            continue;
        struct cnn_health_row *row = &health->rows[health->count];
        *row = (struct cnn_health_row){
            .channels = cnn_activation_rectifies(node->activation) ? node->out.c : 0};
        strncpy(row->layer, node->name, sizeof row->layer - 1);
        health->nodes[health->count++] = i;
        if (cnn_activation_rectifies(node->activation) &&
            !(health->alive[i] = cnn_calloc(node->out.c, sizeof(bool))))
            return false;
    }
    return true;
}

/* Parameters that are to be kept from before their update. */
static size_t floats_before(const struct cnn_graph *graph, enum cnn_gradients gradients)
{
    size_t most = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        const struct cnn_stretch all = cnn_node_stretch(node);
        const bool cut = gradients == CNN_GRADIENTS_BY_PIECE && node->execution->piece &&
                         node->execution->piece(node) > 0;
        /* a piece of weights, or the biases */
        const size_t floats =
            cut ? node->execution->piece(node) + node->out.c : all.end - all.begin;
        most = floats > most ? floats : most;
    }
    return gradients == CNN_GRADIENTS_KEPT ? graph->parameter_floats : most;
}

cnn_status cnn_health_open(const cnn_model *model, const struct cnn_evaluator *evaluator,
                           enum cnn_gradients gradients, struct cnn_health *out, cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    const size_t floats = floats_before(graph, gradients);
    struct cnn_health health = {
        .model = model, .graph = graph, .evaluator = evaluator, .gradients = gradients};
    health.rows = cnn_calloc(graph->count, sizeof *health.rows);
    health.nodes = cnn_calloc(graph->count, sizeof *health.nodes);
    health.alive = cnn_calloc(graph->count, sizeof *health.alive);
    health.living = cnn_calloc(graph->count, sizeof *health.living);
    health.told = cnn_calloc(graph->count, sizeof *health.told);
    health.before = cnn_floats_new(floats);
    health.squares = cnn_calloc(graph->count, sizeof *health.squares);
    health.updates = cnn_calloc(graph->count, sizeof *health.updates);
    health.pixels = cnn_malloc(cnn_shape_count(graph->input));
    if (health.pixels && health.rows && health.nodes && health.alive && health.living &&
        health.told && health.before && health.squares && health.updates &&
        add_rows(&health, graph)) {
        *out = health;
        return CNN_OK;
    }
    cnn_health_close(&health);
    return cnn_fail_memory(diag, floats * sizeof(float), "a copy of parameters");
}

void cnn_health_close(struct cnn_health *health)
{
    for (size_t i = 0; health->alive && i < health->model->graph.count; i++)
        cnn_free(health->alive[i]);
    cnn_free(health->rows);
    cnn_free(health->nodes);
    cnn_free(health->alive);
    cnn_free(health->living);
    cnn_free(health->told);
    cnn_free(health->pixels);
    cnn_floats_free(health->before);
    cnn_free(health->squares);
    cnn_free(health->updates);
}

void cnn_health_before_step(struct cnn_health *health, const float *parameters)
{
    const struct cnn_graph *graph = &health->model->graph;
    if (health->gradients == CNN_GRADIENTS_KEPT)
        memcpy(health->before, parameters, graph->parameter_floats * sizeof(float));
    health->parameters = parameters;
    memset(health->squares, 0, graph->count * sizeof *health->squares);
    memset(health->updates, 0, graph->count * sizeof *health->updates);
}

static void see_gradients(void *context, struct cnn_stretch what, const float *gradients)
{
    struct cnn_health *health = context;
    size_t layer = cnn_graph_owner(&health->model->graph, what.begin);
    health->squares[layer] += cnn_kernels()->squares(what.end - what.begin, gradients, NULL);
    if (health->gradients != CNN_GRADIENTS_KEPT)
        memcpy(health->before, health->parameters + what.begin,
               (what.end - what.begin) * sizeof *health->before);
}

static void see_update(void *context, struct cnn_stretch what)
{
    struct cnn_health *health = context;
    size_t layer = cnn_graph_owner(&health->model->graph, what.begin);
    health->updates[layer] += cnn_kernels()->squares(
        what.end - what.begin, health->parameters + what.begin, health->before);
}

struct cnn_step_watcher cnn_health_watcher(struct cnn_health *health)
{
    return (struct cnn_step_watcher){
        see_gradients, health->gradients == CNN_GRADIENTS_KEPT ? NULL : see_update, health};
}

static double norm_of(double squares)
{
    return isfinite(squares) ? sqrt(squares) : INFINITY;
}

/* The norm of a layer's part of the slab, less that of minus where it is not NULL. */
static double layer_norm(const struct cnn_node *node, const float *slab, const float *minus)
{
    double sum = 0;
    bool any = false;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *tensor = &node->tensors[slot];
        if (!cnn_tensor_trained(tensor))
            continue;
        any = true;
        sum += cnn_kernels()->squares(tensor->count, slab + tensor->offset,
                                      minus ? minus + tensor->offset : NULL);
    }
    return any ? norm_of(sum) : NAN;
}

void cnn_health_after_step(struct cnn_health *health, size_t epoch, const float *parameters,
                           double lr_factor)
{
    for (size_t i = 0; i < health->count; i++) {
        const struct cnn_node *node = &health->graph->nodes[health->nodes[i]];
        struct cnn_health_row *row = &health->rows[i];
        row->epoch = epoch;
        row->weight_norm = layer_norm(node, parameters, NULL);
        row->gradient_norm =
            isnan(row->weight_norm) ? NAN : norm_of(health->squares[health->nodes[i]]);
        row->update_norm = health->gradients == CNN_GRADIENTS_KEPT
                               ? layer_norm(node, parameters, health->before)
                           : isnan(row->weight_norm) ? NAN
                                                     : norm_of(health->updates[health->nodes[i]]);
        row->lr_factor = lr_factor;
    }
}

/* At the end of a layer's forward: marks the channels that hold a number other than zero. */
static void observe(void *context, size_t i, bool backward, bool begin)
{
    struct cnn_health *health = context;
    const struct cnn_call *call = cnn_plan_call(health->evaluator->plan, i);
    const cnn_shape shape = call->node->out;
    if (!backward && !begin && health->alive[i])
        health->living[i] += call->kernels->find_living(call->n * shape.h * shape.w, shape.c,
                                                        call->y, health->alive[i]);
}

static void run_probe(struct cnn_health *health)
{
    const struct cnn_evaluator *evaluator = health->evaluator;
    const cnn_shape shape = health->model->graph.input;
    size_t images = cnn_dataset_count(evaluator->dataset), n;
    images = images < CNN_HEALTH_PROBE ? images : CNN_HEALTH_PROBE;
    cnn_plan_parameters_changed(evaluator->plan);
    cnn_plan_observe(evaluator->plan, observe, health);
    for (size_t first = 0; first < images; first += n) {
        n = images - first < evaluator->batch ? images - first : evaluator->batch;
        for (size_t i = 0; i < n; i++)
            cnn_normalize(&health->model->normalization,
                          cnn_dataset_read(evaluator->dataset, first + i, health->pixels),
                          shape.h * shape.w,
                          cnn_plan_input(evaluator->plan) + i * cnn_shape_count(shape));
        cnn_plan_forward(evaluator->plan, n, false, 0);
    }
    cnn_plan_observe(evaluator->plan, NULL, NULL);
}

void cnn_health_probe(struct cnn_health *health)
{
    bool any = false;
    for (size_t i = 0; i < health->count; i++) {
        size_t node = health->nodes[i];
        health->living[node] = 0;
        if (health->alive[node])
            memset(health->alive[node], 0, health->rows[i].channels * sizeof(bool));
        any = any || health->alive[node];
    }
    if (any && !health->unprobed)
        run_probe(health);
    for (size_t i = 0; i < health->count; i++) {
        struct cnn_health_row *row = &health->rows[i];
        row->dead = row->channels && !health->unprobed
                        ? 1 - (double)health->living[health->nodes[i]] / (double)row->channels
                        : NAN;
    }
}

/* A hint that ends in a newline goes on without it. */
static void tell_line(struct cnn_text *line, void (*tell)(void *context, const char *text),
                      void *context)
{
    line->data[line->size - 1] = '\0';
    tell(context, line->data);
}

static void tell_blown_up(struct cnn_health *health, double loss,
                          void (*tell)(void *context, const char *text), void *context)
{
    struct cnn_text text = {0};
    if (!health->told_blown_up &&
        cnn_health_hint_blown_up(health->rows, health->count, loss, &text) && !text.failed) {
        health->told_blown_up = true;
        tell_line(&text, tell, context);
    }
    cnn_text_free(&text);
}

void cnn_health_tell(struct cnn_health *health, double loss,
                     void (*tell)(void *context, const char *text), void *context)
{
    cnn_say_plainly(true);
    tell_blown_up(health, loss, tell, context);
    for (enum cnn_health_kind kind = 0; kind < CNN_HEALTH_KINDS; kind++)
        for (size_t i = 0; i < health->count; i++) {
            struct cnn_text text = {0};
            unsigned *told = &health->told[kind == CNN_HEALTH_DEAD ? i : 0];
            if (!(*told & 1u << kind) && cnn_health_applies(health->model, kind) &&
                cnn_health_hint(health->rows, health->count, i, kind, &text) && !text.failed) {
                *told |= 1u << kind;
                tell_line(&text, tell, context);
            }
            cnn_text_free(&text);
        }
    cnn_say_plainly(false);
}
