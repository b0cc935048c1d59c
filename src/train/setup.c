/* Setting up a run: its description, data, memory and first parameters. open.c makes or finds its
 * directory. */
#include "train/setup_internal.h"

#include <stdarg.h>
#include <string.h>

#include "data/format.h"
#include "model/record.h"
#include "tasks/metrics.h"
#include "train/from.h"
#include "train/room.h"
#include "train/whiten.h"
#include "util/allocate.h"

void cnn_training_note(struct cnn_training *t, const char *format, ...)
{
    struct cnn_text text = {0};
    va_list arguments;
    va_start(arguments, format);
    cnn_text_vprintf(&text, format, arguments);
    va_end(arguments);
    const char *kept =
        text.failed || !text.data ? NULL : cnn_arena_strdup(t->model->arena, text.data);
    cnn_text_free(&text);
    if (kept && t->notice_count < CNN_NOTICES)
        t->notices[t->notice_count++] = kept;
}

cnn_status cnn_training_name_data(struct cnn_training *t, const char *path, cnn_diag *diag)
{
    struct cnn_text text = {0};
    if (!path || !*path || !cnn_utf8_valid(path, strlen(path)))
        return CNN_OK;
    cnn_text_printf(&text, "data.path=\"");
    uint32_t code;
    for (size_t left = strlen(path), size; left > 0; path += size, left -= size) {
        size = cnn_utf8_decode(path, left, &code);
        if (code < ' ' || !cnn_yaml_character_allowed(code))
            cnn_text_printf(&text, "\\U%08x", (unsigned)code);
        else
            cnn_text_printf(&text, "%s%.*s", code == '"' || code == '\\' ? "\\" : "", (int)size,
                            path);
    }
    cnn_text_printf(&text, "\"");
    if (text.failed) {
        cnn_text_free(&text);
        return cnn_fail_memory(diag, 0, "a setting");
    }
    t->data_setting = text.data;
    return CNN_OK;
}

const char **cnn_training_settings(const struct cnn_training *t, const cnn_train_options *options,
                                   size_t *count, cnn_diag *diag)
{
    const char **list = cnn_calloc(options->override_count + CNN_SCALE_SETTINGS + 1, sizeof *list);
    *count = options->override_count;
    if (!list)
        cnn_fail_memory(diag, *count * sizeof *list, "settings");
    else if (*count > 0)
        memcpy(list, options->overrides, *count * sizeof *list);
    for (size_t i = 0; list && i < t->scaling.count; i++)
        list[(*count)++] = t->scaling.settings[i];
    if (list && t->data_setting)
        list[(*count)++] = t->data_setting;
    return list;
}

/* A description without a data section is refused later on; --data adds none. */
static cnn_status open_description(struct cnn_training *t, const cnn_train_options *options,
                                   cnn_diag *diag)
{
    char *text;
    size_t size, count;
    cnn_status status = cnn_yaml_read_text(options->config, &text, &size, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, options->config);
        return status;
    }
    struct cnn_overrides overrides = {.words = options->overrides,
                                      .count = options->override_count};
    status = cnn_model_from_text(options->config, text, size, &overrides, &t->model, diag);
    if (status == CNN_OK && t->model->has_data)
        status = cnn_training_name_data(t, options->data_path, diag);
    if (status == CNN_OK && t->model->has_train && options->scale_batch > 1)
        status = cnn_scale_batch(t->model, options->scale_batch, &t->scaling, diag);
    if (status == CNN_OK && (t->data_setting || t->scaling.count > 0)) {
        cnn_model_free(t->model);
        t->model = NULL;
        const char **settings = cnn_training_settings(t, options, &count, diag);
        overrides = (struct cnn_overrides){.words = settings, .count = count};
        status = settings
                     ? cnn_model_from_text(options->config, text, size, &overrides, &t->model, diag)
                     : CNN_FAILED;
        cnn_free(settings);
    }
    cnn_free(text);
    return status;
}

static cnn_status fail_section(const cnn_model *model, const char *section, const char *example,
                               cnn_diag *diag)
{
    cnn_fail(diag, CNN_INVALID, NULL, "%s has no %s section, which training needs", model->source,
             section);
    cnn_hint(diag, "add for example %s", example);
    return CNN_INVALID;
}

