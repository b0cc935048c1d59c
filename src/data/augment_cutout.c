/* A covered square: DeVries and Taylor, 2017. */
#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    size_t size; /* of the square's sides */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "size",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(size),
     .min = 1,
     .max = 65536,
     .help = "pixels on each side of the square; about half of the image's side is usual"},
    CNN_KEY_END,
};

static cnn_status check(const struct cnn_augmentation_reading *r)
{
    size_t size = ((const struct settings *)r->settings)->size;
    if (r->input.c == 0 || (size <= r->input.h && size <= r->input.w))
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, cnn_augmentation_where(r, "size"),
                    "cutout: size %zu is larger than the image, %zu x %zu", size, r->input.h,
                    r->input.w);
}

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    (void)scratch;
    const struct settings *s = settings;
    size_t y = cnn_rng_below(&draw->rng, (uint32_t)shape.h);
    size_t x = cnn_rng_below(&draw->rng, (uint32_t)shape.w);
    cnn_pixels_cut(shape, y, x, s->size, draw->blank, pixels);
}

const struct cnn_augmentation_type cnn_augmentation_cutout = {
    .variant = {.name = "cutout",
                .help = "covers a square at a random place (its centre is in the image) with the "
                        "mean colour of normalize",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .apply = apply,
};
