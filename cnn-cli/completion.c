/* Completion of command lines in bash, zsh and fish, from the option tables. Where a value or an
 * argument is no word of a list, the shell completes files. */
#include "completion.h"

#include <stdbool.h>
#include <string.h>

#include "cnn.h"
#include "command.h"
#include "terminal.h"
#include "topics.h"

/* Text of the program's own between single quotes: for all three shells '\'' ends, adds, begins. */
static void print_quoted(const char *text)
{
    putchar('\'');
    for (; *text != '\0'; text++)
        fputs(*text == '\'' ? "'\\''" : (char[2]){*text, '\0'}, stdout);
    putchar('\'');
}

/* Whether one of the first count sections, or their group, has that name. */
static bool is_section(const char *word, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(cnn_reference_section(i).name, word) == 0 ||
            strcmp(cnn_reference_section(i).group, word) == 0)
            return true;
    return false;
}

/* The words that `help` takes, but for the commands. */
static void print_topics(void)
{
    const char *words[256];
    const size_t count = cnn_topic_words(words, sizeof words / sizeof *words);
    const size_t sections = cnn_reference_sections();

    for (size_t i = 0; i < sections; i++) {
        const cnn_section_info section = cnn_reference_section(i);

        if (!strchr(section.name, ' '))
            printf(" %s", section.name);
        if (!strchr(section.group, ' ') && strcmp(section.group, section.name) != 0 &&
            !is_section(section.group, i))
            printf(" %s", section.group);
    }
    for (size_t i = 0; i < count; i++)
        if (!is_section(words[i], sections) && !cnn_command_find(words[i]))
            printf(" %s", words[i]);
}

static void print_commands(void)
{
    for (size_t i = 0; cnn_commands[i]; i++)
        printf(" %s", cnn_commands[i]->name);
    printf(" version");
}

static void bash_command(const struct cnn_command *command)
{
    printf("    %s)\n        options='--help -h", command->name);
    for (const struct cnn_option *o = command->options; o->name; o++) {
        if (o->help)
            printf(" --%s", o->name);
        if (o->help && o->letter != 0)
            printf(" -%c", o->letter);
    }
    printf("'\n        case $before in\n");
    for (const struct cnn_option *o = command->options; o->name; o++) {
        if (o->words)
            printf("        --%s) words='%s' ;;\n", o->name, o->words);
        else if (o->argument && o->letter != 0)
            printf("        --%s | -%c) options= ;;\n", o->name, o->letter);
        else if (o->argument && o->help)
            printf("        --%s) options= ;;\n", o->name);
    }
    printf("        esac\n        ;;\n");
}

static void print_bash(void)
{
    printf("# bash completion for cnn; made by `cnn help --completion bash`\n"
           "_cnn() {\n"
           "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}\n"
           "    local options= words=\n"
           "    COMPREPLY=()\n"
           "    [ \"$word\" = = ] && word= || { [ \"$before\" = = ] && "
           "before=${COMP_WORDS[COMP_CWORD - 2]}; }\n"
           "    if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
           "        COMPREPLY=($(compgen -W '");
    print_commands();
    printf("' -- \"$word\"))\n        return\n    fi\n"
           "    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; cnn_commands[i]; i++)
        bash_command(cnn_commands[i]);
    printf("    esac\n"
           "    if [ \"${COMP_WORDS[1]}\" = help ]; then\n        words='");
    print_commands();
    print_topics();
    printf("'\n    fi\n"
           "    case $word in\n"
           "    -*) COMPREPLY=($(compgen -W \"$options\" -- \"$word\")) ;;\n"
           "    *) [ -z \"$words\" ] || COMPREPLY=($(compgen -W \"$words\" -- \"$word\")) ;;\n"
           "    esac\n"
           "}\n"
           "complete -o default -F _cnn cnn\n");
}

/* In a specification of _arguments brackets and colons have meanings. */
static void zsh_escape(const char *text)
{
    for (; *text != '\0'; text++)
        printf(*text == '\'' ? "'\\''" : strchr("[]:\\", *text) ? "\\%c" : "%c", *text);
}

static void zsh_option(const struct cnn_option *option, const char *dashes, const char *name)
{
    bool list = option->kind == CNN_OPTION_LIST;

    /* With a `=` _arguments takes the value behind it and behind a space. */
    printf(" \\\n        '%s%s%s%s[", list ? "*" : "", dashes, name,
           option->argument && strlen(dashes) == 2 ? "=" : "");
    zsh_escape(option->help);
    printf("]");
    if (option->argument) {
        printf(":");
        zsh_escape(option->argument);
        printf(option->words ? ":(%s)" : ":_files", option->words);
    }
    printf("'");
}

static void print_zsh(void)
{
    printf("#compdef cnn\n# zsh completion for cnn; made by `cnn help --completion zsh`\n_cnn() {\n"
           "    if ((CURRENT == 2)); then\n        compadd --");
    print_commands();
    printf("\n        return\n    fi\n    local command=$words[2]\n    shift words\n"
           "    ((CURRENT--))\n    case $command in\n");
    for (size_t i = 0; cnn_commands[i]; i++) {
        printf("    %s)\n        _arguments '(-h --help)'{-h,--help}'[print the help]'",
               cnn_commands[i]->name);
        for (const struct cnn_option *o = cnn_commands[i]->options; o->name; o++) {
            if (!o->help)
                continue;
            zsh_option(o, "--", o->name);
            if (o->letter != 0)
                zsh_option(o, "-", (char[2]){o->letter, '\0'});
        }
        if (strcmp(cnn_commands[i]->name, "help") == 0) {
            printf(" \\\n        '*:topic:(");
            print_commands();
            print_topics();
            printf(")'\n        ;;\n");
        } else {
            printf(" \\\n        '*:file:_files'\n        ;;\n");
        }
    }
    printf("    esac\n}\n_cnn \"$@\"\n");
}

static void print_fish(void)
{
    printf("# fish completion for cnn; made by `cnn help --completion fish`\n");
    for (size_t i = 0; cnn_commands[i]; i++) {
        const struct cnn_command *command = cnn_commands[i];

        printf("complete -c cnn -n __fish_use_subcommand -f -a %s -d ", command->name);
        print_quoted(command->summary);
        for (const struct cnn_option *o = command->options; o->name; o++) {
            if (!o->help)
                continue;
            printf("\ncomplete -c cnn -n '__fish_seen_subcommand_from %s' -l %s", command->name,
                   o->name);
            if (o->letter != 0)
                printf(" -s %c", o->letter);
            if (o->argument)
                printf(" -r");
            if (o->words)
                printf(" -f -a '%s'", o->words);
            printf(" -d ");
            print_quoted(o->help);
        }
        printf("\n");
    }
    printf("complete -c cnn -n '__fish_seen_subcommand_from help' -f -a '");
    print_commands();
    print_topics();
    printf("'\n");
}

cnn_status cnn_print_completion(const char *shell)
{
    if (strcmp(shell, "bash") == 0)
        print_bash();
    else if (strcmp(shell, "zsh") == 0)
        print_zsh();
    else if (strcmp(shell, "fish") == 0)
        print_fish();
    else {
        cnn_print_error("--completion: '%s' is none of bash, zsh, fish", shell);
        return CNN_INVALID;
    }
    return CNN_OK;
}
