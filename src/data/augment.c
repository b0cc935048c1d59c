/* Random flips and crops (Krizhevsky, 2012; He et al., 2015: flip, and a crop of the image padded by 4). */
#include "data/augment.h"

#include <string.h>

#include "data/dataset.h"

static const struct cnn_key flip_keys[] = {CNN_KEY_END};
static const struct cnn_key crop_keys[] = {
    {"padding", CNN_KEY_SIZE, offsetof(struct cnn_augmentation, padding), "4", 1, 65536, 0, NULL, "rows and columns of zeros added on each side"},
    CNN_KEY_END,
};

const struct cnn_variant cnn_augmentation_types[] = {
    {"flip", "mirrors every second image, left to right, at random", flip_keys, sizeof(struct cnn_augmentation)},
    {"crop", "pads the image with zeros and cuts its size out at a random place", crop_keys, sizeof(struct cnn_augmentation)},
};
const size_t cnn_augmentation_type_count = sizeof cnn_augmentation_types / sizeof *cnn_augmentation_types;

static cnn_status read_step(struct cnn_arena *arena, const struct cnn_yaml *node, cnn_shape input, struct cnn_augmentation **out, cnn_diag *diag)
{
    size_t chosen;
    void *settings;
    cnn_status status =
        cnn_variant_read(arena, cnn_augmentation_types, cnn_augmentation_type_count, NULL, "augmentation", node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    struct cnn_augmentation *step = settings;
    step->type = (enum cnn_augmentation_type)chosen;
    if (step->type == CNN_AUGMENT_CROP && input.c > 0 && (step->padding >= input.h || step->padding >= input.w))
        return cnn_fail(diag, CNN_INVALID, &node->where, "crop: padding %zu is not smaller than the image, %zu x %zu", step->padding, input.h,
                        input.w);
    *out = step;
    return CNN_OK;
}

cnn_status cnn_augmentation_read(struct cnn_arena *arena, const struct cnn_yaml *node, cnn_shape input, const struct cnn_augmentation **out,
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
        struct cnn_augmentation *step = NULL;
        cnn_status status = read_step(arena, node->items[i], input, &step, diag);
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

static void flip(cnn_shape shape, uint8_t *pixels)
{
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

/* The window's corner is (top, left) of the padded image. */
static void crop(cnn_shape shape, size_t padding, size_t top, size_t left, uint8_t *pixels, uint8_t *scratch)
{
    size_t row = shape.w * shape.c;
    size_t from = left > padding ? left - padding : 0; /* columns of the image itself that the window shows */
    size_t to = left + shape.w - padding < shape.w ? left + shape.w - padding : shape.w;
    memcpy(scratch, pixels, shape.h * row);
    memset(pixels, 0, shape.h * row);
    for (size_t y = 0; y < shape.h; y++) {
        size_t padded = y + top;
        if (padded >= padding && padded < padding + shape.h)
            memcpy(pixels + y * row + (from + padding - left) * shape.c, scratch + (padded - padding) * row + from * shape.c, (to - from) * shape.c);
    }
}

void cnn_augment(const struct cnn_augmentation *augmentation, cnn_shape shape, struct cnn_rng *rng, uint8_t *pixels, uint8_t *scratch)
{
    for (const struct cnn_augmentation *a = augmentation; a; a = a->next) {
        if (a->type == CNN_AUGMENT_FLIP) {
            if (cnn_rng_below(rng, 2) == 1)
                flip(shape, pixels);
        } else {
            uint32_t places = (uint32_t)(2 * a->padding + 1);
            size_t top = cnn_rng_below(rng, places);
            size_t left = cnn_rng_below(rng, places);
            crop(shape, a->padding, top, left, pixels, scratch);
        }
    }
}
