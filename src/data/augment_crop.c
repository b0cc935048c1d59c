/* A window of the image's size, cut out of the padded image at a random place (He et al., 2015,
 * padded by 4). */
#include <string.h>

#include "data/augment_type.h"

static const char *const padding_modes[] = {"zeros", "reflect", NULL};

struct settings {
    size_t padding; /* rows and columns on each side, that the window moves over */
    int reflect;    /* 1: they mirror the image, its edge not repeated; 0: zeros */
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "padding",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(padding),
     .otherwise = "4",
     .min = 1,
     .max = 65536,
     .help = "rows and columns added on each side"},
    {.name = "padding_mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(reflect),
     .otherwise = "zeros",
     .choices = padding_modes,
     .help =
         "the values added: zeros, or the image mirrored at its edge, without repeating the edge"},
    CNN_KEY_END,
};

static cnn_status check(const struct cnn_augmentation_reading *r)
{
    size_t padding = ((const struct settings *)r->settings)->padding;
    if (r->input.c == 0 || (padding < r->input.h && padding < r->input.w))
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, &r->node->where,
                    "crop: padding %zu is not smaller than the image, %zu x %zu", padding,
                    r->input.h, r->input.w);
}

/* Row or column i of the padded image is this one of the image itself; its n are mirrored before
 * the first and behind the last. */
static size_t reflect(size_t i, size_t padding, size_t n)
{
    if (i < padding)
        return padding - i;
    i -= padding;
    return i < n ? i : 2 * (n - 1) - i;
}

/* One row of the window, which begins at column left of the padded image; from is the row of the
 * image itself. */
static void crop_row(cnn_shape shape, size_t padding, bool reflects, size_t left,
                     const uint8_t *from, uint8_t *out)
{
    for (size_t x = 0, run; x < shape.w; x += run) {
        size_t padded = x + left;
        bool inside = padded >= padding && padded < padding + shape.w;
        run = !inside                                    ? 1
              : padding + shape.w - padded < shape.w - x ? padding + shape.w - padded
                                                         : shape.w - x;
        if (inside || reflects)
            memcpy(out + x * shape.c, from + reflect(padded, padding, shape.w) * shape.c,
                   run * shape.c);
        else
            memset(out + x * shape.c, 0, shape.c);
    }
}

static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    const struct settings *s = settings;
    size_t padding = s->padding, row = shape.w * shape.c;
    uint32_t places = (uint32_t)(2 * padding + 1);
    size_t top = cnn_rng_below(&draw->rng, places);
    size_t left = cnn_rng_below(&draw->rng, places);
    memcpy(scratch, pixels, shape.h * row);
    for (size_t y = 0; y < shape.h; y++) {
        size_t padded = y + top;
        if (s->reflect || (padded >= padding && padded < padding + shape.h))
            crop_row(shape, padding, s->reflect, left,
                     scratch + reflect(padded, padding, shape.h) * row, pixels + y * row);
        else
            memset(pixels + y * row, 0, row);
    }
}

const struct cnn_augmentation_type cnn_augmentation_crop = {
    .variant = {.name = "crop",
                .help =
                    "pads the image, then cuts out a window of its original size at a random place",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .apply = apply,
};
