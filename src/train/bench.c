/* Benchmark: the real training step, or inference, on random data. First whole steps, undisturbed;
 * then some with a clock around every layer. Before and after, the most that the machine computes;
 * at the end, the most that it reads. */
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "train/roofline.h"
#include "train/step.h"
#include "util/allocate.h"
#include "util/clock.h"
#include "util/parallel.h"

#define WARM_RUNS         3
#define MIN_RUNS          5
#define MAX_RUNS          100000
#define MAX_OBSERVED_RUNS 100
#define DEFAULT_SECONDS   3.0

struct bench {
    cnn_model *model;
    bool infer;
    size_t batch, values;  /* values: of a batch's images */
    struct cnn_step step;  /* training */
    struct cnn_plan *plan; /* whichever is at work; the model's own is not touched */
    float *parameters;     /* a copy: a step changes statistics */
    float *images;
    size_t *labels;
    double *times;   /* of whole runs, seconds */
    double *samples; /* [node][backward][observed run] */
    size_t runs, observed;
    double begun; /* of the layer under way */
    struct cnn_roofline roofline;
    size_t process_bytes;
};

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

/* The products that the network makes, and those of floats, which all are compared with. */
static void measure_peaks(struct bench *b)
{
    bool wanted[CNN_FACTORS_KINDS] = {[CNN_FACTORS_FLOATS] = true};
    for (size_t i = 0; i < cnn_plan_graph(b->plan)->count; i++) {
        const struct cnn_demand d[] = {cnn_demand_forward(b->plan, i, 1),
                                       cnn_demand_backward(b->plan, i, 1)};
        for (int f = 0; f < CNN_FACTORS_KINDS; f++)
            wanted[f] = wanted[f] || d[0].products[f] + d[1].products[f] > 0;
    }
    cnn_roofline_measure_peaks(&b->roofline, wanted);
}

/* The most memory that this process has had. */
static size_t process_bytes(void)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    return (size_t)usage.ru_maxrss * 1024;
}

static cnn_status allocate(struct bench *b, cnn_diag *diag)
{
    size_t floats = b->model->graph.parameter_floats;
    if (cnn_size_mul(cnn_shape_count(b->model->graph.input), b->batch, &b->values))
        b->images = cnn_floats_new(b->values);
    b->parameters = cnn_floats_new(floats);
    b->labels = cnn_calloc(b->batch, sizeof *b->labels);
    b->times = cnn_calloc(MAX_RUNS, sizeof *b->times);
    b->samples = cnn_calloc(b->model->graph.count, 2 * MAX_OBSERVED_RUNS * sizeof *b->samples);
    if (!b->images || !b->parameters || !b->labels || !b->times || !b->samples)
        return cnn_fail_memory(diag, (floats + b->values) * sizeof(float), "the benchmark");
    memcpy(b->parameters, b->model->parameters, floats * sizeof(float));
    if (b->infer)
        return cnn_plan_new(&b->model->graph, b->parameters,
                            &(struct cnn_plan_options){.batch = b->batch, .mode = CNN_PLAN_INFER},
                            &b->plan, diag);
    cnn_status status = cnn_step_open(b->model, b->parameters, b->batch, &b->step, diag);
    b->plan = b->step.plan;
    return status;
}

static void release(struct bench *b)
{
    if (b->infer)
        cnn_plan_free(b->plan);
    else
        cnn_step_close(&b->step);
    cnn_floats_free(b->parameters);
    cnn_floats_free(b->images);
    cnn_free(b->labels);
    cnn_free(b->times);
    cnn_free(b->samples);
}

static void draw_batch(struct bench *b)
{
    struct cnn_rng rng = cnn_rng_at(b->model->recipe.seed, CNN_STREAM_BENCH, 0);
    for (size_t i = 0; i < b->values; i++)
        b->images[i] = cnn_rng_normal(&rng);
    for (size_t i = 0; !b->infer && i < b->batch; i++)
        b->labels[i] = cnn_rng_below(&rng, (uint32_t)b->step.classes);
}

