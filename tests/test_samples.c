/* Which answers are kept of a pass over a data set, and the gallery that shows the wrong ones. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

#include "data/format.h"
#include "near.h"
#include "networks.h"
#include "refuse.h"
#include "report/samples.h"
#include "scratch.h"
#include "tasks/metrics.h"
#include "train/evaluate.h"
#include "util/file.h"

#define IMAGES 300

static struct cnn_dataset *draw_images(void)
{
    const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("shapes"),
                                               .limit = IMAGES};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(cnn_dataset_open(&settings,
                                      &(struct cnn_data_choice){.input = (cnn_shape){3, 3, 16, 16},
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &dataset, &used, NULL),
                     CNN_OK);
    assert_int_equal(cnn_dataset_count(dataset), IMAGES);
    return dataset;
}

/* The network says `class` with probability p, and spreads the rest. */
static void add(struct cnn_samples *samples, size_t image, size_t class, float p)
{
    float probabilities[10];
    for (size_t i = 0; i < 10; i++)
        probabilities[i] = i == class ? p : (1 - p) / 9;
    cnn_samples_add(samples, image, probabilities, 10);
}

static void test_wrong_answers_are_the_most_confident_ones_in_order(void **state)
{
    (void)state;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    const float confidence[] = {0.5f, 0.9f, 0.7f, 0.9f, 0.3f, 0.9f, 0.8f, 0.2f};
    const size_t expected[] = {1, 3, 5, 6}; /* of equals the earlier image first */
    assert_int_equal(cnn_samples_new(dataset, 4, &samples, NULL), CNN_OK);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < 8; k++) { /* the order in which images come by does not matter */
            size_t i = pass ? 7 - k : k;
            add(&samples, i, (cnn_dataset_label(dataset, i) + 1) % 10, confidence[i]);
        }
        assert_int_equal(samples.wrong_count, 4);
        assert_int_equal(samples.right_count, 0);
        for (size_t i = 0; i < 4; i++) {
            const struct cnn_sample *sample = &samples.wrong[i];
            assert_int_equal(sample->image, expected[i]);
            assert_int_equal(sample->label, cnn_dataset_label(dataset, expected[i]));
            assert_int_equal(sample->predicted, (sample->label + 1) % 10);
            assert_near(sample->probability, confidence[expected[i]], 0);
            assert_near(sample->label_probability, (1 - confidence[expected[i]]) / 9, 1e-7);
            assert_ptr_equal(sample->pixels, cnn_dataset_read(dataset, expected[i], NULL));
        }
        cnn_samples_clear(&samples);
        assert_int_equal(samples.wrong_count, 0);
    }
    cnn_samples_free(&samples);
    cnn_dataset_free(dataset);
}

static void test_lists_hold_what_there_is_when_it_is_less(void **state)
{
    (void)state;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    assert_int_equal(cnn_samples_new(dataset, 4, &samples, NULL), CNN_OK);
    float broken[10] = {NAN}, equal[10] = {0};
    cnn_samples_add(&samples, 0, broken, 10); /* no answer at all */
    assert_int_equal(samples.wrong_count + samples.right_count, 0);
    size_t image = 0;
    while (cnn_dataset_label(dataset, image) == 0)
        image++;
    cnn_samples_add(&samples, image, equal, 10); /* of equals the lowest class is the answer */
    assert_int_equal(samples.wrong_count, 1);
    assert_int_equal(samples.wrong[0].predicted, 0);
    cnn_samples_free(&samples);
    cnn_samples_free(&samples); /* zeroed */
    cnn_dataset_free(dataset);
}

/* The rule, written another way: in round r, the r-th right answer of each class in turn. */
static size_t list_rounds(const struct cnn_dataset *dataset, size_t class_left_out, size_t capacity,
                          size_t *images)
{
    size_t count = 0;
    for (size_t round = 0; round < IMAGES; round++)
        for (size_t class = 0; class < 10; class ++) {
            size_t seen = 0;
            for (size_t i = 0; i < IMAGES && class != class_left_out; i++)
                if (cnn_dataset_label(dataset, i) == class && seen++ == round && count < capacity)
                    images[count++] = i;
        }
    return count;
}

static void test_right_answers_are_of_all_classes_in_turn(void **state)
{
    (void)state;
    struct cnn_dataset *dataset = draw_images();
    for (size_t capacity = 1; capacity <= 24; capacity += 23) {
        struct cnn_samples samples;
        size_t expected[24];
        assert_int_equal(cnn_samples_new(dataset, capacity, &samples, NULL), CNN_OK);
        for (size_t i = 0; i < IMAGES; i++) /* class 3 is never right */
            add(&samples, i, cnn_dataset_label(dataset, i) == 3 ? 4 : cnn_dataset_label(dataset, i),
                0.5f);
        assert_int_equal(samples.right_count, list_rounds(dataset, 3, capacity, expected));
        for (size_t i = 0; i < samples.right_count; i++)
            assert_int_equal(samples.right[i].image, expected[i]);
        cnn_samples_free(&samples);
    }
    cnn_dataset_free(dataset);
}

