/* The training step: one batch through the network and back, and one update of the weights. */
#include "train/step.h"

#include <math.h>
#include <string.h>

#include "util/allocate.h"

static cnn_status open_optimizer(struct cnn_step *step, cnn_cluster *cluster, size_t batch,
                                 cnn_diag *diag)
{
    const struct cnn_optimizer_settings *settings = &step->model->recipe.optimizer;
    if (cnn_cluster_ranks(cluster) < 2)
        return cnn_optimizer_new(settings, step->graph, &step->optimizer, diag);
    cnn_status status = cnn_reduce_new(
        &(struct cnn_reduce_options){
            .cluster = cluster, .graph = step->graph, .settings = settings, .batch = batch},
        &step->reduce, diag);
    return status == CNN_OK ? cnn_reduce_optimizer(step->reduce, &step->optimizer, diag) : status;
}

/* batch: of the processes of cluster, if they are several. */
static cnn_status open_state(struct cnn_step *out, const cnn_model *model, float *parameters,
                             cnn_cluster *cluster, size_t batch, cnn_diag *diag)
{
    if (model->graph.count > 0 && model->graph.nodes[0].precision == CNN_PRECISION_INT8) {
        cnn_fail(diag, CNN_INVALID, NULL, "%s has `precision: int8`, which is for inference alone",
                 model->source);
        cnn_hint(diag,
                 "train in fp32 or bf16; `cnn quantize` then makes int8 of the trained network");
        return CNN_INVALID;
    }
    struct cnn_step step = {.loss = &model->loss,
                            .model = model,
                            .graph = &model->graph,
                            .parameters = parameters,
                            .seed = model->recipe.seed,
                            .kernels = cnn_kernels()};
    if (!step.kernels)
        return cnn_check_environment(diag);
    cnn_status status = model->task->find_target(&model->graph, &model->loss, &step.target, diag);
    if (status != CNN_OK)
        return status;
    step.classes = cnn_graph_shape(&model->graph, step.target).c;
    if (model->recipe.ema.every > 0) {
        step.mean = parameters;
        if (!(step.parameters = cnn_floats_new(model->graph.parameter_floats)))
            return cnn_fail_memory(diag, model->graph.parameter_floats * sizeof(float),
                                   "the weights beside their mean");
    }
    status = open_optimizer(&step, cluster, batch, diag);
    if (status == CNN_OK)
        *out = step;
    else
        cnn_step_close(&step);
    return status;
}

cnn_status cnn_step_open_state(const cnn_model *model, float *parameters, struct cnn_step *out,
                               cnn_diag *diag)
{
    return open_state(out, model, parameters, NULL, 0, diag);
}

static cnn_status open_plan(struct cnn_step *step, size_t batch, cnn_diag *diag)
{
    const struct cnn_ranks *ranks = cnn_reduce_ranks(step->reduce);
    cnn_status status =
        cnn_plan_new(step->graph, step->parameters,
                     &(struct cnn_plan_options){.batch = batch,
                                                .mode = CNN_PLAN_TRAIN,
                                                .gradients = cnn_recipe_gradients(
                                                    &step->model->recipe, ranks ? ranks->count : 1),
                                                .ranks = ranks},
                     &step->plan, diag);
    if (status == CNN_OK && step->reduce)
        cnn_reduce_prepare(step->reduce, step->graph, step->plan);
    return status;
}

cnn_status cnn_step_open(const cnn_model *model, float *parameters, size_t batch,
                         struct cnn_step *out, cnn_diag *diag)
{
    return cnn_step_open_shared(model, parameters, batch, NULL, out, diag);
}

cnn_status cnn_step_open_shared(const cnn_model *model, float *parameters, size_t batch,
                                cnn_cluster *cluster, struct cnn_step *out, cnn_diag *diag)
{
    struct cnn_step step;
    cnn_status status = open_state(&step, model, parameters, cluster, batch, diag);
    if (status != CNN_OK)
        return status;
    status = open_plan(&step, batch, diag);
    if (status == CNN_OK)
        cnn_step_begin(&step);
    if (status == CNN_OK)
        *out = step;
    else
        cnn_step_close(&step);
    return status;
}

cnn_status cnn_step_change(struct cnn_step *step, const struct cnn_graph *part, size_t first,
                           size_t batch, cnn_diag *diag)
{
    cnn_plan_free(step->plan);
    step->plan = NULL;
    step->graph = part;
    cnn_optimizer_change(step->optimizer, part, first);
    cnn_status status = step->model->task->find_target(part, step->loss, &step->target, diag);
    if (status == CNN_OK)
        status = open_plan(step, batch, diag);
    if (status == CNN_OK)
        cnn_plan_parameters_changed(step->plan);
    return status;
}

void cnn_step_begin(struct cnn_step *step)
{
    if (step->mean)
        memcpy(step->parameters, step->mean, step->model->graph.parameter_floats * sizeof(float));
    cnn_plan_parameters_changed(step->plan);
}

void cnn_step_close(struct cnn_step *step)
{
    if (step->mean)
        cnn_floats_free(step->parameters);
    cnn_plan_free(step->plan);
    cnn_step_release(step);
    cnn_reduce_free(step->reduce);
    cnn_optimizer_free(step->optimizer);
}

/* ---- State ---- */

