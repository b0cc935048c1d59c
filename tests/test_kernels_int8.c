/* Convolution of bytes: every table against plain C, whose sums are exact, and against float
 * arithmetic on the same numbers. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "geometry.h"
#include "graph/integers.h"
#include "kernels/kernels.h"
#include "tables.h"
#include "util/parallel.h"

static const int thread_counts[] = {1, 2, 5};

/* One convolution and what goes into it. */
struct problem {
    struct cnn_conv c;
    size_t n;
    struct cnn_activation activation;
    struct cnn_pool pool;
    bool pools, bytes;
    size_t weights, x_floats, y_pixels, integers_floats;
    float *x; /* bytes */
    signed char *codes;
    float *memory;
    struct cnn_integers_room room;
};

/* Scales of filters, of which some are turned round and some next to nothing; sums that fill the
 * range of y, or more than that. */
static void make_integers(struct problem *p, unsigned *state)
{
    const size_t depth = p->weights / p->c.out_c;
    const struct cnn_integers_size size = {.inputs = 1, .count = p->c.out_c, .filters = true};
    p->integers_floats = cnn_integers_floats(size);
    p->memory = tensor_new(p->integers_floats);
    p->room = cnn_integers_place(p->memory, size);
    float *bias = tensor_random(p->c.out_c, 3);
    p->room.x[0] = (struct cnn_codes){0.02f, pick(state, 2) ? 0 : (int)pick(state, 256)};
    for (size_t f = 0; f < p->c.out_c; f++)
        p->room.scale[f] = (pick(state, 4) ? 2e-5f : -2e-6f) * (float)pick(state, 50);
    const int64_t bound = cnn_integers_bias(&p->room, bias, 255 * 128 * (int64_t)depth);
    const struct cnn_codes y = {0.01f * (float)(1 + pick(state, 40)),
                                pick(state, 2) ? 0 : (int)pick(state, 256)};
    if (p->bytes)
        cnn_integers_multiply(&p->room, cnn_integers_activate(&p->room, p->activation, y), bound);
    tensor_free(bias, p->c.out_c);
}

static void problem_make(struct problem *p, unsigned *state)
{
    const struct cnn_conv *c = &p->c;
    p->weights = c->in_c / c->groups * c->kernel_h * c->kernel_w * c->out_c;
    p->x_floats = p->n * c->in_h * c->in_w * cnn_code_channels(c->in_c) / 4;
    p->pool = (struct cnn_pool){.in_h = c->out_h,
                                .in_w = c->out_w,
                                .channels = c->out_c,
                                .out_h = c->out_h / 2,
                                .out_w = c->out_w / 2};
    p->y_pixels = p->n * (p->pools ? p->pool.out_h * p->pool.out_w : c->out_h * c->out_w);
    p->x = tensor_new(p->x_floats);
    p->codes = malloc(p->weights);
    assert_non_null(p->codes);
    for (size_t i = 0; i < 4 * p->x_floats; i++)
        ((unsigned char *)p->x)[i] = (unsigned char)pick(state, 256);
    for (size_t i = 0; i < p->weights; i++)
        p->codes[i] = (signed char)((int)pick(state, 256) - 128);
    make_integers(p, state);
}

static void problem_free(struct problem *p)
{
    tensor_free(p->x, p->x_floats);
    tensor_free(p->memory, p->integers_floats);
    free(p->codes);
}

static size_t y_floats(const struct problem *p)
{
    return p->bytes ? p->y_pixels * cnn_code_channels(p->c.out_c) / 4 : p->y_pixels * p->c.out_c;
}

static float *run(const struct cnn_kernels *k, const struct problem *p)
{
    size_t packed_floats = k->conv_int8_packed_floats(&p->c),
           scratch_floats = k->conv_int8_scratch_floats(&p->c, p->n);
    float *packed = tensor_new(packed_floats), *scratch = tensor_new(scratch_floats),
          *y = tensor_new(y_floats(p));
    k->conv_int8_pack(&p->c, p->room.integers, p->codes, packed);
    k->conv_int8_forward(&p->c, &(struct cnn_conv_int8_forward){.n = p->n,
                                                                .x = (const unsigned char *)p->x,
                                                                .packed = packed,
                                                                .integers = p->room.integers,
                                                                .activation = p->activation,
                                                                .pool = p->pools ? &p->pool : NULL,
                                                                .y = y,
                                                                .scratch = scratch});
    tensor_free(packed, packed_floats);
    tensor_free(scratch, scratch_floats);
    return y;
}

