/* Plans: whatever is shared, reused or left out, the numbers are those of a plan where every value
 * has memory of its own. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "graph/plan_internal.h"
#include "networks.h"
#include "util/random.h"

#define BATCH    4
#define NETWORKS 60

/* The network that is drawn so far. Every value is kept with its shape, so that branches can
 * meet. */
struct drawing {
    struct cnn_rng rng;
    struct cnn_text text;
    size_t count; /* layers; layer i is called l<i> */
    struct {
        size_t c, size; /* square maps; size 0: flat */
    } shape[40];
};

static size_t draw(struct drawing *d, uint32_t bound)
{
    return cnn_rng_below(&d->rng, bound);
}

static void add_layer(struct drawing *d, const char *settings, size_t from, size_t c, size_t size)
{
    cnn_text_printf(&d->text, "  - {name: l%zu, %s, from: ", d->count, settings);
    if (from == SIZE_MAX)
        cnn_text_printf(&d->text, "input}\n");
    else
        cnn_text_printf(&d->text, "l%zu}\n", from);
    d->shape[d->count].c = c;
    d->shape[d->count].size = size;
    d->count++;
}

/* A join of a value with two of its shape (add) or its size (concat), perhaps with itself. */
static void add_join(struct drawing *d, size_t from, bool add)
{
    size_t names[3] = {from, from, from}, total = d->shape[from].c;
    for (size_t k = 1; k < 3; k++) {
        size_t other = draw(d, (uint32_t)d->count);
        if (d->shape[other].size == d->shape[from].size &&
            (!add || d->shape[other].c == d->shape[from].c))
            names[k] = other;
        total += d->shape[names[k]].c;
    }
    if (!add && total > 40)
        return;
    static const char *const activations[] = {"none", "relu", "silu"};
    cnn_text_printf(&d->text, "  - {name: l%zu, type: %s, from: [l%zu, l%zu, l%zu]", d->count,
                    add ? "add" : "concat", names[0], names[1], names[2]);
    cnn_text_printf(&d->text, add ? ", activation: %s}\n" : "}\n", activations[draw(d, 3)]);
    d->shape[d->count].c = add ? d->shape[from].c : total;
    d->shape[d->count].size = d->shape[from].size;
    d->count++;
}

/* A value times a number for each of its channels, or times itself. */
static void add_gate(struct drawing *d, size_t from)
{
    size_t c = d->shape[from].c, size = d->shape[from].size, gate = draw(d, 2) ? d->count : from;
    if (gate != from)
        add_layer(d, "type: global_pool, pool_type: avg", from, c, 1);
    cnn_text_printf(&d->text, "  - {name: l%zu, type: mul, from: [l%zu, l%zu], activation: %s}\n",
                    d->count, from, gate, draw(d, 2) ? "relu" : "silu");
    d->shape[d->count].c = c;
    d->shape[d->count].size = size;
    d->count++;
}

static void add_random(struct drawing *d)
{
    static const char *const simple[] = {"type: relu",
                                         "type: gelu",
                                         "type: batch_norm, activation: relu",
                                         "type: dropout, rate: 0.3",
                                         "type: sigmoid",
                                         "type: batch_norm",
                                         "type: softmax",
                                         "type: lrn, size: 3",
                                         "type: leaky_relu",
                                         "type: batch_norm, activation: silu",
                                         "type: layer_norm",
                                         "type: group_norm, groups: 3",
                                         "type: scale, bias: true, activation: relu",
                                         "type: scale, init: 0.5",
                                         "type: prelu",
                                         "type: shuffle, groups: 3",
                                         "type: drop_path, rate: 0.4",
                                         "type: hard_sigmoid",
                                         "type: mish",
                                         ("type: conv_transpose, filters: 6, kernel_size: 3, "
                                          "padding: 1, activation: silu")};
    static const char *const convs[] = {
        "type: conv, filters: 6, kernel_size: 3, padding: same, activation: relu",
        "type: conv, filters: 6, kernel_size: 1, activation: gelu",
        "type: conv, filters: 3, kernel_size: 3, padding: 1, bias: false"};
    size_t from = d->count - 1 - draw(d, d->count < 3 ? (uint32_t)d->count : 3),
           c = d->shape[from].c, size = d->shape[from].size;
    size_t kind = draw(d, 14);
    if (kind < 6) {
        size_t which = draw(d, sizeof simple / sizeof *simple);
        add_layer(d, simple[which], from, strstr(simple[which], "filters") ? 6 : c, size);
    } else if (kind == 13) {
        add_gate(d, from);
    } else if (kind < 9) {
        size_t which = draw(d, 3);
        add_layer(d, convs[which], from, which == 2 ? 3 : 6, size);
    } else if (kind == 9 && size > 2) {
        add_layer(d,
                  draw(d, 2) ? "type: pool, pool_type: max, kernel_size: 2"
                             : "type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: 1",
                  from, c, size / 2);
    } else {
        add_join(d, from, kind < 12);
    }
}

