/* Reading and checking safetensors files. The format: https://github.com/huggingface/safetensors
 * (README, "Format"). The file is read, not mapped: of a mapping, what another process cuts off
 * would end this one. A file whose tensors are not kept in memory stays open, and every reading
 * checks that nobody has written to it since. Names, shapes and metadata are in an arena. */
#include "checkpoint/safetensors.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "checkpoint/safetensors_internal.h"
#include "util/allocate.h"
#include "util/file.h"
#include "util/json.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "tensor bytes are used as they stand in the file, which is little-endian"
#endif

struct opened_file {
    struct cnn_safetensors public; /* first: the pointer handed out is this one */
    int fd;                        /* -1 where it is not open */
    const unsigned char *memory;   /* what is left to read of it, instead of fd; else NULL */
    struct cnn_arena *arena;
    unsigned char *data; /* the tensors' bytes, in room for floats; NULL: they stay in the file */
    bool unread;         /* they are to stay there */
    uLong crc;           /* of them, where the file has a checksum */
    size_t data_size, data_begin;
    struct stat opened; /* the file as it was opened */
    size_t owners;
};

#define PIECE     ((size_t)1 << 18) /* bytes read at a time: they stay in the cache */
#define READ_MOST ((size_t)1 << 30) /* Linux reads no more than 2 GiB at once */

static const struct {
    const char *name;
    size_t bytes;
} dtypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2},  {"BF16", 2}, {"I64", 8}, {"I32", 4}, {"I16", 2},
              {"I8", 1},  {"U8", 1},  {"BOOL", 1}, {"U16", 2},  {"U32", 4}, {"U64", 8}};

size_t cnn_dtype_bytes(const char *name)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].bytes;
    return 0;
}

static void write_checksum(uLong crc, char out[CNN_CHECKSUM_SIZE])
{
    snprintf(out, CNN_CHECKSUM_SIZE, "crc32:%08" PRIx32, (uint32_t)crc);
}

void cnn_tensors_checksum(const struct cnn_stored_tensor *tensors, size_t count,
                          char out[CNN_CHECKSUM_SIZE])
{
    uLong crc = crc32_z(0, NULL, 0);
    for (size_t i = 0; i < count; i++)
        if (tensors[i].bytes > 0) /* crc32 starts afresh on NULL, the data of an empty tensor */
            crc = crc32_z(crc, tensors[i].data, tensors[i].bytes);
    write_checksum(crc, out);
}

static bool as_size(const struct cnn_json *value, size_t *out)
{
    if (!value || value->kind != CNN_JSON_NUMBER || !value->whole || value->size > SIZE_MAX / 2)
        return false;
    *out = (size_t)value->size;
    return true;
}

static cnn_status read_shape(const struct opened_file *file, const struct cnn_json *shape,
                             struct cnn_stored_tensor *t, cnn_diag *diag)
{
    const char *path = file->public.path;
    if (!shape || shape->kind != CNN_JSON_LIST || shape->size > CNN_SAFETENSORS_MAX_RANK)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: tensor '%s': its shape is no list of at most %d sizes", path, t->name,
                        CNN_SAFETENSORS_MAX_RANK);
    const struct cnn_json *size = shape->first;
    t->rank = (size_t)shape->size;
    t->count = 1;
    for (size_t i = 0; i < t->rank; i++, size = size->next) {
        if (!as_size(size, &t->dims[i]))
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s': size %zu of its shape is no whole number", path,
                            t->name, i + 1);
        if (!cnn_size_mul(t->count, t->dims[i], &t->count))
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s': its shape has more elements than can be counted",
                            path, t->name);
    }
    return CNN_OK;
}

