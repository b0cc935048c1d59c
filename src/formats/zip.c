/* Reading ZIP archives: the end record, the central directory it points to, and the local header of
 * each entry. What the directory says is what counts; PyTorch leaves sizes out of local headers. */
#include "formats/zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "util/text.h"

enum {
    END_BYTES = 22,
    END64_BYTES = 56,
    LOCATOR_BYTES = 20,
    CENTRAL_BYTES = 46,
    LOCAL_BYTES = 30,
    COMMENT_MAX = 65535
};

struct archive {
    struct cnn_arena *arena;
    const char *path;
    const unsigned char *data;
    size_t size;
    cnn_diag *diag;
};

struct directory { /* the central one */
    uint64_t entries, size, at;
};

static cnn_status fail(const struct archive *a, size_t at, const char *what)
{
    return cnn_fail(a->diag, CNN_FAILED, NULL, "%s: byte %zu: %s", a->path, at, what);
}

static uint64_t number(const unsigned char *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static bool signed_as(const struct archive *a, size_t at, size_t bytes, const char *signature)
{
    return at <= a->size && a->size - at >= bytes && memcmp(a->data + at, signature, 4) == 0;
}

bool cnn_zip_recognise(const unsigned char *data, size_t size)
{
    return size >= 4 && memcmp(data, "PK\3\4", 4) == 0;
}

/* The end record, which only a comment follows; SIZE_MAX: there is none. */
static size_t find_end(const struct archive *a)
{
    for (size_t comment = 0; comment <= COMMENT_MAX; comment++) {
        if (a->size < END_BYTES + comment)
            return SIZE_MAX;
        size_t at = a->size - END_BYTES - comment;
        if (signed_as(a, at, END_BYTES, "PK\5\6") && number(a->data + at + 20, 2) == comment)
            return at;
    }
    return SIZE_MAX;
}

/* ZIP64 puts a locator before the end record, and wider numbers where it points to. */
static cnn_status read_end(const struct archive *a, struct directory *out, size_t *limit)
{
    size_t at = find_end(a);
    if (at == SIZE_MAX)
        return cnn_fail(a->diag, CNN_FAILED, NULL,
                        "%s: the archive has no end: it is cut short, or no ZIP file", a->path);
    const unsigned char *end = a->data + at;
    *out = (struct directory){number(end + 10, 2), number(end + 12, 4), number(end + 16, 4)};
    *limit = at;
    if (at < LOCATOR_BYTES || !signed_as(a, at - LOCATOR_BYTES, LOCATOR_BYTES, "PK\6\7"))
        return CNN_OK;
    uint64_t wide = number(a->data + at - LOCATOR_BYTES + 8, 8);
    if (wide > at - LOCATOR_BYTES || !signed_as(a, (size_t)wide, END64_BYTES, "PK\6\6") ||
        at - LOCATOR_BYTES - wide < END64_BYTES)
        return fail(a, at - LOCATOR_BYTES, "the archive's ZIP64 end is not where this says");
    end = a->data + wide;
    *out = (struct directory){number(end + 32, 8), number(end + 40, 8), number(end + 48, 8)};
    *limit = (size_t)wide;
    return CNN_OK;
}

/* The numbers that the 32 bits of the directory have no room for stand in an extra field, in this
 * order, each only where it is wanted. */
static cnn_status read_wide(const struct archive *a, size_t at, size_t size, uint64_t *const *wide)
{
    size_t end = at + size;
    while (end - at >= 4) {
        size_t kind = (size_t)number(a->data + at, 2), length = (size_t)number(a->data + at + 2, 2);
        at += 4;
        if (length > end - at)
            return fail(a, at - 4, "an extra field is longer than what holds it");
        size_t field = at, field_end = at + length;
        for (size_t i = 0; kind == 1 && i < 3; i++) {
            if (*wide[i] != UINT32_MAX)
                continue;
            if (field_end - field < 8)
                return fail(a, at - 4, "a ZIP64 field lacks a number");
            *wide[i] = number(a->data + field, 8);
            field += 8;
        }
        at += length;
    }
    return CNN_OK;
}

/* The bytes of an entry whose local header is at entry->at; they end before the directory. */
static cnn_status find_data(const struct archive *a, size_t directory, size_t name_size,
                            struct cnn_zip_entry *entry)
{
    size_t at = entry->at;
    if (!signed_as(a, at, LOCAL_BYTES, "PK\3\4"))
        return cnn_fail(a->diag, CNN_FAILED, NULL,
                        "%s: byte %zu: there is no entry here, but '%s' should be", a->path, at,
                        entry->name);
    size_t own_name = (size_t)number(a->data + at + 26, 2),
           extra = (size_t)number(a->data + at + 28, 2);
    size_t begin = at + LOCAL_BYTES + own_name + extra;
    if (begin > directory || entry->size > directory - begin)
        return cnn_fail(a->diag, CNN_FAILED, NULL,
                        "%s: byte %zu: entry '%s' of %zu bytes reaches beyond those of all entries",
                        a->path, at, entry->name, entry->size);
    if (own_name != name_size || memcmp(a->data + at + LOCAL_BYTES, entry->name, name_size) != 0)
        return cnn_fail(a->diag, CNN_FAILED, NULL,
                        "%s: byte %zu: the entry does not have the name '%s' of the directory",
                        a->path, at, entry->name);
    entry->data = a->data + begin;
    return CNN_OK;
}

static cnn_status read_name(const struct archive *a, size_t at, size_t size, const char **out)
{
    const char *name = (const char *)a->data + at;
    if (memchr(name, '\0', size) || !cnn_utf8_valid(name, size))
        return fail(a, at, "the name of an entry is no UTF-8 text");
    *out = cnn_arena_strndup(a->arena, name, size);
    return *out ? CNN_OK : cnn_fail_memory(a->diag, size, a->path);
}

/* The entry of the directory at *at, which is moved behind it. */
static cnn_status read_entry(const struct archive *a, const struct directory *directory, size_t *at,
                             struct cnn_zip_entry *out)
{
    size_t end = (size_t)(directory->at + directory->size);
    const unsigned char *central = a->data + *at;
    if (end - *at < CENTRAL_BYTES || !signed_as(a, *at, CENTRAL_BYTES, "PK\1\2"))
        return fail(a, *at, "the directory of the archive is damaged");
    uint64_t stored = number(central + 20, 4), size = number(central + 24, 4),
             begin = number(central + 42, 4);
    size_t name = (size_t)number(central + 28, 2), extra = (size_t)number(central + 30, 2),
           comment = (size_t)number(central + 32, 2);
    if (name + extra + comment > end - *at - CENTRAL_BYTES)
        return fail(a, *at, "an entry of the directory is longer than the directory");
    cnn_status status = read_name(a, *at + CENTRAL_BYTES, name, &out->name);
    if (status == CNN_OK)
        status = read_wide(a, *at + CENTRAL_BYTES + name, extra,
                           (uint64_t *const[]){&size, &stored, &begin});
    if (status != CNN_OK)
        return status;
    if (stored > a->size || begin > a->size)
        return fail(a, *at, "an entry lies beyond the end of the file");
    out->size = (size_t)size;
    out->at = (size_t)begin;
    out->crc = (uint32_t)number(central + 16, 4);
    *at += CENTRAL_BYTES + name + extra + comment;
    bool plain = number(central + 10, 2) == 0 && stored == size && !(central[8] & 1);
    return !plain ? CNN_OK : find_data(a, (size_t)directory->at, name, out);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct cnn_zip_entry *)a)->name, ((const struct cnn_zip_entry *)b)->name);
}

