/* For tests of HTML pages: what they hold, and whether they are sound. */
#ifndef TESTS_MARKUP_H
#define TESTS_MARKUP_H

#include "util/text.h"

/* Fail the test, showing the page, unless it has text; where it has it. */
void assert_has(const struct cnn_text *page, const char *text);
void assert_lacks(const struct cnn_text *page, const char *text);

/* How often text stands in page. */
size_t count_of(const struct cnn_text *page, const char *text);

/* Fails the test unless every tag that is opened is closed, in order, and nothing is fetched or
 * run. */
void assert_sound(const struct cnn_text *page);

/* What a hostile name may hold, and how a page must show it. */
#define HOSTILE         "<script>&\"'"
#define HOSTILE_ESCAPED "&lt;script&gt;&amp;&quot;&#39;"

#endif
