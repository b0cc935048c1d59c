/* Cubuk, Zoph, Shlens, Le, "RandAugment: Practical Automated Data Augmentation with a
 * Reduced Search Space", 2020, with the fourteen operations of torchvision and their ranges. What
 * moves pixels is bilinear here, and blank outside of the image. */
#include <math.h>

#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    size_t count, magnitude; /* operations, and how strong they are, of 30 */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "count",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(count),
     .otherwise = "2",
     .min = 1,
     .max = 14,
     .help = "operations on each image, drawn with replacement"},
    {.name = "magnitude",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(magnitude),
     .otherwise = "9",
     .max = 30,
     .help = "strength of the operations"},
    CNN_KEY_END,
};

struct picture {
    cnn_shape shape;
    const uint8_t *blank;
    uint8_t *pixels, *scratch;
};

/* The shear is about the image's corner, half a pixel before the first pixel's middle. */
static void shear(const struct picture *p, double x, double y)
{
    const double m[6] = {1, x, x / 2, y, 1, y / 2};
    cnn_pixels_warp(p->shape, m, p->blank, p->pixels, p->scratch);
}

static void translate(const struct picture *p, double x, double y)
{
    const double m[6] = {1, 0, trunc(x), 0, 1, trunc(y)};
    cnn_pixels_warp(p->shape, m, p->blank, p->pixels, p->scratch);
}

static void identity(const struct picture *p, double by)
{
    (void)p, (void)by;
}

static void shear_x(const struct picture *p, double by)
{
    shear(p, by * 0.3, 0);
}

static void shear_y(const struct picture *p, double by)
{
    shear(p, 0, by * 0.3);
}

static void translate_x(const struct picture *p, double by)
{
    translate(p, by * 150 / 331 * (double)p->shape.w, 0);
}

static void translate_y(const struct picture *p, double by)
{
    translate(p, 0, by * 150 / 331 * (double)p->shape.h);
}

static void rotate(const struct picture *p, double by)
{
    cnn_pixels_rotate(p->shape, by * 30, p->blank, p->pixels, p->scratch);
}

static void brightness(const struct picture *p, double by)
{
    cnn_pixels_brightness(p->shape, 1 + by * 0.9, p->pixels);
}

static void saturation(const struct picture *p, double by)
{
    cnn_pixels_saturation(p->shape, 1 + by * 0.9, p->pixels);
}

static void contrast(const struct picture *p, double by)
{
    cnn_pixels_contrast(p->shape, 1 + by * 0.9, p->pixels);
}

static void sharpness(const struct picture *p, double by)
{
    cnn_pixels_sharpness(p->shape, 1 + by * 0.9, p->pixels, p->scratch);
}

static void posterize(const struct picture *p, double by)
{
    cnn_pixels_posterize(p->shape, 8 - (unsigned)round(4 * fabs(by)), p->pixels);
}

static void solarize(const struct picture *p, double by)
{
    cnn_pixels_solarize(p->shape, 255 * (1 - fabs(by)), p->pixels);
}

static void autocontrast(const struct picture *p, double by)
{
    (void)by;
    cnn_pixels_autocontrast(p->shape, p->pixels);
}

static void equalize(const struct picture *p, double by)
{
    (void)by;
    cnn_pixels_equalize(p->shape, p->pixels);
}

/* by: strength, from 0 to 1, times the direction, 1 or -1, of those that have two. */
static void (*const operations[])(const struct picture *p, double by) = {
    identity,   shear_x,  shear_y,   translate_x, translate_y, rotate,       brightness,
    saturation, contrast, sharpness, posterize,   solarize,    autocontrast, equalize};

enum { OPERATIONS = sizeof operations / sizeof *operations };

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    const struct settings *s = settings;
    const struct picture picture = {shape, draw->blank, pixels, scratch};
    for (size_t i = 0; i < s->count; i++) {
        size_t operation = cnn_rng_below(&draw->rng, OPERATIONS);
        double sign = cnn_rng_below(&draw->rng, 2) ? 1 : -1;
        operations[operation](&picture, sign * ((double)s->magnitude / 30));
    }
}

const struct cnn_augmentation_type cnn_augmentation_rand_augment = {
    .variant = {.name = "rand_augment",
                .help = "applies random operations out of 14, all with the same strength, to each "
                        "image: identity, shear and shift along x or y, rotate, brightness, "
                        "saturation, contrast, sharpness, posterize, solarize, autocontrast, "
                        "equalize",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .apply = apply,
};
