/* A glance at a folder data set: counts are of all files, sizes and colours of a sample. */
#include "data/glance.h"

#include <stdlib.h>

#include "data/format.h"
#include "data/image.h"
#include "util/arena.h"
#include "util/diag.h"

#define SAMPLE 128

struct sample {
    size_t widths[SAMPLE], heights[SAMPLE], sides[SAMPLE];
    size_t count;
    bool colour; /* seen: the pixels of later images need not be looked at */
};

static int compare_numbers(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

static size_t median(size_t *numbers, size_t count)
{
    qsort(numbers, count, sizeof *numbers, compare_numbers);
    return numbers[count / 2];
}

/* Files without colour may be stored with three equal channels. */
static bool has_colour(struct cnn_image *image, cnn_diag *diag)
{
    if (cnn_image_decode(image, 3, diag) != CNN_OK)
        return false;
    for (size_t i = 0; i < image->width * image->height; i++) {
        const uint8_t *pixel = image->pixels + 3 * i;
        if (pixel[0] != pixel[1] || pixel[1] != pixel[2])
            return true;
    }
    return false;
}

static void open_one(const char *path, struct sample *sample, cnn_diag *diag)
{
    struct cnn_image image;
    if (!path || cnn_image_open(path, &image, diag) != CNN_OK)
        return;
    sample->widths[sample->count] = image.width;
    sample->heights[sample->count] = image.height;
    sample->sides[sample->count++] = image.width < image.height ? image.width : image.height;
    sample->colour = sample->colour || has_colour(&image, diag);
    cnn_image_close(&image);
}

static cnn_status open_sample(const struct cnn_dataset *dataset, const char *folder,
                              struct cnn_glance *out, cnn_diag *diag)
{
    struct sample sample = {.count = 0};
    size_t images = cnn_dataset_count(dataset), wanted = images < SAMPLE ? images : SAMPLE;
    cnn_diag *why = cnn_diag_new();
    for (size_t i = 0; i < wanted && why; i++)
        open_one(cnn_dataset_path(dataset, i * images / wanted), &sample, why);
    enum cnn_want want = cnn_diag_want(why);
    cnn_diag_free(why);
    if (want != CNN_WANT_NOTHING)
        return cnn_fail_want(diag, want, 0, "a sample of images");
    if (sample.count == 0)
        return cnn_fail(diag, CNN_FAILED, NULL, "not one of %zu images in %s can be read", images,
                        folder);
    out->width = median(sample.widths, sample.count);
    out->height = median(sample.heights, sample.count);
    out->side = median(sample.sides, sample.count);
    out->grey = !sample.colour;
    return CNN_OK;
}

static cnn_status count_classes(const struct cnn_dataset *dataset, const char *folder,
                                struct cnn_arena *arena, struct cnn_glance *out, cnn_diag *diag)
{
    out->classes = cnn_dataset_classes(dataset);
    if (out->classes == 1) {
        cnn_fail(diag, CNN_FAILED, NULL, "%s has one class alone, '%s'", folder,
                 cnn_dataset_class(dataset, 0));
        cnn_hint(diag, "a network learns to tell classes apart: FOLDER/<class>/<images> for two "
                       "classes at least");
        return CNN_FAILED;
    }
    out->class_names = cnn_arena_array(arena, out->classes, sizeof *out->class_names);
    out->class_images = cnn_arena_array(arena, out->classes, sizeof *out->class_images);
    for (size_t i = 0; out->class_names && out->class_images && i < out->classes; i++) {
        out->class_names[i] = cnn_arena_strdup(arena, cnn_dataset_class(dataset, i));
        out->class_images[i] = cnn_dataset_class_count(dataset, i);
        if (!out->class_names[i])
            return cnn_fail_memory(diag, 0, folder);
    }
    return out->class_names && out->class_images ? CNN_OK : cnn_fail_memory(diag, 0, folder);
}

cnn_status cnn_glance_at(const char *folder, struct cnn_arena *arena, struct cnn_glance *out,
                         cnn_diag *diag)
{
    const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("folder")};
    const cnn_shape any = {3, 3, 32, 32}; /* nothing is brought to it */
    struct cnn_glance glance = {0};
    bool has[3];
    const struct cnn_data_request request = {.path = folder};
    cnn_status status = cnn_dataset_formats[settings.dataset]->splits(&request, has, diag);
    has[CNN_SPLIT_TRAIN] = true; /* what lacks is said where it is opened */
    for (enum cnn_split split = CNN_SPLIT_TRAIN; split <= CNN_SPLIT_TEST && status == CNN_OK;
         split++) {
        struct cnn_dataset *dataset = NULL;
        enum cnn_split used;
        if (!has[split])
            continue;
        status = cnn_dataset_open(
            &settings,
            &(struct cnn_data_choice){.input = any, .path = folder, .split = split, .seed = 1},
            &dataset, &used, diag);
        if (status == CNN_OK)
            glance.images[split] = cnn_dataset_count(dataset);
        if (status == CNN_OK && split == CNN_SPLIT_TRAIN)
            status = count_classes(dataset, folder, arena, &glance, diag);
        if (status == CNN_OK && split == CNN_SPLIT_TRAIN)
            status = open_sample(dataset, folder, &glance, diag);
        cnn_dataset_free(dataset);
    }
    if (status == CNN_OK)
        *out = glance;
    return status;
}
