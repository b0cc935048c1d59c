/* What a step by several processes is expected to cost: by hand, and the link as measured. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ranks.h"
#include "recipe/optimizer_type.h"
#include "train/cost.h"

/* Two layers that are a bucket each; the second has three quarters of the products. */
static struct cnn_node layers[] = {
    {.macs = 1, .tensors = {{.role = CNN_ROLE_WEIGHT, .count = 600000}}},
    {.macs = 3, .tensors = {{.role = CNN_ROLE_WEIGHT, .count = 400000, .offset = 600000}}},
};
static const struct cnn_graph million = {.nodes = layers, .count = 2, .parameter_floats = 1000000};
static const struct cnn_optimizer_type plain = {.proportional = true};
static const struct cnn_optimizer_settings settings = {.type = &plain};

static struct cnn_cost cost_of(size_t ranks, bool clips)
{
    struct cnn_cost cost;
    const struct cnn_cost_of of = {.graph = &million,
                                   .settings = &settings,
                                   .clips = clips,
                                   .batch = 32,
                                   .ranks = ranks,
                                   .step = 2,
                                   .link = {.latency = 0.001, .bandwidth = 1e7}};
    assert_int_equal(cnn_cost_estimate(&of, &cost, NULL), CNN_OK);
    return cost;
}

static void check_cost(size_t ranks, double bytes, double compute, double exchange)
{
    const struct cnn_cost cost = cost_of(ranks, false);
    assert_true(fabs(cost.bytes - bytes) < 1);
    assert_true(fabs(cost.compute - compute) < 1e-9);
    assert_true(fabs(cost.exchange - exchange) < 1e-9);
    assert_true(fabs(cost.efficiency - 2.0 / (double)ranks / (compute + cost.waits)) < 1e-9);
}

/* 4 MB of gradients; 8 parts, of which each rank has a whole number; all meet four times. One of
 * three ranks has parts 2 to 4: the sums of 2 and 3, and of 4. */
static void test_a_step_costs_computing_bytes_and_messages(void **state)
{
    (void)state;
    check_cost(1, 0, 2, 0);
    check_cost(2, 4e6, 1, 0.4 + 0.004);
    check_cost(3, 8e6, 2 * 3.0 / 8, 0.8 + 0.008);
    check_cost(4, 6e6, 0.5, 0.6 + 0.008);
    check_cost(8, 7e6, 0.25, 0.7 + 0.012);
}

/* The second layer is complete when 5/6 of the step are done, and travels while the first one's
 * backward runs; that one's gradients and weights are waited for. */
static void test_what_backward_hides_is_not_waited_for(void **state)
{
    (void)state;
    assert_true(fabs(cost_of(1, false).waits) < 1e-9);
    assert_true(fabs(cost_of(2, false).waits - (0.24 + 0.004)) < 1e-9);
    assert_true(fabs(cost_of(2, true).waits - (0.12 + 0.2 + 0.005)) < 1e-9);
    double slow = 0.25 * 5 / 6 + 0.28 + 0.42 - 0.25; /* the link is busy to the end */
    assert_true(fabs(cost_of(8, false).waits - (slow + 0.012)) < 1e-9);
}

/* Of 4 MB, the first layer's 2.4 MB stay where they are. */
static void test_frozen_layers_are_not_sent(void **state)
{
    (void)state;
    layers[0].tensors[0].frozen = true;
    const struct cnn_cost cost = cost_of(2, false);
    layers[0].tensors[0].frozen = false;
    assert_true(fabs(cost.bytes - 1.6e6) < 1);
    assert_true(fabs(cost.exchange - (0.16 + 0.004)) < 1e-9);
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
        cmocka_unit_test(test_what_backward_hides_is_not_waited_for),
        cmocka_unit_test(test_frozen_layers_are_not_sent),
        cmocka_unit_test(test_a_link_is_measured),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
