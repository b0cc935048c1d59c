/* What a program does with the library, while one allocation is refused, or all from one on: it
 * does without or says that memory does not suffice. In either case all that it took comes back. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "refuse.h"
#include "runs.h"
#include "train/run.h"
#include "util/diag.h"

enum { CLASSES = 10 };

/* What a use of the library is given: a trained model, and files. */
struct given {
    struct scratch *s;
    cnn_model *model; /* nothing was done with it yet */
    size_t turn;      /* counts the uses */
    float image[3 * 16 * 16];
    char config[128], run[128], other_run[128], page[128], folder[128], picture[128], numbers[128],
        onnx[128];
};

static cnn_status use_open(struct given *g, cnn_diag *diag)
{
    const cnn_open_options untrained = {.untrained = true};
    cnn_model *model = NULL;
    cnn_status status = cnn_model_open(g->config, &untrained, &model, diag);
    cnn_model_free(model);
    return status;
}

static cnn_status use_pixels(struct given *g, cnn_diag *diag)
{
    const uint8_t frame[12] = {1, 2, 3};
    const cnn_pixels pixels = {frame, 2, 2, 0, CNN_PIXELS_RGB};
    cnn_status status = cnn_model_load_pixels(g->model, &pixels, g->image, diag);
    return status == CNN_OK ? cnn_model_load_image(g->model, g->picture, g->image, diag) : status;
}

static cnn_status use_runner(struct given *g, cnn_diag *diag)
{
    const cnn_runner_options threads = {.threads = 2, .batch = 2};
    cnn_runner *runner = NULL;
    float output[CLASSES];
    cnn_status status = cnn_runner_new(g->model, &threads, &runner, diag);
    if (status == CNN_OK)
        status = cnn_runner_run(runner, g->image, 1, output, diag);
    cnn_runner_free(runner);
    return status;
}

static cnn_status use_predict(struct given *g, cnn_diag *diag)
{
    cnn_prediction best[3];
    size_t written;
    return cnn_model_predict(g->model, g->picture, 3, best, &written, diag);
}

static cnn_status use_tta(struct given *g, cnn_diag *diag)
{
    float output[CLASSES];
    return cnn_model_run_tta(g->model, CNN_TTA_FLIP, g->image, 1, output, diag);
}

static cnn_status use_numbers(struct given *g, cnn_diag *diag)
{
    float *images = NULL;
    size_t count;
    cnn_status status = cnn_model_read_npy(g->model, g->numbers, &images, &count, diag);
    if (status == CNN_OK)
        cnn_free(images);
    return status;
}

static cnn_status use_evaluate(struct given *g, cnn_diag *diag)
{
    const cnn_evaluate_options options = {
        .split = "val", .report = g->page, .gallery = g->folder, .tta = CNN_TTA_FLIP};
    cnn_evaluation *e = NULL;
    cnn_status status = cnn_evaluate(g->model, &options, &e, diag);
    cnn_evaluation_free(e);
    return status;
}

static cnn_status use_compare(struct given *g, cnn_diag *diag)
{
    const cnn_evaluate_options options = {.split = "val"};
    cnn_comparison c = {0};
    return cnn_compare(g->model, g->model, &options, &c, diag);
}

static cnn_status use_survey(struct given *g, cnn_diag *diag)
{
    const cnn_survey_options options = {.sheet = g->picture};
    cnn_survey *survey = NULL;
    cnn_status status = cnn_survey_data(g->model, &options, &survey, diag);
    cnn_survey_free(survey);
    return status;
}

static cnn_status use_similar(struct given *g, cnn_diag *diag)
{
    const cnn_similar_options options = {.page = g->page};
    cnn_similar *similar = NULL;
    cnn_status status = cnn_find_similar(g->model, g->image, &options, &similar, diag);
    cnn_similar_free(similar);
    return status;
}

static cnn_status use_check(struct given *g, cnn_diag *diag)
{
    cnn_findings *findings = NULL;
    cnn_status status = cnn_model_check(g->model, &findings, diag);
    cnn_findings_free(findings);
    return status;
}

static cnn_status use_explain(struct given *g, cnn_diag *diag)
{
    cnn_explanation *explanation = NULL;
    cnn_status status = cnn_explain(g->model, g->image, NULL, &explanation, diag);
    cnn_explanation_free(explanation);
    return status;
}

static cnn_status use_gradient(struct given *g, cnn_diag *diag)
{
    static const char *const places[] = {"conv1:0,3,4", "conv1.weight:0,0,1,1"};
    const cnn_gradient_options options = {.label = "1", .places = places, .place_count = 2};
    cnn_gradient_explanation *explanation = NULL;
    cnn_status status = cnn_explain_gradient(g->model, g->image, &options, &explanation, diag);
    cnn_gradient_explanation_free(explanation);
    return status;
}

