/* Convolutions of values that are stored as bfloat16: what they compute is what the same table
 * makes of the same numbers as floats, rounded where it is stored. Only gradients by Winograd's
 * algorithm round their transforms. */
#include <math.h>
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

/* A float's bits, rounded to bfloat16: to nearest, ties to even. */
static uint16_t rounded(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static float expanded(uint16_t half)
{
    const uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Numbers that bfloat16 has, stored both ways. Behind an odd number of halves, one is left over,
 * which nobody may write to. */
struct values {
    size_t size;
    float *floats, *halves;
};

static size_t halves_floats(size_t size)
{
    return (size + 1) / 2;
}

static uint16_t *halves_of(const struct values *v)
{
    return (uint16_t *)v->halves;
}

static struct values values_new(size_t size)
{
    return (struct values){size, tensor_new(size), tensor_new(halves_floats(size))};
}

static struct values values_random(size_t size, unsigned seed)
{
    struct values v = {size, tensor_random(size, seed), tensor_new(halves_floats(size))};
    for (size_t i = 0; i < size; i++) {
        halves_of(&v)[i] = rounded(v.floats[i]);
        v.floats[i] = expanded(halves_of(&v)[i]);
    }
    return v;
}

static void values_free(struct values *v)
{
    float *fresh = tensor_new(1);
    if (v->size % 2 == 1)
        assert_int_equal(halves_of(v)[v->size], ((uint16_t *)fresh)[1]);
    tensor_free(fresh, 1);
    tensor_free(v->floats, v->size);
    tensor_free(v->halves, halves_floats(v->size));
}

static void inputs_check(const struct values *v)
{
    for (size_t i = 0; i < v->size; i++)
        if (halves_of(v)[i] != rounded(v->floats[i]))
            fail_msg("input %zu was written to", i);
}

/* Sums are made in the same order, so their rounded bits are the same. */
static void results_check(const char *what, const struct values *v)
{
    for (size_t i = 0; i < v->size; i++) {
        const uint16_t got = halves_of(v)[i];
        if (got != rounded(v->floats[i]))
            fail_msg("%s: number %zu of %zu is %g, not %g", what, i, v->size, (double)expanded(got),
                     (double)v->floats[i]);
    }
}

/* One convolution, of n images that are the parts of a larger batch. */
struct setting {
    struct cnn_conv c;
    size_t n;
    struct cnn_parts parts;
    struct cnn_epilogue epilogue; /* its arrays: whether there are any */
    struct cnn_pool pool;
    bool pools, winograd;
    char name[200];
};

struct arrays {
    struct values x, dy, residual, y, dx;
    size_t weights, packed_size, scratch_size;
    float *w, *bias, *packed, *scratch;
    size_t back_size[2]; /* of floats, of halves */
    float *back[2], *dw[2], *db[2];
};

static size_t outputs(const struct setting *s)
{
    return s->n * (s->pools ? s->pool.out_h * s->pool.out_w : s->c.out_h * s->c.out_w) * s->c.out_c;
}

static struct arrays arrays_new(const struct cnn_kernels *k, const struct setting *s)
{
    const struct cnn_conv *c = &s->c;
    const size_t x = s->n * c->in_h * c->in_w * c->in_c, y = s->n * c->out_h * c->out_w * c->out_c;
    struct arrays a = {.x = values_random(x, 1),
                       .dy = values_random(y, 2),
                       .residual = values_random(y, 3),
                       .y = values_new(outputs(s)),
                       .dx = values_new(x),
                       .weights = c->out_c * cnn_conv_filter_floats(c),
                       .packed_size = k->conv_packed_floats(c, false),
                       .scratch_size = k->conv_scratch_floats(c, s->n)};
    a.w = tensor_random(a.weights, 4);
    a.bias = tensor_random(c->out_c, 5);
    a.packed = tensor_new(a.packed_size);
    k->conv_pack(c, false, a.w, NULL, a.packed);
    for (size_t i = 0; i < 2; i++) {
        struct cnn_conv stored = *c;
        stored.x_halves = stored.y_halves = i == 1;
        a.back_size[i] = k->conv_packed_floats(&stored, true);
        a.back[i] = tensor_new(a.back_size[i]);
        k->conv_pack(&stored, true, a.w, NULL, a.back[i]);
        a.dw[i] = tensor_new(a.weights);
        a.db[i] = tensor_new(c->out_c);
    }
    return a;
}

static void arrays_free(struct arrays *a, const struct setting *s)
{
    inputs_check(&a->x), inputs_check(&a->dy), inputs_check(&a->residual);
    values_free(&a->x), values_free(&a->dy), values_free(&a->residual);
    values_free(&a->y), values_free(&a->dx);
    tensor_free(a->w, a->weights), tensor_free(a->bias, s->c.out_c);
    tensor_free(a->packed, a->packed_size);
    for (size_t i = 0; i < 2; i++)
        tensor_free(a->back[i], a->back_size[i]), tensor_free(a->dw[i], a->weights),
            tensor_free(a->db[i], s->c.out_c);
}

/* All passes. */
static void run(const struct cnn_kernels *k, const struct setting *s, struct arrays *a, bool halves)
{
    struct cnn_conv c = s->c;
    struct cnn_epilogue epilogue = s->epilogue;
    float *scratch = tensor_new(a->scratch_size), *x = halves ? a->x.halves : a->x.floats,
          *dy = halves ? a->dy.halves : a->dy.floats;
    c.x_halves = c.y_halves = halves;
    epilogue.bias = epilogue.bias ? a->bias : NULL;
    epilogue.pool = s->pools ? &s->pool : NULL;
    if (epilogue.residual)
        epilogue.residual = halves ? a->residual.halves : a->residual.floats;
    k->conv_forward(&c, &(struct cnn_conv_forward){.n = s->n,
                                                   .x = x,
                                                   .packed = a->packed,
                                                   .epilogue = &epilogue,
                                                   .y = halves ? a->y.halves : a->y.floats,
                                                   .scratch = scratch});
    k->conv_backward_data(
        &c, &(struct cnn_conv_backward_data){.n = s->n,
                                             .dy = dy,
                                             .packed = a->back[halves],
                                             .dx = halves ? a->dx.halves : a->dx.floats,
                                             .scratch = scratch});
    k->conv_backward_weights(
        &c, &(struct cnn_conv_backward_weights){.n = s->n,
                                                .parts = s->parts.count > 0 ? &s->parts : NULL,
                                                .x = x,
                                                .dy = dy,
                                                .dw = a->dw[halves],
                                                .db = epilogue.bias ? a->db[halves] : NULL,
                                                .scratch = scratch});
    tensor_free(scratch, a->scratch_size);
}

/* The transforms of Winograd's algorithm at 0, near, -near, far, -far and infinity, by polynomials:
 * of a line of factors (four of dy, or three of a kernel), its values there; of a line of six
 * numbers, which Lagrange's basis divides among the values, here without its denominators, by which
 * the kernel's line is divided. */
static const double nodes[5] = {0, 0.625, -0.625, 1.625, -1.625};

static void multiply_by_root(double root, size_t degree, double *polynomial)
{
    polynomial[degree + 1] = 0;
    for (size_t i = degree + 2; i-- > 0;)
        polynomial[i] = (i > 0 ? polynomial[i - 1] : 0) - root * polynomial[i];
}

/* b: of six numbers, a: of four of dy, g: of three weights. */
struct transforms {
    double b[6][6], a[6][4], g[3][6];
};

static struct transforms transforms_of_nodes(void)
{
    struct transforms t = {.b[5] = {1}, .a[5][3] = 1, .g[2][5] = 1};
    for (size_t i = 0; i < 5; i++)
        multiply_by_root(nodes[i], i, t.b[5]);
    for (size_t p = 0; p < 5; p++) {
        double denominator = 1, power = 1;
        t.b[p][0] = 1;
        for (size_t i = 0, degree = 0; i < 5; i++)
            if (i != p) {
                multiply_by_root(nodes[i], degree++, t.b[p]);
                denominator *= nodes[p] - nodes[i];
            }
        for (size_t i = 0; i < 4; i++, power *= nodes[p]) {
            t.a[p][i] = power;
            if (i < 3)
                t.g[i][p] = power / denominator;
        }
    }
    return t;
}

/* One channel of a tile at (y, x) of an image, which it may reach beyond. */
struct tile {
    const float *image;
    size_t height, width, channels;
    ptrdiff_t y, x;
};

static void round_points(double points[6][6])
{
    for (size_t p = 0; p < 36; p++)
        points[p / 6][p % 6] = (double)expanded(rounded((float)points[p / 6][p % 6]));
}

/* matrix * tile * matrix', rounded to bfloat16. */
static void transform_tile(const double *matrix, size_t side, const struct tile *t,
                           double out[6][6])
{
    double half[6][6] = {{0}};
    for (size_t p = 0; p < 6; p++)
        for (size_t i = 0; i < side; i++)
            for (size_t j = 0; j < side; j++) {
                const size_t y = (size_t)(t->y + (ptrdiff_t)i), x = (size_t)(t->x + (ptrdiff_t)j);
                if (y < t->height && x < t->width)
                    half[p][j] +=
                        matrix[p * side + i] * (double)t->image[(y * t->width + x) * t->channels];
            }
    for (size_t p = 0; p < 6; p++)
        for (size_t q = 0; q < 6; q++) {
            double sum = 0;
            for (size_t j = 0; j < side; j++)
                sum += matrix[q * side + j] * half[p][j];
            out[p][q] = sum;
        }
    round_points(out);
}

/* The gradient of one filter's weights for one channel of its group, by transforms. */
static void filter_gradient(const struct setting *s, const struct arrays *a, size_t filter,
                            size_t channel, double dw[9])
{
    const struct cnn_conv *c = &s->c;
    const struct transforms t = transforms_of_nodes();
    const size_t group = filter / (c->out_c / c->groups);
    struct tile in = {NULL, c->in_h, c->in_w, c->in_c, 0, 0},
                out = {NULL, c->out_h, c->out_w, c->out_c, 0, 0};
    double sums[6][6] = {{0}};
    for (size_t n = 0; n < s->n; n++)
        for (size_t y = 0; y < c->out_h; y += 4)
            for (size_t x = 0; x < c->out_w; x += 4) {
                double v[6][6], d[6][6];
                in.image = a->x.floats + n * c->in_h * c->in_w * c->in_c +
                           group * (c->in_c / c->groups) + channel;
                in.y = (ptrdiff_t)y - (ptrdiff_t)c->pad_top;
                in.x = (ptrdiff_t)x - (ptrdiff_t)c->pad_left;
                out.image = a->dy.floats + n * c->out_h * c->out_w * c->out_c + filter;
                out.y = (ptrdiff_t)y, out.x = (ptrdiff_t)x;
                transform_tile(&t.b[0][0], 6, &in, v);
                transform_tile(&t.a[0][0], 4, &out, d);
                for (size_t p = 0; p < 36; p++)
                    sums[p / 6][p % 6] += v[p / 6][p % 6] * d[p / 6][p % 6];
            }
    for (size_t tap = 0; tap < 9; tap++) {
        dw[tap] = 0;
        for (size_t p = 0; p < 36; p++)
            dw[tap] += t.g[tap / 3][p / 6] * t.g[tap % 3][p % 6] * sums[p / 6][p % 6];
    }
}

static double size_of(const float *numbers, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)numbers[i] * (double)numbers[i];
    return sqrt(sum / (double)count);
}

/* A few filters, each of a few channels, against the same arithmetic here; a transform that lies
 * between two bfloat16 may be rounded either way. All against floats: that much error is known. */
static void winograd_weights_check(const struct setting *s, const struct arrays *a)
{
    const size_t per_filter = a->weights / s->c.out_c, channels = per_filter / 9;
    const double size = size_of(a->dw[0], a->weights);
    for (size_t filter = 0; filter < s->c.out_c; filter += s->c.out_c / 3)
        for (size_t channel = 0; channel < channels; channel += 1 + channels / 3) {
            const float *got = a->dw[1] + filter * per_filter + channel * 9;
            double want[9];
            filter_gradient(s, a, filter, channel, want);
            for (size_t tap = 0; tap < 9; tap++)
                if (!(fabs((double)got[tap] - want[tap]) < 5e-3 * size))
                    fail_msg("%s: dw: filter %zu, channel %zu, tap %zu is %g, not %g", s->name,
                             filter, channel, tap, (double)got[tap], want[tap]);
        }
    float *error = tensor_new(a->weights);
    for (size_t i = 0; i < a->weights; i++)
        error[i] = a->dw[1][i] - a->dw[0][i];
    if (!(size_of(error, a->weights) < 0.02 * size))
        fail_msg("%s: dw: errors of %g, gradients of %g", s->name, size_of(error, a->weights),
                 size);
    tensor_free(error, a->weights);
}

/* The same of a kernel, turned round: that of the gradient of the data. */
static void transform_kernel(const struct transforms *t, const float w[9], double out[6][6])
{
    memset(out, 0, 36 * sizeof **out);
    for (size_t p = 0; p < 36; p++)
        for (size_t tap = 0; tap < 9; tap++)
            out[p / 6][p % 6] += t->g[tap / 3][p / 6] * t->g[tap % 3][p % 6] * (double)w[8 - tap];
    round_points(out);
}

/* The gradient of the data at (y, x), and the 4 x 4 from there on, for one channel of an image. */
static void data_gradient(const struct setting *s, const struct arrays *a, size_t channel,
                          const struct tile *at, double dx[4][4])
{
    const struct cnn_conv *c = &s->c;
    const struct transforms t = transforms_of_nodes();
    const size_t in = c->in_c / c->groups, out = c->out_c / c->groups, group = channel / in;
    double sums[6][6] = {{0}};
    for (size_t filter = group * out; filter < (group + 1) * out; filter++) {
        double v[6][6], g[6][6];
        struct tile dy = *at;
        dy.image += filter;
        transform_tile(&t.b[0][0], 6, &dy, v);
        transform_kernel(&t, a->w + (filter * in + channel % in) * 9, g);
        for (size_t p = 0; p < 36; p++)
            sums[p / 6][p % 6] += v[p / 6][p % 6] * g[p / 6][p % 6];
    }
    for (size_t i = 0; i < 16; i++) {
        dx[i / 4][i % 4] = 0;
        for (size_t p = 0; p < 36; p++)
            dx[i / 4][i % 4] += t.a[p / 6][i / 4] * t.a[p % 6][i % 4] * sums[p / 6][p % 6];
    }
}

/* Number `at` of dx, of halves, as the same arithmetic has it here. */
static void data_check(const struct setting *s, const struct arrays *a, size_t at, double want,
                       double size)
{
    const double got = (double)expanded(halves_of(&a->dx)[at]);
    if (!(fabs(got - want) < 5e-3 * size + 4e-3 * fabs(want)))
        fail_msg("%s: dx: number %zu is %g, not %g", s->name, at, got, want);
}

/* Of the first and the last image a few channels, as winograd_weights_check has it. */
static void winograd_data_check(const struct setting *s, const struct arrays *a)
{
    const struct cnn_conv *c = &s->c;
    const double size = size_of(a->dx.floats, a->dx.size);
    const size_t last = s->n > 1 ? s->n - 1 : 1;
    for (size_t n = 0; n < s->n; n += last)
        for (size_t channel = 0; channel < c->in_c; channel += c->in_c / 3)
            for (size_t y = 0; y < c->in_h; y += 4)
                for (size_t x = 0; x < c->in_w; x += 4) {
                    const struct tile dy = {a->dy.floats + n * c->out_h * c->out_w * c->out_c,
                                            c->out_h,
                                            c->out_w,
                                            c->out_c,
                                            (ptrdiff_t)(y + c->pad_top) - 2,
                                            (ptrdiff_t)(x + c->pad_left) - 2};
                    double want[4][4];
                    data_gradient(s, a, channel, &dy, want);
                    for (size_t i = 0; i < 4 && y + i < c->in_h; i++)
                        for (size_t j = 0; j < 4 && x + j < c->in_w; j++)
                            data_check(
                                s, a, ((n * c->in_h + y + i) * c->in_w + x + j) * c->in_c + channel,
                                want[i][j], size);
                }
    float *error = tensor_new(a->dx.size);
    for (size_t i = 0; i < a->dx.size; i++)
        error[i] = expanded(halves_of(&a->dx)[i]) - a->dx.floats[i];
    if (!(size_of(error, a->dx.size) < 0.02 * size))
        fail_msg("%s: dx: errors of %g, gradients of %g", s->name, size_of(error, a->dx.size),
                 size);
    tensor_free(error, a->dx.size);
}

static void compare(const struct setting *s, const struct arrays *a)
{
    char what[240];
    snprintf(what, sizeof what, "%s: y", s->name);
    results_check(what, &a->y);
    if (s->winograd) {
        winograd_data_check(s, a);
        winograd_weights_check(s, a);
    } else {
        snprintf(what, sizeof what, "%s: dx", s->name);
        results_check(what, &a->dx);
        snprintf(what, sizeof what, "%s: dw", s->name);
        assert_floats_same(what, a->dw[1], a->dw[0], a->weights);
    }
    snprintf(what, sizeof what, "%s: db", s->name);
    assert_floats_same(what, a->db[1], a->db[0], s->c.out_c);
}

static void name_setting(const char *kind, struct setting *s)
{
    const struct cnn_conv *c = &s->c;
    snprintf(s->name, sizeof s->name,
             "%s n=%zu in=%zux%zux%zu out=%zux%zux%zu kernel=%zux%zu stride=%zux%zu pad=%zu,%zu "
             "groups=%zu act=%d pool=%d bias=%d residual=%d",
             kind, s->n, c->in_h, c->in_w, c->in_c, c->out_h, c->out_w, c->out_c, c->kernel_h,
             c->kernel_w, c->stride_h, c->stride_w, c->pad_top, c->pad_left, c->groups,
             (int)s->epilogue.activation.kind, s->pools, s->epilogue.bias != NULL,
             s->epilogue.residual != NULL);
}

/* With one thread against floats, with two against one. */
static void check(const struct setting *s)
{
    const struct cnn_kernels *k = cnn_kernels();
    size_t sizes[2];
    for (int threads = 1; threads <= 2; threads++) {
        cnn_parallel_set_threads(threads);
        sizes[threads - 1] = k->conv_scratch_floats(&s->c, s->n);
    }
    struct arrays a = arrays_new(k, s), two = arrays_new(k, s);
    a.scratch_size = sizes[0], two.scratch_size = sizes[1];
    run(k, s, &two, true);
    cnn_parallel_set_threads(1);
    run(k, s, &a, false);
    run(k, s, &a, true);
    compare(s, &a);
    assert_memory_equal(two.y.halves, a.y.halves, a.y.size * 2);
    assert_memory_equal(two.dx.halves, a.dx.halves, a.dx.size * 2);
    assert_floats_same(s->name, two.dw[1], a.dw[1], a.weights);
    assert_floats_same(s->name, two.db[1], a.db[1], s->c.out_c);
    arrays_free(&a, s);
    arrays_free(&two, s);
    cnn_parallel_set_threads(0);
}

/* Epilogue, images and parts. */
static void draw_rest(unsigned *random, struct setting *s)
{
    static const float some;
    const unsigned ranks = 1 + pick(random, 3);
    const struct cnn_conv *c = &s->c;
    s->epilogue.activation =
        (struct cnn_activation){.kind = (enum cnn_activation_kind)pick(random, CNN_ACT_SOFTMAX + 1),
                                .slope = 0.1f,
                                .min = -0.4f,
                                .max = 0.3f};
    if (s->epilogue.activation.kind == CNN_ACT_SOFTMAX)
        s->epilogue.activation.kind = CNN_ACT_CLIP;
    s->epilogue.bias = pick(random, 4) ? &some : NULL;
    s->pools = pick(random, 3) == 0 && c->out_h > 1 && c->out_w > 1;
    s->pool = pool_behind(c, pick(random, 2));
    if (!s->pools && c->groups != c->in_c && pick(random, 2))
        s->epilogue.residual = &some;
    s->n = 1 + pick(random, 9);
    const struct cnn_parts own = cnn_parts_of(s->n, pick(random, ranks), ranks);
    struct cnn_parts root = {.end = own.first};
    if (ranks > 1 && cnn_parts_next(&own, &root)) {
        s->parts = root;
        s->n = cnn_parts_images(&root);
    }
}

/* Whether there is anything to test. */
static bool wanted(void)
{
    if (cnn_kernels() && cnn_kernels()->halves)
        return true;
    print_message("skipped: nothing is stored as bfloat16 here\n");
    return false;
}

static struct cnn_conv draw_winograd(unsigned *random)
{
    struct cnn_conv c = {.in_h = 3 + pick(random, 12),
                         .in_w = 3 + pick(random, 12),
                         .in_c = 16 * (1 + pick(random, 5)),
                         .out_c = 16 * (1 + pick(random, 5)),
                         .kernel_h = 3,
                         .kernel_w = 3,
                         .stride_h = 1,
                         .stride_w = 1,
                         .dilation_h = 1,
                         .dilation_w = 1,
                         .pad_top = pick(random, 3),
                         .pad_left = pick(random, 3),
                         .groups = 1 + pick(random, 2),
                         .bf16 = true};
    c.in_c *= c.groups, c.out_c *= c.groups;
    c.out_h = size_out(c.in_h, c.pad_top + pick(random, 3), 3, 1, 1);
    c.out_w = size_out(c.in_w, c.pad_left + pick(random, 3), 3, 1, 1);
    return c;
}

/* Weights that are transformed are more than those that are not. */
static bool by_winograd(const struct cnn_conv *c)
{
    struct cnn_conv plain = *c;
    plain.direct = true;
    plain.bf16 = false;
    return cnn_kernels()->conv_packed_floats(c, false) >
           cnn_kernels()->conv_packed_floats(&plain, false);
}

static void test_winograd_of_halves_when_geometry_is_random(void **state)
{
    (void)state;
    unsigned random = 11;
    if (!wanted())
        skip();
    for (size_t i = 0; i < 150;) {
        struct setting s = {.c = draw_winograd(&random), .winograd = true};
        draw_rest(&random, &s);
        if (!by_winograd(&s.c))
            continue;
        name_setting("winograd", &s);
        check(&s);
        i++;
    }
}

/* Weights that are transformed late; gradients of some filters at a time; more channels than a part
 * of the gradient of the weights has, more images than a block; a part of the batch with more tiles
 * than one block of that. */
static void test_winograd_of_halves_when_large(void **state)
{
    (void)state;
    static const size_t cases[][5] = {/* n, height, width, channels in and out */
                                      {3, 7, 7, 512, 272},
                                      {2, 4, 4, 1040, 464},
                                      {2, 14, 13, 144, 160},
                                      {70, 4, 8, 16, 144},
                                      {2, 40, 37, 16, 32}};
    unsigned random = 3;
    if (!wanted())
        skip();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct setting s = {
            .c = conv_square((struct square){cases[i][1], cases[i][3], cases[i][4], 3, 1, 1, 1, 1}),
            .winograd = true};
        s.c.direct = false;
        s.c.in_w = s.c.out_w = cases[i][2];
        draw_rest(&random, &s);
        s.n = cases[i][0];
        s.parts = (struct cnn_parts){.count = 0};
        name_setting("winograd", &s);
        check(&s);
    }
}

