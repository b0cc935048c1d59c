/* A JSON reader by recursive descent: T. Bray, RFC 8259. */
#include "util/json.h"

#include <locale.h>
#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

enum { DEEPEST = 64, NUMBER_MAX = 64 };

struct reader {
    struct cnn_arena *arena;
    const char *text, *at, *end;
    const char *error; /* the first thing that is wrong */
    bool out_of_memory;
    size_t depth;
};

static bool fail(struct reader *r, const char *error)
{
    if (!r->error)
        r->error = error;
    return false;
}

static void *allocate(struct reader *r, size_t bytes)
{
    void *memory = cnn_arena_alloc(r->arena, bytes);
    r->out_of_memory = r->out_of_memory || !memory;
    return memory;
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r'))
        r->at++;
}

/* The next byte, which stays; NUL at the end. */
static char peek(const struct reader *r)
{
    return r->at < r->end ? *r->at : '\0';
}

static bool take(struct reader *r, char c)
{
    if (peek(r) != c || r->at == r->end)
        return false;
    r->at++;
    return true;
}

static bool read_hex(struct reader *r, uint32_t *out)
{
    uint32_t code = 0;
    for (int i = 0; i < 4; i++) {
        char c = peek(r);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return fail(r, "\\u without four hexadecimal digits");
        code = code << 4 | (uint32_t)digit;
        r->at++;
    }
    *out = code;
    return true;
}

