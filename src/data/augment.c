/* Augmentations: the list of them, from augmentations.def, reading a description's list `augment`,
 * and running its steps in their order. */
#include "data/augment.h"

#include <math.h>

#include "data/augment_type.h"

#define AUGMENTATION(name) extern const struct cnn_augmentation_type cnn_augmentation_##name;
#include "data/augmentations.def"
#undef AUGMENTATION

#define AUGMENTATION(name) &cnn_augmentation_##name.variant,
static const struct cnn_variant *const variants[] = {
#include "data/augmentations.def"
};
#undef AUGMENTATION

const struct cnn_kind cnn_augmentations = {
    .what = "augmentation", .variants = variants, .count = sizeof variants / sizeof *variants};

static cnn_status read_step(struct cnn_arena *arena, struct cnn_augmentation_reading *r,
                            struct cnn_augmentation **out)
{
    const struct cnn_variant *chosen;
    cnn_status status =
        cnn_kind_read(arena, &cnn_augmentations, r->node, &chosen, &r->settings, r->diag);
    if (status != CNN_OK)
        return status;
    const struct cnn_augmentation_type *type = (const struct cnn_augmentation_type *)chosen;
    struct cnn_augmentation *step = cnn_arena_array(arena, 1, sizeof *step);
    if (!step)
        return cnn_fail_memory(r->diag, sizeof *step, "augment");
    *step = (struct cnn_augmentation){.type = type, .settings = r->settings};
    *out = step;
    return type->check ? type->check(r) : CNN_OK;
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
        struct cnn_augmentation_reading reading = {
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

static struct cnn_yaml *resolve_step(struct cnn_arena *arena, const struct cnn_yaml *node,
                                     cnn_shape input)
{
    const struct cnn_variant *chosen;
    void *settings;
    if (cnn_kind_read(arena, &cnn_augmentations, node, &chosen, &settings, NULL) != CNN_OK)
        return NULL;
    const struct cnn_augmentation_type *type = (const struct cnn_augmentation_type *)chosen;
    struct cnn_yaml *step = cnn_kind_resolve(arena, &cnn_augmentations, node);
    return step && (!type->resolve || type->resolve(arena, step, input)) ? step : NULL;
}

struct cnn_yaml *cnn_augmentation_resolve(struct cnn_arena *arena, const struct cnn_yaml *list,
                                          cnn_shape input)
{
    struct cnn_yaml *out = cnn_yaml_new_sequence(arena, &list->where);
    for (size_t i = 0; out && i < list->count; i++) {
        struct cnn_yaml *step = resolve_step(arena, list->items[i], input);
        if (!step || !cnn_yaml_append(arena, out, step))
            return NULL;
    }
    return out;
}

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
        if (step->type->apply)
            step->type->apply(step->settings, shape, draw, pixels, scratch);
}

bool cnn_augment_begins_with_window(const struct cnn_augmentation *augmentation)
{
    return augmentation && augmentation->type->window;
}

bool cnn_augment_window(const struct cnn_augmentation *augmentation, size_t height, size_t width,
                        struct cnn_rng *rng, struct cnn_crop_window *window)
{
    bool begins = cnn_augment_begins_with_window(augmentation);
    if (begins)
        *window = augmentation->type->window(augmentation->settings, height, width, rng);
    return begins;
}
