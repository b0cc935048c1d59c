/* cnn lab: a network and the program as one HTML page. */
#include <stdio.h>
#include <string.h>

#include "command.h"
#include "terminal.h"

struct settings {
    const char *output, *lang;
};

static const struct cnn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "the page (default: lab.html)"},
    CNN_OPTION_LANG(struct settings),
    CNN_OPTION_END,
};

/* The model for handwritten digits, beside the default model of the other commands: a page is for
 * drawing, and should load at once. NULL where no model ships with the program. */
static const char *digits(char *path, size_t size)
{
    const char *shipped = cnn_default_model();
    const char *slash = shipped ? strrchr(shipped, '/') : NULL;

    if (!slash)
        return NULL;
    snprintf(path, size, "%.*s/lenet5.safetensors", (int)(slash - shipped), shipped);
    cnn_print_note("no MODEL was given; using %s", path);
    return path;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.untrained = true};
    const char *path = settings->output ? settings->output : "lab.html";
    char shipped[4096];
    cnn_model *model = NULL;
    cnn_status status =
        cnn_output_check(path, CNN_OUTPUT_PAGE, settings->output ? NULL : "-o", diag);

    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK)
        status = cnn_command_open(operand_count > 0 ? operands[0] : digits(shipped, sizeof shipped),
                                  &open, &model, diag);
    if (status == CNN_OK)
        status = cnn_lab(model, path, NULL, diag);
    if (status == CNN_OK)
        puts(cnn_show_text(path).text);
    cnn_model_free(model);
    return status;
}

const struct cnn_command cnn_command_lab = {
    .name = "lab",
    .synopsis = "[MODEL] [options]",
    .summary = "Put a network and the program into one HTML page",
    .details =
        "MODEL is a description, a checkpoint, a run directory or an ONNX file; without it\n"
        "lenet5 is used, a small network for handwritten digits that ships with the program. The\n"
        "page shows the network's values for a picture, the arithmetic behind each of them, and\n"
        "training. It needs no network and no server: any browser opens it. Its path is printed\n"
        "to standard output.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 0,
    .operands_max = 1,
    .run = run,
};
