/* Folders: read whole and sorted. Most file systems say what an entry is; only links, and the
 * entries of file systems that do not, are looked at one by one. */
#define _DEFAULT_SOURCE /* d_type */
#include "data/directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util/diag.h"
#include "util/text.h"

int cnn_directory_compare(const char *a, const char *b)
{
    int order = cnn_natural_compare(a, b);
    return order != 0 ? order : strcmp(a, b);
}

static int compare_entries(const void *a, const void *b)
{
    const struct cnn_entry *x = a, *y = b;
    return cnn_directory_compare(x->name, y->name);
}

/* A link to nothing and one to itself are there, so they are no reason to stop. */
static cnn_status find_kind(const char *path, enum cnn_entry_kind *out, cnn_diag *diag)
{
    struct stat info;
    if (stat(path, &info) == 0)
        *out = S_ISDIR(info.st_mode)   ? CNN_ENTRY_FOLDER
               : S_ISREG(info.st_mode) ? CNN_ENTRY_FILE
                                       : CNN_ENTRY_OTHER;
    else if (errno == ENOENT || errno == ELOOP)
        *out = CNN_ENTRY_OTHER;
    else
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", path, strerror(errno));
    return CNN_OK;
}

static cnn_status add_entry(struct cnn_arena *arena, const char *folder, const struct dirent *entry,
                            struct cnn_entries *out, cnn_diag *diag)
{
    struct cnn_entry added = {cnn_arena_strdup(arena, entry->d_name), CNN_ENTRY_FILE};
    if (out->count == out->capacity) {
        size_t capacity = out->capacity ? out->capacity * 2 : 16;
        struct cnn_entry *items = cnn_arena_array(arena, capacity, sizeof *items);
        if (!items)
            return cnn_fail_memory(diag, capacity * sizeof *items, folder);
        if (out->count > 0)
            memcpy(items, out->items, out->count * sizeof *items);
        out->items = items;
        out->capacity = capacity;
    }
    cnn_status status = CNN_OK;
    if (entry->d_type == DT_DIR)
        added.kind = CNN_ENTRY_FOLDER;
    else if (entry->d_type != DT_REG) {
        const char *path = cnn_arena_printf(arena, "%s/%s", folder, entry->d_name);
        status = path ? find_kind(path, &added.kind, diag) : cnn_fail_memory(diag, 0, folder);
    }
    if (status == CNN_OK && !added.name)
        status = cnn_fail_memory(diag, 0, folder);
    if (status == CNN_OK)
        out->items[out->count++] = added;
    return status;
}

static cnn_status fail_unreadable(const char *folder, cnn_diag *diag)
{
    if (errno == ENOMEM)
        return cnn_fail_memory(diag, 0, folder);
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot read the folder %s: %s", folder,
                    strerror(errno));
}

cnn_status cnn_directory_read(struct cnn_arena *arena, const char *folder, struct cnn_entries *out,
                              cnn_diag *diag)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return fail_unreadable(folder, diag);
    cnn_status status = CNN_OK;
    const struct dirent *entry;
    while (status == CNN_OK && (errno = 0, entry = readdir(directory)) != NULL)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            status = add_entry(arena, folder, entry, out, diag);
    if (status == CNN_OK && errno != 0)
        status = fail_unreadable(folder, diag);
    closedir(directory);
    if (out->count > 1)
        qsort(out->items, out->count, sizeof *out->items, compare_entries);
    return status;
}
