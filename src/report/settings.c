/* Comparing descriptions: each is flattened into (key path, value) pairs; sorted by path, those of
 * one key stand together. */
#include "report/settings.h"

#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"

struct setting {
    const char *path, *value;
    const struct cnn_yaml *node; /* of value */
    size_t root, order;          /* which description, and where in it */
};

struct settings {
    struct cnn_arena *arena;
    struct setting *items; /* cnn_malloc'ed */
    size_t count, capacity;
    size_t root, order; /* of the next */
};

/* Whether node is shown as one value: a scalar, or a list of such, or what is empty. */
static bool is_value(const struct cnn_yaml *node)
{
    if (node->kind == CNN_YAML_SCALAR || node->count == 0)
        return true;
    if (node->kind == CNN_YAML_MAPPING)
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (!is_value(node->items[i]))
            return false;
    return true;
}

static void write_value(const struct cnn_yaml *node, struct cnn_text *out)
{
    if (node->kind == CNN_YAML_SCALAR)
        cnn_text_printf(out, "%s", node->text);
    else if (node->kind == CNN_YAML_MAPPING)
        cnn_text_printf(out, "{}");
    else {
        cnn_text_printf(out, "[");
        for (size_t i = 0; i < node->count; i++) {
            cnn_text_printf(out, "%s", i > 0 ? ", " : "");
            write_value(node->items[i], out);
        }
        cnn_text_printf(out, "]");
    }
}

static bool add_value(struct settings *list, const char *path, const struct cnn_yaml *node)
{
    struct cnn_text text = {0};
    if (list->count == list->capacity) {
        size_t capacity = list->capacity ? 2 * list->capacity : 64, bytes;
        struct setting *items =
            cnn_size_mul(capacity, sizeof *items, &bytes) ? cnn_realloc(list->items, bytes) : NULL;
        if (!items)
            return false;
        list->items = items;
        list->capacity = capacity;
    }
    write_value(node, &text);
    const char *value = text.failed ? NULL : cnn_arena_strdup(list->arena, text.data);
    cnn_text_free(&text);
    list->items[list->count++] = (struct setting){path, value, node, list->root, list->order++};
    return value != NULL;
}

/* What an item of a list is called: its name, else its index. */
static const char *item_path(struct settings *list, const char *path, const struct cnn_yaml *item,
                             size_t i)
{
    const struct cnn_yaml *name = cnn_yaml_get(item, "name");
    if (name && name->kind == CNN_YAML_SCALAR)
        return cnn_arena_printf(list->arena, "%s.%s", path, name->text);
    return cnn_arena_printf(list->arena, "%s.%zu", path, i);
}

/* in_list: node is an item whose name stands in its path already. */
static bool flatten(struct settings *list, const char *path, const struct cnn_yaml *node,
                    bool in_list)
{
    bool good = path != NULL;
    if (good && is_value(node))
        return add_value(list, path, node);
    for (size_t i = 0; i < node->count && good; i++) {
        if (node->kind == CNN_YAML_SEQUENCE) {
            good = flatten(list, item_path(list, path, node->items[i], i), node->items[i], true);
            continue;
        }
        const char *key = node->pairs[i].key->text;
        if (!in_list || strcmp(key, "name") != 0)
            good =
                flatten(list, cnn_arena_printf(list->arena, "%s%s%s", path, *path ? "." : "", key),
                        node->pairs[i].value, false);
    }
    return good;
}

static int compare_paths(const void *a, const void *b)
{
    const struct setting *x = a, *y = b;
    int order = strcmp(x->path, y->path);
    if (order != 0)
        return order;
    return x->root != y->root ? (x->root < y->root ? -1 : 1)
                              : (x->order > y->order) - (x->order < y->order);
}

static bool same_value(const struct setting *a, const struct setting *b)
{
    double x, y;
    return strcmp(a->value, b->value) == 0 ||
           (cnn_yaml_as_number(a->node, &x) && cnn_yaml_as_number(b->node, &y) && x >= y && x <= y);
}

/* The first of items[0..count), which have one path, says where the key stands among all. */
static bool differ(const struct setting *items, size_t count, size_t roots)
{
    if (count != roots)
        return true;
    for (size_t i = 1; i < count; i++)
        if (!same_value(&items[0], &items[i]))
            return true;
    return false;
}

struct group { /* the values of one key: items[first..first + count) */
    size_t first, count, order, root;
};

static int compare_places(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    return (x->root > y->root) - (x->root < y->root);
}

/* Groups of those keys that differ, in their order; returns how many. groups has room for one of
 * each item. */
static size_t group_settings(const struct settings *list, size_t roots, struct group *groups)
{
    size_t count = 0;
    for (size_t first = 0, end; first < list->count; first = end) {
        for (end = first + 1;
             end < list->count && strcmp(list->items[end].path, list->items[first].path) == 0;)
            end++;
        if (differ(list->items + first, end - first, roots))
            groups[count++] = (struct group){first, end - first, list->items[first].order,
                                             list->items[first].root};
    }
    qsort(groups, count, sizeof *groups, compare_places);
    return count;
}

static bool fill_differences(const struct settings *list, const struct group *groups, size_t count,
                             size_t roots, struct cnn_difference *out)
{
    for (size_t g = 0; g < count; g++) {
        const struct setting *items = list->items + groups[g].first;
        out[g] = (struct cnn_difference){items->path,
                                         cnn_arena_array(list->arena, roots, sizeof *out->values)};
        if (!out[g].values)
            return false;
        for (size_t i = 0; i < groups[g].count; i++)
            out[g].values[items[i].root] = items[i].value;
    }
    return true;
}

cnn_status cnn_settings_compare(struct cnn_arena *arena, const struct cnn_yaml *const *roots,
                                size_t count, struct cnn_difference **out, size_t *out_count,
                                cnn_diag *diag)
{
    struct settings list = {.arena = arena};
    struct group *groups = NULL;
    bool good = true;
    for (list.root = 0; list.root < count && good; list.root++) {
        list.order = 0;
        good = flatten(&list, "", roots[list.root], false);
    }
    if (good && list.count > 0)
        qsort(list.items, list.count, sizeof *list.items, compare_paths);
    good = good && (groups = cnn_calloc(list.count + 1, sizeof *groups));
    if (good) {
        size_t differing = group_settings(&list, count, groups);
        struct cnn_difference *differences =
            cnn_arena_array(arena, differing + 1, sizeof *differences);
        good = differences && fill_differences(&list, groups, differing, count, differences);
        *out = differences;
        *out_count = differing;
    }
    cnn_free(groups);
    cnn_free(list.items);
    return good
               ? CNN_OK
               : cnn_fail_memory(diag, list.count * sizeof *list.items, "the settings of the runs");
}
