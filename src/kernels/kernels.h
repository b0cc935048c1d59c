/* The arithmetic. One table of operations, in several implementations: `ref`, plain C that a
 * student can read, and vector code compiled once per instruction set (sse2, avx2, avxvnni,
 * avx512, avx512vnni, avx512bf16; elsewhere: vec128) from one source. The best one the CPU has is
 * chosen at run time; CNN_CPU forces one.
 *
 * Layout: activations are float32 (or bfloat16: see `halves`), NHWC: [image][row][column]
 * [channel]. Weights come and go as
 * files have them: conv OIHW [filters][channels / groups][kernel_h][kernel_w], and a dense layer
 * [units][inputs] is the 1x1 convolution of a 1x1 image. What a fast path wants instead it packs
 * for itself (pack).
 *
 * Contracts shared by all: pointers to activations, weights and scratch are on 64-byte boundaries,
 * distinct arrays do not overlap unless said; n is the number of images; outputs are overwritten,
 * not added to. Nothing here fails, allocates or prints. Work is split into tasks by shapes only,
 * and sums are added in a fixed order: the same bits for any number of threads. */
#ifndef CNN_KERNELS_KERNELS_H
#define CNN_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/bytes.h"
#include "util/parts.h"
#include "util/ranks.h"

enum cnn_activation_kind {
    CNN_ACT_NONE,
    CNN_ACT_RELU,
    CNN_ACT_RELU6,
    CNN_ACT_LEAKY_RELU,
    CNN_ACT_ELU,
    CNN_ACT_SIGMOID,
    CNN_ACT_TANH,
    CNN_ACT_GELU,
    CNN_ACT_SILU,
    CNN_ACT_HARDSWISH,
    CNN_ACT_HARD_SIGMOID,
    CNN_ACT_MISH,
    CNN_ACT_SOFTMAX,
    CNN_ACT_CLIP
};

struct cnn_activation {
    enum cnn_activation_kind kind;
    float slope;    /* leaky_relu: of the negative side, >= 0 */
    float min, max; /* clip: min <= max */
};

/* Whether backward needs the activation's input x (gelu, silu, hardswish, mish); the others need
 * only its output y, so y may overwrite x. */
static inline bool cnn_activation_needs_input(struct cnn_activation a)
{
    return a.kind == CNN_ACT_GELU || a.kind == CNN_ACT_SILU || a.kind == CNN_ACT_HARDSWISH ||
           a.kind == CNN_ACT_MISH;
}

/* Whether what lies below zero becomes zero. */
static inline bool cnn_activation_rectifies(struct cnn_activation a)
{
    return a.kind == CNN_ACT_RELU || a.kind == CNN_ACT_RELU6;
}

/* Whether it does nothing but to cut what lies outside of a range. */
static inline bool cnn_activation_cuts(struct cnn_activation a)
{
    return cnn_activation_rectifies(a) || a.kind == CNN_ACT_NONE || a.kind == CNN_ACT_CLIP;
}

/* Between which numbers it cuts, if it does no more. */
struct cnn_limits {
    float low, high;
};

static inline struct cnn_limits cnn_activation_limits(struct cnn_activation a)
{
    const float infinity = __builtin_inff();
    return a.kind == CNN_ACT_CLIP ? (struct cnn_limits){a.min, a.max}
                                  : (struct cnn_limits){cnn_activation_rectifies(a) ? 0 : -infinity,
                                                        a.kind == CNN_ACT_RELU6 ? 6 : infinity};
}

enum cnn_padding_mode { CNN_PAD_ZEROS, CNN_PAD_REFLECT, CNN_PAD_REPLICATE };

/* Geometry of a convolution (cross-correlation: no kernel flip), checked by whoever made it. Bottom
 * and right padding follow from the output size: the padded input has at least (out_h - 1) *
 * stride_h + (kernel_h - 1) * dilation_h + 1 rows. Rows of input beyond that are never read. */
