/* Inverted dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
 * Overfitting", 2014. */
#include "kernels/internal.h"
#include "kernels/plain.h"
#include "util/parallel.h"
#include "util/random.h"

#define MASK_BLOCK ((size_t)4096) /* elements whose mask comes from one generator */

struct dropout_work {
    size_t size;
    uint64_t seed, dropped; /* an element is dropped where its 32 random bits are below this */
    float scale;
    const float *x;
    float *y;
};

static void drop_block(void *context, size_t block, size_t thread)
{
    (void)thread;
    const struct dropout_work *k = context;
    struct cnn_rng rng = cnn_rng_at(k->seed, CNN_STREAM_DROPOUT, block);
    for (size_t i = block * MASK_BLOCK; i < cnn_size_min(k->size, (block + 1) * MASK_BLOCK); i++)
        k->y[i] = cnn_rng_u32(&rng) < k->dropped ? 0.0f : k->x[i] * k->scale;
}

void cnn_dropout(size_t size, float rate, unsigned long long seed, const float *x, float *y)
{
    struct dropout_work k = {.size = size,
                             .seed = seed,
                             .dropped = (uint64_t)((double)rate * 4294967296.0),
                             .scale = (float)(1.0 / (1.0 - (double)rate)),
                             .x = x,
                             .y = y};
    cnn_parallel_for(cnn_size_divide_up(size, MASK_BLOCK), drop_block, &k);
}

void cnn_drop_images(const struct cnn_drop *d, size_t n, const float *x, float *y)
{
    float scale = (float)(1 / (1 - d->rate));
    for (size_t image = 0; image < n; image++) {
        struct cnn_rng rng = cnn_rng_at(d->seed, CNN_STREAM_DROPOUT, image);
        bool dropped = (double)cnn_rng_uniform(&rng) < d->rate;
        for (size_t i = image * d->size; i < (image + 1) * d->size; i++)
            y[i] = dropped ? 0 : x[i] * scale;
    }
}