#define NETWORK(last)                                                                              \
    "input: [3, 16, 16]\n"                                                                         \
    "layers:\n"                                                                                    \
    "  - {type: conv, filters: 4, kernel_size: 3, activation: relu}\n"                             \
    "  - {type: pool, pool_type: max, kernel_size: 4}\n"                                           \
    "  - {type: flatten}\n"                                                                        \
    "  - {type: dense, units: 10" last "data: {dataset: shapes, limit: 300}\n"

/* All lists of one pass, whose batches are of `batch` images. */
static void pass_over(cnn_model *model, struct cnn_dataset *dataset, size_t batch,
                      struct cnn_samples *samples, cnn_evaluation *e)
{
    struct cnn_evaluator evaluator;
    struct cnn_loss_result sum;
    assert_int_equal(cnn_evaluator_open(model, dataset, NULL, &evaluator, NULL), CNN_OK);
    cnn_loader_free(evaluator.loader);
    const struct cnn_loader_options options = {.dataset = dataset,
                                               .normalization = model->normalization,
                                               .shape = model->graph.input,
                                               .batch = batch};
    assert_int_equal(cnn_loader_new(&options, &evaluator.loader, NULL), CNN_OK);
    assert_int_equal(cnn_samples_new(dataset, CNN_REPORT_SAMPLES, samples, NULL), CNN_OK);
    assert_int_equal(cnn_evaluation_new(&evaluator, e, NULL), CNN_OK);
    for (int pass = 0; pass < 2; pass++) /* the second begins anew */
        assert_int_equal(
            cnn_evaluator_run(&evaluator, &(cnn_evaluate_options){0}, e, samples, &sum), CNN_OK);
    cnn_evaluator_close(&evaluator);
    for (size_t i = 0; i < CNN_REPORT_SAMPLES; i++) /* they need not be the same */
        samples->wrong[i].buffer = samples->right[i].buffer = NULL;
}

static void test_samples_are_the_same_whatever_the_batch(void **state)
{
    (void)state;
    struct cnn_dataset *dataset = draw_images();
    cnn_model *model = network_open(NETWORK("}\n"));
    struct cnn_samples whole, part;
    cnn_evaluation e;
    const size_t batches[] = {1, 7, 64};
    assert_int_equal(cnn_model_adopt_data(model, dataset, NULL), CNN_OK);
    pass_over(model, dataset, 128, &whole, &e);
    assert_int_equal(e.images, IMAGES);
    assert_int_equal(whole.wrong_count, CNN_REPORT_SAMPLES);
    for (size_t b = 0; b < 3; b++) {
        cnn_evaluation again;
        pass_over(model, dataset, batches[b], &part, &again);
        assert_int_equal(part.wrong_count, whole.wrong_count);
        assert_int_equal(part.right_count, whole.right_count);
        assert_memory_equal(part.wrong, whole.wrong, whole.wrong_count * sizeof *whole.wrong);
        assert_memory_equal(part.right, whole.right, whole.right_count * sizeof *whole.right);
        assert_int_equal(again.confusion_cells, e.confusion_cells);
        for (size_t i = 0; i < 100; i++)
            assert_int_equal(cnn_evaluation_confusion(&again, i / 10, i % 10),
                             cnn_evaluation_confusion(&e, i / 10, i % 10));
        cnn_metrics_free(&again);
        cnn_samples_free(&part);
    }
    cnn_metrics_free(&e);
    cnn_samples_free(&whole);
    cnn_model_free(model);
    cnn_dataset_free(dataset);
}

/* Against the public way from an image to probabilities. */
static void check_probabilities(const char *description)
{
    struct cnn_dataset *dataset = draw_images();
    cnn_model *model = network_open(description);
    struct cnn_samples samples;
    cnn_evaluation e;
    float nhwc[768], image[768], output[10];
    assert_int_equal(cnn_model_adopt_data(model, dataset, NULL), CNN_OK);
    pass_over(model, dataset, 128, &samples, &e);
    for (size_t i = 0; i < samples.wrong_count; i++) {
        const struct cnn_sample *sample = &samples.wrong[i];
        cnn_normalize(&model->normalization, sample->pixels, 256, nhwc);
        cnn_transpose(1, 256, 3, nhwc, image);
        assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
        cnn_model_probabilities(model, output, 1, output);
        assert_near(sample->probability, output[sample->predicted], 1e-6);
        assert_near(sample->label_probability, output[sample->label], 1e-6);
    }
    cnn_metrics_free(&e);
    cnn_samples_free(&samples);
    cnn_model_free(model);
    cnn_dataset_free(dataset);
}

