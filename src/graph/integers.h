/* The whole numbers that layers of bytes compute with: how they come of scales, ranges and
 * activations. The only place where they are made; kernels, exported code and files of other
 * formats take them from here. Formulas: kernels/bytes.h. All arithmetic is of basic operations in
 * double, in a fixed order, so that the same network has the same integers on every machine. */
#ifndef CNN_GRAPH_INTEGERS_H
#define CNN_GRAPH_INTEGERS_H

#include <stdbool.h>

#include "kernels/kernels.h"

/* Memory of a layer's integers, part of its PACKED slot, and what the layer that makes them writes
 * to; NULL where a layer has none. factor: what the codes of a filter's weights are multiplied by;
 * 1, but for filters that batch_norm turns round (-1), or of which next to nothing but the bias is
 * left. */
struct cnn_integers_room {
    struct cnn_integers *integers;
    struct cnn_codes *x;
    int32_t *multiplier, *bias;
    float *scale, *factor;
    unsigned char *table;
    float *rest; /* what stands behind */
};

/* How much of it. */
struct cnn_integers_size {
    size_t inputs, count;
    bool filters; /* a bias and a factor for each of count */
};

size_t cnn_integers_floats(struct cnn_integers_size size);

/* Lays it out at `at`, and sets what points there; everything else is 0. */
struct cnn_integers_room cnn_integers_place(float *at, struct cnn_integers_size size);

/* The same for one that has been laid out. */
struct cnn_integers_room cnn_integers_find(float *at, struct cnn_integers_size size);

/* Sets y and what stands between the sums and its codes: zero, low, high, table. Returns the scale
 * of the codes before the table. activation: any but SOFTMAX. Where y is floats: does nothing, and
 * returns 1. */
float cnn_integers_activate(const struct cnn_integers_room *room, struct cnn_activation activation,
                            struct cnn_codes y);

/* Sets left, shift and the multipliers: a sum that is worth scale[i] each, in steps of `step`.
 * bound: no sum is larger. A ratio too large for it is cut down: only ranges that no calibration
 * gives have one. */
void cnn_integers_multiply(const struct cnn_integers_room *room, float step, int64_t bound);

/* The same for add: of the codes of its inputs, and without left. */
void cnn_integers_add(const struct cnn_integers_room *room, float step);

/* Sets shift, multipliers and biases of numbers that are scale[c] * x + constant[c], in steps of
 * `step`. */
void cnn_integers_scale(const struct cnn_integers_room *room, const float *constant, float step);

/* Rounds the biases of filters, whose sums without it are at most `bound`, to multiples of scale.
 * Where one would not fit, scale is made larger, and factor smaller, so that it does; a scale below
 * 0 turns factor round. Returns the bound of the sums with their biases. */
int64_t cnn_integers_bias(const struct cnn_integers_room *room, const float *bias, int64_t bound);

/* The table of an activation of codes x. */
void cnn_integers_table(struct cnn_activation activation, struct cnn_codes x, struct cnn_codes y,
                        unsigned char *table);

#endif