/* A network of up to 16 layers that ends in a dense layer, and perhaps a softmax. */
static cnn_model *draw_network(size_t number)
{
    struct drawing d = {.rng = cnn_rng_at(number, CNN_STREAM_BENCH, 0)};
    cnn_text_printf(&d.text, "input: [3, 8, 8]\nlayers:\n");
    add_layer(&d,
              draw(&d, 2) ? "type: conv, filters: 6, kernel_size: 3, padding: same" : "type: relu",
              SIZE_MAX, 0, 8);
    d.shape[0].c = strstr(d.text.data, "conv") ? 6 : 3;
    for (size_t i = 0, layers = 2 + draw(&d, 12); i < layers; i++)
        add_random(&d);
    cnn_text_printf(&d.text, "  - {type: flatten}\n  - {type: dense, units: 5%s}\n",
                    draw(&d, 3) ? "" : ", activation: softmax");
    assert_false(d.text.failed);
    cnn_model *model = network_open(d.text.data);
    cnn_text_free(&d.text);
    return model;
}

struct result {
    float *output, *gradients, *statistics;
    size_t outputs, parameters;
};

static void result_free(struct result *r)
{
    tensor_free(r->output, r->outputs);
    tensor_free(r->gradients, r->parameters);
    tensor_free(r->statistics, r->parameters);
}

static void fill_input(const cnn_model *model, struct cnn_plan *plan, size_t n, unsigned seed)
{
    size_t size = n * cnn_shape_count(model->graph.input);
    float *x = tensor_random(size, seed);
    memcpy(cnn_plan_input(plan), x, size * sizeof *x);
    tensor_free(x, size);
}

static float *copy_value(const cnn_model *model, const struct cnn_plan *plan, size_t value,
                         size_t n)
{
    size_t size = n * cnn_shape_count(cnn_graph_shape(&model->graph, value));
    float *copy = tensor_new(size);
    memcpy(copy, cnn_plan_value(plan, value), size * sizeof *copy);
    return copy;
}

/* Forward and backward of n images in training, twice: what the first leaves behind must not show
 * in the second. Running statistics are put back. */
static struct result run_training(cnn_model *model, struct cnn_plan *plan, size_t n)
{
    const struct cnn_graph *graph = &model->graph;
    size_t last = cnn_graph_output(graph), from = graph->logits;
    struct result r = {.outputs = n * cnn_shape_count(cnn_graph_shape(graph, last)),
                       .parameters = graph->parameter_floats};
    float *before = tensor_new(r.parameters),
          *dy = tensor_random(n * cnn_shape_count(cnn_graph_shape(graph, from)), 3);
    memcpy(before, model->parameters, r.parameters * sizeof(float));
    for (unsigned round = 0; round < 2; round++) {
        memcpy(model->parameters, before, r.parameters * sizeof(float));
        fill_input(model, plan, n, round == 0 ? 9 : 1);
        cnn_plan_forward(plan, n, true, 5);
        tensor_free(r.output, r.outputs);
        r.output = copy_value(model, plan, last, n);
        memcpy(cnn_plan_gradient(plan, from), dy,
               n * cnn_shape_count(cnn_graph_shape(graph, from)) * sizeof(float));
        cnn_plan_backward(plan, n, from);
    }
    r.gradients = tensor_new(r.parameters);
    r.statistics = tensor_new(r.parameters);
    memcpy(r.gradients, cnn_plan_parameter_gradients(plan), r.parameters * sizeof(float));
    memcpy(r.statistics, model->parameters, r.parameters * sizeof(float));
    memcpy(model->parameters, before, r.parameters * sizeof(float));
    tensor_free(before, r.parameters);
    tensor_free(dy, n * cnn_shape_count(cnn_graph_shape(graph, from)));
    return r;
}

static void assert_results_same(const struct result *a, const struct result *b)
{
    assert_floats_same("output", a->output, b->output, a->outputs);
    assert_floats_same("gradients", a->gradients, b->gradients, a->parameters);
    assert_floats_same("statistics", a->statistics, b->statistics, a->parameters);
}

