/* A folder per class: ROOT/<class>/image files, or ROOT/train/<class>/..., and likewise ROOT/val
 * and ROOT/test (data/splits.h). The files are found, listed in a fixed order, and looked at
 * (data/readable.h). Nothing is decoded here.
 *
 * The classes are the folders of the training images that hold some, in natural order, and nothing
 * else decides a label; other splits need not have images of all, but of no further ones. Images in
 * folders inside a class folder are the class's, too. A limit takes images in turn from each class,
 * so that it keeps all classes. Every file is read and its structure looked at: what cannot be read
 * is left out, which is an error where it is too much (but for any_damage). Warnings say what is
 * left out or passed over: files that are not read, folders without images, classes that the split
 * lacks. */
#include "data/format.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "data/image.h"
#include "data/readable.h"
#include "data/splits.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/text.h"

#define MAX_CLASSES ((size_t)UINT16_MAX + 1)

struct names {
    const char **items;
    size_t count, capacity;
};

struct class
{
    const char *name;
    const char *folder; /* its path */
    struct names files; /* paths inside it */
};

struct listing {
    struct cnn_arena *arena; /* for all but the files' paths */
    const char *folder;      /* of the split */
    const struct cnn_splits *splits;
    struct class *classes, *empty; /* folders with images, and without */
    size_t class_count, empty_count;
    struct cnn_images images;
    bool classes_only; /* only which classes there are is wanted */
    /* what there is to tell of */
    struct cnn_passed passed;
    struct cnn_name_list deep; /* folders of images that are inside class folders */
};

/* A folder on the way down, to see links that lead back up. */
struct level {
    const struct level *above;
    struct stat info;
};

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
    if (name)
        names->items[names->count++] = name;
    return name != NULL;
}

/* path/name in the arena; the other where one of them is "". */
static const char *join(struct cnn_arena *arena, const char *path, const char *name)
{
    return !*path ? name : !*name ? path : cnn_arena_printf(arena, "%s/%s", path, name);
}

static cnn_status enter(const char *folder, const struct level *above, struct level *out,
                        cnn_diag *diag)
{
    *out = (struct level){.above = above};
    if (stat(folder, &out->info) == 0)
        return CNN_OK;
    return cnn_fail(diag, CNN_FAILED, NULL, "cannot read the folder %s: %s", folder,
                    strerror(errno));
}

static bool leads_back(const struct level *level)
{
    for (const struct level *above = level->above; above; above = above->above)
        if (above->info.st_dev == level->info.st_dev && above->info.st_ino == level->info.st_ino)
            return true;
    return false;
}

static bool is_visible_folder(const struct cnn_entry *entry)
{
    return entry->kind == CNN_ENTRY_FOLDER && entry->name[0] != '.';
}

/* An entry of class->folder/inside that is no folder. */
static cnn_status list_file(struct listing *l, struct class *class, const char *inside,
                            const struct cnn_entry *entry, cnn_diag *diag)
{
    const char *folder = join(l->arena, class->folder, inside);
    if (!folder)
        return cnn_fail_memory(diag, 0, class->folder);
    if (entry->kind != CNN_ENTRY_FILE || entry->name[0] == '.' ||
        !cnn_image_readable(entry->name)) {
        cnn_passed_add(&l->passed, folder, entry);
        return CNN_OK;
    }
    const char *path = join(l->arena, inside, entry->name);
    if (*inside)
        cnn_name_list_add(&l->deep, folder);
    return names_add(l->arena, &class->files, path) ? CNN_OK : cnn_fail_memory(diag, 0, folder);
}

/* Adds the images in class->folder/inside, then those in its folders, in their order. Where only
 * the classes are wanted, one image is enough. */
