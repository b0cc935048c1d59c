/* A look into a network: look MODEL IMAGE DIRECTORY says what MODEL is made of, what it makes of
 * IMAGE and how it comes to it, and writes pictures and numbers into DIRECTORY. */
#include <cnn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TOP = 3, PATH_BYTES = 512 };

/* ---- What it is made of ---- */

/* A model of this library, or of another program as ONNX. */
static cnn_status open_model(const char *path, cnn_model **out, cnn_diag *diag)
{
    cnn_import_options options = CNN_IMPORT_OPTIONS_INIT;
    cnn_import_info info = {0};
    const char *ending = strrchr(path, '.');
    if (!ending || strcmp(ending, ".onnx") != 0)
        return cnn_model_open(path, NULL, out, diag);
    options.tolerance = 1e-3;
    cnn_status status = cnn_import(&path, 1, &options, out, &info, diag);
    if (status == CNN_OK)
        printf("%s of %s: %zu nodes are %zu layers, %g apart\n%s", path, info.producer, info.nodes,
               info.layers, info.error, info.notes);
    return status;
}

static cnn_status describe(const cnn_model *model, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model), out = cnn_model_output(model);
    cnn_layer_info layer = {0};
    cnn_memory memory;
    cnn_status status = cnn_model_memory(model, 1, &memory, diag);
    printf("%s (%s, %s): %zu x %zu x %zu to %zu numbers\n", cnn_model_name(model),
           cnn_model_source(model), cnn_model_trained(model) ? "trained" : "untrained", in.c, in.h,
           in.w, out.c * out.h * out.w);
    if (cnn_model_pixels_guessed(model))
        printf("pixels go in as numbers from 0 to 1: the file does not say\n");
    for (size_t i = 0; status == CNN_OK && i < cnn_model_layers(model); i++) {
        status = cnn_model_layer(model, i, &layer, diag);
        if (status == CNN_OK)
            printf("  %-12s %-10s %8llu parameters\n", layer.name, layer.type,
                   (unsigned long long)layer.params);
    }
    char *compact = cnn_model_compact(model);
    if (status == CNN_OK && compact)
        printf("an image takes %llu bytes; the description has %zu characters, %zu in short\n",
               (unsigned long long)memory.inference, strlen(cnn_model_resolved(model)),
               strlen(compact));
    cnn_free(compact);
    return status;
}

/* The largest weight of each convolution. Values are copied, out and in. */
static cnn_status weigh(cnn_model *model, cnn_diag *diag)
{
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        float *values = malloc(info.count * sizeof *values), largest = 0;
        cnn_status status = values ? cnn_model_tensor_get(model, i, values, diag) : CNN_FAILED;
        for (size_t k = 0; status == CNN_OK && k < info.count; k++)
            largest = fmaxf(largest, fabsf(values[k]));
        if (status == CNN_OK)
            status = cnn_model_tensor_set(model, i, values, diag);
        if (status == CNN_OK && info.rank == 4)
            printf("  %s: %zu filters, at most %g\n", info.name, info.dims[0], (double)largest);
        free(values);
        if (status != CNN_OK)
            return status;
    }
    return CNN_OK;
}

/* ---- What it makes of an image ---- */

static void print_top(const cnn_model *model, const float *output)
{
    cnn_prediction top[TOP];
    size_t count = 0;
    float *p = malloc(cnn_model_outputs(model) * sizeof *p);
    if (!p)
        return;
    cnn_model_probabilities(model, output, 1, p);
    cnn_model_top(model, p, TOP, top, &count);
    for (size_t i = 0; i < count; i++)
        printf("  %-12s %5.1f %%\n", cnn_model_class(model, top[i].index),
               100 * (double)top[i].probability);
    free(p);
}