static cnn_status use_visualize(struct given *g, cnn_diag *diag)
{
    const cnn_visualize_options options = {.directory = g->folder, .each = true, .npy = true};
    return cnn_visualize(g->model, g->numbers, &options, diag);
}

static cnn_status use_bench(struct given *g, cnn_diag *diag)
{
    const cnn_bench_options options = {.seconds = 1e-6};
    cnn_bench_result *result = NULL;
    cnn_status status = cnn_bench(g->model, &options, &result, diag);
    cnn_bench_result_free(result);
    return status;
}

static cnn_status use_quantize(struct given *g, cnn_diag *diag)
{
    cnn_model *quantized = NULL;
    cnn_status status = cnn_quantize(g->model, NULL, &quantized, diag);
    if (status == CNN_OK)
        status = cnn_model_write(quantized, g->page, diag);
    cnn_model_free(quantized);
    return status;
}

static cnn_status use_export(struct given *g, cnn_diag *diag)
{
    return cnn_export(g->model, g->page, NULL, NULL, diag);
}

static cnn_status use_export_c(struct given *g, cnn_diag *diag)
{
    const cnn_export_options options = {.format = "c", .images = 2};
    return cnn_export(g->model, g->folder, &options, NULL, diag);
}

static cnn_status use_import(struct given *g, cnn_diag *diag)
{
    const char *const paths[] = {g->onnx};
    cnn_model *model = NULL;
    cnn_status status = cnn_import(paths, 1, NULL, &model, NULL, diag);
    cnn_model_free(model);
    return status;
}

static cnn_status use_foreign(struct given *g, cnn_diag *diag)
{
    cnn_model *model = NULL;
    cnn_status status = cnn_model_open(g->onnx, NULL, &model, diag);
    cnn_model_free(model);
    return status;
}

static cnn_status use_report(struct given *g, cnn_diag *diag)
{
    const char *const runs[] = {g->run, g->other_run};
    cnn_status status = cnn_report(runs, 1, g->page, diag);
    return status == CNN_OK ? cnn_report(runs, 2, g->page, diag) : status;
}

static cnn_status use_verify(struct given *g, cnn_diag *diag)
{
    cnn_checkpoint_info *info = NULL;
    char path[160];
    snprintf(path, sizeof path, "%s/last.safetensors", g->run);
    cnn_status status = cnn_checkpoint_verify(path, &info, diag);
    cnn_checkpoint_info_free(info);
    return status;
}

static cnn_status use_train(struct given *g, cnn_diag *diag)
{
    const char *const shorter[] = {"train.epochs=1", "data.limit=32"};
    static const char *const longer[] = {"train.epochs=2"};
    const cnn_train_options begin = {
        .config = g->config, .directory = g->folder, .overrides = shorter, .override_count = 2};
    const cnn_train_options go_on = {.resume = g->folder, .overrides = longer, .override_count = 1};
    cnn_status status = cnn_train(&begin, diag);
    return status == CNN_OK ? cnn_train(&go_on, diag) : status;
}

static const struct {
    const char *name;
    cnn_status (*run)(struct given *g, cnn_diag *diag);
} uses[] = {
    {"open", use_open},         {"pixels", use_pixels},
    {"runner", use_runner},     {"predict", use_predict},
    {"tta", use_tta},           {"numbers", use_numbers},
    {"evaluate", use_evaluate}, {"compare", use_compare},
    {"survey", use_survey},     {"similar", use_similar},
    {"check", use_check},       {"explain", use_explain},
    {"gradient", use_gradient}, {"visualize", use_visualize},
    {"bench", use_bench},       {"quantize", use_quantize},
    {"export", use_export},     {"export_c", use_export_c},
    {"import", use_import},     {"foreign", use_foreign},
    {"report", use_report},     {"verify", use_verify},
    {"train", use_train},
};

