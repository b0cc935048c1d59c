/* Training by several processes: the same bits as by one, for everything that has state. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ranks.h"
#include "train/setup.h"
#include "util/parallel.h"

enum { PATIENT = 100, STEPS = 7, MOST_FLOATS = 1 << 19 };

/* Every kind of sum over images: convolutions that go different ways, batch_norm with and without
 * pooling, and what the plan adds up; numbers that are random by image; and an odd last batch. */
static const char description[] =
    "name: shared\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 16, kernel_size: 5, padding: same, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: conv, name: a, filters: 16, kernel_size: 3, padding: same}\n"
    "  - {type: prelu}\n"
    "  - {type: drop_path, rate: 0.3, name: dropped}\n"
    "  - {type: add, from: [dropped, pool1]}\n"
    "  - {type: depthwise_conv, kernel_size: 3, padding: same}\n"
    "  - {type: group_norm, groups: 4}\n"
    "  - {type: conv_transpose, filters: 6, kernel_size: 2, stride: 2, activation: relu}\n"
    "  - {type: scale, bias: true}\n"
    "  - {type: pool, pool_type: avg, kernel_size: 4}\n"
    "  - {type: dropout, rate: 0.25}\n"
    "  - {type: flatten}\n"
    "  - {type: layer_norm}\n"
    "  - {type: dense, units: 700, bias: false}\n"
    "  - {type: batch_norm, activation: silu}\n"
    "  - {type: dense, units: 10}\n"
    "loss: {type: cross_entropy, label_smoothing: 0.1}\n"
    "data: {dataset: shapes, limit: 150, val_split: 0.25, normalize: auto, augment: [{type: flip}, "
    "{type: crop, padding: 2}, {type: mixup}, {type: cutmix}]}\n"
    "train: {epochs: 3, batch_size: 35, optimizer: {type: adam, lr: 0.01}, ema: {decay: 0.9}, "
    "clip_norm: 0.5}\n";

/* What a run has come to. */
struct outcome {
    bool done;
    double losses[STEPS];
    size_t correct, floats;
    float numbers[MOST_FLOATS];
};

struct order {
    const char *path;
    const char *const *overrides;
    size_t override_count, threads;
    struct outcome *outcome; /* by rank */
};

static void keep(struct outcome *o, const float *numbers, size_t count)
{
    for (size_t i = 0; numbers && i < count && o->floats < MOST_FLOATS; i++)
        o->numbers[o->floats++] = numbers[i];
}

static bool take_steps(struct cnn_training *t, cnn_cluster *cluster, struct outcome *o)
{
    size_t values = cnn_shape_count(t->model->graph.input);
    for (size_t i = 0; i < STEPS; i++) {
        if (i % t->progress.steps_per_epoch == 0)
            cnn_loader_start(t->loader, i / t->progress.steps_per_epoch, 0);
        const struct cnn_batch *batch = cnn_loader_next(t->loader);
        const struct cnn_targets targets = {batch->labels, batch->others, batch->shares};
        memcpy(cnn_plan_input(t->step.plan), batch->images, batch->own * values * sizeof(float));
        struct cnn_loss_result result = cnn_step_run(&t->step, batch->n, &targets, 0.01);
        o->losses[i] = result.loss;
        o->correct += result.correct;
    }
    return cnn_cluster_check(cluster, NULL) == CNN_OK;
}

static bool train(cnn_cluster *cluster, void *context)
{
    const struct order *order = context;
    struct outcome *o = order->outcome + cnn_cluster_rank(cluster);
    struct cnn_training t = {.cluster = cluster};
    struct cnn_pool *pool = cnn_pool_new(order->threads);
    cnn_parallel_use(pool);
    const cnn_train_options options = {.config = order->path,
                                       .overrides = order->overrides,
                                       .override_count = order->override_count};
    if (!pool || cnn_training_prepare(&t, &options, NULL) != CNN_OK || !take_steps(&t, cluster, o))
        return false;
    const char *name;
    size_t floats = t.model->graph.parameter_floats;
    keep(o, t.step.parameters, floats);
    keep(o, t.step.mean, floats);
    bool leads = cnn_cluster_rank(cluster) == 0,
         collected = cnn_step_collect(&t.step, NULL) == CNN_OK;
    for (size_t i = 0; collected && leads && i < cnn_optimizer_slabs(&t.model->recipe.optimizer);
         i++)
        keep(o, cnn_step_slab(&t.step, i, &name), floats);
    o->done = collected && o->floats < MOST_FLOATS;
    cnn_training_close(&t);
    cnn_parallel_use(NULL);
    cnn_pool_free(pool);
    return o->done;
}

static void expect_same(const struct outcome *want, const struct outcome *got, size_t ranks)
{
    for (size_t rank = 0; rank < ranks; rank++) {
        assert_true(got[rank].done);
        assert_true(got[rank].floats > 0);
        if (rank == 0) /* with the optimiser's state, too */
            assert_int_equal(got[rank].floats, want->floats);
        assert_int_equal(got[rank].correct, want->correct);
        assert_memory_equal(got[rank].losses, want->losses, sizeof want->losses);
        assert_memory_equal(got[rank].numbers, want->numbers,
                            got[rank].floats * sizeof *want->numbers);
    }
}

static void check(struct scratch *s, const char *const *overrides, size_t count)
{
    static const size_t ranks[] = {2, 3, 4, 8};
    struct outcome *one = calloc(1, sizeof *one);
    struct order order = {.path =
                              scratch_write(s, "shared.yaml", description, sizeof description - 1),
                          .overrides = overrides,
                          .override_count = count,
                          .threads = 1,
                          .outcome = one};
    assert_true(train(NULL, &order));
    assert_true(one->floats > 0 && one->losses[STEPS - 1] > 0);
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks; i++) {
        order.threads = 1 + i % 2;
        order.outcome = ranks_shared(ranks[i] * sizeof *order.outcome);
        assert_int_equal(ranks_run(ranks[i], PATIENT, train, &order), 0);
        expect_same(one, order.outcome, ranks[i]);
    }
    free(one);
}

static void test_ranks_train_to_the_bits_of_one(void **state)
{
    check(*state, NULL, 0);
}

static void test_ranks_train_to_the_bits_of_one_in_bf16_with_muon(void **state)
{
    static const char *const overrides[] = {
        "precision=bf16", "train.optimizer={type: muon, lr: 0.01}", "train.batch_size=32"};
    check(*state, overrides, 3);
}

/* Without clipping, updates are made while backward goes on. */
static void test_ranks_that_update_early_train_to_the_bits_of_one(void **state)
{
    static const char *const overrides[] = {"train.clip_norm=0",
                                            "train.optimizer={type: lion, lr: 0.001}"};
    check(*state, overrides, 2);
}

/* Fewer images than ranks in every batch: some have none. */
static void test_ranks_without_images_train_along(void **state)
{
    static const char *const overrides[] = {"train.batch_size=6",
                                            "train.optimizer={type: sgd, lr: 0.01, momentum: 0.9}",
                                            "train.clip_norm=0"};
    check(*state, overrides, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_ranks_train_to_the_bits_of_one, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_ranks_train_to_the_bits_of_one_in_bf16_with_muon,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_ranks_that_update_early_train_to_the_bits_of_one,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_ranks_without_images_train_along, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
