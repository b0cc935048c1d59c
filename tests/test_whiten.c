/* Whitening first weights: eigenvectors of a known matrix, and outputs that are uncorrelated and of
 * variance 1 on the images that the filters came from. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "networks.h"
#include "train/whiten.h"

static void test_eigenvectors_of_a_symmetric_matrix(void **state)
{
    (void)state;
    double a[9] = {2, -1, 0, -1, 2, -1, 0, -1, 2}, values[3], vectors[9];
    cnn_eigen_symmetric(3, a, values, vectors);
    assert_near(values[0], 2 + sqrt(2), 1e-12);
    assert_near(values[1], 2, 1e-12);
    assert_near(values[2], 2 - sqrt(2), 1e-12);
    for (size_t i = 0; i < 3; i++) { /* A v = value v */
        const double *v = vectors + 3 * i;
        assert_near(v[0] * v[0] + v[1] * v[1] + v[2] * v[2], 1, 1e-12);
        assert_near(2 * v[0] - v[1], values[i] * v[0], 1e-12);
        assert_near(2 * v[1] - v[0] - v[2], values[i] * v[1], 1e-12);
    }
}

#define IMAGES  200
#define NUMBERS 12
#define PLACES  (15 * 15)

/* Means of products of the outputs over the images that the filters were found in. */
static void measure_products(cnn_model *model, const struct cnn_dataset *train, size_t filters,
                             double *products)
{
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_KEEP, false);
    uint8_t pixels[3 * 16 * 16];
    for (size_t i = 0; i < IMAGES; i++) {
        cnn_normalize(&model->normalization, cnn_dataset_read(train, i, pixels), 256,
                      cnn_plan_input(plan));
        cnn_plan_forward(plan, 1, false, 0);
        const float *y = cnn_plan_value(plan, 1);
        for (size_t p = 0; p < PLACES; p++, y += filters)
            for (size_t j = 0; j < NUMBERS; j++)
                for (size_t k = 0; k < NUMBERS; k++)
                    products[j * NUMBERS + k] += (double)y[j] * (double)y[k] / (PLACES * IMAGES);
    }
    cnn_plan_free(plan);
}

static void test_outputs_are_uncorrelated(void **state)
{
    (void)state;
    cnn_model *model =
        network_open("input: [3, 16, 16]\n"
                     "layers:\n"
                     "  - {type: conv, filters: 24, kernel_size: 2, init: whitening, bias: false}\n"
                     "  - {type: global_pool, pool_type: avg}\n"
                     "  - {type: flatten}\n"
                     "  - {type: dense, units: 10}\n"
                     "data: {dataset: shapes, limit: 200, normalize: auto}\n");
    struct cnn_dataset *train;
    enum cnn_split used;
    double products[NUMBERS * NUMBERS] = {0};
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &train, &used, NULL),
                     CNN_OK);
    assert_int_equal(cnn_model_adopt_data(model, train, NULL), CNN_OK);
    assert_int_equal(cnn_whiten(model, train, NULL), CNN_OK);
    measure_products(model, train, 24, products);
    /* a direction with little variance is blown up less: its eigenvalue had 5e-4 added */
    for (size_t j = 0; j < NUMBERS; j++)
        for (size_t k = 0; k < NUMBERS; k++)
            if (j == k)
                assert_true(products[j * NUMBERS + k] > 0.1 && products[j * NUMBERS + k] < 1.001);
            else
                assert_near(products[j * NUMBERS + k], 0, 1e-3);
    assert_near(products[0], 1, 1e-3);
    const float *weights =
        model->parameters + model->tensors[network_tensor(model, "conv1.weight")].tensor->offset;
    for (size_t i = 0; i < NUMBERS * NUMBERS; i++) /* then the same with the sign turned */
        assert_near((double)weights[NUMBERS * NUMBERS + i], -(double)weights[i], 0);
    cnn_dataset_free(train);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_eigenvectors_of_a_symmetric_matrix),
        cmocka_unit_test(test_outputs_are_uncorrelated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
