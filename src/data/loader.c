/* The loader: threads that fill a ring of batches ahead of the one being used. A batch is divided
 * into runs of images, which the threads take in order; who ends the last run of a batch mixes its
 * images and calls it ready. One mutex guards the counters; what belongs to a run is its thread's
 * while it is filled, and a batch is the caller's from cnn_loader_next until the call after.
 *
 * One thread is woken when a batch is handed back, and each wakes another one only while the next
 * batch is not ready: where reading is quick, a single thread does it all and leaves the cores to
 * those that compute. */
#include "data/loader.h"

#include <pthread.h>
#include <string.h>

#include "data/augment.h"
#include "data/mix.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/parallel.h"
#include "util/parts.h"
#include "util/random.h"

#define MAX_WORKERS 32
#define RUN_BYTES   32768 /* of images, about, that a thread takes at a time */

struct worker {
    struct cnn_loader *loader;
    pthread_t thread;
    uint8_t *pixels, *scratch; /* an image each */
};

struct place {
    struct cnn_batch batch;
    size_t left; /* images that are not filled yet */
    bool ready;
};

struct cnn_loader {
    struct cnn_loader_options options;
    struct cnn_normalizer normalizer;
    size_t count, batches;
    size_t values; /* of an image */
    size_t run;    /* images */
    bool mixes;
    size_t epoch;    /* changed only while no thread is at work, as are order and bare */
    bool bare;       /* images are not wanted */
    bool next_bare;  /* from the next start on */
    uint32_t *order; /* images in the order of this epoch */
    struct worker workers[MAX_WORKERS];
    size_t worker_count, started;

    pthread_mutex_t mutex;
    pthread_cond_t work, done; /* for the workers, and for the caller */
    /* Under the mutex: */
    struct place ring[CNN_LOADER_RING]; /* batch b of the epoch is in ring[b % CNN_LOADER_RING] */
    size_t released;                    /* batches before this one may be overwritten */
    size_t taken;                       /* batches before this one were handed out */
    size_t begun;                       /* the batch that runs are taken from */
    size_t next;                        /* its first image that nobody has taken */
    size_t end;                         /* no run is taken from this batch on */
    size_t busy;                        /* threads that fill a run */
    bool stop;
};

static void fill_image(const struct worker *worker, size_t image, float *out)
{
    const struct cnn_loader *l = worker->loader;
    const struct cnn_loader_options *o = &l->options;
    const struct cnn_augmentation *augmentation = o->augmentation;
    const uint8_t *pixels;
    if (augmentation) {
        struct cnn_draw draw = cnn_draw_new(&o->normalization, o->seed, l->epoch, l->count, image);
        if (cnn_dataset_read_window(o->dataset, image, augmentation, &draw, worker->pixels))
            augmentation = augmentation->next;
        else if ((pixels = cnn_dataset_read(o->dataset, image, worker->pixels)) != worker->pixels)
            memcpy(worker->pixels, pixels, l->values);
        cnn_augment(augmentation, o->shape, &draw, worker->pixels, worker->scratch);
        pixels = worker->pixels;
    } else {
        pixels = cnn_dataset_read(o->dataset, image, worker->pixels);
    }
    cnn_normalizer_apply(&l->normalizer, pixels, o->shape.h * o->shape.w, out);
}

/* Place of a batch's first image in the epoch's order; that of the batch behind the last is the
 * end. */
static size_t batch_first(const struct cnn_loader *l, size_t b)
{
    size_t size = l->options.batch;
    bool lonely = l->options.two_or_more && size > 2 && l->count > size && l->count % size == 1;
    return b == l->batches ? l->count : b * size - (lonely && b == l->batches - 1 ? 1 : 0);
}

static size_t batch_images(const struct cnn_loader *l, size_t b)
{
    return batch_first(l, b + 1) - batch_first(l, b);
}

static void fill_run(const struct worker *worker, size_t b, size_t first, size_t count)
{
    const struct cnn_loader *l = worker->loader;
    const struct cnn_batch *batch = &l->ring[b % CNN_LOADER_RING].batch;
    for (size_t i = first; i < first + count; i++) {
        size_t image = l->order[batch_first(l, b) + i];
        batch->labels[i] = cnn_dataset_label(l->options.dataset, image);
        batch->index[i] = image;
        float *to = cnn_batch_image(batch, l->values, i);
        if (!l->bare && to)
            fill_image(worker, image, to);
    }
}

