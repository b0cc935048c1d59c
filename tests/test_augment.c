/* Augmentations that move pixels: what they draw comes up as often as it should, and nothing else
 * does; and their settings. What they do to pixels is test_augment_pixels.c's. */
#include "draws.h"
#include "near.h"
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/augment_steps.h"
#include "data/augment_type.h"

/* ---- flip ---- */

static void test_images_are_mirrored_half_of_the_time_when_flipped(void **state)
{
    (void)state;
    const uint8_t image[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12},
                  /* 2 rows of 3, 2 channels */
        mirrored[12] = {5, 6, 3, 4, 1, 2, 11, 12, 9, 10, 7, 8};
    const struct cnn_augmentation *flip = steps_of("[flip]");
    uint8_t pixels[12], scratch[12];
    size_t flipped = 0;
    for (size_t i = 0; i < 1000; i++) {
        struct cnn_draw draw = draw_at(0, i);
        memcpy(pixels, image, 12);
        cnn_augment(flip, (cnn_shape){3, 2, 2, 3}, &draw, pixels, scratch);
        if (memcmp(pixels, mirrored, 12) == 0)
            flipped++;
        else
            assert_memory_equal(pixels, image, 12);
    }
    assert_in_range(flipped, 440, 560);
}

/* Each image shows one side in even epochs and the other in odd ones; half of them begin
 * mirrored. */
static void test_images_show_each_side_in_turn_when_flips_alternate(void **state)
{
    (void)state;
    const struct cnn_augmentation *flip = steps_of("[{type: flip, mode: alternating}]");
    size_t begin_mirrored = 0;
    for (size_t i = 0; i < 1000; i++) {
        bool first = false;
        for (size_t epoch = 0; epoch < 5; epoch++) {
            uint8_t pixels[3] = {1, 2, 3}, scratch[3];
            struct cnn_draw draw = draw_at(epoch, i);
            cnn_augment(flip, (cnn_shape){3, 1, 1, 3}, &draw, pixels, scratch);
            bool mirrored = pixels[0] == 3;
            if (epoch == 0)
                first = mirrored;
            assert_int_equal(mirrored, first ^ (epoch % 2 == 1));
        }
        begin_mirrored += first;
    }
    assert_in_range(begin_mirrored, 440, 560);
}

/* ---- crop ---- */

/* What numpy.pad(range(n), 2, mode="reflect") gives for n 4 and n 5, and -1 for zeros. */
enum { H = 4, W = 5, PADDING = 2, PLACES = 2 * PADDING + 1 };
static const int reflected_rows[H + 2 * PADDING] = {2, 1, 0, 1, 2, 3, 2, 1},
                                        reflected_columns[W + 2 * PADDING] = {2, 1, 0, 1, 2,
                                                                              3, 4, 3, 2};
static const int padded_rows[H + 2 * PADDING] = {-1, -1, 0, 1, 2, 3, -1, -1},
                                     padded_columns[W + 2 * PADDING] = {-1, -1, 0,  1, 2,
                                                                        3,  4,  -1, -1};

static bool window_matches(const uint8_t *image, const uint8_t *pixels, const int *rows,
                           const int *columns)
{
    for (int i = 0; i < H * W * 3; i++) {
        int y = rows[i / (W * 3)], x = columns[i / 3 % W];
        if (pixels[i] != (y < 0 || x < 0 ? 0 : image[(y * W + x) * 3 + i % 3]))
            return false;
    }
    return true;
}

/* Each of the 25 places of a window comes up, about as often as the others, and shows that part of
 * the padded image. */
static void expect_windows(const char *list, const int *rows, const int *columns)
{
    const struct cnn_augmentation *crop = steps_of(list);
    uint8_t image[H * W * 3], pixels[H * W * 3], scratch[H * W * 3];
    size_t seen[PLACES * PLACES] = {0};
    for (size_t i = 0; i < sizeof image; i++)
        image[i] = (uint8_t)(i + 1);
    for (size_t k = 0; k < 1000; k++) {
        struct cnn_draw draw = draw_at(0, k);
        memcpy(pixels, image, sizeof image);
        cnn_augment(crop, (cnn_shape){3, 3, H, W}, &draw, pixels, scratch);
        size_t matches = 0;
        for (size_t place = 0; place < PLACES * PLACES; place++) {
            bool same =
                window_matches(image, pixels, rows + place / PLACES, columns + place % PLACES);
            matches += same;
            seen[place] += same;
        }
        assert_int_equal(matches, 1);
    }
    for (size_t place = 0; place < PLACES * PLACES; place++)
        assert_in_range(seen[place], 15, 70);
}

