/* Recipes: what `train` of a description says, and the rules around the update of the weights:
 * clipped gradients, averaged weights, early stopping. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "networks.h"
#include "train/step.h"
#include "world.h"

static cnn_status read_recipe(struct world *world, const char *text, struct cnn_recipe *out)
{
    return cnn_recipe_read(world->arena, parse(world, text), out, world->diag);
}

static void test_recipe_without_sections_has_none_of_their_rules(void **state)
{
    struct cnn_recipe recipe;
    assert_int_equal(read_recipe(*state, "{epochs: 1, ema: null, early_stopping: ~}\n", &recipe),
                     CNN_OK);
    assert_int_equal(recipe.keep, CNN_KEEP_BEST);
    assert_near(recipe.clip_norm, 0, 0);
    assert_int_equal(recipe.ema.every, 0);
    assert_int_equal(recipe.early_stopping.patience, 0);
}

static void test_recipe_sections_have_defaults_and_are_resolved(void **state)
{
    struct world *world = *state;
    struct cnn_recipe recipe;
    const char *text =
        "epochs: 1\nema: {every: 5}\nearly_stopping: {}\nkeep: last\nclip_norm: 0.5\n";
    assert_int_equal(read_recipe(world, text, &recipe), CNN_OK);
    assert_int_equal(recipe.keep, CNN_KEEP_LAST);
    assert_near(recipe.clip_norm, 0.5, 0);
    assert_near(recipe.ema.decay, 0.999, 0);
    assert_int_equal(recipe.ema.every, 5);
    assert_int_equal(recipe.early_stopping.patience, 10);
    assert_near(recipe.early_stopping.min_delta, 0, 0);
    struct cnn_text written = {0};
    cnn_yaml_write(cnn_recipe_resolve(world->arena, parse(world, text)), &written);
    assert_non_null(strstr(written.data, "ema:\n  decay: 0.999\n  every: 5\n"));
    assert_non_null(strstr(written.data, "early_stopping:\n  patience: 10\n  min_delta: 0\n"));
    cnn_text_free(&written);
}

/* A layer with a weight of 6 numbers, a bias of 3, a statistic of 2 and frozen weights of 4. */
#define FLOATS 64
static struct cnn_node node = {
    .tensors = {{.role = CNN_ROLE_WEIGHT, .count = 6, .offset = 0},
                {.role = CNN_ROLE_BIAS, .count = 3, .offset = 16},
                {.role = CNN_ROLE_STATISTIC, .count = 2, .offset = 32},
                {.role = CNN_ROLE_WEIGHT, .count = 4, .offset = 48, .frozen = true}}};
static const struct cnn_graph graph = {.nodes = &node, .count = 1, .parameter_floats = FLOATS};

static void fill_gradients(float *gradients)
{
    const float weight[6] = {0.5f, -1.5f, 2, 3, -0.25f, 1}, bias[3] = {-2, 0.125f, 4};
    for (size_t i = 0; i < FLOATS; i++)
        gradients[i] = 100;
    memcpy(gradients, weight, sizeof weight);
    memcpy(gradients + 16, bias, sizeof bias);
}

/* PyTorch 1.13's clip_grad_norm_ with max_norm 2.5: the norm was 6.047985. */
static void test_clipped_gradients_are_those_of_pytorch(void **state)
{
    (void)state;
    float gradients[FLOATS];
    const double weight[6] = {0.20668037235736847, -0.6200411319732666,  0.8267214894294739,
                              1.2400822639465332,  -0.10334018617868423, 0.41336074471473694};
    const double bias[3] = {-0.8267214894294739, 0.05167009308934212, 1.6534429788589478};
    fill_gradients(gradients);
    cnn_clip_gradients(&graph, 2.5, gradients);
    for (size_t i = 0; i < 6; i++)
        assert_near((double)gradients[i], weight[i], 2e-7);
    for (size_t i = 0; i < 3; i++)
        assert_near((double)gradients[16 + i], bias[i], 2e-7);
}

