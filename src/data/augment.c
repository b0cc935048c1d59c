/* The list `augment`: its key tables, what they must be, and the steps in their order. */
#include "data/augment.h"

#include <math.h>

#include "data/augment_steps.h"

#define FIELD(name) offsetof(struct cnn_augmentation, name)

static const char *const flip_modes[] = {"random", "alternating", NULL};
static const char *const padding_modes[] = {"zeros", "reflect", NULL};

static const struct cnn_key flip_keys[] = {
    {.name = "mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(flip.alternating),
     .otherwise = "random",
     .choices = flip_modes,
     .help = "random: a new coin each time; alternating: a coin for the first epoch, then each "
             "epoch the other side"},
    CNN_KEY_END,
};
static const struct cnn_key crop_keys[] = {
    {.name = "padding",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(crop.padding),
     .otherwise = "4",
     .min = 1,
     .max = 65536,
     .help = "rows and columns added on each side"},
    {.name = "padding_mode",
     .kind = CNN_KEY_CHOICE,
     .at = FIELD(crop.reflect),
     .otherwise = "zeros",
     .choices = padding_modes,
     .help = "what is added: zeros, or the image mirrored at its edge, which is not repeated"},
    CNN_KEY_END,
};
static const struct cnn_key resized_crop_keys[] = {
    {.name = "scale",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(resized_crop.scale),
     .otherwise = "[0.08, 1]",
     .max = 1,
     .open_min = true,
     .help = "least and most share of the picture's area"},
    {.name = "ratio",
     .kind = CNN_KEY_NUMBERS,
     .at = FIELD(resized_crop.ratio),
     .otherwise = "[0.75, 1.3333]",
     .min = 0.01,
     .max = 100,
     .help = "least and most width divided by height"},
    CNN_KEY_END,
};
static const struct cnn_key rotation_keys[] = {
    {.name = "degrees",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(rotation.degrees),
     .otherwise = "15",
     .max = 180,
     .help = "the most, to either side"},
    CNN_KEY_END,
};
static const struct cnn_key scale_keys[] = {
    {.name = "min",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(scale.min),
     .otherwise = "0.8",
     .min = 0.1,
     .max = 10,
     .help = "the least factor"},
    {.name = "max",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(scale.max),
     .otherwise = "1.2",
     .min = 0.1,
     .max = 10,
     .help = "the most; above 1 the image becomes larger than its frame"},
    CNN_KEY_END,
};
static const struct cnn_key cutout_keys[] = {
    {.name = "size",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(cutout.size),
     .min = 1,
     .max = 65536,
     .help = "pixels on each side of the square; about half of the image's side is usual"},
    CNN_KEY_END,
};
static const struct cnn_key jitter_keys[] = {
    {.name = "brightness",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(jitter.brightness),
     .otherwise = "0",
     .max = 10,
     .help = "values times a factor between 1 - this (not below 0) and 1 + this"},
    {.name = "contrast",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(jitter.contrast),
     .otherwise = "0",
     .max = 10,
     .help = "the distance to the image's mean grey, times such a factor"},
    {.name = "saturation",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(jitter.saturation),
     .otherwise = "0",
     .max = 10,
     .help = "the distance to the pixel's own grey, times such a factor"},
    {.name = "hue",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(jitter.hue),
     .otherwise = "0",
     .max = 0.5,
     .help = "the most that colours turn to either side; 1 would be once around"},
    CNN_KEY_END,
};
static const struct cnn_key rand_keys[] = {
    {.name = "count",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(rand.count),
     .otherwise = "2",
     .min = 1,
     .max = 14,
     .help = "operations on each image, drawn with replacement"},
    {.name = "magnitude",
     .kind = CNN_KEY_SIZE,
     .at = FIELD(rand.magnitude),
     .otherwise = "9",
     .max = 30,
     .help = "how strong they are"},
    CNN_KEY_END,
};
static const struct cnn_key mixup_keys[] = {
    {.name = "alpha",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(mix.alpha),
     .otherwise = "0.2",
     .max = 1000,
     .open_min = true,
     .help = "of the Beta(alpha, alpha) that shares are drawn from: 1 is uniform, less is nearer "
             "to one image alone"},
    CNN_KEY_END,
};
static const struct cnn_key cutmix_keys[] = {
    {.name = "alpha",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(mix.alpha),
     .otherwise = "1",
     .max = 1000,
     .open_min = true,
     .help = "of the Beta(alpha, alpha) that shares are drawn from: 1 is uniform, less is nearer "
             "to one image alone"},
    CNN_KEY_END,
};

