/* Optimisers: three updates of one weight against PyTorch's formulas in double precision, which
 * tensors are touched, and the state that a checkpoint carries. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "networks.h"
#include "recipe/optimizer_type.h"
#include "recipe/recipe.h"

/* A layer with a weight of 20 numbers, a bias of 3 and a statistic of 2, with gaps in the slab. */
#define FLOATS 96
static struct cnn_node node = {.tensors = {{.role = CNN_ROLE_WEIGHT, .count = 20, .offset = 16},
                                           {.role = CNN_ROLE_BIAS, .count = 3, .offset = 48},
                                           {.role = CNN_ROLE_STATISTIC, .count = 2, .offset = 64},
                                           {.role = CNN_ROLE_SAVED, .count = 5}}};
static const struct cnn_graph graph = {.nodes = &node, .count = 1, .parameter_floats = FLOATS};

static bool trained(size_t i)
{
    return (i >= 16 && i < 36) || (i >= 48 && i < 51);
}

static struct cnn_arena *settings_arena; /* what settings point to, for all tests */

static int arena_open(void **state)
{
    (void)state;
    settings_arena = cnn_arena_new();
    return settings_arena ? 0 : -1;
}

static int arena_close(void **state)
{
    (void)state;
    cnn_arena_free(settings_arena);
    return 0;
}

static cnn_status read_optimizer(const char *text, struct cnn_optimizer_settings *out,
                                 cnn_diag *diag)
{
    struct cnn_yaml *root;
    assert_int_equal(cnn_yaml_parse(settings_arena, "test", text, strlen(text), &root, NULL),
                     CNN_OK);
    return cnn_optimizer_read(settings_arena, root, out, diag);
}

static struct cnn_optimizer *optimizer_new(const char *text,
                                           struct cnn_optimizer_settings *settings)
{
    struct cnn_optimizer *optimizer;
    assert_int_equal(read_optimizer(text, settings, NULL), CNN_OK);
    assert_int_equal(cnn_optimizer_new(settings, &graph, &optimizer, NULL), CNN_OK);
    return optimizer;
}

static void check_updates(const char *text, double first, double second, double third)
{
    const double want[3] = {first, second, third};
    const float gradient[3] = {0.5f, -0.25f, 0.125f};
    struct cnn_optimizer_settings settings;
    struct cnn_optimizer *optimizer = optimizer_new(text, &settings);
    float *parameters = cnn_floats_new(FLOATS), *gradients = cnn_floats_new(FLOATS);
    for (size_t i = 0; i < FLOATS; i++)
        parameters[i] = 1;
    for (size_t step = 0; step < 3; step++) {
        for (size_t i = 0; i < FLOATS; i++)
            gradients[i] = gradient[step];
        cnn_optimizer_step(optimizer, parameters, gradients, settings.lr);
        for (size_t i = 0; i < FLOATS; i++)
            assert_near((double)parameters[i], trained(i) ? want[step] : 1, 1e-6);
    }
    assert_int_equal(cnn_optimizer_steps(optimizer), 3);
    cnn_optimizer_free(optimizer);
    cnn_floats_free(parameters);
    cnn_floats_free(gradients);
}

static void test_sgd_follows_pytorch(void **state)
{
    (void)state;
    check_updates("{type: sgd, lr: 0.1}", 0.95, 0.975, 0.9625);
    check_updates("{type: sgd, lr: 0.1, weight_decay: 0.1}", 0.94, 0.9556, 0.933544);
}

static void test_momentum_starts_with_the_gradient(void **state)
{
    (void)state;
    check_updates("{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1}", 0.94, 0.9016, 0.845524);
    check_updates("{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: true}", 0.886,
                  0.868066, 0.797156146);
}

static void test_adam_couples_weight_decay_and_adamw_does_not(void **state)
{
    (void)state;
    check_updates("{type: adam, lr: 0.1, betas: [0.8, 0.9], weight_decay: 0.1}", 0.900000002,
                  0.858555344, 0.805993623);
    check_updates("{type: adamw, lr: 0.1, betas: [0.8, 0.9], weight_decay: 0.1}", 0.890000002,
                  0.859677183, 0.819523926);
}