static void test_plans_of_every_mode_give_the_same_output(void **state)
{
    (void)state;
    static const enum cnn_plan_mode modes[] = {CNN_PLAN_KEEP, CNN_PLAN_INFER, CNN_PLAN_TRAIN};
    for (size_t i = 0; i < NETWORKS; i++) {
        cnn_model *model = draw_network(i);
        size_t last = cnn_graph_output(&model->graph);
        for (size_t n = 1; n <= BATCH; n += BATCH - 1) {
            float *output[3];
            for (size_t m = 0; m < 3; m++) {
                struct cnn_plan *plan = network_plan(model, BATCH, modes[m], false);
                fill_input(model, plan, n, 1);
                cnn_plan_forward(plan, n, false, 1);
                output[m] = copy_value(model, plan, last, n);
                cnn_plan_free(plan);
            }
            size_t size = n * cnn_model_outputs(model);
            assert_floats_near("inference, layers fused and not", output[1], output[0], size, 1e-5);
            assert_floats_near(cnn_model_resolved(model), output[2], output[0], size, 1e-5);
            for (size_t m = 0; m < 3; m++)
                tensor_free(output[m], size);
        }
        cnn_model_free(model);
    }
}

static void test_results_are_the_same_bits_when_threads_differ(void **state)
{
    (void)state;
    static const int threads[] = {1, 2, 5};
    for (size_t i = 0; i < NETWORKS; i++) {
        struct result r[3];
        cnn_model *model = draw_network(i);
        for (size_t k = 0; k < 3; k++) {
            cnn_set_threads(threads[k]);
            struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, false);
            r[k] = run_training(model, plan, BATCH);
            cnn_plan_free(plan);
        }
        assert_results_same(&r[1], &r[0]);
        assert_results_same(&r[2], &r[0]);
        for (size_t k = 0; k < 3; k++)
            result_free(&r[k]);
        cnn_model_free(model);
    }
    cnn_set_threads(0);
}

/* Dropout draws its mask for the whole array, so it is the same for an image of a smaller batch. */
static void test_small_batches_train_as_in_a_plan_of_their_own_size(void **state)
{
    (void)state;
    for (size_t i = 0; i < NETWORKS; i++) {
        cnn_model *model = draw_network(i);
        struct cnn_plan *large = network_plan(model, BATCH, CNN_PLAN_TRAIN, false),
                        *small = network_plan(model, 2, CNN_PLAN_TRAIN, false);
        struct result a = run_training(model, large, 2), b = run_training(model, small, 2);
        assert_results_same(&a, &b);
        result_free(&a);
        result_free(&b);
        cnn_plan_free(large);
        cnn_plan_free(small);
        cnn_model_free(model);
    }
}

/* Asking for the input's gradient moves everything in memory, and must change nothing else. */
static void test_gradients_are_the_same_when_the_inputs_is_wanted_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < NETWORKS; i++) {
        cnn_model *model = draw_network(i);
        struct cnn_plan *without = network_plan(model, BATCH, CNN_PLAN_TRAIN, false),
                        *with = network_plan(model, BATCH, CNN_PLAN_TRAIN, true);
        struct result a = run_training(model, without, BATCH), b = run_training(model, with, BATCH);
        assert_results_same(&a, &b);
        result_free(&a);
        result_free(&b);
        cnn_plan_free(without);
        cnn_plan_free(with);
        cnn_model_free(model);
    }
}

/* The gradients of a drawn network against differences, along one random direction through all its
 * parameters. In double the loss has nearly seven good digits, and a kink that lies within h of a
 * value moves it by far less than a gradient that was lost or added twice. */
static void check_direction(size_t number)
{
    cnn_model *model = draw_network(number);
    const struct cnn_graph *graph = &model->graph;
    size_t from = graph->logits, size = BATCH * cnn_shape_count(cnn_graph_shape(graph, from)),
           count = graph->parameter_floats;
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, false);
    struct result r = run_training(model, plan, BATCH);
    float *dy = tensor_random(size, 3), *kept = tensor_new(count),
          *direction = tensor_random(count, 4);
    double loss[2] = {0, 0}, slope = 0, length = 0;
    memcpy(kept, model->parameters, count * sizeof *kept);
    for (size_t t = 0; t < model->tensor_count; t++) {
        const struct cnn_tensor *tensor = model->tensors[t].tensor;
        for (size_t k = tensor->offset;
             model->tensors[t].trainable && k < tensor->offset + tensor->count; k++) {
            slope += (double)direction[k] * (double)r.gradients[k];
            length += (double)direction[k] * (double)direction[k] * (double)r.gradients[k] *
                      (double)r.gradients[k];
        }
    }
    const double h = 2e-4;
    for (int side = 0; side < 2; side++) {
        memcpy(model->parameters, kept, count * sizeof *kept);
        for (size_t t = 0; t < model->tensor_count; t++) {
            const struct cnn_tensor *tensor = model->tensors[t].tensor;
            for (size_t k = tensor->offset;
                 model->tensors[t].trainable && k < tensor->offset + tensor->count; k++)
                model->parameters[k] += (float)((side ? h : -h) * (double)direction[k]);
        }
        cnn_plan_parameters_changed(plan);
        fill_input(model, plan, BATCH, 1);
        cnn_plan_forward(plan, BATCH, true, 5);
        const float *y = cnn_plan_value(plan, from);
        for (size_t k = 0; k < size; k++)
            loss[side] += (double)dy[k] * (double)y[k];
    }
    double difference = (loss[1] - loss[0]) / (2 * h);
    if (!(fabs(difference - slope) <= 0.03 * sqrt(length) + 0.02))
        fail_msg("network %zu: gradients give %.6g, the difference %.6g\n%s", number, slope,
                 difference, cnn_model_resolved(model));
    tensor_free(dy, size);
    tensor_free(kept, count);
    tensor_free(direction, count);
    result_free(&r);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

