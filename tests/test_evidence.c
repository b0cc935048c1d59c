/* Where cnn_visualize says that an answer comes from: receptive fields, strongest channels,
 * occlusion and excitement, held against the network. */
#include "views.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"
#include "networks.h"
#include "viz/attribution.h"
#include "viz/parts.h"
#include "viz/visualize.h"

static void test_strongest_channel_is_the_largest_at_each_position(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model), values[4 * 12 * 16];
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_ARGMAX;
    o.layers = (const char *const[]){"batch_norm1"};
    o.layer_count = 1;
    view_make(s, model, "x.npy", &o);
    assert_int_equal(cnn_model_activation(model, image, 1, values, NULL), CNN_OK);
    float *found = view_array(s, "out/batch_norm1-argmax.npy", 12 * 16);
    for (size_t p = 0; p < 12 * 16; p++)
        for (size_t c = 0; c < 4; c++)
            assert_true(values[c * 192 + p] <= values[(size_t)found[p] * 192 + p]);
    free(found);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* Whether all pixels of a square are of the colour. */
static bool is_plain(const struct cnn_canvas *picture, size_t x, size_t y, size_t side,
                     struct cnn_colour colour)
{
    for (size_t i = 0; i < side * side; i++) {
        struct cnn_colour c = cnn_canvas_get(picture, x + i % side, y + i / side);
        if (c.r != colour.r || c.g != colour.g || c.b != colour.b)
            return false;
    }
    return true;
}

/* Of 22 channels, 21 is the strongest where the input is above zero and 0 in the first column,
 * where it is below: they get the first two colours, and their numbers where cells have room. */
static void check_channel_colours(struct scratch *s, size_t columns, bool numbers)
{
    char text[128];
    float image[2 * 64], weights[22] = {-1}, biases[22];
    const size_t cell = CNN_VIEW_SIDE / columns, top = CNN_SHEET_MARGIN + 16,
                 left = CNN_SHEET_MARGIN + CNN_VIEW_SIDE + 8;
    snprintf(text, sizeof text,
             "input: [1, 2, %zu]\nlayers:\n  - {type: conv, filters: 22, kernel_size: 1}\n",
             columns);
    cnn_model *model = network_open(text);
    weights[21] = 1;
    for (size_t c = 0; c < 22; c++)
        biases[c] = c == 0 || c == 21 ? 0 : -100;
    for (size_t p = 0; p < 2 * columns; p++)
        image[p] = p % columns == 0 ? -1 : 1;
    cnn_model_tensor_set(model, network_tensor(model, "conv1.weight"), weights, NULL);
    cnn_model_tensor_set(model, network_tensor(model, "conv1.bias"), biases, NULL);
    assert_int_equal(
        cnn_npy_write(scratch_path(s, "x.npy"), image, (const size_t[]){1, 2, columns}, 3, NULL),
        CNN_OK);
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_ARGMAX;
    view_make(s, model, "x.npy", &o);
    struct cnn_canvas picture = view_png(s, "out/conv1-argmax.png");
    for (size_t column = 0; column < 2; column++) {
        size_t x = left + column * cell, y = top + cell;
        struct cnn_colour colour = cnn_distinct_colour(column == 0 ? 1 : 0);
        /* in the lower row; within the panel's rim */
        assert_true(is_plain(&picture, x + 1, y + 1, 2, colour));
        assert_int_equal(is_plain(&picture, x + 1, y, cell - 1, colour), !numbers);
    }
    cnn_canvas_free(&picture);
    cnn_model_free(model);
}

static void
test_channels_that_win_have_colours_of_their_own_and_numbers_where_there_is_room(void **state)
{
    check_channel_colours(*state, 4, true);
    check_channel_colours(*state, 44, false);
}

/* The same pixels in the panel `panel` of three. */
static bool same_panel(const struct cnn_canvas *a, const struct cnn_canvas *b, size_t panel)
{
    size_t left = CNN_SHEET_MARGIN + panel * (CNN_VIEW_SIDE + 8);
    for (size_t y = 0; y < a->height; y++)
        if (memcmp(a->pixels + (y * a->width + left) * 3, b->pixels + (y * b->width + left) * 3,
                   CNN_VIEW_SIDE * (size_t)3) != 0)
            return false;
    return true;
}

/* Over the picture, only with the default colours does a low value look as its scale says: other
 * palettes change the map beside it. */
