/* Reading the text format of protocol buffers: a recursive descent whose depth is limited. */
#include "formats/prototxt.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "util/text.h"

struct parser {
    struct cnn_arena *arena;
    const struct cnn_source *source;
    size_t at, line;        /* the byte that is next, and its line */
    size_t counted, column; /* of the byte `counted`, which is not behind `at` */
    size_t depth;
    cnn_diag *diag;
};

/* ---- Places and characters ---- */

/* Columns count characters, not bytes. Each byte is looked at once, however long a line is. */
static struct cnn_where here(struct parser *p)
{
    for (; p->counted < p->at; p->counted++)
        p->column += ((unsigned char)p->source->text[p->counted] & 0xC0) != 0x80;
    return (struct cnn_where){.source = p->source, .line = p->line, .column = p->column};
}

static cnn_status fail(struct parser *p, const char *what)
{
    struct cnn_where where = here(p);
    return cnn_fail(p->diag, CNN_FAILED, &where, "%s", what);
}

static char peek(const struct parser *p)
{
    return p->at < p->source->size ? p->source->text[p->at] : '\0';
}

static void skip_blanks(struct parser *p)
{
    for (; p->at < p->source->size; p->at++) {
        char c = peek(p);
        if (c == '#') {
            const char *rest = p->source->text + p->at;
            const char *end = memchr(rest, '\n', p->source->size - p->at);
            p->at = end ? p->at + (size_t)(end - rest) : p->source->size;
            c = peek(p);
        }
        if (c == '\n') {
            p->line++;
            p->counted = p->at + 1;
            p->column = 1;
        } else if (!c || !strchr(" \t\r\v\f", c)) {
            break;
        }
    }
}

