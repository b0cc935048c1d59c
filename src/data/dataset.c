/* Data sets: where a split's images come from, and reading them one by one. */
#include "data/dataset.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "data/augment.h"
#include "data/cifar.h"
#include "data/folder.h"
#include "data/idx.h"
#include "data/images.h"
#include "data/known.h"
#include "data/shapes.h"
#include "data/stream.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/parallel.h"
#include "util/random.h"
#include "util/text.h"

#define CHUNK 256 /* images that a thread adds up at a time */

struct cnn_dataset {
    struct cnn_images images;
    size_t *class_counts;            /* [class_count] */
    struct cnn_image_stream *stream; /* NULL where they are in memory */
};

/* Which files hold a split, and which of their images belong to it. */
struct selection {
    enum cnn_split files;
    enum { ALL, KEPT_FOR_TRAINING, HELD_FOR_VALIDATION } part;
    enum cnn_split used;
};

/* malloc'ed; NULL where no folder is looked for by itself, or memory is short. */
static char *default_path(int dataset)
{
    switch (dataset) {
    case CNN_DATASET_MNIST:
        return cnn_known_folder(CNN_KNOWN_MNIST);
    case CNN_DATASET_FASHION_MNIST:
        return cnn_known_folder(CNN_KNOWN_FASHION_MNIST);
    case CNN_DATASET_CIFAR10:
        return cnn_known_folder(CNN_KNOWN_CIFAR10);
    case CNN_DATASET_CIFAR100:
        return cnn_known_folder(CNN_KNOWN_CIFAR100);
    default:
        return NULL;
    }
}

static cnn_status fail_no_split(const struct cnn_data_settings *settings, const char *path,
                                enum cnn_split split, cnn_diag *diag)
{
    static const char *const purposes[3] = {"training", "validation", "testing"};
    cnn_fail(diag, CNN_FAILED, &settings->where, "%s has no images for %s", path, purposes[split]);
    if (split == CNN_SPLIT_TRAIN)
        cnn_hint(diag, "training images belong into %s/train/<class>", path);
    else
        cnn_hint(diag,
                 "val_split: 0.1 keeps a tenth of the training images for it; or divide the "
                 "folder: train/<class>, %s/<class>",
                 cnn_split_names[split]);
    return CNN_FAILED;
}

static cnn_status select_images(const struct cnn_data_settings *settings, const char *path,
                                enum cnn_split split, struct selection *out, cnn_diag *diag)
{
    bool has[3] = {true, false, true};
    if (settings->dataset == CNN_DATASET_FOLDER) {
        cnn_status status = cnn_folder_splits(path, has, diag);
        if (status != CNN_OK)
            return status;
    }
    bool divided = has[CNN_SPLIT_TRAIN] && !has[CNN_SPLIT_VAL] && settings->val_split > 0;
    if (has[split])
        *out = (struct selection){
            split, split == CNN_SPLIT_TRAIN && divided ? KEPT_FOR_TRAINING : ALL, split};
    else if (split == CNN_SPLIT_TRAIN)
        return fail_no_split(settings, path, split, diag);
    else if (has[CNN_SPLIT_VAL])
        *out = (struct selection){CNN_SPLIT_VAL, ALL, CNN_SPLIT_VAL};
    else if (divided)
        *out = (struct selection){CNN_SPLIT_TRAIN, HELD_FOR_VALIDATION, CNN_SPLIT_VAL};
    else if (has[CNN_SPLIT_TEST])
        *out = (struct selection){CNN_SPLIT_TEST, ALL, CNN_SPLIT_TEST};
    else
        return fail_no_split(settings, path, split, diag);
    return CNN_OK;
}

static cnn_status read_images(const struct cnn_data_settings *settings, const char *path,
                              enum cnn_split files, cnn_shape input, uint64_t seed,
                              struct cnn_images *out, cnn_diag *diag)
{
    bool train = files == CNN_SPLIT_TRAIN;
    size_t limit = train ? settings->limit : 0;
    switch (settings->dataset) {
    case CNN_DATASET_MNIST:
        return cnn_idx_read(&cnn_idx_mnist, path, train, limit, out, diag);
    case CNN_DATASET_FASHION_MNIST:
        return cnn_idx_read(&cnn_idx_fashion_mnist, path, train, limit, out, diag);
    case CNN_DATASET_CIFAR10:
        return cnn_cifar_read(path, 10, train, limit, out, diag);
    case CNN_DATASET_CIFAR100:
        return cnn_cifar_read(path, 100, train, limit, out, diag);
    case CNN_DATASET_FOLDER:
        return cnn_folder_read(path, files, limit, input, settings->any_damage, out, diag);
    default:
        return cnn_shapes_read(input, train, seed, limit, out, diag);
    }
}

