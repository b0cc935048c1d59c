/* Kernels whose batch is cut: the same bits whoever has which part of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "kernels/kernels.h"
#include "tables.h"
#include "util/arena.h"
#include "util/parallel.h"

struct shape {
    size_t n, h, w, in_c, out_c, kernel, stride, pad, groups;
    bool direct, bf16;
};

/* Convolutions that go all the ways: Winograd's, with pieces of channels and chunks; by blocks; by
 * channels; by pairs; as one product, with rows left over; odd numbers of images and of parts; some
 * filters at a time; in blocks that are others where a process has few parts. */
static const struct shape shapes[] = {
    {19, 9, 7, 3, 20, 3, 1, 1, 1, true, false},     {16, 32, 32, 3, 32, 5, 1, 2, 1, true, false},
    {33, 8, 8, 16, 32, 3, 1, 1, 1, false, false},   {17, 5, 8, 144, 80, 3, 1, 1, 1, false, false},
    {64, 16, 16, 32, 32, 3, 1, 1, 1, false, false}, {13, 8, 8, 32, 32, 3, 1, 1, 1, true, true},
    {27, 7, 7, 48, 96, 1, 1, 0, 1, true, true},     {27, 7, 7, 48, 96, 1, 2, 0, 1, true, false},
    {70, 1, 1, 300, 70, 1, 1, 0, 1, true, false},   {21, 1, 1, 64, 10, 1, 1, 0, 1, true, true},
    {19, 1, 1, 24, 300, 1, 1, 0, 1, true, false},   {34, 1, 1, 41, 97, 1, 1, 0, 1, true, false},
    {9, 12, 12, 24, 24, 3, 1, 1, 24, true, false},  {37, 6, 6, 32, 32, 3, 2, 1, 32, true, false},
    {5, 6, 6, 12, 24, 3, 1, 1, 3, true, false},     {2, 20, 20, 4, 8, 3, 2, 0, 1, true, true},
    {257, 4, 4, 8, 16, 3, 1, 1, 1, true, false},    {11, 6, 6, 8, 8, 3, 1, 1, 8, true, true},
    {3, 3, 2, 1040, 464, 3, 1, 1, 1, true, false},  {64, 12, 12, 256, 32, 3, 1, 1, 1, true, false},
    {21, 8, 8, 32, 32, 3, 1, 1, 8, true, true},     {20, 12, 12, 256, 8, 3, 1, 1, 1, true, true},
};

static struct cnn_conv conv_of(const struct shape *s)
{
    return (struct cnn_conv){.in_h = s->h,
                             .in_w = s->w,
                             .in_c = s->in_c,
                             .out_h = (s->h + 2 * s->pad - s->kernel) / s->stride + 1,
                             .out_w = (s->w + 2 * s->pad - s->kernel) / s->stride + 1,
                             .out_c = s->out_c,
                             .kernel_h = s->kernel,
                             .kernel_w = s->kernel,
                             .stride_h = s->stride,
                             .stride_w = s->stride,
                             .dilation_h = 1,
                             .dilation_w = 1,
                             .pad_top = s->pad,
                             .pad_left = s->pad,
                             .groups = s->groups,
                             .direct = s->direct,
                             .bf16 = s->bf16};
}

/* Arrays of one convolution; sums: the gradients of weights and bias, of subtrees. */
struct arrays {
    struct cnn_conv c;
    size_t x_size, y_size, w_size, packed_size, back_size, scratch_size;
    float *x, *w, *dy, *packed, *back, *scratch, *y, *dx;
};