static void test_rmsprop_follows_pytorch(void **state)
{
    (void)state;
    check_updates("{type: rmsprop, lr: 0.1, alpha: 0.9, weight_decay: 0.1}", 0.683772251,
                  0.779898984, 0.67328245);
    check_updates("{type: rmsprop, lr: 0.1, alpha: 0.9, weight_decay: 0.1, momentum: 0.5}",
                  0.683772251, 0.62178511, 0.491632237);
}

/* Means that forget so slowly that the rate of decay is 1 as a float. */
static void test_decay_rates_next_to_one_follow_pytorch(void **state)
{
    (void)state;
    check_updates("{type: adam, lr: 0.01, betas: [0.9, 0.9999999]}", 0.9900000095, 0.9873370528,
                  0.9839339852);
    check_updates("{type: adam, lr: 0.01, betas: [0.9, 0.99999999]}", 0.9900000095, 0.9873370528,
                  0.9839339852);
    check_updates("{type: adam, lr: 0.01, betas: [0.9999999999999999, 0.5]}", 0.9900000095,
                  0.9864645004, 0.9814645052);
    check_updates("{type: adamw, lr: 0.01, betas: [0.99999999, 0.999], weight_decay: 0.1}",
                  0.9890000224, 0.9848483205, 0.9800824523);
    check_updates("{type: muon, lr: 0.01, others: {type: adamw, lr: 0.01, betas: [0.9, "
                  "0.9999999999999999], weight_decay: 0.1}}",
                  0.9890000224, 0.9853481054, 0.9809597135);
    check_updates("{type: rmsprop, lr: 1e-6, alpha: 0.99999999}", 0.9900019765, 0.9944733381,
                  0.9922915697);
    check_updates("{type: rmsprop, lr: 1e-5, alpha: 0.99999999, momentum: 0.5}", 0.9000200033,
                  0.8947433829, 0.8702870607);
}

static void test_decoupled_decay_shrinks_weights_apart_from_the_gradient(void **state)
{
    (void)state;
    check_updates("{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1, decoupled: true}", 0.94,
                  0.9106, 0.870994);
    check_updates("{type: rmsprop, lr: 0.1, alpha: 0.9, weight_decay: 0.1, decoupled: true}",
                  0.673772254, 0.814476479, 0.73086808);
}

/* Two updates of a matrix with lr 0.1, against NumPy in double precision. */
static void check_muon(size_t rows, size_t columns, const char *text, double weight_decay,
                       const double *want)
{
    struct cnn_optimizer_settings settings;
    assert_int_equal(read_optimizer(text, &settings, NULL), CNN_OK);
    const struct cnn_tensor tensor = {
        .role = CNN_ROLE_WEIGHT, .rank = 2, .dims = {rows, columns}, .count = rows * columns};
    float w[15], grad[15], m[15] = {0};
    struct cnn_update update = {.kernels = cnn_kernels(),
                                .settings = settings.own,
                                .tensor = &tensor,
                                .w = w,
                                .grad = grad,
                                .state = {m},
                                .lr = 0.1,
                                .weight_decay = weight_decay};
    assert_non_null(update.scratch =
                        cnn_floats_new(settings.type->scratch(update.kernels, &tensor)));
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            w[i * columns + j] = (float)cos(1 + 3 * (double)i + 7 * (double)j);
    for (size_t step = 0; step < 2; step++) {
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                grad[i * columns + j] =
                    (float)sin(2 + 5 * (double)i + 3 * (double)j + (double)step);
        update.step = step + 1;
        settings.type->update(&update);
    }
    for (size_t i = 0; i < 15; i++)
        assert_near((double)w[i], want[i], 2e-5);
    cnn_floats_free(update.scratch);
}

