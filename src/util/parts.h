/* The parts of a batch. Whatever training adds up over the images of a batch is first added up over
 * each part, and then over the parts, by a binary tree: the sum of two neighbours, of two pairs,
 * and so on. How many parts there are follows from the number of images alone. So it does not
 * matter which process computes a part: a process that has a run of neighbouring parts adds up the
 * complete subtrees of its run, and the rest of the tree is added up by whoever has all of them. */
#ifndef CNN_UTIL_PARTS_H
#define CNN_UTIL_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#define CNN_PARTS_MOST  ((size_t)256)
#define CNN_PARTS_DEPTH 18 /* roots of a run, or sums that wait for their neighbour; at most */

/* A run of parts, [first, end) of `count`, of a batch of `images` images. */
struct cnn_parts {
    size_t images, count, first, end;
};

/* Parts of a batch: a power of two. 4, or fewer where there are fewer images; 8 from 32 images on;
 * from 256 images on, parts of 16 to 31 images, but at most CNN_PARTS_MOST. */
size_t cnn_parts_count(size_t images);

/* The run of one of `ranks` processes (0 is taken for 1). It is empty where parts are fewer than
 * processes. */
struct cnn_parts cnn_parts_of(size_t images, size_t rank, size_t ranks);

/* The batch's first image that belongs to a part, or to one behind it; a run's images. */
size_t cnn_parts_image(const struct cnn_parts *parts, size_t part);
size_t cnn_parts_images(const struct cnn_parts *parts);

/* The most images that a process has of a batch of at most `images`, but at least 1. */
size_t cnn_parts_most_images(size_t images, size_t rank, size_t ranks);

/* How many parts a run of `images` images has at most. */
size_t cnn_parts_bound(size_t images);

/* Complete subtrees of a run. Sets root to the one that begins behind it (at first, root->end is
 * the run's first part), and returns false behind the last. */
bool cnn_parts_next(const struct cnn_parts *parts, struct cnn_parts *root);

/* How many there are. */
size_t cnn_parts_roots(const struct cnn_parts *parts);

/* Adds up sums of neighbouring subtrees, which come in order, in numbered places. push: the place
 * for the sum of the next one, of `count` parts from `first` on. merge, until it is false: the
 * place `into`, to which that behind it is to be added. The whole sum is then in place 0. */
struct cnn_tree {
    size_t depth;
    size_t first[CNN_PARTS_DEPTH], count[CNN_PARTS_DEPTH];
};
size_t cnn_tree_push(struct cnn_tree *tree, size_t first, size_t count);
bool cnn_tree_merge(struct cnn_tree *tree, size_t *into);

#endif
