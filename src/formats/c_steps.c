/* The steps of an exported network (c_export.h): what the fused graph computes, what each value is
 * in memory, and how long. Layers that only pass on what they read are no steps. */
#include <ctype.h>
#include <string.h>

#include "formats/c_export.h"

/* ---- What a step computes ---- */

/* The layers that the lead has taken in, in order. */
static void take_in(const struct cnn_c_net *net, struct cnn_c_step *step, size_t number)
{
    const struct cnn_graph *graph = &net->e->model->graph;
    for (size_t i = net->fused.origin[number] + 1; i < graph->count; i++) {
        const struct cnn_node *node = &graph->nodes[i];
        if (net->fused.lead[i] != number)
            continue;
        const struct cnn_operation operation = node->type->operation(node);
        if (operation.kind == CNN_OPERATION_BATCH_NORM)
            step->norm = node;
        if (operation.activation.kind != CNN_ACT_NONE)
            step->activation = operation.activation;
        if (operation.kind == CNN_OPERATION_POOL) {
            step->pools = true;
            step->pool = operation.pool;
        }
    }
}

static const char *name_function(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    char *name = cnn_arena_printf(net->e->arena, "layer%zu_%.40s", step->y, step->lead->name);
    for (char *c = name; c && *c; c++)
        if (!isalnum((unsigned char)*c) || (unsigned char)*c > 127)
            *c = '_';
    net->failed = net->failed || !name;
    return name;
}

static void read_step(const struct cnn_c_net *net, size_t number, struct cnn_c_step *step)
{
    *step = (struct cnn_c_step){.node = &net->fused.graph.nodes[number],
                                .lead = &net->e->model->graph.nodes[net->fused.origin[number]],
                                .y = number + 1,
                                .scratch = CNN_C_NONE};
    step->operation = step->lead->type->operation(step->lead);
    step->activation = step->operation.activation;
    step->call = cnn_plan_step(net->plan, number);
    step->integers = net->int8 ? cnn_call_integers(step->call) : NULL;
    step->bytes = step->node->quantization &&
                  (step->integers || net->values[step->node->inputs[0]].element == 1);
    take_in(net, step, number);
}

/* ---- Values that are passed on ---- */

/* Whether all who read value v can do so whatever its order: dense layers, whose weights are
 * ordered as it is. */
static bool has_free_order(const struct cnn_c_net *net, size_t v)
{
    const struct cnn_graph *graph = &net->fused.graph;
    for (size_t i = v; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            struct cnn_c_step reader;
            if (graph->nodes[i].inputs[k] != v)
                continue;
            read_step(net, i, &reader);
            if (reader.operation.kind != CNN_OPERATION_DENSE &&
                (reader.operation.kind != CNN_OPERATION_PASS || !has_free_order(net, i + 1)))
                return false;
        }
    return v != cnn_graph_output(graph);
}

static bool passes(const struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const cnn_shape in = step->node->in[0];
    if (step->operation.kind == CNN_OPERATION_PASS)
        return step->activation.kind == CNN_ACT_NONE;
    if (step->operation.kind != CNN_OPERATION_FLATTEN)
        return false;
    return in.h * in.w == 1 || in.c == 1 || has_free_order(net, step->y);
}

/* ---- Arrays ---- */

static size_t round_up(size_t bytes)
{
    return (bytes + 3) / 4 * 4;
}

/* The last step that reads value v. */
static size_t last_reader(const struct cnn_graph *graph, size_t v)
{
    size_t last = v > 0 ? v - 1 : 0;
    for (size_t i = v; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == v)
                last = i;
    return v == cnn_graph_output(graph) ? graph->count : last;
}

static size_t add_array(struct cnn_c_net *net, size_t bytes, size_t first, size_t last)
{
    net->arrays[net->array_count] = (struct cnn_c_array){
        .bytes = round_up(bytes), .first = first, .last = last, .over = CNN_C_NONE};
    return net->array_count++;
}

/* Value v stands where another stands. */
static void share_array(struct cnn_c_net *net, size_t v, size_t with)
{
    struct cnn_c_array *array = &net->arrays[net->values[with].array];
    const size_t last = last_reader(&net->fused.graph, v);
    net->values[v].array = net->values[with].array;
    array->last = last > array->last ? last : array->last;
}

/* The first row of its input that output row i of windows reads. */
static size_t first_row(size_t i, size_t stride, size_t pad)
{
    return i * stride > pad ? i * stride - pad : 0;
}

struct sliding { /* rows of windows, and whether y is written as they are computed */
    size_t out_h, stride, pad;
    bool possible;
    size_t later; /* rows of y that are computed after a row is written, and before it is: 0, 1 */
};

