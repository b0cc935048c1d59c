/* Messages: collected in a cnn_diag, and shown as one text each with place, source line, caret and
 * hint. Whatever a terminal could act on is escaped and cut here, so that no input can reach it. */
#include "util/diag.h"

#include "util/allocate.h"
#include "util/arena.h"
#include "util/characters.h"
#include "util/text.h"

#include <stdarg.h>
#include <string.h>

enum {
    LONGEST_TEXT = 1000, /* characters of a text or a hint that are shown */
    LONGEST_END = 300,   /* of them, those at its end */
    LONGEST_LINE = 120   /* characters of a source line that are shown, around the caret */
};

struct cnn_diag {
    /* errors and warnings in their order, at most CNN_DIAG_MAX of each */
    cnn_message messages[2 * CNN_DIAG_MAX];
    size_t count, kept[2]; /* errors, warnings */
    /* all errors; those that said again what a kept one says (a mistake in a block that aliases use
     * again) */
    size_t errors, repeated;
    /* NULL where there is none, or it was not kept: a hint for it is dropped too */
    cnn_message *newest;
    struct cnn_arena *arena; /* of all strings; made when first needed */
    bool out_of_memory, out_of_files;
};

cnn_diag *cnn_diag_new(void)
{
    return cnn_calloc(1, sizeof(cnn_diag));
}

void cnn_diag_free(cnn_diag *diag)
{
    if (!diag)
        return;
    cnn_arena_free(diag->arena);
    cnn_free(diag);
}

void cnn_diag_clear(cnn_diag *diag)
{
    if (!diag)
        return;
    cnn_arena_free(diag->arena);
    *diag = (cnn_diag){0};
}

size_t cnn_diag_count(const cnn_diag *diag)
{
    return diag ? diag->count : 0;
}

const cnn_message *cnn_diag_get(const cnn_diag *diag, size_t i)
{
    return diag && i < diag->count ? &diag->messages[i] : NULL;
}

size_t cnn_diag_errors(const cnn_diag *diag)
{
    return diag ? diag->errors : 0;
}

enum cnn_want cnn_diag_want(const cnn_diag *diag)
{
    return !diag || diag->out_of_memory ? CNN_WANT_MEMORY
           : diag->out_of_files         ? CNN_WANT_FILES
                                        : CNN_WANT_NOTHING;
}

bool cnn_diag_out_of_memory(const cnn_diag *diag)
{
    return diag && diag->out_of_memory;
}

size_t cnn_diag_dropped(const cnn_diag *diag)
{
    return diag ? diag->errors - diag->kept[0] - diag->repeated : 0;
}

const char *cnn_source_line(const struct cnn_source *source, size_t line, size_t *size)
{
    if (!source || !source->text || line == 0)
        return NULL;
    const char *start = source->text, *end = source->text + source->size;
    for (const char *at = start;; at++) {
        if (at < end && *at != '\n' && *at != '\r')
            continue;
        if (--line == 0) {
            *size = (size_t)(at - start);
            return start;
        }
        if (at == end)
            return NULL;
        if (*at == '\r' && at + 1 < end && at[1] == '\n')
            at++;
        start = at + 1;
    }
}

static const char *text_keep(cnn_diag *diag, const char *format, va_list arguments)
{
    struct cnn_text text = {0};
    cnn_text_vprintf(&text, format, arguments);
    const char *kept = text.failed ? NULL : cnn_arena_strndup(diag->arena, text.data, text.size);
    diag->out_of_memory = diag->out_of_memory || !kept;
    cnn_text_free(&text);
    return kept;
}

/* Whether a kept message says the same: of the same place, or, where it has none, a warning. */
static bool message_repeats(const cnn_diag *diag, const cnn_message *message)
{
    bool placed = message->file && message->line;
    for (size_t i = 0; (placed || message->warning) && i < diag->count; i++) {
        const cnn_message *other = &diag->messages[i];
        if (other->line == message->line && other->column == message->column &&
            other->warning == message->warning && !other->file == !message->file &&
            (!message->file || strcmp(other->file, message->file) == 0) &&
            strcmp(other->text, message->text) == 0)
            return true;
    }
    return false;
}

static void place_fill(struct cnn_arena *arena, cnn_message *message, const struct cnn_where *where)
{
    if (!where || !where->source)
        return;
    message->file = cnn_arena_strdup(arena, where->source->name);
    message->line = where->line;
    message->column = where->column;
    size_t size;
    const char *line = cnn_source_line(where->source, where->line, &size);
    if (line)
        message->source_line = cnn_arena_strndup(arena, line, size);
}

