/* Comparing a network with the ONNX graph that it came from, value by value while the reference
 * computes them. */
#include "formats/onnx_compare.h"

#include <math.h>
#include <string.h>

#include "model/model.h"
#include "util/allocate.h"

struct comparison {
    const struct cnn_lowering *lowering;
    const cnn_model *model;
    struct cnn_plan *plan;
    size_t *layer_of; /* by value: the number of the layer that gives it; 0: none */
    double tolerance;
    struct cnn_onnx_agreement *out;
    float *result; /* what the network gives, all layers fused; NULL: it is not looked at */
    cnn_diag *diag;
};

struct difference {
    double largest; /* number */
    double error;   /* the largest difference */
    size_t place;   /* of the error, in channel, row, column order */
    double want, got;
};

/* values: of the layer, pixel by pixel (`last`), or channel by channel. */
static struct difference measure(const struct cnn_lowered_layer *layer,
                                 const struct cnn_onnx_array *array, const float *values, bool last)
{
    const cnn_shape s = layer->shape;
    const size_t map = s.h * s.w, count = s.c * map;
    struct difference d = {0};
    bool broken = false;
    for (size_t i = 0; i < count && !broken; i++) {
        size_t place = cnn_view_place(&layer->order, i);
        double want = layer->logarithm ? exp(array->data[i]) : array->data[i];
        double got = (double)values[last ? place % map * s.c + place / map : place];
        double error = fabs(want - got);
        broken = !(error <= 1e300) || !isfinite(want);
        if (fabs(want) > d.largest)
            d.largest = fabs(want);
        if (error > d.error || broken)
            d = (struct difference){d.largest, broken ? INFINITY : error, place, want, got};
    }
    return d;
}

static cnn_status report(const struct comparison *c, const struct cnn_lowered_layer *layer,
                         const struct difference *d, bool fused)
{
    const cnn_shape s = layer->shape;
    const size_t map = s.h * s.w, channel = d->place / map, rest = d->place % map;
    const struct cnn_onnx_value *value = &c->lowering->file->values[layer->value];
    const struct cnn_onnx_node *node = c->lowering->file->steps[value->producer].node;
    cnn_status status = cnn_fail(
        c->diag, CNN_FAILED, NULL,
        "%s: layer '%s' (%s)%s gives %.9g where node '%s' (%s) gives %.9g: channel %zu, row %zu, "
        "column %zu; the largest number there is %.3g",
        c->lowering->file->name, layer->name, layer->type, fused ? ", with all layers fused," : "",
        d->got, node->name && *node->name ? node->name : value->name, node->op_type, d->want,
        channel, rest / s.w, rest % s.w, d->largest);
    cnn_hint(c->diag, "the layers before it agree: this one was not understood");
    return status;
}

static cnn_status judge(const struct comparison *c, const struct cnn_lowered_layer *layer,
                        const struct difference *d, bool fused)
{
    double share = d->error == 0 ? 0 : d->largest > 0 ? d->error / d->largest : INFINITY;
    if (share > c->out->error || !c->out->layer) {
        c->out->error = share;
        c->out->layer = layer->name;
    }
    return share <= c->tolerance ? CNN_OK : report(c, layer, d, fused);
}

/* Keys that were set by hand may have given the layer another shape than the file's. */
static cnn_status check_shape(const struct comparison *c, const struct cnn_lowered_layer *layer,
                              cnn_shape has)
{
    const cnn_shape wanted = layer->shape;
    char one[64], other[64];
    if (wanted.c == has.c && wanted.h == has.h && wanted.w == has.w)
        return CNN_OK;
    return cnn_fail(c->diag, CNN_FAILED, NULL, "%s: layer '%s' (%s) gives %s, and the file %s",
                    c->lowering->file->name, layer->name, layer->type,
                    cnn_shape_format(has, one, sizeof one),
                    cnn_shape_format(wanted, other, sizeof other));
}

