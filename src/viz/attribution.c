/* Explanations by gradients: Grad-CAM, saliency and SmoothGrad. See attribution.h for the
 * papers. */
#include "viz/attribution.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "util/allocate.h"
#include "viz/gradient.h"

#define NOISE_BATCH 8 /* noisy copies at a time */

static bool is_one_of(const struct cnn_node *node, const char *const *names)
{
    while (*names && strcmp(*names, node->type->variant.name) != 0)
        names++;
    return *names;
}

static bool has_maps(const struct cnn_node *node)
{
    return node->out.h * node->out.w > 1;
}

/* The last value with maps that has part in the logits, convolutions before all others; 0 where
 * there is none. leads: zeroed, one for each value. */
static size_t find_last_maps(const struct cnn_graph *graph, bool *leads)
{
    static const char *const convolutions[] = {"conv", "depthwise_conv", NULL};
    size_t other = 0;
    leads[graph->logits] = true;
    for (size_t i = graph->logits; i-- > 0;) {
        const struct cnn_node *node = &graph->nodes[i];
        if (!leads[i + 1])
            continue;
        if (has_maps(node) && is_one_of(node, convolutions))
            return i + 1;
        if (has_maps(node) && other == 0)
            other = i + 1;
        for (size_t k = 0; k < node->input_count; k++)
            leads[node->inputs[k]] = true;
    }
    return other;
}

/* The batch_norm or activation (no softmax) that is the only reader of value, as a value; 0 where
 * that is not what reads it. */
