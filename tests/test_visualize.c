/* cnn_visualize: which files it writes, whether their numbers are the network's, what its page
 * says, and what it refuses. */
#include "views.h"

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "compare.h"
#include "networks.h"
#include "pictures.h"
#include "util/file.h"
#include "viz/parts.h"

#define NONE CNN_NO_INDEX

/* Fails unless the request is refused as invalid with this message and hint (NULL: none), before
 * anything is written. */
static void check_refused(struct scratch *s, cnn_model *model, const cnn_visualize_options *options,
                          const char *text, const char *hint)
{
    assert_int_equal(view_try(s, model, "x.npy", options), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    assert_string_equal(message->text, text);
    assert_string_equal(message->hint ? message->hint : "", hint ? hint : "");
    assert_false(view_exists(s, "out"));
    cnn_diag_clear(s->diag);
}

static void test_maps_are_those_of_the_network(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model), wanted[6 * 4 * 6];
    view_make(s, model, "x.npy", &view_plain);
    assert_int_equal(cnn_model_activation(model, image, 4, wanted, NULL), CNN_OK);
    float *found = view_array(s, "out/conv2-maps.npy", 6 * 4 * 6);
    assert_floats_same("conv2", found, wanted, 6 * 4 * 6);
    free(found);
    found = view_array(s, "out/conv2-heatmap.npy", 4 * 6);
    for (size_t p = 0; p < 24; p++) {
        double sum = 0;
        for (size_t c = 0; c < 6; c++)
            sum += (double)wanted[c * 24 + p];
        assert_true(fabs((double)found[p] - sum) <= 1e-6 * (1 + fabs(sum)));
    }
    free(found);
    assert_int_equal(cnn_model_activation(model, image, 6, wanted, NULL), CNN_OK);
    found = view_array(s, "out/dense1-maps.npy", 3);
    assert_floats_same("dense1", found, wanted, 3);
    free(found);
    found = view_array(s, "out/conv1-filters.npy", 4 * 3 * 3 * 3);
    float weights[108];
    cnn_model_tensor_get(model, network_tensor(model, "conv1.weight"), weights, NULL);
    assert_floats_same("filters", found, weights, 108);
    free(found);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* By default, of layers that change numbers in place the last one shows them; layers that are named
 * show their own. */
static void test_maps_are_shown_once_when_the_next_layers_change_them_in_place(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    assert_false(view_exists(s, "out/conv1-maps.png"));
    assert_false(view_exists(s, "out/batch_norm1-maps.png"));
    assert_true(view_exists(s, "out/relu1-maps.png"));
    assert_true(view_exists(s, "out/dense1-maps.png"));
    cnn_visualize_options named = view_plain;
    named.layers = (const char *const[]){"conv1"};
    named.layer_count = 1;
    view_make(s, model, "x.npy", &named);
    assert_true(view_exists(s, "out/conv1-maps.png"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_flatten_is_told_in_a_line_unless_it_is_named(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    assert_false(view_exists(s, "out/flatten1-maps.png"));
    assert_true(view_says(s, "The numbers of conv2, in a row"));
    cnn_visualize_options named = view_plain;
    named.layers = (const char *const[]){"flatten1"};
    named.layer_count = 1;
    view_make(s, model, "x.npy", &named);
    assert_true(view_exists(s, "out/flatten1-maps.png"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_last_layers_bars_carry_the_names_of_classes(void **state)
{
    static const char *const names[] = {"cat", "a horse in a field", "dog"};
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    assert_int_equal(cnn_model_set_classes(model, 3, names, NULL), CNN_OK);
    view_make(s, model, "x.npy", &view_plain);
    struct cnn_canvas sheet = view_png(s, "out/dense1-maps.png");
    assert_int_equal(sheet.width,
                     2 * CNN_SHEET_MARGIN + cnn_canvas_text_width(names[1], 1) + 4 + 400 + 72);
    cnn_canvas_free(&sheet);
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
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    assert_true(view_exists(s, "out/conv1-maps.png"));
    assert_true(view_exists(s, "out/relu1-maps.png"));
    tensor_free(image, 36);
    cnn_model_free(model);
}

static void test_every_kind_writes_its_picture(void **state)
{
    static const char *const files[] = {
        "relu1-maps.png",      "relu1-maps.npy",    "conv1-filters.png",  "conv2-heatmap.png",
        "conv2-gradcam.png",   "conv2-gradcam.npy", "saliency.png",       "saliency.npy",
        "saliency-smooth.npy", "occlusion.png",     "occlusion.npy",      "conv2-argmax.png",
        "conv2-argmax.npy",    "receptive.png",     "relu1-maps/003.png", "conv2-gradcam-true.png",
        "input.png",           "index.html"};
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model), output[3];
    cnn_visualize_options all = view_plain;
    char label[2] = "0";
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
    /* any class but the answer */
    while (output[label[0] - '0'] >= fmaxf(output[0], fmaxf(output[1], output[2])))
        label[0]++;
    all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
    all.each = true;
    all.label = label;
    view_make(s, model, "x.npy", &all);
    assert_int_equal(view_exists(s, "out/class-0-excite.png") +
                         view_exists(s, "out/class-1-excite.png") +
                         view_exists(s, "out/class-2-excite.png"),
                     1);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char name[64];
        snprintf(name, sizeof name, "out/%s", files[i]);
        if (!view_exists(s, name))
            fail_msg("%s was not written", files[i]);
    }
    assert_false(view_exists(s, "out/conv2-filters.png")); /* but where it is named */
    char *page = view_text(s, "out/index.html");
    assert_non_null(strstr(page, "Wrong: the true class is"));
    assert_non_null(strstr(page, "the mean of that over 50 copies"));
    free(page);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_request_is_refused_when_it_does_not_fit_the_network(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    cnn_visualize_options o = view_plain;
    o.layers = (const char *const[]){"conf2"};
    o.layer_count = 1;
    check_refused(s, model, &o, "test.yaml has no layer 'conf2'", "did you mean 'conv2'?");
    o.layers = (const char *const[]){"dense1"};
    o.kinds = 1U << CNN_PICTURE_HEATMAP;
    check_refused(s, model, &o,
                  "layer 'dense1' (dense) gives no maps: heatmap cannot be made of it",
                  "layers that fit: conv1, batch_norm1, relu1, pool1, conv2");
    o.kinds = 1U << CNN_PICTURE_FILTERS;
    check_refused(s, model, &o,
                  "layer 'dense1' (dense) has no kernels: filters cannot be made of it",
                  "layers that fit: conv1, conv2");
    o.layers = (const char *const[]){"conv2"};
    o.kinds = 1U << CNN_PICTURE_EXCITE;
    o.has_channel = true;
    o.channel = 6;
    check_refused(s, model, &o, "layer 'conv2' has 6 channels: 0 to 5, not 6", NULL);
    o.has_channel = false;
    o.kinds = 1U << CNN_PICTURE_RECEPTIVE;
    o.has_position = true;
    o.row = 4;
    o.column = 0;
    check_refused(s, model, &o, "layer 'conv2' has maps of 4 x 6: row 0 to 3, column 0 to 5", NULL);
    o = view_plain;
    o.class_name = "3";
    check_refused(s, model, &o, "test.yaml has no class '3'", "its classes are 0 to 2");
    o = view_plain;
    o.has_channel = true;
    o.channel = 1;
    check_refused(s, model, &o, "a channel is for the kind excite", NULL);
    o = view_plain;
    o.class_name = "1";
    o.kinds = 1U << CNN_PICTURE_FEATMAPS | 1U << CNN_PICTURE_HEATMAP;
    check_refused(
        s, model, &o,
        "a class is for the kinds gradcam, saliency and occlusion, and for excite without a layer",
        NULL);
    o.kinds = 1U << CNN_PICTURE_EXCITE;
    o.layers = (const char *const[]){"conv2"};
    o.layer_count = 1;
    check_refused(
        s, model, &o,
        "a class is for the kinds gradcam, saliency and occlusion, and for excite without a layer",
        NULL);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

static void test_class_is_found_by_name_and_a_slip_gets_the_nearest(void **state)
{
    static const char *const names[] = {"cat", "<dog>", "horse"};
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    cnn_visualize_options o = view_plain;
    assert_int_equal(cnn_model_set_classes(model, 3, names, NULL), CNN_OK);
    o.class_name = "hrose";
    check_refused(s, model, &o, "test.yaml has no class 'hrose'", "did you mean 'horse'?");
    o.class_name = "<dog>";
    o.kinds = 1U << CNN_PICTURE_GRADCAM;
    view_make(s, model, "x.npy", &o);
    char *page = view_text(s, "out/index.html");
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
        "input: [1, 4, 4]\nlayers:\n  - {type: flatten}\n  - {type: dense, units: 5, activation: "
        "relu}\n  - {type: dense, units: 2}\n",
        "input: [2, 5, 4]\nlayers:\n  - {type: conv, filters: 3, kernel_size: 2}\n",
        "input: [3, 1, 1]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 1}\n  - {type: "
        "flatten}\n",
        "input: [1, 2, 2]\nlayers:\n  - {type: conv, filters: 2048, kernel_size: 2, activation: "
        "relu}\n  - {type: flatten}\n  - {type: dense, units: "
        "2}\n",
        "input: [4, 3, 60]\nlayers:\n  - {type: depthwise_conv, kernel_size: 3, padding: same}\n",
        "input: [1, 6, 6]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 3}\n  - {type: "
        "global_pool, pool_type: avg}\n  - {type: softmax}\n",
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cnn_model *model = network_open(networks[i]);
        float *image = view_input(s, model);
        cnn_visualize_options all = view_plain;
        all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
        view_make(s, model, "x.npy", &view_plain);
        view_make(s, model, "x.npy", &all);
        tensor_free(image, cnn_shape_count(cnn_model_input(model)));
        cnn_model_free(model);
    }
}

static void test_page_is_made_when_weights_are_no_numbers(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model), weights[108];
    size_t tensor = network_tensor(model, "conv1.weight");
    cnn_visualize_options all = view_plain;
    cnn_model_tensor_get(model, tensor, weights, NULL);
    weights[5] = NAN;
    cnn_model_tensor_set(model, tensor, weights, NULL);
    all.kinds = (1U << CNN_PICTURE_KINDS) - 1;
    view_make(s, model, "x.npy", &all);
    char *page = view_text(s, "out/index.html");
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
    static const uint8_t grey[4] = {0, 80, 160, 255}, palette[6] = {255, 0, 0, 0, 0, 255},
                         indices[2] = {0x40, 0x80};
    static const uint8_t deep[12] = {255, 255, 0, 0, 1, 2, 9, 9, 8, 8, 7, 7},
                         clear[8] = {1, 2, 3, 0, 200, 100, 50, 128};
    struct scratch *s = *state;
    cnn_model *model =
        network_open("input: [3, 8, 12]\nlayers:\n  - {type: conv, filters: 2, kernel_size: 3}\n");
    char *const folder = s->folder;
    char path[128];
    model->normalization = (struct cnn_normalization){3, {0, 0, 0, 0}, {1, 1, 1, 1}};
#define PICTURE(name) (snprintf(path, sizeof path, "%s/%s", folder, name), path)
    picture_write_plain(PICTURE("one.png"), 1, 1, 3, 90);
    picture_write_plain(PICTURE("wide.png"), 3000, 2, 3, 10);
    picture_write_plain(PICTURE("tall.bmp"), 3, 700, 3, 200);
    picture_write_jpeg(PICTURE("small.jpg"));
    picture_write_png(
        PICTURE("grey.png"),
        &(struct picture_png){
            .width = 2, .height = 2, .depth = 8, .colour_type = 0, .rows = grey, .row_bytes = 2});
    picture_write_png(PICTURE("palette.png"), &(struct picture_png){.width = 2,
                                                                    .height = 2,
                                                                    .depth = 1,
                                                                    .colour_type = 3,
                                                                    .rows = indices,
                                                                    .row_bytes = 1,
                                                                    .palette = palette,
                                                                    .count = 2});
    picture_write_png(
        PICTURE("deep.png"),
        &(struct picture_png){
            .width = 1, .height = 2, .depth = 16, .colour_type = 2, .rows = deep, .row_bytes = 6});
    picture_write_png(
        PICTURE("clear.png"),
        &(struct picture_png){
            .width = 2, .height = 1, .depth = 8, .colour_type = 6, .rows = clear, .row_bytes = 8});
#undef PICTURE
    static const char *const names[] = {"one.png",  "wide.png",    "tall.bmp", "small.jpg",
                                        "grey.png", "palette.png", "deep.png", "clear.png"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        view_make(s, model, names[i], &view_plain);
    assert_true(view_says(
        s, "The picture, 2 pixels wide and 1 high, was resized to 8 x 12 (rows x columns)"));
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
    model->normalization =
        (struct cnn_normalization){3, {0.5f, 0.4f, 0.3f, 0}, {0.2f, 0.3f, 0.4f, 1}};
    strcpy(path, scratch_path(s, "p.png"));
    picture_write(path, 20, 30, 3, pixels);
    view_make(s, model, "p.png", &view_plain);
    assert_int_equal(cnn_model_load_input(model, path, image, NULL), CNN_OK);
    assert_int_equal(cnn_model_activation(model, image, 0, wanted, NULL), CNN_OK);
    float *found = view_array(s, "out/conv1-maps.npy", 72);
    assert_floats_same("conv1", found, wanted, 72);
    free(found);
    char *page = view_text(s, "out/index.html");
    assert_non_null(strstr(
        page, "The picture, 20 pixels wide and 30 high, was resized to 8 x 8 (rows x columns)"));
    free(page);
    cnn_model_free(model);
}

/* Sizes of the network are rows x columns everywhere, and its parts can be reached from the top of
 * the page. */
static void test_page_begins_with_links_to_its_parts(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    char *page = view_text(s, "out/index.html");
    static const char *const order[] = {
        "href=\"#input\"",    "href=\"#layers\"",    "href=\"#evidence\">What the answer rests on<",
        "id=\"input\"",       "3 x 12 x 16 numbers", "id=\"layers\"",
        "id=\"layer-conv1\"", "id=\"evidence\""};
    const char *at = page;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        at = strstr(at, order[i]);
        if (!at)
            fail_msg("%s is missing, or not in its order", order[i]);
    }
    assert_non_null(strstr(page, "<div class=\"scroll sheet\">"
                                 "<a class=\"labelled\" href=\"conv2-maps.png\">"));
    /* small text can be read */
    assert_non_null(strstr(page,
                           "@media(max-width:40rem){.sheet img,.sheet .labelled{max-width:none}"
                           ".sheet img{width:auto}"));
    at = strstr(page, "href=\"conv2-maps.png\"");
    at = at ? strstr(at, "<svg viewBox=") : NULL; /* the captions, as text of the page */
    at = at ? strstr(at, "\">conv2: ") : NULL;
    assert_true(at && at < strstr(page, "id=\"evidence\""));
    free(page);
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_FEATMAPS;
    view_make(s, model, "x.npy", &o);
    assert_false(view_says(s, "#evidence"));
    o.kinds = 1U << CNN_PICTURE_RECEPTIVE;
    view_make(s, model, "x.npy", &o);
    assert_false(view_says(s, "#layers"));
    assert_true(view_says(s, "<h2 id=\"evidence\">More pictures</h2>"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* What is said of a layer names the layers that it reads, and a link stays on one line with its
 * size. */
static void test_layers_are_told_by_what_they_read(void **state)
{
    static const char *const told[] = {
        "The sum of conv1 and conv2, then relu. Output",
        "The channels of add1, conv1 and conv2, one behind the other. Output",
        "The product of concat1 and slope. Output",
        "The channels of mul1, normalised with the means and variances of training, then scaled",
        "The values of batch_norm1, as one list. Output",
        ("<span class=\"link\"><a href=\"#layer-conv1\">conv1</a> <small>2 x 12 x "
         "16</small></span>")};
    struct scratch *s = *state;
    cnn_model *model =
        network_open("input: [3, 12, 16]\nlayers:\n- {type: conv, filters: 2, kernel_size: 1}\n"
                     "- {type: conv, filters: 2, kernel_size: 1}\n"
                     "- {type: add, from: [conv1, conv2], activation: relu}\n"
                     "- {type: concat, from: [add1, conv1, conv2]}\n"
                     "- {type: conv, filters: 6, kernel_size: 1, name: slope}\n"
                     "- {type: mul, from: [concat1, slope]}\n- {type: batch_norm}\n"
                     "- {type: flatten}\n- {type: dense, units: 2}\n");
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    for (size_t i = 0; i < sizeof told / sizeof *told; i++)
        if (!view_says(s, told[i]))
            fail_msg("the page does not say '%s'", told[i]);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* Scores that give the classes the shares in per cent. */
static void check_sure(struct scratch *s, const float shares[3], const char *unsure)
{
    cnn_model *model = network_open(
        "input: [1, 1, 1]\nlayers:\n  - {type: flatten}\n  - {type: dense, units: 3}\n");
    const float zero = 0;
    float scores[3];
    for (size_t i = 0; i < 3; i++)
        scores[i] = logf(shares[i]);
    cnn_model_tensor_set(model, network_tensor(model, "dense1.bias"), scores, NULL);
    assert_int_equal(
        cnn_npy_write(scratch_path(s, "x.npy"), &zero, (const size_t[]){1, 1, 1}, 3, NULL), CNN_OK);
    cnn_visualize_options o = view_plain;
    o.kinds = 1U << CNN_PICTURE_FEATMAPS;
    view_make(s, model, "x.npy", &o);
    assert_int_equal(view_says(s, "The network is not sure"), unsure != NULL);
    if (unsure)
        assert_true(view_says(s, unsure));
    cnn_model_free(model);
}

static void test_answer_is_called_unsure_when_it_is_close_or_below_a_half(void **state)
{
    check_sure(*state, (const float[]){30, 68, 2}, NULL);
    check_sure(*state, (const float[]){40, 58, 2},
               "The network is not sure: 1 has 58.0 %, and 0, the second, has 40.0 %.");
    check_sure(*state, (const float[]){52, 25, 23}, NULL);
    check_sure(*state, (const float[]){48, 23, 29},
               "The network is not sure: 0 has 48.0 %, and 2, the second, has 29.0 %.");
}

/* No name in FOLDER/out is that of a file half written. */
static void check_nothing_temporary(struct scratch *s)
{
    DIR *folder = opendir(scratch_path(s, "out"));
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;)
        if (strstr(entry->d_name, ".tmp"))
            fail_msg("%s was left", entry->d_name);
    closedir(folder);
}

static void test_picture_stays_as_it_was_when_the_new_one_cannot_be_written(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    view_make(s, model, "x.npy", &view_plain);
    check_nothing_temporary(s);
    struct cnn_canvas before = view_png(s, "out/input.png");
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit small = {64, limit.rlim_max};
    void (*old)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    cnn_status status = view_try(s, model, "x.npy", &view_plain);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, old);
    assert_int_equal(status, CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "out/input.png: File too large"));
    check_nothing_temporary(s);
    struct cnn_canvas after = view_png(s, "out/input.png");
    assert_int_equal(after.width, before.width);
    cnn_canvas_free(&before);
    cnn_canvas_free(&after);
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

/* How often text stands on the picture in this colour, with paper of that one around it. */
static size_t count_text(const struct cnn_canvas *picture, struct cnn_colour paper,
                         struct cnn_colour ink, const char *text)
{
    struct cnn_canvas words;
    size_t count = 0;
    assert_int_equal(
        cnn_canvas_new(cnn_canvas_text_width(text, 1) + 6, CNN_TEXT_HEIGHT, paper, &words, NULL),
        CNN_OK);
    cnn_canvas_text(&words, 5, 0, 1, ink, text);
    for (size_t y = 0; y + words.height <= picture->height; y++) {
        for (size_t x = 0; x + words.width <= picture->width; x++) {
            size_t rows = 0;
            while (rows < words.height &&
                   memcmp(picture->pixels + ((y + rows) * picture->width + x) * 3,
                          words.pixels + rows * words.width * 3, words.width * 3) == 0)
                rows++;
            count += rows == words.height;
        }
    }
    cnn_canvas_free(&words);
    return count;
}

static void test_numbers_that_go_in_stand_in_their_cells(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open("input: [1, 2, 2]\n"
                                    "layers: [{type: conv, filters: 1, kernel_size: 2}]\n");
    static const char numbers[] = "7 -0.125\n7.5 -1\n";
    scratch_write(s, "x.txt", numbers, sizeof numbers - 1);
    view_make(s, model, "x.txt", &view_plain);
    struct cnn_canvas input = view_png(s, "out/input.png");
    const struct cnn_colour white = {255, 255, 255}, black = {0, 0, 0};
    assert_int_equal(count_text(&input, white, CNN_INK, "7.5"), 1);
    assert_int_equal(count_text(&input, black, white, "-1"), 1);
    assert_int_equal(count_text(&input, (struct cnn_colour){26, 26, 26}, white, "-0.125"), 1);
    cnn_canvas_free(&input);
    cnn_model_free(model);
}

struct seen {
    size_t files;
    bool answers; /* stops by what the function returns, else by the flag */
    cnn_flag stop;
};

static int stop_after_two(void *context, const char *path)
{
    struct seen *seen = context;
    assert_int_equal(access(path, F_OK), 0);
    if (++seen->files == 2 && !seen->answers)
        cnn_flag_raise(&seen->stop);
    return seen->files == 2 && seen->answers;
}

static int stop_at_once(void *context, const float *probabilities, size_t classes)
{
    (void)context;
    (void)probabilities;
    return (int)classes;
}

static void test_work_ends_when_it_is_stopped(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(view_network);
    float *image = view_input(s, model);
    struct seen seen = {0};
    cnn_visualize_options o = view_plain;
    o.written = stop_after_two;
    o.context = &seen;
    o.stop = &seen.stop;
    assert_int_equal(view_try(s, model, "x.npy", &o), CNN_INTERRUPTED);
    assert_int_equal(seen.files, 2);
    seen = (struct seen){.answers = true};
    assert_int_equal(view_try(s, model, "x.npy", &o), CNN_INTERRUPTED);
    assert_int_equal(seen.files, 2);
    o.answer = stop_at_once;
    seen = (struct seen){0};
    assert_int_equal(view_try(s, model, "x.npy", &o), CNN_INTERRUPTED);
    assert_int_equal(seen.files, 0);
    assert_false(view_exists(s, "out/index.html"));
    tensor_free(image, 3 * 12 * 16);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_maps_are_those_of_the_network),
        TEST(test_maps_are_shown_once_when_the_next_layers_change_them_in_place),
        TEST(test_flatten_is_told_in_a_line_unless_it_is_named),
        TEST(test_last_layers_bars_carry_the_names_of_classes),
        TEST(test_maps_are_shown_each_when_another_layer_reads_them),
        TEST(test_every_kind_writes_its_picture),
        TEST(test_request_is_refused_when_it_does_not_fit_the_network),
        TEST(test_class_is_found_by_name_and_a_slip_gets_the_nearest),
        TEST(test_every_kind_that_fits_is_drawn_when_the_network_is_unusual),
        TEST(test_page_is_made_when_weights_are_no_numbers),
        TEST(test_pictures_of_every_form_are_shown),
        TEST(test_picture_goes_in_as_in_prediction),
        TEST(test_page_begins_with_links_to_its_parts),
        TEST(test_layers_are_told_by_what_they_read),
        TEST(test_answer_is_called_unsure_when_it_is_close_or_below_a_half),
        TEST(test_numbers_that_go_in_stand_in_their_cells),
        TEST(test_picture_stays_as_it_was_when_the_new_one_cannot_be_written),
        TEST(test_work_ends_when_it_is_stopped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