static cnn_status list_files(struct listing *l, struct class *class, const char *inside,
                             const struct level *above, cnn_diag *diag)
{
    const char *folder = join(l->arena, class->folder, inside);
    struct cnn_entries entries = {0};
    struct level level;
    cnn_status status = folder ? enter(folder, above, &level, diag) : cnn_fail_memory(diag, 0, "");
    if (status != CNN_OK || leads_back(&level))
        return status;
    status = cnn_directory_read(l->arena, folder, &entries, diag);
    for (size_t i = 0; i < entries.count && status == CNN_OK; i++)
        if (!is_visible_folder(&entries.items[i]))
            status = list_file(l, class, inside, &entries.items[i], diag);
    for (size_t i = 0; i < entries.count && status == CNN_OK; i++) {
        if (!is_visible_folder(&entries.items[i]) || (l->classes_only && class->files.count > 0))
            continue;
        const char *path = join(l->arena, inside, entries.items[i].name);
        status = path ? list_files(l, class, path, &level, diag) : cnn_fail_memory(diag, 0, folder);
    }
    return status;
}

/* A folder is a class where it holds images. */
static cnn_status list_class(struct listing *l, const char *name, cnn_diag *diag)
{
    struct class class = {.name = name,
                          .folder = cnn_arena_printf(l->arena, "%s/%s", l->folder, name)};
    if (!class.folder)
        return cnn_fail_memory(diag, 0, l->folder);
    /* it becomes a class's name, which is text */
    if (!cnn_utf8_valid(name, strlen(name)))
        return cnn_fail(diag, CNN_FAILED, NULL, "the name of the folder %s is not UTF-8 text",
                        class.folder);
    cnn_status status = list_files(l, &class, "", NULL, diag);
    if (status == CNN_OK && class.files.count == 0)
        l->empty[l->empty_count++] = class;
    else if (status == CNN_OK)
        l->classes[l->class_count++] = class;
    return status;
}

/* Fills l->classes from l->folder. */
static cnn_status list_classes(struct listing *l, cnn_diag *diag)
{
    struct cnn_entries entries = {0};
    cnn_status status = cnn_directory_read(l->arena, l->folder, &entries, diag);
    l->classes = cnn_arena_array(l->arena, entries.count, sizeof *l->classes);
    l->empty = cnn_arena_array(l->arena, entries.count, sizeof *l->empty);
    if (status == CNN_OK && (!l->classes || !l->empty))
        status = cnn_fail_memory(diag, entries.count * 2 * sizeof *l->classes, l->folder);
    for (size_t i = 0; i < entries.count && status == CNN_OK; i++) {
        if (is_visible_folder(&entries.items[i]))
            status = list_class(l, entries.items[i].name, diag);
        else
            cnn_passed_add(&l->passed, l->folder, &entries.items[i]);
    }
    if (status == CNN_OK && l->class_count > MAX_CLASSES)
        status = cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu class folders, at most %zu are read",
                          l->folder, l->class_count, MAX_CLASSES);
    return status;
}

static cnn_status fail_new_class(const struct listing *l, const struct class *class,
                                 const char *train_folder, cnn_diag *diag)
{
    cnn_fail(diag, CNN_FAILED, NULL, "%s has images of a class '%s', of which %s has none",
             l->folder, class->name, train_folder);
    cnn_hint(diag,
             "the classes are those of the training images: put some of '%s' there, or "
             "remove %s",
             class->name, class->folder);
    return CNN_FAILED;
}

/* Gives a split that is no training split the classes of those images, whose order decides the
 * labels. It need not have images of all. Both lists are in the same order. */
static cnn_status take_training_classes(struct listing *l, cnn_diag *diag)
{
    struct listing train = {
        .arena = l->arena, .folder = l->splits->folders[CNN_SPLIT_TRAIN], .classes_only = true};
    if (!train.folder || train.folder == l->folder)
        return CNN_OK;
    cnn_status status = list_classes(&train, diag);
    if (status != CNN_OK)
        return status;
    size_t next = 0;
    for (size_t i = 0; i < train.class_count; i++) {
        struct class *class = &train.classes[i];
        bool here = next < l->class_count && strcmp(l->classes[next].name, class->name) == 0;
        class->files = here ? l->classes[next++].files : (struct names){0};
        class->folder = here ? l->classes[next - 1].folder : NULL;
    }
    if (next < l->class_count)
        return fail_new_class(l, &l->classes[next], train.folder, diag);
    l->classes = train.classes;
    l->class_count = train.class_count;
    return CNN_OK;
}

