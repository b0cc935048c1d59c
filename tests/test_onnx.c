/* ONNX files as they stand: values, tensors of every type, external data, and what is refused. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/onnx.h"
#include "onnx_write.h"

/* y = relu(conv(x, w, b)); with ir 3 the tensors are inputs, too. */
static struct cnn_text small_model(int64_t ir, int64_t opset)
{
    struct onnx_model model = {.ir = ir, .opset = opset};
    onnx_random(&model, "w", "2 3 3 3", 1, 1, 0);
    onnx_random(&model, "b", "2", 2, 1, 0);
    onnx_input(&model, "x", "batch 3 8 8");
    if (ir < 4) {
        onnx_input(&model, "w", "2 3 3 3");
        onnx_input(&model, "b", "2");
    }
    onnx_node(&model, "Conv", "x w b", "c", "kernel_shape=[3,3] pads=[1,0,1,0]");
    onnx_named(&model, "last", "Relu", "c", "y", "");
    onnx_output(&model, "y");
    return onnx_finish(&model);
}

static struct cnn_onnx *open_text(const struct cnn_text *text, cnn_status *status, cnn_diag *diag)
{
    struct cnn_onnx *file = NULL;
    *status = cnn_onnx_open_memory("net.onnx", text->data, text->size, &file, diag);
    return file;
}

static void test_a_graph_has_its_values_numbered(void **state)
{
    (void)state;
    for (int64_t ir = 3; ir <= 8; ir += 5) {
        struct cnn_text text = small_model(ir, 9);
        cnn_status status;
        struct cnn_onnx *file = open_text(&text, &status, NULL);
        assert_int_equal(status, CNN_OK);
        assert_int_equal(file->ir_version, ir);
        assert_int_equal(file->opset, 9);
        assert_string_equal(file->producer, "tests");
        assert_string_equal(file->graph_name, "tested");
        assert_int_equal(file->input_count, 1);
        assert_string_equal(file->values[file->inputs[0]].name, "x");
        assert_int_equal(file->step_count, 2);
        const struct cnn_onnx_step *conv = &file->steps[0], *relu = &file->steps[1];
        assert_int_equal(conv->input_count, 3);
        assert_int_equal(conv->inputs[0], file->inputs[0]);
        assert_string_equal(file->values[conv->inputs[1]].tensor->name, "w");
        assert_int_equal(relu->inputs[0], conv->outputs[0]);
        assert_int_equal(file->outputs[0], relu->outputs[0]);
        assert_int_equal(file->values[relu->inputs[0]].readers, 1);
        assert_int_equal(file->values[relu->outputs[0]].producer, 1);
        const struct cnn_onnx_attribute *pads = cnn_onnx_attribute(conv->node, "pads");
        assert_int_equal(pads->ints.count, 4);
        assert_int_equal(((const int64_t *)pads->ints.items)[2], 1);
        assert_null(cnn_onnx_attribute(conv->node, "group"));
        const struct cnn_onnx_dimension *dims;
        assert_int_equal(cnn_onnx_input_shape(file, 0, &dims), 4);
        assert_string_equal(dims[0].parameter, "batch");
        assert_int_equal(dims[1].value, 3);
        cnn_onnx_close(file);
        cnn_text_free(&text);
    }
}

static void test_graphs_that_do_not_hold_together_are_refused(void **state)
{
    static const struct {
        const char *inputs, *outputs, *result, *message;
    } cases[] = {
        {"z", "y", "y", "'z' is used before anything computes it"},
        {"x", "x", "x", "'x' is computed, but it is there already"},
        {"x", "w", "w", "'w' is computed, but it is there already"},
        {"x", "y", "v", "'v' is used before anything computes it"},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_model model = {0};
        onnx_random(&model, "w", "1", 1, 1, 0);
        onnx_input(&model, "x", "1 3");
        onnx_node(&model, "Relu", cases[i].inputs, cases[i].outputs, "");
        onnx_output(&model, cases[i].result);
        struct cnn_text text = onnx_finish(&model);
        cnn_status status;
        assert_null(open_text(&text, &status, s->diag));
        assert_int_equal(status, CNN_FAILED);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, cases[i].message));
        cnn_diag_clear(s->diag);
        cnn_text_free(&text);
    }
}

