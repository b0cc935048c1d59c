/* Data sets in the memory of the program that uses the library (cnn_memory_data). Images are
 * copied, for they are divided and chosen from like those of files. */
#include <string.h>

#include "data/format.h"
#include "util/allocate.h"
#include "util/arena.h"

static const cnn_memory_split *split_of(const cnn_memory_data *data, enum cnn_split split)
{
    return split == CNN_SPLIT_TRAIN ? &data->train
           : split == CNN_SPLIT_VAL ? &data->val
                                    : &data->test;
}

cnn_status cnn_memory_check(const cnn_memory_data *data, cnn_diag *diag)
{
    if (data->class_count < 1 || data->class_count > UINT16_MAX)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "a data set in memory has 1 to %d classes, and not %zu", UINT16_MAX,
                        data->class_count);
    if (data->classes && !cnn_words_given(data->classes, data->class_count))
        return cnn_fail_missing(diag, "cnn_memory_data", "names of classes");
    for (enum cnn_split i = CNN_SPLIT_TRAIN; i <= CNN_SPLIT_TEST; i++) {
        const cnn_memory_split *split = split_of(data, i);
        if (split->count > 0 && (!split->pixels || !split->labels))
            return cnn_fail_missing(diag, "cnn_memory_data", "pixels or labels");
        for (size_t k = 0; k < split->count; k++)
            if (split->labels[k] >= data->class_count)
                return cnn_fail(diag, CNN_INVALID, NULL,
                                "the label of image %zu of %s in memory is %zu; there are %zu "
                                "classes",
                                k, cnn_split_names[i], split->labels[k], data->class_count);
    }
    return CNN_OK;
}

static cnn_status fail_not_given(cnn_diag *diag)
{
    cnn_fail(diag, CNN_INVALID, NULL,
             "`dataset: memory` is for programs that give their images to the library");
    cnn_hint(diag, "others name files: --set data.dataset=folder --data DIR");
    return CNN_INVALID;
}

static cnn_status find_splits(const struct cnn_data_request *request, bool has[3], cnn_diag *diag)
{
    if (!request->memory)
        return fail_not_given(diag);
    for (enum cnn_split i = CNN_SPLIT_TRAIN; i <= CNN_SPLIT_TEST; i++)
        has[i] = split_of(request->memory, i)->count > 0;
    return CNN_OK;
}

static cnn_status read_memory(const struct cnn_data_request *request, struct cnn_images *out,
                              cnn_diag *diag)
{
    if (!request->memory)
        return fail_not_given(diag);
    const cnn_memory_split *split = split_of(request->memory, request->split);
    const bool limited = request->limit > 0 && request->limit < split->count;
    struct cnn_images images = {.count = limited ? request->limit : split->count,
                                .channels = request->input.c,
                                .height = request->input.h,
                                .width = request->input.w};
    size_t bytes;
    if (!cnn_size_mul(images.count, cnn_images_bytes(&images), &bytes) ||
        bytes > CNN_IMAGES_MAX_BYTES)
        return cnn_fail(diag, CNN_INVALID, NULL, "%zu images in memory have more than 4 GiB",
                        images.count);
    images.pixels = cnn_malloc(bytes);
    images.labels = cnn_calloc(images.count, sizeof *images.labels);
    cnn_status status = images.pixels && images.labels
                            ? cnn_images_name_classes(&images, request->memory->classes,
                                                      request->memory->class_count, diag)
                            : cnn_fail_memory(diag, bytes, "images");
    if (status != CNN_OK) {
        cnn_images_free(&images);
        return status;
    }
    memcpy(images.pixels, split->pixels, bytes);
    for (size_t i = 0; i < images.count; i++)
        images.labels[i] = (uint16_t)split->labels[i];
    *out = images;
    return CNN_OK;
}

const struct cnn_dataset_format cnn_dataset_format_memory = {
    .name = "memory",
    .title = "memory",
    .varies = true,
    .splits = find_splits,
    .read = read_memory,
};
