/* JSON on standard output. */
#include "json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEPTH_MAX = 8 };

static struct {
    char closing[DEPTH_MAX]; /* of the brackets that are open */
    size_t depth;
    bool first; /* nothing stands in the innermost yet */
} state;

static void write_text(const char *text)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";

    putchar('"');
    while (*text != '\0') {
        const char *found = strchr(escaped, *text);
        uint32_t code;
        size_t length = cnn_character(text, &code);

        if (found)
            printf("\\%c", letters[found - escaped]);
        else if (length == 0)
            fputs("\xEF\xBF\xBD", stdout);
        else if (!cnn_character_shown(code))
            printf("\\u%04X", (unsigned)code); /* all of them are below U+10000 */
        else
            fwrite(text, 1, length, stdout);
        text += length > 0 ? length : 1;
    }
    putchar('"');
}

/* What stands before a value. */
static void begin_value(const char *key)
{
    if (state.depth > 0 && !state.first)
        fputs(", ", stdout);
    state.first = false;
    if (key) {
        write_text(key);
        fputs(": ", stdout);
    }
}

static void end_value(void)
{
    if (state.depth == 0)
        putchar('\n');
}

void cnn_json_open(const char *key, char bracket)
{
    begin_value(key);
    putchar(bracket);
    state.closing[state.depth++] = bracket == '{' ? '}' : ']';
    state.first = true;
}

void cnn_json_close(void)
{
    putchar(state.closing[--state.depth]);
    state.first = false;
    end_value();
}

void cnn_json_text(const char *key, const char *text)
{
    begin_value(key);
    if (text)
        write_text(text);
    else
        fputs("null", stdout);
    end_value();
}

void cnn_json_null(const char *key)
{
    cnn_json_text(key, NULL);
}

/* By hand: a confusion matrix may have billions of them. */
void cnn_json_count(const char *key, uint64_t value)
{
    char digits[24];
    size_t at = sizeof digits;

    begin_value(key);
    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    fwrite(digits + at, 1, sizeof digits - at, stdout);
    end_value();
}

/* Fifteen significant digits are what a double holds of any decimal number: 0.1 stays 0.1. A whole
 * number keeps a point, so that it is read back as one of the same type. */
void cnn_json_real(const char *key, double value)
{
    char number[40];

    if (!isfinite(value)) {
        cnn_json_null(key);
        return;
    }
    snprintf(number, sizeof number, "%.15g", value);
    begin_value(key);
    printf("%s%s", number, strpbrk(number, ".e") ? "" : ".0");
    end_value();
}

void cnn_json_flag(const char *key, bool value)
{
    begin_value(key);
    fputs(value ? "true" : "false", stdout);
    end_value();
}

void cnn_json_shape(const char *key, cnn_shape shape)
{
    cnn_json_open(key, '[');
    cnn_json_count(NULL, shape.c);
    if (shape.rank == 3) {
        cnn_json_count(NULL, shape.h);
        cnn_json_count(NULL, shape.w);
    }
    cnn_json_close();
}