static void assert_same_codes(const char *what, const struct problem *p, const void *got,
                              const void *want)
{
    const size_t stride = cnn_code_channels(p->c.out_c);
    const unsigned char *a = got, *b = want;
    for (size_t i = 0; i < p->y_pixels * stride; i++)
        if (i % stride < p->c.out_c && a[i] != b[i])
            fail_msg("%s: code %zu is %d, not %d", what, i, a[i], b[i]);
}

/* Whole numbers are the same everywhere; so are floats but behind activations, which tables compute
 * as they like. */
static void check_table(const struct cnn_kernels *k, const struct problem *p, const float *want)
{
    const struct cnn_conv *c = &p->c;
    char what[256];
    snprintf(what, sizeof what,
             "%s n=%zu in=%zux%zux%zu out=%zux%zux%zu kernel=%zux%zu stride=%zux%zu pad=%zu,%zu "
             "groups=%zu mode=%d act=%d pool=%d bytes=%d zero=%d",
             k->name, p->n, c->in_h, c->in_w, c->in_c, c->out_h, c->out_w, c->out_c, c->kernel_h,
             c->kernel_w, c->stride_h, c->stride_w, c->pad_top, c->pad_left, c->groups,
             (int)c->padding_mode, (int)p->activation.kind, p->pools, p->bytes, p->room.x->zero);
    for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        float *y = run(k, p);
        if (p->bytes)
            assert_same_codes(what, p, y, want);
        else if (cnn_activation_cuts(p->activation))
            assert_floats_same(what, y, want, y_floats(p));
        else
            assert_floats_near(what, y, want, y_floats(p), 1e-5);
        tensor_free(y, y_floats(p));
    }
}

/* Three codes of the first, the middle and the last filter, by the formula, from the definition of
 * the convolution. */
static void check_by_hand(const struct problem *p, const float *y)
{
    const struct cnn_conv *c = &p->c;
    const struct cnn_integers *k = p->room.integers;
    const size_t taps = c->kernel_h * c->kernel_w, group_in = c->in_c / c->groups,
                 row = cnn_code_channels(c->in_c);
    if (p->pools || c->padding_mode != CNN_PAD_ZEROS || !p->bytes)
        return;
    for (size_t f = 0; f < c->out_c; f += c->out_c / 2 + 1) {
        const size_t oy = c->out_h / 2, ox = c->out_w - 1,
                     first = f / (c->out_c / c->groups) * group_in;
        int32_t sum = k->bias[f];
        for (size_t t = 0; t < taps; t++) {
            const size_t iy = oy * c->stride_h + t / c->kernel_w * c->dilation_h,
                         ix = ox * c->stride_w + t % c->kernel_w * c->dilation_w;
            if (iy < c->pad_top || ix < c->pad_left || iy - c->pad_top >= c->in_h ||
                ix - c->pad_left >= c->in_w)
                continue;
            const unsigned char *x = (const unsigned char *)p->x +
                                     ((iy - c->pad_top) * c->in_w + ix - c->pad_left) * row + first;
            for (size_t i = 0; i < group_in; i++)
                sum += (x[i] - k->x->zero) * p->codes[(f * group_in + i) * taps + t];
        }
        const double exact = floor(ldexp((double)sum, k->left) * k->multiplier[f] / 4294967296.0);
        int code = k->zero + (int)floor(ldexp(exact, -k->shift) + 0.5);
        code = code < k->low ? k->low : code > k->high ? k->high : code;
        code = k->table ? k->table[code] : code;
        assert_int_equal(
            ((const unsigned char *)y)[(oy * c->out_w + ox) * cnn_code_channels(c->out_c) + f],
            code);
    }
}

static void check(struct problem *p, unsigned *state)
{
    const struct cnn_kernels *k;
    p->bytes = pick(state, 3) > 0;
    if (p->pools && p->bytes && !cnn_activation_cuts(p->activation))
        p->pools = false;
    problem_make(p, state);
    float *want = run(cnn_kernels_at(0), p);
    check_by_hand(p, want);
    for (size_t i = 1; (k = TABLE_WITH_OWN(conv_int8_forward, i)); i++)
        check_table(k, p, want);
    tensor_free(want, y_floats(p));
    problem_free(p);
}

