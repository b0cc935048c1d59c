/* Convolution: the plain C versions against values worked out by hand, every other table against
 * plain C. */
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
#include "kernels/kernels.h"
#include "tables.h"
#include "util/parallel.h"

static const struct cnn_activation no_activation = {.kind = CNN_ACT_NONE};
static const int thread_counts[] = {1, 2, 5};

struct conv_result {
    float *y, *dx, *dw, *db;
};

struct conv_sizes {
    size_t x, y, w, packed, packed_back, scratch;
};

static struct conv_sizes conv_sizes(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n)
{
    return (struct conv_sizes){
        .x = n * c->in_h * c->in_w * c->in_c,
        .y = n * c->out_h * c->out_w * c->out_c,
        .w = c->out_c * (c->in_c / c->groups) * c->kernel_h * c->kernel_w,
        .packed = k->conv_packed_floats(c, false),
        .packed_back = k->conv_packed_floats(c, true),
        .scratch = k->conv_scratch_floats(c, n),
    };
}

static struct conv_result conv_run(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n,
                                   struct cnn_activation activation, bool with_bias)
{
    struct conv_sizes size = conv_sizes(k, c, n);
    float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
          *bias = tensor_random(c->out_c, 3), *dy = tensor_random(size.y, 4);
    float *packed = tensor_new(size.packed), *back = tensor_new(size.packed_back),
          *scratch = tensor_new(size.scratch);
    struct conv_result r = {tensor_new(size.y), tensor_new(size.x), tensor_new(size.w),
                            tensor_new(c->out_c)};
    const struct cnn_epilogue epilogue = {.bias = with_bias ? bias : NULL,
                                          .activation = activation};
    struct cnn_conv_forward pass = {
        .n = n, .x = x, .packed = packed, .epilogue = &epilogue, .y = r.y, .scratch = scratch};
    k->conv_pack(c, false, w, NULL, packed);
    k->conv_forward(c, &pass);
    k->conv_pack(c, true, w, NULL, back);
    k->conv_backward_data(c, &(struct cnn_conv_backward_data){
                                 .n = n, .dy = dy, .packed = back, .dx = r.dx, .scratch = scratch});
    k->conv_backward_weights(c, &(struct cnn_conv_backward_weights){.n = n,
                                                                    .x = x,
                                                                    .dy = dy,
                                                                    .dw = r.dw,
                                                                    .db = with_bias ? r.db : NULL,
                                                                    .scratch = scratch});
    tensor_free(x, size.x);
    tensor_free(w, size.w);
    tensor_free(bias, c->out_c);
    tensor_free(dy, size.y);
    tensor_free(packed, size.packed);
    tensor_free(back, size.packed_back);
    tensor_free(scratch, size.scratch);
    return r;
}

static void conv_result_free(struct conv_result r, struct conv_sizes size, size_t out_c)
{
    tensor_free(r.y, size.y);
    tensor_free(r.dx, size.x);
    tensor_free(r.dw, size.w);
    tensor_free(r.db, out_c);
}

typedef void check_floats(const char *what, const float *got, const float *want, size_t size);

static void check_near(const char *what, const float *got, const float *want, size_t size)
{
    assert_floats_near(what, got, want, size, 1e-5);
}

/* Winograd's transforms round more. */
static void check_roughly(const char *what, const float *got, const float *want, size_t size)
{
    assert_floats_near(what, got, want, size, 1e-4);
}

/* Rounding to bfloat16 is off by 1/512 at most, that of each product by twice as much. */
static void check_bf16(const char *what, const float *got, const float *want, size_t size)
{
    assert_floats_near(what, got, want, size, 1e-2);
}

static void conv_results_check(check_floats *check, const char *label, struct conv_result got,
                               struct conv_result want, struct conv_sizes size, size_t out_c)
{
    struct {
        const char *name;
        const float *got, *want;
        size_t size;
    } parts[] = {{"y", got.y, want.y, size.y},
                 {"dx", got.dx, want.dx, size.x},
                 {"dw", got.dw, want.dw, size.w},
                 {"db", got.db, want.db, out_c}};
    for (size_t i = 0; i < 4; i++) {
        char what[320];
        snprintf(what, sizeof what, "%s: %s", label, parts[i].name);
        check(what, parts[i].got, parts[i].want, parts[i].size);
    }
}

