/* Every function of cnn.h, as a user of the library calls it: with what it wants, and with what it
 * cannot do anything with. This program is watched by AddressSanitizer in every build. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runs.h"

/* Memory that cannot be had is NULL here, too. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

enum { SIDE = 16, PIXELS = 3 * SIDE * SIDE, CLASSES = 10 };

static const char weightless[] =
    "name: odd\ninput: [3, 16, 16]\nlayers: [{type: flatten}, {type: dense, units: 10}]\n";

/* A model with random weights of the description tiny.yaml, in the test's folder. */
static cnn_model *open_tiny(struct scratch *s, bool shapes)
{
    static const char *const fixed[] = {"data.normalize={mean: [0.5, 0.5, 0.5], std: [1, 1, 1]}"};
    cnn_open_options options = {
        .untrained = true, .shapes = shapes, .overrides = fixed, .override_count = 1};
    cnn_model *model = NULL;
    runs_prepare((void **)&s);
    assert_int_equal(cnn_model_open(scratch_path(s, "tiny.yaml"), &options, &model, s->diag),
                     CNN_OK);
    return model;
}

/* CNN_INVALID with one message, and the same without a place for it. */
#define REFUSED(function, ...)                                                                     \
    do {                                                                                           \
        cnn_diag_clear(s->diag);                                                                   \
        assert_int_equal(function(__VA_ARGS__, s->diag), CNN_INVALID);                             \
        assert_int_equal(cnn_diag_count(s->diag), 1);                                              \
        assert_false(cnn_diag_get(s->diag, 0)->warning);                                           \
        assert_int_equal(function(__VA_ARGS__, NULL), CNN_INVALID);                                \
        cnn_diag_clear(s->diag);                                                                   \
    } while (0)

#define DONE(function, ...) assert_int_equal(function(__VA_ARGS__, s->diag), CNN_OK)

static char *read_whole(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    assert_non_null(file);
    assert_non_null(text);
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    return text;
}

static void test_this_program_calls_every_function(void **state)
{
    (void)state;
    char *map = read_whole("src/libcnn.map"), *own = read_whole("tests/test_api.c");
    size_t count = 0;
    for (char *at = strstr(map, "    cnn_"); at; at = strstr(at, "    cnn_")) {
        char name[80], call[90], macro[90];
        at += 4;
        assert_int_equal(sscanf(at, "%70[a-z0-9_]", name), 1);
        snprintf(call, sizeof call, "%s(", name);
        snprintf(macro, sizeof macro, "(%s, ", name);
        if (!strstr(own, call) && !strstr(own, macro))
            fail_msg("%s is in src/libcnn.map and is not called here", name);
        count++;
    }
    assert_true(count > 80);
    free(map);
    free(own);
}

static void test_messages(void **state)
{
    struct scratch *s = *state;
    cnn_message bare = {0};
    cnn_model *model = NULL;
    assert_int_equal(cnn_model_open("no/such/file.yaml", NULL, &model, s->diag), CNN_FAILED);
    assert_null(model);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    assert_null(cnn_diag_get(s->diag, 1));
    assert_null(cnn_diag_get(s->diag, SIZE_MAX));
    assert_int_equal(cnn_diag_dropped(s->diag), 0);
    assert_false(cnn_diag_out_of_memory(s->diag));
    char *text = cnn_message_format(cnn_diag_get(s->diag, 0), "prog");
    assert_int_equal(strncmp(text, "prog: error: cannot read no/such/file.yaml", 42), 0);
    cnn_free(text);
    text = cnn_message_format(&bare, NULL);
    assert_string_equal(text, "cnn: error: \n");
    cnn_free(text);
    assert_null(cnn_message_format(NULL, "prog"));
    assert_null(cnn_diag_get(NULL, 0));
    assert_int_equal(cnn_diag_count(NULL), 0);
    assert_int_equal(cnn_diag_dropped(NULL), 0);
    assert_false(cnn_diag_out_of_memory(NULL));
    cnn_diag_clear(NULL);
    cnn_diag_free(NULL);
    cnn_diag *own = cnn_diag_new();
    assert_int_equal(cnn_diag_count(own), 0);
    cnn_diag_free(own);
}

static void test_allocator(void **state)
{
    (void)state;
    assert_true(cnn_set_allocator(NULL)); /* test_allocate.c has one */
    assert_false(cnn_set_allocator(&(cnn_allocator){0}));
    cnn_free(NULL);
}

static void test_words_and_settings(void **state)
{
    struct scratch *s = *state;
    uint32_t code = 0;
    assert_string_equal(cnn_version(), CNN_VERSION);
    assert_int_equal(cnn_character("\xC3\xA9", &code), 2);
    assert_int_equal(code, 0xE9);
    assert_int_equal(cnn_character("\xC3", &code), 0);
    assert_int_equal(cnn_character(NULL, &code) + cnn_character("a", NULL), 0);
    assert_true(cnn_character_shown('a'));
    assert_false(cnn_character_shown(0x1B));
    assert_int_equal(cnn_text_columns("a\xED\x95\x9C"), 3);
    assert_int_equal(cnn_text_columns(NULL), 0);
    char *word = cnn_shell_word("-a b");
    assert_string_equal(word, "'./-a b'");
    cnn_free(word);
    assert_null(cnn_shell_word(NULL));
    scratch_write(s, "kitten.yaml", "x", 1);
    char *near = cnn_nearest_path(scratch_path(s, "kiten.yaml"));
    assert_non_null(strstr(near, "/kitten.yaml"));
    cnn_free(near);
    assert_null(cnn_nearest_path(NULL));
    cnn_set_program("build/cnn");
    assert_string_equal(cnn_program(), "build/cnn");
    cnn_set_program(NULL);
    assert_string_equal(cnn_program(), "cnn");
    REFUSED(cnn_set_language, "fr");
    assert_int_equal(cnn_set_language("ko", NULL), CNN_OK);
    assert_int_equal(cnn_set_language(NULL, NULL), CNN_OK);
    cnn_set_threads(INT_MAX);
    assert_true(cnn_threads() > 0);
    cnn_set_threads(INT_MIN);
    assert_true(cnn_threads() > 0);
    assert_non_null(cnn_instruction_set());
    assert_int_equal(cnn_check_environment(s->diag), CNN_OK);
    assert_int_equal(cnn_check_environment(NULL), CNN_OK);
    const char *shipped = cnn_default_model();
    assert_true(!shipped || strstr(shipped, ".safetensors"));
}