static char *append_code(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char marks[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(marks[more] | (code >> (6 * more)));
    while (more-- > 0)
        *out++ = (char)(0x80 | ((code >> (6 * more)) & 0x3F));
    return out;
}

/* Behind \u. Two halves of a pair (UTF-16) are one character. */
static bool read_code(struct reader *r, char **out)
{
    uint32_t code, low;
    if (!read_hex(r, &code))
        return false;
    if (code == 0)
        return fail(r, "\\u0000 within a text");
    if (code >= 0xD800 && code < 0xDC00 && take(r, '\\') && take(r, 'u')) {
        if (!read_hex(r, &low))
            return false;
        if (low >= 0xDC00 && low < 0xE000)
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code >= 0xD800 && code < 0xE000)
        return fail(r, "half of a surrogate pair");
    *out = append_code(*out, code);
    return true;
}

static bool read_escape(struct reader *r, char **out)
{
    static const char letters[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    char c = peek(r);
    const char *found = c ? strchr(letters, c) : NULL;
    if (c == 'u') {
        r->at++;
        return read_code(r, out);
    }
    if (!found)
        return fail(r, "an escape that JSON does not have");
    r->at++;
    *(*out)++ = meant[found - letters];
    return true;
}

/* The text whose first quote has been read; NULL where it is wrong. */
static const char *read_text(struct reader *r)
{
    const char *closing = r->at;
    while (closing < r->end && *closing != '"')
        closing += *closing == '\\' && closing + 1 < r->end ? 2 : 1;
    char *text = allocate(r, (size_t)(closing - r->at) + 1), *out = text;
    while (text && !take(r, '"')) {
        uint32_t code;
        if (take(r, '\\')) {
            if (!read_escape(r, &out))
                return NULL;
            continue;
        }
        size_t length = cnn_utf8_decode(r->at, (size_t)(r->end - r->at), &code);
        if (length == 0 || code < 0x20) {
            fail(r, r->at == r->end ? "a text without its closing quote"
                    : length == 0   ? "a byte that is no UTF-8"
                                    : "a control character within a text");
            return NULL;
        }
        memcpy(out, r->at, length);
        out += length;
        r->at += length;
    }
    return text;
}

static size_t take_digits(struct reader *r)
{
    const char *first = r->at;
    while (peek(r) >= '0' && peek(r) <= '9')
        r->at++;
    return (size_t)(r->at - first);
}

/* The bytes of a number as the grammar has it. */
static bool scan_number(struct reader *r, bool *whole)
{
    *whole = !take(r, '-');
    bool zero = peek(r) == '0';
    size_t digits = take_digits(r);
    if (digits == 0 || (zero && digits > 1))
        return fail(r, digits ? "a number with a zero before it" : "no value");
    if (take(r, '.')) {
        *whole = false;
        if (take_digits(r) == 0)
            return fail(r, "a number without digits after its point");
    }
    if (peek(r) == 'e' || peek(r) == 'E') {
        *whole = false;
        r->at++;
        if (!take(r, '-'))
            take(r, '+');
        if (take_digits(r) == 0)
            return fail(r, "a number without digits in its exponent");
    }
    return true;
}

static bool read_number(struct reader *r, struct cnn_json *value)
{
    char copy[NUMBER_MAX];
    const char *first = r->at;
    if (!scan_number(r, &value->whole))
        return false;
    size_t length = (size_t)(r->at - first);
    if (length >= sizeof copy)
        return fail(r, "a number of more than 63 characters");
    memcpy(copy, first, length);
    copy[length] = '\0';
    value->kind = CNN_JSON_NUMBER;
    for (const char *c = copy; value->whole && *c; c++)
        value->whole = !__builtin_mul_overflow(value->size, 10, &value->size) &&
                       !__builtin_add_overflow(value->size, (uint64_t)(*c - '0'), &value->size);
    char *point = strchr(copy, '.');
    if (point)
        *point = localeconv()->decimal_point[0]; /* which strtod wants */
    value->number = strtod(copy, NULL);
    return true;
}

static bool read_word(struct reader *r, struct cnn_json *value)
{
    static const struct {
        const char *word;
        enum cnn_json_kind kind;
        double number;
    } words[] = {
        {"null", CNN_JSON_NULL, 0}, {"true", CNN_JSON_BOOL, 1}, {"false", CNN_JSON_BOOL, 0}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        size_t length = strlen(words[i].word);
        if ((size_t)(r->end - r->at) < length || memcmp(r->at, words[i].word, length) != 0)
            continue;
        r->at += length;
        value->kind = words[i].kind;
        value->number = words[i].number;
        return true;
    }
    return fail(r, "no value");
}

static bool read_value(struct reader *r, struct cnn_json *value);

static int compare_keys(const void *a, const void *b)
{
    const struct cnn_json *const *x = a, *const *y = b;
    return strcmp((*x)->key, (*y)->key);
}

static bool check_keys(struct reader *r, const struct cnn_json *object)
{
    size_t count = 0;
    const struct cnn_json **sorted = cnn_malloc((object->size + 1) * sizeof *sorted);
    if (!sorted) {
        r->out_of_memory = true;
        return false;
    }
    for (const struct cnn_json *member = object->first; member; member = member->next)
        sorted[count++] = member;
    qsort(sorted, count, sizeof *sorted, compare_keys);
    bool good = true;
    for (size_t i = 1; i < count && good; i++) {
        good = compare_keys(&sorted[i - 1], &sorted[i]) != 0;
        size_t x = sorted[i - 1]->position, y = sorted[i]->position;
        if (!good)
            r->at = r->text + (x > y ? x : y);
    }
    cnn_free(sorted);
    return good || fail(r, "an object in which a key stands twice");
}

static bool read_key(struct reader *r, struct cnn_json *member)
{
    member->position = (uint32_t)(r->at - r->text);
    if (!take(r, '"'))
        return fail(r, "no key in quotes");
    member->key = read_text(r);
    skip_space(r);
    return member->key && (take(r, ':') || fail(r, "a key without a colon behind it"));
}

/* The members, whose bracket has been read, up to the closing one. */
static bool read_members(struct reader *r, struct cnn_json *value, char closing)
{
    const struct cnn_json **end = &value->first;
    skip_space(r);
    if (take(r, closing))
        return true;
    do {
        struct cnn_json *member = allocate(r, sizeof *member);
        skip_space(r);
        if (!member || (closing == '}' && !read_key(r, member)) || !read_value(r, member))
            return false;
        *end = member;
        end = &member->next;
        value->size++;
        skip_space(r);
    } while (take(r, ','));
    if (!take(r, closing))
        return fail(r, closing == '}' ? "an object without ',' or '}' behind a value"
                                      : "a list without ',' or ']' behind a value");
    return value->kind == CNN_JSON_LIST || check_keys(r, value);
}

static bool read_value(struct reader *r, struct cnn_json *value)
{
    skip_space(r);
    if (!value->key)
        value->position = (uint32_t)(r->at - r->text);
    if (take(r, '"')) {
        value->kind = CNN_JSON_TEXT;
        value->text = read_text(r);
        return value->text != NULL;
    }
    bool object = take(r, '{');
    if (!object && !take(r, '['))
        return peek(r) == '-' || (peek(r) >= '0' && peek(r) <= '9') ? read_number(r, value)
                                                                    : read_word(r, value);
    if (++r->depth > DEEPEST)
        return fail(r, "values nested deeper than 64");
    value->kind = object ? CNN_JSON_OBJECT : CNN_JSON_LIST;
    bool good = read_members(r, value, object ? '}' : ']');
    r->depth--;
    return good;
}

const struct cnn_json *cnn_json_read(struct cnn_arena *arena, const char *text, size_t size,
                                     struct cnn_json_error *error)
{
    struct reader r = {.arena = arena, .text = text, .at = text, .end = text + size};
    struct cnn_json *value = allocate(&r, sizeof *value);
    bool good = value && read_value(&r, value);
    if (good)
        skip_space(&r);
    if (good && r.at < r.end)
        good = fail(&r, "more behind the value");
    if (good)
        return value;
    *error = (struct cnn_json_error){r.out_of_memory ? NULL : r.error, (size_t)(r.at - text)};
    return NULL;
}

const struct cnn_json *cnn_json_get(const struct cnn_json *value, const char *key)
{
    if (!value || value->kind != CNN_JSON_OBJECT)
        return NULL;
    for (const struct cnn_json *member = value->first; member; member = member->next)
        if (strcmp(member->key, key) == 0)
            return member;
    return NULL;
}