static size_t find_follower(const struct cnn_graph *graph, size_t value)
{
    size_t readers = 0, reader = 0;
    for (size_t i = value; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            if (graph->nodes[i].inputs[k] == value) {
                readers++;
                reader = i;
            }
    const struct cnn_effect *effect = &graph->nodes[reader].effect;
    bool follows =
        effect->kind == CNN_EFFECT_NORMALIZE ||
        (effect->kind == CNN_EFFECT_ACTIVATE && effect->activation.kind != CNN_ACT_SOFTMAX);
    return readers == 1 && follows ? reader + 1 : 0;
}

cnn_status cnn_gradcam_value(const cnn_model *model, size_t *value, cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    bool *leads = cnn_calloc(graph->count + 1, sizeof *leads);
    if (!leads)
        return cnn_fail_memory(diag, graph->count, "a list of layers");
    size_t found = find_last_maps(graph, leads);
    cnn_free(leads);
    if (found == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s has no layer with maps for Grad-CAM to look at", model->source);
    for (size_t next; (next = find_follower(graph, found)) != 0;)
        found = next;
    *value = found;
    return CNN_OK;
}

/* What one node gave and the gradient there, copied before their memory is used for something
 * else. */
struct watch {
    const struct cnn_plan *plan;
    size_t node, floats;
    float *value, *gradient;
};

static void copy_watched(void *context, size_t node, bool backward, bool begin)
{
    const struct watch *w = context;
    if (node == w->node && !backward && !begin)
        memcpy(w->value, cnn_plan_value(w->plan, node + 1), w->floats * sizeof(float));
    if (node == w->node && backward && begin)
        memcpy(w->gradient, cnn_plan_call(w->plan, node)->dy, w->floats * sizeof(float));
}

/* Whether `value` is a layer whose maps have part in the logits. has_gradient: what the plan says
 * of it. */
static cnn_status check_maps(const cnn_model *model, size_t value, bool has_gradient,
                             cnn_diag *diag)
{
    const char *what = value == 0 ? "input" : model->graph.nodes[value - 1].name;
    size_t usual;
    if (value == 0)
        cnn_fail(diag, CNN_INVALID, NULL,
                 "Grad-CAM looks at the maps of a layer, not at the network's input");
    else if (cnn_graph_shape(&model->graph, value).rank != 3)
        cnn_fail(diag, CNN_INVALID, NULL,
                 "Grad-CAM needs maps; %s gives %zu numbers without a place", what,
                 cnn_graph_shape(&model->graph, value).c);
    else if (!has_gradient)
        cnn_fail(diag, CNN_INVALID, NULL,
                 "Grad-CAM needs a layer that has part in the class's number; %s has none", what);
    else
        return CNN_OK;
    if (cnn_gradcam_value(model, &usual, NULL) == CNN_OK)
        cnn_hint(diag, "by default it looks at '%s'", model->graph.nodes[usual - 1].name);
    return CNN_INVALID;
}

/* relu of the sum of maps weighted by the mean of their gradients. */
static void weigh_maps(cnn_shape shape, const float *maps, const float *gradient, double *weights,
                       float *map)
{
    size_t positions = shape.h * shape.w;
    memset(weights, 0, shape.c * sizeof *weights);
    for (size_t i = 0; i < positions; i++)
        for (size_t k = 0; k < shape.c; k++)
            weights[k] += (double)gradient[i * shape.c + k];
    for (size_t i = 0; i < positions; i++) {
        double sum = 0;
        for (size_t k = 0; k < shape.c; k++)
            sum += weights[k] / (double)positions * (double)maps[i * shape.c + k];
        map[i] = sum < 0 ? 0 : (float)sum; /* NaN stays NaN */
    }
}

cnn_status cnn_gradcam(cnn_model *model, const float *x, size_t class, size_t value, float *map,
                       cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    cnn_shape shape = cnn_graph_shape(graph, value);
    struct cnn_gradient g = {0};
    struct watch w = {.node = value - 1, .floats = cnn_shape_count(shape)};
    double *weights = NULL;
    size_t logits;
    cnn_status status = cnn_class_value(model, class, &logits, diag);
    if (status == CNN_OK && (value == 0 || shape.rank != 3))
        status = check_maps(model, value, true, diag);
    if (status == CNN_OK)
        status = cnn_gradient_open(model, logits, 1, &g, diag);
    if (status == CNN_OK)
        status =
            check_maps(model, value, value <= logits && cnn_plan_gradient(g.plan, value), diag);
    if (status != CNN_OK)
        goto out;
    w.plan = g.plan;
    w.value = cnn_floats_new(w.floats);
    w.gradient = cnn_floats_new(w.floats);
    weights = cnn_calloc(shape.c, sizeof *weights);
    if (!w.value || !w.gradient || !weights) {
        status = cnn_fail_memory(diag, 2 * w.floats * sizeof(float),
                                 "a layer's maps and their gradients");
        goto out;
    }
    memcpy(cnn_plan_input(g.plan), x, cnn_shape_count(graph->input) * sizeof *x);
    cnn_plan_observe(g.plan, copy_watched, &w);
    cnn_gradient_run(&g, 1, class);
    weigh_maps(shape, w.value, w.gradient, weights, map);
out:
    cnn_gradient_close(&g);
    cnn_floats_free(w.value);
    cnn_floats_free(w.gradient);
    cnn_free(weights);
    return status;
}

cnn_status cnn_saliency(cnn_model *model, const float *x, size_t class, float *gradient,
                        cnn_diag *diag)
{
    struct cnn_gradient g = {0};
    size_t logits, bytes = cnn_shape_count(model->graph.input) * sizeof *x;
    cnn_status status = cnn_class_value(model, class, &logits, diag);
    if (status == CNN_OK)
        status = cnn_gradient_open(model, logits, 1, &g, diag);
    if (status == CNN_OK) {
        memcpy(cnn_plan_input(g.plan), x, bytes);
        cnn_gradient_run(&g, 1, class);
        memcpy(gradient, cnn_plan_gradient(g.plan, 0), bytes);
    }
    cnn_gradient_close(&g);
    return status;
}

/* x with the noise of one sample. */
static void add_noise(const float *x, size_t count, float deviation, uint64_t seed, size_t sample,
                      float *noisy)
{
    struct cnn_rng rng = cnn_rng_at(seed, CNN_STREAM_SMOOTHGRAD, sample);
    for (size_t i = 0; i < count; i++)
        noisy[i] = x[i] + deviation * cnn_rng_normal(&rng);
}

static float spread(const float *x, size_t count)
{
    float low = x[0], high = x[0];
    for (size_t i = 1; i < count; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    return high - low;
}

cnn_status cnn_smoothgrad(cnn_model *model, const float *x, size_t class,
                          const struct cnn_smoothgrad *settings, float *gradient, cnn_diag *diag)
{
    const size_t samples = settings->samples;
    assert(samples > 0);
    struct cnn_gradient g = {0};
    size_t logits, count = cnn_shape_count(model->graph.input),
                   batch = samples < NOISE_BATCH ? samples : NOISE_BATCH;
    float deviation = settings->noise * spread(x, count);
    double *sum = cnn_calloc(count, sizeof *sum);
    cnn_status status = sum ? cnn_class_value(model, class, &logits, diag)
                            : cnn_fail_memory(diag, count * sizeof *sum, "a gradient");
    if (status == CNN_OK)
        status = cnn_gradient_open(model, logits, batch, &g, diag);
    for (size_t done = 0; status == CNN_OK && done < samples; done += batch) {
        size_t n = samples - done < batch ? samples - done : batch;
        if (cnn_flag_raised(settings->stop)) {
            status = CNN_INTERRUPTED;
            break;
        }
        for (size_t s = 0; s < n; s++)
            add_noise(x, count, deviation, settings->seed, done + s,
                      cnn_plan_input(g.plan) + s * count);
        cnn_gradient_run(&g, n, class);
        for (size_t i = 0; i < n * count; i++)
            sum[i % count] += (double)cnn_plan_gradient(g.plan, 0)[i];
    }
    for (size_t i = 0; status == CNN_OK && i < count; i++)
        gradient[i] = (float)(sum[i] / (double)samples);
    cnn_gradient_close(&g);
    cnn_free(sum);
    return status;
}

void cnn_saliency_map(const float *gradient, size_t pixels, size_t channels, float *map)
{
    for (size_t i = 0; i < pixels; i++) {
        map[i] = 0;
        for (size_t c = 0; c < channels; c++) {
            float magnitude = fabsf(gradient[i * channels + c]);
            if (magnitude > map[i] || isnan(magnitude)) /* and NaN stays */
                map[i] = magnitude;
        }
    }
}