static struct arrays arrays_of(const struct cnn_kernels *k, const struct shape *s)
{
    struct arrays a = {.c = conv_of(s)};
    const struct cnn_conv *c = &a.c;
    a.x_size = c->in_h * c->in_w * c->in_c;
    a.y_size = c->out_h * c->out_w * c->out_c;
    a.w_size = c->out_c * (c->in_c / c->groups) * c->kernel_h * c->kernel_w;
    a.packed_size = k->conv_packed_floats(c, false);
    a.back_size = k->conv_packed_floats(c, true);
    for (size_t n = 1; n <= s->n; n++) {
        size_t wanted = k->conv_scratch_floats(c, n);
        a.scratch_size = wanted > a.scratch_size ? wanted : a.scratch_size;
    }
    a.x = tensor_random(s->n * a.x_size, 1), a.w = tensor_random(a.w_size, 2);
    a.dy = tensor_random(s->n * a.y_size, 4), a.packed = tensor_new(a.packed_size);
    a.back = tensor_new(a.back_size);
    a.scratch = tensor_new(a.scratch_size);
    a.y = tensor_new(s->n * a.y_size), a.dx = tensor_new(s->n * a.x_size);
    k->conv_pack(c, false, a.w, NULL, a.packed);
    k->conv_pack(c, true, a.w, NULL, a.back);
    return a;
}

static void arrays_free(struct arrays *a, size_t n)
{
    tensor_free(a->x, n * a->x_size), tensor_free(a->dx, n * a->x_size);
    tensor_free(a->y, n * a->y_size), tensor_free(a->dy, n * a->y_size);
    tensor_free(a->w, a->w_size), tensor_free(a->packed, a->packed_size);
    tensor_free(a->back, a->back_size);
    tensor_free(a->scratch, a->scratch_size);
}

/* Both directions, and the gradients of the subtree, which are followed by those of the biases. */
static void run(const struct cnn_kernels *k, struct arrays *a, const struct cnn_parts *root,
                float *gradients)
{
    size_t first = cnn_parts_image(root, root->first), n = cnn_parts_images(root);
    const struct cnn_epilogue none = {.activation = {.kind = CNN_ACT_NONE}};
    k->conv_forward(&a->c, &(struct cnn_conv_forward){.n = n,
                                                      .x = a->x + first * a->x_size,
                                                      .packed = a->packed,
                                                      .epilogue = &none,
                                                      .y = a->y + first * a->y_size,
                                                      .scratch = a->scratch});
    k->conv_backward_data(&a->c, &(struct cnn_conv_backward_data){.n = n,
                                                                  .dy = a->dy + first * a->y_size,
                                                                  .packed = a->back,
                                                                  .dx = a->dx + first * a->x_size,
                                                                  .scratch = a->scratch});
    k->conv_backward_weights(&a->c,
                             &(struct cnn_conv_backward_weights){.n = n,
                                                                 .parts = root,
                                                                 .x = a->x + first * a->x_size,
                                                                 .dy = a->dy + first * a->y_size,
                                                                 .dw = gradients,
                                                                 .db = gradients + a->w_size,
                                                                 .scratch = a->scratch});
}

/* Everything by `ranks` processes, one after the other. */
static float *run_ranks(const struct cnn_kernels *k, struct arrays *a, size_t n, size_t ranks)
{
    size_t size = a->w_size + a->c.out_c;
    float *places = tensor_new(CNN_PARTS_DEPTH * size), *sum = tensor_new(size);
    struct cnn_tree tree = {0};
    for (size_t rank = 0, into; rank < ranks; rank++) {
        struct cnn_parts own = cnn_parts_of(n, rank, ranks), root = {.end = own.first};
        while (cnn_parts_next(&own, &root)) {
            size_t place = cnn_tree_push(&tree, root.first, root.end - root.first);
            run(k, a, &root, places + place * size);
            while (cnn_tree_merge(&tree, &into))
                for (size_t i = 0; i < size; i++)
                    places[into * size + i] += places[(into + 1) * size + i];
        }
    }
    assert_int_equal(tree.depth, 1);
    memcpy(sum, places, size * sizeof *sum);
    tensor_free(places, CNN_PARTS_DEPTH * size);
    return sum;
}

