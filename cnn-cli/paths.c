#include "paths.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

bool cnn_path_ends(const char *path, const char *extension)
{
    size_t length = strlen(path);
    size_t tail = strlen(extension);

    return length > tail && strcasecmp(path + length - tail, extension) == 0;
}

bool cnn_path_holds_numbers(const char *path)
{
    return cnn_path_ends(path, ".npy") || cnn_path_ends(path, ".txt") ||
           cnn_path_ends(path, ".csv");
}

bool cnn_path_is_folder(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

char *cnn_path_join(const char *folder, const char *name)
{
    size_t length = strlen(folder);
    const char *slash = length > 0 && folder[length - 1] == '/' ? "" : "/";
    size_t size = length + strlen(name) + 2;
    char *path = malloc(size);

    if (path)
        snprintf(path, size, "%s%s%s", folder, slash, name);
    return path;
}

bool cnn_path_holds(const char *folder, const char *name)
{
    char path[PATH_BYTES]; /* a longer one cannot be opened */
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);

    return length < PATH_BYTES && access(path, F_OK) == 0;
}

bool cnn_path_is_run(const char *path)
{
    return cnn_path_is_folder(path) &&
           (cnn_path_holds(path, "best.safetensors") || cnn_path_holds(path, "last.safetensors"));
}

int cnn_path_compare(const void *left, const void *right)
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
