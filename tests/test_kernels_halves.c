/* The table of kernels for values that are stored as bfloat16, against the float table of the same
 * CPU: run on the same numbers, it gives the same, rounded. What both give as floats has the same
 * bits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "geometry.h"
#include "kernels/kernels.h"
#include "util/arena.h"
#include "util/parallel.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define GUARD        ((size_t)32)       /* numbers before and after an array, on both sides */
#define GUARD_BITS   ((uint16_t)0x7fd3) /* a NaN that arithmetic does not make */

static const int thread_counts[] = {1, 2};
static const size_t channel_counts[] = {1, 3, 6, 16, 17, 31, 33, 64, 100, 1030};

/* ---- Numbers that are stored as bfloat16 ---- */

static bool is_nan(uint16_t number)
{
    return (number & 0x7fff) > 0x7f80;
}

static float widened(uint16_t number)
{
    const uint32_t bits = (uint32_t)number << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* To nearest, ties to even; the CPU takes numbers below the smallest normal one for 0. */
static uint16_t rounded(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if (isnan(value))
        return 0x7fc0;
    if (!(bits & 0x7f800000))
        return (uint16_t)(bits >> 16 & 0x8000);
    const uint32_t rest = bits & 0xffff, whole = bits >> 16;
    return (uint16_t)(whole + (rest > 0x8000 || (rest == 0x8000 && whole % 2 == 1)));
}

static uint16_t *halves_new(size_t size)
{
    uint16_t *memory = (uint16_t *)cnn_floats_new((size + 2 * GUARD) / 2 + 1);
    assert_non_null(memory);
    for (size_t i = 0; i < size + 2 * GUARD; i++)
        memory[i] = GUARD_BITS;
    return memory + GUARD;
}

static void halves_free(uint16_t *numbers, size_t size)
{
    for (size_t i = 0; i < GUARD; i++)
        if (numbers[size + i] != GUARD_BITS || *(numbers - 1 - i) != GUARD_BITS)
            fail_msg("written %zu numbers beside an array of %zu", i + 1, size);
    cnn_floats_free((float *)(numbers - GUARD));
}

/* The same numbers for both tables. */
struct pair {
    float *floats;
    uint16_t *halves;
    size_t size;
};

/* Of what is written. */
static struct pair pair_new(size_t size)
{
    return (struct pair){tensor_new(size), halves_new(size), size};
}

/* Rounds floats that both tables are to read. */
static void pair_round(struct pair p)
{
    for (size_t i = 0; i < p.size; i++) {
        p.halves[i] = rounded(p.floats[i]);
        p.floats[i] = widened(p.halves[i]);
    }
}

static struct pair pair_random(size_t size, unsigned seed)
{
    struct pair p = {tensor_random(size, seed), halves_new(size), size};
    pair_round(p);
    return p;
}

static void pair_free(struct pair p)
{
    tensor_free(p.floats, p.size);
    halves_free(p.halves, p.size);
}

static void expect_rounded(const char *what, struct pair p)
{
    for (size_t i = 0; i < p.size; i++) {
        const uint16_t want = rounded(p.floats[i]);
        if (p.halves[i] != want && !(isnan(p.floats[i]) && is_nan(p.halves[i])))
            fail_msg("%s: number %zu of %zu is %.9g, not %.9g, which is %.9g", what, i, p.size,
                     (double)widened(p.halves[i]), (double)widened(want), (double)p.floats[i]);
    }
}

static float *as_floats(uint16_t *halves)
{
    return (float *)(void *)halves;
}

/* The table with a second one; the test is skipped where there is none. */
static const struct cnn_kernels *table_with_halves(void)
{
    const struct cnn_kernels *k = cnn_kernels();
    assert_non_null(k);
    if (!k->halves) {
        printf("skipped: %s has no table for bfloat16\n", k->name);
        skip();
    }
    return k;
}

/* ---- Activations ---- */

static const struct cnn_activation activations[] = {
    {.kind = CNN_ACT_NONE},
    {.kind = CNN_ACT_RELU},
    {.kind = CNN_ACT_RELU6},
    {.kind = CNN_ACT_LEAKY_RELU, .slope = 0.1f},
    {.kind = CNN_ACT_LEAKY_RELU},
    {.kind = CNN_ACT_ELU},
    {.kind = CNN_ACT_SIGMOID},
    {.kind = CNN_ACT_TANH},
    {.kind = CNN_ACT_CLIP, .min = -0.4f, .max = 0.9f},
    {.kind = CNN_ACT_HARD_SIGMOID},
    /* those whose backward needs its input */
    {.kind = CNN_ACT_GELU},
    {.kind = CNN_ACT_SILU},
    {.kind = CNN_ACT_HARDSWISH},
    {.kind = CNN_ACT_MISH},
};
#define ONLY_OUTPUT ((size_t)10)

/* ---- Batch normalisation ---- */

struct norm {
    struct pair x, y, dy, dx;
    float *gamma, *beta;
};

static struct norm norm_new(const struct cnn_batch_norm *b, unsigned seed)
{
    const struct cnn_pool *p = b->pool;
    const size_t size = b->rows * b->channels,
                 out = p ? b->rows / (p->in_h * p->in_w) * p->out_h * p->out_w * b->channels : size;
    struct norm n = {.x = pair_random(size, seed),
                     .y = pair_new(out),
                     .dy = pair_random(out, seed + 1),
                     .dx = pair_new(size),
                     .gamma = tensor_random(b->channels, seed + 2),
                     .beta = tensor_random(b->channels, seed + 3)};
    for (size_t i = 0; i < size; i++)
        n.x.floats[i] = n.x.floats[i] * 2 + 0.7f;
    pair_round(n.x);
    return n;
}

static void norm_free(const struct cnn_batch_norm *b, struct norm n)
{
    pair_free(n.x), pair_free(n.y), pair_free(n.dy), pair_free(n.dx);
    tensor_free(n.gamma, b->channels), tensor_free(n.beta, b->channels);
}

/* What a table writes as floats: mean, variance, dgamma, dbeta. */
static float *norm_floats(const struct cnn_batch_norm *b)
{
    return tensor_new(4 * b->channels);
}

static void norm_run(const struct cnn_kernels *k, const struct cnn_batch_norm *b,
                     struct cnn_batch_norm_arrays *a, float *floats)
{
    const size_t c = b->channels, room = k->batch_norm_scratch_floats(b);
    float *scratch = tensor_new(room);
    a->mean = floats, a->var = floats + c;
    a->dgamma = floats + 2 * c, a->dbeta = floats + 3 * c;
    a->scratch = scratch;
    k->batch_norm_statistics(b, a->x, floats, floats + c, scratch);
    k->batch_norm_forward(b, a);
    k->batch_norm_backward(b, a);
    tensor_free(scratch, room);
}

/* One number of threads; with in_place, dx is dy. */
static void norm_compare(const struct cnn_kernels *k, const struct cnn_batch_norm *b,
                         const struct norm *n, bool in_place)
{
    char what[128];
    float *got = norm_floats(b), *want = norm_floats(b);
    struct pair dx = n->dx;
    if (in_place) {
        dx = pair_new(n->dy.size);
        memcpy(dx.floats, n->dy.floats, dx.size * sizeof *dx.floats);
        memcpy(dx.halves, n->dy.halves, dx.size * sizeof *dx.halves);
    }
    struct cnn_batch_norm_arrays floats = {.x = n->x.floats,
                                           .y = n->y.floats,
                                           .dy = in_place ? dx.floats : n->dy.floats,
                                           .dx = dx.floats,
                                           .gamma = n->gamma,
                                           .beta = n->beta},
                                 halves = floats;
    halves.x = as_floats(n->x.halves), halves.y = as_floats(n->y.halves);
    halves.dy = as_floats(in_place ? dx.halves : n->dy.halves), halves.dx = as_floats(dx.halves);
    norm_run(k, b, &floats, want);
    norm_run(k->halves, b, &halves, got);
    snprintf(what, sizeof what, "batch_norm %zu x %zu, activation %d%s", b->rows, b->channels,
             (int)b->activation.kind, in_place ? ", in place" : "");
    assert_floats_same(what, got, want, 4 * b->channels);
    expect_rounded(what, n->y);
    expect_rounded(what, dx);
    if (in_place)
        pair_free(dx);
    tensor_free(got, 4 * b->channels), tensor_free(want, 4 * b->channels);
}

static void norm_check(const struct cnn_batch_norm *b, const struct norm *n)
{
    const struct cnn_kernels *k = table_with_halves();
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        norm_compare(k, b, n, false);
        if (!b->pool)
            norm_compare(k, b, n, true);
    }
    cnn_parallel_set_threads(0);
}

