/* What messages suggest: commands that can be typed as they stand, and paths that were meant. */
#include "util/text.h"

#include "cnn.h"
#include "util/allocate.h"
#include "util/diag.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *program = "cnn";

void cnn_set_program(const char *word)
{
    program = word ? word : "cnn";
}

const char *cnn_program(void)
{
    return program;
}

static bool shell_takes(unsigned char c)
{
    return c >= 0x80 || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') || strchr("_-./:,+@%", c);
}

char *cnn_shell_word(const char *word)
{
    if (!word)
        return NULL;
    struct cnn_text text = {0};
    bool plain = *word != '\0';
    for (const char *c = word; *c; c++)
        plain = plain && shell_takes((unsigned char)*c);
    const char *mark = plain ? "" : "'";
    cnn_text_append(&text, mark, strlen(mark));
    if (*word == '-')
        cnn_text_append(&text, "./", 2);
    for (const char *c = word; *c; c++)
        cnn_text_append(&text, *c == '\'' ? "'\\''" : c, *c == '\'' ? 4 : 1);
    cnn_text_append(&text, mark, strlen(mark));
    if (text.failed)
        cnn_text_free(&text);
    return text.data;
}

struct names {
    char **items;
    size_t count, capacity;
};

static void names_free(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        cnn_free(names->items[i]);
    cnn_free(names->items);
}

/* Without memory there is less to suggest. */
static void names_add(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        size_t capacity = 2 * names->capacity + 16;
        char **items = cnn_realloc(names->items, capacity * sizeof *items);
        if (!items)
            return;
        names->items = items;
        names->capacity = capacity;
    }
    char *copy = cnn_strdup(name);
    if (copy)
        names->items[names->count++] = copy;
}

/* Of equally near names the last in natural order is suggested: the newest run. */
static int compare_backwards(const void *left, const void *right)
{
    return cnn_natural_compare(*(char *const *)right, *(char *const *)left);
}

static bool is_near(const char *word, const char *other)
{
    return strcmp(word, other) == 0 || cnn_nearest_word(word, &other, 1);
}

/* Whether both the name before the ending and the ending are near, or the first is the same: an
 * ending that many files have says little. */
static bool name_is_near(const char *name, const char *other, bool *same)
{
    const char *dot = strrchr(name, '.'), *other_dot = strrchr(other, '.');
    char *stem = dot ? cnn_strndup(name, (size_t)(dot - name)) : cnn_strdup(name),
         *other_stem =
             other_dot ? cnn_strndup(other, (size_t)(other_dot - other)) : cnn_strdup(other);
    bool both = stem && other_stem;
    *same = both && strcmp(stem, other_stem) == 0;
    bool near =
        both && is_near(stem, other_stem) && is_near(dot ? dot : "", other_dot ? other_dot : "");
    cnn_free(stem);
    cnn_free(other_stem);
    return near;
}

/* The entries of directory that are near to name, and those that differ from it by another ending.
 * A help is not worth going through a data set's folder. */
static void list_near(const char *directory, const char *name, struct names *near,
                      struct names *same)
{
    enum { MOST = 10000 };
    DIR *stream = opendir(*directory ? directory : ".");
    const struct dirent *entry;
    for (size_t i = 0; stream && i < MOST && (entry = readdir(stream)); i++) {
        bool equal;
        /* name itself may be there and lead nowhere: a link */
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, name) == 0)
            continue;
        if (name_is_near(name, entry->d_name, &equal))
            names_add(near, entry->d_name);
        else if (equal)
            names_add(same, entry->d_name);
    }
    if (stream)
        closedir(stream);
    if (near->count > 0)
        qsort(near->items, near->count, sizeof *near->items, compare_backwards);
    if (same->count > 0)
        qsort(same->items, same->count, sizeof *same->items, compare_backwards);
}

/* The entry of directory that is nearest to name, cnn_malloc'ed; NULL where none is near. */
static char *nearest_entry(const char *directory, const char *name)
{
    struct names near = {NULL, 0, 0}, same = {NULL, 0, 0};
    list_near(directory, name, &near, &same);
    const char *nearest =
        cnn_nearest_word(name, (const char *const *)(void *)near.items, near.count);
    if (!nearest && same.count > 0)
        nearest = same.items[0];
    char *found = nearest ? cnn_strdup(nearest) : NULL;
    names_free(&near);
    names_free(&same);
    return found;
}

/* Adds to a path of components that are there the next one, name, or the nearest that is there. */
static bool step_down(struct cnn_text *path, const char *name)
{
    size_t before = path->size;
    cnn_text_printf(path, "%s", name);
    if (path->failed || access(path->data, F_OK) == 0)
        return !path->failed;
    path->data[path->size = before] = '\0';
    char *near = nearest_entry(path->data, name);
    if (near)
        cnn_text_printf(path, "%s", near);
    cnn_free(near);
    return near && !path->failed;
}

/* path, component by component; NULL where one is not there and none is near. */
static char *walk(const char *path)
{
    struct cnn_text found = {0};
    bool there = true;
    while (there && *path) {
        size_t slashes = strspn(path, "/"), length = strcspn(path + slashes, "/");
        char *name = cnn_strndup(path + slashes, length);
        cnn_text_append(&found, path, slashes);
        there = name && (length == 0 || step_down(&found, name));
        cnn_free(name);
        path += slashes + length;
    }
    if (there && !found.failed)
        return found.data;
    cnn_text_free(&found);
    return NULL;
}

char *cnn_nearest_path(const char *path)
{
    if (!path)
        return NULL;
    struct cnn_text run = {0};
    char *found = walk(path);
    if (found || strchr(path, '/'))
        return found;
    cnn_text_printf(&run, "runs/%s", path);
    found = run.failed ? NULL : walk(run.data);
    cnn_text_free(&run);
    return found;
}

void cnn_hint_near(cnn_diag *diag, const char *path)
{
    char *near = access(path, F_OK) != 0 ? cnn_nearest_path(path) : NULL;
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    cnn_free(near);
}