/* Every table against ref, and the same bits for every number of threads. */
static void conv_check(const struct cnn_conv *c, size_t n, struct cnn_activation activation,
                       bool with_bias)
{
    const struct cnn_kernels *ref = cnn_kernels_at(0), *k;
    struct conv_sizes size = conv_sizes(ref, c, n);
    struct conv_result want = conv_run(ref, c, n, activation, with_bias);
    for (size_t i = 1; (k = TABLE_WITH_OWN(conv_forward, i)); i++) {
        char label[256];
        snprintf(label, sizeof label,
                 "%s conv n=%zu in=%zux%zux%zu out=%zux%zux%zu kernel=%zux%zu stride=%zux%zu "
                 "dilation=%zux%zu pad=%zu,%zu groups=%zu mode=%d act=%d",
                 k->name, n, c->in_h, c->in_w, c->in_c, c->out_h, c->out_w, c->out_c, c->kernel_h,
                 c->kernel_w, c->stride_h, c->stride_w, c->dilation_h, c->dilation_w, c->pad_top,
                 c->pad_left, c->groups, (int)c->padding_mode, (int)activation.kind);
        cnn_parallel_set_threads(thread_counts[0]);
        struct conv_result one = conv_run(k, c, n, activation, with_bias);
        conv_results_check(c->bf16     ? check_bf16
                           : c->direct ? check_near
                                       : check_roughly,
                           label, one, want, size, c->out_c);
        for (size_t t = 1; t < sizeof thread_counts / sizeof *thread_counts; t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            struct conv_result more = conv_run(k, c, n, activation, with_bias);
            conv_results_check(assert_floats_same, label, more, one, size, c->out_c);
            conv_result_free(more, size, c->out_c);
        }
        conv_result_free(one, size, c->out_c);
    }
    conv_result_free(want, size, c->out_c);
    cnn_parallel_set_threads(0);
}