static struct cnn_conv draw_depthwise(unsigned *random)
{
    static const size_t channels[] = {2, 3, 16, 17, 33, 48, 64};
    struct cnn_conv c = {.in_h = 1 + pick(random, 14),
                         .in_w = 1 + pick(random, 14),
                         .in_c = channels[pick(random, 7)],
                         .kernel_h = 1 + pick(random, 5),
                         .kernel_w = 1 + pick(random, 5),
                         .stride_h = 1 + pick(random, 4),
                         .stride_w = 1 + pick(random, 4),
                         .dilation_h = 1 + pick(random, 2),
                         .dilation_w = 1 + pick(random, 2),
                         .pad_top = pick(random, 4),
                         .pad_left = pick(random, 4),
                         .direct = pick(random, 2),
                         .bf16 = true};
    /* those that go their own fast way, and multipliers up to more than a vector */
    if (pick(random, 2)) {
        c.kernel_w = c.kernel_h = 3;
        c.dilation_w = c.dilation_h = 1;
        c.stride_w = c.stride_h = 1 + pick(random, 2);
    }
    c.out_c = c.in_c * (pick(random, 2) ? 1 : pick(random, 8) ? 1 + pick(random, 3) : 17);
    c.groups = c.in_c;
    /* other paddings go this way where there is none */
    if (pick(random, 4) == 0) {
        c.padding_mode = pick(random, 2) ? CNN_PAD_REFLECT : CNN_PAD_REPLICATE;
        c.pad_top = c.pad_left = 0;
    }
    const unsigned beyond = c.padding_mode == CNN_PAD_ZEROS ? 4 : 1;
    c.out_h =
        size_out(c.in_h, c.pad_top + pick(random, beyond), c.kernel_h, c.stride_h, c.dilation_h);
    c.out_w =
        size_out(c.in_w, c.pad_left + pick(random, beyond), c.kernel_w, c.stride_w, c.dilation_w);
    return c;
}

static void test_depthwise_of_halves_when_geometry_is_random(void **state)
{
    (void)state;
    unsigned random = 5;
    if (!wanted())
        skip();
    for (size_t i = 0; i < 400;) {
        struct setting s = {.c = draw_depthwise(&random)};
        if (s.c.out_h == 0 || s.c.out_w == 0)
            continue;
        draw_rest(&random, &s);
        name_setting("depthwise", &s);
        check(&s);
        i++;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_winograd_of_halves_when_geometry_is_random),
        cmocka_unit_test(test_winograd_of_halves_when_large),
        cmocka_unit_test(test_depthwise_of_halves_when_geometry_is_random),
    };
    return cmocka_run_group_tests_name("kernels_conv_halves", tests, NULL, NULL);
}