static void test_reference(void **state)
{
    (void)state;
    size_t count = cnn_reference_sections();
    assert_true(count > 20);
    for (size_t i = 0; i < count; i++) {
        cnn_section_info section = cnn_reference_section(i);
        assert_non_null(section.name);
        for (size_t k = 0; k < section.keys; k++)
            assert_non_null(cnn_reference_key(i, k).name);
        assert_null(cnn_reference_key(i, section.keys).name);
        assert_null(cnn_reference_key(i, SIZE_MAX).name);
    }
    assert_null(cnn_reference_section(count).name);
    assert_null(cnn_reference_section(SIZE_MAX).name);
    assert_null(cnn_reference_key(SIZE_MAX, 0).name);
    assert_string_equal(cnn_reference_word("learning_rate"), "lr");
    assert_null(cnn_reference_word("no such word"));
    assert_null(cnn_reference_word(NULL));
}

static void test_names_of_kinds(void **state)
{
    struct scratch *s = *state;
    cnn_tta tta = CNN_TTA_SHIFT;
    for (int i = 0; i < CNN_PICTURE_KINDS; i++) {
        assert_non_null(cnn_picture_kind_name((cnn_picture_kind)i));
        assert_non_null(cnn_picture_kind_help((cnn_picture_kind)i));
    }
    assert_null(cnn_picture_kind_name(CNN_PICTURE_KINDS));
    assert_null(cnn_picture_kind_help((cnn_picture_kind)-1));
    assert_string_equal(cnn_tta_name(CNN_TTA_FLIP), "flip");
    assert_null(cnn_tta_name((cnn_tta)3));
    assert_null(cnn_tta_name((cnn_tta)-1));
    DONE(cnn_tta_find, NULL, &tta);
    assert_int_equal(tta, CNN_TTA_NONE);
    REFUSED(cnn_tta_find, "flop", &tta);
    REFUSED(cnn_tta_find, "flip", NULL);
    assert_true(cnn_image_readable("a/b.PNG"));
    assert_false(cnn_image_readable("a/b.gif") || cnn_image_readable(NULL));
    assert_non_null(strstr(cnn_image_endings(), ".bmp"));
    assert_non_null(strstr(cnn_image_kinds(), "BMP"));
    assert_non_null(strstr(cnn_image_conversion("a.gif"), "convert"));
    assert_null(cnn_image_conversion("a.png"));
    assert_null(cnn_image_conversion(NULL));
}

static void test_what_a_model_is(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false);
    cnn_layer_info layer = {0};
    cnn_memory memory;
    size_t found = 99;
    assert_string_equal(cnn_model_name(model), "tiny");
    assert_non_null(strstr(cnn_model_source(model), "tiny.yaml"));
    assert_false(cnn_model_trained(model));
    assert_false(cnn_model_pixels_guessed(model));
    assert_int_equal(cnn_model_input(model).c, 3);
    assert_int_equal(cnn_model_output(model).c, CLASSES);
    assert_int_equal(cnn_model_outputs(model), CLASSES);
    assert_string_equal(cnn_model_class(model, 9), "9");
    assert_null(cnn_model_class(model, 10));
    assert_null(cnn_model_class(model, 99));
    assert_null(cnn_model_class(model, SIZE_MAX));
    assert_non_null(strstr(cnn_model_resolved(model), "layers:"));
    assert_int_equal(cnn_model_layers(model), 6);
    DONE(cnn_model_layer, model, 5, &layer);
    assert_int_equal(layer.params, 4 * 4 * 4 * 10 + 10);
    REFUSED(cnn_model_layer, model, 6, &layer);
    REFUSED(cnn_model_layer, model, SIZE_MAX, &layer);
    REFUSED(cnn_model_layer, model, 0, NULL);
    REFUSED(cnn_model_layer, NULL, 0, &layer);
    DONE(cnn_model_find_layer, model, "dense1", &found);
    assert_int_equal(found, 5);
    REFUSED(cnn_model_find_layer, model, "dense", &found);
    REFUSED(cnn_model_find_layer, model, NULL, &found);
    REFUSED(cnn_model_find_layer, model, "dense1", NULL);
    REFUSED(cnn_model_find_layer, NULL, "dense1", &found);
    DONE(cnn_model_memory, model, 4, &memory);
    assert_true(memory.inference > 0);
    REFUSED(cnn_model_memory, model, 0, &memory);
    REFUSED(cnn_model_memory, model, 1, NULL);
    REFUSED(cnn_model_memory, NULL, 1, &memory);
    assert_int_not_equal(cnn_model_memory(model, SIZE_MAX, &memory, NULL), CNN_OK);
    cnn_model_free(model);
}

static void test_no_model(void **state)
{
    (void)state;
    assert_null(cnn_model_name(NULL));
    assert_null(cnn_model_source(NULL));
    assert_null(cnn_model_resolved(NULL));
    assert_null(cnn_model_compact(NULL));
    assert_null(cnn_model_class(NULL, 0));
    assert_false(cnn_model_trained(NULL));
    assert_int_equal(cnn_model_input(NULL).rank, 0);
    assert_int_equal(cnn_model_output(NULL).c, 0);
    assert_int_equal(cnn_model_outputs(NULL) + cnn_model_layers(NULL) + cnn_model_tensors(NULL), 0);
    assert_null(cnn_model_tensor(NULL, 0).name);
    cnn_model_free(NULL);
}

static void test_opening(void **state)
{
    struct scratch *s = *state;
    static const char *const missing[] = {"name=other", NULL};
    cnn_open_options options = {0};
    cnn_model *model = NULL;
    const char *path = scratch_write(s, "odd.yaml", weightless, sizeof weightless - 1);
    REFUSED(cnn_model_open, NULL, NULL, &model);
    REFUSED(cnn_model_open, path, NULL, NULL);
    REFUSED(cnn_model_open, path, &options, &model); /* no weights */
    options = (cnn_open_options){.untrained = true, .override_count = 1};
    REFUSED(cnn_model_open, path, &options, &model);
    options = (cnn_open_options){.untrained = true, .overrides = missing, .override_count = 2};
    REFUSED(cnn_model_open, path, &options, &model);
    assert_null(model);
    options.override_count = 1;
    DONE(cnn_model_open, path, &options, &model);
    assert_string_equal(cnn_model_name(model), "other");
    cnn_model_free(model);
}

