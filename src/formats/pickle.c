/* The machine of a pickle: a stack of values, marks on it, and a memo of values by number. Each
 * opcode of the file makes at most one value, and a tuple takes what it holds off the stack, so
 * memory is a multiple of the file's bytes. Nothing here follows a value into what it holds. */
#include "formats/pickle.h"

#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

#define NAMES 200 /* bytes of a module's name and of one in it, at most */

struct values { /* of cnn_malloc */
    struct cnn_pickle **items;
    size_t count, capacity;
};

struct machine {
    struct cnn_arena *arena;
    const struct cnn_pickle_source *source;
    cnn_diag *diag;
    size_t at, opcode; /* next byte; of the opcode at hand */
    struct values stack, memo, stored;
    size_t *marks; /* heights of the stack */
    size_t mark_count, mark_capacity;
    bool stopped;
};

static cnn_status __attribute__((format(printf, 2, 3)))
fail(const struct machine *m, const char *format, ...)
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

static cnn_status fail_memory(const struct machine *m)
{
    return cnn_fail_memory(m->diag, m->source->size, m->source->path);
}

/* ---- The stack ---- */

static cnn_status append(const struct machine *m, struct values *list, struct cnn_pickle *value)
{
    if (list->count == list->capacity) {
        size_t capacity = 2 * list->capacity + 64;
        struct cnn_pickle **items = cnn_realloc(list->items, capacity * sizeof *items);
        if (!items)
            return fail_memory(m);
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = value;
    return CNN_OK;
}

/* Values above the newest mark. */
static size_t depth(const struct machine *m)
{
    return m->stack.count - (m->mark_count > 0 ? m->marks[m->mark_count - 1] : 0);
}

static cnn_status need(const struct machine *m, size_t count)
{
    return depth(m) >= count ? CNN_OK : fail(m, "the pickle takes more than it has put there");
}

static struct cnn_pickle *top(const struct machine *m, size_t below)
{
    return m->stack.items[m->stack.count - 1 - below];
}

static struct cnn_pickle *make(const struct machine *m, enum cnn_pickle_kind kind)
{
    struct cnn_pickle *value = cnn_arena_alloc(m->arena, sizeof *value);
    if (value) {
        value->kind = kind;
        value->at = (uint32_t)m->opcode;
    }
    return value;
}

static cnn_status push(struct machine *m, struct cnn_pickle *value)
{
    return value ? append(m, &m->stack, value) : fail_memory(m);
}

static cnn_status push_integer(struct machine *m, enum cnn_pickle_kind kind, int64_t integer)
{
    struct cnn_pickle *value = make(m, kind);
    if (value)
        value->integer = integer;
    return push(m, value);
}

/* The newest count values become those of one. */
static cnn_status gather(struct machine *m, enum cnn_pickle_kind kind, size_t count)
{
    struct cnn_pickle *value = make(m, kind);
    if (!value || (count > 0 && !(value->items = cnn_arena_array(m->arena, count, sizeof value))))
        return fail_memory(m);
    if (count > 0)
        memcpy(value->items, m->stack.items + m->stack.count - count, count * sizeof *value->items);
    value->count = count;
    m->stack.count -= count;
    return push(m, value);
}

static cnn_status push_mark(struct machine *m)
{
    if (m->mark_count == m->mark_capacity) {
        size_t capacity = 2 * m->mark_capacity + 16;
        size_t *marks = cnn_realloc(m->marks, capacity * sizeof *marks);
        if (!marks)
            return fail_memory(m);
        m->marks = marks;
        m->mark_capacity = capacity;
    }
    m->marks[m->mark_count++] = m->stack.count;
    return CNN_OK;
}

/* How many values are above the newest mark, which goes. */
static cnn_status pop_mark(struct machine *m, size_t *count)
{
    if (m->mark_count == 0)
        return fail(m, "the pickle goes back to a mark that it has not made");
    *count = depth(m);
    m->mark_count--;
    return CNN_OK;
}

/* ---- Lists and tables ---- */

/* Room grows by doubling; what was smaller stays in the arena. */
static cnn_status extend(const struct machine *m, struct cnn_pickle *list, size_t count)
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
        return fail_memory(m);
    if (full && have > 0)
        memcpy(items, list->items, have * sizeof *items);
    if (count > 0)
        memcpy(items + have, m->stack.items + m->stack.count - count, count * sizeof *items);
    list->items = items;
    list->count = wanted;
    return CNN_OK;
}

