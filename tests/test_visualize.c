/* cnn_visualize: which files it writes, whether their numbers are the network's, what its page says, and what it refuses. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "scratch.h"

#include <png.h>

#include "checkpoint/npy.h"
#include "compare.h"
#include "networks.h"
#include "pictures.h"
#include "util/file.h"
#include "viz/visualize.h"

#define NONE CNN_NO_INDEX

static const char conv_net[] = "input: [3, 12, 16]\n"
                               "layers:\n"
                               "  - {type: conv, filters: 4, kernel_size: 3, padding: 1, bias: false}\n"
                               "  - {type: batch_norm}\n"
                               "  - {type: relu}\n"
                               "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                               "  - {type: conv, filters: 6, kernel_size: 3, activation: relu}\n"
                               "  - {type: flatten}\n"
                               "  - {type: dense, units: 3}\n";

static const cnn_visualize_options plain = {.channel = NONE, .row = NONE, .column = NONE, .npy = true, .seed = 1};

/* Reads FOLDER/name whole. */
static char *read_text(struct scratch *s, const char *name)
{
    struct {
        char *data;
        size_t size;
    } file;
    assert_int_equal(cnn_file_read(scratch_path(s, name), 1 << 26, &file.data, &file.size, NULL), CNN_OK);
    return file.data;
}

static float *read_array(struct scratch *s, const char *name, size_t count)
{
    float *values;
    size_t dims[CNN_NPY_MAX_RANK], rank, found = 1;
    assert_int_equal(cnn_npy_read(scratch_path(s, name), &values, dims, &rank, NULL), CNN_OK);
    for (size_t i = 0; i < rank; i++)
        found *= dims[i];
    assert_int_equal(found, count);
    return values;
}

/* Writes random numbers as the input FOLDER/x.npy. */
static float *write_input(struct scratch *s, const cnn_model *model)
{
    const cnn_shape in = cnn_model_input(model);
    float *image = tensor_random(cnn_shape_count(in), 7);
    assert_int_equal(cnn_npy_write(scratch_path(s, "x.npy"), image, (const size_t[]){in.c, in.h, in.w}, 3, NULL), CNN_OK);
    return image;
}

static bool exists(struct scratch *s, const char *name)
{
    return access(scratch_path(s, name), F_OK) == 0;
}

/* Every picture of the page is there, and a PNG. */
static void check_page(struct scratch *s)
{
    char *page = read_text(s, "out/index.html");
    assert_null(strstr(page, "http"));
    assert_non_null(strstr(page, "</html>"));
    for (const char *at = strstr(page, "src=\""); at; at = strstr(at + 5, "src=\"")) {
        char name[200] = "out/";
        png_image png = {.version = PNG_IMAGE_VERSION};
        strncat(name, at + 5, strcspn(at + 5, "\""));
        if (!png_image_begin_read_from_file(&png, scratch_path(s, name)))
            fail_msg("%s: %s", name, png.message);
        assert_true(png.width > 0 && png.height > 0);
        png_image_free(&png);
    }
    free(page);
}

static cnn_status try(struct scratch *s, cnn_model *model, const char *input, const cnn_visualize_options *options)
{
    char path[256], directory[256];
    cnn_visualize_options o = *options;
    strcpy(directory, scratch_path(s, "out"));
    strcpy(path, scratch_path(s, input));
    o.directory = directory;
    return cnn_visualize(model, path, &o, s->diag);
}

static void visualize(struct scratch *s, cnn_model *model, const char *input, const cnn_visualize_options *options)
{
    cnn_status status = try(s, model, input, options);
    if (status != CNN_OK)
        fail_msg("%s", cnn_diag_count(s->diag) > 0 ? cnn_diag_get(s->diag, 0)->text : "failed without a message");
    check_page(s);
}

