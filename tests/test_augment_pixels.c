/* What augmentations do to pixels, with given numbers, against PyTorch's results
 * (tests/golden/augment.py). */
#include "scratch.h"

#include <stdlib.h>
#include <string.h>

#include "data/augment_steps.h"
#include "golden/augment.inc"

#define COUNT (sizeof golden_image)
#define FAINT (sizeof golden_faint)

static const cnn_shape shape = {3, 3, 6, 8}, faint = {3, 1, 20, 32};
static const uint8_t blank[3] = {100, 50, 200};
static uint8_t pixels[COUNT], scratch[COUNT], faint_pixels[FAINT];

static int set_up(void **state)
{
    (void)state;
    memcpy(pixels, golden_image, COUNT);
    memcpy(faint_pixels, golden_faint, FAINT);
    return 0;
}

/* Between pixels, an exact value of all but half a level may end up on its other side. */
static void expect(const uint8_t *got, const uint8_t *want, size_t count)
{
    size_t off = 0;
    for (size_t i = 0; i < count; i++) {
        off += got[i] != want[i];
        if (abs(got[i] - want[i]) > 1)
            fail_msg("byte %zu is %d, not %d", i, got[i], want[i]);
    }
    if (off > 2)
        fail_msg("%zu of %zu bytes are off by one", off, count);
}

#define EXPECT(name)       expect(pixels, golden_##name, COUNT)
#define EXPECT_FAINT(name) expect(faint_pixels, golden_##name, FAINT)

static void test_brightness_is_pytorchs(void **state)
{
    cnn_pixels_brightness(shape, 1.7, pixels);
    EXPECT(brighter);
    set_up(state);
    cnn_pixels_brightness(shape, 0.6, pixels);
    EXPECT(darker);
}

static void test_contrast_is_pytorchs(void **state)
{
    cnn_pixels_contrast(shape, 1.8, pixels);
    EXPECT(contrast_more);
    set_up(state);
    cnn_pixels_contrast(shape, 0.3, pixels);
    EXPECT(contrast_less);
    cnn_pixels_contrast(faint, 2.5, faint_pixels);
    EXPECT_FAINT(contrast_faint);
}

static void test_saturation_is_pytorchs(void **state)
{
    cnn_pixels_saturation(shape, 1.6, pixels);
    EXPECT(saturation_more);
    set_up(state);
    cnn_pixels_saturation(shape, 0.25, pixels);
    EXPECT(saturation_less);
    cnn_pixels_saturation(faint, 0.25, faint_pixels);
    EXPECT_FAINT(faint);
}

static void test_hue_is_pytorchs(void **state)
{
    cnn_pixels_hue(shape, 0.2, pixels);
    EXPECT(hue_on);
    set_up(state);
    cnn_pixels_hue(shape, -0.4, pixels);
    EXPECT(hue_back);
    cnn_pixels_hue(faint, -0.4, faint_pixels);
    EXPECT_FAINT(faint);
}

static void test_sharpness_is_pytorchs(void **state)
{
    cnn_pixels_sharpness(shape, 1.9, pixels, scratch);
    EXPECT(sharper);
    set_up(state);
    cnn_pixels_sharpness(shape, 0.1, pixels, scratch);
    EXPECT(smoother);
}

static void test_posterize_and_solarize_are_pytorchs(void **state)
{
    cnn_pixels_posterize(shape, 3, pixels);
    EXPECT(posterize);
    set_up(state);
    cnn_pixels_posterize(shape, 8, pixels);
    EXPECT(image);
    cnn_pixels_solarize(shape, 128.5, pixels);
    EXPECT(solarize);
}

static void test_autocontrast_is_pytorchs(void **state)
{
    (void)state;
    cnn_pixels_autocontrast(faint, faint_pixels);
    EXPECT_FAINT(autocontrast_faint);
    memset(pixels, 7, COUNT);
    memset(scratch, 7, COUNT);
    cnn_pixels_autocontrast(shape, pixels);
    assert_memory_equal(pixels, scratch, COUNT);
}

/* One value, or fewer than 255 pixels beside the highest value: nothing to spread. */
static void test_equalize_is_pytorchs(void **state)
{
    (void)state;
    cnn_pixels_equalize(faint, faint_pixels);
    EXPECT_FAINT(equalize_faint);
    cnn_pixels_equalize(shape, pixels);
    EXPECT(image);
}

