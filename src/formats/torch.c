#include "formats/torch.h"

#include <stdlib.h>
#include <string.h>

#include "formats/torch_internal.h"
#include "formats/zip.h"

/* Of the old layout: where the numbers of tensors lie, behind the pickles. */
struct place {
    const char *key;
    enum cnn_weight_type type;
    size_t count;              /* numbers */
    const unsigned char *data; /* NULL: the file does not have them */
};

struct reader {
    struct cnn_weights *weights;
    const unsigned char *data;
    size_t size;
    struct cnn_zip zip;   /* count 0: the old layout */
    const char *root;     /* of the archive: the folder of all entries, with its slash */
    bool *checked;        /* by entry of the archive */
    struct place *places; /* of the old layout, by key */
    size_t place_count;
    size_t pickle_at; /* byte of the file that the pickle of the tensors begins with */
    cnn_diag *diag;
};

static cnn_status fail(const struct reader *r, const struct cnn_pickle *value, const char *what)
{
    return cnn_fail(r->diag, CNN_FAILED, NULL, "%s: byte %zu: %s", r->weights->path,
                    r->pickle_at + value->at, what);
}

/* ---- Storages ---- */

/* A persistent id: ('storage', the type, key, device, count[, view]). */
struct storage {
    enum cnn_weight_type type;
    const char *key;
    size_t count;       /* numbers */
    size_t view_offset; /* of the old layout: of a view in it */
};

static bool is_tuple(const struct cnn_pickle *value, size_t least)
{
    return value->kind == CNN_PICKLE_TUPLE && value->count >= least;
}

static bool as_size(const struct cnn_pickle *value, size_t *out)
{
    if (value->kind != CNN_PICKLE_INT || value->integer < 0)
        return false;
    *out = (size_t)value->integer;
    return true;
}

static bool read_view(const struct cnn_pickle *id, struct storage *out)
{
    out->view_offset = 0;
    if (id->count < 6 || id->items[5]->kind == CNN_PICKLE_NONE)
        return true;
    return is_tuple(id->items[5], 3) && as_size(id->items[5]->items[1], &out->view_offset);
}

static cnn_status read_storage(const struct reader *r, const struct cnn_pickle *value,
                               struct storage *out)
{
    const struct cnn_pickle *id = value->kind == CNN_PICKLE_STORED ? value->items[0] : NULL;
    if (!id || !is_tuple(id, 5) || id->items[0]->kind != CNN_PICKLE_TEXT ||
        strcmp(id->items[0]->text, "storage") != 0 || id->items[1]->kind != CNN_PICKLE_GLOBAL ||
        id->items[1]->integer < TORCH_STORAGES || id->items[2]->kind != CNN_PICKLE_TEXT ||
        !as_size(id->items[4], &out->count) || !read_view(id, out))
        return fail(r, value, "what should name the numbers of a tensor does not");
    out->type = (enum cnn_weight_type)((id->items[1]->integer - TORCH_STORAGES) / 2);
    out->key = id->items[2]->text;
    return CNN_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(((const struct place *)a)->key, ((const struct place *)b)->key);
}

/* The archive's entry of the storage, whose checksum is looked at once. */
static cnn_status find_entry(const struct reader *r, const struct cnn_pickle *value,
                             const struct storage *storage, const unsigned char **out)
{
    size_t bytes;
    char *name = cnn_arena_printf(r->weights->arena, "%sdata/%s", r->root, storage->key);
    if (!name)
        return cnn_fail_memory(r->diag, 0, r->weights->path);
    const struct cnn_zip_entry *entry = cnn_zip_find(&r->zip, name);
    if (!entry)
        return fail(r, value, "the archive has no entry with the numbers of this tensor");
    if (!cnn_size_mul(storage->count, cnn_weight_type_bytes(storage->type), &bytes) ||
        (entry->data && bytes != entry->size))
        return cnn_fail(r->diag, CNN_FAILED, NULL,
                        "%s: byte %zu: entry '%s' has %zu bytes, but %zu numbers of %s are wanted",
                        r->weights->path, entry->at, entry->name, entry->size, storage->count,
                        cnn_weight_type_name(storage->type));
    bool *checked = &r->checked[entry - r->zip.entries];
    cnn_status status = *checked ? CNN_OK : cnn_zip_check(&r->zip, entry, r->diag);
    *checked = true;
    r->weights->unchecked = r->weights->unchecked || (entry->crc == 0 && entry->size > 0);
    *out = entry->data;
    return status;
}