/* Fails unless the request is refused as invalid with this message and hint (NULL: none), before anything is written. */
static void check_refused(struct scratch *s, cnn_model *model, const cnn_visualize_options *options, const char *text, const char *hint)
{
    assert_int_equal(try(s, model, "x.npy", options), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    assert_string_equal(message->text, text);
    assert_string_equal(message->hint ? message->hint : "", hint ? hint : "");
    assert_false(exists(s, "out"));
    cnn_diag_clear(s->diag);
}

static void test_maps_are_those_of_the_network(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model), wanted[6 * 4 * 6];
    visualize(s, model, "x.npy", &plain);
    assert_int_equal(cnn_model_activation(model, image, 4, wanted, NULL), CNN_OK);
    float *found = read_array(s, "out/conv2-maps.npy", 6 * 4 * 6);
    assert_floats_same("conv2", found, wanted, 6 * 4 * 6);
    free(found);
    found = read_array(s, "out/conv2-heatmap.npy", 4 * 6);
    for (size_t p = 0; p < 24; p++) {
        double sum = 0;
        for (size_t c = 0; c < 6; c++)
            sum += (double)wanted[c * 24 + p];
        assert_true(fabs((double)found[p] - sum) <= 1e-6 * (1 + fabs(sum)));
    }
    free(found);
    assert_int_equal(cnn_model_activation(model, image, 6, wanted, NULL), CNN_OK);
    found = read_array(s, "out/dense1-maps.npy", 3);
    assert_floats_same("dense1", found, wanted, 3);
    free(found);
    found = read_array(s, "out/conv1-filters.npy", 4 * 3 * 3 * 3);
    float weights[108];
    cnn_model_tensor_get(model, network_tensor(model, "conv1.weight"), weights);
    assert_floats_same("filters", found, weights, 108);
    free(found);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* By default, of layers that change numbers in place the last one shows them; layers that are named show their own. */
static void test_maps_are_shown_once_when_the_next_layers_change_them_in_place(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model);
    visualize(s, model, "x.npy", &plain);
    assert_false(exists(s, "out/conv1-maps.png"));
    assert_false(exists(s, "out/batch_norm1-maps.png"));
    assert_true(exists(s, "out/relu1-maps.png"));
    assert_true(exists(s, "out/dense1-maps.png"));
    cnn_visualize_options named = plain;
    named.layers = (const char *const[]){"conv1"};
    named.layer_count = 1;
    visualize(s, model, "x.npy", &named);
    assert_true(exists(s, "out/conv1-maps.png"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_maps_are_shown_each_when_another_layer_reads_them(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open("input: [1, 6, 6]\n"
                                    "layers:\n"
                                    "  - {type: conv, filters: 2, kernel_size: 1}\n"
                                    "  - {type: relu}\n"
                                    "  - {type: add, from: [conv1, relu1]}\n");
    float *image = write_input(s, model);
    visualize(s, model, "x.npy", &plain);
    assert_true(exists(s, "out/conv1-maps.png"));
    assert_true(exists(s, "out/relu1-maps.png"));
    tensor_free(image, 36);
    cnn_model_free(model);
}

static void test_every_kind_writes_its_picture(void **state)
{
    static const char *const files[] = {
        "relu1-maps.png",   "relu1-maps.npy", "conv1-filters.png",   "conv2-heatmap.png",      "conv2-gradcam.png", "conv2-gradcam.npy",
        "saliency.png",     "saliency.npy",   "saliency-smooth.npy", "occlusion.png",          "occlusion.npy",     "conv2-argmax.png",
        "conv2-argmax.npy", "receptive.png",  "relu1-maps/003.png",  "conv2-gradcam-true.png", "input.png",         "index.html"};
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model), output[3];
    cnn_visualize_options all = plain;
    char label[2] = "0";
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
    while (output[label[0] - '0'] >= fmaxf(output[0], fmaxf(output[1], output[2]))) /* any class but the answer */
        label[0]++;
    all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
    all.each = true;
    all.label = label;
    visualize(s, model, "x.npy", &all);
    assert_int_equal(exists(s, "out/class-0-excite.png") + exists(s, "out/class-1-excite.png") + exists(s, "out/class-2-excite.png"), 1);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "out/%s", files[i]);
        if (!exists(s, name))
            fail_msg("%s was not written", files[i]);
    }
    char *page = read_text(s, "out/index.html");
    assert_non_null(strstr(page, "Wrong: the true class is"));
    free(page);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_strongest_channel_is_the_largest_at_each_position(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model), values[4 * 12 * 16];
    cnn_visualize_options o = plain;
    o.kinds = 1U << CNN_PICTURE_ARGMAX;
    o.layers = (const char *const[]){"batch_norm1"};
    o.layer_count = 1;
    visualize(s, model, "x.npy", &o);
    assert_int_equal(cnn_model_activation(model, image, 1, values, NULL), CNN_OK);
    float *found = read_array(s, "out/batch_norm1-argmax.npy", 12 * 16);
    for (size_t p = 0; p < 12 * 16; p++)
        for (size_t c = 0; c < 4; c++)
            assert_true(values[c * 192 + p] <= values[(size_t)found[p] * 192 + p]);
    free(found);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* The values of the layer with weights that are all positive, so that what is changed in the input cannot cancel out. */
static void positive_weights(cnn_model *model)
{
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        float *values = calloc(info.count, sizeof *values);
        assert_non_null(values);
        cnn_model_tensor_get(model, i, values);
        for (size_t k = 0; k < info.count; k++)
            values[k] = fabsf(values[k]) + 0.01f;
        cnn_model_tensor_set(model, i, values);
        free(values);
    }
}

