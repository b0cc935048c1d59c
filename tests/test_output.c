/* Which files a result may take the place of. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"
#include "util/output.h"
#include "viz/canvas.h"
#include "viz/html.h"

#define PNG  "\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
#define MARK "12345678901234567" CNN_OUTPUT_MARK_PICTURE
#define HTML "<!DOCTYPE html>\n<html><head>"
#define HEAD "12345678{\"__metadata__\":{"

struct content {
    const char *bytes;
    size_t size;
    cnn_output kind;
    bool own, other; /* it bears the mark; it is of no kind */
};

#define BYTES(text) (text), sizeof(text) - 1

static const struct content contents[] = {
    {BYTES(PNG), CNN_OUTPUT_PICTURE, false, false},
    {BYTES(PNG MARK), CNN_OUTPUT_PICTURE, true, false},
    {BYTES("<!doctype HTML><title>notes"), CNN_OUTPUT_PAGE, false, false},
    {BYTES(HTML CNN_OUTPUT_MARK_PAGE), CNN_OUTPUT_PAGE, true, false},
    {BYTES("\x93NUMPY\1\0"), CNN_OUTPUT_ARRAY, true, false}, /* has no place for a mark */
    {BYTES(HEAD "\"format\":\"pt\"}"), CNN_OUTPUT_CHECKPOINT, false, false},
    {BYTES(HEAD "\"format\":\"cnn\"}"), CNN_OUTPUT_CHECKPOINT, true, false},
    {BYTES("\x08\x08\x12\x03"
           "cnn"),
     CNN_OUTPUT_ONNX, true, false},
    {BYTES("\x08\x07\x12\x07pytorch"), CNN_OUTPUT_ONNX, false, false},
    {BYTES(CNN_OUTPUT_MARK_SCRIPT "\n"), CNN_OUTPUT_SCRIPT, true, false},
    {BYTES("import torch\n"), CNN_OUTPUT_SCRIPT, false, true},
    {BYTES("<!DOCTYPE htm"), CNN_OUTPUT_PAGE, false, true},
    {BYTES("\x89PNG\r\n"), CNN_OUTPUT_PICTURE, false, true},
    {BYTES("a text"), CNN_OUTPUT_PAGE, false, true},
    {BYTES(CNN_OUTPUT_MARK_PAGE), CNN_OUTPUT_PAGE, false, true},
    {BYTES("x"), CNN_OUTPUT_ARRAY, false, true},
};

static void test_file_is_replaced_when_of_its_kind_and_by_default_when_marked(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof contents / sizeof *contents; i++) {
        const struct content *c = &contents[i];
        const char *path = scratch_write(s, "result", c->bytes, c->size);
        for (cnn_output kind = CNN_OUTPUT_PICTURE; kind <= CNN_OUTPUT_SCRIPT; kind++) {
            if (kind == CNN_OUTPUT_INT8) /* below */
                continue;
            bool same = kind == c->kind && !c->other;
            assert_int_equal(cnn_output_check(path, kind, NULL, NULL), same ? CNN_OK : CNN_INVALID);
            assert_int_equal(cnn_output_check(path, kind, "-o", NULL),
                             same && c->own ? CNN_OK : CNN_INVALID);
        }
    }
}

static void test_int8_replaces_int8_alone(void **state)
{
    struct scratch *s = *state;
    static const char int8[] =
        HEAD "\"format\":\"cnn\",\"description\":\"name: a\\nprecision: int8\\nlayers:\"}";
    static const char plain[] =
        HEAD "\"format\":\"cnn\",\"description\":\"name: a\\nprecision: fp32\\nlayers:\"}";
    const char *path = scratch_write(s, "model", int8, sizeof int8 - 1);
    assert_int_equal(cnn_output_check(path, CNN_OUTPUT_INT8, "-o", NULL), CNN_OK);
    assert_int_equal(cnn_output_check(path, CNN_OUTPUT_CHECKPOINT, "-o", NULL), CNN_OK);
    scratch_write(s, "model", plain, sizeof plain - 1);
    assert_int_equal(cnn_output_check(path, CNN_OUTPUT_INT8, NULL, NULL), CNN_INVALID);
}

