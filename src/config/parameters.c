/* Parameters in the layers of a block: `$width` stands for the value that a use gives, `$width - 4`
 * for an integer. Products and quotients (//, rounded down, as Python writes it) come before sums;
 * there are no brackets. */
#include "config/parameters.h"

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct reader { /* of one scalar */
    const struct cnn_yaml *node;
    const char *at;
    const struct cnn_definition *block;
    const struct cnn_yaml *const *values; /* NULL: the scalar is looked at, not calculated */
    cnn_diag *diag;
    bool failed;
};

static bool has_parameters(const struct cnn_yaml *node)
{
    return node->kind == CNN_YAML_SCALAR && !node->quoted && strchr(node->text, '$');
}

static void fail(struct reader *r, const char *why)
{
    char word[80];
    if (!r->failed)
        cnn_fail(r->diag, CNN_INVALID, &r->node->where, "'%s': %s",
                 cnn_word_cut(r->node->text, word, sizeof word), why);
    r->failed = true;
}

static void fail_syntax(struct reader *r)
{
    char word[80];
    if (r->failed)
        return;
    r->failed = true;
    cnn_fail(r->diag, CNN_INVALID, &r->node->where,
             "'%s' is neither a parameter nor a calculation with integers",
             cnn_word_cut(r->node->text, word, sizeof word));
    if (*r->at == '/' && r->at[1] != '/')
        cnn_hint(r->diag, "write // for the quotient, rounded down");
    else
        cnn_hint(r->diag, "for example $width, $width * 4, $kernel_size // 2; there are + - * and "
                          "//, and no brackets");
}

static void fail_parameter(struct reader *r, const char *name)
{
    char word[80];
    const char *names[CNN_BLOCK_MAX_PARAMETERS];
    r->failed = true;
    cnn_word_cut(name, word, sizeof word);
    if (!r->block) {
        cnn_fail(r->diag, CNN_INVALID, &r->node->where,
                 "`$%s` stands outside of a block, where there are no parameters", word);
        return;
    }
    cnn_fail(r->diag, CNN_INVALID, &r->node->where, "block '%s' has no parameter '%s'",
             r->block->name, word);
    for (size_t i = 0; i < r->block->count; i++)
        names[i] = r->block->parameters[i].name;
    const char *near = cnn_nearest_word(name, names, r->block->count);
    if (near)
        cnn_hint(r->diag, "did you mean '$%s'?", near);
    else
        cnn_hint(r->diag, "the keys of `parameters` are the names of its parameters");
}

/* The parameter whose name begins at r->at, which is passed; its index, or CNN_NO_INDEX. */
static size_t parameter_read(struct reader *r)
{
    char name[80];
    size_t length = 0;
    while (isalnum((unsigned char)r->at[length]) || r->at[length] == '_')
        length++;
    if (length == 0 || length >= sizeof name) {
        fail_syntax(r);
        return CNN_NO_INDEX;
    }
    memcpy(name, r->at, length);
    name[length] = '\0';
    r->at += length;
    for (size_t i = 0; r->block && i < r->block->count; i++)
        if (strcmp(r->block->parameters[i].name, name) == 0) {
            r->block->parameters[i].used = true;
            return i;
        }
    fail_parameter(r, name);
    return CNN_NO_INDEX;
}

static void skip_spaces(struct reader *r)
{
    r->at += strspn(r->at, " ");
}

static long long integer_read(struct reader *r)
{
    char *end;
    if (!isdigit((unsigned char)*r->at)) {
        fail_syntax(r);
        return 1;
    }
    unsigned long long value = strtoull(r->at, &end, 10);
    if (value > INT_MAX) {
        fail(r, "the number is too large");
        return 1;
    }
    r->at = end;
    return (long long)value;
}

static long long factor_read(struct reader *r)
{
    long long value = 1;
    skip_spaces(r);
    if (*r->at != '$')
        return integer_read(r);
    r->at++;
    size_t i = parameter_read(r);
    if (i == CNN_NO_INDEX || !r->values)
        return 1;
    if (cnn_yaml_as_integer(r->values[i], &value) && llabs(value) <= INT_MAX)
        return value;
    char found[80], why[160];
    snprintf(why, sizeof why, "'%s' is %s, and integers alone can be calculated with",
             r->block->parameters[i].name, cnn_yaml_describe(r->values[i], found, sizeof found));
    fail(r, why);
    return 1;
}

/* Operands are held to the size of an int, so no operation overflows. */
static long long bounded(struct reader *r, long long value)
{
    if (llabs(value) <= INT_MAX)
        return value;
    fail(r, "the result is too large");
    return 1;
}

static long long quotient(struct reader *r, long long value, long long divisor)
{
    if (divisor == 0) {
        if (r->values)
            fail(r, "nothing can be divided by 0");
        return 1;
    }
    return value / divisor - (value % divisor != 0 && (value < 0) != (divisor < 0));
}

static long long product_read(struct reader *r)
{
    long long value = factor_read(r);
    for (skip_spaces(r); !r->failed; skip_spaces(r)) {
        if (*r->at == '*') {
            r->at++;
            value = bounded(r, value * factor_read(r));
        } else if (r->at[0] == '/' && r->at[1] == '/') {
            r->at += 2;
            value = quotient(r, value, factor_read(r));
        } else {
            break;
        }
    }
    return value;
}