static void test_conv_when_usual_networks(void **state)
{
    (void)state;
    struct cnn_activation relu = {.kind = CNN_ACT_RELU};
    struct cnn_conv cases[] = {
        conv_square((struct square){28, 1, 6, 5, 1, 2, 1, 1}),
        conv_square((struct square){32, 3, 32, 3, 1, 1, 1, 1}),
        conv_square((struct square){9, 64, 64, 3, 1, 1, 1, 1}),
        conv_square((struct square){10, 64, 128, 3, 2, 1, 1, 1}),
        conv_square((struct square){35, 3, 24, 11, 4, 2, 1, 1}),
        conv_square((struct square){30, 3, 16, 7, 2, 3, 1, 1}),
        conv_square((struct square){14, 48, 33, 1, 1, 0, 1, 1}),
        conv_square((struct square){15, 33, 64, 1, 2, 0, 1, 1}),
        conv_square((struct square){10, 64, 64, 3, 1, 1, 1, 64}),
        conv_square((struct square){15, 64, 64, 3, 2, 1, 1, 64}),
        conv_square((struct square){13, 17, 34, 5, 1, 2, 1, 17}),
        conv_square((struct square){9, 64, 64, 3, 1, 1, 1, 4}),
        conv_square((struct square){1, 100, 10, 1, 1, 0, 1, 1}),
        conv_square((struct square){1, 1031, 70, 1, 1, 0, 1, 1}),
        conv_square((struct square){6, 300, 17, 3, 1, 1, 1, 1}),
        conv_square((struct square){17, 16, 16, 3, 1, 2, 2, 1}),
        conv_square((struct square){6, 16, 120, 6, 1, 0, 1, 1}),
        conv_square((struct square){5, 1, 3, 1, 1, 0, 1, 1}),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        conv_check(&cases[i], 1 + i % 5, i % 2 ? relu : no_activation, i % 3 != 0);
}

/* Tasks of several images, the last of fewer, whose rows of taps overlap; more taps than a panel
 * holds; rows and columns that nothing reads. */
static void test_conv_when_channels_are_few(void **state)
{
    (void)state;
    struct cnn_conv cases[] = {conv_square((struct square){11, 3, 17, 5, 1, 2, 1, 1}),
                               conv_square((struct square){12, 2, 9, 3, 4, 0, 1, 1}),
                               conv_square((struct square){24, 3, 8, 14, 5, 4, 1, 1}),
                               conv_square((struct square){10, 3, 5, 3, 2, 3, 1, 1})};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        conv_check(&cases[i], 37 - 3 * i, no_activation, i % 2 == 0);
}

/* Sums of pairs: odd numbers of channels, filters and pixels, strides, dilation, groups, padding
 * that is copied, dense layers and 1x1 with odd and even numbers of pixels, maps and channels cut
 * into blocks, chunks and slices. */
static void test_conv_when_bf16(void **state)
{
    (void)state;
    struct cnn_activation relu = {.kind = CNN_ACT_RELU};
    struct cnn_conv cases[] = {
        conv_square((struct square){13, 5, 7, 3, 2, 1, 1, 1}),
        conv_square((struct square){32, 64, 128, 3, 2, 1, 1, 1}),
        conv_square((struct square){12, 33, 47, 3, 2, 1, 1, 1}),
        conv_square((struct square){30, 6, 16, 7, 2, 3, 1, 1}),
        conv_square((struct square){15, 33, 64, 1, 2, 0, 1, 1}),
        conv_square((struct square){14, 64, 33, 1, 1, 0, 1, 1}),
        conv_square((struct square){7, 17, 31, 1, 1, 0, 1, 1}),
        conv_square((struct square){9, 64, 64, 3, 1, 1, 1, 4}),
        conv_square((struct square){11, 15, 21, 4, 3, 2, 1, 3}),
        conv_square((struct square){17, 16, 18, 3, 1, 2, 2, 1}),
        conv_square((struct square){17, 18, 16, 2, 2, 3, 3, 1}),
        conv_square((struct square){1, 2100, 70, 1, 1, 0, 1, 1}),
        conv_square((struct square){14, 6, 16, 5, 1, 0, 1, 1}),
        conv_square((struct square){6, 300, 17, 3, 1, 1, 1, 1}),
        conv_square((struct square){35, 4, 24, 11, 4, 2, 1, 1}),
        conv_square((struct square){10, 96, 40, 1, 2, 3, 1, 1}),
        /* few channels: pairs in a row, of which the last may have a number of no tap */
        conv_square((struct square){30, 3, 16, 7, 2, 3, 1, 1}),
        conv_square((struct square){35, 3, 40, 11, 4, 2, 1, 1}),
        conv_square((struct square){17, 1, 9, 5, 2, 2, 1, 1}),
        conv_square((struct square){12, 2, 33, 3, 1, 1, 1, 1}),
        conv_square((struct square){13, 3, 8, 3, 2, 0, 1, 1}),
        conv_square((struct square){33, 3, 64, 4, 2, 2, 1, 1}),
        /* and where windows begin with the second of a pair */
        conv_square((struct square){12, 3, 16, 3, 1, 1, 1, 1}),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cases[i].bf16 = true;
        cases[i].padding_mode = i % 4 == 2   ? CNN_PAD_REFLECT
                                : i % 4 == 3 ? CNN_PAD_REPLICATE
                                             : CNN_PAD_ZEROS;
        conv_check(&cases[i], 1 + i % 6, i % 2 ? relu : no_activation, i % 3 != 0);
    }
    struct cnn_conv forward = conv_square((struct square){14, 48, 32, 3, 1, 1, 1, 1});
    forward.direct = false;
    forward.bf16 = forward.forward_only = true;
    conv_check(&forward, 3, relu, true);
    struct cnn_conv many = conv_square((struct square){8, 32, 96, 3, 2, 1, 1, 1});
    many.bf16 = true;
    conv_check(&many, 131, no_activation, true);
}

/* Of a few channels each, an even number of which are multiplied as one; of one image, and of so
 * many that sums are taken of chunks. */
static void test_conv_when_groups_are_narrow(void **state)
{
    (void)state;
    struct cnn_activation relu = {.kind = CNN_ACT_RELU};
    struct cnn_conv cases[] = {
        conv_square((struct square){13, 32, 32, 3, 1, 1, 1, 8}),
        conv_square((struct square){12, 48, 96, 3, 2, 1, 1, 12}),
        conv_square((struct square){9, 80, 40, 3, 1, 2, 2, 10}),
        conv_square((struct square){11, 30, 36, 5, 3, 2, 1, 6}),
        conv_square((struct square){10, 56, 40, 2, 1, 0, 1, 8}),
        conv_square((struct square){8, 64, 64, 1, 1, 0, 1, 16}),
        conv_square((struct square){7, 64, 128, 3, 1, 1, 1, 16}),
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        struct cnn_conv c = cases[i / 2];
        c.bf16 = i % 2;
        c.padding_mode = i % 6 == 4   ? CNN_PAD_REFLECT
                         : i % 6 == 5 ? CNN_PAD_REPLICATE
                                      : CNN_PAD_ZEROS;
        conv_check(&c, i % 5 == 2 ? 70 : 1 + i % 3, i % 3 ? relu : no_activation, i % 4 != 0);
    }
    struct cnn_conv small = conv_square((struct square){14, 64, 64, 3, 1, 1, 1, 4});
    small.direct = false;
    small.bf16 = true;
    conv_check(&small, 3, relu, true);
}

/* What is pooled on the way is what pooling makes of the output. */
static void pooled_check(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n,
                         bool average)
{
    const struct cnn_pool pool = pool_behind(c, average);
    struct conv_sizes size = conv_sizes(k, c, n);
    size_t pooled = n * pool.out_h * pool.out_w * c->out_c;
    float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
          *bias = tensor_random(c->out_c, 3), *packed = tensor_new(size.packed);
    float *scratch = tensor_new(size.scratch), *y = tensor_new(size.y), *want = tensor_new(pooled),
          *got = tensor_new(pooled);
    struct cnn_epilogue epilogue = {.bias = bias, .activation = {.kind = CNN_ACT_TANH}};
    struct cnn_conv_forward pass = {
        .n = n, .x = x, .packed = packed, .epilogue = &epilogue, .y = y, .scratch = scratch};
    k->conv_pack(c, false, w, NULL, packed);
    k->conv_forward(c, &pass);
    k->pool_forward(&pool, n, y, want, NULL);
    epilogue.pool = &pool;
    pass.y = got;
    k->conv_forward(c, &pass);
    assert_floats_near(k->name, got, want, pooled, 1e-6);
    tensor_free(x, size.x);
    tensor_free(w, size.w);
    tensor_free(bias, c->out_c);
    tensor_free(packed, size.packed);
    tensor_free(scratch, size.scratch);
    tensor_free(y, size.y);
    tensor_free(want, pooled);
    tensor_free(got, pooled);
}

/* Filters that are packed with a scale compute as filters that were multiplied by it before. */
static void scale_check(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n)
{
    struct conv_sizes size = conv_sizes(k, c, n);
    size_t filter = size.w / c->out_c;
    float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
          *scale = tensor_random(c->out_c, 3), *packed = tensor_new(size.packed),
          *scratch = tensor_new(size.scratch), *want = tensor_new(size.y),
          *got = tensor_new(size.y);
    const struct cnn_epilogue plain = {.bias = NULL};
    struct cnn_conv_forward pass = {
        .n = n, .x = x, .packed = packed, .epilogue = &plain, .y = got, .scratch = scratch};
    k->conv_pack(c, false, w, scale, packed);
    k->conv_forward(c, &pass);
    for (size_t i = 0; i < size.w; i++)
        w[i] *= scale[i / filter];
    pass.y = want;
    k->conv_pack(c, false, w, NULL, packed);
    k->conv_forward(c, &pass);
    (c->bf16 ? check_bf16 : check_roughly)(k->name, got, want, size.y);
    tensor_free(x, size.x);
    tensor_free(w, size.w);
    tensor_free(scale, c->out_c);
    tensor_free(packed, size.packed);
    tensor_free(scratch, size.scratch);
    tensor_free(want, size.y);
    tensor_free(got, size.y);
}

static void test_conv_when_filters_are_scaled(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct cnn_conv cases[] = {conv_square((struct square){13, 5, 7, 3, 1, 1, 1, 1}),
                               conv_square((struct square){8, 64, 48, 3, 1, 1, 1, 1}),
                               /* weights transformed late */
                               conv_square((struct square){8, 256, 512, 3, 1, 1, 1, 1}),
                               conv_square((struct square){9, 20, 40, 3, 2, 1, 1, 2}),
                               conv_square((struct square){9, 3, 40, 3, 2, 1, 1, 1}),
                               conv_square((struct square){6, 33, 33, 3, 1, 1, 1, 33}),
                               conv_square((struct square){3, 150, 37, 1, 1, 0, 1, 1}),
                               conv_square((struct square){1, 70, 19, 1, 1, 0, 1, 1})};
    for (size_t i = 0; (k = TABLE_WITH_OWN(conv_forward, i)); i++)
        for (size_t j = 0; j < 3 * sizeof cases / sizeof *cases; j++) {
            struct cnn_conv c = cases[j / 3];
            c.direct = j % 3 != 0;
            c.bf16 = j % 3 == 2;
            scale_check(k, &c, 2);
        }
}

/* What is added and activated on the way is what layers of their own make of the output; bit for
 * bit, for the order is the same. */
static void epilogue_check(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n,
                           struct cnn_activation activation, bool adds)
{
    struct conv_sizes size = conv_sizes(k, c, n);
    float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
          *bias = tensor_random(c->out_c, 3), *residual = tensor_random(size.y, 4),
          *packed = tensor_new(size.packed), *scratch = tensor_new(size.scratch),
          *want = tensor_new(size.y), *got = tensor_new(size.y);
    struct cnn_epilogue epilogue = {.bias = bias};
    struct cnn_conv_forward pass = {
        .n = n, .x = x, .packed = packed, .epilogue = &epilogue, .y = want, .scratch = scratch};
    k->conv_pack(c, false, w, NULL, packed);
    k->conv_forward(c, &pass);
    if (adds)
        k->sum(2, size.y, (const float *[]){want, residual}, no_activation, want);
    k->activation_forward(activation, (struct cnn_rows){size.y / c->out_c, c->out_c}, want, want);
    epilogue.residual = adds ? residual : NULL, epilogue.activation = activation;
    pass.y = got;
    k->conv_forward(c, &pass);
    assert_memory_equal(got, want, size.y * sizeof *got);
    tensor_free(x, size.x);
    tensor_free(w, size.w);
    tensor_free(bias, c->out_c);
    tensor_free(residual, size.y);
    tensor_free(packed, size.packed);
    tensor_free(scratch, size.scratch);
    tensor_free(want, size.y);
    tensor_free(got, size.y);
}

/* A cut leaves something on both sides. */
static const struct cnn_activation epilogue_activations[] = {
    {.kind = CNN_ACT_RELU},
    {.kind = CNN_ACT_RELU6},
    {.kind = CNN_ACT_CLIP, .min = -0.4f, .max = 0.3f},
    {.kind = CNN_ACT_ELU},
};

static void epilogues_check(const struct cnn_conv *cases, size_t count, bool adds)
{
    const struct cnn_kernels *k;
    for (size_t i = 1; (k = TABLE_WITH_OWN(conv_forward, i)); i++)
        for (size_t j = 0; j < 3 * count; j++) {
            struct cnn_conv c = cases[j / 3];
            c.direct = j % 3 != 0;
            c.bf16 = j % 3 == 2;
            epilogue_check(k, &c, 1 + j % 4, epilogue_activations[(i + j) % 4], adds);
        }
}

static void test_conv_with_a_residual(void **state)
{
    (void)state;
    const struct cnn_conv cases[] = {
        /* few filters */
        conv_square((struct square){13, 5, 7, 3, 1, 1, 1, 1}),
        conv_square((struct square){11, 64, 48, 3, 1, 1, 1, 1}),
        /* weights transformed late */
        conv_square((struct square){7, 512, 512, 3, 1, 1, 1, 1}),
        conv_square((struct square){9, 20, 40, 3, 2, 1, 1, 2}),
        /* sums in two pieces */
        conv_square((struct square){3, 1500, 37, 1, 1, 0, 1, 1}),
        conv_square((struct square){1, 70, 19, 1, 1, 0, 1, 1}),
    };
    epilogues_check(cases, sizeof cases / sizeof *cases, true);
}

static void test_conv_when_activated(void **state)
{
    (void)state;
    const struct cnn_conv cases[] = {
        conv_square((struct square){13, 5, 7, 3, 1, 1, 1, 1}),
        conv_square((struct square){12, 5, 8, 3, 1, 1, 1, 1}),
        conv_square((struct square){11, 64, 48, 3, 1, 1, 1, 1}),
        conv_square((struct square){9, 20, 40, 3, 2, 1, 1, 2}),
        conv_square((struct square){9, 24, 24, 3, 1, 1, 1, 24}),
        conv_square((struct square){9, 19, 38, 5, 2, 1, 1, 19}),
        conv_square((struct square){3, 1500, 37, 1, 1, 0, 1, 1}),
        conv_square((struct square){1, 70, 19, 1, 1, 0, 1, 1}),
    };
    epilogues_check(cases, sizeof cases / sizeof *cases, false);
}

/* Pairs go by Winograd's algorithm where it saves much, whatever the number of images. */
static void test_conv_when_forward_only(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 1; (k = TABLE_WITH_OWN(conv_forward, i)); i++)
        for (size_t size = 7; size <= 28; size *= 2) {
            struct cnn_conv c = conv_square((struct square){size, 32, 32, 3, 1, 1, 1, 1});
            const size_t floats = k->conv_packed_floats(&c, false);
            c.bf16 = true;
            const size_t plain = k->conv_packed_floats(&c, false);
            c.direct = false;
            const size_t winograd = k->conv_packed_floats(&c, false);
            c.forward_only = true;
            assert_true(winograd > floats);
            assert_int_equal(k->conv_packed_floats(&c, false),
                             plain < floats && size < 28 ? plain : winograd);
        }
}

