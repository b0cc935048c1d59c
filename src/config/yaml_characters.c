/* Characters that cannot stand in a description, and those that stand there in error: pasted from
 * web pages and chats, or typed with an input method on, they look like a space or YAML's own
 * signs, or like nothing. In quotes and comments they are text like any other. */
#include "config/yaml_syntax.h"

#include "config/yaml.h"
#include "util/characters.h"
#include "util/text.h"

#include <string.h>

/* What YAML 1.2 allows, without the three characters that are line breaks to libyaml and to nobody
 * else: they would shift all line numbers. */
bool cnn_yaml_character_allowed(uint32_t code)
{
    if (code < 0x20)
        return code == '\t' || code == '\n' || code == '\r';
    return code != 0x2028 && code != 0x2029 && code != 0xFEFF && code != 0xFFFE && code != 0xFFFF &&
           !(code >= 0x7F && code < 0xA0);
}

enum {
    NOT_UTF8 = 0x110000,
    LONGEST_NUMBER = 64 /* bytes */
};

struct lookalike {
    uint32_t first, last;
    const char *name;
    char meant; /* 0: the ASCII character that this is the fullwidth form of */
};

static const struct lookalike lookalikes[] = {
    {0x2010, 0x2011, "hyphen", '-'},
    {0x2012, 0x2012, "figure dash", '-'},
    {0x2013, 0x2013, "en dash", '-'},
    {0x2014, 0x2015, "em dash", '-'},
    {0x2018, 0x201B, "curly quote", '\''},
    {0x201C, 0x201F, "curly quote", '"'},
    {0x2022, 0x2022, "bullet", '-'},
    {0x2032, 0x2032, "prime", '\''},
    {0x2033, 0x2033, "double prime", '"'},
    {0x2212, 0x2212, "minus sign", '-'},
    {0x2236, 0x2236, "ratio sign", ':'},
    {0x3001, 0x3001, "ideographic comma", ','},
    {0x3002, 0x3002, "ideographic full stop", '.'},
    {0x3010, 0x3010, "lenticular bracket", '['},
    {0x3011, 0x3011, "lenticular bracket", ']'},
    {0xFE55, 0xFE55, "small colon", ':'},
    {0xFE63, 0xFE63, "small hyphen", '-'},
    {0xFF0C, 0xFF0C, "fullwidth comma", ','},
    {0xFF0D, 0xFF0D, "fullwidth hyphen", '-'},
    {0xFF10, 0xFF19, "fullwidth digit", 0},
    {0xFF1A, 0xFF1A, "fullwidth colon", ':'},
    {0xFF01, 0xFF5E, "fullwidth form", 0},
};

static const struct lookalike *lookalike_of(uint32_t code)
{
    for (size_t i = 0; i < sizeof lookalikes / sizeof *lookalikes; i++)
        if (code >= lookalikes[i].first && code <= lookalikes[i].last)
            return &lookalikes[i];
    return NULL;
}

/* What code stands for; itself where it is no lookalike. */
static uint32_t meant_by(uint32_t code)
{
    const struct lookalike *d = lookalike_of(code);
    return !d ? code : d->meant ? (uint32_t)(unsigned char)d->meant : code - 0xFF00 + 0x20;
}

/* Where the reading stands: enough of YAML's grammar to know text from structure. */
struct scan {
    struct cnn_where where;
    uint32_t quote;             /* that the text is in; 0: none */
    bool comment, value, fresh; /* value: behind a ': '; fresh: a value or key may begin */
    bool property, unquoted;    /* within an anchor or alias; just behind a closing quote */
    bool begun, block;          /* the line; a text in lines of its own, behind | or > */
    size_t column;              /* where the line's first key or list sign stands */
    size_t depth;               /* of [ ] and { } */
    uint32_t before;            /* the character before */
    uint32_t told[16];          /* in this line */
    size_t told_count;
    bool wrong;
    cnn_diag *diag;
};