/* Where in the wanted classes each of the data set's stands, by its name; NULL where they are no
 * part of them, or memory is short. malloc'ed. */
static uint16_t *place_classes(const struct cnn_data_settings *settings,
                               const struct cnn_images *images)
{
    uint16_t *places = calloc(images->class_count, sizeof *places);
    size_t next = 0;
    for (size_t i = 0; places && i < images->class_count; i++) {
        while (next < settings->class_count &&
               strcmp(settings->classes[next], images->class_names[i]) != 0)
            next++;
        if (next == settings->class_count) {
            free(places);
            return NULL;
        }
        places[i] = (uint16_t)next++;
    }
    return places;
}

/* A data set may have images of some classes alone, and know of no others. Where it has different
 * ones it stays as it is, which its user finds out. */
static cnn_status adopt_classes(const struct cnn_data_settings *settings, struct cnn_images *images,
                                cnn_diag *diag)
{
    if (!settings->classes || images->class_count >= settings->class_count)
        return CNN_OK;
    uint16_t *places = place_classes(settings, images);
    if (!places)
        return CNN_OK;
    for (size_t i = 0; i < images->count; i++)
        images->labels[i] = places[images->labels[i]];
    free(places);
    cnn_images_forget_classes(images);
    return cnn_images_name_classes(images, settings->classes, settings->class_count, diag);
}

/* of one class: images that are not decided on yet, and how many of them go to validation */
struct holding {
    size_t left, held;
};

/* Every class gives its share, to within one image, and all together theirs: for small sets, where
 * chance would leave a class out. But each keeps an image to train with, so that those of one image
 * give none; and where no class would give any, the largest does. Returns how many are held. */
static size_t share_out(double share, const struct cnn_images *images, struct holding *classes)
{
    size_t total = 0, before = 0, held = 0, largest = 0;
    for (size_t i = 0; i < images->count; i++)
        classes[images->labels[i]].left++;
    for (size_t c = 0; c < images->class_count; c++) {
        total += classes[c].left;
        size_t until = (size_t)(share * (double)total + 0.5), most = classes[c].left;
        classes[c].held = until - before < most ? until - before : most - (most > 0);
        before = until;
        held += classes[c].held;
        largest = classes[c].left > classes[largest].left ? c : largest;
    }
    if (held == 0 && before > 0 && classes[largest].left > 1)
        held = classes[largest].held = 1;
    return held;
}

/* Keeps one part of the training images, in their order: each image is held for validation with the
 * chance that leaves exactly its class's share (Knuth, The Art of Computer Programming 2, 3.4.2,
 * algorithm S). Both parts draw the same numbers, so no image is in both. */
static cnn_status divide(const struct cnn_data_settings *settings, bool want_held, uint64_t seed,
                         struct cnn_images *images, cnn_diag *diag)
{
    size_t count = images->count, held = 0;
    bool *marked = calloc(count, sizeof *marked);
    struct holding *classes = calloc(images->class_count, sizeof *classes);
    struct cnn_rng rng = cnn_rng_at(seed, CNN_STREAM_SPLIT, 0);
    if (marked && classes)
        held = share_out(settings->val_split, images, classes);
    for (size_t i = 0; marked && classes && i < count; i++) {
        struct holding *class = &classes[images->labels[i]];
        bool hold = cnn_rng_below(&rng, (uint32_t) class->left--) < class->held;
        class->held -= hold;
        marked[i] = hold == want_held;
    }
    cnn_status status =
        marked && classes ? CNN_OK : cnn_fail_memory(diag, count, "a choice of images");
    if (status == CNN_OK && held == 0)
        status = cnn_fail(diag, CNN_INVALID, &settings->where,
                          "val_split %g of %zu images leaves none for validation",
                          settings->val_split, count);
    if (status == CNN_OK)
        cnn_images_keep(images, marked);
    free(marked);
    free(classes);
    return status;
}

