/* What a pass over labelled images comes to. Numbers are PyTorch's for the same logits:
 * cross_entropy, softmax, and bins of it as in the code that Guo et al. published with their
 * paper. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "networks.h"
#include "scratch.h"
#include "tasks/metrics.h"
#include "tasks/task.h"

enum { IMAGES = 10, CLASSES = 4 };

/* No image is of class 2. */
static const float logits[IMAGES * CLASSES] = {4, 0, 0, 0, 1, 4, 2, 0, 0, 3, 4, 1, 2, 2,
                                               0, 0, 0, 1, 0, 8, 5, 5, 1, 0, 0, 0, 0, 12,
                                               3, 1, 2, 2, 0, 6, 1, 5, 1, 1, 1, 1};
static const size_t labels[IMAGES] = {0, 1, 1, 0, 3, 1, 3, 3, 3, 3};

/* Scores of some images, and their classes. */
struct answered {
    size_t classes, images;
    const float *scores;
    const size_t *truth;
};

/* In batches, whose size is nothing that the result may depend on. */
static void measure(cnn_evaluation *e, size_t batch, const struct answered *a, size_t *answers)
{
    const float *scores = a->scores;
    const size_t classes = a->classes, images = a->images, *truth = a->truth;
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_loss loss;
    assert_int_equal(cnn_loss_read(arena, NULL, &loss, NULL), CNN_OK);
    struct cnn_loss_result sum = {0};
    float *probabilities = calloc(batch * classes, sizeof *probabilities);
    assert_non_null(probabilities);
    cnn_metrics_clear(e);
    for (size_t i = 0, n; i < images; i += n) {
        n = images - i < batch ? images - i : batch;
        struct cnn_loss_result result =
            cnn_loss_compute(&loss, n, classes, scores + i * classes,
                             &(struct cnn_targets){.labels = truth + i}, NULL);
        sum.loss += result.loss;
        sum.weight += result.weight;
        sum.correct += result.correct;
        sum.top5 += result.top5;
        cnn_softmax(scores + i * classes, n, classes, probabilities);
        cnn_metrics_add(e, n, truth + i, scores + i * classes, probabilities,
                        answers ? answers + i : NULL);
    }
    cnn_metrics_finish(e, &sum);
    free(probabilities);
    cnn_arena_free(arena);
}

static void expect(double actual, double expected)
{
    if (!(fabs(actual - expected) <= 1e-6))
        fail_msg("%.9g is not %.9g", actual, expected);
}

static void expect_bin(const cnn_evaluation *e, size_t bin, size_t images, double confidence,
                       double accuracy)
{
    assert_int_equal(e->calibration[bin].images, images);
    expect(e->calibration[bin].confidence, confidence);
    expect(e->calibration[bin].accuracy, accuracy);
}

static void check_numbers(const cnn_evaluation *e)
{
    static const size_t confusion[CLASSES][CLASSES] = {
        {2, 0, 0, 0}, {1, 1, 1, 0}, {0, 0, 0, 0}, {2, 1, 0, 2}};
    static const size_t ranks[CLASSES] = {5, 3, 1, 1};
    for (size_t i = 0; i < CLASSES; i++)
        for (size_t j = 0; j < CLASSES; j++)
            assert_int_equal(cnn_evaluation_confusion(e, i, j), confusion[i][j]);
    assert_int_equal(e->confusion_cells, 7); /* those that are not 0 */
    assert_memory_equal(e->ranks, ranks, sizeof ranks);
    expect(e->loss, 0.7460588055912931);
    expect(e->accuracy, 0.5);
    expect(e->per_class[0].precision, 0.4);
    expect(e->per_class[0].recall, 1);
    expect(e->per_class[0].f1, 4.0 / 7);
    expect(e->per_class[2].precision + e->per_class[2].recall + e->per_class[2].f1, 0);
    expect(e->precision, (0.4 + 0.5 + 1) / 3); /* of the three classes that have images */
    expect(e->recall, (1 + 1.0 / 3 + 0.4) / 3);
    expect(e->f1, (4.0 / 7 + 0.4 + 4.0 / 7) / 3);
    expect(e->confidence, 0.6918481393393616);
    expect(e->ece, 0.3483146483070942);
    expect_bin(e, 3, 1, 0.25, 0);
    expect_bin(e, 6, 1, 0.44039853898894116, 1);
    expect_bin(e, 10, 2, 0.7112765998704205, 0);
    expect_bin(e, 14, 3, 0.982105418542815, 1);
    expect_bin(e, 0, 0, 0, 0);
    size_t images = 0;
    for (size_t m = 0; m < CNN_CALIBRATION_BINS; m++)
        images += e->calibration[m].images;
    assert_int_equal(images, IMAGES);
}

