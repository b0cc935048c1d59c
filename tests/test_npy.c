/* .npy: the bytes written, the bytes read, and every kind of file that is refused. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/npy.h"
#include "scratch.h"
#include "util/random.h"

#define HEADER(dtype, order, shape)                                                                \
    "{'descr': '" dtype "', 'fortran_order': " order ", 'shape': " shape ", }"

/* A file of version 1.0 with this header as it is and so many zero bytes of numbers. */
static const char *write_raw(struct scratch *s, const char *header, size_t numbers)
{
    char bytes[1024] = "\x93NUMPY\1";
    size_t size = strlen(header);
    bytes[8] = (char)size;
    memcpy(bytes + 10, header, size);
    return scratch_write(s, "f.npy", bytes, 10 + size + numbers);
}

static cnn_status read_raw(struct scratch *s, const char *header, size_t numbers, float **values,
                           size_t *dims, size_t *rank)
{
    return cnn_npy_read(write_raw(s, header, numbers), values, dims, rank, s->diag);
}

static void expect_refused(struct scratch *s, const char *header, size_t numbers, const char *text)
{
    float *values;
    size_t dims[CNN_NPY_MAX_RANK], rank;
    scratch_expect(s, read_raw(s, header, numbers, &values, dims, &rank), text);
}

static void test_npy_has_these_bytes_when_written(void **state)
{
    struct scratch *s = *state;
    static const char expected[] = "\x93NUMPY\1\0\x76\0" HEADER(
        "<f4", "False", "(1, 2)") "                                                          \n"
                                  "\0\0\x80\x3f\0\0\0\xc0";
    char found[256];
    assert_int_equal(cnn_npy_write(scratch_path(s, "f.npy"), (const float[]){1, -2},
                                   (const size_t[]){1, 2}, 2, s->diag),
                     CNN_OK);
    FILE *file = fopen(s->path, "rb");
    assert_non_null(file);
    assert_int_equal(fread(found, 1, sizeof found, file), sizeof expected - 1);
    fclose(file);
    assert_memory_equal(found, expected, sizeof expected - 1);
}

static void test_npy_comes_back_when_read(void **state)
{
    struct scratch *s = *state;
    static const size_t shapes[][4] = {
        {1, 1, 1, 1}, {6, 1, 1, 1}, {2, 3, 1, 1}, {1, 3, 2, 1}, {3, 1, 1, 2}};
    static const float values[6] = {1, 2.5f, -3, 4, 5, 6};
    for (size_t rank = 0; rank <= 4; rank++) {
        float *back;
        size_t dims[CNN_NPY_MAX_RANK], back_rank, count = rank == 0 ? 1 : 6;
        assert_int_equal(
            cnn_npy_write(scratch_path(s, "f.npy"), values, shapes[rank], rank, s->diag), CNN_OK);
        assert_int_equal(cnn_npy_read(s->path, &back, dims, &back_rank, s->diag), CNN_OK);
        assert_int_equal(back_rank, rank);
        assert_memory_equal(dims, shapes[rank], rank * sizeof *dims);
        assert_memory_equal(back, values, count * sizeof *back);
        free(back);
    }
}

static void test_npy_of_others_is_read_when_it_is_laid_out_differently(void **state)
{
    struct scratch *s = *state;
    static const char *const headers[] = {
        "{\"shape\":(2,3),\"fortran_order\":False,\"descr\":\"<f4\"}",
        HEADER("<f4", "False", "(2, 3, )") "   \n"};
    float *values;
    size_t dims[CNN_NPY_MAX_RANK], rank;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(read_raw(s, headers[i], 24, &values, dims, &rank), CNN_OK);
        free(values);
        assert_int_equal(rank, 2);
        assert_int_equal(dims[0] * 10 + dims[1], 23);
    }
    /* One dimension is in Fortran order and in C order at once. */
    assert_int_equal(read_raw(s, HEADER("<f4", "True", "(5,)"), 20, &values, dims, &rank), CNN_OK);
    free(values);
    /* Nothing at all. */
    assert_int_equal(read_raw(s, HEADER("<f4", "False", "(0, 3)"), 0, &values, dims, &rank),
                     CNN_OK);
    free(values);
    /* Version 2.0: four bytes of size. */
    static const char version2[] =
        "\x93NUMPY\2\0\x3b\0\0\0" HEADER("<f4", "False", "()") "    \0\0\0\0";
    assert_int_equal(cnn_npy_read(scratch_write(s, "f.npy", version2, sizeof version2 - 1), &values,
                                  dims, &rank, s->diag),
                     CNN_OK);
    assert_int_equal(rank, 0);
    free(values);
}

