/* The loader: a thread that fills a ring of batches ahead of the one being used. One mutex and one condition guard four counters; images and labels
 * of a batch belong to the thread while it is filled, and to the caller from cnn_loader_next until the call after. */
#include "data/loader.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "data/augment.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/random.h"

#define RING 3

struct cnn_loader {
    struct cnn_loader_options options;
    size_t count, batches;
    size_t epoch;    /* changed only while the thread is idle, as is order */
    uint32_t *order; /* images in the order of this epoch */
    uint8_t *pixels, *scratch;
    struct cnn_batch ring[RING]; /* batch b of the epoch is in ring[b % RING] */

    pthread_t thread;
    bool started;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    /* Under the mutex: */
    size_t released; /* batches before this one may be overwritten */
    size_t taken;    /* batches before this one were handed out */
    size_t filled;   /* batches before this one are ready */
    size_t end;      /* the thread fills no batch from this one on */
    bool filling, stop;
};

static void fill_image(struct cnn_loader *l, size_t image, float *out)
{
    const struct cnn_loader_options *o = &l->options;
    const uint8_t *pixels = cnn_dataset_pixels(o->dataset, image);
    size_t area = o->shape.h * o->shape.w;
    if (o->augmentation) {
        struct cnn_rng rng = cnn_rng_at(o->seed, CNN_STREAM_AUGMENT, (uint64_t)l->epoch * l->count + image);
        memcpy(l->pixels, pixels, area * o->shape.c);
        cnn_augment(o->augmentation, o->shape, &rng, l->pixels, l->scratch);
        pixels = l->pixels;
    }
    cnn_normalize(&o->normalization, pixels, area, out);
}

static void fill_batch(struct cnn_loader *l, size_t b, struct cnn_batch *batch)
{
    size_t first = b * l->options.batch, values = l->options.shape.h * l->options.shape.w * l->options.shape.c;
    batch->n = l->count - first < l->options.batch ? l->count - first : l->options.batch;
    for (size_t i = 0; i < batch->n; i++) {
        size_t image = l->order[first + i];
        batch->labels[i] = cnn_dataset_label(l->options.dataset, image);
        fill_image(l, image, batch->images + i * values);
    }
}

static void *read_ahead(void *context)
{
    struct cnn_loader *l = context;
    pthread_mutex_lock(&l->mutex);
    for (;;) {
        while (!l->stop && (l->filled >= l->end || l->filled >= l->released + RING))
            pthread_cond_wait(&l->changed, &l->mutex);
        if (l->stop)
            break;
        size_t b = l->filled;
        l->filling = true;
        pthread_mutex_unlock(&l->mutex);
        fill_batch(l, b, &l->ring[b % RING]);
        pthread_mutex_lock(&l->mutex);
        l->filling = false;
        l->filled = b + 1;
        pthread_cond_broadcast(&l->changed);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static cnn_status allocate(struct cnn_loader *l, cnn_diag *diag)
{
    cnn_shape s = l->options.shape;
    size_t area, values, floats, images = l->options.batch < l->count ? l->options.batch : l->count;
    if (!cnn_size_mul(s.h, s.w, &area) || !cnn_size_mul(area, s.c, &values) || !cnn_size_mul(values, images, &floats))
        return cnn_fail(diag, CNN_FAILED, NULL, "a batch of %zu images of %zu x %zu x %zu is too large", images, s.c, s.h, s.w);
    l->order = calloc(l->count, sizeof *l->order);
    l->pixels = malloc(values);
    l->scratch = malloc(values);
    bool done = l->order && l->pixels && l->scratch;
    for (size_t i = 0; i < RING && done; i++) {
        l->ring[i].images = cnn_floats_new(floats);
        l->ring[i].labels = calloc(images, sizeof *l->ring[i].labels);
        done = l->ring[i].images && l->ring[i].labels;
    }
    return done ? CNN_OK : cnn_fail_memory(diag, floats <= SIZE_MAX / RING / sizeof(float) ? RING * floats * sizeof(float) : SIZE_MAX, "batches");
}

cnn_status cnn_loader_new(const struct cnn_loader_options *options, struct cnn_loader **out, cnn_diag *diag)
{
    size_t count = cnn_dataset_count(options->dataset);
    if (count == 0 || options->batch == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "no images to make batches of");
    struct cnn_loader *l = calloc(1, sizeof *l);
    if (!l)
        return cnn_fail_memory(diag, sizeof *l, "batches");
    l->options = *options;
    l->count = count;
    l->batches = (count - 1) / options->batch + 1;
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->changed, NULL);
    cnn_status status = allocate(l, diag);
    if (status == CNN_OK) {
        int error = pthread_create(&l->thread, NULL, read_ahead, l);
        l->started = error == 0;
        if (error)
            status = cnn_fail(diag, CNN_FAILED, NULL, "cannot start the thread that reads batches: %s", strerror(error));
    }
    if (status == CNN_OK)
        *out = l;
    else
        cnn_loader_free(l);
    return status;
}

void cnn_loader_free(struct cnn_loader *loader)
{
    if (!loader)
        return;
    if (loader->started) {
        pthread_mutex_lock(&loader->mutex);
        loader->stop = true;
        pthread_cond_broadcast(&loader->changed);
        pthread_mutex_unlock(&loader->mutex);
        pthread_join(loader->thread, NULL);
    }
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->mutex);
    for (size_t i = 0; i < RING; i++) {
        cnn_floats_free(loader->ring[i].images);
        free(loader->ring[i].labels);
    }
    free(loader->order);
    free(loader->pixels);
    free(loader->scratch);
    free(loader);
}

/* Fisher and Yates' shuffle, as Durstenfeld wrote it (Algorithm 235, 1964). */
static void order_images(struct cnn_loader *l)
{
    for (size_t i = 0; i < l->count; i++)
        l->order[i] = (uint32_t)i;
    if (!l->options.shuffle)
        return;
    struct cnn_rng rng = cnn_rng_at(l->options.seed, CNN_STREAM_SHUFFLE, l->epoch);
    for (size_t i = l->count - 1; i > 0; i--) {
        size_t j = cnn_rng_below(&rng, (uint32_t)(i + 1));
        uint32_t image = l->order[i];
        l->order[i] = l->order[j];
        l->order[j] = image;
    }
}

void cnn_loader_start(struct cnn_loader *loader, size_t epoch, size_t first)
{
    pthread_mutex_lock(&loader->mutex);
    loader->end = 0; /* the thread ends the batch it is at, and begins no other */
    while (loader->filling)
        pthread_cond_wait(&loader->changed, &loader->mutex);
    loader->epoch = epoch;
    order_images(loader);
    loader->released = loader->taken = loader->filled = first < loader->batches ? first : loader->batches;
    loader->end = loader->batches;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->mutex);
}

const struct cnn_batch *cnn_loader_next(struct cnn_loader *loader)
{
    const struct cnn_batch *batch = NULL;
    pthread_mutex_lock(&loader->mutex);
    loader->released = loader->taken;
    pthread_cond_broadcast(&loader->changed);
    if (loader->taken < loader->end) {
        while (loader->filled <= loader->taken)
            pthread_cond_wait(&loader->changed, &loader->mutex);
        batch = &loader->ring[loader->taken++ % RING];
    }
    pthread_mutex_unlock(&loader->mutex);
    return batch;
}

size_t cnn_loader_batches(const struct cnn_loader *loader)
{
    return loader->batches;
}