static void test_conv_int8_is_as_plain_c_when_shapes_are_odd(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 3, 4, 6, 16, 20, 64},
                        filters[] = {1, 5, 8, 16, 17, 32, 40, 70};
    static const enum cnn_activation_kind kinds[] = {CNN_ACT_NONE,  CNN_ACT_RELU, CNN_ACT_RELU,
                                                     CNN_ACT_RELU6, CNN_ACT_TANH, CNN_ACT_SILU};
    unsigned seed = 1;
    for (int round = 0; round < 200; round++) {
        struct problem p = {.n = 1 + pick(&seed, 5),
                            .activation = {.kind = kinds[pick(&seed, 6)]},
                            .pools = pick(&seed, 2)};
        struct cnn_conv *c = &p.c;
        *c = (struct cnn_conv){.in_h = 2 + pick(&seed, 14),
                               .in_w = 2 + pick(&seed, 14),
                               .in_c = channels[pick(&seed, 7)],
                               .out_c = filters[pick(&seed, 8)],
                               .groups = 1,
                               .kernel_h = 1 + pick(&seed, 3),
                               .kernel_w = 1 + pick(&seed, 5),
                               .stride_h = 1 + pick(&seed, 2),
                               .stride_w = 1 + pick(&seed, 2),
                               .dilation_h = 1 + pick(&seed, 2),
                               .dilation_w = 1,
                               .pad_top = pick(&seed, 2),
                               .pad_left = pick(&seed, 2),
                               .padding_mode = (enum cnn_padding_mode)pick(&seed, 3)};
        if (c->in_c % 2 == 0 && c->out_c % 2 == 0)
            c->groups = 1 + pick(&seed, 2);
        if (pick(&seed, 4) == 0) { /* depthwise */
            c->groups = c->in_c;
            c->out_c = c->in_c * (1 + pick(&seed, 2));
        }
        size_t reach_h = (c->kernel_h - 1) * c->dilation_h + 1, reach_w = c->kernel_w;
        if (c->in_h + 2 * c->pad_top < reach_h || c->in_w + 2 * c->pad_left < reach_w)
            continue;
        c->out_h = (c->in_h + 2 * c->pad_top - reach_h) / c->stride_h + 1;
        c->out_w = (c->in_w + 2 * c->pad_left - reach_w) / c->stride_w + 1;
        p.pools = p.pools && c->out_h > 1 && c->out_w > 1;
        check(&p, &seed);
    }
}

/* Groups of so few filters that several of them share four bytes of a pixel. */
static void test_conv_int8_is_as_plain_c_when_groups_share_bytes(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{8, 4, 2}, {8, 2, 2}, {12, 3, 3}, {16, 4, 4}, {8, 10, 2}};
    unsigned seed = 5;
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        struct problem p = {.n = 3,
                            .activation = {.kind = i % 2 ? CNN_ACT_TANH : CNN_ACT_SILU},
                            .c = conv_square((struct square){9, shapes[i][0], shapes[i][1], 3, 1, 1,
                                                             1, shapes[i][2]})};
        check(&p, &seed);
    }
}

static void test_conv_int8_is_as_plain_c_when_it_is_large(void **state)
{
    (void)state;
    unsigned seed = 2;
    struct problem dense = {.n = 70, .c = cnn_conv_dense(2050, 10, false)};
    struct problem blocks = {.n = 9,
                             .activation = {.kind = CNN_ACT_RELU},
                             .pools = true,
                             .c = conv_square((struct square){34, 32, 40, 3, 1, 1, 1, 1})};
    struct problem one = {.n = 1, .c = conv_square((struct square){8, 128, 128, 3, 1, 1, 1, 1})};
    check(&dense, &seed);
    check(&blocks, &seed);
    check(&one, &seed);
}