static void prepare(struct given *g, void **state)
{
    static const size_t dims[3] = {3, 16, 16};
    memset(g, 0, sizeof *g);
    g->s = runs_prepare(state);
    for (size_t i = 0; i < sizeof g->image / sizeof *g->image; i++)
        g->image[i] = (float)(i % 7) / 7;
    assert_int_equal(runs_train(g->s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    assert_int_equal(runs_train(g->s, "other", false, NULL, "train.epochs=2"), CNN_OK);
    snprintf(g->config, sizeof g->config, "%s/tiny.yaml", g->s->folder);
    snprintf(g->run, sizeof g->run, "%s/run", g->s->folder);
    snprintf(g->other_run, sizeof g->other_run, "%s/other", g->s->folder);
    snprintf(g->picture, sizeof g->picture, "%s/picture.png", g->s->folder);
    snprintf(g->numbers, sizeof g->numbers, "%s/x.npy", g->s->folder);
    snprintf(g->onnx, sizeof g->onnx, "%s/net.onnx", g->s->folder);
    assert_int_equal(cnn_npy_write(g->numbers, g->image, dims, 3, g->s->diag), CNN_OK);
    assert_int_equal(cnn_model_open(g->run, NULL, &g->model, g->s->diag), CNN_OK);
    assert_int_equal(cnn_export(g->model, g->onnx, NULL, NULL, g->s->diag), CNN_OK);
    assert_int_equal(use_survey(g, g->s->diag), CNN_OK);
    cnn_model_free(g->model);
}

/* Uses the library; refuse is refuse_allocation or refuse_from. Returns how many allocations there
 * were. */
static size_t use(struct given *g, size_t which, size_t (*refuse)(size_t nth), size_t nth)
{
    size_t held = refuse_held();
    cnn_diag *diag = cnn_diag_new();
    snprintf(g->page, sizeof g->page, "%s/page-%zu", g->s->folder, g->turn);
    snprintf(g->folder, sizeof g->folder, "%s/folder-%zu", g->s->folder, g->turn++);
    assert_int_equal(cnn_model_open(g->run, NULL, &g->model, diag), CNN_OK);
    refuse(nth);
    cnn_status status = uses[which].run(g, diag);
    size_t asked = refuse_allocation(0);
    bool told = status == CNN_FAILED && cnn_diag_out_of_memory(diag);
    if (status != CNN_OK && (nth == 0 || !told))
        fail_msg("%s, allocation %zu of %zu refused: status %d, %s", uses[which].name, nth, asked,
                 (int)status,
                 cnn_diag_count(diag) > 0 ? cnn_diag_get(diag, 0)->text : "no message");
    cnn_model_free(g->model);
    cnn_diag_free(diag);
    if (refuse_held() != held)
        fail_msg("%s, allocation %zu of %zu refused: %zu blocks did not come back",
                 uses[which].name, nth, asked, refuse_held() - held);
    return asked;
}

static void test_what_is_refused_is_told_and_the_rest_comes_back(void **state)
{
    struct given g;
    prepare(&g, state);
    refuse_begin();
    for (size_t which = 0; which < sizeof uses / sizeof *uses; which++) {
        size_t all = use(&g, which, refuse_allocation, 0);
        assert_true(all > 0);
        for (size_t nth = 1; nth <= all; nth += 1 + nth / 2) {
            use(&g, which, refuse_allocation, nth);
            use(&g, which, refuse_from, nth);
        }
    }
    refuse_end();
}

/* The state before a damaged one is not called damaged where memory does not suffice to read it. */
static void test_earlier_state_is_taken_or_memory_is_told(void **state)
{
    struct scratch *s = runs_prepare(state);
    char run[128], last[160];
    for (size_t nth = 1; nth <= 40; nth++) {
        snprintf(run, sizeof run, "%s/run-%zu", s->folder, nth);
        snprintf(last, sizeof last, "%s/last.safetensors", run);
        assert_int_equal(runs_train(s, strrchr(run, '/') + 1, false, NULL, "train.epochs=2"),
                         CNN_OK);
        assert_int_equal(truncate(last, 100), 0);
        refuse_begin();
        cnn_diag *diag = cnn_diag_new();
        refuse_allocation(nth);
        cnn_status status = cnn_train(&(cnn_train_options){.resume = run}, diag);
        assert_true(refuse_allocation(0) > nth);
        if (status != CNN_OK && !cnn_diag_out_of_memory(diag))
            fail_msg("allocation %zu refused: %s", nth, cnn_diag_get(diag, 0)->text);
        cnn_diag_free(diag);
        refuse_end();
    }
}

/* A line of the table takes memory of its own, and is whole or not there. */
static void test_rows_of_health_are_whole_or_told(void **state)
{
    struct scratch *s = *state;
    const struct cnn_health_row row = {.layer = "conv1", .epoch = 1};
    char path[128];
    snprintf(path, sizeof path, "%s/health.csv", s->folder);
    struct cnn_run run = {.health = fopen(path, "w"), .health_path = path};
    assert_non_null(run.health);
    refuse_begin();
    cnn_diag *diag = cnn_diag_new();
    refuse_allocation(1);
    assert_int_equal(cnn_run_log_health(&run, &row, 1, diag), CNN_FAILED);
    assert_true(cnn_diag_out_of_memory(diag));
    assert_int_equal(ftell(run.health), 0);
    refuse_allocation(0);
    assert_int_equal(cnn_run_log_health(&run, &row, 1, diag), CNN_OK);
    assert_true(ftell(run.health) > 0);
    cnn_diag_free(diag);
    refuse_end();
    fclose(run.health);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_refused_is_told_and_the_rest_comes_back,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_earlier_state_is_taken_or_memory_is_told,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_rows_of_health_are_whole_or_told, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
