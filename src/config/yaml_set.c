/* Changes to a description from the command line: KEY=VALUE, a path and a YAML value. Nodes on the
 * path are copied before they change, for aliases may share them. */
#include "config/yaml_layers.h"

#include "config/yaml_syntax.h"

#include <string.h>

/* One word of the path. */
struct segment {
    const char *text;
    size_t start; /* in the assignment, in bytes */
    struct cnn_where where;
};

struct setting {
    struct cnn_arena *arena;
    struct cnn_source source; /* the assignment */
    struct segment path[CNN_YAML_MAX_DEPTH];
    size_t count;
    struct cnn_yaml *value;
    const struct cnn_yaml *root;
    cnn_diag *diag;
};

static cnn_status no_memory(const struct setting *setting)
{
    return cnn_fail_memory(setting->diag, setting->source.size, "a setting");
}

/* The path before segment, for messages: 'train.optimizer'. */
static const char *parent_name(const struct setting *setting, const struct segment *segment,
                               char *buffer, size_t size)
{
    if (segment->start == 0)
        return cnn_word_cut("the description", buffer, size);
    const char *name =
        cnn_arena_printf(setting->arena, "'%.*s'", (int)segment->start - 1, setting->source.text);
    return cnn_word_cut(name ? name : "the value", buffer, size);
}

/* What stands in node's place so that segment can be set in it: a mapping or a list of its own.
 * node may be NULL: nothing stands there. */
static cnn_status container_make(const struct setting *setting, const struct segment *segment,
                                 const struct cnn_yaml *node, struct cnn_yaml **out)
{
    char name[80], found[80];
    bool truth, ok = true;
    double number;
    if (node && (cnn_yaml_as_bool(node, &truth) || cnn_yaml_as_number(node, &number)))
        return cnn_fail(setting->diag, CNN_INVALID, &segment->where, "%s is %s and has no key '%s'",
                        parent_name(setting, segment, name, sizeof(name)),
                        cnn_yaml_describe(node, found, sizeof(found)), segment->text);
    if (node && node->kind != CNN_YAML_SCALAR) {
        *out = cnn_yaml_copy(setting->arena, node);
        return *out ? CNN_OK : no_memory(setting);
    }
    *out = cnn_yaml_new_mapping(setting->arena, node ? &node->where : &segment->where);
    if (*out)
        (*out)->made = !node;
    if (*out && node && !cnn_yaml_is_null(node))
        ok = cnn_yaml_put(
            setting->arena, *out, "type",
            cnn_yaml_new_scalar(setting->arena, node->text, node->quoted, &node->where));
    return *out && ok ? CNN_OK : no_memory(setting);
}

static bool index_parse(const char *text, size_t *out)
{
    size_t index = 0;
    if (!*text || text[strspn(text, "0123456789")])
        return false;
    for (; *text; text++)
        if (!cnn_size_mul(index, 10, &index) || !cnn_size_add(index, (size_t)(*text - '0'), &index))
            index = (size_t)-1;
    *out = index;
    return true;
}

static cnn_status item_find(const struct setting *setting, const struct segment *segment,
                            struct cnn_yaml *sequence, struct cnn_yaml ***out)
{
    size_t index;
    char name[80];
    if (index_parse(segment->text, &index)) {
        if (index < sequence->count) {
            *out = &sequence->items[index];
            return CNN_OK;
        }
        cnn_fail(setting->diag, CNN_INVALID, &segment->where, "%s has no item %s: it has %zu",
                 parent_name(setting, segment, name, sizeof(name)), segment->text, sequence->count);
        cnn_hint(setting->diag, "items count from 0");
        return CNN_INVALID;
    }
    const char *key = setting->count > 2 ? setting->path[2].text : NULL;
    if (segment == &setting->path[1] && strcmp(setting->path[0].text, "layers") == 0)
        return cnn_yaml_find_layer(setting->arena, cnn_yaml_get(setting->root, "blocks"), sequence,
                                   &(struct cnn_layer_name){segment->text, segment->where, key},
                                   out, setting->diag);
    for (size_t i = 0; i < sequence->count; i++) {
        const struct cnn_yaml *own = cnn_yaml_get(sequence->items[i], "name");
        if (own && own->kind == CNN_YAML_SCALAR && strcmp(own->text, segment->text) == 0) {
            *out = &sequence->items[i];
            return CNN_OK;
        }
    }
    cnn_fail(setting->diag, CNN_INVALID, &segment->where,
             "%s is a list, and none of its items has the name '%s'",
             parent_name(setting, segment, name, sizeof(name)), segment->text);
    /* one --set before this has written the block out */
    const bool block = segment == &setting->path[2] && strcmp(setting->path[0].text, "layers") == 0;
    cnn_hint(
        setting->diag,
        block ? "the parameters of a block are set before its layers, earlier on the command line"
              : "use the item's number, from 0, or give it that name in the description");
    return CNN_INVALID;
}

