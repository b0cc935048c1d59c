/* Numbers in text: every way to write them, and the place and the words of every message. */
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/npy.h"
#include "data/matrix.h"
#include "model/model.h"
#include "scratch.h"
#include "util/random.h"

#define READ(s, text, shape, out)                                                                  \
    cnn_matrix_read(scratch_write(s, "m.txt", text, sizeof(text) - 1), shape, out, (s)->diag)
#define FLAT(h, w) ((cnn_shape){3, 1, h, w})

/* The message as the program would print it, the folder as DIR. */
static void expect_message(struct scratch *s, cnn_status status, const char *expected)
{
    assert_int_equal(status, CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    char *shown = cnn_message_format(cnn_diag_get(s->diag, 0), "cnn"), text[2000];
    assert_non_null(shown);
    size_t folder = strncmp(shown, s->folder, strlen(s->folder)) == 0 ? strlen(s->folder) : 0;
    snprintf(text, sizeof text, "%s%s", folder ? "DIR" : "", shown + folder);
    assert_string_equal(text, expected);
    free(shown);
    cnn_diag_clear(s->diag);
}

#define EXPECT_REFUSED(s, text, shape, expected)                                                   \
    do {                                                                                           \
        float untouched[24] = {[0] = 77, [23] = 78};                                               \
        expect_message(s, READ(s, text, shape, untouched), expected);                              \
        assert_true(untouched[0] == 77 && untouched[23] == 78);                                    \
    } while (0)

#define NUMBERS_HINT                                                                               \
    "  hint: numbers stand between blanks, tabs, commas or semicolons; a line that begins with # " \
    "is a comment\n"
#define SHAPE_HINT                                                                                 \
    "  hint: channels x rows x columns: one row a line, and a blank line between channels\n"

static void test_matrix_is_read_when_written_in_any_way(void **state)
{
    struct scratch *s = *state;
    static const float expected[6] = {1, 2, 3, -4, 5.5f, 0.0625f};
    static const char *const texts[] = {
        "1 2 3\n-4 5.5 0.0625\n",
        "1 2 3\n-4 5.5 .0625",
        "1,2,3\r\n-4,5.5,6.25e-2\r\n",
        "  1\t2 \t3\n -4 ; +5.5;0x1p-4;\n",
        "1 , 2 , 3 ,\n-4, 5.5, 625E-4,",
        "\xEF\xBB\xBF# with a mark\n1 2 3\n  # within the channel, no blank line\n-4 5.5 0.0625\n",
        "\n\n1;2;3\n-4;5.5;.0625\n\n \t\n",
        "1 2 3\r-4 5.5 .0625\r",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        float values[7] = {[6] = 99};
        assert_int_equal(cnn_matrix_read(scratch_write(s, "m.txt", texts[i], strlen(texts[i])),
                                         FLAT(2, 3), values, s->diag),
                         CNN_OK);
        assert_memory_equal(values, expected, sizeof expected);
        assert_true(values[6] == 99);
    }
}

static void test_matrix_has_channels_when_blank_lines_part_them(void **state)
{
    struct scratch *s = *state;
    const cnn_shape shape = {3, 3, 2, 2};
    float values[12];
    assert_int_equal(
        READ(s, "1 2\n3 4\n\n5 6\n# no blank line\n7 8\n\n\r\n\t\n9 10\n11 12\n", shape, values),
        CNN_OK);
    for (size_t i = 0; i < 12; i++)
        assert_true(values[i] == (float)i + 1);
}

static void test_matrix_holds_what_is_not_finite_when_it_says_so(void **state)
{
    struct scratch *s = *state;
    float values[4];
    assert_int_equal(READ(s, "nan -inf infinity 1e-60\n", FLAT(1, 4), values), CNN_OK);
    assert_true(isnan(values[0]) && isinf(values[1]) && values[1] < 0 && isinf(values[2]) &&
                values[3] == 0);
    EXPECT_REFUSED(
        s, "1 1e39\n", FLAT(1, 2),
        "DIR/m.txt:1:3: error: 1e39 is too large for a float32, which ends at about 3.4e38\n"
        "  1 1e39\n"
        "    ^\n");
}

static void test_matrix_is_refused_with_the_place_when_something_is_no_number(void **state)
{
    struct scratch *s = *state;
    EXPECT_REFUSED(s, "# a comment\n1 2\n3 x4\n", FLAT(2, 2),
                   "DIR/m.txt:3:3: error: 'x4' is not a number\n"
                   "  3 x4\n"
                   "    ^\n" NUMBERS_HINT);
    EXPECT_REFUSED(s, "1 2 # here a comment cannot begin\n", FLAT(1, 2),
                   "DIR/m.txt:1:5: error: '#' is not a number\n"
                   "  1 2 # here a comment cannot begin\n"
                   "      ^\n" NUMBERS_HINT);
    EXPECT_REFUSED(s, "1,-\n", FLAT(1, 2),
                   "DIR/m.txt:1:3: error: '-' is not a number\n"
                   "  1,-\n"
                   "    ^\n" NUMBERS_HINT);
    EXPECT_REFUSED(s,
                   "\xff\xfe"
                   "1\0\n\0",
                   FLAT(1, 1),
                   "DIR/m.txt: error: the file is no plain text: it holds bytes of 0\n"
                   "  hint: where it is UTF-16, save it as UTF-8\n");
    EXPECT_REFUSED(s, "1,,2\n", FLAT(1, 2),
                   "DIR/m.txt:1:3: error: a number is missing before this ','\n"
                   "  1,,2\n"
                   "    ^\n");
    EXPECT_REFUSED(s, " ; 2\n", FLAT(1, 2),
                   "DIR/m.txt:1:2: error: a number is missing before this ';'\n"
                   "   ; 2\n"
                   "   ^\n");
}

static void test_matrix_is_refused_with_the_place_when_it_is_ragged(void **state)
{
    struct scratch *s = *state;
    EXPECT_REFUSED(s, "1 2 3\n4 5 6\n7 8\n", FLAT(3, 3),
                   "DIR/m.txt:3:4: error: row 3 has 2 numbers, the rows above have 3\n"
                   "  7 8\n"
                   "     ^\n");
    EXPECT_REFUSED(s, "1 2\n# a comment\n4 5 6 7\n", FLAT(2, 2),
                   "DIR/m.txt:3:5: error: row 2 has 4 numbers, the rows above have 2\n"
                   "  4 5 6 7\n"
                   "      ^\n");
    EXPECT_REFUSED(s, "1 2\n3 4\n\n5\n", ((cnn_shape){3, 2, 2, 2}),
                   "DIR/m.txt:4:2: error: row 1 of channel 2 has 1 number, the rows above have 2\n"
                   "  5\n"
                   "   ^\n");
    EXPECT_REFUSED(
        s, "1 2\n3 4\n\n5 6\n\n7 8\n9 10\n", ((cnn_shape){3, 3, 2, 2}),
        "DIR/m.txt:4:1: error: channel 2 ends here with 1 row, the channels above have 2\n"
        "  5 6\n"
        "  ^\n");
    EXPECT_REFUSED(
        s, "1 2\n\n5 6\n7 8\n9 10", ((cnn_shape){3, 3, 2, 2}),
        "DIR/m.txt:5:1: error: channel 2 ends here with 3 rows, the channels above have 1\n"
        "  9 10\n"
        "  ^\n");
}

static void test_matrix_is_refused_when_the_network_wants_another_size(void **state)
{
    struct scratch *s = *state;
    EXPECT_REFUSED(
        s, "1 2\n3 4\n5 6\n", FLAT(3, 3),
        "DIR/m.txt: error: the network wants 1 x 3 x 3, the file holds 1 x 3 x 2\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "1 2\n3 4\n5 6\n", FLAT(2, 2),
        "DIR/m.txt: error: the network wants 1 x 2 x 2, the file holds 1 x 3 x 2\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "1 2 3 4 5 6\n", FLAT(3, 2),
        "DIR/m.txt: error: the network wants 1 x 3 x 2, the file holds 1 x 1 x 6\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "1 2\n3 4\n", ((cnn_shape){3, 2, 1, 2}),
        "DIR/m.txt: error: the network wants 2 x 1 x 2, the file holds 1 x 2 x 2\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "1 2\n\n3 4\n\n5 6\n", ((cnn_shape){3, 2, 1, 2}),
        "DIR/m.txt: error: the network wants 2 x 1 x 2, the file holds 3 x 1 x 2\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "# nothing\n\n", FLAT(3, 3),
        "DIR/m.txt: error: the network wants 1 x 3 x 3 numbers, the file holds none\n" SHAPE_HINT);
    EXPECT_REFUSED(
        s, "", FLAT(3, 3),
        "DIR/m.txt: error: the network wants 1 x 3 x 3 numbers, the file holds none\n" SHAPE_HINT);
}

static void test_matrix_reads_a_decimal_point_when_the_locale_has_a_comma(void **state)
{
    struct scratch *s = *state;
    float values[2];
    if (!setlocale(LC_NUMERIC, "de_DE.UTF-8"))
        skip();
    cnn_status status = READ(s, "0.5,1.5\n", FLAT(1, 2), values);
    double outside = strtod("0,5", NULL);
    setlocale(LC_NUMERIC, "C");
    assert_int_equal(status, CNN_OK);
    assert_true(values[0] == 0.5F && values[1] == 1.5F);
    assert_true(outside == 0.5); /* the caller's locale is as it was */
}

/* One network for all kinds of input: numbers go in as they are, whatever the description says of
 * images. */
static void test_load_input_takes_the_kind_when_the_ending_says_it(void **state)
{
    struct scratch *s = *state;
    static const char description[] = "input: [2, 1, 2]\nlayers: [{type: flatten}, {type: dense, "
                                      "units: 2}]\ndata: {dataset: shapes, normalize: auto}\n";
    static const float values[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    const char *texts[] = {"a.txt", "b.CSV"}, numbers[] = "1 2\n\n3 4\n";
    const size_t dims[] = {2, 2, 1, 2};
    cnn_model *model = NULL;
    float got[4] = {0};
    assert_int_equal(
        cnn_model_from_text("net", description, strlen(description), NULL, &model, s->diag),
        CNN_OK);
    for (size_t i = 0; i < 2; i++) {
        memset(got, 0, sizeof got);
        assert_int_equal(
            cnn_model_load_input(model, scratch_write(s, texts[i], numbers, sizeof numbers - 1),
                                 got, s->diag),
            CNN_OK);
        assert_memory_equal(got, values, sizeof got);
    }
    assert_int_equal(cnn_npy_write(scratch_path(s, "one.npy"), values, dims + 1, 3, s->diag),
                     CNN_OK);
    assert_int_equal(cnn_model_load_input(model, s->path, got, s->diag), CNN_OK);
    assert_memory_equal(got, values, sizeof got);
    assert_int_equal(cnn_npy_write(scratch_path(s, "two.npy"), values, dims, 4, s->diag), CNN_OK);
    scratch_expect(s, cnn_model_load_input(model, s->path, got, s->diag),
                   "DIR/two.npy holds 2 images; one is wanted here");
    assert_int_equal(
        cnn_model_load_input(model, scratch_write(s, "picture.png", numbers, sizeof numbers - 1),
                             got, s->diag),
        CNN_INVALID);
    cnn_model_free(model);
}

static void test_matrix_never_crashes_the_reader_when_it_is_mutated(void **state)
{
    struct scratch *s = *state;
    static const char valid[] = "# two channels\r\n1, 2.5\n-3 4e1\n\n5;6\n7\t8\n",
                      alphabet[] = "0123456789.-+eE,; \t\r\n#xnaif\0\xEF\xBB\xFF";
    struct cnn_rng rng = cnn_rng_at(3, CNN_STREAM_BENCH, 0);
    size_t opened = 0;
    for (int round = 0; round < 4000; round++) {
        char bytes[sizeof valid];
        float values[8];
        memcpy(bytes, valid, sizeof valid);
        for (uint32_t changes = 1 + cnn_rng_below(&rng, 3); changes > 0; changes--)
            bytes[cnn_rng_below(&rng, sizeof valid - 1)] =
                alphabet[cnn_rng_below(&rng, sizeof alphabet - 1)];
        size_t size =
            cnn_rng_below(&rng, 4) == 0 ? cnn_rng_below(&rng, sizeof valid) : sizeof valid - 1;
        cnn_status status = cnn_matrix_read(scratch_write(s, "m.txt", bytes, size),
                                            (cnn_shape){3, 2, 2, 2}, values, s->diag);
        opened += status == CNN_OK;
        assert_int_equal(cnn_diag_count(s->diag), status == CNN_OK ? 0 : 1);
        cnn_diag_clear(s->diag);
    }
    assert_in_range(opened, 1, 3999);
}

#define WITH_SCRATCH(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SCRATCH(test_matrix_is_read_when_written_in_any_way),
        WITH_SCRATCH(test_matrix_has_channels_when_blank_lines_part_them),
        WITH_SCRATCH(test_matrix_holds_what_is_not_finite_when_it_says_so),
        WITH_SCRATCH(test_matrix_is_refused_with_the_place_when_something_is_no_number),
        WITH_SCRATCH(test_matrix_is_refused_with_the_place_when_it_is_ragged),
        WITH_SCRATCH(test_matrix_is_refused_when_the_network_wants_another_size),
        WITH_SCRATCH(test_matrix_reads_a_decimal_point_when_the_locale_has_a_comma),
        WITH_SCRATCH(test_load_input_takes_the_kind_when_the_ending_says_it),
        WITH_SCRATCH(test_matrix_never_crashes_the_reader_when_it_is_mutated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