static void test_gradients_of_branched_networks_agree_with_differences(void **state)
{
    (void)state;
    for (size_t i = 0; i < NETWORKS; i++)
        check_direction(i);
}

/* y = x + x + ... : each reader's gradient is added once. */
static void test_gradients_are_summed_when_a_value_is_read_many_times(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 2, 2]",
        "  - {type: conv, filters: 1, kernel_size: 1, name: a, weights: {kernel: [[2]], bias: 0}}\n"
        "  - {type: relu, name: b}\n  - {type: dropout, rate: 0, name: c, from: a}\n"
        "  - {type: add, name: d, from: [a, b, c, a]}\n  - {type: add, from: [d, a, d]}\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_TRAIN, true);
    for (size_t i = 0; i < 4; i++)
        cnn_plan_input(plan)[i] = 1;
    cnn_plan_forward(plan, 1, true, 1);
    size_t last = cnn_graph_output(&model->graph);
    const float y[4] = {18, 18, 18, 18}, dx[4] = {18, 18, 18, 18}; /* (2 * 4 + 1) readings of 2x */
    assert_floats_same("output", cnn_plan_value(plan, last), y, 4);
    for (size_t i = 0; i < 4; i++)
        cnn_plan_gradient(plan, last)[i] = 1;
    cnn_plan_backward(plan, 1, last);
    assert_floats_same("input gradient", cnn_plan_gradient(plan, 0), dx, 4);
    const struct cnn_tensor *weight = model->tensors[network_tensor(model, "a.weight")].tensor;
    assert_floats_same("weight gradient", cnn_plan_parameter_gradients(plan) + weight->offset,
                       (const float[]){36}, 1);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

static void test_layers_without_part_in_the_answer_get_no_gradient(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 4, 4]", "  - {type: conv, filters: 2, kernel_size: 3, name: a}\n"
                     "  - {type: conv, filters: 3, kernel_size: 1, name: dead}\n"
                     "  - {type: batch_norm, name: dead_too}\n  - {type: conv, filters: 2, "
                     "kernel_size: 1, from: a, name: b}\n");
    cnn_model *alive =
        network_open_layers("[1, 4, 4]", "  - {type: conv, filters: 2, kernel_size: 3, name: a}\n  "
                                         "- {type: conv, filters: 2, kernel_size: 1, name: b}\n");
    for (size_t i = 0; i < alive->tensor_count; i++) {
        float values[64];
        cnn_model_tensor_get(model, network_tensor(model, alive->tensors[i].name), values, NULL);
        cnn_model_tensor_set(alive, i, values, NULL);
    }
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, false),
                    *wanted = network_plan(alive, BATCH, CNN_PLAN_TRAIN, false);
    struct result r = run_training(model, plan, BATCH), w = run_training(alive, wanted, BATCH);
    assert_floats_same("output", r.output, w.output, w.outputs);
    for (size_t i = 0; i < model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &model->tensors[i];
        if (strncmp(place->name, "dead", 4) == 0) {
            for (size_t k = 0; place->trainable && k < place->tensor->count; k++)
                assert_true(fpclassify(r.gradients[place->tensor->offset + k]) == FP_ZERO);
            continue;
        }
        const struct cnn_tensor *same = alive->tensors[network_tensor(alive, place->name)].tensor;
        assert_floats_same(place->name, r.gradients + place->tensor->offset,
                           w.gradients + same->offset, same->count);
    }
    result_free(&r);
    result_free(&w);
    cnn_plan_free(plan);
    cnn_plan_free(wanted);
    cnn_model_free(model);
    cnn_model_free(alive);
}

