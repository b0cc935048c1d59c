/* PyTorch's results for every layer (tests/golden/layers), forward, every gradient and every
 * running statistic, on each instruction set of this machine; the same with `precision: bf16`,
 * within a bound for that. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "networks.h"
#include "util/file.h"

static const char *const overrides[] = {"precision=bf16"};
static bool bf16; /* whether they hold */
static const char *folder = "tests/golden/layers";
static char *cases[256];
static size_t case_count;

/* float32 sums of more terms than this have a wider bound. */
#define MANY_TERMS 1000

/* With bfloat16, of a whole tensor: the root of the mean squared error over that of the values, or
 * over 1. Single values are no measure: a relu may let through what it cut off before. */
#define BF16_BOUND 0.15

struct golden {
    cnn_model *model;
    struct cnn_safetensors *io;
    struct cnn_plan *plan;
    size_t n;
    double worst; /* largest error over bound */
    char report[512];
};

/* Keeps the worst error. */
static void report(struct golden *g, double error, const char *what, size_t i, double found,
                   double want)
{
    if (error <= g->worst)
        return;
    g->worst = isnan(error) ? INFINITY : error;
    snprintf(g->report, sizeof g->report, "%s[%zu]: found %.9g, wanted %.9g", what, i, found, want);
}

static void compare_values(struct golden *g, const char *what, const float *found,
                           const float *want, size_t count, size_t terms)
{
    double largest = 0, bound = terms > MANY_TERMS ? 5e-5 : 1e-5;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)want[i]));
    /* A gradient that is truly zero (a bias before batch_norm) is rounding noise on both sides. */
    double allowed = largest < 1e-4 ? 1e-4 : bound * largest;
    for (size_t i = 0; i < count; i++)
        report(g, fabs((double)found[i] - (double)want[i]) / allowed, what, i, (double)found[i],
               (double)want[i]);
}

static void compare_squares(struct golden *g, const char *what, const float *found,
                            const float *want, size_t count)
{
    double squares = 0, errors = 0;
    for (size_t i = 0; i < count; i++) {
        squares += (double)want[i] * (double)want[i];
        errors += ((double)found[i] - (double)want[i]) * ((double)found[i] - (double)want[i]);
    }
    report(g, sqrt(errors / fmax(squares, (double)count)) / BF16_BOUND, what, 0, (double)found[0],
           (double)want[0]);
}

static void compare(struct golden *g, const char *what, const float *found,
                    const struct cnn_stored_tensor *wanted, size_t terms)
{
    float *want = malloc(wanted->bytes);
    assert_non_null(want);
    memcpy(want, wanted->data, wanted->bytes);
    if (bf16)
        compare_squares(g, what, found, want, wanted->count);
    else
        compare_values(g, what, found, want, wanted->count, terms);
    free(want);
}

/* Compares an NHWC value with an NCHW tensor of the file. */
static void compare_value(struct golden *g, const char *name, const float *nhwc, cnn_shape shape,
                          size_t terms)
{
    const struct cnn_stored_tensor *wanted = cnn_safetensors_find(g->io, name);
    assert_non_null(wanted);
    assert_int_equal(wanted->count, g->n * cnn_shape_count(shape));
    float *nchw = malloc(wanted->bytes);
    assert_non_null(nchw);
    cnn_transpose(g->n, shape.h * shape.w, shape.c, nhwc, nchw);
    compare(g, name, nchw, wanted, terms);
    free(nchw);
}

static void put_value(struct golden *g, const char *name, cnn_shape shape, float *nhwc)
{
    const struct cnn_stored_tensor *t = cnn_safetensors_find(g->io, name);
    assert_non_null(t);
    float *nchw = malloc(t->bytes);
    assert_non_null(nchw);
    memcpy(nchw, t->data, t->bytes);
    cnn_transpose(g->n, shape.c, shape.h * shape.w, nchw, nhwc);
    free(nchw);
}

/* The longest sum in the network, forward or over the pixels of a batch. */
static size_t longest_sum(const struct golden *g, bool backward)
{
    size_t longest = 0;
    for (size_t i = 0; i < g->model->graph.count; i++) {
        const struct cnn_node *node = &g->model->graph.nodes[i];
        size_t out = cnn_shape_count(node->out), terms = out ? (size_t)node->macs / out : 0,
               pixels = g->n * node->out.h * node->out.w;
        terms = backward && pixels > terms ? pixels : terms;
        longest = terms > longest ? terms : longest;
    }
    return longest;
}

static void check_shapes(const struct golden *g)
{
    for (size_t i = 0; i < g->model->graph.count; i++) {
        const struct cnn_node *node = &g->model->graph.nodes[i];
        char name[128];
        snprintf(name, sizeof name, "shape.%s", node->name);
        const struct cnn_stored_tensor *t = cnn_safetensors_find(g->io, name);
        if (!t)
            continue;
        int64_t wanted[3] = {0};
        const int64_t found[3] = {(int64_t)node->out.c, (int64_t)node->out.h, (int64_t)node->out.w};
        memcpy(wanted, t->data, t->bytes);
        for (size_t d = 0; d < t->count; d++)
            assert_int_equal(found[d], wanted[d]);
    }
}

