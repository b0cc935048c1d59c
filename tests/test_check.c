/* Looking at a run before its first step: it changes nothing, and it says what is wrong and only
 * that. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "near.h"
#include "pictures.h"
#include "train/check.h"

/* Everything that has state: running statistics, dropout, momentum, a mean of the weights. */
static const char description[] =
    "name: tiny\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, padding: same, bias: false}\n"
    "  - {type: batch_norm, activation: relu}\n"
    "  - {type: pool, pool_type: avg, kernel_size: 4}\n"
    "  - {type: dropout, rate: 0.25}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10, init: lecun_normal}\n"
    "data: {dataset: shapes, limit: 200, val_split: 0.25, normalize: auto, augment: [{type: "
    "flip}]}\n"
    "train: {epochs: 2, batch_size: 16, optimizer: {type: adam, lr: 0.01}, ema: {decay: 0.9}}\n";

static cnn_train_options options_for(struct scratch *s, const char *const *overrides, size_t count)
{
    return (cnn_train_options){
        .config = scratch_write(s, "tiny.yaml", description, sizeof description - 1),
        .overrides = overrides,
        .override_count = count};
}

static void prepare(struct scratch *s, struct cnn_training *t)
{
    cnn_train_options options = options_for(s, NULL, 0);
    *t = (struct cnn_training){0};
    assert_int_equal(cnn_training_prepare(t, &options, s->diag), CNN_OK);
}

static void take_steps(struct cnn_training *t, size_t steps, double *losses)
{
    cnn_loader_start(t->loader, 0, 0);
    for (size_t i = 0; i < steps; i++) {
        const struct cnn_batch *batch = cnn_loader_next(t->loader);
        const struct cnn_targets targets = {batch->labels, batch->others, batch->shares};
        memcpy(cnn_plan_input(t->step.plan), batch->images,
               batch->n * cnn_shape_count(t->model->graph.input) * sizeof(float));
        losses[i] = cnn_step_run(&t->step, batch->n, &targets, 0.01).loss;
    }
}

static void never_tell(void *context, const char *text)
{
    (void)context;
    fail_msg("a warning where all is well: %s", text);
}

static void test_quick_look_leaves_no_trace_in_the_steps_that_follow(void **state)
{
    struct scratch *s = *state;
    struct cnn_training plain, looked;
    double losses[2][4];
    prepare(s, &plain);
    prepare(s, &looked);
    cnn_check_quickly(&looked, never_tell, NULL);
    take_steps(&plain, 4, losses[0]);
    take_steps(&looked, 4, losses[1]);
    size_t bytes = plain.model->graph.parameter_floats * sizeof(float);
    assert_memory_equal(losses[0], losses[1], sizeof losses[0]);
    assert_memory_equal(plain.step.parameters, looked.step.parameters, bytes);
    assert_memory_equal(plain.model->parameters, looked.model->parameters, bytes);
    const char *name;
    for (size_t i = 0; cnn_optimizer_slab(plain.step.optimizer, i, &name); i++)
        assert_memory_equal(cnn_optimizer_slab(plain.step.optimizer, i, &name),
                            cnn_optimizer_slab(looked.step.optimizer, i, &name), bytes);
    cnn_training_close(&plain);
    cnn_training_close(&looked);
}

static cnn_findings *check(struct scratch *s, const char *const *overrides, size_t count)
{
    cnn_train_options options = options_for(s, overrides, count);
    cnn_findings *findings = NULL;
    assert_int_equal(cnn_check_training(&options, &findings, s->diag), CNN_OK);
    return findings;
}

/* The finding about something that is the worst of them; fails the test where there is none. */
static cnn_finding finding_about(const cnn_findings *findings, const char *about)
{
    const cnn_finding *worst = NULL;
    for (size_t i = 0; i < findings->count; i++) {
        const cnn_finding *finding = &findings->items[i];
        if (strcmp(finding->about, about) == 0 && (!worst || finding->level > worst->level))
            worst = finding;
    }
    assert_non_null(worst);
    return *worst;
}