static void test_npy_is_refused_with_a_way_to_convert_it_when_the_layout_is_another(void **state)
{
    struct scratch *s = *state;
    float *values;
    char hint[600];
    size_t dims[CNN_NPY_MAX_RANK], rank;
    assert_int_equal(read_raw(s, HEADER("<f8", "False", "(2,)"), 16, &values, dims, &rank),
                     CNN_FAILED);
    snprintf(hint, sizeof hint, "in Python: np.save('%s', np.load('%s').astype('<f4'))", s->path,
             s->path);
    assert_string_equal(cnn_diag_get(s->diag, 0)->hint, hint);
    scratch_expect(s, CNN_FAILED, "DIR/f.npy holds numbers of type <f8, not float32 (<f4)");
    assert_int_equal(read_raw(s, HEADER("<f4", "True", "(1, 2)"), 8, &values, dims, &rank),
                     CNN_FAILED);
    snprintf(hint, sizeof hint, "in Python: np.save('%s', np.ascontiguousarray(np.load('%s')))",
             s->path, s->path);
    assert_string_equal(cnn_diag_get(s->diag, 0)->hint, hint);
    scratch_expect(s, CNN_FAILED, "DIR/f.npy holds its numbers in Fortran order, not in C order");
    expect_refused(s, HEADER(">f4", "False", "(2,)"), 8,
                   "DIR/f.npy holds numbers of type >f4, not float32 (<f4)");
    expect_refused(s, HEADER("", "False", "(2,)"), 8,
                   "DIR/f.npy holds numbers of type , not float32 (<f4)");
    expect_refused(s, "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (2,), }", 8,
                   "DIR/f.npy holds numbers of type a list of fields, not float32 (<f4)");
}

static void test_npy_is_refused_when_damaged(void **state)
{
    struct scratch *s = *state;
    float *values;
    size_t dims[CNN_NPY_MAX_RANK], rank;
    scratch_expect(s, cnn_npy_read(scratch_path(s, "none"), &values, dims, &rank, s->diag),
                   "cannot read DIR/none: No such file or directory");
    scratch_expect(s, cnn_npy_read(scratch_write(s, "f.npy", "", 0), &values, dims, &rank, s->diag),
                   "DIR/f.npy is no .npy file, or is cut short within its header (it has 0 bytes)");
    scratch_expect(
        s,
        cnn_npy_read(scratch_write(s, "f.npy", "\x93NUMPY\1\0\x76\0{", 11), &values, dims, &rank,
                     s->diag),
        "DIR/f.npy is no .npy file, or is cut short within its header (it has 11 bytes)");
    scratch_expect(
        s,
        cnn_npy_read(scratch_write(s, "f.npy", "\x93NUMPY\4\0\0\0\0\0", 12), &values, dims, &rank,
                     s->diag),
        "DIR/f.npy is no .npy file, or is cut short within its header (it has 12 bytes)");
    expect_refused(s, HEADER("<f4", "False", "(3,)"), 8,
                   "DIR/f.npy: its shape asks for 12 bytes of numbers, but 8 follow the header: it "
                   "is cut short");
    expect_refused(s, HEADER("<f4", "False", "(3,)"), 13,
                   "DIR/f.npy: its shape asks for 12 bytes of numbers, but 13 follow the header");
    expect_refused(s, HEADER("<f4", "False", "(4294967296, 4294967296)"), 0,
                   "DIR/f.npy: its header describes more numbers than memory can hold");
    static const char *const damaged[] = {
        "",
        "{",
        "{'descr': '<f4', 'fortran_order': False, }",
        "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (), }",
        "{'descr': '<f4', 'fortran_order': Maybe, 'shape': (), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1, 1, 1, 1, 1), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (), 'more': 1}",
    };
    for (size_t i = 0; i < sizeof damaged / sizeof damaged[0]; i++)
        expect_refused(s, damaged[i], 4,
                       "DIR/f.npy: its header is damaged, or its array has more than 8 dimensions");
}

static void test_npy_never_crashes_the_reader_when_it_is_mutated(void **state)
{
    struct scratch *s = *state;
    static const char valid[] =
        "\x93NUMPY\1\0\x3c\0" HEADER("<f4", "False", "(1, 2)") "\n\0\0\x80\x3f\0\0\0\xc0";
    static const char alphabet[] = "'\"{}[](),: 0123456789<f\\TF\0\1\2\xff";
    struct cnn_rng rng = cnn_rng_at(2, CNN_STREAM_BENCH, 0);
    size_t opened = 0;
    for (int round = 0; round < 4000; round++) {
        char bytes[sizeof valid];
        float *values;
        size_t dims[CNN_NPY_MAX_RANK], rank;
        memcpy(bytes, valid, sizeof valid);
        for (uint32_t changes = 1 + cnn_rng_below(&rng, 4); changes > 0; changes--)
            bytes[cnn_rng_below(&rng, sizeof valid - 1)] =
                alphabet[cnn_rng_below(&rng, sizeof alphabet - 1)];
        size_t size =
            cnn_rng_below(&rng, 4) == 0 ? cnn_rng_below(&rng, sizeof valid) : sizeof valid - 1;
        if (cnn_npy_read(scratch_write(s, "f.npy", bytes, size), &values, dims, &rank, s->diag) ==
            CNN_OK) {
            opened++;
            free(values);
        } else {
            assert_int_equal(cnn_diag_count(s->diag), 1);
        }
        cnn_diag_clear(s->diag);
    }
    assert_in_range(opened, 1, 3999);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(test_npy_has_these_bytes_when_written),
        WITH_SCRATCH(test_npy_comes_back_when_read),
        WITH_SCRATCH(test_npy_of_others_is_read_when_it_is_laid_out_differently),
        WITH_SCRATCH(test_npy_is_refused_with_a_way_to_convert_it_when_the_layout_is_another),
        WITH_SCRATCH(test_npy_is_refused_when_damaged),
        WITH_SCRATCH(test_npy_never_crashes_the_reader_when_it_is_mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
