/* Writing safetensors files: the header by jansson in the order given, so that the same input gives
 * the same bytes. */
#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/safetensors_internal.h"
#include "util/file.h"

static cnn_status fail_text(cnn_diag *diag, const char *path, const char *text)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: the text of '%s' is not valid UTF-8",
                    path, text);
}

/* A checksum among the pairs belonged to the file they were read from: it is left out, this file
 * gets its own. */
static json_t *metadata_json(const char *path, const struct cnn_stored_pair *pairs, size_t count,
                             const char *checksum, cnn_diag *diag)
{
    json_t *metadata = json_object();
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, CNN_CHECKSUM_KEY) == 0)
            continue;
        assert(!json_object_get(metadata, pairs[i].key));
        if (json_object_set_new(metadata, pairs[i].key, json_string(pairs[i].value)) != 0) {
            fail_text(diag, path, pairs[i].key);
            json_decref(metadata);
            return NULL;
        }
    }
    if (json_object_set_new(metadata, CNN_CHECKSUM_KEY, json_string(checksum)) != 0) {
        cnn_fail_memory(diag, CNN_CHECKSUM_SIZE, "metadata");
        json_decref(metadata);
        return NULL;
    }
    return metadata;
}

static json_t *tensor_json(const struct cnn_stored_tensor *t, size_t begin)
{
    json_t *shape = json_array();
    for (size_t i = 0; i < t->rank; i++)
        json_array_append_new(shape, json_integer((json_int_t)t->dims[i]));
    return json_pack("{s:s, s:o, s:[I, I]}", "dtype", t->dtype, "shape", shape, "data_offsets",
                     (json_int_t)begin, (json_int_t)(begin + t->bytes));
}

static json_t *header_json(const char *path, const struct cnn_stored_tensor *tensors,
                           size_t tensor_count, json_t *metadata, cnn_diag *diag)
{
    json_t *header = json_object();
    if (json_object_set_new(header, "__metadata__", metadata) != 0) {
        cnn_fail_memory(diag, CNN_CHECKSUM_SIZE, "metadata");
        json_decref(header);
        return NULL;
    }
    size_t begin = 0;
    for (size_t i = 0; i < tensor_count; i++) {
        assert(tensors[i].bytes == tensors[i].count * cnn_dtype_bytes(tensors[i].dtype));
        assert(!json_object_get(header, tensors[i].name));
        if (json_object_set_new(header, tensors[i].name, tensor_json(&tensors[i], begin)) != 0) {
            fail_text(diag, path, tensors[i].name);
            json_decref(header);
            return NULL;
        }
        begin += tensors[i].bytes;
    }
    return header;
}

static cnn_status write_file(const char *path, const char *header,
                             const struct cnn_stored_tensor *tensors, size_t tensor_count,
                             cnn_diag *diag)
{
    size_t size = strlen(header), padding = (8 - size % 8) % 8;
    unsigned char size_bytes[8];
    for (size_t i = 0; i < 8; i++)
        size_bytes[i] = (unsigned char)((uint64_t)(size + padding) >> (8 * i));
    struct cnn_writer *writer;
    cnn_status status = cnn_writer_open(path, &writer, diag);
    if (status != CNN_OK)
        return status;
    cnn_writer_write(writer, size_bytes, sizeof size_bytes);
    cnn_writer_write(writer, header, size);
    cnn_writer_write(writer, "       ", padding);
    for (size_t i = 0; i < tensor_count; i++)
        cnn_writer_write(writer, tensors[i].data, tensors[i].bytes);
    return cnn_writer_commit(writer, diag);
}

cnn_status cnn_safetensors_write(const char *path, const struct cnn_stored_tensor *tensors,
                                 size_t tensor_count, const struct cnn_stored_pair *metadata,
                                 size_t metadata_count, cnn_diag *diag)
{
    char checksum[CNN_CHECKSUM_SIZE];
    cnn_tensors_checksum(tensors, tensor_count, checksum);
    json_t *pairs = metadata_json(path, metadata, metadata_count, checksum, diag);
    json_t *header = pairs ? header_json(path, tensors, tensor_count, pairs, diag) : NULL;
    if (!header)
        return CNN_FAILED;
    char *text = json_dumps(header, JSON_COMPACT);
    json_decref(header);
    cnn_status status;
    if (!text)
        status = cnn_fail_memory(diag, tensor_count * 128, path);
    else if (strlen(text) > CNN_SAFETENSORS_MAX_HEADER - 8)
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "cannot write %s: its header would have %zu bytes, at most %u are read",
                          path, strlen(text), CNN_SAFETENSORS_MAX_HEADER);
    else
        status = write_file(path, text, tensors, tensor_count, diag);
    free(text);
    return status;
}