/* A picture and a frame, straight into a runner, which runs them together. */
static cnn_status answer_pictures(const cnn_model *model, const char *path, cnn_diag *diag)
{
    static const uint8_t grey[4] = {0, 90, 180, 255};
    const cnn_pixels frame = {.data = grey, .width = 2, .height = 2, .order = CNN_PIXELS_GREY};
    cnn_runner_options options = CNN_RUNNER_OPTIONS_INIT;
    cnn_runner *runner = NULL;
    cnn_status read = CNN_OK;
    const size_t outputs = cnn_model_outputs(model);
    float *output = malloc(2 * outputs * sizeof *output);
    options.batch = 2;
    cnn_status status = output ? cnn_runner_new(model, &options, &runner, diag) : CNN_FAILED;
    if (status == CNN_OK)
        status = cnn_runner_read(runner, &path, 1, &read, &diag, diag);
    if (status == CNN_OK)
        status = cnn_runner_put(runner, 1, &frame, diag);
    if (status == CNN_OK && read == CNN_OK)
        status = cnn_runner_answer(runner, 2, output, diag);
    for (size_t i = 0; i < 2 && status == CNN_OK && read == CNN_OK; i++)
        print_top(model, output + i * outputs);
    cnn_runner_free(runner);
    free(output);
    return status == CNN_OK ? read : status;
}

/* One image, by itself and as the mean over views of it; and by a runner, which only reads the
 * model. */
static cnn_status answer(cnn_model *model, const char *path, const float *image, cnn_diag *diag)
{
    cnn_runner_options options = CNN_RUNNER_OPTIONS_INIT;
    cnn_runner *runner = NULL;
    cnn_prediction best;
    size_t count = 0;
    float *output = malloc(cnn_model_outputs(model) * sizeof *output);
    cnn_status status = output ? cnn_model_run(model, image, 1, output, diag) : CNN_FAILED;
    if (status == CNN_OK)
        status = cnn_model_check_answer(model, path, image, output, diag);
    if (status == CNN_OK)
        print_top(model, output);
    if (status == CNN_OK)
        status = cnn_tta_find("flip", &options.tta, diag);
    if (status == CNN_OK && cnn_tta_check(model, options.tta, NULL) == CNN_OK)
        status = cnn_model_run_tta(model, options.tta, image, 1, output, diag);
    options.threads = 2;
    if (status == CNN_OK)
        status = cnn_runner_new(model, &options, &runner, diag);
    if (status == CNN_OK)
        status = cnn_runner_run(runner, image, 1, output, diag);
    if (status == CNN_OK)
        print_top(model, output);
    if (status == CNN_OK)
        status = answer_pictures(model, path, diag);
    if (status == CNN_OK)
        status = cnn_model_predict(model, path, 1, &best, &count, diag); /* all of it at once */
    if (status == CNN_OK && count > 0)
        printf("%s shows %s\n", path, best.name);
    cnn_runner_free(runner);
    free(output);
    return status;
}

/* An image of a data set. */
static cnn_status load_stored(const cnn_model *model, float *image, cnn_diag *diag)
{
    static const char name[] = "shapes:test:0";
    cnn_data_image *stored = NULL;
    if (!cnn_data_image_named(name)) /* a file is called so */
        return CNN_OK;
    cnn_status status = cnn_data_image_open(name, &stored, diag);
    if (status == CNN_OK)
        status = cnn_model_load_pixels(model, &stored->pixels, image, diag);
    if (status == CNN_OK)
        printf("%s, one of %zu, shows a %s\n", name, stored->count, stored->class_name);
    cnn_data_image_free(stored);
    return status;
}

/* The ways of an image into a network: a file of whatever kind, its bytes, pixels. */
static cnn_status load(const cnn_model *model, const char *path, float *image, cnn_diag *diag)
{
    static const uint8_t grey[4] = {0, 90, 180, 255};
    const cnn_pixels pixels = {.data = grey, .width = 2, .height = 2, .order = CNN_PIXELS_GREY};
    static unsigned char bytes[1 << 20];
    cnn_status status = cnn_model_load_pixels(model, &pixels, image, diag);
    FILE *file = fopen(path, "rb");
    const size_t size = file ? fread(bytes, 1, sizeof bytes, file) : 0;
    if (file)
        fclose(file);
    if (status == CNN_OK)
        status = load_stored(model, image, diag);
    if (status == CNN_OK && size < sizeof bytes)
        status = cnn_model_decode_image(model, bytes, size, path, image, diag);
    if (status == CNN_OK)
        status = cnn_model_load_image(model, path, image, diag);
    return status == CNN_OK ? cnn_model_load_input(model, path, image, diag) : status;
}

/* ---- How it comes to it ---- */

static int on_written(void *context, const char *path)
{
    printf("wrote %s\n", path);
    return --*(int *)context == 0; /* enough: stop */
}

static int on_answer(void *context, const float *probabilities, size_t classes)
{
    (void)context;
    printf("%zu classes%s\n", classes, probabilities ? "" : ", and no answer");
    return 0;
}

