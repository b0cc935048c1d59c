/* How characters look on a terminal: the columns that xterm and the Unicode standard give them. */
#include "cnn.h"
#include "util/diag.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_text_columns_are_those_of_a_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t columns;
    } cases[] = {
        {"", 0},
        {"abc", 3},
        {"\u00E9\u00DF\u0416\u03A9", 4},         /* Latin, Cyrillic, Greek */
        {"\uACE0\uC591\uC774", 6},               /* Hangul */
        {"\uD7A3\u3131\uA960", 6},               /* its last syllable, a letter, an old one */
        {"\u1112\u1161\u11AB", 2},               /* a syllable of three letters */
        {"\u732B\u72AC\U00020000\U0003134A", 8}, /* Chinese, three planes of it */
        {"\u30CD\u30B3\u306D", 6},               /* Katakana, Hiragana */
        {"\uFF76\uFF9E", 2},                     /* halfwidth Katakana */
        {"\uFF21\uFF11\u3000", 6},               /* fullwidth A, 1 and space */
        {"e\u0301", 1},                          /* an accent of its own */
        {"\u0E01\u0E33\u0E49", 2},               /* Thai: a tone mark stands on a letter */
        {"\u0928\u094D", 1},                     /* Devanagari with a virama */
        {"\u05D0\u05B8", 1},                     /* Hebrew with a vowel */
        {"\U0001F436\U0001F600\U0001FAF6", 6},   /* emoji */
        {"\u2764\uFE0F", 1},                     /* a heart that was narrow before emoji */
        {"\u231A\u2B50", 4},                     /* emoji from before their planes */
        {"a\u200B\u200D\uFEFF", 1},              /* nothing to see */
        {"\u2500\u2588\u00D7", 3},               /* a rule, a block, a times sign */
        {"\xFF\xC3(", 3},                        /* bytes that are no UTF-8 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (cnn_text_columns(cases[i].text) != cases[i].columns)
            fail_msg("%s: %zu columns, not %zu", cases[i].text, cnn_text_columns(cases[i].text),
                     cases[i].columns);
}

static void assert_caret(const char *line, size_t column, const char *expected)
{
    const struct cnn_source source = {"a.yaml", line, strlen(line)};
    const struct cnn_where where = {.source = &source, .line = 1, .column = column};
    cnn_diag *diag = cnn_diag_new();
    cnn_fail(diag, CNN_INVALID, &where, "wrong");
    char *text = cnn_message_format(cnn_diag_get(diag, 0), "cnn");
    assert_string_equal(strchr(text, '\n') + 1, expected);
    free(text);
    cnn_diag_free(diag);
}

static void test_caret_stands_below_its_character_when_wide_ones_precede(void **state)
{
    (void)state;
    assert_caret("path: \uACE0\uC591\uC774, x", 12,
                 "  path: \uACE0\uC591\uC774, x\n"
                 "                ^\n");
    assert_caret("n: e\u0301\U0001F436 x", 8,
                 "  n: e\u0301\U0001F436 x\n"
                 "         ^\n");
    assert_caret("\uACE0x", 2,
                 "  \uACE0x\n"
                 "    ^\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_columns_are_those_of_a_terminal),
        cmocka_unit_test(test_caret_stands_below_its_character_when_wide_ones_precede),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
