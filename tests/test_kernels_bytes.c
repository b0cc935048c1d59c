/* Layers on bytes: the integers that stand for scales, and every table against the formulas. */
#include <float.h>
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
#include "util/parallel.h"

static float pick_scale(unsigned *state)
{
    return ldexpf(1 + (float)pick(state, 1000) / 1000, (int)pick(state, 12) - 10);
}

static struct cnn_codes pick_codes(unsigned *state)
{
    return (struct cnn_codes){pick_scale(state), pick(state, 3) ? (int)pick(state, 256) : 0};
}

struct memory {
    size_t floats;
    float *at;
    struct cnn_integers_room room;
};

static struct memory memory_new(size_t inputs, size_t count, bool filters)
{
    const struct cnn_integers_size size = {inputs, count, filters};
    struct memory m = {.floats = cnn_integers_floats(size)};
    m.at = tensor_new(m.floats);
    m.room = cnn_integers_place(m.at, size);
    return m;
}

static unsigned char *random_bytes(size_t count, unsigned *state)
{
    float *floats = tensor_new((count + 3) / 4);
    for (size_t i = 0; i < (count + 3) / 4 * 4; i++)
        ((unsigned char *)floats)[i] = (unsigned char)pick(state, 256);
    return (unsigned char *)floats;
}

static void free_bytes(unsigned char *bytes, size_t count)
{
    tensor_free((float *)(void *)bytes, (count + 3) / 4);
}

static double number_of(int code, struct cnn_codes codes)
{
    return (double)(code - codes.zero) * (double)codes.scale;
}

static double nearest_code(double number, struct cnn_codes codes)
{
    return fmin(255, fmax(0, number / (double)codes.scale + codes.zero));
}

/* That a code is the nearest one of a number, but for what lies in the middle between two. */
static void assert_near(const char *what, int code, double number, struct cnn_codes codes)
{
    const double want = nearest_code(number, codes);
    if (fabs(code - want) > 0.502)
        fail_msg("%s: %g has code %d, not %g", what, number, code, want);
}

static void test_multipliers_stand_for_scales(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 2000; round++) {
        const int64_t bound = (int64_t)1 << (8 + pick(&seed, 23));
        const struct cnn_codes y = pick_codes(&seed);
        const struct cnn_activation none = {.kind = CNN_ACT_NONE};
        struct memory m = memory_new(1, 9, false);
        for (size_t i = 0; i < 9; i++) /* the largest sum is within a few times the range of y */
            m.room.scale[i] =
                (float)(number_of(255, y) - number_of(0, y)) * 4 / (float)bound * pick_scale(&seed);
        cnn_integers_multiply(&m.room, cnn_integers_activate(&m.room, none, y), bound);
        const struct cnn_integers *k = m.room.integers;
        assert_true(k->shift >= 1 && k->shift <= 31 && k->left >= 0 &&
                    bound << k->left <= INT32_MAX);
        for (size_t i = 0; i < 9; i++)
            for (int j = -4; j <= 4; j++) {
                const int32_t sum = (int32_t)(bound * j / 4);
                assert_near("sum", cnn_requantize(k, sum, i), (double)sum * (double)k->scale[i], y);
            }
        tensor_free(m.at, m.floats);
    }
}

/* Scales that no calibration gives: nothing leaves 32 bits, and what can be said is. */
static void test_multipliers_of_extreme_scales(void **state)
{
    (void)state;
    const struct cnn_activation none = {.kind = CNN_ACT_NONE};
    const float scales[] = {FLT_MIN, 1e-20f, 1, 1e20f, FLT_MAX};
    for (size_t i = 0; i < 5; i++)
        for (size_t j = 0; j < 5; j++) {
            const struct cnn_codes y = {scales[j], 7};
            struct memory m = memory_new(1, 1, true);
            const float bias = scales[4 - i];
            m.room.scale[0] = scales[i];
            int64_t bound = cnn_integers_bias(&m.room, &bias, 1000);
            assert_true(bound <= INT32_MAX && m.room.bias[0] >= 0);
            cnn_integers_multiply(&m.room, cnn_integers_activate(&m.room, none, y), bound);
            assert_true(m.room.integers->shift >= 1 && m.room.integers->shift <= 31);
            assert_int_equal(cnn_requantize(m.room.integers, 0, 0), 7);
            if (bias / y.scale > 1e6f)
                assert_true(cnn_requantize(m.room.integers, m.room.bias[0], 0) >= 7);
            tensor_free(m.at, m.floats);
        }
}