struct cnn_conv {
    size_t in_h, in_w, in_c;
    size_t out_h, out_w, out_c;
    size_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
    size_t pad_top, pad_left;
    /* divides in_c and out_c; depthwise: groups == in_c, out_c = in_c * multiplier */
    size_t groups;
    enum cnn_padding_mode padding_mode;
    /* Every output is one plain sum; else 3x3 convolutions may go by Winograd's algorithm, whose
     * error is about 1e-5 of the largest value. Where x_halves, its gradients are of numbers that
     * are rounded to bfloat16 on the way, and their error is about 1 % of their size. */
    bool direct;
    /* Plain sums may be of numbers rounded to bfloat16 (8 bits of mantissa), added up in
     * float32. */
    bool bf16;
    /* No gradients follow. A pass may then have a single image, and must not depend on how many
     * there are, so what is fast for few of them is preferred. */
    bool forward_only;
    /* The input and its gradient, the output and its gradient are stored as bfloat16
     * (cnn_kernels.halves): only where conv_halves says so. */
    bool x_halves, y_halves;
};

/* A dense layer is the 1x1 convolution of a 1x1 image. */
static inline struct cnn_conv cnn_conv_dense(size_t inputs, size_t units, bool bf16)
{
    return (struct cnn_conv){
        .in_h = 1,
        .in_w = 1,
        .in_c = inputs,
        .out_h = 1,
        .out_w = 1,
        .out_c = units,
        .kernel_h = 1,
        .kernel_w = 1,
        .stride_h = 1,
        .stride_w = 1,
        .dilation_h = 1,
        .dilation_w = 1,
        .groups = 1,
        .padding_mode = CNN_PAD_ZEROS,
        .direct = true,
        .bf16 = bf16,
    };
}

/* Weights of one filter. */
static inline size_t cnn_conv_filter_floats(const struct cnn_conv *c)
{
    return c->in_c / c->groups * c->kernel_h * c->kernel_w;
}

/* Filters whose gradients are of some megabytes together, whole panels of every instruction set:
 * the gradients of a large layer are made so many at a time, so that their sums need less memory,
 * and what uses them up at once finds them in the cache. 0: the layer is too small for that, or has
 * no more filters. */
#define CNN_PIECE_FLOATS ((size_t)1 << 20)
static inline size_t cnn_gradient_piece(const struct cnn_conv *c)
{
    const size_t fitting = CNN_PIECE_FLOATS / cnn_conv_filter_floats(c),
                 filters = fitting < 32 ? 32 : fitting / 32 * 32;
    if (c->groups > 1 || c->out_c / 4 < fitting)
        return 0;
    return filters < c->out_c ? filters : 0;
}

/* Those of the last piece, which may be fewer. */
static inline size_t cnn_gradient_last_piece(const struct cnn_conv *c)
{
    const size_t piece = cnn_gradient_piece(c);
    return piece > 0 && c->out_c % piece > 0 ? c->out_c % piece : piece;
}

struct cnn_pool {
    size_t in_h, in_w, channels;
    size_t out_h, out_w;
    size_t kernel_h, kernel_w, stride_h, stride_w;
    /* as configured; windows may reach beyond (ceil_mode): clipped. PyTorch's rules for the
     * divisor */
    size_t pad_top, pad_left, pad_bottom, pad_right;
    bool average;           /* else max */
    bool count_include_pad; /* average: padded zeros count in the divisor */
};

/* Whether what computes the input of a pooling may pool it on the way: windows of 2 x 2 that
 * neither overlap nor reach beyond the input. */
static inline bool cnn_pool_fuses(const struct cnn_pool *p)
{
    return p->kernel_h == 2 && p->kernel_w == 2 && p->stride_h == 2 && p->stride_w == 2 &&
           p->pad_top == 0 && p->pad_left == 0 && p->out_h == p->in_h / 2 &&
           p->out_w == p->in_w / 2;
}

/* What a convolution does to its sums before it stores them: adds a bias and an array of the
 * output's shape, activates, pools. */
