/* The training step: one batch through the network and back, and one update of the weights. */
#include "train/step.h"

cnn_status cnn_loss_target(const cnn_model *model, size_t *value, cnn_diag *diag)
{
    const struct cnn_graph *graph = &model->graph;
    size_t target = model->loss.kind == CNN_LOSS_CROSS_ENTROPY ? graph->logits : cnn_graph_output(graph);
    cnn_shape shape = cnn_graph_shape(graph, target);
    if (shape.h * shape.w != 1) {
        const struct cnn_where *where = graph->count ? &graph->nodes[graph->count - 1].where : NULL;
        cnn_fail(diag, CNN_INVALID, where, "the last layer gives %zu x %zu x %zu numbers; the loss needs one number per class", shape.c, shape.h,
                 shape.w);
        cnn_hint(diag, "end with {type: flatten} and {type: dense, units: CLASSES}, or with {type: global_pool} after a conv of CLASSES filters");
        return CNN_INVALID;
    }
    if (target == 0)
        return cnn_fail(diag, CNN_INVALID, &graph->nodes[graph->count - 1].where,
                        "the softmax reads the network's input: no layer stands before the loss");
    *value = target;
    return CNN_OK;
}

cnn_status cnn_step_open(const cnn_model *model, float *parameters, size_t batch, struct cnn_step *out, cnn_diag *diag)
{
    if (model->graph.count > 0 && model->graph.nodes[0].precision == CNN_PRECISION_INT8) {
        cnn_fail(diag, CNN_INVALID, NULL, "%s has `precision: int8`, which is for inference alone", model->source);
        cnn_hint(diag, "train in fp32 or bf16; `cnn quantize` then makes int8 of the trained network");
        return CNN_INVALID;
    }
    struct cnn_step step = {.loss = &model->loss, .parameters = parameters, .seed = model->recipe.seed, .kernels = cnn_kernels()};
    if (!step.kernels)
        return cnn_check_environment(diag);
    cnn_status status = cnn_loss_target(model, &step.target, diag);
    if (status != CNN_OK)
        return status;
    step.classes = cnn_graph_shape(&model->graph, step.target).c;
    status = cnn_plan_new(&model->graph, parameters, batch, CNN_PLAN_TRAIN, false, &step.plan, diag);
    if (status == CNN_OK)
        status = cnn_optimizer_new(&model->recipe.optimizer, &model->graph, &step.optimizer, diag);
    if (status == CNN_OK)
        *out = step;
    else
        cnn_step_close(&step);
    return status;
}

void cnn_step_close(struct cnn_step *step)
{
    cnn_plan_free(step->plan);
    cnn_optimizer_free(step->optimizer);
}

/* Drawn from the number of the step, so that a resumed run drops the same values. */
static uint64_t dropout_seed(const struct cnn_step *step)
{
    struct cnn_rng rng = cnn_rng_at(step->seed, CNN_STREAM_DROPOUT, cnn_optimizer_steps(step->optimizer));
    uint64_t high = cnn_rng_u32(&rng);
    return high << 32 | cnn_rng_u32(&rng);
}

struct cnn_loss_result cnn_step_run(struct cnn_step *step, size_t n, const size_t *labels, double lr)
{
    cnn_plan_forward(step->plan, n, true, dropout_seed(step));
    const float *y = cnn_plan_value(step->plan, step->target);
    struct cnn_loss_result result = cnn_loss_compute(step->loss, n, step->classes, y, labels, cnn_plan_gradient(step->plan, step->target));
    if (!result.finite)
        return result;
    cnn_plan_backward(step->plan, n, step->target);
    cnn_optimizer_step(step->optimizer, step->kernels, step->parameters, cnn_plan_parameter_gradients(step->plan), lr);
    cnn_plan_parameters_changed(step->plan);
    return result;
}