/* Gradients of a plan that makes so many values again, beside those of one that keeps all. */
static void check_made_again(cnn_model *model, size_t wanted)
{
    struct cnn_plan *plan, *apart = network_plan(model, BATCH, CNN_PLAN_WATCH, true);
    const struct cnn_plan_options options = {
        .batch = BATCH, .mode = CNN_PLAN_TRAIN, .input_gradient = true, .keep = 1};
    assert_int_equal(cnn_plan_new(&model->graph, model->parameters, &options, &plan, NULL), CNN_OK);
    size_t again = 0;
    for (size_t i = 0; i < plan->graph->count; i++)
        for (size_t v = plan->layout.again[i]; v != CNN_NO_VALUE; v = plan->layout.again_next[v])
            again++;
    assert_int_equal(again, wanted);
    struct result r = run_training(model, plan, BATCH), w = run_training(model, apart, BATCH);
    assert_floats_near("gradients", r.gradients, w.gradients, model->graph.parameter_floats, 2e-5);
    result_free(&r);
    result_free(&w);
    cnn_plan_free(plan);
    cnn_plan_free(apart);
    cnn_model_free(model);
}

/* What normalisation gives to layers that compute much with it is made again in backward: here that
 * of batch_norm is activated in two ways and pooled, read by two layers, frozen, and behind a sum.
 * So is what an activation gives whose input is kept. */
static void test_gradients_when_values_are_made_again(void **state)
{
    (void)state;
    check_made_again(network_open_layers(
                         "[8, 12, 12]",
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                         "  - {type: batch_norm, activation: relu, name: a}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same, name: c}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same, from: a}\n"
                         "  - {type: batch_norm, activation: silu, name: b}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                         "  - {type: batch_norm, trainable: false}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same, name: d}\n"
                         "  - {type: add, from: [c, d]}\n"
                         "  - {type: batch_norm}\n"
                         "  - {type: relu}\n"
                         "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                         "  - {type: layer_norm}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same, "
                         "activation: gelu}\n"
                         "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                         "  - {type: flatten}\n"
                         "  - {type: dense, units: 4}\n"),
                     6);
}

/* So is every second sum of a chain of residual blocks, with what normalisation gives to it: of the
 * four sums that relu follows the first, behind a projection, and the third. A sum whose activation
 * keeps its input is left alone. */
static void test_gradients_when_sums_are_made_again(void **state)
{
    (void)state;
    struct cnn_text layers = {0};
    cnn_text_printf(&layers,
                    "  - {type: conv, filters: 16, kernel_size: 3, padding: same, name: stem}\n"
                    "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                    "  - {type: batch_norm, name: right}\n"
                    "  - {type: conv, filters: 16, kernel_size: 1, from: stem}\n"
                    "  - {type: batch_norm, name: left}\n"
                    "  - {type: add, from: [left, right], activation: relu, name: sum0}\n");
    for (int i = 1; i < 4; i++)
        cnn_text_printf(&layers,
                        "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                        "  - {type: batch_norm, name: inner%d}\n"
                        "  - {type: add, from: [sum%d, inner%d], activation: relu, name: sum%d}\n",
                        i, i - 1, i, i);
    cnn_text_printf(&layers, "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                             "  - {type: batch_norm, name: last}\n"
                             "  - {type: add, from: [sum3, last], activation: gelu}\n"
                             "  - {type: conv, filters: 16, kernel_size: 3, padding: same}\n"
                             "  - {type: global_pool, pool_type: avg}\n"
                             "  - {type: flatten}\n"
                             "  - {type: dense, units: 4}\n");
    check_made_again(network_open_layers("[8, 12, 12]", layers.data), 5);
    cnn_text_free(&layers);
}

/* Takes gradients and spoils what they are of: backward must not read it any more. */
struct taking {
    float *gradients, *parameters;
    size_t floats;
};

static void take_and_spoil(void *context, struct cnn_stretch what, const float *gradients)
{
    struct taking *t = context;
    memcpy(t->gradients + what.begin, gradients, (what.end - what.begin) * sizeof *gradients);
    for (size_t i = what.begin; i < what.end; i++)
        t->parameters[i] = NAN;
    t->floats += what.end - what.begin;
}

