/* Copies: images are sorted by their hashes, and those of equal hashes compared, so that no chance
 * of the hash makes two images the same. */
#include "data/copies.h"

#include <stdlib.h>
#include <string.h>

#include "util/allocate.h"

/* As FNV-1a (Fowler, Noll, Vo), by eight bytes at a time; the shift brings what the high bits know
 * down to the low ones. */
uint64_t cnn_image_hash(const uint8_t *bytes, size_t size)
{
    uint64_t hash = UINT64_C(14695981039346656037), word;
    for (size_t i = 0; i < size; i += sizeof word) {
        size_t left = size - i < sizeof word ? size - i : sizeof word;
        word = 0;
        memcpy(&word, bytes + i, left);
        hash = (hash ^ word) * UINT64_C(1099511628211);
        hash ^= hash >> 32;
    }
    return hash;
}

static int compare_images(const void *a, const void *b)
{
    const struct cnn_hashed_image *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return x->image < y->image ? -1 : x->image > y->image;
}

static int compare_pairs(const void *a, const void *b)
{
    const struct cnn_copy *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return x->second < y->second ? -1 : x->second > y->second;
}

static size_t split_of(size_t image, const size_t *starts, size_t splits)
{
    size_t split = splits - 1;
    while (split > 0 && image < starts[split])
        split--;
    return split;
}

/* Pairs the images behind the first of a run of equal hashes with it, where they are its copies;
 * the others move to the front, in their order. Returns how many they are. */
static size_t pair_copies(struct cnn_hashed_image *run, size_t count, const size_t *starts,
                          size_t splits, const struct cnn_copies_reader *reader,
                          struct cnn_copies *out)
{
    const size_t first = run[0].image;
    bool seen[CNN_COPIES_SPLITS] = {false};
    size_t others = 0;
    seen[split_of(first, starts, splits)] = true;
    const uint8_t *pixels = reader->read(reader->context, first, reader->buffers[0]);
    for (size_t i = 1; i < count; i++) {
        size_t image = run[i].image, split = split_of(image, starts, splits);
        if (memcmp(pixels, reader->read(reader->context, image, reader->buffers[1]),
                   reader->bytes) != 0) {
            run[others++] = run[i];
            continue;
        }
        bool earlier = false;
        for (size_t s = 0; s < split; s++)
            earlier = earlier || seen[s];
        out->known[split] += earlier;
        out->repeated[split] += seen[split];
        seen[split] = true;
        out->pairs[out->count++] = (struct cnn_copy){first, image};
    }
    return others;
}

bool cnn_copies_find(struct cnn_hashed_image *images, size_t count, const size_t *starts,
                     size_t splits, const struct cnn_copies_reader *reader, struct cnn_copies *out)
{
    size_t alike = 0, end;
    *out = (struct cnn_copies){0};
    qsort(images, count, sizeof *images, compare_images);
    for (size_t i = 1; i < count; i++)
        alike += images[i].hash == images[i - 1].hash;
    out->pairs = cnn_calloc(alike + 1, sizeof *out->pairs);
    if (!out->pairs)
        return false;
    for (size_t begin = 0; begin < count; begin = end) {
        for (end = begin + 1; end < count && images[end].hash == images[begin].hash;)
            end++;
        for (size_t left = end - begin; left > 1;)
            left = pair_copies(images + begin, left, starts, splits, reader, out);
    }
    qsort(out->pairs, out->count, sizeof *out->pairs, compare_pairs);
    return true;
}