/* The first number of each layer's output. */
static cnn_status print_values(const cnn_model *model, const float *image, cnn_diag *diag)
{
    size_t count = cnn_model_layers(model);
    float **values = calloc(count, sizeof *values);
    cnn_layer_info layer = {0};
    cnn_status status = values ? CNN_OK : CNN_FAILED;
    for (size_t i = 0; status == CNN_OK && i < count; i++) {
        status = cnn_model_layer(model, i, &layer, diag);
        if (status == CNN_OK)
            values[i] = malloc(layer.output.c * layer.output.h * layer.output.w * sizeof(float));
    }
    if (status == CNN_OK)
        status = cnn_model_activations(model, image, values, diag);
    for (size_t i = 0; values && i < count; i++) {
        if (status == CNN_OK && values[i])
            printf("  layer %zu begins with %g\n", i, (double)values[i][0]);
        free(values[i]);
    }
    free(values);
    return status;
}

static cnn_status explain(cnn_model *model, const char *name, const float *image, cnn_diag *diag)
{
    cnn_explain_options options = CNN_EXPLAIN_OPTIONS_INIT;
    cnn_explanation *first = NULL;
    cnn_layer_info layer = {0};
    float *map = NULL;
    cnn_status status = cnn_model_find_layer(model, name, &options.layer, diag);
    if (status == CNN_OK)
        status = cnn_explain(model, image, &options, &first, diag);
    if (status == CNN_OK)
        status = cnn_model_layer(model, options.layer, &layer, diag);
    if (status == CNN_OK)
        map = malloc(layer.output.c * layer.output.h * layer.output.w * sizeof *map);
    if (map)
        status = cnn_model_activation(model, image, options.layer, map, diag);
    if (map && status == CNN_OK)
        printf("%s\nin the network: %g\n", first->text, (double)map[0]);
    cnn_explanation_free(first);
    free(map);
    return status;
}

/* The same image, and then one that is twice as bright: memory and weights are prepared once. */
static cnn_status inspect(const cnn_model *model, float *image, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model);
    const cnn_explain_options options = CNN_EXPLAIN_OPTIONS_INIT;
    cnn_inspector *inspector = NULL;
    cnn_layer_info layer = {0};
    float *map = NULL;
    cnn_status status = cnn_inspector_new(model, &inspector, diag);
    if (status == CNN_OK)
        status = cnn_model_layer(model, 0, &layer, diag);
    if (status == CNN_OK)
        map = malloc(layer.output.c * layer.output.h * layer.output.w * sizeof *map);
    for (int round = 0; status == CNN_OK && map && round < 2; round++) {
        cnn_explanation *first = NULL;
        for (size_t i = 0; round > 0 && i < in.c * in.h * in.w; i++)
            image[i] *= 2;
        status = cnn_inspector_run(inspector, image, diag);
        if (status == CNN_OK)
            status = cnn_inspector_get(inspector, 0, map, diag);
        if (status == CNN_OK)
            status = cnn_inspector_explain(inspector, &options, &first, diag);
        if (status == CNN_OK)
            printf("%s brightness: %g, explained as %g\n",
                   round == 0 ? "at its own" : "at twice the", (double)map[0], first->value);
        cnn_explanation_free(first);
    }
    free(map);
    cnn_inspector_free(inspector);
    return status;
}

/* One step of training on the image, as if it were of class 0. */
static cnn_status explain_step(const cnn_model *model, const float *image, cnn_diag *diag)
{
    cnn_gradient_options options = CNN_GRADIENT_OPTIONS_INIT;
    cnn_gradient_explanation *step = NULL;
    options.label = "0";
    cnn_status status = cnn_explain_gradient(model, image, &options, &step, diag);
    if (status == CNN_OK)
        printf("%s\na step takes the loss from %g to %g\n", step->text, step->loss,
               step->next_loss);
    cnn_gradient_explanation_free(step);
    return status;
}

/* The page of the lab, if the library was built with it. */
static void write_lab(const cnn_model *model, const char *directory)
{
    char page[PATH_BYTES];
    snprintf(page, sizeof page, "%s/lab.html", directory);
    if (cnn_lab(model, page, "en", NULL) == CNN_OK)
        printf("%s opens in a browser\n", page);
}

