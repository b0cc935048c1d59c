/* What pages are made of: escaping, pictures within a page, tables of predictions, and charts. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "markup.h"
#include "report/chart.h"
#include "util/arena.h"
#include "viz/html.h"

static void test_text_is_escaped_when_it_comes_from_anywhere(void **state)
{
    struct cnn_text page = {0};
    (void)state;
    cnn_html_text(&page, HOSTILE "\t\n\x01\x7f\xc2\x85 caf\xc3\xa9 \xff\xe2\x82 end");
    assert_string_equal(page.data, HOSTILE_ESCAPED
                        "\t\n&#xFFFD;&#xFFFD;&#xFFFD; caf\xc3\xa9 &#xFFFD;&#xFFFD;&#xFFFD; end");
    cnn_text_free(&page);
    cnn_html_text(&page, "");
    assert_int_equal(page.size, 0);
    cnn_text_free(&page);
}

static void test_fragment_shows_its_values_when_it_is_filled(void **state)
{
    const struct cnn_html_value values[] = {cnn_html_string("word", "<b>"),
                                            cnn_html_number("share", "%.1f %%", 12.5),
                                            cnn_html_flag("set", true),
                                            cnn_html_flag("unset", false),
                                            cnn_html_number("long", "%.0f", 1e60),
                                            {0}};
    struct cnn_text page = {0};
    (void)state;
    cnn_html_fill(&page, "{{word}}, {{&word}}: {{share}}, {{share}}; {{long}}\n", values);
    assert_string_equal(page.data, "&lt;b&gt;, <b>: 12.5 %, 12.5 %; ?\n");
    cnn_text_free(&page);
    cnn_html_fill(&page,
                  "a{{#set}}b{{/set}}{{^set}}c{{/set}}{{#unset}}d{{/unset}}"
                  "{{^unset}}e{{/unset}}f",
                  values);
    assert_string_equal(page.data, "abef");
    cnn_text_free(&page);
    /* A section that is left out leaves out those within it. */
    cnn_html_fill(&page,
                  "{{#unset}}a{{#set}}b{{/set}}c{{/unset}}d"
                  "{{#set}}e{{#unset}}f{{/unset}}g{{/set}}",
                  values);
    assert_string_equal(page.data, "deg");
    cnn_text_free(&page);
    cnn_html_fill(&page, "plain", NULL);
    assert_string_equal(page.data, "plain");
    cnn_text_free(&page);
}

static void test_page_is_sound_when_its_title_is_hostile(void **state)
{
    struct cnn_text page = {0};
    (void)state;
    cnn_html_begin(&page, HOSTILE, 0);
    cnn_html_end(&page);
    assert_has(&page, "<title>" HOSTILE_ESCAPED "</title>");
    assert_has(&page, "<h1>" HOSTILE_ESCAPED "</h1>");
    assert_has(&page, "<link rel=\"icon\" href=\"data:,\">");
    assert_lacks(&page, "refresh");
    assert_sound(&page);
    cnn_text_free(&page);
    cnn_html_begin(&page, "t", 7);
    assert_has(&page, "<meta http-equiv=\"refresh\" content=\"7\">");
    cnn_text_free(&page);
}

/* What base64 digits up to the quote stand for. */
static size_t decode(const char *text, uint8_t *bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    uint32_t bits = 0;
    size_t count = 0, size = 0;
    for (; *text && *text != '"' && *text != '='; text++) {
        const char *digit = strchr(digits, *text);
        assert_non_null(digit);
        bits = bits << 6 | (uint32_t)(digit - digits);
        if (++count % 4 != 1)
            bytes[size++] = (uint8_t)(bits >> (6 - 2 * ((count - 1) % 4)));
    }
    for (; *text == '='; text++)
        count++;
    assert_int_equal(*text, '"');
    assert_int_equal(count % 4, 0);
    return size;
}

static void test_picture_comes_back_when_its_uri_is_decoded(void **state)
{
    uint8_t bytes[4096];
    (void)state;
    /* Widths whose files end in one, two and three bytes of a base64 group. */
    for (size_t width = 1; width <= 12; width++) {
        struct cnn_canvas canvas = {0};
        struct cnn_text page = {0}, png = {0};
        assert_int_equal(cnn_canvas_new(width, 3, (struct cnn_colour){200, 40, 7}, &canvas, NULL),
                         CNN_OK);
        assert_int_equal(cnn_canvas_encode(&canvas, &png, NULL), CNN_OK);
        assert_int_equal(cnn_html_picture(&page, &canvas, 4, "a \"b\"", NULL), CNN_OK);
        char *start = strstr(page.data, "base64,");
        assert_non_null(start);
        assert_int_equal(decode(start + strlen("base64,"), bytes), png.size);
        assert_memory_equal(bytes, png.data, png.size);
        assert_has(&page, "alt=\"a &quot;b&quot;\"");
        assert_has(&page, "height=\"12\"");
        assert_has(&page, "class=\"pixels\"");
        cnn_text_free(&page);
        cnn_text_free(&png);
        cnn_canvas_free(&canvas);
    }
}

