/* Expanding blocks: the layers of a description, with lists of layers in place of uses of blocks,
 * repeated groups and branches. Layers are named here, for the names within a block count from one
 * in each use and begin with the name of the use. */
#include "config/blocks.h"

#include "config/keys.h"
#include "config/keys_words.h"
#include "config/parameters.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct named {         /* a layer, or a use of a block */
    const char *word;  /* its type */
    const char *name;  /* within the scope */
    const char *value; /* the layer of the network that makes its output */
    struct named *next;
};

struct scope {                          /* the layers of the network, or those of one use */
    const struct cnn_definition *block; /* NULL: of the network */
    const char *prefix;                 /* what names of layers begin with: "bottleneck1_" */
    const char *input;                  /* the layer that `input` means */
    struct named *named;                /* the newest first */
    const struct scope *outer;
    size_t depth;
};

struct expander {
    struct cnn_arena *arena;
    cnn_diag *diag;
    const struct cnn_blocks *blocks;
    const char *above; /* the layer that the next one reads, by default */
    const char *last;  /* the newest layer */
    size_t layers, nodes, left_out, mistakes;
    cnn_status status;
    bool stopped; /* a limit, or out of memory */
};

struct item { /* one use of an entry of a list */
    struct cnn_yaml *yaml;
    const struct cnn_yaml *word; /* its type; NULL: it has none */
    size_t turn;                 /* from 1; 0: it is not repeated */
    const char *name;            /* within the scope */
};

struct repeat_settings {
    size_t repeat;
    const struct cnn_yaml *condition, *layers;
};

#define FIELD(member) offsetof(struct repeat_settings, member)
static const struct cnn_key repeat_keys[] = {{.name = "repeat",
                                              .kind = CNN_KEY_SIZE,
                                              .at = FIELD(repeat),
                                              .otherwise = "1",
                                              .min = 1,
                                              .max = CNN_YAML_MAX_LAYERS,
                                              .help = "how many times"},
                                             CNN_KEY_END};
static const struct cnn_key group_keys[] = {
    {.kind = CNN_KEY_TABLE, .table = repeat_keys},
    {.name = "if", .kind = CNN_KEY_NODE, .at = FIELD(condition), .otherwise = ""},
    {.name = "layers", .kind = CNN_KEY_NODE, .at = FIELD(layers), .help = "the layers to repeat"},
    CNN_KEY_END};

static struct cnn_yaml *expand_list(struct expander *x, struct scope *scope,
                                    const struct cnn_yaml *list);

static void *stop(struct expander *x, cnn_status status)
{
    x->status = status;
    x->stopped = true;
    return NULL;
}

static void *stop_memory(struct expander *x)
{
    return stop(x, cnn_fail_memory(x->diag, 0, "the blocks"));
}

static void *note_mistake(struct expander *x)
{
    x->status = CNN_INVALID;
    x->mistakes++;
    return NULL;
}

static const struct cnn_yaml *type_of(const struct cnn_yaml *yaml)
{
    const struct cnn_yaml *word =
        yaml->kind == CNN_YAML_MAPPING ? cnn_yaml_get(yaml, "type") : yaml;
    return word && word->kind == CNN_YAML_SCALAR && !cnn_yaml_is_null(word) ? word : NULL;
}

static bool is_group(const struct cnn_yaml *yaml)
{
    return !cnn_yaml_get(yaml, "type") &&
           (cnn_yaml_get(yaml, "layers") || cnn_yaml_get(yaml, "repeat"));
}

static const struct cnn_definition *find_block(const struct expander *x, const char *word)
{
    for (size_t i = 0; i < x->blocks->count; i++)
        if (strcmp(x->blocks->definitions[i].name, word) == 0)
            return &x->blocks->definitions[i];
    return NULL;
}

static const struct named *find_name(const struct scope *scope, const char *name)
{
    for (const struct named *n = scope->named; n; n = n->next)
        if (strcmp(n->name, name) == 0)
            return n;
    return NULL;
}