static void test_probabilities_are_the_model_s_whatever_the_loss(void **state)
{
    (void)state;
    check_probabilities(NETWORK("}\n"));
    check_probabilities(NETWORK(", activation: softmax}\n"));
    check_probabilities(NETWORK("}\nloss: mse\n"));
    check_probabilities(NETWORK(", activation: softmax}\nloss: mse\n"));
}

/* The page of these samples, from its body on. */
static char *make_gallery(struct scratch *s, const char *description,
                          const struct cnn_samples *samples)
{
    cnn_model *model = network_open(description);
    char *page = NULL;
    size_t size;
    assert_int_equal(cnn_model_adopt_data(model, samples->dataset, s->diag), CNN_OK);
    assert_int_equal(cnn_gallery_write(scratch_path(s, "deep/gallery"), model, samples, s->diag),
                     CNN_OK);
    assert_int_equal(
        cnn_file_read(scratch_path(s, "deep/gallery/index.html"), 1 << 20, &page, &size, s->diag),
        CNN_OK);
    char *body = strstr(page, "<body>");
    assert_non_null(body);
    memmove(page, body, strlen(body) + 1);
    cnn_model_free(model);
    return page;
}

/* The file holds the data set's image pixel by pixel. */
static void assert_picture(struct scratch *s, const char *file, const uint8_t *pixels, size_t side)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&png, scratch_path(s, file)));
    png.format = PNG_FORMAT_RGB;
    assert_int_equal(png.width, side);
    assert_int_equal(png.height, side);
    uint8_t *seen = malloc(PNG_IMAGE_SIZE(png));
    assert_true(png_image_finish_read(&png, NULL, seen, 0, NULL));
    assert_memory_equal(seen, pixels, side * side * 3);
    free(seen);
}

static void test_gallery_shows_each_mistake_with_its_reasons(void **state)
{
    struct scratch *s = *state;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    size_t label = cnn_dataset_label(dataset, 17);
    const char *name = cnn_dataset_class(dataset, label),
               *taken = cnn_dataset_class(dataset, (label + 1) % 10);
    char expected[256];
    assert_int_equal(cnn_samples_new(dataset, 2, &samples, s->diag), CNN_OK);
    add(&samples, 17, (label + 1) % 10, 0.75f);
    char *page = make_gallery(s, NETWORK("}\n"), &samples);
    assert_non_null(strstr(page, "The one mistake of"));
    snprintf(expected, sizeof expected, "<h3>%s, taken for %s</h3>", name, taken);
    assert_non_null(strstr(page, expected));
    snprintf(expected, sizeof expected, ">%s: 75.0 %%", taken);
    assert_non_null(strstr(page, expected));
    snprintf(expected, sizeof expected, ">%s: 2.8 %%", name);
    assert_non_null(strstr(page, expected));
    assert_non_null(strstr(page, "image 17<"));
    assert_non_null(
        strstr(page, "<img class=\"pixels\" src=\"image-17.png\" width=\"160\" height=\"160\""));
    assert_non_null(strstr(page, "<img src=\"image-17-predicted.png\" width=\"160\""));
    assert_non_null(strstr(page, "src=\"image-17-true.png\""));
    assert_picture(s, "deep/gallery/image-17.png", samples.wrong[0].pixels, 16);
    free(page);
    cnn_samples_free(&samples);
    cnn_dataset_free(dataset);
}

static void test_gallery_is_whole_or_says_that_memory_was_refused(void **state)
{
    static const char *const made[] = {"index.html", "image-17.png", "image-17-true.png",
                                       "image-17-predicted.png"};
    struct scratch *s = *state;
    char name[64];
    size_t told = 0;
    refuse_begin();
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    assert_int_equal(cnn_samples_new(dataset, 2, &samples, s->diag), CNN_OK);
    add(&samples, 17, (cnn_dataset_label(dataset, 17) + 1) % 10, 0.75f);
    cnn_model *model = network_open(NETWORK("}\n"));
    assert_int_equal(cnn_model_adopt_data(model, dataset, s->diag), CNN_OK);
    bool asked = true;
    for (size_t i = 1; asked; i++) {
        snprintf(name, sizeof name, "gallery-%zu", i);
        const char *directory = scratch_path(s, name);
        refuse_allocation(i);
        cnn_status status = cnn_gallery_write(directory, model, &samples, NULL);
        asked = refuse_allocation(0) >= i;
        assert_true(status == CNN_OK || status == CNN_FAILED);
        told += status == CNN_FAILED;
        for (size_t k = 0; status == CNN_OK && k < sizeof made / sizeof *made; k++) {
            snprintf(name, sizeof name, "gallery-%zu/%s", i, made[k]);
            if (access(scratch_path(s, name), F_OK) != 0)
                fail_msg("allocation %zu was refused: no %s, and no error", i, made[k]);
        }
    }
    assert_true(told > 10);
    cnn_model_free(model);
    cnn_samples_free(&samples);
    cnn_dataset_free(dataset);
    refuse_end();
}

