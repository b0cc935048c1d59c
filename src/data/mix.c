/* mixup: Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018.
 * cutmix: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
 * Features", 2019. One share, and one box, a batch. The partner of image i is the i-th from the
 * batch's end, which is random where images are shuffled: partners then are each other's, and two
 * can be mixed in place. The middle one of an odd batch is its own. */
#include "data/mix.h"

#include <math.h>

static bool step_mixes(const struct cnn_augmentation *step)
{
    return step->type == CNN_AUGMENT_MIXUP || step->type == CNN_AUGMENT_CUTMIX;
}

static size_t count_mixing(const struct cnn_augmentation *augmentation)
{
    size_t count = 0;
    for (const struct cnn_augmentation *step = augmentation; step; step = step->next)
        count += step_mixes(step);
    return count;
}

bool cnn_mixes(const struct cnn_augmentation *augmentation)
{
    return count_mixing(augmentation) > 0;
}

static void add(float share, size_t count, float *a, float *b)
{
    for (size_t i = 0; i < count; i++) {
        float one = a[i], other = b[i];
        a[i] = share * one + (1 - share) * other;
        b[i] = share * other + (1 - share) * one;
    }
}

static void swap(cnn_shape shape, const struct cnn_window *box, float *a, float *b)
{
    for (size_t y = 0; y < box->height; y++) {
        size_t first = ((box->top + y) * shape.w + box->left) * shape.c;
        for (size_t i = first; i < first + box->width * shape.c; i++) {
            float one = a[i];
            a[i] = b[i];
            b[i] = one;
        }
    }
}

/* A side of the box: `side` pixels about a centre anywhere in n, cut off at the image's edges. */
static void draw_side(struct cnn_rng *rng, size_t n, size_t side, size_t *first, size_t *count)
{
    size_t centre = cnn_rng_below(rng, (uint32_t)n), before = side / 2,
           end = centre + side - before;
    *first = centre > before ? centre - before : 0;
    *count = (end < n ? end : n) - *first;
}

/* Of the area 1 - share, before its edges are cut off. */
static struct cnn_window draw_box(struct cnn_rng *rng, cnn_shape shape, float share)
{
    double part = sqrt(1 - (double)share);
    struct cnn_window box;
    draw_side(rng, shape.h, (size_t)((double)shape.h * part), &box.top, &box.height);
    draw_side(rng, shape.w, (size_t)((double)shape.w * part), &box.left, &box.width);
    return box;
}

static const struct cnn_augmentation *draw_step(const struct cnn_augmentation *augmentation,
                                                struct cnn_rng *rng)
{
    size_t skip = cnn_rng_below(rng, (uint32_t)count_mixing(augmentation));
    const struct cnn_augmentation *step = augmentation;
    while (!step_mixes(step) || skip-- > 0)
        step = step->next;
    return step;
}

void cnn_mix_batch(const struct cnn_augmentation *augmentation, cnn_shape shape,
                   struct cnn_rng *rng, struct cnn_batch *batch)
{
    const struct cnn_augmentation *step = draw_step(augmentation, rng);
    size_t values = shape.h * shape.w * shape.c;
    float share = cnn_rng_beta(rng, step->mix.alpha, step->mix.alpha);
    struct cnn_window box = {0};
    if (step->type == CNN_AUGMENT_CUTMIX) {
        box = draw_box(rng, shape, share);
        share = 1 - (float)(box.height * box.width) / (float)(shape.h * shape.w);
    }
    for (size_t i = 0, j = batch->n - 1; i < j; i++, j--) {
        float *a = batch->images + i * values, *b = batch->images + j * values;
        if (step->type == CNN_AUGMENT_CUTMIX)
            swap(shape, &box, a, b);
        else
            add(share, values, a, b);
    }
    for (size_t i = 0; i < batch->n; i++) {
        batch->others[i] = batch->labels[batch->n - 1 - i];
        batch->shares[i] = share;
    }
}
