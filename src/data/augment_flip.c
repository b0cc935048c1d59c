/* Mirrored images (Krizhevsky, 2012), by a coin or by turns: Jordan, "94% on CIFAR-10 in 3.29
 * Seconds on a Single GPU", 2024. */
#include "data/augment_type.h"

static const char *const modes[] = {"random", "alternating", NULL};

struct settings {
    int alternating; /* 1: each epoch shows the other side, 0: each time at random */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(alternating),
     .otherwise = "random",
     .choices = modes,
     .help = "random: decided again each time; alternating: decided at random in the first epoch, "
             "then the other way in each following epoch"},
    CNN_KEY_END,
};

/* Half of the images begin mirrored, and each is seen from both sides in every two epochs. */
static bool show_other_side(bool alternating, struct cnn_draw *draw)
{
    if (!alternating)
        return cnn_rng_below(&draw->rng, 2) == 1;
    struct cnn_rng rng = cnn_rng_at(draw->seed, CNN_STREAM_FLIP, draw->image);
    return (cnn_rng_below(&rng, 2) + draw->epoch) % 2 == 1;
}

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    (void)scratch;
    const struct settings *s = settings;
    if (!show_other_side(s->alternating, draw))
        return;
    for (size_t y = 0; y < shape.h; y++) {
        uint8_t *row = pixels + y * shape.w * shape.c;
        for (size_t left = 0, right = shape.w - 1; left < right; left++, right--) {
            for (size_t c = 0; c < shape.c; c++) {
                uint8_t byte = row[left * shape.c + c];
                row[left * shape.c + c] = row[right * shape.c + c];
                row[right * shape.c + c] = byte;
            }
        }
    }
}

const struct cnn_augmentation_type cnn_augmentation_flip = {
    .variant = {.name = "flip",
                .help = "mirrors images, left to right, with a probability of one half",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .apply = apply,
};
