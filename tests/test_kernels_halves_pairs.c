/* Convolutions by pairs and of first layers, whose values are stored as bfloat16, against the same
 * table with the same numbers as floats: what is stored as bfloat16 is the float rounded, and the
 * gradients of weights and bias are the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "geometry.h"
#include "kernels/kernels.h"
#include "util/parallel.h"

/* The upper half of a float, to nearest, ties to even; tiny numbers are 0, as the CPU has them. */
static uint16_t round_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    if ((bits & 0x7f800000) == 0)
        return (uint16_t)(bits >> 16 & 0x8000);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float half_value(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Random numbers that bfloat16 has. */
static float *random_halves(size_t size, unsigned seed)
{
    float *x = tensor_random(size, seed);
    for (size_t i = 0; i < size; i++)
        x[i] = half_value(round_half(x[i]));
    return x;
}

/* Memory of `size` numbers, as floats or as halves, which are even in number. */
static float *values_new(size_t size, bool halves)
{
    return tensor_new(halves ? size / 2 : size);
}

static float *values_of(const float *x, size_t size, bool halves)
{
    float *to = values_new(size, halves);
    for (size_t i = 0; halves && i < size; i++)
        memcpy((char *)to + 2 * i, &(uint16_t){round_half(x[i])}, 2);
    if (!halves)
        memcpy(to, x, size * sizeof *to);
    return to;
}

static void values_free(float *x, size_t size, bool halves)
{
    tensor_free(x, halves ? size / 2 : size);
}

/* That halves are these floats, rounded. */
static void check_halves(const char *what, const float *got, const float *want, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint16_t half;
        memcpy(&half, (const char *)got + 2 * i, sizeof half);
        if (half != round_half(want[i]))
            fail_msg("%s: number %zu of %zu is %.9g, should be %.9g rounded", what, i, size,
                     (double)half_value(half), (double)want[i]);
    }
}

struct given {
    float *x, *y, *dy, *w, *bias; /* y: a residual */
};

struct results {
    float *y, *dx, *dw, *db;
};

struct sizes {
    size_t x, y, w, packed, packed_back, scratch;
};

static struct sizes sizes_of(const struct cnn_kernels *k, const struct cnn_conv *c, size_t n,
                             bool dense)
{
    return (struct sizes){
        .x = n * c->in_h * c->in_w * c->in_c,
        .y = n * c->out_h * c->out_w * c->out_c,
        .w = c->out_c * cnn_conv_filter_floats(c),
        .packed = k->conv_packed_floats(c, false),
        .packed_back = k->conv_packed_floats(c, true),
        .scratch = dense && k->dense_scratch_floats(c, n) > k->conv_scratch_floats(c, n)
                       ? k->dense_scratch_floats(c, n)
                       : k->conv_scratch_floats(c, n),
    };
}

/* What is wanted of a convolution: with a residual; the gradient of the data; weights that are
 * packed on the way; an activation other than relu6; a pooling. */
struct wanted {
    bool residual, data, dense;
    enum cnn_activation_kind activation;
    bool pools, average;
};

static struct cnn_activation activation(struct wanted wanted)
{
    return (struct cnn_activation){.kind = wanted.activation ? wanted.activation : CNN_ACT_RELU6};
}

/* rounds: of floats, what would be rounded before it is activated, is. */
static struct results run(const struct cnn_conv *c, size_t n, const struct given *given,
                          struct wanted wanted, bool rounds)
{
    const struct cnn_kernels *k = cnn_kernels();
    const struct sizes size = sizes_of(k, c, n, wanted.dense);
    float *x = values_of(given->x, size.x, c->x_halves),
          *residual = values_of(given->y, size.y, c->y_halves),
          *dy = values_of(given->dy, size.y, c->y_halves);
    float *packed = tensor_new(size.packed), *back = tensor_new(size.packed_back),
          *scratch = tensor_new(size.scratch);
    struct results r = {values_new(size.y, c->y_halves), values_new(size.x, c->x_halves),
                        tensor_new(size.w), tensor_new(c->out_c)};
    const struct cnn_pool pool = pool_behind(c, wanted.average);
    /* sums that are stored as bfloat16 are rounded before they are activated */
    const bool apart = !c->y_halves && !wanted.pools && !cnn_activation_cuts(activation(wanted));
    const struct cnn_activation none = {.kind = CNN_ACT_NONE};
    const struct cnn_epilogue epilogue = {.bias = given->bias,
                                          .residual = wanted.residual ? residual : NULL,
                                          .activation = apart ? none : activation(wanted),
                                          .pool = wanted.pools ? &pool : NULL};
    k->conv_pack(c, false, given->w, NULL, packed);
    k->conv_forward(c, &(struct cnn_conv_forward){.n = n,
                                                  .x = x,
                                                  .packed = wanted.dense ? NULL : packed,
                                                  .w = given->w,
                                                  .epilogue = &epilogue,
                                                  .y = r.y,
                                                  .scratch = scratch});
    for (size_t i = 0; apart && rounds && i < size.y; i++)
        r.y[i] = half_value(round_half(r.y[i]));
    if (apart)
        k->activation_forward(activation(wanted), (struct cnn_rows){size.y, 1}, r.y, r.y);
    k->conv_pack(c, true, given->w, NULL, back);
    if (wanted.data)
        k->conv_backward_data(c,
                              &(struct cnn_conv_backward_data){.n = n,
                                                               .dy = dy,
                                                               .packed = wanted.dense ? NULL : back,
                                                               .w = given->w,
                                                               .dx = r.dx,
                                                               .scratch = scratch});
    k->conv_backward_weights(
        c, &(struct cnn_conv_backward_weights){
               .n = n, .x = x, .dy = dy, .dw = r.dw, .db = r.db, .scratch = scratch});
    values_free(x, size.x, c->x_halves);
    values_free(residual, size.y, c->y_halves);
    values_free(dy, size.y, c->y_halves);
    tensor_free(packed, size.packed);
    tensor_free(back, size.packed_back);
    tensor_free(scratch, size.scratch);
    return r;
}

