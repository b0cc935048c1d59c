/* The inputs of a command line that stand for images. */
#include "inputs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "command.h"
#include "terminal.h"

enum { PATH_BYTES = 4096 };

bool cnn_path_ends(const char *path, const char *extension)
{
    size_t length = strlen(path);
    size_t tail = strlen(extension);

    return length > tail && strcasecmp(path + length - tail, extension) == 0;
}

static bool is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* "folder/name", malloc'ed; NULL when out of memory. */
static char *path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    size_t size = length + strlen(name) + 2;
    char *path = malloc(size);

    if (path != NULL)
        snprintf(path, size, "%s%s%s", folder, slash, name);
    return path;
}

bool cnn_path_is_model(const char *path)
{
    /* of a run, perhaps one that is not far yet */
    static const char *const marks[] = {"best.safetensors", "last.safetensors"};
    struct stat info;
    char mark[PATH_BYTES]; /* a longer one cannot be opened */
    bool found = false;

    if (!is_folder(path))
        return cnn_path_ends(path, ".yaml") || cnn_path_ends(path, ".yml") ||
               cnn_path_ends(path, ".safetensors");
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        int length = snprintf(mark, sizeof mark, "%s/%s", path, marks[i]);
        found = found || (length < PATH_BYTES && stat(mark, &info) == 0);
    }
    return found;
}

/* Digits compare as numbers: image2 comes before image10. */
static int compare_natural(const void *left, const void *right)
{
    const char *a = *(char *const *)left;
    const char *b = *(char *const *)right;

    while (*a != '\0' && *b != '\0') {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            size_t digits_a, digits_b;
            int order;

            a += strspn(a, "0");
            b += strspn(b, "0");
            digits_a = strspn(a, "0123456789");
            digits_b = strspn(b, "0123456789");
            if (digits_a != digits_b)
                return digits_a < digits_b ? -1 : 1;
            order = memcmp(a, b, digits_a);
            if (order != 0)
                return order;
            a += digits_a;
            b += digits_b;
        } else if (*a == *b) {
            a++;
            b++;
        } else {
            break;
        }
    }
    if (*a != *b)
        return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
    /* a01 and a1: in whatever order, but always the same. */
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Takes path over, also when it fails. */
static bool push(struct cnn_inputs *inputs, char *path)
{
    if (path != NULL && inputs->count == inputs->capacity) {
        size_t capacity = inputs->capacity == 0 ? 16 : 2 * inputs->capacity;
        char **paths = capacity <= SIZE_MAX / sizeof *paths
                           ? realloc(inputs->paths, capacity * sizeof *paths)
                           : NULL;

        if (paths == NULL) {
            free(path);
            path = NULL;
        } else {
            inputs->paths = paths;
            inputs->capacity = capacity;
        }
    }
    if (path == NULL) {
        cnn_command_out_of_memory();
        return false;
    }
    inputs->paths[inputs->count++] = path;
    return true;
}

static bool add_folder(struct cnn_inputs *inputs, const char *folder, int depth)
{
    DIR *directory = opendir(folder);
    const struct dirent *entry;
    bool done = true;

    if (directory == NULL) {
        cnn_print_error("%s: %s", folder, strerror(errno));
        return false;
    }
    while (done && (entry = readdir(directory)) != NULL) {
        char *path;

        if (entry->d_name[0] == '.')
            continue;
        path = path_join(folder, entry->d_name);
        if (path != NULL && is_folder(path)) {
            done = depth == 0 || add_folder(inputs, path, depth - 1);
            free(path);
        } else if (path == NULL || cnn_image_readable(path)) {
            done = push(inputs, path);
        } else {
            free(path);
        }
    }
    closedir(directory);
    return done;
}

bool cnn_inputs_add(struct cnn_inputs *inputs, const char *path)
{
    size_t before = inputs->count;

    if (!is_folder(path))
        return push(inputs, strdup(path));
    if (!add_folder(inputs, path, 1))
        return false;
    if (inputs->count == before) {
        cnn_print_error("%s: no %s file in this folder", path, cnn_image_kinds());
        return false;
    }
    qsort(inputs->paths + before, inputs->count - before, sizeof *inputs->paths, compare_natural);
    return true;
}

void cnn_inputs_free(struct cnn_inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        free(inputs->paths[i]);
    free(inputs->paths);
}

cnn_status cnn_inputs_tell_apart(char *const *operands, size_t count, const char **model,
                                 const char **input)
{
    bool first = cnn_path_is_model(operands[0]);
    bool second = count > 1 && cnn_path_is_model(operands[1]);

    for (size_t i = 0; i < count; i++) {
        if (strcmp(operands[i], "-") != 0 && access(operands[i], F_OK) != 0) {
            cnn_print_error("cannot read %s: %s", operands[i], strerror(errno));
            return CNN_FAILED;
        }
    }
    if (count == 1 && first) {
        cnn_print_error("%s is the model; what is the input?", operands[0]);
        return CNN_INVALID;
    }
    if (count == 2 && !first && !second) {
        cnn_print_error(
            "neither %s nor %s is a model: a .yaml or .safetensors file, or a run directory",
            operands[0], operands[1]);
        return CNN_INVALID;
    }
    *model = count == 1 ? NULL : operands[!first];
    *input = count == 1 ? operands[0] : operands[first];
    return CNN_OK;
}
