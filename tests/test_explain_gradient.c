/* One step on one image, written out: for every layer type, at many places, the sum of products is
 * the gradient that the network computed (the golden tests hold that against PyTorch's), and that
 * of finite differences; the formula of every optimiser comes to the weight that it makes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "explain_cases.h"
#include "networks.h"
#include "util/random.h"

#define PLACES  12 /* of each value and parameter */
#define NAME    128
#define CLASSES 3

/* A case with an end that answers, and a loss of which everything counts. */
static cnn_model *open_case(const struct explain_case *what, const char *recipe)
{
    struct cnn_text text = {0};
    cnn_text_printf(&text,
                    "input: %s\nlayers:\n%s  - {type: flatten, name: last_flat}\n  - {type: dense, "
                    "name: answer, units: %d}\n%s",
                    what->input, what->layers, CLASSES, recipe);
    cnn_model *model = network_open(text.data);
    cnn_text_free(&text);
    explain_move_parameters(model);
    return model;
}

static cnn_gradient_explanation *explain(const cnn_model *model, const float *image,
                                         const char *const *places, size_t count)
{
    const cnn_gradient_options options = {.label = "1", .places = places, .place_count = count};
    cnn_gradient_explanation *e = NULL;
    cnn_diag *diag = cnn_diag_new();
    if (cnn_explain_gradient(model, image, &options, &e, diag) != CNN_OK)
        fail_msg("%s", cnn_diag_get(diag, 0)->text);
    cnn_diag_free(diag);
    return e;
}

/* Names of random places: of each value (the input is value 0), and of each parameter. */
static size_t name_places(const cnn_model *model, char (*names)[NAME])
{
    struct cnn_rng rng = cnn_rng_at(11, CNN_STREAM_INIT, 0);
    size_t count = 0;
    for (size_t v = 0; v <= model->graph.count; v++) {
        const cnn_shape s = v ? model->graph.nodes[v - 1].out : model->graph.input;
        const char *layer = v ? model->graph.nodes[v - 1].name : "input";
        for (int i = 0; i < PLACES; i++) {
            size_t c = cnn_rng_u32(&rng) % s.c, row = cnn_rng_u32(&rng) % s.h,
                   column = cnn_rng_u32(&rng) % s.w;
            if (s.rank == 3)
                snprintf(names[count++], NAME, "%s:%zu,%zu,%zu", layer, c, row, column);
            else
                snprintf(names[count++], NAME, "%s:%zu", layer, c);
        }
    }
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct cnn_tensor *tensor = model->tensors[t].tensor;
        for (int i = 0; cnn_tensor_trained(tensor) && i < PLACES; i++) {
            int length = snprintf(names[count], NAME, "%s:", model->tensors[t].name);
            for (size_t k = 0; k < tensor->rank; k++)
                length += snprintf(names[count] + length, NAME - (size_t)length, k ? ",%zu" : "%zu",
                                   cnn_rng_u32(&rng) % tensor->dims[k]);
            count++;
        }
    }
    return count;
}

/* The text of a place begins behind its name and " is ", and holds the gradient that its terms come
 * to. */
static void check_text(const cnn_gradient_explanation *e)
{
    const char *at = e->text;
    for (size_t i = 0; i < e->count; i++) {
        char wanted[64];
        at = strstr(at, "\n\n");
        assert_non_null(at);
        at += 2;
        const char *end = strstr(at, "\n\n");
        assert_non_null(end);
        snprintf(wanted, sizeof wanted, "%.6g\n", e->terms[i] == 0 ? 0 : e->terms[i]);
        const char *found = strstr(at, wanted);
        if (!found || found > end)
            fail_msg("no gradient %s in\n%s", wanted, at);
    }
    assert_non_null(strstr(at, "after one update of all trained parameters"));
}

/* The loss that is written is that of the kernels. */
static void check_loss(cnn_model *model, const float *image, double loss)
{
    float output[CLASSES];
    const size_t label = 1;
    const struct cnn_targets targets = {.labels = &label};
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
    const struct cnn_loss_result result =
        cnn_loss_compute(&model->loss, 1, CLASSES, output, &targets, NULL);
    if (!(fabs(loss - result.loss / result.weight) <= 1e-4 * fmax(1, loss)))
        fail_msg("the loss is %.9g, the text has %.9g", result.loss / result.weight, loss);
}