static struct cnn_yaml **value_find(const struct cnn_yaml *mapping, const char *key)
{
    for (size_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->pairs[i].key->text, key) == 0)
            return &mapping->pairs[i].value;
    return NULL;
}

static cnn_status path_apply(const struct setting *setting, struct cnn_yaml *node)
{
    for (size_t i = 0; i < setting->count; i++) {
        const struct segment *segment = &setting->path[i];
        struct cnn_yaml **slot = NULL, *child = setting->value;
        cnn_status status = CNN_OK;
        if (node->kind == CNN_YAML_SEQUENCE)
            status = item_find(setting, segment, node, &slot);
        else
            slot = value_find(node, segment->text);
        if (!status && i + 1 < setting->count)
            status = container_make(setting, &setting->path[i + 1], slot ? *slot : NULL, &child);
        if (status)
            return status;
        if (slot)
            *slot = child;
        else if (!cnn_yaml_add(
                     setting->arena, node,
                     cnn_yaml_new_scalar(setting->arena, segment->text, false, &segment->where),
                     child))
            return no_memory(setting);
        node = child;
    }
    return CNN_OK;
}

/* Splits the size bytes in front of the '=' at their dots. */
static cnn_status path_split(struct setting *setting, size_t size)
{
    struct cnn_where where = {.source = &setting->source, .line = 1, .column = 1};
    const char *text = setting->source.text;
    for (size_t start = 0; start <= size;) {
        size_t length = strcspn(text + start, ".=");
        if (length == 0) {
            cnn_fail(setting->diag, CNN_INVALID, &where, "a key is missing here");
            cnn_hint(setting->diag, "write KEY=VALUE, for example train.epochs=5");
            return CNN_INVALID;
        }
        if (setting->count == CNN_YAML_MAX_DEPTH)
            return cnn_fail(setting->diag, CNN_INVALID, &where, "a path has at most %d keys",
                            CNN_YAML_MAX_DEPTH);
        const char *word = cnn_arena_strndup(setting->arena, text + start, length);
        if (!word)
            return no_memory(setting);
        setting->path[setting->count++] = (struct segment){word, start, where};
        for (size_t i = start; i < start + length; i++)
            where.column += ((unsigned char)text[i] & 0xC0) != 0x80;
        where.column++;
        start += length + 1;
    }
    return CNN_OK;
}

static cnn_status assignment_check(const struct setting *setting, const struct cnn_yaml *root,
                                   const char *equals)
{
    struct cnn_where where = {.source = &setting->source, .line = 1, .column = 0};
    char word[64];
    if (root->kind != CNN_YAML_MAPPING)
        return cnn_fail(setting->diag, CNN_INVALID, &root->where,
                        "a description is a mapping; found %s",
                        cnn_yaml_describe(root, word, sizeof(word)));
    if (setting->source.size > CNN_YAML_MAX_BYTES)
        return cnn_fail(setting->diag, CNN_INVALID, NULL, "a setting has at most %u bytes",
                        CNN_YAML_MAX_BYTES);
    if (equals && equals[1 + strspn(equals + 1, " ")])
        return CNN_OK;
    if (equals)
        cnn_fail(setting->diag, CNN_INVALID, &where, "there is no value behind the '='");
    else
        cnn_fail(setting->diag, CNN_INVALID, &where, "there is no '=' in it");
    cnn_hint(setting->diag, "write KEY=VALUE, for example train.epochs=5");
    return CNN_INVALID;
}

cnn_status cnn_yaml_set(struct cnn_arena *arena, struct cnn_yaml *root, const char *assignment,
                        cnn_diag *diag)
{
    size_t size = strlen(assignment);
    const char *text = cnn_arena_strndup(arena, assignment, size);
    struct setting *setting = cnn_arena_alloc(arena, sizeof(*setting));
    if (!setting || !text)
        return cnn_fail_memory(diag, size, "a setting");
    setting->arena = arena;
    setting->root = root;
    setting->source = (struct cnn_source){"--set", text, size};
    setting->diag = diag;
    const char *equals = strchr(text, '=');
    cnn_status status = cnn_yaml_check_characters(
        &setting->source, equals ? (size_t)(equals - text) + 1 : size, diag);
    if (!status)
        status = assignment_check(setting, root, equals);
    if (!status)
        status = path_split(setting, (size_t)(equals - text));
    if (!status)
        status = cnn_yaml_parse_part(arena, &setting->source, (size_t)(equals - text) + 1,
                                     &setting->value, diag);
    return status ? status : path_apply(setting, root);
}
