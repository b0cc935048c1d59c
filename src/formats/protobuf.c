/* Reading protocol buffers. Each message is walked twice: once to count what its repeated fields
 * hold, and once to fill the struct. A submessage is passed over in one step, so a file is walked
 * as often as it has levels. Nothing is read outside the message at hand, whose end lies within
 * that of the message around it. */
#include "formats/protobuf_internal.h"

#include <inttypes.h>
#include <string.h>

#include "util/text.h"

struct reader {
    struct cnn_arena *arena;
    const struct cnn_protobuf_file *file;
    cnn_diag *diag;
};

struct span { /* bytes [at, end) of the file */
    size_t at, end;
    const struct cnn_protobuf_message *message; /* that they are of */
    size_t depth;
};

struct item { /* one field as it stands in the file */
    size_t at;
    uint32_t number, wire;
    uint64_t value;     /* of VARINT, FIXED32, FIXED64 */
    size_t begin, size; /* of LENGTH */
};

static cnn_status __attribute__((format(printf, 4, 5)))
fail(const struct reader *r, const struct span *span, size_t at, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    cnn_status status = text.failed
                            ? cnn_fail_memory(r->diag, 100, r->file->name)
                            : cnn_fail(r->diag, CNN_FAILED, NULL, "%s: byte %zu, in a %s: %s",
                                       r->file->name, at, span->message->name, text.data);
    cnn_text_free(&text);
    return status;
}

static cnn_status read_varint(const struct reader *r, struct span *span, uint64_t *out)
{
    size_t begin = span->at;
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        if (span->at == span->end)
            return fail(r, span, begin, "a number is cut off by the end of what holds it");
        unsigned char byte = r->file->data[span->at++];
        if (shift < 64)
            value |= (uint64_t)(byte & 127) << shift;
        if (byte < 128) {
            *out = value;
            return CNN_OK;
        }
    }
    return fail(r, span, begin, "a number has more than ten bytes");
}

static cnn_status read_fixed(const struct reader *r, struct span *span, size_t size, uint64_t *out)
{
    if (span->end - span->at < size)
        return fail(r, span, span->at, "a number of %zu bytes is cut off", size);
    *out = cnn_protobuf_fixed(r->file->data + span->at, size);
    span->at += size;
    return CNN_OK;
}

static cnn_status read_length(const struct reader *r, struct span *span, struct item *item)
{
    uint64_t size;
    cnn_status status = read_varint(r, span, &size);
    if (status != CNN_OK)
        return status;
    if (size > span->end - span->at)
        return fail(r, span, item->at,
                    "field %" PRIu32 " has %" PRIu64 " bytes, but %zu are left of what holds it",
                    item->number, size, span->end - span->at);
    item->begin = span->at;
    item->size = (size_t)size;
    span->at += item->size;
    return CNN_OK;
}

static cnn_status next_item(const struct reader *r, struct span *span, struct item *item)
{
    uint64_t key;
    *item = (struct item){.at = span->at};
    cnn_status status = read_varint(r, span, &key);
    if (status != CNN_OK)
        return status;
    if (key >> 3 == 0 || key >> 3 > UINT32_MAX >> 3)
        return fail(r, span, item->at, "%" PRIu64 " is no number of a field", key >> 3);
    item->number = (uint32_t)(key >> 3);
    item->wire = key & 7;
    switch (item->wire) {
    case VARINT:
        return read_varint(r, span, &item->value);
    case FIXED64:
        return read_fixed(r, span, 8, &item->value);
    case FIXED32:
        return read_fixed(r, span, 4, &item->value);
    case LENGTH:
        return read_length(r, span, item);
    default:
        return fail(r, span, item->at,
                    "field %" PRIu32 " has wire type %" PRIu32
                    ", which is not used any more or means nothing",
                    item->number, item->wire);
    }
}

static const struct cnn_protobuf_field *find_field(const struct cnn_protobuf_message *message,
                                                   uint32_t number)
{
    for (const struct cnn_protobuf_field *f = message->fields; f->number > 0; f++)
        if (f->number == number)
            return f;
    return NULL;
}

/* How many values of the field the item holds. */
static cnn_status count_values(const struct reader *r, const struct span *span,
                               const struct cnn_protobuf_field *field, const struct item *item,
                               size_t *count)
{
    uint32_t wire = cnn_protobuf_wire(field->kind);
    *count = 1;
    if (item->wire == wire)
        return CNN_OK;
    if (item->wire != LENGTH || !field->repeated)
        return fail(r, span, item->at, "field %" PRIu32 " has wire type %" PRIu32 ", not %" PRIu32,
                    item->number, item->wire, wire);
    size_t width = wire == FIXED32 ? 4 : 8;
    if (wire != VARINT && item->size % width != 0)
        return fail(r, span, item->at,
                    "field %" PRIu32 " has %zu bytes, no whole number of values of %zu bytes",
                    item->number, item->size, width);
    *count = item->size / width;
    if (wire == VARINT) {
        *count = 0;
        for (size_t i = 0; i < item->size; i++)
            *count += r->file->data[item->begin + i] < 128;
    }
    return CNN_OK;
}

static cnn_status read_message(const struct reader *r, struct span span, void *out);

static void store_number(enum cnn_protobuf_kind kind, uint64_t bits, void *to)
{
    if (kind == CNN_PROTOBUF_FLOAT) {
        uint32_t half = (uint32_t)bits;
        memcpy(to, &half, sizeof half);
    } else {
        memcpy(to, &bits, sizeof bits);
    }
}

