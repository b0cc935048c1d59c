/* Writing protocol buffers: the size of each message first, for it stands before its bytes. */
#include <string.h>

#include "formats/protobuf_internal.h"

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value > 127; value >>= 7)
        size++;
    return size;
}

static unsigned char *write_varint(uint64_t value, unsigned char *out)
{
    for (; value > 127; value >>= 7)
        *out++ = (unsigned char)(value | 128);
    *out++ = (unsigned char)value;
    return out;
}

static unsigned char *write_fixed(uint64_t value, size_t size, unsigned char *out)
{
    for (size_t i = 0; i < size; i++)
        *out++ = (unsigned char)(value >> (8 * i));
    return out;
}

/* The bits of a number; `at` is its member. */
static uint64_t bits_of(enum cnn_protobuf_kind kind, const void *at)
{
    uint64_t bits = 0;
    uint32_t half;
    if (kind == CNN_PROTOBUF_FLOAT) {
        memcpy(&half, at, sizeof half);
        return half;
    }
    memcpy(&bits, at, sizeof bits);
    return bits;
}

/* What a field of a length holds, without that length. */
static size_t content_size(const struct cnn_protobuf_field *field, const void *at)
{
    switch (field->kind) {
    case CNN_PROTOBUF_TEXT:
        return strlen(*(const char *const *)at);
    case CNN_PROTOBUF_BYTES:
        return ((const struct cnn_protobuf_bytes *)at)->size;
    default:
        return cnn_protobuf_size(field->message, at);
    }
}

static size_t value_size(const struct cnn_protobuf_field *field, const void *at)
{
    const size_t key = varint_size((uint64_t)field->number << 3);
    switch (cnn_protobuf_wire(field->kind)) {
    case VARINT:
        return key + varint_size(bits_of(field->kind, at));
    case FIXED32:
        return key + 4;
    case FIXED64:
        return key + 8;
    default:
        break;
    }
    size_t size = content_size(field, at), whole;
    return cnn_size_add(size, key + varint_size(size), &whole) ? whole : SIZE_MAX;
}

static unsigned char *write_value(const struct cnn_protobuf_field *field, const void *at,
                                  unsigned char *out)
{
    const uint32_t wire = cnn_protobuf_wire(field->kind);
    out = write_varint((uint64_t)field->number << 3 | wire, out);
    if (wire == VARINT)
        return write_varint(bits_of(field->kind, at), out);
    if (wire != LENGTH)
        return write_fixed(bits_of(field->kind, at), wire == FIXED32 ? 4 : 8, out);
    size_t size = content_size(field, at);
    out = write_varint(size, out);
    if (field->kind == CNN_PROTOBUF_SUBMESSAGE)
        return cnn_protobuf_write(field->message, at, out);
    const void *bytes = field->kind == CNN_PROTOBUF_TEXT
                            ? *(const void *const *)at
                            : ((const struct cnn_protobuf_bytes *)at)->data;
    if (size > 0)
        memcpy(out, bytes, size);
    return out + size;
}

/* Whether a field that is not repeated is there. */
static bool is_there(const struct cnn_protobuf_field *field, const char *from)
{
    int64_t chosen;
    if (field->chooser == 0)
        switch (field->kind) {
        case CNN_PROTOBUF_TEXT:
        case CNN_PROTOBUF_SUBMESSAGE:
            return *(const void *const *)(const void *)(from + field->at) != NULL;
        case CNN_PROTOBUF_BYTES:
            return ((const struct cnn_protobuf_bytes *)(const void *)(from + field->at))->data;
        default:
            return bits_of(field->kind, from + field->at) != 0;
        }
    memcpy(&chosen, from + field->chooser, sizeof chosen);
    return chosen == field->choice;
}

/* The values of a field, one after another: *count of them, element bytes apart. */
static const char *values_of(const struct cnn_protobuf_field *field, const char *from,
                             size_t *count)
{
    const char *at = from + field->at;
    if (field->repeated) {
        const struct cnn_protobuf_list *list = (const void *)at;
        *count = list->count;
        return list->items;
    }
    *count = is_there(field, from);
    return field->kind == CNN_PROTOBUF_SUBMESSAGE && *count ? *(const char *const *)(const void *)at
                                                            : at;
}

size_t cnn_protobuf_size(const struct cnn_protobuf_message *message, const void *from)
{
    size_t size = 0, count;
    for (const struct cnn_protobuf_field *f = message->fields; f->number > 0; f++) {
        const char *values = values_of(f, from, &count);
        for (size_t i = 0; i < count; i++)
            if (!cnn_size_add(size, value_size(f, values + i * cnn_protobuf_element(f)), &size))
                return SIZE_MAX;
    }
    return size;
}

unsigned char *cnn_protobuf_write(const struct cnn_protobuf_message *message, const void *from,
                                  unsigned char *out)
{
    size_t count;
    for (const struct cnn_protobuf_field *f = message->fields; f->number > 0; f++) {
        const char *values = values_of(f, from, &count);
        for (size_t i = 0; i < count; i++)
            out = write_value(f, values + i * cnn_protobuf_element(f), out);
    }
    return out;
}
