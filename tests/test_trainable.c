/* Layers that training leaves alone: what `trainable` freezes, how a frozen batch_norm computes in
 * training, and what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "networks.h"
#include "train/step.h"

static const char description[] =
    "input: [2, 6, 6]\n"
    "layers:\n"
    "  - {type: conv, filters: 16, kernel_size: 3, trainable: false}\n"
    "  - {type: batch_norm, activation: relu, trainable: false}\n"
    "  - {type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: conv, filters: 3, kernel_size: 2, trainable: bias}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 2}\n"
    "train: {epochs: 1, optimizer: {type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1}}\n";

/* Inputs of one sign, so that no map is constant, and what they do not look like: running
 * statistics other than 0 and 1. */
static void prepare(cnn_model *model, float *input, size_t count)
{
    const struct cnn_node *norm = &model->graph.nodes[1];
    for (size_t i = 0; i < count; i++)
        input[i] = (float)((i * 7 + i / 5) % 11) / 11;
    for (size_t c = 0; c < 16; c++) {
        model->parameters[norm->tensors[2].offset + c] = 0.1f * (float)c;
        model->parameters[norm->tensors[3].offset + c] = 1 + 0.1f * (float)c;
    }
}

static void test_frozen_parameters_and_statistics_do_not_change(void **state)
{
    (void)state;
    static const char *const kept[] = {"conv1.weight",
                                       "conv1.bias",
                                       "batch_norm1.weight",
                                       "batch_norm1.bias",
                                       "batch_norm1.running_mean",
                                       "batch_norm1.running_var",
                                       "conv2.weight"};
    static const char *const changed[] = {"conv2.bias", "dense1.weight", "dense1.bias"};
    cnn_model *model = network_open(description);
    struct cnn_step step;
    const size_t labels[4] = {0, 1, 1, 0};
    assert_int_equal(cnn_step_open(model, model->parameters, 4, &step, NULL), CNN_OK);
    prepare(model, cnn_plan_input(step.plan), 4 * 72);
    size_t bytes = model->graph.parameter_floats * sizeof(float);
    float *before = cnn_floats_new(model->graph.parameter_floats);
    memcpy(before, model->parameters, bytes);
    for (int i = 0; i < 3; i++)
        cnn_step_run(&step, 4, &(struct cnn_targets){.labels = labels}, 0.1);
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct cnn_tensor *t = model->tensors[network_tensor(model, kept[i])].tensor;
        assert_memory_equal(before + t->offset, model->parameters + t->offset,
                            t->count * sizeof(float));
    }
    for (size_t i = 0; i < sizeof changed / sizeof *changed; i++) {
        const struct cnn_tensor *t = model->tensors[network_tensor(model, changed[i])].tensor;
        assert_memory_not_equal(before + t->offset, model->parameters + t->offset,
                                t->count * sizeof(float));
    }
    cnn_floats_free(before);
    cnn_step_close(&step);
    cnn_model_free(model);
}

static void test_frozen_batch_norm_computes_as_in_inference(void **state)
{
    (void)state;
    cnn_model *model = network_open(description);
    struct cnn_plan *train = network_plan(model, 4, CNN_PLAN_TRAIN, false),
                    *infer = network_plan(model, 4, CNN_PLAN_KEEP, false);
    prepare(model, cnn_plan_input(train), 4 * 72);
    prepare(model, cnn_plan_input(infer), 4 * 72);
    cnn_plan_forward(train, 4, true, 1);
    cnn_plan_forward(infer, 4, false, 0);
    for (size_t i = 0; i < 8; i++)
        assert_near((double)cnn_plan_value(train, 6)[i], (double)cnn_plan_value(infer, 6)[i], 1e-6);
    cnn_plan_free(train);
    cnn_plan_free(infer);
    cnn_model_free(model);
}

static void test_counts_tell_trained_parameters_from_frozen_ones(void **state)
{
    (void)state;
    cnn_model *model = network_open(description);
    const uint64_t all[] = {16 * 19, 32, 0, 3 * 65, 0, 8}, trained[] = {0, 0, 0, 3, 0, 8};
    for (size_t i = 0; i < 6; i++) {
        cnn_layer_info info = {0};
        assert_int_equal(cnn_model_layer(model, i, &info, NULL), CNN_OK);
        assert_int_equal(info.params, all[i]);
        assert_int_equal(info.trainable_params, trained[i]);
    }
    cnn_model_free(model);
}

/* What lies below a frozen layer is still trained, and its gradients are those that the layer's
 * weights as they stand give. */
static void test_gradients_pass_through_frozen_layers(void **state)
{
    (void)state;
    static const char *const texts[2] = {
        "input: [1, 4, 4]\nlayers:\n"
        "  - {type: conv, filters: 2, kernel_size: 3}\n"
        "  - {type: conv, filters: 2, kernel_size: 2, activation: relu}\n"
        "  - {type: flatten}\n"
        "  - {type: dense, units: 2}\n",
        "input: [1, 4, 4]\nlayers:\n"
        "  - {type: conv, filters: 2, kernel_size: 3}\n"
        "  - {type: conv, filters: 2, kernel_size: 2, activation: relu, trainable: false}\n"
        "  - {type: flatten}\n"
        "  - {type: dense, units: 2}\n"};
    float gradients[2][18];
    for (int frozen = 0; frozen < 2; frozen++) {
        cnn_model *model = network_open(texts[frozen]);
        struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_TRAIN, false);
        for (size_t i = 0; i < 16; i++)
            cnn_plan_input(plan)[i] = (float)(i * i % 7) - 3;
        cnn_plan_forward(plan, 1, true, 1);
        cnn_plan_gradient(plan, 4)[0] = 1;
        cnn_plan_gradient(plan, 4)[1] = -2;
        cnn_plan_backward(plan, 1, 4);
        const struct cnn_tensor *t = model->tensors[network_tensor(model, "conv1.weight")].tensor;
        memcpy(gradients[frozen], cnn_plan_parameter_gradients(plan) + t->offset,
               sizeof gradients[0]);
        cnn_plan_free(plan);
        cnn_model_free(model);
    }
    assert_memory_equal(gradients[0], gradients[1], sizeof gradients[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen_parameters_and_statistics_do_not_change),
        cmocka_unit_test(test_frozen_batch_norm_computes_as_in_inference),
        cmocka_unit_test(test_counts_tell_trained_parameters_from_frozen_ones),
        cmocka_unit_test(test_gradients_pass_through_frozen_layers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
