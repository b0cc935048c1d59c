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

/* The options of both, for the table of a command whose settings begin with these. */
#define CNN_PICTURE_OPTION(member) offsetof(struct cnn_picture_settings, member)
#define CNN_PICTURE_OPTIONS(directory)                                                             \
    {.name = "output",                                                                             \
     .letter = 'o',                                                                                \
     .kind = CNN_OPTION_TEXT,                                                                      \
     .offset = CNN_PICTURE_OPTION(output),                                                         \
     .argument = "DIR",                                                                            \
     .help = "where to write (default: " directory ")"},                                           \
        {.name = "layer",                                                                          \
         .kind = CNN_OPTION_LIST,                                                                  \
         .offset = CNN_PICTURE_OPTION(layer),                                                      \
         .argument = "NAME",                                                                       \
         .help = "this layer; may be repeated"},                                                   \
        {.name = "palette",                                                                        \
         .kind = CNN_OPTION_TEXT,                                                                  \
         .offset = CNN_PICTURE_OPTION(palette),                                                    \
         .argument = "NAME",                                                                       \
         .words = "heat grey dark signed",                                                         \
         .help = "heat (the default), grey, dark or signed"},                                      \
        {.name = "one-scale",                                                                      \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(one_scale),                                                  \
         .help = "all maps of a layer share one scale"},                                           \
        {.name = "each",                                                                           \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(each),                                                       \
         .help = "also a picture of each map"},                                                    \
        {.name = "npy",                                                                            \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(npy),                                                        \
         .help = "also the numbers, as .npy arrays"},                                              \
        {.name = "text",                                                                           \
         .kind = CNN_OPTION_FLAG,                                                                  \
         .offset = CNN_PICTURE_OPTION(text),                                                       \
         .help = "print the maps' numbers instead"},                                               \
        CNN_OPTION_LANG(struct cnn_picture_settings),                                              \
        CNN_OPTION_WEIGHTS(struct cnn_picture_settings),                                           \
        CNN_OPTION_SET(struct cnn_picture_settings),                                               \
        CNN_OPTION_THREADS(struct cnn_picture_settings)

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