/* n images through a plan whose gradients are taken, beside those of a plan that keeps them. */
static void check_taken(cnn_model *model, size_t n, enum cnn_gradients gradients, size_t keep)
{
    const struct cnn_graph *graph = &model->graph;
    const struct cnn_plan_options options = {
        .batch = n, .mode = CNN_PLAN_TRAIN, .gradients = gradients, .keep = keep};
    struct cnn_plan *kept = network_plan(model, n, CNN_PLAN_TRAIN, false), *plan;
    struct result want = run_training(model, kept, n);
    size_t from = graph->logits, size = n * cnn_shape_count(cnn_graph_shape(graph, from)),
           trained = 0;
    float *spoiled = tensor_new(graph->parameter_floats), *dy = tensor_random(size, 3);
    struct taking t = {.gradients = tensor_new(graph->parameter_floats), .parameters = spoiled};
    memcpy(spoiled, model->parameters, graph->parameter_floats * sizeof(float));
    assert_int_equal(cnn_plan_new(graph, spoiled, &options, &plan, NULL), CNN_OK);
    fill_input(model, plan, n, 1);
    cnn_plan_forward(plan, n, true, 5);
    memcpy(cnn_plan_gradient(plan, from), dy, size * sizeof *dy);
    cnn_plan_take(plan, (struct cnn_taker){take_and_spoil, &t});
    cnn_plan_backward(plan, n, from);
    for (size_t i = 0; i < plan->graph->count; i++)
        for (size_t slot = 0; cnn_slot_find(&plan->graph->nodes[i], &slot); slot++) {
            const struct cnn_tensor *tensor = &plan->graph->nodes[i].tensors[slot];
            if (!cnn_tensor_trained(tensor) || !plan->nodes[i].runs_backward)
                continue;
            assert_floats_same(plan->graph->nodes[i].name, t.gradients + tensor->offset,
                               want.gradients + tensor->offset, tensor->count);
            trained += tensor->count;
        }
    assert_int_equal(t.floats, trained);
    tensor_free(spoiled, graph->parameter_floats);
    tensor_free(t.gradients, graph->parameter_floats);
    tensor_free(dy, size);
    result_free(&want);
    cnn_plan_free(plan);
    cnn_plan_free(kept);
}

static void test_gradients_that_are_taken_are_those_that_are_kept(void **state)
{
    (void)state;
    for (size_t i = 0; i < NETWORKS; i++) {
        cnn_model *model = draw_network(i);
        check_taken(model, BATCH, CNN_GRADIENTS_BY_LAYER, 0);
        check_taken(model, BATCH, CNN_GRADIENTS_BY_PIECE, 1);
        cnn_model_free(model);
    }
}

/* A dense layer that is made in pieces, the last one smaller; in front of one that is not. */
static void test_large_layers_give_their_gradients_in_pieces(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 100, 100]", "  - {type: batch_norm}\n  - {type: flatten}\n"
                                             "  - {type: dense, units: 150, activation: relu}\n"
                                             "  - {type: dense, units: 7}\n");
    check_taken(model, 5, CNN_GRADIENTS_BY_PIECE, 0);
    struct cnn_plan_options options = {.batch = 5, .mode = CNN_PLAN_TRAIN};
    size_t kept, by_layer, by_piece;
    assert_int_equal(cnn_plan_measure(&model->graph, &options, &kept, NULL), CNN_OK);
    options.gradients = CNN_GRADIENTS_BY_LAYER;
    assert_int_equal(cnn_plan_measure(&model->graph, &options, &by_layer, NULL), CNN_OK);
    options.gradients = CNN_GRADIENTS_BY_PIECE;
    assert_int_equal(cnn_plan_measure(&model->graph, &options, &by_piece, NULL), CNN_OK);
    assert_true(by_layer < kept && by_piece + ((size_t)12 << 20) < by_layer);
    cnn_model_free(model);
}

static void test_large_convolutions_give_their_gradients_in_pieces(void **state)
{
    (void)state;
    const char *const sizes[] = {"[1040, 3, 2]", "[1040, 8, 8]"}; /* by blocks, Winograd's */
    for (size_t i = 0; i < 2; i++) {
        cnn_model *model = network_open_layers(
            sizes[i], "  - {type: batch_norm}\n"
                      "  - {type: conv, filters: 464, kernel_size: 3, padding: same}\n"
                      "  - {type: flatten}\n  - {type: dense, units: 7}\n");
        check_taken(model, 3, CNN_GRADIENTS_BY_PIECE, 0);
        cnn_model_free(model);
    }
}

/* Those of its weights are nobody's. */
static void test_large_layers_of_which_the_bias_is_trained_give_its_gradients(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[3, 100, 100]", "  - {type: batch_norm}\n  - {type: flatten}\n"
                         "  - {type: dense, units: 150, activation: relu, trainable: bias}\n"
                         "  - {type: dense, units: 7}\n");
    check_taken(model, 5, CNN_GRADIENTS_BY_PIECE, 0);
    cnn_model_free(model);
}