static void test_batch_norm_when_sizes_are_odd(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 5, 33, 333, 2500};
    table_with_halves();
    for (size_t c = 0; c < COUNT(channel_counts); c++)
        for (size_t i = 0; i < COUNT(rows) * COUNT(activations); i++) {
            struct cnn_batch_norm b = {.rows = rows[i % COUNT(rows)],
                                       .channels = channel_counts[c],
                                       .eps = 1e-5f,
                                       .activation = activations[i / COUNT(rows)]};
            if (b.rows * b.channels > 100000)
                continue;
            struct norm n = norm_new(&b, (unsigned)(100 * c + i));
            norm_check(&b, &n);
            norm_free(&b, n);
        }
}

/* Large enough for several chunks of rows, and for several parts. */
static void test_batch_norm_when_rows_are_many(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 7, 33, 64, 130};
    table_with_halves();
    for (size_t i = 0; i < 2 * COUNT(channels); i++) {
        const struct cnn_parts parts = cnn_parts_of(36, 0, 1);
        struct cnn_batch_norm b = {.rows = 36 * 113,
                                   .channels = channels[i / 2],
                                   .eps = 1e-5f,
                                   .activation = activations[(7 * i) % COUNT(activations)],
                                   .parts = i % 2 ? &parts : NULL,
                                   .image = 113};
        struct norm n = norm_new(&b, (unsigned)i);
        norm_check(&b, &n);
        norm_free(&b, n);
    }
}

