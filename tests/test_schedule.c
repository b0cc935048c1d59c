/* Schedules: the factor at the updates where each of them turns. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "recipe/schedule.h"

#define PER_EPOCH 10
#define STEPS     100

static struct cnn_schedule_settings read_schedule(struct cnn_arena *arena, const char *text)
{
    struct cnn_schedule_settings schedule;
    struct cnn_yaml *node;
    assert_int_equal(cnn_yaml_parse(arena, "test", text, strlen(text), &node, NULL), CNN_OK);
    assert_int_equal(cnn_schedule_read(arena, node, &schedule, NULL), CNN_OK);
    return schedule;
}

struct point {
    size_t step;
    double factor;
};

static void check_factors(const char *text, const struct point *points, size_t count)
{
    const struct cnn_plateau plateau = {0};
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_schedule_settings schedule = read_schedule(arena, text);
    for (size_t i = 0; i < count; i++)
        assert_near(cnn_schedule_factor(&schedule, &plateau, points[i].step, STEPS, PER_EPOCH),
                    points[i].factor, 1e-12);
    cnn_arena_free(arena);
}

#define CHECK_FACTORS(text, ...)                                                                   \
    do {                                                                                           \
        const struct point points[] = {__VA_ARGS__};                                               \
        check_factors(text, points, sizeof points / sizeof *points);                               \
    } while (0)

static void test_constant_stays_when_steps_pass(void **state)
{
    (void)state;
    CHECK_FACTORS("constant", {0, 1}, {99, 1});
}

static void test_warmup_ends_at_the_full_rate(void **state)
{
    (void)state;
    CHECK_FACTORS("{type: constant, warmup_epochs: 0.4}", {0, 0.25}, {1, 0.5}, {3, 1}, {4, 1});
    CHECK_FACTORS("{type: cosine, warmup_epochs: 2}", {0, 0.05}, {19, 1}, {20, 1}, {60, 0.5});
    CHECK_FACTORS("{type: linear, warmup_epochs: 2}", {19, 1}, {20, 1}, {60, 0.5});
}

static void test_step_falls_when_epochs_are_over(void **state)
{
    (void)state;
    CHECK_FACTORS("{type: step, step_epochs: 3}", {29, 1}, {30, 0.1}, {59, 0.1}, {60, 0.01},
                  {99, 0.001});
    CHECK_FACTORS("{type: step, milestones: [2, 5.5], gamma: 0.5}", {19, 1}, {20, 0.5}, {54, 0.5},
                  {55, 0.25}, {99, 0.25});
}

static void test_cosine_ends_near_its_least_factor(void **state)
{
    (void)state;
    CHECK_FACTORS("cosine", {0, 1}, {50, 0.5}, {25, 0.5 + sqrt(0.125)});
    CHECK_FACTORS("{type: cosine, min_factor: 0.2}", {0, 1}, {50, 0.6},
                  {99, 0.2 + 0.4 * (1 + cos(3.14159265358979323846 * 0.99))});
}

static void test_linear_falls_evenly(void **state)
{
    (void)state;
    CHECK_FACTORS("{type: linear, min_factor: 0.5}", {0, 1}, {50, 0.75}, {99, 0.505});
}

/* The numbers of PyTorch 1.13's OneCycleLR (max_lr 1, total_steps 100). */
static void test_one_cycle_is_that_of_pytorch(void **state)
{
    (void)state;
    CHECK_FACTORS("one_cycle", {0, 0.04}, {1, 0.042813780565907456}, {15, 0.5459866761210004},
                  {28, 0.9971862194340926}, {29, 1}, {30, 0.9994965352845243}, {64, 0.500002},
                  {98, 0.0005074647154757879}, {99, 4e-06});
    CHECK_FACTORS("{type: one_cycle, pct_start: 0.5, div_factor: 10, final_div_factor: 100}",
                  {0, 0.1}, {24, 0.535576790092755}, {49, 1}, {50, 0.9990143508499216},
                  {99, 0.001});
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_schedule_settings schedule = read_schedule(arena, "one_cycle");
    /* total_steps 3: too few to rise in */
    const double factors[] = {0.9944154354509117, 0.46263710266697505, 4e-06};
    for (size_t i = 0; i < 3; i++)
        assert_near(cnn_schedule_factor(&schedule, &(struct cnn_plateau){0}, i, 3, 1), factors[i],
                    1e-12);
    cnn_arena_free(arena);
}

static void test_triangular_turns_at_its_peak(void **state)
{
    (void)state;
    CHECK_FACTORS("{type: triangular, start: 0.2, peak: 0.23, end: 0.07}", {0, 0.2},
                  {10, 0.2 + 0.8 * 10 / 23.0}, {22, 0.2 + 0.8 * 22 / 23.0}, {23, 1},
                  {24, 1 - 0.93 / 77}, {99, 0.07 + 0.93 / 77});
    CHECK_FACTORS("triangular", {0, 0}, {25, 0.5}, {50, 1}, {75, 0.5});
    CHECK_FACTORS("{type: triangular, start: 0.5, peak: 0}", {0, 1}, {50, 0.5});
    CHECK_FACTORS("{type: triangular, start: 0.5, peak: 1}", {0, 0.5}, {50, 0.75});
    CHECK_FACTORS("{type: triangular, start: 0.5, warmup_epochs: 2}", {0, 0.05}, {19, 1}, {20, 0.5},
                  {60, 1}, {80, 0.5});
}

static void test_plateau_falls_after_more_than_patience(void **state)
{
    (void)state;
    struct cnn_plateau plateau = {0};
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_schedule_settings schedule =
        read_schedule(arena, "{type: plateau, patience: 1, gamma: 0.5, min_factor: 0.3}");
    /* 0.99995 is no better: the gain is below one part in ten thousand. A loss that is no number is
     * none either. */
    const double losses[] = {1, 0.99995, 2, 0.5, 0.5, 0.6, 0.7, NAN, 0.1};
    const double factors[] = {1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3, 0.3};
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) {
        cnn_plateau_update(&schedule, &plateau, losses[i]);
        assert_near(cnn_schedule_factor(&schedule, &plateau, 50, STEPS, PER_EPOCH), factors[i],
                    1e-12);
    }
    assert_near(plateau.best, 0.1, 0);
    cnn_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_constant_stays_when_steps_pass),
        cmocka_unit_test(test_warmup_ends_at_the_full_rate),
        cmocka_unit_test(test_step_falls_when_epochs_are_over),
        cmocka_unit_test(test_cosine_ends_near_its_least_factor),
        cmocka_unit_test(test_linear_falls_evenly),
        cmocka_unit_test(test_one_cycle_is_that_of_pytorch),
        cmocka_unit_test(test_triangular_turns_at_its_peak),
        cmocka_unit_test(test_plateau_falls_after_more_than_patience),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
