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
    CNN_OPTION_KEY,    /* as LIST, which gets "<key>=VALUE": the short form of a --set */
    CNN_OPTION_COUNT,  /* size_t in [min, max]; 0 where absent */
    CNN_OPTION_SECONDS /* double, above 0 and at most max; 0 where absent */
};

struct cnn_option_list {
    const char **items;
    char **made; /* those of the items that are the list's own */
    size_t count, made_count;
};

struct cnn_option {
    const char *name; /* without its dashes; NULL ends a table */
    char letter;      /* its short form; 0: none */
    enum cnn_option_kind kind;
    size_t offset;        /* of its value in the command's settings */
    const char *argument; /* what its value is called in the help; NULL for a flag */
    size_t min, max;      /* COUNT, SECONDS */
    const char *key;      /* KEY */
    const char *words;    /* what the value may be, with blanks between, for completion; NULL */
    const char *help;     /* NULL: not shown */
};

#define CNN_OPTION_END                                                                             \
    {                                                                                              \
        .name = NULL                                                                               \
    }

/* Options that several commands share; settings is the type of the command's settings, with a
 * member of the option's name. */
#define CNN_OPTION_DATA(settings)                                                                  \
    {                                                                                              \
        .name = "data", .kind = CNN_OPTION_TEXT, .offset = offsetof(settings, data),               \
        .argument = "PATH", .help = "the folder that holds the data set's files"                   \
    }
#define CNN_OPTION_JSON(settings)                                                                  \
    {                                                                                              \
        .name = "json", .kind = CNN_OPTION_FLAG, .offset = offsetof(settings, json),               \
        .help = "write JSON to standard output"                                                    \
    }
#define CNN_OPTION_LANG(settings)                                                                  \
    {                                                                                              \
        .name = "lang", .kind = CNN_OPTION_TEXT, .offset = offsetof(settings, lang),               \
        .argument = "LANGUAGE", .words = "en ko",                                                  \
        .help = "of the page: en or ko (default: the locale's, else en)"                           \
    }
#define CNN_OPTION_SET(settings)                                                                   \
    {                                                                                              \
        .name = "set", .kind = CNN_OPTION_LIST, .offset = offsetof(settings, set),                 \
        .argument = "KEY=VALUE", .help = "change a key of the description; may be repeated"        \
    }
#define CNN_OPTION_THREADS(settings)                                                               \
    {                                                                                              \
        .name = "threads", .kind = CNN_OPTION_COUNT, .offset = offsetof(settings, threads),        \
        .argument = "N", .min = 1, .max = 256,                                                     \
        .help = "threads to use (default: the cores present)"                                      \
    }
#define CNN_OPTION_TTA(settings)                                                                   \
    {                                                                                              \
        .name = "tta", .kind = CNN_OPTION_TEXT, .offset = offsetof(settings, tta),                 \
        .argument = "KIND", .words = "none flip shift",                                            \
        .help = "average over views of each image: none, flip or shift (default: none)"            \
    }
#define CNN_OPTION_WEIGHTS(settings)                                                               \
    {                                                                                              \
        .name = "weights", .kind = CNN_OPTION_TEXT, .offset = offsetof(settings, weights),         \
        .argument = "FILE", .help = "load every parameter from this checkpoint"                    \
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

/* A text of the program's own, in which commands stand as 'cnn ...': they are printed as the
 * program was called. */
void cnn_options_print(const char *text, FILE *stream);

/* The nearest of words[0..count) if it may be what word was meant to be, else NULL. */
const char *cnn_options_nearest(const char *word, const char *const *words, size_t count);

#endif
