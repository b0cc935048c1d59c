/* Comparing a network of bytes with its graph, layer by layer. A number between two codes may be
 * rounded to either, and a deep network makes much of that; so the reference computes each layer
 * from the numbers of this network, not from its own. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_compare.h"
#include "graph/bytes.h"
#include "model/model.h"
#include "util/allocate.h"

/* What a layer gives. */
struct kept {
    float *numbers;         /* pixel by pixel; NULL: it has no value of its own */
    struct cnn_codes codes; /* in which they were; scale 0: floats */
    struct cnn_codes read;  /* into which its readers round floats; scale 0: none does */
    int jump; /* codes that differ by one before an activation differ by so many behind */
};

struct byte_check {
    const struct cnn_lowering *lowering;
    const cnn_model *model;
    struct cnn_plan *plan;
    struct kept *kept; /* by node */
    size_t *layer_of;  /* by value: the number of the layer that gives it; 0: none */
    bool *in_file;     /* by node: it has a value there */
    cnn_status kept_status;
    bool ended; /* the output was compared */
    double tolerance;
    struct cnn_onnx_agreement *out;
    cnn_diag *diag;
};

/* The last of the layers that are fused with node. */
static size_t last_of_fused(const struct byte_check *c, size_t node)
{
    size_t last = node;
    for (size_t i = node + 1; i < c->model->graph.count; i++)
        if (cnn_plan_lead(c->plan, i) == node)
            last = i;
    return last;
}

/* The one of them whose value in the file is that of all: those behind it have none, since they do
 * nothing or are in the weights. */
static size_t end_of_fused(const struct byte_check *c, size_t node)
{
    size_t end = node;
    for (size_t i = node + 1; i < c->model->graph.count; i++)
        if (cnn_plan_lead(c->plan, i) == node && c->in_file[i])
            end = i;
    return end;
}

/* The codes into which layers round value v, which others give as floats. */
static struct cnn_codes codes_of_readers(const struct byte_check *c, size_t v)
{
    const struct cnn_graph *graph = &c->model->graph;
    for (size_t i = v; i < graph->count; i++) {
        const struct cnn_call *call = cnn_plan_call(c->plan, i);
        size_t x = graph->nodes[i].inputs[0];
        while (x > v &&
               graph->nodes[x - 1].type->operation(&graph->nodes[x - 1]).kind == CNN_OPERATION_PASS)
            x = graph->nodes[x - 1].inputs[0];
        if (x == v && call->x_range && !call->node->x_bytes)
            return cnn_codes_of(call->x_range[0]);
    }
    return (struct cnn_codes){0};
}

/* A number that lies so near the middle between two codes that float32 and double may round it to
 * different ones is moved to the side of the code that the layer takes, by a thousandth of a step.
 */
static double off_the_middle(const struct byte_check *c, float number, struct cnn_codes codes)
{
    unsigned char code[4];
    if (codes.scale == 0)
        return (double)number;
    const double scale = (double)codes.scale, at = (double)number / scale + codes.zero;
    const double middle = floor(at) + 0.5;
    if (fabs(at - middle) > 1e-4)
        return (double)number;
    cnn_plan_call(c->plan, 0)->kernels->quantize(1, 1, &number, codes, code);
    return (middle + ((double)code[0] > middle ? 1e-3 : -1e-3) - codes.zero) * scale;
}

static int largest_jump(const struct cnn_integers *k)
{
    int most = 1;
    for (int i = 1; k && k->step > 0 && i < 256; i++) {
        const int jump = abs(k->table[i] - k->table[i - 1]);
        most = jump > most ? jump : most;
    }
    return most;
}