/* The newest count values go into the list or table below them. */
static cnn_status put_in(struct machine *m, enum cnn_pickle_kind kind, size_t count)
{
    cnn_status status = need(m, count + 1);
    if (status != CNN_OK)
        return status;
    struct cnn_pickle *into = top(m, count);
    if (into->kind != kind)
        return fail(m, "the pickle puts %s",
                    kind == CNN_PICKLE_LIST ? "an item into something that is not a list"
                                            : "a key into something that is not a table");
    if (kind == CNN_PICKLE_DICT && count % 2 != 0)
        return fail(m, "a key has no value");
    if (count > 0)
        status = extend(m, into, count);
    m->stack.count -= count;
    return status;
}

static cnn_status put_many(struct machine *m, enum cnn_pickle_kind kind)
{
    size_t count = 0;
    cnn_status status = pop_mark(m, &count);
    return status == CNN_OK ? put_in(m, kind, count) : status;
}

/* ---- What the file holds ---- */

static cnn_status take(struct machine *m, size_t size, const unsigned char **out)
{
    if (size > m->source->size - m->at)
        return fail(m, "the pickle is cut short: %zu bytes are wanted, %zu are left", size,
                    m->source->size - m->at);
    *out = m->source->data + m->at;
    m->at += size;
    return CNN_OK;
}

