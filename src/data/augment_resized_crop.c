/* Szegedy et al., "Going Deeper with Convolutions", 2014, drawn as in torchvision. */
#include <math.h>

#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    /* two each: least and most share of the area, and width through height */
    struct cnn_numbers scale, ratio;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "scale",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(scale),
     .otherwise = "[0.08, 1]",
     .max = 1,
     .open_min = true,
     .help = "smallest and largest share of the picture's area"},
    {.name = "ratio",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(ratio),
     .otherwise = "[0.75, 1.3333]",
     .min = 0.01,
     .max = 100,
     .help = "smallest and largest ratio of width to height"},
    CNN_KEY_END,
};

static cnn_status check_range(const struct cnn_augmentation_reading *r, const char *key,
                              const struct cnn_numbers *range)
{
    if (range->count == 2 && range->values[0] <= range->values[1])
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, cnn_augmentation_where(r, key),
                    "resized_crop: %s wants two numbers, the least and the most", key);
}

static cnn_status check(const struct cnn_augmentation_reading *r)
{
    const struct settings *s = r->settings;
    cnn_status scale = check_range(r, "scale", &s->scale),
               ratio = check_range(r, "ratio", &s->ratio);
    if (r->first)
        return scale != CNN_OK ? scale : ratio;
    cnn_fail(r->diag, CNN_INVALID, &r->node->where, "resized_crop must be the first of the list");
    cnn_hint(r->diag,
             "it chooses the part of a picture that is read; the other steps work on that");
    return CNN_INVALID;
}

/* The largest window in the middle whose ratio is allowed. */
static struct cnn_crop_window central_window(const double *ratio, size_t height, size_t width)
{
    double wide = (double)width / (double)height;
    struct cnn_crop_window window = {0, 0, height, width};
    if (wide < ratio[0])
        window.height = (size_t)fmax(1, round((double)width / ratio[0]));
    else if (wide > ratio[1])
        window.width = (size_t)fmax(1, round((double)height * ratio[1]));
    window.top = (height - window.height) / 2;
    window.left = (width - window.width) / 2;
    return window;
}

static struct cnn_crop_window draw_window(const void *settings, size_t height, size_t width,
                                          struct cnn_rng *rng)
{
    const struct settings *s = settings;
    const double *scale = s->scale.values, *ratio = s->ratio.values;
    struct cnn_crop_window window;
    for (int tries = 0; tries < 10; tries++) {
        double area = (double)height * (double)width * cnn_draw_between(rng, scale[0], scale[1]);
        double wide = exp(cnn_draw_between(rng, log(ratio[0]), log(ratio[1])));
        double w = round(sqrt(area * wide)), h = round(sqrt(area / wide));
        if (w < 1 || h < 1 || w > (double)width || h > (double)height)
            continue;
        window = (struct cnn_crop_window){.height = (size_t)h, .width = (size_t)w};
        window.top = cnn_rng_below(rng, (uint32_t)(height - window.height + 1));
        window.left = cnn_rng_below(rng, (uint32_t)(width - window.width + 1));
        return window;
    }
    return central_window(ratio, height, width);
}

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    struct cnn_crop_window window = draw_window(settings, shape.h, shape.w, &draw->rng);
    cnn_pixels_enlarge(shape, &window, pixels, scratch);
}

const struct cnn_augmentation_type cnn_augmentation_resized_crop = {
    .variant =
        {.name = "resized_crop",
         .help =
             "cuts out a window of random area and shape and resizes it to the image's size; "
             "pictures of a folder are cut before they are resized; must come first in the list",
         .keys = keys,
         .settings_size = sizeof(struct settings)},
    .check = check,
    .apply = apply,
    .window = draw_window,
};
