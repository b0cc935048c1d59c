/* What is measured of a network while it trains, against values that are known or computed in
 * another way; health.csv; and the hints, word for word. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "networks.h"
#include "scratch.h"
#include "train/health.h"
#include "train/step.h"

/* Of a's four filters (each looks at one pixel, its channels added up) the second never fires, and
 * the fourth only where a pixel is almost white, which it is in no probe image. b is cut off at six
 * and always fires; c has weights alone. d reads numbers below zero only. */
static const char description[] =
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {name: a, type: conv, filters: 4, kernel_size: 1, activation: relu, weights: {kernel: "
    "[[[[1]], [[1]], [[1]]], [[[1]], [[1]], [[1]]], "
    "[[[1]], [[1]], [[1]]], [[[1]], [[1]], [[1]]]], bias: [0, -1000, 1, -2.999]}}\n"
    "  - {name: b, type: relu6}\n"
    "  - {type: global_pool, pool_type: avg}\n"
    "  - {type: flatten}\n"
    "  - {name: c, type: dense, units: 10}\n"
    "  - {name: d, type: dense, units: 10, activation: relu}\n"
    "  - {name: e, type: dense, units: 10}\n"
    "data: {dataset: shapes, limit: 1200, val_split: 0.5}\n"
    "train: {epochs: 1, batch_size: 16, optimizer: {type: sgd, lr: 0.25}}\n";

struct bench { /* a model with its validation images, ready to be measured */
    cnn_model *model;
    struct cnn_dataset *val;
    struct cnn_evaluator evaluator;
    struct cnn_health health;
};

static struct bench bench_open(const char *text)
{
    struct bench b = {.model = network_open(text)};
    enum cnn_split used;
    assert_int_equal(cnn_dataset_open(&b.model->data,
                                      &(struct cnn_data_choice){.input = b.model->graph.input,
                                                                .split = CNN_SPLIT_VAL,
                                                                .seed = 1},
                                      &b.val, &used, NULL),
                     CNN_OK);
    assert_int_equal(cnn_model_adopt_data(b.model, b.val, NULL), CNN_OK);
    assert_int_equal(cnn_evaluator_open(b.model, b.val, NULL, &b.evaluator, NULL), CNN_OK);
    return b;
}

static void bench_close(struct bench *b)
{
    cnn_health_close(&b->health);
    cnn_evaluator_close(&b->evaluator);
    cnn_dataset_free(b->val);
    cnn_model_free(b->model);
}

static const struct cnn_health_row *row_of(const struct bench *b, const char *layer)
{
    for (size_t i = 0; i < b->health.count; i++)
        if (strcmp(b->health.rows[i].layer, layer) == 0)
            return &b->health.rows[i];
    fail_msg("no row of %s", layer);
    return NULL;
}

static void test_probe_finds_the_channels_that_are_zero_for_every_image(void **state)
{
    (void)state;
    struct bench b = bench_open(description);
    assert_int_equal(
        cnn_health_open(b.model, &b.evaluator, CNN_GRADIENTS_BY_PIECE, &b.health, NULL), CNN_OK);
    size_t bias = network_tensor(b.model, "d.bias"), weight = network_tensor(b.model, "d.weight");
    float low[10], zero[100] = {0};
    for (size_t i = 0; i < 10; i++)
        low[i] = i < 7 ? -1 : 1;
    cnn_model_tensor_set(b.model, bias, low, NULL);
    cnn_model_tensor_set(b.model, weight, zero, NULL);
    for (int pass = 0; pass < 2; pass++) { /* a second probe begins anew */
        cnn_health_probe(&b.health);
        assert_int_equal(b.health.count, 5);
        assert_near(row_of(&b, "a")->dead, 0.5, 0);
        assert_int_equal(row_of(&b, "a")->channels, 4);
        assert_near(row_of(&b, "b")->dead, 0.5, 0);
        assert_true(isnan(row_of(&b, "c")->dead));
        assert_int_equal(row_of(&b, "c")->channels, 0);
        assert_near(row_of(&b, "d")->dead, 0.7, 1e-15);
        assert_int_equal(row_of(&b, "d")->channels, 10);
    }
    bench_close(&b);
}

/* A channel that fires in the last image of the probe alone is alive; one that fires in the image
 * after it is not. */
static void test_probe_ends_after_256_images_whatever_the_batch(void **state)
{
    (void)state;
    const size_t batches[] = {128, 5};
    for (size_t k = 0; k < 2; k++)
        for (size_t extra = 0; extra < 2; extra++) {
            struct bench b = bench_open(description);
            size_t pixels = cnn_shape_count(b.model->graph.input),
                   last = CNN_HEALTH_PROBE - 1 + extra;
            assert_true(cnn_dataset_count(b.val) > last);
            for (size_t i = 0; i < 600; i++) /* the data set's own bytes */
                memset((uint8_t *)(uintptr_t)cnn_dataset_read(b.val, i, NULL), i == last ? 255 : 0,
                       pixels);
            b.evaluator.batch = batches[k];
            assert_int_equal(
                cnn_health_open(b.model, &b.evaluator, CNN_GRADIENTS_BY_PIECE, &b.health, NULL),
                CNN_OK);
            cnn_health_probe(&b.health);
            assert_near(row_of(&b, "a")->dead, extra ? 0.75 : 0.25, 0);
            bench_close(&b);
        }
}

static double norm(const float *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

/* Keeps the gradients, and hands them on. */
struct seen {
    float *gradients;
    struct cnn_health *health;
};

static void see(void *context, struct cnn_stretch what, const float *gradients)
{
    struct seen *seen = context;
    memcpy(seen->gradients + what.begin, gradients, (what.end - what.begin) * sizeof *gradients);
    const struct cnn_step_watcher health = cnn_health_watcher(seen->health);
    health.gradients(health.context, what, gradients);
}

static void see_update(void *context, struct cnn_stretch what)
{
    const struct seen *seen = context;
    const struct cnn_step_watcher health = cnn_health_watcher(seen->health);
    if (health.updated)
        health.updated(health.context, what);
}

/* The norms of one layer, in steps whose gradients are taken in this way. */
static void check_norms(const char *text, enum cnn_gradients how, const char *layer)
{
    struct bench b = bench_open(text);
    struct cnn_step step;
    size_t labels[16];
    assert_int_equal(cnn_step_open(b.model, b.model->parameters, 16, &step, NULL), CNN_OK);
    assert_int_equal(cnn_recipe_gradients(&b.model->recipe, 1), how);
    assert_int_equal(cnn_health_open(b.model, &b.evaluator, how, &b.health, NULL), CNN_OK);
    for (size_t i = 0; i < 16; i++) {
        labels[i] = cnn_dataset_label(b.val, i);
        cnn_normalize(&b.model->normalization, cnn_dataset_read(b.val, i, NULL), 256,
                      cnn_plan_input(step.plan) + i * 768);
    }
    /* one before, so that the parameters are not those of the beginning */
    cnn_step_run(&step, 16, &(struct cnn_targets){.labels = labels}, 0.25);
    struct seen seen = {.gradients = cnn_floats_new(b.model->graph.parameter_floats),
                        .health = &b.health};
    step.watcher = (struct cnn_step_watcher){see, see_update, &seen};
    float *before = cnn_floats_new(b.model->graph.parameter_floats);
    for (int steps = 0; steps < 2; steps++) { /* a second one begins anew */
        memcpy(before, step.parameters, b.model->graph.parameter_floats * sizeof *before);
        cnn_health_before_step(&b.health, step.parameters);
        cnn_step_run(&step, 16, &(struct cnn_targets){.labels = labels}, 0.25);
    }
    cnn_health_after_step(&b.health, 7, step.parameters, 0.5);
    for (size_t i = 0; i < b.model->graph.parameter_floats; i++)
        before[i] = step.parameters[i] - before[i];
    const struct cnn_node *node = &b.model->graph.nodes[network_layer(b.model, layer)];
    double weight = 0, gradient = 0, update = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        weight = hypot(weight, norm(b.model->parameters + t->offset, t->count));
        gradient = hypot(gradient, norm(seen.gradients + t->offset, t->count));
        update = hypot(update, norm(before + t->offset, t->count));
    }
    const struct cnn_health_row *row = row_of(&b, layer);
    assert_true(gradient > 0 && update > 0);
    assert_near(row->gradient_norm, gradient, 1e-9 * (1 + gradient));
    assert_near(row->weight_norm, weight, 1e-9 * (1 + weight));
    assert_near(row->update_norm, update, 1e-6 * update);
    assert_near(row->lr_factor, 0.5, 0);
    assert_int_equal(row->epoch, 7);
    assert_true(isnan(row_of(&b, "b")->weight_norm) && isnan(row_of(&b, "b")->gradient_norm) &&
                isnan(row_of(&b, "b")->update_norm));
    const size_t first = node->tensors[0].offset;
    see(&seen, (struct cnn_stretch){first, first + 1}, &(float){NAN});
    cnn_health_after_step(&b.health, 7, step.parameters, 0.5);
    assert_true(isinf(row->gradient_norm));
    cnn_floats_free(seen.gradients);
    cnn_floats_free(before);
    cnn_step_close(&step);
    bench_close(&b);
}

/* The description with other words in one place, in text. */
static const char *changed(char *text, size_t size, const char *from, const char *to)
{
    const char *at = strstr(description, from);
    assert_non_null(at);
    snprintf(text, size, "%.*s%s%s", (int)(at - description), description, to, at + strlen(from));
    return text;
}

static void test_norms_are_those_of_the_step(void **state)
{
    (void)state;
    char text[2048];
    check_norms(description, CNN_GRADIENTS_BY_PIECE, "e");
    /* clipped gradients wait for each other; these are too small to be clipped */
    check_norms(changed(text, sizeof text, "epochs: 1,", "epochs: 1, clip_norm: 1e6,"),
                CNN_GRADIENTS_KEPT, "e");
    check_norms(changed(text, sizeof text, "{type: sgd, lr: 0.25}", "{type: muon, lr: 0.01}"),
                CNN_GRADIENTS_BY_LAYER, "e");
    /* several pieces of weights, or all at once */
    static const char *const optimizers[] = {"{type: sgd, lr: 0.25}", "{type: muon, lr: 0.01}"};
    for (size_t i = 0; i < 2; i++) {
        char large[2048];
        changed(large, sizeof large, "  - {name: c,",
                "  - {type: dense, units: 64}\n  - {name: large, type: dense, units: 66000}\n"
                "  - {name: c,");
        char *at = strstr(large, optimizers[0]);
        assert_non_null(at);
        snprintf(at, sizeof large - (size_t)(at - large), "%s}\n", optimizers[i]);
        check_norms(large, i ? CNN_GRADIENTS_BY_LAYER : CNN_GRADIENTS_BY_PIECE, "large");
    }
}

#define HEALTHY(name)                                                                              \
    {                                                                                              \
        .epoch = 3, .layer = name, .channels = 64, .dead = 0.24, .gradient_norm = 0.5,             \
        .weight_norm = 10, .update_norm = 0.01, .lr_factor = 1                                     \
    }

static void assert_hints_at_loss(const struct cnn_health_row *rows, size_t count, double loss,
                                 const char *expected)
{
    struct cnn_text text = {0};
    cnn_health_hints(rows, count, loss, NULL, &text);
    assert_string_equal(text.data ? text.data : "", expected);
    cnn_text_free(&text);
}

static void assert_hints(const struct cnn_health_row *rows, size_t count, const char *expected)
{
    assert_hints_at_loss(rows, count, 2.3, expected);
}

static void test_long_steps_of_muon_are_meant(void **state)
{
    (void)state;
    static const char *const optimizers[] = {"muon", "sgd"};
    struct cnn_health_row rows[] = {HEALTHY("conv1"), HEALTHY("dense2")};
    rows[0].update_norm = 3;
    for (int i = 0; i < 2; i++) {
        char written[128];
        struct cnn_text text = {0};
        snprintf(written, sizeof written,
                 "{input: [1, 1, 1], layers: [{type: conv, filters: 2, kernel_size: 1}], train: "
                 "{optimizer: %s}}",
                 optimizers[i]);
        cnn_model *model = network_open(written);
        cnn_health_hints(rows, 2, 1, model, &text);
        assert_int_equal(text.size > 0, i == 1);
        cnn_text_free(&text);
        cnn_model_free(model);
    }
}

static void test_healthy_network_gets_no_hint(void **state)
{
    (void)state;
    struct cnn_health_row rows[] = {HEALTHY("conv1"), HEALTHY("relu2"), HEALTHY("dense3")};
    assert_hints(rows, 3, "");
    assert_hints(rows, 0, "");
    rows[1].weight_norm = rows[1].gradient_norm = rows[1].update_norm = NAN; /* no weights */
    rows[0].dead = NAN;                                                      /* does not cut off */
    rows[0].channels = 0;
    assert_hints(rows, 3, "");
    rows[0].gradient_norm = 0.5e-3; /* at the limits, and no further */
    rows[2].update_norm = 1;
    rows[0].update_norm = 1e-5;
    assert_hints(rows, 3, "");
    rows[0].update_norm = 1e-9; /* the schedule's end */
    rows[0].lr_factor = 1e-5;
    assert_hints(rows, 3, "");
    rows[0].lr_factor = 1e-6; /* too small a step for a float to show it */
    rows[0].update_norm = 0;
    assert_hints(rows, 3, "");
    /* weights that begin as zeros: there is nothing to compare with */
    rows[2].weight_norm = rows[2].update_norm = 0;
    assert_hints(rows, 3, "");
}

static void test_hints_name_the_layer_with_its_evidence(void **state)
{
    (void)state;
    struct cnn_health_row rows[] = {HEALTHY("conv1"), HEALTHY("conv2"), HEALTHY("dense3")},
                          *first = &rows[0], *last = &rows[2];
    const struct cnn_health_row healthy = rows[0];
    rows[1].dead = 26.0 / 64;
    last->dead = 0.25;
    last->channels = 4;
    assert_hints(rows, 3,
                 "41 % of conv2's 64 channels never fire, they are zero for every validation image "
                 "tried: a smaller learning rate, batch_norm or leaky_relu "
                 "keeps them alive\n"
                 "25 % of dense3's 4 channels never fire, they are zero for every validation image "
                 "tried: a smaller learning rate, batch_norm or leaky_relu "
                 "keeps them alive\n");
    rows[1].dead = last->dead = 0;
    first->gradient_norm = 1.2e-6;
    assert_hints(rows, 3,
                 "the gradient vanishes on its way back: its norm is 0.5 at dense3 and 1.2e-06 at "
                 "conv1; batch_norm, relu in place of sigmoid or tanh, or "
                 "add as a way around layers lets it through\n");
    /* why there is none, why nothing moves, and why what stands behind it is dead, too */
    rows[1].dead = 1;
    first->gradient_norm = first->update_norm = 0;
    first->dead = 0.996;
    last->dead = 0.5;
    assert_hints(rows, 3,
                 "conv2 is dead: none of its 64 channels fires for any validation image tried, so "
                 "nothing gets through it, and no gradient back to the layers "
                 "before it, and it seldom recovers: begin anew with a smaller learning rate, "
                 "batch_norm or leaky_relu\n"
                 "99.6 % of conv1's 64 channels never fire, they are zero for every validation "
                 "image tried: a smaller learning rate, batch_norm or leaky_relu "
                 "keeps them alive\n");
    *first = healthy;
    last->dead = 0;
    rows[1].dead = 0;
    first->gradient_norm = 501;
    assert_hints(rows, 3,
                 "the gradient grows on its way back: its norm is 0.5 at dense3 and 501 at conv1; "
                 "batch_norm after each layer, or smaller first weights, "
                 "keep it in bounds\n");
    *first = healthy;
    rows[1].update_norm = 2.34;
    last->update_norm = 1.5;
    assert_hints(rows, 3,
                 "one step changes the weights of conv2 by 23 %, and 1 other layer likewise: about "
                 "0.1 % is usual, so the learning rate is probably too "
                 "high\n");
    rows[1].update_norm = last->update_norm = 0.01;
    last->update_norm = 0.9e-6;
    last->lr_factor = 0.1;
    assert_hints(rows, 3,
                 "dense3 stands still: at the full learning rate one step changes its weights by "
                 "less than a millionth; about a thousandth is usual, so the "
                 "learning rate is probably too low (its gradient's norm is 0.5)\n");
    last->gradient_norm = rows[1].gradient_norm = first->gradient_norm = 0;
    last->update_norm = first->update_norm = 0;
    assert_hints(rows, 3,
                 "conv1 stands still, and 1 other layer likewise: no gradient arrives there\n");
    last->gradient_norm = rows[1].gradient_norm = 0.5;
    assert_hints(rows, 3,
                 "the gradient vanishes on its way back: its norm is 0.5 at dense3 and 0 at conv1; "
                 "batch_norm, relu in place of sigmoid or tanh, or "
                 "add as a way "
                 "around layers lets it through\n");
    *first = healthy;
    last->update_norm = 0.01;
    rows[1].gradient_norm = rows[0].gradient_norm = INFINITY;
    assert_hints(rows, 3,
                 "the gradients of conv1 hold numbers that are not finite: a smaller learning "
                 "rate, a warm-up or batch_norm keeps them within bounds\n");
}

static void test_run_that_blew_up_is_told_first(void **state)
{
    (void)state;
    struct cnn_health_row rows[] = {HEALTHY("conv1"), HEALTHY("conv2"), HEALTHY("dense3")};
    const char *loss = "the run has blown up: the mean loss of the epoch is 2.33e+31 (guessing "
                       "among 10 classes has a cross-entropy of 2.3); begin anew with a "
                       "smaller learning rate, a warm-up or batch_norm\n";
    assert_hints_at_loss(rows, 3, 500, ""); /* at the limits, and no further */
    assert_hints_at_loss(rows, 3, NAN, "");
    rows[1].weight_norm = 1e4;
    rows[1].update_norm = 1;
    assert_hints(rows, 3, "");
    assert_hints_at_loss(rows, 3, 2.33e31, loss);
    rows[2].weight_norm = 8.65e23;
    rows[2].update_norm = 1e21;
    rows[1].weight_norm = 7e10;
    rows[1].update_norm = 1e9;
    rows[0].dead = 0.5;
    const char *dead = "50 % of conv1's 64 channels never fire, they are zero for every validation "
                       "image tried: a smaller learning rate, batch_norm "
                       "or leaky_relu keeps them alive\n";
    char expected[1024];
    snprintf(expected, sizeof expected,
             "the run has blown up: the mean loss of the epoch is 2.33e+31 (guessing among 10 "
             "classes has a cross-entropy of 2.3), and the weights "
             "of dense3 have a "
             "norm of 8.65e+23, which is seldom above 100; begin anew with a smaller learning "
             "rate, a warm-up or batch_norm\n%s",
             dead);
    assert_hints_at_loss(rows, 3, 2.33e31, expected);
    snprintf(expected, sizeof expected,
             "the run has blown up: the weights of dense3 have a norm of 8.65e+23, which is seldom "
             "above 100; begin anew with a smaller learning rate, "
             "a warm-up or batch_norm\n%s",
             dead);
    assert_hints(rows, 3, expected); /* the loss has come down since */
}

static void count_tale(void *context, const char *text)
{
    size_t *tales = context;
    assert_null(strchr(text, '\n'));
    ++*tales;
}

static void test_hints_are_told_once(void **state)
{
    (void)state;
    struct bench b = bench_open(description);
    size_t tales = 0;
    assert_int_equal(
        cnn_health_open(b.model, &b.evaluator, CNN_GRADIENTS_BY_PIECE, &b.health, NULL), CNN_OK);
    for (size_t i = 0; i < b.health.count; i++) {
        b.health.rows[i].weight_norm = b.health.rows[i].update_norm = b.health.rows[i].lr_factor =
            1;
        b.health.rows[i].gradient_norm = 1;
    }
    b.health.rows[0].dead = b.health.rows[1].dead = 0.5;
    cnn_health_tell(&b.health, 2.3, count_tale, &tales);
    assert_int_equal(tales, 3); /* two layers with dead channels; the fastest layer */
    b.health.rows[1].update_norm = 2;
    cnn_health_tell(&b.health, 2.3, count_tale, &tales);
    assert_int_equal(tales, 3);
    b.health.rows[3].dead = 0.5;
    cnn_health_tell(&b.health, 2.3, count_tale, &tales);
    assert_int_equal(tales, 4);
    b.health.rows[3].dead = 1; /* worse: said, too */
    cnn_health_tell(&b.health, 2.3, count_tale, &tales);
    assert_int_equal(tales, 5);
    for (int epoch = 0; epoch < 2; epoch++)
        cnn_health_tell(&b.health, 1e20, count_tale, &tales);
    assert_int_equal(tales, 6);
    bench_close(&b);
}

static void test_table_reads_back_what_was_written(void **state)
{
    struct scratch *s = *state;
    const struct cnn_health_row row = {4, "conv-1_a", 64, 0.25, 1.5e-7, 3, INFINITY, 0.125},
                                plain = {4, "pool", 0, NAN, NAN, NAN, NAN, NAN};
    struct cnn_text text = {0};
    cnn_text_printf(&text, "%s", CNN_HEALTH_HEADER);
    cnn_health_format(&row, &text);
    cnn_health_format(&plain, &text);
    assert_string_equal(
        text.data, "epoch,layer,channels,dead,gradient_norm,weight_norm,update_norm,lr_factor\n"
                   "4,conv-1_a,64,0.25,1.5e-07,3,inf,0.125\n"
                   "4,pool,0,,,,,\n");
    cnn_text_printf(&text, "5,half"); /* a crash */
    struct cnn_health_row *rows;
    size_t count = 9;
    assert_int_equal(cnn_health_read(scratch_write(s, "health.csv", text.data, text.size), &rows,
                                     &count, s->diag),
                     CNN_OK);
    assert_int_equal(count, 2);
    assert_true(rows[0].epoch == 4 && rows[0].channels == 64 && rows[0].lr_factor == 0.125 &&
                isinf(rows[0].update_norm));
    assert_near(rows[0].gradient_norm, 1.5e-7, 0);
    assert_string_equal(rows[0].layer, "conv-1_a");
    assert_true(isnan(rows[1].dead) && isnan(rows[1].gradient_norm) && isnan(rows[1].lr_factor));
    free(rows);
    cnn_text_free(&text);
    assert_int_equal(cnn_health_read(scratch_path(s, "none.csv"), &rows, &count, s->diag), CNN_OK);
    assert_int_equal(count, 0);
    free(rows);
}

static void test_table_is_refused_when_it_is_another(void **state)
{
    struct scratch *s = *state;
    struct cnn_health_row *rows;
    size_t count;
    const char *damaged[] = {
        "1,conv1,64,0.25,1,1,1\n",     "1,conv1,64,0.25,1,1,1,1,1\n", "x,conv1,64,0.25,1,1,1,1\n",
        "1,,64,0.25,1,1,1,1\n",        "1,conv1,64,0.2x,1,1,1,1\n",   "1,conv1\n",
        "\n1,conv1,64,0.25,1,1,1,1\n",                             /* an empty line within */
        "1,conv1,-1,0,1,1,1,1\n",      "1,conv1,64,\n2,7,0,1,1\n", /* two that together look like
                                                                      one */
        "1,conv1,64, 0,1,1,1,1\n"};
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++) {
        char text[256];
        snprintf(text, sizeof text, "%s1,a,0,,,,,\n%s", CNN_HEALTH_HEADER, damaged[i]);
        scratch_expect(s,
                       cnn_health_read(scratch_write(s, "health.csv", text, strlen(text)), &rows,
                                       &count, s->diag),
                       "line 3 of DIR/health.csv is not a row of its table");
    }
    scratch_expect(
        s, cnn_health_read(scratch_write(s, "health.csv", "epoch\n", 6), &rows, &count, s->diag),
        "the header is not "
        "'epoch,layer,channels,dead,gradient_norm,weight_norm,update_norm,lr_factor'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probe_finds_the_channels_that_are_zero_for_every_image),
        cmocka_unit_test(test_probe_ends_after_256_images_whatever_the_batch),
        cmocka_unit_test(test_norms_are_those_of_the_step),
        cmocka_unit_test(test_healthy_network_gets_no_hint),
        cmocka_unit_test(test_long_steps_of_muon_are_meant),
        cmocka_unit_test(test_hints_name_the_layer_with_its_evidence),
        cmocka_unit_test(test_run_that_blew_up_is_told_first),
        cmocka_unit_test(test_hints_are_told_once),
        cmocka_unit_test_setup_teardown(test_table_reads_back_what_was_written, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_table_is_refused_when_it_is_another, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
