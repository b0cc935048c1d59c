/* Augmentations that change colours, and rand_augment: what they draw comes up as often as it
 * should, and nothing else does. */
#include "draws.h"
#include "near.h"
#include "scratch.h"

#include <stdio.h>
#include <string.h>

#include "data/augment_steps.h"

/* ---- jitter ---- */

static void jitter(const struct cnn_augmentation *step, size_t image, size_t channels,
                   uint8_t *pixels)
{
    uint8_t scratch[6];
    struct cnn_draw draw = draw_at(1, image);
    cnn_augment(step, (cnn_shape){3, channels, 1, 2}, &draw, pixels, scratch);
}

static void test_factors_are_uniform_when_jittered(void **state)
{
    (void)state;
    const struct cnn_augmentation *brightness = steps_of("[{type: jitter, brightness: 0.5}]"),
                                  *dark = steps_of("[{type: jitter, brightness: 1.5}]"),
                                  *contrast = steps_of("[{type: jitter, contrast: 0.4}]"),
                                  *saturation = steps_of("[{type: jitter, saturation: 0.3}]");
    struct seen seen[4] = {0};
    for (size_t i = 0; i < 2000; i++) {
        uint8_t level[2] = {100, 100}, faint[2] = {100, 100}, two[2] = {50, 150},
                colour[6] = {200, 100, 100, 200, 100, 100};
        jitter(brightness, i, 1, level);
        see(&seen[0], level[0] / 100.0);
        jitter(dark, i, 1, faint);
        see(&seen[1], faint[0] / 100.0);
        jitter(contrast, i, 1, two);
        see(&seen[2], (two[1] - two[0]) / 100.0);
        jitter(saturation, i, 3, colour);
        see(&seen[3], (colour[0] - colour[1]) / 100.0);
    }
    expect_uniform(&seen[0], 0.5, 1.5, 0.03);
    expect_uniform(&seen[1], 0, 2.5, 0.03);
    expect_uniform(&seen[2], 0.6, 1.4, 0.03);
    expect_uniform(&seen[3], 0.7, 1.3, 0.04);
}

/* From red, forward to yellow the green rises, and back to magenta the blue; a turn of 0.15 is 0.9
 * of such a side. */
static void test_turns_are_uniform_when_hue_is_jittered(void **state)
{
    (void)state;
    const struct cnn_augmentation *step = steps_of("[{type: jitter, hue: 0.15}]");
    struct seen turns = {0};
    for (size_t i = 0; i < 2000; i++) {
        uint8_t red[6] = {250, 50, 50, 250, 50, 50};
        jitter(step, i, 3, red);
        assert_true(red[0] == 250 && (red[1] == 50 || red[2] == 50));
        see(&turns, (red[1] - red[2]) / 1200.0);
    }
    expect_uniform(&turns, -0.15, 0.15, 0.03);
}

/* Where black and white are made brighter first, they stay so, and less contrast then draws them
 * together about 127.5: their sum stays 255. Where they are made brighter last, their sum grows. */
static void test_either_comes_first_when_two_are_jittered(void **state)
{
    (void)state;
    const struct cnn_augmentation *step = steps_of("[{type: jitter, brightness: 1, contrast: 1}]");
    size_t brightness_first = 0, contrast_first = 0;
    for (size_t i = 0; i < 4000; i++) {
        uint8_t two[2] = {0, 255};
        jitter(step, i, 1, two);
        brightness_first += two[0] > 20 && two[0] + two[1] >= 253 && two[0] + two[1] <= 255;
        contrast_first += two[0] > 20 && two[0] + two[1] > 265;
    }
    assert_in_range(brightness_first, 300, 500);
    assert_in_range(contrast_first, 300, 500);
}

/* ---- rand_augment ---- */

#define WIDE        24
#define FAINT_BYTES (12 * WIDE)

struct result {
    uint8_t pixels[FAINT_BYTES];
    size_t count;
};

/* The results of one operation each, and how often each came up; how many there are. */
static size_t collect(size_t magnitude, size_t tries, struct result *results, size_t room)
{
    char list[64];
    snprintf(list, sizeof list, "[{type: rand_augment, count: 1, magnitude: %zu}]", magnitude);
    const struct cnn_augmentation *step = steps_of(list);
    size_t found = 0;
    for (size_t k = 0; k < tries; k++) {
        uint8_t pixels[FAINT_BYTES], scratch[FAINT_BYTES];
        struct cnn_draw draw = draw_at(2, k);
        faint_image(FAINT_BYTES, pixels);
        cnn_augment(step, (cnn_shape){3, 1, 12, WIDE}, &draw, pixels, scratch);
        size_t i = 0;
        while (i < found && memcmp(results[i].pixels, pixels, FAINT_BYTES) != 0)
            i++;
        assert_in_range(i, 0, room - 1);
        if (i == found) {
            memcpy(results[found].pixels, pixels, FAINT_BYTES);
            results[found++].count = 0;
        }
        results[i].count++;
    }
    return found;
}