/* Layers of one step drop values of their own, steps too; what is kept is scaled. */
static void test_dropout_draws_anew_for_each_layer_and_step(void **state)
{
    (void)state;
    enum { SIZE = 1024 };
    cnn_model *model =
        network_open_layers("[1, 32, 32]", "  - {type: dropout, rate: 0.75, name: a}\n"
                                           "  - {type: dropout, rate: 0.75, from: input, name: b}\n"
                                           "  - {type: concat, from: [a, b]}\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_TRAIN, false);
    float first[SIZE];
    size_t kept = 0, layers = 0, steps = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        for (size_t i = 0; i < SIZE; i++)
            cnn_plan_input(plan)[i] = 1;
        cnn_plan_forward(plan, 1, true, seed);
        const float *y = cnn_plan_value(plan, 3); /* a and b of each place */
        for (size_t i = 0; i < SIZE; i++) {
            assert_true(y[2 * i] == 0 || y[2 * i] == 4);
            kept += seed == 1 && y[2 * i] > 0;
            layers += seed == 1 && y[2 * i] > 0 && y[2 * i + 1] > 0;
            steps += seed == 2 && y[2 * i] > 0 && first[i] > 0;
            first[i] = y[2 * i];
        }
    }
    assert_in_range(kept, 200, 312); /* a quarter; and of these, a quarter each time */
    assert_in_range(layers, 34, 94);
    assert_in_range(steps, 34, 94);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

/* Each image of a batch is dropped or kept whole, a quarter is dropped, and others at each step. */
static void test_paths_are_dropped_for_whole_images(void **state)
{
    (void)state;
    enum { IMAGES = 400, SIZE = 12 };
    cnn_model *model = network_open_layers("[3, 2, 2]", "  - {type: drop_path, rate: 0.25}\n");
    struct cnn_plan *plan = network_plan(model, IMAGES, CNN_PLAN_TRAIN, false);
    bool first[IMAGES];
    size_t dropped = 0, again = 0;
    for (uint64_t seed = 1; seed <= 2; seed++) {
        for (size_t i = 0; i < IMAGES * SIZE; i++)
            cnn_plan_input(plan)[i] = 3;
        cnn_plan_forward(plan, IMAGES, true, seed);
        const float *y = cnn_plan_value(plan, 1);
        for (size_t i = 0; i < IMAGES; i++) {
            bool gone = y[i * SIZE] == 0;
            float expected = gone ? 0 : 4;
            for (size_t k = 0; k < SIZE; k++)
                assert_float_equal(y[i * SIZE + k], expected, 1e-6);
            dropped += seed == 1 && gone;
            again += seed == 2 && gone && first[i];
            first[i] = gone;
        }
    }
    assert_in_range(dropped, 70, 130);
    assert_in_range(again, 8, 50); /* a sixteenth */
    cnn_plan_free(plan);
    cnn_model_free(model);
}

static void test_network_of_a_softmax_alone_can_be_planned(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers("[3, 1, 1]", "  - {type: softmax}\n");
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, true);
    fill_input(model, plan, BATCH, 1);
    cnn_plan_forward(plan, BATCH, true, 1);
    const float *y = cnn_plan_value(plan, 1);
    assert_float_equal(y[0] + y[1] + y[2], 1, 1e-6);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

/* Maxima keep their place in 16 bits, so their windows are limited; means are not. */
static void test_mean_of_a_large_map_when_it_has_more_than_65536_pixels(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[1, 300, 300]", "  - {type: global_pool, pool_type: avg}\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_TRAIN, true);
    for (size_t i = 0; i < 90000; i++)
        cnn_plan_input(plan)[i] = i % 2 ? 1 : 2;
    cnn_plan_forward(plan, 1, true, 1);
    assert_float_equal(cnn_plan_value(plan, 1)[0], 1.5, 1e-4);
    cnn_plan_gradient(plan, 1)[0] = 90000;
    cnn_plan_backward(plan, 1, 1);
    for (size_t i = 0; i < 90000; i++)
        assert_float_equal(cnn_plan_gradient(plan, 0)[i], 1, 1e-6);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

/* Kernels cut work up by the number of images, so a smaller batch may need more scratch than a full
 * one. */
static void test_scratch_is_enough_for_every_smaller_batch(void **state)
{
    (void)state;
    static const size_t batches[] = {16, 33, 46, 60};
    cnn_model *model = network_open_layers(
        "[19, 15, 14]", "  - {type: conv, filters: 120, kernel_size: [4, 2]}\n"
                        "  - {type: batch_norm}\n"
                        "  - {type: conv, filters: 16, kernel_size: 5, stride: 2}\n"
                        "  - {type: flatten}\n"
                        "  - {type: dense, units: 4}\n");
    for (size_t t = 0; cnn_kernels_at(t); t++)
        for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
            struct cnn_arena *arena = cnn_arena_new();
            struct cnn_layout layout;
            assert_int_equal(cnn_layout_make(&model->graph, cnn_kernels_at(t),
                                             &(struct cnn_plan_options){.batch = batches[b],
                                                                        .mode = CNN_PLAN_TRAIN},
                                             arena, &layout, NULL),
                             CNN_OK);
            for (size_t i = 0; i < model->graph.count; i++)
                for (size_t n = 1; model->graph.nodes[i].execution->scratch && n <= batches[b]; n++)
                    assert_true(model->graph.nodes[i].execution->scratch(&model->graph.nodes[i],
                                                                         cnn_kernels_at(t), n) <=
                                (layout.scratch == CNN_NO_BLOCK
                                     ? 0
                                     : layout.blocks[layout.scratch].floats));
            cnn_arena_free(arena);
        }
    cnn_model_free(model);
}

