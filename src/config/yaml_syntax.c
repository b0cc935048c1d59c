/* What is wrong with a text that is no YAML: libyaml's messages name productions of the grammar;
 * here they become what a writer of a description did. */
#include "config/yaml_syntax.h"

#include <string.h>

struct cnn_where cnn_yaml_where(const struct cnn_source *source, size_t column,
                                const yaml_mark_t *mark)
{
    return (struct cnn_where){.source = source,
                              .line = mark->line + 1,
                              .column = mark->column + 1 + (mark->line == 0 ? column : 0)};
}

struct syntax {
    const char *problem; /* how libyaml's message begins */
    /* the place that helps is where the thing begins, not where it goes wrong */
    bool begins;
    const char *text, *hint;
};

/* Our own name for "did not find expected key" where the place is not the first of its line. */
static const char left_over[] = "left over";

static const struct syntax syntaxes[] = {
    {"found character that cannot start any token", false,
     "a value cannot begin with this character", "put the value in quotes"},
    {"mapping values are not allowed", false, "this ':' cannot stand here",
     "indent this line like its neighbours; a text with ': ' in it wants quotes"},
    {"could not find expected ':'", true, "this line is no 'key: value'",
     "put ': ' behind the key, and '- ' before an item of a list"},
    {"did not find expected ',' or ']'", true, "the list that begins here lacks a ',' or its ']'",
     NULL},
    {"did not find expected ',' or '}'", true,
     "the mapping that begins here lacks a ',' or its '}'", NULL},
    {left_over, false, "this is left over behind a value",
     "a list or mapping ends with its ']' or '}', a quoted text with its quote"},
    {"did not find expected key", false, "a 'key: value' was expected here",
     "indent this line like its neighbours, and close every quote above it"},
    {"did not find expected '-' indicator", false,
     "an item of the list above was expected here: '- ' and a value",
     "indent the items of a list alike, and what follows the list like the list's key"},
    {"did not find expected node content", false, "a value was expected here", NULL},
    {"found unexpected end of stream", true, "the quote that opens here is never closed", NULL},
    {"found unexpected document indicator", true,
     "the quote that opens here is not closed before the document ends", NULL},
    {"found unknown escape character", false, "'\\' and this letter are no escape",
     "write \\\\ for a backslash, or use single quotes"},
    {"did not find expected hexdecimal number", false,
     "'\\x', '\\u' and '\\U' want 2, 4 and 8 hexadecimal digits", NULL},
    {"block sequence entries are not allowed", false, "an item '- ' cannot stand here",
     "put it on a line of its own, below the list's key"},
    {"mapping keys are not allowed", false, "a '?' key cannot stand here",
     "put a text that begins with '? ' in quotes"},
    {"did not find expected alphabetic or numeric", false,
     "'&' and '*' want a name: they make and use an anchor",
     "put a text that begins with '&' or '*' in quotes"},
    {"did not find expected <document start>", false,
     "this does not belong to what stands above it",
     "indent it like its neighbours; the whole description is one mapping"},
};

static const struct syntax *syntax_find(const char *problem)
{
    for (size_t i = 0; i < sizeof(syntaxes) / sizeof(*syntaxes); i++)
        if (strncmp(problem, syntaxes[i].problem, strlen(syntaxes[i].problem)) == 0)
            return &syntaxes[i];
    return NULL;
}

/* Tabs among the indentation are behind many of libyaml's messages. */
static bool tab_find(const struct cnn_where *where, size_t *column)
{
    size_t size, at = 0;
    const char *line = cnn_source_line(where->source, where->line, &size);
    while (line && at < size && line[at] == ' ')
        at++;
    *column = at + 1;
    return line && at < size && line[at] == '\t';
}

static bool line_begins(const struct cnn_where *where)
{
    size_t size;
    const char *line = cnn_source_line(where->source, where->line, &size);
    return !line || strspn(line, " ") + 1 >= where->column;
}

/* The mistake begins at begin, and was noticed at end. */
static void fail_begin(const struct cnn_where *begin, const struct cnn_where *end, const char *text,
                       cnn_diag *diag)
{
    size_t size, next;
    const char *line = cnn_source_line(end->source, end->line, &size);
    bool last = !line || (size == 0 && !cnn_source_line(end->source, end->line + 1, &next));
    if (end->line <= begin->line + last)
        cnn_fail(diag, CNN_INVALID, begin, "%s", text);
    else if (last)
        cnn_fail(diag, CNN_INVALID, begin, "%s (noticed at the end)", text);
    else
        cnn_fail(diag, CNN_INVALID, begin, "%s (noticed in line %zu)", text, end->line);
}

cnn_status cnn_yaml_fail_syntax(const yaml_parser_t *parser, const struct cnn_source *source,
                                size_t column, cnn_diag *diag)
{
    if (parser->error == YAML_MEMORY_ERROR)
        return cnn_fail_memory(diag, source->size, "parsing YAML");
    const char *problem = parser->problem ? parser->problem : "unknown error";
    struct cnn_where where = cnn_yaml_where(source, column, &parser->problem_mark), tab = where;
    if (tab_find(&where, &tab.column)) {
        cnn_fail(diag, CNN_INVALID, &tab, "a tab cannot indent YAML");
        cnn_hint(diag, "use spaces");
        return CNN_INVALID;
    }
    if (strcmp(problem, "did not find expected key") == 0 && !line_begins(&where))
        problem = left_over;
    const struct syntax *syntax = syntax_find(problem);
    if (!syntax)
        return cnn_fail(diag, CNN_INVALID, &where, "this is no YAML: %s", problem);
    struct cnn_where begin = cnn_yaml_where(source, column, &parser->context_mark);
    if (syntax->begins)
        fail_begin(&begin, &where, syntax->text, diag);
    else
        cnn_fail(diag, CNN_INVALID, &where, "%s", syntax->text);
    if (syntax->hint)
        cnn_hint(diag, "%s", syntax->hint);
    return CNN_INVALID;
}
