/* Data sets: where a split's images come from, and reading them one by one. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/augment.h"
#include "data/divide.h"
#include "data/format.h"
#include "data/stream.h"
#include "util/allocate.h"

struct cnn_dataset {
    struct cnn_images images;
    size_t *class_counts;            /* [class_count] */
    struct cnn_image_stream *stream; /* NULL where they are in memory */
};

/* Which files hold a split, and which of their images belong to it. */
struct selection {
    enum cnn_split files;
    enum { ALL, KEPT_FOR_TRAINING, HELD_FOR_VALIDATION } part;
    enum cnn_split used;
};

static cnn_status fail_no_split(const struct cnn_data_settings *settings, const char *path,
                                enum cnn_split split, cnn_diag *diag)
{
    static const char *const purposes[3] = {"training", "validation", "testing"};
    cnn_fail(diag, CNN_FAILED, &settings->where, "%s has no images for %s", path, purposes[split]);
    if (split == CNN_SPLIT_TRAIN)
        cnn_hint(diag, "training images belong into %s/train/<class>", path);
    else
        cnn_hint(diag,
                 "val_split: 0.1 keeps a tenth of the training images for it; or divide the "
                 "folder: train/<class>, %s/<class>",
                 cnn_split_names[split]);
    return CNN_FAILED;
}

static struct cnn_data_request request_of(const struct cnn_data_settings *settings,
                                          const struct cnn_data_choice *choice)
{
    return (struct cnn_data_request){.format = cnn_dataset_formats[settings->dataset],
                                     .path = choice->path,
                                     .input = choice->input,
                                     .seed = choice->seed,
                                     .any_damage = settings->any_damage,
                                     .memory = settings->memory};
}

static cnn_status select_images(const struct cnn_data_settings *settings,
                                const struct cnn_data_request *request, enum cnn_split split,
                                struct selection *out, cnn_diag *diag)
{
    const char *path = request->path;
    bool has[3] = {true, false, true};
    cnn_status status =
        request->format->splits ? request->format->splits(request, has, diag) : CNN_OK;
    if (status != CNN_OK)
        return status;
    bool divided = has[CNN_SPLIT_TRAIN] && !has[CNN_SPLIT_VAL] && settings->val_split > 0;
    if (has[split])
        *out = (struct selection){
            split, split == CNN_SPLIT_TRAIN && divided ? KEPT_FOR_TRAINING : ALL, split};
    else if (split == CNN_SPLIT_TRAIN)
        return fail_no_split(settings, path, split, diag);
    else if (has[CNN_SPLIT_VAL])
        *out = (struct selection){CNN_SPLIT_VAL, ALL, CNN_SPLIT_VAL};
    else if (divided)
        *out = (struct selection){CNN_SPLIT_TRAIN, HELD_FOR_VALIDATION, CNN_SPLIT_VAL};
    else if (has[CNN_SPLIT_TEST])
        *out = (struct selection){CNN_SPLIT_TEST, ALL, CNN_SPLIT_TEST};
    else
        return fail_no_split(settings, path, split, diag);
    return CNN_OK;
}

/* Where in the wanted classes each of the data set's stands, by its name; NULL where they are no
 * part of them, or memory is short. For cnn_free. */
static uint16_t *place_classes(const struct cnn_data_settings *settings,
                               const struct cnn_images *images)
{
    uint16_t *places = cnn_calloc(images->class_count, sizeof *places);
    size_t next = 0;
    for (size_t i = 0; places && i < images->class_count; i++) {
        while (next < settings->class_count &&
               strcmp(settings->classes[next], images->class_names[i]) != 0)
            next++;
        if (next == settings->class_count) {
            cnn_free(places);
            return NULL;
        }
        places[i] = (uint16_t)next++;
    }
    return places;
}

/* A data set may have images of some classes alone, and know of no others. Where it has different
 * ones it stays as it is, which its user finds out. */
static cnn_status adopt_classes(const struct cnn_data_settings *settings, struct cnn_images *images,
                                cnn_diag *diag)
{
    if (!settings->classes || images->class_count >= settings->class_count)
        return CNN_OK;
    uint16_t *places = place_classes(settings, images);
    if (!places)
        return CNN_OK;
    for (size_t i = 0; i < images->count; i++)
        images->labels[i] = places[images->labels[i]];
    cnn_free(places);
    cnn_images_forget_classes(images);
    return cnn_images_name_classes(images, settings->classes, settings->class_count, diag);
}

