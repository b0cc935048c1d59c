/* The language of pages: its table, texts and formats, fragments and captions of pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "util/words.h"
#include "viz/html.h"

static const struct {
    const char *english, *korean;
} table[] = {
#define WORDS(english, korean) {english, korean},
#include "util/korean.def"
};
enum { ENTRIES = sizeof table / sizeof *table, MOST = 16 };

/* The conversions of a format by the argument that they are for: "zu", "s", "g". How many. */
static size_t conversions(const char *format, char out[MOST][8])
{
    size_t count = 0, most = 0;
    while ((format = strchr(format, '%'))) {
        format++;
        if (*format == '%') {
            format++;
            continue;
        }
        char *end;
        unsigned long place = strtoul(format, &end, 10);
        if (*end == '$')
            format = end + 1;
        else
            place = ++count;
        format += strspn(format, "-+ 0123456789.");
        if (*format == '*') {
            strcpy(out[place - 1], "*");
            place = ++count;
            format++;
        }
        size_t length = strspn(format, "zl") + 1;
        assert_true(place >= 1 && place <= MOST && length < 8);
        snprintf(out[place - 1], sizeof out[0], "%.*s", (int)length, format);
        most = place > most ? place : most;
        format += length;
    }
    return most;
}

static void test_translations_take_the_arguments_of_the_english(void **state)
{
    (void)state;
    assert_true(ENTRIES > 300);
    for (size_t i = 0; i < ENTRIES; i++) {
        char english[MOST][8] = {{0}}, korean[MOST][8] = {{0}};
        if (strstr(table[i].english, "%Y")) /* of strftime */
            continue;
        assert_int_equal(conversions(table[i].english, english),
                         conversions(table[i].korean, korean));
        for (size_t k = 0; k < MOST; k++)
            if (strcmp(english[k], korean[k]) != 0)
                fail_msg("'%s': argument %zu", table[i].english, k + 1);
    }
}

static size_t count(const char *text, const char *part)
{
    size_t found = 0;
    for (; (text = strstr(text, part)); text += strlen(part))
        found++;
    return found;
}

static void test_translations_hold_the_values_of_the_english(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENTRIES; i++) {
        assert_int_equal(count(table[i].english, "{{"), count(table[i].korean, "{{"));
        for (const char *at = table[i].english; (at = strstr(at, "{{")); at += 2) {
            char value[48];
            snprintf(value, sizeof value, "%.*s", (int)(strcspn(at, "}") + 2), at);
            if (!strstr(table[i].korean, value))
                fail_msg("'%s': no %s", table[i].english, value);
        }
    }
}

static void test_a_text_stands_once_and_its_edges_stay(void **state)
{
    (void)state;
    for (size_t i = 0; i < ENTRIES; i++) {
        const char *english = table[i].english, *korean = table[i].korean;
        assert_true(*english && *korean);
        assert_int_equal(english[strlen(english) - 1] == '\n', korean[strlen(korean) - 1] == '\n');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(english, table[k].english);
    }
}

static void test_languages(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    assert_string_equal(cnn_say("The input"), "The input");
    assert_int_equal(cnn_set_language("ko", diag), CNN_OK);
    assert_string_equal(cnn_language(), "ko");
    assert_string_equal(cnn_say("The input"), "입력");
    assert_string_equal(cnn_say("The input of"), "The input of");
    assert_null(cnn_say_part("The inputs", 8));
    assert_string_equal(cnn_say_part("The inputs", 9), "입력");
    assert_int_equal(cnn_set_language("fr", diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(diag, 0)->text, "pages have no language 'fr'");
    assert_string_equal(cnn_language(), "ko");
    cnn_say_plainly(true);
    assert_string_equal(cnn_say("The input"), "The input");
    cnn_say_plainly(false);
    assert_string_equal(cnn_say("The input"), "입력");
    assert_int_equal(cnn_set_language(NULL, diag), CNN_OK);
    assert_string_equal(cnn_language(), "en");
    cnn_diag_free(diag);
}

static void expect_fragment(const char *language, const char *fragment, const char *expected)
{
    const struct cnn_html_value values[] = {cnn_html_string("filters", "<6>"),
                                            cnn_html_string("size", "5 x 5"),
                                            cnn_html_flag("no", false),
                                            {0}};
    struct cnn_text page = {0};
    cnn_set_language(language, NULL);
    cnn_html_fill(&page, fragment, values);
    cnn_set_language(NULL, NULL);
    assert_string_equal(page.data, expected);
    cnn_text_free(&page);
}

static void test_fragments_are_filled_in_the_language(void **state)
{
    (void)state;
    const char *fragment = "<p>[[{{filters}} kernels, {{size}}]]{{#no}}[[layer]]{{/no}}[0]{1}</p>";
    expect_fragment("en", fragment, "<p>&lt;6&gt; kernels, 5 x 5[0]{1}</p>");
    expect_fragment("ko", fragment, "<p>5 x 5 커널 &lt;6&gt;개[0]{1}</p>");
    expect_fragment("ko", "[[nothing known of {{size}}]]!", "nothing known of 5 x 5!");
}

static void test_captions_have_english_pixels_and_a_translated_label(void **state)
{
    (void)state;
    struct cnn_canvas english, korean;
    struct cnn_label label;
    const char *text;
    char caption[64], small[8];
    size_t at = 0;
    cnn_canvas_new(120, 12, (struct cnn_colour){255, 255, 255}, &english, NULL);
    cnn_canvas_new(120, 12, (struct cnn_colour){255, 255, 255}, &korean, NULL);
    cnn_caption(caption, sizeof caption, "filter %zu", (size_t)7);
    assert_string_equal(caption, "filter 7");
    cnn_canvas_text(&english, 3, 1, 1, (struct cnn_colour){0, 0, 0}, caption);
    cnn_set_language("ko", NULL);
    cnn_caption(caption, sizeof caption, "filter %zu", (size_t)7);
    cnn_caption(small, sizeof small, "filter %zu", (size_t)7);
    cnn_set_language(NULL, NULL);
    assert_string_equal(caption, "filter 7\x1F필터 7");
    assert_string_equal(cnn_caption_said(caption), "필터 7");
    assert_string_equal(small, "filter ");
    assert_int_equal(cnn_canvas_text_width(caption, 1), 8 * 6);
    assert_int_equal(cnn_canvas_text_width("a\x1F필터 7", 1), 6 * 6);
    cnn_canvas_text(&korean, 3, 1, 1, (struct cnn_colour){0, 0, 0}, caption);
    assert_memory_equal(english.pixels, korean.pixels, 120 * 12 * 3);
    assert_true(cnn_canvas_next_label(&korean, &at, &label, &text));
    assert_string_equal(text, "필터 7");
    assert_int_equal(label.width, 6 * 6);
    assert_int_equal(label.covered[0], 8 * 6);
    cnn_canvas_free(&english);
    cnn_canvas_free(&korean);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_translations_take_the_arguments_of_the_english),
        cmocka_unit_test(test_translations_hold_the_values_of_the_english),
        cmocka_unit_test(test_a_text_stands_once_and_its_edges_stay),
        cmocka_unit_test(test_languages),
        cmocka_unit_test(test_fragments_are_filled_in_the_language),
        cmocka_unit_test(test_captions_have_english_pixels_and_a_translated_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
