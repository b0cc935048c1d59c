/* Messages and words: what is kept, what is shown, and that nothing shown can move a terminal. */
#include "cnn.h"
#include "util/diag.h"
#include "util/file.h"
#include "util/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_formats(const cnn_diag *diag, size_t i, const char *expected)
{
    assert_true(i < cnn_diag_count(diag));
    char *text = cnn_message_format(cnn_diag_get(diag, i), "cnn");
    assert_non_null(text);
    assert_string_equal(text, expected);
    free(text);
}

static struct cnn_where place(const struct cnn_source *source, size_t line, size_t column)
{
    return (struct cnn_where){.source = source, .line = line, .column = column};
}

static void test_fail_keeps_the_first_twenty_when_more_come(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    for (int i = 0; i < 25; i++)
        assert_int_equal(cnn_fail(diag, CNN_INVALID, NULL, "mistake %d", i), CNN_INVALID);
    cnn_hint(diag, "for a message that was not kept");
    cnn_warn(diag, NULL, "a warning has its own room");
    assert_int_equal(cnn_diag_count(diag), 21);
    assert_int_equal(cnn_diag_errors(diag), 25);
    assert_int_equal(cnn_diag_dropped(diag), 5);
    assert_formats(diag, 0, "cnn: error: mistake 0\n");
    assert_formats(diag, 19, "cnn: error: mistake 19\n");
    assert_formats(diag, 20, "cnn: warning: a warning has its own room\n");
    cnn_diag_clear(diag);
    assert_int_equal(cnn_diag_count(diag), 0);
    assert_int_equal(cnn_diag_errors(diag), 0);
    assert_null(cnn_diag_get(diag, 0));
    cnn_diag_free(diag);
}

static void test_fail_is_dropped_when_there_is_no_diag(void **state)
{
    (void)state;
    assert_int_equal(cnn_fail(NULL, CNN_FAILED, NULL, "unheard"), CNN_FAILED);
    cnn_hint(NULL, "unheard");
    cnn_warn(NULL, NULL, "unheard");
    cnn_diag_clear(NULL);
    cnn_diag_free(NULL);
    assert_int_equal(cnn_diag_count(NULL), 0);
    assert_int_equal(cnn_diag_dropped(NULL), 0);
}

static void test_fail_says_it_once_when_the_place_is_the_same(void **state)
{
    (void)state;
    struct cnn_source source = {"a.yaml", "x: 1\n", 5};
    struct cnn_where first = place(&source, 1, 1), second = place(&source, 1, 4);
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, &first, "no");
    cnn_fail(diag, CNN_INVALID, &first, "no");
    cnn_hint(diag, "of the repeated one");
    cnn_fail(diag, CNN_INVALID, &second, "no");
    assert_int_equal(cnn_diag_count(diag), 2);
    assert_int_equal(cnn_diag_errors(diag), 3);
    assert_int_equal(cnn_diag_dropped(diag), 0);
    assert_formats(diag, 0, "a.yaml:1:1: error: no\n  x: 1\n  ^\n");
    cnn_diag_free(diag);
}

static void test_warning_is_kept_once_when_it_comes_again(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    cnn_warn(diag, NULL, "%s is odd", "a");
    cnn_hint(diag, "one");
    cnn_fail(diag, CNN_FAILED, NULL, "a is odd");
    cnn_warn(diag, NULL, "%s is odd", "a");
    cnn_hint(diag, "two"); /* dropped with it */
    cnn_warn(diag, NULL, "%s is odd", "b");
    assert_int_equal(cnn_diag_count(diag), 3);
    assert_string_equal(cnn_diag_get(diag, 0)->hint, "one");
    assert_null(cnn_diag_get(diag, 1)->hint);
    assert_string_equal(cnn_diag_get(diag, 2)->text, "b is odd");
    cnn_diag_free(diag);
}

