/* cnn init: a directory to begin with, for one's own folder of images. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "paths.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *data, *name, *from, *as;
};

static const struct cnn_option options[] = {
    {.name = "data",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, data),
     .argument = "FOLDER",
     .help = "the images, instead of the argument FOLDER"},
    {.name = "name",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, name),
     .argument = "NAME",
     .help = "name of the network (default: the directory's)"},
    {.name = "from",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, from),
     .argument = "MODEL",
     .help = "start with the layers of another model: a checkpoint, a run, an ONNX file"},
    {.name = "as",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, as),
     .argument = "DESCRIPTION",
     .help = "the description of --from, if that has only weights"},
    CNN_OPTION_END,
};

static void print_data(const cnn_init_result *r)
{
    printf("data       %s classes, %s", cnn_show_integer(r->classes).text,
           cnn_show_integer(r->train_images).text);
    printf(" training images, %s", cnn_show_integer(r->fewest).text);
    if (r->most > r->fewest)
        printf(" to %s", cnn_show_integer(r->most).text);
    printf(" of each class\n");
    if (r->val_images > 0)
        printf("           %s images for validation\n", cnn_show_integer(r->val_images).text);
    else
        printf("           of which %.0f%% are held back for validation\n", 100 * r->val_split);
    if (r->test_images > 0)
        printf("           %s images to test with\n", cnn_show_integer(r->test_images).text);
    printf("images     %s, %zu x %zu pixels (medians)\n", r->grey ? "grey" : "colour", r->width,
           r->height);
}

/* The description is opened as any: what is printed of the network is what would be trained. */
static cnn_status print_network(const cnn_init_result *r, const char *config, cnn_diag *diag)
{
    const cnn_open_options open = {.untrained = true, .shapes = true};
    cnn_model *model;
    cnn_status status = cnn_model_open(config, &open, &model, diag);
    uint64_t params = 0;

    for (size_t i = 0; status == CNN_OK && i < cnn_model_layers(model); i++) {
        cnn_layer_info info = {0};

        status = cnn_model_layer(model, i, &info, diag);
        params += info.params;
    }
    if (status != CNN_OK)
        return status;
    printf("network    %s, input %s", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_shape(cnn_model_input(model), "x").text);
    printf(", %s parameters\n", cnn_show_integer(params).text);
    printf("recipe     %zu epochs, batches of %zu%s\n", r->epochs, r->batch,
           r->balanced ? ", rare classes weigh more" : "");
    cnn_model_free(model);
    return CNN_OK;
}

static void print_written(const cnn_init_options *init)
{
    const struct cnn_shown_text directory = cnn_show_text(init->directory);

    printf("written    %s/config.yaml, %s/README.md", directory.text, directory.text);
    if (init->from)
        printf(", %s/backbone.safetensors", directory.text);
    putchar('\n');
}

static cnn_status begin(const cnn_init_options *init, cnn_diag *diag)
{
    cnn_init_result result = {0};
    cnn_status status = cnn_init(init, &result, diag);
    char *config, *word;

    cnn_print_messages(diag);
    if (status != CNN_OK)
        return status;
    config = cnn_path_join(init->directory, "config.yaml");
    if (!config)
        return cnn_command_out_of_memory();
    print_data(&result);
    status = print_network(&result, config, diag);
    word = cnn_shell_word(config);
    if (status == CNN_OK) {
        print_written(init);
        printf("next       %s train %s\n", cnn_program(), cnn_show_text(word ? word : config).text);
    }
    cnn_free(word);
    free(config);
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_init_options init = {.directory = operands[0],
                                   .data_path = operand_count > 1 ? operands[1] : settings->data,
                                   .name = settings->name,
                                   .from = settings->from,
                                   .as = settings->as};

    if (operand_count > 1 && settings->data) {
        cnn_print_error("the images are given twice: %s, and --data %s", operands[1],
                        settings->data);
        return CNN_INVALID;
    }
    if (!init.data_path) {
        cnn_print_error("the images are not given: a FOLDER, which holds <class>/<images>");
        cnn_print_hint("the new directory first, then the folder: %s init my-project FOLDER",
                       cnn_program());
        return CNN_INVALID;
    }
    if (init.as && !init.from) {
        cnn_print_error("--as says what network the weights of --from are of: give --from, too");
        return CNN_INVALID;
    }
    for (size_t end = strlen(operands[0]); end > 1 && operands[0][end - 1] == '/'; end--)
        operands[0][end - 1] = '\0';
    return begin(&init, diag);
}

const struct cnn_command cnn_command_init = {
    .name = "init",
    .synopsis = "DIR FOLDER [options]",
    .summary = "Start with your own images: write a description for them",
    .details = "FOLDER has one folder of images per class, or train/, val/ and test/ with one\n"
               "folder per class in each. Inspects the images and writes DIR/config.yaml, a\n"
               "description that suits their number and size, and DIR/README.md, which says what\n"
               "to do next. No file is overwritten.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