#define SIZE sizeof(struct cnn_augmentation)

const struct cnn_variant cnn_augmentation_types[] = {
    {.name = "flip",
     .help = "mirrors every second image, left to right",
     .keys = flip_keys,
     .settings_size = SIZE},
    {.name = "crop",
     .help = "pads the image and cuts its size out at a random place",
     .keys = crop_keys,
     .settings_size = SIZE},
    {.name = "resized_crop",
     .help = "cuts a window of random area and shape out and resizes it to the image's size; of a "
             "folder's "
             "pictures, before they are resized; "
             "comes first in the list",
     .keys = resized_crop_keys,
     .settings_size = SIZE},
    {.name = "rotation",
     .help =
         "turns the image about its centre by a random angle; what it does not reach gets the mean "
         "colour of normalize",
     .keys = rotation_keys,
     .settings_size = SIZE},
    {.name = "scale",
     .help = "makes the image larger or smaller in its frame, by a random factor; what it does not "
             "reach "
             "gets the mean colour of normalize",
     .keys = scale_keys,
     .settings_size = SIZE},
    {.name = "cutout",
     .help = "covers a square, its centre anywhere in the image, with the mean colour of normalize",
     .keys = cutout_keys,
     .settings_size = SIZE},
    {.name = "jitter",
     .help = "changes brightness, contrast, saturation and hue by random factors, in random order",
     .keys = jitter_keys,
     .settings_size = SIZE},
    {.name = "rand_augment",
     .help = "applies some of 14 operations, all of one strength, drawn for each image: identity, "
             "shear "
             "and shift along x or y, rotate, brightness, "
             "saturation, contrast, sharpness, posterize, solarize, autocontrast, equalize",
     .keys = rand_keys,
     .settings_size = SIZE},
    {.name = "mixup",
     .help =
         "adds the images of a batch, and their labels, in pairs by random shares; works on whole "
         "batches, after all other steps",
     .keys = mixup_keys,
     .settings_size = SIZE},
    {.name = "cutmix",
     .help = "swaps a random box between the images of a batch, in pairs, and shares their labels "
             "by its "
             "area; where mixup is in the list too, each "
             "batch gets one of them",
     .keys = cutmix_keys,
     .settings_size = SIZE},
};
const size_t cnn_augmentation_type_count =
    sizeof cnn_augmentation_types / sizeof *cnn_augmentation_types;

/* ---- reading ---- */

/* A step as it is read: where it stands, and what it is for. */
struct reading {
    const struct cnn_yaml *node;
    cnn_shape input; /* all zero: not known */
    bool first;
    struct cnn_augmentation *step;
    cnn_diag *diag;
};

static const struct cnn_where *where_of(const struct reading *r, const char *key)
{
    const struct cnn_yaml *value = cnn_yaml_get(r->node, key);
    return value ? &value->where : &r->node->where;
}

static cnn_status check_crop(const struct reading *r)
{
    size_t padding = r->step->crop.padding;
    if (r->input.c == 0 || (padding < r->input.h && padding < r->input.w))
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, &r->node->where,
                    "crop: padding %zu is not smaller than the image, %zu x %zu", padding,
                    r->input.h, r->input.w);
}