static cnn_status require_sections(struct cnn_training *t, cnn_diag *diag)
{
    const cnn_model *model = t->model;
    if (!model->has_data)
        return fail_section(model, "data", "data: {dataset: mnist}", diag);
    if (!model->has_train)
        return fail_section(
            model, "train",
            "train: {epochs: 10, batch_size: 64, optimizer: {type: sgd, lr: 0.01, momentum: 0.9}}",
            diag);
    if (model->recipe.epochs == 0 && model->recipe.steps == 0) {
        cnn_fail(diag, CNN_INVALID, NULL, "train of %s says neither epochs nor steps",
                 model->source);
        cnn_hint(diag, "how long to train, for example epochs: 10");
        return CNN_INVALID;
    }
    for (size_t i = 0; i < model->tensor_count; i++)
        t->params += model->tensors[i].trainable ? model->tensors[i].tensor->count : 0;
    if (t->params == 0)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        model->tensor_count > 0
                            ? "%s has no layer with weights that may change, so there is nothing "
                              "to train"
                            : "%s has no layer with weights, so there is nothing to train",
                        model->source);
    return CNN_OK;
}

/* The images of a run that is gone on with are those that it began with. */
static cnn_status settle_images(struct cnn_training *t, cnn_diag *diag)
{
    cnn_model *model = t->model;
    bool begins = !model->record && !model->classes;
    size_t seed = cnn_record_seed(model);
    cnn_status status = cnn_model_adopt_data(model, t->train, diag);
    if (status == CNN_OK)
        status = cnn_record_settle(model, t->train, t->val, t->val_split, diag);
    if (status != CNN_OK && !begins)
        cnn_hint(diag, "a run goes on with the images that it began with; on others, a new run can "
                       "begin with its weights: --weights");
    bool drawn = model->data.val_split > 0 || cnn_dataset_formats[model->data.dataset]->drawn;
    if (status == CNN_OK && seed != model->recipe.seed && drawn)
        cnn_training_note(
            t, "train.seed is %zu; the images stay divided as by %zu, with which the run began",
            model->recipe.seed, seed);
    return status;
}

static cnn_status open_data(struct cnn_training *t, const char *path, cnn_diag *diag)
{
    cnn_model *model = t->model;
    enum cnn_split used;
    cnn_status status =
        cnn_record_open(model,
                        &(struct cnn_data_choice){
                            .input = model->graph.input, .path = path, .split = CNN_SPLIT_TRAIN},
                        &t->train, &used, diag);
    if (status == CNN_OK)
        status =
            cnn_record_open(model,
                            &(struct cnn_data_choice){
                                .input = model->graph.input, .path = path, .split = CNN_SPLIT_VAL},
                            &t->val, &t->val_split, diag);
    if (status != CNN_OK)
        return status;
    if (cnn_dataset_classes(t->val) != cnn_dataset_classes(t->train))
        return cnn_fail(diag, CNN_FAILED, NULL,
                        "the training images have %zu classes, the validation images %zu",
                        cnn_dataset_classes(t->train), cnn_dataset_classes(t->val));
    if (path && *path && !cnn_utf8_valid(path, strlen(path)))
        cnn_training_note(
            t, "the name of the folder of --data is not UTF-8, so the run cannot remember it");
    return settle_images(t, diag);
}

static cnn_status load_weights(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                               cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open_unread(path, &file, diag);
    if (status != CNN_OK) {
        cnn_hint_near(diag, path);
        return status;
    }
    status = cnn_model_load_parameters(model, file, diag);
    if (status == CNN_OK)
        status = cnn_record_doubt(model, file, &notes->classes, &notes->images, diag);
    cnn_safetensors_close(file);
    return status;
}

static cnn_status first_parameters(struct cnn_training *t, const cnn_train_options *options,
                                   cnn_diag *diag)
{
    cnn_model *model = t->model;
    struct cnn_from_notes notes = {NULL, NULL, NULL};
    cnn_status status = CNN_OK;
    if (options->weights) {
        status = load_weights(model, options->weights, &notes, diag);
    } else {
        const char *from = options->from ? options->from : model->recipe.from;
        cnn_graph_init(&model->graph, model->recipe.seed, model->parameters);
        status = cnn_whiten(model, t->train, diag);
        if (status == CNN_OK && from)
            status = cnn_train_from(model, from, &notes, diag);
    }
    const char *const said[] = {notes.left, notes.classes, notes.images};
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        if (said[i])
            cnn_training_note(t, "%s", said[i]);
    return status;
}

