/* Images with their labels: what every reader of a data set needs. */
#include "data/images.h"

#include <stdio.h>
#include <string.h>

#include "util/allocate.h"
#include "util/arena.h"

void cnn_images_forget_classes(struct cnn_images *images)
{
    for (size_t i = 0; i < images->class_count; i++)
        cnn_free(images->class_names[i]);
    cnn_free(images->class_names);
    images->class_names = NULL;
    images->class_count = 0;
}

void cnn_images_free(struct cnn_images *images)
{
    cnn_free(images->pixels);
    cnn_free(images->files);
    cnn_arena_free(images->paths);
    cnn_free(images->labels);
    cnn_images_forget_classes(images);
    *images = (struct cnn_images){0};
}

void cnn_images_keep(struct cnn_images *images, const bool *marked)
{
    size_t bytes = cnn_images_bytes(images), kept = 0;
    for (size_t i = 0; i < images->count; i++) {
        if (!marked[i])
            continue;
        if (images->pixels && kept != i)
            memcpy(images->pixels + kept * bytes, images->pixels + i * bytes, bytes);
        if (images->files)
            images->files[kept] = images->files[i];
        images->labels[kept++] = images->labels[i];
    }
    images->count = kept;
    uint8_t *smaller =
        images->pixels && kept > 0 ? cnn_realloc(images->pixels, kept * bytes) : NULL;
    if (smaller)
        images->pixels = smaller;
}

cnn_status cnn_images_name_classes(struct cnn_images *images, const char *const *names,
                                   size_t count, cnn_diag *diag)
{
    images->class_names = cnn_calloc(count, sizeof(char *));
    if (!images->class_names)
        return cnn_fail_memory(diag, count * sizeof(char *), "class names");
    images->class_count = count;
    for (size_t i = 0; i < count; i++) {
        char number[24];
        snprintf(number, sizeof number, "%zu", i);
        images->class_names[i] = cnn_strdup(names ? names[i] : number);
        if (!images->class_names[i])
            return cnn_fail_memory(diag, sizeof number, "class names");
    }
    return CNN_OK;
}
