/* The numbers of ONNX tensors: in raw bytes, in fields of their type, or in another file beside the
 * model's (docs/ExternalData.md of ONNX). */
#define _GNU_SOURCE /* openat, O_NOFOLLOW */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "formats/onnx_internal.h"
#include "util/allocate.h"
#include "util/small_float.h"

static const struct {
    const char *name;
    size_t bytes; /* 0: not read */
    bool whole;
} types[] = {[CNN_ONNX_FLOAT] = {"float", 4, false},      [CNN_ONNX_UINT8] = {"uint8", 1, true},
             [CNN_ONNX_INT8] = {"int8", 1, true},         [CNN_ONNX_UINT16] = {"uint16", 2, true},
             [CNN_ONNX_INT16] = {"int16", 2, true},       [CNN_ONNX_INT32] = {"int32", 4, true},
             [CNN_ONNX_INT64] = {"int64", 8, true},       [CNN_ONNX_BOOL] = {"bool", 1, true},
             [CNN_ONNX_FLOAT16] = {"float16", 2, false},  [CNN_ONNX_DOUBLE] = {"double", 8, false},
             [CNN_ONNX_UINT32] = {"uint32", 4, true},     [CNN_ONNX_UINT64] = {"uint64", 8, true},
             [CNN_ONNX_BFLOAT16] = {"bfloat16", 2, false}};

static bool is_read(int64_t type)
{
    return type > 0 && type < (int64_t)(sizeof types / sizeof *types) && types[type].bytes > 0;
}

const char *cnn_onnx_type_name(int64_t type)
{
    static _Thread_local char other[32];
    if (is_read(type))
        return types[type].name;
    snprintf(other, sizeof other, "type %" PRId64, type);
    return other;
}

bool cnn_onnx_type_whole(int64_t type)
{
    return is_read(type) && types[type].whole;
}

static cnn_status fail(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                       cnn_diag *diag, const char *what)
{
    return cnn_fail(diag, CNN_FAILED, NULL, "%s: byte %zu: tensor '%s' %s", file->name, tensor->at,
                    tensor->name ? tensor->name : "", what);
}

cnn_status cnn_onnx_tensor_shape(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                 size_t *rank, size_t *dims, size_t *count, cnn_diag *diag)
{
    const int64_t *sizes = tensor->dims.items;
    *count = 1;
    *rank = tensor->dims.count;
    if (!is_read(tensor->data_type))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s: byte %zu: tensor '%s' has elements of %s, which are not read",
                        file->name, tensor->at, tensor->name ? tensor->name : "",
                        cnn_onnx_type_name(tensor->data_type));
    if (*rank > CNN_ONNX_MAX_RANK)
        return fail(file, tensor, diag, "has more than 8 dimensions");
    for (size_t i = 0; i < *rank; i++) {
        if (sizes[i] < 0 || (uint64_t)sizes[i] > CNN_ONNX_MAX_COUNT)
            return fail(file, tensor, diag, "has a size below 0, or of more than 2^28");
        dims[i] = (size_t)sizes[i];
        if (!cnn_size_mul(*count, dims[i], count) || *count > CNN_ONNX_MAX_COUNT)
            return fail(file, tensor, diag, "has more than 2^28 numbers");
    }
    return CNN_OK;
}

static double decode(int64_t type, uint64_t bits)
{
    float single;
    double real;
    uint32_t low = (uint32_t)bits;
    switch (type) {
    case CNN_ONNX_FLOAT:
        memcpy(&single, &low, sizeof single);
        return (double)single;
    case CNN_ONNX_DOUBLE:
        memcpy(&real, &bits, sizeof real);
        return real;
    case CNN_ONNX_FLOAT16:
        return cnn_small_float(low & 0xffff, 5, 10);
    case CNN_ONNX_BFLOAT16:
        return cnn_small_float(low & 0xffff, 8, 7);
    case CNN_ONNX_BOOL:
        return (bits & 0xff) != 0;
    case CNN_ONNX_INT8:
        return (int8_t)(uint8_t)bits;
    case CNN_ONNX_INT16:
        return (int16_t)(uint16_t)bits;
    case CNN_ONNX_INT32:
        return (int32_t)low;
    case CNN_ONNX_INT64:
        return (double)(int64_t)bits;
    case CNN_ONNX_UINT8:
        return (uint8_t)bits;
    case CNN_ONNX_UINT16:
        return (uint16_t)bits;
    case CNN_ONNX_UINT32:
        return low;
    default:
        return (double)bits;
    }
}