struct cnn_epilogue {
    const float *bias; /* of each filter; NULL: none */
    /* NULL: none; not with a pool, nor of a depthwise convolution */
    const float *residual;
    /* any kind but SOFTMAX; those that need their input too: it is then lost */
    struct cnn_activation activation;
    const struct cnn_pool *pool; /* NULL, or one that fuses: y is then the pooled map */
};

/* Images and arrays of a forward pass; db of a gradient of the weights may be NULL. Gradients are
 * added up over the parts that the n images are: a complete subtree of those of a batch (NULL: a
 * batch of their own). */
struct cnn_conv_forward {
    size_t n;
    const float *x, *packed, *w;
    const struct cnn_epilogue *epilogue;
    float *y, *scratch;
};

struct cnn_conv_backward_data {
    size_t n;
    const float *dy, *packed, *w;
    float *dx, *scratch;
};

struct cnn_conv_backward_weights {
    size_t n;
    const struct cnn_parts *parts;
    const float *x, *dy;
    float *dw, *db, *scratch;
    /* dw and db are those of so many filters from `first` on alone, of cnn_gradient_piece or fewer;
     * 0: of all */
    size_t first, count;
};

/* The passes of a convolution. */
enum cnn_conv_pass { CNN_CONV_FORWARD, CNN_CONV_BACKWARD_DATA, CNN_CONV_BACKWARD_WEIGHTS };

/* What products are made of. PAIRS: of bfloat16. */
enum cnn_factors { CNN_FACTORS_FLOATS, CNN_FACTORS_PAIRS, CNN_FACTORS_BYTES, CNN_FACTORS_KINDS };

/* Multiply-adds, and of what. */
struct cnn_work {
    double products;
    enum cnn_factors factors;
};

/* The direct sum of a pass over one image, products with what padding holds included. */
static inline struct cnn_work cnn_conv_direct_work(const struct cnn_conv *c,
                                                   enum cnn_factors factors)
{
    return (struct cnn_work){.products = (double)(c->out_h * c->out_w) * (double)c->out_c *
                                         (double)cnn_conv_filter_floats(c),
                             .factors = factors};
}

/* A convolution of bytes. Where y is floats, the activation comes behind the sums, else it is in
 * the integers; then the largest of each window. */
struct cnn_conv_int8_forward {
    size_t n;
    const unsigned char *x;
    const float *packed;
    const struct cnn_integers *integers;
    struct cnn_activation activation; /* any but SOFTMAX */
    const struct cnn_pool *pool;      /* NULL, or one of maxima that fuses; then without a table */
    void *y;                          /* bytes or floats, as the integers say */
    float *scratch;
};

/* products in a sum of bytes: 255 * 128 of each stay below 2^31 */
#define CNN_INT8_DEPTH ((size_t)65536)

/* batch_norm over `rows` rows of `channels` (rows = images * height * width), with the activation
 * and the pooling that follow it. */
struct cnn_batch_norm {
    size_t rows, channels;
    float eps;
    /* not SOFTMAX; with pool, none whose backward needs its input */
    struct cnn_activation activation;
    /* NULL, or 2x2 windows, stride 2, no padding, out = in / 2: an odd last row or column is not
     * pooled */
    const struct cnn_pool *pool;
    /* The run of parts that the rows are, image by image: sums go over each, and then over all of
     * the batch. NULL: all rows are one part, and the whole batch. */
    const struct cnn_parts *parts;
    size_t image;                  /* with parts: rows of an image */
    const struct cnn_ranks *ranks; /* that have the other parts; NULL: there are none */
    double *room;                  /* with ranks: 2 * channels for each part of the batch */
};

/* The arrays of a batch_norm: x, the statistics and parameters of each channel; what forward
 * writes; what backward reads and writes. */
struct cnn_batch_norm_arrays {
    const float *x, *mean, *var, *gamma, *beta;
    float *y;
    const float *dy;
    float *dx, *dgamma, *dbeta, *scratch;
};

/* Rows of numbers, as an activation sees an array: pixels of channels. */
struct cnn_rows {
    size_t count, channels;
};

/* Every channel of an image times a number, and plus another: y = activation(x * s + b), with s and
 * b as images * channels. Where all images share them, they are to be seen as one. */
