/* Zhang, Cisse, Dauphin, Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", 2018; one share a
 * batch. */
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
     .otherwise = "0.2",
     .max = 1000,
     .open_min = true,
     .help = "parameter of the distribution Beta(alpha, alpha) of the shares: 1 is uniform; "
             "smaller values are nearer to a single image"},
    CNN_KEY_END,
};

static void add(float share, size_t count, float *a, float *b)
{
    for (size_t i = 0; i < count; i++) {
        float one = a[i], other = b[i];
        a[i] = share * one + (1 - share) * other;
        b[i] = share * other + (1 - share) * one;
    }
}

static float mix(const void *settings, cnn_shape shape, struct cnn_rng *rng,
                 struct cnn_batch *batch)
{
    const struct settings *s = settings;
    size_t values = shape.h * shape.w * shape.c;
    float share = cnn_rng_beta(rng, s->alpha, s->alpha);
    for (size_t i = 0, j = batch->n - 1; i < j; i++, j--) {
        float *a = cnn_batch_image(batch, values, i), *b = cnn_batch_image(batch, values, j);
        if (a && b)
            add(share, values, a, b);
    }
    return share;
}

const struct cnn_augmentation_type cnn_augmentation_mixup = {
    .variant = {.name = "mixup",
                .help = "mixes pairs of images of a batch, and their labels, with random shares; "
                        "works on whole batches, after all other steps",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .mix = mix,
};