static void test_format_points_at_the_column_when_characters_are_wide(void **state)
{
    (void)state;
    const char *text = "a: 1\r\n\t\xC3\xA4\x01: [x]\rc: 3";
    struct cnn_source source = {"dir/m.yaml", text, strlen(text)};
    struct cnn_where where = place(&source, 2, 6), last = place(&source, 3, 5),
                     file = place(&source, 0, 0), beyond = place(&source, 9, 1);
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, &where, "bad");
    cnn_hint(diag, "write '%s'", "y");
    cnn_warn(diag, &last, "end");
    cnn_fail(diag, CNN_INVALID, &file, "all of it");
    cnn_fail(diag, CNN_INVALID, &beyond, "no such line");
    assert_formats(
        diag, 0,
        "dir/m.yaml:2:6: error: bad\n   \xC3\xA4\\x01: [x]\n          ^\n  hint: write 'y'\n");
    assert_formats(diag, 1, "dir/m.yaml:3:5: warning: end\n  c: 3\n      ^\n");
    assert_formats(diag, 2, "dir/m.yaml: error: all of it\n");
    assert_formats(diag, 3, "dir/m.yaml:9:1: error: no such line\n");
    cnn_diag_free(diag);
}

static void test_format_shows_each_note_when_a_place_has_some(void **state)
{
    (void)state;
    const char *text = "a: [x]\nb: c\nd: e";
    struct cnn_source source = {"m.yaml", text, strlen(text)};
    struct cnn_note last = {"made here", place(&source, 3, 1)};
    struct cnn_note first = {"used here", place(&source, 2, 4)};
    struct cnn_where where = place(&source, 1, 5);
    first.where.note = &last;
    where.note = &first;
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, &where, "no %s", "x");
    cnn_hint(diag, "write y");
    where.note = NULL;
    cnn_fail(diag, CNN_INVALID, &where, "no x");
    assert_int_equal(cnn_diag_count(diag), 1);
    assert_formats(diag, 0,
                   "m.yaml:1:5: error: no x\n  a: [x]\n      ^\n  hint: write y\n"
                   "m.yaml:2:4: note: used here\n  b: c\n     ^\n"
                   "m.yaml:3:1: note: made here\n  d: e\n  ^\n");
    cnn_diag_free(diag);
}

static void test_format_escapes_when_text_is_no_text(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, NULL, "%s", "\x1B[31m \xFF\xC2\x9B \xE4\xBD\xA0\n\xC0\xAF\x7F");
    assert_formats(diag, 0,
                   "cnn: error: \\x1B[31m \\xFF\\xC2\\x9B \xE4\xBD\xA0\\x0A\\xC0\\xAF\\x7F\n");
    cnn_diag_free(diag);
}

static void test_format_cuts_when_lines_are_long(void **state)
{
    (void)state;
    enum { SIZE = 5000 };
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, 'a', SIZE);
    text[SIZE] = '\0';
    text[2499] = 'X';
    struct cnn_source source = {"f", text, SIZE};
    struct cnn_where where = place(&source, 1, 2500);
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, &where, "%s", text);
    char *shown = cnn_message_format(cnn_diag_get(diag, 0), "cnn");
    const char *line = strchr(shown, '\n') + 1, *caret = strchr(line, '\n') + 1;
    assert_int_equal(line - shown, strlen("f:1:2500: error: ...\n") + 1000);
    assert_int_equal(caret - line, strlen("  ...") + 120 + strlen("...\n"));
    assert_int_equal(line[strcspn(caret, "^")], 'X');
    free(shown);
    cnn_diag_free(diag);
    free(text);
}

static void test_format_escapes_when_text_would_turn_around(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, NULL, "%s",
             "a\u202Eb\u202A\u2066\u2069 \u2029\u202F\u2065\u206A\u00A0");
    assert_formats(diag, 0,
                   "cnn: error: a\\xE2\\x80\\xAEb\\xE2\\x80\\xAA\\xE2\\x81\\xA6\\xE2\\x81\\xA9 "
                   "\u2029\u202F\u2065\u206A\u00A0\n");
    cnn_diag_free(diag);
}

static void test_format_leaves_out_the_middle_when_a_name_is_ten_megabytes(void **state)
{
    enum { LONG = 10000000 };
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    char *name = malloc(LONG + 1), expected[1100];
    assert_non_null(name);
    memset(name, 'x', LONG);
    name[LONG] = '\0';
    cnn_fail(diag, CNN_INVALID, NULL, "class '%s' has no image", name);
    snprintf(expected, sizeof expected, "cnn: error: class '%.693s...%.286s' has no image\n", name,
             name);
    assert_formats(diag, 0, expected);
    cnn_diag_free(diag);
    free(name);
}

