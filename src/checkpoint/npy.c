/* The .npy format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html. 6 bytes
 * of magic, 2 of version, the size of the header (2 bytes, from version 2.0 on 4), the header,
 * which is a Python dictionary in text, the numbers. */
#include "checkpoint/npy.h"

#include <string.h>

#include "util/allocate.h"
#include "util/arena.h"
#include "util/file.h"
#include "util/output.h"
#include "util/text.h"

#define NPY_MAGIC "\x93NUMPY"
enum { MAGIC_SIZE = 6, NPY_ALIGN = 64 };

struct npy_header {
    char dtype[32];
    bool fortran_order;
    size_t dims[CNN_NPY_MAX_RANK], rank;
    bool has_dtype, has_order, has_shape;
};

/* Python literals, as far as the header needs them. */
struct cursor {
    const char *at, *end;
};

/* Passes over spaces, then over token if it is next. */
static bool skip(struct cursor *c, const char *token)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\n'))
        c->at++;
    size_t length = strlen(token);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, token, length) != 0)
        return false;
    c->at += length;
    return true;
}

/* 'text' or "text" without escapes. */
static bool read_quoted(struct cursor *c, char *out, size_t size)
{
    const char *quote = skip(c, "'") ? "'" : skip(c, "\"") ? "\"" : NULL;
    if (!quote)
        return false;
    size_t length = 0;
    for (; c->at < c->end && *c->at != *quote; c->at++) {
        if (*c->at < ' ' || *c->at == '\\' || length + 1 >= size)
            return false;
        out[length++] = *c->at;
    }
    out[length] = '\0';
    return skip(c, quote);
}

static bool read_size(struct cursor *c, size_t *out)
{
    size_t value = 0;
    skip(c, "");
    const char *start = c->at;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (!cnn_size_mul(value, 10, &value) ||
            !cnn_size_add(value, (size_t)(*c->at - '0'), &value))
            return false;
    *out = value;
    return c->at > start;
}

/* (), (3,), (3, 4) */
static bool read_tuple(struct cursor *c, struct npy_header *header)
{
    if (!skip(c, "("))
        return false;
    while (!skip(c, ")")) {
        if (header->rank == CNN_NPY_MAX_RANK || !read_size(c, &header->dims[header->rank]))
            return false;
        header->rank++;
        if (!skip(c, ","))
            return skip(c, ")");
    }
    return true;
}

/* "shape": (3, 4) - any other key, or one twice, is refused. */
static bool read_entry(struct cursor *c, struct npy_header *header)
{
    char key[32];
    if (!read_quoted(c, key, sizeof key) || !skip(c, ":"))
        return false;
    if (strcmp(key, "descr") == 0 && !header->has_dtype) {
        header->has_dtype = true;
        if (!skip(c, "["))
            return read_quoted(c, header->dtype, sizeof header->dtype);
        strcpy(header->dtype, "a list of fields"); /* which is refused: nothing behind it matters */
        return false;
    }
    if (strcmp(key, "fortran_order") == 0 && !header->has_order) {
        header->has_order = true;
        header->fortran_order = skip(c, "True");
        return header->fortran_order || skip(c, "False");
    }
    if (strcmp(key, "shape") == 0 && !header->has_shape) {
        header->has_shape = true;
        return read_tuple(c, header);
    }
    return false;
}

static bool read_dictionary(struct cursor *c, struct npy_header *header)
{
    if (!skip(c, "{"))
        return false;
    while (!skip(c, "}")) {
        if (!read_entry(c, header))
            return false;
        if (!skip(c, ",")) {
            if (!skip(c, "}"))
                return false;
            break;
        }
    }
    return header->has_dtype && header->has_order && header->has_shape;
}

/* Where the numbers begin, and the header's text; false where the file has no such beginning. */
static bool find_header(const char *data, size_t size, struct cursor *out, size_t *numbers)
{
    if (size < MAGIC_SIZE + 2 || memcmp(data, NPY_MAGIC, MAGIC_SIZE) != 0)
        return false;
    unsigned char major = (unsigned char)data[MAGIC_SIZE];
    size_t width = major == 1 ? 2 : 4, start = MAGIC_SIZE + 2 + width, length = 0;
    if (major < 1 || major > 3 || size < start)
        return false;
    for (size_t i = width; i-- > 0;)
        length = length << 8 | (unsigned char)data[MAGIC_SIZE + 2 + i];
    if (length > size - start)
        return false;
    *out = (struct cursor){data + start, data + start + length};
    *numbers = start + length;
    return true;
}

