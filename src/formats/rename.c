/* The rename file of an import: "their-name our-name" in each line, where a name may be that of a
 * tensor, of a layer, or of what many layers' names begin with; - for our name leaves it out. */
#include <stdlib.h>
#include <string.h>

#include "formats/assign_internal.h"
#include "util/allocate.h"
#include "util/file.h"

#define FILE_MAX ((size_t)1 << 22)

struct rule {
    const char *from, *to; /* to NULL: left out */
    size_t line;
    bool used;
};

struct cnn_renaming {
    const char *path;
    struct rule *rules;
    size_t count;
};

static const char blanks[] = " \t\r";

static size_t count_lines(const char *text)
{
    size_t lines = 1;
    for (; *text; text++)
        lines += *text == '\n';
    return lines;
}

/* The next word of a line, ended; NULL: there is none. *at is moved behind it. */
static char *next_word(char **at)
{
    char *word = *at + strspn(*at, blanks);
    size_t length = strcspn(word, blanks);
    if (length == 0 || *word == '#')
        return NULL;
    *at = word + length + (word[length] != '\0');
    word[length] = '\0';
    return word;
}

static cnn_status read_rule(struct cnn_renaming *r, char *line, size_t number, cnn_diag *diag)
{
    char *from = next_word(&line), *to = from ? next_word(&line) : NULL;
    if (!from)
        return CNN_OK;
    if (!to || next_word(&line)) {
        cnn_fail(diag, CNN_INVALID, NULL, "%s: line %zu: two names are wanted, found %s", r->path,
                 number, to ? "more" : "one");
        cnn_hint(diag, "theirs and ours: layer1.0.downsample.0 projection1; aux1 - leaves theirs "
                       "out");
        return CNN_INVALID;
    }
    r->rules[r->count++] = (struct rule){from, strcmp(to, "-") == 0 ? NULL : to, number, false};
    return CNN_OK;
}

cnn_status cnn_renaming_read(struct cnn_arena *arena, const char *path, struct cnn_renaming **out,
                             cnn_diag *diag)
{
    char *read, *text;
    size_t size;
    cnn_status status = cnn_file_read_any(path, FILE_MAX, &read, &size, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    struct cnn_renaming *r = cnn_arena_alloc(arena, sizeof *r);
    bool plain = !memchr(read, '\0', size) && cnn_utf8_valid(read, size);
    text = r && plain ? cnn_arena_strndup(arena, read, size) : NULL;
    cnn_free(read);
    if (!plain)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is no UTF-8 text", path);
    if (text)
        r->rules = cnn_arena_array(arena, count_lines(text), sizeof *r->rules);
    if (!text || !r->rules)
        return cnn_fail_memory(diag, size, path);
    r->path = path;
    for (size_t number = 1; text && status == CNN_OK; number++) {
        char *end = strchr(text, '\n');
        if (end)
            *end = '\0';
        status = read_rule(r, text, number, diag);
        text = end ? end + 1 : NULL;
    }
    *out = r;
    return status;
}

const char *cnn_renaming_apply(struct cnn_renaming *renaming, struct cnn_arena *arena,
                               const char *name, size_t *line)
{
    struct rule *best = NULL;
    size_t best_length = 0;
    *line = 0;
    for (size_t i = 0; i < renaming->count; i++) {
        struct rule *rule = &renaming->rules[i];
        size_t length = strlen(rule->from);
        bool fits =
            strncmp(name, rule->from, length) == 0 && (name[length] == '\0' || name[length] == '.');
        if (fits && length >= best_length) {
            best = rule;
            best_length = length;
        }
    }
    if (!best)
        return cnn_arena_strdup(arena, name);
    best->used = true;
    *line = best->line;
    return best->to ? cnn_arena_printf(arena, "%s%s", best->to, name + best_length) : NULL;
}

cnn_status cnn_renaming_check(const struct cnn_renaming *renaming, const char *weights,
                              cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; i < renaming->count; i++)
        if (!renaming->rules[i].used)
            status =
                cnn_fail(diag, CNN_INVALID, NULL, "%s: line %zu: %s has nothing named '%s'",
                         renaming->path, renaming->rules[i].line, weights, renaming->rules[i].from);
    return status;
}

const char *cnn_renaming_path(const struct cnn_renaming *renaming)
{
    return renaming->path;
}
