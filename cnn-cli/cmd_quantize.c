/* cnn quantize: a trained network in 8-bit integers, and what that costs in accuracy. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "command.h"
#include "inputs.h"
#include "json.h"
#include "show.h"
#include "terminal.h"

struct settings {
    const char *output, *data;
    bool skip, json;
    struct cnn_option_list set;
    size_t images, threads;
};

static const struct cnn_option options[] = {
    {.name = "output",
     .letter = 'o',
     .kind = CNN_OPTION_TEXT,
     .offset = offsetof(struct settings, output),
     .argument = "FILE",
     .help = "the checkpoint (default: <name>-int8.safetensors)"},
    {.name = "images",
     .kind = CNN_OPTION_COUNT,
     .offset = offsetof(struct settings, images),
     .argument = "N",
     .min = 1,
     .max = 1000000,
     .help = "training images to find ranges with (default: 512)"},
    {.name = "no-eval",
     .kind = CNN_OPTION_FLAG,
     .offset = offsetof(struct settings, skip),
     .help = "do not measure the accuracy before and after"},
    CNN_OPTION_DATA(struct settings),
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_SET(struct settings),
    CNN_OPTION_THREADS(struct settings),
    CNN_OPTION_END,
};

/* What is told at the end. */
struct result {
    const char *path;
    uint64_t bytes[2]; /* of the files, before and after */
    cnn_evaluation *evaluation[2];
};

/* Calibration goes through its images twice: their number would say little. */
static int show_progress(void *context, size_t done, size_t total)
{
    const char *const *what = context;

    cnn_terminal_progress(total > 0 ? (double)done / (double)total : 0, *what, "");
    return 0;
}

static cnn_status quantize(const cnn_model *model, const struct settings *settings,
                           const cnn_flag *stop, cnn_model **out, cnn_diag *diag)
{
    const char *what = "calibrating";
    const cnn_quantize_options quantize_options = {.data_path = settings->data,
                                                   .images = settings->images,
                                                   .progress = show_progress,
                                                   .context = &what,
                                                   .stop = stop};
    cnn_status status = cnn_quantize(model, &quantize_options, out, diag);

    cnn_print_messages(diag);
    return status;
}

static cnn_status evaluate(cnn_model *model, const struct settings *settings, const cnn_flag *stop,
                           cnn_evaluation **out, cnn_diag *diag)
{
    const char *what = "eval";
    const cnn_evaluate_options evaluate_options = {.data_path = settings->data,
                                                   .progress = cnn_command_show_progress,
                                                   .context = &what,
                                                   .stop = stop};
    cnn_status status = cnn_evaluate(model, &evaluate_options, out, diag);

    cnn_print_messages(diag);
    return status;
}

static uint64_t file_bytes(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void print_json(const struct result *r, bool evaluated)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("file", r->path);
    cnn_json_count("bytes", r->bytes[1]);
    cnn_json_count("bytes_before", r->bytes[0]);
    if (evaluated) {
        cnn_json_text("split", r->evaluation[1]->split);
        cnn_json_count("images", r->evaluation[1]->images);
        cnn_json_real("accuracy", r->evaluation[1]->accuracy);
        cnn_json_real("accuracy_before", r->evaluation[0]->accuracy);
    }
    cnn_json_close();
}

static void print_human(const cnn_model *model, const struct result *r, bool evaluated)
{
    const cnn_evaluation *before = r->evaluation[0], *after = r->evaluation[1];

    printf("model      %s (%s)\n", cnn_show_text(cnn_model_name(model)).text,
           cnn_show_text(cnn_model_source(model)).text);
    printf("size       %s, ", cnn_show_bytes(r->bytes[1]).text);
    printf("before %s\n", cnn_show_bytes(r->bytes[0]).text);
    if (evaluated)
        printf("accuracy   %s%.2f%%%s, before %.2f%%: %+.2f points (%s images of split %s)\n",
               cnn_style(stdout, CNN_STYLE_BOLD), 100 * after->accuracy,
               cnn_style(stdout, CNN_STYLE_PLAIN), 100 * before->accuracy,
               100 * (after->accuracy - before->accuracy), cnn_show_integer(after->images).text,
               after->split);
    printf("written    %s\n", cnn_show_text(r->path).text);
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    const cnn_open_options open = {.overrides = settings->set.items,
                                   .override_count = settings->set.count};
    cnn_model *models[2] = {NULL, NULL};
    struct result result = {.path = settings->output};
    char own_path[128]; /* names have at most a hundred characters */
    cnn_status status = cnn_command_prepare(settings->threads, diag);
    const cnn_flag *stop = cnn_command_catch_signals("\n");

    if (status == CNN_OK)
        status = cnn_command_open(operand_count > 0 ? operands[0] : NULL, &open, &models[0], diag);
    if (status == CNN_OK) {
        snprintf(own_path, sizeof own_path, "%s-int8.safetensors", cnn_model_name(models[0]));
        if (!result.path)
            result.path = own_path;
        result.bytes[0] = file_bytes(cnn_model_source(models[0]));
        status =
            cnn_output_check(result.path, CNN_OUTPUT_INT8, settings->output ? NULL : "-o", diag);
    }
    if (status == CNN_OK)
        status = quantize(models[0], settings, stop, &models[1], diag);
    for (size_t i = 0; i < 2 && status == CNN_OK && !settings->skip; i++)
        status = evaluate(models[i], settings, stop, &result.evaluation[i], diag);
    if (status == CNN_OK)
        cnn_inputs_note_pixels(models[0], NULL);
    if (status == CNN_OK)
        status = cnn_model_write(models[1], result.path, diag);
    if (status == CNN_OK)
        result.bytes[1] = file_bytes(result.path);
    if (status == CNN_OK && settings->json)
        print_json(&result, !settings->skip);
    else if (status == CNN_OK)
        print_human(models[0], &result, !settings->skip);
    for (size_t i = 0; i < 2; i++) {
        cnn_evaluation_free(result.evaluation[i]);
        cnn_model_free(models[i]);
    }
    return status;
}

const struct cnn_command cnn_command_quantize = {
    .name = "quantize",
    .synopsis = "[MODEL] [options]",
    .summary = "Make a trained model small and fast with 8-bit integers",
    .details = "MODEL is a checkpoint or a run directory; without it the model that ships with\n"
               "the program is used. All commands except train accept the new checkpoint.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_max = 1,
    .run = run,
};
