/* Gives the network of a description random parameters, biases and statistics too, and makes input
 * for it:
 *
 *   random DESCRIPTION MODEL.safetensors INPUT.npy [KEY=VALUE]...
 *
 * INPUT has three images of normal numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cnn.h"

static unsigned state = 12345;

static float uniform(float low, float high)
{
    state = state * 1664525u + 1013904223u;
    return low + (high - low) * (float)(state >> 8) / 16777216.0f;
}

/* Weights keep their own first values, which suit the network's depth, unless they are zeros; so do
 * scales of weights. Each layer has ranges of its own, which differ in their scale alone. */
static void fill(const char *name, size_t rank, size_t count, float *values)
{
    const char *suffix = strrchr(name, '.');
    bool zeros = true;
    for (size_t i = 0; i < count; i++)
        zeros = zeros && !(fabsf(values[i]) > 0);
    if (strcmp(suffix, ".weight_scale") == 0)
        return;
    for (size_t i = 0; i < count && strcmp(suffix, ".input_range") == 0; i++)
        values[i] = i % 2 ? -values[i - 1] : uniform(-4, -2);
    for (size_t i = 0; i < count && rank > 1 && zeros; i++)
        values[i] = uniform(-0.1f, 0.1f);
    for (size_t i = 0; i < count && rank == 1 && strcmp(suffix, ".input_range") != 0; i++)
        values[i] = strcmp(suffix, ".running_var") == 0 ? uniform(0.6f, 1.6f)
                    : strcmp(suffix, ".weight") == 0
                        ? uniform(0.5f, 1.5f) * (i % 7 == 3 ? -1.0f : 1.0f)
                        : uniform(-0.3f, 0.3f);
}

static cnn_status stir(cnn_model *model, cnn_diag *diag)
{
    cnn_status status = CNN_OK;
    for (size_t i = 0; status == CNN_OK && i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        float *values = malloc((info.count + 1) * sizeof *values);
        status = values ? cnn_model_tensor_get(model, i, values, diag) : CNN_FAILED;
        if (status == CNN_OK) {
            fill(info.name, info.rank, info.count, values);
            status = cnn_model_tensor_set(model, i, values, diag);
        }
        free(values);
    }
    return status;
}

static cnn_status write_input(const cnn_model *model, const char *path, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model);
    const size_t dims[4] = {3, in.c, in.h, in.w}, count = 3 * in.c * in.h * in.w;
    float *values = malloc(count * sizeof *values);
    if (!values)
        return CNN_FAILED;
    for (size_t i = 0; i < count; i++) {
        values[i] = 0;
        for (size_t k = 0; k < 12; k++)
            values[i] += uniform(-0.5f, 0.5f);
    }
    cnn_status status = cnn_npy_write(path, values, dims, 4, diag);
    free(values);
    return status;
}

int main(int argc, char **argv)
{
    cnn_model *model = NULL;
    cnn_diag *diag = cnn_diag_new();
    if (argc < 4)
        return 2;
    const cnn_open_options options = {.untrained = true,
                                      .overrides = (const char *const *)argv + 4,
                                      .override_count = (size_t)argc - 4};
    cnn_status status = cnn_model_open(argv[1], &options, &model, diag);
    if (status == CNN_OK)
        status = stir(model, diag);
    if (status == CNN_OK)
        status = cnn_model_write(model, argv[2], diag);
    if (status == CNN_OK)
        status = write_input(model, argv[3], diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        fprintf(stderr, "%s\n", cnn_diag_get(diag, i)->text);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return status == CNN_OK ? 0 : 1;
}
