/* How a batch is cut, and the order of its sums. */
#include "util/parts.h"

#define FEW    ((size_t)4) /* parts, where there are so many images */
#define MORE   ((size_t)8) /* parts, where each then has so many images as: */
#define FEWEST ((size_t)4)
#define IMAGES ((size_t)16) /* of a part, where that makes more parts */

size_t cnn_parts_count(size_t images)
{
    size_t least = images < MORE * FEWEST ? FEW : MORE, wanted = images / IMAGES, count = 1;
    if (wanted < least)
        wanted = images < least ? images : least;
    while (2 * count <= wanted && count < CNN_PARTS_MOST)
        count *= 2;
    return count;
}

struct cnn_parts cnn_parts_of(size_t images, size_t rank, size_t ranks)
{
    size_t count = cnn_parts_count(images);
    if (ranks < 1)
        ranks = 1;
    return (struct cnn_parts){.images = images,
                              .count = count,
                              .first = count * rank / ranks,
                              .end = count * (rank + 1) / ranks};
}

size_t cnn_parts_image(const struct cnn_parts *parts, size_t part)
{
    return parts->images * part / parts->count;
}

size_t cnn_parts_images(const struct cnn_parts *parts)
{
    return cnn_parts_image(parts, parts->end) - cnn_parts_image(parts, parts->first);
}

size_t cnn_parts_most_images(size_t images, size_t rank, size_t ranks)
{
    size_t most = 1; /* so that there is memory for something */
    for (size_t n = 1; n <= images; n++) {
        struct cnn_parts parts = cnn_parts_of(n, rank, ranks);
        size_t own = cnn_parts_images(&parts);
        most = own > most ? own : most;
    }
    return most;
}

size_t cnn_parts_bound(size_t images)
{
    return images < MORE ? images : images < MORE * IMAGES ? MORE : images / IMAGES;
}

bool cnn_parts_next(const struct cnn_parts *parts, struct cnn_parts *root)
{
    size_t first = root->end, count = 1;
    if (first >= parts->end)
        return false;
    while (first % (2 * count) == 0 && first + 2 * count <= parts->end)
        count *= 2;
    *root = *parts;
    root->first = first;
    root->end = first + count;
    return true;
}

size_t cnn_parts_roots(const struct cnn_parts *parts)
{
    struct cnn_parts root = {.end = parts->first};
    size_t roots = 0;
    while (cnn_parts_next(parts, &root))
        roots++;
    return roots;
}

size_t cnn_tree_push(struct cnn_tree *tree, size_t first, size_t count)
{
    tree->first[tree->depth] = first;
    tree->count[tree->depth] = count;
    return tree->depth++;
}

bool cnn_tree_merge(struct cnn_tree *tree, size_t *into)
{
    if (tree->depth < 2)
        return false;
    size_t left = tree->depth - 2, count = tree->count[left];
    if (tree->count[left + 1] != count || tree->first[left] % (2 * count) != 0)
        return false;
    tree->count[left] = 2 * count;
    tree->depth--;
    *into = left;
    return true;
}
