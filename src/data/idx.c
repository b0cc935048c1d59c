/* The IDX files of MNIST and its kin (LeCun, Cortes, Burges, "The MNIST database of handwritten
 * digits", 1998), plain or gzipped: (train|t10k)-images-idx3-ubyte and -labels-idx1-ubyte, also
 * with .idx for -idx, also with .gz; test will do for t10k. Where the path is no folder, it is what
 * the names begin with: a/emnist-letters for a/emnist-letters-train-images-idx3-ubyte. Labels of a
 * set without class names are those from the lowest to the highest one of both splits, and become
 * 0, 1 and so on.
 *
 * IDX: a magic number (two zero bytes, the type, 8 for unsigned bytes, and the number of
 * dimensions), the dimensions, the bytes; numbers are big-endian. zlib reads plain and gzipped
 * files alike. */
#include "data/format.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/directory.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/file.h"

enum { MAX_DIMS = 3, FIRST_PIECE = 1 << 20 };

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

enum { FILES = 4 };

struct set {
    const char *const *class_names; /* NULL: the classes are the labels that there are */
    size_t class_count;
    const char *checksums[FILES]; /* SHA-256 */
};

/* The parts of a name: folder, joint, split, what, ending. */
static const char *const joints[] = {"/", "-"};
static const char *const split_words[2][2] = {{"t10k", "test"}, {"train"}};
static const char *const endings[] = {"-idx%d-ubyte", "-idx%d-ubyte.gz", ".idx%d-ubyte",
                                      ".idx%d-ubyte.gz"};

/* What a reader looks for. */
struct wanted {
    const struct cnn_dataset_format *format;
    const char *folder;
    bool train;
};

/* The folder may hold files of several sets, as that of EMNIST does. */
static void hint_beginning(const struct wanted *w, const char *tail, cnn_diag *diag)
{
    struct cnn_entries entries = {0};
    struct cnn_arena *arena = cnn_arena_new();
    if (arena && cnn_directory_read(arena, w->folder, &entries, NULL) == CNN_OK)
        for (size_t i = 0; i < entries.count; i++) {
            const char *name = entries.items[i].name, *found = strstr(name, tail);
            if (!found || found == name || found[-1] != '-')
                continue;
            cnn_hint(diag, "%s is there: path: %s/%.*s reads it and those that begin alike", name,
                     w->folder, (int)(found - 1 - name), name);
            break;
        }
    cnn_arena_free(arena);
}

static cnn_status fail_missing(const struct wanted *w, const char *what, int dims, cnn_diag *diag)
{
    char names[128];
    const char *split = split_words[w->train][0];
    snprintf(names, sizeof names, "%s-%s-idx%d-ubyte[.gz] or %s-%s.idx%d-ubyte[.gz]", split, what,
             dims, split, what, dims);
    cnn_known_fail_missing(w->format, w->folder, names, diag);
    snprintf(names, sizeof names, "%s-%s-idx%d-ubyte", split, what, dims);
    hint_beginning(w, names, diag);
    return CNN_FAILED;
}

/* A descriptor of the first of the names that exists, and its path; -1 with errno, and the path of
 * the name that it is about. */
static int open_first(const struct wanted *w, const char *what, struct idx_file *f, size_t size)
{
    char *path = f->path;
    const size_t count = sizeof endings / sizeof *endings;
    for (size_t i = 0; i < 2 * 2 * count; i++) {
        const char *split = split_words[w->train][i / count % 2];
        if (!split)
            continue;
        int used = snprintf(path, size, "%s%s%s-%s", w->folder, joints[i / count / 2], split, what);
        snprintf(path + used, size - (size_t)used, endings[i % count], (int)f->dim_count);
        int fd = cnn_file_open(path, &f->size);
        if (fd >= 0 || (errno != ENOENT && errno != ENOTDIR))
            return fd;
    }
    return -1;
}

