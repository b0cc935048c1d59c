/* rand_augment: Cubuk, Zoph, Shlens, Le, "RandAugment: Practical Automated Data Augmentation with a
 * Reduced Search Space", 2020, with the fourteen operations of torchvision and their ranges. What
 * moves pixels is bilinear here, and blank outside of the image. */
#include "data/augment_steps.h"

#include <math.h>

enum operation {
    IDENTITY,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y,
    ROTATE,
    BRIGHTNESS,
    SATURATION,
    CONTRAST,
    SHARPNESS,
    POSTERIZE,
    SOLARIZE,
    AUTOCONTRAST,
    EQUALIZE,
    OPERATIONS
};

/* The shear is about the image's corner, half a pixel before the first pixel's middle. */
static void shear(cnn_shape shape, double x, double y, const uint8_t *blank, uint8_t *pixels,
                  uint8_t *scratch)
{
    const double m[6] = {1, x, x / 2, y, 1, y / 2};
    cnn_pixels_warp(shape, m, blank, pixels, scratch);
}

static void translate(cnn_shape shape, double x, double y, const uint8_t *blank, uint8_t *pixels,
                      uint8_t *scratch)
{
    const double m[6] = {1, 0, trunc(x), 0, 1, trunc(y)};
    cnn_pixels_warp(shape, m, blank, pixels, scratch);
}

/* strength is from 0 to 1; where an operation has two directions, sign is 1 or -1. */
static void operate(enum operation operation, double strength, double sign, cnn_shape shape,
                    const uint8_t *blank, uint8_t *pixels, uint8_t *scratch)
{
    const double far = sign * strength * 150 / 331, factor = 1 + sign * strength * 0.9;
    switch (operation) {
    case SHEAR_X:
        shear(shape, sign * strength * 0.3, 0, blank, pixels, scratch);
        break;
    case SHEAR_Y:
        shear(shape, 0, sign * strength * 0.3, blank, pixels, scratch);
        break;
    case TRANSLATE_X:
        translate(shape, far * (double)shape.w, 0, blank, pixels, scratch);
        break;
    case TRANSLATE_Y:
        translate(shape, 0, far * (double)shape.h, blank, pixels, scratch);
        break;
    case ROTATE:
        cnn_pixels_rotate(shape, sign * strength * 30, blank, pixels, scratch);
        break;
    case BRIGHTNESS:
        cnn_pixels_brightness(shape, factor, pixels);
        break;
    case SATURATION:
        cnn_pixels_saturation(shape, factor, pixels);
        break;
    case CONTRAST:
        cnn_pixels_contrast(shape, factor, pixels);
        break;
    case SHARPNESS:
        cnn_pixels_sharpness(shape, factor, pixels, scratch);
        break;
    case POSTERIZE:
        cnn_pixels_posterize(shape, 8 - (unsigned)round(4 * strength), pixels);
        break;
    case SOLARIZE:
        cnn_pixels_solarize(shape, 255 * (1 - strength), pixels);
        break;
    case AUTOCONTRAST:
        cnn_pixels_autocontrast(shape, pixels);
        break;
    case EQUALIZE:
        cnn_pixels_equalize(shape, pixels);
        break;
    case IDENTITY:
    case OPERATIONS:
        break;
    }
}

void cnn_augment_rand(const struct cnn_augmentation *step, cnn_shape shape, struct cnn_draw *draw,
                      uint8_t *pixels, uint8_t *scratch)
{
    for (size_t i = 0; i < step->rand.count; i++) {
        enum operation operation = (enum operation)cnn_rng_below(&draw->rng, OPERATIONS);
        double sign = cnn_rng_below(&draw->rng, 2) ? 1 : -1;
        operate(operation, (double)step->rand.magnitude / 30, sign, shape, draw->blank, pixels,
                scratch);
    }
}