static void test_muon_follows_its_formula(void **state)
{
    (void)state;
    static const double plain[15] = {0.512107159,  -0.112047895, -0.787628777, -0.925362806,
                                     -0.798415334, -0.754268623, 0.081397198,  0.60823212,
                                     0.971527406,  0.856468533,  0.691876238,  0.147177232,
                                     -0.515864837, -0.99812071,  -0.798426176};
    static const double normalized[15] = {0.31913806,   -0.060026323, -0.516485388, -0.56828303,
                                          -0.531422996, -0.521121878, 0.079943952,  0.372451914,
                                          0.617597469,  0.558781833,  0.422671706,  0.098356063,
                                          -0.320259911, -0.65456347,  -0.475635244};
    static const double tall[15] = {0.526530558,  -0.090235743, -0.855338631, -0.756955137,
                                    0.052998394,  0.667455015,  0.709062861,  0.109029402,
                                    -0.448028806, -0.761198494, -0.339455353, 0.473603198,
                                    0.996465445,  0.399315451,  -0.363799715};
    check_muon(3, 5, "{type: muon, momentum: 0.9}", 0.1, plain);
    check_muon(3, 5, "{type: muon, momentum: 0.9, normalize: true}", 0, normalized);
    check_muon(5, 3, "{type: muon, momentum: 0.9, nesterov: false}", 0, tall);
}

static void test_lion_follows_its_paper(void **state)
{
    (void)state;
    check_updates("{type: lion, lr: 0.1, betas: [0.8, 0.9], weight_decay: 0.1}", 0.89, 0.9811,
                  0.871289);
    /* the momentum outweighs the second gradient, and what it takes in is no float next to 1 */
    check_updates("{type: lion, lr: 0.01, betas: [0.99999999, 0.99999999]}", 0.99, 0.98, 0.97);
}