static cnn_status check_images(const struct cnn_data_settings *settings, cnn_shape input,
                               const struct cnn_images *images, cnn_diag *diag)
{
    if (images->count == 0 || images->count > UINT32_MAX)
        return cnn_fail(diag, CNN_FAILED, &settings->where, "%s: %zu images cannot be used",
                        cnn_dataset_names[settings->dataset], images->count);
    if (input.rank == 3 && input.c == images->channels && input.h == images->height &&
        input.w == images->width)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &settings->where,
             "the images of %s are %zu x %zu x %zu (channels, height, width), the network's input "
             "is %zu x %zu x %zu",
             cnn_dataset_names[settings->dataset], images->channels, images->height, images->width,
             input.c, input.h, input.w);
    cnn_hint(diag, "input: [%zu, %zu, %zu]", images->channels, images->height, images->width);
    return CNN_INVALID;
}

static cnn_status open_images(const struct cnn_data_settings *settings, cnn_shape input,
                              const char *path, enum cnn_split split, uint64_t seed,
                              struct cnn_images *out, enum cnn_split *used, cnn_diag *diag)
{
    struct selection selection;
    cnn_status status = select_images(settings, path, split, &selection, diag);
    if (status == CNN_OK)
        status = read_images(settings, path, selection.files, input, seed, out, diag);
    if (status == CNN_OK)
        status = adopt_classes(settings, out, diag);
    if (status == CNN_OK)
        status = check_images(settings, input, out, diag);
    if (status == CNN_OK && selection.part != ALL)
        status = divide(settings, selection.part == HELD_FOR_VALIDATION, seed, out, diag);
    if (status == CNN_OK)
        *used = selection.used;
    return status;
}

/* Training images get three quarters of the memory for decoded ones, and those that validate the
 * rest: a run keeps both, and passes over the former are many times as long. */
static cnn_status open_stream(const struct cnn_data_settings *settings, bool train,
                              struct cnn_dataset *dataset, cnn_diag *diag)
{
    if (!dataset->images.files)
        return CNN_OK;
    const size_t mebibyte = 1 << 20,
                 present = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t budget =
        settings->cache < present / 2 / mebibyte ? settings->cache * mebibyte : present / 2;
    /* Then files are kept as they are, for the window of a picture is not that of a smaller one. */
    bool whole = train && cnn_augment_begins_with_window(settings->augmentation);
    return cnn_image_stream_new(&dataset->images, whole, train ? budget / 4 * 3 : budget / 4,
                                &dataset->stream, diag);
}

static cnn_status count_classes(struct cnn_dataset *dataset, cnn_diag *diag)
{
    const struct cnn_images *images = &dataset->images;
    dataset->class_counts = calloc(images->class_count, sizeof *dataset->class_counts);
    if (!dataset->class_counts)
        return cnn_fail_memory(diag, images->class_count * sizeof *dataset->class_counts,
                               "class counts");
    for (size_t i = 0; i < images->count; i++)
        dataset->class_counts[images->labels[i]]++;
    return CNN_OK;
}

cnn_status cnn_dataset_open(const struct cnn_data_settings *settings, cnn_shape input,
                            const char *path, enum cnn_split split, uint64_t seed,
                            struct cnn_dataset **out, enum cnn_split *used, cnn_diag *diag)
{
    char *usual = NULL;
    if (!path)
        path = settings->path;
    if (!path)
        path = usual = default_path(settings->dataset);
    if (!path && settings->dataset == CNN_DATASET_FOLDER) {
        cnn_fail(diag, CNN_INVALID, &settings->where, "dataset folder needs a path");
        cnn_hint(diag, "path: FOLDER here, or --data FOLDER; FOLDER holds <class>/<images>, or "
                       "train/<class>/<images>");
        return CNN_INVALID;
    }
    if (!path && settings->dataset != CNN_DATASET_SHAPES)
        return cnn_fail_memory(diag, 0, "a path");
    cnn_status status;
    struct cnn_dataset *dataset = calloc(1, sizeof *dataset);
    if (!dataset)
        status = cnn_fail_memory(diag, sizeof *dataset, "a data set");
    else
        status = open_images(settings, input, path, split, seed, &dataset->images, used, diag);
    if (status == CNN_OK)
        status = count_classes(dataset, diag);
    if (status == CNN_OK)
        status = open_stream(settings, split == CNN_SPLIT_TRAIN, dataset, diag);
    free(usual);
    if (status == CNN_OK)
        *out = dataset;
    else
        cnn_dataset_free(dataset);
    return status;
}

