/* cnn verify: whether checkpoints are whole. */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "json.h"
#include "paths.h"
#include "show.h"
#include "terminal.h"

struct settings {
    bool json;
};

static const struct cnn_option options[] = {
    CNN_OPTION_JSON(struct settings),
    CNN_OPTION_END,
};

static void print_good(const char *path, const cnn_checkpoint_info *info)
{
    printf("%s: good, %s, %zu tensor%s of %s numbers", cnn_show_text(path).text,
           cnn_show_bytes(info->bytes).text, info->tensors, info->tensors == 1 ? "" : "s",
           cnn_show_integer(info->values).text);
    if (info->description)
        printf(", network %s", cnn_show_text(info->network).text);
    else
        printf(", no description");
    if (info->step > 0 || info->state)
        printf(", step %s", cnn_show_integer(info->step).text);
    if (info->state)
        printf(", can be resumed");
    printf("%s\n", info->checksum ? "" : ", no checksum");
}

/* error: NULL where the file is good. */
static void print_json(const char *path, const cnn_checkpoint_info *info, const char *error)
{
    cnn_json_open(NULL, '{');
    cnn_json_text("file", path);
    cnn_json_flag("good", !error);
    if (error) {
        cnn_json_text("error", error);
    } else {
        cnn_json_count("bytes", info->bytes);
        cnn_json_count("tensors", info->tensors);
        cnn_json_count("numbers", info->values);
        cnn_json_flag("checksum", info->checksum);
        cnn_json_text("network", info->network);
        cnn_json_count("step", info->step);
        cnn_json_flag("resumable", info->state);
    }
    cnn_json_close();
}

static cnn_status verify_file(const char *path, bool json, cnn_diag *diag)
{
    cnn_checkpoint_info *info = NULL;
    cnn_status status = cnn_checkpoint_verify(path, &info, diag);

    if (json)
        print_json(path, info, status == CNN_OK ? NULL : cnn_diag_get(diag, 0)->text);
    else if (status == CNN_OK)
        print_good(path, info);
    else
        printf("%s: bad\n", cnn_show_text(path).text);
    fflush(stdout); /* before its messages, where both go to one place */
    cnn_print_messages(diag);
    cnn_checkpoint_info_free(info);
    return status;
}

/* Those checkpoints that the run's directory has, and its film. */
static cnn_status verify_run(const char *directory, bool json, cnn_diag *diag)
{
    static const char *const names[] = {"best.safetensors", "last.safetensors",
                                        "last.previous.safetensors", "film.safetensors"};
    const size_t checkpoints = 3;
    size_t found = 0;
    cnn_status status = CNN_OK;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *path = cnn_path_join(directory, names[i]);

        if (!path)
            return cnn_command_out_of_memory();
        if (access(path, F_OK) == 0 || errno == EACCES) {
            found += i < checkpoints;
            if (verify_file(path, json, diag) != CNN_OK)
                status = CNN_FAILED;
        }
        free(path);
    }
    if (found == 0) {
        cnn_print_error(
            "%s holds neither best.safetensors nor last.safetensors: it is no run directory",
            directory);
        return CNN_FAILED;
    }
    return status;
}

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    cnn_status status = CNN_OK;

    for (size_t i = 0; i < operand_count; i++) {
        const bool folder = cnn_path_is_folder(operands[i]);

        if ((folder ? verify_run : verify_file)(operands[i], settings->json, diag) != CNN_OK)
            status = CNN_FAILED;
    }
    return status;
}

const struct cnn_command cnn_command_verify = {
    .name = "verify",
    .synopsis = "FILE... [options]",
    .summary = "Check that checkpoints are intact",
    .details =
        "FILE is a checkpoint, or the directory of a run, for all its checkpoints and the\n"
        "film of its first layer. Checked are the header, the checksum of the tensors, that\n"
        "all numbers are finite, that the description is valid and has all its tensors, and\n"
        "the state to resume from. A line for each file shows the result; the status is 1 if\n"
        "one is bad.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = SIZE_MAX,
    .run = run,
};
