/* Scripts for other frameworks (script.h): names, lines and the parts that all of them have. */
#include "formats/script.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "util/file.h"
#include "util/output.h"

/* ---- Names ---- */

static const char *const python[] = {
    "False",  "None",    "True",     "and",      "as",     "assert", "async", "await",  "break",
    "class",  "def",     "del",      "elif",     "else",   "except", "for",   "from",   "global",
    "if",     "import",  "in",       "is",       "lambda", "not",    "or",    "pass",   "raise",
    "return", "try",     "while",    "with",     "yield",  "x",      "self",  "super",  "torch",
    "nn",     "F",       "keras",    "layers",   "ops",    "np",     "json",  "struct", "sys",
    "float",  "finally", "continue", "nonlocal", NULL};

static bool is_among(const char *const *words, const char *name)
{
    for (; *words; words++)
        if (strcmp(*words, name) == 0)
            return true;
    return false;
}

bool cnn_script_reserves(const struct cnn_script_format *format, const char *name)
{
    return is_among(python, name) || is_among(format->reserved, name);
}

bool cnn_script_has(const struct cnn_script *s, const char *suffix)
{
    return cnn_node_tensor(s->node, suffix);
}

static bool is_taken(const struct cnn_script *s, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(s->layers[i], name) == 0)
            return true;
    return false;
}

