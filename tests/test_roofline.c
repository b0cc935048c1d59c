/* The bounds of `cnn bench`: what layers multiply and move, counted by hand; the level that holds
 * it; the caches of a machine, from files as Linux writes them; and that what is measured can be
 * true. Demands are the same with every instruction set, but for who multiplies what. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "geometry.h"
#include "networks.h"
#include "train/roofline.h"
#include "util/file.h"

#define KIB ((size_t)1024)

/* A machine with round numbers. */
static const struct cnn_roofline machine = {
    .peak = {1e9, 2e9, 4e9}, .room = {1e3, 1e5, 1e6}, .bandwidth = {8e9, 4e9, 2e9, 1e9}};

/* Whether the kernels in use measure anything. */
static bool measurable(void)
{
    return cnn_kernels()->read;
}

static bool near(double a, double b)
{
    return a > b * (1 - 1e-9) && a < b * (1 + 1e-9);
}

static struct cnn_demand forward_of(const char *input, const char *layers, size_t n)
{
    cnn_model *model = network_open_layers(input, layers);
    struct cnn_plan *plan = network_plan(model, n, CNN_PLAN_INFER, false);
    cnn_plan_forward(plan, n, false, 0);
    const struct cnn_demand d = cnn_demand_forward(plan, 0, n);
    cnn_plan_free(plan);
    cnn_model_free(model);
    return d;
}

static void test_bound_is_operations_over_peak_when_a_layer_multiplies_much(void **state)
{
    (void)state;
    const struct cnn_demand d =
        forward_of("[32, 10, 10]", "- {type: conv, filters: 32, kernel_size: 5, bias: false}\n", 2);
    const double macs = 2.0 * 6 * 6 * 32 * 32 * 25;
    assert_true(d.products[CNN_FACTORS_FLOATS] == macs);
    const struct cnn_bound bound = cnn_roofline_bound(&machine, &d);
    assert_int_equal(bound.by, CNN_LIMIT_COMPUTE);
    assert_true(near(bound.seconds, 2 * macs / 1e9));
    assert_string_equal(cnn_limit_name(bound.by), "compute");
}

static void test_bound_is_memory_when_nothing_is_multiplied(void **state)
{
    (void)state;
    const struct cnn_demand d =
        forward_of("[20, 40, 40]", "- {type: pool, pool_type: max, kernel_size: 2}\n", 1);
    const double bytes = 4.0 * 20 * (40 * 40 + 20 * 20);
    for (int f = 0; f < CNN_FACTORS_KINDS; f++)
        assert_true(d.products[f] == 0);
    assert_true(d.bytes == bytes);
    struct cnn_bound bound = cnn_roofline_bound(&machine, &d);
    assert_int_equal(bound.by, 2); /* 160 kB: beyond the second level's 100 */
    assert_true(near(bound.seconds, bytes / 2e9));
    assert_string_equal(cnn_limit_name(bound.by), "L3");
}

static void test_level_is_the_first_that_holds_what_is_there_together(void **state)
{
    (void)state;
    const double sizes[] = {1e3, 1.1e3, 1e5, 1e6, 1.1e6}, levels[] = {0, 1, 1, 2, 3};
    for (size_t i = 0; i < 5; i++) {
        const struct cnn_demand d = {.bytes = 8e6, .together = sizes[i]};
        const struct cnn_bound bound = cnn_roofline_bound(&machine, &d);
        assert_int_equal(bound.by, (int)levels[i]);
        assert_true(near(bound.seconds, 8e6 / machine.bandwidth[bound.by]));
    }
    assert_string_equal(cnn_limit_name(CNN_LEVEL_MEMORY), "memory");
    const struct cnn_demand nothing = {.bytes = 0};
    assert_null(cnn_limit_name(cnn_roofline_bound(&machine, &nothing).by));
    assert_true(cnn_roofline_bound(&machine, &nothing).seconds == 0);
}

static void test_bound_adds_products_of_all_kinds(void **state)
{
    (void)state;
    const struct cnn_demand d = {.products = {1e9, 3e9, 8e9}};
    assert_true(near(cnn_roofline_bound(&machine, &d).seconds, 2 * (1 + 1.5 + 2)));
}