/* Copies a value as numbers before others take its memory. */
static void keep_value(void *context, size_t node, bool backward, bool begin)
{
    struct byte_check *c = context;
    if (backward || begin || cnn_plan_lead(c->plan, node) != node || c->kept_status != CNN_OK)
        return;
    const struct cnn_call *call = cnn_plan_call(c->plan, node);
    const cnn_shape out = call->node->out;
    const size_t count = cnn_shape_count(out), row = cnn_code_channels(out.c);
    struct kept *kept = &c->kept[end_of_fused(c, node)];
    kept->numbers = cnn_malloc((count + 1) * sizeof *kept->numbers);
    if (!kept->numbers) {
        c->kept_status = cnn_fail_memory(c->diag, count * sizeof *kept->numbers, "a value");
        return;
    }
    if (!call->node->y_bytes) {
        memcpy(kept->numbers, call->y, count * sizeof *kept->numbers);
        kept->read = codes_of_readers(c, last_of_fused(c, node) + 1);
        return;
    }
    const unsigned char *bytes = (const unsigned char *)call->y;
    kept->jump = largest_jump(cnn_call_integers(call));
    kept->codes = cnn_codes_of(call->y_range);
    for (size_t i = 0; i < count; i++)
        kept->numbers[i] =
            (float)(bytes[i / out.c * row + i % out.c] - kept->codes.zero) * kept->codes.scale;
}

/* Runs the network with bytes. */
static cnn_status keep_values(struct byte_check *c, float *image)
{
    const struct cnn_plan_options options = {.batch = 1, .mode = CNN_PLAN_INFER};
    const cnn_shape in = c->model->graph.input;
    cnn_status status =
        cnn_plan_new(&c->model->graph, c->model->parameters, &options, &c->plan, c->diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_codes codes = codes_of_readers(c, 0);
    for (size_t i = 0; i < cnn_shape_count(in); i++)
        image[i] = (float)off_the_middle(c, image[i], codes);
    cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(c->plan));
    cnn_plan_observe(c->plan, keep_value, c);
    cnn_plan_forward(c->plan, 1, false, 0);
    return c->kept_status;
}

/* A number of the file as the layer would write it. */
static double in_codes(double number, struct cnn_codes codes)
{
    if (codes.scale == 0)
        return number;
    const double scale = (double)codes.scale, code = nearbyint(number / scale + codes.zero);
    return (fmin(255, fmax(0, code)) - codes.zero) * scale;
}

static cnn_status fail_layer(const struct byte_check *c, const struct cnn_lowered_layer *layer,
                             double want, double got)
{
    return cnn_fail(c->diag, CNN_FAILED, NULL,
                    "%s: layer '%s' (%s), computed with bytes, gives %.9g where the file gives "
                    "%.9g for the same inputs",
                    c->lowering->file->name, layer->name, layer->type, got, want);
}

/* Bytes may differ by one code, before an activation that is a table. Numbers of the file are then
 * those of the layer. */
static cnn_status compare_numbers(struct byte_check *c, const struct cnn_lowered_layer *layer,
                                  const struct kept *kept, struct cnn_onnx_array *array)
{
    const size_t map = layer->shape.h * layer->shape.w, count = layer->shape.c * map;
    double largest = 255 * (double)kept->codes.scale * kept->jump, error = 0, want = 0, got = 0;
    for (size_t i = 0; i < array->count; i++) {
        const size_t place = cnn_view_place(&layer->order, i % count);
        const double plain = layer->logarithm ? exp(array->data[i]) : array->data[i];
        const double number = in_codes(plain, kept->codes);
        const double own = (double)kept->numbers[place % map * layer->shape.c + place / map];
        if (kept->codes.scale == 0)
            largest = fmax(largest, fabs(number));
        if (!(fabs(number - own) <= error)) {
            error = isnan(number - own) ? INFINITY : fabs(number - own);
            want = number;
            got = own;
        }
        array->data[i] = off_the_middle(c, (float)own, kept->read);
    }
    const double share = error == 0 ? 0 : largest > 0 ? error / largest : INFINITY;
    if (share > c->out->error || !c->out->layer) {
        c->out->error = share;
        c->out->layer = layer->name;
    }
    c->out->layers++;
    const double limit = kept->codes.scale > 0 ? 1.5 / 255 : c->tolerance;
    return share <= limit ? CNN_OK : fail_layer(c, layer, want, got);
}

