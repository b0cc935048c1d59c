/* The recipe that is proposed for a folder of images: its rules, and that what is written can be
 * read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "model/model.h"
#include "model/propose.h"
#include "pictures.h"
#include "scratch.h"
#include "util/arena.h"

/* A folder of two classes, divided evenly, of square pictures. */
static struct cnn_glance two_classes(size_t images, size_t side)
{
    static const char *names[] = {"cat", "dog"};
    static size_t counts[2];
    counts[0] = counts[1] = images / 2;
    return (struct cnn_glance){.classes = 2,
                               .class_names = names,
                               .class_images = counts,
                               .images = {images},
                               .width = side,
                               .height = side,
                               .side = side};
}

static struct cnn_proposal propose(struct cnn_glance glance)
{
    struct cnn_proposal proposal;
    cnn_propose(&glance, &proposal);
    return proposal;
}

/* The proposal as a model, read from its text. */
static cnn_model *build(const struct cnn_glance *glance, const char *name, const char *path)
{
    struct cnn_proposal proposal;
    struct cnn_text text = {0};
    cnn_model *model = NULL;
    cnn_diag *diag = cnn_diag_new();
    cnn_propose(glance, &proposal);
    assert_int_equal(cnn_proposal_write(&proposal, glance, name, path, &text, diag), CNN_OK);
    if (cnn_model_from_text("proposal.yaml", text.data, text.size, NULL, &model, diag) != CNN_OK) {
        const cnn_message *message = cnn_diag_get(diag, 0);
        fail_msg("%s\n%s", message ? message->text : "", text.data);
    }
    cnn_text_free(&text);
    cnn_diag_free(diag);
    return model;
}

static void test_network_when_images_are_few_or_many(void **state)
{
    (void)state;
    const struct cnn_proposal few = propose(two_classes(1998, 64)),
                              some = propose(two_classes(2000, 64)),
                              many = propose(two_classes(20000, 64));
    assert_int_equal(few.tier, CNN_TIER_SMALL);
    assert_int_equal(some.tier, CNN_TIER_MEDIUM);
    assert_int_equal(many.tier, CNN_TIER_LARGE);
    assert_true(few.filters < some.filters && some.filters < many.filters);
    assert_true(few.dropout > some.dropout && some.dropout > many.dropout);
    assert_true(few.batch < some.batch && some.batch < many.batch);
    assert_true(few.val_split == 0.2 && some.val_split == 0.1);
}

static void test_input_when_images_have_a_size(void **state)
{
    (void)state;
    static const size_t sides[][2] = {{5, 32},  {32, 32},  {47, 32},   {48, 48},   {64, 64},
                                      {95, 64}, {100, 96}, {128, 128}, {4000, 128}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++)
        assert_int_equal(propose(two_classes(500, sides[i][0])).side, sides[i][1]);
}

static void test_epochs_when_images_are_few_or_many(void **state)
{
    (void)state;
    assert_int_equal(propose(two_classes(10, 32)).epochs, 100);
    assert_int_equal(propose(two_classes(10000, 32)).epochs, 30);
    assert_int_equal(propose(two_classes(1000000, 32)).epochs, 15);
}

/* Three times as many are let pass, more are not. */
static void test_weights_when_classes_differ(void **state)
{
    (void)state;
    size_t counts[] = {100, 300, 200};
    const char *names[] = {"a", "b", "c"};
    struct cnn_glance glance = {
        .classes = 3, .class_names = names, .class_images = counts, .images = {600}, .side = 32};
    assert_false(propose(glance).balanced);
    counts[0] = 99;
    assert_true(propose(glance).balanced);
    cnn_model *model = build(&glance, "n", "p");
    assert_non_null(strstr(cnn_model_resolved(model), "class_weights: balanced"));
    cnn_model_free(model);
}

static void test_validation_when_the_folder_has_its_own(void **state)
{
    (void)state;
    struct cnn_glance glance = two_classes(500, 32);
    glance.images[CNN_SPLIT_VAL] = 50;
    assert_true(propose(glance).val_split == 0);
}

/* Every mixture of tier, size and colour is a description that can be read, whose map before global
 * pooling is neither a point nor large, and whose cost is bounded. */
