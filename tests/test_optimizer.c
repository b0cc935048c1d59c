/* Optimisers: three updates of one weight against PyTorch's formulas in double precision, which tensors are touched, and the state that a checkpoint
 * carries. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
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

static cnn_status read_optimizer(const char *text, struct cnn_optimizer_settings *out, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_yaml *root;
    assert_int_equal(cnn_yaml_parse(arena, "test", text, strlen(text), &root, NULL), CNN_OK);
    cnn_status status = cnn_optimizer_read(arena, root, out, diag);
    cnn_arena_free(arena);
    return status;
}

static struct cnn_optimizer *optimizer_new(const char *text, struct cnn_optimizer_settings *settings)
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
        cnn_optimizer_step(optimizer, cnn_kernels(), parameters, gradients, settings.lr);
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
    check_updates("{type: sgd, lr: 0.1, momentum: 0.9, weight_decay: 0.1, nesterov: true}", 0.886, 0.868066, 0.797156146);
}

static void test_adam_couples_weight_decay_and_adamw_does_not(void **state)
{
    (void)state;
    check_updates("{type: adam, lr: 0.1, betas: [0.8, 0.9], weight_decay: 0.1}", 0.900000002, 0.858555344, 0.805993623);
    check_updates("{type: adamw, lr: 0.1, betas: [0.8, 0.9], weight_decay: 0.1}", 0.890000002, 0.859677183, 0.819523926);
}

static void test_rmsprop_follows_pytorch(void **state)
{
    (void)state;
    check_updates("{type: rmsprop, lr: 0.1, alpha: 0.9, weight_decay: 0.1}", 0.683772251, 0.779898984, 0.67328245);
    check_updates("{type: rmsprop, lr: 0.1, alpha: 0.9, weight_decay: 0.1, momentum: 0.5}", 0.683772251, 0.62178511, 0.491632237);
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
}

static void test_defaults_are_pytorchs(void **state)
{
    (void)state;
    struct cnn_optimizer_settings s;
    assert_int_equal(read_optimizer("adamw", &s, NULL), CNN_OK);
    assert_near(s.lr, 0.001, 0);
    assert_near(s.beta1, 0.9, 0);
    assert_near(s.beta2, 0.999, 0);
    assert_near(s.eps, 1e-8, 0);
    assert_near(s.weight_decay, 0.01, 0);
    assert_int_equal(read_optimizer("rmsprop", &s, NULL), CNN_OK);
    assert_near(s.lr, 0.01, 0);
    assert_near(s.alpha, 0.99, 0);
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
    assert_int_equal(cnn_recipe_read(arena, parse(arena, "{epochs: 2, steps: 3}"), &recipe, NULL), CNN_INVALID);
    assert_int_equal(cnn_recipe_read(arena, parse(arena, "{seed: 2}"), &recipe, NULL), CNN_OK); /* training itself asks for a length */
    assert_int_equal(cnn_recipe_read(arena, NULL, &recipe, NULL), CNN_OK);
    assert_int_equal(recipe.batch_size, 32);
    assert_int_equal(recipe.epochs + recipe.steps, 0);
    cnn_arena_free(arena);
}

static void test_resolved_recipe_reads_back_the_same(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    const char *texts[] = {"{steps: 3}", "{epochs: 3, optimizer: adam, schedule: {type: step, milestones: [1, 2]}}"};
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
        cmocka_unit_test(test_state_is_what_the_update_needs),
        cmocka_unit_test(test_defaults_are_pytorchs),
        cmocka_unit_test(test_settings_that_contradict_are_refused_at_their_place),
        cmocka_unit_test(test_recipe_has_at_most_one_length),
        cmocka_unit_test(test_resolved_recipe_reads_back_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
