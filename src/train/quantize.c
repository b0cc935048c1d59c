/* Quantization after training: the same network with `precision: int8` (layers/int8.h). Weights are
 * rounded to 255 steps of each filter's largest one; the range of what a layer reads is found by
 * running training images through the network: of the ranges from zero out to the extremes, the one
 * with the least squared error, of what it cuts off and what it rounds. */
#include <math.h>
#include <string.h>

#include "data/loader.h"
#include "graph/bytes.h"
#include "model/record.h"
#include "util/allocate.h"

#define BATCH          16
#define DEFAULT_IMAGES 512
#define BINS           2048
#define CANDIDATES     100 /* ranges that are tried */

/* What is known of one value that int8 layers read. */
struct spread {
    double low, high;    /* extremes; zero lies between */
    size_t counts[BINS]; /* from low to high, but for zeros, which are never rounded */
    bool wanted, finite;
};

struct calibration {
    const cnn_model *model;
    const cnn_quantize_options *options;
    cnn_model *quantized;
    struct cnn_dataset *dataset;
    struct cnn_loader *loader;
    struct cnn_plan *plan;
    struct spread *spreads; /* by value */
    size_t images;
};

static cnn_status check_model(const cnn_model *model, cnn_diag *diag)
{
    if (model->graph.nodes[0].precision == CNN_PRECISION_INT8)
        return cnn_fail(diag, CNN_INVALID, NULL, "%s is in int8 already", model->source);
    return model->has_data ? CNN_OK : cnn_model_fail_no_data(model, "calibrate on", diag);
}

static void mark_wanted(struct spread *s)
{
    s->finite = s->wanted = true;
}

/* The same network in int8, with the parameters that stay as they are; layers that are computed
 * with bytes mark what they read. */
static cnn_status open_quantized(struct calibration *c, cnn_diag *diag)
{
    static const char *const int8[] = {"precision=int8"};
    const struct cnn_overrides overrides = {.words = int8, .count = 1};
    const cnn_model *model = c->model;
    cnn_status status = cnn_model_from_text(model->source, model->resolved, strlen(model->resolved),
                                            &overrides, &c->quantized, diag);
    if (status == CNN_OK)
        status = cnn_model_set_classes(c->quantized, model->class_count, model->classes, diag);
    if (status == CNN_OK)
        status = cnn_model_allocate(c->quantized, diag);
    if (status == CNN_OK && model->record &&
        !(c->quantized->record = cnn_record_copy(model->record, c->quantized->arena)))
        status = cnn_fail_memory(diag, sizeof *model->record, "the record of the data");
    if (status != CNN_OK)
        return status;
    const struct cnn_graph *graph = &c->quantized->graph;
    c->quantized->normalization = model->normalization;
    c->quantized->trained = true;
    c->spreads = cnn_calloc(graph->count + 1, sizeof *c->spreads);
    if (!c->spreads)
        return cnn_fail_memory(diag, graph->count * sizeof *c->spreads, "the calibration");
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        memcpy(c->quantized->parameters + graph->nodes[place->node].tensors[place->slot].offset,
               model->parameters + place->tensor->offset, place->tensor->count * sizeof(float));
    }
    bool any = false;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t k = 0; graph->nodes[i].input_range && k < graph->nodes[i].input_count; k++) {
            mark_wanted(&c->spreads[graph->nodes[i].inputs[k]]);
            any = any || graph->nodes[i].quantization->codes;
        }
    return any ? CNN_OK
               : cnn_fail(
                     diag, CNN_INVALID, NULL,
                     "%s has no layer that can be computed in int8 (conv, depthwise_conv, dense)",
                     model->source);
}