static void test_images_are_shifted_over_zeros_when_cropped(void **state)
{
    (void)state;
    expect_windows("[{type: crop, padding: 2}]", padded_rows, padded_columns);
}

static void test_images_are_shifted_over_their_mirror_image_when_padding_reflects(void **state)
{
    (void)state;
    expect_windows("[{type: crop, padding: 2, padding_mode: reflect}]", reflected_rows,
                   reflected_columns);
}

/* ---- rotation and scale ---- */

#define SIDE 41
#define MID  20

/* A slope of 3 a column, 120 in the middle: what is ten pixels from there tells the angle and the
 * size. */
static void draw_slope(const struct cnn_augmentation *step, size_t image, double *right,
                       double *below)
{
    static uint8_t pixels[SIDE * SIDE], scratch[SIDE * SIDE];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(120 + 3 * ((int)(i % SIDE) - MID));
    struct cnn_draw draw = draw_at(3, image);
    cnn_augment(step, (cnn_shape){3, 1, SIDE, SIDE}, &draw, pixels, scratch);
    *right = (pixels[MID * SIDE + MID + 10] - 120) / 30.0;
    *below = (pixels[(MID + 10) * SIDE + MID] - 120) / 30.0;
}

static void test_angles_are_uniform_when_rotated(void **state)
{
    (void)state;
    const struct cnn_augmentation *step = steps_of("[{type: rotation, degrees: 40}]");
    struct seen angles = {0};
    for (size_t i = 0; i < 2000; i++) {
        double right, below;
        draw_slope(step, i, &right, &below);
        see(&angles, atan2(-below, right) * 180 / 3.14159265358979);
    }
    expect_uniform(&angles, -40, 40, 0.03);
}

static void test_factors_are_uniform_when_scaled(void **state)
{
    (void)state;
    const struct cnn_augmentation *step = steps_of("[{type: scale, min: 0.75, max: 1.5}]");
    struct seen factors = {0};
    for (size_t i = 0; i < 2000; i++) {
        double right, below;
        draw_slope(step, i, &right, &below);
        assert_near(below, 0, 1e-9);
        see(&factors, 1 / right);
    }
    expect_uniform(&factors, 0.75, 1.5, 0.04);
}

/* ---- cutout ---- */

/* Each pixel is covered for as many of the 64 centres as there are within the square's reach of
 * it. */
static void test_centres_are_uniform_when_cut_out(void **state)
{
    (void)state;
    enum { N = 8, SIZE = 4, TRIES = 6400 };
    const struct cnn_augmentation *step = steps_of("[{type: cutout, size: 4}]");
    const struct cnn_normalization half = {1, {0.5f}, {0.25f}};
    size_t covered[N * N] = {0};
    for (size_t k = 0; k < TRIES; k++) {
        uint8_t pixels[N * N] = {0}, scratch[N * N];
        struct cnn_draw draw = cnn_draw_new(&half, 1, 0, TRIES, k);
        cnn_augment(step, (cnn_shape){3, 1, N, N}, &draw, pixels, scratch);
        for (size_t i = 0; i < N * N; i++) {
            assert_true(pixels[i] == 0 || pixels[i] == 128);
            covered[i] += pixels[i] == 128;
        }
    }
    for (int i = 0; i < N * N; i++) {
        int rows = 0, columns = 0;
        for (int centre = 0; centre < N; centre++) {
            rows += i / N >= centre - SIZE / 2 && i / N < centre + SIZE / 2;
            columns += i % N >= centre - SIZE / 2 && i % N < centre + SIZE / 2;
        }
        double want = rows * columns * TRIES / 64.0;
        assert_near((double)covered[i], want, 4 * sqrt(want));
    }
}