static void results_free(struct results r, const struct cnn_conv *c, struct sizes size)
{
    values_free(r.y, size.y, c->y_halves);
    values_free(r.dx, size.x, c->x_halves);
    tensor_free(r.dw, size.w);
    tensor_free(r.db, c->out_c);
}

static void check_values(const char *what, bool halves, const float *got, const float *want,
                         size_t size)
{
    if (halves)
        check_halves(what, got, want, size);
    else
        assert_floats_same(what, got, want, size);
}

/* Whether the kernels have this one; if so, that it is right, with one thread and with more. */
static bool check(const struct cnn_conv *halves, size_t n, struct wanted wanted)
{
    static const int threads[] = {1, 3};
    const struct cnn_kernels *k = cnn_kernels();
    struct cnn_conv floats = *halves;
    floats.x_halves = floats.y_halves = false;
    if (!k->conv_halves(halves, wanted.data))
        return false;
    const struct sizes size = sizes_of(k, halves, n, wanted.dense);
    const struct given given = {random_halves(size.x, 1), random_halves(size.y, 2),
                                random_halves(size.y, 3), tensor_random(size.w, 4),
                                tensor_random(halves->out_c, 5)};
    const struct results want = run(&floats, n, &given, wanted, halves->y_halves);
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        char what[256];
        snprintf(what, sizeof what,
                 "n=%zu in=%zux%zux%zu out=%zux%zux%zu kernel=%zux%zu stride=%zux%zu groups=%zu "
                 "halves=%d%d",
                 n, floats.in_h, floats.in_w, floats.in_c, floats.out_h, floats.out_w, floats.out_c,
                 floats.kernel_h, floats.kernel_w, floats.stride_h, floats.stride_w, floats.groups,
                 halves->x_halves, halves->y_halves);
        cnn_parallel_set_threads(threads[i]);
        const struct results got = run(halves, n, &given, wanted, false);
        const size_t stored =
            wanted.pools ? n * (floats.out_h / 2) * (floats.out_w / 2) * floats.out_c : size.y;
        check_values(what, halves->y_halves, got.y, want.y, stored);
        if (wanted.data)
            check_values(what, halves->x_halves, got.dx, want.dx, size.x);
        assert_floats_same(what, got.dw, want.dw, size.w);
        assert_floats_near(what, got.db, want.db, floats.out_c, 1e-5);
        results_free(got, halves, size);
    }
    results_free(want, &floats, size);
    tensor_free(given.x, size.x);
    tensor_free(given.y, size.y);
    tensor_free(given.dy, size.y);
    tensor_free(given.w, size.w);
    tensor_free(given.bias, halves->out_c);
    cnn_parallel_set_threads(0);
    return true;
}

/* With the input, the output, or both as halves; returns how many of these the kernels have. */
static size_t check_all(struct cnn_conv c, size_t n, struct wanted wanted)
{
    size_t had = 0;
    c.bf16 = true;
    for (int i = 1; i < 4; i++) {
        c.x_halves = i & 1;
        c.y_halves = i & 2;
        had += check(&c, n, wanted);
    }
    return had;
}

static void skip_without(void)
{
    if (cnn_kernels()->halves)
        return;
    print_message("skipped: this CPU has no instructions for bfloat16\n");
    skip();
}

