/* The numbers of maps as text, for lessons and small networks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "inputs.h"
#include "pictures.h"
#include "show.h"
#include "terminal.h"

enum { ROW_OF_FLAT = 10, NUMBER_MAX = 24 };

/* Whole numbers as such, others with four digits. */
static int format_number(float value, char *text)
{
    double number = (double)value;

    if (isfinite(value) && fabs(number) < 1e7 && number == floor(number))
        return snprintf(text, NUMBER_MAX, "%.0f", number + 0.0); /* -0 becomes 0 */
    return snprintf(text, NUMBER_MAX, isnan(value) ? "nan" : "%.4g", number);
}

static void print_rows(const float *values, size_t rows, size_t columns, size_t count, int width)
{
    char text[NUMBER_MAX];

    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns && i * columns + j < count; j++) {
            format_number(values[i * columns + j], text);
            printf("%s%*s", j > 0 ? " " : "", width, text);
        }
        printf("\n");
    }
}

static void print_layer(const cnn_layer_info *info, const float *values)
{
    const cnn_shape s = info->output;
    size_t map = s.h * s.w;
    char text[NUMBER_MAX];
    int width = 1;

    for (size_t i = 0; i < s.c * map; i++) {
        int length = format_number(values[i], text);

        width = length > width ? length : width;
    }
    printf("%s: %s\n", cnn_show_text(info->name).text, cnn_show_shape(s, " x ").text);
    if (s.rank != 3) {
        print_rows(values, (s.c + ROW_OF_FLAT - 1) / ROW_OF_FLAT, ROW_OF_FLAT, s.c, width);
        return;
    }
    for (size_t c = 0; c < s.c; c++) {
        if (s.c > 1)
            printf("channel %zu\n", c);
        print_rows(values + c * map, s.h, s.w, map, width);
    }
}

static cnn_status check_numbers(const cnn_layer_info *info, const float *values)
{
    size_t count = info->output.c * info->output.h * info->output.w, i = 0;

    while (i < count && isfinite(values[i]))
        i++;
    if (i == count)
        return CNN_OK;
    fflush(stdout);
    cnn_print_error("what %s gives holds numbers that are not finite", info->name);
    return CNN_FAILED;
}

static cnn_status print_one(cnn_model *model, const float *image, size_t layer, bool first,
                            cnn_diag *diag)
{
    cnn_layer_info info = {0};
    cnn_status status = cnn_model_layer(model, layer, &info, diag);
    float *values;

    if (status != CNN_OK)
        return status;
    values = calloc(info.output.c * info.output.h * info.output.w, sizeof *values);
    if (!values)
        return cnn_command_out_of_memory();
    status = cnn_model_activation(model, image, layer, values, diag);
    if (status == CNN_OK) {
        if (!first)
            printf("\n");
        print_layer(&info, values);
        status = check_numbers(&info, values);
    }
    free(values);
    return status;
}

/* Marks the layers to print. Where nothing is named and there is no map, all are. */
static cnn_status choose(const cnn_model *model, const struct cnn_option_list *layers, bool *chosen,
                         cnn_diag *diag)
{
    size_t count = cnn_model_layers(model), maps = 0;
    cnn_layer_info info = {0};

    for (size_t i = 0; i < layers->count; i++) {
        size_t layer;
        cnn_status status = cnn_model_find_layer(model, layers->items[i], &layer, diag);

        if (status != CNN_OK)
            return status;
        chosen[layer] = true;
    }
    for (size_t i = 0; i < count && layers->count == 0; i++) {
        cnn_status status = cnn_model_layer(model, i, &info, diag);

        if (status != CNN_OK)
            return status;
        chosen[i] = info.output.rank == 3;
        maps += chosen[i];
    }
    for (size_t i = 0; i < count && layers->count == 0 && maps == 0; i++)
        chosen[i] = true;
    return CNN_OK;
}

cnn_status cnn_print_maps(cnn_model *model, const char *input, const struct cnn_option_list *layers,
                          cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model);
    size_t count = cnn_model_layers(model);
    float *image = calloc(in.c * in.h * in.w, sizeof *image);
    bool *chosen = calloc(count, sizeof *chosen), first = true, loaded;
    cnn_data_image *stored = NULL;
    cnn_status status = CNN_FAILED;

    if (!image || !chosen)
        cnn_command_out_of_memory();
    else
        status = choose(model, layers, chosen, diag);
    if (status == CNN_OK)
        status = cnn_inputs_load(model, input, image, &stored, diag);
    loaded = status == CNN_OK;
    for (size_t i = 0; i < count && loaded; i++) {
        if (!chosen[i])
            continue;
        cnn_status printed = print_one(model, image, i, first, diag);

        status = status == CNN_OK ? printed : status;
        first = false;
    }
    cnn_data_image_free(stored);
    free(image);
    free(chosen);
    return status;
}
