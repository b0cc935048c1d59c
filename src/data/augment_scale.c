/* Larger and smaller images. */
#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    double min, max; /* factors */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "min",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(min),
     .otherwise = "0.8",
     .min = 0.1,
     .max = 10,
     .help = "smallest factor"},
    {.name = "max",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(max),
     .otherwise = "1.2",
     .min = 0.1,
     .max = 10,
     .help = "largest factor; above 1 the image becomes larger than its frame"},
    CNN_KEY_END,
};

static cnn_status check(const struct cnn_augmentation_reading *r)
{
    const struct settings *s = r->settings;
    if (s->min <= s->max)
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, cnn_augmentation_where(r, "min"),
                    "scale: min %g is larger than max %g", s->min, s->max);
}

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    const struct settings *s = settings;
    double factor = cnn_draw_between(&draw->rng, s->min, s->max);
    cnn_pixels_scale(shape, factor, draw->blank, pixels, scratch);
}

const struct cnn_augmentation_type cnn_augmentation_scale = {
    .variant = {.name = "scale",
                .help = "enlarges or shrinks the image within its frame by a random factor; "
                        "uncovered parts get the mean colour of normalize",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .apply = apply,
};