static void test_memory(void **state)
{
    struct scratch *s = *state;
    cnn_open_options options = {.untrained = true};
    cnn_model *model = NULL;
    const uint8_t grey[1] = {0};
    cnn_pixels pixels = {.data = grey, .width = 1, .height = 1, .order = CNN_PIXELS_GREY};
    static float out[PIXELS];
    DONE(cnn_model_open_memory, weightless, sizeof weightless - 1, NULL, &options, &model);
    REFUSED(cnn_model_open_memory, weightless, sizeof weightless - 1, NULL, NULL, &model);
    REFUSED(cnn_model_open_memory, NULL, 0, "x", &options, &model);
    REFUSED(cnn_model_open_memory, weightless, 0, "x", &options, &model);
    REFUSED(cnn_model_open_memory, weightless, 10, "x", &options, NULL);
    options.override_count = 1;
    REFUSED(cnn_model_open_memory, weightless, 10, "x", &options, &model);
    DONE(cnn_model_load_pixels, model, &pixels, out);
    REFUSED(cnn_model_load_pixels, NULL, &pixels, out);
    REFUSED(cnn_model_load_pixels, model, NULL, out);
    REFUSED(cnn_model_load_pixels, model, &pixels, NULL);
    REFUSED(cnn_model_decode_image, NULL, grey, 1, "x", out);
    REFUSED(cnn_model_decode_image, model, NULL, 1, "x", out);
    REFUSED(cnn_model_decode_image, model, grey, 1, "x", NULL);
    assert_int_equal(cnn_model_decode_image(model, grey, 1, NULL, out, NULL), CNN_FAILED);
    cnn_model_free(model);
}

