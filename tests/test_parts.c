/* How a batch is cut into parts, and the order in which their sums are added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "util/parts.h"

static void test_parts_follow_from_the_number_of_images(void **state)
{
    static const size_t want[][2] = {{1, 1},    {2, 2},    {3, 2},      {4, 4},
                                     {31, 4},   {32, 8},   {255, 8},    {256, 16},
                                     {511, 16}, {512, 32}, {4096, 256}, {65536, 256}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        assert_int_equal(cnn_parts_count(want[i][0]), want[i][1]);
}

static void test_ranks_divide_all_images(void **state)
{
    (void)state;
    for (size_t images = 1; images < 300; images++)
        for (size_t ranks = 1; ranks <= 9; ranks++) {
            size_t part = 0, image = 0;
            for (size_t rank = 0; rank < ranks; rank++) {
                struct cnn_parts p = cnn_parts_of(images, rank, ranks);
                assert_int_equal(p.first, part);
                assert_int_equal(cnn_parts_image(&p, p.first), image);
                image += cnn_parts_images(&p);
                part = p.end;
                assert_true(cnn_parts_images(&p) <= cnn_parts_most_images(images, rank, ranks));
                for (size_t i = p.first; i < p.end; i++)
                    assert_true(cnn_parts_image(&p, i + 1) > cnn_parts_image(&p, i));
            }
            assert_int_equal(image, images);
        }
}

/* The sum that a process without others makes, by halves. */
static float sum_halves(const float *x, size_t count)
{
    return count == 1 ? x[0] : sum_halves(x, count / 2) + sum_halves(x + count / 2, count / 2);
}

static void add(struct cnn_tree *tree, size_t first, size_t count, float value, float *places)
{
    size_t into;
    places[cnn_tree_push(tree, first, count)] = value;
    while (cnn_tree_merge(tree, &into))
        places[into] += places[into + 1];
}

static void test_sums_are_the_same_for_any_number_of_ranks(void **state)
{
    (void)state;
    float x[256];
    for (size_t i = 0; i < 256; i++)
        x[i] = 1.0f / (float)(i * i % 97 + 1) * (i % 3 == 0 ? -1e3f : 1.0f);
    for (size_t images = 1; images <= 4096; images = images * 3 / 2 + 1)
        for (size_t ranks = 1; ranks <= 11; ranks++) {
            struct cnn_tree all = {0};
            float places[CNN_PARTS_DEPTH], want = sum_halves(x, cnn_parts_count(images));
            for (size_t rank = 0; rank < ranks; rank++) {
                struct cnn_parts own = cnn_parts_of(images, rank, ranks), root = {.end = own.first};
                size_t roots = 0;
                for (; cnn_parts_next(&own, &root); roots++)
                    add(&all, root.first, root.end - root.first,
                        sum_halves(x + root.first, root.end - root.first), places);
                assert_true(roots <= CNN_PARTS_DEPTH);
            }
            assert_int_equal(all.depth, 1);
            assert_memory_equal(&places[0], &want, sizeof want);
        }
}

/* 5 to 7 of 8 parts: 5 has its neighbour elsewhere, so it does not join 6. */
static void test_neighbours_of_two_pairs_are_not_added(void **state)
{
    (void)state;
    struct cnn_tree tree = {0};
    size_t into = 9;
    assert_int_equal(cnn_tree_push(&tree, 5, 1), 0);
    assert_int_equal(cnn_tree_push(&tree, 6, 1), 1);
    assert_false(cnn_tree_merge(&tree, &into));
    assert_int_equal(cnn_tree_push(&tree, 7, 1), 2);
    assert_true(cnn_tree_merge(&tree, &into));
    assert_int_equal(into, 1);
    assert_false(cnn_tree_merge(&tree, &into));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_follow_from_the_number_of_images),
        cmocka_unit_test(test_ranks_divide_all_images),
        cmocka_unit_test(test_sums_are_the_same_for_any_number_of_ranks),
        cmocka_unit_test(test_neighbours_of_two_pairs_are_not_added),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
