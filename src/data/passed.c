/* Files passed over. Their kinds are few, so they are looked for one by one. */
#include "data/passed.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"
#include "util/text.h"

enum { SHOWN = 8, CONVERSIONS = 3 }; /* kinds */

static void add_kind(struct cnn_passed *passed, const char *kind, const char *folder,
                     const char *name)
{
    size_t i = 0;
    passed->files++;
    while (i < passed->kind_count && strcmp(passed->kinds[i].ending, kind) != 0)
        i++;
    if (i == CNN_PASSED_KINDS)
        return;
    struct cnn_passed_kind *found = &passed->kinds[i];
    if (i == passed->kind_count) {
        passed->kind_count++;
        *found = (struct cnn_passed_kind){.folder = folder, .name = name};
        strcpy(found->ending, kind);
    }
    found->files++;
}

/* Writes the ending of a name, or words where it has none that is short. */
static void find_ending(const char *name, char ending[CNN_PASSED_ENDING])
{
    const char *dot = strrchr(name, '.');
    size_t length = dot ? strlen(dot) : 0;
    strcpy(ending, "no ending");
    if (length > 1 && length < CNN_PASSED_ENDING)
        for (size_t i = 0; i <= length; i++)
            ending[i] = (char)tolower((unsigned char)dot[i]);
}

void cnn_passed_add(struct cnn_passed *passed, const char *folder, const struct cnn_entry *entry)
{
    const char *name = entry->name;
    char ending[CNN_PASSED_ENDING];
    bool hidden = name[0] == '.';
    if (hidden && entry->kind == CNN_ENTRY_FOLDER)
        add_kind(passed, "hidden folder", folder, name);
    else if (entry->kind == CNN_ENTRY_FOLDER)
        add_kind(passed, "folder", folder, name);
    else if (hidden && (cnn_image_readable(name) || cnn_image_conversion(name)))
        add_kind(passed, "hidden", folder, name);
    else if (!hidden && entry->kind == CNN_ENTRY_OTHER)
        add_kind(passed, "no file", folder, name);
    else if (!hidden) {
        find_ending(name, ending);
        add_kind(passed, ending, folder, name);
    }
}

static int compare_kinds(const void *a, const void *b)
{
    const struct cnn_passed_kind *x = a, *y = b;
    if (x->files != y->files)
        return x->files > y->files ? -1 : 1;
    return strcmp(x->ending, y->ending);
}

/* The most frequent kinds of pictures. */
static void hint_conversions(const struct cnn_passed_kind *kinds, size_t count, cnn_diag *diag)
{
    struct cnn_text text = {0};
    for (size_t i = 0, named = 0; i < count && named < CONVERSIONS; i++) {
        const char *conversion = cnn_image_conversion(kinds[i].name);
        if (conversion && !cnn_image_readable(kinds[i].name)) {
            cnn_text_printf(&text, "; %s", conversion);
            named++;
        }
    }
    if (text.size > 0 && !text.failed)
        cnn_hint(diag, "images end in %s%s", cnn_image_endings(), text.data);
    cnn_text_free(&text);
}

void cnn_passed_tell(const struct cnn_passed *passed, const char *where, cnn_diag *diag)
{
    struct cnn_passed_kind kinds[CNN_PASSED_KINDS];
    struct cnn_text text = {0};
    if (passed->files == 0)
        return;
    memcpy(kinds, passed->kinds, sizeof kinds);
    qsort(kinds, passed->kind_count, sizeof *kinds, compare_kinds);
    size_t shown = passed->kind_count < SHOWN ? passed->kind_count : SHOWN, left = passed->files;
    for (size_t i = 0; i < shown; i++) {
        cnn_text_printf(&text, "%s%zu %s", i > 0 ? ", " : "", kinds[i].files, kinds[i].ending);
        left -= kinds[i].files;
    }
    if (left > 0)
        cnn_text_printf(&text, ", %zu others", left);
    cnn_warn(diag, NULL, "%zu file%s in %s %s passed over (%s), for example %s/%s", passed->files,
             passed->files == 1 ? "" : "s", where, passed->files == 1 ? "is" : "are",
             text.failed ? "..." : text.data, kinds[0].folder, kinds[0].name);
    hint_conversions(kinds, passed->kind_count, diag);
    cnn_text_free(&text);
}