static void test_opsets_beyond_what_is_read_are_refused(void **state)
{
    struct scratch *s = *state;
    for (int64_t opset = 5; opset <= 22; opset++) {
        struct cnn_text text = small_model(8, opset);
        cnn_status status;
        struct cnn_onnx *file = open_text(&text, &status, s->diag);
        assert_int_equal(status == CNN_OK, opset >= 6 && opset <= 21);
        cnn_onnx_close(file);
        cnn_text_free(&text);
    }
    assert_int_equal(cnn_diag_count(s->diag), 2);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "net.onnx has operators of opset 5; opsets 6 to 21 are read");
}

/* ---- Tensors ---- */

/* A model whose tensor t is what the fields say. */
static struct cnn_text tensor_model(struct cnn_text *fields)
{
    struct onnx_model model = {0};
    onnx_tensor(&model, "t", fields);
    onnx_input(&model, "x", "1 3");
    onnx_node(&model, "Relu", "x", "y", "");
    onnx_output(&model, "y");
    return onnx_finish(&model);
}

static const struct cnn_onnx_tensor *first_tensor(const struct cnn_onnx *file)
{
    return file->values[0].tensor;
}

static void expect_values(struct cnn_text *fields, const double *expected, size_t count)
{
    struct cnn_text text = tensor_model(fields);
    double values[8];
    cnn_status status;
    struct cnn_onnx *file = open_text(&text, &status, NULL);
    assert_int_equal(status, CNN_OK);
    assert_int_equal(cnn_onnx_tensor_read(file, first_tensor(file), values, NULL), CNN_OK);
    for (size_t i = 0; i < count; i++)
        assert_true(values[i] == expected[i] || (isnan(values[i]) && isnan(expected[i])));
    cnn_onnx_close(file);
    cnn_text_free(&text);
}

static struct cnn_text tensor_of(int64_t type, int64_t count)
{
    struct cnn_text fields = {0};
    wire_int(&fields, 1, count);
    wire_int(&fields, 2, type);
    return fields;
}

