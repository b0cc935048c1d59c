/* A folder in the place for temporary files, removed when the test ends. */
#include "scratch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int scratch_setup(void **state)
{
    struct scratch *s = calloc(1, sizeof *s);
    assert_non_null(s);
    strcpy(s->folder, "/tmp/cnn-test-XXXXXX");
    assert_non_null(mkdtemp(s->folder));
    s->diag = cnn_diag_new();
    assert_non_null(s->diag);
    *state = s;
    return 0;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));) {
        char inner[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(inner, sizeof inner, "%.200s/%.255s", path, entry->d_name);
        if (unlink(inner) != 0)
            remove_tree(inner);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

int scratch_teardown(void **state)
{
    struct scratch *s = *state;
    remove_tree(s->folder);
    cnn_diag_free(s->diag);
    free(s);
    return 0;
}

const char *scratch_path(struct scratch *s, const char *name)
{
    snprintf(s->path, sizeof s->path, "%s/%s", s->folder, name);
    return s->path;
}

const char *scratch_write(struct scratch *s, const char *name, const void *data, size_t size)
{
    /* a file emptied and written anew would be flushed to the disk at once, which is slow */
    unlink(scratch_path(s, name));
    FILE *file = fopen(s->path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    return s->path;
}

size_t scratch_count(const struct scratch *s)
{
    size_t count = 0;
    DIR *dir = opendir(s->folder);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

void scratch_expect(struct scratch *s, cnn_status status, const char *text)
{
    char shown[2048] = "";
    assert_int_equal(status, CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    const char *rest = cnn_diag_get(s->diag, 0)->text;
    for (const char *found; (found = strstr(rest, s->folder)); rest = found + strlen(s->folder)) {
        strncat(shown, rest, (size_t)(found - rest));
        strcat(shown, "DIR");
    }
    strncat(shown, rest, sizeof shown / 2);
    assert_string_equal(shown, text);
    cnn_diag_clear(s->diag);
}
