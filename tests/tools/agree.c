/* agree MODEL INPUT OUTPUT TOLERANCE: runs the model on the images in INPUT, and holds what it
 * gives against OUTPUT; both are float32. Fails where a number differs by more than TOLERANCE of
 * the largest one. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cnn.h"

static float *read_floats(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    float *values = NULL;

    if (!file || fseek(file, 0, SEEK_END) != 0) {
        perror(path);
        exit(2);
    }
    *count = (size_t)ftell(file) / sizeof *values;
    values = malloc((*count + 1) * sizeof *values);
    rewind(file);
    if (!values || fread(values, sizeof *values, *count, file) != *count) {
        perror(path);
        exit(2);
    }
    fclose(file);
    return values;
}

int main(int argc, char **argv)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_model *model = NULL;
    size_t inputs, wanted;
    double largest = 0, error = 0;

    if (argc != 5 || cnn_model_open(argv[1], NULL, &model, diag) != CNN_OK) {
        fprintf(stderr, "agree: %s\n", argc == 5 ? cnn_diag_get(diag, 0)->text : "four arguments");
        return 2;
    }
    const cnn_shape in = cnn_model_input(model);
    const size_t numbers = in.c * in.h * in.w, outputs = cnn_model_outputs(model);
    float *images = read_floats(argv[2], &inputs), *want = read_floats(argv[3], &wanted);
    float *got = malloc((wanted + 1) * sizeof *got);
    if (!got || inputs % numbers != 0 || wanted != inputs / numbers * outputs ||
        cnn_model_run(model, images, inputs / numbers, got, diag) != CNN_OK) {
        fprintf(stderr, "agree: %zu numbers, of which %zu are an image; %zu, not %zu an image\n",
                inputs, numbers, wanted, outputs);
        return 2;
    }
    for (size_t i = 0; i < wanted; i++) {
        largest = fmax(largest, fabs((double)want[i]));
        error = fmax(error, fabs((double)want[i] - (double)got[i]));
    }
    printf("%s: %.1e of %.3g at most\n", argv[1], error / largest, largest);
    free(images);
    free(want);
    free(got);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return error <= atof(argv[4]) * largest ? 0 : 1;
}