static void test_raw_tensors_of_every_type_are_read(void **state)
{
    static const struct {
        int64_t type;
        const char *bytes;
        double values[2];
        size_t size; /* of the bytes */
    } cases[] = {
        {1, "\x00\x00\x20\xc0\x00\x00\x80\x3f", {-2.5, 1}, 8},
        {2, "\x80\xff", {128, 255}, 2},
        {3, "\x80\x7f", {-128, 127}, 2},
        {4, "\x01\x80\xff\xff", {32769, 65535}, 4},
        {5, "\x01\x80\xff\x7f", {-32767, 32767}, 4},
        {6, "\xfe\xff\xff\xff\x00\x00\x00\x01", {-2, 16777216}, 8},
        {7,
         "\xfe\xff\xff\xff\xff\xff\xff\xff\x00\x00\x00\x00\x01\x00\x00\x00",
         {-2, 4294967296},
         16},
        {9, "\x00\x01", {0, 1}, 2},
        /* float16: the smallest number above 0, and 1 + 2^-10; then the largest, and infinity */
        {10, "\x01\x00\x01\x3c", {0x1p-24, 1 + 0x1p-10}, 4},
        {10, "\xff\x7b\x00\xfc", {65504, -INFINITY}, 4},
        {10, "\x01\x7e\x00\x80", {NAN, 0}, 4},
        {11, "\x00\x00\x00\x00\x00\x00\x04\xc0\x00\x00\x00\x00\x00\x00\xf0\x3f", {-2.5, 1}, 16},
        {12, "\xfe\xff\xff\xff\x00\x00\x00\x01", {4294967294, 16777216}, 8},
        {16, "\x20\xc0\x80\x3f", {-2.5, 1}, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct cnn_text fields = tensor_of(cases[i].type, 2);
        wire_bytes(&fields, 9, cases[i].bytes, cases[i].size);
        expect_values(&fields, cases[i].values, 2);
    }
}

static void test_tensors_in_fields_of_their_type_are_read(void **state)
{
    (void)state;
    struct cnn_text fields = tensor_of(1, 2);
    wire_float(&fields, 4, 0.5f);
    wire_float(&fields, 4, -3);
    expect_values(&fields, (const double[]){0.5, -3}, 2);
    fields = tensor_of(7, 2);
    wire_int(&fields, 7, -1);
    wire_int(&fields, 7, 1);
    expect_values(&fields, (const double[]){-1, 1}, 2);
    static const struct {
        int64_t type, bits;
        double value;
    } small[] = {{10, 0x3c01, 1 + 0x1p-10}, {16, 0xc020, -2.5}, {3, -5, -5},
                 {6, -70000, -70000},       {9, 1, 1},          {2, 200, 200}};
    for (size_t i = 0; i < sizeof small / sizeof *small; i++) {
        fields = tensor_of(small[i].type, 1);
        wire_int(&fields, 5, small[i].bits);
        expect_values(&fields, &small[i].value, 1);
    }
    fields = tensor_of(12, 1);
    wire_int(&fields, 11, 4000000000);
    expect_values(&fields, (const double[]){4000000000}, 1);
}

static void expect_refused(struct scratch *s, struct cnn_text *fields, const char *message)
{
    struct cnn_text text = tensor_model(fields);
    double values[8];
    cnn_status status;
    struct cnn_onnx *file = open_text(&text, &status, s->diag);
    assert_int_equal(status, CNN_OK);
    status = cnn_onnx_tensor_read(file, first_tensor(file), values, s->diag);
    assert_int_equal(status, strstr(message, "not read") ? CNN_INVALID : CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, message));
    cnn_diag_clear(s->diag);
    cnn_onnx_close(file);
    cnn_text_free(&text);
}

static void test_tensors_that_deny_their_shape_are_refused(void **state)
{
    struct scratch *s = *state;
    struct cnn_text fields = tensor_of(1, 2);
    wire_bytes(&fields, 9, "\0\0\0", 3);
    expect_refused(s, &fields, "tensor 't' has 3 bytes, and its 2 numbers of float want 8");
    fields = tensor_of(7, 2);
    wire_int(&fields, 7, -1);
    expect_refused(s, &fields, "tensor 't' has 1 numbers of int64, and its shape wants 2");
    fields = tensor_of(8, 1);
    expect_refused(s, &fields, "tensor 't' has elements of type 8, which are not read");
    fields = tensor_of(1, -1);
    expect_refused(s, &fields, "tensor 't' has a size below 0, or of more than 2^28");
    fields = tensor_of(1, 1 << 20);
    wire_int(&fields, 1, 1 << 20);
    expect_refused(s, &fields, "tensor 't' has more than 2^28 numbers");
}

/* ---- External data ---- */

static struct cnn_text external(const char *location, const char *offset, const char *length)
{
    static const char *const keys[] = {"location", "offset", "length"};
    const char *const values[] = {location, offset, length};
    struct cnn_text fields = tensor_of(1, 2);
    wire_int(&fields, 14, 1);
    for (size_t i = 0; i < 3; i++) {
        struct cnn_text pair = {0};
        if (!values[i])
            continue;
        wire_text(&pair, 1, keys[i]);
        wire_text(&pair, 2, values[i]);
        wire_message(&fields, 13, &pair);
    }
    return fields;
}

static struct cnn_onnx *open_external(struct scratch *s, struct cnn_text fields)
{
    struct cnn_text text = tensor_model(&fields);
    struct cnn_onnx *file = NULL;
    const char *path = scratch_write(s, "net.onnx", text.data, text.size);
    assert_int_equal(cnn_onnx_open(path, &file, s->diag), CNN_OK);
    cnn_text_free(&text);
    return file;
}

