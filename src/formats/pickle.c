/* The machine of a pickle: a stack of values, marks on it, and a memo of values by number. Each
 * opcode of the file makes at most one value, and a tuple takes what it holds off the stack, so
 * memory is a multiple of the file's bytes. Nothing here follows a value into what it holds. */
#include "formats/pickle_internal.h"

#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/text.h"

#define NAMES 200 /* bytes of a module's name and of one in it, at most */

/* ---- What the file holds ---- */

static cnn_status take(struct cnn_pickle_machine *m, size_t size, const unsigned char **out)
{
    if (size > m->source->size - m->at)
        return cnn_pickle_fail(m, "the pickle is cut short: %zu bytes are wanted, %zu are left",
                               size, m->source->size - m->at);
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
static cnn_status take_number(struct cnn_pickle_machine *m, size_t size, size_t *out)
{
    const unsigned char *bytes = NULL;
    cnn_status status = take(m, size, &bytes);
    if (status == CNN_OK)
        *out = (size_t)number(bytes, size);
    return status;
}

static cnn_status read_integer(struct cnn_pickle_machine *m, size_t size)
{
    size_t value = 0;
    cnn_status status = take_number(m, size, &value);
    if (status != CNN_OK)
        return status;
    return cnn_pickle_push_integer(m, CNN_PICKLE_INT,
                                   size == 4 ? (int64_t)(int32_t)value : (int64_t)value);
}

/* Two's complement of any length. */
static cnn_status read_long(struct cnn_pickle_machine *m)
{
    size_t size = 0;
    const unsigned char *bytes = NULL;
    cnn_status status = take_number(m, 1, &size);
    if (status == CNN_OK)
        status = take(m, size, &bytes);
    if (status != CNN_OK)
        return status;
    if (size > 8) {
        struct cnn_pickle *value = cnn_pickle_make(m, CNN_PICKLE_BIG);
        if (value) {
            value->text = (const char *)bytes;
            value->count = size;
        }
        return cnn_pickle_push(m, value);
    }
    uint64_t bits = number(bytes, size);
    if (size > 0 && size < 8 && bytes[size - 1] & 128)
        bits |= UINT64_MAX << 8 * size;
    return cnn_pickle_push_integer(m, CNN_PICKLE_INT, (int64_t)bits);
}

/* Big endian, alone of all numbers. */
static cnn_status read_real(struct cnn_pickle_machine *m)
{
    const unsigned char *bytes = NULL;
    cnn_status status = take(m, 8, &bytes);
    struct cnn_pickle *value = status == CNN_OK ? cnn_pickle_make(m, CNN_PICKLE_REAL) : NULL;
    if (status != CNN_OK)
        return status;
    uint64_t bits = 0;
    for (size_t i = 0; i < 8; i++)
        bits = bits << 8 | bytes[i];
    if (value)
        memcpy(&value->real, &bits, sizeof value->real);
    return cnn_pickle_push(m, value);
}

static cnn_status read_text(struct cnn_pickle_machine *m, size_t length_bytes)
{
    size_t size = 0;
    const unsigned char *bytes = NULL;
    cnn_status status = take_number(m, length_bytes, &size);
    if (status == CNN_OK)
        status = take(m, size, &bytes);
    if (status != CNN_OK)
        return status;
    if (memchr(bytes, '\0', size) || !cnn_utf8_valid((const char *)bytes, size))
        return cnn_pickle_fail(m, "a text of the pickle is no UTF-8");
    struct cnn_pickle *value = cnn_pickle_make(m, CNN_PICKLE_TEXT);
    if (value) {
        value->text = cnn_arena_strndup(m->arena, (const char *)bytes, size);
        value->count = size;
    }
    return value && !value->text ? cnn_pickle_fail_memory(m) : cnn_pickle_push(m, value);
}

/* ---- Names, and what would be called ---- */

/* A line: what a pickle names stands in two. */
static cnn_status read_line(struct cnn_pickle_machine *m, const char **out, size_t *size)
{
    const unsigned char *begin = m->source->data + m->at;
    size_t left = m->source->size - m->at;
    const unsigned char *end = memchr(begin, '\n', left < NAMES ? left : NAMES);
    if (!end)
        return cnn_pickle_fail(m, "a name of the pickle has no end, or more than %d bytes", NAMES);
    *out = (const char *)begin;
    *size = (size_t)(end - begin);
    m->at += *size + 1;
    return CNN_OK;
}

static cnn_status refuse_name(const struct cnn_pickle_machine *m, const char *name)
{
    cnn_status status =
        cnn_pickle_fail(m, "the pickle calls or names %s, which weights do not need", name);
    cnn_hint(m->diag,
             "a pickle may run any program when Python opens it; this one is not followed. "
             "Of a model, save the weights alone: torch.save(model.state_dict(), FILE)");
    return status;
}

/* Module and name, of GLOBAL; those of INST are only named in the message. */
static cnn_status read_global(struct cnn_pickle_machine *m, bool known)
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
            return cnn_pickle_push_integer(m, CNN_PICKLE_GLOBAL, i);
    return refuse_name(m, name);
}