/* A batch in which a channel has one value has no variance: PyTorch refuses it, too. */
static cnn_status check_batches(const struct cnn_training *t, cnn_diag *diag)
{
    const struct cnn_node *node = cnn_graph_needs_two(&t->model->graph);
    size_t images = cnn_dataset_count(t->train), batch = t->model->recipe.batch_size;
    if (!node || cnn_loader_smallest(t->loader) > 1)
        return CNN_OK;
    cnn_fail(diag, CNN_INVALID, &node->where,
             "layer '%s' (%s) has one value per channel where a batch has one image, as %s of %zu "
             "image%s in batches of %zu: one value has no variance",
             node->name, node->type->variant.name, batch > 1 && images > 1 ? "the last" : "each",
             images, images == 1 ? "" : "s", batch);
    cnn_hint(diag, images == 1 ? "more training images are wanted"
                               : "train.batch_size: 3 or more; or this layer above the one that "
                                 "leaves one pixel");
    return CNN_INVALID;
}

static cnn_status open_loader(struct cnn_training *t, cnn_diag *diag)
{
    const cnn_model *model = t->model;
    struct cnn_loader_options options = {
        .dataset = t->train,
        .normalization = model->normalization,
        .augmentation = model->data.augmentation,
        .shape = model->graph.input,
        .batch = model->recipe.batch_size,
        .two_or_more = cnn_graph_needs_two(&model->graph) != NULL,
        .shuffle = model->data.shuffle,
        .seed = model->recipe.seed,
        .rank = cnn_cluster_rank(t->cluster),
        .ranks = cnn_cluster_ranks(t->cluster),
    };
    cnn_status status = cnn_loader_new(&options, &t->loader, diag);
    return status == CNN_OK ? check_batches(t, diag) : status;
}

static cnn_status count_steps(struct cnn_training *t, cnn_diag *diag)
{
    const struct cnn_recipe *recipe = &t->model->recipe;
    size_t per_epoch = cnn_loader_batches(t->loader);
    t->progress = cnn_progress_start(per_epoch);
    t->steps = recipe->steps;
    if (recipe->epochs && !cnn_size_mul(recipe->epochs, per_epoch, &t->steps))
        return cnn_fail(diag, CNN_INVALID, NULL, "%zu epochs are too many", recipe->epochs);
    t->epochs = (t->steps - 1) / per_epoch + 1;
    return CNN_OK;
}

/* The memory of the steps and of validation; where it cannot be had, which batch would do with
 * less. */
static cnn_status open_memory(struct cnn_training *t, cnn_diag *diag)
{
    char advice[160];
    cnn_status status = cnn_room_check(t, diag);
    if (status != CNN_OK)
        return status;
    status = cnn_model_allocate(t->model, diag);
    if (status == CNN_OK)
        status = cnn_step_open_shared(t->model, t->model->parameters, t->model->recipe.batch_size,
                                      t->cluster, &t->step, diag);
    if (status == CNN_OK)
        status = cnn_evaluator_open(t->model, t->val, t->cluster, &t->evaluator, diag);
    if (status != CNN_OK && cnn_diag_out_of_memory(diag)) {
        cnn_room_advise(t, t->room.wanted / 2, advice, sizeof advice);
        cnn_hint(diag, "%s", advice);
    }
    return status;
}

cnn_status cnn_training_parts(struct cnn_training *t, const cnn_train_options *options,
                              cnn_diag *diag)
{
    cnn_status status = require_sections(t, diag);
    if (status == CNN_OK && options->memory)
        status = cnn_memory_check(options->memory, diag);
    t->model->data.memory = options->memory;
    if (status == CNN_OK)
        status = open_data(t, options->data_path, diag);
    if (status == CNN_OK)
        status = open_loader(t, diag);
    if (status == CNN_OK)
        status = count_steps(t, diag);
    if (status == CNN_OK)
        status = open_memory(t, diag);
    if (status == CNN_OK)
        status = cnn_evaluation_new(&t->evaluator, &t->evaluation, diag);
    t->evaluation.split = cnn_split_names[t->val_split];
    if (status == CNN_OK)
        status = cnn_samples_new(t->val, CNN_REPORT_SAMPLES, &t->samples, diag);
    const enum cnn_gradients gradients =
        cnn_recipe_gradients(&t->model->recipe, cnn_cluster_ranks(t->cluster));
    return status == CNN_OK ? cnn_health_open(t->model, &t->evaluator, gradients, &t->health, diag)
                            : status;
}

cnn_status cnn_training_prepare(struct cnn_training *t, const cnn_train_options *options,
                                cnn_diag *diag)
{
    cnn_status status = open_description(t, options, diag);
    if (status == CNN_OK)
        status = cnn_training_parts(t, options, diag);
    if (status == CNN_OK)
        status = first_parameters(t, options, diag);
    if (status == CNN_OK)
        cnn_step_begin(&t->step);
    return status;
}
