/* Reading a .cfg: sections in brackets, and lines of KEY=VALUE. Blanks mean nothing. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "formats/darknet.h"

struct parser {
    struct cnn_arena *arena;
    const struct cnn_source *source;
    struct cnn_darknet_file *file;
    struct cnn_darknet_option **end; /* where the section's next option goes */
    cnn_diag *diag;
};

static size_t count_sections(const struct cnn_source *source)
{
    size_t count = 0;
    for (size_t i = 0; i < source->size; i++)
        count += source->text[i] == '[';
    return count;
}

static cnn_status begin_section(struct parser *p, const char *line, struct cnn_where where)
{
    size_t length = strlen(line);
    if (length < 3 || line[length - 1] != ']')
        return cnn_fail(p->diag, CNN_FAILED, &where, "a section is a name in brackets");
    if (p->file->count == CNN_DARKNET_SECTIONS)
        return cnn_fail(p->diag, CNN_FAILED, &where, "more than %d sections", CNN_DARKNET_SECTIONS);
    struct cnn_darknet_section *section = &p->file->sections[p->file->count++];
    section->name = cnn_arena_strndup(p->arena, line + 1, length - 2);
    section->where = where;
    p->end = &section->first;
    return section->name ? CNN_OK : cnn_fail_memory(p->diag, length, p->source->name);
}

static cnn_status add_option(struct parser *p, char *line, struct cnn_where where)
{
    char *equals = strchr(line, '=');
    if (!equals || equals == line)
        return cnn_fail(p->diag, CNN_FAILED, &where,
                        "this is neither a section nor an option: [name] or key=value");
    if (!p->end)
        return cnn_fail(p->diag, CNN_FAILED, &where, "the file has to begin with [net]");
    struct cnn_darknet_option *option = cnn_arena_alloc(p->arena, sizeof *option);
    if (!option)
        return cnn_fail_memory(p->diag, sizeof *option, p->source->name);
    *equals = '\0';
    equals[1 + strcspn(equals + 1, "#")] = '\0';
    *option = (struct cnn_darknet_option){.key = line, .value = equals + 1, .where = where};
    *p->end = option;
    p->end = &option->next;
    return CNN_OK;
}

/* The line without blanks, in the arena. */
static char *without_blanks(struct parser *p, const char *line, size_t length)
{
    char *text = cnn_arena_alloc(p->arena, length + 1);
    size_t count = 0;
    for (size_t i = 0; text && i < length; i++)
        if (!strchr(" \t\r", line[i] ? line[i] : ' '))
            text[count++] = line[i];
    return text;
}

static cnn_status read_line(struct parser *p, const char *line, size_t length,
                            struct cnn_where where)
{
    char *text = without_blanks(p, line, length);
    if (!text)
        return cnn_fail_memory(p->diag, length, p->source->name);
    if (memchr(line, '\0', length) || !cnn_utf8_valid(line, length))
        return cnn_fail(p->diag, CNN_FAILED, &where, "this is no text");
    if (*text == '\0' || *text == '#' || *text == ';')
        return CNN_OK;
    return *text == '[' ? begin_section(p, text, where) : add_option(p, text, where);
}

cnn_status cnn_darknet_read(struct cnn_arena *arena, const struct cnn_source *source,
                            struct cnn_darknet_file *out, cnn_diag *diag)
{
    struct parser p = {.arena = arena, .source = source, .file = out, .diag = diag};
    size_t most = count_sections(source);
    struct cnn_where where = {.source = source, .line = 1, .column = 1};
    if (most > CNN_DARKNET_SECTIONS)
        most = CNN_DARKNET_SECTIONS;
    *out = (struct cnn_darknet_file){.sections =
                                         cnn_arena_array(arena, most + 1, sizeof *out->sections)};
    if (!out->sections)
        return cnn_fail_memory(diag, most * sizeof *out->sections, source->name);
    for (size_t at = 0; at < source->size; where.line++) {
        const char *line = source->text + at, *end = memchr(line, '\n', source->size - at);
        size_t length = end ? (size_t)(end - line) : source->size - at;
        cnn_status status = read_line(&p, line, length, where);
        if (status != CNN_OK)
            return status;
        at += length + 1;
    }
    if (out->count == 0 || (strcmp(out->sections[0].name, "net") != 0 &&
                            strcmp(out->sections[0].name, "network") != 0))
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: its first section is not [net]", source->name);
    return CNN_OK;
}

/* ---- Options ---- */

struct cnn_darknet_option *cnn_darknet_find(const struct cnn_darknet_section *section,
                                            const char *key)
{
    struct cnn_darknet_option *option = section->first;
    while (option && strcmp(option->key, key) != 0)
        option = option->next;
    if (option)
        option->seen = true;
    return option;
}

static bool read_integer(const char **text, int64_t *out)
{
    char *end;
    errno = 0;
    long long value = strtoll(*text, &end, 10);
    if (end == *text || errno != 0)
        return false;
    *text = end;
    *out = value;
    return true;
}

cnn_status cnn_darknet_integer(const struct cnn_darknet_section *section, const char *key,
                               int64_t least, int64_t most, int64_t *value, cnn_diag *diag)
{
    const struct cnn_darknet_option *option = cnn_darknet_find(section, key);
    int64_t number = 0;
    const char *text = option ? option->value : "";
    if (!option)
        return CNN_OK;
    if (!read_integer(&text, &number) || *text || number < least || number > most)
        return cnn_fail(diag, CNN_FAILED, &option->where,
                        "'%s' is a whole number from %" PRId64 " to %" PRId64, key, least, most);
    *value = number;
    return CNN_OK;
}

cnn_status cnn_darknet_integers(const struct cnn_darknet_section *section, const char *key,
                                int64_t *values, size_t room, size_t *count, cnn_diag *diag)
{
    const struct cnn_darknet_option *option = cnn_darknet_find(section, key);
    const char *text = option ? option->value : "";
    for (*count = 0; *text; (*count)++) {
        if (*count == room)
            return cnn_fail(diag, CNN_FAILED, &option->where, "'%s' has more than %zu numbers", key,
                            room);
        if (!read_integer(&text, &values[*count]) || (*text && *text != ','))
            return cnn_fail(diag, CNN_FAILED, &option->where,
                            "'%s' is a list of whole numbers: -1, 61", key);
        text += *text == ',';
    }
    return CNN_OK;
}
