/* Command lines: a command's options stand in a table, which reads argv and prints the command's
 * help. */
#ifndef CNN_CLI_OPTIONS_H
#define CNN_CLI_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum cnn_option_kind {
    CNN_OPTION_FLAG,   /* bool */
    CNN_OPTION_TEXT,   /* const char *; NULL where absent */
    CNN_OPTION_LIST,   /* struct cnn_option_list; may be given again and again */
    CNN_OPTION_COUNT,  /* size_t in [min, max]; 0 where absent */
    CNN_OPTION_SECONDS /* double, above 0 and at most max; 0 where absent */
};

struct cnn_option_list {
    const char **items;
    size_t count;
};

struct cnn_option {
    const char *name; /* without its dashes; NULL ends a table */
    char letter;      /* its short form; 0: none */
    enum cnn_option_kind kind;
    size_t offset;        /* of its value in the command's settings */
    const char *argument; /* what its value is called in the help; NULL for a flag */
    size_t min, max;      /* COUNT, SECONDS */
    const char *help;     /* NULL: not shown */
};

#define CNN_OPTION_END                                                                             \
    {                                                                                              \
        NULL, 0, CNN_OPTION_FLAG, 0, NULL, 0, 0, NULL                                              \
    }

/* Options that several commands share; settings is the type of the command's settings, with a
 * member of the option's name. */
#define CNN_OPTION_DATA(settings)                                                                  \
    {                                                                                              \
        "data", 0, CNN_OPTION_TEXT, offsetof(settings, data), "PATH", 0, 0,                        \
            "the folder that holds the data set's files"                                           \
    }
#define CNN_OPTION_JSON(settings)                                                                  \
    {                                                                                              \
        "json", 0, CNN_OPTION_FLAG, offsetof(settings, json), NULL, 0, 0,                          \
            "write JSON to standard output"                                                        \
    }
#define CNN_OPTION_SET(settings)                                                                   \
    {                                                                                              \
        "set", 0, CNN_OPTION_LIST, offsetof(settings, set), "KEY=VALUE", 0, 0,                     \
            "change a key of the description; may be repeated"                                     \
    }
#define CNN_OPTION_THREADS(settings)                                                               \
    {                                                                                              \
        "threads", 0, CNN_OPTION_COUNT, offsetof(settings, threads), "N", 1, 256,                  \
            "threads to use (default: the cores present)"                                          \
    }
#define CNN_OPTION_TTA(settings)                                                                   \
    {                                                                                              \
        "tta", 0, CNN_OPTION_TEXT, offsetof(settings, tta), "KIND", 0, 0,                          \
            "average over views of each image: none, flip or shift (default: none)"                \
    }
#define CNN_OPTION_WEIGHTS(settings)                                                               \
    {                                                                                              \
        "weights", 0, CNN_OPTION_TEXT, offsetof(settings, weights), "FILE", 0, 0,                  \
            "load every parameter from this checkpoint"                                            \
    }

struct cnn_command;

enum cnn_parsed { CNN_PARSED, CNN_PARSED_HELP, CNN_PARSED_WRONG };

/* Reads argv[0..argc), which holds what follows the command's name, into settings (zeroed by the
 * caller). Operands are moved to the front of argv, and their number is checked. HELP: -h or --help
 * was given. WRONG: a message and the usage are on stderr. Lists are freed by cnn_options_free,
 * whatever the result. */
enum cnn_parsed cnn_options_parse(const struct cnn_command *command, int argc, char **argv,
                                  void *settings, size_t *operands);
void cnn_options_free(const struct cnn_command *command, void *settings);

/* Usage, description and options of command. */
void cnn_options_help(const struct cnn_command *command, FILE *stream);
void cnn_options_usage(const struct cnn_command *command, FILE *stream);

/* The nearest of words[0..count) if it may be what word was meant to be, else NULL. */
const char *cnn_options_nearest(const char *word, const char *const *words, size_t count);

#endif
