/* mixup and cutmix: what becomes of images and labels, and the numbers that they draw. */
#include "draws.h"
#include "near.h"
#include "scratch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/mix.h"

/* ---- Beta ---- */

#define DRAWS 20000

static int compare(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

static double beta_2_5(double x)
{
    return 1 - pow(1 - x, 6) - 6 * x * pow(1 - x, 5);
}

static double beta_2_2(double x)
{
    return x * x * (3 - 2 * x);
}

static double beta_1_1(double x)
{
    return x;
}

static double beta_half_half(double x)
{
    return 2 / 3.14159265358979 * asin(sqrt(x));
}

/* Kolmogorov and Smirnov's test: the greatest distance between the share of draws below x and the
 * distribution there, of which 1.95 / sqrt(draws) is exceeded once in a thousand. */
static void expect_distribution(double a, double b, double (*distribution)(double))
{
    static double x[DRAWS];
    double distance = 0;
    struct cnn_rng rng = cnn_rng_at(1, CNN_STREAM_MIX, 1);
    for (size_t i = 0; i < DRAWS; i++)
        x[i] = (double)cnn_rng_beta(&rng, a, b);
    qsort(x, DRAWS, sizeof *x, compare);
    for (size_t i = 0; i < DRAWS; i++) {
        assert_true(x[i] >= 0 && x[i] <= 1);
        distance = fmax(distance, fabs(distribution(x[i]) - (double)i / DRAWS));
    }
    assert_near(distance, 0, 1.95 / sqrt(DRAWS));
}

static void test_beta_numbers_have_their_distribution(void **state)
{
    (void)state;
    expect_distribution(2, 5, beta_2_5);
    expect_distribution(2, 2, beta_2_2);
    expect_distribution(1, 1, beta_1_1);
    expect_distribution(0.5, 0.5, beta_half_half);
}

/* The variance of Beta(a, a) is 1 / (8 a + 4). Very small a leave nothing between 0 and 1, very
 * large ones nothing but a half. */
static void test_beta_numbers_spread_as_alpha_says(void **state)
{
    (void)state;
    const double alphas[] = {0.001, 0.1, 0.2, 0.4, 1, 8, 1000};
    for (size_t k = 0; k < sizeof alphas / sizeof *alphas; k++) {
        struct cnn_rng rng = cnn_rng_at(2, CNN_STREAM_MIX, k);
        double want = 1 / (8 * alphas[k] + 4);
        struct seen x = {0}, square = {0};
        for (size_t i = 0; i < DRAWS; i++) {
            double value = (double)cnn_rng_beta(&rng, alphas[k], alphas[k]) - 0.5;
            see(&x, value);
            see(&square, value * value);
        }
        assert_near(x.mean, 0, 4 * sqrt(want / DRAWS));
        assert_near(square.mean, want, 0.04 * want);
    }
}

/* ---- batches ---- */

#define H      6
#define W      8
#define C      3
#define N      5
#define VALUES (H * W * C)

static const cnn_shape shape = {3, C, H, W};
static const struct cnn_augmentation *mixup, *flip, *cutmix, *either;

static int steps_read(void **state)
{
    (void)state;
    mixup = steps_of("[{type: mixup, alpha: 1}]");
    flip = steps_of("[flip, {type: mixup, alpha: 1}]");
    cutmix = steps_of("[{type: cutmix, alpha: 1}]");
    either = steps_of("[{type: cutmix, alpha: 1}, flip, {type: mixup, alpha: 1}]");
    return 0;
}

static float before[N * VALUES], images[N * VALUES], shares[N];
static size_t labels[N] = {7, 1, 0, 3, 3}, others[N];

/* Mixes batch k of n images; every value of the images is another. */
static void mix(const struct cnn_augmentation *augmentation, size_t n, size_t k)
{
    struct cnn_batch batch = {
        .n = n, .own = n, .images = images, .labels = labels, .others = others, .shares = shares};
    struct cnn_rng rng = cnn_rng_at(3, CNN_STREAM_MIX, k);
    for (size_t i = 0; i < N * VALUES; i++)
        before[i] = images[i] = (float)i / 64 - 4;
    cnn_mix_batch(augmentation, shape, &rng, &batch);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(others[i], labels[n - 1 - i]);
        assert_true(shares[i] == shares[0] && shares[i] >= 0 && shares[i] <= 1);
    }
    assert_memory_equal(images + n * VALUES, before + n * VALUES,
                        (N - n) * VALUES * sizeof *images);
}

static void test_images_are_added_by_their_shares_when_mixed_up(void **state)
{
    (void)state;
    struct seen seen = {0};
    for (size_t k = 0; k < 1000; k++) {
        size_t n = N - k % 3;
        mix(mixup, n, k);
        see(&seen, (double)shares[0]);
        for (size_t i = 0; i < n * VALUES; i++) {
            double own = (double)before[i],
                   other = (double)before[(n - 1 - i / VALUES) * VALUES + i % VALUES],
                   share = (double)shares[i / VALUES];
            assert_near((double)images[i], share * own + (1 - share) * other, 2e-6);
        }
    }
    expect_uniform(&seen, 0, 1, 0.02);
}