static void check(const struct cnn_kernels *k, const struct shape *s)
{
    char what[160];
    struct arrays one = arrays_of(k, s);
    size_t size = one.w_size + one.c.out_c;
    float *want = run_ranks(k, &one, s->n, 1);
    for (size_t ranks = 2; ranks <= 8; ranks += ranks > 3 ? 4 : 1) {
        struct arrays other = arrays_of(k, s);
        float *got = run_ranks(k, &other, s->n, ranks);
        snprintf(what, sizeof what,
                 "%s: n=%zu %zux%zux%zu -> %zu, kernel %zu, %zu ranks: ", k->name, s->n, s->h, s->w,
                 s->in_c, s->out_c, s->kernel, ranks);
        size_t end = strlen(what);
        strcpy(what + end, "y");
        assert_floats_same(what, other.y, one.y, s->n * one.y_size);
        strcpy(what + end, "dx");
        assert_floats_same(what, other.dx, one.dx, s->n * one.x_size);
        strcpy(what + end, "dw");
        assert_floats_same(what, got, want, size);
        tensor_free(got, size);
        arrays_free(&other, s->n);
    }
    tensor_free(want, size);
    arrays_free(&one, s->n);
}

static void test_conv_when_ranks_share_the_batch(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 0; (k = TABLE_WITH_OWN(conv_backward_weights, i)); i++)
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
            if (i > 0 || shapes[s].n * shapes[s].h * shapes[s].in_c * shapes[s].out_c < 100000)
                check(k, &shapes[s]);
}

/* What processes give: in the first round it is kept, in the second all have it. */
#define MOST 9
struct meeting {
    struct cnn_ranks ranks[MOST];
    size_t call, rank;
    double kept[2][MOST * CNN_PARTS_DEPTH * 2 * 80];
};

static void gather(void *context, void *all, const size_t *offsets)
{
    struct meeting *m = context;
    char *kept = (char *)m->kept[m->call++ % 2];
    assert_true(offsets[m->ranks->count] <= sizeof m->kept[0]);
    memcpy(kept + offsets[m->rank], (char *)all + offsets[m->rank],
           offsets[m->rank + 1] - offsets[m->rank]);
    memcpy(all, kept, offsets[m->ranks->count]);
}

struct norm {
    float *y, *dx, mean[80], var[80], dgamma[80], dbeta[80];
};

/* One rank's share: statistics and forward, then backward. */
static void run_norm(const struct cnn_kernels *k, struct cnn_batch_norm b, const float *x,
                     const float *dy, struct norm *r)
{
    float gamma[80], beta[80];
    for (size_t i = 0; i < 80; i++)
        gamma[i] = 1 + (float)i / 80, beta[i] = (float)i / 100 - 0.3f;
    size_t from = cnn_parts_image(b.parts, b.parts->first), pixels = b.image,
           pooled = b.pool ? b.pool->out_h * b.pool->out_w : pixels, room = 0;
    for (size_t n = 1; n <= b.parts->images; n++) {
        struct cnn_parts all = cnn_parts_of(n, 0, 1);
        struct cnn_batch_norm whole = b;
        whole.parts = &all, whole.rows = n * b.image;
        size_t wanted = k->batch_norm_scratch_floats(&whole);
        room = wanted > room ? wanted : room;
    }
    float *scratch = tensor_new(room);
    struct cnn_batch_norm_arrays a = {.x = x + from * pixels * b.channels,
                                      .mean = r->mean,
                                      .var = r->var,
                                      .gamma = gamma,
                                      .beta = beta,
                                      .y = r->y + from * pooled * b.channels,
                                      .dy = dy + from * pooled * b.channels,
                                      .dx = r->dx + from * pixels * b.channels,
                                      .dgamma = r->dgamma,
                                      .dbeta = r->dbeta,
                                      .scratch = scratch};
    k->batch_norm_statistics(&b, a.x, r->mean, r->var, scratch);
    k->batch_norm_forward(&b, &a);
    k->batch_norm_backward(&b, &a);
    tensor_free(scratch, room);
}