static bool take(struct parser *p, char c)
{
    skip_blanks(p);
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool in_word(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '+' || c == '-';
}

/* ---- Values ---- */

static bool octal(char c)
{
    return c >= '0' && c <= '7';
}

/* The byte that stands after a backslash. */
static bool read_escape(struct parser *p, char *out)
{
    static const char letters[] = "abfnrtv\\'\"?", bytes[] = "\a\b\f\n\r\t\v\\'\"?";
    char c = peek(p);
    const char *letter = c ? strchr(letters, c) : NULL;
    unsigned value = 0;
    p->at += p->at < p->source->size;
    if (letter) {
        *out = bytes[letter - letters];
        return true;
    }
    if (octal(c)) {
        value = (unsigned)(c - '0');
        for (int i = 0; i < 2 && octal(peek(p)); i++)
            value = value * 8 + (unsigned)(p->source->text[p->at++] - '0');
    } else if ((c == 'x' || c == 'X') && isxdigit((unsigned char)peek(p))) {
        for (int i = 0; i < 2 && isxdigit((unsigned char)peek(p)); i++) {
            char digit[2] = {p->source->text[p->at++], '\0'};
            value = value * 16 + (unsigned)strtoul(digit, NULL, 16);
        }
    } else {
        return false;
    }
    *out = (char)value;
    return value > 0 && value < 256;
}

/* One string between quotes, appended to text. */
static cnn_status read_quoted(struct parser *p, struct cnn_text *text)
{
    const char quote = p->source->text[p->at++];
    while (peek(p) != quote) {
        char c = peek(p);
        if (p->at == p->source->size || c == '\n')
            return fail(p, "the string is not closed on its line");
        p->at++;
        if (c == '\\' && !read_escape(p, &c))
            return fail(p, "no such escape in a string");
        if (c == '\0')
            return fail(p, "a string holds a byte of 0");
        cnn_text_append(text, &c, 1);
    }
    p->at++;
    return CNN_OK;
}

/* Strings in a row are one. */
static cnn_status read_string(struct parser *p, struct cnn_prototxt_field *field)
{
    struct cnn_text text = {0};
    cnn_status status = CNN_OK;
    while (status == CNN_OK && (peek(p) == '"' || peek(p) == '\'')) {
        status = read_quoted(p, &text);
        skip_blanks(p);
    }
    if (status == CNN_OK && !cnn_utf8_valid(text.data ? text.data : "", text.size))
        status = fail(p, "the string is no UTF-8");
    if (status == CNN_OK) {
        field->quoted = true;
        field->text = cnn_arena_strndup(p->arena, text.data ? text.data : "", text.size);
        if (text.failed || !field->text)
            status = cnn_fail_memory(p->diag, text.size, p->source->name);
    }
    cnn_text_free(&text);
    return status;
}

static cnn_status read_word(struct parser *p, const char **out, const char *what)
{
    size_t begin = p->at;
    while (p->at < p->source->size && in_word(peek(p)))
        p->at++;
    if (p->at == begin)
        return fail(p, what);
    *out = cnn_arena_strndup(p->arena, p->source->text + begin, p->at - begin);
    return *out ? CNN_OK : cnn_fail_memory(p->diag, p->at - begin, p->source->name);
}

static cnn_status read_fields(struct parser *p, struct cnn_prototxt_field *message, char end);

static cnn_status read_message(struct parser *p, struct cnn_prototxt_field *field, char end)
{
    if (p->depth == CNN_PROTOTXT_DEPTH)
        return fail(p, "more than 32 messages within each other");
    p->depth++;
    cnn_status status = read_fields(p, field, end);
    p->depth--;
    return status;
}

static cnn_status read_value(struct parser *p, struct cnn_prototxt_field *field, bool colon)
{
    skip_blanks(p);
    field->where = here(p);
    if (take(p, '{'))
        return read_message(p, field, '}');
    if (take(p, '<'))
        return read_message(p, field, '>');
    if (!colon)
        return fail(p, "a value is wanted here: ':' or '{'");
    if (peek(p) == '"' || peek(p) == '\'')
        return read_string(p, field);
    return read_word(p, &field->text, "a value is wanted here: a number, a word or a string");
}

/* ---- Fields ---- */

static cnn_status add_field(struct parser *p, const char *name, bool colon,
                            struct cnn_prototxt_field ***end)
{
    struct cnn_prototxt_field *field = cnn_arena_alloc(p->arena, sizeof *field);
    if (!field)
        return cnn_fail_memory(p->diag, sizeof *field, p->source->name);
    field->name = name;
    **end = field;
    *end = &field->next;
    return read_value(p, field, colon);
}

/* `name: [1, 2]` is the field twice. */
static cnn_status read_list(struct parser *p, const char *name, struct cnn_prototxt_field ***end)
{
    if (take(p, ']'))
        return CNN_OK;
    do {
        cnn_status status = add_field(p, name, true, end);
        if (status != CNN_OK)
            return status;
    } while (take(p, ','));
    return take(p, ']') ? CNN_OK : fail(p, "',' or ']' is wanted here");
}

static cnn_status read_fields(struct parser *p, struct cnn_prototxt_field *message, char last)
{
    struct cnn_prototxt_field **end = &message->first;
    for (;;) {
        const char *name;
        skip_blanks(p);
        if (last && take(p, last))
            return CNN_OK;
        if (p->at == p->source->size)
            return last ? fail(p, "the file ends within a message") : CNN_OK;
        if (peek(p) == '[')
            return fail(p, "extensions are not read");
        cnn_status status = read_word(p, &name, "the name of a field is wanted here");
        if (status != CNN_OK)
            return status;
        bool colon = take(p, ':');
        status = colon && take(p, '[') ? read_list(p, name, &end) : add_field(p, name, colon, &end);
        if (status != CNN_OK)
            return status;
        if (!take(p, ','))
            take(p, ';');
    }
}

cnn_status cnn_prototxt_read(struct cnn_arena *arena, const struct cnn_source *source,
                             struct cnn_prototxt_field **root, cnn_diag *diag)
{
    struct parser p = {.arena = arena, .source = source, .line = 1, .column = 1, .diag = diag};
    struct cnn_prototxt_field *message = cnn_arena_alloc(arena, sizeof *message);
    if (!message)
        return cnn_fail_memory(diag, sizeof *message, source->name);
    message->where = here(&p);
    cnn_status status = read_fields(&p, message, '\0');
    if (status == CNN_OK)
        *root = message;
    return status;
}

/* ---- Looking at the tree ---- */

static struct cnn_prototxt_field *find_from(struct cnn_prototxt_field *field, const char *name)
{
    while (field && strcmp(field->name, name) != 0)
        field = field->next;
    if (field)
        field->seen = true;
    return field;
}

struct cnn_prototxt_field *cnn_prototxt_find(const struct cnn_prototxt_field *message,
                                             const char *name)
{
    return message ? find_from(message->first, name) : NULL;
}

struct cnn_prototxt_field *cnn_prototxt_next(const struct cnn_prototxt_field *field)
{
    return find_from(field->next, field->name);
}

static cnn_status fail_value(const struct cnn_prototxt_field *field, const char *want,
                             cnn_diag *diag)
{
    char word[64];
    return field->text ? cnn_fail(diag, CNN_FAILED, &field->where, "'%s' is %s, not '%s'",
                                  field->name, want, cnn_word_cut(field->text, word, sizeof word))
                       : cnn_fail(diag, CNN_FAILED, &field->where, "'%s' is %s, not a message",
                                  field->name, want);
}

cnn_status cnn_prototxt_integer(const struct cnn_prototxt_field *field, int64_t least, int64_t most,
                                int64_t *out, cnn_diag *diag)
{
    char *end = NULL;
    if (!field->text || field->quoted)
        return fail_value(field, "a whole number", diag);
    errno = 0;
    long long value = strtoll(field->text, &end, 0);
    if (end == field->text || *end != '\0')
        return fail_value(field, "a whole number", diag);
    if (errno != 0 || value < least || value > most)
        return cnn_fail(diag, CNN_FAILED, &field->where,
                        "'%s' is from %" PRId64 " to %" PRId64 ", not %s", field->name, least, most,
                        field->text);
    *out = value;
    return CNN_OK;
}

cnn_status cnn_prototxt_real(const struct cnn_prototxt_field *field, double *out, cnn_diag *diag)
{
    char *end = NULL;
    double value = field->text && !field->quoted ? strtod(field->text, &end) : 0;
    if (!end || end == field->text || (*end != '\0' && strcmp(end, "f") != 0) || !isfinite(value) ||
        fabs(value) > 1e30)
        return fail_value(field, "a number", diag);
    *out = value;
    return CNN_OK;
}

cnn_status cnn_prototxt_bool(const struct cnn_prototxt_field *field, bool *out, cnn_diag *diag)
{
    static const char *const words[] = {"false", "0", "f", "False", "true", "1", "t", "True"};
    for (size_t i = 0; field->text && !field->quoted && i < 8; i++)
        if (strcmp(field->text, words[i]) == 0) {
            *out = i >= 4;
            return CNN_OK;
        }
    return fail_value(field, "true or false", diag);
}

cnn_status cnn_prototxt_string(const struct cnn_prototxt_field *field, const char **out,
                               cnn_diag *diag)
{
    if (!field->text)
        return fail_value(field, "a string or a word", diag);
    *out = field->text;
    return CNN_OK;
}
