/* Command lines: a command and its arguments, each ended by a newline; any are read or refused, and
 * the nearest words are found. No command is run. */
#define main cnn_main /* the table of commands stands in the file of main */
int cnn_main(int argc, char **argv);
#include "../../cnn-cli/main.c"
#undef main

#include "fuzz.h"

#define MOST 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input input = {data, size};
    size_t commands = 0, operands;
    char *copies[MOST], *arguments[MOST + 1] = {NULL};
    int count = 0;

    while (cnn_commands[commands])
        commands++;
    const struct cnn_command *command = cnn_commands[fuzz_byte(&input) % commands];
    void *settings = calloc(1, command->settings_size);
    for (; count < MOST && input.size > 0; count++) {
        struct fuzz_input line = fuzz_until(&input, '\n');
        copies[count] = arguments[count] = strndup((const char *)line.data, line.size);
    }
    if (count > 0 && !cnn_command_find(arguments[0]))
        unknown_command(arguments[0]);
    cnn_options_parse(command, count, arguments, settings, &operands);
    cnn_options_free(command, settings);
    free(settings);
    while (count > 0)
        free(copies[--count]);
    return 0;
}
