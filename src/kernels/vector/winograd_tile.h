/* The transforms of one tile, one dimension at a time: B' d B of 6 x 6 inputs, A' m A of 6 x 6
 * products, A y A' of 4 x 4 gradients, G g G' of 3 x 3 weights; and where tiles lie. */
#ifndef CNN_KERNELS_VECTOR_WINOGRAD_TILE_H
#define CNN_KERNELS_VECTOR_WINOGRAD_TILE_H

#include "kernels/internal.h"
#include "kernels/vector/vector.h"

enum { CNN_POINTS = 36, CNN_TAPS = 9 }; /* products of a tile; weights of a kernel */

/* Tiles over an array NHWC. Tile (row, column) of an image covers `side` x `side` values from (row
 * * 4 - top, column * 4 - left) on. */
struct cnn_tiles {
    size_t images, height, width, channels;
    ptrdiff_t top, left;
    size_t rows, columns; /* tiles of one image */
};

static inline size_t cnn_tiles_count(const struct cnn_tiles *t)
{
    return t->images * t->rows * t->columns;
}

/* Where the side * side values of tile number `tile` lie, and `zeros` for those outside the
 * image. */
CNN_INLINE void cnn_tile_point(const struct cnn_tiles *t, size_t tile, size_t side,
                               const cnn_number *data, const cnn_number *zeros,
                               const cnn_number **points)
{
    size_t column = tile % t->columns, row = tile / t->columns % t->rows,
           image = tile / t->columns / t->rows;
    ptrdiff_t y = (ptrdiff_t)row * 4 - t->top, x = (ptrdiff_t)column * 4 - t->left;
    const cnn_number *base = data + (ptrdiff_t)(image * t->height * t->width * t->channels) +
                             (y * (ptrdiff_t)t->width + x) * (ptrdiff_t)t->channels;
    size_t line = t->width * t->channels;
    bool inside = y >= 0 && x >= 0 && (size_t)y + side <= t->height && (size_t)x + side <= t->width;
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++) {
            bool real = inside || ((size_t)(y + (ptrdiff_t)i) < t->height &&
                                   (size_t)(x + (ptrdiff_t)j) < t->width);
            points[i * side + j] = real ? base + i * line + j * t->channels : zeros;
        }
}

/* Asks for the 4 x 4 pixels at (row * 4, column * 4), `count` channels from `channel` on, which
 * will be needed after what is computed next. Inlined: a function that does nothing else is taken
 * for one without effect. */
CNN_INLINE void cnn_tile_prefetch(const struct cnn_tiles *t, size_t tile, const cnn_number *data,
                                  size_t channel, size_t count)
{
    size_t column = tile % t->columns * 4, row = tile / t->columns % t->rows * 4,
           image = tile / t->columns / t->rows;
    size_t rows = cnn_size_min(row + 4, t->height), columns = cnn_size_min(column + 4, t->width);
    for (size_t y = row; y < rows; y++)
        for (size_t x = column; x < columns; x++) {
            const cnn_number *pixel =
                data + ((image * t->height + y) * t->width + x) * t->channels + channel;
            for (size_t c = 0; c < count; c += 64 / sizeof *pixel)
                __builtin_prefetch(pixel + c, 0, 2);
        }
}

/* Where the polynomials behind the transforms are evaluated: at 0, near, -near, far, -far and
 * infinity. */
struct cnn_winograd_nodes {
    float near, far;
};

/* Most factors are powers of 2. */
static const struct cnn_winograd_nodes cnn_plain_nodes = {1, 2};

/* For products of transforms that are rounded to bfloat16, found by trial: the sums' errors are 1%
 * of their size (root mean square), and 2% with plain nodes. */
static const struct cnn_winograd_nodes cnn_rounding_nodes = {0.625f, 1.625f};

/* The rows of B' d, and of A y, come in pairs with common terms: (0, 5), (1, 2), (3, 4). A pair at
 * a time, a transform fits into the registers. */
enum { CNN_PAIRS = 3 };

CNN_INLINE void cnn_input_pair(struct cnn_winograd_nodes at, const vfloat d[6], size_t pair,
                               vfloat o[2])
{
    const float near = at.near * at.near, far = at.far * at.far;
    vfloat even = pair == 1 ? d[4] - far * d[2] : d[4] - near * d[2],
           odd = pair == 1 ? at.near * (d[3] - far * d[1]) : at.far * (d[3] - near * d[1]);
    o[0] = pair == 0 ? near * far * d[0] - (near + far) * d[2] + d[4] : even + odd;
    o[1] = pair == 0 ? near * far * d[1] - (near + far) * d[3] + d[5] : even - odd;
}