static void test_convolutions_by_pairs_when_usual_networks(void **state)
{
    (void)state;
    skip_without();
    const struct cnn_conv cases[] = {
        conv_square((struct square){14, 64, 256, 1, 1, 0, 1, 1}),
        conv_square((struct square){7, 256, 64, 1, 1, 0, 1, 1}),
        conv_square((struct square){15, 34, 66, 1, 2, 0, 1, 1}),
        conv_square((struct square){14, 64, 128, 3, 2, 1, 1, 1}),
        conv_square((struct square){9, 64, 96, 3, 1, 1, 1, 4}),
        conv_square((struct square){11, 48, 40, 5, 1, 2, 1, 1}),
        conv_square((struct square){8, 512, 36, 3, 1, 1, 1, 1}), /* more than a block of k */
        conv_square((struct square){17, 16, 16, 3, 1, 2, 2, 1}),
        conv_square((struct square){12, 64, 64, 3, 1, 1, 1, 16}),
        conv_square((struct square){13, 48, 96, 3, 2, 1, 1, 12}),
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(
            check_all(cases[i], 1 + i, (struct wanted){.residual = i % 2, .data = true}), 3);
    static const enum cnn_activation_kind kinds[] = {CNN_ACT_SILU, CNN_ACT_GELU, CNN_ACT_ELU};
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++)
        assert_int_equal(check_all(cases[i / 2], 2,
                                   (struct wanted){.residual = i % 4 == 0,
                                                   .data = true,
                                                   .activation = kinds[i % 3],
                                                   .pools = i % 2,
                                                   .average = i % 4 == 1}),
                         3);
    /* taps that a GEMM does not take at once */
    const struct cnn_conv many = conv_square((struct square){12, 16, 16, 9, 1, 4, 1, 1});
    assert_int_equal(check_all(many, 2, (struct wanted){.data = true}), 0);
}

/* The first layer of a network, whose input is floats, and gets no gradient. */
static void test_first_layers(void **state)
{
    (void)state;
    skip_without();
    const struct cnn_conv cases[] = {
        conv_square((struct square){30, 3, 64, 7, 2, 3, 1, 1}),
        conv_square((struct square){19, 3, 32, 3, 2, 1, 1, 1}),
        conv_square((struct square){16, 3, 24, 3, 1, 1, 1, 1}),
        conv_square((struct square){16, 1, 6, 5, 1, 2, 1, 1}),
        conv_square((struct square){35, 3, 16, 11, 4, 2, 1, 1}), /* too many taps for floats */
    };
    for (size_t i = 0; i + 1 < sizeof cases / sizeof *cases; i++)
        assert_int_equal(check_all(cases[i], 3 + i, (struct wanted){.data = false}), 1);
    check_all(cases[4], 2, (struct wanted){.data = false});
}

static void test_dense_layers_read_halves(void **state)
{
    (void)state;
    skip_without();
    static const size_t shapes[][2] = {{64, 10}, {1030, 70}, {34, 1000}};
    for (size_t i = 0; i < 3; i++)
        for (int dense = 0; dense < 2; dense++) {
            const struct cnn_conv c = cnn_conv_dense(shapes[i][0], shapes[i][1], true);
            assert_int_equal(check_all(c, 9, (struct wanted){.data = true, .dense = dense}), 1);
        }
}

static void test_convolutions_by_pairs_when_geometry_is_random(void **state)
{
    (void)state;
    skip_without();
    unsigned random = 11;
    size_t had = 0;
    for (int i = 0; i < 150; i++) {
        struct cnn_conv c = {.in_h = 1 + pick(&random, 12),
                             .in_w = 1 + pick(&random, 12),
                             .in_c = 2 * (1 + pick(&random, 40)),
                             .out_c = 2 * (1 + pick(&random, 40)),
                             .kernel_h = 1 + pick(&random, 4),
                             .kernel_w = 1 + pick(&random, 4),
                             .stride_h = 1 + pick(&random, 3),
                             .stride_w = 1 + pick(&random, 3),
                             .dilation_h = 1 + pick(&random, 2),
                             .dilation_w = 1 + pick(&random, 2),
                             .groups = 1 + pick(&random, 2),
                             .pad_top = pick(&random, 3),
                             .pad_left = pick(&random, 3),
                             .direct = true};
        c.in_c *= c.groups, c.out_c *= c.groups;
        c.out_h =
            size_out(c.in_h, c.pad_top + pick(&random, 3), c.kernel_h, c.stride_h, c.dilation_h);
        c.out_w =
            size_out(c.in_w, c.pad_left + pick(&random, 3), c.kernel_w, c.stride_w, c.dilation_w);
        if (c.out_h && c.out_w)
            had +=
                check_all(c, 1 + pick(&random, 9),
                          (struct wanted){.residual = pick(&random, 2), .data = pick(&random, 4)});
    }
    assert_true(had > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolutions_by_pairs_when_usual_networks),
        cmocka_unit_test(test_first_layers),
        cmocka_unit_test(test_dense_layers_read_halves),
        cmocka_unit_test(test_convolutions_by_pairs_when_geometry_is_random),
    };
    return cmocka_run_group_tests_name("values stored as bfloat16, by pairs", tests, NULL, NULL);
}
