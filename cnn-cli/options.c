/* The reader of command lines: long options (--name value, --name=value), short ones (-o value,
 * -ovalue), operands anywhere between them, and `--`, after which everything is an operand. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cnn.h"
#include "command.h"
#include "foreign.h"
#include "terminal.h"

enum { WORD_MAX = 63, OPTIONS_MAX = 32 };

/* Edit distance (Levenshtein); both words at most WORD_MAX bytes. */
static size_t edit_distance(const char *a, const char *b)
{
    size_t row[WORD_MAX + 1];
    size_t columns = strlen(b);

    for (size_t j = 0; j <= columns; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= columns; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);

            best = row[j] + 1 < best ? row[j] + 1 : best;
            best = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
            diagonal = row[j];
            row[j] = best;
        }
    }
    return row[columns];
}

/* trian is train with two neighbours swapped. */
static bool is_swapped(const char *a, const char *b)
{
    while (*a != '\0' && *a == *b)
        a++, b++;
    return *a != '\0' && *b != '\0' && a[0] == b[1] && a[1] == b[0] && strcmp(a + 2, b + 2) == 0;
}

const char *cnn_options_nearest(const char *word, const char *const *words, size_t count)
{
    const char *nearest = NULL;
    size_t length = strlen(word);
    size_t best = 2 + length / 6;

    if (length < 2 || length > WORD_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        size_t distance = strncmp(word, words[i], length) == 0 ? 0
                          : is_swapped(word, words[i])         ? 0
                          : strlen(words[i]) <= WORD_MAX       ? edit_distance(word, words[i])
                                                               : length;

        if (distance <= best && distance < length && (!nearest || distance < best)) {
            best = distance;
            nearest = words[i];
        }
    }
    return nearest;
}

static enum cnn_parsed wrong(const struct cnn_command *command)
{
    cnn_options_usage(command, stderr);
    return CNN_PARSED_WRONG;
}

static const struct cnn_option *option_find(const struct cnn_option *table, const char *name,
                                            size_t length)
{
    for (; table->name; table++) {
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    }
    return NULL;
}

/* Where argument is a file that is meant, says how it is written; true where it is. */
static bool hint_file(const char *argument)
{
    char *word = access(argument, F_OK) == 0 ? cnn_shell_word(argument) : NULL;

    if (word)
        cnn_print_hint("the file of that name is written %s", word);
    cnn_free(word);
    return word != NULL;
}

static enum cnn_parsed unknown_option(const struct cnn_command *command, const char *argument,
                                      int length)
{
    const char *names[OPTIONS_MAX] = {"help"};
    char word[WORD_MAX + 1];
    size_t count = 1;
    const char *name, *nearest;

    for (const struct cnn_option *option = command->options; option->name && count < OPTIONS_MAX;
         option++) {
        if (option->help)
            names[count++] = option->name;
    }
    snprintf(word, sizeof word, "%.*s", length, argument);
    name = word[1] == '-' ? word + 2 : word + 1;
    nearest = cnn_foreign_option(command, name);
    if (!nearest && word[1] == '-' && !cnn_foreign_known(name))
        nearest = cnn_options_nearest(name, names, count);
    if (nearest)
        cnn_print_error("unknown option '%s'; did you mean '--%s'?", word, nearest);
    else
        cnn_print_error("unknown option '%s'", word);
    if (!hint_file(argument) && !nearest)
        cnn_foreign_hint(command, name);
    return wrong(command);
}

static bool read_count(const struct cnn_option *option, const char *text, size_t *out)
{
    char *end;
    unsigned long long value;

    errno = 0;
    value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || value < option->min ||
        value > option->max) {
        cnn_print_error("--%s: '%s' is not an integer from %zu to %zu", option->name, text,
                        option->min, option->max);
        return false;
    }
    *out = (size_t)value;
    return true;
}

static bool read_seconds(const struct cnn_option *option, const char *text, double *out)
{
    char *end;
    double value = strtod(text, &end);

    if (end == text || *end != '\0' || !(value > 0 && value <= (double)option->max)) {
        cnn_print_error("--%s: '%s' is not a number above 0 and at most %zu", option->name, text,
                        option->max);
        return false;
    }
    *out = value;
    return true;
}

/* capacity: as many values as a list can get. */
static bool list_add(struct cnn_option_list *list, const char *text, size_t capacity)
{
    if (!list->items)
        list->items = calloc(capacity, sizeof *list->items);
    if (!list->items) {
        cnn_command_out_of_memory();
        return false;
    }
    list->items[list->count++] = text;
    return true;
}

/* "<key>=<text>" */
static bool list_add_key(struct cnn_option_list *list, const struct cnn_option *option,
                         const char *text, size_t capacity)
{
    size_t size = strlen(option->key) + strlen(text) + 2;
    char *made = malloc(size);

    if (!list->made)
        list->made = calloc(capacity, sizeof *list->made);
    if (!made || !list->made) {
        free(made);
        cnn_command_out_of_memory();
        return false;
    }
    snprintf(made, size, "%s=%s", option->key, text);
    cnn_terminal_name_setting(made, option->name);
    list->made[list->made_count++] = made;
    return list_add(list, made, capacity);
}

