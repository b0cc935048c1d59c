/* The stack of a pickle's machine: values, marks on it, and the lists and tables that they go
 * into. */
#include "formats/pickle_internal.h"

#include <stdarg.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

cnn_status cnn_pickle_fail(const struct cnn_pickle_machine *m, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_status status = text.failed
                            ? cnn_fail_memory(m->diag, 100, m->source->path)
                            : cnn_fail(m->diag, CNN_FAILED, NULL, "%s: byte %zu: %s",
                                       m->source->path, m->source->at + m->opcode, text.data);
    cnn_text_free(&text);
    return status;
}

cnn_status cnn_pickle_fail_memory(const struct cnn_pickle_machine *m)
{
    return cnn_fail_memory(m->diag, m->source->size, m->source->path);
}

/* ---- The stack ---- */

cnn_status cnn_pickle_append(const struct cnn_pickle_machine *m, struct cnn_pickle_values *list,
                             struct cnn_pickle *value)
{
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 64;
        struct cnn_pickle **items = cnn_realloc(list->items, capacity * sizeof *items);
        if (!items)
            return cnn_pickle_fail_memory(m);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = value;
    return CNN_OK;
}

/* Values above the newest mark. */
static size_t depth(const struct cnn_pickle_machine *m)
{
    return m->stack.count - (m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0);
}

cnn_status cnn_pickle_need(const struct cnn_pickle_machine *m, size_t count)
{
    return depth(m) >= count ? CNN_OK
                             : cnn_pickle_fail(m, "the pickle takes more than it has put there");
}

struct cnn_pickle *cnn_pickle_top(const struct cnn_pickle_machine *m, size_t below)
{
    return m->stack.items[m->stack.count - 1 - below];
}

struct cnn_pickle *cnn_pickle_make(const struct cnn_pickle_machine *m, enum cnn_pickle_kind kind)
{
    struct cnn_pickle *value = cnn_arena_alloc(m->arena, sizeof *value);
    if (value) {
        value->kind = kind;
        value->at = (uint32_t)m->opcode;
    }
    return value;
}

cnn_status cnn_pickle_push(struct cnn_pickle_machine *m, struct cnn_pickle *value)
{
    return value ? cnn_pickle_append(m, &m->stack, value) : cnn_pickle_fail_memory(m);
}

cnn_status cnn_pickle_push_integer(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind,
                                   int64_t integer)
{
    struct cnn_pickle *value = cnn_pickle_make(m, kind);
    if (value)
        value->integer = integer;
    return cnn_pickle_push(m, value);
}

cnn_status cnn_pickle_gather(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind, size_t count)
{
    struct cnn_pickle *value = cnn_pickle_make(m, kind);
    if (!value || (count > 0 && !(value->items = cnn_arena_array(m->arena, count, sizeof value))))
        return cnn_pickle_fail_memory(m);
    if (count > 0)
        memcpy(value->items, m->stack.items + m->stack.count - count, count * sizeof *value->items);
    value->count = count;
    m->stack.count -= count;
    return cnn_pickle_push(m, value);
}

cnn_status cnn_pickle_push_mark(struct cnn_pickle_machine *m)
{
    if (m->mark_count == m->mark_capacity) {
        size_t capacity = 2 * m->mark_capacity + 16;
        size_t *marks = cnn_realloc(m->marks, capacity * sizeof *marks);
        if (!marks)
            return cnn_pickle_fail_memory(m);
        m->marks = marks;
        m->mark_capacity = capacity;
    }
    m->marks[m->mark_count++] = m->stack.count;
    return CNN_OK;
}

cnn_status cnn_pickle_pop_mark(struct cnn_pickle_machine *m, size_t *count)
{
    if (m->mark_count == 0)
        return cnn_pickle_fail(m, "the pickle goes back to a mark that it has not made");
    *count = depth(m);
    m->mark_count--;
    return CNN_OK;
}

/* ---- Lists and tables ---- */

/* Room grows by doubling; what was smaller stays in the arena. */
static cnn_status extend(const struct cnn_pickle_machine *m, struct cnn_pickle *list, size_t count)
{
    size_t have = list->count, capacity = 1, wanted = have + count;
    while (capacity < have)
        capacity *= 2;
    bool full = have == 0 || wanted > capacity;
    while (capacity < wanted)
        capacity *= 2;
    struct cnn_pickle **items =
        full ? cnn_arena_array(m->arena, capacity, sizeof *items) : list->items;
    if (!items)
        return cnn_pickle_fail_memory(m);
    if (full && have > 0)
        memcpy(items, list->items, have * sizeof *items);
    if (count > 0)
        memcpy(items + have, m->stack.items + m->stack.count - count, count * sizeof *items);
    list->items = items;
    list->count = wanted;
    return CNN_OK;
}

cnn_status cnn_pickle_put_in(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind, size_t count)
{
    cnn_status status = cnn_pickle_need(m, count + 1);
    if (status != CNN_OK)
        return status;
    struct cnn_pickle *into = cnn_pickle_top(m, count);
    if (into->kind != kind)
        return cnn_pickle_fail(m, "the pickle puts %s",
                               kind == CNN_PICKLE_LIST
                                   ? "an item into something that is not a list"
                                   : "a key into something that is not a table");
    if (kind == CNN_PICKLE_DICT && count % 2 != 0)
        return cnn_pickle_fail(m, "a key has no value");
    if (count > 0)
        status = extend(m, into, count);
    m->stack.count -= count;
    return status;
}

cnn_status cnn_pickle_put_many(struct cnn_pickle_machine *m, enum cnn_pickle_kind kind)
{
    size_t count = 0;
    cnn_status status = cnn_pickle_pop_mark(m, &count);
    return status == CNN_OK ? cnn_pickle_put_in(m, kind, count) : status;
}
