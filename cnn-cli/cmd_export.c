/* cnn export: a model for another program. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *format, *output, *name, *weights, *data, *ram, *flash, *layout;
    bool normalize, unmeasured, json;
    size_t threads, images;
};

static const struct cnn_option options[] = {
    {.name = "format",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, format),
     .argument = "FORMAT",
     .words = "onnx pytorch keras c",
     .help = "format of the file (default: onnx)"},
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "the file (default: the model's name with .onnx, .py or _keras.py)"},
    {.name = "name",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, name),
     .argument = "IDENTIFIER",
     .help = "name of the network in the file (default: its own name)"},
    {.name = "normalize",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, normalize),
     .help = "inputs are pixels from 0 to 1; the file normalises them"},
    {.name = "max-ram",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, ram),
     .argument = "BYTES",
     .help = "c: fail where the arena is larger; 64K is 65536"},
    {.name = "max-flash",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, flash),
     .argument = "BYTES",
     .help = "c: fail where constants and code are larger"},
    {.name = "layout",
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, layout),
     .argument = "LAYOUT",
     .words = "plain arduino",
     .help = "c: plain, or a library of the Arduino IDE (default: plain)"},
    CNN_OPTION_DATA(struct settings),
    {.name = "images",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, images),
     .argument = "N",
     .min = 1,
     .max = SIZE_MAX / 2,
     .help = "c: test images to measure the accuracy on (default: all)"},
    {.name = "no-eval",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, unmeasured),
     .help = "c: do not measure the accuracy"},
    CNN_OPTION_WEIGHTS(struct settings),
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

static void print_json(const char *path, const cnn_export_format *format, const cnn_model *model,
                       const cnn_export_info *info)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("file", path);
    cnn_json_text("format", format->name);
    cnn_json_text("name", cnn_model_name(model));
    cnn_json_count("bytes", info->bytes);
    cnn_json_count("compared", info->compared);
    cnn_json_real("error", info->error);
    cnn_json_text("worst", info->worst);
    if (format->directory) {
        cnn_json_count("arena", info->arena);
        cnn_json_count("constants", info->constants);
        cnn_json_count("macs", info->macs);
        cnn_json_count("images", info->images);
        cnn_json_count("right", info->right);
    }
    cnn_json_close();
}

static void print_human(const char *path, const cnn_export_format *format, const cnn_model *model,
                        const cnn_export_info *info)
{
    printf("model      %s (%s)\n", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_text(cnn_model_source(model)).text);
    if (info->compared > 0) {
        printf("compared   %s layers with the file's own graph: %.1e of the largest number at most",
               cnn_show_integer(info->compared).text, info->error);
        if (*info->worst != '\0')
            printf(", in '%s'", info->worst);
        printf("\n");
    }
    if (format->directory) {
        printf("arena      %s bytes\n", cnn_show_integer(info->arena).text);
        printf("constants  %s bytes\n", cnn_show_integer(info->constants).text);
        if (info->images > 0)
            printf("accuracy   %.2f %% of %s test images, measured with the C code\n",
                   100 * (double)info->right / (double)info->images,
                   cnn_show_integer(info->images).text);
        else
            printf("accuracy   not measured%s%s\n", *info->unmeasured != '\0' ? ": " : "",
                   info->unmeasured);
    }
    printf("written    %s (%s, %s)\n", cnn_show_text(path).text, format->name,
           cnn_show_bytes(info->bytes).text);
}

/* The file's name without its folder, where none was given: that of the model's file, so that
 * net-int8.safetensors does not become net.onnx; for a run the network's; and the ending. */
static cnn_status choose_path(const struct settings *settings, const char *operand,
                              const cnn_model *model, const cnn_export_format *format,
                              char path[160], cnn_diag *diag)
{
    const char *name = cnn_model_name(model), *source = cnn_model_source(model), *dot = NULL;

    if (settings->output && format->directory)
        return CNN_OK;
    if (settings->output)
        return cnn_output_check(settings->output, format->output, NULL, diag);
    if (settings->name) {
        name = settings->name;
    } else if (operand && strcmp(operand, source) == 0) {
        name = strrchr(operand, '/') ? strrchr(operand, '/') + 1 : operand;
        dot = strrchr(name, '.');
    }
    snprintf(path, 160, "%.*s%s", dot && dot - name < 100 ? (int)(dot - name) : 100, name,
             format->ending);
    return format->directory ? CNN_OK : cnn_output_check(path, format->output, "-o", diag);
}