/* Seconds of one run. The plan may have put something else over its input. The rate is 0, so that
 * random labels cannot drive the weights to where numbers take longer (denormal) or are lost. */
static double run_once(struct bench *b)
{
    memcpy(cnn_plan_input(b->plan), b->images, b->values * sizeof *b->images);
    double begun = cnn_now();
    if (b->infer)
        cnn_plan_forward(b->plan, b->batch, false, 0);
    else
        cnn_step_run(&b->step, b->batch, &(struct cnn_targets){.labels = b->labels}, 0);
    return cnn_now() - begun;
}

static void observe(void *context, size_t node, bool backward, bool begin)
{
    struct bench *b = context;
    double time = cnn_now();
    if (begin)
        b->begun = time;
    else
        /* a batch may run in slices */
        b->samples[(node * 2 + backward) * MAX_OBSERVED_RUNS + b->observed] += time - b->begun;
}

static cnn_status measure(struct bench *b, double seconds, cnn_diag *diag)
{
    draw_batch(b);
    measure_peaks(b);
    for (size_t i = 0; i < WARM_RUNS; i++)
        run_once(b);
    double end = cnn_now() + seconds;
    while (b->runs < MAX_RUNS && (b->runs < MIN_RUNS || cnn_now() < end))
        b->times[b->runs++] = run_once(b);
    cnn_plan_observe(b->plan, observe, b);
    for (end = cnn_now() + seconds / 2;
         b->observed < MAX_OBSERVED_RUNS && (b->observed < MIN_RUNS || cnn_now() < end);
         b->observed++)
        run_once(b);
    cnn_plan_observe(b->plan, NULL, NULL);
    measure_peaks(b);
    b->process_bytes = process_bytes();
    return cnn_roofline_measure_bandwidth(&b->roofline, diag);
}

/* Operations of a layer in one run: two per multiply-add; backward takes as many for the gradient
 * of the weights and again for that of the input, which the first layer does not need. */
static double count_operations(const struct bench *b, const struct cnn_node *node, bool backward)
{
    double forward = 2 * (double)node->macs * (double)b->batch;
    if (!backward)
        return forward;
    for (size_t i = 0; i < node->input_count; i++)
        if (node->inputs[i] != 0)
            return 2 * forward;
    return forward;
}

static double peak_gflops(const struct bench *b, enum cnn_factors factors)
{
    return b->roofline.peak[factors] * 1e-9;
}

