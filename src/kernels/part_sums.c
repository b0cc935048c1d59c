/* The tree of sums of a batch_norm. Means and squared distances: Chan, Golub, LeVeque, "Updating
 * Formulae and a Pairwise Algorithm for Computing Sample Variances", 1979. */
#include "kernels/part_sums.h"

#include <string.h>

struct cnn_parts cnn_batch_norm_parts(const struct cnn_batch_norm *b)
{
    return b->parts ? *b->parts : (struct cnn_parts){.images = 1, .count = 1, .end = 1};
}

/* Rows of a run of parts. */
static double rows_of(const struct cnn_batch_norm *b, size_t first, size_t end)
{
    if (!b->parts)
        return (double)b->rows;
    return (double)((cnn_parts_image(b->parts, end) - cnn_parts_image(b->parts, first)) * b->image);
}

double cnn_batch_norm_rows(const struct cnn_batch_norm *b)
{
    struct cnn_parts parts = cnn_batch_norm_parts(b);
    return rows_of(b, 0, parts.count);
}

size_t cnn_batch_norm_parts_bound(const struct cnn_batch_norm *b)
{
    return b->parts ? cnn_parts_bound(cnn_parts_images(b->parts)) : 1;
}

/* The sums in place `into`, and behind it those of the same number of parts. */
static void merge(const struct cnn_part_sums *s, const struct cnn_tree *tree, size_t into,
                  double *places)
{
    size_t c = s->b->channels, first = tree->first[into], half = tree->count[into] / 2;
    double *a = places + into * 2 * c, *b = a + 2 * c;
    if (!s->moments) {
        for (size_t i = 0; i < 2 * c; i++)
            a[i] += b[i];
        return;
    }
    double left = rows_of(s->b, first, first + half),
           right = rows_of(s->b, first + half, first + 2 * half), share = right / (left + right);
    for (size_t i = 0; i < c; i++) {
        double d = b[i] - a[i];
        a[i] += d * share;
        a[c + i] += b[c + i] + d * d * left * share;
    }
}

static void push(const struct cnn_part_sums *s, struct cnn_tree *tree, const double *from,
                 size_t first, size_t count, double *places)
{
    size_t size = 2 * s->b->channels, into;
    double *to = places + cnn_tree_push(tree, first, count) * size;
    if (to != from)
        memcpy(to, from, size * sizeof *to);
    while (cnn_tree_merge(tree, &into))
        merge(s, tree, into, places);
}

/* All processes' roots, in order, in b->room; own: this one's. */
static void exchange(const struct cnn_part_sums *s, const struct cnn_tree *own)
{
    const struct cnn_ranks *ranks = s->b->ranks;
    size_t bytes = 2 * s->b->channels * sizeof(double), offsets[CNN_PARTS_MOST + 1] = {0};
    for (size_t rank = 0; rank < ranks->count; rank++) {
        struct cnn_parts run = cnn_parts_of(s->b->parts->images, rank, ranks->count),
                         root = {.end = run.first};
        offsets[rank + 1] = offsets[rank];
        while (cnn_parts_next(&run, &root))
            offsets[rank + 1] += bytes;
    }
    memcpy((char *)s->b->room + offsets[ranks->rank], s->own, own->depth * bytes);
    ranks->gather(ranks->context, s->b->room, offsets);
}

const double *cnn_part_sums_total(const struct cnn_part_sums *s)
{
    const struct cnn_parts parts = cnn_batch_norm_parts(s->b);
    size_t size = 2 * s->b->channels;
    struct cnn_tree own = {0}, all = {0};
    for (size_t i = parts.first; i < parts.end; i++)
        push(s, &own, s->own + (i - parts.first) * size, i, 1, s->own);
    if (!s->b->ranks)
        return s->own;
    exchange(s, &own);
    const double *from = s->b->room;
    for (size_t rank = 0; rank < s->b->ranks->count; rank++) {
        struct cnn_parts run = cnn_parts_of(parts.images, rank, s->b->ranks->count),
                         root = {.end = run.first};
        for (; cnn_parts_next(&run, &root); from += size)
            push(s, &all, from, root.first, root.end - root.first, s->b->room);
    }
    return s->b->room;
}