static cnn_status check(const char *path, const char *data, size_t size, struct npy_header *header,
                        size_t *numbers, cnn_diag *diag)
{
    struct cursor cursor;
    if (!find_header(data, size, &cursor, numbers))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is no .npy file, or is cut short within its header (it has %zu bytes)",
                        path, size);
    bool understood = read_dictionary(&cursor, header);
    if (header->has_dtype && strcmp(header->dtype, "<f4") != 0) {
        cnn_fail(diag, CNN_FAILED, NULL, "%s holds numbers of type %s, not float32 (<f4)", path,
                 header->dtype);
        cnn_hint(diag, "in Python: np.save('%s', np.load('%s').astype('<f4'))", path, path);
        return CNN_FAILED;
    }
    if (!understood)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its header is damaged, or its array has more than %d dimensions", path,
                        CNN_NPY_MAX_RANK);
    if (header->fortran_order && header->rank > 1) {
        cnn_fail(diag, CNN_FAILED, NULL, "%s holds its numbers in Fortran order, not in C order",
                 path);
        cnn_hint(diag, "in Python: np.save('%s', np.ascontiguousarray(np.load('%s')))", path, path);
        return CNN_FAILED;
    }
    size_t expected = sizeof(float);
    for (size_t i = 0; i < header->rank; i++)
        if (!cnn_size_mul(expected, header->dims[i], &expected))
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: its header describes more numbers than memory can hold", path);
    if (expected != size - *numbers)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its shape asks for %zu bytes of numbers, but %zu follow the header%s",
                        path, expected, size - *numbers,
                        expected > size - *numbers ? ": it is cut short" : "");
    return CNN_OK;
}

cnn_status cnn_npy_read(const char *path, float **values, size_t *dims, size_t *rank,
                        cnn_diag *diag)
{
    char *data;
    size_t size, numbers = 0;
    cnn_status status = cnn_file_read(path, UINT32_MAX, &data, &size, diag);
    if (status != CNN_OK)
        return status;
    struct npy_header header = {0};
    status = check(path, data, size, &header, &numbers, diag);
    if (status != CNN_OK) {
        cnn_free(data);
        return status;
    }
    /* to the start of the allocation, which is aligned for floats */
    memmove(data, data + numbers, size - numbers);
    *values = (float *)(void *)data;
    memcpy(dims, header.dims, header.rank * sizeof *dims);
    *rank = header.rank;
    return CNN_OK;
}

/* Padded so that the numbers begin at a multiple of 64 bytes, as NumPy does. */
static void write_header(struct cnn_text *text, const size_t *dims, size_t rank)
{
    cnn_text_printf(text, "{'descr': '<f4', 'fortran_order': False, 'shape': (");
    for (size_t i = 0; i < rank; i++)
        cnn_text_printf(text, rank == 1 ? "%zu," : i > 0 ? ", %zu" : "%zu", dims[i]);
    cnn_text_printf(text, "), }");
    while ((MAGIC_SIZE + 4 + text->size + 1) % NPY_ALIGN != 0 && !text->failed)
        cnn_text_append(text, " ", 1);
    cnn_text_append(text, "\n", 1);
}

cnn_status cnn_npy_write(const char *path, const float *values, const size_t *dims, size_t rank,
                         cnn_diag *diag)
{
    if (!path || !values || (!dims && rank > 0))
        return cnn_fail_missing(diag, "cnn_npy_write", "path, values or dims");
    size_t bytes = sizeof(float);
    for (size_t i = 0; i < rank; i++)
        if (!cnn_size_mul(bytes, dims[i], &bytes))
            return cnn_fail(diag, CNN_INVALID, NULL,
                            "cannot write %s: its shape has more numbers than memory can hold",
                            path);
    struct cnn_text header = {0};
    struct cnn_writer *writer = NULL;
    write_header(&header, dims, rank);
    cnn_status status;
    if (header.failed)
        status = cnn_fail_memory(diag, NPY_ALIGN, path);
    else if (header.size > UINT16_MAX)
        status = cnn_fail(diag, CNN_INVALID, NULL, "cannot write %s: %zu dimensions are too many",
                          path, rank);
    else if ((status = cnn_output_replaces(path, CNN_OUTPUT_ARRAY, NULL, diag)) == CNN_OK)
        status = cnn_writer_open(path, &writer, diag);
    if (status == CNN_OK) {
        const unsigned char start[] = {0x93,
                                       'N',
                                       'U',
                                       'M',
                                       'P',
                                       'Y',
                                       1,
                                       0,
                                       (unsigned char)(header.size & 255),
                                       (unsigned char)(header.size >> 8)};
        cnn_writer_write(writer, start, sizeof start);
        cnn_writer_write(writer, header.data, header.size);
        cnn_writer_write(writer, values, bytes);
        status = cnn_writer_commit(writer, diag);
    }
    cnn_text_free(&header);
    return status;
}