struct cnn_scale {
    size_t images, pixels, channels;
    bool negative;                    /* s multiplies only numbers that are not above 0 (PReLU) */
    struct cnn_activation activation; /* of forward; any kind but SOFTMAX, whose input is lost */
};

struct cnn_scale_gradients {
    float *dx, *ds, *db; /* NULL: not wanted */
};

/* Normalisation of the numbers of each group of channels in each image. A layer_norm over the
 * channels is that of images of one pixel, in one group. */
struct cnn_group_norm {
    size_t images, pixels, channels;
    size_t groups; /* divides channels */
    float eps;
};

struct cnn_group_norm_arrays {
    const float *gamma, *beta; /* of each channel; NULL: 1 and 0 */
    /* 2 for each group of each image: its mean, and 1 / sqrt(variance + eps). forward: NULL where
     * there is no backward */
    float *statistics;
    float *dgamma, *dbeta; /* backward; NULL: not wanted */
    float *scratch;        /* group_norm_scratch_floats */
};

/* Local response normalisation across channels of `rows` pixels: s = k + alpha / size * sum over
 * the window of x^2, y = x * s^-beta (Krizhevsky 2012, with PyTorch's 1/size). The window of
 * channel c is [c - size / 2, c + (size - 1) / 2], clipped. */
struct cnn_lrn {
    size_t rows, channels, size;
    float alpha, beta, k;
};

/* Settings of the optimisers' updates. */
struct cnn_sgd {
    float lr, momentum, weight_decay;
    bool nesterov;
    bool first; /* the momentum buffer's first use: m = grad, as PyTorch */
};

struct cnn_rmsprop {
    float lr, eps, momentum, weight_decay;
    double alpha;
};

/* Adam. Decay rates are double: the float next to one that is close to 1 may be 1 itself, while
 * what matters, 1 - beta, is a good float. */
struct cnn_adam {
    double lr, beta1, beta2, eps, weight_decay;
    bool decoupled; /* AdamW */
    size_t step;    /* counts from 1 */
};

/* Numbers that are dropped, or images as a whole. */
struct cnn_drop {
    size_t first, size;
    double rate;
    unsigned long long seed;
};

struct cnn_lion {
    double lr, beta1, beta2, weight_decay;
};

/* One image's part of a loss. */
struct cnn_loss_row {
    size_t classes;
    const float *y;      /* so many numbers */
    size_t label, other; /* it is `share` of one class and 1 - share of another */
    double share;
    const double *weights; /* of the classes; NULL: all 1 */
    float *dy;             /* gradient; NULL: not wanted */
    double total;          /* what it is divided by: the weights of all images of the batch */
};

static inline double cnn_class_weight(const struct cnn_loss_row *row, size_t class_index)
{
    return row->weights ? row->weights[class_index] : 1;
}

/* Of each pixel's channels, `count` from `first` on. */
struct cnn_channel_range {
    size_t channels, first, count;
};

/* A border around each image, as a convolution's padding. */
struct cnn_border {
    size_t in_h, in_w, channels, top, left, out_h, out_w;
    enum cnn_padding_mode mode; /* REFLECT: sides smaller than the image */
};

/* block * block pixels become so many times the channels of one pixel, or the other way round. Deep
 * channel of channel c at place p of a block (row after row): c * block^2 + p, or with places_first
 * p * channels + c. */
struct cnn_depth {
    size_t h, w;     /* of the deep map */
    size_t channels; /* of the flat one */
    size_t block;
    bool places_first;
};

/* Maps of another size, by PyTorch's rules: the nearest pixel, or a mean of 2 x 2 weighed by
 * distance. */
struct cnn_resample {
    size_t in_h, in_w, out_h, out_w, channels;
    bool bilinear, align_corners;
};

/* Every byte of an image's output is one of its input: number `from` of it, from pixel to pixel
 * without what fills up channels; below 0: `zero`. */
struct cnn_gather {
    size_t images, image; /* bytes of one, of the input */
    size_t pixels, channels;
    const int32_t *from;
    int zero;
};