static void test_bytes_are_those_read_when_windows_leave_pixels_out(void **state)
{
    (void)state;
    /* every second row and column of a map, and half of the channels of another */
    const struct cnn_demand stride =
        forward_of("[16, 8, 8]", "- {type: pool, pool_type: avg, kernel_size: 1, stride: 2}\n", 3);
    assert_true(stride.bytes == 4.0 * 3 * 2 * 16 * 4 * 4);
    const struct cnn_demand slice = forward_of("[16, 8, 8]", "- {type: slice, start: 4}\n", 1);
    assert_true(slice.bytes == 4.0 * 2 * 12 * 8 * 8);
    /* a list is in the map's order where that has one pixel: nothing is moved */
    const struct cnn_demand list = forward_of("[16, 1, 1]", "- {type: flatten}\n", 1);
    assert_true(list.bytes == 0 || list.bytes == 4.0 * 2 * 16);
    const struct cnn_demand map = forward_of("[16, 2, 2]", "- {type: flatten}\n", 1);
    assert_true(map.bytes == 4.0 * 2 * 64);
}

static void test_fused_layers_are_counted_with_their_lead(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[32, 6, 6]", "- {type: conv, filters: 32, kernel_size: 1, name: x}\n"
                      "- {type: conv, filters: 32, kernel_size: 1, bias: false}\n"
                      "- {type: batch_norm, name: b}\n"
                      "- {type: add, from: [b, x], activation: relu}\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_INFER, false);
    cnn_plan_forward(plan, 1, false, 0);
    assert_int_equal(cnn_plan_graph(plan)->count, 2);
    const struct cnn_demand d = cnn_demand_forward(plan, 1, 1);
    /* the weights are packed, and behind them stand scale and bias */
    const double values = 4.0 * 3 * 32 * 36, weights = 4.0 * (32 * 32 + 2 * 32);
    assert_true(d.bytes >= values + 4.0 * 32 * 32 && d.bytes <= values + weights);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

static void test_backward_has_a_gradient_of_the_data_when_a_layer_is_below(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[8, 9, 9]", "- {type: conv, filters: 8, kernel_size: 3, bias: false}\n"
                     "- {type: conv, filters: 8, kernel_size: 3, stride: 2, bias: false}\n");
    struct cnn_plan *plan = network_plan(model, 4, CNN_PLAN_TRAIN, false);
    cnn_plan_forward(plan, 4, true, 0);
    const struct cnn_demand first = cnn_demand_backward(plan, 0, 4),
                            second = cnn_demand_backward(plan, 1, 4);
    const double weights = 8 * 8 * 9;
    assert_true(first.products[CNN_FACTORS_FLOATS] == 4.0 * 49 * weights);
    assert_true(second.products[CNN_FACTORS_FLOATS] == 2 * 4.0 * 9 * weights);
    /* x, dy, gradients; and with them dx and the weights */
    assert_true(first.bytes == 4 * (4.0 * 8 * (81 + 49) + weights));
    assert_true(second.bytes == 4 * (4.0 * 8 * (49 + 9 + 49) + 2 * weights));
    cnn_plan_free(plan);
    cnn_model_free(model);
}

