/* What a step by several processes is expected to cost: by hand, and the link as measured. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ranks.h"
#include "train/cost.h"

static const struct cnn_graph million = {.parameter_floats = 1000000};

static void check_cost(size_t ranks, double bytes, double compute, double exchange)
{
    const struct cnn_cost_of of = {.graph = &million,
                                   .batch = 32,
                                   .ranks = ranks,
                                   .step = 2,
                                   .link = {.latency = 0.001, .bandwidth = 1e7}};
    const struct cnn_cost cost = cnn_cost_estimate(&of);
    assert_true(fabs(cost.bytes - bytes) < 1);
    assert_true(fabs(cost.compute - compute) < 1e-9);
    assert_true(fabs(cost.exchange - exchange) < 1e-9);
    assert_true(fabs(cost.efficiency - 2.0 / (double)ranks / (compute + exchange)) < 1e-9);
}

/* 4 MB of gradients; 8 parts, of which each rank has a whole number; all meet three times. */
static void test_a_step_costs_computing_bytes_and_messages(void **state)
{
    (void)state;
    check_cost(1, 0, 2, 0);
    check_cost(2, 4e6, 1, 0.4 + 0.003);
    check_cost(3, 16e6 / 3, 2 * 3.0 / 8, 1.6 / 3 + 0.006);
    check_cost(4, 6e6, 0.5, 0.6 + 0.006);
    check_cost(8, 7e6, 0.25, 0.7 + 0.009);
}

static bool measure(cnn_cluster *cluster, void *context)
{
    struct cnn_link *link = context, mine;
    bool good = cnn_link_measure(cluster, &mine);
    if (cnn_cluster_rank(cluster) == 0)
        *link = mine;
    return good && cnn_cluster_any(cluster, 0) == 0;
}

static void test_a_link_is_measured(void **state)
{
    (void)state;
    struct cnn_link *link = ranks_shared(sizeof *link);
    assert_int_equal(ranks_run(3, 60, measure, link), 0);
    assert_true(link->latency > 1e-7 && link->latency < 0.5);
    assert_true(link->bandwidth > 1e6 && link->bandwidth < 1e12);
    assert_true(link->rank == 1 || link->rank == 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_costs_computing_bytes_and_messages),
        cmocka_unit_test(test_a_link_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