struct cnn_kernels {
    const char *name; /* ref, sse2, avx2, avxvnni, avx512, avx512vnni, avx512bf16, vec128 */

    /* The same functions for values, and gradients of values, that are stored as bfloat16: where
     * activations are float arrays below, these read and write numbers of two bytes, rounded to
     * nearest. They compute with floats, and all else stays float: statistics, parameters, their
     * gradients, scratch (so scale_backward's ds is not dy). Members that have no such version are
     * NULL, and activations have none of SOFTMAX. NULL where the CPU has no instructions for it;
     * plans then store floats (graph/halves.h). */
    const struct cnn_kernels *halves;

    /* Convolution. packed holds what conv_pack wrote (conv_packed_floats floats), to be packed
     * again whenever w has changed: for conv_forward w, each filter times its number in scale
     * (NULL: all 1); with `backward`, for conv_backward_data, w without scale, and with the same
     * x_halves: some are then packed as bfloat16. Of a 1x1 convolution
     * with one group, filters may be packed for conv_forward in runs that begin at multiples of 64
     * and have at least four, each as a convolution of its own, one behind the other. Of a dense
     * layer (cnn_conv_dense) packed may be NULL: w is then packed on the way, which is faster where
     * it is used once, and gives the same bits. scratch: conv_scratch_floats(c, n) floats, without
     * packed weights dense_scratch_floats(c, n) (both cover all threads). conv_backward_weights: dw
     * as w, db out_c numbers. */
    size_t (*conv_packed_floats)(const struct cnn_conv *c, bool backward);
    /* Whether the values of c may be stored as its x_halves and y_halves say, in all passes but,
     * unless `data`, conv_backward_data. A residual is stored as y, and the activation is any but
     * SOFTMAX: before one that does more than cut, sums may be rounded, too. NULL: they may not. */
    bool (*conv_halves)(const struct cnn_conv *c, bool data);
    size_t (*conv_scratch_floats)(const struct cnn_conv *c, size_t n);
    size_t (*dense_scratch_floats)(const struct cnn_conv *c, size_t n);
    void (*conv_pack)(const struct cnn_conv *c, bool backward, const float *w, const float *scale,
                      float *packed);
    void (*conv_forward)(const struct cnn_conv *c, const struct cnn_conv_forward *pass);
    void (*conv_backward_data)(const struct cnn_conv *c, const struct cnn_conv_backward_data *pass);
    void (*conv_backward_weights)(const struct cnn_conv *c,
                                  const struct cnn_conv_backward_weights *pass);

    /* For benchmarks: what a pass multiplies for each image, by the algorithm that it goes by. */
    struct cnn_work (*conv_work)(const struct cnn_conv *c, enum cnn_conv_pass pass);

    /* Convolution of bytes, x, by weights of -128 to 127, codes of their filters' scales (bytes.h),
     * in exact integers. At most CNN_INT8_DEPTH products make a sum. Padding of zeros holds x's
     * zero. pack: codes as files have weights; the integers' x and bias. As above, packed and
     * scratch are in floats. */
    size_t (*conv_int8_packed_floats)(const struct cnn_conv *c);
    size_t (*conv_int8_scratch_floats)(const struct cnn_conv *c, size_t n);
    void (*conv_int8_pack)(const struct cnn_conv *c, const struct cnn_integers *integers,
                           const signed char *codes, float *packed);
    void (*conv_int8_forward)(const struct cnn_conv *c, const struct cnn_conv_int8_forward *pass);

    /* The codes of pixels * channels numbers (bytes.h); NaN has the lowest one. */
    void (*quantize)(size_t pixels, size_t channels, const float *x, struct cnn_codes codes,
                     unsigned char *y);

