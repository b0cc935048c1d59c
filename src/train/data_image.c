/* cnn_data_image: one image of a data set, by a name such as mnist:test:5. The name before the
 * split is that of a data set that everybody uses, or the path of a description or a model, whose
 * data section then says which images there are. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/format.h"
#include "model/model.h"
#include "model/record.h"
#include "util/allocate.h"

/* The parts of a name. */
struct parts {
    size_t set; /* length of what stands before the split */
    enum cnn_split split;
    size_t number;
    bool readable; /* the number is one that fits */
};

/* What the images are read with. */
struct source {
    struct cnn_data_settings settings;
    cnn_shape input; /* all zero: as the images are */
    uint64_t seed;
    cnn_model *model;
    char *set;
};

static bool split_name(const char *name, struct parts *out)
{
    const char *last = strrchr(name, ':'), *first = last;
    if (!last || last[1] == '\0' || strspn(last + 1, "0123456789") != strlen(last + 1))
        return false;
    while (first > name && first[-1] != ':')
        first--;
    if (first < name + 2) /* no colon before it, or nothing before that */
        return false;
    for (int split = 0; split < 3; split++) {
        size_t length = strlen(cnn_split_names[split]);
        if ((size_t)(last - first) != length || memcmp(first, cnn_split_names[split], length) != 0)
            continue;
        bool readable = strlen(last + 1) <= 18;
        *out = (struct parts){.set = (size_t)(first - name) - 1,
                              .split = (enum cnn_split)split,
                              .number = readable ? strtoul(last + 1, NULL, 10) : 0,
                              .readable = readable};
        return true;
    }
    return false;
}

bool cnn_data_image_named(const char *name)
{
    struct parts parts;
    return name && split_name(name, &parts) && access(name, F_OK) != 0;
}

/* Data sets whose name alone says which images they have, in the images' own size. */
static cnn_status use_format(const char *set, int dataset, struct source *out, cnn_diag *diag)
{
    const struct cnn_dataset_format *format = cnn_dataset_formats[dataset];
    out->settings.dataset = dataset;
    if (format->drawn) {
        out->input = (cnn_shape){3, 3, 32, 32};
        out->seed = 1; /* the default of train.seed */
    }
    if (!format->varies)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, NULL, "%s alone does not say which images are meant", set);
    cnn_hint(diag, "name a description or a run with a data section: CONFIG:test:0");
    return CNN_INVALID;
}

static cnn_status use_model(struct source *out, cnn_diag *diag)
{
    const cnn_open_options options = {.untrained = true, .shapes = true};
    cnn_status status = cnn_model_open(out->set, &options, &out->model, diag);
    if (status != CNN_OK)
        return status;
    if (!out->model->has_data)
        return cnn_model_fail_no_data(out->model, "take an image from", diag);
    out->settings = out->model->data;
    out->settings.classes = out->model->classes;
    out->settings.class_count = out->model->class_count;
    out->input = out->model->graph.input;
    out->seed = cnn_record_seed(out->model);
    return CNN_OK;
}

static cnn_status find_source(const char *name, size_t length, struct source *out, cnn_diag *diag)
{
    *out = (struct source){.set = cnn_strndup(name, length)};
    if (!out->set)
        return cnn_fail_memory(diag, length, "a name");
    int dataset = cnn_dataset_find(out->set);
    if (dataset >= 0)
        return use_format(out->set, dataset, out, diag);
    if (access(out->set, F_OK) == 0)
        return use_model(out, diag);
    cnn_fail(diag, CNN_INVALID, NULL, "%s: '%s' is neither a data set nor a file", name, out->set);
    const char *near = cnn_nearest_word(out->set, cnn_dataset_names, cnn_dataset_format_count);
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    else
        cnn_hint(diag, "images are named SET:SPLIT:NUMBER, as in mnist:test:5; SET may also be a "
                       "description or a run");
    return CNN_INVALID;
}

/* What belongs to the result is one piece of memory: the struct, the pixels, the class's name. */
static cnn_status copy_image(const struct cnn_dataset *dataset, size_t number,
                             cnn_data_image *image, cnn_data_image **out, cnn_diag *diag)
{
    const struct cnn_images *images = cnn_dataset_images(dataset);
    const size_t bytes = cnn_dataset_image_bytes(dataset);
    const char *class = cnn_dataset_class(dataset, image->label);
    char *memory = cnn_malloc(sizeof *image + bytes + strlen(class) + 1);
    if (!memory)
        return cnn_fail_memory(diag, bytes, "an image");
    uint8_t *pixels = (uint8_t *)memory + sizeof *image;
    const uint8_t *read = cnn_dataset_read(dataset, number, pixels);
    if (read != pixels)
        memcpy(pixels, read, bytes);
    strcpy(memory + sizeof *image + bytes, class);
    image->class_name = memory + sizeof *image + bytes;
    image->pixels = (cnn_pixels){.data = pixels,
                                 .width = images->width,
                                 .height = images->height,
                                 .order = images->channels == 1   ? CNN_PIXELS_GREY
                                          : images->channels == 3 ? CNN_PIXELS_RGB
                                                                  : CNN_PIXELS_RGBA};
    memcpy(memory, image, sizeof *image);
    cnn_status status = cnn_dataset_report(dataset, NULL, NULL, diag);
    if (status == CNN_OK)
        *out = (cnn_data_image *)(void *)memory;
    else
        cnn_free(memory);
    return status;
}

static cnn_status take_image(const char *name, const struct parts *parts,
                             const struct cnn_dataset *dataset, enum cnn_split used,
                             cnn_data_image **out, cnn_diag *diag)
{
    const size_t count = cnn_dataset_count(dataset);
    if (used != parts->split)
        return cnn_fail(diag, CNN_FAILED, NULL, "%s: there are no %s images", name,
                        cnn_split_names[parts->split]);
    if (!parts->readable || parts->number >= count)
        return cnn_fail(diag, CNN_INVALID, NULL, "%s: the split %s has images 0 to %zu", name,
                        cnn_split_names[used], count - 1);
    size_t channels = cnn_dataset_images(dataset)->channels;
    if (channels == 2 || channels > 4)
        return cnn_fail(diag, CNN_INVALID, NULL, "%s: its %zu channels make no picture", name,
                        channels);
    cnn_data_image image = {.label = cnn_dataset_label(dataset, parts->number), .count = count};
    return copy_image(dataset, parts->number, &image, out, diag);
}

cnn_status cnn_data_image_open(const char *name, cnn_data_image **out, cnn_diag *diag)
{
    struct parts parts;
    struct source source = {0};
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used = CNN_SPLIT_TRAIN;
    if (!name || !out)
        return cnn_fail_missing(diag, "cnn_data_image_open", "name or out");
    if (!split_name(name, &parts))
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "'%s' is no image of a data set: write SET:SPLIT:NUMBER, as in "
                        "mnist:test:5",
                        name);
    cnn_status status = find_source(name, parts.set, &source, diag);
    const struct cnn_data_choice choice = {
        .input = source.input, .split = parts.split, .seed = source.seed};
    if (status == CNN_OK)
        status = cnn_dataset_open(&source.settings, &choice, &dataset, &used, diag);
    if (status == CNN_OK)
        status = take_image(name, &parts, dataset, used, out, diag);
    cnn_dataset_free(dataset);
    cnn_model_free(source.model);
    cnn_free(source.set);
    return status;
}

void cnn_data_image_free(cnn_data_image *image)
{
    cnn_free(image);
}
