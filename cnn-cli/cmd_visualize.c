/* cnn visualize: pictures of what a network does with one input, and the page that tells about
 * them. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pictures.h"
#include "terminal.h"

struct settings {
    struct cnn_picture_settings pictures;
    struct cnn_option_list kind;
    const char *class_name, *label, *channel, *at, *seed, *data, *split;
    size_t top;
};

static const struct cnn_option options[] = {
    {.name = "kind",
     .kind = CNN_OPTION_LIST,
     .offset = offsetof(struct settings, kind),
     .argument = "KIND",
     .words =
         "featmaps filters heatmap gradcam saliency occlusion argmax receptive excite patches all",
     .help = "pictures of this kind, see above; may be repeated"},
    {.name = "class",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, class_name),
     .argument = "C",
     .help = "the class to explain (default: the predicted one)"},
    {.name = "label",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, label),
     .argument = "C",
     .help = "the true class, by name or number"},
    {.name = "channel",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, channel),
     .argument = "N",
     .help = "excite: this channel of the layer"},
    {.name = "at",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, at),
     .argument = "ROW,COL",
     .help = "receptive: this position in the layer's maps"},
    {.name = "data",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, data),
     .argument = "PATH",
     .help = "patches: the folder of the data set"},
    {.name = "split",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, split),
     .argument = "S",
     .words = "train val test",
     .help = "patches: train, val or test (the default)"},
    {.name = "top",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, top),
     .argument = "K",
     .min = 1,
     .max = 1000000,
     .help = "patches, excite: only the K strongest channels, strongest first"},
    {.name = "seed",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, seed),
     .argument = "N",
     .help = "seed of the noise in saliency and excite (default: 1)"},
    CNN_PICTURE_OPTIONS("<input>-visualize"),
    CNN_OPTION_END,
};

/* A whole number up to the character `end`. The rest of text, or NULL where there is no such
 * number. */
static const char *read_number(const char *text, char end, uint64_t *out)
{
    char *rest;

    errno = 0;
    *out = strtoull(text, &rest, 10);
    return isdigit((unsigned char)text[0]) && *rest == end && errno == 0 && *out < UINT64_MAX
               ? rest
               : NULL;
}

static bool read_place(const char *text, cnn_visualize_options *visualize)
{
    uint64_t row, column;
    const char *rest = read_number(text, ',', &row);

    if (!rest || !read_number(rest + 1, '\0', &column)) {
        cnn_print_error("--at: '%s' is not a row and a column, as in 3,5 (both count from 0)",
                        text);
        return false;
    }
    visualize->has_position = true;
    visualize->row = (size_t)row;
    visualize->column = (size_t)column;
    return true;
}

static bool read_numbers(const struct settings *settings, cnn_visualize_options *visualize)
{
    uint64_t channel;

    if (settings->seed && !read_number(settings->seed, '\0', &visualize->seed)) {
        cnn_print_error("--seed: '%s' is not a whole number from 0", settings->seed);
        return false;
    }
    if (settings->channel) {
        if (!read_number(settings->channel, '\0', &channel)) {
            cnn_print_error("--channel: '%s' is not a whole number from 0", settings->channel);
            return false;
        }
        visualize->has_channel = true;
        visualize->channel = (size_t)channel;
    }
    return !settings->at || read_place(settings->at, visualize);
}

static bool add_kind(const char *word, size_t length, unsigned *kinds)
{
    const char *names[CNN_PICTURE_KINDS + 1] = {[CNN_PICTURE_KINDS] = "all"};
    const char *nearest;
    char found[32];

    for (int i = 0; i < CNN_PICTURE_KINDS; i++)
        names[i] = cnn_picture_kind_name((cnn_picture_kind)i);
    for (int i = 0; i <= CNN_PICTURE_KINDS; i++) {
        if (strlen(names[i]) == length && memcmp(names[i], word, length) == 0) {
            *kinds |= i < CNN_PICTURE_KINDS ? 1U << i : (1U << CNN_PICTURE_KINDS) - 1;
            return true;
        }
    }
    snprintf(found, sizeof found, "%.*s",
             length < sizeof found ? (int)length : (int)sizeof found - 1, word);
    nearest = cnn_options_nearest(found, names, CNN_PICTURE_KINDS + 1);
    if (nearest)
        cnn_print_error("--kind: there is no kind '%s'; did you mean '%s'?", found, nearest);
    else
        cnn_print_error("--kind: there is no kind '%s'; '%s visualize --help' lists them", found,
                        cnn_program());
    return false;
}

/* Kinds stand alone or in lists, with commas. */
static bool read_kinds(const struct cnn_option_list *list, unsigned *kinds)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *word = list->items[i];

        for (;;) {
            size_t length = strcspn(word, ",");

            if (!add_kind(word, length, kinds))
                return false;
            if (word[length] == '\0')
                break;
            word += length + 1;
        }
    }
    return true;
}

/* The library says the same of what it is asked for; here the options have their names. */
static bool check_together(const struct settings *settings, unsigned kinds)
{
    const unsigned class_kinds =
        1U << CNN_PICTURE_GRADCAM | 1U << CNN_PICTURE_SALIENCY | 1U << CNN_PICTURE_OCCLUSION;
    bool layer = settings->pictures.layer.count > 0;
    bool class_used =
        kinds == 0 ? !layer : kinds & class_kinds || (kinds & 1U << CNN_PICTURE_EXCITE && !layer);

    if (settings->channel && !(layer && kinds & 1U << CNN_PICTURE_EXCITE))
        cnn_print_error("--channel goes with --kind excite and --layer");
    else if (settings->at && !(layer && kinds & 1U << CNN_PICTURE_RECEPTIVE))
        cnn_print_error("--at goes with --kind receptive and --layer");
    else if (settings->class_name && (settings->pictures.text || !class_used))
        cnn_print_error("--class goes with --kind gradcam, saliency or occlusion, or with excite "
                        "without --layer");
    else
        return true;
    return false;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    cnn_visualize_options visualize = {.label = settings->label,
                                       .class_name = settings->class_name,
                                       .data_path = settings->data,
                                       .split = settings->split,
                                       .top = settings->top,
                                       .seed = 1};

    if (!read_kinds(&settings->kind, &visualize.kinds) || !read_numbers(settings, &visualize) ||
        !check_together(settings, visualize.kinds))
        return CNN_INVALID;
    return cnn_pictures_run(&settings->pictures, &visualize, "-visualize", operands, operand_count,
                            diag);
}

static void print_kinds(FILE *stream)
{
    fprintf(stream,
            "kinds of pictures (default: featmaps, filters, heatmap, gradcam, saliency):\n");
    for (int i = 0; i < CNN_PICTURE_KINDS; i++)
        fprintf(stream, "  %-9s  %s\n", cnn_picture_kind_name((cnn_picture_kind)i),
                cnn_picture_kind_help((cnn_picture_kind)i));
    fprintf(stream, "  %-9s  %s\n", "all", "all of them that fit the network");
}

const struct cnn_command cnn_command_visualize = {
    .name = "visualize",
    .synopsis = "[MODEL] INPUT [options]",
    .summary = "Draw what a network sees in a picture, and the reasons for its answer",
    .details =
        "MODEL is a .yaml, .safetensors or .onnx file or a run directory; without it the\n"
        "model that ships with the program is used. INPUT is a PNG, JPEG, WebP or BMP file,\n"
        "'-' for one on standard input, or numbers in a .npy, .txt or .csv file.\n"
        "Writes pictures, and index.html, which shows them in order from input to answer.\n"
        "\n",
    .list = print_kinds,
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