/* Text and place, as far as memory reaches. */
static void message_fill(cnn_diag *diag, cnn_message *message, const struct cnn_where *where,
                         const char *format, va_list arguments)
{
    message->text = "out of memory";
    if (!diag->arena && !(diag->arena = cnn_arena_new())) {
        diag->out_of_memory = true;
        return;
    }
    const char *text = text_keep(diag, format, arguments);
    if (text)
        message->text = text;
    place_fill(diag->arena, message, where);
}

/* The notes of a message's place, as far as memory reaches. */
static void notes_keep(cnn_diag *diag, cnn_message *message, const struct cnn_where *where)
{
    const cnn_message **end = &message->note;
    for (const struct cnn_note *note = where ? where->note : NULL; note; note = note->where.note) {
        cnn_message *kept = diag->arena ? cnn_arena_alloc(diag->arena, sizeof *kept) : NULL;
        if (!kept || !(kept->text = cnn_arena_strdup(diag->arena, note->text))) {
            diag->out_of_memory = true;
            return;
        }
        place_fill(diag->arena, kept, &note->where);
        *end = kept;
        end = &kept->note;
    }
}

static void message_add(cnn_diag *diag, bool warning, const struct cnn_where *where,
                        const char *format, va_list arguments)
{
    cnn_message message = {.warning = warning};
    if (!diag)
        return;
    diag->newest = NULL;
    diag->errors += !warning;
    if (diag->kept[warning] == CNN_DIAG_MAX)
        return;
    message_fill(diag, &message, where, format, arguments);
    if (message_repeats(diag, &message)) {
        diag->repeated += !warning;
        return;
    }
    notes_keep(diag, &message, where);
    diag->kept[warning]++;
    diag->newest = &diag->messages[diag->count++];
    *diag->newest = message;
}

cnn_status cnn_fail(cnn_diag *diag, cnn_status status, const struct cnn_where *where,
                    const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message_add(diag, false, where, format, arguments);
    va_end(arguments);
    return status;
}

void cnn_warn(cnn_diag *diag, const struct cnn_where *where, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    message_add(diag, true, where, format, arguments);
    va_end(arguments);
}

void cnn_hint(cnn_diag *diag, const char *format, ...)
{
    if (!diag || !diag->newest || !diag->arena)
        return;
    va_list arguments;
    va_start(arguments, format);
    diag->newest->hint = text_keep(diag, format, arguments);
    va_end(arguments);
}

cnn_status cnn_fail_memory(cnn_diag *diag, size_t bytes, const char *what)
{
    size_t mebibytes = bytes / (1024 * 1024) + (bytes % (1024 * 1024) != 0);
    if (diag)
        diag->out_of_memory = true;
    if (bytes == 0) /* not known */
        return cnn_fail(diag, CNN_FAILED, NULL, "out of memory (wanted for %s)", what);
    return cnn_fail(diag, CNN_FAILED, NULL, "out of memory (%zu MiB wanted for %s)", mebibytes,
                    what);
}

cnn_status cnn_fail_want(cnn_diag *diag, enum cnn_want want, size_t bytes, const char *what)
{
    if (want != CNN_WANT_FILES)
        return cnn_fail_memory(diag, bytes, what);
    if (diag)
        diag->out_of_files = true;
    cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: too many files are open", what);
    cnn_hint(diag, "'ulimit -n' shows and sets how many this process may have open");
    return CNN_FAILED;
}

cnn_status cnn_fail_missing(cnn_diag *diag, const char *function, const char *arguments)
{
    return cnn_fail(diag, CNN_INVALID, NULL, "%s was called without %s", function, arguments);
}

cnn_status cnn_fail_version(cnn_diag *diag, const char *options, unsigned version, unsigned known)
{
    cnn_fail(diag, CNN_INVALID, NULL, "%s has version %u: this library knows them up to %u",
             options, version, known);
    cnn_hint(diag, "the program was built for a later version of libcnn than " CNN_VERSION);
    return CNN_INVALID;
}

cnn_status cnn_fail_index(cnn_diag *diag, const char *kind, size_t i, size_t count)
{
    return cnn_fail(diag, CNN_INVALID, NULL, "there is no %s %zu: the first is 0, there are %zu",
                    kind, i, count);
}

/* Appends the character that text[0..size) begins with (size > 0) in a shape no terminal acts on.
 * Returns its bytes; adds the columns it takes. */