static size_t count_files(const struct listing *l)
{
    size_t total = 0;
    for (size_t i = 0; i < l->class_count; i++)
        total += l->classes[i].files.count;
    return total;
}

/* Empty folders of classes that the split lacks are told of as such. */
static void tell_of_classes(const struct listing *l, cnn_diag *diag)
{
    struct cnn_name_list missing = {0}, empty = {0};
    size_t next = 0;
    for (size_t i = 0; i < l->class_count; i++) {
        const char *name = l->classes[i].name;
        for (; next < l->empty_count && cnn_directory_compare(l->empty[next].name, name) < 0;
             next++)
            cnn_name_list_add(&empty, l->empty[next].folder);
        next += next < l->empty_count && strcmp(l->empty[next].name, name) == 0;
        if (l->classes[i].files.count == 0)
            cnn_name_list_add(&missing, name);
    }
    for (; next < l->empty_count; next++)
        cnn_name_list_add(&empty, l->empty[next].folder);
    const char *text = cnn_name_list_text(l->arena, &empty);
    if (empty.count > 0)
        cnn_warn(diag, NULL, "no images in %s", text ? text : "some folders");
    text = cnn_name_list_text(l->arena, &missing);
    if (missing.count > 0)
        cnn_warn(diag, NULL, "%s has no images of %zu of %zu classes: %s", l->folder, missing.count,
                 l->class_count, text ? text : "...");
}

/* Images in folders inside the class folders are the class's, as for most programs; but where all
 * are, the class folders may be something else. */
static void tell_of_depth(const struct listing *l, size_t total, cnn_diag *diag)
{
    if (l->deep.count == 0)
        return;
    cnn_warn(diag, NULL,
             "%zu of %zu images in %s lie in folders inside the class folders, for example %s; "
             "each belongs to the class whose folder it is in",
             l->deep.count, total, l->folder, l->deep.names[0]);
    if (l->deep.count == total)
        cnn_hint(diag,
                 "the classes are %s/<class>; folders of training, validation and test "
                 "images are called train, val and test",
                 l->folder);
}

static cnn_status fail_empty(const struct listing *l, cnn_diag *diag)
{
    cnn_fail(diag, CNN_FAILED, NULL, "no images in the folders of %s", l->folder);
    if (l->splits->divided && l->folder != l->splits->folders[CNN_SPLIT_TRAIN])
        cnn_hint(diag, "put images into %s/<class>, or remove %s", l->folder, l->folder);
    else
        cnn_hint(diag, "images end in %s and lie in a folder per class", cnn_image_endings());
    return CNN_FAILED;
}

/* The first image of each class, then the second of each, and so on: the first images of the list
 * show all classes. Classes that have no more are left behind, so that each image costs one step.
 */
static cnn_status fill_images(struct listing *l, size_t wanted, size_t *left, cnn_diag *diag)
{
    struct cnn_images *images = &l->images;
    size_t count = l->class_count;
    for (size_t position = 0; count > 0 && images->count < wanted; position++) {
        size_t kept = 0;
        for (size_t i = 0; i < count && images->count < wanted; i++) {
            const struct class *class = &l->classes[left[i]];
            if (position >= class->files.count)
                continue;
            const char *path = cnn_arena_printf(images->paths, "%s/%s", class->folder,
                                                class->files.items[position]);
            if (!path)
                return cnn_fail_memory(diag, 0, "the list of images");
            images->files[images->count].path = path;
            images->labels[images->count++] = (uint16_t)left[i];
            left[kept++] = left[i];
        }
        count = kept;
    }
    return CNN_OK;
}

