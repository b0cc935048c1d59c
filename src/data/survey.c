/* The survey of a data set. Images are read in blocks, in parallel, one at a time for each thread;
 * what a chunk of them sums up to is kept in whole numbers, so the result does not depend on the
 * order. Beside that a hash stays of each image, and the size of its file. */
#include "data/survey.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "data/copies.h"
#include "data/image.h"
#include "data/images.h"
#include "util/allocate.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/parallel.h"

#define CHUNK 32  /* images that a task reads */
#define BLOCK 128 /* tasks between two reports of progress */

struct file_size {
    uint32_t width, height; /* 0: no file, or one that cannot be read */
};

struct sums { /* of a chunk's images, exact */
    uint64_t images;
    uint64_t values[CNN_MAX_CHANNELS], squares[CNN_MAX_CHANNELS];
};

struct pass {
    const struct cnn_survey_source *source;
    const cnn_survey_options *options;
    cnn_survey *survey;
    struct cnn_arena *memory;        /* of the survey */
    size_t bytes;                    /* of an image */
    size_t starts[3], total;         /* number of each split's first image over all splits */
    struct cnn_hashed_image *images; /* [total] */
    bool *readable;                  /* [total] */
    struct file_size *sizes;         /* [total]; of those that are files */
    struct sums *sums;               /* [BLOCK] */
    uint8_t *buffers;                /* an image for each thread; at least two */
    /* what the tasks at work read: the first image of the first of them */
    size_t split, first;
    atomic_int want; /* enum cnn_want: why images were not read that may be whole */
};

/* The pixels of an image; NULL where its file cannot be read. A file is decoded here and not by the
 * data set, which would let another image stand in for a damaged one. */
static const uint8_t *read_image(struct pass *p, size_t split, size_t i, uint8_t *buffer)
{
    const struct cnn_dataset *dataset = p->source->datasets[split];
    const char *path = cnn_dataset_path(dataset, i);
    struct cnn_image image = {0};
    if (!path)
        return cnn_dataset_read(dataset, i, buffer);
    cnn_diag *why = cnn_diag_new();
    bool whole = why && cnn_image_open(path, &image, why) == CNN_OK &&
                 cnn_image_bring(&image, p->source->shape, buffer, why) == CNN_OK;
    enum cnn_want want = cnn_diag_want(why);
    if (want != CNN_WANT_NOTHING)
        atomic_store(&p->want, want);
    cnn_diag_free(why);
    if (whole)
        p->sizes[p->starts[split] + i] =
            (struct file_size){(uint32_t)image.width, (uint32_t)image.height};
    cnn_image_close(&image);
    return whole ? buffer : NULL;
}

static void add_pixels(const uint8_t *pixels, size_t bytes, size_t channels, struct sums *sums)
{
    for (size_t i = 0; i < bytes; i += channels)
        for (size_t c = 0; c < channels; c++) {
            uint64_t byte = pixels[i + c];
            sums->values[c] += byte;
            sums->squares[c] += byte * byte;
        }
}

static void survey_chunk(void *context, size_t task, size_t thread)
{
    struct pass *p = context;
    const struct cnn_dataset *dataset = p->source->datasets[p->split];
    size_t first = p->first + task * CHUNK, count = cnn_dataset_count(dataset),
           end = count - first < CHUNK ? count : first + CHUNK;
    p->sums[task] = (struct sums){0};
    for (size_t i = first; i < end; i++) {
        size_t image = p->starts[p->split] + i;
        const uint8_t *pixels = read_image(p, p->split, i, p->buffers + thread * p->bytes);
        p->images[image] =
            (struct cnn_hashed_image){pixels ? cnn_image_hash(pixels, p->bytes) : 0, image};
        p->readable[image] = pixels != NULL;
        if (!pixels)
            continue;
        p->sums[task].images++;
        add_pixels(pixels, p->bytes, p->source->shape.c, &p->sums[task]);
    }
}

static void measure_channels(const struct sums *sums, size_t channels, double pixels,
                             cnn_survey_split *out)
{
    for (size_t c = 0; c < channels && sums->images > 0; c++) {
        double mean = (double)sums->values[c] / pixels,
               variance = (double)sums->squares[c] / pixels - mean * mean;
        out->mean[c] = mean / 255;
        out->std[c] = variance > 0 ? sqrt(variance) / 255 : 0;
        out->divisor[c] = cnn_channel_divisor(variance);
    }
}