static double share_of(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

/* Sets the layer's bound, where it is not fused with one before it. */
static void bound_layer(const struct bench *b, size_t step, cnn_bench_layer *layer)
{
    const struct cnn_demand forward = cnn_demand_forward(b->plan, step, b->batch),
                            backward = cnn_demand_backward(b->plan, step, b->batch);
    const struct cnn_bound one = cnn_roofline_bound(&b->roofline, &forward),
                           other = cnn_roofline_bound(&b->roofline, &backward);
    layer->bound_ms = (one.seconds + other.seconds) * 1e3;
    layer->bound_share = share_of(layer->bound_ms, layer->forward_ms + layer->backward_ms);
    layer->bound_by = cnn_limit_name(other.seconds > one.seconds ? other.by : one.by);
}

static cnn_bench_layer report_layer(struct bench *b, size_t i, double *operations)
{
    const struct cnn_node *node = &b->model->graph.nodes[i];
    double forward = median(b->samples + i * 2 * MAX_OBSERVED_RUNS, b->observed);
    double backward = median(b->samples + (i * 2 + 1) * MAX_OBSERVED_RUNS, b->observed);
    double time = forward + backward;
    size_t lead = cnn_plan_lead(b->plan, i);
    *operations =
        count_operations(b, node, false) + (b->infer ? 0 : count_operations(b, node, true));
    double gflops = share_of(*operations, time) * 1e-9;
    return (cnn_bench_layer){.name = node->name,
                             .joined = lead != i ? b->model->graph.nodes[lead].name : NULL,
                             .forward_ms = forward * 1e3,
                             .backward_ms = backward * 1e3,
                             .gflops = gflops,
                             .peak_share = share_of(gflops, peak_gflops(b, CNN_FACTORS_FLOATS))};
}

static void report_layers(struct bench *b, cnn_bench_result *result)
{
    double operations = 0;
    for (size_t i = 0, step = 0; i < result->layers; i++) {
        cnn_bench_layer *layer = &result->layer[i];
        double own;
        *layer = report_layer(b, i, &own);
        operations += own;
        if (layer->joined)
            continue;
        if (result->peak_gflops > 0)
            bound_layer(b, step, layer);
        result->bound_ms += layer->bound_ms;
        step++;
    }
    result->bound_share = share_of(result->bound_ms, result->ms);
    result->gflops = operations / result->ms * 1e-6;
    result->peak_share = share_of(result->gflops, result->peak_gflops);
}

static size_t count_bytes(struct bench *b)
{
    const char *name;
    size_t slab = b->model->graph.parameter_floats * sizeof(float),
           bytes = cnn_plan_bytes(b->plan) + slab * (b->step.mean ? 2 : 1);
    for (size_t i = 0; !b->infer && cnn_optimizer_slab(b->step.optimizer, i, &name); i++)
        bytes += slab;
    return bytes;
}

static cnn_status report(struct bench *b, cnn_bench_result **out, cnn_diag *diag)
{
    cnn_bench_result *made = cnn_calloc(1, sizeof *made);
    cnn_bench_result result = {.batch = b->batch,
                               .runs = b->runs,
                               .layers = b->model->graph.count,
                               .layer_runs = b->observed,
                               .peak_gflops = peak_gflops(b, CNN_FACTORS_FLOATS),
                               .peak_bf16_gflops = peak_gflops(b, CNN_FACTORS_PAIRS),
                               .peak_int8_gflops = peak_gflops(b, CNN_FACTORS_BYTES),
                               .process_bytes = b->process_bytes,
                               .threads = cnn_parallel_threads(),
                               .kernels = cnn_kernels()->name,
                               .peak_bytes = count_bytes(b)};
    result.layer = cnn_calloc(result.layers, sizeof *result.layer);
    if (!made || !result.layer) {
        cnn_free(made);
        cnn_free(result.layer);
        return cnn_fail_memory(diag, result.layers * sizeof *result.layer,
                               "the benchmark's result");
    }
    double seconds = median(b->times, b->runs);
    result.ms = seconds * 1e3;
    result.quartile_ms[0] = b->times[b->runs / 4] * 1e3; /* median has sorted them */
    result.quartile_ms[1] = b->times[b->runs - 1 - b->runs / 4] * 1e3;
    result.images_per_s = (double)b->batch / seconds;
    for (int i = 0; i < CNN_LEVELS; i++)
        result.bandwidth_gb[i] = b->roofline.bandwidth[i] * 1e-9;
    report_layers(b, &result);
    *made = result;
    *out = made;
    return CNN_OK;
}

cnn_status cnn_bench(cnn_model *model, const cnn_bench_options *options, cnn_bench_result **out,
                     cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_bench", "model or out");
    if (options && options->version > CNN_BENCH_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_bench_options", options->version,
                                CNN_BENCH_OPTIONS_VERSION);
    const cnn_bench_options defaults = {0};
    if (!options)
        options = &defaults;
    struct bench b = {.model = model, .infer = options->infer, .batch = options->batch};
    if (b.batch == 0)
        b.batch = options->infer ? 1 : model->recipe.batch_size;
    cnn_status status = cnn_model_has_parameters(model, diag);
    if (status == CNN_OK)
        status = allocate(&b, diag);
    if (status == CNN_OK)
        status = measure(&b, options->seconds > 0 ? options->seconds : DEFAULT_SECONDS, diag);
    if (status == CNN_OK)
        status = report(&b, out, diag);
    release(&b);
    return status;
}

void cnn_bench_result_free(cnn_bench_result *result)
{
    if (!result)
        return;
    cnn_free(result->layer);
    cnn_free(result);
}
