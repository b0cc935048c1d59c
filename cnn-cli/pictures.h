/* What visualize and featmaps do alike: options, the model and the input, the run and what it says,
 * and numbers as text. */
#ifndef CNN_CLI_PICTURES_H
#define CNN_CLI_PICTURES_H

#include <stddef.h>

#include "command.h"

struct cnn_picture_settings { /* at the start of the settings of both commands */
    const char *output, *weights, *palette, *lang;
    struct cnn_option_list layer, set;
    bool one_scale, each, npy, text;
    size_t threads;
};

/* The options of both, for the table of a command whose settings begin with a member `pictures`. */
#define CNN_PICTURE_OPTION(settings, member) offsetof(settings, pictures.member)
#define CNN_PICTURE_OPTIONS(settings, directory)                                                   \
    {.name = "output",                                                                             \
     .letter = 'o',                                                                                \
     .kind = CNN_OPTION_TEXT,                                                                      \
     .offset = CNN_PICTURE_OPTION(settings, output),                                               \
     .argument = "DIR",                                                                            \
     .help = "where to write (default: " directory ")"},                                           \
        {.name = "layer",                                                                          \
         .kind = CNN_OPTION_LIST,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, layer),                                            \
         .argument = "NAME",                                                                       \
         .help = "this layer; may be repeated"},                                                   \
        {.name = "palette",                                                                        \
         .kind = CNN_OPTION_TEXT,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, palette),                                          \
         .argument = "NAME",                                                                       \
         .words = "heat grey dark signed",                                                         \
         .help = "heat (the default), grey, dark or signed"},                                      \
        {.name = "one-scale",                                                                      \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, one_scale),                                        \
         .help = "all maps of a layer share one scale"},                                           \
        {.name = "each",                                                                           \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, each),                                             \
         .help = "also a picture of each map"},                                                    \
        {.name = "npy",                                                                            \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, npy),                                              \
         .help = "also the numbers, as .npy arrays"},                                              \
        {.name = "text",                                                                           \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, text),                                             \
         .help = "print the maps' numbers instead"},                                               \
        {.name = "lang",                                                                           \
         .kind = CNN_OPTION_TEXT,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, lang),                                             \
         .argument = "LANGUAGE",                                                                   \
         .words = "en ko",                                                                         \
         .help = "of the page: en or ko (default: the locale's, else en)"},                        \
        {.name = "weights",                                                                        \
         .kind = CNN_OPTION_TEXT,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, weights),                                          \
         .argument = "FILE",                                                                       \
         .help = "load every parameter from this checkpoint"},                                     \
        {.name = "set",                                                                            \
         .kind = CNN_OPTION_LIST,                                                                  \
         .offset = CNN_PICTURE_OPTION(settings, set),                                              \
         .argument = "KEY=VALUE",                                                                  \
         .help = "change a key of the description; may be repeated"},                              \
    {                                                                                              \
        .name = "threads", .kind = CNN_OPTION_COUNT,                                               \
        .offset = CNN_PICTURE_OPTION(settings, threads), .argument = "N", .min = 1, .max = 256,    \
        .help = "threads to use (default: the cores present)"                                      \
    }

/* Runs the whole: operands are the model and the input, in any order, or the input alone. options:
 * what the command itself sets, the rest is filled in from settings. suffix: of the directory that
 * is made where none is given. */
cnn_status cnn_pictures_run(const struct cnn_picture_settings *settings,
                            cnn_visualize_options *options, const char *suffix,
                            char *const *operands, size_t operand_count, cnn_diag *diag);

/* numbers.c: the maps of the layers (none named: every layer that gives maps) on standard
 * output. */
cnn_status cnn_print_maps(cnn_model *model, const char *input, const struct cnn_option_list *layers,
                          cnn_diag *diag);

#endif