CNN_INLINE void cnn_input_line(struct cnn_winograd_nodes at, const vfloat d[6], vfloat o[6])
{
    vfloat ends[2];
    cnn_input_pair(at, d, 0, ends);
    cnn_input_pair(at, d, 1, o + 1);
    cnn_input_pair(at, d, 2, o + 3);
    o[0] = ends[0];
    o[5] = ends[1];
}

CNN_INLINE void cnn_gradient_pair(struct cnn_winograd_nodes at, const vfloat y[4], size_t pair,
                                  vfloat o[2])
{
    const float p = pair == 1 ? at.near : at.far;
    vfloat even = y[0] + p * p * y[2], odd = p * y[1] + p * p * p * y[3];
    o[0] = pair == 0 ? y[0] : even + odd;
    o[1] = pair == 0 ? y[3] : even - odd;
}

CNN_INLINE void cnn_gradient_line(struct cnn_winograd_nodes at, const vfloat y[4], vfloat o[6])
{
    cnn_gradient_pair(at, y, 1, o + 1);
    cnn_gradient_pair(at, y, 2, o + 3);
    o[0] = y[0];
    o[5] = y[3];
}

/* A pair of rows of B' d B, for VLEN channels; points as cnn_tile_point gives them for side 6. */
CNN_INLINE void cnn_input_transform(struct cnn_winograd_nodes at, const cnn_number *const *points,
                                    size_t channel, size_t pair, vfloat out[2][6])
{
    vfloat half[2][6];
#pragma GCC unroll 6
    for (size_t j = 0; j < 6; j++) {
        vfloat d[6], o[2];
#pragma GCC unroll 6
        for (size_t i = 0; i < 6; i++)
            d[i] = vload_number(points[i * 6 + j] + channel);
        cnn_input_pair(at, d, pair, o);
        half[0][j] = o[0];
        half[1][j] = o[1];
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++)
        cnn_input_line(at, half[i], out[i]);
}

/* The same of A y A'; points for side 4. */
CNN_INLINE void cnn_gradient_transform(struct cnn_winograd_nodes at,
                                       const cnn_number *const *points, size_t channel, size_t pair,
                                       vfloat out[2][6])
{
    vfloat half[2][4];
#pragma GCC unroll 4
    for (size_t j = 0; j < 4; j++) {
        vfloat y[4], o[2];
#pragma GCC unroll 4
        for (size_t i = 0; i < 4; i++)
            y[i] = vload_number(points[i * 4 + j] + channel);
        cnn_gradient_pair(at, y, pair, o);
        half[0][j] = o[0];
        half[1][j] = o[1];
    }
#pragma GCC unroll 2
    for (size_t i = 0; i < 2; i++)
        cnn_gradient_line(at, half[i], out[i]);
}

CNN_INLINE void cnn_output_line(struct cnn_winograd_nodes at, const vfloat m[6], vfloat o[4])
{
    const float near = at.near * at.near, far = at.far * at.far;
    vfloat sum = m[1] + m[2], difference = m[1] - m[2], far_sum = m[3] + m[4],
           far_difference = m[3] - m[4];
    o[0] = m[0] + sum + far_sum;
    o[1] = at.near * difference + at.far * far_difference;
    o[2] = near * sum + far * far_sum;
    o[3] = near * at.near * difference + far * at.far * far_difference + m[5];
}

/* out[row][column] = A' m A of the products m[p * slot]. */
CNN_INLINE void cnn_output_transform(struct cnn_winograd_nodes at, const float *products,
                                     size_t slot, vfloat out[4][4])
{
    vfloat half[6][4];
#pragma GCC unroll 6
    for (size_t j = 0; j < 6; j++) {
        vfloat m[6];
#pragma GCC unroll 6
        for (size_t i = 0; i < 6; i++)
            m[i] = vload(products + (i * 6 + j) * slot);
        cnn_output_line(at, m, half[j]);
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < 4; i++) {
        vfloat m[6];
#pragma GCC unroll 6
        for (size_t j = 0; j < 6; j++)
            m[j] = half[j][i];
        cnn_output_line(at, m, out[i]);
    }
}

CNN_INLINE void cnn_kernel_line(struct cnn_winograd_nodes at, const vfloat g[3], vfloat o[6])
{
    const float near = at.near * at.near, far = at.far * at.far,
                of_near = 1 / (2 * near * (near - far)), of_far = 1 / (2 * far * (far - near));
    vfloat ends = g[0] + near * g[2], middle = at.near * g[1],
           far_ends = g[0] * of_far + g[2] * (far * of_far), far_middle = g[1] * (at.far * of_far);
    o[0] = g[0] * (1 / (near * far));
    o[1] = (ends + middle) * of_near;
    o[2] = (ends - middle) * of_near;
    o[3] = far_ends + far_middle;
    o[4] = far_ends - far_middle;
    o[5] = g[2];
}

#endif
