/* Layers that training leaves as they are: where the network is cut, that what is kept of them
 * changes no bit, and how they are let go. */
#include "runs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "networks.h"
#include "train/frozen.h"
#include "train/step.h"

/* ---- The cut ---- */

/* The cut of a network with these layers. */
static size_t cut_of(const char *layers)
{
    struct cnn_frozen frozen = {0};
    cnn_model *model = network_open_layers("[3, 8, 8]", layers);
    assert_int_equal(cnn_frozen_open(model, 4, &frozen, NULL), CNN_OK);
    size_t cut = frozen.cut;
    cnn_frozen_close(&frozen);
    cnn_model_free(model);
    return cut;
}

#define CONV(name) "  - {type: conv, name: " name ", filters: 3, kernel_size: 3, padding: same"
#define FROZEN     ", trainable: false}\n"
#define TAIL       "  - {type: flatten}\n  - {type: dense, units: 2}\n"

static void test_the_cut_lies_behind_all_that_is_steady(void **state)
{
    (void)state;
    assert_int_equal(cut_of(CONV("a") "}\n" CONV("b") FROZEN TAIL), 0);
    assert_int_equal(cut_of(CONV("a") FROZEN CONV("b") "}\n" TAIL), 1);
    /* what has no parameters belongs to it */
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: relu}\n"
                                             "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                                             "  - {type: flatten}\n"
                                             "  - {type: dense, units: 2}\n"),
                     4);
    /* dropout does not */
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: dropout}\n" TAIL), 1);
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: dropout, rate: 0}\n" TAIL), 3);
    /* a batch_norm that is trained, and one that is not */
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: batch_norm}\n" TAIL), 1);
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: batch_norm, trainable: false}\n" TAIL), 3);
    /* within a residual block nothing can be cut */
    assert_int_equal(cut_of(CONV("a") FROZEN CONV("b")
                                FROZEN CONV("c") "}\n  - {type: add, from: [a, c]}\n" TAIL),
                     1);
    /* only softmax behind the layer that is trained */
    assert_int_equal(cut_of(CONV("a") FROZEN "  - {type: flatten}\n"
                                             "  - {type: dense, units: 2}\n"
                                             "  - {type: softmax}\n"),
                     2);
    /* the network's input, flattened, is not worth it */
    assert_int_equal(cut_of(TAIL), 0);
}

/* Both parts one after another come to what the whole network gives. */
static void test_the_parts_compute_what_the_whole_does(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 8, 8]", CONV("a") FROZEN
                            "  - {type: batch_norm, activation: relu, trainable: false}\n" CONV(
                                "b") ", activation: relu}\n" TAIL "  - {type: softmax}\n");
    struct cnn_frozen frozen = {0};
    float images[5 * 192], logits[10], output[10], whole[10];
    network_stir(model);
    assert_int_equal(cnn_frozen_open(model, 5, &frozen, NULL), CNN_OK);
    assert_int_equal(frozen.cut, 2);
    for (size_t i = 0; i < 5 * 192; i++)
        images[i] = (float)((i * 37 + i / 7) % 101) / 50 - 1;
    cnn_frozen_validate(
        &frozen, &(struct cnn_batch){.n = 5, .images = images, .index = (size_t[]){0, 1, 2, 3, 4}},
        logits, output);
    struct cnn_plan *plan = network_plan(model, 5, CNN_PLAN_KEEP, false);
    memcpy(cnn_plan_input(plan), images, sizeof images);
    cnn_plan_forward(plan, 5, false, 0);
    memcpy(whole, cnn_plan_value(plan, cnn_graph_output(&model->graph)), sizeof whole);
    for (size_t i = 0; i < 10; i++)
        assert_true(fabsf(output[i] - whole[i]) < 1e-5f);
    memcpy(whole, cnn_plan_value(plan, model->graph.logits), sizeof whole);
    for (size_t i = 0; i < 10; i++)
        assert_true(fabsf(logits[i] - whole[i]) < 1e-4f * (1 + fabsf(whole[i])));
    cnn_plan_free(plan);
    cnn_frozen_close(&frozen);
    cnn_model_free(model);
}

