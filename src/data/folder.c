/* Data sets of image files in a folder per class: found, listed in a fixed order, and looked at in
 * parallel. Nothing is decoded here. */
#include "data/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/image.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/parallel.h"
#include "util/text.h"

#define MAX_CLASSES 65535
#define LISTED      10 /* unreadable images named one by one */

struct names {
    const char **items;
    size_t count, capacity;
};

struct class
{
    const char *folder; /* its path */
    struct names files; /* names inside it */
};

struct listing {
    struct cnn_arena *arena; /* for all but the files' paths */
    struct names names;      /* of the classes */
    struct class *classes;
    struct cnn_images images;
    bool *readable; /* [images] */
    bool any_damage;
};

static cnn_shape shape_of(const struct cnn_images *images)
{
    return (cnn_shape){3, images->channels, images->height, images->width};
}

static bool is_directory(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

static bool names_add(struct cnn_arena *arena, struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = names->capacity ? names->capacity * 2 : 16;
        const char **items = cnn_arena_array(arena, capacity, sizeof *items);
        if (!items)
            return false;
        if (names->count > 0)
            memcpy(items, names->items, names->count * sizeof *items);
        names->items = items;
        names->capacity = capacity;
    }
    const char *copy = cnn_arena_strdup(arena, name);
    if (copy)
        names->items[names->count++] = copy;
    return copy != NULL;
}

/* Natural order; names that are equal in it (a1, a01) byte by byte, so that the order never depends
 * on the disk. */
static int compare_names(const void *a, const void *b)
{
    const char *const *x = a, *const *y = b;
    int order = cnn_natural_compare(*x, *y);
    return order != 0 ? order : strcmp(*x, *y);
}

/* The names in a folder, sorted: its folders, or its files that are named like images. */
static cnn_status names_read(struct cnn_arena *arena, const char *folder, bool folders,
                             struct names *names, cnn_diag *diag)
{
    DIR *directory = opendir(folder);
    if (!directory)
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot read the folder %s: %s", folder,
                        strerror(errno));
    cnn_status status = CNN_OK;
    struct dirent *entry;
    while (status == CNN_OK && (errno = 0, entry = readdir(directory)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        bool wanted = cnn_image_readable(entry->d_name);
        if (folders) {
            const char *path = cnn_arena_printf(arena, "%s/%s", folder, entry->d_name);
            wanted = path && is_directory(path);
            if (!path)
                status = cnn_fail_memory(diag, 0, folder);
            /* it becomes a class's name, which is text */
            else if (wanted && !cnn_utf8_valid(entry->d_name, strlen(entry->d_name)))
                status = cnn_fail(diag, CNN_FAILED, NULL,
                                  "the name of the folder %s is not UTF-8 text", path);
        }
        if (status == CNN_OK && wanted && !names_add(arena, names, entry->d_name))
            status = cnn_fail_memory(diag, 0, folder);
    }
    if (status == CNN_OK && errno != 0)
        status = cnn_fail(diag, CNN_FAILED, NULL, "cannot read the folder %s: %s", folder,
                          strerror(errno));
    closedir(directory);
    if (names->count > 1)
        qsort(names->items, names->count, sizeof *names->items, compare_names);
    return status;
}

/* Whether root/name is a folder that holds folders. One named train with images in it is the class
 * of trains. */
static bool has_classes(struct cnn_arena *arena, const char *root, const char *name)
{
    const char *path = cnn_arena_printf(arena, "%s/%s", root, name);
    struct names names = {0};
    return path && is_directory(path) && names_read(arena, path, true, &names, NULL) == CNN_OK &&
           names.count > 0;
}

cnn_status cnn_folder_splits(const char *root, bool has[3], cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    if (!arena)
        return cnn_fail_memory(diag, 0, root);
    bool any = false;
    for (size_t i = 0; i < 3; i++) {
        has[i] = has_classes(arena, root, cnn_split_names[i]);
        any = any || has[i];
    }
    struct names classes = {0};
    cnn_status status = any ? CNN_OK : names_read(arena, root, true, &classes, diag);
    if (status == CNN_OK && !any && classes.count == 0) {
        status = cnn_fail(diag, CNN_FAILED, NULL, "no class folders in %s", root);
        cnn_hint(diag, "a folder data set is FOLDER/<class>/<images>, or "
                       "FOLDER/train/<class>/<images>, and likewise val and test");
    }
    if (!any)
        has[CNN_SPLIT_TRAIN] = true;
    cnn_arena_free(arena);
    return status;
}