static struct sliding sliding_of(const struct cnn_c_step *step)
{
    const struct cnn_conv *c = &step->operation.conv;
    const struct cnn_pool *p = &step->operation.pool;
    struct sliding s = {0};
    if (step->operation.kind == CNN_OPERATION_POOL)
        s = (struct sliding){p->out_h, p->stride_h, p->pad_top, true, 0};
    if (step->operation.kind == CNN_OPERATION_CONVOLVE && c->padding_mode == CNN_PAD_ZEROS)
        s = (struct sliding){c->out_h, c->stride_h, c->pad_top, true, 0};
    if (step->pools) { /* two rows are computed in scratch before one is written */
        s.out_h = step->pool.out_h;
        s.stride *= 2;
        s.later = 1;
    }
    return s;
}

/* How far before its input the output of windows has to begin: row i of y must end before the
 * first row of x that is still read. */
static size_t find_ahead(const struct sliding *s, size_t x_row, size_t y_row)
{
    size_t ahead = 0;
    for (size_t i = 0; i + s->later < s->out_h; i++) {
        const size_t end = (i + 1) * y_row, begin = first_row(i + s->later, s->stride, s->pad);
        if (end > begin * x_row + ahead)
            ahead = end - begin * x_row;
    }
    return round_up(ahead);
}

/* Steps that write each number where they read it, and nothing else. */
static bool is_pointwise(const struct cnn_c_step *step)
{
    switch (step->operation.kind) {
    case CNN_OPERATION_PASS:
    case CNN_OPERATION_BATCH_NORM:
    case CNN_OPERATION_GROUP_NORM:
    case CNN_OPERATION_LAYER_NORM:
    case CNN_OPERATION_SCALE:
    case CNN_OPERATION_ACTIVATE:
    case CNN_OPERATION_PRELU:
    case CNN_OPERATION_ADD:
    case CNN_OPERATION_MULTIPLY:
        return !step->pools;
    default:
        return false;
    }
}

/* Whether the node reads value v, or another that stands in the same place, after it has written
 * numbers made of its first two inputs. */
static bool is_read_late(const struct cnn_c_net *net, const struct cnn_node *node, size_t v)
{
    for (size_t k = 2; k < node->input_count; k++)
        if (net->values[node->inputs[k]].array == net->values[v].array)
            return true;
    return false;
}

/* The input over which a pointwise step may write: the first that ends with it, of the two that
 * are read first. CNN_C_NONE: there is none. */
static size_t find_over(const struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_node *node = step->node;
    for (size_t k = 0; k < node->input_count && k < 2; k++) {
        const struct cnn_c_value *x = &net->values[node->inputs[k]], *y = &net->values[step->y];
        if (net->arrays[x->array].last == step->y - 1 && x->element == y->element &&
            cnn_shape_count(x->shape) == cnn_shape_count(y->shape) &&
            !(net->streams && node->inputs[k] == 0) && !is_read_late(net, node, node->inputs[k]))
            return node->inputs[k];
    }
    return CNN_C_NONE;
}

static void add_scratch(struct cnn_c_net *net, struct cnn_c_step *step)
{
    const struct cnn_pool *p = &step->pool;
    const size_t bytes = step->bytes   ? cnn_c_scratch_bytes(step)
                         : step->pools ? 2 * p->in_w * p->channels * sizeof(float)
                                       : 0;
    if (bytes > 0)
        step->scratch = add_array(net, bytes, step->y - 1, step->y - 1);
}

static void add_value(struct cnn_c_net *net, struct cnn_c_step *step)
{
    const size_t number = step->y - 1, x = step->node->inputs[0],
                 over = is_pointwise(step) ? find_over(net, step) : CNN_C_NONE;
    struct cnn_c_value *y = &net->values[step->y];
    const struct sliding s = sliding_of(step);
    if (over != CNN_C_NONE) {
        share_array(net, step->y, over);
        return;
    }
    y->array = add_array(net, cnn_shape_count(y->shape) * y->element, number,
                         last_reader(&net->fused.graph, step->y));
    if (!s.possible || (net->streams && x == 0) || net->arrays[net->values[x].array].last != number)
        return;
    net->arrays[y->array].over = net->values[x].array;
    net->arrays[y->array].ahead =
        find_ahead(&s, cnn_c_row_bytes(&net->values[x]), cnn_c_row_bytes(y));
}

/* ---- The input ---- */

