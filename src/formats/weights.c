/* Files of weights: opened by their kind, and their names made plain. */
#include "formats/weights.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "formats/torch.h"
#include "util/allocate.h"
#include "util/file.h"

/* ---- Names ---- */

/* Wrappers of modules, whose names come before those of what they hold. */
static const char *const prefixes[] = {"module.", "_orig_mod.", "model."};

static bool all_begin(const struct cnn_weights *w, size_t skip, const char *prefix)
{
    size_t length = strlen(prefix);
    for (size_t i = 0; i < w->count; i++)
        if (strncmp(w->items[i].name + skip, prefix, length) != 0)
            return false;
    return w->count > 0;
}

static cnn_status strip_prefixes(struct cnn_weights *w, cnn_diag *diag)
{
    size_t length = 0;
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && !found; i++)
            if (all_begin(w, length, prefixes[i])) {
                length += strlen(prefixes[i]);
                found = true;
            }
    }
    w->prefix = w->count > 0 ? cnn_arena_strndup(w->arena, w->items[0].name, length) : "";
    for (size_t i = 0; i < w->count; i++)
        w->items[i].name += length;
    return w->prefix ? CNN_OK : cnn_fail_memory(diag, length, w->path);
}

/* Counts of batches, which PyTorch keeps in its batch_norms and this program does not. */
static void drop_counters(struct cnn_weights *w)
{
    static const char counter[] = "num_batches_tracked";
    size_t kept = 0;
    for (size_t i = 0; i < w->count; i++) {
        const char *dot = strrchr(w->items[i].name, '.');
        if (strcmp(dot ? dot + 1 : w->items[i].name, counter) == 0)
            w->counters++;
        else
            w->items[kept++] = w->items[i];
    }
    w->count = kept;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static cnn_status check_names(const struct cnn_weights *w, cnn_diag *diag)
{
    const char **names = cnn_malloc((w->count + 1) * sizeof *names);
    cnn_status status = CNN_OK;
    if (!names)
        return cnn_fail_memory(diag, w->count * sizeof *names, w->path);
    for (size_t i = 0; i < w->count; i++)
        names[i] = w->items[i].name;
    qsort(names, w->count, sizeof *names, compare_names);
    for (size_t i = 1; i < w->count && status == CNN_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status =
                cnn_fail(diag, CNN_FAILED, NULL, "%s holds two tensors '%s'", w->path, names[i]);
    cnn_free(names);
    return status;
}

/* ---- Safetensors ---- */

static void take_stored(const struct cnn_stored_tensor *stored, struct cnn_weight *out)
{
    size_t stride = 1;
    out->name = stored->name;
    out->type = cnn_weight_type_find(stored->dtype);
    out->rank = stored->rank;
    out->count = stored->count;
    out->data = stored->data;
    for (size_t i = stored->rank; i-- > 0;) {
        out->dims[i] = stored->dims[i];
        out->strides[i] = stride;
        stride *= stored->dims[i];
    }
}

static int compare_natural(const void *a, const void *b)
{
    return cnn_natural_compare(((const struct cnn_weight *)a)->name,
                               ((const struct cnn_weight *)b)->name);
}

/* Of the layer that a tensor belongs to. */
static int compare_layers(const struct cnn_weight *a, const struct cnn_weight *b)
{
    const char *ends[] = {strrchr(a->name, '.'), strrchr(b->name, '.')};
    size_t lengths[] = {ends[0] ? (size_t)(ends[0] - a->name) : 0,
                        ends[1] ? (size_t)(ends[1] - b->name) : 0};
    int order = memcmp(a->name, b->name, lengths[0] < lengths[1] ? lengths[0] : lengths[1]);
    return order != 0 ? order : (lengths[0] > lengths[1]) - (lengths[0] < lengths[1]);
}

/* safetensors' own writer sorts by type and name, and some programs sort before they save. The
 * order then says no more than the numbers in names do: "layer2" comes before "layer10". */
static void settle_order(struct cnn_weights *w)
{
    w->sorted = true;
    for (size_t i = 1; i < w->count && w->sorted; i++)
        w->sorted = w->items[i].type != w->items[i - 1].type ||
                    compare_layers(&w->items[i - 1], &w->items[i]) <= 0;
    if (w->sorted && w->count > 0)
        qsort(w->items, w->count, sizeof *w->items, compare_natural);
}

static cnn_status read_stored(struct cnn_weights *w, cnn_diag *diag)
{
    const struct cnn_safetensors *file = w->stored;
    w->producer = "safetensors";
    w->items = cnn_arena_array(w->arena, file->tensor_count + 1, sizeof *w->items);
    if (!w->items)
        return cnn_fail_memory(diag, file->tensor_count * sizeof *w->items, w->path);
    for (size_t i = 0; i < file->tensor_count; i++)
        if (file->tensors[i].name[0] != '@') /* a run's state, in checkpoints of this program */
            take_stored(&file->tensors[i], &w->items[w->count++]);
    return CNN_OK;
}

/* ---- Opening ---- */

bool cnn_weights_recognise(const char *path)
{
    if (cnn_file_ends(path, ".pth") || cnn_file_ends(path, ".pt"))
        return true;
    unsigned char first[16];
    unsigned long long size;
    int fd = cnn_file_open(path, &size);
    ssize_t got = fd >= 0 ? read(fd, first, sizeof first) : 0;
    if (fd >= 0)
        close(fd);
    return got > 0 && cnn_torch_recognise(first, (size_t)got);
}

static cnn_status finish(struct cnn_weights *w, cnn_diag *diag)
{
    drop_counters(w);
    settle_order(w);
    cnn_status status = check_names(w, diag);
    if (status == CNN_OK)
        status = strip_prefixes(w, diag);
    if (status == CNN_OK && w->others.failed)
        status = cnn_fail_memory(diag, w->others.size, w->path);
    if (status == CNN_OK && w->count == 0)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s holds no weights", w->path);
    return status;
}

static struct cnn_weights *new_weights(const char *path, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_weights *w = arena ? cnn_arena_alloc(arena, sizeof *w) : NULL;
    if (w) {
        w->arena = arena;
        w->path = cnn_arena_strdup(arena, path);
    }
    if (w && w->path)
        return w;
    cnn_arena_free(arena);
    cnn_fail_memory(diag, sizeof *w, path);
    return NULL;
}

static cnn_status keep(struct cnn_weights *w, cnn_status status, struct cnn_weights **out)
{
    if (status == CNN_OK)
        *out = w;
    else
        cnn_weights_close(w);
    return status;
}

cnn_status cnn_weights_open(const char *path, const char *entry, struct cnn_weights **out,
                            cnn_diag *diag)
{
    struct cnn_weights *w = new_weights(path, diag);
    size_t size;
    cnn_status status;
    if (!w)
        return CNN_FAILED;
    if (cnn_file_ends(path, ".safetensors")) {
        status = cnn_safetensors_open(path, &w->stored, diag);
        if (status == CNN_OK)
            status = read_stored(w, diag);
    } else {
        status = cnn_file_read(path, SIZE_MAX, &w->bytes, &size, diag);
        if (status == CNN_OK)
            status = cnn_torch_read(w, (const unsigned char *)w->bytes, size, entry, diag);
    }
    return keep(w, status == CNN_OK ? finish(w, diag) : status, out);
}

cnn_status cnn_weights_open_memory(const char *name, const void *bytes, size_t size,
                                   struct cnn_weights **out, cnn_diag *diag)
{
    struct cnn_weights *w = new_weights(name, diag);
    if (!w)
        return CNN_FAILED;
    w->bytes = cnn_malloc(size + 1);
    cnn_status status = CNN_OK;
    if (!w->bytes) {
        status = cnn_fail_memory(diag, size, name);
    } else {
        memcpy(w->bytes, bytes, size);
        status = cnn_torch_read(w, (const unsigned char *)w->bytes, size, NULL, diag);
    }
    return keep(w, status == CNN_OK ? finish(w, diag) : status, out);
}

void cnn_weights_close(struct cnn_weights *weights)
{
    if (!weights)
        return;
    cnn_safetensors_close(weights->stored);
    cnn_text_free(&weights->others);
    cnn_free(weights->bytes);
    cnn_arena_free(weights->arena);
}