static cnn_status check_cutout(const struct reading *r)
{
    size_t size = r->step->cutout.size;
    if (r->input.c == 0 || (size <= r->input.h && size <= r->input.w))
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, where_of(r, "size"),
                    "cutout: size %zu is larger than the image, %zu x %zu", size, r->input.h,
                    r->input.w);
}

static cnn_status check_range(const struct reading *r, const char *key,
                              const struct cnn_numbers *range)
{
    if (range->count == 2 && range->values[0] <= range->values[1])
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, where_of(r, key),
                    "resized_crop: %s wants two numbers, the least and the most", key);
}

static cnn_status check_resized_crop(const struct reading *r)
{
    cnn_status scale = check_range(r, "scale", &r->step->resized_crop.scale),
               ratio = check_range(r, "ratio", &r->step->resized_crop.ratio);
    if (r->first)
        return scale != CNN_OK ? scale : ratio;
    cnn_fail(r->diag, CNN_INVALID, &r->node->where, "resized_crop must be the first of the list");
    cnn_hint(r->diag,
             "it chooses the part of a picture that is read; the other steps work on that");
    return CNN_INVALID;
}

static cnn_status check_scale(const struct reading *r)
{
    if (r->step->scale.min <= r->step->scale.max)
        return CNN_OK;
    return cnn_fail(r->diag, CNN_INVALID, where_of(r, "min"), "scale: min %g is larger than max %g",
                    r->step->scale.min, r->step->scale.max);
}

/* Grey pictures have no colours to change, so that a description serves both; what is to be done
 * with other channels is not known. */
static cnn_status check_colour(const struct reading *r, const char *key, double *value)
{
    if (*value <= 0 || r->input.c == 0 || r->input.c == 3)
        return CNN_OK;
    if (r->input.c == 1) {
        cnn_warn(r->diag, where_of(r, key),
                 "jitter: %s is left out, for the network's input is grey", key);
        *value = 0;
        return CNN_OK;
    }
    return cnn_fail(r->diag, CNN_INVALID, where_of(r, key),
                    "jitter: %s wants images of 3 channels, the network's input has %zu", key,
                    r->input.c);
}

static cnn_status check_jitter(const struct reading *r)
{
    cnn_status saturation = check_colour(r, "saturation", &r->step->jitter.saturation),
               hue = check_colour(r, "hue", &r->step->jitter.hue);
    if (r->node->kind != CNN_YAML_MAPPING || r->node->count < 2) {
        cnn_fail(r->diag, CNN_INVALID, &r->node->where, "jitter would change nothing");
        cnn_hint(r->diag,
                 "{type: jitter, brightness: 0.4, contrast: 0.4}; also saturation and hue");
        return CNN_INVALID;
    }
    return saturation != CNN_OK ? saturation : hue;
}

/* What each type does to an image, and what its settings must be; in the order of
 * cnn_augmentation_types. */
static const struct {
    cnn_augment_step *apply;                     /* NULL: mixes batches */
    cnn_status (*check)(const struct reading *); /* NULL: the key table says all */
} types[] = {
    [CNN_AUGMENT_FLIP] = {cnn_augment_flip, NULL},
    [CNN_AUGMENT_CROP] = {cnn_augment_crop, check_crop},
    [CNN_AUGMENT_RESIZED_CROP] = {cnn_augment_resized_crop, check_resized_crop},
    [CNN_AUGMENT_ROTATION] = {cnn_augment_rotation, NULL},
    [CNN_AUGMENT_SCALE] = {cnn_augment_scale, check_scale},
    [CNN_AUGMENT_CUTOUT] = {cnn_augment_cutout, check_cutout},
    [CNN_AUGMENT_JITTER] = {cnn_augment_jitter, check_jitter},
    [CNN_AUGMENT_RAND] = {cnn_augment_rand, NULL},
    [CNN_AUGMENT_MIXUP] = {NULL, NULL},
    [CNN_AUGMENT_CUTMIX] = {NULL, NULL},
};