/* A name and a tuple become a call, or an empty table. */
static cnn_status read_call(struct cnn_pickle_machine *m)
{
    cnn_status status = cnn_pickle_need(m, 2);
    if (status != CNN_OK)
        return status;
    const struct cnn_pickle *callee = cnn_pickle_top(m, 1), *arguments = cnn_pickle_top(m, 0);
    if (callee->kind != CNN_PICKLE_GLOBAL || arguments->kind != CNN_PICKLE_TUPLE)
        return cnn_pickle_fail(
            m,
            "the pickle calls something that is not a name, or with something that is not a tuple");
    if (!m->source->globals[callee->integer].table)
        return cnn_pickle_gather(m, CNN_PICKLE_CALL, 2);
    if (arguments->count > 0)
        return cnn_pickle_fail(m, "a table of the pickle is made from another");
    m->stack.count -= 2;
    return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_DICT));
}

/* Attributes of a table, which are left out: `_metadata` of a state dict. */
static cnn_status read_state(struct cnn_pickle_machine *m)
{
    cnn_status status = cnn_pickle_need(m, 2);
    if (status != CNN_OK)
        return status;
    if (cnn_pickle_top(m, 1)->kind != CNN_PICKLE_DICT)
        return cnn_pickle_fail(m, "the pickle changes the state of something that is not a table");
    m->stack.count--;
    return CNN_OK;
}

static cnn_status read_stored(struct cnn_pickle_machine *m)
{
    cnn_status status = cnn_pickle_need(m, 1);
    if (status == CNN_OK)
        status = cnn_pickle_gather(m, CNN_PICKLE_STORED, 1);
    return status == CNN_OK ? cnn_pickle_append(m, &m->stored, cnn_pickle_top(m, 0)) : status;
}

/* ---- The memo ---- */

/* Picklers number what they remember one after another. */
static cnn_status remember(struct cnn_pickle_machine *m, size_t index_bytes)
{
    size_t index = 0;
    cnn_status status = take_number(m, index_bytes, &index);
    if (status == CNN_OK)
        status = cnn_pickle_need(m, 1);
    if (status != CNN_OK)
        return status;
    if (index > m->memo.count)
        return cnn_pickle_fail(m, "the pickle remembers a value as number %zu, after %zu others",
                               index, m->memo.count);
    if (index == m->memo.count)
        return cnn_pickle_append(m, &m->memo, cnn_pickle_top(m, 0));
    m->memo.items[index] = cnn_pickle_top(m, 0);
    return CNN_OK;
}