static void test_nothing_changes_when_factors_are_one(void **state)
{
    (void)state;
    cnn_pixels_brightness(shape, 1, pixels);
    cnn_pixels_contrast(shape, 1, pixels);
    cnn_pixels_saturation(shape, 1, pixels);
    cnn_pixels_sharpness(shape, 1, pixels, scratch);
    cnn_pixels_hue(shape, 0, pixels);
    cnn_pixels_rotate(shape, 0, blank, pixels, scratch);
    cnn_pixels_scale(shape, 1, blank, pixels, scratch);
    cnn_pixels_enlarge(shape, &(struct cnn_crop_window){0, 0, 6, 8}, pixels, scratch);
    assert_memory_equal(pixels, golden_image, COUNT);
}

static void test_rotation_is_pytorchs(void **state)
{
    cnn_pixels_rotate(shape, 30, blank, pixels, scratch);
    EXPECT(rotate_30);
    set_up(state);
    cnn_pixels_rotate(shape, -77.5, blank, pixels, scratch);
    EXPECT(rotate_back);
}

/* A quarter turn to the left brings each pixel exactly onto another. */
static void test_square_images_turn_exactly_when_the_angle_is_right(void **state)
{
    (void)state;
    uint8_t square[16], want[16];
    for (size_t i = 0; i < 16; i++) {
        square[i] = (uint8_t)(13 * i + 1);
        want[i] = (uint8_t)(13 * (i % 4 * 4 + 3 - i / 4) + 1);
    }
    cnn_pixels_rotate((cnn_shape){3, 1, 4, 4}, 90, blank, square, scratch);
    assert_memory_equal(square, want, 16);
}

static void test_scale_is_pytorchs(void **state)
{
    cnn_pixels_scale(shape, 1.53, blank, pixels, scratch);
    EXPECT(larger);
    set_up(state);
    cnn_pixels_scale(shape, 0.61, blank, pixels, scratch);
    EXPECT(smaller);
}

static void test_any_affine_map_is_pytorchs(void **state)
{
    (void)state;
    const double x = 3.5, y = 2.5; /* the centre */
    const double m[6] = {1, 0.313, -0.313 * y + 0.51, -0.207, 1, 0.207 * x - 1.25};
    cnn_pixels_warp(shape, m, blank, pixels, scratch);
    EXPECT(sheared);
}

static void test_a_window_is_resized_as_pytorch_interpolates(void **state)
{
    (void)state;
    cnn_pixels_enlarge(shape, &(struct cnn_crop_window){1, 2, 5, 3}, pixels, scratch);
    EXPECT(enlarged);
}

/* The square's rows are y - size / 2 to y - size / 2 + size, and so its columns. */
static void expect_cut(int y, int x, int size)
{
    memcpy(pixels, golden_image, COUNT);
    cnn_pixels_cut(shape, (size_t)y, (size_t)x, (size_t)size, blank, pixels);
    for (int i = 0; i < (int)COUNT; i++) {
        int row = i / 24 - (y - size / 2), column = i / 3 % 8 - (x - size / 2);
        bool covered = row >= 0 && row < size && column >= 0 && column < size;
        assert_int_equal(pixels[i], covered ? blank[i % 3] : golden_image[i]);
    }
}

static void test_a_square_is_covered_when_cut_out(void **state)
{
    (void)state;
    expect_cut(3, 3, 2);
    expect_cut(3, 4, 3);
    expect_cut(0, 0, 4);
    expect_cut(5, 7, 5);
    expect_cut(2, 3, 1);
}

#define CASE(test) cmocka_unit_test_setup(test, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_brightness_is_pytorchs),
        CASE(test_contrast_is_pytorchs),
        CASE(test_saturation_is_pytorchs),
        CASE(test_hue_is_pytorchs),
        CASE(test_sharpness_is_pytorchs),
        CASE(test_posterize_and_solarize_are_pytorchs),
        CASE(test_autocontrast_is_pytorchs),
        CASE(test_equalize_is_pytorchs),
        CASE(test_nothing_changes_when_factors_are_one),
        CASE(test_rotation_is_pytorchs),
        CASE(test_square_images_turn_exactly_when_the_angle_is_right),
        CASE(test_scale_is_pytorchs),
        CASE(test_any_affine_map_is_pytorchs),
        CASE(test_a_window_is_resized_as_pytorch_interpolates),
        CASE(test_a_square_is_covered_when_cut_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