static size_t character_append(struct cnn_text *out, const char *text, size_t size, size_t *columns)
{
    uint32_t code = 0;
    size_t length = cnn_utf8_decode(text, size, &code);
    if (length > 0 && cnn_character_shown(code)) {
        cnn_text_append(out, text, length);
        *columns += cnn_character_columns(code);
        return length;
    }
    if (length == 1 && code == '\t') {
        cnn_text_append(out, " ", 1);
        ++*columns;
        return 1;
    }
    if (length == 0)
        length = 1;
    for (size_t i = 0; i < length; i++)
        cnn_text_printf(out, "\\x%02X", (unsigned char)text[i]);
    *columns += 4 * length;
    return length;
}

/* Where in text[0..size) character number i (from 0) begins, or its end. */
static size_t character_find(const char *text, size_t size, size_t i)
{
    size_t at = 0;
    for (; at < size && i > 0; i--) {
        uint32_t code;
        size_t length = cnn_utf8_decode(text + at, size - at, &code);
        at += length ? length : 1;
    }
    return at;
}

static size_t characters_count(const char *text, size_t size)
{
    size_t count = 0;
    for (size_t at = 0; at < size; count++)
        at += character_find(text + at, size - at, 1);
    return count;
}

/* Of a long text the middle is left out: its end often says what is wrong. */
/* Likewise, of a source line, in which a character that cannot be seen would puzzle. */
static size_t source_append(struct cnn_text *out, const char *text, size_t size, size_t *columns)
{
    uint32_t code = 0;
    size_t length = cnn_utf8_decode(text, size, &code), before = out->size;
    if (length == 0 || !cnn_character_invisible(code))
        return character_append(out, text, size, columns);
    cnn_text_printf(out, "<U+%04X>", (unsigned)code);
    *columns += out->size - before;
    return length;
}

static void text_show(struct cnn_text *out, const char *text)
{
    size_t size = strlen(text), columns = 0, count = characters_count(text, size);
    for (size_t at = 0, shown = 0; at < size; shown++) {
        if (count > LONGEST_TEXT && shown == LONGEST_TEXT - LONGEST_END) {
            cnn_text_append(out, "...", 3);
            at += character_find(text + at, size - at, count - LONGEST_TEXT);
        }
        at += character_append(out, text + at, size - at, &columns);
    }
}

/* The source line, cut to a window around column where it is long, and a caret below column. */
static void line_show(struct cnn_text *out, const char *line, size_t column)
{
    size_t size = strlen(line), total = characters_count(line, size), first = 0,
           target = column ? column - 1 : 0;
    if (target > total)
        target = total;
    if (total > LONGEST_LINE && target > LONGEST_LINE / 2)
        first =
            target + LONGEST_LINE / 2 > total ? total - LONGEST_LINE : target - LONGEST_LINE / 2;
    size_t last = total - first > LONGEST_LINE ? first + LONGEST_LINE : total;
    const char *before = first > 0 ? "  ..." : "  ";
    size_t columns = strlen(before), caret = columns, at = character_find(line, size, first);
    cnn_text_append(out, before, columns);
    for (size_t i = first; i < last; i++) {
        at += source_append(out, line + at, size - at, &columns);
        if (i + 1 == target)
            caret = columns;
    }
    cnn_text_printf(out, "%s\n", last < total ? "..." : "");
    if (column)
        cnn_text_printf(out, "%*s^\n", (int)caret, "");
}

/* A message, or a note, without what follows it. */
static void message_show(struct cnn_text *out, const cnn_message *message, const char *kind,
                         const char *program)
{
    text_show(out, message->file ? message->file : program ? program : "cnn");
    if (message->file && message->line) {
        cnn_text_printf(out, ":%zu", message->line);
        if (message->column)
            cnn_text_printf(out, ":%zu", message->column);
    }
    cnn_text_printf(out, ": %s: ", kind);
    text_show(out, message->text ? message->text : "");
    cnn_text_append(out, "\n", 1);
    if (message->source_line)
        line_show(out, message->source_line, message->column);
    if (message->hint) {
        cnn_text_append(out, "  hint: ", 8);
        text_show(out, message->hint);
        cnn_text_append(out, "\n", 1);
    }
}

char *cnn_message_format(const cnn_message *message, const char *program)
{
    if (!message)
        return NULL;
    struct cnn_text out = {0};
    message_show(&out, message, message->warning ? "warning" : "error", program);
    for (const cnn_message *note = message->note; note; note = note->note)
        message_show(&out, note, "note", program);
    if (out.failed) {
        cnn_text_free(&out);
        return NULL;
    }
    return out.data;
}