static void mix(struct cnn_loader *l, size_t b)
{
    const struct cnn_loader_options *o = &l->options;
    struct cnn_rng rng = cnn_rng_at(o->seed, CNN_STREAM_MIX, (uint64_t)l->epoch * l->batches + b);
    cnn_mix_batch(o->augmentation, o->shape, &rng, &l->ring[b % CNN_LOADER_RING].batch);
}

static bool has_work(const struct cnn_loader *l)
{
    return l->begun < l->end && l->begun < l->released + CNN_LOADER_RING;
}

/* Takes a run of images; the batch after this one is begun with its last. */
static void take_run(struct cnn_loader *l, size_t *b, size_t *first, size_t *count)
{
    struct place *place = &l->ring[l->begun % CNN_LOADER_RING];
    size_t n = batch_images(l, l->begun);
    if (l->next == 0) {
        struct cnn_parts own = cnn_parts_of(n, l->options.rank, l->options.ranks);
        place->batch.n = place->left = n;
        place->batch.first = cnn_parts_image(&own, own.first);
        place->batch.own = cnn_parts_images(&own);
        place->ready = false;
    }
    *b = l->begun;
    *first = l->next;
    *count = n - l->next < l->run ? n - l->next : l->run;
    l->next += *count;
    if (l->next == n) {
        l->begun++;
        l->next = 0;
    }
}

/* Whether the caller would have to wait for its next batch. */
static bool is_behind(const struct cnn_loader *l)
{
    return l->begun <= l->taken || !l->ring[l->taken % CNN_LOADER_RING].ready;
}

static void do_run(struct worker *worker)
{
    struct cnn_loader *l = worker->loader;
    size_t b, first, count;
    take_run(l, &b, &first, &count);
    l->busy++;
    if (has_work(l) && is_behind(l))
        pthread_cond_signal(&l->work);
    pthread_mutex_unlock(&l->mutex);
    fill_run(worker, b, first, count);
    pthread_mutex_lock(&l->mutex);
    struct place *place = &l->ring[b % CNN_LOADER_RING];
    place->left -= count;
    if (place->left == 0 && l->mixes) {
        pthread_mutex_unlock(&l->mutex);
        mix(l, b);
        pthread_mutex_lock(&l->mutex);
    }
    place->ready = place->left == 0;
    l->busy--;
    if (place->ready || l->busy == 0)
        pthread_cond_signal(&l->done);
}

static void *read_ahead(void *context)
{
    struct worker *worker = context;
    struct cnn_loader *l = worker->loader;
    pthread_mutex_lock(&l->mutex);
    while (!l->stop) {
        if (has_work(l))
            do_run(worker);
        else
            pthread_cond_wait(&l->work, &l->mutex);
    }
    pthread_mutex_unlock(&l->mutex);
    return NULL;
}

static cnn_status allocate(struct cnn_loader *l, cnn_diag *diag)
{
    cnn_shape s = l->options.shape;
    size_t area, values, floats,
        images = l->options.batch < l->count ? l->options.batch : l->count,
        held = cnn_parts_most_images(images, l->options.rank, l->options.ranks);
    if (l->mixes && held < images)
        held *= 2; /* with their partners */
    if (!cnn_size_mul(s.h, s.w, &area) || !cnn_size_mul(area, s.c, &values) ||
        !cnn_size_mul(values, held, &floats))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "a batch of %zu images of %zu x %zu x %zu is too large", images, s.c, s.h,
                        s.w);
    l->values = values;
    l->run = values < RUN_BYTES ? RUN_BYTES / values : 1;
    l->order = cnn_calloc(l->count, sizeof *l->order);
    bool done = l->order;
    for (size_t i = 0; i < CNN_LOADER_RING && done; i++) {
        struct cnn_batch *batch = &l->ring[i].batch;
        batch->images = cnn_floats_new(floats);
        batch->labels = cnn_calloc(images, sizeof *batch->labels);
        batch->index = cnn_calloc(images, sizeof *batch->index);
        batch->others = l->mixes ? cnn_calloc(images, sizeof *batch->others) : NULL;
        batch->shares = l->mixes ? cnn_calloc(images, sizeof *batch->shares) : NULL;
        done = batch->images && batch->labels && batch->index &&
               (!l->mixes || (batch->others && batch->shares));
    }
    for (size_t i = 0; i < l->worker_count && done; i++) {
        l->workers[i] = (struct worker){
            .loader = l, .pixels = cnn_malloc(values), .scratch = cnn_malloc(values)};
        done = l->workers[i].pixels && l->workers[i].scratch;
    }
    return done ? CNN_OK
                : cnn_fail_memory(diag,
                                  floats <= SIZE_MAX / CNN_LOADER_RING / sizeof(float)
                                      ? CNN_LOADER_RING * floats * sizeof(float)
                                      : SIZE_MAX,
                                  "batches");
}