static cnn_status read_place(const struct opened_file *file, const struct cnn_json *offsets,
                             struct cnn_stored_tensor *t, cnn_diag *diag)
{
    const char *path = file->public.path;
    size_t begin, end, expected;
    bool pair = offsets && offsets->kind == CNN_JSON_LIST && offsets->size == 2;
    if (!pair || !as_size(offsets->first, &begin) || !as_size(offsets->first->next, &end) ||
        begin > end)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: tensor '%s': its data_offsets are no pair [begin, end]", path,
                        t->name);
    if (end > file->data_size)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: tensor '%s' ends at byte %zu of the data, but the file has only %zu: "
                        "it is cut short or damaged",
                        path, t->name, end, file->data_size);
    t->bytes = end - begin;
    t->begin = begin;
    t->data = file->data ? file->data + begin : NULL;
    if (!cnn_size_mul(t->count, cnn_dtype_bytes(t->dtype), &expected) || expected != t->bytes)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: tensor '%s' has %zu bytes of data (%zu to %zu), which do not fit its "
                        "%zu elements of %s",
                        path, t->name, t->bytes, begin, end, t->count, t->dtype);
    return CNN_OK;
}

static cnn_status read_tensor(struct opened_file *file, const struct cnn_json *entry,
                              struct cnn_stored_tensor *t, cnn_diag *diag)
{
    const char *name = t->name = cnn_arena_strdup(file->arena, entry->key);
    if (!t->name)
        return cnn_fail_memory(diag, strlen(entry->key), "the name of a tensor");
    const struct cnn_json *type = cnn_json_get(entry, "dtype");
    const char *dtype = type && type->kind == CNN_JSON_TEXT ? type->text : NULL;
    if (!dtype)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s' has no dtype", file->public.path,
                        name);
    if (cnn_dtype_bytes(dtype) == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: tensor '%s' has the unknown dtype '%s'",
                        file->public.path, name, dtype);
    t->dtype = cnn_arena_strdup(file->arena, dtype);
    if (!t->dtype)
        return cnn_fail_memory(diag, strlen(dtype), "the type of a tensor");
    cnn_status status = read_shape(file, cnn_json_get(entry, "shape"), t, diag);
    return status == CNN_OK ? read_place(file, cnn_json_get(entry, "data_offsets"), t, diag)
                            : status;
}

static cnn_status read_metadata(struct opened_file *file, const struct cnn_json *metadata,
                                cnn_diag *diag)
{
    struct cnn_safetensors *out = &file->public;
    if (metadata->kind != CNN_JSON_OBJECT)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: __metadata__ is no JSON object", out->path);
    out->metadata = cnn_arena_array(file->arena, metadata->size, sizeof *out->metadata);
    if (!out->metadata)
        return cnn_fail_memory(diag, metadata->size * sizeof *out->metadata, "metadata");
    for (const struct cnn_json *value = metadata->first; value; value = value->next) {
        if (value->kind != CNN_JSON_TEXT)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: __metadata__: the value of '%s' is no text", out->path,
                            value->key);
        struct cnn_stored_pair *pair = &out->metadata[out->metadata_count++];
        pair->key = cnn_arena_strdup(file->arena, value->key);
        pair->value = cnn_arena_strdup(file->arena, value->text);
        if (!pair->key || !pair->value)
            return cnn_fail_memory(diag, strlen(value->text), "metadata");
    }
    return CNN_OK;
}

/* By place; an empty tensor stands before the one that begins where it does. */
static int compare_places(const void *a, const void *b)
{
    const struct cnn_stored_tensor *s = a, *t = b;
    if (s->begin != t->begin)
        return s->begin < t->begin ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes);
}

static cnn_status check_tiling(const struct opened_file *file, cnn_diag *diag)
{
    const struct cnn_safetensors *f = &file->public;
    size_t covered = 0;
    for (size_t i = 0; i < f->tensor_count; i++) {
        const struct cnn_stored_tensor *t = &f->tensors[i];
        size_t begin = t->begin;
        if (begin < covered)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: tensor '%s' begins at byte %zu of the data, inside tensor '%s', "
                            "which ends at %zu",
                            f->path, t->name, begin, f->tensors[i - 1].name, covered);
        if (begin > covered)
            return cnn_fail(
                diag, CNN_FAILED, NULL,
                "%s: bytes %zu to %zu of the data, before tensor '%s', belong to no tensor",
                f->path, covered, begin, t->name);
        covered = begin + t->bytes;
    }
    if (covered != file->data_size)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: bytes %zu to %zu of the data, at its end, belong to no tensor",
                        f->path, covered, file->data_size);
    return CNN_OK;
}

