/* cnn help: the commands, and the reference of the description (its sections and keys come from the
 * library's key tables). */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "completion.h"
#include "table.h"
#include "terminal.h"
#include "topics.h"

enum { TOPIC_BYTES = 64, TOPIC_WORDS = 256 };

struct settings {
    bool man_keys;
    const char *completion;
};

static const struct cnn_option options[] = {
    {.name = "completion",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, completion),
     .argument = "SHELL",
     .words = "bash zsh fish",
     .help = "print the completion script of bash, zsh or fish"},
    /* for the build of the manual */
    {.name = "man-keys", .kind = CNN_OPTION_FLAG, .offset = offsetof(struct settings, man_keys)},
    CNN_OPTION_END,
};

/* Whether topic names the group: as it is, or in the plural (layers, losses). */
static bool group_matches(const char *group, const char *topic)
{
    size_t length = strlen(group);

    if (strncmp(group, topic, length) != 0)
        return false;
    return topic[length] == '\0' || strcmp(topic + length, "s") == 0 ||
           strcmp(topic + length, "es") == 0;
}

static bool section_is_group(const cnn_section_info *section)
{
    return strcmp(section->group, section->name) == 0;
}

static const char *default_shown(const cnn_key_info *key)
{
    if (!key->default_text)
        return "required";
    return key->default_text[0] == '\0' ? "-" : key->default_text;
}

/* text from its place `from` on, up to the last blank that lets it fit into width; the next
 * place. */
static size_t line_length(const char *text, size_t width)
{
    size_t length = strlen(text);
    size_t cut = width;

    if (length <= width)
        return length;
    while (cut > 0 && text[cut] != ' ')
        cut--;
    return cut > 0 ? cut : length;
}

static void print_wrapped(const char *text, size_t indent, size_t width)
{
    while (*text != '\0') {
        size_t length = line_length(text, width - indent);

        printf("%*s%.*s\n", (int)indent, "", (int)length, text);
        text += length;
        text += strspn(text, " ");
    }
}

static void print_heading(const cnn_section_info *section)
{
    printf("%s%s%s", cnn_style(stdout, CNN_STYLE_BOLD), section->name,
           cnn_style(stdout, CNN_STYLE_PLAIN));
    if (!section_is_group(section))
        printf(" (%s)", section->group);
    printf("\n");
    print_wrapped(section->help, 2, 80);
}

static void print_key(const cnn_key_info *key)
{
    printf("\n  %s%s%s: %s", cnn_style(stdout, CNN_STYLE_BOLD), key->name,
           cnn_style(stdout, CNN_STYLE_PLAIN), key->type);
    if (!key->default_text)
        printf(" (required)");
    else if (key->default_text[0] != '\0')
        printf(" (default: %s)", key->default_text);
    printf("\n");
    print_wrapped(key->help, 6, 80);
}

static void print_section(size_t index)
{
    cnn_section_info section = cnn_reference_section(index);

    print_heading(&section);
    for (size_t k = 0; k < section.keys; k++) {
        cnn_key_info key = cnn_reference_key(index, k);

        print_key(&key);
    }
}

/* Prints the keys of that name, each below its section; false where there are none. */
static bool print_keys(const char *name)
{
    size_t printed = 0;

    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        for (size_t k = 0; k < section.keys; k++) {
            cnn_key_info key = cnn_reference_key(i, k);

            if (strcmp(key.name, name) != 0)
                continue;
            if (printed++ > 0)
                putchar('\n');
            print_heading(&section);
            print_key(&key);
        }
    }
    return printed > 0;
}

/* The sections of one group, a line each. */
static void print_group(const char *group)
{
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        if (strcmp(section.group, group) == 0)
            printf("  %-16s %s\n", section.name, section.help);
    }
}

/* Prints the sections, or the group, that topic names; false where there are none. */
static bool print_topic(const char *topic)
{
    size_t printed = 0;

    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        if (strcmp(section.name, topic) != 0 &&
            !(section_is_group(&section) && group_matches(section.group, topic)))
            continue;
        if (printed++ > 0)
            putchar('\n');
        print_section(i);
    }
    for (size_t i = 0; i < cnn_reference_sections() && printed == 0; i++) {
        cnn_section_info section = cnn_reference_section(i);

        if (group_matches(section.group, topic)) {
            print_group(section.group);
            printf("\n'%s help %s' lists its keys, and so on for the others.\n", cnn_program(),
                   section.name);
            printed++;
        }
    }
    return printed > 0;
}

static cnn_status unknown_topic(const char *topic)
{
    size_t sections = cnn_reference_sections();
    size_t count = 0, room = 0;
    const char **words;
    const char *nearest;

    for (size_t i = 0; cnn_commands[i]; i++)
        room++;
    for (size_t i = 0; i < sections; i++)
        room += 2 + cnn_reference_section(i).keys;
    words = calloc(room + TOPIC_WORDS, sizeof *words);

    if (!words)
        return cnn_command_out_of_memory();
    for (size_t i = 0; cnn_commands[i]; i++)
        words[count++] = cnn_commands[i]->name;
    for (size_t i = 0; i < sections; i++) {
        words[count++] = cnn_reference_section(i).name;
        words[count++] = cnn_reference_section(i).group;
        for (size_t k = 0; k < cnn_reference_section(i).keys; k++)
            words[count++] = cnn_reference_key(i, k).name;
    }
    count += cnn_topic_words(words + count, TOPIC_WORDS);
    nearest = cnn_options_nearest(topic, words, count);
    if (nearest)
        cnn_print_error("no help for '%s'; did you mean '%s'?", topic, nearest);
    else
        cnn_print_error("no help for '%s'; '%s help' lists the commands, '%s help layers' the "
                        "layer types",
                        topic, cnn_program(), cnn_program());
    free(words);
    return CNN_INVALID;
}