static void test_gradients_stay_when_their_norm_is_small_enough(void **state)
{
    (void)state;
    float gradients[FLOATS], before[FLOATS];
    fill_gradients(before);
    memcpy(gradients, before, sizeof before);
    cnn_clip_gradients(&graph, 6.05, gradients);
    assert_memory_equal(gradients, before, sizeof before);
    cnn_clip_gradients(&graph, 6.04, gradients);
    assert_true(gradients[0] < before[0]);
}

static const char network[] =
    "input: [2, 4, 4]\n"
    "layers:\n"
    "  - {type: conv, name: a, filters: 3, kernel_size: 3, trainable: false}\n"
    "  - {type: batch_norm, name: b, activation: relu}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, name: d, units: 4}\n"
    "train: {epochs: 1, clip_norm: 0.25, optimizer: {type: sgd, lr: 0.5}, ema: {decay: 0.8, every: "
    "2}}\n";

static void take_step(struct cnn_step *step, size_t number)
{
    const size_t labels[3] = {number % 4, 1, 3};
    float *input = cnn_plan_input(step->plan);
    for (size_t i = 0; i < 3 * 32; i++)
        input[i] = (float)((i * 37 + number * 11) % 23) / 23 - 0.5f;
    assert_true(cnn_step_run(step, 3, &(struct cnn_targets){.labels = labels}, 0.5).finite);
}

/* The mean after n updates, written out: the sum of each weight vector times what the later updates
 * leave of it. */
static void test_mean_is_the_sum_of_what_each_update_leaves(void **state)
{
    (void)state;
    enum { STEPS = 40, UPDATES = STEPS / 2 };
    cnn_model *model = network_open(network);
    struct cnn_step step;
    size_t count = model->graph.parameter_floats;
    double *history = calloc((UPDATES + 1) * count, sizeof *history);
    assert_int_equal(cnn_step_open(model, model->parameters, 3, &step, NULL), CNN_OK);
    assert_ptr_equal(step.mean, model->parameters);
    for (size_t i = 0; i < count; i++)
        history[i] = (double)model->parameters[i];
    for (size_t s = 1; s <= STEPS; s++) {
        take_step(&step, s);
        for (size_t i = 0; s % 2 == 0 && i < count; i++)
            history[s / 2 * count + i] = (double)step.parameters[i];
    }
    bool moved = false;
    for (size_t i = 0; i < count; i++) {
        double sum = 0, left = 1;
        for (size_t n = UPDATES; n > 0; n--) {
            /* they meet at n = 35 */
            double kept = n < 35 ? (1 + (double)n) / (10 + (double)n) : 0.8;
            sum += left * (1 - kept) * history[n * count + i];
            left *= kept;
        }
        assert_near((double)model->parameters[i], sum + left * history[i], 1e-5);
        moved = moved || fabs(sum + left * history[i] - (double)step.parameters[i]) > 1e-2;
    }
    assert_true(moved);
    const struct cnn_tensor *frozen = model->tensors[network_tensor(model, "a.weight")].tensor;
    for (size_t i = 0; i < frozen->count; i++)
        assert_near((double)model->parameters[frozen->offset + i], history[frozen->offset + i], 0);
    free(history);
    cnn_step_close(&step);
    cnn_model_free(model);
}

static void test_decay_bounds_what_a_late_update_keeps(void **state)
{
    (void)state;
    const struct cnn_average_settings settings = {0.8, 3};
    float mean = 0;
    const float one = 1;
    cnn_average_update(&settings, 299, 1, &one, &mean);
    assert_near((double)mean, 0, 0);
    cnn_average_update(&settings, 300, 1, &one, &mean);
    assert_near((double)mean, 0.2, 1e-7);
    mean = 0;
    cnn_average_update(&settings, 3, 1, &one, &mean);
    assert_near((double)mean, 9 / 11.0, 1e-7);
}