static void test_tensors(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    size_t count = cnn_model_tensors(model);
    cnn_tensor_info info = cnn_model_tensor(model, count - 1);
    float values[4 * 4 * 4 * 10];
    assert_string_equal(info.name, "dense1.bias");
    assert_int_equal(info.count, CLASSES);
    assert_null(cnn_model_tensor(model, count).name);
    assert_null(cnn_model_tensor(model, SIZE_MAX).name);
    for (size_t i = 0; i < CLASSES; i++)
        values[i] = (float)i;
    assert_int_equal(cnn_model_tensor_set(model, count - 1, values, NULL), CNN_OK);
    values[9] = 0;
    assert_int_equal(cnn_model_tensor_get(model, count - 1, values, NULL), CNN_OK);
    assert_true(values[9] == 9);
    REFUSED(cnn_model_tensor_get, model, count, values);
    REFUSED(cnn_model_tensor_get, model, 0, NULL);
    REFUSED(cnn_model_tensor_get, NULL, 0, values);
    REFUSED(cnn_model_tensor_get, shapes, 0, values);
    REFUSED(cnn_model_tensor_set, model, SIZE_MAX, values);
    REFUSED(cnn_model_tensor_set, model, 0, NULL);
    REFUSED(cnn_model_tensor_set, NULL, 0, values);
    REFUSED(cnn_model_tensor_set, shapes, 0, values);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_checkpoints(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    cnn_checkpoint_info *info = NULL;
    const char *path = scratch_path(s, "a.safetensors");
    DONE(cnn_model_write, model, path);
    DONE(cnn_checkpoint_verify, path, &info);
    assert_string_equal(info->network, "tiny");
    cnn_checkpoint_info_free(info);
    cnn_checkpoint_info_free(NULL);
    REFUSED(cnn_model_write, model, NULL);
    REFUSED(cnn_model_write, NULL, path);
    REFUSED(cnn_model_write, shapes, path);
    REFUSED(cnn_checkpoint_verify, NULL, &info);
    REFUSED(cnn_checkpoint_verify, path, NULL);
    DONE(cnn_output_check, path, CNN_OUTPUT_CHECKPOINT, NULL);
    REFUSED(cnn_output_check, NULL, CNN_OUTPUT_PAGE, NULL);
    REFUSED(cnn_output_check, "x.png", (cnn_output)(CNN_OUTPUT_SCRIPT + 1), NULL);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_running(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    static float images[2 * PIXELS];
    float output[2 * CLASSES], p[2 * CLASSES];
    cnn_prediction best[20];
    size_t written = 7;
    DONE(cnn_model_run, model, images, 2, output);
    DONE(cnn_model_run, model, NULL, 0, NULL);
    REFUSED(cnn_model_run, model, NULL, 1, output);
    REFUSED(cnn_model_run, model, images, 1, NULL);
    REFUSED(cnn_model_run, NULL, images, 1, output);
    REFUSED(cnn_model_run, shapes, images, 1, output);
    DONE(cnn_model_run_tta, model, CNN_TTA_SHIFT, images, 2, output);
    REFUSED(cnn_model_run_tta, model, (cnn_tta)3, images, 2, output);
    REFUSED(cnn_model_run_tta, model, (cnn_tta)-1, images, 2, output);
    REFUSED(cnn_model_run_tta, NULL, CNN_TTA_FLIP, images, 2, output);
    DONE(cnn_tta_check, model, CNN_TTA_FLIP);
    REFUSED(cnn_tta_check, model, (cnn_tta)77);
    REFUSED(cnn_tta_check, NULL, CNN_TTA_FLIP);
    cnn_model_probabilities(model, output, 2, p);
    cnn_model_probabilities(NULL, output, 2, p);
    cnn_model_probabilities(model, NULL, 2, p);
    cnn_model_probabilities(model, output, 2, NULL);
    cnn_model_top(model, p, 20, best, &written);
    assert_int_equal(written, CLASSES);
    cnn_model_top(NULL, p, 3, best, &written);
    assert_int_equal(written, 0);
    cnn_model_top(model, p, 3, NULL, &written);
    cnn_model_top(model, NULL, 3, best, &written);
    cnn_model_top(model, p, 3, best, NULL);
    assert_int_equal(written, 0);
    DONE(cnn_model_check_answer, model, "x", images, output);
    REFUSED(cnn_model_check_answer, model, NULL, images, output);
    DONE(cnn_model_check_answer, model, "x", NULL, output);
    REFUSED(cnn_model_check_answer, model, "x", images, NULL);
    REFUSED(cnn_model_check_answer, NULL, "x", images, output);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_pictures_of(cnn_runner *runner, struct scratch *s)
{
    const char *paths[] = {scratch_path(s, "none.png"), NULL};
    const cnn_pixels pixels = {.data = (const uint8_t *)"0123", .width = 1, .height = 1}, no = {0};
    cnn_status one = CNN_OK;
    float output[CLASSES];
    DONE(cnn_runner_read, runner, paths, 1, &one, NULL);
    assert_int_equal(one, CNN_FAILED);
    DONE(cnn_runner_read, runner, NULL, 0, NULL, NULL);
    REFUSED(cnn_runner_read, NULL, paths, 1, &one, NULL);
    REFUSED(cnn_runner_read, runner, NULL, 1, &one, NULL);
    REFUSED(cnn_runner_read, runner, paths + 1, 1, &one, NULL);
    REFUSED(cnn_runner_read, runner, paths, 1, NULL, NULL);
    REFUSED(cnn_runner_read, runner, (const char *[]){paths[0], paths[0]}, 2, &one, NULL);
    DONE(cnn_runner_put, runner, 0, &pixels);
    REFUSED(cnn_runner_put, runner, 1, &pixels);
    REFUSED(cnn_runner_put, NULL, 0, &pixels);
    REFUSED(cnn_runner_put, runner, 0, NULL);
    REFUSED(cnn_runner_put, runner, 0, &no);
    DONE(cnn_runner_answer, runner, 1, output);
    DONE(cnn_runner_answer, runner, 0, NULL);
    REFUSED(cnn_runner_answer, NULL, 1, output);
    REFUSED(cnn_runner_answer, runner, 1, NULL);
    REFUSED(cnn_runner_answer, runner, 2, output);
}

static void test_runners(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    static float images[PIXELS];
    float output[CLASSES];
    cnn_runner_options options = {0};
    cnn_runner *runner = NULL;
    DONE(cnn_runner_new, model, &options, &runner);
    DONE(cnn_runner_run, runner, images, 1, output);
    DONE(cnn_runner_run, runner, NULL, 0, NULL);
    REFUSED(cnn_runner_run, NULL, images, 1, output);
    REFUSED(cnn_runner_run, runner, NULL, 1, output);
    REFUSED(cnn_runner_run, runner, images, 1, NULL);
    test_pictures_of(runner, s);
    cnn_runner_free(runner);
    cnn_runner_free(NULL);
    REFUSED(cnn_runner_new, NULL, &options, &runner);
    REFUSED(cnn_runner_new, model, &options, NULL);
    REFUSED(cnn_runner_new, shapes, &options, &runner);
    options.tta = (cnn_tta)3;
    REFUSED(cnn_runner_new, model, &options, &runner);
    options = (cnn_runner_options){.batch = SIZE_MAX};
    assert_int_not_equal(cnn_runner_new(model, &options, &runner, NULL), CNN_OK);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

/* A file of one image of the network's size, for a test's model. */
static const char *write_npy(struct scratch *s, const char *name)
{
    static float values[PIXELS];
    const size_t dims[3] = {3, SIDE, SIDE};
    const char *path = scratch_path(s, name);
    DONE(cnn_npy_write, path, values, dims, 3);
    return path;
}

static void test_inputs(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false);
    static float pixels[PIXELS];
    float *images = NULL;
    cnn_prediction best[3];
    size_t count = 0;
    const char *path = write_npy(s, "x.npy");
    const size_t dims[1] = {1}, huge[2] = {SIZE_MAX, 2};
    DONE(cnn_model_load_input, model, path, pixels);
    DONE(cnn_model_read_npy, model, path, &images, &count);
    assert_int_equal(count, 1);
    cnn_free(images);
    REFUSED(cnn_npy_write, NULL, pixels, dims, 1);
    REFUSED(cnn_npy_write, path, NULL, dims, 1);
    REFUSED(cnn_npy_write, path, pixels, NULL, 1);
    REFUSED(cnn_npy_write, path, pixels, huge, 2);
    REFUSED(cnn_model_read_npy, NULL, path, &images, &count);
    REFUSED(cnn_model_read_npy, model, NULL, &images, &count);
    REFUSED(cnn_model_read_npy, model, path, NULL, &count);
    REFUSED(cnn_model_read_npy, model, path, &images, NULL);
    REFUSED(cnn_model_load_input, model, path, NULL);
    REFUSED(cnn_model_load_input, model, NULL, pixels);
    REFUSED(cnn_model_load_input, NULL, path, pixels);
    REFUSED(cnn_model_load_image, model, path, NULL);
    REFUSED(cnn_model_load_image, model, NULL, pixels);
    REFUSED(cnn_model_load_image, NULL, path, pixels);
    assert_int_equal(cnn_model_load_image(model, path, pixels, NULL), CNN_FAILED);
    assert_int_equal(cnn_model_predict(model, path, 3, best, &count, NULL), CNN_FAILED);
    REFUSED(cnn_model_predict, model, NULL, 3, best, &count);
    REFUSED(cnn_model_predict, model, path, 3, NULL, &count);
    REFUSED(cnn_model_predict, model, path, 3, best, NULL);
    REFUSED(cnn_model_predict, NULL, path, 3, best, &count);
    cnn_model_free(model);
}

static void test_an_inspector_answers_for_the_last_image(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    static float image[PIXELS], values[4 * SIDE * SIDE], wanted[4 * SIDE * SIDE];
    const cnn_explain_options first = {0}, wrong = {.layer = 6};
    cnn_inspector *inspector = NULL;
    cnn_explanation *e = NULL, *fresh = NULL;
    REFUSED(cnn_inspector_new, NULL, &inspector);
    REFUSED(cnn_inspector_new, model, NULL);
    REFUSED(cnn_inspector_new, shapes, &inspector);
    assert_null(inspector);
    DONE(cnn_inspector_new, model, &inspector);
    REFUSED(cnn_inspector_get, inspector, 0, values);
    REFUSED(cnn_inspector_explain, inspector, &first, &e);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < PIXELS; i++)
            image[i] = (float)((int)(i * 37 % 101) - 50 * round) / 64;
        DONE(cnn_inspector_run, inspector, image);
        DONE(cnn_inspector_get, inspector, 0, values);
        DONE(cnn_model_activation, model, image, 0, wanted);
        assert_memory_equal(values, wanted, sizeof values);
        DONE(cnn_inspector_explain, inspector, &first, &e);
        DONE(cnn_explain, model, image, &first, &fresh);
        assert_string_equal(e->text, fresh->text);
        cnn_explanation_free(e);
        cnn_explanation_free(fresh);
    }
    REFUSED(cnn_inspector_run, NULL, image);
    REFUSED(cnn_inspector_run, inspector, NULL);
    REFUSED(cnn_inspector_get, NULL, 0, values);
    REFUSED(cnn_inspector_get, inspector, 6, values);
    REFUSED(cnn_inspector_get, inspector, 0, NULL);
    REFUSED(cnn_inspector_explain, NULL, &first, &e);
    REFUSED(cnn_inspector_explain, inspector, &first, NULL);
    REFUSED(cnn_inspector_explain, inspector, &wrong, &e);
    cnn_inspector_free(inspector);
    cnn_inspector_free(NULL);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_looking_inside(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    static float image[PIXELS], values[4 * SIDE * SIDE];
    cnn_explanation *e = NULL;
    cnn_explain_options o;
    DONE(cnn_model_activation, model, image, 0, values);
    REFUSED(cnn_model_activation, model, image, 6, values);
    REFUSED(cnn_model_activation, model, NULL, 0, values);
    REFUSED(cnn_model_activation, model, image, 0, NULL);
    REFUSED(cnn_model_activation, NULL, image, 0, values);
    REFUSED(cnn_model_activation, shapes, image, 0, values);
    static float one[4 * SIDE * SIDE];
    float *all[6] = {one};
    DONE(cnn_model_activations, model, image, all);
    assert_memory_equal(one, values, sizeof one);
    REFUSED(cnn_model_activations, model, NULL, all);
    REFUSED(cnn_model_activations, model, image, NULL);
    REFUSED(cnn_model_activations, NULL, image, all);
    REFUSED(cnn_model_activations, shapes, image, all);
    for (size_t i = 0; i < 6; i++) {
        o = (cnn_explain_options){.layer = i};
        DONE(cnn_explain, model, image, &o, &e);
        assert_non_null(strchr(e->text, '\n'));
        cnn_explanation_free(e);
        o = (cnn_explain_options){.layer = i, .channel = 99999};
        REFUSED(cnn_explain, model, image, &o, &e);
        o = (cnn_explain_options){.layer = i, .row = SIZE_MAX};
        REFUSED(cnn_explain, model, image, &o, &e);
        o = (cnn_explain_options){.layer = i, .column = 99};
        REFUSED(cnn_explain, model, image, &o, &e);
        o = (cnn_explain_options){.layer = i, .has_input_channel = true, .input_channel = 99999};
        REFUSED(cnn_explain, model, image, &o, &e);
    }
    o = (cnn_explain_options){.layer = 6};
    REFUSED(cnn_explain, model, image, &o, &e);
    o.layer = 0;
    REFUSED(cnn_explain, model, NULL, &o, &e);
    cnn_explanation_free(NULL);
    REFUSED(cnn_explain, model, image, &o, NULL);
    REFUSED(cnn_explain, NULL, image, &o, &e);
    REFUSED(cnn_explain, shapes, image, &o, &e);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_pictures(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    static const char *const missing[] = {NULL};
    char input[256];
    snprintf(input, sizeof input, "%s", write_npy(s, "x.npy"));
    cnn_visualize_options o = {.directory = s->folder};
    DONE(cnn_visualize, model, input, &o);
    assert_true(scratch_count(s) > 5);
    REFUSED(cnn_visualize, model, NULL, &o);
    REFUSED(cnn_visualize, NULL, input, &o);
    REFUSED(cnn_visualize, shapes, input, &o);
    o.layer_count = 1;
    REFUSED(cnn_visualize, model, input, &o);
    o.layers = missing;
    REFUSED(cnn_visualize, model, input, &o);
    o = (cnn_visualize_options){.directory = s->folder, .kinds = UINT_MAX};
    REFUSED(cnn_visualize, model, input, &o);
    o = (cnn_visualize_options){.directory = s->folder, .palette = (cnn_palette)4};
    REFUSED(cnn_visualize, model, input, &o);
    o = (cnn_visualize_options){.directory = s->folder, .has_channel = true};
    REFUSED(cnn_visualize, model, input, &o);
    o = (cnn_visualize_options){.directory = s->folder, .label = "99"};
    REFUSED(cnn_visualize, model, input, &o);
    o = (cnn_visualize_options){.directory = s->folder, .pixels = &(cnn_pixels){0}};
    REFUSED(cnn_visualize, model, input, &o);
    cnn_data_image *stored = NULL;
    assert_true(cnn_data_image_named("shapes:test:2"));
    DONE(cnn_data_image_open, "shapes:test:2", &stored);
    assert_int_equal(stored->label, 2);
    cnn_data_image_free(stored);
    cnn_data_image_free(NULL);
    REFUSED(cnn_data_image_open, NULL, &stored);
    REFUSED(cnn_data_image_open, "shapes:test:2", NULL);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_gradients_are_explained(void **state)
{
    struct scratch *s = *state;
    static const char *const places[] = {"input:0,0,0", NULL};
    float image[PIXELS] = {0};
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    cnn_gradient_options o = {.label = "3", .places = places, .place_count = 1};
    cnn_gradient_explanation *e = NULL;
    DONE(cnn_explain_gradient, model, image, &o, &e);
    assert_true(e->count == 1 && e->loss > 0 && isfinite(e->next_loss));
    cnn_gradient_explanation_free(e);
    e = NULL;
    REFUSED(cnn_explain_gradient, shapes, image, &o, &e);
    REFUSED(cnn_explain_gradient, NULL, image, &o, &e);
    REFUSED(cnn_explain_gradient, model, NULL, &o, &e);
    REFUSED(cnn_explain_gradient, model, image, NULL, &e);
    REFUSED(cnn_explain_gradient, model, image, &o, NULL);
    o.place_count = 2;
    REFUSED(cnn_explain_gradient, model, image, &o, &e);
    o.places = NULL;
    REFUSED(cnn_explain_gradient, model, image, &o, &e);
    o = (cnn_gradient_options){.version = 99, .label = "3"};
    REFUSED(cnn_explain_gradient, model, image, &o, &e);
    o = (cnn_gradient_options){.label = NULL};
    REFUSED(cnn_explain_gradient, model, image, &o, &e);
    assert_null(e);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_similar_pictures_are_found(void **state)
{
    struct scratch *s = *state;
    static const char *const missing[] = {NULL};
    float image[PIXELS] = {0};
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    cnn_similar_options o = {.top = 3};
    cnn_similar *similar = NULL;
    DONE(cnn_find_similar, model, image, &o, &similar);
    assert_true(similar->count == 3 && similar->images[0].similarity <= 1 + 1e-9);
    cnn_similar_free(similar);
    similar = NULL;
    REFUSED(cnn_find_similar, shapes, image, &o, &similar);
    REFUSED(cnn_find_similar, NULL, image, &o, &similar);
    REFUSED(cnn_find_similar, model, NULL, &o, &similar);
    REFUSED(cnn_find_similar, model, image, &o, NULL);
    o.path_count = 1;
    REFUSED(cnn_find_similar, model, image, &o, &similar);
    o.paths = missing;
    REFUSED(cnn_find_similar, model, image, &o, &similar);
    o = (cnn_similar_options){.version = 99};
    REFUSED(cnn_find_similar, model, image, &o, &similar);
    assert_null(similar);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static int stop_at_once(void *context, size_t images, size_t total)
{
    size_t *calls = context;
    assert_true(++*calls == 1 && images <= total);
    return 7;
}

static int raise_flag(void *context, size_t images, size_t total)
{
    cnn_flag_raise(context);
    return images > total;
}

static void test_stopping(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *quantized = NULL;
    cnn_flag flag = {0};
    size_t calls = 0;
    cnn_evaluate_options o = {.split = "val", .progress = stop_at_once, .context = &calls};
    cnn_quantize_options q = {.progress = stop_at_once, .context = &calls};
    cnn_evaluation *e = NULL;
    cnn_comparison c = {0};
    assert_int_equal(cnn_evaluate(model, &o, &e, s->diag), CNN_INTERRUPTED);
    calls = 0;
    assert_int_equal(cnn_compare(model, model, &o, &c, NULL), CNN_INTERRUPTED);
    calls = 0;
    assert_int_equal(cnn_quantize(model, &q, &quantized, s->diag), CNN_INTERRUPTED);
    q = (cnn_quantize_options){.progress = raise_flag, .context = &flag, .stop = &flag};
    assert_int_equal(cnn_quantize(model, &q, &quantized, NULL), CNN_INTERRUPTED);
    assert_true(cnn_flag_raised(&flag));
    o = (cnn_evaluate_options){.split = "val", .stop = &flag};
    assert_int_equal(cnn_evaluate(model, &o, &e, NULL), CNN_INTERRUPTED);
    assert_true(cnn_flag_lower(&flag));
    assert_false(cnn_flag_lower(&flag) || cnn_flag_raised(&flag));
    assert_false(cnn_flag_lower(NULL) || cnn_flag_raised(NULL));
    cnn_flag_raise(NULL);
    DONE(cnn_evaluate, model, &o, &e);
    cnn_evaluation_free(e);
    assert_null(quantized);
    cnn_model_free(model);
}

static void test_import_wants_files_and_options_that_fit(void **state)
{
    struct scratch *s = *state;
    cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
    cnn_import_info info = {0};
    cnn_model *model = NULL;
    const char *paths[17] = {"a.onnx", NULL};
    REFUSED(cnn_import, NULL, 1, &o, &model, &info);
    REFUSED(cnn_import, paths, 0, &o, &model, &info);
    REFUSED(cnn_import, paths, 2, &o, &model, &info);
    REFUSED(cnn_import, paths, 1, &o, NULL, &info);
    o.class_count = 1;
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    o = (cnn_import_options){.input = {3, 3, 0, 5}};
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    o = (cnn_import_options){.version = CNN_IMPORT_OPTIONS_VERSION + 1};
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    paths[0] = scratch_write(s, "a.onnx", "no", 2);
    assert_int_equal(cnn_import(paths, 1, NULL, &model, NULL, NULL), CNN_FAILED);
    for (size_t i = 1; i < 17; i++)
        paths[i] = paths[0];
    REFUSED(cnn_import, paths, 2, NULL, &model, &info);
    REFUSED(cnn_import, paths, 17, NULL, &model, &info);
    o = (cnn_import_options){.channels = CNN_CHANNELS_BGR};
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    o = (cnn_import_options){.darknet = CNN_DARKNET_PJREDDIE};
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    o = (cnn_import_options){.as = "net.yaml"};
    REFUSED(cnn_import, paths, 1, &o, &model, &info);
    assert_null(model);
}

static void test_export_wants_a_model_a_place_and_a_format_that_there_is(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *bare = open_tiny(s, true);
    const cnn_export_format *format = NULL;
    cnn_export_info info = {0};
    cnn_export_options o = CNN_EXPORT_OPTIONS_INIT;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path(s, "a.onnx"));
    DONE(cnn_export_find, NULL, &format);
    assert_string_equal(format->name, "onnx");
    assert_null(cnn_export_format_at(cnn_export_formats()));
    REFUSED(cnn_export_find, "onnx", NULL);
    REFUSED(cnn_export_find, "", &format);
    REFUSED(cnn_export, NULL, path, &o, &info);
    REFUSED(cnn_export, model, NULL, &o, &info);
    REFUSED(cnn_export, bare, path, &o, &info);
    o.format = "caffe";
    REFUSED(cnn_export, model, path, &o, &info);
    o = (cnn_export_options){.version = CNN_EXPORT_OPTIONS_VERSION + 1};
    REFUSED(cnn_export, model, path, &o, &info);
    o = (cnn_export_options){.normalize = true};
    DONE(cnn_export, model, path, &o, &info);
    assert_true(info.compared > 0 && info.bytes > 1000);
    DONE(cnn_export, model, path, NULL, NULL);
    cnn_model_free(bare);
    cnn_model_free(model);
}

/* A struct of options that a later version of the library has is refused; the first version, and
 * no version, are taken. */
static void test_a_process_that_is_alone_has_no_cluster(void **state)
{
    struct scratch *s = *state;
    cnn_cluster *cluster = (cnn_cluster *)s;
    REFUSED(cnn_cluster_join, NULL);
    DONE(cnn_cluster_join, &cluster);
    assert_null(cluster);
    assert_int_equal(cnn_cluster_rank(NULL), 0);
    assert_int_equal(cnn_cluster_ranks(NULL), 1);
    assert_int_equal(cnn_cluster_threads(NULL), cnn_threads());
    assert_true(cnn_cluster_speaks(NULL));
    assert_int_equal(cnn_cluster_agree(NULL, NULL, NULL), CNN_OK);
    cnn_cluster_leave(NULL, CNN_FAILED);
    cnn_cluster_leave_together(NULL, CNN_FAILED);
    size_t rank = 9, ranks = 9;
    assert_null(cnn_cluster_launcher(&rank, &ranks));
    assert_int_equal(rank, 0);
    assert_int_equal(ranks, 1);
    setenv("OMPI_COMM_WORLD_SIZE", "1", 1);
    DONE(cnn_cluster_join, &cluster);
    assert_null(cluster);
    setenv("OMPI_COMM_WORLD_SIZE", "3", 1);
    setenv("CNN_RANK_TIMEOUT", "0.5", 1);
    REFUSED(cnn_cluster_join, &cluster);
    unsetenv("CNN_RANK_TIMEOUT");
    unsetenv("OMPI_COMM_WORLD_SIZE");
}

static void test_processes_of_srun_need_its_help_to_find_each_other(void **state)
{
    struct scratch *s = *state;
    cnn_cluster *cluster;
    setenv("SLURM_STEP_NUM_TASKS", "4", 1);
    setenv("SLURM_PROCID", "0", 1);
    scratch_expect(s, cnn_cluster_join(&cluster, s->diag),
                   "srun has started 4 processes, but it does not tell them how to find each "
                   "other");
    setenv("SLURM_PROCID", "1", 1);
    assert_int_equal(cnn_cluster_join(&cluster, s->diag), CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 0);
    size_t rank, ranks;
    assert_string_equal(cnn_cluster_launcher(&rank, &ranks), "srun");
    assert_int_equal(rank, 1);
    assert_int_equal(ranks, 4);
    assert_non_null(cnn_cluster_launcher(NULL, NULL));
    unsetenv("SLURM_STEP_NUM_TASKS");
    unsetenv("SLURM_PROCID");
}

static void test_options_have_versions(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *other = NULL;
    cnn_open_options open = CNN_OPEN_OPTIONS_INIT;
    cnn_runner_options run = CNN_RUNNER_OPTIONS_INIT;
    cnn_visualize_options visualize = CNN_VISUALIZE_OPTIONS_INIT;
    cnn_evaluate_options evaluate = CNN_EVALUATE_OPTIONS_INIT;
    cnn_survey_options survey = CNN_SURVEY_OPTIONS_INIT;
    cnn_init_options init = CNN_INIT_OPTIONS_INIT;
    cnn_train_options train = CNN_TRAIN_OPTIONS_INIT;
    cnn_quantize_options quantize = CNN_QUANTIZE_OPTIONS_INIT;
    cnn_bench_options bench = CNN_BENCH_OPTIONS_INIT;
    cnn_explain_options explain = CNN_EXPLAIN_OPTIONS_INIT;
    cnn_runner *runner = NULL;
    cnn_evaluation *e = NULL;
    cnn_survey *found = NULL;
    cnn_findings *findings = NULL;
    cnn_trainer *trainer = NULL;
    cnn_bench_result *result = NULL;
    cnn_explanation *explanation = NULL;
    assert_int_equal(CNN_OPEN_OPTIONS_VERSION, 1);
    assert_int_equal(run.version, CNN_RUNNER_OPTIONS_VERSION);
    DONE(cnn_runner_new, model, &run, &runner);
    cnn_runner_free(runner);
    open.version = run.version = visualize.version = evaluate.version = survey.version =
        init.version = train.version = quantize.version = bench.version = explain.version = 2;
    REFUSED(cnn_model_open, "tiny.yaml", &open, &other);
    REFUSED(cnn_model_open_memory, weightless, sizeof weightless - 1, NULL, &open, &other);
    REFUSED(cnn_runner_new, model, &run, &runner);
    REFUSED(cnn_visualize, model, "x.png", &visualize);
    REFUSED(cnn_evaluate, model, &evaluate, &e);
    REFUSED(cnn_compare, model, model, &evaluate, &(cnn_comparison){0});
    REFUSED(cnn_survey_data, model, &survey, &found);
    init.directory = init.data_path = s->folder;
    REFUSED(cnn_init, &init, &(cnn_init_result){0});
    train.config = "tiny.yaml";
    REFUSED(cnn_train, &train);
    REFUSED(cnn_trainer_new, &train, &trainer);
    REFUSED(cnn_check_training, &train, &findings);
    REFUSED(cnn_quantize, model, &quantize, &other);
    REFUSED(cnn_bench, model, &bench, &result);
    REFUSED(cnn_explain, model, (float[PIXELS]){0}, &explain, &explanation);
    cnn_model_open("tiny.yaml", &open, &other, s->diag);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "cnn_open_options has version 2: this library knows them up to 1");
    cnn_model_free(model);
}

/* A struct that the caller owns and the library fills: its version stays, a later one is refused.
 */
static void test_results_have_versions(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *other = NULL;
    cnn_layer_info layer = CNN_LAYER_INFO_INIT;
    cnn_import_info import = CNN_IMPORT_INFO_INIT;
    cnn_export_info export = CNN_EXPORT_INFO_INIT;
    cnn_comparison comparison = CNN_COMPARISON_INIT;
    cnn_init_result result = CNN_INIT_RESULT_INIT;
    const cnn_init_options init = {.directory = s->folder, .data_path = s->folder};
    char path[128];
    const char *paths[] = {path};
    snprintf(path, sizeof path, "%s", scratch_path(s, "a.onnx"));
    DONE(cnn_model_layer, model, 0, &layer);
    DONE(cnn_export, model, path, NULL, &export);
    DONE(cnn_import, paths, 1, NULL, &other, &import);
    DONE(cnn_compare, model, model, &(cnn_evaluate_options){.split = "val"}, &comparison);
    assert_int_equal(layer.version, CNN_LAYER_INFO_VERSION);
    assert_int_equal(export.version, CNN_EXPORT_INFO_VERSION);
    assert_int_equal(import.version, CNN_IMPORT_INFO_VERSION);
    assert_int_equal(comparison.version, CNN_COMPARISON_VERSION);
    cnn_model_free(other);
    layer.version = import.version = export.version = comparison.version = result.version = 2;
    REFUSED(cnn_model_layer, model, 0, &layer);
    REFUSED(cnn_export, model, path, NULL, &export);
    REFUSED(cnn_import, paths, 1, NULL, &other, &import);
    REFUSED(cnn_compare, model, model, NULL, &comparison);
    REFUSED(cnn_init, &init, &result);
    cnn_model_free(model);
}

static void test_measuring(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    cnn_evaluate_options o = {.split = "val"};
    cnn_evaluation *e = NULL;
    cnn_comparison c = {0};
    DONE(cnn_evaluate, model, &o, &e);
    size_t sum = 0;
    for (size_t i = 0; i < CLASSES * CLASSES; i++)
        sum += cnn_evaluation_confusion(e, i / CLASSES, i % CLASSES);
    assert_int_equal(sum, 24);
    assert_int_equal(cnn_evaluation_confusion(e, CLASSES, 0), 0);
    assert_int_equal(cnn_evaluation_confusion(e, 0, SIZE_MAX), 0);
    assert_int_equal(cnn_evaluation_confusion(NULL, 0, 0), 0);
    for (size_t i = 0; i < CLASSES; i++)
        assert_int_equal(cnn_evaluation_confusion(e, (size_t)UINT32_MAX + 1 + i, i), 0);
    assert_int_equal(e->calibration_bins, 15);
    cnn_evaluation_free(e);
    cnn_evaluation_free(NULL);
    DONE(cnn_compare, model, model, &o, &c);
    assert_int_equal(c.images, 24);
    REFUSED(cnn_compare, NULL, model, &o, &c);
    REFUSED(cnn_compare, model, NULL, &o, &c);
    REFUSED(cnn_compare, model, model, &o, NULL);
    REFUSED(cnn_evaluate, NULL, &o, &e);
    REFUSED(cnn_evaluate, model, &o, NULL);
    REFUSED(cnn_evaluate, shapes, &o, &e);
    o.tta = (cnn_tta)9;
    REFUSED(cnn_evaluate, model, &o, &e);
    REFUSED(cnn_compare, model, model, &o, &c);
    o = (cnn_evaluate_options){.split = "dev"};
    REFUSED(cnn_evaluate, model, &o, &e);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_data(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *odd = NULL;
    cnn_open_options untrained = {.untrained = true};
    cnn_survey_options none = {0};
    cnn_survey *survey = NULL;
    cnn_init_result result = {0};
    DONE(cnn_survey_data, model, &none, &survey);
    assert_int_equal(survey->classes, CLASSES);
    assert_int_equal(survey->splits[0].images, 72);
    cnn_survey_free(survey);
    cnn_survey_free(NULL);
    REFUSED(cnn_survey_data, NULL, &none, &survey);
    REFUSED(cnn_survey_data, model, &none, NULL);
    const char *path = scratch_write(s, "odd.yaml", weightless, sizeof weightless - 1);
    DONE(cnn_model_open, path, &untrained, &odd);
    REFUSED(cnn_survey_data, odd, NULL, &survey);
    cnn_model_free(odd);
    const uint8_t pixels[PIXELS] = {0};
    const size_t label = 0;
    const cnn_memory_data data = {.train = {pixels, &label, 1}, .class_count = CLASSES}, no = {0};
    REFUSED(cnn_model_set_data, NULL, &data);
    REFUSED(cnn_model_set_data, model, NULL);
    REFUSED(cnn_model_set_data, model, &no);
    DONE(cnn_model_set_data, model, &data);
    cnn_init_options o = {0};
    REFUSED(cnn_init, &o, &result);
    REFUSED(cnn_init, NULL, &result);
    o = (cnn_init_options){.directory = s->folder, .data_path = "no/such/folder"};
    REFUSED(cnn_init, &o, NULL);
    assert_int_equal(cnn_init(&o, &result, NULL), CNN_FAILED);
    o.directory = NULL;
    REFUSED(cnn_init, &o, &result);
    cnn_model_free(model);
}

static void test_training(void **state)
{
    struct scratch *s = runs_prepare(state);
    static const char *const missing[] = {NULL};
    char config[256], page[256];
    const char *directories[2] = {"no/such/run", NULL};
    cnn_findings *findings = NULL;
    cnn_train_options o = {0};
    REFUSED(cnn_train, NULL);
    REFUSED(cnn_train, &o);
    cnn_trainer *trainer = NULL;
    REFUSED(cnn_trainer_new, NULL, &trainer);
    REFUSED(cnn_trainer_new, &o, &trainer);
    REFUSED(cnn_trainer_run, NULL);
    cnn_trainer_free(NULL);
    REFUSED(cnn_check_training, &o, &findings);
    REFUSED(cnn_check_training, NULL, &findings);
    snprintf(config, sizeof config, "%s", scratch_path(s, "tiny.yaml"));
    o = (cnn_train_options){.config = config, .overrides = missing, .override_count = 1};
    REFUSED(cnn_train, &o);
    REFUSED(cnn_check_training, &o, &findings);
    o = (cnn_train_options){.config = config, .override_count = 3};
    REFUSED(cnn_train, &o);
    o = (cnn_train_options){.resume = "x"};
    REFUSED(cnn_check_training, &o, &findings);
    o = (cnn_train_options){.config = config};
    REFUSED(cnn_check_training, &o, NULL);
    DONE(cnn_check_training, &o, &findings);
    assert_true(findings->count > 0);
    cnn_findings_free(findings);
    cnn_findings_free(NULL);
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    snprintf(page, sizeof page, "%s/page.html", s->folder);
    REFUSED(cnn_report, NULL, 1, page);
    REFUSED(cnn_report, directories, 0, page);
    REFUSED(cnn_report, directories, 2, page);
    REFUSED(cnn_report, directories, 1, NULL);
    assert_int_equal(cnn_report(directories, 1, page, NULL), CNN_FAILED);
    directories[0] = scratch_path(s, "run");
    DONE(cnn_report, directories, 1, page);
}

static void test_lab(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true);
    char page[256];
    snprintf(page, sizeof page, "%s/lab.html", s->folder);
    REFUSED(cnn_lab, NULL, page, NULL);
    REFUSED(cnn_lab, model, NULL, NULL);
    REFUSED(cnn_lab, model, page, "fr");
    REFUSED(cnn_lab, shapes, page, "ko");
    REFUSED(cnn_lab, model, scratch_write(s, "notes.html", "my own", 6), NULL); /* no page */
    /* CNN_FAILED: the library was built without the page */
    cnn_status status = cnn_lab(model, page, "ko", NULL);
    assert_true(status == CNN_OK || status == CNN_FAILED);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

static void test_checking_and_benchmark(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_tiny(s, false), *shapes = open_tiny(s, true), *quantized = NULL;
    cnn_findings *findings = NULL;
    cnn_bench_result *result = NULL;
    cnn_bench_options bench = {.infer = true, .seconds = 0.01};
    DONE(cnn_model_check, model, &findings);
    cnn_findings_free(findings);
    REFUSED(cnn_model_check, NULL, &findings);
    REFUSED(cnn_model_check, model, NULL);
    DONE(cnn_bench, model, &bench, &result);
    assert_int_equal(result->layers, 6);
    cnn_bench_result_free(result);
    cnn_bench_result_free(NULL);
    REFUSED(cnn_bench, NULL, &bench, &result);
    REFUSED(cnn_bench, model, &bench, NULL);
    REFUSED(cnn_bench, shapes, &bench, &result);
    bench.batch = SIZE_MAX;
    assert_int_not_equal(cnn_bench(model, &bench, &result, NULL), CNN_OK);
    DONE(cnn_quantize, model, NULL, &quantized);
    assert_int_equal(cnn_model_outputs(quantized), CLASSES);
    cnn_model_free(quantized);
    REFUSED(cnn_quantize, NULL, NULL, &quantized);
    REFUSED(cnn_quantize, model, NULL, NULL);
    REFUSED(cnn_quantize, shapes, NULL, &quantized);
    cnn_model_free(shapes);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_this_program_calls_every_function),
        TEST(test_messages),
        cmocka_unit_test(test_allocator),
        TEST(test_words_and_settings),
        cmocka_unit_test(test_reference),
        TEST(test_names_of_kinds),
        TEST(test_what_a_model_is),
        cmocka_unit_test(test_no_model),
        TEST(test_opening),
        TEST(test_memory),
        TEST(test_tensors),
        TEST(test_checkpoints),
        TEST(test_running),
        TEST(test_runners),
        TEST(test_inputs),
        TEST(test_an_inspector_answers_for_the_last_image),
        TEST(test_looking_inside),
        TEST(test_gradients_are_explained),
        TEST(test_similar_pictures_are_found),
        TEST(test_pictures),
        TEST(test_import_wants_files_and_options_that_fit),
        TEST(test_export_wants_a_model_a_place_and_a_format_that_there_is),
        TEST(test_a_process_that_is_alone_has_no_cluster),
        TEST(test_processes_of_srun_need_its_help_to_find_each_other),
        TEST(test_options_have_versions),
        TEST(test_results_have_versions),
        TEST(test_stopping),
        TEST(test_measuring),
        TEST(test_data),
        TEST(test_training),
        TEST(test_lab),
        TEST(test_checking_and_benchmark),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
