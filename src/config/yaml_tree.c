/* Building YAML trees and finding keys in them. */
#include "config/yaml.h"

#include <string.h>

static struct cnn_yaml *node_new(struct cnn_arena *arena, enum cnn_yaml_kind kind,
                                 const struct cnn_where *where)
{
    struct cnn_yaml *node = cnn_arena_alloc(arena, sizeof(*node));
    if (!node)
        return NULL;
    node->kind = kind;
    if (where)
        node->where = *where;
    return node;
}

struct cnn_yaml *cnn_yaml_new_scalar(struct cnn_arena *arena, const char *text, bool quoted,
                                     const struct cnn_where *where)
{
    struct cnn_yaml *node = node_new(arena, CNN_YAML_SCALAR, where);
    if (!node || !(node->text = cnn_arena_strdup(arena, text)))
        return NULL;
    node->quoted = quoted;
    return node;
}

struct cnn_yaml *cnn_yaml_new_sequence(struct cnn_arena *arena, const struct cnn_where *where)
{
    return node_new(arena, CNN_YAML_SEQUENCE, where);
}

struct cnn_yaml *cnn_yaml_new_mapping(struct cnn_arena *arena, const struct cnn_where *where)
{
    return node_new(arena, CNN_YAML_MAPPING, where);
}

/* An array of count elements with room for one more. Arrays grow by one element at a time to the
 * powers of two, so count alone tells whether one is full. NULL when out of memory. */
static void *array_grow(struct cnn_arena *arena, void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array;
    void *grown = cnn_arena_array(arena, count ? 2 * count : 1, size);
    if (grown && count)
        memcpy(grown, array, count * size);
    return grown;
}

bool cnn_yaml_append(struct cnn_arena *arena, struct cnn_yaml *sequence, struct cnn_yaml *item)
{
    if (!item)
        return false;
    struct cnn_yaml **items = array_grow(arena, sequence->items, sequence->count, sizeof(*items));
    if (!items)
        return false;
    sequence->items = items;
    items[sequence->count++] = item;
    return true;
}

bool cnn_yaml_add(struct cnn_arena *arena, struct cnn_yaml *mapping, struct cnn_yaml *key,
                  struct cnn_yaml *value)
{
    if (!key || !value)
        return false;
    struct cnn_yaml_pair *pairs = array_grow(arena, mapping->pairs, mapping->count, sizeof(*pairs));
    if (!pairs)
        return false;
    mapping->pairs = pairs;
    pairs[mapping->count++] = (struct cnn_yaml_pair){key, value};
    return true;
}

static struct cnn_yaml_pair *pair_find(const struct cnn_yaml *mapping, const char *key)
{
    if (!mapping || mapping->kind != CNN_YAML_MAPPING)
        return NULL;
    for (size_t i = 0; i < mapping->count; i++)
        if (strcmp(mapping->pairs[i].key->text, key) == 0)
            return &mapping->pairs[i];
    return NULL;
}

bool cnn_yaml_put(struct cnn_arena *arena, struct cnn_yaml *mapping, const char *key,
                  struct cnn_yaml *value)
{
    if (!value)
        return false;
    struct cnn_yaml_pair *pair = pair_find(mapping, key);
    if (!pair)
        return cnn_yaml_add(arena, mapping, cnn_yaml_new_scalar(arena, key, false, &value->where),
                            value);
    pair->value = value;
    return true;
}

struct cnn_yaml *cnn_yaml_get(const struct cnn_yaml *mapping, const char *key)
{
    struct cnn_yaml_pair *pair = pair_find(mapping, key);
    return pair ? pair->value : NULL;
}

struct cnn_yaml *cnn_yaml_copy(struct cnn_arena *arena, const struct cnn_yaml *node)
{
    bool ok = true;
    struct cnn_yaml *copy = node_new(arena, node->kind, &node->where);
    for (size_t i = 0; copy && ok && i < node->count; i++)
        ok = node->kind == CNN_YAML_SEQUENCE
                 ? cnn_yaml_append(arena, copy, node->items[i])
                 : cnn_yaml_add(arena, copy, node->pairs[i].key, node->pairs[i].value);
    if (copy)
        copy->made = node->made;
    return ok ? copy : NULL;
}