/* Many weights, of which every seventh has no gradient: these only shrink. */
static void test_every_weight_goes_its_own_way_with_lion(void **state)
{
    (void)state;
    enum { COUNT = 40000, STEPS = 4 };
    static struct cnn_node wide = {
        .tensors = {{.role = CNN_ROLE_WEIGHT, .count = COUNT, .offset = 16}}};
    const struct cnn_graph graph_of_one = {
        .nodes = &wide, .count = 1, .parameter_floats = COUNT + 32};
    struct cnn_optimizer_settings settings;
    struct cnn_optimizer *optimizer;
    float *parameters = cnn_floats_new(COUNT + 32), *gradients = cnn_floats_new(COUNT + 32);
    double *want = calloc(COUNT, sizeof *want), *momentum = calloc(COUNT, sizeof *momentum);
    assert_true(parameters && gradients && want && momentum);
    assert_int_equal(read_optimizer("{type: lion, lr: 0.02, betas: [0.7, 0.6], weight_decay: 0.3}",
                                    &settings, NULL),
                     CNN_OK);
    assert_int_equal(cnn_optimizer_new(&settings, &graph_of_one, &optimizer, NULL), CNN_OK);
    for (size_t i = 0; i < COUNT; i++)
        want[i] = (double)(parameters[16 + i] = (float)sin((double)i));
    for (size_t step = 0; step < STEPS; step++) {
        for (size_t i = 0; i < COUNT; i++) {
            float g = i % 7 == 0 ? 0 : (float)cos(3 * (double)i + 2 * (double)step);
            double mean = 0.7 * momentum[i] + 0.3 * (double)g;
            gradients[16 + i] = g;
            momentum[i] = 0.6 * momentum[i] + 0.4 * (double)g;
            want[i] = want[i] * (1 - 0.02 * 0.3) - 0.02 * ((mean > 0) - (mean < 0));
        }
        cnn_optimizer_step(optimizer, parameters, gradients, settings.lr);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_near((double)parameters[16 + i], want[i], 1e-6);
    assert_true(parameters[15] == 0 && parameters[16 + COUNT] == 0);
    cnn_optimizer_free(optimizer);
    cnn_floats_free(parameters);
    cnn_floats_free(gradients);
    free(want);
    free(momentum);
}

static void test_weights_are_lost_when_a_gradient_is_no_number_with_lion(void **state)
{
    (void)state;
    struct cnn_optimizer_settings settings;
    struct cnn_optimizer *optimizer = optimizer_new("lion", &settings);
    float *parameters = cnn_floats_new(FLOATS), *gradients = cnn_floats_new(FLOATS);
    gradients[16] = NAN;
    cnn_optimizer_step(optimizer, parameters, gradients, settings.lr);
    assert_true(isnan(parameters[16]) && parameters[17] == 0);
    cnn_optimizer_free(optimizer);
    cnn_floats_free(parameters);
    cnn_floats_free(gradients);
}

/* A network with a tensor of every sort. */
static cnn_model *sorts_open(const char *optimizer)
{
    char text[1024];
    snprintf(text, sizeof text,
             "input: [2, 6, 6]\n"
             "layers:\n"
             "  - {type: conv, filters: 4, kernel_size: 3}\n"
             "  - {type: depthwise_conv, kernel_size: 3}\n"
             "  - {type: batch_norm}\n"
             "  - {type: conv, name: frozen, filters: 4, kernel_size: 1, trainable: bias}\n"
             "  - {type: conv_transpose, name: grow, filters: 4, kernel_size: 2}\n"
             "  - {type: flatten}\n"
             "  - {type: dense, units: 3}\n"
             "  - {type: dense, name: last, units: 2}\n"
             "train: {epochs: 1, optimizer: %s}\n",
             optimizer);
    return network_open(text);
}

/* How far one step with gradients of 1 moves the first number of a tensor; 1 is the learning rate
 * of the optimizer. */
static double moved(cnn_model *model, const char *tensor)
{
    struct cnn_optimizer *optimizer;
    const struct cnn_tensor *t = model->tensors[network_tensor(model, tensor)].tensor;
    float *gradients = cnn_floats_new(model->graph.parameter_floats),
          before = model->parameters[t->offset];
    for (size_t i = 0; i < model->graph.parameter_floats; i++)
        gradients[i] = 1;
    assert_int_equal(cnn_optimizer_new(&model->recipe.optimizer, &model->graph, &optimizer, NULL),
                     CNN_OK);
    /* the schedule's factor: a half */
    cnn_optimizer_step(optimizer, model->parameters, gradients, model->recipe.optimizer.lr / 2);
    double distance = 2 * ((double)before - (double)model->parameters[t->offset]);
    cnn_optimizer_free(optimizer);
    cnn_floats_free(gradients);
    return distance;
}

static void test_groups_have_rates_and_decay_of_their_own(void **state)
{
    (void)state;
    cnn_model *model = sorts_open(
        "{type: sgd, lr: 1, groups: [{layers: \"conv*\", tensors: bias, lr: 3}, {layers: "
        "[depthwise_conv, nothing], lr: 5}, "
        "{layers: batch_norm, tensors: weight, weight_decay: 0.5}, {tensors: bias, lr: 7}]}");
    assert_near(moved(model, "conv1.weight"), 1, 1e-6);
    assert_near(moved(model, "conv1.bias"), 3, 1e-6);
    assert_near(moved(model, "depthwise_conv1.weight"), 5, 1e-6);
    /* the first group that fits counts */
    assert_near(moved(model, "depthwise_conv1.bias"), 5, 1e-6);
    assert_near(moved(model, "last.bias"), 7, 1e-5);
    cnn_model_free(model);
    model = sorts_open(
        "{type: sgd, lr: 1, groups: [{layers: batch_norm, tensors: weight, weight_decay: 0.5}]}");
    assert_near(moved(model, "batch_norm1.weight"), 1.5, 1e-6); /* its weight is 1 */
    cnn_model_free(model);
}

static void test_frozen_tensors_stay_as_they_are(void **state)
{
    (void)state;
    cnn_model *model = sorts_open("{type: sgd, lr: 1}");
    assert_near(moved(model, "frozen.weight"), 0, 0);
    assert_near(moved(model, "frozen.bias"), 1, 1e-6);
    cnn_model_free(model);
}

/* Three steps of the network of sorts; in pieces: tensor by tensor from the last to the first, and
 * from each its end first, with gradients that begin where the piece does. */
static void take_steps(cnn_model *model, bool pieces)
{
    enum { CUT = 48 };
    const struct cnn_optimizer_settings *settings = &model->recipe.optimizer;
    const struct cnn_graph *g = &model->graph;
    struct cnn_optimizer *optimizer;
    float *gradients = cnn_floats_new(g->parameter_floats);
    assert_int_equal(cnn_optimizer_new(settings, g, &optimizer, NULL), CNN_OK);
    for (size_t step = 0; step < 3; step++) {
        for (size_t i = 0; i < g->parameter_floats; i++)
            gradients[i] = (float)sin(3 * (double)i + (double)step);
        for (size_t i = g->count; pieces && i-- > 0;)
            for (size_t slot = 0; cnn_slot_find(&g->nodes[i], &slot); slot++) {
                const struct cnn_tensor *t = &g->nodes[i].tensors[slot];
                size_t cut = t->offset + CUT, end = t->offset + t->count;
                if (!cnn_tensor_trained(t))
                    continue;
                if (cut >= end || cnn_optimizer_takes_whole(settings, g, i, t))
                    cut = t->offset;
                cnn_optimizer_update(optimizer, (struct cnn_stretch){cut, end}, model->parameters,
                                     gradients + cut, 0.1);
                cnn_optimizer_update(optimizer, (struct cnn_stretch){t->offset, cut},
                                     model->parameters, gradients + t->offset, 0.1);
            }
        if (pieces)
            cnn_optimizer_advance(optimizer);
        else
            cnn_optimizer_step(optimizer, model->parameters, gradients, 0.1);
    }
    cnn_optimizer_free(optimizer);
    cnn_floats_free(gradients);
}

static void test_pieces_are_updated_to_the_bits_of_the_whole(void **state)
{
    (void)state;
    static const char *const settings[] = {
        "{type: sgd, momentum: 0.9, nesterov: true, weight_decay: 0.01}",
        "{type: adamw, weight_decay: 0.1, groups: [{tensors: bias, lr: 0.5}]}",
        "{type: rmsprop, weight_decay: 0.01}", "{type: lion, weight_decay: 0.1}",
        "{type: muon, others: {type: adam}}"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        cnn_model *whole = sorts_open(settings[i]), *pieces = sorts_open(settings[i]);
        take_steps(whole, false);
        take_steps(pieces, true);
        assert_memory_equal(whole->parameters, pieces->parameters,
                            whole->graph.parameter_floats * sizeof(float));
        cnn_model_free(whole);
        cnn_model_free(pieces);
    }
}

static void test_muon_takes_matrices_and_leaves_the_rest_to_others(void **state)
{
    (void)state;
    cnn_model *model = sorts_open("{type: muon, lr: 1, others: {type: sgd, lr: 0.25}, groups: "
                                  "[{layers: last, tensors: weight, lr: 0.125}]}");
    static const char *const others[] = {"conv1.bias",         "depthwise_conv1.weight",
                                         "batch_norm1.weight", "grow.weight",
                                         "dense1.bias",        "last.bias"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        assert_near(moved(model, others[i]), 0.25, 1e-6);
    assert_near(moved(model, "last.weight"), 0.125, 1e-6);
    assert_true(fabs(moved(model, "conv1.weight") - 0.25) >
                /* all entries of the orthogonal matrix nearest to ones are 1 / sqrt(rows *
                 * columns) */
                0.01);
    assert_true(fabs(moved(model, "dense1.weight") - 0.25) > 0.01);
    assert_int_equal(cnn_optimizer_slabs(&model->recipe.optimizer), 1);
    cnn_model_free(model);
}

static void test_group_that_fits_nothing_is_refused_at_its_place(void **state)
{
    (void)state;
    cnn_model *model =
        sorts_open("{type: sgd, groups: [{tensors: bias, lr: 1}, {layers: conv9, lr: 1}]}");
    struct cnn_optimizer *optimizer;
    cnn_diag *diag = cnn_diag_new();
    assert_int_equal(cnn_optimizer_new(&model->recipe.optimizer, &model->graph, &optimizer, diag),
                     CNN_INVALID);
    assert_string_equal(cnn_diag_get(diag, 0)->text, "no trained tensor belongs to this group");
    assert_int_equal(cnn_diag_get(diag, 0)->line, 11);
    cnn_diag_free(diag);
    cnn_model_free(model);
}

static void check_slabs(const char *text, const char *first, const char *second)
{
    const char *want[] = {first, second, NULL}, *name;
    struct cnn_optimizer_settings settings;
    struct cnn_optimizer *optimizer = optimizer_new(text, &settings);
    for (size_t i = 0;; i++) {
        float *slab = cnn_optimizer_slab(optimizer, i, &name);
        assert_true((slab != NULL) == (want[i] != NULL));
        if (!slab)
            break;
        assert_string_equal(name, want[i]);
    }
    cnn_optimizer_free(optimizer);
}

static void test_state_is_what_the_update_needs(void **state)
{
    (void)state;
    check_slabs("sgd", NULL, NULL);
    check_slabs("{type: sgd, momentum: 0.9}", "momentum", NULL);
    check_slabs("adam", "m", "v");
    check_slabs("adamw", "m", "v");
    check_slabs("rmsprop", "square", NULL);
    check_slabs("{type: rmsprop, momentum: 0.9}", "square", "momentum");
    check_slabs("lion", "m", NULL);
    check_slabs("{type: muon, others: {type: sgd, momentum: 0.5}}", "momentum", NULL);
    check_slabs("{type: muon, others: lion}", "m", "momentum");
}

/* Number i of a key, which is a number or a list of them, after defaults. */
static double number_of(const char *text, const char *key, size_t i)
{
    struct cnn_yaml *root;
    double number = NAN;
    assert_int_equal(cnn_yaml_parse(settings_arena, "test", text, strlen(text), &root, NULL),
                     CNN_OK);
    const struct cnn_yaml *value = cnn_yaml_get(cnn_optimizer_resolve(settings_arena, root), key);
    assert_non_null(value);
    if (value->kind == CNN_YAML_SEQUENCE)
        value = value->items[i];
    assert_true(cnn_yaml_as_number(value, &number));
    return number;
}

static void test_defaults_are_pytorchs(void **state)
{
    (void)state;
    assert_near(number_of("adamw", "lr", 0), 0.001, 0);
    assert_near(number_of("adamw", "betas", 0), 0.9, 0);
    assert_near(number_of("adamw", "betas", 1), 0.999, 0);
    assert_near(number_of("adamw", "eps", 0), 1e-8, 0);
    assert_near(number_of("adamw", "weight_decay", 0), 0.01, 0);
    assert_near(number_of("rmsprop", "lr", 0), 0.01, 0);
    assert_near(number_of("rmsprop", "alpha", 0), 0.99, 0);
    struct cnn_optimizer_settings s;
    assert_int_equal(read_optimizer("adamw", &s, NULL), CNN_OK);
    assert_near(s.lr, 0.001, 0);
    assert_near(s.own->weight_decay, 0.01, 0);
}

static void expect_error(const char *text, const char *want, size_t column)
{
    struct cnn_optimizer_settings settings;
    cnn_diag *diag = cnn_diag_new();
    assert_int_equal(read_optimizer(text, &settings, diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(diag, 0)->text, want);
    assert_int_equal(cnn_diag_get(diag, 0)->column, column);
    cnn_diag_free(diag);
}

static void test_settings_that_contradict_are_refused_at_their_place(void **state)
{
    (void)state;
    expect_error("{type: sgd, nesterov: true}", "nesterov needs a momentum above 0", 23);
    expect_error("{type: adam, betas: 0.9}", "betas are two numbers, not 1", 21);
    expect_error("{type: lion, betas: [0.9, 0.99, 0.999]}", "betas are two numbers, not 3", 21);
    expect_error("{type: sgd, groups: {lr: 1}}", "`groups` must be a list", 21);
    expect_error("{type: sgd, groups: [{layers: [[a]]}]}",
                 "`layers` of a group wants a name or a list of names; found a list", 32);
    expect_error("{type: muon, others: {type: adam, groups: []}}",
                 "`groups` stands in the optimizer itself, not in its `others`", 43);
    expect_error("{type: muon, others: muon}", "unknown optimizer type 'muon'", 22);
}

static struct cnn_yaml *parse(struct cnn_arena *arena, const char *text)
{
    struct cnn_yaml *root;
    assert_int_equal(cnn_yaml_parse(arena, "test", text, strlen(text), &root, NULL), CNN_OK);
    return root;
}

static void test_recipe_has_at_most_one_length(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_recipe recipe;
    assert_int_equal(cnn_recipe_read(arena, parse(arena, "{epochs: 2}"), &recipe, NULL), CNN_OK);
    assert_int_equal(cnn_recipe_read(arena, parse(arena, "{epochs: 2, steps: 3}"), &recipe, NULL),
                     CNN_INVALID);
    /* training itself asks for a length */
    assert_int_equal(cnn_recipe_read(arena, parse(arena, "{seed: 2}"), &recipe, NULL), CNN_OK);
    assert_int_equal(cnn_recipe_read(arena, NULL, &recipe, NULL), CNN_OK);
    assert_int_equal(recipe.batch_size, 32);
    assert_int_equal(recipe.epochs + recipe.steps, 0);
    cnn_arena_free(arena);
}

static void test_resolved_recipe_reads_back_the_same(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    const char *texts[] = {
        "{steps: 3}", "{epochs: 3, optimizer: adam, schedule: {type: step, milestones: [1, 2]}}"};
    for (size_t i = 0; i < 2; i++) {
        struct cnn_text once = {0}, twice = {0};
        struct cnn_recipe recipe;
        struct cnn_yaml *resolved = cnn_recipe_resolve(arena, parse(arena, texts[i]));
        cnn_yaml_write(resolved, &once);
        struct cnn_yaml *again = parse(arena, once.data);
        assert_int_equal(cnn_recipe_read(arena, again, &recipe, NULL), CNN_OK);
        cnn_yaml_write(cnn_recipe_resolve(arena, again), &twice);
        assert_string_equal(once.data, twice.data);
        assert_non_null(strstr(once.data, i ? "betas" : "nesterov: false"));
        cnn_text_free(&once);
        cnn_text_free(&twice);
    }
    cnn_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sgd_follows_pytorch),
        cmocka_unit_test(test_momentum_starts_with_the_gradient),
        cmocka_unit_test(test_adam_couples_weight_decay_and_adamw_does_not),
        cmocka_unit_test(test_rmsprop_follows_pytorch),
        cmocka_unit_test(test_decay_rates_next_to_one_follow_pytorch),
        cmocka_unit_test(test_decoupled_decay_shrinks_weights_apart_from_the_gradient),
        cmocka_unit_test(test_muon_follows_its_formula),
        cmocka_unit_test(test_lion_follows_its_paper),
        cmocka_unit_test(test_every_weight_goes_its_own_way_with_lion),
        cmocka_unit_test(test_weights_are_lost_when_a_gradient_is_no_number_with_lion),
        cmocka_unit_test(test_groups_have_rates_and_decay_of_their_own),
        cmocka_unit_test(test_frozen_tensors_stay_as_they_are),
        cmocka_unit_test(test_pieces_are_updated_to_the_bits_of_the_whole),
        cmocka_unit_test(test_muon_takes_matrices_and_leaves_the_rest_to_others),
        cmocka_unit_test(test_group_that_fits_nothing_is_refused_at_its_place),
        cmocka_unit_test(test_state_is_what_the_update_needs),
        cmocka_unit_test(test_defaults_are_pytorchs),
        cmocka_unit_test(test_settings_that_contradict_are_refused_at_their_place),
        cmocka_unit_test(test_recipe_has_at_most_one_length),
        cmocka_unit_test(test_resolved_recipe_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
