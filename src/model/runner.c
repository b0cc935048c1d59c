/* Running a model on images: the one place where the outside's NCHW and the inside's NHWC meet. A
 * runner has all that changes while a network runs, so that many may read one model. */

#include <string.h>

#include "cluster/cluster.h"
#include "model/agree.h"
#include "model/tta.h"
#include "util/allocate.h"
#include "util/parallel.h"
#include "util/parts.h"

#define RUN_BATCH 32 /* images at a time; more gain nothing and cost memory */

/* In channels-last order. */
struct batch {
    float *images; /* where they are read to: the plan's input, or views */
    float *views;  /* what views are made of; NULL: the plan's input is all there is */
    float *logits, *output;
};

struct cnn_runner {
    const cnn_model *model;
    struct cnn_plan *plan;
    struct batch batch;
    size_t most; /* images at a time, for which batch and plan have room */
    cnn_tta tta;
    struct cnn_pool *pool; /* its own; NULL: the process's */
    int threads;           /* that the plan is made for */
    cnn_cluster *cluster;  /* whose processes share every batch; NULL: this one is alone */
    size_t *offsets;       /* by process, for what they give each other */
};

cnn_status cnn_model_infer(const cnn_model *model, size_t batch, struct cnn_plan **out,
                           cnn_diag *diag)
{
    const struct cnn_parameter_source source = {.read = cnn_model_read_stored, .context = model};
    return cnn_plan_new(&model->graph, model->parameters,
                        &(struct cnn_plan_options){.batch = batch,
                                                   .mode = CNN_PLAN_INFER,
                                                   .source = model->file ? &source : NULL},
                        out, diag);
}