static void test_blank_is_what_normalisation_makes_zero(void **state)
{
    (void)state;
    const struct cnn_normalization normalization = {3, {0.4914f, 0.4822f, 1}, {0.2f, 0.2f, 0.2f}};
    struct cnn_draw draw = cnn_draw_new(&normalization, 1, 0, 1, 0);
    assert_true(draw.blank[0] == 125 && draw.blank[1] == 123 && draw.blank[2] == 255);
    draw = draw_at(0, 0);
    assert_true(draw.blank[0] == 0 && draw.blank[1] == 0 && draw.blank[2] == 0);
}

/* ---- resized_crop ---- */

#define WIDE        24
#define FAINT_BYTES (12 * WIDE)

#define LARGE_CROP "[{type: resized_crop, scale: [0.9, 1], ratio: [0.75, 1.3333]}]"

/* The means are those of 400,000 windows that a few lines of Python drew, by torchvision's
 * algorithm, on 300 x 400 pixels. */
static void test_windows_are_torchvisions(void **state)
{
    (void)state;
    struct seen share = {0}, wide = {0}, top = {0}, left = {0};
    const struct cnn_augmentation *resized_crop =
        steps_of("[{type: resized_crop, scale: [0.08, 1], ratio: [0.75, 1.3333]}]");
    for (size_t i = 0; i < 20000; i++) {
        struct cnn_draw draw = draw_at(0, i);
        struct cnn_crop_window w;
        assert_true(cnn_augment_window(resized_crop, 300, 400, &draw.rng, &w));
        assert_true(w.height > 0 && w.width > 0 && w.top + w.height <= 300 &&
                    w.left + w.width <= 400);
        see(&share, (double)(w.height * w.width) / 120000);
        see(&wide, log((double)w.width / (double)w.height));
        if (w.height < 300)
            see(&top, (double)w.top / (double)(300 - w.height));
        if (w.width < 400)
            see(&left, (double)w.left / (double)(400 - w.width));
    }
    assert_near(share.least, 0.08, 0.002);
    assert_near(share.most, 1, 0.01);
    assert_near(share.mean, 0.4332, 0.006);
    assert_near(wide.least, log(0.75), 0.02);
    assert_near(wide.most, log(1.3333), 0.02);
    assert_near(wide.mean, 0.0305, 0.004);
    expect_uniform(&top, 0, 1, 0.01);
    expect_uniform(&left, 0, 1, 0.01);
}

static void test_the_window_is_central_when_none_fits(void **state)
{
    (void)state;
    const struct cnn_augmentation *large_crop = steps_of(LARGE_CROP);
    struct cnn_draw draw = draw_at(0, 0);
    struct cnn_crop_window w;
    assert_true(cnn_augment_window(large_crop, 10, 200, &draw.rng, &w));
    assert_true(w.top == 0 && w.height == 10 && w.left == 93 && w.width == 13);
    assert_true(cnn_augment_window(large_crop, 201, 9, &draw.rng, &w));
    assert_true(w.top == 94 && w.height == 12 && w.left == 0 && w.width == 9);
    assert_true(cnn_augment_window(large_crop, 1, 1, &draw.rng, &w));
    assert_true(w.top == 0 && w.height == 1 && w.left == 0 && w.width == 1);
}

/* A reader that cuts the window itself and goes on with the rest of the list makes what the whole
 * list does. */
static void test_the_rest_draws_the_same_when_the_window_is_cut_outside(void **state)
{
    (void)state;
    const cnn_shape shape = {3, 1, 12, WIDE};
    const struct cnn_augmentation *list =
        steps_of("[{type: resized_crop, scale: [0.08, 1], ratio: [0.75, 1.3333]}, flip, "
                 "{type: rotation, degrees: 90}]");
    for (size_t i = 0; i < 20; i++) {
        uint8_t at_once[FAINT_BYTES], in_two[FAINT_BYTES], scratch[FAINT_BYTES];
        struct cnn_draw one = draw_at(0, i), other = one;
        struct cnn_crop_window window;
        faint_image(FAINT_BYTES, at_once);
        faint_image(FAINT_BYTES, in_two);
        cnn_augment(list, shape, &one, at_once, scratch);
        assert_true(cnn_augment_window(list, 12, WIDE, &other.rng, &window));
        cnn_pixels_enlarge(shape, &window, in_two, scratch);
        cnn_augment(list->next, shape, &other, in_two, scratch);
        assert_memory_equal(at_once, in_two, FAINT_BYTES);
    }
    struct cnn_draw draw = draw_at(0, 0);
    struct cnn_crop_window window;
    assert_false(cnn_augment_window(NULL, 12, WIDE, &draw.rng, &window));
    assert_false(cnn_augment_window(list->next, 12, WIDE, &draw.rng, &window));
}