    /* Layers on bytes (bytes.h); arrays have whole fours of channels for each pixel. pool: the
     * largest code of each window, which needs no integers, or the mean, as codes or as floats.
     * add: of `size` bytes each. multiply: x[0] times x[1], which has one pixel for each image.
     * scale: every channel times a number, plus another. */
    void (*pool_bytes)(const struct cnn_pool *p, size_t n, const unsigned char *x,
                       const struct cnn_integers *integers, void *y);
    void (*add_bytes)(size_t size, const unsigned char *const *x,
                      const struct cnn_integers *integers, unsigned char *y);
    void (*multiply_bytes)(const struct cnn_scale *c, const unsigned char *const *x,
                           const struct cnn_integers *integers, unsigned char *y);
    void (*scale_bytes)(struct cnn_rows pixels, const unsigned char *x,
                        const struct cnn_integers *integers, unsigned char *y);

    /* Pooling. choice (uint8 would limit kernels: it is uint16_t per output element, kernel_h *
     * kernel_w <= 65536) remembers the window position (row * kernel_w + column) of each maximum,
     * the first in row order on ties and NaN winning, as PyTorch; NULL for average, and in
     * inference. */
    void (*pool_forward)(const struct cnn_pool *p, size_t n, const float *x, float *y,
                         unsigned short *choice);
    void (*pool_backward)(const struct cnn_pool *p, size_t n, const float *dy,
                          const unsigned short *choice, float *dx);

    /* Batch normalisation, y = pool(activation(gamma * (x - mean) / sqrt(var + eps) + beta)); with
     * a pool, y and dy are as the pool's output. _statistics: mean and biased variance of each
     * channel over the rows (two passes or Welford: no cancellation). scratch:
     * batch_norm_scratch_floats(b). _backward: dy is the gradient at y. What lies between is
     * computed again from x as forward did: the same statistics and parameters are wanted. Without
     * a pool dx may be dy; NULL: not wanted. Writes dgamma and dbeta. */
    size_t (*batch_norm_scratch_floats)(const struct cnn_batch_norm *b);
    void (*batch_norm_statistics)(const struct cnn_batch_norm *b, const float *x, float *mean,
                                  float *var, float *scratch);
    void (*batch_norm_forward)(const struct cnn_batch_norm *b,
                               const struct cnn_batch_norm_arrays *arrays);
    void (*batch_norm_backward)(const struct cnn_batch_norm *b,
                                const struct cnn_batch_norm_arrays *arrays);

    /* s (rows * channels) is saved for backward; NULL: not wanted. y may be x, dx may be dy.
     * scratch: lrn_scratch_floats(l) (covers all threads). */
    size_t (*lrn_scratch_floats)(const struct cnn_lrn *l);
    void (*lrn_forward)(const struct cnn_lrn *l, const float *x, float *y, float *s,
                        float *scratch);
    void (*lrn_backward)(const struct cnn_lrn *l, const float *x, const float *s, const float *dy,
                         float *dx, float *scratch);

    /* Element by element (SOFTMAX: over each row). y may be
     * x where !cnn_activation_needs_input; dx may be dy. backward: x is read only by kinds that
     * need it, else may be NULL. */
    void (*activation_forward)(struct cnn_activation a, struct cnn_rows rows, const float *x,
                               float *y);
    void (*activation_backward)(struct cnn_activation a, struct cnn_rows rows, const float *x,
                                const float *y, const float *dy, float *dx);

    /* y = activation(sum of count arrays of size elements, in order); y may be any of them.
     * Backward: each dx that is not NULL = dy * activation'; one of them may be dy. The activation
     * is one whose backward needs only y, and not SOFTMAX. */
    void (*sum)(size_t count, size_t size, const float *const *x, struct cnn_activation activation,
                float *y);
    void (*sum_backward)(size_t count, size_t size, struct cnn_activation activation,
                         const float *y, const float *dy, float *const *dx);

    /* y may be x; s NULL: all 1; b NULL: none. Backward: dy is the gradient before the activation;
     * ds and db are sums over an image's pixels; x is read where ds is wanted. dx may be dy; ds may
     * be dy where images have one pixel. scratch: scale_scratch_floats(c). */
    size_t (*scale_scratch_floats)(const struct cnn_scale *c);
    void (*scale_forward)(const struct cnn_scale *c, const float *x, const float *s, const float *b,
                          float *y);
    void (*scale_backward)(const struct cnn_scale *c, const float *x, const float *s,
                           const float *dy, const struct cnn_scale_gradients *d, float *scratch);