/* Fewer threads than wanted do the work, too; where there are none, the caller does it. */
static void start_workers(struct cnn_loader *l)
{
    while (l->started < l->worker_count) {
        struct worker *worker = &l->workers[l->started];
        if (pthread_create(&worker->thread, NULL, read_ahead, worker) != 0)
            return;
        l->started++;
    }
}

cnn_status cnn_loader_new(const struct cnn_loader_options *options, struct cnn_loader **out,
                          cnn_diag *diag)
{
    size_t count = cnn_dataset_count(options->dataset), threads = (size_t)cnn_parallel_threads();
    if (count == 0 || options->batch == 0)
        return cnn_fail(diag, CNN_INVALID, NULL, "no images to make batches of");
    struct cnn_loader *l = cnn_calloc(1, sizeof *l);
    if (!l)
        return cnn_fail_memory(diag, sizeof *l, "batches");
    l->options = *options;
    l->count = count;
    l->batches = (count - 1) / options->batch + 1;
    l->mixes = cnn_mixes(options->augmentation);
    l->worker_count = threads < MAX_WORKERS ? threads : MAX_WORKERS;
    cnn_normalizer_init(&options->normalization, &l->normalizer);
    pthread_mutex_init(&l->mutex, NULL);
    pthread_cond_init(&l->work, NULL);
    pthread_cond_init(&l->done, NULL);
    cnn_status status = allocate(l, diag);
    if (status != CNN_OK) {
        cnn_loader_free(l);
        return status;
    }
    start_workers(l);
    *out = l;
    return CNN_OK;
}

void cnn_loader_free(struct cnn_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->mutex);
    loader->stop = true;
    pthread_cond_broadcast(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
    for (size_t i = 0; i < loader->started; i++)
        pthread_join(loader->workers[i].thread, NULL);
    for (size_t i = 0; i < loader->worker_count; i++) {
        cnn_free(loader->workers[i].pixels);
        cnn_free(loader->workers[i].scratch);
    }
    for (size_t i = 0; i < CNN_LOADER_RING; i++) {
        cnn_floats_free(loader->ring[i].batch.images);
        cnn_free(loader->ring[i].batch.labels);
        cnn_free(loader->ring[i].batch.index);
        cnn_free(loader->ring[i].batch.others);
        cnn_free(loader->ring[i].batch.shares);
    }
    pthread_cond_destroy(&loader->work);
    pthread_cond_destroy(&loader->done);
    pthread_mutex_destroy(&loader->mutex);
    cnn_free(loader->order);
    cnn_free(loader);
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

void cnn_loader_bare(struct cnn_loader *loader, bool bare)
{
    loader->next_bare = bare;
}

void cnn_loader_start(struct cnn_loader *loader, size_t epoch, size_t first)
{
    pthread_mutex_lock(&loader->mutex);
    loader->end = 0; /* the threads end the runs they are at, and take no other */
    while (loader->busy > 0)
        pthread_cond_wait(&loader->done, &loader->mutex);
    loader->epoch = epoch;
    loader->bare = loader->next_bare;
    order_images(loader);
    loader->released = loader->taken = loader->begun =
        first < loader->batches ? first : loader->batches;
    loader->next = 0;
    loader->end = loader->batches;
    pthread_cond_signal(&loader->work);
    pthread_mutex_unlock(&loader->mutex);
}

const struct cnn_batch *cnn_loader_next(struct cnn_loader *loader)
{
    const struct cnn_batch *batch = NULL;
    pthread_mutex_lock(&loader->mutex);
    loader->released = loader->taken;
    pthread_cond_signal(&loader->work);
    if (loader->taken < loader->end) {
        while (is_behind(loader))
            if (loader->started > 0)
                pthread_cond_wait(&loader->done, &loader->mutex);
            else
                do_run(&loader->workers[0]);
        batch = &loader->ring[loader->taken++ % CNN_LOADER_RING].batch;
    }
    pthread_mutex_unlock(&loader->mutex);
    return batch;
}

size_t cnn_loader_smallest(const struct cnn_loader *loader)
{
    return batch_images(loader, loader->batches - 1);
}

size_t cnn_loader_batches(const struct cnn_loader *loader)
{
    return loader->batches;
}