static void test_memory_message_rounds_up(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    assert_int_equal(cnn_fail_memory(diag, 1024 * 1024 + 1, "the plan"), CNN_FAILED);
    assert_formats(diag, 0, "cnn: error: out of memory (2 MiB wanted for the plan)\n");
    assert_int_equal(cnn_fail_memory(diag, 0, "a list"), CNN_FAILED);
    assert_formats(diag, 1, "cnn: error: out of memory (wanted for a list)\n");
    cnn_diag_free(diag);
}

static void test_wants_are_told_apart_from_faults_of_a_file(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    assert_int_equal(cnn_diag_want(NULL), CNN_WANT_MEMORY);
    errno = ENOENT;
    assert_int_equal(cnn_file_fail("a.png", diag), CNN_FAILED);
    assert_int_equal(cnn_diag_want(diag), CNN_WANT_NOTHING);
    errno = ENFILE;
    assert_int_equal(cnn_file_fail("a.png", diag), CNN_FAILED);
    assert_int_equal(cnn_diag_want(diag), CNN_WANT_FILES);
    assert_false(cnn_diag_out_of_memory(diag));
    assert_formats(diag, 1,
                   "cnn: error: cannot read a.png: too many files are open\n"
                   "  hint: 'ulimit -n' shows and sets how many this process may have open\n");
    cnn_diag_clear(diag);
    assert_int_equal(cnn_diag_want(diag), CNN_WANT_NOTHING);
    assert_int_equal(cnn_fail_want(diag, CNN_WANT_FILES, 0, "b.png"), CNN_FAILED);
    errno = ENOMEM;
    assert_int_equal(cnn_file_fail("a.png", diag), CNN_FAILED);
    assert_int_equal(cnn_diag_want(diag), CNN_WANT_MEMORY);
    cnn_diag_free(diag);
}

static void test_nearest_word_is_found_when_it_is_a_slip(void **state)
{
    (void)state;
    static const char *const words[] = {"filters", "kernel_size", "lr",
                                        "k",       "padding",     "padding_mode"};
    static const char *const slips[][2] = {
        {"filetrs", "filters"},          {"Filters", "filters"}, {"kernel-size", "kernel_size"},
        {"kernelsize", "kernel_size"},   {"paddin", "padding"},  {"rl", "lr"},
        {"padding_mod", "padding_mode"}, {"flters", "filters"}};
    for (size_t i = 0; i < sizeof(slips) / sizeof(*slips); i++) {
        const char *found = cnn_nearest_word(slips[i][0], words, 6);
        assert_non_null(found);
        assert_string_equal(found, slips[i][1]);
    }
    assert_null(cnn_nearest_word("p", words, 6));
    assert_null(cnn_nearest_word("", words, 6));
    assert_null(cnn_nearest_word("momentum", words, 6));
    assert_null(cnn_nearest_word(
        "a_word_that_is_longer_than_any_key_of_any_table_will_be_in_this_world", words, 6));
}

static void test_counts_have_a_comma_before_every_three_digits(void **state)
{
    static const struct {
        uint64_t count;
        const char *text;
    } cases[] = {{0, "0"},
                 {999, "999"},
                 {1000, "1,000"},
                 {9248, "9,248"},
                 {100000, "100,000"},
                 {1971352, "1,971,352"},
                 {UINT64_MAX, "18,446,744,073,709,551,615"}};
    char text[CNN_COUNT_SIZE];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(cnn_count_format(cases[i].count, text), cases[i].text);
}

static void test_natural_compare_orders_numbers_by_value(void **state)
{
    (void)state;
    static const char *const ordered[] = {"",
                                          "1",
                                          "01x",
                                          "class2",
                                          "class10",
                                          "class10a",
                                          "class99999999999999999999998",
                                          "class99999999999999999999999",
                                          "clazz"};
    enum { COUNT = sizeof(ordered) / sizeof(*ordered) };
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < COUNT; j++) {
            int order = cnn_natural_compare(ordered[i], ordered[j]);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
    assert_int_not_equal(cnn_natural_compare("a1", "a01"), 0);
}