/* Text as mdoc reads it: a backslash is its escape, and a quote would end the quoted argument. */
static void print_roff(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '"')
            fputs("\\(dq", stdout);
        else
            putchar(*text);
    }
}

/* The reference as mdoc(7), for the manual page of the description. */
static void print_man_keys(void)
{
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);
        bool plain = section_is_group(&section) || strcmp(section.group, "layer") == 0;

        printf(".Ss %s%s%s\n\\&", plain ? "" : section.group, plain ? "" : " ", section.name);
        print_roff(section.help);
        printf("\n");
        if (section.keys > 0)
            printf(".Bl -tag -width Ds\n");
        for (size_t k = 0; k < section.keys; k++) {
            cnn_key_info key = cnn_reference_key(i, k);

            printf(".It Ic %s No \"", key.name);
            print_roff(key.type);
            if (!key.default_text || key.default_text[0] != '\0') {
                printf("; %s", !key.default_text ? "" : "default ");
                print_roff(default_shown(&key));
            }
            printf("\\&\"\n\\&");
            print_roff(key.help);
            printf("\n");
        }
        if (section.keys > 0)
            printf(".El\n");
    }
}

/* Keys that may have the word for a value: mnist, same, replicate. */
static bool print_keys_of_value(const char *word)
{
    size_t length = strlen(word), printed = 0;

    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        cnn_section_info section = cnn_reference_section(i);

        for (size_t k = 0; k < section.keys; k++) {
            cnn_key_info key = cnn_reference_key(i, k);
            const char *at = strstr(key.type, " | ") ? strstr(key.type, word) : NULL;

            if (!at || (at != key.type && at[-1] != ' ') ||
                (at[length] != ' ' && at[length] != '\0'))
                continue;
            if (printed++ > 0)
                putchar('\n');
            print_heading(&section);
            print_key(&key);
        }
    }
    return printed > 0;
}

/* Everything that answers to the word: sections and keys, options, advice; where there is none of
 * them, keys that have it for a value, or the word that it is called here. */
static bool print_word(const char *word)
{
    const char *own;
    bool found = print_topic(word) || print_keys(word);

    if (found && !cnn_topic_text(word, NULL) && !cnn_topic_options(word, NULL))
        return true;
    if (found)
        putchar('\n');
    found = cnn_topic_text(word, stdout) || found;
    found = cnn_topic_options(word, stdout) || found;
    if (found || print_keys_of_value(word))
        return true;
    own = cnn_reference_word(word);
    return own && (print_topic(own) || print_keys(own));
}

static void print_manual(const struct cnn_command *command)
{
    const char *program = cnn_program(), *slash = strrchr(program, '/');
    char page[1024];

    snprintf(page, sizeof page, "%.*sman/cnn-%s.1", slash ? (int)(slash - program) + 1 : 0, program,
             command->name);
    /* beside a program that was built, and not installed */
    if (slash && access(page, R_OK) == 0)
        printf("\nmanual: man -l %s (without man: mandoc -a %s)\n", page, page);
    else
        printf("\nmanual: man cnn-%s\n", command->name);
}

static void print_command(const struct cnn_command *command)
{
    cnn_options_help(command, stdout);
    print_manual(command);
    for (size_t i = 0; i < cnn_reference_sections(); i++) {
        /* The section of the description that is called like the command. */
        if (strcmp(cnn_reference_section(i).name, command->name) == 0) {
            printf("\nThe description's section of that name:\n\n");
            print_section(i);
        }
    }
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    char words[TOPIC_BYTES] = "", word[TOPIC_BYTES];

    (void)diag;
    if (settings->man_keys) {
        print_man_keys();
        return CNN_OK;
    }
    if (settings->completion)
        return cnn_print_completion(settings->completion);
    if (operand_count == 0) {
        cnn_print_overview(stdout);
        return CNN_OK;
    }
    if (operand_count == 1 && cnn_command_find(operands[0])) {
        print_command(cnn_command_find(operands[0]));
        return CNN_OK;
    }
    for (size_t i = 0, used = 0; i < operand_count && used < sizeof words; i++)
        used += (size_t)snprintf(words + used, sizeof words - used, "%s%s", i > 0 ? " " : "",
                                 operands[i]);
    cnn_topic_fold(words, word, sizeof word);
    return print_word(words) || print_word(word) ? CNN_OK : unknown_topic(words);
}

const struct cnn_command cnn_command_help = {
    .name = "help",
    .synopsis = "[COMMAND | TOPIC...]",
    .summary = "Explain a command, or the keys of a description",
    .details = "TOPIC is a layer type (conv), a section of the description (data, train), an\n"
               "optimizer, schedule, loss or augmentation (sgd), a list of them (layers), a\n"
               "key (kernel_size), a value of a key (mnist), an option (threads), a word of\n"
               "other programs (learning rate, maxpool), or a task or problem (freeze, overfit).\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = SIZE_MAX,
    .run = run,
};