void cnn_dataset_free(struct cnn_dataset *dataset)
{
    if (!dataset)
        return;
    cnn_image_stream_free(dataset->stream);
    cnn_images_free(&dataset->images);
    free(dataset->class_counts);
    free(dataset);
}

size_t cnn_dataset_count(const struct cnn_dataset *dataset)
{
    return dataset->images.count;
}

size_t cnn_dataset_classes(const struct cnn_dataset *dataset)
{
    return dataset->images.class_count;
}

const char *cnn_dataset_class(const struct cnn_dataset *dataset, size_t i)
{
    return dataset->images.class_names[i];
}

size_t cnn_dataset_image_bytes(const struct cnn_dataset *dataset)
{
    return cnn_images_bytes(&dataset->images);
}

size_t cnn_dataset_label(const struct cnn_dataset *dataset, size_t image)
{
    return dataset->images.labels[image];
}

size_t cnn_dataset_class_count(const struct cnn_dataset *dataset, size_t class)
{
    return dataset->class_counts[class];
}

const char *cnn_dataset_path(const struct cnn_dataset *dataset, size_t image)
{
    return dataset->images.files ? dataset->images.files[image].path : NULL;
}

const char *cnn_dataset_left_out(const struct cnn_dataset *dataset, size_t i)
{
    return i < dataset->images.left_out_count ? dataset->images.left_out[i] : NULL;
}

const uint8_t *cnn_dataset_read(const struct cnn_dataset *dataset, size_t image, uint8_t *buffer)
{
    return dataset->stream ? cnn_image_stream_read(dataset->stream, image, buffer)
                           : dataset->images.pixels + image * cnn_images_bytes(&dataset->images);
}

size_t cnn_dataset_room(const struct cnn_dataset *dataset)
{
    return dataset->stream ? cnn_image_stream_room(dataset->stream) : 0;
}

bool cnn_dataset_read_window(const struct cnn_dataset *dataset, size_t image,
                             const struct cnn_augmentation *augmentation, struct cnn_draw *draw,
                             uint8_t *buffer)
{
    if (!dataset->stream || !cnn_augment_begins_with_window(augmentation))
        return false;
    cnn_image_stream_read_window(dataset->stream, image, augmentation, draw, buffer);
    return true;
}

cnn_status cnn_dataset_memory(const struct cnn_dataset *dataset, cnn_diag *diag)
{
    return dataset->stream ? cnn_image_stream_memory(dataset->stream, diag) : CNN_OK;
}

cnn_status cnn_dataset_report(const struct cnn_dataset *dataset,
                              void (*tell)(void *context, const char *text), void *context,
                              cnn_diag *diag)
{
    return dataset->stream ? cnn_image_stream_report(dataset->stream, tell, context, diag) : CNN_OK;
}

/* Sums of bytes and of their squares are exact in 64 bits (2^47 bytes at most), so the order of
 * adding does not matter. */
struct sums {
    const struct cnn_dataset *dataset;
    uint8_t *buffers; /* of one image for each thread */
    struct {
        _Alignas(64) uint64_t sum[CNN_MAX_CHANNELS], squares[CNN_MAX_CHANNELS];
    } threads[CNN_MAX_THREADS];
};

static void add_image(const uint8_t *bytes, size_t pixels, size_t channels, uint64_t *sum,
                      uint64_t *squares)
{
    for (size_t c = 0; c < channels; c++) {
        uint64_t s = 0, q = 0;
        for (size_t i = c; i < pixels * channels; i += channels) {
            s += bytes[i];
            q += (uint64_t)bytes[i] * bytes[i];
        }
        sum[c] += s;
        squares[c] += q;
    }
}

static void add_chunk(void *context, size_t chunk, size_t thread)
{
    struct sums *sums = context;
    const struct cnn_images *images = &sums->dataset->images;
    uint8_t *buffer = sums->buffers + thread * cnn_images_bytes(images);
    for (size_t i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < images->count; i++)
        add_image(cnn_dataset_read(sums->dataset, i, buffer), images->height * images->width,
                  images->channels, sums->threads[thread].sum, sums->threads[thread].squares);
}

