/* The arena of exported C: arrays that are alive at the same time do not overlap, but for outputs
 * that may run ahead of their input, and no more is taken than the arrays need. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats/c_export.h"

static uint32_t state = 7;

static size_t draw(size_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

static size_t end_of(const struct cnn_c_array *a)
{
    return a->offset + a->bytes;
}

/* What the header says, in the plainest words. */
static bool may_stand(const struct cnn_c_array *arrays, size_t i, size_t k)
{
    const struct cnn_c_array *a = &arrays[i], *b = &arrays[k];
    if (a->last < b->first || b->last < a->first)
        return true;
    if (end_of(a) <= b->offset || end_of(b) <= a->offset)
        return true;
    return (a->over == k && a->offset + a->ahead <= b->offset) ||
           (b->over == i && b->offset + b->ahead <= a->offset);
}

static void expect_places(struct cnn_c_array *arrays, size_t count, size_t most)
{
    size_t bytes, end = 0, alive = 0;
    assert_true(cnn_c_place(arrays, count, &bytes));
    for (size_t i = 0; i < count; i++) {
        end = end_of(&arrays[i]) > end ? end_of(&arrays[i]) : end;
        const size_t then = cnn_c_alive(arrays, count, arrays[i].first);
        alive = then > alive ? then : alive;
        for (size_t k = 0; k < i; k++) {
            assert_true(may_stand(arrays, i, k));
            assert_int_equal(cnn_c_collide(arrays, i, k), false);
        }
    }
    assert_int_equal(bytes, end);
    assert_true(alive <= bytes && bytes <= most);
}

/* Chains of layers, with values that are read later once more. */
static void test_random_networks_have_no_overlap(void **unused)
{
    (void)unused;
    for (int round = 0; round < 200; round++) {
        struct cnn_c_array arrays[24];
        const size_t count = 2 + draw(22);
        size_t sum = 0;
        for (size_t i = 0; i < count; i++) {
            arrays[i] = (struct cnn_c_array){.bytes = 4 * draw(400),
                                             .first = i,
                                             .last = i + 1 + (draw(4) == 0 ? draw(6) : 0),
                                             .over = CNN_C_NONE};
            if (i > 0 && arrays[i - 1].last == i && draw(2) == 0) {
                arrays[i].over = i - 1;
                arrays[i].ahead = 4 * draw(arrays[i].bytes / 4 + 20);
            }
            sum += arrays[i].bytes;
        }
        expect_places(arrays, count, sum);
    }
}

/* The first stack of ResNet-8: x is read again by the sum, and the second convolution writes two
 * rows ahead of its input. */
static void test_a_convolution_writes_over_its_input(void **unused)
{
    (void)unused;
    struct cnn_c_array arrays[] = {
        {.bytes = 16384, .first = 0, .last = 3, .over = CNN_C_NONE},
        {.bytes = 16384, .first = 1, .last = 2, .over = CNN_C_NONE},
        {.bytes = 16384, .first = 2, .last = 3, .over = 1, .ahead = 1024},
    };
    expect_places(arrays, 3, 2 * 16384 + 1024);
    arrays[2].ahead = 20000; /* it is apart */
    expect_places(arrays, 3, 3 * 16384);
}

/* A pointwise convolution that doubles the channels: all of y and one row of x. */
static void test_a_larger_output_grows_over_its_input(void **unused)
{
    (void)unused;
    struct cnn_c_array arrays[] = {
        {.bytes = 48 * 384, .first = 0, .last = 1, .over = CNN_C_NONE},
        {.bytes = 48 * 768, .first = 1, .last = 2, .over = 0, .ahead = 48 * 768 - 47 * 384},
    };
    expect_places(arrays, 2, 48 * 768 + 384);
}

static void test_nothing_takes_nothing(void **unused)
{
    size_t bytes = 1;
    (void)unused;
    assert_true(cnn_c_place(NULL, 0, &bytes));
    assert_int_equal(bytes, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_networks_have_no_overlap),
        cmocka_unit_test(test_a_convolution_writes_over_its_input),
        cmocka_unit_test(test_a_larger_output_grows_over_its_input),
        cmocka_unit_test(test_nothing_takes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