static void test_batch_norm_with_pool_when_sizes_are_odd(void **state)
{
    (void)state;
    /* images, height, width */
    static const size_t sizes[][3] = {{3, 2, 2}, {2, 3, 5}, {5, 8, 6}, {1, 33, 70}, {2, 5, 2}};
    table_with_halves();
    for (size_t c = 0; c < COUNT(channel_counts); c++)
        for (size_t i = 0; i < COUNT(sizes) * ONLY_OUTPUT * 2; i++) {
            const size_t *size = sizes[i / 2 % COUNT(sizes)];
            const struct cnn_parts parts = cnn_parts_of(size[0], 0, 1);
            struct cnn_pool pool = {.in_h = size[1],
                                    .in_w = size[2],
                                    .channels = channel_counts[c],
                                    .out_h = size[1] / 2,
                                    .out_w = size[2] / 2,
                                    .kernel_h = 2,
                                    .kernel_w = 2,
                                    .stride_h = 2,
                                    .stride_w = 2,
                                    .average = i % 2};
            struct cnn_batch_norm b = {.rows = size[0] * size[1] * size[2],
                                       .channels = channel_counts[c],
                                       .eps = 1e-5f,
                                       .activation = activations[i / 2 / COUNT(sizes)],
                                       .pool = &pool,
                                       .parts = c % 2 ? &parts : NULL,
                                       .image = size[1] * size[2]};
            if (b.rows * b.channels > 60000)
                continue;
            struct norm n = norm_new(&b, (unsigned)(100 * c + i));
            for (size_t j = 0; j < n.x.size && i % 3 == 0; j++) /* windows of several maxima */
                n.x.floats[j] = roundf(n.x.floats[j] * 4) / 4;
            pair_round(n.x);
            norm_check(&b, &n);
            norm_free(&b, n);
        }
}

/* A NaN reaches the output and the gradient; channels without one are not touched by it. */
static void test_batch_norm_when_input_is_nan(void **state)
{
    (void)state;
    const struct cnn_kernels *k = table_with_halves();
    for (size_t i = 0; i < COUNT(activations); i++) {
        struct cnn_batch_norm b = {
            .rows = 9, .channels = 5, .eps = 1e-5f, .activation = activations[i]};
        struct norm n = norm_new(&b, (unsigned)i);
        float *floats = norm_floats(&b), *scratch = tensor_new(k->batch_norm_scratch_floats(&b));
        n.x.floats[3] = NAN;
        pair_round(n.x);
        k->halves->batch_norm_statistics(&b, as_floats(n.x.halves), floats, floats + 5, scratch);
        k->halves->batch_norm_forward(&b,
                                      &(struct cnn_batch_norm_arrays){.x = as_floats(n.x.halves),
                                                                      .mean = floats,
                                                                      .var = floats + 5,
                                                                      .gamma = n.gamma,
                                                                      .beta = n.beta,
                                                                      .y = as_floats(n.y.halves)});
        for (size_t j = 0; j < 45; j++)
            assert_true(is_nan(n.y.halves[j]) == (j % 5 == 3));
        tensor_free(scratch, k->batch_norm_scratch_floats(&b));
        tensor_free(floats, 20);
        norm_free(&b, n);
    }
}

/* ---- Pooling ---- */

