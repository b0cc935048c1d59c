/* The JSON reader. What is right and what is wrong is RFC 8259's; values that are read were checked
 * with another reader (Python's). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "util/json.h"

static const struct cnn_json *read_text(struct cnn_arena *arena, const char *text)
{
    struct cnn_json_error error;
    return cnn_json_read(arena, text, strlen(text), &error);
}

static void test_values_are_read(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    const struct cnn_json *all = read_text(
        arena, " {\"a\" : [1, -2.5e-1, 0, 18446744073709551615, 18446744073709551616, 1.0],\r\n"
               "\"t\":true,\"f\":false,\"n\":null,\"\":\"\",\"o\":{},\"l\":[\t]}\n");
    assert_non_null(all);
    assert_int_equal(all->kind, CNN_JSON_OBJECT);
    assert_int_equal(all->size, 7);
    const struct cnn_json *list = cnn_json_get(all, "a"), *number = list->first;
    assert_int_equal(list->size, 6);
    static const double numbers[] = {1, -0.25, 0, 18446744073709551615.0, 18446744073709551616.0,
                                     1};
    static const bool whole[] = {true, false, true, true, false, false};
    for (size_t i = 0; i < 6; i++, number = number->next) {
        assert_int_equal(number->kind, CNN_JSON_NUMBER);
        assert_true(number->number == numbers[i]);
        assert_int_equal(number->whole, whole[i]);
    }
    assert_null(number);
    assert_true(list->first->next->next->next->size == UINT64_MAX);
    assert_int_equal(cnn_json_get(all, "t")->kind, CNN_JSON_BOOL);
    assert_true(cnn_json_get(all, "t")->number == 1 && cnn_json_get(all, "f")->number == 0);
    assert_int_equal(cnn_json_get(all, "n")->kind, CNN_JSON_NULL);
    assert_string_equal(cnn_json_get(all, "")->text, "");
    assert_null(cnn_json_get(all, "o")->first);
    assert_null(cnn_json_get(all, "l")->first);
    assert_null(cnn_json_get(all, "b"));
    assert_null(cnn_json_get(list, "a"));
    cnn_arena_free(arena);
}

static void test_texts_are_unescaped(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    const struct cnn_json *text =
        read_text(arena, "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\u20AC\\uD83D\\uDE00\xC3\xB6\x7F\"");
    assert_non_null(text);
    assert_string_equal(text->text,
                        "\"\\/\b\f\n\r\t\xC3\xA4\xE2\x82\xAC\xF0\x9F\x98\x80\xC3\xB6\x7F");
    cnn_arena_free(arena);
}

static void test_wrong_texts_are_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
        size_t position;
    } wrong[] = {
        {"", "no value", 0},
        {"[1,]", "no value", 3},
        {"[1 2]", "a list without ',' or ']' behind a value", 3},
        {"{\"a\":1,}", "no key in quotes", 7},
        {"{\"a\" 1}", "a key without a colon behind it", 5},
        {"{\"a\":1", "an object without ',' or '}' behind a value", 6},
        {"{\"b\":1,\"a\":2,\"b\":3}", "an object in which a key stands twice", 13},
        {"01", "a number with a zero before it", 2},
        {"-", "no value", 1},
        {"1.", "a number without digits after its point", 2},
        {"1e+", "a number without digits in its exponent", 3},
        {"+1", "no value", 0},
        {"nul", "no value", 0},
        {"1 1", "more behind the value", 2},
        {"\"a", "a text without its closing quote", 2},
        {"\"a\\\"", "a text without its closing quote", 4},
        {"\"\n\"", "a control character within a text", 1},
        {"\"\xFF\"", "a byte that is no UTF-8", 1},
        {"\"\\x\"", "an escape that JSON does not have", 2},
        {"\"\\u12g4\"", "\\u without four hexadecimal digits", 5},
        {"\"\\u0000\"", "\\u0000 within a text", 7},
        {"\"\\uD800\"", "half of a surrogate pair", 7},
        {"\"\\uD800\\u0041\"", "half of a surrogate pair", 13},
        {"\"\\uDC00\"", "half of a surrogate pair", 7},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cnn_arena *arena = cnn_arena_new();
        struct cnn_json_error error;
        size_t size = strlen(wrong[i].text);
        char *copy = malloc(size + 1); /* of just this size: what is read behind it is found */
        memcpy(copy, wrong[i].text, size);
        char *exact = realloc(copy, size ? size : 1);
        if (cnn_json_read(arena, exact, size, &error))
            fail_msg("taken: %s", wrong[i].text);
        assert_string_equal(error.text, wrong[i].error);
        assert_int_equal(error.position, wrong[i].position);
        free(exact);
        cnn_arena_free(arena);
    }
}

static void test_depth_is_bounded(void **state)
{
    (void)state;
    char text[131] = "";
    for (int depth = 64; depth <= 65; depth++) {
        struct cnn_arena *arena = cnn_arena_new();
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        text[2 * depth] = '\0';
        if (depth == 64)
            assert_non_null(read_text(arena, text));
        else
            assert_null(read_text(arena, text));
        cnn_arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_read),
        cmocka_unit_test(test_texts_are_unescaped),
        cmocka_unit_test(test_wrong_texts_are_refused_with_their_place),
        cmocka_unit_test(test_depth_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