static void test_overlay_keeps_its_colours_whatever_the_palette(void **state)
{
    static const cnn_palette palettes[] = {CNN_PALETTE_GREY, CNN_PALETTE_DARK, CNN_PALETTE_SIGNED};
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_HEATMAP;
    view_make(s, model, "x.npy", &o);
    struct cnn_canvas heat = view_png(s, "out/conv2-heatmap.png");
    for (size_t i = 0; i < 3; i++) {
        o.palette = palettes[i];
        view_make(s, model, "x.npy", &o);
        struct cnn_canvas other = view_png(s, "out/conv2-heatmap.png");
        assert_true(other.width == heat.width && other.height == heat.height);
        assert_false(same_panel(&heat, &other, 1));
        assert_true(same_panel(&heat, &other, 2));
        cnn_canvas_free(&other);
    }
    cnn_canvas_free(&heat);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* The values of the layer with weights that are all positive, so that what is changed in the input
 * cannot cancel out. */
static void positive_weights(cnn_model *model)
{
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        float *values = calloc(info.count, sizeof *values);
        assert_non_null(values);
        cnn_model_tensor_get(model, i, values, NULL);
        for (size_t k = 0; k < info.count; k++)
            values[k] = fabsf(values[k]) + 0.01f;
        cnn_model_tensor_set(model, i, values, NULL);
        free(values);
    }
}

/* Changes one pixel after the other and compares what moves the last layer's value at (row, column)
 * with the rectangle: its border is the border of what moves it, and where the windows leave no
 * gaps, all within does. */
static void check_field(const char *input, const char *layers, size_t row, size_t column, bool gaps)
{
    cnn_model *model = network_open_layers(input, layers);
    const cnn_shape in = cnn_model_input(model), out = cnn_model_output(model);
    size_t size = cnn_shape_count(in), at = row * out.w + column;
    float *image = calloc(size, sizeof *image),
          *output = calloc(cnn_shape_count(out), sizeof *output);
    struct cnn_rectangle field, seen = {{in.h, in.w}, {0, 0}};
    positive_weights(model);
    assert_int_equal(
        cnn_receptive_field(&model->graph, model->graph.count, row, column, &field, NULL), CNN_OK);
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
    float before = output[at];
    for (size_t y = 0; y < in.h; y++)
        for (size_t x = 0; x < in.w; x++) {
            image[y * in.w + x] = 1000;
            assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
            image[y * in.w + x] = 0;
            bool inside = y >= field.begin[0] && y < field.end[0] && x >= field.begin[1] &&
                          x < field.end[1],
                 moves = output[at] < before || output[at] > before;
            if (moves ? !inside : inside && !gaps)
                fail_msg("%s at (%zu, %zu): pixel (%zu, %zu) %s it", layers, row, column, y, x,
                         moves ? "outside moves" : "inside does not move");
            if (!moves)
                continue;
            seen.begin[0] = y < seen.begin[0] ? y : seen.begin[0];
            seen.begin[1] = x < seen.begin[1] ? x : seen.begin[1];
            seen.end[0] = y + 1 > seen.end[0] ? y + 1 : seen.end[0];
            seen.end[1] = x + 1 > seen.end[1] ? x + 1 : seen.end[1];
        }
    if (seen.end[0] == 0)
        seen = (struct cnn_rectangle){{0, 0}, {0, 0}};
    assert_memory_equal(&field, &seen, sizeof field);
    free(image);
    free(output);
    cnn_model_free(model);
}