static void pool_compare(const struct cnn_kernels *k, const struct cnn_pool *p, size_t n,
                         struct pair x)
{
    char what[128];
    const size_t out = n * p->out_h * p->out_w * p->channels;
    struct pair y = pair_new(out), alone = pair_new(out), dy = pair_random(out, 9),
                dx = pair_new(x.size);
    uint16_t *choice = halves_new(out), *want_choice = halves_new(out);
    k->pool_forward(p, n, x.floats, y.floats, p->average ? NULL : want_choice);
    k->pool_backward(p, n, dy.floats, p->average ? NULL : want_choice, dx.floats);
    memcpy(alone.floats, y.floats, out * sizeof *y.floats);
    k = k->halves;
    k->pool_forward(p, n, as_floats(x.halves), as_floats(y.halves), p->average ? NULL : choice);
    k->pool_forward(p, n, as_floats(x.halves), as_floats(alone.halves), NULL);
    k->pool_backward(p, n, as_floats(dy.halves), p->average ? NULL : choice, as_floats(dx.halves));
    snprintf(what, sizeof what, "%s pool %zu x %zu x %zu of %zu x %zu",
             p->average ? "average" : "max", p->in_h, p->in_w, p->channels, p->kernel_h,
             p->kernel_w);
    assert_memory_equal(choice, want_choice, out * sizeof *choice);
    expect_rounded(what, y), expect_rounded(what, alone), expect_rounded(what, dx);
    halves_free(choice, out), halves_free(want_choice, out);
    pair_free(y), pair_free(alone), pair_free(dy), pair_free(dx);
}

static void pool_check(const struct cnn_pool *p, size_t n, unsigned seed)
{
    const struct cnn_kernels *k = table_with_halves();
    struct pair x = pair_random(n * p->in_h * p->in_w * p->channels, seed);
    for (size_t i = 0; i < x.size && seed % 2; i++) /* few different values: many ties */
        x.floats[i] = roundf(x.floats[i] * 2);
    if (seed % 5 == 0)
        x.floats[x.size / 2] = NAN, x.floats[x.size / 3] = -INFINITY;
    pair_round(x);
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        pool_compare(k, p, n, x);
    }
    cnn_parallel_set_threads(0);
    pair_free(x);
}

static void test_pool_when_geometry_is_random(void **state)
{
    (void)state;
    unsigned random = 11;
    table_with_halves();
    for (unsigned i = 0; i < 300;) {
        struct cnn_pool p = {.in_h = 1 + pick(&random, 14),
                             .in_w = 1 + pick(&random, 14),
                             .channels = channel_counts[pick(&random, COUNT(channel_counts) - 1)],
                             .kernel_h = 1 + pick(&random, 4),
                             .kernel_w = 1 + pick(&random, 4),
                             .stride_h = 1 + pick(&random, 4),
                             .stride_w = 1 + pick(&random, 4),
                             .average = pick(&random, 2),
                             .count_include_pad = pick(&random, 2)};
        p.pad_top = pick(&random, (unsigned)p.kernel_h / 2 + 1);
        p.pad_bottom = pick(&random, (unsigned)p.kernel_h / 2 + 1);
        p.pad_left = pick(&random, (unsigned)p.kernel_w / 2 + 1);
        p.pad_right = pick(&random, (unsigned)p.kernel_w / 2 + 1);
        const bool ceil_mode = pick(&random, 2);
        p.out_h = size_out(p.in_h, p.pad_top + p.pad_bottom + (ceil_mode ? p.stride_h - 1 : 0),
                           p.kernel_h, p.stride_h, 1);
        p.out_w = size_out(p.in_w, p.pad_left + p.pad_right + (ceil_mode ? p.stride_w - 1 : 0),
                           p.kernel_w, p.stride_w, 1);
        if (p.out_h && p.out_w)
            pool_check(&p, 1 + pick(&random, 4), i++);
    }
}

/* Rows of more numbers than backward adds up at a time, and pixels of more. */
static void test_pool_when_rows_are_long(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 5000}, {3, 1500}, {33, 97}, {130, 40}, {2500, 4}};
    table_with_halves();
    for (unsigned i = 0; i < 4 * COUNT(sizes); i++) {
        const size_t channels = sizes[i / 4][0], width = sizes[i / 4][1];
        const struct cnn_pool p = {.in_h = 4,
                                   .in_w = width,
                                   .channels = channels,
                                   .out_h = 4,
                                   .out_w = (width - 1) / (1 + i % 2) + 1,
                                   .kernel_h = 3,
                                   .kernel_w = 3,
                                   .stride_h = 1,
                                   .stride_w = 1 + i % 2,
                                   .pad_top = 1,
                                   .pad_left = 1,
                                   .pad_bottom = 1,
                                   .pad_right = 1,
                                   .average = i / 2 % 2};
        pool_check(&p, 2, i);
    }
}

