/* cnn explain: the arithmetic behind single numbers of a layer, for one input. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *weights, *channel, *label;
    struct cnn_option_list at, set;
    bool gradient;
    size_t threads;
};

static const struct cnn_option options[] = {
    {.name = "at",
     .kind = CNN_OPTION_LIST,
     .offset = offsetof(struct settings, at),
     .argument = "LAYER:C,R,COL",
     .help = "the number: channel, row, column; may be repeated"},
    {.name = "channel",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, channel),
     .argument = "K",
     .help = "conv: show the products of input channel K"},
    {.name = "gradient",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, gradient),
     .help = "the loss, the gradients of the numbers at --at, and the update of a weight there"},
    {.name = "label",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, label),
     .argument = "C",
     .help = "--gradient: the true class, by name or number"},
    {.name = "set",
     .kind = CNN_OPTION_LIST,
     .offset = offsetof(struct settings, set),
     .argument = "KEY=VALUE",
     .help = "change a key of the description; may be repeated"},
    CNN_OPTION_WEIGHTS(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

/* One --at. */
struct place {
    size_t layer;
    size_t index[3]; /* channel, row, column */
    cnn_explanation *explanation;
};

/* Reads the digits at *text as a number, and what ends it (NUL or a comma) into *end. */
static bool read_index(const char **text, size_t *out, char *end)
{
    char *rest;
    unsigned long long value;

    errno = 0;
    value = strtoull(*text, &rest, 10);
    if (!isdigit((unsigned char)**text) || errno != 0 || value >= SIZE_MAX ||
        (*rest != ',' && *rest != '\0'))
        return false;
    *out = (size_t)value;
    *end = *rest;
    *text = rest + (*rest == ',');
    return true;
}

/* Reads "LAYER:C,R,COL" or "LAYER:UNIT"; name receives LAYER. */
static bool read_place(const char *text, char *name, size_t size, struct place *place,
                       size_t *numbers)
{
    const char *colon = strrchr(text, ':');
    const char *rest = colon ? colon + 1 : NULL;
    char end = ',';

    if (!colon || colon == text || (size_t)(colon - text) >= size)
        return false;
    memcpy(name, text, (size_t)(colon - text));
    name[colon - text] = '\0';
    *place = (struct place){.layer = 0};
    for (*numbers = 0; end == ','; ++*numbers) {
        if (*numbers == 3 || !read_index(&rest, &place->index[*numbers], &end))
            return false;
    }
    return *numbers != 2;
}

static cnn_layer_info layer_info(const cnn_model *model, size_t layer)
{
    cnn_layer_info info = {.name = "?"};

    cnn_model_layer(model, layer, &info, NULL);
    return info;
}

static cnn_status find_place(const cnn_model *model, const char *text, struct place *place,
                             cnn_diag *diag)
{
    char name[256];
    size_t numbers;
    if (!read_place(text, name, sizeof name, place, &numbers)) {
        cnn_print_error("--at: '%s' is no place in a layer; write LAYER:CHANNEL,ROW,COLUMN, or "
                        "LAYER:UNIT for a flat layer",
                        text);
        return CNN_INVALID;
    }
    if (cnn_model_find_layer(model, name, &place->layer, diag) != CNN_OK)
        return CNN_INVALID;
    const cnn_layer_info info = layer_info(model, place->layer);
    if (info.output.rank == 3 && numbers != 3) {
        cnn_print_error("--at: %s gives maps of %s numbers: write %s:CHANNEL,ROW,COLUMN", name,
                        cnn_show_shape(info.output, " x ").text, name);
        return CNN_INVALID;
    }
    if (info.output.rank != 3 && numbers != 1) {
        cnn_print_error("--at: %s is flat, it gives %s numbers: write %s:UNIT", name,
                        cnn_show_shape(info.output, " x ").text, name);
        return CNN_INVALID;
    }
    return CNN_OK;
}

static cnn_status missing_place(const cnn_model *model)
{
    size_t count = cnn_model_layers(model);
    size_t width = 0;

    cnn_print_error("which number? Say it with --at LAYER:CHANNEL,ROW,COLUMN, or --at LAYER:UNIT "
                    "for a flat layer. The layers:");
    for (size_t i = 0; i < count; i++) {
        size_t columns = cnn_terminal_measure(layer_info(model, i).name);

        width = columns > width ? columns : width;
    }
    for (size_t i = 0; i < count; i++) {
        cnn_layer_info info = layer_info(model, i);

        fputs("  ", stderr);
        cnn_print_text(stderr, info.name, width, false);
        fprintf(stderr, "  %s\n", cnn_show_shape(info.output, " x ").text);
    }
    return CNN_INVALID;
}

/* Float32 and double part here and there; where it shows in the digits that are printed, say so. */
static void print_difference(const cnn_explanation *explanation)
{
    char terms[32], network[32];

    snprintf(terms, sizeof terms, "%.6g", explanation->value);
    snprintf(network, sizeof network, "%.6g", (double)explanation->activation);
    if (strcmp(terms, network) != 0)
        printf("the network, which rounds to float32 at each step, computed %.9g; the terms come "
               "to %.9g\n",
               (double)explanation->activation, explanation->value);
}

static void print_places(const struct place *places, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            putchar('\n');
        fputs(places[i].explanation->text, stdout);
        print_difference(places[i].explanation);
    }
}

/* The arithmetic shows where they come from. */
static cnn_status check_numbers(const struct settings *settings, const struct place *places)
{
    cnn_status status = CNN_OK;

    fflush(stdout);
    for (size_t i = 0; i < settings->at.count; i++)
        if (!isfinite(places[i].explanation->activation)) {
            cnn_print_error("%s is no finite number", settings->at.items[i]);
            status = CNN_FAILED;
        }
    return status;
}