static cnn_status store_text(const struct reader *r, const struct span *span,
                             const struct item *item, const char **to)
{
    const char *text = (const char *)r->file->data + item->begin;
    if (memchr(text, '\0', item->size) || !cnn_utf8_valid(text, item->size))
        return fail(r, span, item->at, "field %" PRIu32 " is no UTF-8 text", item->number);
    *to = cnn_arena_strndup(r->arena, text, item->size);
    return *to ? CNN_OK : cnn_fail_memory(r->diag, item->size, r->file->name);
}

/* item, which holds one value of the field, into `to`. */
static cnn_status store(const struct reader *r, const struct span *span,
                        const struct cnn_protobuf_field *field, const struct item *item, void *to)
{
    struct span inside = {item->begin, item->begin + item->size, field->message, span->depth + 1};
    switch (field->kind) {
    case CNN_PROTOBUF_TEXT:
        return store_text(r, span, item, to);
    case CNN_PROTOBUF_BYTES:
        *(struct cnn_protobuf_bytes *)to =
            (struct cnn_protobuf_bytes){r->file->data + item->begin, item->size};
        return CNN_OK;
    case CNN_PROTOBUF_SUBMESSAGE:
        return read_message(r, inside, to);
    default:
        store_number(field->kind, item->value, to);
        return CNN_OK;
    }
}

/* Appends what the item holds to the list, which has room. */
static cnn_status append(const struct reader *r, const struct span *span,
                         const struct cnn_protobuf_field *field, const struct item *item,
                         struct cnn_protobuf_list *list)
{
    size_t size = cnn_protobuf_element(field);
    uint32_t wire = cnn_protobuf_wire(field->kind);
    char *items = (char *)(uintptr_t)list->items;
    if (item->wire == wire)
        return store(r, span, field, item, items + size * list->count++);
    struct span packed = {item->begin, item->begin + item->size, span->message, span->depth};
    while (packed.at < packed.end) {
        uint64_t bits;
        cnn_status status = wire == VARINT ? read_varint(r, &packed, &bits)
                                           : read_fixed(r, &packed, wire == FIXED32 ? 4 : 8, &bits);
        if (status != CNN_OK)
            return status;
        store_number(field->kind, bits, items + size * list->count++);
    }
    return CNN_OK;
}

/* A submessage has a struct of its own behind the pointer. */
static cnn_status store_single(const struct reader *r, const struct span *span,
                               const struct cnn_protobuf_field *field, const struct item *item,
                               void *member)
{
    if (field->kind != CNN_PROTOBUF_SUBMESSAGE)
        return store(r, span, field, item, member);
    void **pointer = member;
    if (*pointer)
        return fail(r, span, item->at, "field %" PRIu32 " is given a second time", item->number);
    *pointer = cnn_arena_alloc(r->arena, field->message->size);
    return *pointer ? store(r, span, field, item, *pointer)
                    : cnn_fail_memory(r->diag, field->message->size, r->file->name);
}

/* Counts the values of repeated fields into their lists. */
static cnn_status count_lists(const struct reader *r, struct span span, char *out)
{
    while (span.at < span.end) {
        struct item item;
        size_t count;
        cnn_status status = next_item(r, &span, &item);
        const struct cnn_protobuf_field *field =
            status == CNN_OK ? find_field(span.message, item.number) : NULL;
        if (field)
            status = count_values(r, &span, field, &item, &count);
        if (status != CNN_OK)
            return status;
        if (field && field->repeated)
            ((struct cnn_protobuf_list *)(void *)(out + field->at))->count += count;
    }
    return CNN_OK;
}

static cnn_status allocate_lists(const struct reader *r, const struct span *span, char *out)
{
    for (const struct cnn_protobuf_field *f = span->message->fields; f->number > 0; f++) {
        if (!f->repeated)
            continue;
        struct cnn_protobuf_list *list = (void *)(out + f->at);
        if (list->count > 0 &&
            !(list->items = cnn_arena_array(r->arena, list->count, cnn_protobuf_element(f))))
            return cnn_fail_memory(r->diag, list->count * cnn_protobuf_element(f), r->file->name);
        list->count = 0;
    }
    return CNN_OK;
}

static cnn_status read_message(const struct reader *r, struct span span, void *out)
{
    if (span.depth > CNN_PROTOBUF_DEPTH)
        return fail(r, &span, span.at, "more than %d messages within each other",
                    CNN_PROTOBUF_DEPTH);
    *(size_t *)out = span.at;
    cnn_status status = count_lists(r, span, out);
    if (status == CNN_OK)
        status = allocate_lists(r, &span, out);
    while (status == CNN_OK && span.at < span.end) {
        struct item item;
        status = next_item(r, &span, &item);
        const struct cnn_protobuf_field *field =
            status == CNN_OK ? find_field(span.message, item.number) : NULL;
        if (!field)
            continue;
        void *member = (char *)out + field->at;
        status = field->repeated ? append(r, &span, field, &item, member)
                                 : store_single(r, &span, field, &item, member);
    }
    return status;
}

cnn_status cnn_protobuf_read(struct cnn_arena *arena, const struct cnn_protobuf_file *file,
                             const struct cnn_protobuf_message *message, void **out, cnn_diag *diag)
{
    const struct reader reader = {arena, file, diag};
    void *root = cnn_arena_alloc(arena, message->size);
    if (!root)
        return cnn_fail_memory(diag, message->size, file->name);
    cnn_status status = read_message(&reader, (struct span){0, file->size, message, 1}, root);
    if (status == CNN_OK)
        *out = root;
    return status;
}