static void test_step_clips_what_the_optimiser_gets(void **state)
{
    (void)state;
    cnn_model *model = network_open(network);
    struct cnn_step step;
    assert_int_equal(cnn_step_open(model, model->parameters, 3, &step, NULL), CNN_OK);
    float *before = calloc(model->graph.parameter_floats, sizeof *before);
    memcpy(before, step.parameters, model->graph.parameter_floats * sizeof *before);
    take_step(&step, 0);
    double moved = 0;
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        for (size_t k = place->tensor->offset;
             place->trainable && k < place->tensor->offset + place->tensor->count; k++)
            moved += ((double)step.parameters[k] - (double)before[k]) *
                     ((double)step.parameters[k] - (double)before[k]);
    }
    /* lr times the norm: the gradient of such weights is larger */
    assert_near(sqrt(moved), 0.5 * 0.25, 1e-5);
    free(before);
    cnn_step_close(&step);
    cnn_model_free(model);
}

/* Gradients that are clipped, sent or multiplied as a matrix must not be used up before. */
static void test_gradients_last_as_long_as_they_are_needed(void **state)
{
    (void)state;
    static const struct {
        const char *train;
        enum cnn_gradients alone;
    } cases[] = {
        {"optimizer: {type: adamw}", CNN_GRADIENTS_BY_PIECE},
        {"optimizer: {type: muon}", CNN_GRADIENTS_BY_LAYER},
        {"optimizer: {type: muon, others: {type: lion}}", CNN_GRADIENTS_BY_LAYER},
        {"clip_norm: 2", CNN_GRADIENTS_KEPT},
        {"clip_norm: 2, optimizer: {type: muon}", CNN_GRADIENTS_KEPT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "input: [1, 2, 2]\nlayers: [{type: conv, filters: 2, kernel_size: 1}]\n"
                 "train: {epochs: 1, %s}\n",
                 cases[i].train);
        cnn_model *model = network_open(text);
        assert_int_equal(cnn_recipe_gradients(&model->recipe, 1), cases[i].alone);
        assert_int_equal(cnn_recipe_gradients(&model->recipe, 2), CNN_GRADIENTS_KEPT);
        cnn_model_free(model);
    }
}

static void test_stopping_counts_epochs_in_succession(void **state)
{
    (void)state;
    const struct cnn_stopping_settings settings = {.patience = 2, .min_delta = 0.1}, none = {0};
    struct cnn_stopping stopping = {.best = INFINITY};
    const double losses[] = {3, 2.95, 2.8, 2.75, 2.71, 2.6};
    /* 2.95 and 2.75, 2.71 are not lower by more than 0.1 */
    const bool reached[] = {false, false, false, false, true, false};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        cnn_stopping_update(&settings, &stopping, losses[i]);
        assert_int_equal(cnn_stopping_reached(&settings, &stopping), reached[i]);
        assert_false(cnn_stopping_reached(&none, &stopping));
    }
    cnn_stopping_update(&settings, &stopping, NAN);
    cnn_stopping_update(&settings, &stopping, 2.6);
    assert_true(cnn_stopping_reached(&settings, &stopping));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_recipe_without_sections_has_none_of_their_rules),
        WORLD_TEST(test_recipe_sections_have_defaults_and_are_resolved),
        cmocka_unit_test(test_clipped_gradients_are_those_of_pytorch),
        cmocka_unit_test(test_gradients_stay_when_their_norm_is_small_enough),
        cmocka_unit_test(test_mean_is_the_sum_of_what_each_update_leaves),
        cmocka_unit_test(test_decay_bounds_what_a_late_update_keeps),
        cmocka_unit_test(test_step_clips_what_the_optimiser_gets),
        cmocka_unit_test(test_gradients_last_as_long_as_they_are_needed),
        cmocka_unit_test(test_stopping_counts_epochs_in_succession),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