static long long sum_read(struct reader *r)
{
    long long value = product_read(r);
    for (skip_spaces(r); !r->failed && (*r->at == '+' || *r->at == '-'); skip_spaces(r)) {
        bool minus = *r->at++ == '-';
        long long term = product_read(r);
        value = bounded(r, minus ? value - term : value + term);
    }
    if (*r->at && !r->failed)
        fail_syntax(r);
    return value;
}

/* The parameter that is all of node's text; CNN_NO_INDEX where there is more in it, or where it is
 * none of the block's. */
static size_t parameter_alone(const struct cnn_definition *block, const struct cnn_yaml *node)
{
    for (size_t i = 0; block && has_parameters(node) && i < block->count; i++)
        if (node->text[0] == '$' && strcmp(node->text + 1, block->parameters[i].name) == 0)
            return i;
    return CNN_NO_INDEX;
}

cnn_status cnn_parameters_check(struct cnn_definition *block, const struct cnn_yaml *node,
                                cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    if (has_parameters(node)) {
        struct reader r = {.node = node, .at = node->text, .block = block, .diag = diag};
        sum_read(&r);
        return r.failed ? CNN_INVALID : CNN_OK;
    }
    for (size_t i = 0; node->kind != CNN_YAML_SCALAR && i < node->count; i++) {
        bool list = node->kind == CNN_YAML_SEQUENCE;
        const struct cnn_yaml *child = list ? node->items[i] : node->pairs[i].value;
        cnn_status one = cnn_parameters_check(block, child, diag);
        status = one != CNN_OK ? one : status;
    }
    return status;
}

static struct cnn_yaml *fail_put(struct cnn_substitution *s)
{
    s->status = cnn_fail_memory(s->diag, 0, "the blocks");
    return NULL;
}

/* A copy of node, not of its children, which says where the block is used. */
static struct cnn_yaml *node_copy(struct cnn_substitution *s, const struct cnn_yaml *node)
{
    struct cnn_where where = node->where;
    where.note = s->note;
    if (++*s->nodes > s->most) {
        s->status = cnn_fail(s->diag, CNN_INVALID, &where,
                             "the blocks come to more than %zu values", s->most);
        return NULL;
    }
    struct cnn_yaml *copy = node->kind == CNN_YAML_SCALAR
                                ? cnn_yaml_new_scalar(s->arena, node->text, node->quoted, &where)
                            : node->kind == CNN_YAML_SEQUENCE
                                ? cnn_yaml_new_sequence(s->arena, &where)
                                : cnn_yaml_new_mapping(s->arena, &where);
    if (!copy)
        return fail_put(s);
    copy->given = node->given;
    copy->layer = node->layer;
    return copy;
}

/* The value that stands in place of the parameter `node`, with its own place, and a note of the
 * parameter's. */
static struct cnn_yaml *value_put(struct cnn_substitution *s, size_t parameter,
                                  const struct cnn_yaml *node)
{
    const struct cnn_yaml *value = s->values[parameter];
    struct cnn_note *note = cnn_arena_alloc(s->arena, sizeof *note);
    struct cnn_yaml *copy = node_copy(s, value);
    if (!note || !copy)
        return copy ? fail_put(s) : NULL;
    note->text = cnn_arena_printf(s->arena, "it stands here as '%s' of block '%s'", node->text,
                                  s->block->name);
    note->where = node->where;
    note->where.note = value->where.note;
    copy->where.note = note;
    for (size_t i = 0; value->kind == CNN_YAML_SEQUENCE && i < value->count; i++) {
        struct cnn_yaml *item = node_copy(s, value->items[i]);
        if (!item)
            return NULL;
        item->where.note = note;
        if (!cnn_yaml_append(s->arena, copy, item))
            return fail_put(s);
    }
    return note->text ? copy : fail_put(s);
}

static struct cnn_yaml *calculate(struct cnn_substitution *s, const struct cnn_yaml *node)
{
    char text[24];
    struct cnn_yaml *copy = node_copy(s, node);
    if (!copy)
        return NULL;
    struct reader r = {
        .node = copy, .at = node->text, .block = s->block, .values = s->values, .diag = s->diag};
    long long value = sum_read(&r);
    if (r.failed) {
        s->status = CNN_INVALID;
        return NULL;
    }
    snprintf(text, sizeof text, "%lld", value);
    copy->text = cnn_arena_strdup(s->arena, text);
    return copy->text ? copy : fail_put(s);
}

struct cnn_yaml *cnn_parameters_put(struct cnn_substitution *s, const struct cnn_yaml *node)
{
    size_t parameter = parameter_alone(s->block, node);
    if (parameter != CNN_NO_INDEX)
        return value_put(s, parameter, node);
    if (has_parameters(node))
        return calculate(s, node);
    struct cnn_yaml *copy = node_copy(s, node);
    for (size_t i = 0; copy && node->kind != CNN_YAML_SCALAR && i < node->count; i++) {
        bool list = node->kind == CNN_YAML_SEQUENCE;
        struct cnn_yaml *key = list ? NULL : node_copy(s, node->pairs[i].key);
        struct cnn_yaml *child =
            list || key ? cnn_parameters_put(s, list ? node->items[i] : node->pairs[i].value)
                        : NULL;
        if (!child)
            return NULL;
        if (!(list ? cnn_yaml_append(s->arena, copy, child)
                   : cnn_yaml_add(s->arena, copy, key, child)))
            return fail_put(s);
    }
    return copy;
}