/* Whether the value is one of codes already, which the layer gives before they are made. */
static bool behind_codes(const struct cnn_lowering *l, size_t value)
{
    return l->ranges && l->ranges[value][1] > l->ranges[value][0];
}

static cnn_status compare_value(void *context, size_t value, struct cnn_onnx_array *array)
{
    struct byte_check *c = context;
    const struct cnn_lowering *l = c->lowering;
    if (c->layer_of[value] == 0 || behind_codes(l, value))
        return CNN_OK;
    const struct cnn_lowered_layer *layer = &l->layers[c->layer_of[value] - 1];
    size_t node;
    cnn_status status = cnn_model_find_layer(c->model, layer->name, &node, c->diag);
    if (status != CNN_OK || !c->kept[node].numbers)
        return status;
    const cnn_shape has = c->model->graph.nodes[node].out, wanted = layer->shape;
    if (has.c != wanted.c || has.h != wanted.h || has.w != wanted.w ||
        array->count < cnn_shape_count(has))
        return cnn_fail(c->diag, CNN_FAILED, NULL,
                        "%s: layer '%s' (%s) has another shape than '%s'", l->file->name,
                        layer->name, layer->type, l->file->values[value].name);
    c->ended =
        c->ended || node == end_of_fused(c, cnn_plan_lead(c->plan, c->model->graph.count - 1));
    return compare_numbers(c, layer, &c->kept[node], array);
}

static cnn_status find_values(struct byte_check *c)
{
    const struct cnn_lowering *l = c->lowering;
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < l->count && status == CNN_OK; i++) {
        const struct cnn_lowered_layer *layer = &l->layers[i];
        size_t node;
        if (!layer->needed || layer->value == CNN_ONNX_NONE)
            continue;
        c->layer_of[layer->value] = i + 1;
        status = cnn_model_find_layer(c->model, layer->name, &node, c->diag);
        if (status == CNN_OK)
            c->in_file[node] = true;
    }
    return status;
}

static cnn_status run_both(struct byte_check *c, float *image)
{
    struct cnn_onnx_array input = {0};
    cnn_status status = keep_values(c, image);
    if (status == CNN_OK)
        status = cnn_onnx_compare_input(c->lowering, image, &input, c->diag);
    if (status == CNN_OK)
        status = cnn_onnx_execute(c->lowering->file, &input, compare_value, c, NULL, c->diag);
    if (status == CNN_OK && !c->ended)
        status = cnn_fail(c->diag, CNN_FAILED, NULL, "%s: no value of it is the network's output",
                          c->lowering->file->name);
    cnn_free(input.data);
    cnn_plan_free(c->plan);
    return status;
}

cnn_status cnn_onnx_compare_bytes(const struct cnn_lowering *lowering, const cnn_model *model,
                                  float *image, double tolerance, struct cnn_onnx_agreement *out,
                                  cnn_diag *diag)
{
    const size_t nodes = model->graph.count, values = lowering->file->value_count;
    struct byte_check c = {.lowering = lowering,
                           .model = model,
                           .kept = cnn_calloc(nodes + 1, sizeof *c.kept),
                           .layer_of = cnn_calloc(values + 1, sizeof *c.layer_of),
                           .in_file = cnn_calloc(nodes + 1, sizeof *c.in_file),
                           .tolerance = tolerance,
                           .out = out,
                           .diag = diag};
    cnn_status status = c.kept && c.layer_of && c.in_file
                            ? find_values(&c)
                            : cnn_fail_memory(diag, nodes * sizeof *c.kept, "a comparison");
    if (status == CNN_OK)
        status = run_both(&c, image);
    for (size_t i = 0; c.kept && i < nodes; i++)
        cnn_free(c.kept[i].numbers);
    cnn_free(c.kept);
    cnn_free(c.layer_of);
    cnn_free(c.in_file);
    return status;
}