static void add_sums(const struct sums *sums, struct sums *total)
{
    total->images += sums->images;
    for (size_t c = 0; c < CNN_MAX_CHANNELS; c++) {
        total->values[c] += sums->values[c];
        total->squares[c] += sums->squares[c];
    }
}

/* Reads all images of a split. */
static cnn_status survey_pixels(struct pass *p, size_t split)
{
    const size_t count = p->survey->splits[split].images;
    const cnn_shape shape = p->source->shape;
    struct sums total = {0};
    p->split = split;
    for (p->first = 0; p->first < count; p->first += CHUNK * BLOCK) {
        size_t left = (count - p->first - 1) / CHUNK + 1, tasks = left < BLOCK ? left : BLOCK;
        if (cnn_flag_raised(p->options->stop))
            return CNN_INTERRUPTED;
        cnn_parallel_for(tasks, survey_chunk, p);
        for (size_t i = 0; i < tasks; i++)
            add_sums(&p->sums[i], &total);
        size_t done = p->starts[split] + (tasks < BLOCK ? count : p->first + CHUNK * BLOCK);
        if (p->options->progress && p->options->progress(p->options->context, done, p->total) != 0)
            return CNN_INTERRUPTED;
    }
    measure_channels(&total, shape.c, (double)total.images * (double)(shape.h * shape.w),
                     &p->survey->splits[split]);
    return CNN_OK;
}

static size_t area(struct file_size size)
{
    return (size_t)size.width * size.height;
}

static int compare_sizes(const void *a, const void *b)
{
    const struct file_size *x = a, *y = b;
    if (area(*x) != area(*y))
        return area(*x) < area(*y) ? -1 : 1;
    return x->width < y->width ? -1 : x->width > y->width;
}

static void set_size(size_t out[2], struct file_size size)
{
    out[0] = size.width;
    out[1] = size.height;
}

/* Sorts the sizes of a split's files. */
static void measure_sizes(struct file_size *sizes, size_t count, cnn_shape shape,
                          cnn_survey_sizes *out)
{
    size_t first = 0, run = 0;
    qsort(sizes, count, sizeof *sizes, compare_sizes);
    while (first < count && sizes[first].width == 0)
        first++;
    if (first == count)
        return;
    out->files = count - first;
    set_size(out->smallest, sizes[first]);
    set_size(out->largest, sizes[count - 1]);
    for (size_t i = first; i < count; i++) {
        double aspect = (double)sizes[i].width / (double)sizes[i].height;
        out->aspect[0] = i == first || aspect < out->aspect[0] ? aspect : out->aspect[0];
        out->aspect[1] = i == first || aspect > out->aspect[1] ? aspect : out->aspect[1];
        out->resized += sizes[i].width != shape.w || sizes[i].height != shape.h;
        run = i > first && compare_sizes(&sizes[i], &sizes[i - 1]) == 0 ? run + 1 : 1;
        if (run > out->most_common_files) {
            out->most_common_files = run;
            set_size(out->most_common, sizes[i]);
        }
    }
}

static bool add_unreadable(const struct pass *p, cnn_survey_split *split, const char *path)
{
    return (split->unreadable[split->unreadable_count++] = cnn_arena_strdup(p->memory, path)) !=
           NULL;
}

static bool is_same_path(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0;
}

/* The names of a split's files that could not be read, those that the data set left out too, and
 * the sizes of the others. Validation images that are a part of the training images' files share
 * what was left out with them. */