static void test_bytes_are_as_they_are_stored_when_a_network_is_quantized(void **state)
{
    (void)state;
    cnn_model *model =
        network_open("input: [4, 8, 8]\nprecision: int8\nlayers:\n"
                     "- {type: conv, filters: 20, kernel_size: 1}\n"
                     "- {type: pool, pool_type: max, kernel_size: 4}\n"
                     "- {type: conv, filters: 20, kernel_size: 1}\n- {type: flatten}\n"
                     "- {type: dense, units: 10}\ndata: {dataset: shapes, limit: 40}\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_INFER, false);
    cnn_plan_forward(plan, 1, false, 0);
    const struct cnn_demand conv = cnn_demand_forward(plan, 0, 1),
                            pool = cnn_demand_forward(plan, 1, 1);
    assert_true(conv.products[CNN_FACTORS_BYTES] == 64.0 * 4 * 20);
    assert_true(conv.products[CNN_FACTORS_FLOATS] == 0);
    assert_true(pool.bytes == 20.0 * (64 + 4));
    cnn_plan_free(plan);
    cnn_model_free(model);
}

/* Of all tables. */
static void test_work_is_of_the_algorithm_that_a_convolution_goes_by(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 0; (k = cnn_kernels_at(i)); i++) {
        struct cnn_conv c = conv_square((struct square){27, 32, 64, 3, 1, 1, 1, 1});
        const double direct = 27.0 * 27 * 9 * 32 * 64, tiles = 7.0 * 7 * 36 * 32 * 64;
        c.direct = true;
        assert_true(k->conv_work(&c, CNN_CONV_FORWARD).products == direct);
        c.direct = false;
        for (int pass = 0; pass <= CNN_CONV_BACKWARD_WEIGHTS; pass++)
            assert_true(k->conv_work(&c, (enum cnn_conv_pass)pass).products ==
                        (i > 0 ? tiles : direct));
        /* tiles are of the input in the gradient of the data alone */
        c = conv_square((struct square){28, 32, 64, 3, 1, 0, 1, 1});
        c.direct = false;
        assert_true(k->conv_work(&c, CNN_CONV_FORWARD).products ==
                    (i > 0 ? tiles : 26.0 * 26 * 9 * 32 * 64));
        c = conv_square((struct square){30, 32, 64, 3, 1, 0, 1, 1});
        c.direct = false;
        if (i > 0)
            assert_true(k->conv_work(&c, CNN_CONV_BACKWARD_DATA).products ==
                        8.0 * 8 * 36 * 32 * 64);
        /* depthwise: of three taps on either edge one is left out */
        c = conv_square((struct square){7, 24, 24, 3, 1, 1, 1, 24});
        assert_true(k->conv_work(&c, CNN_CONV_FORWARD).products ==
                    24.0 * (i > 0 ? 19 * 19 : 21 * 21));
    }
}

static void test_work_is_of_pairs_when_the_kernels_have_them(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 0; (k = cnn_kernels_at(i)); i++) {
        const enum cnn_factors pairs =
            k->peak[CNN_FACTORS_PAIRS] ? CNN_FACTORS_PAIRS : CNN_FACTORS_FLOATS;
        struct cnn_conv c = conv_square((struct square){9, 16, 16, 1, 1, 0, 1, 1});
        assert_int_equal(k->conv_work(&c, CNN_CONV_FORWARD).factors, CNN_FACTORS_FLOATS);
        c.bf16 = true;
        for (int pass = 0; pass <= CNN_CONV_BACKWARD_WEIGHTS; pass++)
            assert_int_equal(k->conv_work(&c, (enum cnn_conv_pass)pass).factors, pairs);
        /* three channels: forward alone pairs neighbours in a row */
        c = conv_square((struct square){9, 3, 16, 3, 2, 1, 1, 1});
        c.bf16 = true;
        assert_int_equal(k->conv_work(&c, CNN_CONV_FORWARD).factors, pairs);
        assert_int_equal(k->conv_work(&c, CNN_CONV_BACKWARD_WEIGHTS).factors, CNN_FACTORS_FLOATS);
        /* by Winograd's algorithm gradients alone, of values that are stored as bfloat16 */
        c = conv_square((struct square){16, 64, 64, 3, 1, 1, 1, 1});
        c.direct = false;
        c.bf16 = true;
        for (int stored = 0; stored <= (k->halves != NULL); stored++) {
            c.x_halves = c.y_halves = stored == 1;
            for (int pass = 0; pass <= CNN_CONV_BACKWARD_WEIGHTS; pass++)
                assert_int_equal(k->conv_work(&c, (enum cnn_conv_pass)pass).factors,
                                 i > 0 && stored && pass != CNN_CONV_FORWARD ? CNN_FACTORS_PAIRS
                                                                             : CNN_FACTORS_FLOATS);
        }
    }
}

