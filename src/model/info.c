/* What a model is made of: layers, sizes, memory. The settings of the process stand here too. */
#include <string.h>

#include "data/loader.h"
#include "model/model.h"
#include "util/parallel.h"

size_t cnn_model_layers(const cnn_model *model)
{
    if (!model)
        return 0;
    return model->graph.count;
}

/* Texts are made in the model's arena. */
static cnn_status describe_layer(const cnn_model *model, const struct cnn_node *node,
                                 cnn_layer_info *out, cnn_diag *diag)
{
    const char **inputs = cnn_arena_array(model->arena, node->input_count, sizeof *inputs);
    struct cnn_text text = {0};
    if (node->type->describe)
        node->type->describe(node, &text);
    char *explanation =
        text.failed ? NULL : cnn_arena_strdup(model->arena, text.data ? text.data : "");
    cnn_text_free(&text);
    if (!inputs || !explanation)
        return cnn_fail_memory(diag, 0, "a description");
    for (size_t k = 0; k < node->input_count; k++)
        inputs[k] = node->inputs[k] == 0 ? "input" : model->graph.nodes[node->inputs[k] - 1].name;
    *out = (cnn_layer_info){.version = out->version,
                            .name = node->name,
                            .type = node->type->variant.name,
                            .inputs = inputs,
                            .input_count = node->input_count,
                            .output = node->out,
                            .params = cnn_node_parameters(node),
                            .trainable_params = cnn_node_trained(node),
                            .macs = node->macs,
                            .receptive_field = {node->receptive_field[0], node->receptive_field[1]},
                            .activation_bytes = cnn_shape_count(node->out) * sizeof(float),
                            .explanation = explanation,
                            .warning = node->warning};
    return CNN_OK;
}

cnn_status cnn_model_layer(const cnn_model *model, size_t i, cnn_layer_info *out, cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_model_layer", "model or out");
    if (out->version > CNN_LAYER_INFO_VERSION)
        return cnn_fail_version(diag, "cnn_layer_info", out->version, CNN_LAYER_INFO_VERSION);
    if (i >= model->graph.count)
        return cnn_fail_index(diag, "layer", i, model->graph.count);
    pthread_mutex_lock(&model->later->lock);
    cnn_status status = describe_layer(model, &model->graph.nodes[i], out, diag);
    pthread_mutex_unlock(&model->later->lock);
    return status;
}

#define BATCH       128
#define BATCH_BYTES ((size_t)512 << 20)

static cnn_status measure_inference(const cnn_model *model, size_t batch, size_t *bytes,
                                    cnn_diag *diag)
{
    return cnn_plan_measure(&model->graph,
                            &(struct cnn_plan_options){.batch = batch, .mode = CNN_PLAN_INFER},
                            bytes, diag);
}

cnn_status cnn_evaluation_batch(const cnn_model *model, size_t images, size_t *batch, size_t *bytes,
                                cnn_diag *diag)
{
    for (*batch = images < BATCH ? images : BATCH;; *batch /= 2) {
        cnn_status status = measure_inference(model, *batch, bytes, diag);
        if (status != CNN_OK || *batch == 1 || *bytes <= BATCH_BYTES)
            return status;
    }
}

cnn_status cnn_training_memory(const cnn_model *model, size_t batch, size_t ranks, size_t images,
                               size_t *bytes, cnn_diag *diag)
{
    size_t training, validation, evaluated,
        outputs = 3 * cnn_model_outputs(model),
        parameters = model->graph.parameter_floats * sizeof(float);
    /* beside the optimiser's and the mean: the parameters themselves, and health's copy */
    size_t slabs =
        cnn_optimizer_slabs(&model->recipe.optimizer) + (model->recipe.ema.every > 0) + 2;
    cnn_status status = cnn_plan_measure(
        &model->graph,
        &(struct cnn_plan_options){.batch = batch,
                                   .mode = CNN_PLAN_TRAIN,
                                   .gradients = cnn_recipe_gradients(&model->recipe, ranks)},
        &training, diag);
    if (status == CNN_OK)
        status = cnn_evaluation_batch(model, images, &evaluated, &validation, diag);
    if (status != CNN_OK)
        return status;
    size_t image = cnn_shape_count(model->graph.input) * sizeof(float);
    *bytes = training + validation + parameters * slabs +
             (batch + evaluated) * image * CNN_LOADER_RING + evaluated * outputs * sizeof(float);
    return CNN_OK;
}

cnn_status cnn_model_memory(const cnn_model *model, size_t batch, cnn_memory *out, cnn_diag *diag)
{
    if (!model || batch == 0 || !out)
        return cnn_fail_missing(diag, "cnn_model_memory", "model, images in the batch, or out");
    size_t inference, training, parameters = model->graph.parameter_floats * sizeof(float);
    cnn_status status = measure_inference(model, batch, &inference, diag);
    if (status == CNN_OK)
        status = cnn_training_memory(model, batch, 1, BATCH, &training, diag);
    if (status == CNN_OK)
        *out = (cnn_memory){parameters, inference, training - parameters};
    return status;
}

const char *cnn_version(void)
{
    return CNN_VERSION;
}

void cnn_set_threads(int threads)
{
    cnn_parallel_set_threads(threads);
}

int cnn_threads(void)
{
    return cnn_parallel_threads();
}

const char *cnn_instruction_set(void)
{
    const struct cnn_kernels *kernels = cnn_kernels();
    return kernels ? kernels->name : "none";
}

cnn_status cnn_check_environment(cnn_diag *diag)
{
    return cnn_kernels() ? CNN_OK : cnn_fail(diag, CNN_INVALID, NULL, "%s", cnn_kernels_error());
}