static void test_pool_when_global(void **state)
{
    (void)state;
    table_with_halves();
    for (unsigned average = 0; average < 2; average++) {
        const struct cnn_pool p = {.in_h = 30,
                                   .in_w = 31,
                                   .channels = 37,
                                   .out_h = 1,
                                   .out_w = 1,
                                   .kernel_h = 30,
                                   .kernel_w = 31,
                                   .stride_h = 30,
                                   .stride_w = 31,
                                   .average = average};
        pool_check(&p, 2, 7);
    }
}

/* ---- Element by element ---- */

static struct pair pair_copy(struct pair from)
{
    struct pair p = pair_new(from.size);
    memcpy(p.floats, from.floats, p.size * sizeof *p.floats);
    memcpy(p.halves, from.halves, p.size * sizeof *p.halves);
    return p;
}

/* Outputs that backward reads: as bfloat16 stores them, in both tables. */
static struct pair outputs_of(const struct cnn_kernels *k, struct cnn_activation a,
                              struct cnn_rows rows, struct pair x)
{
    struct pair y = pair_new(x.size);
    k->activation_forward(a, rows, x.floats, y.floats);
    pair_round(y);
    return y;
}

static void activation_compare(const struct cnn_kernels *k, struct cnn_activation a,
                               struct cnn_rows rows, struct pair x)
{
    char what[128];
    const size_t size = rows.count * rows.channels;
    struct pair y = pair_new(size), stored = outputs_of(k, a, rows, x), dy = pair_random(size, 3),
                dx = pair_new(size), inside = pair_copy(dy), over = pair_copy(x);
    const bool needs = cnn_activation_needs_input(a);
    snprintf(what, sizeof what, "activation %d, %zu x %zu", (int)a.kind, rows.count, rows.channels);
    k->activation_forward(a, rows, x.floats, y.floats);
    k->activation_backward(a, rows, needs ? x.floats : NULL, stored.floats, dy.floats, dx.floats);
    const struct cnn_kernels *h = k->halves;
    float *input = needs ? as_floats(x.halves) : NULL, *output = as_floats(stored.halves);
    h->activation_forward(a, rows, as_floats(x.halves), as_floats(y.halves));
    h->activation_backward(a, rows, input, output, as_floats(dy.halves), as_floats(dx.halves));
    expect_rounded(what, y), expect_rounded(what, dx);
    h->activation_forward(a, rows, as_floats(over.halves), as_floats(over.halves));
    h->activation_backward(a, rows, input, output, as_floats(inside.halves),
                           as_floats(inside.halves));
    assert_memory_equal(over.halves, y.halves, size * sizeof *y.halves);
    assert_memory_equal(inside.halves, dx.halves, size * sizeof *dx.halves);
    pair_free(y), pair_free(stored), pair_free(dy);
    pair_free(dx), pair_free(inside), pair_free(over);
}

static void test_activation_when_sizes_are_odd(void **state)
{
    (void)state;
    static const struct cnn_rows shapes[] = {{1, 1}, {7, 3}, {513, 1}, {3, 1031}, {700, 33}};
    const struct cnn_kernels *k = table_with_halves();
    for (size_t i = 0; i < COUNT(shapes) * COUNT(activations); i++) {
        const struct cnn_rows rows = shapes[i % COUNT(shapes)];
        struct pair x = pair_random(rows.count * rows.channels, (unsigned)i);
        for (size_t j = 0; j < x.size; j++)
            x.floats[j] *= 7;
        if (i % 2)
            x.floats[x.size / 2] = NAN;
        pair_round(x);
        for (size_t t = 0; t < COUNT(thread_counts); t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            activation_compare(k, activations[i / COUNT(shapes)], rows, x);
        }
        pair_free(x);
    }
    cnn_parallel_set_threads(0);
}

#define SUMMED ((size_t)3)

static void sum_check(const struct cnn_kernels *k, struct cnn_activation a, size_t size)
{
    struct pair x[SUMMED], dx[SUMMED], y = pair_new(size), dy = pair_random(size, 5), stored;
    const float *floats[SUMMED], *halves[SUMMED];
    float *to_floats[SUMMED], *to_halves[SUMMED];
    for (unsigned i = 0; i < SUMMED; i++) {
        x[i] = pair_random(size, i), dx[i] = pair_new(size);
        floats[i] = x[i].floats, halves[i] = as_floats(x[i].halves);
        to_floats[i] = dx[i].floats, to_halves[i] = as_floats(dx[i].halves);
    }
    k->sum(SUMMED, size, floats, a, y.floats);
    k->halves->sum(SUMMED, size, halves, a, as_floats(y.halves));
    expect_rounded("sum", y);
    stored = pair_copy(y);
    pair_round(stored);
    to_floats[1] = to_halves[1] = NULL; /* not wanted */
    k->sum_backward(SUMMED, size, a, stored.floats, dy.floats, to_floats);
    k->halves->sum_backward(SUMMED, size, a, as_floats(stored.halves), as_floats(dy.halves),
                            to_halves);
    expect_rounded("gradient of a sum", dx[0]), expect_rounded("gradient of a sum", dx[2]);
    for (size_t i = 0; i < SUMMED; i++)
        pair_free(x[i]), pair_free(dx[i]);
    pair_free(y), pair_free(dy), pair_free(stored);
}

