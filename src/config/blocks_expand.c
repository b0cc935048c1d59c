/* Expanding blocks: the layers of a description, with lists of layers in place of uses of blocks,
 * repeated groups and branches. Layers are named here, for the names within a block count from one
 * in each use and begin with the name of the use. */
#include "config/expand.h"
#include "config/parameters.h"
#include "util/text.h"

#include <string.h>

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

static bool is_consumed(const char *key)
{
    static const char *const consumed[] = {"name", "from", "if", "repeat", "branches", NULL};
    return cnn_word_among(key, consumed);
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
    return ok ? out : cnn_expand_no_memory(x);
}

/* The layer that item is; from: what it reads, or NULL. */
static struct cnn_yaml *add_layer(struct expander *x, struct scope *scope, struct item *item,
                                  struct cnn_yaml *from)
{
    if (!cnn_expand_name(x, scope, item))
        return NULL;
    if (++x->layers > CNN_YAML_MAX_LAYERS)
        return cnn_expand_stop(x, cnn_fail(x->diag, CNN_INVALID, &item->yaml->where,
                                           "more than %d layers", CNN_YAML_MAX_LAYERS));
    const char *name = cnn_arena_printf(x->arena, "%s%s", scope->prefix, item->name);
    if (!name)
        return cnn_expand_no_memory(x);
    if (!from && strcmp(x->above, x->last) != 0 &&
        !(from = cnn_expand_value_name(x, x->above, &item->yaml->where)))
        return NULL;
    struct cnn_yaml *layer = make_layer(x, item, name, from);
    if (!layer)
        return NULL;
    x->last_name = cnn_yaml_get(layer, "name");
    cnn_expand_add(x, scope, item, name);
    x->above = x->last = name;
    return layer;
}

static struct cnn_yaml *expand_layer(struct expander *x, struct scope *scope, struct item *item)
{
    struct cnn_yaml *from = item->turn > 1 ? NULL : cnn_yaml_get(item->yaml, "from");
    if (!item->word && item->yaml->kind == CNN_YAML_SCALAR)
        return item->yaml; /* nothing that could have a name */
    if (from && !(from = cnn_expand_from(x, scope, from)))
        return NULL;
    return add_layer(x, scope, item, from);
}

/* What a use of a block, or a layer with branches, reads becomes the layer above. */
static bool begin_at_from(struct expander *x, const struct scope *scope, const struct item *item)
{
    const struct cnn_yaml *from = item->turn > 1 ? NULL : cnn_yaml_get(item->yaml, "from");
    if (!from)
        return true;
    const char *value = cnn_expand_value(scope, from);
    if (value)
        x->above = value;
    else
        cnn_expand_fail_value(x, scope, from);
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
        return cnn_expand_mistake(x);
    }
    if (!begin_at_from(x, scope, item))
        return NULL;
    const char *start = x->above;
    bool ok = list && ends;
    for (size_t i = 0; ok && i < branches->count; i++) {
        x->above = start;
        struct cnn_yaml *branch = expand_list(x, scope, branches->items[i]);
        struct cnn_yaml *end = branch ? cnn_expand_value_name(x, x->above, &branches->where) : NULL;
        ok = end && cnn_yaml_append(x->arena, list, branch) && cnn_yaml_append(x->arena, ends, end);
    }
    struct cnn_yaml *joint = ok ? add_layer(x, scope, item, ends) : NULL;
    if (joint && cnn_yaml_append(x->arena, list, joint))
        return list;
    return x->status != CNN_OK ? NULL : cnn_expand_no_memory(x);
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
        return cnn_expand_no_memory(x);
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
        copy->layer = cnn_expand_value(scope, given);
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
    return value ? value : cnn_expand_no_memory(x);
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
        return cnn_expand_no_memory(x);
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
    return status == CNN_OK ? values : cnn_expand_mistake(x);
}

/* False where the block is in use already, or too deep; it was reported. */
static bool may_enter(struct expander *x, const struct scope *scope,
                      const struct cnn_definition *block, const struct item *item)
{
    const struct cnn_where *where = &item->word->where;
    for (const struct scope *s = scope; s; s = s->outer)
        if (s->block == block) {
            cnn_fail(x->diag, CNN_INVALID, where, "block '%s' uses itself", block->name);
            return cnn_expand_mistake(x);
        }
    if (scope->depth < CNN_BLOCK_MAX_DEPTH)
        return true;
    cnn_fail(x->diag, CNN_INVALID, where, "blocks use blocks to a depth of %d at most",
             CNN_BLOCK_MAX_DEPTH);
    return cnn_expand_mistake(x);
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
        return cnn_expand_stop(x, substitution.status);
    if (!body)
        return cnn_expand_mistake(x);
    inner->prefix = cnn_arena_printf(x->arena, "%s%s_", inner->outer->prefix, item->name);
    return inner->prefix ? expand_list(x, inner, body) : cnn_expand_no_memory(x);
}