static cnn_status read_header(struct opened_file *file, const struct cnn_json *header,
                              cnn_diag *diag)
{
    struct cnn_safetensors *out = &file->public;
    size_t entries = (size_t)header->size;
    out->tensors = cnn_arena_array(file->arena, entries, sizeof *out->tensors);
    if (!out->tensors)
        return cnn_fail_memory(diag, entries * sizeof *out->tensors, "the list of tensors");
    for (const struct cnn_json *entry = header->first; entry; entry = entry->next) {
        bool metadata = strcmp(entry->key, "__metadata__") == 0;
        cnn_status status =
            metadata ? read_metadata(file, entry, diag)
                     : read_tensor(file, entry, &out->tensors[out->tensor_count++], diag);
        if (status != CNN_OK)
            return status;
    }
    qsort(out->tensors, out->tensor_count, sizeof *out->tensors, compare_places);
    return check_tiling(file, diag);
}

/* Reads exactly size bytes. A file that has become shorter since it was opened is damaged. */
static cnn_status read_bytes(struct opened_file *file, void *out, size_t size, cnn_diag *diag)
{
    if (file->memory) {
        memcpy(out, file->memory, size);
        file->memory += size;
        return CNN_OK;
    }
    for (size_t done = 0; done < size;) {
        size_t wanted = size - done < READ_MOST ? size - done : READ_MOST;
        ssize_t got = read(file->fd, (char *)out + done, wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", file->public.path,
                            strerror(errno));
        if (got == 0)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s is damaged: it became shorter while it was read",
                            file->public.path);
        done += (size_t)got;
    }
    return CNN_OK;
}

/* The header's bytes, cnn_malloc'ed, and where the data begin. */
static cnn_status read_header_bytes(struct opened_file *file, size_t file_size, char **out,
                                    size_t *size, cnn_diag *diag)
{
    unsigned char bytes[8];
    uint64_t header_size = 0;
    cnn_status status = read_bytes(file, bytes, sizeof bytes, diag);
    if (status != CNN_OK)
        return status;
    for (size_t i = 8; i-- > 0;)
        header_size = header_size << 8 | bytes[i];
    if (header_size > CNN_SAFETENSORS_MAX_HEADER || header_size > file_size - 8)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is no safetensors file, or is cut short: its first 8 bytes announce a "
                        "header of %" PRIu64 " bytes, but %zu follow (at most %u are read)",
                        file->public.path, header_size, file_size - 8, CNN_SAFETENSORS_MAX_HEADER);
    *size = (size_t)header_size;
    *out = cnn_malloc(*size + 1);
    if (!*out)
        return cnn_fail_memory(diag, *size, file->public.path);
    file->data_size = file_size - 8 - *size;
    file->data_begin = 8 + *size;
    status = read_bytes(file, *out, *size, diag);
    if (status != CNN_OK)
        cnn_free(*out);
    return status;
}

static cnn_status parse(struct opened_file *file, const char *text, size_t size, cnn_diag *diag)
{
    const char *path = file->public.path;
    struct cnn_json_error error;
    struct cnn_arena *arena = cnn_arena_new(); /* of the tree: what is kept of it is copied */
    const struct cnn_json *header = arena ? cnn_json_read(arena, text, size, &error) : NULL;
    cnn_status status;
    if (!arena || (!header && !error.text))
        status = cnn_fail_memory(diag, size, path);
    else if (!header)
        status = cnn_fail(diag, CNN_FAILED, NULL,
                          "%s: the header is no valid JSON, at byte %zu of the file: %s", path,
                          error.position + 8, error.text);
    else if (header->kind != CNN_JSON_OBJECT)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s: the header is no JSON object", path);
    else
        status = read_header(file, header, diag);
    cnn_arena_free(arena);
    return status;
}