static void open_golden(struct golden *g, const char *name, cnn_diag *diag)
{
    char path[512], *text;
    size_t size;
    snprintf(path, sizeof path, "%s/%s.yaml", folder, name);
    assert_int_equal(cnn_file_read(path, 1 << 20, &text, &size, diag), CNN_OK);
    const struct cnn_overrides set = {.words = overrides, .count = bf16};
    assert_int_equal(cnn_model_from_text(path, text, size, &set, &g->model, diag), CNN_OK);
    free(text);
    struct cnn_safetensors *weights;
    snprintf(path, sizeof path, "%s/%s.weights.safetensors", folder, name);
    assert_int_equal(cnn_safetensors_open(path, &weights, diag), CNN_OK);
    assert_int_equal(cnn_model_load_parameters(g->model, weights, diag), CNN_OK);
    cnn_safetensors_close(weights);
    snprintf(path, sizeof path, "%s/%s.io.safetensors", folder, name);
    assert_int_equal(cnn_safetensors_open(path, &g->io, diag), CNN_OK);
    g->n = cnn_safetensors_find(g->io, "x")->dims[0];
    assert_int_equal(cnn_plan_new(&g->model->graph, g->model->parameters,
                                  &(struct cnn_plan_options){.batch = g->n,
                                                             .mode = CNN_PLAN_TRAIN,
                                                             .input_gradient = true},
                                  &g->plan, diag),
                     CNN_OK);
}

static void check_training(struct golden *g)
{
    const struct cnn_graph *graph = &g->model->graph;
    size_t last = cnn_graph_output(graph), terms = longest_sum(g, true);
    put_value(g, "x", graph->input, cnn_plan_input(g->plan));
    cnn_plan_forward(g->plan, g->n, true, 1);
    compare_value(g, "y_train", cnn_plan_value(g->plan, last), cnn_graph_shape(graph, last),
                  longest_sum(g, false));
    put_value(g, "dy", cnn_graph_shape(graph, last), cnn_plan_gradient(g->plan, last));
    cnn_plan_backward(g->plan, g->n, last);
    compare_value(g, "dx", cnn_plan_gradient(g->plan, 0), graph->input, terms);
    for (size_t i = 0; i < g->model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &g->model->tensors[i];
        char name[160];
        snprintf(name, sizeof name, "%s.%s", place->trainable ? "grad" : "after", place->name);
        const struct cnn_stored_tensor *wanted = cnn_safetensors_find(g->io, name);
        assert_non_null(wanted);
        const float *found =
            (place->trainable ? cnn_plan_parameter_gradients(g->plan) : g->model->parameters) +
            place->tensor->offset;
        compare(g, name, found, wanted, terms);
    }
}

static void test_layer_matches_pytorch(void **state)
{
    const char *name = *state;
    struct golden g = {0};
    cnn_diag *diag = cnn_diag_new();
    open_golden(&g, name, diag);
    const struct cnn_graph *graph = &g.model->graph;
    size_t last = cnn_graph_output(graph);
    check_shapes(&g);
    put_value(&g, "x", graph->input, cnn_plan_input(g.plan));
    cnn_plan_forward(g.plan, g.n, false, 1);
    compare_value(&g, "y_eval", cnn_plan_value(g.plan, last), cnn_graph_shape(graph, last),
                  longest_sum(&g, false));
    if (cnn_safetensors_find(g.io, "dy"))
        check_training(&g);
    if (getenv("GOLDEN_VERBOSE"))
        printf("%-24s %.3f of the bound: %s\n", name, g.worst, g.report);
    if (g.worst > 1)
        fail_msg("%s: %.2f times the bound at %s", name, g.worst, g.report);
    cnn_plan_free(g.plan);
    cnn_safetensors_close(g.io);
    cnn_model_free(g.model);
    cnn_diag_free(diag);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_cases(void)
{
    DIR *dir = opendir(folder);
    struct dirent *entry;
    while (dir && case_count < 256 && (entry = readdir(dir))) {
        char *dot = strstr(entry->d_name, ".yaml");
        if (dot)
            cases[case_count++] = strndup(entry->d_name, (size_t)(dot - entry->d_name));
    }
    if (dir)
        closedir(dir);
    qsort(cases, case_count, sizeof *cases, by_name);
}

static int run_all(const char *kernels)
{
    struct CMUnitTest *tests = calloc(case_count, sizeof *tests);
    char group[64];
    snprintf(group, sizeof group, "golden layers, %s%s", kernels, bf16 ? ", bf16" : "");
    for (size_t i = 0; tests && i < case_count; i++)
        tests[i] = (struct CMUnitTest){cases[i], test_layer_matches_pytorch, NULL, NULL, cases[i]};
    int failed = tests ? _cmocka_run_group_tests(group, tests, case_count, NULL, NULL) : 1;
    free(tests);
    return failed;
}

int main(int argc, char **argv)
{
    if (!getenv("CNN_CPU"))
        return network_run_each(argv) != 0;
    if (argc > 1)
        folder = argv[1];
    find_cases();
    int failed = case_count == 0 || run_all(getenv("CNN_CPU")) != 0;
    bf16 = true;
    failed |= run_all(getenv("CNN_CPU")) != 0;
    for (size_t i = 0; i < case_count; i++)
        free(cases[i]);
    return failed;
}
