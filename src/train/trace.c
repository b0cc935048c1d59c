/* Backward from one picture's loss, and the chain rule as a sum: the gradient of a number is the
 * sum, over the numbers that depend on it, of their gradients times their slopes. */
#include "train/trace.h"

#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "util/allocate.h"
#include "util/arena.h"

/* Gradients share memory in a plan: each is copied when it is whole. */
struct collector {
    struct cnn_plan *plan;
    const struct cnn_trace *trace;
};

static size_t count_of(const struct cnn_trace *trace, size_t value)
{
    return cnn_shape_count(cnn_graph_shape(&trace->model->graph, value));
}

static void keep_gradient(struct collector *c, size_t value)
{
    memcpy(c->trace->gradients[value], cnn_plan_gradient(c->plan, value),
           count_of(c->trace, value) * sizeof(float));
}

static void observe(void *context, size_t node, bool backward, bool begin)
{
    if (backward && begin)
        keep_gradient(context, node + 1);
}

static cnn_status allocate(struct cnn_trace *trace, cnn_diag *diag)
{
    const struct cnn_graph *graph = &trace->model->graph;
    size_t total = graph->parameter_floats + 1;
    for (size_t value = 0; value <= graph->count; value++)
        if (!cnn_size_add(total, count_of(trace, value), &total))
            return cnn_fail_memory(diag, SIZE_MAX, "gradients");
    trace->gradients = cnn_calloc(graph->count + 1, sizeof *trace->gradients);
    trace->memory = cnn_floats_new(total); /* zeros */
    if (!trace->gradients || !trace->memory)
        return cnn_fail_memory(diag, total * sizeof(float), "gradients");
    float *next = trace->memory;
    for (size_t value = 0; value <= graph->count; value++) {
        trace->gradients[value] = next;
        next += count_of(trace, value);
    }
    trace->parameters = next;
    return CNN_OK;
}

static void go_back(struct cnn_trace *trace, struct cnn_plan *plan, size_t label)
{
    struct collector collector = {plan, trace};
    const struct cnn_graph *graph = &trace->model->graph;
    const struct cnn_targets targets = {.labels = &label};
    cnn_plan_observe(plan, observe, &collector);
    cnn_plan_forward(plan, 1, false, 0);
    cnn_loss_compute(&trace->model->loss, 1, trace->classes, cnn_plan_value(plan, trace->target),
                     &targets, cnn_plan_gradient(plan, trace->target));
    cnn_plan_backward(plan, 1, trace->target);
    keep_gradient(&collector, 0);
    memcpy(trace->parameters, cnn_plan_parameter_gradients(plan),
           graph->parameter_floats * sizeof(float));
}

static cnn_status open_plan(const cnn_model *model, const float *image, enum cnn_plan_mode mode,
                            struct cnn_plan **out, cnn_diag *diag)
{
    const cnn_shape in = model->graph.input;
    const struct cnn_plan_options options = {
        .batch = 1, .mode = mode, .input_gradient = mode == CNN_PLAN_WATCH};
    cnn_status status = cnn_plan_new(&model->graph, model->parameters, &options, out, diag);
    if (status == CNN_OK)
        cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(*out));
    return status;
}

cnn_status cnn_trace_open(const cnn_model *model, const float *image, size_t label,
                          struct cnn_trace *out, cnn_diag *diag)
{
    struct cnn_trace trace = {.model = model};
    struct cnn_plan *plan = NULL;
    cnn_status status = model->task->find_target(&model->graph, &model->loss, &trace.target, diag);
    if (status != CNN_OK)
        return status;
    trace.classes = cnn_graph_shape(&model->graph, trace.target).c;
    if (label >= trace.classes)
        return cnn_fail_index(diag, "class", label, trace.classes);
    status = allocate(&trace, diag);
    if (status == CNN_OK)
        status = open_plan(model, image, CNN_PLAN_KEEP, &trace.plan, diag);
    if (status == CNN_OK)
        status = open_plan(model, image, CNN_PLAN_WATCH, &plan, diag);
    if (status == CNN_OK) {
        cnn_plan_forward(trace.plan, 1, false, 0);
        go_back(&trace, plan, label);
        *out = trace;
    } else {
        cnn_trace_close(&trace);
    }
    cnn_plan_free(plan);
    return status;
}

void cnn_trace_close(struct cnn_trace *trace)
{
    cnn_plan_free(trace->plan);
    cnn_free(trace->gradients);
    cnn_floats_free(trace->memory);
}

