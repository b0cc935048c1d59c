/* The binary files of CIFAR-10 and CIFAR-100 (Krizhevsky, "Learning Multiple Layers of Features
 * from Tiny Images", 2009). A file that the limit leaves no use for is not opened.
 *
 * They are records: the label (CIFAR-100: the coarse label, then the fine one),
 * then the red, the green and the blue plane of 32 x 32 pixels, row by row. */
#include "data/format.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util/allocate.h"
#include "util/file.h"

enum {
    SIDE = 32,
    PLANE = SIDE * SIDE,
    CHANNELS = 3,
    IMAGE = CHANNELS * PLANE,
    MOST_CLASSES = 100,
    MOST_NAME_BYTES = 1 << 16
};

struct layout {
    int classes;
    const char *train[6], *test[2]; /* file names, NULL at the end */
    const char *names;              /* file of the class names */
    const char *const *otherwise;   /* the names where there is none; NULL: numbers */
    size_t label_bytes;             /* the last of them is the label */
};

static char *path_join(const char *folder, const char *name, cnn_diag *diag)
{
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = cnn_malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", folder, name);
    else
        cnn_fail_memory(diag, size, folder);
    return path;
}

/* How many records a file of that size has; it has nothing else. */
static cnn_status count_records(unsigned long long size, const char *path, size_t record_bytes,
                                size_t *out, cnn_diag *diag)
{
    if (size == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is empty", path);
    if (size % record_bytes != 0)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s has %llu bytes, which is no multiple of the %zu bytes of a record: "
                        "%llu records and %llu bytes more",
                        path, size, record_bytes, size / record_bytes, size % record_bytes);
    if (size > CNN_IMAGES_MAX_BYTES)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is too large: %llu bytes", path, size);
    *out = (size_t)size / record_bytes;
    return CNN_OK;
}

static cnn_status grow(struct cnn_images *images, size_t more, cnn_diag *diag)
{
    size_t count = images->count + more;
    if (count > CNN_IMAGES_MAX_BYTES / IMAGE)
        return cnn_fail(diag, CNN_FAILED, NULL, "%zu images are more than can be read", count);
    uint8_t *pixels = cnn_realloc(images->pixels, count * IMAGE);
    if (pixels)
        images->pixels = pixels;
    uint16_t *labels = cnn_realloc(images->labels, count * sizeof *labels);
    if (labels)
        images->labels = labels;
    return pixels && labels ? CNN_OK : cnn_fail_memory(diag, count * IMAGE, "images");
}

static void interleave(const uint8_t *planes, uint8_t *pixels)
{
    for (size_t i = 0; i < PLANE; i++)
        for (size_t c = 0; c < CHANNELS; c++)
            pixels[i * CHANNELS + c] = planes[c * PLANE + i];
}

static cnn_status read_records(FILE *file, const char *path, const struct layout *layout,
                               size_t count, struct cnn_images *images, cnn_diag *diag)
{
    uint8_t record[2 + IMAGE];
    size_t record_bytes = layout->label_bytes + IMAGE;
    for (size_t i = 0; i < count; i++) {
        if (fread(record, record_bytes, 1, file) != 1)
            return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s in record %zu", path,
                            ferror(file) ? strerror(errno) : "the file ends", i + 1);
        uint8_t label = record[layout->label_bytes - 1];
        if (label >= layout->classes)
            return cnn_fail(
                diag, CNN_FAILED, NULL,
                "%s: the label of record %zu, at byte %zu, is %d; labels are from 0 to %d", path,
                i + 1, i * record_bytes + layout->label_bytes - 1, label, layout->classes - 1);
        images->labels[images->count] = label;
        interleave(record + layout->label_bytes, images->pixels + images->count * IMAGE);
        images->count++;
    }
    return CNN_OK;
}