static cnn_status list_images(struct listing *l, size_t limit, cnn_diag *diag)
{
    struct cnn_images *images = &l->images;
    size_t total = count_files(l), wanted = limit != 0 && limit < total ? limit : total,
           *left = cnn_arena_array(l->arena, l->class_count, sizeof *left);
    tell_of_classes(l, diag);
    tell_of_depth(l, total, diag);
    cnn_passed_tell(&l->passed, l->folder, diag);
    if (total == 0)
        return fail_empty(l, diag);
    images->paths = cnn_arena_new();
    images->files = cnn_calloc(wanted, sizeof *images->files);
    images->labels = cnn_calloc(wanted, sizeof *images->labels);
    if (!left || !images->paths || !images->files || !images->labels)
        return cnn_fail_memory(diag, wanted * sizeof *images->files, "the list of images");
    for (size_t i = 0; i < l->class_count; i++)
        left[i] = i;
    return fill_images(l, wanted, left, diag);
}

static cnn_status name_classes(struct listing *l, cnn_diag *diag)
{
    const char **names = cnn_arena_array(l->arena, l->class_count, sizeof *names);
    if (!names)
        return cnn_fail_memory(diag, l->class_count * sizeof *names, "class names");
    for (size_t i = 0; i < l->class_count; i++)
        names[i] = l->classes[i].name;
    return cnn_images_name_classes(&l->images, names, l->class_count, diag);
}

static cnn_status read_listing(struct listing *l, const struct cnn_data_request *request,
                               cnn_diag *diag)
{
    const char *root = request->path;
    const enum cnn_split split = request->split;
    struct cnn_splits splits;
    cnn_status status = cnn_splits_find(l->arena, root, &splits, diag);
    if (status != CNN_OK)
        return status;
    l->splits = &splits;
    l->folder = splits.folders[split];
    if (!l->folder)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s has no %s images", root,
                        cnn_split_names[split]);
    if (split == CNN_SPLIT_TRAIN)
        cnn_splits_tell(l->arena, &splits, root, diag);
    status = list_classes(l, diag);
    if (status == CNN_OK)
        status = take_training_classes(l, diag);
    if (status == CNN_OK)
        status = list_images(l, request->limit, diag);
    if (status == CNN_OK)
        status = cnn_images_drop_unreadable(&l->images, l->folder, request->any_damage, diag);
    return status == CNN_OK ? name_classes(l, diag) : status;
}

/* One without train/, val/ and test/ is all training images. */
static cnn_status find_splits(const struct cnn_data_request *request, bool has[3], cnn_diag *diag)
{
    const char *root = request->path;
    struct cnn_splits splits;
    struct cnn_arena *arena = cnn_arena_new();
    cnn_status status =
        arena ? cnn_splits_find(arena, root, &splits, diag) : cnn_fail_memory(diag, 0, root);
    for (size_t i = 0; i < 3 && status == CNN_OK; i++)
        has[i] = splits.folders[i] != NULL;
    cnn_arena_free(arena);
    return status;
}

static cnn_status read_folder(const struct cnn_data_request *request, struct cnn_images *out,
                              cnn_diag *diag)
{
    const cnn_shape input = request->input;
    if (input.rank != 3 || (input.c != 1 && input.c != 3 && input.c != 4))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "image files give 1, 3 or 4 channels, the network's input has %zu",
                        input.c);
    struct listing l = {.arena = cnn_arena_new(),
                        .images = {.channels = input.c, .height = input.h, .width = input.w}};
    cnn_status status =
        l.arena ? read_listing(&l, request, diag) : cnn_fail_memory(diag, 0, request->path);
    if (status == CNN_OK)
        *out = l.images;
    else
        cnn_images_free(&l.images);
    cnn_arena_free(l.arena);
    return status;
}

const struct cnn_dataset_format cnn_dataset_format_folder = {
    .name = "folder",
    .title = "folder",
    .wants_path = "path: FOLDER here, or --data FOLDER; FOLDER holds <class>/<images>, or "
                  "train/<class>/<images>",
    .varies = true,
    .splits = find_splits,
    .read = read_folder,
};