static cnn_status find_numbers(const struct reader *r, const struct cnn_pickle *value,
                               const struct storage *storage, const unsigned char **out)
{
    if (r->zip.count > 0)
        return find_entry(r, value, storage, out);
    const struct place key = {.key = storage->key};
    const struct place *place =
        r->place_count > 0 ? bsearch(&key, r->places, r->place_count, sizeof key, compare_keys)
                           : NULL;
    if (!place || !place->data || place->type != storage->type || place->count != storage->count)
        return fail(r, value, "the file has no such numbers as this tensor wants");
    *out = place->data;
    return CNN_OK;
}

/* ---- Tensors ---- */

static cnn_status read_shape(const struct reader *r, const struct cnn_pickle *value,
                             const struct cnn_pickle *sizes, const struct cnn_pickle *strides,
                             struct cnn_weight *out)
{
    if (sizes->kind == CNN_PICKLE_CALL && sizes->items[0]->integer == TORCH_SIZE &&
        is_tuple(sizes->items[1], 1))
        sizes = sizes->items[1]->items[0];
    if (!is_tuple(sizes, 0) || !is_tuple(strides, sizes->count) || strides->count != sizes->count ||
        sizes->count > CNN_WEIGHT_MAX_RANK)
        return fail(r, value, "the shape of a tensor is none, or has more than 8 sizes");
    out->rank = sizes->count;
    out->count = 1;
    for (size_t i = 0; i < out->rank; i++)
        if (!as_size(sizes->items[i], &out->dims[i]) ||
            !as_size(strides->items[i], &out->strides[i]) ||
            !cnn_size_mul(out->count, out->dims[i], &out->count) ||
            out->count > CNN_WEIGHT_MAX_COUNT)
            return fail(r, value, "the sizes or strides of a tensor are not numbers, or too large");
    return CNN_OK;
}

/* That the last number that shape and strides lead to is one of the storage. */
static bool lies_within(const struct cnn_weight *tensor, size_t offset, size_t count)
{
    size_t last = offset;
    if (tensor->count == 0)
        return offset <= count;
    for (size_t i = 0; i < tensor->rank; i++) {
        size_t step;
        if (!cnn_size_mul(tensor->dims[i] - 1, tensor->strides[i], &step) ||
            !cnn_size_add(last, step, &last))
            return false;
    }
    return last < count;
}

/* arguments: storage, offset, size, stride, and what training would want. */
static cnn_status read_tensor(const struct reader *r, const struct cnn_pickle *value,
                              const struct cnn_pickle *arguments, struct cnn_weight *out)
{
    struct storage storage;
    const unsigned char *data = NULL;
    size_t offset;
    if (!is_tuple(arguments, 4) || !as_size(arguments->items[1], &offset))
        return fail(r, value, "a tensor is not made as PyTorch makes one");
    cnn_status status = read_storage(r, arguments->items[0], &storage);
    if (status == CNN_OK)
        status = read_shape(r, value, arguments->items[2], arguments->items[3], out);
    if (status == CNN_OK)
        status = find_numbers(r, value, &storage, &data);
    if (status != CNN_OK)
        return status;
    if (!cnn_size_add(offset, storage.view_offset, &offset) ||
        !lies_within(out, offset, storage.count))
        return fail(r, value, "a tensor reaches beyond the numbers that are stored for it");
    out->type = storage.type;
    out->data = data + offset * cnn_weight_type_bytes(storage.type);
    return CNN_OK;
}

/* ---- State dicts ---- */

static cnn_status fill(const struct reader *r, const struct cnn_pickle *table)
{
    struct cnn_weights *w = r->weights;
    w->items = cnn_arena_array(w->arena, cnn_torch_count(table) + 1, sizeof *w->items);
    if (!w->items)
        return cnn_fail_memory(r->diag, table->count * sizeof *w->items, w->path);
    for (size_t i = 0; i < table->count; i += 2) {
        const struct cnn_pickle *key = table->items[i], *value = table->items[i + 1],
                                *call = cnn_torch_tensor_call(value);
        if (key->kind != CNN_PICKLE_TEXT || !call) {
            w->passed++;
            continue;
        }
        struct cnn_weight *out = &w->items[w->count++];
        out->name = key->text;
        cnn_status status = read_tensor(r, call, call->items[1], out);
        if (status != CNN_OK)
            return status;
    }
    return CNN_OK;
}

/* Fills in the weights of the state dict that value is or holds. */
static cnn_status read_table(const struct reader *r, const struct cnn_pickle *value,
                             const char *entry)
{
    const struct cnn_pickle *table = NULL;
    cnn_status status = cnn_torch_find_table(r->weights, value, entry, &table, r->diag);
    return status == CNN_OK ? fill(r, table) : status;
}