static cnn_status open_data(struct calibration *c, cnn_diag *diag)
{
    const cnn_model *model = c->model;
    enum cnn_split used;
    cnn_status status = cnn_record_open(model,
                                        &(struct cnn_data_choice){.input = model->graph.input,
                                                                  .path = c->options->data_path,
                                                                  .split = CNN_SPLIT_TRAIN},
                                        &c->dataset, &used, diag);
    if (status != CNN_OK)
        return status;
    size_t count = cnn_dataset_count(c->dataset),
           wanted = c->options->images ? c->options->images : DEFAULT_IMAGES;
    c->images = wanted < count ? wanted : count;
    const struct cnn_loader_options options = {.dataset = c->dataset,
                                               .normalization = model->normalization,
                                               .shape = model->graph.input,
                                               .batch = c->images < BATCH ? c->images : BATCH,
                                               /* a folder's images come class by class */
                                               .shuffle = true,
                                               .seed = model->recipe.seed};
    status = cnn_loader_new(&options, &c->loader, diag);
    return status == CNN_OK ? cnn_plan_new(&model->graph, model->parameters,
                                           &(struct cnn_plan_options){.batch = options.batch,
                                                                      .mode = CNN_PLAN_KEEP},
                                           &c->plan, diag)
                            : status;
}

/* Extremes, and in the second pass counts. */
static void add_values(struct spread *s, size_t size, const float *x, bool count)
{
    if (!count) {
        for (size_t i = 0; i < size; i++) {
            s->low = (double)x[i] < s->low ? (double)x[i] : s->low;
            s->high = (double)x[i] > s->high ? (double)x[i] : s->high;
            s->finite = s->finite && isfinite(x[i]);
        }
        return;
    }
    double scale = s->high > s->low ? BINS / (s->high - s->low) : 0;
    for (size_t i = 0; i < size; i++)
        if (x[i] < 0 || x[i] > 0) {
            double bin = ((double)x[i] - s->low) * scale;
            s->counts[bin < BINS - 1 ? (size_t)bin : BINS - 1]++;
        }
}

static cnn_status interrupted(cnn_diag *diag)
{
    return cnn_fail(diag, CNN_INTERRUPTED, NULL, "the calibration was interrupted");
}

static cnn_status run_images(struct calibration *c, bool count, cnn_diag *diag)
{
    const struct cnn_graph *graph = &c->model->graph;
    const cnn_quantize_options *o = c->options;
    const struct cnn_batch *batch;
    size_t done = 0;
    cnn_loader_start(c->loader, 0, 0);
    while (done < c->images && (batch = cnn_loader_next(c->loader))) {
        if (cnn_flag_raised(o->stop))
            return interrupted(diag);
        memcpy(cnn_plan_input(c->plan), batch->images,
               batch->n * cnn_shape_count(graph->input) * sizeof(float));
        cnn_plan_forward(c->plan, batch->n, false, 0);
        for (size_t v = 0; v <= graph->count; v++)
            if (c->spreads[v].wanted)
                add_values(&c->spreads[v], batch->n * cnn_shape_count(cnn_graph_shape(graph, v)),
                           cnn_plan_value(c->plan, v), count);
        done += batch->n;
        size_t of_pass = done < c->images ? done : c->images;
        if (o->progress &&
            o->progress(o->context, (count ? c->images : 0) + of_pass, 2 * c->images) != 0)
            return interrupted(diag);
    }
    return CNN_OK;
}

/* Squared error of all that has been counted where the range is cut down to a share of it. */
static double range_error(const struct spread *s, double share)
{
    double low = s->low * share, high = s->high * share, step = (high - low) / 255,
           width = (s->high - s->low) / BINS, error = 0;
    for (size_t i = 0; i < BINS; i++) {
        double x = s->low + ((double)i + 0.5) * width, beyond = x > high  ? x - high
                                                                : x < low ? low - x
                                                                          : 0;
        error += (double)s->counts[i] * (beyond > 0 ? beyond * beyond : step * step / 12);
    }
    return error;
}

static bool is_sound(const struct spread *s)
{
    return !s->wanted || (s->finite && isfinite((float)(s->high - s->low)));
}