static void test_peaks_count_what_they_compute(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 0; (k = cnn_kernels_at(i)); i++)
        for (int f = 0; f < CNN_FACTORS_KINDS; f++) {
            float result = -1;
            if (i == 0)
                assert_null(k->peak[f]);
            if (!k->peak[f])
                continue;
            const double operations = k->peak[f](3, &result);
            assert_true(near(k->peak[f](6, &result), 2 * operations));
            if (f != CNN_FACTORS_FLOATS) /* 3 + 4 + ... + 14 in every lane */
                assert_true(result > 0 && (int)result % 102 == 0);
        }
}

static void test_read_reads_all_of_an_array(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const size_t floats = 3072;
    float *x = tensor_new(floats);
    for (size_t i = 1; (k = cnn_kernels_at(i)); i++)
        for (size_t at = 0; at < floats; at += 61) {
            float result = -1;
            memset(x, 0, floats * sizeof *x);
            k->read(x, floats, 2, at % 2, &result);
            assert_true(result == 0);
            x[at] = 1; /* its bits as a whole number */
            k->read(x, floats, 1, at % 2, &result);
            assert_true(result == (float)0x3f800000);
        }
    tensor_free(x, floats);
}

static void test_measured_rates_can_be_true(void **state)
{
    (void)state;
    struct cnn_roofline r = {.peak = {0}};
    const bool wanted[CNN_FACTORS_KINDS] = {[CNN_FACTORS_BYTES] = true};
    cnn_roofline_measure_peaks(&r, wanted);
    assert_int_equal(cnn_roofline_measure_bandwidth(&r, NULL), CNN_OK);
    assert_true(r.peak[CNN_FACTORS_FLOATS] == 0);
    assert_int_equal(r.peak[CNN_FACTORS_BYTES] > 0, measurable());
    for (int i = 0; i < CNN_CACHE_LEVELS && measurable(); i++)
        assert_int_equal(r.bandwidth[i] > 0, r.room[i] > 0);
    assert_int_equal(r.bandwidth[CNN_LEVEL_MEMORY] > 0, measurable());
}