static cnn_status compare_value(void *context, size_t value, struct cnn_onnx_array *array)
{
    const struct comparison *c = context;
    const struct cnn_lowering *l = c->lowering;
    if (c->layer_of[value] == 0)
        return CNN_OK;
    const struct cnn_lowered_layer *layer = &l->layers[c->layer_of[value] - 1];
    size_t node, count = layer->shape.c * layer->shape.h * layer->shape.w;
    cnn_status status = cnn_model_find_layer(c->model, layer->name, &node, c->diag);
    if (status == CNN_OK)
        status = check_shape(c, layer, c->model->graph.nodes[node].out);
    if (status != CNN_OK)
        return status;
    if (array->count < count)
        return cnn_fail(c->diag, CNN_FAILED, NULL, "%s: '%s' has %zu numbers and layer '%s' %zu",
                        l->file->name, l->file->values[value].name, array->count, layer->name,
                        count);
    struct difference d = measure(layer, array, cnn_plan_value(c->plan, node + 1), true);
    c->out->layers++;
    status = judge(c, layer, &d, false);
    if (status != CNN_OK || c->layer_of[value] != l->output)
        return status;
    d = measure(layer, array, c->result, false);
    return judge(c, layer, &d, true);
}

cnn_status cnn_onnx_compare_input(const struct cnn_lowering *l, const float *image,
                                  struct cnn_onnx_array *out, cnn_diag *diag)
{
    cnn_status status = cnn_onnx_input_array(l, out);
    if (status != CNN_OK)
        return status;
    const size_t channels = l->input.c, map = l->input.h * l->input.w, count = channels * map;
    out->data = cnn_malloc((out->count + 1) * sizeof *out->data);
    if (!out->data)
        return cnn_fail_memory(diag, out->count * sizeof *out->data, "an image");
    for (size_t i = 0; i < out->count; i++) {
        size_t at = i % count;
        out->data[i] = (double)image[l->channels_last ? at % channels * map + at / channels : at];
        if (l->normalization)
            out->data[i] = out->data[i] * (double)l->normalization->std[at / map] +
                           (double)l->normalization->mean[at / map];
    }
    return CNN_OK;
}

/* Layer by layer, convolutions are the sums that define them: Winograd's rounding adds up over the
 * layers of a deep network. The whole network is computed as it always will be. */
static cnn_status run_both(struct comparison *c, cnn_model *model, const float *image)
{
    const struct cnn_overrides direct = {.direct = true};
    const struct cnn_lowering *l = c->lowering;
    const cnn_shape in = l->input;
    struct cnn_onnx_array input = {0};
    cnn_model *plain = NULL;
    cnn_status status = cnn_onnx_compare_input(l, image, &input, c->diag);
    if (status == CNN_OK)
        status = cnn_model_run(model, image, 1, c->result, c->diag);
    if (status == CNN_OK)
        status = cnn_model_from_text(model->source, model->resolved, strlen(model->resolved),
                                     &direct, &plain, c->diag);
    if (status == CNN_OK)
        status = cnn_plan_new(&plain->graph, model->parameters,
                              &(struct cnn_plan_options){.batch = 1, .mode = CNN_PLAN_KEEP},
                              &c->plan, c->diag);
    if (status == CNN_OK) {
        cnn_transpose(1, in.c, in.h * in.w, image, cnn_plan_input(c->plan));
        cnn_plan_forward(c->plan, 1, false, 0);
        status = cnn_onnx_execute(l->file, &input, compare_value, c, NULL, c->diag);
    }
    cnn_free(input.data);
    cnn_plan_free(c->plan);
    cnn_model_free(plain);
    return status;
}

cnn_status cnn_onnx_compare(const struct cnn_lowering *lowering, cnn_model *model,
                            const float *image, double tolerance, struct cnn_onnx_agreement *out,
                            cnn_diag *diag)
{
    struct comparison c = {.lowering = lowering,
                           .model = model,
                           .layer_of = cnn_calloc(lowering->file->value_count + 1, sizeof(size_t)),
                           .tolerance = tolerance,
                           .out = out,
                           .result = cnn_malloc((cnn_model_outputs(model) + 1) * sizeof(float)),
                           .diag = diag};
    for (size_t i = 0; c.layer_of && i < lowering->count; i++)
        if (lowering->layers[i].needed && lowering->layers[i].value != CNN_ONNX_NONE)
            c.layer_of[lowering->layers[i].value] = i + 1;
    cnn_status status = c.layer_of && c.result
                            ? run_both(&c, model, image)
                            : cnn_fail_memory(diag, cnn_model_outputs(model), "a comparison");
    cnn_free(c.layer_of);
    cnn_free(c.result);
    return status;
}