/* ---- Sums ---- */

static double weight_of(const struct cnn_trace_term *term)
{
    double product = term->gradient * term->slope;
    return isnan(product) ? INFINITY : fabs(product);
}

static void add_term(struct cnn_trace_sum *sum, struct cnn_trace_term term)
{
    size_t at = sum->listed;
    term.order = sum->count++;
    sum->total += term.gradient * term.slope;
    while (at > 0 && weight_of(&term) > weight_of(&sum->terms[at - 1]))
        at--;
    if (at == CNN_TRACE_TERMS)
        return;
    if (sum->listed < CNN_TRACE_TERMS)
        sum->listed++;
    memmove(sum->terms + at + 1, sum->terms + at, (sum->listed - 1 - at) * sizeof *sum->terms);
    sum->terms[at] = term;
}

static struct cnn_operand operand_of(const struct cnn_trace_place *place, size_t input)
{
    return (struct cnn_operand){.parameter = place->parameter,
                                .input = input,
                                .channel = place->channel,
                                .row = place->row,
                                .column = place->column,
                                .slot = place->slot,
                                .index = place->index};
}

/* The numbers of a node's output that depend on the operand. */
static void add_node(const struct cnn_trace *trace, size_t node, struct cnn_operand operand,
                     struct cnn_trace_sum *sum)
{
    const struct cnn_node *n = &trace->model->graph.nodes[node];
    const struct cnn_call *call = cnn_plan_call(trace->plan, node);
    const float *gradients = trace->gradients[node + 1];
    struct cnn_question q = {.input = CNN_NO_INDEX, .nodes = trace->model->graph.nodes};
    for (q.channel = 0; q.channel < n->out.c; q.channel++)
        for (q.row = 0; q.row < n->out.h; q.row++)
            for (q.column = 0; q.column < n->out.w; q.column++) {
                double slope = n->type->slope(call, &q, &operand, NULL);
                if (!(slope != 0))
                    continue;
                add_term(sum,
                         (struct cnn_trace_term){
                             .from = {.value = node + 1,
                                      .channel = q.channel,
                                      .row = q.row,
                                      .column = q.column},
                             .input = operand.input,
                             .slope = slope,
                             .gradient = (double)
                                 gradients[(q.row * n->out.w + q.column) * n->out.c + q.channel]});
            }
}

void cnn_trace_sum(const struct cnn_trace *trace, const struct cnn_trace_place *place,
                   struct cnn_trace_sum *out)
{
    const struct cnn_graph *graph = &trace->model->graph;
    *out = (struct cnn_trace_sum){.count = 0};
    if (place->parameter && place->node < trace->target)
        add_node(trace, place->node, operand_of(place, 0), out);
    for (size_t i = 0; !place->parameter && i < trace->target; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == place->value)
                add_node(trace, i, operand_of(place, k), out);
}

void cnn_trace_write_slope(const struct cnn_trace *trace, const struct cnn_trace_place *place,
                           const struct cnn_trace_term *term, struct cnn_text *out)
{
    size_t node = term->from.value - 1;
    struct cnn_operand operand = operand_of(place, term->input);
    const struct cnn_question q = {.channel = term->from.channel,
                                   .row = term->from.row,
                                   .column = term->from.column,
                                   .input = CNN_NO_INDEX,
                                   .nodes = trace->model->graph.nodes};
    trace->model->graph.nodes[node].type->slope(cnn_plan_call(trace->plan, node), &q, &operand,
                                                out);
}

static size_t place_in(const struct cnn_trace *trace, const struct cnn_trace_place *place)
{
    const cnn_shape s = cnn_graph_shape(&trace->model->graph, place->value);
    return (place->row * s.w + place->column) * s.c + place->channel;
}

static size_t slab_index(const struct cnn_trace *trace, const struct cnn_trace_place *place)
{
    return trace->model->graph.nodes[place->node].tensors[place->slot].offset + place->index;
}

float cnn_trace_value(const struct cnn_trace *trace, const struct cnn_trace_place *place)
{
    return place->parameter ? trace->model->parameters[slab_index(trace, place)]
                            : cnn_plan_value(trace->plan, place->value)[place_in(trace, place)];
}

float cnn_trace_gradient(const struct cnn_trace *trace, const struct cnn_trace_place *place)
{
    return place->parameter ? trace->parameters[slab_index(trace, place)]
                            : trace->gradients[place->value][place_in(trace, place)];
}
