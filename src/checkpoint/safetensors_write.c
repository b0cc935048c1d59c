/* Writing safetensors files: the header's JSON in the order given, so that the same input gives the
 * same bytes. It is made in one text whose failure sticks: want of memory can leave out no part. */
#include <assert.h>
#include <string.h>

#include "checkpoint/safetensors_internal.h"
#include "util/file.h"
#include "util/text.h"

/* Whether every text can stand in JSON; a message for the first that cannot. */
static cnn_status check_texts(const char *path, const struct cnn_stored_tensor *tensors,
                              size_t tensor_count, const struct cnn_stored_pair *pairs,
                              size_t pair_count, cnn_diag *diag)
{
    const char *wrong = NULL;
    for (size_t i = 0; i < pair_count && !wrong; i++)
        if (!cnn_utf8_valid(pairs[i].key, strlen(pairs[i].key)) ||
            !cnn_utf8_valid(pairs[i].value, strlen(pairs[i].value)))
            wrong = pairs[i].key;
    for (size_t i = 0; i < tensor_count && !wrong; i++)
        if (!cnn_utf8_valid(tensors[i].name, strlen(tensors[i].name)))
            wrong = tensors[i].name;
    return wrong ? cnn_fail(diag, CNN_FAILED, NULL,
                            "cannot write %s: the text of '%s' is not valid UTF-8", path, wrong)
                 : CNN_OK;
}

/* A checksum among the pairs belonged to the file they were read from: it is left out, this file
 * gets its own. */
static void add_metadata(struct cnn_text *header, const struct cnn_stored_pair *pairs, size_t count,
                         const char *checksum)
{
    cnn_text_printf(header, "{\"__metadata__\":{");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(pairs[i].key, CNN_CHECKSUM_KEY) == 0)
            continue;
        cnn_text_json_string(header, pairs[i].key);
        cnn_text_append(header, ":", 1);
        cnn_text_json_string(header, pairs[i].value);
        cnn_text_append(header, ",", 1);
    }
    cnn_text_printf(header, "\"%s\":\"%s\"}", CNN_CHECKSUM_KEY, checksum);
}

static void add_tensor(struct cnn_text *header, const struct cnn_stored_tensor *t, size_t begin)
{
    assert(t->bytes == t->count * cnn_dtype_bytes(t->dtype));
    cnn_text_append(header, ",", 1);
    cnn_text_json_string(header, t->name);
    cnn_text_printf(header, ":{\"dtype\":\"%s\",\"shape\":[", t->dtype);
    for (size_t i = 0; i < t->rank; i++)
        cnn_text_printf(header, "%s%zu", i > 0 ? "," : "", t->dims[i]);
    cnn_text_printf(header, "],\"data_offsets\":[%zu,%zu]}", begin, begin + t->bytes);
}

static cnn_status write_file(const char *path, const struct cnn_text *header,
                             const struct cnn_stored_tensor *tensors, size_t tensor_count,
                             cnn_diag *diag)
{
    size_t size = header->size, padding = (8 - size % 8) % 8;
    unsigned char size_bytes[8];
    for (size_t i = 0; i < 8; i++)
        size_bytes[i] = (unsigned char)((uint64_t)(size + padding) >> (8 * i));
    struct cnn_writer *writer;
    cnn_status status = cnn_writer_open(path, &writer, diag);
    if (status != CNN_OK)
        return status;
    cnn_writer_write(writer, size_bytes, sizeof size_bytes);
    cnn_writer_write(writer, header->data, size);
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
    struct cnn_text header = {0};
    size_t begin = 0;
    cnn_status status = check_texts(path, tensors, tensor_count, metadata, metadata_count, diag);
    if (status != CNN_OK)
        return status;
    cnn_tensors_checksum(tensors, tensor_count, checksum);
    add_metadata(&header, metadata, metadata_count, checksum);
    for (size_t i = 0; i < tensor_count; i++) {
        add_tensor(&header, &tensors[i], begin);
        begin += tensors[i].bytes;
    }
    cnn_text_append(&header, "}", 1);
    if (header.failed)
        status = cnn_fail_memory(diag, header.size, path);
    else if (header.size > CNN_SAFETENSORS_MAX_HEADER - 8)
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "cannot write %s: its header would have %zu bytes, at most %u are read",
                          path, header.size, CNN_SAFETENSORS_MAX_HEADER);
    else
        status = write_file(path, &header, tensors, tensor_count, diag);
    cnn_text_free(&header);
    return status;
}