/* ---- all of them ---- */

static void test_images_depend_on_their_draw_alone(void **state)
{
    (void)state;
    const cnn_shape shape = {3, 3, 4, WIDE};
    const struct cnn_augmentation *steps =
        steps_of("- flip\n- {type: crop, padding: 3, padding_mode: reflect}\n"
                 "- {type: rotation, degrees: 20}\n- {type: scale, min: 0.5, max: 2}\n"
                 "- {type: cutout, size: 2}\n"
                 "- {type: jitter, brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1}\n"
                 "- {type: rand_augment, count: 2, magnitude: 9}\n- {type: mixup, alpha: 1}");
    size_t different = 0;
    for (size_t i = 0; i < 50; i++) {
        uint8_t one[FAINT_BYTES], again[FAINT_BYTES], later[FAINT_BYTES], scratch[FAINT_BYTES];
        struct cnn_draw draws[3] = {draw_at(4, i), draw_at(4, i), draw_at(5, i)};
        faint_image(FAINT_BYTES, one);
        faint_image(FAINT_BYTES, again);
        faint_image(FAINT_BYTES, later);
        cnn_augment(steps, shape, &draws[0], one, scratch);
        memset(scratch, 99, sizeof scratch);
        cnn_augment(steps, shape, &draws[1], again, scratch);
        cnn_augment(steps, shape, &draws[2], later, scratch);
        assert_memory_equal(one, again, FAINT_BYTES);
        different += memcmp(one, later, FAINT_BYTES) != 0;
    }
    assert_in_range(different, 48, 50);
}

/* ---- settings ---- */

static struct cnn_arena *arena;
static struct cnn_data_settings settings;

static int arena_setup(void **state)
{
    arena = cnn_arena_new();
    return arena ? scratch_setup(state) : -1;
}

static int arena_teardown(void **state)
{
    cnn_arena_free(arena);
    return scratch_teardown(state);
}

static cnn_status read_list(struct scratch *s, size_t channels, const char *list)
{
    char yaml[512];
    struct cnn_yaml *node;
    snprintf(yaml, sizeof yaml, "dataset: mnist\naugment:\n%s", list);
    cnn_diag_clear(s->diag);
    assert_int_equal(cnn_yaml_parse(arena, "test.yaml", yaml, strlen(yaml), &node, s->diag),
                     CNN_OK);
    return cnn_data_settings_read(arena, node, (cnn_shape){3, channels, 16, 20}, &settings,
                                  s->diag);
}

static void expect_mistake(struct scratch *s, size_t channels, const char *list, size_t line,
                           const char *text)
{
    assert_int_equal(read_list(s, channels, list), CNN_INVALID);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    assert_non_null(message);
    assert_int_equal(message->line, line);
    assert_string_equal(message->text, text);
}

static void test_every_type_is_read(void **state)
{
    assert_int_equal(
        read_list(
            *state, 3,
            "- {type: resized_crop, scale: [0.25, 0.5]}\n- {type: flip, mode: alternating}\n"
            "- {type: crop, padding: 2, padding_mode: reflect}\n- rotation\n- {type: scale, max: "
            "2}\n"
            "- {type: cutout, size: 8}\n- {type: jitter, hue: 0.1, contrast: 0.2}\n- rand_augment\n"
            "- {type: mixup, alpha: 1}\n- cutmix"),
        CNN_OK);
    static const char *const names[] = {"resized_crop", "flip",   "crop",   "rotation",
                                        "scale",        "cutout", "jitter", "rand_augment",
                                        "mixup",        "cutmix"};
    const struct cnn_augmentation *a = settings.augmentation;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++, a = a->next)
        assert_string_equal(a->type->variant.name, names[i]);
    assert_null(a);
}