/* Weights packed on the way give the bits of those packed before. */
static void unpacked_check(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n,
                           enum cnn_activation_kind activation)
{
    struct conv_sizes size = conv_sizes(k, c, n);
    const size_t unpacked = k->dense_scratch_floats(c, n);
    float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
          *bias = tensor_random(c->out_c, 3), *dy = tensor_random(size.y, 4),
          *packed = tensor_new(size.packed), *back = tensor_new(size.packed_back),
          *scratch[2] = {tensor_new(size.scratch), tensor_new(unpacked)},
          *y[2] = {tensor_new(size.y), tensor_new(size.y)},
          *dx[2] = {tensor_new(size.x), tensor_new(size.x)};
    const struct cnn_epilogue epilogue = {.bias = bias, .activation = {.kind = activation}};
    k->conv_pack(c, false, w, NULL, packed);
    k->conv_pack(c, true, w, NULL, back);
    for (size_t i = 0; i < 2; i++) {
        k->conv_forward(c, &(struct cnn_conv_forward){.n = n,
                                                      .x = x,
                                                      .packed = i == 0 ? packed : NULL,
                                                      .w = w,
                                                      .epilogue = &epilogue,
                                                      .y = y[i],
                                                      .scratch = scratch[i]});
        k->conv_backward_data(c, &(struct cnn_conv_backward_data){.n = n,
                                                                  .dy = dy,
                                                                  .packed = i == 0 ? back : NULL,
                                                                  .w = w,
                                                                  .dx = dx[i],
                                                                  .scratch = scratch[i]});
    }
    assert_memory_equal(y[1], y[0], size.y * sizeof *y[0]);
    assert_memory_equal(dx[1], dx[0], size.x * sizeof *dx[0]);
    for (size_t i = 0; i < 2; i++) {
        tensor_free(y[i], size.y);
        tensor_free(dx[i], size.x);
    }
    tensor_free(x, size.x);
    tensor_free(w, size.w);
    tensor_free(bias, c->out_c);
    tensor_free(dy, size.y);
    tensor_free(packed, size.packed);
    tensor_free(back, size.packed_back);
    tensor_free(scratch[0], size.scratch);
    tensor_free(scratch[1], unpacked);
}

