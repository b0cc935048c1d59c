/* Where in a data set the channels of a layer are strongest: against a search image by image. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "networks.h"
#include "scratch.h"
#include "viz/strongest.h"

enum { IMAGES = 70, SIDE = 16, MOST = 8 * 16 * 16 };

static const char net[] =
    "{input: [3, 16, 16], layers: [{type: conv, filters: 6, kernel_size: 3, activation: relu}, "
    "{type: pool, pool_type: max, kernel_size: 2}, {type: conv, filters: 8, kernel_size: 3, "
    "padding: same}], data: {dataset: shapes, limit: 70, normalize: {mean: [0.4, 0.5, 0.6], std: "
    "[0.2, 0.3, 0.25]}}, train: {seed: 5}}";

static struct cnn_dataset *open_data(const cnn_model *model)
{
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used;
    const struct cnn_data_choice choice = {
        .input = model->graph.input, .split = CNN_SPLIT_TRAIN, .seed = 5};
    assert_int_equal(cnn_dataset_open(&model->data, &choice, &dataset, &used, NULL), CNN_OK);
    assert_int_equal(cnn_dataset_count(dataset), IMAGES);
    return dataset;
}

/* The layer's maps for one image, NCHW. */
static void run(const cnn_model *model, const struct cnn_dataset *dataset, size_t image,
                size_t layer, float *maps)
{
    float x[3 * SIDE * SIDE], turned[3 * SIDE * SIDE];
    cnn_normalize(&model->normalization, cnn_dataset_read(dataset, image, NULL), SIDE * SIDE, x);
    cnn_transpose(1, SIDE * SIDE, 3, x, turned);
    assert_int_equal(cnn_model_activation(model, turned, layer, maps, NULL), CNN_OK);
}

/* The value of each place found, and that no image that is not among them has a larger one. */
static void check_channel(const cnn_model *model, const struct cnn_dataset *dataset, size_t layer,
                          size_t channel, const struct cnn_strongest *places)
{
    const cnn_shape s = model->graph.nodes[layer].out;
    static float maps[MOST];
    for (size_t k = 1; k < CNN_STRONGEST; k++)
        assert_true(places[k].value <= places[k - 1].value);
    for (size_t i = 0; i < IMAGES; i++) {
        float largest = -INFINITY;
        bool found = false;
        run(model, dataset, i, layer, maps);
        for (size_t p = 0; p < s.h * s.w; p++)
            largest = fmaxf(largest, maps[channel * s.h * s.w + p]);
        for (size_t k = 0; k < CNN_STRONGEST; k++) {
            if (places[k].image != i)
                continue;
            assert_false(found); /* at most one of each image */
            found = true;
            assert_true(fabsf(places[k].value - largest) < 1e-4f);
            float there = maps[(channel * s.h + places[k].row) * s.w + places[k].column];
            assert_true(fabsf(there - largest) < 1e-4f);
        }
        if (!found)
            assert_true(largest < places[CNN_STRONGEST - 1].value + 1e-4f);
    }
}

static void test_places_are_those_of_a_search(void **state)
{
    (void)state;
    cnn_model *model = network_open(net);
    struct cnn_dataset *dataset = open_data(model);
    for (size_t layer = 0; layer < model->graph.count; layer++) {
        size_t channels = model->graph.nodes[layer].out.c;
        struct cnn_strongest places[8 * CNN_STRONGEST];
        network_stir(model);
        assert_int_equal(cnn_strongest_find(model, dataset, layer + 1, NULL, places, NULL), CNN_OK);
        for (size_t c = 0; c < channels; c++)
            check_channel(model, dataset, layer, c, places + c * CNN_STRONGEST);
    }
    cnn_dataset_free(dataset);
    cnn_model_free(model);
}

/* A channel that is silent everywhere: the first images, at their first place. */
static void test_equal_values_stay_in_their_order(void **state)
{
    (void)state;
    cnn_model *model = network_open(net);
    struct cnn_dataset *dataset = open_data(model);
    struct cnn_strongest places[6 * CNN_STRONGEST];
    size_t bias = network_tensor(model, "conv1.bias");
    for (size_t c = 0; c < 6; c++)
        model->parameters[model->tensors[bias].tensor->offset + c] = -1e6f;
    assert_int_equal(cnn_strongest_find(model, dataset, 1, NULL, places, NULL), CNN_OK);
    for (size_t k = 0; k < CNN_STRONGEST; k++)
        assert_true(places[k].image == k && places[k].row == 0 && places[k].column == 0 &&
                    places[k].value == 0);
    cnn_flag stop = {0};
    cnn_flag_raise(&stop);
    assert_int_equal(cnn_strongest_find(model, dataset, 1, &stop, places, NULL), CNN_INTERRUPTED);
    cnn_dataset_free(dataset);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places_are_those_of_a_search),
        cmocka_unit_test(test_equal_values_stay_in_their_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