/* Adds up the checksum of each piece while it is in the cache. Tensors tile the data, so that
 * theirs is that of all of it. */
static cnn_status read_data(struct opened_file *file, cnn_diag *diag)
{
    bool sum = cnn_safetensors_metadata(&file->public, CNN_CHECKSUM_KEY) != NULL;
    unsigned char *piece = file->unread && sum ? cnn_malloc(PIECE) : NULL;
    cnn_status status = CNN_OK;
    file->crc = crc32_z(0, NULL, 0);
    if (file->unread && !sum)
        return CNN_OK;
    if (file->unread && !piece)
        return cnn_fail_memory(diag, PIECE, file->public.path);
    for (size_t at = 0; at < file->data_size && status == CNN_OK; at += PIECE) {
        size_t size = file->data_size - at < PIECE ? file->data_size - at : PIECE;
        unsigned char *to = piece ? piece : file->data + at;
        status = read_bytes(file, to, size, diag);
        if (status == CNN_OK && sum)
            file->crc = crc32_z(file->crc, to, size);
    }
    cnn_free(piece);
    return status;
}

/* The data are read once the header is known to be good. */
static cnn_status read_file(struct opened_file *file, size_t size, cnn_diag *diag)
{
    char *text = NULL;
    size_t text_size = 0;
    if (size < 8)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is no safetensors file: it has %zu bytes, and 8 are the least",
                        file->public.path, size);
    cnn_status status = read_header_bytes(file, size, &text, &text_size, diag);
    if (status != CNN_OK)
        return status;
    if (!file->unread)
        file->data = (unsigned char *)cnn_floats_reserve(file->data_size / sizeof(float) + 1);
    status = file->unread || file->data ? parse(file, text, text_size, diag)
                                        : cnn_fail_memory(diag, file->data_size, file->public.path);
    cnn_free(text);
    return status == CNN_OK ? read_data(file, diag) : status;
}

static cnn_status open_file(struct opened_file *file, cnn_diag *diag)
{
    unsigned long long size;
    file->fd = cnn_file_open(file->public.path, &size);
    if (file->fd < 0)
        return cnn_file_fail(file->public.path, diag);
    cnn_status status = fstat(file->fd, &file->opened) == 0
                            ? read_file(file, (size_t)size, diag)
                            : cnn_file_fail(file->public.path, diag);
    if (!file->unread || status != CNN_OK) {
        close(file->fd);
        file->fd = -1;
    }
    return status;
}

/* What is opened: a file, or the bytes of one. */
struct source {
    const char *path;
    const void *bytes; /* NULL: those of the file */
    size_t size;
    bool unread;
};

static cnn_status open_source(const struct source *source, struct cnn_safetensors **out,
                              cnn_diag *diag)
{
    const char *path = source->path;
    struct cnn_arena *arena = cnn_arena_new();
    struct opened_file *file = arena ? cnn_arena_alloc(arena, sizeof *file) : NULL;
    if (!file) {
        cnn_arena_free(arena);
        return cnn_fail_memory(diag, sizeof *file, path);
    }
    file->arena = arena;
    file->fd = -1;
    file->memory = source->bytes;
    file->unread = source->unread;
    file->owners = 1;
    file->public.path = cnn_arena_strdup(arena, path);
    cnn_status status = !file->public.path ? cnn_fail_memory(diag, strlen(path), path)
                        : source->bytes    ? read_file(file, source->size, diag)
                                           : open_file(file, diag);
    if (status == CNN_OK)
        *out = &file->public;
    else
        cnn_safetensors_close(&file->public);
    return status;
}

