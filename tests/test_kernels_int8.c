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
#include "kernels/kernels.h"
#include "util/parallel.h"

static const int thread_counts[] = {1, 2, 5};

static unsigned pick(unsigned *state, unsigned bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % bound;
}

/* One convolution and what goes into it; weights are whole multiples of their filter's scale. */
struct problem {
    struct cnn_conv c;
    size_t n;
    struct cnn_activation activation;
    struct cnn_pool pool;
    bool pools, with_bias;
    struct cnn_codes x_codes, y_codes;
    size_t weights, x_floats, y_pixels;
    float *x, *w, *weight_scale, *scale, *bias; /* x: bytes */
};

static void problem_make(struct problem *p, unsigned *state)
{
    const struct cnn_conv *c = &p->c;
    size_t filter = c->in_c / c->groups * c->kernel_h * c->kernel_w;
    p->weights = filter * c->out_c;
    p->x_floats = p->n * c->in_h * c->in_w * cnn_code_channels(c->in_c) / 4;
    p->pool = (struct cnn_pool){.in_h = c->out_h,
                                .in_w = c->out_w,
                                .channels = c->out_c,
                                .out_h = c->out_h / 2,
                                .out_w = c->out_w / 2};
    p->pool.average = pick(state, 2) == 0;
    p->y_pixels = p->n * (p->pools ? p->pool.out_h * p->pool.out_w : c->out_h * c->out_w);
    p->x = tensor_new(p->x_floats);
    p->w = tensor_new(p->weights);
    p->weight_scale = tensor_new(c->out_c);
    p->scale = tensor_new(c->out_c);
    p->bias = tensor_random(c->out_c, 3);
    for (size_t i = 0; i < 4 * p->x_floats; i++)
        ((unsigned char *)p->x)[i] = (unsigned char)pick(state, 256);
    for (size_t f = 0; f < c->out_c; f++) {
        p->weight_scale[f] = 0.001f * (float)(1 + pick(state, 50));
        /* batch_norm may turn a filter round */
        p->scale[f] = (pick(state, 4) == 0 ? -1 : 1) * p->x_codes.scale * p->weight_scale[f];
        for (size_t i = 0; i < filter; i++)
            p->w[f * filter + i] = (float)((int)pick(state, 255) - 127) * p->weight_scale[f];
    }
}

static void problem_free(struct problem *p)
{
    tensor_free(p->x, p->x_floats);
    tensor_free(p->w, p->weights);
    tensor_free(p->weight_scale, p->c.out_c);
    tensor_free(p->scale, p->c.out_c);
    tensor_free(p->bias, p->c.out_c);
}

static size_t y_floats(const struct problem *p)
{
    return p->y_codes.scale > 0 ? p->y_pixels * cnn_code_channels(p->c.out_c) / 4
                                : p->y_pixels * p->c.out_c;
}

static float *run(const struct cnn_kernels *k, const struct problem *p)
{
    size_t packed_floats = k->conv_int8_packed_floats(&p->c),
           scratch_floats = k->conv_int8_scratch_floats(&p->c, p->n);
    float *packed = tensor_new(packed_floats), *scratch = tensor_new(scratch_floats),
          *y = tensor_new(y_floats(p));
    const struct cnn_int8 int8 = {p->scale, p->x_codes, p->y_codes};
    const struct cnn_epilogue epilogue = {p->with_bias ? p->bias : NULL, p->activation,
                                          p->pools ? &p->pool : NULL};
    k->conv_int8_pack(&p->c, p->x_codes.zero, p->w, p->weight_scale, packed);
    k->conv_int8_forward(&p->c, &(struct cnn_conv_int8_forward){.n = p->n,
                                                                .x = (const unsigned char *)p->x,
                                                                .packed = packed,
                                                                .int8 = &int8,
                                                                .epilogue = &epilogue,
                                                                .y = y,
                                                                .scratch = scratch});
    tensor_free(packed, packed_floats);
    tensor_free(scratch, scratch_floats);
    return y;
}

/* Rounding may fall to either side where floats are a little off, so a few codes in a hundred may
 * be one apart. */
static void assert_codes_near(const char *what, const struct problem *p, const void *got,
                              const void *want)
{
    size_t stride = cnn_code_channels(p->c.out_c), apart = 0;
    for (size_t i = 0; i < p->y_pixels * stride; i++) {
        int difference = ((const unsigned char *)got)[i] - ((const unsigned char *)want)[i];
        if (i % stride >= p->c.out_c || difference == 0)
            continue;
        if (abs(difference) > 1)
            fail_msg("%s: code %zu is %d, not %d", what, i, ((const unsigned char *)got)[i],
                     ((const unsigned char *)want)[i]);
        apart++;
    }
    if (apart > 2 + p->y_pixels * stride / 50)
        fail_msg("%s: %zu of %zu codes are one apart", what, apart, p->y_pixels * stride);
}

static void assert_same_codes(const char *what, const struct problem *p, const void *got,
                              const void *want)
{
    size_t stride = cnn_code_channels(p->c.out_c);
    for (size_t i = 0; i < p->y_pixels; i++)
        if (memcmp((const unsigned char *)got + i * stride,
                   (const unsigned char *)want + i * stride, p->c.out_c) != 0)
            fail_msg("%s: pixel %zu is another with other threads", what, i);
}