static void idx_close(struct idx_file *f)
{
    if (f->gz)
        gzclose(f->gz);
    cnn_free(f->path);
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
            if (code == Z_MEM_ERROR)
                return cnn_fail_memory(diag, 1 << 17, f->path);
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

/* A file that is not there is an error unless it is optional: then f->gz stays NULL. */
static cnn_status open_file(struct idx_file *f, const struct wanted *w, const char *what,
                            bool optional, cnn_diag *diag)
{
    size_t size = strlen(w->folder) + 64;
    f->path = cnn_malloc(size);
    if (!f->path)
        return cnn_fail_memory(diag, size, w->folder);
    int fd = open_first(w, what, f, size);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return optional ? CNN_OK : fail_missing(w, what, (int)f->dim_count, diag);
    if (fd < 0)
        return cnn_file_fail(f->path, diag);
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
        uint8_t *larger = cnn_realloc(items, capacity);
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
    cnn_free(items);
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

/* The labels of one split as they are in its file. */
struct labels {
    struct idx_file file;
    uint8_t *bytes; /* cnn_malloc'ed */
};

static void labels_close(struct labels *labels)
{
    idx_close(&labels->file);
    cnn_free(labels->bytes);
}

/* All of them, whatever the limit of images. */
static cnn_status read_labels(struct labels *l, const struct wanted *w, bool optional,
                              cnn_diag *diag)
{
    l->file.dim_count = 1;
    cnn_status status = open_file(&l->file, w, "labels", optional, diag);
    if (status != CNN_OK || !l->file.gz)
        return status;
    status = read_header(&l->file, diag);
    if (status == CNN_OK)
        status = read_items(&l->file, l->file.dims[0], &l->bytes, diag);
    return status == CNN_OK ? check_end(&l->file, diag) : status;
}

static void widen(const struct labels *l, size_t *lowest, size_t *highest)
{
    for (size_t i = 0; l->bytes && i < l->file.dims[0]; i++) {
        *lowest = l->bytes[i] < *lowest ? l->bytes[i] : *lowest;
        *highest = l->bytes[i] > *highest ? l->bytes[i] : *highest;
    }
}

static cnn_status check_labels(const struct labels *l, size_t classes, cnn_diag *diag)
{
    for (size_t i = 0; i < l->file.dims[0]; i++)
        if (l->bytes[i] >= classes)
            return cnn_fail(diag, CNN_FAILED, NULL,
                            "%s: label %zu, at byte %zu%s, is %d; labels are from 0 to %zu",
                            l->file.path, i + 1, l->file.header + i,
                            l->file.plain ? "" : " of the unzipped data", l->bytes[i], classes - 1);
    return CNN_OK;
}

/* The numbers from lowest on. */
static cnn_status name_by_number(struct cnn_images *images, size_t lowest, size_t count,
                                 cnn_diag *diag)
{
    char texts[256][4];
    const char *names[256];
    for (size_t i = 0; i < count; i++) {
        snprintf(texts[i], sizeof texts[i], "%u", (unsigned)(uint8_t)(lowest + i));
        names[i] = texts[i];
    }
    return cnn_images_name_classes(images, names, count, diag);
}

/* Which classes there are must not depend on the split that is read, so both are looked at. */
static cnn_status find_classes(const struct wanted *w, const struct labels *labels, size_t *lowest,
                               struct cnn_images *images, cnn_diag *diag)
{
    const struct set *set = w->format->more;
    struct labels others = {.bytes = NULL};
    const struct wanted other = {w->format, w->folder, !w->train};
    size_t highest = 0;
    *lowest = 0;
    if (set->class_names) {
        cnn_status status = check_labels(labels, set->class_count, diag);
        return status == CNN_OK
                   ? cnn_images_name_classes(images, set->class_names, set->class_count, diag)
                   : status;
    }
    cnn_status status = read_labels(&others, &other, true, diag);
    *lowest = UINT8_MAX;
    widen(labels, lowest, &highest);
    widen(&others, lowest, &highest);
    labels_close(&others);
    return status == CNN_OK ? name_by_number(images, *lowest, highest - *lowest + 1, diag) : status;
}

static cnn_status read_pixels(struct idx_file *pixels, const struct labels *labels, size_t limit,
                              struct cnn_images *images, cnn_diag *diag)
{
    size_t all = pixels->dims[0];
    if (labels->file.dims[0] != all)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s has %zu images, but %s has %zu labels",
                        pixels->path, all, labels->file.path, labels->file.dims[0]);
    images->count = limit > 0 && limit < all ? limit : all;
    images->channels = 1;
    images->height = pixels->dims[1];
    images->width = pixels->dims[2];
    cnn_status status = read_items(pixels, images->count, &images->pixels, diag);
    return status == CNN_OK && images->count == all ? check_end(pixels, diag) : status;
}

static cnn_status read_both(const struct wanted *w, size_t limit, struct idx_file *pixels,
                            struct labels *labels, struct cnn_images *images, cnn_diag *diag)
{
    size_t lowest;
    cnn_status status = open_file(pixels, w, "images", false, diag);
    if (status == CNN_OK)
        status = read_header(pixels, diag);
    if (status == CNN_OK)
        status = read_labels(labels, w, false, diag);
    if (status == CNN_OK)
        status = read_pixels(pixels, labels, limit, images, diag);
    if (status == CNN_OK)
        status = find_classes(w, labels, &lowest, images, diag);
    if (status != CNN_OK)
        return status;
    images->labels = cnn_malloc(images->count * sizeof *images->labels);
    if (!images->labels)
        return cnn_fail_memory(diag, images->count * sizeof *images->labels, "labels");
    for (size_t i = 0; i < images->count; i++)
        images->labels[i] = (uint16_t)(labels->bytes[i] - lowest);
    return CNN_OK;
}

static cnn_status read_idx(const struct cnn_data_request *request, struct cnn_images *out,
                           cnn_diag *diag)
{
    const struct wanted wanted = {request->format, request->path,
                                  request->split == CNN_SPLIT_TRAIN};
    struct idx_file pixels = {.dim_count = 3};
    struct labels labels = {.bytes = NULL};
    struct cnn_images images = {0};
    cnn_status status = read_both(&wanted, request->limit, &pixels, &labels, &images, diag);
    if (status == CNN_OK)
        *out = images;
    else
        cnn_images_free(&images);
    idx_close(&pixels);
    labels_close(&labels);
    return status;
}

/* Commands for four files, in the order of their checksums. */
static void fetch(const struct cnn_dataset_format *format, const char *root, struct cnn_text *out)
{
    static const char *const files[FILES] = {"train-images-idx3", "train-labels-idx1",
                                             "t10k-images-idx3", "t10k-labels-idx1"};
    const struct cnn_data_home *home = format->home;
    const struct set *set = format->more;
    cnn_text_printf(out,
                    "(mkdir -p %s/%s && cd %s/%s && curl -fLO '%s/{train,t10k}-"
                    "{images-idx3,labels-idx1}-ubyte.gz' && printf '%%s  %%s-ubyte.gz\\n'",
                    root, home->folder, root, home->folder, home->address);
    for (size_t i = 0; i < FILES; i++)
        cnn_text_printf(out, " %s %s", set->checksums[i], files[i]);
    cnn_text_printf(out, " | sha256sum -c)");
}

static const char *const fashion_names[] = {"T-shirt/top", "Trouser",   "Pullover", "Dress",
                                            "Coat",        "Sandal",    "Shirt",    "Sneaker",
                                            "Bag",         "Ankle boot"};

const struct cnn_dataset_format cnn_dataset_format_mnist = {
    .name = "mnist",
    .title = "MNIST",
    .home =
        &(const struct cnn_data_home){.folder = "mnist",
                                      .address = "https://ossci-datasets.s3.amazonaws.com/mnist",
                                      .size = "11.6 MB",
                                      .fetch = fetch},
    .more =
        &(const struct set){
            .checksums = {"440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                          "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                          "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                          "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6"}},
    .read = read_idx,
};

const struct cnn_dataset_format cnn_dataset_format_fashion_mnist = {
    .name = "fashion_mnist",
    .title = "Fashion-MNIST",
    .home =
        &(const struct cnn_data_home){
            .folder = "fashion-mnist",
            .package = "dataset-fashion-mnist",
            .packaged = "/usr/share/datasets/fashion-mnist",
            .address = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
            .size = "30.9 MB",
            .fetch = fetch},
    .more =
        &(const struct set){
            .class_names = fashion_names,
            .class_count = 10,
            .checksums = {"3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                          "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                          "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                          "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"}},
    .read = read_idx,
};