/* Where the class folders of a split are; root itself where it is not divided. NULL when out of
 * memory. */
static const char *split_folder(struct cnn_arena *arena, const char *root, enum cnn_split split)
{
    bool divided = false;
    for (size_t i = 0; i < 3; i++)
        divided = divided || has_classes(arena, root, cnn_split_names[i]);
    return divided ? cnn_arena_printf(arena, "%s/%s", root, cnn_split_names[split]) : root;
}

static const char *find_missing(const struct names *from, const struct names *in)
{
    for (size_t i = 0; i < from->count; i++) {
        if (in->count == 0 ||
            !bsearch(&from->items[i], in->items, in->count, sizeof *in->items, compare_names))
            return from->items[i];
    }
    return NULL;
}

/* A class that only one of the two splits has would shift the labels of all that follow. */
static cnn_status check_same_classes(struct listing *l, const char *root, const char *folder,
                                     cnn_diag *diag)
{
    struct names train = {0};
    if (!has_classes(l->arena, root, cnn_split_names[CNN_SPLIT_TRAIN]))
        return CNN_OK;
    const char *train_folder =
        cnn_arena_printf(l->arena, "%s/%s", root, cnn_split_names[CNN_SPLIT_TRAIN]);
    if (!train_folder)
        return cnn_fail_memory(diag, 0, root);
    cnn_status status = names_read(l->arena, train_folder, true, &train, diag);
    if (status != CNN_OK)
        return status;
    const char *missing = find_missing(&train, &l->names), *added = find_missing(&l->names, &train);
    if (missing)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s has no class '%s', which %s has", folder,
                          missing, train_folder);
    if (added)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s has a class '%s', which %s has not", folder,
                          added, train_folder);
    if (status != CNN_OK)
        cnn_hint(diag, "every split needs the same class folders, %zu here and %zu there",
                 l->names.count, train.count);
    return status;
}

static cnn_status list_classes(struct listing *l, const char *folder, size_t *total,
                               size_t *deepest, cnn_diag *diag)
{
    cnn_status result = CNN_OK;
    *total = *deepest = 0;
    l->classes = cnn_arena_array(l->arena, l->names.count, sizeof *l->classes);
    if (!l->classes)
        return cnn_fail_memory(diag, l->names.count * sizeof *l->classes, folder);
    for (size_t i = 0; i < l->names.count; i++) {
        struct class *class = &l->classes[i];
        class->folder = cnn_arena_printf(l->arena, "%s/%s", folder, l->names.items[i]);
        if (!class->folder)
            return cnn_fail_memory(diag, 0, folder);
        cnn_status status = names_read(l->arena, class->folder, false, &class->files, diag);
        if (status == CNN_OK && class->files.count == 0) {
            status =
                cnn_fail(diag, CNN_FAILED, NULL, "no images in the class folder %s", class->folder);
            cnn_hint(diag, "images end in %s and lie in the class folder itself",
                     cnn_image_endings());
        }
        if (status != CNN_OK)
            result = status;
        *total += class->files.count;
        if (class->files.count > *deepest)
            *deepest = class->files.count;
    }
    return result;
}

/* The first image of each class, then the second of each, and so on: the first images of the list
 * show all classes. */
static cnn_status list_images(struct listing *l, size_t total, size_t deepest, size_t limit,
                              cnn_diag *diag)
{
    struct cnn_images *images = &l->images;
    size_t wanted = limit != 0 && limit < total ? limit : total;
    images->paths = cnn_arena_new();
    images->files = calloc(wanted, sizeof *images->files);
    images->labels = calloc(wanted, sizeof *images->labels);
    l->readable = calloc(wanted, sizeof *l->readable);
    if (!images->paths || !images->files || !images->labels || !l->readable)
        return cnn_fail_memory(diag, wanted * sizeof *images->files, "the list of images");
    for (size_t position = 0; position < deepest; position++) {
        for (size_t c = 0; c < l->names.count && images->count < wanted; c++) {
            const struct class *class = &l->classes[c];
            if (position >= class->files.count)
                continue;
            const char *path = cnn_arena_printf(images->paths, "%s/%s", class->folder,
                                                class->files.items[position]);
            if (!path)
                return cnn_fail_memory(diag, 0, "the list of images");
            images->files[images->count].path = path;
            images->labels[images->count++] = (uint16_t)c;
        }
    }
    return CNN_OK;
}

/* Whether a file's header and its parts are in order, which finds files that are cut short, too;
 * takes the picture's size from it. */
