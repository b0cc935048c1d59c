/* Runners: what they compute is what the model computes, whoever else computes at the time. */
#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "networks.h"
#include "pictures.h"
#include "scratch.h"
#include "util/parallel.h"

enum { SIDE = 16, PIXELS = 3 * SIDE * SIDE, CLASSES = 10, IMAGES = 7, ROUNDS = 20 };

static const char layers[] =
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 16, kernel_size: 3, padding: same, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: pool, pool_type: max, kernel_size: 2}\n"
    "  - {type: depthwise_conv, kernel_size: 3, padding: same}\n"
    "  - {type: lrn}\n"
    "  - {type: dropout, rate: 0.5}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: shapes, normalize: {mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5]}}\n"
    "train: {seed: 3}\n";

static void draw(float *images)
{
    for (size_t i = 0; i < IMAGES * PIXELS; i++)
        images[i] = (float)(i * 7919 % 1009) / 1009 - 0.5f;
}

static cnn_model *open_network(void)
{
    cnn_model *model = network_open(layers);
    network_stir(model);
    return model;
}

static void check_runner(const cnn_runner_options *options)
{
    static float images[IMAGES * PIXELS];
    float expected[IMAGES * CLASSES], found[IMAGES * CLASSES] = {0};
    cnn_model *model = open_network();
    cnn_runner *runner = NULL;
    draw(images);
    assert_int_equal(cnn_model_run_tta(model, options ? options->tta : CNN_TTA_NONE, images, IMAGES,
                                       expected, NULL),
                     CNN_OK);
    assert_int_equal(cnn_runner_new(model, options, &runner, NULL), CNN_OK);
    assert_int_equal(cnn_runner_run(runner, images, IMAGES, found, NULL), CNN_OK);
    assert_memory_equal(expected, found, sizeof found);
    /* and again, fewer */
    memset(found, 0, sizeof found);
    assert_int_equal(cnn_runner_run(runner, images + PIXELS, 1, found, NULL), CNN_OK);
    assert_memory_equal(expected + CLASSES, found, CLASSES * sizeof *found);
    assert_int_equal(cnn_runner_run(runner, NULL, 0, NULL, NULL), CNN_OK);
    cnn_runner_free(runner);
    cnn_model_free(model);
}

static void test_a_runner_computes_what_its_model_does(void **state)
{
    (void)state;
    check_runner(NULL);
    check_runner(&(cnn_runner_options){.batch = 3});
    check_runner(&(cnn_runner_options){.batch = 64, .threads = 1});
    check_runner(&(cnn_runner_options){.batch = 2, .tta = CNN_TTA_FLIP});
    check_runner(&(cnn_runner_options){.tta = CNN_TTA_SHIFT, .threads = 1});
    check_runner(&(cnn_runner_options){.batch = 4, .threads = 3});
    check_runner(&(cnn_runner_options){.batch = 64, .threads = 1000, .tta = CNN_TTA_FLIP});
}

/* A plan has scratch memory for so many threads. */
static void test_threads_may_become_more_and_fewer(void **state)
{
    (void)state;
    static float images[IMAGES * PIXELS];
    static const int threads[] = {1, 4, 2, 200, 3};
    float expected[IMAGES * CLASSES], found[IMAGES * CLASSES];
    cnn_model *model = open_network();
    cnn_runner *runner = NULL;
    draw(images);
    assert_int_equal(cnn_model_run(model, images, IMAGES, expected, NULL), CNN_OK);
    cnn_set_threads(2);
    assert_int_equal(cnn_runner_new(model, &(cnn_runner_options){.batch = 4}, &runner, NULL),
                     CNN_OK);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        cnn_set_threads(threads[i]);
        assert_int_equal(cnn_runner_run(runner, images, IMAGES, found, NULL), CNN_OK);
        assert_memory_equal(expected, found, sizeof found);
        assert_int_equal(cnn_threads(), threads[i]);
    }
    cnn_set_threads(0);
    cnn_runner_free(runner);
    cnn_model_free(model);
}

struct other_thread {
    pthread_t id;
    pthread_t loop_thread[64];
};

static void note_thread(void *context, size_t i, size_t thread)
{
    struct other_thread *t = context;
    t->loop_thread[i] = thread == 0 ? pthread_self() : t->id;
}

static void test_a_serial_loop_stays_in_its_thread(void **state)
{
    (void)state;
    struct other_thread t = {.id = pthread_self()};
    cnn_set_threads(4);
    assert_null(cnn_parallel_use(cnn_pool_none()));
    assert_int_equal(cnn_parallel_threads(), 1);
    cnn_parallel_for(64, note_thread, &t);
    for (size_t i = 0; i < 64; i++)
        assert_true(pthread_equal(t.loop_thread[i], t.id));
    assert_ptr_equal(cnn_parallel_use(NULL), cnn_pool_none());
    assert_int_equal(cnn_parallel_threads(), 4);
    cnn_set_threads(0);
}

