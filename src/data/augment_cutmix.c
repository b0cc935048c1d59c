/* Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with Localizable
 * Features", 2019; one box a batch. */
#include <math.h>

#include "data/augment_type.h"
#include "data/mix.h"

struct settings {
    double alpha; /* of Beta(alpha, alpha) */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "alpha",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(alpha),
     .otherwise = "1",
     .max = 1000,
     .open_min = true,
     .help = "parameter of the distribution Beta(alpha, alpha) of the shares: 1 is uniform; "
             "smaller values are nearer to a single image"},
    CNN_KEY_END,
};

static void swap(cnn_shape shape, const struct cnn_crop_window *box, float *a, float *b)
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
static struct cnn_crop_window draw_box(struct cnn_rng *rng, cnn_shape shape, float share)
{
    double part = sqrt(1 - (double)share);
    struct cnn_crop_window box;
    draw_side(rng, shape.h, (size_t)((double)shape.h * part), &box.top, &box.height);
    draw_side(rng, shape.w, (size_t)((double)shape.w * part), &box.left, &box.width);
    return box;
}

static float mix(const void *settings, cnn_shape shape, struct cnn_rng *rng,
                 struct cnn_batch *batch)
{
    const struct settings *s = settings;
    size_t values = shape.h * shape.w * shape.c;
    float share = cnn_rng_beta(rng, s->alpha, s->alpha);
    struct cnn_crop_window box = draw_box(rng, shape, share);
    for (size_t i = 0, j = batch->n - 1; i < j; i++, j--) {
        float *a = cnn_batch_image(batch, values, i), *b = cnn_batch_image(batch, values, j);
        if (a && b)
            swap(shape, &box, a, b);
    }
    return 1 - (float)(box.height * box.width) / (float)(shape.h * shape.w);
}

const struct cnn_augmentation_type cnn_augmentation_cutmix = {
    .variant = {.name = "cutmix",
                .help =
                    "swaps a random box between pairs of images of a batch, and mixes their labels "
                    "by its area; if mixup is in the list, too, each batch gets one of them",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .mix = mix,
};