/* ---- The archive ---- */

/* The folder of all entries: that of the one entry <folder>/data.pkl. */
static cnn_status find_root(struct reader *r, const struct cnn_zip_entry **out)
{
    static const char file[] = "data.pkl";
    const size_t length = sizeof file - 1;
    for (size_t i = 0; i < r->zip.count; i++) {
        const struct cnn_zip_entry *entry = &r->zip.entries[i];
        const char *slash = strchr(entry->name, '/');
        if (!slash || strcmp(slash + 1, file) != 0)
            continue;
        *out = entry;
        r->root = cnn_arena_strndup(r->weights->arena, entry->name, strlen(entry->name) - length);
        return r->root ? CNN_OK : cnn_fail_memory(r->diag, 0, r->weights->path);
    }
    return cnn_fail(r->diag, CNN_FAILED, NULL,
                    "%s is a ZIP archive, but holds no data.pkl: torch.save has not written it",
                    r->weights->path);
}

/* TorchScript keeps code beside the tensors, and a pickle of its own classes. */
static bool has_code(const struct reader *r)
{
    for (size_t i = 0; i < r->zip.count; i++)
        if (strstr(r->zip.entries[i].name, "/code/"))
            return true;
    return false;
}

static cnn_status check_order(const struct reader *r)
{
    char *name = cnn_arena_printf(r->weights->arena, "%sbyteorder", r->root);
    const struct cnn_zip_entry *entry = name ? cnn_zip_find(&r->zip, name) : NULL;
    if (!name)
        return cnn_fail_memory(r->diag, 0, r->weights->path);
    if (!entry || (entry->data && entry->size == 6 && memcmp(entry->data, "little", 6) == 0))
        return CNN_OK;
    return cnn_fail(r->diag, CNN_FAILED, NULL, "%s: byte %zu: its numbers are not little endian",
                    r->weights->path, entry->at);
}

static cnn_status read_archive(struct reader *r, const char *entry)
{
    const struct cnn_zip_entry *pickle = NULL;
    struct cnn_pickle_result result;
    struct cnn_weights *w = r->weights;
    cnn_status status = cnn_zip_open(w->arena, w->path, r->data, r->size, &r->zip, r->diag);
    if (status == CNN_OK)
        status = find_root(r, &pickle);
    if (status == CNN_OK && has_code(r)) {
        status = cnn_fail(r->diag, CNN_FAILED, NULL, "%s holds a program of TorchScript", w->path);
        cnn_hint(r->diag,
                 "save its weights alone: torch.save(torch.jit.load('%s').state_dict(), "
                 "'weights.pth')",
                 w->path);
    }
    if (status == CNN_OK)
        status = check_order(r);
    if (status == CNN_OK)
        status = cnn_zip_check(&r->zip, pickle, r->diag);
    if (status != CNN_OK)
        return status;
    if (!(r->checked = cnn_arena_array(w->arena, r->zip.count, sizeof *r->checked)))
        return cnn_fail_memory(r->diag, r->zip.count, w->path);
    r->pickle_at = (size_t)(pickle->data - r->data);
    const struct cnn_pickle_source source = {w->path, pickle->data, pickle->size, r->pickle_at,
                                             cnn_torch_globals};
    status = cnn_pickle_read(w->arena, &source, &result, r->diag);
    w->producer = "PyTorch";
    return status == CNN_OK ? read_table(r, result.root, entry) : status;
}

/* ---- The old layout ---- */

static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
static const unsigned char beginning[] = {0x80, 2, 0x8a, 10};

static bool begins_old(const unsigned char *data, size_t size)
{
    return size >= sizeof beginning + sizeof magic &&
           memcmp(data, beginning, sizeof beginning) == 0 &&
           memcmp(data + sizeof beginning, magic, sizeof magic) == 0;
}

static cnn_status read_next(struct reader *r, size_t *at, struct cnn_pickle_result *out)
{
    const struct cnn_pickle_source source = {r->weights->path, r->data + *at, r->size - *at, *at,
                                             cnn_torch_globals};
    r->pickle_at = *at;
    cnn_status status = cnn_pickle_read(r->weights->arena, &source, out, r->diag);
    if (status == CNN_OK)
        *at += out->used;
    return status;
}

