/* Mixing the images of a batch. The partner of image i is the i-th from the batch's end, which is
 * random where images are shuffled: partners then are each other's, and two can be mixed in place.
 * The middle one of an odd batch is its own. */
#include "data/mix.h"

#include "data/augment_type.h"

static size_t count_mixing(const struct cnn_augmentation *augmentation)
{
    size_t count = 0;
    for (const struct cnn_augmentation *step = augmentation; step; step = step->next)
        count += step->type->mix != NULL;
    return count;
}

bool cnn_mixes(const struct cnn_augmentation *augmentation)
{
    return count_mixing(augmentation) > 0;
}

static const struct cnn_augmentation *draw_step(const struct cnn_augmentation *augmentation,
                                                struct cnn_rng *rng)
{
    size_t skip = cnn_rng_below(rng, (uint32_t)count_mixing(augmentation));
    const struct cnn_augmentation *step = augmentation;
    while (!step->type->mix || skip-- > 0)
        step = step->next;
    return step;
}

float *cnn_batch_image(const struct cnn_batch *batch, size_t values, size_t i)
{
    size_t partner = batch->n - 1 - i;
    if (i >= batch->first && i < batch->first + batch->own)
        return batch->images + (i - batch->first) * values;
    if (batch->others && partner >= batch->first && partner < batch->first + batch->own)
        return batch->images + (batch->own + partner - batch->first) * values;
    return NULL;
}

void cnn_mix_batch(const struct cnn_augmentation *augmentation, cnn_shape shape,
                   struct cnn_rng *rng, struct cnn_batch *batch)
{
    const struct cnn_augmentation *step = draw_step(augmentation, rng);
    float share = step->type->mix(step->settings, shape, rng, batch);
    for (size_t i = 0; i < batch->n; i++) {
        batch->others[i] = batch->labels[batch->n - 1 - i];
        batch->shares[i] = share;
    }
}
