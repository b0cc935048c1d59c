/* Turned images. */
#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    double degrees; /* the most, to either side */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "degrees",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(degrees),
     .otherwise = "15",
     .max = 180,
     .help = "largest angle, in both directions"},
    CNN_KEY_END,
};

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    const struct settings *s = settings;
    double degrees = cnn_draw_between(&draw->rng, -s->degrees, s->degrees);
    cnn_pixels_rotate(shape, degrees, draw->blank, pixels, scratch);
}

const struct cnn_augmentation_type cnn_augmentation_rotation = {
    .variant = {.name = "rotation",
                .help = "rotates the image around its centre by a random angle; uncovered parts "
                        "get the mean colour of normalize",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .apply = apply,
};
