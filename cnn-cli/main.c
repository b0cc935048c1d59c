/* cnn: the table of commands, and the way from a command line to the exit status. Everything the
 * program does is in libcnn; here is only how it is asked for and shown. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "ranks.h"
#include "terminal.h"

const struct cnn_command *const cnn_commands[] = {
    &cnn_command_init,     &cnn_command_train,    &cnn_command_data,    &cnn_command_eval,
    &cnn_command_compare,  &cnn_command_predict,  &cnn_command_explain, &cnn_command_visualize,
    &cnn_command_featmaps, &cnn_command_similar,  &cnn_command_summary, &cnn_command_report,
    &cnn_command_lab,      &cnn_command_quantize, &cnn_command_import,  &cnn_command_export,
    &cnn_command_verify,   &cnn_command_bench,    &cnn_command_help,    NULL};

const struct cnn_command *cnn_command_find(const char *name)
{
    for (size_t i = 0; cnn_commands[i]; i++) {
        if (strcmp(cnn_commands[i]->name, name) == 0)
            return cnn_commands[i];
    }
    return NULL;
}

void cnn_print_overview(FILE *stream)
{
    fprintf(stream, "usage: %s COMMAND [options]\n\n", cnn_program());
    fputs("Trains and runs convolutional networks that are described in YAML.\n\n"
          "commands:\n",
          stream);
    for (size_t i = 0; cnn_commands[i]; i++)
        fprintf(stream, "  %-10s %s\n", cnn_commands[i]->name, cnn_commands[i]->summary);
    fputs("  version    Print the version\n\n", stream);
    cnn_options_print(
        "'cnn help COMMAND' says more. What a description can hold: 'cnn help layers',\n"
        "optimizers, schedules, losses, augmentations, data, train; and each by its name.\n",
        stream);
}

/* What other programs call a command; NULL where that is not known. */
static const char *foreign_command(const char *name)
{
    static const char *const words[][2] = {
        {"evaluate", "eval"},     {"test", "eval"},         {"validate", "eval"},
        {"score", "eval"},        {"fit", "train"},         {"learn", "train"},
        {"resume", "train"},      {"finetune", "train"},    {"classify", "predict"},
        {"infer", "predict"},     {"inference", "predict"}, {"detect", "predict"},
        {"plot", "visualize"},    {"draw", "visualize"},    {"show", "visualize"},
        {"gradcam", "visualize"}, {"new", "init"},          {"create", "init"},
        {"benchmark", "bench"},   {"time", "bench"},        {"check", "verify"},
        {"info", "summary"},      {"model", "summary"},     {"features", "featmaps"},
        {"dataset", "data"},      {"retrieve", "similar"},  {"nearest", "similar"},
        {"int8", "quantize"},     {"convert", "import"},    {"onnx", "export"},
        {"save", "export"},
    };

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i][0], name) == 0)
            return words[i][1];
    }
    return NULL;
}

static cnn_status unknown_command(const char *name)
{
    const char *names[sizeof cnn_commands / sizeof *cnn_commands] = {"version"};
    const char *nearest;
    size_t count = 1;

    for (size_t i = 0; cnn_commands[i]; i++)
        names[count++] = cnn_commands[i]->name;
    nearest = foreign_command(name);
    if (!nearest)
        nearest = cnn_options_nearest(name, names, count);
    if (nearest)
        cnn_print_error("unknown command '%s'; did you mean '%s'?", name, nearest);
    else
        cnn_print_error("unknown command '%s'; '%s help' lists them", name, cnn_program());
    return CNN_INVALID;
}

static cnn_status run_command(const struct cnn_command *command, int argc, char **argv)
{
    void *settings = calloc(1, command->settings_size);
    cnn_diag *diag = cnn_diag_new();
    size_t operands = 0;
    cnn_status status;

    if (!settings || !diag) {
        free(settings);
        cnn_diag_free(diag);
        return cnn_command_out_of_memory();
    }
    if (command->shared && (status = cnn_ranks_join(diag)) != CNN_OK) {
        free(settings);
        cnn_diag_free(diag);
        return status;
    }
    switch (cnn_options_parse(command, argc, argv, settings, &operands)) {
    case CNN_PARSED:
        status = command->run(settings, argv, operands, diag);
        cnn_ranks_speak();
        cnn_print_messages(diag);
        break;
    case CNN_PARSED_HELP:
        cnn_options_help(command, stdout);
        status = CNN_OK;
        break;
    case CNN_PARSED_WRONG:
        status = CNN_INVALID;
        break;
    }
    cnn_options_free(command, settings);
    free(settings);
    cnn_diag_free(diag);
    return status;
}

static cnn_status dispatch(int argc, char **argv)
{
    const struct cnn_command *command = argc < 2 ? NULL : cnn_command_find(argv[1]);
    bool works = command && command != &cnn_command_help;

    if ((!command || !command->shared) && cnn_ranks_spare(works ? command->name : NULL))
        return CNN_OK;
    if (argc < 2) {
        cnn_print_overview(stderr);
        return CNN_INVALID;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cnn_print_overview(stdout);
        return CNN_OK;
    }
    if (strcmp(argv[1], "version") == 0 || strcmp(argv[1], "--version") == 0) {
        puts("cnn " CNN_VERSION);
        return CNN_OK;
    }
    if (!command)
        return unknown_command(argv[1]);
    return run_command(command, argc - 2, argv + 2);
}

/* Standard streams that are closed are opened for what they are not used for, so that using them
 * fails as before: files opened later would take their place, and get what is printed. */
static bool occupy_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!occupy_streams()) {
        fprintf(stderr, "cnn: error: cannot open /dev/null: %s\n", strerror(errno));
        return cnn_command_exit_status(CNN_FAILED);
    }

    /* a file size limit is then an error of the write, and reported like a full disk */
    signal(SIGXFSZ, SIG_IGN);
    bool named = argc > 0 && argv[0][0] != '\0';
    char *word = named ? cnn_shell_word(argv[0]) : NULL;
    cnn_status status;

    cnn_set_program(word);
    cnn_terminal_init();
    status = named && !word ? cnn_command_out_of_memory() : dispatch(argc, argv);
    cnn_terminal_progress_clear();
    errno = 0;
    if (fflush(stdout) != 0 || ferror(stdout)) {
        cnn_print_error("cannot write to standard output%s%s", errno != 0 ? ": " : "",
                        errno != 0 ? strerror(errno) : "");
        status = CNN_FAILED;
    }
    /* Without memory a description or a command line only seems wrong. */
    if (status == CNN_INVALID && cnn_terminal_told_memory())
        status = CNN_FAILED;
    status = cnn_ranks_leave(status);
    cnn_set_program(NULL);
    cnn_free(word);
    return cnn_command_exit_status(status);
}