static void test_dense_when_not_packed(void **state)
{
    (void)state;
    /* inputs and units about the sizes of tiles, panels and blocks; {1, 1}: the smallest */
    const size_t shapes[][2] = {{1, 1},    {3, 5},    {16, 10},   {17, 33},  {400, 120},
                                {84, 129}, {513, 31}, {1030, 65}, {40, 515}, {1200, 300}};
    const size_t images[] = {1, 5, 16, 131};
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(conv_forward, t)); t++)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t j = 0; j < sizeof images / sizeof *images; j++)
                for (int bf16 = 0; bf16 < 2; bf16++) {
                    const struct cnn_conv c = cnn_conv_dense(shapes[i][0], shapes[i][1], bf16 == 1);
                    unpacked_check(k, &c, images[j], j % 2 == 0 ? CNN_ACT_RELU : CNN_ACT_TANH);
                }
}

static void test_conv_when_pooled(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct cnn_conv cases[] = {conv_square((struct square){13, 5, 7, 3, 1, 1, 1, 1}),
                               conv_square((struct square){66, 16, 33, 3, 1, 1, 1, 1}),
                               conv_square((struct square){9, 20, 40, 3, 2, 1, 1, 2}),
                               conv_square((struct square){21, 3, 33, 3, 2, 1, 1, 1}),
                               conv_square((struct square){6, 34, 19, 1, 1, 0, 1, 1})};
    for (size_t i = 1; (k = TABLE_WITH_OWN(conv_forward, i)); i++)
        for (size_t j = 0; j < 2 * sizeof cases / sizeof *cases; j++) {
            struct cnn_conv c = cases[j / 2];
            c.bf16 = j % 2;
            pooled_check(k, &c, 1 + j, j % 3 == 0);
        }
}