static void check_norm(const struct cnn_kernels *k, struct cnn_batch_norm b, size_t n)
{
    static struct meeting meeting;
    size_t size = n * b.image * b.channels;
    float *x = tensor_random(size, 7), *dy = tensor_random(size, 8);
    struct norm want = {0};
    for (size_t ranks = 1; ranks <= MOST; ranks++) {
        struct norm got = {.y = tensor_new(size), .dx = tensor_new(size)};
        double *room = (double *)tensor_new(4 * b.channels * cnn_parts_count(n));
        memset(got.y, 0, size * sizeof *got.y);
        for (size_t round = 0; round < (ranks == 1 ? 1 : 3); round++)
            for (size_t rank = 0; rank < ranks; rank++) {
                struct cnn_parts own = cnn_parts_of(n, rank, ranks);
                const struct cnn_ranks processes = {
                    .rank = rank, .count = ranks, .context = &meeting, .gather = gather};
                meeting.rank = rank, meeting.ranks[0] = processes;
                b.parts = &own, b.rows = cnn_parts_images(&own) * b.image;
                b.ranks = ranks > 1 ? &processes : NULL, b.room = room;
                run_norm(k, b, x, dy, &got);
            }
        if (ranks == 1) {
            want = got;
        } else {
            assert_floats_same("y", got.y, want.y, size);
            assert_floats_same("dx", got.dx, want.dx, size);
            assert_floats_same("mean", got.mean, want.mean, b.channels);
            assert_floats_same("var", got.var, want.var, b.channels);
            assert_floats_same("dgamma", got.dgamma, want.dgamma, b.channels);
            assert_floats_same("dbeta", got.dbeta, want.dbeta, b.channels);
            tensor_free(got.y, size), tensor_free(got.dx, size);
        }
        tensor_free((float *)room, 4 * b.channels * cnn_parts_count(n));
    }
    tensor_free(want.y, size), tensor_free(want.dx, size);
    tensor_free(x, size), tensor_free(dy, size);
}

static void test_batch_norm_when_ranks_share_the_batch(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const struct cnn_pool pool = {.in_h = 7,
                                  .in_w = 6,
                                  .channels = 20,
                                  .out_h = 3,
                                  .out_w = 3,
                                  .kernel_h = 2,
                                  .kernel_w = 2,
                                  .stride_h = 2,
                                  .stride_w = 2};
    const struct cnn_batch_norm cases[] = {
        {.image = 42, .channels = 20, .eps = 1e-5f, .pool = &pool},
        {.image = 42, .channels = 20, .eps = 1e-5f, .activation = {.kind = CNN_ACT_RELU}},
        {.image = 1, .channels = 80, .eps = 1e-5f, .activation = {.kind = CNN_ACT_SIGMOID}},
        {.image = 900, .channels = 3, .eps = 1e-5f}};
    for (size_t i = 0; (k = TABLE_WITH_OWN(batch_norm_forward, i)); i++)
        for (size_t c = 0; c < sizeof cases / sizeof *cases; c++)
            for (size_t n = 2; n < 30; n += 9)
                check_norm(k, cases[c], n);
}

/* 30 rows of which 12 lie in the first part: by hand from all of them. */
static void test_batch_norm_statistics_are_those_of_all_rows(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t i = 0; (k = TABLE_WITH_OWN(batch_norm_forward, i)); i++) {
        struct cnn_parts parts = cnn_parts_of(5, 0, 1); /* of 1, 1, 1 and 2 images */
        struct cnn_batch_norm b = {.rows = 30, .channels = 1, .parts = &parts, .image = 6};
        float *x = tensor_random(30, 3), mean, var;
        double want = 0, squares = 0, scratch[200];
        for (size_t r = 0; r < 30; r++)
            want += (double)(x[r] += 50) / 30;
        for (size_t r = 0; r < 30; r++)
            squares += ((double)x[r] - want) * ((double)x[r] - want) / 30;
        assert_true(k->batch_norm_scratch_floats(&b) <= 400);
        k->batch_norm_statistics(&b, x, &mean, &var, (float *)scratch);
        const float expected[] = {(float)want, (float)squares}, got[] = {mean, var};
        assert_floats_near("mean", got, expected, 1, 1e-6);
        assert_floats_near("variance", got + 1, expected + 1, 1, 1e-5);
        tensor_free(x, 30);
    }
}