static void test_shell_word_is_quoted_where_a_shell_would_divide_or_replace_it(void **state)
{
    (void)state;
    static const char *const words[][2] = {{"runs/lenet5-1", "runs/lenet5-1"},
                                           {"my run", "'my run'"},
                                           {"it's", "'it'\\''s'"},
                                           {"", "''"},
                                           {"$HOME`a`", "'$HOME`a`'"},
                                           {"~", "'~'"},
                                           {"a\nb", "'a\nb'"},
                                           {"h\xc3\xbcndchen", "h\xc3\xbcndchen"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++) {
        char *word = cnn_shell_word(words[i][0]);
        assert_non_null(word);
        assert_string_equal(word, words[i][1]);
        free(word);
    }
}

static void test_text_grows_when_it_must(void **state)
{
    (void)state;
    struct cnn_text text = {0};
    for (int i = 0; i < 1000; i++)
        cnn_text_printf(&text, "%d,", i);
    cnn_text_append(&text, "end", 3);
    assert_false(text.failed);
    assert_int_equal(text.size, strlen(text.data));
    assert_memory_equal(text.data, "0,1,2,", 6);
    assert_string_equal(text.data + text.size - 8, ",999,end");
    cnn_text_free(&text);
    assert_null(text.data);
    cnn_text_free(NULL);
}

/* What another JSON writer (Python's) makes of the same, but for its escapes in lower case. */
static void test_json_is_escaped_where_it_must(void **state)
{
    (void)state;
    struct cnn_text text = {0};
    cnn_text_json_string(&text, "a\"b\\c/\b\f\n\r\t\x01\x1F\x7F\xC3\xA4");
    assert_string_equal(text.data, "\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001F\x7F\xC3\xA4\"");
    cnn_text_free(&text);
    cnn_text_json_number(&text, 3, 9);
    cnn_text_append(&text, " ", 1);
    cnn_text_json_number(&text, (double)0.1f, 9);
    cnn_text_append(&text, " ", 1);
    cnn_text_json_number(&text, 1e-9, 17);
    assert_string_equal(text.data, "3.0 0.100000001 1.0000000000000001e-09");
    cnn_text_free(&text);
}

static void test_word_cut_ends_at_a_character(void **state)
{
    (void)state;
    char buffer[10];
    assert_string_equal(cnn_word_cut("short", buffer, sizeof(buffer)), "short");
    assert_string_equal(cnn_word_cut("123456789", buffer, sizeof(buffer)), "123456789");
    assert_string_equal(cnn_word_cut("1234567890", buffer, sizeof(buffer)), "123456...");
    assert_string_equal(cnn_word_cut("12345\xC3\xA4"
                                     "6789",
                                     buffer, sizeof(buffer)),
                        "12345...");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_keeps_the_first_twenty_when_more_come),
        cmocka_unit_test(test_fail_is_dropped_when_there_is_no_diag),
        cmocka_unit_test(test_fail_says_it_once_when_the_place_is_the_same),
        cmocka_unit_test(test_warning_is_kept_once_when_it_comes_again),
        cmocka_unit_test(test_format_points_at_the_column_when_characters_are_wide),
        cmocka_unit_test(test_format_shows_each_note_when_a_place_has_some),
        cmocka_unit_test(test_format_escapes_when_text_is_no_text),
        cmocka_unit_test(test_format_cuts_when_lines_are_long),
        cmocka_unit_test(test_format_escapes_when_text_would_turn_around),
        cmocka_unit_test(test_format_leaves_out_the_middle_when_a_name_is_ten_megabytes),
        cmocka_unit_test(test_memory_message_rounds_up),
        cmocka_unit_test(test_wants_are_told_apart_from_faults_of_a_file),
        cmocka_unit_test(test_nearest_word_is_found_when_it_is_a_slip),
        cmocka_unit_test(test_counts_have_a_comma_before_every_three_digits),
        cmocka_unit_test(test_natural_compare_orders_numbers_by_value),
        cmocka_unit_test(test_shell_word_is_quoted_where_a_shell_would_divide_or_replace_it),
        cmocka_unit_test(test_text_grows_when_it_must),
        cmocka_unit_test(test_json_is_escaped_where_it_must),
        cmocka_unit_test(test_word_cut_ends_at_a_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