    /* y may be x; dx may be dy, or NULL: not wanted. */
    size_t (*group_norm_scratch_floats)(const struct cnn_group_norm *g);
    void (*group_norm_forward)(const struct cnn_group_norm *g,
                               const struct cnn_group_norm_arrays *a, const float *x, float *y);
    void (*group_norm_backward)(const struct cnn_group_norm *g,
                                const struct cnn_group_norm_arrays *a, const float *x,
                                const float *dy, float *dx);

    /* Optimiser updates over size elements; formulas are PyTorch's (1.13). grad is read after
     * weight decay is added where the optimiser couples it. sgd: momentum buffer m (NULL where
     * momentum is 0). adam: m, v. rmsprop: v, m (NULL where momentum is 0). */
    void (*sgd)(size_t size, float *w, const float *grad, float *m, const struct cnn_sgd *settings);
    void (*adam)(size_t size, float *w, const float *grad, float *m, float *v,
                 const struct cnn_adam *settings);
    void (*rmsprop)(size_t size, float *w, const float *grad, float *v, float *m,
                    const struct cnn_rmsprop *settings);

    /* What follows is plain C in every table (plain.h). */

    /* Gradients of batch_norm with fixed statistics (evaluation mode): dx = gamma / sqrt(var + eps)
     * * g, where g is dy taken back through the activation, and those of gamma and beta. Without a
     * pool; dx may be dy. */
    void (*batch_norm_backward_fixed)(const struct cnn_batch_norm *b,
                                      const struct cnn_batch_norm_arrays *arrays);

    /* A running average: to = (1 - share) * to + share * scale * from, in float. */
    void (*track)(size_t count, double share, float scale, const float *from, float *to);

    /* The numbers of a sum with its bias (NULL: 0), and of the batch_norm of it (its statistics and
     * parameters; NULL: none), as one product and one shift of each channel: scale = gamma /
     * sqrt(var + eps), shift = beta + (bias - mean) * scale. */
    void (*batch_norm_fold)(size_t channels, const struct cnn_batch_norm_arrays *norm, float eps,
                            const float *bias, float *scale, float *shift);

    /* y *= factor * x */
    void (*multiply)(size_t count, float factor, const float *x, float *y);

    /* y = a * x + b * y; x NULL: y = b * y */
    void (*combine)(size_t count, float a, const float *x, float b, float *y);

    /* y += share * (x - y) */
    void (*approach)(size_t count, float share, const float *x, float *y);

    /* The sum, in double, of the squares of x - minus; minus NULL: of x. */
    double (*squares)(size_t count, const float *x, const float *minus);

    /* Lion's update, of weights and momentum: the mean of the momentum and the gradient by beta1
     * gives the sign of the step, then the momentum goes on by beta2. */
    void (*lion)(size_t size, float *w, const float *grad, float *m,
                 const struct cnn_lion *settings);

    /* The loss of one image, its weight included, and its gradient. */
    double (*cross_entropy)(const struct cnn_loss_row *row, double smoothing);
    double (*squared_error)(const struct cnn_loss_row *row); /* mean over the classes */
    /* How many classes come before the label in the order of falling y, on ties the lower index
     * first; `classes` where a y is no number. */
    size_t (*rank)(size_t classes, const float *y, size_t label);

    /* Marks channels in which a number is not 0, and returns how many become so. */
    size_t (*find_living)(size_t pixels, size_t channels, const float *x, bool *living);

    /* Bytes moved within images. */
    void (*gather_bytes)(const struct cnn_gather *g, const unsigned char *x, unsigned char *y);

    /* rows of `bytes` bytes, x_step apart in x and y_step in y. */
    void (*copy_bytes)(size_t rows, size_t bytes, const unsigned char *x, size_t x_step,
                       unsigned char *y, size_t y_step);

    /* Codes by a table of 256, `size` bytes; y may be x. */
    void (*translate)(size_t size, const unsigned char *table, const unsigned char *x,
                      unsigned char *y);