static void test_numbers_are_those_of_torch_whatever_the_batch(void **state)
{
    (void)state;
    static const size_t expected[IMAGES] = {0, 1, 2, 0, 3, 0, 3, 0, 1, 0};
    const size_t batches[] = {1, 3, 10, 64};
    cnn_evaluation e;
    assert_int_equal(cnn_metrics_new(IMAGES, CLASSES, &e, NULL), CNN_OK);
    for (size_t b = 0; b < 4; b++) {
        size_t answers[IMAGES];
        measure(&e, batches[b], &(struct answered){CLASSES, IMAGES, logits, labels}, answers);
        check_numbers(&e);
        assert_memory_equal(answers, expected, sizeof expected);
    }
    cnn_metrics_free(&e);
}

static void test_certainty_is_in_the_last_bin(void **state)
{
    (void)state;
    static const float probabilities[] = {0.125f, 0.875f, 0, 1, 0.5f, 0.5f, 0.4f, 0.6f};
    static const size_t truth[] = {1, 0, 1, 1};
    const struct cnn_loss_result sum = {.weight = 4};
    cnn_evaluation e;
    assert_int_equal(cnn_metrics_new(4, 2, &e, NULL), CNN_OK);
    cnn_metrics_add(&e, 4, truth, probabilities, probabilities, NULL);
    cnn_metrics_finish(&e, &sum);
    expect_bin(&e, 13, 1, 0.875, 1);
    expect_bin(&e, 14, 1, 1, 0);
    expect_bin(&e, 7, 1, 0.5, 0);
    expect(e.ece, (0.125 + 1 + 0.5 + 0.4) / 4);
    cnn_metrics_free(&e);
}

/* A model that is right as often as it says has no error; one that is always sure errs by its share
 * of mistakes. */
static void test_calibration_error_is_the_distance_to_accuracy(void **state)
{
    (void)state;
    float probabilities[20 * 2];
    size_t truth[20];
    const struct cnn_loss_result sum = {.weight = 20};
    cnn_evaluation e;
    assert_int_equal(cnn_metrics_new(20, 2, &e, NULL), CNN_OK);
    for (int sure = 0; sure < 2; sure++) {
        for (size_t i = 0; i < 20; i++) {
            truth[i] = i % 4 == 0; /* three of four are of class 0 */
            probabilities[2 * i] = sure ? 1 : 0.75f;
            probabilities[2 * i + 1] = sure ? 0 : 0.25f;
        }
        cnn_metrics_clear(&e);
        cnn_metrics_add(&e, 20, truth, probabilities, probabilities, NULL);
        cnn_metrics_finish(&e, &sum);
        expect(e.ece, sure ? 0.25 : 0);
        expect(e.confidence, sure ? 1 : 0.75);
    }
    cnn_metrics_free(&e);
}