static void check_places(cnn_model *model, const float *image, char (*names)[NAME], size_t count)
{
    const char **places = calloc(count, sizeof *places);
    for (size_t i = 0; i < count; i++)
        places[i] = names[i];
    cnn_gradient_explanation *e = explain(model, image, places, count);
    double largest = 1e-6;
    assert_int_equal(e->count, count);
    check_loss(model, image, e->loss);
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)e->gradients[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs(e->terms[i] - (double)e->gradients[i]) <=
              1e-4 * fabs((double)e->gradients[i]) + 1e-6 * largest))
            fail_msg("%s: the terms come to %.9g, the network computed %.9g", places[i],
                     e->terms[i], (double)e->gradients[i]);
    check_text(e);
    cnn_gradient_explanation_free(e);
    free(places);
}

static void test_terms_come_to_the_gradient(void **state)
{
    const struct explain_case *what = *state;
    cnn_model *model =
        open_case(what, "loss: {type: cross_entropy, label_smoothing: 0.1, class_weights: [0.5, 2, "
                        "1.25]}\n");
    size_t size = cnn_shape_count(model->graph.input),
           most = PLACES * (model->graph.count + 1 + model->tensor_count);
    float *image = tensor_random(size, 3);
    char(*names)[NAME] = calloc(most, NAME);
    check_places(model, image, names, name_places(model, names));
    free(names);
    tensor_free(image, size);
    cnn_model_free(model);
}

/* The parameter that a name of name_places stands for. */
static float *parameter_of(cnn_model *model, const char *name)
{
    const char *colon = strrchr(name, ':');
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct cnn_tensor *tensor = model->tensors[t].tensor;
        if (strncmp(model->tensors[t].name, name, (size_t)(colon - name)) != 0 ||
            model->tensors[t].name[colon - name] != '\0')
            continue;
        size_t index = 0;
        char *end = (char *)(uintptr_t)colon;
        for (size_t k = 0; k < tensor->rank; k++)
            index = index * tensor->dims[k] + strtoul(end + 1, &end, 10);
        return model->parameters + tensor->offset + index;
    }
    return NULL;
}

static double loss_at(cnn_model *model, const float *image, float *number, float value)
{
    float before = *number;
    *number = value;
    cnn_gradient_explanation *e = explain(model, image, NULL, 0);
    double loss = e->loss;
    *number = before;
    cnn_gradient_explanation_free(e);
    return loss;
}

/* Central differences: float32 and kinks leave an error. */
static void test_terms_are_finite_differences(void **state)
{
    const struct explain_case *what = *state;
    cnn_model *model = open_case(what, "loss: {type: cross_entropy}\n");
    size_t size = cnn_shape_count(model->graph.input),
           most = PLACES * (model->graph.count + 1 + model->tensor_count);
    float *image = tensor_random(size, 3);
    char(*names)[NAME] = calloc(most, NAME);
    size_t count = name_places(model, names), wrong = 0, tried = 0;
    for (size_t i = 0; i < count; i += PLACES / 3) {
        const char *name = names[i];
        float *number = parameter_of(model, name);
        if (strncmp(name, "input:", 6) == 0) {
            const cnn_shape in = model->graph.input;
            char *end;
            size_t c = strtoul(name + 6, &end, 10), row = strtoul(end + 1, &end, 10),
                   column = strtoul(end + 1, &end, 10);
            number = image + (c * in.h + row) * in.w + column;
        }
        if (!number)
            continue;
        cnn_gradient_explanation *e = explain(model, image, &name, 1);
        const float step = 4e-3f, x = *number, high = x + step, low = x - step;
        double slope = (loss_at(model, image, number, high) - loss_at(model, image, number, low)) /
                       ((double)high - (double)low);
        tried++;
        wrong += !(fabs(slope - e->terms[0]) <= 1e-3 + 0.02 * fabs(slope));
        cnn_gradient_explanation_free(e);
    }
    if (wrong * 20 > tried) /* a kink that lies within a step */
        fail_msg("%zu of %zu gradients are not the finite differences", wrong, tried);
    free(names);
    tensor_free(image, size);
    cnn_model_free(model);
}

/* The number that ends the line before the last of the first place's part: the formula's result. */
static double formula_result(const char *text)
{
    const char *update = strstr(text, "update by "), *line = strstr(update, "\n\n");
    while (line[-1] != '\n')
        line--; /* "dense1.weight[0, 0]: a -> b" */
    const char *number = line - 1;
    while (number[-1] != ' ')
        number--;
    return strtod(number, NULL);
}

