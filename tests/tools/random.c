/* Gives the network of a description random parameters, biases and statistics too, and makes input
 * for it:
 *
 *   random [--steps N] DESCRIPTION MODEL.safetensors INPUT.npy [KEY=VALUE]...
 *
 * With --steps it is trained on the images by so many steps of the description's optimiser.
 * INPUT has three images of normal numbers. Statistics of batch_norm are not far from those of the
 * images, as in a trained network: with others a deep one amplifies every rounding. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"
#include "model/model.h"
#include "train/step.h"

#define IMAGES 3

static unsigned state = 12345;

static float uniform(float low, float high)
{
    state = state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(state >> 8) / 16777216.0f;
}

/* Weights keep their own first values, which suit the network's depth, unless they are zeros; so do
 * scales of weights. Each layer has ranges of its own, which differ in their scale alone. */
static void fill(const char *name, size_t rank, size_t count, float *values)
{
    const char *suffix = strrchr(name, '.');
    bool zeros = true;
    for (size_t i = 0; i < count; i++)
        zeros = zeros && !(fabsf(values[i]) > 0);
    if (strcmp(suffix, ".weight_scale") == 0)
        return;
    for (size_t i = 0; i < count && strcmp(suffix, ".input_range") == 0; i++)
        values[i] = i % 2 ? -values[i - 1] : uniform(-4, -2);
    for (size_t i = 0; i < count && rank > 1 && zeros; i++)
        values[i] = uniform(-0.1f, 0.1f);
    for (size_t i = 0; i < count && rank == 1 && strcmp(suffix, ".input_range") != 0; i++)
        values[i] = strcmp(suffix, ".running_var") == 0 ? uniform(0.6f, 1.6f)
                    : strcmp(suffix, ".weight") == 0
                        ? uniform(0.5f, 1.5f) * (i % 7 == 3 ? -1.0f : 1.0f)
                        : uniform(-0.3f, 0.3f);
}

static cnn_status stir(cnn_model *model, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        float *values = malloc((info.count + 1) * sizeof *values);
        status = values ? cnn_model_tensor_get(model, i, values, diag) : CNN_FAILED;
        if (status == CNN_OK) {
            fill(info.name, info.rank, info.count, values);
            status = cnn_model_tensor_set(model, i, values, diag);
        }
        free(values);
    }
    return status;
}

static float *make_input(const cnn_model *model)
{
    const size_t count = IMAGES * cnn_shape_count(cnn_model_input(model));
    float *values = malloc((count + 1) * sizeof *values);
    for (size_t i = 0; values && i < count; i++) {
        values[i] = 0;
        for (size_t k = 0; k < 12; k++)
            values[i] += uniform(-0.5f, 0.5f);
    }
    return values;
}

/* The momentum of a batch_norm; NULL: it is something else. */
static double *momentum_of(const struct cnn_node *node)
{
    if (!cnn_node_tensor(node, "running_var"))
        return NULL;
    for (const struct cnn_key *key = node->type->variant.keys; key->name; key++)
        if (strcmp(key->name, "momentum") == 0)
            return (double *)((char *)node->settings + key->at);
    return NULL;
}

/* Each image is trained to the next of the classes. The loss must stay finite. */
static cnn_status take_steps(cnn_model *model, const float *images, size_t steps, cnn_diag *diag)
{
    struct cnn_step step;
    const size_t classes = cnn_model_outputs(model), labels[IMAGES] = {0, 1 % classes, 2 % classes};
    if (steps == 0)
        return CNN_OK;
    cnn_status status = cnn_step_open(model, model->parameters, IMAGES, &step, diag);
    if (status != CNN_OK)
        return status;
    memcpy(cnn_plan_input(step.plan), images,
           IMAGES * cnn_shape_count(cnn_model_input(model)) * sizeof *images);
    for (size_t i = 0; i < steps && status == CNN_OK; i++)
        if (!cnn_step_run(&step, IMAGES, &(struct cnn_targets){.labels = labels}, 1e-3).finite)
            status = CNN_FAILED;
    cnn_step_close(&step);
    return status;
}

/* Statistics become those of the images, by a forward pass of training with momentum 1. */
static cnn_status measure(cnn_model *model, const float *images, cnn_diag *diag)
{
    struct cnn_plan *plan = NULL;
    double *momentum;
    bool norms = false;
    for (size_t i = 0; i < model->graph.count; i++)
        if ((momentum = momentum_of(&model->graph.nodes[i]))) {
            *momentum = 1;
            norms = true;
        }
    if (!norms)
        return CNN_OK;
    cnn_status status = cnn_plan_new(
        &model->graph, model->parameters,
        &(struct cnn_plan_options){.batch = IMAGES, .mode = CNN_PLAN_TRAIN}, &plan, diag);
    if (status != CNN_OK)
        return status;
    memcpy(cnn_plan_input(plan), images,
           IMAGES * cnn_shape_count(cnn_model_input(model)) * sizeof *images);
    cnn_plan_forward(plan, IMAGES, true, 0);
    cnn_plan_free(plan);
    return CNN_OK;
}

/* Moves the statistics from those of the images. */
static void move(cnn_model *model)
{
    for (size_t i = 0; i < model->graph.count; i++) {
        const struct cnn_tensor *mean = cnn_node_tensor(&model->graph.nodes[i], "running_mean"),
                                *var = cnn_node_tensor(&model->graph.nodes[i], "running_var");
        for (size_t k = 0; mean && var && k < mean->count; k++) {
            float *m = model->parameters + mean->offset + k,
                  *v = model->parameters + var->offset + k;
            *m += uniform(-0.3f, 0.3f) * sqrtf(*v);
            *v = *v * uniform(0.6f, 1.6f) + 1e-3f;
        }
    }
}

int main(int argc, char **argv)
{
    cnn_model *model = NULL;
    cnn_diag *diag = cnn_diag_new();
    size_t steps = 0;
    if (argc > 2 && strcmp(argv[1], "--steps") == 0) {
        steps = strtoul(argv[2], NULL, 10);
        argc -= 2;
        argv += 2;
    }
    if (argc < 4)
        return 2;
    const cnn_open_options options = {.untrained = true,
                                      .overrides = (const char *const *)argv + 4,
                                      .override_count = (size_t)argc - 4};
    cnn_status status = cnn_model_open(argv[1], &options, &model, diag);
    float *images = NULL;
    if (status == CNN_OK)
        status = stir(model, diag);
    if (status == CNN_OK && !(images = make_input(model)))
        status = CNN_FAILED;
    if (status == CNN_OK)
        status = measure(model, images, diag);
    if (status == CNN_OK)
        status = take_steps(model, images, steps, diag);
    if (status == CNN_OK) {
        move(model);
        status = cnn_model_write(model, argv[2], diag);
    }
    const cnn_shape in = status == CNN_OK ? cnn_model_input(model) : (cnn_shape){0};
    if (status == CNN_OK)
        status =
            cnn_npy_write(argv[3], images, (const size_t[]){IMAGES, in.c, in.h, in.w}, 4, diag);
    free(images);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        fprintf(stderr, "%s\n", cnn_diag_get(diag, i)->text);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return status == CNN_OK ? 0 : 1;
}