/* The last layer of a use, which makes its output, is called as the use is. */
static void name_output(struct expander *x, const struct scope *scope, const struct item *item)
{
    const struct cnn_yaml *own = cnn_yaml_get(item->yaml, "name");
    const char *name = cnn_arena_printf(x->arena, "%s%s", scope->prefix, item->name);
    if (!name) {
        cnn_expand_no_memory(x);
        return;
    }
    x->above = x->last = x->last_name->text = name;
    x->last_name->where = own ? own->where : (struct cnn_where){0};
}

static struct cnn_yaml *expand_use(struct expander *x, struct scope *scope,
                                   const struct cnn_definition *block, struct item *item)
{
    struct cnn_note *used = cnn_arena_alloc(x->arena, sizeof *used);
    char *text = cnn_arena_printf(x->arena, "in block '%s', used here", block->name);
    if (!used || !text)
        return cnn_expand_no_memory(x);
    *used = (struct cnn_note){text, item->yaml->where};
    if (!may_enter(x, scope, block, item) || !cnn_expand_name(x, scope, item))
        return NULL;
    size_t before = x->layers;
    const struct cnn_yaml **values = block->wrong ? NULL : bind(x, scope, block, item, used);
    struct cnn_yaml *list = NULL;
    if (block->wrong) {
        cnn_expand_mistake(x);
    } else if (values && begin_at_from(x, scope, item)) {
        struct scope inner = {
            .block = block, .input = x->above, .outer = scope, .depth = scope->depth + 1};
        list = expand_body(x, &inner, item, values, used);
    }
    if (x->layers > before && !x->stopped && strcmp(x->above, x->last) == 0)
        name_output(x, scope, item);
    cnn_expand_add(x, scope, item, x->above);
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
    cnn_expand_mistake(x);
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
            return cnn_expand_no_memory(x);
    }
    const struct cnn_keys keys = {.table = group ? group_keys : repeat_keys, .what = what};
    cnn_status status = cnn_keys_read(x->arena, &keys, mapping, &yaml->where, out, x->diag);
    if (status != CNN_OK)
        cnn_expand_mistake(x);
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
        return cnn_expand_no_memory(x);
    if (!read_repeat(x, yaml, is_group(yaml), &settings))
        return NULL;
    for (size_t turn = 1; turn <= settings.repeat && !x->stopped; turn++) {
        size_t before = x->layers, excused = x->left_out + x->mistakes;
        struct item item = {.yaml = yaml, .word = type_of(yaml), .turn = turn};
        struct cnn_yaml *one = expand_once(x, scope, &item, settings.layers);
        if (one && !cnn_yaml_append(x->arena, list, one))
            return cnn_expand_no_memory(x);
        if (x->layers > before)
            continue;
        if (!one || x->left_out + x->mistakes > excused)
            break;
        if (settings.layers) {
            cnn_fail(x->diag, CNN_INVALID, &settings.layers->where,
                     "a repeated group has no layers to repeat");
            return cnn_expand_mistake(x);
        }
    }
    return list;
}

/* What stands in place of an entry of a list; NULL: nothing. */
static struct cnn_yaml *expand_entry(struct expander *x, struct scope *scope, struct cnn_yaml *yaml)
{
    if (++x->nodes > CNN_YAML_MAX_NODES)
        return cnn_expand_stop(x, cnn_fail(x->diag, CNN_INVALID, &yaml->where,
                                           "the blocks come to more than %d values",
                                           CNN_YAML_MAX_NODES));
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
        return cnn_expand_no_memory(x);
    if (list->kind != CNN_YAML_SEQUENCE) {
        char found[64];
        cnn_fail(x->diag, CNN_INVALID, &list->where, "`layers` wants a list of layers; found %s",
                 cnn_yaml_describe(list, found, sizeof found));
        cnn_hint(x->diag, "each layer is an item: '- {type: conv, ...}'");
        return cnn_expand_mistake(x);
    }
    for (size_t i = 0; i < list->count && !x->stopped; i++) {
        struct cnn_yaml *entry = expand_entry(x, scope, list->items[i]);
        if (!entry && !x->stopped) /* so that other entries keep their numbers */
            entry = cnn_yaml_new_sequence(x->arena, &list->items[i]->where);
        if (!x->stopped && !cnn_yaml_append(x->arena, out, entry))
            return cnn_expand_no_memory(x);
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