static void test_formula_comes_to_the_update(void **state)
{
    (void)state;
    static const char *const optimizers[] = {
        "{type: sgd, lr: 0.3}",
        "{type: sgd, lr: 0.3, weight_decay: 0.2}",
        "{type: sgd, lr: 0.3, momentum: 0.9, weight_decay: 0.2, decoupled: true}",
        "{type: sgd, lr: 0.3, momentum: 0.9, nesterov: true, weight_decay: 0.1}",
        "{type: adam, lr: 0.02, weight_decay: 0.1}",
        "{type: adamw, lr: 0.02, betas: [0.8, 0.95], eps: 0.01, weight_decay: 0.5}",
        "{type: rmsprop, lr: 0.01, alpha: 0.9, weight_decay: 0.1}",
        "{type: rmsprop, lr: 0.01, momentum: 0.5, eps: 0.01, weight_decay: 0.3, decoupled: true}",
        "{type: lion, lr: 0.05, weight_decay: 0.3}",
        "{type: sgd, lr: 0.3, groups: [{layers: [answer], lr: 0.07}]}",
    };
    static const struct explain_case net = {"conv", "[2, 3, 3]",
                                            "  - {type: conv, filters: 2, kernel_size: 2}\n"};
    static const char *const places[] = {"answer.weight:1,4"};
    float *image = tensor_random(18, 3);
    for (size_t i = 0; i < sizeof optimizers / sizeof *optimizers; i++) {
        char recipe[256];
        snprintf(recipe, sizeof recipe, "train: {optimizer: %s%s}\n", optimizers[i],
                 i % 2 ? ", clip_norm: 0.5" : "");
        cnn_model *model = open_case(&net, recipe);
        cnn_gradient_explanation *e = explain(model, image, places, 1);
        if (!(fabs(formula_result(e->text) - (double)e->after[0]) <= 3e-6) ||
            e->after[0] == e->before[0])
            fail_msg("%s: %.9g is not %.9g:\n%s", optimizers[i], formula_result(e->text),
                     (double)e->after[0], e->text);
        cnn_gradient_explanation_free(e);
        cnn_model_free(model);
    }
    tensor_free(image, 18);
}

/* Muon's step of one weight follows from all: the text says so, and the new value is the step's. */
static void test_what_has_no_formula_is_told(void **state)
{
    (void)state;
    static const struct explain_case net = {"dense", "[2, 1, 1]",
                                            "  - {type: flatten}\n  - {type: dense, units: 4}\n"};
    static const char *const places[] = {"dense1.weight:1,1"};
    float *image = tensor_random(2, 3);
    cnn_model *model = open_case(&net, "train: {optimizer: {type: muon, lr: 0.1}}\n");
    cnn_gradient_explanation *e = explain(model, image, places, 1);
    assert_non_null(strstr(e->text, "4 x 2 weights of the layer are made an orthogonal matrix"));
    assert_true(e->after[0] != e->before[0]);
    cnn_gradient_explanation_free(e);
    cnn_model_free(model);
    tensor_free(image, 2);
}

/* By hand: (0.7, 0) towards (1, 0). */
static void test_lesson_by_hand(void **state)
{
    (void)state;
    cnn_model *model = network_open(
        "{input: [1, 1, 2], layers: [{type: flatten}, {type: dense, units: 2, bias: false, "
        "weights: {kernel: [[0.7, 0.4], [0, 0.5]]}}], loss: mse, train: {optimizer: {type: sgd, "
        "lr: 0.33333333}}}");
    static const char *const places[] = {"dense1.weight:0,0", "dense1.weight:0,1", "dense1:0",
                                         "input:0,0,1"};
    const float image[2] = {1, 0};
    const cnn_gradient_options options = {.label = "0", .places = places, .place_count = 4};
    cnn_gradient_explanation *e = NULL;
    assert_int_equal(cnn_explain_gradient(model, image, &options, &e, NULL), CNN_OK);
    assert_true(fabs(e->loss - 0.045) < 1e-7 && fabs(e->next_loss - 0.02) < 1e-7);
    assert_true(fabs(e->terms[0] + 0.3) < 1e-7 && e->terms[1] == 0);
    assert_true(fabs(e->terms[2] + 0.3) < 1e-7 && fabs(e->terms[3] + 0.12) < 1e-7);
    assert_true(fabs((double)e->after[0] - 0.8) < 1e-6 && e->after[1] == e->before[1]);
    cnn_gradient_explanation_free(e);
    cnn_gradient_explanation_free(NULL);
    cnn_model_free(model);
}