/* Two threads, each with a pool of two: their loops run at once, for no task ends before all four
 * have begun. */
static void meet(void *context, size_t i, size_t thread)
{
    (void)i;
    assert_true(thread < 2);
    pthread_barrier_wait(context);
}

static void *run_loops(void *context)
{
    struct cnn_pool *pool = cnn_pool_new(2);
    assert_null(cnn_parallel_use(pool));
    assert_int_equal(cnn_parallel_threads(), 2);
    for (size_t i = 0; i < ROUNDS; i++)
        cnn_parallel_for(2, meet, context);
    assert_ptr_equal(cnn_parallel_use(NULL), pool);
    cnn_pool_free(pool);
    return NULL;
}

static size_t count_threads(void)
{
    size_t count = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *entry; (entry = readdir(tasks));)
        count += entry->d_name[0] != '.';
    closedir(tasks);
    return count;
}

/* A thread that has been joined may be seen for a moment yet. */
static void expect_threads(size_t count)
{
    for (int i = 0; i < 1000 && count_threads() != count; i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_int_equal(count_threads(), count);
}

static void test_two_pools_work_at_once_and_end(void **state)
{
    (void)state;
    pthread_barrier_t all;
    pthread_t other;
    size_t before = count_threads();
    alarm(120); /* rather than wait for ever */
    assert_int_equal(pthread_barrier_init(&all, NULL, 4), 0);
    assert_int_equal(pthread_create(&other, NULL, run_loops, &all), 0);
    run_loops(&all);
    assert_int_equal(pthread_join(other, NULL), 0);
    pthread_barrier_destroy(&all);
    alarm(0);
    expect_threads(before);
}

static void test_the_threads_of_a_runner_end_with_it(void **state)
{
    (void)state;
    cnn_model *model = open_network();
    cnn_runner *runners[2] = {NULL, NULL};
    size_t before = count_threads();
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            cnn_runner_new(model, &(cnn_runner_options){.threads = 4}, &runners[i], NULL), CNN_OK);
    expect_threads(before + 6);
    cnn_runner_free(runners[0]);
    expect_threads(before + 3);
    cnn_runner_free(runners[1]);
    expect_threads(before);
    cnn_model_free(model);
}

struct user { /* a thread of a program that uses the library */
    pthread_t id;
    cnn_model *model; /* its own, or one that others read */
    bool own;
    size_t threads; /* of its runner */
    const float *images, *expected;
    size_t wrong;
};

/* Everything that a program does with each picture. */
static void use_model(struct user *u, const cnn_model *model)
{
    static const uint8_t frame[4 * 4 * 3] = {1, 2, 3};
    const cnn_pixels pixels = {frame, 4, 4, 0, CNN_PIXELS_BGR};
    cnn_layer_info layer = {0};
    float input[PIXELS], p[CLASSES];
    cnn_prediction best[CLASSES];
    size_t count;
    cnn_model_probabilities(model, u->expected, 1, p);
    cnn_model_top(model, p, CLASSES, best, &count);
    for (size_t i = 0; i < count; i++)
        u->wrong += strcmp(best[i].name, cnn_model_class(model, best[i].index)) != 0;
    u->wrong += cnn_model_layer(model, 0, &layer, NULL) != CNN_OK || layer.input_count != 1;
    u->wrong += cnn_model_load_pixels(model, &pixels, input, NULL) != CNN_OK;
}

static void *run_user(void *argument)
{
    struct user *u = argument;
    const cnn_runner_options options = {.batch = 3, .threads = u->threads};
    cnn_runner *runner = NULL;
    cnn_diag *diag = cnn_diag_new();
    if (!u->own && cnn_runner_new(u->model, &options, &runner, diag) != CNN_OK)
        u->wrong++;
    for (size_t i = 0; i < ROUNDS && u->wrong == 0; i++) {
        float found[IMAGES * CLASSES] = {0};
        cnn_status status = u->own ? cnn_model_run(u->model, u->images, IMAGES, found, diag)
                                   : cnn_runner_run(runner, u->images, IMAGES, found, diag);
        u->wrong += status != CNN_OK || memcmp(found, u->expected, sizeof found) != 0;
        use_model(u, u->model);
    }
    cnn_runner_free(runner);
    cnn_diag_free(diag);
    return NULL;
}