/* Whether the ranges are ranges of floats; looked at before anything is counted in them. */
static cnn_status check_spreads(const struct calibration *c, cnn_diag *diag)
{
    const struct cnn_graph *graph = &c->quantized->graph;
    for (size_t i = 0; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++) {
            const struct spread *s = &c->spreads[graph->nodes[i].inputs[k]];
            if (is_sound(s))
                continue;
            cnn_fail(diag, CNN_FAILED, NULL,
                     "%s: layer '%s' reads %s when the images of the data set pass through",
                     c->model->source, graph->nodes[i].name,
                     s->finite ? "numbers that are too large" : "numbers that are not finite");
            cnn_hint(diag, "`eval` and `explain` show what the network makes of an image");
            return CNN_FAILED;
        }
    return CNN_OK;
}

static void choose_range(const struct spread *s, float *range)
{
    double best = 1, least = INFINITY;
    for (size_t i = CANDIDATES; i > 0 && s->high > s->low; i--) {
        double share = (double)i / CANDIDATES, error = range_error(s, share);
        if (error < least) {
            least = error;
            best = share;
        }
    }
    range[0] = (float)(s->low * best);
    range[1] = (float)(s->high * best);
    if (!isnormal((range[1] - range[0]) / 255)) /* nothing but zeros */
        range[1] = range[0] + 1;
}

/* Rounds the weights to whole multiples of what it writes to scale. */
static void round_weights(const struct cnn_tensor *t, float *weights, float *scale)
{
    size_t row = t->count / t->dims[0];
    for (size_t f = 0; f < t->dims[0]; f++, weights += row) {
        float most = 0;
        for (size_t i = 0; i < row; i++)
            most = fmaxf(most, fabsf(weights[i]));
        scale[f] = isnormal(most / 127) ? most / 127 : 1;
        for (size_t i = 0; i < row; i++)
            /* plus 0: a -0 would not come back from a file */
            weights[i] = (nearbyintf(weights[i] / scale[f]) + 0.0f) * scale[f];
    }
}

static cnn_status quantize_layers(struct calibration *c, cnn_diag *diag)
{
    float *parameters = c->quantized->parameters;
    for (size_t i = 0; i < c->quantized->graph.count; i++) {
        const struct cnn_node *node = &c->quantized->graph.nodes[i];
        for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
            if (cnn_role_stored(node->tensors[slot].role) && node->tensors[slot].scale_slot)
                round_weights(&node->tensors[slot], parameters + node->tensors[slot].offset,
                              parameters + node->tensors[node->tensors[slot].scale_slot].offset);
        for (size_t k = 0; node->input_range && k < node->input_count; k++)
            choose_range(&c->spreads[node->inputs[k]],
                         parameters + node->tensors[node->input_range].offset + 2 * k);
    }
    return cnn_graph_share_ranges(c->quantized->arena, &c->quantized->graph, parameters)
               ? CNN_OK
               : cnn_fail_memory(diag, c->quantized->graph.count, "the ranges");
}

cnn_status cnn_quantize(const cnn_model *model, const cnn_quantize_options *options,
                        cnn_model **out, cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_quantize", "model or out");
    if (options && options->version > CNN_QUANTIZE_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_quantize_options", options->version,
                                CNN_QUANTIZE_OPTIONS_VERSION);
    static const cnn_quantize_options defaults = {0};
    struct calibration c = {.model = model, .options = options ? options : &defaults};
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK)
        status = check_model(model, diag);
    if (status == CNN_OK)
        status = cnn_model_check_numbers(model, model->source, diag);
    if (status == CNN_OK)
        status = open_quantized(&c, diag);
    if (status == CNN_OK)
        status = open_data(&c, diag);
    if (status == CNN_OK)
        status = run_images(&c, false, diag);
    if (status == CNN_OK)
        status = check_spreads(&c, diag);
    if (status == CNN_OK)
        status = run_images(&c, true, diag);
    if (status == CNN_OK)
        status = cnn_dataset_report(c.dataset, NULL, NULL, diag);
    if (status == CNN_OK)
        status = quantize_layers(&c, diag);
    cnn_plan_free(c.plan);
    cnn_loader_free(c.loader);
    cnn_dataset_free(c.dataset);
    cnn_free(c.spreads);
    if (status == CNN_OK)
        *out = c.quantized;
    else
        cnn_model_free(c.quantized);
    return status;
}
