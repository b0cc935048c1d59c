/* Setting up a run: a new one from a description, or one to go on with from its last checkpoint. */
#include "train/setup.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "data/format.h"
#include "model/record.h"
#include "tasks/metrics.h"
#include "train/from.h"
#include "train/room.h"
#include "train/whiten.h"
#include "util/allocate.h"
#include "util/file.h"

/* A warning about how the run was opened; what there is no memory for is not said. */
static void note(struct cnn_training *t, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct cnn_training *t, const char *format, ...)
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

/* The folder of --data becomes a part of the description, so that whoever opens the run finds it:
 * data.path="..." as a setting. The name of a folder that is not UTF-8 cannot stand there. */
static cnn_status name_data(struct cnn_training *t, const char *path, cnn_diag *diag)
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

/* The overrides of options and the folder of --data; cnn_free() it. */
static const char **list_settings(const struct cnn_training *t, const cnn_train_options *options,
                                  size_t *count, cnn_diag *diag)
{
    const char **list = cnn_calloc(options->override_count + 1, sizeof *list);
    *count = options->override_count;
    if (!list)
        cnn_fail_memory(diag, *count * sizeof *list, "settings");
    else if (*count > 0)
        memcpy(list, options->overrides, *count * sizeof *list);
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
    struct cnn_overrides overrides = {options->overrides, options->override_count};
    status = cnn_model_from_text(options->config, text, size, &overrides, &t->model, diag);
    if (status == CNN_OK && t->model->has_data)
        status = name_data(t, options->data_path, diag);
    if (status == CNN_OK && t->data_setting) {
        cnn_model_free(t->model);
        t->model = NULL;
        const char **settings = list_settings(t, options, &count, diag);
        overrides = (struct cnn_overrides){settings, count};
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
        note(t, "train.seed is %zu; the images stay divided as by %zu, with which the run began",
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
        note(t, "the name of the folder of --data is not UTF-8, so the run cannot remember it");
    return settle_images(t, diag);
}

static cnn_status load_weights(cnn_model *model, const char *path, struct cnn_from_notes *notes,
                               cnn_diag *diag)
{
    struct cnn_safetensors *file = NULL;
    cnn_status status = cnn_safetensors_open(path, &file, diag);
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
            note(t, "%s", said[i]);
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
        status = cnn_step_open(t->model, t->model->parameters, t->model->recipe.batch_size,
                               &t->step, diag);
    if (status == CNN_OK)
        status = cnn_evaluator_open(t->model, t->val, &t->evaluator, diag);
    if (status != CNN_OK && cnn_diag_out_of_memory(diag)) {
        cnn_room_advise(t, t->room.wanted / 2, advice, sizeof advice);
        cnn_hint(diag, "%s", advice);
    }
    return status;
}

/* Everything that a new run and a resumed one have in common, once the description is there. */
static cnn_status open_parts(struct cnn_training *t, const cnn_train_options *options,
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
    return status == CNN_OK ? cnn_health_open(t->model, &t->evaluator, &t->health, diag) : status;
}

static cnn_status write_config(const struct cnn_training *t, cnn_diag *diag)
{
    const char *text = cnn_model_resolved(t->model);
    return cnn_file_write(t->run.config, text, strlen(text), diag);
}

static struct cnn_run_sizes checkpoint_sizes(const struct cnn_training *t)
{
    return (struct cnn_run_sizes){cnn_progress_bytes(t->model, NULL),
                                  cnn_progress_bytes(t->model, &t->step)};
}

cnn_status cnn_training_prepare(struct cnn_training *t, const cnn_train_options *options,
                                cnn_diag *diag)
{
    cnn_status status = open_description(t, options, diag);
    if (status == CNN_OK)
        status = open_parts(t, options, diag);
    if (status == CNN_OK)
        status = first_parameters(t, options, diag);
    if (status == CNN_OK)
        cnn_step_begin(&t->step);
    return status;
}

static cnn_status open_new(struct cnn_training *t, const cnn_train_options *options, cnn_diag *diag)
{
    cnn_status status = cnn_training_prepare(t, options, diag);
    if (status == CNN_OK)
        status =
            cnn_run_create(&t->run, options->directory, t->model->name, checkpoint_sizes(t), diag);
    /* A checkpoint before anything else: whatever ends the run, it can be gone on with. */
    if (status == CNN_OK)
        status = cnn_progress_save(&t->progress, t->model, &t->step, t->run.last, diag);
    if (status == CNN_OK)
        status = write_config(t, diag);
    return status == CNN_OK ? cnn_run_open_tables(&t->run, t->model->task, 0, 0, 0, diag) : status;
}

static cnn_status check_progress(const struct cnn_training *t, size_t steps_per_epoch,
                                 cnn_diag *diag)
{
    if (t->progress.steps_per_epoch != steps_per_epoch) {
        cnn_fail(diag, CNN_INVALID, NULL,
                 "%s had %zu steps in an epoch; with this data and batch size there are %zu",
                 t->run.directory, t->progress.steps_per_epoch, steps_per_epoch);
        cnn_hint(diag, "a run goes on with the data and the batch size it began with");
        return CNN_INVALID;
    }
    if (t->progress.step > t->steps)
        return cnn_fail(diag, CNN_INVALID, NULL,
                        "%s is at step %zu, beyond the %zu that are wanted", t->run.directory,
                        t->progress.step, t->steps);
    return CNN_OK;
}

static cnn_status restore(struct cnn_training *t, const struct cnn_safetensors *file,
                          const cnn_train_options *options, cnn_diag *diag)
{
    size_t count;
    cnn_status status = name_data(t, options->data_path, diag);
    const char **settings = status == CNN_OK ? list_settings(t, options, &count, diag) : NULL;
    if (!settings)
        return CNN_FAILED;
    const cnn_open_options open = {.overrides = settings, .override_count = count};
    status = cnn_model_from_checkpoint(file, &open, &t->model, diag);
    cnn_free(settings);
    if (status == CNN_OK)
        status = open_parts(t, options, diag);
    if (status != CNN_OK)
        return status;
    size_t steps_per_epoch = t->progress.steps_per_epoch;
    status = cnn_progress_load(file, t->model, &t->step, &t->progress, diag);
    return status == CNN_OK ? check_progress(t, steps_per_epoch, diag) : status;
}

bool cnn_training_complete(const struct cnn_training *training)
{
    const struct cnn_progress *progress = &training->progress;
    bool stops = cnn_stopping_reached(&training->model->recipe.early_stopping, &progress->stopping);
    return progress->images == 0 && (progress->step == training->steps || stops);
}

bool cnn_training_awaits_validation(const struct cnn_training *training)
{
    const struct cnn_progress *progress = &training->progress;
    return progress->images > 0 &&
           (progress->step % progress->steps_per_epoch == 0 || progress->step == training->steps);
}

static cnn_status open_undamaged(const char *path, struct cnn_safetensors **out, cnn_diag *diag)
{
    cnn_status status = cnn_safetensors_open(path, out, diag);
    if (status == CNN_OK && (status = cnn_safetensors_verify(*out, diag)) != CNN_OK)
        cnn_safetensors_close(*out);
    return status;
}

/* *damage is what open_undamaged says, in the run's arena, and *out NULL; or *damage is NULL. Fails
 * where memory or open files are wanting, which says nothing of the file. */
static cnn_status find_damage(struct cnn_training *t, const char *path,
                              struct cnn_safetensors **out, const char **damage, cnn_diag *diag)
{
    cnn_diag *own = cnn_diag_new();
    cnn_status status = CNN_OK;
    *damage = NULL;
    enum cnn_want want =
        !own || open_undamaged(path, out, own) != CNN_OK ? cnn_diag_want(own) : CNN_WANT_NOTHING;
    if (want != CNN_WANT_NOTHING) {
        status = cnn_fail_want(diag, want, 0, path);
    } else if (cnn_diag_count(own) > 0) {
        *out = NULL;
        *damage = cnn_arena_strdup(t->run.arena, cnn_diag_get(own, 0)->text);
        if (!*damage)
            status = cnn_fail_memory(diag, 0, path);
    }
    cnn_diag_free(own);
    return status;
}

/* The newest state; where that is damaged or gone, the one before it: *damage says so then. */
static cnn_status open_state(struct cnn_training *t, struct cnn_safetensors **out,
                             const char **damage, cnn_diag *diag)
{
    cnn_status status = find_damage(t, t->run.last, out, damage, diag);
    if (status != CNN_OK || !*damage)
        return status;
    t->from_previous = open_undamaged(t->run.previous, out, NULL) == CNN_OK;
    if (t->from_previous)
        return CNN_OK;
    status = open_undamaged(t->run.last, out, diag); /* the same again, for diag */
    cnn_hint(diag, "--resume wants the directory of a run that has saved a checkpoint");
    cnn_hint_near(diag, t->run.directory);
    return status;
}

/* What is wrong with best.safetensors, for a run that has one; NULL: nothing. It may be newer than
 * the state: a crash comes between the two. */
static cnn_status doubt_best(struct cnn_training *t, const char **damage, cnn_diag *diag)
{
    struct cnn_safetensors *file;
    struct cnn_progress progress;
    cnn_status status = find_damage(t, t->run.best, &file, damage, diag);
    if (status != CNN_OK || *damage)
        return status;
    bool same =
        cnn_progress_load_best(file, &progress) &&
        (progress.step > t->progress.step || (progress.best_accuracy == t->progress.best_accuracy &&
                                              progress.best_loss == t->progress.best_loss));
    for (size_t i = 0; i < t->model->tensor_count && same; i++)
        same = cnn_model_fits(&t->model->tensors[i], file);
    cnn_safetensors_close(file);
    if (!same)
        *damage = cnn_arena_printf(t->run.arena, "%s is not the model that this run has kept",
                                   t->run.best);
    return same || *damage ? CNN_OK : cnn_fail_memory(diag, 0, t->run.best);
}

/* best.safetensors is looked at: where it is not what it should be, the next epoch is the best. */
static cnn_status check_best(struct cnn_training *t, cnn_diag *diag)
{
    const char *damage = NULL;
    cnn_status status = t->progress.epochs_logged > 0 ? doubt_best(t, &damage, diag) : CNN_OK;
    if (status != CNN_OK || !damage)
        return status;
    t->progress.best_accuracy = cnn_progress_start(0).best_accuracy;
    t->progress.best_loss = cnn_progress_start(0).best_loss;
    note(t, "%s; %s", damage,
         cnn_training_complete(t) ? "it would be written anew after another epoch"
                                  : "it is written anew after the next epoch");
    return CNN_OK;
}

/* The state that the run goes on from takes the place of a damaged one, else the next save would
 * keep that as the one before it. The damaged one is put aside: it may have been a permission or
 * want of memory that kept it from being read. New settings go into the state, so that they hold
 * from here on whatever becomes of this process. */
static cnn_status settle_state(const struct cnn_training *t, const cnn_train_options *options,
                               cnn_diag *diag)
{
    if (t->from_previous && ((rename(t->run.last, t->run.damaged) != 0 && errno != ENOENT) ||
                             rename(t->run.previous, t->run.last) != 0))
        return cnn_fail(diag, CNN_FAILED, NULL, "cannot write %s: %s", t->run.last,
                        strerror(errno));
    bool set = options->override_count > 0 || t->data_setting,
         changed = set && !cnn_training_complete(t);
    cnn_status status =
        changed || access(t->run.config, F_OK) != 0 ? write_config(t, diag) : CNN_OK;
    if (!changed)
        return status;
    if (status == CNN_OK)
        status = cnn_file_keep(t->run.last, t->run.previous, diag);
    return status == CNN_OK ? cnn_progress_save(&t->progress, t->model, &t->step, t->run.last, diag)
                            : status;
}

static cnn_status open_resumed(struct cnn_training *t, const cnn_train_options *options,
                               cnn_diag *diag)
{
    struct cnn_safetensors *file;
    const char *damage;
    cnn_status status = cnn_run_claim(&t->run, options->resume, diag);
    if (status == CNN_OK)
        status = open_state(t, &file, &damage, diag);
    if (status != CNN_OK)
        return status;
    status = restore(t, file, options, diag);
    cnn_safetensors_close(file);
    if (status == CNN_OK && damage)
        note(t, "%s; the run goes on from last.previous.safetensors", damage);
    if (status == CNN_OK)
        status = check_best(t, diag);
    if (status == CNN_OK)
        status = cnn_run_check_room(&t->run, checkpoint_sizes(t), diag);
    if (status == CNN_OK)
        status = settle_state(t, options, diag);
    if (status != CNN_OK)
        return status;
    /* Health is measured after an epoch's last step, and before its validation, which may be left
     * to do. A run that ended within an epoch and is prolonged goes on in that epoch: its row is
     * cut off, for it comes again when the epoch is whole. */
    size_t step = t->progress.step, logged = t->progress.epochs_logged,
           measured = step / t->progress.steps_per_epoch;
    if (step == t->steps)
        measured = (step - 1) / t->progress.steps_per_epoch + 1;
    return cnn_run_open_tables(&t->run, t->model->task, step, logged < measured ? logged : measured,
                               measured, diag);
}

cnn_status cnn_training_open(struct cnn_training *training, const cnn_train_options *options,
                             cnn_diag *diag)
{
    const char *directory = options->resume ? options->resume : options->directory;
    if (directory && !*directory)
        return cnn_fail(diag, CNN_INVALID, NULL, "the name of the run's directory is empty");
    return options->resume ? open_resumed(training, options, diag)
                           : open_new(training, options, diag);
}

void cnn_training_close(struct cnn_training *training)
{
    cnn_health_close(&training->health);
    cnn_samples_free(&training->samples);
    cnn_metrics_free(&training->evaluation);
    cnn_evaluator_close(&training->evaluator);
    cnn_step_close(&training->step);
    cnn_frozen_close(&training->frozen);
    cnn_loader_free(training->loader);
    cnn_dataset_free(training->train);
    cnn_dataset_free(training->val);
    cnn_run_close(&training->run);
    cnn_model_free(training->model);
    cnn_free(training->data_setting);
}
