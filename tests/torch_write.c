#include "torch_write.h"

#include <stdio.h>
#include <string.h>
#include <zlib.h>

void pickle_op(struct cnn_text *out, int opcode)
{
    char byte = (char)opcode;
    cnn_text_append(out, &byte, 1);
}

static void number(struct cnn_text *out, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        pickle_op(out, i < 8 ? (int)(value >> 8 * i & 255) : 0);
}

void pickle_text(struct cnn_text *out, const char *text)
{
    pickle_op(out, 'X');
    number(out, strlen(text), 4);
    cnn_text_append(out, text, strlen(text));
}

void pickle_int(struct cnn_text *out, int32_t value)
{
    pickle_op(out, 'J');
    number(out, (uint32_t)value, 4);
}

void pickle_global(struct cnn_text *out, const char *module, const char *name)
{
    cnn_text_printf(out, "c%s\n%s\n", module, name);
}

/* An empty OrderedDict. */
static void put_table(struct cnn_text *out)
{
    pickle_global(out, "collections", "OrderedDict");
    cnn_text_append(out, ")R", 2);
}

static const struct torch_storage *find_storage(const struct torch_file *file, const char *key)
{
    for (size_t i = 0; i < file->storage_count; i++)
        if (strcmp(file->storages[i].key, key) == 0)
            return &file->storages[i];
    return NULL;
}

static void put_tensor(struct cnn_text *out, const struct torch_file *file,
                       const struct torch_tensor *t, bool legacy)
{
    char type[40];
    const struct torch_storage *storage = find_storage(file, t->key);
    snprintf(type, sizeof type, "%sStorage", t->storage);
    if (t->parameter) {
        pickle_global(out, "torch._utils", "_rebuild_parameter");
        pickle_op(out, '(');
    }
    pickle_global(out, "torch._utils", "_rebuild_tensor_v2");
    cnn_text_append(out, "((", 2);
    pickle_text(out, "storage");
    pickle_global(out, "torch", type);
    pickle_text(out, t->key);
    pickle_text(out, "cpu");
    pickle_int(out, storage ? (int32_t)storage->count : 0);
    cnn_text_append(out, legacy ? "NtQ" : "tQ", legacy ? 3 : 2);
    pickle_int(out, (int32_t)t->offset);
    pickle_op(out, '(');
    for (size_t i = 0; i < t->rank; i++)
        pickle_int(out, (int32_t)t->dims[i]);
    cnn_text_append(out, "t(", 2);
    for (size_t i = 0; i < t->rank; i++) {
        size_t stride = 1;
        for (size_t k = i + 1; k < t->rank; k++)
            stride *= t->dims[k];
        pickle_int(out, (int32_t)(t->strides[i] ? t->strides[i] : stride));
    }
    cnn_text_append(out, "t\x89", 2);
    put_table(out);
    cnn_text_append(out, "tR", 2);
    if (t->parameter) {
        pickle_op(out, 0x88);
        put_table(out);
        cnn_text_append(out, "tR", 2);
    }
}

static void put_state(struct cnn_text *out, const struct torch_file *file, bool legacy)
{
    put_table(out);
    cnn_text_append(out, "q", 1);
    number(out, 0, 1); /* the first of the memo, as an example */
    pickle_op(out, '(');
    for (size_t i = 0; i < file->tensor_count; i++) {
        char name[200];
        snprintf(name, sizeof name, "%s%s", file->prefix ? file->prefix : "",
                 file->tensors[i].name);
        pickle_text(out, name);
        put_tensor(out, file, &file->tensors[i], legacy);
    }
    pickle_op(out, 'u');
    pickle_op(out, '}'); /* its _metadata */
    pickle_text(out, "_metadata");
    put_table(out);
    cnn_text_append(out, "sb", 2);
}

struct cnn_text torch_pickle(const struct torch_file *file, bool legacy)
{
    struct cnn_text out = {0};
    static const unsigned char tenth[] = {'G', 0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a};
    cnn_text_append(&out, "\x80\x02", 2);
    if (file->entry) {
        cnn_text_append(&out, "}(", 2);
        pickle_text(&out, "epoch");
        pickle_int(&out, 3);
        pickle_text(&out, file->entry);
    }
    put_state(&out, file, legacy);
    if (file->entry) {
        pickle_text(&out, "lr");
        cnn_text_append(&out, (const char *)tenth, sizeof tenth);
        pickle_op(&out, 'u');
    }
    pickle_op(&out, '.');
    return out;
}