static void test_receptive_field_holds_exactly_the_pixels_that_move_the_value(void **state)
{
    static const char deep[] =
        "  - {type: conv, filters: 2, kernel_size: [3, 2], padding: same}\n"
        "  - {type: pool, pool_type: avg, kernel_size: 2, padding: 1}\n"
        "  - {type: conv, filters: 1, kernel_size: 3, padding: 1, stride: 2}\n";
    /* Steps of 2, 4 and 8 pixels. */
    static const char strided[] =
        "  - {type: conv, filters: 2, kernel_size: 3, stride: 2, padding: 1}\n"
        "  - {type: pool, pool_type: avg, kernel_size: 3, stride: 2}\n"
        "  - {type: conv, filters: 1, kernel_size: [2, 3], stride: [1, 2]}\n"
        "  - {type: conv, filters: 1, kernel_size: 2}\n";
    static const char residual[] =
        "  - {type: conv, filters: 2, kernel_size: 3, padding: 1}\n"
        "  - {type: conv, filters: 2, kernel_size: 5, padding: 2, name: wide}\n"
        "  - {type: add, from: [conv1, wide]}\n"
        "  - {type: concat, from: [conv1, add1]}\n"
        "  - {type: conv, filters: 1, kernel_size: 1}\n";
    (void)state;
    for (size_t row = 0; row < 3; row++)
        for (size_t column = 0; column < 3; column++)
            check_field("[1, 9, 11]", deep, row, column, false);
    check_field("[1, 29, 43]", strided, 0, 0, false);
    check_field("[1, 29, 43]", strided, 2, 1, false);
    check_field("[1, 9, 11]", residual, 0, 0, false);
    check_field("[1, 9, 11]", residual, 4, 10, false);
    for (size_t row = 0; row < 9; row += 4) {
        check_field("[1, 9, 9]",
                    "  - {type: conv, filters: 1, kernel_size: 3, padding: 4, padding_mode: "
                    "reflect, stride: 1}\n",
                    row, 12 - row, false);
        check_field(
            "[1, 9, 9]",
            "  - {type: conv, filters: 1, kernel_size: 3, padding: 4, padding_mode: replicate}\n",
            row, 14, false);
        check_field("[1, 9, 9]", "  - {type: conv, filters: 1, kernel_size: 3, padding: 4}\n", row,
                    14, false);
        check_field("[1, 9, 9]",
                    "  - {type: conv, filters: 1, kernel_size: 3, padding: 1, dilation: 2}\n",
                    row / 2, 0, true);
    }
}

/* The smallest rectangle that holds all pixels of the colour within a square of a picture. */
static struct cnn_rectangle bounds_of(const struct cnn_canvas *picture, size_t x, size_t y,
                                      size_t side, struct cnn_colour colour)
{
    struct cnn_rectangle found = {{side, side}, {0, 0}};
    for (size_t i = 0; i < side; i++)
        for (size_t j = 0; j < side; j++) {
            struct cnn_colour c = cnn_canvas_get(picture, x + j, y + i);
            if (c.r != colour.r || c.g != colour.g || c.b != colour.b)
                continue;
            found.begin[0] = i < found.begin[0] ? i : found.begin[0];
            found.begin[1] = j < found.begin[1] ? j : found.begin[1];
            found.end[0] = i + 1 > found.end[0] ? i + 1 : found.end[0];
            found.end[1] = j + 1 > found.end[1] ? j + 1 : found.end[1];
        }
    return found;
}

static void assert_bounds(struct cnn_rectangle found, size_t top, size_t left, size_t bottom,
                          size_t right)
{
    const struct cnn_rectangle wanted = {{top, left}, {bottom, right}};
    assert_memory_equal(&found, &wanted, sizeof found);
}

/* The reddest pixel of a square of a picture. */
static void reddest_of(const struct cnn_canvas *picture, size_t x, size_t y, size_t side,
                       size_t at[2])
{
    int best = -256;
    for (size_t i = 0; i < side * side; i++) {
        struct cnn_colour c = cnn_canvas_get(picture, x + i % side, y + i / side);
        if (c.r - c.b > best) {
            best = c.r - c.b;
            at[0] = i / side;
            at[1] = i % side;
        }
    }
}

/* A network that reads the pixel (9, 5) of 16 x 16 alone: patches of 4 x 4 matter where they hide
 * it, and all that is drawn lies there. */
static void test_occlusion_is_drawn_where_the_patches_were(void **state)
{
    enum { ROW = 9, COLUMN = 5, CELL = CNN_VIEW_SIDE / 16, TOP = CNN_SHEET_MARGIN + 16 };
    struct scratch *s = *state;
    cnn_model *model = network_open(
        "input: [1, 16, 16]\nlayers:\n  - {type: flatten}\n  - {type: dense, units: 2}\n");
    float image[256] = {0}, weights[512] = {0};
    size_t left = CNN_SHEET_MARGIN, at[2];
    image[ROW * 16 + COLUMN] = 1;
    weights[ROW * 16 + COLUMN] = 10;
    cnn_model_tensor_set(model, network_tensor(model, "dense1.weight"), weights, NULL);
    assert_int_equal(
        cnn_npy_write(scratch_path(s, "x.npy"), image, (const size_t[]){1, 16, 16}, 3, NULL),
        CNN_OK);
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_OCCLUSION;
    view_make(s, model, "x.npy", &o);
    float *drop = view_array(s, "out/occlusion.npy", 256);
    for (size_t i = 0; i < 256; i++)
        assert_int_equal(drop[i] > 0.4f, i / 16 <= ROW && ROW < i / 16 + 4 && i % 16 <= COLUMN &&
                                             COLUMN < i % 16 + 4);
    free(drop);
    struct cnn_canvas picture = view_png(s, "out/occlusion.png");
    /* Of the patches that hide it the first is framed. */
    assert_bounds(bounds_of(&picture, left, TOP, CNN_VIEW_SIDE, (struct cnn_colour){255, 0, 0}),
                  6 * CELL, 2 * CELL, 10 * CELL, 6 * CELL);
    struct cnn_colour most =
        cnn_palette_colour(CNN_PALETTE_SIGNED, (struct cnn_range){-1, 1, 0}, 1);
    left += CNN_VIEW_SIDE + 8;
    assert_bounds(bounds_of(&picture, left, TOP, CNN_VIEW_SIDE, most), ROW * CELL, COLUMN * CELL,
                  (ROW + 1) * CELL, (COLUMN + 1) * CELL);
    left += CNN_VIEW_SIDE + 8;
    reddest_of(&picture, left, TOP, CNN_VIEW_SIDE, at);
    assert_true(at[0] / CELL == ROW && at[1] / CELL == COLUMN);
    cnn_canvas_free(&picture);
    cnn_model_free(model);
}