/* One place for each key that the pickle names. */
static cnn_status list_places(struct reader *r, const struct cnn_pickle_result *result)
{
    struct place *places =
        cnn_arena_array(r->weights->arena, result->stored_count + 1, sizeof *places);
    if (!places)
        return cnn_fail_memory(r->diag, result->stored_count * sizeof *places, r->weights->path);
    for (size_t i = 0; i < result->stored_count; i++) {
        struct storage storage;
        cnn_status status = read_storage(r, result->stored[i], &storage);
        if (status != CNN_OK)
            return status;
        places[i] = (struct place){storage.key, storage.type, storage.count, NULL};
    }
    qsort(places, result->stored_count, sizeof *places, compare_keys);
    for (size_t i = 0; i < result->stored_count; i++)
        if (i == 0 || strcmp(places[i].key, places[i - 1].key) != 0)
            places[r->place_count++] = places[i];
    r->places = places;
    return CNN_OK;
}

/* The storages stand in the order of a list of their keys, each after its count in eight bytes. */
static cnn_status place_storages(struct reader *r, const struct cnn_pickle *keys, size_t at)
{
    for (size_t i = 0; i < keys->count; i++) {
        const struct place key = {.key = keys->items[i]->text};
        size_t bytes = 0;
        struct place *place =
            keys->items[i]->kind == CNN_PICKLE_TEXT && r->place_count > 0
                ? bsearch(&key, r->places, r->place_count, sizeof key, compare_keys)
                : NULL;
        if (!place)
            return fail(r, keys->items[i], "the numbers that are listed here belong to no tensor");
        uint64_t count = 0;
        for (size_t k = 8; k-- > 0 && r->size - at >= 8;)
            count = count << 8 | r->data[at + k];
        bool fits = r->size - at >= 8 && count == place->count &&
                    cnn_size_mul(place->count, cnn_weight_type_bytes(place->type), &bytes) &&
                    bytes <= r->size - at - 8;
        if (!fits)
            return cnn_fail(r->diag, CNN_FAILED, NULL,
                            "%s: byte %zu: %zu numbers of %s should stand here; the file is cut "
                            "short or damaged",
                            r->weights->path, at, place->count, cnn_weight_type_name(place->type));
        place->data = r->data + at + 8;
        at += 8 + bytes;
    }
    return CNN_OK;
}

static cnn_status read_old(struct reader *r, const char *entry)
{
    struct cnn_pickle_result parts[5]; /* magic, version, machine, tensors, keys of storages */
    size_t at = 0, tensors_at = 0;
    cnn_status status = CNN_OK;
    r->weights->producer = "PyTorch, in the layout before 1.6";
    for (size_t i = 0; i < 5 && status == CNN_OK; i++) {
        tensors_at = i == 3 ? at : tensors_at;
        status = read_next(r, &at, &parts[i]);
    }
    if (status != CNN_OK)
        return status;
    const struct cnn_pickle *order = cnn_pickle_get(parts[2].root, "little_endian");
    if (order && (order->kind != CNN_PICKLE_BOOL || !order->integer))
        return cnn_fail(r->diag, CNN_FAILED, NULL, "%s: its numbers are not little endian",
                        r->weights->path);
    if (parts[4].root->kind != CNN_PICKLE_LIST)
        return fail(r, parts[4].root, "a list of storages should stand here");
    size_t keys_at = r->pickle_at;
    r->pickle_at = tensors_at;
    status = list_places(r, &parts[3]);
    r->pickle_at = keys_at;
    if (status == CNN_OK)
        status = place_storages(r, parts[4].root, at);
    r->pickle_at = tensors_at;
    return status == CNN_OK ? read_table(r, parts[3].root, entry) : status;
}

bool cnn_torch_recognise(const unsigned char *data, size_t size)
{
    return cnn_zip_recognise(data, size) || begins_old(data, size);
}

cnn_status cnn_torch_read(struct cnn_weights *weights, const unsigned char *data, size_t size,
                          const char *entry, cnn_diag *diag)
{
    struct reader r = {.weights = weights, .data = data, .size = size, .diag = diag};
    if (cnn_zip_recognise(data, size))
        return read_archive(&r, entry);
    if (begins_old(data, size))
        return read_old(&r, entry);
    cnn_fail(diag, CNN_FAILED, NULL,
             "%s is no file that torch.save writes, or is cut short: it begins as neither a ZIP "
             "archive nor PyTorch's older files do",
             weights->path);
    if (size > 262 && memcmp(data + 257, "ustar", 5) == 0)
        cnn_hint(diag, "it is of PyTorch before 0.2; a newer one reads it, and saves it anew");
    return CNN_FAILED;
}