static void test_external_data_are_read(void **state)
{
    static const float numbers[] = {7, 1.5f, -2};
    struct scratch *s = *state;
    char folder[256];
    snprintf(folder, sizeof folder, "%s", scratch_path(s, "sub"));
    assert_int_equal(mkdir(folder, 0777), 0);
    scratch_write(s, "sub/data.bin", numbers, sizeof numbers);
    scratch_write(s, "data.bin", numbers, sizeof numbers);
    static const char *const locations[] = {"data.bin", "sub/data.bin", "./sub/data.bin"};
    for (size_t i = 0; i < 3; i++) {
        double values[2];
        struct cnn_onnx *file = open_external(s, external(locations[i], "4", i ? "8" : NULL));
        assert_int_equal(cnn_onnx_tensor_read(file, first_tensor(file), values, s->diag), CNN_OK);
        assert_true(values[0] == 1.5 && values[1] == -2);
        cnn_onnx_close(file);
    }
}

static void test_external_data_elsewhere_are_refused(void **state)
{
    static const struct {
        const char *location, *offset, *length, *message;
    } cases[] = {{"/etc/passwd", "0", NULL, "outside the folder of the file"},
                 {"../data.bin", "0", NULL, "outside the folder of the file"},
                 {"sub/../../data.bin", "0", NULL, "outside the folder of the file"},
                 {"link.bin", "0", NULL, "it is reached by a link"},
                 {"linked/data.bin", "0", NULL, "it is reached by a link"},
                 {"none.bin", "0", NULL, "No such file"},
                 {"sub", "0", NULL, "in something that is not a file"},
                 {"data.bin", "8", NULL, "has 8 bytes at byte 8 of 'data.bin', which ends at 12"},
                 {"data.bin", "18446744073709551615", NULL, "which ends at 12"},
                 {"data.bin", "-1", NULL, "is no number"},
                 {"data.bin", "99999999999999999999", NULL, "is no number"},
                 {"data.bin", "0", "12", "of a length that its shape denies"},
                 {NULL, "0", NULL, "without a location"}};
    struct scratch *s = *state;
    char link[256];
    assert_int_equal(mkdir(scratch_path(s, "sub"), 0777), 0);
    scratch_write(s, "data.bin", "0123456789ab", 12);
    snprintf(link, sizeof link, "%s", scratch_path(s, "link.bin"));
    assert_int_equal(symlink("data.bin", link), 0);
    snprintf(link, sizeof link, "%s", scratch_path(s, "linked"));
    assert_int_equal(symlink(".", link), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double values[2];
        struct cnn_onnx *file =
            open_external(s, external(cases[i].location, cases[i].offset, cases[i].length));
        assert_int_equal(cnn_onnx_tensor_read(file, first_tensor(file), values, s->diag),
                         CNN_FAILED);
        if (!strstr(cnn_diag_get(s->diag, 0)->text, cases[i].message))
            fail_msg("case %zu: %s", i, cnn_diag_get(s->diag, 0)->text);
        cnn_diag_clear(s->diag);
        cnn_onnx_close(file);
    }
    struct cnn_text fields = external("data.bin", "0", NULL);
    expect_refused(s, &fields, "the file that names them is in memory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_graph_has_its_values_numbered),
        cmocka_unit_test_setup_teardown(test_graphs_that_do_not_hold_together_are_refused,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_opsets_beyond_what_is_read_are_refused, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_raw_tensors_of_every_type_are_read),
        cmocka_unit_test(test_tensors_in_fields_of_their_type_are_read),
        cmocka_unit_test_setup_teardown(test_tensors_that_deny_their_shape_are_refused,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_external_data_are_read, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_external_data_elsewhere_are_refused, scratch_setup,
                                        scratch_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