/* Biases that fit are rounded to a step. Others make the step larger: of a filter that batch_norm
 * has all but switched off its bias is left, of another both. */
static void test_biases_fit_what_the_sums_leave(void **state)
{
    (void)state;
    const float bias[] = {0.25f, -3, 5, 0, -7, 0.1f}, scale[] = {0.01f, -0.5f, 0, 0, 1e-12f, 1e-9f};
    const int64_t bound = (int64_t)1 << 30;
    struct memory m = memory_new(1, 6, true);
    memcpy(m.room.scale, scale, sizeof scale);
    const int64_t most = cnn_integers_bias(&m.room, bias, bound);
    assert_true(most <= INT32_MAX);
    assert_int_equal(m.room.bias[0], 25);
    assert_int_equal(m.room.bias[1], -6);
    assert_true(m.room.factor[0] == 1 && m.room.factor[1] == -1 && m.room.scale[1] == 0.5f);
    assert_true(m.room.factor[2] == 0 && m.room.factor[3] == 0);
    for (size_t f = 2; f < 6; f++) {
        assert_true(fabs((double)m.room.bias[f] * (double)m.room.scale[f] - (double)bias[f]) <=
                    0.51 * (double)m.room.scale[f]);
        assert_true(m.room.bias[f] <= INT32_MAX - bound && m.room.bias[f] >= bound - INT32_MAX);
    }
    assert_true(m.room.factor[5] > 0.5f &&
                fabsf(m.room.factor[5] * m.room.scale[5] - 1e-9f) < 1e-15f);
    tensor_free(m.at, m.floats);
}

static double activate(enum cnn_activation_kind kind, double x)
{
    const double sigmoid = 1 / (1 + exp(-x)), hard = fmin(6, fmax(0, x + 3)) / 6;
    const double values[] = {
        [CNN_ACT_NONE] = x,
        [CNN_ACT_RELU] = fmax(0, x),
        [CNN_ACT_RELU6] = fmin(6, fmax(0, x)),
        [CNN_ACT_LEAKY_RELU] = x > 0 ? x : 0.1 * x,
        [CNN_ACT_ELU] = x > 0 ? x : expm1(x),
        [CNN_ACT_SIGMOID] = sigmoid,
        [CNN_ACT_TANH] = tanh(x),
        [CNN_ACT_GELU] = x * (1 + erf(x / sqrt(2))) / 2,
        [CNN_ACT_SILU] = x * sigmoid,
        [CNN_ACT_HARDSWISH] = x * hard,
        [CNN_ACT_HARD_SIGMOID] = hard,
        [CNN_ACT_MISH] = x * tanh(log1p(exp(x))),
        [CNN_ACT_SOFTMAX] = 0,
        [CNN_ACT_CLIP] = fmin(3, fmax(-1, x)),
    };
    return values[kind];
}

static struct cnn_activation activation_of(int kind)
{
    return (struct cnn_activation){
        .kind = (enum cnn_activation_kind)kind, .slope = 0.1f, .min = -1, .max = 3};
}

static void test_tables_hold_the_nearest_codes(void **state)
{
    (void)state;
    unsigned seed = 2;
    for (int kind = CNN_ACT_NONE; kind <= CNN_ACT_CLIP; kind++)
        for (int round = 0; round < 50 && kind != CNN_ACT_SOFTMAX; round++) {
            const struct cnn_codes x = pick_codes(&seed), y = pick_codes(&seed);
            unsigned char table[256];
            cnn_integers_table(activation_of(kind), x, y, table);
            for (int code = 0; code < 256; code++)
                assert_near("table", table[code],
                            activate((enum cnn_activation_kind)kind, number_of(code, x)), y);
        }
}

/* Sums from far below to far above what makes a difference come out within what a step of the codes
 * before the table may be wrong: half of it, times the slope of the function, at most 1.2. */