/* The rows that stay in memory where the first step can run as they arrive; 0: it cannot. */
static size_t find_ring(const struct cnn_c_net *net, const struct cnn_c_step *first)
{
    const struct cnn_conv *c = &first->operation.conv;
    const struct cnn_pool *p = &first->operation.pool;
    size_t rows = 0;
    if (first->y != 1 || last_reader(&net->fused.graph, 0) > 0)
        return 0;
    if (first->operation.kind == CNN_OPERATION_POOL)
        rows = p->kernel_h;
    if (first->operation.kind == CNN_OPERATION_CONVOLVE && c->padding_mode == CNN_PAD_ZEROS)
        rows = (c->kernel_h - 1) * c->dilation_h + 1 + (first->pools ? c->stride_h : 0);
    return rows < first->node->in[0].h ? rows : first->node->in[0].h;
}

static void add_input(struct cnn_c_net *net)
{
    struct cnn_c_step first;
    struct cnn_c_value *input = &net->values[0];
    const cnn_shape shape = net->fused.graph.input;
    read_step(net, 0, &first);
    net->ring = find_ring(net, &first);
    net->streams = net->ring > 0;
    if (!net->streams)
        net->ring = shape.h;
    input->array =
        add_array(net, net->ring * cnn_c_row_bytes(input), 0, last_reader(&net->fused.graph, 0));
}

/* ---- All ---- */

static void pass_on(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const size_t x = step->node->inputs[0];
    struct cnn_c_value *y = &net->values[step->y];
    const cnn_shape in = net->values[x].shape;
    y->element = net->values[x].element;
    y->codes = net->values[x].codes;
    y->map = net->values[x].map;
    if (step->operation.kind == CNN_OPERATION_FLATTEN && in.h * in.w > 1 && in.c > 1)
        y->map = in;
    share_array(net, step->y, x);
}

/* What the bytes of the step's output are worth. */
static void find_codes(struct cnn_c_net *net, const struct cnn_c_step *step)
{
    struct cnn_c_value *y = &net->values[step->y];
    y->codes = step->integers ? step->integers->y : net->values[step->node->inputs[0]].codes;
}

/* Whether the step gives on what it reads, so that bytes may go through it as well as floats do: a
 * plan gives it floats in front of the first layer that computes. */
static bool carries(const struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const struct cnn_quantization *q = step->node->quantization;
    return passes(net, step) || (q && q->passes && q->passes(step->node) && !step->integers &&
                                 step->activation.kind == CNN_ACT_NONE && cnn_c_has_bytes(step));
}

/* Which values are the input's numbers, maybe in another order; false: some of them are the
 * network's output. */
static bool find_carried(const struct cnn_c_net *net, bool *carried)
{
    const struct cnn_graph *graph = &net->fused.graph;
    carried[0] = true;
    for (size_t i = 0; i < graph->count; i++) {
        struct cnn_c_step step;
        read_step(net, i, &step);
        carried[i + 1] = carries(net, &step);
        for (size_t k = 0; k < step.node->input_count; k++)
            carried[i + 1] = carried[i + 1] && carried[step.node->inputs[k]];
    }
    return !carried[cnn_graph_output(graph)];
}

/* The bytes that all other steps want of such values. A scale of 0: some want floats, or other
 * bytes than those before them. cnn quantize gives all one range; a model from elsewhere may not.
 */
static struct cnn_codes wanted_codes(struct cnn_c_net *net, const bool *carried)
{
    const struct cnn_graph *graph = &net->fused.graph;
    struct cnn_codes all = {0};
    for (size_t i = 0; i < graph->count; i++)
        for (size_t k = 0; !carried[i + 1] && k < graph->nodes[i].input_count; k++) {
            struct cnn_c_step reader;
            if (!carried[graph->nodes[i].inputs[k]])
                continue;
            read_step(net, i, &reader);
            const struct cnn_codes codes =
                reader.integers ? reader.integers->x[k] : (struct cnn_codes){0};
            if (!(codes.scale > 0))
                return codes;
            if (all.scale > 0 && (codes.scale != all.scale || codes.zero != all.zero)) {
                net->differing = reader.lead;
                return (struct cnn_codes){0};
            }
            all = codes;
        }
    return all;
}

/* The input comes as floats; where all that read it want the same bytes, it is kept as such. */
static void find_input_codes(struct cnn_c_net *net)
{
    const size_t count = net->fused.graph.count;
    bool *carried = cnn_arena_array(net->e->arena, count + 1, sizeof *carried);
    net->failed = net->failed || !carried;
    if (net->failed || !find_carried(net, carried))
        return;
    const struct cnn_codes codes = wanted_codes(net, carried);
    for (size_t v = 0; v <= count && codes.scale > 0; v++)
        if (carried[v]) {
            net->values[v].element = 1;
            net->values[v].codes = codes;
        }
}