static bool survey_files(struct pass *p, size_t split)
{
    const struct cnn_dataset *dataset = p->source->datasets[split];
    const bool *readable = p->readable + p->starts[split];
    cnn_survey_split *out = &p->survey->splits[split];
    size_t missing = 0, left_out = 0;
    for (size_t i = 0; i < out->images; i++)
        missing += !readable[i];
    if (split == 0 || !is_same_path(cnn_dataset_left_out(dataset, 0),
                                    cnn_dataset_left_out(p->source->datasets[0], 0)))
        while (cnn_dataset_left_out(dataset, left_out))
            left_out++;
    missing += left_out;
    out->unreadable = cnn_arena_array(p->memory, missing, sizeof *out->unreadable);
    for (size_t i = 0; i < out->images && out->unreadable; i++)
        if (!readable[i] && !add_unreadable(p, out, cnn_dataset_path(dataset, i)))
            return false;
    for (size_t i = 0; i < left_out && out->unreadable; i++)
        if (!add_unreadable(p, out, cnn_dataset_left_out(dataset, i)))
            return false;
    out->too_damaged = cnn_images_too_damaged(out->unreadable_count, out->images + left_out);
    measure_sizes(p->sizes + p->starts[split], out->images, p->source->shape, &out->sizes);
    return out->unreadable != NULL;
}

static size_t split_of(const struct pass *p, size_t image)
{
    size_t split = p->source->count - 1;
    while (image < p->starts[split])
        split--;
    return split;
}

/* One that was readable before, and is gone now, is like no other. */
static const uint8_t *read_again(void *context, size_t image, uint8_t *buffer)
{
    struct pass *p = context;
    size_t split = split_of(p, image);
    const uint8_t *pixels = read_image(p, split, image - p->starts[split], buffer);
    if (!pixels)
        memset(buffer, (int)(image % 255), p->bytes);
    return pixels ? pixels : buffer;
}

static cnn_survey_image locate_image(const struct pass *p, size_t image)
{
    size_t split = split_of(p, image);
    const struct cnn_dataset *dataset = p->source->datasets[split];
    image -= p->starts[split];
    return (cnn_survey_image){p->source->names[split], image, cnn_dataset_label(dataset, image),
                              cnn_dataset_path(dataset, image)};
}

/* Makes the path the survey's own, which outlives the data set. */
static bool keep_path(const struct pass *p, cnn_survey_image *image)
{
    if (image->path)
        image->path = cnn_arena_strdup(p->memory, image->path);
    return image->path != NULL;
}

/* Puts the first pairs of each kind into the survey. */
static bool name_copies(const struct pass *p, const struct cnn_copies *copies)
{
    cnn_survey *survey = p->survey;
    for (size_t i = 0; i < copies->count; i++) {
        cnn_survey_pair pair = {locate_image(p, copies->pairs[i].first),
                                locate_image(p, copies->pairs[i].second)};
        bool contradicts = pair.first.label != pair.second.label,
             shared = pair.first.split != pair.second.split, files = pair.first.path != NULL;
        size_t *count = contradicts ? &survey->contradicting_count
                        : shared    ? &survey->shared_count
                                    : &survey->repeated_count;
        cnn_survey_pair *list = contradicts ? survey->contradicting
                                : shared    ? survey->shared
                                            : survey->repeated;
        survey->contradictions += contradicts;
        if (*count == CNN_SURVEY_PAIRS)
            continue;
        if (files && (!keep_path(p, &pair.first) || !keep_path(p, &pair.second)))
            return false;
        list[(*count)++] = pair;
    }
    for (size_t s = 0; s < p->source->count; s++) {
        survey->splits[s].repeated = copies->repeated[s];
        survey->splits[s].known = copies->known[s];
    }
    return true;
}

static bool find_copies(struct pass *p)
{
    struct cnn_copies copies;
    const struct cnn_copies_reader reader = {
        read_again, p, p->bytes, {p->buffers, p->buffers + p->bytes}};
    size_t count = 0;
    for (size_t i = 0; i < p->total; i++)
        if (p->readable[i])
            p->images[count++] = p->images[i];
    bool done = cnn_copies_find(p->images, count, p->starts, p->source->count, &reader, &copies) &&
                name_copies(p, &copies);
    cnn_free(copies.pairs);
    return done;
}