static uint64_t number(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* A length or an index of so many bytes. */
static cnn_status take_number(struct machine *m, size_t size, size_t *out)
{
    const unsigned char *bytes = NULL;
    cnn_status status = take(m, size, &bytes);
    if (status == CNN_OK)
        *out = (size_t)number(bytes, size);
    return status;
}

static cnn_status read_integer(struct machine *m, size_t size)
{
    size_t value = 0;
    cnn_status status = take_number(m, size, &value);
    if (status != CNN_OK)
        return status;
    return push_integer(m, CNN_PICKLE_INT, size == 4 ? (int64_t)(int32_t)value : (int64_t)value);
}

/* Two's complement of any length. */
static cnn_status read_long(struct machine *m)
{
    size_t size = 0;
    const unsigned char *bytes = NULL;
    cnn_status status = take_number(m, 1, &size);
    if (status == CNN_OK)
        status = take(m, size, &bytes);
    if (status != CNN_OK)
        return status;
    if (size > 8) {
        struct cnn_pickle *value = make(m, CNN_PICKLE_BIG);
        if (value) {
            value->text = (const char *)bytes;
            value->count = size;
        }
        return push(m, value);
    }
    uint64_t bits = number(bytes, size);
    if (size > 0 && size < 8 && bytes[size - 1] & 128)
        bits |= UINT64_MAX << 8 * size;
    return push_integer(m, CNN_PICKLE_INT, (int64_t)bits);
}

/* Big endian, alone of all numbers. */
static cnn_status read_real(struct machine *m)
{
    const unsigned char *bytes = NULL;
    cnn_status status = take(m, 8, &bytes);
    struct cnn_pickle *value = status == CNN_OK ? make(m, CNN_PICKLE_REAL) : NULL;
    if (status != CNN_OK)
        return status;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    if (value)
        memcpy(&value->real, &bits, sizeof value->real);
    return push(m, value);
}

static cnn_status read_text(struct machine *m, size_t length_bytes)
{
    size_t size = 0;
    const unsigned char *bytes = NULL;
    cnn_status status = take_number(m, length_bytes, &size);
    if (status == CNN_OK)
        status = take(m, size, &bytes);
    if (status != CNN_OK)
        return status;
    if (memchr(bytes, '\0', size) || !cnn_utf8_valid((const char *)bytes, size))
        return fail(m, "a text of the pickle is no UTF-8");
    struct cnn_pickle *value = make(m, CNN_PICKLE_TEXT);
    if (value) {
        value->text = cnn_arena_strndup(m->arena, (const char *)bytes, size);
        value->count = size;
    }
    return value && !value->text ? fail_memory(m) : push(m, value);
}

/* ---- Names, and what would be called ---- */

/* A line: what a pickle names stands in two. */
static cnn_status read_line(struct machine *m, const char **out, size_t *size)
{
    const unsigned char *begin = m->source->data + m->at;
    size_t left = m->source->size - m->at;
    const unsigned char *end = memchr(begin, '\n', left < NAMES ? left : NAMES);
    if (!end)
        return fail(m, "a name of the pickle has no end, or more than %d bytes", NAMES);
    *out = (const char *)begin;
    *size = (size_t)(end - begin);
    m->at += *size + 1;
    return CNN_OK;
}

static cnn_status refuse_name(const struct machine *m, const char *name)
{
    cnn_status status = fail(m, "the pickle calls or names %s, which weights do not need", name);
    cnn_hint(m->diag,
             "a pickle may run any program when Python opens it; this one is not followed. "
             "Of a model, save the weights alone: torch.save(model.state_dict(), FILE)");
    return status;
}

/* Module and name, of GLOBAL; those of INST are only named in the message. */
static cnn_status read_global(struct machine *m, bool known)
{
    char name[2 * NAMES + 8];
    const char *lines[2];
    size_t sizes[2];
    cnn_status status = read_line(m, &lines[0], &sizes[0]);
    if (status == CNN_OK)
        status = read_line(m, &lines[1], &sizes[1]);
    if (status != CNN_OK)
        return status;
    snprintf(name, sizeof name, "%.*s.%.*s", (int)sizes[0], lines[0], (int)sizes[1], lines[1]);
    const struct cnn_pickle_global *globals = m->source->globals;
    for (int64_t i = 0; known && globals[i].name; i++)
        if (strcmp(globals[i].name, name) == 0)
            return push_integer(m, CNN_PICKLE_GLOBAL, i);
    return refuse_name(m, name);
}

/* A name and a tuple become a call, or an empty table. */
static cnn_status read_call(struct machine *m)
{
    cnn_status status = need(m, 2);
    if (status != CNN_OK)
        return status;
    const struct cnn_pickle *callee = top(m, 1), *arguments = top(m, 0);
    if (callee->kind != CNN_PICKLE_GLOBAL || arguments->kind != CNN_PICKLE_TUPLE)
        return fail(
            m,
            "the pickle calls something that is not a name, or with something that is not a tuple");
    if (!m->source->globals[callee->integer].table)
        return gather(m, CNN_PICKLE_CALL, 2);
    if (arguments->count > 0)
        return fail(m, "a table of the pickle is made from another");
    m->stack.count -= 2;
    return push(m, make(m, CNN_PICKLE_DICT));
}

/* Attributes of a table, which are left out: `_metadata` of a state dict. */
static cnn_status read_state(struct machine *m)
{
    cnn_status status = need(m, 2);
    if (status != CNN_OK)
        return status;
    if (top(m, 1)->kind != CNN_PICKLE_DICT)
        return fail(m, "the pickle changes the state of something that is not a table");
    m->stack.count--;
    return CNN_OK;
}

static cnn_status read_stored(struct machine *m)
{
    cnn_status status = need(m, 1);
    if (status == CNN_OK)
        status = gather(m, CNN_PICKLE_STORED, 1);
    return status == CNN_OK ? append(m, &m->stored, top(m, 0)) : status;
}

/* ---- The memo ---- */

/* Picklers number what they remember one after another. */
static cnn_status remember(struct machine *m, size_t index_bytes)
{
    size_t index = 0;
    cnn_status status = take_number(m, index_bytes, &index);
    if (status == CNN_OK)
        status = need(m, 1);
    if (status != CNN_OK)
        return status;
    if (index > m->memo.count)
        return fail(m, "the pickle remembers a value as number %zu, after %zu others", index,
                    m->memo.count);
    if (index == m->memo.count)
        return append(m, &m->memo, top(m, 0));
    m->memo.items[index] = top(m, 0);
    return CNN_OK;
}

static cnn_status recall(struct machine *m, size_t index_bytes)
{
    size_t index = 0;
    cnn_status status = take_number(m, index_bytes, &index);
    if (status != CNN_OK)
        return status;
    return index < m->memo.count ? push(m, m->memo.items[index])
                                 : fail(m, "the pickle wants value number %zu, but remembers %zu",
                                        index, m->memo.count);
}

/* ---- Opcodes ---- */

/* Those that are not followed, by their names in Python's pickletools. */
static const char *unread_name(unsigned char opcode)
{
    static const struct {
        unsigned char opcode;
        const char *name;
    } names[] = {
        {0x82, "EXT1"},
        {0x83, "EXT2"},
        {0x84, "EXT4"},
        {'o', "OBJ"},
        {0x92, "NEWOBJ_EX"},
        {0x93, "STACK_GLOBAL"},
        {'P', "PERSID"},
        {'2', "DUP"},
        {'0', "POP"},
        {'1', "POP_MARK"},
        {0x8b, "LONG4"},
        {'B', "BINBYTES"},
        {'C', "SHORT_BINBYTES"},
        {'T', "BINSTRING"},
        {'S', "STRING"},
        {'V', "UNICODE"},
        {'I', "INT"},
        {'L', "LONG"},
        {'F', "FLOAT"},
        {'g', "GET"},
        {'p', "PUT"},
        {'d', "DICT"},
        {'l', "LIST"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].opcode == opcode)
            return names[i].name;
    return NULL;
}

static cnn_status refuse_opcode(const struct machine *m, unsigned char opcode)
{
    const char *name = unread_name(opcode);
    return name ? fail(m, "the pickle's opcode %s is none that weights need", name)
                : fail(m, "0x%02x is no opcode of a pickle, or none that weights need", opcode);
}

static cnn_status read_protocol(struct machine *m)
{
    size_t version;
    cnn_status status = take_number(m, 1, &version);
    if (status != CNN_OK || version <= 2)
        return status;
    status = fail(m, "the pickle is of protocol %zu; weights are read of protocol 2", version);
    cnn_hint(m->diag, "torch.save writes protocol 2 unless it is told otherwise");
    return status;
}

static cnn_status read_tuple(struct machine *m, size_t count)
{
    cnn_status status = need(m, count);
    return status == CNN_OK ? gather(m, CNN_PICKLE_TUPLE, count) : status;
}

static cnn_status read_marked_tuple(struct machine *m)
{
    size_t count = 0;
    cnn_status status = pop_mark(m, &count);
    return status == CNN_OK ? gather(m, CNN_PICKLE_TUPLE, count) : status;
}

/* Numbers, texts and empty things. */
static cnn_status execute_value(struct machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 'N':
        return push(m, make(m, CNN_PICKLE_NONE));
    case 0x88:
        return push_integer(m, CNN_PICKLE_BOOL, 1);
    case 0x89:
        return push_integer(m, CNN_PICKLE_BOOL, 0);
    case 'J':
        return read_integer(m, 4);
    case 'K':
        return read_integer(m, 1);
    case 'M':
        return read_integer(m, 2);
    case 0x8a:
        return read_long(m);
    case 'G':
        return read_real(m);
    case 'X':
        return read_text(m, 4);
    case 'U':
        return read_text(m, 1);
    case ')':
        return push(m, make(m, CNN_PICKLE_TUPLE));
    case ']':
        return push(m, make(m, CNN_PICKLE_LIST));
    case '}':
        return push(m, make(m, CNN_PICKLE_DICT));
    case 0x8f:
        return push(m, make(m, CNN_PICKLE_SET));
    default:
        return refuse_opcode(m, opcode);
    }
}

