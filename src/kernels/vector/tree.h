/* Sums of parts and of chunks, a power of two of them: the binary tree of util/parts.h. */
#ifndef CNN_KERNELS_VECTOR_TREE_H
#define CNN_KERNELS_VECTOR_TREE_H

#include "kernels/internal.h"
#include "kernels/vector/vector.h"
#include "util/parts.h"

/* Sums that wait for their neighbours, of one vector. */
struct cnn_vector_tree {
    size_t depth;
    vfloat sums[CNN_PARTS_DEPTH];
};

/* Adds the sum of the i-th of them. */
static inline void cnn_vector_tree_add(struct cnn_vector_tree *tree, size_t i, vfloat sum)
{
    for (; i % 2 == 1; i /= 2)
        sum = tree->sums[--tree->depth] + sum;
    tree->sums[tree->depth++] = sum;
}

/* Of the vectors at from, `step` floats apart. */
static inline vfloat cnn_tree_sum(const float *from, size_t count, size_t step)
{
    struct cnn_vector_tree tree; /* its sums are not to be filled with zeros, which took longer */
    if (count == 1)
        return vload(from);
    tree.depth = 0;
    for (size_t i = 0; i < count; i++)
        cnn_vector_tree_add(&tree, i, vload(from + i * step));
    return tree.sums[0];
}

/* Of rows of `size` floats, which are read up to whole vectors. */
static inline void cnn_tree_rows(size_t size, const float *rows, size_t count, size_t step,
                                 float *out)
{
    for (size_t i = 0; i < size; i += VLEN)
        vstore_lanes(out + i, cnn_size_min(VLEN, size - i), cnn_tree_sum(rows + i, count, step));
}

#endif