static void test_excite_says_when_a_channel_stays_silent(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    const float bias[6] = {-1000, 0, 0, 0, 0, 0};
    cnn_visualize_options o = view_plain;
    cnn_model_tensor_set(model, network_tensor(model, "conv2.bias"), bias, NULL);
    o.kinds = 1U << CNN_PICTURE_EXCITE;
    o.layers = (const char *const[]){"conv2"};
    o.layer_count = 1;
    view_make(s, model, "x.npy", &o);
    assert_true(view_says(s, "conv2, channel 0 stays silent, at 0: the picture shows noise"));
    assert_false(view_says(s, "It shows what the network looks for"));
    o.has_channel = true;
    o.channel = 1;
    view_make(s, model, "x.npy", &o);
    assert_true(view_says(s, "It shows what the network looks for"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* Numbers that are no pixels have no bounds: without a data section, nothing is cut off at 0 and
 * 1. */
static void test_excite_leaves_bounds_to_pictures(void **state)
{
    static const char layers[] = "layers:\n  - {type: conv, filters: 1, kernel_size: 2, weights: "
                                 "{kernel: [[1, -1], [-1, 1]], bias: 0}}\n";
    (void)state;
    for (int pictures = 0; pictures < 2; pictures++) {
        char text[256];
        float image[16], strength[2], least = 1, most = 0;
        snprintf(text, sizeof text, "input: [1, 4, 4]\n%s%s", layers,
                 pictures ? "data: {dataset: folder}\n" : "");
        cnn_model *model = network_open(text);
        struct cnn_excite settings = cnn_excite_defaults(cnn_model_input(model));
        assert_int_equal(
            cnn_excite(model, (struct cnn_unit){1, 0}, &settings, image, strength, NULL), CNN_OK);
        for (size_t i = 0; i < 16; i++) {
            least = fminf(least, image[i]);
            most = fmaxf(most, image[i]);
        }
        if (pictures)
            assert_true(least >= 0 && most <= 1);
        else
            assert_true(least < -1 && most > 2);
        cnn_model_free(model);
    }
}

/* However much smaller the picture is than the network's input, the frame of a single pixel can be
 * seen. */
static void test_frame_of_a_pixel_can_be_seen_on_a_small_picture(void **state)
{
    (void)state;
    const struct cnn_rectangle pixel = {{57, 95}, {58, 96}};
    const struct cnn_colour red = {255, 0, 0};
    struct cnn_canvas picture;
    assert_int_equal(cnn_canvas_new(10, 10, CNN_PAPER, &picture, NULL), CNN_OK);
    cnn_panel_frame(&picture, (cnn_shape){3, 1, 100, 100}, &pixel, red);
    assert_bounds(bounds_of(&picture, 0, 0, 10, red), 5, 9, 6, 10);
    cnn_canvas_free(&picture);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_strongest_channel_is_the_largest_at_each_position),
        TEST(test_channels_that_win_have_colours_of_their_own_and_numbers_where_there_is_room),
        TEST(test_overlay_keeps_its_colours_whatever_the_palette),
        cmocka_unit_test(test_receptive_field_holds_exactly_the_pixels_that_move_the_value),
        TEST(test_occlusion_is_drawn_where_the_patches_were),
        TEST(test_excite_says_when_a_channel_stays_silent),
        cmocka_unit_test(test_excite_leaves_bounds_to_pictures),
        cmocka_unit_test(test_frame_of_a_pixel_can_be_seen_on_a_small_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