static void test_description_when_read_back(void **state)
{
    (void)state;
    static const size_t images[] = {10, 3000, 50000}, sides[] = {32, 48, 64, 96, 128};
    for (size_t i = 0; i < 30; i++) {
        struct cnn_glance glance = two_classes(images[i % 3], sides[i / 3 % 5]);
        glance.grey = i >= 15;
        cnn_model *model = build(&glance, "n", "p");
        size_t macs = 0, last = 0;
        for (size_t k = 0; k < cnn_model_layers(model); k++) {
            cnn_layer_info info = {0};
            assert_int_equal(cnn_model_layer(model, k, &info, NULL), CNN_OK);
            macs += info.macs;
            last = strcmp(info.type, "conv") == 0 ? info.output.h : last;
            assert_null(info.warning);
        }
        assert_int_equal(cnn_model_input(model).c, glance.grey ? 1 : 3);
        assert_int_equal(cnn_model_outputs(model), 2);
        assert_in_range(last, 4, 15);
        assert_true(macs < 600000000);
        cnn_model_free(model);
    }
}

/* Names and paths are somebody's: none may end the text that it stands in. */
static void test_description_when_texts_are_odd(void **state)
{
    (void)state;
    static const char *const texts[] = {"it's",
                                        "a: b # c",
                                        "say \"x\"\\n",
                                        "true",
                                        "7",
                                        "{x}",
                                        "\xc3\xa9t\xc3\xa9 \xf0\x9f\x90\xb1",
                                        " x "};
    const struct cnn_glance glance = two_classes(500, 32);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        cnn_model *model = build(&glance, texts[i], texts[i]);
        assert_string_equal(cnn_model_name(model), texts[i]);
        assert_string_equal(model->data.path, texts[i]);
        cnn_model_free(model);
    }
    cnn_model *model = build(&glance, "n", "/tmp/two\nlines");
    assert_string_equal(model->data.path, "/tmp/two\nlines");
    cnn_model_free(model);
}

static void test_glance_when_files_differ(void **state)
{
    struct scratch *s = *state;
    static const int widths[3] = {20, 90, 70}, heights[3] = {60, 50, 80};
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_glance glance;
    for (size_t i = 0; i < 3; i++) {
        char name[32];
        snprintf(name, sizeof name, "%s/%zu.png", i < 2 ? "train/cat" : "train/dog", i);
        /* three equal channels are grey */
        picture_write_plain(scratch_path(s, name), widths[i], heights[i], i == 1 ? 3 : 1, 100);
    }
    picture_write_plain(scratch_path(s, "test/cat/x.png"), 9, 9, 1, 1);
    picture_write_plain(scratch_path(s, "test/dog/y.png"), 9, 9, 1, 1);
    assert_int_equal(cnn_glance_at(s->folder, arena, &glance, s->diag), CNN_OK);
    assert_int_equal(glance.classes, 2);
    assert_int_equal(glance.class_images[0], 2);
    assert_string_equal(glance.class_names[1], "dog");
    assert_int_equal(glance.images[CNN_SPLIT_TRAIN], 3);
    assert_int_equal(glance.images[CNN_SPLIT_VAL], 0);
    assert_int_equal(glance.images[CNN_SPLIT_TEST], 2);
    assert_int_equal(glance.width, 70);
    assert_int_equal(glance.height, 60);
    assert_int_equal(glance.side, 50);
    assert_true(glance.grey);

    static const uint8_t pixels[] = {7, 7, 7, 7, 8, 7};
    picture_write(scratch_path(s, "train/dog/3.png"), 2, 1, 3, pixels);
    assert_int_equal(cnn_glance_at(s->folder, arena, &glance, s->diag), CNN_OK);
    assert_false(glance.grey);
    cnn_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_when_images_are_few_or_many),
        cmocka_unit_test(test_input_when_images_have_a_size),
        cmocka_unit_test(test_epochs_when_images_are_few_or_many),
        cmocka_unit_test(test_weights_when_classes_differ),
        cmocka_unit_test(test_validation_when_the_folder_has_its_own),
        cmocka_unit_test(test_description_when_read_back),
        cmocka_unit_test(test_description_when_texts_are_odd),
        cmocka_unit_test_setup_teardown(test_glance_when_files_differ, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