static void test_place_is_free_when_empty_or_not_there(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(cnn_output_check(scratch_path(s, "new"), CNN_OUTPUT_PAGE, "-o", NULL), CNN_OK);
    scratch_write(s, "empty", "", 0);
    assert_int_equal(cnn_output_check(scratch_path(s, "empty"), CNN_OUTPUT_PAGE, "-o", NULL),
                     CNN_OK);
    assert_int_equal(cnn_output_check(s->folder, CNN_OUTPUT_PAGE, NULL, NULL), CNN_FAILED);
    assert_int_equal(cnn_output_check("/dev/null", CNN_OUTPUT_PAGE, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_output_check("/dev/null", CNN_OUTPUT_PAGE, "-o", NULL), CNN_INVALID);
}

/* Each kind with the endings of all; what has none may have any name. */
static void test_name_is_refused_when_it_has_the_ending_of_another_kind(void **state)
{
    struct scratch *s = *state;
    static const char *const endings[] = {
        [CNN_OUTPUT_PICTURE] = ".png",      [CNN_OUTPUT_PAGE] = ".html",
        [CNN_OUTPUT_ARRAY] = ".npy",        [CNN_OUTPUT_CHECKPOINT] = ".safetensors",
        [CNN_OUTPUT_INT8] = ".safetensors", [CNN_OUTPUT_ONNX] = ".onnx",
        [CNN_OUTPUT_SCRIPT] = ".py",
    };
    static const char *const others[] = {"x.txt", "x.html.gz", "x.png7", "d.d/x.h"};
    static const char *const without[] = {"x", ".png", "d.d/x", "run-1.5", "x.", "x.a-b"};
    static const size_t count = sizeof endings / sizeof *endings;
    char name[32];
    assert_int_equal(mkdir(scratch_path(s, "d.d"), 0777), 0);
    for (size_t kind = 0; kind < count; kind++) {
        for (size_t i = 0; i < count; i++) {
            bool same = strcmp(endings[kind], endings[i]) == 0;
            snprintf(name, sizeof name, "a.b%s", endings[i]);
            assert_int_equal(cnn_output_check(scratch_path(s, name), (cnn_output)kind, NULL, NULL),
                             same ? CNN_OK : CNN_INVALID);
        }
        for (size_t i = 0; i < sizeof others / sizeof *others; i++)
            assert_int_equal(
                cnn_output_check(scratch_path(s, others[i]), (cnn_output)kind, "-o", NULL),
                CNN_INVALID);
        for (size_t i = 0; i < sizeof without / sizeof *without; i++)
            assert_int_equal(
                cnn_output_check(scratch_path(s, without[i]), (cnn_output)kind, NULL, NULL),
                CNN_OK);
    }
    assert_int_equal(cnn_output_check(scratch_path(s, "X.HTML"), CNN_OUTPUT_PAGE, NULL, NULL),
                     CNN_OK);
}

static void test_link_is_followed_when_named_and_refused_by_default(void **state)
{
    struct scratch *s = *state;
    char link[256];
    snprintf(link, sizeof link, "%s", scratch_path(s, "link"));
    assert_int_equal(symlink("target", link), 0);
    assert_int_equal(cnn_output_check(link, CNN_OUTPUT_PAGE, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_output_check(link, CNN_OUTPUT_PAGE, "-o", NULL), CNN_INVALID);
    scratch_write(s, "target", "a text", 6);
    assert_int_equal(cnn_output_check(link, CNN_OUTPUT_PAGE, NULL, NULL), CNN_INVALID);
    scratch_write(s, "target", BYTES(HTML CNN_OUTPUT_MARK_PAGE));
    assert_int_equal(cnn_output_check(link, CNN_OUTPUT_PAGE, NULL, NULL), CNN_OK);
    assert_int_equal(cnn_output_check(link, CNN_OUTPUT_PAGE, "-o", NULL), CNN_INVALID);
}

/* Whoever calls the library is held to the same, and what was there stays. */
static void test_writers_ask_when_called_themselves(void **state)
{
    struct scratch *s = *state;
    struct cnn_canvas canvas;
    struct cnn_text page = {0};
    char *data;
    size_t size;
    const char *path = scratch_write(s, "mine", "a text", 6);
    assert_int_equal(cnn_canvas_new(2, 2, (struct cnn_colour){0, 0, 0}, &canvas, NULL), CNN_OK);
    cnn_html_begin(&page, "page", 0);
    assert_int_equal(cnn_npy_write(path, (float[]){1}, (size_t[]){1}, 1, NULL), CNN_INVALID);
    assert_int_equal(cnn_canvas_write(&canvas, path, NULL), CNN_INVALID);
    assert_int_equal(cnn_html_write(&page, path, NULL), CNN_INVALID);
    assert_int_equal(cnn_file_read(path, 100, &data, &size, NULL), CNN_OK);
    assert_string_equal(data, "a text");
    free(data);

    path = scratch_path(s, "new");
    for (int i = 0; i < 2; i++)
        assert_int_equal(cnn_html_write(&page, path, NULL), CNN_OK);
    assert_int_equal(cnn_output_check(path, CNN_OUTPUT_PAGE, "-o", NULL), CNN_OK);
    assert_int_equal(unlink(path), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(cnn_canvas_write(&canvas, path, NULL), CNN_OK);
    assert_int_equal(cnn_output_check(path, CNN_OUTPUT_PICTURE, "-o", NULL), CNN_OK);
    cnn_text_free(&page);
    cnn_canvas_free(&canvas);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_file_is_replaced_when_of_its_kind_and_by_default_when_marked, scratch_setup,
            scratch_teardown),
        cmocka_unit_test_setup_teardown(test_int8_replaces_int8_alone, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_place_is_free_when_empty_or_not_there, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_name_is_refused_when_it_has_the_ending_of_another_kind,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_link_is_followed_when_named_and_refused_by_default,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_writers_ask_when_called_themselves, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
