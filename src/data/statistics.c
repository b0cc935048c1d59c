/* Sums over all images of a data set: the statistics of its channels, and its fingerprint. */
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <zlib.h>

#include "data/dataset.h"
#include "data/images.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/parallel.h"

#define CHUNK 256 /* images that a thread adds up at a time */

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
    const struct cnn_images *images = cnn_dataset_images(sums->dataset);
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
    const struct cnn_images *images = cnn_dataset_images(dataset);
    const size_t threads = (size_t)cnn_parallel_threads(),
                 pixels = images->count * images->height * images->width;
    struct sums *sums = cnn_aligned_new(64, sizeof *sums);
    uint8_t *buffers = cnn_calloc(threads, cnn_images_bytes(images));
    if (!sums || !buffers) {
        cnn_aligned_free(sums);
        cnn_free(buffers);
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
    cnn_aligned_free(sums);
    cnn_free(buffers);
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
    struct prints prints = {.images = cnn_dataset_images(dataset)};
    cnn_parallel_for((prints.images->count + CHUNK - 1) / CHUNK, add_prints, &prints);
    return prints.sum;
}