static void test_activated_sums_have_the_codes_of_their_numbers(void **state)
{
    (void)state;
    unsigned seed = 3;
    for (int kind = CNN_ACT_NONE; kind <= CNN_ACT_CLIP; kind++)
        for (int round = 0; round < 40 && kind != CNN_ACT_SOFTMAX; round++) {
            struct cnn_codes y = pick_codes(&seed);
            y.zero = kind == CNN_ACT_LEAKY_RELU || kind == CNN_ACT_NONE ? y.zero : y.zero / 8;
            struct memory m = memory_new(1, 1, false);
            const float before = cnn_integers_activate(&m.room, activation_of(kind), y);
            m.room.scale[0] = before / 4096;
            cnn_integers_multiply(&m.room, before, 1 << 24);
            const double slack =
                m.room.integers->table ? 1.2 * (double)before / (double)y.scale * 0.51 : 0.01;
            for (int32_t sum = -(1 << 24); sum < 1 << 24; sum += 100003) {
                const double x = (double)sum * (double)m.room.scale[0];
                const double want = nearest_code(activate((enum cnn_activation_kind)kind, x), y);
                const int got = cnn_requantize(m.room.integers, sum, 0);
                if (fabs(got - want) > 0.51 + slack)
                    fail_msg("activation %d of %g, scale %g zero %d: code %d, not %g", kind, x,
                             (double)y.scale, y.zero, got, want);
            }
            tensor_free(m.at, m.floats);
        }
}

static float step_before(int kind, struct cnn_codes y)
{
    struct memory m = memory_new(1, 1, false);
    const float step = cnn_integers_activate(&m.room, activation_of(kind), y);
    tensor_free(m.at, m.floats);
    return step;
}

/* A scale that went through a file of another format comes back a bit off. What grows as x does has
 * the same codes then, but for the few scales at which a range ends. */
static void test_a_bit_of_the_scale_keeps_the_codes_before_a_table(void **state)
{
    (void)state;
    static const int kinds[] = {CNN_ACT_ELU, CNN_ACT_HARDSWISH, CNN_ACT_GELU, CNN_ACT_SILU};
    unsigned seed = 9;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t moved = 0;
        for (int round = 0; round < 200; round++) {
            struct cnn_codes y = pick_codes(&seed);
            y.zero /= 8;
            const float step = step_before(kinds[i], y);
            y.scale = nextafterf(y.scale, 2 * y.scale);
            moved += fabsf(step_before(kinds[i], y) - step) > 1e-6f * step;
        }
        assert_true(moved <= 1);
    }
}

static void check_add(const struct memory *m, const unsigned char *const *x, size_t size,
                      struct cnn_codes y)
{
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++)
        for (int threads = 1; threads < 4; threads += 2) {
            unsigned char *got = random_bytes(size, &(unsigned){1});
            cnn_parallel_set_threads(threads);
            k->add_bytes(size, x, m->room.integers, got);
            for (size_t i = 0; i < size; i++) {
                double sum = 0;
                int32_t whole = 0;
                for (size_t j = 0; j < m->room.integers->inputs; j++) {
                    sum += number_of(x[j][i], m->room.x[j]);
                    whole += (x[j][i] - m->room.x[j].zero) * m->room.multiplier[j];
                }
                assert_near("add", got[i], sum, y);
                assert_int_equal(got[i], cnn_round_shift(m->room.integers, whole));
            }
            free_bytes(got, size);
        }
}

static void test_add_is_nearest_and_the_same_everywhere(void **state)
{
    (void)state;
    unsigned seed = 4;
    for (int round = 0; round < 40; round++) {
        const size_t inputs = 2 + pick(&seed, 3), size = 4 * (1 + pick(&seed, round ? 60 : 20000));
        const struct cnn_activation none = {.kind = CNN_ACT_NONE};
        struct cnn_codes y = {ldexpf(1 + (float)pick(&seed, 99) / 99, -3), (int)pick(&seed, 256)};
        struct memory m = memory_new(inputs, inputs, false);
        const unsigned char *x[5];
        for (size_t j = 0; j < inputs; j++) {
            m.room.x[j] = (struct cnn_codes){y.scale * (float)(1 + pick(&seed, 40)) / 20,
                                             (int)pick(&seed, 256)};
            x[j] = random_bytes(size, &seed);
        }
        cnn_integers_add(&m.room, cnn_integers_activate(&m.room, none, y));
        check_add(&m, x, size, y);
        for (size_t j = 0; j < inputs; j++)
            free_bytes((unsigned char *)x[j], size);
        tensor_free(m.at, m.floats);
    }
}