static void put(struct scratch *s, int index, const char *name, const char *text)
{
    char path[128], folder[256];
    snprintf(path, sizeof path, "root/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, name);
    snprintf(folder, sizeof folder, "%s", scratch_path(s, path));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(cnn_make_directories(folder, NULL), CNN_OK);
    scratch_write(s, path, text, strlen(text));
}

static void put_cache(struct scratch *s, int index, const char *const text[4])
{
    static const char *const names[] = {"level", "type", "size", "shared_cpu_list"};
    for (int i = 0; i < 4; i++)
        put(s, index, names[i], text[i]);
}

static void test_caches_are_those_of_the_machine(void **state)
{
    struct scratch *s = *state;
    char root[256];
    struct cnn_cache c[CNN_CACHE_LEVELS];
    put_cache(s, 0, (const char *const[]){"1\n", "Data\n", "48K\n", "0,64\n"});
    put_cache(s, 1, (const char *const[]){"1\n", "Instruction\n", "32K\n", "0,64\n"});
    put_cache(s, 2, (const char *const[]){"2\n", "Unified\n", "2048K\n", "0,64\n"});
    put_cache(s, 3, (const char *const[]){"3\n", "Unified\n", "96M\n", "0-15,64-79\n"});
    snprintf(root, sizeof root, "%s", scratch_path(s, "root"));
    cnn_caches(root, c);
    assert_int_equal(c[0].bytes, 48 * KIB);
    assert_int_equal(c[0].sharers, 2);
    assert_int_equal(c[1].bytes, 2048 * KIB);
    assert_int_equal(c[2].bytes, 96 * KIB * KIB);
    assert_int_equal(c[2].sharers, 32);
    /* of 128 processors: each thread has a core, until there are more of them than cores */
    assert_int_equal(cnn_cache_room(&c[0], 4, 128), 4 * 48 * KIB);
    assert_int_equal(cnn_cache_room(&c[0], 128, 128), 64 * 48 * KIB);
    assert_int_equal(cnn_cache_room(&c[2], 128, 128), 4 * 96 * KIB * KIB);
    assert_int_equal(cnn_cache_room(&c[2], 128, 2), 96 * KIB * KIB);
}

static void test_caches_are_assumed_when_the_machine_says_nothing(void **state)
{
    struct scratch *s = *state;
    struct cnn_cache c[CNN_CACHE_LEVELS];
    cnn_caches(scratch_path(s, "nowhere"), c);
    for (int i = 0; i < CNN_CACHE_LEVELS; i++)
        assert_true(c[i].sharers >= 1 && c[i].bytes > (i > 0 ? c[i - 1].bytes : 0));
    /* one without a third level has none */
    char root[256];
    put_cache(s, 0, (const char *const[]){"1\n", "Data\n", "32K\n", "0\n"});
    snprintf(root, sizeof root, "%s", scratch_path(s, "root"));
    cnn_caches(root, c);
    assert_int_equal(c[0].bytes, 32 * KIB);
    assert_int_equal(c[2].bytes, 0);
    assert_int_equal(cnn_cache_room(&c[2], 4, 4), 0);
}

/* A tuned layer that is large enough that the clock costs nothing beside it. */
static void test_bench_gives_each_layer_a_share_of_its_bound(void **state)
{
    (void)state;
    cnn_model *model = network_open(
        "input: [64, 28, 28]\nlayers:\n"
        "- {type: conv, filters: 64, kernel_size: 3, padding: 1}\n"
        "- {type: batch_norm, activation: relu}\n"
        "- {type: pool, pool_type: max, kernel_size: 3, stride: 1}\n- {type: flatten}\n"
        "- {type: dense, units: 10}\ntrain: {batch_size: 4}\n");
    for (int infer = 0; infer < 2; infer++) {
        cnn_bench_result *r = NULL;
        const cnn_bench_options options = {.infer = infer, .batch = 4, .seconds = 0.02};
        assert_int_equal(cnn_bench(model, &options, &r, NULL), CNN_OK);
        if (!measurable()) {
            assert_true(r->bound_ms == 0 && r->bound_share == 0 && !r->layer[0].bound_by);
        } else {
            double sum = 0;
            for (size_t i = 0; i < r->layers; i++) {
                const cnn_bench_layer *l = &r->layer[i];
                sum += l->bound_ms;
                assert_true(l->bound_share >= 0 && (i > 0 || l->bound_share < 1.1));
                assert_int_equal(l->bound_ms > 0, !l->joined);
                assert_int_equal(l->bound_ms > 0, l->bound_by ? 1 : 0);
            }
            assert_string_equal(r->layer[0].bound_by, "compute");
            assert_string_not_equal(r->layer[2].bound_by, "compute");
            assert_true(near(r->bound_ms, sum) && near(r->bound_share, sum / r->ms));
            assert_true(r->bandwidth_gb[0] > 0 && r->peak_bf16_gflops == 0);
        }
        cnn_bench_result_free(r);
    }
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_bound_is_operations_over_peak_when_a_layer_multiplies_much),
        TEST(test_bound_is_memory_when_nothing_is_multiplied),
        TEST(test_level_is_the_first_that_holds_what_is_there_together),
        TEST(test_bound_adds_products_of_all_kinds),
        TEST(test_bytes_are_those_read_when_windows_leave_pixels_out),
        TEST(test_fused_layers_are_counted_with_their_lead),
        TEST(test_backward_has_a_gradient_of_the_data_when_a_layer_is_below),
        TEST(test_bytes_are_as_they_are_stored_when_a_network_is_quantized),
        TEST(test_work_is_of_the_algorithm_that_a_convolution_goes_by),
        TEST(test_work_is_of_pairs_when_the_kernels_have_them),
        TEST(test_peaks_count_what_they_compute),
        TEST(test_read_reads_all_of_an_array),
        TEST(test_measured_rates_can_be_true),
        TEST(test_caches_are_those_of_the_machine),
        TEST(test_caches_are_assumed_when_the_machine_says_nothing),
        TEST(test_bench_gives_each_layer_a_share_of_its_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
