/* Scalars as the core schema of YAML 1.2.2, section 10.3, reads them. */
#include "config/yaml.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_plain(const struct cnn_yaml *node)
{
    return node && node->kind == CNN_YAML_SCALAR && !node->quoted;
}

static bool is_word(const char *text, const char *lower, const char *title, const char *upper)
{
    return strcmp(text, lower) == 0 || strcmp(text, title) == 0 || strcmp(text, upper) == 0;
}

bool cnn_yaml_is_null(const struct cnn_yaml *node)
{
    return is_plain(node) && (!*node->text || strcmp(node->text, "~") == 0 ||
                              is_word(node->text, "null", "Null", "NULL"));
}

bool cnn_yaml_as_bool(const struct cnn_yaml *node, bool *out)
{
    if (!is_plain(node))
        return false;
    bool yes = is_word(node->text, "true", "True", "TRUE");
    if (!yes && !is_word(node->text, "false", "False", "FALSE"))
        return false;
    *out = yes;
    return true;
}

static const char *digits_skip(const char *text)
{
    return text + strspn(text, "0123456789");
}

bool cnn_yaml_as_integer(const struct cnn_yaml *node, long long *out)
{
    if (!is_plain(node))
        return false;
    const char *text = node->text, *digits = "0123456789",
               *first = text + (*text == '-' || *text == '+');
    int base = 10;
    if (strncmp(text, "0x", 2) == 0) {
        base = 16;
        digits = "0123456789abcdefABCDEF";
        first = text += 2;
    } else if (strncmp(text, "0o", 2) == 0) {
        base = 8;
        digits = "01234567";
        first = text += 2;
    }
    if (!*first || first[strspn(first, digits)])
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, base);
    if (errno)
        return false;
    *out = value;
    return true;
}

/* [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )? */
static bool is_decimal(const char *text)
{
    text += *text == '-' || *text == '+';
    const char *end = digits_skip(text);
    bool digits = end > text;
    if (*end == '.') {
        text = end + 1;
        end = digits_skip(text);
        digits = digits || end > text;
    }
    if (!digits)
        return false;
    if (*end == 'e' || *end == 'E') {
        text = end + 1;
        text += *text == '-' || *text == '+';
        end = digits_skip(text);
        if (end == text)
            return false;
    }
    return !*end;
}

bool cnn_yaml_as_number(const struct cnn_yaml *node, double *out)
{
    long long integer;
    if (!is_plain(node))
        return false;
    const char *text = node->text, *unsigned_text = text + (*text == '-' || *text == '+');
    if (cnn_yaml_as_integer(node, &integer))
        *out = (double)integer;
    else if (is_decimal(text))
        *out = strtod(text, NULL);
    else if (is_word(unsigned_text, ".inf", ".Inf", ".INF"))
        *out = *text == '-' ? -HUGE_VAL : HUGE_VAL;
    else if (is_word(text, ".nan", ".NaN", ".NAN"))
        *out = NAN;
    else
        return false;
    return true;
}

const char *cnn_yaml_describe(const struct cnn_yaml *node, char *buffer, size_t size)
{
    char word[48];
    double number;
    bool truth;
    if (!node || cnn_yaml_is_null(node))
        snprintf(buffer, size, "nothing");
    else if (node->kind != CNN_YAML_SCALAR)
        snprintf(buffer, size, "a %s", node->kind == CNN_YAML_SEQUENCE ? "list" : "mapping");
    else if (!*node->text)
        snprintf(buffer, size, "an empty text");
    else if (cnn_yaml_as_bool(node, &truth))
        snprintf(buffer, size, "%s", node->text);
    else if (cnn_yaml_as_number(node, &number))
        snprintf(buffer, size, "the number %s", cnn_word_cut(node->text, word, sizeof(word)));
    else
        snprintf(buffer, size, "the text '%s'", cnn_word_cut(node->text, word, sizeof(word)));
    return buffer;
}