static void check_multiply(const struct memory *m, const struct cnn_scale *c,
                           const unsigned char *const *x, struct cnn_codes y)
{
    const struct cnn_kernels *k;
    const size_t row = cnn_code_channels(c->channels), size = c->images * c->pixels * row;
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        unsigned char *got = random_bytes(size, &(unsigned){1});
        cnn_parallel_set_threads(1 + (int)(t % 3));
        k->multiply_bytes(c, x, m->room.integers, got);
        for (size_t i = 0; i < size; i++) {
            const int a = x[0][i], b = x[1][i / row / c->pixels * row + i % row];
            assert_near("mul", got[i], number_of(a, m->room.x[0]) * number_of(b, m->room.x[1]), y);
            assert_int_equal(got[i],
                             cnn_requantize(m->room.integers,
                                            (a - m->room.x[0].zero) * (b - m->room.x[1].zero), 0));
        }
        free_bytes(got, size);
    }
}

static void test_multiply_is_nearest_and_the_same_everywhere(void **state)
{
    (void)state;
    unsigned seed = 5;
    for (int round = 0; round < 40; round++) {
        const struct cnn_scale c = {.images = 1 + pick(&seed, 3),
                                    .pixels = 1 + pick(&seed, 9),
                                    .channels = 1 + pick(&seed, 40)};
        const size_t row = cnn_code_channels(c.channels), size = c.images * c.pixels * row;
        const struct cnn_activation none = {.kind = CNN_ACT_NONE};
        struct memory m = memory_new(2, 1, false);
        m.room.x[0] = pick_codes(&seed);
        m.room.x[1] = pick_codes(&seed);
        m.room.scale[0] = m.room.x[0].scale * m.room.x[1].scale;
        const struct cnn_codes y = {m.room.scale[0] * (float)(1 + pick(&seed, 400)),
                                    (int)pick(&seed, 256)};
        const unsigned char *x[2] = {random_bytes(size, &seed),
                                     random_bytes(c.images * row, &seed)};
        cnn_integers_multiply(&m.room, cnn_integers_activate(&m.room, none, y), 255 * 255);
        check_multiply(&m, &c, x, y);
        free_bytes((unsigned char *)x[0], size);
        free_bytes((unsigned char *)x[1], c.images * row);
        tensor_free(m.at, m.floats);
    }
}

/* Of a plan, the arrays are as long as there are channels. */
static struct cnn_integers exact(const struct memory *m, size_t channels)
{
    struct cnn_integers k = *m->room.integers;
    float *multiplier = tensor_new(channels), *bias = tensor_new(channels);
    memcpy(multiplier, k.multiplier, channels * sizeof *multiplier);
    memcpy(bias, k.bias, channels * sizeof *bias);
    k.multiplier = (const int32_t *)(void *)multiplier;
    k.bias = (const int32_t *)(void *)bias;
    return k;
}

static void check_scale(const struct cnn_integers *n, struct cnn_rows pixels,
                        const unsigned char *x, const double *want)
{
    const struct cnn_kernels *k;
    const size_t row = cnn_code_channels(pixels.channels), size = pixels.count * row;
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        unsigned char *got = random_bytes(size, &(unsigned){1});
        cnn_parallel_set_threads(1 + (int)(t % 3));
        k->scale_bytes(pixels, x, n, got);
        for (size_t i = 0; i < pixels.count * pixels.channels; i++) {
            const size_t c = i % pixels.channels, at = i / pixels.channels * row + c;
            if (!n->table)
                assert_near(k->name, got[at], want[i], n->y);
            assert_int_equal(got[at], cnn_round_shift(n, n->bias[c] + x[at] * n->multiplier[c]));
        }
        free_bytes(got, size);
    }
}

