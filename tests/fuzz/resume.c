/* A run that is gone on with: its tables, then last.safetensors, any bytes; one step is taken, or
 * they are refused. */
#include "data/format.h"
#include "fuzz.h"
#include "model/model.h"

#define MOST_MACS 100000

/* Whether the run, should it begin, is as small as those that seeds are made of: of data sets that
 * must be made or searched for first, of long epochs and large networks there is nothing to
 * learn here. */
static bool is_small(const char *path)
{
    struct cnn_safetensors *file = NULL;
    cnn_model *model = NULL;
    bool small = false;

    if (cnn_safetensors_open(path, &file, NULL) != CNN_OK)
        return true;
    const char *text = cnn_safetensors_metadata(file, "description");
    if (!text || cnn_model_from_text(path, text, strlen(text), NULL, &model, NULL) != CNN_OK) {
        small = true;
    } else {
        uint64_t macs = 0;
        for (size_t i = 0; i < model->graph.count; i++)
            macs += model->graph.nodes[i].macs;
        small = model->data.dataset == cnn_dataset_find("shapes") && model->data.limit > 0 &&
                model->data.limit <= 64 && model->graph.parameter_floats <= 100000 &&
                cnn_shape_count(model->graph.input) <= 1024 && model->recipe.batch_size <= 64 &&
                macs <= MOST_MACS;
    }
    cnn_model_free(model);
    cnn_safetensors_close(file);
    return small;
}

static int stop_soon(void *context, const cnn_event *event)
{
    (void)context;
    return event->kind == CNN_EVENT_STEP || event->kind == CNN_EVENT_EPOCH;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"epochs.csv", "steps.csv", "health.csv"};
    struct fuzz_input input = {data, size};
    char last[128];
    cnn_diag *diag = cnn_diag_new();

    cnn_set_threads(1);
    for (size_t i = 0; i < 3; i++) {
        struct fuzz_input part = fuzz_until(&input, FUZZ_SEPARATOR);
        fuzz_file(names[i], part.data, part.size);
    }
    unlink(fuzz_file("last.previous.safetensors", NULL, 0));
    unlink(fuzz_file("film.safetensors", NULL, 0)); /* which the call before may have left */
    snprintf(last, sizeof last, "%s", fuzz_file("last.safetensors", input.data, input.size));
    if (is_small(last))
        cnn_train(&(cnn_train_options){.resume = fuzz_folder(), .event = stop_soon}, diag);
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(diag, i), "cnn"));
    cnn_diag_free(diag);
    return 0;
}