static void check_table(const struct cnn_kernels *k, const struct problem *p, const float *want)
{
    const struct cnn_conv *c = &p->c;
    bool bytes = p->y_codes.scale > 0;
    char what[256];
    snprintf(what, sizeof what,
             "%s n=%zu in=%zux%zux%zu out=%zux%zux%zu kernel=%zux%zu stride=%zux%zu pad=%zu,%zu "
             "groups=%zu mode=%d act=%d pool=%d bytes=%d zero=%d",
             k->name, p->n, c->in_h, c->in_w, c->in_c, c->out_h, c->out_w, c->out_c, c->kernel_h,
             c->kernel_w, c->stride_h, c->stride_w, c->pad_top, c->pad_left, c->groups,
             (int)c->padding_mode, (int)p->activation.kind, p->pools ? 1 + p->pool.average : 0,
             bytes, p->x_codes.zero);
    float *first = NULL;
    for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        float *y = run(k, p);
        if (bytes)
            assert_codes_near(what, p, y, want);
        else
            assert_floats_near(what, y, want, y_floats(p), 1e-5);
        if (first && bytes)
            assert_same_codes(what, p, y, first);
        else if (first)
            assert_floats_same(what, y, first, y_floats(p));
        if (first)
            tensor_free(y, y_floats(p));
        else
            first = y;
    }
    tensor_free(first, y_floats(p));
}

static void check(struct problem *p, unsigned *state)
{
    const struct cnn_kernels *k;
    p->x_codes = (struct cnn_codes){0.02f, pick(state, 2) ? 0 : (int)pick(state, 256)};
    p->y_codes = (struct cnn_codes){0, 0};
    if (pick(state, 3) > 0)
        p->y_codes = (struct cnn_codes){0.01f * (float)(1 + pick(state, 40)),
                                        pick(state, 2) ? 0 : (int)pick(state, 256)};
    problem_make(p, state);
    float *want = run(cnn_kernels_at(0), p);
    for (size_t i = 1; (k = cnn_kernels_at(i)); i++)
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
    for (int round = 0; round < 150; round++) {
        struct problem p = {.n = 1 + pick(&seed, 5),
                            .activation = {kinds[pick(&seed, 6)], 0.01f},
                            .pools = pick(&seed, 2),
                            .with_bias = pick(&seed, 3)};
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
        if (c->in_c % 8 == 0 && c->out_c % 2 == 0)
            c->groups = 1 + pick(&seed, 2);
        size_t reach_h = (c->kernel_h - 1) * c->dilation_h + 1, reach_w = c->kernel_w;
        if (c->in_h + 2 * c->pad_top < reach_h || c->in_w + 2 * c->pad_left < reach_w)
            continue;
        c->out_h = (c->in_h + 2 * c->pad_top - reach_h) / c->stride_h + 1;
        c->out_w = (c->in_w + 2 * c->pad_left - reach_w) / c->stride_w + 1;
        p.pools = p.pools && c->out_h > 1 && c->out_w > 1;
        check(&p, &seed);
    }
}

static void test_conv_int8_is_as_plain_c_when_it_is_large(void **state)
{
    (void)state;
    unsigned seed = 2;
    struct problem dense = {
        .n = 70,
        .with_bias = true,
        .c = {1, 1, 2050, 1, 1, 10, 1, 1, 1, 1, 1, 1, 0, 0, 1, CNN_PAD_ZEROS, true, false}};
    struct problem blocks = {
        .n = 9,
        .with_bias = true,
        .activation = {CNN_ACT_RELU, 0},
        .pools = true,
        .c = {34, 34, 32, 34, 34, 40, 3, 3, 1, 1, 1, 1, 1, 1, 1, CNN_PAD_ZEROS, true, false}};
    struct problem one = {
        .n = 1, .c = {8, 8, 128, 8, 8, 128, 3, 3, 1, 1, 1, 1, 1, 1, 1, CNN_PAD_ZEROS, true, false}};
    check(&dense, &seed);
    check(&blocks, &seed);
    check(&one, &seed);
}

/* The largest sums that there can be: one more product of this kind would not fit 32 bits. */
static void test_conv_int8_is_exact_when_sums_are_as_large_as_can_be(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct problem p = {.n = 1,
                        .c = {1, 1, CNN_INT8_DEPTH, 1, 1, 2, 1, 1, 1, 1, 1, 1, 0, 0, 1,
                              CNN_PAD_ZEROS, true, false}};
    unsigned seed = 3;
    p.x_codes = (struct cnn_codes){1, 0};
    problem_make(&p, &seed);
    memset(p.x, 255, p.x_floats * sizeof *p.x);
    for (size_t i = 0; i < p.weights; i++)
        p.w[i] = (i < CNN_INT8_DEPTH ? -128 : 127) * p.weight_scale[i / CNN_INT8_DEPTH];
    p.scale[0] = p.scale[1] = 1;
    for (size_t i = 0; (k = cnn_kernels_at(i)); i++) {
        float *y = run(k, &p);
        assert_true(y[0] == -255.0f * 128 * 65536 && y[1] == 255.0f * 127 * 65536);
        tensor_free(y, 2);
    }
    problem_free(&p);
}

static void test_quantize_finds_the_nearest_code(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const struct cnn_codes codes = {0.5f, 3};
    for (size_t channels = 1; channels < 40; channels++)
        for (size_t i = 0; (k = cnn_kernels_at(i)); i++) {
            size_t pixels = channels < 4 ? 2000 : 5,
                   floats = pixels * cnn_code_channels(channels) / 4;
            float *x = tensor_random(pixels * channels, 4), *y = tensor_new(floats);
            for (size_t j = 0; j < pixels * channels; j++)
                x[j] *= j % 7 == 0 ? 1e30f : 100;
            k->quantize(pixels, channels, x, codes, (unsigned char *)y);
            for (size_t j = 0; j < pixels * channels; j++) {
                float want = fminf(255, fmaxf(0, nearbyintf(x[j] * 2 + 3)));
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
        cmocka_unit_test(test_conv_int8_is_exact_when_sums_are_as_large_as_can_be),
        cmocka_unit_test(test_quantize_finds_the_nearest_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