/* What lies behind the value that the loss reads has no gradient. */
static void test_branch_that_is_not_read(void **state)
{
    (void)state;
    static const char *const places[] = {"softmax1:1", "a.weight:0,1"};
    const float image[2] = {0.5f, -1};
    cnn_model *model = network_open(
        "{input: [2, 1, 1], layers: [{type: flatten}, {type: dense, name: a, units: 3}, {type: "
        "softmax}], loss: cross_entropy}");
    cnn_gradient_explanation *e = explain(model, image, places, 2);
    assert_true(e->terms[0] == 0 && e->gradients[0] == 0 && e->terms[1] != 0);
    assert_non_null(strstr(e->text, "softmax1[1] is "));
    cnn_gradient_explanation_free(e);
    cnn_model_free(model);
}

struct mistake {
    const char *place, *text;
};

static void test_mistakes_are_told(void **state)
{
    (void)state;
    static const struct mistake mistakes[] = {
        {"conv1", "'conv1' is no place"},
        {"conv1:", "'conv1:' is no place"},
        {"conv1:1,2,x", "'conv1:1,2,x' is no place"},
        {"conv1:0,0,0,0,0", "'conv1:0,0,0,0,0' is no place"},
        {"conv1:0,0", "'conv1:0,0': there are 2 x 2 x 2 numbers, 0,0,0 to 1,1,1"},
        {"conv1:2,0,0", "'conv1:2,0,0': there are 2 x 2 x 2 numbers, 0,0,0 to 1,1,1"},
        {"answer:3", "'answer:3': there are 3 numbers, 0 to 2"},
        {"conv1.weight:0,2,0,0", "there are 2 x 2 x 2 x 2 numbers, 0,0,0,0 to 1,1,1,1"},
        {"conv1.wait:0", "test.yaml has no layer or parameter 'conv1.wait'"},
        {"batch_norm1.running_mean:0", "batch_norm1.running_mean is not trained"},
        {"input:0,0,3", "'input:0,0,3': there are 2 x 3 x 3 numbers, 0,0,0 to 1,2,2"},
    };
    static const struct explain_case net = {
        "conv", "[2, 3, 3]",
        "  - {type: conv, filters: 2, kernel_size: 2}\n  - {type: batch_norm}\n"};
    cnn_model *model = open_case(&net, "");
    float *image = tensor_random(18, 3);
    cnn_diag *diag = cnn_diag_new();
    cnn_gradient_explanation *e = NULL;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        const cnn_gradient_options options = {
            .label = "1", .places = &mistakes[i].place, .place_count = 1};
        assert_int_equal(cnn_explain_gradient(model, image, &options, &e, diag), CNN_INVALID);
        assert_int_equal(cnn_diag_count(diag), 1);
        if (!strstr(cnn_diag_get(diag, 0)->text, mistakes[i].text))
            fail_msg("%s: %s", mistakes[i].place, cnn_diag_get(diag, 0)->text);
        cnn_diag_clear(diag);
    }
    const cnn_gradient_options options = {.label = "3"};
    assert_int_equal(cnn_explain_gradient(model, image, &options, &e, diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(diag, 0)->text, "test.yaml has no class '3'");
    assert_null(e);
    cnn_diag_free(diag);
    tensor_free(image, 18);
    cnn_model_free(model);
}

int main(void)
{
    static struct CMUnitTest tests[2 * MOST_EXPLAIN_CASES]; /* those without a name are none */
    static char names[2 * MOST_EXPLAIN_CASES][NAME];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_formula_comes_to_the_update),
        cmocka_unit_test(test_what_has_no_formula_is_told),
        cmocka_unit_test(test_lesson_by_hand),
        cmocka_unit_test(test_branch_that_is_not_read),
        cmocka_unit_test(test_mistakes_are_told),
    };
    for (size_t i = 0; i < explain_case_count; i++) {
        snprintf(names[2 * i], NAME, "terms %zu (%s)", i, explain_cases[i].types);
        snprintf(names[2 * i + 1], NAME, "differences %zu (%s)", i, explain_cases[i].types);
        tests[2 * i] = (struct CMUnitTest){names[2 * i], test_terms_come_to_the_gradient, NULL,
                                           NULL, (void *)(uintptr_t)&explain_cases[i]};
        tests[2 * i + 1] = (struct CMUnitTest){names[2 * i + 1], test_terms_are_finite_differences,
                                               NULL, NULL, (void *)(uintptr_t)&explain_cases[i]};
    }
    return cmocka_run_group_tests(others, NULL, NULL) + cmocka_run_group_tests(tests, NULL, NULL);
}