static cnn_status make_room(struct cnn_step *step, cnn_diag *diag)
{
    size_t floats = step->model->graph.parameter_floats, slabs = 0;
    const char *name;
    while (cnn_optimizer_slab(step->optimizer, slabs, &name))
        slabs++;
    step->collected = cnn_calloc(slabs + 1, sizeof *step->collected);
    bool good = step->collected != NULL;
    for (size_t i = 0; good && i < slabs; i++)
        good = (step->collected[i] = cnn_floats_new(floats)) != NULL;
    return good ? CNN_OK
                : cnn_fail_memory(diag, slabs * floats * sizeof(float), "the optimiser's state");
}

cnn_status cnn_step_collect(struct cnn_step *step, cnn_diag *diag)
{
    const char *name;
    const float *own;
    bool leads = step->reduce && cnn_reduce_ranks(step->reduce)->rank == 0;
    cnn_status status = leads ? make_room(step, diag) : CNN_OK;
    for (size_t i = 0; step->reduce && status == CNN_OK; i++) {
        if (!(own = cnn_optimizer_slab(step->optimizer, i, &name)))
            break;
        status = cnn_reduce_collect(step->reduce, own, leads ? step->collected[i] : NULL, diag);
    }
    return status;
}

float *cnn_step_slab(const struct cnn_step *step, size_t i, const char **name)
{
    float *own = cnn_optimizer_slab(step->optimizer, i, name);
    return own && step->collected ? step->collected[i] : own;
}

void cnn_step_release(struct cnn_step *step)
{
    for (size_t i = 0; step->collected && step->collected[i]; i++)
        cnn_floats_free(step->collected[i]);
    cnn_free(step->collected);
    step->collected = NULL;
}

/* ---- Steps ---- */

/* Drawn from the number of the step, so that a resumed run drops the same values. */
static uint64_t dropout_seed(const struct cnn_step *step)
{
    struct cnn_rng rng =
        cnn_rng_at(step->seed, CNN_STREAM_DROPOUT, cnn_optimizer_steps(step->optimizer));
    uint64_t high = cnn_rng_u32(&rng);
    return high << 32 | cnn_rng_u32(&rng);
}

/* Those that are kept. */
static void show_gradients(const struct cnn_step *step)
{
    const float *gradients = cnn_plan_parameter_gradients(step->plan);
    for (size_t i = 0; step->watcher.gradients && i < step->graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&step->graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &step->graph->nodes[i].tensors[slot];
            if (cnn_tensor_trained(t))
                step->watcher.gradients(step->watcher.context,
                                        (struct cnn_stretch){t->offset, t->offset + t->count},
                                        gradients + t->offset);
        }
}

static void clip_and_update(struct cnn_step *step, size_t n, double lr)
{
    cnn_plan_backward(step->plan, n, step->target);
    float *gradients = cnn_plan_parameter_gradients(step->plan);
    cnn_clip_gradients(step->graph, step->model->recipe.clip_norm, gradients);
    show_gradients(step);
    cnn_optimizer_step(step->optimizer, step->parameters, gradients, lr);
}

struct update {
    struct cnn_step *step;
    double lr;
};

static void update_piece(void *context, struct cnn_stretch what, const float *gradients)
{
    const struct update *update = context;
    const struct cnn_step *step = update->step;
    if (step->watcher.gradients)
        step->watcher.gradients(step->watcher.context, what, gradients);
    cnn_optimizer_update(step->optimizer, what, step->parameters, gradients, update->lr);
    if (step->watcher.updated)
        step->watcher.updated(step->watcher.context, what);
}

/* While backward goes on: gradients are used up while they are in the cache, and take no memory. */
static void update_pieces(struct cnn_step *step, size_t n, double lr)
{
    struct update update = {step, lr};
    cnn_plan_take(step->plan, (struct cnn_taker){update_piece, &update});
    cnn_plan_backward(step->plan, n, step->target);
    cnn_plan_take(step->plan, (struct cnn_taker){0});
    cnn_optimizer_advance(step->optimizer);
}

static void update_shared(struct cnn_step *step, size_t n, double lr)
{
    cnn_reduce_begin(step->reduce,
                     &(struct cnn_reduce_update){.n = n,
                                                 .optimizer = step->optimizer,
                                                 .parameters = step->parameters,
                                                 .lr = lr,
                                                 .clip_norm = step->model->recipe.clip_norm,
                                                 .whole = step->watcher.gradients});
    cnn_plan_backward(step->plan, n, step->target);
    cnn_reduce_end(step->reduce);
    show_gradients(step);
}

struct cnn_loss_result cnn_step_run(struct cnn_step *step, size_t n,
                                    const struct cnn_targets *targets, double lr)
{
    cnn_plan_forward(step->plan, n, true, dropout_seed(step));
    const struct cnn_ranks *ranks = cnn_reduce_ranks(step->reduce);
    const struct cnn_loss_share share = {
        .run = cnn_parts_of(n, ranks ? ranks->rank : 0, ranks ? ranks->count : 1),
        .ranks = ranks,
        .classes = step->classes,
        .y = cnn_plan_value(step->plan, step->target),
        .targets = targets,
        .dy = cnn_plan_gradient(step->plan, step->target)};
    struct cnn_loss_result result = cnn_loss_share(step->loss, &share);
    if (!result.finite)
        return result;
    if (step->reduce)
        update_shared(step, n, lr);
    else if (step->model->recipe.clip_norm > 0)
        clip_and_update(step, n, lr);
    else
        update_pieces(step, n, lr);
    cnn_plan_parameters_changed(step->plan);
    if (step->mean)
        cnn_average_update(&step->model->recipe.ema, cnn_optimizer_steps(step->optimizer),
                           step->model->graph.parameter_floats, step->parameters, step->mean);
    return result;
}
