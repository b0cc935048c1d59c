/* Colours that change by random factors: torchvision's ColorJitter. */
#include <math.h>

#include "data/augment_steps.h"
#include "data/augment_type.h"

struct settings {
    /* how far a factor may be from 1, or the hue be turned; 0: not at all */
    double brightness, contrast, saturation, hue;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "brightness",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(brightness),
     .otherwise = "0",
     .max = 10,
     .help = "multiplies values by a factor between 1 - this (not below 0) and 1 + this"},
    {.name = "contrast",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(contrast),
     .otherwise = "0",
     .max = 10,
     .help = "multiplies the difference from the image's mean grey by such a factor"},
    {.name = "saturation",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(saturation),
     .otherwise = "0",
     .max = 10,
     .help = "multiplies the difference from the pixel's own grey by such a factor"},
    {.name = "hue",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(hue),
     .otherwise = "0",
     .max = 0.5,
     .help = "largest rotation of hue in both directions; 1 is a full turn"},
    CNN_KEY_END,
};

/* Grey pictures have no colours to change, so that a description serves both; what is to be done
 * with other channels is not known. */
static cnn_status check_colour(const struct cnn_augmentation_reading *r, const char *key,
                               double *value)
{
    if (*value <= 0 || r->input.c == 0 || r->input.c == 3)
        return CNN_OK;
    if (r->input.c == 1) {
        cnn_warn(r->diag, cnn_augmentation_where(r, key),
                 "jitter: %s is left out, for the network's input is grey", key);
        *value = 0;
        return CNN_OK;
    }
    return cnn_fail(r->diag, CNN_INVALID, cnn_augmentation_where(r, key),
                    "jitter: %s wants images of 3 channels, the network's input has %zu", key,
                    r->input.c);
}

static cnn_status check(const struct cnn_augmentation_reading *r)
{
    struct settings *s = r->settings;
    cnn_status saturation = check_colour(r, "saturation", &s->saturation),
               hue = check_colour(r, "hue", &s->hue);
    if (r->node->kind != CNN_YAML_MAPPING || r->node->count < 2) {
        cnn_fail(r->diag, CNN_INVALID, &r->node->where, "jitter would change nothing");
        cnn_hint(r->diag,
                 "{type: jitter, brightness: 0.4, contrast: 0.4}; also saturation and hue");
        return CNN_INVALID;
    }
    return saturation != CNN_OK ? saturation : hue;
}

/* As check_colour leaves them out. */
static bool resolve(struct cnn_arena *arena, struct cnn_yaml *step, cnn_shape input)
{
    static const char *const colours[] = {"saturation", "hue"};
    bool done = true;
    for (size_t i = 0; i < 2 && done && input.c == 1; i++) {
        struct cnn_yaml *none = cnn_yaml_new_scalar(arena, "0", false, NULL);
        if (cnn_yaml_get(step, colours[i]))
            done = none && cnn_yaml_put(arena, step, colours[i], none);
    }
    return done;
}

static double draw_factor(struct cnn_rng *rng, double range)
{
    return cnn_draw_between(rng, fmax(0, 1 - range), 1 + range);
}

/* The four in a random order (Fisher and Yates). */
static void apply(const void *settings, cnn_shape shape, struct cnn_draw *draw, uint8_t *pixels,
                  uint8_t *scratch)
{
    (void)scratch;
    const struct settings *s = settings;
    unsigned order[4] = {0, 1, 2, 3};
    for (unsigned i = 3; i > 0; i--) {
        unsigned j = cnn_rng_below(&draw->rng, i + 1), one = order[i];
        order[i] = order[j];
        order[j] = one;
    }
    for (size_t i = 0; i < 4; i++) {
        if (order[i] == 0 && s->brightness > 0)
            cnn_pixels_brightness(shape, draw_factor(&draw->rng, s->brightness), pixels);
        if (order[i] == 1 && s->contrast > 0)
            cnn_pixels_contrast(shape, draw_factor(&draw->rng, s->contrast), pixels);
        if (order[i] == 2 && s->saturation > 0)
            cnn_pixels_saturation(shape, draw_factor(&draw->rng, s->saturation), pixels);
        if (order[i] == 3 && s->hue > 0)
            cnn_pixels_hue(shape, cnn_draw_between(&draw->rng, -s->hue, s->hue), pixels);
    }
}

const struct cnn_augmentation_type cnn_augmentation_jitter = {
    .variant = {.name = "jitter",
                .help = "changes brightness, contrast, saturation and hue by random factors, "
                        "in random order",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .check = check,
    .resolve = resolve,
    .apply = apply,
};
