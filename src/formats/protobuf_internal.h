/* What reading and writing protocol buffers share. */
#ifndef CNN_FORMATS_PROTOBUF_INTERNAL_H
#define CNN_FORMATS_PROTOBUF_INTERNAL_H

#include "formats/protobuf.h"

enum { VARINT = 0, FIXED64 = 1, LENGTH = 2, FIXED32 = 5 }; /* wire types */

/* Of one value in a list. */
static inline size_t cnn_protobuf_element(const struct cnn_protobuf_field *field)
{
    switch (field->kind) {
    case CNN_PROTOBUF_INT:
        return sizeof(int64_t);
    case CNN_PROTOBUF_FLOAT:
        return sizeof(float);
    case CNN_PROTOBUF_DOUBLE:
        return sizeof(double);
    case CNN_PROTOBUF_TEXT:
        return sizeof(const char *);
    case CNN_PROTOBUF_BYTES:
        return sizeof(struct cnn_protobuf_bytes);
    case CNN_PROTOBUF_SUBMESSAGE:
        return field->message->size;
    }
    return 0;
}

static inline uint32_t cnn_protobuf_wire(enum cnn_protobuf_kind kind)
{
    return kind == CNN_PROTOBUF_INT      ? VARINT
           : kind == CNN_PROTOBUF_FLOAT  ? FIXED32
           : kind == CNN_PROTOBUF_DOUBLE ? FIXED64
                                         : LENGTH;
}

#endif