/* Changes one pixel after the other and compares what moves the last layer's value at (row, column) with the rectangle: its border is the border of what
 * moves it, and where the windows leave no gaps, all within does. */
static void check_field(const char *input, const char *layers, size_t row, size_t column, bool gaps)
{
    cnn_model *model = network_open_layers(input, layers);
    const cnn_shape in = cnn_model_input(model), out = cnn_model_output(model);
    size_t size = cnn_shape_count(in), at = row * out.w + column;
    float *image = calloc(size, sizeof *image), *output = calloc(cnn_shape_count(out), sizeof *output);
    struct cnn_rectangle field, seen = {{in.h, in.w}, {0, 0}};
    positive_weights(model);
    assert_int_equal(cnn_receptive_field(&model->graph, model->graph.count, row, column, &field, NULL), CNN_OK);
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
    float before = output[at];
    for (size_t y = 0; y < in.h; y++)
        for (size_t x = 0; x < in.w; x++) {
            image[y * in.w + x] = 1000;
            assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
            image[y * in.w + x] = 0;
            bool inside = y >= field.begin[0] && y < field.end[0] && x >= field.begin[1] && x < field.end[1],
                 moves = output[at] < before || output[at] > before;
            if (moves ? !inside : inside && !gaps)
                fail_msg("%s at (%zu, %zu): pixel (%zu, %zu) %s it", layers, row, column, y, x, moves ? "outside moves" : "inside does not move");
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
    static const char deep[] = "  - {type: conv, filters: 2, kernel_size: [3, 2], padding: same}\n"
                               "  - {type: pool, pool_type: avg, kernel_size: 2, padding: 1}\n"
                               "  - {type: conv, filters: 1, kernel_size: 3, padding: 1, stride: 2}\n";
    static const char residual[] = "  - {type: conv, filters: 2, kernel_size: 3, padding: 1}\n"
                                   "  - {type: conv, filters: 2, kernel_size: 5, padding: 2, name: wide}\n"
                                   "  - {type: add, from: [conv1, wide]}\n"
                                   "  - {type: concat, from: [conv1, add1]}\n"
                                   "  - {type: conv, filters: 1, kernel_size: 1}\n";
    (void)state;
    for (size_t row = 0; row < 3; row++)
        for (size_t column = 0; column < 3; column++)
            check_field("[1, 9, 11]", deep, row, column, false);
    check_field("[1, 9, 11]", residual, 0, 0, false);
    check_field("[1, 9, 11]", residual, 4, 10, false);
    for (size_t row = 0; row < 9; row += 4) {
        check_field("[1, 9, 9]", "  - {type: conv, filters: 1, kernel_size: 3, padding: 4, padding_mode: reflect, stride: 1}\n", row, 12 - row,
                    false);
        check_field("[1, 9, 9]", "  - {type: conv, filters: 1, kernel_size: 3, padding: 4, padding_mode: replicate}\n", row, 14, false);
        check_field("[1, 9, 9]", "  - {type: conv, filters: 1, kernel_size: 3, padding: 4}\n", row, 14, false);
        check_field("[1, 9, 9]", "  - {type: conv, filters: 1, kernel_size: 3, padding: 1, dilation: 2}\n", row / 2, 0, true);
    }
}

static void test_request_is_refused_when_it_does_not_fit_the_network(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model);
    cnn_visualize_options o = plain;
    o.layers = (const char *const[]){"conf2"};
    o.layer_count = 1;
    check_refused(s, model, &o, "test.yaml has no layer 'conf2'", "did you mean 'conv2'?");
    o.layers = (const char *const[]){"dense1"};
    o.kinds = 1U << CNN_PICTURE_HEATMAP;
    check_refused(s, model, &o, "layer 'dense1' (dense) gives no maps: heatmap cannot be made of it",
                  "layers that fit: conv1, batch_norm1, relu1, pool1, conv2");
    o.kinds = 1U << CNN_PICTURE_FILTERS;
    check_refused(s, model, &o, "layer 'dense1' (dense) has no kernels: filters cannot be made of it", "layers that fit: conv1, conv2");
    o.layers = (const char *const[]){"conv2"};
    o.kinds = 1U << CNN_PICTURE_EXCITE;
    o.channel = 6;
    check_refused(s, model, &o, "layer 'conv2' has 6 channels: 0 to 5, not 6", NULL);
    o.channel = NONE;
    o.kinds = 1U << CNN_PICTURE_RECEPTIVE;
    o.row = 4;
    o.column = 0;
    check_refused(s, model, &o, "layer 'conv2' has maps of 4 x 6: row 0 to 3, column 0 to 5", NULL);
    o = plain;
    o.class_name = "3";
    check_refused(s, model, &o, "test.yaml has no class '3'", "its classes are 0 to 2");
    o = plain;
    o.channel = 1;
    check_refused(s, model, &o, "a channel is for the kind excite", NULL);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_class_is_found_by_name_and_a_slip_gets_the_nearest(void **state)
{
    static const char *const names[] = {"cat", "<dog>", "horse"};
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model);
    cnn_visualize_options o = plain;
    assert_int_equal(cnn_model_set_classes(model, 3, names, NULL), CNN_OK);
    o.class_name = "hrose";
    check_refused(s, model, &o, "test.yaml has no class 'hrose'", "did you mean 'horse'?");
    o.class_name = "<dog>";
    o.kinds = 1U << CNN_PICTURE_GRADCAM;
    visualize(s, model, "x.npy", &o);
    char *page = read_text(s, "out/index.html");
    assert_non_null(strstr(page, "&lt;dog&gt;"));
    assert_null(strstr(page, "<dog>"));
    free(page);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* A network of each unusual form goes through every kind that fits it. */
static void test_every_kind_that_fits_is_drawn_when_the_network_is_unusual(void **state)
{
    static const char *const networks[] = {
        "input: [1, 4, 4]\nlayers:\n  - {type: flatten}\n  - {type: dense, units: 5, activation: relu}\n  - {type: dense, units: 2}\n",
        "input: [2, 5, 4]\nlayers:\n  - {type: conv, filters: 3, kernel_size: 2}\n",
        "input: [3, 1, 1]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 1}\n  - {type: flatten}\n",
        "input: [1, 2, 2]\nlayers:\n  - {type: conv, filters: 2048, kernel_size: 2, activation: relu}\n  - {type: flatten}\n  - {type: dense, units: "
        "2}\n",
        "input: [4, 3, 60]\nlayers:\n  - {type: depthwise_conv, kernel_size: 3, padding: same}\n",
        "input: [1, 6, 6]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 3}\n  - {type: global_pool, pool_type: avg}\n  - {type: softmax}\n",
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cnn_model *model = network_open(networks[i]);
        float *image = write_input(s, model);
        cnn_visualize_options all = plain;
        all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
        visualize(s, model, "x.npy", &plain);
        visualize(s, model, "x.npy", &all);
        tensor_free(image, cnn_shape_count(cnn_model_input(model)));
        cnn_model_free(model);
    }
}

static void test_page_is_made_when_weights_are_no_numbers(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model), weights[108];
    size_t tensor = network_tensor(model, "conv1.weight");
    cnn_visualize_options all = plain;
    cnn_model_tensor_get(model, tensor, weights);
    weights[5] = NAN;
    cnn_model_tensor_set(model, tensor, weights);
    all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
    visualize(s, model, "x.npy", &all);
    char *page = read_text(s, "out/index.html");
    assert_non_null(strstr(page, "There is no answer"));
    assert_non_null(strstr(page, "1 of 4 channels holds values that are no numbers"));
    free(page);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static const char picture_net[] = "input: [3, 8, 8]\n"
                                  "layers:\n"
                                  "  - {type: conv, filters: 2, kernel_size: 3}\n"
                                  "  - {type: flatten}\n"
                                  "  - {type: dense, units: 2}\n"
                                  "data: {dataset: cifar10, normalize: none}\n";

static void test_pictures_of_every_form_are_shown(void **state)
{
    static const uint8_t grey[4] = {0, 80, 160, 255}, palette[6] = {255, 0, 0, 0, 0, 255}, indices[2] = {0x40, 0x80};
    static const uint8_t deep[12] = {255, 255, 0, 0, 1, 2, 9, 9, 8, 8, 7, 7}, clear[8] = {1, 2, 3, 0, 200, 100, 50, 128};
    struct scratch *s = *state;
    cnn_model *model = network_open("input: [3, 8, 8]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 3}\n");
    char *const folder = s->folder;
    char path[128];
    model->normalization = (struct cnn_normalization){3, {0, 0, 0, 0}, {1, 1, 1, 1}};
#define PICTURE(name) (snprintf(path, sizeof path, "%s/%s", folder, name), path)
    picture_write_plain(PICTURE("one.png"), 1, 1, 3, 90);
    picture_write_plain(PICTURE("wide.png"), 3000, 2, 3, 10);
    picture_write_plain(PICTURE("tall.bmp"), 3, 700, 3, 200);
    picture_write_jpeg(PICTURE("small.jpg"));
    picture_write_png(PICTURE("grey.png"), 2, 2, 8, 0, grey, 2, NULL, 0);
    picture_write_png(PICTURE("palette.png"), 2, 2, 1, 3, indices, 1, palette, 2);
    picture_write_png(PICTURE("deep.png"), 1, 2, 16, 2, deep, 6, NULL, 0);
    picture_write_png(PICTURE("clear.png"), 2, 1, 8, 6, clear, 8, NULL, 0);
#undef PICTURE
    static const char *const names[] = {"one.png", "wide.png", "tall.bmp", "small.jpg", "grey.png", "palette.png", "deep.png", "clear.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        visualize(s, model, names[i], &plain);
    cnn_model_free(model);
}

/* What is shown as the network's numbers is what prediction computes with. */
static void test_picture_goes_in_as_in_prediction(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(picture_net);
    float image[192], wanted[72];
    char path[128];
    uint8_t pixels[20 * 30 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 37 % 251);
    model->normalization = (struct cnn_normalization){3, {0.5f, 0.4f, 0.3f, 0}, {0.2f, 0.3f, 0.4f, 1}};
    strcpy(path, scratch_path(s, "p.png"));
    picture_write(path, 20, 30, 3, pixels);
    visualize(s, model, "p.png", &plain);
    assert_int_equal(cnn_model_load_input(model, path, image, NULL), CNN_OK);
    assert_int_equal(cnn_model_activation(model, image, 0, wanted, NULL), CNN_OK);
    float *found = read_array(s, "out/conv1-maps.npy", 72);
    assert_floats_same("conv1", found, wanted, 72);
    free(found);
    char *page = read_text(s, "out/index.html");
    assert_non_null(strstr(page, "resized from 20 x 30 to 8 x 8 pixels"));
    free(page);
    cnn_model_free(model);
}

struct seen {
    size_t files;
    int stop;
};

static void stop_after_two(void *context, const char *path)
{
    struct seen *seen = context;
    assert_int_equal(access(path, F_OK), 0);
    seen->stop = ++seen->files == 2;
}

static void test_work_ends_when_it_is_stopped(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(conv_net);
    float *image = write_input(s, model);
    struct seen seen = {0, 0};
    cnn_visualize_options o = plain;
    o.written = stop_after_two;
    o.context = &seen;
    o.stop = &seen.stop;
    assert_int_equal(try(s, model, "x.npy", &o), CNN_INTERRUPTED);
    assert_int_equal(seen.files, 2);
    assert_false(exists(s, "out/index.html"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_maps_are_those_of_the_network),
        TEST(test_maps_are_shown_once_when_the_next_layers_change_them_in_place),
        TEST(test_maps_are_shown_each_when_another_layer_reads_them),
        TEST(test_every_kind_writes_its_picture),
        TEST(test_strongest_channel_is_the_largest_at_each_position),
        cmocka_unit_test(test_receptive_field_holds_exactly_the_pixels_that_move_the_value),
        TEST(test_request_is_refused_when_it_does_not_fit_the_network),
        TEST(test_class_is_found_by_name_and_a_slip_gets_the_nearest),
        TEST(test_every_kind_that_fits_is_drawn_when_the_network_is_unusual),
        TEST(test_page_is_made_when_weights_are_no_numbers),
        TEST(test_pictures_of_every_form_are_shown),
        TEST(test_picture_goes_in_as_in_prediction),
        TEST(test_work_ends_when_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
