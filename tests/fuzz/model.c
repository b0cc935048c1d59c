/* Checkpoints that hold a description: any file gives a model, which is looked at, verified and
 * run, or messages. */
#include "model/model.h"

#include "fuzz.h"

#define MOST_BYTES ((uint64_t)1 << 24) /* of memory, in a model that is run */
#define MOST_MACS  1000000

static void look(cnn_model *model, cnn_diag *diag)
{
    cnn_memory memory;
    uint64_t macs = 0;
    size_t inputs = cnn_shape_count(cnn_model_input(model)), outputs = cnn_model_outputs(model);

    for (size_t i = 0; i < cnn_model_layers(model); i++) {
        cnn_layer_info info = {0};
        if (cnn_model_layer(model, i, &info, diag) == CNN_OK)
            macs += info.macs;
    }
    if (macs > MOST_MACS || inputs > MOST_BYTES || outputs > MOST_BYTES ||
        cnn_model_memory(model, 1, &memory, diag) != CNN_OK ||
        memory.parameters + memory.inference > MOST_BYTES)
        return;
    float *values = calloc(inputs + outputs, sizeof *values);
    cnn_prediction best[3];
    size_t written;
    if (cnn_model_run(model, values, 1, values + inputs, diag) == CNN_OK) {
        cnn_model_probabilities(model, values + inputs, 1, values + inputs);
        cnn_model_top(model, values + inputs, 3, best, &written);
    }
    free(values);
    for (size_t i = 0; i < cnn_export_formats(); i++) {
        const cnn_export_options options = {.format = cnn_export_format_at(i)->name};
        cnn_export(model, "/dev/null", &options, NULL, diag);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_file("file.safetensors", data, size);
    cnn_diag *diag = cnn_diag_new();
    cnn_checkpoint_info *info = NULL;
    cnn_model *model = NULL;

    cnn_set_threads(1);
    cnn_checkpoint_verify(path, &info, diag);
    if (cnn_model_open(path, NULL, &model, diag) == CNN_OK)
        look(model, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_checkpoint_info_free(info);
    cnn_model_free(model);
    cnn_diag_free(diag);
    return 0;
}
