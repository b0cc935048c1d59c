/* Memory of the program's own: all that the library takes comes from it, and comes back. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"
#include "util/allocate.h"

/* What a block begins with, so that one of the C library is told from one of these, and the C
 * library's free is told from this one. */
enum { HEAD = 64 };
static const uint64_t mark = 0x6c69626e6e63ULL;

struct head {
    uint64_t mark;
    size_t bytes;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static size_t taken, blocks, foreign, refused_from;

static void *take(void *context, size_t bytes)
{
    assert_ptr_equal(context, &lock);
    pthread_mutex_lock(&lock);
    taken++;
    bool refused = bytes == 0 || (refused_from > 0 && taken >= refused_from);
    char *block = refused ? NULL : malloc(HEAD + bytes);
    blocks += block != NULL;
    pthread_mutex_unlock(&lock);
    if (!block)
        return NULL;
    const struct head head = {mark, bytes};
    memcpy(block, &head, sizeof head);
    memset(block + HEAD, 0xA5, bytes); /* nobody relies on zeros */
    return block + HEAD;
}

static void give(void *context, void *memory)
{
    struct head *head = (struct head *)(void *)((char *)memory - HEAD);
    assert_ptr_equal(context, &lock);
    pthread_mutex_lock(&lock);
    if (head->mark == mark)
        blocks--;
    else
        foreign++;
    pthread_mutex_unlock(&lock);
    memset(head, 0x5A, sizeof *head);
    free(head);
}

static void *take_again(void *context, void *memory, size_t bytes)
{
    struct head head;
    memcpy(&head, (char *)memory - HEAD, sizeof head);
    void *larger = take(context, bytes);
    if (!larger)
        return NULL;
    memcpy(larger, memory, head.bytes < bytes ? head.bytes : bytes);
    give(context, memory);
    return larger;
}

static const cnn_allocator counting = {
    .allocate = take, .reallocate = take_again, .release = give, .context = &lock};

static int setup(void **state)
{
    taken = blocks = foreign = refused_from = 0;
    assert_true(cnn_set_allocator(&counting));
    return scratch_setup(state);
}

static int teardown(void **state)
{
    refused_from = 0;
    scratch_teardown(state);
    if (foreign > 0 || blocks > 0)
        print_error("%zu blocks did not come back, %zu came from elsewhere\n", blocks, foreign);
    bool whole = foreign == 0 && blocks == 0 && taken > 0;
    assert_true(cnn_set_allocator(NULL));
    return whole ? 0 : -1;
}

static void test_an_allocator_has_all_its_functions(void **state)
{
    (void)state;
    cnn_allocator half = counting;
    half.reallocate = NULL;
    assert_false(cnn_set_allocator(&half));
    assert_false(cnn_set_allocator(&(cnn_allocator){0}));
    size_t before = taken;
    char *word = cnn_shell_word("a b"); /* the one that was set is in use */
    assert_string_equal(word, "'a b'");
    assert_true(taken > before);
    cnn_free(word);
    cnn_free(NULL);
}

static void test_memory_is_as_the_c_librarys(void **state)
{
    (void)state;
    uint64_t *zeros = cnn_calloc(100, sizeof *zeros);
    assert_non_null(zeros);
    for (size_t i = 0; i < 100; i++)
        assert_true(zeros[i] == 0);
    zeros[99] = 7;
    zeros = cnn_realloc(zeros, 1000 * sizeof *zeros);
    assert_true(zeros && zeros[99] == 7);
    cnn_free(zeros);
    assert_null(cnn_calloc(SIZE_MAX / 2, 3));
    assert_null(cnn_aligned_new(64, SIZE_MAX - 70));
    void *none = cnn_malloc(0), *some = cnn_realloc(NULL, 5);
    assert_true(none && some);
    cnn_free(none);
    cnn_free(some);
    char *text = cnn_strndup("abc", 2);
    assert_string_equal(text, "ab");
    cnn_free(text);
    for (size_t alignment = 8; alignment <= 1 << 21; alignment *= 2) {
        char *block = cnn_aligned_new(alignment, 100);
        assert_true(block && (uintptr_t)block % alignment == 0);
        memset(block, 1, 100);
        cnn_aligned_free(block);
    }
    cnn_aligned_free(NULL);
}

/* What a program does with a model: all that takes memory. */
static void use_model(struct scratch *s, cnn_model *model)
{
    static float image[3 * 16 * 16], output[10];
    const size_t dims[3] = {3, 16, 16};
    const uint8_t frame[12] = {1, 2, 3};
    const cnn_pixels pixels = {frame, 2, 2, 0, CNN_PIXELS_RGB};
    char input[200], page[200], gallery[200], sheet[200];
    cnn_evaluation *e = NULL;
    cnn_comparison c = {0};
    cnn_survey *survey = NULL;
    cnn_findings *findings = NULL;
    cnn_explanation *explanation = NULL;
    cnn_bench_result *bench = NULL;
    cnn_model *quantized = NULL;
    cnn_runner *runner = NULL;
    snprintf(input, sizeof input, "%s/x.npy", s->folder);
    snprintf(page, sizeof page, "%s/page.html", s->folder);
    snprintf(gallery, sizeof gallery, "%s/gallery", s->folder);
    snprintf(sheet, sizeof sheet, "%s/sheet.png", s->folder);
    assert_int_equal(cnn_npy_write(input, image, dims, 3, s->diag), CNN_OK);
    assert_int_equal(cnn_model_load_pixels(model, &pixels, image, s->diag), CNN_OK);
    const cnn_runner_options threads = {.threads = 2, .batch = 2};
    assert_int_equal(cnn_runner_new(model, &threads, &runner, s->diag), CNN_OK);
    assert_int_equal(cnn_runner_run(runner, image, 1, output, s->diag), CNN_OK);
    cnn_runner_free(runner);
    const cnn_evaluate_options files = {.split = "val", .report = page, .gallery = gallery};
    assert_int_equal(cnn_evaluate(model, &files, &e, s->diag), CNN_OK);
    assert_int_equal(cnn_compare(model, model, &files, &c, s->diag), CNN_OK);
    const cnn_survey_options drawn = {.sheet = sheet};
    assert_int_equal(cnn_survey_data(model, &drawn, &survey, s->diag), CNN_OK);
    assert_int_equal(cnn_model_check(model, &findings, s->diag), CNN_OK);
    assert_int_equal(cnn_explain(model, image, NULL, &explanation, s->diag), CNN_OK);
    const cnn_visualize_options here = {.directory = gallery, .each = true, .npy = true};
    assert_int_equal(cnn_visualize(model, input, &here, s->diag), CNN_OK);
    const cnn_bench_options short_one = {.infer = true, .seconds = 0.01};
    assert_int_equal(cnn_bench(model, &short_one, &bench, s->diag), CNN_OK);
    assert_int_equal(cnn_quantize(model, NULL, &quantized, s->diag), CNN_OK);
    /* a picture of the survey is read as any picture */
    assert_int_equal(cnn_model_load_image(model, sheet, image, s->diag), CNN_OK);
    cnn_evaluation_free(e);
    cnn_survey_free(survey);
    cnn_findings_free(findings);
    cnn_explanation_free(explanation);
    cnn_bench_result_free(bench);
    cnn_model_free(quantized);
}

static void test_all_memory_comes_back(void **state)
{
    struct scratch *s = runs_prepare(state);
    cnn_checkpoint_info *info = NULL;
    cnn_model *model = NULL;
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(runs_train(s, "run", true, NULL, "train.epochs=2"), CNN_OK);
    const char *last = scratch_path(s, "run/last.safetensors");
    assert_int_equal(cnn_checkpoint_verify(last, &info, s->diag), CNN_OK);
    cnn_checkpoint_info_free(info);
    assert_int_equal(cnn_model_open(scratch_path(s, "run"), NULL, &model, s->diag), CNN_OK);
    use_model(s, model);
    cnn_model_free(model);
    assert_int_equal(cnn_model_open(scratch_path(s, "no.yaml"), NULL, &model, s->diag), CNN_FAILED);
}

/* The hundreds of allocations of opening a model, refused from each of some on. */
static void test_memory_that_is_refused_is_told(void **state)
{
    struct scratch *s = runs_prepare(state);
    const cnn_open_options untrained = {.untrained = true};
    const char *path = scratch_path(s, "tiny.yaml");
    cnn_model *model = NULL;
    size_t before = taken;
    assert_int_equal(cnn_model_open(path, &untrained, &model, s->diag), CNN_OK);
    size_t all = taken - before;
    cnn_model_free(model);
    for (size_t i = 1; i <= all; i += 1 + i / 4) {
        size_t held = blocks;
        model = NULL;
        refused_from = taken + i;
        assert_int_not_equal(cnn_model_open(path, &untrained, &model, NULL), CNN_OK);
        refused_from = 0;
        assert_null(model);
        assert_int_equal(blocks, held);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_an_allocator_has_all_its_functions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_is_as_the_c_librarys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_memory_comes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory_that_is_refused_is_told, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