static void test_one_class_is_always_right(void **state)
{
    (void)state;
    static const float scores[] = {-3, 7};
    static const size_t truth[] = {0, 0};
    cnn_evaluation e;
    assert_int_equal(cnn_metrics_new(2, 1, &e, NULL), CNN_OK);
    measure(&e, 2, &(struct answered){1, 2, scores, truth}, NULL);
    expect(e.accuracy, 1);
    expect(e.loss + e.ece, 0);
    expect(e.f1, 1);
    assert_int_equal(e.ranks[0], 2);
    expect(e.accuracy_high, 1);
    expect(e.accuracy_low, 0.342372); /* 1 / (1 + 1.96^2 / 2) */
    cnn_metrics_free(&e);
}

/* What is no number is in no place of the order, and in no bin that does not exist. */
static void test_a_score_that_is_no_number_is_never_right(void **state)
{
    (void)state;
    static const float scores[] = {NAN, 1};
    static const size_t truth[] = {0};
    const struct cnn_loss_result sum = {.weight = 1};
    cnn_evaluation e;
    assert_int_equal(cnn_metrics_new(1, 2, &e, NULL), CNN_OK);
    cnn_metrics_add(&e, 1, truth, scores, scores, NULL);
    cnn_metrics_finish(&e, &sum);
    assert_int_equal(e.ranks[0] + e.ranks[1], 0);
    cnn_metrics_free(&e);
}

/* Wilson's ends are the shares p from which the one that was seen lies 1.96 standard deviations of
 * p away. */
static void expect_interval(size_t right, size_t all)
{
    double ends[2], seen = (double)right / (double)all;
    cnn_interval(right, all, &ends[0], &ends[1]);
    assert_true(0 <= ends[0] && ends[0] <= seen && seen <= ends[1] && ends[1] <= 1);
    for (size_t i = 0; i < 2; i++)
        expect(fabs(seen - ends[i]), 1.96 * sqrt(ends[i] * (1 - ends[i]) / (double)all));
}

static void test_intervals_are_those_of_wilson(void **state)
{
    (void)state;
    expect_interval(8620, 10000);
    expect_interval(0, 10);
    expect_interval(7, 7);
    expect_interval(1, 2);
}

static void test_every_task_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < cnn_task_count; i++) {
        const struct cnn_task *task = cnn_tasks[i];
        assert_true(task->name && task->loss && task->measure && task->title);
        assert_true(task->find_target && task->match && task->open && task->clear && task->add &&
                    task->finish && task->score && task->better && task->facts);
        const struct cnn_score low = {0.5, 1}, high = {0.75, 2}, equal = {0.5, 0.5};
        assert_true(task->better(high, low) && !task->better(low, high));
        assert_true(task->better(equal, low) && !task->better(low, equal));
        assert_false(task->better(low, low));
    }
}

static void test_facts_of_classification_are_its_numbers(void **state)
{
    (void)state;
    const cnn_evaluation e = {.classes = 6,
                              .accuracy = 0.75,
                              .accuracy_low = 0.5,
                              .accuracy_high = 0.875,
                              .top5 = 0.9,
                              .loss = 1.25};
    struct cnn_task_fact facts[CNN_TASK_FACTS];
    assert_int_equal(cnn_tasks[0]->facts(&e, facts), 3);
    assert_string_equal(facts[0].name, "accuracy");
    assert_string_equal(facts[0].note, "95 % interval: 50.00 to 87.50");
    assert_true(facts[0].share && facts[1].share && !facts[2].share);
    expect(facts[0].value, 0.75);
    expect(facts[1].value, 0.9);
    expect(facts[2].value, 1.25);
    const cnn_evaluation few = {.classes = 5};
    assert_int_equal(cnn_tasks[0]->facts(&few, facts), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_those_of_torch_whatever_the_batch),
        cmocka_unit_test(test_certainty_is_in_the_last_bin),
        cmocka_unit_test(test_calibration_error_is_the_distance_to_accuracy),
        cmocka_unit_test(test_one_class_is_always_right),
        cmocka_unit_test(test_a_score_that_is_no_number_is_never_right),
        cmocka_unit_test(test_intervals_are_those_of_wilson),
        cmocka_unit_test(test_every_task_is_whole),
        cmocka_unit_test(test_facts_of_classification_are_its_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
