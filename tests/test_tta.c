/* Test-time augmentation: which views of an image there are, and what becomes of the answers. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "networks.h"
#include "scratch.h"

enum { SIZE = 2 * 3 * 4 };

static const float image[SIZE] = {3,  -1, 4,  1,  5,  9,  -2, 6,  5, 3,  -5, 8,
                                  11, 7,  -9, 17, 11, 19, -3, 13, 7, -1, 9,  3};

/* A network that does nothing shows the mean of the views. PyTorch's numbers, from F.pad(x, (1, 1,
 * 1, 1), 'reflect') and flip(3). */
static void test_views_are_averaged_as_torch_does(void **state)
{
    (void)state;
    static const float flip[SIZE] = {2,  1.5f, 1.5f, 2,  5.5f, 3.5f, 3.5f, 5.5f, 6.5f, -1, -1, 6.5f,
                                     14, -1,   -1,   14, 12,   8,    8,    12,   5,    4,  4,  5};
    static const float shift[SIZE] = {2.75f, 3,     3,     2.75f, 2.875f, 2.375f, 2.375f, 2.875f,
                                      5,     1.75f, 1.75f, 5,     11,     4.5f,   4.5f,   11,
                                      6.75f, 7.75f, 7.75f, 6.75f, 6.5f,   7,      7,      6.5f};
    cnn_model *model = network_open_layers("[2, 3, 4]", "  - {type: flatten}\n");
    float output[SIZE];
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_NONE, image, 1, output, NULL), CNN_OK);
    assert_memory_equal(output, image, sizeof output);
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_FLIP, image, 1, output, NULL), CNN_OK);
    assert_memory_equal(output, flip, sizeof output);
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_SHIFT, image, 1, output, NULL), CNN_OK);
    assert_memory_equal(output, shift, sizeof output);
    cnn_model_free(model);
}

static void test_one_pixel_has_one_view(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers("[3, 1, 1]", "  - {type: flatten}\n");
    float output[3];
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_SHIFT, image, 1, output, NULL), CNN_OK);
    assert_memory_equal(output, image, sizeof output);
    cnn_model_free(model);
}

/* Kernels that are their own mirror images and a maximum over all places; whole numbers, whose sums
 * are exact in any order. */
static void test_flip_changes_nothing_when_the_network_is_symmetric(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 4, 6]", "  - {type: conv, filters: 2, kernel_size: 3, padding: 1,\n"
                     "     weights: {kernel: [[[1, 2, 1], [0, 3, 0], [-1, 2, -1]], [[2, -4, 2], "
                     "[1, 1, 1], [0, 5, 0]]], bias: 0}}\n"
                     "  - {type: global_pool, pool_type: max}\n  - {type: flatten}\n");
    float plain[2], flipped[2], shifted[2];
    assert_int_equal(cnn_model_run(model, image, 1, plain, NULL), CNN_OK);
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_FLIP, image, 1, flipped, NULL), CNN_OK);
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_SHIFT, image, 1, shifted, NULL), CNN_OK);
    assert_memory_equal(plain, flipped, sizeof plain);
    assert_memory_not_equal(plain, shifted, sizeof plain);
    cnn_model_free(model);
}

/* The mean is of what goes into a softmax; more images than one batch takes, each on its own. */
static void test_softmax_follows_the_mean(void **state)
{
    (void)state;
    enum { IMAGES = 70, CLASSES = 5 };
    cnn_model *raw =
        network_open_layers("[2, 3, 4]", "  - {type: flatten}\n  - {type: dense, units: 5}\n");
    cnn_model *model = network_open_layers(
        "[2, 3, 4]", "  - {type: flatten}\n  - {type: dense, units: 5, activation: softmax}\n");
    float *images = calloc(IMAGES * SIZE, sizeof *images);
    float logits[IMAGES * CLASSES], output[IMAGES * CLASSES], one[CLASSES];
    assert_non_null(images);
    for (size_t i = 0; i < IMAGES * SIZE; i++)
        images[i] = image[i % SIZE] * 0.001f * (float)(i / SIZE);
    assert_int_equal(cnn_model_run_tta(raw, CNN_TTA_SHIFT, images, IMAGES, logits, NULL), CNN_OK);
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_SHIFT, images, IMAGES, output, NULL), CNN_OK);
    for (size_t i = 0; i < IMAGES; i++) {
        double sum = 0;
        for (size_t k = 0; k < CLASSES; k++)
            sum += exp((double)logits[i * CLASSES + k]);
        for (size_t k = 0; k < CLASSES; k++)
            assert_float_equal(output[i * CLASSES + k],
                               (float)(exp((double)logits[i * CLASSES + k]) / sum), 1e-6f);
        assert_int_equal(cnn_model_run_tta(raw, CNN_TTA_SHIFT, images + i * SIZE, 1, one, NULL),
                         CNN_OK);
        for (size_t k = 0; k < CLASSES; k++)
            assert_float_equal(one[k], logits[i * CLASSES + k], 1e-6f);
    }
    free(images);
    cnn_model_free(raw);
    cnn_model_free(model);
}