static void test_an_image_stays_when_it_is_alone(void **state)
{
    (void)state;
    mix(mixup, 1, 0);
    assert_memory_equal(images, before, sizeof images);
    mix(cutmix, 1, 0);
    assert_memory_equal(images, before, sizeof images);
}

/* The box of the images' first n - n % 2 that came from their partners; how many pixels are in
 * it. */
static size_t box_area(size_t n)
{
    int top = H, bottom = -1, left = W, right = -1;
    bool swapped[H * W] = {false};
    for (size_t i = 0; i < n * VALUES; i++) {
        size_t image = i / VALUES, partner = n - 1 - image, pixel = i % VALUES / C;
        bool own = images[i] == before[i];
        assert_true(own || images[i] == before[partner * VALUES + i % VALUES]);
        if (image == 0 && !own)
            swapped[pixel] = true;
        else if (image != partner)
            assert_int_equal(swapped[pixel], !own);
    }
    for (int i = 0; i < H * W; i++) {
        if (!swapped[i])
            continue;
        top = i / W < top ? i / W : top;
        bottom = i / W > bottom ? i / W : bottom;
        left = i % W < left ? i % W : left;
        right = i % W > right ? i % W : right;
    }
    for (int i = 0; i < H * W; i++)
        assert_int_equal(swapped[i],
                         i / W >= top && i / W <= bottom && i % W >= left && i % W <= right);
    return top > bottom ? 0 : (size_t)((bottom - top + 1) * (right - left + 1));
}

static void test_shares_are_those_of_the_area_when_a_box_is_swapped(void **state)
{
    (void)state;
    size_t areas[H * W + 1] = {0};
    for (size_t k = 0; k < 4000; k++) {
        size_t n = N - k % 2;
        mix(cutmix, n, k);
        size_t area = box_area(n);
        assert_near((double)shares[0], 1 - (double)area / (H * W), 1e-6);
        areas[area]++;
    }
    assert_true(areas[0] > 0 && areas[1] > 0 && areas[2] > 0 && areas[H * W] == 0 &&
                areas[(H - 1) * (W - 1)] > 0);
}

/* The mean share that is swapped, by counting over all centres and over shares in small steps. */
static void test_boxes_are_cut_off_at_the_edges_when_swapped(void **state)
{
    (void)state;
    double want = 0;
    const int steps = 1000, sides[2] = {H, W};
    for (int i = 0; i < steps; i++) {
        double part = sqrt((i + 0.5) / steps), kept = 1;
        for (int axis = 0; axis < 2; axis++) {
            int n = sides[axis], side = (int)(n * part), sum = 0;
            for (int centre = 0; centre < n; centre++)
                for (int at = centre - side / 2; at < centre - side / 2 + side; at++)
                    sum += at >= 0 && at < n;
            kept *= (double)sum / (n * n);
        }
        want += kept / steps;
    }
    struct seen swapped = {0};
    for (size_t k = 0; k < 20000; k++) {
        mix(cutmix, 2, k);
        see(&swapped, 1 - (double)shares[0]);
    }
    assert_near(swapped.mean, want, 0.005);
}

static void test_batches_get_one_of_the_two_when_both_are_listed(void **state)
{
    (void)state;
    size_t added = 0;
    assert_true(cnn_mixes(either) && cnn_mixes(flip) && cnn_mixes(cutmix));
    assert_false(cnn_mixes(NULL) || cnn_mixes(steps_of("[flip]")));
    for (size_t k = 0; k < 1000; k++) {
        mix(either, 2, k);
        bool blended = false;
        for (size_t i = 0; i < VALUES; i++)
            blended = blended || (images[i] != before[i] && images[i] != before[VALUES + i]);
        added += blended;
    }
    assert_in_range(added, 440, 560);
}

static void test_batches_depend_on_their_draw_alone(void **state)
{
    (void)state;
    static float first[N * VALUES];
    for (size_t k = 0; k < 20; k++) {
        mix(either, N, k);
        float share = shares[0];
        memcpy(first, images, sizeof first);
        mix(either, N, k + 1);
        assert_true(shares[0] != share);
        mix(either, N, k);
        assert_true(shares[0] == share);
        assert_memory_equal(images, first, sizeof first);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beta_numbers_have_their_distribution),
        cmocka_unit_test(test_beta_numbers_spread_as_alpha_says),
        cmocka_unit_test(test_images_are_added_by_their_shares_when_mixed_up),
        cmocka_unit_test(test_an_image_stays_when_it_is_alone),
        cmocka_unit_test(test_shares_are_those_of_the_area_when_a_box_is_swapped),
        cmocka_unit_test(test_boxes_are_cut_off_at_the_edges_when_swapped),
        cmocka_unit_test(test_batches_get_one_of_the_two_when_both_are_listed),
        cmocka_unit_test(test_batches_depend_on_their_draw_alone),
    };
    return cmocka_run_group_tests(tests, steps_read, NULL);
}