static void test_sum_when_sizes_are_odd(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 15, 513, 40001};
    const struct cnn_kernels *k = table_with_halves();
    for (size_t i = 0; i < COUNT(sizes) * ONLY_OUTPUT; i++)
        for (size_t t = 0; t < COUNT(thread_counts); t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            sum_check(k, activations[i / COUNT(sizes)], sizes[i % COUNT(sizes)]);
        }
    cnn_parallel_set_threads(0);
}

/* s and b, and their gradients, are floats. */
static void scale_backward_check(const struct cnn_kernels *k, const struct cnn_scale *c,
                                 struct pair x, const float *s)
{
    const size_t factors = c->images * c->channels, room = k->scale_scratch_floats(c);
    struct pair dy = pair_random(x.size, 8), dx = pair_new(x.size);
    float *want = tensor_new(2 * factors), *got = tensor_new(2 * factors),
          *scratch = tensor_new(room);
    const struct cnn_scale_gradients floats = {dx.floats, want, want + factors},
                                     halves = {as_floats(dx.halves), got, got + factors},
                                     sums = {NULL, got, NULL};
    k->scale_backward(c, x.floats, s, dy.floats, &floats, scratch);
    k->halves->scale_backward(c, as_floats(x.halves), s, as_floats(dy.halves), &halves, scratch);
    assert_floats_same("gradients of a scale", got, want, 2 * factors);
    expect_rounded("gradient of a scale", dx);
    k->halves->scale_backward(c, as_floats(x.halves), s, as_floats(dy.halves), &sums, scratch);
    assert_floats_same("gradients of a scale", got, want, 2 * factors);
    tensor_free(want, 2 * factors), tensor_free(got, 2 * factors), tensor_free(scratch, room);
    pair_free(dy), pair_free(dx);
}

static void scale_check(const struct cnn_kernels *k, const struct cnn_scale *c, unsigned parts)
{
    const size_t size = c->images * c->pixels * c->channels, factors = c->images * c->channels;
    struct pair x = pair_random(size, 1), y = pair_new(size), over = pair_copy(x);
    float *s = tensor_random(factors, 6), *b = tensor_random(factors, 7);
    const float *scale = parts & 1 ? s : NULL, *shift = parts & 2 ? b : NULL;
    assert_int_equal(k->halves->scale_scratch_floats(c), k->scale_scratch_floats(c));
    k->scale_forward(c, x.floats, scale, shift, y.floats);
    k->halves->scale_forward(c, as_floats(x.halves), scale, shift, as_floats(y.halves));
    k->halves->scale_forward(c, as_floats(over.halves), scale, shift, as_floats(over.halves));
    expect_rounded("scale", y);
    assert_memory_equal(over.halves, y.halves, size * sizeof *y.halves);
    scale_backward_check(k, c, x, scale);
    tensor_free(s, factors), tensor_free(b, factors);
    pair_free(x), pair_free(y), pair_free(over);
}

static void test_scale_when_images_are_small_and_large(void **state)
{
    (void)state;
    /* images, pixels, channels */
    static const size_t sizes[][3] = {{1, 1, 1},    {5, 7, 3},      {3, 1, 1500},
                                      {2, 900, 33}, {1, 4000, 100}, {2, 5, 2500}};
    const struct cnn_kernels *k = table_with_halves();
    for (unsigned i = 0; i < COUNT(sizes) * COUNT(activations); i++) {
        const size_t *size = sizes[i % COUNT(sizes)];
        const struct cnn_scale c = {.images = size[0],
                                    .pixels = size[1],
                                    .channels = size[2],
                                    .negative = i % 4 == 1,
                                    .activation = activations[i / COUNT(sizes)]};
        for (size_t t = 0; t < COUNT(thread_counts); t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            scale_check(k, &c, 1 + i % 3);
        }
    }
    cnn_parallel_set_threads(0);
}

/* ---- Normalisation of groups ---- */

