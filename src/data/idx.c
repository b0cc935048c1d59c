/* IDX: a magic number (two zero bytes, the type, 8 for unsigned bytes, and the number of
 * dimensions), the dimensions, the bytes; numbers are big-endian. zlib reads plain and gzipped
 * files alike. */
#include "data/idx.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "util/arena.h"
#include "util/file.h"

enum { CLASSES = 10, MAX_DIMS = 3, FIRST_PIECE = 1 << 20 };

/* Gzip makes a thousandth of what never changes. Images come to a tenth or a third, and what is
 * said to be more than a hundred times its file is read up to UNPROVED bytes alone. */
enum { RATIO = 100, UNPROVED = 1 << 26 };

struct idx_file {
    char *path;
    gzFile gz;
    bool plain;              /* else gzipped */
    unsigned long long size; /* on the disk */
    size_t dim_count;
    size_t dims[MAX_DIMS];      /* count, and for images height, width */
    size_t header, item, bytes; /* bytes of the header, of one item, of all items */
};

static const char *const endings[] = {"-idx%d-ubyte", "-idx%d-ubyte.gz", ".idx%d-ubyte",
                                      ".idx%d-ubyte.gz"};

static cnn_status fail_missing(const char *folder, const char *name, int dims, cnn_diag *diag)
{
    char names[128];
    snprintf(names, sizeof names, "%s-idx%d-ubyte[.gz] or %s.idx%d-ubyte[.gz]", name, dims, name,
             dims);
    return cnn_images_fail_missing(folder, "MNIST", names, "mnist", diag);
}

/* A descriptor of the first of the names that exists, and its path; -1 with a message. */
static int open_first(struct idx_file *f, const char *folder, const char *name, cnn_diag *diag)
{
    const int dims = (int)f->dim_count;
    char **path = &f->path;
    size_t size = strlen(folder) + strlen(name) + 32;
    *path = malloc(size);
    if (!*path) {
        cnn_fail_memory(diag, size, folder);
        return -1;
    }
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        int used = snprintf(*path, size, "%s/%s", folder, name);
        snprintf(*path + used, size - (size_t)used, endings[i], dims);
        int fd = cnn_file_open(*path, &f->size);
        if (fd >= 0)
            return fd;
        if (errno != ENOENT && errno != ENOTDIR) {
            cnn_file_fail(*path, diag);
            return -1;
        }
    }
    fail_missing(folder, name, dims, diag);
    return -1;
}

static void idx_close(struct idx_file *f)
{
    if (f->gz)
        gzclose(f->gz);
    free(f->path);
}

/* Reads up to size bytes; *got is less only at the end of the file. */
static cnn_status read_bytes(struct idx_file *f, void *data, size_t size, size_t *got,
                             cnn_diag *diag)
{
    for (*got = 0; *got < size;) {
        size_t piece = size - *got < FIRST_PIECE ? size - *got : FIRST_PIECE;
        int n = gzread(f->gz, (unsigned char *)data + *got, (unsigned)piece);
        if (n < 0) {
            int code;
            const char *text = gzerror(f->gz, &code);
            if (code == Z_BUF_ERROR)
                break; /* the gzipped data end too early */
            const char *reason = code == Z_ERRNO        ? strerror(errno)
                                 : code == Z_DATA_ERROR ? "its gzipped data are damaged"
                                                        : text;
            return cnn_fail(diag, CNN_FAILED, NULL, "cannot read %s: %s", f->path, reason);
        }
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return CNN_OK;
}

static cnn_status open_file(struct idx_file *f, const char *folder, const char *name,
                            cnn_diag *diag)
{
    int fd = open_first(f, folder, name, diag);
    if (fd < 0)
        return CNN_FAILED;
    f->gz = gzdopen(fd, "rb");
    if (!f->gz) {
        close(fd);
        return cnn_fail_memory(diag, 1 << 17, f->path);
    }
    gzbuffer(f->gz, 1 << 17);
    return CNN_OK;
}

static size_t big_endian(const unsigned char *p)
{
    return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

/* What the header claims is possible, and for a plain file true; a gzipped one shows while it is
 * read. */
static cnn_status check_sizes(struct idx_file *f, cnn_diag *diag)
{
    char shape[96];
    f->item = 1;
    bool fits = true;
    for (size_t i = 1; i < f->dim_count; i++)
        fits = fits && cnn_size_mul(f->item, f->dims[i], &f->item);
    fits = fits && cnn_size_mul(f->dims[0], f->item, &f->bytes) && f->bytes <= CNN_IMAGES_MAX_BYTES;
    if (f->dim_count == 1)
        snprintf(shape, sizeof shape, "%zu labels", f->dims[0]);
    else
        snprintf(shape, sizeof shape, "%zu images of %zu x %zu pixels", f->dims[0], f->dims[1],
                 f->dims[2]);
    if (!fits)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: its header claims %s: more than can be read",
                        f->path, shape);
    if (f->bytes == 0)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its header claims %s: there is nothing to read", f->path, shape);
    if (!f->plain && f->bytes / RATIO > f->size && f->bytes > UNPROVED)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s: its header claims %s, %zu bytes, too many for a gzipped file of %llu "
                        "(at most %d for each)",
                        f->path, shape, f->bytes, f->size, RATIO);
    if (f->plain && f->size != f->header + f->bytes)
        return cnn_fail(
            diag, CNN_FAILED, NULL,
            "%s: its header claims %s, which makes a file of %zu bytes, but it has %llu", f->path,
            shape, f->header + f->bytes, f->size);
    return CNN_OK;
}