/* Numbers of a range as calibration finds one, of channels that differ by a hundred times, some of
 * them turned round. */
static void test_scale_is_nearest_and_the_same_everywhere(void **state)
{
    (void)state;
    static const int kinds[] = {CNN_ACT_NONE, CNN_ACT_RELU, CNN_ACT_CLIP, CNN_ACT_SILU};
    unsigned seed = 11;
    for (int round = 0; round < 80; round++) {
        const struct cnn_rows pixels = {1 + pick(&seed, round ? 9 : 999), 1 + pick(&seed, 150)};
        const size_t row = cnn_code_channels(pixels.channels), count = pixels.count * row;
        const struct cnn_activation a = activation_of(kinds[round % 4]);
        struct memory m = memory_new(1, pixels.channels, true);
        float *constant = tensor_new(pixels.channels);
        const struct cnn_codes y = {pick_scale(&seed), (int)pick(&seed, 256)};
        unsigned char *x = random_bytes(count, &seed);
        m.room.x[0] = pick_codes(&seed);
        for (size_t c = 0; c < pixels.channels; c++) {
            const float ratio = ldexpf(1 + (float)pick(&seed, 99) / 99, (int)pick(&seed, 7) - 4);
            m.room.scale[c] = ratio * y.scale / m.room.x[0].scale * (c % 5 == 3 ? -1.0f : 1.0f);
            constant[c] = y.scale * ((float)pick(&seed, 400) - 200);
        }
        double *want = malloc(pixels.count * pixels.channels * sizeof *want);
        assert_non_null(want);
        for (size_t i = 0; i < pixels.count * pixels.channels; i++) {
            const size_t c = i % pixels.channels, at = i / pixels.channels * row + c;
            want[i] = activate(a.kind, number_of(x[at], m.room.x[0]) * (double)m.room.scale[c] +
                                           (double)constant[c]);
        }
        cnn_integers_scale(&m.room, constant, cnn_integers_activate(&m.room, a, y));
        assert_null(m.room.integers->scale);
        const struct cnn_integers n = exact(&m, pixels.channels);
        check_scale(&n, pixels, x, want);
        tensor_free((float *)(uintptr_t)n.multiplier, pixels.channels);
        tensor_free((float *)(uintptr_t)n.bias, pixels.channels);
        tensor_free(constant, pixels.channels);
        free_bytes(x, count);
        free(want);
        tensor_free(m.at, m.floats);
    }
}

static int scaled(const struct memory *m, int x, size_t c)
{
    const int64_t sum = m->room.bias[c] + (int64_t)x * m->room.multiplier[c];
    assert_true(sum >= -((int64_t)1 << 30) - 512 && sum <= ((int64_t)1 << 30) + 512);
    return cnn_round_shift(m->room.integers, (int32_t)sum);
}

/* A channel that hardly varied is scaled a million times, another not at all: nothing leaves 32
 * bits, what is far out is cut off, and the channels beside have their nearest codes. */
static void test_channels_of_extreme_scales_leave_the_others_alone(void **state)
{
    (void)state;
    static const float scales[] = {1, 1e6f, -1e6f, 0, 0, INFINITY, 1e-30f, 1, FLT_MAX},
                       constants[] = {0.2f, -2.5e6f, 2.5e6f, 3, -3, 0, 1, 1e30f, -INFINITY};
    const struct cnn_activation none = {.kind = CNN_ACT_NONE};
    const struct cnn_codes x = {0.5f, 20}, y = {0.0625f, 100};
    struct memory m = memory_new(1, 9, true);
    m.room.x[0] = x;
    memcpy(m.room.scale, scales, sizeof scales);
    cnn_integers_scale(&m.room, constants, cnn_integers_activate(&m.room, none, y));
    for (int code = 0; code < 256; code++) {
        assert_near("beside", scaled(&m, code, 0), number_of(code, x) + (double)0.2f, y);
        /* 2.5 is code 25 */
        assert_int_equal(scaled(&m, code, 1), code < 25 ? 0 : code > 25 ? 255 : 100);
        assert_int_equal(scaled(&m, code, 2), code < 25 ? 255 : code > 25 ? 0 : 100);
        assert_int_equal(scaled(&m, code, 3), 148);
        assert_int_equal(scaled(&m, code, 4), 52);
        assert_int_equal(scaled(&m, code, 5), code < 20 ? 0 : code > 20 ? 255 : 100);
        assert_int_equal(scaled(&m, code, 6), 116);
        assert_int_equal(scaled(&m, code, 7), 255);
        (void)scaled(&m, code, 8);
    }
    tensor_free(m.at, m.floats);
}