/* ---- Runs ---- */

static const char description[] =
    "name: tuned\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 6, kernel_size: 3}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: conv, filters: 9, kernel_size: 3}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: global_pool, pool_type: avg}\n"
    "  - {type: flatten}\n"
    "  - {type: dropout, rate: 0.2}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: shapes, limit: 90, val_split: 0.2, normalize: auto}\n"
    "train:\n"
    "  epochs: 4\n"
    "  batch_size: 16\n"
    "  log_every: 1\n"
    "  freeze: conv2\n" /* the batch_norm behind it is trained: the whole would fold it in */
    "  optimizer: {type: adam, lr: 0.01}\n"
    "  ema: {decay: 0.5}\n";

static struct scratch *prepare(void **state)
{
    struct scratch *s = runs_prepare(state);
    scratch_write(s, "tiny.yaml", description, sizeof description - 1);
    return s;
}

/* The numbers of a tensor of a checkpoint of a run. */
static void read_tensor(struct scratch *s, const char *file, const char *name, float *out)
{
    cnn_model *model;
    assert_int_equal(cnn_model_open(scratch_path(s, file), NULL, &model, s->diag), CNN_OK);
    cnn_model_tensor_get(model, network_tensor(model, name), out, NULL);
    cnn_model_free(model);
}

/* Images come in another order in each epoch, the last batch is smaller, some epochs are over in
 * another process: what is kept is what would be computed. */
static void test_what_is_kept_changes_no_bit(void **state)
{
    struct scratch *s = prepare(state);
    for (int held = 0; held < 2; held++) {
        const char *epochs = held ? "train.freeze_epochs=3" : "train.freeze_epochs=0";
        char kept[16], anew[16];
        snprintf(kept, sizeof kept, "kept%d", held);
        snprintf(anew, sizeof anew, "anew%d", held);
        struct watcher watcher = {.kind = CNN_EVENT_HOLD};
        assert_int_equal(runs_train(s, kept, false, &watcher, epochs), CNN_OK);
        assert_int_equal(watcher.seen, held ? 2 : 1);
        /* no room for anything to be kept */
        struct cnn_text other = {0};
        cnn_text_printf(&other, "%.*snormalize: auto, cache: 0}%s",
                        (int)(strstr(description, "normalize") - description), description,
                        strstr(description, "\ntrain"));
        scratch_write(s, "tiny.yaml", other.data, other.size);
        cnn_text_free(&other);
        assert_int_equal(runs_train(s, anew, false, NULL, epochs), CNN_OK);
        scratch_write(s, "tiny.yaml", description, sizeof description - 1);
        runs_assert_same_table(s, kept, anew, "steps.csv");
        runs_assert_same_table(s, kept, anew, "epochs.csv");
        runs_assert_same_file(s, kept, anew, "health.csv");
        float a[90], b[90];
        char path[64];
        static const char *const names[] = {"dense1.weight", "dense1.bias", "conv2.bias"};
        for (size_t i = 0; i < 3; i++) {
            memset(a, 0, sizeof a);
            memset(b, 0, sizeof b);
            snprintf(path, sizeof path, "%s/last.safetensors", kept);
            read_tensor(s, path, names[i], a);
            snprintf(path, sizeof path, "%s/last.safetensors", anew);
            read_tensor(s, path, names[i], b);
            assert_memory_equal(a, b, sizeof a);
        }
    }
}