static void test_conv_when_geometry_is_random(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 3, 6, 16, 17, 33, 64};
    unsigned random = 7;
    for (int i = 0; i < 120;) {
        struct cnn_conv c = {.in_h = 1 + pick(&random, 12),
                             .in_w = 1 + pick(&random, 12),
                             .in_c = channels[pick(&random, 7)],
                             .out_c = channels[pick(&random, 7)],
                             .kernel_h = 1 + pick(&random, 5),
                             .kernel_w = 1 + pick(&random, 5),
                             .stride_h = 1 + pick(&random, 3),
                             .stride_w = 1 + pick(&random, 3),
                             .dilation_h = 1 + pick(&random, 2),
                             .dilation_w = 1 + pick(&random, 2),
                             .groups = 1,
                             .direct = true,
                             .bf16 = i % 2};
        unsigned grouping = pick(&random, 4);
        if (grouping == 1) { /* depthwise */
            c.groups = c.in_c;
            c.out_c = c.in_c * (1 + pick(&random, 3));
        } else if (grouping == 2) {
            c.groups = 2 + pick(&random, 2);
            c.in_c *= c.groups;
            c.out_c *= c.groups;
        }
        c.padding_mode = pick(&random, 2) ? CNN_PAD_ZEROS : (enum cnn_padding_mode)pick(&random, 3);
        size_t limit_h = 4, limit_w = 4;
        /* a reflection needs a pixel beyond the edge for each padded one */
        if (c.padding_mode == CNN_PAD_REFLECT)
            limit_h = c.in_h < 4 ? c.in_h : 4, limit_w = c.in_w < 4 ? c.in_w : 4;
        c.pad_top = pick(&random, (unsigned)limit_h), c.pad_left = pick(&random, (unsigned)limit_w);
        c.out_h = size_out(c.in_h, c.pad_top + pick(&random, (unsigned)limit_h), c.kernel_h,
                           c.stride_h, c.dilation_h);
        c.out_w = size_out(c.in_w, c.pad_left + pick(&random, (unsigned)limit_w), c.kernel_w,
                           c.stride_w, c.dilation_w);
        if (!c.out_h || !c.out_w)
            continue;
        struct cnn_activation activation = {
            .kind = (enum cnn_activation_kind)pick(&random, CNN_ACT_SOFTMAX), .slope = 0.1f};
        conv_check(&c, 1 + pick(&random, 5), c.bf16 ? no_activation : activation,
                   pick(&random, 4) != 0);
        i++;
    }
}

/* Maps that tiles of 4 x 4 fit and do not fit, every padding, few and many channels, more images
 * than a block or a chunk holds. */