static void test_predictions_mark_the_true_class_when_it_is_known(void **state)
{
    const cnn_prediction predictions[] = {
        {4, "a&b", 0.75f}, {2, "dog", 0.2496f}, {0, "cat", 0.0004f}, {1, "cow", 0}};
    struct cnn_text page = {0};
    (void)state;
    cnn_html_predictions(&page, predictions, 4, 2);
    assert_has(&page, "<tr><td>a&amp;b</td>");
    assert_has(&page, "width:75.0%");
    assert_has(&page, "<tr class=\"truth\"><td>dog <span class=\"note\">(true class)</span></td>");
    assert_has(&page, ">25.0 %<");
    assert_has(&page, ">&lt; 0.1 %<");
    assert_has(&page, ">0.0 %<");
    assert_sound(&page);
    cnn_text_free(&page);
    cnn_html_predictions(&page, predictions, 4, CNN_NO_INDEX);
    assert_lacks(&page, "truth");
    cnn_text_free(&page);
    assert_string_equal(cnn_html_probability("p", 0.9996f).text, "> 99.9 %");
    assert_string_equal(cnn_html_probability("p", 1).number, "100.0 %");
    assert_string_equal(cnn_html_probability("p", -NAN).text, "not a number");
}

static void draw(struct cnn_text *page, struct cnn_chart chart, const double *x, const double *y,
                 size_t count)
{
    struct cnn_series series = {.name = HOSTILE, .x = x, .y = y, .count = count};
    chart.series = &series;
    chart.count = 1;
    chart.title = chart.x_name = HOSTILE;
    cnn_chart_draw(page, &chart);
    assert_lacks(page, "nan");
    assert_lacks(page, "inf");
    if (page->size)
        assert_sound(page);
}

static void test_chart_has_exact_places_when_the_series_is_known(void **state)
{
    const double x[] = {0, 1, 2}, y[] = {0, 5, 10};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true}, x, y, 3);
    assert_has(&page, "d=\"M60.00 250.00L320.00 140.00L580.00 30.00\"");
    assert_has(&page, "<circle cx=\"320.00\" cy=\"140.00\" r=\"3\"><title>" HOSTILE_ESCAPED
                      ", " HOSTILE_ESCAPED " 1: 5</title></circle>");
    assert_has(&page, "<text x=\"52\" y=\"254.00\">0</text><text x=\"52\" y=\"210.00\">2</text>");
    assert_has(&page, "<text x=\"320.00\" y=\"270\">1</text>");
    assert_int_equal(
        count_of(&page, "text-anchor=\"middle\"><line") + count_of(&page, "</text><line"), 3);
    cnn_text_free(&page);
}

static void test_chart_has_gaps_when_values_are_not_finite(void **state)
{
    const double x[] = {0, 1, 2, 3, 4}, y[] = {0, 10, NAN, 5, INFINITY};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){0}, x, y, 5);
    assert_has(&page, "d=\"M60.00 250.00L233.33 30.00M580.00 140.00\"");
    assert_int_equal(count_of(&page, "<circle"), 3);
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){0}, x + 4, y + 4, 1);
    assert_int_equal(page.size, 0);
    cnn_text_free(&page);
}

static void test_chart_shows_a_dot_when_there_is_one_point(void **state)
{
    const double x = 3, y = 0.5;
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true, .percent = true}, &x, &y, 1);
    assert_has(&page, "<circle cx=\"320.00\" cy=\"140.00\" r=\"3\"><title>" HOSTILE_ESCAPED
                      ", " HOSTILE_ESCAPED " 3: 50.00 %</title>");
    assert_has(&page, "<text x=\"320.00\" y=\"270\">3</text>");
    cnn_text_free(&page);
}

static void test_chart_axis_ends_at_a_hundred_when_shares_are_shown(void **state)
{
    const double x[] = {1, 2}, y[] = {1, 1};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true, .percent = true}, x, y, 2);
    assert_has(&page, ">100</text>");
    assert_has(&page, "d=\"M60.00 30.00L580.00 30.00\"");
    cnn_text_free(&page);
}

static void test_chart_begins_at_zero_when_it_is_asked_to(void **state)
{
    const double x[] = {1, 2}, y[] = {0.75, 0.875}, below[] = {-1, 1};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true, .percent = true}, x, y, 2);
    assert_lacks(&page, ">0</text>");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.whole = true, .percent = true, .y_from_zero = true}, x, y, 2);
    assert_has(&page, "y=\"254.00\">0</text>");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.whole = true, .y_from_zero = true}, x, below, 2);
    assert_has(&page, "d=\"M60.00 250.00L580.00 30.00\"");
    cnn_text_free(&page);
}

