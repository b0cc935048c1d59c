/* What visualize and featmaps do alike: options, the model and the input, the run and what it says,
 * and numbers as text. */
#ifndef CNN_CLI_PICTURES_H
#define CNN_CLI_PICTURES_H

#include <stddef.h>

#include "command.h"

struct cnn_picture_settings { /* at the start of the settings of both commands */
    const char *output, *weights, *palette;
    struct cnn_option_list layer, set;
    bool one_scale, each, npy, text;
    size_t threads;
};

/* The options of both, for the table of a command whose settings begin with a member `pictures`. */
#define CNN_PICTURE_OPTION(settings, member) offsetof(settings, pictures.member)
#define CNN_PICTURE_OPTIONS(settings, directory)                                                   \
    {"output",                                                                                     \
     'o',                                                                                          \
     CNN_OPTION_TEXT,                                                                              \
     CNN_PICTURE_OPTION(settings, output),                                                         \
     "DIR",                                                                                        \
     0,                                                                                            \
     0,                                                                                            \
     "where to write (default: " directory ")"},                                                   \
        {"layer",                                                                                  \
         0,                                                                                        \
         CNN_OPTION_LIST,                                                                          \
         CNN_PICTURE_OPTION(settings, layer),                                                      \
         "NAME",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         "this layer; may be repeated"},                                                           \
        {"palette",                                                                                \
         0,                                                                                        \
         CNN_OPTION_TEXT,                                                                          \
         CNN_PICTURE_OPTION(settings, palette),                                                    \
         "NAME",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         "heat (the default), grey, dark or signed"},                                              \
        {"one-scale",                                                                              \
         0,                                                                                        \
         CNN_OPTION_FLAG,                                                                          \
         CNN_PICTURE_OPTION(settings, one_scale),                                                  \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         "all maps of a layer share one scale"},                                                   \
        {"each",                                                                                   \
         0,                                                                                        \
         CNN_OPTION_FLAG,                                                                          \
         CNN_PICTURE_OPTION(settings, each),                                                       \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         "also a picture of each map"},                                                            \
        {"npy",                                                                                    \
         0,                                                                                        \
         CNN_OPTION_FLAG,                                                                          \
         CNN_PICTURE_OPTION(settings, npy),                                                        \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         "also the numbers, as .npy arrays"},                                                      \
        {"text",                                                                                   \
         0,                                                                                        \
         CNN_OPTION_FLAG,                                                                          \
         CNN_PICTURE_OPTION(settings, text),                                                       \
         NULL,                                                                                     \
         0,                                                                                        \
         0,                                                                                        \
         "print the maps' numbers instead"},                                                       \
        {"weights",                                                                                \
         0,                                                                                        \
         CNN_OPTION_TEXT,                                                                          \
         CNN_PICTURE_OPTION(settings, weights),                                                    \
         "FILE",                                                                                   \
         0,                                                                                        \
         0,                                                                                        \
         "load every parameter from this checkpoint"},                                             \
        {"set",                                                                                    \
         0,                                                                                        \
         CNN_OPTION_LIST,                                                                          \
         CNN_PICTURE_OPTION(settings, set),                                                        \
         "KEY=VALUE",                                                                              \
         0,                                                                                        \
         0,                                                                                        \
         "change a key of the description; may be repeated"},                                      \
    {                                                                                              \
        "threads", 0, CNN_OPTION_COUNT, CNN_PICTURE_OPTION(settings, threads), "N", 1, 256,        \
            "threads to use (default: the cores present)"                                          \
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