cnn_status cnn_model_plan(cnn_model *model, size_t batch, struct cnn_plan **out, cnn_diag *diag)
{
    if (!model->plan || model->plan_batch < batch ||
        model->plan_threads != cnn_parallel_threads()) {
        struct cnn_plan *plan = NULL;
        cnn_status status = cnn_model_infer(model, batch, &plan, diag);
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

/* Of a runner that has its plan. */
static cnn_status batch_new(struct cnn_runner *runner, cnn_diag *diag)
{
    const struct cnn_graph *graph = &runner->model->graph;
    size_t in = cnn_shape_count(graph->input), n = runner->most,
           logits = cnn_shape_count(cnn_graph_shape(graph, graph->logits));
    struct batch *batch = &runner->batch;
    batch->views = runner->tta == CNN_TTA_NONE ? NULL : cnn_calloc(in, n * sizeof(float));
    batch->images = batch->views ? batch->views : cnn_plan_input(runner->plan);
    batch->logits = cnn_calloc(logits, n * sizeof(float));
    batch->output = cnn_calloc(logits, n * sizeof(float));
    return (batch->views || runner->tta == CNN_TTA_NONE) && batch->logits && batch->output
               ? CNN_OK
               : cnn_fail_memory(diag, (in + 2 * logits) * n * sizeof(float), "a batch of images");
}

static void batch_free(struct batch *batch)
{
    cnn_free(batch->views);
    cnn_free(batch->logits);
    cnn_free(batch->output);
}

/* Runs the first n images of the batch. */
static void answer(const struct cnn_runner *runner, size_t n, float *output)
{
    const struct batch *batch = &runner->batch;
    const cnn_shape out = cnn_model_output(runner->model);
    cnn_tta_forward(
        runner->model, runner->plan, runner->tta,
        &(struct cnn_tta_batch){
            .n = n, .images = batch->images, .logits = batch->logits, .output = batch->output});
    cnn_transpose(n, out.h * out.w, out.c, batch->output, output);
}

/* Of n images those that a process computes; its first one has the first place. */
static struct cnn_parts share_of(const struct cnn_runner *runner, size_t n)
{
    return cnn_parts_of(n, cnn_cluster_rank(runner->cluster), cnn_cluster_ranks(runner->cluster));
}

/* Every process gets what the others have of n images: as many bytes for each. */
static void gather(const struct cnn_runner *runner, size_t n, void *all, size_t bytes)
{
    size_t ranks = cnn_cluster_ranks(runner->cluster);
    for (size_t rank = 0; runner->cluster && rank <= ranks; rank++) {
        const struct cnn_parts run = cnn_parts_of(n, rank, ranks);
        runner->offsets[rank] = cnn_parts_image(&run, run.first) * bytes;
    }
    if (runner->cluster)
        cnn_cluster_gather(runner->cluster, all, runner->offsets);
}

/* Runs the images that are in place, of the process's share of n, and gives out all outputs. */
static void answer_shared(const struct cnn_runner *runner, size_t n, float *output)
{
    const struct cnn_parts share = share_of(runner, n);
    const size_t outputs = cnn_model_outputs(runner->model);
    if (cnn_parts_images(&share) > 0)
        answer(runner, cnn_parts_images(&share),
               output + cnn_parts_image(&share, share.first) * outputs);
    gather(runner, n, output, outputs * sizeof *output);
}

static void run(const struct cnn_runner *runner, const float *images, size_t count, float *output)
{
    const cnn_shape in = runner->model->graph.input;
    const size_t pixels = cnn_shape_count(in), outputs = cnn_model_outputs(runner->model);
    for (size_t i = 0; i < count; i += runner->most) {
        size_t n = count - i < runner->most ? count - i : runner->most;
        const struct cnn_parts share = share_of(runner, n);
        cnn_transpose(cnn_parts_images(&share), in.c, in.h * in.w,
                      images + (i + cnn_parts_image(&share, share.first)) * pixels,
                      runner->batch.images);
        answer_shared(runner, n, output + i * outputs);
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
        status = batch_new(&runner, diag);
    if (status == CNN_OK)
        run(&runner, images, count, output);
    batch_free(&runner.batch);
    return status;
}

cnn_status cnn_model_run_picture(cnn_model *model, const struct cnn_given_picture *picture,
                                 float *output, cnn_diag *diag)
{
    struct cnn_runner runner = {.model = model, .most = 1, .tta = CNN_TTA_NONE};
    cnn_status status = cnn_model_plan(model, 1, &runner.plan, diag);
    if (status == CNN_OK)
        status = batch_new(&runner, diag);
    if (status == CNN_OK)
        status = cnn_model_take_picture(model, picture, runner.batch.images, diag);
    if (status == CNN_OK)
        answer(&runner, 1, output);
    batch_free(&runner.batch);
    return status;
}

static cnn_status runner_fill(struct cnn_runner *runner, cnn_diag *diag)
{
    const cnn_model *model = runner->model;
    struct cnn_pool *before = cnn_parallel_use(runner->pool);
    runner->threads = cnn_parallel_threads();
    cnn_status status = cnn_model_infer(model, runner->most, &runner->plan, diag);
    cnn_parallel_use(before);
    return status == CNN_OK ? batch_new(runner, diag) : status;
}

/* The processes must have the same model. */
static cnn_status join(struct cnn_runner *runner, cnn_diag *diag)
{
    size_t ranks = cnn_cluster_ranks(runner->cluster);
    struct cnn_text text = {0};
    runner->offsets = cnn_calloc(ranks + 1, sizeof *runner->offsets);
    cnn_model_agree(runner->model, &text);
    cnn_status status = runner->offsets && !text.failed
                            ? cnn_cluster_agree(runner->cluster, text.data, diag)
                            : cnn_fail_memory(diag, 0, "a runner");
    cnn_text_free(&text);
    return status;
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
    *runner = (struct cnn_runner){
        .model = model, .most = o.batch ? o.batch : 1, .tta = o.tta, .cluster = o.cluster};
    if (o.threads > 0 && !(runner->pool = cnn_pool_new(o.threads)))
        status = cnn_fail_memory(diag, 0, "the threads of a runner");
    if (status == CNN_OK)
        status = runner_fill(runner, diag);
    if (status == CNN_OK && o.cluster)
        status = join(runner, diag);
    if (status == CNN_OK)
        *out = runner;
    else
        cnn_runner_free(runner);
    return status;
}

/* Lets the runner's threads serve loops; returns who did before. */
static struct cnn_pool *use_threads(const struct cnn_runner *runner)
{
    struct cnn_pool *before = cnn_parallel_use(runner->pool);
    if (cnn_parallel_threads() > runner->threads) /* the plan has no room for them */
        cnn_parallel_use(cnn_pool_none());
    return before;
}

cnn_status cnn_runner_run(cnn_runner *runner, const float *images, size_t count, float *output,
                          cnn_diag *diag)
{
    if (!runner || (count > 0 && (!images || !output)))
        return cnn_fail_missing(diag, "cnn_runner_run", "runner, images or output");
    struct cnn_pool *before = use_threads(runner);
    run(runner, images, count, output);
    cnn_parallel_use(before);
    return cnn_cluster_check(runner->cluster, diag);
}

struct reading {
    const struct cnn_runner *runner;
    size_t first; /* picture that goes into the first place */
    const char *const *paths;
    cnn_status *statuses;
    cnn_diag *const *diags;
};

static void read_picture(void *context, size_t place, size_t thread)
{
    (void)thread;
    const struct reading *r = context;
    const size_t i = r->first + place;
    const cnn_model *model = r->runner->model;
    const size_t pixels = cnn_shape_count(model->graph.input);
    float *out = r->runner->batch.images + place * pixels;
    r->statuses[i] = cnn_model_take_picture(model, &(struct cnn_given_picture){.path = r->paths[i]},
                                            out, r->diags ? r->diags[i] : NULL);
    if (r->statuses[i] != CNN_OK)
        memset(out, 0, pixels * sizeof *out);
}

/* What another process could not read is tried here, for the message. */
static cnn_status explain(const struct reading *r, size_t count, size_t own, cnn_diag *diag)
{
    const cnn_model *model = r->runner->model;
    float *pixels = cnn_calloc(cnn_shape_count(model->graph.input), sizeof *pixels);
    if (!pixels)
        return cnn_fail_memory(diag, 0, "a picture");
    for (size_t i = 0; i < count; i++) {
        const struct cnn_given_picture picture = {.path = r->paths[i]};
        bool mine = i >= r->first && i < r->first + own;
        if (mine || r->statuses[i] == CNN_OK)
            continue;
        if (cnn_model_take_picture(model, &picture, pixels, r->diags[i]) == CNN_OK)
            cnn_fail(r->diags[i], r->statuses[i], NULL,
                     "%s cannot be read by another process, though this one can", r->paths[i]);
    }
    cnn_free(pixels);
    return CNN_OK;
}

cnn_status cnn_runner_read(cnn_runner *runner, const char *const *paths, size_t count,
                           cnn_status *statuses, cnn_diag *const *diags, cnn_diag *diag)
{
    if (!runner || !cnn_words_given(paths, count) || (count > 0 && !statuses))
        return cnn_fail_missing(diag, "cnn_runner_read", "runner, paths or statuses");
    if (count > runner->most)
        return cnn_fail_index(diag, "picture", count - 1, runner->most);
    const struct cnn_parts share = share_of(runner, count);
    struct reading reading = {.runner = runner,
                              .first = cnn_parts_image(&share, share.first),
                              .paths = paths,
                              .statuses = statuses,
                              .diags = diags};
    struct cnn_pool *before = use_threads(runner);
    cnn_parallel_for(cnn_parts_images(&share), read_picture, &reading);
    cnn_parallel_use(before);
    gather(runner, count, statuses, sizeof *statuses);
    cnn_status status = cnn_cluster_check(runner->cluster, diag);
    if (status == CNN_OK && runner->cluster && diags && cnn_cluster_rank(runner->cluster) == 0)
        status = explain(&reading, count, cnn_parts_images(&share), diag);
    return status;
}

cnn_status cnn_runner_put(cnn_runner *runner, size_t place, const cnn_pixels *pixels,
                          cnn_diag *diag)
{
    if (!runner || !pixels || !pixels->data)
        return cnn_fail_missing(diag, "cnn_runner_put", "runner, or pixels with data");
    if (runner->cluster)
        return cnn_fail(diag, CNN_INVALID, NULL, "processes that share images read them");
    if (place >= runner->most)
        return cnn_fail_index(diag, "place", place, runner->most);
    return cnn_model_take_picture(
        runner->model, &(struct cnn_given_picture){.pixels = pixels},
        runner->batch.images + place * cnn_shape_count(runner->model->graph.input), diag);
}

cnn_status cnn_runner_answer(cnn_runner *runner, size_t count, float *output, cnn_diag *diag)
{
    if (!runner || (count > 0 && !output))
        return cnn_fail_missing(diag, "cnn_runner_answer", "runner or output");
    if (count > runner->most)
        return cnn_fail_index(diag, "picture", count - 1, runner->most);
    if (count == 0)
        return CNN_OK;
    struct cnn_pool *before = use_threads(runner);
    answer_shared(runner, count, output);
    cnn_parallel_use(before);
    return cnn_cluster_check(runner->cluster, diag);
}

void cnn_runner_free(cnn_runner *runner)
{
    if (!runner)
        return;
    cnn_plan_free(runner->plan);
    batch_free(&runner->batch);
    cnn_pool_free(runner->pool);
    cnn_free(runner->offsets);
    cnn_free(runner);
}