/* The layer's name as an identifier that is free. */
static const char *name_layer(const struct cnn_script *s, const struct cnn_script_format *format,
                              size_t i)
{
    const char *own = s->e->model->graph.nodes[i].name;
    char *name =
        cnn_arena_printf(s->e->arena, "%s%s", isalpha((unsigned char)*own) ? "" : "n", own);
    for (char *c = name; c && *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    while (name && (cnn_script_reserves(format, name) || strcmp(name, s->e->name) == 0 ||
                    is_taken(s, i, name)))
        name = cnn_arena_printf(s->e->arena, "%s_", name);
    return name;
}

/* Whether the node behind reads it, and no other does. */
static bool is_passed_on(const struct cnn_graph *graph, size_t value)
{
    size_t readers = 0;
    for (size_t i = value; i < graph->count; i++)
        for (size_t k = 0; k < graph->nodes[i].input_count; k++)
            readers += graph->nodes[i].inputs[k] == value;
    if (value == graph->count)
        return true;
    const struct cnn_node *next = &graph->nodes[value];
    for (size_t k = 0; k < next->input_count; k++)
        if (next->inputs[k] == value)
            return readers == 1;
    return false;
}

static cnn_status name_all(struct cnn_script *s, const struct cnn_script_format *format)
{
    const struct cnn_graph *graph = &s->e->model->graph;
    s->layers = cnn_arena_array(s->e->arena, graph->count, sizeof *s->layers);
    s->values = cnn_arena_array(s->e->arena, graph->count + 1, sizeof *s->values);
    bool named = s->layers && s->values;
    if (named)
        s->values[0] = is_passed_on(graph, 0) ? "x" : "image";
    for (size_t i = 0; named && i < graph->count; i++) {
        s->layers[i] = name_layer(s, format, i);
        s->values[i + 1] = is_passed_on(graph, i + 1) ? "x" : s->layers[i];
        named = s->layers[i];
    }
    return named ? CNN_OK : cnn_fail_memory(s->e->diag, 0, s->e->path);
}

/* ---- Lines ---- */

const char *cnn_script_input(const struct cnn_script *s, size_t i)
{
    return s->values[s->node->inputs[i]];
}

const char *cnn_script_text(struct cnn_script *s, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    const char *copy = text.failed ? NULL : cnn_arena_strdup(s->e->arena, text.data);
    s->failed = s->failed || !copy;
    cnn_text_free(&text);
    return copy ? copy : "";
}

const char *cnn_script_layer(const struct cnn_script *s)
{
    return s->layers[s->number];
}

static cnn_status refuse(const struct cnn_script *s, const struct cnn_script_format *format)
{
    return cnn_fail(s->e->diag, CNN_INVALID, NULL, "layer '%s' (%s) cannot be written for %s: %s",
                    s->node->name, s->node->type->variant.name, format->name,
                    s->problem ? s->problem : "it is not known there");
}

cnn_status cnn_script_write(struct cnn_script *s, const struct cnn_script_format *format)
{
    const struct cnn_graph *graph = &s->e->model->graph;
    s->format = format;
    cnn_status status = name_all(s, format);
    for (size_t i = 0; status == CNN_OK && i < graph->count; i++) {
        s->number = i;
        s->node = &graph->nodes[i];
        s->operation = s->node->type->operation(s->node);
        cnn_script_writer *writer = format->writers[s->operation.kind];
        const char *text = writer ? writer(s) : "";
        if (!writer || s->problem)
            return refuse(s, format);
        if (strcmp(text, s->values[i + 1]) != 0)
            cnn_text_printf(&s->lines, "%s%s = %s\n", format->indent, s->values[i + 1], text);
    }
    return status == CNN_OK && s->failed ? cnn_fail_memory(s->e->diag, 0, s->e->path) : status;
}

void cnn_script_free(struct cnn_script *s)
{
    cnn_text_free(&s->members);
    cnn_text_free(&s->lines);
}

/* ---- Operations that are written alike ---- */

const char *cnn_script_pass(struct cnn_script *s)
{
    return cnn_script_input(s, 0);
}

const char *cnn_script_activation(struct cnn_script *s)
{
    return s->format->activate(s, cnn_script_input(s, 0));
}

const char *cnn_script_joined(struct cnn_script *s, const char *between)
{
    const char *text = cnn_script_input(s, 0);
    for (size_t i = 1; i < s->node->input_count; i++)
        text = cnn_script_text(s, "%s%s%s", text, between, cnn_script_input(s, i));
    return text;
}

const char *cnn_script_add(struct cnn_script *s)
{
    return s->format->activate(s, cnn_script_joined(s, " + "));
}

const char *cnn_script_multiply(struct cnn_script *s)
{
    const bool flat = s->node->in[1].rank < s->node->in[0].rank;
    return s->format->activate(s, cnn_script_text(s, "%s * %s%s", cnn_script_input(s, 0),
                                                  cnn_script_input(s, 1),
                                                  flat ? s->format->maps : ""));
}

/* ---- Words ---- */

struct cnn_script_word cnn_script_pair(size_t rows, size_t columns)
{
    struct cnn_script_word pair;
    if (rows == columns)
        snprintf(pair.text, sizeof pair.text, "%zu", rows);
    else
        snprintf(pair.text, sizeof pair.text, "(%zu, %zu)", rows, columns);
    return pair;
}

struct cnn_script_word cnn_script_key(const char *name, size_t rows, size_t columns,
                                      size_t otherwise)
{
    struct cnn_script_word key = {""};
    if (rows == otherwise && columns == otherwise)
        return key;
    if (rows == columns)
        snprintf(key.text, sizeof key.text, ", %s=%zu", name, rows);
    else
        snprintf(key.text, sizeof key.text, ", %s=(%zu, %zu)", name, rows, columns);
    return key;
}

/* The shortest that is the float again. */
struct cnn_script_word cnn_script_number(float value)
{
    struct cnn_script_word number;
    for (int digits = 1; digits <= 9; digits++) {
        float again;
        snprintf(number.text, sizeof number.text, "%.*g", digits, (double)value);
        if (sscanf(number.text, "%f", &again) == 1 && !(again < value) && !(again > value))
            break;
    }
    return number;
}

void cnn_script_string(struct cnn_text *out, const char *text)
{
    cnn_text_json_string(out, text);
}

/* ---- The file ---- */

/* Without what would end a docstring or a comment. */
static void add_plain(struct cnn_text *out, const char *text)
{
    for (; *text; text++)
        cnn_text_append(out, strchr("\\\"\n\r", *text) ? "_" : text, 1);
}

void cnn_script_head(struct cnn_text *out, const struct cnn_export *e, const char *usage)
{
    const cnn_shape in = e->model->graph.input;
    cnn_text_printf(out, CNN_OUTPUT_MARK_SCRIPT "\n\"\"\"The network ");
    add_plain(out, e->model->name);
    cnn_text_printf(out, ": images of %zu x %zu x %zu, %zu outputs.\n\n%s\"\"\"\n", in.c, in.h,
                    in.w, cnn_model_outputs(e->model), usage);
}

static void add_list(struct cnn_text *out, const char *name, const float *values, size_t count)
{
    cnn_text_printf(out, "%s = [", name);
    for (size_t i = 0; i < count; i++)
        cnn_text_printf(out, "%s%s", i > 0 ? ", " : "", cnn_script_number(values[i]).text);
    cnn_text_printf(out, "]\n");
}

void cnn_script_constants(struct cnn_text *out, const struct cnn_export *e)
{
    const struct cnn_normalization *n = &e->model->normalization;
    const size_t classes = e->model->class_count;
    if (n->channels > 0) {
        cnn_text_printf(out, "\n# Pixels from 0 to 1, minus MEAN, by STD, are what the network "
                             "was trained on.\n");
        add_list(out, "MEAN", n->mean, n->channels);
        add_list(out, "STD", n->std, n->channels);
    }
    for (size_t i = 0; i < classes; i++) {
        cnn_text_printf(out, i == 0 ? "CLASSES = [\n    " : "    ");
        cnn_script_string(out, e->model->classes[i]);
        cnn_text_printf(out, i + 1 == classes ? ",\n]\n" : ",\n");
    }
}

cnn_status cnn_script_save(const struct cnn_export *e, struct cnn_text *text)
{
    cnn_status status = text->failed ? cnn_fail_memory(e->diag, text->size, e->path)
                                     : cnn_file_write(e->path, text->data, text->size, e->diag);
    e->info->bytes = text->size;
    cnn_text_free(text);
    return status;
}