static cnn_status read_step(struct cnn_arena *arena, struct reading *r,
                            struct cnn_augmentation **out)
{
    size_t chosen;
    void *settings;
    cnn_status status =
        cnn_variant_read(arena, cnn_augmentation_types, cnn_augmentation_type_count, NULL,
                         "augmentation", r->node, &chosen, &settings, r->diag);
    if (status != CNN_OK)
        return status;
    struct cnn_augmentation *step = settings;
    step->type = (enum cnn_augmentation_type)chosen;
    r->step = *out = step;
    return types[chosen].check ? types[chosen].check(r) : CNN_OK;
}

cnn_status cnn_augmentation_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                                 cnn_shape input, const struct cnn_augmentation **out,
                                 cnn_diag *diag)
{
    *out = NULL;
    if (!node || cnn_yaml_is_null(node))
        return CNN_OK;
    if (node->kind != CNN_YAML_SEQUENCE) {
        cnn_fail(diag, CNN_INVALID, &node->where, "augment must be a list");
        cnn_hint(diag, "augment: [{type: flip}, {type: crop, padding: 4}]");
        return CNN_INVALID;
    }
    cnn_status result = CNN_OK;
    struct cnn_augmentation *last = NULL;
    for (size_t i = 0; i < node->count; i++) {
        struct reading reading = {
            .node = node->items[i], .input = input, .first = i == 0, .diag = diag};
        struct cnn_augmentation *step = NULL;
        cnn_status status = read_step(arena, &reading, &step);
        if (status != CNN_OK) {
            result = status;
            continue;
        }
        if (last)
            last->next = step;
        else
            *out = step;
        last = step;
    }
    return result;
}

/* As check_colour leaves them out. */
static bool resolve_colours(struct cnn_arena *arena, struct cnn_yaml *step)
{
    static const char *const keys[] = {"saturation", "hue"};
    bool done = true;
    for (size_t i = 0; i < 2 && done; i++) {
        struct cnn_yaml *none = cnn_yaml_new_scalar(arena, "0", false, NULL);
        if (cnn_yaml_get(step, keys[i]))
            done = none && cnn_yaml_put(arena, step, keys[i], none);
    }
    return done;
}

struct cnn_yaml *cnn_augmentation_resolve(struct cnn_arena *arena, const struct cnn_yaml *list,
                                          cnn_shape input)
{
    struct cnn_yaml *out = cnn_yaml_new_sequence(arena, &list->where);
    for (size_t i = 0; out && i < list->count; i++) {
        struct cnn_yaml *step = cnn_variant_resolve(arena, cnn_augmentation_types,
                                                    cnn_augmentation_type_count, list->items[i]);
        if (!step || (input.c == 1 && !resolve_colours(arena, step)) ||
            !cnn_yaml_append(arena, out, step))
            return NULL;
    }
    return out;
}

/* ---- drawing ---- */

struct cnn_draw cnn_draw_new(const struct cnn_normalization *normalization, uint64_t seed,
                             size_t epoch, size_t images, size_t image)
{
    struct cnn_draw draw = {
        .rng = cnn_rng_at(seed, CNN_STREAM_AUGMENT, (uint64_t)epoch * images + image),
        .seed = seed,
        .epoch = epoch,
        .image = image};
    for (size_t c = 0; c < normalization->channels; c++)
        draw.blank[c] = (uint8_t)lroundf(255 * normalization->mean[c]);
    return draw;
}

void cnn_augment(const struct cnn_augmentation *augmentation, cnn_shape shape,
                 struct cnn_draw *draw, uint8_t *pixels, uint8_t *scratch)
{
    for (const struct cnn_augmentation *step = augmentation; step; step = step->next)
        if (types[step->type].apply)
            types[step->type].apply(step, shape, draw, pixels, scratch);
}