/* "64K", "1M" or bytes; text NULL: 0. */
static cnn_status read_bytes(const char *option, const char *text, size_t *bytes)
{
    char *end = NULL;
    unsigned long long number = 0;
    unsigned shift = 0;

    *bytes = 0;
    if (!text)
        return CNN_OK;
    if (*text >= '0' && *text <= '9')
        number = strtoull(text, &end, 10);
    if (end && (*end == 'K' || *end == 'k' || *end == 'M' || *end == 'm'))
        shift = *end == 'K' || *end == 'k' ? 10 : 20, end++;
    if (!end || *end != '\0' || number == 0 || number > SIZE_MAX >> 20) {
        cnn_print_error("%s wants a number of bytes, as 65536, 64K or 1M; found '%s'", option,
                        cnn_show_text(text).text);
        return CNN_INVALID;
    }
    *bytes = (size_t)number << shift;
    return CNN_OK;
}

static cnn_status read_limits(const struct settings *settings, cnn_export_options *out)
{
    cnn_status status = read_bytes("--max-ram", settings->ram, &out->max_ram);

    if (status == CNN_OK)
        status = read_bytes("--max-flash", settings->flash, &out->max_flash);
    return status;
}

static cnn_status read_layout(const char *layout, bool *arduino)
{
    *arduino = layout && strcmp(layout, "arduino") == 0;
    if (!layout || *arduino || strcmp(layout, "plain") == 0)
        return CNN_OK;
    cnn_print_error("--layout: there is no layout '%s'; there are plain and arduino", layout);
    return CNN_INVALID;
}

/* Options that are only for a format that writes a directory. */
static cnn_status check_format(const struct settings *settings, const cnn_export_format *format)
{
    if (format->directory || (!settings->ram && !settings->flash && !settings->layout &&
                              !settings->data && settings->images == 0 && !settings->unmeasured))
        return CNN_OK;
    cnn_print_error("--max-ram, --max-flash, --layout, --data, --images and --no-eval are for "
                    "--format c");
    return CNN_INVALID;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    cnn_open_options open = {.weights = settings->weights};
    cnn_export_options export_options = {
        .format = settings->format,
        .name = settings->name,
        .normalize = settings->normalize,
        .data = settings->data,
        .images = settings->images,
        .unmeasured = settings->unmeasured,
    };
    const cnn_export_format *format = NULL;
    cnn_export_info info = {0};
    const char *operand = operand_count > 0 ? operands[0] : NULL;
    cnn_model *model = NULL;
    char own_path[160];
    const char *path = settings->output ? settings->output : own_path;
    cnn_status status = cnn_export_find(settings->format, &format, diag);

    if (status == CNN_OK)
        status = check_format(settings, format);
    if (status == CNN_OK)
        status = read_limits(settings, &export_options);
    if (status == CNN_OK)
        status = read_layout(settings->layout, &export_options.arduino);
    if (status == CNN_OK)
        status = cnn_command_prepare(settings->threads, diag);
    if (status == CNN_OK) {
        open.untrained = !format->weights;
        status = cnn_command_open(operand, &open, &model, diag);
    }
    if (status == CNN_OK)
        status = choose_path(settings, operand, model, format, own_path, diag);
    if (status == CNN_OK)
        status = cnn_export(model, path, &export_options, &info, diag);
    if (status == CNN_OK && settings->json)
        print_json(path, format, model, &info);
    else if (status == CNN_OK)
        print_human(path, format, model, &info);
    cnn_model_free(model);
    return status;
}

static void list_formats(FILE *stream)
{
    const cnn_export_format *format;

    fputs("\nformats:\n", stream);
    for (size_t i = 0; (format = cnn_export_format_at(i)) != NULL; i++)
        fprintf(stream, "  %-10s %s\n", format->name, format->help);
}

const struct cnn_command cnn_command_export = {
    .name = "export",
    .synopsis = "[MODEL] [options]",
    .summary = "Write a model for another program",
    .details =
        "MODEL is a checkpoint, a run directory or an ONNX file; without it the model that\n"
        "ships with the program is used. An ONNX file is proved before it is written: it is\n"
        "computed operator by operator, and if a layer gives other numbers, nothing is\n"
        "written.\n",
    .list = list_formats,
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .run = run,
};
