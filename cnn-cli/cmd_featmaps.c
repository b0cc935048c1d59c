/* cnn featmaps: the maps of every layer for one input, as sheets. */
#include "pictures.h"

struct settings {
    struct cnn_picture_settings pictures;
};

static const struct cnn_option options[] = {CNN_PICTURE_OPTIONS("<input>-featmaps"),
                                            CNN_OPTION_END};

static cnn_status run(const void *data, char *const *operands, size_t operand_count, cnn_diag *diag)
{
    const struct settings *settings = data;
    cnn_visualize_options visualize = {0};

    if (!settings->pictures.text)
        visualize.kinds = 1U << CNN_PICTURE_FEATMAPS;
    return cnn_pictures_run(&settings->pictures, &visualize, "-featmaps", operands, operand_count,
                            diag);
}

const struct cnn_command cnn_command_featmaps = {
    .name = "featmaps",
    .synopsis = "INPUT [MODEL] [options]",
    .summary = "Draw the feature maps of every layer for a picture",
    .details = "INPUT is a PNG, JPEG, WebP or BMP file of any size, '-' for one on standard\n"
               "input, or numbers in a .npy, .txt or .csv file. MODEL is a .yaml, .safetensors\n"
               "or .onnx file or a run directory; without it the model that ships with the\n"
               "program is used.\n"
               "Writes one sheet of all maps for each layer, and index.html, which shows them.\n",
    .options = options,
    .settings_size = sizeof(struct settings),
    .operands_min = 1,
    .operands_max = 2,
    .run = run,
};
