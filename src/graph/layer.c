/* Small helpers of layer.h. */
#include "graph/layer.h"

#include <stdio.h>
#include <string.h>

const char *cnn_shape_format(cnn_shape shape, char *buffer, size_t size)
{
    if (shape.rank == 3)
        snprintf(buffer, size, "%zu x %zu x %zu", shape.c, shape.h, shape.w);
    else
        snprintf(buffer, size, "%zu numbers", shape.c);
    return buffer;
}

size_t cnn_node_parameters(const struct cnn_node *node)
{
    size_t count = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (cnn_role_trained(node->tensors[slot].role))
            count += node->tensors[slot].count;
    return count;
}

size_t cnn_node_trained(const struct cnn_node *node)
{
    size_t count = 0;
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (cnn_tensor_trained(&node->tensors[slot]))
            count += node->tensors[slot].count;
    return count;
}

struct cnn_stretch cnn_node_stretch(const struct cnn_node *node)
{
    struct cnn_stretch all = {.begin = SIZE_MAX};
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        if (!cnn_role_trained(t->role))
            continue;
        all.begin = t->offset < all.begin ? t->offset : all.begin;
        all.end = t->offset + t->count > all.end ? t->offset + t->count : all.end;
    }
    return all.end > 0 ? all : (struct cnn_stretch){0};
}

struct cnn_tensor *cnn_node_declare(struct cnn_node *node, size_t slot, enum cnn_role role,
                                    const char *suffix, size_t rank, const size_t *dims)
{
    struct cnn_tensor *tensor = &node->tensors[slot];
    *tensor = (struct cnn_tensor){.role = role, .suffix = suffix, .rank = rank, .count = 1};
    for (size_t i = 0; i < rank; i++) {
        tensor->dims[i] = dims[i];
        if (!cnn_size_mul(tensor->count, dims[i], &tensor->count))
            tensor->count = SIZE_MAX; /* the graph refuses it */
    }
    return tensor;
}

void cnn_tensor_ones(const struct cnn_node *node, const struct cnn_tensor *tensor,
                     struct cnn_rng *rng, float *values)
{
    (void)node;
    (void)rng;
    for (size_t i = 0; i < tensor->count; i++)
        values[i] = 1;
}

void cnn_node_declare_saved(struct cnn_node *node, size_t slot, size_t per_image, size_t fixed)
{
    node->tensors[slot] =
        (struct cnn_tensor){.role = CNN_ROLE_SAVED, .count = fixed, .per_image = per_image};
}

void cnn_node_declare_linear(struct cnn_node *node, size_t slot)
{
    cnn_node_declare_saved(node, slot, cnn_shape_count(node->out), 0);
    node->tensors[slot].as_output = true;
}

size_t cnn_node_saved_floats(const struct cnn_node *node, size_t slot)
{
    const struct cnn_tensor *t = &node->tensors[slot];
    if (t->role != CNN_ROLE_SAVED)
        return 0;
    return t->as_output && node->y_halves ? t->per_image / 2 : t->per_image;
}

void cnn_node_declare_packed(struct cnn_node *node, size_t slot)
{
    node->tensors[slot] = (struct cnn_tensor){.role = CNN_ROLE_PACKED};
}

void cnn_node_declare_packed_back(struct cnn_node *node, size_t slot)
{
    node->tensors[slot] = (struct cnn_tensor){.role = CNN_ROLE_PACKED_BACK};
}

const struct cnn_tensor *cnn_node_tensor(const struct cnn_node *node, const char *suffix)
{
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++)
        if (cnn_role_stored(node->tensors[slot].role) &&
            strcmp(node->tensors[slot].suffix, suffix) == 0)
            return &node->tensors[slot];
    return NULL;
}