static cnn_status execute(struct machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 0x80:
        return read_protocol(m);
    case '.':
        m->stopped = true;
        return CNN_OK;
    case '(':
        return push_mark(m);
    case 't':
        return read_marked_tuple(m);
    case 0x85:
    case 0x86:
    case 0x87:
        return read_tuple(m, opcode - 0x84u);
    case 'a':
        return put_in(m, CNN_PICKLE_LIST, 1);
    case 'e':
        return put_many(m, CNN_PICKLE_LIST);
    case 's':
        return put_in(m, CNN_PICKLE_DICT, 2);
    case 'u':
        return put_many(m, CNN_PICKLE_DICT);
    case 'q':
        return remember(m, 1);
    case 'r':
        return remember(m, 4);
    case 'h':
        return recall(m, 1);
    case 'j':
        return recall(m, 4);
    case 'c':
        return read_global(m, true);
    case 'i':
        return read_global(m, false);
    case 'R':
    case 0x81:
        return read_call(m);
    case 'b':
        return read_state(m);
    case 'Q':
        return read_stored(m);
    default:
        return execute_value(m, opcode);
    }
}

static cnn_status run(struct machine *m)
{
    cnn_status status = CNN_OK;
    while (status == CNN_OK && !m->stopped) {
        const unsigned char *opcode = NULL;
        m->opcode = m->at;
        status = take(m, 1, &opcode);
        if (status == CNN_OK && m->at > CNN_PICKLE_MAX_BYTES)
            status = fail(m, "the pickle has more than %zu bytes", CNN_PICKLE_MAX_BYTES);
        if (status == CNN_OK)
            status = execute(m, *opcode);
    }
    if (status == CNN_OK && (m->stack.count != 1 || m->mark_count > 0))
        status = fail(m, "the pickle ends with %zu values instead of one", m->stack.count);
    return status;
}