static void group_norm_check(const struct cnn_kernels *k, const struct cnn_group_norm *g)
{
    const size_t size = g->images * g->pixels * g->channels, saved = 2 * g->images * g->groups,
                 room = k->group_norm_scratch_floats(g);
    struct pair x = pair_random(size, 1), y = pair_new(size), dy = pair_random(size, 2),
                dx = pair_new(size), over = pair_copy(x), inside = pair_copy(dy);
    float *gamma = tensor_random(g->channels, 3), *beta = tensor_random(g->channels, 4),
          *statistics = tensor_new(saved), *want = tensor_new(2 * g->channels),
          *got = tensor_new(2 * g->channels), *scratch = tensor_new(room);
    struct cnn_group_norm_arrays a = {.gamma = gamma,
                                      .beta = beta,
                                      .statistics = statistics,
                                      .scratch = scratch,
                                      .dgamma = want,
                                      .dbeta = want + g->channels};
    assert_int_equal(k->halves->group_norm_scratch_floats(g), room);
    k->group_norm_forward(g, &a, x.floats, y.floats);
    k->group_norm_backward(g, &a, x.floats, dy.floats, dx.floats);
    memset(statistics, 0, saved * sizeof *statistics);
    a.dgamma = got, a.dbeta = got + g->channels;
    k = k->halves;
    k->group_norm_forward(g, &a, as_floats(x.halves), as_floats(y.halves));
    k->group_norm_backward(g, &a, as_floats(x.halves), as_floats(dy.halves), as_floats(dx.halves));
    expect_rounded("group_norm", y), expect_rounded("gradient of a group_norm", dx);
    assert_floats_same("gradients of a group_norm", got, want, 2 * g->channels);
    k->group_norm_backward(g, &a, as_floats(x.halves), as_floats(inside.halves),
                           as_floats(inside.halves));
    k->group_norm_forward(g, &a, as_floats(over.halves), as_floats(over.halves));
    assert_memory_equal(over.halves, y.halves, size * sizeof *y.halves);
    assert_memory_equal(inside.halves, dx.halves, size * sizeof *dx.halves);
    tensor_free(gamma, g->channels), tensor_free(beta, g->channels);
    tensor_free(statistics, saved), tensor_free(scratch, room);
    tensor_free(want, 2 * g->channels), tensor_free(got, 2 * g->channels);
    pair_free(x), pair_free(y), pair_free(dy), pair_free(dx), pair_free(over), pair_free(inside);
}

static void test_group_norm_when_sizes_are_odd(void **state)
{
    (void)state;
    /* images, pixels, channels, groups */
    static const size_t sizes[][4] = {{3, 49, 24, 4}, {1, 5, 7, 7},    {200, 1, 96, 1},
                                      {7, 1, 33, 1},  {40, 1, 770, 1}, {2, 100, 34, 2},
                                      {9, 1, 1, 1},   {600, 1, 16, 1}};
    const struct cnn_kernels *k = table_with_halves();
    for (size_t i = 0; i < COUNT(sizes) * COUNT(thread_counts); i++) {
        const size_t *size = sizes[i / COUNT(thread_counts)];
        const struct cnn_group_norm g = {.images = size[0],
                                         .pixels = size[1],
                                         .channels = size[2],
                                         .groups = size[3],
                                         .eps = 1e-5f};
        cnn_parallel_set_threads(thread_counts[i % COUNT(thread_counts)]);
        group_norm_check(k, &g);
    }
    cnn_parallel_set_threads(0);
}

/* ---- What is moved or dropped ---- */

/* Both tables start from arrays that hold the same, so that what is left alone is seen. */
static void move_check(const struct cnn_kernels *k, size_t rows, size_t channels)
{
    const size_t first = channels / 3, count = channels - first - channels / 4;
    const struct cnn_channel_range range = {channels, first, count};
    struct pair x = pair_random(rows * channels, 1), part = pair_new(rows * count),
                back = pair_new(x.size), turned = pair_new(x.size), wide = pair_random(x.size, 2);
    k->take_channels(rows, &range, x.floats, part.floats);
    k->put_channels(rows, &range, part.floats, back.floats);
    k->transpose(1, rows, channels, x.floats, turned.floats);
    k->copy(rows, count, part.floats, count, wide.floats + first, channels);
    k = k->halves;
    k->take_channels(rows, &range, as_floats(x.halves), as_floats(part.halves));
    k->put_channels(rows, &range, as_floats(part.halves), as_floats(back.halves));
    k->transpose(1, rows, channels, as_floats(x.halves), as_floats(turned.halves));
    k->copy(rows, count, as_floats(part.halves), count, as_floats(wide.halves + first), channels);
    expect_rounded("take_channels", part), expect_rounded("put_channels", back);
    expect_rounded("transpose", turned), expect_rounded("copy", wide);
    k->copy(rows, channels, as_floats(x.halves), channels, as_floats(x.halves), channels);
    expect_rounded("copy in place", x);
    pair_free(x), pair_free(part), pair_free(back), pair_free(turned), pair_free(wide);
}