/* Whether the word around source[at] would be a number, were its characters what they look like. */
static bool in_number(const struct cnn_source *source, size_t at)
{
    size_t begin = at, length;
    bool digit = false;
    while (begin > 0 && at - begin < LONGEST_NUMBER &&
           !strchr(" \t\n\r[{,]}:=", source->text[begin - 1]))
        begin--;
    for (; begin < source->size && !strchr(" \t\n\r[{,]}", source->text[begin]); begin += length) {
        uint32_t code = 0;
        length = cnn_utf8_decode(source->text + begin, source->size - begin, &code);
        uint32_t meant = meant_by(code);
        if (length == 0 || meant > 0x7E || !strchr("0123456789.,eE+-_", (int)meant))
            return false;
        digit = digit || (meant >= '0' && meant <= '9');
    }
    return digit;
}

/* Whether the character at at has more of a word behind it, as an apostrophe has. */
static bool within_word(const struct cnn_source *source, size_t at)
{
    uint32_t code;
    at += cnn_utf8_decode(source->text + at, source->size - at, &code);
    return at < source->size && !strchr(" \t\r\n,[]{}", source->text[at]);
}

/* A lookalike is no text where YAML's own sign would stand: in a key, at the beginning of a value
 * for signs that open one, within [ ] and { }, and in a number. */
static bool is_mistaken(const struct scan *s, const struct cnn_source *source, size_t at,
                        uint32_t code)
{
    uint32_t meant = meant_by(code);
    bool quote = meant == '\'' || meant == '"',
         sign = quote || (meant != 0 && strchr(":,[]{}", (int)meant)),
         inside = s->depth > 0 && !(quote && within_word(source, at));
    if (!s->value || (meant == '#' && s->before == ' '))
        return true;
    return (sign && (inside || s->fresh)) || in_number(source, at);
}

static bool told_already(struct scan *s, uint32_t code)
{
    for (size_t i = 0; i < s->told_count; i++)
        if (s->told[i] == code)
            return true;
    if (s->told_count < sizeof s->told / sizeof *s->told)
        s->told[s->told_count++] = code;
    return false;
}

static void check_plain(struct scan *s, const struct cnn_source *source, size_t at, uint32_t code)
{
    const char *name = cnn_character_invisible(code);
    const struct lookalike *d = name ? NULL : lookalike_of(code);
    if ((!name && !(d && is_mistaken(s, source, at, code))) || told_already(s, code))
        return;
    s->wrong = true;
    if (name) {
        cnn_fail(s->diag, CNN_INVALID, &s->where, "here stands U+%04X (%s)", (unsigned)code, name);
        cnn_hint(s->diag, "%s; in quotes and in comments it may stand",
                 strstr(name, "space") && !strstr(name, "zero-width") ? "type a plain space"
                                                                      : "leave it out");
    } else {
        cnn_fail(s->diag, CNN_INVALID, &s->where, "here stands U+%04X (%s) in place of '%c'",
                 (unsigned)code, d->name, (int)meant_by(code));
        cnn_hint(s->diag, "type '%c'; in quotes and in comments it may stand", (int)meant_by(code));
    }
}

static bool ends_word(const struct cnn_source *source, size_t at)
{
    return at >= source->size || strchr(" \t\r\n", source->text[at]);
}

/* In quotes: where they end. Doubled single quotes, and what a backslash precedes, end nothing. */
static void scan_quoted(struct scan *s, const struct cnn_source *source, size_t at, uint32_t code)
{
    bool escaped = s->before == '\\' && s->quote == '"',
         doubled = code == '\'' && at + 1 < source->size && source->text[at + 1] == '\'';
    if (escaped)
        s->before = 0;
    else if (code == '\'' && s->quote == '\'' && s->before == '\'')
        s->before = 0; /* the second of two */
    else if (code == s->quote && !(s->quote == '\'' && doubled)) {
        s->quote = 0;
        s->unquoted = true;
        s->before = code;
    } else
        s->before = code;
}

static void begin_value(struct scan *s, bool value)
{
    s->value = value;
    s->fresh = true;
}