/* Whether the step gets what it computes with: bytes, or for a softmax at the end floats. */
static bool is_served(const struct cnn_c_net *net, const struct cnn_c_step *step)
{
    const bool bytes = net->values[step->node->inputs[0]].element == 1;
    if (step->bytes)
        return bytes && (!step->pools || net->values[step->y].element == 1);
    return !bytes && step->operation.kind == CNN_OPERATION_ACTIVATE &&
           step->activation.kind == CNN_ACT_SOFTMAX;
}

static cnn_status refuse_unknown(const struct cnn_c_net *net)
{
    cnn_status status = CNN_OK;
    if (net->differing)
        status = cnn_fail(net->e->diag, CNN_INVALID, NULL,
                          "layer '%s' reads the network's input in another range than a layer "
                          "before it, and the input has one form in bytes",
                          net->differing->name);
    for (size_t pass = 0; net->int8 && status == CNN_OK && pass < 2; pass++)
        for (size_t i = 0; i < net->count; i++) {
            const struct cnn_c_step *step = &net->steps[i];
            if (pass == 0 ? cnn_c_has_bytes(step) : is_served(net, step))
                continue;
            status = cnn_fail(net->e->diag, CNN_INVALID, NULL,
                              "layer '%s' (%s) %s, and a network of int8 is written with whole "
                              "numbers alone",
                              step->lead->name, step->lead->type->variant.name,
                              pass == 0     ? "has no form in bytes"
                              : step->bytes ? "reads floats"
                                            : "works on floats");
        }
    if (status != CNN_OK)
        cnn_hint(net->e->diag, "export the float32 model that it was quantized from");
    return status;
}

static void make_steps(struct cnn_c_net *net)
{
    const struct cnn_graph *graph = &net->fused.graph;
    for (size_t v = 0; v <= graph->count; v++) {
        net->values[v].shape = cnn_graph_shape(graph, v);
        net->values[v].element = v > 0 && graph->nodes[v - 1].y_bytes ? 1 : sizeof(float);
    }
    if (net->int8)
        find_input_codes(net);
    add_input(net);
    for (size_t i = 0; i < graph->count; i++) {
        struct cnn_c_step *step = &net->steps[net->count];
        read_step(net, i, step);
        if (passes(net, step)) {
            pass_on(net, step);
            continue;
        }
        step->function = name_function(net, step);
        add_value(net, step);
        add_scratch(net, step);
        find_codes(net, step);
        net->macs += step->lead->macs;
        net->count++;
    }
}

/* A plan for one image, and which layers its nodes execute. */
static cnn_status make_plan(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    cnn_status status = cnn_export_floats(e, &net->floats);
    if (status != CNN_OK)
        return status;
    const struct cnn_graph *graph = &net->floats->graph;
    const struct cnn_plan_options options = {.batch = 1, .mode = CNN_PLAN_INFER, .chains = true};
    struct cnn_c_fused *fused = &net->fused;
    status = cnn_plan_new(graph, e->model->parameters, &options, &net->plan, e->diag);
    if (status != CNN_OK)
        return status;
    fused->graph = *cnn_plan_graph(net->plan);
    fused->lead = cnn_arena_array(e->arena, graph->count, sizeof *fused->lead);
    fused->origin = cnn_arena_array(e->arena, graph->count, sizeof *fused->origin);
    if (!fused->lead || !fused->origin)
        return cnn_fail_memory(e->diag, graph->count * sizeof *fused->lead, e->path);
    for (size_t i = 0, count = 0; i < graph->count; i++) {
        const size_t first = cnn_plan_lead(net->plan, i);
        if (first == i)
            fused->origin[count] = i;
        fused->lead[i] = first == i ? count++ : fused->lead[first];
    }
    return CNN_OK;
}

cnn_status cnn_c_steps(struct cnn_c_net *net)
{
    const struct cnn_export *e = net->e;
    cnn_status status = make_plan(net);
    if (status != CNN_OK)
        return status;
    const size_t count = net->fused.graph.count;
    net->int8 = e->model->graph.nodes[0].precision == CNN_PRECISION_INT8;
    net->values = cnn_arena_array(e->arena, count + 1, sizeof *net->values);
    net->steps = cnn_arena_array(e->arena, count, sizeof *net->steps);
    net->arrays = cnn_arena_array(e->arena, 2 * count + 1, sizeof *net->arrays);
    if (!net->values || !net->steps || !net->arrays)
        return cnn_fail_memory(e->diag, count * sizeof *net->steps, e->path);
    make_steps(net);
    if (net->failed || !cnn_c_place(net->arrays, net->array_count, &net->arena_bytes))
        return cnn_fail_memory(e->diag, 0, e->path);
    if (net->count == 0)
        return cnn_fail(e->diag, CNN_INVALID, NULL,
                        "'%s' passes its input on: there is nothing to compute", e->model->name);
    return refuse_unknown(net);
}