    /* Softmax of each row, by a fixed sequence of operations: the same bits in every table, on
     * every machine. x without NaN; y may be x. */
    void (*softmax_exact)(struct cnn_rows rows, const float *x, float *y);

    /* Inverted dropout of d->size numbers, which are those from d->first on of the whole batch: y =
     * x * mask / (1 - rate). The mask of element i of a block of 4096 of the batch comes from
     * (seed, block), so backward draws it again. dx may be dy, y may be x. */
    void (*dropout)(const struct cnn_drop *d, const float *x, float *y);

    /* The same for n whole images of `size` numbers, from image `first` of the batch on: each is
     * dropped, or scaled by 1 / (1 - rate). */
    void (*drop_images)(const struct cnn_drop *d, size_t n, const float *x, float *y);

    /* [rows][a][b] -> [rows][b][a] */
    void (*transpose)(size_t rows, size_t a, size_t b, const float *x, float *y);

    /* rows of `floats` floats, x_step apart in x and y_step in y; y may be x where both steps are
     * the same. */
    void (*copy)(size_t rows, size_t floats, const float *x, size_t x_step, float *y,
                 size_t y_step);

    /* y has the channels of the range alone; _put: the way back, the other channels of y become
     * 0. */
    void (*take_channels)(size_t pixels, const struct cnn_channel_range *range, const float *x,
                          float *y);
    void (*put_channels)(size_t pixels, const struct cnn_channel_range *range, const float *x,
                         float *y);

    void (*pad)(const struct cnn_border *b, size_t n, const float *x, float *y);
    void (*pad_backward)(const struct cnn_border *b, size_t n, const float *dy, float *dx);
    void (*depth_to_space)(const struct cnn_depth *b, size_t n, const float *x, float *y);
    void (*space_to_depth)(const struct cnn_depth *b, size_t n, const float *x, float *y);
    void (*resample)(const struct cnn_resample *r, size_t n, const float *x, float *y);
    void (*resample_backward)(const struct cnn_resample *r, size_t n, const float *dy, float *dx);

    /* For benchmarks: the calling thread does rounds of multiply-adds of such factors as fast as
     * they go, writes a number that comes of them to result, and returns how many operations they
     * were (a multiply-add is two). NULL in ref, and where nothing is computed by such factors. */
    double (*peak[CNN_FACTORS_KINDS])(size_t rounds, float *result);

    /* For benchmarks: the calling thread reads x, a multiple of 1024 floats, rounds times as fast
     * as it goes, and writes a number that comes of them to result. ahead: it prefetches, which is
     * faster where x is in no cache, and slower where it is. NULL in ref. */
    void (*read)(const float *x, size_t floats, size_t rounds, bool ahead, float *result);
};

/* The table in use: the best for this CPU, or the one CNN_CPU names. NULL where CNN_CPU names none
 * that this build and CPU have (cnn_kernels_error says why). */
const struct cnn_kernels *cnn_kernels(void);
const char *cnn_kernels_error(void);

/* Whether networks use Winograd's algorithm: yes, unless the environment variable CNN_WINOGRAD is
 * 0. */
bool cnn_winograd_wanted(void);

/* Every table that this CPU can run, for tests: cnn_kernels_at(0) is ref; NULL past the last. */
const struct cnn_kernels *cnn_kernels_at(size_t i);

/* The divisors that the windows of a mean have: one, which is written to only, or kernel_h *
 * kernel_w: all up to that. */
size_t cnn_pool_divisors(const struct cnn_pool *p, size_t *only);

/* Which rows or columns of the input make one of the output; nearest: the first alone, weight 1. */
struct cnn_resample_source {
    size_t at[2];
    float weight[2];
};
struct cnn_resample_source cnn_resample_at(const struct cnn_resample *r, size_t out, bool rows);

/* The table's transpose, for images of users and of files as well: NHWC to NCHW with a = height *
 * width, b = channels, and back. */
void cnn_transpose(size_t rows, size_t a, size_t b, const float *x, float *y);

#endif