/* Three threads at once. own: each has a model of its own; else one runner each of one model. */
static void check_users(cnn_model *const models[3], bool own)
{
    static float images[IMAGES * PIXELS];
    float expected[IMAGES * CLASSES];
    struct user users[3];
    draw(images);
    assert_int_equal(cnn_model_run(models[0], images, IMAGES, expected, NULL), CNN_OK);
    for (size_t i = 0; i < 3; i++) {
        users[i] = (struct user){.model = models[i],
                                 .own = own,
                                 .threads = i == 1 ? 0 : 3 - i,
                                 .images = images,
                                 .expected = expected};
        assert_int_equal(pthread_create(&users[i].id, NULL, run_user, &users[i]), 0);
    }
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(users[i].id, NULL), 0);
        assert_int_equal(users[i].wrong, 0);
    }
}

static void test_runners_of_one_model_in_threads(void **state)
{
    (void)state;
    cnn_model *model = open_network();
    cnn_set_threads(3);
    check_users((cnn_model *const[]){model, model, model}, false);
    cnn_model_free(model);
    cnn_set_threads(0);
}

static void test_models_in_threads(void **state)
{
    (void)state;
    cnn_model *models[3] = {open_network(), open_network(), open_network()};
    cnn_set_threads(3);
    check_users(models, true);
    for (size_t i = 0; i < 3; i++)
        cnn_model_free(models[i]);
    cnn_set_threads(0);
}

static void test_runners_of_a_quantized_model(void **state)
{
    (void)state;
    cnn_model *model = open_network(), *quantized = NULL;
    const cnn_quantize_options options = {.images = 16};
    cnn_diag *diag = cnn_diag_new();
    if (cnn_quantize(model, &options, &quantized, diag) != CNN_OK)
        fail_msg("%s", cnn_diag_get(diag, 0)->text);
    cnn_diag_free(diag);
    cnn_set_threads(3);
    check_users((cnn_model *const[]){quantized, quantized, quantized}, false);
    cnn_model_free(quantized);
    cnn_model_free(model);
    cnn_set_threads(0);
}

/* Pictures that are read into the runner give what the long way by NCHW gives, whatever else is in
 * the batch; with views, too, which read them more than once. */
static void test_pictures_go_straight_into_the_batch(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_network();
    char names[4][300];
    const char *paths[4];
    uint8_t pixels[20 * 30 * 3];
    for (size_t i = 0; i < 4; i++) {
        snprintf(names[i], sizeof names[i], "%s", scratch_path(s, "0.png"));
        names[i][strlen(names[i]) - 5] = (char)('0' + i);
        paths[i] = names[i];
        for (size_t k = 0; k < sizeof pixels; k++)
            pixels[k] = (uint8_t)(k * (k + i) % 251);
        if (i != 2)
            picture_write(paths[i], 30, 20, 3, pixels);
    }
    for (int tta = CNN_TTA_NONE; tta <= CNN_TTA_SHIFT; tta++) {
        const cnn_runner_options options = {.batch = 5, .tta = (cnn_tta)tta, .threads = 3};
        const cnn_pixels frame = {.data = pixels, .width = 30, .height = 20};
        cnn_runner *runner = NULL;
        cnn_status statuses[4];
        cnn_diag *const diags[4] = {NULL, NULL, s->diag, NULL};
        float image[PIXELS], one[CLASSES], output[5 * CLASSES];
        assert_int_equal(cnn_runner_new(model, &options, &runner, NULL), CNN_OK);
        for (size_t round = 0; round < 2; round++) {
            assert_int_equal(cnn_runner_read(runner, paths, 4, statuses, diags, NULL), CNN_OK);
            assert_int_equal(cnn_runner_put(runner, 4, &frame, NULL), CNN_OK);
            assert_int_equal(cnn_runner_answer(runner, 5, output, NULL), CNN_OK);
            scratch_expect(s, statuses[2], "cannot read DIR/2.png: No such file or directory");
            for (size_t i = 0; i < 5; i++) {
                if (i == 2)
                    continue;
                assert_true(i == 4 || statuses[i] == CNN_OK);
                assert_int_equal(i == 4 ? cnn_model_load_pixels(model, &frame, image, NULL)
                                        : cnn_model_load_image(model, paths[i], image, NULL),
                                 CNN_OK);
                cnn_model_run_tta(model, (cnn_tta)tta, image, 1, one, NULL);
                assert_memory_equal(one, output + i * CLASSES, sizeof one);
            }
        }
        cnn_runner_free(runner);
    }
    cnn_model_free(model);
}