cnn_status cnn_zip_open(struct cnn_arena *arena, const char *path, const unsigned char *data,
                        size_t size, struct cnn_zip *out, cnn_diag *diag)
{
    const struct archive archive = {arena, path, data, size, diag};
    struct directory directory = {0, 0, 0};
    size_t limit = 0;
    cnn_status status = read_end(&archive, &directory, &limit);
    if (status != CNN_OK)
        return status;
    if (directory.at > limit || directory.size > limit - directory.at ||
        directory.entries > directory.size / CENTRAL_BYTES)
        return fail(&archive, limit, "the directory of the archive does not lie before its end");
    size_t count = (size_t)directory.entries, at = (size_t)directory.at;
    struct cnn_zip_entry *entries = cnn_arena_array(arena, count + 1, sizeof *entries);
    if (!entries)
        return cnn_fail_memory(diag, count * sizeof *entries, path);
    for (size_t i = 0; i < count && status == CNN_OK; i++)
        status = read_entry(&archive, &directory, &at, &entries[i]);
    if (status != CNN_OK)
        return status;
    qsort(entries, count, sizeof *entries, compare_names);
    for (size_t i = 1; i < count; i++)
        if (strcmp(entries[i - 1].name, entries[i].name) == 0)
            return cnn_fail(diag, CNN_FAILED, NULL, "%s: byte %zu: a second entry '%s'", path,
                            entries[i].at, entries[i].name);
    *out = (struct cnn_zip){path, entries, count};
    return CNN_OK;
}

const struct cnn_zip_entry *cnn_zip_find(const struct cnn_zip *zip, const char *name)
{
    const struct cnn_zip_entry key = {.name = name};
    return bsearch(&key, zip->entries, zip->count, sizeof key, compare_names);
}

cnn_status cnn_zip_check(const struct cnn_zip *zip, const struct cnn_zip_entry *entry,
                         cnn_diag *diag)
{
    if (!entry->data)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: byte %zu: entry '%s' is compressed or encrypted; PyTorch stores its "
                        "entries as they are",
                        zip->path, entry->at, entry->name);
    uint32_t crc = (uint32_t)crc32_z(0, entry->data, entry->size);
    return crc == entry->crc || entry->crc == 0
               ? CNN_OK
               : cnn_fail(diag, CNN_FAILED, NULL,
                          "%s: byte %zu: entry '%s' is damaged: its checksum is %08" PRIx32
                          ", not %08" PRIx32,
                          zip->path, entry->at, entry->name, crc, entry->crc);
}