static void decode_bytes(int64_t type, const unsigned char *bytes, size_t count, double *values)
{
    size_t size = types[type].bytes;
    for (size_t i = 0; i < count; i++)
        values[i] = decode(type, cnn_protobuf_fixed(bytes + i * size, size));
}

/* The typed fields: int32_data holds the bits of all that is smaller, of floats of 16 bits, too. */
static cnn_status read_fields(const struct cnn_onnx *file, const struct cnn_onnx_tensor *t,
                              size_t count, double *values, cnn_diag *diag)
{
    const bool is_float = t->data_type == CNN_ONNX_FLOAT, real = t->data_type == CNN_ONNX_DOUBLE;
    const bool is_unsigned = t->data_type == CNN_ONNX_UINT32 || t->data_type == CNN_ONNX_UINT64;
    const struct cnn_protobuf_list *list = is_float                         ? &t->float_data
                                           : real                           ? &t->double_data
                                           : is_unsigned                    ? &t->uint64_data
                                           : t->data_type == CNN_ONNX_INT64 ? &t->int64_data
                                                                            : &t->int32_data;
    if (list->count != count)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: byte %zu: tensor '%s' has %zu numbers of %s, and its shape wants %zu",
                        file->name, t->at, t->name ? t->name : "", list->count,
                        cnn_onnx_type_name(t->data_type), count);
    for (size_t i = 0; values && i < count; i++)
        values[i] = is_float ? (double)((const float *)list->items)[i]
                    : real   ? ((const double *)list->items)[i]
                             : decode(t->data_type, (uint64_t)((const int64_t *)list->items)[i]);
    return CNN_OK;
}

/* ---- External data ---- */

struct place {
    const char *location;
    uint64_t offset, length;
    bool has_length;
};

static bool read_decimal(const char *text, uint64_t *out)
{
    char *end;
    if (!text || *text < '0' || *text > '9')
        return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == '\0' && errno == 0;
}

static cnn_status read_place(const struct cnn_onnx *file, const struct cnn_onnx_tensor *t,
                             struct place *place, cnn_diag *diag)
{
    const struct cnn_onnx_pair *pairs = t->external_data.items;
    *place = (struct place){0};
    for (size_t i = 0; i < t->external_data.count; i++) {
        const char *key = pairs[i].key ? pairs[i].key : "";
        bool right = true;
        if (strcmp(key, "location") == 0)
            place->location = pairs[i].value;
        else if (strcmp(key, "offset") == 0)
            right = read_decimal(pairs[i].value, &place->offset);
        else if (strcmp(key, "length") == 0)
            right = place->has_length = read_decimal(pairs[i].value, &place->length);
        if (!right)
            return fail(file, t, diag,
                        "has an offset or length of external data that is no number");
    }
    if (!place->location || !*place->location)
        return fail(file, t, diag, "has external data without a location");
    return CNN_OK;
}

/* One step down: a folder where more of the path follows, else a file. */
static int open_below(int folder, const char *name, bool more)
{
    int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;
    return openat(folder, name, more ? flags | O_DIRECTORY : flags);
}

static bool is_inside(const char *location)
{
    if (*location == '/')
        return false;
    for (const char *part = location; part; part = strchr(part, '/')) {
        part += *part == '/';
        if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
            return false;
    }
    return true;
}

static int open_path(const char *folder, char *location)
{
    int fd = open(folder, O_RDONLY | O_CLOEXEC | O_DIRECTORY);
    for (char *part = location; fd >= 0 && part;) {
        char *slash = strchr(part, '/');
        if (slash)
            *slash = '\0';
        int below = *part ? open_below(fd, part, slash != NULL) : fd;
        int error = errno;
        if (below != fd)
            close(fd);
        errno = error;
        fd = below;
        part = slash ? slash + 1 : NULL;
    }
    return fd;
}

/* Opens what an external tensor names, below the file's folder, without following links; a
 * descriptor, or -1 and a message. */