static cnn_status check_images(const struct cnn_data_settings *settings, cnn_shape input,
                               const struct cnn_images *images, cnn_diag *diag)
{
    if (images->count == 0 || images->count > UINT32_MAX)
        return cnn_fail(diag, CNN_FAILED, &settings->where, "%s: %zu images cannot be used",
                        cnn_dataset_names[settings->dataset], images->count);
    if (input.rank == 0)
        return CNN_OK;
    if (input.rank == 3 && input.c == images->channels && input.h == images->height &&
        input.w == images->width)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &settings->where,
             "the images of %s are %zu x %zu x %zu (channels, height, width), the network's input "
             "is %zu x %zu x %zu",
             cnn_dataset_names[settings->dataset], images->channels, images->height, images->width,
             input.c, input.h, input.w);
    cnn_hint(diag, "input: [%zu, %zu, %zu]", images->channels, images->height, images->width);
    return CNN_INVALID;
}

static cnn_status open_images(const struct cnn_data_settings *settings,
                              const struct cnn_data_choice *choice, struct cnn_images *out,
                              enum cnn_split *used, cnn_diag *diag)
{
    struct selection selection = {0};
    struct cnn_data_request request = request_of(settings, choice);
    cnn_status status = select_images(settings, &request, choice->split, &selection, diag);
    request.split = selection.files;
    request.limit = selection.files == CNN_SPLIT_TRAIN ? settings->limit : 0;
    if (status == CNN_OK)
        status = request.format->read(&request, out, diag);
    if (status == CNN_OK)
        status = adopt_classes(settings, out, diag);
    if (status == CNN_OK)
        status = check_images(settings, choice->input, out, diag);
    if (status == CNN_OK && selection.part != ALL)
        status = cnn_images_divide(settings, selection.part == HELD_FOR_VALIDATION, choice->seed,
                                   out, diag);
    if (status == CNN_OK)
        *used = selection.used;
    return status;
}

/* Training images get three quarters of the memory for decoded ones, and those that validate the
 * rest: a run keeps both, and passes over the former are many times as long. */
static cnn_status open_stream(const struct cnn_data_settings *settings, bool train,
                              struct cnn_dataset *dataset, cnn_diag *diag)
{
    if (!dataset->images.files)
        return CNN_OK;
    const size_t mebibyte = 1 << 20,
                 present = (size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE);
    size_t budget =
        settings->cache < present / 2 / mebibyte ? settings->cache * mebibyte : present / 2;
    /* Then files are kept as they are, for the window of a picture is not that of a smaller one. */
    bool whole = train && cnn_augment_begins_with_window(settings->augmentation);
    return cnn_image_stream_new(&dataset->images, whole, train ? budget / 4 * 3 : budget / 4,
                                &dataset->stream, diag);
}

static cnn_status count_classes(struct cnn_dataset *dataset, cnn_diag *diag)
{
    const struct cnn_images *images = &dataset->images;
    dataset->class_counts = cnn_calloc(images->class_count, sizeof *dataset->class_counts);
    if (!dataset->class_counts)
        return cnn_fail_memory(diag, images->class_count * sizeof *dataset->class_counts,
                               "class counts");
    for (size_t i = 0; i < images->count; i++)
        dataset->class_counts[images->labels[i]]++;
    return CNN_OK;
}

/* The path of a choice that names none; *usual is to be freed. */
static cnn_status find_path(const struct cnn_data_settings *settings, const char **path,
                            char **usual, cnn_diag *diag)
{
    const struct cnn_dataset_format *format = cnn_dataset_formats[settings->dataset];
    if (!*path)
        *path = settings->path;
    if (*path || (!format->home && !format->wants_path))
        return CNN_OK;
    if (format->home) {
        *path = *usual = cnn_known_folder(format);
        return *usual ? CNN_OK : cnn_fail_memory(diag, 0, "a path");
    }
    cnn_fail(diag, CNN_INVALID, &settings->where, "dataset %s needs a path", format->name);
    cnn_hint(diag, "%s", format->wants_path);
    return CNN_INVALID;
}