/* Pictures, and the image as numbers that are read again. */
static cnn_status keep(cnn_model *model, const char *path, const float *image,
                       const char *directory, cnn_diag *diag)
{
    cnn_visualize_options options = CNN_VISUALIZE_OPTIONS_INIT;
    const cnn_shape in = cnn_model_input(model);
    const size_t dims[3] = {in.c, in.h, in.w};
    char numbers[PATH_BYTES];
    int files = 5;
    float *again = NULL;
    size_t count = 0;
    options.directory = directory;
    options.written = on_written;
    options.answer = on_answer;
    options.context = &files;
    cnn_status status = cnn_visualize(model, path, &options, diag);
    if (status == CNN_INTERRUPTED) /* after five files */
        status = CNN_OK;
    snprintf(numbers, sizeof numbers, "%s/image.npy", directory);
    if (status == CNN_OK)
        status = cnn_npy_write(numbers, image, dims, 3, diag);
    if (status == CNN_OK)
        status = cnn_model_read_npy(model, numbers, &again, &count, diag);
    if (status == CNN_OK)
        printf("%s holds %zu image, which begins with %g\n", numbers, count, (double)again[0]);
    cnn_free(again);
    return status;
}

/* Which images of a data set look most like this one to the network. */
static cnn_status find_similar(const cnn_model *model, const char *path, const float *image,
                               cnn_diag *diag)
{
    cnn_similar_options options = CNN_SIMILAR_OPTIONS_INIT;
    cnn_similar *similar = NULL;
    options.paths = &path; /* here it has one to choose from */
    options.path_count = 1;
    options.top = TOP;
    cnn_status status = cnn_find_similar(model, image, &options, &similar, diag);
    for (size_t i = 0; status == CNN_OK && i < similar->count; i++)
        printf("%s is like it: %g\n", similar->images[i].name, similar->images[i].similarity);
    cnn_similar_free(similar);
    return status;
}

/* A network that is written here. */
static cnn_status open_own(cnn_diag *diag)
{
    static const char text[] =
        "{input: [1, 2, 2], layers: [{type: flatten}, {type: dense, units: 1, "
        "weights: {kernel: [[1, 2, 3, 4]], bias: 0}}]}";
    const float image[4] = {1, 1, 1, 1};
    float sum = 0;
    cnn_model *model = NULL;
    cnn_status status = cnn_model_open_memory(text, sizeof text - 1, "sum", NULL, &model, diag);
    if (status == CNN_OK)
        status = cnn_model_run(model, image, 1, &sum, diag);
    if (status == CNN_OK)
        printf("1 + 2 + 3 + 4 = %g\n", (double)sum);
    cnn_model_free(model);
    return status;
}

static cnn_status look(cnn_model *model, char *const *argv, cnn_diag *diag)
{
    const cnn_shape in = cnn_model_input(model);
    cnn_layer_info first = {0};
    float *image = malloc(in.c * in.h * in.w * sizeof *image);
    cnn_status status = image ? describe(model, diag) : CNN_FAILED;
    if (status == CNN_OK)
        status = weigh(model, diag);
    if (status == CNN_OK)
        status = load(model, argv[2], image, diag);
    if (status == CNN_OK)
        status = answer(model, argv[2], image, diag);
    if (status == CNN_OK)
        status = cnn_model_layer(model, 0, &first, diag);
    if (status == CNN_OK)
        status = explain(model, first.name, image, diag);
    if (status == CNN_OK)
        status = explain_step(model, image, diag);
    if (status == CNN_OK)
        status = print_values(model, image, diag);
    if (status == CNN_OK)
        status = find_similar(model, argv[2], image, diag);
    if (status == CNN_OK)
        status = keep(model, argv[2], image, argv[3], diag);
    if (status == CNN_OK)
        status = inspect(model, image, diag);
    if (status == CNN_OK)
        write_lab(model, argv[3]);
    free(image);
    return status == CNN_OK ? open_own(diag) : status;
}

int main(int argc, char **argv)
{
    cnn_diag *diag = cnn_diag_new();
    cnn_model *model = NULL;
    cnn_status status = CNN_INVALID;
    if (argc == 4)
        status = open_model(argv[1], &model, diag);
    else
        fprintf(stderr, "usage: look MODEL IMAGE DIRECTORY\n");
    if (status == CNN_OK)
        status = look(model, argv, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        fprintf(stderr, "%s\n", cnn_diag_get(diag, i)->text);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return status == CNN_OK ? EXIT_SUCCESS : EXIT_FAILURE;
}
