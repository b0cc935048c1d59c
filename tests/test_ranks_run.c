/* Whole runs by several processes: what rank 0 says of all, what each keeps, and what a step is
 * said to cost. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "ranks.h"
#include "train/check.h"
#include "train/cost.h"
#include "train/hold.h"
#include "util/parallel.h"

enum { PATIENT = 100 };

/* ---- Damaged images ---- */

enum { TRAINED = 24, VALIDATED = 8 };

static const char description[] =
    "name: damaged\n"
    "input: [3, 8, 8]\n"
    "layers: [{type: flatten}, {type: dense, units: 2}]\n"
    "data: {dataset: folder, path: \"%s\", shuffle: true}\n"
    "train: {epochs: 2, batch_size: 12, optimizer: {type: sgd, lr: 0.01}}\n";

/* What rank 0 has said: warnings, and the error that ended it. */
struct said {
    cnn_status status;
    char text[2048];
};

struct order {
    struct scratch *s;
    const char *config, *directory;
    struct said *said;
};

static void add(char *text, size_t size, const char *line)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s\n", line);
}

static int hear(void *context, const cnn_event *event)
{
    struct said *said = context;
    if (event->kind == CNN_EVENT_WARNING && strstr(event->text, "images are damaged"))
        add(said->text, sizeof said->text, event->text);
    return 0;
}

static const char *image_path(struct scratch *s, const char *split, size_t image)
{
    char name[64];
    snprintf(name, sizeof name, "%s/%c/%02zu.png", split, (char)('a' + image % 2), image / 2);
    return scratch_path(s, name);
}

/* Pixels that differ from image to image. */
static void add_images(struct scratch *s, const char *split, size_t count)
{
    for (size_t i = 0; i < count; i++)
        picture_write_plain(image_path(s, split, i), 8, 8, 3, (uint8_t)(i * 9));
}

static void add_newest_error(struct said *said, const cnn_diag *diag)
{
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        if (!cnn_diag_get(diag, i)->warning || strstr(cnn_diag_get(diag, i)->text, "damaged"))
            add(said->text, sizeof said->text, cnn_diag_get(diag, i)->text);
}

static bool train(cnn_cluster *cluster, void *context)
{
    const struct order *order = context;
    struct said own = {0};
    cnn_diag *diag = cnn_diag_new();
    const cnn_train_options options = {.config = order->config,
                                       .directory = order->directory,
                                       .event = hear,
                                       .context = &own,
                                       .cluster = cluster};
    own.status = cnn_train(&options, diag);
    if (own.status != CNN_OK)
        add_newest_error(&own, diag);
    cnn_diag_free(diag);
    if (cnn_cluster_rank(cluster) == 0)
        *order->said = own;
    return true;
}

static bool evaluate(cnn_cluster *cluster, void *context)
{
    const struct order *order = context;
    struct said own = {0};
    cnn_diag *diag = cnn_diag_new();
    cnn_model *model = NULL;
    cnn_evaluation *evaluation = NULL;
    own.status = cnn_model_open(order->directory, NULL, &model, diag);
    const cnn_evaluate_options options = {.split = "val", .cluster = cluster};
    if (own.status == CNN_OK)
        own.status = cnn_evaluate(model, &options, &evaluation, diag);
    add_newest_error(&own, diag);
    cnn_evaluation_free(evaluation);
    cnn_model_free(model);
    cnn_diag_free(diag);
    if (cnn_cluster_rank(cluster) == 0)
        *order->said = own;
    return true;
}

/* What one process says, and then three, to function. */
static void expect_said_alike(ranks_function *function, struct order *order, struct said *one)
{
    order->said = one;
    assert_true(function(NULL, order));
    order->said = ranks_shared(sizeof *order->said);
    assert_int_equal(ranks_run(3, PATIENT, function, order), 0);
    assert_int_equal(order->said->status, one->status);
    assert_string_equal(order->said->text, one->text);
}

static void prepare(struct scratch *s, char *config, char *directory)
{
    char text[512];
    snprintf(text, sizeof text, description, s->folder);
    snprintf(config, 128, "%s", scratch_write(s, "damaged.yaml", text, strlen(text)));
    snprintf(directory, 128, "%s", scratch_path(s, "run"));
    add_images(s, "train", TRAINED);
    add_images(s, "val", VALIDATED);
}

static bool train_anew(cnn_cluster *cluster, void *context)
{
    struct order order = *(struct order *)context;
    char directory[160];
    snprintf(directory, sizeof directory, "%s-%zu", order.directory, cnn_cluster_ranks(cluster));
    order.directory = directory;
    return train(cluster, &order);
}

