/* A result never takes the place of something else of the user's. A file that the user named may be
 * replaced where it is of the same kind: that is what a repeated command does. A name that the
 * program chose may be one that the user chose before, for something of his own: there, only what
 * bears the program's mark is replaced. A name that has an ending must have that of the kind. */
#include "util/output.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/file.h"

#define HEAD 1024 /* bytes that are looked at */

struct kind {
    const char *name;
    const char *ending; /* of such a file's name */
    const char *begin;  /* what such a file has at `at`, in letters of any case */
    size_t at;
    const char *holds; /* a text within its head; NULL: none */
    const char *mark; /* what is there of the program's own; NULL: the format has no place for it */
    size_t mark_size;
};

static const char marked_picture[] = CNN_OUTPUT_MARK_PICTURE;
static const char marked_page[] = CNN_OUTPUT_MARK_PAGE;
static const char marked_checkpoint[] = "\"format\":\"cnn\"";
static const char marked_onnx[] = "\x12\x03"
                                  "cnn";
static const char marked_script[] = CNN_OUTPUT_MARK_SCRIPT;

static const struct kind kinds[] = {
    [CNN_OUTPUT_PICTURE] = {.name = "PNG file",
                            .ending = ".png",
                            .begin = "\x89PNG\r\n\x1a\n",
                            .mark = marked_picture,
                            .mark_size = sizeof marked_picture - 1},
    [CNN_OUTPUT_PAGE] = {.name = "HTML page",
                         .ending = ".html",
                         .begin = "<!DOCTYPE html",
                         .mark = marked_page,
                         .mark_size = sizeof marked_page - 1},
    [CNN_OUTPUT_ARRAY] = {.name = ".npy file", .ending = ".npy", .begin = "\x93NUMPY"},
    [CNN_OUTPUT_CHECKPOINT] = {.name = ".safetensors file",
                               .ending = ".safetensors",
                               .begin = "{\"",
                               .at = 8,
                               .mark = marked_checkpoint,
                               .mark_size = sizeof marked_checkpoint - 1},
    [CNN_OUTPUT_INT8] = {.name = "model of `precision: int8`",
                         .ending = ".safetensors",
                         .begin = "{\"",
                         .at = 8,
                         .holds = "\\nprecision: int8\\n", /* a line, as JSON writes it */
                         .mark = marked_checkpoint,
                         .mark_size = sizeof marked_checkpoint - 1},
    [CNN_OUTPUT_ONNX] = {.name = "ONNX file",
                         .ending = ".onnx",
                         .begin = "\x08", /* the first field, a number: the version */
                         .holds = "\x12", /* the second, a text: the producer */
                         .mark = marked_onnx,
                         .mark_size = sizeof marked_onnx - 1},
    [CNN_OUTPUT_SCRIPT] = {.name = "script that this program wrote",
                           .ending = ".py",
                           .begin = marked_script,
                           .mark = marked_script,
                           .mark_size = sizeof marked_script - 1},
};

const char *cnn_output_ending(cnn_output kind)
{
    return kinds[kind].ending;
}

static bool has(const char *data, size_t size, const char *text, size_t length)
{
    for (size_t i = 0; i + length <= size; i++)
        if (memcmp(data + i, text, length) == 0)
            return true;
    return false;
}

static bool is_kind(const struct kind *k, const char *data, size_t size)
{
    size_t length = strlen(k->begin);
    return size >= k->at + length && strncasecmp(data + k->at, k->begin, length) == 0 &&
           (!k->holds || has(data, size, k->holds, strlen(k->holds)));
}

static cnn_status refuse(const char *path, const struct kind *k, const char *option, cnn_diag *diag)
{
    if (!option) {
        cnn_fail(diag, CNN_INVALID, NULL, "%s is there already and is no %s, so it is not replaced",
                 path, k->name);
        cnn_hint(diag, "another name, or remove it first");
        return CNN_INVALID;
    }
    cnn_fail(diag, CNN_INVALID, NULL,
             "%s is there already and was not written by this program, so it is not replaced",
             path);
    cnn_hint(diag, "name another place with %s, or move that file away first", option);
    return CNN_INVALID;
}

/* The ending of a path: a dot and letters or digits that begin with a letter. NULL if it has none,
 * as /dev/stdout, .hidden and run-1.5. */
static const char *ending_of(const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');
    if (!dot || dot == name || !isalpha((unsigned char)dot[1]))
        return NULL;
    for (const char *c = dot + 1; *c; c++)
        if (!isalnum((unsigned char)*c))
            return NULL;
    return dot;
}

/* Programs know by the ending of a name how to read the file. */
static cnn_status check_ending(const char *path, const struct kind *k, cnn_diag *diag)
{
    const char *ending = ending_of(path);
    if (!ending || strcasecmp(ending, k->ending) == 0)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "a result of this kind needs a name that ends in %s: not %s",
             k->ending, path);
    return CNN_INVALID;
}

/* The first bytes of a file, at most HEAD; false and errno where it cannot be read. */
static bool read_head(const char *path, char *data, size_t *size)
{
    unsigned long long length;
    ssize_t got = 1;
    int fd = cnn_file_open(path, &length);
    if (fd < 0)
        return false;
    for (*size = 0; *size < HEAD && got != 0; *size += got > 0 ? (size_t)got : 0) {
        got = read(fd, data + *size, HEAD - *size);
        if (got < 0 && errno != EINTR)
            break;
    }
    int error = errno;
    close(fd);
    errno = error;
    return got >= 0;
}

cnn_status cnn_output_replaces(const char *path, cnn_output kind, const char *option,
                               cnn_diag *diag)
{
    const struct kind *k = &kinds[kind];
    struct stat info;
    char data[HEAD];
    size_t size;
    cnn_status status = check_ending(path, k, diag);
    if (status != CNN_OK)
        return status;
    if (lstat(path, &info) != 0 || S_ISDIR(info.st_mode))
        return CNN_OK; /* of a directory, whoever writes has more to say */
    /* the program makes no links: one that bears a name of its own was not asked for */
    if (option && !S_ISREG(info.st_mode))
        return refuse(path, k, option, diag);
    if (stat(path, &info) != 0 || !S_ISREG(info.st_mode))
        return CNN_OK;
    if (!read_head(path, data, &size))
        return cnn_file_fail(path, diag);
    bool own = !option || !k->mark || has(data, size, k->mark, k->mark_size);
    return size == 0 || (own && is_kind(k, data, size)) ? CNN_OK : refuse(path, k, option, diag);
}

cnn_status cnn_output_check(const char *path, cnn_output kind, const char *option, cnn_diag *diag)
{
    if (!path)
        return cnn_fail_missing(diag, "cnn_output_check", "path");
    if ((unsigned)kind >= sizeof kinds / sizeof *kinds)
        return cnn_fail_index(diag, "kind of result", (size_t)kind, sizeof kinds / sizeof *kinds);
    cnn_status status = cnn_output_replaces(path, kind, option, diag);
    return status == CNN_OK ? cnn_file_check(path, diag) : status;
}
