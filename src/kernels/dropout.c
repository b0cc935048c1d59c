/* Inverted dropout: Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from
 * Overfitting", 2014. */
#include "kernels/internal.h"
#include "kernels/plain.h"
#include "util/parallel.h"
#include "util/random.h"

#define MASK_BLOCK ((size_t)4096) /* elements whose mask comes from one generator */

struct dropout_work {
    size_t first, end;      /* of the batch's */
    uint64_t seed, dropped; /* an element is dropped where its 32 random bits are below this */
    float scale;
    const float *x;
    float *y;
};

static void drop_block(void *context, size_t block, size_t thread)
{
    (void)thread;
    const struct dropout_work *k = context;
    block += k->first / MASK_BLOCK;
    struct cnn_rng rng = cnn_rng_at(k->seed, CNN_STREAM_DROPOUT, block);
    for (size_t i = block * MASK_BLOCK; i < cnn_size_min(k->end, (block + 1) * MASK_BLOCK); i++) {
        bool dropped = cnn_rng_u32(&rng) < k->dropped;
        if (i >= k->first)
            k->y[i - k->first] = dropped ? 0.0f : k->x[i - k->first] * k->scale;
    }
}

void cnn_dropout(const struct cnn_drop *d, const float *x, float *y)
{
    struct dropout_work k = {.first = d->first,
                             .end = d->first + d->size,
                             .seed = d->seed,
                             .dropped = (uint64_t)(d->rate * 4294967296.0),
                             .scale = (float)(1.0 / (1.0 - d->rate)),
                             .x = x,
                             .y = y};
    cnn_parallel_for(cnn_size_divide_up(k.end, MASK_BLOCK) - k.first / MASK_BLOCK, drop_block, &k);
}

void cnn_drop_images(const struct cnn_drop *d, size_t n, const float *x, float *y)
{
    float scale = (float)(1 / (1 - d->rate));
    for (size_t image = 0; image < n; image++) {
        struct cnn_rng rng = cnn_rng_at(d->seed, CNN_STREAM_DROPOUT, d->first + image);
        bool dropped = (double)cnn_rng_uniform(&rng) < d->rate;
        for (size_t i = image * d->size; i < (image + 1) * d->size; i++)
            y[i] = dropped ? 0 : x[i] * scale;
    }
}