static cnn_status recall(struct cnn_pickle_machine *m, size_t index_bytes)
{
    size_t index = 0;
    cnn_status status = take_number(m, index_bytes, &index);
    if (status != CNN_OK)
        return status;
    return index < m->memo.count
               ? cnn_pickle_push(m, m->memo.items[index])
               : cnn_pickle_fail(m, "the pickle wants value number %zu, but remembers %zu", index,
                                 m->memo.count);
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

static cnn_status refuse_opcode(const struct cnn_pickle_machine *m, unsigned char opcode)
{
    const char *name = unread_name(opcode);
    return name ? cnn_pickle_fail(m, "the pickle's opcode %s is none that weights need", name)
                : cnn_pickle_fail(m, "0x%02x is no opcode of a pickle, or none that weights need",
                                  opcode);
}

static cnn_status read_protocol(struct cnn_pickle_machine *m)
{
    size_t version;
    cnn_status status = take_number(m, 1, &version);
    if (status != CNN_OK || version <= 2)
        return status;
    status = cnn_pickle_fail(m, "the pickle is of protocol %zu; weights are read of protocol 2",
                             version);
    cnn_hint(m->diag, "torch.save writes protocol 2 unless it is told otherwise");
    return status;
}

static cnn_status read_tuple(struct cnn_pickle_machine *m, size_t count)
{
    cnn_status status = cnn_pickle_need(m, count);
    return status == CNN_OK ? cnn_pickle_gather(m, CNN_PICKLE_TUPLE, count) : status;
}

static cnn_status read_marked_tuple(struct cnn_pickle_machine *m)
{
    size_t count = 0;
    cnn_status status = cnn_pickle_pop_mark(m, &count);
    return status == CNN_OK ? cnn_pickle_gather(m, CNN_PICKLE_TUPLE, count) : status;
}

/* Numbers, texts and empty things. */
static cnn_status execute_value(struct cnn_pickle_machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 'N':
        return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_NONE));
    case 0x88:
        return cnn_pickle_push_integer(m, CNN_PICKLE_BOOL, 1);
    case 0x89:
        return cnn_pickle_push_integer(m, CNN_PICKLE_BOOL, 0);
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
        return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_TUPLE));
    case ']':
        return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_LIST));
    case '}':
        return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_DICT));
    case 0x8f:
        return cnn_pickle_push(m, cnn_pickle_make(m, CNN_PICKLE_SET));
    default:
        return refuse_opcode(m, opcode);
    }
}

static cnn_status execute(struct cnn_pickle_machine *m, unsigned char opcode)
{
    switch (opcode) {
    case 0x80:
        return read_protocol(m);
    case '.':
        m->stopped = true;
        return CNN_OK;
    case '(':
        return cnn_pickle_push_mark(m);
    case 't':
        return read_marked_tuple(m);
    case 0x85:
    case 0x86:
    case 0x87:
        return read_tuple(m, opcode - 0x84u);
    case 'a':
        return cnn_pickle_put_in(m, CNN_PICKLE_LIST, 1);
    case 'e':
        return cnn_pickle_put_many(m, CNN_PICKLE_LIST);
    case 's':
        return cnn_pickle_put_in(m, CNN_PICKLE_DICT, 2);
    case 'u':
        return cnn_pickle_put_many(m, CNN_PICKLE_DICT);
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

static cnn_status run(struct cnn_pickle_machine *m)
{
    cnn_status status = CNN_OK;
    while (status == CNN_OK && !m->stopped) {
        const unsigned char *opcode = NULL;
        m->opcode = m->at;
        status = take(m, 1, &opcode);
        if (status == CNN_OK && m->at > CNN_PICKLE_MAX_BYTES)
            status = cnn_pickle_fail(m, "the pickle has more than %zu bytes", CNN_PICKLE_MAX_BYTES);
        if (status == CNN_OK)
            status = execute(m, *opcode);
    }
    if (status == CNN_OK && (m->stack.count != 1 || m->mark_count > 0))
        status =
            cnn_pickle_fail(m, "the pickle ends with %zu values instead of one", m->stack.count);
    return status;
}

static cnn_status finish(const struct cnn_pickle_machine *m, struct cnn_pickle_result *out)
{
    const size_t count = m->stored.count;
    struct cnn_pickle **stored = cnn_arena_array(m->arena, count + 1, sizeof *stored);
    if (!stored)
        return cnn_pickle_fail_memory(m);
    if (count > 0)
        memcpy(stored, m->stored.items, count * sizeof *stored);
    *out = (struct cnn_pickle_result){m->stack.items[0], m->at, stored, count};
    return CNN_OK;
}

cnn_status cnn_pickle_read(struct cnn_arena *arena, const struct cnn_pickle_source *source,
                           struct cnn_pickle_result *out, cnn_diag *diag)
{
    struct cnn_pickle_machine m = {.arena = arena, .source = source, .diag = diag};
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