/* The gradients of a large layer, of weights and then of biases, all at once and some filters at a
 * time. */
static float *check_pieces(const struct cnn_kernels *k, const struct shape *s, size_t *size)
{
    struct arrays a = arrays_of(k, s);
    const struct cnn_parts all = cnn_parts_of(s->n, 0, 1);
    const size_t filter = cnn_conv_filter_floats(&a.c), filters = a.c.out_c,
                 piece = cnn_gradient_piece(&a.c);
    *size = filters * (filter + 1);
    float *want = tensor_new(*size), *dw = tensor_new(piece * filter), *db = tensor_new(piece);
    assert_true(piece > 0 && piece % 32 == 0 && filters % piece > 0);
    struct cnn_conv_backward_weights pass = {.n = s->n,
                                             .parts = &all,
                                             .x = a.x,
                                             .dy = a.dy,
                                             .dw = want,
                                             .db = want + filters * filter,
                                             .scratch = a.scratch};
    k->conv_backward_weights(&a.c, &pass);
    pass.dw = dw;
    pass.db = db;
    for (; pass.first < filters; pass.first += piece) {
        pass.count = pass.first + piece < filters ? piece : filters - pass.first;
        k->conv_backward_weights(&a.c, &pass);
        assert_memory_equal(dw, want + pass.first * filter, pass.count * filter * sizeof *dw);
        assert_memory_equal(db, want + filters * filter + pass.first, pass.count * sizeof *db);
    }
    tensor_free(dw, piece * filter);
    tensor_free(db, piece);
    arrays_free(&a, s->n);
    return want;
}

static void test_pieces_are_those_of_the_whole(void **state)
{
    (void)state;
    const struct shape large[] = {
        {5, 1, 1, 30000, 150, 1, 1, 0, 1, true, false},
        {33, 1, 1, 30000, 150, 1, 1, 0, 1, true, true},
        {3, 3, 2, 1040, 464, 3, 1, 1, 1, true, false},  /* blocks */
        {2, 3, 3, 1040, 464, 3, 1, 1, 1, true, true},   /* pairs */
        {1, 8, 8, 1040, 464, 3, 1, 1, 1, false, false}, /* Winograd's, except of plain C */
        {3, 2, 2, 2080, 2064, 1, 1, 0, 1, true, false}, /* a product */
    };
    const struct cnn_kernels *k;
    for (size_t s = 0; s < sizeof large / sizeof *large; s++) {
        float *want = NULL;
        size_t size = 0;
        for (size_t i = 0; (k = TABLE_WITH_OWN(conv_backward_weights, i)); i++) {
            float *got = check_pieces(k, &large[s], &size);
            if (!want) {
                want = got;
                continue;
            }
            assert_floats_near(k->name, got, want, size, large[s].bf16 ? 2e-2 : 1e-4);
            tensor_free(got, size);
        }
        tensor_free(want, size);
    }
}

/* Of a dense layer on a large picture 32 units may be more than there are. */
static void test_pieces_are_less_than_the_whole(void **state)
{
    (void)state;
    const size_t inputs[] = {1, 4096, 65536, 65537, 300000, 600000, 1 << 20, 3 << 20};
    size_t cut = 0;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        for (size_t units = 1; units < 2000; units++) {
            const struct cnn_conv c = cnn_conv_dense(inputs[i], units, true);
            const size_t piece = cnn_gradient_piece(&c);
            assert_true(piece % 32 == 0 && piece < units);
            cut += piece > 0;
        }
    assert_true(cut > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_conv_when_ranks_share_the_batch),
        cmocka_unit_test(test_pieces_are_those_of_the_whole),
        cmocka_unit_test(test_pieces_are_less_than_the_whole),
        cmocka_unit_test(test_batch_norm_when_ranks_share_the_batch),
        cmocka_unit_test(test_batch_norm_statistics_are_those_of_all_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