/* The second image of a batch of 8 is rank 0's own; the last one is another rank's. */
static void test_rank_0_speaks_of_what_others_find_damaged(void **state)
{
    struct scratch *s = *state;
    char config[128], directory[128];
    struct said one = {0};
    prepare(s, config, directory);
    struct order order = {.s = s, .config = config, .directory = directory};
    assert_true(
        train(NULL, &(struct order){.config = config, .directory = directory, .said = &one}));
    assert_string_equal(one.text, "");
    for (size_t i = 1; i < TRAINED; i += 4)
        picture_damage(image_path(s, "train", i));
    picture_damage(image_path(s, "val", 1));
    picture_damage(image_path(s, "val", 7));
    expect_said_alike(evaluate, &order, &one);
    assert_int_equal(one.status, CNN_OK);
    assert_non_null(strstr(one.text, "2 of 8 images are damaged"));
    expect_said_alike(train_anew, &order, &one);
    assert_int_equal(one.status, CNN_OK);
    assert_non_null(strstr(one.text, "6 of 24 images are damaged"));
    assert_non_null(strstr(one.text, "2 of 8 images are damaged"));
}

/* No rank has found too many, but all of them together have. */
static void test_ranks_end_where_they_find_too_many_together(void **state)
{
    struct scratch *s = *state;
    char config[128], directory[128];
    struct said one = {0};
    prepare(s, config, directory);
    struct order order = {.s = s, .config = config, .directory = directory};
    for (size_t i = 0; i < 11; i++)
        picture_damage(image_path(s, "train", 2 * i + i % 2));
    expect_said_alike(train_anew, &order, &one);
    assert_int_equal(one.status, CNN_FAILED);
    assert_non_null(strstr(one.text, "11 of 24 images are damaged, too many to go on with"));
}

/* ---- What frozen layers make of validation images ---- */

static const char frozen[] =
    "name: frozen\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, trainable: false}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: shapes, limit: 250, val_split: 0.6}\n"
    "train: {epochs: 2, batch_size: 16, optimizer: {type: sgd, lr: 0.01}}\n";

struct passes {
    const char *config;
    bool whole[3]; /* before each of two passes, and behind them */
    double losses[2];
};

/* In shared memory: rank r writes its own. */
struct validations {
    const char *config;
    struct passes *passes;
};

static bool validate_twice(cnn_cluster *cluster, void *context)
{
    const struct validations *v = context;
    struct passes *own = v->passes + cnn_cluster_rank(cluster);
    struct cnn_training t = {.cluster = cluster};
    const cnn_train_options options = {.config = v->config};
    bool good =
        cnn_training_prepare(&t, &options, NULL) == CNN_OK && cnn_training_hold(&t, NULL) == CNN_OK;
    for (size_t i = 0; good && i < 2; i++) {
        struct cnn_loss_result sum;
        own->whole[i] = cnn_kept_whole(&t.frozen.val);
        good = cnn_evaluator_run(&t.evaluator, &(cnn_evaluate_options){0}, &t.evaluation,
                                 &t.samples, &sum) == CNN_OK;
        own->losses[i] = sum.loss;
    }
    own->whole[2] = cnn_kept_whole(&t.frozen.val);
    cnn_training_close(&t);
    return good;
}

/* 150 images: a batch of 128, and a smaller one. */
static void test_a_rank_keeps_all_that_it_validates(void **state)
{
    struct passes one = {0}, *shared = ranks_shared(3 * sizeof *shared);
    struct validations v = {
        .config = scratch_write(*state, "frozen.yaml", frozen, sizeof frozen - 1), .passes = &one};
    assert_true(validate_twice(NULL, &v));
    v.passes = shared;
    assert_int_equal(ranks_run(3, PATIENT, validate_twice, &v), 0);
    for (size_t rank = 0; rank < 3; rank++) {
        assert_false(shared[rank].whole[0]);
        assert_true(shared[rank].whole[1]); /* no image is read for the second pass */
        assert_true(shared[rank].whole[2]);
        assert_memory_equal(shared[rank].losses, one.losses, sizeof one.losses);
    }
}

/* ---- Memory ---- */

static const char wide[] =
    "name: wide\n"
    "input: [3, 32, 32]\n"
    "layers:\n"
    "  - {type: conv, filters: 64, kernel_size: 3, activation: relu}\n"
    "  - {type: global_pool, pool_type: avg}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: shapes, limit: 300, val_split: 0.1}\n"
    "train: {epochs: 1, batch_size: 256, optimizer: {type: sgd, lr: 0.01}}\n";

struct rooms {
    const char *config;
    double *wanted; /* by rank */
};

static bool find_room(cnn_cluster *cluster, void *context)
{
    const struct rooms *rooms = context;
    struct cnn_training t = {.cluster = cluster};
    bool good =
        cnn_training_prepare(&t, &(cnn_train_options){.config = rooms->config}, NULL) == CNN_OK;
    rooms->wanted[cnn_cluster_rank(cluster)] = t.room.wanted;
    cnn_training_close(&t);
    return good;
}