/* The mean of -log p of the true class, or of the squared distances, over the validation images,
 * each run on its own. */
static double mean_loss(cnn_model *model, cnn_tta tta, bool squares)
{
    enum { PIXELS = 16 * 16 };
    struct cnn_dataset *dataset;
    enum cnn_split used;
    double sum = 0;
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_VAL,
                                                                .seed = model->recipe.seed},
                                      &dataset, &used, NULL),
                     CNN_OK);
    size_t images = cnn_dataset_count(dataset);
    for (size_t i = 0; i < images; i++) {
        float seen[PIXELS * 3], pixels[PIXELS * 3], p[10];
        cnn_normalize(&model->normalization, cnn_dataset_read(dataset, i, NULL), PIXELS, seen);
        for (size_t k = 0; k < PIXELS * 3; k++)
            pixels[k % 3 * PIXELS + k / 3] = seen[k];
        assert_int_equal(cnn_model_run_tta(model, tta, pixels, 1, p, NULL), CNN_OK);
        for (size_t k = 0; k < 10; k++) {
            double distance = (double)p[k] - (k == cnn_dataset_label(dataset, i));
            if (squares)
                sum += distance * distance / 10;
            else if (k == cnn_dataset_label(dataset, i))
                sum -= log((double)p[k]);
        }
    }
    cnn_dataset_free(dataset);
    return sum / (double)images;
}

/* Both losses of a network with softmax: cross-entropy is taken before it, squares behind it. */
static void test_evaluation_sees_the_views_that_prediction_sees(void **state)
{
    (void)state;
    static const char *const losses[] = {"cross_entropy", "mse"};
    double before = 0;
    for (int squares = 0; squares < 2; squares++) {
        struct cnn_text text = {0};
        cnn_text_printf(&text,
                        "input: [3, 16, 16]\nlayers: [{type: conv, filters: 4, kernel_size: 5, "
                        "activation: relu}, {type: flatten}, "
                        "{type: dense, units: 10, activation: softmax}]\nloss: %s\n"
                        "data: {dataset: shapes, limit: 80, val_split: 0.5, normalize: {mean: "
                        "[0.5, 0.4, 0.3], std: [0.2, 0.2, 0.3]}}\n",
                        losses[squares]);
        cnn_model *model = network_open(text.data);
        for (cnn_tta tta = CNN_TTA_NONE; tta <= CNN_TTA_SHIFT; tta++) {
            cnn_evaluation *e = NULL;
            assert_int_equal(
                cnn_evaluate(model, &(cnn_evaluate_options){.split = "val", .tta = tta}, &e, NULL),
                CNN_OK);
            assert_true(fabs(e->loss - mean_loss(model, tta, squares)) < 1e-5);
            assert_true(fabs(e->loss - before) > 1e-5);
            assert_int_equal(e->tta, tta);
            before = e->loss;
            cnn_evaluation_free(e);
        }
        cnn_model_free(model);
        cnn_text_free(&text);
    }
}

static void test_maps_have_no_mean_over_views(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open_layers("[2, 3, 4]", "  - {type: relu}\n");
    float output[SIZE];
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_FLIP, image, 1, output, s->diag),
                     CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "the last layer of test.yaml gives 2 x 3 x 4 numbers; test-time "
                        "augmentation needs one number per class");
    assert_int_equal(cnn_model_run_tta(model, CNN_TTA_NONE, image, 1, output, NULL), CNN_OK);
    cnn_model_free(model);
}

static void test_names_are_found(void **state)
{
    struct scratch *s = *state;
    cnn_tta tta;
    assert_int_equal(cnn_tta_find("shift", &tta, s->diag), CNN_OK);
    assert_int_equal(tta, CNN_TTA_SHIFT);
    assert_int_equal(cnn_tta_find(NULL, &tta, s->diag), CNN_OK);
    assert_int_equal(tta, CNN_TTA_NONE);
    assert_int_equal(cnn_tta_find("mirror", &tta, s->diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "there is no test-time augmentation 'mirror'");
    assert_string_equal(cnn_diag_get(s->diag, 0)->hint, "none, flip or shift");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views_are_averaged_as_torch_does),
        cmocka_unit_test(test_one_pixel_has_one_view),
        cmocka_unit_test(test_flip_changes_nothing_when_the_network_is_symmetric),
        cmocka_unit_test(test_softmax_follows_the_mean),
        cmocka_unit_test(test_evaluation_sees_the_views_that_prediction_sees),
        cmocka_unit_test_setup_teardown(test_maps_have_no_mean_over_views, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_names_are_found, scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