/* Every kind of tensor, and a dense layer whose weights are packed in several pieces. */
static const char many_kinds[] =
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 32, kernel_size: 3, padding: same, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: conv, filters: 32, kernel_size: 3, padding: same}\n"
    "  - {type: prelu}\n"
    "  - {type: conv, filters: 32, kernel_size: 3, padding: same, groups: 4}\n"
    "  - {type: group_norm, groups: 4}\n"
    "  - {type: depthwise_conv, kernel_size: 5, stride: 2, padding: same}\n"
    "  - {type: scale}\n"
    "  - {type: conv_transpose, filters: 16, kernel_size: 2, stride: 2}\n"
    "  - {type: layer_norm}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 700, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: dense, units: 10}\n";

struct run_only {
    struct scratch *s;
    char path[256];
    float expected[IMAGES * CLASSES];
    cnn_model *model; /* of path, run_only */
};

static void run_only_open(struct run_only *r, struct scratch *s)
{
    static float images[IMAGES * PIXELS];
    cnn_model *model = network_open(many_kinds);
    draw(images);
    r->s = s;
    network_stir(model);
    snprintf(r->path, sizeof r->path, "%s", scratch_path(s, "model.safetensors"));
    assert_int_equal(cnn_model_run(model, images, IMAGES, r->expected, NULL), CNN_OK);
    assert_int_equal(cnn_model_write(model, r->path, s->diag), CNN_OK);
    cnn_model_free(model);
    assert_int_equal(
        cnn_model_open(r->path, &(cnn_open_options){.run_only = true}, &r->model, s->diag), CNN_OK);
}

static void check_run_only(const struct run_only *r)
{
    static float images[IMAGES * PIXELS];
    float found[IMAGES * CLASSES];
    cnn_runner *runner = NULL;
    draw(images);
    assert_int_equal(cnn_runner_new(r->model, NULL, &runner, r->s->diag), CNN_OK);
    assert_int_equal(cnn_runner_run(runner, images, IMAGES, found, r->s->diag), CNN_OK);
    assert_memory_equal(r->expected, found, sizeof found);
    cnn_runner_free(runner);
    memset(found, 0, sizeof found);
    assert_int_equal(cnn_model_run(r->model, images, IMAGES, found, r->s->diag), CNN_OK);
    assert_memory_equal(r->expected, found, sizeof found);
}

static void test_weights_that_stay_in_their_file_give_the_same_bits(void **state)
{
    struct run_only r;
    run_only_open(&r, *state);
    check_run_only(&r);
    assert_int_equal(unlink(r.path), 0); /* it is open */
    check_run_only(&r);
    cnn_model_free(r.model);
}

static void test_weights_that_stay_in_their_file_are_not_to_be_seen(void **state)
{
    struct scratch *s = *state;
    struct run_only r;
    float value;
    run_only_open(&r, s);
    assert_int_equal(cnn_model_tensor_get(r.model, 0, &value, NULL), CNN_INVALID);
    assert_int_equal(cnn_model_write(r.model, r.path, s->diag), CNN_INVALID);
    char text[512];
    snprintf(text, sizeof text, "%s was opened to be run alone", r.path);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, text);
    cnn_diag_clear(s->diag);
    cnn_model_free(r.model);
}

static void test_weights_whose_file_has_changed_are_refused(void **state)
{
    struct scratch *s = *state;
    static const char changed[] =
        "DIR/model.safetensors was written to while it was in use: open it again";
    struct run_only r;
    cnn_runner *runner = NULL;
    run_only_open(&r, s);
    FILE *file = fopen(r.path, "r+b");
    assert_non_null(file);
    fseek(file, -4, SEEK_END);
    fputc(1, file);
    fclose(file);
    scratch_expect(s, cnn_runner_new(r.model, NULL, &runner, s->diag), changed);
    assert_int_equal(truncate(r.path, 100000), 0);
    scratch_expect(s, cnn_runner_new(r.model, NULL, &runner, s->diag), changed);
    cnn_model_free(r.model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_pictures_go_straight_into_the_batch, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_weights_that_stay_in_their_file_give_the_same_bits,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_weights_that_stay_in_their_file_are_not_to_be_seen,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_weights_whose_file_has_changed_are_refused,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_a_runner_computes_what_its_model_does),
        cmocka_unit_test(test_threads_may_become_more_and_fewer),
        cmocka_unit_test(test_a_serial_loop_stays_in_its_thread),
        cmocka_unit_test(test_two_pools_work_at_once_and_end),
        cmocka_unit_test(test_the_threads_of_a_runner_end_with_it),
        cmocka_unit_test(test_runners_of_one_model_in_threads),
        cmocka_unit_test(test_models_in_threads),
        cmocka_unit_test(test_runners_of_a_quantized_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