/* Nearly all is the images' values, of which each of 8 ranks has an eighth. */
static void test_a_rank_wants_memory_for_its_share_of_the_batch(void **state)
{
    double alone, *wanted = ranks_shared(8 * sizeof *wanted);
    struct rooms rooms = {.config = scratch_write(*state, "wide.yaml", wide, sizeof wide - 1),
                          .wanted = &alone};
    assert_true(find_room(NULL, &rooms));
    rooms.wanted = wanted;
    assert_int_equal(ranks_run(8, PATIENT, find_room, &rooms), 0);
    for (size_t rank = 0; rank < 8; rank++)
        assert_true(wanted[rank] > alone / 8 && wanted[rank] < alone / 3);
}

/* ---- What a step costs ---- */

static const char normed[] =
    "name: normed\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: shapes, limit: 300, val_split: 0.1}\n"
    "train: {steps: %d, batch_size: 32, clip_norm: %s, optimizer: {type: sgd, lr: 0.01}}\n";

struct traffic {
    size_t joint; /* messages of joint calls */
    double sent;  /* bytes */
};

struct run {
    const char *config, *directory;
    struct traffic *traffic; /* by rank */
};

static bool count_traffic(cnn_cluster *cluster, void *context)
{
    const struct run *run = context;
    const cnn_train_options options = {
        .config = run->config, .directory = run->directory, .cluster = cluster};
    bool good = cnn_train(&options, NULL) == CNN_OK;
    run->traffic[cnn_cluster_rank(cluster)] =
        (struct traffic){ranks_joint_messages(), cnn_cluster_counts(cluster).sent};
    return good;
}

static const struct traffic *traffic_of(struct scratch *s, size_t ranks, int steps,
                                        const char *clip)
{
    char text[512], config[128], directory[128], name[32];
    snprintf(text, sizeof text, normed, steps, clip);
    snprintf(config, sizeof config, "%s", scratch_write(s, "normed.yaml", text, strlen(text)));
    snprintf(name, sizeof name, "%zu-%s-%d", ranks, clip, steps);
    snprintf(directory, sizeof directory, "%s", scratch_path(s, name));
    struct run run = {config, directory, ranks_shared(ranks * sizeof *run.traffic)};
    assert_int_equal(ranks_run(ranks, PATIENT, count_traffic, &run), 0);
    return run.traffic;
}

/* With a latency of one second, and no time for bytes: the seconds are rounds of messages. */
static struct cnn_cost estimate(struct scratch *s, size_t ranks, const char *clip)
{
    char text[512];
    cnn_model *model;
    struct cnn_cost cost;
    snprintf(text, sizeof text, normed, 1, clip);
    assert_int_equal(cnn_model_open(scratch_write(s, "normed.yaml", text, strlen(text)),
                                    &(cnn_open_options){.shapes = true, .untrained = true}, &model,
                                    s->diag),
                     CNN_OK);
    const struct cnn_cost_of of = {.graph = &model->graph,
                                   .settings = &model->recipe.optimizer,
                                   .clips = model->recipe.clip_norm > 0,
                                   .batch = 32,
                                   .ranks = ranks,
                                   .step = 1e-6,
                                   .link = {.latency = 1, .bandwidth = 1e18}};
    assert_int_equal(cnn_cost_estimate(&of, &cost, NULL), CNN_OK);
    cnn_model_free(model);
    return cost;
}

/* Of two ranks, each sends one message for every joint call; gradients and weights come on top.
 * Rank 0 also sends what all are told before the run. */
static void test_a_step_meets_as_often_as_its_cost_says(void **state)
{
    static const char *const clips[] = {"0", "1"};
    for (size_t i = 0; i < 2; i++) {
        size_t few = traffic_of(*state, 2, 2, clips[i])[1].joint,
               more = traffic_of(*state, 2, 6, clips[i])[1].joint;
        assert_int_equal((more - few) % 4, 0);
        assert_int_equal((size_t)round(estimate(*state, 2, clips[i]).exchange),
                         (more - few) / 4 + 2);
    }
}

/* Of three ranks, two have parts that are no complete subtree, so they send two sums of gradients.
 * Statistics, loss and flags come on top: a few hundred bytes. */
static void test_a_step_sends_what_its_cost_says(void **state)
{
    for (size_t ranks = 2; ranks <= 4; ranks++) {
        const struct traffic *few = traffic_of(*state, ranks, 2, "0"),
                             *more = traffic_of(*state, ranks, 6, "0");
        double most = 0, bytes = estimate(*state, ranks, "0").bytes;
        for (size_t rank = 0; rank < ranks; rank++)
            most = fmax(most, (more[rank].sent - few[rank].sent) / 4);
        assert_true(most >= bytes && most < bytes + 2000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_rank_0_speaks_of_what_others_find_damaged,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_ranks_end_where_they_find_too_many_together,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_rank_keeps_all_that_it_validates, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_rank_wants_memory_for_its_share_of_the_batch,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_step_sends_what_its_cost_says, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_step_meets_as_often_as_its_cost_says, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