/* A pool of a random window; out as PyTorch has it without ceil_mode. */
static struct cnn_pool pick_pool(unsigned *seed)
{
    struct cnn_pool p = {.in_h = 3 + pick(seed, 9),
                         .in_w = 3 + pick(seed, 9),
                         .channels = 1 + pick(seed, 40),
                         .kernel_h = 1 + pick(seed, 3),
                         .kernel_w = 1 + pick(seed, 3),
                         .stride_h = 1 + pick(seed, 2),
                         .stride_w = 1 + pick(seed, 2),
                         .average = pick(seed, 2),
                         .count_include_pad = pick(seed, 2)};
    p.pad_top = p.pad_bottom = pick(seed, (unsigned)p.kernel_h);
    p.pad_left = p.pad_right = pick(seed, (unsigned)p.kernel_w);
    p.out_h = (p.in_h + 2 * p.pad_top - p.kernel_h) / p.stride_h + 1;
    p.out_w = (p.in_w + 2 * p.pad_left - p.kernel_w) / p.stride_w + 1;
    return p;
}

/* The floats of float pooling, of the numbers that the codes stand for. */
static float *pool_floats(const struct cnn_pool *p, size_t n, const unsigned char *x,
                          struct cnn_codes codes)
{
    const size_t in = n * p->in_h * p->in_w, out = n * p->out_h * p->out_w * p->channels,
                 row = cnn_code_channels(p->channels);
    float *numbers = tensor_new(in * p->channels), *y = tensor_new(out);
    for (size_t i = 0; i < in * p->channels; i++)
        numbers[i] = (float)number_of(x[i / p->channels * row + i % p->channels], codes);
    cnn_kernels_at(0)->pool_forward(p, n, numbers, y, NULL);
    tensor_free(numbers, in * p->channels);
    return y;
}

static void check_pool(const struct cnn_kernels *k, const struct cnn_pool *p, size_t n,
                       const unsigned char *x, const struct cnn_integers *integers)
{
    const size_t pixels = n * p->out_h * p->out_w, row = cnn_code_channels(p->channels);
    float *want = pool_floats(p, n, x, integers->x[0]), *got = tensor_new(pixels * row);
    const struct cnn_codes y = p->average ? integers->y : integers->x[0];
    k->pool_bytes(p, n, x, p->average ? integers : NULL, got);
    for (size_t i = 0; i < pixels * p->channels; i++) {
        const size_t at = i / p->channels * row + i % p->channels;
        if (y.scale > 0)
            assert_near("pool", ((unsigned char *)got)[at], (double)want[i], y);
        else
            assert_true(fabsf(got[i] - want[i]) <= 1e-5f * 256 * integers->x[0].scale);
    }
    tensor_free(want, pixels * p->channels);
    tensor_free(got, pixels * row);
}

static void test_pool_is_that_of_the_numbers(void **state)
{
    (void)state;
    unsigned seed = 6;
    const struct cnn_kernels *k;
    for (int round = 0; round < 200; round++) {
        const struct cnn_pool p = pick_pool(&seed);
        const size_t n = 1 + pick(&seed, 3),
                     size = n * p.in_h * p.in_w * cnn_code_channels(p.channels);
        const struct cnn_activation none = {.kind = CNN_ACT_NONE};
        size_t only = 0;
        struct memory m = memory_new(1, cnn_pool_divisors(&p, &only), false);
        m.room.x[0] = pick_codes(&seed);
        const struct cnn_codes y = {pick(&seed, 3) ? m.room.x[0].scale * 0.7f : 0,
                                    (int)pick(&seed, 256)};
        for (size_t i = 0; i < m.room.integers->count; i++)
            m.room.scale[i] = m.room.x[0].scale / (float)(only ? only : i + 1);
        const float step = cnn_integers_activate(&m.room, none, y);
        cnn_integers_multiply(&m.room, step, 255 * (int64_t)(p.kernel_h * p.kernel_w));
        unsigned char *x = random_bytes(size, &seed);
        for (size_t t = 0; (k = cnn_kernels_at(t)); t++)
            check_pool(k, &p, n, x, m.room.integers);
        free_bytes(x, size);
        tensor_free(m.at, m.floats);
    }
}

