/* What a key may be, in words: for help ("max | avg") and for messages ("max or avg"). */
#include "config/keys_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct cnn_key_range cnn_key_range(const struct cnn_key *key)
{
    bool integers = key->kind == CNN_KEY_SIZE || key->kind == CNN_KEY_PAIR;
    struct cnn_key_range range = {key->min, key->max, key->open_min, key->open_max};
    if (key->kind == CNN_KEY_PADDING)
        return (struct cnn_key_range){.least = 0, .most = 65535};
    if (integers && !(key->max > 0))
        range.most = 2147483647;
    else if (!(key->max > 0) && !(key->min < 0))
        range.most = HUGE_VAL;
    if (!integers && !(key->min < 0) && !(key->min > 0) && !(key->max > 0) && !key->open_min &&
        !key->open_max)
        range.least = -HUGE_VAL;
    return range;
}

/* "1 or more", "1 to 9", "above 0", "in [0, 1)": *comma is whether it stands behind a comma after a
 * noun. */
static void range_describe(const struct cnn_key *key, char *buffer, size_t size, bool *comma)
{
    struct cnn_key_range range = cnn_key_range(key);
    bool integers = key->kind == CNN_KEY_SIZE || key->kind == CNN_KEY_PAIR;
    bool least = range.least > -HUGE_VAL, most = integers ? key->max > 0 : range.most < HUGE_VAL;
    *comma = true;
    if (!least && !most)
        snprintf(buffer, size, "%s", "");
    else if (least && most && integers)
        snprintf(buffer, size, "%.15g to %.15g", range.least, range.most);
    else if (least && !most && !range.open_least)
        snprintf(buffer, size, "%.15g or more", range.least);
    else if (!least && !range.open_most)
        snprintf(buffer, size, "%.15g or less", range.most);
    else {
        *comma = false;
        if (least && most)
            snprintf(buffer, size, "in %c%.15g, %.15g%c", range.open_least ? '(' : '[', range.least,
                     range.most, range.open_most ? ')' : ']');
        else if (least)
            snprintf(buffer, size, "above %.15g", range.least);
        else
            snprintf(buffer, size, "below %.15g", range.most);
    }
}

static void words_join(const char *const *words, const char *between, const char *last,
                       char *buffer, size_t size)
{
    struct cnn_text text = {0};
    for (size_t i = 0; words && words[i]; i++)
        cnn_text_printf(&text, "%s%s", i == 0 ? "" : words[i + 1] ? between : last, words[i]);
    snprintf(buffer, size, "%s", text.data && !text.failed ? text.data : "value");
    cnn_text_free(&text);
}

static const char *type_describe(const struct cnn_key *key, const char *between, const char *last,
                                 char *buffer, size_t size)
{
    static const char *const truths[] = {"true", "false", NULL};
    char range[96];
    bool comma;
    range_describe(key, range, sizeof(range), &comma);
    switch (key->kind) {
    case CNN_KEY_SIZE:
    case CNN_KEY_NUMBER:
        snprintf(buffer, size, "%s%s%s", key->kind == CNN_KEY_SIZE ? "integer" : "number",
                 !*range ? ""
                 : comma ? ", "
                         : " ",
                 range);
        break;
    case CNN_KEY_PAIR:
        snprintf(buffer, size, "n or [height, width], each %s", range);
        break;
    case CNN_KEY_NUMBERS:
        snprintf(buffer, size, "list of numbers%s%s", *range ? ", each " : "", range);
        break;
    case CNN_KEY_PADDING:
        snprintf(buffer, size, "n, [height, width], [top, bottom, left, right], valid or same");
        break;
    case CNN_KEY_TEXT:
        snprintf(buffer, size, "text");
        break;
    case CNN_KEY_BOOL:
        words_join(truths, between, last, buffer, size);
        break;
    case CNN_KEY_CHOICE:
    case CNN_KEY_NODE:
    case CNN_KEY_TABLE:
        words_join(key->choices, between, last, buffer, size);
        break;
    }
    return buffer;
}

const char *cnn_key_describe_type(const struct cnn_key *key, char *buffer, size_t size)
{
    return type_describe(key, " | ", " | ", buffer, size);
}

const char *cnn_key_wants(const struct cnn_key *key, char *buffer, size_t size)
{
    const char *article = key->kind == CNN_KEY_SIZE ? "an " : "";
    if (key->kind == CNN_KEY_NUMBER || key->kind == CNN_KEY_TEXT || key->kind == CNN_KEY_NUMBERS ||
        (key->kind == CNN_KEY_NODE && !key->choices))
        article = "a ";
    int length = snprintf(buffer, size, "%s", article);
    if (length >= 0 && (size_t)length < size)
        type_describe(key, ", ", " or ", buffer + length, size - (size_t)length);
    return buffer;
}