static cnn_status read_header(struct idx_file *f, cnn_diag *diag)
{
    unsigned char bytes[4 + 4 * MAX_DIMS];
    size_t got;
    f->header = 4 + 4 * f->dim_count;
    cnn_status status = read_bytes(f, bytes, f->header, &got, diag);
    if (status != CNN_OK)
        return status;
    f->plain = gzdirect(f->gz);
    size_t length = strlen(f->path);
    if (f->size == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is empty", f->path);
    if (f->plain && strcmp(f->path + length - 3, ".gz") == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s is not gzipped, although its name ends in .gz",
                        f->path);
    if (got < f->header)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is cut short: its header has %zu bytes, %zu are there", f->path,
                        f->header, got);
    size_t magic = big_endian(bytes), expected = 0x800 + f->dim_count;
    if (magic != expected)
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "%s is no IDX file of %s: it begins with 0x%08zx, 0x%08zx would be right",
                        f->path, f->dim_count == 1 ? "labels" : "images", magic, expected);
    for (size_t i = 0; i < f->dim_count; i++)
        f->dims[i] = big_endian(bytes + 4 + 4 * i);
    return check_sizes(f, diag);
}

/* The first count items. Memory grows with what is read, so that a small gzipped file cannot ask
 * for much by its header. */
static cnn_status read_items(struct idx_file *f, size_t count, uint8_t **out, cnn_diag *diag)
{
    size_t bytes = count * f->item, used = 0, capacity = 0;
    uint8_t *items = NULL;
    cnn_status status = CNN_OK;
    while (used < bytes) {
        capacity = capacity == 0 ? FIRST_PIECE : capacity * 2;
        if (capacity > bytes)
            capacity = bytes;
        uint8_t *larger = realloc(items, capacity);
        if (!larger) {
            status = cnn_fail_memory(diag, capacity, f->path);
            goto out;
        }
        items = larger;
        size_t got;
        status = read_bytes(f, items + used, capacity - used, &got, diag);
        if (status != CNN_OK)
            goto out;
        used += got;
        if (used < capacity) {
            status = cnn_fail(diag, CNN_FAILED, NULL,
                              "%s is cut short: %zu bytes should follow its header, %zu are there",
                              f->path, f->bytes, used);
            goto out;
        }
    }
    *out = items;
    items = NULL;
out:
    free(items);
    return status;
}

/* After the last item: the end. Reading there also lets zlib compare the checksum. */
static cnn_status check_end(struct idx_file *f, cnn_diag *diag)
{
    unsigned char byte;
    size_t got;
    cnn_status status = read_bytes(f, &byte, 1, &got, diag);
    if (status == CNN_OK && got > 0)
        status =
            cnn_fail(diag, CNN_FAILED, NULL,
                     "%s goes on after the %zu bytes that its header describes", f->path, f->bytes);
    return status;
}

static cnn_status read_labels(struct idx_file *f, struct cnn_images *images, cnn_diag *diag)
{
    uint8_t *bytes;
    cnn_status status = read_items(f, images->count, &bytes, diag);
    if (status != CNN_OK)
        return status;
    images->labels = malloc(images->count * sizeof *images->labels);
    if (!images->labels)
        status = cnn_fail_memory(diag, images->count * sizeof *images->labels, "labels");
    for (size_t i = 0; status == CNN_OK && i < images->count; i++) {
        images->labels[i] = bytes[i];
        if (bytes[i] >= CLASSES)
            status = cnn_fail(diag, CNN_FAILED, NULL,
                              "%s: label %zu, at byte %zu%s, is %d; labels are from 0 to %d",
                              f->path, i + 1, f->header + i,
                              f->plain ? "" : " of the unzipped data", bytes[i], CLASSES - 1);
    }
    free(bytes);
    return status;
}

static cnn_status read_both(struct idx_file *pixels, struct idx_file *labels, size_t limit,
                            struct cnn_images *images, cnn_diag *diag)
{
    size_t all = pixels->dims[0];
    if (labels->dims[0] != all)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu images, but %s has %zu labels",
                        pixels->path, all, labels->path, labels->dims[0]);
    images->count = limit > 0 && limit < all ? limit : all;
    images->channels = 1;
    images->height = pixels->dims[1];
    images->width = pixels->dims[2];
    cnn_status status = read_items(pixels, images->count, &images->pixels, diag);
    if (status == CNN_OK)
        status = read_labels(labels, images, diag);
    if (status == CNN_OK && images->count == all)
        status = check_end(pixels, diag);
    if (status == CNN_OK && images->count == all)
        status = check_end(labels, diag);
    return status == CNN_OK ? cnn_images_name_classes(images, NULL, CLASSES, diag) : status;
}

cnn_status cnn_idx_read(const char *folder, bool train, size_t limit, struct cnn_images *out,
                        cnn_diag *diag)
{
    struct idx_file pixels = {.dim_count = 3}, labels = {.dim_count = 1};
    struct cnn_images images = {0};
    cnn_status status = open_file(&pixels, folder, train ? "train-images" : "t10k-images", diag);
    if (status == CNN_OK)
        status = open_file(&labels, folder, train ? "train-labels" : "t10k-labels", diag);
    if (status == CNN_OK)
        status = read_header(&pixels, diag);
    if (status == CNN_OK)
        status = read_header(&labels, diag);
    if (status == CNN_OK)
        status = read_both(&pixels, &labels, limit, &images, diag);
    if (status == CNN_OK)
        *out = images;
    else
        cnn_images_free(&images);
    idx_close(&pixels);
    idx_close(&labels);
    return status;
}
