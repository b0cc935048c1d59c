/* The samples of a pass over a data set: two short lists that are kept sorted while the images come
 * by, so that memory does not grow with the set and the outcome does not depend on how the images
 * were cut into batches. */
#include "report/samples.h"

#include <math.h>
#include <string.h>

#include "util/allocate.h"

cnn_status cnn_samples_new(const struct cnn_dataset *dataset, size_t capacity,
                           struct cnn_samples *out, cnn_diag *diag)
{
    struct cnn_samples samples = {.dataset = dataset, .capacity = capacity};
    samples.wrong = cnn_calloc(capacity, sizeof *samples.wrong);
    samples.right = cnn_calloc(capacity, sizeof *samples.right);
    samples.buffers = cnn_calloc(2 * capacity, cnn_dataset_image_bytes(dataset));
    if (!samples.wrong || !samples.right || !samples.buffers) {
        cnn_samples_free(&samples);
        return cnn_fail_memory(diag, capacity * sizeof *samples.wrong, "samples of the answers");
    }
    for (size_t i = 0; i < capacity; i++) {
        samples.wrong[i].buffer = samples.buffers + 2 * i * cnn_dataset_image_bytes(dataset);
        samples.right[i].buffer = samples.buffers + (2 * i + 1) * cnn_dataset_image_bytes(dataset);
    }
    *out = samples;
    return CNN_OK;
}

void cnn_samples_free(struct cnn_samples *samples)
{
    cnn_free(samples->wrong);
    cnn_free(samples->right);
    cnn_free(samples->buffers);
    *samples = (struct cnn_samples){0};
}

void cnn_samples_clear(struct cnn_samples *samples)
{
    samples->wrong_count = samples->right_count = 0;
}

/* Puts sample at place `at` of a list; the last one leaves a full list, and its buffer to the new
 * one. */
static void insert(const struct cnn_samples *samples, struct cnn_sample *list, size_t *count,
                   size_t at, const struct cnn_sample *sample)
{
    if (at >= samples->capacity)
        return;
    size_t last = *count < samples->capacity ? (*count)++ : samples->capacity - 1;
    uint8_t *buffer = list[last].buffer;
    memmove(list + at + 1, list + at, (last - at) * sizeof *list);
    list[at] = *sample;
    list[at].buffer = buffer;
    list[at].pixels = cnn_dataset_read(samples->dataset, sample->image, buffer);
}

/* Sorted by falling probability, then by the image's index. */
static void add_wrong(struct cnn_samples *samples, const struct cnn_sample *sample)
{
    size_t at = samples->wrong_count;
    for (; at > 0; at--) {
        const struct cnn_sample *before = &samples->wrong[at - 1];
        if (before->probability > sample->probability ||
            (before->probability == sample->probability && before->image < sample->image))
            break;
    }
    insert(samples, samples->wrong, &samples->wrong_count, at, sample);
}

/* How many of the first `end` right answers are of this class. */
static size_t count_class(const struct cnn_samples *samples, size_t end, size_t label)
{
    size_t count = 0;
    for (size_t i = 0; i < end; i++)
        count += samples->right[i].label == label;
    return count;
}

/* Sorted by round (the how-manieth of its class), then by class. One that left the full list leaves
 * no gap: what comes later of its class has no smaller round, and so finds no place either. */
static void add_right(struct cnn_samples *samples, const struct cnn_sample *sample)
{
    size_t at = samples->right_count, round = count_class(samples, at, sample->label);
    for (; at > 0; at--) {
        size_t label = samples->right[at - 1].label,
               its_round = count_class(samples, at - 1, label);
        if (its_round < round || (its_round == round && label <= sample->label))
            break;
    }
    insert(samples, samples->right, &samples->right_count, at, sample);
}

void cnn_samples_add(struct cnn_samples *samples, size_t image, const float *probabilities,
                     size_t classes)
{
    size_t best = 0, label = cnn_dataset_label(samples->dataset, image);
    for (size_t i = 0; i < classes; i++) {
        if (isnan(probabilities[i]))
            return;
        best = probabilities[i] > probabilities[best] ? i : best;
    }
    const struct cnn_sample sample = {.image = image,
                                      .label = label,
                                      .predicted = best,
                                      .probability = probabilities[best],
                                      .label_probability = probabilities[label]};
    if (best == label)
        add_right(samples, &sample);
    else
        add_wrong(samples, &sample);
}

cnn_status cnn_sample_picture(const uint8_t *pixels, cnn_shape shape, struct cnn_canvas *out,
                              cnn_diag *diag)
{
    cnn_status status = cnn_canvas_new(shape.w, shape.h, (struct cnn_colour){0, 0, 0}, out, diag);
    for (size_t i = 0; status == CNN_OK && i < shape.h * shape.w; i++, pixels += shape.c)
        for (size_t k = 0; k < 3; k++)
            out->pixels[3 * i + k] = pixels[shape.c < 3 ? 0 : k];
    return status;
}