static void test_conv_when_winograd_applies(void **state)
{
    (void)state;
    static const size_t cases[][8] = {/* n, height, width, channels in and out, padding, groups */
                                      {1, 8, 8, 16, 16, 1, 1, 1},
                                      {2, 7, 9, 32, 16, 1, 1, 1},
                                      {3, 4, 4, 64, 48, 1, 1, 1},
                                      {2, 13, 12, 48, 32, 0, 0, 1},
                                      {1, 6, 5, 16, 32, 2, 2, 1},
                                      {2, 14, 14, 144, 160, 1, 1, 1},
                                      {270, 4, 8, 16, 144, 1, 1, 1},
                                      {2, 10, 11, 16, 272, 2, 0, 1},
                                      {33, 8, 8, 16, 64, 0, 1, 1},
                                      {3, 8, 9, 160, 96, 1, 1, 2},
                                      {140, 5, 8, 48, 144, 1, 1, 3},
                                      /* weights that are transformed late */
                                      {13, 7, 7, 512, 272, 1, 1, 1},
                                      {1, 8, 8, 704, 768, 1, 1, 2}};
    static const enum cnn_activation_kind activations[] = {CNN_ACT_NONE, CNN_ACT_RELU,
                                                           CNN_ACT_LEAKY_RELU, CNN_ACT_SILU};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t *k = cases[i];
        struct cnn_conv c = {.in_h = k[1],
                             .in_w = k[2],
                             .in_c = k[3],
                             .out_h = k[1] + 2 * k[5] - 2,
                             .out_w = k[2] + k[6] + 1 - 2, /* one column of padding on the right */
                             .out_c = k[4],
                             .kernel_h = 3,
                             .kernel_w = 3,
                             .stride_h = 1,
                             .stride_w = 1,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .pad_top = k[5],
                             .pad_left = k[6],
                             .groups = k[7]};
        conv_check(&c, k[0], (struct cnn_activation){.kind = activations[i % 4], .slope = 0.1f},
                   i % 3 != 0);
    }
}

/* Depthwise: lines of fewer and more pixels than are computed together, paddings that cut one tap
 * or more of the border's windows, multipliers up to more than a vector, strides that go another
 * way. */
static void test_conv_when_depthwise(void **state)
{
    (void)state;
    static const size_t cases[][9] = {/* n, size, channels, multiplier, kernel, stride, padding,
                                         dilation; columns less than rows */
                                      {1, 8, 64, 1, 3, 1, 1, 1, 0},  {2, 16, 32, 1, 3, 2, 1, 1, 0},
                                      {3, 9, 48, 1, 3, 2, 1, 1, 4},  {1, 12, 16, 1, 3, 1, 2, 1, 7},
                                      {2, 7, 33, 1, 3, 1, 1, 1, 0},  {1, 6, 17, 17, 3, 1, 1, 1, 1},
                                      {2, 7, 40, 2, 5, 2, 2, 1, 0},  {1, 11, 32, 1, 5, 4, 3, 2, 3},
                                      {1, 13, 24, 1, 2, 5, 1, 1, 2}, {1, 3, 64, 1, 3, 1, 4, 1, 0},
                                      {40, 6, 32, 1, 3, 1, 1, 1, 0}, {1, 10, 16, 1, 3, 3, 1, 3, 0}};
    static const enum cnn_activation_kind activations[] = {CNN_ACT_NONE, CNN_ACT_RELU,
                                                           CNN_ACT_LEAKY_RELU};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const size_t *k = cases[i];
        struct cnn_conv c =
            conv_square((struct square){k[1], k[2], k[2] * k[3], k[4], k[5], k[6], k[7], k[2]});
        c.in_w -= k[8] < c.in_w ? k[8] : 0;
        c.out_w = size_out(c.in_w, 2 * k[6], k[4], k[5], k[7]);
        conv_check(&c, k[0], (struct cnn_activation){.kind = activations[i % 3], .slope = 0.1f},
                   i % 2 == 0);
    }
}

/* The convolution is linear in x and in w, so <dy, y> = <dx, x> = <dw, w>: this ties ref's
 * gradients to its forward, padding modes and all. */
static void test_conv_ref_gradients_when_linear(void **state)
{
    (void)state;
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    for (int mode = 0; mode < 3; mode++) {
        struct cnn_conv c = {.in_h = 6,
                             .in_w = 7,
                             .in_c = 4,
                             .out_h = 5,
                             .out_w = 4,
                             .out_c = 6,
                             .kernel_h = 3,
                             .kernel_w = 2,
                             .stride_h = 2,
                             .stride_w = 2,
                             .dilation_h = 1,
                             .dilation_w = 2,
                             .pad_top = 2,
                             .pad_left = 1,
                             .groups = 2,
                             .padding_mode = (enum cnn_padding_mode)mode};
        struct conv_sizes size = conv_sizes(ref, &c, 2);
        struct conv_result r = conv_run(ref, &c, 2, no_activation, false);
        float *x = tensor_random(size.x, 1), *w = tensor_random(size.w, 2),
              *dy = tensor_random(size.y, 4);
        double by_y = 0, by_x = 0, by_w = 0;
        for (size_t i = 0; i < size.y; i++)
            by_y += (double)dy[i] * (double)r.y[i];
        for (size_t i = 0; i < size.x; i++)
            by_x += (double)r.dx[i] * (double)x[i];
        for (size_t i = 0; i < size.w; i++)
            by_w += (double)r.dw[i] * (double)w[i];
        assert_true(fabs(by_y) > 0.1);
        assert_true(fabs(by_x - by_y) < 1e-5 * fabs(by_y));
        assert_true(fabs(by_w - by_y) < 1e-5 * fabs(by_y));
        tensor_free(x, size.x);
        tensor_free(w, size.w);
        tensor_free(dy, size.y);
        conv_result_free(r, size, c.out_c);
    }
}