static void test_runs_are_the_same_when_threads_change_between_them(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[3, 12, 12]",
        "  - {type: conv, filters: 6, kernel_size: 5, padding: 2}\n  - {type: flatten}\n"
        "  - {type: dense, units: 5}\n");
    float *images = tensor_random(7 * 432, 3), first[35], second[35];
    int threads = cnn_threads();
    cnn_set_threads(1);
    assert_int_equal(cnn_model_run(model, images, 7, first, NULL), CNN_OK);
    cnn_set_threads(16);
    assert_int_equal(cnn_model_run(model, images, 7, second, NULL), CNN_OK);
    assert_floats_same("outputs", second, first, 35);
    assert_int_equal(cnn_model_run(model, images, 0, second, NULL), CNN_OK);
    cnn_set_threads(threads);
    tensor_free(images, 7 * 432);
    cnn_model_free(model);
}

/* What the room for a run is measured by. */
static void test_gradients_that_are_kept_count_as_memory(void **state)
{
    (void)state;
    static const char *const recipes[] = {"sgd, lr: 0.1}", "sgd, lr: 0.1}, clip_norm: 1"};
    for (size_t i = 0; i < 2; i++) {
        char text[256];
        size_t alone, shared, slab;
        snprintf(text, sizeof text,
                 "input: [3, 100, 100]\nlayers:\n  - {type: flatten}\n"
                 "  - {type: dense, units: 150}\ntrain: {epochs: 1, optimizer: {type: %s}\n",
                 recipes[i]);
        cnn_model *model = network_open(text);
        slab = model->graph.parameter_floats * sizeof(float);
        assert_int_equal(cnn_training_memory(model, 4, 1, 16, &alone, NULL), CNN_OK);
        assert_int_equal(cnn_training_memory(model, 4, 2, 16, &shared, NULL), CNN_OK);
        assert_true(i == 0 ? shared > alone + slab / 2 : shared == alone);
        cnn_model_free(model);
    }
}

static void test_plan_without_images_is_refused(void **state)
{
    (void)state;
    cnn_memory memory;
    cnn_model *model =
        network_open_layers("[1, 4, 4]", "  - {type: conv, filters: 2, kernel_size: 3}\n");
    assert_int_equal(cnn_model_memory(model, 0, &memory, NULL), CNN_INVALID);
    assert_int_equal(cnn_model_memory(model, SIZE_MAX / 8, &memory, NULL), CNN_INVALID);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scratch_is_enough_for_every_smaller_batch),
        cmocka_unit_test(test_runs_are_the_same_when_threads_change_between_them),
        cmocka_unit_test(test_plan_without_images_is_refused),
        cmocka_unit_test(test_gradients_that_are_kept_count_as_memory),
        cmocka_unit_test(test_plans_of_every_mode_give_the_same_output),
        cmocka_unit_test(test_results_are_the_same_bits_when_threads_differ),
        cmocka_unit_test(test_small_batches_train_as_in_a_plan_of_their_own_size),
        cmocka_unit_test(test_gradients_are_the_same_when_the_inputs_is_wanted_too),
        cmocka_unit_test(test_gradients_of_branched_networks_agree_with_differences),
        cmocka_unit_test(test_gradients_are_summed_when_a_value_is_read_many_times),
        cmocka_unit_test(test_layers_without_part_in_the_answer_get_no_gradient),
        cmocka_unit_test(test_gradients_when_values_are_made_again),
        cmocka_unit_test(test_gradients_when_sums_are_made_again),
        cmocka_unit_test(test_gradients_that_are_taken_are_those_that_are_kept),
        cmocka_unit_test(test_large_layers_give_their_gradients_in_pieces),
        cmocka_unit_test(test_large_convolutions_give_their_gradients_in_pieces),
        cmocka_unit_test(test_large_layers_of_which_the_bias_is_trained_give_its_gradients),
        cmocka_unit_test(test_dropout_draws_anew_for_each_layer_and_step),
        cmocka_unit_test(test_paths_are_dropped_for_whole_images),
        cmocka_unit_test(test_network_of_a_softmax_alone_can_be_planned),
        cmocka_unit_test(test_mean_of_a_large_map_when_it_has_more_than_65536_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