/* All places are explained before the first is printed: a mistake in one is a mistake of the
 * command line. */
static cnn_status explain(cnn_model *model, const struct settings *settings, const char *input,
                          const size_t *input_channel, cnn_diag *diag)
{
    cnn_shape shape = cnn_model_input(model);
    size_t count = settings->at.count;
    struct place *places = calloc(count, sizeof *places);
    float *image = calloc(shape.c * shape.h * shape.w, sizeof *image);
    cnn_data_image *stored = NULL;
    cnn_status status = places && image ? CNN_OK : cnn_command_out_of_memory();

    for (size_t i = 0; i < count && status == CNN_OK; i++)
        status = find_place(model, settings->at.items[i], &places[i], diag);
    if (status == CNN_OK)
        status = cnn_inputs_load(model, input, image, &stored, diag);
    for (size_t i = 0; i < count && status == CNN_OK; i++) {
        const size_t *at = places[i].index;

        const cnn_explain_options what = {
            .layer = places[i].layer,
            .channel = at[0],
            .row = at[1],
            .column = at[2],
            .has_input_channel = input_channel != NULL,
            .input_channel = input_channel ? *input_channel : 0,
        };

        status = cnn_explain(model, image, &what, &places[i].explanation, diag);
    }
    if (status == CNN_OK) {
        print_places(places, count);
        status = check_numbers(settings, places);
    }
    for (size_t i = 0; places && i < count; i++)
        cnn_explanation_free(places[i].explanation);
    cnn_data_image_free(stored);
    free(places);
    free(image);
    return status;
}

static cnn_status check_gradients(const struct settings *settings,
                                  const cnn_gradient_explanation *explanation)
{
    cnn_status status = CNN_OK;

    fflush(stdout);
    if (!isfinite(explanation->loss)) {
        cnn_print_error("the loss is no finite number");
        status = CNN_FAILED;
    }
    for (size_t i = 0; i < explanation->count; i++)
        if (!isfinite(explanation->gradients[i])) {
            cnn_print_error("the gradient of %s is no finite number", settings->at.items[i]);
            status = CNN_FAILED;
        }
    return status;
}

/* One step on one image: the class of an image of a data set is known. */
static cnn_status explain_gradient(cnn_model *model, const struct settings *settings,
                                   const char *input, cnn_diag *diag)
{
    cnn_shape shape = cnn_model_input(model);
    float *image = calloc(shape.c * shape.h * shape.w, sizeof *image);
    cnn_data_image *stored = NULL;
    cnn_gradient_explanation *explanation = NULL;
    cnn_gradient_options what = {.label = settings->label,
                                 .places = (const char *const *)settings->at.items,
                                 .place_count = settings->at.count};
    cnn_status status = image ? CNN_OK : cnn_command_out_of_memory();

    if (status == CNN_OK)
        status = cnn_inputs_load(model, input, image, &stored, diag);
    if (!what.label && stored)
        what.label = stored->class_name;
    if (status == CNN_OK && !what.label) {
        cnn_print_error("what is the true class of %s? Say it with --label", input);
        status = CNN_INVALID;
    }
    if (status == CNN_OK)
        status = cnn_explain_gradient(model, image, &what, &explanation, diag);
    if (status == CNN_OK) {
        fputs(explanation->text, stdout);
        status = check_gradients(settings, explanation);
    }
    cnn_gradient_explanation_free(explanation);
    cnn_data_image_free(stored);
    free(image);
    return status;
}

static cnn_status check_together(const struct settings *settings)
{
    if (settings->gradient && settings->channel)
        cnn_print_error("--channel does not go with --gradient");
    else if (!settings->gradient && settings->label)
        cnn_print_error("--label goes with --gradient");
    else
        return CNN_OK;
    return CNN_INVALID;
}

static cnn_status read_channel(const char *text, size_t *out)
{
    char end;

    if (!text || (read_index(&text, out, &end) && end == '\0'))
        return CNN_OK;
    cnn_print_error("--channel: '%s' is not the number of an input channel", text);
    return CNN_INVALID;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.weights = settings->weights,
                                   .overrides = settings->set.items,
                                   .override_count = settings->set.count};
    const char *path, *input;
    size_t input_channel = 0;
    cnn_model *model = NULL;
    cnn_status status = read_channel(settings->channel, &input_channel);

    if (status == CNN_OK)
        status = check_together(settings);
    if (status == CNN_OK)
        status = cnn_inputs_tell_apart(operands, operand_count, &path, &input);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK)
        status = cnn_command_open(path, &open, &model, diag);
    if (status == CNN_OK && settings->at.count == 0 && !settings->gradient)
        status = missing_place(model);
    if (status == CNN_OK)
        cnn_inputs_note_pixels(model, input);
    if (status == CNN_OK && settings->gradient)
        status = explain_gradient(model, settings, input, diag);
    else if (status == CNN_OK)
        status = explain(model, settings, input, settings->channel ? &input_channel : NULL, diag);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_explain = {
    .name = "explain",
    .synopsis = "[MODEL] INPUT --at LAYER:CHANNEL,ROW,COLUMN... [options]",
    .summary = "Show the arithmetic behind a number in a layer's output, or behind its gradient",
    .details =
        "MODEL is a description with weights, a checkpoint or a run directory; without it\n"
        "the model that ships with the program is used. INPUT is an image, or numbers that\n"
        "are used unchanged: a .npy array, or a .txt or .csv file with one row per line and\n"
        "a blank line between channels. Channels, rows and columns count from 0. For a flat\n"
        "layer write --at LAYER:UNIT. 'cnn summary' lists the layers.\n"
        "With --gradient a place may also be a parameter, conv1.weight:0,0,1,1, or a number\n"
        "of the input, input:0,3,4.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