static cnn_status finish(const struct machine *m, struct cnn_pickle_result *out)
{
    const size_t count = m->stored.count;
    struct cnn_pickle **stored = cnn_arena_array(m->arena, count + 1, sizeof *stored);
    if (!stored)
        return fail_memory(m);
    if (count > 0)
        memcpy(stored, m->stored.items, count * sizeof *stored);
    *out = (struct cnn_pickle_result){m->stack.items[0], m->at, stored, count};
    return CNN_OK;
}

cnn_status cnn_pickle_read(struct cnn_arena *arena, const struct cnn_pickle_source *source,
                           struct cnn_pickle_result *out, cnn_diag *diag)
{
    struct machine m = {.arena = arena, .source = source, .diag = diag};
    cnn_status status = run(&m);
    if (status == CNN_OK)
        status = finish(&m, out);
    cnn_free(m.stack.items);
    cnn_free(m.memo.items);
    cnn_free(m.stored.items);
    cnn_free(m.marks);
    return status;
}

const struct cnn_pickle *cnn_pickle_get(const struct cnn_pickle *value, const char *key)
{
    if (value->kind != CNN_PICKLE_DICT)
        return NULL;
    for (size_t i = value->count; i > 0; i -= 2)
        if (value->items[i - 2]->kind == CNN_PICKLE_TEXT &&
            strcmp(value->items[i - 2]->text, key) == 0)
            return value->items[i - 1];
    return NULL;
}
