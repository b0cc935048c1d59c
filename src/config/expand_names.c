/* Names in the scopes of blocks: layers and uses are numbered in each use of a block by itself, and
 * `from` is looked up there. */
#include "config/expand.h"

#include "config/keys_words.h"

#include <ctype.h>
#include <string.h>

void *cnn_expand_stop(struct expander *x, cnn_status status)
{
    x->status = status;
    x->stopped = true;
    return NULL;
}

void *cnn_expand_no_memory(struct expander *x)
{
    return cnn_expand_stop(x, cnn_fail_memory(x->diag, 0, "the blocks"));
}

void *cnn_expand_mistake(struct expander *x)
{
    x->status = CNN_INVALID;
    x->mistakes++;
    return NULL;
}

const struct named *cnn_expand_find(const struct scope *scope, const char *name)
{
    for (const struct named *n = scope->named; n; n = n->next)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

void cnn_expand_add(struct expander *x, struct scope *scope, const struct item *item,
                    const char *value)
{
    struct named *named = cnn_arena_alloc(x->arena, sizeof *named);
    if (!named) {
        cnn_expand_no_memory(x);
        return;
    }
    *named = (struct named){item->word ? item->word->text : "", item->name, value, scope->named};
    scope->named = named;
}

static bool name_is_legal(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-')
            return false;
    return *name && strcmp(name, "input") != 0;
}

/* The item's own name, where it is one. */
static const struct cnn_yaml *own_name(struct expander *x, const struct item *item)
{
    const struct cnn_yaml *own = cnn_yaml_get(item->yaml, "name");
    char found[64];
    if (!own || (own->kind == CNN_YAML_SCALAR && name_is_legal(own->text)))
        return own;
    cnn_fail(x->diag, CNN_INVALID, &own->where,
             "a layer's name is made of letters, digits, _ and -, and is not `input`; found %s",
             cnn_yaml_describe(own, found, sizeof found));
    return cnn_expand_mistake(x);
}

bool cnn_expand_name(struct expander *x, const struct scope *scope, struct item *item)
{
    const struct cnn_yaml *own = own_name(x, item);
    const char *word = item->word ? item->word->text : "";
    size_t number = 1;
    for (const struct named *n = scope->named; !own && n; n = n->next)
        number += strcmp(n->word, word) == 0;
    item->name = !own         ? cnn_arena_printf(x->arena, "%s%zu", word, number)
                 : item->turn ? cnn_arena_printf(x->arena, "%s_%zu", own->text, item->turn)
                              : own->text;
    if (!item->name)
        cnn_expand_no_memory(x);
    return item->name;
}

const char *cnn_expand_value(const struct scope *scope, const struct cnn_yaml *node)
{
    if (node->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(node))
        return NULL;
    if (node->given)
        return node->layer;
    if (strcmp(node->text, "input") == 0)
        return scope->input;
    const struct named *named = cnn_expand_find(scope, node->text);
    return named ? named->value : NULL;
}

void cnn_expand_fail_value(struct expander *x, const struct scope *scope,
                           const struct cnn_yaml *node)
{
    const char *names[CNN_KEY_WORDS];
    size_t count = 0;
    cnn_expand_mistake(x);
    if (node->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(node)) {
        char found[64];
        cnn_fail(x->diag, CNN_INVALID, &node->where, "`from` wants one layer's name here; found %s",
                 cnn_yaml_describe(node, found, sizeof found));
        return;
    }
    const char *where =
        scope->block ? cnn_arena_printf(x->arena, " in block '%s'", scope->block->name) : "";
    cnn_fail(x->diag, CNN_INVALID, &node->where,
             "`from` names '%s', but no layer above%s has that name", node->text,
             where && !node->given ? where : "");
    if (node->given)
        return; /* the names that it could have are those of another scope */
    names[count++] = "input";
    for (const struct named *n = scope->named; n && count < CNN_KEY_WORDS; n = n->next)
        names[count++] = n->name;
    const char *near = cnn_nearest_word(node->text, names, count);
    if (near)
        cnn_hint(x->diag, "did you mean '%s'?", near);
    else if (scope->block)
        cnn_hint(x->diag, "a block reads layers of its own and `input`, which is what it is used "
                          "on; the name of another layer can be the value of a parameter");
}

struct cnn_yaml *cnn_expand_value_name(struct expander *x, const char *value,
                                       const struct cnn_where *where)
{
    struct cnn_yaml *name = cnn_yaml_new_scalar(x->arena, value, false, where);
    return name ? name : cnn_expand_no_memory(x);
}

static struct cnn_yaml *resolve_one(struct expander *x, const struct scope *scope,
                                    struct cnn_yaml *node)
{
    const char *value = cnn_expand_value(scope, node);
    if (!value && scope->block)
        cnn_expand_fail_value(x, scope, node);
    bool same = !value || strcmp(value, node->text) == 0;
    return same ? node : cnn_expand_value_name(x, value, &node->where);
}

struct cnn_yaml *cnn_expand_from(struct expander *x, const struct scope *scope,
                                 struct cnn_yaml *from)
{
    if (from->kind != CNN_YAML_SEQUENCE)
        return resolve_one(x, scope, from);
    struct cnn_yaml *list = cnn_yaml_new_sequence(x->arena, &from->where);
    for (size_t i = 0; list && i < from->count; i++) {
        struct cnn_yaml *one = resolve_one(x, scope, from->items[i]);
        if (!one || !cnn_yaml_append(x->arena, list, one))
            list = NULL;
    }
    return list || x->stopped ? list : cnn_expand_no_memory(x);
}