static void test_a_run_goes_on_across_the_end_of_freezing(void **state)
{
    struct scratch *s = prepare(state);
    static const char override[] = "train.freeze_epochs=2";
    const struct watcher places[] = {
        {.kind = CNN_EVENT_START, .at = 1},    {.kind = CNN_EVENT_STEP, .at = 3},
        {.kind = CNN_EVENT_STEP, .at = 9},  /* the last that is frozen ends its epoch after it */
        {.kind = CNN_EVENT_STEP, .at = 10}, /* validation is left to do */
        {.kind = CNN_EVENT_VALIDATE, .at = 2}, {.kind = CNN_EVENT_EPOCH, .at = 2},
        {.kind = CNN_EVENT_STEP, .at = 11}, /* the first with all layers */
        {.kind = CNN_EVENT_STEP, .at = 17},
    };
    assert_int_equal(runs_train(s, "whole", false, NULL, override), CNN_OK);
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        char name[16];
        struct watcher watcher = places[i];
        snprintf(name, sizeof name, "part%zu", i);
        runs_train(s, name, false, &watcher, override);
        cnn_diag_clear(s->diag);
        assert_int_equal(runs_train(s, name, true, NULL, NULL), CNN_OK);
        runs_assert_same(s, "whole", name);
    }
}

static void test_frozen_layers_change_once_they_are_let_go(void **state)
{
    struct scratch *s = prepare(state);
    static const char *const names[] = {"conv1.weight", "conv2.bias", "batch_norm1.running_mean",
                                        "dense1.bias"};
    struct watcher watcher = {.kind = CNN_EVENT_START, .at = 1};
    static float first[4][200], held[4][200], end[4][200];
    runs_train(s, "run", false, &watcher, "train.freeze_epochs=3");
    cnn_diag_clear(s->diag);
    for (size_t i = 0; i < 4; i++)
        read_tensor(s, "run/last.safetensors", names[i], first[i]);
    watcher = (struct watcher){.kind = CNN_EVENT_EPOCH, .at = 3};
    runs_train(s, "run", true, &watcher, NULL);
    cnn_diag_clear(s->diag);
    for (size_t i = 0; i < 4; i++)
        read_tensor(s, "run/last.safetensors", names[i], held[i]);
    assert_int_equal(runs_train(s, "run", true, NULL, NULL), CNN_OK);
    for (size_t i = 0; i < 4; i++) {
        read_tensor(s, "run/last.safetensors", names[i], end[i]);
        assert_int_equal(memcmp(first[i], held[i], sizeof *held) == 0, i < 3);
        assert_int_not_equal(memcmp(held[i], end[i], sizeof *end), 0);
    }
}

/* ---- Rates ---- */

/* |w before - w after one step| of the first number of a tensor that has a gradient there. */
static double first_change(const cnn_model *model, const float *before, const char *name)
{
    const struct cnn_tensor *t = model->tensors[network_tensor(model, name)].tensor;
    double change = 0;
    for (size_t i = 0; i < t->count; i++)
        change = fmax(
            change, fabs((double)model->parameters[t->offset + i] - (double)before[t->offset + i]));
    return change;
}

/* Adam's first update of a weight is its rate, whatever the gradient: so rates can be seen. */
static void test_rates_fall_with_the_distance_from_the_end(void **state)
{
    (void)state;
    cnn_model *model = network_open(
        "input: [2, 6, 6]\n"
        "layers:\n"
        "  - {type: conv, filters: 4, kernel_size: 3}\n"
        "  - {type: batch_norm}\n"
        "  - {type: conv, filters: 3, kernel_size: 2}\n"
        "  - {type: flatten}\n"
        "  - {type: dense, units: 2}\n"
        "train: {epochs: 1, layer_decay: 0.5, optimizer: {type: adam, lr: 0.01, groups: "
        "[{layers: conv2, lr: 0.03}]}}\n");
    static const struct {
        const char *name;
        double rate;
    } rates[] = {{"dense1.weight", 0.01},
                 {"conv2.weight", 0.015},
                 {"batch_norm1.bias", 0.0025},
                 {"conv1.weight", 0.0025}};
    struct cnn_step step;
    const size_t labels[4] = {0, 1, 1, 0};
    assert_int_equal(cnn_step_open(model, model->parameters, 4, &step, NULL), CNN_OK);
    for (size_t i = 0; i < 4 * 72; i++)
        cnn_plan_input(step.plan)[i] = (float)((i * 7 + i / 5) % 11) / 11;
    size_t bytes = model->graph.parameter_floats * sizeof(float);
    float *before = cnn_floats_new(model->graph.parameter_floats);
    memcpy(before, model->parameters, bytes);
    cnn_step_run(&step, 4, &(struct cnn_targets){.labels = labels}, 0.01);
    for (size_t i = 0; i < 4; i++)
        if (fabs(first_change(model, before, rates[i].name) / rates[i].rate - 1) > 1e-2)
            fail_msg("%s changes by %g, not %g", rates[i].name,
                     first_change(model, before, rates[i].name), rates[i].rate);
    cnn_floats_free(before);
    cnn_step_close(&step);
    cnn_model_free(model);
}