static int open_external(const struct cnn_onnx_opened *file, const char *location,
                         const struct cnn_onnx_tensor *tensor, unsigned long long *size,
                         cnn_diag *diag)
{
    struct stat info;
    if (!file->folder || !is_inside(location)) {
        fail(&file->public, tensor, diag,
             file->folder ? "has external data outside the folder of the file, which are not read"
                          : "has external data, and the file that names them is in memory");
        return -1;
    }
    char *copy = cnn_strdup(location);
    int fd = copy ? open_path(file->folder, copy) : -1;
    if (!copy)
        cnn_fail_memory(diag, strlen(location), location);
    else if (fd < 0)
        cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s' is in '%s', which cannot be read: %s",
                 file->public.name, tensor->name ? tensor->name : "", location,
                 errno == ELOOP || errno == ENOTDIR ? "it is reached by a link" : strerror(errno));
    cnn_free(copy);
    if (fd >= 0 && (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode))) {
        fail(&file->public, tensor, diag, "has external data in something that is not a file");
        close(fd);
        return -1;
    }
    if (fd >= 0)
        *size = (unsigned long long)info.st_size;
    return fd;
}

static bool read_at(int fd, unsigned char *bytes, size_t size, uint64_t offset)
{
    while (size > 0) {
        ssize_t got = pread(fd, bytes, size < 1u << 30 ? size : 1u << 30, (off_t)offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return false;
        bytes += got;
        size -= (size_t)got;
        offset += (uint64_t)got;
    }
    return true;
}

static cnn_status read_external(const struct cnn_onnx_opened *file, const struct cnn_onnx_tensor *t,
                                size_t count, double *values, cnn_diag *diag)
{
    struct place place;
    unsigned long long available;
    size_t size = count * types[t->data_type].bytes;
    cnn_status status = read_place(&file->public, t, &place, diag);
    if (status != CNN_OK)
        return status;
    if (place.has_length && place.length != size)
        return fail(&file->public, t, diag, "has external data of a length that its shape denies");
    int fd = open_external(file, place.location, t, &available, diag);
    if (fd < 0)
        return CNN_FAILED;
    unsigned char *bytes = NULL;
    if (place.offset > available || size > available - place.offset)
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "%s: tensor '%s' has %zu bytes at byte %" PRIu64
                          " of '%s', which ends at %llu",
                          file->public.name, t->name ? t->name : "", size, place.offset,
                          place.location, available);
    else if (!values)
        status = CNN_OK;
    else if (!(bytes = cnn_malloc(size + 1)))
        status = cnn_fail_memory(diag, size, place.location);
    else if (!read_at(fd, bytes, size, place.offset))
        status = fail(&file->public, t, diag, "has external data that cannot be read");
    else
        decode_bytes(t->data_type, bytes, count, values);
    cnn_free(bytes);
    close(fd);
    return status;
}

cnn_status cnn_onnx_tensor_read(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                double *values, cnn_diag *diag)
{
    size_t rank, dims[CNN_ONNX_MAX_RANK], count;
    cnn_status status = cnn_onnx_tensor_shape(file, tensor, &rank, dims, &count, diag);
    if (status != CNN_OK)
        return status;
    if (tensor->data_location == 1)
        return read_external((const struct cnn_onnx_opened *)file, tensor, count, values, diag);
    if (!tensor->raw_data.data)
        return read_fields(file, tensor, count, values, diag);
    if (tensor->raw_data.size != count * types[tensor->data_type].bytes)
        return cnn_fail(
            diag, CNN_FAILED, NULL,
            "%s: byte %zu: tensor '%s' has %zu bytes, and its %zu numbers of %s want %zu",
            file->name, tensor->at, tensor->name ? tensor->name : "", tensor->raw_data.size, count,
            cnn_onnx_type_name(tensor->data_type), count * types[tensor->data_type].bytes);
    if (values)
        decode_bytes(tensor->data_type, tensor->raw_data.data, count, values);
    return CNN_OK;
}

cnn_status cnn_onnx_tensor_check(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                 cnn_diag *diag)
{
    return is_read(tensor->data_type) ? cnn_onnx_tensor_read(file, tensor, NULL, diag) : CNN_OK;
}

cnn_status cnn_onnx_tensor_open(struct cnn_arena *arena, const char *name, const void *bytes,
                                size_t size, struct cnn_onnx_tensor **out, cnn_diag *diag)
{
    const struct cnn_protobuf_file file = {name, bytes, size};
    void *tensor = NULL;
    cnn_status status = cnn_protobuf_read(arena, &file, &cnn_onnx_tensor_message, &tensor, diag);
    if (status == CNN_OK)
        *out = tensor;
    return status;
}