static size_t storage_bytes(const struct torch_storage *storage)
{
    static const struct {
        const char *name;
        size_t bytes;
    } types[] = {{"Double", 8}, {"Long", 8}, {"Half", 2}, {"BFloat16", 2},
                 {"Short", 2},  {"Char", 1}, {"Byte", 1}, {"Bool", 1}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strcmp(types[i].name, storage->storage) == 0)
            return types[i].bytes * storage->count;
    return 4 * storage->count;
}

/* ---- Archives ---- */

void zip_add(struct zip_writer *zip, const char *name, const void *data, size_t size)
{
    size_t at = zip->bytes.size, length = strlen(name);
    uint32_t crc = (uint32_t)crc32_z(0, data, size);
    /* as PyTorch has them: sizes stand in the directory alone */
    cnn_text_append(&zip->bytes, "PK\3\4", 4);
    number(&zip->bytes, 0, 2);
    number(&zip->bytes, 0x0808, 2);
    number(&zip->bytes, 0, 18);
    number(&zip->bytes, length, 2);
    number(&zip->bytes, 4, 2);
    cnn_text_append(&zip->bytes, name, length);
    cnn_text_append(&zip->bytes, "FB\0\0", 4);
    cnn_text_append(&zip->bytes, data, size);
    cnn_text_append(&zip->directory, "PK\1\2", 4);
    number(&zip->directory, 0, 4);
    number(&zip->directory, 0x0808, 2);
    number(&zip->directory, 0, 6);
    number(&zip->directory, crc, 4);
    number(&zip->directory, size, 4);
    number(&zip->directory, size, 4);
    number(&zip->directory, length, 2);
    number(&zip->directory, 0, 12);
    number(&zip->directory, at, 4);
    cnn_text_append(&zip->directory, name, length);
    zip->count++;
}

struct cnn_text zip_finish(struct zip_writer *zip, bool wide)
{
    struct cnn_text out = zip->bytes;
    size_t at = out.size, size = zip->directory.size, end = at + size;
    cnn_text_append(&out, zip->directory.data, size);
    if (wide) {
        cnn_text_append(&out, "PK\6\6", 4);
        number(&out, 44, 8);
        number(&out, 0, 12);
        number(&out, zip->count, 8);
        number(&out, zip->count, 8);
        number(&out, size, 8);
        number(&out, at, 8);
        cnn_text_append(&out, "PK\6\7", 4);
        number(&out, 0, 4);
        number(&out, end, 8);
        number(&out, 1, 4);
    }
    cnn_text_append(&out, "PK\5\6", 4);
    number(&out, 0, 4);
    number(&out, wide ? 0xffff : zip->count, 2);
    number(&out, wide ? 0xffff : zip->count, 2);
    number(&out, wide ? 0xffffffff : size, 4);
    number(&out, wide ? 0xffffffff : at, 4);
    number(&out, 0, 2);
    cnn_text_free(&zip->directory);
    *zip = (struct zip_writer){0};
    return out;
}

struct cnn_text torch_zip(const struct torch_file *file)
{
    struct zip_writer zip = {0};
    struct cnn_text pickle = torch_pickle(file, false);
    zip_add(&zip, "net/data.pkl", pickle.data, pickle.size);
    for (size_t i = 0; i < file->storage_count; i++) {
        char name[80];
        const struct torch_storage *s = &file->storages[i];
        snprintf(name, sizeof name, "net/data/%s", s->key);
        zip_add(&zip, name, s->data, s->bytes ? s->bytes : storage_bytes(s));
    }
    zip_add(&zip, "net/version", "3\n", 2);
    cnn_text_free(&pickle);
    return zip_finish(&zip, true);
}

struct cnn_text torch_legacy(const struct torch_file *file)
{
    static const char begin[] = "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
                                "\x80\x02M\xe9\x03.";
    struct cnn_text out = {0}, pickle = torch_pickle(file, true);
    cnn_text_append(&out, begin, sizeof begin - 1);
    cnn_text_append(&out, "\x80\x02}", 3);
    pickle_text(&out, "little_endian");
    cnn_text_append(&out, "\x88s.", 3);
    cnn_text_append(&out, pickle.data, pickle.size);
    cnn_text_append(&out, "\x80\x02](", 4);
    for (size_t i = 0; i < file->storage_count; i++)
        pickle_text(&out, file->storages[i].key);
    cnn_text_append(&out, "e.", 2);
    for (size_t i = 0; i < file->storage_count; i++) {
        const struct torch_storage *s = &file->storages[i];
        number(&out, s->count, 8);
        cnn_text_append(&out, s->data, s->bytes ? s->bytes : storage_bytes(s));
    }
    cnn_text_free(&pickle);
    return out;
}