/* How often pixels came up. */
static size_t count_of(const struct result *results, size_t found, const uint8_t *pixels)
{
    for (size_t i = 0; i < found; i++)
        if (memcmp(results[i].pixels, pixels, FAINT_BYTES) == 0)
            return results[i].count;
    return 0;
}

/* In grey, saturation is one more identity: 2 of 14. Eight operations have two directions, 1 of 28
 * each; four have one, 1 of 14. */
static void test_each_operation_comes_up_when_rand_augmented(void **state)
{
    (void)state;
    static struct result results[40];
    uint8_t pixels[FAINT_BYTES], want[FAINT_BYTES];
    size_t found = collect(30, 5600, results, 40), sides = 0, singles = 0;
    assert_int_equal(found, 21);
    faint_image(FAINT_BYTES, pixels);
    assert_in_range(count_of(results, found, pixels), 700, 900);
    for (size_t i = 0; i < found; i++) {
        sides += results[i].count > 150 && results[i].count < 250;
        singles += results[i].count > 330 && results[i].count < 470;
    }
    assert_int_equal(sides, 16);
    assert_int_equal(singles, 4);
    for (size_t i = 0; i < FAINT_BYTES; i++) /* 150 / 331 of 24 columns are 10.9 */
        want[i] = i % WIDE < 14 ? pixels[i + 10] : 0;
    assert_in_range(count_of(results, found, want), 150, 250);
    for (size_t i = 0; i < FAINT_BYTES; i++) /* and of 12 rows, 5.4 */
        want[i] = i < 5 * WIDE ? 0 : pixels[i - 5 * WIDE];
    assert_in_range(count_of(results, found, want), 150, 250);
    for (size_t i = 0; i < FAINT_BYTES; i++)
        want[i] = (uint8_t)(pixels[i] / 16 * 16);
    assert_in_range(count_of(results, found, want), 330, 470);
    for (size_t i = 0; i < FAINT_BYTES; i++)
        want[i] = (uint8_t)(255 - pixels[i]);
    assert_in_range(count_of(results, found, want), 330, 470);
    for (size_t i = 0; i < FAINT_BYTES; i++)
        want[i] = (uint8_t)(pixels[i] * 1.9f < 255 ? pixels[i] * 1.9f : 255);
    assert_in_range(count_of(results, found, want), 150, 250);
}

/* At nine of thirty; the operations themselves are test_augment_pixels.c's. A shear is about the
 * corner, half a pixel before the first middle. */
static void test_strengths_are_torchvisions_when_rand_augmented(void **state)
{
    (void)state;
    enum { KINDS = 9 };
    static struct result results[40];
    const cnn_shape shape = {3, 1, 12, WIDE};
    const double along_x[6] = {1, 0.09, 0.045, 0, 1, 0}, along_y[6] = {1, 0, 0, -0.09, 1, -0.045};
    uint8_t want[KINDS][FAINT_BYTES], scratch[FAINT_BYTES], blank[1] = {0};
    size_t found = collect(9, 1400, results, 40);
    for (size_t i = 0; i < KINDS; i++)
        faint_image(FAINT_BYTES, want[i]);
    cnn_pixels_warp(shape, along_x, blank, want[0], scratch);
    cnn_pixels_warp(shape, along_y, blank, want[1], scratch);
    cnn_pixels_rotate(shape, -9, blank, want[2], scratch);
    cnn_pixels_brightness(shape, 1.27, want[3]);
    cnn_pixels_contrast(shape, 0.73, want[4]);
    cnn_pixels_sharpness(shape, 1.27, want[5], scratch);
    cnn_pixels_posterize(shape, 7, want[6]);
    cnn_pixels_solarize(shape, 178.5, want[7]);
    cnn_pixels_equalize(shape, want[8]);
    for (size_t i = 0; i < KINDS; i++)
        assert_in_range(count_of(results, found, want[i]), i < 6 ? 25 : 70, i < 6 ? 75 : 130);
}

/* Only what has no strength remains: autocontrast and equalize. */
static void test_little_changes_when_the_magnitude_is_zero(void **state)
{
    (void)state;
    static struct result results[10];
    uint8_t pixels[FAINT_BYTES];
    size_t found = collect(0, 1400, results, 10);
    assert_int_equal(found, 3);
    faint_image(FAINT_BYTES, pixels);
    assert_in_range(count_of(results, found, pixels), 1140, 1260);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_factors_are_uniform_when_jittered),
        cmocka_unit_test(test_turns_are_uniform_when_hue_is_jittered),
        cmocka_unit_test(test_either_comes_first_when_two_are_jittered),
        cmocka_unit_test(test_each_operation_comes_up_when_rand_augmented),
        cmocka_unit_test(test_strengths_are_torchvisions_when_rand_augmented),
        cmocka_unit_test(test_little_changes_when_the_magnitude_is_zero),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