static void expect(struct scratch *s, const char *const *overrides, size_t count, const char *about,
                   cnn_check_level level, const char *text)
{
    cnn_findings *findings = check(s, overrides, count);
    cnn_finding finding = finding_about(findings, about);
    if (finding.level != level || !strstr(finding.text, text))
        fail_msg("%s: level %d, %s; expected level %d, %s", about, (int)finding.level, finding.text,
                 (int)level, text);
    cnn_findings_free(findings);
}

static void test_everything_is_fine_when_it_is(void **state)
{
    struct scratch *s = *state;
    static const char *const subjects[] = {"classes", "labels",    "memory", "inputs",
                                           "loss",    "gradients", "time"};
    cnn_findings *findings = check(s, NULL, 0);
    for (size_t i = 0; i < sizeof subjects / sizeof *subjects; i++)
        if (finding_about(findings, subjects[i]).level != CNN_CHECK_FINE)
            fail_msg("%s: %s", subjects[i], finding_about(findings, subjects[i]).text);
    assert_int_equal(scratch_count(s), 1); /* the description; nothing else is written */
    cnn_findings_free(findings);
}

static void test_inputs_are_judged_as_the_network_sees_them(void **state)
{
    struct scratch *s = *state;
    expect(s, (const char *[]){"data.normalize=none"}, 1, "inputs", CNN_CHECK_REMARK, "0.4");
    expect(s, (const char *[]){"data.normalize={mean: [0.5, 0.5, 0.5], std: [0.25, 0.01, 0.25]}"},
           1, "inputs", CNN_CHECK_WARNING, "channel 1 with mean");
    expect(s, (const char *[]){"data.normalize={mean: [0.5, 0.5, 0], std: [0.25, 0.25, 0.1]}"}, 1,
           "inputs", CNN_CHECK_WARNING, "channel 2 with mean");
}

static void test_constant_channels_are_named(void **state)
{
    struct scratch *s = *state;
    char path[128];
    uint8_t pixels[16 * 16 * 3];
    for (size_t i = 0; i < 20; i++) {
        char name[64];
        for (size_t p = 0; p < sizeof pixels; p++)
            pixels[p] = p % 3 == 1 ? 77 : (uint8_t)((p * (i + 3)) % 251);
        snprintf(name, sizeof name, "data/%zu/%zu.png", i % 10, i);
        picture_write(scratch_path(s, name), 16, 16, 3, pixels);
    }
    snprintf(path, sizeof path, "data.path=%s/data", s->folder);
    expect(s, (const char *[]){"data.dataset=folder", path}, 2, "inputs", CNN_CHECK_WARNING,
           "channel 1 is ");
}

static void test_first_loss_is_held_against_that_of_knowing_nothing(void **state)
{
    struct scratch *s = *state;
    cnn_findings *findings = check(s, (const char *[]){"layers.5.init=zeros"}, 1);
    cnn_finding loss = finding_about(findings, "loss"),
                gradients = finding_about(findings, "gradients");
    assert_int_equal(loss.level, CNN_CHECK_FINE);
    assert_string_equal(loss.text,
                        "2.303 at first; a network that knows nothing has ln(10) = 2.303");
    assert_int_equal(gradients.level, CNN_CHECK_REMARK); /* what begins with zeros is not broken */
    assert_non_null(
        strstr(gradients.text, "zero in 2 of 3 layers, conv1, batch_norm1, in the first step"));
    cnn_findings_free(findings);
    /* Large numbers go in, and large ones come out. */
    static const char *const large[] = {
        "layers=[{type: flatten}, {type: dense, units: 10, init: he_normal}]",
        "data.normalize={mean: [0, 0, 0], std: [0.05, 0.05, 0.05]}"};
    expect(s, large, 2, "loss", CNN_CHECK_WARNING, "far from ln(10)");
}

