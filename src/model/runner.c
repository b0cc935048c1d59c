/* Running a model on images: the one place where the outside's NCHW and the inside's NHWC meet. A
 * runner has all that changes while a network runs, so that many may read one model. */

#include "model/tta.h"
#include "util/allocate.h"
#include "util/parallel.h"

#define RUN_BATCH 32 /* images at a time; more gain nothing and cost memory */

/* In channels-last order. */
struct batch {
    float *images, *logits, *output;
};

struct cnn_runner {
    const cnn_model *model;
    struct cnn_plan *plan;
    struct batch batch;
    size_t most; /* images at a time, for which batch and plan have room */
    cnn_tta tta;
    struct cnn_pool *pool; /* its own; NULL: the process's */
    int threads;           /* that the plan is made for */
};

cnn_status cnn_model_plan(cnn_model *model, size_t batch, struct cnn_plan **out, cnn_diag *diag)
{
    if (!model->plan || model->plan_batch < batch ||
        model->plan_threads != cnn_parallel_threads()) {
        struct cnn_plan *plan = NULL;
        cnn_status status = cnn_plan_new(
            &model->graph, model->parameters,
            &(struct cnn_plan_options){.batch = batch, .mode = CNN_PLAN_INFER}, &plan, diag);
        if (status != CNN_OK)
            return status;
        cnn_plan_free(model->plan);
        model->plan = plan;
        model->plan_batch = batch;
        model->plan_threads = cnn_parallel_threads();
    }
    *out = model->plan;
    return CNN_OK;
}

static cnn_status batch_new(const cnn_model *model, size_t n, struct batch *out, cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    size_t in = cnn_shape_count(graph->input),
           logits = cnn_shape_count(cnn_graph_shape(graph, graph->logits));
    *out = (struct batch){cnn_calloc(in, n * sizeof(float)), cnn_calloc(logits, n * sizeof(float)),
                          cnn_calloc(logits, n * sizeof(float))};
    return out->images && out->logits && out->output
               ? CNN_OK
               : cnn_fail_memory(diag, (in + 2 * logits) * n * sizeof(float), "a batch of images");
}

static void batch_free(struct batch *batch)
{
    cnn_free(batch->images);
    cnn_free(batch->logits);
    cnn_free(batch->output);
}

static void run(const struct cnn_runner *runner, const float *images, size_t count, float *output)
{
    const cnn_model *model = runner->model;
    const struct batch *batch = &runner->batch;
    const cnn_shape in = model->graph.input, out = cnn_model_output(model);
    for (size_t i = 0; i < count; i += runner->most) {
        size_t n = count - i < runner->most ? count - i : runner->most;
        cnn_transpose(n, in.c, in.h * in.w, images + i * cnn_shape_count(in), batch->images);
        cnn_tta_forward(
            model, runner->plan, runner->tta,
            &(struct cnn_tta_batch){
                .n = n, .images = batch->images, .logits = batch->logits, .output = batch->output});
        cnn_transpose(n, out.h * out.w, out.c, batch->output, output + i * cnn_shape_count(out));
    }
}

cnn_status cnn_model_run(cnn_model *model, const float *images, size_t count, float *output,
                         cnn_diag *diag)
{
    return cnn_model_run_tta(model, CNN_TTA_NONE, images, count, output, diag);
}

cnn_status cnn_model_run_tta(cnn_model *model, cnn_tta tta, const float *images, size_t count,
                             float *output, cnn_diag *diag)
{
    struct cnn_runner runner = {
        .model = model, .most = count < RUN_BATCH ? count : RUN_BATCH, .tta = tta};
    if (!model || (count > 0 && (!images || !output)))
        return cnn_fail_missing(diag, "cnn_model_run_tta", "model, images or output");
    cnn_status status = cnn_tta_check(model, tta, diag);
    if (status != CNN_OK || count == 0)
        return status;
    status = cnn_model_plan(model, runner.most, &runner.plan, diag);
    if (status == CNN_OK)
        status = batch_new(model, runner.most, &runner.batch, diag);
    if (status == CNN_OK)
        run(&runner, images, count, output);
    batch_free(&runner.batch);
    return status;
}

static cnn_status runner_fill(struct cnn_runner *runner, cnn_diag *diag)
{
    const cnn_model *model = runner->model;
    struct cnn_pool *before = cnn_parallel_use(runner->pool);
    runner->threads = cnn_parallel_threads();
    cnn_status status =
        cnn_plan_new(&model->graph, model->parameters,
                     &(struct cnn_plan_options){.batch = runner->most, .mode = CNN_PLAN_INFER},
                     &runner->plan, diag);
    cnn_parallel_use(before);
    return status == CNN_OK ? batch_new(model, runner->most, &runner->batch, diag) : status;
}

cnn_status cnn_runner_new(const cnn_model *model, const cnn_runner_options *options,
                          cnn_runner **out, cnn_diag *diag)
{
    const cnn_runner_options o = options ? *options : (cnn_runner_options){0};
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_runner_new", "model or out");
    if (o.version > CNN_RUNNER_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_runner_options", o.version, CNN_RUNNER_OPTIONS_VERSION);
    cnn_status status = cnn_tta_check(model, o.tta, diag);
    if (status != CNN_OK)
        return status;
    struct cnn_runner *runner = cnn_malloc(sizeof *runner);
    if (!runner)
        return cnn_fail_memory(diag, sizeof *runner, "a runner");
    *runner = (struct cnn_runner){.model = model, .most = o.batch ? o.batch : 1, .tta = o.tta};
    if (o.threads > 0 && !(runner->pool = cnn_pool_new(o.threads)))
        status = cnn_fail_memory(diag, 0, "the threads of a runner");
    if (status == CNN_OK)
        status = runner_fill(runner, diag);
    if (status == CNN_OK)
        *out = runner;
    else
        cnn_runner_free(runner);
    return status;
}

cnn_status cnn_runner_run(cnn_runner *runner, const float *images, size_t count, float *output,
                          cnn_diag *diag)
{
    if (!runner || (count > 0 && (!images || !output)))
        return cnn_fail_missing(diag, "cnn_runner_run", "runner, images or output");
    struct cnn_pool *before = cnn_parallel_use(runner->pool);
    if (cnn_parallel_threads() > runner->threads) /* the plan has no room for them */
        cnn_parallel_use(cnn_pool_none());
    run(runner, images, count, output);
    cnn_parallel_use(before);
    return CNN_OK;
}

void cnn_runner_free(cnn_runner *runner)
{
    if (!runner)
        return;
    cnn_plan_free(runner->plan);
    batch_free(&runner->batch);
    cnn_pool_free(runner->pool);
    cnn_free(runner);
}