static void test_chart_is_logarithmic_when_values_span_two_decades(void **state)
{
    const double x[] = {0, 1, 2}, wide[] = {100, 1, 0.01}, narrow[] = {100, 50, 1},
                 between[] = {101, 50, 1}, zero[] = {100, 1, 0};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.logarithm = true}, x, wide, 3);
    assert_has(&page, "logarithmic");
    assert_has(&page, "d=\"M60.00 30.00L320.00 140.00L580.00 250.00\"");
    assert_has(&page, ">0.01</text>");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.logarithm = true}, x, between, 3);
    assert_has(&page, "logarithmic");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.logarithm = true}, x, narrow, 3);
    assert_lacks(&page, "logarithmic");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.logarithm = true}, x, zero, 3);
    assert_lacks(&page, "logarithmic");
    cnn_text_free(&page);
}

static void test_chart_stays_sound_when_values_are_extreme(void **state)
{
    const double x[] = {1, 2, 3}, cases[][3] = {{1e-300, 2e-300, 3e-300},
                                                {-1e299, 0, 1e299},
                                                {1e-310, 1, 1e308},
                                                {0, 0, 0},
                                                {1e15, 1e15 + 1, 1e15}};
    struct cnn_text page = {0};
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int logarithm = 0; logarithm < 2; logarithm++) {
            draw(&page, (struct cnn_chart){.logarithm = logarithm}, x, cases[i], 3);
            assert_true(page.size > 0 && page.size < 5000);
            cnn_text_free(&page);
        }
}

static void test_chart_numbers_are_short_when_values_are_large_or_small(void **state)
{
    const double x[] = {0, 20000}, large[] = {0, 3e6}, small[] = {0, 2e-5},
                 narrow[] = {2.302, 2.3021};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true}, x, large, 2);
    assert_has(&page, ">20k</text>");
    assert_has(&page, ">2.5M</text>");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.whole = true}, x, small, 2);
    assert_has(&page, ">15e-6</text>");
    cnn_text_free(&page);
    draw(&page, (struct cnn_chart){.whole = true}, x, narrow, 2);
    assert_has(&page, ">2.30204</text>");
    cnn_text_free(&page);
}

static void test_chart_is_flat_when_values_differ_in_their_last_digits(void **state)
{
    const double x[] = {0, 1, 2}, y[] = {2.302585, 2.3025851, 2.302585};
    struct cnn_text page = {0};
    (void)state;
    draw(&page, (struct cnn_chart){.whole = true}, x, y, 3);
    assert_has(&page, "d=\"M60.00 139.05L320.00 139.05L580.00 139.05\"");
    cnn_text_free(&page);
}

/* The line goes through every point; of those that lie closer than a pixel, some say their numbers,
 * and a lonely one always is a dot. */
static void test_chart_has_few_titles_when_points_are_very_many(void **state)
{
    enum { COUNT = 5000 };
    double x[COUNT], y[COUNT];
    struct cnn_text page = {0};
    (void)state;
    for (size_t i = 0; i < COUNT; i++) {
        x[i] = (double)i;
        y[i] = i % 7 == 0 ? 1 : 2;
    }
    y[3332] = y[3334] = NAN;
    draw(&page, (struct cnn_chart){.whole = true}, x, y, COUNT);
    assert_int_equal(count_of(&page, "L"), COUNT - 5);
    assert_true(count_of(&page, "<circle") > 400 && count_of(&page, "<circle") <= 500);
    assert_int_equal(count_of(&page, "r=\"3\"><title>"), 1);
    assert_has(&page, " 3333: 2</title>");
    cnn_text_free(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_escaped_when_it_comes_from_anywhere),
        cmocka_unit_test(test_fragment_shows_its_values_when_it_is_filled),
        cmocka_unit_test(test_page_is_sound_when_its_title_is_hostile),
        cmocka_unit_test(test_picture_comes_back_when_its_uri_is_decoded),
        cmocka_unit_test(test_predictions_mark_the_true_class_when_it_is_known),
        cmocka_unit_test(test_chart_has_exact_places_when_the_series_is_known),
        cmocka_unit_test(test_chart_has_gaps_when_values_are_not_finite),
        cmocka_unit_test(test_chart_shows_a_dot_when_there_is_one_point),
        cmocka_unit_test(test_chart_axis_ends_at_a_hundred_when_shares_are_shown),
        cmocka_unit_test(test_chart_begins_at_zero_when_it_is_asked_to),
        cmocka_unit_test(test_chart_is_logarithmic_when_values_span_two_decades),
        cmocka_unit_test(test_chart_stays_sound_when_values_are_extreme),
        cmocka_unit_test(test_chart_numbers_are_short_when_values_are_large_or_small),
        cmocka_unit_test(test_chart_is_flat_when_values_differ_in_their_last_digits),
        cmocka_unit_test(test_chart_has_few_titles_when_points_are_very_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