/* Wide kernels, gaps between taps, odd last columns, and images of several bands. */
static void test_depthwise_int8_is_as_plain_c(void **state)
{
    (void)state;
    static const struct {
        size_t size, channels, kernel, stride, dilation, pad;
    } shapes[] = {{64, 20, 3, 1, 1, 1}, {65, 8, 3, 2, 1, 1}, {33, 20, 5, 1, 1, 2},
                  {33, 9, 5, 2, 1, 2},  {30, 6, 7, 1, 1, 3}, {31, 16, 3, 1, 2, 2},
                  {29, 40, 4, 2, 3, 4}, {5, 5, 9, 1, 1, 4},  {3, 66, 1, 1, 1, 0}};
    unsigned seed = 4;
    for (size_t i = 0; i < 8 * sizeof shapes / sizeof *shapes; i++) {
        const size_t s = i / 8, size = shapes[s].size, kernel = shapes[s].kernel,
                     stride = shapes[s].stride, dilation = shapes[s].dilation, pad = shapes[s].pad,
                     out = (size + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1;
        struct problem p = {.n = 2,
                            .activation = {.kind = i % 2 ? CNN_ACT_RELU : CNN_ACT_TANH},
                            .pools = i % 2,
                            .c = {.in_h = size,
                                  .in_w = size,
                                  .in_c = shapes[s].channels,
                                  .out_h = out,
                                  .out_w = out,
                                  .out_c = shapes[s].channels,
                                  .kernel_h = kernel,
                                  .kernel_w = kernel,
                                  .stride_h = stride,
                                  .stride_w = stride,
                                  .dilation_h = dilation,
                                  .dilation_w = dilation,
                                  .pad_top = pad,
                                  .pad_left = pad,
                                  .groups = shapes[s].channels,
                                  .padding_mode = (enum cnn_padding_mode)(i % 3)}};
        check(&p, &seed);
    }
}

/* Kernels so wide that rows of many fours stand where others have more kernel rows. */
static void test_depthwise_int8_is_as_plain_c_when_kernels_are_wide(void **state)
{
    (void)state;
    static const size_t kernels[][2] = {{2, 43}, {5, 86}, {1, 30}};
    unsigned seed = 6;
    for (size_t i = 0; i < 8 * sizeof kernels / sizeof *kernels; i++) {
        const size_t rows = kernels[i / 8][0], columns = kernels[i / 8][1], stride = 1 + i % 2;
        struct problem p = {.n = 1,
                            .c = {.in_h = 7,
                                  .in_w = 91,
                                  .in_c = 5,
                                  .out_h = (7 - rows) / stride + 1,
                                  .out_w = (91 - columns) / stride + 1,
                                  .out_c = 5,
                                  .kernel_h = rows,
                                  .kernel_w = columns,
                                  .stride_h = stride,
                                  .stride_w = stride,
                                  .dilation_h = 1,
                                  .dilation_w = 1,
                                  .groups = 5}};
        check(&p, &seed);
    }
}

/* The largest sums that there can be: one more product of this kind would not fit 32 bits. */
static void test_conv_int8_is_exact_when_sums_are_as_large_as_can_be(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct problem p = {.n = 1, .c = cnn_conv_dense(CNN_INT8_DEPTH, 2, false)};
    unsigned seed = 3;
    problem_make(&p, &seed);
    memset(p.x, 255, p.x_floats * sizeof *p.x);
    p.room.x[0].zero = 0;
    for (size_t i = 0; i < p.weights; i++)
        p.codes[i] = i < CNN_INT8_DEPTH ? -128 : 127;
    p.room.scale[0] = p.room.scale[1] = 1;
    p.room.bias[0] = -8388607;
    p.room.bias[1] = 8388607;
    for (size_t i = 0; (k = TABLE_WITH_OWN(conv_int8_forward, i)); i++) {
        float *y = run(k, &p);
        assert_true(y[0] == (float)(-255 * 128 * 65536 - 8388607) &&
                    y[1] == (float)(255 * 127 * 65536 + 8388607));
        tensor_free(y, 2);
    }
    problem_free(&p);
}

static void test_quantize_finds_the_nearest_code(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const struct cnn_codes codes = {0.3f, 3};
    for (size_t channels = 1; channels < 40; channels++)
        for (size_t i = 0; (k = TABLE_WITH_OWN(conv_int8_forward, i)); i++) {
            size_t pixels = channels < 4 ? 2000 : 5,
                   floats = pixels * cnn_code_channels(channels) / 4;
            float *x = tensor_random(pixels * channels, 4), *y = tensor_new(floats);
            for (size_t j = 0; j < pixels * channels; j++)
                x[j] *= j % 7 == 0 ? 1e30f : 100;
            k->quantize(pixels, channels, x, codes, (unsigned char *)y);
            for (size_t j = 0; j < pixels * channels; j++) {
                float want = fminf(255, fmaxf(0, nearbyintf(x[j] / 0.3f) + 3));
                assert_int_equal(
                    ((unsigned char *)y)[j / channels * cnn_code_channels(channels) + j % channels],
                    (int)want);
            }
            tensor_free(x, pixels * channels);
            tensor_free(y, floats);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_int8_is_as_plain_c_when_shapes_are_odd),
        cmocka_unit_test(test_conv_int8_is_as_plain_c_when_it_is_large),
        cmocka_unit_test(test_conv_int8_is_as_plain_c_when_groups_share_bytes),
        cmocka_unit_test(test_depthwise_int8_is_as_plain_c),
        cmocka_unit_test(test_depthwise_int8_is_as_plain_c_when_kernels_are_wide),
        cmocka_unit_test(test_conv_int8_is_exact_when_sums_are_as_large_as_can_be),
        cmocka_unit_test(test_quantize_finds_the_nearest_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
