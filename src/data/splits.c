/* The splits of a folder, by their names. */
#include "data/splits.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "data/dataset.h"
#include "util/diag.h"
#include "util/text.h"

const char *const cnn_split_names[3] = {"train", "val", "test"};

enum { SPLITS = 3, LISTED = 5 };

static const char *const other_names[SPLITS][3] = {
    {"training"}, {"valid", "validation"}, {"testing"}};

void cnn_name_list_add(struct cnn_name_list *list, const char *name)
{
    if (list->count < LISTED)
        list->names[list->count] = name;
    list->count++;
}

const char *cnn_name_list_text(struct cnn_arena *arena, const struct cnn_name_list *list)
{
    struct cnn_text text = {0};
    size_t shown = list->count < LISTED ? list->count : LISTED;
    for (size_t i = 0; i < shown; i++)
        cnn_text_printf(&text, "%s%s", i > 0 ? ", " : "", list->names[i]);
    if (list->count > shown)
        cnn_text_printf(&text, " and %zu more", list->count - shown);
    const char *kept = text.failed ? NULL : cnn_arena_strdup(arena, text.data ? text.data : "");
    cnn_text_free(&text);
    return kept;
}

/* The split that a folder's name stands for; SPLITS for none. */
static size_t find_named(const char *name)
{
    for (size_t split = 0; split < SPLITS; split++) {
        if (strcasecmp(name, cnn_split_names[split]) == 0)
            return split;
        for (const char *const *other = other_names[split]; *other; other++)
            if (strcasecmp(name, *other) == 0)
                return split;
    }
    return SPLITS;
}

static cnn_status holds_folders(struct cnn_arena *arena, const char *folder, bool *out,
                                cnn_diag *diag)
{
    struct cnn_entries entries = {0};
    cnn_status status = cnn_directory_read(arena, folder, &entries, diag);
    *out = false;
    for (size_t i = 0; i < entries.count && !*out; i++)
        *out = entries.items[i].kind == CNN_ENTRY_FOLDER && entries.items[i].name[0] != '.';
    return status;
}

/* What a folder of root is to the data set. */
static cnn_status sort_folder(struct cnn_arena *arena, const char *path, const char *name,
                              struct cnn_splits *out, cnn_diag *diag)
{
    size_t split = find_named(name);
    bool holds = false;
    if (split == SPLITS) {
        cnn_name_list_add(&out->unused, path);
        return CNN_OK;
    }
    cnn_status status = holds_folders(arena, path, &holds, diag);
    if (status != CNN_OK)
        return status;
    if (!holds)
        cnn_name_list_add(&out->bare, path);
    else if (out->folders[split]) {
        cnn_fail(diag, CNN_FAILED, NULL, "%s and %s both hold the %s images", out->folders[split],
                 path, cnn_split_names[split]);
        cnn_hint(diag, "put all into one of them, or give the other another name");
        return CNN_FAILED;
    } else
        out->folders[split] = path;
    return CNN_OK;
}

static cnn_status sort_entry(struct cnn_arena *arena, const char *root,
                             const struct cnn_entry *entry, struct cnn_splits *out, cnn_diag *diag)
{
    if (entry->name[0] == '.' || entry->kind != CNN_ENTRY_FOLDER) {
        /* others are a project's own: descriptions, tables */
        if (cnn_image_readable(entry->name) || cnn_image_conversion(entry->name))
            cnn_passed_add(&out->passed, root, entry);
        return CNN_OK;
    }
    const char *path = cnn_arena_printf(arena, "%s/%s", root, entry->name);
    return path ? sort_folder(arena, path, entry->name, out, diag) : cnn_fail_memory(diag, 0, root);
}

/* Folders named like splits, and nothing but images in them. */
static cnn_status fail_bare(const struct cnn_splits *splits, struct cnn_arena *arena,
                            const char *root, cnn_diag *diag)
{
    const char *names = cnn_name_list_text(arena, &splits->bare);
    cnn_fail(diag, CNN_FAILED, NULL, "no class folders in %s: there are none in %s", root,
             names ? names : "its folders");
    cnn_hint(diag, "a class is a folder of its own, such as %s/<class>/<images>",
             splits->bare.names[0]);
    return CNN_FAILED;
}

static cnn_status settle(struct cnn_arena *arena, const char *root, struct cnn_splits *out,
                         cnn_diag *diag)
{
    bool named = out->folders[0] || out->folders[1] || out->folders[2];
    out->divided = out->folders[CNN_SPLIT_TRAIN] || (named && out->unused.count == 0);
    if (out->divided)
        return CNN_OK;
    if (!named && out->unused.count == 0) {
        if (out->bare.count > 0)
            return fail_bare(out, arena, root, diag);
        cnn_fail(diag, CNN_FAILED, NULL, "no class folders in %s", root);
        cnn_hint(diag, "a folder data set is FOLDER/<class>/<images>, or "
                       "FOLDER/train/<class>/<images>, and likewise val and test");
        return CNN_FAILED;
    }
    *out = (struct cnn_splits){.folders = {root}};
    return CNN_OK;
}

cnn_status cnn_splits_find(struct cnn_arena *arena, const char *root, struct cnn_splits *out,
                           cnn_diag *diag)
{
    struct cnn_entries entries = {0};
    *out = (struct cnn_splits){0};
    cnn_status status = cnn_directory_read(arena, root, &entries, diag);
    for (size_t i = 0; i < entries.count && status == CNN_OK; i++)
        status = sort_entry(arena, root, &entries.items[i], out, diag);
    return status == CNN_OK ? settle(arena, root, out, diag) : status;
}

void cnn_splits_tell(struct cnn_arena *arena, const struct cnn_splits *splits, const char *root,
                     cnn_diag *diag)
{
    const char *unused = cnn_name_list_text(arena, &splits->unused),
               *bare = cnn_name_list_text(arena, &splits->bare);
    if (splits->unused.count > 0) {
        cnn_warn(diag, NULL, "not used, for %s is divided: %s", root,
                 unused ? unused : "other folders");
        cnn_hint(diag, "folders that are read: train or training; val, valid or validation; test "
                       "or testing");
    }
    if (splits->bare.count > 0) {
        cnn_warn(diag, NULL, "not used, for there are no class folders in it: %s",
                 bare ? bare : "a folder");
        cnn_hint(diag, "a class is a folder of its own, such as %s/<class>/<images>",
                 splits->bare.names[0]);
    }
    cnn_passed_tell(&splits->passed, root, diag);
}
