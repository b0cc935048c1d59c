/* See markup.h. */
#include "markup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

void assert_has(const struct cnn_text *page, const char *text)
{
    if (!page->data || !strstr(page->data, text))
        fail_msg("there is no %s in\n%s", text, page->data ? page->data : "(nothing)");
}

void assert_lacks(const struct cnn_text *page, const char *text)
{
    if (page->data && strstr(page->data, text))
        fail_msg("there is %s in\n%s", text, page->data);
}

size_t count_of(const struct cnn_text *page, const char *text)
{
    size_t count = 0;
    for (const char *at = page->data; (at = strstr(at, text)); at += strlen(text))
        count++;
    return count;
}

static bool has_end_tag(const char *name)
{
    static const char *const without[] = {"!DOCTYPE", "meta", "link", "img", "br"};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++)
        if (strcmp(name, without[i]) == 0)
            return false;
    return true;
}

void assert_sound(const struct cnn_text *page)
{
    char open[32][16], name[16];
    size_t depth = 0;
    for (const char *at = page->data; (at = strchr(at, '<')); at++) {
        const char *end = strchr(at, '>');
        assert_non_null(end);
        assert_int_equal(sscanf(at + 1 + (at[1] == '/'), "%15[!a-zA-Z0-9]", name), 1);
        if (at[1] == '/') {
            if (depth == 0 || strcmp(open[depth - 1], name) != 0)
                fail_msg("</%s> stands where </%s> should", name,
                         depth > 0 ? open[depth - 1] : "nothing");
            depth--;
        } else if (end[-1] != '/' && has_end_tag(name)) {
            assert_true(depth < 32);
            strcpy(open[depth++], name);
        }
    }
    assert_int_equal(depth, 0);
    assert_false(page->failed);
    assert_lacks(page, "http:");
    assert_lacks(page, "https:");
    assert_lacks(page, "<script");
    assert_lacks(page, "src=\"/");
}