static void add_name(struct expander *x, struct scope *scope, const struct item *item,
                     const char *value)
{
    struct named *named = cnn_arena_alloc(x->arena, sizeof *named);
    if (!named) {
        stop_memory(x);
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
    return note_mistake(x);
}

/* The item's name within the scope: its own, with the turn where it is repeated, or its type and
 * its number among those there. False when out of memory. */
static bool name_item(struct expander *x, const struct scope *scope, struct item *item)
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
        stop_memory(x);
    return item->name;
}

/* The layer of the network that node, part of a `from`, names; NULL: there is none above. */
static const char *find_value(const struct scope *scope, const struct cnn_yaml *node)
{
    if (node->kind != CNN_YAML_SCALAR || cnn_yaml_is_null(node))
        return NULL;
    if (node->given)
        return node->layer;
    if (strcmp(node->text, "input") == 0)
        return scope->input;
    const struct named *named = find_name(scope, node->text);
    return named ? named->value : NULL;
}

/* Reports that node, part of a `from`, names nothing above it. */
static void fail_value(struct expander *x, const struct scope *scope, const struct cnn_yaml *node)
{
    const char *names[CNN_KEY_WORDS];
    size_t count = 0;
    note_mistake(x);
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

/* A name of a layer of the network. */
static struct cnn_yaml *value_name(struct expander *x, const char *value,
                                   const struct cnn_where *where)
{
    struct cnn_yaml *name = cnn_yaml_new_scalar(x->arena, value, false, where);
    return name ? name : stop_memory(x);
}

static struct cnn_yaml *resolve_one(struct expander *x, const struct scope *scope,
                                    struct cnn_yaml *node)
{
    const char *value = find_value(scope, node);
    if (!value && scope->block)
        fail_value(x, scope, node);
    bool same = !value || strcmp(value, node->text) == 0;
    return same ? node : value_name(x, value, &node->where);
}

/* What `from` of a layer names, as names of the network's layers. What the network itself does not
 * have is left for the builder of the graph to tell, which knows what comes later. */
static struct cnn_yaml *resolve_from(struct expander *x, const struct scope *scope,
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
    return list || x->stopped ? list : stop_memory(x);
}

static bool is_consumed(const char *key)
{
    static const char *const consumed[] = {"name", "from", "if", "repeat", "branches"};
    for (size_t i = 0; i < sizeof consumed / sizeof *consumed; i++)
        if (strcmp(key, consumed[i]) == 0)
            return true;
    return false;
}

/* The mapping of a layer: type and settings of the item, its name, and `from` unless NULL. */
static struct cnn_yaml *make_layer(struct expander *x, const struct item *item, const char *name,
                                   struct cnn_yaml *from)
{
    const struct cnn_yaml *yaml = item->yaml, *own = cnn_yaml_get(yaml, "name");
    struct cnn_yaml *out = cnn_yaml_new_mapping(x->arena, &yaml->where),
                    *word = cnn_yaml_new_scalar(x->arena, name, false, own ? &own->where : NULL);
    bool ok = out && word;
    if (ok && yaml->kind == CNN_YAML_SCALAR)
        ok = cnn_yaml_put(x->arena, out, "type",
                          cnn_yaml_new_scalar(x->arena, yaml->text, yaml->quoted, &yaml->where));
    for (size_t i = 0; ok && yaml->kind == CNN_YAML_MAPPING && i < yaml->count; i++)
        if (!is_consumed(yaml->pairs[i].key->text))
            ok = cnn_yaml_add(x->arena, out, yaml->pairs[i].key, yaml->pairs[i].value);
    ok = ok && cnn_yaml_put(x->arena, out, "name", word) &&
         (!from || cnn_yaml_put(x->arena, out, "from", from));
    return ok ? out : stop_memory(x);
}

/* The layer that item is; from: what it reads, or NULL. */
static struct cnn_yaml *add_layer(struct expander *x, struct scope *scope, struct item *item,
                                  struct cnn_yaml *from)
{
    if (!name_item(x, scope, item))
        return NULL;
    if (++x->layers > CNN_YAML_MAX_LAYERS)
        return stop(x, cnn_fail(x->diag, CNN_INVALID, &item->yaml->where, "more than %d layers",
                                CNN_YAML_MAX_LAYERS));
    const char *name = cnn_arena_printf(x->arena, "%s%s", scope->prefix, item->name);
    if (!name)
        return stop_memory(x);
    if (!from && strcmp(x->above, x->last) != 0 &&
        !(from = value_name(x, x->above, &item->yaml->where)))
        return NULL;
    struct cnn_yaml *layer = make_layer(x, item, name, from);
    add_name(x, scope, item, name);
    x->above = x->last = name;
    return layer;
}

static struct cnn_yaml *expand_layer(struct expander *x, struct scope *scope, struct item *item)
{
    struct cnn_yaml *from = item->turn > 1 ? NULL : cnn_yaml_get(item->yaml, "from");
    if (!item->word && item->yaml->kind == CNN_YAML_SCALAR)
        return item->yaml; /* nothing that could have a name */
    if (from && !(from = resolve_from(x, scope, from)))
        return NULL;
    return add_layer(x, scope, item, from);
}

/* What a use of a block, or a layer with branches, reads becomes the layer above. */
static bool begin_at_from(struct expander *x, const struct scope *scope, const struct item *item)
{
    const struct cnn_yaml *from = item->turn > 1 ? NULL : cnn_yaml_get(item->yaml, "from");
    if (!from)
        return true;
    const char *value = find_value(scope, from);
    if (value)
        x->above = value;
    else
        fail_value(x, scope, from);
    return value;
}

/* A layer that joins branches: each is a list of layers, and its first one reads what the layer
 * would read. */
static struct cnn_yaml *expand_branches(struct expander *x, struct scope *scope, struct item *item)
{
    const struct cnn_yaml *branches = cnn_yaml_get(item->yaml, "branches");
    struct cnn_yaml *list = cnn_yaml_new_sequence(x->arena, &item->yaml->where),
                    *ends = cnn_yaml_new_sequence(x->arena, &branches->where);
    bool right = branches->kind == CNN_YAML_SEQUENCE && branches->count > 0;
    for (size_t i = 0; right && i < branches->count; i++)
        right = branches->items[i]->kind == CNN_YAML_SEQUENCE;
    if (!right) {
        cnn_fail(x->diag, CNN_INVALID, &branches->where,
                 "`branches` wants a list of branches, each a list of layers");
        cnn_hint(x->diag, "for example branches: [[{type: conv, ...}], []]; an empty list is what "
                          "the branches read, unchanged");
        return note_mistake(x);
    }
    if (!begin_at_from(x, scope, item))
        return NULL;
    const char *start = x->above;
    bool ok = list && ends;
    for (size_t i = 0; ok && i < branches->count; i++) {
        x->above = start;
        struct cnn_yaml *branch = expand_list(x, scope, branches->items[i]);
        struct cnn_yaml *end = branch ? value_name(x, x->above, &branches->where) : NULL;
        ok = end && cnn_yaml_append(x->arena, list, branch) && cnn_yaml_append(x->arena, ends, end);
    }
    struct cnn_yaml *joint = ok ? add_layer(x, scope, item, ends) : NULL;
    if (joint && cnn_yaml_append(x->arena, list, joint))
        return list;
    return x->status != CNN_OK ? NULL : stop_memory(x);
}

/* The use as its keys are read: with a note of where the block is defined. NULL for a bare word. */
static struct cnn_yaml *use_with_note(struct expander *x, const struct cnn_yaml *use,
                                      const struct cnn_note *defined)
{
    struct cnn_yaml *copy = cnn_yaml_new_mapping(x->arena, &use->where);
    bool ok = copy;
    for (size_t i = 0; ok && use->kind == CNN_YAML_MAPPING && i < use->count; i++) {
        const struct cnn_yaml_pair *pair = &use->pairs[i];
        struct cnn_yaml *key =
            cnn_yaml_new_scalar(x->arena, pair->key->text, pair->key->quoted, &pair->key->where);
        ok = key && cnn_yaml_add(x->arena, copy, key, pair->value);
        if (ok)
            key->where.note = defined;
    }
    if (!ok)
        return stop_memory(x);
    copy->where.note = defined;
    return copy;
}

/* A copy of a value that a use gives, which knows what it means there as the name of a layer:
 * layers of the block may be called alike. NULL when out of memory. */
static struct cnn_yaml *bind_given(struct expander *x, const struct scope *scope,
                                   const struct cnn_yaml *given)
{
    if (given->kind == CNN_YAML_SEQUENCE) {
        struct cnn_yaml *list = cnn_yaml_new_sequence(x->arena, &given->where);
        for (size_t i = 0; list && i < given->count; i++)
            if (!cnn_yaml_append(x->arena, list, bind_given(x, scope, given->items[i])))
                return NULL;
        return list;
    }
    struct cnn_yaml *copy =
        cnn_yaml_new_scalar(x->arena, given->text, given->quoted, &given->where);
    if (copy) {
        copy->layer = find_value(scope, given);
        copy->given = true;
    }
    return copy;
}

/* The value of a parameter: what the use gives, or the default. */
static const struct cnn_yaml *bind_value(struct expander *x, const struct scope *scope,
                                         const struct cnn_parameter *parameter,
                                         const struct cnn_yaml *given, const struct cnn_note *used)
{
    struct cnn_yaml *value =
        given ? bind_given(x, scope, given) : cnn_arena_alloc(x->arena, sizeof *value);
    if (value && !given) {
        *value = *parameter->otherwise;
        value->where.note = used;
    }
    return value ? value : stop_memory(x);
}

/* The values of the block's parameters in a use of it, or NULL. */
static const struct cnn_yaml **bind(struct expander *x, const struct scope *scope,
                                    const struct cnn_definition *block, const struct item *item,
                                    const struct cnn_note *used)
{
    static const struct cnn_key keys_of_uses[] = {{.name = "type"}, {.name = "name"},
                                                  {.name = "from"}, {.name = "repeat"},
                                                  {.name = "if"},   CNN_KEY_END};
    struct cnn_note *defined = cnn_arena_alloc(x->arena, sizeof *defined);
    const struct cnn_yaml **values = cnn_arena_array(x->arena, block->count + 1, sizeof *values);
    const char *what = cnn_arena_printf(x->arena, "block '%s'", block->name);
    if (!defined || !values || !what)
        return stop_memory(x);
    *defined = (struct cnn_note){"the block is defined here", block->where};
    defined->where.note = item->yaml->where.note;
    struct cnn_yaml *use = use_with_note(x, item->yaml, defined);
    if (!use)
        return NULL;
    const struct cnn_keys keys = {.table = block->keys, .also = keys_of_uses, .what = what};
    cnn_status status = cnn_keys_read(x->arena, &keys, use, &use->where, values, x->diag);
    for (size_t i = 0; status == CNN_OK && i < block->count; i++) {
        if (values[i])
            status = cnn_block_check_value(block, block->parameters[i].name, values[i], x->diag);
        if (status == CNN_OK &&
            !(values[i] = bind_value(x, scope, &block->parameters[i], values[i], used)))
            return NULL;
    }
    return status == CNN_OK ? values : note_mistake(x);
}

/* False where the block is in use already, or too deep; it was reported. */
static bool may_enter(struct expander *x, const struct scope *scope,
                      const struct cnn_definition *block, const struct item *item)
{
    const struct cnn_where *where = &item->word->where;
    for (const struct scope *s = scope; s; s = s->outer)
        if (s->block == block) {
            cnn_fail(x->diag, CNN_INVALID, where, "block '%s' uses itself", block->name);
            return note_mistake(x);
        }
    if (scope->depth < CNN_BLOCK_MAX_DEPTH)
        return true;
    cnn_fail(x->diag, CNN_INVALID, where, "blocks use blocks to a depth of %d at most",
             CNN_BLOCK_MAX_DEPTH);
    return note_mistake(x);
}

/* The layers of the block in the use that item is, in a scope of their own. */
static struct cnn_yaml *expand_body(struct expander *x, struct scope *inner,
                                    const struct item *item, const struct cnn_yaml *const *values,
                                    const struct cnn_note *used)
{
    struct cnn_substitution substitution = {.arena = x->arena,
                                            .diag = x->diag,
                                            .block = inner->block,
                                            .values = values,
                                            .note = used,
                                            .nodes = &x->nodes,
                                            .most = CNN_YAML_MAX_NODES};
    struct cnn_yaml *body = cnn_parameters_put(&substitution, inner->block->layers);
    if (!body && (substitution.status != CNN_INVALID || x->nodes > CNN_YAML_MAX_NODES))
        return stop(x, substitution.status);
    if (!body)
        return note_mistake(x);
    inner->prefix = cnn_arena_printf(x->arena, "%s%s_", inner->outer->prefix, item->name);
    return inner->prefix ? expand_list(x, inner, body) : stop_memory(x);
}

static struct cnn_yaml *expand_use(struct expander *x, struct scope *scope,
                                   const struct cnn_definition *block, struct item *item)
{
    struct cnn_note *used = cnn_arena_alloc(x->arena, sizeof *used);
    char *text = cnn_arena_printf(x->arena, "in block '%s', used here", block->name);
    if (!used || !text)
        return stop_memory(x);
    *used = (struct cnn_note){text, item->yaml->where};
    if (!may_enter(x, scope, block, item) || !name_item(x, scope, item))
        return NULL;
    const struct cnn_yaml **values = block->wrong ? NULL : bind(x, scope, block, item, used);
    struct cnn_yaml *list = NULL;
    if (block->wrong) {
        note_mistake(x);
    } else if (values && begin_at_from(x, scope, item)) {
        struct scope inner = {
            .block = block, .input = x->above, .outer = scope, .depth = scope->depth + 1};
        list = expand_body(x, &inner, item, values, used);
    }
    if (find_name(scope, item->name)) {
        cnn_fail(x->diag, CNN_INVALID, &item->yaml->where, "there is a layer '%s' already",
                 item->name);
        return note_mistake(x);
    }
    add_name(x, scope, item, x->above);
    return list;
}

/* Whether an entry is there: `if`, where it is given, is neither false nor 0. */
static bool is_wanted(struct expander *x, const struct cnn_yaml *yaml)
{
    const struct cnn_yaml *condition = cnn_yaml_get(yaml, "if");
    bool wanted = true;
    double number;
    char found[64];
    if (!condition || cnn_yaml_as_bool(condition, &wanted))
        return wanted;
    if (cnn_yaml_as_number(condition, &number))
        return number < 0 || number > 0;
    cnn_fail(x->diag, CNN_INVALID, &condition->where,
             "`if` wants true, false or a number, of which 0 is false; found %s",
             cnn_yaml_describe(condition, found, sizeof found));
    note_mistake(x);
    return false;
}

/* Reads `repeat`, and for a group the rest of its keys. False: it was reported. */
static bool read_repeat(struct expander *x, struct cnn_yaml *yaml, bool group,
                        struct repeat_settings *out)
{
    struct cnn_yaml *mapping = yaml;
    const struct cnn_yaml *word = type_of(yaml);
    const char *what = "a group of layers";
    if (!group) { /* other keys are read by others */
        what = cnn_arena_printf(x->arena, "layer '%s'", word ? word->text : "");
        mapping = cnn_yaml_new_mapping(x->arena, &yaml->where);
        if (!what || !mapping ||
            !cnn_yaml_put(x->arena, mapping, "repeat", cnn_yaml_get(yaml, "repeat")))
            return stop_memory(x);
    }
    const struct cnn_keys keys = {.table = group ? group_keys : repeat_keys, .what = what};
    cnn_status status = cnn_keys_read(x->arena, &keys, mapping, &yaml->where, out, x->diag);
    if (status != CNN_OK)
        note_mistake(x);
    return status == CNN_OK;
}

static struct cnn_yaml *expand_once(struct expander *x, struct scope *scope, struct item *item,
                                    const struct cnn_yaml *group)
{
    const struct cnn_definition *block = item->word ? find_block(x, item->word->text) : NULL;
    return group                                  ? expand_list(x, scope, group)
           : block                                ? expand_use(x, scope, block, item)
           : cnn_yaml_get(item->yaml, "branches") ? expand_branches(x, scope, item)
                                                  : expand_layer(x, scope, item);
}

static struct cnn_yaml *expand_repeated(struct expander *x, struct scope *scope,
                                        struct cnn_yaml *yaml)
{
    struct repeat_settings settings = {0};
    struct cnn_yaml *list = cnn_yaml_new_sequence(x->arena, &yaml->where);
    if (!list)
        return stop_memory(x);
    if (!read_repeat(x, yaml, is_group(yaml), &settings))
        return NULL;
    for (size_t turn = 1; turn <= settings.repeat && !x->stopped; turn++) {
        size_t before = x->layers, excused = x->left_out + x->mistakes;
        struct item item = {.yaml = yaml, .word = type_of(yaml), .turn = turn};
        struct cnn_yaml *one = expand_once(x, scope, &item, settings.layers);
        if (one && !cnn_yaml_append(x->arena, list, one))
            return stop_memory(x);
        if (x->layers > before)
            continue;
        if (!one || x->left_out + x->mistakes > excused)
            break;
        if (settings.layers) {
            cnn_fail(x->diag, CNN_INVALID, &settings.layers->where,
                     "a repeated group has no layers to repeat");
            return note_mistake(x);
        }
    }
    return list;
}

/* What stands in place of an entry of a list; NULL: nothing. */
static struct cnn_yaml *expand_entry(struct expander *x, struct scope *scope, struct cnn_yaml *yaml)
{
    if (++x->nodes > CNN_YAML_MAX_NODES)
        return stop(x, cnn_fail(x->diag, CNN_INVALID, &yaml->where,
                                "the blocks come to more than %d values", CNN_YAML_MAX_NODES));
    if (yaml->kind == CNN_YAML_SEQUENCE)
        return expand_list(x, scope, yaml);
    if (!is_wanted(x, yaml)) {
        x->left_out++;
        return NULL;
    }
    if (is_group(yaml) || cnn_yaml_get(yaml, "repeat"))
        return expand_repeated(x, scope, yaml);
    struct item item = {.yaml = yaml, .word = type_of(yaml)};
    return expand_once(x, scope, &item, NULL);
}

static struct cnn_yaml *expand_list(struct expander *x, struct scope *scope,
                                    const struct cnn_yaml *list)
{
    struct cnn_yaml *out = cnn_yaml_new_sequence(x->arena, &list->where);
    if (!out)
        return stop_memory(x);
    if (list->kind != CNN_YAML_SEQUENCE) {
        char found[64];
        cnn_fail(x->diag, CNN_INVALID, &list->where, "`layers` wants a list of layers; found %s",
                 cnn_yaml_describe(list, found, sizeof found));
        cnn_hint(x->diag, "each layer is an item: '- {type: conv, ...}'");
        return note_mistake(x);
    }
    for (size_t i = 0; i < list->count && !x->stopped; i++) {
        struct cnn_yaml *entry = expand_entry(x, scope, list->items[i]);
        if (entry && !cnn_yaml_append(x->arena, out, entry))
            return stop_memory(x);
    }
    return out;
}

cnn_status cnn_blocks_expand(struct cnn_arena *arena, const struct cnn_blocks *blocks,
                             const struct cnn_yaml *layers, struct cnn_yaml **out, cnn_diag *diag)
{
    struct expander x = {
        .arena = arena, .diag = diag, .blocks = blocks, .above = "input", .last = "input"};
    struct scope network = {.prefix = "", .input = "input"};
    cnn_status status = cnn_parameters_check(NULL, layers, diag);
    if (status != CNN_OK)
        return status;
    *out = expand_list(&x, &network, layers);
    if (x.status == CNN_OK && x.layers == 0)
        return cnn_fail(diag, CNN_INVALID, &layers->where,
                        "`layers` is empty: a network has at least one layer");
    return x.status;
}
