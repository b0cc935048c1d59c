/* cnn_survey_data: the data of a description, looked at before training. Opens its splits, has them
 * surveyed, and writes the sheet of images. */
#include <string.h>

#include "data/survey.h"
#include "report/data_sheet.h"

struct splits {
    /* the description's, but for files that cannot be read: to name them is what this is for */
    struct cnn_data_settings settings;
    struct cnn_dataset *datasets[3];
    struct cnn_survey_source source;
};

static void pass_on(const cnn_diag *from, const char *split, cnn_diag *to)
{
    for (size_t i = 0; i < cnn_diag_count(from); i++) {
        const cnn_message *message = cnn_diag_get(from, i);
        if (message->warning)
            cnn_warn(to, NULL, "%s", message->text);
        else
            cnn_warn(to, NULL, "no %s images are looked at: %s", split, message->text);
        if (message->hint)
            cnn_hint(to, "%s", message->hint);
    }
}

static void add_split(struct splits *splits, struct cnn_dataset *dataset, enum cnn_split split)
{
    struct cnn_survey_source *source = &splits->source;
    splits->datasets[source->count] = dataset;
    source->names[source->count] = cnn_split_names[split];
    source->datasets[source->count++] = dataset;
}

/* A split that need not be there: what it stands in for is looked at anyway. */
static cnn_status open_other(struct splits *splits, const cnn_model *model, const char *path,
                             enum cnn_split split, cnn_diag *diag)
{
    struct cnn_dataset *dataset;
    enum cnn_split used;
    cnn_diag *own = cnn_diag_new();
    if (!own)
        return cnn_fail_memory(diag, 0, "messages");
    cnn_status status = cnn_dataset_open(
        &splits->settings,
        &(struct cnn_data_choice){
            .input = model->graph.input, .path = path, .split = split, .seed = model->recipe.seed},
        &dataset, &used, own);
    if (status == CNN_OK && used == split)
        add_split(splits, dataset, split);
    else if (status == CNN_OK)
        cnn_dataset_free(dataset);
    enum cnn_want want = status != CNN_OK ? cnn_diag_want(own) : CNN_WANT_NOTHING;
    if (want == CNN_WANT_NOTHING && (status != CNN_OK || used == split))
        pass_on(own, cnn_split_names[split], diag);
    cnn_diag_free(own);
    return want == CNN_WANT_NOTHING ? CNN_OK : cnn_fail_want(diag, want, 0, "a data set");
}

static cnn_status open_splits(struct splits *splits, const cnn_model *model, const char *path,
                              cnn_diag *diag)
{
    struct cnn_dataset *train;
    enum cnn_split used;
    splits->settings = model->data;
    splits->settings.any_damage = true;
    splits->source.shape = model->graph.input;
    cnn_status status = cnn_dataset_open(&splits->settings,
                                         &(struct cnn_data_choice){.input = model->graph.input,
                                                                   .path = path,
                                                                   .split = CNN_SPLIT_TRAIN,
                                                                   .seed = model->recipe.seed},
                                         &train, &used, diag);
    if (status != CNN_OK)
        return status;
    add_split(splits, train, CNN_SPLIT_TRAIN);
    status = open_other(splits, model, path, CNN_SPLIT_VAL, diag);
    return status == CNN_OK ? open_other(splits, model, path, CNN_SPLIT_TEST, diag) : status;
}

/* As training will normalise: by the numbers of the description, or those just measured. */
static struct cnn_normalization normalization_of(const cnn_model *model, const cnn_survey *survey)
{
    struct cnn_normalization n = {.channels = survey->shape.c};
    if (model->data.fixed.channels)
        return model->data.fixed;
    for (size_t c = 0; c < n.channels; c++) {
        bool measured = model->data.normalize_auto && survey->splits[0].divisor[c] > 0;
        n.mean[c] = measured ? (float)survey->splits[0].mean[c] : 0;
        n.std[c] = measured ? (float)survey->splits[0].divisor[c] : 1;
    }
    return n;
}

static cnn_status write_sheet(const cnn_model *model, const struct cnn_dataset *train,
                              const cnn_survey *survey, const char *path, cnn_diag *diag)
{
    struct cnn_canvas canvas;
    const struct cnn_normalization normalization = normalization_of(model, survey);
    cnn_status status = cnn_data_sheet(model, train, &normalization, &canvas, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_canvas_write(&canvas, path, diag);
    cnn_canvas_free(&canvas);
    return status;
}

/* A survey in the arena that it is made of. */
struct kept_survey {
    cnn_survey shown; /* the caller's part */
    struct cnn_arena *memory;
};

static struct kept_survey *kept_survey_new(void)
{
    struct cnn_arena *memory = cnn_arena_new();
    struct kept_survey *kept = memory ? cnn_arena_alloc(memory, sizeof *kept) : NULL;
    if (kept)
        kept->memory = memory;
    else
        cnn_arena_free(memory);
    return kept;
}

cnn_status cnn_survey_data(const cnn_model *model, const cnn_survey_options *options,
                           cnn_survey **out, cnn_diag *diag)
{
    if (!model || !out)
        return cnn_fail_missing(diag, "cnn_survey_data", "model or out");
    if (options && options->version > CNN_SURVEY_OPTIONS_VERSION)
        return cnn_fail_version(diag, "cnn_survey_options", options->version,
                                CNN_SURVEY_OPTIONS_VERSION);
    const cnn_survey_options o = options ? *options : (cnn_survey_options){0};
    struct splits splits = {0};
    if (!model->has_data)
        return cnn_model_fail_no_data(model, "look at", diag);
    cnn_status status =
        o.sheet ? cnn_output_check(o.sheet, CNN_OUTPUT_PICTURE, NULL, diag) : CNN_OK;
    struct kept_survey *kept = status == CNN_OK ? kept_survey_new() : NULL;
    if (status == CNN_OK && !kept)
        status = cnn_fail_memory(diag, sizeof *kept, "the survey");
    if (status == CNN_OK)
        status = open_splits(&splits, model, o.data_path, diag);
    if (status == CNN_OK) {
        status = cnn_survey_run(&splits.source, &o, kept->memory, &kept->shown, diag);
        if (status == CNN_INTERRUPTED)
            cnn_fail(diag, status, NULL, "interrupted before all images were looked at");
    }
    if (status == CNN_OK)
        kept->shown.weighted = model->loss.balanced || model->loss.class_weights.count > 0;
    if (status == CNN_OK && o.sheet)
        status = write_sheet(model, splits.datasets[0], &kept->shown, o.sheet, diag);
    for (size_t i = 0; i < splits.source.count; i++)
        cnn_dataset_free(splits.datasets[i]);
    if (status == CNN_OK)
        *out = &kept->shown;
    else
        cnn_survey_free(kept ? &kept->shown : NULL);
    return status;
}

void cnn_survey_free(cnn_survey *survey)
{
    if (survey)
        cnn_arena_free(((struct kept_survey *)survey)->memory);
}