static void test_defaults_are_written_out(void **state)
{
    struct scratch *s = *state;
    static const char list[] = "- {type: resized_crop, scale: [0.25, 0.5]}\n- flip\n- crop\n"
                               "- rotation\n- {type: scale, max: 2}\n- {type: cutout, size: 8}\n"
                               "- {type: jitter, hue: 0.1, contrast: 0.2}\n- rand_augment\n"
                               "- {type: mixup, alpha: 1}\n- cutmix";
    struct cnn_yaml *node;
    struct cnn_text text = {0};
    assert_int_equal(cnn_yaml_parse(arena, "test", list, strlen(list), &node, s->diag), CNN_OK);
    node = cnn_augmentation_resolve(arena, node, (cnn_shape){3, 3, 16, 20});
    assert_non_null(node);
    cnn_yaml_write(node, &text);
    assert_string_equal(
        text.data, "- type: resized_crop\n  scale: [0.25, 0.5]\n  ratio: [0.75, 1.3333]\n"
                   "- type: flip\n  mode: random\n"
                   "- type: crop\n  padding: 4\n  padding_mode: zeros\n"
                   "- type: rotation\n  degrees: 15\n"
                   "- type: scale\n  min: 0.8\n  max: 2\n"
                   "- type: cutout\n  size: 8\n"
                   "- type: jitter\n  brightness: 0\n  contrast: 0.2\n  saturation: 0\n  hue: 0.1\n"
                   "- type: rand_augment\n  count: 2\n  magnitude: 9\n"
                   "- type: mixup\n  alpha: 1\n"
                   "- type: cutmix\n  alpha: 1\n");
    cnn_text_free(&text);
}

static void test_mistakes_are_reported_at_their_places(void **state)
{
    expect_mistake(*state, 3, "- flip\n- resized_crop", 4,
                   "resized_crop must be the first of the list");
    expect_mistake(*state, 3, "- type: resized_crop\n  scale: [0.5]", 4,
                   "resized_crop: scale wants two numbers, the least and the most");
    expect_mistake(*state, 3, "- type: resized_crop\n  ratio: [1.5, 0.5]", 4,
                   "resized_crop: ratio wants two numbers, the least and the most");
    expect_mistake(*state, 3, "- flip\n- {type: crop, padding: 16}", 4,
                   "crop: padding 16 is not smaller than the image, 16 x 20");
    expect_mistake(*state, 3, "- type: cutout\n  size: 17", 4,
                   "cutout: size 17 is larger than the image, 16 x 20");
    expect_mistake(*state, 3, "- type: scale\n  min: 2", 4, "scale: min 2 is larger than max 1.2");
    expect_mistake(*state, 3, "- jitter", 3, "jitter would change nothing");
    expect_mistake(*state, 4, "- type: jitter\n  saturation: 0.1", 4,
                   "jitter: saturation wants images of 3 channels, the network's input has 4");
    expect_mistake(*state, 4, "- type: jitter\n  brightness: 0.1\n  hue: 0.1", 5,
                   "jitter: hue wants images of 3 channels, the network's input has 4");
    assert_int_equal(
        read_list(*state, 1, "- {type: jitter, brightness: 0.1, saturation: 0, hue: 0}"), CNN_OK);
}

#define WITH_ARENA(test) cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_are_mirrored_half_of_the_time_when_flipped),
        cmocka_unit_test(test_images_show_each_side_in_turn_when_flips_alternate),
        cmocka_unit_test(test_images_are_shifted_over_zeros_when_cropped),
        cmocka_unit_test(test_images_are_shifted_over_their_mirror_image_when_padding_reflects),
        cmocka_unit_test(test_angles_are_uniform_when_rotated),
        cmocka_unit_test(test_factors_are_uniform_when_scaled),
        cmocka_unit_test(test_centres_are_uniform_when_cut_out),
        cmocka_unit_test(test_blank_is_what_normalisation_makes_zero),
        cmocka_unit_test(test_windows_are_torchvisions),
        cmocka_unit_test(test_the_window_is_central_when_none_fits),
        cmocka_unit_test(test_the_rest_draws_the_same_when_the_window_is_cut_outside),
        cmocka_unit_test(test_images_depend_on_their_draw_alone),
        WITH_ARENA(test_every_type_is_read),
        WITH_ARENA(test_defaults_are_written_out),
        WITH_ARENA(test_mistakes_are_reported_at_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