static void test_loss_that_is_no_number_makes_training_pointless(void **state)
{
    struct scratch *s = *state;
    static const char *const infinite[] = {
        "layers=[{type: conv, filters: 1, kernel_size: 1, weights: {kernel: [[[[1e30]], [[1e30]], "
        "[[1e30]]]], bias: 0}}, "
        "{type: conv, filters: 1, kernel_size: 1, weights: {kernel: [[[[1e30]]]], bias: 0}}, "
        "{type: flatten}, "
        "{type: dense, units: 10}]"};
    expect(s, infinite, 1, "loss", CNN_CHECK_WRONG, "not a finite number");
}

static void test_dead_layers_are_named(void **state)
{
    struct scratch *s = *state;
    static const char *const dead[] = {"layers=[{type: conv, filters: 2, kernel_size: 3}, {type: "
                                       "conv, name: corpse, filters: 1, kernel_size: 1, weights: "
                                       "{kernel: [[[[0.1]], [[0.1]]]], bias: -1000}, activation: "
                                       "relu}, {type: flatten}, {type: dense, units: 10}]"};
    expect(s, dead, 1, "gradients", CNN_CHECK_WARNING,
           "zero in 2 of 3 layers, which learn nothing from the start: conv1, corpse");
}

static void test_labels_are_counted(void **state)
{
    struct scratch *s = *state;
    expect(s, (const char *[]){"data.limit=8", "data.val_split=0"}, 2, "labels", CNN_CHECK_WARNING,
           "2 of 10 classes have no training image: ");
    expect(s, (const char *[]){"data.limit=1", "data.val_split=0"}, 2, "labels", CNN_CHECK_WRONG,
           "all 1 training images are of one class, 'circle'");
}

static void make_uneven(struct scratch *s, size_t many)
{
    for (size_t i = 0; i < many + 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "data/%s/%zu.png", i < many ? "much" : "little", i);
        picture_write_plain(scratch_path(s, name), 16, 16, 3, (uint8_t)(10 * i));
    }
}

static void test_uneven_classes_are_told_by_how_much(void **state)
{
    struct scratch *s = *state;
    char path[128];
    make_uneven(s, 8);
    snprintf(path, sizeof path, "data.path=%s/data", s->folder);
    const char *overrides[] = {"data.dataset=folder", path, "layers.5.units=2",
                               "data.val_split=0.1", "loss.type=cross_entropy"};
    expect(s, overrides, 4, "labels", CNN_CHECK_REMARK, " of 'much' against ");
    const char *weighted[] = {"data.dataset=folder", path, "layers.5.units=2", "data.val_split=0.1",
                              "loss={type: cross_entropy, class_weights: balanced}"};
    expect(s, weighted, 5, "labels", CNN_CHECK_FINE, "which class_weights make up for");
    make_uneven(s, 60);
    expect(s, overrides, 4, "labels", CNN_CHECK_WARNING,
           "of the training images are of one class, 'much'");
}

static void count_lines(void *context, const char *text)
{
    size_t *lines = context;
    ++*lines;
    assert_null(strstr(text, "time"));
}

static void test_start_of_a_run_tells_what_is_wrong_and_no_remarks(void **state)
{
    struct scratch *s = *state;
    static const char *const bad[] = {"data.limit=8", "data.val_split=0", "layers.5.init=zeros",
                                      "data.normalize=none", "train.batch_size=8"};
    cnn_train_options options = options_for(s, bad, 5);
    struct cnn_training t = {0};
    size_t lines = 0;
    assert_int_equal(cnn_training_prepare(&t, &options, s->diag), CNN_OK);
    cnn_check_quickly(&t, count_lines, &lines);
    assert_int_equal(lines, 1); /* the classes without images; not the zeros, and not the inputs */
    cnn_training_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quick_look_leaves_no_trace_in_the_steps_that_follow,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_everything_is_fine_when_it_is, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_inputs_are_judged_as_the_network_sees_them,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_constant_channels_are_named, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_first_loss_is_held_against_that_of_knowing_nothing,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_loss_that_is_no_number_makes_training_pointless,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_dead_layers_are_named, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_labels_are_counted, scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_uneven_classes_are_told_by_how_much, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_start_of_a_run_tells_what_is_wrong_and_no_remarks,
                                        scratch_setup, scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
