/* cnn similar: the pictures of a folder, or of a data set, that are nearest to one by what the
 * network sees in them. */
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *weights, *data, *split, *layer, *output, *lang;
    bool json;
    size_t top, threads;
};

static const struct cnn_option options[] = {
    {.name = "data",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, data),
     .argument = "DIR",
     .help = "a folder of pictures, or the folder of the model's data set"},
    {.name = "split",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, split),
     .argument = "S",
     .words = "train val test",
     .help = "of the data set: train (the default), val or test"},
    {.name = "layer",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, layer),
     .argument = "NAME",
     .help = "compare this layer's numbers (default: what the last layer with weights reads)"},
    {.name = "top",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, top),
     .argument = "K",
     .min = 1,
     .max = 10000,
     .help = "pictures to show (default: 9)"},
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "also write a page, .html, that shows them"},
    CNN_OPTION_LANG(struct settings),
    CNN_OPTION_WEIGHTS(struct settings),
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

static void print_json(const char *input, const cnn_similar *similar)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("input", input);
    cnn_json_text("layer", similar->layer);
    cnn_json_count("searched", similar->searched);
    cnn_json_open("similar", '[');
    for (size_t i = 0; i < similar->count; i++) {
        const cnn_similar_image *image = &similar->images[i];

        cnn_json_open(NULL, '{');
        cnn_json_text("image", image->name);
        if (image->class_name)
            cnn_json_text("class", image->class_name);
        cnn_json_real("similarity", image->similarity);
        cnn_json_close();
    }
    cnn_json_close();
    cnn_json_close();
}

static void print_human(const char *input, const cnn_similar *similar)
{
    size_t width = 0;

    cnn_print_text(stdout, input, 0, false);
    printf(": the nearest of %s pictures, by the %zu numbers of %s\n",
           cnn_show_integer(similar->searched).text, similar->features,
           cnn_show_text(similar->layer).text);
    for (size_t i = 0; i < similar->count; i++) {
        size_t columns = cnn_terminal_measure(similar->images[i].name);

        width = columns > width ? columns : width;
    }
    for (size_t i = 0; i < similar->count; i++) {
        const cnn_similar_image *image = &similar->images[i];

        printf("  %.3f  ", image->similarity);
        cnn_print_text(stdout, image->name, image->class_name ? width : 0, false);
        if (image->class_name) {
            printf("  ");
            cnn_print_text(stdout, image->class_name, 0, false);
        }
        printf("\n");
    }
}

/* The pictures in the folder of --data; none where it is something else, a data set's. */
static cnn_status list_pictures(const struct settings *settings, struct cnn_inputs *inputs)
{
    if (!settings->data || settings->split || !cnn_inputs_hold(settings->data))
        return CNN_OK;
    return cnn_inputs_add(inputs, settings->data) ? CNN_OK : CNN_FAILED;
}

static cnn_status search(const cnn_model *model, const struct settings *settings, const char *input,
                         const struct cnn_inputs *pictures, cnn_diag *diag)
{
    const char *what = "comparing";
    const cnn_shape shape = cnn_model_input(model);
    float *image = calloc(shape.c * shape.h * shape.w, sizeof *image);
    cnn_data_image *stored = NULL;
    cnn_similar *similar = NULL;
    const cnn_similar_options o = {
        .layer = settings->layer,
        .paths = (const char *const *)pictures->paths,
        .path_count = pictures->count,
        .data_path = settings->data,
        .split = settings->split,
        .top = settings->top,
        .page = settings->output,
        .progress = cnn_command_show_progress,
        .context = &what,
        .stop = cnn_command_catch_signals("\n"),
    };
    cnn_status status = image ? CNN_OK : cnn_command_out_of_memory();

    if (status == CNN_OK)
        status = cnn_inputs_load(model, input, image, &stored, diag);
    if (status == CNN_OK)
        status = cnn_find_similar(model, image, &o, &similar, diag);
    cnn_terminal_progress_clear();
    cnn_print_messages(diag);
    if (status == CNN_OK && settings->json)
        print_json(input, similar);
    else if (status == CNN_OK)
        print_human(input, similar);
    cnn_similar_free(similar);
    cnn_data_image_free(stored);
    free(image);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.weights = settings->weights};
    const char *path, *input;
    cnn_model *model = NULL;
    struct cnn_inputs pictures = {.count = 0};
    cnn_status status = cnn_inputs_tell_apart(operands, operand_count, &path, &input);

    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK)
        status = cnn_command_open(path, &open, &model, diag);
    if (status == CNN_OK)
        status = list_pictures(settings, &pictures);
    if (status == CNN_OK)
        cnn_inputs_note_pixels(model, input);
    if (status == CNN_OK)
        status = search(model, settings, input, &pictures, diag);
    cnn_inputs_free(&pictures);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_similar = {
    .name = "similar",
    .synopsis = "[MODEL] INPUT [options]",
    .summary = "Find the pictures that look most like one to a network",
    .details = "MODEL is a .yaml, .safetensors or .onnx file or a run directory; without it the\n"
               "model that ships with the program is used. INPUT is a picture, '-' for one on\n"
               "standard input, or an image of a data set, as in cifar10:test:5. Searched are the\n"
               "pictures in --data, one level deep, or else the images of the model's data set.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