/* Adds the file's records to images, as many as the request leaves room for. */
static cnn_status read_file(const struct cnn_data_request *request, const char *name,
                            struct cnn_images *images, cnn_diag *diag)
{
    const struct layout *layout = request->format->more;
    const size_t room = request->limit > 0 ? request->limit - images->count : 0;
    char *path = path_join(request->path, name, diag);
    if (!path)
        return CNN_FAILED;
    size_t count = 0;
    cnn_status status;
    unsigned long long size = 0;
    int fd = cnn_file_open(path, &size);
    FILE *file = fd >= 0 ? fdopen(fd, "rb") : NULL;
    if (!file) {
        status = errno == ENOENT || errno == ENOTDIR
                     ? cnn_known_fail_missing(request->format, request->path, name, diag)
                     : cnn_file_fail(path, diag);
        if (fd >= 0)
            close(fd);
        goto out;
    }
    status = count_records(size, path, layout->label_bytes + IMAGE, &count, diag);
    if (status != CNN_OK)
        goto out;
    if (room > 0 && count > room)
        count = room;
    status = grow(images, count, diag);
    if (status == CNN_OK)
        status = read_records(file, path, layout, count, images, diag);
out:
    if (file)
        fclose(file);
    cnn_free(path);
    return status;
}

/* Splits text at line ends, in place; blank lines do not count. More than MOST_CLASSES names are
 * only counted. */
static size_t split_names(char *text, const char *names[MOST_CLASSES])
{
    size_t count = 0;
    char *rest;
    for (char *line = strtok_r(text, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        size_t length = strlen(line);
        while (length > 0 && isspace((unsigned char)line[length - 1]))
            line[--length] = '\0';
        if (length == 0)
            continue;
        if (count < MOST_CLASSES)
            names[count] = line;
        count++;
    }
    return count;
}

static cnn_status read_names(const struct cnn_data_request *request, struct cnn_images *images,
                             cnn_diag *diag)
{
    const struct layout *layout = request->format->more;
    char *path = path_join(request->path, layout->names, diag);
    if (!path)
        return CNN_FAILED;
    const char *names[MOST_CLASSES];
    char *text = NULL;
    size_t size, classes = (size_t)layout->classes;
    struct stat info;
    cnn_status status;
    if (stat(path, &info) != 0) {
        status = cnn_images_name_classes(images, layout->otherwise, classes, diag);
        goto out;
    }
    status = cnn_file_read(path, MOST_NAME_BYTES, &text, &size, diag);
    if (status != CNN_OK)
        goto out;
    size_t count = split_names(text, names);
    status = count == classes
                 ? cnn_images_name_classes(images, names, classes, diag)
                 : cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu class names, %s has %zu classes",
                            path, count, request->format->title, classes);
out:
    cnn_free(text);
    cnn_free(path);
    return status;
}

static cnn_status read_cifar(const struct cnn_data_request *request, struct cnn_images *out,
                             cnn_diag *diag)
{
    const struct layout *layout = request->format->more;
    struct cnn_images images = {.channels = CHANNELS, .height = SIDE, .width = SIDE};
    cnn_status status = CNN_OK;
    for (const char *const *name = request->split == CNN_SPLIT_TRAIN ? layout->train : layout->test;
         status == CNN_OK && *name; name++) {
        if (request->limit > 0 && images.count == request->limit)
            break;
        status = read_file(request, *name, &images, diag);
    }
    if (status == CNN_OK)
        status = read_names(request, &images, diag);
    if (status == CNN_OK)
        *out = images;
    else
        cnn_images_free(&images);
    return status;
}

static const char *const ten_names[] = {"airplane", "automobile", "bird",  "cat",  "deer",
                                        "dog",      "frog",       "horse", "ship", "truck"};

const struct cnn_dataset_format cnn_dataset_format_cifar10 = {
    .name = "cifar10",
    .title = "CIFAR-10",
    .home =
        &(const struct cnn_data_home){
            .folder = "cifar-10-batches-bin",
            .address = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
            .size = "170 MB",
            .checksum = "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"},
    .more =
        &(const struct layout){.classes = 10,
                               .train = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                         "data_batch_4.bin", "data_batch_5.bin"},
                               .test = {"test_batch.bin"},
                               .names = "batches.meta.txt",
                               .otherwise = ten_names,
                               .label_bytes = 1},
    .read = read_cifar,
};

const struct cnn_dataset_format cnn_dataset_format_cifar100 = {
    .name = "cifar100",
    .title = "CIFAR-100",
    .home =
        &(const struct cnn_data_home){
            .folder = "cifar-100-binary",
            .address = "https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
            .size = "169 MB",
            .checksum = "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec"},
    .more = &(const struct layout){.classes = 100,
                                   .train = {"train.bin"},
                                   .test = {"test.bin"},
                                   .names = "fine_label_names.txt",
                                   .label_bytes = 2},
    .read = read_cifar,
};