/* What `cnn predict` says of a gallery's picture is what the page says: for colour and for grey,
 * the file read back is the data set's image. */
static void check_read_back(struct scratch *s, const char *description)
{
    cnn_model *model = network_open(description);
    const cnn_shape in = model->graph.input;
    const size_t positions = in.h * in.w;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    float nhwc[768], wanted[768], seen[768];
    assert_int_equal(cnn_model_adopt_data(model, dataset, s->diag), CNN_OK);
    assert_int_equal(cnn_samples_new(dataset, 2, &samples, s->diag), CNN_OK);
    add(&samples, 5, (cnn_dataset_label(dataset, 5) + 1) % 10, 0.9f);
    free(make_gallery(s, description, &samples));
    /* grey: the first of the bytes are the image */
    cnn_normalize(&model->normalization, samples.wrong[0].pixels, positions, nhwc);
    cnn_transpose(1, positions, in.c, nhwc, wanted);
    assert_int_equal(
        cnn_model_load_image(model, scratch_path(s, "deep/gallery/image-5.png"), seen, s->diag),
        CNN_OK);
    assert_memory_equal(seen, wanted, cnn_shape_count(in) * sizeof(float));
    cnn_samples_free(&samples);
    cnn_model_free(model);
    cnn_dataset_free(dataset);
}

static void test_gallery_picture_is_the_network_s_input_when_read_back(void **state)
{
    check_read_back(*state, NETWORK("}\n"));
    check_read_back(*state, "input: [1, 16, 20]\nlayers: [{type: flatten}, {type: dense, units: "
                            "10}]\ndata: {dataset: shapes}\n");
}

static void test_gallery_has_just_the_pictures_when_there_is_no_map(void **state)
{
    struct scratch *s = *state;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    size_t label = cnn_dataset_label(dataset, 3);
    assert_int_equal(cnn_samples_new(dataset, 2, &samples, s->diag), CNN_OK);
    add(&samples, 3, (label + 1) % 10, 0.9999f);
    char *page = make_gallery(s,
                              "input: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: "
                              "10}]\ndata: {dataset: shapes}\n",
                              &samples);
    assert_null(strstr(page, "Grad-CAM"));
    assert_null(strstr(page, "-true.png"));
    assert_non_null(strstr(page, ": &gt; 99.9 %"));
    assert_non_null(strstr(page, ": &lt; 0.1 %"));
    assert_picture(s, "deep/gallery/image-3.png", samples.wrong[0].pixels, 16);
    free(page);
    cnn_samples_free(&samples);
    cnn_dataset_free(dataset);
}

static void test_gallery_says_so_when_there_is_no_mistake(void **state)
{
    struct scratch *s = *state;
    struct cnn_dataset *dataset = draw_images();
    struct cnn_samples samples;
    assert_int_equal(cnn_samples_new(dataset, 2, &samples, s->diag), CNN_OK);
    add(&samples, 3, cnn_dataset_label(dataset, 3), 0.9f);
    char *page = make_gallery(s, "name: keen\n" NETWORK("}\n"), &samples);
    assert_non_null(strstr(page, "keen makes no mistake on the 300 images it was tried on."));
    assert_null(strstr(page, "<img"));
    free(page);
    cnn_samples_free(&samples);
    cnn_dataset_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_answers_are_the_most_confident_ones_in_order),
        cmocka_unit_test(test_lists_hold_what_there_is_when_it_is_less),
        cmocka_unit_test(test_right_answers_are_of_all_classes_in_turn),
        cmocka_unit_test(test_samples_are_the_same_whatever_the_batch),
        cmocka_unit_test(test_probabilities_are_the_model_s_whatever_the_loss),
        cmocka_unit_test_setup_teardown(test_gallery_shows_each_mistake_with_its_reasons,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_gallery_is_whole_or_says_that_memory_was_refused,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_gallery_picture_is_the_network_s_input_when_read_back,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_gallery_has_just_the_pictures_when_there_is_no_map,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_gallery_says_so_when_there_is_no_mistake,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