static bool count_classes(const struct pass *p)
{
    cnn_survey *survey = p->survey;
    const struct cnn_dataset *train = p->source->datasets[0];
    survey->classes = cnn_dataset_classes(train);
    survey->class_names = cnn_arena_array(p->memory, survey->classes, sizeof *survey->class_names);
    for (size_t i = 0; survey->class_names && i < survey->classes; i++)
        if (!(survey->class_names[i] = cnn_arena_strdup(p->memory, cnn_dataset_class(train, i))))
            return false;
    for (size_t s = 0; s < survey->split_count; s++) {
        cnn_survey_split *split = &survey->splits[s];
        split->class_images =
            cnn_arena_array(p->memory, survey->classes, sizeof *split->class_images);
        if (!split->class_images)
            return false;
        for (size_t i = 0; i < split->images; i++)
            split->class_images[cnn_dataset_label(p->source->datasets[s], i)]++;
    }
    for (size_t i = 1; i < survey->classes; i++)
        if (survey->splits[0].class_images[i] >
            survey->splits[0].class_images[survey->most_frequent])
            survey->most_frequent = i;
    for (size_t s = 0; s < survey->split_count; s++)
        survey->splits[s].majority = (double)survey->splits[s].class_images[survey->most_frequent] /
                                     (double)survey->splits[s].images;
    return survey->class_names != NULL;
}

/* Arrays of the survey whose lengths are known from the beginning. */
static bool allocate_survey(struct pass *p)
{
    cnn_survey *survey = p->survey;
    size_t channels = p->source->shape.c;
    survey->splits = cnn_arena_array(p->memory, p->source->count, sizeof *survey->splits);
    survey->contradicting =
        cnn_arena_array(p->memory, CNN_SURVEY_PAIRS, sizeof *survey->contradicting);
    survey->shared = cnn_arena_array(p->memory, CNN_SURVEY_PAIRS, sizeof *survey->shared);
    survey->repeated = cnn_arena_array(p->memory, CNN_SURVEY_PAIRS, sizeof *survey->repeated);
    if (!survey->splits || !survey->contradicting || !survey->shared || !survey->repeated)
        return false;
    for (size_t s = 0; s < p->source->count; s++) {
        cnn_survey_split *split = &survey->splits[s];
        split->mean = cnn_arena_array(p->memory, channels, sizeof *split->mean);
        split->std = cnn_arena_array(p->memory, channels, sizeof *split->std);
        split->divisor = cnn_arena_array(p->memory, channels, sizeof *split->divisor);
        if (!split->mean || !split->std || !split->divisor)
            return false;
    }
    return true;
}

static bool prepare(struct pass *p)
{
    size_t threads = (size_t)cnn_parallel_threads(), bytes;
    const struct cnn_survey_source *source = p->source;
    if (!allocate_survey(p))
        return false;
    p->survey->shape = source->shape;
    p->survey->split_count = source->count;
    for (size_t s = 0; s < source->count; s++) {
        cnn_survey_split *split = &p->survey->splits[s];
        split->name = source->names[s];
        split->images = cnn_dataset_count(source->datasets[s]);
        p->starts[s] = p->total;
        p->total += split->images;
    }
    p->bytes = source->shape.h * source->shape.w * source->shape.c;
    p->images = cnn_calloc(p->total, sizeof *p->images);
    p->readable = cnn_calloc(p->total, sizeof *p->readable);
    p->sizes = cnn_calloc(p->total, sizeof *p->sizes);
    p->sums = cnn_calloc(BLOCK, sizeof *p->sums);
    p->buffers =
        cnn_size_mul(p->bytes, threads < 2 ? 2 : threads, &bytes) ? cnn_malloc(bytes) : NULL;
    return p->images && p->readable && p->sizes && p->sums && p->buffers && count_classes(p);
}

cnn_status cnn_survey_run(const struct cnn_survey_source *source, const cnn_survey_options *options,
                          struct cnn_arena *memory, cnn_survey *survey, cnn_diag *diag)
{
    struct pass p = {.source = source, .options = options, .survey = survey, .memory = memory};
    bool done = prepare(&p);
    cnn_status status = CNN_OK;
    for (size_t s = 0; s < source->count && done && status == CNN_OK; s++) {
        status = survey_pixels(&p, s);
        done = status != CNN_OK || (!atomic_load(&p.want) && survey_files(&p, s));
    }
    if (done && status == CNN_OK)
        done = find_copies(&p) && !atomic_load(&p.want);
    if (!done)
        status = cnn_fail_want(diag, (enum cnn_want)atomic_load(&p.want),
                               p.total * (sizeof *p.images + sizeof *p.sizes), "the images");
    cnn_free(p.images);
    cnn_free(p.readable);
    cnn_free(p.sizes);
    cnn_free(p.sums);
    cnn_free(p.buffers);
    return status;
}
