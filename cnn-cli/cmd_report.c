/* cnn report: a run as one HTML page, or several side by side. */
#include <stdint.h>
#include <stdio.h>

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
     .help = "the page (default: report.html; of several runs compare.html)"},
    CNN_OPTION_LANG(struct settings),
    CNN_OPTION_END,
};

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    bool named = settings->output != NULL;
    const char *path = named                ? settings->output
                       : operand_count == 1 ? "report.html"
                                            : "compare.html";
    cnn_status status = named ? CNN_OK : cnn_output_check(path, CNN_OUTPUT_PAGE, "-o", diag);

    if (status == CNN_OK)
        status = cnn_command_speak(settings->lang, diag);
    if (status == CNN_OK)
        status = cnn_report((const char *const *)operands, operand_count, path, diag);
    if (status == CNN_OK)
        puts(cnn_show_text(path).text);
    return status;
}

const struct cnn_command cnn_command_report = {
    .name = "report",
    .synopsis = "RUN... [options]",
    .summary = "Show a run, or compare runs, as an HTML page",
    .details =
        "RUN is the directory of a run. For one run the page shows curves, the health of the\n"
        "layers, the network and the description. For several runs it shows results and\n"
        "curves side by side, and the settings that differ. The page's path is printed to\n"
        "standard output.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .run = run,
};