static cnn_status look_at(const struct cnn_images *images, size_t i, cnn_diag *diag)
{
    struct cnn_image_file *file = &images->files[i];
    struct cnn_image image;
    cnn_status status = cnn_image_open(file->path, &image, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_image_resizable(&image, shape_of(images), diag);
    file->width = (uint32_t)image.width;
    file->height = (uint32_t)image.height;
    cnn_image_close(&image);
    return status;
}

static void look_at_one(void *context, size_t i, size_t thread)
{
    (void)thread;
    struct listing *l = context;
    l->readable[i] = look_at(&l->images, i, NULL) == CNN_OK;
}

/* The reason why an image cannot be read: it is looked at again, for the threads share no
 * cnn_diag. */
static void warn_unreadable(const struct listing *l, size_t i, cnn_diag *diag)
{
    cnn_diag *one = cnn_diag_new();
    look_at(&l->images, i, one);
    const cnn_message *message = one ? cnn_diag_get(one, 0) : NULL;
    cnn_warn(diag, NULL, "%s", message ? message->text : l->images.files[i].path);
    cnn_diag_free(one);
}

/* Keeps the paths of the files that cannot be read apart. */
static cnn_status list_unreadable(struct listing *l, size_t bad, cnn_diag *diag)
{
    struct cnn_images *images = &l->images;
    images->left_out = cnn_arena_array(images->paths, bad, sizeof *images->left_out);
    if (!images->left_out)
        return cnn_fail_memory(diag, bad * sizeof *images->left_out, "the list of images");
    for (size_t i = 0; i < images->count; i++)
        if (!l->readable[i])
            images->left_out[images->left_out_count++] = images->files[i].path;
    return CNN_OK;
}

static cnn_status drop_unreadable(struct listing *l, const char *folder, cnn_diag *diag)
{
    size_t listed = l->images.count, bad = 0;
    for (size_t i = 0; i < listed; i++)
        if (!l->readable[i] && bad++ < LISTED)
            warn_unreadable(l, i, diag);
    cnn_status status = list_unreadable(l, bad, diag);
    if (status != CNN_OK)
        return status;
    cnn_images_keep(&l->images, l->readable);
    if (bad * 100 > listed && !l->any_damage) {
        cnn_fail(diag, CNN_FAILED, NULL, "%zu of %zu images in %s cannot be read, more than 1 %%",
                 bad, listed, folder);
        cnn_hint(diag, "'cnn data' with a description lists them; mend or remove them");
        return CNN_FAILED;
    }
    if (bad > 0)
        cnn_warn(diag, NULL, "%zu of %zu images in %s cannot be read and are left out", bad, listed,
                 folder);
    return CNN_OK;
}

static cnn_status read_listing(struct listing *l, const char *root, enum cnn_split split,
                               size_t limit, cnn_diag *diag)
{
    size_t total, deepest;
    const char *folder = split_folder(l->arena, root, split);
    if (!folder)
        return cnn_fail_memory(diag, 0, root);
    cnn_status status = names_read(l->arena, folder, true, &l->names, diag);
    if (status == CNN_OK && l->names.count > MAX_CLASSES)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu class folders, at most %d are read",
                          folder, l->names.count, MAX_CLASSES);
    if (status == CNN_OK)
        status = check_same_classes(l, root, folder, diag);
    if (status == CNN_OK)
        status = list_classes(l, folder, &total, &deepest, diag);
    if (status == CNN_OK)
        status = list_images(l, total, deepest, limit, diag);
    if (status != CNN_OK)
        return status;
    cnn_parallel_for(l->images.count, look_at_one, l);
    return drop_unreadable(l, folder, diag);
}

cnn_status cnn_folder_read(const char *root, enum cnn_split split, size_t limit, cnn_shape input,
                           bool any_damage, struct cnn_images *out, cnn_diag *diag)
{
    if (input.rank != 3 || (input.c != 1 && input.c != 3 && input.c != 4))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "image files give 1, 3 or 4 channels, the network's input has %zu",
                        input.c);
    struct listing l = {.arena = cnn_arena_new(),
                        .any_damage = any_damage,
                        .images = {.channels = input.c, .height = input.h, .width = input.w}};
    cnn_status status =
        l.arena ? read_listing(&l, root, split, limit, diag) : cnn_fail_memory(diag, 0, root);
    if (status == CNN_OK)
        status = cnn_images_name_classes(&l.images, l.names.items, l.names.count, diag);
    if (status == CNN_OK)
        *out = l.images;
    else
        cnn_images_free(&l.images);
    free(l.readable);
    cnn_arena_free(l.arena);
    return status;
}