/* The same bits in every table, and those of one machine written down. */
static void test_softmax_is_exact(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    static const float x[2][5] = {{1, 2, -3, 0.5f, 200}, {0.25f, -0.125f, 3, 2.875f, -90}};
    float *rows = tensor_random(7 * 33, 8);
    for (size_t i = 0; i < 7 * 33; i++)
        rows[i] *= 20;
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float y[10], *got = tensor_new(7 * 33);
        k->softmax_exact((struct cnn_rows){2, 5}, x[0], y);
        assert_true(y[4] == 1 && y[0] == 0 && y[9] == 0);
        assert_true(fabsf(y[7] - 0.5024f) < 1e-4f);
        k->softmax_exact((struct cnn_rows){7, 33}, rows, got);
        for (size_t r = 0; r < 7; r++) {
            const float *row = rows + r * 33;
            float largest = row[0];
            double sum = 0;
            for (size_t i = 0; i < 33; i++)
                largest = fmaxf(largest, row[i]);
            for (size_t i = 0; i < 33; i++)
                sum += exp((double)(row[i] - largest));
            for (size_t i = 0; i < 33; i++) {
                const double want = exp((double)(row[i] - largest)) / sum;
                assert_true(fabs((double)got[r * 33 + i] - want) <= 2e-6 * want + 1e-37);
            }
        }
        tensor_free(got, 7 * 33);
    }
    tensor_free(rows, 7 * 33);
}

static void test_bytes_move(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    static const int32_t from[] = {5, -1, 0, 4, 4, 1};
    static const unsigned char x[] = {1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13, 14, 15, 16, 17, 18};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        unsigned char y[16] = {0}, table[256], out[12] = {0};
        const struct cnn_gather g = {
            .images = 2, .image = 8, .pixels = 2, .channels = 3, .from = from, .zero = 9};
        k->gather_bytes(&g, x, y);
        static const unsigned char want[] = {6, 9, 1, 0, 5, 5, 2, 0, 16, 9, 11, 0, 15, 15, 12, 0};
        assert_memory_equal(y, want, sizeof want);
        for (int i = 0; i < 256; i++)
            table[i] = (unsigned char)(255 - i);
        k->translate(16, table, x, y);
        assert_true(y[0] == 254 && y[15] == 237);
        k->copy_bytes(2, 3, x, 8, out, 6);
        static const unsigned char copied[] = {1, 2, 3, 0, 0, 0, 11, 12, 13, 0, 0, 0};
        assert_memory_equal(out, copied, sizeof copied);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_multipliers_stand_for_scales),
        cmocka_unit_test(test_multipliers_of_extreme_scales),
        cmocka_unit_test(test_biases_fit_what_the_sums_leave),
        cmocka_unit_test(test_tables_hold_the_nearest_codes),
        cmocka_unit_test(test_activated_sums_have_the_codes_of_their_numbers),
        cmocka_unit_test(test_a_bit_of_the_scale_keeps_the_codes_before_a_table),
        cmocka_unit_test(test_add_is_nearest_and_the_same_everywhere),
        cmocka_unit_test(test_multiply_is_nearest_and_the_same_everywhere),
        cmocka_unit_test(test_scale_is_nearest_and_the_same_everywhere),
        cmocka_unit_test(test_channels_of_extreme_scales_leave_the_others_alone),
        cmocka_unit_test(test_pool_is_that_of_the_numbers),
        cmocka_unit_test(test_softmax_is_exact),
        cmocka_unit_test(test_bytes_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