cnn_status cnn_dataset_open(const struct cnn_data_settings *settings,
                            const struct cnn_data_choice *choice, struct cnn_dataset **out,
                            enum cnn_split *used, cnn_diag *diag)
{
    char *usual = NULL;
    struct cnn_data_choice placed = *choice;
    cnn_status status = find_path(settings, &placed.path, &usual, diag);
    if (status != CNN_OK)
        return status;
    struct cnn_dataset *dataset = cnn_calloc(1, sizeof *dataset);
    if (!dataset)
        status = cnn_fail_memory(diag, sizeof *dataset, "a data set");
    else
        status = open_images(settings, &placed, &dataset->images, used, diag);
    if (status == CNN_OK)
        status = count_classes(dataset, diag);
    if (status == CNN_OK)
        status = open_stream(settings, choice->split == CNN_SPLIT_TRAIN, dataset, diag);
    cnn_free(usual);
    if (status == CNN_OK)
        *out = dataset;
    else
        cnn_dataset_free(dataset);
    return status;
}

void cnn_dataset_free(struct cnn_dataset *dataset)
{
    if (!dataset)
        return;
    cnn_image_stream_free(dataset->stream);
    cnn_images_free(&dataset->images);
    cnn_free(dataset->class_counts);
    cnn_free(dataset);
}

const struct cnn_images *cnn_dataset_images(const struct cnn_dataset *dataset)
{
    return &dataset->images;
}

size_t cnn_dataset_count(const struct cnn_dataset *dataset)
{
    return dataset->images.count;
}

size_t cnn_dataset_classes(const struct cnn_dataset *dataset)
{
    return dataset->images.class_count;
}

const char *cnn_dataset_class(const struct cnn_dataset *dataset, size_t i)
{
    return dataset->images.class_names[i];
}

size_t cnn_dataset_image_bytes(const struct cnn_dataset *dataset)
{
    return cnn_images_bytes(&dataset->images);
}

size_t cnn_dataset_label(const struct cnn_dataset *dataset, size_t image)
{
    return dataset->images.labels[image];
}

size_t cnn_dataset_class_count(const struct cnn_dataset *dataset, size_t class)
{
    return dataset->class_counts[class];
}

const char *cnn_dataset_path(const struct cnn_dataset *dataset, size_t image)
{
    return dataset->images.files ? dataset->images.files[image].path : NULL;
}

const char *cnn_dataset_left_out(const struct cnn_dataset *dataset, size_t i)
{
    return i < dataset->images.left_out_count ? dataset->images.left_out[i] : NULL;
}

const uint8_t *cnn_dataset_read(const struct cnn_dataset *dataset, size_t image, uint8_t *buffer)
{
    return dataset->stream ? cnn_image_stream_read(dataset->stream, image, buffer)
                           : dataset->images.pixels + image * cnn_images_bytes(&dataset->images);
}

size_t cnn_dataset_room(const struct cnn_dataset *dataset)
{
    return dataset->stream ? cnn_image_stream_room(dataset->stream) : 0;
}

bool cnn_dataset_read_window(const struct cnn_dataset *dataset, size_t image,
                             const struct cnn_augmentation *augmentation, struct cnn_draw *draw,
                             uint8_t *buffer)
{
    if (!dataset->stream || !cnn_augment_begins_with_window(augmentation))
        return false;
    cnn_image_stream_read_window(dataset->stream, image, augmentation, draw, buffer);
    return true;
}

cnn_status cnn_dataset_memory(const struct cnn_dataset *dataset, cnn_diag *diag)
{
    return dataset->stream ? cnn_image_stream_memory(dataset->stream, diag) : CNN_OK;
}

size_t cnn_dataset_damaged(const struct cnn_dataset *dataset, size_t most, uint32_t *images)
{
    return dataset->stream ? cnn_image_stream_damaged(dataset->stream, most, images) : 0;
}

void cnn_dataset_mark_damaged(const struct cnn_dataset *dataset, size_t image)
{
    if (dataset->stream)
        cnn_image_stream_mark_damaged(dataset->stream, image);
}

cnn_status cnn_dataset_report(const struct cnn_dataset *dataset,
                              void (*tell)(void *context, const char *text), void *context,
                              cnn_diag *diag)
{
    return dataset->stream ? cnn_image_stream_report(dataset->stream, tell, context, diag) : CNN_OK;
}
