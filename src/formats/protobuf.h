/* Protocol buffers, the encoding that ONNX and Caffe files have: a reader and a writer that are
 * driven by the same tables of fields. The format:
 * https://protobuf.dev/programming-guides/encoding/ */
#ifndef CNN_FORMATS_PROTOBUF_H
#define CNN_FORMATS_PROTOBUF_H

#include "util/arena.h"
#include "util/diag.h"

#define CNN_PROTOBUF_DEPTH 32 /* messages within messages, at most */

enum cnn_protobuf_kind {                      /* and the type of the member that holds it */
                         CNN_PROTOBUF_INT,    /* int64_t: varints (int32, int64, uint64, bool,
                                                 enumerations) */
                         CNN_PROTOBUF_FLOAT,  /* float */
                         CNN_PROTOBUF_DOUBLE, /* double */
                         CNN_PROTOBUF_TEXT,   /* const char *: UTF-8 without NUL, copied; NULL where
                                                 absent */
                         CNN_PROTOBUF_BYTES,  /* struct cnn_protobuf_bytes: they stay where they are
                                               */
                         CNN_PROTOBUF_SUBMESSAGE /* pointer to its struct; NULL where absent */
};

struct cnn_protobuf_bytes {
    const unsigned char *data; /* NULL where absent */
    size_t size;
};

/* What a repeated field becomes: an array of the type above, of submessages an array of their
 * structs. */
struct cnn_protobuf_list {
    const void *items;
    size_t count;
};

struct cnn_protobuf_message;

struct cnn_protobuf_field {
    uint32_t number; /* 0 ends the table */
    enum cnn_protobuf_kind kind;
    bool repeated;
    size_t at;                                  /* offset in the struct */
    const struct cnn_protobuf_message *message; /* of a submessage */
    /* The field is written where the INT at this offset is choice, whatever its value; 0: wherever
     * it is not 0, empty or NULL. */
    size_t chooser;
    int64_t choice;
};

/* Its struct begins with a size_t, which receives the place of the message: its first byte, counted
 * from the beginning of the file. */
struct cnn_protobuf_message {
    const char *name; /* for errors: "NodeProto" */
    size_t size;      /* of the struct */
    const struct cnn_protobuf_field *fields;
};

struct cnn_protobuf_file {
    const char *name; /* for errors */
    const unsigned char *data;
    size_t size;
};

/* A number of so many bytes (8 at most), the lowest first. */
static inline uint64_t cnn_protobuf_fixed(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

/* Reads the whole file as one message. *out and what it points to are in arena, but for bytes,
 * which are in file->data. Fields may come in any order, repeated numbers packed or not; unknown
 * fields are passed over; of a number or text that is given again the last counts. Errors
 * (CNN_FAILED) name the byte and the message: a length beyond the end of the message that holds it,
 * a varint without an end, a wire type that the field cannot have, groups, text that is no UTF-8, a
 * submessage that is given twice, more than CNN_PROTOBUF_DEPTH levels. */
cnn_status cnn_protobuf_read(struct cnn_arena *arena, const struct cnn_protobuf_file *file,
                             const struct cnn_protobuf_message *message, void **out,
                             cnn_diag *diag);

/* The bytes that a message takes whose struct is `from`; SIZE_MAX where they do not fit. */
size_t cnn_protobuf_size(const struct cnn_protobuf_message *message, const void *from);
/* Writes so many bytes; returns their end. The same struct gives the same bytes. */
unsigned char *cnn_protobuf_write(const struct cnn_protobuf_message *message, const void *from,
                                  unsigned char *out);

#endif