static void drop_check(const struct cnn_kernels *k, const struct cnn_drop *d, size_t images)
{
    struct pair x = pair_random(images * d->size, 4), y = pair_new(x.size), all = pair_new(x.size),
                over = pair_copy(x);
    struct cnn_drop whole = *d;
    whole.size = x.size;
    k->dropout(&whole, x.floats, y.floats);
    k->halves->dropout(&whole, as_floats(x.halves), as_floats(y.halves));
    k->halves->dropout(&whole, as_floats(over.halves), as_floats(over.halves));
    k->drop_images(d, images, x.floats, all.floats);
    k->halves->drop_images(d, images, as_floats(x.halves), as_floats(all.halves));
    expect_rounded("dropout", y), expect_rounded("drop_images", all);
    assert_memory_equal(over.halves, y.halves, y.size * sizeof *y.halves);
    pair_free(x), pair_free(y), pair_free(all), pair_free(over);
}

static void test_moves_when_sizes_are_odd(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 5, 333, 2049};
    const struct cnn_kernels *k = table_with_halves();
    for (size_t i = 0; i < COUNT(rows) * COUNT(channel_counts) * COUNT(thread_counts); i++) {
        const size_t r = rows[i / 2 % COUNT(rows)], c = channel_counts[i / 2 / COUNT(rows)];
        cnn_parallel_set_threads(thread_counts[i % 2]);
        move_check(k, r, c);
        drop_check(k, &(struct cnn_drop){.first = 37 * i, .size = c, .rate = 0.3, .seed = i}, r);
    }
    cnn_parallel_set_threads(0);
}

/* Those that are halfway between two numbers go to the even one; none is cut off. */
static void test_living_channels_when_zeros_have_signs(void **state)
{
    (void)state;
    const struct cnn_kernels *k = table_with_halves()->halves;
    /* 0, -0, the least number, NaN */
    static uint16_t x[] = {0, 0x8000, 0x8001, 0, 0, 0, 0, 0x7fc0};
    bool living[4] = {true};
    assert_int_equal(k->find_living(1, 4, as_floats(x), living), 1);
    assert_true(living[0] && !living[1] && living[2] && !living[3]);
    assert_int_equal(k->find_living(2, 4, as_floats(x), living), 1);
    assert_true(!living[1] && living[3]);
    assert_int_equal(k->find_living(2, 4, as_floats(x), living), 0);
}

static void test_rounding_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k = table_with_halves();
    const struct cnn_batch_norm b = {.rows = 1, .channels = 6};
    /* 1 + 2^-8 is halfway from 1 to 1 + 2^-7 */
    float zeros[6] = {0}, ones[6] = {1, 1, 1, 1, 1, 1},
          beta[6] = {1 + 0x1p-8f,  1 + 3 * 0x1p-8f, 1 + 0x1.8p-8f,
                     -1 - 0x1p-8f, 0x1.fffffep127f, 1e-40f};
    static const uint16_t want[6] = {0x3f80, 0x3f82, 0x3f81, 0xbf80, 0x7f80, 0};
    uint16_t x[6] = {0}, y[6];
    k->halves->batch_norm_forward(&b, &(struct cnn_batch_norm_arrays){.x = as_floats(x),
                                                                      .mean = zeros,
                                                                      .var = ones,
                                                                      .gamma = ones,
                                                                      .beta = beta,
                                                                      .y = as_floats(y)});
    assert_memory_equal(y, want, sizeof y);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_living_channels_when_zeros_have_signs),
        cmocka_unit_test(test_rounding_when_worked_out_by_hand),
        cmocka_unit_test(test_batch_norm_when_sizes_are_odd),
        cmocka_unit_test(test_batch_norm_when_rows_are_many),
        cmocka_unit_test(test_batch_norm_with_pool_when_sizes_are_odd),
        cmocka_unit_test(test_batch_norm_when_input_is_nan),
        cmocka_unit_test(test_pool_when_geometry_is_random),
        cmocka_unit_test(test_pool_when_rows_are_long),
        cmocka_unit_test(test_pool_when_global),
        cmocka_unit_test(test_activation_when_sizes_are_odd),
        cmocka_unit_test(test_sum_when_sizes_are_odd),
        cmocka_unit_test(test_scale_when_images_are_small_and_large),
        cmocka_unit_test(test_group_norm_when_sizes_are_odd),
        cmocka_unit_test(test_moves_when_sizes_are_odd),
    };
    return cmocka_run_group_tests_name("kernels_halves", tests, NULL, NULL);
}