static bool set_value(const struct cnn_option *option, const char *text, size_t capacity,
                      void *settings)
{
    void *value = (char *)settings + option->offset;

    switch (option->kind) {
    case CNN_OPTION_FLAG:
        *(bool *)value = true;
        return true;
    case CNN_OPTION_TEXT:
        *(const char **)value = text;
        return true;
    case CNN_OPTION_COUNT:
        return read_count(option, text, value);
    case CNN_OPTION_SECONDS:
        return read_seconds(option, text, value);
    case CNN_OPTION_LIST:
        return list_add(value, text, capacity);
    case CNN_OPTION_KEY:
        return list_add_key(value, option, text, capacity);
    }
    return false;
}

/* Finds the option that argument begins, and the value that is attached to it (NULL: none). HELP
 * and WRONG end the reading. */
static enum cnn_parsed option_match(const struct cnn_command *command, const char *argument,
                                    const struct cnn_option **out, const char **value)
{
    const struct cnn_option *option = command->options;

    *value = NULL;
    if (strcmp(argument, "-h") == 0 || strcmp(argument, "--help") == 0)
        return CNN_PARSED_HELP;
    if (argument[1] == '-') {
        size_t length = strcspn(argument + 2, "=");

        option = option_find(option, argument + 2, length);
        if (!option)
            return unknown_option(command, argument, 2 + (int)length);
        if (argument[2 + length] == '=')
            *value = argument + 2 + length + 1;
    } else {
        while (option->name && option->letter != argument[1])
            option++;
        if (!option->name)
            return unknown_option(command, argument, (int)strlen(argument));
        if (argument[2] != '\0')
            *value = argument + 2;
    }
    *out = option;
    return CNN_PARSED;
}

static enum cnn_parsed check_operands(const struct cnn_command *command, char *const *operands,
                                      size_t count)
{
    if (count < command->operands_min)
        cnn_print_error("an argument is missing");
    else if (count > command->operands_max)
        cnn_print_error("'%s' is one argument too many", operands[command->operands_max]);
    else
        return CNN_PARSED;
    return wrong(command);
}

enum cnn_parsed cnn_options_parse(const struct cnn_command *command, int argc, char **argv,
                                  void *settings, size_t *operands)
{
    size_t kept = 0;
    bool only_operands = false;

    for (int i = 0; i < argc; i++) {
        const struct cnn_option *option = NULL;
        const char *value;
        enum cnn_parsed parsed;

        if (only_operands || argv[i][0] != '-' || argv[i][1] == '\0') {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(argv[i], "--") == 0) {
            only_operands = true;
            continue;
        }
        parsed = option_match(command, argv[i], &option, &value);
        if (parsed != CNN_PARSED)
            return parsed;
        if (option->kind == CNN_OPTION_FLAG && value) {
            cnn_print_error("--%s takes no value", option->name);
            return wrong(command);
        }
        if (option->kind != CNN_OPTION_FLAG && !value) {
            if (i + 1 == argc) {
                cnn_print_error("--%s needs a value: %s", option->name, option->argument);
                return wrong(command);
            }
            value = argv[++i];
        }
        if (!set_value(option, value, (size_t)argc, settings))
            return wrong(command);
    }
    *operands = kept;
    return check_operands(command, argv, kept);
}

void cnn_options_free(const struct cnn_command *command, void *settings)
{
    for (const struct cnn_option *option = command->options; option->name; option++) {
        struct cnn_option_list *list = (void *)((char *)settings + option->offset);

        if (option->kind != CNN_OPTION_LIST)
            continue;
        for (size_t i = 0; i < list->made_count; i++)
            free(list->made[i]);
        free(list->made);
        free(list->items);
    }
}

void cnn_options_usage(const struct cnn_command *command, FILE *stream)
{
    fprintf(stream, "usage: %s %s %s\n", cnn_program(), command->name, command->synopsis);
}

void cnn_options_print(const char *text, FILE *stream)
{
    static const char mark[] = "'cnn ";
    const char *next;

    for (; (next = strstr(text, mark)) != NULL; text = next + sizeof mark - 1)
        fprintf(stream, "%.*s'%s ", (int)(next - text), text, cnn_program());
    fputs(text, stream);
}

static void print_option(FILE *stream, const char *name, char letter, const char *argument,
                         const char *help)
{
    char left[64] = "    ";

    if (letter != 0)
        snprintf(left, sizeof left, "-%c, ", letter);
    snprintf(left + 4, sizeof left - 4, "--%s%s%s", name, argument ? " " : "",
             argument ? argument : "");
    fprintf(stream, "  %-26s %s\n", left, help);
}

void cnn_options_help(const struct cnn_command *command, FILE *stream)
{
    cnn_options_usage(command, stream);
    fprintf(stream, "\n%s.\n", command->summary);
    if (command->details) {
        putc('\n', stream);
        cnn_options_print(command->details, stream);
    }
    if (command->list)
        command->list(stream);
    fprintf(stream, "\noptions:\n");
    for (const struct cnn_option *option = command->options; option->name; option++) {
        if (option->help)
            print_option(stream, option->name, option->letter, option->argument, option->help);
    }
    print_option(stream, "help", 'h', NULL, "print this text");
}