/* The signs of YAML's grammar; false for a character of a plain text. */
static bool scan_sign(struct scan *s, const struct cnn_source *source, size_t at, uint32_t code)
{
    bool ends = ends_word(source, at + 1), flow = s->depth > 0;
    if (code == '#' && (s->before == ' ' || s->before == '\n'))
        s->comment = true;
    else if (s->fresh && (code == '"' || code == '\'')) {
        s->quote = code;
        s->fresh = false;
    } else if ((s->fresh || flow) && (code == '[' || code == '{')) {
        s->depth++;
        begin_value(s, false);
    } else if (flow && (code == ']' || code == '}')) {
        s->depth--;
        s->value = true;
        s->fresh = false;
    } else if (flow && code == ',')
        begin_value(s, false);
    else if (code == ':' &&
             (ends || s->unquoted || (flow && strchr(",[]{}", source->text[at + 1]))))
        begin_value(s, true);
    else if (s->fresh && code == '-' && ends && !flow)
        begin_value(s, false);
    else if (s->fresh && (code == '&' || code == '*' || code == '!'))
        s->property = true;
    else
        return false;
    return true;
}

/* What the first signs of a line say of the lines below it. */
static void scan_beginning(struct scan *s, const struct cnn_source *source, size_t at,
                           uint32_t code)
{
    bool block = s->fresh && s->depth == 0 && (code == '|' || code == '>');
    if (!s->begun && !block)
        s->column = s->where.column;
    s->begun = s->begun || code != '-' || !ends_word(source, at + 1);
    s->block = s->block || block;
}

static void scan_plain(struct scan *s, const struct cnn_source *source, size_t at, uint32_t code)
{
    if (code == ' ' || code == '\t') {
        s->fresh = s->fresh || s->property;
        s->property = false;
        s->before = ' ';
        return;
    }
    if (s->block && !s->begun && s->where.column > s->column) {
        s->comment = true; /* text */
        return;
    }
    s->block = s->block && s->begun;
    check_plain(s, source, at, code);
    scan_beginning(s, source, at, code);
    if (!scan_sign(s, source, at, code))
        s->fresh = false;
    s->unquoted = false;
    s->before = s->quote ? 0 : code;
}

static void scan_line_end(struct scan *s)
{
    s->where.line++;
    s->where.column = 0;
    s->told_count = 0;
    s->comment = false;
    if (s->quote)
        return;
    s->before = '\n';
    s->property = s->unquoted = s->begun = false;
    s->fresh = true;
    s->value = s->value && s->depth > 0;
}

static cnn_status fail_character(const struct scan *s, const struct cnn_source *source, size_t at,
                                 uint32_t code)
{
    const char *name = cnn_character_invisible(code);
    if (code == NOT_UTF8) {
        cnn_fail(s->diag, CNN_INVALID, &s->where, "the byte 0x%02X is no UTF-8 text",
                 (unsigned char)source->text[at]);
        cnn_hint(s->diag, "save the file as UTF-8, if it is a model description at all");
        return CNN_INVALID;
    }
    return cnn_fail(s->diag, CNN_INVALID, &s->where,
                    "the character U+%04X%s%s%s cannot stand in a description", (unsigned)code,
                    name ? " (" : "", name ? name : "", name ? ")" : "");
}

cnn_status cnn_yaml_check_characters(const struct cnn_source *source, size_t start, cnn_diag *diag)
{
    struct scan s = {.where = {.source = source, .line = 1, .column = 1},
                     .fresh = true,
                     .before = '\n',
                     .diag = diag};
    size_t length;
    for (size_t at = 0; at < source->size; at += length, s.where.column++) {
        uint32_t code = 0;
        length = cnn_utf8_decode(source->text + at, source->size - at, &code);
        if (length == 0 || !cnn_yaml_character_allowed(code))
            return fail_character(&s, source, at, length == 0 ? NOT_UTF8 : code);
        if (at == start && start > 0)
            begin_value(&s, true);
        if (code == '\n' || (code == '\r' && source->text[at + 1] != '\n'))
            scan_line_end(&s);
        else if (s.comment || code == '\r')
            continue;
        else if (s.quote)
            scan_quoted(&s, source, at, code);
        else
            scan_plain(&s, source, at, code);
    }
    return s.wrong ? CNN_INVALID : CNN_OK;
}