/* Adam's means begin with zeros when a layer is let go, and are made up for from there. */
static void test_layers_count_their_own_updates(void **state)
{
    (void)state;
    cnn_model *model = network_open("input: [2, 6, 6]\n"
                                    "layers:\n"
                                    "  - {type: conv, filters: 4, kernel_size: 3}\n"
                                    "  - {type: flatten}\n"
                                    "  - {type: dense, units: 2}\n"
                                    "train: {epochs: 9, freeze: conv1, freeze_epochs: 5, "
                                    "optimizer: {type: adam, lr: 0.01}}\n");
    struct cnn_frozen frozen = {0};
    struct cnn_step step;
    const size_t labels[4] = {0, 1, 1, 0};
    float images[4 * 72];
    assert_int_equal(cnn_step_open(model, model->parameters, 4, &step, NULL), CNN_OK);
    assert_int_equal(cnn_frozen_open(model, 4, &frozen, NULL), CNN_OK);
    assert_int_equal(frozen.cut, 2);
    cnn_optimizer_delay(step.optimizer, model->frozen, 50);
    assert_int_equal(cnn_step_change(&step, &frozen.rest, frozen.cut, 4, NULL), CNN_OK);
    for (size_t i = 0; i < 4 * 72; i++)
        images[i] = (float)((i * 7 + i / 5) % 11) / 11;
    struct cnn_batch batch = {.n = 4, .images = images, .index = (size_t[]){0, 1, 2, 3}};
    for (int i = 0; i < 50; i++) {
        cnn_frozen_forward(&frozen, &frozen.train, &batch, cnn_plan_input(step.plan));
        cnn_step_run(&step, 4, &(struct cnn_targets){.labels = labels}, 0.01);
    }
    assert_int_equal(cnn_step_change(&step, &model->graph, 0, 4, NULL), CNN_OK);
    float *before = cnn_floats_new(model->graph.parameter_floats);
    memcpy(before, model->parameters, model->graph.parameter_floats * sizeof(float));
    memcpy(cnn_plan_input(step.plan), images, sizeof images);
    cnn_step_run(&step, 4, &(struct cnn_targets){.labels = labels}, 0.01);
    double change = first_change(model, before, "conv1.weight");
    if (fabs(change / 0.01 - 1) > 1e-2)
        fail_msg("conv1.weight changes by %g, not 0.01", change);
    cnn_floats_free(before);
    cnn_frozen_close(&frozen);
    cnn_step_close(&step);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        cmocka_unit_test(test_the_cut_lies_behind_all_that_is_steady),
        cmocka_unit_test(test_the_parts_compute_what_the_whole_does),
        TEST(test_what_is_kept_changes_no_bit),
        TEST(test_a_run_goes_on_across_the_end_of_freezing),
        TEST(test_frozen_layers_change_once_they_are_let_go),
        cmocka_unit_test(test_rates_fall_with_the_distance_from_the_end),
        cmocka_unit_test(test_layers_count_their_own_updates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