double cnn_channel_divisor(double variance)
{
    return variance > 1e-6 ? sqrt(variance) / 255 : 1;
}

cnn_status cnn_dataset_statistics(const struct cnn_dataset *dataset, struct cnn_normalization *out,
                                  cnn_diag *diag)
{
    const struct cnn_images *images = &dataset->images;
    const size_t threads = (size_t)cnn_parallel_threads(),
                 pixels = images->count * images->height * images->width;
    struct sums *sums = aligned_alloc(64, sizeof *sums);
    uint8_t *buffers = calloc(threads, cnn_images_bytes(images));
    if (!sums || !buffers) {
        free(sums);
        free(buffers);
        return cnn_fail_memory(diag, threads * cnn_images_bytes(images),
                               "an image for each thread");
    }
    memset(sums, 0, sizeof *sums);
    sums->dataset = dataset;
    sums->buffers = buffers;
    cnn_parallel_for((images->count - 1) / CHUNK + 1, add_chunk, sums);
    *out = (struct cnn_normalization){.channels = images->channels};
    for (size_t c = 0; c < images->channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (size_t t = 0; t < threads; t++) {
            sum += sums->threads[t].sum[c];
            squares += sums->threads[t].squares[c];
        }
        double mean = (double)sum / (double)pixels,
               variance = (double)squares / (double)pixels - mean * mean;
        out->mean[c] = (float)(mean / 255);
        out->std[c] = (float)cnn_channel_divisor(variance);
    }
    free(sums);
    free(buffers);
    return cnn_dataset_report(dataset, NULL, NULL, diag);
}

struct prints {
    const struct cnn_images *images;
    atomic_ullong sum;
};

/* The finaliser of SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number
 * generators", 2014). */
static uint64_t scatter(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static void add_prints(void *context, size_t chunk, size_t thread)
{
    (void)thread;
    struct prints *prints = context;
    const struct cnn_images *images = prints->images;
    size_t bytes = cnn_images_bytes(images);
    uint64_t sum = 0;
    for (size_t i = chunk * CHUNK; i < (chunk + 1) * CHUNK && i < images->count; i++) {
        uint64_t checksum = images->files ? images->files[i].checksum
                                          : crc32_z(0, images->pixels + i * bytes, bytes);
        sum += scatter(checksum | (uint64_t)(images->labels[i] + 1) << 32);
    }
    atomic_fetch_add(&prints->sum, sum);
}

uint64_t cnn_dataset_fingerprint(const struct cnn_dataset *dataset)
{
    struct prints prints = {.images = &dataset->images};
    cnn_parallel_for((dataset->images.count + CHUNK - 1) / CHUNK, add_prints, &prints);
    return prints.sum;
}

void cnn_normalizer_init(const struct cnn_normalization *normalization, struct cnn_normalizer *out)
{
    out->channels = normalization->channels;
    for (size_t c = 0; c < normalization->channels; c++)
        for (size_t value = 0; value < 256; value++)
            out->table[c][value] =
                ((float)value / 255 - normalization->mean[c]) / normalization->std[c];
}

void cnn_normalizer_apply(const struct cnn_normalizer *normalizer, const uint8_t *bytes,
                          size_t pixels, float *out)
{
    const size_t channels = normalizer->channels;
    const float(*table)[256] = normalizer->table;
    for (size_t i = 0; channels == 1 && i < pixels; i++)
        out[i] = table[0][bytes[i]];
    for (size_t i = 0; channels == 3 && i < 3 * pixels; i += 3) {
        out[i] = table[0][bytes[i]];
        out[i + 1] = table[1][bytes[i + 1]];
        out[i + 2] = table[2][bytes[i + 2]];
    }
    for (size_t i = 0; channels != 1 && channels != 3 && i < pixels; i++)
        for (size_t c = 0; c < channels; c++)
            out[i * channels + c] = table[c][bytes[i * channels + c]];
}

void cnn_normalize(const struct cnn_normalization *normalization, const uint8_t *bytes,
                   size_t pixels, float *out)
{
    struct cnn_normalizer normalizer;
    cnn_normalizer_init(normalization, &normalizer);
    cnn_normalizer_apply(&normalizer, bytes, pixels, out);
}