static void conv_hand_check(struct cnn_conv c, const float *x, const float *w, const float *want)
{
    float *y = tensor_new(c.out_h * c.out_w * c.out_c);
    const struct cnn_epilogue plain = {0};
    /* which takes the weights as they are */
    cnn_kernels_at(0)->conv_forward(
        &c, &(struct cnn_conv_forward){.n = 1, .x = x, .packed = w, .epilogue = &plain, .y = y});
    assert_floats_same("conv by hand", y, want, c.out_h * c.out_w * c.out_c);
    tensor_free(y, c.out_h * c.out_w * c.out_c);
}

static void test_conv_ref_when_worked_out_by_hand(void **state)
{
    (void)state;
    struct cnn_conv c = conv_square((struct square){3, 1, 1, 2, 1, 0, 1, 1});
    conv_hand_check(c, (const float[]){1, 2, 3, 4, 5, 6, 7, 8, 9}, (const float[]){1, 2, 3, 4},
                    (const float[]){37, 47, 67, 77});

    c = (struct cnn_conv){.in_h = 1,
                          .in_w = 2,
                          .in_c = 2,
                          .out_h = 1,
                          .out_w = 1,
                          .out_c = 1,
                          .kernel_h = 1,
                          .kernel_w = 2,
                          .stride_h = 1,
                          .stride_w = 1,
                          .dilation_h = 1,
                          .dilation_w = 1,
                          .groups = 1};
    conv_hand_check(c, (const float[]){1, 2, 3, 4}, (const float[]){1, 10, 100, 1000},
                    (const float[]){4231});

    c = conv_square((struct square){1, 2, 2, 1, 1, 0, 1, 2});
    conv_hand_check(c, (const float[]){5, 7}, (const float[]){2, 3}, (const float[]){10, 21});

    /* zeros, reflect, replicate */
    static const float padded[][3] = {{210, 321, 32}, {212, 321, 232}, {211, 321, 332}};
    for (int mode = 0; mode < 3; mode++) {
        c = (struct cnn_conv){.in_h = 1,
                              .in_w = 3,
                              .in_c = 1,
                              .out_h = 1,
                              .out_w = 3,
                              .out_c = 1,
                              .kernel_h = 1,
                              .kernel_w = 3,
                              .stride_h = 1,
                              .stride_w = 1,
                              .dilation_h = 1,
                              .dilation_w = 1,
                              .pad_left = 1,
                              .groups = 1,
                              .padding_mode = (enum cnn_padding_mode)mode};
        conv_hand_check(c, (const float[]){1, 2, 3}, (const float[]){1, 10, 100}, padded[mode]);
    }
}

static void test_tables_when_listed(void **state)
{
    (void)state;
    assert_string_equal(cnn_kernels_at(0)->name, "ref");
    assert_null(cnn_kernels_at(1000));
    const char *forced = getenv("CNN_CPU");
    if (forced && cnn_kernels())
        assert_string_equal(cnn_kernels()->name, forced);
    if (cnn_kernels())
        assert_null(cnn_kernels_error());
    else
        assert_non_null(strstr(cnn_kernels_error(), "ref"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables_when_listed),
        cmocka_unit_test(test_conv_ref_when_worked_out_by_hand),
        cmocka_unit_test(test_conv_ref_gradients_when_linear),
        cmocka_unit_test(test_conv_when_usual_networks),
        cmocka_unit_test(test_conv_when_channels_are_few),
        cmocka_unit_test(test_conv_when_bf16),
        cmocka_unit_test(test_conv_when_groups_are_narrow),
        cmocka_unit_test(test_dense_when_not_packed),
        cmocka_unit_test(test_conv_when_pooled),
        cmocka_unit_test(test_conv_with_a_residual),
        cmocka_unit_test(test_conv_when_activated),
        cmocka_unit_test(test_conv_when_forward_only),
        cmocka_unit_test(test_conv_when_filters_are_scaled),
        cmocka_unit_test(test_conv_when_geometry_is_random),
        cmocka_unit_test(test_conv_when_winograd_applies),
        cmocka_unit_test(test_conv_when_depthwise),
    };
    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
