/* Growing texts; the nearest word (optimal string alignment: Damerau, "A technique for computer
 * detection and correction of spelling errors", 1964); natural order; UTF-8 as RFC 3629 has it. */
#include "util/text.h"

#include "cnn.h"
#include "util/allocate.h"
#include "util/arena.h"

#include <inttypes.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>

/* Room for extra more bytes and a NUL. */
static bool text_reserve(struct cnn_text *text, size_t extra)
{
    size_t need, doubled;
    if (text->failed)
        return false;
    text->failed = true;
    if (!cnn_size_add(text->size, extra, &need) || !cnn_size_add(need, 1, &need))
        return false;
    if (need > text->capacity) {
        if (!cnn_size_mul(text->capacity, 2, &doubled) || doubled < need)
            doubled = need < 64 ? 64 : need;
        char *data = cnn_realloc(text->data, doubled);
        if (!data)
            return false;
        text->data = data;
        text->capacity = doubled;
    }
    text->failed = false;
    return true;
}

void cnn_text_append(struct cnn_text *text, const char *bytes, size_t size)
{
    if (!text_reserve(text, size))
        return;
    if (size > 0)
        memcpy(text->data + text->size, bytes, size);
    text->size += size;
    text->data[text->size] = '\0';
}

void cnn_text_vprintf(struct cnn_text *text, const char *format, va_list arguments)
{
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (size < 0)
        text->failed = true;
    else if (text_reserve(text, (size_t)size)) {
        vsnprintf(text->data + text->size, (size_t)size + 1, format, arguments);
        text->size += (size_t)size;
    }
}

void cnn_text_printf(struct cnn_text *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(text, format, arguments);
    va_end(arguments);
}

void cnn_text_json_string(struct cnn_text *text, const char *string)
{
    static const char escaped[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    cnn_text_append(text, "\"", 1);
    for (const char *at = string; *at; at++) {
        const char *found = strchr(escaped, *at);
        if (found)
            cnn_text_printf(text, "\\%c", letters[found - escaped]);
        else if ((unsigned char)*at < 0x20)
            cnn_text_printf(text, "\\u%04X", (unsigned char)*at);
        else
            cnn_text_append(text, at, 1);
    }
    cnn_text_append(text, "\"", 1);
}

void cnn_text_json_number(struct cnn_text *text, double value, int digits)
{
    char number[64];
    snprintf(number, sizeof number, "%.*g", digits, value);
    char *point = strchr(number, localeconv()->decimal_point[0]);
    if (point)
        *point = '.';
    /* a whole number would be read back as one of another type */
    cnn_text_printf(text, "%s%s", number, strpbrk(number, ".e") ? "" : ".0");
}

const char *cnn_count_format(uint64_t count, char *buffer)
{
    char digits[CNN_COUNT_SIZE];
    size_t at = 0, length = (size_t)snprintf(digits, sizeof digits, "%" PRIu64, count);
    for (size_t i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0)
            buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

void cnn_text_free(struct cnn_text *text)
{
    if (!text)
        return;
    cnn_free(text->data);
    *text = (struct cnn_text){0};
}

enum { LONGEST_WORD = 64 };

static char letter_fold(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t edit_distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    size_t rows[3][LONGEST_WORD + 1];
    size_t *before = rows[0], *above = rows[1], *row = rows[2];
    for (size_t j = 0; j <= b_size; j++)
        row[j] = j;
    for (size_t i = 1; i <= a_size; i++) {
        size_t *oldest = before;
        before = above;
        above = row;
        row = oldest;
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            char x = letter_fold(a[i - 1]), y = letter_fold(b[j - 1]);
            row[j] = smaller(smaller(above[j], row[j - 1]) + 1, above[j - 1] + (x != y));
            if (i > 1 && j > 1 && x == letter_fold(b[j - 2]) && y == letter_fold(a[i - 2]))
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
    }
    return row[b_size];
}

const char *cnn_nearest_word(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t size = strlen(word), limit = 2 + size / 4;
    if (size > LONGEST_WORD)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(words[i]);
        if (other > LONGEST_WORD)
            continue;
        size_t distance = edit_distance(word, size, words[i], other);
        if (distance < limit && distance < smaller(size, other)) {
            limit = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Compares the numbers at *a and *b, of any length, and moves both past them. */
static int digits_compare(const char **a, const char **b)
{
    while (**a == '0')
        ++*a;
    while (**b == '0')
        ++*b;
    int first = 0;
    for (; is_digit(**a) && is_digit(**b); ++*a, ++*b)
        if (!first)
            first = **a - **b;
    if (is_digit(**a) || is_digit(**b))
        return is_digit(**a) ? 1 : -1;
    return first;
}

int cnn_natural_compare(const char *a, const char *b)
{
    const char *x = a, *y = b;
    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            int order = digits_compare(&x, &y);
            if (order)
                return order;
        } else if (*x != *y) {
            break;
        } else {
            x++;
            y++;
        }
    }
    int order = (unsigned char)*x - (unsigned char)*y;
    return order ? order : strcmp(a, b);
}

size_t cnn_utf8_decode(const char *text, size_t size, uint32_t *code)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *bytes = (const unsigned char *)text;
    if (size == 0)
        return 0;
    size_t length = bytes[0] < 0x80   ? 1
                    : bytes[0] < 0xC0 ? 0
                    : bytes[0] < 0xE0 ? 2
                    : bytes[0] < 0xF0 ? 3
                    : bytes[0] < 0xF8 ? 4
                                      : 0;
    if (length == 0 || length > size)
        return 0;
    uint32_t value = length == 1 ? bytes[0] : bytes[0] & (0xFFu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if ((bytes[i] & 0xC0) != 0x80)
            return 0;
        value = value << 6 | (bytes[i] & 0x3Fu);
    }
    if (value < smallest[length] || value > 0x10FFFF || (value >= 0xD800 && value <= 0xDFFF))
        return 0;
    *code = value;
    return length;
}

const char *cnn_word_cut(const char *word, char *buffer, size_t size)
{
    size_t length = strlen(word);
    if (length < size) {
        memcpy(buffer, word, length + 1);
        return buffer;
    }
    length = size - 4;
    while (length > 0 && ((unsigned char)word[length] & 0xC0) == 0x80)
        length--;
    memcpy(buffer, word, length);
    memcpy(buffer + length, "...", 4);
    return buffer;
}

size_t cnn_character(const char *text, uint32_t *code)
{
    if (!text || !code)
        return 0;
    return cnn_utf8_decode(text, strnlen(text, 4), code);
}

bool cnn_character_shown(uint32_t code)
{
    return code >= 0x20 && !(code >= 0x7F && code < 0xA0) && !(code >= 0x202A && code <= 0x202E) &&
           !(code >= 0x2066 && code <= 0x2069);
}

bool cnn_utf8_valid(const char *text, size_t size)
{
    uint32_t code;
    for (size_t at = 0, step; at < size; at += step)
        if ((step = cnn_utf8_decode(text + at, size - at, &code)) == 0)
            return false;
    return true;
}

bool cnn_word_among(const char *word, const char *const *words)
{
    while (*words && strcmp(*words, word) != 0)
        words++;
    return *words;
}

bool cnn_words_given(const char *const *words, size_t count)
{
    bool given = words || count == 0;
    for (size_t i = 0; given && i < count; i++)
        given = words[i] != NULL;
    return given;
}