cnn_status cnn_safetensors_open(const char *path, struct cnn_safetensors **out, cnn_diag *diag)
{
    return open_source(&(struct source){.path = path}, out, diag);
}

cnn_status cnn_safetensors_open_unread(const char *path, struct cnn_safetensors **out,
                                       cnn_diag *diag)
{
    return open_source(&(struct source){.path = path, .unread = true}, out, diag);
}

cnn_status cnn_safetensors_open_memory(const char *name, const void *bytes, size_t size,
                                       struct cnn_safetensors **out, cnn_diag *diag)
{
    return open_source(&(struct source){.path = name, .bytes = bytes, .size = size}, out, diag);
}

struct cnn_safetensors *cnn_safetensors_share(struct cnn_safetensors *public)
{
    ((struct opened_file *)public)->owners++;
    return public;
}

void cnn_safetensors_close(struct cnn_safetensors *public)
{
    struct opened_file *file = (struct opened_file *)public;
    if (!file || --file->owners > 0)
        return;
    if (file->fd >= 0)
        close(file->fd);
    cnn_floats_free((float *)(void *)file->data);
    cnn_arena_free(file->arena);
}

/* Whether somebody has written to the file since it was opened; one that takes its name does not
 * count. */
static bool is_changed(const struct opened_file *file)
{
    struct stat now;
    return fstat(file->fd, &now) != 0 || now.st_size != file->opened.st_size ||
           now.st_mtim.tv_sec != file->opened.st_mtim.tv_sec ||
           now.st_mtim.tv_nsec != file->opened.st_mtim.tv_nsec;
}

cnn_status cnn_safetensors_read(const struct cnn_safetensors *public,
                                const struct cnn_stored_tensor *tensor, size_t first, size_t bytes,
                                void *out, cnn_diag *diag)
{
    if (tensor->data) { /* in memory; then there may be no file at all: train/from.c */
        memcpy(out, (const unsigned char *)tensor->data + first, bytes);
        return CNN_OK;
    }
    const struct opened_file *file = (const struct opened_file *)public;
    const size_t at = file->data_begin + tensor->begin + first;
    size_t done = 0;
    while (done < bytes) {
        size_t wanted = bytes - done < READ_MOST ? bytes - done : READ_MOST;
        ssize_t got = pread(file->fd, (char *)out + done, wanted, (off_t)(at + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", public->path,
                            strerror(errno));
        if (got == 0)
            break; /* it is shorter now */
        done += (size_t)got;
    }
    return done < bytes || is_changed(file)
               ? cnn_fail(diag, CNN_FAILED, NULL,
                          "%s was written to while it was in use: open it again", public->path)
               : CNN_OK;
}

const struct cnn_stored_tensor *cnn_safetensors_find(const struct cnn_safetensors *file,
                                                     const char *name)
{
    for (size_t i = 0; i < file->tensor_count; i++)
        if (strcmp(file->tensors[i].name, name) == 0)
            return &file->tensors[i];
    return NULL;
}

const char *cnn_safetensors_metadata(const struct cnn_safetensors *file, const char *key)
{
    for (size_t i = 0; i < file->metadata_count; i++)
        if (strcmp(file->metadata[i].key, key) == 0)
            return file->metadata[i].value;
    return NULL;
}

cnn_status cnn_safetensors_verify(const struct cnn_safetensors *file, cnn_diag *diag)
{
    const char *expected = cnn_safetensors_metadata(file, CNN_CHECKSUM_KEY);
    if (!expected)
        return CNN_OK;
    char found[CNN_CHECKSUM_SIZE];
    write_checksum(((const struct opened_file *)file)->crc, found);
    if (strcmp(expected, found) == 0)
        return CNN_OK;
    return cnn_fail(
        diag, CNN_FAILED, NULL,
        "%s is damaged: the checksum of its tensors is %s, and %s was written with them",
        file->path, found, expected);
}
